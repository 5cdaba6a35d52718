#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
The page, in headless Chromium, over a session that plays by itself (tests/feed.c): what is drawn,
what comes by itself, what the keyboard can do. Screenshots go to build/page/. Speaks TAP.
Arguments: names of tests, or patterns of them; or --picture FILE, which makes the picture of the README.
"""
import contextlib
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import tap
from browser import LIMIT, PICTURES, POINTS, assert_fits, choose, focused, shown, tab_to, until_live

ROOT = Path(__file__).resolve().parent.parent
FEED = ROOT / "build/tests/feed"
HOSTILE = '<img src=x onerror=alert(1)>"\'&'


@contextlib.contextmanager
def page(interval_ms=300, looks=40, name="leaky", width=1200, height=900, dark=False):
    """A browser with the page of a server that plays."""
    feed = subprocess.Popen([FEED, str(interval_ms), str(looks), name], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
    try:
        with shown(feed.stdout.readline().strip(), width, height, dark) as browser:
            until_live(browser)
            yield browser
    finally:
        feed.stdin.close()
        feed.wait(LIMIT)


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


def test_the_incident_that_was_asked_for_last_is_shown_whichever_answer_comes_first():
    with page() as b:
        b.until("state.incidents.size >= 2")
        b.evaluate("""(() => {
            const real = window.fetch;
            let first = true;
            window.fetch = async (path, how) => {
                const answer = await real(path, how);
                if (first && /incidents\\/\\d+$/.test(path)) {
                    first = false;
                    await new Promise((resolve) => setTimeout(resolve, 1000));
                }
                return answer;
            };
        })()""")
        names = b.evaluate("""(async () => {
            const [one, other] = state.incidents.values();
            await Promise.all([choose(one.id, false), choose(other.id, false)]);
            return [named(one.driver), named(other.driver), document.getElementById("incident-title").textContent];
        })()""")
        assert names[0] != names[1] and names[1] in names[2], names


def test_hostile_names_are_text():
    with page(name=HOSTILE) as b:
        choose(b, "onerror")
        b.until("document.querySelectorAll('#inspect-parts details').length")
        assert b.evaluate(f"document.getElementById('incident-title').textContent.includes({json.dumps(HOSTILE)})")
        assert b.evaluate("document.querySelectorAll('img').length") == 0


def test_all_of_it_can_be_used_by_keyboard():
    with page() as b:
        b.until("document.querySelectorAll('#incidents button').length >= 2")
        assert "5 min" in tab_to(b, "chart")
        for key, number, wanted in (("+", 187, "<"), ("-", 189, ">"), ("ArrowLeft", 37, "")):
            before = b.evaluate("state.view.span")
            b.key(key, number=number, text=key if len(key) == 1 else None)
            time.sleep(0.3)
            after = b.evaluate("state.view.span")
            assert (after < before) == (wanted == "<") and (after > before) == (wanted == ">"), (key, before, after)
        assert not b.evaluate("state.view.follows")
        b.key("Home", number=36)
        b.until("state.view.follows")
        tab_to(b, "leaky")
        b.key("Enter", number=13, text="\r")
        b.until("!document.getElementById('incident').hidden && document.activeElement.id === 'incident'")
        tab_to(b, "Other parameters")
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
            assert_fits(b, width)
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
