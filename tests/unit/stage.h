/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * A session that plays by itself, for what records and replays: a source without a kernel. Drivers
 * leak, release wrongly and leave references behind; books come, change their order, and go.
 */
#ifndef PINLEAK_TESTS_STAGE_H
#define PINLEAK_TESTS_STAGE_H

#include "core/conductor.h"
#include "render/render.h"
#include "store/recording.h"

#define STAGE_PAGES 24
#define STAGE_SITES 3

struct stage {
	uint64_t looks; /* so far; each takes a second */
	enum level level;
	enum level refused; /* this level and those above cannot be had; 0: all can */
	uint64_t fails_at;  /* this look fails; 0: none does */
	uint64_t look_out_fails_at;
	struct sample sample;
	struct snapshot books;
	struct snap_page pages[STAGE_PAGES];
	struct snap_owner owners[2];
	struct snap_site site_room[STAGE_SITES];
	struct snap_site *sites[STAGE_SITES];
	struct snap_failure failures[1];
	struct snap_unload unloads[1];
	struct snap_wrong wrongs[1];
	struct modgraph modules;
	char names[2][16]; /* of the modules' users */
};

extern const struct source stage_source; /* its context: a struct stage */

void stage_open(struct stage *s);
void stage_close(struct stage *s);

/* What watch and replay do: so many steps, and a last look; or until an error. */
int stage_play(const struct source *source, void *ctx, uint64_t steps,
	       const struct monitor_config *config, const struct reporter *to,
	       struct render *render);

/* Records a session to a file that is not buffered, and prints it. The first error of either. */
int stage_record(struct stage *s, uint64_t steps, const struct monitor_config *config, FILE *to,
		 struct render *render);

#endif
