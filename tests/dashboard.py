#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
Grafana's dashboard, prometheus/grafana/pinleak.json. Speaks TAP.

Grafana publishes the model of its dashboards as types of TypeScript, @grafana/schema: the dashboard is
compiled as one of them (grafana/model.ts). They leave open what sources of data add, and say nothing of
what parts have to do with each other, so that further rules are written down here. They are those of the
documentation of the JSON model
(https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/):

  - fields, their types and their words, of the dashboard, its time, variables, annotations, panels and
    targets: MODEL below. Nothing is there that it does not know.
  - a panel has an id of its own, a target a refId of its own in its panel.
  - gridPos: 24 columns; no panel beyond them, none upon another.
  - uid and title are there; id is null, so that a Grafana that imports it gives its own.
  - a datasource is a variable of the dashboard, of type datasource, which comes before those that use it.
  - each variable that is used is defined, or one of Grafana's own; each that is defined is used.
  - an expression is PromQL (promtool reads it), and asks for metrics that docs/metrics.md has, by labels
    that they have there or that Prometheus adds. tests/serving.py holds that page to /metrics.
  - a legend names labels that the expression leaves.
"""
import json
import re
import shutil
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

from jsonschema import Draft202012Validator

ROOT = Path(__file__).resolve().parent.parent
DASHBOARD = ROOT / "prometheus/grafana/pinleak.json"
TYPES = ROOT / "build/grafana"
COLUMNS = 24
OWN = {"__rate_interval", "__interval", "__range", "__from", "__to"}  # variables of Grafana
ADDED = {"job", "instance"}  # labels, by Prometheus

TEXT = {"type": "string", "minLength": 1}


def record(required, optional=None, **more):
    return {"type": "object", "properties": {**required, **(optional or {})}, "required": list(required),
            "additionalProperties": False, **more}


def number(least, most):
    return {"type": "integer", "minimum": least, "maximum": most}


SOURCE = record({"type": {"const": "prometheus"}, "uid": {"const": "${source}"}})
UNIT = {"enum": ["none", "short", "bytes", "percentunit", "dateTimeFromNow"]}
TARGET = record({"datasource": SOURCE, "expr": TEXT, "legendFormat": {"type": "string"},
                 "refId": {"type": "string", "pattern": "^[A-Z]$"}},
                {"instant": {"type": "boolean"}, "format": {"enum": ["time_series", "table", "heatmap"]}})
STACKING = record({"mode": {"enum": ["none", "normal", "percent"]}, "group": TEXT})
FIELDS = record({"defaults": record({"unit": UNIT}, {"custom": record({}, {"fillOpacity": number(0, 100),
                                                                          "stacking": STACKING})}),
                 "overrides": {"type": "array"}})
REDUCED = record({"calcs": {"type": "array", "items": {"enum": ["lastNotNull", "last", "max", "min", "mean"]},
                            "minItems": 1}, "fields": {"type": "string"}, "values": {"type": "boolean"}})
OPTIONS = record({}, {"reduceOptions": REDUCED, "textMode": {"enum": ["auto", "value", "value_and_name", "name", "none"]},
                      "showHeader": {"type": "boolean"}})
PANEL = record({"id": number(1, 2**31), "title": TEXT, "type": {"enum": ["stat", "timeseries", "table"]},
                "datasource": SOURCE, "fieldConfig": FIELDS,
                "gridPos": record({"x": number(0, COLUMNS - 1), "y": number(0, 1000), "w": number(1, COLUMNS),
                                   "h": number(1, 100)}),
                "targets": {"type": "array", "items": TARGET, "minItems": 1}},
               {"description": TEXT, "options": OPTIONS, "transformations": {"type": "array"}})
VARIABLE = {"oneOf": [
    record({"type": {"const": "datasource"}, "name": TEXT, "query": {"const": "prometheus"}}, {"label": TEXT}),
    record({"type": {"const": "query"}, "name": TEXT, "query": TEXT, "datasource": SOURCE, "refresh": number(0, 2)},
           {"label": TEXT, "multi": {"type": "boolean"}, "includeAll": {"type": "boolean"}})]}
ANNOTATION = record({"name": TEXT, "enable": {"type": "boolean"}, "iconColor": TEXT, "datasource": SOURCE,
                     "expr": TEXT}, {"titleFormat": TEXT})
RELATIVE = {"type": "string", "pattern": r"^now(-\d+[smhdwMy])?$"}
MODEL = record({
    "id": {"type": "null"}, "uid": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,40}$"}, "title": TEXT,
    "tags": {"type": "array", "items": TEXT}, "schemaVersion": number(36, 100), "version": number(0, 2**31),
    "editable": {"type": "boolean"}, "timezone": {"enum": ["browser", "utc", ""]},
    "refresh": {"type": "string", "pattern": r"^(\d+[smhd])?$"}, "time": record({"from": RELATIVE, "to": RELATIVE}),
    "annotations": record({"list": {"type": "array", "items": ANNOTATION}}),
    "templating": record({"list": {"type": "array", "items": VARIABLE}}),
    "panels": {"type": "array", "items": PANEL, "minItems": 1}})


def dashboard():
    return json.loads(DASHBOARD.read_text())


def targets(o):
    return [t for p in o["panels"] for t in p["targets"]]


def expressions(o):
    return [t["expr"] for t in targets(o)] + [a["expr"] for a in o["annotations"]["list"]]


def documented():
    """Metric -> its labels."""
    rows = re.findall(r"^\| `(\w+)` \| \w+ \| ([\w, ]*) \|", (ROOT / "docs/metrics.md").read_text(), re.M)
    return {name: set(re.findall(r"\w+", labels)) for name, labels in rows}


def unknown(expr):
    """Metrics and labels of an expression that there are not."""
    known = documented()
    for name, matchers in re.findall(r"\b(pinleak_\w+)(?:\{([^}]*)\})?", expr):
        labels = known.get(name)
        if labels is None:
            yield name
            continue
        used = set(re.findall(r"(\w+)\s*[!=][=~]?\s*\"", matchers))
        for by in re.findall(r"\b(?:by|without) \(([^)]*)\)", expr):
            used |= set(re.findall(r"\w+", by))
        yield from (f"{name}{{{label}}}" for label in used - labels - ADDED)


def left(expr):
    """Labels that the series of an expression have."""
    by = re.findall(r"\bby \(([^)]*)\)", expr)
    if by:
        return set(re.findall(r"\w+", by[0]))
    if re.match(r"(sum|min|max|count|avg)\b", expr):
        return set()
    return ADDED.union(*(documented()[name] for name in re.findall(r"\bpinleak_\w+", expr)))


def test_its_fields_are_those_of_the_model():
    errors = [f"{e.json_path}: {e.message}" for e in Draft202012Validator(MODEL).iter_errors(dashboard())]
    assert not errors, errors[:5]


def test_panels_have_ids_of_their_own_and_targets_letters():
    o = dashboard()
    ids = [p["id"] for p in o["panels"]]
    assert len(set(ids)) == len(ids), ids
    for p in o["panels"]:
        letters = [t["refId"] for t in p["targets"]]
        assert len(set(letters)) == len(letters), (p["title"], letters)


def test_panels_lie_within_24_columns_and_not_upon_each_other():
    taken = {}
    for p in dashboard()["panels"]:
        g = p["gridPos"]
        assert g["x"] + g["w"] <= COLUMNS, p["title"]
        for cell in ((x, y) for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])):
            assert cell not in taken, (p["title"], taken[cell])
            taken[cell] = p["title"]


def test_variables_are_defined_before_they_are_used_and_used():
    o = dashboard()
    defined = []
    for v in o["templating"]["list"]:
        used = set(re.findall(r"\$\{?(\w+)", json.dumps({k: v[k] for k in v if k != "name"})))
        assert used <= set(defined) | OWN, (v["name"], used)
        defined.append(v["name"])
    assert len(set(defined)) == len(defined), defined
    assert o["templating"]["list"][0]["type"] == "datasource"
    used = set(re.findall(r"\$\{?(\w+)", json.dumps([o["panels"], o["annotations"]])))
    assert used <= set(defined) | OWN, used - set(defined)
    assert set(defined) <= used, set(defined) - used


def test_expressions_ask_for_metrics_and_labels_that_there_are():
    o = dashboard()
    wrong = {w for e in expressions(o) for w in unknown(e)}
    assert not wrong, wrong
    assert len({n for e in expressions(o) for n in re.findall(r"\bpinleak_\w+", e)}) > 8
    for v in o["templating"]["list"]:
        if v["type"] == "query":
            assert re.fullmatch(r"label_values\(pinleak_\w+(\{.*\})?, (job|instance)\)", v["query"]), v
            assert not list(unknown(v["query"].removeprefix("label_values(").rsplit(",", 1)[0])), v


def test_legends_name_labels_that_are_left():
    o = dashboard()
    texts = [(t["expr"], t["legendFormat"]) for t in targets(o)] + \
            [(a["expr"], a.get("titleFormat", "")) for a in o["annotations"]["list"]]
    for expr, text in texts:
        named = set(re.findall(r"\{\{(\w+)\}\}", text))
        assert named <= left(expr), (expr, text)


def test_expressions_are_promql():
    if not shutil.which("promtool"):
        return "no promtool here"
    rules = [{"record": f"a:{n}", "expr": e.replace("$__rate_interval", "1m").replace("$job", "a").replace("$instance", "a")}
             for n, e in enumerate(expressions(dashboard()))]
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as f:
        json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, f)  # which is YAML, too
        f.flush()
        r = subprocess.run(["promtool", "check", "rules", f.name], capture_output=True, text=True, check=False)
    assert r.returncode == 0, r.stdout + r.stderr
    return None


def modules():
    """Where Grafana's types and the compiler are installed, in the versions of grafana/package-lock.json."""
    TYPES.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "model.ts"):
        shutil.copy(ROOT / "tests/grafana" / name, TYPES)
    stamp, lock = TYPES / "installed", (TYPES / "package-lock.json").read_text()
    if not stamp.exists() or stamp.read_text() != lock:
        r = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=TYPES, capture_output=True,
                           text=True, check=False)
        assert r.returncode == 0, r.stdout + r.stderr
        stamp.write_text(lock)
    return TYPES / "node_modules"


