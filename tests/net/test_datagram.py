#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""A datagram channel, UDP in and UDP out: the same messages, boundaries and order; what could
not be delivered is named by its number, exactly."""

import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import netns, stats, tap, tree  # noqa: E402
from harness.emu import Emulator  # noqa: E402
from harness.live import CHANNEL, NUMBER, PORT_IN, PORT_OUT, LiveDiode, start  # noqa: E402

LARGEST = 65507
EVENT = re.compile(r"live\.(lost|joined|closed) .* session=([0-9a-f]{8})(?: first=(\d+))?"
                   r"(?: last=(\d+))?")


class Consumer(threading.Thread):
    """Takes what comes at the far end, in order of arrival."""

    def __init__(self, path, port=PORT_OUT):
        super().__init__(daemon=True)
        self.socket = path.rx.ns.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        self.socket.bind(("127.0.0.1", port))
        self.socket.settimeout(0.1)
        self.taken = []
        self.end = threading.Event()

    def run(self):
        while not self.end.is_set():
            try:
                self.taken.append(self.socket.recv(LARGEST + 1))
            except TimeoutError:
                continue

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.join()
        self.socket.close()


class Producer:
    """Sends messages that carry their own number, at a bounded rate."""

    def __init__(self, path, rng, sizes, bps):
        self.socket = path.tx.ns.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", PORT_IN))
        self.rng, self.sizes, self.bps = rng, sizes, bps
        self.sent = []

    def send(self, count):
        due = time.monotonic()
        for _ in range(count):
            size = self.rng.choice(self.sizes)() if self.sizes else 100
            message = (struct.pack(">Q", len(self.sent)) + self.rng.randbytes(size))[:size]
            self.socket.send(message)
            self.sent.append(message)
            due += max(len(message), 200) * 8 / self.bps
            time.sleep(max(0.0, due - time.monotonic()))

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def sizes(rng):
    """Mostly small, now and then one of many frames, empty and largest ones among them."""
    small = [lambda: rng.randrange(8, 200)] * 8
    return small + [lambda: rng.randrange(200, 3000)] * 3 + [
        lambda: rng.choice((0, 8, 1400, 1444, 9000, 20000, LARGEST))]


def named(diode):
    """What rx has said of the channel: ({session: [lost numbers]}, [joined], [closed])."""
    lost, joined, closed = {}, [], []
    for what, session, first, last in EVENT.findall(diode.read_log("rx")):
        if what == "lost":
            lost.setdefault(session, []).extend(range(int(first), int(last) + 1))
        elif what == "joined":
            joined.append((session, int(first)))
        else:
            closed.append((session, int(last)))
    return lost, joined, closed


def wait_even(diode, sent, timeout=60):
    """Wait until every one of SENT messages is delivered or given up; the rx counters."""
    def even():
        rx = diode.counters("rx")
        done = sum(rx.get(f"live.ch{NUMBER}_{name}", 0)
                   for name in ("delivered", "lost", "sink_full"))
        return done >= sent and rx
    return diode.wait(even, timeout, f"{sent} messages delivered or named")


def wait_taken(diode, consumer, count, timeout=30):
    diode.wait(lambda: len(consumer.taken) >= count, timeout, f"{count} messages taken")


@tap.test
def everything_in_order(t):
    """10,000 messages of all sizes over a clean link: the same bytes, boundaries and order."""
    netns.require()
    rng = tap.rng("clean")
    for mtu in (1500, 9000):
        os.makedirs(directory := os.path.join(t.dir, f"mtu-{mtu}"))
        with netns.Path(mtu=mtu, emulator=False) as path, LiveDiode(path, directory) as diode, \
                Consumer(path) as consumer, Producer(path, rng, sizes(rng), 200e6) as producer:
            start(diode)
            producer.send(10000 if mtu == 1500 else 2000)
            count = len(producer.sent)
            wait_even(diode, count)
            wait_taken(diode, consumer, count)
            tx, rx = diode.finish()
            t.check(consumer.taken == producer.sent, f"mtu {mtu}: the same messages in order")
            t.equal(named(diode)[0], {}, "messages named lost")
            t.equal(tx[f"live.ch{NUMBER}_messages"], count, "messages at tx")
            t.equal(rx[f"sink.ch{NUMBER}_sent"], count, "messages sent on")
            t.equal(rx["supervisor.port_sent"], 0, "frames that rx's diode port sent")
            t.equal(stats.one_way(path), {}, "frames the other way")


def check_account(t, diode, consumer, sent, first=0):
    """Delivered and named are sent, exactly: by number, content and order."""
    lost = [number for numbers in named(diode)[0].values() for number in numbers]
    t.equal(len(lost), len(set(lost)), "numbers named once each")
    gone = {first + number - 1 for number in lost}
    want = [message for index, message in enumerate(sent) if index not in gone]
    t.check(consumer.taken == want,
            f"delivered {len(consumer.taken)}, sent {len(sent)}, named lost {len(gone)}: "
            f"{len(set(map(bytes, want)) - set(consumer.taken))} missing, "
            f"{len(set(consumer.taken) - set(map(bytes, want)))} too many")
    return gone


@tap.test
def loss_is_repaired_or_named(t):
    """1 % at random and bursts: what FEC can give back comes, in order; the rest is named."""
    netns.require()
    rng = tap.rng("loss")
    with netns.Path(mtu=1500) as path, LiveDiode(path, t.dir) as diode, \
            Consumer(path) as consumer, Producer(path, rng, sizes(rng), 60e6) as producer:
        with Emulator(path, t.dir, seed=tap.seed(), loss="1%", burst=["200@3000"]) as emulator:
            start(diode)
            producer.send(5000)
            emulator.command("clear")
            rx = wait_even(diode, 5000)
            _, rx = diode.finish(emulator=emulator)
        gone = check_account(t, diode, consumer, producer.sent)
        t.check(emulator.summary["lost"] > 200, "frames were lost")
        t.check(rx[f"live.ch{NUMBER}_repaired"] > 0, "messages were repaired")
        t.equal(rx[f"live.ch{NUMBER}_lost"], len(gone), "messages counted lost")
        t.check(len(gone) < 1000, f"{len(gone)} lost of 5000: FEC gives back what it can")
        t.equal(rx[f"live.ch{NUMBER}_delivered"] + len(gone), 5000, "the sum")
        tap.note(f"{len(gone)} lost, {rx[f'live.ch{NUMBER}_repaired']} repaired")


@tap.test
def the_last_ones_are_named_too(t):
    """Everything after some moment is lost: only tx's word tells how many there were."""
    netns.require()
    rng = tap.rng("tail")
    with netns.Path(mtu=1500) as path, LiveDiode(path, t.dir) as diode, \
            Consumer(path) as consumer, Producer(path, rng, None, 20e6) as producer:
        with Emulator(path, t.dir, seed=tap.seed()) as emulator:
            start(diode)
            producer.send(50)
            wait_even(diode, 50)
            emulator.command("drop on")
            producer.send(20)
            diode.wait(lambda: diode.count("tx", "messages") == 70, 20, "70 at tx")
            time.sleep(0.3)
            emulator.command("drop off")
            wait_even(diode, 70)
            diode.finish(emulator=emulator)
        t.equal(check_account(t, diode, consumer, producer.sent), set(range(50, 70)),
                "the lost ones")


