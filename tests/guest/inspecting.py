#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
`pinleak inspect` against what the test reads by itself: modinfo(8), sysfs, prlimit(2), the kernel's
log. On a driver of our own, on drivers of Debian's kernels and on one that is built in.
"""
import collections
import contextlib
import glob
import json
import lzma
import os
import re
import resource
import signal
import subprocess
import tempfile
import threading
import time

import memory
from harness import LIMIT, MODULES, PINLEAK, Watch, load, read, run, sh, tests_of, validate, write
from memory import Device

LEAKY = os.path.join(MODULES, "leaky.ko")
RELEASE = os.uname().release
MIB = 1 << 20
NOISE = "quiet\x1b[31m"  # a name that would paint the terminal red


def inspect(*args, status=0, user=None):
    """The JSON object, or None and what was said on standard error."""
    r = subprocess.run([PINLEAK, "inspect", "--json", *args], capture_output=True, text=True,
                       errors="replace", timeout=LIMIT, user=user, check=False)
    assert r.returncode == status, (args, r.returncode, r.stdout, r.stderr)
    if status:
        return r.stderr
    found = json.loads(r.stdout)
    validate([found])
    return found


def fast(*args, **options):
    return inspect("--no-census", *args, **options)


def why(found, part):
    return [gap["why"] for gap in found["not_seen"] if gap["part"] == part]


def modinfo(field, module):
    return [line for line in sh(f"modinfo -F {field} {module}").split("\n") if line.strip()]


def squeezed(text):
    return re.sub(r"[ \t\n]+", " ", text).strip()


def joined(descriptions):
    return "; ".join(dict.fromkeys(map(squeezed, descriptions)))


# ---- the package manager: Debian's takes seconds here, and knows nothing of the guest's kernel ------

@contextlib.contextmanager
def programs(**scripts):
    """Puts shell scripts in the place of programs in /usr/bin; None takes a program away."""
    kept = []
    for name, text in scripts.items():
        path = f"/usr/bin/{name.replace('_', '-')}"
        if os.path.exists(path):
            os.rename(path, path + ".kept")
            kept.append(path)
        if text is not None:
            write(path, f"#!/bin/sh\n{text}\n")
            os.chmod(path, 0o755)
    try:
        yield
    finally:
        for name in scripts:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"/usr/bin/{name.replace('_', '-')}")
        for path in kept:
            os.rename(path + ".kept", path)


def nobodys():
    return programs(dpkg_query="echo 'dpkg-query: no path found matching pattern' >&2; exit 1")


# ---- every field of a module ------------------------------------------------------------------------

def check_identity(found, module):
    one = found["identity"]
    for field in ("vermagic", "license"):
        assert one[field] == modinfo(field, module)[0], (field, one[field])
    assert squeezed(one["description"] or "") == joined(modinfo("description", module)), one
    for field in ("version", "srcversion"):
        want = read(f"/sys/module/{found['driver']}/{field}") \
            if os.path.exists(f"/sys/module/{found['driver']}/{field}") else None
        assert one[field] == (want or "".join(modinfo(field, module)) or None), (field, one)
    assert (one["taint"] or "") == read(f"/sys/module/{found['driver']}/taint"), one["taint"]
    signature = one["signature"]
    assert signature["signed"] == bool(modinfo("sig_id", module)), signature
    assert (signature["type"] or "") == "".join(modinfo("sig_id", module)), signature
    assert (signature["signer"] or "") == "".join(modinfo("signer", module)), signature
    assert (signature["key"] or "") == "".join(modinfo("sig_key", module)), signature
    assert (signature["hash"] or "") == "".join(modinfo("sig_hashalgo", module)), signature


def check_params(found, module):
    types = dict(p.split(":", 1) for p in modinfo("parmtype", module))
    shown = re.findall(r"^(\w+):((?:.|\n(?!\w+:))*)", sh(f"modinfo -F parm {module}"), re.M)
    # modinfo appends the type in parentheses
    texts = {name: squeezed(text).removesuffix(f" ({types.get(name)})") for name, text in shown}
    folder = f"/sys/module/{found['driver']}/parameters"
    values = {p: read(f"{folder}/{p}").replace("\x1b", "\\x1b") for p in os.listdir(folder)} if os.path.isdir(folder) else {}
    params = {p["name"]: p for p in found["parameters"]}
    assert params.keys() == types.keys() | texts.keys() | values.keys(), params.keys()
    for name, p in params.items():
        assert p["type"] == types.get(name), p
        assert (p["description"] or "") == texts.get(name, ""), (p, texts.get(name))
        assert p["value"] == values.get(name), p
        if p["differs"] is not None:
            assert p["differs"] == (p["value"] != p["default"]), p
    return params


def check_device(d):
    """One device, against its folder in sysfs."""
    folder = "/sys" + d["path"]

    def line(name):
        return read(f"{folder}/{name}") if os.path.exists(f"{folder}/{name}") else None

    def link(name):
        at = f"{folder}/{name}"
        return os.path.basename(os.readlink(at)) if os.path.islink(at) else None

    assert d["driver"] == link("driver") and d["bus"] == link("subsystem"), d
    assert d["iommu_group"] == link("iommu_group"), d
    if d["iommu_group"]:
        assert d["iommu_type"] == read(f"/sys/kernel/iommu_groups/{d['iommu_group']}/type"), d
    for field in ("dma_mask_bits", "consistent_dma_mask_bits"):
        assert d[field] == (int(line(field)) if line(field) else None), d
    node = line("numa_node")
    assert d["numa_node"] == (None if node is None or int(node) < 0 else int(node)), d
    assert d["runtime_status"] == line("power/runtime_status"), d
    assert d["power_state"] == line("power_state"), d
    if line("dev"):
        assert d["nodes"] == [re.search("DEVNAME=(.*)", line("uevent"))[1]], d


def kernel_log():
    """(level, text, dictionary) of each record, read without pinleak."""
    fd, records = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK), []
    with contextlib.suppress(BlockingIOError):
        while True:
            head, _, text = os.read(fd, 8192).decode(errors="replace").partition(";")
            text, _, rest = text.partition("\n")
            records.append((int(head.split(",")[0]) & 7, text, rest))
    os.close(fd)
    return records


# ---- our own driver ---------------------------------------------------------------------------------

def load_leaky():
    if not os.path.isdir("/sys/module/leaky"):
        sh(f"insmod {LEAKY} noisy=1 verbosity=9 burst=10 'label={NOISE}'")


def make_group():
    sh("echo +memory > /sys/fs/cgroup/cgroup.subtree_control; mkdir -p /sys/fs/cgroup/outer && "
       "echo +memory > /sys/fs/cgroup/outer/cgroup.subtree_control; mkdir -p /sys/fs/cgroup/outer/inner")
    write("/sys/fs/cgroup/outer/memory.high", str(300 * MIB))
    write("/sys/fs/cgroup/outer/inner/memory.max", str(200 * MIB))


@contextlib.contextmanager
def user_of(path, memlock):
    """A process of another user's, without capabilities, that has the node open."""
    make_group()
    pid = os.fork()
    if not pid:
        write("/sys/fs/cgroup/outer/inner/cgroup.procs", str(os.getpid()))
        os.open(path, os.O_RDWR)
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (memlock, 2 * memlock))
        os.setuid(65534)
        while True:
            signal.pause()
    try:
        end = time.monotonic() + 60
        while "\nUid:\t65534" not in read(f"/proc/{pid}/status"):
            assert time.monotonic() < end, "it is not yet another user's"
            time.sleep(0.05)
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_our_module_is_told_as_modinfo_sysfs_and_prlimit_have_it():
    load_leaky()
    with nobodys(), user_of("/dev/leaky", 3 * MIB) as pid:
        found = fast("--file", LEAKY, "/dev/leaky")
        soft, hard = resource.prlimit(pid, resource.RLIMIT_MEMLOCK)
        p, = [p for p in found["processes"] if p["pid"] == pid]
    assert found["driver"] == "leaky" and found["guess"], found
    one = found["identity"]
    assert one["kind"] == "module" and one["loaded"] and one["intree"] is False, one
    assert not one["dkms"] and not one["file_differs"] and "O" in one["taint"], one
    check_identity(found, LEAKY)
    params = check_params(found, LEAKY)
    assert {n for n, p in params.items() if p["differs"]} == {"noisy", "verbosity", "burst", "label"}
    assert {n: p["default"] for n, p in params.items() if p["default_by"]} == {
        "async_delay_ms": "1000", "keep_pages": "1", "max_pages": "1048576", "noisy": "N",
        "verbosity": "1", "burst": "20", "label": "quiet"}, params
    assert [n for n, p in params.items() if p["fault"]] == ["verbosity"], params
    assert "from 0 to 3" in params["verbosity"]["fault"], params["verbosity"]
    d, = found["devices"]
    check_device(d)
    assert d["nodes"] == ["leaky"] and d["guess"], d
    assert (p["memlock_soft"], p["memlock_hard"]) == (soft, hard) == (3 * MIB, 6 * MIB), p
    assert p["node"] == "leaky" and not p["exempt"] and p["cgroup"] == "/outer/inner", p
    limits = {(o["limit"], o["of"]): o["allowed"] for o in found["limits"] if o["pid"] in (pid, None)}
    assert limits["memory.max", "/outer/inner"] == 200 * MIB, limits
    assert limits["memory.high", "/outer"] == 300 * MIB, limits
    assert limits["memory.high", "/outer/inner"] == limits["memory.max", "/outer"] == "unlimited"
    first = found["first_limit"]
    assert (first["limit"], first["pid"], first["allowed"]) == ("RLIMIT_MEMLOCK", pid, soft), first


