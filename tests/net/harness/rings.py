# SPDX-License-Identifier: ISC
"""The receive rings of the port, opened and read as capture and decode do it."""

import collections
import os
import subprocess

from . import framing

SLOT = 16384
Seen = collections.namedtuple("Seen", "ring vlan length head")


class Rings:
    """km-port-rings on an interface."""

    def __init__(self, interface, slot_bytes=SLOT, slots=64):
        argv = interface.ns.argv([os.environ["KM_PORT_RINGS"], interface.name,
                                  str(slot_bytes), str(slots),
                                  *(["udp"] if framing.UDP else [])])
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.refused = int(self._line()[1])

    def _line(self):
        line = self.process.stdout.readline().split()
        if not line:
            raise RuntimeError(f"km-port-rings ended: {self.process.wait(10)}")
        return line

    def take(self):
        """Frames that have come, in the order of each ring, and the drops of each."""
        self.process.stdin.write("take\n")
        self.process.stdin.flush()
        seen = []
        while (line := self._line())[0] != "end":
            seen.append(Seen(line[0], int(line[1]), int(line[2]), bytes.fromhex(line[3])))
        return seen, {"ring": int(line[1]), "realtime": int(line[2])}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()
