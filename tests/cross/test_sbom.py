# SPDX-License-Identifier: ISC
"""scripts/sbom lists what is linked and nothing else: its document against the linker, the
dynamic linker, and the memory of running daemons. As TAP.

    test_sbom.py SOURCE-ROOT BUILD-ROOT
"""

import copy
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time

import spdx_shape
from reproducible import FIRST, SECOND

sys.path.insert(0, os.path.join(sys.argv[1], "tests", "cli"))
from cli_tap import Tap, make_keys, write_config  # pylint: disable=wrong-import-position

ROOT, BUILD = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
# What the daemons ask for themselves. A new dependency is a decision: write it here too.
DIRECT = {"tx/katamichi-tx": {"libseccomp", "libsodium", "libcrypto", "libc", "ld-linux"},
          "rx/katamichi-rx": {"libseccomp", "libsodium", "libcrypto", "libpcap", "libc",
                              "ld-linux"}}
OPTIONAL = {"libpthread", "libm", "ld-linux"}  # in libc, as its version has it


def sanitized():
    options = json.loads((BUILD / "meson-info" / "intro-buildoptions.json").read_text())
    return any(o["name"] == "b_sanitize" and o["value"] != "none" for o in options)


def sbom(env, umask):
    done = subprocess.run([ROOT / "scripts" / "sbom", BUILD], capture_output=True, text=True,
                          check=False, umask=umask,
                          env={**os.environ, **env, "SOURCE_DATE_EPOCH": "1795824000"})
    return done.stdout, done.stderr


def linked(document, program, how):
    """{id: element} of what the document says is linked into a program."""
    elements = {e["SPDXID"]: e for e in document["packages"] + document["files"]}
    own = next(f["SPDXID"] for f in document["files"]
               if f["fileName"] == "./" + os.path.basename(program))
    return [elements[r["relatedSpdxElement"]] for r in document["relationships"]
            if r["spdxElementId"] == own and r["relationshipType"] == how]


def said_libraries(document, program):
    return {f["fileName"][1:] for f in linked(document, program, "DYNAMIC_LINK")}


def said_archives(document, program):
    return {p["name"] for p in linked(document, program, "STATIC_LINK")}


def loader_says(program):
    """The dynamic linker's own list; what the kernel brings (vdso) has no path."""
    text = subprocess.run([BUILD / program], capture_output=True, text=True, check=True,
                          env={**os.environ, "LD_TRACE_LOADED_OBJECTS": "1"}).stdout
    return {os.path.realpath(p) for p in re.findall(r"(/\S+) \(0x", text)}


def linker_says(program, directory):
    """The archives of which the linker took anything, by linking once more."""
    command = subprocess.run(["ninja", "-C", str(BUILD), "-t", "commands", program], check=True,
                             capture_output=True, text=True).stdout.splitlines()[-1]
    words = [w for w in shlex.split(command) if w != "ccache"]
    words[words.index("-o") + 1] = os.path.join(directory, "again")
    text = subprocess.run([*words, "-Wl,-t"], cwd=BUILD, capture_output=True, text=True,
                          check=True).stdout
    return {name for name in re.findall(r"lib(\w+)\.a(?:\.p/|\))\S*\.o", text)}


def memory_says(pid):
    """The libraries that a process has mapped; none when it has just gone (capture does)."""
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
            lines = [line.split(None, 5) for line in file]
    except (FileNotFoundError, ProcessLookupError):
        return set()
    paths = {words[5].strip() for words in lines if len(words) == 6}
    return {os.path.realpath(p) for p in paths if ".so" in os.path.basename(p)}


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(p) for p in file.read().split()]


def running_daemon(tap, side, program, want, directory):
    """Every role of a daemon on the loopback of a network of its own."""
    config = write_config(side, directory, change={"interface": "lo"})
    for name in ("tx-files", "rx-files"):
        os.makedirs(f"{directory}/{name}", exist_ok=True)
    log_path = f"{directory}/{side}.log"
    with open(log_path, "w", encoding="utf-8") as log:
        process = subprocess.Popen(
            ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh",
             str(BUILD / program), "run", "--config", config], stdout=log, stderr=log)
    # the supervisor says it of itself too; capture says it and goes
    ready = 5 if side == "rx" else 4
    until, pids = time.monotonic() + 60, []
    while time.monotonic() < until and process.poll() is None:
        with open(log_path, encoding="utf-8") as log:
            if log.read().count("role.ready") >= ready:
                pids = [process.pid] + children(process.pid)
                break
        time.sleep(0.05)
    maps = [m for m in map(memory_says, pids) if m]
    process.terminate()
    process.wait(60)
    with open(log_path, encoding="utf-8") as log:
        tap.ok(len(maps) >= 4 and all(m == want for m in maps),
               f"{program}: the memory of a running daemon holds just these",
               "\n".join(sorted(set().union(*maps) ^ want)) + log.read())


