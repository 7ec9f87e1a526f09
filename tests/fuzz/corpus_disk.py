# SPDX-License-Identifier: ISC
"""Seeds for what commands and tickets read back from the disk: see make_corpus.py."""
import struct

from corpus_parts import varint

LAST = (1 << 64) - 1


def missing(_vectors):
    """Changes of fuzz_missing.c: WHOLE 0, ROW 1, XOR 2, CUT 3, GONE 4; files: objects 0, manifests
    1, progress 2, heads 3, link 4, manifest 5, its signature 6, a part 7."""
    def whole(file, content):
        return struct.pack(">BBH", file, 0, len(content)) + content

    def row(file, content):
        return struct.pack(">BBH", file, 1, len(content)) + content

    def xor(file, at, value=1):
        return struct.pack(">BBHB", file, 2, at, value)

    def cut(file, length):
        return struct.pack(">BBH", file, 3, length)

    def gone(*files):
        return b"".join(bytes([f, 4]) for f in files)

    def manifest(number, first, last, chain=1000):
        return b"".join(map(varint, (chain, number, first, last))) + bytes(64)

    def receipt(state, number, chain=1000):
        return bytes([state]) + varint(chain) + varint(number) + b"\x00" + bytes(32) + b"a"

    def begin(number, size, path=b"p", chain=1000):
        return b"\x02\x00" + varint(chain) + varint(number) + b"\x00" + varint(size) \
            + struct.pack(">QI", 3, 4) + path

    def have(number, start, end, chain=1000):
        return b"\x04\x00" + varint(chain) + varint(number) + varint(start) + varint(end)
    hash_ = b"ab" * 32
    sound, empty = b"\x01", b"\x00"
    yield "sound", sound
    yield "nothing", empty
    yield "no-state", sound + gone(*range(8))
    yield "no-signature", sound + gone(6)
    yield "other-signature", sound + xor(6, 150)
    yield "other-manifest", sound + xor(5, 40)
    yield "manifest-cut", sound + cut(5, 100)
    yield "no-part", sound + gone(7)
    yield "part-cut", sound + cut(7, 3000)
    yield "all-published", sound + b"".join(row(0, receipt(1, n)) for n in range(2, 10))
    yield "settled-otherwise", sound + row(0, receipt(2, 2)) + row(0, receipt(3, 3)) + row(0, receipt(4, 2))
    yield "many-holes", sound + row(2, begin(3, 4000)) + b"".join(
        row(2, have(3, 40 * n, 40 * n + 20)) for n in range(60))
    yield "begun-and-complete", sound + row(2, begin(9, 5)) + row(2, have(9, 0, 5)) + row(
        2, begin(3, 0)) + row(2, begin(4, 0))
    yield "not-begun", sound + row(2, have(3, 0, 10)) + row(2, have(7, 5, 9)) + row(2, have(12, 1, 2))
    yield "more-manifests", sound + row(1, manifest(3, 9, 20)) + row(1, manifest(6, 30, 31)) + whole(
        3, b"1000 90 9 " + hash_ + b"\n2000 5 2 " + hash_ + b"\n3000 0 0 " + hash_ + b"\n")
    yield "scattered", whole(3, b"1000 2000 900 " + hash_ + b"\n") + b"".join(
        row(0, receipt(1, n)) for n in range(2, 120, 2)) + b"".join(
            row(1, manifest(n, 4 * n, 4 * n)) for n in range(3, 60, 2))
    yield "scattered-sound", sound + b"".join(row(0, receipt(1, n)) for n in range(6, 60, 3)) + b"".join(
        row(1, manifest(n, 4 * n, 4 * n + 1)) for n in range(3, 30, 2))
    # what a number that lies would make somebody walk through
    yield "manifest-without-end", sound + row(1, manifest(2, 5, LAST - 1))
    yield "manifest-of-2-60", empty + row(1, manifest(1, 1, 1 << 60))
    yield "heads-without-end", sound + whole(3, b"1000 %d %d " % (LAST - 1, LAST - 1) + hash_ + b"\n")
    yield "last-numbers", sound + row(0, receipt(1, LAST - 1)) + row(1, manifest(LAST - 1, LAST - 1, LAST - 1)) \
        + row(2, have(LAST, LAST - 1, LAST)) + row(2, begin(LAST - 1, LAST))
    yield "large", sound + row(2, begin(3, 1 << 40)) + row(2, have(3, 0, 3000)) + row(2, have(3, 9000, 9001))
    yield "link", sound + whole(4, b"state=\x1b[2J\xc2\x9b\x00\x7f\nticket\n")
    yield "link-no-line", sound + whole(4, b"state")
    yield "link-empty", sound + whole(4, b"")
    yield "link-too-long", sound + whole(4, b"x" * 5000)
    yield "path", sound + row(2, begin(3, 9, b"\x1b\xff\xe3\x81\x82\"\\")) + row(2, have(3, 1, 2))
    yield "foreign", whole(0, b"\x00\x00\x00\x01\x00\x00\x00\x00a") + row(1, b"x") + row(2, b"\x07\x07")
    yield "foreign-objects", whole(0, b"") + b"\x00\x02\x00\x00\x00"


