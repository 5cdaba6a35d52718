/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* A folio as its page structures describe it at one moment. */
#ifndef PINLEAK_CORE_FOLIO_H
#define PINLEAK_CORE_FOLIO_H

#include <stdbool.h>
#include <stdint.h>

struct folio {
	uint64_t pfn;	  /* of its first page */
	uint64_t addr;	  /* of its first struct page: the name the ledger knows it by */
	uint64_t mapping; /* struct address_space, or struct anon_vma; 0: none */
	uint64_t index;	  /* offset in the mapping, in pages (hugetlb before 6.7: in folios) */
	uint64_t memcg;	  /* struct mem_cgroup it is charged to, 0: none */
	int32_t refs;	  /* the raw count, all pins included */
	int32_t pins;	  /* 1024 references each on a small folio, counted apart on a large */
	int32_t maps;	  /* page table entries; of a large folio perhaps fewer than there are */
	uint8_t order;	  /* 1 << order pages */
	uint16_t node;
	uint8_t zone; /* enum zone_type of the running kernel */
	bool anon;
	bool ksm;
	bool hugetlb;
	bool maps_known; /* maps is not just a lower bound */
	bool lru;
	bool swapcache;
	bool swapbacked; /* anonymous or shared memory, even when cut from its mapping */
};

#endif