def test_the_log_has_its_lines_errors_first_repeated_ones_and_those_held_back_counted():
    load_leaky()
    for _ in range(2):
        with Device():
            time.sleep(1.2)  # the rate limit of the driver is by the second
    write("/dev/kmsg", "<4>leaky_ioctl: a function of the module, by its symbol\n")
    write("/dev/kmsg", "<4>leakyness: nobody's\n")
    with Device(), nobodys():
        log = fast("--file", LEAKY, "leaky")["log"]
    ours = [(level, text) for level, text, rest in kernel_log()
            if text.startswith(("leaky: ", "misc leaky: ", "leaky_noise: ", "leaky_ioctl: "))]
    assert (log["errors"], log["warnings"], log["others"]) == (
        sum(o[0] <= 3 for o in ours), sum(o[0] == 4 for o in ours), sum(o[0] > 4 for o in ours)), log
    held_back = sum(int(n) for _, text in ours
                    for n in re.findall(r"(\d+) callbacks suppressed", text))
    assert log["suppressed"] == held_back > 0, (log["suppressed"], held_back)
    grades = [0 if o["level"] == "err" else 1 if o["level"] == "warning" else 2 for o in log["lines"]]
    assert grades == sorted(grades) and set(grades) == {0, 1, 2}, log["lines"]
    again, = [o for o in log["lines"] if o["text"] == "leaky: again and again"]
    assert again["count"] == sum(text.endswith("again and again") for _, text in ours) > 3, again
    assert again["first_s"] < again["last_s"]
    # by its device alone: the line begins with the name of the class
    assert any(o["text"].startswith("misc leaky: a warning") for o in log["lines"]), log["lines"]


