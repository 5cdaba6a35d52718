#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
Who could hold pages (kernel/holders.h) and who says so (kernel/owned.h), against files, pipes,
registered buffers and modules that the test has made.
"""
import array
import contextlib
import ctypes
import fcntl
import json
import os
import socket
import struct
import time

from harness import MODULES, Skip, load, run, sh, tests_of
from places import (HUGE, MAP_ANON, MAP_PRIVATE, PAGE, PLACES, frame, huge_pages, libc,
                    map_memory, places)

IO_SETUP, IO_DESTROY, IO_URING_SETUP, IO_URING_REGISTER = 206, 207, 425, 427  # x86-64
UDMABUF_CREATE = 0x40187542
NOTHING, REFERENCES, IN_FLIGHT, PINS = range(4)
libc.syscall.restype = ctypes.c_long


class Holders:
    def __init__(self, *pfns):
        out = sh(" ".join([PLACES, "holders", *map(str, pfns)]))
        lines = [json.loads(line) for line in out.splitlines()]
        self.files = [o for o in lines if o["type"] == "holder"]
        self.modules = {o["name"]: o for o in lines if o["type"] == "module"}
        self.explained = {o["pfn"]: o for o in lines if o["type"] == "explained"}
        self.all = lines[-1]

    def mine(self, fd):
        found = [o for o in self.files if (o["pid"], o["fd"]) == (os.getpid(), fd)]
        assert len(found) <= 1, found
        return found[0] if found else None


def ring():
    """A file descriptor of io_uring."""
    params = ctypes.create_string_buffer(120)
    fd = libc.syscall(IO_URING_SETUP, 4, params)
    if fd < 0:
        raise Skip("io_uring is not to be had")
    return fd


def test_harmless_files_are_none():
    harmless = [os.open(f"/dev/{name}", os.O_RDWR) for name in ("null", "zero", "urandom")]
    harmless += [os.memfd_create("x"), os.eventfd(0), os.open("/", os.O_RDONLY),
                 os.open(__file__, os.O_RDONLY), libc.epoll_create1(0)]
    harmless.append(os.open("/dev/vport0p1", os.O_PATH) if os.path.exists("/dev/vport0p1")
                    else os.open("/dev/null", os.O_PATH))
    h = Holders()
    for fd in harmless:
        assert h.mine(fd) is None, (fd, h.mine(fd))
        os.close(fd)
    assert h.all["harmless"] >= 5, h.all


def test_io_uring_is_found_with_its_process():
    fd = ring()
    other = os.dup(fd)
    h = Holders()
    o = h.mine(fd)
    assert (o["kind"], o["reach"], o["comm"]) == ("io_uring", PINS, "python3"), o
    # the memory map of the rings is made by the program; the copy of the descriptor counts
    assert o["places"] == 2 and h.mine(other) is None, o
    assert h.all["could_pin"]
    os.close(fd)
    os.close(other)


def test_file_that_is_mapped_and_closed_is_found():
    """The memory of an AIO context: io_setup() maps a file nobody has a descriptor of."""
    context = ctypes.c_ulong(0)
    assert libc.syscall(IO_SETUP, 8, ctypes.byref(context)) == 0
    h = Holders()
    mine = [o for o in h.files if o["pid"] == os.getpid() and o["fd"] == -1]
    assert [(o["kind"], o["reach"]) for o in mine] == [("direct-io", IN_FLIGHT)], mine
    libc.syscall(IO_DESTROY, context)
    assert not [o for o in Holders().files if (o["pid"], o["fd"]) == (os.getpid(), -1)]


def udmabuf(pages):
    """A dma-buf, and the memfd whose pages it has."""
    try:
        device = os.open("/dev/udmabuf", os.O_RDWR)
    except OSError as e:
        raise Skip("no udmabuf on this kernel") from e
    memfd = os.memfd_create("buffer", os.MFD_ALLOW_SEALING)
    os.ftruncate(memfd, pages * PAGE)
    fcntl.fcntl(memfd, 1033, 2)  # F_ADD_SEALS, F_SEAL_SHRINK
    fd = libc.ioctl(device, UDMABUF_CREATE, struct.pack("=IIQQ", memfd, 0, 0, pages * PAGE))
    assert fd >= 0, os.strerror(ctypes.get_errno())
    os.close(device)
    return fd, memfd


def test_dma_buf_is_found():
    fd, memfd = udmabuf(1)
    o = Holders().mine(fd)
    assert (o["kind"], o["reach"]) == ("dma-buf", PINS), o
    os.close(fd)
    os.close(memfd)


def test_device_of_a_driver_is_found_with_its_module():
    if not os.path.isdir(MODULES):
        raise Skip("no test drivers for this kernel")
    load("leaky")
    h = Holders()
    # loaded from elsewhere: there is no file in /lib/modules that could tell
    m = h.modules["leaky"]
    assert (m["unknown"], m["in_use"], m["reach"]) == (True, False, PINS), m
    fd = os.open("/dev/leaky", os.O_RDWR)
    h = Holders()
    o = h.mine(fd)
    wanted = ("character-device", PINS, "/dev/leaky", "leaky")
    assert (o["kind"], o["reach"], o["what"], o["module"]) == wanted, o
    assert o["rdev"] == (lambda d: os.major(d) << 20 | os.minor(d))(os.stat("/dev/leaky").st_rdev)
    assert h.modules["leaky"]["in_use"], h.modules["leaky"]
    os.close(fd)


def test_modules_are_judged_by_what_they_call():
    sh("modprobe rdma_rxe && modprobe snd_pcm", check=False)
    h = Holders()
    if "rdma_rxe" not in h.modules:
        raise Skip("no rdma_rxe on this kernel")
    for name in ("rdma_rxe", "ib_uverbs"):
        assert h.modules[name]["reach"] == PINS and not h.modules[name]["unknown"], h.modules
    # rdma_rxe calls ib_umem_get() of ib_uverbs, which pins
    assert h.modules["rdma_rxe"]["own"] < PINS and h.modules["ib_uverbs"]["own"] == PINS
    assert h.modules["overlay"]["reach"] == NOTHING, h.modules["overlay"]
    if "netfs" in h.modules:
        assert h.modules["netfs"]["reach"] <= IN_FLIGHT, h.modules["netfs"]


@contextlib.contextmanager
def spliced():
    """A page of ours in a pipe."""
    r, w = os.pipe()
    addr = map_memory(PAGE, MAP_PRIVATE | MAP_ANON)
    iov = struct.pack("QQ", addr, PAGE)
    assert libc.vmsplice(w, iov, 1, 0) == PAGE, os.strerror(ctypes.get_errno())
    yield addr, r, w
    for fd in (r, w):
        os.close(fd)


def explained(addr):
    pfn = frame(addr)
    o = Holders(pfn).explained[pfn]
    assert o["all"], o
    return o["refs"]


def test_pages_in_a_pipe_are_explained():
    with spliced() as (addr, r, w):
        assert explained(addr) == 1  # though a pipe has two ends
        r2, w2 = os.pipe()
        assert libc.tee(r, w2, PAGE, 0) == PAGE
        assert explained(addr) == 2
        os.read(r, PAGE)
        os.read(r2, PAGE)
        assert explained(addr) == 0
        os.close(r2)
        os.close(w2)


def test_pages_on_their_way_through_a_socket_are_explained():
    a, b = socket.socketpair()
    with spliced() as (addr, r, w):
        assert os.splice(r, a.fileno(), PAGE) == PAGE
        assert explained(addr) == 1
        b.recv(PAGE)
        assert explained(addr) == 0
    a.close()
    b.close()


def test_pages_that_tcp_has_not_sent_yet_are_explained():
    server = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(server.getsockname())
    peer, _ = server.accept()
    client.setsockopt(socket.SOL_SOCKET, 60, 1)  # SO_ZEROCOPY
    client.setblocking(False)
    size = 4 << 20
    addr = map_memory(size, MAP_PRIVATE | MAP_ANON, huge=False)
    view = memoryview((ctypes.c_char * size).from_address(addr))
    sent = 0
    with contextlib.suppress(BlockingIOError):
        while sent < size:
            sent += client.send(view[sent:sent + 65536], 0x4000000)  # MSG_ZEROCOPY
    assert 0 < sent < size, sent
    last = addr + (sent - 1) // PAGE * PAGE
    assert explained(last) >= 1
    for s in (client, peer, server):
        s.close()
    del view
    end = time.monotonic() + 10
    while explained(last) and time.monotonic() < end:  # what was on its way is dropped later
        time.sleep(0.1)
    assert explained(last) == 0


def test_files_on_their_way_to_another_process_are_counted():
    before = Holders().all
    assert before["inflight_known"]
    a, b = socket.socketpair()
    fd = os.open("/dev/null", os.O_RDWR)  # not every file can be sent: io_uring's cannot
    a.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
    os.close(fd)
    now = Holders().all
    assert now["inflight"] == before["inflight"] + 1 and now["could_pin"], now
    a.close()
    b.close()
    assert Holders().all["inflight"] == before["inflight"]


def register(fd, *buffers):
    iov = b"".join(struct.pack("QQ", addr, size) for addr, size in buffers)
    done = libc.syscall(IO_URING_REGISTER, fd, 0, iov, len(buffers))
    assert done == 0, os.strerror(ctypes.get_errno())


def assert_owned(fd, *frames, several=False):
    """All pins of the folios are told to be of this file of ours."""
    h = Holders(*frames)
    for p in places(*frames):
        o = h.explained[p["pfn"]]
        assert o["pins"] == p["pins"] > 0, (o, p)
        assert (o["pid"], o["several"]) == (os.getpid(), several), o
        assert several or o["fd"] == fd, o


def test_registered_buffers_of_io_uring_are_told_page_by_page():
    fd = ring()
    one = map_memory(16 * PAGE, MAP_PRIVATE | MAP_ANON, huge=False)
    two = map_memory(700 * PAGE, MAP_PRIVATE | MAP_ANON, huge=False)
    register(fd, (one, 16 * PAGE), (two, 700 * PAGE), (one + PAGE + 8, PAGE))
    assert_owned(fd, *[frame(one + at * PAGE) for at in range(16)])
    assert_owned(fd, *[frame(two + at * PAGE) for at in (0, 1, 254, 255, 256, 511, 512, 699)])
    pfn = frame(one + PAGE)
    assert places(pfn)[0]["pins"] == 2
    other = ring()
    register(other, (one, PAGE))
    assert_owned(fd, frame(one), several=True)
    os.close(other)
    os.close(fd)
    assert Holders(pfn).explained[pfn]["pins"] == 0


def test_registered_huge_page_has_the_pins_that_are_told():
    """One pin for all of it from 6.5 on, one for each page before."""
    addr, _, _ = huge_pages(2)
    if places(frame(addr))[0]["order"] != 9:
        raise Skip("no transparent huge page to be had")
    fd = ring()
    register(fd, (addr, 2 * HUGE))
    assert_owned(fd, frame(addr), frame(addr + HUGE))
    os.close(fd)


def test_pins_of_udmabuf_are_told():
    fd, memfd = udmabuf(8)
    addr = libc.mmap(None, 8 * PAGE, 3, 1, memfd, 0)
    frames = [ctypes.string_at(addr + at * PAGE, 1) and frame(addr + at * PAGE)
              for at in range(8)]
    assert_owned(fd, *frames)
    os.close(fd)
    assert Holders(frames[0]).explained[frames[0]]["pins"] == 0
    os.close(memfd)


def test_memory_of_af_xdp_is_told():
    try:
        s = socket.socket(44, socket.SOCK_RAW)
    except OSError as e:
        raise Skip("no AF_XDP on this kernel") from e
    size = 64 * PAGE
    addr = map_memory(size, MAP_PRIVATE | MAP_ANON, huge=False)
    s.setsockopt(283, 4, struct.pack("QQIIII", addr, size, PAGE, 0, 0, 0))  # XDP_UMEM_REG
    o = Holders().mine(s.fileno())
    assert (o["kind"], o["reach"]) == ("af_xdp", PINS), o
    assert_owned(s.fileno(), frame(addr), frame(addr + size - PAGE))
    s.close()


if __name__ == "__main__":
    run(tests_of(globals()))
