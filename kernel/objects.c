// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "objects.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "btfq.h"
#include "clock.h"
#include "sysfs.h"

#define INODE_MAX     1024 /* room for a struct inode */
#define NAME_SIZE     256  /* NAME_MAX and a NUL */
#define PATH_DEPTH    64   /* directories followed upwards */
#define MAPPINGS      8192 /* remembered */
#define MOUNTINFO_MAX (4 << 20)
#define FRESH_NS      1000000000ULL /* for so long what was read of the kernel is used again */

struct seen {
	uint64_t when;
	uint32_t place;
};

struct objects_cache {
	struct seen mappings[MAPPINGS]; /* which object a mapping is of */
	uint32_t nr_mappings;
	uint64_t groups_when[OBJECTS_GROUPS]; /* when the group was last found to be what it is */
	char *mountinfo;
	uint64_t mountinfo_when;
};

const char *objects_kind(enum object_kind kind)
{
	static const char *const names[] = {
		[OBJECT_OTHERS] = "others",
		[OBJECT_UNKNOWN] = "unknown",
		[OBJECT_ANON] = "anonymous",
		[OBJECT_KSM] = "ksm",
		[OBJECT_CUT] = "cut",
		[OBJECT_SHARED] = "shared",
		[OBJECT_SYSV] = "sysv",
		[OBJECT_MEMFD] = "memfd",
		[OBJECT_FILE] = "file",
		[OBJECT_DEVICE] = "device",
		[OBJECT_DEVICE_MEMORY] = "device-memory",
	};

	return names[kind];
}

/* ---- life ------------------------------------------------------------------------------- */

static bool read_files_layout(struct objects_layout *l, const struct btf *btf)
{
	const struct btfq_field fields[] = {
		{"address_space", "host", &l->host},
		{"inode", "i_data", &l->inode_data},
		{"inode", "i_mapping", &l->inode_mapping},
		{"inode", "i_sb", &l->inode_sb},
		{"inode", "i_ino", &l->ino},
		{"inode", "i_mode", &l->mode},
		{"inode", "i_rdev", &l->rdev},
		{"inode", "i_size", &l->size},
		{"inode", "i_nlink", &l->nlink},
		{"inode", "i_generation", &l->generation},
		{"inode", "i_dentry", &l->aliases},
		{"super_block", "s_dev", &l->sb_dev},
		{"super_block", "s_type", &l->sb_type},
		{"file_system_type", "name", &l->fs_name},
		{"dentry", "d_u", &l->alias},
		{"dentry", "d_parent", &l->parent},
		{"dentry", "d_name", &l->name},
		{"dentry", "d_inode", &l->dentry_inode},
		{"qstr", "name", &l->name_at},
	};

	l->inode_size = (uint32_t)btfq_size(btf, "inode");
	return btfq_fields(btf, fields, sizeof(fields) / sizeof(fields[0])) &&
	       l->inode_size <= INODE_MAX;
}

/* Without CONFIG_MEMCG there is nothing to be read, and no folio asks for it. */
static bool read_groups_layout(struct objects_layout *l, const struct btf *btf)
{
	const struct btfq_field fields[] = {
		{"mem_cgroup", "css", &l->css},
		{"cgroup_subsys_state", "cgroup", &l->css_cgroup},
		{"cgroup_subsys_state", "flags", &l->css_flags},
		{"cgroup", "kn", &l->cgroup_node},
		{"kernfs_node", "name", &l->node_name},
		{"kernfs_node", "id", &l->node_id},
	};
	const struct btfq_field parent = {"kernfs_node", "__parent", &l->node_parent}; /* 6.15 */
	const struct btfq_field parent_before = {"kernfs_node", "parent", &l->node_parent};

	return btfq_fields(btf, fields, sizeof(fields) / sizeof(fields[0])) &&
	       (btfq_fields(btf, &parent, 1) || btfq_fields(btf, &parent_before, 1)) &&
	       btfq_enumerator(btf, "CSS_ONLINE", &l->css_online);
}

/* The entries that always are: those for which there was no room. */
static int make_tables(struct objects *o)
{
	o->objects = calloc(OBJECTS_MAX, sizeof(*o->objects));
	o->groups = calloc(OBJECTS_GROUPS, sizeof(*o->groups));
	o->cache = calloc(1, sizeof(*o->cache));
	if (!o->objects || !o->groups || !o->cache)
		return -ENOMEM;
	o->objects[0].name = strdup("");
	o->groups[0] = calloc(1, sizeof(*o->groups[0]));
	if (!o->objects[0].name || !o->groups[0])
		return -ENOMEM;
	o->nr_objects = o->nr_groups = 1;
	return 0;
}

