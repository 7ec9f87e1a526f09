# SPDX-License-Identifier: ISC
"""Tests in TAP.

    from harness import tap

    @tap.test
    def nothing_is_lost(t):
        t.equal(lost, 0, "frames lost")

    if __name__ == "__main__":
        tap.main()

One TAP line per test function. `check` and `equal` note a failure and go on, `require` ends
the test, `Skip` skips it with a reason. A test that checks nothing has failed. The program
takes names of tests as arguments. Exit code: 0 all passed (some may be skipped), 1 a failure,
77 all were skipped.
"""

import os
import random
import shutil
import sys
import tempfile
import time
import traceback

from . import cleanup

SKIPPED = 77
_tests = []
_seed = None


class Skip(Exception):
    """This machine cannot run the test; the text says why."""


class Failed(Exception):
    """The test cannot go on."""


def note(text):
    """A diagnostic line."""
    for line in str(text).splitlines() or [""]:
        print("# " + line, flush=True)


def seed():
    """The seed of this run: $KM_SEED, else at random. Printed once, before it is used."""
    global _seed
    if _seed is None:
        text = os.environ.get("KM_SEED", "")
        _seed = int(text, 0) if text else random.SystemRandom().getrandbits(64)
        note(f"KM_SEED={_seed}")
    return _seed


def rng(purpose):
    """A generator of its own for each purpose, all from the one seed."""
    return random.Random(f"{seed()}/{purpose}")


class Test:
    """What a test function is given."""

    def __init__(self, name):
        self.name = name
        self.checks = 0
        self.failures = []
        self._directory = None

    @property
    def dir(self):
        """A directory of its own, removed when the test passes (kept with KM_KEEP=1)."""
        if self._directory is None:
            self._directory = tempfile.mkdtemp(prefix=f"km-{os.getpid()}-{self.name}-")
        return self._directory

    def check(self, good, what):
        self.checks += 1
        if not good:
            self.failures.append(str(what))
        return bool(good)

    def equal(self, got, want, what):
        return self.check(got == want, f"{what}: got {_short(got)}, want {_short(want)}")

    def require(self, good, what):
        if not self.check(good, what):
            raise Failed()

    def close(self, passed):
        if self._directory is None:
            return
        if passed and not os.environ.get("KM_KEEP"):
            shutil.rmtree(self._directory, ignore_errors=True)
        else:
            note(f"{self.name}: kept {self._directory}")


def _short(value):
    text = repr(value)
    return text if len(text) <= 400 else text[:400] + f"... ({len(text)} characters)"


def test(function):
    """Register a test function."""
    _tests.append(function)
    return function


def _run(function):
    """(passed, reason of the skip or None, diagnostics)"""
    t = Test(function.__name__)
    reason = None
    try:
        function(t)
        if not t.checks:
            t.failures.append("the test checked nothing")
    except Skip as skip:
        reason = str(skip)
    except Failed as failed:
        # require() has noted what it was; who raises it by himself says it here
        if str(failed) or not t.failures:
            t.failures.append(str(failed) or "the test could not go on")
    except Exception:
        t.failures.append(traceback.format_exc())
    passed = not t.failures
    t.close(passed)
    return passed, None if t.failures else reason, t.failures


def main():
    sys.stdout.reconfigure(line_buffering=True)
    wanted = sys.argv[1:]
    unknown = set(wanted) - {f.__name__ for f in _tests}
    if unknown:
        sys.exit(f"no such test: {' '.join(sorted(unknown))}; there are: "
                 + " ".join(f.__name__ for f in _tests))
    tests = [f for f in _tests if not wanted or f.__name__ in wanted]
    print("TAP version 13")
    print(f"1..{len(tests)}")
    seed()
    bad = skipped = 0
    for number, function in enumerate(tests, 1):
        start = time.monotonic()
        passed, reason, diagnostics = _run(function)
        took = f"{time.monotonic() - start:.1f} s"
        bad += not passed
        for text in diagnostics:
            note(text)
        line = f"{'ok' if passed else 'not ok'} {number} - {function.__name__} ({took})"
        if reason is not None:
            skipped += 1
            line = f"ok {number} - {function.__name__} # SKIP {reason}"
        print(line, flush=True)
    cleanup.run_all()
    if bad:
        sys.exit(1)
    if skipped and skipped == len(tests):
        sys.exit(SKIPPED)
    sys.exit(0)
