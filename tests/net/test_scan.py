#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Content at the door: a program looks at each file before it gets its name. Whatever the program
says, does or fails to do, and whoever is killed meanwhile, nothing is visible that did not pass."""

import hashlib
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import netns, tap  # noqa: E402
from harness.diode import Diode  # noqa: E402
from harness.emu import Emulator  # noqa: E402
from harness.procs import Process, children, find_program  # noqa: E402

SANITIZED = os.environ.get("KM_SANITIZED") == "1"
GOOD = b"pass\nand more\n"

# What the file's first word says, it does. No program but the shell: the cage allows no second.
HOOK = """#!/bin/sh
read -r word rest
case $word in
pass) exit 0 ;;
reject) echo "test: $rest FOUND"; exit 1 ;;
error) echo "no such database" >&2; exit 2 ;;
hang) echo "still looking"; while :; do :; done ;;
fork) (:) & exit 0 ;;
spew) i=0; while [ $i -lt 5000 ]; do echo "line $i and some more"; i=$((i+1)); done; exit 1 ;;
write) echo changed >&0; exit 0 ;;
reopen) (echo changed >/dev/fd/0) 2>/dev/null; exit 0 ;;
leave) exec 9>OUT && exit 0; exit 0 ;;
gate) while [ ! -e GATE ]; do :; done; exit 0 ;;
esac
exit 0
"""

# Attempts that a shell cannot make.
PYTHON = """#!/usr/bin/python3 -IS
import os, socket, sys, threading
sys.excepthook = lambda kind, error, trace: (print(error, flush=True), os._exit(3))
word = sys.stdin.buffer.readline().decode().split()[0]
if word == "environment":
    print(" ".join(sorted(os.environ)))
    sys.exit(1)
if word == "crash":
    os.abort()
if word == "network":
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9))
if word == "packet":
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
if word == "reopen":
    os.open("/proc/self/fd/0", os.O_RDWR)
if word == "read":
    os.open("SECRET", os.O_RDONLY)
if word == "run":
    os.execv("/bin/true", ["true"])
if word == "descriptors":
    for number in range(3, 64):
        try:
            os.fstat(number)
            sys.exit(1)
        except OSError:
            pass
