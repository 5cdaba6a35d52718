/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The kernel's own memory, read and never written, through a BPF program that is attached to
 * nothing. Structures are followed by the offsets of the kernel's BTF; what is read may be gone
 * or changed a moment later, and a pointer may lead nowhere: then a read fails, nothing else.
 */
#ifndef PINLEAK_KERNEL_MEMORY_H
#define PINLEAK_KERNEL_MEMORY_H

#include <stddef.h>
#include <stdint.h>

struct btf;
struct census_bpf;

struct memory {
	struct btf *btf;	 /* of the running kernel */
	struct census_bpf *skel; /* loaded */
	uint64_t vmemmap;	 /* struct page of frame 0 */
	uint64_t max_pfn;	 /* the first page frame beyond all memory */
	char error[160];	 /* what is missing, for people; "" */
};

/* -ENOENT: no BTF; -EPERM: not allowed; -ENOTSUP: a kernel whose pages pinleak cannot read. */
int memory_open(struct memory *m);
void memory_close(struct memory *m);

/* Keeps the text in error and returns err. */
int memory_fail(struct memory *m, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Any size; -EFAULT when something of it is not there, and `to` may then be half filled. */
int memory_read(struct memory *m, uint64_t addr, void *to, size_t size);

/* The value at addr, 0 when it cannot be read. */
uint64_t memory_u64(struct memory *m, uint64_t addr);
uint32_t memory_u32(struct memory *m, uint64_t addr);

/*
 * The first struct page of the folio that a struct page is in: compound_head() of page-flags.h. 0
 * when the address is no struct page's, or cannot be read.
 */
uint64_t memory_folio(struct memory *m, uint64_t page);

/*
 * The address of a symbol, also of a module's; and the symbol that begins at an address, with its
 * size in bytes, 0 when none does. /proc/kallsyms takes far longer. -ENOENT: there is none; -errno.
 */
int memory_symbol(struct memory *m, const char *name, uint64_t *addr);
uint64_t memory_name(struct memory *m, uint64_t addr, char *name, size_t size);

/* A string of at most size - 1 bytes; "" when it cannot be read. */
void memory_string(struct memory *m, uint64_t addr, char *out, size_t size);

#endif
