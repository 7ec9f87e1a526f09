# SPDX-License-Identifier: ISC
"""Frames, announces, keys and records of docs/wire.md, both ways.

Part of the second reader. Every function that reads refuses with Refused; nothing here
keeps state or opens a file. Records and headers have the names that the page and
docs/wire-vectors.json give them.
"""

import collections
import hashlib
import hmac
import struct

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import (Ed25519PrivateKey,
                                                               Ed25519PublicKey)
from cryptography.hazmat.primitives.asymmetric.x25519 import (X25519PrivateKey,
                                                              X25519PublicKey)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

VERSION = 1
ETHERTYPE, VLAN = 0x88B5, 0x8100
HEADER_LEN, AAD_LEN, TAG_LEN = 40, 39, 16
ANNOUNCE, SOURCE, REPAIR = 1, 2, 3
CODE_NONE, CODE_RS = 0, 1
DATA, LEDGER = 0, 1
LANES, CLASSES = 64, 8
LANE_FRAMES_MAX = 1 << 36
SYMBOL_MIN, SYMBOL_MAX = 256, 65479
POINTS, DEPTH_MAX, WINDOW_SYMBOLS_MAX = 256, 255, 65280
ANNOUNCE_FIXED, ANNOUNCE_BOX, ANNOUNCE_SIG, RECEIVERS_MAX = 160, 56, 64, 16
OBJECT_MAX = 1 << 62
PATH_MAX, NAME_MAX = 1024, 255
MANIFEST_MAX = 8388608
MESSAGE_MAX, SOURCES = 65507, (0, 6, 18)
U64 = 1 << 64


class Refused(Exception):
    """These bytes are not what the page allows; the text says why."""


def need(good, why):
    if not good:
        raise Refused(why)


# ---- Bytes -------------------------------------------------------------------------------

class Cursor:
    """Reads from the front; refuses to read past the end."""

    def __init__(self, data):
        self.data, self.at = bytes(data), 0

    @property
    def left(self):
        return len(self.data) - self.at

    def take(self, count):
        need(self.left >= count, "ends early")
        self.at += count
        return self.data[self.at - count:self.at]

    def rest(self):
        return self.take(self.left)

    def uint(self, size):
        return int.from_bytes(self.take(size), "big")

    def varint(self):
        value, shift = 0, 0
        while True:
            byte = self.uint(1)
            value |= (byte & 0x7F) << shift
            need(value < U64, "varint beyond 64 bits")
            if not byte & 0x80:
                need(byte or not shift, "varint longer than needed")
                return value
            shift += 7


def varint(value):
    if not 0 <= value < U64:
        raise ValueError(f"no varint: {value}")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def sha256(data):
    return hashlib.sha256(data).digest()


def hkdf(ikm, salt, info, size=32):
    """RFC 5869 with SHA-256."""
    prk = hmac.new(salt or bytes(32), ikm, hashlib.sha256).digest()
    out, block, count = b"", b"", 0
    while len(out) < size:
        count += 1
        block = hmac.new(prk, block + info + bytes([count]), hashlib.sha256).digest()
        out += block
    return out[:size]


# ---- Frame -------------------------------------------------------------------------------

_HEADER = struct.Struct(">BBBBIHHQIHHBBBBHH3sB")
Header = collections.namedtuple(
    "Header", "version type class_ code session lane channel seq window index depth M k m "
    "stream length symbol reserved link")


def header(**fields):
    """A Header of a data frame; what is not named is 0."""
    base = dict.fromkeys(Header._fields, 0)
    return Header(**{**base, "version": VERSION, "reserved": bytes(3), **fields})


def announce_header(length, link):
    return header(type=ANNOUNCE, length=length, link=link)


def pack_header(head):
    return _HEADER.pack(*head)


