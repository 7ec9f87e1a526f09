# SPDX-License-Identifier: ISC
"""What every part of the benchmark needs to know: how long it may take, where it may work,
which programs there are, and how a command is written down in a row."""

import os
import random
import shlex
import shutil
import subprocess
import tempfile
import time

from harness import cleanup
from harness.procs import find_program

MTUS = (9000, 1500)
FRAMINGS = ("ethernet", "udp")
REGIMES = ("A", "N")
GIB = 1 << 30
MIB = 1 << 20
# Bytes of a frame after its Ethernet header that are no payload: header 40, tag 16.
WIRE_OVERHEAD = 56
UDP_OVERHEAD = 28  # IPv4 and UDP


class Setting:
    """quick: the short form; seed: of what is random; case: a part of the names of the
    configurations that are wanted."""

    def __init__(self, quick, seed, case=""):
        self.quick, self.seed, self.case = quick, seed, case
        self.n = 3
        self.cores = sorted(os.sched_getaffinity(0))
        # Source, spool and tree lie in memory: a disk is not what is measured here.
        self.work = tempfile.mkdtemp(prefix="katamichi-bench-", dir="/dev/shm")
        self._undo = cleanup.push(self.close)
        self.failures = []  # what decides the exit code: integrity and loss, never a time
        self._part_end = self._item_end = float("inf")

    # -- time ------------------------------------------------------------------------------
    # A part has so many seconds, and what it leaves over goes to those behind it; an item of a
    # part has its share of what is left. Whatever the machine, each item is done once.

    def begin_part(self, end):
        """END: time.monotonic() at which the part should be through."""
        self._part_end = self._item_end = end

    def begin_item(self, left):
        """The first of LEFT items of about the same length begins."""
        now = time.monotonic()
        self._item_end = now + max(0.0, self._part_end - now) / left

    def repeats(self, n=None):
        """0, 1, ... up to N - 1 (self.n), but no further than the item's time reaches."""
        for i in range(n or self.n):
            begin = time.monotonic()
            yield i
            now = time.monotonic()
            if now + (now - begin) > self._item_end:
                return

    def item_late(self):
        """The item has had its share."""
        return time.monotonic() > self._item_end

    def late(self):
        """No time is left for what the part could do without."""
        return time.monotonic() > self._part_end

    # -- places and names ------------------------------------------------------------------

    def directory(self, name):
        path = os.path.join(self.work, name)
        os.makedirs(path, exist_ok=True)
        return path

    def paths(self):
        """(MTU, regime, framings) of the configurations that are wanted."""
        for mtu in MTUS:
            for regime in REGIMES:
                framings = [framing for framing in FRAMINGS
                            if self.case in f"mtu{mtu}.{framing}.{regime}"]
                if framings:
                    yield mtu, regime, framings

    def random(self, what):
        """Random numbers for WHAT, the same in every run with this seed."""
        return random.Random(f"{self.seed}/{what}")

    def touch_memory(self):
        """Write and free what the first parts use of memory; a transfer has a Ballast."""
        place = os.path.join(self.work, "touched")
        with open(place, "wb", buffering=0) as file:
            for _ in range(2 * GIB // MIB):
                file.write(b"\x5a" * MIB)
        os.unlink(place)

    def fail(self, text):
        self.failures.append(text)
        print(f"  FAILED: {text}", flush=True)

    def close(self):
        cleanup.cancel(self._undo)
        shutil.rmtree(self.work, ignore_errors=True)


def program(name):
    """Full path of a program of the build, or None."""
    try:
        return find_program(name)
    except RuntimeError:
        return None


def written(argv):
    """A command as a row shows it: no paths of this machine."""
    return shlex.join([os.path.basename(argv[0]), *argv[1:]])


def run(argv, timeout, env=None, pass_fds=()):
    """Standard output of a command; raises with what it said when it fails."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False,
                          stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})},
                          pass_fds=pass_fds)
    if done.returncode:
        raise RuntimeError(f"{written(argv)}: exit {done.returncode}: "
                           f"{(done.stderr or done.stdout).strip()[-400:]}")
    return done.stdout
