#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
Releases that are wrong: put_page() on pins, pages unpinned twice or never pinned. The driver that
did it is named with the exact count, and nobody else, however odd the references of the pages
are. Runs in the guest, once a kernel.
"""
import ctypes
import mmap
import os
import time

from harness import (PINLEAK, Skip, Watch, assert_balanced, child, done, drive, leak_until, leaked,
                     load, outstanding, read, run, sh, tests_of, until_outstanding, write)


def wrong(module="leaky"):
    return int(read(f"/sys/module/{module}/parameters/wrong_releases"))


def accused(w):
    return {o["driver"]["name"] for o in w.of("verdict")}


def released(*args, kind, cause, module="leaky", leaks=0, also=()):
    """Deep from the beginning: wrong releases of pins that were not there, to the pin."""
    load("leaky", *also)
    before, pins_before = wrong(module), outstanding()
    with Watch("--track", "always", "--level", "deep") as w:
        drive(*args)
        want = wrong(module) - before
        assert want > 0, "the driver has not released wrongly"
        evidence = "orphaned" if leaks else "wrong-release"
        w.verdict(evidence=evidence)  # perhaps in the middle of the call: not yet of all
        w.stop()
        v = w.of("verdict")[-1]
        assert (v["wrong_releases"], v["pins"], v["evidence"]) == (want, leaks, evidence), v
        assert v["driver"]["name"] == module and v["driver"]["kind"] == "module", v["driver"]
        assert v["error"]["code"] == 729 and v["cause"] == cause, (v["error"], v["cause"])
        assert [r["kind"] for r in v["releases"]] == [kind], v["releases"]
        r = v["releases"][0]
        assert r["count"] == want and r["process"]["comm"] == "drive", r
        assert any(f"[{module}]" in frame for frame in r["stack"]), r["stack"]
        assert len(v["driver"]["srcversion"]) > 8, v["driver"]
        assert accused(w) == {module}, accused(w)
        assert w.status == 1, w.status
        assert w.summary["leaks"][0]["wrong_releases"] == want, w.summary["leaks"]
        assert outstanding() - pins_before == leaks - want
        assert_balanced(w)
    return v


def test_pages_unpinned_twice_are_found():
    released("--pages", 40, "double-unpin:7", kind="double-release", cause="double-release")


def test_pages_unpinned_twice_by_many_processes_are_found():
    load("leaky")
    before = wrong()
    with Watch("--track", "always", "--level", "deep") as w:
        for _ in range(5):
            drive("--pages", 20, "use", "double-unpin:3")
        w.verdict(cause="double-release")
        w.until_seen()
        w.stop()
        assert w.summary["leaks"][0]["wrong_releases"] == wrong() - before == 15, w.summary


def test_pages_held_for_long_and_unpinned_again_later_are_found():
    load("leaky")
    memory, address = buffer(6)
    fd = os.open("/dev/leaky", os.O_RDWR)
    with Watch("--track", "always", "--level", "deep") as w:
        use_driver(address, 6, "LEAKY_HOLD", fd=fd)
        time.sleep(14)
        use_driver(address, 6, "LEAKY_UNREGISTER", fd=fd)
        time.sleep(2)
        use_driver(address, 6, "LEAKY_UNPIN_NEVER", fd=fd)
        w.verdict(cause="double-release")
        w.stop()
        v = w.of("verdict")[-1]
        assert (v["cause"], v["wrong_releases"]) == ("double-release", 6), v
    os.close(fd)
    memory.flush()


def test_pages_taken_with_get_user_pages_and_unpinned_are_found():
    released("--pages", 12, "unpin-get:5", kind="never-pinned", cause="wrong-release")


def test_pages_that_nobody_has_taken_and_that_are_unpinned_are_found():
    released("--pages", 12, "unpin-never:5", kind="never-pinned", cause="wrong-release")


def test_a_release_through_the_next_page_is_found_with_the_pin_that_it_leaves():
    released("--pages", 9, "subpage", kind="never-pinned", cause="wrong-release", leaks=1)


def test_a_release_through_the_next_page_of_a_huge_one_is_right():
    innocent(lambda: drive("--pages", 512, "--thp", "subpage"))


def test_huge_pages_unpinned_twice_are_found():
    released("--pages", 512, "--thp", "double-unpin:6", kind="double-release",
             cause="double-release")


def put_page(*args, freed=False, pages=None):
    """put_page() on pins: they are lost, and the cause is told."""
    load("leaky")
    before = leaked()
    with Watch("--track", "always", "--level", "deep") as w:
        drive(*args)
        want = leaked() - before
        v = w.verdict(evidence="orphaned", pins=want, wrong_releases=want)
        w.stop()
        assert v["cause"] == "wrong-release" and v["driver"]["name"] == "leaky", v
        assert v["releases"] == [{"kind": "put-page", "count": want, "stack": [],
                                  "process": None}], v["releases"]
        assert v["pages"] == (0 if freed else pages or want), v["pages"]
        assert accused(w) == {"leaky"}, accused(w)
        assert v["proof"]["unattributed"] == 0, v["proof"]
        assert_balanced(w)


def test_put_page_on_small_pages_is_found():
    put_page("--pages", 30, "put-page:4")


def test_put_page_on_small_pages_pinned_more_than_once_is_found():
    put_page("--pages", 30, "--times", 3, "put-page:4", pages=4)


def test_put_page_on_a_huge_page_is_found_although_the_page_is_freed():
    put_page("--pages", 512, "--thp", "put-page:3", freed=True)


def test_put_page_on_a_hugetlb_page_is_found():
    sh("echo 8 > /proc/sys/vm/nr_hugepages")
    put_page("--pages", 512, "--huge", "put-page:3", pages=1)


def test_light_tracking_goes_deep_when_pages_look_as_if_put_and_names_the_driver():
    load("leaky")
    with Watch("--track", "always") as w:
        leak_until(w, lambda w: w.of("verdict"), "--pages", 8, "put-page:2")
        v = w.verdict(cause="wrong-release", evidence="orphaned")
        w.stop()
        assert v["driver"]["name"] == "leaky" and v["proof"]["level"] == "deep", v
        assert any("put_page()" in s["reason"] for s in w.of("state")), w.of("state")
        assert accused(w) == {"leaky"}, accused(w)


def test_a_page_put_once_is_not_forgotten_by_light_tracking():
    """Its count shows no pin any more: it is not unpinned for that."""
    load("leaky")
    with Watch("--track", "always", interval="1s") as w:
        drive("--pages", 8, "put-page:2")
        w.until(lambda o: o["type"] == "state" and "2 folios lack" in o["reason"], "level deep")
        w.until_seen(2)
        w.stop()
        assert not w.of("verdict") and w.summary["ledger"]["ambiguous"] == 2, w.summary


def sinking(*options):
    load("leaky")
    with Watch(*options) as w:
        leak_until(w, lambda w: w.of("verdict"), "--pages", 8, "double-unpin:2")
        v = w.verdict(cause="double-release")
        w.stop()
        assert v["driver"]["name"] == "leaky" and accused(w) == {"leaky"}, v
        assert any("released than" in s["reason"] for s in w.of("state")), w.of("state")
        assert w.status == 1
    return w


def test_a_driver_that_unpins_twice_is_caught_by_a_watch_with_default_options():
    w = sinking()
    assert w.of("suspicion")[0]["pins"] < 0, w.of("suspicion")


def test_light_tracking_goes_deep_when_more_is_released_than_was_taken():
    sinking("--track", "always")


# ---- two drivers on one page ------------------------------------------------------------------

def of_two(first, shape, then, also, **wanted):
    """Both use the same pages, `also` after `first`; it is the one that does wrong."""
    load("leaky", "second")
    guilty = os.path.basename(also if "hold" not in then else first)
    before = wrong(guilty)
    with Watch("--track", "always", "--level", "deep") as w:
        drive("--pages", 16, "--device", first, "--also", f"{also}={then}", shape)
        # A page in a processor's batch for the LRU lists has a reference more, which hides one that it lacks.
        write("/proc/sys/vm/compact_memory", "1")
        want = wrong(guilty) - before
        assert want > 0
        w.verdict(cause=wanted["cause"])
        w.until_seen(3)
        w.stop()
        v = w.of("verdict")[-1]
        assert {k: v[k] for k in wanted} == wanted and v["wrong_releases"] == want, (v, want)
        assert v["driver"]["name"] == guilty and accused(w) == {guilty}, accused(w)
        assert any(f"[{guilty}]" in f for r in v["releases"] for f in r["stack"]) or \
            v["releases"][0]["kind"] == "put-page", v["releases"]
        assert_balanced(w)


def test_the_driver_that_unpins_twice_is_named_and_not_the_one_whose_pin_it_took():
    of_two("/dev/leaky", "hold", "double-unpin:5", "/dev/second", cause="double-release")


def test_the_driver_that_unpins_twice_is_named_when_it_is_the_other():
    of_two("/dev/second", "hold", "double-unpin:5", "/dev/leaky", cause="double-release")


def test_the_driver_that_unpins_what_another_holds_is_named():
    of_two("/dev/leaky", "hold", "unpin-never:5", "/dev/second", cause="wrong-release")


def test_the_driver_that_puts_its_pins_is_named_and_not_the_one_that_holds():
    of_two("/dev/leaky", "hold", "put-page:5", "/dev/second", cause="wrong-release", pins=5)


def test_the_driver_that_puts_its_pins_is_named_when_it_is_the_other():
    of_two("/dev/leaky", "put-page:5", "hold", "/dev/second", cause="wrong-release", pins=5)


# ---- the innocent -----------------------------------------------------------------------------

def innocent(load_of, level="deep", seconds=3.0, rest=0, unclear=0, grace="1s"):
    load("leaky")
    before = outstanding()
    with Watch("--track", "always", "--level", level, grace=grace) as w:
        load_of()
        until_outstanding(before + rest)
        w.until_seen(seconds)
        w.stop()
        assert not w.of("verdict") and w.status == 0, w.of("verdict")
        assert w.summary["ledger"]["unclear_releases"] == unclear, w.summary["ledger"]
        if level == "deep":
            assert_balanced(w)
    assert outstanding() - before == rest, "the load did not release everything"
    return w


def buffer(pages, sharing=mmap.MAP_PRIVATE):
    m = mmap.mmap(-1, pages * 4096, flags=sharing | mmap.MAP_ANONYMOUS)
    m.write(b"x" * (pages * 4096))
    return m, ctypes.addressof(ctypes.c_char.from_buffer(m))


def ioctl_of(shape):
    """The number of a shape's ioctl, by the header the driver is built from."""
    names = [line.strip(" \t,\n") for line in open("drivers/leaky_ioctl.h", encoding="ascii")
             if line.startswith("\tLEAKY_")]
    return 1 << 30 | 24 << 16 | ord("L") << 8 | names.index(shape)


