# SPDX-License-Identifier: ISC
"""What the tests of reproducibility share: two surroundings that differ in all that must not
matter, and a command prefix that takes the network away."""

import hashlib
import os
import subprocess

# Compiled with a compiler cache, the second build would be what the first one made.
FIRST = {"CCACHE_DISABLE": "1", "LC_ALL": "C", "TZ": "UTC", "SOURCE_DATE_EPOCH": "1000000000"}
SECOND = {"CCACHE_DISABLE": "1", "LC_ALL": "C.UTF-8", "TZ": "Asia/Tokyo",
          "SOURCE_DATE_EPOCH": "1800000000"}


def no_network():
    """A command prefix that takes the network away, None where that is not allowed."""
    for prefix in (["unshare", "-n"], ["unshare", "-rn"]):
        done = subprocess.run([*prefix, "true"], capture_output=True, check=False)
        if done.returncode == 0:
            return prefix
    return None


def run(command, where, env, umask):
    """Whether it worked; the end of its output as TAP comments if not."""
    done = subprocess.run(command, cwd=where, env={**os.environ, **env}, text=True, check=False,
                          umask=umask, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        print("".join(f"# {line}\n" for line in done.stdout.splitlines()[-20:]))
    return done.returncode == 0


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def judge(one, two, prefix, what):
    """Two dictionaries name -> digest, None where a build failed. As TAP; the exit code."""
    print("1..2")
    same = bool(one) and one == two
    for name in sorted({**(one or {}), **(two or {})}):
        a, b = ((d or {}).get(name, "not built") for d in (one, two))
        if a != b:
            print(f"# {name} differs: {a} {b}")
    print(f"{'ok' if same else 'not ok'} 1 - {what}")
    if prefix is None:
        print("ok 2 - no network at build time # SKIP no right to make a network namespace")
    else:
        print(f"{'ok' if two else 'not ok'} 2 - no network at build time")
    return 0 if same and two else 1
