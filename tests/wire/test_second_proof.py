#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The second reader's records, manifests, signatures, tickets, names and limits against
docs/wire-vectors.json and the words of docs/wire.md."""

import base64
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from second_vectors import (IDENTITY, KEY_NUMBER, SEED, VECTORS, fec, flip,  # noqa: E402
                            proof, reader, refuses, section, tap, wire)

BYTES_KEYS = ("path", "data", "config_digest", "head", "source")
MANIFEST = VECTORS["manifest"]
TEXT = bytes.fromhex(MANIFEST["text"])
SIGNATURE = bytes.fromhex(MANIFEST["minisig_file"])


# ---- Records -----------------------------------------------------------------------------

def records():
    """[(what it says, its bytes)] of the vectors."""
    found = []
    for vector in VECTORS["records"]:
        said = {key: bytes.fromhex(value) if key in BYTES_KEYS else value
                for key, value in vector["says"].items()}
        found.append((said, bytes.fromhex(vector["record"])))
    return found


@tap.test
def records_both_ways(t):
    t.equal({said["type"] for said, _ in records()}, set(wire.TYPES), "types in the vectors")
    for said, raw in records():
        place = wire.PLACES[said["type"]]
        t.equal(wire.write_record(said), raw, f"{said['type']} written")
        t.equal(wire.read_symbol(raw, place), ([said], None), f"{said['type']} read")
        t.equal(wire.read_symbol(raw + raw + bytes(9), place), ([said, said], None),
                f"{said['type']} twice and padding")
        unknown = bytes([200, 3]) + b"new"
        t.equal(wire.read_symbol(unknown + raw, place), ([said], None), "unknown type before")
        for other in {"data", "ledger", "control"} - {place}:
            t.equal(wire.read_symbol(raw, other), ([], None), f"{said['type']} in {other}")
        found, why = wire.read_symbol(raw + b"\0\0\1", place)
        t.equal((found, bool(why)), ([said], True), "padding that is not zero")
        for cut in range(1, len(raw)):
            found, why = wire.read_symbol(raw + raw[:cut], place)
            t.equal((found, bool(why)), ([said], True), f"{said['type']} cut to {cut}")


def changed(name, **fields):
    """The record NAME of the vectors with some fields different."""
    said = next(said for said, _ in records() if said["type"] == name)
    return {**said, **fields}


@tap.test
def record_ranges(t):
    top = (1 << 64) - 1
    good = [changed("begin", chain=top, number=top), changed("begin", path=b"p" * 1024),
            changed("begin", mtime_s=-(1 << 63)), changed("begin", path=b"/not/judged/here"),
            changed("fragment", offset=(1 << 62) - 3), changed("withdrawn", reason=1),
            changed("manifest", total=8388608), changed("heads", chain=0, objects=0,
                                                        manifests=0, head=bytes(32)),
            changed("heartbeat", lanes=[]), changed("heartbeat", flags=255),
            changed("close", symbols=65280, stream=1),
            changed("message", number=top, tx_time_ns=top, source=bytes(18)),
            changed("message", total=65507, offset=65504), changed("message", source=b""),
            changed("live", messages=top, dropped=top)]
    bad = [changed("begin", chain=0), changed("begin", number=0), changed("begin", kind=2),
           changed("begin", kind=1, size=1), changed("begin", kind=0, size=(1 << 62) + 1),
           changed("begin", mtime_ns=10**9), changed("begin", path=b""),
           changed("begin", path=b"p" * 1025), changed("fragment", data=b""),
           changed("message", number=0), changed("message", data=b""),
           changed("message", total=65508), changed("message", offset=1498),
           changed("message", source=bytes(4)), changed("message", source=bytes(17)),
           changed("fragment", offset=(1 << 62) - 2), changed("fragment", chain=0),
           changed("fragment", number=0), changed("withdrawn", reason=0),
           changed("withdrawn", reason=3), changed("manifest", total=4, offset=0),
           changed("manifest", total=8388609), changed("manifest", total=129),
           changed("manifest", data=b""), changed("manifest", number=0),
           changed("heads", chain=0), changed("heads", manifests=0),
           changed("heartbeat", lanes=[[3, 0], [3, 0]]), changed("heartbeat", lanes=[[64, 0]]),
           changed("heartbeat", lanes=[[4, 0], [3, 0]]), changed("close", symbols=0),
           changed("close", symbols=65281), changed("close", stream=2)]
    for said in good:
        place = wire.PLACES[said["type"]]
        t.equal(wire.read_symbol(wire.write_record(said), place), ([said], None), "in range")
    for said in bad:
        raw = wire.write_record(said)
        found, why = wire.read_symbol(raw, wire.PLACES[said["type"]])
        t.check(not found and why, f"taken: {said}")


@tap.test
def varints(t):
    rng = tap.rng("varints")
    for value in [0, 1, 127, 128, 16383, 16384, (1 << 64) - 1] + [
            rng.getrandbits(rng.randint(1, 64)) for _ in range(200)]:
        raw = wire.varint(value)
        t.equal(wire.Cursor(raw).varint(), value, "varint read back")
        longer = raw[:-1] + bytes([raw[-1] | 0x80, 0])
        refuses(t, "a longer form", wire.Cursor(longer).varint)
        refuses(t, "cut", wire.Cursor(raw[:-1]).varint)
    refuses(t, "65 bits", wire.Cursor(b"\xff" * 9 + b"\x02").varint)
    refuses(t, "11 bytes", wire.Cursor(b"\x80" * 10 + b"\x01").varint)


@tap.test
def names(t):
    for path in (b"a", b"a/b", b"...", b"..a/b..", b"x/.katamichi", b".katamichi2", b"\xff\\ ~",
                 b"n" * 255, b"/".join([b"d" * 255] * 4)[:1024], "表示".encode("shift_jis")):
        wire.check_path(path)
        t.equal(proof.unescape(proof.escape(path)), path, "escaped and back")
    for path in (b"", b"/", b"/a", b"a/", b"a//b", b".", b"..", b"a/./b", b"a/..", b"n" * 256,
                 b"a\n", b"\x1f", b"\x7f", b"a\0", b".katamichi", b".katamichi/x",
                 b"/".join([b"d" * 204] * 5) + b"x"):
        refuses(t, path, wire.check_path, path)


# ---- Manifest and signature --------------------------------------------------------------

@tap.test
def manifest_both_ways(t):
    manifest = proof.parse_manifest(TEXT)
    t.equal(wire.sha256(TEXT).hex(), MANIFEST["sha256"], "SHA-256")
    t.equal(proof.manifest_name(manifest["chain"], manifest["number"]), MANIFEST["file_name"],
            "file name")
    t.equal(proof.write_manifest(manifest), TEXT, "written again")
    t.equal(manifest["tx"].decode(), proof.fingerprint(IDENTITY), "fingerprint")
    t.equal({entry["kind"] for entry in manifest["objects"]},
            {"file", "tree", "dir", "withdrawn"}, "kinds of objects in the vector")
    t.equal(manifest["objects"][0]["path"], b"dir/\x83\\.txt", "unescaped path")
    size = len(TEXT).to_bytes(4, "big")
    t.equal(proof.split_bundle(size + TEXT + SIGNATURE), (TEXT, SIGNATURE), "bundle")
    refuses(t, "short bundle", proof.split_bundle, size + TEXT[:-1])


def mutants():
    """(what, text) that a canonical parser must refuse, each one change of the vector."""
    def sub(old, new, what=None):
        assert TEXT.count(old) >= 1, old
        return what or f"{old!r} -> {new!r}", TEXT.replace(old, new, 1)

    lines = TEXT.split(b"\n")
    yield "no last line end", TEXT[:-1]
    yield "a line more", TEXT + b"\n"
    yield "carriage returns", TEXT.replace(b"\n", b"\r\n")
    for i in range(len(lines) - 1):
        yield f"without line {i + 1}", b"\n".join(lines[:i] + lines[i + 1:])
        yield f"line {i + 1} twice", b"\n".join(lines[:i + 1] + lines[i:])
    for old, new in (
            (b"manifest 1\n", b"manifest 2\n"), (b"# tx: J", b"# tx: j"), (b"J0ET-", b"J0ET"),
            (b"J0ET", b"J0EU"), (b"channel: 7 ", b"channel: 07 "), (b": 7 ", b": 0 "),
            (b": 7 ", b": 65536 "), (b": 7 timetables", b": 7 "), (b": 7 ", b": +7 "),
            (b"timetables\n", b"t" * 65 + b"\n"), (b"owner: ", b"owner:  \x1b"),
            (b"internal\n", b"\n"), (b"internal\n", b"i" * 201 + b"\n"),
            (b"internal", b"int\xffernal"), (b"internal", b"int\tnal"),
            (b"internal", b"int\xc2\x85"), (b"internal", "x\u202e".encode()),
            (b"internal", "x\u2028".encode()), (b"internal", "x\u200f".encode()),
            (b"internal", "x\u2066".encode()), (b"internal", "x\u061c".encode()),
            (b"internal", "\ufeffx".encode()), (b"internal", b"\xed\xa0\x80"),
            (b"internal", b"\xc0\xaf"), (b"chain: 17", b"chain: 27"),
            (b"chain: 1", b"chain: 01"),
            (b"manifest: 2", b"manifest: 3"), (b"manifest: 2", b"manifest: 1"),
            (b"manifest: 2", b"manifest: 0"), (b"previous: 45072", b"previous: 4507"),
            (b"previous: 45072a", b"previous: 45072A"), (b"objects: 5 9", b"objects: 5 8"),
            (b"objects: 5 9", b"objects: 5 10"), (b"objects: 5 9", b"objects: 5  9"),
            (b"objects: 5 9", b"objects: 9 5"), (b"objects: 5 9", b"objects: 0 4"),
            (b"2025-11-21T", b"2025-11-31T"), (b"2025-11-21T", b"2025-02-30T"),
            (b"T05:51", b"T24:51"), (b"31.042Z", b"31.0420Z"), (b"31.042Z", b"60.042Z"),
            (b"2025-11", b"1969-11"), (b"0.1.0", b"0" * 64), (b"config: 08b", b"config: 8b"),
            (b"-00000002.manifest -p", b"-2.manifest -p"), (b"--strict ", b""),
            (b"1763704000.123456789", b"1763704000.12345678"),
            (b"1763704000.", b"01763704000."), (b"# mtime 17", b"# mtime -17"),
            (b"\n\\8404", b"\n8404"), (b"  ./dir", b" ./dir"), (b"  ./dir", b" *./dir"),
            (b"./dir/", b"dir/"), (b"./dir/", b"./../"), (b"./dir/", b"./"),
            (b"./dir/", b".//"), (b"./dir/", b"./zzz/"), (b"\\\\.txt", b"\\x.txt"),
            (b"\\\\.txt", b"\\n.txt"), (b"changed", b"lost"), (b"SHA256-TREE-1M", b"SHA256"),
            (b") = 9", b") = 09"), (b"\n65d0", b"\n\\65d0"), (b"\n65d0", b"\n65D0"),
            (b"plain name", b"plain\x7fname"), (b"plain name", b"gone")):
        yield sub(old, new)
    none = re.sub(rb"previous: \w+", b"previous: none", TEXT)
    yield "no previous one for the second", none
    yield "a previous one of zeros", re.sub(rb"previous: \w+", b"previous: " + b"0" * 64, TEXT)
    # the objects in another order
    flat = TEXT.index(b"# mtime 1763704000.")
    tree = TEXT.index(b"# mtime 1763704003.")
    yield "paths not in order", TEXT[:flat] + TEXT[tree:] + TEXT[flat:tree]


@tap.test
def manifest_not_canonical(t):
    for what, text in mutants():
        t.check(text != TEXT, f"{what}: changes nothing")
        refuses(t, what, proof.parse_manifest, text)
    first = re.sub(rb"previous: \w+", b"previous: none",
                   TEXT.replace(b"manifest: 2", b"manifest: 1").replace(b"-00000002.",
                                                                       b"-00000001."))
    t.equal(proof.parse_manifest(first)["previous"], None, "the first of a chain")


@tap.test
def manifest_limits(t):
    base = proof.parse_manifest(TEXT)

    def batch(count):
        entries = [{"kind": "dir", "path": b"%06d" % i, "mtime": (0, 0)} for i in range(count)]
        return proof.write_manifest({**base, "first": 1, "objects": entries})

    t.equal(len(proof.parse_manifest(batch(4096))["objects"]), 4096, "objects of the largest")
    refuses(t, "4,097 objects", proof.parse_manifest, batch(4097))
    refuses(t, "no object", proof.parse_manifest, batch(0))
    twice = [{"kind": "dir", "path": b"same", "mtime": (0, 0)}] * 2
    refuses(t, "one path twice", proof.parse_manifest,
            proof.write_manifest({**base, "objects": twice}))
    large = {**base, "number": 123456789, "chain": (1 << 64) - 1}
    t.equal(proof.parse_manifest(proof.write_manifest(large)), large, "numbers of any length")
    last = {**base, "first": (1 << 62) - 4}
    t.equal(proof.parse_manifest(proof.write_manifest(last)), last, "the last objects")
    refuses(t, "beyond", proof.parse_manifest,
            proof.write_manifest({**base, "first": (1 << 62) - 3}))


@tap.test
def signature_both_ways(t):
    comment = proof.check_signature(TEXT, SIGNATURE, KEY_NUMBER, IDENTITY)
    t.equal(comment.decode(), f"{MANIFEST['file_name']} {MANIFEST['sha256']}", "comment")
    untrusted = SIGNATURE.split(b"\n")[0].removeprefix(b"untrusted comment: ")
    t.equal(proof.write_signature(SEED, KEY_NUMBER, TEXT, MANIFEST["file_name"], untrusted),
            SIGNATURE, "signature file written")


@tap.test
def signature_changed(t):
    def check(text=TEXT, file=SIGNATURE, number=KEY_NUMBER, identity=IDENTITY):
        return proof.check_signature(text, file, number, identity)

    for at in range(len(TEXT)):
        refuses(t, f"text, byte {at}", check, flip(TEXT, at, 1 << at % 8))
    comment = SIGNATURE.index(b"\n")
    for at in range(len(SIGNATURE)):
        file = flip(SIGNATURE, at, 1)
        if len(b"untrusted comment: ") <= at < comment:
            t.check(check(file=file), "what is not signed may be anything")
        else:
            refuses(t, f"signature file, byte {at}", check, TEXT, file)
    for what, file in (
            ("no last line end", SIGNATURE[:-1]), ("a line more", SIGNATURE + b"\n"),
            ("too long", b"untrusted comment: " + b"x" * 1024 + SIGNATURE[comment:]),
            ("CRLF", SIGNATURE.replace(b"\n", b"\r\n"))):
        refuses(t, what, check, TEXT, file)
    refuses(t, "another key", check, TEXT, SIGNATURE, KEY_NUMBER, bytes(IDENTITY[:-1]) + b"\0")
    refuses(t, "another key number", check, TEXT, SIGNATURE, bytes(8))
    # the legacy form, signed correctly: the text itself instead of its hash
    sig = wire.sign(SEED, TEXT)
    legacy = (b"untrusted comment: x\n" + base64.b64encode(b"Ed" + KEY_NUMBER + sig)
              + b"\ntrusted comment: y\n" + base64.b64encode(wire.sign(SEED, sig + b"y"))
              + b"\n")
    refuses(t, "legacy", check, TEXT, legacy)
    for letters, good in ((b"a\tb", True), (b"c" * 200, True), (b"", True), (b"c" * 201, False),
                          (b"a\x1bb", False), (b"a\rb", False)):
        lines = SIGNATURE.split(b"\n")
        sig = base64.b64decode(lines[1])[10:]
        lines[2] = b"trusted comment: " + letters
        lines[3] = base64.b64encode(wire.sign(SEED, sig + letters))
        if good:
            t.equal(check(file=b"\n".join(lines)), letters, "another comment")
        else:
            refuses(t, letters, check, TEXT, b"\n".join(lines))


@tap.test
def chain_of_manifests(t):
    """Numbers, hashes and first objects must follow each other, and each must be of the
    channel and chain that its records named."""
    def said(previous, number, first, channel=(7, b"timetables"), key=SEED):
        manifest = {**proof.parse_manifest(TEXT), "number": number, "previous": previous,
                    "first": first, "channel": channel}
        text = proof.write_manifest(manifest)
        name = proof.manifest_name(manifest["chain"], number)
        file = proof.write_signature(key, KEY_NUMBER, text, name, b"x")
        return wire.sha256(text), len(text).to_bytes(4, "big") + text + file

    def verified(*bundles):
        channel = reader.Channel()
        for number, bundle in enumerate(bundles, 1):
            for at in range(0, len(bundle), 1000):
                channel.take({"type": "manifest", "number": number, "offset": at,
                              "total": len(bundle), "data": bundle[at:at + 1000]})
        return channel.verified_manifests([(KEY_NUMBER, IDENTITY)], 7, 1763704291)

    head, one = said(None, 1, 1)
    head2, two = said(head, 2, 6)
    three = said(head2, 3, 11)[1]
    t.equal([m["number"] for _, _, m in verified(one, two, three)], [1, 2, 3], "a chain")
    for what, bundles in (
            ("wrong previous", (one, said(head2, 2, 6)[1])), ("begins late", (two, three)),
            ("gap in objects", (one, said(head, 2, 7)[1])),
            ("objects twice", (one, said(head, 2, 5)[1])),
            ("another channel", (one, said(head, 2, 6, (8, b"timetables"))[1])),
            ("another signer", (one, said(head, 2, 6, key=bytes(32))[1])),
            ("cut", (one, two[:-1]))):
        refuses(t, what, verified, *bundles)


@tap.test
def digests(t):
    content = bytes(range(256)) * 4096
    leaf = wire.sha256(content).hex()
    t.equal(proof.tree_digest(content + content + b"tail"), wire.sha256(
        f"{leaf}\n{leaf}\n{wire.sha256(b'tail').hex()}\n".encode()).hex(), "tree digest")
    t.equal(proof.object_digest(bytes(67108863))[0], False, "one byte below 64 MiB")
    t.equal(proof.object_digest(bytes(67108864))[0], True, "64 MiB")


# ---- Tickets, limits ---------------------------------------------------------------------

@tap.test
def tickets_both_ways(t):
    for vector in VECTORS["tickets"]:
        text = vector["text"]
        want = {key: value for key, value in vector.items() if key != "text"}
        t.equal(proof.write_ticket(want["kind"], want["channel"], want["chain"], want["items"],
                                   want["object"]), text, "ticket written")
        for form in (text, text.lower(), text.replace("-", ""), "-".join(text),
                     text.replace("0", "o").replace("1", "l"),
                     text.replace("0", "O").replace("1", "I")):
            t.equal(proof.read_ticket(form), want, f"ticket read: {form}")
        for at, letter in enumerate(text):
            for other in proof.CROCKFORD + "U*":
                if letter not in ("-", other):
                    refuses(t, f"letter {at} is {other}", proof.read_ticket,
                            text[:at] + other + text[at + 1:])
        bare = text.replace("-", "")
        for at in range(len(bare)):
            refuses(t, f"without letter {at}", proof.read_ticket, bare[:at] + bare[at + 1:])
        refuses(t, "a letter more", proof.read_ticket, bare + "0")


@tap.test
def ticket_ranges(t):
    top = 1 << 62
    for args in ((1, 1, 1, [[top, top]]), (2, 65535, 1, [[0, (1 << 50) - 1]], 1),
                 (3, 1, (1 << 64) - 1, [[1, 1]]),
                 (1, 1, 1, [[2 * i + 1] * 2 for i in range(27)])):
        t.equal(proof.read_ticket(proof.write_ticket(*args))["items"], args[3], "in range")
    for args in ((0, 1, 1, [[1, 1]]), (4, 1, 1, [[1, 1]]), (1, 0, 1, [[1, 1]]),
                 (1, 65536, 1, [[1, 1]]), (1, 1, 0, [[1, 1]]), (1, 1, 1, []),
                 (1, 1, 1, [[0, 1]]), (3, 1, 1, [[0, 0]]), (1, 1, 1, [[1, top + 1]]),
                 (2, 1, 1, [[0, 1 << 50]], 1), (2, 1, 1, [[0, 1]], 0)):
        refuses(t, args, proof.read_ticket, proof.write_ticket(*args))


@tap.test
def limits_of_the_page(t):
    """The table of limits says what the reader was built with."""
    rows = re.findall(r"^\| [^|]*\| ([^|]+?) \| `(\w+)` \|$", section("Limits"), re.M)
    table = {name: value for value, name in rows}
    want = {"WIRE_ETHERTYPE": wire.ETHERTYPE, "WIRE_FEC_POINTS": fec.POINTS,
            "WIRE_FEC_M_MAX": fec.ROWS_MAX, "WIRE_DEPTH_MAX": wire.DEPTH_MAX,
            "WIRE_WINDOW_SYMBOLS_MAX": wire.WINDOW_SYMBOLS_MAX, "WIRE_LANES_MAX": wire.LANES,
            "WIRE_LANE_CLASSES": wire.CLASSES,
            "WIRE_ANNOUNCE_RECEIVERS_MAX": wire.RECEIVERS_MAX,
            "WIRE_BATCH_OBJECTS_MAX": proof.BATCH_MAX,
            "WIRE_MANIFEST_MAX": wire.MANIFEST_MAX}
    for name, value in want.items():
        t.check(name in table and int(table[name].replace(",", ""), 0) == value,
                f"{name}: page says {table.get(name)}, reader {value}")
    t.equal(wire.DEPTH_MAX * wire.POINTS, wire.WINDOW_SYMBOLS_MAX, "symbols of a window")


if __name__ == "__main__":
    tap.main()
