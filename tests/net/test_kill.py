# SPDX-License-Identifier: ISC
"""kill -9 of any role of either daemon, and of the daemons, at 100 seeded moments.

A producer keeps putting files into the spool; a reader opens and hashes every name of the
published tree the moment it becomes visible. Nothing unverified may ever be seen; after each
kill the transfer goes on; at the end every object is accounted for, and what a killed decode
had in its hands is completed by tickets.

The system call a victim was in is noted, to show that the moments fall into hashing, signing,
linking and writing state, too. KM_KILLS changes the number of kills.
"""

import collections
import hashlib
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import netns, stats, tap, tree  # noqa: E402
from harness.diode import Diode, accounted  # noqa: E402
from harness.emu import Emulator  # noqa: E402
from harness.procs import Died  # noqa: E402
from harness.watcher import Watcher  # noqa: E402

KILLS = int(os.environ.get("KM_KILLS", "100"))
TX_ROLES = ("source", "signer", "sender")
RX_ROLES = ("keeper", "decode", "publish")
# Each role at most this often per life of a daemon: the supervisor waits longer with each
# death, and that wait is not what is tested here.
DEATHS_PER_LIFE = 2
TICKETS = 10  # what tx works off in a minute
LARGE_AT = (10, 40, 70)  # kills after which a file of 66 MiB goes in
SYSCALLS = {0: "read", 1: "write", 7: "poll", 17: "pread64", 18: "pwrite64", 46: "sendmsg",
            47: "recvmsg", 74: "fsync", 75: "fdatasync", 82: "rename", 87: "unlink",
            202: "futex", 230: "clock_nanosleep", 257: "openat", 263: "unlinkat",
            264: "renameat", 265: "linkat", 271: "ppoll", 307: "sendmmsg", 316: "renameat2",
            437: "openat2"}
# Half of the victims are caught at work: at such a call, or computing (hashing, signing).
AT_WORK = {"write", "pwrite64", "fsync", "fdatasync", "rename", "unlink", "unlinkat", "openat2",
           "renameat", "renameat2", "linkat", "running"}
CATCH_SECONDS = 0.3  # then as it is


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
            time.sleep(0.01)


def syscall_of(pid):
    try:
        with open(f"/proc/{pid}/syscall", encoding="ascii") as file:
            first = file.read().split()[0]
    except OSError:
        return "?"
    return "running" if first == "running" else SYSCALLS.get(int(first), first)


class Killer:
    def __init__(self, diode, rng):
        self.diode, self.rng = diode, rng
        self.kills = collections.Counter()
        self.calls = collections.Counter()
        self.life = collections.Counter()

    def one(self):
        """Kill something; it must come back."""
        choices = [r for r in TX_ROLES + RX_ROLES if self.life[r] < DEATHS_PER_LIFE]
        if not choices or self.rng.random() < 0.03:
            self.daemon(self.rng.choice(("tx", "rx")))
            return
        role = self.rng.choice(choices)
        process = self.diode.tx if role in TX_ROLES else self.diode.rx
        pid = process.role_pid(role, timeout=60)
        call = syscall_of(pid)
        if self.rng.random() < 0.5:
            wanted = self.rng.choice((AT_WORK, AT_WORK - {"running"}))
            end = time.monotonic() + CATCH_SECONDS
            while call not in wanted and time.monotonic() < end:
                call = syscall_of(pid)
        os.kill(pid, 9)
        self.calls[call] += 1
        self.life[role] += 1
        self.kills[role] += 1
        end = time.monotonic() + 60
        while process.roles().get(role, pid) == pid:
            process.check_alive()
            if time.monotonic() > end:
                raise Died(f"{role} did not come back\n{process.tail()}")
            time.sleep(0.01)

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


def complete_by_tickets(t, diode, rounds=30):
    """Carry tickets from rx to tx until nothing is missing; the rounds it took. tx takes ten
    tickets a minute, and a test has no operator's patience: each round is a new tx."""
    for number in range(rounds):
        rx = diode.wait_settled(120)
        if not rx["publish.objects_missing"] and not rx["publish.manifests_missing"]:
            return number
        tickets = diode.tickets()
        t.require(tickets, f"missing, but no ticket:\n{diode.missing()[1][:2000]}")
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
        killer = Killer(diode, rng)
        diode.wait_published(1, 60)
        while sum(killer.kills.values()) < KILLS:
            if sum(killer.kills.values()) in LARGE_AT:
                producer.large.set()
            time.sleep(rng.uniform(0.02, 0.5))
            killer.one()
        producer.end.set()
        producer.join(60)
        tap.note(f"kills: {dict(killer.kills)}; victims were in: {dict(killer.calls)}")
        rounds = complete_by_tickets(t, diode)
        rx = diode.counters("rx")
        tap.note(f"{producer.count} files, {watcher.seen} looks, {rounds} rounds of tickets; "
                 f"announced {rx['publish.objects_announced']}, "
                 f"published {rx['publish.objects_published']}, "
                 f"quarantined {rx['publish.objects_quarantined']}, "
                 f"withdrawn {rx['publish.objects_withdrawn']}")
        t.check(accounted(rx), f"object sum does not hold: {rx}")
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
