/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Which driver a call path belongs to. */
#ifndef PINLEAK_CORE_BLAME_H
#define PINLEAK_CORE_BLAME_H

#include <stdbool.h>

#include "../bpf/record.h"
#include "modgraph.h"

enum blame_kind { BLAME_UNKNOWN, BLAME_MODULE, BLAME_BUILTIN };

struct blame {
	enum blame_kind kind;
	bool direct; /* nothing but mm code lies between the pin and the driver's own module */
	bool keeps;  /* keeps pins of a failed call on purpose, for the next one */
	bool guess;  /* by a symbol's prefix: the kernel does not say */
	char driver[PL_SYM];	 /* "unknown" when nothing tells */
	char via[MODGRAPH_NAME]; /* the module through which the driver pinned, or "" */
};

const char *blame_kind_name(enum blame_kind kind);

/*
 * Takes "symbol+0x1/0x2 [module]" apart, as the kernel prints it. Buffers of PL_SYM and
 * MODGRAPH_NAME bytes; module is "" for built-in code. False for a frame that belongs to the
 * tracing itself (a BPF trampoline or program), which no reader wants to see.
 */
bool blame_frame(const char *frame, char *symbol, char *module);

/*
 * A release in an interrupt has the frames of whatever was interrupted beneath it, and a bio is
 * released beneath the driver that completes it: such paths are not `direct`, and say nothing of
 * whose pin it was.
 *
 * Of the modules on the path the driver is the one that depends on the others: rdma_rxe depends
 * on ib_uverbs, so what ib_uverbs pins for rdma_rxe is rdma_rxe's. Unrelated modules: the one
 * nearest to the pin. Built-in code has no name in the kernel: guessed by a symbol's prefix.
 */
void blame_site(const struct pl_site *site, const struct modgraph *graph, struct blame *out);

/* Do two call paths lead through the same functions, whatever the offsets in them? */
bool blame_same_path(const struct pl_site *a, const struct pl_site *b);

#endif
