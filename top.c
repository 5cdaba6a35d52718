// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "top.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "session.h"
#include "terminal.h"

#define BATCH_WIDTH 79

/* ---- looks ---------------------------------------------------------------------------- */

static bool is_over(const struct top *t)
{
	return t->err || (t->for_ns && t->conductor->last.now_ns >= t->first_ns + t->for_ns);
}

/* A look that came late does not make the next one early; a replay keeps to what was recorded. */
static void set_next(struct top *t)
{
	int64_t late;

	if (t->speed) {
		t->next = t->began;
		session_add_ns(&t->next, (t->conductor->last.now_ns - t->first_ns) / t->speed);
		return;
	}
	session_add_ns(&t->next, t->interval_ns);
	late = -session_ns_until(&t->next);
	if (late > 0)
		session_add_ns(&t->next, (uint64_t)late / t->interval_ns * t->interval_ns);
}

static void look(struct top *t)
{
	if (t->live)
		render_set_clock(&t->render, NULL);
	t->err = conductor_step(t->conductor);
	if (t->live)
		live_foresee(t->live, monitor_is_stirring(t->conductor->monitor));
	if (!t->err)
		set_next(t);
}

static int begin(struct top *t)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH};
	struct sigaction now;
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (!sigaction(numbers[i], NULL, &now) && now.sa_handler != SIG_IGN) /* nohup */
			sigaddset(&set, numbers[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	t->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	t->first_ns = t->conductor->last.now_ns;
	clock_gettime(CLOCK_MONOTONIC, &t->began);
	t->next = t->began;
	return t->signals < 0 ? -errno : 0;
}

/* ---- waiting -------------------------------------------------------------------------- */

static void take_signals(struct top *t, bool screen)
{
	struct signalfd_siginfo got;

	while (read(t->signals, &got, sizeof(got)) == (ssize_t)sizeof(got)) {
		if (screen && got.ssi_signo == SIGWINCH)
			terminal_resize();
		else if (screen && got.ssi_signo == SIGTSTP)
			terminal_stop();
		else if (got.ssi_signo != SIGCONT && got.ssi_signo != SIGWINCH &&
			 got.ssi_signo != SIGTSTP)
			t->quit = true;
	}
}

static void take_keys(struct top *t)
{
	uint32_t key;

	while (!t->quit && terminal_key(&key))
		t->quit = !screen_press(&t->screen, key);
}

/* Until the next look, or the next glance at the counters while pins come and go. */
static struct timespec time_to_wait(const struct top *t)
{
	int64_t left = session_ns_until(&t->next), pause;
	struct timespec wait = {0};

	if (t->live && t->live->moving) {
		pause = (int64_t)session_glance_pause(t->interval_ns);
		left = left < pause ? left : pause;
	}
	if (left > 0)
		session_add_ns(&wait, (uint64_t)left);
	return wait;
}

static void wait_for(struct top *t, bool screen)
{
	struct pollfd fds[2] = {{.fd = t->signals, .events = POLLIN},
				{.fd = screen ? STDIN_FILENO : -1, .events = POLLIN}};
	struct timespec wait = time_to_wait(t);

	/* Keys that wait are read in any case: curses may hold some. */
	if (ppoll(fds, 2, is_over(t) ? NULL : &wait, NULL) > 0)
		take_signals(t, screen);
	if (screen)
		take_keys(t);
	if (fds[1].revents & (POLLERR | POLLHUP | POLLNVAL))
		t->quit = true; /* the terminal has gone */
	if (t->live && t->live->moving && session_ns_until(&t->next) > 0)
		live_glance(t->live, monitor_wants_exact(t->conductor->monitor));
}

/* Glances and signals do not end it, unless one asks to quit. */
static void wait_until_next(struct top *t)
{
	while (!t->quit && session_ns_until(&t->next) > 0)
		wait_for(t, false);
}

/* ---- the screen ----------------------------------------------------------------------- */

/* -ENOMEM leaves the grid as it was. */
static int fit(struct screen_grid *g, unsigned width, unsigned height)
{
	struct screen_cell *cells;

	if (g->cells && g->width == width && g->height == height)
		return 0;
	cells = realloc(g->cells, (size_t)width * height * sizeof(*cells));
	if (!cells)
		return -ENOMEM;
	*g = (struct screen_grid){width, height, cells};
	return 0;
}

static void draw(struct top *t, struct screen_grid *g)
{
	unsigned width, height;

	terminal_size(&width, &height);
	if (fit(g, width, height)) {
		t->err = -ENOMEM;
		t->quit = true;
		return;
	}
	screen_draw(&t->screen, g);
	terminal_show(g);
}

/* A recording that has ended stays on the screen, a kernel that fails ends it. */
static void end_looks(struct top *t)
{
	if (t->live || !t->err)
		t->quit = true;
	else
		t->screen.message = "The recording ends here.  q quit  ? help";
}

const char *top_screen(struct top *t)
{
	struct screen_grid g = {0};
	const char *why;

	t->err = begin(t);
	if (t->err)
		return NULL;
	why = terminal_open(t->colour);
	while (!why && !t->quit) {
		if (!is_over(t) && session_ns_until(&t->next) <= 0)
			look(t);
		if (is_over(t))
			end_looks(t);
		draw(t, &g);
		if (!t->quit)
			wait_for(t, true);
	}
	terminal_close();
	close(t->signals);
	free(g.cells);
	return why;
}

/* ---- once ----------------------------------------------------------------------------- */

/* Is there something to show, or will there never be? */
static bool is_seen(const struct top *t)
{
	enum level wanted = monitor_wanted(t->conductor->monitor);

	return t->board.looked && (t->board.booked || t->board.refused || wanted == LEVEL_COUNTERS);
}

void top_look(struct top *t)
{
	t->err = begin(t);
	if (t->err)
		return;
	while (!is_over(t) && !t->quit) {
		look(t);
		if (t->speed)
			continue;
		if (!is_seen(t))
			t->first_ns = t->conductor->last.now_ns; /* the time begins with it */
		else if (!t->for_ns)
			break;
		if (!is_over(t))
			wait_until_next(t);
	}
	if (t->live && !t->err)
		t->err = conductor_look_last(t->conductor);
	close(t->signals);
}

static void print_line(const struct screen_grid *g, unsigned y)
{
	const struct screen_cell *cells = g->cells + y * g->width;
	unsigned width = g->width;
	char c[4];

	while (width && cells[width - 1].c == ' ')
		width--;
	for (unsigned x = 0; x < width; x++)
		fwrite(c, screen_utf8(cells[x].c, c), 1, stdout);
	putchar('\n');
}

int top_print(struct top *t)
{
	struct screen_grid g = {0};
	int err = fit(&g, BATCH_WIDTH, screen_batch_height(&t->screen));

	if (err)
		return err;
	screen_draw_batch(&t->screen, &g);
	for (unsigned y = 0; y < g.height; y++)
		print_line(&g, y);
	free(g.cells);
	return 0;
}
