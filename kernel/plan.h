/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Which functions of this kernel will be hooked, and why.
 *
 * What a function is called says little: try_grab_folio() takes a page and returns a folio in
 * 6.1, and takes a folio and returns 0 in 6.12; gcc inlines gup_put_folio() here and not there.
 * So prototypes come from BTF, calls from the kernel's code, and what is left is tried
 * (tracker_calibrate()). No version is ever compared.
 */
#ifndef PINLEAK_KERNEL_PLAN_H
#define PINLEAK_KERNEL_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../bpf/record.h"

#define PLAN_MAX  48
#define PLAN_FUNC 48

struct btf;

enum plan_role {
	PLAN_API,     /* pin_user_pages() and siblings, as drivers call them */
	PLAN_ACQUIRE, /* takes a pin */
	PLAN_RELEASE, /* drops a pin */
	PLAN_SYSCALL, /* its failure may leave pins behind */
	PLAN_FILE,    /* ends or makes an open file */
};
const char *plan_role_name(enum plan_role r);

enum plan_state {
	PLAN_HOOK,    /* will be hooked */
	PLAN_COVERED, /* passes through a function that is hooked */
	PLAN_ABSENT,  /* not in this kernel */
	PLAN_BLIND,   /* holds an inlined copy, and pinleak has no hook for its shape */
	PLAN_OMITTED, /* left out on request */
};
const char *plan_state_name(enum plan_state s);

struct plan_entry {
	char function[PLAN_FUNC];
	enum plan_role role;
	enum plan_state state;
	int slot;    /* of enum pl_first_slot, -1: none */
	bool probed; /* by kprobe and kretprobe: too many arguments for a trampoline */
	struct pl_hook hook;
	char why[96];
};

struct plan {
	struct plan_entry entries[PLAN_MAX];
	size_t nr;
	struct pl_layout layout;
	uint32_t foll_pin; /* 0: not in the BTF, to be learned by firing a pin */
	bool references;   /* of plain references, not of pins */
	bool text_known;   /* the kernel's code was read */
	bool light_ok;
	bool deep_ok;
	char missing[128]; /* why light or deep is not to be had; "" */
};

/*
 * Makes the plan. use_text reads the running kernel's code (not for another kernel's BTF).
 * omit: a function to leave out, or NULL; it exists to show that the audit notices.
 * 0, or -errno when the BTF lacks the page structures themselves.
 */
int plan_make(const struct btf *btf, bool use_text, const char *omit, struct plan *out);

/* Is it a function that a plan can hook on some kernel? */
bool plan_knows(const char *function);

/*
 * The plan for plain references: get_user_pages() and its siblings, at level light. The kernel
 * does not count them, so there is nothing to compare what the hooks see with.
 */
int plan_references(const struct btf *btf, struct plan *out);

#endif
