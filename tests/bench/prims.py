# SPDX-License-Identifier: ISC
"""Part (b), the primitives: what the measuring programs print, each on one core.

One line per program: its name, its options in quick form, its options in full. A program that
this build does not have is left out. Each prints rows as JSON, one object a line or an array.
"""

import setting

PROGRAMS = (
    ("bench_prim", ("--samples", "3", "--seconds", "0.03"),
     ("--samples", "5", "--seconds", "0.3")),
    ("bench_digest", ("--json", "--quick"), ("--json",)),
    ("bench_fec", ("--json", "--quick"), ("--json",)),
)


def part(rows, bench):
    core = str(bench.cores[-1])
    for name, quick, full in PROGRAMS:
        path = setting.program(name)
        if not path:
            print(f"  ({name}: not in this build)")
            continue
        argv = [path, *(quick if bench.quick else full)]
        said = setting.run(["taskset", "-c", core, *argv], 300, {"BENCH_DIR": bench.work})
        rows.take(said, setting.written(argv))
