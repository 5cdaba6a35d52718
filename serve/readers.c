// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "readers.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api.h"

#define SILENCE_S 15 /* then a comment is sent, so that both sides see that the other is there */
#define BLOCK	  4096
#define PATIENCE  100 /* times 10 ms */

struct reader {
	struct readers *all;
	struct reader *next;
	struct MHD_Connection *connection;
	bool suspended;
	bool began;
	uint64_t last; /* event that it was given, or is being given */
	time_t wrote;
	char *frame; /* what it is being given */
	size_t size;
	size_t sent;
};

struct readers {
	struct state *state;
	size_t most;
	pthread_mutex_t lock; /* of all below */
	struct reader *first;
	size_t nr;
	uint64_t dropped;
	bool ending;
};

static time_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* ---- what is sent --------------------------------------------------------------------- */

static bool set_frame(struct reader *r, char *text, int size)
{
	free(r->frame);
	r->frame = size < 0 ? NULL : text;
	r->size = size < 0 ? 0 : (size_t)size;
	r->sent = 0;
	r->wrote = now_s();
	return r->frame;
}

static bool frame_comment(struct reader *r, const char *text)
{
	char *frame;
	int size = asprintf(&frame, ": %s\n\n", text);

	return set_frame(r, frame, size);
}

/* It is told that it has missed some: without a number, so that it may come back for what follows.
 */
static bool frame_gap(struct reader *r, uint64_t missed)
{
	char *json = api_gap(r->all->state, missed), *frame = NULL;
	int size = json ? asprintf(&frame, "data: %s\n\n", json) : -1;

	free(json);
	return set_frame(r, frame, size);
}

static bool frame_event(struct reader *r, struct text *json)
{
	char *frame;
	int size = asprintf(&frame, "id: %" PRIu64 "\ndata: %s\n\n", r->last, json->data);

	return set_frame(r, frame, size);
}

/* The next thing to send; false: there is nothing. *slow: what it wants is no longer there. */
static bool next_frame(struct reader *r, bool *slow)
{
	uint64_t last = r->last, missed;
	struct text *json = state_next_event(r->all->state, &last, &missed);
	bool first = !r->began, got;

	*slow = false;
	r->began = true;
	if (!json)
		return first ? frame_comment(r, "pinleak")
			     : now_s() - r->wrote >= SILENCE_S && frame_comment(r, "");
	if (missed && !first) {
		*slow = true;
		got = false;
	} else if (missed) {
		r->last = last - 1;
		got = frame_gap(r, missed);
	} else {
		r->last = last;
		got = frame_event(r, json);
	}
	text_drop(json);
	return got;
}

/* Nothing new: the connection sleeps until readers_wake(). Under the lock, so that none is missed.
 */
static ssize_t sleep_or_end(struct reader *r)
{
	if (r->all->ending)
		return MHD_CONTENT_READER_END_OF_STREAM;
	r->suspended = true;
	MHD_suspend_connection(r->connection);
	return 0;
}

static ssize_t refill(struct reader *r)
{
	struct readers *all = r->all;
	bool slow;
	ssize_t n = 1;

	pthread_mutex_lock(&all->lock);
	if (!next_frame(r, &slow)) {
		all->dropped += slow;
		n = slow ? MHD_CONTENT_READER_END_WITH_ERROR : sleep_or_end(r);
	}
	pthread_mutex_unlock(&all->lock);
	return n;
}

static ssize_t on_read(void *ctx, uint64_t at, char *out, size_t room)
{
	struct reader *r = ctx;
	size_t n;

	(void)at;
	if (r->sent == r->size) {
		ssize_t got = refill(r);

		if (got <= 0)
			return got;
	}
	n = r->size - r->sent < room ? r->size - r->sent : room;
	memcpy(out, r->frame + r->sent, n);
	r->sent += n;
	return (ssize_t)n;
}

/* ---- who reads ------------------------------------------------------------------------ */

static void on_free(void *ctx)
{
	struct reader *r = ctx, **at;
	struct readers *all = r->all;

	pthread_mutex_lock(&all->lock);
	for (at = &all->first; *at != r; at = &(*at)->next)
		;
	*at = r->next;
	all->nr--;
	pthread_mutex_unlock(&all->lock);
	free(r->frame);
	free(r);
}

static bool enter(struct readers *all, struct reader *r)
{
	bool room;

	pthread_mutex_lock(&all->lock);
	room = all->nr < all->most && !all->ending;
	if (room) {
		r->next = all->first;
		all->first = r;
		all->nr++;
	}
	pthread_mutex_unlock(&all->lock);
	return room;
}

struct MHD_Response *readers_add(struct readers *all, struct MHD_Connection *c, uint64_t last)
{
	struct reader *r = calloc(1, sizeof(*r));
	struct MHD_Response *response;

	if (!r)
		return NULL;
	*r = (struct reader){.all = all, .connection = c, .last = last, .wrote = now_s()};
	if (!enter(all, r)) {
		free(r);
		return NULL;
	}
	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, on_read, r, on_free);
	if (!response)
		on_free(r);
	return response;
}

void readers_wake(struct readers *all)
{
	pthread_mutex_lock(&all->lock);
	for (struct reader *r = all->first; r; r = r->next) {
		bool news = state_last_event(all->state) > r->last;

		if (!r->suspended || (!news && !all->ending && now_s() - r->wrote < SILENCE_S))
			continue;
		r->suspended = false;
		MHD_resume_connection(r->connection);
	}
	pthread_mutex_unlock(&all->lock);
}

void readers_end(struct readers *all)
{
	static const struct timespec moment = {.tv_nsec = 10000000};

	pthread_mutex_lock(&all->lock);
	all->ending = true;
	pthread_mutex_unlock(&all->lock);
	readers_wake(all);
	for (int i = 0; i < PATIENCE && readers_count(all); i++)
		nanosleep(&moment, NULL);
}

size_t readers_count(struct readers *all)
{
	size_t n;

	pthread_mutex_lock(&all->lock);
	n = all->nr;
	pthread_mutex_unlock(&all->lock);
	return n;
}

uint64_t readers_dropped(struct readers *all)
{
	uint64_t n;

	pthread_mutex_lock(&all->lock);
	n = all->dropped;
	pthread_mutex_unlock(&all->lock);
	return n;
}

/* ---- the beginning and the end -------------------------------------------------------- */

struct readers *readers_create(struct state *state, size_t most)
{
	struct readers *all = calloc(1, sizeof(*all));

	if (!all)
		return NULL;
	all->state = state;
	all->most = most;
	pthread_mutex_init(&all->lock, NULL);
	return all;
}

void readers_destroy(struct readers *all)
{
	if (!all)
		return;
	pthread_mutex_destroy(&all->lock);
	free(all);
}
