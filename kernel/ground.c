// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "ground.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "ksyms.h"
#include "sysfs.h"
#include "vmstat.h"

static bool has_capability(const struct __user_cap_data_struct *caps, unsigned cap)
{
	return caps[cap / 32].effective >> (cap % 32) & 1;
}

static bool may_trace(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[2] = {{0}};

	if (syscall(SYS_capget, &header, caps))
		return false;
	return has_capability(caps, CAP_SYS_ADMIN) ||
	       (has_capability(caps, CAP_BPF) && has_capability(caps, CAP_PERFMON));
}

/* "none [integrity] confidentiality": the one in brackets holds. */
static void read_lockdown(char *out, size_t size)
{
	char line[128], *open, *close;

	out[0] = '\0';
	if (!sysfs_line("/sys/kernel/security/lockdown", line, sizeof(line)))
		return;
	open = strchr(line, '[');
	close = open ? strchr(open, ']') : NULL;
	if (close)
		snprintf(out, size, "%.*s", (int)(close - open - 1), open + 1);
}

/* r0 = 0; exit: the smallest program, on a function every kernel has. */
static int try_tracing(void)
{
	static const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_FEXIT);
	struct btf *btf = btf__load_vmlinux_btf();
	int id, fd, err;

	if (!btf)
		return -errno;
	id = btf__find_by_name_kind(btf, "unpin_user_pages", BTF_KIND_FUNC);
	btf__free(btf);
	if (id < 0)
		return id;
	opts.attach_btf_id = (__u32)id;
	fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "pinleak_try", "Dual BSD/GPL", insns,
			   sizeof(insns) / sizeof(*insns), &opts);
	err = fd < 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return err;
}

static void obstacle(struct ground *g, const char *why, const char *todo)
{
	if (g->why[0])
		return;
	snprintf(g->why, sizeof(g->why), "%s", why);
	snprintf(g->todo, sizeof(g->todo), "%s", todo);
}

static void survey_tracing(struct ground *g)
{
	char why[sizeof(g->why)];
	int err = try_tracing();

	g->tracing = !err;
	if (!err)
		return;
	snprintf(why, sizeof(why), "the kernel refuses tracing programs: %s%s%s%s", strerror(-err),
		 g->lockdown[0] ? " (lockdown: " : "", g->lockdown, g->lockdown[0] ? ")" : "");
	obstacle(g, why,
		 strcmp(g->lockdown, "confidentiality") != 0
			 ? "run outside of containers and sandboxes; CONFIG_FUNCTION_TRACER is "
			   "needed"
			 : "boot with lockdown=integrity or less");
}

void ground_survey(struct ground *g)
{
	struct vmstat *counters;
	struct utsname u;

	*g = (struct ground){0};
	uname(&u);
	snprintf(g->release, sizeof(g->release), "%s", u.release);
	read_lockdown(g->lockdown, sizeof(g->lockdown));
	g->counters = !vmstat_open(&counters);
	if (g->counters)
		vmstat_close(counters);
	g->root = may_trace();
	g->btf = !access("/sys/kernel/btf/vmlinux", R_OK);
	g->symbols = ksyms_shown();
	g->first_pids = sysfs_sees_all_processes();
	if (!g->counters)
		obstacle(g, "/proc/vmstat has no nr_foll_pin_acquired: the kernel counts no pins",
			 "use Linux 5.7 or later");
	if (!g->root)
		obstacle(g, "no root: tracing needs CAP_BPF and CAP_PERFMON", "run it with sudo");
	if (!g->btf)
		obstacle(g, "no BTF: /sys/kernel/btf/vmlinux is not there",
			 "use a kernel built with CONFIG_DEBUG_INFO_BTF=y");
	if (g->root && g->btf)
		survey_tracing(g);
	if (!g->symbols)
		obstacle(g, "/proc/kallsyms hides addresses", "set kernel.kptr_restrict to 0 or 1");
	if (!g->first_pids)
		obstacle(g, "this is a container: process numbers are not the kernel's own",
			 "run it on the host, or with --pid=host");
}
