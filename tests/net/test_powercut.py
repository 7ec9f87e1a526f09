# SPDX-License-Identifier: ISC
"""Power cuts. Spool and state of tx, and root and state of rx, lie on ext4 images; in the
middle of a transfer the images are copied as they lie on the disk, at 20 seeded moments,
mounted elsewhere and checked: nothing that was safe is gone, nothing stands published that
was not sent and signed, and both daemons go on from there.

All processes stand still while an image is copied, and a copy during which the kernel wrote
is taken again: each copy is one moment. KM_CUTS changes the number of moments.
"""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import cleanup, netns, tap  # noqa: E402
from harness.disks import Ext4, OnDisks, require_loop  # noqa: E402
from harness.emu import Emulator  # noqa: E402
from harness.producer import Producer  # noqa: E402

CUTS = int(os.environ.get("KM_CUTS", "20"))
GO_ON = 3  # moments at which both daemons are started on the copies
IMAGE_MIB = 400


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files(root):
    """{relative path: path} of the regular files below ROOT."""
    top = os.fsencode(root)
    return {os.path.relpath(os.path.join(where, name), top): os.path.join(where, name)
            for where, _, names in os.walk(top) for name in names}


class Moment:
    """All of both hosts stands still; the disks are copied."""

    def __init__(self, number, diode, producer, disks, place):
        self.number, self.place = number, os.path.join(place, f"cut{number}")
        os.makedirs(self.place)
        self.images = {}
        with producer.lock:
            pids = self._stop(diode)
            try:
                self.expected = {name: digest_.hex()
                                 for name, digest_ in producer.expected.items()}
                for side, disk in disks.items():
                    self.images[side] = disk.copy(os.path.join(self.place, side + ".img"))
            finally:
                for pid in reversed(pids):
                    os.kill(pid, signal.SIGCONT)

    @staticmethod
    def _stop(diode):
        pids = []
        for process in (diode.tx, diode.rx):
            for pid in (process.pid, *process.roles().values()):
                os.kill(pid, signal.SIGSTOP)
                pids.append(pid)
        # a system call under way is finished first; then the process counts as stopped
        for pid in pids:
            end = time.monotonic() + 30
            while _state(pid) not in "tTZX":
                if time.monotonic() > end:
                    raise RuntimeError(f"process {pid} does not stop: {_state(pid)}")
                time.sleep(0.001)
        return pids

    def mount(self, side):
        return Ext4(self.images[side], os.path.join(self.place, side))

    def forget(self):
        shutil.rmtree(self.place)


def _state(pid):
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()[0].decode()


def copy_of(path, directory, original, tx_disk, rx_disk):
    """A diode on the copies, with the keys of the original."""
    if not os.path.exists(os.path.join(directory, "keys")):
        shutil.copytree(os.path.join(original.dir, "keys"), os.path.join(directory, "keys"))
    return OnDisks(path, directory, tx_disk, rx_disk, tx={"rate": "2 Gbit/s"})


# ---- what must hold on a disk after the cut -----------------------------------------------

def signed(t, diode, what):
    """Every stored manifest verifies with stock minisign; {path: {digests}} of them all."""
    found = {}
    for manifest in diode.manifests():
        done = subprocess.run(["minisign", "-q", "-Vm", manifest, "-p", diode.tx_public],
                              capture_output=True, text=True, timeout=60, check=False)
        t.check(done.returncode == 0, f"{what}: {os.path.basename(manifest)}: {done.stderr}")
        with open(manifest, "rb") as file:
            for line in file.read().split(b"\n"):
                match = re.fullmatch(rb"([0-9a-f]{64})  \./(.*)", line)
                if match:
                    found.setdefault(match[2], set()).add(match[1].decode())
    return found


def check_rx(t, moment, diode):
    """What is published on the receiver's copy was sent, and its manifest is stored."""
    what = f"cut {moment.number}, rx"
    stored = signed(t, diode, what)
    published = files(diode.tree())
    for name, path in published.items():
        found = digest(path)
        t.check(moment.expected.get(name) == found, f"{what}: {name!r}: not what was sent")
        t.check(found in stored.get(name, ()), f"{what}: {name!r}: no stored manifest")
    code, text = diode.verify()
    wrong = [line for line in text.splitlines() if not harmless(line)]
    t.check(code in (0, 65) and not wrong, f"{what}: verify: exit {code}\n{text[:1500]}")
    code, text = diode.missing()
    t.check(code in (0, 1, 65), f"{what}: missing: exit {code}\n{text[:1500]}")
    return len(published), len(stored)


def harmless(line):
    """What `verify` may say of a receiver that lost power: figures, what has not come, and
    what was committed and is not in place yet; a restart brings both."""
    return re.search(r"manifests?, \d+ objects? in tree|missing|not published yet|"
                     r"nothing received yet", line)


def check_tx(t, moment, diode):
    """Every file that was safe in the spool is still there, by content."""
    what = f"cut {moment.number}, tx"
    top = diode.spool_root()
    have = set()
    for part in ("in", ".katamichi/work", ".katamichi/sent"):
        have |= {digest(path) for path in files(os.path.join(top, part)).values()}
    gone = sorted(name for name, want in moment.expected.items() if want not in have)
    t.equal(gone[:5], [], f"{what}: files that were safe in the spool and are gone")
    return len(have)


