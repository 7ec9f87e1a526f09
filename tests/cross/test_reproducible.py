# SPDX-License-Identifier: ISC
"""The two daemons built twice, elsewhere, in a build folder elsewhere, at another time, under
another umask and locale, the second time without any network: the same bytes. As TAP.

    test_reproducible.py SOURCE-ROOT
"""

import pathlib
import re
import shutil
import sys
import tempfile

from reproducible import FIRST, SECOND, digest, judge, no_network, run

ROOT = pathlib.Path(sys.argv[1])
# What the build reads: itself, and the folders that it goes into without tests.
NEEDED = sorted({"meson.build", "meson_options.txt", "scripts"}
                | set(re.findall(r"(?m)^subdir\('(\w+)", (ROOT / "meson.build").read_text())))
DAEMONS = ("tx/katamichi-tx", "rx/katamichi-rx")


def build(where, out, prefix, env, umask):
    for name in NEEDED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, where / name)
        else:
            shutil.copy(ROOT / name, where / name)
    for command in (["meson", "setup", "--buildtype=release", "-Dtests=disabled", out],
                    ["ninja", "-j2", "-C", out, *DAEMONS]):
        if not run([*prefix, *command], where, env, umask):
            return None
    return {d: digest(where / out / d) for d in DAEMONS}


def main():
    prefix = no_network()
    with tempfile.TemporaryDirectory() as temporary:
        first, second = (pathlib.Path(temporary) / n for n in ("a", "another-place/b"))
        first.mkdir()
        second.mkdir(parents=True)
        one = build(first, "out", [], FIRST, 0o022)
        two = build(second, "build/with/depth", prefix or [], SECOND, 0o077)
    for name in sorted(one or {}):
        print(f"# {name}: {one[name]}")
    return judge(one, two, prefix, "two builds are bit-identical")


if __name__ == "__main__":
    sys.exit(main())
