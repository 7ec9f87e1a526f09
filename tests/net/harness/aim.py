# SPDX-License-Identifier: ISC
"""kill -9 at a point of a process's work: at the N-th system call of a kind, or while the
process computes in a library behind such a call (`tests/net/killat.c`).

    hit = aim.strike(pid, Aim("publish", "linkat", "entry"))
"""

import subprocess

from .procs import find_program
from .tap import Skip

NOT_REACHED, GONE, NOT_PERMITTED = 3, 4, 77


class Aim:
    """role      whose work it is
    call      system call
    when      entry (it will not be done), exit (it was done)
    options   on=TEXT: its descriptor's path has TEXT in it; in=LIBRARY: while the process
              computes there behind the call; code=N: it is not killed, it exits with N
    fresh     a process does it only when it begins"""

    def __init__(self, role, call, when, *options, fresh=False):
        self.role, self.call, self.when = role, call, when
        self.options, self.fresh = options, fresh

    def __str__(self):
        return " ".join((self.role, self.call, self.when, *self.options))


def strike(pid, what, count=1, steps=1, limit_ms=20000):
    """Kill PID as aimed, at the COUNT-th such call or the STEPS-th instruction there. True:
    done. False: it did not come to that within the limit and was not touched. None: it ended
    by itself."""
    done = subprocess.run([find_program("km-killat"), str(pid), what.call, what.when,
                           *what.options, f"count={count}", f"steps={steps}",
                           f"ms={limit_ms}"],
                          capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == NOT_PERMITTED:
        raise Skip(f"processes cannot be traced here: {done.stderr.strip()}")
    if done.returncode not in (0, NOT_REACHED, GONE):
        raise RuntimeError(f"km-killat, {what}: exit {done.returncode}: {done.stderr}")
    return None if done.returncode == GONE else done.returncode == 0
