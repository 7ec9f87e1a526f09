#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What the daemons tell their service manager, which the test plays: ready once all roles are
caged and work, well as long as they are, stopping; and what becomes of a role, or of a
supervisor, that stands still, or of a role that says by its exit code that all is over. The manager's socket is a file: a message that is missing is
waited for, none is expected by a certain time."""

import os
import re
import select
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import netns, tap  # noqa: E402
from harness.aim import Aim, strike  # noqa: E402
from harness.diode import Diode  # noqa: E402
from harness.emu import Emulator  # noqa: E402
from harness.producer import Producer, wait_all  # noqa: E402

SECONDS = 60
# A role is taken for hung after half of it: long enough for one that only waits for a processor.
WATCHDOG_USEC = 24000000
HUNG = {"rx": ("publish", "scan"), "tx": ("sender",)}  # roles that are stopped
# By these exit codes a daemon asks not to be started again; as they come from roles at work.
LAST_WORDS = {"rx": (("keeper", 77), ("decode", 64), ("publish", 78)),
              "tx": (("signer", 78), ("sender", 77), ("source", 64))}


class Manager:
    """The socket of one daemon."""

    def __init__(self, directory, name, watchdog=True):
        self.path = os.path.join(directory, name + ".notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.socket.bind(self.path)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.env = {"NOTIFY_SOCKET": self.path}
        if watchdog:
            self.env["WATCHDOG_USEC"] = str(WATCHDOG_USEC)

    def next(self, timeout):
        """(pid, text) of the next message, or None."""
        if not select.select([self.socket], [], [], timeout)[0]:
            return None
        text, creds, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(12))
        return int.from_bytes(creds[0][2][:4], sys.byteorder), text.decode()

    def wait(self, pattern):
        """Messages up to the one with PATTERN; that one's text is the last."""
        texts, end = [], time.monotonic() + SECONDS
        while time.monotonic() < end:
            got = self.next(1)
            if got:
                texts.append(got[1])
                if re.search(pattern, got[1], re.M):
                    return texts
        raise tap.Failed(f"no {pattern} within {SECONDS} s: {texts}")

    def drain(self):
        texts = []
        while got := self.next(0):
            texts.append(got[1])
        return texts

    def close(self):
        self.socket.close()


def start(diode, side, manager):
    return getattr(diode, "start_" + side)(wait=False, env=manager.env)


def judge_ready(t, side, process, manager):
    """READY comes once, from the supervisor, and after every role's own."""
    got = manager.next(SECONDS)
    t.require(got is not None, f"{side}: says something\n{process.tail()}")
    t.equal(got, (process.pid, "READY=1\nSTATUS=all roles are at work\n"),
            f"{side}: the first message, from the supervisor")
    log = process.output()
    ready = set(re.findall(r" role\.ready role (\S+) ready ", log))
    t.check({"tx": {"signer", "sender", "source"},
             "rx": {"keeper", "publish", "decode", "scan"}}[side]
            <= ready, f"{side}: after all roles were ready, and caged: {ready}")
    t.check(" daemon.ready " in log, f"{side}: and the daemon")


def environments(pid):
    with open(f"/proc/{pid}/environ", "rb") as file:
        return file.read()


def judge_hung(t, side, process, manager, hung):
    """Killed, started again, and told of; the daemon is well all the while. HUNG: {role: pid}"""
    texts, down = [], set()
    for role, pid in hung.items():
        process.wait_line(rf"role\.hung role {role} does not go on.* pid={pid}", SECONDS)
        process.wait_line(rf"role\.died role {role} died pid={pid} signal=9", SECONDS)
        process.wait_line(rf"role\.ready role {role} ready", SECONDS, count=2)
    while not set(hung) <= down:
        texts += manager.wait("^STATUS=all roles are at work$")
        down = set(re.findall(r"\w+", " ".join(text.partition("down:")[2] for text in texts)))
    t.check("WATCHDOG=1\n" in texts, f"{side}: is well all the while: {texts}")
    t.equal(set(re.findall(r"role\.hung role (\S+)", process.output())), set(hung),
            f"{side}: no other role is blamed")


def judge_silence(t, side, process, manager):
    """A supervisor that stands still gives no sign, and blames nobody when it goes on."""
    before = process.output().count("role.hung")
    os.kill(process.pid, signal.SIGSTOP)
    wait_stopped(process.pid)
    manager.drain()
    t.equal(manager.next(WATCHDOG_USEC / 1e6 / 2 + 1), None, f"{side}: not a word")
    os.kill(process.pid, signal.SIGCONT)
    manager.wait(r"^WATCHDOG=1$")
    t.equal(process.output().count("role.hung"), before, f"{side}: its roles are not blamed")


