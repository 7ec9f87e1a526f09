# SPDX-License-Identifier: ISC
"""The link emulator, km-linkemu, on a netns.Path.

    with Emulator(path, t.dir, seed=tap.seed(), loss="1%", burst=["1000@5000"]) as emulator:
        ...
        emulator.tell("loss 0")
    emulator.summary["lost"], emulator.lost()[(session, lane)]

Options are those of the command line with _ for -; lists repeat an option, True is a switch.
Leaving the context lets through what is inside, stops it and reads list and summary; it
raises when the emulator itself lost a frame.
"""

import collections
import json
import os
import subprocess

from . import framing
from .procs import Process, find_program

START_SECONDS = 20
RING_MIB = 256  # 1 s at 2 Gbit/s: shared test machines pause that long

Entry = collections.namedtuple(
    "Entry", "number actions lane seq type session why fields")
Entry.__doc__ = """One line of the list. number is the data frame's (None for an announce);
actions a frozenset of lost, truncated, corrupted, duplicated, reordered; lane, seq, type and
session are None where unknown; fields has all key=value texts of the line."""


def _options(options):
    argv = []
    for key, value in options.items():
        name = "--" + key.replace("_", "-")
        if value is True:
            argv.append(name)
        elif isinstance(value, (list, tuple)):
            for item in value:
                argv += [name, str(item)]
        elif value is not None and value is not False:
            argv += [name, str(value)]
    return argv


def _number(text):
    return None if text in (None, "-") else int(text, 0)


def parse_line(line):
    """An Entry, or None for a comment."""
    if line.startswith("#") or not line.strip():
        return None
    number, actions, *rest = line.split()
    fields = dict(part.split("=", 1) for part in rest)
    return Entry(_number(number), frozenset(actions.split("+")), _number(fields["lane"]),
                 _number(fields["seq"]), _number(fields["type"]), _number(fields["session"]),
                 fields.get("why"), fields)


def parse_list(text):
    return [entry for entry in map(parse_line, text.splitlines()) if entry]


def predict(frames, **options):
    """What km-linkemu says it would do to the data frames 0..frames-1: a list of Entry."""
    argv = [find_program("km-linkemu"), "--predict", str(frames), *_options(options)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return parse_list(done.stdout)


class Emulator(Process):
    """km-linkemu between path.emu_in and path.emu_out."""

    def __init__(self, path, directory, name="linkemu", own_loss=False, **options):
        """own_loss: an emulator that loses frames by itself (exit 1) is accepted."""
        self.list_path = os.path.join(directory, name + ".list")
        self.summary_path = os.path.join(directory, name + ".json")
        self.summary = None
        self._answers = 0
        for stale in (self.list_path, self.summary_path):
            if os.path.exists(stale):
                os.unlink(stale)
        argv = [find_program("km-linkemu"), "--in", path.emu_in.name, "--out",
                path.emu_out.name, "--log", self.list_path, "--summary", self.summary_path,
                "--stdin-control", *_options({"ring_mib": RING_MIB, **framing.emulator_options(),
                                              **options})]
        super().__init__(argv, directory, name, ns=path.emu_in.ns, stdin=True,
                         expect=(0, 1) if own_loss else (0,))
        try:
            ready = self.wait_line(r"km-linkemu ready .*seed=(\d+)", START_SECONDS, "out")
        except BaseException:
            self.kill()
            raise
        self.seed = int(ready[1])

    def command(self, line):
        """Change the schedule ("loss 1%", "drop on", "burst 10", "clear", "mark ..."); the
        number of the data frame from which on it holds."""
        answer = self._ask(line)
        if not answer.startswith("ok at "):
            raise ValueError(f"km-linkemu: {line}: {answer}")
        return int(answer.split()[2].rstrip(":"))

    def status(self):
        """The counts so far, as in summary."""
        return json.loads(self._ask("status"))

    def _ask(self, line):
        self._answers += 1
        self.tell(line)
        return self.wait_line(r"^(ok at .*|error .*|\{.*\})$", 20, "out", self._answers)[1]

    def stop(self, timeout=60, **kwargs):
        """Let through what is inside, end it, read the summary."""
        code = super().stop(timeout, **kwargs)
        with open(self.summary_path, encoding="ascii") as file:
            self.summary = json.load(file)
        return code

    def entries(self):
        """The list: complete after the end, before that as far as it was written."""
        with open(self.list_path, encoding="ascii") as file:
            return parse_list(file.read())

    def lost(self):
        """Lost data frames: {(session, lane): sorted list of lane sequences}."""
        found = collections.defaultdict(list)
        for entry in self.entries():
            if "lost" in entry.actions and entry.number is not None:
                found[(entry.session, entry.lane)].append(entry.seq)
        return {key: sorted(value) for key, value in found.items()}
