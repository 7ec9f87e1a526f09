#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Nothing is lost in silence: what the receiver says it lost is what the emulator kept back,
frame by frame; every object that was announced is published, quarantined, withdrawn or
missing, also when not one of its frames came; and a sender that vanished is told from one
that stopped."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import account, netns, stats, tap, tree  # noqa: E402
from harness.diode import Diode, frames_pending  # noqa: E402
from harness.emu import Emulator  # noqa: E402

FILES, FILE_BYTES = 120, (0, 400000)
LINK_FAREWELL, LINK_UNKNOWN = 2, 3


def run(t, path, impairments, work=None, rate="400 Mbit/s", name="run"):
    """One transfer in directory NAME; (diode, emulator, tx, rx)."""
    directory = os.path.join(t.dir, name)
    os.makedirs(directory)
    with Diode(path, directory, tx={"rate": rate}) as diode:
        source = os.path.join(directory, "source")
        tree.make_files(source, FILES, FILE_BYTES, tap.rng(name))
        with Emulator(path, directory, seed=tap.seed() & 0xffffffff, **impairments) as emulator:
            diode.start_rx()
            tree.copy(source, diode.spool())
            diode.start_tx()
            diode.wait_sent(FILES, 120)
            if work:
                work(diode, emulator)
            diode.wait_settled(120)
            tx, rx = diode.finish(emulator=emulator)
    return diode, emulator, tx, rx


def check(t, diode, emulator, tx, rx):
    lost = account.check_frames(t, diode, emulator, tx, rx)
    t.equal(rx["publish.objects_announced"], tx["source.objects_announced"],
            "objects announced at rx and at tx")
    t.equal(rx["publish.link_state"], LINK_FAREWELL, "state of the link after a farewell")
    tap.note(f"{emulator.summary['data_frames']} frames, {lost} not taken, "
             f"{account.refused(rx)}; {rx['publish.objects_published']} published, "
             f"{rx['publish.objects_missing']} missing of {rx['publish.objects_announced']}")
    return lost


@tap.test
def every_impairment_is_accounted_for(t):
    """Each kind of damage by itself, then all of them."""
    netns.require()
    kinds = {
        "nothing": {},
        "loss": {"loss": "2%"},
        "bursts": {"ge": "0.002,0.1,0,1", "burst": ["50@0", "400@3000", "1500@8000"],
                   "every": 211},
        "disorder": {"dup": "3%", "reorder": "3%:40"},
        "damage": {"corrupt": "2%", "truncate": "2%"},
    }
    everything = {key: value for options in kinds.values() for key, value in options.items()}
    with netns.Path(mtu=1500) as path:
        for name, impairments in {**kinds, "everything": everything}.items():
            diode, emulator, tx, rx = run(t, path, impairments, name=name)
            lost = check(t, diode, emulator, tx, rx)
            tap.note(f"^ {name}")
            harmless = name in ("nothing", "disorder")
            # a frame held back among the last few may come after it was given up: late
            t.equal(lost > rx["decode.late_total"], not harmless, f"{name}: frames lost")
            # a bit changed in the number can make it one that was there before
            if "dup" in impairments or "corrupt" not in impairments:
                t.equal(bool(rx["decode.refused_duplicate"]), "dup" in impairments,
                        f"{name}: duplicates")
            t.equal(bool(rx["decode.refused_auth"]), "corrupt" in impairments,
                    f"{name}: refused authentication")
        t.equal(stats.one_way(path), {}, "frames the other way")
        t.equal(stats.interface_losses(path), {}, "frames an interface dropped")


@tap.test
def the_first_frames_are_lost(t):
    """A burst at frame 0: the first windows' begin records are gone with it."""
    netns.require()
    with netns.Path(mtu=1500) as path:
        diode, emulator, tx, rx = run(t, path, {"burst": ["800@0"]})
        t.equal(check(t, diode, emulator, tx, rx), 800, "frames lost")
        for n in range(5):
            t.equal(rx[f"decode.lane{n}_base"], 0, f"lane {n} counts from 0")


