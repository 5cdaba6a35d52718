# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
Innocent loads on drivers that nobody here wrote. A turn of each is a function; Loads runs several
of them side by side, and kills their processes in the middle, again and again.
"""
import contextlib
import ctypes
import fcntl
import glob
import json
import mmap
import os
import random
import select
import signal
import socket
import struct
import subprocess
import time

import memory
import storm
from harness import Watch, child, done, drive, load, read, sh, when
from memory import PAGE, check, libc

MIB = 1 << 20
DEPTH = 64  # requests in flight
REQUEST = 64 << 10  # bytes of each
ADDRESS = "192.168.88.1"


def prepare():
    """Devices for all of the loads. rdma_rxe checks its packets with crc32, and does not say so."""
    sh("modprobe crc32_generic && modprobe dummy && modprobe rdma_rxe && "
       f"ip link add dummy9 type dummy && ip addr add {ADDRESS}/24 dev dummy9 && "
       "ip link set dummy9 up && ip link set lo up && rdma link add rxe9 type rxe netdev dummy9")
    sh("modprobe null_blk irqmode=2 completion_nsec=20000000 gb=1 && modprobe nvme")
    sh("modprobe vivid n_devs=1 node_types=0x1")  # a camera, nothing else
    sh("modprobe vfio_iommu_type1 allow_unsafe_interrupts=1 && modprobe vfio-pci ids=1234:11e8")
    load("second")


# ---- RDMA -------------------------------------------------------------------------------------

def perftest():
    """ib_write_bw with itself; moves data for two seconds."""
    port = str(random.randrange(20000, 60000))
    # A timeout of 4 s for each packet: under emulation, an answer may take long.
    command = ["ib_write_bw", "-d", "rxe9", "-F", "-s", str(MIB), "-u", "20", "-D", "2", "-p", port]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while port not in sh(f"ss -Hltn sport = {port}"):
        assert server.poll() is None, "the server ended early"
        time.sleep(0.1)
    subprocess.run([*command, ADDRESS], stdout=subprocess.DEVNULL, check=True)
    assert server.wait() == 0


def verbs():
    lib = ctypes.CDLL("libibverbs.so.1")
    for name in ("get_device_list", "open_device", "alloc_pd", "reg_mr"):
        getattr(lib, f"ibv_{name}").restype = ctypes.c_void_p
    return lib


def regions():
    """Memory regions that come and go; the exit takes the last one back."""
    lib = verbs()
    devices = lib.ibv_get_device_list(None)
    context = lib.ibv_open_device(ctypes.c_void_p.from_address(devices))
    domain = ctypes.c_void_p(lib.ibv_alloc_pd(ctypes.c_void_p(context)))
    m = memory.small(2048)
    for turn in range(5):
        region = lib.ibv_reg_mr(domain, ctypes.c_void_p(m.address), ctypes.c_size_t(m.size), 7)
        assert region, os.strerror(ctypes.get_errno())
        if turn < 4:
            lib.ibv_dereg_mr(ctypes.c_void_p(region))


# ---- registered buffers -----------------------------------------------------------------------

def rings(m):
    for _ in range(4):
        with memory.fixed_buffers(m):
            time.sleep(0.05)


def ring_of_small_pages():
    rings(memory.small(4096))


def ring_of_huge_pages():
    """Linux 6.12 pins all of them, then coalesces: one pin a huge page stays."""
    rings(memory.huge(8))


def ring_that_is_left():
    """The kernel releases it from a worker, after the exit."""
    with memory.fixed_buffers(memory.small(1024)):
        os._exit(0)


def packets():
    """The memory of an AF_XDP socket; it is released by a worker after the close."""
    for _ in range(4):
        m = memory.small(4096)
        with socket.socket(44, socket.SOCK_RAW, 0) as s:  # AF_XDP
            # SOL_XDP, XDP_UMEM_REG; chunks of 4 KiB without headroom
            s.setsockopt(283, 4, struct.pack("QQIIII", m.address, m.size, PAGE, 0, 0, 0))
        m.unmap()


def dma_buffers():
    fd = os.memfd_create("load", 2)  # MFD_ALLOW_SEALING
    os.ftruncate(fd, 16 * MIB)
    memory.Memory(16 * MIB, mmap.MAP_SHARED, fd)
    for _ in range(4):
        with memory.udmabuf(fd, 16 * MIB):
            time.sleep(0.05)
    os.close(fd)


def camera():
    """Frames into memory of the program, which stays pinned from one frame to the next."""
    subprocess.run(["v4l2-ctl", "--stream-user=4", "--stream-count=20"], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def guest_memory():
    """What qemu does with a device that is passed through: all memory of the guest, pinned."""
    device, = [os.path.dirname(p) for p in glob.glob("/sys/bus/pci/devices/*/device")
               if read(p) == "0x11e8"]
    group = os.path.basename(os.readlink(os.path.join(device, "iommu_group")))
    container = os.open("/dev/vfio/vfio", os.O_RDWR)
    fd = os.open(f"/dev/vfio/{group}", os.O_RDWR)
    fcntl.ioctl(fd, 0x3b68, struct.pack("i", container))  # VFIO_GROUP_SET_CONTAINER
    fcntl.ioctl(container, 0x3b66, 3)  # VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU
    m = memory.small(16384)
    fcntl.ioctl(container, 0x3b71, struct.pack("IIQQQ", 32, 3, m.address, 0, m.size))  # MAP_DMA
    time.sleep(0.3)
    fcntl.ioctl(container, 0x3b72, struct.pack("IIQQ", 24, 0, 0, m.size))  # UNMAP_DMA
    os.close(fd)
    os.close(container)


# ---- input and output -------------------------------------------------------------------------

class Queue:
    """Linux's asynchronous reads, DEPTH of them in flight."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
        self.memory = memory.small(DEPTH * REQUEST // PAGE)
        self.context = ctypes.c_ulong(0)
        check(libc.syscall(206, DEPTH, ctypes.byref(self.context)), "io_setup")
        self.requests = [self.request(n) for n in range(DEPTH)]
        self.events = (ctypes.c_uint64 * (4 * DEPTH))()

    def request(self, n):
        at = random.randrange(512) * REQUEST
        return ctypes.create_string_buffer(struct.pack(
            "QIIHhIQQqQII", n, 0, 0, 0, 0, self.fd, self.memory.address + n * REQUEST, REQUEST,
            at, 0, 0, 0), 64)

    def submit(self, numbers):
        some = (ctypes.c_void_p * len(numbers))(
            *(ctypes.addressof(self.requests[n]) for n in numbers))
        sent = check(libc.syscall(209, self.context, len(numbers), some), "io_submit")
        assert sent == len(numbers), sent

    def wait(self, least):
        got = check(libc.syscall(208, self.context, least, DEPTH, self.events, None),
                    "io_getevents")
        for i in range(got):
            assert self.events[4 * i + 2] == REQUEST, self.events[4 * i + 2]
        return [self.events[4 * i] for i in range(got)]


def read_deep(path):
    q = Queue(path)
    end = time.monotonic() + 2
    q.submit(range(DEPTH))
    while time.monotonic() < end:
        q.submit(q.wait(1))
    q.wait(DEPTH)


def direct_null():
    read_deep("/dev/nullb0")


def direct_nvme():
    read_deep("/dev/nvme0n1")


# ---- processes --------------------------------------------------------------------------------

def remote_reads():
    there, here = memory.small(1024), memory.small(1024)
    pid = os.fork()
    if not pid:
        signal.pause()
    local = (ctypes.c_uint64 * 2)(here.address, here.size)
    remote = (ctypes.c_uint64 * 2)(there.address, there.size)
    for _ in range(50):
        assert libc.process_vm_readv(pid, local, 1, remote, 1, 0) == there.size
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def forks():
    for _ in range(20):
        storm.forking()


def second_driver():
    """A driver that shares all its code with one that leaks, and does not."""
    drive("--device", "/dev/second", "--pages", 300, "--times", 4, "use")
    drive("--device", "/dev/second", "--pages", 300, "hold", "unregister", "hold")
    drive("--device", "/dev/second", "--pages", 300, "async:500")


LOADS = [perftest, regions, guest_memory, packets, ring_of_small_pages, ring_of_huge_pages,
         ring_that_is_left, dma_buffers, camera, direct_null, direct_nvme, remote_reads,
         storm.peeking, forks, second_driver]


def here():
    """The loads that this kernel has drivers for."""
    return [w for w in LOADS if w is not dma_buffers or os.path.exists("/dev/udmabuf")]


def pins(work):
    """Whether the kernel pins for it: before 6.12, direct I/O takes plain references."""
    old = not sh("grep -w try_grab_folio_fast /proc/kallsyms", check=False)
    return work is not forks and not (old and work in (direct_null, direct_nvme))


# ---- side by side -----------------------------------------------------------------------------

def forever(work):
    os.setpgid(0, 0)
    while True:
        done(child(work))


def group(work, *args):
    pid = child(work, *args)
    with contextlib.suppress(PermissionError):  # the child was faster
        os.setpgid(pid, pid)
    return pid


def kill_all(pid):
    """All processes of the group; True when its leader had not ended before."""
    os.killpg(pid, signal.SIGKILL)
    killed = os.waitpid(pid, 0)[1] == signal.SIGKILL
    with contextlib.suppress(ChildProcessError):  # until all of them are gone, devices closed
        while True:
            os.waitpid(-1, 0)
    return killed


def is_set(stop, seconds=0):
    return bool(select.select([stop], [], [], seconds)[0])


def kill_in_the_middle(work, stop):
    """Runs it for a while, or until it is to stop, and kills all of its processes."""
    pid = group(forever, work)
    is_set(stop, random.uniform(0.3, 3))
    assert kill_all(pid), "it ended before"


def run_once(work):
    os.setpgid(0, 0)
    work()


def run_to_its_end(work, stop, at_any_rate):
    """True when it did; it is killed when it is to stop, unless it is wanted at any rate."""
    pid = group(run_once, work)
    while at_any_rate or not is_set(stop, 0.02):
        ended, status = os.waitpid(pid, 0 if at_any_rate else os.WNOHANG)
        if ended:
            assert status == 0, f"it failed: {status}"
            return True
    kill_all(pid)
    return False


def at_work(work, stop, into):
    """A turn that is killed and one that is not, again and again; one of each at least."""
    libc.prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    turns = 0
    while not turns or not is_set(stop):
        kill_in_the_middle(work, stop)
        turns += run_to_its_end(work, stop, not turns)
    os.write(into, f"{work.__name__}={turns} ".encode())


class Loads:
    """They run while the context lasts; when it ends, each must have done its work."""

    def __init__(self, works):
        self.works = works

    def __enter__(self):
        self.out, into = os.pipe()
        self.stop_out, self.stop = os.pipe()
        self.pids = [child(at_work, work, self.stop_out, into) for work in self.works]
        os.close(into)
        return self

    def __exit__(self, kind, *_):
        os.write(self.stop, b".")
        failed = [w.__name__ for w, pid in zip(self.works, self.pids) if os.waitpid(pid, 0)[1]]
        self.turns = os.read(self.out, 65536).decode().strip()
        for fd in (self.out, self.stop_out, self.stop):
            os.close(fd)
        if not kind:
            assert not failed, f"failed: {failed}"


# ---- the score card ---------------------------------------------------------------------------

def watch(*args):
    """As people run it: with the times that are pinleak's own."""
    return Watch(*args, grace=None, interval=None, settle=None)


def story(w, since):
    """What a watch said and did, by the second."""
    tell = {"suspicion": lambda o: f"+{o['pins']} pins in {o['span_s']:.0f} s",
            "state": lambda o: f"{o['from']} -> {o['to']}: {o['reason']}",
            "verdict": lambda o: f"{o['driver']['name']}, {o['evidence']}, {o['pins']} pins"}
    for o in w.objects:
        if o["type"] in tell:
            print(f"# {when(o) - since:+.1f} s {o['type']}: {tell[o['type']](o)}", flush=True)


def score(w, load_name, rate=0, since=None, guilty=(), **more):
    """One line for tests/battery: what a watch that has ended made of a leak since a time."""
    def after(kind):
        times = [when(o) - since for o in w.of(kind)] if since else []
        return round(times[0], 1) if times else None

    if since:
        story(w, since)
    accused = {o["driver"]["name"] for o in w.of("verdict")}
    result = {"type": "battery", "kernel": os.uname().release, "load": load_name,
              "leak": guilty[0] if guilty else None, "rate_pages_per_s": rate,
              "suspected_s": after("suspicion"), "verdict_s": after("verdict"),
              "right": accused == set(guilty) and w.status == (1 if guilty else 0),
              "accused_innocent": len(accused - set(guilty)), "options": w.options, **more}
    print("# battery", json.dumps(result), flush=True)
    return result
