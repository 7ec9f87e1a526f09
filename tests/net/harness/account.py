# SPDX-License-Identifier: ISC
"""Does the receiver's account add up, and is it the emulator's?

    account.check_sums(t, rx)                    of a counters page of rx, at any moment
    account.check_frames(t, diode, emulator, tx, rx)     after Diode.finish()
"""

from . import framing, rawframe
from .diode import LANES

REFUSED = ("short", "carrier", "version", "malformed", "range", "unknown_session", "auth",
           "replay", "duplicate", "announce")
# The one byte that no authentication covers: the link id, last of the clear header.
LINK_ID_BYTE = rawframe.ETH_BYTES + 39


def refused(rx):
    """{reason: frames} of what is not zero."""
    return {name: rx["decode.refused_" + name] for name in REFUSED
            if rx["decode.refused_" + name]}


def check_sums(t, rx, where="rx"):
    """The conserved sums of port, lanes and objects."""
    t.equal(rx["decode.seen"], rx["decode.foreign"] + rx["decode.ours"], f"{where}: port sum")
    t.equal(rx["decode.ours"], rx["decode.opened"] + sum(refused(rx).values())
            + rx["decode.held"], f"{where}: sum of our frames")
    for n in LANES:
        lane = {key: rx[f"decode.lane{n}_{key}"]
                for key in ("highest", "base", "taken", "pending", "lost")}
        parts = lane["taken"] + lane["pending"] + lane["lost"]
        if parts or lane["highest"]:
            t.equal(lane["highest"] + 1 - lane["base"], parts, f"{where}: lane {n}: {lane}")
    workers = {key: rx[f"decode.workers_{key}"]
               for key in ("numbers", "base", "taken", "pending", "lost")}
    t.equal(workers["numbers"] - workers["base"],
            workers["taken"] + workers["pending"] + workers["lost"],
            f"{where}: lanes of further workers: {workers}")
    t.equal(rx["publish.objects_announced"],
            rx["publish.objects_published"] + rx["publish.objects_quarantined"]
            + rx["publish.objects_withdrawn"] + rx["publish.objects_missing"],
            f"{where}: object sum")


def not_taken(entries):
    """Frames that cannot have been taken, from the emulator's list: {(session, lane): set of
    lane sequences}."""
    gone = {}
    for entry in entries:
        if entry.number is None:
            continue
        harmless = ("corrupted" in entry.actions
                    and int(entry.fields["bit"]) // 8 == LINK_ID_BYTE)
        if {"lost", "truncated"} & entry.actions or (
                "corrupted" in entry.actions and not harmless):
            gone.setdefault((entry.session, entry.lane), set()).add(entry.seq)
    return gone


def more_pieces(emulator, mtu):
    """How many more frames than forwarded rx may see: a datagram may be a train, whose pieces
    have the size of its first frame, so a damaged length of that leaves pieces of at least an
    empty frame's size, each refused."""
    if not framing.UDP:
        return 0
    length = range(framing.LINK_BYTES + 32, framing.LINK_BYTES + 34)
    damaged = sum(entry.fields.get("bit", "").isdigit() and int(entry.fields["bit"]) // 8 in length
                  for entry in emulator.entries())
    return damaged * (mtu // 56)


def check_losses(t, diode, emulator, rx, *known):
    """What rx gave up is what the emulator kept back, number by number; the count. KNOWN:
    counters pages of sessions that ended without a farewell, of which rx cannot know more than
    the highest number it was told."""
    want, got = not_taken(emulator.entries()), diode.losses()
    for key, numbers in got.items():
        t.equal(len(numbers), len(set(numbers)), f"frames given up twice in {key}")
    for page in known:
        for n in LANES:
            key = (page["decode.session_tag"], n)
            want[key] = {seq for seq in want.get(key, ())
                         if seq <= page[f"decode.lane{n}_highest"]}
    # what the emulator holds back for D later frames may come after rx gave it up, for
    # frames are few when all is sent: rx must have counted it `late', and nothing else
    late = {(e.session, e.lane, e.seq) for e in emulator.entries() if "reordered" in e.actions}
    came_late = 0
    for key in sorted(want.keys() | got.keys()):
        mine, its = set(got.get(key, ())), set(want.get(key, ()))
        after_all = {seq for seq in mine - its if (*key, seq) in late}
        came_late += len(after_all)
        mine -= after_all
        t.equal(sorted(mine - its)[:20], [], f"session {key[0]:08x} lane {key[1]}: lost for "
                f"rx, not for the emulator")
        t.equal(sorted(its - mine)[:20], [], f"session {key[0]:08x} lane {key[1]}: lost for "
                f"the emulator, not for rx")
    t.check(rx["decode.late_total"] >= came_late, f"{came_late} frames came after rx had given "
            f"them up, it counts {rx['decode.late_total']}")
    count = sum(map(len, got.values()))
    t.equal(count, rx["decode.lost_total"], "lost_total and the list of losses")
    return count


def check_frames(t, diode, emulator, tx, rx):
    """Sender, emulator and receiver count the same frames of one session that ended with a
    farewell; the number of losses."""
    t.equal(rx["decode.kernel_drops"], 0, "frames our own receive ring dropped")
    t.equal(emulator.summary["own_drops"], 0, "frames the emulator dropped by itself")
    # announces travel in the ring of lane 0, but have no number in any lane
    lanes = {n: tx[f"sender.lane{n}_sent"] - (tx["source.announces"] if n == 0 else 0)
             for n in LANES}
    sent = sum(lanes.values()) + tx["sender.workers_sent"]
    t.equal(emulator.summary["data_frames"], sent, "frames by tx's ledger, at the emulator")
    for n in LANES:
        highest = rx[f"decode.lane{n}_highest"]
        t.equal(highest + 1 if highest or rx[f"decode.lane{n}_taken"] else 0,
                lanes[n], f"frames of lane {n} that rx knows of")
    t.equal(rx["decode.workers_numbers"], tx["sender.workers_sent"],
            "frames of the lanes of further workers that rx knows of")
    more = rx["decode.seen"] - rx["decode.foreign"] - emulator.summary["forwarded"]
    t.check(0 <= more <= more_pieces(emulator, diode.path.mtu),
            f"{more} more frames seen than forwarded")
    check_sums(t, rx)
    return check_losses(t, diode, emulator, rx)
