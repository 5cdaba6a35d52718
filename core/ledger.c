// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "grow.h"
#include "proof.h"

#define NS_PER_MS 1000000ULL
/* A call that was refused at once gives back what it took within this. */
#define REFUSED_NS   UINT64_C(2000000000)
#define DELAY_MAX_MS 90000 /* a later release is news, not a habit */
/*
 * Owners of a call path that left something: so many are many, if they left so many pins, and below
 * so many they are few.
 */
#define MANY	  5
#define MANY_PINS 256
#define FEW	  3
/* The ends of many are that part of many_ns apart at least. */
#define MANY_PART 4
/* A release is late that takes more than this part of the grace time. */
#define LATE_PART 15

const char *evidence_name(enum evidence e)
{
	static const char *const names[] = {"none",	 "wrong-release", "error-left",
					    "abandoned", "orphaned",	  "unloaded"};

	return names[e];
}

const char *cause_name(enum cause c)
{
	static const char *const names[] = {"missing-release", "error-path", "wrong-release",
					    "double-release"};

	return names[c];
}

const char *wrong_release_name(enum wrong_release w)
{
	static const char *const names[] = {"put-page", "double-release", "never-pinned"};

	return names[w];
}

uint64_t finding_wrong(const struct finding *f)
{
	return f->pins_put + f->doubles + f->nevers;
}

enum cause finding_cause(const struct finding *f)
{
	uint64_t wrong = f->pins_put + f->nevers;

	if (f->doubles > wrong && f->doubles > f->pins - f->pins_put)
		return CAUSE_DOUBLE_RELEASE;
	if (wrong && wrong * 2 >= f->pins + f->nevers)
		return CAUSE_WRONG_RELEASE;
	return f->pins_bad * 2 > f->pins ? CAUSE_ERROR_PATH : CAUSE_MISSING_RELEASE;
}

void ledger_free(struct ledger *l)
{
	free(l->findings);
	free(l->holdings);
	free(l->standings);
	free(l->remains);
	map64_free(&l->waiting);
	map64_free(&l->waited);
	map64_free(&l->delays);
	map64_free(&l->lacks);
	*l = (struct ledger){0};
}

/* ---- what is known of an owner -------------------------------------------------------- */

/* What is found out of an owner once an evaluation, however many folios it has. */
struct ledger_standing {
	const struct snap_site *site; /* NULL: lost */
	uint32_t driver;
	uint32_t waiting; /* pins that may be left after the end */
	uint32_t left;	  /* of them: on folios that nobody else has a part in */
	uint32_t holding; /* place in the holdings, plus one; 0: none */
	bool known;	  /* the rest is */
	enum evidence evidence;
	uint64_t grace_ns;
};

/* Owners of a call path who are gone, file and process, for a time, and have left pins. */
struct gone {
	uint32_t owners;
	uint64_t pins;
	uint64_t first_ns, last_ns; /* ends */
};

struct ledger_remains {
	struct gone many;  /* for many_ns */
	struct gone grace; /* for grace_ns */
};

/* Room for nr of them, all zero. */
static int open_room(void **rows, size_t *room, size_t nr, size_t size)
{
	if (nr > *room) {
		void *more = realloc(*rows, nr * size);

		if (!more)
			return -ENOMEM;
		*rows = more;
		*room = nr;
	}
	if (nr)
		memset(*rows, 0, nr * size);
	return 0;
}

static int open_books(struct ledger *l, const struct snapshot *s)
{
	int err = open_room((void **)&l->standings, &l->room_standings, s->nr_owners,
			    sizeof(*l->standings));

	return err ? err
		   : open_room((void **)&l->remains, &l->room_remains, s->nr_sites,
			       sizeof(*l->remains));
}

static const struct snap_owner *owner_of(const struct snapshot *s, uint64_t key)
{
	uint32_t at;

	return map64_get(&s->owner_at, key, &at) ? &s->owners[at] : NULL;
}

static const struct snap_site *site_of(const struct snapshot *s, uint64_t key)
{
	uint32_t at;

	return map64_get(&s->site_at, key, &at) ? s->sites[at] : NULL;
}

static bool is_unloaded(const struct snapshot *s, const struct snap_owner *o,
			const struct blame *driver)
{
	if (driver->kind != BLAME_MODULE)
		return false;
	for (size_t i = 0; i < s->nr_unloads; i++)
		if (!strcmp(s->unloads[i].module, driver->driver) &&
		    s->unloads[i].unload.ns > o->owner.last_ns)
			return true;
	return false;
}

