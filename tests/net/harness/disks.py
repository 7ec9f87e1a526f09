# SPDX-License-Identifier: ISC
"""File systems of a test's own: small ones that fill up, and ext4 images that are copied as
they lie on the disk at one moment, as if the power went then.

    with Ext4.make(directory, "rx", 256) as disk: ... disk.place, disk.copy(to)
    with OnDisks(path, directory, tx_disk, rx_disk) as diode: ...
"""

import os
import subprocess
import time

from . import cleanup, netns
from .diode import Diode
from .tap import Skip


class Tmpfs:
    """A small file system; a context manager."""

    def __init__(self, place, mib):
        self.place = place
        os.makedirs(place, exist_ok=True)
        netns.run("mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=755", "km-test", place)
        self._undo = cleanup.push(self.close)

    def close(self):
        cleanup.cancel(self._undo)
        netns.run("umount", "-l", self.place)

    def fill(self):
        """Take all that is left; the file to remove for it to come back."""
        place = os.path.join(self.place, "filler")
        with open(place, "ab", buffering=0) as file:
            for size in (1 << 20, 1 << 16, 4096, 512):
                try:
                    while True:
                        file.write(b"f" * size)
                except OSError:
                    continue
        return place

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Ext4:
    """An ext4 image on a loop device, mounted at .place; a context manager."""

    def __init__(self, image, place):
        """Mount what is there."""
        self.image, self.place = image, place
        os.makedirs(place, exist_ok=True)
        self.device = netns.run("losetup", "--find", "--show", image).strip()
        self._undo = cleanup.push(self.close)
        try:
            netns.run("mount", "-t", "ext4", self.device, place)
        except BaseException:
            self.close()
            raise

    @classmethod
    def make(cls, directory, name, mib):
        image = os.path.join(directory, name + ".img")
        with open(image, "wb") as file:
            file.truncate(mib << 20)
        netns.run("mkfs.ext4", "-q", "-F", "-J", "size=4", "-E",
                  "lazy_itable_init=0,lazy_journal_init=0,nodiscard", image)
        return cls(image, os.path.join(directory, name))

    def written(self):
        """Sectors that the device was told to write so far."""
        with open(f"/sys/block/{os.path.basename(self.device)}/stat", encoding="ascii") as file:
            return int(file.read().split()[6])

    def copy(self, to):
        """The image as it is at one moment: the copy is taken again when something was
        written meanwhile. Whoever writes should stand still."""
        for _ in range(50):
            before = self.written()
            netns.run("cp", "--sparse=always", self.image, to)
            if self.written() == before:
                return to
            time.sleep(0.02)
        raise RuntimeError(f"{self.image} is written to all the time")

    def close(self):
        cleanup.cancel(self._undo)
        netns.run("umount", self.place, check=False)
        netns.run("losetup", "--detach", self.device, check=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def require_loop(directory):
    """Skip unless an ext4 image can be mounted here."""
    try:
        with Ext4.make(directory, "probe", 16):
            pass
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        raise Skip(f"no loop-mounted ext4 here: {error}") from error
    os.unlink(os.path.join(directory, "probe.img"))


class OnDisks(Diode):
    """A diode whose spool and tx state, or root and rx state, lie on file systems of their
    own. None: in the test's directory."""

    def __init__(self, path, directory, tx_disk=None, rx_disk=None, tx=None, rx=None, **how):
        self.tx_disk, self.rx_disk = tx_disk, rx_disk
        if tx_disk:
            tx = {"state_dir": os.path.join(tx_disk, "state"), **(tx or {})}
        if rx_disk:
            rx = {"state_dir": os.path.join(rx_disk, "state"), **(rx or {})}
        super().__init__(path, directory, tx=tx, rx=rx, **how)

    def spool(self, channel=None):
        return os.path.join(self.spool_root(channel), "in")

    def spool_root(self, channel=None):
        if not self.tx_disk:
            return super().spool_root(channel)
        return os.path.join(self.tx_disk, "spool")

    def root(self, channel=None):
        if not self.rx_disk:
            return super().root(channel)
        return os.path.join(self.rx_disk, "root")
