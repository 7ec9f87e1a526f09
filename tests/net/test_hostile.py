# SPDX-License-Identifier: ISC
"""Hostile bytes on the receiver's port: changed, cut, made up, replayed and forged frames and
announces beside a valid stream; and a transmitter whose key was stolen. All is counted by
reason, nothing is published that was not sent and signed, no role dies, memory stays flat,
and the valid stream arrives whole.

Every single-byte change means: every byte of the frame, each with one random other value.
"""

import hashlib
import os
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import forge, framing, netns, rawframe, stats, tap  # noqa: E402
from harness.diode import Diode  # noqa: E402
from harness.emu import Emulator  # noqa: E402
from harness.hostile import Hostile, log_lines  # noqa: E402
from harness.producer import Producer, wait_all  # noqa: E402

MTU = 1500
ETH = rawframe.ETH_BYTES
ETHERTYPE = framing.ETHERTYPE.to_bytes(2, "big")


def changed(frame, rng, first, last):
    """Every byte of frame[first:last], each once with another value."""
    frames = []
    for at in range(first, last):
        byte = bytes([frame[at] ^ rng.randint(1, 255)])
        frames.append(frame[:at] + byte + frame[at + 1:])
    return frames


def truncated(frame):
    """Every cut of what stands behind the link's headers, which agree with it."""
    return [rawframe.ethernet(frame[:6], frame[6:12], frame[ETH:size])
            for size in range(ETH, len(frame))]


# ---- changed frames -----------------------------------------------------------------------

# Frames of the real run that the emulator keeps back, so that rx has not taken them yet:
# (what, selector of the emulator, the same as a predicate).
KEPT_BACK = (
    ("data", "lane=3,type=2,seq=20-22", lambda h: h.lane == 3 and h.type == 2
     and 20 <= h.seq <= 22),
    ("repair", "type=3,index=0,flags=0", lambda h: h.type == 3 and h.index == 0
     and h.flags == 0),
    ("manifest", "type=2,flags=1,index=0,window=0-3", lambda h: h.type == 2
     and h.flags == 1 and h.index == 0 and h.window <= 3),
    ("control", "lane=0,seq=4", lambda h: h.lane == 0 and h.type == 2 and h.seq == 4),
)


def pick(frames, matches):
    for frame in frames:
        head = rawframe.read_header(frame)
        if head and frame[12:14] == ETHERTYPE and matches(head):
            return frame
    return None


@tap.test
def changed_frames(t):
    """Truncations and single-byte changes of valid frames that rx has not taken yet: all
    refused; the frames themselves, afterwards, are taken."""
    netns.require()
    rng = tap.rng("changed")
    with netns.Path(mtu=MTU) as path, rawframe.Receiver(path.emu_in) as heard, \
            Diode(path, t.dir, tx={"rate": "200 Mbit/s"}) as diode, \
            Emulator(path, t.dir, drop_if=[row[1] for row in KEPT_BACK]):
        diode.start_rx()
        with Producer(diode, rng) as producer:
            diode.start_tx()
            diode.wait_published(100, 60)
            frames = heard.take()
            announce = pick(frames, lambda h: h.type == rawframe.ANNOUNCE)
            kept = {what: pick(frames, matches) for what, _, matches in KEPT_BACK}
            t.require(announce and all(kept.values()), f"no frame of each kind: {kept}")
            hostile = Hostile(t, diode, path)
            for what, frame in kept.items():
                size = len(frame)
                body = ETH + rawframe.CLEAR.size
                hostile.refuse(truncated(frame), f"{what} cut", refused_short=size - ETH)
                foreign(hostile, changed(frame, rng, 12, 14), kept["data"])
                hostile.refuse(changed(frame, rng, ETH, body - 1), f"{what} header")
                hostile.refuse(changed(frame, rng, body, size), f"{what} sealed",
                               refused_auth=size - body)
            announces(hostile, announce, rng)
            random_frames(hostile, kept["data"], rng)
            # The positive control: with another link id, the one byte that is not
            # authenticated, each is taken; then the frame itself is a duplicate.
            before = hostile.counters()
            hostile.send([frame[:ETH + 39] + b"\x07" + frame[ETH + 40:]
                          for frame in kept.values()])
            hostile.barrier(kept["data"])  # the valid stream counts as seen too
            hostile.refuse(list(kept.values()), "taken before", refused_duplicate=len(kept))
            after = hostile.counters()
            t.check(after["decode.taken_total"] + after["decode.late_total"]
                    >= before["decode.taken_total"] + before["decode.late_total"] + len(kept),
                    "the frames themselves are taken")
            t.equal(after["decode.refused_auth"], before["decode.refused_auth"],
                    "a valid stream is never refused")
        wait_all(diode, producer, 90)
        hostile.finish()
        t.equal(producer.judge(diode.tree())[:5], [], "published tree")
        t.equal(after["decode.symbols_malformed"], 0, "authenticated symbols malformed")
        diode.stop()
        t.equal(stats.one_way(path), {}, "one-wayness")


