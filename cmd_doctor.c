// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include <bpf/btf.h>

#include "command.h"
#include "core/errors.h"
#include "core/units.h"
#include "kernel/barrier.h"
#include "kernel/kept.h"
#include "kernel/btfq.h"
#include "kernel/ground.h"
#include "kernel/plan.h"
#include "kernel/tracker.h"
#include "render/render.h"
#include "session.h"

enum { OPT_BTF, OPT_JSON, OPT_OMIT_HOOK };

static const struct option_row options[] = {
	[OPT_BTF] = {"btf", "FILE",
		     "plan for the kernel of this BTF (a file like\n"
		     "/sys/kernel/btf/vmlinux, or a vmlinux with BTF)",
		     NULL},
	[OPT_JSON] = {"json", NULL, "one JSON object", NULL},
	[OPT_OMIT_HOOK] = {SESSION_OMIT_HOOK},
	{0},
};

struct examination {
	const char *btf_path; /* NULL: this kernel */
	const char *omit;
	bool json;
	struct ground ground;
	struct plan plan;
	int plan_err;
	struct {
		bool tried;
		int err;
		char error[256];
		struct calibration shots[CALIBRATIONS];
		size_t nr;
	} level[LEVEL_DEEP + 1];
	struct {
		int err;
		char why[BARRIER_WHY];
	} way[BARRIER_WAYS];
};

/* ---- examining ------------------------------------------------------------------------ */

static void try_level(struct examination *x, struct tracker *t, struct vmstat *v, enum level level)
{
	int err = tracker_set_level(t, level);

	x->level[level].tried = true;
	if (!err)
		err = tracker_calibrate(t, v, false, x->level[level].shots, &x->level[level].nr);
	x->level[level].err = err;
	snprintf(x->level[level].error, sizeof(x->level[level].error), "%s", tracker_error(t));
}

static void try_levels(struct examination *x)
{
	struct tracker_config config = {.omit = x->omit};
	struct tracker *t = NULL;
	struct vmstat *v = NULL;

	if (vmstat_open(&v))
		return;
	if (!tracker_create(&config, &t)) {
		try_level(x, t, v, LEVEL_LIGHT);
		try_level(x, t, v, LEVEL_DEEP);
		x->plan = *tracker_plan(t); /* with what was learned */
	}
	tracker_destroy(t);
	vmstat_close(v);
}

/* Refusing is asked of the kernel, and of nobody but this process. */
static void try_ways(struct examination *x)
{
	for (enum barrier_way w = BARRIER_LSM; w < BARRIER_WAYS; w++) {
		x->way[w].err = -EPERM;
		snprintf(x->way[w].why, sizeof(x->way[w].why), "%s", x->ground.why);
		if (!x->ground.why[0])
			x->way[w].err = barrier_try(w, x->way[w].why);
	}
}

static int examine(struct examination *x)
{
	struct btf *btf;

	if (!x->btf_path)
		ground_survey(&x->ground);
	x->plan_err = btfq_open(x->btf_path, &btf);
	if (x->plan_err)
		return x->plan_err;
	x->plan_err = plan_make(btf, !x->btf_path, x->omit, &x->plan);
	btf__free(btf);
	if (!x->plan_err && !x->btf_path && !x->ground.why[0])
		try_levels(x);
	if (!x->btf_path)
		try_ways(x);
	return 0;
}

static bool works(const struct examination *x, enum level level)
{
	return x->level[level].tried && !x->level[level].err;
}

/* ---- text ----------------------------------------------------------------------------- */

static void put_check(const char *what, bool good, const char *note)
{
	printf("  %-4s %s\n", good ? "yes" : "NO", what);
	if (*note)
		render_wrap(stdout, 7, note);
}

static void put_ground(const struct ground *g)
{
	printf("kernel %s\n", g->release);
	put_check("the kernel counts pins (/proc/vmstat)", g->counters, "");
	put_check("root, or CAP_BPF and CAP_PERFMON", g->root, "");
	put_check("BTF (/sys/kernel/btf/vmlinux)", g->btf, "");
	put_check("tracing programs are accepted", g->tracing, g->lockdown[0] ? g->lockdown : "");
	put_check("symbol addresses (/proc/kallsyms)", g->symbols, "");
	put_check("process numbers are the kernel's own", g->first_pids, "");
}

static void put_entry(const struct plan_entry *e)
{
	printf("  %-8s %-8s %s\n", plan_role_name(e->role), plan_state_name(e->state), e->function);
	if (e->why[0])
		printf("  %17s   %.58s\n", "", e->why);
}

