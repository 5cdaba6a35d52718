#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
What pinleak serves, on this machine, whatever it permits: `pinleak serve --track never`, and a
session that plays by itself (tests/feed.c). Speaks TAP. Arguments: names of tests, or patterns of them.
"""
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tap

ROOT = Path(__file__).resolve().parent.parent
PINLEAK = os.environ.get("PINLEAK", ROOT / "build/pinleak")
FEED = ROOT / "build/tests/feed"
LIMIT = 60  # seconds that nothing takes which does not hang
DEADLINE = 10  # seconds that a request may take, SERVER_DEADLINE_S

PAGE = ["/", "/app.js", "/inspect.js", "/style.css"]
API = ["/metrics", "/api/v1/status", "/api/v1/samples", "/api/v1/drivers", "/api/v1/incidents"]
INCIDENT = ["/api/v1/incidents/1", "/api/v1/incidents/1/flame.svg"]
TYPES = {"/": "text/html; charset=utf-8", "/app.js": "text/javascript; charset=utf-8",
         "/inspect.js": "text/javascript; charset=utf-8",
         "/style.css": "text/css; charset=utf-8", "/healthz": "text/plain; charset=utf-8",
         "/metrics": "text/plain; version=0.0.4; charset=utf-8"}


class Server:
    """A program that serves and says so in its first line; .port is where."""

    def __init__(self, command, where="stdout"):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        line = getattr(self.process, where).readline().decode()
        found = re.search(r"http://[^/]+:(\d+)/", line)
        if not found:
            self.process.kill()
            raise AssertionError(f"{command}: {line}{self.process.communicate()}")
        self.port = int(found[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.stdin.close()
            self.process.stdin = None
            self.process.communicate(timeout=LIMIT)

    def connect(self, timeout=LIMIT):
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def raw(self, request, timeout=LIMIT):
        """All that is answered to these bytes; b"" when the connection is reset."""
        with self.connect(timeout) as s:
            answer = b""
            with contextlib.suppress(ConnectionError):
                s.sendall(request)
                while chunk := s.recv(65536):
                    answer += chunk
            return answer

    def request(self, path, method="GET", body=None, **headers):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT)
        c.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        r = c.getresponse()
        return r.status, dict(r.getheaders()), r.read()

    def text(self, path, **headers):
        status, _, body = self.request(path, **headers)
        assert status == 200, f"{path}: {status} {body[:200]}"
        return body.decode()

    def get(self, path, **headers):
        return json.loads(self.text(path, **headers))

    def status_of(self, path, method="GET", body=None, **headers):
        return self.request(path, method, body, **headers)[0]

    def events(self, number, **headers):
        """So many of them: (id or None, object)."""
        head = "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in headers.items())
        found, number_now = [], None
        with self.connect() as s:
            s.sendall(f"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n{head}\r\n".encode())
            for line in s.makefile("rb"):
                line = line.decode().rstrip("\r\n")
                if line.startswith("id: "):
                    number_now = int(line[4:])
                if line.startswith("data: "):
                    found.append((number_now, json.loads(line[6:])))
                    number_now = None
                if len(found) == number:
                    return found
        raise AssertionError(f"{len(found)} of {number} events")

    def metric(self, name):
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.text("/metrics"), re.M)
        assert found, name
        return float(found[1])


def real(*args):
    return Server([PINLEAK, "serve", "--track", "never", "--listen", "127.0.0.1:0", *args])


def feed(interval_ms=100, looks=40, *name):
    return Server([FEED, str(interval_ms), str(looks), *name])


def refused(*args, status=2):
    """How `serve` refuses these arguments: its words."""
    r = subprocess.run([PINLEAK, "serve", "--track", "never", "--for", "1s", *args],
                       capture_output=True, text=True, timeout=LIMIT)
    assert r.returncode == status and not r.stdout, (args, r)
    return r.stderr


def valid(text):
    """By the schema."""
    r = subprocess.run([ROOT / "tests/schema"], input=text, capture_output=True, text=True)
    assert r.returncode == 0, r.stdout + r.stderr


def until(holds, what, seconds=LIMIT):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {what}")


def memory(pid):
    """The most it has had, in KiB."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])


