# SPDX-License-Identifier: ISC
"""Seeds for what one role says to another, and for state read back: see make_corpus.py."""
import struct

from corpus_parts import varint


def lanes(_vectors):
    """Scripts of fuzz_lane.c: FILL 0, HEAD 1, PAGE 2, GATHER 3, GIVE 4, ATTACH 5."""
    def fill(slot, length, flags=0):
        return struct.pack(">BBIB", 0, slot, length, flags)
    good = b"\x2a" + b"".join(fill(i, 64 + i, i == 0) for i in range(8))
    yield "in-order", good + b"\x01\x08\x03\xff\x04\xff\x01\x03\x03\x04\x04\x00\x03\xff\x04\xff"
    yield "little-allowance", good + b"\x01\x05\x03\x0c\x04\x01\x03\x00\x04\x01\x05\x03\x10\x04\x02"
    yield "too-long", b"\x00" + fill(0, 301) + b"\x01\x01\x03\xff"
    yield "too-short", b"\x00" + fill(0, 64) + fill(1, 31) + b"\x01\x02\x03\xff"
    yield "longest-there-is", b"\x00" + fill(0, 0xFFFFFFFF) + b"\x01\x01\x03\xff"
    yield "taken-back", good + b"\x01\x04\x03\xff\x04\xff\x01\xfe\x03\xff\x05\x03\xff"
    yield "too-many", good + b"\x01\x09\x03\xff\x05\x01\xf7\x05\x03\xff"
    yield "other-geometry", good + b"\x02\x08\x01\x05\x03\xff\x02\x08\x01\x05\x01\x02\x03\xff"
    yield "empty", b"\x00\x03\xff"


def sinks(_vectors):
    """Scripts of fuzz_sink.c: HEAD 0, SUBMIT 1, PAGE 2, RUN 3, ATTACH 4."""
    def head(slot, place, length):
        return struct.pack(">BHHI", 0, slot, place, length)

    def submit(slots):
        return b"\x01" + struct.pack(">h", slots)
    run = b"\x03"
    yield "one-each", head(0, 0, 5) + head(1, 1, 7) + submit(2) + run + run
    yield "turns", b"".join(head(i, i % 2, i * 10) for i in range(40)) + submit(40) + run
    yield "batches", b"".join(head(i, 0, 64) for i in range(70)) + submit(70) + run
    yield "long", head(0, 0, 65507) + submit(33) + run + head(33, 0, 2001) + submit(2) + run
    yield "cut-by-our-look", b"".join(head(i, 0, 1) for i in range(100)) + submit(255) \
        + head(255, 0, 4096) + submit(3) + run + run
    yield "unknown-place", head(0, 2, 5) + submit(1) + run
    yield "too-long", head(0, 0, 65508) + submit(60) + run
    yield "not-all-there", head(0, 0, 9000) + submit(2) + run
    yield "taken-back", submit(5) + run + submit(-2) + run
    yield "too-many", submit(4097) + run
    yield "again", head(0, 0, 5) + submit(1) + b"\x04" + run + b"\x02\x00\x01\x04"


