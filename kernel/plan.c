// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <bpf/btf.h>

#include "btfq.h"
#include "text.h"

#define TRAMPOLINE_ARGS 6 /* what a BPF trampoline can take (since 6.6: 12) */

struct candidate {
	const char *function;
	enum plan_role role;
	bool wrapper;	/* hooked only when it does not reach another hooked function */
	bool uncounted; /* nr_foll_pin_acquired does not see its pins */
};

/* Newest kernel first. */
static const struct candidate candidates[] = {
	{"folio_add_pins", PLAN_API, false, false},   /* since 6.18 */
	{"memfd_pin_folios", PLAN_API, false, false}, /* since 6.11 */
	{"pin_user_pages", PLAN_API, false, false},
	{"pin_user_pages_fast", PLAN_API, false, false},
	{"pin_user_pages_remote", PLAN_API, false, false},
	{"pin_user_pages_unlocked", PLAN_API, false, false},
	{"pin_user_pages_fast_only", PLAN_API, false, false}, /* until 6.4 */
	{"try_grab_folio_fast", PLAN_ACQUIRE, false, false},  /* since 6.11 */
	{"try_grab_folio", PLAN_ACQUIRE, false, false},
	{"try_grab_page", PLAN_ACQUIRE, false, false}, /* until 6.10 */
	{"folio_add_pin", PLAN_ACQUIRE, false, true},  /* since 6.5, for fs/direct-io.c */
	{"folio_add_pins", PLAN_ACQUIRE, true, false},
	{"memfd_pin_folios", PLAN_ACQUIRE, true, false},
	{"gup_put_folio", PLAN_RELEASE, false, false},
	{"unpin_user_page", PLAN_RELEASE, true, false},
	{"unpin_user_folio", PLAN_RELEASE, true, false}, /* since 6.11 */
	{"unpin_folio", PLAN_RELEASE, true, false},	 /* since 6.11 */
	{"unpin_folios", PLAN_RELEASE, true, false},	 /* since 6.11 */
	{"unpin_user_pages", PLAN_RELEASE, true, false},
	{"unpin_user_pages_dirty_lock", PLAN_RELEASE, true, false},
	{"unpin_user_page_range_dirty_lock", PLAN_RELEASE, true, false},
	{"__x64_sys_ioctl", PLAN_SYSCALL, false, false},
	{"__x64_sys_setsockopt", PLAN_SYSCALL, false, false},
	{"__x64_sys_io_uring_register", PLAN_SYSCALL, false, false},
	{"__x64_sys_write", PLAN_SYSCALL, false, false},
	{"__fput", PLAN_FILE, false, false},
	{"fd_install", PLAN_FILE, false, false},
};
#define CANDIDATES (sizeof(candidates) / sizeof(*candidates))

/* What takes plain references for those who then call put_page(). */
static const struct candidate getters[] = {
	{"get_user_pages", PLAN_API, false, false},
	{"get_user_pages_fast", PLAN_API, false, false},
	{"get_user_pages_remote", PLAN_API, false, false},
	{"get_user_pages_unlocked", PLAN_API, false, false},
};
#define GETTERS (sizeof(getters) / sizeof(*getters))

const char *plan_role_name(enum plan_role r)
{
	static const char *const names[] = {"api", "acquire", "release", "syscall", "file"};

	return names[r];
}

const char *plan_state_name(enum plan_state s)
{
	static const char *const names[] = {"hook", "covered", "absent", "blind", "omitted"};

	return names[s];
}

bool plan_knows(const char *function)
{
	for (size_t i = 0; i < CANDIDATES; i++)
		if (!strcmp(candidates[i].function, function))
			return true;
	return false;
}

/* ---- what BTF tells ------------------------------------------------------------------- */

static bool read_offset(const struct btf *btf, const char *type, const char *member, uint32_t *out)
{
	int at = btfq_offset(btf, type, member);

	if (at >= 0)
		*out = (uint32_t)at;
	return at >= 0;
}

static bool read_order_offset(const struct btf *btf, struct pl_layout *l)
{
	/* Since 6.6 the low byte of the first tail page's flags; before, a byte of its own. */
	return read_offset(btf, "folio", "_folio_order", &l->order) ||
	       read_offset(btf, "folio", "_flags_1", &l->order);
}

/* Mappings of a large folio: all (since 6.10), or those of it as a whole; 0 when neither is known.
 */
static void read_large_mapcount(const struct btf *btf, struct pl_layout *l)
{
	if (!read_offset(btf, "folio", "_large_mapcount", &l->large_mapcount) &&
	    !read_offset(btf, "folio", "_entire_mapcount", &l->large_mapcount))
		read_offset(btf, "folio", "_total_mapcount", &l->large_mapcount); /* until 6.1 */
}

