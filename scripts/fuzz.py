#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Runs the fuzz targets with libFuzzer, or says how much of the parsers their corpus covers.
Called by scripts/fuzz, which says how."""
import argparse
import concurrent.futures
import fnmatch
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests" / "fuzz"
COVERAGE_MIN = 95.0
ALLOC_PART = 5  # of a target's time, one part in so many lets allocations fail


def targets():
    return sorted(p.name for p in (TESTS / "corpus").iterdir() if p.is_dir())


def allocates(target):
    """The target lets allocations fail while its parser runs."""
    return "fuzz_alloc_begin" in (TESTS / f"fuzz_{target}.c").read_text()


def run(command, **more):
    done = subprocess.run(command, **more)
    if done.returncode:
        sys.exit(f"fuzz: {' '.join(map(str, command))}: exit {done.returncode}")


def build(folder, env, options, names):
    if not (folder / "build.ninja").is_file():
        run(["meson", "setup", *options, folder, ROOT], env={**os.environ, **env})
    # ninja, which sets the folder up again when a target is new; meson would not know it
    run(["ninja", "-C", folder, *(f"tests/fuzz/{n}" for n in names)])


# ---- fuzzing ------------------------------------------------------------------------------

def one_run(folder, target, seconds, alloc):
    """(executions, executions/s, new inputs, edges, files of findings)"""
    corpus = folder / "corpus" / target
    findings = folder / "findings"
    corpus.mkdir(parents=True, exist_ok=True)
    findings.mkdir(exist_ok=True)
    prefix = f"{target}-{'alloc-' if alloc else ''}"
    before = {p.name for p in findings.glob(f"{target}-*")}
    command = [folder / "tests" / "fuzz" / f"fuzz_{target}", f"-max_total_time={seconds}",
               "-print_final_stats=1", "-timeout=20", "-rss_limit_mb=2048", "-max_len=16384",
               f"-artifact_prefix={findings}/{prefix}"]
    words = TESTS / f"fuzz_{target}.dict"
    if words.is_file():
        command.append(f"-dict={words}")
    # freed memory is kept from use for 8 MB, far more than an input takes: with 256 MB every input
    # has new pages, which cost more than what is tested
    env = dict(os.environ, UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1",
               ASAN_OPTIONS="quarantine_size_mb=8:allocator_release_to_os_interval_ms=-1")
    if alloc:
        env["KM_FUZZ_ALLOC"] = "1"
    log = folder / f"{prefix}log"
    with open(log, "wb") as out:
        done = subprocess.run([*command, corpus, TESTS / "corpus" / target], env=env, stdout=out,
                              stderr=subprocess.STDOUT, check=False)
    text = log.read_text(errors="replace")

    def number(pattern):
        found = re.findall(pattern, text)
        return int(found[-1]) if found else 0
    new = sorted(p for p in findings.glob(f"{target}-*") if p.name not in before)
    if done.returncode and not new:
        new = [log]  # it ended badly and left no input: the log says why
    return (number(r"number_of_executed_units: (\d+)"), number(r"average_exec_per_sec: +(\d+)"),
            number(r"new_units_added: +(\d+)"), number(r"\bcov: (\d+)"), new)


def fuzz_target(folder, target, seconds):
    part = max(1, seconds // ALLOC_PART) if allocates(target) else 0
    total = one_run(folder, target, max(1, seconds - part), False)
    if part:
        more = one_run(folder, target, part, True)
        total = (total[0] + more[0], total[1], total[2] + more[2], max(total[3], more[3]),
                 total[4] + more[4])
    return total


def fuzz(names, minutes, jobs):
    folder = ROOT / "build" / "fuzz"
    build(folder, {"CC": "clang"},
          ["-Dfuzz=true", "-Dbuildtype=debugoptimized", "-Db_sanitize=address,undefined",
           "-Db_lundef=false"], [f"fuzz_{n}" for n in names])
    seconds = max(2, int(minutes * 60 * jobs / len(names)))
    print(f"fuzz: {len(names)} targets, {seconds} s each, {jobs} at once", flush=True)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        results = list(pool.map(lambda n: fuzz_target(folder, n, seconds), names))
    head = ("target", "executions", "exec/s", "new corpus", "edges", "findings")
    print("%-12s %12s %8s %10s %7s %8s" % head)
    for name, row in zip(names, results):
        print("%-12s %12d %8d %10d %7d %8d" % (name, *row[:4], len(row[4])))
    found = [p for row in results for p in row[4]]
    for path in found:
        print(f"finding: {path.relative_to(ROOT)}")
    return 1 if found else 0


# ---- coverage -----------------------------------------------------------------------------

def parsers():
    """Rows of the table in README.md: (file, patterns of functions, targets)."""
    for line in (TESTS / "README.md").read_text().split("\n"):
        row = re.match(r"\| `([\w/]+\.c)` \| ([^|]+) \| ([^|]+) \|", line)
        if row:
            yield (row[1], re.findall(r"`([\w*]+)`", row[2]), re.findall(r"`(\w+)`", row[3]))


def unreachable():
    """{file: texts of lines} that README.md says no input reaches, with the reason there."""
    named = {}
    for line in (TESTS / "README.md").read_text().split("\n"):
        row = re.match(r"- `([\w/]+\.c)`: ((?:`[^`]+` ?)+)\S", line)
        if row:
            named.setdefault(row[1], set()).update(re.findall(r"`([^`]+)`", row[2]))
    return named


def leave_out(source, lines, texts, thin):
    """Takes out what is named as unreachable; a name that is none is a fault."""
    code = (ROOT / source).read_text().split("\n")
    for text in sorted(texts):
        at = [n for n, c in lines.items() if c == 0 and code[n - 1].strip() == text]
        for n in at:
            del lines[n]
        if not at:
            thin.append(f"{source}: `{text}` is reached after all, or gone: README.md names it")


def lines_of(folder, source):
    """{line: count} and the functions of a source, over all its object files."""
    counts, functions = {}, []
    name = source.rsplit("/", 1)[1] + ".gcda"
    for data in folder.glob(f"{source.rsplit('/', 1)[0]}/*.p/**/{name}"):
        text = subprocess.run(["gcov", "--json-format", "--stdout", data], capture_output=True,
                              text=True, check=True, cwd=folder).stdout
        for file in json.loads(text)["files"]:
            if not file["file"].endswith(source):
                continue
            functions = file["functions"]
            for line in file["lines"]:
                at = line["line_number"]
                counts[at] = counts.get(at, 0) + line["count"]
    return counts, functions


def coverage(names):
    folder = ROOT / "build" / "coverage"
    build(folder, {}, ["-Dbuildtype=debug", "-Db_coverage=true", "-Db_lundef=false"],
          [f"replay_{n}" for n in names])
    for data in folder.glob("**/*.gcda"):
        data.unlink()
    for name in names:
        run([folder / "tests" / "fuzz" / f"replay_{name}", TESTS / "corpus" / name],
            env={**os.environ, "KM_FUZZ_CHANGES": "0", "KM_FUZZ_REFUSED": "24"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
    print("%-32s %7s %7s %6s  not reached" % ("parser", "lines", "run", "%"))
    all_lines = all_run = 0
    thin, named = [], unreachable()
    for source, patterns, by in parsers():
        if not set(by) <= set(names):
            continue
        counts, functions = lines_of(folder, source)
        chosen = [f for f in functions
                  if any(fnmatch.fnmatchcase(f["name"], p) for p in patterns)]
        unmatched = [p for p in patterns if not any(
            fnmatch.fnmatchcase(f["name"], p) for f in functions)]
        for pattern in unmatched if counts else ():
            thin.append(f"{source}: no function {pattern} was built")
        lines = {n: c for n, c in counts.items()
                 if any(f["start_line"] <= n <= f["end_line"] for f in chosen)}
        leave_out(source, lines, named.get(source, ()), thin)
        hit = sum(c > 0 for c in lines.values())
        part = 100.0 * hit / len(lines) if lines else 0.0
        missed = [str(n) for n, c in sorted(lines.items()) if c == 0]
        print("%-32s %7d %7d %6.1f  %s" % (source, len(lines), hit, part, " ".join(missed)))
        all_lines += len(lines)
        all_run += hit
        if part < COVERAGE_MIN:
            thin.append(f"{source}: {part:.1f} % of {len(lines)} lines, want {COVERAGE_MIN:.0f}: "
                        "add seeds to tests/fuzz/make_corpus.py")
    print("%-32s %7d %7d %6.1f" % ("all", all_lines, all_run, 100.0 * all_run / all_lines))
    for line in thin:
        print(f"fuzz: {line}")
    return 1 if thin else 0


def main():
    parse = argparse.ArgumentParser(prog="fuzz", description="Fuzz the parsers of foreign bytes.")
    parse.add_argument("--minutes", type=float, default=10, help="for all targets together")
    parse.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="at once")
    parse.add_argument("--target", action="append", choices=targets(), metavar="NAME",
                       help="only this one; may be given again")
    parse.add_argument("--coverage", action="store_true", help="of the corpus, by lines")
    asked = parse.parse_args()
    names = asked.target or targets()
    if asked.coverage:
        return coverage(names)
    return fuzz(names, asked.minutes, max(1, asked.jobs))


if __name__ == "__main__":
    sys.exit(main())
