// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * Serves a session that plays by itself, for tests of the page, the metrics and the API on machines
 * that permit no tracing: feed INTERVAL_MS LOOKS [NAME]
 *
 * LOOKS of it, a second apart, are over when it begins to serve; then there is one each interval.
 * The driver that leaks goes by NAME. Instead of NAME, --scenery: a machine as there might be one,
 * at a time that is always the same, for the picture of the page. Prints where it serves; ends with
 * its standard input.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/monitor.h"
#include "diagnoser.h"
#include "kernel/inspect.h"
#include "render/tee.h"
#include "scenery.h"
#include "serve/server.h"
#include "unit/stage.h"

#define SECOND	    UINT64_C(1000000000)
#define ALWAYS	    (INT64_C(1795464000) * 1000000000) /* 2026-11-23 20:00:00, of the scenery */
#define KERNEL_HERE "6.12.117+deb12-amd64"

static struct stage stage;
static struct scenery scenery;

/* What plays, and what it has begun with. */
struct play {
	const struct source *source;
	void *ctx;
	uint64_t looks;
	int interval_ms;
	struct render render;
	struct diagnoser diagnoser;
	struct tee tee;
};

/* In the place of the kernel's: the diagnoser looks at a driver that is nowhere. */
int inspect_collect(const char *what, const struct inspect_options *o, struct inspect *out)
{
	int err = scenery_inspect(what, out);

	(void)o;
	out->now_ns = scenery.looks ? scenery.sample.now_ns : stage.sample.now_ns;
	return err;
}

/* As the watch asks for its objects: some of them only when they are wanted. */
static struct monitor_config settings(void)
{
	struct monitor_config c = monitor_defaults();

	c.grace_ns = c.few_ns = c.many_ns = 2 * SECOND;
	c.late_ns = 3 * SECOND;
	c.settle_ns = 600 * SECOND;
	return c;
}

/* The last look before it serves is now, by the clock of the day and by the monotonic one. */
static uint64_t beginning(const struct play *p)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec - p->looks * SECOND;
}

static void open_stage(struct play *p, const char *name)
{
	stage_open(&stage);
	for (size_t i = 0; name && i < STAGE_SITES; i += 2)
		snprintf(stage.site_room[i].blame.driver, PL_SYM, "%s", name);
	stage.sample.now_ns = beginning(p);
	for (size_t i = 0; i < 2; i++)
		stage.owners[i].owner.first_ns = stage.owners[i].owner.last_ns =
			stage.sample.now_ns;
	p->source = &stage_source;
	p->ctx = &stage;
	snprintf(p->render.host, sizeof(p->render.host), "stage");
}

static void open_scenery(struct play *p)
{
	scenery_open(&scenery, beginning(p));
	p->source = &scenery_source;
	p->ctx = &scenery;
	p->render.real_offset = ALWAYS - (int64_t)(scenery.sample.now_ns + p->looks * SECOND);
	snprintf(p->render.host, sizeof(p->render.host), "server");
}

static int step(struct conductor *c, struct play *p)
{
	int err = conductor_step(c);

	while (diagnoser_next(&p->diagnoser, &p->tee))
		;
	return err;
}

/* Until an error, or something on standard input: its end. */
static int play(struct conductor *c, struct play *p)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	int err = 0;

	while (!err && !poll(&in, 1, p->interval_ms))
		err = step(c, p);
	return err;
}

static int serve(struct state *state, struct play *p)
{
	struct server_settings set = {0};
	struct monitor_config config = settings();
	struct conductor c = {.source = p->source, .ctx = p->ctx};
	char url[SERVER_URL];
	struct server *server;
	int err = listen_parse("127.0.0.1:0", &set.at);

	tee_add(&p->tee, &state_reporter, state);
	tee_add(&p->tee, &diagnoser_reporter, &p->diagnoser);
	c.monitor = monitor_create(&config, &tee_reporter, &p->tee);
	err = err || !c.monitor;
	for (uint64_t i = 0; i < p->looks && !err; i++)
		err = step(&c, p);
	err = err ? err : server_start(&set, state, &server);
	if (err)
		return err;
	server_url(server, url);
	puts(url);
	fflush(stdout);
	err = play(&c, p);
	monitor_finish(c.monitor, c.last.now_ns);
	server_stop(server);
	monitor_destroy(c.monitor);
	return err;
}

int main(int argc, char **argv)
{
	struct play p = {.interval_ms = argc > 2 ? atoi(argv[1]) : 0,
			 .looks = argc > 2 ? strtoul(argv[2], NULL, 10) : 0};
	struct state *state;
	int err;

	if (p.interval_ms <= 0)
		return 2;
	render_here(&p.render, stdout);
	snprintf(p.render.kernel, sizeof(p.render.kernel), "%s", KERNEL_HERE);
	if (argc > 3 && !strcmp(argv[3], "--scenery"))
		open_scenery(&p);
	else
		open_stage(&p, argv[3]);
	state = state_create(&p.render, (uint64_t)p.interval_ms * 1000000);
	err = state ? serve(state, &p) : -1;
	state_destroy(state);
	stage_close(&stage);
	scenery_close(&scenery);
	return err ? 1 : 0;
}
