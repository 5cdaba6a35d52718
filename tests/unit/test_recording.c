// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* What was recorded is replayed as it was printed; what is damaged, as far as it goes. */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ends.h"
#include "stage.h"
#include "store/chunks.h"
#include "store/mirror.h"

#define STEPS  30
#define MEMORY ((size_t)1 << 22)

/* A session, what it printed and what was recorded of it. */
struct show {
	struct stage stage;
	struct monitor_config config;
	struct render render;
	char *file, *printed;
	size_t size, length;
	int err; /* of the recording */
};

static int show_setup(void **state)
{
	static struct show s;

	s = (struct show){.config = {.track = TRACK_AUTO,
				     .lowest = LEVEL_LIGHT,
				     .grace_ns = SEC(2),
				     .settle_ns = SEC(5)},
			  .render = {.samples = true, .real_offset = -5}};
	stage_open(&s.stage);
	*state = &s;
	return 0;
}

static int show_teardown(void **state)
{
	struct show *s = *state;

	stage_close(&s->stage);
	free(s->file);
	free(s->printed);
	return 0;
}

static void record(struct show *s, uint64_t steps)
{
	FILE *to = open_memstream(&s->file, &s->size);

	assert_non_null(to);
	s->render.to = open_memstream(&s->printed, &s->length);
	s->err = stage_record(&s->stage, steps, &s->config, to, &s->render);
	assert_int_equal(fclose(to), 0);
	assert_int_equal(fclose(s->render.to), 0);
}

/* What a replay shows, how it ends and where. */
struct again {
	int open_err;
	uint32_t version;
	enum replay_state state;
	uint64_t offset;
	char why[300];
	struct recording_end end;
	struct recording_header header;
	char *printed;
	size_t length;
};

static struct again replay(const struct show *s, const void *bytes, size_t size,
			   const struct monitor_config *config)
{
	struct render render = s->render;
	struct again a = {0};
	FILE *from = size ? fmemopen((void *)bytes, size, "r") : fopen("/dev/null", "r");
	struct replay *r;

	assert_non_null(from);
	a.open_err = replay_open(from, MEMORY, &a.version, &r);
	if (!a.open_err) {
		render.to = open_memstream(&a.printed, &a.length);
		a.header = *replay_header(r);
		stage_play(&replay_source, r, UINT64_MAX, config ? config : &a.header.config,
			   &text_reporter, &render);
		fclose(render.to);
		a.state = replay_state(r);
		a.end = *replay_end(r);
		if (a.state == REPLAY_DAMAGED)
			snprintf(a.why, sizeof(a.why), "%s", replay_error(r, &a.offset));
		replay_close(r);
	}
	fclose(from);
	return a;
}

static void assert_same(struct show *s)
{
	struct again a = replay(s, s->file, s->size, NULL);

	assert_int_equal(a.open_err, 0);
	assert_string_equal(a.printed, s->printed);
	assert_int_equal(a.state, REPLAY_WHOLE);
	free(a.printed);
}

/* ---- the same again ------------------------------------------------------------------- */

static void test_a_session_is_replayed_as_it_was_printed(void **state)
{
	struct show *s = *state;

	record(s, 200);
	assert_int_equal(s->err, 0);
	assert_non_null(strstr(s->printed, "error 729"));
	assert_non_null(strstr(s->printed, "get_user_pages() is on"));
	assert_non_null(strstr(s->printed, "light -> deep"));
	assert_same(s);
}

static void test_the_header_has_what_was_said_of_the_session(void **state)
{
	struct show *s = *state;
	struct again a;

	record(s, 1);
	a = replay(s, s->file, s->size, NULL);
	assert_string_equal(a.header.version, "1.2.3");
	assert_string_equal(a.header.host, "here");
	assert_string_equal(a.header.kernel, "6.x");
	assert_int_equal(a.header.real_offset, -5);
	assert_int_equal(a.header.config.settle_ns, SEC(5));
	assert_int_equal(a.header.first.acquired, 1000);
	free(a.printed);
}

static void test_a_level_that_was_refused_is_refused_again(void **state)
{
	struct show *s = *state;

	s->config.track = TRACK_ALWAYS;
	s->stage.refused = LEVEL_LIGHT;
	record(s, STEPS);
	assert_non_null(strstr(s->printed, "not on this stage"));
	assert_same(s);
}

static void test_counters_alone_take_less_than_25_bytes_a_sample(void **state)
{
	struct show *s = *state;

	s->config.track = TRACK_NEVER;
	record(s, 1000);
	assert_true(s->size < 25000);
	assert_same(s);
}

static void assert_failed_again(struct show *s)
{
	struct again a;

	record(s, STEPS);
	assert_int_equal(s->err, -EIO);
	a = replay(s, s->file, s->size, NULL);
	assert_int_equal(a.state, REPLAY_FAILED);
	assert_int_equal(a.end.err, EIO);
	assert_string_equal(a.end.why, "it failed");
	assert_string_equal(a.printed, s->printed);
	free(a.printed);
}

