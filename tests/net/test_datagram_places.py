#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Where else a datagram channel meets programs: sockets in the file system, whose owners come and
go, and groups (multicast), which come and leave by named interfaces and never by the diode port."""

import os
import socket
import stat
import struct
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import netns, stats, tap  # noqa: E402
from harness.live import CHANNEL, NUMBER, PORT_IN, PORT_OUT, LiveDiode, start  # noqa: E402

LARGEST = 65507
GROUP = "239.47.1.2"
OTHER = 901
UNAVAILABLE = 69
IP_PKTINFO, IP_RECVTTL, IP_MULTICAST_ALL = 8, 12, 49


class Taker(threading.Thread):
    """Takes datagrams of a socket, in order of arrival."""

    def __init__(self, taken):
        super().__init__(daemon=True)
        self.socket, self.messages, self.end = taken, [], threading.Event()
        taken.settimeout(0.1)
        self.start()

    def run(self):
        while not self.end.is_set():
            try:
                self.messages.append(self.socket.recv(LARGEST + 1))
            except TimeoutError:
                continue

    def close(self):
        """Let go of the socket; a path stays where it is."""
        self.end.set()
        self.join()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def unix_socket(ns, path=None):
    made = ns.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    if path:
        made.bind(path)
    return made


def deepen(*interfaces):
    """Queues of sockets made from now on hold more than ten messages."""
    for interface in interfaces:
        interface.ns.shell("echo 10000 > /proc/sys/net/unix/max_dgram_qlen")


def numbered(first, count):
    return [b"message %d" % n for n in range(first, first + count)]


def wait_messages(diode, taker, want, what):
    diode.wait(lambda: len(taker.messages) >= len(want), 30, what)
    return taker.messages == want


@tap.test
def by_paths(t):
    """Sizes, boundaries and order, from a socket that the daemon makes to one that is there."""
    netns.require()
    rng = tap.rng("paths")
    way_in, way_out = os.path.join(t.dir, "in"), os.path.join(t.dir, "out")
    with netns.Path(mtu=1500, emulator=False) as path:
        deepen(path.tx, path.rx)
        with LiveDiode(path, t.dir, tx_live={"listen": way_in, "socket_mode": "0622"},
                       rx_live={"deliver": way_out, "deliver_buffer": "16 MiB"}) as diode, \
                Taker(unix_socket(path.rx.ns, way_out)) as taker, \
                unix_socket(path.tx.ns) as producer:
            start(diode)
            made = os.stat(way_in)
            t.check(stat.S_ISSOCK(made.st_mode), "a socket")
            t.equal(stat.S_IMODE(made.st_mode), 0o622, "its mode")
            producer.connect(way_in)
            sent = [rng.randbytes(rng.choice((0, 1, 100, 1000, 1400, 5000)))
                    for _ in range(2000)] + [rng.randbytes(LARGEST) for _ in range(3)]
            for message in sent:
                producer.send(message)  # waits while the queue is full
            t.check(wait_messages(diode, taker, sent, "all of them"), "the same, in order")
            tx, rx = diode.finish()
            t.equal(tx[f"live.ch{NUMBER}_messages"], len(sent), "messages at tx")
            t.equal(rx[f"sink.ch{NUMBER}_sent"], len(sent), "messages sent on")
            t.check(not os.path.exists(way_in), "tx takes its socket away")
            t.check(os.path.exists(way_out), "rx lets that of another be")


@tap.test
def a_consumer_comes_and_goes(t):
    """Absent, there, dead, there again, replaced: it gets what is sent while it is there, the
    rest is counted; the sink stays the same process and the other channel notices nothing."""
    netns.require()
    way_out = os.path.join(t.dir, "out")
    with netns.Path(mtu=1500, emulator=False) as path:
        deepen(path.tx, path.rx)
        diode = LiveDiode(path, t.dir, rx_live={"deliver": way_out})
        diode.tx_sections["channel other"] = {
            **CHANNEL, "number": OTHER, "listen": f"127.0.0.1:{PORT_IN + 10}"}
        diode.rx_sections["channel other"] = {
            **CHANNEL, "number": OTHER, "deliver": f"127.0.0.1:{PORT_OUT + 10}"}
        diode.write_config()
        beside = path.rx.ns.socket(socket.AF_INET, socket.SOCK_DGRAM)
        beside.bind(("127.0.0.1", PORT_OUT + 10))
        with diode, Taker(beside) as other, \
                path.tx.ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as producer:
            start(diode)
            sink = diode.rx.role_pid("sink")
            sent = []

            def send(count):
                fresh = numbered(len(sent), count)
                for message in fresh:
                    producer.sendto(message, ("127.0.0.1", PORT_IN))
                    producer.sendto(message, ("127.0.0.1", PORT_IN + 10))
                sent.extend(fresh)
                diode.wait(lambda: diode.count("rx", "delivered") >= len(sent), 30,
                           f"{len(sent)} at the sink")
                t.check(wait_messages(diode, other, sent, "the other's"), "the other's, in order")
                return fresh

            def reached(times):
                diode.wait(lambda: diode.read_log("rx").count("sink.reached") == times, 20,
                           f"reached {times} times")

            def unsent(count, what):
                diode.wait(lambda: diode.count("rx", "no_route", "sink") == count, 20, what)
            t.equal(diode.read_log("rx").count("sink.route "), 1, "said that nobody is there")
            send(20)
            unsent(20, "20 to nobody")
            with Taker(unix_socket(path.rx.ns, way_out)) as first:
                reached(1)
                t.check(wait_messages(diode, first, send(50), "50"), "the first one's")
            send(20)  # its path is there, and leads nowhere
            unsent(40, "20 more to nobody")
            t.equal(diode.count("rx", "refused", "sink"), 1, "the kernel's word that it has gone")
            os.unlink(way_out)
            with Taker(unix_socket(path.rx.ns, way_out)) as second:
                reached(2)
                t.check(wait_messages(diode, second, send(50), "50"), "the second one's")
                # another takes the path while this one still listens
                with Taker(unix_socket(path.rx.ns, way_out + ".new")) as third:
                    os.rename(way_out + ".new", way_out)
                    reached(3)
                    t.check(wait_messages(diode, third, send(50), "50"), "the third one's")
                t.equal(len(second.messages), 50, "what the second got")
            t.equal(diode.rx.role_pid("sink"), sink, "the sink's pid")
            t.equal(diode.counters("rx")["supervisor.role_restarts"], 0, "roles started again")
            t.equal(diode.count("rx", "sent", "sink"), 150, "messages taken")
            diode.finish()


@tap.test
def whose_path_it_is(t):
    """A socket that a killed daemon left is taken over, one that lives is not, nor is a file."""
    netns.require()
    way_in = os.path.join(t.dir, "in")
    with netns.Path(mtu=1500, emulator=False) as path:
        deepen(path.tx)
        with LiveDiode(path, t.dir, tx_live={"listen": way_in}) as diode:
            for what, make, why in (
                    ("a file", lambda: open(way_in, "wb").close(), "no socket"),
                    ("a socket", lambda: unix_socket(path.tx.ns, way_in),
                     "another process listens there")):
                kept = make()
                done = subprocess.run(
                    path.tx.ns.argv([diode.tx_program, "run", "--config", diode.tx_config]),
                    capture_output=True, text=True, timeout=60, check=False)
                t.equal(done.returncode, UNAVAILABLE if kept else 73, f"{what}: exit code")
                t.check(why in done.stderr and way_in in done.stderr, done.stderr)
                t.check(os.path.exists(way_in), f"{what} is still there")
                os.unlink(way_in)
            diode.start_tx()
            diode.tx.kill()
            t.check(os.path.exists(way_in), "left behind")
            diode.start_tx()
            with unix_socket(path.tx.ns) as producer:
                producer.connect(way_in)
                for message in numbered(0, 20):
                    producer.send(message)
            diode.wait(lambda: diode.count("tx", "messages") == 20, 20, "20 messages taken")


class Plant:
    """A network beside one end of the path: veth NAME there, NAME-far in a namespace of its own."""

    def __init__(self, end, name, net):
        self.end, self.name, self.net = end, name, net
        self.ns = netns.Namespace(name)
        self.plug()

    def plug(self):
        run = netns.run
        run("ip", "link", "add", self.name, "netns", self.end.ns.name, "type", "veth",
            "peer", "name", "far", "netns", self.ns.name)
        for ns, name, host in ((self.end.ns, self.name, 1), (self.ns, "far", 2)):
            ns.ip("address", "add", f"192.0.{self.net}.{host}/24", "dev", name)
            ns.ip("link", "set", name, "up")

    def unplug(self):
        self.end.ns.ip("link", "del", self.name)

    def index(self, ns, name):
        return int(ns.shell(f"cat /sys/class/net/{name}/ifindex"))

    def producer(self):
        made = self.ns.socket(socket.AF_INET, socket.SOCK_DGRAM)
        by = struct.pack("4s4si", b"", b"", self.index(self.ns, "far"))
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, by)
        made.connect((GROUP, PORT_IN))
        return made

    def close(self):
        self.ns.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def member(ns, index, port):
    """A socket that has joined the group by the interface of that index, and by no other."""
    made = ns.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.IPPROTO_IP, IP_MULTICAST_ALL, 0)
    made.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
    made.bind((GROUP, port))
    made.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                    struct.pack("4s4si", socket.inet_aton(GROUP), b"", index))
    return made


def by_the_diode(path, message):
    """A frame to the group at tx's diode port: the far end of its cable sends it."""
    group = socket.inet_aton(GROUP)
    mac = b"\x01\x00\x5e" + bytes([group[1] & 0x7f]) + group[2:]
    udp = struct.pack(">HHHH", 9999, PORT_IN, 8 + len(message), 0) + message
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 1, 17, 0,
                       bytes((192, 0, 9, 2)), group)
    total = sum(struct.unpack(">10H", head))
    total = (total & 0xffff) + (total >> 16)
    head = head[:10] + struct.pack(">H", ~(total + (total >> 16)) & 0xffff) + head[12:]
    with path.rx.ns.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
        raw.bind((path.rx.name, 0))
        raw.send(mac + path.rx.mac_bytes + b"\x08\x00" + head + udp)


