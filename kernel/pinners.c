// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "pinners.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libkmod.h>

#include "sysfs.h"

#define MODULES_MAX (4 << 20) /* bytes of /proc/modules */

/* ---- one module ------------------------------------------------------------------------- */

/* Of a module that was built elsewhere a file of the same name may be another version. */
static bool same_version(struct kmod_module *mod, const char *loaded)
{
	struct kmod_list *info = NULL, *i;
	bool same = false;

	if (!loaded[0] || kmod_module_get_info(mod, &info) < 0)
		return false;
	kmod_list_foreach(i, info)
	{
		if (!strcmp(kmod_module_info_get_key(i), "srcversion"))
			same = !strcmp(kmod_module_info_get_value(i), loaded);
	}
	kmod_module_info_free_list(info);
	return same;
}

static bool has_own_file(struct kmod_module *mod)
{
	struct snap_driver d;

	if (!kmod_module_get_path(mod))
		return false;
	sysfs_module_loaded(kmod_module_get_name(mod), &d);
	return !strchr(d.taint, 'O') || same_version(mod, d.srcversion);
}

static enum holder_reach reach_of_imports(struct kmod_module *mod, bool *unknown)
{
	struct kmod_list *symbols = NULL, *i;
	enum holder_reach reach = HOLDER_NOTHING;

	*unknown = !has_own_file(mod) || kmod_module_get_dependency_symbols(mod, &symbols) < 0;
	if (*unknown)
		return HOLDER_PINS;
	kmod_list_foreach(i, symbols)
	{
		const char *symbol = kmod_module_dependency_symbol_get_symbol(i);
		enum holder_reach one = holder_import(kmod_module_get_name(mod), symbol);

		if (one > reach)
			reach = one;
	}
	kmod_module_dependency_symbols_free_list(symbols);
	return reach;
}

static void read_one(struct pinners *p, struct kmod_ctx *kmod, const struct modgraph_module *m)
{
	struct pinner *out = &p->list[p->nr++];
	struct kmod_module *mod = NULL;
	int users = 0;

	for (const char *at = p->graph.text + m->users; *at; at++)
		users += *at == ',';
	*out = (struct pinner){.refcount = m->refcount,
			       .in_use = m->refcount < 0 || m->refcount > users,
			       .unknown = true,
			       .own = HOLDER_PINS};
	snprintf(out->name, sizeof(out->name), "%s", m->name);
	if (kmod && kmod_module_new_from_name(kmod, m->name, &mod) >= 0) {
		out->own = reach_of_imports(mod, &out->unknown);
		kmod_module_unref(mod);
	}
	out->reach = out->own;
}

/* ---- all of them ------------------------------------------------------------------------ */

/* A module may pin by a function of another: ib_umem_get(), say. */
static int inherit(struct pinners *p)
{
	bool *is_user = calloc(p->nr + 1, sizeof(*is_user));
	int err = is_user ? 0 : -ENOMEM;

	for (size_t i = 0; i < p->nr && !err; i++) {
		enum holder_reach own = p->list[i].own;

		if (own == HOLDER_NOTHING)
			continue;
		memset(is_user, 0, p->nr);
		err = modgraph_users(&p->graph, &p->graph.modules[i], is_user);
		for (size_t k = 0; k < p->nr; k++)
			if (is_user[k] && p->list[k].reach < own)
				p->list[k].reach = own;
	}
	free(is_user);
	return err;
}

int pinners_read(struct pinners *p)
{
	char *text = sysfs_slurp("/proc/modules", MODULES_MAX);
	struct kmod_ctx *kmod;
	int err = text ? 0 : -errno;

	*p = (struct pinners){0};
	if (!err)
		err = modgraph_parse(text, &p->graph);
	free(text);
	p->list = calloc(p->graph.nr + 1, sizeof(*p->list));
	if (err || !p->list)
		return err ? err : -ENOMEM;
	kmod = kmod_new(NULL, NULL);
	if (kmod) {
		kmod_set_log_priority(kmod, 0);
		kmod_load_resources(kmod);
	}
	for (size_t i = 0; i < p->graph.nr; i++)
		read_one(p, kmod, &p->graph.modules[i]);
	kmod_unref(kmod);
	return inherit(p);
}

void pinners_close(struct pinners *p)
{
	free(p->list);
	modgraph_free(&p->graph);
	*p = (struct pinners){0};
}

enum holder_reach pinners_reach(const struct pinners *p, const char *module)
{
	enum holder_reach reach = HOLDER_NOTHING;
	bool known = false;

	for (size_t i = 0; i < p->nr; i++) {
		const struct pinner *m = &p->list[i];

		if (strcmp(m->name, module) && !modgraph_depends(&p->graph, m->name, module))
			continue;
		known = true;
		if (m->reach > reach)
			reach = m->reach;
	}
	return known ? reach : HOLDER_PINS;
}
