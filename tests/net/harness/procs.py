# SPDX-License-Identifier: ISC
"""Processes of a test: started in a namespace, their output in files, stopped by pid only.

A process that died without being asked to fails the test that owns it: leaving the context
raises, and so does one that leaves children behind. Everything started dies with the test,
also when the test is killed (with the thread that started it: start from the main thread).
"""

import ctypes
import os
import re
import signal
import subprocess
import time

from . import cleanup

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Died(Exception):
    """A process ended that should not have, or did not do what was waited for."""


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Process:
    """A running command.

    ns       Namespace to run in, or None
    name     names the output files: <directory>/<name>.out and .err, appended to
    expect   exit codes that are in order when it ends by itself or by stop()
    stdin    True: `tell()` writes to it
    """

    def __init__(self, argv, directory, name, ns=None, env=None, expect=(0,), stdin=False):
        self.argv, self.name, self.expect = list(argv), name, tuple(expect)
        self.out_path = os.path.join(directory, name + ".out")
        self.err_path = os.path.join(directory, name + ".err")
        self._asked = False
        full = ns.argv(self.argv) if ns else self.argv
        with open(self.out_path, "ab") as out, open(self.err_path, "ab") as err:
            self._out_at, self._err_at = out.tell(), err.tell()
            self._process = subprocess.Popen(
                full, stdin=subprocess.PIPE if stdin else subprocess.DEVNULL, stdout=out,
                stderr=err, env={**os.environ, **(env or {})}, start_new_session=True,
                preexec_fn=_die_with_parent)
        self.pid = self._process.pid
        self._undo = cleanup.push(self._kill_quietly)

    # -- what it says ------------------------------------------------------------------

    def output(self, stream="err"):
        """What this process (not an earlier one of the same name) has written."""
        path, at = ((self.err_path, self._err_at) if stream == "err"
                    else (self.out_path, self._out_at))
        with open(path, "rb") as file:
            file.seek(at)
            return file.read().decode("utf-8", "backslashreplace")

    def tail(self, lines=20):
        text = "\n".join((self.output("out") + self.output("err")).splitlines()[-lines:])
        return f"{self.name} (pid {self.pid}) said last:\n{text}"

    def wait_line(self, pattern, timeout, stream="err", count=1):
        """Wait for the count-th whole line that @pattern is found in; the match object."""
        regex = re.compile(pattern)
        end = time.monotonic() + timeout
        while True:
            running = self.running
            whole = self.output(stream).rpartition("\n")[0]
            matches = [m for m in map(regex.search, whole.split("\n")) if m]
            if len(matches) >= count:
                return matches[count - 1]
            if not running:
                raise Died(f"{self.name} ended (exit {self.code}) before it said "
                           f"/{pattern}/\n{self.tail()}")
            if time.monotonic() > end:
                raise Died(f"{self.name} did not say /{pattern}/ within {timeout} s\n"
                           f"{self.tail()}")
            time.sleep(0.01)

    def tell(self, line):
        """Write a line to its standard input."""
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    # -- whether it runs ---------------------------------------------------------------

    @property
    def running(self):
        return self._process.poll() is None

    @property
    def code(self):
        """Exit code; negative = the signal it died of; None while it runs."""
        return self._process.poll()

    def check_alive(self):
        if not self.running:
            raise Died(f"{self.name} ended by itself: {_how(self.code)}\n{self.tail()}")

    def wait(self, timeout):
        """Wait until it ends by itself; its exit code."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Died(f"{self.name} did not end within {timeout} s\n{self.tail()}") from None
        return self._finish()

    def send_signal(self, number):
        self.check_alive()
        self._process.send_signal(number)

    def stop(self, timeout=30, number=signal.SIGTERM):
        """End it in order; its exit code, which must be among the expected ones."""
        if self.running:
            self._asked = True
            self._process.send_signal(number)
        elif not self._asked:
            self._finish()
            if self.code not in self.expect:
                raise Died(f"{self.name} had ended: {_how(self.code)}\n{self.tail()}")
        return self._end(timeout)

    def close_stdin(self, timeout=30):
        """End it by the end of its standard input; its exit code, as for stop()."""
        self._asked = True
        self._process.stdin.close()
        return self._end(timeout)

    def _end(self, timeout):
        code = self.wait(timeout)
        if code not in self.expect:
            raise Died(f"{self.name}: {_how(code)}, want exit {self.expect}\n{self.tail()}")
        left = self._end_group()
        if left:
            raise Died(f"{self.name} left processes behind: {left}\n{self.tail()}")
        return code

    def kill(self):
        """SIGKILL, as a crash would; no expectation on how it ends. What had to be killed as
        well because it outlived the process by 5 s: a list of commands, which a test of a
        daemon wants to be empty."""
        self._asked = True
        if self.running:
            self._process.kill()
            self._process.wait(30)
        self._finish()
        return self._end_group()

    def _end_group(self, timeout=5):
        """Wait for the rest of the process group to go, then kill it; what was killed."""
        end = time.monotonic() + timeout
        while left := group(self.pid):
            if time.monotonic() > end:
                names = [f"{pid} {command(pid)}" for pid in left]
                os.killpg(self.pid, signal.SIGKILL)
                return names
            time.sleep(0.01)
        return []

    def _finish(self):
        cleanup.cancel(self._undo)
        if self._process.stdin:
            self._process.stdin.close()
        return self._process.returncode

    def _kill_quietly(self):
        if self.running:
            self._process.kill()
            self._process.wait(30)
        self._end_group(1)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.kill()
        elif not self._asked or self.running:
            self.stop()

    # -- the roles of a daemon ---------------------------------------------------------

    def roles(self):
        """{role: pid} of the children, named as in their argv[0], `katamichi-rx: decode`."""
        found = {}
        for pid in children(self.pid):
            match = re.match(r"katamichi-[a-z]+: ([a-z-]+)", command(pid))
            if match:
                found[match[1]] = pid
        return found

    def role_pid(self, role, timeout=10):
        """The pid of a role; waits for it to be there."""
        end = time.monotonic() + timeout
        while True:
            roles = self.roles()
            if role in roles:
                return roles[role]
            if time.monotonic() > end:
                raise Died(f"{self.name} has no role {role}, only {sorted(roles)}\n"
                           f"{self.tail()}")
            time.sleep(0.005)

    def kill_role(self, role, number=signal.SIGKILL):
        """Kill a role by its pid, which is returned."""
        pid = self.role_pid(role)
        os.kill(pid, number)
        return pid


def _how(code):
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit {code}"


def children(pid):
    """Pids of the direct children of @pid (of all its threads)."""
    found = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                found += map(int, file.read().split())
    except OSError:
        pass
    return found


def group(number):
    """Pids of the living members of a process group."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat", "rb") as file:
                state, _, pgrp = file.read().rpartition(b")")[2].split()[:3]
        except OSError:
            continue
        if int(pgrp) == number and state not in b"ZX":
            found.append(int(entry))
    return found


def command(pid):
    """argv of @pid as one text, empty when it is gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""


def find_program(name):
    """Full path of a program under test: $KM_LINKEMU, $KATAMICHI_TX, ... or below
    $KM_BUILD_DIR."""
    exact = os.environ.get(name.upper().replace("-", "_"))
    if exact:
        return exact
    build = os.environ.get("KM_BUILD_DIR", "")
    for path in (os.path.join(build, place) for place in (
            f"tests/net/{name}", f"tests/net/lib{name}.so", f"tests/bench/{name}", f"tx/{name}",
            f"rx/{name}")):
        if build and os.access(path, os.X_OK):
            return path
    raise RuntimeError(f"{name}: not found; set KM_BUILD_DIR to the build directory")
