// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "queues.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "btfq.h"

#define PAGES_MAX   1048576  /* different ones that are kept */
#define PACKETS_MAX 262144   /* looked at, of all sockets */
#define RING_MAX    1048576  /* slots of a pipe: 1 << 31 bytes are the most F_SETPIPE_SZ gives */
#define SLOT_MAX    64	     /* room for a struct pipe_buffer */
#define SHARED_MAX  1024     /* room for a struct skb_shared_info */
#define FRAG_SIZE   16	     /* sizeof(skb_frag_t) in every version; it begins with the page */
#define DEPTH	    64	     /* of a red-black tree */
#define LISTED_MAX  1024     /* packets in the frag_list of one */
#define BUCKETS_MAX 16777216 /* of the table of TCP sockets */
#define CHAIN_MAX   4096     /* of one bucket */

static bool read_layout(struct queues_layout *l, const struct btf *btf)
{
	const struct btfq_field fields[] = {
		{"pipe_inode_info", "head", &l->pipe_head},
		{"pipe_inode_info", "tail", &l->pipe_tail},
		{"pipe_inode_info", "ring_size", &l->pipe_ring},
		{"pipe_inode_info", "bufs", &l->pipe_bufs},
		{"pipe_buffer", "page", &l->buf_page},
		{"sock", "sk_receive_queue", &l->sk_receive},
		{"sock", "sk_write_queue", &l->sk_write},
		{"sock", "tcp_rtx_queue", &l->sk_rtx},
		{"tcp_sock", "out_of_order_queue", &l->sk_early},
		{"udp_sock", "reader_queue", &l->sk_udp},
		{"sock", "sk_socket", &l->sk_socket},
		{"sock_common", "skc_state", &l->sk_state},
		{"sock_common", "skc_family", &l->sk_family},
		{"sock_common", "skc_nulls_node", &l->sk_node},
		{"inet_hashinfo", "ehash", &l->ehash},
		{"inet_hashinfo", "ehash_mask", &l->ehash_mask},
		{"sk_buff", "sk", &l->skb_sock},
		{"sock", "sk_protocol", &l->sk_protocol},
		{"sock", "sk_type", &l->sk_type},
		{"sk_buff_head", "next", &l->list_next},
		{"sk_buff", "next", &l->skb_next},
		{"sk_buff", "head", &l->skb_head},
		{"sk_buff", "end", &l->skb_end},
		{"rb_node", "rb_left", &l->rb_left},
		{"rb_node", "rb_right", &l->rb_right},
		{"skb_shared_info", "nr_frags", &l->nr_frags},
		{"skb_shared_info", "frags", &l->frags},
		{"skb_shared_info", "frag_list", &l->frag_list},
	};

	l->buf_size = (uint32_t)btfq_size(btf, "pipe_buffer");
	l->shared_size = (uint32_t)btfq_size(btf, "skb_shared_info");
	return btfq_fields(btf, fields, sizeof(fields) / sizeof(fields[0])) &&
	       l->buf_size <= SLOT_MAX && l->shared_size <= SHARED_MAX;
}

int queues_open(struct queues *q, struct memory *m)
{
	*q = (struct queues){.memory = m};
	if (!read_layout(&q->at, m->btf))
		return memory_fail(m, -ENOTSUP, "the BTF does not describe pipes and sockets");
	return 0;
}

void queues_close(struct queues *q)
{
	map64_free(&q->refs);
	map64_free(&q->seen);
}

static void add_page(struct queues *q, uint64_t page)
{
	uint64_t folio = memory_folio(q->memory, page);
	uint32_t refs = 0;

	if (!folio)
		return;
	if (!map64_get(&q->refs, folio, &refs) && q->refs.used >= PAGES_MAX) {
		q->cut = true;
		return;
	}
	if (map64_put(&q->refs, folio, refs + 1))
		q->cut = true;
}

/* ---- pipes ------------------------------------------------------------------------------ */

/* Occupied slots are those from tail to head; both only ever grow (fs/pipe.c). */
void queues_add_pipe(struct queues *q, uint64_t pipe)
{
	uint32_t head = memory_u32(q->memory, pipe + q->at.pipe_head);
	uint32_t tail = memory_u32(q->memory, pipe + q->at.pipe_tail);
	uint32_t ring = memory_u32(q->memory, pipe + q->at.pipe_ring);
	uint64_t bufs, page;
	uint32_t seen;

	if (map64_get(&q->seen, pipe, &seen) || map64_put(&q->seen, pipe, 1))
		return; /* both of its ends lead here */
	if (head == tail || !ring || ring & (ring - 1) || ring > RING_MAX || head - tail > ring)
		return;
	bufs = memory_u64(q->memory, pipe + q->at.pipe_bufs);
	for (; tail != head; tail++) {
		page = bufs + (uint64_t)(tail & (ring - 1)) * q->at.buf_size + q->at.buf_page;
		add_page(q, memory_u64(q->memory, page));
	}
}

/* ---- sockets ---------------------------------------------------------------------------- */

/* Adds the pages of one packet; returns its list of further packets, 0: none. */
static uint64_t add_fragments(struct queues *q, uint64_t skb)
{
	uint32_t nr, seen, most = (q->at.shared_size - q->at.frags) / FRAG_SIZE;
	uint64_t data, list, page;
	char shared[SHARED_MAX];

	if (q->packets++ >= PACKETS_MAX) {
		q->cut = true;
		return 0;
	}
	data = memory_u64(q->memory, skb + q->at.skb_head);
	data += memory_u32(q->memory, skb + q->at.skb_end); /* skb_end_pointer() of 64 bits */
	if (map64_get(&q->seen, data, &seen) || map64_put(&q->seen, data, 1) ||
	    memory_read(q->memory, data, shared, q->at.shared_size))
		return 0;
	nr = (uint8_t)shared[q->at.nr_frags];
	for (uint32_t i = 0; i < nr && i < most; i++) {
		memcpy(&page, shared + q->at.frags + (size_t)i * FRAG_SIZE, sizeof(page));
		add_page(q, page);
	}
	memcpy(&list, shared + q->at.frag_list, sizeof(list));
	return list;
}

