// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "klog.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define RECORD 8192 /* CONSOLE_EXT_LOG_MAX or PRINTKRB_RECORD_MAX: no record is longer */

/* Records come one for each read(); -EPIPE: some were overwritten, the next one is there. */
int klog_read(const struct kmsg_signs *signs, struct kmsg_log *log, uint64_t *lost, uint64_t *odd)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC), err = fd < 0 ? -errno : 0;
	char buffer[RECORD];
	uint64_t next = 0;

	*lost = *odd = 0;
	while (!err) {
		struct kmsg_record r;
		ssize_t n = read(fd, buffer, sizeof(buffer));

		if (n < 0 && (errno == EINTR || errno == EPIPE))
			continue;
		if (n <= 0) {
			err = n && errno != EAGAIN ? -errno : 0;
			break;
		}
		if (kmsg_parse(buffer, (size_t)n, &r)) {
			(*odd)++;
			continue;
		}
		if (next && r.seq > next)
			*lost += r.seq - next;
		next = r.seq + 1;
		if (kmsg_is_of(&r, signs))
			err = kmsg_add(log, &r);
	}
	if (fd >= 0)
		close(fd);
	return err;
}
