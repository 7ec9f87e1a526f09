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
import product
import setting
from product import Product

MTU, REGIME = 9000, "A"
SIZES = (("1KiB", 1 << 10), ("64KiB", 64 << 10), ("1MiB", 1 << 20), ("16MiB", 16 << 20),
         ("256MiB", 256 << 20), ("1GiB", 1 << 30), ("8GiB", 8 << 30))
COUNTS = (1, 100, 1000, 10000, 100000)
CHANNELS = (1, 8, 64)
QUICK_SIZE, QUICK_COUNT, QUICK_CHANNELS = 256 << 20, 10000, 8
CHANNELS_BYTES = 512 << 20  # together
POOL_DEPTH = 126  # of all windows together that the default pool has room for
COMMAND = f"katamichi-tx run, katamichi-rx run (mtu {MTU}, framing ethernet, regime {REGIME})"


def good(bench, name, carried):
    """Whether a transfer counts; if not, the benchmark has failed."""
    if carried.lost or carried.note:
        bench.fail(f"{name}: {carried.note or f'{carried.lost} frames lost'}")
        return False
    return True


def several(bench, diode, name, staged):
    """Transfers that count."""
    found = []
    for _ in bench.repeats():
        carried = diode.carry(staged)
        if not good(bench, name, carried):
            return []
        found.append(carried)
    return found


def by_size(rows, bench, diode, name, size):
    staged = product.stage_file(bench, name, size)
    found = several(bench, diode, f"cost.size.{name}", staged)
    product.forget(staged)
    if not found:
        return
    rows.add(f"cost.size.{name}.ms", "ms", [c.seconds * 1e3 for c in found], COMMAND)
    if size >= setting.MIB * 16:  # below, the kernel's clock is too coarse
        rows.add(f"cost.size.{name}.cpu", "s/GiB",
                 [sum(c.cpu.values()) * setting.GIB / size for c in found], COMMAND)
        rows.add(f"cost.size.{name}.ns_per_byte", "ns/byte",
                 [c.seconds * 1e9 / size for c in found], COMMAND)


def by_count(rows, bench, diode, count):
    staged = product.stage_files(bench, f"n{count}", count, 4096)
    found = several(bench, diode, f"cost.count.{count}", staged)
    product.forget(staged)
    if not found:
        return
    rows.add(f"cost.count.{count}.us_per_object", "us",
             [c.seconds * 1e6 / count for c in found], COMMAND)
    if count >= 1000:
        rows.add(f"cost.count.{count}.cpu_us", "us",
                 [sum(c.cpu.values()) * 1e6 / count for c in found], COMMAND)


def by_channels(rows, bench, path, rate, channels):
    """One file in each channel at once; from the first claim to the last name visible. Many
    channels share the receiver's pool: their windows are as deep as leaves room for all."""
    depth = {"fec_depth": max(1, min(63, POOL_DEPTH // channels))}
    staged = [product.stage_file(bench, f"channel{i}", CHANNELS_BYTES // channels)
              for i in range(channels)]
    carried = [None] * channels
    with Product(bench, path, "ethernet", rate, channels=channels, channel=depth) as diode:
        def work(i):
            carried[i] = diode.carry(staged[i], f"c{i}")

        threads = [threading.Thread(target=work, args=(i,)) for i in range(channels)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for one in staged:
        product.forget(one)
    if None in carried or not all([good(bench, f"cost.channels.{channels}", c)
                                   for c in carried]):
        return
    seconds = (max(c.end_ns for c in carried) - min(c.begin_ns for c in carried)) / 1e9
    rows.add(f"cost.channels.{channels}.goodput", "Gbit/s",
             sum(c.bytes for c in carried) * 8 / seconds / 1e9, COMMAND)


def part(rows, bench):
    gbps = rows.value(f"file.mtu{MTU}.ethernet.{REGIME}.rate", 2.0)
    rate = f"{gbps * 1000:.0f} Mbit/s"
    sizes = [s for s in SIZES if not bench.quick or s[1] <= QUICK_SIZE]
    counts = [n for n in COUNTS if not bench.quick or n <= QUICK_COUNT]
    channels = [n for n in CHANNELS if not bench.quick or n <= QUICK_CHANNELS]
    left = len(sizes) + len(counts) + len(channels)
    with netns.Path(mtu=MTU, regime=REGIME, emulator=False) as path:
        with Product(bench, path, "ethernet", rate) as diode:
            for name, size in sizes:
                bench.begin_item(left)
                left -= 1
                by_size(rows, bench, diode, name, size)
            for count in counts:
                bench.begin_item(left)
                left -= 1
                by_count(rows, bench, diode, count)
        for count in channels:
            by_channels(rows, bench, path, rate, count)
