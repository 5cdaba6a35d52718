// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "holders.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../bpf/holders.h"
#include "btfq.h"
#include "holders.skel.h"
#include "sysfs.h"

#define READ_SIZE   65536
#define UID_BUCKETS 128	  /* UIDHASH_SZ of kernel/user.c; 8 with CONFIG_BASE_SMALL */
#define UID_CHAIN   65536 /* users in one of them */

/* What all files with the same operations have in common. */
struct ops {
	char module[MODGRAPH_NAME];
	enum holder_reach module_reach;
};

struct ops_name {
	uint64_t addr;
	char name[64]; /* "" when no symbol begins there */
};

/* What is needed only while reading. */
struct reading {
	struct memory *memory;
	struct holders *out;
	bool modules; /* what they call is looked at */
	struct pl_open *files;
	uint32_t *places; /* of each of them */
	size_t nr;
	struct map64 by_file, by_ops;
	struct ops_name *names; /* of operations, each once */
	struct ops *ops;	/* in the same order */
	size_t nr_ops;
};

/* ---- the list of files ------------------------------------------------------------------ */

static int note_file(struct reading *r, const struct pl_open *o)
{
	uint32_t at;

	if (map64_get(&r->by_file, o->file, &at)) {
		r->places[at]++;
		if (r->files[at].fd < 0 && o->fd >= 0)
			r->files[at] = *o;
		return 0;
	}
	if (r->nr == HOLDERS_MAX) {
		r->out->cut = true;
		return 0;
	}
	r->files[r->nr] = *o;
	r->places[r->nr] = 1;
	return map64_put(&r->by_file, o->file, (uint32_t)r->nr++);
}

/* The kernel hands over as many whole records as fit, and parts of one at the end. */
static int read_records(struct reading *r, int fd)
{
	char *buffer = malloc(READ_SIZE);
	size_t have = 0, at;
	int err = buffer ? 0 : -ENOMEM;

	while (!err) {
		ssize_t n = read(fd, buffer + have, READ_SIZE - have);

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0) {
			err = n < 0 ? -errno : 0;
			break;
		}
		have += (size_t)n;
		for (at = 0; at + sizeof(struct pl_open) <= have && !err;
		     at += sizeof(struct pl_open)) {
			struct pl_open o;

			memcpy(&o, buffer + at, sizeof(o));
			err = note_file(r, &o);
		}
		have -= at;
		memmove(buffer, buffer + at, have);
	}
	free(buffer);
	return err;
}

static int run_iterator(struct reading *r, struct bpf_program *prog)
{
	struct bpf_link *link = bpf_program__attach_iter(prog, NULL);
	int fd, err;

	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	err = fd < 0 ? -errno : read_records(r, fd);
	if (fd >= 0)
		close(fd);
	bpf_link__destroy(link);
	return err;
}

static int list_files(struct reading *r)
{
	struct holders_bpf *skel = holders_bpf__open_and_load();
	int err;

	if (!skel)
		return memory_fail(r->memory, -errno,
				   "the kernel refuses the programs that list files: %s",
				   strerror(errno));
	err = run_iterator(r, skel->progs.open_files);
	if (!err)
		err = run_iterator(r, skel->progs.mapped_files);
	if (!err)
		err = run_iterator(r, skel->progs.waiting_tasks);
	r->out->in_call = skel->bss->in_call;
	holders_bpf__destroy(skel);
	return err ? memory_fail(r->memory, err, "open files cannot be listed: %s", strerror(-err))
		   : 0;
}

/* ---- what they are ---------------------------------------------------------------------- */

static int name_ops(struct reading *r)
{
	uint32_t at;
	int err = 0;

	for (size_t i = 0; i < r->nr && !err; i++) {
		uint64_t ops = r->files[i].ops;

		if (map64_get(&r->by_ops, ops, &at))
			continue;
		r->names[r->nr_ops].addr = ops;
		memory_name(r->memory, ops, r->names[r->nr_ops].name, sizeof(r->names->name));
		err = map64_put(&r->by_ops, ops, (uint32_t)r->nr_ops++);
	}
	return err;
}

