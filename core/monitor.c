// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "monitor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "hoard.h"
#include "forecast.h"

#define NS_PER_S UINT64_C(1000000000)
#define PAGE	 4096 /* bytes, as a measure of memory */

#define DRIVERS_MAX 64

/* The books must disagree for so many steps in a row before it counts. */
#define UNBALANCED_STEPS 3
/* Pins by which counters and ledger may differ: reading them takes time, I/O goes on. */
#define SLACK_PINS 32

/* Growth of what is held keeps the deep level on for so long: it costs more than to look again. */
#define DEEP_MOST_NS (3600 * NS_PER_S)

#define PACE_NS (30 * NS_PER_S)
#define HURRY_S 120 /* memory that lasts for less leaves no time to wait for the few */

/* A driver that was accused. */
struct accused {
	char name[PL_SYM];
	enum blame_kind kind;
	bool plain; /* of plain references */
	enum evidence evidence;
	uint64_t pins;	   /* as last reported */
	uint64_t now_pins; /* as last seen */
	uint64_t now_bytes;
	uint64_t wrong; /* releases, as last reported */
	uint64_t now_wrong;
	uint64_t prior_pins; /* of trackings that have ended */
	uint64_t prior_bytes;
	uint64_t prior_wrong;
	uint64_t grown_ns;	  /* when something was added last */
	enum severity severity;	  /* as last reported */
	struct forecast forecast; /* of this tracking */
};

/* Tracking of plain references. */
struct getters {
	struct ledger ledger;
	struct map64 before; /* folio -> references that could be proof at the last look */
	bool on, wanted, refused;
	bool looked;
	uint64_t unexplained; /* folios, at the last look */
	uint64_t open;	      /* references of the tree that are not yet judged */
	uint32_t calm;	      /* looks in a row without more */
	char reason[160];
};

/* Tracking because of a suspicion. */
struct hunt {
	struct detect_suspicion paid;
	struct detect_suspicion why; /* that, or a faster one since */
	uint64_t suspected_ns;
	bool on;
	bool right; /* a driver was accused */
};

struct monitor {
	struct monitor_config config;
	const struct reporter *to;
	void *ctx;
	struct detect detect;
	struct hunt hunt;
	struct ledger ledger;
	struct roster roster; /* of the ledger, for a reporter of books */
	uint64_t books_ns;    /* when the books were read last */
	enum level level, wanted, highest;
	bool refused[LEVEL_DEEP + 1];
	char reason[160];
	struct sample first, last, tracking; /* tracking: when it began */
	bool started;
	uint64_t quiet_since;
	uint32_t suspicions;
	int64_t sunk; /* pins below zero that were looked into already */
	uint32_t unbalanced;
	uint64_t unseen_before; /* at lower levels of this tracking */
	struct balance balance;
	uint64_t stats[PL_STATS];
	uint64_t missed_runs;
	uint64_t told_loss;
	bool tracked;
	bool aligned;		 /* the counters at the beginning of tracking fit the ledger */
	struct sample pace[2];	 /* half a minute ago, or a minute, and since then */
	int64_t untracked_rise;	 /* of outstanding pins, in all the time without tracking */
	struct sample untracked; /* where the current time without tracking began */
	bool books_open;
	struct getters getters;
	struct limits limits;
	struct census_sum pinned; /* when tracking began */
	bool pinned_known;
	struct accused accused[DRIVERS_MAX];
	uint32_t nr_accused;
	struct hoard hoard;
	uint32_t sample_rate;
	bool thinned; /* since the last look some pins were not recorded */
};

const char *level_name(enum level l)
{
	static const char *const names[] = {"counters", "light", "deep"};

	return names[l];
}

bool loss_any(const struct report_loss *loss)
{
	static const enum pl_stat lost[] = {PL_LOST_PAGES, PL_LOST_BUSY,    PL_LOST_STACK,
					    PL_LOST_SITES, PL_LOST_OWNERS,  PL_LOST_FILES,
					    PL_LOST_CALLS, PL_REL_UNTRACED, PL_SLOTS_FULL,
					    PL_CONTENDED,  PL_TRUNC_STACK,  PL_LOST_TREE,
					    PL_LOST_WRONGS};

	for (size_t i = 0; i < sizeof(lost) / sizeof(*lost); i++)
		if (loss->stats[lost[i]])
			return true;
	return loss->missed_runs || loss->balance->unseen;
}

struct monitor_config monitor_defaults(void)
{
	return (struct monitor_config){
		.track = TRACK_AUTO,
		.lowest = LEVEL_LIGHT,
		.grace_ns = 30 * NS_PER_S,
		.few_ns = 75 * NS_PER_S,
		.many_ns = 4 * NS_PER_S,
		.late_ns = 120 * NS_PER_S,
		.settle_ns = 60 * NS_PER_S,
		.detect = detect_defaults,
	};
}