def parse_header(frame):
    """The Header of what stands behind an Ethernet header."""
    need(len(frame) >= HEADER_LEN, "shorter than a header")
    head = Header._make(_HEADER.unpack_from(frame))
    need(head.version == VERSION, "version")
    need(head.type in (ANNOUNCE, SOURCE, REPAIR), "type")
    need(head.class_ <= 4, "class")
    need(head.code in (CODE_NONE, CODE_RS), "code")
    need(head.stream in (DATA, LEDGER), "stream")
    need(head.reserved == bytes(3), "reserved bytes")
    tag = 0 if head.type == ANNOUNCE else TAG_LEN
    if head.type == ANNOUNCE:
        _check_announce_header(head)
    else:
        _check_data_header(head)
    need(len(frame) >= HEADER_LEN + head.length + tag, "cut short")
    return head


def _check_announce_header(head):
    need(not any((head.code, head.session, head.lane, head.channel, head.seq, head.window,
                  head.index, head.depth, head.M, head.k, head.m, head.stream, head.symbol,
                  head.class_)), "announce header not zero")
    r, odd = divmod(head.length - ANNOUNCE_FIXED - ANNOUNCE_SIG, ANNOUNCE_BOX)
    need(not odd and 1 <= r <= RECEIVERS_MAX, "announce length")


def _check_data_header(head):
    need(head.lane < LANES and head.lane % CLASSES == head.class_, "lane")
    need(head.seq < LANE_FRAMES_MAX, "sequence")
    need(1 <= head.depth <= DEPTH_MAX, "depth")
    need(head.M in (0, 1, 2, 4, 8, 16, 32, 64, 128), "M")
    need((head.M == 0) == (head.code == CODE_NONE), "M without code or code without M")
    need(SYMBOL_MIN <= head.symbol <= SYMBOL_MAX, "symbol size")
    need(head.length <= head.symbol, "length")
    place = head.index // head.depth
    if head.type == SOURCE:
        need(head.k == head.m == 0, "k or m of a source frame")
        need(place < POINTS - head.M, "index")
    else:
        need(1 <= head.k <= POINTS - head.M, "k")
        need(1 <= head.m <= head.M, "m")
        need(place < head.m, "row")
        need(head.length == head.symbol, "repair symbol not in full")


def strip_ethernet(frame, ethertype=ETHERTYPE):
    """What stands behind the Ethernet header, or None if the frame is not ours."""
    at = 12
    if frame[at:at + 2] == VLAN.to_bytes(2, "big"):
        at += 4
    if frame[at:at + 2] != ethertype.to_bytes(2, "big"):
        return None
    return frame[at + 2:]


def _sum_holds(words):
    """Whether 16-bit words, their checksum among them, add up as RFC 791 wants."""
    total = sum(struct.unpack(f">{len(words) // 2}H", words))
    while total > 0xFFFF:
        total = (total >> 16) + (total & 0xFFFF)
    return total == 0xFFFF


def strip_udp(packet, address, port):
    """What a datagram to there holds, or None if the packet is for others; what is for us and
    not as tx writes it is an error. packet: what stands behind EtherType 0x0800."""
    if len(packet) < 28 or packet[0] >> 4 != 4 or packet[9] != 17 or packet[16:20] != address:
        return None
    need(packet[0] == 0x45, "IPv4 options")
    total, = struct.unpack_from(">H", packet, 2)
    fragment, = struct.unpack_from(">H", packet, 6)
    need(not fragment & 0x3FFF, "a fragment")
    to, length = struct.unpack_from(">HH", packet, 22)
    if to != port:
        return None
    need(_sum_holds(packet[:20]), "IPv4 header checksum")
    need(28 <= total <= len(packet) and length == total - 20, "IPv4 and UDP lengths")
    return packet[28:total]


def split_train(payload):
    """The pieces of a datagram, of the size of the first frame; the last may be shorter."""
    head = parse_header(payload)
    size = HEADER_LEN + head.length + (0 if head.type == ANNOUNCE else TAG_LEN)
    return [payload[at:at + size] for at in range(0, len(payload), size)]


def _nonce(seq):
    return bytes(4) + seq.to_bytes(8, "big")


def seal(key, head, payload):
    """A whole frame."""
    clear = pack_header(head._replace(length=len(payload)))
    return clear + AESGCM(key).encrypt(_nonce(head.seq), payload, clear[:AAD_LEN])


