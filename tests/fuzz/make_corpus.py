#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Writes the seeds of tests/fuzz/corpus from docs/wire-vectors.json and a few of its own.

make_corpus.py            write them
make_corpus.py --check    exit 1 if a seed on disk is not what would be written

Files that a fuzzer found stand beside the seeds under other names and are left alone.
"""
import base64
import json
import pathlib
import struct
import sys

import corpus_disk as disk
import corpus_roles as roles
from corpus_parts import record, varint

HERE = pathlib.Path(__file__).resolve().parent
VECTORS = HERE.parent.parent / "docs" / "wire-vectors.json"


def frame_with(header, at, byte):
    header = bytes.fromhex(header)
    return header[:at] + bytes([byte]) + header[at + 1:] + bytes(300)


def frames(vectors):
    session = vectors["session"]
    yield "announce", bytes.fromhex(session["announce_frame_header"] + session["announce"])
    chosen = vectors["window"]["frames"]
    for name, i in (("source-first", 0), ("source-short", 8), ("repair", 9), ("repair-last", 14)):
        yield name, bytes.fromhex(chosen[i]["frame"])
    # No FEC, the last place of the smallest window; padded as a NIC would.
    head = struct.pack(">BBBBIHHQIHHBBBBHH3xB", 1, 2, 0, 0, 0x01020304, 8, 0, (1 << 36) - 1,
                       0xFFFFFFFF, 255, 1, 0, 0, 0, 0, 3, 256, 2)
    yield "no-fec", head + b"abc" + bytes(16) + bytes(20)
    yield "cut", head + b"abc" + bytes(15)
    yield "other-version", b"\x02" + head[1:] + bytes(19)
    yield "announce-in-a-lane", frame_with(session["announce_frame_header"], 9, 1)
    yield "announce-too-short", frame_with(session["announce_frame_header"], 32, 0)
    yield "unknown-type", b"\x01\x09" + head[2:] + bytes(19)
    yield "head-alone", head[:20]


def inet_sum(data):
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def datagram(payload, first=0x45, fragment=0x4000, more=0, udp_more=0, port=4002, source=1):
    """What stands behind the EtherType with framing udp; the receiver does not look at the
    UDP checksum."""
    head = struct.pack(">BBHHHBBH4B4B", first, 0, 28 + len(payload) + more, 0, fragment, 64, 17,
                       0, 192, 0, 2, source, 198, 51, 100, 7)
    head = head[:10] + struct.pack(">H", inet_sum(head)) + head[12:]
    return head + struct.pack(">HHHH", 4001, port, 8 + len(payload) + udp_more, 0) + payload


def carriers(vectors):
    chosen = [bytes.fromhex(f["frame"]) for f in vectors["window"]["frames"]]
    whole, short, repair = chosen[0], chosen[8], chosen[9]
    yield "one", datagram(whole)
    yield "train", datagram(whole * 3 + short)
    yield "train-repair", datagram(repair * 4)
    yield "lie-in-the-middle", datagram(whole + b"\x01\x09" + whole[2:] + whole)
    yield "lie-at-the-start", datagram(b"\x01\x09" + whole[2:] + whole)
    longer = whole[:32] + struct.pack(">H", len(whole) - 55) + whole[34:]
    yield "longer-than-its-piece", datagram(whole + longer + whole)
    filled = short + bytes(len(whole) - len(short))
    yield "shorter-than-its-piece", datagram(whole + filled + whole)
    yield "cut", datagram(whole * 2 + short)[:-1]
    yield "rest", datagram(whole + b"\x01")
    yield "padded", datagram(short) + bytes(18)
    yield "empty", datagram(b"")
    yield "options", datagram(b"\x01\x01\x01\x00" + short, first=0x46)
    yield "no-udp-head", datagram(b"")[:24]
    yield "fragment", datagram(short, fragment=0x2000)
    yield "later-fragment", datagram(short, fragment=0x00B9)
    yield "ip-longer", datagram(short, more=1)
    yield "udp-shorter", datagram(short, udp_more=-1)
    yield "other-port", datagram(short, port=4003)
    yield "other-source", datagram(short, source=9)
    yield "no-ip", whole * 2 + short


def records(vectors):
    every = b"".join(bytes.fromhex(r["record"]) for r in vectors["records"])
    yield "every-type", every + bytes(40)
    for i, r in enumerate(vectors["records"]):
        yield "%02d-%s" % (i, r["says"]["type"]), bytes.fromhex(r["record"])
    yield "symbol", bytes.fromhex(vectors["window"]["frames"][0]["payload"])
    yield "unknown", record(200, b"later") + record(3, varint(1) + varint(2) + b"\x01")
    yield "long-varint", b"\x03\x83\x00\x01\x01\x01"
    yield "dirty-padding", b"\x00\x00\x01"
    yield "nothing", b""
    yield "varint-cut", b"\x01\x05\x01\x80"
    yield "varint-long", record(3, b"\xff" * 9 + b"\x02\x01\x01")

    def begin(chain=1, number=1, size=5, kind=0, path=b"a", ns=0):
        return record(1, varint(chain) + varint(number) + varint(size) + bytes(8)
                      + struct.pack(">I", ns) + bytes([kind]) + path)
    for i, one in enumerate((begin(), begin(0), begin(kind=1), begin(kind=1, size=0),
                             begin(path=b""), begin(path=b"a" * 1025), begin(size=1 << 63),
                             begin(ns=1 << 31))):
        yield "begin-%d" % i, one

    def message(number=1, source=b"", total=3, offset=0, content=b"abc", size=None):
        return record(5, varint(number) + bytes(8) + bytes([len(source) if size is None else size])
                      + source + varint(total) + varint(offset) + content)
    for i, one in enumerate((message(), message(0), message(source=b"abc"), message(total=70000),
                             message(offset=9), message(content=b""), message(size=200),
                             message(total=0, content=b""), message(source=b"a" * 6),
                             message(total=2))):
        yield "message-%d" % i, one + one.replace(b"\x05", b"\x04", 1)

    def heartbeat(*lanes, count=None):
        return record(16, bytes(17) + bytes(8) + bytes([len(lanes) if count is None else count])
                      + b"".join(struct.pack(">HQ", lane, 5) for lane in lanes))
    for i, one in enumerate((heartbeat(1, 2), heartbeat(2, 1), heartbeat(999), heartbeat(count=255),
                             heartbeat(1, count=2))):
        yield "heartbeat-%d" % i, one
    for kind in (2, 3, 6, 7, 8, 17, 18, 19, 20):
        yield "zeros-%02d" % kind, record(kind, bytes(60)) + record(kind, b"") + record(kind, b"\xff" * 40)


def announces(vectors):
    announce = bytes.fromhex(vectors["session"]["announce"])
    yield "two-receivers", announce
    yield "one-receiver", announce[:13] + b"\x01" + announce[14:216] + announce[-64:]
    yield "sixteen", announce[:13] + b"\x10" + announce[14:216] * 1 + announce[160:216] * 15 \
        + announce[-64:]
    yield "cut", announce[:-1]
    yield "short", announce[:40]
    for name, at, byte in (("magic", 0, 0), ("version", 9, 9), ("version-min", 8, 0),
                           ("suite", 10, 9), ("no-receiver", 13, 0), ("reserved", 159, 1)):
        yield name, announce[:at] + bytes([byte]) + announce[at + 1:]
    yield "too-few-boxes", announce[:13] + b"\x05" + announce[14:]


def manifests(vectors):
    text = bytes.fromhex(vectors["manifest"]["text"])
    lines = text.split(b"\n")
    yield "every-kind", text
    yield "one-object", b"\n".join(lines[:14] + lines[14:16]).replace(
        b"objects: 5 9", b"objects: 5 5") + b"\n"
    yield "first-of-chain", text.replace(b"manifest: 2", b"manifest: 1").replace(
        b"-00000002", b"-00000001").replace(lines[8], b"# previous: none")
    yield "head-only", b"\n".join(lines[:14]) + b"\n"
    yield "no-last-newline", text[:-1]
    yield "one-line-more", text + b"x\n"
    yield "number-too-large", text.replace(b"manifest: 2", b"manifest: 99999999999999999999")
    for i, (old, new) in enumerate(((lines[5], lines[5] + b"\0"), (b"objects: 5 9", b"objects: 5 5000"),
                                    (b"objects: 5 9", b"objects: 9 5"), (b"objects: 5 9", b"objects: 5"),
                                    (b"# withdrawn changed", b"# withdrawn lost"),
                                    (b"# withdrawn changed", b"# withdrawn gone"),
                                    (b"# withdrawn gone", b"# withdrawn changed"), (b") = ", b") - "),
                                    (b"# mtime ", b"# mtime x"), (b"\n# dir ", b"\n# dir ./"),
                                    (b"./", b"./../"), (b"SHA256-TREE-1M (./", b"SHA256-TREE-1M (./)"))):
        yield "odd-%02d" % i, text.replace(old, new, 1)
    for i in range(14):
        for name, line in (("digits", b"".join(c if not c.isdigit() else b"9" for c in (
                bytes([b]) for b in lines[i]))), ("cut", lines[i][:-1]), ("long", lines[i] + b"y" * 300)):
            yield "head-%02d-%s" % (i, name), b"\n".join(lines[:i] + [line] + lines[i + 1:16])
    yield "short-tree", b"\n".join(lines[:14] + [b"SHA256-TREE-1M (./a"]) + b"\n"
    yield "short-flat", b"\n".join(lines[:14] + [b"ab"]) + b"\n"


def signatures(vectors):
    yield "signature", bytes.fromhex(vectors["manifest"]["minisig_file"])
    yield "tx-public", bytes.fromhex(vectors["tx_identity"]["pub_file"])
    yield "rx-public", bytes.fromhex(vectors["receivers"][0]["pub_file"])
    yield "inline", bytes.fromhex(vectors["tx_identity"]["pub_file"]).split(b"\n")[1]
    lines = bytes.fromhex(vectors["manifest"]["minisig_file"]).split(b"\n")
    legacy = base64.b64encode(b"Ed" + base64.b64decode(lines[1])[2:])
    for i, bad in enumerate(([lines[0], legacy, *lines[2:]], [lines[0], b"!", *lines[2:]],
                             [lines[0], lines[1], lines[2] + b"\x01", *lines[3:]],
                             [lines[0], lines[1], lines[2] + b"y" * 300, *lines[3:]],
                             [lines[0], lines[1], b"trusted", *lines[3:]], [*lines[:3], b"!", b""],
                             [*lines, b"more", b""], lines[:1], lines[:2], lines[:3],
                             [lines[0] + b"z" * 1200, *lines[1:]])):
        yield "odd-%02d" % i, b"\n".join(bad)
    yield "comment", b"timestamp:1\tfile:a"


def keys(_vectors):
    number, seed, locked = bytes(range(8)), bytes(range(32)), bytes(range(80))
    facts = b" created=2026-11-28 expires=2028-11-28 environment=7"

    def text(data):
        return base64.b64encode(data)
    yield "tx-1", b"KMTX-SECRET-1 " + text(number + seed) + b"\n"
    yield "tx-2", b"KMTX-SECRET-2 " + text(number + seed) + facts + b"\n"
    yield "tx-locked", b"KMTX-LOCKED-1 " + text(number + seed) + b" " + text(locked) + facts + b"\n"
    yield "rx-1", b"KMRX-SECRET-1 " + text(seed) + b"\n"
    yield "rx-2", b"KMRX-SECRET-2 " + text(seed) + facts + b"\n"
    yield "rx-locked", b"KMRX-LOCKED-1 " + text(seed) + b" " + text(locked[:72]) + b"\n"
    yield "rx-public", (b"KMRX-PUBLIC-2 UD1D4mP+7pjvESAf9ZVNGfQC3/YFUfUW73MvUGAVBj0= "
                        b"A0EY-V3Q3-ZAVK-N2ET-3F5X-WNQR-HQKT-HEPB" + facts + b"\n")
    yield "tx-public", (b"untrusted comment: minisign public key AB07060504030201" + facts
                        + b"\nRWQBAgMEBQYHqwOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4\n")


def tickets(vectors):
    for i, ticket in enumerate(vectors["tickets"]):
        yield "text-%d" % i, ticket["text"].encode()
    yield "bytes-objects", b"\x01\x01\x07" + varint(1763704291) + b"\x03\x00\x06\x0f"
    yield "bytes-extents", b"\x01\x02\x07\x09\x81\x01\x00\x00" + varint((1 << 50) - 2) + b"\x00"
    for i, bad in enumerate((b"", b"\x02\x01", b"\x01\x09\x07\x09\x03\x00", b"\x01\x01\x00\x09\x03\x00",
                             b"\x01\x01\x07\x00\x03\x00", b"\x01\x02\x07\x09\x00\x00\x00",
                             b"\x01\x01" + varint(70000) + b"\x09\x03\x00", b"\x01\x01\x07\x09",
                             b"\x01\x01\x07\x09\x00\x00", b"\x01\x01\x07\x09\x03",
                             b"\x01\x01\x07\x09" + b"\x01\x00" * 20,
                             b"\x01\x01\x07\x09" + b"\x01\x00" * 40,
                             b"\x01\x01\x07\x09" + b"\xff" * 9 + b"\x01\x00\x05\x00")):
        yield "bytes-odd-%02d" % i, bad
    yield "text-wrong-digit", vectors["tickets"][0]["text"].encode()[:-1] + b"0"
    yield "text-short", b"AAAA"
    yield "bytes-overflow", b"\x01\x01\x07\x09\x01" + b"\xff" * 9 + b"\x01"


def confs(_vectors):
    whole = ("# every key\n[link]\nfolder = /srv/data\npermissive = yes\nworkers = 8\n"
             "memory = 1.5 GiB\nrate = 2.5 Gbit/s\nmac = 02:00:5e:10:20:30\nethertype = 0x88b5\n"
             "keys = a, b ,c\n\n[channel one]\nowner = D\xe9pt 4\nkind = stream\nflush = 100 us\n"
             "; end\n[channel two]\nowner=x\n")
    yield "whole", whole.encode()
    yield "smallest", b"[link]\nrate = 1 Gbit/s\n"
    yield "faults", (b"[link\nrate = 1\n[nolink]\n[channel]\n[channel a]\nowner =\n[channel a]\n"
                     b"kind = tape\nflush = 5\nkind = files\n= 3\nnokey\n[link]\nworkers = 9\n"
                     b"memory = 99999999 TiB\nmac = 02:00\nkeys = ,,\n")
    def link(*lines):
        return b"[link]\nrate = 1 Gbit/s\n" + b"".join(line + b"\n" for line in lines)
    for i, line in enumerate((
        b"workers = 9999999999999999999999999999999999999999", b"workers = 1.0000000001",
        b"workers = x", b"memory = 5 parsec", b"workers = 1.5", b"rate = 0.3 bit/s", b"rate = 7",
        b"workers = 99", b"folder = a", b"folder = /a/..", b"folder = /a\x01", b"folder = /" + b"a" * 5000,
        b"mac = 02:00:5E:10:20:3G", b"mac = 02:00:5E:10:20:3F", b"ethertype = 88b5",
        b"ethertype = 0x88bg", b"ethertype = 0x88bZ", b"permissive = perhaps", b"keys = " + b"k," * 200,
        b"keys = " + b"k" * 2000, b"keys = \x7f", b"peer = 192.0.2.1:4001", b"peer = 192.0.2.01:1",
        b"peer = 192.0.2.256:1", b"peer = 0.0.2.1:1", b"peer = 192.0.2.1:0", b"peer = 192.0.2.1",
        b"peer = 192.0.2.1:1x", b"mtime = ", b"least = 0", b"least = 5 ms", b"note = \xff",
        b"note = " + b"n" * 400, b"any = x", b"any = 5", b"span = x", b"end = 192.0.2.1:4001",
        b"end = /run/app/socket/", b"end = fifo:/run/app/pipe", b"end = app", b"end = fifo:pipe",
        b"end = /" + b"e" * 200, b"note = 0640", b"note = 1777", b"note = 64", b"note = 648")):
        yield "value-%02d" % i, link(line)
    yield "slashes", link(b"folder = /srv/data//", b"permissive = on", b"peer = 198.51.100.7:4002",
                          b"ethertype = 0x88B5", b"memory = 1.5 MiB", b"least = 1.5 ms", b"any = 3",
                          b"note = \xe3\x81\x82")
    yield "keys", link(b"foldr = /a", b"folder = /a", b"folder = /b", b"flush = 1 s", b"x" * 3000,
                       b"[channel a b]", b"[link two]", b"[channel " + b"n" * 200 + b"]", b"[channel \x01]",
                       b"[chanel a]", b"onwer = x")
    yield "sections", link(*(b"[channel c%d]\nowner = x" % i for i in range(10)))
    yield "no-section", b"rate = 1\n"
    yield "bytes", b"\xef\xbb\xbf[link]\r\nrate = 1 Gbit/s\x00\n" + bytes(range(256))


def messages(_vectors):
    for name, fields in (("hello", (64, 0, 0)), ("announce", (65, 1160, 0)),
                         ("rings", (66, 8, 2)), ("largest", (0x80000001, 8192, 16)),
                         ("too-many-fds", (64, 0, 1)), ("unknown", (67, 0, 0))):
        yield name, struct.pack(">III", *fields)
    yield "huge", struct.pack(">IIII", 66, 1, 2, 8)
    yield "short", b"\x00\x00\x00"


def sessions(vectors):
    """Scripts of fuzz_session.c: SEND 0, BREAK 1, CUT 2, SEAL 3, RAW 4, TIME 5, KEEPER 6,
    ASLEEP 7, RANGE 8; frames 0-2 announces, 3-15 a window, 16 its close, 17-29 the next,
    30-39 ledger, 40 heartbeat, 41-44 the second session and its farewell, 45 the third's."""
    def seal(header, payload):
        return b"\x03" + header + bytes([len(payload)]) + payload
    data = b"\x00\x00\x03\x07\x00"  # session 0, source, lane 3, channel 7, data
    yield "in-order", b"\x08\x00\x2e\x05\xff"
    yield "held", b"\x08\x03\x2b\x00\x00\x05\x10\x00\x01\x05\xff"
    yield "lossy", b"\x00\x00\x08\x05\x0b\x08\x12\x08\x08\x1e\x03\x00\x28\x05\x70"
    yield "backwards", b"\x00\x00" + b"".join(bytes([0, n]) for n in range(40, 2, -1))
    yield "twice", b"\x08\x00\x28\x08\x00\x28\x05\x80\x08\x00\x28"
    yield "replaced", (b"\x00\x00\x08\x03\x04\x00\x01\x08\x07\x04\x00\x02\x08\x29\x05"
                       b"\x05\xff\x05\xff\x05\xff")
    yield "broken", b"\x00\x00" + b"".join(bytes([1, 3 + n, 0, 14 + 3 * n, 1 << n % 8])
                                         for n in range(18))
    yield "cut", b"\x00\x00" + b"".join(bytes([2, n, n % 3, 7 * n]) for n in range(36))
    yield "keeper", (b"\x06\x80\x08\x00\x10\x05\x80\x05\x80\x06\x07\x00\x00\x05\xff"
                     b"\x05\xff\x06\x00\x08\x00\x10")
    yield "asleep", b"\x07\x01\x08\x00\x2e\x05\x20\x08\x00\x2e"
    yield "raw", b"\x04\x20" + bytes(12) + b"\x88\xb5" + bytes(range(18)) + b"\x05\x01"
    yield "sealed", (b"\x00\x00" + seal(data + b"\x09\x00\x05\x03\x02\x00\x00\x00\x00\x01",
                                       b"\x02\x06\x01\x01\x00abc" + b"\x09\x01\x00")
                     + seal(data + b"\x09\x00\x05\x02\x02\x00\x00\x00\x00\x00", b"\x02\xff\xff")
                     + seal(b"\x00\x01\x03\x07\x00\x09\x00\x01\x03\x02\x02\x01\x00\xff\xff", b"")
                     + seal(b"\x00\x00\x00\x00\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00",
                            b"\x12\x09\x00\x07\x00\x00\x00\x00\x09\x00\x09") + b"\x05\xff")


    def message(number, total, offset, content):
        return record(4, varint(number) + bytes(8) + b"\x06abcdef" + varint(total)
                      + varint(offset) + content)
    live = b"\x00\x00\x01\x09\x00"  # the live channel of the rig, lane 1
    shape = b"\x05\x03\x02\x00\x00\x00\x00\x01"
    control = b"\x00\x00\x00\x00\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
    yield "live", (b"\x00\x00" + seal(live + b"\x09\x00" + shape, message(1, 3, 0, b"abc")
                                     + message(2, 3, 1, b"bc") + message(4, 0, 0, b""))
                   + seal(live + b"\x09\x01" + shape, message(3, 5, 0, b"abcde"))
                   + seal(live + b"\x0a\x00" + shape, message(2, 3, 0, b"a")
                          + message(2, 4, 0, b"a") + message(9, 2, 0, b"xy"))
                   + b"\x05\x40"
                   + seal(control, record(19, b"\x00\x09" + varint(20) + varint(3)))
                   + b"\x05\x80"
                   + seal(live + b"\x0b\x00" + shape, message((1 << 64) - 2, 1, 0, b"z")
                          + message(5, 1, 0, b"z")) + b"\x05\xff")
    def plain(lane, channel, window, payload, stream=0, session=0, gap=0):
        return seal(struct.pack(">BBBBBBHBBBBBH", session, 0, lane, channel, stream, window, 0,
                                1, 0, 0, 0, 0, gap), payload)
    every = {}
    for r in vectors["records"]:
        every.setdefault(r["says"]["type"], bytes.fromhex(r["record"]))
    yield "records", b"\x00\x00" + b"".join(plain(lane, channel, 20 + i, r) for lane, channel in (
        (3, 7), (0, 0), (1, 9), (3, 6)) for i, r in enumerate(every.values())) + b"\x05\xff"
    yield "ledger-records", b"\x00\x00" + b"".join(plain(3, 7, 40 + i, r, stream=1)
                                                  for i, r in enumerate(every.values())) + b"\x05\xff"
    for i, bad in enumerate((b"\x02\xff\xff", record(200, b"x"), record(1, b""), b"\x00\x01", b"")):
        yield "no-record-%d" % i, b"\x00\x00" + plain(3, 7, 20, bad) + plain(0, 0, 21, bad) \
            + plain(1, 9, 22, bad) + b"\x05\x20"

    def heartbeat(flags, received, *lanes):
        return record(16, bytes(8) + struct.pack(">QB", received, flags) + bytes(8) + bytes([len(lanes)])
                      + b"".join(struct.pack(">HQ", *lane) for lane in lanes))
    yield "heartbeats", b"\x00\x00" + plain(0, 0, 1, heartbeat(2, 0, (0, 9), (3, 50))) + plain(
        0, 0, 2, heartbeat(4, 9, (3, 90))) + b"\x05\x02" + plain(0, 0, 3, heartbeat(0, 9, (3, 100000), (60, 5))) \
        + b"\x05\xff" + plain(0, 0, 4, heartbeat(1, 9)) + b"\x05\xff"
    yield "floors", b"\x09\x03\x05\x01\x08\x00\x10\x05\x20"
    yield "silent", b"\x08\x00\x20\x05\xff\x05\xff\x08\x20\x08\x05\xff"
    # more windows than the pool has room for
    yield "crowd", b"\x00\x00" + b"".join(seal(struct.pack(
        ">BBBBBBHBBBBBH", 0, 0, 3, 7, 0, 30 + i, 1, 3, 2, 0, 0, 0, 0), every["fragment"])
        for i in range(60)) + b"\x05\xff"
    yield "crowd-asleep", b"\x00\x00\x07\x01" + b"".join(
        plain(3, 7, 30 + i, every["fragment"]) for i in range(60)) + b"\x07\x00\x05\xff"
    yield "old-windows", b"\x00\x00" + b"".join(
        plain(3, 7, w, every["fragment"]) for w in (200, 150, 199, 3, 100, 250, 2, 201)) + b"\x05\x40"
    close = every["close"]
    yield "closes", b"\x00\x00" + b"".join(
        plain(0, 0, 1 + i, record(18, b"\x00\x07\x00" + struct.pack(">IHH", w, n, m)))
        for i, (w, n, m) in enumerate(((0, 7, 6), (0, 7, 6), (0, 5, 6), (9, 3, 0), (0, 7, 0)))) \
        + b"\x08\x03\x0e" + plain(0, 0, 30, close) + b"\x05\xff"
    yield "close-after", b"\x00\x00\x08\x04\x08" + plain(0, 0, 1, record(
        18, b"\x00\x07\x00" + struct.pack(">IHH", 0, 7, 6))) + b"\x08\x0a\x08\x05\xff"
    yield "repairs-alone", b"\x00\x00\x08\x0a\x06\x08\x10\x01\x08\x03\x04\x05\xff"
    yield "jump", b"\x00\x00" + plain(3, 7, 30, every["fragment"], gap=65535) + plain(
        3, 7, 31, every["fragment"], gap=65535) + b"\x08\x03\x08\x05\x20"
    yield "broken-announces", b"".join(bytes([1, n % 3, 0, at, 0xFF]) for n, at in enumerate(
        (14, 15, 16, 17, 18, 30, 45, 46, 52, 54, 55, 56, 57, 58, 59, 60, 80, 200))) + b"\x05\xff"
    yield "deaf-keeper", b"\x06\x80" + b"\x00\x00\x00\x01\x00\x02\x00\x00" * 4 + b"\x08\x03\x30" \
        + b"\x05\xff" * 3 + b"\x06\x00\x05\xff\x00\x00"
    for verdict in range(1, 12):
        yield "verdict-%02d" % verdict, bytes([6, verdict]) + b"\x00\x00\x00\x01\x08\x03\x04\x05\x80\x06\x00" \
            + b"\x00\x00\x05\xff"
    yield "tags", b"\x04\x20" + bytes(12) + b"\x81\x00\x00\x00\x88\xb5" + bytes(14) \
        + b"\x04\x0e" + bytes(12) + b"\x81\x00\x04\x06" + bytes(6) + b"\x05\x01"
    yield "pieces", b"\x00\x00" + b"".join(plain(1, 9, 9 + i, message(1, 8, at, b"abcdefgh"[at:to]))
                                        for i, (at, to) in enumerate((
                                            (0, 2), (4, 6), (2, 3), (3, 4), (4, 8), (6, 7), (7, 8)))) + b"\x05\x10"
    yield "many-pieces", b"\x00\x00" + b"".join(plain(1, 9, 9 + i, message(1, 250, 2 * i, b"a"))
                                             for i in range(100)) + b"\x05\x10"
    yield "live-joined", b"\x00\x00" + plain(1, 9, 9, message(50, 1, 0, b"a")) + plain(
        1, 9, 10, message(49, 1, 0, b"b")) + plain(1, 9, 11, message(52, 1, 0, b"c")) + plain(
            1, 9, 12, message(52, 1, 0, b"c")) + plain(0, 0, 1, record(
                19, b"\x00\x09" + varint(60) + varint(55))) + b"\x05\x40" + plain(
                    1, 9, 13, message(51, 1, 0, b"d")) + b"\x05\x08"
    # a sink that breaks its ring: what is not taken is told in runs
    tail = b"\x0a\x82\x01"
    two = message(4, 1, 0, b"d") + message(6, 1, 0, b"f")
    yield "live-sink-broken", b"\x00\x00" + tail + plain(1, 9, 9, message(1, 1, 0, b"a") + message(
        2, 0, 0, b"")) + plain(1, 9, 10, two) + b"\x00\x01" + plain(1, 9, 1, message(
            1, 1, 0, b"a"), session=1) + b"\x05\x10"
    yield "live-sink-reads", b"\x00\x00" + plain(1, 9, 9, message(1, 1, 0, b"a")) + b"\x0a\x00\x00" + plain(
        1, 9, 10, message(2, 1, 0, b"b")) + b"\x0a\x00\x00\x05\x04"
    yield "live-sessions", b"\x00\x00\x00\x01" + b"".join(
        plain(1, 9, w, message(n, 1, 0, b"a"), session=s) for w, n, s in (
            (1, 1, 0), (1, 2, 1), (2, 2, 0), (2, 5, 1), (1, 1, 1), (3, 9, 0))) + plain(
                0, 0, 9, record(19, b"\x00\x09" + varint(9) + varint(1))) + b"\x05\x20"
    yield "live-flood", b"\x00\x00\x0d\xff\x00\x00\x0d\x0f\x10\x00\x00\x01" + plain(
        1, 9, 1, message(1, 1, 0, b"a"), session=1) + b"\x05\x08"
    yield "live-flood-gaps", b"\x00\x00\x0d\xff\x00\x00" + plain(
        1, 9, 9, message(4100, 1, 0, b"a") + message(4102, 1, 0, b"a") + message(4105, 1, 0, b"a")) \
        + b"\x00\x01" + plain(1, 9, 1, message(1, 1, 0, b"a"), session=1) + b"\x05\x08"
    yield "live-long", b"\x00\x00" + b"".join(plain(1, 9, 9 + i, message(1, 5000, 200 * i, bytes(200)))
                                             for i in range(25)) + b"\x05\x10"
    yield "live-joined-told", b"\x09\x01\x05\x00\x00\x00" + plain(0, 0, 1, record(
        19, b"\x00\x09" + varint(60) + varint(55))) + plain(1, 9, 9, message(50, 1, 0, b"a"), gap=9) + plain(
            1, 9, 10, message(52, 1, 0, b"a")) + plain(1, 9, 11, message(7, 1, 0, b"a")) + b"\x05\x20"
    yield "live-joined-unheard", b"\x09\x01\x05\x00\x00\x00" + plain(0, 0, 1, record(
        19, b"\x00\x09" + varint(60) + varint(55))) + b"\x00\x01" + plain(1, 9, 9, message(
            1, 1, 0, b"a"), session=1)
    for n in (1, 7, 40):
        yield "keys-%02d" % n, bytes([11, n]) + b"\x00\x00\x08\x03\x04\x05\x80\x00\x00\x08\x03\x08\x05\x10"

    def answer(verdict, sender=0, floors=0, identity=0):
        return struct.pack(">BBBHB", 12, verdict, sender, floors, identity)
    yield "revoked", b"\x00\x00\x08\x03\x08" + answer(11, 0, 1, 1) + b"\x08\x06\x04" + answer(
        11, 0, 40000, 1) + answer(11) + b"\x08\x03\x10\x00\x00\x05\x40"
    yield "answers", b"\x06\x80\x00\x00\x00\x01" + answer(0) + answer(0, 0, 9, 1) + answer(
        0, 0, 9, 1) + answer(3, 1) + answer(12, 1) + b"\x08\x03\x08\x05\x20\x06\x00\x00\x00\x05\x20"
    # announces that differ in their signature alone, faster than they are asked about
    many = b"".join(bytes([1, 0, 0, 250, n]) for n in range(1, 70))
    yield "announces-many", many + b"\x00\x00\x05\x80"
    yield "announces-many-deaf", b"\x06\x80" + many + b"\x05\xff" * 5 + b"\x06\x00\x00\x00\x05\x20"
    yield "tagged", b"\x0e\x02\x00\x00\x04\x14" + bytes(12) + b"\x81\x00\x00\x05\x88\xb5" + bytes(2) \
        + b"\x04\x14" + bytes(12) + b"\x81\x00\x00\x06\x88\xb5" + bytes(2)
    yield "trains", b"\x0e\x01\x0f\xff\x01\x00\x00" + b"\x0f\x02\x03\x00\x00\x0f\x02\x01\x18\x01" \
        + b"\x0f\x02\x01\x25\x01\x0f\x1c\x03\x00\x00\x0f\x02\x03\x2a\x08\x00\x00\x05\x20"
    test = bytes.fromhex(vectors["linktest"]["frames"][1]["frame"])[:200]
    yield "link-test", b"\x04" + bytes([14 + len(test)]) + bytes(12) + b"\x88\xb5" + test
    beats = b"".join(plain(0, 0, n, heartbeat(0, 0, (3, n * 40))) for n in range(1, 5))
    yield "accounts", b"\x00\x00\x08\x03\x04" + beats + b"\x05\x80" + plain(
        0, 0, 9, heartbeat(6, 3, (0, 1), (3, 4))) + b"\x08\x08\x08\x05\x80"
    def symbol(window, index, lane=3, repair=0, k=0, m=0, depth=1, channel=7, stream=0, session=0,
               payload=None):
        """Of a window with M = 4."""
        return seal(struct.pack(">BBBBBBHBBBBBH", session, repair, lane, channel, stream, window, index,
                                depth, 3, k, m, 0, 0),
                    (b"" if repair else every["manifest" if stream else "fragment"])
                    if payload is None else payload)

    def said(window, symbols, repairs, number, channel=7, stream=0, session=0):
        return plain(0, 0, number, record(18, struct.pack(">HBIHH", channel, stream, window, symbols,
                                                          repairs)), session=session)
    # the pool is full: of windows that could still be repaired, and of one alone
    yield "evicted", b"\x00\x00" + b"".join(symbol(30 + 2 * i + n, at, lane) for at in range(4) for i, lane in
                                          enumerate((3, 11, 19, 27)) for n in range(2)) + b"\x05\xff"
    yield "evicted-low", b"\x00\x00" + b"".join(symbol(40 + i, at, lane) for at in range(12) for i, lane in
                                              enumerate((2, 4, 3))) + b"\x05\xff"
    yield "no-room-to-repair", b"\x00\x00" + b"".join(symbol(30, at) for at in range(19)) + b"".join(
        symbol(30, r, repair=1, k=23, m=4) for r in range(4)) + b"\x05\xff"
    yield "repairs-disagree", b"\x00\x00" + symbol(30, 0) + symbol(30, 0, repair=1, k=5, m=4) + symbol(
        30, 1, repair=1, k=6, m=4) + symbol(30, 9) + symbol(30, 0) + symbol(30, 1, repair=1, k=5, m=4) * 2 \
        + symbol(30, 1, depth=2) + b"\x05\xff"
    yield "close-too-few", b"\x00\x00" + b"".join(symbol(30, at) for at in range(6)) + said(
        30, 3, 4, 1) + said(30, 6, 4, 2) + said(30, 7, 4, 3) + b"\x05\xff"
    yield "closes-alone", b"\x00\x00" + b"".join(said(60 + n, 4, 4, n) for n in range(20)) + symbol(
        61, 0) + symbol(79, 0) + b"\x05\xff"
    yield "strays", b"\x00\x00" + b"".join(symbol(w, 0) for w in (30, 31, 32, 33, 34)) + b"\x07\x01" \
        + b"".join(symbol(w, at) for w in (30, 31) for at in range(1, 5)) + symbol(
            30, 0, repair=1, k=5, m=4) + b"\x05\x02\x07\x00\x05\xff"
    yield "whole-and-open", b"\x00\x00\x00\x01" + b"".join(
        symbol(30 + w, 0, lane, channel=channel, stream=stream, session=session) + said(
            30 + w, 1, 4, 16 * session + w, channel, stream, session)
        for session in range(2) for channel in (7, 8) for stream in range(2)
        for w, lane in enumerate((3, 11, 19, 27, 35, 43, 51, 59, 3, 11, 19, 27, 35, 43, 51, 59)))
    yield "whole-then-repairs", b"\x00\x00" + symbol(30, 0) + said(30, 1, 2, 1) + symbol(
        30, 0, repair=1, k=1, m=4) + symbol(30, 1, repair=1, k=1, m=4) + b"\x05\x20"
    # windows of many lanes
    yield "lanes", b"\x00\x00" + b"".join(seal(struct.pack(
        ">BBBBBBHBBBBBH", 0, 0, lane, 7, 0, 30 + 2 * i + n, 1, 3, 2, 0, 0, 0, 0), every["fragment"])
        for n in range(2) for i, lane in enumerate((3, 11, 19, 27, 35, 43, 51, 59, 2, 10))) + b"\x05\xff"
    yield "ledger-windows", b"\x00\x00" + b"".join(seal(struct.pack(
        ">BBBBBBHBBBBBH", 0, 0, 3, 7, 1, 30 + i, 1, 3, 2, 0, 0, 0, 0), every["manifest"])
        for i in range(12)) + b"\x05\xff"
    # behind the last numbers there are: once an endless loop in order.c
    yield "live-last", (b"\x00\x00" + seal(live + b"\x09\x00" + shape,
                                           message((1 << 64) - 6, 1, 0, b"z"))
                        + seal(control, record(19, b"\x00\x09" + varint((1 << 64) - 2)
                                               + varint(0))) + b"\x05\x80")


