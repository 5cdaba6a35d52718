// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "blame.h"

#include <string.h>

static const struct {
	const char *prefix;
	const char *driver;
} builtin[] = {
	{"process_vm_", "process_vm"},
	{"udmabuf_", "udmabuf"},
	{"xdp_umem_", "af_xdp"},
	{"xsk_", "af_xdp"},
	{"io_sqe_buffer", "io_uring"},
	{"io_register_", "io_uring"},
	{"io_pin_pages", "io_uring"},
	{"__io_uaddr_map", "io_uring"},
	{"ib_umem_", "ib_uverbs"},
	{"vfio_", "vfio"},
	{"iopt_", "iommufd"},
	{"kvm_", "kvm"},
	{"sev_", "kvm"},
	{"tee_shm_", "tee"},
	{"vb2_", "videobuf2"},
	{"fuse_", "fuse"},
	{"nfs_", "nfs"},
	{"iomap_dio_", "block"},
	{"blkdev_", "block"},
	{"blk_rq_map_", "block"},
	{"bio_", "block"},
	{"__bio_", "block"},
	{"dio_", "block"},
	{"bpf_", "bpf"},
};

const char *blame_kind_name(enum blame_kind kind)
{
	static const char *const names[] = {"unknown", "module", "built-in"};

	return names[kind];
}

static void copy(char *out, size_t size, const char *from, size_t len)
{
	if (len >= size)
		len = size - 1;
	memcpy(out, from, len);
	out[len] = '\0';
}

bool blame_frame(const char *frame, char *symbol, char *module)
{
	const char *open = strstr(frame, " [");

	copy(symbol, PL_SYM, frame, strcspn(frame, "+ "));
	module[0] = '\0';
	/* "[module]", and with build ids "[module 0123...]" */
	if (open)
		copy(module, MODGRAPH_NAME, open + 2, strcspn(open + 2, " ]"));
	return strncmp(symbol, "bpf_prog_", 9) != 0 &&
	       strncmp(symbol, "bpf_trampoline_", 15) != 0 && strcmp(module, "bpf") != 0;
}

static void blame_module(struct blame *out, const char *module, const struct modgraph *graph)
{
	if (out->kind != BLAME_MODULE) {
		out->kind = BLAME_MODULE;
		copy(out->driver, sizeof(out->driver), module, strlen(module));
	} else if (strcmp(out->driver, module) != 0 &&
		   modgraph_depends(graph, module, out->driver)) {
		copy(out->via, sizeof(out->via), out->driver, strlen(out->driver));
		copy(out->driver, sizeof(out->driver), module, strlen(module));
	}
}

static bool has_prefix(const char *symbol, const char *const *prefixes)
{
	for (; *prefixes; prefixes++)
		if (!strncmp(symbol, *prefixes, strlen(*prefixes)))
			return true;
	return false;
}

/*
 * A queued buffer of videobuf2 keeps its pages although VIDIOC_QBUF failed to start streaming; so
 * does a userptr object of i915 whose EXECBUFFER2 failed, and a guest page that KVM has mapped.
 */
static bool keeps_pins(const char *symbol)
{
	static const char *const prefixes[] = {"vb2_",	       "__vb2_",	 "i915_gem_",
					       "kvm_vcpu_map", "__kvm_vcpu_map", NULL};

	return has_prefix(symbol, prefixes);
}

/* The kernel's own functions that take and drop pins: the outermost of them was called by a user.
 */
static bool is_pin_code(const char *symbol)
{
	static const char *const prefixes[] = {"pin_user_", "unpin_",		"gup_",
					       "try_grab_", "memfd_pin_",	"folio_add_pin",
					       "__gup_",    "__get_user_pages", NULL};

	return has_prefix(symbol, prefixes);
}

static bool is_direct(const struct pl_site *site, __u32 nr)
{
	char symbol[PL_SYM], module[MODGRAPH_NAME];

	for (__u32 i = 0; i < nr; i++)
		if (blame_frame(site->sym[i], symbol, module) && !is_pin_code(symbol))
			return module[0];
	return false;
}

static bool blame_builtin(struct blame *out, const char *symbol)
{
	for (size_t i = 0; i < sizeof(builtin) / sizeof(*builtin); i++) {
		if (strncmp(symbol, builtin[i].prefix, strlen(builtin[i].prefix)) != 0)
			continue;
		out->kind = BLAME_BUILTIN;
		out->guess = true;
		copy(out->driver, sizeof(out->driver), builtin[i].driver,
		     strlen(builtin[i].driver));
		return true;
	}
	return false;
}

void blame_site(const struct pl_site *site, const struct modgraph *graph, struct blame *out)
{
	char symbol[PL_SYM], module[MODGRAPH_NAME];
	__u32 nr = site->nr < PL_FRAMES ? site->nr : PL_FRAMES;

	*out = (struct blame){.driver = "unknown"};
	for (__u32 i = 0; i < nr; i++)
		if (blame_frame(site->sym[i], symbol, module)) {
			out->keeps |= keeps_pins(symbol);
			if (module[0])
				blame_module(out, module, graph);
		}
	out->direct = is_direct(site, nr);
	for (__u32 i = 0; i < nr && out->kind == BLAME_UNKNOWN; i++)
		if (blame_frame(site->sym[i], symbol, module))
			blame_builtin(out, symbol);
}

bool blame_same_path(const struct pl_site *a, const struct pl_site *b)
{
	char symbol[2][PL_SYM], module[2][MODGRAPH_NAME];
	__u32 nr = a->nr < PL_FRAMES ? a->nr : PL_FRAMES;

	if (a->nr != b->nr)
		return false;
	for (__u32 i = 0; i < nr; i++) {
		/* frames of the tracing are compared too: they stand in the same places */
		blame_frame(a->sym[i], symbol[0], module[0]);
		blame_frame(b->sym[i], symbol[1], module[1]);
		if (strcmp(symbol[0], symbol[1]) != 0 || strcmp(module[0], module[1]) != 0)
			return false;
	}
	return true;
}
