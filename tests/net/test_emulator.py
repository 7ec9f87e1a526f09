#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The link emulator and the harness, tested before anything is tested with them: what the
receiver saw must be exactly what the emulator says it did, frame by frame."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import config, emu, netns, procs, rawframe, stats, tap, tree  # noqa: E402

FRAMES = 50000
LANES = 3
SESSION = 0xC0FFEE01
GROUP = bytes.fromhex("034b4d000001")
PATTERN = bytes(range(256)) * 36  # so that two frames of one size differ in numbers only


def make_frame(number, size):
    """Data frame @number of @size bytes behind the Ethernet header; the number stands at
    its head (lane and sequence) and at its tail."""
    clear = rawframe.header(type=rawframe.REPAIR if number % 11 == 10 else rawframe.SOURCE,
                            class_=1, session=SESSION, lane=number % LANES,
                            seq=number // LANES, channel=7, window=number // 1000,
                            index=number % 1000, payload_bytes=size - len(PATTERN[:40]))
    tail = number.to_bytes(8, "big")
    body = PATTERN[:size - len(clear) - len(tail)]
    return rawframe.ethernet(GROUP, b"\x02\x4b\x4d\0\x01\x01", clear + body + tail)


ANNOUNCE_EVERY = 256
ANNOUNCE = rawframe.ethernet(GROUP, b"\x02\x4b\x4d\0\x01\x01",
                             rawframe.header(type=rawframe.ANNOUNCE, session=SESSION)
                             + bytes(200))


def stream(frames, size, announces):
    """What is sent: (number, None for an announce; data frame that comes next; frame)."""
    for number in range(frames):
        if announces and number % ANNOUNCE_EVERY == 0:
            yield None, number, ANNOUNCE
        yield number, number, make_frame(number, size)


def push(path, size, frames=FRAMES, announces=False, between=lambda number: None):
    """Send numbered frames through the path, at the rate the emulator is asked to carry; all
    that came out, in order."""
    seen, sent_bits, start = [], 0, time.monotonic()
    rate_bps = 2e9 if size > 1500 else 1e9
    with rawframe.Receiver(path.rx) as receiver, rawframe.sender(path.tx) as sender:
        for number, _, frame in stream(frames, size, announces):
            sender.send(frame)
            sent_bits += len(frame) * 8
            if number is not None and number % 32 == 0:
                seen += receiver.take()
                while time.monotonic() < start + sent_bits / rate_bps:
                    seen += receiver.take()
                between(number)
        seen += receiver.take_until_quiet(1.0)
        drops = receiver.drops()
    if drops:
        raise RuntimeError(f"the test's own receiver dropped {drops} frames")
    return seen


