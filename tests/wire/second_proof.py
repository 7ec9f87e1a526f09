# SPDX-License-Identifier: ISC
"""Manifests, signature files, key files, digests and tickets of docs/wire.md, both ways.

Part of the second reader. Reading refuses with Refused; a manifest is canonical when writing
what was read gives the same bytes.
"""

import base64
import binascii
import datetime
import hashlib
import re
import zlib

from second_wire import (MANIFEST_MAX, OBJECT_MAX, Cursor, Refused, check_path, need, sha256,
                         sign, varint, verify)

BATCH_MAX = 4096
TEXT_MAX = 8387580
SIGNATURE_FILE_MAX = 1024
CREATED_YEAR_MAX = 2553
TREE_FROM, TREE_LEAF = 67108864, 1048576
UNITS_MAX = 1 << 50
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
TICKET_CHARACTERS_MAX = 100


# ---- Base32, base64, fingerprints --------------------------------------------------------

def base32(data):
    """Crockford, most significant bit first, the last character filled with zero bits."""
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    return "".join(CROCKFORD[int(bits[i:i + 5], 2)] for i in range(0, len(bits), 5))


def from_base32(text):
    bits = ""
    for letter in text.upper().replace("-", ""):
        letter = {"O": "0", "I": "1", "L": "1"}.get(letter, letter)
        need(letter in CROCKFORD, "not base32")
        bits += f"{CROCKFORD.index(letter):05b}"
    spare = len(bits) % 8
    need(spare < 5 and "1" not in bits[len(bits) - spare:], "base32: spare bits")
    return bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits) - spare, 8))


def groups(text, size):
    return "-".join(text[i:i + size] for i in range(0, len(text), size))


def fingerprint(public):
    return groups(base32(sha256(public)[:20]), 4)


def from_base64(text, size):
    """SIZE bytes from base64 in its one canonical form."""
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Refused("not base64") from None
    need(len(data) == size and base64.b64encode(data) == text, "base64: not canonical")
    return data


# ---- Key files ---------------------------------------------------------------------------

def _line(text, head):
    need(text.startswith(head) and text.endswith(b"\n") and text.count(b"\n") == 1,
         f"not a line of {head.decode().strip()}")
    return text[len(head):-1]


def read_tx_public(text):
    """(key number, Ed25519 public key) of a minisign .pub."""
    lines = text.split(b"\n")
    need(len(lines) == 3 and lines[2] == b"" and lines[0].startswith(b"untrusted comment: "),
         "not a minisign public key")
    data = from_base64(lines[1], 42)
    need(data[:2] == b"Ed", "not an Ed25519 key")
    return data[2:10], data[10:]


def write_tx_public(number, public, comment):
    return (b"untrusted comment: " + comment + b"\n"
            + base64.b64encode(b"Ed" + number + public) + b"\n")


def write_tx_secret(number, seed):
    return b"KMTX-SECRET-1 " + base64.b64encode(number + seed) + b"\n"


def read_rx_secret(text):
    if text.startswith(b"KMRX-SECRET-2 "):  # dates and environment behind the key
        return from_base64(_line(text, b"KMRX-SECRET-2 ").split(b" ")[0], 32)
    return from_base64(_line(text, b"KMRX-SECRET-1 "), 32)


def write_rx_secret(secret):
    return b"KMRX-SECRET-1 " + base64.b64encode(secret) + b"\n"


def read_rx_public(text):
    fields = _line(text, b"KMRX-PUBLIC-1 ").split(b" ")
    need(len(fields) == 2, "not a receiver's public key")
    public = from_base64(fields[0], 32)
    need(fields[1] == fingerprint(public).encode(), "fingerprint")
    return public


def write_rx_public(public):
    return (b"KMRX-PUBLIC-1 " + base64.b64encode(public) + b" "
            + fingerprint(public).encode() + b"\n")


def read_tx_secret(text):
    """(key number, Ed25519 seed)."""
    data = from_base64(_line(text, b"KMTX-SECRET-1 "), 40)
    return data[:8], data[8:]


# ---- Digests -----------------------------------------------------------------------------

