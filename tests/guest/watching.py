#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
The watch itself: from the counters to the verdict and back, what it refuses, what it loses and
says so, and how it ends. Runs in the guest, once a kernel.
"""
import contextlib
import glob
import json
import os
import re
import resource
import signal
import subprocess
import time

from harness import (DRIVE, LIMIT, PINLEAK, ROOT, Printing, Watch, assert_balanced, drive, leak_until,
                     leaked, load, outstanding, read, run, sh, spawn, tests_of, write)


def levels(w):
    return [(o["from"], o["to"]) for o in w.of("state")]


def bpf_programs():
    """Programs in the kernel that trace; systemd's and other sorts may come and go."""
    programs = json.loads(sh("bpftool -j prog list") or "[]")
    return sorted(p["id"] for p in programs if p["type"] in ("tracing", "kprobe", "syscall"))


def assert_diagnosed(w):
    """Once, just after the first verdict; and its pins are not asked for, as the verdict has them."""
    said = [o["type"] for o in w.objects if o["type"] in ("verdict", "inspect")]
    assert said[:2] == ["verdict", "inspect"] and said.count("inspect") == 1, said
    d = w.of("inspect")[0]
    assert d["driver"] == "leaky" and d["pins"] is None, d
    assert any("being leaked" in line["text"] for line in d["log"]["lines"]), d["log"]
    assert any(p["name"] == "keep_pages" for p in d["parameters"]), d["parameters"]
    assert [device["nodes"] for device in d["devices"]] == [["leaky"]], d["devices"]


def test_a_leak_is_noticed_tracked_proved_and_tracking_goes_off_again():
    load("leaky")
    before, pins_before = leaked(), outstanding()
    with Watch(settle="15s") as w:
        leak_until(w, lambda w: w.of("verdict"), "--pages", 128, "keep-one:8")
        w.until(lambda o: o["type"] == "state" and o["to"] == "counters", "tracking goes off")
        assert bpf_programs() == [], "something is still attached"
        w.until_seen(5)
        w.stop()
    assert levels(w)[0] == ("counters", "light") and levels(w)[-1][1] == "counters", levels(w)
    assert len(levels(w)) == 2, f"it must not flap: {levels(w)}"
    assert w.status == 1
    assert len(w.of("suspicion")) == 1
    v = w.of("verdict")[-1]
    assert v["driver"]["name"] == "leaky" and v["evidence"] == "orphaned", v
    # The sum is exact: what was proved, and what was left before anybody looked.
    assert v["pins"] + v["proof"]["before_tracking"] == leaked() - before, v
    assert v["proof"]["unattributed"] == 0 and v["proof"]["missed"] == 0, v["proof"]
    assert w.summary["leaks"] == [{"driver": "leaky", "kind": "module", "evidence": "orphaned",
                                   "pins": v["pins"], "references": 0, "bytes": v["bytes"],
                                   "wrong_releases": 0, "severity": "info",
                                   "memory_share": v["memory_share"]}], w.summary
    assert v["at_rest"] and v["severity"] == "info", "8 pages a call, and no call any more"
    assert_diagnosed(w)
    assert outstanding() - pins_before == leaked() - before == w.summary["rise"]


def capabilities(text, field="CapEff"):
    """Their names, from a line of /proc/PID/status."""
    held = int(re.search(rf"{field}:\t(\w+)", text)[1], 16)
    known = re.findall(r"^#define (CAP_\w+)\s+(\d+)$", read("/usr/include/linux/capability.h"), re.M)
    return {name for name, number in known if held >> int(number) & 1}


def test_it_keeps_the_capabilities_that_its_man_page_names_and_its_command_has_all():
    load("leaky")
    sh("ip link set lo up")
    named = set(re.findall(r"^\.Dv (CAP_\w+)", read(f"{ROOT}/man/pinleak-watch.1"), re.M))
    bounds = re.search(r"^CapabilityBoundingSet=(.*)$", read(f"{ROOT}/systemd/pinleak.service.in"), re.M)[1]
    assert named > set(bounds.split()), "the service has no others"
    all_there_are = capabilities(read("/proc/self/status"))
    with Watch("--track", "always", "--listen", "127.0.0.1:9729",
               "--on-verdict", "grep CapEff /proc/self/status") as w:
        leak_until(w, lambda w: w.of("verdict"), "--pages", 128, "keep-one:8")
        threads = [read(path) for path in glob.glob(f"/proc/{w.process.pid}/task/*/status")]
        w.stop()
    assert len(threads) > 1
    for status in threads:
        for field in ("CapEff", "CapPrm"):
            assert capabilities(status, field) == named, (field, status)
    assert capabilities(w.stderr) == all_there_are > named, w.stderr


