// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* usage: play FILE STEPS: a recording of the stage's session, of so many seconds. */
#include <stdio.h>
#include <stdlib.h>

#include "stage.h"

int main(int argc, char **argv)
{
	struct monitor_config config = monitor_defaults();
	struct render render = {.to = fopen("/dev/null", "w")};
	FILE *to = argc == 3 ? fopen(argv[1], "w") : NULL;
	struct stage s;
	int err;

	if (!to || !render.to)
		return 2;
	setvbuf(to, NULL, _IONBF, 0);
	config.track = TRACK_ALWAYS;
	config.grace_ns = config.few_ns = config.many_ns = 1000000000;
	stage_open(&s);
	err = stage_record(&s, strtoull(argv[2], NULL, 10), &config, to, &render);
	stage_close(&s);
	fclose(render.to);
	return fclose(to) || err;
}
