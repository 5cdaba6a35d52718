#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
What a folio belongs to (kernel/objects.h), against what the test itself has made: memory of its
own, at page frames that /proc/self/pagemap tells.
"""
import contextlib
import ctypes
import json
import mmap
import os
import struct
import time

from harness import MODULES, ROOT, Skip, drive, load, read, run, sh, tests_of

PLACES = os.path.join(ROOT, "build/tests/places")
PAGE = 4096
HUGE = 2 << 20
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int,
                      ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
libc.shmat.restype = ctypes.c_void_p
libc.shmat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
MAP_SHARED, MAP_PRIVATE, MAP_ANON, MAP_HUGETLB = 1, 2, 0x20, 0x40000


def map_memory(size, flags, fd=-1, offset=0, huge=True):
    """Address of a new mapping, each page of it written to."""
    addr = libc.mmap(None, size, 3, flags, fd, offset)
    assert addr != ctypes.c_void_p(-1).value, os.strerror(ctypes.get_errno())
    if not huge:
        libc.madvise(addr, size, 15)
    touch(addr, size)
    return addr


def touch(addr, size):
    for at in range(addr, addr + size, PAGE):
        ctypes.memset(at, 1, 1)


def frame(addr, pid="self"):
    with open(f"/proc/{pid}/pagemap", "rb") as f:
        f.seek(addr // PAGE * 8)
        entry = struct.unpack("Q", f.read(8))[0]
    assert entry >> 63, f"nothing is mapped at {addr:#x}"
    return entry & ((1 << 55) - 1)


def places(*pfns):
    out = sh(" ".join([PLACES, "at", *map(str, pfns)]))
    return [json.loads(line) for line in out.splitlines()]


def place(addr):
    return places(frame(addr))[0]


def start_ticks(pid):
    return int(read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()[19])


def assert_mapped_by(p, *wanted):
    """wanted: pairs of process and address, all there are."""
    assert sorted((m["pid"], m["addr"]) for m in p["mappers"]) == sorted(wanted), p
    assert not p["more"], p
    for m in p["mappers"]:
        assert m["comm"] == read(f"/proc/{m['pid']}/comm"), m
        assert abs(m["start"] // 10 ** 7 - start_ticks(m["pid"])) <= 1, m
        with open(f"/proc/{m['pid']}/cmdline", encoding="ascii") as f:
            assert m["cmdline"] == f.read()[:256], m


@contextlib.contextmanager
def child(work):
    """Another process, which lives on after work(); what work() returns is told as JSON."""
    r, w = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.write(w, json.dumps(work()).encode())
            time.sleep(100)
        finally:
            os._exit(0)
    os.close(w)
    try:
        yield pid, json.loads(os.read(r, 4096))
    finally:
        os.close(r)
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def test_private_memory_is_the_process_s_own():
    addr = map_memory(4 * PAGE, MAP_PRIVATE | MAP_ANON)
    for at in range(addr, addr + 4 * PAGE, PAGE):
        p = place(at)
        assert p["object"]["kind"] == "anonymous" and p["object"]["name"] == "", p
        assert_mapped_by(p, (os.getpid(), at))


def test_a_page_is_not_a_child_s_that_made_a_copy():
    addr = map_memory(2 * PAGE, MAP_PRIVATE | MAP_ANON)
    with child(lambda: touch(addr, PAGE)) as (pid, _):
        assert_mapped_by(place(addr), (os.getpid(), addr))
        assert_mapped_by(place(addr + PAGE), (os.getpid(), addr + PAGE), (pid, addr + PAGE))
        p = places(frame(addr, pid))[0]
        assert_mapped_by(p, (pid, addr))


def test_shared_memory_without_a_name_is_all_its_processes():
    addr = map_memory(PAGE, MAP_SHARED | MAP_ANON)
    with child(lambda: touch(addr, PAGE)) as (pid, _):
        p = place(addr)
        assert p["object"]["kind"] == "shared" and p["object"]["name"] == "dev/zero", p
        assert p["object"]["size"] == PAGE and not p["object"]["mounted"], p
        assert_mapped_by(p, (os.getpid(), addr), (pid, addr))


def test_memfd_has_its_name():
    fd = os.memfd_create("frames for the camera")
    os.ftruncate(fd, 8 * PAGE)
    addr = map_memory(8 * PAGE, MAP_SHARED, fd)
    p = place(addr + 5 * PAGE)
    o = p["object"]
    assert (o["kind"], o["name"]) == ("memfd", "frames for the camera"), o
    assert o["size"] == 8 * PAGE and o["ino"] == os.fstat(fd).st_ino, o
    assert_mapped_by(p, (os.getpid(), addr + 5 * PAGE))
    again = map_memory(2 * PAGE, MAP_SHARED, fd, 4 * PAGE)
    assert_mapped_by(place(addr + 5 * PAGE), (os.getpid(), addr + 5 * PAGE),
                     (os.getpid(), again + PAGE))
    os.close(fd)


def test_sysv_segment_has_its_key_and_number():
    key = 0x729
    shmid = libc.shmget(key, PAGE, 0o1600)
    assert shmid >= 0
    addr = libc.shmat(shmid, None, 0)
    touch(addr, PAGE)
    libc.shmctl(shmid, 0, None)
    o = place(addr)["object"]
    assert (o["kind"], o["name"], o["ino"]) == ("sysv", "0x00000729", shmid), o


@contextlib.contextmanager
def tmpfs(where):
    os.makedirs(where, exist_ok=True)
    sh(f"mount -t tmpfs none '{where}'")
    try:
        yield where
    finally:
        sh(f"umount -l '{where}'")


def dev_of(path):
    st = os.stat(path).st_dev
    return os.major(st) << 20 | os.minor(st)


def test_file_has_its_path_and_says_when_it_is_deleted():
    with tmpfs("/run/a b") as where:
        os.makedirs(f"{where}/x/y")
        path = f"{where}/x/y/data"
        with open(path, "wb+") as f:
            f.truncate(3 * PAGE)
            addr = map_memory(3 * PAGE, MAP_SHARED, f.fileno())
            p = place(addr)
            o = p["object"]
            assert (o["kind"], o["name"], o["fs"]) == ("file", path, "tmpfs"), o
            assert o["mounted"] and not o["deleted"] and o["size"] == 3 * PAGE, o
            assert o["dev"] == dev_of(path) and o["ino"] == os.stat(path).st_ino, o
            assert_mapped_by(p, (os.getpid(), addr))
            os.unlink(path)
            o = place(addr)["object"]
            assert o["deleted"] and o["name"] == path, o
        libc.munmap(addr, 3 * PAGE)


def test_path_beneath_a_bind_mount_is_the_whole_file_system_s():
    with tmpfs("/run/one") as where:
        os.mkdir(f"{where}/sub")
        os.makedirs("/run/two", exist_ok=True)
        sh(f"mount --bind {where}/sub /run/two")
        with open("/run/two/data", "wb+") as f:
            f.truncate(PAGE)
            addr = map_memory(PAGE, MAP_SHARED, f.fileno())
        assert place(addr)["object"]["name"] == "/run/one/sub/data"
        sh(f"umount -l {where}")
        o = place(addr)["object"]
        assert o["name"] == "/run/two/data", o
        sh("umount -l /run/two")
        o = place(addr)["object"]
        assert (o["name"], o["mounted"]) == ("/sub/data", False), o
        libc.munmap(addr, PAGE)
        sh(f"mount -t tmpfs none {where}")


def test_program_file_is_told_by_its_path():
    """An ordinary file of this machine's root, mapped by the loader."""
    for line in open("/proc/self/maps", encoding="utf-8"):
        fields = line.split()
        if len(fields) == 6 and fields[5].endswith("libc.so.6") and fields[1].startswith("r--p"):
            addr = int(fields[0].split("-")[0], 16)
            break
    ctypes.string_at(addr, 4)
    p = place(addr)
    o = p["object"]
    assert o["kind"] == "file" and o["name"].endswith("/libc.so.6"), o
    assert o["ino"] == int(fields[4]), (o, line)
    assert (os.getpid(), addr) in [(m["pid"], m["addr"] + (addr - m["addr"]) % PAGE)
                                   for m in p["mappers"]] or p["more"] or p["order"], p


