#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
Every way our test drivers use pinned pages, rightly and wrongly: the guilty are named with the
exact count, the innocent never accused. Runs in the guest, once a kernel.
"""
import os
import time

from harness import (Watch, assert_balanced, drive, leak_until, leaked, load, outstanding, run, sh,
                     tests_of, until_outstanding)


def caught(*args, level="light", evidence="orphaned", cause="missing-release", module="leaky",
           also=()):
    """Tracks from the beginning, runs drive, and expects its leak to the pin."""
    load("leaky", *also)
    before, pins_before = leaked(module), outstanding()
    with Watch("--track", "always", "--level", level) as w:
        drive(*args)
        want = leaked(module) - before
        assert want > 0, "the driver has not leaked"
        w.verdict(evidence=evidence)
        w.stop()
        v = w.of("verdict")[-1]
        assert (v["evidence"], v["pins"]) == (evidence, want), v
        assert v["driver"]["name"] == module and v["driver"]["kind"] == "module", v["driver"]
        assert v["cause"] == cause, v["cause"]
        assert v["error"]["code"] == 729 and v["error"]["hex"] == "0x2D9", v["error"]
        assert any(f"[{module}]" in frame for frame in v["sites"][0]["stack"]), v["sites"]
        assert sum(s["pins"] for s in v["sites"]) == want, v["sites"]
        assert v["proof"]["still_pinned"] == v["pages"], v["proof"]
        assert w.status == 1, w.status
        assert {o["driver"]["name"] for o in w.of("verdict")} == {module}, "only one is accused"
        assert w.summary["leaked_pins"] == want, w.summary
        assert outstanding() - pins_before == want, "the counters say otherwise"
        if level == "deep":
            assert_balanced(w)
    return v


def innocent(*args, level="light", seconds=3.0, held=(), grace="1s"):
    """Nobody is accused, neither while it runs nor after the grace time."""
    load("leaky", *held)
    before = outstanding()
    with Watch("--track", "always", "--level", level, grace=grace) as w:
        drive(*args)
        until_outstanding(before)
        w.until_seen(seconds)
        w.stop()
        assert w.status == 0, w.status
        assert not w.of("verdict"), w.of("verdict")
        if level == "deep":
            assert_balanced(w)
    assert outstanding() == before, "the drive did not release everything"
    return w


def test_keep_one_is_caught_with_the_exact_count():
    v = caught("--pages", 300, "--times", 20, "keep-one:3")
    assert v["pins"] == 60, v["pins"]
    assert v["processes"][0]["comm"] == "drive" and not v["processes"][0]["alive"], v["processes"]
    assert v["devices"] == [{"node": "/dev/leaky", "driver": None}], v["devices"]
    assert v["pages"] == 3 and v["bytes"] == 3 * 4096, (v["pages"], v["bytes"])


def test_keep_one_is_caught_by_deep_tracking_and_the_books_balance():
    caught("--pages", 300, "--times", 20, "keep-one:3", level="deep")


def test_a_file_closed_without_unpinning_is_caught():
    caught("--pages", 700, "close")


def test_a_file_closed_without_unpinning_is_caught_by_deep_tracking():
    caught("--pages", 700, "close", level="deep")


def test_a_living_process_leaves_abandoned_pins():
    load("leaky")
    before = leaked()
    with Watch("--track", "always") as w:
        p = drive("--pages", 64, "--stay", 600, "close", wait=False)
        v = w.verdict(evidence="abandoned", pins=64)
        assert v["processes"][0]["alive"], v["processes"]
        p.kill()
        p.wait()
        w.verdict(evidence="orphaned", pins=64)
    assert leaked() - before == 64


def test_a_failing_call_that_keeps_its_pins_is_caught_while_the_file_is_open():
    load("leaky")
    with Watch("--track", "always") as w:
        p = drive("--pages", 80, "--hold", 600, "error", wait=False)
        v = w.verdict(evidence="error-left", pins=80)
        assert v["cause"] == "error-path", v["cause"]
        p.kill()
        p.wait()
        v = w.verdict(evidence="orphaned", pins=80)
        assert v["cause"] == "error-path", v["cause"]


def test_a_failing_call_that_keeps_some_pins_is_caught_with_the_exact_count():
    caught("--pages", 80, "error:5", cause="error-path")


def test_a_failing_call_is_caught_by_deep_tracking():
    caught("--pages", 80, "error:5", cause="error-path", level="deep")


def test_a_partial_pin_that_is_forgotten_is_caught():
    caught("--pages", 100, "partial", cause="error-path")


def test_a_partial_pin_is_caught_by_deep_tracking():
    caught("--pages", 100, "partial", cause="error-path", level="deep")


def test_pins_taken_by_a_worker_are_caught():
    v = caught("--pages", 50, "work")
    assert v["processes"][0]["worker"], v["processes"]


def test_pins_taken_by_a_worker_are_caught_by_deep_tracking():
    caught("--pages", 50, "work", level="deep")


def test_huge_pages_count_each_folio_once():
    v = caught("--pages", 1024, "--thp", "close")
    assert v["pages"] == 2 and v["bytes"] == 4 << 20, (v["pages"], v["bytes"])


def test_hugetlb_pages_count_each_folio_once_by_deep_tracking():
    sh("echo 16 > /proc/sys/vm/nr_hugepages")
    v = caught("--pages", 1024, "--huge", "close", level="deep")
    assert v["pages"] == 2 and v["bytes"] == 4 << 20, (v["pages"], v["bytes"])


def test_part_of_a_huge_page_makes_all_of_it_unmovable():
    v = caught("--pages", 512, "--thp", "keep-one:5")
    assert v["pins"] == 5 and v["pages"] == 1 and v["bytes"] == 2 << 20, v


def test_shared_memory_is_told_from_anonymous():
    v = caught("--pages", 32, "--shared", "close")
    assert [o["kind"] for o in v["objects"]] == ["file"], v["objects"]
    v = caught("--pages", 32, "close")
    assert [o["kind"] for o in v["objects"]] == ["anon"], v["objects"]


def test_an_unloaded_module_is_named_by_its_pins():
    load("leaky")
    with Watch("--track", "always") as w:
        drive("--pages", 120, "rmmod")
        w.verdict(evidence="orphaned", pins=120)
        sh("rmmod leaky")
        v = w.verdict(evidence="unloaded", pins=120)
        assert v["driver"]["name"] == "leaky" and len(v["driver"]["srcversion"]) > 8, v["driver"]
        assert any("[leaky]" in frame for frame in v["sites"][0]["stack"]), v["sites"]


def test_a_module_unloaded_at_once_is_named_all_the_same():
    load("leaky")
    with Watch("--track", "always", "--interval", "2s") as w:
        drive("--pages", 40, "rmmod")
        sh("rmmod leaky")
        v = w.verdict(evidence="unloaded", pins=40)
        assert v["driver"]["name"] == "leaky", v["driver"]


def two_drivers(level, guilty, first, second):
    """Both drivers pin the same pages; only one of them leaks."""
    load("leaky", "second")
    before = leaked(guilty)
    with Watch("--track", "always", "--level", level) as w:
        drive("--pages", 64, "--also", f"/dev/second={second}", first)
        want = leaked(guilty) - before
        assert want > 0
        v = w.verdict(evidence="orphaned", pins=want)
        w.stop()
        assert v["driver"]["name"] == guilty, v["driver"]
        assert {o["driver"]["name"] for o in w.of("verdict")} == {guilty}, w.of("verdict")
        if level == "deep":
            assert_balanced(w)


def test_of_two_drivers_on_the_same_pages_the_leaking_one_is_named():
    two_drivers("deep", "leaky", "keep-one:4", "hold")


def test_of_two_drivers_on_the_same_pages_the_other_is_named_when_it_leaks():
    two_drivers("deep", "second", "hold", "keep-one:4")


def test_pages_claimed_by_two_drivers_call_for_deep_tracking_and_only_the_leaking_one_is_named():
    """What light tracking saw stays open for ever; what deep tracking sees is told apart."""
    load("leaky", "second")
    before = leaked()
    with Watch("--track", "always") as w:
        leak_until(w, lambda w: w.of("verdict"), "--pages", 64, "--also", "/dev/second=use",
                   "keep-one:4", pause=0.5)
        v = w.verdict(evidence="orphaned")
        w.until_seen()
        w.stop()
        want, found = leaked() - before, w.summary["leaked_pins"]
        assert [o["to"] for o in w.of("state")] == ["light", "deep"], w.of("state")
        assert 0 < found < want, (found, want)
        assert w.summary["ledger"]["ambiguous"] + found == want, w.summary["ledger"]
        assert {o["driver"]["name"] for o in w.of("verdict")} == {"leaky"}, v


def test_of_two_leaking_drivers_both_are_named():
    load("leaky", "second")
    before = leaked("leaky"), leaked("second")
    with Watch("--track", "always", "--level", "deep") as w:
        drive("--pages", 64, "--also", "/dev/second=keep-one:9", "keep-one:4")
        w.verdict(evidence="orphaned", pins=4)
        w.verdict(evidence="orphaned", pins=9)
        w.stop()
        assert {(o["driver"]["name"], o["pins"]) for o in w.of("verdict")
                if o["evidence"] == "orphaned"} >= {("leaky", 4), ("second", 9)}
        assert_balanced(w)
    assert leaked("leaky") - before[0] == 4 and leaked("second") - before[1] == 9


def test_transient_use_is_innocent():
    innocent("--pages", 600, "--times", 50, "use")


def test_transient_use_is_innocent_to_deep_tracking():
    innocent("--pages", 600, "--times", 50, "use", level="deep")


def test_register_and_hold_until_close_is_innocent():
    innocent("--pages", 600, "--hold", 3, "hold")


def test_register_and_hold_is_innocent_to_deep_tracking():
    innocent("--pages", 600, "--hold", 3, "hold", level="deep")


def late_release(level):
    """It comes long before the time of grace ends, and is seen."""
    w = innocent("--pages", 600, "async:3000", level=level, seconds=1, grace="10s")
    assert w.summary["ledger"]["pins"] == 0, w.summary["ledger"]


def test_an_asynchronous_release_is_innocent_even_during_its_delay():
    late_release("light")


def test_an_asynchronous_release_is_innocent_to_deep_tracking():
    late_release("deep")


def test_a_close_that_takes_longer_than_the_grace_time_is_innocent():
    innocent("--pages", 600, "--stay", 1, "hold:4000", seconds=1)


def test_a_close_that_takes_long_is_innocent_to_deep_tracking():
    innocent("--pages", 600, "--stay", 1, "hold:4000", seconds=1, level="deep")


def test_what_a_close_leaves_behind_is_caught_when_it_has_returned():
    assert caught("--pages", 8, "hold:3000", "close")["pins"] == 8


def test_huge_pages_held_until_close_are_innocent():
    innocent("--pages", 1024, "--thp", "--hold", 2, "hold")


def test_a_killed_process_is_innocent_when_its_file_releases():
    load("leaky")
    with Watch("--track", "always") as w:
        p = drive("--pages", 600, "--hold", 600, "hold", wait=False)
        p.stdout.readline()
        p.kill()
        p.wait()
        w.until_seen(3)
        w.stop()
        assert not w.of("verdict") and w.status == 0, w.of("verdict")


def test_a_file_that_another_process_still_holds_is_innocent():
    """The opener ends; a child that inherited the file keeps the registration alive."""
    load("leaky")
    with Watch("--track", "always") as w:
        p = drive("--pages", 64, "--hold", 600, "hold", wait=False)
        p.stdout.readline()
        # Another process takes the same open file by way of pidfd_getfd().
        keeper = os.fork()
        if not keeper:
            import ctypes
            libc = ctypes.CDLL(None, use_errno=True)
            pidfd = libc.syscall(434, p.pid, 0)
            for fd in range(3, 10):
                try:
                    if os.readlink(f"/proc/{p.pid}/fd/{fd}") == "/dev/leaky":
                        libc.syscall(438, pidfd, fd, 0)
                except OSError:
                    pass
            time.sleep(30)
            os._exit(0)
        time.sleep(1)
        p.kill()
        p.wait()
        w.until_seen(3)
        assert not w.of("verdict"), w.of("verdict")
        os.kill(keeper, 9)
        os.waitpid(keeper, 0)
        w.stop()
        assert not w.of("verdict"), w.of("verdict")


def test_other_users_of_pins_are_innocent_and_the_books_balance():
    """io_uring and udmabuf, from pinleak's own calibration; process_vm_readv as well."""
    with Watch("--track", "always", "--level", "deep") as w:
        sh(f"{os.environ.get('PINLEAK', 'build/pinleak')} doctor --json > /dev/null", check=False)
        w.until_seen(3)
        w.stop()
        assert not w.of("verdict"), w.of("verdict")
        assert_balanced(w)


if __name__ == "__main__":
    os.chdir(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    run(tests_of(globals()))
