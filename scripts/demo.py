# SPDX-License-Identifier: ISC
"""The demo: a directory crosses a one-way link that is made here, and what the operator sees.

Two network namespaces are joined by veth and the link emulator, keys are made, both daemons
run with real configuration files, and the receiver's log is shown while the files cross.
Exit 0 if and only if every regular file that policy accepts was published byte-identical and
minisign and coreutils both say so.
"""

import argparse
import json
import math
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "net"))

from harness import netns, stats, tree  # noqa: E402
from harness.diode import AT_REST, Diode, accounted  # noqa: E402
from harness.emu import Emulator  # noqa: E402
from harness.procs import Died, children  # noqa: E402
from harness.tap import Skip  # noqa: E402

CHANNEL = "demo"
FRAME_OVERHEAD = 56  # clear header and tag
FEC_K, FEC_M, DEPTH, DEPTH_MAX = 160, 16, 63, 255
FEC_CHOICE = (16, 24, 32, 48, 64)
DEFAULT_INPUTS = ("/usr/share", "/usr/include")
# Of the default tree: enough for several windows, little enough for a slow disk, where each
# published file costs a sync.
DEFAULT_BYTES, DEFAULT_FILES = 200 << 20, 10000
SETTLE_SECONDS = 5  # without any change, when something is missing for good


def rate_of(text):
    """`1%` or `0.01` as a fraction."""
    value = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text}: a loss is from 0 up to, not including, 100%")
    return value


def arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/demo", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Carry a directory across a one-way Ethernet link and show the proof.",
        epilog="Needs root (network namespaces). Nothing outside the namespaces and the "
               "working directory is touched.")
    parser.add_argument("--input", metavar="DIR", help="directory to transfer; it is copied "
                        "into the spool and never changed (default: a real tree from "
                        "/usr/share and /usr/include)")
    parser.add_argument("--keep", metavar="DIR", help="leave config, keys, source, published "
                        "files, manifests, logs and summary.json there")
    parser.add_argument("--loss", metavar="P", type=rate_of, default=0.001,
                        help="random frame loss, as 1%% or 0.01 (default 0.1%%)")
    parser.add_argument("--burst", metavar="N", type=int, default=0,
                        help="also lose N frames in a row, at a seeded place in the data")
    parser.add_argument("--mtu", metavar="M", type=int, default=9000,
                        help="bytes of a frame after its Ethernet header (default 9000)")
    parser.add_argument("--rate", metavar="R", default="1 Gbit/s",
                        help="configured rate of the link (default 1 Gbit/s)")
    parser.add_argument("--seed", metavar="N", type=lambda t: int(t, 0), default=None,
                        help="seed of loss and burst (default: at random, printed)")
    return parser.parse_args()


def say(text=""):
    print(text, flush=True)


# -- the source --------------------------------------------------------------------------

def copy_tree(source, target, bytes_max=None, files_max=None):
    """Copy SOURCE below TARGET as it is (links as links), within the limits; bytes and files
    copied."""
    copied = count = 0
    for where, folders, files in os.walk(os.fsencode(source)):
        place = os.path.join(os.fsencode(target), os.path.relpath(where, os.fsencode(source)))
        os.makedirs(place, exist_ok=True)
        for name in folders:
            if os.path.islink(os.path.join(where, name)):
                shutil.copy2(os.path.join(where, name), os.path.join(place, name),
                             follow_symlinks=False)
        for name in files:
            one = os.path.join(where, name)
            if not os.path.islink(one) and not os.path.isfile(one):
                special(one, os.path.join(place, name))
                continue
            size = os.lstat(one).st_size
            if bytes_max is not None and (copied + size > bytes_max or count == files_max):
                continue
            shutil.copy2(one, os.path.join(place, name), follow_symlinks=False)
            copied += size
            count += 1
    return copied, count


def special(one, two):
    """FIFOs and devices are made again, so that the transmitter has something to refuse."""
    info = os.lstat(one)
    try:
        os.mknod(two, info.st_mode, info.st_rdev)
    except OSError as error:
        say(f"note: {os.fsdecode(one)}: not copied: {error.strerror}")


