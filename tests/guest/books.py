#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
The hook plan of this kernel is right: calibration passes, and under io_uring, O_DIRECT, udmabuf
and process_vm_readv the books balance. Needs no module of ours, so it runs on every kernel.
"""
import json
import mmap
import os
import subprocess

from harness import PINLEAK, Skip, Watch, assert_balanced, outstanding, run, sh, tests_of, validate


def doctor():
    r = subprocess.run([PINLEAK, "doctor", "--json"], capture_output=True, text=True)
    o = json.loads(r.stdout)
    validate([o])
    return r.returncode, o


def has(function):
    return bool(sh(f"grep -w {function} /proc/kallsyms", check=False))


def test_doctor_finds_that_every_level_works():
    status, o = doctor()
    assert status == 0 and o["light"]["works"] and o["deep"]["works"], o
    assert all(o["limits"][way]["works"] for way in ("audit", "lsm", "modify")), o["limits"]
    shots = {c["name"]: c for c in o["deep"]["calibration"]}
    assert shots["process_vm_readv"]["ok"] and shots["io_uring"]["ok"], shots
    # before 6.11 udmabuf takes plain references
    assert shots["udmabuf"]["ok"] or not has("memfd_pin_folios"), shots
    for c in shots.values():
        if c["tried"]:
            assert c["seen_acquired"] == c["counted_acquired"] > 0, c
            assert c["seen_released"] == c["counted_released"] > 0, c


def test_functions_with_an_inlined_release_are_hooked_themselves():
    """By the kernel's own disassembly, read by another tool than ours."""
    o = doctor()[1]
    state = {(e["function"], e["role"]): e["state"] for e in o["plan"]}
    assert o["text_known"], "the kernel's code could not be read"
    for function in ("unpin_user_page", "unpin_user_folio", "unpin_folio", "unpin_user_pages"):
        if not has(function):
            assert state[function, "release"] == "absent", state
            continue
        calls = disassembly_calls(function, "gup_put_folio", "unpin_user_pages")
        assert state[function, "release"] == ("covered" if calls else "hook"), (function, calls)


def disassembly_calls(function, *targets):
    """Does objdump find a call or jump to one of the targets in the function's code?"""
    symbols = {}
    ordered = []
    for line in open("/proc/kallsyms", encoding="ascii", errors="replace"):
        addr, kind, name = line.split()[:3]
        if "[" in line:
            break
        ordered.append(int(addr, 16))
        symbols.setdefault(name, int(addr, 16))
    start = symbols[function]
    end = min(a for a in ordered if a > start)
    out = sh(f"objdump -d --start-address={start:#x} --stop-address={end:#x} /proc/kcore")
    wanted = [f"{symbols[t]:x}" for t in targets if t in symbols and t != function]
    return any(w in line.split("\t")[-1] and ("call" in line or "jmp" in line)
               for line in out.splitlines() for w in wanted)


def balanced(load, what):
    before = outstanding()
    with Watch("--track", "always", "--level", "deep") as w:
        load()
        w.until_seen(1)
        w.stop()
        assert_balanced(w)
        assert w.summary["loss"]["books"]["seen_acquired"] > 0, f"{what} took no pins"
        assert not w.of("verdict"), w.of("verdict")
        assert w.summary["ledger"]["pins"] == 0, w.summary["ledger"]
    assert outstanding() == before


def direct_reads():
    sh("modprobe null_blk queue_mode=0 irqmode=0 gb=1")
    fd = os.open("/dev/nullb0", os.O_RDONLY | os.O_DIRECT)
    for size in (4096, 65536, 1 << 20):
        buffer = mmap.mmap(-1, size)
        for k in range(60):
            os.preadv(fd, [buffer], k * size)
    os.close(fd)


def test_the_books_balance_under_direct_reads():
    if not has("unpin_user_folio"):
        raise Skip("O_DIRECT takes plain references on this kernel, no pins")
    balanced(direct_reads, "O_DIRECT")


def test_the_books_balance_under_io_uring_udmabuf_and_process_vm_readv():
    def load():
        for _ in range(3):
            doctor()
    balanced(load, "the calibration")


if __name__ == "__main__":
    os.chdir(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    run(tests_of(globals()))