def announces(hostile, frame, rng):
    """Every cut and every changed byte of an announce, at a pace at which the keeper judges
    each, and cut with a length that agrees."""
    announce = frame[ETH + rawframe.CLEAR.size:]
    hostile.refuse(truncated(frame), "announce cut", refused_short=len(frame) - ETH)
    hostile.refuse(changed(frame, rng, ETH, ETH + 39), "announce header")
    shorter = [forge.announce_frame(announce[:size]) for size in range(len(announce))]
    hostile.refuse(shorter, "announce cut, length agrees")
    before = hostile.counters()
    hostile.refuse(changed(frame, rng, ETH + 40, len(frame)), "announce changed", 1 / 45,
                   refused_announce=len(announce))
    after = hostile.counters()
    judged = after["keeper.announces_refused"] - before["keeper.announces_refused"]
    tap.note(f"the keeper judged {judged} of {len(announce)} changed announces")
    hostile.t.check(judged > len(announce) // 2, f"the keeper judged only {judged}")
    hostile.t.equal(after["keeper.announces_accepted"], before["keeper.announces_accepted"],
                    "changed announces accepted")


def random_frames(hostile, frame, rng):
    """Noise, noise behind a good header, other sessions, other lanes."""
    most = MTU - framing.TAKEN_BYTES
    noise = [rawframe.ethernet(forge.DST, forge.SRC, rng.randbytes(rng.randint(0, most)))
             for _ in range(1000)]
    hostile.refuse(noise, "noise")
    live = rawframe.read_header(frame)
    behind, tags, lanes = [], [], []
    for number in range(500):
        lane = rng.randrange(8) * 8 + rng.randrange(5)
        size = rng.randint(0, 1400)
        fields = {"lane": lane, "class_": lane % 8, "depth": rng.randint(1, 255),
                  "channel": rng.choice((0, 1, 7, 65535)), "window": rng.getrandbits(32),
                  "seq": rng.randint(60000, 2**36 - 1), "payload_bytes": size,
                  "symbol_bytes": MTU - 56}
        sealed = rng.randbytes(size + 16)
        for into, tag in ((behind, live.session), (tags, live.session ^ 1 << number % 32)):
            head = rawframe.header(session=tag, **fields)
            into.append(rawframe.ethernet(forge.DST, forge.SRC, head + sealed))
        lane = (number % 8) * 8 + 3
        head = rawframe.header(**{**live._asdict(), "lane": lane, "seq": live.seq + number})
        if lane != live.lane:
            lanes.append(rawframe.ethernet(forge.DST, forge.SRC,
                                           head + frame[ETH + rawframe.CLEAR.size:]))
    hostile.refuse(behind, "noise behind a good header", refused_auth=len(behind))
    hostile.refuse(tags, "frames of other sessions")
    hostile.refuse(lanes, "frames moved to other lanes", refused_auth=len(lanes))
    tagged = forge.DST + forge.SRC + bytes.fromhex("81000005") + frame[12:]
    foreign(hostile, [tagged, frame[:12] + b"\x08\x06" + frame[14:]], frame)
    hostile.refuse([rawframe.ethernet(forge.DST, forge.SRC, b"")], "nothing behind the headers",
                   refused_short=1)


def foreign(hostile, frames, ours):
    """Frames of other protocols: the kernel's filter may keep them from rx altogether, so
    they can only be seen not to be refused or taken as ours. What is let through is counted
    when this returns; ours: a frame of the ring that they come by."""
    for frame in frames:
        hostile.sock.send(frame)
    hostile.barrier(ours)


# ---- replay -------------------------------------------------------------------------------

def is_announce(frame):
    return rawframe.read_header(frame).type == rawframe.ANNOUNCE


@tap.test
def replays(t):
    """A capture played again: in the same session, after tx began another one, after rx was
    started again, and when it is older than what rx still remembers by name."""
    netns.require()
    rng = tap.rng("replays")
    with netns.Path(mtu=MTU) as path, rawframe.Receiver(path.emu_in) as heard, \
            Diode(path, t.dir) as diode, Emulator(path, t.dir):
        producer = Producer(diode, rng)
        diode.start_rx()
        diode.start_tx()
        producer.put_some(60)
        wait_all(diode, producer, 60)
        diode.wait_settled(60)
        capture = [f for f in heard.take() if rawframe.read_header(f)]
        data = [f for f in capture if not is_announce(f)]
        t.require(len(data) > 100 and len(capture) > len(data), "no capture")

        hostile = Hostile(t, diode, path)
        before = hostile.counters()
        hostile.refuse(data, "same session", refused_auth=0)
        hostile.send([f for f in capture if is_announce(f)])
        unchanged(t, diode, before, "replay in the same session")

        hostile.t.equal(len(log_lines(diode.rx, "session.accepted")), 1, "sessions")
        restart_tx(diode, 1)
        more(diode, producer, 20)
        # it lives on for a while: its frames are duplicates until it ends, a replay then
        hostile.refuse(data, "after a restart of tx", refused_auth=0)
        more(diode, producer, 20)
        hostile.finish()

        diode.stop_rx()
        diode.start_rx()
        diode.rx.wait_line("session.accepted", 60)
        hostile = Hostile(t, diode, path)
        before = hostile.counters()
        # the announce first: a floor for that session is still stored, so it is known
        hostile.send([f for f in capture if is_announce(f)][:1])
        hostile.settle()
        hostile.refuse(data, "after a restart of rx", refused_auth=0)
        unchanged(t, diode, before, "replay after a restart of rx")
        # A session that is replaced lives on for 10 s: the present one must outlive that.
        time.sleep(11)
        more(diode, producer, 20)
        hostile.finish()

        restart_tx(diode, 2)
        restart_tx(diode, 3)
        diode.stop_rx()
        diode.start_rx()
        diode.rx.wait_line("session.accepted", 60)
        hostile = Hostile(t, diode, path)
        hostile.refuse([f for f in capture if is_announce(f)][:1], "an old announce",
                       refused_announce=1)
        diode.rx.wait_line(r"session\.refused.*replay", 20)
        hostile.refuse(data, "an old session", refused_auth=0, refused_replay=0)
        more(diode, producer, 20)
        hostile.finish()
        t.equal(producer.judge(diode.tree())[:5], [], "published tree")


def restart_tx(diode, number):
    """tx again, and so a new session, accepted."""
    diode.stop_tx()
    diode.start_tx()
    diode.wait(lambda: len(log_lines(diode.rx, "session.accepted")) > number, 60,
               "the new session accepted")


def more(diode, producer, count):
    """The valid stream still works."""
    producer.put_some(count)
    wait_all(diode, producer, 60)


def unchanged(t, diode, before, what):
    after = diode.wait_quiet(60)
    for name in ("objects_published", "manifests_stored", "objects_quarantined",
                 "generations", "objects_announced"):
        t.equal(after["publish." + name], before["publish." + name], f"{what}: {name}")


# ---- forged announces ---------------------------------------------------------------------

def moved_box(keys):
    """Properly signed, but the box was cut from another announce."""
    session, other = forge.Session(keys, epoch=2**33), forge.Session(keys, epoch=2**33)
    session.boxes = other.boxes
    session.sign()
    return session.announce


def wrong_signature(keys):
    session = forge.Session(keys, epoch=2**33)
    return session.announce[:-1] + bytes([session.announce[-1] ^ 1])


@tap.test
def forged_announces(t):
    netns.require()
    forge.require()
    rng = tap.rng("forged")
    with netns.Path(mtu=MTU) as path, Diode(path, t.dir) as diode, Emulator(path, t.dir):
        diode.start_rx()
        with Producer(diode, rng) as producer:
            diode.start_tx()
            diode.wait_published(20, 60)
            keys = forge.Keys(os.path.join(diode.dir, "keys"))
            stranger = forge._raw(forge.X25519PrivateKey.generate().public_key())
            hostile = Hostile(t, diode, path)
            epoch = hostile.counters()["keeper.epoch"]
            for announce, said in (
                    (forge.Session(keys.stranger()).announce, "not trusted"),
                    (wrong_signature(keys), "signature is wrong"),
                    (forge.Session(keys, environment=2).announce, "another environment"),
                    (forge.Session(keys, receivers=[stranger]).announce, "no box for our"),
                    (moved_box(keys), "malformed"),
                    (forge.Session(keys, epoch=epoch).announce, "replay"),
                    (forge.Session(keys, epoch=0).announce, "replay"),
                    (forge.Session(keys, epoch=1).announce, "replay")):
                before = hostile.counters()["keeper.announces_refused"]
                hostile.refuse([forge.announce_frame(announce)], said, refused_announce=1)
                after = hostile.counters()["keeper.announces_refused"]
                t.equal(after - before, 1, f"judged by the keeper: {said}")
            lines = "\n".join(log_lines(diode.rx, "session.refused"))
            for said in ("not trusted", "signature is wrong", "another environment",
                         "no box for our", "malformed", "replay"):
                t.check(said in lines, f"no line says why: {said}\n{lines}")
            flood(hostile, keys, 4000)
            t.equal(hostile.counters()["keeper.announces_accepted"], 1, "announces accepted")
        wait_all(diode, producer, 90)
        t.equal(producer.judge(diode.tree())[:5], [], "published tree")
        hostile.finish()


def flood(hostile, keys, count):
    """New announces of the trusted identity, each with a wrong signature."""
    base = forge.Session(keys, epoch=2**33).announce
    frames = [forge.announce_frame(base[:48] + struct.pack(">Q", i) + base[56:])
              for i in range(count)]
    start = time.monotonic()
    grown = hostile.refuse(frames, "flood of announces", refused_announce=count)
    seconds = time.monotonic() - start
    tap.note(f"{count} announces in {seconds:.1f} s: {grown['decode.asked']} asked, "
             f"{grown['keeper.announces_too_many']} too many for the keeper")
    hostile.t.check(grown["decode.asked"] <= 50 * (seconds + 2),
                    f"{grown['decode.asked']} asked in {seconds:.1f} s")
    hostile.t.check(grown["decode.asked"] < count, "all were asked: no flood")


# ---- a stolen transmitter key -------------------------------------------------------------

CHAIN = 1700000000


class Thief:
    """Has tx's key, and so a session that rx accepts."""

    def __init__(self, hostile, diode):
        self.hostile, self.diode, self.t = hostile, diode, hostile.t
        self.keys = forge.Keys(os.path.join(diode.dir, "keys"))
        self.session = forge.Session(self.keys, mtu=MTU)
        hostile.send([self.session.announce_frame()])
        diode.wait(lambda: hostile.counters()["decode.sessions_live"] == 1, 30,
                   "the thief's session accepted")

    def file(self, number, path, content, **how):
        self.hostile.send(self.session.file(1, CHAIN, number, path, content, **how))

    def text(self, number, lines, first=None, last=None, previous=None, **how):
        return forge.manifest_text(self.keys, CHAIN, number, first or number, last or number,
                                   lines, previous=previous, **how)

    def manifest(self, number, text, signature=None):
        signature = signature or forge.sign_manifest(self.keys, CHAIN, number, text)
        self.hostile.send(self.session.manifest(1, CHAIN, number, text, signature))

    def good(self, number, path, previous):
        """A true file and manifest, as honest tx sends them: must be published."""
        content = b"content %d\n" % number * 50
        self.file(number, path, content)
        text = self.text(number, [forge.file_line(path, content)], previous=previous)
        self.manifest(number, text)
        place = os.path.join(os.fsencode(self.diode.tree()), path)
        self.diode.wait(lambda: os.path.exists(place), 30, f"{path!r} published")
        with open(place, "rb") as file:
            self.t.equal(file.read(), content, f"content of {path!r}")
        return hashlib.sha256(text).hexdigest()

    def refused(self, number, text, what, signature=None, said="manifest.refused"):
        """A manifest that must be refused, named and kept aside."""
        before = self.hostile.counters()
        self.manifest(number, text, signature)
        self.diode.wait(lambda: self.hostile.counters()["publish.manifests_refused"]
                        > before["publish.manifests_refused"], 30, f"{what}: refused")
        after = self.hostile.counters()
        for name in ("manifests_stored", "objects_published"):
            self.t.equal(after["publish." + name], before["publish." + name],
                         f"{what}: {name}")
        aside = os.path.join(self.diode.root(), ".quarantine",
                             f"{CHAIN}-{number}.manifest.part")
        self.t.check(os.path.exists(aside) and os.path.exists(aside + ".reason"),
                     f"{what}: not in quarantine with a reason")
        for path in (aside, aside + ".reason"):
            if os.path.exists(path):
                os.unlink(path)


def tree_names(diode):
    return sorted(os.path.relpath(os.path.join(where, name), diode.tree())
                  for where, _, names in os.walk(diode.tree()) for name in names)


@tap.test
def stolen_key(t):
    """Whoever has tx's key gets a session. What is not signed as the format says is still
    refused, and impossible numbers cost nothing."""
    netns.require()
    forge.require()
    with netns.Path(mtu=MTU) as path, Diode(path, t.dir) as diode:
        diode.start_rx()
        thief = Thief(Hostile(t, diode, path), diode)
        hostile = thief.hostile
        head = thief.good(1, b"one", None)
        bad_manifests(thief, head)
        head = thief.good(2, b"two", head)
        hostile.memory = hostile._memory()  # arenas are as large as they get
        bad_objects(thief)
        huge_numbers(thief)
        thief.good(60, b"sixty", None if head is None else "ab" * 32)
        t.equal(tree_names(diode), ["one", "sixty", "two"], "published")
        outside = [name for name in os.listdir(os.path.dirname(diode.root()))]
        t.equal(outside, [os.path.basename(diode.root())], "beside the root")
        hostile.finish()
        lines = log_lines(diode.rx, "manifest.refused")
        t.check(any("signature" in line and "manifest=2" in line for line in lines),
                f"no line names the refused manifest: {lines[:3]}")
        # Events of one kind are limited; every manifest put aside has its reason on disk.
        code, text = diode.missing()
        t.check(len(text) < 1 << 20, f"`missing` prints {len(text)} characters, exit {code}")
        diode.stop_rx()
        diode.start_rx()  # and its state can still be read
        t.equal(tree_names(diode), ["one", "sixty", "two"], "after a restart")


def bad_manifests(thief, head):
    """Manifest 2 of object 2, whose content came: wrong in every way but one each."""
    content = b"content 2\n" * 50
    thief.file(2, b"two", content)
    line = forge.file_line(b"two", content)
    good = thief.text(2, [line], previous=head)
    stranger = thief.keys.stranger()
    thief.refused(2, good, "signed by a stranger",
                  forge.sign_manifest(stranger, CHAIN, 2, good))
    thief.refused(2, good, "signature of another text",
                  forge.sign_manifest(thief.keys, CHAIN, 2, good + b"# \n"))
    thief.refused(2, good, "signed as another manifest",
                  forge.sign_manifest(thief.keys, CHAIN, 3, good))
    thief.refused(2, good, "no signature", b"\n")
    for path in (b"../two", b"/etc/two", b"a//b", b"a/../b", b".", b"..", b"a/", b"",
                 b"tab\tname", b"del\x7f", b"new\nline", b"nul\0", b"x" * 256, b".katamichi/x",
                 b"d/" * 500 + b"long" * 10):
        text = thief.text(2, [forge.file_line(path, content)], previous=head)
        thief.refused(2, text, f"path {path[:20]!r}")
    digest = hashlib.sha256(content).hexdigest().encode()
    for what, text in (
            ("another channel", thief.text(2, [line], previous=head, channel=2)),
            ("another number", thief.text(3, [line], first=2, last=2, previous=head)),
            ("more objects than lines", thief.text(2, [line], 2, 9, head)),
            ("fewer objects than lines", thief.text(
                2, [line, forge.file_line(b"u", b"")], 2, 2, head)),
            ("a batch of 2^40", thief.text(2, [line], 2, 2**40, head)),
            ("names twice", thief.text(2, [line, line], 2, 3, head)),
            ("names out of order", thief.text(
                2, [line, forge.file_line(b"a", b"")], 2, 3, head)),
            ("capital digits", good.replace(digest, digest.upper())),
            ("no mtime", good.replace(b"# mtime 1600000000.000000000\n", b"")),
            ("a line more", good + b"# and\n"),
            ("cut", good[:-1]),
            ("carriage returns", good.replace(b"\n", b"\r\n")),
            ("a terminal's escape", good.replace(b"operations", b"\x1b]0;x\x07")),
            ("empty", b"")):
        thief.refused(2, text, what)


def bad_objects(thief):
    """Signed content that is not what came; objects that disagree with themselves."""
    diode, hostile = thief.diode, thief.hostile
    before = hostile.counters()
    thief.file(3, b"three", b"this came")
    thief.manifest(3, thief.text(3, [forge.file_line(b"three", b"this was signed")],
                                 previous="cd" * 32))
    diode.wait(lambda: hostile.counters()["publish.objects_quarantined"]
               == before["publish.objects_quarantined"] + 1, 30, "wrong content: quarantined")
    diode.rx.wait_line(r"file\.quarantined.*three", 20)
    # begun under another name than the signed one
    thief.file(4, b"four", b"4")
    thief.manifest(4, thief.text(4, [forge.file_line(b"vier", b"4")], previous="ce" * 32))
    diode.wait(lambda: hostile.counters()["publish.objects_quarantined"]
               == before["publish.objects_quarantined"] + 2, 30, "other name: quarantined")
    # another manifest of a number that is stored: a fork
    fork = thief.text(1, [forge.file_line(b"one", b"other content")])
    thief.manifest(1, fork)
    # The stored one is compared byte by byte: a second text never even gets so far as to
    # be stored; what is published stays.
    code, text = diode.verify()
    thief.t.check("one" in tree_names(diode), "what was published stays")
    thief.t.check(code == 65 and "does not name the one before it" in text,
                  f"verify finds the broken chain: exit {code}\n{text[-500:]}")


def huge_numbers(thief):
    """The largest of everything, well formed and sealed: none costs memory or time."""
    session, big = thief.session, 2**62
    records = [
        forge.begin(CHAIN, 10, b"huge", big),
        forge.fragment(CHAIN, 10, big - 10, b"x" * 10),
        forge.begin(CHAIN, big, b"far", 5),
        forge.begin(2**63, 1, b"chain", 5),
        forge.fragment(CHAIN, 2**64 - 1, 0, b"x"),
        forge.begin(CHAIN, 11, b"../up", 1) + forge.fragment(CHAIN, 11, 0, b"x"),
        forge.begin(CHAIN, 12, b"n" * 1024, 1) + forge.fragment(CHAIN, 12, 0, b"x"),
        forge.begin(CHAIN, 13, b"neg", 1, mtime=-2**63),
        forge.fragment(CHAIN, 14, 0, b"x" * 10) + forge.fragment(CHAIN, 14, 1, b"y" * 10),
        forge.begin(CHAIN, 15, b"shrinks", 100) + forge.begin(CHAIN, 15, b"shrinks", 1),
        forge.fragment(CHAIN, 16, big, b"beyond"),
        forge.record(3, forge.varint(CHAIN) + forge.varint(17) + b"\x63"),
        forge.record(2, b"\xff" * 11),
        forge.record(200, b"unknown type"),
        b"\x02\xff\xff\xff\xff\x0f",
        b"\x00garbage in the padding",
    ]
    frames = []
    for record in records:
        frames += session.symbols(1, [record])
    ledger = [forge.manifest_part(CHAIN, 20, 8 << 20, (8 << 20) - 1, b"x"),
              forge.manifest_part(CHAIN, 2**64 - 1, 100, 0, b"x" * 100),
              forge.manifest_part(CHAIN, 21, 2**40, 0, b"x")]
    for record in ledger:
        frames += session.symbols(1, [record], stream=1)
    frames += [session.control(record) for record in (
        forge.heads(1, CHAIN, 2**64 - 1, 2**64 - 1, b"h" * 32),
        forge.heads(1, 2**64 - 1, 2**50, 2**50, b"h" * 32),
        forge.heads(9, 5, 1, 1, b"h" * 32),
        forge.close(1, 0, 2**32 - 1, 65280, 65535),
        forge.close(1, 1, 77, 65280, 0),
        forge.close(7, 0, 0, 1, 0),
        forge.heartbeat({lane: 2**64 - 1 for lane in range(64)}),
        forge.heartbeat({3: 2**36}),
        forge.record(16, b"short"))]
    # the widest windows there can be, one symbol each: the pool gives out what it has
    frames += [session.frame(b"", channel=1, window=1000 + at, depth=255, index=65279 - at,
                             fec=1 if at % 2 else 0, code_rows=1 if at % 2 else 0)
               for at in range(0, 400, 1)]
    # far ahead in the lane, then back: what lies between is lost, not allocated
    frames += [session.frame(b"", channel=1, window=5000, seq=2**36 - 1)]
    thief.hostile.send(frames)
    thief.diode.wait_quiet(60)
    session.seq[forge.NORMAL] = 0
    # a new session, as that one's numbers are used up
    thief.session = forge.Session(thief.keys, epoch=int(time.time()) + 5, mtu=MTU)
    thief.hostile.send([thief.session.announce_frame()])
    thief.diode.wait(lambda: len(log_lines(thief.diode.rx, "session.accepted")) == 2, 30,
                     "the next session")


if __name__ == "__main__":
    tap.main()
