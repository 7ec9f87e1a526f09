# SPDX-License-Identifier: ISC
"""Names and kinds of files: what may cross does so byte for byte, what may not is refused by
name with the reason, once; nothing is ever read outside of the tree, nothing ever written
over something that is not ours.
"""

import hashlib
import os
import re
import stat
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import netns, tap, tree  # noqa: E402
from harness.diode import Diode  # noqa: E402
from harness.emu import Emulator  # noqa: E402

SECRET = b"outside of the tree, must never cross\n"


def refusals(process):
    """{path as logged: [reason, ...]} of the file.refused lines."""
    found = {}
    for line in process.output().splitlines():
        match = re.search(r'file\.refused .*?: (.*) channel=\S+ path=(.*)$', line)
        if match:
            found.setdefault(match[2].strip('"'), []).append(match[1])
    return found


def logged(name):
    """How a name is shown: what might harm a terminal, and what is not UTF-8, as \\xNN."""
    out, at = "", 0
    while at < len(name):
        for size in (1, 2, 3, 4):
            try:
                text = name[at:at + size].decode("utf-8")
                break
            except UnicodeDecodeError:
                text = None
        if text is None or ord(text) < 0x20 or 0x7F <= ord(text) < 0xA0 or text in '"\\':
            out += f"\\x{name[at]:02x}"
            at += 1
        else:
            out += text
            at += size
    return out


def write(path, content, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, mode)
    return path


def settled(diode, count, timeout=60):
    """Until COUNT objects were announced and nothing is left to do."""
    diode.wait_sent(count, timeout)
    return diode.wait_settled(timeout)


def put_back(spool, want):
    """A copy of @want in the spool. By cp: it keeps links, devices, sockets and times."""
    netns.run("cp", "-a", os.fsdecode(want) + "/.", os.fsdecode(spool))


@tap.test
def what_may_cross_and_what_may_not(t):
    """All odd names, modes, sizes and times of harness.tree, and all that policy refuses."""
    netns.require()
    rng = tap.rng("awkward")
    want = os.path.join(t.dir, "want")
    with netns.Path(mtu=9000) as path, Diode(path, t.dir) as diode, Emulator(path, t.dir):
        tree.make_awkward(want, rng)
        deep_too_long(want)
        refused = tree.make_refused(want)
        outside = write(os.path.join(t.dir, "outside", "secret"), SECRET)
        for name, target in ((b"to-file", outside), (b"to-directory", os.path.dirname(outside)),
                             (b"to-root", "/")):
            os.symlink(target, os.path.join(os.fsencode(want), b"refused", name))
            refused.add(b"refused/" + name)
        os.makedirs(os.path.join(want, ".katamichi"))
        write(os.path.join(want, ".katamichi", "ours"), b"a name of ours")
        refused |= TOO_LONG | {b".katamichi", b".katamichi/ours"}
        # root without its capabilities: a file that its owner may not read stays
        refused.add(b"modes/0000")
        put_back(diode.spool(), want)
        diode.start_rx()
        diode.start_tx()
        accepted = [p for p, s in tree.scan(want).items()
                    if stat.S_ISREG(s.st_mode) and p not in refused]
        diode.wait(lambda: sum(os.path.isfile(os.path.join(os.fsencode(diode.tree()), p))
                               for p in accepted) == len(accepted), 60,
                   "every accepted file published")
        diode.wait(lambda: all(os.path.isdir(os.path.join(
            diode.tree(), f"empty-directories/{i}/a/b")) for i in range(20)), 30,
            "empty directories")
        rx = diode.wait_settled(60)
        t.equal(rx["publish.objects_missing"] + rx["publish.objects_quarantined"], 0,
                "objects missing or quarantined")
        difference = tree.compare(want, diode.tree(), ignore=refused | MAYBE)
        t.check(difference.good, difference)
        check_refused(t, diode, refused)
        check_published(t, diode)
        time.sleep(2)  # several looks at the spool later ...
        said = refusals(diode.tx)
        again = {name: why for name, why in said.items() if len(why) > 1}
        t.equal(again, {}, "refused more than once")
        # what was refused still stands in the spool, untouched
        for name in (b"refused/fifo", b"refused/link-out", b".katamichi/ours"):
            t.check(os.path.lexists(os.path.join(os.fsencode(diode.spool()), name)),
                    f"{name!r} was taken out of the spool")
        everything = netns.run("sh", "-c", 'grep -rl "must never cross" "$1" "$2" || true',
                               "sh", diode.root(), diode.spool_root())
        t.equal(everything, "", "files with content from outside of the tree")


