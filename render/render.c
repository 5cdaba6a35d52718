// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "render.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "../core/errors.h"
#include "../core/units.h"

#define NS_PER_S 1000000000LL

static int64_t clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* False: they are not exact, as something else ran between the clocks. */
static bool read_offsets(int64_t *real, int64_t *boot)
{
	int64_t before = clock_ns(CLOCK_MONOTONIC), after;

	*real = clock_ns(CLOCK_REALTIME);
	*boot = clock_ns(CLOCK_BOOTTIME);
	after = clock_ns(CLOCK_MONOTONIC);
	*real -= before;
	*boot -= before;
	return after - before < RENDER_DRIFT / 10;
}

static bool differs(int64_t a, int64_t b)
{
	return a - b >= RENDER_DRIFT || b - a >= RENDER_DRIFT;
}

bool render_set_clock(struct render *r, int64_t *step)
{
	int64_t real, boot;

	if (!read_offsets(&real, &boot) || !differs(real, r->real_offset))
		return false;
	if (step)
		*step = real - r->real_offset - (boot - r->boot_offset);
	r->real_offset = real;
	r->boot_offset = boot;
	return true;
}

void render_here(struct render *r, FILE *to)
{
	const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
	struct utsname u;

	*r = (struct render){.to = to};
	uname(&u);
	units_clean(u.nodename, sizeof(u.nodename), r->host, sizeof(r->host));
	units_clean(u.release, sizeof(u.release), r->kernel, sizeof(r->kernel));
	read_offsets(&r->real_offset, &r->boot_offset);
	r->colour = isatty(fileno(to)) && !(no_colour && *no_colour) && term &&
		    strcmp(term, "dumb") != 0;
}

void render_time(const struct render *r, uint64_t now_ns, char *out)
{
	render_real_time((int64_t)now_ns + r->real_offset, out);
}

void render_real_time(int64_t real, char *out)
{
	time_t seconds = real / NS_PER_S;
	struct tm tm;
	size_t n;

	gmtime_r(&seconds, &tm);
	n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, 32 - n, ".%03dZ", (int)(real % NS_PER_S / 1000000));
}

void render_clock(const struct render *r, uint64_t now_ns, char *out)
{
	time_t seconds = ((int64_t)now_ns + r->real_offset) / NS_PER_S;
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(out, RENDER_CLOCK, "%H:%M:%S", &tm);
}

int64_t render_real_offset(void)
{
	return clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
}

void render_driver(const struct blame *b, char *out, size_t size)
{
	char name[PL_SYM];

	units_clean(b->driver, sizeof(b->driver), name, sizeof(name));
	if (b->kind == BLAME_UNKNOWN)
		snprintf(out, size, "an unknown driver");
	else
		snprintf(out, size, "%s %s%s", blame_kind_name(b->kind), name,
			 b->guess ? " (a guess by its symbols)" : "");
}

size_t render_stack(const struct pl_site *site, char (*frames)[RENDER_FRAME])
{
	char symbol[PL_SYM], module[MODGRAPH_NAME];
	size_t n = 0;

	for (uint32_t i = 0; i < site->nr && i < PL_FRAMES; i++) {
		if (!blame_frame(site->sym[i], symbol, module))
			continue;
		snprintf(frames[n], RENDER_FRAME, module[0] ? "%s [%s]" : "%s", symbol, module);
		/* A hooked function appears twice: its call of the trampoline, and its body. */
		n += !n || strcmp(frames[n - 1], frames[n]) != 0;
	}
	return n;
}

const struct snap_driver *render_module(const struct finding *f)
{
	if (f->nr_sites)
		return &f->sites[0].site->driver;
	for (size_t i = 0; i < f->nr_releases; i++)
		if (f->releases[i].site)
			return &f->releases[i].site->driver;
	return NULL;
}

bool render_node(const struct snap_owner *o, char *out, size_t size)
{
	char name[sizeof(o->node)];

	units_clean(o->node, sizeof(o->node), name, sizeof(name));
	snprintf(out, size, "/dev/%s", name);
	return o->node[0];
}

void render_error(const struct render *r, uint32_t code)
{
	const struct error_info *e = error_by_code(code);

	fprintf(r->to, "%serror %u (0x%X) %s%s\n", r->colour ? RENDER_RED : "", e->code, e->code,
		e->name, r->colour ? RENDER_PLAIN : "");
}

void render_wrap_after(FILE *to, int indent, const char *label, const char *text)
{
	int column = 0;

	while (*text) {
		int word = (int)strcspn(text, " ");

		if (column && column + 1 + word > 79) {
			fputc('\n', to);
			column = 0;
			label = "";
		}
		column += column ? fprintf(to, " %.*s", word, text)
				 : fprintf(to, "%-*s%.*s", indent, label, word, text);
		text += word + (text[word] == ' ');
	}
	fputc('\n', to);
}

void render_wrap(FILE *to, int indent, const char *text)
{
	render_wrap_after(to, indent, "", text);
}
