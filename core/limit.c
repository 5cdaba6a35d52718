// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "limit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SOL_XDP 283 /* include/linux/socket.h */

const char *limit_name(enum limit_kind k)
{
	static const char *const names[] = {"RLIMIT_MEMLOCK", "dma_entry_limit"};

	return names[k];
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Nothing else of it answers ENOBUFS. */
static bool is_af_xdp(const struct snap_refusal *r)
{
	return r->refusal.option_level == SOL_XDP && r->refusal.error == ENOBUFS;
}

/*
 * These ask for the limit before they pin (ib_umem_get(), vhost_vdpa_pa_map(),
 * vduse_dev_reg_umem(), xdp_umem_account_pages()), so how much was wanted is not known. Others that
 * fail without a pin may have many reasons.
 */
static bool asks_first(const struct snap_refusal *r)
{
	static const char *const nodes[] = {"infiniband/", "vhost-vdpa-", "vduse/"};

	for (size_t i = 0; i < sizeof(nodes) / sizeof(*nodes); i++)
		if (!strncmp(r->by.node, nodes[i], strlen(nodes[i])))
			return true;
	return is_af_xdp(r);
}

/*
 * Which of the accounts a driver goes by it does not say: VmPin (RDMA, vDPA), VmLck (VFIO), or the
 * user's (io_uring, AF_XDP).
 */
static bool is_memlock(const struct snapshot *s, const struct snap_refusal *r, struct limit *out)
{
	const struct pl_refusal *p = &r->refusal;

	out->kind = LIMIT_MEMLOCK;
	out->value = p->memlock;
	out->used = most(most(p->pinned, p->locked), p->user_locked) * s->base_page;
	out->taken = p->taken * s->base_page;
	out->certain = p->taken ? out->used + out->taken > p->memlock : is_af_xdp(r);
	if (p->privileged || p->memlock == UINT64_MAX)
		return false;
	return p->taken ? out->certain : asks_first(r);
}

static bool is_dma_entries(const struct snap_refusal *r, struct limit *out)
{
	out->kind = LIMIT_DMA_ENTRIES;
	out->value = r->dma_entries ? r->dma_entries : LIMIT_UNKNOWN;
	out->used = LIMIT_UNKNOWN; /* the kernel does not show it */
	out->taken = 0;
	out->certain = true; /* nothing else of it answers so: vfio_dma_do_map() */
	return !strcmp(r->by.node, "vfio/vfio");
}

static void name_driver(const struct snapshot *s, const struct snap_refusal *r, struct limit *out)
{
	uint32_t at;

	if (map64_get(&s->site_at, r->refusal.owner.site, &at))
		snprintf(out->driver, sizeof(out->driver), "%s", s->sites[at]->blame.driver);
	else
		snprintf(out->driver, sizeof(out->driver), "%s",
			 is_af_xdp(r) ? "af_xdp" : r->by.node_driver);
}

bool limit_judge(const struct snapshot *s, const struct snap_refusal *r, struct limit *out)
{
	struct limit l = {.error = r->refusal.error, .count = r->refusal.count, .by = r->by};

	if (l.error == ENOSPC ? !is_dma_entries(r, &l) : !is_memlock(s, r, &l))
		return false;
	name_driver(s, r, &l);
	*out = l;
	return true;
}

/* A program that is started again and again and fails each time is told once. */
static bool is_same(const struct limit *a, const struct limit *b)
{
	return a->kind == b->kind && a->error == b->error && a->value == b->value &&
	       a->by.owner.rdev == b->by.owner.rdev && !strcmp(a->driver, b->driver) &&
	       !strncmp(a->by.owner.comm, b->by.owner.comm, sizeof(a->by.owner.comm));
}

bool limits_take(struct limits *l, const struct limit *hit)
{
	for (uint32_t i = 0; i < l->nr; i++) {
		if (!is_same(&l->told[i], hit))
			continue;
		if (hit->count < LIMIT_MORE * l->told[i].count)
			return false;
		l->told[i] = *hit;
		return true;
	}
	l->told[l->next] = *hit;
	l->next = (l->next + 1) % LIMITS_MAX;
	l->nr += l->nr < LIMITS_MAX;
	return true;
}

const struct limit *limits_of(const struct limits *l, const char *driver, uint32_t number)
{
	for (uint32_t i = 0; i < l->nr; i++)
		if (!strcmp(l->told[i].driver, driver) && !number--)
			return &l->told[i];
	return NULL;
}
