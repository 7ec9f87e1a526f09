# SPDX-License-Identifier: ISC
"""Part (c), files across the link, and (f), what they cost.

file.mtu9000.ethernet.A.goodput         Gbit/s of file bytes, one large file
file.mtu9000.ethernet.A.rate            Gbit/s: the `rate` it ran at, the highest found without
                                        loss
file.mtu9000.ethernet.A.wire_ratio      bytes sent by the interface per byte of file
file.mtu9000.ethernet.A.cpu.tx.source   processor seconds per GiB
file.mtu9000.ethernet.A.rss.rx.decode   MiB, less the mapped packet ring
file.mtu9000.ethernet.A.nofec.goodput   the same without repair symbols
small.…, tree.…                         10,000 files of 4 KiB; a real tree
"""

import os
import shutil

from harness import netns
from harness.procs import Died

import product
import setting
from product import Product, Unsupported

RATE_MAX, RATE_MIN, RATE_STEP = 40.0, 0.3, 0.85  # Gbit/s; how much slower after a loss
TREE_FROM = ("/usr/share", "/usr/include")


class Course:
    """Transfers of one staged thing in one configuration, at a rate that loses nothing."""

    def __init__(self, bench, path, framing, fec=True):
        self.bench, self.path, self.framing, self.fec = bench, path, framing, fec

    def _some(self, rate, staged):
        """Transfers until there are enough, or until one does not count."""
        found = []
        with Product(self.bench, self.path, self.framing, f"{rate * 1000:.0f} Mbit/s",
                     self.fec) as diode:
            for _ in self.bench.repeats():
                found.append(diode.carry(staged))
                if found[-1].lost or found[-1].note:
                    break
        return found

    def run(self, staged):
        """(list of Carried, rate). Not paced at first (nothing is lost where the receiver is
        the faster one); what then loses frames is done again, slower than it went. A wrong
        byte raises, and so does loss at every rate."""
        rate = RATE_MAX
        while rate > RATE_MIN:
            found = self._some(rate, staged)
            last = found[-1]
            if last.note and not last.lost:
                raise Died(last.note)
            if not last.lost:
                return found, rate
            reached = last.wire_bytes * 8 / last.seconds / 1e9 if last.seconds else rate / 2
            print(f"  ({last.lost} frames lost at a rate of {rate:.1f} Gbit/s: slower)",
                  flush=True)
            rate = min(rate, reached) * RATE_STEP
        raise Died(f"frames lost at every rate down to {RATE_MIN} Gbit/s")


def goodput(carried):
    return carried.bytes * 8 / carried.seconds / 1e9


def report(rows, name, found, rate, command):
    """Rows of the transfers FOUND."""
    gib = found[0].bytes / setting.GIB
    rows.add(f"{name}.goodput", "Gbit/s", [goodput(c) for c in found], command)
    rows.add(f"{name}.rate", "Gbit/s", rate, command)
    rows.add(f"{name}.wire_ratio", "bytes/byte", [c.wire_bytes / c.bytes for c in found],
             command)
    if found[0].files > 1:
        rows.add(f"{name}.files_per_s", "1/s", [c.files / c.seconds for c in found], command)
    for role in sorted(found[0].cpu):
        rows.add(f"{name}.cpu.{role}", "s/GiB", [c.cpu[role] / gib for c in found], command)
    for role in sorted(found[0].rss):
        rows.add(f"{name}.rss.{role}", "MiB", [c.rss[role] for c in found], command)


def configuration(rows, bench, path, framing, staged, name, fec=True):
    """All rows of one configuration. What this build does not know is absent; what arrives
    damaged, or never without loss, fails the benchmark."""
    command = (f"katamichi-tx run, katamichi-rx run (mtu {path.mtu}, framing {framing}, regime "
               f"{path.regime}{'' if fec else ', fec_m 0'})")
    try:
        found, rate = Course(bench, path, framing, fec).run(staged)
    except Unsupported as why:
        rows.absent(f"{name}.goodput", "Gbit/s", str(why), command)
    except Died as why:
        rows.absent(f"{name}.goodput", "Gbit/s", str(why).split("\n", 1)[0], command)
        bench.fail(f"{name}: {why}")
    else:
        report(rows, name, found, rate, command)


def files_part(rows, bench):
    """One large file, every configuration."""
    large = product.stage_file(bench, "large", (1 if bench.quick else 4) * setting.GIB)
    wanted = [(mtu, regime, framing, True) for mtu, regime, framings in bench.paths()
              for framing in framings]
    wanted += [(mtu, "A", framing, False) for mtu, regime, framing, _ in wanted
               if regime == "A" and framing == "ethernet" and not (bench.quick and mtu == 1500)]
    for i, (mtu, regime, framing, fec) in enumerate(wanted):
        name = f"file.mtu{mtu}.{framing}.{regime}{'' if fec else '.nofec'}"
        bench.begin_item(len(wanted) - i)
        with netns.Path(mtu=mtu, regime=regime, emulator=False) as path:
            configuration(rows, bench, path, framing, large, name, fec)
    product.forget(large)


def stage_tree(bench):
    """A slice of what every Debian has; links and what policy refuses are left out."""
    place = os.path.join(bench.directory("staged"), "tree")
    budget = (100 if bench.quick else 400) * setting.MIB
    for source in TREE_FROM:
        left = budget // len(TREE_FROM)
        for where, names, files in os.walk(source):
            names.sort()
            for name in sorted(files):
                one = os.path.join(where, name)
                if os.path.islink(one) or not os.path.isfile(one) or not name.isprintable():
                    continue
                left -= os.path.getsize(one)
                if left < 0:
                    break
                two = os.path.join(place, one.lstrip("/"))
                os.makedirs(os.path.dirname(two), exist_ok=True)
                shutil.copyfile(one, two)
            if left < 0:
                break
    return place


def small_part(rows, bench):
    """10,000 small files and a real tree, MTU 9000, ethernet, regime A."""
    wanted = ((product.stage_files(bench, "small", 10000, 4096), "small"),
              (stage_tree(bench), "tree"))
    with netns.Path(mtu=9000, regime="A", emulator=False) as path:
        for i, (staged, name) in enumerate(wanted):
            bench.begin_item(len(wanted) - i)
            configuration(rows, bench, path, "ethernet", staged, name)
    for staged, _ in wanted:
        product.forget(staged)
