#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Full disks, for roles that have dropped root: `user = nobody` on both sides; spool and state of
tx, root and state of rx on small disks of their own. Each fills up under a running transfer:
a line says which and why, no role dies, nothing that was safe is lost, and when there is
room again everything arrives."""

import hashlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import account, netns, stats, tap  # noqa: E402
from harness.diode import Diode  # noqa: E402
from harness.disks import Tmpfs  # noqa: E402
from harness.emu import Emulator  # noqa: E402
from harness.producer import Producer, wait_all  # noqa: E402

NOBODY = 65534
DISKS = ("tx-state", "tx-spool", "rx-state", "rx-root")
MIB = 16


class Rooms(Diode):
    """A diode on four disks, whose roles run as nobody."""

    def __init__(self, path, directory, disk):
        self.disk = disk
        super().__init__(path, directory,
                         tx={"user": "nobody", "state_dir": disk["tx-state"].place},
                         rx={"user": "nobody", "state_dir": disk["rx-state"].place},
                         tx_channel={"min_free": "1 MiB"}, rx_channel={"min_free": "128 KiB"})
        for side in ("tx", "rx"):
            os.chown(os.path.join(self.dir, "keys", side + ".key"), NOBODY, NOBODY)
        for place in (*(d.place for d in disk.values()), self.spool_root(), self.spool(),
                      self.root(), os.path.join(self.dir, "run", "tx"),
                      os.path.join(self.dir, "run", "rx")):
            os.makedirs(place, exist_ok=True)
            os.chown(place, NOBODY, NOBODY)

    def spool_root(self, channel=None):
        return os.path.join(self.disk["tx-spool"].place, "spool")

    def spool(self, channel=None):
        return os.path.join(self.spool_root(), "in")

    def root(self, channel=None):
        return os.path.join(self.disk["rx-root"].place, "root")


class Run:
    def __init__(self, t, diode, rng):
        self.t, self.diode = t, diode
        self.producer = Producer(diode, rng)

    def put_late(self, name):
        """Files that were made while there was room, to be moved in when there is none."""
        late = []
        for number in range(5):
            content = self.producer.rng.randbytes(20000)
            place = os.path.join(self.diode.spool_root(), f"{name}-{number}")
            with open(place, "wb") as file:
                file.write(content)
            late.append((place, f"{name}-{number}".encode(), content))

        def move_in():
            for place, relative, content in late:
                os.rename(place, os.path.join(os.fsencode(self.diode.spool()), relative))
                self.producer.expected[relative] = hashlib.sha256(content).digest()
        return move_in

    def phase(self, name, told, arrives):
        """The disk NAME is full while five files come. TOLD: (side, words of the line), None
        where nothing needs room. ARRIVES: they do so all the same."""
        t, diode = self.t, self.diode
        move_in = self.put_late(name)
        safe = dict(self.producer.expected)
        filler = diode.disk[name].fill()
        move_in()
        if told:
            side, words = told
            process = diode.tx if side == "tx" else diode.rx
            line = process.wait_line(words, 30)[0]
            tap.note(f"{name}: {line}")
        if arrives:
            wait_all(diode, self.producer, 60)
        self.nothing_lost(name, safe)
        os.unlink(filler)
        self.complete(name)
        t.equal(self.producer.judge(diode.tree()), [], f"{name}: published tree")

    def nothing_lost(self, name, safe):
        """What was published stands as it was; what was put in is on one side or the other."""
        with_room = {n: d for n, d in self.producer.expected.items() if n in safe}
        wrong = [n for n, d in with_room.items()
                 if digest(os.path.join(os.fsencode(self.diode.tree()), n)) != d]
        self.t.equal(wrong[:3], [], f"{name}: published content that changed")
        # in the order in which files move: none can be passed by on its way
        spool = self.diode.spool_root()
        have = {digest(os.path.join(where, n))
                for place in ("in", ".katamichi/work", ".katamichi/sent")
                for where, _, names in os.walk(os.path.join(spool, place)) for n in names}
        gone = [n for n, d in self.producer.expected.items() if n not in safe and d not in have]
        self.t.equal(gone, [], f"{name}: files gone from the spool")

    def complete(self, name, rounds=4):
        for _ in range(rounds):
            rx = self.diode.wait_settled(90)
            if not rx["publish.objects_missing"] and not rx["publish.manifests_missing"]:
                return
            tickets = self.diode.wait_tickets()
            if tickets:
                self.diode.resend(*tickets[:4])
        self.t.check(False, f"{name}: still missing after all rounds of tickets")


def digest(path):
    """None: it has moved on."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except FileNotFoundError:
        return None


@tap.test
def full_disks_for_a_user(t):
    netns.require()
    os.chmod(t.dir, 0o755)
    disk = {}
    try:
        for name in DISKS:
            disk[name] = Tmpfs(os.path.join(t.dir, name), MIB)
        run_on(t, disk)
    finally:
        for one in disk.values():
            one.close()


def run_on(t, disk):
    rng = tap.rng("room")
    with netns.Path(mtu=9000) as path, Rooms(path, os.path.join(t.dir, "diode"), disk) as diode, \
            Emulator(path, t.dir):
        run = Run(t, diode, rng)
        diode.start_rx()
        diode.start_tx()
        for number in range(20):
            run.producer.put(rng.randbytes(rng.randrange(1, 60000)), b"first-%d" % number)
        wait_all(diode, run.producer, 60)
        for process in (diode.tx, diode.rx):
            uids = {uid_of(pid) for pid in process.roles().values()}
            t.equal(uids, {NOBODY}, f"{process.name}: users of the roles")
        run.phase("rx-root", ("rx", r".*disk\.full.*channel=files.*"), False)
        run.phase("rx-state", ("rx", r".*floors\.failed.*No space left.*free the disk.*"), False)
        run.phase("tx-state", ("tx", r".*journal\.failed.*No space left.*free the disk.*files.*"),
                  False)
        run.phase("tx-spool", None, True)
        for process in (diode.tx, diode.rx):
            t.check("role.died" not in process.output(), f"{process.name}: a role died")
        account.check_sums(t, diode.counters("rx"))
        diode.stop()
        code, text = diode.verify()
        t.equal(code, 0, f"verify: {text[-500:]}")
        t.equal(stats.one_way(path), {}, "one-wayness")


def uid_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        return int(next(line for line in file if line.startswith("Uid:")).split()[1])


if __name__ == "__main__":
    tap.main()
