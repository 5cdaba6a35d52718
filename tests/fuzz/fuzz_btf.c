// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* A file that somebody gives to `pinleak doctor --btf`. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "fuzz.h"
#include "kernel/btfq.h"
#include "kernel/plan.h"

/* ---- seeds: kernels small enough to be mutated ----------------------------------------- */

struct types {
	struct btf *btf;
	int word, integer, boolean, page, folio, pages, folios, page_array, mm;
};

static void add_structs(struct types *t, const char *order)
{
	struct btf *b = t->btf;
	int inner;

	t->word = btf__add_int(b, "long unsigned int", 8, 0);
	t->integer = btf__add_int(b, "int", 4, BTF_INT_SIGNED);
	t->boolean = btf__add_int(b, "_Bool", 1, BTF_INT_BOOL);
	inner = btf__add_union(b, NULL, 8);
	btf__add_field(b, "compound_head", t->word, 0, 0);
	btf__add_field(b, "lru", t->word, 0, 0);
	t->page = btf__add_struct(b, "page", 64);
	btf__add_field(b, "flags", t->word, 0, 0);
	btf__add_field(b, NULL, inner, 64, 0);
	btf__add_field(b, "_refcount", t->integer, 52 * 8, 0);
	t->folio = btf__add_struct(b, "folio", 192);
	btf__add_field(b, "mapping", t->word, 24 * 8, 0);
	btf__add_field(b, order, t->word, 64 * 8, 0);
	btf__add_field(b, "_pincount", t->integer, 92 * 8, 0);
	t->mm = btf__add_ptr(b, btf__add_struct(b, "mm_struct", 8));
	t->pages = btf__add_ptr(b, t->page);
	t->folios = btf__add_ptr(b, btf__add_const(b, t->folio));
	t->page_array = btf__add_ptr(b, t->pages);
}

static void add_enums(struct types *t)
{
	btf__add_enum(t->btf, "pageflags", 4);
	btf__add_enum_value(t->btf, "PG_locked", 0);
	btf__add_enum_value(t->btf, "PG_head", 6);
	btf__add_enum(t->btf, NULL, 4);
	btf__add_enum_value(t->btf, "FOLL_PIN", 1 << 19);
}

static void add_function(struct types *t, const char *name, int ret, int first, const char *more)
{
	int proto = btf__add_func_proto(t->btf, ret);

	if (first)
		btf__add_func_param(t->btf, "object", first);
	if (more)
		btf__add_func_param(t->btf, more, t->integer);
	if (more)
		btf__add_func_param(t->btf, "flags", btf__add_typedef(t->btf, "gup_t", t->word));
	btf__add_func(t->btf, name, BTF_FUNC_STATIC, proto);
}

static void kernel_6_12(struct types *t)
{
	add_structs(t, "_flags_1");
	add_enums(t);
	add_function(t, "pin_user_pages_fast", t->integer, t->page_array, "nr_pages");
	add_function(t, "memfd_pin_folios", t->word, btf__add_ptr(t->btf, t->folios), "max_folios");
	add_function(t, "try_grab_folio", t->integer, t->folios, "refs");
	add_function(t, "try_grab_folio_fast", t->folios, t->pages, "refs");
	add_function(t, "gup_put_folio", 0, t->folios, "refs");
	add_function(t, "unpin_user_page_range_dirty_lock", 0, t->pages, "npages");
	add_function(t, "__x64_sys_ioctl", t->word, 0, NULL);
	add_function(t, "__fput", 0, 0, NULL);
	add_function(t, "fd_install", 0, 0, NULL);
}

static void kernel_6_1(struct types *t)
{
	add_structs(t, "_folio_order");
	add_enums(t);
	add_function(t, "pin_user_pages", t->word, t->page_array, "nr_pages");
	add_function(t, "pin_user_pages_remote", t->word, t->mm, "nr_pages");
	add_function(t, "try_grab_page", t->boolean, t->pages, NULL);
	add_function(t, "try_grab_folio", t->folios, t->pages, "refs");
	add_function(t, "gup_put_folio", 0, t->folios, "refs");
	add_function(t, "unpin_user_pages", 0, t->page_array, "npages");
	add_function(t, "__fput", 0, 0, NULL);
}

static void nothing_but_structs(struct types *t)
{
	add_structs(t, "_flags_1");
}

/* An unnamed struct with members of its own type. */
static void in_circles(struct types *t)
{
	int page = btf__add_struct(t->btf, "page", 64), unnamed = page + 1;

	btf__add_field(t->btf, NULL, unnamed, 0, 0);
	btf__add_struct(t->btf, NULL, 64);
	btf__add_field(t->btf, NULL, unnamed, 0, 0);
	btf__add_field(t->btf, NULL, unnamed, 0, 0);
}

/* A struct whose name lies beyond all names. */
static void without_a_name(struct types *t)
{
	struct btf_type *mm;

	kernel_6_1(t);
	mm = (struct btf_type *)btf__type_by_id(t->btf, (unsigned)t->mm - 1);
	mm->name_off = 0x7fffffff;
}

size_t fuzz_seed(unsigned nth, uint8_t *out, size_t room)
{
	static void (*const kernels[])(struct types *) = {kernel_6_12, kernel_6_1,
							  nothing_but_structs, in_circles,
							  without_a_name};
	struct types t = {0};
	const void *raw;
	__u32 size = 0;

	if (nth >= sizeof(kernels) / sizeof(*kernels))
		return 0;
	t.btf = btf__new_empty();
	kernels[nth](&t);
	raw = btf__raw_data(t.btf, &size);
	if (!raw || size > room)
		abort();
	memcpy(out, raw, size);
	btf__free(t.btf);
	return size;
}

/* ---- the target ----------------------------------------------------------------------- */

/* A file with these bytes; its path into out. */
static int file_of(const uint8_t *data, size_t size, char *out, size_t room)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("btf", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	snprintf(out, room, "/proc/self/fd/%d", fd);
	return fd;
}

static void check_plan(const struct plan *p)
{
	bool used[PL_HOOKS] = {false};

	FUZZ_CHECK(p->nr <= PLAN_MAX && p->layout.head_bit < 64 && p->layout.page_size > 0);
	FUZZ_CHECK(p->light_ok || !p->deep_ok);
	FUZZ_CHECK(p->deep_ok || p->missing[0]);
	for (size_t i = 0; i < p->nr; i++) {
		const struct plan_entry *e = &p->entries[i];

		FUZZ_CHECK(e->slot < PL_HOOKS);
		FUZZ_CHECK(e->slot < 0 || (e->state == PLAN_HOOK && !used[e->slot]));
		if (e->slot >= 0)
			used[e->slot] = true;
		FUZZ_CHECK(e->state != PLAN_HOOK || e->hook.object_arg >= 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct btf *btf = NULL;
	struct plan plan;
	char path[64];

	libbpf_set_print(NULL);
	file_of(data, size, path, sizeof(path));
	if (btfq_open(path, &btf))
		return 0;
	if (!plan_make(btf, false, NULL, &plan))
		check_plan(&plan);
	btf__free(btf);
	return 0;
}