LONG_DIRECTORY = b"l" * 250
TOO_LONG = set()
# A directory that holds only what is refused may be there or not.
MAYBE = {b".katamichi", LONG_DIRECTORY}


def deep_too_long(root):
    """A file whose path is one byte too long for the wire: made step by step, for the whole
    is longer than a path may be at once in some places."""
    parts = [LONG_DIRECTORY] * 4
    used = sum(map(len, parts)) + len(parts)
    name = b"f" * (tree.PATH_BYTES_MAX + 1 - used)
    os.makedirs(os.path.join(os.fsencode(root), *parts))
    place = os.open(os.path.join(os.fsencode(root), *parts), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=place))
    finally:
        os.close(place)
    TOO_LONG.add(b"/".join(parts + [name]))
    for depth in range(1, 5):
        MAYBE.add(b"/".join(parts[:depth]))


def check_refused(t, diode, refused):
    """Each by name and with the reason."""
    said = refusals(diode.tx)
    for name in sorted(refused - {b".katamichi/ours"}):
        t.check(logged(name) in said, f"no line refuses {name[:80]!r}")
    for name, reason in ((b"refused/fifo", "FIFO"), (b"refused/socket", "socket"),
                         (b"refused/link-out", "symbolic link"),
                         (b"refused/to-directory", "symbolic link"),
                         (b"refused/tab\there", "control character"),
                         (b"refused/new\nline", "control character"),
                         (b"modes/0000", "permission denied"),
                         (min(TOO_LONG), "long")):
        t.check(reason in " ".join(said.get(logged(name), [])),
                f"{name[:80]!r}: {said.get(logged(name))}, want {reason}")
    t.equal(diode.counters("tx")["source.files_refused"], sum(map(len, said.values())),
            "refusals counted and said")


def check_published(t, diode):
    """Modes are ours, nothing but plain files and directories."""
    for name, found in tree.scan(diode.tree()).items():
        mode = stat.S_IMODE(found.st_mode)
        if stat.S_ISREG(found.st_mode):
            good = mode == 0o644 and found.st_nlink == 1
        else:
            good = stat.S_ISDIR(found.st_mode) and mode == 0o755
        t.check(good, f"{name!r}: mode {found.st_mode:o}, {found.st_nlink} links")
    for name in tree.SHIFT_JIS_NAMES:
        t.check(os.path.isfile(os.path.join(os.fsencode(diode.tree()), b"names", name)),
                f"Shift_JIS name {name!r}")


@tap.test
def names_taken_on_rx(t):
    """A file where a directory is to be, the reverse, and names that are not ours."""
    netns.require()
    with netns.Path(mtu=9000) as path, Diode(path, t.dir) as diode, Emulator(path, t.dir):
        top, elsewhere = diode.tree(), os.path.join(t.dir, "elsewhere")
        os.makedirs(elsewhere)
        write(os.path.join(top, "not-ours"), b"of the office")
        write(os.path.join(top, "file-here"), b"of the office")
        os.makedirs(os.path.join(top, "directory-here"))
        os.symlink(elsewhere, os.path.join(top, "link-here"))
        os.symlink(os.path.join(elsewhere, "new"), os.path.join(top, "link-file"))
        os.mkfifo(os.path.join(top, "fifo-here"))
        before = {name: s.st_ino for name, s in tree.scan(top).items()}
        for name in ("not-ours", "file-here/inside", "directory-here", "link-here/inside",
                     "link-file", "fifo-here", "good/file"):
            write(os.path.join(diode.spool(), name), name.encode())
        diode.start_rx()
        diode.start_tx()
        rx = settled(diode, 7)
        t.equal(rx["publish.objects_published"], 1, "published")
        t.equal(rx["publish.objects_quarantined"], 6, "quarantined")
        for name, reason in (("not-ours", "not put there by us"),
                             ("file-here/inside", "a file or a link has its name"),
                             ("directory-here", "a directory has this name"),
                             ("link-here/inside", "a file or a link has its name"),
                             ("link-file", "not put there by us"),
                             ("fifo-here", "not put there by us")):
            line = diode.rx.wait_line(rf"file\.quarantined.*{name}.*", 10)[0]
            t.check(reason in line, f"{name}: want the reason {reason!r}: {line}")
        after = {name: s.st_ino for name, s in tree.scan(top).items()}
        t.equal({n: i for n, i in after.items() if n in before}, before, "what stood there")
        t.equal(sorted(set(after) - set(before)), [b"good", b"good/file"], "what is new")
        t.equal(os.listdir(elsewhere), [], "written through a link")
        kept = [name for name in os.listdir(os.path.join(diode.root(), ".quarantine"))
                if not name.endswith(".reason")]
        t.equal(len(kept), 6, "contents kept in quarantine")

        # now over our own: a path sent as a file, then as a directory
        write(os.path.join(diode.spool(), "good/file/below"), b"x")
        write(os.path.join(diode.spool(), "good2"), b"second")
        rx = settled(diode, 9)
        t.equal(rx["publish.objects_quarantined"], 7, "quarantined: below a file of ours")
        t.equal(rx["publish.objects_published"], 2, "published")
        # somebody changed what we published: no longer ours, so never replaced
        with open(os.path.join(top, "good2"), "ab") as file:
            file.write(b" changed by the office")
        write(os.path.join(diode.spool(), "good2"), b"third")
        rx = settled(diode, 10)
        t.equal(rx["publish.objects_quarantined"], 8, "quarantined: changed under us")
        with open(os.path.join(top, "good2"), "rb") as file:
            t.equal(file.read(), b"second changed by the office", "what the office wrote")


