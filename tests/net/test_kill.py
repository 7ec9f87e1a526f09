# SPDX-License-Identifier: ISC
"""kill -9 of any role of either daemon, and of the daemons, at 100 seeded moments.

A producer keeps putting files into the spool; a reader opens and hashes every name of the
published tree the moment it becomes visible. Nothing unverified may ever be seen; after each
kill the transfer goes on; at the end every object is accounted for, and what a killed decode
had in its hands is completed by tickets.

More than half of the kills are aimed: at a system call that links, renames, writes or syncs
state, before it is done or after, or into the middle of hashing and signing (harness/aim.py).
How many of each kind must be hit at the least stands in AIMS. The rest falls anywhere.
KM_KILLS changes the number of kills; only 100 and more must hit all kinds.
"""

import collections
import contextlib
import hashlib
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import netns, stats, tap, tree  # noqa: E402
from harness.aim import Aim, strike  # noqa: E402
from harness.diode import Diode, accounted  # noqa: E402
from harness.emu import Emulator  # noqa: E402
from harness.procs import Died  # noqa: E402
from harness.watcher import Watcher  # noqa: E402

KILLS = int(os.environ.get("KM_KILLS", "100"))
TX_ROLES = ("source", "signer", "sender")
RX_ROLES = ("keeper", "decode", "publish")
# Each role at most this often per life of a daemon: the supervisor waits longer with each
# death, and that wait is not what is tested here.
DEATHS_PER_LIFE = 3
TICKETS = 10  # what tx works off in a minute
LARGE_AT = (10, 40, 70)  # kills after which a file of 66 MiB goes in

# Of 100 kills, by kind: (at least so many, [(so many are tried, aim)]). publish has no cipher:
# in libcrypto it hashes. The source is there behind reading its file: it hashes, or seals.
AIMS = {
    "link": (12, [
        (2, Aim("publish", "linkat", "entry")),
        (2, Aim("publish", "linkat", "exit")),
        (3, Aim("publish", "renameat2", "entry")),
        (3, Aim("publish", "renameat2", "exit")),
        (1, Aim("publish", "unlinkat", "exit", "on=/.incoming")),
        (2, Aim("source", "renameat2", "entry")),
        (2, Aim("source", "renameat2", "exit"))]),
    "hash": (8, [
        (6, Aim("publish", "pwrite64", "exit", "on=/.incoming/", "in=libcrypto")),
        (4, Aim("source", "pread64", "exit", "on=/work/", "in=libcrypto"))]),
    "sign": (6, [
        (4, Aim("signer", "recvmsg", "exit", "in=libsodium")),
        (2, Aim("source", "sendmsg", "entry")),
        (2, Aim("source", "sendmsg", "exit"))]),
    "state": (15, [
        (2, Aim("publish", "pwrite64", "entry", "on=state/rx")),
        (2, Aim("publish", "pwrite64", "exit", "on=state/rx")),
        (2, Aim("publish", "fdatasync", "entry")),
        (1, Aim("publish", "fsync", "exit")),
        (2, Aim("source", "pwrite64", "exit", "on=/journal")),
        (2, Aim("source", "fdatasync", "entry", "on=/journal")),
        (1, Aim("source", "renameat", "entry")),
        (1, Aim("signer", "pwrite64", "exit", "on=/epoch", fresh=True)),
        (1, Aim("signer", "fdatasync", "exit", "on=/epoch", fresh=True)),
        (2, Aim("keeper", "write", "exit", "on=/keeper/")),
        (2, Aim("keeper", "renameat", "entry")),
        (1, Aim("keeper", "renameat", "exit"))]),
    "send": (2, [
        (2, Aim("sender", "sendmmsg", "entry")),
        (1, Aim("sender", "sendmmsg", "exit"))]),
    "open": (2, [
        (3, Aim("decode", "poll", "exit", "in=libcrypto"))]),
}


