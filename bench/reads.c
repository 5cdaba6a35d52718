// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * Direct reads from a block device, and what each of them takes: instructions, in a guest whose
 * clock counts them (bench/cost). Reads go round an area of memory of which every page is used, so
 * that no single page decides. Nothing is done between two reads, as fio would do it.
 *
 * While a read waits for its device the processor would idle, and such a clock would jump. So there
 * is a process of the lowest class that counts rounds of two instructions meanwhile; they are taken
 * off, and so is what another process did (--beside PID): that is told on its own.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define AREA	   (64 << 20)
#define DEVICE_END (512 << 20)
#define PARTS	   5 /* of what is measured, for its spread */

struct ring {
	int fd;
	unsigned int *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

struct bench {
	int device, beside; /* beside: a file descriptor, or -1 */
	size_t bytes;
	unsigned int depth;
	char *area;
	uint64_t next; /* the number of the read that is begun next */
	struct ring ring;
	void (*read_some)(struct bench *b, uint64_t reads);
	volatile uint64_t *idle; /* rounds of the process that counts */
};

struct moment {
	uint64_t ns, idle_ns, beside_ns;
};

static void *shared(size_t size, int fd, off_t at)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_POPULATE | (fd < 0 ? MAP_ANONYMOUS : 0), fd, at);

	if (p == MAP_FAILED)
		err(1, "mmap");
	return p;
}

static void begin_counting(struct bench *b)
{
	struct sched_param lowest = {0};

	b->idle = shared(sizeof(*b->idle), -1, 0);
	switch (fork()) {
	case -1:
		err(1, "fork");
	case 0:
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (sched_setscheduler(0, SCHED_IDLE, &lowest))
			err(1, "SCHED_IDLE");
		for (;;)
			__asm__ volatile("1: incq %0; jmp 1b" : "+m"(*b->idle));
	}
}

/* /proc/PID/schedstat begins with the time on a processor, exact to the nanosecond. */
static uint64_t beside_ns(const struct bench *b)
{
	char text[128] = "";

	if (b->beside >= 0 && pread(b->beside, text, sizeof(text) - 1, 0) <= 0)
		err(1, "schedstat");
	return strtoull(text, NULL, 10);
}

static struct moment now(const struct bench *b)
{
	struct moment m = {.beside_ns = beside_ns(b), .idle_ns = *b->idle * 2};
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	m.ns = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
	return m;
}

static char *buffer_of(const struct bench *b, uint64_t n)
{
	return b->area + n * b->bytes % AREA;
}

static off_t place_of(const struct bench *b, uint64_t n)
{
	return (off_t)(n * 7919 % (DEVICE_END / b->bytes) * b->bytes);
}

static void ring_open(struct bench *b)
{
	struct io_uring_params p = {0};
	struct ring *r = &b->ring;
	char *sq, *cq;

	r->fd = (int)syscall(SYS_io_uring_setup, b->depth, &p);
	if (r->fd < 0)
		err(1, "io_uring_setup");
	sq = shared(p.sq_off.array + p.sq_entries * sizeof(*r->sq_array), r->fd,
		    IORING_OFF_SQ_RING);
	cq = shared(p.cq_off.cqes + p.cq_entries * sizeof(*r->cqes), r->fd, IORING_OFF_CQ_RING);
	r->sqes = shared(p.sq_entries * sizeof(*r->sqes), r->fd, IORING_OFF_SQES);
	r->sq_tail = (unsigned int *)(sq + p.sq_off.tail);
	r->sq_mask = (unsigned int *)(sq + p.sq_off.ring_mask);
	r->sq_array = (unsigned int *)(sq + p.sq_off.array);
	r->cq_head = (unsigned int *)(cq + p.cq_off.head);
	r->cq_tail = (unsigned int *)(cq + p.cq_off.tail);
	r->cq_mask = (unsigned int *)(cq + p.cq_off.ring_mask);
	r->cqes = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
}