def test_no_byte_of_a_log_or_a_parameter_reaches_the_terminal_raw():
    load_leaky()
    with Device(), nobodys():
        write("/dev/kmsg", "<3>leaky: \x01\x02 junk \x7f\x1b[2J\n")
        text = subprocess.run([PINLEAK, "inspect", "--no-census", "--file", LEAKY, "leaky"],
                              capture_output=True, check=True).stdout
    assert b"quiet\\x1b[31m" in text and b"junk" in text, text
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", text), text
    assert max(map(len, text.decode().split("\n"))) < 130, "words alone may be long"


def test_what_it_holds_is_found_with_and_without_records():
    load_leaky()
    m = memory.small(64)
    with nobodys(), Device() as d:
        d.pin_all(m)
        pins = inspect("leaky")["pins"]
        assert not pins["tracked"] and pins["its"]["pins"] == 0, pins
        assert pins["perhaps"]["pins"] == 64, pins
        mine, = [h for h in pins["held"] if h["pid"] == os.getpid()]
        assert mine["pins"] == 64 and not mine["its"], mine
    with nobodys(), Watch("--track", "always"), Device() as d:
        d.pin_all(m)
        pins = inspect("leaky")["pins"]
    assert pins["tracked"] and pins["its"]["pins"] == 64 and pins["perhaps"]["pins"] == 0, pins
    assert {(h["kind"], h["its"]) for h in pins["held"]} == {("process", True), ("anonymous", True)}, pins


# ---- the file ---------------------------------------------------------------------------------------

