# SPDX-License-Identifier: ISC
"""The evidence that the link goes one way, and the rules that are shipped for it: hosts that
would answer do not; `oneway-check` finds every fault that is planted, and nothing else.
"""

import os
import re
import shutil
import struct
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import netns, rawframe, stats, tap  # noqa: E402
from harness.diode import Diode  # noqa: E402
from harness.emu import Emulator  # noqa: E402
from harness.producer import Producer, wait_all  # noqa: E402

BROADCAST = b"\xff" * 6
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def once(t, process, event):
    """However many frames, one line."""
    lines = [line for line in process.output().splitlines() if f" {event} " in line]
    t.equal(len(lines), 1, f"lines of {event}: {lines}")


# ---- a host that answers ------------------------------------------------------------------

HERE, THERE = bytes([192, 0, 2, 7]), bytes([192, 0, 2, 9])


class Asker:
    """Who asks the receiver's host by ARP, from the other end of its cable."""

    def __init__(self, path):
        self.sock = rawframe.sender(path.emu_out)
        self.path = path
        mac = path.emu_out.mac_bytes
        self.request = rawframe.ethernet(
            BROADCAST, mac, struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) + mac + THERE
            + bytes(6) + HERE, 0x0806)

    def ask(self):
        """How many frames rx's port has sent since it was made."""
        self.sock.send(self.request)
        return stats.counters(self.path.rx)["tx_packets"]


def load_rule(ns, side, interface):
    """The rule as it is shipped, for this interface."""
    if not shutil.which("nft"):
        raise tap.Skip("no `nft` command (nftables)")
    name = f"oneway-{side}.nft"
    with open(os.path.join(SOURCE, "docs", "examples", name), encoding="ascii") as file:
        text = file.read()
    if 'define port = "enp3s0"\n' not in text:
        raise ValueError(f"{name} has no line for the port")
    place = os.path.join(tempfile.gettempdir(), f"km-{os.getpid()}-{name}")
    try:
        with open(place, "w", encoding="ascii") as file:
            file.write(text.replace('"enp3s0"', f'"{interface.name}"'))
        netns.run(*ns.argv(["nft", "-f", place]))
    except RuntimeError as error:
        if re.search("not supported", str(error)):
            raise tap.Skip(f"no netdev hooks in this kernel: {error}") from error
        raise
    finally:
        os.unlink(place)


def stopped(ns):
    """Packets that the rule has stopped."""
    return int(re.search(r"counter packets (\d+)", netns.run(
        *ns.argv(["nft", "list", "ruleset"])))[1])


@tap.test
def a_host_that_answers(t):
    """rx's port has an address and ARP, and is asked. With the shipped rule no answer leaves,
    however the host is set; without it the first one raises the alarm on this side."""
    netns.require()
    rng = tap.rng("answers")
    with netns.Path(mtu=9000) as path, Diode(path, t.dir) as diode, Emulator(path, t.dir):
        load_rule(path.rx.ns, "rx", path.rx)
        path.rx.set("arp", "on")
        path.rx.ns.ip("address", "add", "192.0.2.7/24", "dev", path.rx.name)
        asker, producer = Asker(path), Producer(diode, rng)
        diode.start_rx()
        diode.start_tx()
        producer.put_some(20)
        for _ in range(20):
            asker.ask()
        diode.wait(lambda: stopped(path.rx.ns) >= 20, 30, "20 answers stopped by the rule")
        wait_all(diode, producer, 60)
        t.equal(asker.ask(), 0, "frames rx's port sent")
        t.equal(diode.counters("rx")["supervisor.port_sent"], 0, "and by the watchdog's count")
        t.check("return." not in diode.rx.output(), "an alarm without a frame")
        netns.run(*path.rx.ns.argv(["nft", "delete", "table", "netdev", "katamichi_rx"]))
        diode.wait(asker.ask, 30, "an answer leaves")
        diode.rx.wait_line(r"supervisor return\.seen .*", 30)
        diode.rx.wait_line(r"publish return\.path .*our receiving port", 30)
        sent = asker.ask()
        diode.wait(lambda: diode.counters("rx")["supervisor.port_sent"] >= sent, 30,
                   "all answers counted")
        once(t, diode.rx, "return.seen")
        once(t, diode.rx, "return.path")
        producer.put_some(20)
        wait_all(diode, producer, 60)
        t.equal(producer.judge(diode.tree())[:5], [], "published tree")


@tap.test
def what_comes_in_at_tx_is_dropped(t):
    """tx's port has an address and ARP, and is asked: with the shipped rule the host answers
    nothing, and the counter still tells the watchdog that something came."""
    netns.require()
    with netns.Path(mtu=9000) as path, Diode(path, t.dir) as diode, Emulator(path, t.dir):
        path.tx.set("arp", "on")
        path.tx.ns.ip("address", "add", "192.0.2.7/24", "dev", path.tx.name)
        load_rule(path.tx.ns, "tx", path.tx)
        diode.start_tx()
        with rawframe.Receiver(path.emu_in) as heard, rawframe.sender(path.emu_in) as sock:
            mac = path.emu_in.mac_bytes
            for _ in range(20):
                sock.send(rawframe.ethernet(
                    BROADCAST, mac, struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) + mac + THERE
                    + bytes(6) + HERE, 0x0806))
            diode.wait(lambda: stopped(path.tx.ns) >= 20, 30, "20 questions stopped")
            diode.tx.wait_line(r"supervisor return\.seen .*", 30)
            answers = [f for f in heard.take_until_quiet() if f[12:14] == b"\x08\x06"]
        t.equal(answers, [], "answers of tx's host")
        diode.wait(lambda: diode.counters("tx")["supervisor.port_received"] >= 20, 30,
                   "what came is counted")


BLIND = ("unshare", "-m", "sh", "-c", 'mount -t tmpfs none /sys && exec "$@"', "sh")


@tap.test
def a_port_that_nobody_sees(t):
    """Without /sys the counters cannot be read: the link works, and one line on each side says
    that a return path would not be seen."""
    netns.require()
    rng = tap.rng("blind")
    with netns.Path(mtu=9000, emulator=False) as path, Diode(path, t.dir) as diode:
        producer = Producer(diode, rng)
        diode.start_rx(through=BLIND)
        diode.start_tx(through=BLIND)
        producer.put_some(20)
        wait_all(diode, producer, 60)
        for process in (diode.rx, diode.tx):
            line = process.wait_line(r"supervisor return\.unwatched .*", 30)[0]
            t.check("link0" in line and "mount sysfs" in line, f"which port, what to do: {line}")
            once(t, process, "return.unwatched")


if __name__ == "__main__":
    tap.main()
