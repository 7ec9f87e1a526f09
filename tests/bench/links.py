# SPDX-License-Identifier: ISC
"""Part (a), the raw link: the product's own back ends blast numbered frames over the bare veth pair.

limit.mtu9000.ethernet.A.raw       Gbit/s of payload at the highest rate found at which no
                                   frame is lost; sender and receiver on a core each
limit.mtu9000.ethernet.A.blast     Gbit/s received when nothing paces the sender,
limit.mtu9000.ethernet.A.blast_lost   and the share of the frames that is lost then
limit.mtu9000.ethernet.A.one_core  ns of processor time a frame: send and receive together on
                                   one core, in regime N with the thread that is the
                                   interface's softirq; this is what the speed of light counts
limit.mtu9000.ethernet.A.send      ns a frame: the sender alone on that core, nobody listening
limit.mtu9000.ethernet.A.receive   one_core less send: the way through the far interface, the
                                   copy into the ring and the receiver
"""

import json
import os
import statistics

from harness import netns
from harness.procs import Process

import setting

SECONDS_QUICK, SECONDS_FULL = 0.08, 1.0
RING_MIB = 256
# Larger than the far side's queue, and back-pressure becomes loss.
SNDBUF = {1500: 212992, 9000: 1000000}
STEP, STEPS = 0.9, 10  # the search for a rate without loss
# On one core the receiver goes first, or the sender's share of it fills the ring.
ON_ONE_CORE = ("19", "-20")


class Link:
    """bench_link_send and bench_link_receive on one path."""

    def __init__(self, path, framing, directory):
        self.path, self.framing, self.dir = path, framing, directory
        self.count = 0

    def _argv(self, verb, interface, cpu, seconds, *more):
        return [setting.find_program(f"bench_link_{verb}"), "--interface", interface.name, "--framing", self.framing,
                "--mtu", str(self.path.mtu), "--cpu", str(cpu), "--seconds", f"{seconds}",
                *more]

    def send(self, cpu, seconds, nice="0", rate=None):
        argv = self._argv("send", self.path.tx, cpu, seconds, "--nice", nice, "--sndbuf",
                          str(SNDBUF[self.path.mtu]))
        if rate:
            argv += ["--rate", f"{rate * 1e9:.0f}"]
        return json.loads(setting.run(self.path.tx.ns.argv(argv), seconds + 30))

    def both(self, tx_cpu, rx_cpu, seconds, nice=("0", "0"), rate=None):
        """(sender's figures, receiver's figures); rate in Gbit/s of payload."""
        self.count += 1
        argv = self._argv("receive", self.path.rx, rx_cpu, seconds + 10, "--ring-mib",
                          str(RING_MIB), "--nice", nice[1])
        with Process(argv, self.dir, f"receive-{self.count}", ns=self.path.rx.ns) as receiver:
            receiver.wait_line("^ready$", 20, "out")
            sent = self.send(tx_cpu, seconds, nice[0], rate)
            receiver.wait(seconds + 30)
            got = json.loads(receiver.output("out").split("\n", 1)[1])
        return sent, got

    def command(self):
        return (f"bench_link_send, bench_link_receive --framing {self.framing} --mtu {self.path.mtu} "
                f"--sndbuf {SNDBUF[self.path.mtu]} --ring-mib {RING_MIB}")


def pin_napi(path, core):
    """In regime N the receiver's softirq is a thread: move it to CORE."""
    if path.regime == "N":
        for pid in netns._napi_threads(path.rx.name):
            os.sched_setaffinity(pid, {core})


def lost(sent, got):
    return sent["sent"] - got["frames"]


def rate_of(got):
    return got["frames"] * got["payload"] * 8 / got["wall_ns"] if got["wall_ns"] else 0.0


def check(bench, name, got):
    """Losing frames is what a link may do; anything else is a fault of the machine."""
    if not got["ended"] or got["torn"] or got["backwards"]:
        bench.fail(f"{name}: end {'seen' if got['ended'] else 'never seen'}, {got['torn']} "
                   f"frames torn, {got['backwards']} out of order")


def without_loss(bench, name, link, cores, seconds, blasts):
    """Rates of n runs at the highest pace found that loses nothing; [] when none was found."""
    good = [rate_of(got) for sent, got in blasts if not lost(sent, got)]
    pace = statistics.median(rate_of(got) for _, got in blasts)
    for _ in range(STEPS):
        if len(good) == len(blasts):
            return good
        pace, good = pace * STEP, []
        for _ in range(len(blasts)):
            sent, got = link.both(*cores, seconds, rate=pace)
            check(bench, name, got)
            if lost(sent, got):
                break
            good.append(rate_of(got))
    return []


def blast(bench, name, link, cores, seconds):
    """Runs that nothing paces: [(sender's figures, receiver's)]."""
    blasts = [link.both(*cores, seconds) for _ in bench.repeats()]
    for _, got in blasts:
        check(bench, name, got)
    return blasts


def measure(rows, bench, path, framing):
    """All rows of one path."""
    name = f"limit.mtu{path.mtu}.{framing}.{path.regime}"
    link = Link(path, framing, bench.directory("links"))
    seconds = SECONDS_QUICK if bench.quick else SECONDS_FULL
    first, last = bench.cores[0], bench.cores[-1]
    blasts = blast(bench, name, link, (first, last), seconds)
    rows.add(f"{name}.blast", "Gbit/s", [rate_of(got) for _, got in blasts], link.command())
    rows.add(f"{name}.blast_lost", "fraction",
             [lost(sent, got) / sent["sent"] for sent, got in blasts], link.command())
    raw = without_loss(bench, name, link, (first, last), seconds, blasts)
    command = link.command() + " --rate R"
    if raw:
        rows.add(f"{name}.raw", "Gbit/s", raw, command)
    else:
        rows.absent(f"{name}.raw", "Gbit/s", "no rate without loss found", command)
    pin_napi(path, first)
    alone = [link.send(first, seconds) for _ in bench.repeats()]
    sending = rows.add(f"{name}.send", "ns/frame", [s["cpu_ns"] / s["sent"] for s in alone],
                       "bench_link_send, nobody receives, one core")
    one = one_core(bench, name, link, first, seconds)
    pin_napi(path, last)
    both = rows.add(f"{name}.one_core", "ns/frame", one, link.command() + ", one core")
    rows.add(f"{name}.receive", "ns/frame", max(0.0, both - sending), "one_core less send")


def napi_ns(path):
    """Processor time of the receiver's softirq, where it is a thread."""
    if path.regime != "N":
        return 0
    total = 0
    for pid in netns._napi_threads(path.rx.name):
        with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total


def one_core(bench, name, link, core, seconds):
    """ns a frame of sender, softirq and receiver together. Of a run that lost frames all the
    same the lost ones had their cost too, so that such a run is counted by what was sent."""
    found = []
    for _ in bench.repeats():
        before = napi_ns(link.path)
        sent, got = link.both(core, core, seconds, ON_ONE_CORE)
        check(bench, name, got)
        found.append((sent["cpu_ns"] + got["cpu_ns"] + napi_ns(link.path) - before)
                     / sent["sent"])
    return found


def part(rows, bench):
    wanted = list(bench.paths())
    for i, (mtu, regime, framings) in enumerate(wanted):
        with netns.Path(mtu=mtu, regime=regime, emulator=False) as path:
            for j, framing in enumerate(framings):
                bench.begin_item((len(wanted) - i) * len(framings) - j)
                measure(rows, bench, path, framing)