def states(_vectors):
    """Scripts of fuzz_state.c: DATAGRAM 0, GIVE 1, MESSAGE 2, RAW 3, TIME 4, SESSION 5."""
    def piece(step, content):
        return struct.pack(">BH", step, len(content)) + content

    def said(content):
        return piece(0, content)

    def message(op, key, value=b"", flags=0, version=1, length=None, update=2000 * 10 ** 9):
        return piece(2, struct.pack(">BBBQB", version, op, flags, update,
                                    len(key) if length is None else length) + key + value)

    def after(seconds, leap=0):
        return struct.pack(">BBb", 4, seconds, leap)

    def session(tag, first=1):
        return bytes((5, tag, first))
    give = b"\x01\xff"
    shift_jis = "列車".encode("shift_jis")
    yield "news", said(b"train/1\nlate 3") + said(b"train/2\n") + give + said(b"train/1") + give
    yield "bytes", said(shift_jis + b"\n\x00\xff\n\x1b") + said("列\n\u202e".encode()) + give
    yield "no-key", said(b"") + said(b"\nvalue") + said(b"a\tb\nc") + said(b"k" * 256) + give
    yield "longest-key", said(b"k" * 255 + b"\nv") + said(b"k" * 255) + give
    yield "too-long", said(b"k\n" + bytes(1987)) + said(b"k\n" + bytes(1988)) + give
    yield "escaped", said(b"quote\"back\\slash\n\"\\\n\x01\xc2\x85") + said(b"half\n\xe5\x88") + give
    yield "emptied", said(b"k\nv") + give + said(b"k\n") + give + said(b"k") + give
    yield "heavy", b"".join(said(b"%c\n" % (97 + i) + bytes(1900)) for i in range(4)) + give
    yield "late-turn", said(b"k\n1") + give + after(200) + give + after(255) + give
    yield "coalesced", said(b"k\n1") + said(b"j\n2") + said(b"k\n3") + b"\x01\x01" + give
    yield "said-again", said(b"k\n1") + said(b"gone") + give + (after(10) + give) * 5
    yield "full", b"".join(said(b"k%d\n" % i + bytes(400)) for i in range(12)) + give
    yield "evicted", b"".join(message(1, b"k%d" % i, b"v") for i in range(8)) + after(31) \
        + message(1, b"new", b"v") + message(1, b"long", bytes(2000))
    yield "buried", message(1, b"k", b"v") + message(2, b"k") + after(61) + message(2, b"j")
    yield "stale", message(1, b"k", b"v") + after(31) + message(1, b"k", b"v", 1) \
        + message(1, b"k", b"w", 1)
    yield "sessions", session(1, 9) + message(1, b"k", b"a") + session(2) + message(1, b"k", b"b") \
        + session(1, 10) + message(1, b"k", b"c") + b"".join(
            session(i) + message(1, b"k", b"d") for i in range(3, 13))
    yield "late", session(1, 9) + message(1, b"k", b"a") + session(1, 8) + message(1, b"k", b"b")
    yield "clock-steps", message(1, b"k", b"a") + after(1, -100) + message(1, b"k", b"b") \
        + after(255, 127) + after(255) + message(1, b"k", b"c", update=2 ** 64 - 1)
    yield "malformed", message(1, b"k", b"v", version=2) + message(0, b"k") + message(3, b"k") \
        + message(2, b"k", b"v") + message(1, b"k", flags=2) + message(1, b"") \
        + message(1, b"a\nb") + message(1, b"k", length=9) + piece(2, b"") + piece(2, b"\x01")
    head = struct.pack("<HHIQQIB19x", 1, 0, 14, 1, 2000 * 10 ** 9, 7, 0)
    body = struct.pack(">BBBQB", 1, 1, 0, 2000 * 10 ** 9, 1) + b"kv"
    yield "raw", piece(3, head + body) + piece(3, head + body + b"x") + piece(3, head[:47]) \
        + piece(3, b"\x02" + head[1:] + body)