static uint64_t longer(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* The slowest release after the end that was seen on a call path; 0: all were at once. */
static uint64_t delay_of(const struct ledger *l, const struct snap_site *site)
{
	uint32_t delay_ms;

	return map64_get(&l->delays, site->key, &delay_ms) ? delay_ms * NS_PER_MS : 0;
}

static bool is_late(const struct ledger *l, const struct snap_site *site)
{
	return delay_of(l, site) > l->grace_ns / LATE_PART;
}

static uint64_t grace_of(const struct ledger *l, const struct snap_site *site)
{
	if (!is_late(l, site))
		return l->grace_ns;
	return longer(longer(2 * delay_of(l, site), l->late_ns), l->grace_ns);
}

/* One after the other, and not because one thing befell all of them at once. */
static bool are_many(const struct gone *g, uint64_t apart_ns)
{
	return g->owners >= MANY && g->pins >= MANY_PINS && g->last_ns - g->first_ns >= apart_ns;
}

/* The site is one of the snapshot's. */
static struct ledger_remains *remains_of(const struct ledger *l, const struct snapshot *s,
					 const struct snap_site *site)
{
	uint32_t at = 0;

	(void)map64_get(&s->site_at, site->key, &at);
	return &l->remains[at];
}

static uint64_t grace_of_owners(const struct ledger *l, const struct snapshot *s,
				const struct snap_site *site)
{
	const struct ledger_remains *r = remains_of(l, s, site);

	if (is_late(l, site))
		return l->many_ns && are_many(&r->grace, l->many_ns)
			       ? longer(2 * delay_of(l, site), l->grace_ns)
			       : grace_of(l, site);
	return r->grace.owners < FEW && !l->hurry ? longer(l->few_ns, l->grace_ns) : l->grace_ns;
}

/* Do those who are gone leave something as a habit, and nobody releases late? */
static bool is_habit(const struct ledger *l, const struct snapshot *s, const struct snap_site *site)
{
	return l->many_ns && !delay_of(l, site) &&
	       are_many(&remains_of(l, s, site)->many, l->many_ns / MANY_PART);
}

/* No file is known (a worker pinned): the process's end has to do. */
static uint64_t end_of(const struct snap_owner *o)
{
	return o->owner.file_id ? o->file_end_ns : o->dead_ns;
}

/* Both ends, of the file and of the process, as far as they are known. */
static uint64_t gone_of(const struct snap_owner *o)
{
	return longer(end_of(o), o->dead_ns);
}

static bool has_passed(const struct snapshot *s, uint64_t since, uint64_t grace)
{
	return since && s->now_ns >= since + grace;
}

/*
 * Could somebody else still hold what came through a file that is now closed? What a built-in
 * driver pinned may live on in another file: a cloned io_uring buffer, a shared AF_XDP umem. A
 * module's device file ends the matter, but for files its call created (links).
 */
static bool may_be_held_elsewhere(const struct snap_owner *o, const struct blame *driver)
{
	if (o->owner.links > 0)
		return true;
	/* Anonymous inodes (a VM, a vCPU) and VFIO containers share what they pin with others. */
	if (!(o->owner.mode & S_IFMT) || !strcmp(o->node, "vfio/vfio"))
		return true;
	return driver->kind != BLAME_MODULE && !S_ISCHR(o->owner.mode) && !S_ISBLK(o->owner.mode);
}

/* No file is known (a worker pinned): only a module that nobody uses can hold nothing. */
static bool is_in_use(const struct snapshot *s, const struct blame *driver)
{
	const struct modgraph_module *m;

	if (driver->kind != BLAME_MODULE)
		return true;
	m = modgraph_find(s->modules, driver->driver);
	return !m || m->refcount != 0;
}

/* Can nobody hold what this owner pinned, once he has come to his end? */
static bool ends_with(const struct snapshot *s, const struct snap_owner *o,
		      const struct blame *driver)
{
	if (o->owner.file_id)
		return !may_be_held_elsewhere(o, driver);
	return o->owner.tgid && !is_in_use(s, driver);
}

static enum evidence evidence_of(const struct snapshot *s, const struct snap_owner *o,
				 const struct snap_site *site, uint64_t grace)
{
	if (is_unloaded(s, o, &site->blame))
		return EVIDENCE_UNLOADED;
	if (!has_passed(s, end_of(o), grace) || !ends_with(s, o, &site->blame))
		return EVIDENCE_NONE;
	if (!o->dead_ns)
		return EVIDENCE_ABANDONED;
	return has_passed(s, o->dead_ns, grace) ? EVIDENCE_ORPHANED : EVIDENCE_NONE;
}

/* Of those who are gone, when it is a habit to leave something. */
static bool is_one_of_many(const struct ledger *l, const struct snapshot *s,
			   const struct snap_owner *o, const struct snap_site *site)
{
	return o->dead_ns && has_passed(s, end_of(o), l->many_ns) && is_habit(l, s, site) &&
	       ends_with(s, o, &site->blame);
}

static enum evidence owner_evidence(const struct ledger *l, const struct snapshot *s,
				    const struct snap_owner *o, const struct snap_site *site,
				    uint64_t grace)
{
	enum evidence e = evidence_of(s, o, site, grace);

	return e < EVIDENCE_ORPHANED && is_one_of_many(l, s, o, site) ? EVIDENCE_ORPHANED : e;
}

/* Refused before anything was begun: no device can be at work for the call. */
static bool is_refused(int64_t ret)
{
	return ret == -EINVAL || ret == -ENOMEM || ret == -EPERM || ret == -EACCES ||
	       ret == -ENOTTY || ret == -EOPNOTSUPP;
}

/* What a refused call took it gives back at once, but on a path that releases late. */
static uint64_t grace_of_call(const struct ledger *l, const struct snap_site *site, int64_t ret)
{
	if (!is_refused(ret) || delay_of(l, site))
		return grace_of(l, site);
	return l->grace_ns < REFUSED_NS ? l->grace_ns : REFUSED_NS;
}

static bool is_bad_call(const struct ledger *l, const struct snapshot *s,
			const struct snap_site *site, uint64_t call)
{
	const struct pl_failure *f;
	uint32_t at;

	/* The call itself, or the whole system call it was part of. */
	if (!map64_get(&s->failure_at, call, &at) &&
	    !map64_get(&s->failure_at, call & ~0xffffULL, &at))
		return false;
	f = &s->failures[at].failure;
	return has_passed(s, f->ns, grace_of_call(l, site, f->ret));
}

/* ---- results -------------------------------------------------------------------------- */

static struct finding *finding_of(struct ledger *l, const struct blame *driver)
{
	struct finding *f;

	for (size_t i = 0; i < l->nr_findings; i++)
		if (l->findings[i].driver->kind == driver->kind &&
		    !strcmp(l->findings[i].driver->driver, driver->driver))
			return &l->findings[i];
	if (grow((void **)&l->findings, &l->room_findings, l->nr_findings, sizeof(*f)))
		return NULL;
	f = &l->findings[l->nr_findings++];
	*f = (struct finding){.driver = driver};
	return f;
}

static void finding_add_site(struct finding *f, const struct snap_site *site, uint64_t pins,
			     uint64_t bytes)
{
	size_t i = 0;

	if (site->same)
		site = site->same;
	while (i < f->nr_sites && f->sites[i].site != site)
		i++;
	if (i == LEDGER_SITES) {
		f->cut = true;
		return;
	}
	if (i == f->nr_sites)
		f->sites[f->nr_sites++] = (struct finding_site){.site = site};
	f->sites[i].pins += pins;
	f->sites[i].bytes += bytes;
	for (; i && f->sites[i].pins > f->sites[i - 1].pins; i--) {
		struct finding_site swap = f->sites[i];

		f->sites[i] = f->sites[i - 1];
		f->sites[i - 1] = swap;
	}
}

static void finding_add_owner(struct finding *f, const struct snap_owner *owner)
{
	for (size_t i = 0; i < f->nr_owners; i++)
		if (f->owners[i] == owner)
			return;
	if (f->nr_owners == LEDGER_OWNERS)
		f->cut = true;
	else
		f->owners[f->nr_owners++] = owner;
}

static void finding_add_release(struct finding *f, enum wrong_release kind, uint64_t count,
				const struct snap_site *site, const struct snap_owner *by)
{
	size_t i = 0;

	if (site && site->same)
		site = site->same;
	while (i < f->nr_releases && (f->releases[i].kind != kind || f->releases[i].site != site))
		i++;
	if (i == LEDGER_RELEASES) {
		f->cut = true;
		return;
	}
	if (i == f->nr_releases)
		f->releases[f->nr_releases++] =
			(struct finding_release){.kind = kind, .site = site};
	f->releases[i].count += count;
	f->releases[i].by = by;
}

static void finding_add_place(struct finding *f, const struct snapshot *s, const struct pl_page *p,
			      uint64_t bytes)
{
	size_t i = 0;

	if (p->zone && p->zone == s->movable_zone)
		f->bytes_must_move += bytes;
	while (p->zone && i < f->nr_nodes && f->nodes[i].node != p->node)
		i++;
	if (!p->zone || i == LEDGER_NODES) {
		f->bytes_nowhere += bytes;
		return;
	}
	if (i == f->nr_nodes)
		f->nodes[f->nr_nodes++] = (struct finding_node){.node = p->node};
	f->nodes[i].bytes += bytes;
}

static int hold(struct ledger *l, const struct snapshot *s, const struct snap_owner *o,
		uint64_t pins, uint64_t bytes)
{
	struct ledger_standing *standing = &l->standings[o - s->owners];
	struct holding *h;
	int err;

	if (!standing->holding) {
		err = grow((void **)&l->holdings, &l->room_holdings, l->nr_holdings,
			   sizeof(*l->holdings));
		if (err)
			return err;
		l->holdings[l->nr_holdings++] =
			(struct holding){.owner = o, .site = standing->site};
		standing->holding = (uint32_t)l->nr_holdings;
	}
	h = &l->holdings[standing->holding - 1];
	h->pins += pins;
	h->bytes += bytes;
	return 0;
}

/* ---- one folio ------------------------------------------------------------------------ */

/* A folio's claims with all that is known of them. */
struct case_file {
	const struct snap_page *page;
	const struct snap_owner *owner[PL_SLOTS];
	const struct snap_site *site[PL_SLOTS];
	enum evidence evidence[PL_SLOTS];
	uint32_t bad[PL_SLOTS];
	uint32_t lacks; /* references, this time and the last */
	struct proof_page proof;
	struct proof_result result;
};

/* Drivers are told apart by their names; 0 stands for "not known". */
static uint32_t driver_number(const struct blame *driver)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	if (driver->kind == BLAME_UNKNOWN)
		return 0;
	for (const char *c = driver->driver; *c; c++)
		h = (h ^ (uint8_t)*c) * 16777619u;
	return h ? h : 1;
}

