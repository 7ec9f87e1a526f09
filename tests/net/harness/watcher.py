# SPDX-License-Identifier: ISC
"""A reader of the published tree who looks at every name the moment it becomes visible.

    with Watcher(diode.tree(), expected) as watcher:
        ...
    watcher.seen, watcher.wrong

expected: {relative path (bytes): set of SHA-256 digests that may ever stand there}. Whatever
else is seen under the tree, at any moment, goes into `wrong`.
"""

import ctypes
import hashlib
import os
import select
import struct
import threading

_IN_CREATE, _IN_MOVED_TO, _IN_MODIFY, _IN_ONLYDIR = 0x100, 0x80, 0x2, 0x01000000
_IN_ISDIR, _IN_Q_OVERFLOW, _IN_IGNORED = 0x40000000, 0x4000, 0x8000
_EVENT = struct.Struct("iIII")
_libc = ctypes.CDLL(None, use_errno=True)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def expect(root, into=None):
    """{relative path: {digest}} of the regular files below @root, added to @into."""
    into = {} if into is None else into
    top = os.fsencode(root)
    for where, _, names in os.walk(top):
        for name in names:
            path = os.path.join(where, name)
            if os.path.isfile(path) and not os.path.islink(path):
                into.setdefault(os.path.relpath(path, top), set()).add(digest(path))
    return into


class Watcher(threading.Thread):
    def __init__(self, root, expected):
        super().__init__(daemon=True)
        self.root, self.expected = os.fsencode(root), expected
        self.seen, self.wrong = 0, []
        self._stop_now = threading.Event()
        self._fd = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._places = {}

    # -- one name ----------------------------------------------------------------------

    def judge(self, path):
        """Read what stands at PATH now and compare it with what may stand there."""
        name = os.path.relpath(path, self.root)
        try:
            found = digest(path)
        except FileNotFoundError:
            return  # replaced or gone again: nothing is visible there
        except (IsADirectoryError, OSError) as error:
            self.wrong.append((name, f"cannot be read: {error}"))
            return
        self.seen += 1
        if name not in self.expected:
            self.wrong.append((name, "nobody sent a file of this name"))
        elif found not in self.expected[name]:
            self.wrong.append((name, "content that nobody sent"))

    def _watch(self, path):
        """Watch a directory first, then look at what was there already."""
        handle = _libc.inotify_add_watch(self._fd, path,
                                         _IN_CREATE | _IN_MOVED_TO | _IN_MODIFY | _IN_ONLYDIR)
        if handle < 0:
            return
        self._places[handle] = path
        try:
            entries = list(os.scandir(path))
        except FileNotFoundError:
            return
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                self._watch(entry.path)
            else:
                self.judge(entry.path)

    # -- the loop ----------------------------------------------------------------------

    def _events(self, data):
        at = 0
        while at < len(data):
            handle, mask, _, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size
            yield handle, mask, data[at:at + length].rstrip(b"\0")
            at += length

    def _read(self):
        try:
            data = os.read(self._fd, 1 << 18)
        except BlockingIOError:
            return
        for handle, mask, name in self._events(data):
            if mask & _IN_Q_OVERFLOW:
                self._watch(self.root)  # start over: every name is judged again
            elif handle in self._places and not mask & _IN_IGNORED:
                path = os.path.join(self._places[handle], name)
                if mask & _IN_ISDIR:
                    self._watch(path)
                else:
                    self.judge(path)

    def run(self):
        while not self._stop_now.is_set():
            if select.select([self._fd], [], [], 0.05)[0]:
                self._read()

    def __enter__(self):
        os.makedirs(self.root, exist_ok=True)
        self._watch(self.root)
        self.start()
        return self

    def __exit__(self, *_):
        self._stop_now.set()
        self.join(30)
        os.close(self._fd)

    def sweep(self):
        """Look at everything once more; for the end of a test."""
        for where, _, names in os.walk(self.root):
            for name in names:
                self.judge(os.path.join(where, name))
