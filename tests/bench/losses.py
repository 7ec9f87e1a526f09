# SPDX-License-Identifier: ISC
"""Part (e), what is left of losses: bench_loss feeds the decoder from the link emulator's
schedules in memory; a few of its points are then run over the link, as a check.

loss.iid.10000.residual       source symbols missing after repair, of those sent, at a loss of
                              10,000 millionths
loss.burst.1000.residual      the same where 1,000 frames in a row were lost
loss.burst.1000.damaged       bursts that were not repaired entirely
loss.link.iid.10000.residual  over the link: katamichi-tx, km-linkemu, katamichi-rx
loss.link.….lost              frames that the emulator dropped

Within the reach of the code the link must lose nothing either: that fails the benchmark.
"""

import os
import shutil

from harness import netns, tree
from harness.diode import Diode
from harness.emu import Emulator
from harness.procs import Died

import setting

MTU = 1500
FILES, FILE_BYTES = 12, 2 << 20  # 1.7 windows of full depth
# schedule, name, whether everything has to arrive
POINTS = (
    ({"loss": "1%"}, "iid.10000", True),
    ({"burst": ["1000@5000"]}, "burst.1000", True),
    ({"loss": "6%"}, "iid.60000", False),
    ({"burst": ["2000@5000"]}, "burst.2000", False),
)
POINTS_ALWAYS = 2


def over_the_link(rows, bench, schedule, name, whole):
    place = os.path.join(bench.work, "loss")
    os.makedirs(os.path.join(place, "logs"), exist_ok=True)
    staged = os.path.join(place, "source")
    tree.make_files(staged, FILES, FILE_BYTES, bench.random(name))
    command = "km-linkemu " + " ".join(f"--{key} {value if isinstance(value, str) else value[0]}"
                                       for key, value in schedule.items())
    try:
        with netns.Path(mtu=MTU) as path:
            diode = Diode(path, place, tx={"rate": "1 Gbit/s"})
            with diode, Emulator(path, os.path.join(place, "logs"), seed=bench.seed,
                                 **schedule) as emulator:
                diode.start_rx()
                tree.copy(staged, diode.spool())
                diode.start_tx()
                if whole:
                    diode.wait_published(FILES, 60)
                else:
                    diode.wait_settled(60)
                tx, rx = diode.counters("tx"), diode.counters("rx")
                emulator.command("clear")
            lost = emulator.summary["lost_data"]
    finally:
        shutil.rmtree(place, ignore_errors=True)
    rows.add(f"loss.link.{name}.residual", "fraction",
             rx["decode.symbols_missing"] / tx["source.symbols_source"], command)
    rows.add(f"loss.link.{name}.lost", "frames", lost, command)
    if whole and rx["decode.symbols_missing"]:
        bench.fail(f"loss.link.{name}: {rx['decode.symbols_missing']} symbols missing")


def part(rows, bench):
    argv = [setting.find_program("bench_loss"), "--seconds", "0.02" if bench.quick else "0.3"]
    rows.take(setting.run(argv, 300, {"KM_SEED": str(bench.seed)}), setting.written(argv))
    for i, (schedule, name, whole) in enumerate(POINTS):
        if i >= POINTS_ALWAYS and bench.late():
            rows.absent(f"loss.link.{name}.residual", "fraction", "no time left", "km-linkemu")
            continue
        try:
            over_the_link(rows, bench, schedule, name, whole)
        except Died as why:
            rows.absent(f"loss.link.{name}.residual", "fraction", str(why).split("\n", 1)[0],
                        "km-linkemu")
            bench.fail(f"loss.link.{name}: {why}")