static void prepare_ledger(struct ledger *l, const struct monitor_config *config)
{
	l->grace_ns = config->grace_ns;
	l->few_ns = config->few_ns;
	l->many_ns = config->many_ns;
	l->late_ns = config->late_ns;
	l->tree_only = config->tree_only;
}

void monitor_set_times(struct monitor *m, const struct monitor_config *config)
{
	m->config.grace_ns = config->grace_ns;
	m->config.few_ns = config->few_ns;
	m->config.many_ns = config->many_ns;
	m->config.late_ns = config->late_ns;
	m->config.settle_ns = config->settle_ns;
	prepare_ledger(&m->ledger, &m->config);
	prepare_ledger(&m->getters.ledger, &m->config);
}

struct monitor *monitor_create(const struct monitor_config *config, const struct reporter *to,
			       void *ctx)
{
	struct monitor *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->config = *config;
	m->to = to;
	m->ctx = ctx;
	detect_init(&m->detect, &config->detect);
	prepare_ledger(&m->ledger, config);
	m->ledger.roster = to->books ? &m->roster : NULL;
	prepare_ledger(&m->getters.ledger, config);
	m->getters.wanted = config->references;
	snprintf(m->getters.reason, sizeof(m->getters.reason), "asked for");
	m->sample_rate = 1;
	if (config->track == TRACK_ALWAYS) {
		m->wanted = config->lowest;
		snprintf(m->reason, sizeof(m->reason), "asked for");
	}
	return m;
}

void monitor_destroy(struct monitor *m)
{
	if (!m)
		return;
	ledger_free(&m->ledger);
	roster_free(&m->roster);
	ledger_free(&m->getters.ledger);
	map64_free(&m->getters.before);
	free(m);
}

static int64_t outstanding(const struct sample *s)
{
	return s->acquired - s->released;
}

/* The fewest since the sample before. */
static int64_t floor_of(const struct sample *s)
{
	return outstanding(s) - s->below;
}

/* ---- levels --------------------------------------------------------------------------- */

static void want(struct monitor *m, enum level level)
{
	while (level > LEVEL_COUNTERS && m->refused[level])
		level--;
	m->wanted = level;
}

/*
 * Pins that the kernel counts at their release only make the counters sink as well: what was
 * looked into once must become twice as bad to be looked into again.
 */
static bool is_old_news(struct monitor *m, const struct detect_suspicion *d)
{
	int64_t depth = -outstanding(&m->last);

	if (d->rise > 0)
		return false;
	if (m->level == LEVEL_DEEP || depth <= 2 * m->sunk)
		return true;
	m->sunk = depth;
	return false;
}

/* Releases are seen at level deep only. */
static void suspect_releases(struct monitor *m, const struct detect_suspicion *d)
{
	snprintf(m->reason, sizeof(m->reason),
		 "more pins are released than were taken: %" PRId64 " in %.0f s", -d->rise,
		 (double)d->span_ns / NS_PER_S);
	want(m, LEVEL_DEEP);
}

/* A faster rise while a slow one is hunted: the books are read more often from now on. */
static void quicken(struct monitor *m, const struct detect_suspicion *d)
{
	if (d->rise > 0 && d->hunt_ns < m->hunt.why.hunt_ns)
		m->hunt.why = *d;
}

static void suspect(struct monitor *m, const struct detect_suspicion *d)
{
	struct report_suspicion r = {.now_ns = m->last.now_ns,
				     .pins = d->rise,
				     .pins_per_s = d->pins_per_s,
				     .span_s = (double)d->span_ns / NS_PER_S};

	if (is_old_news(m, d))
		return;
	if (m->level == LEVEL_LIGHT && d->rise < 0)
		suspect_releases(m, d);
	if (m->level != LEVEL_COUNTERS) {
		quicken(m, d);
		return;
	}
	m->suspicions++;
	m->to->suspicion(m->ctx, &r);
	detect_reset(&m->detect); /* the next suspicion needs a rise of its own */
	m->hunt = (struct hunt){.paid = *d, .why = *d, .suspected_ns = m->last.now_ns};
	if (m->config.track == TRACK_NEVER)
		return;
	if (d->rise < 0) {
		suspect_releases(m, d);
		return;
	}
	snprintf(m->reason, sizeof(m->reason),
		 "the floor of pinned pages rose by %" PRId64 " pins in %.0f s", d->rise,
		 (double)d->span_ns / NS_PER_S);
	want(m, m->config.lowest);
}

/* What was proved stays, when what can be proved from now on is counted anew. */
static void retire(struct monitor *m, bool plain)
{
	for (uint32_t i = 0; i < m->nr_accused; i++) {
		struct accused *a = &m->accused[i];

		if (a->plain != plain)
			continue;
		a->prior_pins += a->now_pins;
		a->prior_bytes += a->now_bytes;
		a->prior_wrong += a->now_wrong;
		a->pins = a->now_pins = a->now_bytes = 0;
		a->wrong = a->now_wrong = 0;
		a->forecast = (struct forecast){0};
	}
}