@tap.test
def files_still_being_written(t):
    """Taken only when closed and at rest; never a mixture of two states."""
    netns.require()
    with netns.Path(mtu=9000) as path, Diode(path, t.dir) as diode, Emulator(path, t.dir):
        diode.start_rx()
        diode.start_tx()
        spool = diode.spool()
        slow = open(os.path.join(spool, "slow"), "wb")
        slow.write(b"a" * 100000)
        slow.flush()
        write(os.path.join(spool, "marker"), b"m")
        diode.wait(lambda: os.path.exists(os.path.join(diode.tree(), "marker")), 60,
                   "the marker, which settled at the same time, published")
        time.sleep(1)  # more than settle; the file is open for writing all the while
        t.check(os.path.exists(os.path.join(spool, "slow")), "an open file was taken")
        t.check(not os.path.exists(os.path.join(diode.tree(), "slow")), "it was published")
        slow.write(b"b" * 100000)
        slow.close()
        diode.wait(lambda: os.path.exists(os.path.join(diode.tree(), "slow")), 60,
                   "published once it was closed")
        with open(os.path.join(diode.tree(), "slow"), "rb") as file:
            t.equal(file.read() == b"a" * 100000 + b"b" * 100000, True, "content of slow")
        rewritten(t, diode)
        linked(t, diode)
        t.equal(diode.wait_settled(60)["publish.objects_missing"], 0, "missing")


def rewritten(t, diode):
    """A writer that does not care rewrites one file in place for a while, holding it open:
    whatever is published was whole at one time."""
    states = [bytes([65 + i]) * 400000 for i in range(20)]
    place = os.path.join(diode.spool(), "rewritten")

    def writer():
        for content in states:
            with open(place + ".new" if not os.path.exists(place) else place, "wb") as file:
                for at in range(0, len(content), 50000):
                    file.write(content[at:at + 50000])
                    file.flush()
                    time.sleep(0.002)
            if os.path.exists(place + ".new"):
                os.rename(place + ".new", place)
            time.sleep(0.8 if content[0] % 5 == 0 else 0.05)  # settle is 0.3 s

    thread = threading.Thread(target=writer)
    thread.start()
    thread.join(60)
    target = os.path.join(diode.tree(), "rewritten")
    want = hashlib.sha256(states[-1]).digest()

    def last_state():
        with open(target, "rb") as file:
            return hashlib.sha256(file.read()).digest() == want
    diode.wait(lambda: os.path.exists(target) and last_state(), 60, "the last state published")
    digests = {hashlib.sha256(state).digest() for state in states}
    places = [target] + [os.path.join(where, name) for where, _, names in
                         os.walk(os.path.join(diode.root(), "generations"))
                         for name in names if name == "rewritten"]
    for place in places:
        with open(place, "rb") as file:
            t.check(hashlib.sha256(file.read()).digest() in digests,
                    f"a torn state was published: {place}")
    tap.note(f"{len(places)} states of the rewritten file were published")


def linked(t, diode):
    """Hard links: each name is a file; and one whose other name is written through later."""
    outside = write(os.path.join(diode.dir, "outside-link"), b"first content")
    for name in ("hard-1", "hard-2"):
        os.link(outside, os.path.join(diode.spool(), name))
    names = [os.path.join(diode.tree(), name) for name in ("hard-1", "hard-2")]
    diode.wait(lambda: all(map(os.path.exists, names)), 60, "both names published")
    with open(outside, "wb") as file:
        file.write(b"changed after it was sent")
    for place in names:
        with open(place, "rb") as file:
            t.equal(file.read(), b"first content", f"content of {place}")
        t.equal(os.stat(place).st_nlink, 1, f"links of {place}")


if __name__ == "__main__":
    tap.main()