if word == "thread":
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
sys.exit(0)
"""


def hook(t, name, text):
    path = os.path.join(t.dir, name)
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    os.chmod(path, 0o755)
    return path


def reasons(diode, channel=None):
    """{path as sent: text of the .reason file} of what is in quarantine."""
    place, found = os.path.join(diode.root(channel), ".quarantine"), {}
    for name in os.listdir(place):
        if name.endswith(".reason"):
            with open(os.path.join(place, name), encoding="utf-8") as file:
                text = file.read()
            found[re.search(r'(?m)^path: "(.*)"$', text)[1]] = text
    return found


def quarantined_content(diode, channel=None):
    """SHA-256 of every file in quarantine."""
    place = os.path.join(diode.root(channel), ".quarantine")
    found = set()
    for name in os.listdir(place):
        if name.endswith(".part"):
            with open(os.path.join(place, name), "rb") as file:
                found.add(hashlib.sha256(file.read()).digest())
    return found


def tree_of(diode, channel=None):
    return sorted(os.listdir(diode.tree(channel))) if os.path.isdir(diode.tree(channel)) else []


def account(t, diode):
    rx = diode.counters("rx")
    t.equal(rx["publish.objects_announced"],
            rx["publish.objects_published"] + rx["publish.objects_quarantined"]
            + rx["publish.objects_withdrawn"] + rx["publish.objects_missing"],
            "announced = published + quarantined + withdrawn + missing")
    return rx


def put(diode, channel, name, content):
    """One file into the spool of a channel, by rename."""
    outside = os.path.join(diode.spool_root(channel), "outside-" + name)
    with open(outside, "wb") as file:
        file.write(content)
    os.rename(outside, os.path.join(diode.spool(channel), name))


SAYS = {
    "reject": ("the scanner rejects the content", "test: Some.Thing FOUND"),
    "error": ("the scanner failed", "exit code 2: no such database"),
    "hang": ("did not end in time", "still looking"),
    "spew": ("the scanner rejects the content", "line 0 and some more"),
}
# Where there is no cage, these do what they like.
SAYS_CAGED = {
    "fork": ("the scanner failed", "a system call that its cage does not allow"),
    "reopen": ("the scanner failed", "a system call that its cage does not allow"),
    "leave": ("the scanner failed", "exit code 2"),
}
SAYS_PYTHON = {
    "environment": ("the scanner rejects the content", '"LANG PATH'),
    "crash": ("the scanner failed", "signal 6"),
    "network": ("the scanner failed", "signal 31"),
    "packet": ("the scanner failed", "signal 31"),
    "reopen": ("the scanner failed", "Permission denied"),
    "run": ("the scanner failed", "Permission denied"),
    "read": ("the scanner failed", "Permission denied"),
}


@tap.test
def every_verdict(t):
    netns.require()
    caged = {} if SANITIZED else SAYS_CAGED
    out = os.path.join(t.dir, "left-behind")
    shell = hook(t, "hook.sh", HOOK.replace("OUT", out).replace("GATE", out + ".never"))
    with netns.Path(mtu=9000) as path, \
            Diode(path, t.dir, channels=("door", "open")) as diode, Emulator(path, t.dir):
        diode.rx_sections["channel door"].update(scan=shell, scan_timeout="1 s", scan_jobs=2)
        diode.write_config()
        diode.start_rx()
        diode.start_tx()
        want = {**SAYS, **caged}
        sent = {word: f"{word} Some.Thing\n".encode() + os.urandom(20) for word in want}
        for word, content in sent.items():
            put(diode, "door", word, content)
        put(diode, "door", "good", GOOD)
        put(diode, "door", "write", b"write over me\n")
        put(diode, "door", "empty", b"")
        put(diode, "open", "reject", sent["reject"])  # nobody looks there
        diode.wait(lambda: diode.counters("rx")["publish.objects_quarantined"] == len(want)
                   and diode.published() == 4, 60, "every file judged")
        t.equal(tree_of(diode, "door"), ["empty", "good", "write"], "published where a scanner looks")
        t.equal(tree_of(diode, "open"), ["reject"], "published where none does")
        told = reasons(diode, "door")
        t.equal(sorted(told), sorted(want), "in quarantine")
        for word, texts in want.items():
            for text in texts:
                t.check(text in told.get(word, ""), f"{word}: {told.get(word)!r}, want {text!r}")
        t.equal(quarantined_content(diode, "door"),
                {hashlib.sha256(content).digest() for content in sent.values()},
                "no scanner has changed what it saw")
        t.check(not os.path.exists(out), "a scanner made a file")
        with open(os.path.join(diode.tree("door"), "write"), "rb") as file:
            t.equal(file.read(), b"write over me\n", "written to by its scanner")
        rx = account(t, diode)
        t.equal(rx["publish.objects_missing"], 0, "missing")
        t.equal([rx["publish.scan_" + name] for name in
                 ("passed", "rejected", "timeouts", "waiting")], [3, 2, 1, 0], "counted")
        for event, word in (("rejected", "reject"), ("error", "error"), ("timeout", "hang")):
            t.check(re.search(rf'scan\.{event} .* path="{word}" says=', diode.rx.output()),
                    f"scan.{event} of {word} is told")
        t.equal(diode.verify()[0], 0, "katamichi-rx verify")
        diode.stop()


@tap.test
def what_a_program_may_not(t):
    netns.require()
    if SANITIZED:
        raise tap.Skip("builds with sanitizers have no cage")
    secret = os.path.join(t.dir, "keys", "rx.key")
    python = hook(t, "hook.py", PYTHON.replace("SECRET", secret))
    with netns.Path(mtu=9000) as path, Diode(path, t.dir) as diode, Emulator(path, t.dir):
        diode.rx_sections["channel files"].update(scan=python, scan_timeout="20 s")
        diode.write_config()
        diode.start_rx()
        diode.start_tx()
        for word in SAYS_PYTHON:
            put(diode, "files", word, word.encode() + b"\n")
        put(diode, "files", "thread", b"thread\n")
        put(diode, "files", "descriptors", b"descriptors\n")
        diode.wait(lambda: diode.counters("rx")["publish.objects_quarantined"]
                   + diode.published() == len(SAYS_PYTHON) + 2, 60, "every file judged")
        told = reasons(diode)
        for word, texts in SAYS_PYTHON.items():
            for text in texts:
                t.check(text in told.get(word, ""), f"{word}: {told.get(word)!r}, want {text!r}")
        t.equal(tree_of(diode), ["descriptors", "thread"], "published")
        account(t, diode)
        diode.stop()


def scanners(diode):
    """Pids of the programs at work."""
    return children(diode.rx.role_pid("scan"))


def gone(pid):
    return not os.path.exists(f"/proc/{pid}")


@tap.test
def killed_while_it_waits(t):
    netns.require()
    gate = os.path.join(t.dir, "gate")
    shell = hook(t, "hook.sh", HOOK.replace("OUT", gate + ".out").replace("GATE", gate))
    with netns.Path(mtu=9000) as path, \
            Diode(path, t.dir, channels=("door", "open")) as diode, Emulator(path, t.dir):
        diode.roles_may_die = True
        diode.rx_sections["channel door"].update(scan=shell, scan_timeout="60 s", scan_jobs=1)
        diode.write_config()
        diode.start_rx()
        diode.start_tx()
        put(diode, "door", "one", b"gate\n")
        for round_, role in enumerate(("scan", "publish", "scan")):
            pid = diode.wait(lambda: scanners(diode), 30, "a program at work")[0]
            # a channel that nobody scans goes on meanwhile
            put(diode, "open", f"beside{round_}", GOOD)
            diode.wait(lambda n=round_: len(tree_of(diode, "open")) == n + 1, 30,
                       "published beside")
            t.equal(tree_of(diode, "door"), [], f"visible before {role} is killed")
            diode.rx.kill_role(role)
            diode.wait(lambda p=pid: gone(p), 30, f"the program ends with {role}")
            t.equal(tree_of(diode, "door"), [], f"visible after {role} was killed")
        # and the program itself: no verdict is no pass
        pid = diode.wait(lambda: scanners(diode), 30, "a program at work")[0]
        put(diode, "door", "two", b"gate\n")
        os.kill(pid, 9)
        diode.wait(lambda: "one" in reasons(diode, "door"), 30, "in quarantine")
        t.check("signal 9" in reasons(diode, "door")["one"], reasons(diode, "door"))
        # the whole receiver, killed and begun again, asks again
        diode.wait(lambda: scanners(diode), 30, "a program at work")
        t.equal(diode.rx.kill(), [], "left behind by the receiver")
        t.equal(tree_of(diode, "door"), [], "visible after the receiver was killed")
        diode.start_rx()
        diode.wait(lambda: scanners(diode), 30, "asked again")
        t.equal(tree_of(diode, "door"), [], "visible before the gate is open")
        with open(gate, "w", encoding="ascii"):
            pass
        diode.wait(lambda: tree_of(diode, "door") == ["two"], 30, "published at last")
        rx = account(t, diode)
        t.equal((rx["publish.objects_quarantined"], rx["publish.objects_missing"]), (1, 0),
                "quarantined, missing")
        diode.stop()


def quarantine(diode, *args):
    """Exit code, output and errors of `katamichi-rx quarantine ARGS`."""
    done = subprocess.run([diode.rx_program, "quarantine", "--config", diode.rx_config, *args],
                          capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


@tap.test
def released_by_an_operator(t):
    netns.require()
    shell = hook(t, "hook.sh", HOOK)
    with netns.Path(mtu=9000) as path, Diode(path, t.dir) as diode, Emulator(path, t.dir):
        diode.rx_sections["channel files"].update(scan=shell, scan_timeout="20 s")
        diode.write_config()
        diode.start_rx()
        diode.start_tx()
        put(diode, "files", "odd", b"reject Odd.Thing\n")
        put(diode, "files", "bad", b"reject Bad.Thing\n")
        diode.wait(lambda: diode.counters("rx")["publish.objects_quarantined"] == 2, 60, "judged")
        code, text, _ = quarantine(diode, "list")
        t.equal(code, 0, "list")
        found = re.search(r'(?m)^  (\d+-\d+): the scanner rejects the content; "odd"; '
                          r'scanner: "test: Odd.Thing FOUND"$', text)
        t.require(found, f"list names it: {text}")
        t.equal(quarantine(diode, "release", "files", found[1])[0], 64, "no reason given")
        t.equal(quarantine(diode, "release", "files", "1-1", "--reason", "x")[0], 65, "no such")
        t.equal(tree_of(diode), [], "published")
        code, text, errors = quarantine(diode, "release", "files", found[1], "--reason",
                                        "false alarm, ticket 17")
        t.equal((code, text), (0, "released\n"), f"release: {errors}")
        t.equal(tree_of(diode), ["odd"], "published")
        t.check(re.search(r'quarantine\.released .* path="odd" digest=[0-9a-f]{64} uid=\d+ '
                          r'reason="false alarm, ticket 17"', diode.rx.output()), "told who and why")
        t.check(re.search(r"quarantine\.kept .* uid=\d+ reason=", diode.rx.output()),
                "what was refused is told too")
        t.check("Odd" not in quarantine(diode, "list")[1], "listed no more")
        rx = account(t, diode)
        t.equal([rx["publish.objects_" + name] for name in
                 ("published", "quarantined", "missing")], [1, 1, 0], "counted")
        diode.stop_rx()
        diode.start_rx()
        rx = account(t, diode)
        t.equal([rx["publish.objects_" + name] for name in
                 ("published", "quarantined", "missing")], [1, 1, 0], "counted after a restart")
        t.equal(diode.verify()[0], 0, "katamichi-rx verify")
        diode.stop()


@tap.test
def tx_has_no_such_hook(t):
    keys = subprocess.run([find_program("katamichi-tx"), "check", "--list-keys"],
                          capture_output=True, text=True, timeout=60, check=True).stdout
    t.check("spool" in keys, "the keys of tx")
    t.equal(re.findall(r"(?m)^\s*scan\w*", keys), [], "keys of tx that scan")


@tap.test
def check_judges_the_program(t):
    netns.require()
    shell = hook(t, "hook.sh", HOOK)
    with netns.Path(mtu=9000) as path, Diode(path, t.dir) as diode:
        section = diode.rx_sections["channel files"]

        def check(scan):
            section["scan"] = scan
            diode.write_config()
            done = subprocess.run(path.rx.ns.argv([diode.rx_program, "check", "--config",
                                                   diode.rx_config]),
                                  capture_output=True, text=True, timeout=60, check=False)
            return done.returncode, done.stderr
        t.equal(check(shell)[0], 0, "a program of root's")
        for scan, says in (("hook.sh", "absolute path"), ("/nowhere/hook", "cannot be found")):
            code, text = check(scan)
            t.check(code == 78 and says in text and "scan" in text, f"{scan}: {code} {text}")
        os.chmod(shell, 0o775)
        code, text = check(shell)
        t.check(code == 78 and "can be changed by somebody else" in text, f"{code} {text}")
        rx = diode.start_rx(wait=False, expect=(78,))
        t.equal(rx.wait(60), 78, "nor does the daemon start")
        diode.rx = None


CLAMD = "/usr/sbin/clamd"
CLAMDSCAN = "/usr/bin/clamdscan"
# The test file of the antivirus makers, in two halves: this file must not be one.
EICAR = (rb"X5O!P%@AP[4\PZX54(P^)7CC)7}" b"$" + b"EICAR-STANDARD-" + b"ANTIVIRUS-TEST-FILE!$H+H*")


class Clamd:
    """The real daemon with one signature of our own, on a socket in the test's directory."""

    def __init__(self, t):
        self.dir = os.path.join(t.dir, "clam")
        self.socket = os.path.join(self.dir, "clamd.sock")
        self.conf = os.path.join(self.dir, "clamd.conf")
        os.makedirs(os.path.join(self.dir, "db"))
        with open(os.path.join(self.dir, "db", "local.hdb"), "w", encoding="ascii") as file:
            file.write(f"{hashlib.md5(EICAR).hexdigest()}:{len(EICAR)}:Local.Eicar.Test\n")
        with open(self.conf, "w", encoding="ascii") as file:
            file.write(f"LocalSocket {self.socket}\nDatabaseDirectory {self.dir}/db\n"
                       "Foreground yes\nOfficialDatabaseOnly no\nBytecode no\n"
                       f"LogFile {self.dir}/clamd.log\n")
        self.process = Process([CLAMD, "--config-file", self.conf], self.dir, "clamd")

    def wait(self, diode):
        diode.wait(lambda: os.path.exists(self.socket), 60, "clamd listens")


