# SPDX-License-Identifier: ISC
"""A second receiver, written from docs/wire.md alone, that reads a recording of the link.

    second_reader.py --key rx.key --trust tx.pub [--into DIR] CAPTURE.pcap

Opens every frame of every session announced to this key, repairs what was lost, puts objects
and manifests together, and checks manifests, chain and contents. Prints what it found as one
JSON object; with --into, writes <DIR>/<channel>/tree and <DIR>/<channel>/manifests. Slow and
in memory: it is there to be independent of the product, and nothing of the product is used.
"""

import argparse
import collections
import json
import os
import struct
import sys

import second_fec as fec
from second_proof import (check_signature, fingerprint, manifest_name, object_digest,
                          parse_manifest, read_rx_secret, read_tx_public, split_bundle)
from second_wire import (ANNOUNCE, DATA, ETHERTYPE, HEADER_LEN, LEDGER, REPAIR, Refused,
                         check_path, need, open_announce, open_sealed, parse_announce,
                         parse_header, read_symbol, sha256, split_train, strip_ethernet,
                         strip_udp)

PLACE = {DATA: "data", LEDGER: "ledger"}


def block_sources(symbols, depth, block):
    """k of a block of a window with so many source symbols."""
    return max(0, -((block - symbols) // depth))


class Window:
    """One window of a session: what arrived, and what can be made of it."""

    def __init__(self, head):
        self.geometry = self._geometry(head)
        self.M, self.depth, self.symbol = head.M, head.depth, head.symbol
        self.sources, self.rows, self.k = {}, {}, {}
        self.symbols = self.repairs = None

    @staticmethod
    def _geometry(head):
        return head.code, head.depth, head.M, head.symbol

    def add(self, head, payload):
        need(self._geometry(head) == self.geometry, "window: geometry changed")
        if head.type == REPAIR:
            row, block = divmod(head.index, self.depth)
            need(self.k.setdefault(block, head.k) == head.k, "window: k changed")
            self.rows.setdefault(block, {})[row] = payload
        else:
            self.sources[head.index] = payload

    def close(self, symbols, repairs):
        self.symbols, self.repairs = symbols, repairs
        for block, k in self.k.items():
            need(block_sources(symbols, self.depth, block) == k, "window: k and close differ")
        need(not self.sources or max(self.sources) < symbols, "window: symbol after the end")

    def _block_k(self, block):
        if self.symbols is not None:
            return block_sources(self.symbols, self.depth, block)
        return self.k.get(block)

    def restore(self):
        """{t: symbol} of what was lost and is repaired; the number of symbols that are known
        to be missing still."""
        restored, missing = {}, 0
        for block in range(self.depth):
            k = self._block_k(block)
            if not k:
                continue
            have = {t // self.depth: symbol.ljust(self.symbol, b"\0")
                    for t, symbol in self.sources.items() if t % self.depth == block}
            need(not have or max(have) < k, "window: source beyond k")
            found = {}
            if len(have) < k and self.M:
                found = fec.decode(self.M, k, have, self.rows.get(block, {})) or {}
            missing += k - len(have) - len(found)
            restored.update({esi * self.depth + block: symbol
                             for esi, symbol in found.items()})
        return restored, missing


class Pieces:
    """Bytes that come in any order and more than once."""

    def __init__(self):
        self.by_offset = {}

    def add(self, offset, data):
        if len(data) > len(self.by_offset.get(offset, b"")):
            self.by_offset[offset] = data

    def join(self, size):
        """The SIZE bytes, or None when some are missing."""
        out = bytearray()
        for offset, data in sorted(self.by_offset.items()):
            if offset > len(out):
                return None
            shared = min(len(out) - offset, len(data))
            need(out[offset:offset + shared] == data[:shared], "two contents of one place")
            out += data[shared:]
        need(len(out) <= size, "bytes beyond the end")
        return bytes(out) if len(out) == size else None


class Channel:
    """What was heard of one channel and chain."""

    def __init__(self):
        self.begun, self.withdrawn, self.totals = {}, {}, {}
        self.content = collections.defaultdict(Pieces)
        self.bundles = collections.defaultdict(Pieces)
        self.heads = []

    def take(self, said):
        number = said.get("number")
        if said["type"] == "begin":
            check_path(said["path"])
            facts = {key: said[key] for key in ("kind", "size", "mtime_s", "mtime_ns", "path")}
            need(self.begun.setdefault(number, facts) == facts, "two beginnings of one object")
        elif said["type"] == "fragment":
            self.content[number].add(said["offset"], said["data"])
        elif said["type"] == "withdrawn":
            self.withdrawn[number] = said["reason"]
        else:
            need(self.totals.setdefault(number, said["total"]) == said["total"],
                 "two sizes of one manifest")
            self.bundles[number].add(said["offset"], said["data"])

    def object(self, number):
        """The content of an object that has begun, or None when bytes are missing."""
        return self.content[number].join(self.begun[number]["size"])

    def verified_manifests(self, trusted, channel, chain):
        """[(text, signature file, manifest)] from number 1 on, each checked against its
        signature, the records it came in and the one before."""
        found, previous, following = [], None, 1
        for number in sorted(self.totals):
            bundle = self.bundles[number].join(self.totals[number])
            need(bundle is not None, f"manifest {number}: bytes are missing")
            text, file = split_bundle(bundle)
            for key_number, identity in trusted:
                try:
                    comment = check_signature(text, file, key_number, identity)
                    break
                except Refused:
                    continue
            else:
                raise Refused(f"manifest {number}: no trusted signature")
            manifest = parse_manifest(text)
            name = manifest_name(manifest["chain"], manifest["number"])
            need(manifest["number"] == number == len(found) + 1, "manifest: number")
            need((manifest["channel"][0], manifest["chain"]) == (channel, chain),
                 "manifest: of another channel or chain")
            need(manifest["tx"] == fingerprint(identity).encode(), "manifest: fingerprint")
            need(comment == f"{name} {sha256(text).hex()}".encode(), "manifest: comment")
            need(manifest["previous"] == previous, "manifest: previous")
            need(manifest["first"] == following, "manifest: first object")
            previous, following = sha256(text), following + len(manifest["objects"])
            found.append((text, file, manifest))
        return found

    def check_object(self, number, entry):
        """Refuse unless what was sent of an object is what its manifest says; its content
        (None for a directory or a withdrawn object)."""
        if entry["kind"] == "withdrawn":
            need(self.withdrawn.get(number) == entry["reason"], "withdrawn only on paper")
            return None
        need(number in self.begun, f"object {number}: no beginning")
        facts = self.begun[number]
        need(facts["path"] == entry["path"], f"object {number}: path")
        # an mtime before 1970 is carried as 0
        mtime = (facts["mtime_s"], facts["mtime_ns"]) if facts["mtime_s"] >= 0 else (0, 0)
        need(mtime == entry["mtime"], f"object {number}: mtime")
        need((entry["kind"] == "dir") == (facts["kind"] == 1), f"object {number}: kind")
        if entry["kind"] == "dir":
            return None
        content = self.object(number)
        need(content is not None, f"object {number}: bytes are missing")
        tree, digest = object_digest(content)
        need(tree == (entry["kind"] == "tree"), f"object {number}: kind of digest")
        need(digest.encode() == entry["digest"], f"object {number}: digest")
        return content


class Reader:
    """Reads frames of a recording: announces first, then everything."""

    def __init__(self, secret, trusted, ethertype=ETHERTYPE, udp=None):
        """udp: (address as 4 bytes, port) of the datagrams that hold the frames."""
        self.secret, self.trusted, self.udp = secret, trusted, udp
        self.ethertype = 0x0800 if udp else ethertype
        self.sessions, self.windows, self.channels = {}, {}, {}
        self.opened = collections.defaultdict(set)
        self.accepted = collections.defaultdict(int)
        self.refused = collections.Counter()
        self.copies = self.repaired = self.missing = 0
        self.farewell = set()

    def _pieces(self, packet):
        try:
            payload = strip_udp(packet, *self.udp)
            return [] if payload is None else split_train(payload)
        except Refused as why:
            self.refused[str(why)] += 1
            return []

    def ours(self, frames):
        """Our frames, without what carries them."""
        inside = [f for f in (strip_ethernet(f, self.ethertype) for f in frames) if f]
        if not self.udp:
            return inside
        return [piece for packet in inside for piece in self._pieces(packet)]

    def read(self, frames):
        ours = self.ours(frames)
        closes = {}
        for frame in ours:
            self._announce(frame)
        for frame in ours:
            self._frame(frame, closes)
        for place, (symbols, repairs) in closes.items():
            if place in self.windows:
                self.windows[place].close(symbols, repairs)
            else:
                self.missing += symbols
        for (_, channel, stream, _), window in sorted(self.windows.items()):
            restored, missing = window.restore()
            self.repaired += len(restored)
            self.missing += missing
            for symbol in restored.values():
                self._symbol(symbol, PLACE[stream], channel)

    def _announce(self, frame):
        try:
            head = parse_header(frame)
            if head.type != ANNOUNCE:
                return
            announce = parse_announce(frame[HEADER_LEN:HEADER_LEN + head.length])
            session = open_announce(announce, [key for _, key in self.trusted], self.secret)
        except Refused as why:
            self.refused[str(why)] += frame[1:2] == bytes([ANNOUNCE])
            return
        known = self.sessions.setdefault(session.tag, session)
        need(known.transcript == session.transcript, "two sessions with one tag")

    def _frame(self, frame, closes):
        try:
            head = parse_header(frame)
            if head.type == ANNOUNCE:
                return
            need(head.session in self.sessions, "unknown session")
            key = self.sessions[head.session].lane_key(head.lane)
            payload = open_sealed(key, head, frame)
        except Refused as why:
            self.refused[str(why)] += 1
            return
        lane = self.opened[(head.session, head.lane)]
        if head.seq in lane:
            self.copies += 1
            return
        lane.add(head.seq)
        if head.channel == 0:
            self._control(head, payload, closes)
            return
        place = (head.session, head.channel, head.stream, head.window)
        self.windows.setdefault(place, Window(head)).add(head, payload)
        if head.type != REPAIR:
            self._symbol(payload, PLACE[head.stream], head.channel)

    def _symbol(self, symbol, place, channel):
        records, why = read_symbol(symbol, place)
        need(why is None, f"record: {why}")
        for said in records:
            self.channels.setdefault((channel, said["chain"]), Channel()).take(said)

    def _control(self, head, payload, closes):
        need((head.class_, head.depth, head.code, head.stream) == (0, 1, 0, 0),
             "geometry of the control channel")
        records, why = read_symbol(payload, "control")
        need(why is None, f"record: {why}")
        for said in records:
            if said["type"] == "heartbeat":
                if said["flags"] & 1:
                    self.farewell.add(head.session)
                for lane, accepted in said["lanes"]:
                    key = (head.session, lane)
                    self.accepted[key] = max(self.accepted[key], accepted)
            elif said["type"] == "heads" and said["chain"]:
                place = (said["channel"], said["chain"])
                self.channels.setdefault(place, Channel()).heads.append(said)
            elif said["type"] == "close":
                place = (head.session, said["channel"], said["stream"], said["window"])
                counts = said["symbols"], said["repairs"]
                need(closes.setdefault(place, counts) == counts, "two ends of one window")

    def ends(self):
        """{(session tag, lane): how many frames are known to have been sent}."""
        return {key: max([self.accepted[key], *(seq + 1 for seq in self.opened[key])])
                for key in self.accepted.keys() | self.opened.keys()}

    def lost(self):
        """{(session tag, lane): [sequences]} that must have been sent and were not opened."""
        found = {key: sorted(set(range(end)) - self.opened[key])
                 for key, end in self.ends().items()}
        return {key: gone for key, gone in found.items() if gone}


def read_pcap(path):
    """Ethernet frames of a pcap file, whichever byte order wrote it."""
    with open(path, "rb") as file:
        data = file.read()
    need(len(data) >= 24, "pcap: short")
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    magic, link = struct.unpack(order + "I16xI", data[:24])
    need(magic in (0xA1B2C3D4, 0xA1B23C4D) and link == 1, "pcap: not of Ethernet frames")
    frames, at = [], 24
    while at < len(data):
        kept, length = struct.unpack_from(order + "8xII", data, at)
        need(kept == length and at + 16 + kept <= len(data), "pcap: a frame is cut short")
        frames.append(data[at + 16:at + 16 + kept])
        at += 16 + kept
    return frames


def write_tree(directory, channel, manifests):
    """Write what a channel holds, from its verified manifests; counts."""
    counts = collections.Counter()
    tree = os.path.join(os.fsencode(directory), b"tree")
    notes = os.path.join(directory, "manifests")
    os.makedirs(tree)
    os.makedirs(notes)
    for text, file, manifest in manifests:
        name = os.path.join(notes, manifest_name(manifest["chain"], manifest["number"]))
        for path, content in ((name, text), (name + ".minisig", file)):
            with open(path, "wb") as out:
                out.write(content)
        counts["manifests"] += 1
        for number, entry in enumerate(manifest["objects"], manifest["first"]):
            content = channel.check_object(number, entry)
            counts[entry["kind"]] += 1
            if entry["kind"] == "withdrawn":
                continue
            path = os.path.join(tree, entry["path"])
            if entry["kind"] == "dir":
                os.makedirs(path, exist_ok=True)
                continue
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as out:
                out.write(content)
            seconds, ns = entry["mtime"]
            os.utime(path, ns=(seconds * 10**9 + ns,) * 2)
    return counts


def _check_heads(channel, manifests):
    """The last heads record of a channel speaks of its last manifest."""
    last = max(channel.heads, key=lambda said: (said["objects"], said["manifests"]))
    need(last["manifests"] == len(manifests), "heads: manifests")
    if manifests:
        text, _, manifest = manifests[-1]
        need(last["head"] == sha256(text), "heads: head")
        need(last["objects"] == manifest["first"] + len(manifest["objects"]) - 1,
             "heads: objects")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--key", required=True, help="the receiver's secret key file")
    parser.add_argument("--trust", required=True, help="tx's public key file")
    parser.add_argument("--into", help="a new directory for trees and manifests")
    parser.add_argument("--udp", metavar="ADDRESS:PORT",
                        help="the frames stand in datagrams to there")
    parser.add_argument("capture")
    options = parser.parse_args()
    udp = None
    if options.udp:
        address, _, port = options.udp.partition(":")
        udp = bytes(map(int, address.split("."))), int(port)
    with open(options.key, "rb") as file:
        secret = read_rx_secret(file.read())
    with open(options.trust, "rb") as file:
        trusted = [read_tx_public(file.read())]
    reader = Reader(secret, trusted, udp=udp)
    reader.read(read_pcap(options.capture))
    channels = {}
    for (number, chain), channel in sorted(reader.channels.items()):
        manifests = channel.verified_manifests(trusted, number, chain)
        _check_heads(channel, manifests)
        if options.into:
            where = os.path.join(options.into, str(number))
            channels[str(number)] = {"chain": chain, **write_tree(where, channel, manifests)}
    json.dump({
        "sessions": [f"{tag:08x}" for tag in sorted(reader.sessions)],
        "farewells": len(reader.farewell), "opened": sum(map(len, reader.opened.values())),
        "copies": reader.copies, "refused": reader.refused, "repaired": reader.repaired,
        "missing": reader.missing, "channels": channels,
        "lost": [[tag, lane, gone] for (tag, lane), gone in sorted(reader.lost().items())],
        "ends": [[tag, lane, end] for (tag, lane), end in sorted(reader.ends().items())],
    }, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    try:
        main()
    except (Refused, OSError) as error:
        sys.exit(f"second_reader: {error}")
