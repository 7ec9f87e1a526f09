#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""A channel of kind state: the latest value of every key, and how old it is, from real producers
to real consumers; over a link that loses, and over the death of either role."""

import base64
import json
import os
import re
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import netns, stats, tap  # noqa: E402
from harness.diode import Diode  # noqa: E402
from harness.emu import Emulator  # noqa: E402

NUMBER = 901
CHANNEL = {"number": NUMBER, "kind": "state", "owner": "operations", "purpose": "live test",
           "classification": "internal"}
TYPES = ("普通", "快速", "特急")


class StateDiode(Diode):
    """A Diode with the channel `trains` beside its files channels."""

    def __init__(self, path, directory, tx_state=None, rx_state=None, **kwargs):
        self.listen = os.path.join(directory, "in.sock")
        self.deliver = os.path.join(directory, "out.sock")
        self.state = ({**CHANNEL, "listen": self.listen, "refresh": "1 s", **(tx_state or {})},
                      {**CHANNEL, "deliver": self.deliver, **(rx_state or {})})
        super().__init__(path, directory, **kwargs)

    def write_config(self):
        self.tx_sections["channel trains"], self.rx_sections["channel trains"] = self.state
        super().write_config()

    def start(self):
        self.start_rx()
        self.start_tx()
        self.wait(lambda: self.counters("rx").get("decode.sessions_live"), 30, "a session")

    def count(self, side, name):
        return self.counters(side).get(f"state.ch{NUMBER}_{name}", 0)

    def kill_role(self, side):
        """The role dies; its number of starts when the next one is ready is one higher."""
        block = self.status(side)["roles"]["state"]
        self.roles_may_die = True
        os.kill(block["pid"], signal.SIGKILL)
        self.wait(lambda: self.status(side)["roles"]["state"]["starts"] > block["starts"], 30,
                  f"{side} state starts again")


class Producer:
    """What tx must know: key -> value, as bytes."""

    def __init__(self, diode):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.at = diode.listen
        self.values = {}

    def put(self, key, value):
        self.values[key] = value
        self.socket.sendto(key + b"\n" + value, self.at)

    def withdraw(self, key):
        self.values.pop(key, None)
        self.socket.sendto(key, self.at)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


class Consumer(threading.Thread):
    """Reads lines as they come, and keeps what a consumer would know."""

    def __init__(self, diode, address=None):
        super().__init__(daemon=True)
        self.socket = address or socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if not address:
            self.socket.connect(diode.deliver)
        self.socket.settimeout(0.1)
        self.values, self.lines, self.bad = {}, [], []
        self.end = threading.Event()

    def run(self):
        rest = b""
        while not self.end.is_set():
            try:
                got = self.socket.recv(1 << 20)
            except TimeoutError:
                continue
            if not got:
                break
            *lines, rest = (rest + got).split(b"\n")
            for line in lines:
                self.take(line)

    def take(self, line):
        try:
            entry = json.loads(line.decode("utf-8"))
        except ValueError:
            self.bad.append(line)
            return
        self.lines.append(entry)
        if entry.get("withdrawn"):
            self.values.pop(member(entry, "key"), None)
        else:
            self.values[member(entry, "key")] = member(entry, "value")

    def of(self, key):
        return [entry for entry in list(self.lines) if member(entry, "key") == key]

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.join()
        self.socket.close()


class FileReader(threading.Thread):
    """Reads the file again and again while it is written; what it saw that was no whole one."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.bad, self.seen, self.values = path, [], set(), {}
        self.end = threading.Event()

    def run(self):
        while not self.end.is_set():
            try:
                with open(self.path, encoding="utf-8") as file:
                    text = file.read()
                self.take(json.loads(text))
            except FileNotFoundError:
                continue
            except (ValueError, KeyError) as error:
                self.bad.append(str(error))

    def take(self, table):
        self.seen.add(table["written"])
        if table["keys"] != len(table["values"]) or table["channel"] != "trains":
            self.bad.append(table["written"])
        self.values = {member(entry, "key"): member(entry, "value")
                       for entry in table["values"]}

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.join()


def member(entry, name):
    """The bytes that went in, whichever way they are written."""
    if name in entry:
        return entry[name].encode("utf-8")
    return base64.b64decode(entry[name + "_base64"], validate=True)


