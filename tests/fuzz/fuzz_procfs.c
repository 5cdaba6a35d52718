// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* Files of /proc/PID: mount points and control groups have names that anybody may choose. */
#include <stdio.h>
#include <string.h>

#include "core/procfs.h"
#include "fuzz.h"

static const char *const seeds[] = {
	"22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
	"24 22 8:1 /home/ann /srv/ann rw master:1 - ext4 /dev/sda2 rw\n"
	"25 22 8:1 /home /home\\040of\\134all rw - ext4 /dev/sda2 rw\n",
	"26 22 8:1 /x\\04 /bound\\\n27 22 8:1 /x",
	"0::/user.slice/a b:c\n",
	"12:cpu,memory:/v1\n1:name=systemd:/x\n0::/unified\n",
	"::\n:memory:\n",
};

size_t fuzz_seed(unsigned nth, uint8_t *out, size_t room)
{
	return fuzz_text_seed(seeds, sizeof(seeds) / sizeof(*seeds), nth, out, room);
}

static void check_mounts(const char *text, size_t size)
{
	char out[PROCFS_PATH];

	memset(out, 1, sizeof(out));
	if (!procfs_mounted(text, 8U << 20 | 1, "/home/ann/file", out, size))
		FUZZ_CHECK(!strncmp(out, "/home/ann/file", size - 1));
	FUZZ_CHECK(memchr(out, '\0', size));
	FUZZ_CHECK(size == 1 || out[0] == '/');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), out[64];

	check_mounts(text, PROCFS_PATH);
	check_mounts(text, 5);
	check_mounts(text, 1);
	procfs_cgroup(text, out, sizeof(out));
	FUZZ_CHECK(memchr(out, '\0', sizeof(out)));
	procfs_cgroup(text, out, 1);
	FUZZ_CHECK(!out[0]);
	free(text);
	return 0;
}
