// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "quota.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "btfq.h"
#include "clock.h"
#include "ksyms.h"
#include "sysfs.h"

/* ---- the driver ----------------------------------------------------------------------- */

int quota_driver(const char *name)
{
	char path[PL_MODNAME + 32], state[16];

	snprintf(path, sizeof(path), "/sys/module/%s/initstate", name);
	if (sysfs_line(path, state, sizeof(state)))
		return strcmp(state, "live") ? -ENOENT : 0;
	snprintf(path, sizeof(path), "/sys/module/%s", name);
	return access(path, F_OK) ? -ENOENT : -ENOTSUP; /* built-in code has no state */
}

uint64_t quota_memory(uint32_t *page)
{
	*page = (uint32_t)sysconf(_SC_PAGESIZE);
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * *page;
}

/* Byte offsets in a struct module: its code's start, and the size of that. */
struct code_place {
	uint32_t base;
	uint32_t size;
};

static bool find_code(const struct btf *btf, struct code_place *out)
{
	uint32_t mem, base, size;
	uint64_t text;
	/* Since 6.4; before, the core layout begins with the code. */
	const struct btfq_field now[] = {
		{"module", "mem", &mem},
		{"module_memory", "base", &base},
		{"module_memory", "size", &size},
	};
	const struct btfq_field before[] = {
		{"module", "core_layout", &mem},
		{"module_layout", "base", &base},
		{"module_layout", "text_size", &size},
	};

	if (btfq_fields(btf, now, 3) && btfq_enumerator(btf, "MOD_TEXT", &text))
		mem += (uint32_t)text * (uint32_t)btfq_size(btf, "module_memory");
	else if (!btfq_fields(btf, before, 3))
		return false;
	out->base = mem + base;
	out->size = mem + size;
	return true;
}

static int find_place(struct code_place *out)
{
	struct btf *btf;
	int err = btfq_open(NULL, &btf);

	if (err)
		return err;
	err = find_code(btf, out) ? 0 : -ENOTSUP;
	btf__free(btf);
	return err;
}

int quota_begin(struct tracker *t, const char *name, uint64_t limit, uint64_t stale_ns)
{
	struct pl_quota *q = tracker_quota(t);
	struct code_place place;
	uint64_t module, size, text;
	int err = ksyms_module(name, "__this_module", &module);

	if (!err)
		err = find_place(&place);
	if (!err)
		err = tracker_peek(t, module + place.base, &text);
	if (!err)
		err = tracker_peek(t, module + place.size, &size);
	if (err)
		return err;
	q->limit = (int64_t)limit;
	q->stale_ns = stale_ns;
	q->alive_ns = clock_now_ns();
	q->module = module;
	q->text = text;
	/* Last: the programs count from now on. The sizes are 32 bits wide. */
	__atomic_store_n(&q->text_end, text + (uint32_t)size, __ATOMIC_RELEASE);
	return 0;
}

/* ---- what was counted ----------------------------------------------------------------- */

/* An entry that goes while the map is read makes the kernel begin anew, so the end is counted. */
static int read_crossings(int map, struct quota_crossings *out)
{
	uint64_t key, *last = NULL;

	out->nr = 0;
	while (out->nr < PL_CROSSINGS && !bpf_map_get_next_key(map, last, &key)) {
		out->nr += !bpf_map_lookup_elem(map, &key, &out->of[out->nr]);
		last = &key;
	}
	return errno == ENOENT || out->nr ? 0 : -errno;
}

int quota_crossings(struct tracker *t, struct quota_crossings *out)
{
	__atomic_store_n(&tracker_quota(t)->alive_ns, clock_now_ns(), __ATOMIC_RELAXED);
	return read_crossings(tracker_quota_maps(t).crossings, out);
}

/* None is ever taken out of the map. */
int quota_kinds(struct tracker *t, struct quota_kinds *out)
{
	int map = tracker_quota_maps(t).habits;
	struct pl_kind key, *last = NULL;

	out->nr = 0;
	while (out->nr < PL_KINDS && !bpf_map_get_next_key(map, last, &key)) {
		out->of[out->nr].kind = key;
		if (!bpf_map_lookup_elem(map, &key, &out->of[out->nr].habit))
			out->nr++;
		last = &key;
	}
	return out->nr || errno == ENOENT ? 0 : -errno;
}

bool quota_unloaded(const struct snapshot *s, const char *name)
{
	for (size_t i = 0; i < s->nr_unloads; i++)
		if (!strcmp(s->unloads[i].module, name))
			return true;
	return false;
}

void quota_process(const struct pl_crossing *c, struct snap_owner *out)
{
	*out = (struct snap_owner){.owner = {.tgid = c->tgid,
					     .start_ns = c->start_ns,
					     .rdev = c->rdev,
					     .worker = c->worker}};
	memcpy(out->owner.comm, c->comm, sizeof(out->owner.comm));
	if (c->tgid && !sysfs_process_lives(c->tgid, c->start_ns))
		out->dead_ns = c->last_ns;
	if (c->rdev)
		sysfs_device(c->rdev, false, out->node, sizeof(out->node), out->node_driver,
			     sizeof(out->node_driver));
}
