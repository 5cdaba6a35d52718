// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "playback.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/errors.h"
#include "core/units.h"
#include "store/chunks.h"
#include "watch.h"

/* ---- the start ------------------------------------------------------------------------ */

static int refuse(const struct playback *p, int err, uint32_t version)
{
	if (err == -EPROTONOSUPPORT)
		fprintf(stderr,
			"pinleak: %s: a recording of format version %" PRIu32
			"; pinleak %s reads version %d\n"
			"  replay it with the pinleak that made it, or a later one\n",
			p->name, version, PINLEAK_VERSION, CHUNKS_VERSION);
	else
		fprintf(stderr, "pinleak: %s: %s\n", p->name,
			err == -EBADMSG ? "no recording, or its beginning is damaged"
					: strerror(-err));
	return STATUS_CANNOT;
}

int playback_open(struct playback *p, const struct command *self, const char *path)
{
	uint32_t version = 0;
	int err;

	units_clean(path, strlen(path), p->name, sizeof(p->name));
	p->from = strcmp(path, "-") ? fopen(path, "re") : stdin;
	if (!p->from)
		return usage_error(self, ERROR_FILE_NOT_FOUND, "%s: %s", path, strerror(errno));
	err = replay_open(p->from, REPLAY_ROOM, &version, &p->replay);
	return err ? refuse(p, err, version) : STATUS_OK;
}

void playback_close(struct playback *p)
{
	monitor_destroy(p->conductor.monitor);
	replay_close(p->replay);
	if (p->from && p->from != stdin)
		fclose(p->from);
	*p = (struct playback){0};
}

void playback_identify(const struct playback *p, struct render *r)
{
	const struct recording_header *h = replay_header(p->replay);

	r->real_offset = h->real_offset;
	units_clean(h->host, sizeof(h->host), r->host, sizeof(r->host));
	units_clean(h->kernel, sizeof(h->kernel), r->kernel, sizeof(r->kernel));
}

int playback_begin(struct playback *p, struct render *r, const struct reporter *to, void *ctx)
{
	const struct recording_header *h = replay_header(p->replay);

	playback_identify(p, r);
	p->conductor = (struct conductor){.source = &replay_source,
					  .ctx = p->replay,
					  .monitor = monitor_create(&h->config, to, ctx),
					  .last = h->first};
	if (p->conductor.monitor)
		return STATUS_OK;
	fprintf(stderr, "pinleak: %s\n", strerror(ENOMEM));
	return STATUS_CANNOT;
}

/* ---- the end -------------------------------------------------------------------------- */

/* What was read has been judged, and a leak in it is one. */
static int finish_damaged(const struct playback *p)
{
	uint64_t offset;
	const char *why = replay_error(p->replay, &offset);

	fprintf(stderr, "pinleak: %s: damaged at byte %" PRIu64 ": %s\n  all before it was shown\n",
		p->name, offset, why);
	return monitor_leaking(p->conductor.monitor) ? STATUS_LEAK : STATUS_CANNOT;
}

static int finish_differing(const struct playback *p, const struct render *r)
{
	char clock[RENDER_CLOCK];

	render_clock(r, p->conductor.last.now_ns, clock);
	fprintf(stderr,
		"pinleak: this pinleak decides otherwise from %s on\n"
		"  it is %s, the recording was made by %s: replay it with that one\n",
		clock, PINLEAK_VERSION, replay_header(p->replay)->version);
	return STATUS_CANNOT;
}

int playback_finish(struct playback *p, const struct render *r, int err)
{
	struct monitor *m = p->conductor.monitor;
	enum replay_state state = replay_state(p->replay);

	if (state == REPLAY_RUNS) { /* the monitor is what failed */
		fprintf(stderr, "pinleak: %s\n", strerror(-err));
		return STATUS_CANNOT;
	}
	if (state == REPLAY_FAILED) {
		fprintf(stderr, "pinleak: %s\n", replay_end(p->replay)->why);
		return STATUS_CANNOT;
	}
	if (p->conductor.last.now_ns !=
	    replay_header(p->replay)->first.now_ns) /* a look was shown */
		monitor_finish(m, p->conductor.last.now_ns);
	switch (state) {
	case REPLAY_DAMAGED:
		return finish_damaged(p);
	case REPLAY_DIFFERS:
		return finish_differing(p, r);
	default:
		return watch_status(m);
	}
}