static void test_a_session_that_failed_fails_again_with_its_reason(void **state)
{
	struct show *s = *state;

	s->stage.fails_at = 9;
	assert_failed_again(s);
}

static void test_it_fails_where_it_failed(void **state)
{
	struct show *s = *state;

	s->stage.look_out_fails_at = 9;
	assert_failed_again(s);
}

static void test_a_monitor_that_decides_otherwise_is_noticed(void **state)
{
	struct show *s = *state;
	struct monitor_config config = s->config;
	struct again a;

	record(s, STEPS);
	config.track = TRACK_ALWAYS;
	a = replay(s, s->file, s->size, &config);
	assert_int_equal(a.state, REPLAY_DIFFERS);
	free(a.printed);
	config.track = TRACK_NEVER;
	a = replay(s, s->file, s->size, &config);
	assert_int_equal(a.state, REPLAY_DIFFERS);
	free(a.printed);
	config.track = TRACK_AUTO;
	config.lowest = LEVEL_DEEP; /* another level is asked for at the same time */
	a = replay(s, s->file, s->size, &config);
	assert_int_equal(a.state, REPLAY_DIFFERS);
	assert_null(strstr(a.printed, "-> deep"));
	free(a.printed);
}

/* ---- damage --------------------------------------------------------------------------- */

/* Where the entry begins that `at` is in: its line begins with the time. */
static const char *entry(const char *text, const char *at)
{
	while (at > text && (*at != '[' || at[-1] != '\n'))
		at--;
	return at;
}

/*
 * All that was printed is the beginning of what was printed then, but for the end: the summary, and
 * verdicts that are told once more because it ends.
 */
static void assert_beginning(const struct show *s, const struct again *a)
{
	const char *summary = strstr(a->printed, "summary of "), *before;

	assert_non_null(summary);
	summary = entry(a->printed, summary);
	before = summary > a->printed ? entry(a->printed, summary - 1) : summary;
	if (!memcmp(before + strcspn(before, "]"), "] error 729", 11))
		summary = before;
	assert_memory_equal(a->printed, s->printed, (size_t)(summary - a->printed));
}

static void test_cut_anywhere_it_is_replayed_up_to_there(void **state)
{
	struct show *s = *state;
	uint32_t opened = 0;

	record(s, STEPS);
	for (size_t size = 0; size < s->size; size++) {
		struct again a = replay(s, s->file, size, NULL);

		if (a.open_err) {
			assert_int_equal(a.open_err, -EBADMSG);
			continue;
		}
		opened++;
		assert_int_equal(a.state, REPLAY_DAMAGED);
		assert_string_equal(a.why, "it is cut off");
		assert_true(a.offset <= size);
		assert_beginning(s, &a);
		free(a.printed);
	}
	assert_true(opened > s->size / 2);
}

static void test_whichever_byte_is_changed_it_is_noticed(void **state)
{
	struct show *s = *state;

	record(s, STEPS);
	for (size_t at = 0; at < s->size; at++)
		for (int bit = 0; bit < 8; bit += 3) {
			struct again a;

			s->file[at] ^= (char)(1 << bit);
			a = replay(s, s->file, s->size, NULL);
			s->file[at] ^= (char)(1 << bit);
			if (a.open_err) {
				assert_true(a.open_err == -EBADMSG ||
					    a.open_err == -EPROTONOSUPPORT);
				continue;
			}
			assert_int_equal(a.state, REPLAY_DAMAGED);
			assert_true(a.offset <= at);
			assert_beginning(s, &a);
			free(a.printed);
		}
}

static void test_what_follows_the_end_is_damage(void **state)
{
	struct show *s = *state;
	struct again a;
	char *more;

	record(s, STEPS);
	more = malloc(s->size * 2);
	assert_non_null(more);
	memcpy(more, s->file, s->size);
	memcpy(more + s->size, s->file, s->size);
	for (size_t extra = 1; extra <= s->size; extra += 7) {
		a = replay(s, more, s->size + extra, NULL);
		assert_int_equal(a.state, REPLAY_DAMAGED);
		assert_string_equal(a.printed, s->printed);
		free(a.printed);
	}
	free(more);
}

static void test_another_version_is_refused_with_its_number(void **state)
{
	struct show *s = *state;
	struct again a;

	record(s, 1);
	s->file[8] = CHUNKS_VERSION + 1;
	a = replay(s, s->file, s->size, NULL);
	assert_int_equal(a.open_err, -EPROTONOSUPPORT);
	assert_int_equal(a.version, CHUNKS_VERSION + 1);
	s->file[11] = 1;
	a = replay(s, s->file, s->size, NULL);
	assert_int_equal(a.version, (1 << 24) + CHUNKS_VERSION + 1);
}

