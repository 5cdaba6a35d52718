#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
pinleak as a service of a real systemd, with the unit, the configuration and the catalog that are
installed: what it sees with no more rights than it needs, what systemd and the journal know of
it, that it is started anew. Runs in a guest of vm/run --systemd, as root. --minutes N: so long
under load, one minute unless given.
"""
import contextlib
import errno
import json
import os
import re
import shutil
import sqlite3
import sys
import time

from harness import LIMIT, PINLEAK, ROOT, drive, load, read, run, sh, tests_of, validate
from memory import HOLD, Device, small

UNIT = "/run/systemd/system/pinleak.service"
PROGRAM = "/usr/local/sbin/pinleak"
CONF = "/etc/pinleak.conf"
HEARD = "/var/lib/pinleak/heard"
STORE = "/var/lib/pinleak/history.db"
INTERVAL = 0.2  # seconds, as configure() has it
MINUTES = 1
MESSAGE = re.search(r'JOURNAL_VERDICT "(\w+)"', read(f"{ROOT}/journal.h"))[1]

PRIORITIES = {"info": "5", "warning": "4", "critical": "2"}  # as syslog has them

# The command is confined as the service is: it may write where that may, and to no other place.
COMMAND = f"sh -c 'cat >>{HEARD}; echo >>{HEARD}; touch /etc/forbidden; true'"


def show(what):
    return sh(f"systemctl show pinleak -P {what}").strip()


def said():
    """What it has said since it was started last."""
    return sh(f"journalctl --no-pager -o cat _SYSTEMD_INVOCATION_ID={show('InvocationID')}", False)


def until(true, what, seconds=LIMIT):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds} s: {what}; " \
            f"{sh('journalctl --no-pager -n 30 -u pinleak; systemctl status pinleak', False)}"
        time.sleep(0.2)


def configure(settings):
    with open(CONF, "w", encoding="ascii") as f:
        f.write(f"[watch]\ninterval = {INTERVAL}s\ngrace = 1s\n" + settings)


def verdicts():
    lines = sh(f"journalctl -o json MESSAGE_ID={MESSAGE}", False).splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


@contextlib.contextmanager
def service(settings="", watchdog="60s"):
    """The unit as it is installed, but for the path of the program, and how soon it may hang."""
    load("leaky")
    shutil.rmtree("/var/lib/pinleak", ignore_errors=True)
    configure(settings)
    shutil.copy(PINLEAK, PROGRAM)  # the unit sees neither /tmp nor anybody's home
    unit = read(f"{ROOT}/systemd/pinleak.service.in")
    with open(UNIT, "w", encoding="ascii") as f:
        f.write(unit.replace("@bindir@/pinleak", PROGRAM)
                .replace("WatchdogSec=60s", f"WatchdogSec={watchdog}"))
    sh("systemctl daemon-reload && systemctl start pinleak")
    try:
        yield
    finally:
        sh("systemctl stop pinleak; systemctl reset-failed pinleak", False)


def leak_until(true, what):
    def go():
        drive("--pages", 40, "keep-one:6")
        return true()
    until(go, what)


def test_a_leak_is_named_in_the_journal_and_to_the_command():
    with service(f'on-verdict = {COMMAND}\n'):
        assert show("ActiveState") == "active"
        assert show("StatusText").startswith("level "), show("StatusText")
        leak_until(verdicts, "a verdict in the journal")
        entry = verdicts()[0]
        assert entry["PINLEAK_DRIVER"] == "leaky" and entry["PINLEAK_CODE"] == "729", entry
        assert entry["PRIORITY"] == PRIORITIES[entry["PINLEAK_SEVERITY"]], entry
        told = json.loads(entry["PINLEAK_JSON"])
        validate([told])
        assert told["evidence"] == entry["PINLEAK_EVIDENCE"]
        assert told["driver"]["srcversion"] == read("/sys/module/leaky/srcversion"), told["driver"]
        assert told["devices"][0]["node"] == "/dev/leaky", told["devices"]
        until(lambda: os.path.exists(HEARD) and read(HEARD), "the command has heard of it")
        assert json.loads(read(HEARD).splitlines()[0])["driver"]["name"] == "leaky"
        assert not os.path.exists("/etc/forbidden")
        until(lambda: "error 729: 1 driver leaks" in show("StatusText"), "the status tells it")


def test_the_rights_of_the_unit_are_enough_for_all_hooks():
    with service("track = always\nlevel = deep\n"):
        until(lambda: "level deep" in show("StatusText"), "the deep level")
        leak_until(lambda: "not seen:" in said(), "what inspect tells of the driver")
        for word in ("no tracking here", "not permitted", "denied", "counters alone"):
            assert word not in said(), said()


def test_reload_reads_the_configuration_and_what_is_wrong_changes_nothing():
    with service():
        configure("settle = 5s\n")
        sh("systemctl reload pinleak")
        until(lambda: "was read again" in said(), "the new settings")
        configure("settle = soon\n")
        sh("systemctl reload pinleak")
        until(lambda: f"{CONF}:4: settle = soon: expected" in said(),
              "the line that is wrong")
        assert show("ActiveState") == "active" and show("NRestarts") == "0"


def test_a_limit_of_the_configuration_is_held_with_the_rights_of_the_unit():
    with service("limit = leaky:100:enforce\n"):
        until(lambda: "enforced (by " in said(), "the limit is set")
        with Device() as device:
            device.pin_all(small(100))
            try:
                device.pin(HOLD, small(1).address, 1)
                raise AssertionError("it is not refused")
            except OSError as e:
                assert e.errno == errno.ENOMEM, e
            until(lambda: "refused: ioctl()" in said(), "who was refused is told")
            configure("")
            sh("systemctl reload pinleak")
            until(lambda: "the limit has ended" in said(), "it is lifted")
            device.pin(HOLD, small(1).address, 1)


def test_one_that_is_killed_or_hangs_is_started_anew():
    with service(watchdog="20s"):
        sh("systemctl kill --kill-whom=main -s KILL pinleak")
        until(lambda: show("NRestarts") == "1" and show("ActiveState") == "active", "a new start")
        sh("systemctl kill --kill-whom=main -s STOP pinleak")
        until(lambda: int(show("NRestarts")) > 1 and show("ActiveState") == "active",
              "a new start by the watchdog")


def test_a_wrong_configuration_is_no_reason_to_start_again_and_again():
    with contextlib.suppress(AssertionError), service("settle = never\n"):
        raise RuntimeError("it runs with a wrong configuration")
    assert show("NRestarts") == "0"
    assert f"{CONF}:4: settle = never: expected" in sh("journalctl -o cat -u pinleak")


def stored():
    """What the history has of each run, and whether it is whole."""
    with contextlib.closing(sqlite3.connect(f"file:{STORE}?mode=ro", uri=True)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        runs = db.execute("SELECT id, began, ended, clean FROM run ORDER BY id").fetchall()
        looks = db.execute("SELECT sum(n) FROM machine_point WHERE tier = 2").fetchone()[0]
        found = {n: db.execute(f"SELECT * FROM {n} WHERE run = 1 ORDER BY id").fetchall() for n in ("incident", "event")}
    return runs, looks, found


def resident():
    return int(re.search(r"VmRSS:\s+(\d+)", read(f"/proc/{show('MainPID')}/status"))[1]) << 10


def under_load(minutes):
    """Memory of the process and of all the service, in bytes, at the end of each half a minute."""
    used = []
    for _ in range(2 * minutes):
        end = time.monotonic() + 30
        while time.monotonic() < end:
            drive("--pages", 300, "--times", 20, "use")
            drive("--pages", 40, "keep-one:6")
        used.append((resident(), int(show("MemoryCurrent"))))
        print(f"# resident {used[-1][0] >> 10} KiB, of the control group {used[-1][1] >> 10} KiB; {show('StatusText')}",
              flush=True)
        assert show("ActiveState") == "active" and show("NRestarts") == "0", said()
    return used


def test_under_load_it_looks_on_in_the_same_memory_and_a_restart_keeps_its_history():
    with service(f'on-verdict = {COMMAND}\n'):
        used = under_load(MINUTES)
        sh("systemctl restart pinleak")
        before = stored()
        assert [clean for *_, clean in before[0]][0] == 1 and before[2]["incident"], before[0]
        used_after = under_load(1)
        sh("systemctl stop pinleak")
        after = stored()
        assert after[2] == before[2], "the first run's incidents and events are there as they were"
        assert [clean for *_, clean in after[0]] == [1, 1], after[0]
        for run_id, began, ended, _ in after[0]:
            print(f"# run {run_id}: {(ended - began) / 1000:.0f} s", flush=True)
        share = after[1] * INTERVAL / sum((ended - began) / 1000 for _, began, ended, _ in after[0])
        print(f"# {after[1]} looks stored, {before[1]} of them before the restart: {share:.0%} of those that were due; "
              f"{len(after[2]['incident'])} incidents and {len(after[2]['event'])} events of the first run", flush=True)
        assert after[1] > before[1] and share > 0.5, (before[1], after[1], share)  # others run beside
        for part in (used, used_after):
            grown = part[-1][0] - part[0][0], part[-1][1] - part[0][1]
            assert grown[0] < 16 << 20 and grown[1] < 64 << 20, f"{grown} bytes more"


if __name__ == "__main__":
    if "--minutes" in sys.argv:
        at = sys.argv.index("--minutes")
        MINUTES = int(sys.argv[at + 1])
        del sys.argv[at:at + 2]
    run(tests_of(globals()))
