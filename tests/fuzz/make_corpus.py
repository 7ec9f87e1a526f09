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

HERE = pathlib.Path(__file__).resolve().parent
VECTORS = HERE.parent.parent / "docs" / "wire-vectors.json"


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def record(kind, body):
    return bytes([kind]) + varint(len(body)) + body


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


def announces(vectors):
    announce = bytes.fromhex(vectors["session"]["announce"])
    yield "two-receivers", announce
    yield "one-receiver", announce[:13] + b"\x01" + announce[14:216] + announce[-64:]
    yield "sixteen", announce[:13] + b"\x10" + announce[14:216] * 1 + announce[160:216] * 15 \
        + announce[-64:]
    yield "cut", announce[:-1]


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


def signatures(vectors):
    yield "signature", bytes.fromhex(vectors["manifest"]["minisig_file"])
    yield "tx-public", bytes.fromhex(vectors["tx_identity"]["pub_file"])
    yield "rx-public", bytes.fromhex(vectors["receivers"][0]["pub_file"])
    yield "inline", bytes.fromhex(vectors["tx_identity"]["pub_file"]).split(b"\n")[1]


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
    yield "bytes", b"\xef\xbb\xbf[link]\r\nrate = 1 Gbit/s\x00\n" + bytes(range(256))


def messages(_vectors):
    for name, fields in (("hello", (64, 0, 0)), ("announce", (65, 1160, 0)),
                         ("rings", (66, 8, 2)), ("largest", (0x80000001, 8192, 16)),
                         ("too-many-fds", (64, 0, 1)), ("unknown", (67, 0, 0))):
        yield name, struct.pack(">III", *fields)
    yield "huge", struct.pack(">IIII", 66, 1, 2, 8)
    yield "short", b"\x00\x00\x00"


def sessions(_vectors):
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
    yield "damaged", put(hello) + put(load[:50] + b"\1" + load[51:]) + put(b"") + b"\0\xff\xff"


TARGETS = {"announce": announces, "carrier": carriers, "conf": confs, "frame": frames,
           "ipc": messages, "keys": keys, "linktest": linktests, "manifest": manifests, "minisig": signatures, "record": records,
           "session": sessions, "ticket": tickets}


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
