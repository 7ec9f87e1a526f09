#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""framing = udp: trains of datagrams that the kernel cuts or passes on whole, single datagrams
where it does not take trains, recordings of both, and what is refused of what looks like
them. (The suites that run in both framings stand in meson.build.)"""

import os
import re
import select
import socket
import struct
import subprocess
import sys
import threading

os.environ["KM_FRAMING"] = "udp"
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import account, framing, netns, rawframe, stats, tap, tree  # noqa: E402
from harness import without_vnet  # noqa: E402
from harness.diode import LANES, Diode  # noqa: E402
from harness.emu import Emulator  # noqa: E402
from harness.rings import Rings  # noqa: E402

MTU = 1500
SOL_PACKET, PACKET_VNET_HDR = 263, 15
NEEDS_CSUM, GSO_UDP_L4 = 1, 5
DST, SRC = bytes.fromhex("034b4d000001"), bytes.fromhex("024b4d000001")


def make_source(t, name, rng):
    source = os.path.join(t.dir, name)
    tree.make_files(source, 200, (0, 60000), rng)
    tree.make_file(os.path.join(source, "large"), 8 << 20, rng)
    return source


def transfer(t, diode, source):
    """Everything crosses; the last counters of both sides."""
    count = tree.objects(source)
    diode.start_rx()
    diode.start_tx()
    tree.copy(source, diode.spool())
    diode.wait_sent(count, 120)
    diode.wait(lambda: diode.published() >= count, 120, f"{count} objects published")
    tx, rx = diode.finish()
    difference = tree.compare(source, diode.tree())
    t.check(difference.good, difference)
    account.check_sums(t, rx)
    return tx, rx


def check_nothing_lost(t, path, tx, rx):
    """Every frame that the kernel of tx took was seen, and nothing flowed back."""
    t.equal(rx["decode.lost_total"], 0, "frames lost")
    t.equal(account.refused(rx), {}, "frames refused")
    t.equal(rx["decode.seen"], tx["sender.frames_sent"] + tx["sender.probes_sent"],
            "frames sent, frames seen")
    for n in LANES:
        sent = tx[f"sender.lane{n}_sent"] - (tx["source.announces"] if n == 0 else 0)
        t.equal(rx[f"decode.lane{n}_taken"], sent, f"frames of lane {n}")
    t.equal(tx["sender.packet_stats_received"], 0, "frames tx's link socket received")
    t.equal(stats.one_way(path), {}, "frames the other way")


def segmented(t, diode):
    """Skip where this kernel takes no trains (before Linux 6.2)."""
    line = diode.tx.wait_line(r"link\.trains.*", 30)[0]
    if "refuses" in line:
        t.equal(diode.counters("tx")["sender.trains_taken"], 0, "trains_taken after a refusal")
        raise tap.Skip(f"this kernel takes no trains: {line}")


@tap.test
def trains_pass_whole(t):
    """Over one cable, where veth cuts nothing: rx gets trains, by its ring, and beside it a
    recording of them that can be replayed. With a VLAN tag and with jumbo frames too."""
    netns.require()
    rng = tap.rng("trains")
    for mtu, vlan in ((MTU, None), (MTU, 5), (9000, None)):
        name = f"mtu-{mtu}-vlan-{vlan}"
        os.makedirs(os.path.join(t.dir, name))
        with netns.Path(mtu=mtu, emulator=False) as path, \
                Diode(path, os.path.join(t.dir, name), tx={"vlan": vlan, "rate": "2 Gbit/s"},
                      rx={"vlan": vlan}) as diode, \
                rawframe.Receiver(path.rx, whole=True) as heard:
            source = make_source(t, name + "-source", rng)
            diode.start_tx()
            segmented(t, diode)
            diode.stop_tx()
            heard.take_until_quiet()
            tx, rx = transfer(t, diode, source)
            frames = heard.take_until_quiet()
            sent = stats.counters(path.tx)["tx_packets"]
            tap.note(f"{name}: {tx['sender.frames_sent']} frames in {sent} packets of the "
                     f"interface, {tx['sender.trains_sent']} trains sent, "
                     f"{rx['decode.trains']} came whole")
            t.check(tx["sender.trains_taken"] == 1, "trains are in use")
            t.check(rx["decode.trains"] > 50, f"{rx['decode.trains']} trains came whole")
            check_nothing_lost(t, path, tx, rx)
            if vlan is None:
                replay_whole(t, diode, frames, source, mtu)


def replay_whole(t, diode, frames, source, mtu):
    longest = max(map(len, frames))
    t.check(longest > 2 * mtu, f"the longest recorded frame has {longest} bytes")
    capture, into = (os.path.join(t.dir, f"{mtu}-{name}") for name in ("trains.pcap", "replayed"))
    rawframe.write_pcap(capture, frames)
    code, text = diode.replay(capture, into)
    t.equal(code, 0, f"exit code of replay:\n{text[-2000:]}")
    difference = tree.compare(source, os.path.join(into, "files", "tree"))
    t.check(difference.good, f"replayed: {difference}")


@tap.test
def libpcap_takes_trains(t):
    netns.require()
    rng = tap.rng("pcap")
    with netns.Path(mtu=MTU, emulator=False) as path, \
            Diode(path, t.dir, rx={"capture": "pcap", "udp_src": None}) as diode:
        tx, rx = transfer(t, diode, make_source(t, "source", rng))
        t.check(rx["supervisor.intake_pump"], "libpcap is not in use")
        t.equal(rx["decode.trains"] > 0, tx["sender.trains_taken"] == 1, "trains sent and seen")
        check_nothing_lost(t, path, tx, rx)


class Relay(threading.Thread):
    """From one port to another, each train whole as it came, with what the kernel says of it;
    but the first train of at least LEAST frames of lane 3 is kept back."""

    def __init__(self, path, least):
        super().__init__()
        self.least, self.lost, self.passed, self.trains = least, [], 0, 0
        self.lost_piece = 0
        self.heard = path.emu_in.ns.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.out = rawframe.sender(path.emu_out)
        for sock in (self.heard, self.out):
            sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        self.heard.setsockopt(SOL_PACKET, 23, 1)  # PACKET_IGNORE_OUTGOING
        self.heard.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        self.heard.bind((path.emu_in.name, 3))  # ETH_P_ALL
        self.stopped, self.stop_at = os.pipe()

    def run(self):
        while True:
            ready, _, _ = select.select([self.heard, self.stopped], [], [])
            if self.stopped in ready:
                return
            self.pass_on(self.heard.recv(70000))

    def pass_on(self, packet):
        piece = struct.unpack_from("=H", packet, 4)[0]
        frames = framing.split(packet[10:])
        head = rawframe.read_header(frames[0])
        self.trains += len(frames) > 1
        if not self.lost and len(frames) >= self.least and head.lane == 3:
            self.lost = [rawframe.read_header(frame) for frame in frames]
            self.lost_piece = piece
            return
        self.passed += len(frames)
        self.out.send(packet)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        os.write(self.stop_at, b".")
        self.join()
        for sock in (self.heard, self.out):
            sock.close()
        for fd in (self.stopped, self.stop_at):
            os.close(fd)


@tap.test
def one_lost_train_is_its_frames(t):
    """One packet of the interface lost, which is a train of N frames: rx has lost N frames, and
    names just these; all comes by repair."""
    netns.require()
    rng = tap.rng("lost train")
    with netns.Path(mtu=MTU) as path, Diode(path, t.dir, tx={"rate": "200 Mbit/s"}) as diode:
        source = make_source(t, "source", rng)
        with Relay(path, least=4) as relay:
            tx, rx = transfer(t, diode, source)
        if not tx["sender.trains_taken"]:
            raise tap.Skip("this kernel takes no trains")
        lost = relay.lost
        tap.note(f"one train of {len(lost)} frames lost; {relay.trains} trains, "
                 f"{relay.passed} frames passed on")
        t.require(len(lost) >= 4, "no train was long enough to be lost")
        t.equal({head.lane for head in lost}, {3}, "lanes of one train")
        t.equal(relay.lost_piece, 56 + lost[0].payload_bytes,
                "the size of its pieces, for the kernel and by the first clear header")
        t.equal(rx["decode.lost_total"], len(lost), "frames lost")
        t.equal(diode.losses(), {(lost[0].session, 3): [head.seq for head in lost]},
                "frames lost, by number")
        t.equal(rx["decode.seen"], relay.passed, "frames seen and frames passed on")
        t.check(rx["decode.symbols_repaired"] > 0, "nothing was repaired")
        t.equal(rx["decode.symbols_missing"], 0, "symbols beyond repair")


@tap.test
def kernel_without_trains(t):
    """Where the kernel knows no virtio header: one line says so, all crosses as single
    datagrams, and none is doubled."""
    netns.require()
    rng = tap.rng("fallback")
    deny = ["/usr/bin/python3", without_vnet.__file__]
    with netns.Path(mtu=MTU, emulator=False) as path, Diode(path, t.dir) as diode, \
            rawframe.Receiver(path.rx, whole=True) as heard:
        source = make_source(t, "source", rng)
        count = tree.objects(source)
        diode.start_rx()
        tx = diode.start_tx(through=deny)
        tree.copy(source, diode.spool())
        diode.wait_published(count, 120)
        said = [line for line in tx.output().splitlines() if "link.trains" in line]
        t.equal(len(said), 1, f"lines about it: {said}")
        t.check("refuses" in said[0] and "Protocol not available" in said[0], said[0])
        tx, rx = diode.finish()
        t.equal([tx["sender." + name] for name in ("trains_taken", "trains_sent", "probes_sent")],
                [0, 0, 0], "trains")
        t.equal(rx["decode.trains"], 0, "trains seen")
        check_nothing_lost(t, path, tx, rx)
        frames = heard.take_until_quiet()
        t.equal(len(frames), tx["sender.frames_sent"], "datagrams, one a frame")
        t.equal([f for f in frames if not framing.checksums_right(f)][:1], [], "checksums")
        difference = tree.compare(source, diode.tree())
        t.check(difference.good, difference)


@tap.test
def checksums_and_recordings(t):
    """With trains, which the emulator cuts as the kernel tells it, and without: what is on the
    wire has right checksums, fits the MTU, and replays into the same tree."""
    netns.require()
    rng = tap.rng("wire")
    for segmentation in (True, False):
        name = f"segmentation-{segmentation}"
        directory = os.path.join(t.dir, name)
        os.makedirs(directory)
        capture = os.path.join(directory, "link.pcap")
        with netns.Path(mtu=MTU) as path, \
                Diode(path, directory, tx={"segmentation": segmentation}) as diode, \
                rawframe.Receiver(path.emu_in, whole=True) as heard:
            source = make_source(t, name + "-source", rng)
            with Emulator(path, directory, pcap=capture) as emulator:
                tx, rx = transfer(t, diode, source)
            raw = heard.take_until_quiet()
            t.equal(account.check_frames(t, diode, emulator, tx, rx), 0, "frames lost")
            frames = [frame for _, frame in rawframe.read_pcap(capture)]
            wrong = [f for f in frames if not framing.checksums_right(f)]
            t.equal(len(wrong), 0, f"{name}: wrong checksums of {len(frames)}")
            t.check(max(map(len, frames)) == 14 + MTU, "datagrams fill the MTU")
            if not segmentation:
                t.equal((tx["sender.trains_sent"], tx["sender.probes_sent"]), (0, 0), "trains")
                t.check(all(map(framing.checksums_right, raw)),
                        "checksums of what tx handed over")
                t.equal(len(raw), tx["sender.frames_sent"], "datagrams, one a frame")
            into = os.path.join(directory, "replayed")
            code, text = diode.replay(capture, into)
            t.equal(code, 0, f"exit code of replay:\n{text[-2000:]}")
            difference = tree.compare(source, os.path.join(into, "files", "tree"))
            t.check(difference.good, f"replayed: {difference}")


# ---- hostile ------------------------------------------------------------------------------

def bad_carriers(inner):
    """(what, frame) that go to our address and port and are no datagram of our sender."""
    good = framing.datagram(inner)
    udp = good[20:]
    rows = [
        ("a first fragment", framing.datagram(inner, flags=0x2000)),
        ("a later fragment", framing.ip_header(len(udp), flags=0x0008) + udp),
        ("a last fragment", framing.ip_header(len(udp), flags=0x00B9) + udp),
        ("IP longer than the frame", framing.datagram(inner, total=len(good) + 1)),
        ("IP of 65,535 bytes", framing.datagram(inner, total=65535)),
        ("IP shorter than UDP", framing.datagram(inner, total=len(good) - 1)),
        ("IP without UDP", framing.datagram(inner, total=20)),
        ("IP of no length", framing.datagram(inner, total=0)),
        ("UDP longer than IP", framing.datagram(inner, length=9 + len(inner))),
        ("UDP shorter than IP", framing.datagram(inner, length=7 + len(inner))),
        ("UDP of no length", framing.datagram(inner, length=0)),
        ("a wrong header checksum", good[:10] + bytes([good[10] ^ 1]) + good[11:]),
    ]
    options = b"\x46" + good[1:2] + struct.pack(">H", len(good) + 4) + good[4:10] + b"\0\0" \
        + good[12:20] + b"\1\1\1\0" + udp
    rows.append(("IP options", options))
    frames = [(what, rawframe.ethernet(DST, SRC, packet, 0x0800)) for what, packet in rows]
    whole = rawframe.ethernet(DST, SRC, good, 0x0800)
    # from where the ports are there: shorter ones the kernel's filter keeps back
    frames += [(f"cut after {size} bytes", whole[:size])
               for size in [*range(38, 60), *range(60, len(whole), 97)]]
    return frames


def foreign_carriers(inner):
    for changes in ({"source": "192.0.2.9"}, {"destination": "198.51.100.9"}, {"protocol": 6},
                    {"first": 0x65}, {"ports": (4001, 4003)}, {"ports": (4003, 4002)}):
        yield rawframe.ethernet(DST, SRC, framing.datagram(inner, **changes), 0x0800)
    yield rawframe.ethernet(DST, SRC, inner)[:12] + b"\x86\xdd" + inner


class Counted:
    """Frames into rx's port, and by how much its counters grow until a frame behind them,
    of a wire version that nothing else has, is refused."""

    def __init__(self, t, diode, path):
        self.t, self.diode = t, diode
        self.sock = rawframe.sender(path.emu_out)
        self.train = rawframe.sender(path.emu_out)
        self.train.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)

    def counters(self):
        return self.diode.counters("rx")

    def check(self, what, send, **want):
        before = self.counters()
        send()
        self.sock.send(rawframe.ethernet(DST, SRC, b"\xee" + bytes(60)))
        after = self.diode.wait(
            lambda: (lambda now: now["decode.refused_version"] > before["decode.refused_version"]
                     and now)(self.counters()), 30, f"{what}: handled")
        grown = {name: after["decode." + name] - before["decode." + name]
                 for name in (*("refused_" + reason for reason in account.REFUSED), "foreign",
                              "trains")}
        grown["refused_version"] -= 1
        self.t.equal({name: count for name, count in grown.items() if count}, want, what)
        account.check_sums(self.t, after, what)

    def send_train(self, payload, piece):
        """A train whose virtio header says that its pieces have PIECE bytes."""
        frame = rawframe.ethernet(DST, SRC, payload)
        self.train.send(struct.pack("=BBHHHH", NEEDS_CSUM, GSO_UDP_L4, 42, piece, 34, 6) + frame)


def strangers(head, count, size):
    """Frames of the live session with a good header and nothing authentic behind it."""
    return [rawframe.header(**{**head._asdict(), "type": rawframe.SOURCE, "k": 0, "m": 0,
                               "index": 0, "seq": (1 << 30) + n, "payload_bytes": size,
                               "symbol_bytes": 1400}) + bytes([n % 256]) * (size + 16)
            for n in range(count)]


@tap.test
def hostile_carriers(t):
    """Headers that lie and trains that are none: counted by reason, each once, in order, and the
    valid stream beside them loses nothing."""
    netns.require()
    rng = tap.rng("hostile")
    with netns.Path(mtu=MTU) as path, Diode(path, t.dir) as diode, Emulator(path, t.dir), \
            rawframe.Receiver(path.emu_in) as heard:
        diode.start_rx()
        diode.start_tx()
        tree.make_files(os.path.join(diode.spool(), "first"), 20, 5000, rng)
        diode.wait_published(20, 60)
        heads = [rawframe.read_header(frame) for frame in heard.take()]
        head = next(h for h in heads if h and h.type == rawframe.SOURCE and h.lane == 3)
        counted = Counted(t, diode, path)
        inner = strangers(head, 1, 600)[0]
        counted.check("a stranger's frame", lambda: counted.sock.send(
            rawframe.ethernet(DST, SRC, inner)), refused_auth=1)
        for what, frame in bad_carriers(inner):
            counted.check(what, lambda f=frame: counted.sock.send(f), refused_carrier=1)
        # the kernel's filter keeps them back, but for the one of another IP version
        counted.check("foreign", lambda: [counted.sock.send(f)
                                          for f in foreign_carriers(inner)], foreign=1)
        counted.check("nothing in a datagram", lambda: counted.sock.send(
            rawframe.ethernet(DST, SRC, b"")), refused_short=1)
        two = b"".join(strangers(head, 2, 500))
        counted.check("two frames in one datagram", lambda: counted.sock.send(
            rawframe.ethernet(DST, SRC, two)), refused_auth=2, trains=1)
        counted.check("a rest behind a frame", lambda: counted.sock.send(
            rawframe.ethernet(DST, SRC, inner + b"rest")), refused_auth=1, refused_short=1,
            trains=1)
        hostile_trains(counted, head)
        tree.make_files(os.path.join(diode.spool(), "second"), 20, 5000, rng)
        diode.wait_published(40, 60)
        rx = diode.wait_quiet(60)
        t.equal(rx["decode.lost_total"], 0, "frames lost of the valid stream")
        t.equal(rx["supervisor.role_restarts"], 0, "roles started again")


def hostile_trains(counted, head):
    """What the virtio header says of the pieces is not asked: the first frame has their size."""
    frames = strangers(head, 9, 1000)
    for piece in (100, 700, 1055, 1056, 1057, 1472, 4000):
        counted.check(f"nine frames as pieces of {piece}",
                      lambda p=piece: counted.send_train(b"".join(frames), p),
                      refused_auth=9, trains=1)
    broken = b"".join(frames[:4]) + b"\x01\x09" + frames[4][2:] + b"".join(frames[5:])
    counted.check("an impossible header in the middle",
                  lambda: counted.send_train(broken, 1056), refused_auth=8,
                  refused_malformed=1, trains=1)
    counted.check("an impossible first header", lambda: counted.send_train(
        b"\x01\x09" + b"".join(frames)[2:], 1056), refused_malformed=1)
    counted.check("a train cut in its last frame",
                  lambda: counted.send_train(b"".join(frames)[:-1], 1056), refused_auth=8,
                  refused_short=1, trains=1)
    smallest = b"".join(strangers(head, 64, 0))  # as many as kernels before 6.9 take
    counted.check("64 frames of no payload",
                  lambda: counted.send_train(smallest, 56), refused_auth=64, trains=1)


def steering(train):
    """(what, the ring it must come by, or None, and the frame)."""
    def head(type_, class_):
        return rawframe.header(type=type_, class_=class_, lane=class_, depth=1, session=7)
    def packet(payload, **changes):
        return rawframe.ethernet(DST, SRC, framing.datagram(payload, **changes), 0x0800)
    for type_ in (rawframe.ANNOUNCE, rawframe.SOURCE, rawframe.REPAIR):
        for class_ in range(5):
            where = "realtime" if class_ == 1 or type_ == rawframe.ANNOUNCE else "ring"
            yield f"type {type_}, class {class_}", where, packet(head(type_, class_))
    urgent = head(rawframe.SOURCE, 1)
    for size in range(5):
        yield (f"{size} bytes of payload", "realtime" if size >= 3 else "ring",
               packet(urgent[:size]))
    for changes in ({"source": "192.0.2.9"}, {"destination": "198.51.100.9"}, {"protocol": 6},
                    {"ports": (4001, 4003)}, {"ports": (4003, 4002)}):
        yield str(changes), None, packet(urgent, **changes)
    yield "another EtherType", None, rawframe.ethernet(DST, SRC, urgent, rawframe.ETHERTYPE)
    yield "a later fragment", "ring", packet(urgent, flags=0x2008)
    yield "a first fragment", "realtime", packet(urgent, flags=0x2000)
    yield "options", "ring", rawframe.ethernet(
        DST, SRC, framing.ip_header(12 + len(urgent), first=0x46) + bytes(4)
        + framing.datagram(urgent)[20:], 0x0800)
    full = MTU - 28 - len(urgent)
    yield "a full datagram", "realtime", packet(urgent + bytes(full))
    for class_ in (1, 3):
        yield "a train", "ring", train(head(rawframe.SOURCE, class_) + bytes(1000))


@tap.test
def realtime_has_its_ring(t):
    """By the kernel's filter, datagrams of class realtime and announces come by one ring, ours
    of other classes and trains by the other, whole, and nothing else by any."""
    netns.require()
    with netns.Path(mtu=MTU, emulator=False) as path, \
            Rings(path.rx, slot_bytes=2048, slots=64) as rings, \
            rawframe.sender(path.tx) as sock, rawframe.sender(path.tx) as trains:
        trains.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        t.equal(rings.refused, 0, "the realtime ring is there")
        for what, where, frame in steering(lambda piece: rawframe.ethernet(DST, SRC, piece * 40)):
            if len(frame) > MTU + 14:
                trains.send(struct.pack("=BBHHHH", NEEDS_CSUM, GSO_UDP_L4, 42,
                                        (len(frame) - 42) // 40, 34, 6) + frame)
            else:
                sock.send(frame)
            seen, drops = rings.take()
            t.equal([(s.ring, s.length, s.head) for s in seen],
                    [(where, len(frame), frame[:64])] if where else [], what)
            t.equal(drops, {"ring": 0, "realtime": 0}, f"{what}: drops")


@tap.test
def check_judges_addresses(t):
    """The receiver's own address is refused: its kernel would answer."""
    netns.require()
    with netns.Path(mtu=MTU, emulator=False) as path, Diode(path, t.dir) as diode:
        argv = path.rx.ns.argv([diode.rx_program, "check", "--config", diode.rx_config])
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        t.equal((done.returncode, done.stderr), (0, ""), "check accepts")
        t.check(re.search(r"framing udp: to 198\.51\.100\.7:4002, from 192\.0\.2\.1:4001",
                          done.stdout), done.stdout)
        path.rx.ns.ip("addr", "add", "198.51.100.7/24", "dev", path.rx.name)
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        t.equal(done.returncode, 78, "check refuses")
        t.check("udp_dst" in done.stderr and "would answer" in done.stderr, done.stderr)


if __name__ == "__main__":
    tap.main()