/* Without it the bytes of a finding have no place, no more. */
static void read_places(const struct btf *btf, struct pl_layout *l)
{
	struct btfq_places p;
	uint64_t movable;

	if (!btfq_places(btf, &p))
		return;
	l->zone_shift = p.zone_shift;
	l->zone_bits = p.zone_bits;
	l->node_shift = p.node_shift;
	l->node_bits = p.node_bits;
	if (btfq_enumerator(btf, "ZONE_MOVABLE", &movable))
		l->movable_zone = 1 + (uint32_t)movable;
}

/* Without them no limit that is hit is told, no more. */
static void read_limits(const struct btf *btf, struct pl_layout *l)
{
	uint32_t limits;
	const struct btfq_field fields[] = {
		{"task_struct", "signal", &l->task_signal}, {"task_struct", "cred", &l->task_cred},
		{"signal_struct", "rlim", &limits},	    {"cred", "user", &l->cred_user},
		{"cred", "cap_effective", &l->cred_caps},
	};
	int size = btfq_size(btf, "rlimit");

	if (size <= 0 || !btfq_fields(btf, fields, sizeof(fields) / sizeof(*fields)))
		return;
	l->signal_memlock = limits + RLIMIT_MEMLOCK * (uint32_t)size;
	read_offset(btf, "user_struct", "locked_vm", &l->user_locked);
}

static int read_layout(const struct btf *btf, struct pl_layout *l)
{
	int size = btfq_size(btf, "page");

	*l = (struct pl_layout){.base_page = 4096};
	if (size <= 0 || !read_offset(btf, "page", "flags", &l->flags) ||
	    !read_offset(btf, "page", "_refcount", &l->refcount) ||
	    !read_offset(btf, "page", "_mapcount", &l->mapcount) ||
	    !read_offset(btf, "page", "compound_head", &l->compound_head) ||
	    !read_offset(btf, "folio", "_pincount", &l->pincount) ||
	    !read_offset(btf, "folio", "mapping", &l->mapping) || !read_order_offset(btf, l) ||
	    !btfq_bit(btf, "PG_head", &l->head_bit))
		return -ENOTSUP;
	read_large_mapcount(btf, l);
	read_places(btf, l);
	read_limits(btf, l);
	l->large_known = btfq_offset(btf, "folio", "_large_mapcount") >= 0;
	if (l->large_known)
		read_offset(btf, "folio", "_entire_mapcount", &l->entire_mapcount);
	l->page_size = (uint32_t)size;
	return 0;
}

static bool read_object(const struct btf *btf, const struct btf_type *proto, struct pl_hook *h)
{
	static const struct {
		const char *type;
		int stars;
		enum pl_object object;
	} objects[] = {
		{"page", 2, PL_OBJ_PAGES},
		{"folio", 2, PL_OBJ_FOLIOS},
		{"folio", 1, PL_OBJ_FOLIO},
		{"page", 1, PL_OBJ_PAGE},
	};

	for (size_t i = 0; i < sizeof(objects) / sizeof(*objects); i++) {
		int arg = btfq_arg_of_type(btf, proto, objects[i].type, objects[i].stars);

		if (arg < 0)
			continue;
		h->object_arg = (__s8)arg;
		h->object = objects[i].object;
		return true;
	}
	return false;
}

static bool read_success(const struct btf *btf, const struct btf_type *proto, struct pl_hook *h)
{
	bool array = h->object == PL_OBJ_PAGES || h->object == PL_OBJ_FOLIOS;

	switch (btfq_returns(btf, proto)) {
	case BTFQ_VOID:
		h->success = PL_RET_ALWAYS;
		return true;
	case BTFQ_BOOL:
		h->success = PL_RET_TRUE;
		return true;
	case BTFQ_POINTER:
		h->success = PL_RET_POINTER;
		return true;
	case BTFQ_INT:
		h->success = array ? PL_RET_COUNT : PL_RET_ZERO;
		return true;
	default:
		return false;
	}
}

static bool read_hook(const struct btf *btf, const struct candidate *c, struct pl_hook *h)
{
	static const char *const refs[] = {"refs", "npages", "pins", NULL};
	static const char *const flags[] = {"flags", NULL};
	const struct btf_type *proto = btfq_function(btf, c->function);

	*h = (struct pl_hook){.refs_arg = -1, .flags_arg = -1, .mm_arg = -1};
	h->uncounted = c->uncounted;
	if (!read_object(btf, proto, h) || !read_success(btf, proto, h))
		return false;
	if (h->success != PL_RET_COUNT)
		h->refs_arg = (__s8)btfq_arg_of_name(btf, proto, refs);
	if (c->role != PLAN_API)
		h->flags_arg = (__s8)btfq_arg_of_name(btf, proto, flags);
	h->mm_arg = (__s8)btfq_arg_of_type(btf, proto, "mm_struct", 1);
	return true;
}

