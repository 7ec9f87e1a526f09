# SPDX-License-Identifier: ISC
"""Both daemons on a netns.Path: keys, real configuration files, spools and roots.

    with netns.Path(mtu=9000) as path, Diode(path, t.dir) as diode:
        tree.make_files(diode.spool(), 1000, 4096, rng)
        diode.start_rx()
        diode.start_tx()
        diode.wait_published(1000, timeout=60)
        diode.stop()                        # tx says farewell, rx finishes
        tree.compare(want, diode.tree())

Below the directory: config/ keys/ spool/<channel>/in root/<channel>/tree state/ run/ logs/.
"""

import json
import os
import re
import subprocess
import time

from . import config, framing, stats
from .procs import Died, Process, find_program

LANES = range(5)
# A ticket as `missing` prints it: groups of base32 joined by hyphens.
TICKET = re.compile(r"(?m)^ *ticket ([0-9A-HJKMNP-TV-Z-]+)$")
# What does not move while nothing comes but heartbeats and manifests sent again.
AT_REST = ("publish.objects_published", "publish.objects_missing", "publish.objects_announced",
           "publish.objects_partial", "publish.objects_quarantined", "decode.lost_total",
           "decode.windows_incomplete", "publish.manifests_missing")

# What a daemon may take to start and to stop on a busy machine; never a measurement.
START_SECONDS = 60
STOP_SECONDS = 90


