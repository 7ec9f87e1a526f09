#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""A stream channel: byte streams of programs on tx come out of programs on rx, each byte in its
place; what is lost ends the streams that were hit, and no other, and is named to the byte."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import netns, stats, tap  # noqa: E402
from harness.diode import Diode  # noqa: E402
from harness.emu import Emulator  # noqa: E402

NUMBER = 910
PORT_IN, PORT_OUT = 5100, 5101
CHANNEL = {"number": NUMBER, "kind": "stream", "owner": "operations", "purpose": "stream test",
           "classification": "internal"}
# A test machine may pause between the bytes of a window and its repair.
PATIENT = {"hold_back": "3 s"}
GAP = re.compile(r"stream\.gap .*channel=(\w+) connection=(\d+) from=(\d+)(?: to=(\d+))?")


class StreamDiode(Diode):
    """A Diode with the channel `line` beside its files channel, and further ones by name."""

    def __init__(self, path, directory, tx_line=None, rx_line=None, more=(), **kwargs):
        self.lines = {"line": ({**CHANNEL, "listen": f"127.0.0.1:{PORT_IN}", **(tx_line or {})},
                               {**CHANNEL, "deliver": f"127.0.0.1:{PORT_OUT}", **PATIENT,
                                **(rx_line or {})})}
        for at, (name, tx, rx) in enumerate(more, 1):
            number = {"number": NUMBER + at}
            self.lines[name] = ({**CHANNEL, **number, **tx}, {**CHANNEL, **number, **PATIENT, **rx})
        super().__init__(path, directory, rx={"realtime_ring": "64 MiB"}, **kwargs)

    def write_config(self):
        for name, (tx, rx) in self.lines.items():
            self.tx_sections["channel " + name], self.rx_sections["channel " + name] = tx, rx
        super().write_config()

    def count(self, side, name, number=NUMBER):
        return self.counters(side).get(f"stream.ch{number}_{name}", 0)

    def begin(self):
        self.start_rx()
        self.start_tx()
        self.wait(lambda: self.counters("rx").get("decode.sessions_live"), 30, "a session")

    def kill_role(self, side, role):
        pid = self.status(side)["roles"][role]["pid"]
        self.roles_may_die = True
        os.kill(pid, signal.SIGKILL)
        self.wait(lambda: self.status(side)["roles"][role]["pid"] not in (0, pid), 30,
                  f"{role} again")


class Taken:
    """One stream as its consumer got it."""

    def __init__(self, connection):
        self.connection, self.data, self.end = connection, bytearray(), None


