// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "errors.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct error_info table[] = {
	{
		.code = ERROR_FILE_NOT_FOUND,
		.kind = "error",
		.name = "ERROR_FILE_NOT_FOUND",
		.message = "Something pinleak was told to use is not there.",
		.text = "A file, driver or device node that was named does not exist, or a file cannot\n"
			"be read or written. Check the spelling. pinleak ends with exit status 2.\n",
	},
	{
		.code = ERROR_INVALID_PARAMETER,
		.kind = "error",
		.name = "ERROR_INVALID_PARAMETER",
		.message = "An option, number or name given to pinleak makes no sense.",
		.text = "An unknown command or option, or a value out of range: an interval of zero,\n"
			"or the number of a process that is not there. `pinleak COMMAND --help` tells\n"
			"what is accepted. pinleak ends with exit status 2 and has done nothing.\n",
	},
	{
		.code = ERROR_INSUFFICIENT_BUFFER,
		.kind = "error",
		.name = "ERROR_INSUFFICIENT_BUFFER",
		.message =
			"A table or buffer of pinleak was too small, so something was not recorded.",
		.text = "A tracking table filled up, or a stack was deeper than the frames kept. How\n"
			"much was lost, and where, stands in the loss line (\"loss\" in JSON). What is\n"
			"reported stays true, but it may be less than the whole: a verdict built on\n"
			"incomplete data says so. When the table of folios is full, one in two of\n"
			"them is recorded, then one in four: a leak is still seen, later and in part.\n"
			"Give `pinleak watch` a larger --table-size.\n",
	},
	{
		.code = ERROR_DRIVERS_LEAKING_LOCKED_PAGES,
		.kind = "error",
		.name = "ERROR_DRIVERS_LEAKING_LOCKED_PAGES",
		.ntstatus = "0x4000002D",
		.message =
			"A device driver locks pages of memory for I/O and does not release them; tracking was switched on and has found it.",
		.text = "A driver pinned pages (pin_user_pages and its siblings) and nothing that could\n"
			"still release them is left: the file was closed, the process is gone, the\n"
			"module was unloaded, or the call that pinned them failed. Each page was read\n"
			"again just before: it is still pinned. Such memory can be neither swapped,\n"
			"moved nor freed, and is lost until the next boot.\n"
			"\n"
			"The evidence, strongest first:\n"
			"  unloaded     the module that took the pins is no longer loaded\n"
			"  orphaned     the file is released and the process gone\n"
			"  abandoned    the file is released, the process lives\n"
			"  error-left   the call failed and left pins behind\n"
			"With \"wrong-release\" no pins are proved lost: the driver released pins that\n"
			"were not there, which takes references from under others.\n"
			"\n"
			"What to do: report it to the driver's maintainer with the call path shown; stop\n"
			"the load that goes through it, or use another version of the driver; plan a\n"
			"reboot for when the forecast says memory ends. `pinleak census` shows all that\n"
			"is pinned now, also from before anybody watched. pinleak ends with exit\n"
			"status 1, `pinleak run` with 99.\n",
	},
	{
		.code = 0x76,
		.kind = "bug check",
		.name = "PROCESS_HAS_LOCKED_PAGES",
		.message =
			"A process ended and pages of it stayed locked; the driver is not known.",
		.text = "There: Windows stops the machine when an exiting process leaves locked pages\n"
			"and tracking is off. With parameter 1 set to 1: a driver unlocks pages that\n"
			"are not locked.\n"
			"Here: `pinleak watch --track never` sees the same from the kernel's counters\n"
			"alone (\"suspicion\"), names no driver, and stops nothing. `pinleak census`\n"
			"finds the pages afterwards (\"orphaned\").\n",
	},
	{
		.code = 0xCB,
		.kind = "bug check",
		.name = "DRIVER_LEFT_LOCKED_PAGES_IN_PROCESS",
		.message =
			"A process ended, a driver left pages of it locked, and its name is known.",
		.text = "There: the same as 0x76 with lock tracking on; the machine stops and shows the\n"
			"driver.\n"
			"Here: the verdict with evidence \"orphaned\" (error 729): driver, call path and\n"
			"process, from `pinleak watch`. The machine goes on.\n",
	},
	{
		.code = 0xD9,
		.kind = "bug check",
		.name = "LOCKED_PAGES_TRACKER_CORRUPTION",
		.message = "The books of the lock tracking itself do not balance.",
		.text = "There: Windows finds its own list of locked pages corrupt and stops.\n"
			"Here: pinleak compares every pin its hooks saw with the kernel's counters.\n"
			"When they differ it says by how much, steps to the deep level, and refuses a\n"
			"verdict that the difference could explain.\n",
	},
	{0},
};

const struct error_info *error_table(void)
{
	return table;
}

const struct error_info *error_by_code(uint32_t code)
{
	for (const struct error_info *e = table; e->name; e++)
		if (e->code == code)
			return e;
	return NULL;
}

const struct error_info *error_find(const char *what)
{
	char *end;
	unsigned long long n;

	for (const struct error_info *e = table; e->name; e++)
		if (!strcasecmp(e->name, what) || (e->ntstatus && !strcasecmp(e->ntstatus, what)))
			return e;
	if (what[0] < '0' || what[0] > '9')
		return NULL;
	/* Not base 0: a leading zero is no octal number to anybody who reads error codes. */
	n = strtoull(what, &end, !strncasecmp(what, "0x", 2) ? 16 : 10);
	return *end || n > UINT32_MAX ? NULL : error_by_code((uint32_t)n);
}
