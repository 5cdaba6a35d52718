// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* What a history from somebody else may have in the place of incidents, points and verdicts. */
#include <stdio.h>
#include <string.h>

#include "../unit/utf8.h"
#include "fuzz.h"
#include "render/flame.h"
#include "render/history.h"

static const char *const seeds[] = {
	"{\"from\":\"2026-11-22T20:00:00.000Z\",\"to\":\"2026-11-22T21:00:00.000Z\",\"step_s\":60,"
	"\"runs\":[{\"host\":\"<h>\",\"lost\":3,\"clean\":true,\"memory_total\":9}],"
	"\"gaps\":[{\"from\":\"2026-11-22T20:00:00.000Z\",\"ms\":5}],\"incidents_total\":7,"
	"\"losses\":[{}],\"points\":[{\"time\":\"2026-11-22T20:10:00.000Z\",\"pins_min\":-5,"
	"\"pins_mean\":2.5,\"pins_max\":9},{\"time\":\"2026-11-22T20:11:00.000Z\",\"pins_max\":1e9}],"
	"\"driver_points\":[{\"time\":\"2026-11-22T20:10:00.000Z\",\"name\":\"a&b\","
	"\"bytes_max\":4096}],\"incidents\":[{\"id\":1,\"first\":\"2026-11-22T20:20:00.000Z\","
	"\"driver\":\"leaky\",\"severity\":\"critical\",\"pins\":8,\"bytes\":32768}]}",
	"{\"id\":3,\"driver\":\"leaky\",\"kind\":\"module\",\"cut\":true,\"course\":[{\"pins\":1}],"
	"\"verdict\":{\"host\":\"h\",\"rate_bytes_per_s\":1e300,\"exhaustion_s\":-1,"
	"\"wrong_releases\":2,\"processes\":[{\"comm\":\"\\u001b\",\"pid\":1}],"
	"\"devices\":[{\"node\":\"/dev/x\"}],\"proof\":{\"reread\":9223372036854775807},"
	"\"sites\":[{\"stack\":[\"pin\",\"<script>\",5],\"bytes\":4096,\"pins\":1},7]}}",
};

size_t fuzz_seed(unsigned nth, uint8_t *out, size_t room)
{
	return fuzz_text_seed(seeds, sizeof(seeds) / sizeof(*seeds), nth, out, room);
}

static void check_characters(const char *text, size_t left)
{
	for (size_t len; left; text += len, left -= len) {
		int32_t u = utf8_read((const unsigned char *)text, left, &len);

		FUZZ_CHECK(u >= 0 && (u == '\n' || !utf8_is_unsafe(u)));
	}
}

/* Frees what was printed, which is harmless. */
static void close_and_check(FILE *to, char **text)
{
	FUZZ_CHECK(!fclose(to));
	FUZZ_CHECK(**text != '<' || !strstr(*text, "<script"));
	check_characters(*text, strlen(*text));
	free(*text);
}

static void show(const json_t *o)
{
	json_t *incidents = json_pack("[O]", o), *sites = history_sites(incidents);
	char *text = NULL;
	size_t size;
	struct render r = {.to = open_memstream(&text, &size)};

	render_history_text(&r, o);
	render_incident_text(&r, o);
	close_and_check(r.to, &text);
	r.to = open_memstream(&text, &size);
	FUZZ_CHECK(!render_history_page(r.to, o, incidents));
	close_and_check(r.to, &text);
	r.to = open_memstream(&text, &size);
	FUZZ_CHECK(!flame_svg(r.to, sites, "sites"));
	close_and_check(r.to, &text);
	json_decref(sites);
	json_decref(incidents);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *o = json_loadb((const char *)data, size, 0, NULL);

	if (o)
		show(o);
	json_decref(o);
	return 0;
}