def judge_program(tap, document, program, directory):
    want = said_libraries(document, program)
    tap.same(sorted(loader_says(program)), sorted(want),
             f"{program}: the dynamic linker loads just these")
    text = subprocess.run(["readelf", "-d", str(BUILD / program)], capture_output=True, text=True,
                          check=True).stdout
    direct = {n.split(".so")[0].replace("-x86-64", "")
              for n in re.findall(r"\(NEEDED\).*\[([^]]+)\]", text)}
    direct = {n for n in direct if not n.startswith("ld-linux")} - OPTIONAL
    tap.same(sorted(direct), sorted(DIRECT[program] - OPTIONAL),
             f"{program}: no library that nobody decided on")
    tap.same(sorted(linker_says(program, directory)), sorted(said_archives(document, program)),
             f"{program}: the linker took of just these archives")
    own = next(f for f in document["files"] if f["fileName"] == "./" + os.path.basename(program))
    tap.same(own["checksums"][1]["checksumValue"],
             hashlib.sha256((BUILD / program).read_bytes()).hexdigest(),
             f"{program}: its digest")


def judge_packages(tap, document):
    """dpkg's list of files, asked the other way round, holds the library."""
    elements = {e["SPDXID"]: e for e in document["packages"] + document["files"]}
    bad = []
    for relation in document["relationships"]:
        package = elements.get(relation["spdxElementId"])
        if relation["relationshipType"] != "CONTAINS" or package["name"] == "katamichi":
            continue
        listed = subprocess.run(["dpkg", "-L", package["name"]], capture_output=True, text=True,
                                check=False).stdout.splitlines()
        path = elements[relation["relatedSpdxElement"]]["fileName"][1:]
        if path not in {os.path.realpath(p) for p in listed}:
            bad.append(f"{path} is not in {package['name']}")
    tap.same(bad, [], "each library is in the package that is named")


def judge_shape(tap, document):
    tap.same(spdx_shape.wrong(document), [], "the document has the shape of SPDX 2.3")
    def change(how):
        other = copy.deepcopy(document)
        how(other)
        return bool(spdx_shape.wrong(other))
    for name, how in (
            ("a field that is missing", lambda d: d["packages"][0].pop("downloadLocation")),
            ("a field that is unknown", lambda d: d["files"][0].update(x=1)),
            ("an id that leads nowhere",
             lambda d: d["relationships"][0].update(relatedSpdxElement="SPDXRef-x")),
            ("a file that nothing leads to", lambda d: d["files"].append(
                {**d["files"][0], "SPDXID": "SPDXRef-y"})),
            ("half a digest", lambda d: d["files"][0]["checksums"][1].update(checksumValue="ab")),
            ("a licence that is no expression",
             lambda d: d["packages"][0].update(licenseDeclared="see file")),
            ("a time with a zone", lambda d: d["creationInfo"].update(created="now"))):
        tap.ok(change(how), f"the check of the shape sees {name}")


def main():
    tap = Tap()
    if not os.path.exists("/usr/bin/dpkg-query"):
        print("1..0 # SKIP no dpkg here")
        return 77
    if sanitized():
        print("1..0 # SKIP a build with sanitizers is not shipped")
        return 77
    text, errors = sbom(FIRST, 0o022)
    if not tap.ok(text and not errors, "sbom works", errors):
        return tap.done()
    tap.same(sbom(SECOND, 0o077), (text, ""), "made twice it is the same")
    document = json.loads(text)
    judge_shape(tap, document)
    judge_packages(tap, document)
    with tempfile.TemporaryDirectory(prefix="km-sbom-") as directory:
        for program in DIRECT:
            judge_program(tap, document, program, directory)
        make_keys(str(BUILD / "tx/katamichi-tx"), str(BUILD / "rx/katamichi-rx"), directory)
        for side, program in (("tx", "tx/katamichi-tx"), ("rx", "rx/katamichi-rx")):
            if os.geteuid() != 0:
                tap.skip(f"{program}: the memory of a running daemon", "not root")
                continue
            running_daemon(tap, side, program, said_libraries(document, program), directory)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