# ---- what is answered -----------------------------------------------------------------------

def check_headers(path, headers):
    policy = headers["Content-Security-Policy"]
    for part in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'",
                 "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"):
        assert part in policy, (path, policy)
    assert "unsafe" not in policy and "http" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert not [h for h in headers if h.lower().startswith("access-control")], headers


def test_each_path_answers_with_its_type_and_the_headers_that_protect():
    with feed() as s:
        for path in PAGE + API + INCIDENT + ["/healthz"]:
            status, headers, body = s.request(path)
            assert status == 200 and body, (path, status)
            check_headers(path, headers)
            default = "image/svg+xml; charset=utf-8" if "svg" in path else "application/json"
            assert headers["Content-Type"] == TYPES.get(path, default), (path, headers)
        check_headers("/none", s.request("/none")[1])


def test_head_is_get_without_the_body():
    with feed() as s:
        for path in ["/", "/metrics", "/api/v1/status", *INCIDENT]:
            answer = s.raw(f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            head, _, body = answer.partition(b"\r\n\r\n")
            assert b" 200 OK" in head and not body, answer
            assert int(re.search(rb"Content-Length: (\d+)", head)[1]) > 0


def test_nothing_else_is_answered():
    with feed() as s:
        for path in ["/none", "//", "/index.html", "/app.js/", "/metrics/", "/api", "/api/v1", "/api/v2/status",
                     "/api/v1/", "/api/v1/status/", "/api/v1/incidents/", "/api/v1/incidents/0",
                     "/api/v1/incidents/01", "/api/v1/incidents/99", "/api/v1/incidents/-1",
                     "/api/v1/incidents/1/", "/api/v1/incidents/1/flame.svg/", "/api/v1/incidents/x",
                     "/api/v1/incidents/18446744073709551616", "/api/v1/incidents/" + "9" * 200,
                     "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2fetc/passwd", "/.git/config",
                     "/%6detrics", "/METRICS", "/metrics%00", "/metrics;x", "/serve/web/app.js",
                     "http://localhost/metrics"]:
            answer = s.raw(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert answer.startswith(b"HTTP/1.1 404 "), (path, answer[:100])


def test_parameters_that_are_not_documented_are_refused():
    with feed() as s:
        for path in ["/metrics?x=1", "/api/v1/status?token=x", "/api/v1/samples?from=1",
                     "/api/v1/samples?since=1&since=2", "/api/v1/samples?since=", "/api/v1/samples?since=-1",
                     "/api/v1/samples?since=1e9", "/api/v1/samples?since=1.", "/api/v1/samples?since=0x1",
                     "/api/v1/samples?since=9999999999999", "/api/v1/samples?since", "/healthz?since=1"]:
            assert s.status_of(path) == 400, path
        assert s.status_of("/api/v1/samples?since=1") == 200


def test_it_can_only_be_read():
    with feed() as s:
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW"]:
            for path in ["/", "/metrics", "/none"]:
                answer = s.raw(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                assert answer.startswith(b"HTTP/1.1 405 "), (method, answer[:100])
                assert b"\r\nAllow: GET, HEAD\r\n" in answer
        assert s.status_of("/metrics", "POST", b"x" * 100000) == 405


def test_it_answers_to_its_own_names_only():
    with Server([PINLEAK, "serve", "--track", "never", "--listen", "127.0.0.2:0", "--allow-host",
                 "pins.example"]) as s:
        def asked(*hosts):
            head = "".join(f"Host: {h}\r\n" for h in hosts)
            with socket.create_connection(("127.0.0.2", s.port)) as c:
                c.sendall(f"GET /metrics HTTP/1.1\r\n{head}\r\n".encode())
                return int(c.recv(100).split()[1])

        for host in ["localhost", "LOCALHOST:9729", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:80",
                     f"127.0.0.2:{s.port}", "127.0.0.2", "pins.example", "Pins.Example:443"]:
            assert asked(host) == 200, host
        for host in ["evil.example", "localhost.evil.example", "127.0.0.3", "localhost:x", "localhost:99999",
                     "127.0.0.1.evil.example", "pins.example.", "xpins.example", "[::1", "[::1]x", ":80",
                     "localhost@evil.example", "evil.example:127.0.0.1", "[::2]", "0.0.0.0"]:
            assert asked(host) == 421, host
        for hosts in [(), ("localhost", "localhost"), ("localhost", "evil.example")]:
            assert asked(*hosts) == 400, hosts


def test_with_a_token_only_who_knows_it_may_read():
    token = "correct-horse-battery-staple"
    with tempfile.NamedTemporaryFile("w") as f:
        f.write(token + "\n")
        f.flush()
        with real("--token-file", f.name) as s:
            for path in PAGE + ["/healthz"]:
                assert s.status_of(path) == 200, path
            for path in API + INCIDENT + ["/api/v1/events"]:
                status, headers, _ = s.request(path)
                assert status == 401 and headers["WWW-Authenticate"] == "Bearer", (path, status)
            for wrong in ["Bearer", "Bearer ", f"Basic {token}", token, f"Bearer {token}x", f"Bearer {token[:-1]}",
                          f"Bearer {token} ", f"Bearer {token.upper()}", f"Bearer {token}{token}",
                          f"Bearer  {token}x"]:
                assert s.status_of("/metrics", Authorization=wrong) == 401, wrong
            assert s.status_of("/metrics", Authorization=f"Bearer {token}") == 200
            assert s.status_of("/metrics", Authorization=f"bearer {token}") == 200
            assert s.status_of(f"/metrics?token={token}") == 400


def test_beyond_this_machine_a_token_is_needed():
    for at in ["0.0.0.0:0", "[::]:0", "192.0.2.1:9729", "[2001:db8::1]:9729"]:
        assert "--token-file is needed" in refused("--listen", at)
    with tempfile.NamedTemporaryFile("w") as f:
        f.write("correct-horse-battery-staple\n")
        f.flush()
        with Server([PINLEAK, "serve", "--track", "never", "--listen", "0.0.0.0:0", "--token-file", f.name]) as s:
            assert s.status_of("/metrics") == 401
        os.chmod(f.name, 0o644)
        assert "chmod 600" in refused("--token-file", f.name)
    for text in ["", "short", "x" * 257, "fifteen-letters", "with\x01a-control-character", "täglich-neue-wörter"]:
        with tempfile.NamedTemporaryFile("w") as f:
            f.write(text + "\n")
            f.flush()
            assert "a token" in refused("--token-file", f.name), text
    assert "ERROR_FILE_NOT_FOUND" in refused("--token-file", "/none/of/these")


def test_addresses_and_names_that_make_no_sense_are_refused():
    for at in ["", "9729", ":9729", "localhost:9729", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
               "127.0.0.1:x", "::1:9729", "[::1]", "[]:1", "[127.0.0.1]:1", "[::1]:1:2", "127.1:80", "x" * 300 + ":1"]:
        assert "expected an address and a port" in refused("--listen", at), at
    for name in ["", "a b", "a/b", "http://x", "x:80", "[::1", "x" * 254]:
        assert "a name of this machine" in refused("--allow-host", name), name
    assert "sixteen" in refused(*["--allow-host=x"] * 17)
    r = subprocess.run([PINLEAK, "watch", "--allow-host", "x", "--for", "1s"], capture_output=True, text=True)
    assert r.returncode == 2 and "need --listen" in r.stderr


def test_an_address_that_another_has_is_said_to_be_taken():
    with real() as s:
        said = refused("--listen", f"127.0.0.1:{s.port}", status=3)
        assert "cannot listen on 127.0.0.1" in said and "in use" in said, said


# ---- the objects ----------------------------------------------------------------------------

def test_every_object_is_as_the_schema_says():
    with feed() as s:
        for path in [p for p in API + INCIDENT if p != "/metrics" and "svg" not in p]:
            valid(s.text(path))
        events = s.events(60, Last_Event_ID=s.get("/api/v1/status")["last_event"] - 60)
        valid("".join(json.dumps(o) + "\n" for _, o in events))
        assert {"sample", "drivers"} <= {o["type"] for _, o in events}
    with real() as s:
        for path in ["/api/v1/status", "/api/v1/samples", "/api/v1/incidents"]:
            valid(s.text(path))
        assert s.status_of("/api/v1/drivers") == 204, "nothing was tracked"


def test_a_verdict_is_an_incident_with_driver_proof_diagnosis_and_flame_graph():
    name = 'le<b>aky"&\\'
    with feed(100, 40, name) as s:
        rows = s.get("/api/v1/incidents")["incidents"]
        row = next(r for r in rows if r["driver"] == name)
        assert row["pins"] > 0 and row["bytes"] >= 4096 and row["evidence"] == "orphaned", row
        one = s.get(f"/api/v1/incidents/{row['id']}")
        assert one["verdict"]["driver"]["name"] == name and one["verdict"]["proof"]["still_pinned"] > 0
        told = [o for _, o in s.events(60, Last_Event_ID=s.get("/api/v1/status")["last_event"] - 60)
                if o["type"] == "inspect" and o["asked"] == name]
        assert one["inspect"]["asked"] == name and one["inspect"]["log"]["warnings"] == 3, one["inspect"]
        assert not told or one["inspect"] == told[-1], told
        others = [s.get(f"/api/v1/incidents/{r['id']}")["inspect"]["asked"] for r in rows if r["driver"] != name]
        assert others and name not in others, others
        picture = s.text(f"/api/v1/incidents/{row['id']}/flame.svg")
        assert picture.startswith("<svg") and "leaky_ioctl" in picture and "<b>" not in picture
        assert r'pinleak_leaked_bytes{driver="le<b>aky\"&\\"} ' in s.text("/metrics")


def test_samples_are_told_since_a_time():
    with feed(60000, 3000) as s:  # 50 minutes: the looks do not reach back so far
        every = s.get("/api/v1/samples")
        assert every["step_s"] == 60 and 49 <= len(every["samples"]) <= 52, len(every["samples"])
        recent = s.get(f"/api/v1/samples?since={time.time() - 300:.3f}")
        assert recent["step_s"] == 0 and 295 <= len(recent["samples"]) <= 301, len(recent["samples"])
        times = [p["time"] for p in recent["samples"]]
        assert times == sorted(times)
        valid(json.dumps(every) + "\n")


def test_events_are_resumed_without_a_hole_and_a_gap_is_told():
    with feed(50, 20) as s:
        first = s.events(10)
        again = s.events(30, Last_Event_ID=first[4][0])
        numbers = [n for n, _ in again]
        assert numbers == list(range(first[4][0] + 1, first[4][0] + 31)), numbers
        assert [o for _, o in again[:5]] == [o for _, o in first[5:]]
        n, gap = s.events(2, Last_Event_ID=7)[0]
        assert n is None and gap["type"] == "gap" and gap["missed"] is None, gap
        valid(json.dumps(gap) + "\n")
    with feed(60000, 1500) as s:  # more events than are kept
        last = s.get("/api/v1/status")["last_event"]
        gap = s.events(1, Last_Event_ID=last - 1500)[0][1]
        assert gap["type"] == "gap" and gap["missed"] > 0, gap
        assert s.status_of("/api/v1/events", Last_Event_ID="x") == 400


def test_readers_of_events_are_told_the_end():
    with Server([PINLEAK, "watch", "--json", "--track", "never", "--interval", "200ms", "--listen",
                 "127.0.0.1:0"], where="stderr") as s:
        with s.connect() as c:
            c.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            c.recv(1)
            s.process.send_signal(signal.SIGTERM)
            text = b""
            while chunk := c.recv(65536):
                text += chunk
        assert b'"type":"summary"' in text, text[-500:]
        lines = s.process.communicate(timeout=LIMIT)[0].decode()
        valid(lines)
        assert s.process.returncode == 0


# ---- metrics --------------------------------------------------------------------------------

def promtool(text):
    r = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    assert r.returncode == 0 and not r.stderr, r


def test_promtool_accepts_the_metrics():
    with feed() as s:
        promtool(s.text("/metrics"))
    with feed(100, 40, 'a"b\\c') as s:
        promtool(s.text("/metrics"))
    with real() as s:
        promtool(s.text("/metrics"))


def test_openmetrics_is_answered_when_it_is_wanted():
    with feed() as s:
        for accept, wanted in [("application/openmetrics-text", True), ("text/plain", False), ("*/*", False),
                               ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5", True),
                               ("application/openmetrics-text;q=0.3, text/plain;q=0.9", False),
                               ("application/openmetrics-text;q=0", False), ("", False)]:
            _, headers, body = s.request("/metrics", Accept=accept)
            assert headers["Content-Type"].startswith("application/openmetrics-text") == wanted, accept
            assert body.endswith(b"# EOF\n") == wanted, accept
        text = s.text("/metrics", Accept="application/openmetrics-text")
        assert "# TYPE pinleak info\n" in text and "# TYPE pinleak_pins_acquired counter\n" in text
        assert "# UNIT pinleak_memory_total_bytes bytes\n" in text


def test_the_documented_metrics_are_those_that_are_answered():
    with feed() as s:
        text = s.text("/metrics")
    answered = {n: (t, h) for n, h, t in re.findall(r"# HELP (\S+) (.*)\n# TYPE \S+ (\S+)", text)}
    page = (ROOT / "docs/metrics.md").read_text()
    documented = {n: (t, h) for n, t, h in re.findall(r"^\| `(\w+)` \| (\w+) \|[^|]*\| (.*) \|$", page, re.M)}
    assert answered == documented, set(answered.items()) ^ set(documented.items())
    labels = dict(re.findall(r"^\| `(\w+)` \| \w+ \| ([\w, ]*) \|", page, re.M))
    for name, found in re.findall(r"^(\w+)\{(.*)\} \S+$", text, re.M):
        assert labels[name].split(", ") == re.findall(r"(\w+)=\"", found), (name, found)


def metrics_documented():
    return set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/metrics.md").read_text(), re.M))


def test_the_alert_rules_hold_their_tests():
    r = subprocess.run(["promtool", "test", "rules", "pinleak.rules.test.yml"], cwd=ROOT / "prometheus",
                       capture_output=True, text=True)
    assert r.returncode == 0, r.stdout + r.stderr
    rules = (ROOT / "prometheus/pinleak.rules.yml").read_text()
    assert set(re.findall(r"\bpinleak_[a-z_]+", rules)) <= metrics_documented()
    tested = (ROOT / "prometheus/pinleak.rules.test.yml").read_text()
    for alert in re.findall(r"alert: (\w+)", rules):
        assert f"alertname: {alert}\n" in tested, f"{alert} has no test"


# ---- hostile clients ------------------------------------------------------------------------

def test_requests_too_large_are_refused():
    with real() as s:
        for request in [b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
                        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100000 + b"\r\n\r\n",
                        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 20000 + b"\r\n",
                        b"GET /metrics?" + b"a=b&" * 20000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
                        b"A" * 1000000]:
            answer = s.raw(request)
            assert not answer or re.match(rb"HTTP/1\.[01] 4\d\d ", answer), answer[:100]
        assert s.status_of("/metrics") == 200


def test_malformed_requests_get_nothing():
    with real() as s:
        for request in [b"\r\n\r\n", b"\0" * 1000 + b"\r\n\r\n", b"GET\r\n\r\n", b"GET /metrics\r\n\r\n",
                        b"GET /metrics HTTP/9.9\r\nHost: localhost\r\n\r\n",
                        b"GET /metrics HTTP/1.1\r\nHost localhost\r\n\r\n",
                        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
                        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
                        b"GET /metrics HTTP/1.1\nHost: evil.example\n\n",
                        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(400),
                        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
                        os.urandom(5000) + b"\r\n\r\n"]:
            answer = s.raw(request, timeout=DEADLINE * 3)
            assert b" 200 " not in answer[:20], (request[:60], answer[:100])
        assert s.status_of("/metrics") == 200


def test_who_is_slow_is_cut_off_and_others_are_answered_meanwhile():
    with real() as s:
        slow = [s.connect() for _ in range(20)]
        began = time.monotonic()
        alive = set(slow)
        while alive and time.monotonic() - began < DEADLINE * 3:
            for c in list(alive):
                try:
                    c.sendall(b"G" if time.monotonic() - began < 0.5 else b"x")
                    c.setblocking(False)
                    if c.recv(1) == b"":
                        alive.discard(c)
                except BlockingIOError:
                    pass
                except OSError:
                    alive.discard(c)
                with contextlib.suppress(OSError):
                    c.setblocking(True)
            assert s.status_of("/healthz") == 200
            time.sleep(0.5)
        took = time.monotonic() - began
        assert not alive and DEADLINE - 2 <= took <= DEADLINE + 5, f"{len(alive)} are left after {took:.0f} s"
        assert s.metric("pinleak_http_overdue_connections_total") >= 20


def test_readers_of_events_beyond_sixteen_are_told_to_come_back():
    with feed() as s:
        readers = [s.connect() for _ in range(16)]
        for c in readers:
            c.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert c.recv(100).startswith(b"HTTP/1.1 200 ")
        status, headers, _ = s.request("/api/v1/events")
        assert status == 503 and headers["Retry-After"], status
        assert s.metric("pinleak_events_readers") == 16
        for c in readers:
            c.close()
        until(lambda: s.metric("pinleak_events_readers") == 0, "they are gone")


def test_a_reader_that_is_too_slow_is_dropped_and_counted():
    with feed(1, 10) as s:  # a thousand events a second or two
        c = socket.socket()
        c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        c.connect(("127.0.0.1", s.port))
        c.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        first = s.get("/api/v1/status")["last_event"]
        until(lambda: s.get("/api/v1/status")["last_event"] > first + 12000, "much has happened")
        c.settimeout(LIMIT)
        end = time.monotonic() + LIMIT
        with contextlib.suppress(ConnectionError):
            while c.recv(1 << 16):
                assert time.monotonic() < end, "it goes on being served"
        until(lambda: s.metric("pinleak_events_dropped_readers_total") == 1, "it is counted")


def test_a_thousand_connections_do_not_delay_the_watch_and_memory_stays_bounded():
    with Server([PINLEAK, "watch", "--json", "--track", "never", "--interval", "100ms", "--listen",
                 "127.0.0.1:0"], where="stderr") as s:
        for _ in range(20):
            s.status_of("/api/v1/samples")
        before = memory(s.process.pid)
        crowd = []
        began = time.monotonic()
        for n in range(1000):
            c = socket.socket()
            c.setblocking(False)
            c.connect_ex(("127.0.0.1", s.port))
            crowd.append(c)
        while time.monotonic() - began < 5:
            for c in crowd:
                with contextlib.suppress(OSError):
                    c.send(b"GET /api/v1/samples HTTP/1.1\r\nHost: localhost\r\n\r\n")
            time.sleep(0.05)
        for c in crowd:
            c.close()
        grown = memory(s.process.pid) - before
        until(lambda: s.status_of("/healthz") == 200, "it answers again")
        s.process.send_signal(signal.SIGTERM)
        lines = s.process.communicate(timeout=LIMIT)[0]
        times = [json.loads(x)["time"] for x in lines.decode().splitlines() if '"sample"' in x]
        looks = [int(t[11:13]) * 3600 + int(t[14:16]) * 60 + float(t[17:23]) for t in times]
        late = [b - a for a, b in zip(looks, looks[1:])]
        assert len(late) > 40, len(late)
        assert sorted(late)[int(len(late) * 0.9)] < 0.2, sorted(late)[-10:]
        assert grown < 20 * 1024, f"{grown} KiB more"


# ---- all of it ------------------------------------------------------------------------------

sys.exit(tap.run(tap.tests_of(globals()), sys.argv[1:]))
