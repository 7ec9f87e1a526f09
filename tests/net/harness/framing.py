# SPDX-License-Identifier: ISC
"""The framing of a whole run of tests: KM_FRAMING=udp in the environment puts every frame into
a UDP datagram, else it stands behind an Ethernet header alone. What tests build and read by
hand goes through here too, from the wire description and not from the product's code."""

import os
import struct

UDP = os.environ.get("KM_FRAMING", "ethernet") == "udp"

SRC, DST = ("192.0.2.1", 4001), ("198.51.100.7", 4002)
SRC_TEXT, DST_TEXT = (f"{address}:{port}" for address, port in (SRC, DST))
ETHER_BYTES, CARRIER_BYTES = 14, 28
# bytes before the clear header of an untagged frame, and bytes of an MTU that are not ours
LINK_BYTES = ETHER_BYTES + (CARRIER_BYTES if UDP else 0)
TAKEN_BYTES = CARRIER_BYTES if UDP else 0
ETHERTYPE = 0x0800 if UDP else 0x88B5


def keys(side):
    """Configuration keys of a daemon."""
    if not UDP:
        return {}
    return {"framing": "udp", "udp_dst": DST_TEXT, "udp_src": SRC_TEXT}


def emulator_options():
    return {"udp": DST[1]} if UDP else {}


def _checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _ip(text):
    return bytes(map(int, text.split(".")))


def ip_header(payload_bytes, **changes):
    """An IPv4 header with its checksum right; fields by name: first tos total ident flags ttl
    protocol source destination."""
    field = {"first": 0x45, "tos": 0, "total": 20 + payload_bytes, "ident": 0, "flags": 0x4000,
             "ttl": 64, "protocol": 17, "source": SRC[0], "destination": DST[0], **changes}
    head = struct.pack(">BBHHHBBH4s4s", field["first"], field["tos"], field["total"],
                       field["ident"], field["flags"], field["ttl"], field["protocol"], 0,
                       _ip(field["source"]), _ip(field["destination"]))
    return head[:10] + struct.pack(">H", _checksum(head)) + head[12:]


def datagram(payload, length=None, ports=(SRC[1], DST[1]), **changes):
    """IPv4 and UDP around payload; length is that of the UDP header."""
    length = 8 + len(payload) if length is None else length
    udp = struct.pack(">HHHH", *ports, length, 0)
    pseudo = _ip(SRC[0]) + _ip(DST[0]) + struct.pack(">BBH", 0, 17, 8 + len(payload))
    checksum = _checksum(pseudo + udp + payload) or 0xFFFF
    return ip_header(8 + len(payload), **changes) + udp[:6] + struct.pack(">H", checksum) + payload


def wrap(payload):
    """What stands behind the EtherType of a frame of ours."""
    return datagram(payload) if UDP else payload


def checksums_right(frame):
    """Both checksums of an untagged Ethernet frame with one datagram."""
    ip, udp = frame[14:34], frame[34:14 + int.from_bytes(frame[16:18], "big")]
    pseudo = ip[12:20] + struct.pack(">BBH", 0, 17, len(udp))
    return _checksum(ip) == 0 and _checksum(pseudo + udp) == 0


def split(frame):
    """The frames of a train, each as it would be on the wire; else [frame]. By the lengths of
    the clear headers."""
    if frame[12:14] != b"\x08\x00" or frame[36:38] != struct.pack(">H", DST[1]):
        return [frame]
    payload, parts = frame[42:14 + int.from_bytes(frame[16:18], "big")], []
    while payload:
        size = len(payload)
        if size >= 40:
            size = min(size, 40 + int.from_bytes(payload[32:34], "big")
                       + (0 if payload[1] == 1 else 16))
        parts.append(payload[:size])
        payload = payload[size:]
    if len(parts) < 2:
        return [frame]
    return [frame[:14] + datagram(part) for part in parts]
