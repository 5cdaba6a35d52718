#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
A census is right, page for page: by what the test pinned itself, and by an oracle that reads the
same memory with other means (oracle.py). Runs in the guest, once a kernel.
"""
import contextlib
import ctypes
import glob
import json
import mmap
import os
import pty
import re
import subprocess
import tempfile
import threading

import memory
from compare import (agreed, assert_new, census, census_folios, heads, make_calm, once, oracle,
                       write)
from harness import (DRIVE, PINLEAK, ROOT, Skip, Watch, drive, load, man_examples, read, run,
                     run_example, sh, tests_of)
from memory import CLOSE, HOLD, KEEP_ONE, PAGE, Device, Memory, Pipe, hugetlb_pool

THP = "/sys/kernel/mm/transparent_hugepage"


def has_memfd_pins():
    return bool(sh("grep -w memfd_pin_folios /proc/kallsyms", check=False))


# ---- nothing, small pages -------------------------------------------------------------------

def test_nothing_pinned_makes_an_empty_census():
    """The first test: what others leak stays."""
    assert agreed() == {}
    o = census()
    assert o["pins"] == o["folios"] == o["bytes"] == 0 and o["outstanding"] == 0, o
    assert o["pages_looked_at"] + o["pages_absent"] == oracle().max_pfn, o
    assert sh(f"{PINLEAK} census").startswith("0 pins on 0 folios: 0 B")


def test_small_pages_are_found_while_they_are_held_and_not_afterwards():
    before, m = oracle().pinned(), memory.small(300)
    with Device() as d:
        d.pin_all(m)
        assert_new(before, once(m.frames()), anonymous=True, hugetlb=False)
        d.pin(HOLD, m.address, 10)
        twice = {pfn: (1, 2) for pfn in m.frames()[:10]}
        assert_new(before, {**once(m.frames()), **twice})
    assert_new(before, {})


def test_a_page_with_many_pins_shows_the_number():
    before, m = oracle().pinned(), memory.small(1)
    with Device() as d:
        for _ in range(700):
            d.pin_all(m)
        assert_new(before, {m.frames()[0]: (1, 700)})


def test_leaked_pages_are_found_when_their_process_is_gone():
    before = oracle().pinned()
    read_end, write_end = os.pipe()
    child = os.fork()
    if not child:
        m = memory.small(64)
        with Device() as d:
            d.pin_all(m, CLOSE)
        os.write(write_end, " ".join(map(str, m.frames())).encode())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    frames = list(map(int, os.read(read_end, 65536).split()))
    assert_new(before, once(frames), mappings=0, references=1024)
    unmapped = census()["unmapped"]
    assert unmapped["folios"] >= 64, unmapped


def test_shared_memory_is_found_and_is_not_anonymous():
    before, m = oracle().pinned(), memory.shared(50)
    with Device() as d:
        d.pin_all(m)
        assert_new(before, once(m.frames()), anonymous=False, hugetlb=False)


def test_the_sums_are_those_of_the_folios():
    m = memory.small(20)
    with Device() as d:
        d.pin_all(m)
        folios, o = agreed().values(), census()
    assert o["folios"] == len(folios) >= 20, o
    assert o["pins"] == sum(f.pins for f in folios), o
    assert o["bytes"] == sum(f.pages for f in folios) * PAGE, o
    assert o["unmapped"]["folios"] == sum(f.mappings == 0 for f in folios), o
    assert o["outstanding"] == o["pins"], o
    for table in ("by_size", "by_node", "by_zone"):
        assert sum(row["folios"] for row in o[table]["rows"]) == len(folios), o[table]


# ---- large folios ---------------------------------------------------------------------------

def test_a_transparent_huge_page_counts_once_with_all_its_pins():
    before, m = oracle().pinned(), memory.huge(2)
    frames = m.frames()
    with Device() as d:
        d.pin_all(m)
        expected = {**heads(frames[:512], 512, 512), **heads(frames[512:], 512, 512)}
        assert_new(before, expected, anonymous=True, hugetlb=False)


def test_one_page_of_a_huge_page_pins_all_of_it():
    before, m = oracle().pinned(), memory.huge(1)
    with Device() as d:
        d.pin(HOLD, m.address + 77 * PAGE, 1)
        assert_new(before, heads(m.frames(), 512, 1))


def test_a_leaked_huge_page_is_found_when_nothing_maps_it():
    before, m = oracle().pinned(), memory.huge(1)
    with Device() as d:
        d.pin(KEEP_ONE, m.address, 512, 5)
    expected = heads(m.frames(), 512, 5)
    m.unmap()
    assert_new(before, expected)


def test_hugetlb_pages_are_found_and_told_from_other_huge_pages():
    before = oracle().pinned()
    with hugetlb_pool(4):
        m = memory.hugetlb(2)
        frames = m.frames()
        with Device() as d:
            d.pin(HOLD, m.address, 700)
            expected = {**heads(frames[:512], 512, 512), **heads(frames[512:], 512, 188)}
            assert_new(before, expected, anonymous=True, hugetlb=True)
        m.unmap()


def test_shared_hugetlb_pages_are_found():
    before = oracle().pinned()
    with hugetlb_pool(2):
        m = memory.hugetlb(1, mmap.MAP_SHARED)
        with Device() as d:
            d.pin(HOLD, m.address, 3)
            assert_new(before, heads(m.frames(), 512, 3), anonymous=False, hugetlb=True)
        m.unmap()


def test_compound_pages_of_a_driver_are_found_in_every_order():
    """Also order 1, which the kernel gives to few; the memory is a packet socket's ring."""
    before, expected = oracle().pinned(), {}
    sh("modprobe af_packet", check=False)
    with Device() as d, contextlib.ExitStack() as keep:
        for order in range(1, 9):
            s, m = memory.packet_ring(order, 2)
            keep.enter_context(s)
            pages = 1 << order
            d.pin_all(m)
            d.pin(HOLD, m.address, 1)
            frames = m.frames()
            expected |= {**heads(frames[:pages], pages, pages + 1),
                         **heads(frames[pages:], pages, pages)}
            m.unmap()
        assert_new(before, expected, anonymous=False, hugetlb=False)


