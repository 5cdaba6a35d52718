// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "holder.h"

#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#define KERNEL_O_DIRECT 040000 /* include/uapi/asm-generic/fcntl.h */

const char *holder_kind_name(enum holder_kind kind)
{
	static const char *const names[] = {
		[HOLDER_OTHER] = "other",	 [HOLDER_IO_URING] = "io_uring",
		[HOLDER_XDP] = "af_xdp",	 [HOLDER_DMABUF] = "dma-buf",
		[HOLDER_VFIO] = "vfio",		 [HOLDER_UVERBS] = "rdma",
		[HOLDER_VIDEO] = "video",	 [HOLDER_KVM] = "kvm",
		[HOLDER_VHOST] = "vhost",	 [HOLDER_CHAR] = "character-device",
		[HOLDER_BLOCK] = "block-device", [HOLDER_DIRECT] = "direct-io",
		[HOLDER_PIPE] = "pipe",		 [HOLDER_SOCKET] = "socket",
	};

	return names[kind];
}

/* ---- by the file operations ------------------------------------------------------------- */

struct known {
	const char *ops;
	struct holder_class class;
};

static const struct known known[] = {
	{"io_uring_fops", {HOLDER_IO_URING, HOLDER_PINS}},
	{"dma_buf_fops", {HOLDER_DMABUF, HOLDER_PINS}},
	{"vfio_fops", {HOLDER_VFIO, HOLDER_PINS}}, /* the container */
	{"vfio_group_fops", {HOLDER_VFIO, HOLDER_PINS}},
	{"vfio_device_fops", {HOLDER_VFIO, HOLDER_PINS}},
	{"iommufd_fops", {HOLDER_VFIO, HOLDER_PINS}},
	{"uverbs_fops", {HOLDER_UVERBS, HOLDER_PINS}},
	{"uverbs_mmap_fops", {HOLDER_UVERBS, HOLDER_PINS}},
	{"v4l2_fops", {HOLDER_VIDEO, HOLDER_PINS}},
	{"kvm_vm_fops", {HOLDER_KVM, HOLDER_PINS}},
	{"kvm_vcpu_fops", {HOLDER_KVM, HOLDER_PINS}},
	{"kvm_device_fops", {HOLDER_KVM, HOLDER_PINS}},
	{"vhost_net_fops", {HOLDER_VHOST, HOLDER_PINS}},
	{"vhost_scsi_fops", {HOLDER_VHOST, HOLDER_PINS}},
	{"vhost_vsock_fops", {HOLDER_VHOST, HOLDER_PINS}},
	{"vhost_vdpa_fops", {HOLDER_VHOST, HOLDER_PINS}},
	{"aio_ring_fops", {HOLDER_DIRECT, HOLDER_IN_FLIGHT}},
	{"kvm_chardev_ops",
	 {HOLDER_KVM, HOLDER_NOTHING}}, /* what it creates has files of its own */
	{"kvm_gmem_fops", {HOLDER_KVM, HOLDER_NOTHING}},
	/* a page that splice() gives to a virtual machine's port is soon written and let go */
	{"port_fops", {HOLDER_CHAR, HOLDER_NOTHING}},
	{"portdev_fops", {HOLDER_CHAR, HOLDER_NOTHING}},
	/* packets that a process gave away without a copy wait in its queue */
	{"tun_fops", {HOLDER_CHAR, HOLDER_REFERENCES}},
	{"tap_fops", {HOLDER_CHAR, HOLDER_REFERENCES}},
	/* splice() keeps pages in its requests: fuse_dev_splice_read() */
	{"fuse_dev_operations", {HOLDER_CHAR, HOLDER_REFERENCES}},
};

/*
 * Files that keep no memory of a process, when the kernel itself has them. In a module of the
 * same name would be somebody else's; what such a module calls tells as much.
 */
static const char *const harmless[] = {
	"eventfd_fops",
	"eventpoll_fops",
	"signalfd_fops",
	"timerfd_fops",
	"inotify_fops",
	"fanotify_fops",
	"pidfd_fops",
	"pidfs_file_operations",
	"bpf_map_fops",
	"bpf_prog_fops",
	"bpf_link_fops",
	"bpf_link_fops_poll",
	"bpf_iter_fops",
	"bpf_token_fops",
	"btf_fops",
	"perf_fops",
	"userfaultfd_fops",
	"userfaultfd_dev_fops",
	"seccomp_notify_ops",
	"sync_file_fops",
	"fscontext_fops",
	"ns_file_operations",
	"ruleset_fops",
	"mqueue_file_operations",
	"secretmem_fops",
	"kvm_vcpu_stats_fops",
	"kvm_vm_stats_fops",
	"shmem_file_operations",
	"hugetlbfs_file_operations",
	"tty_fops",
	"console_fops",
	"hung_up_tty_fops",
	"evdev_fops",
	"mousedev_fops",
	"uinput_fops",
	"rfkill_fops",
	"rtc_dev_fops",
	"hpet_fops",
	"watchdog_fops",
	"loop_ctl_fops",
	"autofs_fops",
	"autofs_dev_ioctl_fops",
	"snapshot_fops",
	"cpuid_fops",
	"msr_fops",
	"cuse_channel_fops",
};

static const struct known *find_known(const char *ops)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(known[i].ops, ops))
			return &known[i];
	return NULL;
}