def test_a_second_leak_after_the_first_has_settled_is_caught_as_well():
    load("leaky")
    with Watch("--no-inspect", settle="10s") as w:
        for turn in (1, 2):
            leak_until(w, lambda w: len(w.of("verdict")) >= 1 and
                       len([o for o in w.of("state") if o["to"] == "light"]) == turn and
                       w.objects[-1]["type"] == "sample" and
                       w.objects[-1]["level"] == "light" and
                       any(o["type"] == "verdict" for o in
                           w.objects[[i for i, o in enumerate(w.objects)
                                      if o["type"] == "state"][-1]:]),
                       "--pages", 128, "keep-one:16")
            w.until(lambda o: o["type"] == "state" and o["to"] == "counters" and
                    len([s for s in w.of("state") if s["to"] == "counters"]) == turn,
                    f"settled the {turn}. time")
        w.stop()
        assert len(w.summary["leaks"]) == 1, w.summary
        last = [max(v["pins"] for v in w.of("verdict"))]
        assert w.summary["leaked_pins"] > last[0], "both trackings count"
    assert not w.of("inspect")


def test_without_tracking_the_leak_is_suspected_and_nobody_named():
    load("leaky")
    with Watch("--track", "never") as w:
        leak_until(w, lambda w: w.of("suspicion"), "--pages", 128, "keep-one:16")
        w.until_seen(1)
        assert bpf_programs() == []
        w.stop()
        assert not w.of("state") and not w.of("verdict") and w.status == 0, w.objects[-3:]


def ticks(pid):
    return sum(int(n) for n in read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()[11:13])


def peak(pid):
    """In KiB."""
    return next(int(line.split()[1]) for line in read(f"/proc/{pid}/status").splitlines()
                if line.startswith("VmHWM:"))


def ticks_in(seconds, pid):
    before = ticks(pid)
    time.sleep(seconds)
    return ticks(pid) - before


def test_at_level_counters_nothing_is_attached_and_next_to_nothing_used():
    before = bpf_programs()
    with Watch(interval="1s") as w:
        time.sleep(2)
        used = []
        # 0.5 % of a core for 10 s would be 5 ticks of 10 ms, and emulation makes all things slow;
        # what others do to the machine only adds to it: the least counts.
        while len(used) < 5 and (not used or used[-1] > 5):
            used.append(ticks_in(10, w.process.pid))
            assert bpf_programs() == before, "programs were loaded"
        assert used[-1] <= 5, f"{used} ticks in 10 s each"
        assert peak(w.process.pid) < 24 * 1024, f"{peak(w.process.pid)} KiB"
        w.stop()
        assert w.status == 0


def attached():
    """Programs of this sort that are hooked in somewhere."""
    links = json.loads(sh("bpftool -j link list") or "[]")
    return [o for o in links if o["type"] in ("tracing", "perf_event")]


def pinning(seconds):
    """Three steps up, a second apart: the floor stirs, and that is no suspicion yet."""
    for _ in range(3):
        drive("--device", "/dev/second", "--pages", 100, "--hold", seconds, "hold", wait=False)
        time.sleep(1.1)


def test_when_the_floor_stirs_programs_are_loaded_and_neither_attached_nor_taken_for_a_tracking():
    load("second", "leaky")
    before, links = bpf_programs(), attached()
    with Watch() as w:
        w.look_on(2)
        assert bpf_programs() == before, "programs were loaded early"
        pinning(40)
        w.until_seen()
        assert not w.of("suspicion") and not w.of("state"), w.objects
        loaded = set(bpf_programs()) - set(before)
        assert loaded, "nothing was loaded"
        assert attached() == links, "something is attached"
        assert "pinleak watch --track always" in sh(f"{PINLEAK} census --grace 0"), "who tracks?"
        leak_until(w, lambda w: w.of("state"), "--pages", 128, "keep-one:16")
        assert loaded <= set(bpf_programs()), "they were loaded once more"
        w.stop()
    assert w.summary["cost"]["programs_bytes"] > 16 << 20, w.summary["cost"]
    assert bpf_programs() == before


def test_io_in_flight_and_warm_up_are_not_suspected():
    load("leaky")
    with Watch() as w:
        p = drive("--pages", 2000, "--hold", 12, "hold", wait=False)
        for _ in range(20):
            drive("--pages", 500, "--times", 5, "use")
        p.communicate(timeout=LIMIT)
        w.stop()
        assert not w.of("suspicion"), w.of("suspicion")
        assert w.status == 0


