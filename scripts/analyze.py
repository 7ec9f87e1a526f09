#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Runs the static analysers side by side on all cores. Called by scripts/analyze, which says how."""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "release"
FOUND = ROOT / "build" / "analyze"  # the database of what is analysed, and cppcheck's memory
DEEP = "--deep" in sys.argv[1:]
# How far clang's analyzer follows each function without --deep. Its own bound, 225,000, takes four
# times as long as all the rest of clang-tidy.
NODES = 20000
CORES = len(os.sched_getaffinity(0))
# One line of a finding, of any of the three.
FINDING = re.compile(r"^\S+:\d+:(?:\d+:)? (?:fatal )?(?:error|warning|style|performance|portability): ")

# A mistake for each tool: one that does not find it is not asked aright.
PLANTED = {
    "gcc": """#include <stdlib.h>
int planted(int n);
int planted(int n) { char *p = malloc(10); if (n > 3) return 1; free(p); return 0; }
""",
    "clang-tidy": """int planted(const char *p);
int planted(const char *p) { return *p == *p; }
""",
    "cppcheck": """int planted(int n);
int planted(int n) { int a[4] = {0}; if (n == 9) a[0] = 1; return a[n]; }
""",
}


def sources(wanted):
    """The product's C files with how each is compiled, once each and the largest first."""
    found = {}
    with open(BUILD / "compile_commands.json", encoding="utf-8") as file:
        for entry in json.load(file):
            path = pathlib.Path(os.path.normpath(os.path.join(entry["directory"], entry["file"])))
            if BUILD in path.parents or ROOT / "tests" in path.parents:
                continue  # generated, or a test
            if not wanted or path in wanted:
                found.setdefault(path, dict(entry, file=str(path)))
    lost = sorted(str(path) for path in wanted - found.keys())
    if lost:
        sys.exit(f"analyze: {lost[0]}: not compiled into the product; build/release knows "
                 "neither tests nor headers here")
    return [found[path] for path in sorted(found, key=lambda p: p.stat().st_size, reverse=True)]


def arguments(entry):
    """How the file is compiled, less compiler and output."""
    words = iter(shlex.split(entry["command"]))
    kept = []
    for word in words:
        if word in ("-o", "-c", "-MF", "-MQ"):
            next(words)
        elif word != "-MD" and not word.startswith("-fdiagnostics-color"):
            kept.append(word)
    while not kept[0].startswith("-"):
        del kept[0]  # compiler, and what runs it
    return kept


def ask(command, cwd):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, errors="replace",
                          check=False)
    text = done.stdout + done.stderr
    found = [line for line in text.splitlines() if FINDING.match(line)]
    if done.returncode and not found:
        found = [f"{' '.join(map(str, command))}: exit {done.returncode}"]
    return found, text


def each(entries, command):
    """Ask about each file, as many at once as there are cores: findings, and all that was said."""
    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        answers = list(pool.map(lambda e: ask(command(e), e["directory"]), entries))
    return ([line for found, _ in answers for line in found],
            "".join(text for found, text in answers if found))


def gcc(entries, _):
    return each(entries, lambda e: ["gcc", *arguments(e), "-fanalyzer", "-S", "-o",
                                    "/dev/null", e["file"]])


def clang_tidy(entries, _):
    bound = [] if DEEP else ["-Xclang", "-analyzer-config", "-Xclang", f"max-nodes={NODES}"]
    return each(entries, lambda e: ["clang-tidy", "--quiet", f"--config-file={ROOT}/.clang-tidy",
                                    e["file"], "--", *arguments(e),
                                    "-Wno-unknown-warning-option", *bound])


def cppcheck(entries, place):
    """It takes the whole database, and remembers what it said of a file that did not change."""
    place.mkdir(parents=True, exist_ok=True)
    memory = place / "cppcheck"
    memory.mkdir(exist_ok=True)
    database = place / "compile_commands.json"
    database.write_text(json.dumps(entries), encoding="utf-8")
    found, text = ask(["cppcheck", f"--project={database}", f"-j{CORES}",
                       f"--cppcheck-build-dir={memory}", "--quiet", "--inline-suppr",
                       "--enable=warning,performance,portability", "--error-exitcode=1",
                       f"--suppressions-list={ROOT}/.cppcheck", "--template=gcc"], place)
    return found, text if found else ""


TOOLS = {"gcc": (gcc, "-dumpfullversion"), "clang-tidy": (clang_tidy, "--version"),
         "cppcheck": (cppcheck, "--version")}


def version(name):
    said = subprocess.run([name, TOOLS[name][1]], capture_output=True, text=True, check=True).stdout
    return re.search(r"\d+(\.\d+)+", said)[0]


def sees_planted(name):
    with tempfile.TemporaryDirectory(prefix="km-analyze-") as place:
        path = pathlib.Path(place) / "planted.c"
        path.write_text(PLANTED[name], encoding="ascii")
        entry = {"directory": place, "file": str(path),
                 "command": f"cc -std=gnu11 -c -o planted.o {path}"}
        found, text = TOOLS[name][0]([entry], pathlib.Path(place))
        if any("planted.c:" in line for line in found):
            return True
        print(text)
        return False


def main():
    parser = argparse.ArgumentParser(prog="scripts/analyze", add_help=True,
                                     description="static analysis of the product's C code")
    parser.add_argument("--tool", action="append", choices=TOOLS, help="only this one")
    parser.add_argument("--deep", action="store_true", help="follow more paths, and take longer")
    parser.add_argument("file", nargs="*", help="only these files")
    options = parser.parse_args()
    entries = sources({pathlib.Path(os.path.abspath(name)) for name in options.file})
    bad = 0
    for name in options.tool or TOOLS:
        start = time.monotonic()
        if not sees_planted(name):
            sys.exit(f"analyze: {name}: does not find a planted mistake: it is not asked aright")
        found, text = TOOLS[name][0](entries, FOUND)
        print(text, end="")
        print(f"analyze: {name} {version(name)}: {len(entries)} files, {len(found)} findings, "
              f"{time.monotonic() - start:.0f} s", flush=True)
        bad += len(found)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
