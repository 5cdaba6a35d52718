// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* Descriptions and values of parameters, command lines, and what files of /proc and programs say.
 */
#include <stdio.h>
#include <string.h>

#include "core/inspect.h"
#include "core/param.h"
#include "fuzz.h"

static const char *const seeds[] = {
	"uint\nHow many, range 1 to 64 (default 16)\n-1",
	"array of short\n[-5..-1]\n1,-99999,0x10",
	"bool\nDefaults to \"off\".\nY",
	"a.b=\"c d\" e=f=g \"h.i=j k",
	"VmPin:\t 12 kB\nCapEff:\t4000\nMax locked memory  8388608   unlimited bytes\n",
	"#1 SMP Debian 6.1.1-1 (x)\n  Candidate: 2-1\n",
};

size_t fuzz_seed(unsigned nth, uint8_t *out, size_t room)
{
	return fuzz_text_seed(seeds, sizeof(seeds) / sizeof(*seeds), nth, out, room);
}

static void check_line(const char *line)
{
	char name[8], value[8];
	const char *before = line;
	bool has;

	while (param_next(&line, name, sizeof(name), value, sizeof(value), &has)) {
		FUZZ_CHECK(line > before && strlen(name) < sizeof(name));
		FUZZ_CHECK(strlen(value) < sizeof(value) && (has || !value[0]));
		before = line;
	}
}

static void check_texts(const char *text)
{
	struct inspect_process p = {0};
	char out[8];

	inspect_status(text, &p);
	inspect_limits(text, &p);
	inspect_running(text, out, sizeof(out));
	FUZZ_CHECK(strlen(out) < sizeof(out));
	inspect_labelled(text, "Candidate:", out, sizeof(out));
	FUZZ_CHECK(strlen(out) < sizeof(out) && !strchr(out, '\n'));
}

/* The input's first lines are a type and a description, the rest is a value. */
static void check_param(char *text)
{
	char *description = strchr(text, '\n'), *value = NULL, out[64];
	long long low, high;

	if (description)
		value = strchr(++description, '\n');
	if (!value)
		return;
	description[-1] = *value++ = '\0';
	param_complaint(param_judge(text, description, value), text, description, value, out,
			sizeof(out));
	FUZZ_CHECK(strlen(out) < sizeof(out));
	FUZZ_CHECK(param_equal(text, value, value));
	if (param_range(description, &low, &high))
		FUZZ_CHECK(low < high);
	if (param_default(text, description, out, sizeof(out)))
		FUZZ_CHECK(out[0] && param_judge(text, "", out) == PARAM_FINE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);

	check_line(text);
	check_texts(text);
	check_param(text);
	free(text);
	return 0;
}
