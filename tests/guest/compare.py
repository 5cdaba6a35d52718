# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""pinleak census and the oracle, side by side: they must agree on every folio."""
import functools
import json
import subprocess

from harness import PINLEAK, validate
from oracle import Folio, Oracle, blocks

TRIES = 5  # a page that moves, or is referenced for a moment, while one of them looks


@functools.cache
def oracle():
    """One for all tests: making it takes seconds."""
    return Oracle()


def census_lines(*args):
    r = subprocess.run([PINLEAK, "census", "--grace", "0", *args], capture_output=True, text=True,
                       check=False)
    assert r.returncode == 0 and not r.stderr, (r.returncode, r.stderr)
    return [json.loads(line) for line in r.stdout.splitlines()]


def census_folios():
    lines = census_lines("--folios")
    validate(lines[:5])
    found = {o["pfn"]: Folio(*(o[name] for name in Folio._fields)) for o in lines}
    assert len(found) == len(lines), "a folio was shown twice"
    # of large folios the kernel tells /proc/kpagecount something else
    return {f.pfn: f if f.pages == 1 else f._replace(mappings=None) for f in found.values()}


def census():
    """The one object that `pinleak census --json` prints."""
    o, = census_lines("--json")
    validate([o])
    return o


def agreed():
    """Every pinned folio, by page frame, on which both agree in all fields."""
    for _ in range(TRIES):
        found, truth = census_folios(), oracle().pinned()
        if found == truth:
            return truth
    differ = sorted(set(found.items()) ^ set(truth.items()))[:10]
    raise AssertionError(f"census {len(found)}, oracle {len(truth)}, they differ: {differ}")


def assert_new(before, expected, **fields):
    """
    What was not pinned before is, on both their word, exactly {pfn: (pages, pins)}, and every
    one of these folios has the fields.
    """
    now = agreed()
    assert before.keys() <= now.keys(), "what was pinned before must still be"
    new = {pfn: f for pfn, f in now.items() if pfn not in before}
    found = {pfn: (f.pages, f.pins) for pfn, f in new.items()}
    assert found == expected, (f"{len(found)} found, {len(expected)} expected; they differ: "
                               f"{sorted(found.items() ^ expected.items())[:10]}")
    for f in new.values():
        for name, value in fields.items():
            assert getattr(f, name) == value, (name, f)


def assert_all_looked_at():
    """Every page frame was looked at or is absent, by the kernel's list of memory blocks."""
    o, end = census(), oracle().max_pfn
    present = sum(len(b.frames) for b in blocks() if b.state != "offline" and b.frames[0] < end)
    beyond = max(b.frames[-1] for b in blocks()) + 1 - end  # the last block may be cut
    present -= max(beyond, 0)
    assert (o["pages_looked_at"], o["pages_absent"]) == (present, end - present), (o, present)
    return present


def once(frames):
    """What to expect of small folios with one pin each."""
    return {pfn: (1, 1) for pfn in frames}


def heads(frames, pages, pins):
    """The same of folios of so many pages, with so many pins each."""
    for i in range(0, len(frames), pages):
        assert frames[i:i + pages] == [*range(frames[i], frames[i] + pages)], "not one folio"
    return {pfn: (pages, pins) for pfn in frames[::pages]}


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def make_calm():
    """Nothing is moved or collapsed behind our back."""
    write("/proc/sys/vm/compaction_proactiveness", "0")
    write("/sys/kernel/mm/transparent_hugepage/khugepaged/defrag", "0")
