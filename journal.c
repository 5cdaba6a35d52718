// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#define SD_JOURNAL_SUPPRESS_LOCATION
#include "journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "core/errors.h"
#include "core/units.h"

#ifdef WITH_SYSTEMD
#include <systemd/sd-journal.h>

bool journal_known(void)
{
	return true;
}

static bool is_stream(int fd, uint64_t dev, uint64_t ino)
{
	struct stat s;

	return !fstat(fd, &s) && s.st_dev == dev && s.st_ino == ino;
}

bool journal_is_ours(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uint64_t dev, ino;

	return stream && sscanf(stream, "%" SCNu64 ":%" SCNu64, &dev, &ino) == 2 &&
	       (is_stream(STDOUT_FILENO, dev, ino) || is_stream(STDERR_FILENO, dev, ino));
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static int priority(const char *severity)
{
	if (!strcmp(severity, "critical"))
		return LOG_CRIT;
	return !strcmp(severity, "warning") ? LOG_WARNING : LOG_NOTICE;
}

static void message(const json_t *v, char *out, size_t size)
{
	const struct error_info *e = error_by_code(ERROR_DRIVERS_LEAKING_LOCKED_PAGES);
	const json_t *driver = json_object_get(v, "driver");
	char bytes[UNITS_ROOM];

	units_bytes((double)json_integer_value(json_object_get(v, "bytes")), bytes);
	snprintf(out, size, "error %u %s%s: %s %s leaked %s (%s, %s)", e->code, e->name,
		 json_is_true(json_object_get(v, "update")) ? " goes on" : "",
		 text_of(driver, "kind"), text_of(driver, "name"), bytes, text_of(v, "evidence"),
		 text_of(v, "severity"));
}

int journal_verdict(const json_t *v)
{
	const json_t *driver = json_object_get(v, "driver");
	char said[512], *text = json_dumps(v, JSON_COMPACT | JSON_REAL_PRECISION(6));
	int err;

	if (!text)
		return -ENOMEM;
	message(v, said, sizeof(said));
	err = sd_journal_send("MESSAGE_ID=" JOURNAL_VERDICT, "MESSAGE=%s", said, "PRIORITY=%d",
			      priority(text_of(v, "severity")), "PINLEAK_CODE=%d",
			      ERROR_DRIVERS_LEAKING_LOCKED_PAGES, "PINLEAK_DRIVER=%s",
			      text_of(driver, "name"), "PINLEAK_EVIDENCE=%s",
			      text_of(v, "evidence"), "PINLEAK_SEVERITY=%s", text_of(v, "severity"),
			      "PINLEAK_JSON=%s", text, NULL);
	free(text);
	return err;
}

#else

/* clang-format off */
bool journal_known(void) { return false; }
bool journal_is_ours(void) { return false; }
int journal_verdict(const json_t *v) { return v ? -ENOSYS : -EINVAL; }
/* clang-format on */

#endif
