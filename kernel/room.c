// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "room.h"

#define PART 8 /* of the pages get a record, on a machine that is not large */

uint32_t room_for_folios(uint64_t pages)
{
	uint64_t room = pages / PART;

	return (uint32_t)(room < ROOM_LEAST ? ROOM_LEAST : room > ROOM_MOST ? ROOM_MOST : room);
}
