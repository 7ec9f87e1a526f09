# SPDX-License-Identifier: ISC
"""What sbom and release-manifest say of a release alike: its version and its time."""

import datetime
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
EX_USAGE, EX_DATAERR, EX_NOINPUT, EX_UNAVAILABLE = 64, 65, 66, 69


def die(code, text):
    print(f"{os.path.basename(sys.argv[0])}: {text}", file=sys.stderr)
    sys.exit(code)


def version():
    text = (ROOT / "meson.build").read_text(encoding="utf-8")
    return re.search(r"^\s*version: '([^']+)'", text, re.M)[1]


def created():
    """The time of the sources, not of this run: the same release, the same words."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        done = subprocess.run(["git", "-C", str(ROOT), "log", "-1", "--format=%ct"],
                              capture_output=True, text=True, check=False)
        epoch = done.stdout.strip()
    if not epoch.isdecimal():
        die(EX_USAGE, "no time: set SOURCE_DATE_EPOCH to the seconds since 1970 of the sources "
                      "(they are not in a git checkout that would tell)")
    when = datetime.datetime.fromtimestamp(int(epoch), datetime.timezone.utc)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
