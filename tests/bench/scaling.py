# SPDX-License-Identifier: ISC
"""What a further worker of tx brings (docs/adr/0017): MTU 9000, ethernet, regime A, not paced.

scaling.tx.workers.N.goodput    Gbit/s that tx alone puts on the link: from the claim until the file
                                lies in sent/; nobody listens at the far end
scaling.tx.workers.N.cpu        processor seconds per GiB of source and sender
scaling.file.workers.2.goodput  Gbit/s end to end, where source, sender, decode and publish share the
                                cores; file.mtu9000.ethernet.A.goodput is the same with one worker
"""

import os
import time

from harness import netns
from harness.procs import Died

import product
import setting
from product import Product
from transfers import RATE_MAX, Course, goodput
from watching import Claim

MTU, REGIME = 9000, "A"
WORKERS = (1, 2)
COMMAND = f"katamichi-tx run (mtu {MTU}, framing ethernet, regime {REGIME}, workers = %u)"
POLL_SECONDS = 0.001
SENT_SECONDS = 60
# Gbit/s: two workers and both ends on two cores lose frames unpaced; the quick form has no time
# to find that out
QUICK_RATE = 3.2


def sent(diode, staged):
    """Offer STAGED; (seconds, processor seconds) until it lies in sent/, and put it back."""
    sent_dir = os.path.join(diode.diode.spool_root(), ".katamichi", "sent")
    before = sum(diode.cpu().values())
    claim = Claim([diode.diode.spool()])
    deadline = time.monotonic() + SENT_SECONDS
    os.rename(staged, os.path.join(diode.diode.spool(), "file"))
    while not os.listdir(sent_dir):
        if time.monotonic() > deadline:
            raise Died(f"the file is not in sent/ after {SENT_SECONDS} s")
        time.sleep(POLL_SECONDS)
    claim.close()
    place = os.path.join(sent_dir, os.listdir(sent_dir)[0])
    seconds = (os.lstat(place).st_ctime_ns - claim.at_ns) / 1e9
    used = sum(diode.cpu().values()) - before
    os.rename(place, staged)
    return seconds, used


def tx_alone(rows, bench, staged, warm, workers):
    with netns.Path(mtu=MTU, regime=REGIME, emulator=False) as path, \
            Product(bench, path, "ethernet", f"{RATE_MAX} Gbit/s", tx={"workers": workers},
                    rx_runs=False) as diode:
        sent(diode, warm)
        found = [sent(diode, staged) for _ in bench.repeats()]
    size, name = os.path.getsize(staged), f"scaling.tx.workers.{workers}"
    rows.add(f"{name}.goodput", "Gbit/s", [size * 8 / s / 1e9 for s, _ in found],
             COMMAND % workers)
    rows.add(f"{name}.cpu", "s/GiB", [used * setting.GIB / size for _, used in found],
             COMMAND % workers)


def end_to_end(rows, bench, staged, warm, workers):
    with netns.Path(mtu=MTU, regime=REGIME, emulator=False) as path, \
            Course(bench, path, "ethernet", QUICK_RATE if bench.quick else RATE_MAX, warm=warm,
                   tx={"workers": workers}) as course:
        found = course.run(staged)
    name = f"scaling.file.workers.{workers}"
    rows.add(f"{name}.goodput", "Gbit/s", [goodput(c) for c in found], COMMAND % workers)
    rows.add(f"{name}.rate", "Gbit/s", course.rate, COMMAND % workers)


def part(rows, bench):
    staged = product.stage_file(bench, "scaled", setting.GIB)
    warm = product.stage_file(bench, "warm", 256 * setting.MIB)
    for i, workers in enumerate(WORKERS):
        bench.begin_item(len(WORKERS) + 1 - i)
        tx_alone(rows, bench, staged, warm, workers)
    bench.begin_item(1)
    end_to_end(rows, bench, staged, warm, WORKERS[-1])
    product.forget(staged)
    product.forget(warm)
