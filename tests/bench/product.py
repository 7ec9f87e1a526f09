# SPDX-License-Identifier: ISC
"""The product on a bare veth pair, file system to file system, both in memory.

    with Product(bench, path, "ethernet") as product:
        carried = product.carry(staged)

Time runs from the first claim (a file leaves SPOOL/in) to the last name visible (the change
time of the last file published: the kernel's clock tick, 4 ms at worst). Nothing is polled
meanwhile but one name.
"""

import collections
import hashlib
import os
import shutil
import subprocess
import time

from harness import framing as udp, stats, tree
from harness.diode import Diode, accounted
from harness.procs import Died

import setting
from ballast import Ballast
from watching import Claim

RING = "256 MiB"  # what waits here while a shared machine pauses is not lost
POLL_SECONDS = 0.002
SLOWEST_BPS = 0.1e9  # what a transfer may take is bounded by this
COMPARE_BYTES = 64 * setting.MIB
CLOCK_TICK = os.sysconf("SC_CLK_TCK")

Carried = collections.namedtuple(
    "Carried", "seconds begin_ns end_ns bytes files wire_bytes lost cpu rss note")
Carried.__doc__ = """One transfer. begin_ns, end_ns: first claim and last name, CLOCK_REALTIME; lost: frames rx gave up or the ring dropped; cpu: {role:
processor seconds}; rss: {role: MiB, less the mapped packet ring}; note: why not all of it
came, or None. What came wrong raises."""


class Unsupported(Exception):
    """This build does not know what was asked for."""