def linktests(vectors):
    """Scripts of fuzz_linktest.c. How: 1 checksum made right, 2 later, 4 drops."""
    hello, load, end, over = (bytes.fromhex(f["frame"]) for f in vectors["linktest"]["frames"])
    steps = vectors["linktest"]["steps"]

    def put(frame, how=0):
        return struct.pack(">BH", how, len(frame)) + frame

    def number(step, at):
        seq = steps[step]["first"] + at
        return load[:12] + struct.pack(">QI", seq, step) + load[24:]
    some = b"".join(put(number(2, at), 1) for at in (0, 1, 5, 6, 9, 9, 12))
    yield "kinds", b"".join(map(put, (hello, load, end, over)))
    yield "losses", put(hello) + some + put(end, 4) + put(over)
    yield "late-start", put(number(1, 3), 1) + some + put(over)
    yield "disorder", (put(hello) + b"".join(put(number(s, at), 1) for s, at in (
        (2, 4), (1, 9), (2, 1), (3, 0), (1, 3), (2, 0), (4, 7))) + put(end))
    yield "burst", put(hello) + b"".join(put(number(6, at), 5) for at in range(12)) + put(end)
    other = hello[:4] + b"\0\0\0\1" + hello[8:]
    yield "two-runs", put(hello) + some + put(other, 1) + put(other, 3) + some
    lie = load[:24] + load[24:44] + b"\1\x09" + load[46:]  # nine sizes
    yield "lies", put(lie, 1) + put(load[:12] + b"\xff" * 8 + load[20:], 1) + put(load[:150])
    # every part of the plan raised or made large, each time as a run of its own, later
    for value in (1, 255):
        yield "plans-%d" % value, b"".join(
            put(load[:4] + struct.pack(">I", at) + load[8:at] + bytes([value]) + load[at + 1:], 3)
            for at in range(44, 140, 1 if value == 1 else 4))
    yield "no-test", put(load[:1] + b"\x01" + load[2:])
    yield "hello-with-step", put(hello[:20] + b"\x00\x00\x00\x05" + hello[24:], 1)
    yield "short-body", put(load[:32] + b"\x00\x05" + load[34:], 1)
    yield "damaged", put(hello) + put(load[:50] + b"\1" + load[51:]) + put(b"") + b"\0\xff\xff"


