# SPDX-License-Identifier: ISC
"""The evidence that the link goes one way, and the rules that are shipped for it: hosts that
would answer do not; `oneway-check` finds every fault that is planted, and nothing else.
"""

import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import netns, rawframe, stats, tap  # noqa: E402
from harness.diode import Diode  # noqa: E402
from harness.emu import Emulator  # noqa: E402
from harness.producer import Producer, wait_all  # noqa: E402

BROADCAST = b"\xff" * 6
ETH_P_ALL = 3
EX_DATAERR, EX_UNAVAILABLE = 65, 69
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


# ---- oneway-check -------------------------------------------------------------------------

class Check:
    """`oneway-check` of one side, in its namespace or in another one."""

    def __init__(self, t, diode, side):
        self.t, self.diode, self.side = t, diode, side
        self.port = getattr(diode.path, side)
        self.ns = self.port.ns

    def run(self, *args, ns=None):
        program, config = ((self.diode.tx_program, self.diode.tx_config) if self.side == "tx"
                           else (self.diode.rx_program, self.diode.rx_config))
        return subprocess.run((ns or self.ns).argv([program, "oneway-check", "--config", config,
                                                    *args]),
                              capture_output=True, text=True, timeout=60, check=False)

    def lines(self):
        """Exit code; [(check, verdict, found, by hand)]."""
        done = self.run("--json")
        rows = [(c["check"], c["verdict"], c["found"], c["by_hand"])
                for c in json.loads(done.stdout)["checks"]]
        return done.returncode, rows

    def bad(self):
        """{check: what was found} of what does not pass, the filter of system calls apart, of
        which the kernel itself is asked."""
        code, rows = self.lines()
        found = {row[0]: row[2] for row in rows
                 if row[1] in ("fail", "unknown") and row[0] != "system-calls"}
        verdicts = {row[1] for row in rows}
        self.t.equal(code, EX_DATAERR if "fail" in verdicts else EX_UNAVAILABLE
                     if "unknown" in verdicts else 0, f"exit code for {sorted(verdicts)}")
        return found

    def system_calls(self):
        """The verdict, and what it should be."""
        _, rows = self.lines()
        process, role = ((self.diode.tx, "sender") if self.side == "tx"
                         else (self.diode.rx, "decode"))
        with open(f"/proc/{process.role_pid(role)}/status", encoding="ascii") as file:
            filtered = re.search(r"(?m)^Seccomp:\s+2$", file.read())
        return ([row[1] for row in rows if row[0] == "system-calls"],
                ["pass" if filtered else "fail"])

    def planted(self, what, want, plant, undo):
        """A fault is found by these checks, and by no other; it goes with its cause."""
        plant()
        try:
            found = self.bad()
        finally:
            undo()
        self.t.equal(sorted(found), sorted(want), f"{self.side}: {what}: {found}")
        self.t.equal(self.bad(), {}, f"{self.side}: {what}, taken away again")


def faults(check):
    """(what, checks that must see it, plant, undo) of both sides."""
    port, ns = check.port, check.ns
    held = []

    def listen(protocol, name=None):
        sock = ns.socket(socket.AF_PACKET, socket.SOCK_RAW,
                         0 if name else socket.htons(protocol))
        if name:
            sock.bind((name, protocol))
        held.append(sock)

    def ipv6(value):
        ns.shell(f"echo {value} > /proc/sys/net/ipv6/conf/{port.name}/disable_ipv6")

    def join():
        ns.ip("maddress", "add", "01:80:c2:00:00:0e", "dev", port.name)

    rows = [
        ("an IPv4 address", ["addresses"],
         lambda: ns.ip("address", "add", "192.0.2.7/24", "dev", port.name),
         lambda: ns.ip("address", "flush", "dev", port.name)),
        ("ARP", ["arp"], lambda: port.set("arp", "on"), lambda: port.set("arp", "off")),
        ("multicast", ["multicast"], lambda: port.set("multicast", "on"),
         lambda: port.set("multicast", "off")),
        ("a group", ["multicast"], join, lambda: ns.ip(
            "maddress", "del", "01:80:c2:00:00:0e", "dev", port.name)),
        ("a program that listens at the port", ["others"],
         lambda: listen(ETH_P_ALL, port.name), lambda: held.pop().close()),
        ("a program that listens everywhere", ["others"],
         lambda: listen(ETH_P_ALL), lambda: held.pop().close()),
        ("no rule", [rule(check.side)[0]], lambda: unload(check), lambda: load(check)),
        ("a rule that lets something through", [rule(check.side)[0]],
         lambda: nft(ns, f"insert rule netdev {rule(check.side)[1]} ether type arp accept"),
         lambda: load(check)),
        ("a policy that lets everything through", [rule(check.side)[0]],
         lambda: nft(ns, f"chain netdev {rule(check.side)[1]} {{ policy accept; }}"),
         lambda: load(check)),
    ]
    if os.path.exists("/proc/sys/net/ipv6"):
        rows.append(("IPv6", ["addresses", "ipv6"], lambda: ipv6(0), lambda: ipv6(1)))
    if check.side == "tx":
        rows += [("promiscuous mode", ["promiscuous"], lambda: port.set("promisc", "on"),
                  lambda: port.set("promisc", "off")),
                 ("a program that can only send", [], lambda: listen(0, port.name),
                  lambda: held.pop().close())]
    else:
        rows.append(("a program that can only send", ["others"],
                     lambda: listen(0, port.name), lambda: held.pop().close()))
    return rows


