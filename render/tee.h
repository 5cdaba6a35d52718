/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* What the monitor tells, to several reporters one after the other. */
#ifndef PINLEAK_RENDER_TEE_H
#define PINLEAK_RENDER_TEE_H

#include <stddef.h>

#include "../core/report.h"

#define TEE_ENDS 12

/* {0} is ready to use; the context of tee_reporter. */
struct tee {
	size_t nr;
	struct tee_end {
		const struct reporter *to;
		void *ctx;
	} end[TEE_ENDS];
};

/* The reporter and its context must outlive the tee; TEE_ENDS of them at most. */
void tee_add(struct tee *t, const struct reporter *to, void *ctx);

extern const struct reporter tee_reporter;

/* What was found of a driver, which no monitor tells. */
void tee_diagnosis(const struct tee *t, const struct inspect *i);

/* Who is to be told in the place of all: with one end that itself, which may want less. */
struct tee_end tee_head(struct tee *t);

#endif
