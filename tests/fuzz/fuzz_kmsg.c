// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* Lines of the kernel's log, which root may write, and drivers with what devices tell them. */
#include <stdio.h>
#include <string.h>

#include "core/kmsg.h"
#include "fuzz.h"

static const char *const seeds[] = {
	"12,345,6789012,c,caller=T1;leaky: \\x1b[31m \\x5c\n SUBSYSTEM=misc\n DEVICE=c10:125\n",
	"4,1,2,-;leaky_ioctl: 99999999999999999999 callbacks suppressed",
	"3,18446744073709551615,9,-; ? leaky_ioctl+0x12/0x40 [leaky]\n DEVICE=\n\n",
	"6,1,2;\\x\\x0\\x00",
};

size_t fuzz_seed(unsigned nth, uint8_t *out, size_t room)
{
	return fuzz_text_seed(seeds, sizeof(seeds) / sizeof(*seeds), nth, out, room);
}

static bool is_function(void *ctx, const char *name)
{
	(void)ctx;
	return name[0] == 'l';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"vivid", "leaky.0"}, *const devices[] = {"c10:125"};
	const struct kmsg_signs s = {"leaky", names, 2, devices, 1, is_function, NULL};
	struct kmsg_log log = {0};
	struct kmsg_record r;

	if (kmsg_parse((const char *)data, size, &r))
		return 0;
	FUZZ_CHECK(r.level < 8 && memchr(r.text, '\0', sizeof(r.text)));
	FUZZ_CHECK(memchr(r.device, '\0', sizeof(r.device)));
	kmsg_is_of(&r, &s);
	if (!kmsg_add(&log, &r) && !kmsg_add(&log, &r))
		FUZZ_CHECK(log.nr == 1 && log.lines[0].count == 2);
	kmsg_sort(&log);
	kmsg_free(&log);
	return 0;
}
