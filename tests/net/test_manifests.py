#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The proof, checked by tools that are not ours: minisign and coreutils, by hand and by the
documented script; the chain of manifests; the generations of a path."""

import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import netns, tap, tree  # noqa: E402
from harness.diode import Diode  # noqa: E402

MIB = 1 << 20
SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts",
                      "verify-manifest")
# The parts of `ls` names: chain and number of a manifest.
NAME = re.compile(r"(\d+)-(\d{8})\.manifest$")


def command(*argv, cwd=None):
    """Exit code and output of a stock tool."""
    done = subprocess.run(argv, cwd=cwd, capture_output=True, timeout=300, check=False,
                          env={**os.environ, "LC_ALL": "C"})
    return done.returncode, (done.stdout + done.stderr).decode("utf-8", "backslashreplace")


def by_minisign(diode, manifest):
    return command("minisign", "-V", "-m", manifest, "-p", diode.tx_public)


def by_coreutils(diode, manifest):
    return command("sha256sum", "--strict", "-c", manifest, cwd=diode.tree())


def by_script(diode, manifest):
    return command(SCRIPT, manifest, diode.tx_public, diode.tree())


def need(tool):
    if not shutil.which(tool):
        raise tap.Skip(f"no `{tool}` command")


def start(diode):
    diode.start_rx()
    diode.start_tx()


def send(diode, source, count):
    tree.copy(source, diode.spool())
    diode.wait_published(count, 60)


@tap.test
def stock_tools_agree(t):
    """Every name that policy takes, a file with a tree digest, and small ones: minisign and
    sha256sum accept each manifest; a changed file, manifest or key is caught by each tool
    whose business it is."""
    netns.require()
    need("minisign")
    rng = tap.rng("stock")
    source = os.path.join(t.dir, "source")
    refused = tree.make_awkward(source, rng)
    tree.make_file(os.path.join(source, "tall"), 80 * MIB + 17, rng)
    tree.make_file(os.path.join(os.fsencode(source), b"large \x83\x5c of bytes"), 64 * MIB, rng)
    with netns.Path(mtu=9000, emulator=False) as path, Diode(path, t.dir) as diode:
        start(diode)
        send(diode, source, tree.objects(source, refused))
        diode.finish()
        manifests = diode.manifests()
        t.check(len(manifests) >= 3, f"only {len(manifests)} manifests")
        trees = 0
        for manifest in manifests:
            with open(manifest, "rb") as file:
                text = file.read()
            has_tree = b"\nSHA256-TREE-1M (" in text
            trees += has_tree
            code, said = by_minisign(diode, manifest)
            t.equal(code, 0, f"minisign on {os.path.basename(manifest)}: {said}")
            t.check(os.path.basename(manifest) in said, f"no trusted comment: {said}")
            code, said = by_coreutils(diode, manifest)
            # a tree line is not for sha256sum, which must not pretend to have checked it
            t.equal(code != 0, has_tree, f"sha256sum on {os.path.basename(manifest)}: {said}")
            code, said = by_script(diode, manifest)
            t.equal(code, 0, f"verify-manifest on {os.path.basename(manifest)}: {said}")
        t.equal(trees, 2, "manifests with a tree digest")
        code, said = diode.verify()
        t.equal(code, 0, f"katamichi-rx verify:\n{said}")
        tampered_files(t, diode)
        tampered_manifest(t, diode)


def tampered_files(t, diode):
    """One bit of a small file, one of a large."""
    for name in (b"sizes/7-1048577", b"tall"):
        path = os.path.join(os.fsencode(diode.tree()), name)
        tree.flip_bit(path)
        manifest = next(m for m in diode.manifests() if b"./" + name in read(m))
        code, said = by_script(diode, manifest)
        t.check(code != 0 and "FAILED" in said, f"verify-manifest on a changed file: {said}")
        code, said = by_coreutils(diode, manifest)
        t.check(code != 0, f"sha256sum on a changed file: {said}")
        t.equal(by_minisign(diode, manifest)[0], 0, "minisign, of the manifest alone")
        code, said = diode.verify()
        t.check(code != 0 and os.fsdecode(name) in said, f"katamichi-rx verify: {code}: {said}")
        tree.flip_bit(path)
        t.equal(diode.verify()[0], 0, "katamichi-rx verify when all is well again")


def tampered_manifest(t, diode):
    """Every byte of a manifest is signed; a signature by another key is none."""
    first = diode.manifests()[0]
    original = read(first)
    for at in (0, len(original) // 2, len(original) - 2):
        changed = bytearray(original)
        changed[at] ^= 1
        write(first, changed)
        t.check(by_minisign(diode, first)[0] != 0, f"minisign with byte {at} changed")
        t.check(by_script(diode, first)[0] != 0, f"verify-manifest with byte {at} changed")
        t.check(diode.verify()[0] != 0, f"katamichi-rx verify with byte {at} changed")
    write(first, original)
    code, said = command("minisign", "-V", "-m", first, "-p",
                         os.path.join(diode.dir, "keys", "rx.pub"))
    t.check(code != 0, f"minisign with another key: {said}")
    t.equal(diode.verify()[0], 0, "katamichi-rx verify when all is well again")


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, data):
    os.chmod(path, 0o644)
    with open(path, "wb") as file:
        file.write(data)


@tap.test
def the_chain_is_walked(t):
    """Each manifest carries the hash of the one before; `verify` walks them, and says which is
    missing when one was taken away."""
    netns.require()
    rng = tap.rng("chain")
    with netns.Path(mtu=9000, emulator=False) as path, Diode(path, t.dir) as diode:
        start(diode)
        for number in range(1, 6):
            tree.make_file(os.path.join(diode.spool(), f"file-{number}"), 5000, rng)
            diode.wait_published(number, 60)
        diode.finish()
        manifests = diode.manifests()
        t.equal(len(manifests), 5, "manifests")
        previous = "none"
        for number, manifest in enumerate(manifests, 1):
            head = dict(line[2:].split(": ", 1) for line in read(manifest).decode().split("\n")
                        if line.startswith("# ") and ": " in line)
            t.equal(int(NAME.search(manifest)[2]), number, "number in the name")
            t.equal((int(head["manifest"]), head["previous"]), (number, previous),
                    f"number and predecessor of manifest {number}")
            t.equal((head["owner"], head["purpose"], head["classification"]),
                    ("operations", "one-way copy", "internal"), "what the channel declares")
            previous = command("sha256sum", manifest)[1].split()[0].lstrip("\\")
        t.equal(diode.verify()[0], 0, "katamichi-rx verify")
        aside = os.path.join(t.dir, "aside")
        os.rename(manifests[2], aside)
        code, said = diode.verify()
        tap.note(said)
        t.check(code != 0 and re.search(r"manifest\D{0,20}0*3\b", said),
                f"manifest 3 is not said to be missing: exit {code}\n{said}")
        os.rename(aside, manifests[2])
        t.equal(diode.verify()[0], 0, "katamichi-rx verify when it is back")


@tap.test
def a_path_sent_again(t):
    """The same path three times: the visible name always holds one whole content, the last in
    the end; the former ones are kept, verified, under generations, and tx cannot reach them.
    With replace = refuse the first stays and the next is put aside with the reason."""
    netns.require()
    rng = tap.rng("generations")
    contents = [rng.randbytes(300000) for _ in range(3)]
    for replace in ("generation", "refuse"):
        directory = os.path.join(t.dir, replace)
        os.makedirs(directory)
        with netns.Path(mtu=9000, emulator=False) as path, \
                Diode(path, directory, rx_channel={"replace": replace}) as diode:
            start(diode)
            seen = set()
            for number, content in enumerate(contents, 1):
                aside = os.path.join(directory, "aside")
                write_new(aside, content)
                os.rename(aside, os.path.join(diode.spool(), "timetable"))
                diode.wait(lambda n=number: settled(diode) >= n, 60, f"object {number} settled")
                seen.add(read(os.path.join(diode.tree(), "timetable")))
            _, rx = diode.finish()
            t.check(seen <= set(contents), "the visible name held something else")
            kept = [os.path.join(where, name) for where, _, names in os.walk(
                os.path.join(diode.root(), "generations")) for name in names]
            now = read(os.path.join(diode.tree(), "timetable"))
            if replace == "generation":
                t.equal(now == contents[2], True, "the last content is visible")
                t.equal(sorted(map(read, kept)) == sorted(contents[:2]), True,
                        f"the former contents are kept: {kept}")
                t.equal(rx["publish.objects_published"], 3, "objects published")
            else:
                t.equal(now == contents[0], True, "the first content stays")
                t.equal(kept, [], "generations")
                t.equal((rx["publish.objects_published"], rx["publish.objects_quarantined"]),
                        (1, 2), "published, quarantined")
                log = diode.read_log("rx")
                t.check(" file.quarantined " in log and "timetable" in log, "the reason is said")


def settled(diode):
    rx = diode.counters("rx")
    return rx["publish.objects_published"] + rx["publish.objects_quarantined"]


def write_new(path, content):
    with open(path, "wb") as file:
        file.write(content)


if __name__ == "__main__":
    tap.main()
