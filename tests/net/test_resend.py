#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Tickets: what is missing is named, carried to the sender by hand, and comes; what the sender
no longer has is said by name."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import account, netns, stats, tap, tree  # noqa: E402
from harness.diode import Diode  # noqa: E402
from harness.emu import Emulator  # noqa: E402

MIB = 1 << 20
NO_FEC = {"fec_m": 0}  # so that what is dropped is missing


class Gap:
    """A running diode whose link can be cut."""

    def __init__(self, t, path, **keys):
        self.diode = Diode(path, t.dir, tx={"rate": "200 Mbit/s"}, **keys)
        self.emulator = Emulator(path, t.dir, seed=1)
        self.diode.start_rx()
        self.diode.start_tx()
        self.count = self.arrived = 0

    def send(self, name, size, rng, lost=False, damaged=False):
        """One file; with LOST no frame of it arrives. Unless it is to be DAMAGED, what
        arrives is published before the next one is sent."""
        if lost:
            self.emulator.command("drop on")
        tree.make_file(os.path.join(self.diode.spool(), name), size, rng)
        self.count += 1
        self.diode.wait_left(self.count, self.emulator, 60)
        if lost:
            self.emulator.command("drop off")
        elif not damaged:
            self.arrived += 1
            self.diode.wait_published(self.arrived, 60)

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        self.diode.__exit__(kind, *rest)
        self.emulator.__exit__(kind, *rest)


@tap.test
def whole_objects_come_by_one_ticket(t):
    """Two neighbours and one apart are lost whole, names, manifests and all. One visit to the
    sender brings all three, and nothing else is sent."""
    netns.require()
    rng = tap.rng("objects")
    with netns.Path(mtu=9000) as path, Gap(t, path) as gap:
        diode = gap.diode
        for number in range(1, 9):
            gap.send(f"file-{number}", MIB, rng, lost=number in (2, 3, 6))
        rx = diode.wait_settled(60)
        t.equal(rx["publish.objects_missing"], 3, "objects missing")
        code, text = diode.missing()
        t.equal(code, 0, "exit code of missing")
        tickets = diode.tickets()
        tap.note(text)
        t.require(tickets, "no ticket")
        before = stats.counters(path.tx)["tx_bytes"]
        code, answer = diode.resend(*tickets)
        wire = stats.counters(path.tx)["tx_bytes"] - before
        tap.note(answer)
        t.equal(code, 0, "exit code of resend")
        for number in (2, 3, 6):
            t.check(f"file-{number}" in answer, f"file-{number} is not in the answer")
        for number in (1, 4, 5, 7, 8):
            t.check(f"file-{number}" not in answer, f"file-{number} was sent again")
        diode.wait_published(8, 60)
        tap.note(f"{wire} bytes on the wire for {3 * MIB} bytes of objects: "
                 f"{wire / (3 * MIB):.3f}")
        t.check(wire < 1.25 * 3 * MIB, f"{wire} bytes on the wire for {3 * MIB}")
        t.check(nothing_missing(diode), "nothing is missing after the resend")
        account.check_sums(t, diode.counters("rx"))
        t.equal(diode.counters("tx")["source.resends"], len(tickets), "tickets worked off")


