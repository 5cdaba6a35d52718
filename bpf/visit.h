/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The system call that a thread is in: for programs only. */
#ifndef PINLEAK_BPF_VISIT_H
#define PINLEAK_BPF_VISIT_H

#include "kernel.h"

/*
 * What user space had in its registers: number and arguments of the call, of 32-bit programs too.
 * It stays as it is until the call returns.
 */
static __always_inline __u64 visit_syscall(void)
{
#ifdef __TARGET_ARCH_x86
	struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());

	return BPF_CORE_READ(regs, orig_ax) * 31 ^ BPF_CORE_READ(regs, di) << 1 ^
	       BPF_CORE_READ(regs, si) << 7 ^ BPF_CORE_READ(regs, bx) << 13 ^
	       BPF_CORE_READ(regs, cx) << 17;
#else
	return 0;
#endif
}

#endif
