// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "request.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../core/units.h"

/* ---- where to listen ------------------------------------------------------------------ */

static int listen_ipv4(const char *host, uint16_t port, struct listen_address *out)
{
	struct sockaddr_in *to = (struct sockaddr_in *)&out->to.room;

	*to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
	if (inet_pton(AF_INET, host, &to->sin_addr) != 1)
		return -EINVAL;
	out->size = sizeof(*to);
	out->loopback = ntohl(to->sin_addr.s_addr) >> 24 == 127;
	out->every = to->sin_addr.s_addr == INADDR_ANY;
	return 0;
}

static int listen_ipv6(const char *host, uint16_t port, struct listen_address *out)
{
	struct sockaddr_in6 *to = (struct sockaddr_in6 *)&out->to.room;
	char bare[LISTEN_ROOM];

	snprintf(bare, sizeof(bare), "%.*s", (int)strlen(host) - 2, host + 1);
	*to = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
	if (inet_pton(AF_INET6, bare, &to->sin6_addr) != 1)
		return -EINVAL;
	out->size = sizeof(*to);
	out->loopback = IN6_IS_ADDR_LOOPBACK(&to->sin6_addr);
	out->every = IN6_IS_ADDR_UNSPECIFIED(&to->sin6_addr);
	return 0;
}

int listen_parse(const char *text, struct listen_address *out)
{
	const char *colon = strrchr(text, ':');
	struct listen_address a = {0};
	uint64_t port;
	size_t len;
	int err;

	if (!colon || units_number(colon + 1, 0, UINT16_MAX, &port))
		return -EINVAL;
	len = (size_t)(colon - text);
	if (len < 3 || len >= sizeof(a.host))
		return -EINVAL;
	memcpy(a.host, text, len);
	if (text[0] == '[' && text[len - 1] == ']')
		err = listen_ipv6(a.host, (uint16_t)port, &a);
	else
		err = listen_ipv4(a.host, (uint16_t)port, &a);
	if (!err)
		*out = a;
	return err;
}

/* ---- who is asked --------------------------------------------------------------------- */

static bool is_name(const char *text, size_t len)
{
	if (!len || len > 253)
		return false;
	if (text[0] == '[')
		return len > 2 && text[len - 1] == ']' &&
		       strspn(text + 1, "0123456789abcdefABCDEF:.") == len - 2;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("-._", text[i]))
			return false;
	return true;
}

bool host_is_name(const char *text)
{
	return is_name(text, strlen(text));
}

static bool same_name(const char *header, size_t len, const char *name)
{
	return strlen(name) == len && !strncasecmp(header, name, len);
}

/* The bytes of the name, without the port; 0: it is none. */
static size_t name_of(const char *header)
{
	const char *end = header[0] == '[' ? strchr(header, ']') : strchr(header, ':');
	size_t len = !end ? strlen(header) : (size_t)(end - header) + (header[0] == '[');
	uint64_t port;

	if (header[len] &&
	    (header[len] != ':' || units_number(header + len + 1, 0, UINT16_MAX, &port)))
		return 0;
	return is_name(header, len) ? len : 0;
}

bool host_is_ours(const char *header, const char *const *names)
{
	static const char *const loopback[] = {"localhost", "127.0.0.1", "[::1]"};
	size_t len = header ? name_of(header) : 0;

	for (size_t i = 0; len && i < sizeof(loopback) / sizeof(*loopback); i++)
		if (same_name(header, len, loopback[i]))
			return true;
	for (size_t i = 0; len && names[i]; i++)
		if (same_name(header, len, names[i]))
			return true;
	return false;
}

/* ---- what is asked for ---------------------------------------------------------------- */

#define BLANK " \t"

/* Is it this word, up to the end of it? */
static bool is_word(const char *at, size_t len, const char *word)
{
	return strlen(word) == len && !strncasecmp(at, word, len);
}

/* The weight of one range of an Accept header: q=0.5 is 500; 1000 when there is none. */
static int weight(const char *range, size_t len)
{
	const char *end = range + len;
	char number[8];

	for (const char *p = memchr(range, ';', len); p; p = memchr(p, ';', (size_t)(end - p))) {
		size_t n;

		p += 1 + strspn(p + 1, BLANK);
		if (p + 2 > end || (*p != 'q' && *p != 'Q') || p[1] != '=')
			continue;
		n = strspn(p + 2, "0123456789.");
		if (n >= sizeof(number) || p + 2 + n > end)
			return 0;
		memcpy(number, p + 2, n);
		number[n] = '\0';
		return (int)(strtod(number, NULL) * 1000);
	}
	return 1000;
}

bool accept_openmetrics(const char *header)
{
	int open = 0, text = 0;

	while (header && *header) {
		size_t len, type;

		header += strspn(header, BLANK ",");
		len = strcspn(header, ",");
		type = strcspn(header, ";," BLANK);
		if (is_word(header, type, "application/openmetrics-text"))
			open = weight(header, len);
		else if (is_word(header, type, "text/plain"))
			text = weight(header, len);
		header += len;
	}
	return open > 0 && open >= text;
}

bool bearer_is(const char *header, const char *token)
{
	static const char scheme[] = "Bearer ";
	size_t have, want = strlen(token);
	unsigned differ;

	if (!header || strncasecmp(header, scheme, sizeof(scheme) - 1) != 0)
		return false;
	header += sizeof(scheme) - 1;
	have = strlen(header);
	differ = have != want;
	for (size_t i = 0; i < have; i++)
		differ |= (unsigned char)header[i] ^ (unsigned char)token[want ? i % want : 0];
	return !differ && want;
}

int since_parse(const char *text, int64_t *ms)
{
	size_t whole = strspn(text, "0123456789"), part;
	int64_t value = 0;

	if (!whole || whole > 12)
		return -EINVAL;
	for (size_t i = 0; i < whole; i++)
		value = value * 10 + (text[i] - '0');
	value *= 1000;
	text += whole;
	if (*text == '.') {
		part = strspn(text + 1, "0123456789");
		if (!part || part > 9)
			return -EINVAL;
		for (size_t i = 0, scale = 100; i < part && scale; i++, scale /= 10)
			value += (int64_t)scale * (text[1 + i] - '0');
		text += 1 + part;
	}
	if (*text)
		return -EINVAL;
	*ms = value;
	return 0;
}

int id_parse(const char *text, uint64_t *id)
{
	size_t len = strlen(text);

	if (!len || len != strspn(text, "0123456789"))
		return -EINVAL;
	return units_number(text, 0, UINT64_MAX - 1, id);
}
