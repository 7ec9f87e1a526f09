# SPDX-License-Identifier: ISC
"""A datagram channel between two programs of a test, which meet it in the namespaces of tx and rx.

    with netns.Path(mtu=1500) as path, LiveDiode(path, t.dir) as diode:
        start(diode)                        # until rx has a session
"""

import os
import shutil

from .diode import Diode
from .procs import Process
from .tap import Skip

NUMBER = 900
PORT_IN, PORT_OUT = 5000, 5001
CHANNEL = {"number": NUMBER, "kind": "datagram", "owner": "operations", "purpose": "live test",
           "classification": "internal"}


class LiveDiode(Diode):
    """A Diode with the channel `live` beside its files channels."""

    def __init__(self, path, directory, tx_live=None, rx_live=None, **kwargs):
        self.live = ({**CHANNEL, "listen": f"127.0.0.1:{PORT_IN}", **(tx_live or {})},
                     {**CHANNEL, "deliver": f"127.0.0.1:{PORT_OUT}", **(rx_live or {})})
        super().__init__(path, directory, **kwargs)

    def write_config(self):
        self.tx_sections["channel live"], self.rx_sections["channel live"] = self.live
        super().write_config()

    def count(self, side, name, role="live", number=NUMBER):
        return self.counters(side).get(f"{role}.ch{number}_{name}", 0)


def start(diode):
    """Both sides, until rx has a session."""
    diode.start_rx()
    diode.start_tx()
    diode.wait(lambda: diode.counters("rx").get("decode.sessions_live"), 30, "a session")


def programs(*names):
    """Paths of programs that scripts/setup installs; Skip where one is missing."""
    places = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin"))
    found = [shutil.which(name, path=places) for name in names]
    if missing := [name for name, path in zip(names, found) if not path]:
        raise Skip(f"not installed: {', '.join(missing)} (scripts/setup installs it)")
    return found


class Service(Process):
    """A program that serves one side of a test until it is stopped, and then may end as it likes."""

    def __init__(self, argv, directory, name, end, **kwargs):
        """END: the interface of netns.Path in whose namespace it runs."""
        super().__init__(argv, directory, name, ns=end.ns, expect=(0, 1, 255, -15), **kwargs)