int objects_open(struct objects *o, struct memory *m)
{
	int err;

	*o = (struct objects){.memory = m};
	if (!read_files_layout(&o->at, m->btf))
		return memory_fail(m, -ENOTSUP, "the BTF does not describe files");
	o->at.has_memcg = read_groups_layout(&o->at, m->btf);
	o->at.has_zone_device = btfq_enumerator(m->btf, "ZONE_DEVICE", &o->at.zone_device);
	if (make_tables(o))
		return memory_fail(m, -ENOMEM, "no memory");
	err = mappers_open(&o->mappers, m);
	return err;
}

void objects_close(struct objects *o)
{
	for (size_t i = 0; i < o->nr_objects; i++)
		free(o->objects[i].name);
	for (size_t i = 0; i < o->nr_groups; i++)
		free(o->groups[i]);
	if (o->cache)
		free(o->cache->mountinfo);
	free(o->objects);
	free(o->groups);
	free(o->cache);
	map64_free(&o->by_inode);
	map64_free(&o->by_memcg);
	map64_free(&o->by_mapping);
	mappers_close(&o->mappers);
	*o = (struct objects){0};
}

/* ---- paths ------------------------------------------------------------------------------ */

/* A path, written from its end to its beginning. */
struct trail {
	char text[PROCFS_PATH];
	size_t at;
	bool cut;
};

static void trail_begin(struct trail *t)
{
	t->at = sizeof(t->text) - 1;
	t->text[t->at] = '\0';
	t->cut = false;
}

/* What has no room is left out in front; 4 bytes stay for the dots that say so. */
static bool trail_add(struct trail *t, const char *name)
{
	size_t n = strlen(name);

	t->cut = n + 5 > t->at;
	if (t->cut)
		return false;
	t->at -= n + 1;
	t->text[t->at] = '/';
	memcpy(t->text + t->at + 1, name, n);
	return true;
}

static const char *trail_end(struct trail *t)
{
	if (t->cut)
		memcpy(t->text + (t->at -= 3), "...", 3);
	else if (!t->text[t->at])
		t->text[--t->at] = '/';
	return t->text + t->at;
}

static void dentry_name(struct objects *o, uint64_t dentry, char *name)
{
	uint64_t text = memory_u64(o->memory, dentry + o->at.name + o->at.name_at);

	name[0] = '\0';
	if (text)
		memory_string(o->memory, text, name, NAME_SIZE);
}

/* The path within the file system. A rename as we read can mix two paths, nothing worse. */
static void dentry_path(struct objects *o, uint64_t dentry, struct trail *t)
{
	char name[NAME_SIZE];

	trail_begin(t);
	for (int i = 0; i < PATH_DEPTH; i++) {
		uint64_t parent = memory_u64(o->memory, dentry + o->at.parent);

		if (!parent || parent == dentry)
			return;
		dentry_name(o, dentry, name);
		if (!trail_add(t, name))
			return;
		dentry = parent;
	}
	t->cut = true;
}

static const char *mountinfo(struct objects *o)
{
	struct objects_cache *c = o->cache;
	uint64_t now = clock_now_ns();

	if (!c->mountinfo || now - c->mountinfo_when > FRESH_NS) {
		free(c->mountinfo);
		c->mountinfo = sysfs_slurp("/proc/self/mountinfo", MOUNTINFO_MAX);
		c->mountinfo_when = now;
	}
	return c->mountinfo ? c->mountinfo : "";
}

/* ---- objects of files ------------------------------------------------------------------- */

struct inode_view {
	uint64_t addr, sb, dentry;
	char bytes[INODE_MAX];
};

static uint64_t word_at(const struct inode_view *v, uint32_t at)
{
	uint64_t word;

	memcpy(&word, v->bytes + at, sizeof(word));
	return word;
}

static uint32_t half_at(const struct inode_view *v, uint32_t at)
{
	uint32_t half;

	memcpy(&half, v->bytes + at, sizeof(half));
	return half;
}

/* An inode is one when it knows the mapping that led to it. */
static bool view_inode(struct objects *o, uint64_t mapping, struct inode_view *v)
{
	const struct objects_layout *l = &o->at;
	uint64_t alias;

	v->addr = memory_u64(o->memory, mapping + l->host);
	if (!v->addr || memory_read(o->memory, v->addr, v->bytes, l->inode_size))
		return false;
	if (v->addr + l->inode_data != mapping && word_at(v, l->inode_mapping) != mapping)
		return false;
	v->sb = word_at(v, l->inode_sb);
	alias = word_at(v, l->aliases);
	v->dentry = alias ? alias - l->alias : 0;
	if (v->dentry && memory_u64(o->memory, v->dentry + l->dentry_inode) != v->addr)
		v->dentry = 0;
	return true;
}