def resends(vectors):
    """Scripts of fuzz_resend.c: XOR 0, CUT 1, GONE 2, PUT 3, NAME 4, TICKET 5, TICK 6, PRUNE 7, FILE
    8, SESSION 9; files: manifest 0, its signature 1, objects 1 2 5 as 2 3 4; 3 is withdrawn, 4 a directory."""
    def xor(file, at, value=1):
        return struct.pack(">BBHB", 0, file, at, value)

    def cut(file, length):
        return struct.pack(">BBH", 1, file, length)

    def gone(file):
        return bytes([2, file])

    def put(kind, number, content, chain=1000):
        return bytes([3, kind]) + varint(chain) + varint(number) + struct.pack(
            ">H", len(content)) + content

    def name(text):
        return bytes([4, len(text)]) + text

    def ticket(kind, *items, chain=0, thing=0):
        out, after = b"\x05" + bytes([kind]) + varint(chain) + varint(thing) + bytes([len(items)]), 0
        for first, last in items:
            out += varint(first - after) + varint(last - first)
            after = last + 1
        return out
    objects, extents, manifests = 1, 2, 3
    every = ticket(objects, (1, 5))
    yield "objects", every
    yield "beyond", ticket(objects, (1, 1 << 49))
    yield "one-by-one", ticket(objects, *((n, n) for n in range(1, 9)))
    yield "manifests", ticket(manifests, (1, 1)) + ticket(manifests, (1, 5), (7, 9))
    yield "extents", ticket(extents, (0, 0), (2, 9), thing=2) + ticket(extents, (0, 1), thing=1)
    # once a descriptor that stayed, and nothing said
    yield "extents-behind-the-end", ticket(extents, (100, 200), thing=2) * 3 + every
    yield "extents-of-others", b"".join(ticket(extents, (0, 9), thing=n) for n in (3, 4, 5, 6, 99))
    # once a walk through all numbers
    yield "other-chain", ticket(objects, (1, 1 << 49), chain=7) + ticket(manifests, (1, 1 << 49), chain=7) \
        + ticket(extents, (0, 5), chain=7, thing=9)
    head = b"# katamichi manifest 1\n# x\n# objects: "
    yield "other-chain-kept", put(0, 1, head + b"1 3\n", 1007) + put(0, 4, head + b"20 1000000000000\n", 1007) \
        + ticket(objects, (1, 1 << 49), chain=7) + ticket(manifests, (1, 1 << 49), chain=7)
    # once an endless search, and an endless list of manifests
    last = b"1007-18446744073709551615.manifest"
    yield "name-last", name(last) + ticket(objects, (1, 9), chain=7)
    yield "names", b"".join(map(name, (last + b".minisig", b"1007--5.manifest", b"1007-5.manifest",
                                       b"1007-00005000.manifest", b"x", b"1007-00000001", b"\xff" * 200))) \
        + ticket(manifests, (1, 1 << 49), chain=7) + ticket(objects, (1, 9), chain=7) + b"\x07\x00"
    yield "changed", b"".join(xor(file, 7) + every for file in (2, 3, 4))
    yield "cut", cut(2, 0) + cut(3, 5) + cut(4, 1) + every + ticket(extents, (0, 0), thing=2)
    yield "gone", gone(3) + every + gone(1) + every + gone(0) + every
    yield "manifest-changed", xor(0, 30) + every + xor(0, 900) + every
    yield "manifest-cut", cut(0, 600) + every + ticket(extents, (0, 0), thing=2) + cut(0, 40) + every
    yield "signature-gone", gone(1) + ticket(manifests, (1, 1)) + every
    yield "signature-long", put(1, 1, b"s" * 2000) + ticket(manifests, (1, 1))
    yield "long", put(0, 2, head + b"6 9\n" + b"y" * 4000) + ticket(manifests, (1, 2)) + b"\x06\x20"
    yield "ticks", b"\x06\xff\x06\xff\x06\xff"
    yield "ticks-gone", gone(0) + b"\x06\x20" + gone(1) + b"\x06\x7f"
    yield "prune", b"\x07\x00" + every + name(b"900-00000001.manifest") + b"\x07\x00\x07\x09"
    for i, one in enumerate(vectors["tickets"]):
        text = one["text"].encode()
        yield "file-%d" % i, b"\x08\x00" + bytes([len(text) + 2]) + text + b" \n"
    yield "file-none", b"\x08\x00\x00\x08\x00\x05AAAA\n\x08\x00\xff" + b"A" * 255
    yield "files-too-many", b"\x08\x01\x01x" * 12 + b"\x08\x00\x01x"
    yield "file-untold", b"\x08\x02\x01x\x08\x00\x01x"
    yield "file-lost", b"\x08\x08\x01x\x08\x00\x01x"
    yield "file-folder", b"\x08\x04\x01x\x08\x00\x01x"
    yield "sessions", b"\x09" + every + b"\x09" + gone(0) + b"\x09"
    yield "long-repeats", put(0, 1, head + b"1 5\n" + b"z" * 4000) + b"\x06\x40\x09\x06\x40"
