// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * Direct reads from a block device, and what each of them takes: instructions, in a guest whose
 * clock counts them (bench/cost). Reads go round an area of memory of which every page is used, so
 * that no single page decides. Nothing is done between two reads, as fio would do it. The area is
 * the same for all reads that standard input asks for, one line each: how much of it is contiguous
 * makes a difference of a tenth for large reads.
 *
 * While a read waits for its device the processor would idle, and such a clock would jump. So there
 * is a process of the lowest class that counts rounds of two instructions meanwhile; they are taken
 * off, and so is what another process did (--beside PID): that is told on its own.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define AREA	   (32 << 20)
#define DEVICE_END (512 << 20)
#define PARTS	   5 /* of what is measured, for its spread */

struct ring {
	int fd;
	char *queues;
	size_t queues_size, sqes_size;
	unsigned int *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

struct bench {
	int device, beside; /* beside: a file descriptor, or -1 */
	size_t bytes, area_bytes;
	unsigned int depth;
	char *area;
	uint64_t next; /* the number of the read that is begun next */
	struct ring ring;
	void (*read_some)(struct bench *b, uint64_t reads);
	pid_t counter;
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

	b->counter = fork();
	switch (b->counter) {
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

static void end_counting(struct bench *b)
{
	kill(b->counter, SIGKILL);
	waitpid(b->counter, NULL, 0);
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
	return b->area + n * b->bytes % b->area_bytes;
}

static off_t place_of(const struct bench *b, uint64_t n)
{
	return (off_t)(n * 7919 % (DEVICE_END / b->bytes) * b->bytes);
}

/* Both queues are in one mapping since Linux 5.4. */
static void ring_open(struct bench *b)
{
	struct io_uring_params p = {0};
	struct ring *r = &b->ring;
	size_t sq, cq;

	r->fd = (int)syscall(SYS_io_uring_setup, b->depth, &p);
	if (r->fd < 0)
		err(1, "io_uring_setup");
	sq = p.sq_off.array + p.sq_entries * sizeof(*r->sq_array);
	cq = p.cq_off.cqes + p.cq_entries * sizeof(*r->cqes);
	r->queues_size = sq > cq ? sq : cq;
	r->queues = shared(r->queues_size, r->fd, IORING_OFF_SQ_RING);
	r->sqes_size = p.sq_entries * sizeof(*r->sqes);
	r->sqes = shared(r->sqes_size, r->fd, IORING_OFF_SQES);
	r->sq_tail = (unsigned int *)(r->queues + p.sq_off.tail);
	r->sq_mask = (unsigned int *)(r->queues + p.sq_off.ring_mask);
	r->sq_array = (unsigned int *)(r->queues + p.sq_off.array);
	r->cq_head = (unsigned int *)(r->queues + p.cq_off.head);
	r->cq_tail = (unsigned int *)(r->queues + p.cq_off.tail);
	r->cq_mask = (unsigned int *)(r->queues + p.cq_off.ring_mask);
	r->cqes = (struct io_uring_cqe *)(r->queues + p.cq_off.cqes);
}

static void ring_close(struct ring *r)
{
	munmap(r->queues, r->queues_size);
	munmap(r->sqes, r->sqes_size);
	close(r->fd);
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

static int open_beside(long pid)
{
	char path[64];
	int fd;

	if (!pid)
		return -1;
	snprintf(path, sizeof(path), "/proc/%ld/schedstat", pid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

/* What comes once with a new page is over when each buffer was read into. */
static void settle(struct bench *b, double seconds)
{
	uint64_t end = now(b).ns + (uint64_t)(seconds * 1e9);

	do
		b->read_some(b, b->area_bytes / b->bytes);
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

static void measure_all(struct bench *b, uint64_t reads, double settle_seconds)
{
	uint64_t beside = 0, began;

	begin_counting(b);
	settle(b, settle_seconds);
	began = now(b).ns;
	for (int i = 0; i < PARTS; i++)
		printf("%.1f ", measure(b, reads / PARTS, &beside));
	printf("%.6f\n", (double)beside / (double)(now(b).ns - began));
	fflush(stdout);
	end_counting(b);
}

/* DEVICE psync|io_uring BYTES DEPTH READS SETTLE AREA PID, or 0 */
static void obey(struct bench *b, const char *line)
{
	char device[32], engine[16];
	uint64_t reads;
	double seconds;
	long pid;

	if (sscanf(line, "%31s %15s %zu %u %" SCNu64 " %lf %zu %ld", device, engine, &b->bytes,
		   &b->depth, &reads, &seconds, &b->area_bytes, &pid) != 8 ||
	    b->area_bytes > AREA)
		errx(2, "not understood: %s", line);
	b->device = open(device, O_RDONLY | O_DIRECT);
	if (b->device < 0)
		err(1, "%s", device);
	b->beside = open_beside(pid);
	b->read_some = strcmp(engine, "psync") ? read_ring : read_plain;
	if (b->read_some == read_ring)
		ring_open(b);
	measure_all(b, reads, seconds);
	if (b->read_some == read_ring)
		ring_close(&b->ring);
	if (b->beside >= 0)
		close(b->beside);
	close(b->device);
}

int main(void)
{
	struct bench b = {.idle = shared(sizeof(*b.idle), -1, 0)};
	char line[256];

	b.area = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (b.area == MAP_FAILED || madvise(b.area, AREA, MADV_NOHUGEPAGE) ||
	    madvise(b.area, AREA, MADV_DONTFORK))
		err(1, "memory");
	memset(b.area, 1, AREA);
	while (fgets(line, sizeof(line), stdin))
		obey(&b, line);
	return 0;
}