@tap.test
def every_frame_of_an_object_is_lost(t):
    """The link is dead while a whole object, its begin and its manifest pass, which are the last
    frames of data as well; then heartbeats come again. The object is missed by number, and
    by name once its manifest is repeated."""
    netns.require()

    def work(diode, emulator):
        diode.wait_published(FILES, 60)
        emulator.command("drop on")
        tree.make_file(os.path.join(diode.spool(), "never-seen"), 50000, tap.rng("never"))
        diode.wait_left(FILES + 1, emulator, 60)
        t.equal(diode.counters("tx")["source.objects_announced"], FILES + 1,
                "objects announced by tx")
        emulator.command("drop off")
        diode.wait(lambda: diode.counters("rx")["publish.objects_missing"], 30,
                   "the missing object noticed")

    with netns.Path(mtu=1500) as path:
        diode, emulator, tx, rx = run(t, path, {}, work)
        check(t, diode, emulator, tx, rx)
        t.equal(rx["publish.objects_published"], FILES, "objects published")
        t.equal(rx["publish.objects_missing"], 1, "objects missing")
        code, text = diode.missing()
        t.check(code == 0 and diode.tickets(), f"missing: exit {code}\n{text}")
        t.check(f"{FILES + 1}" in text, f"the number of the object is not named:\n{text}")


@tap.test
def the_last_frames_of_a_run_are_lost(t):
    """The link dies while tx sends its last object and says farewell: what rx knows of is
    accounted for, and the sender's state is unknown, not `stopped'."""
    netns.require()
    with netns.Path(mtu=1500) as path, Diode(path, t.dir, rx={"silent": "1 s"}) as diode:
        source = os.path.join(t.dir, "source")
        tree.make_files(source, FILES, FILE_BYTES, tap.rng("last"))
        with Emulator(path, t.dir, seed=1, loss="0.5%") as emulator:
            diode.start_rx()
            tree.copy(source, diode.spool())
            diode.start_tx()
            diode.wait_published(FILES, 60)
            emulator.command("drop on")
            tree.make_file(os.path.join(diode.spool(), "last"), 50000, tap.rng("never"))
            diode.wait_left(FILES + 1, emulator, 60)
            diode.stop_tx()
            vanished(t, diode)
            # publish says that nothing is heard before decode has given up what it waited for
            rx = diode.wait(lambda: settled(diode.counters("rx")), 30, "the account of the end")
            diode.stop_rx()
        account.check_sums(t, rx)
        account.check_losses(t, diode, emulator, rx, rx)
        t.equal(rx["publish.objects_published"], FILES, "objects published")


def settled(rx):
    """RX, if it waits for no frame any more."""
    return None if frames_pending(rx) else rx


def vanished(t, diode):
    """rx says since when it does not know, in counters, file and log."""
    rx = diode.wait(lambda: diode.counters("rx")["publish.link_state"] == LINK_UNKNOWN
                    and diode.counters("rx"), 30, "the sender's state unknown")
    t.check(rx["publish.unknown_since_ns"] > 0, "unknown since when?")
    link = diode.wait(lambda: diode.link().get("state") == "unknown" and diode.link(), 10,
                      "the link file")
    t.equal(int(link["unknown_since_ns"]), rx["publish.unknown_since_ns"], "unknown since")
    log = diode.rx.output()
    t.check(" link.silent " in log and "unknown since" in log, "no link.silent in the log")


@tap.test
def a_sender_that_is_killed(t):
    """kill -9 of the whole tx daemon in the middle of a transfer: `unknown since'. Started
    again, it sends all objects whose manifests had not left, and the account of the former
    session is settled."""
    netns.require()
    with netns.Path(mtu=1500) as path, \
            Diode(path, t.dir, tx={"rate": "100 Mbit/s"}, rx={"silent": "1 s"}) as diode:
        source = os.path.join(t.dir, "source")
        tree.make_files(source, FILES, FILE_BYTES, tap.rng("killed"))
        with Emulator(path, t.dir, seed=1, loss="0.5%") as emulator:
            diode.start_rx()
            tree.copy(source, diode.spool())
            diode.start_tx()
            diode.wait(lambda: diode.counters("rx")["decode.opened"] > 3000, 60,
                       "a transfer under way")
            t.equal(diode.tx.kill(), [], "processes that outlived the supervisor")
            diode.tx = None
            vanished(t, diode)
            former = diode.counters("rx")
            account.check_sums(t, former, "while unknown")
            diode.start_tx()
            diode.wait_published(FILES, 120)
            tx, rx = diode.finish()
        account.check_sums(t, rx)
        account.check_losses(t, diode, emulator, rx, former)
        t.equal(rx["publish.objects_announced"], FILES, "objects announced")
        t.equal(rx["publish.link_state"], LINK_FAREWELL, "state of the link after a farewell")
        t.equal(tx["sender.packet_stats_received"], 0, "frames tx's link socket received")
        difference = tree.compare(source, diode.tree())
        t.check(difference.good, difference)


if __name__ == "__main__":
    tap.main()
