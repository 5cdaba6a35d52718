// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "fire.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/udmabuf.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGES 37 /* an odd number, so that it does not look like anybody else's */
#define PAGE  4096
#define BYTES ((size_t)PAGES * PAGE)

static void *buffer(void)
{
	void *mem = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		return NULL;
	memset(mem, 1, BYTES);
	return mem;
}

/* process_vm_readv() of our own memory: pin_user_pages_remote(), released in the same call. */
static int shoot_process_vm(void)
{
	char *from = buffer(), *to = buffer();
	struct iovec local = {to, BYTES}, remote = {from, BYTES};
	int err = -ENOMEM;

	if (from && to)
		err = process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)BYTES
			      ? 0
			      : -errno;
	if (from)
		munmap(from, BYTES);
	if (to)
		munmap(to, BYTES);
	return err;
}

/* A fixed buffer of io_uring: pin_user_pages_fast(), released one folio at a time. */
static int shoot_io_uring(void)
{
	struct io_uring_params params = {0};
	struct iovec iov = {.iov_len = BYTES};
	int ring = (int)syscall(SYS_io_uring_setup, 2, &params), err = 0;

	if (ring < 0) /* switched off (kernel.io_uring_disabled, seccomp) or not built in */
		return -EOPNOTSUPP;
	iov.iov_base = buffer();
	if (!iov.iov_base || syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &iov, 1))
		err = -errno;
	else if (syscall(SYS_io_uring_register, ring, IORING_UNREGISTER_BUFFERS, NULL, 0))
		err = -errno;
	close(ring);
	if (iov.iov_base)
		munmap(iov.iov_base, BYTES);
	return err;
}

/* A memfd as a dma-buf: memfd_pin_folios() since 6.11, plain references before. */
static int shoot_udmabuf(void)
{
	int dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC), buf = -1, err = 0;
	int mem = memfd_create("pinleak", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	struct udmabuf_create create = {.memfd = (__u32)mem, .size = BYTES};

	if (dev < 0 || mem < 0 || ftruncate(mem, (off_t)BYTES) ||
	    fcntl(mem, F_ADD_SEALS, F_SEAL_SHRINK))
		err = -EOPNOTSUPP;
	if (!err) {
		buf = ioctl(dev, UDMABUF_CREATE, &create);
		err = buf < 0 ? -errno : 0;
	}
	if (buf >= 0)
		close(buf);
	if (mem >= 0)
		close(mem);
	if (dev >= 0)
		close(dev);
	return err;
}

const struct fire fires[] = {
	{"process_vm_readv", shoot_process_vm},
	{"io_uring", shoot_io_uring},
	{"udmabuf", shoot_udmabuf},
	{0},
};

/* vmsplice() puts our page into a pipe: iov_iter_get_pages2() -> get_user_pages_fast(). */
int fire_reference(void)
{
	char page[1] = {1};
	struct iovec piece = {.iov_base = page, .iov_len = sizeof(page)};
	int ends[2], err = 0;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	if (vmsplice(ends[1], &piece, 1, 0) < 0)
		err = -errno;
	close(ends[0]);
	close(ends[1]);
	return err;
}