def go_on(t, moment, original, directory):
    """Both daemons start on the copies and bring everything across."""
    what = f"cut {moment.number}"
    os.makedirs(directory)
    with netns.Path(mtu=9000, emulator=False) as path, moment.mount("tx") as tx_disk, \
            moment.mount("rx") as rx_disk, \
            copy_of(path, directory, original, tx_disk.place, rx_disk.place) as diode:
        diode.start_rx()
        diode.start_tx()
        for process in (diode.tx, diode.rx):
            t.check("damaged" not in process.output(), f"{what}: {process.tail()}")
        diode.wait(lambda: not files(diode.spool()), 60, f"{what}: the spool taken up")
        rounds = complete_by_tickets(t, diode, moment.expected)
        published = {name: digest(place) for name, place in files(diode.tree()).items()}
        missing = sorted(set(moment.expected) - set(published))
        t.equal(missing[:5], [], f"{what}: not published after going on")
        wrong = sorted(name for name, found in published.items()
                       if moment.expected.get(name) != found)
        t.equal(wrong[:5], [], f"{what}: published with other content")
        rx = diode.counters("rx")
        t.equal(rx["publish.objects_announced"], rx["publish.objects_published"]
                + rx["publish.objects_withdrawn"], f"{what}: announced = published + withdrawn")
        t.equal(rx["publish.chain_forks"] + rx["publish.chain_breaks"], 0,
                f"{what}: forks and breaks of the chain")
        t.equal(rx["publish.chains_restarted"], 0, f"{what}: tx began another chain")
        diode.stop()
        t.equal(unfinished(diode), [], f"{what}: unfinished files beside the manifests")
        code, text = diode.verify()
        t.equal(code, 0, f"{what}: verify: {text[:1500]}")
        tap.note(f"{what}: went on, {rounds} rounds of tickets, {len(published)} files")


def unfinished(diode):
    """What a write that the power cut ended has left; it must not stay for ever."""
    return [name for name in os.listdir(os.path.join(diode.root(), "manifests"))
            if name.startswith(".")]


def complete_by_tickets(t, diode, expected=(), rounds=12):
    """Until nothing is missing and every EXPECTED name stands there; the rounds it took."""
    wanted = set(expected)
    for number in range(rounds):
        rx = diode.wait_settled(120)
        if not rx["publish.objects_missing"] and not rx["publish.manifests_missing"]:
            # a source that waits for a slow disk shows old counters: its last batch may be
            # neither in its backlog nor told yet
            diode.wait(lambda: wanted <= set(files(diode.tree()))
                       or diode.counters("rx")["publish.objects_missing"], 120,
                       "what was safe in the spool is published or told to be missing")
            if wanted <= set(files(diode.tree())):
                return number
            continue
        tickets = diode.wait_tickets()
        if tickets:
            diode.resend(*tickets[:8])
    t.check(False, "still missing after all rounds of tickets")
    return rounds


# ---- the run ------------------------------------------------------------------------------

def fast_place(t):
    """Images are copied often: in memory, where there is such a place."""
    if not os.access("/dev/shm", os.W_OK):
        return t.dir
    place = tempfile.mkdtemp(prefix=f"km-{os.getpid()}-powercut-", dir="/dev/shm")
    cleanup.push(shutil.rmtree, place, True)
    return place


@tap.test
def power_cuts(t):
    netns.require()
    place = fast_place(t)
    require_loop(place)
    rng = tap.rng("powercut")
    chosen = set(rng.sample(range(CUTS), min(GO_ON, CUTS)))
    kept, seen = [], []
    with netns.Path(mtu=9000) as path, Ext4.make(place, "tx", IMAGE_MIB) as tx_disk, \
            Ext4.make(place, "rx", IMAGE_MIB) as rx_disk, \
            OnDisks(path, t.dir, tx_disk.place, rx_disk.place,
                    tx={"rate": "2 Gbit/s"}) as diode, \
            Emulator(path, t.dir, loss="0.3%", seed=rng.getrandbits(32)):
        diode.start_rx()
        diode.start_tx()
        with Producer(diode, rng, size=(0, 30000), pause=0.005, large=1 << 20,
                      sync=True) as producer:
            diode.wait_published(1, 60)
            for number in range(CUTS):
                time.sleep(rng.uniform(0.02, 0.4))
                moment = Moment(number, diode, producer, {"tx": tx_disk, "rx": rx_disk}, place)
                work = os.path.join(place, f"check{number}")
                os.makedirs(work)
                # nothing is put in meanwhile: how much lies on the disks in the end, and
                # with that what tx has to give up, does not hang on how long checks take
                with producer.lock, moment.mount("tx") as tx_copy, \
                        moment.mount("rx") as rx_copy:
                    copy = copy_of(path, work, diode, tx_copy.place, rx_copy.place)
                    seen.append((check_tx(t, moment, copy), *check_rx(t, moment, copy)))
                shutil.rmtree(work)
                if number in chosen:
                    kept.append(moment)
                else:
                    moment.forget()
        complete_by_tickets(t, diode)
        t.equal(producer.judge(diode.tree())[:5], [], "the run itself: published tree")
        diode.stop()
    tap.note(f"{producer.count} files; per cut, files on tx, published, in manifests: {seen}")
    t.check(any(0 < published < total for total, published, _ in seen),
            "no cut fell into the middle of the transfer")
    for moment in kept:
        go_on(t, moment, diode, os.path.join(place, f"goon{moment.number}"))


if __name__ == "__main__":
    tap.main()
