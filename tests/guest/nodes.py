#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
A census knows where a page is: the node, the zone, and memory that is offline. Runs in a guest
with two nodes, movable zones, and memory that is plugged in by virtio_mem. In every comparison with the oracle the node and the zone are
those whose span, by /proc/zoneinfo, the page frame is in.
"""
import ctypes
import mmap
import os
import time

import memory
from compare import (agreed, assert_all_looked_at, assert_new, census, make_calm, once, oracle,
                     write)
from harness import ROOT, Skip, read, run, sh, tests_of
from memory import PAGE, Device, Memory, Pipe
from oracle import blocks, spans

MPOL_BIND = 2
PLUGGED = 512 << 20  # bytes; the virtio_mem device of tests/run


def small_on(node, pages):
    """Memory that the kernel was told to take from a node."""
    m = Memory(pages * PAGE, write=False)
    mask = ctypes.c_ulong(1 << node)
    memory.check(memory.libc.syscall(237, ctypes.c_void_p(m.address), ctypes.c_size_t(m.size),
                                     MPOL_BIND, ctypes.byref(mask), 64, 0), "mbind")
    return m.write()


def zone_of(pfn):
    return next(s.zone for s in spans() if pfn in s.frames)


def test_the_machine_is_as_this_suite_wants_it():
    assert {s.node for s in spans()} == {0, 1}, spans()
    assert "Movable" in {s.zone for s in spans()}, spans()
    assert agreed() == {}


def test_the_node_of_each_page_is_right():
    for node in (0, 1):
        before, m = oracle().pinned(), small_on(node, 200)
        with Device() as d:
            d.pin_all(m)
            assert_new(before, once(m.frames()), node=node)
            rows = {row["name"]: row["folios"] for row in census()["by_node"]["rows"]}
            assert rows == {f"node {node}": 200}, rows


def movable_page():
    """A page of ours in the movable zone, where the kernel puts them when there is room."""
    m = memory.small(64)
    for i, pfn in enumerate(m.frames()):
        if zone_of(pfn) == "Movable":
            return m, i
    raise AssertionError("no page of ours is in the movable zone")


def test_pages_pinned_for_long_are_moved_out_of_the_movable_zone_and_found_where_they_went():
    before, (m, i) = oracle().pinned(), movable_page()
    was = m.frames()[i]
    with Device() as d:
        d.pin_all(m)
        assert m.frames()[i] != was, "the kernel did not move it"
        assert_new(before, once(m.frames()))
        zones = {row["name"] for row in census()["by_zone"]["rows"]}
        assert zones and "Movable" not in zones, zones


def test_what_looks_pinned_in_the_movable_zone_is_shown_there():
    """No pin of ours stays in that zone; a thousand plain references do, and look like one."""
    before, (m, i) = oracle().pinned(), movable_page()
    with Pipe() as pipe:
        pipe.refer(m.address + i * PAGE, 1500)
        assert_new(before, once([m.frames()[i]]), zone="Movable")
        rows = {row["name"]: row["folios"] for row in census()["by_zone"]["rows"]}
        assert rows == {"Movable": 1}, rows


def offline_one():
    """Takes a memory block away. Not all can be emptied."""
    movable = [s.frames for s in spans() if s.zone == "Movable"]
    for block in blocks():
        if any(block.frames[0] in m and block.frames[-1] in m for m in movable):
            try:
                write(f"{block.path}/state", "offline")
            except OSError:
                continue
            return block
    raise Skip("no memory block can be taken offline")


def test_a_census_works_while_memory_is_offline():
    before, m = oracle().pinned(), memory.small(100)
    block = offline_one()
    try:
        with Device() as d:
            d.pin_all(m)
            assert not set(m.frames()) & set(block.frames)
            assert_new(before, once(m.frames()))
            assert_all_looked_at()
            assert read(f"{block.path}/state") == "offline"
    finally:
        write(f"{block.path}/state", "online_movable")
    assert agreed() == before


def dirty_free_memory(size):
    """Leaves behind what would be page structures with thousands of references."""
    m = Memory(size, align=memory.HUGE, write=False).advise(mmap.MADV_HUGEPAGE)
    dirt = (0x4000 << 32 | 16).to_bytes(8, "little") * (memory.HUGE // 8)
    for at in range(0, size, memory.HUGE):
        ctypes.memmove(m.address + at, dirt, memory.HUGE)
    m.unmap()


def plugged_in(had):
    """Bytes of new memory that is not online."""
    return sum(len(b.frames) for b in blocks()[had:] if b.state == "offline") * PAGE


def test_memory_that_is_plugged_in_but_not_online_is_passed_over():
    """The kernel sets its page structures up when it goes online, and not before."""
    before, had = agreed(), len(blocks())
    dirty_free_memory(1200 << 20)
    sh("modprobe virtio_mem")
    end = time.monotonic() + 120
    while plugged_in(had) < PLUGGED and time.monotonic() < end:  # blocks come one by one
        time.sleep(0.1)
    if not plugged_in(had):
        raise Skip("no memory was plugged in")
    assert agreed() == before
    assert assert_all_looked_at() < oracle().max_pfn
    assert census()["negative"]["folios"] == 0


if __name__ == "__main__":
    os.chdir(ROOT)
    make_calm()
    run(tests_of(globals()))
