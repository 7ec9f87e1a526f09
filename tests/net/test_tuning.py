#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""A host that is set so that loss is likely: each daemon says so at start and in `check`, with
the line to type; once it is typed, the warning has gone. Nothing is refused for it."""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import netns, tap, tree  # noqa: E402
from harness.diode import Diode  # noqa: E402


def warnings_of_start(process):
    """{event id: line to type or to set} of what a daemon logged."""
    found = re.findall(r"^.* (tuning\.[a-z-]+) (.*)$", process.output(), re.M)
    return {event: remedy(text) for event, text in found}


def remedy(text):
    return re.search(r"(?:type|set) `([^`]+)`", text)[1]


def check(diode, side):
    """Exit code and {event id: line} of `check`."""
    program, conf, interface = (
        (diode.tx_program, diode.tx_config, diode.path.tx) if side == "tx"
        else (diode.rx_program, diode.rx_config, diode.path.rx))
    done = subprocess.run(interface.ns.argv([program, "check", "--config", conf]),
                          capture_output=True, text=True, timeout=60, check=False)
    found = re.findall(r"^warning: (tuning\.[a-z-]+): (.*)$", done.stdout, re.M)
    return done.returncode, {event: remedy(text) for event, text in found}


def says(t, diode, side, what, event, line):
    """Both `check` and the start of the daemon say it; the daemon works all the same."""
    code, found = check(diode, side)
    t.equal(code, 0, f"{what}: exit code of check")
    t.equal(found.get(event), line, f"{what}: check: {found}")
    process = diode.start_tx() if side == "tx" else diode.start_rx()
    t.equal(warnings_of_start(process).get(event), line, f"{what}: at start:\n{process.tail()}")
    (diode.stop_tx if side == "tx" else diode.stop_rx)()


def is_silent(t, diode, side, what, event):
    code, found = check(diode, side)
    t.equal(code, 0, f"{what}: exit code of check afterwards")
    t.check(event not in found, f"{what}: check says {found} after the line was typed")
    process = diode.start_tx() if side == "tx" else diode.start_rx()
    found = warnings_of_start(process)
    t.check(event not in found, f"{what}: {found} at start after the line was typed")
    (diode.stop_tx if side == "tx" else diode.stop_rx)()


@tap.test
def tx_queue_is_short(t):
    netns.require()
    with netns.Path(mtu=1500, emulator=False) as path, Diode(path, t.dir) as diode:
        path.tx.set("txqueuelen", "10")
        line = "ip link set dev link0 txqueuelen 1000"
        says(t, diode, "tx", "a short queue", "tuning.queue", line)
        path.tx.ns.shell(line)
        is_silent(t, diode, "tx", "a short queue", "tuning.queue")


@tap.test
def tx_rate_is_above_the_interface(t):
    """veth says 10 Gbit/s; what is to be set is in the configuration."""
    netns.require()
    with netns.Path(mtu=9000, emulator=False) as path:
        with Diode(path, t.dir, tx={"rate": "10 Gbit/s"}) as diode:
            says(t, diode, "tx", "a high rate", "tuning.rate", "rate = 8865 Mbit/s")
        with Diode(path, t.dir, tx={"rate": "8865 Mbit/s"}) as diode:
            is_silent(t, diode, "tx", "a high rate", "tuning.rate")


@tap.test
def rx_spreads_frames(t):
    netns.require()
    with netns.Path(mtu=1500, emulator=False) as path, Diode(path, t.dir) as diode:
        rps = f"/sys/class/net/{path.rx.name}/queues/rx-0/rps_cpus"
        if path.rx.ns.shell(f"[ -e {rps} ] && echo yes || echo no").strip() != "yes":
            raise tap.Skip("this kernel has no rps_cpus")
        path.rx.ns.shell(f"echo 1 > {rps}")
        line = f"echo 0 > {rps}"
        says(t, diode, "rx", "RPS", "tuning.spread", line)
        path.rx.ns.shell(line)
        is_silent(t, diode, "rx", "RPS", "tuning.spread")


@tap.test
def rx_ring_is_short(t):
    netns.require()
    with netns.Path(mtu=1500, emulator=False) as path:
        with Diode(path, t.dir, rx={"ring": "8 MiB"}) as diode:
            says(t, diode, "rx", "a short ring", "tuning.ring", "ring = 60 MiB")
        with Diode(path, t.dir, rx={"ring": "60 MiB"}) as diode:
            is_silent(t, diode, "rx", "a short ring", "tuning.ring")


@tap.test
def an_interface_is_down(t):
    """Each side's own, and then the other's, which takes the carrier away: files that waited
    cross when the line has been typed, without a restart."""
    netns.require()
    rng = tap.rng("down")
    with netns.Path(mtu=1500, emulator=False) as path, Diode(path, t.dir) as diode:
        path.tx.down()
        line = "ip link set dev link0 up"
        says(t, diode, "tx", "down", "tuning.carrier", line)
        t.equal(check(diode, "rx")[1].get("tuning.carrier"), "ethtool -s link0 autoneg off",
                "the other side has no carrier")
        diode.start_rx()
        diode.start_tx()
        tree.make_files(diode.spool(), 5, (1, 50000), rng)
        diode.tx.wait_line(r"link\.down", 60)
        path.tx.ns.shell(line)
        diode.wait_published(5, 60)
        t.check("tuning.carrier" not in check(diode, "tx")[1], "tx after the line was typed")
        t.check("tuning.carrier" not in check(diode, "rx")[1], "rx after the line was typed")


if __name__ == "__main__":
    tap.main()
