/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The few kernel types the programs read, for CO-RE: only names and members matter,
 * the offsets come from the running kernel's BTF. Newest kernel first where they differ.
 */
#ifndef PINLEAK_BPF_KERNEL_H
#define PINLEAK_BPF_KERNEL_H

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef unsigned short umode_t;
typedef __u32 kdev_t;

struct mm_struct;

struct module {
	char name[56];
	const char *srcversion;
};

struct pcpu_hot {
	int preempt_count;
};

struct cdev {
	struct module *owner;
};

struct inode {
	umode_t i_mode;
	unsigned int i_flags;
	unsigned long i_ino;
	kdev_t i_rdev;
	struct cdev *i_cdev; /* of a character device that was opened */
};

struct file_operations {
	struct module *owner;
	void *write;
	void *write_iter;
	void *unlocked_ioctl;
	void *mmap;
};

struct file {
	const struct file_operations *f_op;
	void *private_data;
	struct inode *f_inode;
	unsigned int f_flags;
};

struct vm_area_struct {
	unsigned long vm_start;
	struct file *vm_file;
};

struct sock_common {
	unsigned short skc_family;
};

struct sock {
	struct sock_common __sk_common;
};

struct socket {
	struct sock *sk;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct thread_info {
	__u32 status; /* x86: TS_COMPAT during a 32-bit system call */
};

struct task_struct {
	struct thread_info thread_info;
	unsigned int __state; /* since 5.14 */
	unsigned int flags;
	int pid;
	int tgid;
	struct task_struct *group_leader;
	__u64 start_boottime;
	char comm[16];
	struct files_struct *files;
	struct mm_struct *mm;
};

struct mm_struct {
	struct task_struct *owner; /* CONFIG_MEMCG */
	struct {
		long counter;
	} pinned_vm;
	unsigned long locked_vm;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

struct bpf_iter__task_vma {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct vm_area_struct *vma;
};

#ifdef __TARGET_ARCH_x86
struct pt_regs {
	unsigned long r9;
	unsigned long r8;
	unsigned long ax;
	unsigned long bx;
	unsigned long cx;
	unsigned long dx;
	unsigned long si;
	unsigned long di;
	unsigned long orig_ax;
};
#endif

#pragma clang attribute pop

#define PF_EXITING     0x00000004
#define PF_IO_WORKER   0x00000010 /* include/linux/sched.h */
#define PF_USER_WORKER 0x00004000 /* since 6.4 */
#define PF_KTHREAD     0x00200000
#define SETSOCKOPT     54 /* __NR_setsockopt of x86-64 */
#define CAP_IPC_LOCK   14
#define TS_COMPAT      0x0002 /* arch/x86/include/asm/thread_info.h */

#endif
