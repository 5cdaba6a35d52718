# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""What bench/cost has measured: held against the goals, and as a page."""
import collections
import json
import re
import statistics
import textwrap

TRACKERS = ("nothing", "counters", "light", "deep", "bpftrace", "memleak")
READ_4K, READ_1M = (f"null_blk: reads of {size}, psync, depth 1" for size in ("4 KiB", "1 MiB"))
RING, REGION = (f"{who}: registers 1 GiB, small pages" for who in ("io_uring", "rdma_rxe"))

# Load, level, and the most that it may take, as a ratio to nothing attached.
RATIOS = [(READ_4K, "light", 1.08), (READ_1M, "light", 1.03), (READ_4K, "deep", 1.30),
          (READ_1M, "deep", 3.0), (RING, "light", 1.05), (REGION, "light", 1.05)]
OF_BPFTRACE = 1 / 20  # light may add so much of what the script adds
OF_A_PROCESSOR = 0.001  # level counters may take so much of one

Goal = collections.namedtuple("Goal", "what most measured show")


class Results:
    """The lines that bench/guest.py prints."""

    def __init__(self, lines=()):
        self.costs = collections.defaultdict(list)  # by load and tracker
        self.walls = collections.defaultdict(list)
        self.shares, self.times = {}, {}
        self.machine, self.core = {}, []
        for line in lines:
            self.add(json.loads(line))

    def add(self, r):
        kind = r["type"]
        if kind == "cost":
            self.costs[r["load"], r["tracker"]] += r["instructions"]
        elif kind == "wall":
            self.walls[r["load"], r["tracker"]].append(r["reads_a_second"])
        elif kind == "share":
            self.shares[r["tracker"], r["load"]] = r
        elif kind == "times":
            self.times[r["tracker"]] = r
        elif kind == "core":
            self.core = r["lines"]
        else:
            self.machine = r

    def took(self, load, tracker):
        """The least: what comes in between (a tick while a device is waited for) only adds."""
        return min(self.costs[load, tracker])

    def spread(self, load, tracker):
        """By how much the middle one is above the least; None if there is but one."""
        all_of_them = self.costs[load, tracker]
        if len(all_of_them) < 2:
            return None
        return statistics.median(all_of_them) / self.took(load, tracker) - 1

    def has(self, load, *trackers):
        return all((load, t) in self.costs for t in ("nothing", *trackers))

    def ratio(self, load, tracker):
        return self.took(load, tracker) / self.took(load, "nothing")

    def of_bpftrace(self, load):
        nothing = self.took(load, "nothing")
        return (self.took(load, "light") - nothing) / (self.took(load, "bpftrace") - nothing)

    def loads(self, costs):
        return list(dict.fromkeys(load for load, _ in costs))


def ratio(x):
    return f"{x:.2f}" if x < 10 else f"{x:.1f}"


def percent(x):
    return f"{100 * x:.2g} %"


def number(x):
    return f"{x:,.0f}"


def goals(r):
    """Each goal that something was measured for."""
    for load, level, most in RATIOS:
        if r.has(load, level):
            yield Goal(f"{level}, {load}", most, r.ratio(load, level), ratio)
    for load in (READ_4K, READ_1M):
        if r.has(load, "light", "bpftrace"):
            yield Goal(f"light adds, of what bpftrace adds, {load}", OF_BPFTRACE,
                       r.of_bpftrace(load), ratio)
    for (level, load), share in r.shares.items():
        if level == "counters":
            yield Goal(f"counters, of a processor, {load}", OF_A_PROCESSOR, share["share"], percent)
    if ("counters", "no load") in r.shares:
        yield Goal("counters, links to programs", 0, r.shares["counters", "no load"]["attached"],
                   number)


def met(goal):
    return goal.measured <= goal.most


# ---- the page ---------------------------------------------------------------------------------

