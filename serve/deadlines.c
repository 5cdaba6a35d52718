// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "deadlines.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

struct deadline {
	bool used;
	int socket;
	time_t at; /* 0: none */
};

struct deadlines {
	pthread_mutex_t lock;
	unsigned seconds;
	uint64_t passed;
	size_t nr;
	struct deadline each[];
};

static time_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

struct deadlines *deadlines_create(size_t most, unsigned seconds)
{
	struct deadlines *d = calloc(1, sizeof(*d) + most * sizeof(*d->each));

	if (!d)
		return NULL;
	d->nr = most;
	d->seconds = seconds;
	pthread_mutex_init(&d->lock, NULL);
	return d;
}

void deadlines_destroy(struct deadlines *d)
{
	if (!d)
		return;
	pthread_mutex_destroy(&d->lock);
	free(d);
}

struct deadline *deadlines_begin(struct deadlines *d, int socket)
{
	struct deadline *found = NULL;

	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < d->nr && !found; i++)
		if (!d->each[i].used)
			found = &d->each[i];
	if (found)
		*found = (struct deadline){true, socket, now_s() + (time_t)d->seconds};
	pthread_mutex_unlock(&d->lock);
	return found;
}

void deadlines_lift(struct deadlines *d, struct deadline *one)
{
	pthread_mutex_lock(&d->lock);
	one->at = 0;
	pthread_mutex_unlock(&d->lock);
}

void deadlines_end(struct deadlines *d, struct deadline *one)
{
	if (!one)
		return;
	pthread_mutex_lock(&d->lock);
	one->used = false;
	pthread_mutex_unlock(&d->lock);
}

void deadlines_sweep(struct deadlines *d)
{
	time_t now = now_s();

	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < d->nr; i++) {
		struct deadline *one = &d->each[i];

		if (!one->used || !one->at || now < one->at)
			continue;
		shutdown(one->socket, SHUT_RDWR);
		one->at = 0;
		d->passed++;
	}
	pthread_mutex_unlock(&d->lock);
}

uint64_t deadlines_passed(struct deadlines *d)
{
	uint64_t n;

	pthread_mutex_lock(&d->lock);
	n = d->passed;
	pthread_mutex_unlock(&d->lock);
	return n;
}
