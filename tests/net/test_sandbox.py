#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The cage as the kernel sees it: every role of a running daemon is filtered and has given up
what it should; a kernel that lacks a wall is refused, and with `sandbox = permissive` is said
and works."""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import netns, tap  # noqa: E402
from harness.diode import Diode  # noqa: E402
from harness.emu import Emulator  # noqa: E402
from harness.procs import find_program  # noqa: E402
from harness.producer import Producer, wait_all  # noqa: E402

EX_CONFIG = 78
ROLES = {"tx": {"source", "signer", "sender"}, "rx": {"keeper", "scan", "publish", "decode"}}
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


def check_role(t, side, name, threads):
    for facts in threads:
        t.equal(facts["Seccomp"].strip(), "2", f"{side} {name}: filtered")
        # the supervisor's, the role's list, and the one that takes its voice
        # that of role scan goes with its programs' own list, or they could have none
        t.check(int(facts["Seccomp_filters"]) >= (2 if name == "scan" else 3),
                f"{side} {name}: {facts['Seccomp_filters']} filters")
        t.equal(facts["NoNewPrivs"].strip(), "1", f"{side} {name}: no new privileges")
        for caps in ("CapInh", "CapPrm", "CapEff", "CapAmb", "CapBnd"):
            t.equal(int(facts[caps], 16), 0, f"{side} {name}: {caps}")


@tap.test
def every_role_is_caged_by_default(t):
    netns.require()
    if SANITIZED:
        raise tap.Skip("builds with sanitizers have no cage")
    rng = tap.rng("caged")
    with netns.Path(mtu=9000) as path, \
            Diode(path, t.dir, rx_channel={"scan": "/bin/true"}) as diode, Emulator(path, t.dir):
        producer = Producer(diode, rng)
        diode.start_rx()
        diode.start_tx()
        producer.put(b"first", b"first")
        wait_all(diode, producer, 60)
        for side, process in (("tx", diode.tx), ("rx", diode.rx)):
            roles = roles_of(process.pid)
            t.equal(set(roles), ROLES[side], f"{side}: roles")
            for name, threads in roles.items():
                check_role(t, side, name, threads)
            t.equal(status_of(process.pid)["Seccomp"].strip(), "2", f"{side}: supervisor")
            for name in ROLES[side]:
                t.check(re.search(rf"role\.ready role {name} ready .*calls \d+ rows, others "
                                  r"kill; files .*\(Landlock \d+\)", process.output()),
                        f"{side} {name}: says what holds\n{process.tail()}")
            t.check("sandbox.degraded" not in process.output(), f"{side}: not degraded")
        t.equal(diode.counters("rx")["decode.tx_permissive"], 0, "tx is whole")
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