class Consumer(threading.Thread):
    """A listener on rx that reads everything, each connection to its end; `hold`: the first so many
    of them are not read until told."""

    def __init__(self, path, place=("127.0.0.1", PORT_OUT), hold=0):
        super().__init__(daemon=True)
        unix = isinstance(place, str)
        self.listener = path.rx.ns.socket(socket.AF_UNIX if unix else socket.AF_INET,
                                          socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hold:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.listener.bind(place)
        self.listener.listen(64)
        self.listener.settimeout(0.1)
        self.taken, self.readers, self.hold = [], [], hold
        self.read = threading.Event()
        self.end = threading.Event()

    def take(self, taken, held):
        if held:
            self.read.wait()
        while not self.end.is_set():
            try:
                data = taken.connection.recv(65536)
            except TimeoutError:
                continue
            except ConnectionResetError:
                taken.end = "reset"
                break
            if not data:
                taken.end = "end"
                break
            taken.data += data
        taken.connection.close()

    def run(self):
        while not self.end.is_set():
            try:
                connection, _ = self.listener.accept()
            except TimeoutError:
                continue
            connection.settimeout(0.1)
            self.taken.append(Taken(connection))
            self.readers.append(threading.Thread(
                target=self.take, args=[self.taken[-1], len(self.taken) <= self.hold],
                daemon=True))
            self.readers[-1].start()

    def ended(self):
        return [taken for taken in self.taken if taken.end]

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.read.set()
        self.join()
        for reader in self.readers:
            reader.join()
        self.listener.close()


def connect(path, place=("127.0.0.1", PORT_IN)):
    unix = isinstance(place, str)
    producer = path.tx.ns.socket(socket.AF_UNIX if unix else socket.AF_INET, socket.SOCK_STREAM)
    producer.connect(place)
    return producer


def at_once(jobs):
    threads = [threading.Thread(target=job, daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def bring(producer, data, bps=None):
    """Sends all of it and says that this is all."""
    due = time.monotonic()
    for at in range(0, len(data), 8192):
        producer.sendall(data[at:at + 8192])
        if bps:
            due += 8192 * 8 / bps
            time.sleep(max(0.0, due - time.monotonic()))
    producer.shutdown(socket.SHUT_WR)


def gaps(diode):
    """{connection: (from, to or None)} of the channel `line`, as rx named them."""
    return {int(number): (int(first), int(last) if last else None) for name, number, first, last
            in GAP.findall(diode.read_log("rx")) if name == "line"}


def even(t, diode, path):
    """Both sides at their end, nothing went the other way."""
    tx, rx = diode.finish()
    t.equal(rx["supervisor.port_sent"], 0, "frames that rx's diode port sent")
    t.equal(stats.one_way(path), {}, "frames the other way")
    return tx, rx


@tap.test
def eight_at_once_over_a_lossy_link(t):
    """Eight producers at once, random bytes, 0.5 % loss: eight consumers with the same bytes and an
    end of file each; and a consumer that talks back is not heard on tx."""
    netns.require()
    rng = tap.rng("eight")
    streams = {rng.randbytes(rng.randrange(1, 600_000)) for _ in range(7)} | {b""}
    with netns.Path(mtu=1500) as path, StreamDiode(path, t.dir) as diode, \
            Consumer(path) as consumer:
        with Emulator(path, t.dir, seed=tap.seed(), loss="0.5%") as emulator:
            diode.begin()
            producers = [connect(path) for _ in streams]
            at_once([lambda p=p, d=d: bring(p, d, 8e6) for p, d in zip(producers, streams)])
            diode.wait(lambda: len(consumer.ended()) == 8, 60, "eight streams at their end")
            for producer in producers:
                producer.settimeout(10)
                t.equal(producer.recv(1), b"", "what a producer hears")
                producer.close()
            emulator.command("clear")
            tx, rx = diode.finish(emulator=emulator)
        t.check(emulator.summary["lost"] > 0, "frames were lost")
        t.equal({bytes(s.data) for s in consumer.taken}, streams, "the same streams")
        t.equal({s.end for s in consumer.taken}, {"end"}, "how they ended")
        t.equal(gaps(diode), {}, "gaps")
        total = sum(map(len, streams))
        t.equal((tx[f"stream.ch{NUMBER}_bytes"], rx[f"stream.ch{NUMBER}_bytes"]),
                (total, total), "bytes counted")
        t.equal((tx[f"stream.ch{NUMBER}_open"], rx[f"stream.ch{NUMBER}_open"]), (0, 0), "open")
        t.equal(rx["supervisor.port_sent"], 0, "frames that rx's diode port sent")


@tap.test
def a_burst_ends_the_streams_that_it_hit(t):
    """All frames are lost for a moment. The streams that were sending then end there, by a reset,
    and the log has the offsets; one that was silent goes on, and so does a new one."""
    netns.require()
    rng = tap.rng("burst")
    with netns.Path(mtu=1500) as path, StreamDiode(path, t.dir) as diode, \
            Consumer(path) as consumer:
        with Emulator(path, t.dir, seed=tap.seed()) as emulator:
            diode.begin()
            silent, hit = connect(path), [connect(path) for _ in range(3)]
            parts = [rng.randbytes(50_000) for _ in range(6)]
            for producer, part in zip([silent, *hit], parts):
                producer.sendall(part)
            diode.wait(lambda: len(consumer.taken) == 4 and sum(
                len(s.data) for s in consumer.taken) == 200_000, 30, "the first parts")
            emulator.command("drop on")
            for producer in hit:
                producer.sendall(parts[4])
            diode.wait(lambda: diode.count("tx", "bytes") == 350_000, 30, "the lost parts")
            time.sleep(0.3)
            emulator.command("drop off")
            for producer in hit:
                producer.sendall(parts[5])
            bring(silent, parts[5])
            fresh = connect(path)
            bring(fresh, parts[4])
            diode.wait(lambda: len(consumer.ended()) == 5, 30, "all at their end")
            for producer in (silent, fresh, *hit):
                producer.close()
            diode.wait(lambda: diode.count("tx", "open") == 0, 30, "tx has none open")
            diode.finish(emulator=emulator)
        t.equal({bytes(s.data) for s in consumer.taken if s.end == "end"},
                {parts[0] + parts[5], parts[4]}, "streams that came to their end")
        t.equal({bytes(s.data) for s in consumer.taken if s.end == "reset"}, set(parts[1:4]),
                "streams that were cut")
        t.equal({number: where[0] for number, where in gaps(diode).items()},
                {2: 50_000, 3: 50_000, 4: 50_000}, "gaps begin at")
        t.check(all(last is None or last <= 150_000 for _, last in gaps(diode).values()),
                gaps(diode))
        t.equal(diode.read_log("rx").count("stream.broken"), 0, "consumers gone")


@tap.test
def a_consumer_that_stops_reading(t):
    """One consumer reads nothing. It is cut off when its buffer is full, which is counted and named;
    another stream of its channel, and another channel, do not notice."""
    netns.require()
    rng = tap.rng("slow")
    more = [("other", {"listen": f"127.0.0.1:{PORT_IN + 10}"},
             {"deliver": f"127.0.0.1:{PORT_OUT + 10}"})]
    with netns.Path(mtu=9000, emulator=False) as path, \
            StreamDiode(path, t.dir, rx_line={"consumer_buffer": "256 KiB"}, more=more) as diode, \
            Consumer(path, hold=1) as consumer, \
            Consumer(path, ("127.0.0.1", PORT_OUT + 10)) as other:
        diode.begin()
        slow = connect(path)
        diode.wait(lambda: len(consumer.taken) == 1, 30, "its consumer")
        good, beside = connect(path), connect(path, ("127.0.0.1", PORT_IN + 10))
        diode.wait(lambda: len(consumer.taken) == 2 and other.taken, 30, "the other consumers")
        data = rng.randbytes(8 << 20)
        # the readers here are no faster than this machine lets them: never far ahead of them
        for at in range(0, len(data), 65536):
            for producer in (slow, good, beside):
                producer.sendall(data[at:at + 65536])
            diode.wait(lambda a=at: len(consumer.taken[1].data) >= a
                       and len(other.taken[0].data) >= a, 30, "the readers", step=0.002)
        for producer in (slow, good, beside):
            bring(producer, b"")
        diode.wait(lambda: len(other.ended()) == 1 and any(
            s.end for s in consumer.taken[1:]), 60, "the others at their end")
        t.check(bytes(other.taken[0].data) == data, "the other channel is whole")
        t.check(bytes(consumer.taken[1].data) == data, "the other stream is whole")
        diode.wait(lambda: diode.count("rx", "slow") == 1, 30, "one cut off")
        consumer.read.set()
        diode.wait(lambda: len(consumer.ended()) == 2, 30, "the slow one at its end")
        got = bytes(consumer.taken[0].data)
        t.equal(consumer.taken[0].end, "reset", "how the slow one ended")
        t.check(len(got) < len(data) and data.startswith(got), f"{len(got)} bytes, from the start")
        first = int(re.search(r"stream\.slow .*connection=1 from=(\d+)",
                              diode.read_log("rx"))[1])
        t.check(len(got) <= first, f"named from {first}, got {len(got)}")
        t.equal(diode.count("rx", "slow", NUMBER + 1), 0, "slow ones of the other channel")
        for producer in (slow, good, beside):
            producer.close()
        even(t, diode, path)


@tap.test
def a_consumer_that_comes_late(t):
    """Nobody listens when a stream begins, and not when it ends: its bytes wait. From a Unix socket to
    TCP, and from TCP to a Unix socket."""
    netns.require()
    rng = tap.rng("late")
    with netns.Path(mtu=1500, emulator=False) as path:
        ins, outs = (os.path.join(t.dir, name) for name in ("in.socket", "out.socket"))
        more = [("other", {"listen": f"127.0.0.1:{PORT_IN + 10}"}, {"deliver": outs})]
        with StreamDiode(path, t.dir, tx_line={"listen": ins}, more=more) as diode:
            diode.begin()
            first, second = rng.randbytes(300_000), rng.randbytes(300_000)
            one, two = connect(path, ins), connect(path, ("127.0.0.1", PORT_IN + 10))
            bring(one, first)
            bring(two, second)
            diode.wait(lambda: diode.read_log("rx").count("stream.absent") == 2, 30, "told")
            diode.wait(lambda: diode.count("tx", "open") + diode.count("tx", "open", NUMBER + 1)
                       == 0, 30, "both over at tx")
            with Consumer(path) as tcp, Consumer(path, outs) as unix:
                diode.wait(lambda: tcp.ended() and unix.ended(), 30, "both at their end")
                t.equal((bytes(tcp.taken[0].data) == first, tcp.taken[0].end), (True, "end"),
                        "by TCP")
                t.equal((bytes(unix.taken[0].data) == second, unix.taken[0].end), (True, "end"),
                        "by the Unix socket")
                for producer in (one, two):
                    producer.close()
                even(t, diode, path)
            t.check(not os.path.exists(ins), "the socket of tx goes with it")


@tap.test
def from_fifo_to_fifo(t):
    """What `cat` writes into a FIFO on tx, `cat` reads from one on rx, to its end; twice."""
    netns.require()
    rng = tap.rng("fifo")
    ins, outs = (os.path.join(t.dir, name) for name in ("in.fifo", "out.fifo"))
    with netns.Path(mtu=1500, emulator=False) as path, \
            StreamDiode(path, t.dir, tx_line={"listen": "fifo:" + ins},
                        rx_line={"deliver": "fifo:" + outs}) as diode:
        diode.begin()
        for turn in range(2):
            data = rng.randbytes(700_000)
            with open(os.path.join(t.dir, "data"), "wb") as file:
                file.write(data)
            with open(os.path.join(t.dir, "out"), "wb") as out, \
                    subprocess.Popen(["cat", outs], stdout=out) as reader, \
                    open(ins, "wb") as into:
                subprocess.run(["cat", os.path.join(t.dir, "data")], stdout=into, check=True,
                               timeout=60)
                into.close()
                t.equal(reader.wait(30), 0, f"turn {turn}: the reader came to the end")
            with open(os.path.join(t.dir, "out"), "rb") as out:
                t.check(out.read() == data, f"turn {turn}: the same bytes")
        t.equal(diode.count("rx", "opened"), 2, "streams")
        even(t, diode, path)


@tap.test
def a_line_says_what_is_missing(t):
    """gap = mark: a line stands where bytes were lost, and the stream goes on to its end."""
    netns.require()
    with netns.Path(mtu=1500) as path, \
            StreamDiode(path, t.dir, rx_line={"gap": "mark", "gap_text": "*** %u lost ***"}) \
            as diode, Consumer(path) as consumer:
        with Emulator(path, t.dir, seed=tap.seed()) as emulator:
            diode.begin()
            producer = connect(path)
            producer.sendall(b"before\n")
            diode.wait(lambda: consumer.taken and consumer.taken[0].data, 30, "the first line")
            emulator.command("drop on")
            producer.sendall(b"in between\n")
            diode.wait(lambda: diode.count("tx", "bytes") == 18, 30, "the lost line at tx")
            time.sleep(0.3)
            emulator.command("drop off")
            producer.sendall(b"behind\n")
            diode.wait(lambda: consumer.taken[0].data.endswith(b"behind\n"), 30, "the last line")
            bring(producer, b"")
            diode.wait(consumer.ended, 30, "the end")
            producer.close()
            diode.finish(emulator=emulator)
        t.equal((bytes(consumer.taken[0].data), consumer.taken[0].end),
                (b"before\n*** 11 lost ***\nbehind\n", "end"), "what the consumer read")
        t.equal(gaps(diode), {1: (7, 18)}, "named")


@tap.test
def roles_that_are_killed(t):
    """The tx role: its producers and consumers see their streams broken, and new ones go on. The rx
    role: the same, until producers connect anew. Source and sink: no stream that is silent
    meanwhile loses a byte."""
    netns.require()
    with netns.Path(mtu=1500, emulator=False) as path, StreamDiode(path, t.dir) as diode, \
            Consumer(path) as consumer:
        diode.begin()
        one = connect(path)
        one.sendall(b"one ")
        diode.wait(lambda: consumer.taken and consumer.taken[0].data == b"one ", 30, "one")
        for side, role in (("tx", "source"), ("rx", "sink")):
            diode.kill_role(side, role)
            diode.wait(lambda: diode.counters("rx").get("decode.sessions_live"), 30, "a session")
            one.sendall(role.encode())
            diode.wait(lambda r=role: consumer.taken[0].data.endswith(r.encode()), 30,
                       f"bytes after {role}")
        t.equal(bytes(consumer.taken[0].data), b"one sourcesink", "no byte is lost or comes twice")
        diode.kill_role("tx", "stream")
        diode.wait(consumer.ended, 30, "the end of the first")
        t.equal(consumer.taken[0].end, "reset", "how it ended")
        one.close()
        two = connect(path)
        two.sendall(b"two ")
        diode.wait(lambda: len(consumer.taken) == 2 and consumer.taken[1].data == b"two ", 30,
                   "the second")
        diode.kill_role("rx", "stream")
        diode.wait(lambda: consumer.taken[1].end, 30, "the end of the second")
        t.equal(consumer.taken[1].end, "reset", "how it ended")
        diode.wait(lambda: re.search(r"stream\.joined .*connection=1 from=0 to=4",
                                     diode.read_log("rx")), 30, "the second is met again")
        two.sendall(b"unheard")
        three = connect(path)
        bring(three, b"three")
        diode.wait(lambda: len(consumer.ended()) == 3, 30, "the third")
        t.equal((bytes(consumer.taken[2].data), consumer.taken[2].end), (b"three", "end"),
                "the third")
        t.equal(len(consumer.taken), 3, "consumers")
        two.close()
        three.close()
        even(t, diode, path)


@tap.test
def who_is_turned_away(t):
    """Producers beyond `connections` and beyond `allow` are closed at once and counted; streams
    beyond rx's `connections` are not delivered; a new one has the place of one that ended."""
    netns.require()
    with netns.Path(mtu=1500, emulator=False) as path, \
            StreamDiode(path, t.dir, tx_line={"connections": 3, "allow": "127.0.0.1"},
                        rx_line={"connections": 2}) as diode, Consumer(path) as consumer:
        diode.begin()
        producers = [connect(path) for _ in range(3)]
        diode.wait(lambda: diode.count("rx", "crowded") == 1, 30, "one too many for rx")
        fourth = connect(path)
        fourth.settimeout(20)
        t.equal(fourth.recv(1), b"", "the fourth")
        stranger = path.tx.ns.socket(socket.AF_INET, socket.SOCK_STREAM)
        stranger.bind(("127.0.0.2", 0))
        stranger.connect(("127.0.0.1", PORT_IN))
        stranger.settimeout(20)
        t.equal(stranger.recv(1), b"", "a stranger")
        t.equal((diode.count("tx", "refused"), diode.count("tx", "not_allowed")), (1, 1), "counted")
        for at, producer in enumerate(producers):
            producer.sendall(b"%d" % at)
        diode.wait(lambda: diode.count("rx", "bytes") == 2, 30, "two delivered")
        bring(producers[0], b"!")
        diode.wait(lambda: len(consumer.ended()) == 1, 30, "one place is free")
        fresh = connect(path)
        bring(fresh, b"fresh")
        diode.wait(lambda: len(consumer.ended()) == 2, 30, "a new one")
        t.equal({bytes(s.data) for s in consumer.ended()}, {b"0!", b"fresh"}, "what ended")
        for closing in (*producers, fourth, stranger, fresh):
            closing.close()
        even(t, diode, path)


@tap.test
def never_by_the_diode_port(t):
    """A consumer that the host would reach by the diode port is refused by check and run; when a route
    turns there later, a stream waits, and nothing leaves."""
    netns.require()
    with netns.Path(mtu=1500, emulator=False) as path, \
            StreamDiode(path, t.dir, rx_line={"deliver": f"198.51.100.9:{PORT_OUT}"}) as diode:
        ns = path.rx.ns
        ns.ip("route", "add", "198.51.100.0/24", "dev", path.rx.name)
        for command in ("check", "run"):
            done = subprocess.run(ns.argv([diode.rx_program, command, "--config",
                                           diode.rx_config]), capture_output=True, text=True,
                                  timeout=60, check=False)
            t.equal(done.returncode, 78, f"exit code of {command}")
            t.check(re.search(r"deliver = 198\.51\.100\.9:5101: .*the diode port", done.stderr),
                    done.stderr)
        ns.ip("route", "del", "198.51.100.0/24")
        diode.begin()
        ns.ip("route", "add", "198.51.100.0/24", "dev", path.rx.name)
        ns.ip("neigh", "add", "198.51.100.9", "lladdr", "02:00:00:00:00:09", "dev",
              path.rx.name, "nud", "permanent")
        with connect(path) as producer:
            producer.sendall(b"unheard")
            diode.wait(lambda: "stream.absent" in diode.read_log("rx"), 30, "told")
            time.sleep(1.2)
        rx = diode.counters("rx")
        t.equal(rx["supervisor.port_sent"], 0, "frames that the diode port sent")
        t.equal(stats.one_way(path), {}, "frames the other way")
        diode.stop_tx()


if __name__ == "__main__":
    tap.main()
