# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
What refers to pages without leaking them, all of it at once: storm.py SECONDS. Prints how often
each did its work; fails when one of them did not.
"""
import ctypes
import mmap
import os
import signal
import socket
import sys
import time

import memory
from harness import child, done, sh, write
from memory import GET_FAIL, GET_USE, HOLD, PAGE, Device, Memory, check, libc

SO_ZEROCOPY, MSG_ZEROCOPY = 60, 0x4000000
MADV_FREE, MADV_COLD, MADV_PAGEOUT, MADV_MERGEABLE = 8, 20, 21, 12
STALL = 5  # seconds for which what was sent is not read


def prepare():
    sh("modprobe zram && echo 192M > /sys/block/zram0/disksize && mkswap /dev/zram0 && "
       "swapon /dev/zram0 && ip link set lo up && "
       "modprobe null_blk irqmode=2 completion_nsec=20000000 gb=1")
    write("/sys/kernel/mm/ksm/sleep_millisecs", "1")
    write("/sys/kernel/mm/ksm/run", "1")
    write("/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs", "10")


# ---- memory that comes and goes ---------------------------------------------------------------

def page_cache():
    path = f"/tmp/storm.{os.getpid()}"
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    os.unlink(path)
    os.pwrite(fd, b"x" * (1 << 20), 0)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.pread(fd, 1 << 20, 0)
    os.close(fd)
    write("/proc/sys/vm/drop_caches", "1")


def swapping():
    m = memory.small(256)
    for _ in range(3):
        m.advise(MADV_PAGEOUT)
        m.write()
    m.advise(MADV_COLD)
    m.advise(MADV_PAGEOUT)
    ctypes.string_at(m.address, m.size // 2)  # half of it stays in the swap cache
    m.unmap()


def unmapping():
    m = memory.small(256)
    m.advise(MADV_FREE)
    m.write().advise(mmap.MADV_DONTNEED)
    m.write().unmap()


def huge_pages():
    m = memory.huge(1)
    libc.munmap(ctypes.c_void_p(m.address + 5 * PAGE), ctypes.c_size_t(PAGE))
    libc.mprotect(ctypes.c_void_p(m.address), ctypes.c_size_t(3 * PAGE), 1)
    libc.madvise(ctypes.c_void_p(m.address + 9 * PAGE), ctypes.c_size_t(PAGE), MADV_PAGEOUT)


def merging():
    m = memory.small(64).advise(MADV_MERGEABLE)
    time.sleep(0.3)
    ctypes.memset(m.address, 1, 8 * PAGE)
    m.unmap()


def compaction():
    write("/proc/sys/vm/compact_memory", "1")


def moving():
    m = memory.small(64)
    pages = (ctypes.c_void_p * 64)(*range(m.address, m.address + m.size, PAGE))
    nodes, status = (ctypes.c_int * 64)(), (ctypes.c_int * 64)()
    libc.syscall(279, 0, ctypes.c_ulong(64), pages, nodes, status, 2)  # move_pages
    mask = ctypes.c_ulong(1)
    libc.syscall(256, 0, ctypes.c_ulong(2), ctypes.byref(mask), ctypes.byref(mask))
    m.unmap()


def forking():
    m = memory.small(64)
    pid = os.fork()
    if not pid:
        m.write()
        os.execv("/bin/true", ["true"])
    done(pid)


# ---- one process looks at another -------------------------------------------------------------

def peeking():
    m = memory.small(16)
    pid = os.fork()
    if not pid:
        time.sleep(120)  # it is killed long before
        os._exit(0)
    here = memory.small(16)
    local = (ctypes.c_uint64 * 2)(here.address, here.size)
    remote = (ctypes.c_uint64 * 2)(m.address, m.size)
    for _ in range(20):
        assert libc.process_vm_readv(pid, local, 1, remote, 1, 0) == m.size
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as f:
            os.pread(f.fileno(), m.size, m.address)
    check(libc.ptrace(16, pid, None, None), "PTRACE_ATTACH")
    os.waitpid(pid, 0)
    for at in range(m.address, m.address + m.size, PAGE):
        libc.ptrace(4, pid, ctypes.c_void_p(at), ctypes.c_void_p(7))  # PTRACE_POKETEXT
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def direct_writes():
    """Killed while the device is at it."""
    def forever():
        m = memory.small(64)
        data = (ctypes.c_char * m.size).from_address(m.address)
        fd = os.open("/dev/nullb0", os.O_RDWR | os.O_DIRECT)
        while True:
            os.pwrite(fd, data, 0)
            os.preadv(fd, [data], 0)
    pid = child(forever)
    time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


# ---- pipes and sockets: the sender is gone, the reader stalls ---------------------------------

def splice_memory(m, into):
    vector = (ctypes.c_uint64 * 2)(m.address, m.size)
    check(libc.vmsplice(into, vector, ctypes.c_ulong(1), 0), "vmsplice")


def tee(out, into, size):
    check(libc.tee(out, into, ctypes.c_size_t(size), 0), "tee")


def pipes():
    out, into = os.pipe()
    out2, into2 = os.pipe()

    def fill():
        splice_memory(memory.small(4), into)
        splice_memory(memory.shared(4), into)
        fd = file_in_memory(4)[0]
        os.splice(fd, into, 4 * PAGE, offset_src=0)
        tee(out, into2, 12 * PAGE)
    done(child(fill))
    time.sleep(STALL)
    for fd in (out, into, out2, into2):
        os.close(fd)


def file_in_memory(pages):
    fd = os.memfd_create("storm")
    os.ftruncate(fd, pages * PAGE)
    return fd, Memory(pages * PAGE, mmap.MAP_SHARED, fd)


def zerocopy(kind):
    reader = socket.socket(socket.AF_INET, kind)
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    reader.bind(("127.0.0.1", 0))
    if kind == socket.SOCK_STREAM:
        reader.listen()

    def send():
        s = socket.socket(socket.AF_INET, kind)
        s.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
        s.connect(reader.getsockname())
        s.setblocking(False)
        m = memory.small(256)
        data = (ctypes.c_char * m.size).from_address(m.address)
        size = m.size if kind == socket.SOCK_STREAM else 8 * PAGE
        for _ in range(8):
            try:
                s.send(memoryview(data)[:size], MSG_ZEROCOPY)
            except BlockingIOError:
                break
        s.close()
        time.sleep(0.1)
    done(child(send))
    time.sleep(STALL)
    reader.close()  # of what nobody has accepted, too


def zerocopy_tcp():
    zerocopy(socket.SOCK_STREAM)


def zerocopy_udp():
    zerocopy(socket.SOCK_DGRAM)


def splice_to(family, kind):
    """Pages that a driver has just used in the queue of a socket: without get_user_pages()."""
    reader = socket.socket(family, kind)
    reader.bind(("127.0.0.1", 0) if family == socket.AF_INET else "")
    if kind == socket.SOCK_STREAM:
        reader.listen()

    def send():
        out, into = os.pipe()
        s = socket.socket(family, kind)
        s.connect(reader.getsockname())
        fd, m = file_in_memory(4)
        use(m, GET_USE)
        for i in range(3):
            os.splice(fd, into, PAGE, offset_src=i * PAGE)
            os.splice(out, s.fileno(), PAGE)
    done(child(send))
    if kind == socket.SOCK_DGRAM:
        reader.recv(16)  # the others are now in the reader's own queue
    time.sleep(STALL)
    reader.close()


def splice_tcp():
    splice_to(socket.AF_INET, socket.SOCK_STREAM)


def splice_udp():
    splice_to(socket.AF_INET, socket.SOCK_DGRAM)


def splice_unix():
    splice_to(socket.AF_UNIX, socket.SOCK_STREAM)


# ---- drivers that do it right -----------------------------------------------------------------

def use(m, shape):
    with Device() as d:
        try:
            d.pin_all(m, shape)
        except OSError:
            assert shape == GET_FAIL
    return m


def right_driver():
    for shape in (GET_USE, GET_FAIL):
        done(child(lambda: use(memory.small(64), shape)))
        done(child(lambda: use(memory.shared(64), shape)))
        done(child(lambda: use(memory.huge(1), shape)))


def used_and_mapped_by_others():
    m = memory.shared(32)
    done(child(lambda: use(m, GET_USE)))
    time.sleep(1)
    m.unmap()


def used_and_spliced():
    """By one that lives on: the call that failed is no proof when the page is in a pipe."""
    fd, m = file_in_memory(8)
    out, into = os.pipe()
    use(m, GET_FAIL)
    os.splice(fd, into, 8 * PAGE, offset_src=0)
    time.sleep(STALL)
    os.close(out)
    os.close(into)
    os.close(fd)
    m.unmap()


def used_and_passed_on():
    """The pipe is in a message that nobody has received."""
    left, right = socket.socketpair(socket.AF_UNIX)

    def send():
        fd, m = file_in_memory(8)
        out, into = os.pipe()
        use(m, GET_USE)
        os.splice(fd, into, 8 * PAGE, offset_src=0)
        socket.send_fds(left, [b"x"], [out, into])
    done(child(send))
    time.sleep(STALL)
    left.close()
    right.close()


def used_and_registered():
    """A driver drops its references of what io_uring, or another driver, has pinned."""
    m = memory.small(16)
    with memory.fixed_buffers(m), Device() as d:
        d.pin_all(m, HOLD)
        done(child(lambda: use(m, GET_USE)))
        use(m, GET_USE)
        time.sleep(1)
    m.unmap()


WORKS = [page_cache, swapping, unmapping, huge_pages, merging, compaction, moving, forking, peeking,
         direct_writes, pipes, zerocopy_tcp, zerocopy_udp, splice_tcp, splice_udp, splice_unix,
         right_driver, used_and_mapped_by_others, used_and_spliced, used_and_passed_on,
         used_and_registered]
PAUSE = 0.15  # after each turn of each, so that all of them get theirs


def at_work(work, end, into):
    turns = 0
    while time.monotonic() < end:
        done(child(work))
        turns += 1
        time.sleep(PAUSE)
    os.write(into, f"{work.__name__}={turns} ".encode())


def main(seconds, works):
    out, into = os.pipe()
    end = time.monotonic() + seconds
    pids = [child(at_work, work, end, into) for work in works]
    failed = [w.__name__ for w, pid in zip(works, pids) if os.waitpid(pid, 0)[1]]
    os.close(into)
    turns = os.read(out, 65536).decode()
    print(turns)
    idle = [w.__name__ for w in works if f"{w.__name__}=0 " in turns]
    assert not failed and not idle, f"failed: {failed}, did nothing: {idle}"


if __name__ == "__main__":
    prepare()
    main(float(sys.argv[1]), [w for w in WORKS if not sys.argv[2:] or w.__name__ in sys.argv[2:]])