def test_a_process_that_hoards_is_named_as_holder_and_no_driver_accused():
    load("leaky")
    with Watch("--track", "always") as w:
        p = drive("--pages", 64, "--times", 2000, "--every", 200, "hold", wait=False)
        h = w.until(lambda o: o["type"] == "held", "held")
        p.kill()
        p.wait()
        w.until_seen(3)
        w.stop()
        assert h["process"]["pid"] == p.pid and h["process"]["comm"] == "drive", h
        assert h["driver"] == "leaky" and h["device"] == "/dev/leaky", h
        assert len(w.of("held")) == 1, "once is enough"
        assert not w.of("verdict") and w.status == 0, w.of("verdict")


def refused(omit, level, instead):
    """A hook is left out: the audit notices, and the level is not used."""
    with Watch("--track", "always", "--level", level, "--omit-hook", omit) as w:
        w.until(lambda o: o["type"] == "sample" and o["level"] == instead, f"level {instead}")
        w.until_seen(1)
        w.stop()
    reasons = [o["reason"] for o in w.of("state")]
    assert any(f"level {level} cannot be had" in r and "do not see every pin" in r
               for r in reasons), reasons
    assert level not in [to for _, to in levels(w)], levels(w)
    return w


def test_the_audit_refuses_deep_tracking_when_a_release_hook_is_missing():
    w = refused("gup_put_folio", "deep", "light")
    assert w.status == 0, w.status


def test_the_audit_refuses_deep_tracking_when_an_acquire_hook_is_missing():
    old = bool(sh("grep -w try_grab_page /proc/kallsyms", check=False))
    refused("try_grab_page" if old else "try_grab_folio", "deep", "light")


def test_the_audit_refuses_light_tracking_when_a_call_is_not_hooked():
    w = refused("pin_user_pages_remote", "light", "counters")
    assert w.status == 3 and w.summary["tracking_failed"], w.summary
    assert all(to == "counters" for _, to in levels(w)), levels(w)


def test_doctor_says_that_a_missing_hook_does_not_pass():
    r = subprocess.run([PINLEAK, "doctor", "--json", "--omit-hook", "gup_put_folio"],
                       capture_output=True, text=True)
    o = json.loads(r.stdout)
    assert r.returncode == 3 and o["light"]["works"] and not o["deep"]["works"], o
    assert "do not see every pin" in o["deep"]["error"], o["deep"]


def test_a_full_table_is_counted_and_the_verdict_says_that_it_is_incomplete():
    load("leaky")
    before = leaked()
    with Watch("--track", "always", "--table-size", "64") as w:
        drive("--pages", 700, "close")
        v = w.verdict(evidence="orphaned")
        w.stop()
    assert leaked() - before == 700
    assert v["proof"]["incomplete"] and 0 < v["pins"] <= 64, v["proof"]
    loss = w.summary["loss"]
    assert loss["error"]["code"] == 122, loss
    lost = loss["pins_table_full"] + loss["pins_not_chosen"]  # half of what was recorded goes
    assert lost + w.summary["leaked_pins"] == 700, (loss, w.summary)
    assert w.status == 1


def test_the_room_of_what_was_released_is_there_for_others_at_once():
    load("leaky")
    before = leaked()
    with Watch("--track", "always", "--level", "deep", "--table-size", "2048", interval="2s") as w:
        for _ in range(5):
            drive("--pages", 1000, "use")
        drive("--pages", 1500, "close")
        v = w.verdict(evidence="orphaned", pins=1500)
        w.stop()
    assert leaked() - before == 1500
    assert not v["proof"]["incomplete"] and not w.of("loss"), (v["proof"], w.of("loss"))


