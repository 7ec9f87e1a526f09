# SPDX-License-Identifier: ISC
"""Memory that is ready when a transfer wants it.

A virtual machine may get a page from its host only when it is touched, and give it back soon
after it was freed; that costs a second and more for each GiB, which is more than all that is
measured here. So memory is touched and held beforehand, and freed while the transfer writes what
it carries: a little ahead of it, so that little is free long enough to be given back.
"""

import mmap
import threading

from setting import MIB

CHUNK = 32 * MIB
TOUCHED = b"\x5a" * CHUNK
AHEAD = 384 * MIB  # free beyond what has been written
LOOK_SECONDS = 0.01


def of_meminfo(name):
    """Bytes that /proc/meminfo says."""
    with open("/proc/meminfo", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name))


class Ballast(threading.Thread):
    """SIZE bytes of memory for files in tmpfs that are written while the context is open."""

    def __init__(self, size):
        super().__init__(daemon=True)
        size = min(size, of_meminfo("MemAvailable") // 2)
        self.held = [self._chunk() for _ in range(size // CHUNK)]
        self.total = len(self.held) * CHUNK
        self.end = threading.Event()
        self.begin = 0

    @staticmethod
    def _chunk():
        chunk = mmap.mmap(-1, CHUNK, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        chunk.madvise(mmap.MADV_HUGEPAGE)
        chunk[:] = TOUCHED
        return chunk

    def _free(self, size):
        """SIZE bytes in all are free from now on."""
        while self.held and self.total - len(self.held) * CHUNK < size:
            self.held.pop().close()

    def run(self):
        while self.held and not self.end.wait(LOOK_SECONDS):
            self._free(of_meminfo("Shmem:") - self.begin + AHEAD)

    def __enter__(self):
        self.begin = of_meminfo("Shmem:")
        self._free(AHEAD)
        self.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.join()
        self._free(self.total)
