// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "tracker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "books.h"
#include "btfq.h"
#include "fire.h"
#include "pinleak.skel.h"
#include "programs.h"

#define TABLE_MIN 65536
#define TABLE_MAX 131072 /* 38 MiB of kernel memory */
#define PROCESSES 65536	 /* of a tree that is followed: 5 MiB of kernel memory */
#define SHOTS	  5	 /* tries of a calibration on a busy machine */

/* The counters, and what the hooks had seen just before they were read and just after. */
struct base {
	struct sample counters;
	uint64_t low[PL_STATS], high[PL_STATS];
};

struct tracker {
	struct tracker_config config;
	struct plan plan;
	struct programs programs;
	struct books books;
	enum level level;
	uint64_t spent_ns;  /* the programs ran, before they were unloaded last */
	uint64_t map_bytes; /* their maps took, when they were loaded last */
	struct base base;   /* when the balance began */
	struct base light;  /* when the light level did; zeros: it did not */
};

/* ---- life ----------------------------------------------------------------------------- */

int tracker_create(const struct tracker_config *config, struct tracker **out)
{
	struct tracker *t = calloc(1, sizeof(*t));
	struct btf *btf = NULL;
	int err = t ? btfq_open(NULL, &btf) : -ENOMEM;

	if (!err) {
		t->config = *config;
		err = config->references ? plan_references(btf, &t->plan)
					 : plan_make(btf, true, config->omit, &t->plan);
		btf__free(btf);
	}
	if (err) {
		free(t);
		return err;
	}
	books_open(&t->books, &t->programs);
	*out = t;
	return 0;
}

void tracker_destroy(struct tracker *t)
{
	if (!t)
		return;
	programs_unload(&t->programs);
	books_close(&t->books);
	free(t);
}

enum level tracker_level(const struct tracker *t)
{
	return t->level;
}

const struct plan *tracker_plan(const struct tracker *t)
{
	return &t->plan;
}

const char *tracker_error(const struct tracker *t)
{
	return t->programs.error;
}

bool tracker_follows(const struct tracker *t, uint32_t tgid)
{
	return programs_follow(&t->programs, tgid);
}

struct pl_quota *tracker_quota(const struct tracker *t)
{
	return t->programs.quota;
}

struct quota_maps tracker_quota_maps(const struct tracker *t)
{
	return (struct quota_maps){
		.quotas = bpf_map__fd(t->programs.skel->maps.quotas),
		.crossings = bpf_map__fd(t->programs.skel->maps.crossings),
		.visits = bpf_map__fd(t->programs.skel->maps.visits),
		.habits = bpf_map__fd(t->programs.skel->maps.habits),
	};
}

int tracker_peek(struct tracker *t, uint64_t addr, uint64_t *out)
{
	return programs_peek(&t->programs, addr, out);
}

int tracker_books(struct tracker *t, const struct snapshot **out)
{
	return books_read(&t->books, out);
}

/* ---- levels --------------------------------------------------------------------------- */

static uint32_t table_size(const struct tracker *t)
{
	uint64_t pages = (uint64_t)sysconf(_SC_PHYS_PAGES) / 8;

	if (t->config.table_size)
		return t->config.table_size;
	return (uint32_t)(pages < TABLE_MIN ? TABLE_MIN : pages > TABLE_MAX ? TABLE_MAX : pages);
}

static void switch_off(struct tracker *t)
{
	if (t->programs.skel)
		t->spent_ns += programs_runs(&t->programs).ns;
	programs_unload(&t->programs);
	books_reset(&t->books);
	t->light = (struct base){0};
	t->level = LEVEL_COUNTERS;
}

static int load(struct tracker *t)
{
	struct programs_room room = {.folios = table_size(t),
				     .processes = t->config.follow ? PROCESSES : 0,
				     .quota = t->config.quota};
	bool exact = t->config.follow || t->config.references || t->config.quota;
	int err;

	if (t->programs.skel)
		return 0;
	room.groups = exact ? 0 : programs_groups();
	err = programs_load(&t->programs, &t->plan, &room);
	if (!err)
		t->map_bytes = programs_bytes(&t->programs);
	return err;
}

void tracker_load(struct tracker *t)
{
	if (!load(t))
		return;
	programs_unload(&t->programs);
	t->programs.error[0] = '\0';
}

void tracker_unload(struct tracker *t)
{
	programs_unload(&t->programs);
}

static int switch_on(struct tracker *t, enum level level)
{
	int err = load(t);

	if (!err)
		err = programs_attach(&t->programs, level);
	if (!err && level == LEVEL_DEEP && !t->plan.foll_pin)
		err = programs_learn_foll_pin(&t->programs, &t->plan.foll_pin);
	return err;
}

void tracker_cost(const struct tracker *t, struct cost *add)
{
	add->programs_ns += t->spent_ns + (t->programs.skel ? t->books.runs.ns : 0);
	add->programs_bytes += t->map_bytes;
}

int tracker_set_level(struct tracker *t, enum level level)
{
	int err;

	t->programs.error[0] = '\0';
	if (level == LEVEL_COUNTERS) {
		switch_off(t);
		return 0;
	}
	if (level == LEVEL_DEEP ? !t->plan.deep_ok : !t->plan.light_ok)
		return programs_fail(&t->programs, -ENOTSUP, "%s", t->plan.missing);
	err = switch_on(t, level);
	if (err) {
		/* Back to where we were: what worked before goes on working. */
		if (t->level == LEVEL_COUNTERS)
			switch_off(t);
		else if (programs_attach(&t->programs, t->level))
			switch_off(t);
		return err;
	}
	programs_go_deep(&t->programs, level == LEVEL_DEEP);
	t->level = level;
	return 0;
}