def streams(_vectors):
    """Scripts of fuzz_stream.c: policy, then time, consumer, length and message each."""
    def head(op, newest, run=7):
        return struct.pack(">BBIQ", 1, op, run, newest)

    def said(message, time=1, how=200):
        return struct.pack(">BBH", time, how, len(message)) + message

    def opened(number, source=b""):
        return said(head(1, number) + struct.pack(">QB", number, len(source)) + source)

    def data(number, offset, content, newest=None, **more):
        return said(head(2, newest or number) + struct.pack(">QQ", number, offset) + content, **more)

    def closed(number, offset, end=0, newest=None):
        return said(head(3, newest or number) + struct.pack(">QQB", number, offset, end))

    def alive(newest, *marks, run=7):
        return said(head(4, newest, run) + bytes([len(marks)])
                    + b"".join(struct.pack(">QQ", *mark) for mark in marks))
    for policy, name in ((b"\0", ""), (b"\1", "mark-")):
        yield name + "whole", policy + opened(1, bytes(6)) + data(1, 0, b"one\n") + alive(1, (1, 4)) \
            + data(1, 4, b"two") + closed(1, 7)
        yield name + "gap", policy + opened(1) + data(1, 0, b"one") + data(1, 9, b"two") \
            + closed(1, 20)
        yield name + "late", policy + alive(9, (3, 100), (9, 0)) + data(3, 100, b"x", 9) \
            + closed(3, 101, 1, 9)
        yield name + "end-lost", policy + opened(1) + data(1, 0, b"x") + opened(2) + alive(2, (2, 0))
        yield name + "other-run", policy + opened(1) + data(1, 0, b"x") + alive(1, (1, 5), run=8)
        yield name + "crowded", policy + b"".join(opened(i) for i in range(1, 8)) + closed(1, 0, 2, 7) \
            + opened(8) + data(7, 0, b"seven", 8)
        yield name + "slow", policy + opened(1) + data(1, 0, b"y" * 30000) + data(1, 30000, b"z" * 20000) \
            + data(1, 50000, b"again", time=30) + data(1, 50005, b"more")
        yield name + "twice", policy + opened(1) + data(1, 0, b"x") + data(1, 0, b"x", time=255) \
            + data(1, 1, b"y", time=254) + data(1, 0, b"x")
        yield name + "gone", policy + opened(1) + data(1, 0, b"x", how=0) + data(1, 1, b"y", how=250)
    yield "grows", b"\0" + opened(1) + data(1, 0, b"g" * 12000) + data(1, 12000, b"h" * 12000) \
        + data(1, 24000, b"i" * 14000) + data(1, 38000, b"j" * 3000)
    yield "wraps", b"\0" + b"".join(opened(i) for i in range(1, 6)) + data(5, 0, b"w" * 16000, how=4) \
        + data(5, 16000, b"x" * 388) + data(5, 16388, b"y" * 9000)
    yield "nothing-waits", b"\0" + opened(1) + said(head(1, 2) + struct.pack(">QB", 2, 0), how=0)
    yield "gives-way", b"\0" + b"".join(
        opened(i) + data(i, 0, b"held") + (closed(i, 4) if i < 6 else b"") for i in range(1, 11)) \
        + closed(6, 4, 0, 10) + opened(11) + opened(12) + opened(12)
    yield "dead-give-way", b"\0" + b"".join(opened(i) + data(i, 9, b"hole") for i in range(1, 300))
    yield "before", b"\0" + opened(1) + data(1, 0, b"twelve bytes") + data(1, 3, b"again")
    yield "no-such-version", b"\0" + said(b"\x02" + head(1, 1)[1:] + struct.pack(">QB", 1, 0))
    yield "no-such-op", b"\0" + said(head(5, 1))
    yield "not-opened", b"\0" + said(head(2, 1) + struct.pack(">QQ", 2, 0) + b"x")
    yield "past-the-end", b"\0" + said(head(2, 1) + struct.pack(">QQ", 1, (1 << 63) - 1) + b"xy")
    yield "marks-fall", b"\0" + alive(9, (5, 0), (4, 0)) + alive(9, (5, 0), (5, 0))
    yield "marks-cut", b"\0" + said(head(4, 9) + b"\x02" + bytes(16))
    yield "marks-many", b"\0" + alive(99, *((i + 1, 0) for i in range(65)))
    yield "no-bytes", b"\0" + data(1, 0, b"")


def keepers(_vectors):
    """Scripts of fuzz_keeper.c: ANNOUNCE 0, FLOORS 1, RAW 2, PAGE 3, STORE 4, ALLOW 5. How:
    1 signed by a stranger, 2 for somebody else, 4 other environment, 8 far epoch, 16 broken."""
    def announce(how=0, epoch=128, at=0, xor=0, cut=0):
        return struct.pack(">BBBHBB", 0, how, epoch, at, xor, cut)

    def floors(session, *lanes):
        return struct.pack(">BBB", 1, session, len(lanes)) + b"".join(
            struct.pack(">HQ", *lane) for lane in lanes)
    good = announce()
    for replay in (b"\x00", b"\x01"):
        name = "replay-" if replay == b"\x01" else ""
        yield name + "two-sessions", replay + good + announce(epoch=129) + good
        yield name + "old", replay + announce(epoch=130) + announce(epoch=100) + announce(8, 5)
    yield "refused", b"\x00" + announce(1) + announce(2) + announce(4) + announce(8)
    yield "broken", b"\x00" + announce(16, 128, 100, 1) + announce(16, 128, 4, 1) \
        + announce(16, 128, 0, 1) + announce(16, 128, 0, 0, 1) + announce(16, 128, 170, 1) \
        + announce(16, 128, 13, 3)
    yield "floors", b"\x00" + good + floors(0, (3, 7), (5, 9), (3, 6)) + b"\x04" + good \
        + floors(1, (1, 1)) + b"\x04"
    yield "allowed", b"\x00\x05\x011" + announce(8, 1) + b"\x05\x14" + b"9" * 20 + announce(8, 9)
    yield "many", b"\x00" + good * 52
    yield "too-many-lanes", b"\x00" + good + b"\x01\x00\xff"
    yield "unknown", b"\x00\x02" + struct.pack(">IIIIB", 3, 0, 0, 0, 0)
    yield "too-long", b"\x00\x02" + struct.pack(">IIIIB", 1, 4096, 0, 0, 2) + b"ab"
    yield "raw", b"\x00\x02" + struct.pack(">IIIIB", 1, 40, 0, 0, 40) + bytes(40)
    yield "indices", b"\x00" + good + b"\x03\x40\x10"


