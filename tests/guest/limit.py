#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
A limit on what a driver may hold pinned: told, enforced, lifted. Runs in the guest, once a kernel.
"""
import contextlib
import ctypes
import errno
import fcntl
import json
import mmap
import multiprocessing
import os
import signal
import subprocess
import termios
import time

from harness import (LIMIT, MODULES, PINLEAK, Watch, child, done, leaked, load, outstanding, read, run, sh,
                     spawn, tests_of, until_outstanding, validate, when, write)
from memory import (ASYNC, HOLD, KEEP_ONE, PAGE, UNREGISTER, USE, WORK, Device, check, leaky_ioctl,
                    libc, small)

MOST = 1000  # pages that the driver may hold
CALL = 10  # pages that a call leaks


class Limit(Watch):
    """pinleak limit --json, running."""
    LAST = "quota_end"

    def __init__(self, *args, driver="leaky", interval="1s"):
        super().__init__()
        self.args = [PINLEAK, "limit", driver, "--json", "--interval", interval, *map(str, args)]

    def __enter__(self):
        load("leaky", "second")
        self.start()
        self.until(lambda o: o["type"] == "quota", "the limit is set")
        return self

    def crossing(self, **wanted):
        return self.until(lambda o: o["type"] == "crossing" and
                          all(o[k] == v for k, v in wanted.items()), f"a crossing with {wanted}")

    def learned(self, command=None, **wanted):
        """What it says of a kind of call."""
        return self.until(lambda o: o["type"] == "learned" and o["command"] == command and
                          all(o[k] == v for k, v in wanted.items()),
                          f"learned: {command}, {wanted}")

    def enforced(self):
        (quota,) = self.of("quota")
        assert quota["mode"] == "enforce" and quota["not_covered"] and quota["instead"], quota


def pins(device, shape, pages, arg=0, memory=None):
    """True when the driver pinned, False when it was refused."""
    memory = memory or small(pages)
    try:
        device.pin(shape, memory.address, pages, arg)
    except OSError as e:
        assert e.errno == errno.ENOMEM, e
        return False
    return True


def leak(device, calls, memory, each=0.1):
    """So many times CALL pages, `each` seconds; how many calls were refused."""
    refused = 0
    for _ in range(calls):
        refused += not pins(device, KEEP_ONE, CALL, CALL, memory)
        time.sleep(each)
    return refused


def until(wanted, what, seconds=LIMIT):
    end = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.05)


def work_hard(stop, calls, failures):
    """An innocent driver's user: everything it asks for must be done."""
    memory = small(64)
    with Device("second") as second:
        while not stop.is_set():
            for shape in (HOLD, USE, UNREGISTER):
                try:
                    second.pin(shape, memory.address, 64)
                except OSError:
                    failures.value += 1
                calls.value += 1


@contextlib.contextmanager
def innocent():
    """A second driver under full load; its calls and how many of them failed."""
    stop = multiprocessing.Event()
    calls, failures = multiprocessing.Value("q", 0), multiprocessing.Value("q", 0)
    worker = multiprocessing.Process(target=work_hard, args=(stop, calls, failures))
    worker.start()
    try:
        yield calls, failures
    finally:
        stop.set()
        worker.join()
    assert worker.exitcode == 0


def ways():
    """By a security module where the kernel asks BPF programs, and without."""
    modules = read("/sys/kernel/security/lsm").split(",")
    return ("lsm", "modify") if "bpf" in modules else ("modify",)


