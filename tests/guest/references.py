#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
Plain references, taken by get_user_pages(): those that drivers leave behind are found and counted,
and nobody else is accused. Runs in the guest, once a kernel.
"""
import json
import os
import subprocess
import sys
import tempfile
import time

from harness import PINLEAK, ROOT, Watch, census, drive, load, read, run, sh, tests_of, validate

STORM_SECONDS = 60


def leaked(module="leaky"):
    return int(read(f"/sys/module/{module}/parameters/leaked_refs"))


def large_are_tracked():
    """Whether the kernel counts all mappings of a large folio in one number."""
    return os.uname().release >= "6.12"


def until_tracked(w):
    """Leaks, two pages a second, until references are tracked."""
    for _ in range(400):
        w.poll()
        if any(o["on"] for o in w.of("references")):
            return
        drive("--pages", 2, "get-leak")
        time.sleep(1)
    raise AssertionError("it was not noticed")


def told(w, driver, references, evidence):
    """Waits until at least so many are told."""
    return w.until(lambda o: o["type"] == "verdict" and o["driver"]["name"] == driver and
                   o["references"] >= references and o["evidence"] in evidence,
                   f"{references} references of {driver}, {evidence}", 400)


# ---- the innocent -----------------------------------------------------------------------------

def test_innocents_accuse_nobody():
    """The first test: what others leak stays, and a census would find it."""
    load("leaky")
    report = tempfile.mktemp()
    status, o = census("--grace", "1s")
    assert status == 0, o["second_look"]
    with Watch("--references", "2s", grace="1s", interval="1s") as w:
        storm = subprocess.Popen([PINLEAK, "run", "--references", "--grace", "1s", "--json",
                                  "--output", report, "--", sys.executable,
                                  os.path.join(ROOT, "tests/guest/storm.py"), str(STORM_SECONDS),
                                  *os.environ.get("PINLEAK_STORM", "").split()],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        looks = 0
        while storm.poll() is None:
            status, o = census("--grace", "1s")
            assert status == 0, o["second_look"]
            looks += 1
            w.poll()
        print("#", storm.stdout.read().strip().replace("\n", "\n# "), flush=True)
        w.stop()
    with open(report, encoding="utf-8") as f:
        objects = [json.loads(line) for line in f]
    validate(objects)
    assert looks >= 1, looks
    assert storm.returncode == 0 and not objects[-1]["leaks"], objects[-1]
    assert w.status == 0 and not w.of("verdict"), w.of("verdict")
    status, o = census()
    assert status == 0, o["second_look"]


# ---- the guilty -------------------------------------------------------------------------------

def test_growth_switches_tracking_on_and_what_leaks_then_is_counted_exactly():
    """Of two pages a second that leak until then, the last ones may be before or after."""
    load("leaky", "second")
    with Watch("--references", "1s", grace="1s", interval="500ms") as w:
        until_tracked(w)
        before = leaked()
        living = drive("--pages", 100, "--stay", 600, "get-leak", wait=False)
        early = told(w, "leaky", 100, ("abandoned", "orphaned"))["references"] - 100
        assert early in range(0, 100, 2) and living.poll() is None, early
        living.kill()
        living.wait()
        drive("--pages", 16, "get-leak")
        drive("--pages", 32, "--shared", "get-leak:20")
        if large_are_tracked():
            drive("--pages", 512, "--thp", "get-leak:300")
        drive("--pages", 6, "--also", "/dev/second=get-leak", "get-leak")
        expected = early + leaked() - before
        told(w, "second", 6, ("orphaned",))
        sh("rmmod leaky")
        told(w, "leaky", early + 30, ("unloaded",))
        w.stop()
    assert w.status == 1
    assert {o["driver"]: (o["references"], o["pins"], o["evidence"]) for o in w.summary["leaks"]} \
        == {"leaky": (expected, 0, "unloaded"), "second": (6, 0, "orphaned")}, w.summary
    assert w.summary["leaked_references"] == expected + 6, w.summary


def test_a_census_counts_every_folio_that_is_left():
    load("leaky")
    before = census()[1]["second_look"]
    was = before["referenced"]["folios"] if before else 0
    drive("--pages", 30, "get-leak")
    drive("--pages", 12, "--shared", "get-leak")
    drive("--pages", 512, "--thp", "get-leak:7")
    status, o = census()
    second = o["second_look"]
    assert status == 1 and second["evidence"] == "unexplained-reference", second
    expected = 43 if large_are_tracked() else 42
    assert second["referenced"]["folios"] - was == expected, (was, second)


if __name__ == "__main__":
    run(tests_of(globals()))
