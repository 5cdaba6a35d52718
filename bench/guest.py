#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
What tracking costs: bench/cost starts this in its guests. Each line printed is a JSON object.

In a guest whose clock counts instructions a nanosecond is one; what `beside` is, a process of the
tracker did meanwhile, as a share of the time.
"""
import argparse
import ctypes
import json
import mmap
import os
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(1, os.path.join(ROOT, "tests/guest"))
import harness
import loads
import memory
from harness import sh, spawn

BUILT = os.path.join(ROOT, "build/bench")
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


# ---- trackers ---------------------------------------------------------------------------------

class Nothing:
    name, pid = "nothing", 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class Pinleak:
    """pinleak watch at a level, as people run it."""

    def __init__(self, level):
        self.name = level
        self.options = ["--track", "never"] if level == "counters" else [
            "--track", "always", "--level", level]

    def __enter__(self):
        self.watch = loads.watch(*self.options)
        self.watch.__enter__()
        self.pid = self.watch.process.pid
        return self

    def __exit__(self, *_):
        end(self.watch.process)


class Peer:
    """A program that follows each pin, and says when it does."""

    def __init__(self, name, command):
        self.name, self.command = name, command

    def __enter__(self):
        env = {**os.environ, "BPFTRACE_MAP_KEYS_MAX": "524288"}
        self.process = spawn(self.command, env=env, text=True, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT)
        said = ""
        for line in self.process.stdout:
            said += line
            if line == "ready\n":
                break
        else:
            raise AssertionError(f"{self.command} ended: {said}")
        self.pid = self.process.pid
        return self

    def __exit__(self, *_):
        end(self.process)


def end(process):
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=harness.LIMIT)
    harness.started.remove(process.pid)


# ---- loads ------------------------------------------------------------------------------------

def size_name(size):
    return f"{size // KIB} KiB" if size < MIB else f"{size // MIB} MiB" if size < GIB else "1 GiB"


class Reader:
    """bench/reads, which reads into the same memory whatever it is asked for."""

    def __init__(self):
        self.process = spawn([f"{BUILT}/reads"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             text=True)

    def ask(self, *words):
        print(*words, file=self.process.stdin, flush=True)
        return [float(word) for word in self.process.stdout.readline().split()]


class Reads:
    """
    Direct reads: so many of them are measured. Those of virtio_blk wait for qemu, which takes its
    time, so they have less memory to go round.
    """

    devices = {"null_blk": ("/dev/nullb0", 32 * MIB), "virtio_blk": ("/dev/vda", 8 * MIB)}

    def __init__(self, reader, driver, size, engine="psync", depth=1):
        self.name = f"{driver}: reads of {size_name(size)}, {engine}, depth {depth}"
        self.device, self.area = self.devices[driver]
        self.reader, self.how = reader, (engine, size, depth, COUNTS[size])

    def run(self, tracker, settle):
        *parts, beside = self.reader.ask(self.device, *self.how, settle, self.area, tracker.pid)
        return parts, beside


class Timed:
    """Calls of which each is timed as a whole; what the tracker does beside is taken off."""

    turns = 1
    operations = 1  # of a call

    def run(self, tracker, _settle):
        parts, beside, began = [], 0, time.perf_counter_ns()
        for turn in range(self.turns + 1):
            before, start = spent(tracker.pid), time.perf_counter_ns()
            self.call()
            took, theirs = time.perf_counter_ns() - start, spent(tracker.pid) - before
            self.undo()
            beside += theirs
            if turn:  # the first one is to settle
                parts.append((took - theirs) / self.operations)
        return parts, beside / (time.perf_counter_ns() - began)

    def undo(self):
        pass


def spent(pid):
    """Nanoseconds that a process was on a processor; 0 for none."""
    return int(harness.read(f"/proc/{pid}/schedstat").split()[0]) if pid else 0


class Ring(Timed):
    """A GiB as a fixed buffer of io_uring."""

    def __init__(self, kind, area):
        self.name = f"io_uring: registers 1 GiB, {kind} pages"
        self.area = area

    def call(self):
        self.held = memory.fixed_buffers(self.area)
        self.held.__enter__()

    def undo(self):
        self.held.__exit__(None, None, None)


class Region(Timed):
    """A memory region of rdma_rxe."""

    def __init__(self, size, area, operations=1):
        self.name = f"rdma_rxe: registers {size_name(size)}, small pages"
        self.size, self.area, self.operations = size, area, operations
        self.lib = loads.verbs()
        context = self.lib.ibv_open_device(
            ctypes.c_void_p.from_address(self.lib.ibv_get_device_list(None)))
        self.domain = ctypes.c_void_p(self.lib.ibv_alloc_pd(ctypes.c_void_p(context)))

    def call(self):
        self.regions = [self.register(n) for n in range(self.operations)]
        assert all(self.regions), os.strerror(ctypes.get_errno())

    def register(self, n):
        at = self.area.address + n * self.size
        return self.lib.ibv_reg_mr(self.domain, ctypes.c_void_p(at), ctypes.c_size_t(self.size), 7)

    def undo(self):
        for region in self.regions:
            self.lib.ibv_dereg_mr(ctypes.c_void_p(region))


class RemoteReads(Timed):
    """process_vm_readv() of a MiB of another process."""

    name, turns, operations = "process_vm_readv: reads of 1 MiB", 5, 20

    def __init__(self):
        there, self.here = memory.small(MIB // mmap.PAGESIZE), memory.small(MIB // mmap.PAGESIZE)
        self.pid = harness.child(signal.pause)
        self.remote = (ctypes.c_uint64 * 2)(there.address, MIB)
        self.local = (ctypes.c_uint64 * 2)(self.here.address, MIB)

    def call(self):
        for _ in range(self.operations):
            got = memory.libc.process_vm_readv(self.pid, self.local, 1, self.remote, 1, 0)
            assert got == MIB, os.strerror(ctypes.get_errno())


def prepare():
    sh("modprobe null_blk irqmode=0 gb=1 && modprobe virtio_blk")
    sh("modprobe crc32_generic && modprobe dummy && modprobe rdma_rxe && "
       f"ip link add dummy9 type dummy && ip addr add {loads.ADDRESS}/24 dev dummy9 && "
       "ip link set dummy9 up && rdma link add rxe9 type rxe netdev dummy9")


# ---- what is measured -------------------------------------------------------------------------

COUNTS = {4 * KIB: 5000, 64 * KIB: 1000, MIB: 100}


def goals(reader):
    """The loads that the goals are about."""
    small = memory.small(GIB // mmap.PAGESIZE)
    return [Reads(reader, "null_blk", 4 * KIB), Reads(reader, "null_blk", MIB),
            Ring("small", small), Region(GIB, small)]


def everything(reader):
    # Forks: before the large memory, which would be copied when it is pinned.
    remote = RemoteReads()
    small, huge = memory.small(GIB // mmap.PAGESIZE), memory.huge(GIB // memory.HUGE)
    some = [Reads(reader, driver, size, engine, depth) for driver in Reads.devices
            for size in COUNTS
            for engine, depth in (("psync", 1), ("io_uring", 1), ("io_uring", 32))]
    return [*some, remote, Ring("small", small), Ring("huge", huge), Region(GIB, small),
            Region(64 * KIB, small, 64)]


TRACKERS = {
    "nothing": Nothing,
    "counters": lambda: Pinleak("counters"),
    "light": lambda: Pinleak("light"),
    "deep": lambda: Pinleak("deep"),
    "bpftrace": lambda: Peer("bpftrace", ["bpftrace", "-B", "line", f"{ROOT}/bench/page.bt"]),
    "memleak": lambda: Peer("memleak", [f"{BUILT}/memleak"]),
}


def tell(**result):
    print(json.dumps(result), flush=True)


def measure(load, tracker, settle):
    parts, beside = load.run(tracker, settle)
    tell(type="cost", load=load.name, tracker=tracker.name, instructions=parts, beside=beside)


def attached():
    """Programs that hang on something, of the whole machine."""
    return len(json.loads(sh("PATH=$PATH:/usr/sbin bpftool -j link show")))


def tell_share(level, reader):
    """How much of a processor pinleak itself takes: over some seconds, most without a load."""
    with Pinleak(level) as tracker:
        links, busy = attached(), Reads(reader, "null_blk", 4 * KIB)
        for load, work in (("no load", lambda: time.sleep(20)),
                           ("4 KiB reads", lambda: busy.run(tracker, 3))):
            before, began = spent(tracker.pid), time.perf_counter_ns()
            work()
            tell(type="share", tracker=level, load=load, attached=links,
                 share=(spent(tracker.pid) - before) / (time.perf_counter_ns() - began))


def tell_times(level):
    """From the start to the first sample, or to tracking; and from SIGINT to the end."""
    tracker, began = Pinleak(level), time.time()
    with tracker:
        first = next(o for o in tracker.watch.objects
                     if o["type"] == ("sample" if level == "counters" else "state"))
        took, work, ended = harness.when(first) - began, spent(tracker.pid), time.perf_counter()
    tell(type="times", tracker=level, start_s=took, instructions=work,
         end_s=time.perf_counter() - ended)


def by_instructions(options):
    prepare()
    reader = Reader()
    some = (goals if options.goals else everything)(reader)
    for turn in range(options.rounds):
        for name in options.trackers[::-1 if turn % 2 else 1]:
            with TRACKERS[name]() as tracker:
                for load in some:
                    measure(load, tracker, options.settle)
    for level in ("counters",) if options.goals else ("counters", "light", "deep"):
        if level in options.trackers:
            tell_share(level, reader)
            tell_times(level)


# ---- by the clock on the wall -----------------------------------------------------------------

FIO = ("fio --name=cost --filename=/dev/nullb0 --direct=1 --rw=randread --numjobs=8 --thread "
       "--group_reporting --time_based --runtime=2 --ramp_time=1 --output-format=json")
FIO_LOADS = {
    "reads of 4 KiB, psync, 8 jobs": "--bs=4k --ioengine=psync",
    "reads of 4 KiB, io_uring, 8 jobs, depth 32": "--bs=4k --ioengine=io_uring --iodepth=32",
    "reads of 1 MiB, psync, 8 jobs": "--bs=1m --ioengine=psync",
}


def by_wall_clock(options):
    sh("modprobe null_blk irqmode=0 gb=1")
    for _ in range(options.rounds):
        for name in options.trackers:
            with TRACKERS[name]():
                for load, how in FIO_LOADS.items():
                    job, = json.loads(sh(f"{FIO} {how}"))["jobs"]
                    tell(type="wall", load=load, tracker=name, reads_a_second=job["read"]["iops"])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--goals", action="store_true")
    p.add_argument("--wall", action="store_true")
    p.add_argument("--rounds", type=int, default=1)
    p.add_argument("--settle", type=float, default=0)
    p.add_argument("--trackers", type=lambda s: s.split(","), default=list(TRACKERS))
    options = p.parse_args()
    by_wall_clock(options) if options.wall else by_instructions(options)


if __name__ == "__main__":
    main()