def impaired(frame, entry):
    """The copies of @frame that leave when what the line says was done to it."""
    if not entry:
        return [frame]
    if "lost" in entry.actions:
        return []
    if "truncated" in entry.actions:
        frame = frame[:int(entry.fields["cut"])]
    if "corrupted" in entry.actions:
        bit = int(entry.fields["bit"])
        changed = bytearray(frame)
        changed[bit // 8] ^= 0x80 >> bit % 8
        frame = bytes(changed)
    return [frame] * (2 if "duplicated" in entry.actions else 1)


def apply_list(entries, frames, size, announces):
    """What a receiver must see when exactly the list was done to the stream."""
    touched = {(e.number, int(e.fields.get("before", -1))): e for e in entries}
    if len(touched) != len(entries):
        raise RuntimeError("two lines of the list are for the same frame")
    out, held = [], []
    for index, (number, following, frame) in enumerate(stream(frames, size, announces)):
        entry = touched.get((number, -1 if number is not None else following))
        copies = impaired(frame, entry)
        if entry and "reordered" in entry.actions:
            held.append((index + int(entry.fields["distance"]), copies))
        else:
            out += copies
        while held and held[0][0] <= index:
            out += held.pop(0)[1]
    for _, copies in held:
        out += copies
    return out


def check_run(t, path, emulator, seen, frames, size, announces=False):
    """The four parties agree: receiver, list, summary, counters."""
    summary, entries = emulator.summary, emulator.entries()
    want = apply_list(entries, frames, size, announces)
    t.equal(len(seen), len(want), "frames received")
    wrong = next((i for i, pair in enumerate(zip(seen, want)) if pair[0] != pair[1]), None)
    t.check(wrong is None, f"frame {wrong} of the output is not what the list says")
    t.equal(summary["data_frames"], frames, "data frames the emulator saw")
    t.equal(summary["forwarded"], len(seen), "frames forwarded")
    t.equal(summary["forwarded"], summary["frames_in"] - summary["lost"]
            + summary["duplicated"], "conservation")
    for action, key in (("lost", "lost"), ("truncated", "truncated"),
                        ("corrupted", "corrupted"), ("duplicated", "duplicated"),
                        ("reordered", "reordered")):
        t.equal(summary[key], sum(action in e.actions for e in entries), f"{key} in the list")
    t.equal(summary["own_drops"] + summary["send_failed"] + summary["held"]
            + summary["foreign"], 0, "own losses, frames left, foreign frames")
    t.equal(stats.counters(path.emu_in)["rx_packets"], summary["frames_in"],
            "frames on the emulator's input")
    t.equal(stats.counters(path.rx)["rx_packets"], len(seen), "frames on rx's interface")
    t.equal(stats.one_way(path), {}, "frames the other way")
    t.equal(stats.interface_losses(path), {}, "frames an interface dropped")


def one_run(t, size, regime, mtu, **options):
    netns.require()
    with netns.Path(mtu=mtu, regime=regime) as path:
        with emu.Emulator(path, t.dir, **options) as emulator:
            seen = push(path, size, announces=True)
        check_run(t, path, emulator, seen, FRAMES, size, announces=True)
    return emulator, seen


def everything():
    return {"seed": tap.seed() & (1 << 64) - 1, "loss": "1%", "ge": "0.001,0.1,0,1",
            "burst": ["1000@20000", "5@0", f"10@{FRAMES - 10}"], "every": 997, "dup": "0.5%",
            "reorder": "0.5%:7", "corrupt": "0.5%", "truncate": "0.5%",
            "drop_if": ["lane=2,seq=100-149"]}


@tap.test
def clean_link_1500(t):
    emulator, _ = one_run(t, 1500, "A", 1500)
    t.equal(emulator.entries(), [], "touched frames")


@tap.test
def everything_at_1500(t):
    emulator, _ = one_run(t, 1500, "A", 1500, **everything())
    check_reasons(t, emulator)


@tap.test
def everything_at_9000(t):
    emulator, _ = one_run(t, 9000, "A", 9000, **everything())
    check_reasons(t, emulator)


@tap.test
def everything_at_1500_like_a_nic(t):
    emulator, _ = one_run(t, 1500, "N", 1500, **everything())
    check_reasons(t, emulator)


@tap.test
def everything_at_9000_like_a_nic(t):
    emulator, _ = one_run(t, 9000, "N", 9000, **everything())
    check_reasons(t, emulator)


def check_reasons(t, emulator):
    """Each impairment did its work where it was asked to."""
    by_number = {e.number: e for e in emulator.entries() if e.number is not None}
    for first, count in ((20000, 1000), (0, 5), (FRAMES - 10, 10)):
        whys = {by_number[n].why if n in by_number else None
                for n in range(first, first + count)}
        t.equal(whys, {"burst"}, f"reasons in the burst at {first}")
    selected = {(e.lane, e.seq) for e in by_number.values() if e.lane == 2
                and 100 <= e.seq <= 149 and "lost" in e.actions}
    t.equal(len(selected), 50, "frames lost by the selector")
    t.check(any(e.number is None for e in emulator.entries()), "no announce was touched")
    for why, count in emulator.summary["lost_by"].items():
        t.equal(count > 0, why not in ("switch", "list"), f"frames lost by {why}")
    numbered = {e.number: (e.number % LANES, e.number // LANES) for e in by_number.values()}
    t.check(all((e.lane, e.seq) == numbered[e.number] for e in by_number.values()),
            "lane and sequence of a line are not those of its frame")
    t.equal(sum(map(len, emulator.lost().values())), emulator.summary["lost_data"],
            "lost() and the summary")


@tap.test
def list_is_what_was_predicted(t):
    """Seed and numbers say it all: the list recomputed without a link, and replayed."""
    options = {k: v for k, v in everything().items() if k != "drop_if"}
    emulator, _ = one_run(t, 300, "A", 1500, **options)
    predicted = emu.predict(FRAMES, **options)
    got = [e for e in emulator.entries() if e.number is not None]
    t.equal([(e.number, e.actions, e.why) for e in got],
            [(e.number, e.actions, e.why) for e in predicted], "the list")
    with netns.Path(mtu=1500) as path:
        with emu.Emulator(path, t.dir, name="again", seed=1,
                          drop_list=emulator.list_path) as again:
            push(path, 300)
        t.equal(again.lost(), emulator.lost(), "frames lost when the list was replayed")
        t.equal(again.summary["lost_by"]["list"], again.summary["lost"], "lost by the list")


@tap.test
def pcap_holds_what_was_forwarded(t):
    pcap = os.path.join(t.dir, "link.pcap")
    _, seen = one_run(t, 1500, "A", 1500, pcap=pcap, **everything())
    recorded = rawframe.read_pcap(pcap)
    t.check([frame for _, frame in recorded] == seen, "pcap and receiver differ")
    stamps = [stamp for stamp, _ in recorded]
    t.check(stamps == sorted(stamps), "time stamps go back")
    t.check(abs(stamps[-1] - time.time()) < 600, f"time stamp {stamps[-1]} is not now")
    if shutil.which("tcpdump"):
        done = subprocess.run(["tcpdump", "-r", pcap, "-n", "--count"], capture_output=True,
                              text=True, timeout=60, check=False)
        t.check(done.returncode == 0 and str(len(seen)) in done.stdout,
                f"tcpdump: {done.stdout[-200:]} {done.stderr[-200:]}")
    else:
        tap.note("no tcpdump: the file was read by our own reader only")


@tap.test
def schedule_changes_while_it_runs(t):
    netns.require()
    at = {}
    with netns.Path(mtu=1500) as path:
        with emu.Emulator(path, t.dir, seed=5) as emulator:
            def between(number):
                if number in (6400, 12800, 19200, 25600):
                    line = {6400: "drop on", 12800: "drop off", 19200: "burst 100",
                            25600: "loss 100%"}[number]
                    at[line] = emulator.command(line)
            seen = push(path, 500, between=between)
            t.equal(emulator.status()["data_frames"], FRAMES, "frames in the status")
            for line in ("loss 2", "nonsense", "lose 1%", "burst x", "y" * 5000):
                try:
                    emulator.command(line)
                    t.check(False, f"{line[:20]}: was accepted")
                except ValueError:
                    t.check(True, "refused")
        check_run(t, path, emulator, seen, FRAMES, 500)
        whys = [(e.number, e.why) for e in emulator.entries()]
        want = [(n, "switch") for n in range(at["drop on"], at["drop off"])]
        want += [(n, "burst") for n in range(at["burst 100"], at["burst 100"] + 100)]
        want += [(n, "loss") for n in range(at["loss 100%"], FRAMES)]
        t.equal(whys, want, "lost frames")
        t.check(at["drop on"] < at["drop off"] < at["burst 100"] < at["loss 100%"],
                f"the order of {at}")


@tap.test
def delay_and_rate(t):
    netns.require()
    with netns.Path(mtu=1500) as path, rawframe.Receiver(path.rx) as receiver, \
            rawframe.sender(path.tx) as sender:
        with emu.Emulator(path, t.dir, delay_ms=200):
            start = time.monotonic()
            for number in range(1000):
                sender.send(make_frame(number, 1000))
            receiver.sock.settimeout(60)
            first = receiver.sock.recv(70000)
            took = time.monotonic() - start
            seen = [first] + receiver.take_until_quiet(1.0)
        t.check(took >= 0.2, f"the first frame took {took:.3f} s, want 0.2 s")
        t.check(seen == [make_frame(n, 1000) for n in range(1000)], "delayed frames differ")
        bits = 2000 * 1014 * 8
        with emu.Emulator(path, t.dir, name="rate", rate_bps=bits // 2) as emulator:
            start = time.monotonic()
            for number in range(2000):
                sender.send(make_frame(number, 1000))
            receiver.sock.settimeout(60)
            seen = []
            while len(seen) < 2000:
                seen.append(receiver.sock.recv(70000))
            took = time.monotonic() - start
        t.check(took >= 2.0, f"2 s worth of frames took {took:.3f} s")
        t.check(seen == [make_frame(n, 1000) for n in range(2000)], "paced frames differ")
        t.equal(emulator.summary["own_drops"], 0, "own drops")


@tap.test
def stop_lets_through_what_is_inside(t):
    """Held and delayed frames leave at the end; nothing is left behind."""
    netns.require()
    with netns.Path(mtu=1500) as path, rawframe.Receiver(path.rx) as receiver, \
            rawframe.sender(path.tx) as sender:
        emulator = emu.Emulator(path, t.dir, delay_ms=500, reorder="100%:1000")
        for number in range(500):
            sender.send(make_frame(number, 200))
        emulator.stop()
        seen = receiver.take_until_quiet()
        t.check(seen == [make_frame(n, 200) for n in range(500)], "frames left behind")
        t.equal(emulator.summary["forwarded"], 500, "forwarded")
        t.equal(emulator.summary["held"], 0, "held")


@tap.test
def foreign_frames_and_jumbo(t):
    netns.require()
    with netns.Path(mtu=65535) as path, rawframe.Receiver(path.rx) as receiver, \
            rawframe.sender(path.tx) as sender:
        ip = rawframe.ethernet(GROUP, bytes(6), bytes(100), 0x0800)
        tagged = bytearray(make_frame(1, 1000))
        tagged[12:12] = bytes.fromhex("81006005")
        big = rawframe.ethernet(GROUP, bytes(6), rawframe.header() + bytes(65535 - 40))
        with emu.Emulator(path, t.dir, loss=0) as emulator:
            for frame in (ip, bytes(tagged), big, ip):
                sender.send(frame)
            seen = receiver.take_until_quiet()
        t.check(_untagged(bytes(tagged)) in map(_untagged, seen), "the tagged frame is gone")
        t.check(big in seen, "the largest frame is gone")
        t.equal(len(seen), 2, "frames received")
        t.equal(emulator.summary["foreign"], 2, "foreign frames")
        t.equal(emulator.summary["data_frames"], 2, "data frames")
        with emu.Emulator(path, t.dir, name="all", loss="100%", forward_all=True) as emulator:
            for frame in (ip, big, ip):
                sender.send(frame)
            seen = receiver.take_until_quiet()
        t.equal(seen, [ip, ip], "foreign frames let through")
        t.equal(emulator.summary["lost"], 1, "lost")
        t.equal(emulator.summary["foreign_forwarded"], 2, "foreign frames let through")
        t.equal(stats.counters(path.rx)["rx_bytes"],
                len(tagged) + len(big) + 2 * len(ip), "bytes on rx's interface, tag included")


def _untagged(frame):
    """A plain packet socket is given a tagged frame without its tag."""
    return frame[:12] + frame[16:] if frame[12:14] == b"\x81\x00" else frame


@tap.test
def nothing_goes_back(t):
    """Flood it from the wrong side: tx hears nothing, and the right way is not disturbed."""
    netns.require()
    with netns.Path(mtu=1500) as path:
        with rawframe.sender(path.rx) as back, \
                emu.Emulator(path, t.dir, ethertype="any", forward_all=True) as emulator:
            def between(_number):
                for _ in range(16):
                    back.send(make_frame(0, 500))
            seen = push(path, 1000, frames=20000, between=between)
        t.check(seen == [make_frame(n, 1000) for n in range(20000)], "the right way suffered")
        t.equal(stats.counters(path.tx)["rx_packets"], 0, "frames that tx received")
        t.equal(stats.counters(path.emu_in)["tx_packets"], 0, "frames sent on the input")
        t.check(stats.counters(path.rx)["tx_packets"] > 1000, "the flood was no flood")
        t.equal(emulator.summary["frames_in"], 20000, "frames in")


@tap.test
def what_others_send_on_its_input_is_not_heard(t):
    """The emulator takes what comes in by its input, not what leaves there."""
    netns.require()
    with netns.Path(mtu=1500) as path, rawframe.Receiver(path.rx) as receiver:
        with rawframe.sender(path.emu_in) as sender, emu.Emulator(path, t.dir) as emulator:
            for number in range(100):
                sender.send(make_frame(number, 500))
        t.equal(receiver.take_until_quiet(), [], "frames that came out")
        t.equal(emulator.summary["frames_in"], 0, "frames in")
        t.equal(stats.counters(path.tx)["rx_packets"], 100, "frames sent on the input")
        t.equal(stats.one_way(path), {"tx received": 100, "emulator sent on its input": 100},
                "what one_way() says of it")


@tap.test
def own_loss_is_noticed(t):
    """An emulator that cannot keep up says so: tiny ring, slow link."""
    netns.require()
    with netns.Path(mtu=9000) as path:
        emulator = emu.Emulator(path, t.dir, ring_mib=2, rate_bps=2000000000, own_loss=True)
        with rawframe.sender(path.tx) as sender:
            frame = make_frame(0, 9000)
            emulator.send_signal(signal.SIGSTOP)
            for _ in range(1000):
                sender.send(frame)
            emulator.send_signal(signal.SIGCONT)
        code = emulator.stop()
        lost = emulator.summary["own_drops"]
        t.equal(code, 1, "exit code")
        t.check(lost > 0, "no drops counted")
        t.equal(emulator.summary["frames_in"] + lost, 1000, "seen and dropped")
        t.check("raise --ring-mib" in emulator.output(), "no advice on stderr")


def wait_taken(emulator, frames):
    """Until the emulator has taken so many frames from its ring."""
    end = time.monotonic() + 60
    while emulator.status()["frames_in"] < frames:
        if time.monotonic() > end:
            raise RuntimeError(f"{emulator.status()['frames_in']} frames taken of {frames}")


def carry(t, size, mtu, regime, frames, inside):
    """Nothing is lost by the emulator itself, however fast frames come, while no more than
    INSIDE of them wait before it: what a ring or a queue of the kernel holds for certain. How
    fast that went is printed, and decides nothing."""
    netns.require()
    with netns.Path(mtu=mtu, regime=regime) as path:
        frame = make_frame(0, size)
        with emu.Emulator(path, t.dir, loss="0.1%") as emulator:
            start = time.monotonic()
            with rawframe.sender(path.tx) as sender:
                for sent in range(0, frames, inside // 2):
                    for _ in range(inside // 2):
                        sender.send(frame)
                    wait_taken(emulator, sent)
            wait_taken(emulator, frames)
            rate = frames * len(frame) * 8 / (time.monotonic() - start) / 1e9
        tap.note(f"{size} B, regime {regime}: {rate:.2f} Gbit/s (veth, not a wire)")
        t.equal(emulator.summary["own_drops"] + emulator.summary["send_failed"], 0, "own loss")
        t.check(emulator.summary["lost"] > 0, "no frame was lost on purpose")
        t.equal(stats.counters(path.rx)["rx_packets"], frames - emulator.summary["lost"],
                "frames on rx's interface")


@tap.test
def nothing_is_lost_by_itself_1500(t):
    carry(t, 1500, 1500, "A", 100000, 10000)


@tap.test
def nothing_is_lost_by_itself_9000(t):
    carry(t, 9000, 9000, "A", 50000, 10000)


@tap.test
def nothing_is_lost_by_itself_like_a_nic(t):
    carry(t, 9000, 9000, "N", 20000, 200)


@tap.test
def trees_are_made_and_compared(t):
    """The comparer finds every kind of difference, and no other."""
    one, two = os.path.join(t.dir, "one"), os.path.join(t.dir, "two")
    for root in (one, two):
        rng = tap.rng("tree")
        tree.make_files(root, 300, (0, 5000), rng, per_directory=100)
        tree.make_awkward(root, rng)
    refused = tree.make_refused(one)
    difference = tree.compare(one, two, ignore=refused)
    t.check(difference.good, difference)
    t.check(difference.files > 380 and difference.bytes > 500000, difference)
    deepest = max(tree.scan(one), key=len)
    t.equal(len(deepest), tree.PATH_BYTES_MAX, "bytes of the longest path")
    t.check(not tree.compare(one, two).good, "refused files were not missed")
    tree.flip_bit(os.path.join(two, "d0001/f000150.bin"))
    os.unlink(os.path.join(two, "d0000/f000001.bin"))
    os.utime(os.path.join(two, "d0000/f000002.bin"), ns=(5, 5))
    os.rmdir(os.path.join(two, "empty-directories/7/a/b"))
    os.unlink(os.path.join(two, "empty-files/3"))
    os.mkdir(os.path.join(two, "empty-files/3"))
    tree.make_file(os.path.join(two, "d0002/new"), 3, tap.rng("new"))
    found = tree.compare(one, two, ignore=refused)
    t.equal(found.content, [b"d0001/f000150.bin"], "content")
    t.equal(sorted(found.missing), [b"d0000/f000001.bin", b"empty-directories/7/a/b"], "missing")
    t.equal(found.mtime, [b"d0000/f000002.bin"], "mtime")
    t.equal(found.kind, [b"empty-files/3"], "kind")
    t.equal(found.extra, [b"d0002/new"], "extra")


@tap.test
def processes_and_roles(t):
    """Waiting, dying and roles, with a stand-in for a daemon."""
    script = os.path.join(t.dir, "daemon.sh")
    with open(script, "w", encoding="ascii") as file:
        file.write("#!/bin/bash\n(exec -a 'katamichi-rx: decode' sleep 60) &\n"
                   "echo started 1>&2\nwait $!\necho decode ended: $? 1>&2\nexit 3\n")
    with procs.Process(["bash", script], t.dir, "daemon", expect=(3,)) as daemon:
        daemon.wait_line("^started$", 10)
        pid = daemon.role_pid("decode")
        t.equal(procs.command(pid).split(" sleep")[0].split(" 60")[0], "katamichi-rx: decode",
                "argv[0] of the role")
        t.check(stats.memory_kib(pid)["rss"] > 0, "no memory figure")
        t.equal(daemon.kill_role("decode"), pid, "the pid that was killed")
        daemon.wait_line(r"decode ended: 137", 10)
        t.equal(daemon.wait(10), 3, "exit code")
    try:
        with procs.Process(["sh", "-c", "exit 5"], t.dir, "dies") as dies:
            dies.wait_line("never", 10)
        t.check(False, "a process that died passed")
    except procs.Died as error:
        t.check("exit 5" in str(error), str(error))
    try:
        with procs.Process(["sh", "-c", "sleep 30 & wait"], t.dir, "leaves", expect=(-15,)):
            time.sleep(0.3)
        t.check(False, "a process that left a child behind passed")
    except procs.Died as error:
        t.check("left processes behind" in str(error) and "sleep 30" in str(error), str(error))
    try:
        with procs.Process(["sh", "-c", "exit 6"], t.dir, "dies-silently"):
            time.sleep(0.3)
        t.check(False, "a process that died unnoticed passed")
    except procs.Died as error:
        t.check("exit 6" in str(error), str(error))


@tap.test
def sigterm_leaves_nothing_behind(t):
    """A test that is told to end takes its namespaces and processes with it."""
    netns.require()
    child = ("import sys, time; sys.path.insert(0, sys.argv[1])\n"
             "from harness import netns, emu\n"
             "path = netns.Path(mtu=1500)\n"
             "emulator = emu.Emulator(path, sys.argv[2])\n"
             "print(emulator.pid, *[n.name for n in path.namespaces], flush=True)\n"
             "time.sleep(60)\n")
    here = os.path.dirname(os.path.abspath(__file__))
    with subprocess.Popen([sys.executable, "-c", child, here, t.dir], text=True,
                          stdout=subprocess.PIPE) as process:
        pid, *names = process.stdout.readline().split()
        t.equal(len(names), 3, "namespaces")
        t.check(all(os.path.exists(f"/run/netns/{name}") for name in names), "not made")
        process.send_signal(signal.SIGTERM)
        t.equal(process.wait(30), 128 + signal.SIGTERM, "exit code")
    t.check(not any(os.path.exists(f"/run/netns/{name}") for name in names), "left behind")
    t.check(not os.path.exists(f"/proc/{pid}"), "the emulator is left behind")


@tap.test
def config_files(t):
    base = {"link": {"interface": "link0", "mtu": 9000, "jumbo": True}, "gone": {"x": 1}}
    text = config.text(config.merge(base, {"link": {"mtu": None, "list": [1, "b"]},
                                           "gone": None, "new": {"off": False}}))
    t.equal(text, "[link]\ninterface = link0\njumbo = yes\nlist = 1, b\n\n[new]\noff = no\n",
            "the text")
    path = config.write(os.path.join(t.dir, "rx.conf"), base)
    t.equal(os.stat(path).st_mode & 0o777, 0o600, "mode")


@tap.test
def command_line(t):
    program = procs.find_program("km-linkemu")

    def call(*args):
        return subprocess.run([program, *args], capture_output=True, text=True, timeout=20,
                              stdin=subprocess.DEVNULL, check=False)

    shown = call("--help")
    t.equal((shown.returncode, shown.stderr), (0, ""), "--help")
    t.check(max(map(len, shown.stdout.splitlines())) <= 80, "help wider than 80 columns")
    for args in ((), ("--loss", "2"), ("--nonsense",), ("--in", "a"), ("x",), ("--seed", "x"),
                 ("--predict", "5", "--drop-if", "lane=1"), ("--rate-bps", "0")):
        got = call(*args)
        t.equal((got.returncode, got.stdout), (64, ""), f"exit code and stdout of {args}")
        t.check(got.stderr, f"{args}: said nothing")
    log = os.path.join(t.dir, "x.list")
    got = call("--in", "nosuch0", "--out", "nosuch1", "--log", log)
    t.check(got.returncode in (69, 77), f"no such interface: exit {got.returncode}")
    t.equal(got.stderr.count("\n"), 1, "lines on stderr")
    got = call("--in", "lo", "--out", "lo", "--log", "/nonexistent/list")
    t.equal(got.returncode, 74, "unwritable list")


if __name__ == "__main__":
    socket.setdefaulttimeout(None)
    tap.main()
