/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Those who show what the monitor reports: text for people, NDJSON for scripts. */
#ifndef PINLEAK_RENDER_RENDER_H
#define PINLEAK_RENDER_RENDER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "../core/report.h"

/* Escape sequences, for where colour is set. */
#define RENDER_RED   "\033[1;31m"
#define RENDER_PLAIN "\033[0m"

struct json_t;

/* The context of all reporters; it belongs to the caller. */
struct render {
	FILE *to;
	bool colour;  /* text: escape sequences may be used */
	bool samples; /* text: a line for each sample */
	/* JSON: who takes each object, lent for the call, in place of `to`; NULL: it is printed */
	void (*take)(void *taker, struct json_t *object);
	void *taker;
	int64_t real_offset; /* ns: CLOCK_REALTIME less CLOCK_MONOTONIC */
	int64_t boot_offset; /* ns: CLOCK_BOOTTIME less CLOCK_MONOTONIC: that it was suspended */
	char host[72];
	char kernel[72];
};

/* Fills host, kernel and offset of this machine; colour when `to` is a terminal and NO_COLOR unset.
 */
void render_here(struct render *r, FILE *to);

/*
 * Takes the offset anew, as the clock of the day may be set, and CLOCK_MONOTONIC stands still while
 * the machine is suspended. True: it has changed, by RENDER_DRIFT at least. *step, in ns, unless
 * step is NULL: by how much the clock itself was set.
 */
#define RENDER_DRIFT 100000000
bool render_set_clock(struct render *r, int64_t *step);

extern const struct reporter text_reporter, json_reporter;

/* As json_reporter, and an object for each look at the books. */
extern const struct reporter json_feed;

struct report_run;

/* The end of a run: a few lines that each begin with "pinleak: "; one JSON object; JUnit's XML. */
void render_run_text(FILE *to, const struct report_run *run);
void render_run_json(const struct render *r, const struct report_run *run);
void render_run_junit(const struct render *r, FILE *to, const struct report_run *run);

/* "2026-11-22T20:00:00.000Z" into 32 bytes; the same of ns since 1970. */
void render_time(const struct render *r, uint64_t now_ns, char *out);
void render_real_time(int64_t real_ns, char *out);

/* "20:01:02", local time. */
#define RENDER_CLOCK 16
void render_clock(const struct render *r, uint64_t now_ns, char *out);

/* CLOCK_REALTIME less CLOCK_MONOTONIC as they are now on this machine, in ns. */
int64_t render_real_offset(void);

/* The first line of the text: what is watched, of so many bytes of memory. */
void render_begin(const struct render *r, uint64_t memory);

/* The name a person would know a driver's origin by: "module leaky", "built-in io_uring (a guess)".
 */
void render_driver(const struct blame *b, char *out, size_t size);

/* The frames of a call path that readers want: "leaky_ioctl [leaky]". Returns their number. */
#define RENDER_FRAME 136
size_t render_stack(const struct pl_site *site, char (*frames)[RENDER_FRAME]);

/* The finding's driver as it was at its first pin or release; NULL when it is not known. */
const struct snap_driver *render_module(const struct finding *f);

/* "error 729 (0x2D9) ERROR_DRIVERS_LEAKING_LOCKED_PAGES" and the end of the line. */
void render_error(const struct render *r, uint32_t code);

/* Prints a text in lines of less than 80 columns, each indented. */
void render_wrap(FILE *to, int indent, const char *text);

/* The same, with a label, of less than indent columns, in front of the first line. */
void render_wrap_after(FILE *to, int indent, const char *label, const char *text);

/* Lines of a process that pins, and of the device file it does so through; none when unknown. */
void render_process(const struct render *r, const struct snap_owner *o);
void render_device(const struct render *r, const struct snap_owner *o);

/* "[20:01:02] " */
void render_stamp(const struct render *r, uint64_t now_ns);

/* The device node of a finding's owner, "/dev/..."; false when it is none. */
bool render_node(const struct snap_owner *o, char *out, size_t size);

#endif
