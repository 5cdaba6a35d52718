// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "inspect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "../core/elf64.h"
#include "clock.h"
#include "devices.h"
#include "held.h"
#include "klog.h"
#include "ksyms.h"
#include "modfile.h"
#include "modparams.h"
#include "openers.h"
#include "package.h"
#include "sysfs.h"

#define SIGNS 1024 /* names of drivers and devices that lines of the log may begin with */

/* What is needed while collecting only. */
struct collection {
	struct inspect *out;
	const struct inspect_options *options;
	struct devices_drivers drivers;
	char release[65];
	uint8_t *file; /* the module's, unpacked; NULL */
	size_t size;
	struct ksyms_functions functions;
	bool functions_known;
	bool file_sure; /* it is that of what is loaded */
};

/* ---- who it is -------------------------------------------------------------------------- */

static void underscored(char *name)
{
	for (; *name; name++)
		if (*name == '-')
			*name = '_';
}

static bool is_there(const char *format, const char *name)
{
	char path[192];

	snprintf(path, sizeof(path), format, name);
	return !access(path, F_OK);
}

/* What is built in. -ENODATA: nothing is said of it. */
static int parse_built_in(struct collection *c, const char *module)
{
	struct inspect_identity *id = &c->out->identity;
	uint8_t *bytes;
	size_t size;
	int err;

	snprintf(id->file, sizeof(id->file), "/lib/modules/%s/modules.builtin.modinfo", c->release);
	err = modfile_read(id->file, &bytes, &size);
	if (err)
		return err;
	modinfo_free(&id->info);
	err = modinfo_parse((const char *)bytes, size, module, &id->info);
	free(bytes);
	return err == -ENOENT ? -ENODATA : err;
}

/*
 * Not all that is built in could be a module and is in modules.builtin: what never could may still
 * have parameters and a description, and has no directory in sysfs without a parameter.
 */
static bool is_built_in(struct collection *c, const char *module)
{
	bool found = sysfs_is_built_in(module) || !parse_built_in(c, module);

	c->out->identity.file[0] = '\0';
	return found;
}

/* A module that is built in has no state. False: there is none of that name. */
static bool take_module(struct collection *c, const char *name)
{
	struct inspect *i = c->out;
	char module[INSPECT_NAME];

	snprintf(module, sizeof(module), "%.*s", (int)sizeof(module) - 1, name);
	underscored(module);
	if (is_there("/sys/module/%s", module)) {
		i->identity.loaded = is_there("/sys/module/%s/initstate", module);
		i->identity.kind = i->identity.loaded ? INSPECT_MODULE : INSPECT_BUILT_IN;
	} else if (c->options->file ||
		   sysfs_module_file(module, i->identity.file, sizeof(i->identity.file))) {
		i->identity.kind = INSPECT_MODULE;
	} else if (is_built_in(c, module)) {
		i->identity.kind = INSPECT_BUILT_IN;
	} else {
		return false;
	}
	memcpy(i->driver, module, sizeof(i->driver));
	return true;
}

/* A driver on a bus, which may have another name than its module; what has none is built in. */
static int take_driver(struct collection *c, const char *name)
{
	char module[INSPECT_NAME];
	int err = devices_drivers(name, module, sizeof(module), &c->drivers);

	if (err)
		return err;
	if (module[0] && take_module(c, module)) {
		devices_drivers_free(&c->drivers);
		return devices_drivers(c->out->driver, module, sizeof(module), &c->drivers);
	}
	c->out->identity.kind = INSPECT_BUILT_IN;
	snprintf(c->out->driver, sizeof(c->out->driver), "%s", name);
	return 0;
}

/* A module goes before a driver of that name: virtio_pci has the driver virtio-pci. */
static int find_name(struct collection *c, const char *name)
{
	char module[INSPECT_NAME];
	int err;

	if (!*name || *name == '.' || strchr(name, '/') || strlen(name) >= INSPECT_NAME)
		return -ENOENT;
	if (!take_module(c, name))
		return take_driver(c, name);
	err = devices_drivers(c->out->driver, module, sizeof(module), &c->drivers);
	return err == -ENOENT ? 0 : err;
}

static int find_node(struct collection *c, const char *path)
{
	struct stat st;
	char driver[INSPECT_NAME];
	int err;

	if (stat(path, &st))
		return -errno;
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		return -ENOTBLK;
	err = devices_of_node(major(st.st_rdev) << 20 | minor(st.st_rdev), S_ISBLK(st.st_mode),
			      driver, sizeof(driver), &c->out->guess);
	if (!err)
		err = find_name(c, driver);
	return err == -ENOENT ? -ENODEV : err;
}

/* ---- its file --------------------------------------------------------------------------- */

