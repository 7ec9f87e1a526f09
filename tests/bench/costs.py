# SPDX-License-Identifier: ISC
"""Part (g), cost against size and count: MTU 9000, ethernet, regime A, at the rate that one
large file was carried at.

cost.size.1MiB.ms              from the claim to the name visible, one object of that size
cost.size.1GiB.cpu             processor seconds of all roles per GiB
cost.count.1000.us_per_object  objects of 4 KiB: the time divided by their number
cost.count.1000.cpu_us         processor microseconds of all roles per object
cost.channels.8.goodput        Gbit/s of as many channels, one file in each, at once
"""

import threading

from harness import netns
from harness.procs import Died

import product
import setting
from transfers import WARM_BYTES, Course

MTU, REGIME = 9000, "A"
SIZES = (("1KiB", 1 << 10), ("64KiB", 64 << 10), ("1MiB", 1 << 20), ("16MiB", 16 << 20),
         ("256MiB", 256 << 20), ("1GiB", 1 << 30), ("8GiB", 8 << 30))
COUNTS = (1, 100, 1000, 10000, 100000)
CHANNELS = (1, 8, 64)
QUICK_SIZE, QUICK_COUNT, QUICK_CHANNELS = 256 << 20, 1000, 8  # 10,000 are small.*
CHANNELS_BYTES = 256 << 20  # together
POOL_DEPTH = 126  # of all windows together that the default pool has room for
COMMAND = f"katamichi-tx run, katamichi-rx run (mtu {MTU}, framing ethernet, regime {REGIME})"


def several(bench, course, name, staged):
    """Transfers of STAGED, [] when it does not arrive: then the benchmark has failed."""
    try:
        return course.run(staged)
    except Died as why:
        bench.fail(f"{name}: {why}")
        return []


def by_size(rows, bench, course, name, size):
    staged = product.stage_file(bench, name, size)
    found = several(bench, course, f"cost.size.{name}", staged)
    product.forget(staged)
    if not found:
        return
    rows.add(f"cost.size.{name}.ms", "ms", [c.seconds * 1e3 for c in found], COMMAND)
    if size >= setting.MIB * 16:  # below, the kernel's clock is too coarse
        rows.add(f"cost.size.{name}.cpu", "s/GiB",
                 [sum(c.cpu.values()) * setting.GIB / size for c in found], COMMAND)
        rows.add(f"cost.size.{name}.ns_per_byte", "ns/byte",
                 [c.seconds * 1e9 / size for c in found], COMMAND)


def by_count(rows, bench, course, count):
    staged = product.stage_files(bench, f"n{count}", count, 4096)
    found = several(bench, course, f"cost.count.{count}", staged)
    product.forget(staged)
    if not found:
        return
    rows.add(f"cost.count.{count}.us_per_object", "us",
             [c.seconds * 1e6 / count for c in found], COMMAND)
    if count >= 1000:
        rows.add(f"cost.count.{count}.cpu_us", "us",
                 [sum(c.cpu.values()) * 1e6 / count for c in found], COMMAND)


def at_once(course, staged):
    """A Carried of each, in a channel of its own; slower and again as long as they do not all
    come."""
    while True:
        diode = course.open()
        carried = [None] * len(staged)

        def work(i, diode=diode, carried=carried):
            carried[i] = diode.carry(staged[i], f"c{i}")

        threads = [threading.Thread(target=work, args=(i,)) for i in range(len(staged))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        partly = [c for c in carried if c and c.note and c.lost]
        if not partly or not course.slower(partly[0]):
            return carried


def by_channels(rows, bench, path, rate, warm, channels):
    """One file in each channel at once; from the first claim to the last name visible. Many
    channels share the receiver's pool: their windows are as deep as leaves room for all."""
    depth = {"fec_depth": max(1, min(63, POOL_DEPTH // channels))}
    staged = [product.stage_file(bench, f"channel{i}", CHANNELS_BYTES // channels)
              for i in range(channels)]
    name = f"cost.channels.{channels}"
    with Course(bench, path, "ethernet", rate, warm, channels=channels,
                channel=depth) as course:
        carried = at_once(course, staged)
    for one in staged:
        product.forget(one)
    notes = [c.note if c else "not carried" for c in carried]
    if any(notes):
        bench.fail(f"{name}: {next(filter(None, notes))}")
        return
    seconds = (max(c.end_ns for c in carried) - min(c.begin_ns for c in carried)) / 1e9
    rows.add(f"{name}.goodput", "Gbit/s",
             sum(c.bytes for c in carried) * 8 / seconds / 1e9, COMMAND)


def part(rows, bench):
    rate = rows.value(f"file.mtu{MTU}.ethernet.{REGIME}.rate", 2.0)
    sizes = [s for s in SIZES if not bench.quick or s[1] <= QUICK_SIZE]
    counts = [n for n in COUNTS if not bench.quick or n <= QUICK_COUNT]
    channels = [n for n in CHANNELS if not bench.quick or n <= QUICK_CHANNELS]
    left = len(sizes) + len(counts) + len(channels)
    warm = product.stage_file(bench, "warm", WARM_BYTES)
    with netns.Path(mtu=MTU, regime=REGIME, emulator=False) as path:
        with Course(bench, path, "ethernet", rate, warm=warm) as course:
            for name, size in sizes:
                bench.begin_item(left)
                left -= 1
                by_size(rows, bench, course, name, size)
            for count in counts:
                bench.begin_item(left)
                left -= 1
                by_count(rows, bench, course, count)
        for count in channels:
            bench.begin_item(left)
            left -= 1
            by_channels(rows, bench, path, rate, warm, count)
    product.forget(warm)
