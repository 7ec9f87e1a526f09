#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The cage as the kernel sees it: every role of a running daemon is filtered, has given up
what it should, holds the descriptors that it is to hold and no other, and cannot be looked into;
a kernel that lacks a wall is refused, and with `sandbox = permissive` is said
and works."""

import os
import re
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import netns, tap  # noqa: E402
from harness.diode import Diode  # noqa: E402
from harness.emu import Emulator  # noqa: E402
from harness.procs import find_program  # noqa: E402
from harness.producer import Producer, wait_all  # noqa: E402

EX_CONFIG = 78
NOBODY = 65534
CAP_NET_RAW = 1 << 13
ROLES = {"tx": {"source", "signer", "sender"},
         "rx": {"keeper", "scan", "publish", "decode", "sink", "capture"}}
# Sockets of each role: its control socket, and by what it speaks to a neighbour or the world.
SOCKETS = {
    "source": ["udp", "unix", "unix"],
    "signer": ["unix", "unix"],
    "sender": ["packet", "unix"],
    "keeper": ["unix"],
    "decode": ["packet", "packet", "unix"],
    "publish": ["unix", "unix"],
    "scan": ["unix", "unix"],
    "sink": ["udp", "unix"],
}
# Below the test's directory: what a role may have open; all others nothing but the counters page.
FILES = {
    "source": r"spool/.*|state/tx|state/tx/(files|requests)(/.*)?",
    "signer": r"state/tx/signer(/.*)?",
    "keeper": r"state/rx/keeper(/.*)?",
    "publish": r"root/.*|state/rx|state/rx/(files|publish)(/.*)?",
}
LIVE = {"number": 900, "kind": "datagram", "owner": "o", "purpose": "p", "classification": "c"}
SANITIZED = os.environ.get("KM_SANITIZED") == "1"


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def roles_of(supervisor):
    """{name: facts} of the processes that the supervisor has started, and their threads."""
    found = {}
    for task in os.listdir("/proc"):
        if not task.isdigit():
            continue
        try:
            facts = status_of(task)
            if int(facts["PPid"].strip()) == supervisor:
                found[facts["Name"]] = [status_of(f"{task}/task/{thread}")
                                        for thread in os.listdir(f"/proc/{task}/task")]
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


# Files in /proc/PID/net, and the column of the inode.
TABLES = {"unix": 6, "packet": 8, "udp": 9, "udp6": 9, "tcp": 9, "tcp6": 9, "raw": 9, "raw6": 9,
          "netlink": 9}


def sockets_of(pid):
    """The kinds of its sockets, sorted; `other` is none of the tables'."""
    kind = {}
    for table, column in TABLES.items():
        try:
            with open(f"/proc/{pid}/net/{table}", encoding="ascii", errors="replace") as file:
                kind.update((line.split()[column], table) for line in file.readlines()[1:])
        except FileNotFoundError:  # a kernel without that family
            continue
    return sorted(kind.get(link[len("socket:["):-1], "other") for link in links_of(pid)
                  if link.startswith("socket:["))


def links_of(pid):
    return [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]


def check_descriptors(t, side, name, pid, sockets):
    """What it holds open, seen from outside."""
    t.equal(sockets_of(pid), sockets, f"{side} {name}: its sockets")
    here = os.path.realpath(t.dir) + "/"
    files = {link[len(here):] for link in links_of(pid) if link.startswith(here)}
    files -= {f"run/{side}/stats", f"logs/{side}.out", f"logs/{side}.err"}
    t.equal({file for file in files if not re.fullmatch(FILES.get(name, "(?!)"), file)}, set(),
            f"{side} {name}: files that it may not have open")


def check_role(t, side, name, threads, bounding):
    for facts in threads:
        t.equal(facts["Seccomp"].strip(), "2", f"{side} {name}: filtered")
        # the supervisor's, the role's list, and the one that takes its voice
        # that of role scan goes with its programs' own list, or they could have none
        t.check(int(facts["Seccomp_filters"]) >= (2 if name == "scan" else 3),
                f"{side} {name}: {facts['Seccomp_filters']} filters")
        t.equal(facts["NoNewPrivs"].strip(), "1", f"{side} {name}: no new privileges")
        for caps in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            t.equal(int(facts[caps], 16), 0, f"{side} {name}: {caps}")
        t.equal(int(facts["CapBnd"], 16) & ~bounding, 0, f"{side} {name}: CapBnd")


def check_daemons(t, diode, sockets, bounding=0):
    """Every role that SOCKETS names is at work, and is what it should be."""
    for side, process in (("tx", diode.tx), ("rx", diode.rx)):
        roles = roles_of(process.pid)
        t.equal(set(roles), {name for name in sockets if name in ROLES[side]}, f"{side}: roles")
        for name, threads in roles.items():
            check_role(t, side, name, threads, bounding)
        for name, pid in process.roles().items():
            check_descriptors(t, side, name, pid, sockets[name])
        t.equal(status_of(process.pid)["Seccomp"].strip(), "2", f"{side}: supervisor")
        for name in roles:
            t.check(re.search(rf"role\.ready role {name} ready .*calls \d+ rows, others "
                              r"kill; files .*\(Landlock \d+\)", process.output()),
                    f"{side} {name}: says what holds\n{process.tail()}")
        t.check("sandbox.degraded" not in process.output(), f"{side}: not degraded")
    t.equal(diode.counters("rx")["decode.tx_permissive"], 0, "tx is whole")


