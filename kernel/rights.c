// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "rights.h"

#include <errno.h>
#include <linux/capability.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

static const unsigned char needed[] = {
	/* To load and attach programs, and walk page structures with them. */
	CAP_BPF,
	CAP_PERFMON,
	CAP_SYS_ADMIN,
	/* Addresses in /proc/kallsyms, the kernel's log; its code in /proc/kcore. */
	CAP_SYSLOG,
	CAP_SYS_RAWIO,
	/* Memory maps and open files of others; attaching in time. */
	CAP_SYS_PTRACE,
	CAP_DAC_READ_SEARCH,
	CAP_SYS_NICE,
	/* A history or recording in somebody's directory: SQLite gives its files to that owner. */
	CAP_DAC_OVERRIDE,
	CAP_CHOWN,
	CAP_FOWNER,
	/* A command that took too long, and has become somebody else; a port below 1024. */
	CAP_KILL,
	CAP_NET_BIND_SERVICE,
};

int rights_drop(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3] = {{0}};
	uint32_t keep[_LINUX_CAPABILITY_U32S_3] = {0};

	if (syscall(SYS_capget, &header, caps))
		return -errno;
	for (size_t i = 0; i < sizeof(needed); i++)
		keep[CAP_TO_INDEX(needed[i])] |= CAP_TO_MASK(needed[i]);
	for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		caps[i].effective &= keep[i];
		caps[i].permitted &= keep[i];
	}
	return syscall(SYS_capset, &header, caps) ? -errno : 0;
}