def use_driver(address, pages, shape="LEAKY_USE", device="/dev/leaky", fd=None):
    import fcntl
    import struct
    own = os.open(device, os.O_RDWR) if fd is None else fd
    fcntl.ioctl(own, ioctl_of(shape), struct.pack("QQQ", address, pages, 0))
    if fd is None:
        os.close(own)


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


def fill_pipes(address, pipes=80, each=14):
    """Takes pipes * each plain references of the page; they go with the files."""
    libc = ctypes.CDLL(None, use_errno=True)
    sh("sysctl -q fs.pipe-user-pages-soft=0")
    files = []
    for _ in range(pipes):
        r, w = os.pipe()
        files += [r, w]
        for _ in range(each):
            v = Iovec(address, 64)
            assert libc.vmsplice(w, ctypes.byref(v), 1, 0) == 64, ctypes.get_errno()
    return files


def many_plain_references(shape, after):
    """A page in 1120 pipes, used by a driver before or after that; its user then ends."""
    def go():
        memory, address = buffer(1, mmap.MAP_SHARED)
        files = [] if after else fill_pipes(address)
        child = os.fork()
        if not child:
            try:
                use_driver(address, 1, shape)
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0, "the driver refused"
        if after:
            files = fill_pipes(address)
        time.sleep(4)
        for fd in files:
            os.close(fd)
        memory.flush()
    return go


