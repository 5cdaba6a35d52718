// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "severity.h"

const char *severity_name(enum severity s)
{
	static const char *const names[] = {"info", "warning", "critical"};

	return names[s];
}

double severity_share(uint64_t bytes, uint64_t memory_total)
{
	return memory_total ? (double)bytes / (double)memory_total : -1;
}

enum severity severity_of(const struct severity_case *c)
{
	double share = severity_share(c->bytes, c->memory_total);

	if (share >= SEVERITY_CRITICAL_SHARE || (c->left_s >= 0 && c->left_s < SEVERITY_CRITICAL_S))
		return SEVERITY_CRITICAL;
	if (c->at_rest && share >= 0 && share < SEVERITY_INFO_SHARE)
		return SEVERITY_INFO;
	return SEVERITY_WARNING;
}
