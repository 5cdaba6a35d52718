// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "owned.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "btfq.h"

#define BUFFERS_MAX 16384   /* of a ring: IORING_MAX_REG_BUFFERS, 1 << 14 in every version */
#define PAGES_MAX   4194304 /* of a buffer, 16 GiB */
#define AT_ONCE	    512	    /* words read at once */
#define VECTOR	    2	    /* words of a struct bio_vec; the first is the page */

/* ---- what the structures of this kernel are --------------------------------------------- */

/* Newest kernel first. */
static void read_ring_layout(struct owned_layout *l, const struct btf *btf)
{
	const struct btfq_field now[] = {{"io_ring_ctx", "buf_table", &l->ring_table},
					 {"io_rsrc_data", "nr", &l->ring_nr},
					 {"io_rsrc_data", "nodes", &l->nodes},
					 {"io_rsrc_node", "buf", &l->node_buf}};
	const struct btfq_field before[] = {{"io_ring_ctx", "user_bufs", &l->ring_table},
					    {"io_ring_ctx", "nr_user_bufs", &l->ring_nr}};
	const struct btfq_field buffer[] = {{"io_mapped_ubuf", "nr_bvecs", &l->buf_nr},
					    {"io_mapped_ubuf", "bvec", &l->buf_vecs}};
	const struct btfq_field kernel = {"io_mapped_ubuf", "is_kbuf", &l->buf_kernel};

	l->has_nodes = btfq_fields(btf, now, 4); /* 6.14 */
	l->has_ring = (l->has_nodes || btfq_fields(btf, before, 2)) &&
		      btfq_fields(btf, buffer, 2) &&
		      btfq_size(btf, "bio_vec") == VECTOR * (int)sizeof(uint64_t);
	l->has_kernel = btfq_fields(btf, &kernel, 1); /* 6.15: buffers of ublk, say: no pins */
}

/* Before 6.11 udmabuf took plain references. */
static void read_udmabuf_layout(struct owned_layout *l, struct memory *m)
{
	const struct btf *btf = m->btf;
	const struct btfq_field both[] = {{"dma_buf", "ops", &l->dma_ops},
					  {"dma_buf", "priv", &l->dma_priv}};
	const struct btfq_field now[] = {{"udmabuf", "pinned_folios", &l->pinned},
					 {"udmabuf", "nr_pinned", &l->nr_pinned}};
	const struct btfq_field before[] = {{"udmabuf", "unpin_list", &l->pinned_list},
					    {"udmabuf_folio", "folio", &l->entry_folio},
					    {"udmabuf_folio", "list", &l->entry_list}};
	bool array = btfq_fields(btf, now, 2); /* 6.13 */
	uint64_t ops;

	l->has_pinned_list = !array && btfq_fields(btf, before, 3);
	if ((array || l->has_pinned_list) && btfq_fields(btf, both, 2) &&
	    !memory_symbol(m, "udmabuf_ops", &ops))
		l->udmabuf_ops = ops;
	l->has_udmabuf = l->udmabuf_ops != 0;
}

static void read_layout(struct owned_layout *l, struct memory *m)
{
	const struct btf *btf = m->btf;
	const struct btfq_field xdp[] = {{"xdp_sock", "umem", &l->umem},
					 {"xdp_umem", "pgs", &l->umem_pages},
					 {"xdp_umem", "npgs", &l->umem_nr}};

	read_ring_layout(l, btf);
	read_udmabuf_layout(l, m);
	l->has_xdp = btfq_fields(btf, xdp, 3);
}

/* ---- the list of folios ----------------------------------------------------------------- */

static struct owned_folio *new_folio(struct owned *o, uint64_t folio)
{
	if (o->nr == OWNED_MAX) {
		o->cut = true;
		return NULL;
	}
	if (o->nr == o->room) {
		size_t room = o->room ? o->room * 2 : 1024;
		struct owned_folio *list = realloc(o->list, room * sizeof(*list));

		if (!list)
			return NULL;
		o->list = list;
		o->room = room;
	}
	if (map64_put(&o->by_folio, folio, (uint32_t)o->nr))
		return NULL;
	return &o->list[o->nr++];
}

static int add_page(struct owned *o, uint64_t page, uint32_t holder)
{
	uint64_t folio = memory_folio(o->memory, page);
	struct owned_folio *f;
	uint32_t at;

	if (!folio)
		return 0;
	if (map64_get(&o->by_folio, folio, &at)) {
		f = &o->list[at];
		f->pins++;
		f->several |= f->holder != holder;
		return 0;
	}
	f = new_folio(o, folio);
	if (!f)
		return o->cut ? 0 : -ENOMEM;
	*f = (struct owned_folio){.holder = holder, .pins = 1};
	return 0;
}

/* An array whose elements of `words` words begin with the address of a page. */
static int add_array(struct owned *o, uint64_t array, uint64_t nr, unsigned words, uint32_t holder)
{
	uint64_t block[AT_ONCE];
	int err = 0;

	if (nr > PAGES_MAX)
		return 0; /* none of these */
	while (nr && !err) {
		uint64_t n = nr < AT_ONCE / words ? nr : AT_ONCE / words;

		if (memory_read(o->memory, array, block, n * words * sizeof(*block)))
			return 0;
		for (uint64_t i = 0; i < n && !err; i++)
			err = add_page(o, block[i * words], holder);
		array += n * words * sizeof(*block);
		nr -= n;
	}
	return err;
}

