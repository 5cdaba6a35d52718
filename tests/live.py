#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
The page of a kernel that runs: a guest whose driver leaks (tests/guest/shown.py), and headless Chromium
on this side of the network. Screenshots go to build/page/live*.png. Speaks TAP.
Arguments: names of tests, or patterns of them.
"""
import contextlib
import json
import secrets
import socket
import subprocess
import sys
from pathlib import Path

import tap
from browser import POINTS, assert_fits, choose, focused, shown, tab_to, until_live

ROOT = Path(__file__).resolve().parent.parent
GUEST_LIMIT = 300  # seconds; a guest is slow
INCIDENTS = "document.getElementById('incidents').innerText"


def free_ports(number):
    with contextlib.ExitStack() as open_now:
        sockets = [open_now.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [s.getsockname()[1] for s in sockets]


class Guest:
    """Boots, watches, and serves at url whoever knows the token."""

    def __init__(self):
        self.token = secrets.token_hex(16)
        page, self.orders = free_ports(2)
        self.url = f"http://127.0.0.1:{page}/"
        network = (f"-netdev user,id=n,restrict=on,hostfwd=tcp:127.0.0.1:{page}-:9729,"
                   f"hostfwd=tcp:127.0.0.1:{self.orders}-:9730 -device virtio-net-pci,netdev=n")
        self.process = subprocess.Popen(
            [ROOT / "vm/run", "--timeout", "900", "--qemu", network, "--",
             "/usr/bin/python3", "tests/guest/shown.py", self.token], cwd=ROOT, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        with contextlib.ExitStack() as failed:
            failed.callback(self.process.terminate)
            said = self.process.stdout.readline()
            assert said == "ready\n", f"the guest says {said!r}, status {self.process.poll()}"
            connection = socket.create_connection(("127.0.0.1", self.orders), GUEST_LIMIT)
            self.lines = connection.makefile("rw")
            connection.close()  # when the lines are
            failed.pop_all()
        return self

    def leak(self, pins):
        """Returns when a verdict has told of so many."""
        print(pins, file=self.lines, flush=True)
        said = self.lines.readline()
        assert said == "leaked\n", said

    def __exit__(self, kind, value, trace):
        self.lines.close()
        if kind:
            self.process.terminate()
        status = self.process.wait(GUEST_LIMIT)
        assert kind or status == 0, f"the guest ended with status {status}"


def refused(b, why):
    """The page asks for a token and says why; that it was refused is what the browser complains of, once."""
    b.until(f"document.getElementById('live').textContent.endsWith({json.dumps(why)})", GUEST_LIMIT)
    b.until("document.activeElement.id === 'token'")
    complaints = [c["entry"]["text"] for c in b.complaints()]
    assert len(complaints) == 1 and "401" in complaints[0], complaints
    b.events.clear()


def give(b, token):
    """Types it in."""
    b.evaluate("document.activeElement.select()")
    b.call("Input.insertText", text=token)
    b.key("Enter", number=13, text="\r")


def give_token(b, token):
    refused(b, ": a token is needed")
    give(b, "no" + token)
    refused(b, ": this token is not the server's")
    give(b, token)
    until_live(b, GUEST_LIMIT)
    assert b.evaluate("document.getElementById('token-form').hidden")


def test_a_real_leak_comes_to_the_page_by_itself_and_is_told_in_full():
    with Guest() as guest, shown(guest.url) as b:
        give_token(b, guest.token)
        b.until("document.querySelectorAll('#chart .pins').length")
        first = b.evaluate(POINTS)
        b.until(f"{POINTS} > {first + 3}", GUEST_LIMIT)
        assert "None so far" in b.evaluate(INCIDENTS)
        b.picture("live-before")
        b.evaluate("window.stays = true")
        guest.leak(8)
        b.until(f"{INCIDENTS}.includes('leaky')", GUEST_LIMIT)
        assert "leaky leaks locked pages" in b.evaluate("document.getElementById('alarm').innerText")
        b.until("document.querySelectorAll('#chart .mark').length >= 1", GUEST_LIMIT)
        assert b.evaluate("window.stays"), "without a reload"
        choose(b)
        b.until("document.querySelectorAll('#inspect-parts details').length", GUEST_LIMIT)
        text = b.evaluate("document.getElementById('incident').innerText")
        for words in ("module leaky", "729", "orphaned", "still pinned", "leaky_ioctl", "/dev/leaky",
                      "pinleak inspect leaky", "version 1.0", "out of tree"):
            assert words in text, (words, text)
        frames = b.evaluate("document.querySelector('#flame svg').textContent")
        assert "leaky_ioctl" in frames and "do_syscall_64" in frames, frames
        b.picture("live")


def test_it_is_walked_by_keyboard_within_360_pixels_while_more_is_leaked():
    with Guest() as guest, shown(guest.url, width=360, height=780, dark=True) as b:
        give_token(b, guest.token)
        guest.leak(8)
        b.until(f"{INCIDENTS}.includes('leaky')", GUEST_LIMIT)
        assert "5 min" in tab_to(b, "leaky")
        b.key("Enter", number=13, text="\r")
        b.until("!document.getElementById('incident').hidden && document.activeElement.id === 'incident'")
        b.until("document.querySelectorAll('#flame svg rect').length >= 2", GUEST_LIMIT)
        pins = "Number(/([0-9,]+) pins/.exec(document.getElementById('incident').innerText)[1].replaceAll(',', ''))"
        before = b.evaluate(pins)
        guest.leak(before + 8)
        b.until(f"{pins} > {before}", GUEST_LIMIT)
        assert focused(b) == "incident", "what comes later leaves the focus where it is"
        b.until("document.querySelectorAll('#inspect-parts details').length", GUEST_LIMIT)
        assert_fits(b, 360)
        b.picture("live-narrow-dark")


if __name__ == "__main__":
    sys.exit(tap.run(tap.tests_of(globals()), sys.argv[1:]))