def open_sealed(key, head, frame):
    """The payload of a frame whose header was parsed."""
    sealed = frame[HEADER_LEN:HEADER_LEN + head.length + TAG_LEN]
    try:
        return AESGCM(key).decrypt(_nonce(head.seq), sealed, frame[:AAD_LEN])
    except InvalidTag:
        raise Refused("not authentic") from None


# ---- Announce and keys -------------------------------------------------------------------

MAGIC = b"KMANNC01"
_FIXED = struct.Struct(">8sBBBBBBH32s16sQQ32s32s16s")
Announce = collections.namedtuple(
    "Announce", "oldest version suite code digest receivers environment identity session_id "
    "epoch created_ns ephemeral config_digest boxes raw")
Box = collections.namedtuple("Box", "key_id wrapped")


def public_x25519(secret):
    key = X25519PrivateKey.from_private_bytes(secret).public_key()
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def key_id(public):
    return sha256(public)[:8]


def sign(seed, message):
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def verify(identity, signature, message):
    try:
        Ed25519PublicKey.from_public_bytes(identity).verify(signature, message)
    except InvalidSignature:
        raise Refused("signature") from None


def _wrap_key(secret, public, fixed, ids):
    """The wrap key of one receiver, from either side's secret and the other's public key."""
    try:
        shared = X25519PrivateKey.from_private_bytes(secret).exchange(
            X25519PublicKey.from_public_bytes(public))
    except ValueError:
        raise Refused("X25519 gives zero") from None
    return hkdf(shared, b"", b"katamichi wrap v1\0" + sha256(fixed + b"".join(ids)))


def _announce_message(body):
    return b"katamichi announce v1\0" + body


def make_announce(seed, identity, ephemeral_secret, session_secret, receivers, environment,
                  session_id, epoch, created_ns, config_digest):
    """The payload of an announce frame; RECEIVERS are X25519 public keys."""
    fixed = _FIXED.pack(MAGIC, VERSION, VERSION, 1, 1, 1, len(receivers), environment,
                        identity, session_id, epoch, created_ns,
                        public_x25519(ephemeral_secret), config_digest, bytes(16))
    ids = [key_id(public) for public in receivers]
    body = fixed
    for public, its_id in zip(receivers, ids):
        key = _wrap_key(ephemeral_secret, public, fixed, ids)
        body += its_id + AESGCM(key).encrypt(bytes(12), session_secret, None)
    return body + sign(seed, _announce_message(body))


def parse_announce(payload):
    """Form only."""
    need(len(payload) >= ANNOUNCE_FIXED, "announce: short")
    (magic, oldest, version, suite, code, digest, r, environment, identity, session_id, epoch,
     created, ephemeral, config, zero) = _FIXED.unpack_from(payload)
    need(magic == MAGIC, "announce: magic")
    need(1 <= oldest <= version, "announce: lowest version")
    need(version == VERSION, "announce: version")
    need((suite, code, digest) == (1, 1, 1), "announce: suite, code or digest")
    need(1 <= r <= RECEIVERS_MAX, "announce: receivers")
    need(len(payload) == ANNOUNCE_FIXED + r * ANNOUNCE_BOX + ANNOUNCE_SIG, "announce: length")
    need(zero == bytes(16), "announce: reserved bytes")
    boxes = []
    for i in range(r):
        at = ANNOUNCE_FIXED + i * ANNOUNCE_BOX
        boxes.append(Box(payload[at:at + 8], payload[at + 8:at + ANNOUNCE_BOX]))
    return Announce(oldest, version, suite, code, digest, r, environment, identity, session_id,
                    epoch, created, ephemeral, config, boxes, bytes(payload))


def open_announce(announce, trusted, secret):
    """The Session of an announce whose form is right, for the receiver with SECRET."""
    need(announce.identity in trusted, "announce: identity not trusted")
    body, signature = announce.raw[:-ANNOUNCE_SIG], announce.raw[-ANNOUNCE_SIG:]
    verify(announce.identity, signature, _announce_message(body))
    mine = key_id(public_x25519(secret))
    ids = [box.key_id for box in announce.boxes]
    key = _wrap_key(secret, announce.ephemeral, announce.raw[:ANNOUNCE_FIXED], ids)
    for box in announce.boxes:
        if box.key_id == mine:
            try:
                return Session(announce,
                               AESGCM(key).decrypt(bytes(12), box.wrapped, None))
            except InvalidTag:
                pass
    raise Refused("announce: no box of ours")


