#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What the erasure code rides out, and what happens beyond it.

Each docstring states the probability that a claim fails for a seed taken at random; the
seeds here are fixed. The figures are binomial tails: a block of n frames of which each is
lost with probability p fails when more than m are lost.

    block             n    m    p     fails with
    160 + 16        176   16   1 %    4.2e-12
    40 + 6           46    6   1 %    3.8e-7     worst of the short blocks with m = 6
    50 + 5           55    5   1 %    1.9e-5     worst block that a window can end with
    89 + 8           97    8   1 %    6.5e-7     worst of the long blocks, which round down

The geometry is the default one, (160,16) x 63, at MTU 1,500, where 1 Gbit/s fills a window
of full depth in the default flush time.
"""

import math
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import account, netns, stats, tap, tree  # noqa: E402
from harness.diode import Diode  # noqa: E402
from harness.emu import Emulator  # noqa: E402

MTU = 1500
SYMBOL = MTU - 56
FILES, FILE_BYTES = 24, 2 << 20  # 3.5 windows of depth 63
FILES_DEEP = 40                  # 1.3 windows of depth 255
K, M = 160, 16


def fails(n, m, p):
    """Probability that more than M of N frames are lost."""
    return sum(math.comb(n, i) * p**i * (1 - p)**(n - i) for i in range(m + 1, n + 1))


def transfer(t, seed, depth, impairments, work, files=FILES):
    """Send FILES files through the impaired link; calls WORK(path, diode, emulator, source)
    while both daemons run. Returns (diode, emulator, tx, rx) of the end."""
    netns.require()
    channel = {"fec_depth": depth}
    if depth > 63:
        channel["flush"] = "800 ms"  # 1 Gbit/s for so long fills a window of full depth
    with netns.Path(mtu=MTU) as path:
        diode = Diode(path, t.dir, tx={"rate": "1 Gbit/s"}, tx_channel=channel,
                      rx_channel={"fec_depth": depth})
        source = os.path.join(t.dir, "source")
        tree.make_files(source, files, FILE_BYTES, random.Random(seed), per_directory=8)
        with diode, Emulator(path, t.dir, seed=seed, **impairments) as emulator:
            diode.start_rx()
            # the spool is full before tx looks: windows are as deep as they may be
            tree.copy(source, diode.spool())
            diode.start_tx()
            work(path, diode, source)
            tx, rx = diode.finish(emulator=emulator)
        return diode, emulator, tx, rx


def overhead(tx):
    """Repair symbols for one source symbol, over all objects of the transfer. Manifests go in
    small windows of their own, with at least as many repairs as sources, and are counted apart."""
    return tx["source.symbols_repair"] / tx["source.symbols_source"]


def rows(k):
    """Repair symbols of a block of k < K sources, as docs/wire.md says."""
    share = k * M // K if k >= 80 else math.ceil(k * M / K)
    return max(6 if k <= 40 else 4, share)


def nothing_is_lost(t, seed, depth, files=FILES, **impairments):
    diode, emulator, tx, rx = transfer(
        t, seed, depth, impairments,
        lambda path, diode, source: diode.wait_published(files, 120), files)
    lost = account.check_frames(t, diode, emulator, tx, rx)
    tap.note(f"{emulator.summary['data_frames']} frames, {lost} lost, "
             f"{rx['decode.symbols_repaired']} symbols repaired, "
             f"{rx['decode.margin_worst']} repair symbols left in the worst block, "
             f"{rx['decode.windows_done']} windows; {100 * overhead(tx):.2f} repair symbols "
             f"for 100 source symbols; manifests {tx['source.ledger_source']} and "
             f"{tx['source.ledger_repair']}")
    difference = tree.compare(os.path.join(t.dir, "source"), diode.tree())
    t.check(difference.good, difference)
    t.equal(rx["decode.symbols_missing"], 0, "symbols missing")
    t.equal(rx["decode.windows_incomplete"], 0, "windows incomplete")
    t.check(rx["decode.symbols_repaired"] > 0, "nothing had to be repaired")
    t.check(overhead(tx) <= 0.10, f"{100 * overhead(tx):.2f} % repair, of the source symbols")
    t.check(emulator.summary["data_frames"] > depth * (K + M),
            "the transfer is not longer than a window")
    return emulator, rx


@tap.test
def one_percent_at_random(t):
    """1 % random loss. 36,000 source symbols make some 230 blocks: 1e-9 for the full ones, and
    at most 63 x 1.9e-5 = 1.2e-3 when the last window should end with the worst of all block
    sizes."""
    nothing_is_lost(t, 1, 63, loss="1%")
    t.check(fails(K + M, M, 0.01) < 5e-12, "the figure in the docstring")
    t.check(max(fails(k + rows(k), rows(k), 0.01) for k in range(1, K)) < 2e-5,
            "the figure in the docstring")


@tap.test
def burst_of_1000(t):
    """1,000 frames in a row take at most 16 of any block of a window of 63 (63 x 16 =
    1,008): certain, probability of failure 0, wherever they fall in a full window."""
    for seed, at in ((2, 12000),):
        emulator, rx = nothing_is_lost(t, seed, 63, burst=[f"1000@{at}"])
        t.equal(emulator.summary["lost_data"], 1000, "frames lost")


@tap.test
def burst_and_random_at_depth_255(t):
    """Both at once: the burst takes 3 or 4 frames of every block, then 1 % must not take more
    than the rest: 255 x 2.7e-8 = 6.8e-6 for the window that is hit."""
    nothing_is_lost(t, 3, 255, FILES_DEEP, loss="1%", burst=["1000@20000"])
    t.check(255 * fails(K + M - 4, M - 4, 0.01) < 7e-6, "the figure in the docstring")


@tap.test
def beyond_reach_only_what_was_hit(t):
    """A burst of 5,000 frames is five times the reach: certain damage. Only objects with bytes
    in the lost frames are damaged, they are named with their holes, everything after them
    arrives, and a ticket brings the rest at a price close to the holes."""
    state = {}

    def work(path, diode, source):
        rx = diode.wait_settled(120)
        state["rx"] = rx
        state["text"] = diode.missing()[1]
        state["tickets"] = diode.tickets()
        state["there"] = {p for p in tree.scan(diode.tree())
                          if os.path.isfile(os.path.join(os.fsencode(diode.tree()), p))}
        before = stats.counters(path.tx)["tx_bytes"]
        state["answer"] = diode.resend(*state["tickets"])
        state["wire"] = stats.counters(path.tx)["tx_bytes"] - before
        diode.wait_published(FILES, 60)

    diode, emulator, tx, rx = transfer(t, 4, 63, {"burst": ["5000@12000"]}, work)
    first = state["rx"]
    account.check_frames(t, diode, emulator, tx, rx)
    source = os.path.join(t.dir, "source")
    order = sorted(p for p in tree.scan(source)
                   if os.path.isfile(os.path.join(os.fsencode(source), p)))
    damaged = [p for p in order if p not in state["there"]]
    tap.note(state["text"])
    tap.note(f"damaged {[p.decode() for p in damaged]}, exit {state['answer'][0]}\n"
             f"{state['answer'][1]}")
    t.equal(first["publish.objects_missing"], len(damaged), "objects missing")
    t.check(0 < len(damaged) <= 6, f"{len(damaged)} of {FILES} objects damaged by 7 MB lost")
    t.equal(damaged, order[order.index(damaged[0]):][:len(damaged)],
            "the damaged objects are neighbours")
    t.check(order[-1] in state["there"], "what came after the burst is not there")
    for path in damaged:
        t.check(os.fsdecode(path) in state["text"], f"{path!r} is not named")
    t.check(first["decode.windows_incomplete"] > 0 and first["decode.symbols_missing"] > 0,
            "no window was given up")
    # what is to be filled: the source symbols that could not be repaired
    hole = first["decode.symbols_missing"] * SYMBOL
    t.equal(state["answer"][0], 0, "exit code of resend")
    ratio = state["wire"] / hole
    tap.note(f"holes of {first['decode.symbols_missing']} symbols, {hole} bytes; resend put "
             f"{state['wire']} bytes on the wire: {ratio:.3f} for each")
    t.check(ratio < 1.25, f"resend cost {ratio:.3f} bytes on the wire for a byte of holes")
    difference = tree.compare(source, diode.tree())
    t.check(difference.good, difference)


if __name__ == "__main__":
    tap.main()
