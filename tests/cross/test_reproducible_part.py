# SPDX-License-Identifier: ISC
"""A part of test_reproducible.py that is cheap enough for every run: some objects compiled and
both daemons linked with the commands of this build, in two places. As TAP.

    test_reproducible_part.py SOURCE-ROOT BUILD-ROOT
"""

import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile

from reproducible import FIRST, SECOND, digest, judge, no_network, run

ROOT, BUILD = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
UP = os.path.relpath(ROOT, BUILD) + "/"
# One of each folder; rx_engine.c has assert, the mains have version and build.
SOURCES = ("common/base/log.c", "common/wire/frame.c", "common/proof/minisig.c",
           "common/daemon/opt.c", "rx/decode/rx_engine.c", "tx/main.c", "rx/main.c")
DAEMONS = ("tx/katamichi-tx", "rx/katamichi-rx")


def skip_all(why):
    print(f"1..0 # SKIP {why}")
    sys.exit(77)


def compile_commands():
    """{source: words}, without cache, debug information (which names the folder) or output."""
    found = {}
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        source = os.path.relpath(BUILD / entry["file"], ROOT)
        if source not in SOURCES or source in found:
            continue
        words = shlex.split(entry["command"])
        for name in ("-o", "-MF", "-MQ"):
            at = words.index(name)
            del words[at:at + 2]
        found[source] = [w for w in words if w not in ("ccache", "-MD")] + ["-g0"]
    return found


def link_commands():
    """{daemon: words without its output}."""
    found = {}
    for daemon in DAEMONS:
        text = subprocess.run(["ninja", "-C", str(BUILD), "-t", "commands", daemon], check=True,
                              capture_output=True, text=True).stdout.splitlines()[-1]
        words = [w for w in shlex.split(text) if w != "ccache"]
        at = words.index("-o")
        assert words[at + 1] == daemon, text
        del words[at:at + 2]
        found[daemon] = words
    return found


def make(where, depth, prefix, env, umask):
    """The objects, from a copy of the sources, and the daemons, from the objects of the build."""
    for name in ("common", "fec", "rx", "tx"):
        shutil.copytree(ROOT / name, where / name)
    out = where / depth
    out.mkdir(parents=True)
    up = os.path.relpath(where, out) + "/"
    made = {}
    for source, words in compile_commands().items():
        target = out / source.replace("/", "_")
        words = [w.replace(UP, up) for w in words]
        if not run([*prefix, *words, "-o", str(target)], out, env, umask):
            return None
        made[source] = digest(target)
    for daemon, words in link_commands().items():
        target = out / os.path.basename(daemon)
        if not run([*prefix, *words, "-o", str(target)], BUILD, env, umask):
            return None
        made[daemon] = digest(target)
    return made


def main():
    options = (BUILD / "meson-info" / "intro-buildoptions.json").read_text()
    options = {o["name"]: o["value"] for o in json.loads(options)}
    if options["b_sanitize"] != "none" or options["b_coverage"]:
        skip_all("a build with sanitizers or coverage is not shipped")
    if set(compile_commands()) != set(SOURCES):
        print(f"1..1\nnot ok 1 - the build has no command for "
              f"{set(SOURCES) - set(compile_commands())}")
        return 1
    prefix = no_network()
    with tempfile.TemporaryDirectory() as temporary:
        one = make(pathlib.Path(temporary) / "a", "out", [], FIRST, 0o022)
        two = make(pathlib.Path(temporary) / "another-place" / "b", "build/with/depth",
                   prefix or [], SECOND, 0o077)
    return judge(one, two, prefix, "a part of the build, made twice, is bit-identical")


if __name__ == "__main__":
    sys.exit(main())
