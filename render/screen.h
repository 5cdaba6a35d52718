/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* A board as a person reads it, and walks through it by keys: cells, with no terminal in sight. */
#ifndef PINLEAK_RENDER_SCREEN_H
#define PINLEAK_RENDER_SCREEN_H

#include "board.h"
#include "render.h"

#define SCREEN_WIDTH  80 /* the least, of the whole screen; less shows a message */
#define SCREEN_HEIGHT 24

/* Keys that are no characters lie beyond Unicode. */
enum screen_key {
	SCREEN_ENTER = '\n',
	SCREEN_ESCAPE = 27,
	SCREEN_ERASE = 127,
	SCREEN_UP = 0x110000,
	SCREEN_DOWN,
	SCREEN_PAGE_UP,
	SCREEN_PAGE_DOWN,
	SCREEN_HOME,
	SCREEN_END,
};

enum screen_look { LOOK_PLAIN, LOOK_TITLE, LOOK_CHOSEN, LOOK_BAD, LOOK_WARNING };

struct screen_cell {
	uint32_t c; /* of Unicode, one column wide */
	uint8_t look;
};

/* The cells belong to the user, line after line. */
struct screen_grid {
	unsigned width, height;
	struct screen_cell *cells;
};

/* The words of --sort, in this order. */
enum screen_sort {
	SORT_BYTES,
	SORT_PINS,
	SORT_LEAKED,
	SORT_RATE,
	SORT_AGE,
	SORT_NAME,
	SORTS,
};

enum screen_view { VIEW_DRIVERS, VIEW_PROCESSES, VIEW_PATHS, VIEW_STACK, VIEW_HELP };

#define SCREEN_FILTER 32

/* {0} with the first two set is ready to use. */
struct screen {
	const struct board *board;   /* that lives */
	const struct render *render; /* names the machine, and the time of day */
	struct board *frozen;	     /* shown instead while it pauses; room set by the user */
	bool blocks;		     /* the terminal has the blocks of Unicode for the graph */
	const char *message;	     /* instead of the keys in the last line, or NULL */
	enum screen_sort sort;
	enum screen_view view;
	enum screen_view before; /* help */
	bool paused;
	bool typing; /* the filter */
	char filter[SCREEN_FILTER];
	size_t at[VIEW_HELP + 1]; /* the line that is chosen, of each view */
	unsigned page;		  /* lines of the table, when it was drawn last */
	size_t rows;		  /* of the table then */
	char driver[BOARD_NAME];  /* chosen; the paths are its */
	uint64_t path;		  /* the stack's */
};

/* False: to quit. */
bool screen_press(struct screen *s, uint32_t key);

void screen_draw(struct screen *s, const struct screen_grid *g);

/* Lines of the table that --once prints, and the table. */
unsigned screen_batch_height(const struct screen *s);
void screen_draw_batch(struct screen *s, const struct screen_grid *g);

/* A cell as UTF-8, of 4 bytes at most; their number. */
size_t screen_utf8(uint32_t c, char *out);

#endif
