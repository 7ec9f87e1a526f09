# SPDX-License-Identifier: ISC
"""Frames by hand: the clear header, raw sockets in a namespace, pcap files.

Written from the wire description, not from the product's code, so that hostile and odd
frames can be made and the product's own can be read by a second pair of eyes.
"""

import collections
import socket
import struct

from . import framing

ETHERTYPE = 0x88B5
ETH_BYTES = framing.LINK_BYTES  # before the clear header; IPv4 and UDP included
ANNOUNCE, SOURCE, REPAIR = 1, 2, 3
CLEAR = struct.Struct(">BBBBIHHQIHHBBBBHH3xB")
FIELDS = ("version type class_ fec session lane channel seq window index depth code_rows k m "
          "flags payload_bytes symbol_bytes link")
Header = collections.namedtuple("Header", FIELDS)

_SOL_PACKET = 263
_PACKET_ADD_MEMBERSHIP, _PACKET_STATISTICS, _PACKET_IGNORE_OUTGOING = 1, 6, 23
_PACKET_AUXDATA = 8
_AUXDATA = struct.Struct("IIIHHHH")  # status, length, snaplen, mac, net, tag, its type
_TP_STATUS_VLAN_VALID = 1 << 4
_PACKET_MR_PROMISC = 1
_SO_RCVBUFFORCE = 33
_ETH_P_ALL = 3


def header(**fields):
    """A clear header; fields not named are 0 but for version 1 and type SOURCE."""
    return CLEAR.pack(*Header(**{**dict.fromkeys(Header._fields, 0), "version": 1,
                                 "type": SOURCE, **fields}))


def read_header(frame):
    """The Header of an Ethernet frame (no VLAN tag) or None when it is too short."""
    if len(frame) < ETH_BYTES + CLEAR.size:
        return None
    return Header._make(CLEAR.unpack_from(frame, ETH_BYTES))


def ethernet(destination, source, payload, ethertype=None):
    """A frame on the wire; without ethertype it is one of ours, in the framing of the run."""
    if ethertype is None:
        ethertype, payload = framing.ETHERTYPE, framing.wrap(payload)
    return destination + source + struct.pack(">H", ethertype) + payload


def sender(interface):
    """A raw socket that sends on a netns.Interface and hears nothing."""
    sock = interface.ns.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind((interface.name, 0))
    return sock


class Receiver:
    """Hears every frame that comes in by a netns.Interface; a context manager."""

    def __init__(self, interface, buffer_bytes=256 << 20, whole=False):
        """whole: trains of datagrams are handed out as they came."""
        self.whole = whole
        self.packets = 0  # as the kernel counts them: a train of datagrams is one
        self.sock = interface.ns.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, buffer_bytes)
        self.sock.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        self.sock.bind((interface.name, _ETH_P_ALL))
        index = int(interface.ns.shell(f"cat /sys/class/net/{interface.name}/ifindex"))
        self.sock.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP,
                             struct.pack("iHH8s", index, _PACKET_MR_PROMISC, 0, b""))

    def take(self):
        """Frames that are there now."""
        frames = []
        while True:
            try:
                frames += self._split(self.sock.recv(70000, socket.MSG_DONTWAIT))
            except BlockingIOError:
                return frames

    def _split(self, frame):
        self.packets += 1
        return [frame] if self.whole else framing.split(frame)

    def take_tagged(self):
        """[(tag, frame)] of what is there now; the tag None: none. The kernel takes a tag
        off and tells it beside the frame."""
        frames = []
        self.sock.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        while True:
            try:
                frame, beside, _, _ = self.sock.recvmsg(70000, 256, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return frames
            status, *_, tag, _ = _AUXDATA.unpack(beside[0][2])
            frames.append((tag if status & _TP_STATUS_VLAN_VALID else None, frame))

    def take_until_quiet(self, quiet_seconds=0.3):
        """Frames until none has come for a while."""
        frames = []
        self.sock.settimeout(quiet_seconds)
        try:
            while True:
                frames += self._split(self.sock.recv(70000))
        except socket.timeout:
            return frames
        finally:
            self.sock.settimeout(None)

    def drops(self):
        """Frames the kernel dropped since the last call as our buffer was full."""
        return struct.unpack("II", self.sock.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))[1]

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def write_pcap(path, frames):
    """A pcap file of Ethernet frames, of this machine's byte order."""
    with open(path, "wb") as file:
        file.write(struct.pack("=IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
        for number, frame in enumerate(frames):
            file.write(struct.pack("=IIII", 1700000000, number, len(frame), len(frame)) + frame)


def read_pcap(path):
    """[(seconds, frame)] of a pcap file of Ethernet frames, of this machine's byte order.
    Raises when it is cut short."""
    frames = []
    with open(path, "rb") as file:
        magic, _, _, _, _, link = struct.unpack("=IIiIII", file.read(24))
        unit = {0xA1B2C3D4: 1e-6, 0xA1B23C4D: 1e-9}[magic]
        if link != 1:
            raise ValueError(f"{path}: link type {link}, want Ethernet")
        while head := file.read(16):
            seconds, fraction, kept, length = struct.unpack("=IIII", head)
            frame = file.read(kept)
            if len(frame) != kept or kept != length:
                raise ValueError(f"{path}: record {len(frames)} is cut short")
            frames.append((seconds + fraction * unit, frame))
    return frames