def object_digest(content):
    """(is a tree, hex digest) of an object."""
    if len(content) < TREE_FROM:
        return False, sha256(content).hex()
    return True, tree_digest(content)


def tree_digest(content):
    text = b""
    for at in range(0, len(content), TREE_LEAF):
        text += sha256(content[at:at + TREE_LEAF]).hex().encode() + b"\n"
    return sha256(text).hex()


# ---- Manifest ----------------------------------------------------------------------------

HEAD = ("katamichi manifest 1", "tx", "channel", "owner", "purpose", "classification", "chain",
        "manifest", "previous", "objects", "created", "software", "config", "verify")
# Unicode's bidirectional controls, line and paragraph separator, byte order mark
FORBIDDEN = {0x61C, 0x200E, 0x200F, 0x2028, 0x2029, 0xFEFF, *range(0x202A, 0x202F),
             *range(0x2066, 0x206A)}
HEX = re.compile(rb"[0-9a-f]{64}")
NUMBER = re.compile(rb"0|[1-9][0-9]*")
MTIME = re.compile(rb"# mtime (0|[1-9][0-9]*)\.([0-9]{9})")
REASONS = {1: b"changed", 2: b"gone"}


def check_text(text, limit=200):
    """TEXT (bytes) is fit for a header line."""
    need(1 <= len(text) <= limit, "text: length")
    try:
        letters = text.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("text: not UTF-8") from None
    for letter in map(ord, letters):
        need(letter >= 0x20 and not 0x7F <= letter <= 0x9F and letter not in FORBIDDEN,
             f"text: U+{letter:04X}")


def manifest_name(chain, number):
    return f"{chain}-{number:08d}.manifest"


def escape(path):
    return path.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")


def unescape(text):
    out, at = bytearray(), 0
    while at < len(text):
        step = 1
        byte = text[at]
        if byte == 0x5C:
            step = 2
            byte = {b"\\": 0x5C, b"n": 0x0A, b"r": 0x0D}.get(text[at + 1:at + 2])
            need(byte is not None, "escape")
        out.append(byte)
        at += step
    return bytes(out)


def write_manifest(manifest):
    """The text of {tx, channel: (number, name), owner, purpose, classification, chain, number,
    previous (32 bytes or None), first, created, software, config, objects}. An object is
    {kind: file|tree|dir|withdrawn, path, digest, mtime: (s, ns), reason}."""
    name = manifest_name(manifest["chain"], manifest["number"])
    last = manifest["first"] + len(manifest["objects"]) - 1
    values = [b"", manifest["tx"], b"%d %s" % manifest["channel"], manifest["owner"],
              manifest["purpose"], manifest["classification"], b"%d" % manifest["chain"],
              b"%d" % manifest["number"],
              manifest["previous"].hex().encode() if manifest["previous"] else b"none",
              b"%d %d" % (manifest["first"], last), manifest["created"], manifest["software"],
              manifest["config"].hex().encode(),
              f"minisign -Vm {name} -p tx.pub && sha256sum --strict -c {name}".encode()]
    lines = [b"# " + HEAD[0].encode()]
    lines += [b"# %s: %s" % (key.encode(), value) for key, value in zip(HEAD[1:], values[1:])]
    for entry in manifest["objects"]:
        lines += _write_object(entry)
    return b"\n".join(lines) + b"\n"


def _write_object(entry):
    path = escape(entry["path"])
    if entry["kind"] == "withdrawn":
        return [b"# withdrawn %s ./%s" % (REASONS[entry["reason"]], path)]
    lines = [b"# mtime %d.%09d" % entry["mtime"]]
    if entry["kind"] == "dir":
        lines.append(b"# dir ./" + path)
    elif entry["kind"] == "tree":
        lines.append(b"SHA256-TREE-1M (./%s) = %s" % (path, entry["digest"]))
    else:
        mark = b"\\" if path != entry["path"] else b""
        lines.append(b"%s%s  ./%s" % (mark, entry["digest"], path))
    return lines


def _number(text, low=1, high=(1 << 64) - 1):
    need(NUMBER.fullmatch(text), "number")
    value = int(text)
    need(low <= value <= high, "number: range")
    return value


