# SPDX-License-Identifier: ISC
"""scripts/bench: what this machine can do, what the product does with it, in one run.

Exit 0 unless bytes came wrong, or not at all at every rate. A time never decides.
"""

import argparse
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "net")]

from harness import netns  # noqa: E402
from harness.procs import Died  # noqa: E402
from harness.tap import Skip  # noqa: E402

import costs  # noqa: E402
import latency  # noqa: E402
import lean  # noqa: E402
import limit  # noqa: E402
import links  # noqa: E402
import losses  # noqa: E402
import pacing  # noqa: E402
import plots  # noqa: E402
import prims  # noqa: E402
import scaling  # noqa: E402
import setting  # noqa: E402
import transfers  # noqa: E402
import yardstick  # noqa: E402
from rows import Rows  # noqa: E402

# Name, what it is, function, seconds in quick and in full form. What a part leaves over goes to
# those behind it. The sums stay below 3 and 25 minutes with room for building and staging.
PARTS = (
    ("link", "the raw link", links.part, 16, 100),
    ("prim", "primitives", prims.part, 12, 70),
    ("pacer", "the pacer", pacing.part, 8, 30),
    ("file", "one large file", transfers.files_part, 72, 510),
    ("limit", "the speed of light", limit.part, 1, 1),
    ("small", "small files and a real tree", transfers.small_part, 10, 90),
    ("latency", "latency of messages", latency.part, 4, 60),
    ("loss", "what is left of losses", losses.part, 10, 60),
    ("cost", "cost by size and count", costs.part, 12, 310),
    ("scaling", "workers of tx", scaling.part, 8, 40),
    ("lean", "little memory", lean.part, 4, 20),
    ("udpcast", "udpcast as a yardstick", yardstick.part, 9, 60),
)


def arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/bench", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measure this machine and what the product makes of it.",
        epilog="Needs root (network namespaces). Nothing outside the namespaces and a "
               "directory in /dev/shm is\ntouched. Figures of veth are not figures of a "
               "wire: docs/performance.md.\n\nparts: "
               + ", ".join(f"{part[0]} ({part[1]})" for part in PARTS))
    parser.add_argument("--quick", action="store_true", help="the same rows in 3 minutes")
    parser.add_argument("--json", metavar="FILE", help="write the rows there")
    parser.add_argument("--plots", metavar="DIR", help="write plots (SVG) there")
    parser.add_argument("--only", metavar="PART,...", help="some parts only")
    parser.add_argument("--case", metavar="TEXT", default="", help="only configurations whose "
                        "name contains this, such as mtu9000.ethernet.A")
    parser.add_argument("--seed", metavar="N", type=lambda text: int(text, 0),
                        help="seed of what is random (default: at random, printed)")
    args = parser.parse_args()
    known = [part[0] for part in PARTS]
    args.only = args.only.split(",") if args.only else known
    for name in args.only:
        if name not in known:
            parser.error(f"--only {name}: no such part; there are {', '.join(known)}")
    return args


def show(row):
    if row["value"] is None:
        print(f"  {row['name']:<52} absent: {row['note']}", flush=True)
        return
    spread = f"  {row['min']:.4g} .. {row['max']:.4g}" if row["n"] > 1 else ""
    print(f"  {row['name']:<52} {row['value']:>10.5g} {row['unit']}{spread}", flush=True)


def run(args, bench):
    rows = Rows(show)
    begin = time.monotonic()
    bench.touch_memory()
    planned = time.monotonic()
    print(f"memory touched beforehand ({planned - begin:.1f} s)")
    for name, what, part, quick, full in PARTS:
        if name not in args.only:
            continue
        planned += quick if args.quick else full
        start = time.monotonic()
        print(f"== {what}", flush=True)
        bench.begin_part(planned)
        try:
            part(rows, bench)
        except Died as why:
            bench.fail(f"{name}: {why}")
        print(f"   ({time.monotonic() - start:.1f} s)", flush=True)
    print(f"== {len(list(rows))} rows in {time.monotonic() - begin:.0f} s; planned "
          f"{planned - begin:.0f} s", flush=True)
    if args.json:
        rows.write(args.json)
    if args.plots:
        for path in plots.write(rows, bench, args.plots):
            print(f"   {path}")
    return rows


def main():
    args = arguments()
    try:
        netns.require()
    except Skip as skip:
        print(f"bench: skipped: {skip}")
        sys.exit(77)
    seed = args.seed if args.seed is not None else random.SystemRandom().getrandbits(32)
    print(f"seed {seed}; {os.cpu_count()} cores; {'quick' if args.quick else 'full'}")
    bench = setting.Setting(args.quick, seed, args.case)
    try:
        run(args, bench)
    finally:
        bench.close()
    for text in bench.failures:
        print(f"FAILED {text}")
    sys.exit(1 if bench.failures else 0)


if __name__ == "__main__":
    main()