/* Pins of the claim that calls took which failed since. */
static uint32_t bad_refs(const struct ledger *l, const struct snapshot *s,
			 const struct ledger_standing *owner, const struct pl_page *p,
			 const struct pl_slot *slot)
{
	uint32_t bad = has_passed(s, p->first_ns, grace_of(l, owner->site)) ? slot->refs_bad : 0;

	return slot->call && is_bad_call(l, s, owner->site, slot->call) ? bad + slot->refs_call
									: bad;
}

static const struct ledger_standing *standing_of(const struct ledger *l, const struct snapshot *s,
						 const struct snap_owner *o)
{
	struct ledger_standing *standing = &l->standings[o - s->owners];
	const struct snap_site *site;

	if (standing->known)
		return standing;
	standing->known = true;
	standing->site = site = site_of(s, o->owner.site);
	if (!site)
		return standing;
	standing->driver = driver_number(&site->blame);
	standing->grace_ns = grace_of_owners(l, s, site);
	standing->evidence = owner_evidence(l, s, o, site, standing->grace_ns);
	return standing;
}

/* Sets all that is kept of this claim: a case is not cleared before. */
static void add_claim(const struct ledger *l, const struct snapshot *s, struct case_file *c,
		      uint32_t i)
{
	const struct pl_page *p = &c->page->page;
	const struct pl_slot *slot = &p->slot[i];
	const struct snap_owner *o = owner_of(s, slot->owner);
	const struct ledger_standing *known = o ? standing_of(l, s, o) : NULL;
	struct proof_claim *claim = &c->proof.claim[i];

	c->owner[i] = o;
	c->site[i] = known ? known->site : NULL;
	c->evidence[i] = EVIDENCE_NONE;
	c->bad[i] = 0;
	claim->driver = known ? known->driver : 0;
	claim->acquired = slot->refs;
	claim->released = slot->released;
	claim->guilty = 0;
	if (!c->site[i])
		return; /* lost: it stays innocent */
	if (l->tree_only && !o->owner.tree)
		return; /* innocent, so that what it may have left is not blamed on the tree */
	if (!c->site[i]->blame.keeps)
		c->bad[i] = bad_refs(l, s, known, p, slot);
	c->evidence[i] = known->evidence;
	claim->guilty = c->evidence[i] ? slot->refs : c->bad[i];
	if (!c->evidence[i] && c->bad[i])
		c->evidence[i] = EVIDENCE_ERROR_LEFT;
}