def rule(side):
    return (("ingress-rule", "katamichi_tx ingress") if side == "tx"
            else ("egress-rule", "katamichi_rx egress"))


def nft(ns, text):
    netns.run(*ns.argv(["nft", text]))


def load(check):
    load_rule(check.ns, check.side, check.port)


def unload(check):
    nft(check.ns, f"delete table netdev katamichi_{check.side}")


@tap.test
def every_fault_is_found(t):
    """A pair that is set as the manual says passes; each planted fault fails its own check."""
    netns.require()
    with netns.Path(mtu=9000, emulator=False) as path, Diode(path, t.dir) as diode:
        diode.start_rx()
        diode.start_tx()
        for side in ("tx", "rx"):
            check = Check(t, diode, side)
            load(check)
            t.equal(check.bad(), {}, f"{side}: as the manual says")
            got, want = check.system_calls()
            t.equal(got, want, f"{side}: filter of system calls, by /proc")
            for fault in faults(check):
                check.planted(*fault)
            lines(t, check)


def lines(t, check):
    """As text for people: each check by name and verdict, and below it how to look by hand."""
    code, rows = check.lines()
    done = check.run()
    t.equal(done.returncode, code, f"{check.side}: exit code as text")
    text = done.stdout.splitlines()
    for name, verdict, found, by_hand in rows:
        shown = "FAIL" if verdict == "fail" else verdict
        at = f"{shown:8}{name:14}{found}"
        t.check(at in text and text[text.index(at) + 1].strip() == f"by hand: {by_hand}",
                f"{check.side}: no line of {name}:\n{done.stdout}")
        t.check(by_hand, f"{check.side}: {name}: how to look by hand")
    kinds = {row[0] for row in rows}
    for name in ("link-socket", "link-filter", "system-calls", "code", "others", "addresses",
                 "ipv6", "arp", "multicast", "pause", "carrier", "counter"):
        t.check(name in kinds, f"{check.side}: no line of {name}")


@tap.test
def what_crossed_stays_found(t):
    """One frame the wrong way, and the counter's line fails from then on; a daemon that does not
    run, or runs elsewhere, cannot be vouched for."""
    netns.require()
    with netns.Path(mtu=9000, emulator=False) as path, Diode(path, t.dir) as diode:
        diode.start_rx()
        diode.start_tx()
        tx, rx = Check(t, diode, "tx"), Check(t, diode, "rx")
        for check in (tx, rx):
            load(check)
        done = tx.run(ns=rx.ns)
        t.equal((done.returncode, done.stdout), (EX_UNAVAILABLE, ""), "in another namespace")
        t.check("nsenter" in done.stderr, f"what to do: {done.stderr}")
        with rawframe.sender(path.rx) as sock:  # past the rule: it is taken off first
            unload(rx)
            sock.send(rawframe.ethernet(BROADCAST, path.rx.mac_bytes, bytes(46), 0x1234))
        load(rx)
        diode.wait(lambda: diode.counters("tx")["supervisor.port_received"]
                   and diode.counters("rx")["supervisor.port_sent"], 30, "the watchdogs' count")
        for check in (tx, rx):
            t.equal(list(check.bad()), ["counter"], f"{check.side}: a frame has crossed")
        diode.stop()
        for check in (tx, rx):
            code, rows = check.lines()
            unknown = [row[0] for row in rows if row[1] == "unknown"]
            t.equal((code, unknown), (EX_UNAVAILABLE, ["link-socket", "system-calls",
                                                       "counter"]),
                    f"{check.side}: not running")


if __name__ == "__main__":
    tap.main()
