# SPDX-License-Identifier: ISC
"""The manual lists exactly the keys of the tables, with their limits and defaults; the
examples are accepted and their dump is a configuration with the same digest.

usage: test_config_keys.py KATAMICHI-TX KATAMICHI-RX SOURCE-DIRECTORY
"""
import os
import re
import sys

from cli_tap import Tap, run, scratch


def plain(text):
    """Text of a manual page without its escapes and line breaks."""
    return re.sub(r"\s+", " ", text.replace("\\-", "-").replace("\\&", "")).strip()


def keys_of_program(program):
    result = run(program, "check", "--list-keys")
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    keys = {}
    for section, key, _kind, default, allowed in rows:
        end = {"(required)": "Required", "(none)": "No default"}.get(
            default, f"Default: {default}")
        keys[(section, key)] = f"Allowed: {allowed}. {end}."
    return result, rows, keys


def keys_of_manual(page, heading):
    """{(section, key): last sentences} below one heading of katamichi.conf.5."""
    part = re.search(rf"^\.SH {heading}\n(.*?)^\.SH ", page, re.M | re.S).group(1)
    keys = {}
    twice = []
    for block in re.split(r"^\.SS ", part, flags=re.M)[1:]:
        section = re.match(r"\[(\w+)", block).group(1)
        for entry in re.split(r"^\.TP\n", block, flags=re.M)[1:]:
            first, text = entry.split("\n", 1)
            key = re.match(r"\.BR (\S+) ", first).group(1)
            text = plain(text)
            if (section, key) in keys:
                twice.append(key)
            keys[(section, key)] = text[text.index("Allowed:"):]
    return keys, twice


def judge_manual(tap, side, program, page, heading):
    result, rows, wanted = keys_of_program(program)
    tap.same(result.returncode, 0, f"{side}: --list-keys works")
    tap.ok(len(rows) > 20 and len(rows) == len(wanted), f"{side}: keys are listed once each",
           len(rows))
    found, twice = keys_of_manual(page, heading)
    tap.same(twice, [], f"{side}: no key stands twice in the manual")
    tap.same(sorted(set(wanted) - set(found)), [], f"{side}: every key is in the manual")
    tap.same(sorted(set(found) - set(wanted)), [], f"{side}: the manual has no other key")
    for where, text in wanted.items():
        if where in found:
            tap.same(found[where], plain(text), f"{side} {where[0]} {where[1]}: limits and default")


def digest(result):
    match = re.search(r"^configuration digest ([0-9a-f]{64})$", result.stdout, re.M)
    return match.group(1) if match else None


def judge_example(tap, side, program, path):
    result = run(program, "check", "--offline", "--config", path)
    tap.same((result.returncode, result.stderr), (0, ""), f"{side}: the example is accepted")
    dump = run(program, "check", "--dump", "--config", path)
    tap.same(dump.returncode, 0, f"{side}: the example is dumped")
    with scratch() as directory:
        again = os.path.join(directory, "again.conf")
        with open(again, "w", encoding="utf-8") as out:
            out.write(dump.stdout)
        second = run(program, "check", "--offline", "--config", again)
        tap.same((second.returncode, second.stderr), (0, ""), f"{side}: the dump is accepted")
        tap.ok(digest(result) is not None, f"{side}: a digest is printed", result.stdout)
        tap.same(digest(second), digest(result), f"{side}: the dump has the same digest")
        with open(again, "a", encoding="utf-8") as out:
            out.write("classification = other\n")
        tap.same(run(program, "check", "--offline", "--config", again).returncode, 78,
                 f"{side}: a key given twice is refused")
    origins = dump.stdout.count(f"# from {path}:")
    written = sum(1 for line in open(path, encoding="utf-8")
                  if re.match(r"\w+ *=", line))
    tap.same(origins, written, f"{side}: the dump names the origin of every key of the file")


def main():
    tap = Tap()
    tx, rx, source = sys.argv[1:4]
    with open(os.path.join(source, "docs/man/katamichi.conf.5"), encoding="utf-8") as page:
        page = page.read()
    judge_manual(tap, "tx", tx, page, "TRANSMITTER")
    judge_manual(tap, "rx", rx, page, "RECEIVER")
    for name in ("", "syslog-", "train-state-"):
        judge_example(tap, "tx", tx, os.path.join(source, f"docs/examples/{name}tx.conf"))
        judge_example(tap, "rx", rx, os.path.join(source, f"docs/examples/{name}rx.conf"))
    return tap.done()


sys.exit(main())