def train(rng, number):
    """Position, delay and type of a train, in UTF-8 or in Shift_JIS, or bytes of a program."""
    text = json.dumps({"位置": f"{rng.randrange(400)}k{rng.randrange(1000):03}m",
                       "遅延": rng.randrange(20), "種別": TYPES[number % 3],
                       "note": 'a "quoted" \\ \u2028 line'}, ensure_ascii=False)
    if number % 4 == 0:
        return text.encode("shift_jis", "ignore")
    if number % 4 == 1:
        return rng.randbytes(rng.choice((0, 7, 300, 3000)))
    return text.encode("utf-8")


def name(number):
    return (f"列車/{number}".encode("shift_jis") if number % 5 == 0
            else f"train/{number}".encode())


def fill(producer, rng, count):
    for number in range(count):
        producer.put(name(number), train(rng, number))
        if number % 20 == 0:
            time.sleep(0.002)


def wait_even(diode, producer, consumer, timeout=40):
    diode.wait(lambda: consumer.values == producer.values, timeout, "equal tables")


@tap.test
def both_ends_have_the_same(t):
    """Text in UTF-8 and Shift_JIS, quotes and any bytes: what went in comes out, with its age;
    each update is a line, a withdrawn key goes, who comes later gets it all; and so does the
    file, which is whole whenever it is read."""
    netns.require()
    rng = tap.rng("same")
    table = os.path.join(t.dir, "board", "state.json")
    with netns.Path(mtu=1500, emulator=False) as path, \
            StateDiode(path, t.dir, rx_state={"file": table, "file_every": "100 ms",
                                              "file_mode": "0640"}) as diode:
        diode.start()
        with Producer(diode) as producer, Consumer(diode) as consumer, \
                FileReader(table) as reader:
            began = time.time()
            fill(producer, rng, 300)
            wait_even(diode, producer, consumer)
            for number in range(0, 100):
                producer.put(name(number), train(rng, number))
            for number in range(100, 120):
                producer.withdraw(name(number))
            producer.put(b"clear", b"\x1b[2J")
            wait_even(diode, producer, consumer)
            t.equal(consumer.bad, [], "lines that are no JSON")
            t.equal(len(consumer.lines), 421, "lines: one for each update")
            entry = consumer.of(b"clear")[-1]
            t.equal(entry["value"], "\x1b[2J", "the value")
            t.check(all("\x1b" not in json.dumps(line) for line in consumer.lines),
                    "no line does anything to a terminal")
            t.equal((entry["channel"], entry["stale"]), ("trains", False), "channel, stale")
            t.check(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
                                 entry["update_time"]), entry["update_time"])
            t.check(0 <= entry["age_ms"] <= 1000 * (time.time() - began), entry["age_ms"])
            t.check(re.fullmatch("[0-9a-f]{8}", entry["session"]), entry["session"])
            t.equal(entry["number"], max(line["number"] for line in consumer.lines), "number")
            with Consumer(diode) as late:
                wait_even(diode, producer, late)
                t.check(all(line.get("snapshot") for line in late.lines), "as they are")
                t.equal(len(late.lines), len(producer.values), "each key once")
            diode.wait(lambda: reader.values == producer.values, 20, "the same in the file")
            t.equal(reader.bad, [], "reads of the file that were no whole one")
            t.check(len(reader.seen) > 1, f"{len(reader.seen)} states of the file were seen")
            t.equal(os.stat(table).st_mode & 0o777, 0o640, "its mode")
            t.equal(os.listdir(os.path.dirname(table)), ["state.json"], "what is beside it")
            t.equal(diode.count("rx", "consumers"), 1, "consumers, when one has gone")
            t.equal((diode.count("tx", "keys"), diode.count("rx", "keys")),
                    (301, 281), "keys, at tx with those whose end is said again")
        tx, rx = diode.finish()
        t.equal(tx[f"state.ch{NUMBER}_updates"], 421, "updates at tx")
        t.equal(rx[f"state.ch{NUMBER}_updates"], 421, "updates at rx")
        t.equal(rx["supervisor.port_sent"], 0, "frames that rx's diode port sent")
        t.equal(stats.one_way(path), {}, "frames the other way")
        t.check(not os.path.exists(diode.listen) and not os.path.exists(diode.deliver),
                "the paths are gone with the daemons")


