#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
What a leak means for the machine: where the lost memory lies, how fast it goes, how long the rest
lasts, what it costs, how grave it is. Each against what the test reads or does itself. Runs in a
guest with two nodes and movable zones.
"""
import collections
import contextlib
import ctypes
import json
import mmap
import os
import random
import subprocess
import sys
import tempfile
import time

import memory
from harness import (LIMIT, PINLEAK, Skip, Watch, drive, leaked, load, read, run, sh, spawn,
                     tests_of, validate)
from memory import CLOSE, PAGE, Device, Memory
from oracle import spans

GET_LEAK = 13
MPOL_BIND = 2


def small_on(node, pages):
    """Memory that the kernel was told to take from a node."""
    m = Memory(pages * PAGE, write=False)
    m.advise(mmap.MADV_NOHUGEPAGE)
    mask = ctypes.c_ulong(1 << node)
    memory.check(memory.libc.syscall(237, ctypes.c_void_p(m.address), ctypes.c_size_t(m.size),
                                     MPOL_BIND, ctypes.byref(mask), 64, 0), "mbind")
    return m.write()


def places(frames):
    """Bytes by node, and those in a movable zone."""
    zones = spans()
    found = [next(s for s in zones if f in s.frames) for f in frames]
    nodes = collections.Counter(s.node for s in found)
    return ([{"node": n, "bytes": c * PAGE} for n, c in sorted(nodes.items())],
            sum(s.zone == "Movable" for s in found) * PAGE)


def watch(**options):
    """Deep: a pin that is moved out of a movable zone first is counted twice, and light sees one."""
    return Watch("--track", "always", "--level", "deep", **options)


def figures(path):
    """The numbers of a file of /proc with a key in each line."""
    lines = (line.replace(":", " ").split() for line in read(path).splitlines())
    return {line[0]: int(line[1]) for line in lines}


# ---- where it lies --------------------------------------------------------------------------

def test_the_bytes_are_told_by_the_nodes_their_frames_are_on():
    load("leaky")
    buffers = [small_on(0, 100), small_on(1, 60)]
    with watch() as w:
        with Device() as d:
            for m in buffers:
                d.pin_all(m, CLOSE)
        nodes, movable = places(f for m in buffers for f in m.frames())
        v = w.verdict(evidence="abandoned", pins=160)
        w.stop()
    assert sorted(v["nodes"], key=lambda n: n["node"]) == nodes, (v["nodes"], nodes)
    assert [n["bytes"] for n in nodes] == [100 * PAGE, 60 * PAGE], nodes
    assert v["unplaced_bytes"] == 0, v
    assert v["must_move_bytes"] == movable == 0, "FOLL_LONGTERM moves pages out of movable zones"


def leak_references(path):
    """In a process of its own: plain references stay in a movable zone. Writes where they are."""
    m = memory.small(64)
    with Device() as d:
        d.pin_all(m, GET_LEAK)
    with open(path, "w", encoding="ascii") as f:
        json.dump(places(m.frames()), f)


def test_bytes_in_a_movable_zone_are_told():
    load("leaky")
    place, report = tempfile.mktemp(), tempfile.mktemp()
    r = subprocess.run([PINLEAK, "run", "--references", "--grace", "1s", "--json", "--output",
                        report, "--", sys.executable, __file__, "--leak-references", place],
                       capture_output=True, text=True, check=False)
    assert r.returncode == 99, (r.returncode, r.stderr)
    with open(report, encoding="utf-8") as f:
        objects = [json.loads(line) for line in f]
    validate(objects)
    nodes, movable = json.loads(read(place))
    v = [o for o in objects if o["type"] == "verdict"][-1]
    assert v["references"] == 64 and v["unplaced_bytes"] == 0, v
    assert movable > 0, "the kernel took no page from a movable zone"
    assert v["must_move_bytes"] == movable, (v["must_move_bytes"], movable)
    assert sorted(v["nodes"], key=lambda n: n["node"]) == nodes, (v["nodes"], nodes)


# ---- rate and time left -----------------------------------------------------------------------

def test_the_rate_of_a_random_leak_lies_in_its_interval_and_memory_lasts_as_long():
    """Four calls a second in the mean, 4 pages each. Nine of ten such intervals hold the rate."""
    load("leaky")
    chance, before, end = random.Random(729), leaked(), 40
    with watch(interval="500ms") as w:
        began, due = time.monotonic(), 0
        while due < end:
            due += chance.expovariate(4)
            time.sleep(max(0, began + due - time.monotonic()))
            drive("--pages", 16, "keep-one:4")
            w.poll()
        rate = (leaked() - before) * PAGE / (time.monotonic() - began)
        w.until_seen(2)
        available = figures("/proc/meminfo")["MemAvailable"] * 1024
        w.stop()
    v = w.of("verdict")[-1]
    low, high = v["rate_interval_bytes_per_s"]
    # One interval in ten may miss it by a little.
    assert low / 1.2 < rate < high * 1.2 and high / low < 3, (low, rate, high)
    assert abs(v["rate_bytes_per_s"] / rate - 1) < 0.25, (v["rate_bytes_per_s"], rate)
    soon, late = v["exhaustion_interval_s"]
    assert soon < v["exhaustion_s"] < late, v
    assert abs(v["exhaustion_s"] * v["rate_bytes_per_s"] / available - 1) < 0.1, (v, available)
    first = w.of("verdict")[0]
    assert first["rate_bytes_per_s"] is None and first["rate_interval_bytes_per_s"] is None
    assert first["exhaustion_s"] is None and first["exhaustion_interval_s"] is None


# ---- what it costs ----------------------------------------------------------------------------

def psi():
    """{"some": (avg10, us), "full": ...}, or None when the kernel does not tell."""
    try:
        lines = [line.split() for line in read("/proc/pressure/memory").splitlines()]
    except OSError:
        return None
    return {line[0]: (float(line[1].split("=")[1]), int(line[4].split("=")[1])) for line in lines}


def counted():
    stat = figures("/proc/vmstat")
    found = {name: stat[key] for name, key in (("compact_stalls", "compact_stall"),
                                               ("compact_fails", "compact_fail"),
                                               ("compact_successes", "compact_success"))}
    found["alloc_stalls"] = sum(n for key, n in stat.items() if key.startswith("allocstall_"))
    if psi():
        found |= {f"{kind}_us": psi()[kind][1] for kind in ("some", "full")}
    return found


def squeeze():
    """Leaves little memory and asks for huge pages: the kernel has to free and to compact."""
    rest = Memory(figures("/proc/meminfo")["MemAvailable"] * 1024 - (96 << 20))
    with open("/proc/sys/vm/nr_hugepages", "r+", encoding="ascii") as f:
        f.write("64")
        f.flush()
        f.seek(0)
        f.write("0")
    rest.unmap()


def test_the_pressure_is_what_the_kernel_tells_since_the_watch_began():
    before = counted()
    with Watch() as w:
        after_start = counted()
        squeeze()
        locked = Memory(64 << 20)
        memory.check(memory.libc.mlock(ctypes.c_void_p(locked.address),
                                       ctypes.c_size_t(locked.size)), "mlock")
        before_end = counted()
        time.sleep(0.5)
        unevictable = figures("/proc/meminfo")["Unevictable"] * 1024
        w.stop()
    after, p = counted(), w.summary["pressure"]
    for name, n in after.items():
        assert before_end[name] - after_start[name] <= p[name] <= n - before[name], (name, p)
    assert p["compact_stalls"] + p["alloc_stalls"] > 0, "nothing moved: the test shows nothing"
    assert (p["some_avg10"] is None) == (psi() is None), p
    assert abs(p["unevictable_bytes"] - unevictable) < 1 << 20, (p, unevictable)
    assert p["unevictable_bytes"] >= 64 << 20, p
    info = figures("/proc/meminfo")
    assert p["cma_total_bytes"] == info.get("CmaTotal", 0) * 1024, p
    managed = [part for part in read("/proc/zoneinfo").split("Node ") if "Movable" in part[:20]]
    pages = sum(int(part.split("managed")[1].split()[0]) for part in managed)
    assert p["movable_zone_bytes"] == pages * PAGE > 0, (p, pages)
    locked.unmap()


def test_a_kernel_that_does_not_tell_of_pressure_is_said_not_to():
    sh("mount --bind /dev/null /proc/pressure/memory")
    try:
        with Watch() as w:
            w.stop()
    finally:
        sh("umount /proc/pressure/memory")
    p = w.summary["pressure"]
    assert [p[k] for k in ("some_us", "full_us", "some_avg10", "full_avg10")] == 4 * [None], p
    assert p["compact_stalls"] is not None, p


# ---- how grave it is --------------------------------------------------------------------------

def test_a_tenth_of_the_memory_is_critical_and_a_little_that_rests_is_info():
    load("leaky")
    total = figures("/proc/meminfo")["MemTotal"] * 1024
    with watch(settle="3s") as w:
        drive("--pages", 10, "close")
        v = w.verdict(pins=10)
        assert v["severity"] == "warning" and not v["at_rest"], v
        w.until_seen(5)
        w.stop()
        v = w.of("verdict")[-1]
        assert v["severity"] == "info" and v["at_rest"] and v["update"], v
        assert abs(v["memory_share"] / (10 * PAGE / total) - 1) < 0.01, v
        assert w.summary["leaks"][0]["severity"] == "info", w.summary
    with watch() as w:
        pages = total // 10 // PAGE + 1
        drive("--pages", pages, "close")
        v = w.verdict(evidence="orphaned")
        w.stop()
        assert v["pins"] == pages and v["severity"] == "critical", v
        assert abs(v["memory_share"] - 0.1) < 0.001, v
        assert w.summary["leaks"][0]["severity"] == "critical", w.summary


def test_what_a_holder_keeps_is_told_in_bytes():
    load("leaky")
    total = figures("/proc/meminfo")["MemTotal"] * 1024
    with watch() as w:
        p = drive("--pages", 64, "--times", 2000, "--every", 200, "hold", wait=False)
        h = w.until(lambda o: o["type"] == "held", "held")
        with contextlib.suppress(ProcessLookupError):
            p.kill()
        p.wait()
        w.stop()
    assert h["bytes"] == 64 * PAGE < h["pins"] * PAGE, "the same buffer, again and again"
    assert abs(h["memory_share"] / (h["bytes"] / total) - 1) < 0.01, h


# ---- limits that were hit ---------------------------------------------------------------------

LIMITED = """
import ctypes, errno, mmap, os, resource, socket, struct, sys
sys.path.insert(0, "tests/guest")
import memory
resource.setrlimit(resource.RLIMIT_MEMLOCK, (4 << 20, 4 << 20))