def test_hugetlb_memory_by_itself_and_in_a_file():
    before = read("/proc/sys/vm/nr_hugepages")
    sh("echo 6 > /proc/sys/vm/nr_hugepages")
    if int(read("/proc/sys/vm/nr_hugepages")) < 6:
        raise Skip("no memory for hugetlb pages")
    addr = map_memory(2 * HUGE, MAP_PRIVATE | MAP_ANON | MAP_HUGETLB)
    for at in (addr, addr + HUGE):
        p = place(at)
        assert p["object"]["kind"] == "anonymous" and p["object"]["hugetlb"], p
        assert p["order"] == 9, p
        assert_mapped_by(p, (os.getpid(), at))
    fd = os.memfd_create("big", 4)
    os.ftruncate(fd, 3 * HUGE)
    addr = map_memory(3 * HUGE, MAP_SHARED, fd)
    for at in (addr, addr + 2 * HUGE):
        p = place(at)
        o = p["object"]
        assert (o["kind"], o["name"], o["hugetlb"]) == ("memfd", "big", True), o
        assert_mapped_by(p, (os.getpid(), at))
    shared = map_memory(HUGE, MAP_SHARED | MAP_ANON | MAP_HUGETLB)
    o = place(shared)["object"]
    assert (o["kind"], o["hugetlb"]) == ("shared", True), o
    libc.munmap(shared, HUGE)
    libc.munmap(addr, 3 * HUGE)
    os.close(fd)
    sh(f"echo {before} > /proc/sys/vm/nr_hugepages")


