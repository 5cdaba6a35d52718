/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* How bad a leak is: by the share of the memory that is lost, and the time that is left. */
#ifndef PINLEAK_CORE_SEVERITY_H
#define PINLEAK_CORE_SEVERITY_H

#include <stdbool.h>
#include <stdint.h>

enum severity { SEVERITY_INFO, SEVERITY_WARNING, SEVERITY_CRITICAL };
const char *severity_name(enum severity s);

#define SEVERITY_CRITICAL_SHARE 0.1   /* lost, of all memory: that much, or more */
#define SEVERITY_CRITICAL_S	86400 /* left: less seconds than that */
#define SEVERITY_INFO_SHARE	1e-4  /* lost: less than that, and at rest */

struct severity_case {
	uint64_t bytes;	       /* lost */
	uint64_t memory_total; /* bytes; 0: not known */
	double left_s;	       /* seconds, the low end of what is left; negative: not known */
	bool at_rest;	       /* nothing has been added for a while */
};

/* Lost bytes as a share of the memory; negative: not known. */
double severity_share(uint64_t bytes, uint64_t memory_total);

/* What is not known makes nothing better or worse. */
enum severity severity_of(const struct severity_case *c);

#endif
