# SPDX-License-Identifier: ISC
"""Frames straight into the receiver's port, counted by what becomes of them.

    hostile = Hostile(t, diode, path)
    hostile.refuse(frames, "noise", refused_short=len(frames))
    hostile.finish()
"""

import time

from . import account, framing, rawframe, stats, tap

ETH = rawframe.ETH_BYTES
CHUNK = 1000  # frames between two looks at how far rx is
REFUSED = ["decode.refused_" + name for name in account.REFUSED]
# A role's memory is faulted in at start; this is room for the allocator, not for growth.
RSS_SLACK_KIB = {"keeper": 512, "decode": 1024, "publish": 4096}  # publish: its ledger grows


class Hostile:
    """Frames straight into the receiver's port, and what rx counts meanwhile."""

    def __init__(self, t, diode, path):
        self.t, self.diode = t, diode
        self.sock = rawframe.sender(path.emu_out)
        self.settle()
        self.roles = diode.rx.roles()
        self.memory = self._memory()

    def _memory(self):
        return {role: stats.memory_kib(pid) for role, pid in self.diode.rx.roles().items()}

    def counters(self):
        return self.diode.counters("rx")

    def settle(self):
        """Nothing waits for an announce or for the keeper's word: what is held may yet be
        taken, and would be missed in a sum of what was refused."""
        self.diode.wait(lambda: not self.counters()["decode.held"], 60, "nothing held at rx")

    @staticmethod
    def _refused(rx):
        """Frames that were not taken, or wait for a judgement."""
        return sum(rx[name] for name in REFUSED) + rx["decode.foreign"] + rx["decode.held"]

    def send(self, frames, pause=0):
        """Send, never faster than rx takes it."""
        for at in range(0, len(frames), CHUNK):
            part = frames[at:at + CHUNK]
            seen = self.counters()["decode.seen"] + len(part)
            for frame in part:
                self.sock.send(frame)
                if pause:
                    time.sleep(pause)
            self.diode.wait(lambda: self.counters()["decode.seen"] >= seen, 60,
                            "rx has seen the frames sent into its port")

    def barrier(self, frame):
        """Wait until rx has handled all that was sent before: behind it goes FRAME with a wire
        version that nothing else has, and the ring keeps the order."""
        before = self.counters()["decode.refused_version"]
        self.sock.send(frame[:ETH] + b"\xee" + frame[ETH + 1:])
        self.diode.wait(lambda: self.counters()["decode.refused_version"] > before, 60,
                        "rx has handled the frames sent into its port")

    def refuse(self, frames, what, pause=0, **exact):
        """Send frames of which none may be taken. What each counter has grown by; `exact`
        names counters that must have grown by just that."""
        before = self.counters()
        want = self._refused(before) + sum(map(parts, frames))
        self.send(frames, pause)

        def counted():
            # an announce is only held until the keeper has judged it: exact counts come later
            now = self.counters()
            return self._refused(now) >= want and all(
                now["decode." + name] - before["decode." + name] >= count
                for name, count in exact.items()) and now
        after = self.diode.wait(counted, 60, f"{what}: all counted as refused, as {exact}")
        grown = {name: after[name] - before[name] for name in after}
        self.t.equal(self._refused(after), want, f"{what}: refused, foreign and held")
        for name, count in exact.items():
            self.t.equal(grown["decode." + name], count, f"{what}: {name}")
        tap.note(f"{what}: {len(frames)} frames, " + ", ".join(
            f"{name[7:]} {grown[name]}" for name in [*REFUSED, "decode.foreign"]
            if grown[name]))
        return grown

    def finish(self):
        """Roles are those that were there, and no larger."""
        self.t.equal(self.diode.rx.roles(), self.roles, "roles of rx and their pids")
        self.t.check("role.died" not in self.diode.rx.output(), "a role died")
        rx = self.counters()
        self.t.equal(rx["supervisor.role_restarts"], 0, "roles started again")
        self.t.equal(rx["decode.kernel_drops"], 0, "frames our own ring dropped")
        account.check_sums(self.t, self.diode.wait_quiet(60))
        if sanitized(self.diode.rx_program):
            tap.note("a sanitizer keeps freed memory: RSS is not judged")
            return
        for role, now in self._memory().items():
            then = self.memory[role]
            tap.note(f"{role}: RSS less ring {then['rss'] - then['ring']} -> "
                     f"{now['rss'] - now['ring']} KiB")
            self.t.check(now["rss"] - now["ring"]
                         <= then["rss"] - then["ring"] + RSS_SLACK_KIB[role],
                         f"{role} has grown: {then} -> {now}")


def parts(frame):
    """As how many frames rx sees this one. A datagram may be a train, whose pieces have the size
    of the first frame: a length that was made smaller leaves pieces, refused one by one."""
    head = rawframe.read_header(frame)
    if not framing.UDP or not head or head.version != 1 or head.type != rawframe.SOURCE:
        return 1
    return max(1, -(-(len(frame) - ETH) // (56 + head.payload_bytes)))


def sanitized(program):
    with open(program, "rb") as file:
        return b"__asan_init" in file.read()


def log_lines(process, event):
    return [line for line in process.output().splitlines() if event in line]
