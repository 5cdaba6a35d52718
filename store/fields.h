/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * What a recording keeps of each struct: one table of its fields drives writing and reading.
 *
 * A record is written as what differs from another one that the reader has too. A new field of a
 * struct belongs into its table, and makes a new version of the format (CHUNKS_VERSION);
 * tests/unit/test_fields.c fails until it is there.
 */
#ifndef PINLEAK_STORE_FIELDS_H
#define PINLEAK_STORE_FIELDS_H

#include <stddef.h>
#include <stdint.h>

#include "../core/monitor.h"
#include "../core/source.h"
#include "bytes.h"

enum field_kind {
	FIELD_NUMBER, /* unsigned, bool or enum, from 0 to most */
	FIELD_SIGNED, /* from -most to most */
	FIELD_REAL,   /* a double, from 0 to most */
	FIELD_TEXT,   /* ends with a NUL; read: what is not printable ASCII is a question mark */
	FIELD_RAW,    /* ends with a NUL; whoever shows it cleans it */
	FIELD_RECORD, /* with a table of its own */
};

struct field {
	uint16_t at;   /* bytes from the beginning of the struct */
	uint16_t size; /* bytes of one */
	uint16_t nr;   /* so many in a row */
	uint8_t kind;  /* enum field_kind */
	uint64_t most;
	const struct table *of; /* FIELD_RECORD */
};

struct table {
	size_t size; /* bytes of the struct */
	const struct field *fields;
	size_t nr;
};

/* What comes before everything else. */
struct recording_header {
	char version[32]; /* of the pinleak that recorded */
	char host[72];
	char kernel[72];
	int64_t real_offset; /* ns: CLOCK_REALTIME less CLOCK_MONOTONIC */
	struct monitor_config config;
	struct sample first; /* taken when the kernel was opened */
};

/* A call path as a recording has it. */
struct site_row {
	uint32_t same;	       /* place of the earlier one, and 1; 0: there is none */
	struct snap_site site; /* its `same` is not used */
};

/* How a session ended. */
struct recording_end {
	int32_t err; /* 0: well; else an errno */
	char why[SOURCE_WHY];
};

/* Arrays of a snapshot; of a module `users` is the length of its text. */
extern const struct table page_table, owner_table, site_table, failure_table, unload_table,
	wrong_table, refusal_table, module_table;
/* Of a snapshot what is no array, of a look what are no books. */
extern const struct table snapshot_table, look_table, level_table, references_table, header_table,
	end_table;

/*
 * Puts what `now` has that `before` has not. What a reader would refuse is put as the nearest
 * value that it takes; a kernel shows no such thing.
 */
void put_record(struct sink *s, const struct table *t, const void *before, const void *now);

/* Makes the same of `now`, which is a copy of `before` when it is called. */
void get_record(struct spring *s, const struct table *t, void *now);

#endif