/*
 * Files that no directory has, all of internal mounts: shmem_file_setup() and
 * hugetlb_file_setup() call them by these names (mm/memfd.c, ipc/shm.c).
 */
static void name_nameless(struct object *obj, char *name)
{
	unsigned key;

	obj->kind = OBJECT_SHARED;
	if (!strncmp(name, "memfd:", 6)) {
		obj->kind = OBJECT_MEMFD;
		memmove(name, name + 6, strlen(name + 6) + 1);
	} else if (sscanf(name, "SYSV%8x", &key) == 1) {
		obj->kind = OBJECT_SYSV;
		snprintf(name, NAME_SIZE, "0x%08x", key);
	}
}

static void name_file(struct objects *o, const struct inode_view *v, struct object *obj, char *out)
{
	struct trail t;

	obj->kind = OBJECT_FILE;
	obj->deleted = !half_at(v, o->at.nlink);
	if (!v->dentry)
		return;
	dentry_path(o, v->dentry, &t);
	obj->mounted = procfs_mounted(mountinfo(o), obj->dev, trail_end(&t), out, PROCFS_PATH);
}

static void name_device(struct object *obj, bool block, char *out)
{
	char node[NAME_SIZE - 8], driver[64];

	obj->kind = OBJECT_DEVICE;
	sysfs_device(obj->rdev, block, node, sizeof(node), driver, sizeof(driver));
	if (node[0])
		snprintf(out, PROCFS_PATH, "/dev/%s", node);
}

static void name_object(struct objects *o, const struct inode_view *v, struct object *obj,
			char *out)
{
	uint32_t mode = half_at(v, o->at.mode) & 0xffff;
	bool memory = !strcmp(obj->fs, "tmpfs") || obj->hugetlb;

	if (S_ISBLK(mode) || S_ISCHR(mode)) {
		obj->rdev = half_at(v, o->at.rdev);
		name_device(obj, S_ISBLK(mode), out);
	} else if (memory && v->dentry &&
		   memory_u64(o->memory, v->dentry + o->at.parent) == v->dentry) {
		dentry_name(o, v->dentry, out);
		name_nameless(obj, out);
	} else {
		name_file(o, v, obj, out);
	}
}

static void describe(struct objects *o, const struct inode_view *v, struct object *obj, char *name)
{
	uint64_t type = memory_u64(o->memory, v->sb + o->at.sb_type);

	*obj = (struct object){.dev = memory_u32(o->memory, v->sb + o->at.sb_dev),
			       .ino = word_at(v, o->at.ino),
			       .size = (int64_t)word_at(v, o->at.size),
			       .inode = v->addr,
			       .generation = half_at(v, o->at.generation)};
	memory_string(o->memory, memory_u64(o->memory, type + o->at.fs_name), obj->fs,
		      sizeof(obj->fs));
	obj->hugetlb = !strcmp(obj->fs, "hugetlbfs");
	name[0] = '\0';
	name_object(o, v, obj, name);
}

/* ---- the table of objects --------------------------------------------------------------- */

static uint32_t add_object(struct objects *o, uint64_t key, const struct object *obj,
			   const char *name)
{
	uint32_t at = (uint32_t)o->nr_objects;
	char *copy = at < OBJECTS_MAX ? strdup(name) : NULL;

	if (!copy || map64_put(&o->by_inode, key, at)) {
		free(copy);
		return 0;
	}
	o->objects[at] = *obj;
	o->objects[at].name = copy;
	o->nr_objects++;
	return at;
}

/* An inode may be freed and its memory be another inode's while we go on. */
static bool is_same(const struct objects *o, const struct object *obj, const struct inode_view *v)
{
	return obj->ino == word_at(v, o->at.ino) && obj->generation == half_at(v, o->at.generation);
}

static uint32_t object_of_inode(struct objects *o, const struct inode_view *v)
{
	char name[PROCFS_PATH];
	struct object obj;
	uint32_t at;

	if (map64_get(&o->by_inode, v->addr, &at) && is_same(o, &o->objects[at], v))
		return at;
	describe(o, v, &obj, name);
	return add_object(o, v->addr, &obj, name);
}

/* One entry each for what has no file. */
static uint32_t object_of_kind(struct objects *o, enum object_kind kind, bool hugetlb)
{
	struct object obj = {.kind = kind, .hugetlb = hugetlb};
	uint64_t key = (uint64_t)kind << 1 | hugetlb; /* no address of a kernel */
	uint32_t at;

	return map64_get(&o->by_inode, key, &at) ? at : add_object(o, key, &obj, "");
}

