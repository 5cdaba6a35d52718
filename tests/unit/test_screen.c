// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "fixture.h"

#include <string.h>

#include "render/screen.h"

/* What a person sees, of a board that is told of drivers by hand. */

#define WIDTH  80
#define HEIGHT 24
#define MOST   300 /* drivers, paths or processes of a test */

static struct board board, frozen;
static struct render render = {.host = "here", .kernel = "6.x"};
static struct screen screen;
static struct screen_cell cells[200 * 60];
static struct screen_grid grid;

static struct snap_site sites[MOST];
static struct snap_owner owners[MOST];
static struct roster_row rows[MOST];
static struct holding holdings[MOST];
static struct roster roster;
static struct ledger ledger;
static uint64_t stats[PL_STATS];
static struct balance balance;
static uint64_t now;

static int setup(void **state)
{
	(void)state;
	memset(&board, 0, sizeof(board));
	memset(stats, 0, sizeof(stats));
	roster = (struct roster){.drivers = rows, .sites = rows};
	ledger = (struct ledger){.holdings = holdings};
	balance = (struct balance){0};
	screen = (struct screen){.board = &board, .render = &render, .frozen = &frozen};
	grid = (struct screen_grid){WIDTH, HEIGHT, cells};
	now = SEC(1000);
	return 0;
}

static void driver(const char *name, uint64_t held, uint64_t leaked, uint64_t bytes)
{
	size_t i = roster.nr_drivers++;

	roster.nr_sites = roster.nr_drivers;
	sites[i] = (struct snap_site){.key = i + 1, .blame = {.kind = BLAME_MODULE}};
	snprintf(sites[i].blame.driver, PL_SYM, "%s", name);
	sites[i].site.nr = 1;
	snprintf(sites[i].site.sym[0], PL_SYM, "%.20s_pin+0x1/0x2 [%.20s]", name, name);
	rows[i] = (struct roster_row){&sites[i], held, leaked, bytes, (uint32_t)i};
}

static void process(const char *comm, uint32_t pid, uint64_t pins, uint64_t bytes)
{
	size_t i = ledger.nr_holdings++;

	owners[i] = (struct snap_owner){.key = i + 1, .owner = {.tgid = pid, .start_ns = pid}};
	memcpy(owners[i].owner.comm, comm, strnlen(comm, PL_COMM));
	holdings[i] = (struct holding){&owners[i], &sites[0], pins, bytes};
}

/* So many seconds after the last look. */
static void look(uint64_t seconds)
{
	struct sample sample = {.now_ns = now += SEC(seconds), .acquired = 500, .released = 100};
	struct report_sample s = {&sample, LEVEL_LIGHT};
	struct report_loss loss = {now, stats, 0, &balance};
	struct report_books r = {now, LEVEL_LIGHT, &ledger, &roster, &loss};

	board_reporter.sample(&board, &s);
	board_reporter.books(&board, &r);
}

static void accuse(enum evidence evidence)
{
	struct finding f = {.driver = &sites[0].blame, .evidence = evidence};
	struct report_verdict v = {.now_ns = now, .finding = &f};

	board_reporter.verdict(&board, &v);
}

/* A line of the screen as it is now, without the blanks at its end. */
static const char *line(unsigned y)
{
	static char text[4 * 200 + 1];
	size_t n = 0, end = 0;

	screen_draw(&screen, &grid);
	for (unsigned x = 0; x < grid.width; x++) {
		n += screen_utf8(cells[y * grid.width + x].c, text + n);
		if (cells[y * grid.width + x].c != ' ')
			end = n;
	}
	text[end] = '\0';
	return text;
}

static void press(const char *keys)
{
	for (; *keys; keys++)
		assert_true(screen_press(&screen, (uint32_t)*keys));
}

static void assert_order(const char *first, const char *second)
{
	assert_ptr_equal(strstr(line(9) + 2, first), line(9) + 2);
	assert_ptr_equal(strstr(line(10) + 2, second), line(10) + 2);
}

/* ---- tests ---------------------------------------------------------------------------- */

static void test_a_driver_is_shown_with_all_its_figures(void **state)
{
	(void)state;
	driver("leaky", 5, 1234567, 4096);
	look(1);
	rows[0].bytes = 4096 + 60 * 1024;
	look(60);
	accuse(EVIDENCE_ORPHANED);
	assert_string_equal(line(1), "400 pins outstanding; on the books 5 held, 1,234,567 leaked");
	assert_string_equal(line(2), "nothing lost");
	assert_string_equal(line(7), "1 driver by bytes");
	assert_string_equal(line(9), "> leaky               64.0 KiB        5  1,234 k   +1.0 KiB  "
				     "1 min orphaned");
}