static void open_case(const struct ledger *l, const struct snapshot *s,
		      const struct snap_page *page, struct case_file *c)
{
	const struct pl_page *p = &page->page;
	uint32_t claims = p->nr_slots < PL_SLOTS ? p->nr_slots : PL_SLOTS;
	uint32_t releases = p->nr_rels < PL_RELS ? p->nr_rels : PL_RELS;

	c->page = page;
	c->proof.pins = p->pins;
	c->proof.base = p->base;
	c->proof.extra = p->extra;
	c->proof.nr_claims = claims;
	c->proof.nr_releases = releases;
	for (uint32_t i = 0; i < claims; i++)
		add_claim(l, s, c, i);
	for (uint32_t i = 0; i < releases; i++) {
		const struct snap_site *site = site_of(s, p->rel[i].site);

		c->proof.release[i].driver = site ? driver_number(&site->blame) : 0;
		/* only a driver that released by itself has released its own pins for certain */
		c->proof.release[i].refs = site && site->blame.direct ? p->rel[i].refs : 0;
	}
	proof_conclude(&c->proof, &c->result);
}

/*
 * References that the folio lacks because of put_page() on this driver's leaked pins. The pins of
 * others might explain them as well; then they are not put down to it.
 */
static uint32_t puts_of(const struct case_file *c, uint32_t i)
{
	uint32_t others = c->page->page.pins, before = 0, mine;

	for (uint32_t k = 0; k < c->proof.nr_claims; k++)
		if (c->proof.claim[k].driver == c->proof.claim[i].driver) {
			others -= c->result.proved[k];
			before += k < i ? c->result.proved[k] : 0;
		}
	mine = c->lacks > others + before ? c->lacks - others - before : 0;
	return mine < c->result.proved[i] ? mine : c->result.proved[i];
}

