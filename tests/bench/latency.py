# SPDX-License-Identifier: ISC
"""Part (d), one-way latency of a message: from send() at a UDP socket beside tx to recv() at
one beside rx, through a datagram channel. 200 bytes, on average each 2 ms.

latency.idle.p50    ms, nothing else on the link; so p10, p90, p99, p999, max
latency.spin.p50    the same with `spin = yes` at rx
latency.bulk.p99    while files go at 80 % of the rate that one large file went at (1 Gbit/s
                    where that was not measured)
latency.*.lost      messages that did not come: any fails the benchmark
"""

import json
import socket
import threading

from harness import netns
from harness.procs import Died

import product
import setting
from product import Product, Unsupported

MTU, REGIME = 9000, "A"
BYTES, INTERVAL_US = 200, 2000
SEND_PORT, RECEIVE_PORT = 5000, 5001
FIGURES = ("p10", "p50", "p90", "p99", "p999", "max")
BULK_SHARE, BULK_GBPS = 0.8, 1.0
CHANNEL = {"number": 900, "kind": "datagram", "owner": "operations", "purpose": "latency",
           "classification": "internal"}
SECTIONS = {"channel latency": (
    {**CHANNEL, "listen": f"127.0.0.1:{SEND_PORT}"},
    {**CHANNEL, "deliver": f"127.0.0.1:{RECEIVE_PORT}"})}


def measure(path, seconds):
    """What bench_latency says of one run."""
    with path.tx.ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender, \
            path.rx.ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", RECEIVE_PORT))
        sender.connect(("127.0.0.1", SEND_PORT))
        fds = (sender.fileno(), receiver.fileno())
        argv = [setting.find_program("bench_latency"), *map(str, fds), f"{seconds}",
                str(INTERVAL_US), str(BYTES)]
        return json.loads(setting.run(argv, seconds + 30, pass_fds=fds))


class Bulk(threading.Thread):
    """Files go as long as it runs."""

    def __init__(self, diode, staged):
        super().__init__(daemon=True)
        self.diode, self.staged = diode, staged
        self.carried, self.failed = [], None
        self.end = threading.Event()

    def run(self):
        try:
            while not self.end.is_set():
                self.carried.append(self.diode.carry(self.staged))
        except (Died, OSError) as why:
            self.failed = str(why)

    def close(self):
        self.end.set()
        self.join(120)
        notes = [c.note for c in self.carried if c.note]
        return self.failed or (notes[0] if notes else None)


def report(rows, bench, name, runs, command):
    for figure in FIGURES:
        rows.add(f"latency.{name}.{figure}", "ms", [run[figure] / 1e3 for run in runs], command)
    gone = [run["sent"] - run["received"] for run in runs]
    rows.add(f"latency.{name}.lost", "messages", gone, command)
    if sum(gone) or any(run["again"] or run["disordered"] or run["foreign"] for run in runs):
        bench.fail(f"latency.{name}: {gone} messages lost, "
                   f"{[run['again'] for run in runs]} twice, "
                   f"{[run['disordered'] for run in runs]} out of order")
    bins = {}
    for run in runs:
        for low, count in run["histogram"]:
            bins[low] = bins.get(low, 0) + count
    bench.histograms[name] = sorted(bins.items())


def one(rows, bench, name, rx, bulk_gbps=None):
    """One load; raises Unsupported when this build has no such channel."""
    seconds = 1 if bench.quick else 5
    command = (f"bench_latency {seconds} {INTERVAL_US} {BYTES}: datagram channel, mtu {MTU}, "
               f"regime {REGIME}" + "".join(f", {key} = {value}" for key, value in rx.items())
               + (f", beside files at {bulk_gbps:.2f} Gbit/s" if bulk_gbps else ""))
    rate = f"{bulk_gbps * 1000:.0f} Mbit/s" if bulk_gbps else "40 Gbit/s"
    staged = product.stage_file(bench, "bulk", 512 * setting.MIB) if bulk_gbps else None
    with netns.Path(mtu=MTU, regime=REGIME, emulator=False) as path, \
            Product(bench, path, "ethernet", rate, rx=rx, sections=SECTIONS) as diode:
        measure(path, 0.1)
        bulk = Bulk(diode, staged) if staged else None
        if bulk:
            bulk.start()
            diode.diode.wait(lambda: diode.diode.counters("rx")["decode.symbols_taken"] > 2000,
                             30, "the bulk flows")
        runs = [measure(path, seconds) for _ in bench.repeats()]
        why = bulk.close() if bulk else None
    if why:
        bench.fail(f"latency.{name}: the files beside: {why}")
    if staged:
        product.forget(staged)
    report(rows, bench, name, runs, command)


def part(rows, bench):
    bench.histograms = {}
    goodput = rows.value(f"file.mtu{MTU}.ethernet.{REGIME}.goodput")
    ratio = rows.value(f"file.mtu{MTU}.ethernet.{REGIME}.wire_ratio", 1.1)
    bulk = BULK_SHARE * goodput * ratio if goodput else BULK_GBPS
    loads = (("idle", {}, None), ("spin", {"spin": True}, None), ("bulk", {}, bulk))
    for i, (name, rx, gbps) in enumerate(loads):
        bench.begin_item(len(loads) - i)
        try:
            one(rows, bench, name, rx, gbps)
        except (Unsupported, Died) as why:
            rows.absent(f"latency.{name}.p50", "ms", str(why).split("\n", 1)[0], "bench_latency")
            if isinstance(why, Died):
                bench.fail(f"latency.{name}: {why}")
