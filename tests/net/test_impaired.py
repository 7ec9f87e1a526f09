#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""One small transfer over a link that does everything wrong at once. Short, so that it can
run under sanitizers as well."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import account, netns, tap, tree  # noqa: E402
from harness.diode import Diode  # noqa: E402
from harness.emu import Emulator  # noqa: E402


@tap.test
def small_tree_over_a_bad_link(t):
    netns.require()
    rng = tap.rng("impaired")
    with netns.Path(mtu=1500) as path:
        with Diode(path, t.dir, tx={"rate": "50 Mbit/s"}) as diode:
            source = os.path.join(t.dir, "source")
            tree.make_files(source, 100, (0, 30000), rng)
            refused = tree.make_awkward(source, rng)
            with Emulator(path, t.dir, seed=rng.getrandbits(32), loss="1%", dup="1%",
                          reorder="1%:5", corrupt="0.3%", truncate="0.3%") as emulator:
                diode.start_rx()
                diode.start_tx()
                tree.copy(source, diode.spool())
                diode.wait_published(tree.objects(source, refused), 120)
                tx, rx = diode.finish(emulator=emulator)
            lost = account.check_frames(t, diode, emulator, tx, rx)
            tap.note(f"{emulator.summary['data_frames']} frames, {lost} not taken, "
                     f"{rx['decode.symbols_repaired']} repaired, {account.refused(rx)}")
            t.check(lost > 0 and rx["decode.symbols_repaired"] > 0, "the link was too good")
            difference = tree.compare(source, diode.tree(), ignore=refused)
            t.check(difference.good, difference)


if __name__ == "__main__":
    tap.main()
