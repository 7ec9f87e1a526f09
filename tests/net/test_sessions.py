#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Late starts, restarts and new sessions are ordinary events: what is sent from the next
announce on arrives, what came before is named, and a ticket brings it."""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import account, netns, stats, tap, tree  # noqa: E402
from harness.diode import Diode  # noqa: E402
from harness.emu import Emulator  # noqa: E402

MIB = 1 << 20


def complete_by_tickets(t, diode, count, rounds=4):
    """Carry tickets until everything is there; more than a few rounds are a failure."""
    for number in range(rounds):
        rx = diode.wait_settled(60)
        if rx["publish.objects_published"] >= count and not rx["publish.objects_missing"]:
            return number
        tickets = diode.wait_tickets()
        if not tickets:
            continue
        code, answer = diode.resend(*tickets[:10])
        t.equal(code, 0, f"exit code of resend:\n{answer}")
    rx = diode.wait_settled(60)
    t.equal((rx["publish.objects_published"], rx["publish.objects_missing"]), (count, 0),
            f"published, missing after {rounds} rounds of tickets")
    return rounds


def check_tree(t, diode, source):
    difference = tree.compare(source, diode.tree())
    t.check(difference.good, difference)
    t.equal(stats.one_way(diode.path), {}, "frames the other way")


@tap.test
def a_late_receiver(t):
    """rx starts when tx has sent ten objects and is in the middle of a large one: it takes
    what comes from then on, knows what it missed, and tickets bring it."""
    netns.require()
    rng = tap.rng("late")
    source = os.path.join(t.dir, "source")
    tree.make_files(os.path.join(source, "early"), 10, 100000, rng)
    with netns.Path(mtu=9000, emulator=False) as path, \
            Diode(path, t.dir, tx={"rate": "200 Mbit/s"}) as diode:
        tree.copy(source, diode.spool())
        diode.start_tx()
        diode.wait_sent(10, 60)
        put(tree.make_file(os.path.join(source, "large"), 100 * MIB, rng), diode)
        diode.wait(lambda: diode.counters("tx")["source.bytes_read"] > 20 * MIB, 60,
                   "the large object on its way")
        diode.start_rx()
        diode.wait_sent(11, 60)
        put(tree.make_file(os.path.join(source, "late"), MIB, rng), diode)
        diode.wait_published(1, 60)
        rx = diode.wait_settled(60)
        t.equal(rx["publish.objects_announced"], 12, "objects announced")
        t.check(os.path.exists(os.path.join(diode.tree(), "late")), "what came last is there")
        t.equal(rx["publish.objects_partial"], 1, "the large object is kept in part")
        account.check_sums(t, rx)
        rounds = complete_by_tickets(t, diode, 12)
        tap.note(f"complete after {rounds} rounds of tickets")
        check_tree(t, diode, source)


def put(path, diode):
    """Copy one file into the spool under its own name, complete from the first moment."""
    name = os.path.basename(os.fsencode(path))
    aside = os.path.join(os.fsencode(diode.dir), b"aside-" + name)
    with open(path, "rb") as one, open(aside, "wb") as two:
        while piece := one.read(MIB):
            two.write(piece)
    info = os.stat(path)
    os.utime(aside, ns=(info.st_atime_ns, info.st_mtime_ns))
    os.rename(aside, os.path.join(os.fsencode(diode.spool()), name))


@tap.test
def receiver_restarted_in_mid_transfer(t):
    """rx is stopped in order and started again, twice, while objects cross: nothing that it
    had is lost, and tickets bring what passed meanwhile."""
    netns.require()
    rng = tap.rng("rx restart")
    source = os.path.join(t.dir, "source")
    tree.make_files(source, 200, (0, MIB), rng)
    with netns.Path(mtu=9000, emulator=False) as path, \
            Diode(path, t.dir, tx={"rate": "200 Mbit/s"}) as diode:
        diode.start_rx()
        tree.copy(source, diode.spool())
        diode.start_tx()
        for count in (20, 60):
            diode.wait(lambda c=count: diode.published() >= c, 60, f"{count} objects published")
            diode.stop_rx()
            diode.start_rx()
        diode.wait_sent(200, 60)
        rx = diode.wait_settled(60)
        account.check_sums(t, rx)
        t.check(rx["publish.objects_published"] >= 60, "published before the restart, and now?")
        rounds = complete_by_tickets(t, diode, 200)
        tap.note(f"{rx['publish.objects_missing']} objects missing after two restarts; "
                 f"complete after {rounds} rounds of tickets")
        t.check(rx["publish.objects_missing"] == 0 or rounds > 0, "nobody asked for them")
        check_tree(t, diode, source)


@tap.test
def transmitter_restarted_in_mid_transfer(t):
    """tx is stopped in order and started again in mid-transfer: it sends by itself everything
    whose manifest had not left. Nobody carries a ticket."""
    netns.require()
    rng = tap.rng("tx restart")
    source = os.path.join(t.dir, "source")
    tree.make_files(source, 200, (0, MIB), rng)
    with netns.Path(mtu=9000) as path, \
            Diode(path, t.dir, tx={"rate": "200 Mbit/s"}) as diode:
        with Emulator(path, t.dir, seed=1, loss="0.5%") as emulator:
            diode.start_rx()
            tree.copy(source, diode.spool())
            for count in (20, 60):
                diode.start_tx()
                diode.wait(lambda c=count: diode.published() >= c, 60,
                           f"{count} objects published")
                diode.stop_tx()
            diode.start_tx()
            diode.wait_published(200, 120)
            rx = diode.wait_settled(60)
            t.equal((rx["publish.objects_announced"], rx["publish.objects_missing"]), (200, 0),
                    "announced, missing")
            tx, rx = diode.finish()
        account.check_sums(t, rx)
        account.check_losses(t, diode, emulator, rx)
        t.equal(rx["decode.sessions"], 3, "sessions at rx")
        t.equal(tx["sender.packet_stats_received"], 0, "frames tx's link socket received")
        check_tree(t, diode, source)


@tap.test
def a_role_of_the_receiver_dies(t):
    """kill -9 of decode and of publish in mid-transfer: the supervisor starts them again, the
    transfer goes on, what was lost meanwhile is named and tickets bring it."""
    netns.require()
    rng = tap.rng("decode")
    source = os.path.join(t.dir, "source")
    tree.make_files(source, 200, (0, MIB), rng)
    with netns.Path(mtu=9000, emulator=False) as path, \
            Diode(path, t.dir, tx={"rate": "200 Mbit/s"}) as diode:
        diode.start_rx()
        tree.copy(source, diode.spool())
        diode.start_tx()
        for count, role in ((20, "decode"), (60, "publish"), (100, "decode")):
            diode.wait(lambda c=count: diode.published() >= c, 60, f"{count} objects published")
            diode.roles_may_die = True
            pid = diode.rx.kill_role(role)
            diode.wait(lambda r=role, p=pid: diode.rx.roles().get(r, p) != p, 30,
                       f"{role} started again")
        diode.wait_sent(200, 60)
        rx = diode.wait_settled(60)
        account.check_sums(t, rx)
        rounds = complete_by_tickets(t, diode, 200)
        tap.note(f"{rx['publish.objects_missing']} objects missing after three deaths, "
                 f"{rx['decode.lost_total']} frames lost; complete after {rounds} rounds")
        check_tree(t, diode, source)
        t.equal(diode.counters("rx")["supervisor.role_restarts"] >= 3, True, "restarts counted")


@tap.test
def sessions_are_replaced(t):
    """A session lives 60 s here: files that trickle in before, at and after its end all arrive,
    no frame is lost between two sessions, and rx needs nothing from anybody."""
    netns.require()
    rng = tap.rng("rotation")
    source = os.path.join(t.dir, "source")
    os.makedirs(source)
    with netns.Path(mtu=1500) as path, \
            Diode(path, t.dir, tx={"rate": "100 Mbit/s", "session": "60 s"}) as diode:
        with Emulator(path, t.dir, seed=1, loss="1%") as emulator:
            diode.start_rx()
            diode.start_tx()
            count, replaced = 0, False
            while not replaced:
                # once more when it was replaced, so that a file crosses in the new one
                replaced = diode.counters("tx")["source.sessions"] >= 2
                put(tree.make_file(os.path.join(source, f"{count:05d}"), 60000, rng), diode)
                count += 1
                diode.tx.check_alive()
                time.sleep(0.1)
            diode.wait_published(count, 60)
            tx, rx = diode.finish()
        tap.note(f"{count} files, {tx['source.sessions']} sessions")
        t.equal(rx["decode.sessions"], 2, "sessions at rx")
        account.check_sums(t, rx)
        account.check_losses(t, diode, emulator, rx)
        t.equal(rx["decode.refused_unknown_session"], 0, "frames of an unknown session")
        check_tree(t, diode, source)


if __name__ == "__main__":
    tap.main()
