#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
The screen of `pinleak top`, in tmux, with a recording made by tests/unit/play.c: what it shows,
keys, sizes, colours, and the terminal after every kind of end.

usage: tests/top.py [NAME...]       names of tests, or patterns; $PINLEAK: the program; speaks TAP
"""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tap

ROOT = Path(__file__).resolve().parent.parent
PINLEAK = os.environ.get("PINLEAK", str(ROOT / "build/pinleak"))
PLACE = tempfile.mkdtemp()
RECORDING = os.path.join(PLACE, "play")
LIMIT = 60
FOOT = "Enter open  Esc back  Tab processes  / filter  space pause  ? help  q quit"
END = "The recording ends here.  q quit  ? help"


class Terminal:
    """A command in a terminal of its own; what comes out of it is kept as well."""

    def __init__(self, *args, width=80, height=24, env="", replay="--speed 1000000"):
        self.name = f"pinleak-{os.getpid()}-{time.monotonic_ns()}"
        self.raw = os.path.join(PLACE, self.name)
        command = (f"stty -g >{self.raw}.before; sh -c 'echo $$ >{self.raw}.pid; "
                   f"exec env LC_ALL=C.UTF-8 TZ=UTC {env} {PINLEAK} top --replay {RECORDING} {replay} "
                   f"{' '.join(args)}'; "
                   f"echo status=$?; stty -g >{self.raw}.after; sleep 600")
        # A shell with a pause, so that the pipe is there before the first byte.
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y", str(height),
                  f"sleep 0.5; {command}")
        self.tmux("pipe-pane", f"cat >{self.raw}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["tmux", "-L", self.name, "kill-server"], check=False, capture_output=True)

    def tmux(self, *args):
        return subprocess.run(["tmux", "-L", self.name, *args], check=True, capture_output=True,
                              text=True).stdout

    def shown(self):
        return [line.rstrip() for line in self.tmux("capture-pane", "-p").split("\n")]

    def until(self, word):
        end = time.monotonic() + LIMIT
        while word not in "\n".join(self.shown()):
            assert time.monotonic() < end, f"not shown: {word}\n" + "\n".join(self.shown())
            time.sleep(0.05)
        return self.shown()

    def keys(self, *keys):
        self.tmux("send-keys", *keys)

    def pid(self):
        return int(Path(self.raw + ".pid").read_text())

    def until_alternate(self, wanted):
        end = time.monotonic() + LIMIT
        while self.tmux("display", "-p", "#{alternate_on}").strip() != wanted:
            assert time.monotonic() < end, f"the alternate screen is not {wanted}"
            time.sleep(0.05)

    def assert_sane(self, status):
        """The command ended so, and the terminal is what it was."""
        self.until(f"status={status}")
        end = time.monotonic() + LIMIT
        while not os.path.exists(self.raw + ".after") and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(0.2)
        assert Path(self.raw + ".before").read_text() == Path(self.raw + ".after").read_text()
        state = self.tmux("display", "-p", "#{alternate_on} #{cursor_flag}").split()
        assert state == ["0", "1"], state


def out(t):
    return Path(t.raw).read_bytes()


HEAD = [
    "3,100 pins outstanding; on the books 1 held, 0 leaked",
    "nothing lost",
]
GRAPH = [
    "     3,100                         ▁▂▃▄▅▆█",
    " pins over                 ▁▂▃▄▅▆▇████████",
    "      30 s         ▁▂▃▄▅▆▇████████████████",
    "       100 ▁▂▃▄▅▆▇████████████████████████",
]
DRIVERS = [
    "2 drivers by bytes",
    "  DRIVER             UNMOVABLE     HELD   LEAKED    BYTES/S    AGE EVIDENCE",
    "> leaky                4.0 KiB        1        0        0 B   29 s orphaned",
    "  wrong                    0 B        0        0        0 B      - wrong-release",
]


def test_a_screen_of_80_by_24():
    with Terminal() as t:
        shown = t.until(END)
        first = "pinleak top  here  6.x"
        assert shown[0] == first + " " * (80 - len(first) - 20) + "level deep  00:17:10", shown[0]
        assert shown[1:3] == HEAD, shown
        assert shown[3:7] == GRAPH, shown
        assert shown[7:11] == DRIVERS, shown
        assert shown[11:23] == [""] * 12 and shown[23] == END, shown
        t.keys("q")
        t.assert_sane(1)


def test_a_screen_of_200_by_50_and_smaller_in_the_middle():
    with Terminal(width=200, height=50) as t:
        shown = t.until(END)
        assert len(shown[0]) == 200 and shown[49] == END, shown
        assert re.match(r"> leaky {132}    4\.0 KiB ", shown[9]), shown[9]
        t.tmux("resize-window", "-x", "80", "-y", "24")
        t.until(DRIVERS[2])
        t.tmux("resize-window", "-x", "60", "-y", "10")
        t.until("too small: 80x24 is needed")
        t.tmux("resize-window", "-x", "3", "-y", "2")
        t.tmux("resize-window", "-x", "100", "-y", "30")
        assert t.until(END)[29] == END
        t.keys("q")
        t.assert_sane(1)


def test_keys_lead_to_paths_stack_processes_help_and_back():
    with Terminal() as t:
        t.until(END)
        t.keys("Enter")
        shown = t.until("1 call path of leaky")
        assert shown[9] == ">    4.0 KiB        1        0  pin_user_pages < leaky_ioctl [leaky]", shown
        t.keys("Enter")
        shown = t.until("the stack of a call path of leaky")
        assert shown[8:10] == ["    pin_user_pages", "    leaky_ioctl [leaky]"], shown
        t.keys("?")
        t.until("pause: the screen stands still")
        t.keys("Escape")
        t.until("the stack of")
        t.keys("Tab")
        t.until("2 drivers")
        t.keys("Tab")
        shown = t.until("by bytes")
        t.until("COMMAND")
        assert "user\\xff0" in "\n".join(t.shown()), t.shown()  # a hostile name is harmless
        t.keys("Escape")
        t.until("2 drivers")


def test_keys_sort_choose_and_filter():
    with Terminal() as t:
        t.until(END)
        t.keys("a")
        t.until("2 drivers by age")
        t.keys("Down")
        t.until("> wrong")
        t.keys("Up")
        t.until("> leaky")
        t.keys("/", "w", "r")
        t.until("show only: wr_")
        t.keys("Enter")
        shown = t.until('1 driver by age, with "wr"')
        assert shown[9].startswith("> wrong ") and not shown[10], shown
        t.keys("Escape")
        t.until("2 drivers by age")


def test_a_pause_stands_still_and_then_goes_on():
    with Terminal(replay="--speed 5") as t:
        t.until("orphaned")
        t.keys("Space")
        shown = t.until("PAUSED")
        time.sleep(1)
        assert t.shown() == shown
        t.keys("Space")
        t.until("level deep  00:17:10")


def test_without_colour_nothing_is_sent_but_text():
    for env, args in (("NO_COLOR=1", []), ("TERM=screen", ["--no-color"])):
        with Terminal(*args, env=env) as t:
            t.until(END)
            t.keys("Down", "q")
            t.assert_sane(1)
            sgr = set(re.findall(rb"\x1b\[([\d;]*)m", out(t)))
            assert sgr <= {b"", b"0"}, sgr  # a reset sets nothing
    with Terminal() as t:
        t.until(END)
        t.keys("q")
        t.assert_sane(1)  # then all that was sent is in the file
        assert set(re.findall(rb"\x1b\[([\d;]*)m", out(t))) - {b"", b"0"}


def test_without_utf8_the_graph_is_ascii():
    with Terminal(env="LC_ALL=C") as t:
        shown = t.until(END)
        assert "\n".join(shown).isascii() and "####" in shown[6], shown


def test_a_stop_gives_the_terminal_back_and_a_continue_takes_it_again():
    with Terminal() as t:
        t.until(END)
        os.kill(t.pid(), signal.SIGTSTP)
        t.until_alternate("0")
        os.kill(t.pid(), signal.SIGCONT)
        t.until_alternate("1")
        assert t.until(END)[7:11] == DRIVERS
        t.keys("q")
        t.assert_sane(1)


def test_signals_leave_the_terminal_as_it_was():
    for number in ("TERM", "INT", "HUP", "QUIT"):
        with Terminal(replay="--speed 1") as t:
            t.until("level deep")
            os.kill(t.pid(), getattr(signal, f"SIG{number}"))
            t.until("status=")
            t.assert_sane("")


def test_a_table_is_printed_once_in_less_than_80_columns():
    r = subprocess.run([PINLEAK, "top", "--once", "--replay", RECORDING], capture_output=True,
                       text=True, env={**os.environ, "TZ": "UTC"}, check=False)
    lines = r.stdout.splitlines()
    assert r.returncode == 1 and not r.stderr, r
    assert lines[1:3] == HEAD and max(map(len, lines)) < 80, lines
    assert lines[4].split() == "leaky 4.0 KiB 1 0 0 B 29 s orphaned".split(), lines


def test_the_object_is_one_of_the_schema():
    r = subprocess.run([PINLEAK, "top", "--once", "--json", "--replay", RECORDING],
                       capture_output=True, text=True, check=False)
    assert r.returncode == 1 and json.loads(r.stdout)["drivers"][0]["driver"] == "leaky", r
    subprocess.run([ROOT / "tests/schema"], input=r.stdout, text=True, check=True)


def refused(*args, env=None):
    r = subprocess.run([PINLEAK, "top", *args], capture_output=True, text=True,
                       stdin=subprocess.DEVNULL, env=env, check=False)
    assert r.returncode == 2 and not r.stdout and "error 87" in r.stderr, r
    return r.stderr


def test_wrong_usage_and_no_terminal_are_refused():
    assert "--once" in refused("--replay", RECORDING)
    refused("--json")
    refused("--speed", "2")
    refused("--speed", "0", "--replay", RECORDING)
    refused("--once", "--replay", RECORDING, "--interval", "1s")
    refused("--sort", "colour")
    refused("leaky")
    with Terminal(env="TERM=dumb") as t:
        t.until("cannot place text")
        t.assert_sane(2)


subprocess.run([ROOT / "build/tests/play", RECORDING, "30"], check=True)
sys.exit(tap.run(tap.tests_of(globals()), sys.argv[1:]))
