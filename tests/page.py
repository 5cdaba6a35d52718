#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
The page, in headless Chromium, over a session that plays by itself (tests/feed.c): what is drawn,
what comes by itself, what the keyboard can do. Screenshots go to build/page/. Speaks TAP.
Arguments: names of tests, or patterns of them; or --picture FILE, which makes the picture of the README.
"""
import base64
import contextlib
import json
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tap

ROOT = Path(__file__).resolve().parent.parent
FEED = ROOT / "build/tests/feed"
PICTURES = ROOT / "build/page"
LIMIT = 60  # seconds that nothing takes which does not hang
HOSTILE = '<img src=x onerror=alert(1)>"\'&'


class Browser:
    """Chromium, driven through a pair of pipes by its DevTools protocol."""

    def __init__(self):
        self.home = tempfile.mkdtemp(prefix="pinleak-page-")
        out, self.commands = os.pipe()
        self.answers, into = os.pipe()

        def set_pipes():
            a, b = os.dup(out), os.dup(into)  # neither may be in the other's place
            os.dup2(a, 3)
            os.dup2(b, 4)

        self.process = subprocess.Popen(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--hide-scrollbars", "--disable-lcd-text", "--force-color-profile=srgb", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--remote-debugging-pipe", f"--user-data-dir={self.home}", "about:blank"],
            preexec_fn=set_pipes, pass_fds=(3, 4, out, into), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(out)
        os.close(into)
        self.rest, self.number, self.events, self.session = b"", 0, [], None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.commands)
        os.close(self.answers)
        shutil.rmtree(self.home, ignore_errors=True)

    def message(self, seconds):
        end = time.monotonic() + seconds
        while b"\0" not in self.rest:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.answers], [], [], left)[0]:
                return None
            chunk = os.read(self.answers, 1 << 20)
            assert chunk, "chromium has ended"
            self.rest += chunk
        one, self.rest = self.rest.split(b"\0", 1)
        return json.loads(one)

    def call(self, method, **params):
        self.number += 1
        o = {"id": self.number, "method": method, "params": params}
        if self.session:
            o["sessionId"] = self.session
        os.write(self.commands, json.dumps(o).encode() + b"\0")
        while (got := self.message(LIMIT)) is not None:
            if got.get("id") == self.number:
                assert "error" not in got, (method, got)
                return got["result"]
            self.events.append(got)
        raise AssertionError(f"no answer to {method}")

    def evaluate(self, script):
        r = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in r, r["exceptionDetails"]
        return r["result"].get("value")

    def until(self, script, seconds=LIMIT):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := self.evaluate(script):
                return value
            time.sleep(0.1)
        raise AssertionError(f"not within {seconds} s: {script}; page: {self.evaluate('document.body.innerText')[:800]}")

    def size(self, width, height, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 500)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.call("Emulation.setLocaleOverride", locale="en-GB")
        self.call("Emulation.setTimezoneOverride", timezoneId="UTC")

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete'")

    def key(self, key, code=None, number=0, text=None):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=code or key, windowsVirtualKeyCode=number,
                      **({"text": text} if text and kind == "keyDown" else {}))

    def drag(self, x, y, to):
        for kind, at, buttons in (("mousePressed", x, 1), ("mouseMoved", (x + to) / 2, 1), ("mouseMoved", to, 1),
                                  ("mouseReleased", to, 0)):
            self.call("Input.dispatchMouseEvent", type=kind, x=at, y=y, button="left", buttons=buttons, clickCount=1)

    def save(self, path, **how):
        r = self.call("Page.captureScreenshot", **how)
        path.write_bytes(base64.b64decode(r["data"]))

    def picture(self, name):
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.save(PICTURES / f"{name}.png", captureBeyondViewport=True)

    def complaints(self):
        """Errors on the console, and what the page's policy has refused."""
        return [e["params"] for e in self.events
                if e["method"] == "Runtime.exceptionThrown" or
                e["method"] == "Runtime.consoleAPICalled" and e["params"]["type"] in ("error", "warning", "assert") or
                e["method"] == "Log.entryAdded" and e["params"]["entry"]["level"] in ("error", "warning")]

    def requested(self):
        return {e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"}


@contextlib.contextmanager
def page(interval_ms=300, looks=40, name="leaky", width=1200, height=900, dark=False):
    """A browser with the page of a server that plays; nothing may complain in the end."""
    feed = subprocess.Popen([FEED, str(interval_ms), str(looks), name], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
    browser = Browser()
    try:
        url = feed.stdout.readline().strip()
        browser.size(width, height, dark)
        browser.open(url)
        browser.until("document.getElementById('live').textContent === 'live'")
        yield browser
        assert not browser.complaints(), browser.complaints()
        foreign = {u for u in browser.requested() if not u.startswith((url, "data:", "about:"))}
        assert not foreign, foreign
    finally:
        browser.close()
        feed.stdin.close()
        feed.wait(LIMIT)


POINTS = "document.querySelector('#chart .pins').getAttribute('d').split('L').length"


def test_the_chart_is_drawn_and_goes_on_by_itself():
    with page() as b:
        b.until("document.querySelectorAll('#chart .pins').length")
        first = b.evaluate(POINTS)
        assert first >= 30, first
        b.until(f"{POINTS} > {first + 5}")
        assert b.evaluate("document.querySelectorAll('#chart .area').length") >= 1
        assert "leaky" in b.evaluate("document.getElementById('legend').innerText")
        assert "Nothing was lost" in b.evaluate("document.getElementById('losses').innerText")
        b.picture("light")


def test_a_verdict_appears_without_a_reload():
    with page(looks=3, interval_ms=2000) as b:  # so that there is time to see the page before
        assert "None so far" in b.evaluate("document.getElementById('incidents').innerText")
        b.evaluate("window.stays = true")
        b.until("document.getElementById('incidents').innerText.includes('leaky')")
        assert "leaky leaks locked pages" in b.evaluate("document.getElementById('alarm').innerText")
        b.until("document.querySelectorAll('#chart .mark').length >= 1")
        assert b.evaluate("window.stays")


def choose(b, words="leaky"):
    """Opens the incident with these words in its row."""
    row = f"[...document.querySelectorAll('#incidents button')].find(x => x.innerText.includes('{words}'))"
    b.until(row + " !== undefined")
    b.evaluate(row + ".click()")
    b.until("document.querySelectorAll('#flame svg rect').length >= 2")


def test_an_incident_opens_with_proof_stack_and_flame_graph():
    with page() as b:
        choose(b)
        text = b.evaluate("document.getElementById('incident').innerText")
        for words in ("module leaky", "729", "orphaned", "still pinned", "pin_user_pages"):
            assert words in text, (words, text)
        b.picture("incident")


def test_an_incident_shows_what_inspect_found_of_the_driver():
    with page() as b:
        choose(b)
        b.until("document.querySelectorAll('#inspect-parts details').length >= 5")
        text = b.evaluate("document.getElementById('incident').innerText")
        for words in ("pinleak inspect leaky", "version 1.0, out of tree, not signed", "0 errors, 3 warnings, 1 other lines",
                      "RLIMIT_MEMLOCK of grab (2149): 5.0 MiB used of 8.0 MiB", "leaky: a transfer was cut short",
                      "(3 times, last at 104.000000)", "timeout_ms = 0 (default 500)"):
            assert words in text, (words, text)
        assert "debug = 0" not in text  # as usual: one has to open it
        whole = b.evaluate("document.getElementById('inspect-parts').textContent")
        for words in ("debug = 0 (the default)", "grab (pid 2149): /dev/leaky, 1 times", "no package owns", "/dev/leaky"):
            assert words in whole, (words, whole)
        assert b.evaluate("choose(state.chosen, false).then(() => inspectNow !== null)")
        b.evaluate("showInspect(null, {driver: {name: 'gone'}})")
        text = b.evaluate("document.getElementById('incident').innerText")
        assert "has not been looked at" in text and "pinleak inspect gone" in text, text
        assert not b.evaluate("document.querySelectorAll('#inspect-parts details, #inspect-facts div').length")


def test_hostile_names_are_text():
    with page(name=HOSTILE) as b:
        choose(b, "onerror")
        b.until("document.querySelectorAll('#inspect-parts details').length")
        assert b.evaluate(f"document.getElementById('incident-title').textContent.includes({json.dumps(HOSTILE)})")
        assert b.evaluate("document.querySelectorAll('img').length") == 0


def focused(b):
    return b.evaluate("document.activeElement.id || document.activeElement.innerText")


def test_all_of_it_can_be_used_by_keyboard():
    with page() as b:
        b.until("document.querySelectorAll('#incidents button').length >= 2")
        way = []
        for _ in range(14):
            b.key("Tab", number=9)
            way.append(focused(b))
            if "leaky" in way[-1]:
                break
            if way[-1] == "chart":
                for key, number, wanted in (("+", 187, "<"), ("-", 189, ">"), ("ArrowLeft", 37, "")):
                    before = b.evaluate("state.view.span")
                    b.key(key, number=number, text=key if len(key) == 1 else None)
                    time.sleep(0.3)
                    after = b.evaluate("state.view.span")
                    assert (after < before) == (wanted == "<") and (after > before) == (wanted == ">"), (key, before, after)
                assert not b.evaluate("state.view.follows")
                b.key("Home", number=36)
                b.until("state.view.follows")
        assert "5 min" in way and "chart" in way and "leaky" in way[-1], way
        b.key("Enter", number=13, text="\r")
        b.until("!document.getElementById('incident').hidden && document.activeElement.id === 'incident'")
        for _ in range(14):
            b.key("Tab", number=9)
            if focused(b).startswith("Other parameters"):
                break
        opened = "document.activeElement.parentElement.open"
        assert not b.evaluate(opened), focused(b)
        b.key("Enter", number=13, text="\r")
        b.until(opened)
        b.evaluate("choose(state.chosen, false)")  # as when more is known
        assert b.evaluate(opened), "it stays open, and keeps the focus"


def test_dragging_zooms_and_now_goes_back():
    with page() as b:
        b.until("document.querySelectorAll('#chart .pins').length")
        x, y, width = b.evaluate("(r => [r.x, r.y, r.width])(document.getElementById('chart').getBoundingClientRect())")
        b.drag(x + width * 0.5, y + 80, x + width * 0.8)
        b.until("!state.view.follows && state.view.span < 150000")
        b.evaluate("document.querySelector('[data-now]').click()")
        b.until("state.view.follows")


def test_it_fits_360_pixels_and_the_dark():
    for width, dark, name in ((360, False, "narrow"), (360, True, "narrow-dark"), (1200, True, "dark")):
        with page(width=width, height=780, dark=dark) as b:
            choose(b)
            b.evaluate("document.querySelectorAll('details').forEach(x => { x.open = true; })")
            assert b.evaluate("document.documentElement.scrollWidth") <= width, b.evaluate(
                "[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth)"
                ".map(e => e.tagName + '#' + e.id).join()")
            paper = b.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (max(map(int, re.findall(r"\d+", paper)[:3])) < 60) == dark, paper
            b.picture(name)


def test_it_takes_up_again_what_was_interrupted():
    with page() as b:
        b.until("document.querySelectorAll('#chart .pins').length")
        b.call("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=-1, uploadThroughput=-1)
        b.evaluate("fetch('/healthz').catch(() => 1).then(() => 1)")
        b.call("Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=-1)
        at = b.evaluate("state.points.at(-1).t")
        b.until(f"document.getElementById('live').textContent === 'live' && state.points.at(-1).t > {at + 3000}")
        b.events = [e for e in b.events if e["method"] != "Log.entryAdded"]  # what was offline is said to be


# ---- the picture of the README --------------------------------------------------------------

def make_picture(path):
    """From the top to the end of the flame graph; what is shown changes with the page alone."""
    with page(60000, 320, "--scenery", width=960) as b:
        choose(b)
        b.evaluate("scrollTo(0, 0); document.activeElement.blur()")
        time.sleep(1)  # until it is drawn so
        height = b.evaluate("document.getElementById('flame').getBoundingClientRect().bottom")
        b.save(path, clip={"x": 0, "y": 0, "width": 960, "height": height, "scale": 1}, captureBeyondViewport=True)


def test_the_picture_of_the_readme_shows_a_leak_and_is_small():
    PICTURES.mkdir(parents=True, exist_ok=True)
    make_picture(PICTURES / "readme.png")
    for picture in (PICTURES / "readme.png", ROOT / "docs/page.png"):
        assert 50_000 < picture.stat().st_size < 150_000, f"{picture}: {picture.stat().st_size} bytes"
    assert "](docs/page.png)" in (ROOT / "README.md").read_text()


if sys.argv[1:2] == ["--picture"]:
    make_picture(Path(sys.argv[2]))
else:
    sys.exit(tap.run(tap.tests_of(globals()), sys.argv[1:]))
