#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""What top shows on a real kernel: a driver that leaks, one that is held, and their pins, exactly."""
import contextlib
import json
import os
import subprocess
import time

from harness import LIMIT, PINLEAK, Printing, drive, load, run, sh, spawn, tests_of, validate

SOCKET = "topping"


def tmux(*args):
    return sh("tmux -L %s %s" % (SOCKET, " ".join(args)))


def opened(pid):
    """What its descriptors are of; some come and go meanwhile."""
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            yield os.readlink(f"/proc/{pid}/fd/{fd}")


def until_hooked(pid):
    """Until its programs are attached, and then as long as it may take to try them."""
    end = time.monotonic() + LIMIT
    while not any("bpf" in name for name in opened(pid)):
        assert time.monotonic() < end, "nothing is attached"
        time.sleep(0.1)
    time.sleep(10)


def table(*args):
    """Starts top --once; its output once pins have been taken and left."""
    with Printing("top", "--once", "--interval", "200ms", "--grace", "1s", *args) as top:
        until_hooked(top.process.pid)
        held = drive("--pages", 50, "--hold", 60, "hold", wait=False)
        drive("--pages", 30, "close")
        top.process.wait(timeout=LIMIT)
    held.kill()
    held.wait()
    assert not top.stderr, top.stderr
    return top


def test_the_table_has_the_leaked_and_the_held_pins_exactly():
    load("leaky")
    top = table("--for", "30s")
    row = [line.split() for line in top.text().splitlines() if line.startswith("  leaky ")]
    print("# " + top.text().replace("\n", "\n# "), flush=True)
    assert top.status == 1, top.status
    assert len(row) == 1 and row[0][3:5] == ["50", "30"], row
    assert row[0][-1] == "orphaned", row


def test_the_object_has_them_too():
    load("leaky")
    top = table("--for", "30s", "--json")
    found = [json.loads(line) for line in top.text().splitlines()]
    validate(found)
    assert top.status == 1 and len(found) == 1, found
    leaky = [d for d in found[0]["drivers"] if d["driver"] == "leaky"]
    assert [(d["held_pins"], d["leaked_pins"]) for d in leaky] == [(50, 30)], leaky


def test_the_screen_shows_the_driver_and_its_call_path():
    load("leaky")
    command = (f"env LC_ALL=C.UTF-8 TERM=screen {PINLEAK} top --interval 200ms --grace 1s; "
               "echo status=$?; sleep 600")
    spawn(["tmux", "-L", SOCKET, "new-session", "-d", "-x", "80", "-y", "24", command]).wait()
    try:
        until_shown("level light")
        drive("--pages", 30, "close")
        until_shown("orphaned")
        tmux("send-keys", "Enter")
        until_shown("1 call path of leaky")
        until_shown("[leaky]")
        tmux("send-keys", "q")
        until_shown("status=1")
    finally:
        tmux("kill-server")


def until_shown(word):
    end = time.monotonic() + LIMIT
    while True:
        shown = subprocess.run(["tmux", "-L", SOCKET, "capture-pane", "-p"], capture_output=True,
                               text=True, check=False).stdout
        if word in shown:
            return shown
        assert time.monotonic() < end, f"not shown: {word}\n{shown}"
        time.sleep(0.2)


if __name__ == "__main__":
    os.chdir(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    run(tests_of(globals()))
