# SPDX-License-Identifier: ISC
"""What the tests of the second reader share: the page, its vectors, and what it means to
refuse. Ends the test as skipped when python3-cryptography is missing."""

import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "tests", "net")]
from harness import tap  # noqa: E402

try:
    import second_fec as fec
    import second_proof as proof
    import second_reader as reader
    import second_wire as wire
except ModuleNotFoundError as error:
    if error.name.split(".")[0] != "cryptography":
        raise
    print("1..0 # SKIP no python3-cryptography")
    sys.exit(tap.SKIPPED)

__all__ = ["fec", "proof", "reader", "wire", "tap"]

with open(os.path.join(ROOT, "docs", "wire-vectors.json"), encoding="ascii") as file:
    VECTORS = json.load(file)
with open(os.path.join(ROOT, "docs", "wire.md"), encoding="utf-8") as file:
    PAGE = file.read()
TX, SESSION, WINDOW = VECTORS["tx_identity"], VECTORS["session"], VECTORS["window"]
SEED, IDENTITY = (bytes.fromhex(TX["ed25519_" + name]) for name in ("seed", "public"))
KEY_NUMBER = bytes.fromhex(TX["key_number"])
ANNOUNCE = bytes.fromhex(SESSION["announce"])
SECRETS = [bytes.fromhex(r["x25519_secret"]) for r in VECTORS["receivers"]]


def section(title):
    """The text of a section of the page."""
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def refuses(t, what, function, *args):
    """FUNCTION must refuse; any other exception is a fault of the reader and is raised."""
    try:
        got = function(*args)
    except wire.Refused:
        t.checks += 1
        return
    t.check(False, f"{what}: taken as {got!r:.200}")


def flip(data, at, bits=0xFF):
    """DATA with BITS of one byte changed."""
    return data[:at] + bytes([data[at] ^ bits]) + data[at + 1:]