static void ring_put(struct bench *b)
{
	struct ring *r = &b->ring;
	unsigned int tail = *r->sq_tail, at = tail & *r->sq_mask;

	r->sqes[at] = (struct io_uring_sqe){.opcode = IORING_OP_READ,
					    .fd = b->device,
					    .addr = (uintptr_t)buffer_of(b, b->next),
					    .len = (uint32_t)b->bytes,
					    .off = (uint64_t)place_of(b, b->next)};
	r->sq_array[at] = at;
	b->next++;
	__atomic_store_n(r->sq_tail, tail + 1, __ATOMIC_RELEASE);
}

/* Begins some reads, waits until one has ended at least, and returns how many have. */
static unsigned int ring_turn(struct bench *b, unsigned int begin)
{
	struct ring *r = &b->ring;
	unsigned int ended = 0, head = *r->cq_head;

	for (unsigned int i = 0; i < begin; i++)
		ring_put(b);
	while (syscall(SYS_io_uring_enter, r->fd, begin, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		if (errno != EINTR)
			err(1, "io_uring_enter");
	for (; head != __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE); head++, ended++)
		if (r->cqes[head & *r->cq_mask].res != (int)b->bytes)
			errx(1, "a read: %d", r->cqes[head & *r->cq_mask].res);
	__atomic_store_n(r->cq_head, head, __ATOMIC_RELEASE);
	return ended;
}

static void read_ring(struct bench *b, uint64_t reads)
{
	uint64_t end = b->next + reads;
	unsigned int free = b->depth;

	while (b->next < end || free < b->depth) {
		unsigned int begin = b->next + free > end ? (unsigned int)(end - b->next) : free;

		free += ring_turn(b, begin) - begin;
	}
}

static void read_plain(struct bench *b, uint64_t reads)
{
	for (; reads; reads--, b->next++)
		if (pread(b->device, buffer_of(b, b->next), b->bytes, place_of(b, b->next)) !=
		    (ssize_t)b->bytes)
			err(1, "pread");
}

static void open_beside(struct bench *b, const char *pid)
{
	char path[64];

	b->beside = -1;
	if (!strcmp(pid, "0"))
		return;
	snprintf(path, sizeof(path), "/proc/%s/schedstat", pid);
	b->beside = open(path, O_RDONLY);
	if (b->beside < 0)
		err(1, "%s", path);
}

/* What comes once with a new page is over when each buffer was read into. */
static void settle(struct bench *b, double seconds)
{
	uint64_t end = now(b).ns + (uint64_t)(seconds * 1e9);

	do
		b->read_some(b, AREA / b->bytes);
	while (now(b).ns < end);
}

/* Instructions a read, and those of the process beside in all. */
static double measure(struct bench *b, uint64_t reads, uint64_t *beside)
{
	struct moment began = now(b), ended;
	uint64_t elsewhere;

	b->read_some(b, reads);
	ended = now(b);
	elsewhere = ended.beside_ns - began.beside_ns;
	*beside += elsewhere;
	elsewhere += ended.idle_ns - began.idle_ns;
	return (double)(ended.ns - began.ns - elsewhere) / (double)reads;
}

static void prepare(struct bench *b, char **argv)
{
	b->device = open(argv[1], O_RDONLY | O_DIRECT);
	if (b->device < 0)
		err(1, "%s", argv[1]);
	b->read_some = strcmp(argv[2], "psync") ? read_ring : read_plain;
	b->bytes = strtoul(argv[3], NULL, 10);
	b->depth = (unsigned int)strtoul(argv[4], NULL, 10);
	open_beside(b, argv[7]);
	b->area = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (b->area == MAP_FAILED || madvise(b->area, AREA, MADV_NOHUGEPAGE))
		err(1, "memory");
	memset(b->area, 1, AREA);
	if (b->read_some == read_ring)
		ring_open(b);
	begin_counting(b);
}

int main(int argc, char **argv)
{
	struct bench b = {0};
	uint64_t beside = 0, began, reads;

	if (argc != 8)
		errx(2, "usage: reads DEVICE psync|io_uring BYTES DEPTH READS SETTLE PID|0");
	prepare(&b, argv);
	reads = strtoull(argv[5], NULL, 10);
	settle(&b, strtod(argv[6], NULL));
	began = now(&b).ns;
	for (int i = 0; i < PARTS; i++)
		printf("%.1f ", measure(&b, reads / PARTS, &beside));
	printf("%.6f\n", (double)beside / (double)(now(&b).ns - began));
	return 0;
}