/* *first: nobody has shown us this one before. */
static int see(struct owned *o, uint64_t what, bool *first)
{
	uint32_t before;

	*first = what && !map64_get(&o->seen, what, &before);
	return *first ? map64_put(&o->seen, what, 1) : 0;
}

/* ---- io_uring --------------------------------------------------------------------------- */

/*
 * A struct io_mapped_ubuf. Each vector has one pin: where several pages are of one folio,
 * io_sqe_buffer_register() has given back all but the first (since 6.5).
 */
static int add_buffer(struct owned *o, uint64_t buf, uint32_t holder)
{
	const struct owned_layout *l = &o->at;
	uint8_t kernel = 0;
	bool first;
	int err = see(o, buf, &first);

	if (err || !first)
		return err;
	if (l->has_kernel && (memory_read(o->memory, buf + l->buf_kernel, &kernel, 1) || kernel))
		return 0;
	return add_array(o, buf + l->buf_vecs, memory_u32(o->memory, buf + l->buf_nr), VECTOR,
			 holder);
}

static int add_ring(struct owned *o, uint64_t ring, uint32_t holder)
{
	const struct owned_layout *l = &o->at;
	uint64_t table = ring + l->ring_table;
	uint64_t nr_at = (l->has_nodes ? table : ring) + l->ring_nr;
	uint32_t nr = memory_u32(o->memory, nr_at);
	int err = 0;

	table = memory_u64(o->memory, l->has_nodes ? table + l->nodes : table);
	if (!table || nr > BUFFERS_MAX)
		return 0;
	for (uint32_t i = 0; i < nr && !err; i++) {
		uint64_t buf = memory_u64(o->memory, table + i * sizeof(uint64_t));

		if (l->has_nodes && buf)
			buf = memory_u64(o->memory, buf + l->node_buf);
		err = add_buffer(o, buf, holder);
	}
	return err;
}

/* ---- udmabuf ---------------------------------------------------------------------------- */

static int add_pinned_list(struct owned *o, uint64_t head, uint32_t holder)
{
	uint64_t entry = memory_u64(o->memory, head); /* list_head begins with next */
	int err = 0;

	for (int i = 0; entry && entry != head && i < PAGES_MAX && !err; i++) {
		uint64_t folio = entry - o->at.entry_list + o->at.entry_folio;

		err = add_page(o, memory_u64(o->memory, folio), holder);
		entry = memory_u64(o->memory, entry);
	}
	return err;
}

static int add_dma_buf(struct owned *o, uint64_t dma_buf, uint32_t holder)
{
	const struct owned_layout *l = &o->at;
	uint64_t udmabuf;

	if (memory_u64(o->memory, dma_buf + l->dma_ops) != l->udmabuf_ops)
		return 0;
	udmabuf = memory_u64(o->memory, dma_buf + l->dma_priv);
	if (l->has_pinned_list)
		return add_pinned_list(o, udmabuf + l->pinned_list, holder);
	return add_array(o, memory_u64(o->memory, udmabuf + l->pinned),
			 memory_u64(o->memory, udmabuf + l->nr_pinned), 1, holder);
}

/* ---- AF_XDP ----------------------------------------------------------------------------- */

/* struct xdp_sock begins with its struct sock; several sockets may share a umem. */
static int add_xdp(struct owned *o, uint64_t sock, uint32_t holder)
{
	const struct owned_layout *l = &o->at;
	uint64_t umem = memory_u64(o->memory, sock + l->umem);
	bool first;
	int err = see(o, umem, &first);

	if (err || !first)
		return err;
	return add_array(o, memory_u64(o->memory, umem + l->umem_pages),
			 memory_u32(o->memory, umem + l->umem_nr), 1, holder);
}

/* ---- life ------------------------------------------------------------------------------- */

static int add_holder(struct owned *o, const struct holder *h, uint32_t at)
{
	if (h->kind == HOLDER_IO_URING && o->at.has_ring)
		return add_ring(o, h->data, at);
	if (h->kind == HOLDER_DMABUF && o->at.has_udmabuf)
		return add_dma_buf(o, h->data, at);
	if (h->kind == HOLDER_XDP && o->at.has_xdp)
		return add_xdp(o, h->sock, at);
	return 0;
}

int owned_read(struct memory *m, const struct holders *h, struct owned *out)
{
	int err = 0;

	*out = (struct owned){.memory = m};
	read_layout(&out->at, m);
	for (size_t i = 0; i < h->nr && !err; i++)
		err = add_holder(out, &h->list[i], (uint32_t)i);
	return err ? memory_fail(m, err, "no memory") : 0;
}

void owned_close(struct owned *o)
{
	free(o->list);
	map64_free(&o->by_folio);
	map64_free(&o->seen);
	*o = (struct owned){0};
}

const struct owned_folio *owned_find(const struct owned *o, uint64_t folio)
{
	uint32_t at;

	return map64_get(&o->by_folio, folio, &at) ? &o->list[at] : NULL;
}
