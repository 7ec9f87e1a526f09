#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The second reader against docs/wire-vectors.json and docs/wire.md: every vector opened and
made again byte for byte, and what was changed refused."""

import itertools
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from second_vectors import (ANNOUNCE, IDENTITY, KEY_NUMBER, SECRETS, SEED,  # noqa: E402
                            SESSION, TX, VECTORS, WINDOW, fec, flip, proof, reader, refuses,
                            section, tap, wire)


def session(which=0):
    return wire.open_announce(wire.parse_announce(ANNOUNCE), [IDENTITY], SECRETS[which])


def window_head(frame):
    return wire.header(type=frame["type"], class_=WINDOW["lane"] % 8, code=1,
                       session=SESSION["session_tag"], lane=WINDOW["lane"],
                       channel=WINDOW["channel"], seq=frame["seq"], window=WINDOW["window"],
                       index=frame["index"], depth=WINDOW["depth"], M=WINDOW["M"],
                       k=frame["k"], m=frame["m"], stream=WINDOW["stream"],
                       length=frame["length"], symbol=WINDOW["symbol_size"], link=1)


def frames():
    """[(vector, its bytes, header, payload opened)] of the window."""
    key = session().lane_key(WINDOW["lane"])
    found = []
    for vector in WINDOW["frames"]:
        frame = bytes.fromhex(vector["frame"])
        head = wire.parse_header(frame)
        found.append((vector, frame, head, wire.open_sealed(key, head, frame)))
    return found


# ---- Keys, announce ----------------------------------------------------------------------

@tap.test
def identities(t):
    t.equal(wire.Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes(
        wire.Encoding.Raw, wire.PublicFormat.Raw), IDENTITY, "Ed25519 public key")
    t.equal(proof.fingerprint(IDENTITY), TX["fingerprint"], "fingerprint of tx")
    pub = bytes.fromhex(TX["pub_file"])
    t.equal(proof.read_tx_public(pub), (KEY_NUMBER, IDENTITY), "tx public key file")
    comment = pub.split(b"\n")[0].removeprefix(b"untrusted comment: ")
    t.equal(proof.write_tx_public(KEY_NUMBER, IDENTITY, comment), pub, "its writing")
    secret = proof.write_tx_secret(KEY_NUMBER, SEED)
    t.equal(proof.read_tx_secret(secret), (KEY_NUMBER, SEED), "tx secret key file")
    for vector, secret in zip(VECTORS["receivers"], SECRETS, strict=True):
        public = bytes.fromhex(vector["x25519_public"])
        text = bytes.fromhex(vector["pub_file"])
        t.equal(wire.public_x25519(secret), public, "X25519 public key")
        t.equal(wire.key_id(public).hex(), vector["key_id"], "key id")
        t.equal(proof.fingerprint(public), vector["fingerprint"], "fingerprint of rx")
        t.equal(proof.read_rx_public(text), public, "rx public key file")
        t.equal(proof.write_rx_public(public), text, "its writing")
        t.equal(proof.read_rx_secret(proof.write_rx_secret(secret)), secret, "rx secret file")
        for at in range(len(text)):
            refuses(t, f"rx.pub, byte {at}", proof.read_rx_public, flip(text, at))
        refuses(t, "a second line", proof.read_rx_public, text + b"\n")
        refuses(t, "no line end", proof.read_rx_public, text[:-1])


@tap.test
def announce_both_ways(t):
    public = [bytes.fromhex(r["x25519_public"]) for r in VECTORS["receivers"]]
    made = wire.make_announce(
        SEED, IDENTITY, bytes.fromhex(SESSION["ephemeral_secret"]),
        bytes.fromhex(SESSION["session_secret"]), public, SESSION["environment"],
        bytes.fromhex(SESSION["session_id"]), SESSION["epoch"], SESSION["created_ns"],
        bytes.fromhex(SESSION["config_digest"]))
    t.equal(made.hex(), SESSION["announce"], "announce made from its secrets")
    announce = wire.parse_announce(ANNOUNCE)
    t.equal((announce.environment, announce.epoch, announce.created_ns,
             announce.session_id.hex(), announce.config_digest.hex()),
            tuple(SESSION[key] for key in ("environment", "epoch", "created_ns", "session_id",
                                           "config_digest")), "what it says")
    head = wire.announce_header(len(ANNOUNCE), 1)
    t.equal(wire.pack_header(head).hex(), SESSION["announce_frame_header"], "frame header")
    t.equal(wire.parse_header(wire.pack_header(head) + ANNOUNCE), head, "frame header read")
    for which in range(2):
        opened = session(which)
        t.equal(opened.secret.hex(), SESSION["session_secret"], f"box {which}")
        t.equal(opened.transcript.hex(), SESSION["transcript"], "transcript")
        t.equal(opened.tag, SESSION["session_tag"], "session tag")
        for lane, key in SESSION["lane_keys"].items():
            t.equal(opened.lane_key(int(lane)).hex(), key, f"key of lane {lane}")


@tap.test
def announce_changed(t):
    def opens(raw, trusted=(IDENTITY,), secret=SECRETS[0]):
        return wire.open_announce(wire.parse_announce(raw), trusted, secret)

    for at in range(len(ANNOUNCE)):
        refuses(t, f"byte {at} changed", opens, flip(ANNOUNCE, at, 1 << at % 8))
    for cut in (1, 56, 224, len(ANNOUNCE)):
        refuses(t, f"{cut} bytes cut off", opens, ANNOUNCE[:-cut])
    refuses(t, "one byte more", opens, ANNOUNCE + b"\0")
    refuses(t, "a stranger's", opens, ANNOUNCE, (bytes(32),))
    refuses(t, "for another receiver", opens, ANNOUNCE, (IDENTITY,), bytes(range(32)))
    # signed by tx's own key, but with a box from another announce or another order
    box = slice(wire.ANNOUNCE_FIXED, wire.ANNOUNCE_FIXED + 56)
    other = slice(box.stop, box.stop + 56)
    swapped = ANNOUNCE[:box.start] + ANNOUNCE[other] + ANNOUNCE[box]
    later = ANNOUNCE[:71] + bytes([ANNOUNCE[71] ^ 1]) + ANNOUNCE[72:-64]
    for what, body in (("boxes swapped", swapped), ("epoch changed", later)):
        signed = body + wire.sign(SEED, b"katamichi announce v1\0" + body)
        refuses(t, what + ", signed anew", opens, signed)
    refuses(t, "low-order ephemeral", wire._wrap_key, SECRETS[0], bytes(32), b"", [])


@tap.test
def header_rules(t):
    """Every bound of the header, from both sides."""
    source = window_head({**WINDOW["frames"][0], "length": 256})
    repair = source._replace(type=3, k=5, m=3)
    plain = source._replace(code=0, M=0)
    announce = wire.announce_header(280, 1)
    good = [source, repair, plain, announce, source._replace(lane=59),
            source._replace(link=255), source._replace(seq=2**36 - 1),
            source._replace(length=0),
            source._replace(depth=255, index=255 * 251 + 254), plain._replace(index=511),
            source._replace(M=128, index=255), repair._replace(k=252, m=4, index=7),
            source._replace(symbol=65479), announce._replace(length=1120)]
    bad = [source._replace(**{name: value}) for name, value in (
        ("version", 0), ("version", 2), ("type", 0), ("type", 4), ("class_", 4), ("class_", 5),
        ("code", 2), ("code", 0), ("M", 0), ("M", 3), ("M", 255), ("lane", 64), ("lane", 4),
        ("lane", 67), ("seq", 2**36), ("index", 504), ("depth", 0), ("depth", 256), ("k", 1),
        ("m", 1), ("stream", 2), ("length", 257), ("symbol", 255), ("symbol", 65480),
        ("reserved", b"\0\0\1"), ("reserved", b"\1\0\0"))]
    bad += [repair._replace(**{name: value}) for name, value in (
        ("k", 0), ("k", 253), ("m", 0), ("m", 5), ("index", 6), ("length", 255))]
    bad += [plain._replace(type=3, k=5, m=1), plain._replace(index=512)]
    bad += [announce._replace(**{name: value}) for name, value in (
        ("class_", 1), ("code", 1), ("session", 1), ("lane", 8), ("channel", 1), ("seq", 1),
        ("window", 1), ("index", 1), ("depth", 1), ("M", 1), ("k", 1), ("m", 1), ("stream", 1),
        ("symbol", 256), ("length", 279), ("length", 224), ("length", 1176), ("length", 0))]
    rest = bytes(65495)
    for head in good:
        t.equal(wire.parse_header(wire.pack_header(head) + rest), head, "header read back")
        whole = 40 + head.length + (0 if head.type == 1 else 16)
        exact = (wire.pack_header(head) + rest)[:whole]
        t.equal(wire.parse_header(exact), head, "frame of its exact size")
        refuses(t, f"cut by one: {head}", wire.parse_header, exact[:-1])
    for head in bad:
        refuses(t, head, wire.parse_header, wire.pack_header(head) + rest)


# ---- The window --------------------------------------------------------------------------

# IPv4 and UDP of docs/wire.md around "abc", from 192.0.2.1:4001 to 198.51.100.7:4002
DATAGRAM = bytes.fromhex("4500001f0000400040114e92c0000201c63364070fa10fa2000b2ff6") + b"abc"
UDP = bytes([198, 51, 100, 7]), 4002


def datagrams(t, frame):
    """A frame in a datagram, and in a train of three and a shorter one."""
    t.equal(wire.strip_udp(DATAGRAM + bytes(15), *UDP), b"abc", "a datagram with padding")
    t.equal(wire.strip_udp(DATAGRAM, UDP[0], 4003), None, "to another port")
    t.equal(wire.strip_udp(DATAGRAM, bytes(4), 4002), None, "to another address")
    for at in (0, 2, 6, 10, 25):
        wrong = DATAGRAM[:at] + bytes([DATAGRAM[at] ^ 1]) + DATAGRAM[at + 1:]
        try:
            t.check(False, f"taken with byte {at} changed: {wire.strip_udp(wrong, *UDP)}")
        except wire.Refused:
            pass
    t.equal(wire.split_train(frame * 3 + frame[:50]), [frame] * 3 + [frame[:50]], "a train")
    t.equal(wire.split_train(frame), [frame], "one frame")


@tap.test
def window_both_ways(t):
    key = session().lane_key(WINDOW["lane"])
    t.equal(key.hex(), WINDOW["lane_key"], "key of the window's lane")
    content, begun = reader.Pieces(), []
    for vector, frame, head, payload in frames():
        t.equal(head, window_head(vector), f"header {vector['seq']}")
        t.equal(payload.hex(), vector["payload"], f"payload {vector['seq']}")
        t.equal(wire.seal(key, head, payload), frame, f"frame {vector['seq']} sealed again")
        t.equal(wire.strip_ethernet(bytes(12) + b"\x88\xb5" + frame), frame, "Ethernet")
        t.equal(wire.strip_ethernet(bytes(12) + b"\x81\x00\x00\x07\x88\xb5" + frame), frame,
                "VLAN")
        t.equal(wire.strip_ethernet(bytes(12) + b"\x08\x00" + frame), None, "another protocol")
        datagrams(t, frame)
        if head.type != wire.SOURCE:
            continue
        records, why = wire.read_symbol(payload, "data")
        t.equal(why, None, "records")
        t.equal(wire.write_symbol(records).ljust(len(payload), b"\0"), payload,
                "records written again")
        for said in records:
            if said["type"] == "begin":
                begun.append(said)
            else:
                content.add(said["offset"], said["data"])
    t.equal(len(begun), 1, "beginnings")
    t.equal(content.join(begun[0]["size"]).hex(), WINDOW["object"], "object")


def blocks():
    """{block: ({ESI: full symbol}, {row: symbol}, k, m)} of the window."""
    found = {}
    for _, _, head, payload in frames():
        place, block = divmod(head.index, head.depth)
        sources, rows, facts = found.setdefault(block, ({}, {}, []))
        (sources if head.type == wire.SOURCE else rows)[place] = payload.ljust(head.symbol,
                                                                              b"\0")
        if head.type == wire.REPAIR:
            facts.append((head.k, head.m))
    return found


@tap.test
def window_rows_recomputed(t):
    rows_of_all = 0
    for block, (sources, rows, facts) in blocks().items():
        k = reader.block_sources(WINDOW["symbols"], WINDOW["depth"], block)
        t.equal(sorted(sources), list(range(k)), "source positions of the block")
        t.equal(set(facts), {(k, len(rows))}, "k and m in the frames")
        made = fec.encode(WINDOW["M"], [sources[i] for i in range(k)], len(rows))
        for j, symbol in enumerate(made):
            t.equal(symbol, rows[j], f"row {j} of block {block}")
        rows_of_all += len(rows)
    t.equal(rows_of_all, WINDOW["repairs"], "repairs")


@tap.test
def window_erasures(t):
    """Every single, double and triple loss is repaired: from the k in the repair frames and,
    where those are lost, from the close record."""
    every = frames()
    want = {head.index: payload.ljust(head.symbol, b"\0")
            for _, _, head, payload in every if head.type == wire.SOURCE}
    for count in (1, 2, 3):
        for gone in itertools.combinations(range(len(every)), count):
            for closed in (False, True):
                window = reader.Window(every[0][2])
                for i, (_, _, head, payload) in enumerate(every):
                    if i not in gone:
                        window.add(head, payload)
                if closed:
                    window.close(WINDOW["symbols"], WINDOW["repairs"])
                restored, missing = window.restore()
                lost = {every[i][2].index for i in gone if every[i][2].type == wire.SOURCE}
                t.equal((restored, missing), ({i: want[i] for i in lost}, 0),
                        f"without {gone}, closed: {closed}")
                for i, symbol in restored.items():
                    found, why = wire.read_symbol(symbol, "data")
                    t.equal((why, found), (None, wire.read_symbol(want[i], "data")[0]),
                            "records of a restored symbol")


@tap.test
def window_beyond_repair(t):
    """One more than the rows of a block: counted as missing, nothing made up."""
    every = frames()
    window = reader.Window(every[0][2])
    for _, _, head, payload in every:
        if head.type == wire.REPAIR or head.index % 2 == 1:
            window.add(head, payload)
    t.equal(window.restore(), ({}, 5), "five of five lost, three rows")


@tap.test
def frames_changed(t):
    key = session().lane_key(WINDOW["lane"])

    def opens(frame):
        return wire.open_sealed(key, wire.parse_header(frame), frame)

    for _, frame, _, payload in (frames()[0], frames()[8], frames()[9]):
        for at in range(len(frame)):
            changed = flip(frame, at, 1 << at % 8)
            if at == 39:
                t.equal(opens(changed), payload, "the link id is not authenticated")
            else:
                refuses(t, f"byte {at} changed", opens, changed)
        for cut in range(1, len(frame) + 1):
            refuses(t, f"{cut} bytes cut off", opens, frame[:-cut])
        t.equal(opens(frame + b"padding"), payload, "padding behind is not looked at")
        other = session().lane_key(11)
        refuses(t, "another lane's key", wire.open_sealed, other, wire.parse_header(frame),
                frame)


# ---- FEC on its own ----------------------------------------------------------------------

@tap.test
def fec_constants_of_the_page(t):
    text = section("FEC")
    basis = re.search(r"`((?:[0-9a-f]{2} ){7}[0-9a-f]{2})`", text)[1]
    t.equal(bytes(fec.BASIS).hex(" "), basis, "basis")
    points = " ".join(re.search(r"w\(0\.\.15\) = `([0-9a-f \n]+)`", text)[1].split())
    t.equal(bytes(fec.W[:16]).hex(" "), points, "points")
    for i, value in re.findall(r"w\((\d+)\) = ([0-9a-f]{2})\b", text):
        t.equal(f"{fec.W[int(i)]:02x}", value, f"w({i})")
    t.equal(sorted(fec.W), list(range(256)), "the points are the field")
    vectors = re.findall(r"\((\d+),(\d+),(\d+)\) = ([0-9a-f]{2})", text)
    t.check(len(vectors) >= 11, "vectors of G found on the page")
    for M, row, esi, value in vectors:
        got = fec.coefficient(int(M), int(row), int(esi))
        t.equal(f"{got:02x}", value, f"G of {M}, {row}, {esi}")
    rows = re.findall(r"`((?:[0-9a-f]{2} ){7}[0-9a-f]{2})`", text.split("Block k = 5")[1])
    sources = [bytes((17 * i + 31 * b + 1) % 256 for b in range(8)) for i in range(5)]
    t.equal([r.hex(" ") for r in fec.encode(4, sources, 3)], rows, "rows of the block")


def by_definition(M, sources, row):
    """f(w(row)) by Lagrange's formula over all source places, one byte each."""
    places, x, total = fec.W[M:], fec.W[row], 0
    for i, source in sources.items():
        top = bottom = 1
        for other in places:
            if other != places[i]:
                top, bottom = fec.mul(top, x ^ other), fec.mul(bottom, places[i] ^ other)
        total ^= fec.mul(source, fec.div(top, bottom))
    return total


