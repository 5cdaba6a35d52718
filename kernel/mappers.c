// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "mappers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "btfq.h"
#include "clock.h"
#include "sysfs.h"

#define PAGE_SHIFT  12
#define VMAS	    65536 /* remembered of all mappings */
#define LISTS	    8192  /* mappings remembered */
#define VMAS_LOOKED 4096  /* of one mapping */
#define DEPTH	    64	  /* of a red-black tree: twice the logarithm of what memory could hold */
#define BLOCK	    512	  /* pagemap entries read at once: what a page table page holds */
#define BLOCKS	    2048  /* kept: 4 GiB of mapped memory */
#define PAGEMAPS    64	  /* kept open */
#define TRIES	    512	  /* VMAs whose page tables are looked at for one folio */
#define FRESH_NS    1000000000ULL /* for so long what was read of the kernel is used again */
#define STRUCT_MAX  512		  /* room for any structure read here */
#define KERNEL_HALF (1ULL << 63)

struct vma {
	uint64_t start, end, pgoff; /* addresses in bytes, the offset in pages */
	uint32_t process;	    /* 0: none that can be looked at */
};

/* The VMAs of one mapping: cache->vmas[first ...]. */
struct vma_list {
	uint64_t when;
	uint32_t first, nr;
	bool cut;
};

struct block {
	uint64_t when; /* 0: empty */
	uint64_t start;
	uint32_t process;
	uint32_t nr;
	uint64_t entries[BLOCK];
};

struct pagemap {
	uint32_t process; /* 0: none */
	int fd;
};

struct mappers_cache {
	struct vma vmas[VMAS];
	struct vma_list lists[LISTS];
	uint32_t nr_vmas, nr_lists;
	struct block blocks[BLOCKS];
	struct pagemap pagemaps[PAGEMAPS];
	uint32_t tids[MAPPERS_PROCESSES]; /* a thread that has the process's memory */
	uint64_t last_mm;
	uint32_t last_process;
};

static uint64_t word_at(const char *block, uint32_t at)
{
	uint64_t v;

	memcpy(&v, block + at, sizeof(v));
	return v;
}

/* ---- life ------------------------------------------------------------------------------- */

static bool read_layout(struct mappers_layout *l, const struct btf *btf)
{
	const struct btfq_field fields[] = {
		{"anon_vma", "rb_root", &l->anon_root},
		{"anon_vma_chain", "vma", &l->chain_vma},
		{"anon_vma_chain", "anon_vma", &l->chain_anon},
		{"anon_vma_chain", "rb", &l->chain_rb},
		{"rb_node", "rb_left", &l->rb_left},
		{"rb_node", "rb_right", &l->rb_right},
		{"vm_area_struct", "vm_start", &l->vm_start},
		{"vm_area_struct", "vm_end", &l->vm_end},
		{"vm_area_struct", "vm_mm", &l->vm_mm},
		{"vm_area_struct", "vm_pgoff", &l->vm_pgoff},
		{"vm_area_struct", "shared", &l->vm_shared},
		{"address_space", "i_mmap", &l->i_mmap},
		{"mm_struct", "owner", &l->owner},
		{"task_struct", "pid", &l->pid},
		{"task_struct", "tgid", &l->tgid},
		{"task_struct", "start_boottime", &l->start},
		{"task_struct", "comm", &l->comm},
		{"task_struct", "group_leader", &l->leader},
	};

	l->chain_size = (uint32_t)btfq_size(btf, "anon_vma_chain");
	l->vma_size = (uint32_t)btfq_size(btf, "vm_area_struct");
	/* went away with the other unit, in 6.7 (a08c7193e4f1) */
	l->hugetlb_index = btfq_function(btf, "hugetlb_basepage_index");
	return btfq_fields(btf, fields, sizeof(fields) / sizeof(fields[0])) &&
	       l->chain_size <= STRUCT_MAX && l->vma_size <= STRUCT_MAX;
}

/* pagemap_read() shows frame 0 for every page to whoever lacks CAP_SYS_ADMIN. */
static bool sees_frames(void)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	volatile char here = 1;
	uint64_t entry = 0, pfn;
	off_t at = (off_t)((uintptr_t)&here >> PAGE_SHIFT) * (off_t)sizeof(entry);
	bool seen = fd >= 0 && pread(fd, &entry, sizeof(entry), at) == sizeof(entry) &&
		    procfs_frame(entry, &pfn);

	if (fd >= 0)
		close(fd);
	return seen;
}