def test_a_leak_of_100_pages_a_second_stops_at_1000_and_the_innocent_lose_no_call():
    load("leaky", "second")
    before, memory = leaked(), small(CALL)
    with Device() as device, innocent() as (calls, failures):
        # So long an interval that the limit does not end for want of looks: after 20 s.
        with Limit("--pages", MOST, "--enforce", "--by", ways()[0], interval="3s") as w:
            w.enforced()
            calls_before, passed = calls.value, 0
            while leaked() - before < MOST and passed <= MOST / CALL:
                assert pins(device, KEEP_ONE, CALL, CALL, memory), leaked() - before
                passed += 1
                time.sleep(0.1)
            refused = leak(device, 10, memory)
            # One call more gets through where two processors met in a record: its pin is counted late.
            assert refused in (9, 10), refused
            assert leaked() - before == MOST + (10 - refused) * CALL, leaked() - before
            made = calls.value - calls_before
            assert made > 100 and failures.value == 0, (made, failures.value)
            print(f"# {made} calls on the other driver, none refused; {refused} refused on this",
                  flush=True)
            c = w.crossing(refused=True)
            assert c["process"]["pid"] == os.getpid() and c["device"] == "/dev/leaky", c
            assert c["command"] == leaky_ioctl(KEEP_ONE) and MOST <= c["process_pins"] <= leaked() - before, c
            killed = time.monotonic()
            w.process.kill()
            until(lambda: pins(device, KEEP_ONE, CALL, CALL, memory), "it ends with pinleak", 10)
            took = time.monotonic() - killed
            print(f"# the limit was lifted {took:.2f} s after kill -9", flush=True)
            assert took < 1, took
            w.process.wait()
            w.status = w.process.returncode
    assert failures.value == 0


def test_a_call_of_each_kind_may_overshoot_and_none_after_it():
    memory = small(300)
    with Device() as device, Limit("--pages", MOST, "--enforce", "--by", ways()[0]) as w:
        w.enforced()
        for _ in range(4):
            device.pin_all(memory)
        c = w.crossing(call="pin")
        assert c["pins"] == MOST + 1 and c["process"]["pid"] == os.getpid(), c
        assert not pins(device, HOLD, 1) and not pins(device, HOLD, 300, memory=memory)
        assert pins(device, ASYNC, 50), "nobody knows yet that this one pins"
        assert not pins(device, ASYNC, 1)
        for shape in (HOLD, ASYNC):
            told = w.learned(leaky_ioctl(shape))
            assert told["refused"] and not told["releases"] and not told["ordered"], told
        device.pin(UNREGISTER, 0, 0)
        assert pins(device, HOLD, 300, memory=memory), "the limited program goes on"
        w.stop()
        assert w.summary["pins"] == 300 and w.summary["refused"] == 3, w.summary
        assert w.summary["taken"] == 4 * 300 + 50 + 300, w.summary


PIN_FOR_EVER = """
#include <fcntl.h>
#include <sys/ioctl.h>

int main(int argc, char **argv)
{
	static char memory[400000] __attribute__((aligned(4096))) = {1};
	unsigned long long request[3] = {(unsigned long long)memory, 80, 0};
	int fd = open("/dev/leaky", O_RDWR);

	for (;;) /* nearly always in a call that is refused */
		ioctl(fd, %#xU, request);
}
"""


def test_who_is_killed_in_the_middle_of_a_call_has_not_released_by_it():
    program = "/tmp/pin-for-ever"
    sh(f"cc -O2 -x c -o {program} - <<'END'\n{PIN_FOR_EVER % leaky_ioctl(HOLD)}END")
    with Device() as device, Limit("--pages", 100, "--enforce", "--by", ways()[0]) as w:
        w.enforced()
        for _ in range(10):
            p = spawn([program])
            w.crossing(refused=True)
            time.sleep(0.2)
            p.kill()
            p.wait()
        until(lambda: pins(device, HOLD, 100), "what they held has gone")
        assert not pins(device, HOLD, 1), "the killed have shown that this call releases"
        w.stop()


