# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""Runs tests that are functions, and says in TAP which of them held."""
import fnmatch
import time
import traceback


class Skip(Exception):
    """Raised with the reason when there is not what a test is about."""


def tests_of(namespace):
    """The functions in it that are tests, in their order."""
    return [f for name, f in namespace.items() if name.startswith("test_") and callable(f)]


def run_one(test, after):
    """What follows "ok" and the number, and how it failed, or None."""
    name = test.__name__.removeprefix("test_").replace("_", " ")
    began = time.monotonic()
    try:
        test()
        return f"{name} ({time.monotonic() - began:.1f} s)", None
    except Skip as reason:
        return f"{name} # SKIP {reason}", None
    except Exception:  # of any kind: it is a failure
        return name, traceback.format_exc()
    finally:
        after()


def run(tests, names=(), after=lambda: None):
    """
    Runs the tests that have one of these names, which may be patterns; all, if there are none.
    after() is called after each. The exit status: 1 when one has failed, or a name is no test's.
    """
    for name in names:
        if not fnmatch.filter([t.__name__ for t in tests], name):
            print(f"Bail out! There is no test {name}")
            return 1
    chosen = [t for t in tests if any(fnmatch.fnmatch(t.__name__, name) for name in names or ["*"])]
    failed = 0
    print(f"1..{len(chosen)}", flush=True)
    for number, test in enumerate(chosen, 1):
        said, trace = run_one(test, after)
        failed |= trace is not None
        print(f"{'not ' if trace else ''}ok {number} - {said}", flush=True)
        for line in (trace or "").splitlines():
            print(f"# {line}", flush=True)
    return int(failed)
