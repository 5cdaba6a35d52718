// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "conductor.h"

static int look_at(struct conductor *c, bool books)
{
	struct source_look look;
	int err;

	/* Not all of it, each second: the source fills the sample. */
	look.books = NULL;
	look.balance = (struct balance){0};
	err = c->source->look(c->ctx, monitor_wants_exact(c->monitor), books, &look);

	if (err)
		return err;
	c->last = look.sample;
	return monitor_step(c->monitor, &look.sample, look.books,
			    look.books ? &look.balance : NULL);
}

int conductor_look(struct conductor *c)
{
	return look_at(c, monitor_wants_books(c->monitor));
}

int conductor_look_last(struct conductor *c)
{
	return look_at(c, true);
}

static int set_level(struct conductor *c, enum level to)
{
	struct source_level got = {0};
	int err = c->source->set_level(c->ctx, to, &got);

	if (err)
		return err;
	if (c->level == LEVEL_COUNTERS)
		monitor_pinned(c->monitor, got.pinned_known ? &got.pinned : NULL);
	c->level = got.level;
	if (got.refused)
		monitor_level_failed(c->monitor, c->last.now_ns, to, got.why);
	else
		monitor_level_is(c->monitor, to == LEVEL_COUNTERS ? &c->last : &got.base, to,
				 monitor_reason(c->monitor));
	return 0;
}

int conductor_change_level(struct conductor *c)
{
	enum level to = monitor_wanted(c->monitor);

	return to == c->level ? 0 : set_level(c, to);
}

static int switch_references(struct conductor *c, bool on)
{
	struct source_references got = {0};
	int err = c->source->track_references(c->ctx, on, &got);

	if (err)
		return err;
	c->references = got.on;
	if (got.why[0])
		monitor_references_failed(c->monitor, c->last.now_ns, got.why);
	else
		monitor_references_are(c->monitor, c->last.now_ns, on);
	return 0;
}

int conductor_references(struct conductor *c)
{
	const struct snapshot *books;
	uint64_t folios = 0;
	bool done = false;
	int err = c->source->look_out(c->ctx, &done, &folios);

	if (!err && done)
		monitor_unexplained(c->monitor, folios);
	if (!err && monitor_wants_references(c->monitor) != c->references)
		err = switch_references(c, !c->references);
	if (err || !c->references)
		return err;
	err = c->source->references(c->ctx, &books);
	return err ? err : monitor_step_references(c->monitor, books);
}

int conductor_step(struct conductor *c)
{
	int err = conductor_look(c);

	if (!err)
		err = conductor_change_level(c);
	return err ? err : conductor_references(c);
}