def _hex(text):
    need(HEX.fullmatch(text), "digest")
    return bytes.fromhex(text.decode())


def _read_head(lines):
    need(len(lines) > len(HEAD), "manifest: short")
    need(lines[0] == b"# " + HEAD[0].encode(), "manifest: first line")
    values = {}
    for key, line in zip(HEAD[1:], lines[1:]):
        start = b"# %s: " % key.encode()
        need(line.startswith(start), f"manifest: {key}")
        values[key] = line[len(start):]
    for key in ("owner", "purpose", "classification"):
        check_text(values[key])
    check_text(values["software"], 63)
    need(re.fullmatch(rb"([0-9A-HJKMNP-TV-Z]{4}-){7}[0-9A-HJKMNP-TV-Z]{4}", values["tx"]),
         "manifest: fingerprint")
    number, space, name = values["channel"].partition(b" ")
    need(space, "manifest: channel")
    check_text(name, 64)
    first, space, last = values["objects"].partition(b" ")
    need(space, "manifest: objects")
    manifest = {
        "tx": values["tx"], "channel": (_number(number, high=65535), name),
        "owner": values["owner"], "purpose": values["purpose"],
        "classification": values["classification"], "chain": _number(values["chain"]),
        "number": _number(values["manifest"]), "first": _number(first),
        "created": values["created"], "software": values["software"],
        "config": _hex(values["config"]), "objects": []}
    none = values["previous"] == b"none"
    need(none == (manifest["number"] == 1), "manifest: previous")
    manifest["previous"] = None if none else _hex(values["previous"])
    need(none or any(manifest["previous"]), "manifest: previous")
    _check_created(values["created"])
    return manifest, _number(last, high=OBJECT_MAX) - manifest["first"] + 1


def _check_created(text):
    need(re.fullmatch(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text), "manifest: created")
    try:
        when = datetime.datetime.strptime(text.decode(), "%Y-%m-%dT%H:%M:%S.%fZ")
        need(1970 <= when.year <= CREATED_YEAR_MAX, "manifest: created")
    except ValueError:
        raise Refused("manifest: created") from None


def _path(text):
    need(text.startswith(b"./"), "manifest: path")
    path = unescape(text[2:])
    check_path(path)
    return path


def _read_object(lines):
    """One object from an iterator of lines."""
    line = next(lines, None)
    need(line is not None, "manifest: fewer objects than it says")
    for reason, word in REASONS.items():
        start = b"# withdrawn %s " % word
        if line.startswith(start):
            return {"kind": "withdrawn", "reason": reason, "path": _path(line[len(start):])}
    stamp = MTIME.fullmatch(line)
    need(stamp, "manifest: mtime")
    line = next(lines, b"")
    entry = {"mtime": (_number(stamp[1], 0, (1 << 63) - 1), int(stamp[2]))}
    if line.startswith(b"# dir "):
        return {**entry, "kind": "dir", "path": _path(line[6:])}
    tree = re.fullmatch(rb"SHA256-TREE-1M \((.*)\) = ([0-9a-f]{64})", line, re.S)
    if tree:
        return {**entry, "kind": "tree", "path": _path(tree[1]), "digest": tree[2]}
    file = re.fullmatch(rb"(\\?)([0-9a-f]{64})  (.*)", line, re.S)
    need(file, "manifest: object")
    path = _path(file[3]) if file[1] else file[3][2:]
    if not file[1]:
        need(file[3].startswith(b"./"), "manifest: path")
        check_path(path)
    return {**entry, "kind": "file", "path": path, "digest": file[2]}


def parse_manifest(text):
    """The manifest of a text, as write_manifest() takes it."""
    need(len(text) <= TEXT_MAX, "manifest: length")
    need(text.endswith(b"\n"), "manifest: last line")
    lines = text[:-1].split(b"\n")
    manifest, count = _read_head(lines)
    need(1 <= count <= BATCH_MAX, "manifest: objects")
    rest = iter(lines[len(HEAD):])
    for _ in range(count):
        manifest["objects"].append(_read_object(rest))
    need(next(rest, None) is None, "manifest: more objects than it says")
    paths = [entry["path"] for entry in manifest["objects"]]
    need(all(one < two for one, two in zip(paths, paths[1:])), "manifest: order of paths")
    need(write_manifest(manifest) == text, "manifest: not canonical")
    return manifest


