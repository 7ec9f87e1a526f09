# SPDX-License-Identifier: ISC
"""A link that was recorded and is played again: into another receiver, into the same one a
second and a day later, with the clear header changed to other channels, lanes and versions;
and a flood as fast as the port takes it beside a valid stream. Everything is refused and
counted by its reason, nothing is published twice, no state is harmed, and each kind is said in
one line.

What test_hostile.py does is not repeated: single bytes, cuts, forged announces and manifests,
replays while the transmitter goes on.
"""

import os
import shutil
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import account, forge, interpose, netns, rawframe, tap  # noqa: E402
from harness.diode import Diode  # noqa: E402
from harness.emu import Emulator  # noqa: E402
from harness.hostile import Hostile, log_lines  # noqa: E402
from harness.producer import Producer, wait_all  # noqa: E402

MTU = 1500
ETH = rawframe.ETH_BYTES
CLEAR = rawframe.CLEAR.size
DAY = 25 * 3600
FILES = 30


def head_of(frame):
    return rawframe.read_header(frame)


def with_header(frame, **fields):
    """The frame with another clear header, all else as it was."""
    head = head_of(frame)._replace(**fields)
    payload = rawframe.CLEAR.pack(*head) + frame[ETH + CLEAR:]
    return rawframe.ethernet(frame[:6], frame[6:12], payload)


def record(t, path, diode, place):
    """A whole run of tx, from its first announce to its farewell, written as pcap and read."""
    with rawframe.Receiver(path.emu_in) as heard, Emulator(path, diode.dir, name="emu-record"):
        producer = Producer(diode, tap.rng("recorded"))
        diode.start_rx()
        diode.start_tx()
        producer.put_some(FILES)
        wait_all(diode, producer, 60)
        diode.wait_settled(60)
        diode.stop()
        rawframe.write_pcap(place, heard.take_until_quiet())
        t.equal(heard.drops(), 0, "frames missing in the recording")
    frames = [frame for _, frame in rawframe.read_pcap(place)]
    announces = [f for f in frames if head_of(f).type == rawframe.ANNOUNCE]
    data = [f for f in frames if head_of(f).type != rawframe.ANNOUNCE]
    t.require(len(announces) >= 10 and len(data) > FILES, f"a recording of {len(frames)} frames")
    return announces, data, producer


# ---- into other receivers -----------------------------------------------------------------

# (byte of the announce, value): versions 8 and 9, suite, FEC code, digest, magic
DOWNGRADES = ((9, 0), (9, 2), (8, 0), (8, 2), (10, 0), (10, 2), (11, 0), (12, 0), (7, ord("0")))


def downgrades(keys):
    """Announces that tx's own key signed, with an older version, another suite or other codes,
    and frames of their sessions."""
    announces, frames = [], []
    for at, value in DOWNGRADES:
        session = forge.Session(keys, mtu=MTU)
        fixed = bytearray(session.fixed)
        fixed[at] = value
        session.fixed = bytes(fixed)
        session.boxes = session._boxes([keys.receiver])
        session.sign()
        announces.append(session.announce_frame())
        frames += session.symbols(1, [forge.begin(1, 1, b"name", 0)])
    return announces, frames


@tap.test
def into_other_receivers(t):
    """The recording, and before it downgraded announces of the same transmitter, at once in
    receivers that differ in one thing each, and in one that differs in nothing and never ran:
    there the recording plays, and only that, so that the others refused for their reason."""
    netns.require()
    forge.require()
    with netns.Path(mtu=MTU) as path, Diode(path, os.path.join(t.dir, "first")) as first:
        announces, data, producer = record(t, path, first, os.path.join(t.dir, "link.pcap"))
        forged, behind = downgrades(forge.Keys(os.path.join(first.dir, "keys")))
        own = {"key": os.path.join(first.dir, "keys", "rx.key"), "trust": first.tx_public}
        others = [
            Other(t, path, "key", {"trust": own["trust"]}, 0, "no box for our key"),
            Other(t, path, "trust", {"key": own["key"]}, 0, "not trusted"),
            Other(t, path, "environment", {**own, "environment": 7}, 0, "another environment"),
            Other(t, path, "day", own, DAY, "far from our clock")]
        same = Other(t, path, "same", own, 0, "malformed")
        for frame in [*forged, *behind, announces[0], *data, *announces[1:]]:
            same.hostile.sock.send(frame)
        for other in others:
            other.refuses(len(forged) + len(announces), len(behind) + len(data))
        plays(t, path, same, (len(forged), len(behind)), (announces, data), producer)