def with_one(path, value):
    """The dashboard with something else at a path."""
    o = dashboard()
    *way, last = path
    at = o
    for key in way:
        at = at[key]
    at[last] = value
    return o


# What Grafana's types must refuse, or they would not be held to.
WRONG = [
    (["schemaVersion"], "38"),
    (["colour"], "red"),
    (["time"], {"from": "now-6h"}),
    (["panels", 0, "gridPos", "w"], None),
    (["panels", 0, "options", "textMode"], "loud"),
    (["panels", 0, "fieldConfig", "defaults", "unti"], "bytes"),
    (["panels", 0, "type"], "stats"),
    (["templating", "list", 0, "type"], "source"),
    (["templating", "list", 1, "refresh"], 9),
    (["annotations", "list", 0, "enable"], "yes"),
]


def test_it_is_a_dashboard_by_the_types_of_grafana():
    if not shutil.which("npm"):
        return "no npm here"
    tsc = modules() / "typescript/bin/tsc"
    lines = ['import type { Ours } from "./model";', f"export const ours: Ours = {json.dumps(dashboard())};"]
    for number, (path, value) in enumerate(WRONG):
        lines += ["// @ts-expect-error", f"export const wrong{number}: Ours = {json.dumps(with_one(path, value))};"]
    (TYPES / "ours.ts").write_text("\n".join(lines) + "\n")
    r = subprocess.run(["node", tsc, "--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "ours.ts"],
                       cwd=TYPES, capture_output=True, text=True, check=False)
    assert r.returncode == 0, r.stdout[:4000] + r.stderr
    return None


def main():
    tests = {n: f for n, f in globals().items() if n.startswith("test_")}
    failed = 0
    print(f"1..{len(tests)}")
    for at, (name, test) in enumerate(tests.items(), 1):
        try:
            skip = test()
            print(f"ok {at} - {name[5:].replace('_', ' ')}" + (f" # SKIP {skip}" if skip else ""), flush=True)
        except Exception:  # of any kind: it is a failure
            failed = 1
            print(f"not ok {at} - {name[5:].replace('_', ' ')}")
            print("".join(f"# {line}\n" for line in traceback.format_exc().splitlines()), end="", flush=True)
    return failed


sys.exit(main())
