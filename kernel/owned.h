/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Pins that their owner's own structures list: registered buffers of io_uring, udmabuf, memory of
 * AF_XDP. So pins from long before pinleak was started have a name.
 */
#ifndef PINLEAK_KERNEL_OWNED_H
#define PINLEAK_KERNEL_OWNED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/map64.h"
#include "holders.h"
#include "memory.h"

#define OWNED_MAX 1048576 /* folios that are kept */

struct owned_folio {
	uint32_t holder; /* place in holders.list of the first that lists it */
	uint32_t pins;	 /* that all of them say they have taken */
	bool several;	 /* there is more than one */
};

struct owned_layout {
	/* struct io_ring_ctx and below */
	uint32_t ring_table, ring_nr, nodes, node_buf, buf_nr, buf_vecs, buf_kernel;
	bool has_ring, has_nodes, has_kernel;
	/* struct dma_buf and struct udmabuf */
	uint32_t dma_ops, dma_priv, pinned, nr_pinned, pinned_list, entry_folio, entry_list;
	bool has_udmabuf, has_pinned_list;
	/* struct xdp_sock */
	uint32_t umem, umem_pages, umem_nr;
	bool has_xdp;
	uint64_t udmabuf_ops;
};

struct owned {
	struct memory *memory;
	struct owned_layout at;
	struct owned_folio *list;
	size_t nr, room;
	struct map64 by_folio; /* first struct page -> place in the list */
	struct map64 seen;     /* buffers that were read: rings and sockets may share them */
	bool cut;	       /* there were more folios, or buffers, than fit */
};

/*
 * Reads what the holders' structures list. Of what cannot be read, or is of a kernel that has
 * other structures, nothing is listed. -ENOMEM. owned_close() is needed in any case. The
 * structures change as they are read: what is said of a folio holds only if it has the pins.
 */
int owned_read(struct memory *m, const struct holders *h, struct owned *out);
void owned_close(struct owned *o);

/* By its first struct page; NULL when nobody lists it. */
const struct owned_folio *owned_find(const struct owned *o, uint64_t folio);

#endif