/* The ledger goes with the tracking; what was proved stays. */
static void close_books(struct monitor *m)
{
	detect_reset(&m->detect);
	if (m->hunt.on && !m->hunt.right)
		detect_was_wrong(&m->detect, &m->hunt.paid, m->last.now_ns - m->hunt.suspected_ns);
	m->hunt.on = false;
	m->untracked = m->last;
	m->books_open = false;
	hoard_reset(&m->hoard);
	retire(m, false);
}

void monitor_pinned(struct monitor *m, const struct census_sum *pinned)
{
	m->pinned_known = pinned != NULL;
	if (pinned)
		m->pinned = *pinned;
}

void monitor_level_is(struct monitor *m, const struct sample *sample, enum level level,
		      const char *reason)
{
	struct report_state r = {.now_ns = sample->now_ns,
				 .from = m->level,
				 .to = level,
				 .reason = reason,
				 .pinned = m->pinned_known && m->level == LEVEL_COUNTERS
						   ? &m->pinned
						   : NULL};

	m->last = *sample;
	if (m->level == LEVEL_COUNTERS && level != LEVEL_COUNTERS) {
		m->tracking = m->pace[0] = m->pace[1] = m->last;
		m->tracked = true;
		m->aligned = false;
		m->untracked_rise += outstanding(&m->last) - outstanding(&m->untracked);
		m->unseen_before = 0;
		m->books_ns = 0;
		memset(m->stats, 0, sizeof(m->stats));
		m->hunt.on = m->hunt.suspected_ns && m->config.track == TRACK_AUTO;
		m->ledger.epoch_ns = 0;
		m->ledger.strict = false;
	} else if (level == LEVEL_DEEP) {
		m->unseen_before += m->balance.unseen > 0 ? (uint64_t)m->balance.unseen : 0;
		m->ledger.epoch_ns = sample->now_ns;
	}
	if (level == LEVEL_COUNTERS)
		close_books(m);
	else
		m->balance = (struct balance){0};
	m->level = m->wanted = level;
	m->quiet_since = sample->now_ns;
	m->unbalanced = 0;
	if (level > m->highest)
		m->highest = level;
	m->to->state(m->ctx, &r);
}

void monitor_level_failed(struct monitor *m, uint64_t now_ns, enum level level, const char *reason)
{
	char text[200];
	struct report_state r = {.now_ns = now_ns,
				 .from = m->level,
				 .to = m->level,
				 .reason = text};

	snprintf(text, sizeof(text), "level %s cannot be had: %s", level_name(level), reason);
	for (enum level l = level; l <= LEVEL_DEEP; l++)
		m->refused[l] = true;
	m->to->state(m->ctx, &r);
	/* Less is better than nothing. */
	want(m, level > m->level ? level : m->level);
}

enum level monitor_wanted(const struct monitor *m)
{
	return m->wanted;
}

const char *monitor_reason(const struct monitor *m)
{
	return m->reason;
}

bool monitor_wants_exact(const struct monitor *m)
{
	return m->level != LEVEL_COUNTERS || detect_is_curious(&m->detect) ||
	       outstanding(&m->last) < 0;
}

bool monitor_is_stirring(const struct monitor *m)
{
	return m->level == LEVEL_COUNTERS && m->config.track == TRACK_AUTO &&
	       !m->refused[m->config.lowest] && detect_is_stirring(&m->detect);
}

/* A slow leak is in no hurry: the books are read a hundred times while it is hunted. */
#define HUNT_LOOKS   100
#define PAUSE_MAX_NS (60 * NS_PER_S)

static uint64_t pause_of(const struct monitor *m)
{
	uint64_t pause = m->hunt.on ? m->hunt.why.hunt_ns / HUNT_LOOKS : 0;

	/* What is no longer pinned goes when the books are read: a full table cannot wait. */
	if (pause < NS_PER_S || m->stats[PL_LOST_PAGES] || m->stats[PL_LOST_OWNERS] ||
	    m->stats[PL_LOST_FILES])
		return 0;
	return pause < PAUSE_MAX_NS ? pause : PAUSE_MAX_NS;
}

bool monitor_wants_books(const struct monitor *m)
{
	return m->level != LEVEL_COUNTERS && m->last.now_ns >= m->books_ns + pause_of(m);
}

const struct ledger *monitor_ledger(const struct monitor *m)
{
	return &m->ledger;
}

const struct ledger *monitor_references(const struct monitor *m)
{
	return &m->getters.ledger;
}

uint64_t monitor_open_references(const struct monitor *m)
{
	return m->getters.open;
}

uint32_t monitor_leaking(const struct monitor *m)
{
	return m->nr_accused;
}

bool monitor_is_blind(const struct monitor *m)
{
	return m->refused[LEVEL_LIGHT] && (m->suspicions || m->config.track == TRACK_ALWAYS);
}

/* ---- verdicts ------------------------------------------------------------------------- */

/* Pins the counters know since tracking began and no record explains. */
static uint64_t unattributed(const struct monitor *m)
{
	int64_t rise = outstanding(&m->last) - outstanding(&m->tracking);
	int64_t known = (int64_t)m->ledger.estimate;

	return rise > known ? (uint64_t)(rise - known) : 0;
}

