#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
pinleak as a service of a real systemd, with the unit, the configuration and the catalog that are
installed: what it sees with no more rights than it needs, what systemd and the journal know of
it, that it is started anew. Runs in a guest of vm/run --systemd, as root.
"""
import contextlib
import errno
import json
import os
import re
import shutil
import time

from harness import LIMIT, PINLEAK, ROOT, drive, load, read, run, sh, tests_of, validate
from memory import HOLD, Device, small

UNIT = "/run/systemd/system/pinleak.service"
PROGRAM = "/usr/local/sbin/pinleak"
CONF = "/etc/pinleak.conf"
HEARD = "/var/lib/pinleak/heard"
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
        f.write("[watch]\ninterval = 200ms\ngrace = 1s\n" + settings)


def verdicts():
    lines = sh(f"journalctl -o json MESSAGE_ID={MESSAGE}", False).splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


@contextlib.contextmanager
def service(settings=""):
    """The unit as it is installed, but for the path of the program."""
    load("leaky")
    shutil.rmtree("/var/lib/pinleak", ignore_errors=True)
    configure(settings)
    shutil.copy(PINLEAK, PROGRAM)  # the unit sees neither /tmp nor anybody's home
    unit = read(f"{ROOT}/systemd/pinleak.service.in")
    with open(UNIT, "w", encoding="ascii") as f:
        f.write(unit.replace("@bindir@/pinleak", PROGRAM)
                .replace("WatchdogSec=60s", "WatchdogSec=20s"))
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
    with service():
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


def test_a_minute_under_load_costs_no_look_and_no_memory():
    """The longest run that a suite has time for."""
    with service(f'on-verdict = {COMMAND}\n'):
        memory = int(show("MemoryCurrent"))
        end = time.monotonic() + 60
        while time.monotonic() < end:
            drive("--pages", 300, "--times", 20, "use")
            drive("--pages", 40, "keep-one:6")
        assert show("ActiveState") == "active" and show("NRestarts") == "0"
        grown = int(show("MemoryCurrent")) - memory
        assert grown < 128 << 20, f"{grown >> 20} MiB more"


run(tests_of(globals()))