@tap.test
def the_real_clamav(t):
    netns.require()
    if not (os.path.exists(CLAMD) and os.path.exists(CLAMDSCAN)):
        raise tap.Skip("clamav-daemon is not installed")
    with netns.Path(mtu=9000) as path, Diode(path, t.dir) as diode, Emulator(path, t.dir):
        clamd = Clamd(t)
        command = f"{CLAMDSCAN} --no-summary --fdpass --config-file={clamd.conf} -"
        diode.rx_sections["channel files"].update(scan=command, scan_timeout="30 s")
        diode.rx_sections["receiver"]["scan_paths"] = clamd.conf
        diode.write_config()
        diode.start_rx()
        clamd.wait(diode)
        diode.start_tx()
        put(diode, "files", "eicar.com", EICAR)
        put(diode, "files", "clean", b"nothing bad in here\n" * 1000)
        put(diode, "files", "large", os.urandom(3 << 20))
        put(diode, "files", "empty", b"")
        diode.wait(lambda: diode.counters("rx")["publish.objects_quarantined"]
                   + diode.published() == 4, 60, "every file judged")
        t.equal(tree_of(diode), ["clean", "empty", "large"], "published")
        told = reasons(diode)
        t.equal(list(told), ["eicar.com"], "in quarantine")
        t.check("Local.Eicar.Test" in told.get("eicar.com", ""), f"the reason names it: {told}")
        # a daemon that is not there is no pass
        clamd.process.stop()
        put(diode, "files", "later", b"nothing bad either\n")
        diode.wait(lambda: "later" in reasons(diode), 30, "in quarantine")
        t.check("the scanner failed" in reasons(diode)["later"], reasons(diode)["later"])
        account(t, diode)
        diode.stop()


if __name__ == "__main__":
    tap.main()
