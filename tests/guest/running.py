#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
pinleak run: what it passes on, whom it follows, what it accuses and what it lets pass. Runs in
the guest, once a kernel.
"""
import concurrent.futures
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET

from harness import (DRIVE, LIMIT, PINLEAK, ROOT, RUN_LIMIT, drive, leaked, load, man_examples,
                     outstanding, read, run, run_example, sh, spawn, tests_of, validate)

WORK = tempfile.mkdtemp()


class Result:
    def __init__(self, process, out, err, report):
        self.status, self.out, self.err = process.returncode, out, err
        self.objects = []
        if report and os.path.getsize(report):
            with open(report, encoding="utf-8") as f:
                self.objects = [json.loads(line) for line in f]
            validate(self.objects)
            self.run = self.objects[-1]
            assert self.run["type"] == "run" and self.run["exit_status"] == self.status, self.run
        self.text = err.decode(errors="replace")

    def of(self, kind):
        return [o for o in self.objects if o["type"] == kind]


def start(*args, **how):
    """pinleak run, running, with a report of its own; see finish()."""
    fd, report = tempfile.mkstemp(dir=WORK)
    os.close(fd)
    how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
    p = spawn([PINLEAK, "run", "--json", "--output", report, *map(str, args)], **how)
    p.report = report
    return p


def finish(p, data=None):
    out, err = p.communicate(data, timeout=RUN_LIMIT)
    return Result(p, out, err, p.report)


def gate(*args, data=None, **how):
    load("leaky")
    if data is not None:
        how["stdin"] = subprocess.PIPE
    return finish(start(*args, **how), data)


def script(name, text, mode=0o755):
    path = os.path.join(WORK, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def python(code, *args):
    return ["/usr/bin/python3", "-c", code, *map(str, args)]


def clean(r, status=0):
    assert r.status == status, (r.status, r.text, r.run)
    assert not r.of("verdict") and r.run["leaked_pins"] == 0, r.objects
    assert not r.run["incomplete"] and r.run["unproved_pins"] == 0, r.run
    return r


def caught(r, pins, status=99, evidence=("orphaned",), held=0):
    assert r.status == status, (r.status, r.text, r.run)
    assert [(x["driver"], x["pins"], x["remaining_pins"]) for x in r.run["leaks"]] == \
        [("leaky", pins, pins)], r.run
    assert r.run["leaks"][0]["evidence"] in evidence, r.run
    assert r.run["held_pins"] == held and r.run["unproved_pins"] == 0, r.run
    assert r.of("summary")[0]["leaked_pins"] == pins, r.of("summary")
    return r


def leak(*args, then=(), **expected):
    """The command leaks: caught, with what the driver itself says that it leaked."""
    load("leaky")
    before = leaked()
    r = gate(*args)
    want = leaked() - before
    assert want > 0, "the driver has not leaked"
    return caught(r, want, **expected)


# ---- what is passed on ------------------------------------------------------------------------

def shapes_of_commands():
    """name -> (command, exit status, message on standard error or None)"""
    directory = os.path.join(WORK, "directory")
    os.makedirs(directory, exist_ok=True)
    plain = script("no-shebang", 'echo "plain $1"; exit 5\n')
    return {
        "true": (["true"], 0, None),
        "false": (["false"], 1, None),
        "exit 7": (["sh", "-c", "exit 7"], 7, None),
        "exit 255": (["sh", "-c", "exit 255"], 255, None),
        "not found in PATH": (["no-such-program"], 127, "No such file"),
        "no such path": (["./no/such/program"], 127, "No such file"),
        "not executable": ([script("plain-file", "x", 0o644)], 126, "Permission denied"),
        "a directory": ([directory], 126, "Permission denied"),
        "an interpreter that is not there": ([script("bad", "#!/no/such\n")], 127, "No such file"),
        "a script without an interpreter": ([plain, "words"], 5, None),
        "killed by TERM": (["sh", "-c", "kill -TERM $$"], 128 + 15, "killed by signal 15"),
        "killed by KILL": (["sh", "-c", "kill -KILL $$"], 128 + 9, "killed by signal 9"),
        "killed by SEGV": (["sh", "-c", "kill -SEGV $$"], 128 + 11, "killed by signal 11"),
        "the status of a shell whose child was killed": (
            ["sh", "-c", "exec 2>/dev/null; sh -c 'kill -9 $$'; exit $?"], 137, None),
        "its own 2": (["sh", "-c", "exit 2"], 2, None),
        "its own 3": (["sh", "-c", "exit 3"], 3, None),
        "its own 99": (["sh", "-c", "exit 99"], 99, None),
        "forks and exits at once": (["sh", "-c", "sleep 1 & exit 4"], 4, None),
        "forks, and its child goes on alone": (["sh", "-c", "(sleep 2; true) & kill -9 $$"], 137,
                                               "killed by signal 9"),
    }


def test_the_status_of_every_kind_of_command_is_passed_on_also_by_several_at_once():
    def quietly(command):
        return subprocess.run([PINLEAK, "run", "--quiet", "--", *command], capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=RUN_LIMIT, check=False)

    shapes = shapes_of_commands()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        ran = list(pool.map(quietly, [command for command, _, _ in shapes.values()]))
    for p, (name, (_, status, message)) in zip(ran, shapes.items()):
        assert p.returncode == status, (name, p.returncode, p.stderr)
        own = status in (126, 127)  # told even when quiet
        assert p.stderr.decode() == "" or own and message in p.stderr.decode(), (name, p.stderr)
        assert bool(p.stderr) == own, (name, p.stderr)


def test_how_a_command_ended_is_told():
    for command, status, killer in (["sh", "-c", "exit 7"], 7, None), (["sh", "-c", "kill -11 $$"], 139, 11):
        r = clean(gate("--", *command), status)
        assert r.run["signal"] == killer and r.run["status"] == (None if killer else status), r.run
        assert ("killed by signal 11 (Segmentation fault)" in r.text) == (killer == 11), r.text
        assert r.run["command"] == command and r.run["level"] == "deep", r.run
        assert "nothing that sh pinned is left" in r.text, r.text


def test_the_streams_are_the_commands_own_to_the_byte():
    data = bytes(range(256)) * 5000
    r = clean(gate("--", "cat", data=data))
    assert r.out == data
    r = gate("--", "sh", "-c", "printf '\\001\\377' >&2; exec cat", data=b"")
    assert r.err.startswith(b"\x01\xff") and r.out == b"", r.err


def test_arguments_with_blanks_quotes_and_nothing_arrive_as_they_are():
    args = ["", " ", "a b", "--json", "--", "'\"", "$HOME", "\n", "\xe4", "*"]
    r = clean(gate("--", *python("import sys, json; print(json.dumps(sys.argv[1:]))", *args)))
    assert json.loads(r.out) == args, r.out
    assert r.run["command"][3:5] == ["", " "] and r.run["command"][-2] == "\xe4", r.run["command"]


def test_a_command_needs_no_two_dashes():
    assert clean(gate("echo", "--json", "-x")).out == b"--json -x\n"


ENVIRONMENT = """
import json, os, signal
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines())
print(json.dumps({
    "env": dict(os.environ), "cwd": os.getcwd(), "pgrp": os.getpgrp(), "sid": os.getsid(0),
    "ppid": os.getppid(), "fds": sorted(os.listdir("/proc/self/fd")), "umask": os.umask(0),
    **{k: status[k] for k in ("SigBlk", "SigIgn", "SigPnd", "ShdPnd")}}))
