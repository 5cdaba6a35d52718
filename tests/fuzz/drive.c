// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * Drives a fuzz target without libFuzzer, always in the same way; CASES is set by the build.
 *
 *	fuzz_x            the seeds, and mutations of them
 *	fuzz_x FILE...    the inputs in files: a crash that libFuzzer found, say
 *	fuzz_x -w DIR     writes the seeds to a directory, as libFuzzer's corpus
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "fuzz.h"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#define ROOM  4096
#define SEEDS 64

struct input {
	uint8_t bytes[ROOM];
	size_t size;
};

static uint64_t rng_state;

static uint32_t below(uint32_t n)
{
	uint64_t z = rng_state += UINT64_C(0x9E3779B97F4A7C15); /* splitmix64 */

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return (uint32_t)(((z >> 32) * n) >> 32);
}

/* The target gets memory of just this size, so that a read beyond it is caught. */
static void try(const uint8_t *bytes, size_t size)
{
	uint8_t *exact = malloc(size + !size);

	if (!exact)
		abort();
	if (size)
		memcpy(exact, bytes, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

/* ---- mutations ------------------------------------------------------------------------ */

static void set_number(struct input *in)
{
	static const uint32_t numbers[] = {0,	   1,	   2,	       0x7f,	   0x80,      0xff,
					   0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff};
	uint32_t n = below(2) ? numbers[below(sizeof(numbers) / sizeof(*numbers))] : below(64);
	size_t at = in->size < 4 ? 0 : below((uint32_t)in->size - 3) & ~(below(2) ? 3u : 0u);

	memcpy(in->bytes + at, &n, in->size < 4 ? in->size : 4);
}

static void remove_part(struct input *in)
{
	size_t at = below((uint32_t)in->size), len = 1 + below(16);

	if (len > in->size - at)
		len = in->size - at;
	memmove(in->bytes + at, in->bytes + at + len, in->size - at - len);
	in->size -= len;
}

/* Repeats a part of the input elsewhere in it. */
static void repeat_part(struct input *in)
{
	size_t from = below((uint32_t)in->size), to = below((uint32_t)in->size),
	       len = 1 + below(32);
	uint8_t part[32];

	if (len > in->size - from)
		len = in->size - from;
	if (in->size + len > ROOM)
		return;
	memcpy(part, in->bytes + from, len);
	memmove(in->bytes + to + len, in->bytes + to, in->size - to);
	memcpy(in->bytes + to, part, len);
	in->size += len;
}

static void mutate(struct input *in)
{
	if (!in->size) {
		in->bytes[in->size++] = (uint8_t)below(256);
		return;
	}
	switch (below(6)) {
	case 0:
		in->bytes[below((uint32_t)in->size)] ^= (uint8_t)(1 << below(8));
		break;
	case 1:
		in->bytes[below((uint32_t)in->size)] = (uint8_t)below(256);
		break;
	case 2:
		set_number(in);
		break;
	case 3:
		remove_part(in);
		break;
	case 4:
		repeat_part(in);
		break;
	default:
		in->bytes[below((uint32_t)in->size)] = in->bytes[below((uint32_t)in->size)];
	}
}

/* ---- what to do ----------------------------------------------------------------------- */

static int run_seeds(void)
{
	static struct input seeds[SEEDS], in;
	uint32_t nr = 0, cases = RUNNING_ON_VALGRIND ? CASES / 100 : CASES;

	while (nr < SEEDS) {
		seeds[nr].size = fuzz_seed(nr, seeds[nr].bytes, ROOM);
		if (!seeds[nr].size)
			break;
		try(seeds[nr].bytes, seeds[nr].size);
		nr++;
	}
	try(NULL, 0);
	for (uint32_t i = 0; i < cases; i++) {
		rng_state = i;
		in = seeds[below(nr)];
		for (uint32_t k = 1 + below(1 + below(12)); k; k--)
			mutate(&in);
		try(in.bytes, in.size);
	}
	printf("%u seeds, %u mutations\n", nr, cases);
	return 0;
}

static int run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	size_t room = 1 << 24;
	uint8_t *bytes = malloc(room);

	if (!f || !bytes) {
		perror(path);
		return 1;
	}
	try(bytes, fread(bytes, 1, room, f));
	fclose(f);
	free(bytes);
	return 0;
}

static int write_seeds(const char *dir)
{
	static uint8_t bytes[ROOM];
	size_t size;

	for (unsigned i = 0; (size = fuzz_seed(i, bytes, ROOM)); i++) {
		char path[512];
		FILE *f;

		snprintf(path, sizeof(path), "%s/seed-%02u", dir, i);
		f = fopen(path, "wb");
		if (!f || fwrite(bytes, 1, size, f) != size || fclose(f)) {
			perror(path);
			return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	int status = 0;

	if (argc < 2)
		return run_seeds();
	if (argc == 3 && !strcmp(argv[1], "-w"))
		return write_seeds(argv[2]);
	for (int i = 1; i < argc; i++)
		status |= run_file(argv[i]);
	return status;
}