def test_what_is_released_makes_room_whoever_releases_it_and_releases_are_never_refused():
    load("leaky")
    before, pins_before = leaked(), outstanding()
    with Device() as device, Device() as other:
        with Limit("--pages", MOST, "--enforce", "--by", ways()[-1], "--refuse-ioctl",
                   hex(leaky_ioctl(WORK))) as w:
            w.enforced()
            held = small(MOST)
            device.pin_all(held)
            assert not pins(other, HOLD, 1), "the limit is reached"
            device.pin(UNREGISTER, 0, 0)
            assert pins(device, USE, 1) and pins(other, HOLD, MOST), "all was released"
            assert not pins(device, USE, 1)
            assert not pins(device, WORK, 1), "refused by its number"
            os.close(other.fd)  # never refused
            assert pins(device, USE, MOST - 1), "all was released at the close"
            other.fd = os.open("/dev/leaky", os.O_RDWR | os.O_CLOEXEC)
            # Released by a worker, some time after the close.
            other.pin(ASYNC, held.address, MOST, 5000)
            os.close(other.fd)
            assert not pins(device, USE, 1), "the worker has not run yet"
            until_outstanding(pins_before)
            assert pins(device, USE, 1), "released by the worker"
            other.fd = os.open("/dev/leaky", os.O_RDWR | os.O_CLOEXEC)
            # Pinned by a worker: counted, and told apart.
            assert pins(device, WORK, CALL), "a worker pins"
            w.stop()
            assert w.status == 1 and w.summary["pins"] == leaked() - before == CALL, w.summary
            assert w.summary["by_worker"] == CALL and w.summary["uncounted"] == 0, w.summary
            assert w.summary["unseen"] == 0 and w.summary["refused"] == 4, w.summary


def write_pages(device, memory, less=0):
    """By write() the driver pins whole pages. If the last is not whole it releases others first."""
    check(libc.write(device.fd, ctypes.c_void_p(memory.address),
                     ctypes.c_size_t(memory.size - less)), "write")


def mapped(device, memory):
    """What is mapped gives the driver nothing to pin; the offset does."""
    return mmap.mmap(device.fd, memory.size, offset=memory.address)


def test_only_kinds_of_calls_that_pin_are_refused_but_none_that_has_released():
    memory = small(60)
    with Device() as device, Device() as full:
        with Limit("--pages", 100, "--enforce", "--by", ways()[0], "--allow-ioctl",
                   hex(leaky_ioctl(ASYNC)), interval="200ms") as w:
            w.enforced()
            full.pin_all(small(100))
            assert errno_of(os.write, device.fd, b"x") == errno.ENOENT, "write() is not known"
            mapped(device, memory)
            write_pages(device, memory)
            full.pin(UNREGISTER, 0, 0)
            device.pin(UNREGISTER, 0, 0)
            write_pages(device, memory)
            write_pages(device, memory, less=1)  # it releases in order to pin: that is no release
            full.pin_all(small(100))
            assert w.learned(call="mmap")["refused"] and w.learned(call="write")["refused"]
            assert errno_of(mapped, device, memory) == errno.ENOMEM
            assert errno_of(write_pages, device, memory) == errno.ENOMEM
            full.pin(UNREGISTER, 0, 0)
            device.pin(UNREGISTER, 0, 0)
            # Below the limit it is seen to release, and let through from then on.
            write_pages(device, memory)
            os.write(device.fd, b"x")
            assert not w.learned(call="write", releases=True)["refused"]
            full.pin_all(small(100))
            write_pages(device, memory)
            os.write(device.fd, b"x")
            assert errno_of(mapped, device, memory) == errno.ENOMEM
            assert pins(device, ASYNC, 1) and pins(device, ASYNC, 1), "allowed by its number"
            told = w.learned(leaky_ioctl(ASYNC))
            assert told["ordered"] and not told["refused"], told
            # What the close releases is not released by the call before it.
            assert errno_of(full.pin, HOLD, 1, 1) == errno.ENOMEM
            os.close(full.fd)
            full.fd = os.open("/dev/leaky", os.O_RDWR | os.O_CLOEXEC)
            full.pin_all(small(100))
            assert not pins(full, HOLD, 1)
            w.stop()
            assert w.summary["refused"] == 5, w.summary