@tap.test
def holes_are_filled(t):
    """One object of 8 MiB with holes: the ticket names extents, only they cross again, and rx
    keeps its holes over a restart."""
    netns.require()
    rng = tap.rng("holes")
    with netns.Path(mtu=9000) as path, Gap(t, path, tx_channel=NO_FEC) as gap:
        diode = gap.diode
        gap.send("before", 1000, rng)
        at = gap.emulator.status()["data_frames"]
        # a place in the data that is certainly before the end of an object of 900 frames
        for hole in (100, 300, 500):
            gap.emulator.command(f"burst 10@{at + hole}")
        gap.send("holes", 8 * MIB, rng, damaged=True)
        gap.send("after", 1000, rng)
        rx = diode.wait_settled(60)
        t.equal((rx["publish.objects_published"], rx["publish.objects_missing"]), (2, 1),
                "published, missing")
        diode.stop_rx()
        diode.start_rx()
        rx = diode.wait_settled(60)
        t.equal(rx["publish.objects_partial"], 1, "objects in progress after a restart")
        code, text = diode.missing()
        tap.note(text)
        t.check(code == 0 and '"holes"' in text, "the damaged object is not named")
        tickets = diode.tickets()
        before = stats.counters(path.tx)["tx_bytes"]
        code, answer = diode.resend(*tickets)
        wire = stats.counters(path.tx)["tx_bytes"] - before
        tap.note(answer)
        t.equal(code, 0, "exit code of resend")
        lost = 30 * 8944
        tap.note(f"{wire} bytes on the wire for holes of at most {lost}: {wire / lost:.3f}")
        t.check(wire < 2 * lost, f"{wire} bytes on the wire for holes of {lost}")
        diode.wait_published(1, 60)
        t.check(nothing_missing(diode), "nothing is missing after the resend")
        t.check(tree.same_content(os.path.join(diode.tree(), "holes"),
                                  kept(diode, 2)), "the object is not what was sent")


@tap.test
def many_damaged_small_files(t):
    """Every second frame is lost, without repair: of 1,200 small files none is whole. They are
    named by their numbers, so that one visit of ten tickets at most brings all of them, at the
    price of sending them whole."""
    netns.require()
    rng = tap.rng("small")
    count, size = 1200, 20000
    with netns.Path(mtu=9000) as path, Gap(t, path, tx_channel=NO_FEC) as gap:
        diode = gap.diode
        source = os.path.join(t.dir, "source")
        tree.make_files(source, count, size, rng)
        gap.emulator.command("every 2")
        tree.copy(source, diode.spool())
        diode.wait_left(count, gap.emulator, 60)
        gap.emulator.command("every 0")
        rx = diode.wait_settled(90)
        t.check(rx["publish.objects_partial"] >= count // 2,
                f"only {rx['publish.objects_partial']} objects are here in part")
        tickets = diode.tickets()
        tap.note(f"{rx['publish.objects_missing']} objects missing, "
                 f"{rx['publish.objects_partial']} of them partial: {len(tickets)} tickets")
        t.require(1 <= len(tickets) <= 10, f"{len(tickets)} tickets")
        before = stats.counters(path.tx)["tx_bytes"]
        code, answer = diode.resend(*tickets)
        t.equal(code, 0, f"exit code of resend: {answer[-500:]}")
        wire = stats.counters(path.tx)["tx_bytes"] - before
        whole = rx["publish.objects_missing"] * size
        tap.note(f"{wire} bytes on the wire for {whole} of damaged objects, of which about half "
                 f"was here: {wire / whole:.3f}")
        t.check(wire < 1.25 * whole, f"{wire} bytes on the wire for {whole}")
        diode.wait_published(count, 120)
        t.check(nothing_missing(diode), "nothing is missing after the resend")
        difference = tree.compare(source, diode.tree())
        t.check(difference.good, difference)


def nothing_missing(diode):
    """`missing' comes to print no ticket: it reads what publish has written down."""
    return diode.wait(lambda: not diode.tickets(), 20, "no ticket left")


def kept(diode, number):
    """The file that the sender keeps of an object."""
    place = os.path.join(diode.spool_root(), ".katamichi", "sent")
    return next(os.path.join(place, name) for name in os.listdir(place)
                if name.rpartition("-")[2].lstrip("0") == str(number))


