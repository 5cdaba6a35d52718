// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* Real commands, and a clock that is the test's. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "courier.h"
#include "fixture.h"
#include "session.h"

static uint64_t now_ns;
static char dir[64], out[80];

/* ---- of session.c, by our clock -------------------------------------------------------- */

uint64_t session_now_ns(void)
{
	return now_ns;
}

void session_add_ns(struct timespec *t, uint64_t ns)
{
	t->tv_nsec = (long)(ns % 1000000000);
}

/* Long enough for a command that does its work, and no more. */
int session_wait(const sigset_t *signals, const struct timespec *until)
{
	struct timespec wait = {.tv_sec = 5};
	int signal;

	(void)until;
	signal = sigtimedwait(signals, NULL, &wait);
	return signal > 0 ? signal : 0;
}

/* ---- verdicts and commands ------------------------------------------------------------- */

static void deliver(struct courier *c, const char *driver, const char *severity, bool update)
{
	json_t *v =
		json_pack("{s:{s:s, s:s}, s:s, s:s, s:b}", "driver", "name", driver, "kind",
			  "module", "evidence", "orphaned", "severity", severity, "update", update);

	courier_verdict(c, v);
	json_decref(v);
}

static void await_end(struct courier *c)
{
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	while (c->pid) {
		session_wait(&chld, NULL);
		courier_tend(c);
	}
}

static size_t count(const char *what)
{
	static char text[65536];
	FILE *f = fopen(out, "r");
	size_t nr = 0, size = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	if (f)
		fclose(f);
	text[size] = '\0';
	for (const char *at = text; (at = strstr(at, what)); at++)
		nr++;
	return nr;
}

static int begin(void **state)
{
	static const char *const words[] = {"sh", "-c", "cat >>\"$0\"; echo >>\"$0\"", out, NULL};
	struct courier *c = calloc(1, sizeof(*c));

	strcpy(dir, "/tmp/courier.XXXXXX");
	if (!c || !mkdtemp(dir))
		return -1;
	snprintf(out, sizeof(out), "%s/out", dir);
	c->command = (char *const *)words;
	*state = c;
	return 0;
}

static int end(void **state)
{
	unlink(out);
	rmdir(dir);
	free(*state);
	return 0;
}

/* ---- what holds ------------------------------------------------------------------------ */

static void a_new_verdict_is_delivered_as_json(void **state)
{
	struct courier *c = *state;

	deliver(c, "leaky; touch /tmp/x $(id)", "warning", false);
	courier_end(c);
	assert_int_equal(count("\"name\":\"leaky; touch /tmp/x $(id)\""), 1);
	assert_true(c->run == 1 && c->failed == 0 && c->dropped == 0);
}

static void an_update_is_delivered_when_it_is_graver_only(void **state)
{
	struct courier *c = *state;

	deliver(c, "leaky", "warning", false);
	await_end(c);
	deliver(c, "leaky", "warning", true);
	deliver(c, "leaky", "info", true);
	assert_int_equal(c->run, 1);
	deliver(c, "leaky", "critical", true);
	await_end(c);
	deliver(c, "leaky", "critical", true);
	courier_end(c);
	assert_int_equal(c->run, 2);
	assert_int_equal(count("\"critical\""), 1);
}

static void one_at_a_time_and_the_rest_waits_in_bounds(void **state)
{
	static const char *const words[] = {"sleep", "60", NULL};
	struct courier *c = *state;
	pid_t first;

	c->command = (char *const *)words;
	deliver(c, "first", "warning", false);
	first = c->pid;
	for (int i = 0; i < COURIER_QUEUE + 3; i++)
		deliver(c, "more", "warning", false);
	assert_int_equal(c->pid, first);
	assert_int_equal(c->nr_waiting, COURIER_QUEUE);
	assert_int_equal(c->dropped, 3);
	raise(SIGTERM); /* it is blocked, and asks courier_end() to make haste */
	courier_end(c);
	assert_int_equal(kill(first, 0), -1);
	assert_int_equal(c->run, 1);
	assert_int_equal(c->dropped, 3 + COURIER_QUEUE);
}

