/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Verdicts in systemd's journal, in fields of their own that can be asked for. */
#ifndef PINLEAK_JOURNAL_H
#define PINLEAK_JOURNAL_H

#include <jansson.h>
#include <stdbool.h>

/* Of each verdict; systemd/pinleak.catalog explains it. */
#define JOURNAL_VERDICT "d1ea9cd99c3d4ea19ba3d6ee842e9059"

/* Can this pinleak write to a journal at all? */
bool journal_known(void);

/* Does what we print go to the journal? Then verdicts belong there, too. */
bool journal_is_ours(void);

/* -errno; -ENOSYS: see above. */
int journal_verdict(const json_t *verdict);

#endif