def releases(_):
    head = ("# katamichi release manifest 1\n# version: 0.1.0\n# created: 2026-11-28T00:00:00Z\n"
            "# verify: minisign and sha256sum\n")
    folders = "# directory 0755 ./usr/share/doc/katamichi\n# directory 0700 ./usr/share/katamichi\n"
    digest = "0123456789abcdef" * 4

    def file(path, mode="0755", size="724992", digest=digest):
        return f"# file {mode} {size}\n{digest}  ./{path}\n"
    whole = head + folders + file("usr/sbin/katamichi-rx") + file("usr/sbin/katamichi-tx")
    some = file("usr/sbin/katamichi-tx")
    for name, text in (
            ("whole", whole), ("no-directory", head + some), ("no-file", head + folders),
            ("cut", whole[:-1]), ("cut-in-file", whole[:whole.rindex("0123")]),
            ("many", head + "".join(file(f"usr/lib/katamichi/{i:03}") for i in range(70))),
            ("twice", head + some + some), ("order", head + file("b") + file("a")),
            ("directory-late", head + some + folders), ("above", head + file("usr/../etc/passwd")),
            ("absolute", head + file("/etc/passwd")), ("empty-part", head + file("usr//x")),
            ("dot", head + file("usr/./x")), ("slash-end", head + file("usr/x/")),
            ("dots-end", head + file("usr/..")), ("dots-name", head + file("usr/...")),
            ("blank", head + file("a b")), ("control", head + file("a\x1bb")),
            ("backslash", head + file("a\\b")), ("part-255", head + file("x" * 255)),
            ("part-256", head + file("x" * 256)), ("path-1024", head + file(("y" * 127 + "/") * 7 + "y" * 128)),
            ("path-1025", head + file(("y" * 127 + "/") * 7 + "y" * 129)),
            ("mode-3", head + file("x", "755")), ("mode-8", head + file("x", "0785")),
            ("mode-setuid", head + file("x", "4755")), ("size-lead", head + file("x", size="01")),
            ("size-0", head + file("x", size="0")), ("size-max", head + file("x", size=str(2**63 - 1))),
            ("size-beyond", head + file("x", size=str(2**63))), ("size-text", head + file("x", size="-1")),
            ("digest-upper", head + file("x", digest=digest.upper())),
            ("digest-short", head + file("x", digest=digest[1:])),
            ("version-2", whole.replace("manifest 1", "manifest 2")),
            ("version-long", whole.replace("0.1.0", "0" * 33)),
            ("no-time", whole.replace("2026-11-28T00:00:00Z", "")), ("empty", "")):
        yield name, text.encode()
    yield "nul", whole.replace("-rx", "\0rx").encode()


TARGETS = {"announce": announces, "carrier": carriers, "conf": confs, "deliver": roles.delivers,
           "frame": frames, "ipc": messages, "journal": roles.journals, "keeper": roles.keepers,
           "keys": keys, "lane": roles.lanes, "linktest": linktests, "manifest": manifests,
           "minisig": signatures, "missing": disk.missing, "ready": roles.readies,
           "record": records, "release": releases, "replay": roles.recordings,
           "resend": disk.resends, "rows": roles.rows, "session": sessions, "sign": roles.signs,
           "sink": roles.sinks, "state": roles.states, "stats": roles.pages,
           "stream": roles.streams, "ticket": tickets}


def main():
    check = sys.argv[1:] == ["--check"]
    vectors = json.loads(VECTORS.read_text())
    wrong = 0
    for target, seeds in TARGETS.items():
        folder = HERE / "corpus" / target
        if not check:
            folder.mkdir(parents=True, exist_ok=True)
        for name, content in seeds(vectors):
            path = folder / ("seed-" + name)
            if not check:
                path.write_bytes(content)
            elif not path.is_file() or path.read_bytes() != content:
                print("%s is not what make_corpus.py writes: run it" % path, file=sys.stderr)
                wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main())
