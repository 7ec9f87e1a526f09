# SPDX-License-Identifier: ISC
"""The link goes one way: nothing comes in at tx, nothing leaves at rx, in every run without
an attacker; and when somebody does send into tx's port, no byte of it reaches the program,
what leaves is unchanged, and both sides raise the alarm.
"""

import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import forge, framing, netns, rawframe, stats, tap  # noqa: E402
from harness.diode import Diode  # noqa: E402
from harness.emu import Emulator  # noqa: E402
from harness.producer import Producer, wait_all  # noqa: E402

FLOOD = 20000
BROADCAST = b"\xff" * 6


def index_of(interface):
    return int(interface.ns.shell(f"cat /sys/class/net/{interface.name}/ifindex"))


def with_ipv6(interface):
    """As a host comes: IPv6 on, which speaks unasked: MLD reports, router solicitations."""
    interface.set("multicast", "on")
    interface.ns.shell(f"echo 0 > /proc/sys/net/ipv6/conf/{interface.name}/disable_ipv6")


@tap.test
def ports_stay_silent(t):
    """A normal run, IPv6 as the harness and the documents set it: off."""
    netns.require()
    rng = tap.rng("silent")
    for capture, realtime, sockets in (("ring", "16 MiB", 2), ("ring", "0", 1),
                                       ("pcap", "16 MiB", 1)):
        name = f"{capture}-{sockets}"
        with netns.Path(mtu=9000) as path, \
                Diode(path, os.path.join(t.dir, name),
                      rx={"capture": capture, "realtime_ring": realtime}) as diode, \
                Emulator(path, t.dir, name="emu-" + name):
            producer = Producer(diode, rng)
            diode.start_rx()
            diode.start_tx()
            ipv6 = path.tx.ns.shell(f"cat /proc/sys/net/ipv6/conf/{path.tx.name}/disable_ipv6")
            t.equal(ipv6.strip(), "1", "IPv6 is off on the diode port")
            index = index_of(path.tx)
            mine = [row for row in stats.packet_sockets(path.tx) if row[1] == index]
            t.equal(mine, [(0, index)], "packet sockets of tx's namespace: protocol, index")
            index = index_of(path.rx)
            mine = [row[1] for row in stats.packet_sockets(path.rx)]
            t.equal(mine, [index] * sockets, "packet sockets of rx's namespace: interface")
            producer.put_some(300)
            wait_all(diode, producer, 60)
            t.equal(producer.judge(diode.tree())[:5], [], "published tree")
            tx, rx = diode.counters("tx"), diode.counters("rx")
            t.equal(tx["sender.packet_stats_received"], 0, "frames given to the link socket")
            t.equal(tx["supervisor.port_received"], 0, "frames tx's port received")
            t.equal(rx["supervisor.port_sent"], 0, "frames rx's port sent")
            t.equal(rx["decode.tx_packets_seen"], 0, "frames decode saw rx's port send")
            t.equal(rx["decode.realtime_seen"] > 0, sockets == 2,
                    "announces by a ring of their own")
            for process in (diode.tx, diode.rx):
                for event in ("return.seen", "return.path"):
                    t.check(event not in process.output(), f"{process.name} says {event}")
            diode.stop()
            t.equal(stats.one_way(path), {}, f"one-wayness, {name}")


def flood_frames(interface, rng):
    """Whatever might make a host answer: our own frames, IP, ARP, neighbour discovery."""
    mac = interface.mac_bytes
    other = bytes.fromhex("024b4d0000ee")
    ours = rawframe.header(session=1, lane=3, class_=3, seq=5, depth=1, symbol_bytes=1000,
                           payload_bytes=1000) + rng.randbytes(1016)
    arp = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) + other + bytes([10, 0, 0, 1]) \
        + bytes(6) + bytes([10, 0, 0, 2])
    ping = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28, 1, 0, 64, 1, 0, bytes([10, 0, 0, 1]),
                       bytes([10, 0, 0, 2])) + struct.pack(">BBHHH", 8, 0, 0xF7FF, 0, 0)
    source, target = bytes.fromhex("fe80" + "00" * 13 + "01"), bytes.fromhex(
        "ff02" + "00" * 10 + "01ff000002")
    solicit = struct.pack(">BBHI16s", 135, 0, 0, 0, target)
    nd = struct.pack(">IHBB16s16s", 0x60000000, len(solicit), 58, 255, source, target) + solicit
    return [
        rawframe.ethernet(mac, other, ours),
        rawframe.ethernet(forge.DST, other, ours),
        rawframe.ethernet(BROADCAST, other, ours),
        rawframe.ethernet(BROADCAST, other, arp, 0x0806),
        rawframe.ethernet(mac, other, arp, 0x0806),
        rawframe.ethernet(mac, other, ping, 0x0800),
        rawframe.ethernet(bytes.fromhex("01005e000001"), other, ping, 0x0800),
        rawframe.ethernet(bytes.fromhex("3333ff000002"), other, nd, 0x86DD),
        rawframe.ethernet(mac, other, nd, 0x86DD),
        rawframe.ethernet(bytes.fromhex("0180c2000000"), other, b"\x42\x42\x03" * 14, 38),
    ]


