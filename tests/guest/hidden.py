#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
A driver that leaks, hidden among drivers that nobody here wrote: it is found, in time, and nobody
else is accused. Runs in the guest, once a kernel. Times are those of the guest's clock, from just
before the first page was leaked to what the watch says.
"""
import os
import signal
import sys
import time

import loads
from harness import Skip, census, child, drive, leaked, load, run, tests_of
from loads import LOADS, MIB, Loads, direct_null, direct_nvme, score, watch
from memory import PAGE

WARM_UP = 8
RATES = {"one_MiB": 256, "sixteen_MiB": 4096}  # pages
# Seconds until the verdict, by the rate; or from the end of the one owner, who gets 75 s. How
# fast a machine is that runs other suites as well is no matter of right and wrong: --patient.
# There is no memory for sixteen MiB to leak for long.
if "--patient" in sys.argv:
    FAST, SLOW, GONE = {256: 240, 4096: 90}, 500, 150
else:
    FAST, SLOW, GONE = {256: 15, 4096: 15}, 180, 95
PATIENCE = 30  # seconds more, to learn how long it takes when it takes too long


def leak(rate):
    """By processes that come and go, each of which leaks what is due by then, whatever the load."""
    os.nice(-20)
    began, so_far = time.monotonic(), 0
    while True:
        due = max(int((time.monotonic() - began) * rate) - so_far, 1)
        drive("--pages", due, "close")
        so_far += due
        time.sleep(max(began + so_far / rate - time.monotonic(), 0.25))


def room_for(pages):
    """What was leaked before is gone for good."""
    left = next(int(line.split()[1]) for line in open("/proc/meminfo", encoding="ascii")
                if line.startswith("MemAvailable"))
    if left * 1024 < pages * PAGE + 600 * MIB:
        raise Skip(f"only {left >> 10} MiB of memory left")


def ended(pid):
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def until_accused(w, seconds):
    """Whether it was, and what for is left to the score."""
    try:
        w.verdict(seconds)
    except AssertionError as e:
        print(f"# {e}", flush=True)


def found(result, limit):
    assert result["right"], result
    assert result["verdict_s"] <= limit, f"{result['verdict_s']} s, more than {limit}"


def hide(name, works, rate, limit):
    """A leak at a rate, in pages a second, beneath loads."""
    room_for(rate * (limit + PATIENCE))
    with watch() as w:
        with Loads(works):
            w.look_on(WARM_UP)
            before, began = leaked(), time.time()
            leaker = child(leak, rate)
            until_accused(w, limit + PATIENCE)
            pages, seconds = leaked() - before, time.time() - began
            ended(leaker)
        w.stop()
    real = round(pages / seconds, 1)
    found(score(w, name, rate, began, ["leaky"], real_pages_per_s=real), limit)


def beneath(work, pace, rate):
    def test():
        works = loads.here() if work is None else [work]
        if not set(works) <= set(loads.here()):
            raise Skip("this kernel has no such driver")
        hide(name, works, rate, FAST[rate])

    name = work.__name__ if work else "all"
    test.__name__ = f"test_{pace}_a_second_beneath_{name}_is_found_in_time"
    return test


def test_one_page_a_second_beneath_deep_queues_is_found_in_time():
    hide("queues", [direct_null, direct_nvme], 1, SLOW)


def ten_pages():
    """
    Their owner holds them for a while, as he may; its end leaks them: the time of that.
    """
    drive("--pages", 10, "--hold", 15, "close")
    return time.time()


def test_ten_pages_and_no_more_are_found_when_their_owner_is_gone_and_all_is_tracked():
    with watch("--track", "always") as w:
        with Loads([direct_null, direct_nvme]):
            w.look_on(WARM_UP)
            began = ten_pages()
            w.poll()
            assert not w.of("verdict"), w.of("verdict")
            until_accused(w, GONE)
        w.stop()
    found(score(w, "queues", 0, began, ["leaky"], leaked_once=10), GONE)


def test_ten_pages_and_no_more_are_found_by_a_census_when_nothing_was_tracked():
    """Whose they are is gone with their owner; that they are leaked is not."""
    with Loads([direct_null, direct_nvme]):
        ten_pages()
    lost = leaked()
    for _ in range(60):  # what the loads have left may take its time to end
        status, o = census()
        if status:
            break
        time.sleep(1)
    assert status == 1 and o["second_look"]["evidence"] == "orphaned", o
    assert o["second_look"]["pinned"]["pins"] == lost >= 10, (o["second_look"], lost)


for _pace, _rate in RATES.items():
    for _work in [None, *LOADS]:
        _test = beneath(_work, _pace, _rate)
        globals()[_test.__name__] = _test


if __name__ == "__main__":
    sys.argv = [a for a in sys.argv if a != "--patient"]
    loads.prepare()
    load("leaky")
    run(tests_of(globals()))
