# SPDX-License-Identifier: ISC
"""fec's NEON kernel: cross-built and run under qemu-user; skipped where either is missing.

    test_neon.py SOURCE-ROOT FEC-TABLES.C
"""
import os
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77
FEC_FILES = ("decode.c", "dispatch.c", "encode.c", "kern_neon.c", "kern_scalar.c", "selftest.c",
             "shape.c")


def skip(why):
    print(f"1..0 # SKIP {why}")
    sys.exit(SKIPPED)


def main():
    root, tables = sys.argv[1:3]
    compiler = shutil.which("aarch64-linux-gnu-gcc")
    emulator = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    if not compiler:
        skip("no aarch64-linux-gnu-gcc (package gcc-aarch64-linux-gnu)")
    if not os.path.exists("/usr/aarch64-linux-gnu/include/stdio.h"):
        skip("no libc for aarch64 (package libc6-dev-arm64-cross)")
    if not emulator:
        skip("no qemu-aarch64 (package qemu-user)")
    with tempfile.TemporaryDirectory() as place:
        program = os.path.join(place, "neon_check")
        subprocess.run(
            [compiler, "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static",
             "-DFEC_BUILT_NEON", "-I", os.path.join(root, "fec"), "-o", program,
             os.path.join(root, "tests/cross/neon_check.c"), tables]
            + [os.path.join(root, "fec", name) for name in FEC_FILES],
            check=True)
        return subprocess.run([emulator, program], check=False).returncode


sys.exit(main())