def table(head, rows):
    """The first column is text, the others are numbers."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def summary(r):
    """What the README says, word for word."""
    small, large = ({t: ratio(r.ratio(load, t)) for t in TRACKERS} for load in (READ_4K, READ_1M))
    all_goals = list(goals(r))
    return f"""
        By instructions, on Linux {r.machine['kernel']} under software emulation
        ({r.machine['date']}): at level light a direct read of 4 KiB from null_blk takes
        {small['light']} times what it takes with nothing attached, at level deep {small['deep']}
        times, and under a bpftrace script that keeps a stack for each page {small['bpftrace']}
        times; a read of 1 MiB takes {large['light']}, {large['deep']} and {large['bpftrace']}
        times as much. Level counters attaches nothing, and takes
        {percent(r.shares['counters', 'no load']['share'])} of a processor while nothing is pinned.
        Of {len(all_goals)} goals {sum(map(met, all_goals))} are met.
        """


def wrapped(paragraph):
    return "\n".join(textwrap.wrap(" ".join(paragraph.split()), 108, break_on_hyphens=False))


README = re.compile(r"(?<=^## What it costs\n\n)[^\n]*(?:\n[^\n]+)*", re.M)


def into_readme(text, paragraph):
    return README.sub(lambda _: wrapped(paragraph), text, count=1)


def goals_table(r):
    return table(["goal", "at most", "measured", "met"],
                 [[g.what, g.show(g.most), g.show(g.measured), "yes" if met(g) else "**no**"]
                  for g in goals(r)])


def costs_table(r):
    rows = []
    for load in r.loads(r.costs):
        spreads = [r.spread(load, t) for t in TRACKERS]
        spread = "" if None in spreads else percent(max(spreads))
        rows.append([load, number(r.took(load, "nothing")),
                     *(ratio(r.ratio(load, t)) for t in TRACKERS[1:]), spread])
    return table(["load", "nothing", *TRACKERS[1:], "spread"], rows)


def shares_table(r):
    return table(["level", "no load", "4 KiB reads", "links to programs"],
                 [[level, *(percent(r.shares[level, load]["share"])
                            for load in ("no load", "4 KiB reads")),
                   number(r.shares[level, "no load"]["attached"])] for level in r.times])


def times_table(r):
    return table(["level", "start, ms", "start, million instructions", "end, ms"],
                 [[level, number(1e3 * t["start_s"]), f"{t['instructions'] / 1e6:.1f}",
                   number(1e3 * t["end_s"])] for level, t in r.times.items()])


def wall_cell(r, load, tracker):
    times = [n / x for n, x in zip(r.walls[load, "nothing"], r.walls[load, tracker])]
    return f"{ratio(statistics.median(times))} ({ratio(min(times))} to {ratio(max(times))})"


def walls_table(r):
    rows = []
    for load in r.loads(r.walls):
        rows.append([load, number(statistics.median(r.walls[load, "nothing"])),
                     *(wall_cell(r, load, t) for t in TRACKERS[1:])])
    return table(["load", "nothing: reads a second", *TRACKERS[1:]], rows)


def page(r):
    m = r.machine
    return f"""\
# What tracking costs

{wrapped(summary(r))}

`make bench` has written this page, {m['date']}: {m['pinleak']} on Linux {m['kernel']}, in
{m['qemu']}, beside {m['bpftrace']}.

## Goals

{goals_table(r)}

## Instructions

One guest of one processor and 4 GiB, whose clock counts instructions (qemu's `-icount`, each
takes a nanosecond), so that it does not matter what else the machine does. *nothing* is the
number of instructions that one operation takes with nothing attached; the other columns are
ratios to that. Of several parts measured the least counts, as what comes in between only adds;
*spread* is how far the middle one is above the least, in the worst column; a registration of 1
GiB is measured once.

{costs_table(r)}

- counters, light, deep: `pinleak watch` at that level with its usual settings. What its process
  does meanwhile is not in the table: see below.
- bpftrace: [bench/page.bt](../bench/page.bt), a map by folio with a stack for each, what one
  would write without pinleak.
- memleak: [bench/memleak.bpf.c](../bench/memleak.bpf.c), a record and a stack for each pin and
  totals by stack, in C, as bcc's memleak keeps them of allocations.
- Reads are O_DIRECT, each into the next part of an area of 32 MiB (null_blk) or 8 MiB
  (virtio_blk), each page of which was read into before any is measured.
  [bench/reads.c](../bench/reads.c) does nothing else, so that the ratios are larger than those of
  a program that works with what it reads. The time in which a read waits for its device is taken
  off. null_blk completes at once (`irqmode=0`), virtio_blk is qemu's null device.
- A registration of 1 GiB is 262,144 pages, more than pinleak's table takes at 4 GiB of memory:
  the losses are counted and told by the watch. Releasing is not in the figure. A registration of
  64 KiB is one of 64 in a row.

## The process of the watch

What `pinleak watch` itself takes of a processor of a thousand million instructions a second,
looking once a second: over 20 s without a load, and under 4 KiB reads on null_blk. There the
counters are glanced at ten times a second.

{shares_table(r)}

## Start and end

From the start of the process to its first sample (counters) or until tracking has begun, by the
clock that counts instructions and by what the process itself took; and from SIGINT to its end,
everything detached. In both the kernel waits for its grace periods, and the start waits for files
that are read for the first time, so that only the instructions are worth comparing.

{times_table(r)}

## By the clock on the wall

The same kernel with two processors and no counting, null_blk read by {m['fio']}, {m['rounds']}
rounds with all trackers in turn: how many times as long a read takes, the middle one, the least
and the most. The host had {m['processors']} processors and a load average of {m['load']}: other
work moves these figures, so they are worth less than those above.

{walls_table(r)}

## The core

`bench/core` on the host ({m['processor']}), by the clock on the wall:

```
{chr(10).join(r.core)}
```
"""
