#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""One-way latency of realtime frames into decode, over a veth pair of its own: with one
ring for all classes, with a ring of their own, and that one spun on; idle, and beside a bulk
stream. Prints a JSON array of rows {name, value, unit, min, max, n, command}; value is the
median of the runs. A measurement, no test: nothing here passes or fails by time.

    realtime_latency.py [--runs 3] [--seconds 2] [--bulk 100000] [--regime A]

The variable KM_BENCH_REALTIME names the program.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "net"))

from harness import netns, rawframe, tap  # noqa: E402

MODES = {"one": "one_ring", "two": "two_rings", "spin": "two_rings_spin"}
FIGURES = ("p50", "p90", "p99", "max")


def measure(path, mode, seconds, bulk):
    """{figure: microseconds, "n": samples, "bulk": frames/s} of one run."""
    with rawframe.sender(path.tx) as sock:
        os.set_inheritable(sock.fileno(), True)
        argv = path.rx.ns.argv([os.environ["KM_BENCH_REALTIME"], path.rx.name,
                                str(sock.fileno()), mode, str(seconds), str(bulk)])
        done = subprocess.run(argv, pass_fds=[sock.fileno()], capture_output=True, text=True,
                              timeout=60 + seconds, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    return dict(zip((*FIGURES, "n", "bulk"), map(float, done.stdout.split())))


def rows(options):
    command = " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]])
    for load, bulk in (("idle", 0), ("bulk", options.bulk)):
        for mode, name in MODES.items():
            runs = []
            for _ in range(options.runs):
                with netns.Path(mtu=1500, regime=options.regime, emulator=False) as path:
                    runs.append(measure(path, mode, options.seconds, bulk))
            for key, unit in (*((f, "us") for f in FIGURES), *((("bulk", "frames/s"),) * (bulk > 0))):
                values = [run[key] for run in runs]
                yield {"name": f"realtime.{load}.{options.regime}.{name}.{key}",
                       "value": statistics.median(values), "unit": unit, "min": min(values),
                       "max": max(values), "n": len(values), "command": command}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--bulk", type=int, default=100000, help="frames/s of class normal")
    parser.add_argument("--regime", choices=netns.REGIMES, default="A")
    options = parser.parse_args()
    try:
        netns.require()
        print(json.dumps(list(rows(options)), indent=1))
    except tap.Skip as reason:
        print(reason, file=sys.stderr)
        sys.exit(77)


if __name__ == "__main__":
    main()
