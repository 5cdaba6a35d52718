// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* playing FILE LOOKS: records the play of stage.c, tracked from the beginning. */
#include <stdlib.h>

#include "stage.h"

int main(int argc, char **argv)
{
	struct monitor_config config = monitor_defaults();
	struct render render = {.to = fopen("/dev/null", "we")};
	struct stage s;
	FILE *to = argc == 3 ? fopen(argv[1], "we") : NULL;
	int err;

	if (!to || !render.to)
		return 2;
	setvbuf(to, NULL, _IONBF, 0);
	config.track = TRACK_ALWAYS;
	config.grace_ns = config.few_ns = config.many_ns = 1000000000;
	stage_open(&s);
	err = stage_record(&s, strtoul(argv[2], NULL, 10), &config, to, &render);
	stage_close(&s);
	fclose(render.to);
	return fclose(to) || err;
}
