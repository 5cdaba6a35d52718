// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * The end of a run as JUnit's XML, as Jenkins and GitLab read it: a test case for the command,
 * and one for each driver that was found to leak.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../core/gate.h"
#include "../core/units.h"
#include "render.h"

static void put_text(FILE *to, const char *text)
{
	char piece[UNITS_XML_ROOM];

	while (*text) {
		text += units_xml(text, piece);
		fputs(piece, to);
	}
}

static void put_command(FILE *to, char *const *command)
{
	char clean[1024];

	for (size_t i = 0; command[i]; i++) {
		units_clean(command[i], strlen(command[i]), clean, sizeof(clean));
		fputs(i ? " " : "", to);
		put_text(to, clean);
	}
}

/* <failure message="..."> or <error ...>, with the text in it. */
static void put_fault(FILE *to, const char *element, const char *message, const char *text)
{
	fprintf(to, "      <%s type=\"pinleak\" message=\"", element);
	put_text(to, message);
	fprintf(to, "\">");
	put_text(to, text);
	fprintf(to, "</%s>\n", element);
}

static bool has_failed(const struct report_run *run)
{
	return !run->trouble && (run->status || run->signal);
}

static void put_run(FILE *to, const struct report_run *run)
{
	char message[128];

	fprintf(to, "    <testcase classname=\"pinleak.run\" name=\"");
	put_command(to, run->command);
	fprintf(to, "\" time=\"%.3f\">\n", run->seconds);
	if (run->signal)
		snprintf(message, sizeof(message), "killed by signal %d (%s)", run->signal,
			 strsignal(run->signal));
	else
		snprintf(message, sizeof(message), "exit status %d", run->status);
	if (run->trouble)
		put_fault(to, "error", run->trouble, "");
	else if (has_failed(run))
		put_fault(to, "failure", message, "");
	fprintf(to, "    </testcase>\n");
}

static void put_leak(FILE *to, const struct gate_leak *l)
{
	const char *text = l->text ? l->text : "";
	char message[192], pins[UNITS_ROOM], bytes[UNITS_ROOM];

	fprintf(to, "    <testcase classname=\"pinleak.driver\" name=\"");
	put_text(to, l->driver);
	fprintf(to, "\" time=\"0.000\">\n");
	snprintf(message, sizeof(message), "error 729: %s %s leaked, %s (%s)",
		 units_count((int64_t)l->pins, pins), l->plain ? "references" : "pins",
		 units_bytes((double)l->bytes, bytes), evidence_name(l->evidence));
	if (!l->allowed) {
		put_fault(to, "failure", message, text);
	} else {
		fprintf(to, "      <system-out>allowed: ");
		put_text(to, message);
		fprintf(to, "\n");
		put_text(to, text);
		fprintf(to, "</system-out>\n");
	}
	fprintf(to, "    </testcase>\n");
}

void render_run_junit(const struct render *r, FILE *to, const struct report_run *run)
{
	size_t failures = has_failed(run);
	char time[32];

	for (size_t i = 0; i < run->gate->nr_leaks; i++)
		failures += !run->gate->leaks[i].allowed;
	render_time(r, run->now_ns, time);
	fprintf(to, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
	fprintf(to,
		"  <testsuite name=\"pinleak\" tests=\"%zu\" failures=\"%zu\" errors=\"%d\" "
		"skipped=\"0\" time=\"%.3f\" timestamp=\"%.19s\" hostname=\"",
		run->gate->nr_leaks + 1, failures, run->trouble != NULL, run->seconds, time);
	put_text(to, r->host);
	fprintf(to, "\">\n");
	put_run(to, run);
	for (size_t i = 0; i < run->gate->nr_leaks; i++)
		put_leak(to, &run->gate->leaks[i]);
	fprintf(to, "  </testsuite>\n</testsuites>\n");
}
