# SPDX-License-Identifier: ISC
"""What a machine can check of the house rules (CONTRIBUTING.md), as TAP.

    lint.py SOURCE-ROOT BUILD-ROOT
"""

import os
import re
import subprocess
import sys

ROOT, BUILD = sys.argv[1], sys.argv[2]
LINES_MAX = 700
FUNCTION_MAX = 60
CODE = (".c", ".h", ".py", ".sh")
TOP = ("tx", "rx", "common", "fec", "docs", "tests", "scripts")

# What a folder may include, beside itself: the arrows of the architecture.
BASE = {"common/base"}
COMMON = BASE | {"common/wire", "common/proof", "common/daemon"}
TX = COMMON | {"fec", "tx/wall", "tx/conf"}
RX = COMMON | {"fec", "rx/wall", "rx/conf"}
ALLOWED = {
    "fec": set(),
    "common/base": set(),
    "common/wire": BASE,
    "common/proof": BASE | {"common/wire"},
    "common/daemon": BASE,
    "tx/wall": COMMON,
    "tx/conf": COMMON | {"fec", "tx/wall"},
    "tx/source": TX,
    "tx/signer": TX,
    "tx/sender": TX - {"fec"},
    "tx/state": TX - {"fec"},
    "tx/stream": TX - {"fec"},
    "tx": TX | {"tx/source", "tx/signer", "tx/sender", "tx/state", "tx/stream"},
    "rx/wall": COMMON,
    "rx/conf": COMMON | {"fec", "rx/wall"},
    "rx/capture": RX - {"fec"},
    "rx/keeper": RX - {"fec"},
    "rx/decode": RX,
    "rx/publish": RX - {"fec"},
    "rx/scan": RX - {"fec"},
    "rx/sink": RX - {"fec"},
    "rx/state": RX - {"fec"},
    "rx/stream": RX - {"fec"},
    "rx": RX | {"rx/capture", "rx/keeper", "rx/decode", "rx/publish",
                "rx/scan", "rx/sink", "rx/state", "rx/stream"},
}


def files(*tops, ends=CODE):
    for top in tops or TOP:
        for where, folders, names in os.walk(os.path.join(ROOT, top)):
            folders[:] = [f for f in folders if f not in ("__pycache__", "corpus")]
            for name in names:
                if name.endswith(ends):
                    yield os.path.relpath(os.path.join(where, name), ROOT)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def product(ends):
    return [p for p in files("fec", "common", "tx", "rx", ends=ends)]


def top_level():
    """`ls` shows the architecture: no other folder, only conventional root files."""
    known = set(TOP) | {"debian"}
    try:
        done = subprocess.run(["git", "-C", ROOT, "ls-files"], capture_output=True, text=True,
                              check=True)
        listed = {p.split("/")[0] for p in done.stdout.split("\n") if "/" in p}
    except (OSError, subprocess.CalledProcessError):  # a release archive, or no git here
        listed = {n for n in os.listdir(ROOT) if os.path.isdir(os.path.join(ROOT, n))
                  and not n.startswith("build")}
    for name in sorted(listed):
        if name not in known and not name.startswith("."):
            yield f"{name}/: not a folder of the architecture"


def length_of_files():
    for path in files():
        count = read(path).count("\n")
        if count > LINES_MAX:
            yield f"{path}: {count} lines, at most {LINES_MAX}"


def length_of_functions():
    for path in files("fec", "common", "tx", "rx", "tests", ends=(".c",)):
        start = None
        for number, line in enumerate(read(path).split("\n"), 1):
            if line == "{":
                start = number
            elif line == "}" and start is not None:
                if number - start - 1 > FUNCTION_MAX:
                    yield f"{path}:{start}: function of {number - start - 1} lines"
                start = None


def first_line():
    for path in files():
        lines = read(path).split("\n", 2)
        if "SPDX-License-Identifier: ISC" not in "\n".join(lines[:2]):
            yield f"{path}: no SPDX line"