int mappers_open(struct mappers *m, struct memory *memory)
{
	*m = (struct mappers){.memory = memory};
	if (!read_layout(&m->at, memory->btf))
		return memory_fail(memory, -ENOTSUP, "the BTF does not describe who maps a page");
	m->blind = !sees_frames();
	m->processes = calloc(MAPPERS_PROCESSES, sizeof(*m->processes));
	m->cache = calloc(1, sizeof(*m->cache));
	if (m->processes)
		m->processes[0] = calloc(1, sizeof(*m->processes[0]));
	if (!m->cache || !m->processes || !m->processes[0])
		return memory_fail(memory, -ENOMEM, "no memory");
	m->nr_processes = 1;
	return 0;
}

void mappers_close(struct mappers *m)
{
	for (size_t i = 0; m->cache && i < PAGEMAPS; i++)
		if (m->cache->pagemaps[i].process)
			close(m->cache->pagemaps[i].fd);
	for (size_t i = 0; m->processes && i < MAPPERS_PROCESSES; i++)
		free(m->processes[i]);
	free(m->processes);
	free(m->cache);
	map64_free(&m->by_tgid);
	map64_free(&m->by_mapping);
	*m = (struct mappers){0};
}

/* ---- processes -------------------------------------------------------------------------- */

static void read_cmdline(struct process *p)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/cmdline", p->tgid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, p->cmdline, sizeof(p->cmdline));
	p->cmdline_len = n > 0 ? (size_t)n : 0;
	close(fd);
}

static void read_cgroup(struct process *p)
{
	char path[64], *text;

	snprintf(path, sizeof(path), "/proc/%u/cgroup", p->tgid);
	text = sysfs_slurp(path, 64 << 10);
	if (text)
		procfs_cgroup(text, p->cgroup, sizeof(p->cgroup));
	free(text);
}

static uint32_t add_process(struct mappers *m, uint32_t tgid, uint64_t start_ns, const char *comm)
{
	struct process *p;
	uint32_t at = (uint32_t)m->nr_processes;

	if (at == MAPPERS_PROCESSES || !sysfs_process_lives(tgid, start_ns))
		return 0;
	p = calloc(1, sizeof(*p));
	if (!p || map64_put(&m->by_tgid, tgid, at)) {
		free(p);
		return 0;
	}
	p->tgid = tgid;
	p->start_ns = start_ns;
	memcpy(p->comm, comm, sizeof(p->comm) - 1);
	read_cmdline(p);
	read_cgroup(p);
	m->processes[m->nr_processes++] = p;
	return at;
}

/*
 * The place in the table of a process that lives now, by the kernel's numbers; 0: no room, or
 * gone. comm has 16 bytes.
 */
static uint32_t find_process(struct mappers *m, uint32_t tgid, uint64_t start_ns, const char *comm)
{
	uint32_t at;

	if (map64_get(&m->by_tgid, tgid, &at) && m->processes[at]->start_ns == start_ns)
		return at;
	return add_process(m, tgid, start_ns, comm);
}

/* The process whose memory it is. The task may be gone: then its numbers fit no live process. */
static uint32_t process_of_owner(struct mappers *m, uint64_t task)
{
	uint64_t leader, start;
	uint32_t tid, at;
	char comm[16] = "";

	leader = memory_u64(m->memory, task + m->at.leader);
	start = memory_u64(m->memory, leader + m->at.start);
	if (memory_read(m->memory, leader + m->at.comm, comm, sizeof(comm)))
		return 0;
	tid = memory_u32(m->memory, task + m->at.pid);
	at = find_process(m, memory_u32(m->memory, task + m->at.tgid), start, comm);
	/* The leader may have ended before its threads: its own pagemap is then empty. */
	m->cache->tids[at] = tid;
	return at;
}