def signs(_vectors):
    """Scripts of fuzz_sign.c: ASK_SESSION 0, ASK_MANIFEST 1, EPOCH 2, SESSION 3, MANIFEST 4,
    BYTES 5; places in an answer: rc 0, length 4, epoch 8, secret 16, announce 48."""
    def session(*changes):
        return struct.pack(">BB", 3, len(changes)) + b"".join(
            struct.pack(">HB", *c) for c in changes)
    yield "sessions", b"\x00\x20" + bytes(range(32)) + b"\x00\x00" * 3
    yield "manifests", b"\x01" + struct.pack(">I", 200) + b"\x40" + bytes(range(64)) \
        + b"\x01" + struct.pack(">I", 0) + b"\x00"
    yield "comment-too-long", b"\x01\xff\xff\xff\xff\x00\x01\x00\x00\x04\x01\x00"
    yield "epoch", b"\x00\x00\x02\x08\x01\x00\x00\x00\x00\x02\x48\x01\x00\x00\x02\x00\x01"
    yield "epoch-damaged", b"\x00\x00\x00\x00\x02\x08\x01\x02\x48\x01\x00\x00"
    yield "taken", session() + session((20, 1)) + b"\x04\x00"
    yield "refused", session((0, 255)) + b"\x04\x01\x00\x00\x01"
    yield "announce", session((48, 1)) + session((4, 1)) + session((6, 1)) + session((8, 1)) \
        + session((52, 255)) + session((48 + 40, 1)) + session((8, 7))
    yield "other-kinds", b"".join(b"\x05" + struct.pack(">IHB", kind, size, to) for kind, size, to in (
        (4, 203, 0), (2, 5, 0), (77, 0, 0), (4, 0x93, 1), (2, 5, 1), (0xFFFFFFFF, 8000, 1)))


def readies(_vectors):
    """Messages of fuzz_ready.c; how: 1 as long as a ready message, 2 of a role at work, 4 the role
    ends behind it, 8 no type before the bytes."""
    def message(how, kind=2, text=b"", fds=0):
        return struct.pack(">BBIH", how, fds, kind, len(text)) + text
    yield "ready", message(1, text=b"landlock, seccomp")
    yield "no-end", message(1, text=b"x" * 640) + message(1, text=b"y" * 639)
    yield "control", message(1, text=bytes(range(1, 256)))
    yield "nothing", message(0) + message(0, text=b"short")
    yield "descriptors", message(1, fds=1) + message(1, fds=16) + message(1, fds=17) + message(1, fds=32)
    yield "other-types", b"".join(message(1, kind) for kind in (0, 1, 3, 4, 5, 64, 0xFFFFFFFF))
    yield "too-long", message(0, text=b"z" * 9000)
    yield "at-work", message(2) + message(3, text=b"again") + message(2, 77, b"x", 3)
    yield "no-type", message(8) + message(8, text=b"abc") + message(8, text=b"abcd") + message(8, fds=2) \
        + message(10, text=b"")
    yield "ends", message(5, text=b"z")
    yield "ends-at-once", message(12)
    yield "silent", message(16) + message(32) + message(1)
    yield "named", message(65) + message(65, fds=3) + message(64, 7) + message(65, fds=16)
    yield "lost", message(128) + message(1)