/* What is known of this driver at the last look. */
static void look_at(struct monitor *m, struct accused *a, uint64_t pins, uint64_t bytes,
		    uint64_t wrong)
{
	if (pins > a->now_pins || wrong > a->now_wrong)
		a->grown_ns = m->last.now_ns;
	a->now_pins = pins;
	a->now_bytes = bytes;
	a->now_wrong = wrong;
	forecast_look(&a->forecast, m->last.now_ns, bytes, m->last.memory_available);
}

/* A driver that goes on releasing what is not there is not at rest for having lost nothing. */
static bool is_at_rest(const struct monitor *m, const struct accused *a)
{
	return m->config.settle_ns && !a->now_wrong &&
	       m->last.now_ns >= a->grown_ns + m->config.settle_ns;
}

/* What the driver's leak means for the machine. */
static void weigh(const struct monitor *m, const struct accused *a, struct report_verdict *r)
{
	struct forecast_outlook o = forecast_tell(&a->forecast);
	struct severity_case c = {.bytes = a->now_bytes,
				  .memory_total = m->last.memory_total,
				  .left_s = o.exhaustion.low,
				  .at_rest = is_at_rest(m, a)};

	r->rate = o.rate.likely;
	r->rate_low = o.rate.low;
	r->rate_high = o.rate.high;
	r->exhaustion = o.exhaustion.likely;
	r->exhaustion_low = o.exhaustion.low;
	r->exhaustion_high = o.exhaustion.high;
	r->share = severity_share(c.bytes, c.memory_total);
	r->severity = severity_of(&c);
	r->at_rest = c.at_rest;
	r->pressure = pressure_since(&m->first.pressure, &m->last.pressure);
	r->limits = &m->limits;
}

static struct accused *accused_of(struct monitor *m, const struct blame *driver, bool plain)
{
	struct accused *a;

	for (uint32_t i = 0; i < m->nr_accused; i++)
		if (m->accused[i].kind == driver->kind && m->accused[i].plain == plain &&
		    !strcmp(m->accused[i].name, driver->driver))
			return &m->accused[i];
	if (m->nr_accused == DRIVERS_MAX)
		return NULL;
	a = &m->accused[m->nr_accused++];
	*a = (struct accused){.kind = driver->kind, .plain = plain};
	snprintf(a->name, sizeof(a->name), "%s", driver->driver);
	return a;
}

static void accuse(struct monitor *m, struct accused *a, const struct finding *f)
{
	struct report_loss loss = {.stats = m->stats,
				   .missed_runs = m->missed_runs,
				   .balance = &m->balance};
	struct report_verdict r = {
		.now_ns = m->last.now_ns,
		.finding = f,
		.level = m->level,
		.sample_rate = m->sample_rate,
		.missed = m->balance.unseen > 0 ? (uint64_t)m->balance.unseen : 0,
		.unattributed = unattributed(m),
		.before = m->untracked_rise,
		.incomplete = loss_any(&loss),
		.update = a->evidence && f->evidence <= a->evidence,
	};

	weigh(m, a, &r);
	m->to->verdict(m->ctx, &r);
	a->severity = r.severity;
	a->pins = f->pins;
	a->wrong = finding_wrong(f);
	if (f->evidence > a->evidence)
		a->evidence = f->evidence;
}

/*
 * An acquisition that no hook saw might rightly hold what looks leaked. What is proved must be
 * more than all of those: on folios first seen since the deep level began, those since then.
 */
static bool is_beyond_doubt(const struct monitor *m, const struct finding *f)
{
	uint64_t unseen = m->balance.unseen > 0 ? (uint64_t)m->balance.unseen : 0;

	return !f->pins || f->pins_recent > unseen || f->pins > unseen + m->unseen_before;
}

/*
 * That a pin was released that was not there is certain by the folio's own count. Whose release
 * it was says the folio's history, so what no hook saw of that might say otherwise.
 */
static void drop_doubtful_releases(const struct monitor *m, struct finding *f)
{
	const struct balance *b = &m->balance;
	uint64_t missed = m->unseen_before + m->missed_runs;
	size_t nr = 0;

	missed += b->unseen > 0 ? (uint64_t)b->unseen : 0;
	missed += b->unseen_released > 0 ? (uint64_t)b->unseen_released : 0;
	if (f->doubles + f->nevers > missed)
		return;
	f->doubles = f->nevers = 0;
	for (size_t i = 0; i < f->nr_releases; i++)
		if (f->releases[i].kind == WRONG_PUT_PAGE)
			f->releases[nr++] = f->releases[i];
	f->nr_releases = nr;
}

static bool has_doubled(uint64_t now, uint64_t told)
{
	return now && now >= 2 * told;
}