static int book_guilt(struct ledger *l, const struct snapshot *s, const struct case_file *c,
		      uint32_t i)
{
	const struct pl_page *p = &c->page->page;
	uint64_t bytes = (uint64_t)s->base_page << p->order;
	uint32_t pins = c->result.proved[i], puts = puts_of(c, i);
	struct finding *f = finding_of(l, &c->site[i]->blame);
	bool first = !p->freed; /* what was freed is not lost to others */

	if (!f)
		return -ENOMEM;
	for (uint32_t k = 0; k < i; k++) /* count a folio once a driver */
		if (c->result.proved[k] && c->proof.claim[k].driver == c->proof.claim[i].driver)
			first = false;
	f->pins += pins;
	f->pins_bad += c->bad[i] < pins ? c->bad[i] : pins;
	f->pins_recent += p->first_ns >= l->epoch_ns ? pins : 0;
	f->pins_put += puts;
	if (puts)
		finding_add_release(f, WRONG_PUT_PAGE, puts, NULL, NULL);
	if (c->evidence[i] > f->evidence)
		f->evidence = c->evidence[i];
	if (first) {
		f->folios++;
		f->bytes += bytes;
		f->by_memory[p->memory <= PL_MEM_FILE ? p->memory : 0]++;
		finding_add_place(f, s, p, bytes);
	}
	finding_add_site(f, c->site[i], pins, first ? bytes : 0);
	finding_add_owner(f, c->owner[i]);
	return 0;
}

static void latest(uint64_t *due_ns, uint64_t now_ns, uint64_t since, uint64_t grace)
{
	if (since && since + grace > now_ns && since + grace > *due_ns)
		*due_ns = since + grace;
}

/* Pins of the tree that are not proved: may somebody hold them, and will time tell? */
static void book_tree(struct ledger *l, const struct snapshot *s, const struct case_file *c,
		      uint32_t i)
{
	const struct snap_owner *o = c->owner[i];
	uint32_t left = c->result.rest[i];
	uint32_t guilty = c->proof.claim[i].guilty - c->result.proved[i];
	uint64_t grace;

	if (!left || !o || !o->owner.tree)
		return;
	grace = c->site[i] ? grace_of(l, c->site[i]) : l->grace_ns;
	l->tree_unproved += left < guilty ? left : guilty;
	l->tree_held += left > guilty ? left - guilty : 0;
	latest(&l->tree_due_ns, s->now_ns, o->file_end_ns, grace);
	if (!o->owner.file_id || o->file_end_ns)
		latest(&l->tree_due_ns, s->now_ns, o->dead_ns, grace);
}

/* Pins of a folio that a claim may have left. */
static uint32_t claim_left(const struct pl_page *p, const struct pl_slot *slot)
{
	uint32_t left = slot->refs > slot->released ? slot->refs - slot->released : 0;

	return left < p->pins ? left : p->pins;
}

static int book_claim(struct ledger *l, const struct snapshot *s, const struct case_file *c,
		      uint32_t i)
{
	book_tree(l, s, c, i);
	if (c->result.proved[i])
		return book_guilt(l, s, c, i);
	if (!c->owner[i] || c->proof.claim[i].guilty || !c->result.rest[i])
		return 0;
	return hold(l, s, c->owner[i], c->result.rest[i],
		    (uint64_t)s->base_page << c->page->page.order);
}

/* What of the folio each claim is taken to have: proved, or at most the rest. */
static int book_roster(struct ledger *l, const struct snapshot *s, const struct case_file *c)
{
	struct roster_share shares[PL_SLOTS];

	if (!l->roster)
		return 0;
	for (uint32_t i = 0; i < c->proof.nr_claims; i++)
		shares[i] = (struct roster_share){.site = c->site[i],
						  .held = c->result.rest[i],
						  .leaked = c->result.proved[i]};
	return roster_add(l->roster, shares, c->proof.nr_claims,
			  (uint64_t)s->base_page << c->page->page.order);
}

