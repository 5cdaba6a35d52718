/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Whether a file is one of the limited driver's devices: for programs only. */
#ifndef PINLEAK_BPF_WHOSE_H
#define PINLEAK_BPF_WHOSE_H

#include "kernel.h"
#include "quota.h"

#define S_IFMT	0170000
#define S_IFCHR 0020000

static __always_inline int is_code_of(const struct pl_quota *q, void *function)
{
	return (__u64)function >= q->text && (__u64)function < q->text_end;
}

/*
 * Of a driver that is not known yet, or was unloaded, no file is: code that is built in has no
 * module either. The file operations name their module. A framework's operations (V4L2's, say) name
 * the framework, and the character device its driver. Where a driver has forgotten to name itself,
 * the functions are in its code.
 */
static __always_inline int is_drivers(const struct pl_quota *q, struct file *file)
{
	struct file_operations *ops = (void *)BPF_CORE_READ(file, f_op);
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	struct module *owner;
	struct cdev *device;

	if (!q->module || !inode || (BPF_CORE_READ(inode, i_mode) & S_IFMT) != S_IFCHR)
		return 0;
	owner = BPF_CORE_READ(ops, owner);
	if (owner && (__u64)owner == q->module)
		return 1;
	device = BPF_CORE_READ(inode, i_cdev);
	if (device && (__u64)BPF_CORE_READ(device, owner) == q->module)
		return 1;
	return !owner && (is_code_of(q, BPF_CORE_READ(ops, unlocked_ioctl)) ||
			  is_code_of(q, BPF_CORE_READ(ops, write)) ||
			  is_code_of(q, BPF_CORE_READ(ops, write_iter)) ||
			  is_code_of(q, BPF_CORE_READ(ops, mmap)));
}

#endif
