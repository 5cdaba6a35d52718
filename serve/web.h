/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The files of web/, made part of the program by web/embed. */
#ifndef PINLEAK_SERVE_WEB_H
#define PINLEAK_SERVE_WEB_H

#include <stddef.h>

struct web_file {
	const char *path; /* of the URL */
	const char *type;
	const unsigned char *data;
	size_t size;
};
/* One without a path ends them. */
extern const struct web_file web_files[];

#endif