@tap.test
def both_sides_start_again(t):
    """rx is started again in the middle of a session, tx begins a new one: what came while no
    receiver was there lies between what the first said and where the second joined."""
    netns.require()
    rng = tap.rng("restart")
    with netns.Path(mtu=1500, emulator=False) as path, LiveDiode(path, t.dir) as diode, \
            Consumer(path) as consumer, Producer(path, rng, None, 20e6) as producer:
        start(diode)
        producer.send(300)
        wait_taken(diode, consumer, 300)
        diode.wait(lambda: diode.counters("rx")["keeper.floors_stored"] > 0, 20, "floors stored")
        time.sleep(1.5)
        diode.stop_rx()
        producer.send(40)
        diode.wait(lambda: diode.count("tx", "messages") == 340, 20, "340 at tx")
        log_before = diode.read_log("rx")
        diode.start_rx()
        diode.wait(lambda: diode.counters("rx").get("decode.sessions_live"), 30, "a session")
        producer.send(100)
        wait_taken(diode, consumer, 400)
        lost, joined, closed = named(diode)
        t.equal((lost, len(joined), len(closed)), ({}, 1, 1), "lost, joined, closed")
        t.equal((closed[0][1], joined[0][1]), (300, 341), "settled up to, taken up from")
        t.check("live.closed" in log_before, "the first receiver had the last word on its part")
        diode.stop_tx()
        diode.start_tx()
        diode.wait(lambda: diode.counters("rx")["decode.sessions"] >= 2, 30, "a second session")
        producer.send(200)
        wait_taken(diode, consumer, 600)
        diode.finish()
        lost, joined, closed = named(diode)
        t.equal((lost, len(joined)), ({}, 1), "lost, joined after tx began again")
        t.equal([last for _, last in closed], [300, 440, 200], "settled up to")
        want = producer.sent[:300] + producer.sent[340:]
        t.check(consumer.taken == want, "delivered are the others, in order")