static uint32_t object_of_mapping(struct objects *o, const struct folio *f)
{
	struct objects_cache *c = o->cache;
	uint64_t now = clock_now_ns();
	struct inode_view v;
	uint32_t at;

	if (map64_get(&o->by_mapping, f->mapping, &at) && now - c->mappings[at].when < FRESH_NS)
		return c->mappings[at].place;
	if (!view_inode(o, f->mapping, &v))
		return object_of_kind(o, OBJECT_UNKNOWN, f->hugetlb);
	if (c->nr_mappings == MAPPINGS) {
		c->nr_mappings = 0;
		map64_clear(&o->by_mapping);
	}
	at = object_of_inode(o, &v);
	c->mappings[c->nr_mappings] = (struct seen){now, at};
	if (!map64_put(&o->by_mapping, f->mapping, c->nr_mappings))
		c->nr_mappings++;
	return at;
}

/* Other pages of the kernel have other things where these have their mapping. */
static bool is_user_memory(const struct folio *f)
{
	return f->lru || f->swapbacked || f->hugetlb || f->maps > 0;
}

static uint32_t object_of(struct objects *o, const struct folio *f)
{
	bool device = o->at.has_zone_device && f->zone == o->at.zone_device;

	if (f->mapping && !f->anon)
		return object_of_mapping(o, f); /* of device memory too: a DAX file */
	if (device)
		return object_of_kind(o, OBJECT_DEVICE_MEMORY, false);
	if (!is_user_memory(f))
		return object_of_kind(o, OBJECT_UNKNOWN, false);
	if (f->ksm)
		return object_of_kind(o, OBJECT_KSM, false);
	if (f->anon)
		return object_of_kind(o, OBJECT_ANON, f->hugetlb);
	/* Truncation takes the mapping away and leaves the folio to whoever holds it. */
	return object_of_kind(o, OBJECT_CUT, f->hugetlb);
}

/* ---- control groups --------------------------------------------------------------------- */

static void group_path(struct objects *o, uint64_t node, char *out)
{
	char name[NAME_SIZE];
	struct trail t;

	trail_begin(&t);
	for (int i = 0; i < PATH_DEPTH; i++) {
		uint64_t parent = memory_u64(o->memory, node + o->at.node_parent);
		uint64_t text = memory_u64(o->memory, node + o->at.node_name);

		if (!parent)
			break;
		memory_string(o->memory, text, name, sizeof(name));
		if (!trail_add(&t, name))
			break;
		node = parent;
	}
	snprintf(out, PROCFS_PATH, "%s", trail_end(&t));
}

static uint32_t add_group(struct objects *o, uint64_t memcg, uint64_t node, uint64_t id)
{
	uint64_t flags = memory_u32(o->memory, memcg + o->at.css + o->at.css_flags);
	uint32_t at = (uint32_t)o->nr_groups;
	struct group *g = at < OBJECTS_GROUPS ? calloc(1, sizeof(*g)) : NULL;

	if (!g || map64_put(&o->by_memcg, memcg, at)) {
		free(g);
		return 0;
	}
	*g = (struct group){.memcg = memcg, .id = id, .dying = !(flags & o->at.css_online)};
	group_path(o, node, g->path);
	o->groups[o->nr_groups++] = g;
	return at;
}

static uint32_t group_of(struct objects *o, uint64_t memcg)
{
	uint64_t now = clock_now_ns(), node, id;
	uint32_t at;
	bool known;

	if (!memcg || !o->at.has_memcg)
		return 0;
	known = map64_get(&o->by_memcg, memcg, &at);
	if (known && now - o->cache->groups_when[at] < FRESH_NS)
		return at;
	node = memory_u64(o->memory, memcg + o->at.css + o->at.css_cgroup);
	node = memory_u64(o->memory, node + o->at.cgroup_node);
	id = memory_u64(o->memory, node + o->at.node_id);
	if (!id)
		return 0;
	if (!known || o->groups[at]->id != id)
		at = add_group(o, memcg, node, id);
	o->cache->groups_when[at] = now;
	return at;
}

void objects_resolve(struct objects *o, const struct folio *f, struct folio_place *out)
{
	*out = (struct folio_place){.object = object_of(o, f), .group = group_of(o, f->memcg)};
	out->nr_mappers =
		(uint8_t)mappers_of(&o->mappers, f, out->mappers, PLACE_MAPPERS, &out->more);
}