/* A verdict is told again when it has doubled, has become graver, or tracking ends. */
static bool is_news(const struct monitor *m, const struct accused *a, const struct finding *f,
		    bool last)
{
	uint64_t wrong = finding_wrong(f);
	struct report_verdict now;

	if (f->evidence > a->evidence || has_doubled(f->pins, a->pins) ||
	    has_doubled(wrong, a->wrong))
		return true;
	weigh(m, a, &now);
	if (now.severity > a->severity)
		return true;
	return last && (f->pins != a->pins || wrong != a->wrong || now.severity != a->severity);
}

static const struct finding *finding_of(const struct ledger *l, const struct accused *a)
{
	for (size_t i = 0; i < l->nr_findings; i++)
		if (l->findings[i].driver->kind == a->kind &&
		    !strcmp(l->findings[i].driver->driver, a->name))
			return &l->findings[i];
	return NULL;
}

/* There is something: tracking goes on, and it was right to begin. */
static void note_news(struct monitor *m)
{
	m->quiet_since = m->last.now_ns;
	if (m->hunt.on && !m->hunt.right)
		detect_was_right(&m->detect, &m->hunt.paid);
	m->hunt.right = true;
}

static void judge(struct monitor *m, bool last)
{
	for (uint32_t i = 0; i < m->nr_accused; i++)
		if (!m->accused[i].plain && !finding_of(&m->ledger, &m->accused[i])) /* released */
			look_at(m, &m->accused[i], 0, 0, 0);
	for (size_t i = 0; i < m->ledger.nr_findings; i++) {
		struct finding *f = &m->ledger.findings[i];
		struct accused *a;

		drop_doubtful_releases(m, f);
		if (!is_beyond_doubt(m, f) || !(f->pins || finding_wrong(f)))
			continue;
		a = accused_of(m, f->driver, false);
		if (!a)
			continue;
		look_at(m, a, f->pins, f->bytes, finding_wrong(f));
		if (a->grown_ns == m->last.now_ns)
			note_news(m);
		if (is_news(m, a, f, last))
			accuse(m, a, f);
	}
}

/* ---- those who hold and grow ---------------------------------------------------------- */

/* Once a window of the shortest scale; as long as somebody's pins grow the matter is not settled.
 */
static void watch_hoards(struct monitor *m)
{
	uint64_t window = 2 * pause_of(m) > 5 * NS_PER_S ? 2 * pause_of(m) : 5 * NS_PER_S;
	struct hoard_news news[HOARD_MAX];
	bool growing;
	size_t nr = hoard_look(&m->hoard, &m->ledger, m->last.now_ns, window, news, &growing);

	if (growing &&
	    (m->level == LEVEL_LIGHT || m->last.now_ns < m->tracking.now_ns + DEEP_MOST_NS))
		m->quiet_since = m->last.now_ns;
	for (size_t i = 0; i < nr; i++) {
		struct report_held r = {.now_ns = m->last.now_ns,
					.holding = news[i].holding,
					.rise = news[i].rise,
					.share = severity_share(news[i].holding->bytes,
								m->last.memory_total)};

		m->to->held(m->ctx, &r);
	}
}

/* ---- losses --------------------------------------------------------------------------- */

static void tell_losses(struct monitor *m, bool last)
{
	struct report_loss r = {.now_ns = m->last.now_ns,
				.stats = m->stats,
				.missed_runs = m->missed_runs,
				.balance = &m->balance};
	uint64_t sum = m->missed_runs;

	for (int i = PL_LOST_PAGES; i < PL_STATS; i++)
		sum += m->stats[i];
	if (sum == m->told_loss && !(last && m->balance.unseen))
		return;
	/* Each order of magnitude is worth a line, not each pin. */
	if (!last && m->told_loss && sum < 10 * m->told_loss)
		return;
	m->told_loss = sum;
	m->to->loss(m->ctx, &r);
}

/* ---- limits that were hit --------------------------------------------------------------- */

static void tell_limits(struct monitor *m, const struct snapshot *books)
{
	struct limit hit;
	struct report_limit r = {.now_ns = m->last.now_ns, .limit = &hit};

	for (size_t i = 0; i < books->nr_refusals; i++) {
		const struct snap_refusal *f = &books->refusals[i];

		if (m->config.tree_only && !f->refusal.owner.tree)
			continue;
		if (limit_judge(books, f, &hit) && limits_take(&m->limits, &hit))
			m->to->limit(m->ctx, &r);
	}
}

/* ---- one step ------------------------------------------------------------------------- */

