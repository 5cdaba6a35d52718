#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
What record keeps on a real kernel, replay shows bit for bit as it was printed then: with a driver
that leaks, with plain references, with innocents; after kill -9 as far as it goes.
"""
import json
import os
import subprocess
import tempfile
import time

from harness import LIMIT, PINLEAK, Printing, drive, load, run, tests_of, validate

PLACE = tempfile.mkdtemp()


class Record(Printing):
    """pinleak record; replayed at the end, and compared with what it printed."""

    def __init__(self, *args):
        self.file = os.path.join(PLACE, "recording")
        super().__init__("record", "--interval", "200ms", "--grace", "1s", *args, self.file)
        self.show = [a for a in args if a in ("--json", "--samples")]

    def replay(self, *args):
        began = time.monotonic()
        r = subprocess.run([PINLEAK, "replay", *args, self.file], capture_output=True, check=False)
        self.took = time.monotonic() - began
        return r

    def assert_same(self):
        """Returns what was printed."""
        r = self.replay(*self.show)
        printed = self.text()
        shown = r.stdout.decode()
        for live, again in zip(printed.splitlines(), shown.splitlines()):
            assert live == again, f"live:   {live[:600]}\nreplay: {again[:600]}"
        assert printed == shown, (len(printed), len(shown))
        assert r.returncode == self.status and not r.stderr, (r, self.status)
        return printed

    def measure(self, what, samples):
        size = os.path.getsize(self.file)
        print(f"# {what}: {samples} samples, {size} bytes, {size / samples:.1f} a sample, "
              f"replay {self.took:.2f} s", flush=True)


def objects(text):
    found = [json.loads(line) for line in text.splitlines()]
    validate(found)
    return found


def test_a_leak_that_is_noticed_and_tracked_is_replayed_bit_for_bit_in_json():
    load("leaky")
    with Record("--json", "--settle", "15s") as r:
        r.until('"sample"')
        for _ in range(300):
            drive("--pages", 128, "keep-one:8")
            if '"verdict"' in r.text():
                break
            time.sleep(0.25)
        r.until('"to":"counters"')
        time.sleep(1)
    found = objects(r.assert_same())
    assert r.status == 1 and found[-1]["leaks"][0]["driver"] == "leaky", found[-1]
    assert [o["to"] for o in found if o["type"] == "state"] == ["light", "counters"], found
    r.measure("leak", sum(o["type"] == "sample" for o in found))


def test_every_pin_and_every_wrong_release_is_replayed_in_text_and_both_ways_of_it():
    load("leaky", "second")
    with Record("--track", "always", "--level", "deep", "--samples") as r:
        r.until("level counters -> deep")
        for shape in ("close", "double-unpin", "put-page", "error"):
            drive("--pages", 40, shape)
            time.sleep(0.5)
        drive("--pages", 50, "--times", 10, "use")
        r.until("error 729")
        time.sleep(3)
    printed = r.assert_same()
    assert r.status == 1, r.status
    without = [line for line in printed.splitlines() if " pins outstanding, level " not in line]
    assert r.replay().stdout.decode().splitlines() == without
    assert objects(r.replay("--json").stdout.decode())[-1]["leaked_pins"] > 0


def test_innocents_are_replayed_as_innocent():
    load("leaky")
    with Record("--json", "--track", "always") as r:
        r.until('"light"')
        held = drive("--pages", 2000, "--hold", 6, "hold", wait=False)
        for _ in range(10):
            drive("--pages", 200, "--times", 5, "use")
        held.communicate(timeout=LIMIT)
        time.sleep(1)
    found = objects(r.assert_same())
    assert r.status == 0 and not [o for o in found if o["type"] == "verdict"], found[-1]
    r.measure("innocents", sum(o["type"] == "sample" for o in found))


def test_plain_references_are_replayed():
    """That they are judged is tested elsewhere, and takes longer."""
    load("leaky")
    with Record("--json", "--references", "1s") as r:
        for _ in range(400):  # a look may take seconds under emulation
            drive("--pages", 2, "get-leak")
            time.sleep(0.7)
            if '"on":true' in r.text():
                break
        drive("--pages", 20, "get-leak")
        time.sleep(4)
    found = objects(r.assert_same())
    assert [o["on"] for o in found if o["type"] == "references"] == [True], found[-1]


def test_a_level_that_cannot_be_had_is_replayed_with_its_reason_and_status():
    with Record("--json", "--track", "always", "--omit-hook", "pin_user_pages_remote") as r:
        r.until("cannot be had")
        time.sleep(1)
    r.assert_same()
    assert r.status == 3, r.status


def test_after_kill_9_all_but_the_last_seconds_is_there():
    load("leaky")
    with Record("--json", "--track", "always") as r:
        r.until('"light"')
        drive("--pages", 30, "close")
        r.until('"verdict"')
        time.sleep(1)
        r.process.kill()
        r.process.wait()
    shown = r.replay("--json")
    assert shown.returncode == 1 and b"it is cut off" in shown.stderr, shown
    lines = shown.stdout.decode().splitlines()
    live = r.text().splitlines()
    assert '"summary"' in lines[-1]
    assert len(lines) >= len(live) - 3, (len(lines), len(live))
    assert lines[:-1][:len(live)] == live[:len(lines) - 1]


if __name__ == "__main__":
    os.chdir(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    run(tests_of(globals()))
