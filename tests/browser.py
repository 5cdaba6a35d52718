# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""Headless Chromium, as the tests of the page drive it."""
import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

PICTURES = Path(__file__).resolve().parent.parent / "build/page"
LIMIT = 60  # seconds that nothing takes which does not hang


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
def shown(url, width=1200, height=900, dark=False):
    """A browser that shows the page at url: in the end nothing has complained, nothing come from elsewhere."""
    browser = Browser()
    try:
        browser.size(width, height, dark)
        browser.open(url)
        yield browser
        assert not browser.complaints(), browser.complaints()
        foreign = {u for u in browser.requested() if not u.startswith((url, "data:", "about:"))}
        assert not foreign, foreign
    finally:
        browser.close()


# ---- what the page shows -----------------------------------------------------------------------

POINTS = "document.querySelector('#chart .pins').getAttribute('d').split('L').length"


def until_live(b, seconds=LIMIT):
    b.until("document.getElementById('live').textContent === 'live'", seconds)


def choose(b, words="leaky"):
    """Opens the incident with these words in its row."""
    row = f"[...document.querySelectorAll('#incidents button')].find(x => x.innerText.includes('{words}'))"
    b.until(row + " !== undefined")
    b.evaluate(row + ".click()")
    b.until("document.querySelectorAll('#flame svg rect').length >= 2")


def focused(b):
    return b.evaluate("document.activeElement.id || document.activeElement.innerText")


def tab_to(b, words):
    """Tab, until what has the focus has these words; all that had it on the way."""
    way = []
    while len(way) < 14:
        b.key("Tab", number=9)
        way.append(focused(b))
        if words in way[-1]:
            return way
    raise AssertionError(f"no Tab leads to {words}: {way}")


def assert_fits(b, width):
    """Nothing of the page, with all opened that can be, is beyond its width."""
    b.evaluate("document.querySelectorAll('details').forEach(x => { x.open = true; })")
    assert b.evaluate("document.documentElement.scrollWidth") <= width, b.evaluate(
        "[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth)"
        ".map(e => e.tagName + '#' + e.id).join()")