/* Light sees calls, not pins: when that does not explain the counters, look at each pin. */
static void consider_deep(struct monitor *m)
{
	/* pins on their way of calls that were left out are nobody's: see consider_rest() */
	uint64_t unknown = m->thinned ? 0 : unattributed(m);
	int64_t unseen = m->balance.unseen;
	bool unbalanced = unknown > SLACK_PINS || unseen > SLACK_PINS || m->ledger.ambiguous ||
			  m->ledger.lacking;

	m->unbalanced = unbalanced ? m->unbalanced + 1 : 0;
	if (m->level != LEVEL_LIGHT || m->unbalanced < UNBALANCED_STEPS || m->refused[LEVEL_DEEP])
		return;
	if (m->ledger.lacking)
		snprintf(m->reason, sizeof(m->reason),
			 "%" PRIu64 " folios lack references: put_page() called on pinned pages?",
			 m->ledger.lacking);
	else if (m->ledger.ambiguous)
		snprintf(m->reason, sizeof(m->reason),
			 "%" PRIu64 " pins are claimed by more than one owner",
			 m->ledger.ambiguous);
	else
		snprintf(m->reason, sizeof(m->reason),
			 "the books do not balance: %" PRIu64 " pins held, %" PRId64
			 " taken that the calls do not explain",
			 unknown, unseen);
	want(m, LEVEL_DEEP);
}

/* As long as it took to be suspected, a leak takes to show again, and to be proved its time. */
static uint64_t settle_of(const struct monitor *m)
{
	uint64_t hunt = m->hunt.on ? m->hunt.why.hunt_ns : 0;
	uint64_t least = 2 * m->config.grace_ns;

	hunt = hunt > least ? hunt : least;
	return hunt > m->config.settle_ns ? hunt : m->config.settle_ns;
}

/* For late releases; but one after the other must not keep tracking on for ever. */
static bool is_waiting(const struct monitor *m)
{
	return m->last.now_ns < m->ledger.due_ns &&
	       m->last.now_ns < m->quiet_since + settle_of(m) + m->config.few_ns;
}

static void consider_rest(struct monitor *m)
{
	if (m->config.track == TRACK_ALWAYS || m->wanted != m->level ||
	    m->last.now_ns < m->quiet_since + settle_of(m) || is_waiting(m))
		return;
	if (m->level == LEVEL_LIGHT && m->stats[PL_LEFT_OUT] && !m->refused[LEVEL_DEEP]) {
		snprintf(m->reason, sizeof(m->reason),
			 "nothing was found, but so much is pinned that not all was recorded");
		want(m, LEVEL_DEEP);
		return;
	}
	judge(m, true);
	snprintf(m->reason, sizeof(m->reason), "settled: nothing new for %" PRIu64 " s",
		 settle_of(m) / NS_PER_S);
	want(m, LEVEL_COUNTERS);
}

/*
 * Pins that were recorded between the arming of the hooks and the reading of the counters are in
 * both books: from now on they count as tracked.
 */
static void align(struct monitor *m, const struct snapshot *books)
{
	for (size_t i = 0; i < books->nr_pages && !m->aligned; i++) {
		const struct pl_page *p = &books->pages[i].page;
		int64_t pins = p->pins > p->base ? p->pins - p->base : 0;

		if (p->first_ns > m->tracking.now_ns)
			continue;
		pins <<= p->thin;
		m->tracking.acquired -= pins;
		m->untracked_rise -= pins;
	}
	m->aligned = true;
}

/*
 * Where releases are not seen, a thousand plain references more on a small folio look like a pin.
 * Pins that are there are outstanding by the counters: when more look leaked than that, what
 * rests on such references proves nothing, from now on to the end of this tracking.
 */
static bool becomes_strict(struct monitor *m)
{
	if (m->ledger.strict || !m->ledger.loose ||
	    outstanding(&m->last) >= (int64_t)m->ledger.loose)
		return false;
	m->ledger.strict = true;
	return true;
}

/* Will the memory be gone in two minutes, if pins take it as in the last half minute or so? */
static bool is_running_out(struct monitor *m)
{
	const struct sample *then = &m->pace[0], *now = &m->last;
	double taken = (double)(floor_of(now) - outstanding(then)) * PAGE;
	double less = (double)then->memory_available - (double)now->memory_available;
	double seconds = (double)(now->now_ns - then->now_ns) / NS_PER_S;

	if (now->now_ns >= m->pace[1].now_ns + PACE_NS) {
		m->pace[0] = m->pace[1];
		m->pace[1] = *now;
	}
	return (taken < less ? taken : less) * HURRY_S > (double)now->memory_available * seconds;
}

/*
 * A call counts when it ends, so one that was under way at the last look of level light seemed
 * unseen. What really was, no later look can show less of.
 */
static void settle_unseen(struct monitor *m)
{
	uint64_t now = m->balance.unseen_calls > 0 ? (uint64_t)m->balance.unseen_calls : 0;

	if (m->level == LEVEL_DEEP && now < m->unseen_before)
		m->unseen_before = now;
}

static void tell_books(const struct monitor *m)
{
	struct report_loss loss = {.now_ns = m->last.now_ns,
				   .stats = m->stats,
				   .missed_runs = m->missed_runs,
				   .balance = &m->balance};
	struct report_books r = {.now_ns = m->last.now_ns,
				 .level = m->level,
				 .ledger = &m->ledger,
				 .roster = m->ledger.roster,
				 .loss = &loss};

	if (r.roster)
		m->to->books(m->ctx, &r);
}