static void test_the_rate_is_of_the_last_minute(void **state)
{
	double rate;

	(void)state;
	driver("leaky", 1, 0, 0);
	rows[0].bytes = 1 << 20;
	look(1);
	assert_false(board_rate(&board.drivers[0], &rate));
	for (int i = 0; i < 100; i++) {
		rows[0].bytes += i < 30 ? 1 << 20 : 600;
		look(1);
	}
	assert_true(board_rate(&board.drivers[0], &rate));
	assert_true(rate > 599 && rate < 601);
}

static void test_many_looks_a_second_leave_room_for_a_minute(void **state)
{
	double rate;

	(void)state;
	driver("leaky", 1, 0, 4096);
	for (int i = 0; i < 600; i++) {
		now -= MSEC(900);
		rows[0].bytes += 60;
		look(1);
	}
	assert_true(board_rate(&board.drivers[0], &rate));
	assert_true(rate > 595 && rate < 605);
	assert_true(board.drivers[0].trend[0].now_ns <= now - SEC(59));
}

static void test_drivers_are_sorted_by_every_column(void **state)
{
	(void)state;
	driver("old", 1, 9, 4096);
	look(10);
	driver("zbig", 7, 0, 1 << 20);
	driver("amid", 90, 1, 8192);
	look(1);
	rows[0].bytes += 64;
	look(1);
	assert_order("zbig", "amid");
	press("n");
	assert_order("amid", "old");
	press("l");
	assert_order("old", "amid");
	press("r");
	assert_order("old", "zbig");
	press("a");
	assert_order("old", "zbig");
	press("d");
	assert_order("amid", "old");
	press("b");
	assert_order("zbig", "amid");
}

static void test_a_driver_that_has_nothing_goes_unless_it_is_accused(void **state)
{
	(void)state;
	driver("gone", 1, 0, 4096);
	look(1);
	roster.nr_drivers = roster.nr_sites = 0;
	look(1);
	assert_string_equal(line(7), "0 drivers by bytes");
	driver("leaky", 1, 0, 4096);
	look(1);
	accuse(EVIDENCE_ABANDONED);
	roster.nr_drivers = roster.nr_sites = 0;
	look(1);
	assert_string_equal(line(9), "> leaky                    0 B        0        0   -4.0 KiB  "
				     "    - abandoned");
}

static void test_the_chosen_driver_stays_chosen_where_it_moves(void **state)
{
	(void)state;
	driver("first", 1, 0, 3 << 20);
	driver("second", 1, 0, 2 << 20);
	look(1);
	line(0);
	press("j");
	assert_ptr_equal(strstr(line(10), "> second"), line(10));
	rows[1].bytes = 9 << 20;
	look(1);
	assert_ptr_equal(strstr(line(9), "> second"), line(9));
}

static void test_enter_opens_paths_then_the_stack_and_escape_comes_back(void **state)
{
	(void)state;
	driver("leaky", 1, 2, 4096);
	look(1);
	line(0);
	press("\n");
	assert_string_equal(line(7), "1 call path of leaky, most bytes first");
	assert_string_equal(line(9), ">    4.0 KiB        1        2  leaky_pin [leaky]");
	press("\n");
	assert_string_equal(line(8), "    leaky_pin [leaky]");
	roster.nr_drivers = roster.nr_sites = 0;
	look(1);
	assert_string_equal(line(8), "    nothing is pinned through it any more");
	press("\033");
	assert_string_equal(line(7), "0 call paths of leaky, most bytes first");
	press("\033");
	assert_string_equal(line(7), "0 drivers by bytes");
}

static void test_names_that_anybody_chose_are_harmless(void **state)
{
	(void)state;
	driver("le\033[31m", 1, 0, 4096);
	process("\033]0;x\a\n\xff", 7, 3, 8192);
	look(1);
	line(0);
	assert_ptr_equal(strstr(line(9) + 2, "le\\x1b[31m"), line(9) + 2);
	press("\t");
	assert_non_null(strstr(line(9), "\\x1b]0;x\\x07\\x0a\\xff"));
	for (size_t i = 0; i < WIDTH * HEIGHT; i++)
		assert_in_range(cells[i].c, ' ', 126);
}

static void test_what_a_process_holds_is_added_up_by_driver(void **state)
{
	(void)state;
	driver("leaky", 9, 0, 4096);
	process("one", 7, 3, 4096);
	process("one", 7, 4, 4096);
	process("two", 8, 2, 4096);
	look(1);
	press("\t");
	assert_string_equal(line(7), "2 processes by bytes");
	assert_string_equal(line(9), ">        7 one                  leaky               8.0 KiB  "
				     "      7 holds");
}

static void test_the_filter_is_typed_and_ended(void **state)
{
	(void)state;
	driver("leaky", 1, 0, 4096);
	driver("other", 1, 0, 4096);
	look(1);
	press("/Lq");
	assert_string_equal(line(23), "show only: Lq_");
	assert_string_equal(line(9), "  nothing that fits");
	press("\177E\n");
	assert_string_equal(line(7), "1 driver by bytes, with \"LE\"");
	press("\033");
	assert_string_equal(line(7), "2 drivers by bytes");
	assert_false(screen_press(&screen, 'q'));
}