def make_source(args, target):
    if args.input:
        if not os.path.isdir(args.input):
            sys.exit(f"demo: {args.input}: not a directory")
        copy_tree(args.input, target)
        return
    bytes_left, files_left = DEFAULT_BYTES, DEFAULT_FILES
    if args.burst:
        bytes_left, files_left = 2 * bytes_left, 4 * files_left  # deep windows want filling
    for number, source in enumerate(DEFAULT_INPUTS):
        if os.path.isdir(source):
            share = len(DEFAULT_INPUTS) - number  # what one leaves over is the next one's
            copied, count = copy_tree(
                source, os.path.join(target, source.strip("/").replace("/", "-")),
                bytes_left // share, files_left // share)
            bytes_left, files_left = bytes_left - copied, files_left - count


def accepted_and_refused(root):
    """What policy takes (regular files, empty directories) and what it refuses, by the same
    rules that docs/overview.md states."""
    files, refused, total = [], [], 0
    top = os.fsencode(root)
    for where, folders, names in os.walk(top):
        for name in list(folders) + names:
            one = os.path.join(where, name)
            path = os.path.relpath(one, top)
            if os.path.islink(one) or not (os.path.isfile(one) or os.path.isdir(one)):
                refused.append(path)
            elif re.search(rb"[\x00-\x1f\x7f]", path) or len(path) > 1024:
                refused.append(path)
            elif os.path.isfile(one):
                files.append(path)
                total += os.lstat(one).st_size
    return files, refused, total


# -- while it runs -----------------------------------------------------------------------

class LogTail(threading.Thread):
    """Shows the receiver's log as it is written, and a progress line on a terminal."""

    def __init__(self, path, total):
        super().__init__(daemon=True)
        self.path, self.total = path, total
        self.done = threading.Event()
        self.progress = ""
        self.published_lines = 0

    def run(self):
        terminal = sys.stdout.isatty()
        with open(self.path, encoding="utf-8", errors="replace") as file:
            while True:
                ended = self.done.is_set()
                for line in file:
                    self.show(line.rstrip("\n"), terminal)
                if terminal and self.progress:
                    print(f"\r\x1b[K{self.progress}", end="", flush=True)
                if ended:
                    break
                time.sleep(0.2)
        if terminal:
            print("\r\x1b[K", end="", flush=True)

    def show(self, line, terminal):
        # 10,000 lines of `file.published` would hide the rest: the first ten, then counted
        if " file.published " in line:
            self.published_lines += 1
            if self.published_lines == 11:
                line = "  ... (further file.published lines are in logs/rx.err)"
            elif self.published_lines > 11:
                return
        print(("\r\x1b[K" if terminal else "") + "  rx| " + line, flush=True)


def progress(diode, total_bytes):
    rx = diode.counters("rx")
    done = rx.get("publish.bytes_published", 0)
    share = 100 * done // total_bytes if total_bytes else 100
    return rx, (f"{share:3d} %  {done / 1e6:.0f} of {total_bytes / 1e6:.0f} MB published, "
                f"{rx.get('publish.objects_published', 0)} objects, "
                f"lost {rx.get('decode.lost_total', 0)} frames, "
                f"repaired {rx.get('decode.symbols_repaired', 0)}")


def transfer(diode, objects, total_bytes, watch):
    """Run until everything is accounted for, then stop both; the time from the start of tx to
    the last name visible, the last counters of both sides, and the memory of each role."""
    bound = time.monotonic() + 120 + total_bytes / 10e6
    start = last = moved = time.monotonic()
    tx_process = diode.start_tx()
    count = before = None
    while objects:
        rx, watch.progress = progress(diode, total_bytes)
        if rx["publish.objects_published"] != count:
            count, last = rx["publish.objects_published"], time.monotonic()
        tx = diode.counters("tx")
        sent = not tx["source.backlog_files"] and tx["source.objects_announced"] >= objects
        if sent and accounted(rx) and not rx["publish.objects_missing"] \
                and rx["publish.objects_announced"] == tx["source.objects_announced"]:
            break
        state = [rx[name] for name in AT_REST] + [tx["source.bytes_read"]]
        if state != before:
            before, moved = state, time.monotonic()
        if sent and not rx["decode.windows_open"] and time.monotonic() - moved > SETTLE_SECONDS:
            break  # what is still missing does not come by itself; it is listed below
        if time.monotonic() > bound:
            raise Died("the transfer did not end in time\n" + tx_process.tail())
        tx_process.check_alive()
        diode.rx.check_alive()
        time.sleep(0.1)
    memory = {f"{side}.{role}": stats.memory_kib(pid)
              for side, process in (("tx", diode.tx), ("rx", diode.rx))
              for role, pid in process.roles().items()}
    tx, rx = diode.finish()
    return last - start, tx, rx, memory


# -- afterwards --------------------------------------------------------------------------

def verify_by_stock_tools(diode):
    """minisign and coreutils over every manifest: (manifests, list of complaints)."""
    wrong = []
    script = os.path.join(HERE, "verify-manifest")
    for manifest in diode.manifests(CHANNEL):
        done = subprocess.run([script, manifest, diode.tx_public, diode.tree(CHANNEL)],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            wrong.append(f"{os.path.basename(manifest)}: "
                         f"{(done.stdout + done.stderr).strip()[-300:]}")
    return len(diode.manifests(CHANNEL)), wrong


def one_line(label, value):
    say(f"  {label:<34}{value}")


def show(summary):
    say("")
    say("== What crossed")
    one_line("files / bytes", f"{summary['files']:,} / {summary['file_bytes']:,}")
    one_line("goodput", f"{summary['goodput_mbit_per_s']:.0f} Mbit/s of file bytes in "
             f"{summary['transfer_s']:.1f} s (veth, paced at {summary['rate']})")
    one_line("frames sent / received", f"{summary['frames_sent']:,} / "
             f"{summary['frames_received']:,}")
    one_line("frames lost (emulator / receiver)", f"{summary['frames_lost_emulator']:,} / "
             f"{summary['frames_lost_receiver']:,}")
    one_line("symbols repaired", f"{summary['symbols_repaired']:,}")
    margin = summary["worst_block_margin_symbols"]
    one_line("worst-block margin", "no block needed repair" if margin is None
             else f"{margin} repair symbols left unused")
    one_line("wire bytes per payload byte", f"{summary['wire_bytes_per_payload_byte']:.3f}")
    one_line("verified by minisign + coreutils", f"{summary['manifests']} manifests, "
             f"{len(summary['verify_failures'])} refused")
    one_line("one way", f"tx port received {summary['tx_port_received_frames']} frames, "
             f"rx port sent {summary['rx_port_sent_frames']}")
    one_line("objects", f"{summary['objects_announced']} announced = "
             f"{summary['objects_published']} published + "
             f"{summary['objects_quarantined']} quarantined + "
             f"{summary['objects_withdrawn']} withdrawn + "
             f"{summary['objects_missing']} missing")
    one_line("memory (RSS less packet ring)", ", ".join(
        f"{name} {value:.0f} MiB" for name, value in summary["rss_mib"].items()))
    one_line("and shared between roles", f"tx {max_of(summary, 'tx'):.0f} MiB, "
             f"rx {max_of(summary, 'rx'):.0f} MiB")
    if summary["refused"]:
        say(f"  refused by policy: {len(summary['refused'])}")
        for name in summary["refused"][:10]:
            say(f"    {name}")
        if len(summary["refused"]) > 10:
            say(f"    ... and {len(summary['refused']) - 10} more (summary.json with --keep)")


def max_of(summary, side):
    return max(v for name, v in summary["shared_mib"].items() if name.startswith(side))


def printable(paths):
    return [os.fsdecode(p).encode("utf-8", "backslashreplace").decode() for p in paths]


def keep(args, diode, source, summary):
    """Leave what an auditor would want."""
    target = args.keep
    for name in ("config", "keys", "logs"):
        shutil.copytree(diode._at(name), os.path.join(target, name), dirs_exist_ok=True)
    for name in os.listdir(diode.dir):
        if name.startswith("linkemu."):  # what the emulator did to which frame
            shutil.copy(os.path.join(diode.dir, name), os.path.join(target, "logs"))
    move(source, os.path.join(target, "source"))
    move(diode.tree(CHANNEL), os.path.join(target, "published", CHANNEL))
    move(os.path.join(diode.root(CHANNEL), "manifests"), os.path.join(target, "manifests"))
    with open(os.path.join(target, "summary.json"), "w", encoding="utf-8") as file:
        json.dump(summary, file, indent=2, ensure_ascii=True)
        file.write("\n")


def move(source, target):
    if os.path.isdir(source):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        shutil.move(source, target)


def figures(args, files, total, refused, diode, path, emulator, result, difference):
    seconds, tx, rx, memory = result
    manifests, wrong = verify_by_stock_tools(diode)
    wire = stats.counters(path.tx)
    margin = rx.get("decode.margin_worst")
    return {
        "files": len(files), "file_bytes": total, "mtu_bytes": args.mtu, "rate": args.rate,
        "seed": emulator.seed, "loss_fraction": args.loss, "burst_frames": args.burst,
        "transfer_s": round(seconds, 3),
        "goodput_mbit_per_s": round(total * 8 / seconds / 1e6, 1) if seconds else 0,
        "frames_sent": tx["sender.frames_sent"],
        "frames_received": rx["decode.opened"],
        "frames_lost_emulator": emulator.summary["lost_data"],
        "frames_lost_receiver": rx["decode.lost_total"],
        "symbols_repaired": rx["decode.symbols_repaired"],
        "symbols_missing": rx["decode.symbols_missing"],
        "worst_block_margin_symbols": None if margin is None or margin >= 1 << 32 else margin,
        "wire_bytes": wire["tx_bytes"],
        "wire_bytes_per_payload_byte": round(wire["tx_bytes"] / total, 4) if total else 0,
        "manifests": manifests, "verify_failures": wrong,
        "tx_port_received_frames": wire["rx_packets"],
        "rx_port_sent_frames": stats.counters(path.rx)["tx_packets"],
        "objects_announced": rx["publish.objects_announced"],
        "objects_published": rx["publish.objects_published"],
        "objects_quarantined": rx["publish.objects_quarantined"],
        "objects_withdrawn": rx["publish.objects_withdrawn"],
        "objects_missing": rx["publish.objects_missing"],
        "rss_mib": {name: round((kib["rss"] - kib["ring"] - kib["shared"]) / 1024, 1)
                    for name, kib in sorted(memory.items())},
        "shared_mib": {name: round(kib["shared"] / 1024, 1)
                       for name, kib in sorted(memory.items())},
        "refused": printable(refused),
        "not_identical": printable(difference),
    }


def bits_per_second(text):
    """`1 Gbit/s` as the configuration understands it; None for anything else."""
    match = re.fullmatch(r"\s*([0-9.]+)\s*([kMG]?)bit/s\s*", text)
    return match and float(match[1]) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[match[2]]


def residual(m, depth, loss, burst):
    """Probability that some block of a window is beyond repair: every block loses its share of
    the burst, and of its other frames each with probability LOSS."""
    share = -(-burst // depth)
    if share > m:
        return 1.0
    others = FEC_K + m - share
    block = sum(math.comb(others, i) * loss ** i * (1 - loss) ** (others - i)
                for i in range(m - share + 1, others + 1))
    return min(1.0, depth * block)


def geometry(args, total):
    """The interleaving that rides out what was asked for, as configuration changes. Depth 63
    takes 1 % random loss or 1,000 frames in a row at 10 % repair; both at once need depth 255.
    A transfer of less than such a window can only be interleaved as deep as it is long: then
    more repair symbols make up for it."""
    symbol = args.mtu - FRAME_OVERHEAD
    depth = DEPTH if not args.burst else DEPTH_MAX if args.loss else min(
        DEPTH_MAX, max(DEPTH, -(-args.burst // FEC_M)))
    reached = max(1, min(depth, total // (FEC_K * symbol)))
    m = next((m for m in FEC_CHOICE if residual(m, reached, args.loss, args.burst) < 1e-6),
             FEC_CHOICE[-1])
    window = depth * FEC_K * symbol
    rate = bits_per_second(args.rate)
    tx = {"fec_depth": depth, "fec_m": m}
    rx = dict(tx)
    if rate:
        tx["flush"] = f"{max(1000, int(window * 8 / rate * 1.5e3))} ms"
    pool = f"{max(256, int(window * (1 + m / FEC_K) * 2.5) >> 20)} MiB"
    say(f"geometry: (160,{m}) x {depth}, here {reached}: rides out {m * reached} frames in a "
        f"row; a window fails with probability "
        f"{residual(m, reached, args.loss, args.burst):.0e} under what was asked for")
    return m, depth, tx, rx, pool


def burst_place(args, total, m, depth, seed):
    """A seeded data frame inside the full windows (or inside the only one)."""
    block = FEC_K * (args.mtu - FRAME_OVERHEAD)
    frames = depth * (FEC_K + m) * (total // (depth * block))
    if frames < args.burst:
        frames = (FEC_K + m) * (total // block)
    last = max(1, frames - args.burst - frames // 10)
    return random.Random(f"{seed}/burst").randrange(min(last - 1, frames // 10), last)


def run(args, work):
    seed = args.seed if args.seed is not None else random.SystemRandom().getrandbits(32)
    say(f"seed {seed}")
    source = os.path.join(work, "source")
    os.makedirs(source)
    make_source(args, source)
    files, refused, total = accepted_and_refused(source)
    objects = tree.objects(source, set(refused))
    say(f"source: {len(files):,} files, {total:,} bytes, {objects - len(files):,} empty "
        "directories")
    m, depth, tx_channel, rx_channel, pool = geometry(args, total)
    options = {"seed": seed, "loss": args.loss}
    if args.burst:
        at = burst_place(args, total, m, depth, seed)
        options["burst"] = f"{args.burst}@{at}"
        say(f"burst: {args.burst} frames from data frame {at} on")
    with netns.Path(mtu=args.mtu) as path:
        diode = Diode(path, work, channels=[CHANNEL], tx={"rate": args.rate, "mtu": args.mtu},
                      rx={"mtu": args.mtu, "pool": pool}, tx_channel=tx_channel,
                      rx_channel=rx_channel)
        tree.copy(source, diode.spool())
        with diode, Emulator(path, work, **options) as emulator:
            watch = None
            try:
                rx = diode.start_rx()
                watch = LogTail(rx.err_path, total)
                watch.start()
                result = transfer(diode, objects, total, watch)
            finally:
                if watch:
                    watch.done.set()
                    watch.join(10)
        difference = [p for p in files if not identical(source, diode.tree(CHANNEL), p)]
        missing_text = diode.missing()[1]
        summary = figures(args, files, total, refused, diode, path, emulator, result,
                          difference)
    show(summary)
    if args.keep:
        keep(args, diode, source, summary)
        say(f"  kept in {args.keep}")
    return verdict(summary, missing_text)


def verdict(summary, missing_text):
    good = (not summary["not_identical"] and not summary["verify_failures"]
            and summary["tx_port_received_frames"] == 0
            and summary["rx_port_sent_frames"] == 0
            and (summary["manifests"] > 0 or summary["files"] == 0))
    say("")
    if good:
        say("every file that policy accepts is published, byte-identical and proven")
        return 0
    say("NOT everything arrived:")
    for name in summary["not_identical"][:50]:
        say(f"  {name}")
    for line in summary["verify_failures"][:10]:
        say(f"  {line}")
    say(missing_text.rstrip())
    return 1


def identical(one, two, path):
    two = os.path.join(os.fsencode(two), path)
    return os.path.isfile(two) and tree.same_content(os.path.join(os.fsencode(one), path), two)


def main():
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        netns.require()
    except Skip as skip:
        sys.exit(f"demo: {skip}")
    if args.keep:
        args.keep = os.path.abspath(args.keep)
        os.makedirs(args.keep, exist_ok=True)
        if os.listdir(args.keep):
            sys.exit(f"demo: {args.keep}: not empty: name a new directory for --keep")
    work = tempfile.mkdtemp(prefix="katamichi-demo-")
    try:
        code = run(args, work)
    except Died as error:
        sys.exit(f"demo: {error}")
    finally:
        if not children(os.getpid()):
            shutil.rmtree(work, ignore_errors=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