def numbered_labels():
    for path in files(ends=(".c",)):
        for number, line in enumerate(read(path).split("\n"), 1):
            if re.match(r"\s*goto\s+[a-z_]*\d+;", line):
                yield f"{path}:{number}: numbered label"


def unfinished():
    words = re.compile(r"(?<!EXPECTED)(?<![|(])\b(TO" r"DO|FIX" r"ME|X" r"XX|not impl" r"emented)\b")
    for path in files():
        for number, line in enumerate(read(path).split("\n"), 1):
            if words.search(line):
                yield f"{path}:{number}: unfinished by its own words"


def headers():
    """{header name: [folders]}. A name stands for one header in all that one side can see."""
    found = {}
    for path in product((".h",)):
        found.setdefault(os.path.basename(path), []).append(os.path.dirname(path))
    return found


def includes(path):
    return re.findall(r'^\s*#\s*include\s+"([^"]+)"', read(path), re.M)


def include_walls():
    where = headers()
    for name, folders in where.items():
        sides = [f.split("/")[0] for f in folders]
        if len(folders) > 1 and (len(set(sides)) < len(sides) or not set(sides) <= {"tx", "rx"}):
            yield f"{name}: a header of this name is in {' and in '.join(folders)}"
    for path in product((".c", ".h")):
        folder = os.path.dirname(path)
        can_see = ALLOWED.get(folder, set()) | {folder}
        for name in includes(path):
            if "/" in name:
                yield f"{path}: includes {name}: by a path, past the walls"
            elif name not in where:
                if not os.path.exists(os.path.join(BUILD, folder, name)):
                    yield f"{path}: includes {name}, which is nowhere"
            elif not can_see & set(where[name]):
                yield f"{path}: includes {name} of {where[name]}: not allowed in {folder}"


def include_cycles():
    where = headers()
    graph = {}
    for path in product((".h",)):
        folder = os.path.dirname(path)
        can_see = ALLOWED.get(folder, set()) | {folder}
        graph[path] = [f"{f}/{n}" for n in includes(path) for f in where.get(n, ())
                       if f in can_see]
    state = {}

    def visit(name, trail):
        if state.get(name) == 2:
            return None
        if state.get(name) == 1:
            return trail[trail.index(name):] + [name]
        state[name] = 1
        for other in graph[name]:
            cycle = visit(other, trail + [name])
            if cycle:
                return cycle
        state[name] = 2
        return None

    for name in graph:
        cycle = visit(name, [])
        if cycle:
            yield " -> ".join(cycle)
            return


def fec_knows_only_libc():
    allowed = re.compile(r"(std\w+|string|limits|cpuid|immintrin|x86intrin|arm_neon|sys/auxv"
                         r"|tmmintrin|emmintrin)\.h$")
    for path in files("fec", ends=(".c", ".h")):
        for name in re.findall(r"^\s*#\s*include\s+<([^>]+)>", read(path), re.M):
            if not allowed.match(name):
                yield f"{path}: includes <{name}>"


def sender_cannot_receive():
    """No object file of tx/sender references a call that receives."""
    archive = os.path.join(BUILD, "tx", "sender", "libtx_sender.a")
    done = subprocess.run(["nm", "-u", archive], capture_output=True, text=True, check=False)
    if done.returncode or "sendmmsg" not in done.stdout:
        yield f"nm {archive}: {done.stderr.strip() or 'no sendmmsg: the wrong library?'}"
        return
    for symbol in re.findall(r"\bU (\w+)", done.stdout):
        if re.match(r"(__)?(recv|recvfrom|recvmsg|recvmmsg|read|readv|pread|preadv)\d*(_chk)?$",
                    symbol) or symbol.startswith("pcap_"):
            yield f"tx/sender references {symbol}"