static void book_torn(struct ledger *l, const struct snapshot *s, const struct pl_page *p)
{
	bool tree = false;

	l->torn += p->pins;
	for (uint32_t i = 0; i < p->nr_slots && i < PL_SLOTS; i++) {
		const struct snap_owner *o = owner_of(s, p->slot[i].owner);

		tree |= o && o->owner.tree;
	}
	if (tree)
		l->tree_unproved += p->pins;
}

/*
 * References that the folio lacked this time and the last: its numbers are not read at one
 * moment. What was freed does not change any more.
 */
static int note_lacks(struct ledger *l, struct map64 *now, const struct snap_page *page,
		      uint32_t *out)
{
	const struct pl_page *p = &page->page;
	uint32_t before = 0;

	*out = p->freed ? p->pins : 0;
	if (p->freed || !p->wrong)
		return 0;
	map64_get(&l->lacks, page->folio, &before);
	*out = before < p->wrong ? before : p->wrong;
	return map64_put(now, page->folio, p->wrong);
}

/* Pins are read from the references of a small folio: a thousand plain ones look like one. */
static bool is_loose(const struct pl_page *p)
{
	return !p->whole && !p->order;
}

/*
 * Of a small folio whose record is not whole it only looks as if put_page() had been called on a
 * pin, and a pin more be there than its count tells.
 */
static bool is_vague(const struct pl_page *p)
{
	return p->wrong && is_loose(p);
}

static int book_page(struct ledger *l, const struct snapshot *s, const struct snap_page *page,
		     uint32_t lacks)
{
	const struct pl_page *p = &page->page;
	struct case_file c;
	int err = 0;

	if (!p->pins && !p->wrong)
		return 0; /* released since the sweep began */
	l->pins += p->pins;
	if (p->torn) {
		l->estimate += (uint64_t)p->pins << p->thin;
		book_torn(l, s, p);
		return 0;
	}
	l->lacking += lacks || is_vague(p);
	if (is_vague(p)) {
		l->pins++;
		l->ambiguous++;
	}
	if (p->wrong && !lacks && !is_vague(p)) { /* the next time will tell */
		l->ambiguous += p->pins;
		return 0;
	}
	if (!p->pins)
		return 0;
	open_case(l, s, page, &c);
	if (is_loose(p))
		l->loose += c.result.total;
	if (is_loose(p) && l->strict && c.result.total) {
		l->ambiguous += p->pins;
		return 0;
	}
	c.lacks = is_vague(p) ? 0 : lacks;
	l->proved += c.result.total;
	l->held += c.result.held;
	l->ambiguous += c.result.ambiguous;
	l->base += c.result.base;
	l->estimate += (uint64_t)(p->pins - c.result.base) << p->thin;
	for (uint32_t i = 0; i < c.proof.nr_claims && !err; i++)
		err = book_claim(l, s, &c, i);
	return err ? err : book_roster(l, s, &c);
}

static int book_pages(struct ledger *l, const struct snapshot *s)
{
	struct map64 now = {0};
	uint32_t lacks;
	int err = 0;

	for (size_t i = 0; i < s->nr_pages && !err; i++) {
		err = note_lacks(l, &now, &s->pages[i], &lacks);
		if (!err)
			err = book_page(l, s, &s->pages[i], lacks);
	}
	map64_free(&l->lacks);
	l->lacks = now;
	return err;
}

/* ---- releases of pins that were not there --------------------------------------------- */

#define PARTIES (PL_SLOTS + PL_RELS)

/* What a driver did with a folio. */
struct party {
	uint32_t driver;
	uint32_t acquired;
	uint32_t released;
	const struct snap_site *site; /* by which it released */
};

/* Only a path on which the driver itself calls the unpin function says whose release it is. */
static bool is_own_release(const struct snap_site *site)
{
	return site && site->blame.direct && site->blame.kind == BLAME_MODULE;
}

/* NULL: the driver is not known. There is room for all there can be. */
static struct party *party_of(struct party *parties, const struct snap_site *site)
{
	uint32_t driver = site ? driver_number(&site->blame) : 0;

	for (size_t i = 0; driver; i++)
		if (!parties[i].driver || parties[i].driver == driver) {
			parties[i].driver = driver;
			return &parties[i];
		}
	return NULL;
}