static void put_plan(const struct plan *p)
{
	printf("\nhook plan (the kernel's code %s)\n", p->text_known ? "was read" : "is not known");
	for (size_t i = 0; i < p->nr; i++)
		if (p->entries[i].state != PLAN_ABSENT)
			put_entry(&p->entries[i]);
	printf("  FOLL_PIN ");
	if (p->foll_pin)
		printf("0x%x\n", p->foll_pin);
	else
		printf("is not in the BTF: it will be learned by firing a pin\n");
	printf("  struct page: %u bytes, flags %u, refcount %u, pincount %u, order %u\n",
	       p->layout.page_size, p->layout.flags, p->layout.refcount, p->layout.pincount,
	       p->layout.order);
}

static void put_shot(const struct calibration *c, enum level level)
{
	if (!c->tried) {
		printf("    -    %s: takes no pins here\n", c->name);
		return;
	}
	printf("    %-4s %s: counted +%" PRId64 " -%" PRId64 ", seen +%" PRId64,
	       c->ok ? "ok" : "BAD", c->name, c->balance.counted_acquired,
	       c->balance.counted_released, c->balance.seen_acquired);
	if (level == LEVEL_DEEP)
		printf(" -%" PRId64, c->balance.seen_released);
	printf("\n");
}

static void put_levels(const struct examination *x)
{
	printf("\nlevels\n");
	put_check("counters", x->ground.counters, "nothing attached; leaks noticed, none named");
	for (enum level l = LEVEL_LIGHT; l <= LEVEL_DEEP; l++) {
		put_check(level_name(l), works(x, l),
			  x->level[l].tried ? x->level[l].error : "not tried");
		for (size_t i = 0; i < x->level[l].nr; i++)
			put_shot(&x->level[l].shots[i], l);
	}
	if (x->ground.why[0])
		printf("\nno tracking here: %s\n  %s\n"
		       "  what still works: pinleak watch notices leaks from the counters\n",
		       x->ground.why, x->ground.todo);
}

/* Why nobody can be held to a limit, "" when it can be told at least. */
static const char *audit_error(const struct examination *x)
{
	if (works(x, LEVEL_DEEP))
		return "";
	return x->level[LEVEL_DEEP].error[0] ? x->level[LEVEL_DEEP].error : x->ground.why;
}

/* Why a limit that is enforced cannot be pinned, "" when it can. */
static const char *pin_error(void)
{
	return kept_possible() ? "" : "there is no BPF file system: mount -t bpf bpf " KEPT_FS;
}

static void put_limits(const struct examination *x)
{
	printf("\nlimits on a driver (pinleak limit)\n");
	put_check("audit", works(x, LEVEL_DEEP), audit_error(x));
	put_check("enforced by a security module (lsm)",
		  works(x, LEVEL_DEEP) && !x->way[BARRIER_LSM].err, x->way[BARRIER_LSM].why);
	put_check("enforced by changing an answer (modify)",
		  works(x, LEVEL_DEEP) && !x->way[BARRIER_MODIFY].err, x->way[BARRIER_MODIFY].why);
	put_check("a place to pin it, so that it stays (--pin)", kept_possible(), pin_error());
}

static void put_path(const char *path)
{
	char clean[256];

	units_clean(path, strlen(path), clean, sizeof(clean));
	printf("plan for the kernel of %s\n", clean);
}

static void put_text(const struct examination *x)
{
	if (!x->btf_path)
		put_ground(&x->ground);
	else
		put_path(x->btf_path);
	if (x->plan_err)
		printf("\nno plan: the BTF lacks the page structures\n");
	else
		put_plan(&x->plan);
	if (!x->btf_path) {
		put_levels(x);
		put_limits(x);
	} else if (!x->plan_err) {
		printf("\nby BTF alone: light %s, deep %s%s%s\n", x->plan.light_ok ? "yes" : "NO",
		       x->plan.deep_ok ? "likely (calibration decides)" : "NO",
		       x->plan.missing[0] ? ": " : "", x->plan.missing);
	}
}

/* ---- JSON ----------------------------------------------------------------------------- */

static json_t *plan_array(const struct plan *p)
{
	json_t *a = json_array();

	for (size_t i = 0; i < p->nr; i++) {
		const struct plan_entry *e = &p->entries[i];

		json_array_append_new(a, json_pack("{s:s, s:s, s:s, s:s}", "function", e->function,
						   "role", plan_role_name(e->role), "state",
						   plan_state_name(e->state), "why", e->why));
	}
	return a;
}

static json_t *level_object(const struct examination *x, enum level l)
{
	json_t *shots = json_array();

	for (size_t i = 0; i < x->level[l].nr; i++) {
		const struct calibration *c = &x->level[l].shots[i];
		const struct balance *b = &c->balance;

		json_array_append_new(shots,
				      json_pack("{s:s, s:b, s:b, s:I, s:I, s:I, s:I}", "name",
						c->name, "tried", c->tried, "ok", c->ok,
						"counted_acquired", (json_int_t)b->counted_acquired,
						"seen_acquired", (json_int_t)b->seen_acquired,
						"counted_released", (json_int_t)b->counted_released,
						"seen_released", (json_int_t)b->seen_released));
	}
	return json_pack("{s:b, s:s, s:o}", "works", works(x, l), "error", x->level[l].error,
			 "calibration", shots);
}