def test_a_file_that_is_another_build_or_missing_or_cut_is_named_and_the_rest_told():
    load_leaky()
    with tempfile.TemporaryDirectory() as place, nobodys():
        cut = os.path.join(place, "cut.ko.xz")
        with open(LEAKY, "rb") as f, open(cut, "wb") as to:
            to.write(lzma.compress(f.read())[:-1000])
        reasons = {cut: "cut off or damaged", os.path.join(place, "nothing"): "No such file",
                   os.path.join(MODULES, "second.ko"): "another build"}
        for path, reason in reasons.items():
            found = fast("--file", path, "leaky")
            assert reason in why(found, "version")[0], found["not_seen"]
            assert found["parameters"] and found["log"]["lines"] and found["devices"], found
        assert "--file" in why(fast("leaky"), "version")[0], "modules.dep has no leaky"


# ---- Debian's drivers -------------------------------------------------------------------------------

def check_module(module, node=None):
    found = fast(node or module)
    assert found["driver"] == module and found["identity"]["intree"] is True, found
    assert found["identity"]["file"] == sh(f"modinfo -n {module}").strip(), found["identity"]
    check_identity(found, module)
    for d in found["devices"]:
        check_device(d)
    return found, check_params(found, module)


def test_rdma_rxe_vivid_and_null_blk_are_told_as_modinfo_and_sysfs_have_them():
    write("/etc/modprobe.d/pinleak-test.conf",
          "options null_blk gb=1 nosuch=3\noptions null-blk submit_queues=-1\n")
    sh("modprobe crc32_generic; modprobe dummy; modprobe rdma_rxe && ip link add dummy9 type dummy && "
       "ip link set dummy9 up && rdma link add rxe9 type rxe netdev dummy9")
    sh("modprobe vivid n_devs=1 node_types=0x1 && modprobe -C /dev/null null_blk gb=2")
    line = read("/proc/cmdline") + ' null-blk.gb=3000000000 null_blk.bs="5 12" vivid.x other.gb=1\n'
    write("/run/cmdline", line)
    sh("mount --bind /run/cmdline /proc/cmdline")
    try:
        with nobodys():
            found, params = check_module("null_blk")
            rxe, _ = check_module("rdma_rxe")
            camera, _ = check_module("vivid", "/dev/video0")
    finally:
        sh("umount /proc/cmdline")
        os.unlink("/etc/modprobe.d/pinleak-test.conf")
    assert params["gb"]["value"] == "2" and params["gb"]["default"] == "250", params["gb"]
    assert {n for n, p in params.items() if p["differs"]} == {"gb"}, params
    set_by = {(s["by"], s["name"], s["value"]): s for s in found["settings"]}
    assert set_by.keys() == {("kernel command line", "gb", "3000000000"),
                             ("kernel command line", "bs", "5 12"), ("modprobe.d", "gb", "1"),
                             ("modprobe.d", "nosuch", "3"), ("modprobe.d", "submit_queues", "-1")}
    assert [k[1] for k, s in set_by.items() if s["unknown"]] == ["nosuch"], set_by
    assert "does not fit" in set_by["kernel command line", "gb", "3000000000"]["fault"]
    assert "no number" in set_by["kernel command line", "bs", "5 12"]["fault"]
    assert set_by["modprobe.d", "submit_queues", "-1"]["fault"] is None, "an int may be negative"
    assert [s["unknown"] for s in camera["settings"]] == [True], camera["settings"]
    assert [d["nodes"] for d in found["devices"]] == [["nullb0"]], found["devices"]
    assert [d["nodes"] for d in rxe["devices"]] == [["infiniband/uverbs0"]], rxe["devices"]
    defaults = {p["name"]: p for p in camera["parameters"] if p["type"].startswith("array")}
    assert defaults["num_inputs"]["default"] == ",".join(["4"] * 64), defaults["num_inputs"]
    assert "node_types" in {n for n, p in defaults.items() if p["differs"]}, defaults
    assert not camera["guess"] and ["video0"] in [d["nodes"] for d in camera["devices"]], camera
    assert any(d["driver"] == "vivid" and d["bus"] == "platform" for d in camera["devices"])


