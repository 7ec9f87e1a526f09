# SPDX-License-Identifier: ISC
"""The two receive rings of the port, with the kernel's own filter between them: frames of
class realtime and announces by one, everything else of ours by the other, none by both, none
by neither, nothing foreign; and a link with a VLAN tag.
"""

import collections
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import forge, netns, rawframe, stats, tap  # noqa: E402
from harness.diode import Diode  # noqa: E402
from harness.producer import Producer, wait_all  # noqa: E402
from harness.rings import SLOT, Rings  # noqa: E402

REALTIME = 1
EINVAL = 22


def serial(number):
    """Source address: says which frame it is, however short it is cut."""
    return b"\x02" + number.to_bytes(5, "big")


def frame(number, type_, class_, length=100, tag=None, ethertype=rawframe.ETHERTYPE):
    """@length is that of the bytes after the Ethernet header, the tag not counted."""
    body = rawframe.header(type=type_, class_=class_, lane=class_, depth=1, session=7)
    body = (body + bytes(length))[:length]
    if tag is None:
        return rawframe.ethernet(forge.DST, serial(number), body, ethertype)
    return forge.DST + serial(number) + b"\x81\x00" + tag.to_bytes(2, "big") \
        + ethertype.to_bytes(2, "big") + body


def wanted(type_, class_, length, ethertype, two):
    """Where a frame must appear, from the wire description; None = nowhere."""
    if ethertype != rawframe.ETHERTYPE:
        return None
    if two and length >= 3 and (type_ == rawframe.ANNOUNCE or class_ == REALTIME):
        return "realtime"
    return "ring"


def cases(rng):
    """(type, class, length, tag, ethertype): each kind once, then many by chance."""
    for type_ in range(5):
        for class_ in range(6):
            for tag in (None, 5, 0x6005, 0x6000):
                yield type_, class_, 100, tag, rawframe.ETHERTYPE
            yield type_, class_, 100, None, 0x88B6
            yield type_, class_, 100, 5, 0x0800
    for length in (0, 1, 2, 3, 4, 46, 1500, 8900, 9000):
        for class_ in (REALTIME, 3):
            for type_ in (rawframe.ANNOUNCE, rawframe.SOURCE):
                yield type_, class_, length, None, rawframe.ETHERTYPE
    for _ in range(400):
        tag = rng.choice((None, 1, 4095))
        # a tagged frame with less than two bytes in it ends where the kernel takes its tag off
        yield (rng.randrange(256), rng.randrange(256), rng.randrange(2 if tag else 0, 300),
               tag, rng.choice((rawframe.ETHERTYPE, 0x88B6, 0x8100)))


def steer(t, rings, path, rng, two):
    """Send all cases; each appears where it must, once, whole, in order, with its tag."""
    want = {"ring": [], "realtime": []}
    with rawframe.sender(path.tx) as sock:
        seen = []
        for number, case in enumerate(cases(rng)):
            type_, class_, length, tag, ethertype = case
            sock.send(frame(number, type_, class_, length, tag, ethertype))
            where = wanted(type_, class_, length, ethertype, two)
            if where:
                want[where].append((serial(number), length + 14,
                                    -1 if tag is None else tag & 0xFFF))
            if number % 50 == 49:  # fewer than the realtime ring has slots
                part, drops = rings.take()
                seen += part
                t.equal(drops, {"ring": 0, "realtime": 0}, "drops")
        seen += rings.take()[0]
    for name, expected in want.items():
        got = [(s.head[6:12], s.length, s.vlan) for s in seen if s.ring == name]
        t.equal(got, expected, f"frames by the {name}")
    t.check(len(want["ring"]) > 100, "frames for the ring")
    t.check(not two or len(want["realtime"]) > 50, "frames for the realtime ring")


@tap.test
def each_frame_by_one_ring(t):
    netns.require()
    with netns.Path(mtu=9000, emulator=False) as path, Rings(path.rx) as rings:
        t.equal(rings.refused, 0, "the realtime ring is there")
        steer(t, rings, path, tap.rng("rings"), True)
        t.equal(stats.counters(path.rx)["tx_packets"], 0, "frames that left by the port")


@tap.test
def one_ring_takes_all(t):
    """Not wanted, or refused by the kernel (a slot size that it does not take)."""
    netns.require()
    for slot_bytes, slots, refused in ((SLOT, 0, -1), (SLOT + 8, 64, EINVAL)):
        with netns.Path(mtu=9000, emulator=False) as path, \
                Rings(path.rx, slot_bytes, slots) as rings:
            t.equal(rings.refused, refused, "errno of the realtime ring")
            steer(t, rings, path, tap.rng("one"), False)


@tap.test
def each_ring_counts_its_own_drops(t):
    """A full realtime ring costs realtime frames, counted, and no other."""
    netns.require()
    with netns.Path(mtu=1500, emulator=False) as path, \
            Rings(path.rx, 2048, 64) as rings, rawframe.sender(path.tx) as sock:
        for number in range(200):
            sock.send(frame(number, rawframe.SOURCE, REALTIME))
            sock.send(frame(1000 + number, rawframe.SOURCE, 3))
        seen, drops = rings.take()
        t.equal(drops, {"ring": 0, "realtime": 200 - 64}, "drops")
        by = collections.Counter(s.ring for s in seen)
        t.equal(by, {"ring": 200, "realtime": 64}, "frames")
        sock.send(frame(2000, rawframe.SOURCE, REALTIME))
        seen, drops = rings.take()
        t.equal(([s.head[6:12] for s in seen], drops),
                ([serial(2000)], {"ring": 0, "realtime": 0}), "it goes on")


@tap.test
def a_tagged_link(t):
    """vlan = 5 on both sides: the receiver judges the tag, by either way of taking frames;
    with another one configured, everything is foreign."""
    netns.require()
    rng = tap.rng("tagged")
    for capture in ("ring", "pcap"):
        with netns.Path(mtu=9000, emulator=False) as path, \
                Diode(path, os.path.join(t.dir, capture), tx={"vlan": 5},
                      rx={"vlan": 5, "capture": capture}) as diode:
            producer = Producer(diode, rng)
            diode.start_rx()
            diode.start_tx()
            producer.put_some(30)
            wait_all(diode, producer, 60)
            t.equal(producer.judge(diode.tree())[:5], [], f"published tree, {capture}")
            t.equal(diode.counters("rx")["decode.foreign"], 0, "frames taken for foreign")
    with netns.Path(mtu=9000, emulator=False) as path, \
            Diode(path, os.path.join(t.dir, "other"), tx={"vlan": 5}, rx={"vlan": 6}) as diode:
        diode.start_rx()
        diode.start_tx()
        rx = diode.wait(lambda: diode.counters("rx")["decode.foreign"] > 10
                        and diode.counters("rx"), 30, "frames of another VLAN seen")
        t.equal((rx["decode.ours"], rx["decode.opened"]), (0, 0), "frames of another VLAN taken")


if __name__ == "__main__":
    tap.main()