class Session:
    """The keys of one session."""

    def __init__(self, announce, session_secret):
        self.announce, self.secret = announce, session_secret
        self.transcript = sha256(announce.raw)
        self.tag = int.from_bytes(self.transcript[:4], "big")
        self._lanes = {}

    def lane_key(self, lane):
        if lane not in self._lanes:
            self._lanes[lane] = hkdf(self.secret, self.transcript,
                                     b"katamichi lane v1\0" + lane.to_bytes(2, "big"))
        return self._lanes[lane]


# ---- Records -----------------------------------------------------------------------------

NAMES = {1: "begin", 2: "fragment", 3: "withdrawn", 4: "message", 8: "manifest",
         16: "heartbeat", 17: "heads", 18: "close", 19: "live"}
TYPES = {name: number for number, name in NAMES.items()}
PLACES = {"begin": "data", "fragment": "data", "withdrawn": "data", "message": "data",
          "manifest": "ledger", "heartbeat": "control", "heads": "control", "close": "control",
          "live": "control"}


def check_path(path):
    need(1 <= len(path) <= PATH_MAX, "path: length")
    need(all(byte >= 0x20 and byte != 0x7F for byte in path), "path: control character")
    parts = path.split(b"/")
    for part in parts:
        need(1 <= len(part) <= NAME_MAX, "path: length of a component")
        need(part not in (b".", b".."), "path: . or ..")
    need(parts[0] != b".katamichi", "path: .katamichi")


def _ordinal(body, what):
    value = body.varint()
    need(value >= 1, f"{what} begins at 1")
    return value


def _read_begin(body):
    said = {"chain": _ordinal(body, "chain"), "number": _ordinal(body, "number"),
            "kind": body.uint(1), "size": body.varint()}
    need(said["kind"] <= 1, "kind")
    need(said["size"] <= (0 if said["kind"] else OBJECT_MAX), "size")
    said["mtime_s"] = int.from_bytes(body.take(8), "big", signed=True)
    said["mtime_ns"] = body.uint(4)
    need(said["mtime_ns"] < 10**9, "mtime")
    # what stands in a path is judged apart: a bad name is no malformed record
    said["path"] = body.rest()
    need(1 <= len(said["path"]) <= PATH_MAX, "path: length")
    return said


def _read_fragment(body):
    said = {"chain": _ordinal(body, "chain"), "number": _ordinal(body, "number"),
            "offset": body.varint(), "data": body.rest()}
    need(said["data"], "fragment without bytes")
    need(said["offset"] + len(said["data"]) <= OBJECT_MAX, "offset")
    return said


def _read_withdrawn(body):
    said = {"chain": _ordinal(body, "chain"), "number": _ordinal(body, "number"),
            "reason": body.uint(1)}
    need(said["reason"] in (1, 2), "reason")
    return said


def _read_message(body):
    said = {"number": _ordinal(body, "number"), "tx_time_ns": body.uint(8)}
    length = body.uint(1)
    need(length in SOURCES, "length of the source")
    said.update(source=body.take(length), total=body.varint(), offset=body.varint(),
                data=body.rest())
    need(said["total"] <= MESSAGE_MAX, "total")
    need(said["offset"] + len(said["data"]) <= said["total"], "offset")
    need(said["data"] or not said["total"], "piece without bytes")
    return said


def _read_live(body):
    return {"channel": body.uint(2), "messages": body.varint(), "dropped": body.varint()}


def _read_manifest(body):
    said = {"chain": _ordinal(body, "chain"), "number": _ordinal(body, "number"),
            "total": body.varint(), "offset": body.varint(), "data": body.rest()}
    need(5 <= said["total"] <= MANIFEST_MAX, "total")
    need(said["data"], "manifest without bytes")
    need(said["offset"] + len(said["data"]) <= said["total"], "offset")
    return said