/* ---- what the code tells -------------------------------------------------------------- */

static bool same_kind(const struct plan_entry *a, const struct plan_entry *b)
{
	return a->role == b->role && a != b && a->state != PLAN_ABSENT;
}

/*
 * A wrapper is covered when its code calls a function of its role that is hooked or covered
 * itself. Entries are in the order of the candidates, and so are the text's functions.
 */
static const struct plan_entry *covered_by(const struct plan *p, const struct text *t, size_t i)
{
	for (size_t k = 0; k < p->nr; k++) {
		const struct plan_entry *e = &p->entries[k];

		if (same_kind(e, &p->entries[i]) &&
		    (e->state == PLAN_HOOK || e->state == PLAN_COVERED) && text_calls(t, i, k))
			return e;
	}
	return NULL;
}

static void decide_wrapper(struct plan_entry *e, const struct plan_entry *by, bool text_known)
{
	bool array = e->hook.object == PL_OBJ_PAGES || e->hook.object == PL_OBJ_FOLIOS ||
		     !strcmp(e->function, "unpin_user_page_range_dirty_lock");

	if (by) {
		e->state = PLAN_COVERED;
		snprintf(e->why, sizeof(e->why), "calls %s", by->function);
	} else if (!text_known) {
		e->state = PLAN_COVERED;
		snprintf(e->why, sizeof(e->why),
			 "taken to call the hooked one; its code is unknown");
	} else if (array && e->role == PLAN_RELEASE) {
		e->state = PLAN_BLIND;
		snprintf(e->why, sizeof(e->why), "the compiler inlined the release into it");
	} else {
		e->state = PLAN_HOOK;
		snprintf(e->why, sizeof(e->why), "the compiler inlined the %s into it",
			 plan_role_name(e->role));
	}
}

/* Covering is passed on, so wrappers are gone over until nothing changes any more. */
static void decide_wrappers(struct plan *p, const struct text *t)
{
	bool undecided[PLAN_MAX], changed;

	for (size_t i = 0; i < p->nr; i++) {
		undecided[i] = candidates[i].wrapper && p->entries[i].state == PLAN_HOOK;
		if (undecided[i])
			p->entries[i].state = PLAN_BLIND;
	}
	do {
		changed = false;
		for (size_t i = 0; i < p->nr; i++) {
			const struct plan_entry *by =
				undecided[i] && t ? covered_by(p, t, i) : NULL;

			if (!by)
				continue;
			decide_wrapper(&p->entries[i], by, true);
			undecided[i] = false;
			changed = true;
		}
	} while (changed);
	for (size_t i = 0; i < p->nr; i++)
		if (undecided[i])
			decide_wrapper(&p->entries[i], NULL, t != NULL);
}

/* ---- the plan ------------------------------------------------------------------------- */

static void add_candidate(const struct btf *btf, const struct candidate *c, struct plan *p)
{
	struct plan_entry *e = &p->entries[p->nr++];

	*e = (struct plan_entry){.role = c->role, .slot = -1};
	snprintf(e->function, sizeof(e->function), "%s", c->function);
	if (!btfq_function(btf, c->function)) {
		e->state = PLAN_ABSENT;
		return;
	}
	e->state = PLAN_HOOK;
	if (c->role == PLAN_SYSCALL || c->role == PLAN_FILE)
		return;
	if (!read_hook(btf, c, &e->hook)) {
		e->state = PLAN_BLIND;
		snprintf(e->why, sizeof(e->why), "its prototype is none that pinleak knows");
	} else if (btf_vlen(btfq_function(btf, c->function)) > TRAMPOLINE_ARGS) {
		e->probed = true;
		snprintf(e->why, sizeof(e->why), "by kprobe: too many arguments for a trampoline");
	}
}

static void assign_slots(struct plan *p)
{
	static const int first[] = {
		[PLAN_API] = PL_API_EXIT,
		[PLAN_ACQUIRE] = PL_ACQUIRE,
		[PLAN_RELEASE] = PL_RELEASE,
		[PLAN_SYSCALL] = PL_SYS_EXIT,
	};
	int next[PLAN_FILE] = {0};
	bool probed = false;

	for (size_t i = 0; i < p->nr; i++) {
		struct plan_entry *e = &p->entries[i];

		if (e->state != PLAN_HOOK || e->role == PLAN_FILE)
			continue;
		if (e->probed ? probed || e->role != PLAN_API : next[e->role] == PL_PER_KIND) {
			e->state = PLAN_BLIND;
			snprintf(e->why, sizeof(e->why), "more functions than programs");
			continue;
		}
		e->slot = e->probed ? PL_API_PROBE : first[e->role] + next[e->role]++;
		probed |= e->probed;
	}
}

