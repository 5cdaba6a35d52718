#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
A census is right where page structures are not one behind the other: hugetlb pages share theirs
(hugetlb_free_vmemmap=on), and there is a hole in memory below 4 GiB. Runs in a guest with
5 GiB and a gigantic page reserved.
"""
import os

import memory
from compare import (agreed, assert_all_looked_at, assert_new, heads, make_calm, once, oracle,
                     write)
from harness import ROOT, read, run, tests_of
from memory import CLOSE, GIGANTIC, HOLD, HUGE, PAGE, Device, hugetlb

FOUR_GIB = (4 << 30) // PAGE


def set_pool(number):
    """Only ever more: Linux 6.12.117 reports a bad page state when it gets such pages back."""
    write("/proc/sys/vm/nr_hugepages", str(number))
    assert read("/proc/sys/vm/nr_hugepages") == str(number), "no memory for hugetlb pages"


def fake_heads(pfn, pages):
    """Page frames whose struct page is the one of their folio's head, shown once more."""
    o = oracle()
    data = o.prog.read(o.vmemmap + pfn * o.size, pages * o.size)
    head = data[:o.size]
    return [pfn + i for i in range(1, pages) if data[i * o.size:(i + 1) * o.size] == head]


def test_nothing_is_pinned_at_first():
    assert agreed() == {}


def test_hugetlb_pages_that_share_page_structures_count_once():
    assert read("/proc/sys/vm/hugetlb_optimize_vmemmap") == "1", "it is switched off"
    before = oracle().pinned()
    set_pool(4)
    with Device() as d:
        m = hugetlb(3)
        frames = m.frames()
        d.pin(HOLD, m.address, 1024)
        d.pin(HOLD, m.address + 2 * HUGE + 9 * PAGE, 1)
        # 512 struct pages are 8 pages, of which the kernel keeps one
        assert fake_heads(frames[0], 512) == [frames[0] + i for i in range(64, 512, 64)]
        assert_new(before, {**heads(frames[:1024], 512, 512), **heads(frames[1024:], 512, 1)},
                   hugetlb=True, anonymous=True)
        m.unmap()


def test_a_gigantic_page_counts_once():
    before = oracle().pinned()
    with Device() as d:
        m = hugetlb(1, size=GIGANTIC, write=False)
        d.pin(HOLD, m.address + 300 * HUGE, 700)
        d.pin(HOLD, m.address, 1)
        frames = m.frames()
        assert len(fake_heads(frames[0], 1 << 18)) == (1 << 12) - 1
        assert_new(before, heads(frames, 1 << 18, 701), hugetlb=True, anonymous=True)
        m.unmap()


def test_a_leaked_gigantic_page_is_found():
    before = oracle().pinned()
    with Device() as d:
        m = hugetlb(1, size=GIGANTIC, write=False)
        d.pin(CLOSE, m.address, 2)
    expected = heads(m.frames(), 1 << 18, 2)
    m.unmap()
    assert_new(before, expected, hugetlb=True)


def test_the_hole_below_4_gib_is_passed_over():
    assert assert_all_looked_at() < oracle().max_pfn, "there is no hole"


def free_frames(zone):
    part = read("/proc/zoneinfo").split(f"zone {zone:>8}\n")[1]
    return int(part.split("pages free")[1].split()[0])


def test_pages_on_both_sides_of_the_hole_are_found():
    """The kernel takes from above 4 GiB first, so that is used up: by hugetlb pages, for speed."""
    before, high = oracle().pinned(), memory.small(1000)
    set_pool(4 + free_frames("Normal") // 512)
    rest = memory.small(free_frames("Normal") + 4000)
    low = rest.frames()[-1000:]
    assert max(high.frames()) > FOUR_GIB > min(low)
    with Device() as d:
        d.pin_all(high)
        d.pin(HOLD, rest.address + rest.size - len(low) * PAGE, len(low))
        assert_new(before, once(high.frames() + low))


if __name__ == "__main__":
    os.chdir(ROOT)
    make_calm()
    run(tests_of(globals()))