class Producer(threading.Thread):
    """Puts files into the spool by rename, until told to stop: mostly small, some large, one
    name in five again with other content."""

    def __init__(self, diode, expected, rng):
        super().__init__(daemon=True)
        self.diode, self.expected, self.rng = diode, expected, rng
        self.end, self.large = threading.Event(), threading.Event()
        self.count = 0
        self.outside = os.path.join(diode.spool_root(), "outside")
        os.makedirs(self.outside)

    def put(self, size):
        number = self.count
        if number % 5 == 4:
            number = self.rng.randrange(self.count)  # the name of an earlier file
        name = b"d%02d/e%d/file-%05d" % (number % 37, number % 3, number)
        content = self.rng.randbytes(min(size, 1 << 20)) * max(1, size >> 20)
        self.expected.setdefault(name, set()).add(hashlib.sha256(content).digest())
        place = os.path.join(os.fsencode(self.outside), b"new")
        with open(place, "wb") as file:
            file.write(content)
        target = os.path.join(os.fsencode(self.diode.spool()), name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.rename(place, target)
        self.count += 1

    def run(self):
        while not self.end.is_set():
            kind = self.rng.random()
            if self.large.is_set():
                self.large.clear()
                self.put(66 << 20)  # large enough for the tree digest
            elif kind < 0.97:
                self.put(self.rng.randrange(0, 20000))
            else:
                self.put(self.rng.randrange(1 << 20, 4 << 20))
            time.sleep(0.025)


def plan(rng, kills):
    """Kinds and aims of so many kills, in a seeded order."""
    aims = [(kind, aim) for kind, (_, tried) in AIMS.items() for times, aim in tried
            for _ in range(times)]
    rng.shuffle(aims)
    return aims[:kills * len(aims) // 100]


class Killer:
    def __init__(self, diode, rng, kills):
        self.diode, self.rng, self.kills_wanted = diode, rng, kills
        self.aims = plan(rng, kills)
        self.kills = collections.Counter()
        self.hits, self.missed = collections.Counter(), collections.Counter()
        self.life = collections.Counter()
        self.can_hear = []

    @property
    def done(self):
        return not self.aims and sum(self.kills.values()) >= self.kills_wanted

    def process(self, role):
        return self.diode.tx if role in TX_ROLES else self.diode.rx

    def one(self):
        """Kill something; it must come back."""
        if self.rng.random() < 0.03:
            self.daemon(self.rng.choice(("tx", "rx")))
            return
        # aimed kills first come to be done; the plain ones lie between them
        left = self.kills_wanted - sum(self.kills.values())
        if self.aims and (self.rng.random() < 0.9 or left <= len(self.aims)):
            for number, (kind, aim) in enumerate(self.aims):
                if self.life[aim.role] + aim.fresh < DEATHS_PER_LIFE:
                    del self.aims[number]
                    self.aimed(kind, aim)
                    return
            self.daemon("tx" if self.aims[0][1].role in TX_ROLES else "rx")
            return
        choices = [r for r in TX_ROLES + RX_ROLES if self.life[r] < DEATHS_PER_LIFE]
        if choices:
            self.plain(self.rng.choice(choices))
        else:
            self.daemon(self.rng.choice(("tx", "rx")))

    def plain(self, role):
        """At whatever it is doing."""
        pid = self.process(role).role_pid(role, timeout=60)
        os.kill(pid, 9)
        self.came_back(role, pid)

    def aimed(self, kind, aim):
        """Where the aim says; where the role does not come to that, at whatever it does."""
        if aim.fresh:
            self.plain(aim.role)
        count = 1 if aim.fresh else self.rng.randrange(1, 4)
        steps, hit = self.rng.randrange(1, 2000), None
        while hit is None:  # source and signer are ended when the other one died
            pid = self.process(aim.role).role_pid(aim.role, timeout=60)
            hit = strike(pid, aim, count, steps)
        if hit:
            self.hits[kind] += 1
        else:
            self.missed[str(aim)] += 1
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        self.came_back(aim.role, pid)

    def came_back(self, role, pid):
        self.life[role] += 1
        self.kills[role] += 1
        process, end = self.process(role), time.monotonic() + 60
        while process.roles().get(role, pid) == pid:
            process.check_alive()
            if time.monotonic() > end:
                raise Died(f"{role} did not come back\n{process.tail()}")
            time.sleep(0.01)
        self.listen()

    def listen(self):
        """At any moment the packet sockets of tx's host are for sending."""
        self.can_hear += [row for row in stats.packet_sockets(self.diode.path.tx) if row[0]]

    def daemon(self, side):
        """The power of one host goes: kill the supervisor, its roles die with it."""
        process = self.diode.tx if side == "tx" else self.diode.rx
        roles = process.roles()
        process.kill()
        self.kills[side] += 1
        for role in (TX_ROLES if side == "tx" else RX_ROLES):
            self.life[role] = 0
        end = time.monotonic() + 30
        for pid in roles.values():
            while os.path.exists(f"/proc/{pid}"):
                if time.monotonic() > end:
                    raise Died(f"{side}: a role outlived its supervisor: {roles}")
                time.sleep(0.01)
        if side == "tx":
            self.diode.start_tx()
        else:
            self.diode.start_rx()
        self.listen()


def complete_by_tickets(t, diode, rounds=30):
    """Carry tickets from rx to tx until nothing is missing; the rounds it took. tx takes ten
    tickets a minute, and a test has no operator's patience: each round is a new tx."""
    for number in range(rounds):
        rx = diode.wait_settled(120)
        if not rx["publish.objects_missing"] and not rx["publish.manifests_missing"]:
            return number
        tickets = diode.wait_tickets()
        if not tickets:
            continue
        code, answer = diode.resend(*tickets[:TICKETS])
        t.require(code in (0, 69), f"resend: exit {code}: {answer[-500:]}")  # 69: not kept
        diode.wait_settled(120)
        diode.stop_tx()
        diode.start_tx()
    return rounds


@tap.test
def a_hundred_kills(t):
    netns.require()
    rng = tap.rng("kill")
    expected = {}
    with netns.Path(mtu=9000) as path, \
            Diode(path, t.dir, tx={"rate": "500 Mbit/s"}, tx_channel={"fec_depth": 15},
                  rx={"pool": "64 MiB", "ring": "32 MiB"},
                  rx_channel={"fec_depth": 15}) as diode, \
            Emulator(path, t.dir, seed=rng.getrandbits(32), loss="0.5%"), \
            Watcher(diode.tree(), expected) as watcher:
        diode.roles_may_die = True
        diode.start_rx()
        diode.start_tx()
        producer = Producer(diode, expected, random.Random(rng.random()))
        producer.start()
        killer = Killer(diode, rng, KILLS)
        diode.wait_published(1, 60)
        while not killer.done:
            if sum(killer.kills.values()) in LARGE_AT:
                producer.large.set()
            time.sleep(rng.uniform(0.02, 0.2))
            killer.one()
        producer.end.set()
        producer.join(60)
        tap.note(f"kills: {dict(killer.kills)}; hit while: {dict(killer.hits)}; aimed in vain: "
                 f"{dict(killer.missed)}")
        for kind, (least, _) in AIMS.items():
            t.check(killer.hits[kind] >= least or KILLS < 100,
                    f"{killer.hits[kind]} kills at kind `{kind}`, want {least}")
        rounds = complete_by_tickets(t, diode)
        rx = diode.counters("rx")
        tap.note(f"{producer.count} files, {watcher.seen} looks, {rounds} rounds of tickets; "
                 f"announced {rx['publish.objects_announced']}, "
                 f"published {rx['publish.objects_published']}, "
                 f"quarantined {rx['publish.objects_quarantined']}, "
                 f"withdrawn {rx['publish.objects_withdrawn']}")
        t.check(accounted(rx), f"object sum does not hold: {rx}")
        t.equal(killer.can_hear, [], "packet sockets of tx that can receive")
        for event in ("chain.fork", "chain.broken", "chain.restarted"):
            t.check(f" {event} " not in diode.read_log("rx"), f"rx says {event}")
        t.equal(diode.read_log("tx").count(" chain.new "), 1, "chains that tx began")
        t.equal(rx["publish.objects_missing"], 0, "objects missing at the end")
        diode.stop()
        watcher.sweep()
        t.equal(watcher.wrong[:5], [], "seen in the tree though nobody sent it")
        t.check(watcher.seen > KILLS, f"the reader saw only {watcher.seen} names")
        got = {p for p in expected if os.path.isfile(os.path.join(watcher.root, p))}
        t.equal(sorted(set(expected) - got)[:5], [], "names never published")
        code, text = diode.verify()
        t.equal(code, 0, f"katamichi-rx verify: {text[-500:]}")
        t.equal(stats.one_way(path), {}, "one-wayness")


if __name__ == "__main__":
    tap.main()