@tap.test
def loss_is_made_good_by_what_is_said_again(t):
    """A link that loses far more than FEC gives back, values that change all the time, a
    consumer that comes and goes: when it ends, both ends have the same."""
    netns.require()
    rng = tap.rng("loss")
    with netns.Path(mtu=1500) as path, \
            StateDiode(path, t.dir, tx_state={"live_m": 0, "refresh": "500 ms"}) as diode:
        with Emulator(path, t.dir, seed=tap.seed(), loss="20%") as emulator:
            diode.start()
            with Producer(diode) as producer, Consumer(diode) as consumer:
                for _ in range(3):
                    fill(producer, rng, 200)
                for number in range(0, 200, 7):
                    producer.withdraw(name(number))
                wait_even(diode, producer, consumer)
                t.equal(consumer.bad, [], "lines that are no JSON")
            t.check(diode.count("rx", "lost") > 0, "messages were lost")
            t.check(diode.count("rx", "refreshes") > 0, "and others said nothing new")
            diode.finish(emulator=emulator)


@tap.test
def a_restarted_rx_has_every_key_again(t):
    """The role dies, then the whole of rx: nobody updates anything, and every key is back."""
    netns.require()
    rng = tap.rng("rx")
    with netns.Path(mtu=1500, emulator=False) as path, StateDiode(path, t.dir) as diode:
        diode.start()
        with Producer(diode) as producer:
            with Consumer(diode) as consumer:
                fill(producer, rng, 500)
                wait_even(diode, producer, consumer)
                diode.kill_role("rx")
            with Consumer(diode) as consumer:
                wait_even(diode, producer, consumer)
                t.equal(len(consumer.values), 500, "keys after the role died")
                oldest = max(line["age_ms"] for line in consumer.lines)
                t.check(oldest > 0, "they are as old as they are")
            diode.stop_rx()
            diode.start_rx()
            with Consumer(diode) as consumer:
                wait_even(diode, producer, consumer)
                t.equal(len(consumer.values), 500, "keys after rx was started again")
                t.equal(diode.count("rx", "keys"), 500, "keys counted")
        diode.finish()


@tap.test
def a_restarted_tx_invents_nothing(t):
    """The role's table dies with it: what producers say again comes, what they do not grows old at
    rx and is marked. A new tx is a new session, which is newer."""
    netns.require()
    with netns.Path(mtu=1500, emulator=False) as path, \
            StateDiode(path, t.dir, rx_state={"stale_after": "2 s"}) as diode:
        diode.start()
        with Producer(diode) as producer, Consumer(diode) as consumer:
            producer.put(b"once", b"1")
            producer.put(b"again", b"1")
            wait_even(diode, producer, consumer)
            diode.kill_role("tx")
            t.equal(diode.count("tx", "keys"), 0, "keys at tx")
            diode.wait(lambda: consumer.of(b"once")[-1]["stale"], 20, "stale")
            producer.put(b"again", b"2")
            diode.wait(lambda: consumer.values[b"again"] == b"2", 20, "the update")
            young = [line["stale"] for line in consumer.of(b"again") if line["value"] == "2"]
            t.equal(young[0], False, "stale, of the updated one")
            t.equal(consumer.values, {b"once": b"1", b"again": b"2"}, "rx knows both")
            session = consumer.of(b"again")[-1]["session"]
            diode.stop_tx()
            diode.start_tx()
            diode.wait(lambda: diode.counters("rx")["decode.sessions"] >= 2, 30,
                       "a second session")
            producer.put(b"again", b"3")
            diode.wait(lambda: consumer.values[b"again"] == b"3", 20, "the new session's")
            t.check(consumer.of(b"again")[-1]["session"] != session, "another session")
        diode.finish()


@tap.test
def a_slow_consumer_delays_nobody(t):
    """One does not read at all: the other has every change; what the first one did not get is
    counted in its next line, and the last it learns is the last there is."""
    netns.require()
    rng = tap.rng("slow")
    with netns.Path(mtu=1500, emulator=False) as path, StateDiode(path, t.dir) as diode:
        diode.start()
        slow = Consumer(diode)
        with Producer(diode) as producer, Consumer(diode) as fast:
            diode.wait(lambda: diode.count("rx", "consumers") == 2, 20, "two consumers")
            sent = 0
            for _ in range(10):
                for number in range(100):
                    producer.put(b"k%d" % number, rng.randbytes(2000) + b"\xff")
                    sent += 1
                diode.wait(lambda: len(fast.lines) == sent, 20, f"{sent} lines at the fast one")
            with slow:
                wait_even(diode, producer, slow)
                t.equal(slow.values, fast.values, "what both know")
                missed = sum(line.get("coalesced", 0) for line in slow.lines)
                t.check(missed > 0, f"{missed} changes coalesced")
                t.equal(len(slow.lines) + missed, sent, "lines and coalesced")
            t.equal(sum(line.get("coalesced", 0) for line in fast.lines), 0, "coalesced, fast")
            t.equal(diode.count("rx", "coalesced"), missed, "counted")
            diode.wait(lambda: "state.consumer" in diode.read_log("rx"), 20, "the event")
        diode.finish()


