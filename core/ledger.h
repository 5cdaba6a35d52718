/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Who holds what, and what of it nobody can release any more. */
#ifndef PINLEAK_CORE_LEDGER_H
#define PINLEAK_CORE_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "roster.h"
#include "snapshot.h"

#define LEDGER_SITES	8
#define LEDGER_OWNERS	16
#define LEDGER_RELEASES 8
#define LEDGER_NODES	16

/*
 * Why a driver is accused; a greater value is stronger evidence that pins are leaked. Of those a
 * wrong release alone says nothing, so it comes first, certain as it is.
 */
enum evidence {
	EVIDENCE_NONE,
	EVIDENCE_WRONG_RELEASE, /* released pins that were not there */
	EVIDENCE_ERROR_LEFT,	/* the call failed, its pins are still there */
	EVIDENCE_ABANDONED,	/* the file is released, the process lives */
	EVIDENCE_ORPHANED,	/* the file is released and the process gone */
	EVIDENCE_UNLOADED,	/* the module that took them is no longer loaded */
};
const char *evidence_name(enum evidence e);

enum cause {
	CAUSE_MISSING_RELEASE,
	CAUSE_ERROR_PATH,
	CAUSE_WRONG_RELEASE,
	CAUSE_DOUBLE_RELEASE,
};
const char *cause_name(enum cause c);

enum wrong_release {
	WRONG_PUT_PAGE, /* put_page() on a page that the driver had pinned: the pin stays */
	WRONG_DOUBLE,	/* unpinned once more than the driver had pinned it */
	WRONG_NEVER,	/* unpinned, and the driver had not pinned it */
};
const char *wrong_release_name(enum wrong_release w);

struct finding_release {
	enum wrong_release kind;
	uint64_t count;
	const struct snap_site *site; /* NULL: put_page() is inlined and leaves no trace */
	const struct snap_owner *by;  /* a process that did; NULL: not known */
};

struct finding_site {
	const struct snap_site *site;
	uint64_t pins;
	uint64_t bytes; /* made unmovable */
};

struct finding_node {
	uint32_t node; /* of NUMA */
	uint64_t bytes;
};

/* What one driver has leaked, proved page by page. */
struct finding {
	const struct blame *driver;
	enum evidence evidence; /* the strongest */
	uint64_t pins;
	uint64_t pins_bad;    /* of them: taken by calls that failed */
	uint64_t pins_recent; /* of them: on folios first seen since ledger.epoch_ns */
	uint64_t pins_put;    /* of them: put_page() was called for them */
	uint64_t doubles;     /* unpinned more often than pinned */
	uint64_t nevers;      /* unpinned and not pinned */
	struct finding_release releases[LEDGER_RELEASES]; /* wrong ones, of all three kinds */
	size_t nr_releases;
	uint64_t folios;
	uint64_t bytes;				 /* of the folios: what cannot be moved */
	uint64_t by_memory[3];			 /* folios by enum pl_memory */
	struct finding_node nodes[LEDGER_NODES]; /* where the bytes lie */
	size_t nr_nodes;
	uint64_t bytes_nowhere;	  /* of them: the node is not known, or one too many */
	uint64_t bytes_must_move; /* of them: in a zone that must stay movable */
	struct finding_site sites[LEDGER_SITES]; /* most pins first */
	size_t nr_sites;
	const struct snap_owner *owners[LEDGER_OWNERS];
	size_t nr_owners;
	bool cut; /* there are more sites, owners or releases than fit */
};

/* Pins that somebody may rightly hold, by owner. */
struct holding {
	const struct snap_owner *owner;
	const struct snap_site *site; /* NULL: lost */
	uint64_t pins;
	uint64_t bytes; /* of the folios, which others may hold as well */
};

struct ledger {
	/* set by the user */
	uint64_t grace_ns;
	uint64_t few_ns;  /* the same where only one or two owners left something, if longer */
	uint64_t many_ns; /* the same where many owners did; 0: as the others */
	uint64_t late_ns; /* least grace time of a path that was seen to release late */
	uint64_t epoch_ns;
	bool hurry;	/* few_ns are too long: the memory would not last */
	bool tree_only; /* nobody but owners of the tree that is followed can be guilty */
	bool strict;	/* prove nothing by the references of small folios alone: see loose */
	struct roster *roster; /* drawn up as well; NULL: not wanted. The user frees it. */
	/* results of ledger_evaluate() */
	struct finding *findings;
	size_t nr_findings;
	struct holding *holdings;
	size_t nr_holdings;
	uint64_t pins;	   /* on all recorded folios */
	uint64_t estimate; /* of all folios, without the base: not all are recorded */
	uint64_t proved;
	uint64_t held;
	uint64_t loose;	    /* would be proved, or is, by references that may be no pins */
	uint64_t ambiguous; /* claimed by several: leaked or held */
	uint64_t base;	    /* there before tracking: nobody knows whose */
	uint64_t torn;	    /* on records that two processors tore */
	/* of the tree, at most, beyond what is proved */
	uint64_t tree_held;	/* somebody may rightly hold them */
	uint64_t tree_unproved; /* nobody may, but it is not sure that they are the tree's */
	uint64_t tree_due_ns;	/* when the last grace time that runs for some ends; 0: none does */
	uint64_t lacking;	/* folios that lack references: put_page() was called on a pin */
	uint64_t wrong;		/* releases of pins that were not there, by drivers we know */
	uint64_t unclear;	/* the same; whose mistake they were cannot be told */
	uint64_t due_ns;	/* the last grace time of pins that were left ends; 0: none runs */
	/* kept between evaluations */
	struct map64 waiting; /* owner -> pins left after its file ended */
	struct map64 waited;  /* the same, of those that were left at two looks */
	struct map64 delays;  /* site -> slowest release after the end seen, in ms */
	struct map64 lacks;   /* folio -> references it lacked the last time */
	uint64_t looked_ns;   /* when it was evaluated last */
	size_t room_findings;
	size_t room_holdings;
	struct ledger_standing *standings; /* of the owners, by their places */
	size_t room_standings;
	struct ledger_remains *remains; /* of the sites, by their places */
	size_t room_remains;
};

/* {0} with grace_ns set is ready to use. */
void ledger_free(struct ledger *l);

/*
 * Draws up the books of a snapshot; the results point into it. -ENOMEM.
 *
 * A file's end and a process's end count after the grace time. One or two owners of a call path
 * that left something may have met a device that hangs, and get few_ns, if there is time. Many of
 * them, one after the other, are a habit: then many_ns are enough, if nobody was ever seen to
 * release late there. A call path that was (io_uring and AF_XDP do so from a worker) gets twice its
 * slowest time, and late_ns at least, but grace_ns when many owners left something for so long.
 */
int ledger_evaluate(struct ledger *l, const struct snapshot *s) __attribute__((warn_unused_result));

/* What most of it is. */
enum cause finding_cause(const struct finding *f);

/* All wrong releases of a finding: of pins that are lost by them, and of pins not there. */
uint64_t finding_wrong(const struct finding *f);

#endif
