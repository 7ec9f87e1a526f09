#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Large files over several workers of tx: lanes beyond the first five, through an impaired link;
and source and sender killed among them."""

import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import account, netns, tap, tree  # noqa: E402
from harness.diode import Diode  # noqa: E402
from harness.emu import Emulator  # noqa: E402

LINK_FAREWELL = 2  # publish.link_state


def large_by_workers(t, workers, **link):
    """A file over all workers, and small ones beside it; the counters of both sides."""
    rng = tap.rng(f"workers{workers}")
    with netns.Path(mtu=9000) as path:
        with Diode(path, t.dir, tx={"rate": "1 Gbit/s", "workers": workers}) as diode:
            source = os.path.join(t.dir, "source")
            tree.make_files(source, 20, (0, 30000), rng)
            tree.make_files(os.path.join(source, "large"), 1, (66 << 20, 80 << 20), rng)
            with Emulator(path, t.dir, seed=rng.getrandbits(32), **link) as emulator:
                diode.start_rx()
                diode.start_tx()
                tree.copy(source, diode.spool())
                diode.wait_published(tree.objects(source), 120)
                tx, rx = diode.finish(emulator=emulator)
            lost = account.check_frames(t, diode, emulator, tx, rx)
            tap.note(f"{workers} workers: {emulator.summary['data_frames']} frames, "
                     f"{tx['sender.workers_sent']} of further workers, {lost} not taken, "
                     f"{rx['decode.symbols_repaired']} repaired")
            t.check(lost > 0 and rx["decode.symbols_repaired"] > 0, "the link was too good")
            t.check(tx["sender.workers_sent"] > 1000, "the workers carried nothing")
            t.equal(rx["decode.windows_incomplete"], 0, "windows that were not repaired")
            difference = tree.compare(source, diode.tree())
            t.check(difference.good, difference)


@tap.test
def large_file_by_two_workers(t):
    netns.require()
    large_by_workers(t, 2, loss="0.5%", reorder="1%:5", burst=["300@3000"])


@tap.test
def large_file_by_eight_workers(t):
    netns.require()
    large_by_workers(t, 8, loss="0.5%", reorder="1%:5")


@tap.test
def source_and_sender_die_among_ranges(t):
    netns.require()
    rng = tap.rng("workers_die")
    with netns.Path(mtu=9000) as path:
        with Diode(path, t.dir, tx={"rate": "300 Mbit/s", "workers": 2}) as diode, \
                Emulator(path, t.dir, seed=rng.getrandbits(32), loss="0.5%"):
            diode.roles_may_die = True
            source = os.path.join(t.dir, "source")
            tree.make_files(source, 1, (66 << 20, 70 << 20), rng)
            diode.start_rx()
            diode.start_tx()
            tree.copy(source, diode.spool())
            for role in ("source", "sender"):
                diode.wait(lambda: diode.counters("tx").get("sender.workers_sent", 0) > 500,
                           60, "frames of the second worker")
                pid = diode.tx.role_pid(role, timeout=60)
                os.kill(pid, signal.SIGKILL)
                diode.wait(lambda: diode.tx.roles().get(role, pid) != pid, 60, f"another {role}")
            diode.wait_published(1, 120)
            difference = tree.compare(source, diode.tree())
            t.check(difference.good, difference)
            t.equal(diode.read_log("tx").count(" chain.new "), 1, "chains that tx began")


def holes_and_a_stop(t, workers):
    """A file over all workers comes with holes, without repair: one ticket brings them. The next
    one is on its way over all lanes when tx is told to stop: what was begun is finished, rx
    hears a farewell and knows of every frame; the rest comes after a start."""
    rng = tap.rng(f"holes{workers}")
    with netns.Path(mtu=9000) as path:
        with Diode(path, t.dir, tx={"rate": "600 Mbit/s", "workers": workers},
                   tx_channel={"fec_m": 0}) as diode, \
                Emulator(path, t.dir, seed=rng.getrandbits(32)) as emulator:
            source = os.path.join(t.dir, "source")
            diode.start_rx()
            diode.start_tx()
            at = emulator.status()["data_frames"]
            for hole in (700, 3000, 5500):
                emulator.command(f"burst 8@{at + hole}")
            tree.make_files(source, 1, (66 << 20, 70 << 20), rng)
            tree.copy(source, diode.spool())
            diode.wait_left(1, emulator, 60)
            rx = diode.wait_settled(60)
            t.equal((rx["publish.objects_published"], rx["publish.objects_partial"]), (0, 1),
                    "published, partial before the resend")
            t.check(rx["decode.workers_lost"] > 0, "no hole is in a lane of a further worker")
            code, answer = diode.resend(*diode.tickets())
            t.equal(code, 0, f"exit code of resend: {answer}")
            diode.wait_published(1, 60)
            difference = tree.compare(source, diode.tree())
            t.check(difference.good, difference)
            before = diode.counters("tx")["sender.workers_sent"]
            more = os.path.join(t.dir, "more")
            tree.make_file(os.path.join(more, "second"), 66 << 20, rng)
            tree.copy(more, diode.spool())
            tree.copy(more, source)
            diode.wait(lambda: diode.counters("tx")["sender.workers_sent"] > before + 200, 60,
                       "ranges of the next file")
            diode.stop_tx()
            diode.rx.wait_line(r"session\.ended .*the sender said farewell", 60)
            rx = diode.wait_quiet(60)
            account.check_sums(t, rx)
            t.equal(rx["publish.link_state"], LINK_FAREWELL, "state of the link")
            t.equal(rx["decode.workers_lost"] + sum(rx[f"decode.lane{n}_lost"] for n in range(5)),
                    24, "frames lost, of all lanes")
            diode.start_tx()
            diode.wait(lambda: os.path.exists(os.path.join(diode.tree(), "second")), 120,
                       "the rest after a start")
            difference = tree.compare(source, diode.tree())
            t.check(difference.good, difference)
            t.equal(diode.read_log("tx").count(" chain.new "), 1, "chains that tx began")


@tap.test
def holes_and_a_stop_with_two_workers(t):
    netns.require()
    holes_and_a_stop(t, 2)


@tap.test
def holes_and_a_stop_with_three_workers(t):
    netns.require()
    holes_and_a_stop(t, 3)


if __name__ == "__main__":
    tap.main()
