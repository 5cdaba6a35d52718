#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
A census of much memory: what it costs a page, and the progress bar of one that takes its time.
Runs in a guest of 16 GiB, which are never touched.
"""
import fcntl
import json
import os
import pty
import struct
import subprocess
import termios
import time

import memory
from compare import agreed, assert_new, census, make_calm, once, oracle
from harness import PINLEAK, ROOT, Skip, run, tests_of
from memory import Device

LIMIT = 0.25e-6  # seconds a page, under emulation: what we promise


def test_a_census_of_16_gib_is_right():
    assert oracle().max_pfn > 4 << 20, "the guest is too small"
    before, m = agreed(), memory.small(500)
    with Device() as d:
        d.pin_all(m)
        assert_new(before, once(m.frames()))


def test_it_takes_less_than_a_quarter_of_a_microsecond_a_page():
    best = min((census() for _ in range(3)), key=lambda o: o["seconds"])
    cost = best["seconds"] / best["pages_looked_at"]
    print(f"# {best['pages_looked_at']} pages in {best['seconds']:.2f} s: "
          f"{cost * 1e6:.3f} microseconds a page", flush=True)
    assert cost < LIMIT, cost


# ---- the progress bar -----------------------------------------------------------------------

class Slow:
    """
    A census whose reader takes his time: it lists more folios than a pipe or a terminal holds,
    and has to wait in the middle of its walk. What it printed is in out, and in terminal.
    """

    def __init__(self, seconds, together=False, **env):
        m = memory.small(1000)
        master, slave = pty.openpty()
        with Device() as d:
            d.pin_all(m)
            with subprocess.Popen([PINLEAK, "census", "--folios", "--grace", "0"], env={**os.environ, **env},
                                  stdout=slave if together else subprocess.PIPE,
                                  stderr=slave) as p:
                os.close(slave)
                wait_until_stuck(master if together else p.stdout.fileno(), seconds)
                self.out = b"" if together else p.stdout.read()
                self.terminal = b"".join(iter(lambda: read_some(master), b""))
        os.close(master)
        assert p.returncode == 0, (p.returncode, self.terminal)
        self.terminal = self.terminal.decode()


def wait_until_stuck(fd, seconds):
    """Until something was written, and then nothing more for so long."""
    ready, since = 0, time.monotonic()
    while not ready or time.monotonic() < since + seconds:
        now = struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"1234"))[0]
        if now != ready:
            ready, since = now, time.monotonic()
        time.sleep(0.05)


def read_some(master):
    try:
        return os.read(master, 65536)
    except OSError:  # nobody has the other end any more
        return b""


def assert_objects(lines, at_least):
    assert len(lines) >= at_least, len(lines)
    for line in lines:
        assert json.loads(line)["type"] == "folio", line


def test_a_short_census_shows_no_progress():
    master, slave = pty.openpty()
    began = time.monotonic()
    with subprocess.Popen([PINLEAK, "census", "--json", "--grace", "0"], stdout=subprocess.PIPE,
                          stderr=slave) as p:
        os.close(slave)
        json.loads(p.stdout.read())
        seconds = time.monotonic() - began
        terminal = b"".join(iter(lambda: read_some(master), b""))
    os.close(master)
    if seconds > 2:
        raise Skip(f"the machine is busy: it took {seconds:.1f} s")
    assert terminal == b"", terminal


def test_a_long_census_shows_its_progress_and_wipes_it_off():
    for env in ({}, {"NO_COLOR": "1", "TERM": "dumb"}):
        slow = Slow(2.5, **env)
        states = slow.terminal.split("\r")
        assert any(s.startswith("pinleak: looking at page structures [") for s in states), states
        assert states[-2:] == [" " * 79, ""], states
        assert all(len(s) < 80 and s.isprintable() for s in states), states
        assert_objects(slow.out.splitlines(), 1000)


def test_no_progress_is_shown_among_the_folios():
    slow = Slow(2.5, together=True)
    assert_objects(slow.terminal.splitlines(), 1000)


def test_no_progress_is_shown_to_a_file():
    m = memory.small(1000)
    with Device() as d:
        d.pin_all(m)
        with subprocess.Popen([PINLEAK, "census", "--folios", "--grace", "0"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as p:
            wait_until_stuck(p.stdout.fileno(), 2.5)
            out, err = p.communicate()
    assert p.returncode == 0 and err == b"", err
    assert_objects(out.splitlines(), 1000)


if __name__ == "__main__":
    os.chdir(ROOT)
    make_calm()
    run(tests_of(globals()))
