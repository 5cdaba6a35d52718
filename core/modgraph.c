// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "modgraph.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Ends the field at *at and moves on to the next one; NULL when the line is over. */
static char *next_field(char **at)
{
	char *field = *at;

	if (!field || !*field)
		return NULL;
	*at = strchr(field, ' ');
	if (*at)
		*(*at)++ = '\0';
	return field;
}

/* "name size refcount user1,user2, Live 0x..."; "-" for no users or no count. */
static void parse_line(struct modgraph *g, char *line)
{
	struct modgraph_module *m = &g->modules[g->nr];
	char *at = line, *name = next_field(&at), *size = next_field(&at);
	char *count = next_field(&at), *users = next_field(&at), *end;

	if (!users || !*name || strlen(name) >= sizeof(m->name) || !*size)
		return;
	memset(m, 0, sizeof(*m));
	memcpy(m->name, name, strlen(name));
	m->refcount = (int)strtol(count, &end, 10);
	if (*end || end == count)
		m->refcount = -1;
	m->users = (size_t)(users - g->text);
	g->nr++;
}

int modgraph_parse(const char *text, struct modgraph *out)
{
	size_t lines = 1;

	*out = (struct modgraph){0};
	for (const char *c = text; *c; c++)
		lines += *c == '\n';
	out->modules = calloc(lines, sizeof(*out->modules));
	out->text = strdup(text);
	if (!out->modules || !out->text) {
		modgraph_free(out);
		return -ENOMEM;
	}
	for (char *line = out->text, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		parse_line(out, line);
	}
	return 0;
}

void modgraph_free(struct modgraph *g)
{
	free(g->modules);
	free(g->text);
	*g = (struct modgraph){0};
}

const struct modgraph_module *modgraph_find(const struct modgraph *g, const char *name)
{
	for (size_t i = 0; i < g->nr; i++)
		if (!strcmp(g->modules[i].name, name))
			return &g->modules[i];
	return NULL;
}

/* Modules to be looked at, each once: the text may go in circles. */
struct visit {
	size_t at;  /* the nth of them */
	bool noted; /* is the nth module among them? */
};

/* Notes the module's users; true when `user`, if there is one, is one of them. */
static bool visit_users(const struct modgraph *g, const struct modgraph_module *m, const char *user,
			struct visit *visits, size_t *nr)
{
	const char *at = g->text + m->users;

	while (strcmp(at, "-") != 0 && *at) {
		const struct modgraph_module *next = NULL;
		char name[MODGRAPH_NAME];
		size_t len = strcspn(at, ",");

		if (len && len < sizeof(name)) {
			memcpy(name, at, len);
			name[len] = '\0';
			if (user && !strcmp(name, user))
				return true;
			next = modgraph_find(g, name);
		}
		if (next && !visits[next - g->modules].noted) {
			visits[next - g->modules].noted = true;
			visits[(*nr)++].at = (size_t)(next - g->modules);
		}
		at += len + (at[len] == ',');
	}
	return false;
}

bool modgraph_depends(const struct modgraph *g, const char *user, const char *used)
{
	const struct modgraph_module *m = modgraph_find(g, used);
	struct visit *visits = m ? calloc(g->nr, sizeof(*visits)) : NULL;
	size_t nr = 0;
	bool found = visits && visit_users(g, m, user, visits, &nr);

	for (size_t i = 0; i < nr && !found; i++)
		found = visit_users(g, &g->modules[visits[i].at], user, visits, &nr);
	free(visits);
	return found;
}

int modgraph_users(const struct modgraph *g, const struct modgraph_module *used, bool *is_user)
{
	struct visit *visits = calloc(g->nr, sizeof(*visits));
	size_t nr = 0;

	if (!visits)
		return -ENOMEM;
	visit_users(g, used, NULL, visits, &nr);
	for (size_t i = 0; i < nr; i++) {
		is_user[visits[i].at] = true;
		visit_users(g, &g->modules[visits[i].at], NULL, visits, &nr);
	}
	free(visits);
	return 0;
}