@tap.test
def groups_come_by_the_named_interfaces(t):
    """From two networks that are joined, not from a third, nor by the diode port; and again when an
    interface was away."""
    netns.require()
    with netns.Path(mtu=1500, emulator=False) as path, \
            Plant(path.tx, "plant0", 2) as plant, Plant(path.tx, "plant1", 3) as second, \
            Plant(path.tx, "plant2", 4) as stranger, \
            LiveDiode(path, t.dir, tx_live={"listen": f"{GROUP}:{PORT_IN}",
                                            "join": "plant0, plant1",
                                            "allow": "192.0.2.2, 192.0.3.2, 192.0.4.2, 192.0.9.2"}
                      ) as diode, \
            path.rx.ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as consumer:
        consumer.bind(("127.0.0.1", PORT_OUT))
        start(diode)
        t.equal(diode.read_log("tx").count("group.joined"), 2, "interfaces joined")
        with Taker(consumer) as taker, plant.producer() as one, second.producer() as two, \
                stranger.producer() as three, \
                member(path.tx.ns, plant.index(path.tx.ns, "plant2"), PORT_IN) as beside:
            by_the_diode(path, b"by the diode port")
            sent = []
            for message in numbered(0, 20):
                three.send(b"from a stranger")
                (one, two)[len(sent) % 2].send(message)
                sent.append(message)
                if len(sent) % 2 == 0:  # two networks: their order is ours
                    diode.wait(lambda: len(taker.messages) >= len(sent), 30, "both")
            t.equal(taker.messages, sent, "what came")
            beside.settimeout(5)
            t.equal(beside.recv(100), b"from a stranger", "what others of the host have joined")
            plant.unplug()
            diode.wait(lambda: "group.missing" in diode.read_log("tx"), 20, "group.missing")
            two.send(b"meanwhile")
            plant.plug()
            diode.wait(lambda: diode.read_log("tx").count("group.joined") == 3, 20, "joined again")
            with plant.producer() as again:
                again.send(b"again")
                t.check(wait_messages(diode, taker, sent + [b"meanwhile", b"again"], "again"),
                        "what came after")
        t.check(stats.counters(path.tx)["rx_packets"] == 1, "the one frame of the test's own")
        diode.stop_tx()
        diode.stop_rx()


