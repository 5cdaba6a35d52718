// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "terminal.h"

#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <term.h>
#include <unistd.h>
#include <wchar.h>

static SCREEN *terminal;
static bool coloured;

static const char *check(void)
{
	int err;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return "standard input and output must be a terminal";
	if (setupterm(NULL, STDOUT_FILENO, &err) == ERR)
		return "the terminal is of an unknown kind (TERM)";
	if (!cursor_address || !clear_screen)
		return "this kind of terminal (TERM) cannot place text";
	return NULL;
}

static void set_colours(void)
{
	start_color();
	use_default_colors();
	init_pair(1, COLOR_RED, -1);
	init_pair(2, COLOR_YELLOW, -1);
}

const char *terminal_open(bool colour)
{
	const char *why = check();

	if (why)
		return why;
	terminal = newterm(NULL, stdout, stdin);
	if (!terminal)
		return "the terminal cannot be used";
	set_term(terminal);
	coloured = colour && has_colors();
	if (coloured)
		set_colours();
	cbreak();
	noecho();
	nonl();
	curs_set(0);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(25);
	return NULL;
}

void terminal_close(void)
{
	if (!terminal)
		return;
	endwin();
	delscreen(terminal);
	terminal = NULL;
}

void terminal_stop(void)
{
	endwin();
	raise(SIGSTOP);
	clearok(curscr, TRUE);
	terminal_resize();
}

void terminal_resize(void)
{
	struct winsize w;

	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) && w.ws_row && w.ws_col)
		resizeterm(w.ws_row, w.ws_col);
}

void terminal_size(unsigned *width, unsigned *height)
{
	*width = (unsigned)getmaxx(stdscr);
	*height = (unsigned)getmaxy(stdscr);
}

/* Without colour nothing is sent but text: a mark in the first column shows what is chosen. */
static attr_t attribute(enum screen_look look)
{
	if (!coloured)
		return A_NORMAL;
	switch (look) {
	case LOOK_TITLE:
		return A_BOLD;
	case LOOK_CHOSEN:
		return A_REVERSE;
	case LOOK_BAD:
		return A_BOLD | COLOR_PAIR(1);
	case LOOK_WARNING:
		return COLOR_PAIR(2);
	default:
		return A_NORMAL;
	}
}

void terminal_show(const struct screen_grid *g)
{
	for (unsigned i = 0; i < g->width * g->height; i++) {
		attr_t a = attribute(g->cells[i].look);
		wchar_t text[2] = {(wchar_t)g->cells[i].c, 0};
		cchar_t c;

		setcchar(&c, text, a, (short)PAIR_NUMBER(a), NULL);
		mvadd_wch((int)(i / g->width), (int)(i % g->width), &c);
	}
	refresh();
}

static uint32_t translate(wint_t key)
{
	switch (key) {
	case KEY_UP:
		return SCREEN_UP;
	case KEY_DOWN:
		return SCREEN_DOWN;
	case KEY_PPAGE:
		return SCREEN_PAGE_UP;
	case KEY_NPAGE:
		return SCREEN_PAGE_DOWN;
	case KEY_HOME:
		return SCREEN_HOME;
	case KEY_END:
		return SCREEN_END;
	case KEY_ENTER:
	case KEY_RIGHT:
		return SCREEN_ENTER;
	case KEY_LEFT:
		return SCREEN_ESCAPE;
	case KEY_BACKSPACE:
		return SCREEN_ERASE;
	default:
		return 0;
	}
}

bool terminal_key(uint32_t *key)
{
	wint_t got;
	int kind = get_wch(&got);

	if (kind == ERR)
		return false;
	*key = kind == KEY_CODE_YES ? translate(got)
	       : got == '\r'	    ? SCREEN_ENTER
	       : got == '\b'	    ? SCREEN_ERASE
				    : (uint32_t)got;
	return true;
}