def test_a_release_by_write_is_refused_before_one_was_seen_unless_writes_are_allowed():
    for allowed in False, True:
        with Device() as device, Device() as full, \
                Limit("--pages", 100, "--enforce", "--by", ways()[-1],
                      *(["--allow-write"] if allowed else [])) as w:
            assert any("release" in text for text in w.of("quota")[0]["refused_too"])
            write_pages(device, small(60))
            told = w.learned(call="write")
            assert told["refused"] == (not allowed) and told["ordered"] == allowed, told
            full.pin_all(small(100))
            # Less than a page: all is released, and nothing taken.
            assert errno_of(os.write, device.fd, b"x") == (0 if allowed else errno.ENOMEM)
            assert not pins(full, HOLD, 1), "ioctls are refused all the same"
            w.stop()
            assert w.summary["refused"] == (1 if allowed else 2), w.summary
            assert w.summary["pins"] == (100 if allowed else 160), w.summary


def test_an_audit_refuses_nothing_and_tells_who_crossed_until_the_driver_is_unloaded():
    load("second")
    before, memory = leaked("second"), small(CALL)
    with Device() as other, Limit("--pages", 100, driver="second") as w:
        with Device("second") as device:
            for _ in range(3):  # what another driver pins and releases of the same pages is its own
                other.pin_all(memory)
            other.pin(UNREGISTER, 0, 0)
            for times in (1, 2):  # again when it was below the limit in between
                device.pin_all(small(120))
                assert w.crossing(count=times)["process"]["pid"] == os.getpid()
                device.pin(UNREGISTER, 0, 0)
            pid = child(device.pin_all, small(120))
            done(pid)
            w.until(lambda o: o["type"] == "crossing" and o["process"]["pid"] == pid and
                    o["count"] == 1, "another one has crossed")
            device.pin(UNREGISTER, 0, 0)
            calls = 50
            assert not leak(device, calls, memory, 0.02)
            c = w.crossing(count=3)
            assert not c["refused"] and c["pins"] == 101 and c["limit_pages"] == 100, c
            assert c["process"]["pid"] == os.getpid() and c["process_pins"] >= 101, c
            other.pin_all(memory)
            other.pin(UNREGISTER, 0, 0)
            lost = leaked("second") - before
        sh("rmmod second")
        w.until(lambda o: o["type"] == "quota_end", "the end")
        w.process.wait()
        w.stop()
        assert w.status == 3 and w.summary["reason"] == "unloaded", w.summary
        assert w.summary["crossed"] and w.summary["refused"] == 0, w.summary
        assert w.summary["pins"] == lost == calls * CALL, (w.summary, lost)
        assert len(w.of("crossing")) == 4, w.of("crossing")
    r = subprocess.run([PINLEAK, "limit", "second", "--pages", "5"], capture_output=True, text=True,
                       check=False)
    assert r.returncode == 2 and "error 2 ERROR_FILE_NOT_FOUND" in r.stderr, r.stderr


def errno_of(call, *args):
    try:
        call(*args)
    except OSError as e:
        return e.errno
    return 0


def compat_ioctl(fd, command):
    """The errno of an ioctl by the system calls of 32-bit programs."""
    # push rbx; mov eax, 54; mov ebx, edi; mov ecx, esi; int 0x80; pop rbx; ret
    code = bytes.fromhex("53 b836000000 89fb 89f1 cd80 5b c3")
    at = mmap.mmap(-1, PAGE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    at.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(at))
    return -ctypes.CFUNCTYPE(ctypes.c_int, *3 * [ctypes.c_uint])(address)(fd, command, 0)


def asks(comm=None, cgroup=None):
    """The errno of what pins nothing by a process of that name, group: EINVAL is the driver's."""
    pid = os.fork()
    if not pid:
        status = 255
        try:
            if comm:
                write("/proc/self/comm", comm)
            if cgroup:
                write(f"{cgroup}/cgroup.procs", str(os.getpid()))
            with Device() as device:
                status = errno_of(device.pin, USE, 1, 1)
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def everything(device):
    """The errnos of all calls that are refused at the limit; none of them changes anything."""
    return (errno_of(device.pin, USE, 1, 1), compat_ioctl(device.fd, leaky_ioctl(USE)),
            errno_of(mmap.mmap, device.fd, PAGE),
            errno_of(os.posix_fallocate, device.fd, 0, 1))  # asks what write() asks