/* What was left out on request counts: it is for the audit to notice. */
static size_t hooks_of(const struct plan *p, enum plan_role role)
{
	size_t n = 0;

	for (size_t i = 0; i < p->nr; i++)
		n += p->entries[i].role == role &&
		     (p->entries[i].state == PLAN_HOOK || p->entries[i].state == PLAN_OMITTED);
	return n;
}

static const struct plan_entry *find(const struct plan *p, const char *function)
{
	for (size_t i = 0; i < p->nr; i++)
		if (!strcmp(p->entries[i].function, function))
			return &p->entries[i];
	return NULL;
}

static void conclude(struct plan *p)
{
	const struct plan_entry *fput = find(p, "__fput");

	p->light_ok = hooks_of(p, PLAN_API) && fput->state == PLAN_HOOK;
	p->deep_ok = p->light_ok && hooks_of(p, PLAN_ACQUIRE) && hooks_of(p, PLAN_RELEASE);
	if (!p->light_ok)
		snprintf(p->missing, sizeof(p->missing), "%s",
			 fput->state == PLAN_HOOK ? "no pin_user_pages function in BTF"
						  : "__fput is not in BTF");
	else if (!p->deep_ok)
		snprintf(p->missing, sizeof(p->missing),
			 "the functions that count pins are not in BTF");
	for (size_t i = 0; i < p->nr && p->deep_ok; i++) {
		const struct plan_entry *e = &p->entries[i];

		if (e->state != PLAN_BLIND || e->role == PLAN_API)
			continue;
		p->deep_ok = false;
		snprintf(p->missing, sizeof(p->missing), "%s: %s", e->function, e->why);
	}
}

static struct text *read_text(void)
{
	const char *functions[CANDIDATES];
	struct text *t = NULL;

	for (size_t i = 0; i < CANDIDATES; i++)
		functions[i] = candidates[i].function;
	return text_open(functions, CANDIDATES, &t) ? NULL : t;
}

static void leave_out(struct plan *p, const char *omit)
{
	for (size_t i = 0; omit && i < p->nr; i++)
		if (p->entries[i].state == PLAN_HOOK && !strcmp(p->entries[i].function, omit))
			p->entries[i].state = PLAN_OMITTED;
}

int plan_references(const struct btf *btf, struct plan *out)
{
	int err;

	*out = (struct plan){.references = true};
	err = read_layout(btf, &out->layout);
	if (!err && !(btfq_bit(btf, "PG_lru", &out->layout.lru_bit) &&
		      btfq_bit(btf, "PG_swapcache", &out->layout.swapcache_bit) &&
		      btfq_bit(btf, "PG_swapbacked", &out->layout.swapbacked_bit)))
		err = -ENOTSUP;
	if (err)
		return err;
	for (size_t i = 0; i < GETTERS; i++)
		add_candidate(btf, &getters[i], out);
	for (size_t i = 0; i < CANDIDATES; i++)
		if (candidates[i].role == PLAN_SYSCALL || candidates[i].role == PLAN_FILE)
			add_candidate(btf, &candidates[i], out);
	assign_slots(out);
	conclude(out);
	return out->light_ok ? 0 : -ENOTSUP;
}

int plan_make(const struct btf *btf, bool use_text, const char *omit, struct plan *out)
{
	struct text *t = use_text ? read_text() : NULL;
	uint64_t foll_pin = 0;
	int err;

	_Static_assert(CANDIDATES <= PLAN_MAX, "a plan holds all candidates");
	*out = (struct plan){.text_known = t != NULL};
	err = read_layout(btf, &out->layout);
	if (err)
		snprintf(out->missing, sizeof(out->missing),
			 "the page structures are not in the BTF");
	for (size_t i = 0; i < CANDIDATES && !err; i++)
		add_candidate(btf, &candidates[i], out);
	if (!err) {
		decide_wrappers(out, t);
		leave_out(out, omit);
		assign_slots(out);
		conclude(out);
		/* An enumerator since 6.6; before, a macro, which BTF does not know. */
		if (btfq_enumerator(btf, "FOLL_PIN", &foll_pin))
			out->foll_pin = (uint32_t)foll_pin;
	}
	text_close(t);
	return err;
}
