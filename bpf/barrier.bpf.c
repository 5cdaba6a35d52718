// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * Programs that refuse calls on the device files of a driver that holds as many pins as it may.
 *
 * How many those are, pinleak.bpf.c counts. A call is asked about before the driver sees it, so
 * what the call would take is not known: it is let through as long as the limit is not reached, and
 * beyond it unless calls of its kind are known to pin and not to release. That, too, pinleak.bpf.c
 * learns: each call is noted here for it. Whatever is not sure lets the call through. close(),
 * munmap() and read() have no program.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "folio.h"
#include "kernel.h"
#include "tables.h"
#include "visit.h"
#include "whose.h"

#define ENOMEM	  12
#define MAY_WRITE 0x00000002 /* include/linux/fs.h */
#define CHECK_NS  1000000000ULL
#define FIONBIO	  0x5421 /* include/uapi/asm-generic/ioctls.h */
#define FIONCLEX  0x5450
#define FIOCLEX	  0x5451

const volatile __u32 nr_cgroups = 0;
const volatile __u8 writes_allowed = 0; /* by the operator, whatever they are seen to do */

__u32 own_pid = 0; /* of the process that the limit goes with; 0: with none */
__u32 trial = 0;   /* this process is refused everything: its calls show whether the programs run */

/* What is exempt, and for ioctls enum pl_order. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PL_EXEMPTIONS);
	__type(key, __u32);
	__type(value, __u8);
} pids SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PL_EXEMPTIONS);
	__type(key, struct pl_command);
	__type(value, __u8);
} commands SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PL_EXEMPTIONS);
	__type(key, __u32);
	__type(value, __u8);
} ioctls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
	__uint(max_entries, PL_CGROUPS);
	__type(key, __u32);
	__type(value, __u32);
} cgroups SEC(".maps");

/* ---- who is asking -------------------------------------------------------------------- */

static __always_inline int is_exempt(struct task_struct *leader, __u32 tgid)
{
	struct pl_command command = {};

	if (bpf_map_lookup_elem(&pids, &tgid))
		return 1;
	bpf_probe_read_kernel_str(command.comm, sizeof(command.comm), leader->comm);
	if (bpf_map_lookup_elem(&commands, &command))
		return 1;
	for (__u32 i = 0; i < PL_CGROUPS; i++) {
		if (i >= nr_cgroups)
			break;
		if (bpf_current_task_under_cgroup(&cgroups, i) == 1)
			return 1;
	}
	return 0;
}

static __always_inline void note(struct pl_quota *q, struct file *file, struct task_struct *leader,
				 __u32 tgid, __u32 call, __u32 command)
{
	struct pl_crossing fresh = {.count = 1}, *known;
	__u64 start_ns = BPF_CORE_READ(leader, start_boottime);
	__u64 key = start_ns << 24 ^ (__u64)tgid << 2 ^ call;

	__sync_fetch_and_add(&q->refused, 1);
	known = bpf_map_lookup_elem(&crossings, &key);
	if (known) {
		known->last_ns = bpf_ktime_get_ns();
		known->pins = q->pins;
		known->command = command;
		__sync_fetch_and_add(&known->count, 1);
		return;
	}
	fresh.first_ns = fresh.last_ns = bpf_ktime_get_ns();
	fresh.start_ns = start_ns;
	fresh.pins = q->pins;
	fresh.tgid = tgid;
	fresh.rdev = BPF_CORE_READ(file, f_inode, i_rdev);
	fresh.command = command;
	fresh.call = call;
	bpf_probe_read_kernel_str(fresh.comm, sizeof(fresh.comm), leader->comm);
	bpf_map_update_elem(&crossings, &key, &fresh, BPF_ANY);
}

/* do_vfs_ioctl() answers these itself: they are about the descriptor, and no driver sees them. */
static __always_inline int is_of_descriptor(__u32 command)
{
	return command == FIONBIO || command == FIONCLEX || command == FIOCLEX;
}

/* ---- what is asked -------------------------------------------------------------------- */

static __always_inline void note_visit(const struct pl_kind *kind)
{
	struct pl_visit fresh = {.kind = *kind, .syscall = visit_syscall()}, *known;
	__u32 tid = bpf_get_current_pid_tgid();

	known = bpf_map_lookup_elem(&visits, &tid);
	if (known)
		*known = fresh;
	else
		bpf_map_update_elem(&visits, &tid, &fresh, BPF_ANY);
}

/* A kind of call that also releases is let through: a release is never refused. */
static __always_inline int may_be_refused(const struct pl_kind *kind)
{
	struct pl_habit *habit = bpf_map_lookup_elem(&habits, kind);
	__u32 command = kind->command;
	__u8 *order = kind->call == PL_CALL_IOCTL ? bpf_map_lookup_elem(&ioctls, &command) : 0;

	if (order)
		return *order == PL_REFUSE;
	if (writes_allowed && kind->call == PL_CALL_WRITE)
		return 0;
	return habit && habit->pinned && !habit->released;
}