def register(size):
    m = memory.small(size // 4096)
    ring = memory.check(memory.libc.syscall(425, 2, ctypes.create_string_buffer(120)), "setup")
    vector = (ctypes.c_uint64 * 2)(m.address, m.size)
    return memory.libc.syscall(427, ring, 0, vector, 1)

def umem(size):
    m = memory.small(size // 4096)
    s = socket.socket(44, socket.SOCK_RAW, 0)
    s.setsockopt(283, 4, struct.pack("QQIIII", m.address, m.size, 4096, 0, 0, 0))
"""

RING = LIMITED + """
assert register(3 << 20) == 0
assert register(2 << 20) == -1 and ctypes.get_errno() == errno.ENOMEM, ctypes.get_errno()
"""

UMEM = LIMITED + """
try:
    umem(5 << 20)
except OSError as e:
    assert e.errno == errno.ENOBUFS, e
else:
    raise AssertionError("the limit was not hit")
"""

REGION = LIMITED + """
verbs = ctypes.CDLL("libibverbs.so.1", use_errno=True)
for name in ("get_device_list", "open_device", "alloc_pd", "reg_mr"):
    getattr(verbs, "ibv_" + name).restype = ctypes.c_void_p

def region(size):
    m = memory.small(size // 4096)
    return verbs.ibv_reg_mr(ctypes.c_void_p(domain), ctypes.c_void_p(m.address),
                            ctypes.c_size_t(m.size), 1)

devices = ctypes.cast(verbs.ibv_get_device_list(None), ctypes.POINTER(ctypes.c_void_p))
context = verbs.ibv_open_device(ctypes.c_void_p(devices[0]))
domain = verbs.ibv_alloc_pd(ctypes.c_void_p(context))
assert context and domain
assert region(3 << 20)
assert not region(2 << 20) and ctypes.get_errno() == errno.ENOMEM, ctypes.get_errno()
"""

UNLIKELY = LIMITED + """
try:
    os.write(os.open("/dev/full", os.O_WRONLY), b"x")
except OSError as e:
    assert e.errno == errno.ENOSPC, e
"""


def limited(program, *capabilities):
    """As nobody, who has these capabilities; returns its number."""
    caps = "-all" + "".join(f",+{c}" for c in capabilities)
    p = spawn(["setpriv", "--reuid=65534", "--clear-groups", f"--inh-caps={caps}",
               f"--ambient-caps={caps}", sys.executable, "-c", program],
              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    out = p.communicate(timeout=LIMIT)[0]
    assert p.returncode == 0, out
    return p.pid


def assert_limit(hit, pid, error, used, taken, driver, certain=True):
    assert hit["limit"] == "RLIMIT_MEMLOCK" and hit["value"] == 4 << 20, hit
    assert hit["errno"] == error and hit["certain"] == certain and hit["count"] == 1, hit
    assert hit["used"] == used and hit["taken_bytes"] == taken, hit
    assert hit["process"]["pid"] == pid and hit["driver"] == driver, hit


def test_the_limit_that_io_uring_hits_is_named_with_what_is_used_of_it():
    for level in ("light", "deep"):
        with Watch("--track", "always", "--level", level) as w:
            pid = limited(RING)
            hit = w.until(lambda o: o["type"] == "limit", "the limit")
            w.stop()
            assert_limit(hit, pid, "ENOMEM", 3 << 20, 2 << 20, "io_uring")
            assert len(w.of("limit")) == 1 and not w.of("verdict"), w.objects[-3:]
            assert w.status == 0, w.status


def test_the_limit_that_af_xdp_hits_is_named():
    with Watch("--track", "always") as w:
        pid = limited(UMEM, "net_raw")
        hit = w.until(lambda o: o["type"] == "limit", "the limit")
        w.stop()
    assert_limit(hit, pid, "ENOBUFS", 0, 0, "af_xdp")


def test_the_limit_that_rdma_hits_is_likely_and_the_device_is_named():
    if not sh("modprobe crc32_generic; modprobe rdma_rxe && echo yes", check=False):
        raise Skip("no rdma_rxe on this kernel")
    sh("ip link add dummy9 type dummy; ip link set dummy9 up; "
       "rdma link add rxe9 type rxe netdev dummy9; chmod 666 /dev/infiniband/uverbs0")
    with Watch("--track", "always") as w:
        pid = limited(REGION)
        hit = w.until(lambda o: o["type"] == "limit", "the limit")
        w.stop()
    assert_limit(hit, pid, "ENOMEM", 3 << 20, 0, hit["driver"], certain=False)
    assert hit["device"] == "/dev/infiniband/uverbs0", hit


def test_who_may_lock_as_much_as_he_likes_hits_no_limit_nor_does_a_full_device():
    with Watch("--track", "always") as w:
        limited(UNLIKELY)
        with contextlib.suppress(AssertionError):
            limited(RING, "ipc_lock")
        w.until_seen(1)
        w.stop()
    assert not w.of("limit"), w.of("limit")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--leak-references"]:
        leak_references(sys.argv[2])
    else:
        run(tests_of(globals()))