static bool is_harmless(const char *ops)
{
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
		if (!strcmp(harmless[i], ops))
			return true;
	return false;
}

/* ---- by the kind of file ---------------------------------------------------------------- */

/* Documentation/admin-guide/devices.txt: memory (null, zero, random), terminals, input. */
static bool is_harmless_major(uint32_t major)
{
	static const uint8_t majors[] = {1, 2, 3, 4, 5, 7, 13};

	return memchr(majors, (int)major, sizeof(majors)) || (major >= 136 && major <= 143);
}

/* What the kernel itself drives is not told by what a module calls. */
static enum holder_reach by_module(const struct holder_facts *f)
{
	return f->module[0] ? f->module_reach : HOLDER_PINS;
}

static struct holder_class char_device(const struct holder_facts *f)
{
	struct holder_class c = {HOLDER_CHAR, HOLDER_NOTHING};

	if (f->rdev >> 20 > 255 || !is_harmless_major(f->rdev >> 20))
		c.reach = by_module(f);
	return c;
}

/* Families whose sockets queue pages that were given to them, by reference. */
static bool queues_references(uint16_t family)
{
	static const uint8_t families[] = {
		1,  /* AF_UNIX */
		2,  /* AF_INET */
		10, /* AF_INET6 */
		17, /* AF_PACKET */
		29, /* AF_CAN */
		30, /* AF_TIPC */
		31, /* AF_BLUETOOTH */
		40, /* AF_VSOCK */
		43, /* AF_SMC */
	};

	return family < 256 && memchr(families, family, sizeof(families));
}

static struct holder_class socket_class(const struct holder_facts *f)
{
	if (f->family == 44)
		return (struct holder_class){HOLDER_XDP, HOLDER_PINS};
	if (f->family == 16) /* AF_NETLINK copies */
		return (struct holder_class){HOLDER_SOCKET, HOLDER_NOTHING};
	if (queues_references(f->family))
		return (struct holder_class){HOLDER_SOCKET, HOLDER_REFERENCES};
	return (struct holder_class){HOLDER_SOCKET, HOLDER_PINS}; /* RDS, AF_ALG and unknown ones */
}

static struct holder_class by_type(const struct holder_facts *f)
{
	switch (f->mode & S_IFMT) {
	case S_IFCHR:
		return char_device(f);
	case S_IFBLK: /* opened as a file it can only have direct I/O in flight */
		return (struct holder_class){HOLDER_BLOCK, HOLDER_IN_FLIGHT};
	case S_IFIFO:
		return (struct holder_class){HOLDER_PIPE, HOLDER_REFERENCES};
	case S_IFSOCK:
		return socket_class(f);
	case S_IFREG:
		if (f->flags & KERNEL_O_DIRECT)
			return (struct holder_class){HOLDER_DIRECT, HOLDER_IN_FLIGHT};
	}
	return (struct holder_class){HOLDER_OTHER, by_module(f)};
}

struct holder_class holder_classify(const struct holder_facts *f)
{
	const struct known *k = find_known(f->ops);

	if (k)
		return k->class;
	if (!f->module[0] && is_harmless(f->ops))
		return (struct holder_class){HOLDER_OTHER, HOLDER_NOTHING};
	return by_type(f);
}

/* ---- by what a module calls ------------------------------------------------------------- */

/* Beginnings of names: each has siblings. The further reach comes first. */
static const struct {
	const char *begins;
	enum holder_reach reach;
} imports[] = {
	{"pin_user_pages", HOLDER_PINS},
	{"memfd_pin_folios", HOLDER_PINS},
	{"iov_iter_extract_pages", HOLDER_PINS},
	{"extract_iter_to_sg", HOLDER_PINS},
	{"get_vaddr_frames", HOLDER_PINS},
	{"folio_add_pin", HOLDER_PINS}, /* and folio_add_pins() */
	/* somebody else's buffer, whose file may then be closed */
	{"dma_buf_get", HOLDER_PINS},
	{"dma_buf_attach", HOLDER_PINS},
	{"dma_buf_dynamic_attach", HOLDER_PINS},
	{"blk_rq_map_user", HOLDER_IN_FLIGHT},
	{"get_user_page", HOLDER_REFERENCES},
	{"iov_iter_get_pages", HOLDER_REFERENCES},
};

/*
 * Modules that extract pages for a request and give them back with it. (tee does so for memory
 * that stays registered.)
 */
static bool extracts_in_flight(const char *module)
{
	static const char *const modules[] = {"netfs",	    "cifs",	  "af_alg",
					      "algif_aead", "algif_hash", "algif_skcipher"};

	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
		if (!strcmp(modules[i], module))
			return true;
	return false;
}

enum holder_reach holder_import(const char *module, const char *symbol)
{
	/* p9_virtio_zc_request() gives its pages back before the system call returns */
	if (!strcmp(module, "9pnet_virtio") && !strcmp(symbol, "iov_iter_get_pages_alloc2"))
		return HOLDER_IN_FLIGHT;
	if ((!strcmp(symbol, "iov_iter_extract_pages") || !strcmp(symbol, "extract_iter_to_sg")) &&
	    extracts_in_flight(module))
		return HOLDER_IN_FLIGHT;
	for (size_t i = 0; i < sizeof(imports) / sizeof(imports[0]); i++)
		if (!strncmp(symbol, imports[i].begins, strlen(imports[i].begins)))
			return imports[i].reach;
	return HOLDER_NOTHING;
}