/* Fills PARTIES of them; false when not all are known. */
static bool read_parties(const struct snapshot *s, const struct pl_wrong *w, struct party *parties)
{
	for (uint32_t i = 0; i < w->nr_claims && i < PL_SLOTS; i++) {
		struct party *p = party_of(parties, site_of(s, w->claim[i].site));

		if (!p)
			return false;
		p->acquired += w->claim[i].refs;
	}
	for (uint32_t i = 0; i < w->nr_rels && i < PL_RELS; i++) {
		const struct snap_site *site = site_of(s, w->rel[i].site);
		struct party *p = party_of(parties, site);

		if (!p || !is_own_release(site))
			return false;
		p->released += w->rel[i].refs + w->rel[i].sole;
		if (!p->site || w->rel[i].site == w->site)
			p->site = site;
	}
	return true;
}

static bool are_related(const struct modgraph *g, const struct blame *a, const struct blame *b)
{
	return !modgraph_find(g, a->driver) || !modgraph_find(g, b->driver) ||
	       modgraph_depends(g, a->driver, b->driver) ||
	       modgraph_depends(g, b->driver, a->driver);
}

/*
 * A driver that has pinned nothing and released may have done so for another one, which then
 * released once more itself: that one has pinned and released, and one of them builds upon the
 * other.
 */
static bool may_release_for(const struct snapshot *s, const struct party *found,
			    const struct party *parties)
{
	for (size_t i = 0; i < PARTIES; i++)
		if (parties[i].acquired && parties[i].released &&
		    are_related(s->modules, &found->site->blame, &parties[i].site->blame))
			return true;
	return false;
}

/*
 * All that was pinned has been released, and then some: that says the folio's own count. Who has
 * released more than he pinned did it, and not who comes last, whose pin may have been taken
 * away; when there are several, it cannot be told.
 */
static const struct snap_site *culprit_of(const struct snapshot *s, const struct pl_wrong *w,
					  enum wrong_release *kind)
{
	const struct snap_site *site = site_of(s, w->site);
	struct party parties[PARTIES] = {0}, *found = NULL;

	*kind = WRONG_NEVER;
	if (w->kind == PL_WRONG_NEVER)
		return is_own_release(site) ? site : NULL;
	if (w->kind != PL_WRONG_CLAIMED || !read_parties(s, w, parties))
		return NULL;
	for (size_t i = 0; i < PARTIES; i++) {
		if (parties[i].released <= parties[i].acquired)
			continue;
		if (found)
			return NULL;
		found = &parties[i];
	}
	if (!found || (!found->acquired && may_release_for(s, found, parties)))
		return NULL;
	*kind = found->acquired ? WRONG_DOUBLE : WRONG_NEVER;
	return found->site;
}

static int book_wrong(struct ledger *l, const struct snapshot *s, const struct snap_wrong *w)
{
	enum wrong_release kind;
	const struct snap_site *site = culprit_of(s, &w->wrong, &kind);
	struct finding *f;

	if (!site || (l->tree_only && !w->wrong.owner.tree)) {
		l->unclear += w->wrong.refs;
		return 0;
	}
	f = finding_of(l, &site->blame);
	if (!f)
		return -ENOMEM;
	l->wrong += w->wrong.refs;
	if (!f->evidence)
		f->evidence = EVIDENCE_WRONG_RELEASE;
	if (kind == WRONG_DOUBLE)
		f->doubles += w->wrong.refs;
	else
		f->nevers += w->wrong.refs;
	finding_add_release(f, kind, w->wrong.refs, site,
			    site->key == w->wrong.site ? &w->by : NULL);
	return 0;
}

/* ---- how late a call path releases ---------------------------------------------------- */

/*
 * Fewer pins are left than at the last look and the one before. One look alone does not tell: a
 * call in flight may just have taken pages that the owner had released, and not be booked yet.
 */
static int learn_delay(struct ledger *l, const struct snapshot *s, const struct snap_owner *o,
		       uint32_t pins_now)
{
	uint32_t before, known = 0, delay;

	if (!o->file_end_ns || !map64_get(&l->waited, o->key, &before) || pins_now >= before)
		return 0;
	if (l->looked_ns > o->file_end_ns + DELAY_MAX_MS * NS_PER_MS) /* it was still there then */
		return 0;
	delay = (uint32_t)((s->now_ns - o->file_end_ns) / NS_PER_MS);
	delay = delay < DELAY_MAX_MS ? delay : DELAY_MAX_MS;
	map64_get(&l->delays, o->owner.site, &known);
	return delay > known ? map64_put(&l->delays, o->owner.site, delay) : 0;
}

/* Came he to his end before the pages were looked at? */
static bool has_ended(const struct snapshot *s, const struct snap_owner *o)
{
	return end_of(o) && end_of(o) < s->now_ns;
}

