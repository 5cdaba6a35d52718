// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * A recording that anybody may have made, replayed and printed. The first byte tells how. Bit 0:
 * the rest is what is in the chunks of a file, else a file, whose checksums stop nearly all that is
 * changed; bit 1: print JSON, else text.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fuzz.h"
#include "store/chunks.h"
#include "unit/ends.h"
#include "unit/stage.h"

#define ROOM ((size_t)1 << 18) /* of the books */

/* ---- seeds: sessions of different length and kind ------------------------------------- */

static size_t make_recording(unsigned nth, uint8_t *out, size_t room)
{
	static const struct {
		enum track track;
		uint64_t steps;
	} kinds[] = {{TRACK_ALWAYS, 2}, {TRACK_ALWAYS, 12}, {TRACK_AUTO, 18}, {TRACK_NEVER, 60}};
	struct monitor_config config = {.track = kinds[nth].track,
					.lowest = LEVEL_LIGHT,
					.grace_ns = 2000000000,
					.settle_ns = 5000000000};
	struct render render = {.to = fopen("/dev/null", "w"), .samples = true};
	FILE *to = fmemopen(out, room, "wb");
	static struct stage stage;
	long size = 0;

	stage_open(&stage);
	if (to && render.to && !stage_record(&stage, kinds[nth].steps, &config, to, &render))
		size = ftell(to);
	stage_close(&stage);
	if (to)
		fclose(to);
	if (render.to)
		fclose(render.to);
	return size > 0 ? (size_t)size : 0;
}

static size_t take_out(uint8_t *file, size_t size, uint8_t *out, size_t room)
{
	FILE *from = fmemopen(file, size, "rb");
	struct chunks_in *chunks;
	uint32_t version;
	size_t n = 0;

	if (from && !chunks_open(from, &version, &chunks)) {
		struct spring *s = chunks_spring(chunks);

		for (get_bytes(s, out, 1); !s->err && n < room; get_bytes(s, out + n, 1))
			n++;
		chunks_drop(chunks);
	}
	if (from)
		fclose(from);
	return n;
}

size_t fuzz_seed(unsigned nth, uint8_t *out, size_t room)
{
	uint8_t file[4096];
	size_t size;

	if (nth >= 16)
		return 0;
	out[0] = (uint8_t)(nth / 4);
	if (!(out[0] & 1))
		return 1 + make_recording(nth % 4, out + 1, room - 1);
	size = make_recording(nth % 4, file, sizeof(file));
	return 1 + take_out(file, size, out + 1, room - 1);
}

/* ---- the target ----------------------------------------------------------------------- */

static void show(struct replay *r, bool json, struct render *render)
{
	const struct recording_header *h = replay_header(r);
	uint64_t offset;

	FUZZ_CHECK(memchr(h->host, '\0', sizeof(h->host)));
	FUZZ_CHECK(h->config.track <= TRACK_NEVER);
	render->real_offset = h->real_offset;
	stage_play(&replay_source, r, UINT64_MAX, &h->config,
		   json ? &json_reporter : &text_reporter, render);
	FUZZ_CHECK(replay_state(r) != REPLAY_RUNS);
	if (replay_state(r) == REPLAY_DAMAGED)
		FUZZ_CHECK(*replay_error(r, &offset));
}

static void show_file(const uint8_t *data, size_t size, bool json, struct render *render)
{
	FILE *from = size ? fmemopen((void *)data, size, "rb") : NULL;
	struct replay *r;
	uint32_t version;

	if (from && !replay_open(from, ROOM, &version, &r)) {
		show(r, json, render);
		replay_close(r);
	}
	if (from)
		fclose(from);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct render render;
	struct spring s = {.at = data + 1, .end = data + size, .dry = no_more};
	struct replay *r;

	if (!render.to)
		render = (struct render){.to = fopen("/dev/null", "w"), .samples = true};
	if (!size || !render.to)
		return 0;
	if (!(data[0] & 1)) {
		show_file(data + 1, size - 1, data[0] & 2, &render);
	} else if (!replay_open_bytes(&s, ROOM, &r)) {
		show(r, data[0] & 2, &render);
		replay_close(r);
	}
	return 0;
}
