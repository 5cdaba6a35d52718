# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""What the guest tests share: running watch and the test drivers."""
import contextlib
import datetime
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(1, os.path.join(ROOT, "tests"))
import tap
from tap import Skip, tests_of  # what tests take from here

PINLEAK = os.environ.get("PINLEAK", os.path.join(ROOT, "build/pinleak"))
MODULES = os.path.join(ROOT, "build/drivers", os.uname().release)
DRIVE = os.path.join(ROOT, "build/drivers/drive")
LIMIT = 300  # seconds that nothing takes which does not hang, however slow the machine is
RUN_LIMIT = 600  # the same for a whole command line

started = []  # processes of the test that runs


def sh(command, check=True):
    r = subprocess.run(command, shell=True, capture_output=True, text=True, errors="replace")
    if check and r.returncode:
        raise AssertionError(f"{command}: status {r.returncode}: {r.stdout}{r.stderr}")
    return r.stdout


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read().strip()


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def spawn(command, **how):
    """Popen; what is left of it when the test has ended is killed."""
    p = subprocess.Popen(command, **how)
    started.append(p.pid)
    return p


def kill_the_rest():
    """What a test that failed has left running would have pins in the next one."""
    for pid in started:
        with contextlib.suppress(ChildProcessError):  # it was waited for
            if not os.waitpid(pid, os.WNOHANG)[0]:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
    started.clear()


def child(work, *args):
    """work(*args) in a process of its own, which then exits at once."""
    pid = os.fork()
    if pid:
        started.append(pid)
        return pid
    status = 1
    try:
        work(*args)
        status = 0
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(status)


def done(pid):
    assert os.waitpid(pid, 0)[1] == 0, "it failed"


def leaked(module="leaky"):
    return int(read(f"/sys/module/{module}/parameters/leaked"))


def census(*args):
    """Exit status and report of a census that fails when something is leaked."""
    r = subprocess.run([PINLEAK, "census", "--json", "--fail", *args], capture_output=True,
                       text=True)
    assert r.returncode in (0, 1), r
    o = json.loads(r.stdout)
    validate([o])
    return r.returncode, o


def outstanding():
    """Pins by the kernel's own, exact counters."""
    with open("/proc/sys/vm/stat_refresh", "w", encoding="ascii") as f:
        f.write("1")
    stat = dict(line.split() for line in open("/proc/vmstat", encoding="ascii"))
    return int(stat["nr_foll_pin_acquired"]) - int(stat["nr_foll_pin_released"])


def until_outstanding(pins, seconds=120):
    """Until what was pinned has been released: exactly so much as was taken."""
    end = time.monotonic() + seconds
    while outstanding() != pins and time.monotonic() < end:
        time.sleep(0.2)
    assert outstanding() == pins, f"{outstanding()} pins are outstanding, not {pins}"


def load(*modules):
    for m in modules:
        if not os.path.isdir(f"/sys/module/{m}"):
            sh(f"insmod {MODULES}/{m}.ko")