@tap.test
def what_is_not_kept_is_said(t):
    """One of two lost files is gone from the sender's shelf, another was changed there after
    it was signed: neither is sent, both are said by name, the third comes."""
    netns.require()
    rng = tap.rng("kept")
    with netns.Path(mtu=9000) as path, Gap(t, path) as gap:
        diode = gap.diode
        for name in ("gone", "changed", "kept"):
            gap.send(name, 100000, rng, lost=True)
        gap.send("end", 1000, rng)
        diode.wait_settled(60)
        os.unlink(kept(diode, 1))
        tree.flip_bit(kept(diode, 2))
        code, answer = diode.resend(*diode.tickets())
        tap.note(answer)
        t.check(code != 0, f"resend says exit {code} although two objects are not kept")
        lines = answer.splitlines()
        for name in ("gone", "changed"):
            t.check(any(name in line and not line.startswith("sent") for line in lines),
                    f"{name} is not said to be missing")
            t.check(not any(name in line and line.startswith("sent object") for line in lines),
                    f"{name} is said to be sent")
        t.check(any(line.startswith("sent object") and "kept" in line for line in lines),
                "the third is not said to be sent")
        diode.wait_published(2, 60)
        rx = diode.wait_settled(60)
        t.equal(rx["publish.objects_missing"], 2, "objects missing")
        t.equal(sorted(os.listdir(diode.tree())), ["end", "kept"], "files published")


@tap.test
def a_lost_manifest(t):
    """Every frame of a manifest is lost, and every repetition so far: the objects are complete
    and wait, the manifest is missing by number, and a ticket brings it."""
    netns.require()
    rng = tap.rng("manifest")
    with netns.Path(mtu=9000) as path, Gap(t, path) as gap:
        diode = gap.diode
        gap.send("first", 1000, rng)
        # stream 1 is the ledger: flags of the clear header
        gap.emulator.command("drop-if flags=1")
        gap.send("second", 1000, rng, damaged=True)
        diode.wait(lambda: diode.counters("rx")["publish.manifests_missing"], 60,
                   "the manifest missed")
        rx = diode.counters("rx")
        t.equal((rx["publish.objects_published"], rx["publish.objects_missing"]), (1, 1),
                "published, missing")
        # `missing' reads what publish has written down, which follows within a second or two
        text = diode.wait(lambda: "manifest 2" in diode.missing()[1] and diode.missing()[1],
                          20, "manifest 2 named by missing")
        tap.note(text)
        t.check("second" in text, f"the object is not named:\n{text}")
        gap.emulator.command("clear")
        code, answer = diode.resend(*diode.tickets())
        tap.note(answer)
        t.equal(code, 0, "exit code of resend")
        diode.wait_published(2, 60)
        t.check(nothing_missing(diode), "nothing is missing after the resend")


@tap.test
def bad_tickets_are_refused(t):
    """A typing error, another channel, rubbish: refused with the reason before anything is
    sent; a ticket given to a sender that does not run waits for it."""
    netns.require()
    rng = tap.rng("bad")
    with netns.Path(mtu=9000) as path, Gap(t, path) as gap:
        diode = gap.diode
        gap.send("lost", 10000, rng, lost=True)
        gap.send("end", 1000, rng)
        diode.wait_settled(60)
        ticket = diode.tickets()[0]
        other = "".join("Z" if c != "Z" else "Y" for c in ticket[7:8])
        wrong = ticket[:7] + other + ticket[8:]
        for bad in (wrong, ticket[:-3], "hello", "", "0" * 200, "\u30c1" * 5):
            code, answer = diode.resend(bad)
            t.check(code == 65, f"{bad!r}: exit {code}: {answer}")
            t.check(answer.startswith("katamichi-tx: ticket"), f"{bad!r}: {answer}")
        t.equal(diode.counters("tx")["source.resends"], 0, "tickets worked off")
        # case, hyphens and look-alikes do not matter
        diode.stop_tx()
        code, answer = diode.resend(ticket.lower().replace("-", "").replace("0", "o"))
        t.check(code == 0 and "not running" in answer, f"exit {code}: {answer}")
        diode.start_tx()
        diode.wait_published(2, 60)


if __name__ == "__main__":
    tap.main()
