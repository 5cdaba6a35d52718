# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""Memory of every kind, which page frames it is, and ways to pin it: what a test did itself."""
import array
import contextlib
import ctypes
import fcntl
import mmap
import os
import resource
import socket
import struct

from harness import Skip, load

PAGE = mmap.PAGESIZE
HUGE, GIGANTIC = 2 << 20, 1 << 30
MAP_HUGETLB = 0x40000
MADV_COLLAPSE = 25  # Linux 6.1

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + 3 * [ctypes.c_int] + [ctypes.c_long]


def check(result, what):
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


class Memory:
    """A mapping of this process, written to."""

    def __init__(self, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, fd=-1, align=PAGE,
                 write=True):
        start = libc.mmap(None, size + align - PAGE, mmap.PROT_READ | mmap.PROT_WRITE, flags, fd, 0)
        if start in (None, ctypes.c_void_p(-1).value):
            raise OSError(ctypes.get_errno(), f"mmap: {os.strerror(ctypes.get_errno())}")
        self.mapped, self.mapped_size = start, size + align - PAGE
        self.address, self.size = -(-start // align) * align, size
        if write:
            self.write()

    def write(self):
        ctypes.memset(self.address, 0x55, self.size)
        return self

    def advise(self, advice):
        check(libc.madvise(ctypes.c_void_p(self.address), ctypes.c_size_t(self.size), advice),
              f"madvise {advice}")
        return self

    def frames(self):
        """The page frame of each page, by /proc/self/pagemap."""
        pages = self.size // PAGE
        with open("/proc/self/pagemap", "rb", buffering=0) as f:
            data = os.pread(f.fileno(), 8 * pages, self.address // PAGE * 8)
        words = array.array("Q", data)
        assert len(words) == pages and all(w >> 63 for w in words), "not all of it is there"
        return [w & (1 << 55) - 1 for w in words]

    def unmap(self):
        check(libc.munmap(ctypes.c_void_p(self.mapped), ctypes.c_size_t(self.mapped_size)),
              "munmap")


def small(pages):
    memory = Memory(pages * PAGE, write=False)
    return memory.advise(mmap.MADV_NOHUGEPAGE).write()


def huge(number):
    """Transparent huge pages, made at once rather than when the kernel finds the time."""
    memory = Memory(number * HUGE, align=HUGE, write=False)
    memory.advise(mmap.MADV_HUGEPAGE).write()
    memory.advise(MADV_COLLAPSE)
    return memory


def shared(pages):
    return Memory(pages * PAGE, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)


@contextlib.contextmanager
def hugetlb_pool(number, size=HUGE):
    path = f"/sys/kernel/mm/hugepages/hugepages-{size >> 10}kB/nr_hugepages"
    if not os.path.exists(path):
        raise Skip(f"no hugetlb pages of {size >> 20} MiB")
    with open(path, "r+", encoding="ascii") as f:
        f.write(str(number))
        f.flush()
        f.seek(0)
        if int(f.read()) < number:
            raise Skip(f"no memory for hugetlb pages of {size >> 20} MiB")
        try:
            yield
        finally:
            f.seek(0)
            f.write("0")


def hugetlb(number, share=mmap.MAP_PRIVATE, size=HUGE, write=True):
    flags = share | mmap.MAP_ANONYMOUS | MAP_HUGETLB | (size.bit_length() - 1) << 26
    return Memory(number * size, flags, write=write)


# ---- pinning --------------------------------------------------------------------------------

(USE, HOLD, ASYNC, UNREGISTER, GET_USE, GET_FAIL, KEEP_ONE, ERROR, PARTIAL, CLOSE, WORK) = range(11)
PIN_REQUEST = 24  # bytes


def leaky_ioctl(shape):
    return 1 << 30 | PIN_REQUEST << 16 | ord("L") << 8 | shape


class Device:
    """/dev/leaky or its like, open; see drivers/leaky_ioctl.h."""

    def __init__(self, name="leaky"):
        load(name)
        self.fd = os.open(f"/dev/{name}", os.O_RDWR | os.O_CLOEXEC)

    def pin(self, shape, address, pages, arg=0):
        fcntl.ioctl(self.fd, leaky_ioctl(shape), struct.pack("QQQ", address, pages, arg))

    def pin_all(self, memory, shape=HOLD):
        self.pin(shape, memory.address, memory.size // PAGE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)


@contextlib.contextmanager
def fixed_buffers(memory):
    """The memory as a fixed buffer of io_uring."""
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    ring = check(libc.syscall(425, 2, ctypes.create_string_buffer(120)), "io_uring_setup")
    vector = (ctypes.c_uint64 * 2)(memory.address, memory.size)
    try:
        check(libc.syscall(427, ring, 0, vector, 1), "io_uring_register")
        yield
    finally:
        check(libc.syscall(427, ring, 1, None, 0), "io_uring_register: unregister")
        os.close(ring)


@contextlib.contextmanager
def udmabuf(memfd, size):
    """A sealed memfd as a dma-buf, which pins its folios since Linux 6.11."""
    if not os.path.exists("/dev/udmabuf"):
        raise Skip("no /dev/udmabuf")
    fcntl.fcntl(memfd, 1033, 2)  # F_ADD_SEALS, F_SEAL_SHRINK
    device = os.open("/dev/udmabuf", os.O_RDWR | os.O_CLOEXEC)
    create = bytearray(struct.pack("IIQQ", memfd, 1, 0, size))
    buffer = fcntl.ioctl(device, 1 << 30 | len(create) << 16 | ord("u") << 8 | 0x42, create)
    os.close(device)
    try:
        yield
    finally:
        os.close(buffer)


def packet_ring(order, blocks):
    """Memory of a driver's own, in compound pages of an order: the ring of a packet socket."""
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    size = PAGE << order
    s.setsockopt(263, 5, struct.pack("IIII", size, blocks, size, blocks))  # PACKET_RX_RING
    return s, Memory(size * blocks, mmap.MAP_SHARED, s.fileno(), write=False)


# ---- plain references, which are no pins ----------------------------------------------------

class Pipe:
    """References to pages, as many as wanted, by vmsplice()."""

    def __init__(self):
        self.out, self.into = os.pipe()
        fcntl.fcntl(self.into, 1031, 2048 * PAGE)  # F_SETPIPE_SZ: 2048 buffers

    def refer(self, address, times):
        while times:
            some = min(times, 1024)  # IOV_MAX
            vectors = (ctypes.c_uint64 * (2 * some))(*(address, 8) * some)
            done = check(libc.vmsplice(self.into, vectors, ctypes.c_ulong(some), 0), "vmsplice")
            assert done == 8 * some, done
            times -= some

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.out)
        os.close(self.into)
