// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "tee.h"

#include <assert.h>

void tee_add(struct tee *t, const struct reporter *to, void *ctx)
{
	assert(t->nr < TEE_ENDS);
	t->end[t->nr++] = (struct tee_end){to, ctx};
}

struct tee_end tee_head(struct tee *t)
{
	return t->nr == 1 ? t->end[0] : (struct tee_end){&tee_reporter, t};
}

#define EACH_END(function)                                                                         \
	static void on_##function(void *ctx, const struct report_##function *r)                    \
	{                                                                                          \
		const struct tee *t = ctx;                                                         \
                                                                                                   \
		for (size_t i = 0; i < t->nr; i++)                                                 \
			if (t->end[i].to->function)                                                \
				t->end[i].to->function(t->end[i].ctx, r);                          \
	}

EACH_END(sample)
EACH_END(suspicion)
EACH_END(state)
EACH_END(verdict)
EACH_END(held)
EACH_END(loss)
EACH_END(summary)
EACH_END(references)
EACH_END(limit)
EACH_END(books)

void tee_diagnosis(const struct tee *t, const struct inspect *i)
{
	for (size_t k = 0; k < t->nr; k++)
		if (t->end[k].to->diagnosis)
			t->end[k].to->diagnosis(t->end[k].ctx, i);
}

const struct reporter tee_reporter = {
	.sample = on_sample,
	.suspicion = on_suspicion,
	.state = on_state,
	.verdict = on_verdict,
	.held = on_held,
	.loss = on_loss,
	.summary = on_summary,
	.references = on_references,
	.limit = on_limit,
	.books = on_books,
};