def refused_everything(device):
    assert everything(device) == 4 * (errno.ENOMEM,), everything(device)
    assert errno_of(os.read, device.fd, 1) != errno.ENOMEM
    fcntl.ioctl(device.fd, termios.FIOCLEX)  # not the driver's
    with open("/dev/null", "r+b", buffering=0) as null:
        null.write(b"x")


def test_exempt_are_processes_names_and_control_groups_and_nobody_else():
    group = "/sys/fs/cgroup/exempt"
    sh("mountpoint -q /sys/fs/cgroup || mount -t cgroup2 none /sys/fs/cgroup")
    os.makedirs(group, exist_ok=True)
    with Device() as device:
        with Limit("--pages", 10, "--enforce", "--exempt-pid", os.getpid(), "--exempt-comm",
                   "backup", "--exempt-cgroup", group) as w:
            page = small(1)
            device.pin(USE, page.address, 1)  # three kinds of calls that are seen to pin
            mapped(device, page)
            write_pages(device, page)
            calls = everything(device)
            assert errno.ENOMEM not in calls, calls
            device.pin_all(small(10))
            assert everything(device) == calls, "exempt by its number"
            done(child(refused_everything, device))
            assert asks() == errno.ENOMEM
            assert asks(comm="backup") == errno.EINVAL, "exempt by its name"
            assert asks(comm="backups") == errno.ENOMEM
            assert asks(cgroup=group) == errno.EINVAL, "exempt by its group"
            # When pinleak looks no more, its count may be wrong: then nobody is refused.
            w.process.send_signal(signal.SIGSTOP)
            until(lambda: asks() == errno.EINVAL, "nobody is refused")
            w.process.send_signal(signal.SIGCONT)
            until(lambda: asks() == errno.ENOMEM, "refused again")
            w.stop()


def test_a_driver_that_never_pins_itself_is_known_by_its_device():
    sh("modprobe vivid")  # videobuf2 pins in its place
    until(lambda: os.path.exists("/dev/video0"), "the device")
    with Limit("--pages", 100, "--enforce", driver="vivid") as w:
        before = outstanding()
        said = sh("v4l2-ctl --stream-user --stream-count 3 -d /dev/video0 2>&1", check=False)
        assert "Cannot allocate memory" in said, said
        c = w.crossing(refused=True)
        assert c["device"] == "/dev/video0" and c["process"]["comm"] == "v4l2-ctl", c
        assert 100 <= c["pins"] < 300, c  # one buffer, of those that were asked for
        w.stop()
        assert w.summary["taken"] == c["pins"] and w.summary["pins"] == 0, (c, w.summary)
        assert outstanding() == before


class LimitedWatch(Watch):
    """A watch with a limit in its configuration, which may be changed."""
    CONF = "/tmp/limit.conf"

    def __init__(self, limit, *args, **times):
        super().__init__("--config", self.CONF, *args, **times)
        self.configure(limit)

    def configure(self, *limits):
        write(self.CONF, "[watch]\n" + "".join(f"limit = {limit}\n" for limit in limits if limit))

    def reload(self, *limits):
        self.configure(*limits)
        self.process.send_signal(signal.SIGHUP)

    def told(self, kind, number):
        """The number-th object of its type, counted from one."""
        self.until(lambda o: len(self.of(kind)) >= number, f"{kind} {number}")
        return self.of(kind)[number - 1]