@tap.test
def a_consumer_that_is_not_there(t):
    """Nobody listens at one channel: told and counted; the other channel and the files do not
    notice, and when the consumer comes it gets what is sent from then on."""
    netns.require()
    rng = tap.rng("absent")
    with netns.Path(mtu=1500, emulator=False) as path, LiveDiode(path, t.dir) as diode:
        diode.tx_sections["channel other"] = {
            **CHANNEL, "number": 901, "listen": f"127.0.0.1:{PORT_IN + 10}"}
        diode.rx_sections["channel other"] = {
            **CHANNEL, "number": 901, "deliver": f"127.0.0.1:{PORT_OUT + 10}"}
        diode.write_config()
        with Consumer(path) as consumer, Producer(path, rng, None, 20e6) as producer, \
                path.tx.ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            start(diode)
            other.connect(("127.0.0.1", PORT_IN + 10))
            tree.make_files(source := os.path.join(t.dir, "source"), 50, 4096, rng)
            tree.copy(source, diode.spool())
            for index in range(400):
                other.send(b"unheard %d" % index)
                producer.send(1)
            wait_taken(diode, consumer, 400)
            diode.wait_published(50, 60)
            diode.wait(lambda: "sink.refused" in diode.read_log("rx"), 20, "the event")
            rx = diode.counters("rx")
            t.check(rx["sink.ch901_refused"] > 0, "refusals are counted")
            t.equal(rx[f"sink.ch{NUMBER}_refused"], 0, "refusals of the other")
            with Consumer(path, PORT_OUT + 10) as late:
                for index in range(100):
                    other.send(b"heard %d" % index)
                    time.sleep(0.001)
                wait_taken(diode, late, 100)
                # the first may still meet the answer to the last unheard one; it is tried again
                t.equal(late.taken, [b"heard %d" % index for index in range(100)],
                        "what the late consumer got")
            t.check(consumer.taken == producer.sent, "the other channel is whole and in order")
            diode.finish()


@tap.test
def beside_files(t):
    """A large file and messages at once over one paced link: both whole."""
    netns.require()
    rng = tap.rng("beside")
    with netns.Path(mtu=1500) as path, \
            LiveDiode(path, t.dir, tx={"rate": "200 Mbit/s"}) as diode, \
            Consumer(path) as consumer, Producer(path, rng, sizes(rng), 10e6) as producer:
        with Emulator(path, t.dir, seed=tap.seed(), loss="0.5%") as emulator:
            start(diode)
            source = os.path.join(t.dir, "source")
            os.makedirs(source)
            tree.make_file(os.path.join(source, "large"), 40 << 20, rng)
            tree.copy(source, diode.spool())
            producer.send(2000)
            wait_even(diode, 2000)
            diode.wait_published(1, 120)
            diode.finish(emulator=emulator)
        difference = tree.compare(source, diode.tree())
        t.check(difference.good, difference)
        check_account(t, diode, consumer, producer.sent)