def drive(*args, wait=True):
    p = spawn([DRIVE, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if not wait:
        return p
    out = p.communicate(timeout=LIMIT)[0]
    assert p.returncode == 0, f"drive {args}: status {p.returncode}: {out}"
    return p


def leak_until(w, done, *args, pause=0.25, most=300):
    """Uses the leaking driver again and again, as a service would, until done(w)."""
    for _ in range(most):
        drive(*args)
        w.poll()
        if done(w):
            return
        time.sleep(pause)
    raise AssertionError("it was not noticed")


def when(o):
    """When it was said, by the clock of the day."""
    return datetime.datetime.fromisoformat(o["time"]).timestamp()


class Watch:
    """
    pinleak watch --json, running; its objects are collected as they come. A time that is None is
    what pinleak takes by default.
    """

    LAST = "summary"

    def __init__(self, *args, grace="1s", interval="200ms", settle="600s"):
        times = {"--interval": interval, "--grace": grace, "--settle": settle}
        self.options, self.status = list(args), None
        self.args = [PINLEAK, "watch", "--json",
                     *(word for option, time in times.items() if time for word in (option, time)),
                     *args]
        self.objects = []

    def start(self):
        self.process = spawn(self.args, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        os.set_blocking(self.process.stdout.fileno(), False)
        # A watch whose lines nobody reads for a while must not wait for that.
        fcntl.fcntl(self.process.stdout.fileno(), fcntl.F_SETPIPE_SZ, 1 << 20)
        self.rest = b""

    def __enter__(self):
        self.start()
        if "always" in self.args:
            self.until(lambda o: o["type"] == "state", "tracking is on")
        else:
            self.until(lambda o: o["type"] == "sample", "the first sample")
        return self

    def __exit__(self, kind, value, trace):
        if kind:
            if self.process.poll() is None:
                self.process.kill()
                sys.stderr.write(self.process.communicate()[1].decode(errors="replace"))
            for o in [o for o in self.objects if o["type"] != "sample"][-8:]:
                sys.stderr.write(json.dumps(o)[:1500] + "\n")
        else:
            self.stop()

    def poll(self):
        chunk = self.process.stdout.read()
        if chunk:
            lines = (self.rest + chunk).split(b"\n")
            self.rest = lines.pop()
            self.objects += [json.loads(line) for line in lines]

    def until(self, wanted, what, seconds=LIMIT):
        end = time.monotonic() + seconds
        seen = 0
        while time.monotonic() < end:
            self.poll()
            for o in self.objects[seen:]:
                if wanted(o):
                    return o
            seen = len(self.objects)
            if self.process.poll() is not None:
                raise AssertionError(
                    f"{self.args[1]} ended ({self.process.returncode}) before {what}")
            time.sleep(0.05)
        raise AssertionError(f"not within {seconds} s: {what}")

    def look_on(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.poll()
            assert self.process.poll() is None, f"watch ended ({self.process.returncode})"
            time.sleep(0.2)

    def look_after(self, at):
        """When it first looked after a time."""
        return when(self.until(lambda o: o["type"] == "sample" and when(o) > at, "a look"))

    def until_seen(self, seconds=1.5):
        """
        Until it has looked at all there is now, and again so long after, by its own clock. The
        look that finds a process dead proves nothing yet: that takes one after the time of grace.
        """
        self.poll()
        last = when(self.of("sample")[-1])
        began = self.look_after(self.look_after(last))  # the next one may be under way already
        ended = self.look_after(began)
        self.look_after(ended + seconds)

    def verdict(self, seconds=LIMIT, **wanted):
        return self.until(lambda o: o["type"] == "verdict" and
                          all(o[k] == v for k, v in wanted.items()),
                          f"a verdict with {wanted}", seconds)

    def stop(self):
        """Ctrl-C; waits for the end and keeps status and summary. Once only."""
        if self.status is not None:
            return self
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=LIMIT)
        self.status = self.process.returncode
        self.stderr = err.decode(errors="replace")
        lines = (self.rest + out).split(b"\n")
        self.objects += [json.loads(line) for line in lines if line]
        self.summary = self.objects[-1]
        assert self.summary["type"] == self.LAST, self.summary
        validate(self.objects)
        return self

    def of(self, kind):
        return [o for o in self.objects if o["type"] == kind]


class Printing:
    """pinleak with its output in a file, to be read as it comes; Ctrl-C ends it."""

    def __init__(self, *args):
        self.args = [PINLEAK, *args]
        self.printed = os.path.join(tempfile.mkdtemp(), "printed")

    def __enter__(self):
        with open(self.printed, "wb") as out:
            self.process = spawn(self.args, stdout=out, stderr=subprocess.PIPE)
        return self

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL if kind else signal.SIGINT)
        self.stderr = self.process.communicate(timeout=LIMIT)[1].decode(errors="replace")
        self.status = self.process.returncode

    def output(self):
        with open(self.printed, "rb") as f:
            return f.read()

    def text(self):
        return self.output().decode()

    def until(self, word, seconds=LIMIT):
        end = time.monotonic() + seconds
        while word.encode() not in self.output():
            assert self.process.poll() is None, f"it ended: {self.process.communicate()}"
            assert time.monotonic() < end, f"not within {seconds} s: {word}"
            time.sleep(0.1)


def validate(objects, _cache={}):
    """Every object must match the schema the project publishes."""
    import jsonschema
    if "schema" not in _cache:
        with open(os.path.join(ROOT, "docs/pinleak.schema.json"), encoding="utf-8") as f:
            _cache["schema"] = jsonschema.Draft202012Validator(json.load(f))
    samples = 0
    for o in objects:
        samples += o["type"] == "sample"
        if o["type"] == "sample" and samples > 5:
            continue  # they are all alike, and checking is slow under emulation
        for e in _cache["schema"].iter_errors(o):
            raise AssertionError(f"schema: {e.message} in {json.dumps(o)[:400]}")


def man_examples(page):
    """The command lines of root's that a man page shows, as a shell gets them."""
    lines = re.findall(r"^\.Dl # (.*)$", read(os.path.join(ROOT, "man", page)), re.M)
    assert lines, f"{page} has no examples"
    return [line.replace(r"\(dq", '"').replace(r"\(aq", "'").replace(r"\-", "-") for line in lines]


def run_example(line, place, **env):
    """Runs a line in a directory that has what it names, with our pinleak in PATH."""
    path = f"{os.path.dirname(PINLEAK)}:{os.environ['PATH']}"
    return subprocess.run(line, shell=True, cwd=place, capture_output=True, text=True,
                          timeout=RUN_LIMIT, env={**os.environ, "PATH": path, **env}, check=False)


def assert_balanced(w):
    """What the hooks saw is what the kernel counted, both ways."""
    books = w.summary["loss"]["books"]
    assert books["exact"], books
    assert books["unseen"] == 0 and books["unseen_released"] == 0, books
    assert books["counted_acquired"] == books["seen_acquired"], books
    assert books["counted_released"] == books["seen_released"], books


def run(tests):
    """Runs the tests (all, or those that the command line's patterns name), and ends."""
    sys.exit(tap.run(tests, sys.argv[1:], after=kill_the_rest))