def rows(_vectors):
    """Pieces of fuzz_rows.c: OBJECTS 0, MANIFESTS 1, NAMES 2, PROGRESS 3, HEADS 4, FLOORS 5,
    PART 6; how: 1 checksum made right, 2 first row before it, 4 many of it behind."""
    def piece(file, how, content):
        return struct.pack(">BBH", file, how, len(content)) + content

    def receipt(state, number, reason=0, chain=5):
        return bytes([state]) + varint(chain) + varint(number) + bytes([reason]) + bytes(32) + b"a"

    def manifest(number, first, last, chain=5):
        return b"".join(map(varint, (chain, number, first, last))) + bytes(64)

    def name(kind, number, previous=(1 << 64) - 1, path=b"a"):
        return struct.pack(">BQ", kind, previous) + varint(5) + varint(number) + varint(5) \
            + varint(number) + varint(10) + varint(99) + struct.pack(">QI", 1, 2) + bytes(32) + path

    def progress(kind, rest, what=0, number=1):
        return bytes([kind, what]) + varint(1) + varint(number) + rest
    begin = b"\x00" + varint(100) + struct.pack(">QI", 3, 4) + b"a/b"
    span = varint(0) + varint(40)
    objects = piece(0, 3, receipt(1, 1)) + b"".join(
        piece(0, 1, receipt(s, n)) for s, n in ((2, 2), (3, 3), (1, 7), (1, 7), (1, 0)))
    stored = piece(1, 3, manifest(1, 1, 3)) + b"".join(piece(1, 1, manifest(*m)) for m in (
        (2, 4, 9), (2, 4, 9), (4, 20, 21), (3, 8, 30), (3, 10, 20), (0, 1, 1), (5, 9, 3)))
    named = piece(2, 3, name(1, 1)) + piece(2, 1, name(2, 2, 28)) + piece(2, 1, name(1, 3, 99999))
    going = piece(6, 0, bytes(64)) + piece(3, 3, progress(2, begin)) + piece(
        3, 1, progress(4, span)) + piece(3, 1, progress(3, varint(50) + varint(60)))
    hash_ = b"ab" * 32
    heads = piece(4, 0, b"5 9 3 " + hash_ + b"\n7 1 1 -\nx\n" + b"9 1 2 " + hash_ + b"\n")
    yield "objects", objects
    yield "manifests", stored
    yield "names", named
    yield "names-many", named + piece(2, 5, name(1, 4, path=b"b")) \
        + piece(2, 1, name(1, 9))
    # more than is read at once
    yield "names-large", piece(2, 3, name(1, 4, path=b"b")) + piece(2, 5, name(1, 4, path=b"c" * 130))
    yield "progress", going
    yield "heads", heads
    yield "all", objects + stored + named + going + heads
    yield "folders", b"".join(piece(f, 8, b"") for f in range(6)) + objects
    yield "links", b"".join(piece(f, 16, b"") for f in (0, 1, 2, 3)) + heads
    for file in range(4):
        yield "folder-%d" % file, piece(file, 8, b"") + named
    yield "torn", objects + piece(0, 0, b"\x00\x00\x00\x30\x00") + named + piece(2, 0, b"\xff" * 9)
    yield "not-ours", piece(0, 1, b"katamichi rx names 1") + piece(1, 1, b"x") + piece(
        2, 1, b"katamichi rx names 2") + piece(3, 1, b"y")
    # a row that is whole and says nothing we know, with others behind it
    yield "unknown-row", piece(0, 3, receipt(9, 1)) + objects[8:] + piece(1, 3, b"\x01") \
        + stored + piece(2, 3, b"\x01") + piece(2, 1, name(1, 1)) + piece(
            3, 3, progress(2, b"")) + piece(3, 1, progress(4, span))
    yield "progress-lies", piece(6, 0, bytes(10)) + piece(3, 3, progress(2, begin)) + piece(
        3, 1, progress(4, span)) + piece(3, 1, progress(3, span, 1, 2)) + piece(
            3, 1, progress(5, b"", 1, 2)) + piece(3, 1, progress(4, varint(9) + varint(9)))
    yield "progress-beyond", piece(6, 0, bytes(300)) + piece(3, 3, progress(2, begin)) + piece(
        3, 1, progress(4, varint(0) + varint(200)))
    yield "progress-boot", piece(3, 3, b"\x01" + b"0" * 36) + piece(3, 1, progress(3, span)) \
        + piece(3, 1, progress(5, b"")) + piece(3, 1, progress(2, begin, 2))
    # ranges first, a size below them later
    yield "progress-shrinks", piece(6, 0, bytes(300)) + piece(3, 3, progress(
        4, varint(0) + varint(200))) + piece(3, 1, progress(2, begin))
    yield "chains", b"".join(piece(4, 0, b"%d 1 1 " % (1000 - n) + hash_ + b"\n") for n in range(300)) \
        + piece(0, 3, receipt(1, 1)) + piece(0, 1, receipt(1, 1, 0, 900))

    def floors(count, sessions, lanes=1):
        out = b"KMFLOOR1" + struct.pack(">I", count)
        for i in range(sessions):
            out += bytes([i]) * 32 + b"\x01" + struct.pack(">Q", 9)
            for _ in range(2):
                out += struct.pack(">IQI", 1, 5, lanes) + struct.pack(">HQ", 3, 8) * min(lanes, 64)
        return out
    yield "floors", piece(5, 1, floors(2, 2))
    yield "floors-lie", piece(5, 1, floors(1, 1, 1000))
    yield "floors-count", piece(5, 1, floors(99, 1))
    yield "floors-damaged", piece(5, 0, floors(1, 1) + bytes(32))
    yield "floors-short", piece(5, 0, b"KM")