static int track(struct monitor *m, const struct snapshot *books, const struct balance *balance)
{
	int err;

	if (!m->books_ns) /* it took its time to begin: what is new shows from now on */
		m->quiet_since = m->last.now_ns;
	m->ledger.hurry = is_running_out(m);
	err = ledger_evaluate(&m->ledger, books);
	m->books_ns = m->last.now_ns;
	if (err || becomes_strict(m))
		return err; /* what was found is found anew the next time, or is not */
	m->books_open = true;
	align(m, books);
	m->balance = *balance;
	settle_unseen(m);
	m->sample_rate = books->sample_rate;
	m->thinned = books->stats[PL_LEFT_OUT] > m->stats[PL_LEFT_OUT];
	memcpy(m->stats, books->stats, sizeof(m->stats));
	m->missed_runs = books->missed_runs;
	tell_limits(m, books);
	tell_books(m);
	judge(m, false);
	watch_hoards(m);
	tell_losses(m, false);
	consider_deep(m);
	consider_rest(m);
	return 0;
}

int monitor_step(struct monitor *m, const struct sample *sample, const struct snapshot *books,
		 const struct balance *balance)
{
	struct report_sample r = {.sample = sample, .level = m->level};
	struct detect_sample reading = {.now_ns = sample->now_ns,
					.floor = floor_of(sample),
					.top = outstanding(sample),
					.lag = sample->lag,
					.memory_pages = sample->memory_total / PAGE,
					.moving = sample->acquired != m->last.acquired,
					.tracked = m->level != LEVEL_COUNTERS};
	struct detect_suspicion d;

	if (!m->started)
		m->first = m->untracked = *sample;
	m->started = true;
	m->last = *sample;
	m->books_open = false;
	m->to->sample(m->ctx, &r);
	if (detect_take(&m->detect, &reading, &d))
		suspect(m, &d);
	if (books && m->level != LEVEL_COUNTERS)
		return track(m, books, balance);
	return 0;
}

/* ---- plain references ------------------------------------------------------------------- */

#define CALM_LOOKS 2 /* without anything new: tracking of references goes off */

static void want_references(struct monitor *m, bool wanted, const char *why, uint64_t folios)
{
	m->getters.wanted = wanted;
	snprintf(m->getters.reason, sizeof(m->getters.reason), "%s: %" PRIu64 " folios", why,
		 folios);
}

void monitor_unexplained(struct monitor *m, uint64_t folios)
{
	struct getters *g = &m->getters;
	bool more = g->looked && folios > g->unexplained;

	g->calm = more ? 0 : g->calm + 1;
	g->looked = true;
	g->unexplained = folios;
	if (g->refused || m->config.track == TRACK_NEVER || m->config.references)
		return;
	if (more)
		want_references(m, true, "referenced, mapped by nobody, and more than before",
				folios);
	else if (g->wanted && g->calm >= CALM_LOOKS)
		want_references(m, false, "no more of them are left behind", folios);
}

bool monitor_wants_references(const struct monitor *m)
{
	return m->getters.wanted;
}

static void tell_references(const struct monitor *m, uint64_t now_ns, const char *reason)
{
	struct report_references r = {.now_ns = now_ns,
				      .on = m->getters.on,
				      .unexplained = m->getters.unexplained,
				      .reason = reason};

	m->to->references(m->ctx, &r);
}

void monitor_references_are(struct monitor *m, uint64_t now_ns, bool on)
{
	m->getters.on = on;
	m->getters.open = 0;
	map64_clear(&m->getters.before);
	if (!on)
		retire(m, true);
	tell_references(m, now_ns, m->getters.reason);
}

void monitor_references_failed(struct monitor *m, uint64_t now_ns, const char *reason)
{
	m->getters.refused = true;
	m->getters.wanted = false;
	tell_references(m, now_ns, reason);
}

static const struct snap_owner *claimant(const struct snapshot *s, const struct pl_slot *slot)
{
	uint32_t at;

	return map64_get(&s->owner_at, slot->owner, &at) ? &s->owners[at] : NULL;
}

/*
 * A file of a file system or a socket ends before what came through it: a network file system's
 * server may still answer, and a closed socket still sends.
 */
static bool is_of_device(const struct pl_owner *o)
{
	return !o->file_id || S_ISCHR(o->mode) || S_ISBLK(o->mode) || !(o->mode & S_IFMT);
}

/*
 * Others than drivers take references too, for a pipe or a socket, and pass them on without
 * get_user_pages(): a folio that they have claimed proves nothing.
 */
static bool is_of_drivers(const struct snapshot *s, const struct pl_page *p)
{
	uint32_t site;

	for (uint32_t i = 0; i < p->nr_slots && i < PL_SLOTS; i++) {
		const struct snap_owner *o = claimant(s, &p->slot[i]);

		if (!o || !map64_get(&s->site_at, o->owner.site, &site) ||
		    s->sites[site]->blame.kind != BLAME_MODULE || !is_of_device(&o->owner))
			return false;
	}
	return p->nr_slots && !p->extra && !p->torn;
}

