// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* Options and names that people and programs choose: durations, numbers, errors, names. */
#include <stdio.h>
#include <string.h>

#include "../unit/utf8.h"
#include "core/errors.h"
#include "core/quota.h"
#include "core/units.h"
#include "fuzz.h"

#define NS_100_YEARS UINT64_C(3155760000000000000)

static const char *const seeds[] = {
	"250ms",
	"1.5h",
	"64MiB",
	"1.5G",
	"0x1p9K",
	"0.5%",
	"0x4c05",
	"4294967296",
	"1e9999",
	"0x10",
	"inf",
	"36525d",
	"18446744073709551615",
	"0x4000002D",
	"rdma-rxe:1000",
	"vivid:64MiB:enforce",
	"vivid:0.5%:enforce",
	"ERROR_DRIVERS_LEAKING_LOCKED_PAGES",
	"729",
	"\x1b[2J\x1b]0;owned\x07",
	"a\xc2\x9b\xe2\x80\xae\xe2\x81\xa6\xf0\x9f\x93\x8c",
	"\xed\xa0\x80\xf4\x90\x80\x80\xe0\x80\x9b\xc0\xaf",
};

size_t fuzz_seed(unsigned nth, uint8_t *out, size_t room)
{
	return fuzz_text_seed(seeds, sizeof(seeds) / sizeof(*seeds), nth, out, room);
}

static void check_option(const char *text)
{
	uint64_t n = 729;
	int err = units_duration(text, &n);

	FUZZ_CHECK(err ? n == 729 : n <= NS_100_YEARS);
	if (!err)
		FUZZ_CHECK(!strpbrk(text, "xX -") || strstr(text, "e-") || strstr(text, "E-"));
	n = 50;
	err = units_number(text, 10, 100, &n);
	FUZZ_CHECK(err ? n == 50 : n >= 10 && n <= 100);
	error_find(text);
}

static void check_amount(const char *text)
{
	uint64_t bytes = 729;
	uint32_t code = 729;
	double percent = 729;
	int err = units_size(text, &bytes);

	FUZZ_CHECK(err ? bytes == 729 : bytes <= INT64_MAX && !strpbrk(text, "xX %"));
	err = units_percent(text, &percent);
	FUZZ_CHECK(err ? percent == 729 : percent > 0 && percent <= 100);
	err = units_code(text, &code);
	FUZZ_CHECK(!err || code == 729);
	if (!err)
		FUZZ_CHECK(!strpbrk(text, " +-.%"));
}

static void check_order(const char *text)
{
	struct quota_order o = {.pages = 729};
	int err = quota_order(text, UINT64_C(1) << 30, 4096, &o);

	FUZZ_CHECK(err ? o.pages == 729 && !o.driver[0] : o.pages >= 1 && o.pages <= 1 << 18);
	if (!err)
		FUZZ_CHECK(o.driver[0] && !strpbrk(o.driver, "/-:") &&
			   strlen(o.driver) < PL_MODNAME);
}

static void check_name(const char *name, size_t in_size, size_t size)
{
	char *out = malloc(size);
	size_t len, n;

	if (!out)
		return;
	units_clean(name, in_size, out, size);
	FUZZ_CHECK(memchr(out, '\0', size));
	len = strlen(out);
	for (size_t i = 0; i < len; i += n) {
		int32_t u = utf8_read((const unsigned char *)out + i, len - i, &n);

		FUZZ_CHECK(u >= 0 && !utf8_is_unsafe(u));
	}
	free(out);
}

static void check_xml(const char *text)
{
	char piece[UNITS_XML_ROOM];
	size_t n;

	for (; *text; text += n) {
		n = units_xml(text, piece);
		FUZZ_CHECK(n >= 1 && n <= 4 && *piece && strlen(piece) < sizeof(piece));
		FUZZ_CHECK(!strpbrk(piece, "<>\"'") && (*piece != '&' || strchr(piece, ';')));
	}
}

static void check_shown(double number, int64_t count)
{
	char out[UNITS_ROOM];

	FUZZ_CHECK(strlen(units_bytes(number, out)) < UNITS_ROOM);
	FUZZ_CHECK(strlen(units_seconds(number, out)) < UNITS_ROOM);
	FUZZ_CHECK(strlen(units_count(count, out)) < UNITS_ROOM);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	double number = 0;
	int64_t count = 0;

	check_option(text);
	check_amount(text);
	check_order(text);
	check_xml(text);
	if (size) {
		check_name((const char *)data, size, 1 + data[0] % 64);
		check_name((const char *)data, size, 4 * size + 1);
	}
	memcpy(&number, text, size < sizeof(number) ? size : sizeof(number));
	memcpy(&count, text, size < sizeof(count) ? size : sizeof(count));
	check_shown(number, count);
	free(text);
	return 0;
}