/* ---- writing that fails --------------------------------------------------------------- */

static ssize_t write_some(void *cookie, const char *bytes, size_t n)
{
	size_t *left = cookie;

	(void)bytes;
	if (n > *left) {
		errno = ENOSPC;
		return 0;
	}
	*left -= n;
	return (ssize_t)n;
}

static void test_a_full_disk_ends_the_recording_and_not_the_session(void **state)
{
	const cookie_io_functions_t functions = {.write = write_some};
	size_t left = 300;
	struct show *s = *state;
	FILE *to = fopencookie(&left, "w", functions);
	char *without = NULL;
	size_t length;

	assert_non_null(to);
	setvbuf(to, NULL, _IONBF, 0);
	s->render.to = open_memstream(&s->printed, &s->length);
	assert_int_equal(stage_record(&s->stage, STEPS, &s->config, to, &s->render), -ENOSPC);
	fclose(s->render.to);
	fclose(to);
	stage_close(&s->stage);
	stage_open(&s->stage);
	s->render.to = open_memstream(&without, &length);
	assert_int_equal(stage_play(&stage_source, &s->stage, STEPS, &s->config, &text_reporter,
				    &s->render),
			 0);
	fclose(s->render.to);
	assert_string_equal(s->printed, without);
	free(without);
}

/* ---- books ---------------------------------------------------------------------------- */

struct memory {
	struct sink sink;
	struct spring spring;
	uint8_t bytes[1 << 20];
};

static void put_books(struct memory *m, struct mirror *mirror, const struct snapshot *books)
{
	m->sink = (struct sink){.bytes = m->bytes, .room = sizeof(m->bytes), .full = no_room};
	assert_int_equal(mirror_put(mirror, &m->sink, books), 0);
	assert_int_equal(m->sink.err, 0);
	m->spring = (struct spring){.at = m->bytes, .end = m->bytes + m->sink.nr, .dry = no_more};
}

static void shuffle(struct books *b, struct rng *r)
{
	struct snapshot *s = &b->s;

	for (uint32_t n = rng_below(r, 4); n && s->nr_pages; n--) {
		size_t from = rng_below(r, (uint32_t)s->nr_pages),
		       to = rng_below(r, (uint32_t)s->nr_pages);
		struct snap_page page = s->pages[from];

		if (rng_chance(r, 40))
			s->pages[to] = page; /* there twice, as a key may be */
		else if (rng_chance(r, 50))
			memmove(s->pages + from, s->pages + from + 1,
				(--s->nr_pages - from) * sizeof(page));
		else
			s->pages[from].page.pins = rng_next(r);
	}
	while (s->nr_pages < BOOKS_PAGES && rng_chance(r, 60)) {
		memmove(s->pages + 1, s->pages, s->nr_pages++ * sizeof(*s->pages));
		s->pages[0].folio = rng_below(r, 300);
	}
}

static void test_pages_come_back_in_their_order_whatever_becomes_of_them(void **state)
{
	static struct memory memory;
	struct mirror written = {0}, read = {0};
	struct books *b = books_create();
	struct rng r = {random_seed()};
	const struct snapshot *out;

	(void)state;
	for (uint64_t n = random_cases(20000); n; n--) {
		shuffle(b, &r);
		put_books(&memory, &written, &b->s);
		assert_int_equal(mirror_get(&read, &memory.spring, MEMORY, &out), 0);
		assert_ptr_equal(memory.spring.at, memory.spring.end);
		assert_int_equal(out->nr_pages, b->s.nr_pages);
		assert_memory_equal(out->pages, b->s.pages, out->nr_pages * sizeof(*out->pages));
		for (size_t i = 0; i < out->nr_pages; i++)
			out->pages[i].page.pins = 0; /* the core may do so */
		if (rng_chance(&r, 1))
			b->s.nr_pages = 0;
	}
	mirror_free(&written);
	mirror_free(&read);
	books_destroy(b);
}