def journals(_vectors):
    """fuzz_journal.c: JOURNAL 0, DIRS 1, OUTBOX 2."""
    hash_ = b"ab" * 32

    def entry(text, how=1):
        return struct.pack(">BH", how, len(text)) + text

    def journal(*entries):
        return b"\x00\x01" + b"".join(map(entry, entries))
    state = b"C 5 3 1 " + hash_ + b" 1 " + hash_ + b" 3\n"
    fresh = b"C 5 0 0 - 0 - 0\n"
    claim = b"B 2 4 5\nO f 10 1 2 77 a\nO d 0 1 2 78 b c\n"
    made = b"M 2 " + hash_ + b"\n"
    yield "fresh", journal(fresh)
    yield "whole", journal(state, claim, b"W 5 1\n", made, b"B 3 6 6\nO f 1 1 1 1 \xe9\n", b"L 2\n")
    yield "live", journal(fresh, *(b"B %d %d %d\nO f 1 1 1 1 a\n" % (n, n, n) for n in range(1, 9)))
    yield "one-too-many", journal(fresh, *(b"B %d %d %d\nO f 1 1 1 1 a\n" % (n, n, n) for n in range(1, 10)))
    yield "torn", journal(state, claim) + entry(b"T 10 00000000\nW 5", 0)
    yield "torn-head", journal(state) + entry(b"T 1", 0)
    yield "damaged", journal(state) + entry(b"T 6 00000000\nW 5 1\n", 0) + entry(claim)
    yield "other-magic", b"\x00\x00" + entry(state)
    yield "no-state", journal(claim)
    for i, bad in enumerate((b"C 0 1 1 - 1 - 1\n", b"C 1\n", b"C 1 1 1 xx 1 - 1\n", b"B 2 9 4\n",
                             b"W 99 1\n", b"W 4 0\n", b"M 9 -\n", b"L 9\n", b"X\n", b"\n",
                             b"B 2 4 4\n" + b"y" * 400, b"y" * 400 + b"\n", b"W 4 1")):
        yield "bad-%02d" % i, journal(state, claim, bad)
    for i, bad in enumerate((b"O x 1 1 1 1 a\n", b"O f 1 1 1 1 ../a\n", b"O f 1 1 9999999999 1 a\n",
                             b"O f 99999999999999999999 1 1 1 a\n", b"O f 1 1 1 a\n", b"O",
                             b"O f 1 1 1 1 a\nO f 1 1 1 1 b\n")):
        yield "bad-claim-%d" % i, journal(state, b"B 2 4 4\n" + bad + b"\n")
    # numbers that a batch leaves none behind
    yield "last-numbers", journal(b"C 5 18446744073709551600 0 - 0 - 0\n", b"B 1 %d %d\nO f 1 1 1 1 a\n"
                                  % ((1 << 64) - 2, (1 << 64) - 2), made)
    # behind them there is none: once an endless loop over an array of reasons
    last = b"18446744073709551615"
    yield "last-of-all", journal(fresh, b"B 1 %s %s\nO f 1 1 1 1 a\n" % (last, last))
    yield "none-is-left", journal(b"C 5 %s 0 - 0 - 0\n" % last)
    yield "overlap", journal(state, claim, claim, made, made, b"L 2\n", b"L 2\n")
    yield "dirs", b"\x01D 1 2 3 4\nD 1 1 3 4\nD 1 2 3 5\nD 0 9 -5 4\nnone\n\nD 1 x\n"
    yield "dirs-many", b"\x01" + b"".join(b"D %d %d 1 1\n" % (n * 7 % 11, n) for n in range(300))
    text = b"# katamichi manifest 1\n# x\n# objects: 1 4\n"
    yield "outbox", b"\x02\x03sig" + text
    yield "outbox-none", b"\x02\x00"
    yield "outbox-lie", b"\x02\x03sig" + text.replace(b"1 4", b"4 1")
    yield "outbox-later", b"\x02\x03sig" + text.replace(b"1 4", b"3 4")
    yield "outbox-no-range", b"\x02\x03sig# katamichi manifest 1\n"


