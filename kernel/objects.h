/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * What a folio belongs to: the file or kind of memory, the control group it is charged to, the
 * processes that map it. Read from the kernel's structures without locks; what contradicts
 * itself is not told. The answers are places in tables, as there are many folios and few objects.
 */
#ifndef PINLEAK_KERNEL_OBJECTS_H
#define PINLEAK_KERNEL_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/folio.h"
#include "../core/map64.h"
#include "../core/procfs.h"
#include "mappers.h"
#include "memory.h"

#define OBJECTS_MAX    16384 /* entries of the table of objects, the first included */
#define OBJECTS_GROUPS 4096  /* of the table of control groups */
#define PLACE_MAPPERS  8

enum object_kind {
	OBJECT_OTHERS = 0,    /* entry 0: those there was no room for */
	OBJECT_UNKNOWN,	      /* in no mapping: the kernel's own memory, or a driver's */
	OBJECT_ANON,	      /* private memory of processes */
	OBJECT_KSM,	      /* the same, merged */
	OBJECT_CUT,	      /* was of a file or of shared memory that was truncated or is gone */
	OBJECT_SHARED,	      /* shared memory without a file to name it; name: the kernel's */
	OBJECT_SYSV,	      /* a System V segment; ino: its shmid, name: "0xKEY" */
	OBJECT_MEMFD,	      /* name: what memfd_create() was given */
	OBJECT_FILE,	      /* name: its path */
	OBJECT_DEVICE,	      /* page cache of a block device; name: its node, rdev: its number */
	OBJECT_DEVICE_MEMORY, /* not RAM of the machine: ZONE_DEVICE */
};

struct object {
	enum object_kind kind;
	bool hugetlb;
	bool deleted;	/* OBJECT_FILE: no name leads to it any more; name: the last one */
	bool mounted;	/* OBJECT_FILE: name begins at our root, else at its file system's */
	char fs[16];	/* type of its file system, "" when none */
	uint32_t dev;	/* of its file system; the kernel's dev_t: 12 bits major, 20 minor */
	uint32_t rdev;	/* OBJECT_DEVICE */
	uint64_t ino;	/* 0: none */
	int64_t size;	/* bytes; 0 when it has none */
	char *name;	/* may hold anything; "" when unknown */
	uint64_t inode; /* where the kernel keeps it: tells two with the same name apart */
	uint32_t generation;
};

/* Entry 0: charged to none, or no room. */
struct group {
	uint64_t memcg;
	uint64_t id;		/* inode number of its directory */
	bool dying;		/* removed; kept by what is charged to it */
	char path[PROCFS_PATH]; /* from the root of the hierarchy: "/system.slice" */
};

struct folio_place {
	uint32_t object; /* place in objects.objects */
	uint32_t group;	 /* place in objects.groups */
	uint8_t nr_mappers;
	bool more; /* there may be more mappers */
	struct mapper mappers[PLACE_MAPPERS];
};

struct objects_layout {
	uint32_t host, inode_data, inode_mapping, inode_sb, ino, mode, rdev, size, nlink;
	uint32_t generation, aliases, inode_size;
	uint32_t sb_dev, sb_type, fs_name;
	uint32_t alias, parent, name, name_at, dentry_inode;
	uint32_t css, css_cgroup, css_flags, cgroup_node, node_name, node_parent, node_id;

	uint64_t css_online, zone_device;
	bool has_memcg, has_zone_device;
};

struct objects {
	struct memory *memory;
	struct objects_layout at;
	struct object *objects;
	size_t nr_objects;
	struct group **groups;
	size_t nr_groups;
	struct mappers mappers; /* has the table of processes */

	struct map64 by_inode, by_memcg, by_mapping;
	struct objects_cache *cache;
};

/* -ENOTSUP: memory's error says what is missing; -ENOMEM. The memory must outlive the objects. */
int objects_open(struct objects *o, struct memory *m);
void objects_close(struct objects *o);

/* Never fails: what cannot be read is unknown. Entries of the tables stay what they are. */
void objects_resolve(struct objects *o, const struct folio *f, struct folio_place *out);

/* "file", "memfd", ... */
const char *objects_kind(enum object_kind kind);

#endif