def test_devices_of_a_bus_are_told_with_their_group_their_masks_and_the_drivers_around():
    with nobodys():
        found = fast("virtio-pci")
    for d in found["devices"]:
        check_device(d)
    bound = {os.path.basename(p) for p in glob.glob("/sys/bus/pci/drivers/virtio-pci/0000:*")}
    assert {d["name"] for d in found["devices"] if d["driver"]} == bound, (found["devices"], bound)
    assert all(d["dma_mask_bits"] for d in found["devices"] if d["driver"]), found["devices"]
    below = {n["driver"] for d in found["devices"] for n in d["neighbours"] if n["relation"] == "below"}
    assert below == {os.path.basename(os.readlink(p)) for p in
                     glob.glob("/sys/bus/pci/drivers/virtio-pci/0000:*/virtio*/driver")}, below


def test_a_built_in_driver_is_told_by_the_list_of_what_is_built_in():
    with nobodys():
        found = fast("8250")
        driver = fast("serial8250")
    assert found["identity"]["kind"] == "built-in" and found["identity"]["intree"] is True, found
    assert found["identity"]["license"] == modinfo("license", "8250")[0], found["identity"]
    params = check_params(found, "8250")
    assert params["nr_uarts"]["type"] == "uint" and params["nr_uarts"]["default"] is None, params
    assert found["parameters"][0]["fault"] is None
    assert "serial8250" in [d["driver"] for d in driver["devices"]], driver
    assert {d["driver"] for d in driver["devices"]} <= {"serial8250", None}, driver
    for d in driver["devices"]:
        check_device(d)


def built_in():
    """What modules.builtin.modinfo says: {module: {field: [values]}}, read without pinleak or kmod."""
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    with open(f"/lib/modules/{RELEASE}/modules.builtin.modinfo", "rb") as f:
        for text in f.read().decode(errors="replace").split("\0"):
            name, _, value = text.partition("=")
            module, _, field = name.partition(".")
            found[module][field].append(value)
    del found[""]
    return found


def check_built_in(found, told):
    one, name = found["identity"], found["driver"]
    assert one["kind"] == "built-in" and one["intree"] is True and not one["loaded"], one
    assert one["file"].endswith("/modules.builtin.modinfo"), one
    assert squeezed(one["description"] or "") == joined(told["description"]), (one, told)
    assert (one["license"] or "") == "".join(told["license"][:1]), (one, told)
    assert not why(found, "version"), found["not_seen"]
    texts, types = (dict(p.split(":", 1) for p in told[field]) for field in ("parm", "parmtype"))
    folder = f"/sys/module/{name}/parameters"
    shown = {p: read(f"{folder}/{p}") if os.stat(f"{folder}/{p}").st_mode & 0o444 else None
             for p in os.listdir(folder)} if os.path.isdir(folder) else {}
    params = {p["name"]: p for p in found["parameters"]}
    assert params.keys() == texts.keys() | types.keys() | shown.keys(), (name, params.keys())
    for p in params.values():
        assert p["type"] == types.get(p["name"]), (name, p)
        assert squeezed(p["description"] or "") == squeezed(texts.get(p["name"], "")), (name, p)
        assert p["value"] == shown.get(p["name"]), (name, p, shown)
        assert p["default_by"] != "file", "what is built in has no file of its own"


def test_all_that_is_built_in_is_told_by_its_name_with_its_parameters_and_descriptions():
    all_of_it = built_in()
    listed = {os.path.basename(line).removesuffix(".ko").replace("-", "_")
              for line in read(f"/lib/modules/{RELEASE}/modules.builtin").splitlines()}
    # One is in sysfs when it has parameters or a version, and in modules.builtin when it could be
    # a module: of each sort the ones with most to tell, and some of the rest.
    sorts = collections.defaultdict(list)
    files = {os.path.basename(line.split(":")[0]).split(".ko")[0].replace("-", "_")
             for line in read(f"/lib/modules/{RELEASE}/modules.dep").splitlines()}
    for name in all_of_it.keys() - files:  # a module of that name goes before
        sorts[os.path.isdir(f"/sys/module/{name}"), name in listed].append(name)
    assert len(sorts) == 4, {sort: len(names) for sort, names in sorts.items()}
    chosen = []
    for names in sorts.values():
        names.sort(key=lambda n: -sum(map(len, all_of_it[n].values())))
        chosen += names[:6] + names[6::12]
    assert any(len(all_of_it[n]["description"]) > 1 for n in chosen)
    with nobodys():
        for name in chosen:
            check_built_in(fast(name), all_of_it[name])
    print(f"# {len(chosen)} of {len(all_of_it)}", flush=True)


