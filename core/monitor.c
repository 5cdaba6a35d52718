// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "monitor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S UINT64_C(1000000000)

#define DRIVERS_MAX 64
#define HELD_MAX    64
#define HELD_PINS   64 /* a rise of an owner's pins that is worth a word */

/* The books must disagree for so many steps in a row before it counts. */
#define UNBALANCED_STEPS 3
/* Pins by which counters and ledger may differ: reading them takes time, I/O goes on. */
#define SLACK_PINS 32

/* A driver that was accused. */
struct accused {
	char name[PL_SYM];
	enum blame_kind kind;
	enum evidence evidence;
	uint64_t pins;	   /* as last reported */
	uint64_t now_pins; /* as last seen */
	uint64_t now_bytes;
	uint64_t wrong; /* releases, as last reported */
	uint64_t now_wrong;
	uint64_t prior_pins; /* of trackings that have ended */
	uint64_t prior_bytes;
	uint64_t prior_wrong;
	uint64_t first_ns;
	uint64_t first_bytes;
};

/* An owner whose pins are watched for growth. */
struct grower {
	uint64_t key;
	uint64_t first_pins;
	uint64_t last_pins;
	uint32_t rises; /* windows in a row */
	uint64_t seen_ns;
	bool told;
};

struct monitor {
	struct monitor_config config;
	const struct reporter *to;
	void *ctx;
	struct detect detect;
	struct ledger ledger;
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
	int64_t untracked_rise;	 /* of outstanding pins, in all the time without tracking */
	struct sample untracked; /* where the current time without tracking began */
	bool books_open;
	struct census_sum pinned; /* when tracking began */
	bool pinned_known;
	struct accused accused[DRIVERS_MAX];
	uint32_t nr_accused;
	struct grower growers[HELD_MAX];
	uint32_t nr_growers;
	uint64_t grow_ns;
	uint32_t sample_rate;
};

const char *level_name(enum level l)
{
	static const char *const names[] = {"counters", "light", "deep"};

	return names[l];
}