def start(diode, clock):
    shifted = interpose.Clock(os.path.join(diode.dir, "clock"))
    shifted.step(clock)
    diode.start_rx(env=shifted.env if clock else None)


class Other:
    """A receiver that differs in one thing; all of them hear the same port at once."""

    def __init__(self, t, path, name, keys, clock, said):
        self.t, self.name, self.clock, self.said = t, name, clock, said
        self.diode = Diode(path, os.path.join(t.dir, name),
                           rx={"ring": "16 MiB", "pool": "32 MiB", **keys})
        start(self.diode, clock)
        self.hostile = Hostile(t, self.diode, path)

    def settled(self, announces, frames):
        """Counters, when so many announces and frames of unknown sessions were refused."""
        def counted():
            rx = self.hostile.counters()
            return (rx["decode.refused_announce"] >= announces
                    and rx["decode.refused_unknown_session"] >= frames and rx)
        rx = self.diode.wait(counted, 60, f"{self.name}: all refused")
        self.t.equal(account.refused(rx), {"announce": announces, "unknown_session": frames},
                     f"{self.name}: refused")
        return rx

    def said_once(self):
        """One line for each verdict on announces, one for all frames."""
        log = self.diode.rx
        log.wait_line(rf"publish session\.refused .*{self.said}", 30)
        log.wait_line(r"publish session\.unknown ", 30)
        lines = [x for x in log_lines(log, " session.refused ") if " publish " in x]
        verdicts = {x.split("verdict=")[1].split()[0] for x in lines}
        self.t.equal(len(lines), len(verdicts), f"{self.name}: lines and verdicts: {lines}")
        lines = log_lines(log, " session.unknown ")
        self.t.equal(len(lines), 1, f"{self.name}: lines of session.unknown: {lines}")
        if self.clock:
            way_out = "\n".join(log_lines(log, "keeper session.refused"))
            self.t.check("accept-session" in way_out, f"{self.name}: what to do:\n{way_out}")

    def refuses(self, announces, frames):
        """Nothing of it was opened, published, stored or kept."""
        rx = self.settled(announces, frames)
        self.t.equal((rx["decode.opened"], rx["decode.sessions"]), (0, 0),
                     f"{self.name}: opened, sessions")
        self.said_once()
        self.hostile.finish()
        published = [x for _, _, names in os.walk(self.diode.root()) for x in names]
        self.t.equal(published, [], f"{self.name}: files below the root")
        self.diode.stop()
        self.diode.check_no_role_died()


def plays(t, path, same, refused, recording, producer):
    """Into an equal receiver; then into the same a second and a day later."""
    diode, (announces, data) = same.diode, recording
    diode.wait_published(FILES, 60)
    before = diode.wait_quiet(60)
    same.settled(*refused)
    t.equal(before["decode.sessions"], 1, "sessions of an equal receiver")
    same.said_once()
    t.equal(producer.judge(diode.tree()), [], "the recording, in an equal receiver")
    stamps = times(diode)
    for what, clock in (("a second later", 0), ("a day later", DAY)):
        diode.stop_rx()
        start(diode, clock)
        hostile = Hostile(t, diode, path)
        hostile.send(announces)
        hostile.settle()
        # known again or not: its numbers are below the floor, or nobody knows it
        hostile.refuse(data, what, refused_auth=0)
        after = diode.wait_quiet(60)
        for name in ("objects_published", "manifests_stored", "generations",
                     "objects_announced", "objects_quarantined"):
            t.equal(after["publish." + name], before["publish." + name], f"{what}: {name}")
        t.equal(times(diode), stamps, f"{what}: files, inodes and their times")
        hostile.finish()
        t.equal(diode.verify()[0], 0, f"{what}: exit code of verify")
        t.equal(diode.missing()[0], 0, f"{what}: exit code of missing")
    diode.stop()
    diode.check_no_role_died()


def times(diode):
    """{path: (inode, ctime)} of what is published: nothing was written or renamed again."""
    found = {}
    for where, _, names in os.walk(diode.tree()):
        for name in names:
            info = os.stat(os.path.join(where, name))
            found[os.path.join(where, name)] = (info.st_ino, info.st_ctime_ns)
    return found


# ---- another clear header -----------------------------------------------------------------

# Data of both channels that the emulator keeps back, so that rx has not taken it.
KEPT_BACK = "lane=3,type=2,flags=0,seq=2-400"