/* Pins of a folio that are left after their owners' ends. */
static void count_waiting(struct ledger *l, const struct snapshot *s, const struct pl_page *p)
{
	bool alone = p->nr_slots == 1 && !p->extra && !p->base && !p->torn;

	for (uint32_t i = 0; i < p->nr_slots && i < PL_SLOTS && p->pins; i++) {
		const struct snap_owner *o = owner_of(s, p->slot[i].owner);
		struct ledger_standing *standing;
		uint32_t left;

		if (!o || !has_ended(s, o))
			continue;
		standing = &l->standings[o - s->owners];
		left = claim_left(p, &p->slot[i]);
		standing->waiting += left;
		standing->left += alone ? left : 0;
	}
}

static bool is_any_ended(const struct snapshot *s)
{
	for (size_t i = 0; i < s->nr_owners; i++)
		if (has_ended(s, &s->owners[i]))
			return true;
	return false;
}

static void gone_add(struct gone *g, uint64_t end_ns, uint32_t pins)
{
	if (!g->owners || end_ns < g->first_ns)
		g->first_ns = end_ns;
	if (end_ns > g->last_ns)
		g->last_ns = end_ns;
	g->owners++;
	g->pins += pins;
}

/*
 * Who is gone and has left pins. When a process ended is known as of the look that missed it, for
 * a file exactly: the short time is counted from that.
 */
static void note_remains(struct ledger *l, const struct snapshot *s, const struct snap_owner *o)
{
	const struct snap_site *site = site_of(s, o->owner.site);
	uint32_t left = l->standings[o - s->owners].left;
	struct ledger_remains *r;

	if (!o->dead_ns || !site || !ends_with(s, o, &site->blame))
		return;
	r = remains_of(l, s, site);
	if (has_passed(s, end_of(o), l->many_ns))
		gone_add(&r->many, end_of(o), left);
	if (has_passed(s, gone_of(o), l->grace_ns))
		gone_add(&r->grace, end_of(o), left);
}

/* Until when it is waited for what this owner has left. */
static void note_due(struct ledger *l, const struct snapshot *s, const struct snap_owner *o)
{
	const struct ledger_standing *known = standing_of(l, s, o);

	if (known->site && ends_with(s, o, &known->site->blame))
		latest(&l->due_ns, s->now_ns, gone_of(o), known->grace_ns);
}

/* Pins that are left now and were at the last look. */
static int note_waited(struct ledger *l, uint64_t owner, uint32_t pins_now)
{
	uint32_t before;

	if (!pins_now || !map64_get(&l->waiting, owner, &before))
		return 0;
	return map64_put(&l->waited, owner, pins_now < before ? pins_now : before);
}

/* Those that are left now are compared with the next time. */
static int note_waiting(struct ledger *l, const struct snapshot *s)
{
	int err = 0;

	if (is_any_ended(s))
		for (size_t i = 0; i < s->nr_pages; i++)
			count_waiting(l, s, &s->pages[i].page);
	for (size_t i = 0; i < s->nr_owners && !err; i++)
		err = learn_delay(l, s, &s->owners[i], l->standings[i].waiting);
	map64_clear(&l->waited);
	for (size_t i = 0; i < s->nr_owners && !err; i++)
		err = note_waited(l, s->owners[i].key, l->standings[i].waiting);
	map64_clear(&l->waiting);
	for (size_t i = 0; i < s->nr_owners && !err; i++)
		if (l->standings[i].waiting)
			err = map64_put(&l->waiting, s->owners[i].key, l->standings[i].waiting);
	for (size_t i = 0; i < s->nr_owners; i++)
		if (l->standings[i].left)
			note_remains(l, s, &s->owners[i]);
	for (size_t i = 0; i < s->nr_owners; i++)
		if (l->standings[i].left)
			note_due(l, s, &s->owners[i]);
	return err;
}

int ledger_evaluate(struct ledger *l, const struct snapshot *s)
{
	int err = open_books(l, s);

	if (l->roster)
		roster_clear(l->roster);
	l->due_ns = 0;
	if (!err)
		err = note_waiting(l, s);
	l->looked_ns = s->now_ns;
	l->nr_findings = l->nr_holdings = 0;
	l->estimate = l->pins = l->proved = l->held = l->ambiguous = l->base = l->torn = 0;
	l->tree_held = l->tree_unproved = l->tree_due_ns = 0;
	l->lacking = l->wrong = l->unclear = l->loose = 0;
	if (!err)
		err = book_pages(l, s);
	for (size_t i = 0; i < s->nr_wrongs && !err; i++)
		err = book_wrong(l, s, &s->wrongs[i]);
	if (l->roster)
		roster_sort(l->roster);
	return err;
}