def diode_of_all_roles(t, path, **rx):
    """Configured such that each has work."""
    diode = Diode(path, t.dir, rx_channel={"scan": "/bin/true"}, rx=rx)
    diode.tx_sections["channel live"] = {**LIVE, "listen": "127.0.0.1:5000"}
    diode.rx_sections["channel live"] = {**LIVE, "deliver": "127.0.0.1:5001"}
    diode.write_config()
    return diode


@tap.test
def every_role_is_caged_by_default(t):
    netns.require()
    if SANITIZED:
        raise tap.Skip("builds with sanitizers have no cage")
    rng = tap.rng("caged")
    with netns.Path(mtu=9000) as path, diode_of_all_roles(t, path) as diode, \
            Emulator(path, t.dir):
        producer = Producer(diode, rng)
        diode.start_rx()
        diode.start_tx()
        producer.put(b"first", b"first")
        wait_all(diode, producer, 60)
        check_daemons(t, diode, SOCKETS)
        diode.stop()


def give_away(t, diode):
    """All that the daemons need belongs to another user, programs included."""
    for side in ("tx", "rx"):
        place = os.path.join(diode.dir, "katamichi-" + side)
        shutil.copy(getattr(diode, side + "_program"), place)
        setattr(diode, side + "_program", place)
    os.chmod(t.dir, 0o755)
    for place, _, files in os.walk(t.dir):
        for name in (".", *files):
            os.chown(os.path.join(place, name), NOBODY, NOBODY)


@tap.test
def nobody_looks_into_a_role(t):
    """As under a unit: started by a user with one capability. Then nothing but the daemon itself
    keeps another process of that user from looking into its memory. And by libpcap, so that
    capture stays."""
    netns.require()
    if SANITIZED:
        raise tap.Skip("builds with sanitizers have no cage")
    through = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
               "--inh-caps=-all,+net_raw", "--ambient-caps=-all,+net_raw",
               "--bounding-set=-all,+net_raw")
    with netns.Path(mtu=9000) as path, diode_of_all_roles(t, path, capture="pcap") as diode, \
            Emulator(path, t.dir):
        give_away(t, diode)
        diode.start_rx(through=through)
        diode.start_tx(through=through)
        part = os.path.join(diode.spool_root(), "part")
        with open(part, "wb") as file:
            file.write(b"first")
        os.chown(part, NOBODY, NOBODY)
        os.rename(part, os.path.join(diode.spool(), "first"))
        diode.wait_published(1, 60)
        check_daemons(t, diode, {**SOCKETS, "decode": ["unix"], "capture": ["packet", "unix"]},
                      CAP_NET_RAW)
        for process in (diode.tx, diode.rx):
            for pid in (process.pid, *process.roles().values()):
                t.equal(status_of(pid)["Uid"].split(), [str(NOBODY)] * 4, "its user")
                # such a file of a process that is not dumpable is root's, else its user's
                t.equal(os.stat(f"/proc/{pid}/environ").st_uid, 0, f"{process.name} {pid}: "
                        "not to be looked into")
        diode.stop()


def refused(t, diode, wall):
    """tx does not start on such a kernel: one line with the key, what is missing, and why."""
    tx = diode.start_tx(wait=False, expect=(EX_CONFIG,),
                        through=(find_program("km-without"), wall))
    t.equal(tx.wait(60), EX_CONFIG, f"without {wall}: exit code")
    lines = [line for line in tx.output().splitlines() if "sandbox" in line]
    diode.tx = None
    t.equal(len(lines), 1, f"without {wall}: one line: {lines}")
    t.check(lines and wall in lines[0].lower() and "sandbox = permissive" in lines[0],
            f"without {wall}: {lines}")


def permissive(t, diode, producer, wall, lacks):
    """Goes on without WALL, says so on both sides, and carries files."""
    diode.start_tx(through=(find_program("km-without"), wall) if wall else ())
    producer.put(b"permissive " + (wall or "whole").encode())
    wait_all(diode, producer, 60)
    t.check(re.search(r"sandbox\.degraded sandbox = permissive: .* it lacks: " + lacks,
                      diode.tx.output()), f"{wall}: told at start\n{diode.tx.tail()}")
    diode.wait(lambda: diode.counters("rx")["decode.tx_permissive"] == 1, 30,
               "rx hears it in the heartbeat")
    diode.rx.wait_line(r"tx\.permissive", 30)
    t.equal(diode.counters("tx")["supervisor.permissive"], 1, "tx status")
    t.equal(diode.counters("rx")["supervisor.permissive"], 0, "rx is strict")
    diode.stop_tx()


@tap.test
def a_kernel_without_a_wall(t):
    netns.require()
    if SANITIZED:
        raise tap.Skip("builds with sanitizers have no cage")
    rng = tap.rng("walls")
    with netns.Path(mtu=9000) as path, Diode(path, t.dir) as diode, Emulator(path, t.dir):
        producer = Producer(diode, rng)
        refused(t, diode, "landlock")
        refused(t, diode, "seccomp")
        diode.tx_sections["transmitter"]["sandbox"] = "permissive"
        diode.write_config()
        diode.start_rx()
        permissive(t, diode, producer, None, "none")
        permissive(t, diode, producer, "landlock", "Landlock")
        permissive(t, diode, producer, "seccomp", "the filter of system calls")
        t.equal(producer.judge(diode.tree()), [], "published tree")
        diode.stop()


if __name__ == "__main__":
    tap.main()