def decode_has_no_write_path():
    """The parser of foreign bytes references nothing that could send on its socket."""
    folder = os.path.join(BUILD, "rx", "decode")
    archives = sorted(n for n in os.listdir(folder) if n.endswith(".a"))
    text = "".join(subprocess.run(["nm", "-u", os.path.join(folder, n)], capture_output=True,
                                  text=True, check=False).stdout for n in archives)
    if "seal_open" not in text:
        yield f"nm {archives}: no seal_open: the wrong libraries?"
        return
    for symbol in sorted(set(re.findall(r"\bU (\w+)", text))):
        if re.match(r"(send|sendto|sendmsg|sendmmsg|write|writev|pwrite|splice|sendfile|vmsplice"
                    r"|dup|dup2|dup3|socket|open|openat|fopen|execve|setsockopt)$", symbol):
            yield f"rx/decode references {symbol}"


def stream_makes_no_sockets():
    """What takes connections sends nothing but into the pair; what sends makes no socket."""
    for folder, needed, wrong in (
            ("tx/stream", "accept4", "socket|connect|bind|listen|write|writev|sendto|sendmsg|sendmmsg"),
            ("rx/stream", "recv", "socket|connect|bind|listen|accept4?|setsockopt|open|openat|fopen")):
        archive = os.path.join(BUILD, folder, f"lib{folder.replace('/', '_')}.a")
        text = subprocess.run(["nm", "-u", archive], capture_output=True, text=True,
                              check=False).stdout
        if f"U {needed}" not in text:
            yield f"nm {archive}: no {needed}: the wrong library?"
        for symbol in sorted(set(re.findall(r"\bU (\w+)", text))):
            if re.match(f"({wrong})$", symbol):
                yield f"{folder} references {symbol}"


def events_are_documented():
    text = read("common/base/events.h").split("#define EVENTS_COMMON", 1)[1]
    ids = set(re.findall(r'X\(\w+,\s*"([a-z0-9.-]+)"', text))
    headings = re.findall(r"^### `([a-z0-9.-]+)`", read("docs/events.md"), re.M)
    for name in sorted(ids - set(headings)):
        yield f"docs/events.md: no heading for {name}"
    for name in sorted(set(headings) - ids):
        yield f"docs/events.md: {name} is not an event"
    if len(headings) != len(set(headings)):
        yield "docs/events.md: a heading stands twice"


def limits_are_documented():
    document = read("docs/wire.md")
    for name in re.findall(r"^#define (WIRE_\w+)", read("common/wire/wire_limits.h"), re.M):
        if name != "WIRE_LIMITS_H" and name not in document:
            yield f"docs/wire.md: no row for {name}"


def decisions_are_listed():
    index = read("docs/adr/README.md")
    for name in sorted(os.listdir(os.path.join(ROOT, "docs", "adr"))):
        if name != "README.md" and f"({name})" not in index:
            yield f"docs/adr/README.md: {name} is not listed"


def links_lead_somewhere():
    for path in ["README.md", "CONTRIBUTING.md", "SECURITY.md",
                 *files("docs", ends=(".md",))]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", read(path)):
            if not os.path.exists(os.path.join(ROOT, os.path.dirname(path), target)):
                yield f"{path}: link to {target}, which is nowhere"


def threats_name_their_tests():
    """Every row of a wall, an argument or an interface names tests, and they exist."""
    text = read("docs/threat-model.md")
    tests = {f"{suite}::{name}" for path in files("tests", ends=(".c",))
             for suite, name in re.findall(r"^Test\((\w+),\s*(\w+)", read(path), re.M)}
    tests |= {f"{os.path.basename(path)}::{name}" for path in files("tests", ends=(".py",))
              for name in re.findall(r"^def (\w+)", read(path), re.M)}
    named = re.findall(r"`([\w.]+::\w+)`", text)
    for name in sorted(set(named) - tests):
        yield f"docs/threat-model.md: there is no test {name}"
    for path in sorted(set(re.findall(r"`((?:docs|tests|scripts)/[\w./-]+)`", text))):
        if not os.path.exists(os.path.join(ROOT, path)):
            yield f"docs/threat-model.md: there is no file {path}"
    if len(named) < 100:
        yield f"docs/threat-model.md: {len(named)} tests are named: the form has changed"
    for row in re.findall(r"^\| (?:[SW]\d+ |[\w, ]+ → ).*", text, re.M):
        if "::" not in row and "`tests/" not in row and "from → to" not in row:
            yield f"docs/threat-model.md: a claim without a test: {row[:60]}"


