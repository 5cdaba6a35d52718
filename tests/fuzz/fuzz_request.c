// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* What HTTP clients send, and where to listen. */
#include <stdio.h>
#include <string.h>

#include "fuzz.h"
#include "serve/request.h"

static const char *const seeds[] = {
	"127.0.0.1:9729",
	"[::1]:0",
	"localhost",
	"pins.example:443",
	"[fe80::1]:80",
	"application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
	"text/plain; q=0.9 , application/openmetrics-text ;q=1",
	"Bearer correct-horse-battery-staple",
	"bearer \t",
	"1790000000.250",
	"18446744073709551615",
};

size_t fuzz_seed(unsigned nth, uint8_t *out, size_t room)
{
	return fuzz_text_seed(seeds, sizeof(seeds) / sizeof(*seeds), nth, out, room);
}

static void check_listen(const char *text)
{
	struct listen_address a;

	if (listen_parse(text, &a))
		return;
	FUZZ_CHECK(memchr(a.host, '\0', sizeof(a.host)));
	FUZZ_CHECK(!strncmp(a.host, text, strlen(a.host)));
	FUZZ_CHECK(!(a.loopback && a.every));
}

/* Nobody but who is named, in any letters, with a port or none. */
static void check_host(const char *text)
{
	static const char *const names[] = {"pins.example", NULL};
	static const char *const all[] = {"localhost", "127.0.0.1", "[::1]", "pins.example"};
	size_t fits = 0;

	if (!host_is_ours(text, names))
		return;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		size_t len = strlen(all[i]);

		fits += !strncasecmp(text, all[i], len) && (!text[len] || text[len] == ':');
	}
	FUZZ_CHECK(fits == 1);
}

static void check_rest(const char *text)
{
	int64_t ms;
	uint64_t id;

	host_is_name(text);
	if (accept_openmetrics(text))
		FUZZ_CHECK(strcasestr(text, "application/openmetrics-text"));
	if (bearer_is(text, "secret-of-sixteen"))
		FUZZ_CHECK(!strcasecmp(text, "bearer secret-of-sixteen") &&
			   strstr(text, "secret-of-sixteen"));
	if (!since_parse(text, &ms))
		FUZZ_CHECK(ms >= 0 && !text[strspn(text, "0123456789.")]);
	if (!id_parse(text, &id))
		FUZZ_CHECK(id < UINT64_MAX && !text[strspn(text, "0123456789")]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);

	check_listen(text);
	check_host(text);
	check_rest(text);
	free(text);
	return 0;
}