def stays_refused(device, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert not pins(device, HOLD, 1)
        time.sleep(0.1)


def test_a_watch_holds_the_limit_of_its_configuration_and_SIGHUP_changes_and_lifts_it():
    load("leaky", "second")
    with Device() as device, Device("second") as second, LimitedWatch("leaky:100") as w:
        first = w.told("quota", 1)
        assert first["mode"] == "audit" and first["limit_pages"] == 100 and first["pins"] == 0, first
        device.pin_all(small(120))
        c = w.told("crossing", 1)
        assert not c["refused"] and c["pins"] == 101 and c["process"]["pid"] == os.getpid(), c
        w.reload("leaky:200:enforce")
        changed = w.told("quota", 2)
        assert changed["mode"] == "enforce" and changed["limit_pages"] == 200, changed
        assert changed["pins"] == 120, "what it holds counts on"
        device.pin_all(small(80))
        assert not pins(device, HOLD, 1)
        c = w.told("crossing", 2)
        assert c["refused"] and c["pins"] == 200 and c["command"] == leaky_ioctl(HOLD), c
        assert pins(second, HOLD, 300), "another driver"
        assert w.told("learned", 1)["refused"]
        stays_refused(device, 8)  # so long that looks which are not made would show
        w.reload("leaky:300")
        assert w.told("quota", 3)["mode"] == "audit"
        assert pins(device, HOLD, 200), "nobody is refused by an audit"
        c = w.until(lambda o: o["type"] == "crossing" and o["limit_pages"] == 300, "crossed again")
        assert not c["refused"] and c["pins"] == 301, c
        w.reload("second:100:enforce")
        assert w.told("quota_end", 1)["driver"] == "leaky"
        assert w.told("quota_end", 1)["pins"] == 400 and w.told("quota_end", 1)["crossed"]
        assert w.told("quota", 4)["driver"] == "second" and w.told("quota", 4)["pins"] == 0
        assert pins(second, HOLD, 100) and not pins(second, HOLD, 1)
        w.reload("")
        assert w.told("quota_end", 2)["driver"] == "second"
        assert pins(second, HOLD, 1), "it was lifted"
        w.reload("second:1:enforce")
        w.told("quota", 5)
        assert pins(second, HOLD, 2) and not pins(second, HOLD, 1)
        w.stop()
        assert w.of("quota_end")[2]["refused"] == 1 and w.status == 0, w.stderr
        assert pins(second, HOLD, 1), "it ends with the watch"


def test_a_watch_holds_several_drivers_and_SIGHUP_changes_each_for_itself():
    load("leaky", "second")
    with Device() as device, Device("second") as second, LimitedWatch("leaky:100:enforce") as w:
        w.told("quota", 1)
        device.pin_all(small(100))
        assert not pins(device, HOLD, 1) and pins(second, HOLD, 200)
        w.reload("second:10:enforce", "leaky:100:enforce")  # one more
        assert w.told("quota", 2)["driver"] == "second"
        assert pins(second, HOLD, 10) and not pins(second, HOLD, 1) and not pins(device, HOLD, 1)
        w.reload("second:20:enforce", "leaky:100:enforce")  # one is changed
        told = w.told("quota", 3)
        assert told["driver"] == "second" and told["pins"] == 10 and told["limit_pages"] == 20, told
        assert pins(second, HOLD, 10) and not pins(second, HOLD, 1) and not pins(device, HOLD, 1)
        w.reload("second:20:enforce")  # one is lifted
        assert w.told("quota_end", 1)["driver"] == "leaky"
        assert pins(device, HOLD, 1) and not pins(second, HOLD, 1)
        w.stop()
        assert [(o["driver"], o["pins"]) for o in w.of("quota_end")] == [("leaky", 100), ("second", 20)]
        assert len(w.of("quota")) == 3 and w.status == 0, w.stderr
        assert pins(second, HOLD, 1), "they end with the watch"


def test_a_watch_that_is_killed_leaves_no_limit():
    load("leaky")
    with Device() as device, Watch("--limit", "leaky:100:enforce") as w:
        w.until(lambda o: o["type"] == "quota", "the limit is set")
        device.pin_all(small(100))
        until(lambda: not pins(device, HOLD, 1), "it is refused")
        killed = time.monotonic()
        w.process.kill()
        until(lambda: pins(device, HOLD, 1), "it ends with pinleak", 10)
        took = time.monotonic() - killed
        print(f"# the limit was lifted {took:.2f} s after kill -9", flush=True)
        assert took < 1, took
        w.process.wait()
        w.status = w.process.returncode


def test_a_watch_waits_for_the_driver_and_holds_it_again_when_it_is_loaded_anew():
    sh("rmmod second", check=False)
    with Watch("--limit", "second:100") as w:
        assert not w.of("quota"), w.of("quota")
        for turn in (1, 2):
            sh(f"insmod {MODULES}/second.ko")
            w.until(lambda o: len(w.of("quota")) == turn, f"the limit is set, {turn}")
            with Device("second") as device:
                device.pin_all(small(120))
                w.until(lambda o: len(w.of("crossing")) == turn, f"it was crossed, {turn}")
            sh("rmmod second")
            w.until(lambda o: len(w.of("quota_end")) == turn, f"the end, {turn}")
        w.stop()
        assert [o["reason"] for o in w.of("quota_end")] == 2 * ["unloaded"], w.of("quota_end")
        assert "no driver second is loaded" in w.stderr and w.status == 0, w.stderr


def test_beside_a_limit_a_leak_is_proved_and_counted_exactly_and_the_history_has_both():
    load("leaky")
    before, store = leaked(), "/tmp/limited.db"
    with Watch("--limit", "leaky:20", "--track", "always", "--store", store) as w:
        w.until(lambda o: o["type"] == "quota", "the limit is set")
        for _ in range(3):
            done(child(leak_alone, CALL))
        v = w.verdict()
        assert v["driver"]["name"] == "leaky" and v["proof"]["unattributed"] == 0, v
        w.until_seen()
        assert leaked() - before == 3 * CALL
        w.until(lambda o: o["type"] == "crossing", "it was crossed")
        w.stop()
        assert w.status == 1 and w.summary["leaked_pins"] == 3 * CALL, w.summary
        assert w.of("quota_end")[0]["pins"] == w.of("quota_end")[0]["taken"] == 3 * CALL
    kept = json.loads(sh(f"{PINLEAK} report --json --store {store} | tail -n 1"))
    said = [o["type"] for o in kept["events"]]
    assert {"quota", "crossing", "quota_end"} <= set(said), said


# ---- limits that are pinned -------------------------------------------------------------------------

PINNED = "/sys/fs/bpf/pinleak"


def limit(*args, status=0):
    r = subprocess.run([PINLEAK, "limit", *map(str, args)], capture_output=True, text=True,
                       timeout=LIMIT, check=False)
    assert r.returncode == status, (args, r.returncode, r.stdout, r.stderr)
    return r.stderr if status else r.stdout


@contextlib.contextmanager
def pinned(pages, *args, driver="leaky"):
    """A limit without pinleak."""
    sh("mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf")
    load("leaky", "second")
    told = limit(driver, "--pages", pages, "--enforce", "--pin", "--json", *args)
    validate([json.loads(line) for line in told.splitlines()])
    try:
        yield
    finally:
        if os.path.isdir(f"{PINNED}/{driver}"):
            limit(driver, "--unpin")


def kept():
    """Of the limits that are pinned: what is told of each."""
    objects = [json.loads(line) for line in limit("--list", "--json").splitlines()]
    validate(objects)
    return {o["driver"]: o for o in objects}


def test_a_limit_is_pinned_only_where_there_is_a_BPF_file_system():
    load("leaky")
    sh("umount /sys/fs/bpf", check=False)
    said = limit("leaky", "--pages", 100, "--enforce", "--pin", status=3)
    assert "mount -t bpf bpf /sys/fs/bpf" in said, said
    place = json.loads(sh(f"{PINLEAK} doctor --json"))["limits"]["pin"]
    assert not place["works"] and "mount -t bpf" in place["error"], place
    assert limit("--list") == "no limit is pinned\n" and limit("--list", "--json") == ""
    assert "error 2 " in limit("leaky", "--unpin", status=2)


def test_a_limit_that_is_pinned_holds_without_pinleak_and_lets_releases_and_other_drivers_be():
    with Device() as device, Device("second") as second:
        with pinned(100):
            device.pin_all(small(100))
            assert not pins(device, HOLD, 1), "nobody runs, and the limit holds"
            for shape in (USE, HOLD, UNREGISTER, HOLD):
                second.pin(shape, small(300).address, 300)  # another driver
            device.pin(UNREGISTER, 0, 0)
            assert pins(device, HOLD, 100) and not pins(device, HOLD, 1)
            o = kept()["leaky"]
            assert (o["state"], o["limit_pages"], o["pins"], o["refused"], o["taken"]) == \
                ("enforced", 100, 100, 2, 200), o
            assert abs(when(o) - when({"time": o["since"]})) < LIMIT, o
            text = limit("--list")
            assert "leaky holds 100 of 100 pages" in text and "calls refused: 2" in text, text
            assert "pinned already" in limit("leaky", "--pages", 5, "--enforce", "--pin", status=3)
            stays_refused(device, 15)  # so long that looks which are not made would show
            with Limit("--pages", 50, "--enforce", "--by", ways()[0]) as w:  # beside it
                w.stop()
            assert not pins(device, HOLD, 1) and pins(second, HOLD, 300)
            device.pin(UNREGISTER, 0, 0)
            for _ in range(50):  # much is taken and released, and the count is right
                device.pin_all(small(60))
                os.close(device.fd)
                device.fd = os.open("/dev/leaky", os.O_RDWR | os.O_CLOEXEC)
            until(lambda: kept()["leaky"]["pins"] == 0, "all was released")
            assert pins(device, HOLD, 100) and not pins(device, HOLD, 1)
            assert kept()["leaky"]["pins"] == 100
            limit("leaky", "--unpin")
            assert pins(device, HOLD, 1) and not kept() and not os.path.exists(PINNED)


def test_a_release_that_no_hook_of_a_pinned_limit_has_seen_is_found_before_anybody_is_refused():
    with Device() as device, pinned(100):
        device.pin_all(small(100))
        assert not pins(device, HOLD, 1)
        sh(f"rm {PINNED}/leaky/release_*")
        for _ in range(8):  # the hooks are detached some time later
            device.pin(UNREGISTER, 0, 0)
            until(lambda: pins(device, HOLD, 100), "the pages say that they were released", 60)
            until(lambda: not pins(device, HOLD, 1), "and these are held", 60)
            time.sleep(0.5)


def test_the_driver_of_a_pinned_limit_can_be_unloaded_and_nobody_is_refused_then():
    with pinned(100):
        with Device() as device:
            device.pin_all(small(100))
            assert not pins(device, HOLD, 1)
        sh("rmmod leaky")
        assert kept()["leaky"]["state"] == "unloaded", kept()
        load("leaky")
        with Device() as device:
            device.pin_all(small(100))
            assert pins(device, HOLD, 100) and pins(device, HOLD, 100), "the limit was the other's"
        assert "void" in limit("--list")
        assert "--unpin removes it" in limit("leaky", "--pages", 5, "--enforce", "--pin", status=3)


def test_who_is_killed_while_pinning_a_limit_leaves_nothing_that_refuses_for_long_and_cannot_be_removed():
    sh("mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf")
    load("leaky")
    p = spawn([PINLEAK, "limit", "leaky", "--pages", "100", "--enforce", "--pin"],
              stdout=subprocess.DEVNULL)
    until(lambda: os.path.exists(f"{PINNED}/leaky"), "it has begun to pin")
    p.kill()
    p.wait()
    state = kept()["leaky"]["state"]
    print(f"# killed while pinning: {state}", flush=True)
    with Device() as device:
        device.pin_all(small(100))
        if state == "incomplete":
            until(lambda: pins(device, HOLD, 1), "nobody is refused")
        else:
            assert not pins(device, HOLD, 1), "kill -9 does not lift it"
        limit("leaky", "--unpin")
        assert pins(device, HOLD, 1) and not kept()
    os.makedirs(f"{PINNED}/leaky")  # killed at the very beginning
    assert kept()["leaky"]["state"] == "incomplete" and "--unpin removes it" in limit("--list")
    limit("leaky", "--unpin")
    assert not kept()


def leak_alone(number):
    with Device() as device:
        device.pin(KEEP_ONE, small(number).address, number, number)


if __name__ == "__main__":
    run(tests_of(globals()))
