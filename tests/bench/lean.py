# SPDX-License-Identifier: ISC
"""The setting for little memory (docs/tuning.md): no role above 64 MiB, less its packet ring.

lean.goodput    Gbit/s of one file at a rate of 1 Gbit/s, MTU 9000, ethernet, regime A
lean.rss.ROLE   MiB, less the mapped packet ring
"""

from harness import netns

import product
import setting
from transfers import Course, configuration

MTU, REGIME, RATE = 9000, "A", 1.0
TX = {"read_ahead": "0 MiB"}
RX = {"ring": "32 MiB", "pool": "32 MiB", "hold": "1 MiB"}
CHANNEL = {"fec_depth": 8}


def part(rows, bench):
    staged = product.stage_file(bench, "lean", (128 if bench.quick else 1024) * setting.MIB)
    bench.begin_item(1)
    with netns.Path(mtu=MTU, regime=REGIME, emulator=False) as path, \
            Course(bench, path, "ethernet", RATE, tx=TX, rx=RX, channel=CHANNEL) as course:
        configuration(rows, bench, course, staged, "lean")
    product.forget(staged)