/* ---- the balance ---------------------------------------------------------------------- */

static int read_base(struct tracker *t, struct vmstat *v, struct base *out)
{
	int err = programs_stats(&t->programs, out->low);

	if (!err)
		err = vmstat_read(v, true, &out->counters);
	return err ? err : programs_stats(&t->programs, out->high);
}

int tracker_rebalance(struct tracker *t, struct vmstat *v)
{
	int err = read_base(t, v, &t->base);

	if (!err && t->level == LEVEL_LIGHT)
		t->light = t->base;
	return err;
}

const struct sample *tracker_base(const struct tracker *t)
{
	return &t->base.counters;
}

/* What the counters say beyond what the hooks saw, allowing for the time reading takes. */
static int64_t beyond(int64_t counted, int64_t least, int64_t most)
{
	if (counted > most)
		return counted - most;
	return counted < least ? counted - least : 0;
}

/* Of a kind of pins, what the counters say beyond what the hooks have seen since a base. */
static int64_t beyond_hooks(const struct base *since, const struct base *now, int64_t counted,
			    enum pl_stat seen)
{
	return beyond(counted, (int64_t)(now->low[seen] - since->high[seen]),
		      (int64_t)(now->high[seen] - since->low[seen]));
}

int tracker_balance(struct tracker *t, struct vmstat *v, struct sample *sample, struct balance *out)
{
	bool deep = t->level == LEVEL_DEEP;
	enum pl_stat acquired = deep ? PL_SEEN_ACQUIRED : PL_SEEN_API;
	const struct base *base = &t->base, *light = t->light.counters.now_ns ? &t->light : base;
	struct base now;
	int err = read_base(t, v, &now);

	if (err)
		return err;
	*sample = now.counters;
	out->exact = deep;
	out->counted_acquired = sample->acquired - base->counters.acquired;
	out->counted_released = sample->released - base->counters.released;
	out->seen_acquired = (int64_t)(now.high[acquired] - base->high[acquired]);
	out->seen_released = (int64_t)(now.high[PL_SEEN_RELEASED] - base->high[PL_SEEN_RELEASED]);
	out->unseen = beyond_hooks(base, &now, out->counted_acquired, acquired);
	out->unseen_calls =
		beyond_hooks(light, &now, sample->acquired - light->counters.acquired, PL_SEEN_API);
	out->uncounted =
		deep ? (int64_t)(now.high[PL_SEEN_UNCOUNTED] - base->high[PL_SEEN_UNCOUNTED]) : 0;
	out->unseen_released =
		deep ? beyond_hooks(base, &now, out->counted_released, PL_SEEN_RELEASED) : 0;
	return 0;
}

/* ---- calibration ---------------------------------------------------------------------- */

static int shoot(struct tracker *t, struct vmstat *v, const struct fire *fire,
		 struct calibration *c)
{
	struct sample sample;
	int err = tracker_rebalance(t, v);

	if (!err)
		err = fire->shoot();
	if (!err)
		err = tracker_balance(t, v, &sample, &c->balance);
	c->name = fire->name;
	/* udmabuf takes plain references before 6.11: nothing to see then. */
	c->tried = err != -EOPNOTSUPP && (err || fire == fires || c->balance.counted_acquired);
	c->ok = !err && !c->balance.unseen && !c->balance.unseen_released &&
		c->balance.counted_acquired > 0;
	return err == -EOPNOTSUPP ? 0 : err;
}

int tracker_calibrate(struct tracker *t, struct vmstat *v, bool quick, struct calibration *out,
		      size_t *nr)
{
	bool good = true;

	*nr = 0;
	for (size_t i = 0; fires[i].name && *nr < CALIBRATIONS && !(quick && i); i++) {
		struct calibration *c = &out[(*nr)++];
		int err;

		/* Others pin too while we look; a hook that is blind is blind every time. */
		for (int k = 0; k < SHOTS; k++) {
			*c = (struct calibration){0};
			err = shoot(t, v, &fires[i], c);
			if (err || c->ok || !c->tried)
				break;
		}
		if (err)
			return programs_fail(&t->programs, err, "%s: %s", fires[i].name,
					     strerror(-err));
		if (!c->tried || c->ok)
			continue;
		good = false;
		programs_fail(&t->programs, -EBADE,
			      "the hooks do not see every pin: %s took %" PRId64
			      " and dropped %" PRId64 ", the hooks saw %" PRId64 " and %" PRId64,
			      c->name, c->balance.counted_acquired, c->balance.counted_released,
			      c->balance.seen_acquired, c->balance.seen_released);
	}
	if (!good)
		return -EBADE;
	programs_arm(&t->programs);
	return tracker_rebalance(t, v);
}

int tracker_try_references(struct tracker *t)
{
	uint64_t before[PL_STATS], after[PL_STATS];
	int err = programs_stats(&t->programs, before);

	if (!err)
		err = fire_reference();
	if (!err)
		err = programs_stats(&t->programs, after);
	if (err)
		return programs_fail(&t->programs, err, "vmsplice: %s", strerror(-err));
	if (after[PL_API_CALLS] == before[PL_API_CALLS])
		return programs_fail(&t->programs, -EBADE,
				     "the hooks did not see a reference that was taken");
	programs_arm(&t->programs);
	return 0;
}
