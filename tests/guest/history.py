#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
The history of a real leak on a real kernel: it outlives kill -9, names the driver, and goes on.
"""
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import tempfile

from harness import PINLEAK, Watch, drive, load, run, tests_of, validate

STORE = os.path.join(tempfile.mkdtemp(), "history.db")


def report(*args):
    r = subprocess.run([PINLEAK, "report", "--store", STORE, *args], capture_output=True, text=True,
                       check=False)
    assert r.returncode == 0, r
    return r.stdout


def objects():
    found = [json.loads(line) for line in report("--json").splitlines()]
    validate(found)
    return found


def number(statement):
    with contextlib.closing(sqlite3.connect(STORE)) as db:
        return db.execute(statement).fetchone()[0]


def test_after_kill_9_the_incident_is_there_with_its_driver_and_proof():
    load("leaky")
    with Watch("--track", "always", "--store", STORE) as w:
        drive("--pages", 300, "close")
        told = w.verdict()
        w.process.send_signal(signal.SIGKILL)
        w.process.communicate()
        w.status = "killed"
    assert number("PRAGMA integrity_check") == "ok"
    incident, history = objects()
    assert incident["driver"] == "leaky" and incident["kind"] == "module", incident
    assert incident["verdict"] == told, incident["verdict"]
    assert incident["pins"] == told["pins"] > 0 and incident["evidence"] == told["evidence"]
    assert [r["clean"] for r in history["runs"]] == [False], history["runs"]
    assert history["runs"][0]["boot"] and history["runs"][0]["kernel"] == os.uname().release
    text = report("last")
    assert "module leaky" in text and "leaky_ioctl [leaky]" in text and "/dev/leaky" in text, text


def test_the_next_watch_goes_on_and_keeps_what_each_driver_has():
    load("leaky")
    with Watch("--track", "always", "--store", STORE) as w:
        drive("--pages", 200, "close")
        w.verdict()
        drive("--pages", 100, "close")
        w.until_seen()
    assert w.status == 1, w.status
    found = objects()
    history = found[-1]
    assert [r["clean"] for r in history["runs"]] == [False, True], history["runs"]
    assert len(history["gaps"]) == 1 and not history["gaps"][0]["clean"], history["gaps"]
    newest = found[0]
    assert newest["driver"] == "leaky" and newest["pins"] == w.of("verdict")[-1]["pins"] == 300, newest
    assert len(newest["course"]) == len(w.of("verdict")), newest["course"]
    points = [p for p in history["driver_points"] if p["name"] == "leaky"]
    assert points and max(p["bytes_max"] for p in points) >= 300 * 4096, points
    samples = len(w.of("sample"))
    assert number("SELECT sum(n) FROM machine_point WHERE tier = 2") >= samples
    states = [e["to"] for e in history["events"] if e["type"] == "state"]
    assert states[:1] == ["light"], states


def test_the_page_and_the_picture_show_the_call_path():
    assert "leaky_ioctl [leaky]" in report("--svg")
    page = report("--html")
    assert "<svg" in page and "leaky_ioctl [leaky]" in page and "<script" not in page


if __name__ == "__main__":
    os.chdir(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    run(tests_of(globals()))