/* Several VMAs of one process often come one after the other. */
static uint32_t process_of_mm(struct mappers *m, uint64_t mm)
{
	struct mappers_cache *c = m->cache;
	uint64_t task;

	if (mm == c->last_mm)
		return c->last_process;
	task = memory_u64(m->memory, mm + m->at.owner);
	c->last_mm = mm;
	c->last_process = task ? process_of_owner(m, task) : 0;
	return c->last_process;
}

/* ---- the reverse map of a mapping ------------------------------------------------------- */

/* What is read here changes as it is read, and may be another structure by now. */
static void add_vma(struct mappers *m, struct vma_list *list, const char *block)
{
	const struct mappers_layout *l = &m->at;
	struct vma v = {.start = word_at(block, l->vm_start),
			.end = word_at(block, l->vm_end),
			.pgoff = word_at(block, l->vm_pgoff)};

	if (v.start >= v.end || v.end >= KERNEL_HALF || v.start & 4095 || v.end & 4095)
		return;
	v.process = process_of_mm(m, word_at(block, l->vm_mm));
	if (v.process)
		m->cache->vmas[list->first + list->nr++] = v;
	else if (m->nr_processes == MAPPERS_PROCESSES)
		list->cut = true;
}

/* A node of an anon_vma's interval tree is in a chain link, one of a file's in the VMA itself. */
static bool read_node(struct mappers *m, const struct folio *f, uint64_t node, char *block,
		      uint64_t *left, uint64_t *right)
{
	const struct mappers_layout *l = &m->at;
	uint32_t rb = f->anon ? l->chain_rb : l->vm_shared;
	uint32_t size = f->anon ? l->chain_size : l->vma_size;

	if (memory_read(m->memory, node - rb, block, size))
		return false;
	*left = word_at(block, rb + l->rb_left);
	*right = word_at(block, rb + l->rb_right);
	if (!f->anon)
		return true;
	return word_at(block, l->chain_anon) == f->mapping &&
	       !memory_read(m->memory, word_at(block, l->chain_vma), block, l->vma_size);
}

static void read_tree(struct mappers *m, const struct folio *f, struct vma_list *list)
{
	uint32_t root = f->anon ? m->at.anon_root : m->at.i_mmap;
	uint64_t stack[DEPTH], left, right;
	char block[STRUCT_MAX];
	int depth = 0, looked = 0;

	m->cache->last_mm = 0;
	/* rb_root_cached begins with rb_root, and that with rb_node */
	stack[depth++] = memory_u64(m->memory, f->mapping + root);
	while (depth) {
		uint64_t node = stack[--depth];

		if (!node || !read_node(m, f, node, block, &left, &right))
			continue;
		add_vma(m, list, block);
		if (++looked == VMAS_LOOKED || depth + 2 > DEPTH) {
			list->cut = true;
			return;
		}
		stack[depth++] = right;
		stack[depth++] = left;
	}
}

static void forget_lists(struct mappers *m)
{
	m->cache->nr_vmas = m->cache->nr_lists = 0;
	map64_clear(&m->by_mapping);
}

static const struct vma_list *list_of(struct mappers *m, const struct folio *f)
{
	struct mappers_cache *c = m->cache;
	uint64_t now = clock_now_ns();
	struct vma_list *list;
	uint32_t at;

	if (map64_get(&m->by_mapping, f->mapping, &at) && now - c->lists[at].when < FRESH_NS)
		return &c->lists[at];
	if (c->nr_lists == LISTS || c->nr_vmas + VMAS_LOOKED > VMAS)
		forget_lists(m);
	if (map64_put(&m->by_mapping, f->mapping, c->nr_lists))
		return NULL;
	list = &c->lists[c->nr_lists++];
	*list = (struct vma_list){.when = now, .first = c->nr_vmas};
	read_tree(m, f, list);
	c->nr_vmas += list->nr;
	return list;
}

/* ---- page tables ------------------------------------------------------------------------ */

static void close_pagemap(struct mappers *m, uint32_t process)
{
	struct pagemap *p = &m->cache->pagemaps[process % PAGEMAPS];

	if (p->process)
		close(p->fd);
	p->process = 0;
}

