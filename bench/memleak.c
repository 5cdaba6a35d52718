// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* Attaches the programs of memleak.bpf.c, says so, and holds them until it is ended. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "memleak.skel.h"

int main(void)
{
	struct memleak_bpf *skel = memleak_bpf__open_and_load();

	signal(SIGINT, SIG_DFL); /* a shell ignores it for what runs in the background */
	if (!skel || memleak_bpf__attach(skel)) {
		fprintf(stderr, "memleak: the programs cannot be loaded and attached\n");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}
