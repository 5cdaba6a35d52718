// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "service.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/units.h"
#include "session.h"

#ifdef WITH_SYSTEMD
#include <systemd/sd-daemon.h>

void service_begin(struct service *s)
{
	uint64_t usec = 0;

	/* A wait may be over just before it is time: so it is half of the limit at most between
	 * two. */
	if (sd_watchdog_enabled(0, &usec) > 0)
		s->pause_ns = usec * 1000 / 4;
}

static void status_line(const struct conductor *c, char *out, size_t size)
{
	const struct sample *s = &c->last;
	uint32_t leaking = monitor_leaking(c->monitor);
	char pins[UNITS_ROOM], drivers[48] = "no driver leaks";

	if (leaking)
		snprintf(drivers, sizeof(drivers), "error 729: %" PRIu32 " driver%s leak%s",
			 leaking, leaking > 1 ? "s" : "", leaking > 1 ? "" : "s");
	snprintf(out, size, "level %s, %s pins outstanding, %s%s", level_name(c->level),
		 units_count(s->acquired - s->released, pins), drivers,
		 monitor_is_blind(c->monitor) ? ", tracking is not to be had" : "");
}

void service_looked(struct service *s, const struct conductor *c)
{
	char status[160];

	status_line(c, status, sizeof(status));
	sd_notifyf(0, "%sWATCHDOG=1\nSTATUS=%s", s->ready ? "" : "READY=1\n", status);
	s->ready = true;
	s->told_ns = session_now_ns();
}

void service_alive(struct service *s)
{
	if (!s->pause_ns || session_now_ns() - s->told_ns < s->pause_ns)
		return;
	sd_notify(0, "WATCHDOG=1");
	s->told_ns = session_now_ns();
}

void service_reloading(void)
{
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, session_now_ns() / 1000);
}

void service_reloaded(void)
{
	sd_notify(0, "READY=1");
}

void service_stopping(const struct service *s)
{
	if (s->ready)
		sd_notify(0, "STOPPING=1\nSTATUS=ending");
}

#else

/* clang-format off */
void service_begin(struct service *s) { s->pause_ns = 0; }
void service_looked(struct service *s, const struct conductor *c) { s->ready = c; }
void service_alive(struct service *s) { (void)s; }
void service_reloading(void) {}
void service_reloaded(void) {}
void service_stopping(const struct service *s) { (void)s; }
/* clang-format on */

#endif
