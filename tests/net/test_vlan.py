#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""A link in a VLAN: both ends are told the same identifier, every frame carries its tag, and what
comes without a tag or with another one is counted as foreign, though it be a true copy of
our own frames. And the other way round on a link without a tag.

The kernel takes a tag off before it shows a frame, and tells it beside the frame, to some
sockets only: so both ways of capture are tested.
"""

import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import account, forge, netns, rawframe, stats, tap, xdp  # noqa: E402
from harness.diode import Diode  # noqa: E402
from harness.emu import Emulator  # noqa: E402
from harness.producer import Producer, wait_all  # noqa: E402

OURS, OTHER = 5, 6
COPIES = 40


def tagged(frame, tci):
    """@frame with a tag, None: without."""
    if tci is None:
        return frame
    return frame[:12] + struct.pack(">HH", 0x8100, tci) + frame[12:]


def transfer(t, vlan, capture):
    """@vlan None: no tag."""
    what = f"VLAN {vlan}, capture = {capture}"
    rng = tap.rng(what)
    keys = {"vlan": vlan} if vlan else {}
    place = os.path.join(t.dir, f"{capture}-{vlan}")
    os.makedirs(place)
    with netns.Path(mtu=9000) as path, rawframe.Receiver(path.emu_in) as heard, \
            Diode(path, place, tx=keys, rx={**keys, "capture": capture}) as diode, \
            Emulator(path, place):
        if capture == "xdp":  # which finds no tag that the NIC has taken off
            path.rx.offload("rxvlan", "off")
        producer = Producer(diode, rng, size=(0, 100000))
        diode.start_rx()
        diode.start_tx()
        producer.put_some(50)
        wait_all(diode, producer, 60)
        t.equal(diode.wait_settled(60)["publish.objects_missing"], 0, f"{what}: missing")
        frames = heard.take_tagged()
        t.equal({tci for tci, _ in frames}, {vlan}, f"{what}: tags on the wire")
        t.check(any(len(frame) == 14 + 9000 for _, frame in frames),
                f"{what}: no frame fills the MTU")
        inject(t, path, diode, what, vlan, [frame for _, frame in frames if ours(frame)])
        producer.put_some(10)
        wait_all(diode, producer, 60)
        t.equal(producer.judge(diode.tree())[:5], [], f"{what}: published tree")
        diode.stop()
        t.equal(stats.one_way(path), {}, f"{what}: one-wayness")


def ours(frame):
    """Data, no announce: copies of those are welcome."""
    return rawframe.read_header(frame).type == rawframe.SOURCE


def inject(t, path, diode, what, vlan, frames):
    """True copies in other clothes are foreign and nothing else; in our own they are ours,
    which the replay guard then judges."""
    frames = frames[-COPIES:]
    others = [OTHER, 4000, None if vlan else OURS]
    before = diode.counters("rx")
    t.equal(before["decode.foreign"], 0, f"{what}: foreign before")
    with rawframe.sender(path.emu_out) as sock:
        for tci in others:
            for frame in frames:
                sock.send(tagged(frame, tci))
        # another priority, the same network; 0 means that there is only a priority
        for frame in frames:
            sock.send(tagged(frame, 3 << 13 | (vlan or 0)))
        # and what is not of our EtherType is no business of ours in any VLAN
        for tci in (None, OURS, OTHER):
            sock.send(tagged(rawframe.ethernet(forge.DST, bytes(6), bytes(60), 0x0800), tci))
    count = len(others) * len(frames)
    rx = diode.wait(lambda: counted(diode, before, count, len(frames)), 30,
                    f"{what}: {count} foreign and {len(frames)} refused")
    t.equal(rx["decode.foreign"], count, f"{what}: foreign")
    t.equal(copies(rx) - copies(before), len(frames), f"{what}: copies of our own")
    account.check_sums(t, rx, what)


def copies(rx):
    return rx["decode.refused_duplicate"] + rx["decode.refused_replay"]


def counted(diode, before, foreign, refused):
    rx = diode.counters("rx")
    return (rx["decode.foreign"] >= foreign and copies(rx) - copies(before) >= refused) and rx


@tap.test
def tagged_link(t):
    netns.require()
    for capture in ("ring", "pcap"):
        transfer(t, OURS, capture)


@tap.test
def links_by_af_xdp(t):
    """The tag stands in the frame there, and it is decode's to judge all the same."""
    xdp.require(9000)
    transfer(t, OURS, "xdp")
    transfer(t, None, "xdp")


@tap.test
def untagged_link(t):
    netns.require()
    transfer(t, None, "ring")


if __name__ == "__main__":
    tap.main()
