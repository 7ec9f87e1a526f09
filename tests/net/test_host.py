#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What a host does to its daemon, for real and while it runs: the wall clock leaps to 2099 and
back, and the kernel refuses packet rings, for their size, for their version, or at all.

Both by a library between daemon and kernel (harness/interpose.py).
"""

import errno
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import account, interpose, netns, stats, tap  # noqa: E402
from harness.diode import Diode  # noqa: E402
from harness.emu import Emulator  # noqa: E402
from harness.producer import Producer, wait_all  # noqa: E402

TO_2099 = 73 * 365 * 86400 + 18 * 86400  # seconds from 2026
EX_UNAVAILABLE, EX_OSERR = 69, 71
MIB = 1 << 20


# ---- the clock ----------------------------------------------------------------------------

class Leap:
    """A diode whose two hosts have clocks that can be set."""

    def __init__(self, t, diode, producer):
        self.t, self.diode, self.producer = t, diode, producer
        self.tx = interpose.Clock(os.path.join(t.dir, "clock-tx"))
        self.rx = interpose.Clock(os.path.join(t.dir, "clock-rx"))
        self.round = 0

    def start(self):
        self.diode.start_rx(env=self.rx.env)
        self.diode.start_tx(env=self.tx.env)

    def step(self, side, seconds):
        (self.tx if side == "tx" else self.rx).step(seconds)

    def transfer(self, what):
        """Ten files, one of them in the place of another: all arrive, and nothing that was
        safe has gone."""
        self.round += 1
        for number in range(9):
            self.producer.put(b"%s %d" % (what.encode(), number))
        self.producer.put(b"again " + what.encode(), b"again")
        wait_all(self.diode, self.producer, 60)
        self.kept(what)

    def kept(self, what):
        """Every sent file for a resend, its manifest, and every former content."""
        spool = os.path.join(self.diode.spool_root(), ".katamichi")
        generations = os.path.join(self.diode.root(), "generations")
        self.diode.wait(lambda: len(os.listdir(os.path.join(spool, "sent"))) >= 10 * self.round,
                        30, f"{what}: sent files are kept")
        self.t.equal(len(os.listdir(os.path.join(spool, "sent"))), 10 * self.round,
                     f"{what}: sent files kept")
        self.t.equal(sum("again" in names for _, _, names in os.walk(generations)),
                     self.round - 1, f"{what}: generations kept")


def year_of(process):
    return re.findall(r"^(\d{4})-", process.output(), re.M)[-1]


@tap.test
def a_clock_leaps_to_2099_and_back(t):
    """tx first, then rx, then both are started in 2099, and come back while they run."""
    netns.require()
    rng = tap.rng("clock")
    with netns.Path(mtu=9000) as path, Diode(path, t.dir) as diode, Emulator(path, t.dir):
        leap = Leap(t, diode, Producer(diode, rng))
        leap.start()
        leap.transfer("now")

        leap.step("tx", TO_2099)
        line = diode.tx.wait_line(r"clock\.step.*", 30)[0]
        t.check("a new session begins" in line, f"what follows: {line}")
        line = diode.rx.wait_line(r"session\.far.*", 30)[0]
        t.check("correct the clocks" in line, f"what to do: {line}")
        leap.transfer("tx in 2099")

        leap.step("rx", TO_2099)
        leap.transfer("both in 2099")
        t.equal((year_of(diode.tx), year_of(diode.rx)), ("2099", "2099"), "years told")

        diode.stop()
        leap.start()  # what is old goes at a start
        leap.transfer("started in 2099")

        leap.step("tx", 0)
        diode.tx.wait_line(r"clock\.step.*", 30)
        leap.transfer("tx is back")
        leap.step("rx", 0)
        leap.transfer("both are back")
        diode.stop()
        leap.start()
        leap.transfer("started again")

        rx = diode.wait_settled(60)
        t.equal(rx["publish.objects_missing"], 0, "missing")
        account.check_sums(t, rx)
        t.equal(diode.missing()[0], 0, "exit code of missing")
        for event in ("session.refused", "chain.fork", "chain.broken", "chain.restarted"):
            t.check(f" {event} " not in diode.read_log("rx"), f"rx says {event}")
        t.equal(diode.read_log("tx").count(" chain.new "), 1, "chains that tx began")
        diode.stop()
        t.equal(leap.producer.judge(diode.tree()), [], "published tree")
        code, text = diode.verify()
        t.equal(code, 0, f"verify: {text[-500:]}")
        t.equal(stats.one_way(path), {}, "one-wayness")


# ---- packet rings -------------------------------------------------------------------------

@tap.test
def rings_are_refused(t):
    """For their size, as when memory is short, or for their version, as by an old kernel: one
    line says why, one that libpcap serves, and everything arrives."""
    netns.require()
    rng = tap.rng("rings")
    for what, env, reason in (
            ("size", interpose.rings(errno.ENOMEM, 16 * MIB), "Cannot allocate memory"),
            ("version", interpose.tpacket(2), "Invalid argument")):
        with netns.Path(mtu=9000) as path, Diode(path, os.path.join(t.dir, what)) as diode, \
                Emulator(path, t.dir, name="emu-" + what, loss="1%",
                         seed=rng.getrandbits(32)):
            producer = Producer(diode, rng, size=(0, 100000))
            diode.start_rx(env=env)
            diode.start_tx()
            producer.put_some(50)
            wait_all(diode, producer, 60)
            text = diode.rx.output()
            lines = re.findall(r".* intake\.(?:refused|pump) .*", text)
            t.equal(len(lines), 2, f"{what}: lines about it: {lines}")
            t.check("link0" in lines[0] and reason in lines[0] and "lower `ring`" in lines[0],
                    f"{what}: which, why, what to do: {lines[0]}")
            t.check("libpcap serves" in lines[1], f"{what}: what follows: {lines[1]}")
            t.check(" error " not in text, f"{what}: errors: {text}")
            rx = diode.wait_settled(60)
            t.equal(rx["publish.objects_missing"], 0, f"{what}: missing")
            t.equal(rx["supervisor.intake_pump"], 1, f"{what}: status tells of libpcap")
            t.check(rx["capture.frames_pumped"] > 0, f"{what}: frames pumped")
            t.equal(producer.judge(diode.tree())[:5], [], f"{what}: published tree")
            diode.stop()
            t.equal(stats.one_way(path), {}, f"{what}: one-wayness")


@tap.test
def no_ring_at_all(t):
    """Not even libpcap gets one, or the ring is asked for by name and nothing stands in for it:
    the daemon does not start, and a line says which, why, and what to do."""
    netns.require()
    refused = interpose.rings(errno.EPERM, 0)
    with netns.Path(mtu=9000) as path:
        for capture, want, words in (
                ("auto", EX_UNAVAILABLE, ("libpcap", "link0", "Operation not permitted")),
                ("ring", EX_OSERR, ("link0", "receive ring", "Operation not permitted",
                                    "capture = pcap"))):
            with Diode(path, os.path.join(t.dir, capture), rx={"capture": capture}) as diode:
                process = diode.start_rx(wait=False, expect=(want,), env=refused)
                code = process.wait(60)
                text = process.output()
                t.equal(code, want, f"{capture}: exit code\n{text}")
                good = [line for line in text.splitlines()
                        if all(word in line for word in words)]
                t.equal(len(good), 1, f"{capture}: lines with {words}:\n{text}")
                diode.rx = None


if __name__ == "__main__":
    tap.main()
