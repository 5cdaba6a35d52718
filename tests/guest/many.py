#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
`pinleak inspect` where many modules are loaded. In this guest a nanosecond is an instruction (see
tests/run), so that the processor time it takes does not depend on how busy the machine is; hardware
is a few times faster.
"""
import ctypes
import os
import resource
import subprocess

import memory
from harness import MODULES, PINLEAK, load, read, run, sh, tests_of, write
from inspecting import LEAKY, nobodys
from memory import Device, check, libc

INIT_MODULE = 175  # of x86-64
MANY = 300


def loaded():
    return len(read("/proc/modules").splitlines())


def load_many(number):
    """Copies of one module, each under a name of its own, until there are so many modules."""
    with open(os.path.join(MODULES, "many_000.ko"), "rb") as f:
        one = f.read()
    for n in range(1, number - loaded() + 1):
        copy = one.replace(b"many_000", b"many_%03d" % n)
        check(libc.syscall(INIT_MODULE, copy, ctypes.c_ulong(len(copy)), b""), f"module {n}")
    assert loaded() >= number, loaded()


def spent():
    """Processor time of the children that have ended: waiting for files is not in it."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def least_seconds(*args):
    took = []
    for _ in range(3):
        began = spent()
        # Without a limit: while it waits for a file the guest's clock runs ahead.
        r = subprocess.run([PINLEAK, "inspect", *args], capture_output=True, check=False)
        took.append(spent() - began)
        assert r.returncode == 0 and r.stdout, r
    print(f"# {' '.join(args)}: {min(took):.2f} s with {loaded()} modules", flush=True)
    return min(took)


def test_inspect_needs_less_than_a_second_where_300_modules_are_loaded():
    load("leaky")
    sh("modprobe vivid n_devs=1")
    held = memory.small(64)
    with nobodys(), Device() as d:
        d.pin_all(held)  # else the census asks nobody
        write("/dev/kmsg", "<4>some_function: of nobody here\n")  # else no symbol is looked for
        load_many(MANY)
        for args in (("--file", LEAKY, "leaky"), ("--json", "--file", LEAKY, "leaky"), ("vivid",),
                     ("--json", "vivid"), ("--json", "8250")):
            assert least_seconds(*args) < 1, args
        # No file has the names of their functions: /proc/kallsyms is read, all of it.
        for args in (("leaky",), ("--json", "many_007")):
            assert least_seconds(*args) < 2, args


if __name__ == "__main__":
    run(tests_of(globals()))
