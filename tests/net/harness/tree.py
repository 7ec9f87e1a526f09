# SPDX-License-Identifier: ISC
"""Directory trees: made from a seed, compared byte by byte. Paths are bytes throughout, as
Linux has them.

    rng = tap.rng("tree")
    tree.make_files(root, 10000, 4096, rng)      # in directories of 500
    tree.make_awkward(root, rng)                 # names, depths, modes; all of it is policy
    refused = tree.make_refused(root)            # what policy refuses, by relative path
    difference = tree.compare(root, published, ignore=refused)
    t.check(difference.good, difference)
"""

import os
import random
import shutil
import socket
import stat

CHUNK_BYTES = 1 << 20
PATH_BYTES_MAX = 1024  # of a name on the wire, relative to the channel's root
NAME_BYTES_MAX = 255
_YEAR = 365 * 86400
_EPOCH_2020 = 1577836800

# Shift_JIS: the second byte of the first three is 0x5C, the backslash.
SHIFT_JIS_NAMES = [text.encode("shift_jis") for text in (
    "表示.txt", "ソース.dat", "能力一覧", "運行図表.csv", "駅名ﾃﾞｰﾀ.txt")]
AWKWARD_NAMES = [
    b" leading and trailing ", b"-rf", b"--help", b"*", b"?[a]", b"$HOME `x`", b"a;b&c|d",
    b"'single' \"double\"", b"back\\slash", b"\\", b"...", b"..a", b"a..", b"a.", b".hidden",
    b"~", b"#comment", b"%s%n", b"a=b", b"#1 # 2", b"\xff\xfe\x80", b"\xc0\xaf", b"\xc2\x85",
    "日本語の名前".encode(), "e\u0301 é".encode(), "\u202etxt.exe".encode(),
    b"x" * NAME_BYTES_MAX, "駅".encode() * 85,
]
MODES = [0o600, 0o644, 0o755, 0o777, 0o400, 0o000, 0o4755, 0o2755, 0o1777, 0o6777]


def _bytes(path):
    return os.fsencode(path)


def random_bytes(rng, size):
    """@size bytes from @rng: not compressible, quick to make."""
    return rng.randbytes(size)