class Diode:
    """tx and rx joined by a path; a context manager that stops what still runs."""

    def __init__(self, path, directory, channels=("files",), tx=None, rx=None,
                 tx_channel=None, rx_channel=None):
        self.path, self.dir, self.channels = path, directory, list(channels)
        self.tx_program = find_program("katamichi-tx")
        self.rx_program = find_program("katamichi-rx")
        self.roles_may_die = False  # for tests that kill them
        self.tx = self.rx = None
        for name in ("config", "keys", "spool", "root", "state", "run", "logs"):
            os.makedirs(self._at(name), mode=0o755, exist_ok=True)
        for name in self.channels:
            os.makedirs(self.spool(name), exist_ok=True)
            os.makedirs(os.path.dirname(self.root(name)), exist_ok=True)
        self.make_keys()
        self.tx_sections = config.merge(self._tx_base(tx_channel or {}), {"transmitter": tx or {}})
        self.rx_sections = config.merge(self._rx_base(rx_channel or {}), {"receiver": rx or {}})
        self.write_config()

    # -- where things are --------------------------------------------------------------

    def _at(self, *parts):
        return os.path.join(self.dir, *parts)

    def spool(self, channel=None):
        """Where producers put files."""
        return self._at("spool", channel or self.channels[0], "in")

    def spool_root(self, channel=None):
        return self._at("spool", channel or self.channels[0])

    def root(self, channel=None):
        return self._at("root", channel or self.channels[0])

    def tree(self, channel=None):
        """Where published files appear."""
        return os.path.join(self.root(channel), "tree")

    def manifests(self, channel=None):
        """Names of the stored manifests, in the order of their numbers."""
        place = os.path.join(self.root(channel), "manifests")
        if not os.path.isdir(place):
            return []
        # a name with a dot before it is being written, or was when the power went
        return sorted(os.path.join(place, name) for name in os.listdir(place)
                      if name.endswith(".manifest") and not name.startswith("."))

    tx_config = property(lambda self: self._at("config", "tx.conf"))
    rx_config = property(lambda self: self._at("config", "rx.conf"))
    tx_public = property(lambda self: self._at("keys", "tx.pub"))

    # -- configuration -----------------------------------------------------------------

    def make_keys(self):
        for program, name in ((self.tx_program, "tx"), (self.rx_program, "rx")):
            if not os.path.exists(self._at("keys", name + ".key")):
                subprocess.run([program, "keygen", "--key", self._at("keys", name + ".key")],
                               check=True, stdout=subprocess.DEVNULL, timeout=60)

    def _channel(self, number):
        return {"number": number, "kind": "files", "owner": "operations",
                "purpose": "one-way copy", "classification": "internal"}

    def _tx_base(self, changes):
        sections = {"transmitter": {
            **framing.keys("tx"), "interface": self.path.tx.name, "rate": "1 Gbit/s",
            "state_dir": self._at("state", "tx"), "run_dir": self._at("run", "tx"),
            "key": self._at("keys", "tx.key"), "receivers": self._at("keys", "rx.pub"),
            "summary": "5 s"}}
        for number, name in enumerate(self.channels, 1):
            sections["channel " + name] = {
                **self._channel(number), "spool": self.spool_root(name), "settle": "300 ms",
                "min_free": "16 MiB", **changes}
        return sections

    def _rx_base(self, changes):
        sections = {"receiver": {
            **framing.keys("rx"), "interface": self.path.rx.name,
            "state_dir": self._at("state", "rx"),
            "run_dir": self._at("run", "rx"), "key": self._at("keys", "rx.key"),
            "trust": self._at("keys", "tx.pub"), "summary": "5 s",
            # shared test machines pause for a second and more
            "ring": "128 MiB"}}
        for number, name in enumerate(self.channels, 1):
            sections["channel " + name] = {
                **self._channel(number), "root": self.root(name), "min_free": "16 MiB",
                **changes}
        return sections

    def write_config(self):
        for side in ("tx", "rx"):
            os.makedirs(self._at("state", side), exist_ok=True)
            os.makedirs(self._at("run", side), exist_ok=True)
        config.write(self.tx_config, self.tx_sections)
        config.write(self.rx_config, self.rx_sections)

    # -- running -----------------------------------------------------------------------

    def start_tx(self, wait=True, expect=(0,), env=None, through=()):
        """through: a command that runs the program, which is its arguments."""
        self.tx = Process([*through, self.tx_program, "run", "--config", self.tx_config],
                          self._at("logs"), "tx", ns=self.path.tx.ns, expect=expect, env=env)
        if wait:
            self.tx.wait_line(r"daemon\.ready", START_SECONDS)
        return self.tx

    def start_rx(self, wait=True, expect=(0,), env=None, through=()):
        self.rx = Process([*through, self.rx_program, "run", "--config", self.rx_config],
                          self._at("logs"), "rx", ns=self.path.rx.ns, expect=expect, env=env)
        if wait:
            self.rx.wait_line(r"daemon\.ready", START_SECONDS)
        return self.rx

    def stop_tx(self):
        code = self.tx.stop(STOP_SECONDS)
        self.tx = None
        return code

    def stop_rx(self):
        code = self.rx.stop(STOP_SECONDS)
        self.rx = None
        return code

    def stop(self):
        if self.tx:
            self.stop_tx()
        if self.rx:
            self.stop_rx()

    # -- what it says ------------------------------------------------------------------

    def status(self, side):
        program, conf = ((self.tx_program, self.tx_config) if side == "tx"
                         else (self.rx_program, self.rx_config))
        return stats.status(program, "--config", conf)

    def counters(self, side):
        """{"role.counter": value} of the daemon's counters page."""
        return flatten(self.status(side))

    def missing(self, *args):
        """Exit code and text of `katamichi-rx missing`."""
        return self._rx("missing", *args)

    def tickets(self):
        """The tickets that `katamichi-rx missing` prints, in its order."""
        return TICKET.findall(self.missing()[1])

    def wait_tickets(self):
        """The tickets for what rx counts as missing; [] when by now nothing is. `missing' reads
        what publish has written down, which is a moment behind the counters."""
        def written():
            rx, tickets = self.counters("rx"), self.tickets()
            return tickets or not (rx["publish.objects_missing"]
                                   or rx["publish.manifests_missing"])
        found = self.wait(written, 30, "tickets for what is missing")
        return [] if found is True else found

    def verify(self, *args):
        """Exit code and text of `katamichi-rx verify`."""
        return self._rx("verify", *args)

    def replay(self, capture, into):
        """Exit code and text of `katamichi-rx replay CAPTURE` into a new directory."""
        return self._rx("replay", "--mtu", str(self.path.mtu), "--into", into, capture)

    def _rx(self, command, *args):
        done = subprocess.run([self.rx_program, command, "--config", self.rx_config, *args],
                              capture_output=True, timeout=600, check=False)
        return done.returncode, (done.stdout + done.stderr).decode("utf-8", "backslashreplace")

    def resend(self, *tickets):
        """Exit code and answer of `katamichi-tx resend TICKET...`."""
        done = subprocess.run([self.tx_program, "resend", "--config", self.tx_config,
                               "--wait", "60", *tickets],
                              capture_output=True, timeout=120, check=False)
        return done.returncode, (done.stdout + done.stderr).decode("utf-8", "backslashreplace")

    def read_log(self, side):
        """What all processes of a side have logged."""
        with open(self._at("logs", side + ".err"), encoding="utf-8",
                  errors="backslashreplace") as file:
            return file.read()

    def losses(self):
        """Frames that rx gave up: {(session, lane): sorted list of lane sequences}."""
        found = {}
        for name in ("losses.1", "losses"):
            path = self._at("state", "rx", "publish", name)
            if not os.path.exists(path):
                continue
            with open(path, encoding="ascii") as file:
                for line in file:
                    field = dict(part.split("=", 1) for part in line.split()[1:])
                    found.setdefault((int(field["session"], 16), int(field["lane"])),
                                     []).extend(range(int(field["first"]),
                                                      int(field["last"]) + 1))
        return {key: sorted(value) for key, value in found.items()}

    def link(self):
        """What rx knows of the sender: state, unknown_since_ns, session, epoch (texts)."""
        with open(self._at("state", "rx", "publish", "link"), encoding="ascii") as file:
            return dict(part.split("=", 1) for part in file.read().split())

    # -- waiting -----------------------------------------------------------------------

    def wait(self, condition, timeout, what, step=0.1):
        """Wait until condition() is true; its value. A daemon that ends by itself, and a
        wait that is too long, raise."""
        end = time.monotonic() + timeout
        while True:
            value = condition()
            if value:
                return value
            for process in (self.tx, self.rx):
                if process:
                    process.check_alive()
            if time.monotonic() > end:
                tails = "\n".join(p.tail(12) for p in (self.tx, self.rx) if p)
                raise Died(f"not within {timeout} s: {what}\n{tails}")
            time.sleep(step)

    def published(self):
        return self.counters("rx").get("publish.objects_published", 0)

    def wait_published(self, count, timeout):
        """Wait until rx has published COUNT objects (since its state began)."""
        return self.wait(lambda: self.published() >= count, timeout,
                         f"{count} objects published")

    def wait_sent(self, count, timeout):
        """Wait until tx has given out and sent COUNT objects since its state began and has
        no more; its counters."""
        def sent():
            tx = self.counters("tx")
            return (tx.get("source.objects_announced", 0) >= count
                    and not tx["source.backlog_files"]) and tx
        return self.wait(sent, timeout, f"{count} objects sent")

    def wait_left(self, count, emulator, timeout):
        """Wait until every frame of the COUNT objects that this tx process began with has
        left it and has been dealt with by the emulator."""
        tx = self.wait(lambda: self.counters("tx").get("source.files_sent", 0) >= count
                       and self.counters("tx"), timeout, f"{count} objects left tx")
        frames = (sum(tx[f"sender.lane{n}_sent"] for n in LANES) + tx["sender.workers_sent"]
                  - tx["source.announces"])
        self.wait(lambda: emulator.status()["data_frames"] >= frames, timeout,
                  f"{frames} frames at the emulator")

    def wait_settled(self, timeout):
        """Wait until tx has nothing left to send, rx has heard of all of it and is at rest:
        what is still missing then will not come by itself; the rx counters."""
        def heard():
            tx, rx = self.counters("tx"), self.counters("rx")
            count = tx.get("source.objects_announced", 0)
            return (count and not tx["source.backlog_files"]
                    and rx["publish.objects_announced"] >= count)
        while True:
            self.wait(heard, timeout, "everything sent and heard of")
            rx = self.wait_quiet(timeout)
            # counters are some milliseconds old: a claim may have come while rx was at rest
            if heard():
                return rx

    def wait_quiet(self, timeout):
        """Wait until rx has nothing at hand: no open window, no frame pending, every message
        of decode handled, and so twice in a row; its counters."""
        last = []

        def quiet():
            rx = self.counters("rx")
            still = not (rx["decode.windows_open"] or rx["decode.held"] or frames_pending(rx))
            now = [rx[name] for name in AT_REST]
            calm = still and last == now
            last[:] = now
            if not calm:
                time.sleep(0.25)
            return calm and rx
        return self.wait(quiet, timeout, "rx at rest")

    def finish(self, timeout=60, emulator=None):
        """Stop tx in order, wait until rx has settled every account, stop rx; the last
        counters of both. EMULATOR is told to let everything pass first: without the last
        farewell rx cannot know the last number of its lane, and that is a test of its own."""
        if emulator:
            emulator.command("clear")
        self.stop_tx()
        tx = self.counters("tx")
        self.wait(lambda: not self.counters("rx")["decode.sessions_live"], timeout,
                  "the session ended at rx")
        rx = self.wait_quiet(timeout)
        self.wait(lambda: sum(map(len, self.losses().values())) >= rx["decode.lost_total"], 10,
                  "the losses written down")
        self.stop_rx()
        return tx, rx

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for process in (self.tx, self.rx):
            if process and kind is not None:
                process.kill()
        if kind is None:
            self.stop()
            if not self.roles_may_die:
                self.check_no_role_died()

    def check_no_role_died(self):
        """A role that ended without being asked is a bug, whatever else the test found."""
        for name in ("tx", "rx"):
            log = self._at("logs", name + ".err")
            if not os.path.exists(log):
                continue
            with open(log, encoding="utf-8", errors="backslashreplace") as file:
                deaths = [line for line in file if " role.died " in line]
            if deaths:
                raise Died("a role died:\n" + "".join(deaths[:5]))


def flatten(status):
    """Counters of all roles of a status document as {"role.counter": value}."""
    flat = {}
    for role, block in status.get("roles", status).items():
        if isinstance(block, dict):
            for name, value in block.get("counters", {}).items():
                flat[f"{role}.{name}"] = value
    return flat


def frames_pending(rx):
    """Frames that may still come, of all lanes of the current session."""
    return sum(rx[f"decode.lane{n}_pending"] for n in LANES) + rx["decode.workers_pending"]


def accounted(rx):
    """The object sum of an rx counters page holds."""
    return rx["publish.objects_announced"] == (
        rx["publish.objects_published"] + rx["publish.objects_quarantined"]
        + rx["publish.objects_withdrawn"] + rx["publish.objects_missing"])


def load_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)