static int pagemap_of(struct mappers *m, uint32_t process)
{
	struct pagemap *p = &m->cache->pagemaps[process % PAGEMAPS];
	char path[64];

	if (p->process == process)
		return p->fd;
	close_pagemap(m, process);
	snprintf(path, sizeof(path), "/proc/%u/task/%u/pagemap", m->processes[process]->tgid,
		 m->cache->tids[process]);
	p->fd = open(path, O_RDONLY | O_CLOEXEC);
	p->process = p->fd < 0 ? 0 : process;
	return p->fd;
}

/* The entries around an address, read within the last second. */
static const struct block *block_of(struct mappers *m, uint32_t process, uint64_t page)
{
	uint64_t start = page & ~(BLOCK - 1ULL), now = clock_now_ns();
	uint64_t hash = (start / BLOCK + process) * 0x9E3779B97F4A7C15ULL;
	struct block *b = &m->cache->blocks[(hash >> 32) % BLOCKS];
	ssize_t n;
	int fd;

	if (b->when && b->process == process && b->start == start && now - b->when < FRESH_NS)
		return b;
	fd = pagemap_of(m, process);
	n = fd < 0 ? 0 : pread(fd, b->entries, sizeof(b->entries), (off_t)(start * 8));
	b->when = now;
	b->process = process;
	b->start = start;
	b->nr = n < 0 ? 0 : (uint32_t)(n / 8);
	if (n <= 0 && fd >= 0)
		close_pagemap(m, process); /* of the memory before an exec, perhaps */
	return b;
}

static bool maps(struct mappers *m, const struct folio *f, uint32_t process, uint64_t page)
{
	const struct block *b = block_of(m, process, page);
	uint64_t at = page - b->start, pfn;

	return at < b->nr && procfs_frame(b->entries[at], &pfn) && pfn >= f->pfn &&
	       pfn - f->pfn < 1ULL << f->order;
}

/* Any page of the folio will do: parts of it may have been unmapped or copied. */
static bool verify(struct mappers *m, const struct folio *f, const struct vma *v, uint64_t first,
		   uint64_t end, uint64_t *addr)
{
	/* but a hugetlb folio is mapped as a whole (or, in another process, is another one) */
	uint64_t max = f->hugetlb ? 1 : BLOCK;

	for (uint64_t p = first; p < end && p - first < max; p++) {
		uint64_t page = (v->start >> PAGE_SHIFT) + (p - v->pgoff);

		if (maps(m, f, v->process, page)) {
			*addr = page << PAGE_SHIFT;
			return true;
		}
	}
	m->unverified++;
	return false;
}

/* ---- the question ----------------------------------------------------------------------- */

/* Where in the VMA the folio would be: offsets in the mapping, from *first on, below *end. */
static bool covers(const struct mappers *m, const struct vma *v, const struct folio *f,
		   uint64_t *first, uint64_t *end)
{
	uint64_t index = f->hugetlb && m->at.hugetlb_index ? f->index << f->order : f->index;
	uint64_t vma_end = v->pgoff + ((v->end - v->start) >> PAGE_SHIFT);

	*first = index > v->pgoff ? index : v->pgoff;
	*end = index + (1ULL << f->order);
	if (*end > vma_end)
		*end = vma_end;
	return *first < *end;
}

/*
 * An anonymous folio keeps the pointer to its anon_vma when the last mapping is gone, and the
 * anon_vma does not stay for it: folio_get_anon_vma() follows the pointer of a mapped folio only.
 */
static bool worth_looking(const struct mappers *m, const struct folio *f)
{
	return !m->blind && f->mapping && !f->ksm && (f->maps > 0 || !f->maps_known);
}

size_t mappers_of(struct mappers *m, const struct folio *f, struct mapper *out, size_t max,
		  bool *more)
{
	const struct vma_list *list = worth_looking(m, f) ? list_of(m, f) : NULL;
	uint64_t first, end, addr;
	uint32_t tries = 0;
	size_t nr = 0;

	*more = list && list->cut;
	for (uint32_t i = 0; list && i < list->nr; i++) {
		const struct vma *v = &m->cache->vmas[list->first + i];

		if (!covers(m, v, f, &first, &end))
			continue;
		if (nr == max || tries++ == TRIES) {
			*more = true;
			break;
		}
		if (verify(m, f, v, first, end, &addr))
			out[nr++] = (struct mapper){v->process, addr};
	}
	return nr;
}
