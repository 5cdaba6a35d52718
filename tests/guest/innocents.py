#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
Drivers that nobody here wrote, none of which leaks: each by itself and all of them at once, with
processes killed in the middle. Nobody is accused. Runs in the guest, once a kernel.
"""
import time

import loads
from harness import run, sh, tests_of, until_outstanding
from loads import Loads, pins, score, watch

SECONDS = 20


def acquired():
    sh("echo 1 > /proc/sys/vm/stat_refresh")
    return int(sh("grep nr_foll_pin_acquired /proc/vmstat").split()[1])


def acquitted(w, name):
    """Ends the watch: no verdict, and nothing that it could not do."""
    w.stop()
    loss = w.summary["loss"]  # none where nothing was tracked
    seen = loss["books"]["seen_acquired"] if loss else 0
    print(f"# {name}: highest level {w.summary['highest_level']}, {len(w.of('held'))} held, "
          f"{seen} pins seen", flush=True)
    score(w, name, suspicions=len(w.of("suspicion")))
    assert not w.of("verdict") and w.status == 0, (w.status, w.of("verdict"), w.summary)


def test_each_of_them_pins_ends_clean_and_is_not_accused():
    with watch("--track", "always") as w:
        for work in loads.here():
            before, began = acquired(), time.monotonic()
            with Loads([work]):
                w.look_on(0.5)
            took = acquired() - before
            until_outstanding(0)
            print(f"# {work.__name__}: {took} pins, {time.monotonic() - began:.1f} s", flush=True)
            assert (took >= 256) == pins(work), f"{work.__name__}: {took} pins"
        acquitted(w, "each")


def all_at_once(*args):
    with watch(*args) as w:
        with Loads(loads.here()) as at_work:
            w.look_on(SECONDS)
        print(f"# {at_work.turns}", flush=True)
        until_outstanding(0)
        w.look_on(5)  # more than the time of grace
        acquitted(w, "all")


def test_all_of_them_at_once_are_not_accused():
    all_at_once()


def test_all_of_them_at_once_are_not_accused_while_tracked():
    all_at_once("--track", "always")


def test_all_of_them_at_once_are_not_accused_while_tracked_deeply():
    all_at_once("--track", "always", "--level", "deep")


if __name__ == "__main__":
    loads.prepare()
    run(tests_of(globals()))
