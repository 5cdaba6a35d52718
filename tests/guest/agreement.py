#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
The ledger and the page structures agree, also when releases were missed: an interrupt releases
pins while the same program runs, the kernel skips it, and yet nobody is accused.
"""
import ctypes
import json
import mmap
import os
import subprocess
import sys
import time

from harness import (LIMIT, PINLEAK, Skip, Watch, drive, leaked, load, outstanding, run, sh, spawn,
                     tests_of, validate)

LIBC = ctypes.CDLL(None, use_errno=True)
IO_SETUP, IO_GETEVENTS, IO_SUBMIT = 206, 208, 209
BLOCK = 1 << 16
DEPTH = 16


class Iocb(ctypes.Structure):
    _fields_ = [("data", ctypes.c_uint64), ("key", ctypes.c_uint32), ("rw_flags", ctypes.c_int32),
                ("opcode", ctypes.c_uint16), ("prio", ctypes.c_int16), ("fd", ctypes.c_uint32),
                ("buf", ctypes.c_uint64), ("nbytes", ctypes.c_uint64), ("offset", ctypes.c_int64),
                ("reserved", ctypes.c_uint64), ("flags", ctypes.c_uint32), ("resfd", ctypes.c_uint32)]


def call(number, *args):
    n = LIBC.syscall(number, *args)
    if n < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return n


def write_for(seconds):
    """Asynchronous direct writes at depth 16: their pins are dropped where they complete."""
    fd = os.open("/dev/nullb0", os.O_WRONLY | os.O_DIRECT)
    buffer = mmap.mmap(-1, BLOCK)
    buffer.write(b"x" * BLOCK)
    address = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
    context = ctypes.c_uint64(0)
    call(IO_SETUP, DEPTH, ctypes.byref(context))
    blocks = [Iocb(opcode=1, fd=fd, buf=address, nbytes=BLOCK, offset=i * BLOCK)
              for i in range(DEPTH)]
    pointers = (ctypes.POINTER(Iocb) * DEPTH)(*[ctypes.pointer(b) for b in blocks])
    events = (ctypes.c_uint64 * (4 * DEPTH))()
    end, said = time.monotonic() + seconds, False
    while time.monotonic() < end:
        n = call(IO_SUBMIT, context, DEPTH, pointers)
        call(IO_GETEVENTS, context, n, n, events, None)
        if not said:
            said = print("writing", flush=True) or True


def verify_once():
    r = subprocess.run([PINLEAK, "census", "--verify", "--json"], capture_output=True, text=True,
                       check=True)
    o = json.loads(r.stdout)
    validate([o])
    return o["verify"]


def verify(w, empty=False):
    """What a census says of a watch. One of them may look at what the other sees a moment later."""
    for _ in range(5):
        w.poll()
        v = verify_once()
        if not (v["without_pin"] or v["unattributed_pins"] or empty and v["records"]):
            break
    return v


def writers(n, seconds):
    """Started, and at it."""
    found = [spawn([sys.executable, __file__, "--write", str(seconds)], stdout=subprocess.PIPE,
                   text=True) for _ in range(n)]
    for p in found:
        assert p.stdout.readline() == "writing\n"
    return found


def test_releases_that_the_kernel_skipped_accuse_nobody():
    if not sh("grep -w unpin_user_folio /proc/kallsyms", check=False):
        raise Skip("O_DIRECT takes plain references on this kernel, no pins")
    sh("modprobe null_blk queue_mode=2 irqmode=2 completion_nsec=30000000 submit_queues=2 gb=1 hw_queue_depth=64")
    load("leaky")
    before = outstanding()
    with Watch("--track", "always", "--level", "deep") as w:
        drive("--pages", 2000, "--times", 2, "use")
        os.sched_setaffinity(0, {0})  # where the writers' interrupts are
        busy = writers(2, 15)
        end = time.monotonic() + 13
        while time.monotonic() < end:
            drive("--pages", 2000, "--times", 60, "use")
            w.poll()
        os.sched_setaffinity(0, range(os.cpu_count()))
        during = verify(w)
        for p in busy:
            assert p.wait(LIMIT) == 0
        after = verify(w, empty=True)
        w.stop()
        loss = w.summary["loss"]
        assert loss["runs_missed"] > 0, "no release was skipped: this tests nothing"
        assert 0 < loss["pins_repaired"] <= 16 * loss["runs_missed"], loss
        assert not w.of("verdict"), w.of("verdict")
        for v in (during, after):
            assert v["without_pin"] == 0 and v["unattributed_pins"] == 0, v
        assert after["records"] == 0, after
        assert w.summary["ledger"]["pins"] == 0, w.summary["ledger"]
    assert outstanding() == before


def test_verify_agrees_with_what_leaked_and_what_is_held():
    load("leaky")
    with Watch("--track", "always") as w:
        p = drive("--pages", 70, "--hold", 3600, "hold", wait=False)
        assert "holding" in p.stdout.readline()
        drive("--pages", 30, "close")
        w.verdict(pins=30)
        v = verify(w)
        assert v["records"] >= 100 and v["without_pin"] == 0, v
        assert v["unattributed_pins"] == 0 and v["pid"] == w.process.pid, v
        p.kill()
        p.wait()


def test_verify_without_a_watch_says_that_there_is_none():
    r = subprocess.run([PINLEAK, "census", "--verify", "--json"], capture_output=True, text=True)
    assert r.returncode == 0 and "no pinleak tracks" in r.stderr, r
    assert json.loads(r.stdout)["verify"] is None


if __name__ == "__main__":
    if sys.argv[1:2] == ["--write"]:
        write_for(float(sys.argv[2]))
        sys.exit(0)
    run(tests_of(globals()))
