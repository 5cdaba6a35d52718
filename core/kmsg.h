/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The kernel's log: what its lines say, and which of them are a driver's. */
#ifndef PINLEAK_CORE_KMSG_H
#define PINLEAK_CORE_KMSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KMSG_TEXT    512  /* bytes of a line's text that are kept, NUL included */
#define KMSG_LINES   1024 /* different lines that are kept */
#define KMSG_ERROR   3	  /* KERN_ERR; what is graver has a lower number */
#define KMSG_WARNING 4	  /* KERN_WARNING */

struct kmsg_record {
	uint8_t level; /* 0 to 7 */
	uint64_t seq;
	uint64_t us; /* since boot, by the kernel's clock of the log */
	char text[KMSG_TEXT];
	char device[64]; /* "+pci:0000:00:03.0", "c10:125", "b8:0", "n2"; "" */
};

/*
 * A record of /dev/kmsg (Documentation/ABI/testing/dev-kmsg): "6,339,5140900,-;text\n DEVICE=...".
 * Its \xNN are undone. -EINVAL: it is none.
 */
int kmsg_parse(const char *record, size_t size, struct kmsg_record *out)
	__attribute__((warn_unused_result));

/* By what a driver's lines are known. */
struct kmsg_signs {
	const char *module;	  /* NULL: none */
	const char *const *names; /* of drivers and devices, by which their lines begin */
	size_t nr_names;
	const char *const *devices; /* as in a record's device */
	size_t nr_devices;
	bool (*is_function)(void *ctx, const char *name); /* of the module's; NULL */
	void *ctx;
};

bool kmsg_is_of(const struct kmsg_record *r, const struct kmsg_signs *s);

/* A line, and how often it came. */
struct kmsg_line {
	uint8_t level;
	uint64_t first_us, last_us;
	uint64_t count;
	char text[KMSG_TEXT];
};

struct kmsg_log {
	struct kmsg_line *lines;
	size_t nr, room;
	uint64_t errors, warnings, others; /* records, repeated ones too */
	uint64_t suppressed; /* lines that the kernel's rate limit kept back, by its own count */
	uint64_t cut;	     /* records that found no room */
};

/* {0} is an empty log. -ENOMEM. */
int kmsg_add(struct kmsg_log *log, const struct kmsg_record *r) __attribute__((warn_unused_result));

/* Errors first, then warnings, then the rest; each by the time they came first. */
void kmsg_sort(struct kmsg_log *log);
void kmsg_free(struct kmsg_log *log);

/* "err", "warning"... as syslog(3) has them. */
const char *kmsg_level_name(uint8_t level);

#endif