static void read_built_in(struct collection *c)
{
	struct inspect *i = c->out;
	struct inspect_identity *id = &i->identity;
	int err = parse_built_in(c, i->driver);

	id->file_read = !err;
	if (err == -ENODATA)
		inspect_gap(i, "version", "%s does not describe it", id->file);
	else if (err)
		inspect_gap(i, "version", "%s: %s", id->file, modfile_error(err));
}

static int parse_file(struct collection *c)
{
	struct inspect_identity *id = &c->out->identity;
	struct elf64_section info;
	struct elf64 elf;
	size_t size = signature_read(c->file, c->size, &id->signature);
	int err = elf64_open(c->file, size, &elf);

	if (err)
		return err;
	if (!elf64_find(&elf, ".modinfo", &info) || !info.bytes)
		return -EBADMSG;
	err = modinfo_parse((const char *)info.bytes, info.size, NULL, &id->info);
	return err == -ENOENT ? -EBADMSG : err;
}

static void read_file(struct collection *c)
{
	struct inspect_identity *id = &c->out->identity;
	int err = modfile_read(id->file, &c->file, &c->size);

	if (!err)
		err = parse_file(c);
	id->file_read = !err;
	if (!err)
		return;
	inspect_gap(c->out, "version", "the module's file %s: %s", id->file, modfile_error(err));
	free(c->file);
	c->file = NULL;
}

/* A file of that name may be another build than what is loaded. */
static void compare_file(struct collection *c)
{
	struct inspect *i = c->out;
	struct inspect_identity *id = &i->identity;
	const char *file = id->info.srcversion;

	if (!id->loaded || !id->file_read)
		return;
	id->file_differs = file[0] && id->srcversion[0] && strcmp(file, id->srcversion) != 0;
	if (id->file_differs)
		inspect_gap(i, "version", "%s is another build than what is loaded", id->file);
	else if (strchr(id->taint, 'O') && !(file[0] && id->srcversion[0]))
		inspect_gap(i, "version", "%s may be another build than what is loaded", id->file);
	else
		c->file_sure = c->file != NULL;
}

static void identify(struct collection *c)
{
	struct inspect *i = c->out;
	struct inspect_identity *id = &i->identity;
	struct snap_driver d;
	char *given = c->options->file ? realpath(c->options->file, NULL) : NULL;

	sysfs_module_loaded(i->driver, &d);
	memcpy(id->version, d.version, sizeof(id->version));
	memcpy(id->srcversion, d.srcversion, sizeof(id->srcversion));
	memcpy(id->taint, d.taint, sizeof(id->taint));
	if (id->kind == INSPECT_BUILT_IN) {
		read_built_in(c);
	} else {
		if (c->options->file)
			snprintf(id->file, sizeof(id->file), "%s",
				 given ? given : c->options->file);
		else
			sysfs_module_file(i->driver, id->file, sizeof(id->file));
		if (id->file[0])
			read_file(c);
		else
			inspect_gap(i, "version", "modules.dep knows no file of it; --file tells");
	}
	free(given);
	compare_file(c);
	if (!id->version[0])
		memcpy(id->version, id->info.version, sizeof(id->version));
	if (!id->srcversion[0])
		memcpy(id->srcversion, id->info.srcversion, sizeof(id->srcversion));
}

/* ---- whose package ---------------------------------------------------------------------- */

static void read_origin(struct collection *c)
{
	struct inspect_identity *id = &c->out->identity;
	struct utsname u;

	if (id->kind == INSPECT_BUILT_IN)
		id->intree = id->tree_known = true;
	else if (id->loaded)
		id->intree = !strchr(id->taint, 'O');
	else
		id->intree = id->info.intree;
	id->tree_known |= id->loaded || id->file_read;
	id->dkms = strstr(id->file, "/dkms/") || is_there("/var/lib/dkms/%s", c->out->driver);
	uname(&u);
	inspect_running(u.version, id->running, sizeof(id->running));
}

static void read_package(struct collection *c)
{
	struct inspect_identity *id = &c->out->identity;
	char why[200];
	int err;

	read_origin(c);
	if (!id->file[0])
		return;
	err = package_of(id->file, &id->package, id->intree ? &id->kernel : NULL, why, sizeof(why));
	id->package.unowned = err == -ESRCH;
	if (err == -ENOENT)
		inspect_gap(c->out, "package", "no dpkg, rpm or pacman is here");
	else if (err && err != -ESRCH)
		inspect_gap(c->out, "package", "%s", why[0] ? why : strerror(-err));
}

/* ---- its log ---------------------------------------------------------------------------- */

