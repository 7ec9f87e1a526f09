#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""A real transfer, recorded behind a link with losses, and read from the recording alone by
the second reader (tests/wire/second_reader.py), which was written from docs/wire.md and
shares nothing with the product."""

import importlib.util
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from harness import framing, netns, tap, tree  # noqa: E402
from harness.diode import Diode  # noqa: E402
from harness.emu import Emulator  # noqa: E402

UDP = (bytes(map(int, framing.DST[0].split("."))), framing.DST[1]) if framing.UDP else None
READER = os.path.join(os.path.dirname(HERE), "wire", "second_reader.py")


def read_with(capture, key, trust, into):
    """What the second reader says of a recording, and its exit code."""
    done = subprocess.run(
        ["/usr/bin/python3", "-B", READER, "--key", key, "--trust", trust, "--into", into,
         *(["--udp", framing.DST_TEXT] if framing.UDP else []), capture], capture_output=True, text=True, timeout=240, check=False)
    tap.note(done.stderr.strip()[-2000:] or "the second reader has no complaint")
    return done.returncode, json.loads(done.stdout) if not done.returncode else None


def check_account(t, said, emulator):
    """What the reader misses is what the emulator kept back, number by number. Of frames lost
    behind the last that it opened it can know only what a heartbeat told: nothing of the last
    words themselves, on the control lane."""
    got = {(tag, lane): gone for tag, lane, gone in said["lost"]}
    ends = {(tag, lane): end for tag, lane, end in said["ends"]}
    want, tail = {}, 0
    for key, gone in emulator.lost().items():
        known = [seq for seq in gone if seq < ends[key]]
        t.check(known == gone or key[1] == 0, f"lane {key[1]}: its end is not known")
        tail += len(gone) - len(known)
        if known:
            want[key] = known
    t.equal(got, want, "frames lost, for the reader and for the emulator")
    t.equal(said["refused"], {}, "frames refused")
    t.equal(said["copies"], 0, "copies")
    t.equal(said["opened"] + sum(map(len, got.values())) + tail,
            emulator.summary["data_frames"], "frames opened and lost")


def check_files(t, source, diode, into, count):
    """Trees and manifests of the reader, of the product and the source."""
    where = os.path.join(into, "1")
    for what, want in (("source", source), ("rx", diode.tree())):
        difference = tree.compare(want, os.path.join(where, "tree"))
        t.check(difference.good, f"{what} and second reader: {difference}")
    t.equal(tree.objects(os.path.join(where, "tree")), count, "objects")
    stored = {os.path.basename(path): path for path in diode.manifests()}
    t.check(stored, "rx stored no manifest")
    mine = set(os.listdir(os.path.join(where, "manifests")))
    t.equal(mine, {name + end for name in stored for end in ("", ".minisig")}, "manifests")
    for name, path in stored.items():
        for end in ("", ".minisig"):
            with open(path + end, "rb") as a, open(
                    os.path.join(where, "manifests", name + end), "rb") as b:
                t.check(a.read() == b.read(), f"{name}{end} differs from the one rx stored")


@tap.test
def recording_read_by_the_second_reader(t):
    if importlib.util.find_spec("cryptography") is None:
        raise tap.Skip("no python3-cryptography")
    netns.require()
    rng = tap.rng("second reader")
    capture, into = os.path.join(t.dir, "link.pcap"), os.path.join(t.dir, "second")
    with netns.Path(mtu=1500) as path:
        with Diode(path, t.dir, tx={"rate": "100 Mbit/s"}) as diode:
            source = os.path.join(t.dir, "source")
            tree.make_files(source, 200, (0, 20000), rng)
            tree.make_awkward(source, rng)
            # what only root by its privilege could read is a matter of policy, not of the wire
            os.chmod(os.path.join(source, "modes", "0000"), 0o400)
            # one object that has a tree digest
            tree.make_file(os.path.join(source, "large"), (64 << 20) + 12345, rng)
            count = tree.objects(source)
            with Emulator(path, t.dir, seed=rng.getrandbits(32), loss="0.5%",
                          pcap=capture) as emulator:
                diode.start_rx()
                diode.start_tx()
                tree.copy(source, diode.spool())
                diode.wait_published(count, 120)
                diode.finish()
        code, said = read_with(capture, os.path.join(t.dir, "keys", "rx.key"),
                               diode.tx_public, into)
        t.require(code == 0, "the second reader refuses the recording")
        tap.note(f"{emulator.summary['data_frames']} frames, {emulator.summary['lost']} lost, "
                 f"{said['repaired']} symbols repaired; {said['channels']}")
        t.check(said["repaired"] > 0, "the link was too good")
        t.equal(said["missing"], 0, "symbols that could not be repaired")
        t.equal((len(said["sessions"]), said["farewells"]), (1, 1), "sessions, farewells")
        check_account(t, said, emulator)
        check_files(t, source, diode, into, count)


def import_reader():
    """The modules of the second reader, in this process."""
    sys.path.insert(0, os.path.dirname(READER))
    import second_reader
    import second_wire
    return second_reader, second_wire


def check_windows(t, reader, closed):
    """Every window is whole, numbered without a gap and closed twice with what it had; every
    block has the rows that the page promises."""
    spaces = {}
    for place, window in reader.windows.items():
        session, channel, stream, number = place
        spaces.setdefault((session, channel, stream), []).append(number)
        rows = sum(map(len, window.rows.values()))
        t.equal(closed.get(place), [(len(window.sources), rows)] * 2, f"ends of {place}")
        t.equal(sorted(window.sources), list(range(len(window.sources))), "source indices")
        for block, its in window.rows.items():
            k = window.k[block]
            t.equal(sorted(its), list(range(len(its))), f"rows of block {block} of {place}")
            t.check(len(its) >= min(6 if k <= 40 else 4, window.M), f"few rows for k {k}")
            if stream == 1 and window.depth == 1:
                t.check(len(its) >= min(k, window.M), f"ledger: {len(its)} rows for k {k}")
    for space, numbers in spaces.items():
        t.equal(sorted(numbers), list(range(len(numbers))), f"windows of {space}")
    t.equal({stream for _, _, stream in spaces}, {0, 1}, "streams")


def check_begins(t, reader, wire):
    """A window that has bytes of an object states its facts, once."""
    for (_, _, stream, _), window in reader.windows.items():
        if stream == 0:
            said = [record for symbol in window.sources.values()
                    for record in wire.read_symbol(symbol, "data")[0]]
            begun = [record["number"] for record in said if record["type"] == "begin"]
            pieces = {record["number"] for record in said if record["type"] == "fragment"}
            t.equal(len(begun), len(set(begun)), "beginnings said twice in a window")
            t.check(pieces <= set(begun), "bytes without a beginning in their window")


@tap.test
def sender_keeps_the_page(t):
    """A recording without loss: order, numbers, repetition and rows are those of the page,
    and for another key there is nothing in it."""
    if importlib.util.find_spec("cryptography") is None:
        raise tap.Skip("no python3-cryptography")
    netns.require()
    second, wire = import_reader()
    rng = tap.rng("page")
    capture = os.path.join(t.dir, "link.pcap")
    with netns.Path(mtu=1500) as path:
        with Diode(path, t.dir, tx={"rate": "100 Mbit/s"}) as diode:
            tree.make_files(diode.spool(), 150, (0, 30000), rng)
            with Emulator(path, t.dir, pcap=capture):
                diode.start_tx()
                diode.wait_sent(150, 60)
                # a second batch, in windows of its own
                tree.make_file(os.path.join(diode.spool(), "one"), 5000, rng)
                diode.wait_sent(151, 60)
                diode.stop_tx()
        other = os.path.join(t.dir, "other.key")
        subprocess.run([diode.rx_program, "keygen", "--key", other], check=True,
                       stdout=subprocess.DEVNULL, timeout=60)
        with open(diode.tx_public, "rb") as file:
            trusted = [second.read_tx_public(file.read())]
        readers = []
        frames = second.read_pcap(capture)
        for key in (os.path.join(t.dir, "keys", "rx.key"), other):
            with open(key, "rb") as file:
                readers.append(second.Reader(second.read_rx_secret(file.read()), trusted,
                                             udp=UDP))
            readers[-1].read(frames)
    mine, others = readers
    t.equal((len(others.sessions), len(others.opened), len(others.channels)), (0, 0, 0),
            "sessions, lanes and channels with another key")
    t.equal((mine.lost(), mine.refused, mine.missing), ({}, {}, 0), "lost, refused, missing")
    inside = mine.ours(frames)
    t.equal(len(inside), len(frames), "frames in the recording")
    heads = [wire.parse_header(frame) for frame in inside]
    first = next(i for i, head in enumerate(heads) if head.type != wire.ANNOUNCE)
    t.check(first >= 10, f"{first} announces before the first other frame")
    t.equal(len({frame[40:40 + head.length] for frame, head in zip(inside, heads)
                 if head.type == wire.ANNOUNCE}), 1, "announces of one session")
    following, closed, control, last = {}, {}, 0, []
    for frame, head in zip(inside, heads):
        if head.type == wire.ANNOUNCE:
            continue
        t.equal(head.seq, following.get(head.lane, 0), f"sequence of lane {head.lane}")
        following[head.lane] = head.seq + 1
        if head.channel:
            continue
        t.equal((head.window, head.index), (control, 0), "window of the control channel")
        control += 1
        key = mine.sessions[head.session].lane_key(head.lane)
        last = wire.read_symbol(wire.open_sealed(key, head, frame), "control")[0]
        t.check(last, "an empty control frame")
        for said in last:
            if said["type"] == "close":
                place = (head.session, said["channel"], said["stream"], said["window"])
                closed.setdefault(place, []).append((said["symbols"], said["repairs"]))
    check_windows(t, mine, closed)
    check_begins(t, mine, wire)
    t.check(any(said["type"] == "heartbeat" and said["flags"] & 1 for said in last),
            f"the last word is a farewell, not {last}")


if __name__ == "__main__":
    tap.main()
