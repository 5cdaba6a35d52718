#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
What is served of a real leak: metrics, API and events name the driver; a real Prometheus, where there
is one, scrapes it and fires the alert. Runs in the guest.
"""
import contextlib
import datetime
import http.client
import json
import os
import re
import shutil
import tempfile
import time
import urllib.request

from harness import ROOT, Skip, Watch, leak_until, leaked, load, run, sh, spawn, tests_of

PORT = 9729


def ready(w):
    w.until(lambda o: o["type"] == "sample", "the first sample")


def text(path, port=PORT, **headers):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=60) as r:
        return r.read().decode()


def get(path, port=PORT):
    return json.loads(text(path, port))


def valid(line):
    with tempfile.NamedTemporaryFile("w") as f:
        f.write(line)
        f.flush()
        sh(f"{ROOT}/tests/schema {f.name}")


def metric(name):
    found = re.search(rf"^{re.escape(name)} (\S+)$", text("/metrics"), re.M)
    return float(found[1]) if found else None


def test_a_real_leak_is_named_by_metrics_api_and_events():
    load("leaky")
    sh("ip link set lo up")
    with Watch("--track", "always", "--listen", f"127.0.0.1:{PORT}") as w:
        ready(w)
        events = http.client.HTTPConnection("127.0.0.1", PORT, timeout=300)
        events.request("GET", "/api/v1/events")
        stream = events.getresponse()
        leak_until(w, lambda w: w.of("verdict"), "--pages", 128, "keep-one:8")
        w.until_seen(3)
        v = w.of("verdict")[-1]
        rows = get("/api/v1/incidents")["incidents"]
        assert [r["driver"] for r in rows] == ["leaky"], rows
        assert rows[0]["bytes"] == v["bytes"] and rows[0]["pins"] == v["pins"], (rows, v)
        one = text(f"/api/v1/incidents/{rows[0]['id']}")
        valid(one)
        assert json.loads(one)["verdict"] == v
        found = json.loads(one)["inspect"]
        assert found == w.of("inspect")[-1] and found["driver"] == "leaky", found
        assert "/dev/leaky" in str(found["devices"]) or found["devices"][0]["nodes"] == ["leaky"], found
        assert "leaky_ioctl" in text(f"/api/v1/incidents/{rows[0]['id']}/flame.svg")
        assert metric('pinleak_leaked_bytes{driver="leaky"}') == v["bytes"]
        assert metric('pinleak_verdicts_total{driver="leaky",evidence="orphaned"}') == len(w.of("verdict"))
        assert metric('pinleak_driver_pins{driver="leaky",state="leaked"}') >= v["pins"]
        assert metric('pinleak_driver_unmovable_bytes{driver="leaky"}') >= v["bytes"]
        assert metric('pinleak_level{level="light"}') + metric('pinleak_level{level="deep"}') == 1
        drivers = text("/api/v1/drivers")
        valid(drivers)
        assert "leaky" in [d["driver"] for d in json.loads(drivers)["drivers"]]
        samples = text("/api/v1/samples")
        valid(samples)
        assert any(d["driver"] == "leaky" for p in json.loads(samples)["samples"] for d in p["drivers"])
        for line in stream:
            if b'"type":"verdict"' in line:
                assert json.loads(line.removeprefix(b"data: ")) == w.of("verdict")[0]
                break
        events.close()
        w.stop()
        assert w.status == 1


def seconds(stamp):
    return datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


def test_when_the_clock_is_set_back_a_day_all_times_follow():
    sh("ip link set lo up")
    with Watch("--track", "never", "--listen", f"127.0.0.1:{PORT}") as w:
        ready(w)
        since = seconds(get("/api/v1/status")["since"])
        sh(f"date -s @{int(time.time()) - 86400}")
        try:
            w.until(lambda o: o["type"] == "sample" and seconds(o["time"]) < since, "a sample of yesterday")
            now = seconds(get("/api/v1/status")["time"])
            assert abs(now - time.time()) < 30, now - time.time()
            assert 86300 < since - seconds(get("/api/v1/status")["since"]) < 86500
            times = [seconds(p["time"]) for p in get("/api/v1/samples")["samples"]]
            assert len(times) > 1 and times == sorted(times) and abs(times[0] - now) < 300, times
        finally:
            sh(f"date -s @{int(time.time()) + 86400}")
        w.stop()


@contextlib.contextmanager
def prometheus():
    """One that scrapes and judges every second."""
    if not shutil.which("prometheus"):
        raise Skip("no prometheus here")
    with tempfile.TemporaryDirectory() as home:
        with open(f"{home}/prometheus.yml", "w", encoding="ascii") as f:
            json.dump({"global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                       "rule_files": [f"{ROOT}/prometheus/pinleak.rules.yml"],
                       "scrape_configs": [{"job_name": "pinleak",
                                           "static_configs": [{"targets": [f"127.0.0.1:{PORT}"]}]}]}, f)
        p = spawn(["prometheus", f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/data",
                   "--web.listen-address=127.0.0.1:9090", "--log.level=error"])
        yield
        p.terminate()
        p.wait()


def firing():
    with contextlib.suppress(OSError):
        alerts = get("/api/v1/alerts", 9090)["data"]["alerts"]
        return {(a["labels"]["alertname"], a["labels"].get("driver")) for a in alerts if a["state"] == "firing"}
    return set()


def test_a_real_prometheus_fires_the_alert():
    load("leaky")
    sh("ip link set lo up")
    before = leaked()
    with prometheus(), Watch("--track", "always", "--no-inspect", "--listen", f"127.0.0.1:{PORT}") as w:
        ready(w)
        leak_until(w, lambda w: w.of("verdict"), "--pages", 128, "keep-one:8")
        assert leaked() > before
        end = time.monotonic() + 200
        while ("PinleakDriverLeaks", "leaky") not in firing():
            w.poll()
            assert time.monotonic() < end, f"firing: {firing()}"
            time.sleep(1)
        assert get("/api/v1/incidents/1")["inspect"] is None  # it was not asked for
        w.stop()


if __name__ == "__main__":
    os.chdir(ROOT)
    run(tests_of(globals()))
