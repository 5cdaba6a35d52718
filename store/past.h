/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Reading a history: what `pinleak report --json` prints, see docs/pinleak.schema.json. */
#ifndef PINLEAK_STORE_PAST_H
#define PINLEAK_STORE_PAST_H

#include <jansson.h>
#include <stdint.h>

#include "history.h"

#define PAST_INCIDENTS 200 /* told of a history, the newest */
#define PAST_EVENTS    200 /* of a kind, the newest */
#define PAST_POINTS    400 /* over the time that is looked at, about */

/* All that there is since a time in ms, as one object of type "history". -ENOMEM, -EBADMSG. */
int past_history(sqlite3 *sql, int64_t since, json_t **out) __attribute__((warn_unused_result));

/* One incident with verdict and course, of type "incident"; id 0: the last. -ENOENT, as above. */
int past_incident(sqlite3 *sql, int64_t id, json_t **out) __attribute__((warn_unused_result));

#endif