static json_t *limit_object(bool good, const char *why)
{
	return json_pack("{s:b, s:s}", "works", good, "error", why);
}

static json_t *limits_object(const struct examination *x)
{
	json_t *o = json_object();

	json_object_set_new(o, "audit", limit_object(works(x, LEVEL_DEEP), audit_error(x)));
	for (enum barrier_way w = BARRIER_LSM; w < BARRIER_WAYS; w++)
		json_object_set_new(o, barrier_way_name(w),
				    limit_object(works(x, LEVEL_DEEP) && !x->way[w].err,
						 x->way[w].err ? x->way[w].why : audit_error(x)));
	json_object_set_new(o, "pin", limit_object(kept_possible(), pin_error()));
	return o;
}

static void put_json(const struct examination *x)
{
	const struct ground *g = &x->ground;
	json_t *o = json_pack("{s:s, s:b, s:I}", "type", "doctor", "text_known", x->plan.text_known,
			      "foll_pin", (json_int_t)x->plan.foll_pin);

	json_object_set_new(o, "plan", plan_array(&x->plan));
	json_object_set_new(o, "light_planned", json_boolean(x->plan.light_ok));
	json_object_set_new(o, "deep_planned", json_boolean(x->plan.deep_ok));
	json_object_set_new(o, "missing", json_string(x->plan.missing));
	if (!x->btf_path) {
		json_object_set_new(o, "ground",
				    json_pack("{s:s, s:b, s:b, s:b, s:b, s:b, s:b, s:s, s:s, s:s}",
					      "kernel", g->release, "counters", g->counters, "root",
					      g->root, "btf", g->btf, "tracing", g->tracing,
					      "symbols", g->symbols, "first_pids", g->first_pids,
					      "lockdown", g->lockdown, "why", g->why, "todo",
					      g->todo));
		json_object_set_new(o, "light", level_object(x, LEVEL_LIGHT));
		json_object_set_new(o, "deep", level_object(x, LEVEL_DEEP));
		json_object_set_new(o, "limits", limits_object(x));
	}
	json_dumpf(o, stdout, JSON_COMPACT);
	printf("\n");
	json_decref(o);
}

/* ---- the command ---------------------------------------------------------------------- */

static int status_of(const struct examination *x)
{
	if (x->plan_err)
		return STATUS_CANNOT;
	if (x->btf_path)
		return x->plan.light_ok ? STATUS_OK : STATUS_CANNOT;
	return works(x, LEVEL_LIGHT) && works(x, LEVEL_DEEP) ? STATUS_OK : STATUS_CANNOT;
}

static int set_option(const struct command *self, int option, const char *value, void *ctx)
{
	struct examination *x = ctx;

	switch (option) {
	case OPT_BTF:
		x->btf_path = value;
		return STATUS_OK;
	case OPT_JSON:
		x->json = true;
		return STATUS_OK;
	default:
		if (!plan_knows(value))
			return option_bad(self, &options[option], value, "a function of the plan");
		x->omit = value;
		return STATUS_OK;
	}
}

static int run(const struct command *self, int argc, char **argv)
{
	struct options o = {.command = self, .argc = argc, .argv = argv, .at = 1};
	struct examination x = {0};
	bool done;
	int status, err;

	status = options_all(&o, set_option, &x, &done);
	if (!status && !done)
		status = options_only(&o);
	if (status || done)
		return status;
	err = examine(&x);
	if (err && x.btf_path)
		return usage_error(self,
				   err == -EINVAL ? ERROR_INVALID_PARAMETER : ERROR_FILE_NOT_FOUND,
				   "--btf %s: %s", x.btf_path,
				   err == -EINVAL ? "no BTF in it" : strerror(-err));
	if (x.json)
		put_json(&x);
	else
		put_text(&x);
	return status_of(&x);
}

const struct command doctor_command = {
	.name = "doctor",
	.brief = "tell what this machine permits and which functions will be hooked",
	.usage = "[OPTION...]",
	.about = "Examines this machine: what it permits, which kernel functions will be hooked\n"
		 "and why, and whether the hooks see exactly what the kernel counts, by firing\n"
		 "pins of our own. Nothing stays attached.\n",
	.options = options,
	.more = "exit status: 0 every level works, 2 wrong usage, 3 something is missing (named)\n",
	.examples = "  pinleak doctor                 this machine\n"
		    "  pinleak doctor --btf vmlinux   another kernel, as far as BTF tells\n",
	.run = run,
};