def recordings(vectors):
    """fuzz_replay.c: a count of changes, the changes { u16, u8 }, a pcap file."""
    chosen = [bytes(12) + b"\x88\xb5" + bytes.fromhex(f["frame"]) for f in vectors["window"]["frames"]]

    def pcap(frames, magic=0xA1B2C3D4, link=1, order="<", snap=65535, cut=None):
        out = struct.pack(order + "IHHIIII", magic, 2, 4, 0, 0, snap, link)
        for i, f in enumerate(frames):
            out += struct.pack(order + "IIII", i, i, len(f), len(f) if cut is None else cut) + f
        return out

    def pcapng(frames):
        def block(kind, body):
            body += bytes(-len(body) % 4)
            return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)
        return block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)) \
            + block(1, struct.pack("<HHI", 1, 0, 0)) + b"".join(
                block(6, struct.pack("<IIIII", 0, 0, i, len(f), len(f)) + f)
                for i, f in enumerate(frames))
    yield "frames", b"\x00" + pcap(chosen[:3])
    yield "nanoseconds", b"\x00" + pcap(chosen[:1], 0xA1B23C4D)
    yield "other-order", b"\x00" + pcap(chosen[:1], order=">")
    yield "pcapng", b"\x00" + pcapng(chosen[:2])
    yield "cut-short", b"\x00" + pcap(chosen[:2])[:-5]
    yield "longer-on-the-wire", b"\x00" + pcap(chosen[:2], cut=9000)
    yield "too-long", b"\x00" + pcap([bytes(1700)])
    yield "many", b"\x00" + pcap([bytes(range(20))] * 70)
    yield "no-ethernet", b"\x00" + pcap(chosen[:1], link=101)
    yield "no-frames", b"\x00" + pcap([])
    yield "no-file", b"\x00"
    yield "length-lies", b"\x00" + pcap([]) + struct.pack("<IIII", 0, 0, 0x7FFFFFFF, 10)
    slot = 4096
    yield "longer-than-a-slot", b"\x01" + struct.pack(">HB", slot + 1, 0xFF) + pcap(chosen[:3])
    yield "ended-by-a-lie", b"\x01" + struct.pack(">HB", slot + 20, 1) + pcap(chosen[:3])
    yield "index", b"\x01" + struct.pack(">HB", 0x41, 0xFF) + pcap(chosen[:3])
    yield "drops", b"\x01" + struct.pack(">HB", slot + 16, 5) + pcap(chosen[:3])


def pages(_vectors):
    """fuzz_stats.c: blocks, then { u32 offset, u8 length, bytes }; 0 blocks: the file itself."""
    def write(at, content):
        return struct.pack(">IB", at, len(content)) + content
    first = 4096
    role = write(first, b"role") + write(first + 28, struct.pack("<I", 2)) + write(
        first + 64, b"frames") + write(first + 64 + 40, struct.pack("<Q", 1 << 63)) + write(
            first + 112, b"bytes")
    yield "empty", b"\x02"
    yield "one-role", b"\x02" + role
    yield "two-roles", b"\x02" + role + write(first + 8192, b"source") + write(
        first + 8192 + 28, struct.pack("<I", 1)) + write(first + 8192 + 64, b"x")
    yield "names-without-end", b"\x01" + write(first, b"r" * 24) + write(
        first + 28, struct.pack("<I", 3)) + write(first + 64, b"n" * 40 + bytes(8) + b'"\x1b[2J\n\\')
    yield "too-many-entries", b"\x01" + write(first, b"role") + write(first + 28, b"\xff" * 4)
    yield "header", b"\x02" + write(0, b"x")
    yield "roles", b"\x02" + write(12, b"\x07")
    yield "short-file", b"\x00KMSTATS"
    yield "no-file", b"\x00"


