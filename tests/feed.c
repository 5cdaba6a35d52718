// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * Serves a session that plays by itself, for tests of the page, the metrics and the API on machines
 * that permit no tracing: feed INTERVAL_MS LOOKS [NAME]
 *
 * LOOKS of it, a second apart, are over when it begins to serve; then there is one each interval.
 * The driver that leaks goes by NAME. Prints where it serves; ends with its standard input.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/monitor.h"
#include "serve/server.h"
#include "unit/stage.h"

#define SECOND UINT64_C(1000000000)

static struct stage stage;

/* As the watch asks for its objects: some of them only when they are wanted. */
static struct monitor_config settings(void)
{
	struct monitor_config c = monitor_defaults();

	c.grace_ns = c.few_ns = c.many_ns = 2 * SECOND;
	c.late_ns = 3 * SECOND;
	c.settle_ns = 600 * SECOND;
	return c;
}

static void set_name(const char *name)
{
	stage_open(&stage);
	for (size_t i = 0; name && i < STAGE_SITES; i += 2)
		snprintf(stage.site_room[i].blame.driver, PL_SYM, "%s", name);
}

/* The last look before it serves is now, by the clock of the day and by the monotonic one. */
static void set_clocks(struct render *r, uint64_t looks)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	stage.sample.now_ns =
		(uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec - looks * SECOND;
	for (size_t i = 0; i < 2; i++)
		stage.owners[i].owner.first_ns = stage.owners[i].owner.last_ns =
			stage.sample.now_ns;
	snprintf(r->host, sizeof(r->host), "stage");
}

/* Until an error, or something on standard input: its end. */
static int play(struct conductor *c, int interval_ms)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	int err = 0;

	while (!err && !poll(&in, 1, interval_ms))
		err = conductor_step(c);
	return err;
}

static int serve(struct state *state, uint64_t looks, int interval_ms)
{
	struct server_settings set = {0};
	struct monitor_config config = settings();
	struct conductor c = {.source = &stage_source,
			      .ctx = &stage,
			      .monitor = monitor_create(&config, &state_reporter, state)};
	char url[SERVER_URL];
	struct server *server;
	int err = listen_parse("127.0.0.1:0", &set.at);

	err = err || !c.monitor;
	for (uint64_t i = 0; i < looks && !err; i++)
		err = conductor_step(&c);
	err = err ? err : server_start(&set, state, &server);
	if (err)
		return err;
	server_url(server, url);
	puts(url);
	fflush(stdout);
	err = play(&c, interval_ms);
	monitor_finish(c.monitor, c.last.now_ns);
	server_stop(server);
	monitor_destroy(c.monitor);
	return err;
}

int main(int argc, char **argv)
{
	int interval_ms = argc > 2 ? atoi(argv[1]) : 0, err;
	uint64_t looks = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	struct render render;
	struct state *state;

	if (interval_ms <= 0)
		return 2;
	render_here(&render, stdout);
	set_name(argc > 3 ? argv[3] : NULL);
	set_clocks(&render, looks);
	state = state_create(&render, (uint64_t)interval_ms * 1000000);
	err = state ? serve(state, looks, interval_ms) : -1;
	state_destroy(state);
	stage_close(&stage);
	return err ? 1 : 0;
}
