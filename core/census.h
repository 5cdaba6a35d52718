/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * All pinned folios of a machine at one moment, added up.
 *
 * Folios come one by one and are not kept: there may be hundreds of millions. What is kept is a
 * row for each object, process, driver and so on, as long as there is room; the rest is added
 * to one row of others. Only folios that look lost are kept, to be looked at a second time.
 */
#ifndef PINLEAK_CORE_CENSUS_H
#define PINLEAK_CORE_CENSUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agree.h"
#include "folio.h"
#include "map64.h"

#define CENSUS_MAPPERS	8
#define CENSUS_ROWS	65536  /* in a table; then "others" */
#define CENSUS_SUSPECTS 524288 /* folios looked at twice */
#define CENSUS_OTHERS	UINT64_MAX

/* What the rows of a table stand for. */
enum census_by {
	CENSUS_BY_DRIVER,  /* number of the driver, as the caller counts them; 0: not known */
	CENSUS_BY_SITE,	   /* number of the call path; 0: not known */
	CENSUS_BY_PROCESS, /* number of the process; a folio counts for each that maps it */
	CENSUS_BY_OBJECT,  /* number of the object */
	CENSUS_BY_MAPPING, /* process << 32 | object, with the range of addresses */
	CENSUS_BY_CGROUP,  /* number of the cgroup that is charged */
	CENSUS_BY_SIZE,	   /* order of the folio */
	CENSUS_BY_NODE,	   /* NUMA node */
	CENSUS_BY_ZONE,	   /* enum zone_type of the running kernel */
	CENSUS_BYS,
};

struct census_sum {
	uint64_t pins;
	uint64_t folios; /* distinct ones */
	uint64_t bytes;	 /* of the folios: what cannot be moved */
};

struct census_row {
	uint64_t id;
	struct census_sum sum;
	uint64_t start, end; /* addresses, CENSUS_BY_MAPPING only */
};

struct census_table {
	struct census_row *rows;
	size_t nr, room;
	struct map64 at; /* id -> place */
	struct census_sum others;
};

/* One folio and whose it is. */
struct census_entry {
	const struct folio *folio;
	uint32_t object;
	uint32_t cgroup;
	uint32_t driver;
	uint32_t site;
	uint32_t nr_mappers;
	struct {
		uint32_t process;
		uint64_t addr; /* of the folio's first page there */
	} mapper[CENSUS_MAPPERS];
	bool must_move; /* it lies where memory must stay movable */
	bool claimed;	/* somebody is known to hold its pins rightly */
};

/* A folio that nobody maps: pinned, or referenced for no reason that shows. */
struct census_suspect {
	uint64_t pfn;
	uint64_t mapping, index, memcg; /* which life of the folio it is: frames are used again */
	int32_t pins;			/* when seen first */
	int32_t refs;
};

struct census_suspects {
	struct census_suspect *list;
	size_t nr, room;
	uint64_t cut; /* folios beyond the room */
};

struct census {
	/* set by the user */
	uint64_t base_page; /* bytes */
	/* results */
	struct census_sum all;
	struct census_sum unmapped;  /* of all: mapped by no process */
	struct census_sum must_move; /* of all: CMA or a movable zone */
	struct census_sum negative;  /* more was released than taken: folios only */
	struct census_sum many_refs; /* not of all: over 1024 ordinary references, no pins */
	struct census_table by[CENSUS_BYS];
	struct census_suspects pinned; /* pinned, mapped by nobody, and not claimed */
	struct census_suspects plain;  /* referenced, mapped by nobody, not pinned */
};

/* {.base_page = n} is ready to use. */
void census_free(struct census *c);

/* -ENOMEM. */
int census_add(struct census *c, const struct census_entry *e) __attribute__((warn_unused_result));

/*
 * Is what was seen lost still so? `now` is the folio as it is at the second look, NULL when it is
 * gone. Pins that came and went in between are none.
 */
bool census_still_pinned(const struct census_suspect *before, const struct folio *now);
bool census_still_referenced(const struct census_suspect *before, const struct folio *now);

void census_sum_add(struct census_sum *sum, uint64_t pins, uint64_t bytes);

/* What a row stands for, in words. The strings live as long as the report. */
struct census_label {
	const char *kind;    /* "memfd", "module"; NULL: the table has no kinds */
	const char *name;    /* a path, a driver, a comm; NULL: it has none */
	uint32_t pid;	     /* of processes and mappings only */
	const char *command; /* the process's command line; NULL */
	const char *cgroup;  /* the process's; NULL */
	const char *fs;	     /* type of the object's file system; NULL */
	uint64_t inode;	     /* the object's; 0: none */
	bool deleted;	     /* no name leads to the object any more */
	bool hugetlb;	     /* the object is of huge pages that were set aside */
};

/* An open file, or a loaded module, that could hold pins now. */
struct census_holder {
	const char *kind;   /* "io_uring", "module" */
	const char *what;   /* a device node, a module's name; "" */
	const char *driver; /* the module that has the file's operations; "": the kernel itself */
	const char *comm;   /* of a process that has the file; NULL for a module */
	uint32_t pid;
	int32_t fd;  /* -1: only mapped */
	bool in_use; /* a module: somebody has something of it open */
};

/* What a second look, after the grace time, made of the folios that nobody maps. */
struct census_second {
	struct census_sum pinned;      /* still pinned, and mapped by nobody */
	struct census_sum referenced;  /* not pinned, mapped by nobody, and still referenced */
	struct census_sum explained;   /* of those: they lie in pipes or sockets */
	bool pins_could_be_held;       /* by an open file, a file in flight, a module in use */
	bool references_could_be_held; /* by the same, pipes and sockets left aside */
	bool queues_known;	       /* all pipes and sockets were looked through */
	uint64_t cut;		       /* folios that there was no room to look at twice */
	bool drained;		       /* the batches of the LRU lists were emptied before */
};

/* Pins that nobody can release any more: the drivers that took them leak, without any history. */
bool census_is_orphaned(const struct census_second *s);

/* References that nothing explains: pages of processes that are lost without being pinned. */
bool census_is_unexplained(const struct census_second *s);

/* A census with everything that is told of it. */
struct census_report {
	uint64_t now_ns;
	const struct census *census;
	void (*label)(void *ctx, enum census_by by, uint64_t id, struct census_label *out);
	void *ctx;			     /* of label() */
	double seconds;			     /* the walk took */
	uint64_t looked;		     /* page frames */
	uint64_t holes;			     /* page frames without a struct page, or offline */
	uint64_t memory;		     /* bytes, in all */
	int64_t outstanding;		     /* pins, by the kernel's counters */
	const struct agreement *agreement;   /* NULL: not asked for, or nobody tracks */
	const struct census_second *second;  /* NULL: there was nothing to look at twice */
	const struct census_holder *holders; /* that could hold pins, as listed last */
	size_t nr_holders;
	uint32_t pid; /* only what this process has mapped; 0: everything */
	bool tracked; /* a pinleak tracks now */
};

const char *census_by_name(enum census_by by);

/* Sorts a table's rows: most bytes first. */
void census_sort(struct census_table *t);

#endif
