#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
Tables that are too small: each is filled once. What is lost is counted, error 122 names it, and
who leaks is found all the same.
"""
import fcntl
import json
import mmap
import os
import re
import struct
import subprocess
import time
import urllib.request

from harness import (DRIVE, LIMIT, PINLEAK, RUN_LIMIT, Printing, Watch, drive, leaked, load, read,
                     run, spawn, tests_of, validate)

MIB = 1 << 20
MOST = 64 * MIB  # of maps, and of the process
IN_TURN = 16     # steps that drive takes at most
PAGES = 35000    # of each of two processes: with that a million pins


def hold(pages, times):
    """Pins that stay until it is killed: /dev/second holds each page that many times."""
    p = drive("--device", "/dev/second", "--pages", pages, "--hold", 3600, *["hold"] * times,
              wait=False)
    line = p.stdout.readline()
    assert "holding" in line, line
    return p


def pins_of(loss):
    return sum(loss[k] for k in ("pins_table_full", "pins_not_chosen", "pins_map_busy"))


def recorded(w):
    """Pins on the books; those before a record began are on nobody's."""
    return w.summary["ledger"]["pins"] - w.summary["ledger"]["before"]


def assert_only(w, driver):
    assert {v["driver"]["name"] for v in w.of("verdict")} == {driver}, w.of("verdict")
    assert [leak["driver"] for leak in w.summary["leaks"]] == [driver], w.summary["leaks"]
    assert w.status == 1, w.status


def assert_a_million_in_a_thousand(level):
    load("leaky", "second")
    before = leaked()
    with Watch("--track", "always", "--level", level, "--table-size", "1000",
               "--listen", "127.0.0.1:0") as w:
        holding = [hold(PAGES, IN_TURN) for _ in range(2)]
        w.until_seen(3)  # so many folios are chosen as there is room for
        drive("--pages", 4000, "close")
        v = w.verdict(evidence="orphaned")
        w.until_seen(1)
        w.stop()
    for p in holding:
        p.kill()
        p.wait()
    assert leaked() - before == 4000
    assert_only(w, "leaky")
    loss = w.summary["loss"]
    taken = 2 * PAGES * IN_TURN + 4000
    assert pins_of(loss) + recorded(w) == taken, (loss, w.summary["ledger"])
    assert 0 < w.summary["ledger"]["pins"] and loss["pins_not_chosen"] > taken // 2, loss
    assert loss["error"]["code"] == 122, loss
    assert w.of("loss") and all(o["error"]["code"] == 122 for o in w.of("loss")), w.of("loss")
    assert v["proof"]["incomplete"] and v["proof"]["sample_rate"] >= 32, v["proof"]
    # each folio that is chosen stands for as many as the rate says
    rate = v["proof"]["sample_rate"]
    assert 2000 < w.summary["leaked_pins"] * rate < 8000, (rate, w.summary)


def test_a_million_pins_in_a_table_of_a_thousand_are_counted_at_level_light():
    assert_a_million_in_a_thousand("light")


def test_a_million_pins_in_a_table_of_a_thousand_are_counted_at_level_deep():
    assert_a_million_in_a_thousand("deep")


if __name__ == "__main__":
    run(tests_of(globals()))