@tap.test
def another_clear_header(t):
    """Frames that rx has not seen, their clear header changed to another channel, lane, stream,
    window, place or wire version that exists: all are refused, and the true ones are taken."""
    netns.require()
    rng = tap.rng("header")
    with netns.Path(mtu=MTU) as path, rawframe.Receiver(path.emu_in) as heard, \
            Diode(path, t.dir, channels=("one", "two")) as diode, \
            Emulator(path, t.dir, drop_if=[KEPT_BACK]):
        diode.start_rx()
        diode.start_tx()
        for number in range(10):
            for name in diode.channels:
                put(diode, name, b"%s-%d" % (name.encode(), number), rng.randbytes(3000))
        diode.wait_sent(20, 60)
        frames = [f for f in heard.take_until_quiet() if head_of(f)]
        kept = [f for f in frames if head_of(f).lane == 3 and head_of(f).type == 2
                and head_of(f).flags == 0 and 2 <= head_of(f).seq <= 400]
        channels = {head_of(f).channel for f in kept}
        t.require(len(kept) > 10 and channels == {1, 2}, f"kept back: {len(kept)}, {channels}")
        hostile = Hostile(t, diode, path)
        for what, change in (
                ("the other channel", lambda h: {"channel": 3 - h.channel}),
                ("the control channel", lambda h: {"channel": 0}),
                ("a channel that is none", lambda h: {"channel": 9}),
                ("another class and lane", lambda h: {"lane": 2, "class_": 2}),
                ("the lane of control", lambda h: {"lane": 0, "class_": 0,
                                                       "seq": h.seq + 5000}),
                ("the lane of another worker", lambda h: {"lane": 11}),
                ("the ledger", lambda h: {"flags": 1}),
                ("the next window", lambda h: {"window": h.window + 1}),
                ("the next number", lambda h: {"seq": h.seq + 500}),
                ("the next place", lambda h: {"index": h.index + 1}),
                ("no FEC", lambda h: {"fec": 0, "code_rows": 0})):
            changed = [with_header(f, **change(head_of(f))) for f in kept]
            hostile.refuse(changed, what, refused_auth=len(changed))
        older(t, hostile, kept)
        for name in diode.channels:
            t.check(not any(files for _, _, files in os.walk(diode.tree(name))),
                    f"{name}: nothing published yet")
        hostile.send(kept)
        diode.wait_published(20, 60)
        for name in diode.channels:
            names = sorted(os.listdir(diode.tree(name)))
            t.equal(names, [f"{name}-{n}" for n in range(10)], f"{name}: published")
        t.equal(diode.counters("rx")["decode.symbols_malformed"], 0, "symbols malformed")
        hostile.finish()


def put(diode, channel, name, content):
    place = os.path.join(diode.dir.encode(), b"new")
    with open(place, "wb") as file:
        file.write(content)
    shutil.move(place, os.path.join(os.fsencode(diode.spool(channel)), name))


def older(t, hostile, kept):
    """Wire versions that there was none of, and that there is none of yet."""
    for version in (0, 2, 255):
        changed = [with_header(f, version=version) for f in kept]
        hostile.refuse(changed, f"version {version}", refused_version=len(changed),
                       refused_auth=0)
    hostile.diode.rx.wait_line(r"publish wire\.version ", 30)
    lines = log_lines(hostile.diode.rx, " wire.version ")
    t.equal(len(lines), 1, f"lines of wire.version: {lines}")


# ---- a flood ------------------------------------------------------------------------------

def flood_frames(rng, live, keys):
    """(what, frames, counters that may grow): each kind is refused before any cryptography, but
    for those that know the session's tag."""
    noise = [rawframe.ethernet(forge.DST, forge.SRC, rng.randbytes(rng.randint(0, 400)))
             for _ in range(500)]
    foreign = [rawframe.ethernet(forge.DST, forge.SRC, rng.randbytes(400), kind)
               for kind in (0x0806, 0x86DD, 0x88B6, 0x9000)]
    unknown, sealed = [], []
    for number in range(500):
        fields = {"lane": 3, "class_": 3, "channel": 1, "depth": 1, "symbol_bytes": 1444,
                  "seq": rng.getrandbits(36), "payload_bytes": 200,
                  "window": rng.getrandbits(32)}
        body = rng.randbytes(216)
        for into, tag in ((unknown, live ^ (1 + number)), (sealed, live)):
            into.append(rawframe.ethernet(forge.DST, forge.SRC,
                                          rawframe.header(session=tag, **fields) + body))
    base = forge.Session(keys, epoch=2**33).announce
    announces = [forge.announce_frame(base[:48] + struct.pack(">Q", n) + base[56:])
                 for n in range(500)]
    return noise, foreign, unknown, sealed, announces