static void what_takes_too_long_is_killed_with_its_children(void **state)
{
	static const char *const words[] = {"sh", "-c", "sleep 600 & sleep 600", NULL};
	struct courier *c = *state;
	pid_t pid;

	c->command = (char *const *)words;
	deliver(c, "leaky", "warning", false);
	pid = c->pid;
	now_ns += COURIER_LIMIT - 1;
	courier_tend(c);
	assert_int_equal(c->pid, pid);
	assert_int_equal(courier_due_ns(c), now_ns + 1);
	now_ns++;
	courier_tend(c);
	await_end(c);
	assert_true(c->killed && c->failed == 1);
	assert_int_equal(courier_due_ns(c), UINT64_MAX);
	courier_end(c);
}

static void failures_are_counted(void **state)
{
	static const char *const none[] = {"/nonexistent/command", NULL};
	static const char *const fails[] = {"false", NULL};
	struct courier *c = *state;

	c->command = (char *const *)none;
	deliver(c, "a", "warning", false);
	await_end(
		c); /* it begins, and fails then, where posix_spawn() cannot tell: under valgrind */
	assert_true(c->run == 1 && c->failed == 1);
	c->command = (char *const *)fails;
	deliver(c, "b", "warning", false);
	await_end(c);
	assert_true(c->run == 2 && c->failed == 2);
	courier_end(c);
}

static void a_command_that_is_taken_away_ends_and_what_waited_is_counted(void **state)
{
	static const char *const fails[] = {"sh", "-c", "sleep 0.2; false", NULL};
	struct courier *c = *state;

	c->command = (char *const *)fails;
	deliver(c, "first", "warning", false);
	deliver(c, "second", "warning", false);
	c->command = NULL; /* as a reload may do */
	await_end(c);
	assert_true(c->run == 1 && c->failed == 1 && c->dropped == 1);
	deliver(c, "third", "warning", false);
	assert_true(!c->pid && !c->nr_waiting);
	courier_end(c);
}

static void what_was_dropped_is_news_the_next_time(void **state)
{
	static const char *const words[] = {"sleep", "60", NULL};
	struct courier *c = *state;

	c->command = (char *const *)words;
	for (int i = 0; i <= COURIER_QUEUE; i++)
		deliver(c, "other", "warning", false);
	deliver(c, "leaky", "warning", false);
	assert_int_equal(c->dropped, 1);
	free(c->waiting[--c->nr_waiting]);
	deliver(c, "leaky", "warning", true);
	assert_int_equal(c->nr_waiting, COURIER_QUEUE);
	deliver(c, "leaky", "warning", true);
	assert_int_equal(c->dropped, 1);
	raise(SIGTERM);
	courier_end(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_new_verdict_is_delivered_as_json, begin, end),
		cmocka_unit_test_setup_teardown(an_update_is_delivered_when_it_is_graver_only,
						begin, end),
		cmocka_unit_test_setup_teardown(one_at_a_time_and_the_rest_waits_in_bounds, begin,
						end),
		cmocka_unit_test_setup_teardown(what_takes_too_long_is_killed_with_its_children,
						begin, end),
		cmocka_unit_test_setup_teardown(failures_are_counted, begin, end),
		cmocka_unit_test_setup_teardown(
			a_command_that_is_taken_away_ends_and_what_waited_is_counted, begin, end),
		cmocka_unit_test_setup_teardown(what_was_dropped_is_news_the_next_time, begin, end),
	};
	sigset_t waited;

	sigemptyset(&waited);
	sigaddset(&waited, SIGCHLD);
	sigaddset(&waited, SIGTERM);
	sigprocmask(SIG_BLOCK, &waited, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