@tap.test
def what_is_not_let_in_is_counted(t):
    """Sources that are not in allow, too long ones, too many: dropped, each by its counter; and
    what the kernel's queue cannot hold while the source does not run."""
    netns.require()
    with netns.Path(mtu=1500, emulator=False) as path, \
            LiveDiode(path, t.dir, tx_live={"allow": "127.0.0.1", "max_size": 1000,
                                            "max_messages": 100, "receive_buffer": "64 KiB"}
                      ) as diode, Consumer(path) as consumer, \
            path.tx.ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as good, \
            path.tx.ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as bad:
        start(diode)
        bad.bind(("127.0.0.2", 0))
        for socket_, size in ((bad, 10), (good, 1001), (good, 1000)):
            for _ in range(5):
                socket_.sendto(bytes(size), ("127.0.0.1", PORT_IN))
        wait_taken(diode, consumer, 5)
        t.equal(consumer.taken, [bytes(1000)] * 5, "what was let in")
        diode.wait(lambda: diode.count("tx", "not_allowed") == 5, 10, "five from elsewhere")
        t.equal(diode.count("tx", "too_long"), 5, "too long")
        for _ in range(300):
            good.sendto(b"x", ("127.0.0.1", PORT_IN))
        diode.wait(lambda: diode.count("tx", "messages") + diode.count("tx", "over_rate")
                   + diode.count("tx", "overflow") >= 305, 20, "all of a burst counted")
        t.check(diode.count("tx", "over_rate") > 0, "some were above the rate")
        # while the source is stopped only the kernel's queue takes messages
        pid = diode.status("tx")["roles"]["source"]["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            for _ in range(1000):
                good.sendto(bytes(900), ("127.0.0.1", PORT_IN))
        finally:
            os.kill(pid, signal.SIGCONT)
        diode.wait(lambda: diode.count("tx", "overflow") > 0, 20, "overflow counted")
        tx = diode.wait(lambda: total(diode) >= 1315 and diode.counters("tx"), 20,
                        "every message has its counter")
        t.equal(total(diode), 1315, "messages taken and dropped")
        diode.wait(lambda: diode.count("rx", "tx_dropped") ==
                   total(diode) - tx[f"live.ch{NUMBER}_messages"], 20, "rx is told of the drops")
        diode.finish()


def total(diode):
    return sum(diode.count("tx", name) for name in
               ("messages", "overflow", "over_rate", "too_long", "not_allowed", "cut_off"))


@tap.test
def never_by_the_diode_port(t):
    """A consumer that the host would reach by the diode port is refused by check and run; one
    without a route is told, and served when the route comes; a route that turns to the
    diode port later carries nothing there."""
    netns.require()
    with netns.Path(mtu=1500, emulator=False) as path, \
            LiveDiode(path, t.dir, rx_live={"deliver": f"198.51.100.9:{PORT_OUT}"}) as diode:
        diode.start_tx()
        ns = path.rx.ns
        ns.ip("route", "add", "198.51.100.0/24", "dev", path.rx.name)
        for command in ("check", "run"):
            done = subprocess.run(ns.argv([diode.rx_program, command, "--config",
                                           diode.rx_config]), capture_output=True, text=True,
                                  timeout=60, check=False)
            t.equal(done.returncode, 78, f"exit code of {command}")
            t.check(re.search(r"deliver = 198\.51\.100\.9:5001: .*the diode port",
                              done.stderr), done.stderr)
        ns.ip("route", "del", "198.51.100.0/24")
        diode.start_rx()
        diode.wait(lambda: "sink.route" in diode.read_log("rx"), 20, "sink.route")
        diode.wait(lambda: diode.counters("rx").get("decode.sessions_live"), 30, "a session")
        with Producer(path, tap.rng("port"), None, 20e6) as producer:
            producer.send(10)
            diode.wait(lambda: diode.count("rx", "no_route", "sink") == 10, 20, "10 unsent")
            # a consumer behind another port: there its host is
            ns.ip("link", "add", "office0", "type", "veth", "peer", "name", "office1")
            ns.ip("link", "set", "office1", "up")
            ns.ip("link", "set", "office0", "up")
            ns.ip("route", "add", "198.51.100.0/24", "dev", "office0")
            ns.ip("neigh", "add", "198.51.100.9", "lladdr", "02:00:00:00:00:09", "dev",
                  "office0", "nud", "permanent")
            diode.wait(lambda: "a consumer can be reached now" in diode.read_log("rx"), 20,
                       "the sink starts again")
            before = diode.count("rx", "sent", "sink")

            def some_more():
                producer.send(1)
                return diode.count("rx", "sent", "sink") > before
            diode.wait(some_more, 30, "messages go on")
            # and now the host's routes are turned
            ns.ip("route", "replace", "198.51.100.0/24", "dev", path.rx.name)
            ns.ip("neigh", "add", "198.51.100.9", "lladdr", "02:00:00:00:00:09", "dev",
                  path.rx.name, "nud", "permanent")
            sent = len(producer.sent)
            producer.send(50)
            diode.wait(lambda: diode.count("rx", "delivered") >= sent + 50, 30, "50 more")
        diode.stop_tx()
        time.sleep(1.2)
        rx = diode.counters("rx")
        t.equal(rx["supervisor.port_sent"], 0, "frames that the diode port sent")
        t.equal(stats.one_way(path), {}, "frames the other way")


if __name__ == "__main__":
    tap.main()