def _read_heartbeat(body):
    said = {"tx_time_ns": body.uint(8), "port_received": body.uint(8), "flags": body.uint(1),
            "config_digest": body.take(8)}
    count = body.uint(1)
    need(count <= LANES, "lanes")
    said["lanes"] = [[body.uint(2), body.uint(8)] for _ in range(count)]
    numbers = [lane for lane, _ in said["lanes"]]
    need(numbers == sorted(set(numbers)) and all(n < LANES for n in numbers), "lanes")
    return said


def _read_heads(body):
    said = {"channel": body.uint(2), "chain": body.varint(), "objects": body.varint(),
            "manifests": body.varint(), "head": body.take(32)}
    need(said["chain"] or not (said["objects"] or said["manifests"]), "numbers without chain")
    need(said["manifests"] or said["head"] == bytes(32), "head without manifest")
    return said


def _read_close(body):
    said = {"channel": body.uint(2), "stream": body.uint(1), "window": body.uint(4),
            "symbols": body.uint(2), "repairs": body.uint(2)}
    need(said["stream"] in (DATA, LEDGER), "stream")
    need(1 <= said["symbols"] <= WINDOW_SYMBOLS_MAX, "symbols")
    return said


_READERS = {"begin": _read_begin, "fragment": _read_fragment, "withdrawn": _read_withdrawn,
            "manifest": _read_manifest, "heartbeat": _read_heartbeat, "heads": _read_heads,
            "close": _read_close, "message": _read_message, "live": _read_live}


def _write_body(said):
    kind = said["type"]
    if kind in ("begin", "fragment", "withdrawn", "manifest"):
        front = varint(said["chain"]) + varint(said["number"])
    if kind == "begin":
        return front + bytes([said["kind"]]) + varint(said["size"]) + struct.pack(
            ">qI", said["mtime_s"], said["mtime_ns"]) + said["path"]
    if kind == "fragment":
        return front + varint(said["offset"]) + said["data"]
    if kind == "withdrawn":
        return front + bytes([said["reason"]])
    if kind == "manifest":
        return front + varint(said["total"]) + varint(said["offset"]) + said["data"]
    if kind == "heartbeat":
        lanes = b"".join(struct.pack(">HQ", *lane) for lane in said["lanes"])
        return struct.pack(">QQB8sB", said["tx_time_ns"], said["port_received"], said["flags"],
                           said["config_digest"], len(said["lanes"])) + lanes
    if kind == "message":
        return (varint(said["number"]) + struct.pack(">QB", said["tx_time_ns"],
                                                     len(said["source"]))
                + said["source"] + varint(said["total"]) + varint(said["offset"])
                + said["data"])
    if kind == "live":
        return (struct.pack(">H", said["channel"]) + varint(said["messages"])
                + varint(said["dropped"]))
    if kind == "heads":
        return (struct.pack(">H", said["channel"]) + varint(said["chain"])
                + varint(said["objects"]) + varint(said["manifests"]) + said["head"])
    return struct.pack(">HBIHH", said["channel"], said["stream"], said["window"],
                       said["symbols"], said["repairs"])


def write_record(said):
    body = _write_body(said)
    return bytes([TYPES[said["type"]]]) + varint(len(body)) + body


def read_symbol(symbol, place):
    """([records], None or why the rest was given up) of a symbol, received or restored; PLACE
    is data, ledger or control; what does not belong there is skipped like unknown types."""
    cursor, found = Cursor(symbol), []
    try:
        while cursor.left:
            kind = cursor.uint(1)
            if kind == 0:
                need(not any(cursor.rest()), "padding that is not zero")
                break
            body = Cursor(cursor.take(cursor.varint()))
            name = NAMES.get(kind)
            if PLACES.get(name) != place:
                continue
            said = {"type": name, **_READERS[name](body)}
            need(not body.left, "body ends late")
            found.append(said)
    except Refused as why:
        return found, str(why)
    return found, None


def write_symbol(records, size=None):
    symbol = b"".join(map(write_record, records))
    if size is not None:
        if len(symbol) > size:
            raise ValueError("records do not fit into the symbol")
        symbol = symbol.ljust(size, b"\0")
    return symbol