def by_transform(M, sources):
    """All rows by the page's transform, one byte each."""
    layers, total = M.bit_length() - 1, [0] * M
    for c in range(256 // M - 1):
        part = [sources.get(c * M + i, 0) for i in range(M)]
        for j in range(layers):
            _layer(part, j, (c + 1) * M, inverse=True)
        total = [a ^ b for a, b in zip(total, part)]
    for j in reversed(range(layers)):
        _layer(total, j, 0, inverse=False)
    return total


def _layer(part, j, offset, inverse):
    half = 1 << j
    for start in range(0, len(part), 2 * half):
        factor = fec.W[(offset + start) >> j]
        for a in range(start, start + half):
            if inverse:
                part[a + half] ^= part[a]
            part[a] ^= fec.mul(factor, part[a + half])
            if not inverse:
                part[a + half] ^= part[a]


@tap.test
def fec_definition_matrix_and_transform_agree(t):
    rng = tap.rng("fec agree")
    for M in (1, 2, 4, 8, 16, 32, 64, 128):
        k = rng.randint(1, 256 - M)
        sources = {i: rng.randrange(256) for i in range(k)}
        rows = [row[0] for row in fec.encode(M, [bytes([s]) for s in sources.values()], M)]
        t.equal(by_transform(M, sources), rows, f"M {M}, k {k}: transform")
        few = {i: sources[i] for i in rng.sample(range(k), min(k, 6))}
        for row in {0, M - 1, rng.randrange(M)}:
            want = fec.row(M, row, {i: bytes([s]) for i, s in few.items()})[0]
            t.equal(by_definition(M, few, row), want, f"M {M}, k {k}, row {row}: definition")


@tap.test
def fec_random_losses(t):
    rng = tap.rng("fec losses")
    for M in (1, 2, 4, 8, 16, 32, 64, 128):
        for k in {1, 256 - M, rng.randint(1, 256 - M)}:
            sources = [rng.randbytes(16) for _ in range(k)]
            rows = dict(enumerate(fec.encode(M, sources, M)))
            count = rng.randint(1, min(k, M, 24))
            lost = set(rng.sample(range(k), count))
            have = {i: s for i, s in enumerate(sources) if i not in lost}
            some = {j: rows[j] for j in rng.sample(range(M), count)}
            t.equal(fec.decode(M, k, have, some), {i: sources[i] for i in lost},
                    f"M {M}, k {k}, {count} lost")
            some.popitem()
            t.equal(fec.decode(M, k, have, some), None, "one row too few")


if __name__ == "__main__":
    tap.main()