static bool is_of_tree(const struct snapshot *s, const struct pl_page *p)
{
	for (uint32_t i = 0; i < p->nr_slots && i < PL_SLOTS; i++) {
		const struct snap_owner *o = claimant(s, &p->slot[i]);

		if (o && o->owner.tree)
			return true;
	}
	return false;
}

/*
 * What of a folio's references was there at the last look too, and proves something; a folio is
 * referenced for a moment for many reasons.
 */
static int keep_steady_page(struct getters *g, const struct snapshot *s, struct snap_page *page,
			    struct map64 *now)
{
	struct pl_page *p = &page->page;
	uint32_t before = 0, pins = p->pins;
	int err;

	if (!is_of_drivers(s, p) || page->queued == SNAP_QUEUED_YES)
		p->pins = 0;
	if (!p->pins)
		return 0;
	if (page->queued == SNAP_QUEUED_UNKNOWN)
		p->pins = 0;
	map64_get(&g->before, page->folio, &before);
	err = p->pins ? map64_put(now, page->folio, p->pins) : 0;
	p->pins = p->pins < before ? p->pins : before;
	if (is_of_tree(s, p))
		g->open += pins - p->pins;
	return err;
}

static int keep_steady(struct getters *g, const struct snapshot *s)
{
	struct map64 now = {0};
	int err = 0;

	g->open = 0;
	for (size_t i = 0; i < s->nr_pages && !err; i++)
		err = keep_steady_page(g, s, &s->pages[i], &now);
	map64_free(&g->before);
	g->before = now;
	return err;
}

static void accuse_plain(struct monitor *m, struct accused *a, const struct finding *f)
{
	struct report_verdict r = {.now_ns = m->last.now_ns,
				   .finding = f,
				   .level = LEVEL_LIGHT,
				   .sample_rate = 1,
				   .update = a->evidence && f->evidence <= a->evidence,
				   .plain = true};

	weigh(m, a, &r);
	m->to->verdict(m->ctx, &r);
	a->severity = r.severity;
	a->pins = f->pins;
	if (f->evidence > a->evidence)
		a->evidence = f->evidence;
}

static void judge_plain(struct monitor *m)
{
	const struct ledger *l = &m->getters.ledger;

	for (uint32_t i = 0; i < m->nr_accused; i++)
		if (m->accused[i].plain && !finding_of(l, &m->accused[i]))
			look_at(m, &m->accused[i], 0, 0, 0);
	for (size_t i = 0; i < l->nr_findings; i++) {
		const struct finding *f = &l->findings[i];
		struct accused *a = f->pins ? accused_of(m, f->driver, true) : NULL;

		if (!a)
			continue;
		look_at(m, a, f->pins, f->bytes, 0);
		if (a->grown_ns == m->last.now_ns)
			m->getters.calm = 0;
		if (is_news(m, a, f, false))
			accuse_plain(m, a, f);
	}
}

int monitor_step_references(struct monitor *m, const struct snapshot *books)
{
	int err = keep_steady(&m->getters, books);

	if (!err)
		err = ledger_evaluate(&m->getters.ledger, books);
	if (!err)
		judge_plain(m);
	return err;
}

void monitor_finish(struct monitor *m, uint64_t now_ns)
{
	struct report_leak leaks[DRIVERS_MAX];
	struct report_loss loss = {.now_ns = now_ns,
				   .stats = m->stats,
				   .missed_runs = m->missed_runs,
				   .balance = &m->balance};
	struct report_summary r = {
		.now_ns = now_ns,
		.seconds = (double)(now_ns - m->first.now_ns) / NS_PER_S,
		.rise = outstanding(&m->last) - outstanding(&m->first),
		.before = m->untracked_rise,
		.suspicions = m->suspicions,
		.leaks = leaks,
		.highest = m->highest,
		.tracking_failed = monitor_is_blind(m),
		.pinned = m->pinned_known ? &m->pinned : NULL,
		.loss = m->tracked ? &loss : NULL,
		.ledger = m->books_open ? &m->ledger : NULL,
		.pressure = pressure_since(&m->first.pressure, &m->last.pressure),
		.cost = m->last.cost,
	};

	if (m->books_open) {
		judge(m, true);
		tell_losses(m, true);
	}
	for (; r.nr_leaks < m->nr_accused; r.nr_leaks++) {
		const struct accused *a = &m->accused[r.nr_leaks];
		struct report_leak *leak = &leaks[r.nr_leaks];

		*leak = (struct report_leak){.driver = a->name,
					     .kind = a->kind,
					     .plain = a->plain,
					     .evidence = a->evidence,
					     .wrong = a->prior_wrong + a->now_wrong,
					     .pins = a->prior_pins + a->now_pins,
					     .bytes = a->prior_bytes + a->now_bytes,
					     .severity = a->severity};
		leak->share = severity_share(leak->bytes, m->last.memory_total);
		*(a->plain ? &r.leaked_references : &r.leaked_pins) += leak->pins;
		r.leaked_bytes += leak->bytes;
	}
	m->to->summary(m->ctx, &r);
}