def split_bundle(bundle):
    """(text, signature file) of what the manifest records carry."""
    need(len(bundle) <= MANIFEST_MAX, "manifest: total")
    cursor = Cursor(bundle)
    text = cursor.take(cursor.uint(4))
    return text, cursor.rest()


# ---- Signature file ----------------------------------------------------------------------

def write_signature(seed, number, text, name, untrusted):
    comment = f"{name} {sha256(text).hex()}".encode()
    sig = sign(seed, hashlib.blake2b(text).digest())
    return (b"untrusted comment: " + untrusted + b"\n"
            + base64.b64encode(b"ED" + number + sig) + b"\n"
            + b"trusted comment: " + comment + b"\n"
            + base64.b64encode(sign(seed, sig + comment)) + b"\n")


def check_signature(text, file, number, identity):
    """The trusted comment of a signature file that is right for TEXT and this key."""
    need(len(file) <= SIGNATURE_FILE_MAX, "signature file: length")
    lines = file.split(b"\n")
    need(len(lines) == 5 and lines[4] == b"", "signature file: lines")
    need(lines[0].startswith(b"untrusted comment: "), "signature file: untrusted comment")
    need(lines[2].startswith(b"trusted comment: "), "signature file: trusted comment")
    comment = lines[2][len(b"trusted comment: "):]
    need(len(comment) <= 200, "signature file: comment")
    need(all(byte == 9 or (byte >= 0x20 and byte != 0x7F) for byte in comment),
         "signature file: control character")
    blob, all_of_it = from_base64(lines[1], 74), from_base64(lines[3], 64)
    need(blob[:2] == b"ED", "signature file: form")
    need(blob[2:10] == number, "signature file: key number")
    verify(identity, blob[10:], hashlib.blake2b(text).digest())
    verify(identity, all_of_it, blob[10:] + comment)
    return comment


# ---- Ticket ------------------------------------------------------------------------------

OBJECTS, EXTENTS, MANIFESTS = 1, 2, 3


def write_ticket(kind, channel, chain, items, number=0):
    """The text of a ticket; ITEMS are ascending [first, last]; NUMBER for kind EXTENTS."""
    out = bytes([1, kind]) + varint(channel) + varint(chain)
    if kind == EXTENTS:
        out += varint(number)
    following = 0
    for first, last in items:
        out += varint(first - following) + varint(last - first)
        following = last + 1
    text = base32(out + zlib.crc32(out).to_bytes(4, "big"))
    if len(text) > TICKET_CHARACTERS_MAX:
        raise ValueError("too long for a ticket")
    return groups(text, 5)


def read_ticket(text):
    need(len(text.replace("-", "")) <= TICKET_CHARACTERS_MAX, "ticket: length")
    data = from_base32(text)
    need(len(data) >= 4, "ticket: short")
    need(zlib.crc32(data[:-4]) == int.from_bytes(data[-4:], "big"), "ticket: CRC")
    body = Cursor(data[:-4])
    need(body.uint(1) == 1, "ticket: version")
    ticket = {"kind": body.uint(1), "channel": body.varint(), "chain": body.varint(),
              "object": 0, "items": []}
    need(ticket["kind"] in (OBJECTS, EXTENTS, MANIFESTS), "ticket: kind")
    need(1 <= ticket["channel"] <= 65535, "ticket: channel")
    need(ticket["chain"] >= 1, "ticket: chain")
    if ticket["kind"] == EXTENTS:
        ticket["object"] = body.varint()
        need(ticket["object"] >= 1, "ticket: object")
    following = 0
    while body.left:
        first = following + body.varint()
        last = first + body.varint()
        if ticket["kind"] == EXTENTS:
            need(last < UNITS_MAX, "ticket: unit")
        else:
            need(1 <= first and last <= OBJECT_MAX, "ticket: number")
        ticket["items"].append([first, last])
        following = last + 1
    need(ticket["items"], "ticket: no item")
    return ticket
