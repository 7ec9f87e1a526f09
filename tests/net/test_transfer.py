#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Whole directories cross the link, byte-identical, at a known price on the wire and in
memory. Nothing here depends on how fast the machine is."""

import hashlib
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import account, netns, stats, tap, tree  # noqa: E402
from harness.diode import Diode  # noqa: E402
from harness.emu import Emulator  # noqa: E402

# the last for a machine on which little is installed: what scripts/setup brings
REAL_FROM = ("/usr/include", "/usr/share", "/usr/lib", "/usr/bin", "/usr/aarch64-linux-gnu")
REAL_FILES, REAL_BYTES_EACH = 10000, 64 << 10
MIB = 1 << 20
LARGE = 2 << 30
# An object of 2 GiB has 2,048 leaf digests more than one of 2 MiB (tx keeps 64 KiB of them as
# bytes, both sides 128 KiB as text), and lists of holes and of frames are touched further.
# A copy of even a thousandth of the object would be 2 MiB.
RSS_SLACK_KIB = 1024


def copy_real(root, count):
    """COUNT regular files of this machine, small enough that all of them are moderate."""
    copied = 0
    for top in REAL_FROM:
        for where, _, names in os.walk(top):
            for name in sorted(names):
                one = os.path.join(where, name)
                info = os.lstat(one)
                if not os.path.isfile(one) or os.path.islink(one) \
                        or info.st_size > REAL_BYTES_EACH:
                    continue
                two = os.path.join(root, one.lstrip("/"))
                os.makedirs(os.path.dirname(two), exist_ok=True)
                shutil.copy2(one, two)
                copied += 1
                if copied == count:
                    return copied
    return copied


def make_large(path, size, rng):
    """A file of SIZE bytes (whole MiB), every MiB of it different and none of it twice at
    the same place of a MiB; its SHA-256."""
    block = rng.randbytes(MIB) * 2
    digest = hashlib.sha256()
    with open(path, "wb", buffering=0) as file:
        for i in range(size // MIB):
            at = i * 4099 % MIB
            piece = i.to_bytes(8, "big") + block[at:at + MIB - 8]
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def memory(diode):
    """{"tx.source": (KiB, KiB), ...}: resident memory less mapped packet rings, and what of
    it is shared with another role."""
    found = {}
    for side, process in (("tx", diode.tx), ("rx", diode.rx)):
        for role, pid in process.roles().items():
            kib = stats.memory_kib(pid)
            found[f"{side}.{role}"] = (kib["rss"] - kib["ring"], kib["shared"])
    return found


def check_one_way(t, path, tx):
    t.equal(stats.one_way(path), {}, "frames the other way")
    t.equal(tx["sender.packet_stats_received"], 0, "frames tx's link socket received")


def settle_tree(t, diode, count):
    """Everything announced and published; the counters of both sides."""
    tx = diode.wait_sent(count, 240)
    rx = diode.wait(lambda: diode.published() >= count and diode.counters("rx"), 240,
                    f"{count} objects published")
    account.check_sums(t, rx)
    return tx, rx


@tap.test
def real_files_and_a_large_one(t):
    """10,000 real files, everything awkward that policy takes, what it refuses beside it,
    and 2 GiB in one file. The memory of no role grows with the size of an object."""
    netns.require()
    rng = tap.rng("tree")
    source = os.path.join(t.dir, "source")
    real = copy_real(source, REAL_FILES)
    t.require(real == REAL_FILES, f"only {real} real files on this machine")
    refused = tree.make_awkward(source, rng) | tree.make_refused(source)
    size = tree.totals(source)[2]
    with netns.Path(mtu=9000, emulator=False) as path:
        # 4 s of the rate wait in the ring: a shared machine pauses, and that is no finding
        with Diode(path, t.dir, tx={"rate": "1 Gbit/s"}, rx={"ring": "512 MiB"}) as diode:
            inbox = diode.spool()
            diode.start_rx()
            diode.start_tx()
            make_large(os.path.join(inbox, "warm-up"), 2 * MIB, rng)
            diode.wait_published(1, 60)
            before = memory(diode)
            want = make_large(os.path.join(t.dir, "large"), LARGE, rng)
            os.rename(os.path.join(t.dir, "large"), os.path.join(inbox, "large"))
            diode.wait_published(2, 240)
            after = memory(diode)
            got = os.path.join(diode.tree(), "large")
            t.equal(sha256(got), want, "SHA-256 of the 2 GiB file")
            os.unlink(got)
            for role in sorted(before):
                (small, _), (large, shared) = before[role], after[role]
                tap.note(f"{role}: RSS less packet ring {small} KiB after 2 MiB, {large} KiB "
                         f"after 2 GiB, of which {shared} KiB are shared with another role")
                t.check(large <= small + RSS_SLACK_KIB,
                        f"{role} grew from {small} to {large} KiB")
            tree.copy(source, inbox)
            count = tree.objects(source, refused)
            _, rx = settle_tree(t, diode, 2 + count)
            tap.note(f"{count} files and empty directories, {size} bytes; "
                     f"{rx['publish.manifests_stored']} manifests")
            os.unlink(os.path.join(diode.tree(), "warm-up"))
            difference = tree.compare(source, diode.tree(), ignore=refused)
            t.check(difference.good, difference)
            left = {p for p in tree.scan(inbox) if not os.path.isdir(
                os.path.join(os.fsencode(inbox), p))
                or os.path.islink(os.path.join(os.fsencode(inbox), p))}
            t.equal(left, refused, "what is left in the spool is what policy refused")
            # told again only where the copy changed it after the first look
            told = set(re.findall(r" file\.refused .* path=(.*)", diode.tx.output()))
            t.equal(len(told), len(refused), f"names refused in the log: {sorted(told)}")
            tx, _ = diode.finish()
            check_one_way(t, path, tx)


def small_files(t, mtu, bound):
    """10,000 files of 4 KiB: what the tx interface sent for them, Ethernet headers included,
    when the last of them became visible and after a farewell."""
    netns.require()
    with netns.Path(mtu=mtu, emulator=False) as path:
        with Diode(path, t.dir, tx={"rate": "500 Mbit/s"}) as diode:
            source = os.path.join(t.dir, "source")
            tree.make_files(source, 10000, 4096, tap.rng(f"small {mtu}"))
            os.rename(source, os.path.join(diode.spool(), "files"))
            diode.start_rx()
            diode.start_tx()
            diode.wait_published(10000, 240)
            visible = stats.counters(path.tx)["tx_bytes"]
            tx, rx = diode.finish()
            end = stats.counters(path.tx)["tx_bytes"]
            payload = 10000 * 4096
            tap.note(f"MTU {mtu}: {visible / payload:.4f} when all are visible, "
                     f"{end / payload:.4f} after the farewell; "
                     f"{rx['publish.manifests_stored']} manifests, "
                     f"{tx['source.symbols_source']} source and "
                     f"{tx['source.symbols_repair']} repair symbols; manifests "
                     f"{tx['source.ledger_source']} and {tx['source.ledger_repair']}")
            t.check(visible / payload < bound, f"{visible / payload:.4f} bytes on the wire for "
                    f"a byte when all are visible, want < {bound}")
            t.check(end / payload < bound, f"{end / payload:.4f} bytes on the wire for a byte "
                    f"at the end, want < {bound}")
            t.equal(rx["publish.objects_published"], 10000, "objects published")
            account.check_sums(t, rx)
            check_one_way(t, path, tx)


@tap.test
def wire_bytes_of_small_files_9000(t):
    small_files(t, 9000, 1.2)


@tap.test
def wire_bytes_of_small_files_1500(t):
    small_files(t, 1500, 1.25)


@tap.test
def captured_by_libpcap_and_replayed(t):
    """A transfer taken by libpcap instead of the ring; then its recording, replayed into a
    directory of its own, gives the same tree and leaves the live one alone."""
    netns.require()
    rng = tap.rng("pcap")
    capture = os.path.join(t.dir, "link.pcap")
    with netns.Path(mtu=1500) as path:
        with Diode(path, t.dir, tx={"rate": "200 Mbit/s"}, rx={"capture": "pcap"}) as diode:
            source = os.path.join(t.dir, "source")
            tree.make_files(source, 300, (0, 60000), rng)
            refused = tree.make_awkward(source, rng)
            with Emulator(path, t.dir, seed=rng.getrandbits(32), loss="0.5%",
                          pcap=capture) as emulator:
                diode.start_rx()
                diode.start_tx()
                t.check(diode.counters("rx")["supervisor.intake_pump"], "libpcap is not in use")
                tree.copy(source, diode.spool())
                settle_tree(t, diode, tree.objects(source, refused))
                tx, rx = diode.finish(emulator=emulator)
            tap.note(f"{account.check_frames(t, diode, emulator, tx, rx)} frames lost, "
                     f"{rx['decode.symbols_repaired']} symbols repaired")
            difference = tree.compare(source, diode.tree(), ignore=refused)
            t.check(difference.good, difference)
            into = os.path.join(t.dir, "replayed")
            before = tree.scan(diode.root()).keys()
            code, text = diode.replay(capture, into)
            t.equal(code, 0, f"exit code of replay:\n{text[-2000:]}")
            difference = tree.compare(source, os.path.join(into, "files", "tree"),
                                      ignore=refused)
            t.check(difference.good, f"replayed: {difference}")
            t.equal(tree.scan(diode.root()).keys(), before, "the live root")


if __name__ == "__main__":
    tap.main()