/* ---- is it so? ------------------------------------------------------------------------ */

/* As quota_check() in pinleak.bpf.c: the driver has no more pins on a folio than the folio has. */
static long check_share(void *map, __u64 *folio, __u32 *share, struct pl_quota **quota)
{
	struct pl_page *p = bpf_map_lookup_elem(&pages, folio);
	struct pl_quota *q = *quota;
	__s32 pins;

	if (!q || !p || __sync_val_compare_and_swap(&p->lock, 0, 1))
		return 0;
	pins = folio_pincount(*folio);
	pins = pins > 0 ? pins : 0;
	if (p->folio == *folio && *share > (__u32)pins) {
		__sync_fetch_and_add(&q->pins, (__s64)pins - (__s64)*share);
		*share = pins;
	}
	__sync_val_compare_and_swap(&p->lock, 1, 0);
	return 0;
}

/*
 * Nobody looks after a limit that is kept, and a release that no hook saw would count for ever. So
 * whoever is to be refused compares the count with the pages first, as often as a look would.
 */
static __noinline int is_reached(struct pl_quota *q)
{
	__u64 now = bpf_ktime_get_ns(), last;

	if (!q)
		return 0;
	last = q->alive_ns;
	if (!q->kept)
		return now <= last + q->stale_ns;
	if (now > last + CHECK_NS && __sync_val_compare_and_swap(&q->alive_ns, last, now) == last)
		bpf_for_each_map_elem(&shares, check_share, &q, 0);
	return q->pins >= q->limit;
}

/* ---- the answer ----------------------------------------------------------------------- */

static __noinline int answer(struct file *file, __u32 call, __u32 command)
{
	struct task_struct *leader, *task = bpf_get_current_task_btf();
	__u32 tgid = bpf_get_current_pid_tgid() >> 32, zero = 0;
	struct pl_quota *q = bpf_map_lookup_elem(&quotas, &zero);
	struct pl_kind kind = {.call = call, .command = command};

	if (!q || !file)
		return 0;
	if (trial && trial == tgid)
		return -ENOMEM;
	if (!is_drivers(q, file) || (call == PL_CALL_IOCTL && is_of_descriptor(command)))
		return 0;
	kind.ops = (__u64)BPF_CORE_READ(file, f_op);
	note_visit(&kind);
	/* When nobody corrects the count any more, nobody is refused for it. */
	if (q->pins < q->limit || !may_be_refused(&kind) || !is_reached(q))
		return 0;
	leader = BPF_CORE_READ(task, group_leader);
	if (is_exempt(leader, tgid))
		return 0;
	note(q, file, leader, tgid, call, command);
	return -ENOMEM;
}

/* file_ioctl(file, command, argument), file_permission(file, mask), mmap_file(file, ...) */
#define IOCTL(sec, name)                                                                           \
	SEC(sec)                                                                                   \
	int name(__u64 *ctx)                                                                       \
	{                                                                                          \
		return answer((struct file *)ctx[0], PL_CALL_IOCTL, ctx[1]);                       \
	}

#define WRITE(sec, name)                                                                           \
	SEC(sec)                                                                                   \
	int name(__u64 *ctx)                                                                       \
	{                                                                                          \
		return ctx[1] & MAY_WRITE ? answer((struct file *)ctx[0], PL_CALL_WRITE, 0) : 0;   \
	}

#define MMAP(sec, name)                                                                            \
	SEC(sec)                                                                                   \
	int name(__u64 *ctx)                                                                       \
	{                                                                                          \
		return answer((struct file *)ctx[0], PL_CALL_MMAP, 0);                             \
	}

IOCTL("lsm/file_ioctl", lsm_ioctl)
IOCTL("lsm/file_ioctl_compat", lsm_ioctl_compat) /* since 6.8, and in 6.1.76 */
WRITE("lsm/file_permission", lsm_write)
MMAP("lsm/mmap_file", lsm_mmap)

IOCTL("fmod_ret/security_file_ioctl", modify_ioctl)
IOCTL("fmod_ret/security_file_ioctl_compat", modify_ioctl_compat)
WRITE("fmod_ret/security_file_permission", modify_write)
MMAP("fmod_ret/security_mmap_file", modify_mmap)

/* ---- the end -------------------------------------------------------------------------- */

/*
 * do_exit() comes here long before the last program has been detached: the files, one of them for
 * each hook, are closed one after the other.
 */
SEC("tp_btf/sched_process_exit")
int limiter_exits(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	__u32 pid = BPF_CORE_READ(task, pid), zero = 0;
	struct pl_quota *q = bpf_map_lookup_elem(&quotas, &zero);

	if (q && own_pid && pid == own_pid)
		q->alive_ns = q->stale_ns = 0;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
