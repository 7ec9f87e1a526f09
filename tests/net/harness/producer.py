# SPDX-License-Identifier: ISC
"""A producer beside the test: files into a spool by rename, and what must come out.

    with Producer(diode, rng) as producer:
        ...
    diode.wait_settled(60)
    t.equal(producer.judge(diode.tree()), [], "published tree")
"""

import hashlib
import os
import threading


class Producer(threading.Thread):
    """size: bytes, from and to; pause: seconds between two files; prefix: names begin so;
    large: every 40th file has so many bytes; sync: a file is on the disk before it counts.
    Who holds .lock stands between two files."""

    def __init__(self, diode, rng, size=(0, 20000), pause=0.01, prefix=b"p", large=None,
                 sync=False):
        super().__init__(daemon=True)
        self.diode, self.rng, self.size, self.pause = diode, rng, size, pause
        self.prefix, self.large, self.sync = prefix, large, sync
        self.lock = threading.Lock()
        self.expected, self.count = {}, 0
        self.failed = None
        self._end = threading.Event()
        self._outside = os.path.join(os.fsencode(diode.spool_root()), b"outside-" + prefix)
        os.makedirs(self._outside, exist_ok=True)

    def put(self, content, name=None):
        """One file; a name may have slashes. Its name."""
        with self.lock:
            if name is None:
                name = b"%s/d%02d/f%05d" % (self.prefix, self.count % 17, self.count)
            place = os.path.join(self._outside, b"new")
            with open(place, "wb") as file:
                file.write(content)
                if self.sync:
                    file.flush()
                    os.fsync(file.fileno())
            target = os.path.join(os.fsencode(self.diode.spool()), name)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            self.expected[name] = hashlib.sha256(content).digest()
            os.rename(place, target)
            if self.sync:
                self._sync_above(os.path.dirname(target))
            self.count += 1
            return name

    def _sync_above(self, place):
        """The directory and those above it, up to the spool."""
        top = os.fsencode(self.diode.spool_root())
        while place.startswith(top):
            fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
            os.fsync(fd)
            os.close(fd)
            place = os.path.dirname(place)

    def put_some(self, count):
        for _ in range(count):
            self.put(self.rng.randbytes(self.rng.randint(*self.size)))

    def run(self):
        try:
            while not self._end.wait(self.pause):
                if self.large and self.count % 40 == 39:
                    self.put(self.rng.randbytes(self.large))
                else:
                    self.put_some(1)
        except OSError as error:
            self.failed = error

    def stop(self):
        self._end.set()
        if self.is_alive():
            self.join(60)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def judge(self, root):
        """What is wrong with the published tree, a list of texts; [] is good."""
        top, wrong = os.fsencode(root), []
        found = set()
        for where, _, names in os.walk(top):
            for name in names:
                path = os.path.join(where, name)
                relative = os.path.relpath(path, top)
                found.add(relative)
                with open(path, "rb") as file:
                    digest = hashlib.file_digest(file, "sha256").digest()
                if relative not in self.expected:
                    wrong.append(f"nobody sent {relative!r}")
                elif self.expected[relative] != digest:
                    wrong.append(f"other content: {relative!r}")
        return wrong + [f"missing: {name!r}" for name in sorted(set(self.expected) - found)]


def wait_all(diode, producer, timeout):
    """Until every file of a stopped producer is published."""
    producer.stop()
    if producer.failed:
        raise producer.failed
    diode.wait(lambda: not any(text.startswith(("missing", "other"))
                               for text in producer.judge(diode.tree())),
               timeout, "every file published")