const char *severity_name(enum severity s)
{
	static const char *const names[] = {"info", "warning", "critical"};

	return names[s];
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

struct monitor *monitor_create(const struct monitor_config *config, const struct reporter *to,
			       void *ctx)
{
	struct monitor *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->config = *config;
	m->to = to;
	m->ctx = ctx;
	m->ledger.grace_ns = config->grace_ns;
	m->ledger.tree_only = config->tree_only;
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
	free(m);
}

static int64_t outstanding(const struct sample *s)
{
	return s->acquired - s->released;
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

static void suspect(struct monitor *m, const struct detect_suspicion *d)
{
	struct report_suspicion r = {.now_ns = m->last.now_ns,
				     .pins = d->rise,
				     .pins_per_s = d->pins_per_s,
				     .span_s = (double)d->span_ns / NS_PER_S};

	if (is_old_news(m, d))
		return;
	m->quiet_since = m->last.now_ns;
	if (m->level == LEVEL_LIGHT && d->rise < 0)
		suspect_releases(m, d);
	if (m->level != LEVEL_COUNTERS)
		return;
	m->suspicions++;
	m->to->suspicion(m->ctx, &r);
	detect_reset(&m->detect); /* the next suspicion needs a rise of its own */
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

/* The ledger goes with the tracking; what was proved stays. */
static void close_books(struct monitor *m)
{
	detect_reset(&m->detect);
	m->untracked = m->last;
	m->books_open = false;
	m->nr_growers = 0;
	for (uint32_t i = 0; i < m->nr_accused; i++) {
		struct accused *a = &m->accused[i];

		a->prior_pins += a->now_pins;
		a->prior_bytes += a->now_bytes;
		a->prior_wrong += a->now_wrong;
		a->pins = a->now_pins = a->now_bytes = a->first_bytes = 0;
		a->wrong = a->now_wrong = 0;
	}
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
		m->tracking = m->last;
		m->tracked = true;
		m->aligned = false;
		m->untracked_rise += outstanding(&m->last) - outstanding(&m->untracked);
		m->unseen_before = 0;
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

const struct ledger *monitor_ledger(const struct monitor *m)
{
	return &m->ledger;
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
	int64_t known = (int64_t)((m->ledger.pins - m->ledger.base) * m->sample_rate);

	return rise > known ? (uint64_t)(rise - known) : 0;
}

static void forecast(const struct monitor *m, const struct accused *a, struct report_verdict *r)
{
	double seconds = (double)(m->last.now_ns - a->first_ns) / NS_PER_S;

	r->rate = r->exhaustion = -1;
	if (seconds < 1 || a->now_bytes <= a->first_bytes)
		return;
	r->rate = (double)(a->now_bytes - a->first_bytes) / seconds;
	r->exhaustion = (double)m->last.memory_available / r->rate;
}

static enum severity severity_of(const struct monitor *m, const struct report_verdict *r,
				 uint64_t bytes)
{
	if (bytes * 10 >= m->last.memory_total || (r->exhaustion >= 0 && r->exhaustion < 24 * 3600))
		return SEVERITY_CRITICAL;
	return SEVERITY_WARNING;
}

static struct accused *accused_of(struct monitor *m, const struct blame *driver)
{
	struct accused *a;

	for (uint32_t i = 0; i < m->nr_accused; i++)
		if (m->accused[i].kind == driver->kind &&
		    !strcmp(m->accused[i].name, driver->driver))
			return &m->accused[i];
	if (m->nr_accused == DRIVERS_MAX)
		return NULL;
	a = &m->accused[m->nr_accused++];
	*a = (struct accused){.kind = driver->kind};
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

	forecast(m, a, &r);
	r.severity = severity_of(m, &r, f->bytes);
	m->to->verdict(m->ctx, &r);
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

/* A verdict is told again when it has doubled, has stronger evidence, or tracking ends. */
static bool is_news(const struct accused *a, const struct finding *f, bool last)
{
	uint64_t wrong = finding_wrong(f);

	if (f->evidence > a->evidence || has_doubled(f->pins, a->pins) ||
	    has_doubled(wrong, a->wrong))
		return true;
	return last && (f->pins != a->pins || wrong != a->wrong);
}

static bool is_proved(const struct monitor *m, const struct accused *a)
{
	for (size_t i = 0; i < m->ledger.nr_findings; i++) {
		const struct blame *driver = m->ledger.findings[i].driver;

		if (a->kind == driver->kind && !strcmp(a->name, driver->driver))
			return true;
	}
	return false;
}

static void judge(struct monitor *m, bool last)
{
	for (uint32_t i = 0; i < m->nr_accused; i++)
		if (!is_proved(m, &m->accused[i])) /* released after all */
			m->accused[i].now_pins = m->accused[i].now_bytes = m->accused[i].now_wrong =
				0;
	for (size_t i = 0; i < m->ledger.nr_findings; i++) {
		struct finding *f = &m->ledger.findings[i];
		struct accused *a;

		drop_doubtful_releases(m, f);
		if (!is_beyond_doubt(m, f) || !(f->pins || finding_wrong(f)))
			continue;
		a = accused_of(m, f->driver);
		if (!a)
			continue;
		if (!a->first_bytes) {
			a->first_ns = m->last.now_ns;
			a->first_bytes = f->bytes;
		}
		if (f->pins > a->now_pins || finding_wrong(f) > a->now_wrong)
			m->quiet_since = m->last.now_ns;
		a->now_pins = f->pins;
		a->now_bytes = f->bytes;
		a->now_wrong = finding_wrong(f);
		if (is_news(a, f, last))
			accuse(m, a, f);
	}
}

/* ---- those who hold and grow ---------------------------------------------------------- */

static struct grower *grower_of(struct monitor *m, const struct holding *h)
{
	struct grower *g;

	for (uint32_t i = 0; i < m->nr_growers; i++)
		if (m->growers[i].key == h->owner->key)
			return &m->growers[i];
	if (m->nr_growers == HELD_MAX)
		return NULL;
	g = &m->growers[m->nr_growers++];
	*g = (struct grower){.key = h->owner->key, .first_pins = h->pins, .last_pins = h->pins};
	return g;
}

/* Owners that hold nothing any more make room for others. */
static void forget_growers(struct monitor *m)
{
	for (uint32_t i = m->nr_growers; i-- > 0;)
		if (m->growers[i].seen_ns != m->last.now_ns)
			m->growers[i] = m->growers[--m->nr_growers];
}

/* Looked at once a window of the shortest scale, so that I/O in flight does not count. */
static void watch_growers(struct monitor *m)
{
	uint64_t window = 5 * NS_PER_S;

	if (m->last.now_ns < m->grow_ns + window)
		return;
	m->grow_ns = m->last.now_ns;
	for (size_t i = 0; i < m->ledger.nr_holdings; i++) {
		const struct holding *h = &m->ledger.holdings[i];
		struct grower *g = grower_of(m, h);
		struct report_held r = {.now_ns = m->last.now_ns, .holding = h};

		if (!g)
			continue;
		g->seen_ns = m->last.now_ns;
		g->rises = h->pins > g->last_pins ? g->rises + 1 : 0;
		g->last_pins = h->pins;
		r.rise = (int64_t)h->pins - (int64_t)g->first_pins;
		if (g->told || g->rises < 2 || r.rise < HELD_PINS)
			continue;
		g->told = true;
		m->to->held(m->ctx, &r);
	}
	forget_growers(m);
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

/* ---- one step ------------------------------------------------------------------------- */

/* Light sees calls, not pins: when that does not explain the counters, look at each pin. */
static void consider_deep(struct monitor *m)
{
	uint64_t unknown = unattributed(m);
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

static void consider_rest(struct monitor *m)
{
	if (m->config.track == TRACK_ALWAYS || m->wanted != m->level ||
	    m->last.now_ns < m->quiet_since + m->config.settle_ns)
		return;
	judge(m, true);
	snprintf(m->reason, sizeof(m->reason), "settled: nothing new for %" PRIu64 " s",
		 m->config.settle_ns / NS_PER_S);
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
		pins *= books->sample_rate;
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

static int track(struct monitor *m, const struct snapshot *books, const struct balance *balance)
{
	int err = ledger_evaluate(&m->ledger, books);

	if (err || becomes_strict(m))
		return err; /* what was found is found anew the next time, or is not */
	m->books_open = true;
	align(m, books);
	m->balance = *balance;
	m->sample_rate = books->sample_rate;
	memcpy(m->stats, books->stats, sizeof(m->stats));
	m->missed_runs = books->missed_runs;
	judge(m, false);
	watch_growers(m);
	tell_losses(m, false);
	consider_deep(m);
	consider_rest(m);
	return 0;
}

int monitor_step(struct monitor *m, const struct sample *sample, const struct snapshot *books,
		 const struct balance *balance)
{
	struct report_sample r = {.sample = sample, .level = m->level};
	struct detect_suspicion d;

	if (!m->started)
		m->first = m->untracked = *sample;
	m->started = true;
	m->last = *sample;
	m->books_open = false;
	m->to->sample(m->ctx, &r);
	if (detect_sample(&m->detect, sample->now_ns, outstanding(sample), &d))
		suspect(m, &d);
	if (books && m->level != LEVEL_COUNTERS)
		return track(m, books, balance);
	return 0;
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
					     .evidence = a->evidence,
					     .wrong = a->prior_wrong + a->now_wrong,
					     .pins = a->prior_pins + a->now_pins,
					     .bytes = a->prior_bytes + a->now_bytes};
		r.leaked_pins += leak->pins;
		r.leaked_bytes += leak->bytes;
	}
	m->to->summary(m->ctx, &r);
}
