/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Pages that lie in pipes and in the queues of sockets: vmsplice(), splice() and MSG_ZEROCOPY
 * put a process's own pages there, with a plain reference each.
 */
#ifndef PINLEAK_KERNEL_QUEUES_H
#define PINLEAK_KERNEL_QUEUES_H

#include <stdbool.h>
#include <stdint.h>

#include "../core/map64.h"
#include "memory.h"

struct queues_layout {
	uint32_t pipe_head, pipe_tail, pipe_ring, pipe_bufs, buf_page, buf_size;
	uint32_t sk_receive, sk_write, sk_rtx, sk_early, sk_udp, sk_protocol, sk_type, list_next;
	uint32_t sk_state, sk_family, sk_socket, sk_node, ehash, ehash_mask, skb_sock;
	uint32_t skb_next, skb_head, skb_end, rb_left, rb_right;
	uint32_t nr_frags, frags, frag_list, shared_size;
};

struct queues {
	struct memory *memory;
	struct queues_layout at;
	struct map64 refs; /* folio (its first struct page) -> references */
	struct map64 seen; /* pipes, and data of packets (clones share them), that were counted */
	uint64_t packets;
	int64_t tcp, local; /* sockets that were looked through: TCP, and AF_UNIX */
	bool cut;	    /* there were too many to look through */
};

/* -ENOTSUP: memory's error says what is missing. */
int queues_open(struct queues *q, struct memory *m);
void queues_close(struct queues *q);

/* A struct pipe_inode_info; a struct sock of the family. What cannot be read holds nothing. */
void queues_add_pipe(struct queues *q, uint64_t pipe);
void queues_add_socket(struct queues *q, uint64_t sock, uint16_t family);

/*
 * TCP sockets that no file leads to: closed ones that still have something to send, and those
 * that nobody has accepted yet. Not those of a network namespace with a table of its own (sysctl
 * net.ipv4.tcp_child_ehash_entries).
 */
void queues_add_orphans(struct queues *q);

#endif
