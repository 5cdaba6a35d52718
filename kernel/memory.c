// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "memory.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "../bpf/census.h"
#include "btfq.h"
#include "census.skel.h"

int memory_fail(struct memory *m, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(m->error, sizeof(m->error), format, args);
	va_end(args);
	return err;
}

/* ---- where the page structures keep what we read ---------------------------------------- */

static bool field(const struct btf *btf, const char *type, const char *member, uint32_t *out)
{
	int at = btfq_offset(btf, type, member);

	*out = (uint32_t)at;
	return at >= 0;
}

/* Newest kernel first. */
static bool read_layout(const struct btf *btf, struct pl_scan_layout *l)
{
	if (btfq_size(btf, "page") != PL_STRUCT_PAGE)
		return false;
	/* 6.6: in the second flags word; before, a member of its own */
	if (btfq_offset(btf, "folio", "_folio_order") >= 0)
		field(btf, "folio", "_folio_order", &l->order);
	else if (!field(btf, "folio", "_flags_1", &l->order))
		return false;
	/* 6.2: _entire_mapcount; before, _total_mapcount was what is now the entire one */
	if (!field(btf, "folio", "_entire_mapcount", &l->entire_mapcount) &&
	    !field(btf, "folio", "_total_mapcount", &l->entire_mapcount))
		return false;
	return field(btf, "page", "flags", &l->flags) &&
	       field(btf, "folio", "mapping", &l->mapping) &&
	       field(btf, "page", "_mapcount", &l->mapcount) &&
	       field(btf, "page", "_refcount", &l->refcount) &&
	       field(btf, "page", "compound_head", &l->compound_head) &&
	       field(btf, "folio", "_pincount", &l->pincount) &&
	       l->pincount + 4 <= 2 * PL_STRUCT_PAGE && btfq_bit(btf, "PG_head", &l->head_bit) &&
	       btfq_bit(btf, "PG_lru", &l->lru_bit) &&
	       btfq_bit(btf, "PG_swapcache", &l->swapcache_bit);
}

/* ---- life ------------------------------------------------------------------------------- */

int memory_symbol(struct memory *m, const char *name, uint64_t *addr)
{
	struct pl_find arg = {0};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &arg, .ctx_size_in = sizeof(arg));

	memset(m->skel->bss->bytes, 0, PL_NAME);
	memcpy(m->skel->bss->bytes, name, strnlen(name, PL_NAME - 1));
	if (bpf_prog_test_run_opts(bpf_program__fd(m->skel->progs.find), &opts))
		return -errno;
	if (!arg.err)
		*addr = arg.addr;
	return arg.err;
}

uint64_t memory_name(struct memory *m, uint64_t addr, char *name, size_t size)
{
	struct pl_read arg = {.addr = addr};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &arg, .ctx_size_in = sizeof(arg));
	char *place = (char *)m->skel->bss->bytes, *plus;

	name[0] = '\0';
	if (bpf_prog_test_run_opts(bpf_program__fd(m->skel->progs.name), &opts) || arg.err)
		return 0;
	place[PL_PLACE - 1] = '\0';
	plus = strstr(place, "+0x0/0x");
	if (!plus)
		return 0;
	snprintf(name, size, "%.*s", (int)(plus - place), place);
	return strtoull(plus + strlen("+0x0/"), NULL, 16);
}

/* The value of a variable of the kernel's, 0 when there is none. */
static int variable(struct memory *m, const char *name, uint64_t *out)
{
	uint64_t addr;
	int err = memory_symbol(m, name, &addr);

	*out = err ? 0 : memory_u64(m, addr);
	return err == -ENOENT ? 0 : err;
}

static int find_pages(struct memory *m)
{
	int err = variable(m, "vmemmap_base", &m->vmemmap);

	if (!err)
		err = variable(m, "max_pfn", &m->max_pfn);
	if (err)
		return memory_fail(m, err, "the kernel hides the addresses of its symbols");
	if (!m->vmemmap || !m->max_pfn)
		return memory_fail(m, -ENOTSUP,
				   "the kernel does not say where its struct pages are");
	return 0;
}

static int load(struct memory *m)
{
	int err;

	libbpf_set_print(NULL); /* as in btfq_open() */
	m->skel = census_bpf__open();
	if (!m->skel)
		return memory_fail(m, -errno, "the programs cannot be opened: %s", strerror(errno));
	if (!read_layout(m->btf, (struct pl_scan_layout *)&m->skel->rodata->layout))
		return memory_fail(m, -ENOTSUP,
				   "this kernel's struct page is none that pinleak knows");
	err = census_bpf__load(m->skel);
	return err ? memory_fail(m, err, "the kernel refuses the programs: %s", strerror(-err)) : 0;
}

int memory_open(struct memory *m)
{
	int err;

	*m = (struct memory){0};
	err = btfq_open(NULL, &m->btf);
	if (err)
		err = memory_fail(m, err, "no BTF: /sys/kernel/btf/vmlinux: %s", strerror(-err));
	if (!err)
		err = load(m);
	if (!err)
		err = find_pages(m);
	return err;
}

void memory_close(struct memory *m)
{
	census_bpf__destroy(m->skel);
	btf__free(m->btf);
	m->skel = NULL;
	m->btf = NULL;
}

/* ---- reading ---------------------------------------------------------------------------- */

static int read_piece(struct memory *m, uint64_t addr, void *to, uint32_t size)
{
	struct pl_read arg = {.addr = addr, .size = size};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &arg, .ctx_size_in = sizeof(arg));

	if (bpf_prog_test_run_opts(bpf_program__fd(m->skel->progs.read), &opts))
		return -errno;
	if (arg.err)
		return -EFAULT;
	memcpy(to, m->skel->bss->bytes, size);
	return 0;
}

int memory_read(struct memory *m, uint64_t addr, void *to, size_t size)
{
	char *at = to;
	int err = 0;

	while (size && !err) {
		uint32_t piece = size < PL_READ ? (uint32_t)size : PL_READ;

		err = read_piece(m, addr, at, piece);
		addr += piece;
		at += piece;
		size -= piece;
	}
	return err;
}

uint64_t memory_u64(struct memory *m, uint64_t addr)
{
	uint64_t v;

	return memory_read(m, addr, &v, sizeof(v)) ? 0 : v;
}

uint32_t memory_u32(struct memory *m, uint64_t addr)
{
	uint32_t v;

	return memory_read(m, addr, &v, sizeof(v)) ? 0 : v;
}

static bool is_page(const struct memory *m, uint64_t page)
{
	return page >= m->vmemmap && page < m->vmemmap + m->max_pfn * PL_STRUCT_PAGE &&
	       !((page - m->vmemmap) % PL_STRUCT_PAGE);
}

uint64_t memory_folio(struct memory *m, uint64_t page)
{
	uint64_t head;

	if (!is_page(m, page) ||
	    memory_read(m, page + m->skel->rodata->layout.compound_head, &head, sizeof(head)))
		return 0;
	if (!(head & 1))
		return page;
	return is_page(m, head - 1) ? head - 1 : 0;
}

/* Piece by piece: a string may end just before a page that is not there. */
void memory_string(struct memory *m, uint64_t addr, char *out, size_t size)
{
	size_t n = 0;

	while (n + 1 < size) {
		size_t to_edge = PL_READ - ((addr + n) & (PL_READ - 1));
		size_t piece = size - 1 - n < to_edge ? size - 1 - n : to_edge;
		char *end;

		if (memory_read(m, addr + n, out + n, piece))
			break;
		end = memchr(out + n, '\0', piece);
		if (end)
			return;
		n += piece;
	}
	out[n] = '\0';
}