# ---- packages ---------------------------------------------------------------------------------------

DPKG = r"""case "$1" in
-S) case $2 in /usr/*) echo "linux-image-$(uname -r): $2" ;; *) echo 'dpkg-query: no path found' >&2; exit 1 ;; esac ;;
-W) printf 'linux-image-%s\t6.0-1\tkmod, linux-base\n' "$(uname -r)"
    printf 'linux-image-amd64\t6.0-1\tlinux-image-%s (= 6.0-1)\n' "$(uname -r)" ;;
esac"""
APT = r"""[ "$1" = policy ] && shift
for p; do printf '%s:\n  Installed: 6.0-1\n  Candidate: %s\n' "$p" 6.9-"${#p}"; done"""


def answered(*args):
    """What is told when the package manager has answered: a machine that pauses cuts it short."""
    for _ in range(3):
        found = fast(*args)
        if not any("did not answer" in gap["why"] for gap in found["not_seen"]):
            break
    return found


def test_the_package_is_told_and_a_manager_that_hangs_or_fails_costs_its_part_alone():
    sh("modprobe loop")
    image = f"linux-image-{RELEASE}"
    with programs(dpkg_query=DPKG, apt_cache=APT):
        one = answered("loop")["identity"]
        assert one["package"] == {"manager": "dpkg", "name": image, "installed": "6.0-1",
                                  "available": f"6.9-{len(image)}"}, one["package"]
        assert one["kernel_package"]["name"] == "linux-image-amd64", one
        assert one["kernel_package"]["available"] == f"6.9-{len('linux-image-amd64')}", one
        assert one["running"] == re.search(r"Debian (\S+)", os.uname().version)[1], one
    with programs(dpkg_query="sleep 600"):
        began = time.monotonic()
        found = fast("loop")
        assert time.monotonic() - began < 100, "it must not wait"
        assert why(found, "package") == ["dpkg-query did not answer within 2 s"], found["not_seen"]
        assert found["parameters"] and found["devices"], found
    with programs(dpkg_query="echo 'error: the database is locked by another process' >&2; exit 2"):
        assert "is locked" in why(answered("loop"), "package")[0]
    with programs(dpkg_query=None, rpm="echo kernel-core 6.0-1.fc40"):
        assert answered("loop")["identity"]["package"]["name"] == "kernel-core"
    with programs(dpkg_query=None, pacman='echo "$2 is owned by linux 6.0.arch1-1"'):
        assert answered("loop")["identity"]["package"]["installed"] == "6.0.arch1-1"
    with programs(dpkg_query=None):
        assert why(fast("loop"), "package") == ["no dpkg, rpm or pacman is here"]


# ---- what goes wrong --------------------------------------------------------------------------------

def test_what_is_no_driver_is_refused_and_who_is_not_root_is_told_what_is_hidden():
    load_leaky()
    assert "error 2 " in fast("nosuch", status=2) and "error 2 " in fast("/dev/nosuch", status=2)
    assert "error 87 " in fast(PINLEAK, status=2), "a regular file"
    assert "error 2 " in fast("/dev/null", status=2), "nothing tells whose /dev/null is"
    with nobodys():
        found = fast("leaky", user=65534)
    assert found["log"] is None and "be root" in why(found, "log")[0], found["not_seen"]
    assert "hidden" in why(found, "processes")[0], found["not_seen"]
    assert found["parameters"] and found["devices"], found


def test_a_module_that_comes_and_goes_is_told_or_refused_and_nothing_else():
    second = os.path.join(MODULES, "second.ko")
    stop = threading.Event()

    def toggle():
        while not stop.is_set():
            sh(f"insmod {second}; rmmod second", check=False)

    other = threading.Thread(target=toggle)
    other.start()
    try:
        with nobodys():
            for _ in range(4):
                r = subprocess.run([PINLEAK, "inspect", "--no-census", "--json", "second"],
                                   capture_output=True, text=True, timeout=LIMIT, check=False)
                assert r.returncode in (0, 2), (r.returncode, r.stderr)
                assert r.stdout if r.returncode == 0 else "error 2 " in r.stderr, r
                if r.stdout:
                    validate([json.loads(r.stdout)])
    finally:
        stop.set()
        other.join()


if __name__ == "__main__":
    run(tests_of(globals()))
