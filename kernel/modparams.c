// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "modparams.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libkmod.h>

#include "../core/grow.h"
#include "../core/initial.h"
#include "../core/param.h"
#include "sysfs.h"

#define CMDLINE_MAX (64 << 10)

/* ---- values ----------------------------------------------------------------------------- */

static int add_param(struct inspect *i, const char *name, struct inspect_param **out)
{
	struct inspect_param *p;
	int err;

	for (size_t n = 0; n < i->nr_params; n++)
		if (modinfo_same(i->params[n].name, strlen(i->params[n].name), name,
				 strlen(name))) {
			*out = &i->params[n];
			return 0;
		}
	err = grow((void **)&i->params, &i->room_params, i->nr_params, sizeof(*p));
	if (err)
		return err;
	p = &i->params[i->nr_params++];
	*p = (struct inspect_param){0};
	snprintf(p->name, sizeof(p->name), "%s", name);
	*out = p;
	return 0;
}

static int add_declared(struct inspect *i, const struct elf64 *file)
{
	const struct modinfo *info = &i->identity.info;
	int err = 0;

	for (size_t n = 0; n < info->nr && !err; n++) {
		struct inspect_param *p;

		err = add_param(i, info->params[n].name, &p);
		if (err)
			break;
		p->declared = true;
		memcpy(p->type, info->params[n].type, sizeof(p->type));
		memcpy(p->text, info->params[n].text, sizeof(p->text));
		if (file && initial_value(file, p->name, p->initial, sizeof(p->initial)))
			p->source = DEFAULT_OF_FILE;
	}
	return err;
}

/* Reading calls a function of the module's, and takes kernel_param_lock(): a write may wait. */
static int add_shown(struct inspect *i, const char *name, unsigned *hidden)
{
	struct inspect_param *p;
	char path[512], *text;
	int err = add_param(i, name, &p);

	if (err)
		return err;
	snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s", i->driver, name);
	text = sysfs_slurp(path, sizeof(p->value) - 1);
	p->value_known = text != NULL;
	if (text)
		snprintf(p->value, sizeof(p->value), "%.*s", (int)strcspn(text, "\n"), text);
	else
		(*hidden)++;
	free(text);
	return 0;
}

int modparams_read(struct inspect *i, const struct elf64 *file)
{
	char path[128];
	unsigned hidden = 0;
	struct dirent *d;
	DIR *dir;
	int err = add_declared(i, file);

	snprintf(path, sizeof(path), "/sys/module/%s/parameters", i->driver);
	dir = opendir(path);
	if (!dir && errno != ENOENT)
		inspect_gap(i, "parameters", "%s: %s", path, strerror(errno));
	while (dir && !err && (d = readdir(dir)))
		if (d->d_name[0] != '.')
			err = add_shown(i, d->d_name, &hidden);
	if (dir)
		closedir(dir);
	if (hidden)
		inspect_gap(i, "parameters", "the values of %u may be read by root only", hidden);
	return err;
}

/* ---- settings --------------------------------------------------------------------------- */

static bool is_set_already(const struct inspect *i, const struct inspect_setting *s)
{
	for (size_t n = 0; n < i->nr_settings; n++)
		if (!strcmp(i->settings[n].name, s->name) &&
		    !strcmp(i->settings[n].value, s->value))
			return true;
	return false;
}

static int add_setting(struct inspect *i, const struct inspect_setting *s)
{
	int err = grow((void **)&i->settings, &i->room_settings, i->nr_settings, sizeof(*s));

	if (!err)
		i->settings[i->nr_settings++] = *s;
	return err;
}

/* "leaky.keep_pages=2", and in modprobe.d's words without the module. */
static int read_command_line(struct inspect *i)
{
	char *line = sysfs_slurp("/proc/cmdline", CMDLINE_MAX), word[160];
	const char *at = line;
	int err = 0;

	if (!line)
		inspect_gap(i, "parameters", "/proc/cmdline: %s", strerror(errno));
	while (at && !err) {
		struct inspect_setting s = {.origin = SET_BY_COMMAND_LINE};
		char *dot;

		if (!param_next(&at, word, sizeof(word), s.value, sizeof(s.value), &s.has_value))
			break;
		dot = strchr(word, '.');
		if (!dot || !modinfo_same(word, (size_t)(dot - word), i->driver, strlen(i->driver)))
			continue;
		snprintf(s.name, sizeof(s.name), "%.*s", (int)sizeof(s.name) - 1, dot + 1);
		err = add_setting(i, &s);
	}
	free(line);
	return err;
}

/* libkmod lists the command line's settings among them: those are there already. */
static int add_options(struct inspect *i, const char *text)
{
	int err = 0;

	while (!err) {
		struct inspect_setting s = {.origin = SET_BY_MODPROBE};

		if (!param_next(&text, s.name, sizeof(s.name), s.value, sizeof(s.value),
				&s.has_value))
			break;
		if (!is_set_already(i, &s))
			err = add_setting(i, &s);
	}
	return err;
}

static int read_modprobe(struct inspect *i)
{
	struct kmod_ctx *kmod = kmod_new(NULL, NULL);
	struct kmod_config_iter *iter = kmod ? kmod_config_get_options(kmod) : NULL;
	int err = 0;

	if (!iter)
		inspect_gap(i, "parameters", "the settings of modprobe.d cannot be read");
	while (iter && !err && kmod_config_iter_next(iter)) {
		const char *module = kmod_config_iter_get_key(iter);

		if (modinfo_same(module, strlen(module), i->driver, strlen(i->driver)))
			err = add_options(i, kmod_config_iter_get_value(iter));
	}
	if (iter)
		kmod_config_iter_free_iter(iter);
	if (kmod)
		kmod_unref(kmod);
	return err;
}

int modparams_settings(struct inspect *i)
{
	int err = read_command_line(i);

	/* what is built in is never loaded by modprobe */
	return err || i->identity.kind == INSPECT_BUILT_IN ? err : read_modprobe(i);
}