@tap.test
def groups_leave_by_the_named_interface(t):
    """To members there with the TTL that is configured; not to those of this host, not by the diode
    port, and again when the interface was away."""
    netns.require()
    with netns.Path(mtu=1500, emulator=False) as path, Plant(path.rx, "office0", 2) as office, \
            LiveDiode(path, t.dir, rx_live={"deliver": f"{GROUP}:{PORT_OUT}",
                                            "deliver_interface": "office0", "deliver_ttl": 3}
                      ) as diode, \
            path.tx.ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as producer, \
            member(path.rx.ns, office.index(path.rx.ns, "office0"), PORT_OUT) as inside:
        # a default route by the diode port changes nothing
        path.rx.ns.ip("route", "add", "default", "dev", path.rx.name)
        start(diode)
        producer.connect(("127.0.0.1", PORT_IN))
        with member(office.ns, office.index(office.ns, "far"), PORT_OUT) as outside:
            producer.send(b"first")
            outside.settimeout(20)
            data, notes, _, _ = outside.recvmsg(100, 100)
            t.equal(data, b"first", "what a member got")
            t.equal([struct.unpack("i", value)[0] for _, kind, value in notes
                     if kind == socket.IP_TTL], [3], "its time to live")
            with Taker(outside) as taker:
                for message in (sent := numbered(0, 100)):
                    producer.send(message)
                t.check(wait_messages(diode, taker, sent, "100"), "in order")
        office.unplug()
        office.plug()
        diode.wait(lambda: "a consumer can be reached now" in diode.read_log("rx"), 20,
                   "the sink starts again")
        with Taker(member(office.ns, office.index(office.ns, "far"), PORT_OUT)) as taker:
            def some_more():
                producer.send(b"again")
                return taker.messages
            diode.wait(some_more, 30, "messages by the new interface")
        inside.settimeout(0.5)
        try:
            t.check(False, f"a member on this host got {inside.recv(100)}")
        except TimeoutError:
            pass
        diode.stop_tx()
        rx = diode.counters("rx")
        t.equal(rx["supervisor.port_sent"], 0, "frames that the diode port sent")
        t.equal(stats.one_way(path), {}, "frames the other way")


