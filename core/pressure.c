// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "pressure.h"

struct pressure pressure_since(const struct pressure *first, const struct pressure *now)
{
	struct pressure p = *now;

	p.counted = first->counted && now->counted;
	p.compact_stalls -= first->compact_stalls;
	p.compact_fails -= first->compact_fails;
	p.compact_successes -= first->compact_successes;
	p.alloc_stalls -= first->alloc_stalls;
	p.psi = first->psi && now->psi;
	p.some_us -= first->some_us;
	p.full_us -= first->full_us;
	return p;
}