def test_a_page_with_many_plain_references_is_innocent():
    innocent(many_plain_references("LEAKY_USE", after=False))
    innocent(many_plain_references("LEAKY_HOLD", after=False))


def test_a_page_that_gets_many_plain_references_is_innocent():
    innocent(many_plain_references("LEAKY_USE", after=True))
    innocent(many_plain_references("LEAKY_HOLD", after=True))


def test_a_page_with_many_plain_references_is_innocent_to_light_tracking():
    innocent(many_plain_references("LEAKY_USE", after=False), level="light")


def test_a_page_that_gets_many_plain_references_is_innocent_to_light_tracking():
    innocent(many_plain_references("LEAKY_USE", after=True), level="light")


def test_a_page_with_almost_the_references_of_a_pin_is_innocent_to_light_tracking():
    """1023 of them, beside those of the mapping and the page cache: as if put."""
    def go():
        memory, address = buffer(1, mmap.MAP_SHARED)
        use_driver(address, 1)
        files = fill_pipes(address, pipes=73, each=14)
        time.sleep(4)
        for fd in files:
            os.close(fd)
        memory.flush()
    innocent(go, level="light")


def churn(seconds):
    """Memory that a driver uses while children that share it come and go."""
    memory, address = buffer(64)
    held = os.open("/dev/leaky", os.O_RDWR)
    use_driver(address, 32, "LEAKY_HOLD", fd=held)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        children = []
        for _ in range(6):
            child = os.fork()
            if not child:
                time.sleep(0.02)
                os._exit(0)
            children.append(child)
        use_driver(address + 32 * 4096, 32)
        for child in children:
            os.waitpid(child, 0)
    os.close(held)
    memory.flush()