@tap.test
def a_flood_at_full_rate(t):
    """As fast as this side can send, everything mixed, beside a valid stream that loses frames
    on its way: every file arrives repaired, roles and memory stay as they are, each kind of
    alarm is one line. What is sent fits into the receive ring: no scheduler decides the test."""
    netns.require()
    forge.require()
    rng = tap.rng("flood")
    with netns.Path(mtu=MTU) as path, \
            Diode(path, t.dir, tx={"rate": "100 Mbit/s"}) as diode, \
            Emulator(path, t.dir, loss="0.5%", seed=rng.getrandbits(32)):
        diode.start_rx()
        producer = Producer(diode, rng, size=(20000, 40000))
        diode.start_tx()
        live = int(diode.rx.wait_line(r"session\.accepted .*session=([0-9a-f]{8})", 60)[1], 16)
        hostile = Hostile(t, diode, path)
        keys = forge.Keys(os.path.join(diode.dir, "keys"))
        kinds = flood_frames(rng, live, keys)
        before = hostile.counters()
        start_s = time.monotonic()
        with producer:
            sent = pour(hostile, kinds, rng)
            diode.wait(lambda: hostile.counters()["decode.refused_announce"]
                       >= sent["announces"], 60, "every announce refused")
            asked_s = time.monotonic() - start_s
            diode.wait(lambda: producer.count >= 100, 60, "100 files made")
        wait_all(diode, producer, 90)
        after = diode.wait_settled(60)
        grown = {name: after[name] - before[name] for name in after}
        tap.note(f"{sent} frames: " + ", ".join(
            f"{name} {grown['decode.refused_' + name]}" for name in account.REFUSED))
        t.check(grown["decode.asked"] <= 50 * (asked_s + 2),
                f"{grown['decode.asked']} signatures checked in {asked_s:.1f} s")
        judge_flood(t, diode, sent, grown, after)
        t.equal(producer.judge(diode.tree())[:5], [], "published tree")
        hostile.finish()


def pour(hostile, kinds, rng, rounds=24):
    """{kind: frames sent}, without waiting for anybody."""
    noise, foreign, unknown, sealed, announces = kinds
    sent = {"noise": 0, "foreign": 0, "unknown": 0, "sealed": 0, "announces": 0}
    for _ in range(rounds):
        mixed = [(name, frame) for name, frames in zip(sent, (noise, foreign * 50, unknown,
                                                              sealed, announces))
                 for frame in frames]
        rng.shuffle(mixed)
        for name, frame in mixed:
            hostile.sock.send(frame)
            sent[name] += 1
    return sent


def judge_flood(t, diode, sent, grown, after):
    t.equal(grown["decode.refused_auth"], sent["sealed"], "sealed wrongly: by the tag")
    t.check(grown["decode.refused_unknown_session"] >= sent["unknown"],
            f"unknown sessions: {grown['decode.refused_unknown_session']} of {sent['unknown']}")
    t.equal(grown["decode.refused_announce"], sent["announces"], "announces refused")
    early = sum(grown["decode.refused_" + name] for name in ("short", "version", "malformed",
                                                             "range", "carrier"))
    t.check(early >= sent["noise"], f"noise: {early} of {sent['noise']} by its form alone")
    t.equal(after["decode.kernel_drops"], 0, "frames our own ring dropped")
    t.equal((after["publish.objects_missing"], after["decode.windows_incomplete"]), (0, 0),
            "missing, windows beyond repair")
    t.check(after["decode.symbols_repaired"] > 0, "the stream had to be repaired")
    t.equal(len(log_lines(diode.rx, " session.accepted ")), 1, "sessions accepted")
    said = {"frames.refused": 1, "session.unknown": 1, "wire.version": 1, "session.refused": 2}
    for event, kinds in said.items():  # a wrong signature, and too many
        # decode counts first and tells publish, which says it, a little later
        diode.wait(lambda: len(said_by_publish(diode, event)) >= kinds, 30,
                   f"{kinds} lines of {event}")
        lines = said_by_publish(diode, event)
        t.equal(len(lines), kinds, f"lines of {event}: {lines}")


def said_by_publish(diode, event):
    return [x for x in log_lines(diode.rx, f" {event} ") if " publish " in x]


if __name__ == "__main__":
    tap.main()
