# SPDX-License-Identifier: ISC
"""A clock and a kernel as they might be, for one daemon and all its roles
(`tests/net/interpose.c`).

    clock = interpose.Clock(place)
    diode.start_tx(env=clock.env)
    clock.step(YEARS)                   # at once, as when somebody sets the clock
    diode.start_rx(env=interpose.rings(errno.ENOMEM, 16 << 20))
"""

import os
import struct

from .procs import find_program


def _env(**settings):
    return {"LD_PRELOAD": find_program("km-interpose"),
            **{name: str(value) for name, value in settings.items()}}


class Clock:
    """A wall clock that is so many seconds ahead."""

    def __init__(self, place):
        self.place = place
        with open(place, "wb") as file:
            file.write(bytes(8))

    def step(self, seconds):
        # in place and in one write: whoever has mapped it sees all of it or nothing
        fd = os.open(self.place, os.O_WRONLY)
        os.write(fd, struct.pack("=q", seconds))
        os.close(fd)

    @property
    def env(self):
        return _env(KM_CLOCK=self.place)


def rings(number, most_bytes):
    """The kernel refuses packet rings of more than MOST_BYTES with errno NUMBER."""
    return _env(KM_RING=f"{number} {most_bytes}")


def tpacket(version):
    """The kernel knows packet rings up to TPACKET_V<version> (1 to 3)."""
    return _env(KM_TPACKET=version - 1)