def wait_stopped(pid):
    """A signal may take its time."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            state = file.read().rpartition(")")[2].split()[0]
        if state == "T":
            return
        time.sleep(0.01)
    raise tap.Failed(f"{pid} is not stopped")


@tap.test
def ready_well_hung_and_stopping(t):
    netns.require()
    with netns.Path(mtu=9000, emulator=False) as path, \
            Diode(path, t.dir, rx_channel={"scan": "/bin/true"}) as diode:
        diode.roles_may_die = True
        managers = {side: Manager(t.dir, side) for side in ("rx", "tx")}
        for side, manager in managers.items():
            process = start(diode, side, manager)
            judge_ready(t, side, process, manager)
            for role, pid in process.roles().items():
                t.check(b"NOTIFY" not in environments(pid) and
                        b"WATCHDOG" not in environments(pid),
                        f"{side} {role}: knows nothing of it")
        hung = {side: {role: getattr(diode, side).kill_role(role, signal.SIGSTOP)
                       for role in roles} for side, roles in HUNG.items()}
        for side, manager in managers.items():
            judge_hung(t, side, getattr(diode, side), manager, hung[side])
        judge_silence(t, "tx", diode.tx, managers["tx"])
        # as long as it takes a role to be taken for hung: one without a beat is killed again
        for side, roles in HUNG.items():
            t.equal(sorted(re.findall(r"role\.hung role (\S+)", diode.read_log(side))),
                    sorted(roles), f"{side}: killed once each")
        for side, manager in managers.items():
            manager.drain()
            getattr(diode, "stop_" + side)()
            texts = [text for text in manager.drain() if text != "WATCHDOG=1\n"]
            t.equal(texts, ["STOPPING=1\nSTATUS=stopping\n"], f"{side}: stopping, once")
            manager.close()


@tap.test
def not_ready_before_the_last_role_is(t):
    """The signer refuses its key while the others start: nothing was ever ready."""
    netns.require()
    with netns.Path(mtu=9000, emulator=False) as path, Diode(path, t.dir) as diode:
        os.chmod(os.path.join(t.dir, "keys", "tx.key"), 0o644)
        manager = Manager(t.dir, "tx")
        process = diode.start_tx(wait=False, env=manager.env, expect=(77,))
        t.equal(process.wait(SECONDS), 77, "a key open to others")
        diode.tx = None
        t.check(" role.start role source " in process.output(), "roles had started")
        t.equal([text for text in manager.drain() if "READY" in text], [], "never ready")
        manager.close()


@tap.test
def no_exit_code_ends_the_daemon(t):
    """Every role, broken into, says at work what only a set-up may say."""
    netns.require()
    rng = tap.rng("words")
    with netns.Path(mtu=9000) as path, Diode(path, t.dir) as diode, Emulator(path, t.dir):
        diode.roles_may_die = True
        producer = Producer(diode, rng)
        managers = {side: Manager(t.dir, side) for side in LAST_WORDS}
        for side, words in LAST_WORDS.items():
            manager = managers[side]
            process = start(diode, side, manager)
            manager.wait("^READY=1$")
            for role, code in words:
                said = strike(process.role_pid(role), Aim(role, "recvmsg", "entry",
                                                          f"code={code}"))
                t.require(said, f"{side} {role}: exits at work")
                process.wait_line(rf"role\.died role {role} died pid=\d+ exit={code}$", SECONDS)
                manager.wait(rf"^STATUS=down: .*\b{role}\b")
                manager.wait("^STATUS=all roles are at work$")
            t.check("daemon.failed" not in process.output(), f"{side}: nobody gave up")
        producer.put(b"after", b"after")
        wait_all(diode, producer, SECONDS)
        t.equal(producer.judge(diode.tree()), [], "published tree")
        diode.stop()
        for manager in managers.values():
            manager.close()


@tap.test
def a_wrong_address_is_said(t):
    netns.require()
    with netns.Path(mtu=9000, emulator=False) as path, Diode(path, t.dir) as diode:
        process = diode.start_tx(wait=False, expect=(78,), env={"NOTIFY_SOCKET": "nowhere"})
        t.equal(process.wait(SECONDS), 78, "exit code")
        diode.tx = None
        lines = [line for line in process.output().splitlines() if "NOTIFY_SOCKET" in line]
        t.equal(len(lines), 1, f"one line: {lines}")


if __name__ == "__main__":
    tap.main()