def transfer(t, what, rng, flooded):
    """One run with the same files; what left tx, by kind of frame."""
    directory = os.path.join(t.dir, what)
    os.makedirs(directory)
    # a window that no slow machine closes by time: what leaves depends on the files alone
    with netns.Path(mtu=9000) as path, rawframe.Receiver(path.emu_in) as heard, \
            Diode(path, directory, tx_channel={"flush": "30 s"}) as diode, \
            Emulator(path, directory) as emulator:
        producer = Producer(diode, rng)
        diode.start_rx()
        producer.put_some(200)
        diode.start_tx()
        if flooded:
            flood(t, path, diode, rng)
        wait_all(diode, producer, 90)
        t.equal(producer.judge(diode.tree())[:5], [], f"{what}: published tree")
        if flooded:
            alarms(t, diode)
        tx = diode.counters("tx")
        t.equal(tx["sender.packet_stats_received"], 0,
                f"{what}: frames given to the link socket")
        t.check("role.died" not in diode.tx.output(), f"{what}: a role of tx died")
        diode.stop_tx()
        tx = diode.counters("tx")
        diode.stop()
        frames = heard.take_until_quiet()
        t.equal(heard.drops(), 0, f"{what}: frames the tap dropped")
        t.equal(heard.packets, stats.counters(path.emu_in)["rx_packets"],
                f"{what}: frames heard and frames that came")
    ethertype = framing.ETHERTYPE.to_bytes(2, "big")
    foreign = [f for f in frames if f[12:14] != ethertype or f[:6] != forge.DST]
    t.equal(foreign[:3], [], f"{what}: frames of others that left tx's port")
    t.equal(len(frames), tx["sender.frames_sent"] + tx["sender.probes_sent"],
            f"{what}: frames on the wire, and frames the sender sent")
    t.equal(emulator.summary["forwarded"], len(frames), f"{what}: frames forwarded")
    heads = [rawframe.read_header(f) for f in frames]
    return {"source symbols": sum(h.type == rawframe.SOURCE and h.lane == 3
                                  and h.flags == 0 for h in heads),
            "repair symbols": sum(h.type == rawframe.REPAIR and h.flags == 0
                                  for h in heads),
            "windows": len({h.window for h in heads if h.lane == 3 and h.flags == 0})}


def flood(t, path, diode, rng):
    """From the far end of tx's cable, while tx sends."""
    frames = flood_frames(path.tx, rng)
    before = stats.counters(path.tx)["rx_packets"]
    with rawframe.sender(path.emu_in) as sock:
        for number in range(FLOOD):
            sock.send(frames[number % len(frames)])
    received = stats.counters(path.tx)["rx_packets"] - before
    t.equal(received, FLOOD, "frames that reached tx's port")
    sockets = stats.packet_sockets(path.tx)
    t.equal([row[0] for row in sockets], [0], "protocols of tx's packet sockets")
    diode.tx.wait_line(r"return\.seen", 30)


def alarms(t, diode):
    """tx's log, the heartbeat, rx's log."""
    diode.wait(lambda: diode.counters("tx")["supervisor.port_received"] >= FLOOD, 30,
               "tx's own count of what its port received")
    line = diode.tx.wait_line(r"return\.seen.*link0.*", 30)[0]
    t.check("frames=" in line, f"what, where and how much: {line}")
    line = diode.rx.wait_line(r"return\.path.*", 30)[0]
    t.check("frames=" in line, f"how much: {line}")
    t.equal(diode.counters("tx")["source.port_received"] >= FLOOD, True,
            "the heartbeat says how many")
    diode.wait(lambda: diode.counters("rx")["publish.tx_port_received"] >= FLOOD, 30,
               "rx's status knows how many")
    once(t, diode.tx, "return.seen")
    once(t, diode.rx, "return.path")


def once(t, process, event):
    """However many frames, one line."""
    lines = [line for line in process.output().splitlines() if f" {event} " in line]
    t.equal(len(lines), 1, f"lines of {event}: {lines}")


@tap.test
def a_flood_changes_nothing(t):
    """The same files with and without a flood: the same frames leave."""
    netns.require()
    quiet = transfer(t, "quiet", tap.rng("flood"), False)
    flooded = transfer(t, "flooded", tap.rng("flood"), True)
    t.equal(flooded, quiet, "what left tx for the same files")


@tap.test
def a_port_that_speaks(t):
    """Somebody left IPv6 on at rx's port: the host sends by it, both roles that look say so,
    and the transfer goes on."""
    netns.require()
    rng = tap.rng("speaks")
    with netns.Path(mtu=9000) as path, Diode(path, t.dir) as diode, Emulator(path, t.dir):
        producer = Producer(diode, rng)
        diode.start_rx()
        diode.start_tx()
        producer.put_some(20)
        with_ipv6(path.rx)
        line = diode.rx.wait_line(r"supervisor return\.seen .*", 60)[0]
        t.check("link0" in line and "frames=" in line, f"which port, how much: {line}")
        line = diode.rx.wait_line(r"publish return\.path .*", 60)[0]
        t.check("our receiving port" in line and "frames=" in line, f"whose port: {line}")
        t.check("oneway-check" in line, f"what to do: {line}")
        producer.put_some(20)
        wait_all(diode, producer, 60)
        t.equal(producer.judge(diode.tree())[:5], [], "published tree")
        rx = diode.counters("rx")
        t.check(rx["supervisor.port_sent"] > 0, "frames rx's port sent are counted")
        text = netns.run(diode.rx_program, "status", "--config", diode.rx_config)
        t.check("SOMETHING HERE SENDS" in text, f"status says so: {text}")


if __name__ == "__main__":
    tap.main()
