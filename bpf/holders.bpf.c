// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * Lists the files that are open or mapped anywhere on the machine, but for those that can hold
 * no page of anybody's memory: a file of a file system is only a name for pages of its own.
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "holders.h"
#include "kernel.h"

#define S_IFMT	 0170000
#define S_IFSOCK 0140000
#define S_IFLNK	 0120000
#define S_IFREG	 0100000
#define S_IFDIR	 0040000

#define S_PRIVATE 512	    /* include/linux/fs.h: the kernel's own inodes */
#define O_DIRECT  00040000  /* include/uapi/asm-generic/fcntl.h */
#define O_PATH	  010000000 /* a place, not an open file */

static __always_inline int is_plain(__u16 mode, __u32 inode_flags, __u32 flags)
{
	__u16 type = mode & S_IFMT;

	if (type == S_IFDIR || type == S_IFLNK || flags & O_PATH)
		return 1;
	/* Since 6.16 anonymous inodes are regular files by their mode (anon_inode_make_inode()). */
	return type == S_IFREG && !(inode_flags & S_PRIVATE) && !(flags & O_DIRECT);
}

static __always_inline void tell(struct seq_file *seq, struct task_struct *task, struct file *file,
				 __s32 fd)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	struct pl_open o = {.file = (__u64)file, .fd = fd};

	o.mode = BPF_CORE_READ(inode, i_mode);
	o.flags = BPF_CORE_READ(file, f_flags);
	if (is_plain(o.mode, BPF_CORE_READ(inode, i_flags), o.flags))
		return;
	o.ops = (__u64)BPF_CORE_READ(file, f_op);
	o.data = (__u64)BPF_CORE_READ(file, private_data);
	o.ino = BPF_CORE_READ(inode, i_ino);
	o.rdev = BPF_CORE_READ(inode, i_rdev);
	o.tgid = BPF_CORE_READ(task, tgid);
	o.start_ns = BPF_CORE_READ(leader, start_boottime);
	bpf_core_read(o.comm, sizeof(o.comm), &leader->comm);
	if ((o.mode & S_IFMT) == S_IFSOCK) {
		struct socket *socket = (struct socket *)o.data;
		struct sock *sock = BPF_CORE_READ(socket, sk);

		o.sock = (__u64)sock;
		o.family = BPF_CORE_READ(sock, __sk_common.skc_family);
	}
	bpf_seq_write(seq, &o, sizeof(o));
}

SEC("iter/task_file")
int open_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;

	if (task && file)
		tell(ctx->meta->seq, task, file, (__s32)ctx->fd);
	return 0;
}

SEC("iter/task_vma")
int mapped_files(struct bpf_iter__task_vma *ctx)
{
	struct task_struct *task = ctx->task;
	struct vm_area_struct *vma = ctx->vma;
	struct file *file;

	if (!task || !vma)
		return 0;
	file = vma->vm_file;
	if (file)
		tell(ctx->meta->seq, task, file, -1);
	return 0;
}

/* include/linux/sched.h; kernel threads that are idle have it too. */
#define TASK_UNINTERRUPTIBLE 0x2

__u32 in_call = 0; /* threads whose system call may hold pages until it returns */

/*
 * process_vm_readv() and process_vm_writev() hold the other's pages as they copy, without a file.
 * Direct I/O holds its pages as it waits, without being interrupted, also on files that do not
 * look like it: some file systems never buffer.
 */
static __always_inline int may_hold(struct task_struct *task)
{
	if (BPF_CORE_READ(task, flags) & PF_KTHREAD)
		return 0;
#ifdef __TARGET_ARCH_x86
	struct pt_regs *regs = (void *)bpf_task_pt_regs(task);
	__u64 nr = BPF_CORE_READ(regs, orig_ax);

	if (nr == 310 || nr == 311)
		return 1;
#endif
	return BPF_CORE_READ(task, __state) & TASK_UNINTERRUPTIBLE;
}

SEC("iter/task")
int waiting_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (task && may_hold(task))
		in_call++;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
