# SPDX-License-Identifier: ISC
"""A transmitter of the tests' own: announces, sealed frames, records and manifests, true or
false, built from the wire description and not from the product's code.

    keys = forge.Keys(diode.dir + "/keys")
    session = forge.Session(keys)
    link.send(session.announce_frame())
    link.send(session.data(1, forge.begin(chain, 1, b"name", 5) + forge.fragment(...)))

Needs python3-cryptography (a Debian package); available() says whether it is there.
"""

import base64
import hashlib
import hmac
import os
import struct
import time

from . import framing, rawframe
from .tap import Skip

try:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.x25519 import (X25519PrivateKey,
                                                                  X25519PublicKey)
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError:
    AESGCM = None

DST, SRC = bytes.fromhex("034b4d000001"), bytes.fromhex("024b4d000001")
ANNOUNCE_FIXED, BOX, SIGNATURE, AAD_BYTES, TAG = 160, 56, 64, 39, 16
CONTROL, NORMAL = 0, 3  # lane = class, for the one worker
BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def require():
    if AESGCM is None:
        raise Skip("no python3-cryptography: frames cannot be forged")


def _raw(public):
    return public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def hkdf(length, salt, secret, info):
    """HKDF-SHA-256 of RFC 5869."""
    key = hmac.digest(salt or bytes(32), secret, "sha256")
    out, block = b"", b""
    for counter in range(1, -(-length // 32) + 1):
        block = hmac.digest(key, block + info + bytes([counter]), "sha256")
        out += block
    return out[:length]


def fingerprint(public):
    """As the product shows a key: 160 bits of its SHA-256 in Crockford's base32."""
    bits = int.from_bytes(hashlib.sha256(public).digest()[:20], "big")
    text = "".join(BASE32[bits >> 5 * i & 31] for i in reversed(range(32)))
    return "-".join(text[i:i + 4] for i in range(0, 32, 4))


class Keys:
    """What the test needs to know to pass for tx: its signing key, the receiver's key."""

    def __init__(self, directory):
        blob = self._load(directory, "tx.key", b"KMTX-SECRET-")
        self.number, self.seed = blob[:8], blob[8:40]
        self.receiver = self._load(directory, "rx.pub", b"KMRX-PUBLIC-")
        self.signer = Ed25519PrivateKey.from_private_bytes(self.seed)

    @staticmethod
    def _load(directory, name, prefix):
        with open(os.path.join(directory, name), "rb") as file:
            text = file.read()
        if not text.startswith(prefix):
            raise ValueError(f"{name}: not a key of the expected kind")
        return base64.b64decode(text.split()[1])

    @property
    def identity(self):
        return _raw(self.signer.public_key())

    def stranger(self):
        """The same, but the signing key is one that nobody trusts."""
        other = Keys.__new__(Keys)
        other.seed, other.number = os.urandom(32), self.number
        other.receiver = self.receiver
        other.signer = Ed25519PrivateKey.from_private_bytes(other.seed)
        return other


class Session:
    """An announce, and frames sealed under its secret. Every field can be forced."""

    def __init__(self, keys, epoch=None, environment=1, receivers=None, mtu=1500):
        self.keys, self.mtu = keys, mtu - framing.TAKEN_BYTES
        self.secret, self.ephemeral = os.urandom(32), X25519PrivateKey.generate()
        self.fixed = b"KMANNC01" + struct.pack(
            ">BBBBBBH32s16sQQ32s32s16x", 1, 1, 1, 1, 1, len(receivers or [1]), environment,
            keys.identity, os.urandom(16), int(time.time()) if epoch is None else epoch,
            time.time_ns(), _raw(self.ephemeral.public_key()), bytes(32))
        self.boxes = self._boxes(receivers or [keys.receiver])
        self.sign()
        self.seq, self.window = {}, {}

    def _boxes(self, receivers):
        ids = [hashlib.sha256(key).digest()[:8] for key in receivers]
        info = b"katamichi wrap v1\0" + hashlib.sha256(self.fixed + b"".join(ids)).digest()
        boxes = b""
        for key_id, key in zip(ids, receivers):
            shared = self.ephemeral.exchange(X25519PublicKey.from_public_bytes(key))
            wrap = hkdf(32, b"", shared, info)
            boxes += key_id + AESGCM(wrap).encrypt(bytes(12), self.secret, None)
        return boxes

    def sign(self):
        """Sign what stands there now; the lane keys follow from it."""
        body = self.fixed + self.boxes
        self.announce = body + self.keys.signer.sign(b"katamichi announce v1\0" + body)
        self.transcript = hashlib.sha256(self.announce).digest()
        self.tag = int.from_bytes(self.transcript[:4], "big")

    def announce_frame(self):
        return announce_frame(self.announce)

    def lane_key(self, lane):
        return hkdf(32, self.transcript, self.secret,
                    b"katamichi lane v1\0" + struct.pack(">H", lane))

    def frame(self, payload, lane=NORMAL, **fields):
        """A sealed source symbol; its own next number unless seq is given."""
        seq = fields.pop("seq", None)
        if seq is None:
            seq = self.seq.get(lane, 0)
            self.seq[lane] = seq + 1
        fields = {"session": self.tag, "lane": lane, "class_": lane % 8, "seq": seq,
                  "depth": 1, "symbol_bytes": self.mtu - 56, "payload_bytes": len(payload),
                  **fields}
        head = rawframe.header(**fields)
        sealed = AESGCM(self.lane_key(lane)).encrypt(
            bytes(4) + struct.pack(">Q", seq), payload, head[:AAD_BYTES])
        return rawframe.ethernet(DST, SRC, head + sealed)

    def control(self, records):
        """A window of one symbol on the control channel."""
        window = self.window[CONTROL] = self.window.get(CONTROL, -1) + 1
        return self.frame(records, CONTROL, window=window)

    def symbols(self, channel, payloads, stream=0):
        """The frames of one window of a channel, without repair, and its close record."""
        key = (channel, stream)
        window = self.window[key] = self.window.get(key, -1) + 1
        frames = [self.frame(payload, channel=channel, window=window, index=at, flags=stream)
                  for at, payload in enumerate(payloads)]
        return frames + [self.control(close(channel, stream, window, len(payloads)))]

    def heartbeat_frame(self, heads=b"", flags=0):
        """What the kernel took of every lane so far, this frame included."""
        taken = {**self.seq, CONTROL: self.seq.get(CONTROL, 0) + 1}
        return self.control(heartbeat(taken, flags) + heads)

    def file(self, channel, chain, number, path, content, size=None):
        """All frames of one small file."""
        first = begin(chain, number, path, len(content) if size is None else size)
        room, payloads, at = self.mtu - 56 - 40, [], 0
        while at < len(content) or not payloads:
            part = content[at:at + room - (len(first) if not payloads else 0)]
            payload = first if not payloads else b""
            payloads.append(payload + (fragment(chain, number, at, part) if part else b""))
            at += len(part)
        return self.symbols(channel, payloads)

    def manifest(self, channel, chain, number, text, signature):
        """All frames of a manifest: u32 length, text, signature."""
        blob = struct.pack(">I", len(text)) + text + signature
        room = self.mtu - 56 - 40
        parts = [manifest_part(chain, number, len(blob), at, blob[at:at + room])
                 for at in range(0, len(blob), room)]
        return self.symbols(channel, parts, stream=1)


def announce_frame(announce, **fields):
    head = rawframe.header(**{"type": rawframe.ANNOUNCE, "payload_bytes": len(announce),
                              **fields})
    return rawframe.ethernet(DST, SRC, head + announce)


# ---- records ------------------------------------------------------------------------------

def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def record(kind, body):
    return bytes([kind]) + varint(len(body)) + body


def begin(chain, number, path, size, kind=0, mtime=1600000000):
    return record(1, varint(chain) + varint(number) + bytes([kind]) + varint(size)
                  + struct.pack(">qI", mtime, 0) + path)


def fragment(chain, number, offset, data):
    return record(2, varint(chain) + varint(number) + varint(offset) + data)


def manifest_part(chain, number, total, offset, data):
    return record(8, varint(chain) + varint(number) + varint(total) + varint(offset) + data)


def heartbeat(accepted, flags=0, port_received=0):
    """accepted: {lane: frames}."""
    body = struct.pack(">QQB8xB", time.time_ns(), port_received, flags, len(accepted))
    for lane in sorted(accepted):
        body += struct.pack(">HQ", lane, accepted[lane])
    return record(16, body)


def heads(channel, chain, objects, manifests, head):
    return record(17, struct.pack(">H", channel) + varint(chain) + varint(objects)
                  + varint(manifests) + head)


def close(channel, stream, window, symbols, repairs=0):
    return record(18, struct.pack(">HBIHH", channel, stream, window, symbols, repairs))


# ---- manifests ----------------------------------------------------------------------------

def manifest_name(chain, number):
    return f"{chain}-{number:08d}.manifest"


def file_line(path, content, mtime=1600000000):
    digest = hashlib.sha256(content).hexdigest()
    if any(byte in path for byte in b"\\\n\r"):
        escaped = path.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
        line = b"\\" + digest.encode() + b"  ./" + escaped
    else:
        line = digest.encode() + b"  ./" + path
    return b"# mtime %d.%09d\n" % (mtime, 0) + line + b"\n"


def manifest_text(keys, chain, number, first, last, lines, previous=None, channel=1,
                  name="files"):
    """Canonical text; @lines come from file_line()."""
    own = manifest_name(chain, number)
    head = (f"# katamichi manifest 1\n# tx: {fingerprint(keys.identity)}\n"
            f"# channel: {channel} {name}\n# owner: operations\n# purpose: one-way copy\n"
            f"# classification: internal\n# chain: {chain}\n# manifest: {number}\n"
            f"# previous: {previous or 'none'}\n# objects: {first} {last}\n"
            f"# created: 2026-01-01T00:00:00.000Z\n# software: forge 1\n"
            f"# config: {'00' * 32}\n"
            f"# verify: minisign -Vm {own} -p tx.pub && sha256sum --strict -c {own}\n")
    return head.encode() + b"".join(lines)


def sign_manifest(keys, chain, number, text, comment=None):
    """A minisign file, prehashed, as the wire description says."""
    digest = hashlib.sha256(text).hexdigest()
    comment = (comment or f"{manifest_name(chain, number)} {digest}").encode()
    signature = keys.signer.sign(hashlib.blake2b(text).digest())
    both = keys.signer.sign(signature + comment)
    blob = base64.b64encode(b"ED" + keys.number + signature)
    return (b"untrusted comment: signature of katamichi-tx, a minisign file\n" + blob
            + b"\ntrusted comment: " + comment + b"\n" + base64.b64encode(both) + b"\n")
