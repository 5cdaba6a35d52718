#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
What tracking costs, in a guest whose clock counts instructions: bench/cost starts this there. Each
line printed is a JSON object: a load, under a tracker, with what one operation took.
"""
import ctypes
import json
import mmap
import os
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(1, os.path.join(ROOT, "tests/guest"))
import harness
import loads
import memory
from harness import sh, spawn

READS = os.path.join(ROOT, "build/bench/reads")
MIB, GIB = 1 << 20, 1 << 30


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


class Script:
    """A script of bpftrace's."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        path = os.path.join(ROOT, "bench", f"{self.name}.bt")
        env = {**os.environ, "BPFTRACE_MAP_KEYS_MAX": "524288"}
        self.process = spawn(["bpftrace", "-B", "line", path], env=env, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said = ""
        for line in self.process.stdout:
            said += line
            if line == "ready\n":
                break
        else:
            raise AssertionError(f"bpftrace ended: {said}")
        self.pid = self.process.pid
        return self

    def __exit__(self, *_):
        end(self.process)


def end(process):
    process.send_signal(2)
    process.communicate(timeout=harness.LIMIT)
    harness.started.remove(process.pid)


# ---- loads ------------------------------------------------------------------------------------

class Reads:
    """Direct reads: so many of them are measured."""

    def __init__(self, device, engine, size, depth, count):
        self.name = f"{device} {engine} {size >> 10} KiB depth {depth}"
        self.command = [READS, f"/dev/{device}", engine, size, depth, count]

    def run(self, tracker, settle):
        out = sh(" ".join(map(str, [*self.command, settle, tracker.pid])))
        *parts, beside = map(float, out.split())
        return parts, beside


class Timed:
    """Calls that take their time in one piece; what the tracker does beside is taken off."""

    turns = 3

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

    operations = 1

    def undo(self):
        pass


def spent(pid):
    """Nanoseconds that a process was on a processor; 0 for none."""
    return int(harness.read(f"/proc/{pid}/schedstat").split()[0]) if pid else 0


class Ring(Timed):
    """A GiB as a fixed buffer of io_uring."""

    def __init__(self, kind, area):
        self.name = f"io_uring registers 1 GiB, {kind} pages"
        self.area = area

    def call(self):
        self.held = memory.fixed_buffers(self.area)
        self.held.__enter__()

    def undo(self):
        self.held.__exit__(None, None, None)


class Region(Timed):
    """A memory region of rdma_rxe."""

    def __init__(self, size, area, operations=1):
        self.name = f"rdma_rxe registers {size >> 10} KiB" if size < GIB else \
            "rdma_rxe registers 1 GiB, small pages"
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


def prepare():
    sh("modprobe null_blk irqmode=0 gb=1 && modprobe virtio_blk")
    sh("modprobe crc32_generic && modprobe dummy && modprobe rdma_rxe && "
       f"ip link add dummy9 type dummy && ip addr add {loads.ADDRESS}/24 dev dummy9 && "
       "ip link set dummy9 up && rdma link add rxe9 type rxe netdev dummy9")


# ---- what is measured -------------------------------------------------------------------------

def goals():
    """The loads that the goals are about."""
    small = memory.small(GIB // mmap.PAGESIZE)
    return [Reads("nullb0", "psync", 4096, 1, 10000), Reads("nullb0", "psync", MIB, 1, 200),
            Ring("small", small), Region(GIB, small)]


TRACKERS = {"nothing": Nothing, "light": lambda: Pinleak("light"), "deep": lambda: Pinleak("deep"),
            "page": lambda: Script("page")}


def measure(load, tracker, settle):
    parts, beside = load.run(tracker, settle)
    print(json.dumps({"load": load.name, "tracker": tracker.name, "instructions": parts,
                      "beside": beside}), flush=True)


def main():
    settle, names = float(sys.argv[1]), sys.argv[2:]
    prepare()
    some = goals()
    for name in names:
        with TRACKERS[name]() as tracker:
            for load in some:
                measure(load, tracker, settle)


if __name__ == "__main__":
    main()