class Product:
    """Both daemons on PATH (RX_RUNS: or only that of tx); a context manager. TX, RX: keys of the configurations; SECTIONS:
    further sections of both, {section: (keys of tx, keys of rx)}; CHANNEL: keys of every
    channel of both."""

    def __init__(self, bench, path, framing, rate="40 Gbit/s", channels=1, tx=None,
                 rx=None, sections=None, channel=None, rx_runs=True):
        self.rx_runs = rx_runs
        self.bench, self.path, self.framing = bench, path, framing
        self.rate = rate
        self.count = 0
        self.dir = os.path.join(bench.work, "diode")
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)
        tx = {"rate": rate, "mtu": path.mtu, **(tx or {})}
        rx = {"mtu": path.mtu, "ring": RING, **(rx or {})}
        if framing != "ethernet":
            for side in (tx, rx):
                side.update(framing=framing, udp_src=udp.SRC_TEXT, udp_dst=udp.DST_TEXT)
        changes = channel or {}
        self.diode = Diode(path, self.dir, channels=[f"c{n}" for n in range(channels)], tx=tx,
                           rx=rx, tx_channel={**changes, "settle": "300 ms"}, rx_channel=changes)
        for section, (ours, theirs) in (sections or {}).items():
            self.diode.tx_sections[section], self.diode.rx_sections[section] = ours, theirs
        self.diode.write_config()
        self._check()

    def _check(self):
        """A configuration that this build refuses is not a failure: the row is absent."""
        for program, conf in ((self.diode.tx_program, self.diode.tx_config),
                              (self.diode.rx_program, self.diode.rx_config)):
            done = subprocess.run([program, "check", "--offline", "--config", conf],
                                  capture_output=True, text=True, timeout=30, check=False)
            if done.returncode:
                raise Unsupported((done.stderr or done.stdout).strip().split("\n")[0]
                                  .replace(self.dir + "/", ""))

    # -- life ----------------------------------------------------------------------------

    def __enter__(self):
        self.diode.__enter__()
        try:
            if self.rx_runs:
                self.diode.start_rx()
            self.diode.start_tx()
            if self.rx_runs:
                self.diode.wait(lambda: self.diode.counters("rx").get("decode.sessions_live"), 30,
                            "a session at the receiver")
        except BaseException as error:
            self.diode.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(self, *what):
        self.diode.__exit__(*what)
        shutil.rmtree(self.dir, ignore_errors=True)

    # -- one transfer --------------------------------------------------------------------

    def carry(self, staged, channel=None):
        """Carry what lies at STAGED (a file or a directory on the same file system) to the
        far side, judge it, and put it back. A Carried."""
        self.count += 1
        name = f"{self.count:04d}-{os.path.basename(staged)}"
        files = listing(staged)
        want = sum(file.size for file in files)
        ballast = Ballast(want)
        before = self._before()
        roles = self.cpu()
        claim = Claim([staged, *folders(staged)] if os.path.isdir(staged)
                      else [self.diode.spool(channel)])
        target = os.path.join(self.diode.spool(channel), name)
        wire = stats.counters(self.path.tx)["tx_bytes"]
        note = None
        with ballast:
            os.rename(staged, target)
            try:
                self._wait(files, name, channel, before, want)
            except Died as error:
                note = str(error).split("\n", 1)[0]
        claim.close()
        wire = stats.counters(self.path.tx)["tx_bytes"] - wire
        cpu = {role: value - roles.get(role, 0) for role, value in self.cpu().items()}
        rss = self._rss()
        published = os.path.join(self.diode.tree(channel), name)
        end = None if note else self._last_change(published, files)
        seconds = (end - claim.at_ns) / 1e9 if end and claim.at_ns else None
        if note:
            self._settle()
        lost = self._lost() - before["lost"]
        self._put_back(staged, channel)
        wrong = None if note else self._judge(staged, published, files)
        self._remove(published)
        if wrong:
            raise Died(wrong)
        return Carried(seconds, claim.at_ns, end, want, len(files), wire, lost, cpu, rss, note)

    def _before(self):
        rx = self.diode.counters("rx")
        return {"published": rx["publish.objects_published"], "lost": self._lost(rx),
                "missing": rx["decode.symbols_missing"]}

    def _lost(self, rx=None):
        rx = rx or self.diode.counters("rx")
        return rx["decode.lost_total"]

    def _settle(self):
        """Symbols are given up when their window ends, the frames they were in when their
        lane's account says so: later, and of the two only these tell that the link lost."""
        try:
            self.diode.wait_quiet(30)
        except Died as error:
            print(f"  (rx does not come to rest: {str(error).splitlines()[0]})", flush=True)

    def _check_whole(self, before):
        """What repair could not bring back does not come any more: no need to wait for it."""
        missing = self.diode.counters("rx")["decode.symbols_missing"] - before["missing"]
        if missing:
            raise Died(f"{missing} symbols missing after repair")

    def _wait(self, files, name, channel, before, want):
        end = time.monotonic() + 20 + want * 8 / SLOWEST_BPS + len(files) / 500
        last = os.path.join(self.diode.tree(channel), name, files[-1].path).rstrip("/")
        checked = time.monotonic()
        while not os.path.exists(last):
            time.sleep(POLL_SECONDS)
            if time.monotonic() - checked > 2:
                self._check_alive()
                self._check_whole(before)
                checked = time.monotonic()
                if checked > end:
                    raise Died(f"{name}: not published in time")
        goal = before["published"] + len(files)
        while True:
            rx = self.diode.counters("rx")
            if rx["publish.objects_published"] >= goal and accounted(rx):
                return
            if time.monotonic() > end:
                raise Died(f"{name}: {goal - rx['publish.objects_published']} of {len(files)} "
                           "files not published in time")
            self._check_alive()
            self._check_whole(before)
            time.sleep(0.05)

    def _check_alive(self):
        self.diode.tx.check_alive()
        self.diode.rx.check_alive()

    @staticmethod
    def _judge(staged, published, files):
        """Why what was published is not what was sent, or None."""
        for path, size, digest, _ in files:
            place = os.path.join(published, path) if path else published
            if size > COMPARE_BYTES:  # cheaper than a digest
                if not same_bytes(os.path.join(staged, path) if path else staged, place):
                    return f"{path or os.path.basename(published)}: other bytes"
                continue
            try:
                with open(place, "rb") as file:
                    if hashlib.file_digest(file, "sha256").digest() != digest:
                        return f"{path or os.path.basename(published)}: other bytes"
            except OSError as error:
                return f"{path}: {error.strerror}"
        return None

    @staticmethod
    def _last_change(published, files):
        return max(os.lstat(os.path.join(published, path) if path else published).st_ctime_ns
                   for path, *_ in files)

    def _put_back(self, staged, channel):
        """tx has moved every file to sent/: the way back to where they were, known again by
        their inodes. Its own accounts of what it keeps are then wrong, which it does not
        mind."""
        sent = os.path.join(self.diode.spool_root(channel), ".katamichi", "sent")
        files = {file.inode: file.path for file in listing(staged)}
        deadline = time.monotonic() + 30
        while len(os.listdir(sent)) < len(files) and time.monotonic() < deadline:
            time.sleep(0.05)
        with os.scandir(sent) as entries:
            found = {entry.inode(): entry.path for entry in entries}
        if set(found) != set(files):
            raise Died(f"{len(found)} files in sent/, want {len(files)}")
        for inode, path in files.items():
            place = os.path.join(staged, path) if path else staged
            os.makedirs(os.path.dirname(place), exist_ok=True)
            os.rename(found[inode], place)

    @staticmethod
    def _remove(path):
        if os.path.isdir(path):
            shutil.rmtree(path, ignore_errors=True)
        elif os.path.exists(path):
            os.unlink(path)

    # -- figures -------------------------------------------------------------------------

    def _roles(self):
        for side, process in (("tx", self.diode.tx), ("rx", self.diode.rx)):
            if not process:
                continue
            for role, pid in process.roles().items():
                yield f"{side}.{role}", pid

    def cpu(self):
        """{role: processor seconds since its start}"""
        found = {}
        for role, pid in self._roles():
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
            found[role] = (int(fields[11]) + int(fields[12])) / CLOCK_TICK
        return found

    def _rss(self):
        found = {}
        for role, pid in self._roles():
            kib = stats.memory_kib(pid)
            found[role] = (kib["rss"] - kib["ring"]) / 1024
        return found