static void add_packet(struct queues *q, uint64_t skb)
{
	uint64_t more = add_fragments(q, skb);

	for (int i = 0; more && i < LISTED_MAX; i++) {
		add_fragments(q, more);
		more = memory_u64(q->memory, more + q->at.skb_next);
	}
}

/* A ring: the last packet's next is the head of the list again. */
static void add_list(struct queues *q, uint64_t head)
{
	uint64_t skb = memory_u64(q->memory, head + q->at.list_next);

	while (skb && skb != head && !q->cut) {
		add_packet(q, skb);
		skb = memory_u64(q->memory, skb + q->at.skb_next);
	}
}

/* Packets that were sent and not yet acknowledged; rbnode is what a sk_buff begins with. */
static void add_tree(struct queues *q, uint64_t root)
{
	uint64_t stack[DEPTH];
	int depth = 0;

	stack[depth++] = memory_u64(q->memory, root);
	while (depth && !q->cut) {
		uint64_t skb = stack[--depth];

		if (!skb)
			continue;
		add_packet(q, skb);
		if (depth + 2 > DEPTH)
			return;
		stack[depth++] = memory_u64(q->memory, skb + q->at.rb_left);
		stack[depth++] = memory_u64(q->memory, skb + q->at.rb_right);
	}
}

static bool is_inet(struct queues *q, uint64_t sock, uint16_t family, uint16_t type,
		    uint16_t protocol)
{
	uint16_t its_type, its_protocol;

	return (family == AF_INET || family == AF_INET6) &&
	       !memory_read(q->memory, sock + q->at.sk_type, &its_type, sizeof(its_type)) &&
	       !memory_read(q->memory, sock + q->at.sk_protocol, &its_protocol,
			    sizeof(its_protocol)) &&
	       its_type == type && its_protocol == protocol;
}

static uint8_t state_of(struct queues *q, uint64_t sock)
{
	uint8_t state;

	return memory_read(q->memory, sock + q->at.sk_state, &state, sizeof(state)) ? 0 : state;
}

/* What was sent to somebody who has not accepted it yet: the packets of a listener are his. */
static void add_embryos(struct queues *q, uint64_t listener)
{
	uint64_t head = listener + q->at.sk_receive;
	uint64_t skb = memory_u64(q->memory, head + q->at.list_next);

	for (int i = 0; skb && skb != head && i < CHAIN_MAX; i++) {
		uint64_t sock = memory_u64(q->memory, skb + q->at.skb_sock);

		if (sock)
			add_list(q, sock + q->at.sk_receive);
		skb = memory_u64(q->memory, skb + q->at.skb_next);
	}
}

void queues_add_socket(struct queues *q, uint64_t sock, uint16_t family)
{
	add_list(q, sock + q->at.sk_receive);
	add_list(q, sock + q->at.sk_write);
	q->local += family == AF_UNIX;
	if (family == AF_UNIX && state_of(q, sock) == TCP_LISTEN)
		add_embryos(q, sock);
	if (is_inet(q, sock, family, SOCK_DGRAM, IPPROTO_UDP))
		add_list(q, sock + q->at.sk_udp);
	if (!is_inet(q, sock, family, SOCK_STREAM, IPPROTO_TCP))
		return;
	add_tree(q, sock + q->at.sk_rtx);
	add_tree(q, sock + q->at.sk_early);
	q->tcp++;
}

/* ---- sockets without a file --------------------------------------------------------------- */

/* In the table are also remnants of sockets, which are smaller: struct inet_timewait_sock, .. */
static void add_orphan(struct queues *q, uint64_t sock)
{
	uint8_t state = state_of(q, sock);
	uint16_t family;

	if (state == TCP_TIME_WAIT || state > TCP_CLOSING ||
	    memory_u64(q->memory, sock + q->at.sk_socket) ||
	    memory_read(q->memory, sock + q->at.sk_family, &family, sizeof(family)))
		return;
	queues_add_socket(q, sock, family);
}

/* A chain ends with an odd number. What goes away while it is read may lead astray. */
static void add_bucket(struct queues *q, uint64_t node)
{
	for (int i = 0; node && !(node & 1); i++) {
		if (i == CHAIN_MAX) {
			q->cut = true;
			return;
		}
		add_orphan(q, node - q->at.sk_node);
		node = memory_u64(q->memory, node);
	}
}

void queues_add_orphans(struct queues *q)
{
	uint64_t table, buckets, piece[512];
	uint32_t nr;

	if (memory_symbol(q->memory, "tcp_hashinfo", &table)) {
		q->cut = true;
		return;
	}
	buckets = memory_u64(q->memory, table + q->at.ehash);
	nr = memory_u32(q->memory, table + q->at.ehash_mask) + 1;
	q->cut |= !buckets || nr > BUCKETS_MAX;
	for (uint32_t at = 0; at < nr && !q->cut; at += 512) {
		uint32_t n = nr - at < 512 ? nr - at : 512;

		if (memory_read(q->memory, buckets + at * sizeof(*piece), piece,
				n * sizeof(*piece)))
			q->cut = true;
		for (uint32_t i = 0; i < n && !q->cut; i++)
			add_bucket(q, piece[i]);
	}
}