def huge_pages(count):
    """An aligned mapping of transparent huge pages; those that became none are left out."""
    sh("echo always > /sys/kernel/mm/transparent_hugepage/enabled")
    base = libc.mmap(None, (count + 1) * HUGE, 3, MAP_PRIVATE | MAP_ANON, -1, 0)
    addr = (base + HUGE - 1) // HUGE * HUGE
    libc.madvise(addr, count * HUGE, 14)
    touch(addr, count * HUGE)
    return addr, base, (count + 1) * HUGE


def test_part_of_a_huge_page_is_still_the_process_s():
    addr, base, size = huge_pages(1)
    pfn = frame(addr)
    if places(pfn)[0]["order"] != 9:
        raise Skip("no transparent huge page to be had")
    assert_mapped_by(places(pfn)[0], (os.getpid(), addr))
    libc.munmap(addr, 100 * PAGE)
    p = places(pfn)[0]
    assert_mapped_by(p, (os.getpid(), addr + 100 * PAGE))
    libc.munmap(base, size)


def test_block_device_s_page_cache():
    image = "/run/image"
    sh(f"dd if=/dev/zero of={image} bs=1M count=4 2>/dev/null")
    if not os.path.exists("/dev/loop-control"):
        sh("modprobe loop", check=False)
    loop = sh(f"losetup --find --show {image}", check=False).strip()
    if not loop:
        raise Skip("no loop device on this kernel")
    fd = os.open(loop, os.O_RDWR)
    addr = map_memory(PAGE, MAP_SHARED, fd)
    o = place(addr)["object"]
    rdev = os.stat(loop).st_rdev
    assert (o["kind"], o["name"], o["fs"]) == ("device", loop, "bdev"), o
    assert o["rdev"] == os.major(rdev) << 20 | os.minor(rdev), o
    libc.munmap(addr, PAGE)
    os.close(fd)
    sh(f"losetup -d {loop}")


def test_memory_cut_off_from_its_file_says_so():
    """What a pin keeps of a file that is truncated; another process's pipe does here."""
    fd = os.memfd_create("gone")
    os.write(fd, b"x" * PAGE)
    addr = map_memory(PAGE, MAP_SHARED, fd)
    pfn = frame(addr)
    r, w = os.pipe()
    assert os.splice(fd, w, PAGE, offset_src=0) == PAGE
    os.ftruncate(fd, 0)
    o = places(pfn)[0]["object"]
    assert o["kind"] == "cut", o
    assert places(pfn)[0]["mappers"] == []
    for end in (fd, r, w):
        os.close(end)


@contextlib.contextmanager
def cgroup(name):
    root = "/sys/fs/cgroup"
    if not os.path.exists(f"{root}/cgroup.controllers"):
        sh(f"mount -t cgroup2 none {root}")
    if "memory" not in read(f"{root}/cgroup.controllers").split():
        raise Skip("the memory controller is not to be had")
    sh(f"echo +memory > {root}/cgroup.subtree_control")
    path = f"{root}/{name}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.dirname(name):
        sh(f"echo +memory > {os.path.dirname(path)}/cgroup.subtree_control")
    os.mkdir(path)
    yield path


def test_cgroup_that_is_charged_is_told_even_after_its_end():
    fd = os.memfd_create("charged")
    os.ftruncate(fd, PAGE)
    with cgroup("outer/inner") as path:
        def work():
            with open(f"{path}/cgroup.procs", "w", encoding="ascii") as f:
                f.write(str(os.getpid()))
            addr = map_memory(PAGE, MAP_SHARED, fd)
            own = map_memory(PAGE, MAP_PRIVATE | MAP_ANON)
            return [frame(addr), frame(own)]
        with child(work) as (pid, frames):
            for p in places(*frames):
                assert p["group"] == "/outer/inner" and not p["dying"], p
                assert [m["cgroup"] for m in p["mappers"]] == ["/outer/inner"], p
        os.rmdir(path)
        p = places(frames[0])[0]
        assert p["group"] == "/outer/inner" and p["dying"], p
        assert p["mappers"] == [], p
        os.rmdir(os.path.dirname(path))


