# SPDX-License-Identifier: ISC
"""When the transmitter claimed the first file, without asking it: inotify on the spool."""

import ctypes
import os
import select
import threading
import time

_IN_MOVED_FROM = 0x40
_libc = ctypes.CDLL(None, use_errno=True)


class Claim(threading.Thread):
    """Notes the time at which the first name is moved out of the directories. They may be
    renamed between making this and starting it: a watch is on the directory, not on its name.

        claim = Claim([directory, ...])
        ...
        claim.at_ns     CLOCK_REALTIME, None before it happened
    """

    def __init__(self, directories):
        super().__init__(daemon=True)
        self.at_ns = None
        self._fd = _libc.inotify_init1(os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        for path in directories:
            if _libc.inotify_add_watch(self._fd, os.fsencode(path), _IN_MOVED_FROM) < 0:
                number = ctypes.get_errno()
                raise OSError(number, f"inotify watch on {path}: {os.strerror(number)}")
        self._end_read, self._end_write = os.pipe2(os.O_CLOEXEC)
        self.start()

    def run(self):
        ready, _, _ = select.select([self._fd, self._end_read], [], [])
        if self._fd in ready:
            self.at_ns = time.time_ns()
        os.close(self._fd)  # the rest would only cost

    def close(self):
        os.close(self._end_write)
        self.join(10)
        os.close(self._end_read)