/* __func__ of a function that was inlined stands in the file, and is no symbol. */
static bool is_in_file(const struct collection *c, const char *name)
{
	char whole[130] = "";
	size_t len = strlen(name);

	if (!c->file || c->out->identity.file_differs || len + 2 > sizeof(whole))
		return false;
	memcpy(whole + 1, name, len); /* between two NULs */
	return memmem(c->file, c->size, whole, len + 2);
}

/*
 * Reading all symbols takes longer than all the rest, and the longer the more modules are loaded:
 * only when a line could be a function's, and no file has their names as well.
 */
static bool is_function(void *ctx, const char *name)
{
	struct collection *c = ctx;
	int err;

	if (!strchr(name, '_'))
		return false;
	if (c->file_sure)
		return is_in_file(c, name);
	if (!c->functions_known) {
		c->functions_known = true;
		err = ksyms_functions(c->out->driver, &c->functions);
		if (err)
			inspect_gap(c->out, "log", "/proc/kallsyms: %s", strerror(-err));
	}
	return ksyms_has(&c->functions, name) || is_in_file(c, name);
}

/* As dev_printk_emit() names a device: "c10:125", "b8:0", "+pci:0000:00:03.0". */
static size_t device_signs(const struct inspect_device *d, char (*out)[64])
{
	size_t n = 0;

	for (int block = 0; block < 2; block++)
		if (d->rdev[block])
			snprintf(out[n++], sizeof(*out), "%c%u:%u", block ? 'b' : 'c',
				 d->rdev[block] >> 20, d->rdev[block] & 0xfffff);
	if (d->bus[0])
		snprintf(out[n++], sizeof(*out), "+%.20s:%.40s", d->bus, d->name);
	return n;
}

static void read_log(struct collection *c)
{
	struct inspect *i = c->out;
	const char *names[SIGNS], *devices[SIGNS];
	char(*signs)[64] = calloc(SIGNS + 3, sizeof(*signs));
	struct kmsg_signs s = {.names = names,
			       .devices = devices,
			       .module = i->driver,
			       .is_function = i->identity.loaded ? is_function : NULL,
			       .ctx = c};
	uint64_t odd = 0;
	int err;

	for (size_t n = 0; n < c->drivers.nr && s.nr_names < SIGNS; n++)
		names[s.nr_names++] = c->drivers.list[n].name;
	for (size_t n = 0; signs && n < i->nr_devices && s.nr_devices < SIGNS; n++) {
		size_t more = device_signs(&i->devices[n], signs + s.nr_devices);

		if (s.nr_names < SIGNS)
			names[s.nr_names++] = i->devices[n].name;
		for (; more && s.nr_devices < SIGNS; more--, s.nr_devices++)
			devices[s.nr_devices] = signs[s.nr_devices];
	}
	err = klog_read(&s, &i->log, &i->log_lost, &odd);
	i->log_known = !err;
	if (err)
		inspect_gap(i, "log", "/dev/kmsg: %s%s", strerror(-err),
			    err == -EPERM || err == -EACCES ? "; be root" : "");
	if (odd)
		inspect_gap(i, "log", "%llu records of /dev/kmsg make no sense",
			    (unsigned long long)odd);
	kmsg_sort(&i->log);
	free(signs);
}

/* ---- all of it -------------------------------------------------------------------------- */

static int read_params(struct collection *c)
{
	struct elf64 elf;
	bool usable =
		c->file && !c->out->identity.file_differs && !elf64_open(c->file, c->size, &elf);
	int err = modparams_read(c->out, usable ? &elf : NULL);

	return err ? err : modparams_settings(c->out);
}

/* The module may be unloaded while it is looked at: then what was read before is told. */
static void notice_unload(struct inspect *i)
{
	if (i->identity.loaded && !is_there("/sys/module/%s/initstate", i->driver))
		inspect_gap(i, "version", "the module was unloaded meanwhile");
}

int inspect_collect(const char *what, const struct inspect_options *o, struct inspect *out)
{
	struct collection c = {.out = out, .options = o};
	struct utsname u;
	int err;

	*out = (struct inspect){.now_ns = clock_now_ns()};
	uname(&u);
	snprintf(c.release, sizeof(c.release), "%.64s", u.release);
	snprintf(out->asked, sizeof(out->asked), "%s", what);
	err = what[0] == '/' ? find_node(&c, what) : find_name(&c, what);
	if (!err) {
		identify(&c);
		err = read_params(&c);
	}
	if (!err)
		err = devices_read(out, &c.drivers);
	if (!err)
		err = openers_read(out);
	if (!err) {
		read_package(&c);
		read_log(&c);
		inspect_judge(out);
		notice_unload(out);
		out->seconds = (double)(clock_now_ns() - out->now_ns) * 1e-9;
	}
	if (!err && o->census)
		err = held_read(out);
	ksyms_functions_free(&c.functions);
	devices_drivers_free(&c.drivers);
	free(c.file);
	return err;
}