def seconds_of_children():
    """Of a processor, by those that were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_the_watch_tells_what_it_costs_itself():
    load("leaky")
    write("/proc/sys/kernel/bpf_stats_enabled", "1")
    try:
        with Watch("--track", "always") as w:
            drive("--pages", 1000, "--times", 20, "use")
            w.look_on(1)
            used = ticks(w.process.pid) / os.sysconf("SC_CLK_TCK")
            most, others = peak(w.process.pid), seconds_of_children()
            w.stop()
            whole = seconds_of_children() - others  # to its end: more than it can tell itself
    finally:
        write("/proc/sys/kernel/bpf_stats_enabled", "0")
    cost = w.summary["cost"]
    assert used - 0.1 < cost["cpu_seconds"] < whole + 0.1, (cost, used, whole)
    assert most * 1024 <= cost["memory_bytes"] < 2 * most * 1024, (cost, most)
    assert 0 < cost["programs_seconds"] < 60, cost
    assert 16 << 20 < cost["programs_bytes"] < 64 << 20, cost
    with Watch() as w:
        w.look_on(1)
        w.stop()
    cost = w.summary["cost"]
    assert cost["programs_seconds"] is None and cost["programs_bytes"] == 0, cost


@contextlib.contextmanager
def text_for_people():
    """A watch that prints it, and tracks."""
    with Printing("watch", "--track", "always", "--grace", "1s", "--interval", "200ms") as w:
        w.until("level counters -> light")
        yield w


def test_hostile_process_names_reach_neither_terminal_nor_json_raw():
    load("leaky")
    hostile = b"\x1b]0;x\x07\n\xff\xe2\x80\xae"
    program = (f"import os, ctypes; ctypes.CDLL(None).prctl(15, {hostile!r}, 0, 0, 0); "
               "import fcntl, struct, mmap; "
               "m = mmap.mmap(-1, 16 * 4096); m.write(b'x' * 16 * 4096); "
               "a = ctypes.addressof(ctypes.c_char.from_buffer(m)); "
               "f = os.open('/dev/leaky', os.O_RDWR); "
               f"fcntl.ioctl(f, {ioctl_close()}, struct.pack('QQQ', a, 16, 0)); os._exit(0)")
    with Watch("--track", "always") as w:
        sh(f"/usr/bin/python3 -c \"{program}\"")
        v = w.verdict(evidence="orphaned", pins=16)
        assert v["processes"][0]["comm"] == "\\x1b]0;x\\x07\\x0a\\xff\\xe2\\x80\\xae", v["processes"]
    with text_for_people() as w:
        sh(f"/usr/bin/python3 -c \"{program}\"")
        w.until("error 729")
    text = w.output()
    assert b"error 729" in text and b"\\x1b]0;x" in text, text
    assert not any(c in text for c in (b"\x1b", b"\x07", b"\xff", b"\xe2\x80\xae")), text


def ioctl_close():
    """The number of the `close` shape's ioctl, by the header the driver is built from."""
    code = ('#include <stdio.h>\n#include <sys/ioctl.h>\n#include "drivers/leaky_ioctl.h"\n'
            'int main(void) { printf("%lu", (unsigned long)LEAKY_IOC(LEAKY_CLOSE)); return 0; }\n')
    with open("/tmp/ioctl.c", "w", encoding="ascii") as f:
        f.write(code)
    return int(sh("cc -I. -o /tmp/ioctl /tmp/ioctl.c && /tmp/ioctl"))


def test_ctrl_c_ends_with_the_summary_and_detaches():
    with Watch("--track", "always") as w:
        assert bpf_programs() != []
        w.stop()
    assert w.objects[-1]["type"] == "summary" and w.status == 0
    assert bpf_programs() == []


def test_kill_9_leaves_nothing_attached():
    with Watch("--track", "always", "--level", "deep") as w:
        assert bpf_programs() != []
        w.process.kill()
        w.process.wait()
        end = time.monotonic() + 60
        while bpf_programs() and time.monotonic() < end:
            time.sleep(0.1)
        assert bpf_programs() == []
        w.stop = lambda: None


def test_text_for_people_names_everything_in_less_than_80_columns():
    load("leaky")
    with text_for_people() as w:
        drive("--pages", 40, "keep-one:6")
        w.until("error 729")
        w.until("orphaned")
    out = w.text()
    for word in ("error 729 (0x2D9) ERROR_DRIVERS_LEAKING_LOCKED_PAGES", "module leaky",
                 "orphaned", "6 pins on 6 folios", "24.0 KiB", "/dev/leaky", "process  drive",
                 "leaky_ioctl [leaky]", "read again", "missing-release"):
        assert word in out, f"{word!r} is not in:\n{out}"
    assert max(len(line) for line in out.splitlines()) < 80, out
    assert w.status == 1


def test_a_storm_of_innocent_processes_loses_nothing_and_accuses_nobody():
    load("leaky")
    with Watch("--track", "always", "--level", "deep") as w:
        children = [spawn([DRIVE, "--pages", "200", "--times", "10", shape],
                          stdout=subprocess.DEVNULL)
                    for shape in ("use", "hold", "use", "hold") * 6]
        for k, c in enumerate(children):
            if k % 5 == 0:
                c.send_signal(signal.SIGKILL)
            c.wait()
        w.until_seen(3)
        w.stop()
        assert not w.of("verdict") and w.status == 0, w.of("verdict")
        assert_balanced(w)


if __name__ == "__main__":
    os.chdir(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    run(tests_of(globals()))