def orders_of(file):
    """The orders for which this kernel lets us switch large folios on, smaller than huge pages."""
    found = [o for o in range(1, 9) if os.path.exists(f"{THP}/hugepages-{4 << o}kB/{file}")]
    if not found:
        raise Skip("this kernel has small and huge folios only")
    return found


def folios_of(order, file, flags):
    """Memory of two folios of an order: no other size is allowed for as long as it is made."""
    size, before = PAGE << order, {}
    for path in glob.glob(f"{THP}/hugepages-*kB/{file}"):
        before[path] = re.search(r"\[(\w+)\]", read(path))[1]
        write(path, "always" if f"-{size >> 10}kB" in path else "never")
    try:
        return Memory(2 * size, flags, align=size)
    finally:
        for path, value in before.items():
            write(path, value)


def test_anonymous_folios_of_every_order_are_found():
    """Linux makes none of order 1."""
    before, expected = oracle().pinned(), {}
    with Device() as d:
        for order in orders_of("enabled"):
            m = folios_of(order, "enabled", mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            pages, frames = 1 << order, m.frames()
            d.pin(HOLD, m.address + PAGE, pages)
            expected |= {**heads(frames[:pages], pages, pages - 1),
                         **heads(frames[pages:], pages, 1)}
        assert_new(before, expected, anonymous=True, hugetlb=False)


def test_shared_folios_of_every_order_are_found():
    before, expected = oracle().pinned(), {}
    with Device() as d:
        for order in orders_of("shmem_enabled"):
            m = folios_of(order, "shmem_enabled", mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
            pages = 1 << order
            d.pin(HOLD, m.address, 1)
            expected |= heads(m.frames()[:pages], pages, 1)
        assert_new(before, expected, anonymous=False, hugetlb=False)


# ---- other users of pins --------------------------------------------------------------------

def test_fixed_buffers_of_io_uring_are_found():
    before, m = oracle().pinned(), memory.small(200)
    with memory.fixed_buffers(m):
        assert_new(before, once(m.frames()), anonymous=True)
    assert_new(before, {})


def test_a_huge_fixed_buffer_of_io_uring_is_found():
    """Linux 6.12 keeps one pin for all of it, 6.1 one a page."""
    before, m = oracle().pinned(), memory.huge(1)
    with memory.fixed_buffers(m):
        expected = heads(m.frames(), 512, 1 if has_memfd_pins() else 512)
        assert_new(before, expected, anonymous=True)


def test_a_memfd_pinned_as_a_dma_buf_is_found():
    if not has_memfd_pins():
        raise Skip("udmabuf takes plain references before Linux 6.11")
    before, size = oracle().pinned(), 100 * PAGE
    fd = os.memfd_create("frames", os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    m = Memory(size, mmap.MAP_SHARED, fd)
    with memory.udmabuf(fd, size):
        frames = m.frames()
        assert_new(before, once(frames), anonymous=False, mappings=1)
        m.unmap()
        assert_new(before, once(frames), anonymous=False, mappings=0)
    os.close(fd)


# ---- what is not pinned ---------------------------------------------------------------------

def keep_reading(source):
    """A process that pins and unpins memory without end, by process_vm_readv()."""
    child = os.fork()
    if child:
        return child
    here = memory.small(source.size // PAGE)
    local = (ctypes.c_uint64 * 2)(here.address, here.size)
    remote = (ctypes.c_uint64 * 2)(source.address, source.size)
    while memory.libc.process_vm_readv(os.getpid(), local, 1, remote, 1, 0) == source.size:
        pass
    os._exit(1)


def test_the_zero_page_is_never_pinned():
    m = Memory(256 * PAGE, write=False).advise(mmap.MADV_NOHUGEPAGE)
    ctypes.string_at(m.address, m.size)
    assert set(m.frames()) == {oracle().zero_pfn}, "it is not the zero page"
    reader = keep_reading(m)
    assert oracle().zero_pfn not in census_folios()
    assert os.waitpid(reader, os.WNOHANG) == (0, 0), "the reader has failed"
    os.kill(reader, 9)
    os.waitpid(reader, 0)


def test_a_page_mapped_more_than_a_thousand_times_is_not_pinned():
    """Each mapping is a reference, and counted as a mapping too: it is known not to be a pin."""
    before, many = oracle().pinned(), census()["many_references"]["folios"]
    fd = os.memfd_create("popular")
    os.ftruncate(fd, PAGE)
    maps = [Memory(PAGE, mmap.MAP_SHARED, fd) for _ in range(1100)]
    assert_new(before, {})
    assert census()["many_references"]["folios"] == many + 1
    with Device() as d:
        d.pin(HOLD, maps[0].address, 1)
        d.pin(HOLD, maps[9].address, 1)
        assert_new(before, {maps[0].frames()[0]: (1, 2)}, mappings=1100)
    for m in maps:
        m.unmap()
    os.close(fd)


def test_a_thousand_plain_references_to_a_small_page_look_like_a_pin():
    """
    A small page has one count for both, so that nobody can tell them apart, the kernel neither
    (folio_maybe_dma_pinned). 1,023 are no pin; a large folio has a count of its own.
    """
    before, m, large = oracle().pinned(), memory.small(1), memory.huge(1)
    with Pipe() as pipe:
        pipe.refer(m.address, 1023)
        pipe.refer(large.address, 1023)
        assert_new(before, {})
        pipe.refer(m.address, 1)
        assert_new(before, {m.frames()[0]: (1, 1)}, references=1025)
    with Pipe() as pipe:
        pipe.refer(large.address, 2000)
        assert_new(before, {})
    assert_new(before, {})


# ---- what people read -----------------------------------------------------------------------

TABLES = "driver site process object mapping cgroup size node zone".split()


def text(*args, status=0):
    """What a census prints, which must be UTF-8 in lines of less than 80 columns."""
    r = subprocess.run([PINLEAK, "census", "--grace", "0", *map(str, args)], capture_output=True,
                       check=False)
    out = r.stdout.decode("utf-8")
    assert r.returncode == status and not r.stderr, (r.returncode, out, r.stderr)
    wide = [line for line in out.splitlines() if len(line.encode()) >= 80]
    assert not wide, wide
    return out


def leak(pages):
    drive("--pages", pages, "close")


def test_long_names_fit_into_tables_and_keep_their_end():
    fd = os.memfd_create("é" * 100 + "-the-end")
    os.ftruncate(fd, 8 * PAGE)
    m = Memory(8 * PAGE, mmap.MAP_SHARED, fd)
    with Device() as d:
        d.pin_all(m)
        for table in TABLES:
            out = text("--by", table)
            assert f"  by {table}" in out, out
            if table in ("object", "mapping"):
                assert re.search(r"memfd \.\.\..*the-end$", out, re.M), out
        addresses = f"{os.getpid()} {m.address:x}-{m.address + m.size:x} memfd ..."
        assert addresses in text("--by", "mapping"), text("--by", "mapping")
        text()
    m.unmap()
    os.close(fd)


def test_tables_of_nothing_are_not_printed():
    load("leaky")
    leak(16)
    assert not census()["by_process"]["rows"], "somebody has pinned pages mapped"
    out = text()
    assert "by object" in out and "by process" not in out, out
    for table in "process", "mapping":
        out = text("--by", table)
        assert out.endswith(f"  nothing to show by {table}\n") and "unmovable" not in out, out


def test_what_is_leaked_is_told_with_its_error_and_its_numbers():
    load("leaky")
    leak(16)
    o = census()["second_look"]
    assert o["evidence"] == "orphaned", o
    out = text("--fail", status=1)
    assert "error 729 (0x2D9) ERROR_DRIVERS_LEAKING_LOCKED_PAGES\n" in out, out
    assert f"  evidence orphaned: {o['pinned']['pins']:,} pins on " in out, out
    assert "\n      module leaky\n" in out, out
    assert "mapped by no process" not in out, "told twice"
    with Device() as d:
        d.pin_all(memory.small(3))
        out = text("--fail")
        assert "error 729" not in out and "These could hold them" in out, out
        ours = f"{read('/proc/self/comm')} ({os.getpid()})"
        assert f"character-device /dev/leaky [leaky] of {ours}, fd " in out, out
    text("--fail", "--pid", os.getpid())  # only its own pages are looked at, and they are mapped


def test_a_process_that_is_not_there_is_wrong_usage_and_so_is_a_thread():
    r = subprocess.run([PINLEAK, "census", "--pid", "4000000"], capture_output=True, text=True)
    assert r.returncode == 2 and not r.stdout, r
    assert r.stderr.startswith("pinleak census: --pid 4000000: there is no such process\n"
                               "  error 87 ERROR_INVALID_PARAMETER"), r.stderr
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    r = subprocess.run([PINLEAK, "census", "--pid", str(thread.native_id)], capture_output=True,
                       text=True)
    done.set()
    thread.join()
    assert r.returncode == 2 and f": a thread of process {os.getpid()}\n" in r.stderr, r


def test_what_one_process_has_mapped_is_shown_alone():
    m = memory.small(5)
    with Device() as d:
        d.pin_all(m)
        out = text("--pid", os.getpid())
        assert out.startswith(f"5 pins on 5 folios of process {os.getpid()}: 20.0 KiB of "), out
        out = text("--pid", 1)
        assert out.startswith("0 pins on 0 folios of process 1:") and "by " not in out, out


def test_how_to_get_names_is_told_while_nobody_tracks():
    advice = "pinleak watch --track always"
    load("leaky")
    leak(16)
    for table in "driver", "site":
        assert advice in text("--by", table)
    assert advice in text() and advice not in text("--by", "object")
    with Watch("--track", "always", grace="300ms") as w:
        leak(24)
        w.verdict(pins=24)
        out = text("--fail", status=1)
        assert advice not in out and "  module leaky\n" in out, out
        lost = census()["second_look"]["pinned"]
        assert f"  evidence orphaned: {lost['pins']:,} pins on {lost['folios']:,} folios" in out, out


def in_a_terminal(**env):
    """What a census writes to a terminal: standard output and standard error."""
    ours, theirs = pty.openpty()
    env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm"} | env
    p = subprocess.Popen([PINLEAK, "census", "--grace", "0"], stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    out = b""
    with contextlib.suppress(OSError):  # the other end has gone
        while chunk := os.read(ours, 65536):
            out += chunk
    os.close(ours)
    assert p.wait() == 0, out
    return out.decode()


def test_colours_are_for_terminals_that_want_them():
    load("leaky")
    leak(16)
    assert "\x1b[1;31merror 729 (0x2D9)" in in_a_terminal()
    for plain in {"NO_COLOR": "1"}, {"TERM": "dumb"}:
        out = in_a_terminal(**plain)
        assert "\nerror 729 (0x2D9)" in out and "\x1b" not in out, out


# ---- the man page ---------------------------------------------------------------------------

def check_example(line, place, pid):
    """What a line of the page has to do while process test-driver holds a huge page."""
    r = run_example(line, place)
    assert r.returncode == 0, (line, r)
    if "--pid" in line:
        assert re.match(rf"512 pins on 1 folios of process {pid}:", r.stdout), (line, r)
    elif "--folios" in line:
        huge = [f.pfn for f in census_folios().values() if f.pages >= 512]
        assert sorted(json.loads(o)["pfn"] for o in r.stdout.splitlines()) == sorted(huge) != [], r
    elif "jq" in line:
        assert int(r.stdout) == census()["unmapped"]["bytes"] > 0, (line, r)
    elif "--verify" in line:
        assert "no pinleak tracks now" in r.stderr, (line, r)
    else:
        assert " pins on " in r.stdout and "unmovable" in r.stdout, (line, r)


def test_the_examples_of_the_man_page_do_what_they_say():
    load("leaky")
    leak(16)
    place, lines = tempfile.mkdtemp(), man_examples("pinleak-census.1")
    failing = [line for line in lines if "--fail" in line]
    assert len(lines) >= 6 and failing, lines
    os.symlink(os.path.abspath(DRIVE), os.path.join(place, "test-driver"))
    p = subprocess.Popen([os.path.join(place, "test-driver"), "--thp", "--pages", "512", "--hold",
                          "3600", "hold"], stdout=subprocess.PIPE, text=True)
    try:
        assert "holding" in p.stdout.readline()
        for line in lines:
            if line not in failing:
                check_example(line, place, p.pid)
    finally:
        p.kill()
        p.communicate()
    for line in failing:
        r = run_example(line, place)
        assert r.returncode == 1 and "evidence orphaned" in r.stdout, (line, r)


if __name__ == "__main__":
    os.chdir(ROOT)
    make_calm()
    run(tests_of(globals()))