/* file_operations.owner is NULL for what is built in. */
static int find_modules(struct reading *r)
{
	struct memory *m = r->memory;
	uint32_t owner, name;
	const struct btfq_field fields[] = {{"file_operations", "owner", &owner},
					    {"module", "name", &name}};

	if (!btfq_fields(m->btf, fields, 2))
		return memory_fail(m, -ENOTSUP, "the BTF does not describe file operations");
	for (size_t i = 0; i < r->nr_ops; i++) {
		uint64_t module = memory_u64(m, r->names[i].addr + owner);
		struct ops *o = &r->ops[i];

		if (!module)
			continue;
		memory_string(m, module + name, o->module, sizeof(o->module));
		o->module_reach = pinners_reach(&r->out->pinners, o->module);
	}
	return 0;
}

static void name_holder(struct holder *h, const char *ops)
{
	char node[sizeof(h->what) - 8] = "", driver[64];

	if (S_ISCHR(h->mode) || S_ISBLK(h->mode))
		sysfs_device(h->rdev, S_ISBLK(h->mode), node, sizeof(node), driver, sizeof(driver));
	if (node[0])
		snprintf(h->what, sizeof(h->what), "/dev/%s", node);
	else
		snprintf(h->what, sizeof(h->what), "%s", ops);
}

static void add_holder(struct reading *r, const struct pl_open *o, uint32_t places,
		       struct holder_class class, uint32_t ops)
{
	struct holder *h = &r->out->list[r->out->nr++];

	*h = (struct holder){.kind = class.kind,
			     .reach = class.reach,
			     .tgid = o->tgid,
			     .start_ns = o->start_ns,
			     .fd = o->fd,
			     .places = places,
			     .mode = o->mode,
			     .family = o->family,
			     .rdev = o->rdev,
			     .file = o->file,
			     .data = o->data,
			     .sock = o->sock};
	memcpy(h->comm, o->comm, sizeof(h->comm) - 1);
	memcpy(h->module, r->ops[ops].module, sizeof(h->module));
	name_holder(h, r->names[ops].name);
}

static void judge_file(struct reading *r, const struct pl_open *o, uint32_t places)
{
	struct holder_class class;
	uint32_t ops = 0;

	map64_get(&r->by_ops, o->ops, &ops); /* is there: name_ops() */
	class = holder_classify(&(struct holder_facts){.ops = r->names[ops].name,
						       .module = r->ops[ops].module,
						       .module_reach = r->ops[ops].module_reach,
						       .mode = o->mode,
						       .family = o->family,
						       .rdev = o->rdev,
						       .flags = o->flags});
	if (class.reach == HOLDER_NOTHING)
		r->out->harmless++;
	else
		add_holder(r, o, places, class, ops);
	if (S_ISFIFO(o->mode))
		queues_add_pipe(&r->out->queues, o->data);
	else if (o->sock)
		queues_add_socket(&r->out->queues, o->sock, o->family);
}

/* ---- files on their way ----------------------------------------------------------------- */

/*
 * unix_tot_inflight counts sockets only. What counts every file is a user's unix_inflight, for
 * which too_many_unix_fds() has a limit (net/core/scm.c).
 */
static void read_inflight(struct holders *h, struct memory *m)
{
	uint32_t inflight, node;
	const struct btfq_field fields[] = {{"user_struct", "unix_inflight", &inflight},
					    {"user_struct", "uidhash_node", &node}};
	uint64_t table, buckets;
	char name[64];

	if (memory_symbol(m, "uidhash_table", &table) || !btfq_fields(m->btf, fields, 2))
		return;
	buckets = memory_name(m, table, name, sizeof(name)) / sizeof(uint64_t);
	for (uint64_t i = 0; i < buckets && i < UID_BUCKETS; i++) {
		uint64_t at = memory_u64(m, table + i * sizeof(uint64_t));

		for (int k = 0; at && k < UID_CHAIN; k++) {
			h->inflight += memory_u64(m, at - node + inflight);
			at = memory_u64(m, at); /* hlist_node begins with next */
		}
	}
	h->inflight_known = buckets > 0;
}