def test_memory_whose_mappings_come_and_go_is_innocent():
    innocent(lambda: churn(12))


def test_shapes_that_release_rightly_are_innocent_for_a_while():
    def go():
        for _ in range(4):
            drive("--pages", 300, "--times", 10, "use")
            drive("--pages", 300, "hold", "unregister", "hold")
            drive("--pages", 512, "--thp", "--times", 5, "use", "hold", "unregister")
            drive("--pages", 64, "--also", "/dev/second=hold", "use", "hold")
    load("second")
    innocent(go)


def test_releases_that_come_late_but_within_the_grace_time_are_innocent():
    def go():
        for _ in range(4):
            drive("--pages", 64, "async:3000")
    w = innocent(go, seconds=1, grace="10s")
    assert w.summary["ledger"]["pins"] == 0, w.summary["ledger"]


def test_a_huge_page_that_is_split_while_another_is_pinned_is_innocent():
    def go():
        libc = ctypes.CDLL(None, use_errno=True)
        size = 8 << 20
        memory, address = buffer(size // 4096)
        start = (address + (2 << 20) - 1) & ~((2 << 20) - 1)
        for _ in range(5):
            libc.madvise(ctypes.c_void_p(start), 4 << 20, 25)  # MADV_COLLAPSE
            fd = os.open("/dev/leaky", os.O_RDWR)
            use_driver(start, 512, "LEAKY_HOLD", fd=fd)
            # splits the mapping of both, and the page of the one that is not pinned
            libc.mprotect(ctypes.c_void_p(start + 4096), 4096, 1)
            libc.madvise(ctypes.c_void_p(start + (2 << 20) + 8192), 4096, 4)  # MADV_DONTNEED
            time.sleep(0.5)
            os.close(fd)
            libc.mprotect(ctypes.c_void_p(start + 4096), 4096, 3)
        memory.flush()
    innocent(go)


def test_direct_reads_and_registered_buffers_are_innocent():
    if not sh("grep -w unpin_user_folio /proc/kallsyms", check=False):
        raise Skip("O_DIRECT takes plain references on this kernel, no pins")

    def go():
        sh("modprobe null_blk queue_mode=0 irqmode=0 gb=1")
        fd = os.open("/dev/nullb0", os.O_RDONLY | os.O_DIRECT)
        memory = mmap.mmap(-1, 1 << 18)
        for k in range(150):
            os.preadv(fd, [memory], k << 12)
        os.close(fd)
        sh(f"{PINLEAK} doctor --json")
    innocent(go)


def holding(pages, then=lambda address: None):
    """
    Another process holds pins from now on: the function that lets it close the device and end.
    Killed, it would give back its memory first, also that whose pins somebody has taken away.
    """
    (ready, said), (go, tell) = os.pipe(), os.pipe()

    def hold():
        memory, address = buffer(pages)
        fd = os.open("/dev/leaky", os.O_RDWR)
        use_driver(address, pages, "LEAKY_HOLD", fd=fd)
        then(address)
        os.write(said, b".")
        os.read(go, 1)
        os.close(fd)
        memory.flush()

    def let_go():
        os.write(tell, b".")
        done(pid)
        for fd in (ready, go, tell):
            os.close(fd)

    pid = child(hold)
    os.close(said)
    assert os.read(ready, 1), "it has pinned nothing"
    return let_go


def test_pages_pinned_before_tracking_are_released_rightly():
    load("leaky")
    innocent(holding(200), rest=-200)


def test_a_driver_whose_pins_were_taken_away_before_tracking_is_innocent():
    """When it releases them at last, they are not there: it cannot be told whose fault that is."""
    load("leaky", "second")
    let_go = holding(16, lambda at: use_driver(at, 5, "LEAKY_UNPIN_NEVER", "/dev/second"))
    innocent(let_go, rest=-16, unclear=5)


if __name__ == "__main__":
    os.chdir(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    run(tests_of(globals()))