static void test_every_array_and_its_index_come_back(void **state)
{
	static struct memory memory;
	struct mirror written = {0}, read = {0};
	struct books *b = books_create();
	struct snap_site *first = books_site(b, BLAME_MODULE, "a");
	struct snap_site *second = books_site(b, BLAME_BUILTIN, "b");
	const struct snapshot *out;
	uint32_t at;

	(void)state;
	second->same = first;
	books_owner(b, second);
	books_failure(b, 77, 1);
	books_unload(b, "gone", 1);
	books_wrong(b, PL_WRONG_NEVER, first, 3);
	books_modules(b, "one 1 2 two,three, Live 0x0\ntwo 1 0 - Live 0x0\n");
	for (int i = 0; i < 2; i++) { /* what is new, and what is as before */
		put_books(&memory, &written, &b->s);
		assert_int_equal(mirror_get(&read, &memory.spring, MEMORY, &out), 0);
		assert_int_equal(out->nr_sites, 2);
		assert_ptr_equal(out->sites[1]->same, out->sites[0]);
		assert_null(out->sites[0]->same);
		assert_memory_equal(&out->sites[1]->site, &second->site, sizeof(second->site));
		assert_true(map64_get(&out->owner_at, b->owners[0].key, &at) && at == 0);
		assert_true(map64_get(&out->site_at, second->key, &at) && at == 1);
		assert_true(map64_get(&out->failure_at, 77, &at) && at == 0);
		assert_memory_equal(out->owners, b->owners, sizeof(*b->owners));
		assert_memory_equal(out->failures, b->failures, sizeof(*b->failures));
		assert_memory_equal(out->unloads, b->unloads, sizeof(*b->unloads));
		assert_int_equal(out->wrongs[0].wrong.refs, 3);
		assert_int_equal(out->wrongs[0].by.owner.tgid, 77);
		assert_true(modgraph_depends(out->modules, "three", "one"));
		assert_false(modgraph_depends(out->modules, "one", "two"));
		assert_int_equal(modgraph_find(out->modules, "one")->refcount, 2);
		assert_int_equal(out->base_page, 4096);
	}
	mirror_free(&written);
	mirror_free(&read);
	books_destroy(b);
}

static void test_books_larger_than_the_room_are_refused(void **state)
{
	static struct memory memory;
	struct mirror written = {0}, read = {0};
	struct books *b = books_create();
	const struct snapshot *out;

	(void)state;
	books_folio(b, 1);
	books_folio(b, 1);
	put_books(&memory, &written, &b->s);
	assert_int_equal(mirror_get(&read, &memory.spring, 2 * sizeof(struct snap_page) - 1, &out),
			 -EFBIG);
	mirror_free(&written);
	mirror_free(&read);
	books_destroy(b);
}

/* Two small bytes a snapshot would else make twice as much of it each time. */
static void test_no_record_of_the_books_before_is_taken_twice(void **state)
{
	static struct memory memory;
	struct mirror written = {0}, read = {0};
	struct books *b = books_create();
	const struct snapshot *out;
	uint8_t twice[] = {0, 2 /* pages */, 1 << 2 /* a copy */, 3 /* back */, 1, 1 << 2};

	(void)state;
	books_folio(b, 1);
	put_books(&memory, &written, &b->s);
	assert_int_equal(mirror_get(&read, &memory.spring, MEMORY, &out), 0);
	memory.spring.at = twice;
	memory.spring.end = twice + sizeof(twice);
	assert_int_equal(mirror_get(&read, &memory.spring, MEMORY, &out), -EBADMSG);
	mirror_free(&written);
	mirror_free(&read);
	books_destroy(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_session_is_replayed_as_it_was_printed,
						show_setup, show_teardown),
		cmocka_unit_test_setup_teardown(test_the_header_has_what_was_said_of_the_session,
						show_setup, show_teardown),
		cmocka_unit_test_setup_teardown(test_a_level_that_was_refused_is_refused_again,
						show_setup, show_teardown),
		cmocka_unit_test_setup_teardown(
			test_counters_alone_take_less_than_25_bytes_a_sample, show_setup,
			show_teardown),
		cmocka_unit_test_setup_teardown(
			test_a_session_that_failed_fails_again_with_its_reason, show_setup,
			show_teardown),
		cmocka_unit_test_setup_teardown(test_it_fails_where_it_failed, show_setup,
						show_teardown),
		cmocka_unit_test_setup_teardown(test_a_monitor_that_decides_otherwise_is_noticed,
						show_setup, show_teardown),
		cmocka_unit_test_setup_teardown(test_cut_anywhere_it_is_replayed_up_to_there,
						show_setup, show_teardown),
		cmocka_unit_test_setup_teardown(test_whichever_byte_is_changed_it_is_noticed,
						show_setup, show_teardown),
		cmocka_unit_test_setup_teardown(test_what_follows_the_end_is_damage, show_setup,
						show_teardown),
		cmocka_unit_test_setup_teardown(test_another_version_is_refused_with_its_number,
						show_setup, show_teardown),
		cmocka_unit_test_setup_teardown(
			test_a_full_disk_ends_the_recording_and_not_the_session, show_setup,
			show_teardown),
		cmocka_unit_test(test_pages_come_back_in_their_order_whatever_becomes_of_them),
		cmocka_unit_test(test_every_array_and_its_index_come_back),
		cmocka_unit_test(test_books_larger_than_the_room_are_refused),
		cmocka_unit_test(test_no_record_of_the_books_before_is_taken_twice),
	};

	return cmocka_run_group_tests_name("recording", tests, NULL, NULL);
}