static void test_a_pause_shows_what_was_and_looks_go_on(void **state)
{
	(void)state;
	driver("leaky", 1, 0, 4096);
	look(1);
	press(" ");
	driver("other", 1, 0, 4096);
	look(1);
	assert_string_equal(line(7), "1 driver by bytes");
	press(" ");
	assert_string_equal(line(7), "2 drivers by bytes");
}

static void test_what_is_lost_or_cut_is_said(void **state)
{
	char name[16];

	(void)state;
	driver("leaky", 1, 0, 4096);
	stats[PL_LOST_PAGES] = 12;
	stats[PL_LOST_STACK] = 3;
	look(1);
	assert_string_equal(line(2), "LOST: 12 pins, 3 other records; there may be more");
	stats[PL_LOST_PAGES] = stats[PL_LOST_STACK] = 0;
	for (int i = 1; i < MOST; i++) {
		snprintf(name, sizeof(name), "driver%d", i);
		driver(name, 1, 0, 4096);
	}
	look(1);
	assert_string_equal(line(2), "LOST: 0 pins, 0 other records; there may be more; rows cut");
	assert_string_equal(line(7), "64 drivers by bytes");
	assert_int_equal(board.held, MOST);
}

static void test_every_size_is_drawn_and_a_small_one_says_so(void **state)
{
	(void)state;
	for (int i = 0; i < 40; i++)
		driver(i % 2 ? "leaky" : "a_driver_with_a_rather_long_name_and_more_of_it", 1, 1,
		       4096);
	look(1);
	for (int view = 0; view < 6; view++) {
		for (unsigned width = 0; width <= 200; width += width < 90 ? 1 : 37)
			for (unsigned height = 0; height <= 60; height += height < 30 ? 1 : 7) {
				grid = (struct screen_grid){width, height, cells};
				screen_draw(&screen, &grid);
			}
		press(view == 1 ? "\t" : view == 2 ? "\033" : "\n");
	}
	grid = (struct screen_grid){79, 24, cells};
	assert_string_equal(line(0), "too small: 80x24 is needed");
}

static void test_any_keys_in_any_order_do_no_harm(void **state)
{
	struct rng rng = {random_seed()};

	(void)state;
	driver("leaky", 1, 1, 4096);
	process("one", 7, 3, 4096);
	for (uint64_t i = random_cases(20000); i; i--) {
		uint32_t key = rng_chance(&rng, 50) ? rng_below(&rng, 128)
						    : SCREEN_UP - 8 + rng_below(&rng, 16);

		screen_press(&screen, key);
		if (rng_chance(&rng, 5))
			roster.nr_drivers = roster.nr_sites = rng_below(&rng, 2);
		if (rng_chance(&rng, 5))
			look(1);
		grid.width = 70 + rng_below(&rng, 40);
		grid.height = 20 + rng_below(&rng, 20);
		screen_draw(&screen, &grid);
	}
}

static void test_a_table_is_printed_in_79_columns(void **state)
{
	(void)state;
	driver("a_driver_with_a_rather_long_name_and_more_of_it", 1, 1, 4096);
	look(1);
	grid = (struct screen_grid){79, screen_batch_height(&screen), cells};
	assert_int_equal(grid.height, 5);
	screen_draw_batch(&screen, &grid);
	assert_int_equal(cells[4 * 79 + 2].c, 'a');
	assert_int_equal(cells[4 * 79 + 79 - 13].c, 'p'); /* proved */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_driver_is_shown_with_all_its_figures, setup),
		cmocka_unit_test_setup(test_the_rate_is_of_the_last_minute, setup),
		cmocka_unit_test_setup(test_many_looks_a_second_leave_room_for_a_minute, setup),
		cmocka_unit_test_setup(test_drivers_are_sorted_by_every_column, setup),
		cmocka_unit_test_setup(test_a_driver_that_has_nothing_goes_unless_it_is_accused,
				       setup),
		cmocka_unit_test_setup(test_the_chosen_driver_stays_chosen_where_it_moves, setup),
		cmocka_unit_test_setup(test_enter_opens_paths_then_the_stack_and_escape_comes_back,
				       setup),
		cmocka_unit_test_setup(test_names_that_anybody_chose_are_harmless, setup),
		cmocka_unit_test_setup(test_what_a_process_holds_is_added_up_by_driver, setup),
		cmocka_unit_test_setup(test_the_filter_is_typed_and_ended, setup),
		cmocka_unit_test_setup(test_a_pause_shows_what_was_and_looks_go_on, setup),
		cmocka_unit_test_setup(test_what_is_lost_or_cut_is_said, setup),
		cmocka_unit_test_setup(test_every_size_is_drawn_and_a_small_one_says_so, setup),
		cmocka_unit_test_setup(test_any_keys_in_any_order_do_no_harm, setup),
		cmocka_unit_test_setup(test_a_table_is_printed_in_79_columns, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
