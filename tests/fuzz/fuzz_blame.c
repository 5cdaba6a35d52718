// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* Frames of a call path, one a line; before the first empty line, /proc/modules. */
#include <stdio.h>
#include <string.h>

#include "core/blame.h"
#include "fuzz.h"

static const char *const seeds[] = {
	"rdma_rxe 1 0 - Live 0x0\nib_uverbs 1 1 rdma_rxe, Live 0x0\n\n"
	"pin_user_pages_fast+0x12/0x80\nib_umem_get+0x1/0x2 [ib_uverbs]\n"
	"rxe_mr_init_user+0x1/0x2 [rdma_rxe]\n__x64_sys_ioctl+0x1/0x2\n",
	"\npin_user_pages+0x1/0x2\nio_sqe_buffer_register+0x1/0x2\n",
	("\nbpf_prog_1d0f0d4dcd44e2f3_api_exit_1+0x30/0x40 [bpf]\n"
	 "bpf_trampoline_6442536467+0x6b/0x1000\nleaky_ioctl+0x1/0x2 [leaky 0123abcd]\n"),
	"a 1 1 b, Live 0x0\nb 1 1 a, Live 0x0\n\nx+0x1/0x2 [a]\ny+0x1/0x2 "
	"[b]\n0xffffffffc0a1b2c3\n",
};

size_t fuzz_seed(unsigned nth, uint8_t *out, size_t room)
{
	return fuzz_text_seed(seeds, sizeof(seeds) / sizeof(*seeds), nth, out, room);
}

static void check_frame(const char *frame)
{
	char symbol[PL_SYM], module[MODGRAPH_NAME];

	memset(symbol, 0xff, sizeof(symbol));
	memset(module, 0xff, sizeof(module));
	blame_frame(frame, symbol, module);
	FUZZ_CHECK(memchr(symbol, '\0', sizeof(symbol)));
	FUZZ_CHECK(memchr(module, '\0', sizeof(module)));
	FUZZ_CHECK(!strpbrk(symbol, "+ ") && !strpbrk(module, " ]"));
}

/* One line a frame, cut as the kernel's buffer cuts it. */
static void fill_site(struct pl_site *site, const char *lines)
{
	memset(site, 0, sizeof(*site));
	while (*lines && site->nr < PL_FRAMES) {
		size_t len = strcspn(lines, "\n"), room = PL_SYM - 1;

		memcpy(site->sym[site->nr++], lines, len < room ? len : room);
		lines += len + (lines[len] == '\n');
	}
}

static void check_site(const struct pl_site *site, const struct modgraph *graph)
{
	struct blame b;

	memset(&b, 0xff, sizeof(b));
	blame_site(site, graph, &b);
	FUZZ_CHECK(memchr(b.driver, '\0', sizeof(b.driver)) && b.driver[0]);
	FUZZ_CHECK(memchr(b.via, '\0', sizeof(b.via)));
	FUZZ_CHECK(b.kind == BLAME_UNKNOWN || b.kind == BLAME_MODULE || b.kind == BLAME_BUILTIN);
	FUZZ_CHECK(b.kind == BLAME_MODULE || !b.via[0]);
	FUZZ_CHECK(b.guess == (b.kind == BLAME_BUILTIN));
	FUZZ_CHECK((b.kind == BLAME_UNKNOWN) <= !strcmp(b.driver, "unknown"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *frames;
	struct modgraph graph;
	struct pl_site site;

	check_frame(text);
	frames = text[0] == '\n' ? text : strstr(text, "\n\n");
	if (frames)
		*frames++ = '\0';
	fill_site(&site, frames ? frames : text);
	if (!modgraph_parse(frames ? text : "", &graph)) {
		check_site(&site, &graph);
		modgraph_free(&graph);
	}
	free(text);
	return 0;
}
