# SPDX-License-Identifier: ISC
"""How well the pacer keeps a rate: tx/sender/pace and link_packet, as the sender uses them, with
frames always waiting, MTU 1500, over the bare veth pair; nobody receives.

pacer.RATE.error   per cent that the interface's own count of bytes, over the time, is off the
                   rate, in either direction; RATE is 10M, 100M, 1G, 5G
pacer.RATE.cpu     processor time of that, in cores
"""

from harness import netns

import setting

MTU = 1500
RATES = (("10M", 10e6), ("100M", 100e6), ("1G", 1e9), ("5G", 5e9))
SECONDS_QUICK, SECONDS_FULL = 0.5, 2.0


def part(rows, bench):
    seconds = SECONDS_QUICK if bench.quick else SECONDS_FULL
    with netns.Path(mtu=MTU, emulator=False) as path:
        for name, rate in RATES:
            argv = [setting.find_program("bench_pace"), path.tx.name, str(MTU), f"{rate:.0f}",
                    f"{seconds}", str(bench.n), f"pacer.{name}"]
            said = setting.run(["taskset", "-c", str(bench.cores[0]), *path.tx.ns.argv(argv)], 60)
            rows.take(said, setting.written(argv))