def test_more_processes_than_are_told():
    """More than are told: the first eight, and that there are more."""
    addr = map_memory(PAGE, MAP_SHARED | MAP_ANON)
    with contextlib.ExitStack() as stack:
        for _ in range(11):
            stack.enter_context(child(lambda: touch(addr, PAGE)))
        p = place(addr)
    assert len(p["mappers"]) == 8 and p["more"], p


def test_many_huge_pages_in_one_look():
    addr, base, size = huge_pages(256)
    frames = [frame(at) for at in range(addr, addr + 256 * HUGE, HUGE)]
    began = time.monotonic()
    found = places(*frames)
    took = time.monotonic() - began
    print(f"# {len(found)} folios in {took:.2f} s", flush=True)
    for at, p in zip(range(addr, addr + 256 * HUGE, HUGE), found):
        assert_mapped_by(p, (os.getpid(), at))
    libc.munmap(base, size)


def pinned():
    return [json.loads(line) for line in sh(f"{PLACES} pinned").splitlines()]


@contextlib.contextmanager
def holding(*options):
    """A process whose pages the test driver has pinned, and these folios."""
    if not os.path.isdir(MODULES):
        raise Skip("no test drivers for this kernel")
    load("leaky")
    p = drive("--pages", 1024, "--hold", 3600, *options, "hold", wait=False)
    try:
        assert f"holding pid={p.pid}" in p.stdout.readline()
        yield p.pid, [f for f in pinned() if p.pid in [m["pid"] for m in f["mappers"]]]
    finally:
        p.kill()
        p.communicate()


def test_what_a_driver_has_pinned_is_the_process_s():
    with holding() as (pid, folios):
        assert sum(f["pins"] for f in folios) == 1024, len(folios)
        for f in folios:
            assert f["object"]["kind"] == "anonymous", f
            assert [m["comm"] for m in f["mappers"]] == ["drive"], f
            assert frame(f["mappers"][0]["addr"], pid) == f["pfn"], f
    with holding("--shared") as (pid, folios):
        assert sum(f["pins"] for f in folios) == 1024, len(folios)
        assert {f["object"]["kind"] for f in folios} == {"shared"}
        assert len({f["place"] for f in folios}) == 1
    with holding("--thp") as (pid, folios):
        assert [(f["order"], f["pins"]) for f in folios] == [(9, 512)] * 2, folios


def test_what_a_driver_has_leaked_is_nobody_s():
    if not os.path.isdir(MODULES):
        raise Skip("no test drivers for this kernel")
    load("leaky")
    known = {f["pfn"] for f in pinned()}
    drive("--pages", 64, "close")
    left = [f for f in pinned() if f["pfn"] not in known]
    assert sum(f["pins"] for f in left) == 64, left
    for f in left:
        assert (f["object"]["kind"], f["mappers"], f["more"]) == ("anonymous", [], False), f
    known |= {f["pfn"] for f in left}
    drive("--pages", 64, "--shared", "close")
    left = [f for f in pinned() if f["pfn"] not in known]
    assert {(f["object"]["kind"], len(f["mappers"])) for f in left} == {("cut", 0)}, left


def churn():
    """Processes that come and go, map, unmap and remove; ends with its parent's patience."""
    end = time.monotonic() + 300
    while time.monotonic() < end:
        pid = os.fork()
        if not pid:
            fd = os.memfd_create("churn")
            os.ftruncate(fd, 64 * PAGE)
            map_memory(64 * PAGE, MAP_SHARED, fd)
            map_memory(64 * PAGE, MAP_PRIVATE | MAP_ANON)
            os._exit(0)
        os.waitpid(pid, 0)


def test_every_folio_while_processes_come_and_go():
    map_memory(512 * PAGE, MAP_PRIVATE | MAP_ANON)
    workers = []
    for _ in range(2):
        pid = os.fork()
        if not pid:
            churn()
            os._exit(0)
        workers.append(pid)
    try:
        counts = json.loads(sh(f"{PLACES} all"))
    finally:
        for pid in workers:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
    print(f"# {counts}", flush=True)
    assert counts["anonymous"] > 10 and counts["file"] > 10 and counts["unknown"] > 10, counts
    assert counts["mapped"] > 10 and counts["others"] == 0, counts


if __name__ == "__main__":
    run(tests_of(globals()))