@tap.test
def never_a_group_by_the_diode_port(t):
    """Its name is refused, and so is a bridge that stands on it: by check and by run."""
    netns.require()
    with netns.Path(mtu=1500, emulator=False) as path:
        for end in (path.tx, path.rx):
            end.ns.ip("link", "add", "bridge0", "type", "bridge")
            end.set("master", "bridge0")
        for name, said in (("bridge0", "stands on"), (path.tx.name, "is the diode port")):
            os.makedirs(directory := os.path.join(t.dir, name))
            with LiveDiode(path, directory,
                           tx_live={"listen": f"{GROUP}:{PORT_IN}", "join": name},
                           rx_live={"deliver": f"{GROUP}:{PORT_OUT}",
                                    "deliver_interface": name}) as diode:
                for end, program, conf, key in (
                        (path.tx, diode.tx_program, diode.tx_config, "join"),
                        (path.rx, diode.rx_program, diode.rx_config, "deliver")):
                    for command in ("check", "run"):
                        done = subprocess.run(
                            end.ns.argv([program, command, "--config", conf]),
                            capture_output=True, text=True, timeout=60, check=False)
                        t.equal(done.returncode, 78, f"{command} {key} {name}: exit code")
                        t.check(key in done.stderr and "the diode port" in done.stderr
                                and (key != "join" or said in done.stderr), done.stderr)


if __name__ == "__main__":
    tap.main()