# -- what is carried ------------------------------------------------------------------------

File = collections.namedtuple("File", "path size digest inode")
_remembered = {}  # staged path: its files


def listing(staged):
    """Files below STAGED (or it, with path ""), in the order of the paths as bytes are."""
    if staged not in _remembered:
        if os.path.isdir(staged):
            paths = sorted((os.path.relpath(os.path.join(where, name), staged)
                            for where, _, names in os.walk(staged) for name in names),
                           key=os.fsencode)
        else:
            paths = [""]
        found = []
        for path in paths:
            place = os.path.join(staged, path) if path else staged
            info = os.lstat(place)
            digest = None
            if info.st_size <= COMPARE_BYTES:
                with open(place, "rb") as file:
                    digest = hashlib.file_digest(file, "sha256").digest()
            found.append(File(path, info.st_size, digest, info.st_ino))
        _remembered[staged] = found
    return _remembered[staged]


def same_bytes(left, right):
    """Whether two files are equal; a third of the time that cmp takes."""
    buffers = [bytearray(setting.MIB), bytearray(setting.MIB)]
    with open(left, "rb", buffering=0) as one, open(right, "rb", buffering=0) as two:
        while True:
            sizes = [file.readinto(buffer) for file, buffer in zip((one, two), buffers)]
            if sizes[0] != sizes[1] or buffers[0][:sizes[0]] != buffers[1][:sizes[1]]:
                return False
            if not sizes[0]:
                return True


def forget(staged):
    """Remove what was staged."""
    _remembered.pop(staged, None)
    Product._remove(staged)


def folders(staged):
    return [os.path.join(where, name) for where, names, _ in os.walk(staged) for name in names]


def stage_file(bench, name, size):
    """A file of SIZE bytes that do not repeat within a window."""
    place = os.path.join(bench.directory("staged"), name)
    block = tree.random_bytes(bench.random(name), min(size, setting.MIB)) * 2
    with open(place, "wb", buffering=0) as file:
        done = 0
        while done < size:
            at = done // setting.MIB * 4099 % setting.MIB if size >= setting.MIB else 0
            piece = block[at:at + min(setting.MIB, size - done)]
            head = min(8, len(piece))
            file.write(done.to_bytes(8, "big")[:head] + piece[head:])
            done += len(piece)
    return place


def stage_files(bench, name, count, size):
    place = os.path.join(bench.directory("staged"), name)
    tree.make_files(place, count, size, bench.random(name))
    return place
