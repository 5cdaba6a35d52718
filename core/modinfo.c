// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "modinfo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"

/* A string with a known length. */
struct part {
	const char *at;
	size_t len;
};

bool modinfo_same(const char *a, size_t a_len, const char *b, size_t b_len)
{
	if (a_len != b_len)
		return false;
	for (size_t i = 0; i < a_len; i++)
		if ((a[i] == '-' ? '_' : a[i]) != (b[i] == '-' ? '_' : b[i]))
			return false;
	return true;
}

static bool is(struct part p, const char *text)
{
	return p.len == strlen(text) && !memcmp(p.at, text, p.len);
}

/* Cuts p at the first c: *rest is what comes after it. False: there is none. */
static bool cut_at(struct part *p, char c, struct part *rest)
{
	const char *at = memchr(p->at, c, p->len);

	if (!at)
		return false;
	*rest = (struct part){at + 1, p->len - (size_t)(at + 1 - p->at)};
	p->len = (size_t)(at - p->at);
	return true;
}

static void keep(struct part p, char *out, size_t size, bool *cut)
{
	*cut |= p.len >= size;
	snprintf(out, size, "%.*s", (int)(p.len < size ? p.len : size - 1), p.at);
}

/* What several files were made one module of has several, which may be the same. */
static void add(struct part p, char *out, size_t size, bool *cut)
{
	size_t len = strlen(out);

	if (!p.len || memmem(out, len, p.at, p.len))
		return;
	if (len + 2 >= size) {
		*cut = true;
		return;
	}
	memcpy(out + len, "; ", 3);
	keep(p, out + len + 2, size - len - 2, cut);
}

static struct modinfo_param *find(const struct modinfo *m, const char *name, size_t len)
{
	for (size_t i = 0; i < m->nr; i++)
		if (modinfo_same(m->params[i].name, strlen(m->params[i].name), name, len))
			return &m->params[i];
	return NULL;
}

const struct modinfo_param *modinfo_param(const struct modinfo *m, const char *name)
{
	return find(m, name, strlen(name));
}

/* "parm=NAME:text" and "parmtype=NAME:type" come in any order. */
static int note_param(struct modinfo *m, struct part value, bool type)
{
	struct part text = {"", 0};
	struct modinfo_param *p;
	int err;

	cut_at(&value, ':', &text);
	p = find(m, value.at, value.len);
	if (!p && (m->nr == MODINFO_PARAMS || value.len >= sizeof(p->name))) {
		m->cut = true;
		return 0;
	}
	if (!p) {
		err = grow((void **)&m->params, &m->room, m->nr, sizeof(*p));
		if (err)
			return err;
		p = &m->params[m->nr++];
		*p = (struct modinfo_param){0};
		keep(value, p->name, sizeof(p->name), &m->cut);
	}
	if (type)
		keep(text, p->type, sizeof(p->type), &m->cut);
	else
		keep(text, p->text, sizeof(p->text), &m->cut);
	return 0;
}

static int note(struct modinfo *m, struct part key, struct part value)
{
	const struct {
		const char *key;
		char *out;
		size_t size;
	} fields[] = {
		{"version", m->version, sizeof(m->version)},
		{"srcversion", m->srcversion, sizeof(m->srcversion)},
		{"vermagic", m->vermagic, sizeof(m->vermagic)},
		{"license", m->license, sizeof(m->license)},
		{"description", m->description, sizeof(m->description)},
		{"name", m->name, sizeof(m->name)},
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (is(key, fields[i].key) && !fields[i].out[0])
			keep(value, fields[i].out, fields[i].size, &m->cut);
		else if (is(key, "description") && fields[i].out == m->description)
			add(value, m->description, sizeof(m->description), &m->cut);
	if (is(key, "intree"))
		m->intree = is(value, "Y");
	if (is(key, "parm") || is(key, "parmtype"))
		return note_param(m, value, is(key, "parmtype"));
	return 0;
}

int modinfo_parse(const char *text, size_t size, const char *module, struct modinfo *out)
{
	int err = 0;
	bool any = false;

	*out = (struct modinfo){0};
	while (size && !err) {
		size_t len = strnlen(text, size), step = len + (len < size);
		struct part key = {text, len}, rest, value;

		out->cut |= len == size;
		if (module && cut_at(&key, '.', &rest)) {
			bool its = modinfo_same(key.at, key.len, module, strlen(module));

			key = its ? rest : (struct part){text, 0};
		}
		if (cut_at(&key, '=', &value)) {
			any = true;
			err = note(out, key, value);
		}
		text += step;
		size -= step;
	}
	return err || any ? err : -ENOENT;
}

void modinfo_free(struct modinfo *m)
{
	free(m->params);
	*m = (struct modinfo){0};
}
