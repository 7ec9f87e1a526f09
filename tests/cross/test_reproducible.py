# SPDX-License-Identifier: ISC
"""The two daemons built twice, elsewhere, at another time, under another umask and locale, the
second time without any network: the same bytes. As TAP.

    test_reproducible.py SOURCE-ROOT
"""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(sys.argv[1])
NEEDED = ("meson.build", "meson_options.txt", "common", "fec", "rx", "tx", "docs")
DAEMONS = ("tx/katamichi-tx", "rx/katamichi-rx")


def no_network():
    """A command prefix that takes the network away, None where that is not allowed."""
    for prefix in (["unshare", "-n"], ["unshare", "-rn"]):
        done = subprocess.run([*prefix, "true"], capture_output=True, check=False)
        if done.returncode == 0:
            return prefix
    return None


def build(where, prefix, **env):
    for name in NEEDED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, where / name)
        else:
            shutil.copy(ROOT / name, where / name)
    # a compiler cache would hand the second build what the first one made
    env = {**os.environ, "CCACHE_DISABLE": "1", **env}
    for command in (["meson", "setup", "--buildtype=release", "-Dtests=disabled", "out"],
                    ["ninja", "-j2", "-C", "out", *DAEMONS]):
        done = subprocess.run([*prefix, *command], cwd=where, env=env, text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            print("".join(f"# {line}\n" for line in done.stdout.splitlines()[-20:]))
            return None
    return [hashlib.sha256((where / "out" / d).read_bytes()).hexdigest() for d in DAEMONS]


def main():
    print("1..2")
    prefix = no_network()
    with tempfile.TemporaryDirectory() as temporary:
        first, second = (pathlib.Path(temporary) / n for n in ("a", "another-place/b"))
        first.mkdir()
        second.mkdir(parents=True)
        one = build(first, [], LC_ALL="C", TZ="UTC")
        os.umask(0o077)
        two = build(second, prefix or [], LC_ALL="C.UTF-8", TZ="Asia/Tokyo")
    same = one is not None and one == two
    if one and two:
        for name, a, b in zip(DAEMONS, one, two):
            print(f"# {name}: {a} {b}")
    print(f"{'ok' if same else 'not ok'} 1 - two builds are bit-identical")
    if prefix is None:
        print("ok 2 - no network at build time # SKIP no right to make a network namespace")
    else:
        print(f"{'ok' if two else 'not ok'} 2 - no network at build time")
    sys.exit(0 if same and two else 1)


if __name__ == "__main__":
    main()
