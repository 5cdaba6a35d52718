#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
Serves a watch to the network, and leaks when it is told to; tests/live.py tells it, and looks at the
page from outside. Runs in the guest. Argument: the token. A line of what it hears is a number of pins,
to be leaked by calls until there is a verdict that says so; the end of them ends the watch.
"""
import os
import socket
import sys
import tempfile

from harness import ROOT, Watch, leak_until, load, sh

ADDRESS, PAGE, ORDERS = "10.0.2.15", 9729, 9730  # qemu's usual address of a guest; tests/live.py has the ports


def connect():
    sh("modprobe virtio_net")
    sh(f"ip link set lo up && ip link set eth0 up && ip addr add {ADDRESS}/24 dev eth0")


def obey(w, orders):
    for line in orders:
        pins = int(line)
        leak_until(w, lambda w: any(v["pins"] >= pins for v in w.of("verdict")), "--pages", 128, "keep-one:8")
        print("leaked", file=orders, flush=True)


def main(token):
    load("leaky")
    connect()
    with tempfile.NamedTemporaryFile("w") as f, socket.create_server((ADDRESS, ORDERS)) as server:
        print(token, file=f, flush=True)
        with Watch("--track", "always", "--listen", f"{ADDRESS}:{PAGE}", "--token-file", f.name) as w:
            print("ready", flush=True)
            obey(w, server.accept()[0].makefile("rw"))
            w.stop()  # holds all objects to the schema
            assert w.status == 1, w.stderr


if __name__ == "__main__":
    os.chdir(ROOT)
    main(sys.argv[1])
