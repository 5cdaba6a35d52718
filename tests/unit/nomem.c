// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "nomem.h"

#include <stddef.h>

static uint32_t countdown;
static bool failed;
static int64_t alive;

void *__real_malloc(size_t size);
void *__real_calloc(size_t nr, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void __real_free(void *p);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t nr, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
void __wrap_free(void *p);

void nomem_fail(uint32_t nth)
{
	countdown = nth;
	failed = false;
}

bool nomem_failed(void)
{
	return failed;
}

int64_t nomem_alive(void)
{
	return alive;
}

static bool is_over(void)
{
	if (!countdown || --countdown)
		return false;
	failed = true;
	return true;
}

static void *count(void *p)
{
	alive += p != NULL;
	return p;
}

void *__wrap_malloc(size_t size)
{
	return is_over() ? NULL : count(__real_malloc(size));
}

void *__wrap_calloc(size_t nr, size_t size)
{
	return is_over() ? NULL : count(__real_calloc(nr, size));
}

void *__wrap_realloc(void *old, size_t size)
{
	void *p;

	if (is_over())
		return NULL;
	p = __real_realloc(old, size);
	alive += p && !old;
	return p;
}

char *__wrap_strdup(const char *text)
{
	return is_over() ? NULL : count(__real_strdup(text));
}

void __wrap_free(void *p)
{
	alive -= p != NULL;
	__real_free(p);
}