"""


def test_the_command_finds_itself_where_it_would_be_without_pinleak():
    """Environment, directory, process group, signals, open files: as in a plain run."""
    how = {"env": {**os.environ, "WORD": "a b"}, "cwd": "/tmp", "restore_signals": False,
           "preexec_fn": lambda: (signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1]),
                                  signal.signal(signal.SIGCHLD, signal.SIG_IGN),
                                  signal.signal(signal.SIGUSR2, signal.SIG_IGN),
                                  signal.signal(signal.SIGPIPE, signal.SIG_DFL))}
    command = python(ENVIRONMENT)
    plain = json.loads(subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, check=True, **how).stdout)
    load("leaky")
    p = start("--", *command, **how)
    r = clean(finish(p))
    found = json.loads(r.out)
    assert found.pop("ppid") == p.pid and plain.pop("ppid") == os.getpid()
    assert found == plain, (found, plain)
    assert int(found["SigIgn"], 16) >> (signal.SIGCHLD - 1) & 1, found
    assert int(found["SigBlk"], 16) == 1 << (signal.SIGUSR1 - 1), found


def test_a_closed_standard_stream_stays_closed():
    listed = "import os; print(sorted(int(f) for f in os.listdir('/proc/self/fd'))[:3])"
    command = f"{PINLEAK} run --json --output {WORK}/closed -- /usr/bin/python3 -c {shlex.quote(listed)}"
    # 2 is what the listing itself has opened
    assert sh(f"{command} <&- 2>&-").strip() == "[0, 1]", sh(f"{command} <&- 2>&-")
    with open(f"{WORK}/closed", encoding="ascii") as f:
        assert json.loads(f.readlines()[-1])["type"] == "run"


def test_sigterm_and_sighup_are_passed_on_and_the_leak_is_judged():
    load("leaky")
    for number in signal.SIGTERM, signal.SIGHUP:
        p = start("--", "sh", "-c", f"trap 'exit 42' TERM HUP; {DRIVE} keep-one:3; echo ready; "
                  "while :; do sleep 0.1; done")
        while b"ready" not in p.stdout.readline():
            pass
        p.send_signal(number)
        r = caught(finish(p), 3)
        assert r.run["status"] == 42, r.run


def test_ctrl_c_ends_the_command_and_pinleak_reports():
    """On a terminal, which sends SIGINT to the whole foreground process group."""
    load("leaky")
    command = f"{PINLEAK} run --json --output {WORK}/ctrl-c -- sh -c " + \
        shlex.quote(f"{DRIVE} keep-one:2; echo ready; exec sleep 60")
    pid, terminal = os.forkpty()
    if not pid:
        os.execvp("sh", ["sh", "-c", f"exec {command}"])
    seen = b""
    while b"ready" not in seen:
        seen += os.read(terminal, 4096)
    time.sleep(0.5)
    os.write(terminal, b"\x03")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 99
    os.close(terminal)
    with open(f"{WORK}/ctrl-c", encoding="utf-8") as f:
        o = json.loads(f.readlines()[-1])
    assert o["signal"] == signal.SIGINT and o["leaked_pins"] == 2 and not o["interrupted"], o


def test_sigint_to_pinleak_alone_does_not_end_the_command():
    p = start("--", "sh", "-c", "echo ready; sleep 2; exit 6")
    p.stdout.readline()
    p.send_signal(signal.SIGINT)
    p.send_signal(signal.SIGQUIT)
    clean(finish(p), 6)


def start_with_daemon(pages, *args):
    """A run whose command ends when a daemon that it leaves behind has pinned, and the daemon."""
    fd, said = tempfile.mkstemp(dir=WORK)
    os.close(fd)
    p = start(*args, "--", "sh", "-c",
              f"setsid {DRIVE} --pages {pages} --hold 600 hold </dev/null >{said} 2>&1 & "
              f"until grep -q holding {said}; do sleep 0.1; done; echo $!")
    return p, int(p.stdout.readline())


def until_command_was_waited_for(p):
    end = time.monotonic() + LIMIT
    while read(f"/proc/{p.pid}/task/{p.pid}/children"):
        assert time.monotonic() < end, "the command does not end"
        time.sleep(0.1)


def test_a_signal_after_the_commands_end_cuts_the_waiting_short():
    load("leaky")
    p, daemon = start_with_daemon(8, "--grace", "600s")
    try:
        until_command_was_waited_for(p)
        began = time.monotonic()
        p.send_signal(signal.SIGTERM)
        r = finish(p)
    finally:
        os.kill(daemon, signal.SIGKILL)
    assert time.monotonic() - began < 300 and r.status == 0, (r.status, r.run)
    assert r.run["interrupted"] and r.run["held_pins"] == 8, r.run


# ---- what is caught ---------------------------------------------------------------------------

def test_a_leak_is_caught_with_the_exact_count_whatever_the_commands_status():
    r = leak("--", DRIVE, "--pages", 300, "--times", 20, "keep-one:3")
    assert r.run["status"] == 0 and "exit status 99; the command's was 0" in r.text, r.text
    r = leak("--", "sh", "-c", f"{DRIVE} keep-one:2; exit 7")
    assert r.run["status"] == 7 and "the command's was 7" in r.text, r.text


def test_a_leak_is_caught_at_level_light_too():
    r = leak("--level", "light", "--", DRIVE, "--pages", 300, "--times", 5, "keep-one:2")
    assert r.run["level"] == "light", r.run


def test_a_leak_by_a_grandchild_is_caught():
    leak("--", "sh", "-c", f"sh -c 'sh -c \"{DRIVE} close; true\"; true'; true")


def test_a_leak_by_an_orphan_in_a_session_of_its_own_is_caught():
    mark = os.path.join(WORK, "orphan")
    code = ("import os, subprocess, sys, time\n"
            "first = os.getpid()\n"
            "if os.fork():\n"
            "    os.wait()\n"
            "    while not os.path.exists(sys.argv[2]): time.sleep(0.05)\n"
            "    sys.exit(0)\n"
            "os.setsid()\n"
            "parent = os.getpid()\n"
            "if os.fork(): os._exit(0)\n"
            "while os.getppid() in (parent, first): time.sleep(0.05)\n"
            "subprocess.run([sys.argv[1], 'keep-one:5'], check=True)\n"
            "open(sys.argv[2], 'w').close()\n"
            "time.sleep(20)\n")  # it outlives the command
    r = leak("--", *python(code, DRIVE, mark))
    assert r.run["status"] == 0, r.run


def test_a_leak_by_the_thread_of_a_process_that_executes_anew_is_caught():
    """execve() in a thread that is not the first one: de_thread() hands the number over."""
    code = ("import os, sys, threading, time\n"
            "threading.Thread(target=lambda: (time.sleep(0.3), os.execv(sys.argv[1], "
            "[sys.argv[1], '--hold', '2', 'keep-one:4']))).start()\n"
            "time.sleep(30)\n")
    leak("--", *python(code, DRIVE))


def test_a_leak_through_a_worker_is_caught():
    r = leak("--", DRIVE, "--pages", 50, "work")
    assert r.of("verdict")[0]["processes"][0]["worker"], r.of("verdict")


def test_a_leak_of_a_failing_call_is_caught():
    # The call failed before the process ended: either may be the first whose grace time is over.
    r = leak("--", DRIVE, "--pages", 80, "error:5", evidence=("error-left", "orphaned"))
    assert r.of("verdict")[-1]["cause"] == "error-path", r.of("verdict")


def test_a_leak_is_told_while_the_command_runs_and_counts_once():
    r = leak("--grace", "500ms", "--", DRIVE, "--pages", 40, "--stay", 20, "close")
    assert [v["evidence"] for v in r.of("verdict")] == ["abandoned", "orphaned"], r.of("verdict")


def test_a_module_that_is_unloaded_by_the_command_is_named():
    load("leaky")
    r = gate("--", "sh", "-c", f"{DRIVE} --pages 33 rmmod && rmmod leaky")
    caught(r, 33, evidence=("unloaded",))


def test_one_page_in_a_million_pins_is_caught():
    load("leaky")
    r = gate("--", "sh", "-c", f"{DRIVE} --pages 1000 --times 500 use && "
             f"{DRIVE} --pages 1000 keep-one && {DRIVE} --pages 1000 --times 499 use")
    caught(r, 1)
    books = r.of("summary")[0]["loss"]["books"]
    assert books["seen_acquired"] >= 1000000 and books["unseen"] == 0, books
    assert books["seen_acquired"] - books["seen_released"] == 1, books
    assert not r.run["incomplete"], r.of("loss")


def test_two_thousand_children_are_followed_and_the_one_that_leaks_is_caught():
    r = leak("--", "sh", "-c", "i=0; while [ $i -lt 2000 ]; do (exit 0) & i=$((i + 1)); "
             f"[ $i != 1234 ] || {DRIVE} keep-one:7 & done; wait")
    loss = r.of("summary")[0]["loss"]
    assert loss["processes_table_full"] == 0, loss
    # An interrupt that frees pages while a program looks at one that is freed is missed: it is said.
    assert r.run["incomplete"] == (loss["runs_missed"] > 0), (r.run, loss)


def test_under_make_with_two_jobs():
    makefile = script("Makefile", f"all: a b c\n"
                      f"a b:\n\t+@MAKEFLAGS= {DRIVE} --pages 100 --times 5 use >/dev/null\n"
                      f"c:\n\t@{DRIVE} keep-one:3 >/dev/null\n", 0o644)
    r = leak("--", "make", "-j2", "-s", "-f", makefile)
    assert r.run["status"] == 0 and b"jobserver" not in r.err, r.err


def test_within_make_the_job_server_is_the_commands():
    makefile = script("Outer", f"all:\n\t+@{PINLEAK} run --quiet -- $(MAKE) -s -f {WORK}/Inner\n", 0o644)
    script("Inner", "all: a b\na b:\n\t@true\n", 0o644)
    r = subprocess.run(["make", "-j2", "-s", "-f", makefile], capture_output=True, text=True,
                       timeout=RUN_LIMIT, check=False)
    assert r.returncode == 0 and r.stderr == "", (r.returncode, r.stderr)


def test_under_a_test_runner_without_a_terminal():
    """As pytest does it: a session of its own, pipes, many subprocesses."""
    path = script("test_driver.py", "import subprocess, unittest\n"
                  "class Driver(unittest.TestCase):\n"
                  f"    def run_drive(self, *args): subprocess.run(['{DRIVE}', *args], check=True, "
                  "capture_output=True)\n"
                  "    def test_use(self): self.run_drive('--times', '9', 'use')\n"
                  "    def test_leak(self): self.run_drive('keep-one:6')\n")
    load("leaky")
    runner = ["/usr/bin/python3", "-m", "unittest", "-q", path]
    if not subprocess.run(["/usr/bin/python3", "-c", "import pytest"], capture_output=True,
                          check=False).returncode:
        runner = ["/usr/bin/python3", "-m", "pytest", "-q", path]
    r = caught(finish(start("--", *runner, cwd=WORK, start_new_session=True)), 6)
    assert r.run["status"] == 0, (r.run, r.text)


def test_a_run_within_a_run_passes_its_status_on():
    inner = [PINLEAK, "run", "--quiet", "--"]
    clean(gate("--", *inner, "sh", "-c", "exit 7"), 7)
    load("leaky")
    before = leaked()
    r = gate("--error-exitcode", 77, "--", *inner, DRIVE, "keep-one:3")
    caught(r, leaked() - before, status=77)
    assert r.run["status"] == 99 and r.text.count("exit status 99") == 1, r.text


# ---- what is not caught -----------------------------------------------------------------------

def test_innocent_use_is_clean_and_ends_at_once():
    load("leaky")
    before = outstanding()
    began = time.monotonic()
    r = clean(gate("--grace", "600s", "--", "sh", "-c",
                   f"{DRIVE} --pages 600 --times 20 use && {DRIVE} --pages 600 hold && "
                   f"{DRIVE} --pages 600 hold unregister"))
    assert time.monotonic() - began < 300, "the grace time was waited for"
    assert r.run["held_pins"] == 0 and not r.of("held"), r.run
    assert outstanding() == before


def test_a_late_release_within_the_grace_time_passes():
    r = clean(gate("--grace", "20s", "--", DRIVE, "--pages", 64, "async:1500"))
    assert r.run["held_pins"] == 0, r.run


def test_a_release_after_the_grace_time_fails_and_is_told_to_have_come():
    load("leaky")
    r = gate("--grace", "500ms", "--", "sh", "-c", f"{DRIVE} --pages 64 async:20000; sleep 25")
    assert r.status == 99, (r.status, r.run)
    assert [(x["pins"], x["remaining_pins"]) for x in r.run["leaks"]] == [(64, 0)], r.run
    assert "came back too late" in r.text, r.text


def test_a_daemon_that_lives_on_holds_its_pins():
    load("leaky")
    p, daemon = start_with_daemon(64, "--grace", "1s")
    try:
        r = clean(finish(p))
    finally:
        os.kill(daemon, signal.SIGKILL)
    assert r.run["held_pins"] == 64, r.run
    held = r.of("held")
    assert [(h["process"]["pid"], h["process"]["alive"], h["pins"], h["driver"], h["device"])
            for h in held] == [(daemon, True, 64, "leaky", "/dev/leaky")], held
    assert "64 pins are still held" in r.text, r.text


PASS_ON = """
import array, os, socket, subprocess, sys, time
sys.path.insert(0, sys.argv[1])
from leaky import pin
f = pin("hold", 16)
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[2])
s.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [f]))])
"""


def pin_library():
    """leaky.py: pin(shape, pages) opens the device and pins; the open file."""
    numbers = script("numbers.c", '#include <stdio.h>\n#include <sys/ioctl.h>\n'
                     f'#include "{ROOT}/drivers/leaky_ioctl.h"\n'
                     'int main(void) { printf("NUMBER = {\'hold\': %lu, \'close\': %lu}\\n", '
                     '(unsigned long)LEAKY_IOC(LEAKY_HOLD), (unsigned long)LEAKY_IOC(LEAKY_CLOSE)); }')
    script("leaky.py", sh(f"cc -o {WORK}/numbers {numbers} && {WORK}/numbers") +
           "import ctypes, fcntl, mmap, os, struct\n"
           "def pin(shape, pages):\n"
           "    global memory\n"
           "    memory = mmap.mmap(-1, pages * 4096)\n"
           "    memory.write(b'x' * len(memory))\n"
           "    at = ctypes.addressof(ctypes.c_char.from_buffer(memory))\n"
           "    f = os.open('/dev/leaky', os.O_RDWR)\n"
           "    fcntl.ioctl(f, NUMBER[shape], struct.pack('QQQ', at, pages, 0))\n"
           "    return f\n")


def test_a_file_that_was_passed_to_a_process_outside_is_held():
    pin_library()
    path = os.path.join(WORK, "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        p = start("--grace", "1s", "--", *python(PASS_ON, WORK, path))
        connection, _ = listener.accept()
        _, fds, _, _ = socket.recv_fds(connection, 1, 1)
        r = clean(finish(p))
        assert r.run["held_pins"] == 16 and not r.of("held")[0]["process"]["alive"], r.run
        os.close(fds[0])
        connection.close()


def test_a_file_that_a_process_outside_has_opened_and_holds_is_held():
    """The command inherits the open file, pins through it and ends; we still have it open."""
    pin_library()
    load("leaky")
    f = os.open("/dev/leaky", os.O_RDWR)
    code = ("import os, sys; sys.path.insert(0, sys.argv[1]); import leaky; "
            "leaky.os.open = lambda *a: int(sys.argv[2]); leaky.pin('hold', 12)")
    r = clean(finish(start("--grace", "1s", "--", *python(code, WORK, f), pass_fds=[f])))
    os.close(f)
    assert r.run["held_pins"] == 12, r.run


def start_that_waits(then):
    """A run whose command has begun, does `then` when told to, and the function that tells it."""
    mark = os.path.join(tempfile.mkdtemp(dir=WORK), "go")
    p = start("--", "sh", "-c", f"echo ready; until [ -e {mark} ]; do sleep 0.1; done; {then}")
    p.stdout.readline()
    return p, lambda: script(mark, "")


def test_what_a_process_outside_leaks_meanwhile_is_not_this_runs():
    load("leaky")
    before = leaked()
    p, go_on = start_that_waits(f"{DRIVE} --times 5 use >/dev/null; sleep 3")
    drive("--pages", 100, "keep-one:9")
    drive("--pages", 100, "close")
    assert leaked() - before == 109
    go_on()
    r = clean(finish(p))
    assert not r.run["leaks"] and r.run["held_pins"] == 0, r.run
    # It was seen all the same, as somebody else's.
    assert r.of("summary")[0]["ledger"]["held"] == 109, r.of("summary")


def test_the_same_leak_inside_and_outside_counts_the_inside_alone():
    load("leaky")
    p, go_on = start_that_waits(f"{DRIVE} keep-one:4; sleep 1")
    drive("keep-one:9")
    go_on()
    caught(finish(p), 4)


def test_pinleak_itself_and_its_other_commands_are_clean():
    r = gate("--", PINLEAK, "doctor")
    assert not r.of("verdict") and r.run["held_pins"] == 0, r.run


# ---- options ----------------------------------------------------------------------------------

def test_what_is_allowed_passes_and_one_pin_more_does_not():
    load("leaky")
    r = gate("--allow", "leaky=5", "--", "sh", "-c", f"{DRIVE} keep-one:5; exit 4")
    caught(r, 5, status=4)
    assert r.run["leaks"][0]["allowed"] and r.run["allowed_pins"] == 5 and not r.run["error"], r.run
    assert ": allowed" in r.text, r.text
    r = gate("--allow", "other=99", "--allow", "leaky=4", "--", DRIVE, "keep-one:5")
    caught(r, 5)
    assert not r.run["leaks"][0]["allowed"] and r.run["error"]["code"] == 729, r.run


def test_the_exit_status_of_a_leak_can_be_chosen():
    leak("--error-exitcode", 1, "--", DRIVE, "keep-one:2", status=1)


def junit(path):
    suite = ET.parse(path).getroot().find("testsuite")
    cases = suite.findall("testcase")
    assert suite.get("name") == "pinleak" and int(suite.get("tests")) == len(cases), suite.attrib
    assert int(suite.get("failures")) == len(suite.findall("testcase/failure")), suite.attrib
    assert int(suite.get("errors")) == len(suite.findall("testcase/error")), suite.attrib
    assert float(suite.get("time")) >= 0 and all(float(c.get("time")) >= 0 for c in cases)
    return suite, cases


def test_junit_of_a_clean_run_a_leaky_one_and_one_that_cannot_be():
    path = os.path.join(WORK, "junit.xml")
    clean(gate("--junit", path, "--", "echo", "<&\"'\x1b\x07\n]]>"))
    suite, cases = junit(path)
    assert suite.get("failures") == suite.get("errors") == "0" and len(cases) == 1
    assert cases[0].get("name") == "echo <&\"'\\x1b\\x07\\x0a]]>", cases[0].attrib
    leak("--junit", path, "--", DRIVE, "keep-one:3")
    suite, cases = junit(path)
    assert [c.get("name") for c in cases[1:]] == ["leaky"] and suite.get("failures") == "1"
    failure = cases[1].find("failure")
    assert "3 pins" in failure.get("message") and "leaky_ioctl [leaky]" in failure.text, failure.text
    assert "ERROR_DRIVERS_LEAKING_LOCKED_PAGES" in failure.text and "\x1b" not in failure.text
    gate("--junit", path, "--", "no-such-program")
    suite, cases = junit(path)
    assert suite.get("errors") == "1" and "No such file" in cases[0].find("error").get("message")
    clean(gate("--junit", path, "--", "sh", "-c", "exit 7"), 7)
    assert "exit status 7" in junit(path)[1][0].find("failure").get("message")


def test_hostile_process_names_are_no_trouble_in_junit():
    path = os.path.join(WORK, "hostile.xml")
    pin_library()
    name = b"\x1b]0;<&>\n\xff\xef\xbf\xbe"
    code = (f"import ctypes, sys; ctypes.CDLL(None).prctl(15, {name!r}, 0, 0, 0); "
            "sys.path.insert(0, sys.argv[1]); import leaky; leaky.pin('close', 3)")
    r = gate("--junit", path, "--", *python(code, WORK))
    caught(r, 3)
    assert "\\x1b]0;<&>" in junit(path)[1][1].find("failure").text


def test_quiet_says_nothing_but_of_a_leak():
    load("leaky")
    p = subprocess.run([PINLEAK, "run", "--quiet", "--", DRIVE, "use"], capture_output=True,
                       timeout=RUN_LIMIT, check=False)
    assert p.returncode == 0 and p.stderr == b"", p.stderr
    p = subprocess.run([PINLEAK, "run", "--quiet", "--", DRIVE, "keep-one"], capture_output=True,
                       text=True, timeout=RUN_LIMIT, check=False)
    assert p.returncode == 99 and "error 729 (0x2D9)" in p.stderr, p.stderr
    assert max(len(line) for line in p.stderr.splitlines()) < 80, p.stderr


def test_json_on_standard_error_is_json_alone():
    load("leaky")
    p = subprocess.run([PINLEAK, "run", "--json", "--", DRIVE, "keep-one:2"], capture_output=True,
                       text=True, timeout=RUN_LIMIT, check=False)
    objects = [json.loads(line) for line in p.stderr.splitlines()]
    validate(objects)
    assert p.returncode == 99 and p.stdout.startswith("drive: keep-one"), p
    assert [o["type"] for o in objects] == ["state", "verdict", "summary", "run"], objects


def test_a_full_table_is_told_and_what_was_recorded_is_caught():
    load("leaky")
    before = leaked()
    r = gate("--table-size", 64, "--", DRIVE, "--pages", 700, "close")
    assert r.status == 99 and r.run["incomplete"], r.run
    assert 0 < r.run["leaked_pins"] < leaked() - before == 700, r.run
    assert "something was lost" in r.text and r.of("loss"), r.text


def release_hook():
    return "gup_put_folio"


def test_without_deep_tracking_a_run_goes_on_at_level_light_and_says_so():
    r = leak("--omit-hook", release_hook(), "--", DRIVE, "keep-one:2")
    assert r.run["level"] == "light" and "do not see every pin" in r.text, r.text


def test_a_level_that_is_asked_for_and_refused_means_3_and_the_command_is_not_run():
    for level, hook in ("deep", release_hook()), ("light", "pin_user_pages_remote"):
        mark = os.path.join(WORK, f"ran-{level}")
        r = gate("--level", level, "--omit-hook", hook, "--", "touch", mark)
        assert r.status == 3 and "do not see every pin" in r.text, (r.status, r.text)
        assert "pinleak: the command was not run" in r.text and not os.path.exists(mark)
        assert "do not see every pin" in r.run["trouble"], r.run


def test_without_root_the_command_is_not_run():
    mark = os.path.join(WORK, "ran")
    os.chmod(WORK, 0o777)
    p = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                        "--bounding-set=-all", "--inh-caps=-all", "--", PINLEAK, "run", "--quiet",
                        "--", "touch", mark], capture_output=True, text=True, timeout=RUN_LIMIT,
                       check=False)
    assert p.returncode == 3 and p.stdout == "" and not os.path.exists(mark), p
    assert p.stderr.startswith("pinleak: no tracking here") and "no root" in p.stderr, p.stderr


def test_nothing_stays_attached():
    clean(gate("--", "true"))
    programs = json.loads(sh("bpftool -j prog list") or "[]")
    assert not [p for p in programs if p["type"] in ("tracing", "kprobe", "syscall")], programs


# ---- the man page -----------------------------------------------------------------------------

def test_the_examples_of_the_man_page_do_what_they_say():
    """Each line that the page shows is run, in a directory that has what it names."""
    lines = man_examples("pinleak-run.1")
    load("leaky")
    place = tempfile.mkdtemp(dir=WORK)
    script(os.path.join(place, "test-driver"), "#!/bin/sh\ncase $1 in --async) set -- async:3000;; "
           f"*) set --;; esac\nexec {DRIVE} $1 $LEAK\n")
    with open(os.path.join(place, "Makefile"), "w", encoding="ascii") as f:
        f.write("check: one two\none two:\n\t./test-driver\n")
    want = {  # what each has to end with: when the driver leaks a pin, and when it does not
        "--allow": (0, 0), "--grace": (99, 0), "--json": (0, 0), "make": (99, 0), "": (99, 0)}
    assert len(lines) >= 5, lines
    for line in lines:
        leaky, right = next(v for k, v in want.items() if k in line)
        for shape, status in ("keep-one", leaky), ("use", right):
            p = run_example(line, place, LEAK=shape)
            assert p.returncode == status, (line, shape, p.returncode, p.stdout, p.stderr)
            if "--json" in line:
                o = json.loads(p.stdout.splitlines()[-1])
                assert o["type"] == "run" and o["leaked_pins"] == (shape == "keep-one"), o
    junit(os.path.join(place, "leaks.xml"))


# ---- plain references ---------------------------------------------------------------------------

def plain_leaks(r):
    return [(x["driver"], x["references"], x["pins"], x["evidence"]) for x in r.run["leaks"]]


def test_references_that_are_left_behind_are_counted_exactly():
    for pages in (1, 40):
        r = gate("--references", DRIVE, "--pages", pages, "get-leak")
        assert r.status == 99 and plain_leaks(r) == [("leaky", pages, 0, "orphaned")], (r.text, r.run)
        assert r.run["leaked_references"] == pages and r.run["leaked_pins"] == 0, r.run
        assert r.run["unproved_pins"] == 0, r.run


def test_references_of_a_child_that_died_long_before_the_command_ends_count_as_well():
    r = gate("--references", "sh", "-c", f"{DRIVE} --pages 8 get-leak; sleep 6; {DRIVE} get-use")
    assert r.status == 99 and plain_leaks(r) == [("leaky", 8, 0, "orphaned")], (r.text, r.run)


def test_references_that_are_dropped_let_the_command_pass():
    for shape in ("get-use", "get-fail", "use"):
        r = clean(gate("--references", DRIVE, "--times", 20, shape))
        assert r.run["leaked_references"] == 0, r.run


def test_without_the_option_references_are_not_looked_at():
    clean(gate(DRIVE, "--pages", 16, "get-leak"))


def test_references_in_a_pipe_of_somebody_else_are_no_leak_and_not_waited_for():
    """A driver uses pages of a file in memory that then lie in a pipe; the process is gone."""
    out, into = os.pipe()
    code = ("import mmap, os, sys; sys.path.insert(0, 'tests/guest'); import memory\n"
            "fd = os.memfd_create('spliced'); os.ftruncate(fd, 8 * 4096)\n"
            "m = memory.Memory(8 * 4096, mmap.MAP_SHARED, fd)\n"
            "with memory.Device() as d: d.pin_all(m, memory.GET_USE)\n"
            f"os.splice(fd, {into}, 8 * 4096, offset_src=0)\n")
    began = time.monotonic()
    p = start("--references", *python(code), pass_fds=(into,), cwd=ROOT)
    r = clean(finish(p))
    assert time.monotonic() - began < 100, "they were waited for: that takes two minutes"
    assert r.run["leaked_references"] == 0, r.run
    os.close(out)
    os.close(into)


if __name__ == "__main__":
    os.chdir(ROOT)
    for interrupt in signal.SIGINT, signal.SIGQUIT:  # ignored when we run in the background
        signal.signal(interrupt, lambda number, frame: sys.exit(128 + number))
    run(tests_of(globals()))
