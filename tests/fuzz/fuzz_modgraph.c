// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* /proc/modules, as a recording may have it. */
#include <stdio.h>
#include <string.h>

#include "core/modgraph.h"
#include "fuzz.h"

static const char *const seeds[] = {
	"rdma_rxe 200704 0 - Live 0xffffffffc0a00000\n"
	"ib_uverbs 200704 1 rdma_rxe, Live 0xffffffffc0900000\n"
	"ib_core 524288 2 rdma_rxe,ib_uverbs, Live 0xffffffffc0800000\n",
	"leaky 16384 3 - Live 0x0000000000000000 (OE)\n",
	"held 16384 1 [permanent], Live 0x0\nuncounted 16384 - - Unloading 0x0\n",
	"a 1 1 b, Live 0x0\nb 1 1 a, Live 0x0\n",
	"d 1 0 -\nc 1 1 d,\nb 1 1 c,\na 1 2 b,c",
};

size_t fuzz_seed(unsigned nth, uint8_t *out, size_t room)
{
	return fuzz_text_seed(seeds, sizeof(seeds) / sizeof(*seeds), nth, out, room);
}

static void check_module(const struct modgraph *g, const struct modgraph_module *m)
{
	const struct modgraph_module *found;

	FUZZ_CHECK(memchr(m->name, '\0', sizeof(m->name)) && m->name[0]);
	FUZZ_CHECK(!m->name[strcspn(m->name, " \n")]);
	FUZZ_CHECK(!strpbrk(g->text + m->users, " \n"));
	found = modgraph_find(g, m->name);
	FUZZ_CHECK(found && !strcmp(found->name, m->name));
}

/* Of modules of the same name the first is meant. */
static void check_users(const struct modgraph *g, const struct modgraph_module *used)
{
	bool *is_user = calloc(g->nr, sizeof(*is_user));

	if (is_user && !modgraph_users(g, used, is_user) && modgraph_find(g, used->name) == used)
		for (size_t i = 0; i < g->nr && i < 64; i++)
			if (modgraph_find(g, g->modules[i].name) == &g->modules[i])
				FUZZ_CHECK(is_user[i] ==
					   modgraph_depends(g, g->modules[i].name, used->name));
	free(is_user);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct modgraph g;

	if (!modgraph_parse(text, &g)) {
		for (size_t i = 0; i < g.nr; i++)
			check_module(&g, &g.modules[i]);
		for (size_t i = 0; i < g.nr && i < 8; i++) {
			check_users(&g, &g.modules[i]);
			modgraph_depends(&g, "rdma_rxe", g.modules[i].name);
			modgraph_depends(&g, g.modules[i].name, g.modules[0].name);
		}
		FUZZ_CHECK(!modgraph_depends(&g, "nobody uses this", "neither this"));
		modgraph_free(&g);
	}
	free(text);
	return 0;
}