/* ---- sockets that no file leads to -------------------------------------------------------- */

/* TCP sockets of the whole machine, by /proc/net/sockstat; -1: not known. */
static int64_t tcp_sockets(void)
{
	char *text = sysfs_slurp("/proc/net/sockstat", 4096);
	char *line = text ? strstr(text, "\nTCP:") : NULL;
	long long n = -1;

	if (line && sscanf(line, " TCP: inuse %*d orphan %*d tw %*d alloc %lld", &n) != 1)
		n = -1;
	free(text);
	return n;
}

static int64_t unix_sockets(struct memory *m)
{
	uint64_t nr;

	return memory_symbol(m, "unix_nr_socks", &nr) ? -1 : (int64_t)memory_u64(m, nr);
}

/*
 * A connection that nobody has accepted yet, or that was closed with data on its way, has no file
 * to be found by; its queues were not looked through then.
 */
static void notice_unseen_sockets(struct holders *h, struct memory *m)
{
	int64_t tcp = tcp_sockets(), local = unix_sockets(m);

	h->queues.cut |= tcp < 0 || local < 0 || tcp > h->queues.tcp || local > h->queues.local;
}

/* ---- life ------------------------------------------------------------------------------- */

static int read_all(struct reading *r)
{
	struct holders *h = r->out;
	int err = queues_open(&h->queues, r->memory);

	if (err)
		return err;
	if (!r->files || !r->places || !r->names || !r->ops || !h->list)
		return memory_fail(r->memory, -ENOMEM, "no memory");
	err = list_files(r);
	if (err)
		return err;
	err = r->modules ? pinners_read(&h->pinners) : 0;
	if (!err)
		err = name_ops(r);
	if (err)
		return memory_fail(r->memory, err, "modules and symbols cannot be read: %s",
				   strerror(-err));
	err = find_modules(r);
	for (size_t i = 0; i < r->nr && !err; i++)
		judge_file(r, &r->files[i], r->places[i]);
	queues_add_orphans(&h->queues);
	read_inflight(h, r->memory);
	notice_unseen_sockets(h, r->memory);
	return err;
}

int holders_read(struct memory *m, bool modules, struct holders *out)
{
	struct reading r = {.memory = m, .out = out, .modules = modules};
	int err;

	*out = (struct holders){0};
	r.files = calloc(HOLDERS_MAX, sizeof(*r.files));
	r.places = calloc(HOLDERS_MAX, sizeof(*r.places));
	r.names = calloc(HOLDERS_MAX, sizeof(*r.names));
	r.ops = calloc(HOLDERS_MAX, sizeof(*r.ops));
	out->list = calloc(HOLDERS_MAX, sizeof(*out->list));
	err = read_all(&r);
	free(r.files);
	free(r.places);
	free(r.names);
	free(r.ops);
	map64_free(&r.by_file);
	map64_free(&r.by_ops);
	return err;
}

void holders_close(struct holders *h)
{
	free(h->list);
	pinners_close(&h->pinners);
	queues_close(&h->queues);
	*h = (struct holders){0};
}

/* ---- questions -------------------------------------------------------------------------- */

bool holders_could(const struct holders *h, enum holder_reach at_least)
{
	if (h->cut || !h->inflight_known || h->inflight || h->in_call)
		return true;
	for (size_t i = 0; i < h->nr; i++)
		if (h->list[i].reach >= at_least)
			return true;
	/*
	 * A module that pins for requests in flight alone (a mounted file system, say) does so for
	 * a file that was seen above, or for a thread that waits.
	 */
	for (size_t i = 0; i < h->pinners.nr; i++)
		if (h->pinners.list[i].in_use && h->pinners.list[i].reach >= at_least &&
		    h->pinners.list[i].reach != HOLDER_IN_FLIGHT)
			return true;
	return false;
}

bool holders_explains(const struct holders *h, uint64_t folio, uint32_t *refs)
{
	*refs = 0;
	map64_get(&h->queues.refs, folio, refs);
	return !h->queues.cut && !h->cut && h->inflight_known && !h->inflight;
}