def make_file(path, size, rng, mode=0o644, mtime_ns=None):
    """One file of random content (any size: written in chunks), parents included."""
    path = _bytes(path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        while size > 0:
            file.write(random_bytes(rng, min(size, CHUNK_BYTES)))
            size -= CHUNK_BYTES
    os.chmod(path, mode)
    if mtime_ns is None:
        # nanoseconds that no coarser clock would keep
        mtime_ns = (_EPOCH_2020 + rng.randrange(5 * _YEAR)) * 10**9 + rng.randrange(10**9)
    os.utime(path, ns=(mtime_ns, mtime_ns))
    return path


def make_files(root, count, size, rng, per_directory=500):
    """@count files; @size bytes each, or between the two of a pair."""
    root = _bytes(root)
    for i in range(count):
        directory = b"d%04d" % (i // per_directory)
        bytes_ = size if isinstance(size, int) else rng.randint(*size)
        make_file(os.path.join(root, directory, b"f%06d.bin" % i), bytes_, rng)


def make_deep(root, rng, name_bytes=40):
    """A file as deep as a path may be: exactly PATH_BYTES_MAX bytes."""
    parts, used, level = [], 0, 0
    while PATH_BYTES_MAX - used > 2 * (name_bytes + 1):
        parts.append((b"level%03d-" % level).ljust(name_bytes, b"d"))
        used += name_bytes + 1
        level += 1
    parts.append(b"f" * (PATH_BYTES_MAX - used))
    return make_file(os.path.join(_bytes(root), *parts), 1000, rng)


def make_awkward(root, rng):
    """Everything odd that policy accepts: names in any bytes, empty files and directories,
    odd modes, extreme times, sizes around powers of two, depth. Returns what is refused all
    the same, as paths below @root: the file that nobody may read, which a transmitter without
    capabilities cannot."""
    root = _bytes(root)
    for name in AWKWARD_NAMES + SHIFT_JIS_NAMES:
        make_file(os.path.join(root, b"names", name), rng.randint(1, 3000), rng)
        make_file(os.path.join(root, b"directories", name[:200], b"inside"), 10, rng)
    for mode in MODES:
        make_file(os.path.join(root, b"modes", b"%04o" % mode), 100, rng, mode)
    for i, bits in enumerate((0, 1, 4, 10, 12, 13, 16, 20)):
        for size in {max(0, (1 << bits) - 1), 1 << bits, (1 << bits) + 1}:
            make_file(os.path.join(root, b"sizes", b"%d-%d" % (i, size)), size, rng)
    for i in range(20):
        make_file(os.path.join(root, b"empty-files", b"%d" % i), 0, rng)
        os.makedirs(os.path.join(root, b"empty-directories", b"%d" % i, b"a", b"b"))
    for name, seconds in ((b"1970", 1), (b"2038", 1 << 31), (b"2099", 4070908800)):
        make_file(os.path.join(root, b"times", name), 10, rng, mtime_ns=seconds * 10**9 + 1)
    make_deep(os.path.join(root), rng)
    return {b"modes/0000"}


def make_refused(root):
    """What policy refuses: links, devices, FIFOs, sockets, control characters. The set of
    the relative paths."""
    root = _bytes(root)
    directory = os.path.join(root, b"refused")
    os.makedirs(directory)
    made = []

    def path(name):
        made.append(os.path.join(b"refused", name))
        return os.path.join(directory, name)

    os.symlink(b"/etc/passwd", path(b"link-out"))
    os.symlink(b"nowhere", path(b"link-dangling"))
    os.symlink(b"..", path(b"link-directory"))
    os.mkfifo(path(b"fifo"))
    for name in (b"new\nline", b"tab\there", b"esc\x1b[31m", b"del\x7f", b"\x01"):
        with open(path(name), "wb") as file:
            file.write(b"refused for its name\n")
    sock = socket.socket(socket.AF_UNIX)
    here = os.open(b".", os.O_RDONLY | os.O_DIRECTORY)
    try:  # the path of a socket may be 107 bytes only, hence from inside
        os.chdir(directory)
        sock.bind(b"socket")
        made.append(b"refused/socket")
    finally:
        os.fchdir(here)
        os.close(here)
        sock.close()
    try:
        os.mknod(path(b"null-device"), stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        made.pop()
    return set(made)


def copy(source, target):
    """Copy what is in @source into @target: contents, modes, times, links as links, FIFOs and
    devices as such (sockets become FIFOs)."""
    def one(path, other):
        if os.path.isfile(path):
            return shutil.copy2(path, other)
        info = os.lstat(path)
        kind = stat.S_IFIFO if stat.S_ISSOCK(info.st_mode) else stat.S_IFMT(info.st_mode)
        os.mknod(other, kind | 0o600, info.st_rdev)
        return other
    shutil.copytree(_bytes(source), _bytes(target), symlinks=True, copy_function=one,
                    dirs_exist_ok=True)


def objects(root, ignore=()):
    """How many objects a tree is for the transmitter: regular files and empty directories,
    without those to @ignore."""
    found = scan(root)
    full = {os.path.dirname(path) for path in found}
    return sum(path not in ignore and (stat.S_ISREG(info.st_mode) or
                                       (stat.S_ISDIR(info.st_mode) and path not in full))
               for path, info in found.items())


def scan(root):
    """{relative path: stat} of all files and directories below @root; links are not
    followed. Without recursion: trees may be deep."""
    root, found, todo = _bytes(root), {}, [b""]
    while todo:
        inside = todo.pop()
        with os.scandir(os.path.join(root, inside) if inside else root) as entries:
            for entry in entries:
                relative = os.path.join(inside, entry.name)
                found[relative] = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(found[relative].st_mode):
                    todo.append(relative)
    return found


def same_content(one, two):
    with open(one, "rb", buffering=0) as a, open(two, "rb", buffering=0) as b:
        while True:
            x, y = a.read(CHUNK_BYTES), b.read(CHUNK_BYTES)
            if x != y:
                return False
            if not x:
                return True


class Difference:
    """What compare() found; lists of relative paths."""

    def __init__(self):
        self.missing, self.extra, self.content, self.kind, self.mtime = [], [], [], [], []
        self.files = self.directories = self.bytes = 0

    @property
    def good(self):
        return not (self.missing or self.extra or self.content or self.kind or self.mtime)

    def __str__(self):
        lines = [f"compared {self.files} files, {self.directories} directories, "
                 f"{self.bytes} bytes"]
        for what in ("missing", "extra", "content", "kind", "mtime"):
            paths = sorted(getattr(self, what))
            if paths:
                lines.append(f"{what} ({len(paths)}):")
                lines += [f"  {path!r}" for path in paths[:20]]
        return "\n".join(lines)


def compare(want_root, got_root, ignore=(), mtime=True, content=True):
    """Compare two trees: every file and directory of @want_root must be in @got_root with
    the same bytes (and mtime of files), and nothing else. @ignore: relative paths that need
    not be there, and must not."""
    want, got, result = scan(want_root), scan(got_root), Difference()
    ignore = set(map(_bytes, ignore))
    want = {path: s for path, s in want.items() if path not in ignore}
    # a directory that holds only what is ignored may or may not be there
    only_ignored = {os.path.dirname(path) for path in ignore} - {b""}
    for path in only_ignored:
        if not any(p.startswith(path + b"/") for p in want):
            want.pop(path, None)
            got.pop(path, None)
    result.missing = [path for path in want if path not in got]
    result.extra = [path for path in got if path not in want]
    for path in want.keys() & got.keys():
        _compare_one(want_root, got_root, path, want[path], got[path], mtime, content, result)
    return result


def _compare_one(want_root, got_root, path, want, got, mtime, content, result):
    if stat.S_IFMT(want.st_mode) != stat.S_IFMT(got.st_mode):
        result.kind.append(path)
        return
    if stat.S_ISDIR(want.st_mode):
        result.directories += 1
        return
    result.files += 1
    result.bytes += want.st_size
    if want.st_size != got.st_size or (content and stat.S_ISREG(want.st_mode) and not
                                       same_content(os.path.join(_bytes(want_root), path),
                                                    os.path.join(_bytes(got_root), path))):
        result.content.append(path)
    elif mtime and want.st_mtime_ns != got.st_mtime_ns:
        result.mtime.append(path)


def totals(root):
    """(regular files, directories, bytes) below @root."""
    found = scan(root).values()
    files = [s for s in found if stat.S_ISREG(s.st_mode)]
    return len(files), sum(stat.S_ISDIR(s.st_mode) for s in found), sum(
        s.st_size for s in files)


def flip_bit(path, seed=0):
    """Change one bit of a file in place, keeping size and mtime: for tests of compare()."""
    path = _bytes(path)
    before = os.stat(path)
    at = random.Random(seed).randrange(before.st_size)
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
