# SPDX-License-Identifier: ISC
"""Part (c), files across the link, and (f), what they cost.

file.mtu9000.ethernet.A.goodput         Gbit/s of file bytes, one large file
file.mtu9000.ethernet.A.rate            Gbit/s: the `rate` it ran at, the highest found without
                                        loss
file.mtu9000.ethernet.A.lost            frames that repair had to bring back: 0, unless none of
                                        the rates tried was without loss
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

# Gbit/s: not paced; the fastest of the search for a rate without loss; the slowest
RATE_MAX, PACED_MAX, RATE_MIN = 40.0, 8.0, 0.2
RATE_STEP = 0.8  # how much slower after a loss
STEP_LONG = 0.7  # a step down to less than this was a long one
WARM_BYTES = 256 * setting.MIB
# Full form, quick form. Four would be asked for; beyond two the memory of the virtual machines
# that this is run on comes from their host while it is written (ballast.py), and frames are lost.
LARGE_GIB = (2, 1)
NO_FEC = {"channel": {"fec_m": 0}}
TREE_FROM = ("/usr/share", "/usr/include")


class Course:
    """Transfers in one configuration, at a rate that loses nothing; a context manager. The
    daemons run on from one thing carried to the next. WARM: what they carry first, unmeasured:
    they touch their rings and pools for the first time only once. MORE: of Product."""

    def __init__(self, bench, path, framing, rate=RATE_MAX, warm=None, **more):
        self.bench, self.path, self.framing, self.more = bench, path, framing, more
        self.warm = warm
        self.rate = rate
        self.lossy = None  # the slowest rate at which frames were lost
        self.diode = None

    def open(self):
        """The daemons at the rate found so far."""
        if not self.diode:
            diode = Product(self.bench, self.path, self.framing, f"{self.rate * 1000:.0f} Mbit/s",
                            **self.more)
            self.diode = diode.__enter__()
            if self.warm:
                diode.carry(self.warm)
        return self.diode

    def close(self, *what):
        diode, self.diode = self.diode, None
        if diode:
            diode.__exit__(*(what or (None, None, None)))

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.close(*what)

    def slower(self, last):
        """After the transfer LAST lost frames: go slower than it went. False: that is the end."""
        reached = last.wire_bytes * 8 / last.seconds / 1e9 if last.seconds else self.rate / 2
        rate = min(self.rate, reached, PACED_MAX) * RATE_STEP
        if rate < RATE_MIN or (self.bench.late() and not last.note):
            return False
        print(f"  ({last.lost} frames lost{f', {last.note},' if last.note else ''} at a rate of "
              f"{self.rate:.2f} Gbit/s: {rate:.2f})", flush=True)
        self.lossy = min(self.rate, PACED_MAX)
        self.at(rate)
        return True

    def at(self, rate):
        """From now on at RATE: daemons of their own."""
        self.close()
        self.rate = rate

    def faster(self, staged, found):
        """FOUND lost nothing; a step down may have been a long one. One try between it and what
        was lossy, if there is time: what came at the better rate counts."""
        if not self.lossy or self.rate > STEP_LONG * self.lossy or self.bench.item_late():
            return found
        slow, rate = self.rate, (self.rate * self.lossy) ** 0.5
        self.at(rate)
        between = self._some(staged)
        if between[-1].lost or between[-1].note:
            self.at(slow)
            return found
        return between

    def _some(self, staged):
        """Transfers until there are enough, or until one does not count."""
        found = []
        for _ in self.bench.repeats():
            found.append(self.open().carry(staged))
            if found[-1].lost or found[-1].note:
                break
        return found

    def run(self, staged):
        """List of Carried. Not paced at first (nothing is lost where the receiver is the
        faster one); what then loses frames is done again, slower than it went. Where every
        rate loses some, or no time is left to look for a better one, what was repaired
        counts. Raises when bytes are wrong, or missing at the lowest rate or without a loss
        that explains them."""
        while True:
            found = self._some(staged)
            last = found[-1]
            if last.lost and self.slower(last):
                continue
            if last.note:
                raise Died(f"{last.note}; {last.lost} frames lost at {self.rate:.2f} Gbit/s")
            return found if last.lost else self.faster(staged, found)


def goodput(carried):
    return carried.bytes * 8 / carried.seconds / 1e9


def report(rows, name, found, rate, command):
    """Rows of the transfers FOUND."""
    gib = found[0].bytes / setting.GIB
    rows.add(f"{name}.goodput", "Gbit/s", [goodput(c) for c in found], command)
    rows.add(f"{name}.rate", "Gbit/s", rate, command)
    rows.add(f"{name}.lost", "frames", [c.lost for c in found], command)
    rows.add(f"{name}.wire_ratio", "bytes/byte", [c.wire_bytes / c.bytes for c in found],
             command)
    if found[0].files > 1:
        rows.add(f"{name}.files_per_s", "1/s", [c.files / c.seconds for c in found], command)
    for role in sorted(found[0].cpu):
        rows.add(f"{name}.cpu.{role}", "s/GiB", [c.cpu[role] / gib for c in found], command)
    for role in sorted(found[0].rss):
        rows.add(f"{name}.rss.{role}", "MiB", [c.rss[role] for c in found], command)


def configuration(rows, bench, course, staged, name):
    """All rows of one configuration. What this build does not know is absent; what arrives
    damaged, or not whole at any rate, fails the benchmark."""
    path, fec = course.path, "".join(f", {key} = {value}" for key, value
                                     in course.more.get("channel", {}).items())
    command = (f"katamichi-tx run, katamichi-rx run (mtu {path.mtu}, framing {course.framing}, "
               f"regime {path.regime}{fec})")
    try:
        found = course.run(staged)
    except Unsupported as why:
        rows.absent(f"{name}.goodput", "Gbit/s", str(why), command)
    except Died as why:
        rows.absent(f"{name}.goodput", "Gbit/s", str(why).split("\n", 1)[0], command)
        bench.fail(f"{name}: {why}")
    else:
        report(rows, name, found, course.rate, command)


def files_part(rows, bench):
    """One large file, every configuration."""
    large = product.stage_file(bench, "large", LARGE_GIB[bench.quick] * setting.GIB)
    warm = product.stage_file(bench, "warm", WARM_BYTES)
    wanted = [(mtu, regime, framing, True) for mtu, regime, framings in bench.paths()
              for framing in framings]
    wanted += [(mtu, "A", framing, False) for mtu, regime, framing, _ in wanted
               if regime == "A" and framing == "ethernet" and not (bench.quick and mtu == 1500)]
    for i, (mtu, regime, framing, fec) in enumerate(wanted):
        name = f"file.mtu{mtu}.{framing}.{regime}{'' if fec else '.nofec'}"
        bench.begin_item(len(wanted) - i)
        with netns.Path(mtu=mtu, regime=regime, emulator=False) as path, \
                Course(bench, path, framing, warm=warm, **({} if fec else NO_FEC)) as course:
            configuration(rows, bench, course, large, name)
    product.forget(large)
    product.forget(warm)


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
    warm = product.stage_file(bench, "warm", WARM_BYTES)
    with netns.Path(mtu=9000, regime="A", emulator=False) as path, \
            Course(bench, path, "ethernet", warm=warm) as course:
        for i, (staged, name) in enumerate(wanted):
            bench.begin_item(len(wanted) - i)
            configuration(rows, bench, course, staged, name)
    for staged in (warm, *(staged for staged, _ in wanted)):
        product.forget(staged)
