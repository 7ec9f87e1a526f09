# SPDX-License-Identifier: ISC
"""One line per test program of a meson test run: `pass|fail|skip NAME[: reason]`.

    test-report.py TESTLOG.JSON BUILD-DIR
    test-report.py --failed TESTLOG.JSON BUILD-DIR    the end of what each failed test said

A test program that speaks TAP counts once per line of its plan, so that a skip inside a
program that passes is seen too.
"""

import json
import os
import re
import sys


def tap_lines(name, text):
    for line in text.splitlines():
        match = re.match(r"(not )?ok (\d+)(?: - ([^#]*))?(?:#\s*(SKIP|TODO)\s*(.*))?$", line)
        if not match:
            continue
        bad, _, title, directive, reason = match.groups()
        title = f"{name}: {(title or '').strip()}"
        if directive == "SKIP":
            yield "skip", f"{title}: {reason}"
        else:
            yield "fail" if bad else "pass", title


def reports(test, label):
    name = f"{label}: {test['name']}"
    found = list(tap_lines(name, test.get("stdout") or "")) if "1.." in (
        test.get("stdout") or "") else []
    yield from found
    result = test["result"]
    if result in ("OK", "EXPECTEDFAIL"):
        if not found:
            yield "pass", name
    elif result == "SKIP":
        if not any(kind == "skip" for kind, _ in found):
            text = ((test.get("stdout") or "") + (test.get("stderr") or "")).strip()
            yield "skip", f"{name}: {text.splitlines()[-1] if text else 'no reason given'}"
    elif not any(kind == "fail" for kind, _ in found):
        yield "fail", f"{name}: {result} (exit {test.get('returncode')})"


TAIL_LINES = 40
TAIL_CHARS = 3000


def tail(text):
    return "\n".join(text.rstrip().splitlines()[-TAIL_LINES:])[-TAIL_CHARS:]


def print_failed(test, label):
    failed = [text for kind, text in reports(test, label) if kind == "fail"]
    if failed:
        print("\n".join(f"-- {text}" for text in failed))
        print(tail(test.get("stdout") or ""))
        print(tail(test.get("stderr") or ""))


def main():
    only_failed = sys.argv[1] == "--failed"
    log, build = sys.argv[2:4] if only_failed else sys.argv[1:3]
    label = os.path.basename(build)
    count = 0
    with open(log, encoding="utf-8") as file:
        for line in file:
            test = json.loads(line)
            if only_failed:
                print_failed(test, label)
                continue
            for kind, text in reports(test, label):
                count += 1
                print(kind, text.replace("\n", " "))
    if not count and not only_failed:
        print(f"fail {label}: no test ran")


if __name__ == "__main__":
    main()