def delivers(_vectors):
    """Scripts of fuzz_deliver.c: GOOD 0, FIELD 1, RAW 2, WRITE 3, PAGE 4, RUN 5, KILL 6, TIME 7;
    messages: data 0-3 (2 is the first of two), begins 4-7, manifest 8-9, heads 10, withdrawn
    11; fields: type, channel, len, pos, chain, number, offset, a, b."""
    def good(*which):
        return b"".join(bytes([0, n]) for n in which)

    def field(message, which, value, shift=0):
        return bytes([1, message, which, shift, value])

    def raw(kind, channel=7, **more):
        f = {"lane": 0, "stream": 0, "session": 1, "len": 0, "pos": 0, "chain": 0, "number": 0,
             "offset": 0, "a": 0, "b": 0, **more}
        return b"\x02" + struct.pack("<HHHBxIIQQQQQQ", kind, channel, f["lane"], f["stream"],
                                     f["session"], f["len"], f["pos"], f["chain"], f["number"],
                                     f["offset"], f["a"], f["b"]) + bytes(32)
    every = range(12)
    run, kill = b"\x05", b"\x06"
    yield "in-order", good(*every) + run
    yield "backwards", good(*reversed(every)) + run
    yield "twice", good(*every) + run + good(*every) + run
    yield "killed-between", b"".join(good(n) + run + kill for n in every) + run
    yield "killed-at-once", good(*every) + kill + run + good(*every) + run + kill + run
    yield "scribbled-data", good(4, 5, 6, 7) + b"\x03\x00\x05\x01" + good(0, 1, 2, 3, 8, 9) + run \
        + b"\x03\x00\x05\x01" + good(0) + run
    yield "scribbled-manifest", b"\x03\x41\x00\x01" + good(*every) + run + b"\x03\x41\x00\x01" \
        + good(8, 9) + run
    yield "scribbled-begin", b"\x03\x20\x02\x40" + good(*every) + run
    yield "fields", b"".join(field(n, i, 1) for i in range(9) for n in every) + run + good(*every) + run
    yield "fields-large", b"".join(field(n, i, 255, shift) + run for i in range(9)
                                   for n in (0, 4, 8, 10) for shift in (12, 56))
    yield "time", good(0, 1, 8) + run + b"\x07\x14\x07\x14\x07\xff" + good(10) + b"\x07\x3c\x07\x3c" \
        + good(2, 3, 9) + b"\x07\x0b" + good(4, 5, 6, 7) + run
    yield "voice", b"".join(raw(16 + n, a=n, b=3, chain=1 + n % 4, number=2) for n in range(8)) + run
    yield "alarms", b"".join(raw(22, a=n, b=9) for n in range(16)) + run
    yield "session", raw(16, a=5) + raw(17, a=1, b=1) + raw(17, a=1 << 60, b=0x300) + raw(
        18, a=3, b=9) + raw(18, a=9, b=3) + b"".join(raw(21, a=n) for n in range(5)) + run
    yield "live", b"".join(raw(23, c, chain=n, a=1, b=2) for n in range(6) for c in (7, 9)) + run
    yield "window", raw(19, a=0, b=0) + raw(19, a=5, b=2) + raw(20, a=1, b=0) + raw(
        19, channel=65535) + run
    yield "types", b"".join(raw(t) + run for t in (0, 6, 15, 24, 65535))
    yield "index", good(0) + b"\x04\x41\x40" + good(*every) + run
    full, tick = b"\x08\x01", b"\x07\x0b"
    yield "full", full + tick + good(*every) + run + good(*every) + raw(
        2, chain=1000, number=9, len=1) + run + b"\x08\x00" + tick + good(*every) + run
    yield "full-later", good(4, 5, 6, 7, 0, 2) + run + full + tick + good(0, 1, 3, 3, 8, 9) + run + tick \
        + b"\x08\x00" + tick + good(1, 3, 8, 9) + run

    def begins(at, *more, number=9, kind=0, size=5, path=b"p"):
        body = varint(1000) + varint(number) + bytes([kind]) + varint(size) + bytes(12) + path
        return b"".join(struct.pack(">BHB", 3, at + i, b) for i, b in enumerate(body) if b) + raw(
            1, pos=at, len=len(body))
    yield "begins", b"".join(begins(0x6000 + 256 * i, **one) for i, one in enumerate((
        {}, {"kind": 2}, {"kind": 1}, {"kind": 1, "size": 0}, {"size": 1 << 40}, {"path": b"/p"},
        {"path": b""}, {"number": 1}, {"path": b"../x"}, {"size": 6}))) + run
    yield "manifest-again", good(8) + run + raw(5, chain=1000, number=1, a=9, len=4) + good(8, 9) + run
    yield "far-positions", raw(2, chain=1000, number=1, pos=1 << 40, len=9) + raw(
        2, chain=1000, number=1, pos=32760, len=9) + raw(2, chain=1000, number=1, len=1 << 20) + run
    yield "beyond-the-end", good(4) + field(0, 6, 1) + field(0, 6, 255) + raw(
        2, chain=1000, number=1, offset=299, len=2) + run
    yield "numbers", raw(2, chain=1000, number=(1 << 64) - 1, len=1) + raw(
        2, chain=0, number=1, len=1) + raw(2, chain=1000, number=(1 << 64) - 2, len=1) + raw(
            5, chain=1000, number=(1 << 64) - 1, a=(1 << 64) - 1) + run