def alarms(diode):
    """Those since the feed was last told to be well, by how many times stale_after."""
    return re.findall(r"state\.stale .* times=(\d)",
                      diode.read_log("rx").rpartition("state.fresh")[2])


@tap.test
def silence_is_told(t):
    """The producer stops: the value is marked, the feed is told once, and once more when it stays
    so; and when it speaks again."""
    netns.require()
    with netns.Path(mtu=1500, emulator=False) as path, \
            StateDiode(path, t.dir, rx_state={"stale_after": "1 s"}) as diode:
        diode.start()
        with Producer(diode) as producer, Consumer(diode) as consumer:
            producer.put(b"train/1", b"1")
            diode.wait(lambda: [line["stale"] for line in consumer.of(b"train/1")]
                       == [False, True], 20, "marked")
            t.check(consumer.of(b"train/1")[-1]["age_ms"] >= 1000, "its age")
            # it was silent before, too, if the daemons took long to start
            diode.wait(lambda: alarms(diode)[-1:] == ["3"], 20, "two alarms")
            # one of them alone when the machine stood still for so long
            t.check(alarms(diode) in (["1", "3"], ["3"]), alarms(diode))
            t.equal(diode.count("rx", "keys_stale"), 1, "stale keys")
            t.check(diode.count("rx", "refreshes") > 0, "said again, it does not become younger")
            producer.put(b"train/1", b"2")
            diode.wait(lambda: alarms(diode) == [], 20, "state.fresh")
            diode.wait(lambda: len(consumer.of(b"train/1")) >= 3, 20, "the update")
            t.equal((consumer.of(b"train/1")[2]["stale"], consumer.values[b"train/1"]),
                    (False, b"2"), "and it is young")
        diode.finish()


@tap.test
def what_finds_no_place_is_counted(t):
    """No key, too long, too many, from elsewhere; a listener of the diode port's address."""
    netns.require()
    with netns.Path(mtu=1500, emulator=False) as path, \
            StateDiode(path, t.dir, tx_state={"listen": "127.0.0.1:5000", "max_keys": 3,
                                              "max_size": 100, "allow": "127.0.0.1"},
                       rx_state={"deliver": "127.0.0.1:5001"}) as diode:
        ns = path.rx.ns
        ns.ip("address", "add", "198.51.100.1/24", "dev", path.rx.name)
        diode.state[1]["deliver"] = "198.51.100.1:5001"
        diode.write_config()
        refused = diode.start_rx(wait=False, expect=(78,))
        t.equal(refused.wait(30), 78, "exit code of run")
        t.check(re.search(r"deliver = 198\.51\.100\.1:5001: .*the diode port",
                          diode.read_log("rx")), "why")
        diode.rx = None
        ns.ip("address", "del", "198.51.100.1/24", "dev", path.rx.name)
        diode.state[1]["deliver"] = "127.0.0.1:5001"
        diode.write_config()
        diode.start()
        at = path.rx.ns.socket(socket.AF_INET, socket.SOCK_STREAM)
        at.connect(("127.0.0.1", 5001))
        with Consumer(diode, at) as consumer, \
                path.tx.ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as good, \
                path.tx.ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as bad:
            bad.bind(("127.0.0.2", 0))
            for where, what in ((bad, b"a\n1"), (good, b"\n1"), (good, b"a\x01\n1"),
                                (good, b"a\n" + bytes(88)), (good, b"a\n" + bytes(87)),
                                (good, b"b\n2"), (good, b"c\n3"), (good, b"d\n4"),
                                (good, b"c\n5")):
                where.sendto(what, ("127.0.0.1", 5000))
            diode.wait(lambda: consumer.values == {b"a": bytes(87), b"b": b"2", b"c": b"5"},
                       20, "what was let in")
            for what, count in (("not_allowed", 1), ("malformed", 2), ("too_long", 1),
                                ("table_full", 1), ("keys", 3)):
                diode.wait(lambda w=what, n=count: diode.count("tx", w) == n, 10,
                           f"{what} {count}")
            diode.wait(lambda: "state.dropped" in diode.read_log("tx"), 20, "the event")
        diode.finish()


if __name__ == "__main__":
    tap.main()