def tree():
    """Every file of the tree, as git sees it or, in an archive, as it lies there."""
    try:
        done = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", "-co", "--exclude-standard"],
                              capture_output=True, text=True, check=True)
        names = done.stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        names = [os.path.relpath(os.path.join(where, name), ROOT)
                 for where, folders, found in os.walk(ROOT) for name in found
                 if not os.path.relpath(where, ROOT).startswith(("build", ".git"))]
    return sorted(n for n in names if n and os.path.isfile(os.path.join(ROOT, n)))


def seeds(path):
    """Bytes for parsers, some of them keys made for that."""
    return path.startswith("tests/fuzz/corpus/")


def no_blobs():
    """Everything that is built can be read: no program, archive or picture in the tree (SUP-03)."""
    for path in tree():
        with open(os.path.join(ROOT, path), "rb") as file:
            data = file.read()
        if seeds(path):
            if data[:4] == b"\x7fELF" or data[:8] == b"!<arch>\n":
                yield f"{path}: machine code among the seeds"
            continue
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            yield f"{path}: not text"
            continue
        if re.search(r"[\x00-\x08\x0e-\x1f\x7f]", text):
            yield f"{path}: control characters: not text"


def no_downloads():
    """Nothing is fetched to build: no wrap, no subproject, no address in a build file (SUP-03)."""
    for path in tree():
        if path.endswith(".wrap") or "subprojects" in path.split("/"):
            yield f"{path}: would be fetched at build time"
        if os.path.basename(path) not in ("meson.build", "meson_options.txt"):
            continue
        for number, line in enumerate(read(path).split("\n"), 1):
            code = line.split("#", 1)[0]
            if re.search(r"(?<!-)\b(subproject|curl|wget|git|pip3?)\b|\bfallback\s*:|://", code):
                yield f"{path}:{number}: build files fetch nothing"


def no_secrets():
    """No secret key and no password file lies in the tree (ACC-06)."""
    secret = re.compile(r"(KM[TR]X-(SECRET|LOCKED)-\d [A-Za-z0-9+/]{40}"
                        r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
                        r"|RW(RTY0Iy|QAAEIy)[A-Za-z0-9+/]{40}"  # minisign's
                        r"|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36})", re.M)
    for path in tree():
        if not seeds(path):
            for found in secret.finditer(read(path)):
                if "BAUGBwgJCgsMDQ4P" in found[0]:  # 4, 5, 6 … 15: a test vector
                    continue
                number = read(path).count("\n", 0, found.start()) + 1
                yield f"{path}:{number}: a secret key ({found[0][:16]}…)"
        if path.endswith((".key", ".pem", ".p12")) and not seeds(path):
            yield f"{path}: a key file"


CHECKS = (top_level, length_of_files, length_of_functions, first_line, numbered_labels,
          unfinished, include_walls, include_cycles, fec_knows_only_libc,
          sender_cannot_receive, decode_has_no_write_path, stream_makes_no_sockets, events_are_documented,
          limits_are_documented, decisions_are_listed, links_lead_somewhere,
          threats_name_their_tests, no_blobs, no_downloads, no_secrets)


def main():
    print(f"1..{len(CHECKS)}")
    bad = 0
    for number, check in enumerate(CHECKS, 1):
        wrong = list(check())
        for text in wrong:
            print(f"# {text}")
        bad += bool(wrong)
        print(f"{'not ok' if wrong else 'ok'} {number} - {check.__name__}")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
