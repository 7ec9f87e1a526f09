# SPDX-License-Identifier: ISC
"""TAP output and the small helpers that the command line tests share."""
import os
import subprocess
import sys
import tempfile


class Tap:
    """Prints one TAP line per check; `done` prints the plan and gives the exit code."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def ok(self, good, name, detail=""):
        self.count += 1
        name = name.replace("#", "")
        print(f"{'ok' if good else 'not ok'} {self.count} - {name}")
        if not good:
            self.failed += 1
            for line in str(detail).splitlines():
                print(f"# {line}")
        sys.stdout.flush()
        return good

    def same(self, got, want, name):
        return self.ok(got == want, name, f"got  {got!r}\nwant {want!r}")

    def skip(self, name, why):
        self.count += 1
        print(f"ok {self.count} - {name} # SKIP {why}")

    def done(self):
        print(f"1..{self.count}")
        return 1 if self.failed else 0


def skip_all(why):
    """Ends the program as a whole skipped test."""
    print(f"1..0 # SKIP {why}")
    sys.exit(0)


def run(*args, timeout=60, **more):
    """Runs a command to its end; output as text."""
    return subprocess.run(args, capture_output=True, text=True, timeout=timeout,
                          env={**os.environ, "LC_ALL": "C.UTF-8"}, **more)


def scratch():
    """A temporary directory object; its name has no blank."""
    return tempfile.TemporaryDirectory(prefix="km-cli-")


TX_GLOBAL = {
    "interface": "lo",
    "mtu": "9000",
    "state_dir": "{dir}/tx-state",
    "run_dir": "{dir}/tx-run",
    "key": "{dir}/tx.key",
    "receivers": "{dir}/rx.pub",
}
RX_GLOBAL = {
    "interface": "lo",
    "mtu": "9000",
    "state_dir": "{dir}/rx-state",
    "run_dir": "{dir}/rx-run",
    "key": "{dir}/rx.key",
    "trust": "{dir}/tx.pub",
}
CHANNEL = {
    "number": "7",
    "kind": "files",
    "owner": "Planning",
    "purpose": "Test of the command line",
    "classification": "public",
}


def config_text(side, directory, change=None, channel=None, more=""):
    """A configuration that check accepts, with keys changed (None removes one)."""
    head = dict(TX_GLOBAL if side == "tx" else RX_GLOBAL)
    body = dict(CHANNEL)
    body["spool" if side == "tx" else "root"] = "{dir}/" + side + "-files"
    head.update(change or {})
    body.update(channel or {})
    lines = ["[transmitter]" if side == "tx" else "[receiver]"]
    lines += [f"{k} = {v}" for k, v in head.items() if v is not None]
    lines += ["", "[channel plans]"]
    lines += [f"{k} = {v}" for k, v in body.items() if v is not None]
    return ("\n".join(lines) + "\n" + more).replace("{dir}", directory)


def write_config(side, directory, name=None, **how):
    """Writes such a file and returns its path."""
    path = os.path.join(directory, name or side + ".conf")
    with open(path, "w", encoding="utf-8") as out:
        out.write(config_text(side, directory, **how))
    return path


def make_keys(tx, rx, directory):
    """Both key pairs, as the configurations above name them."""
    for program, side in ((tx, "tx"), (rx, "rx")):
        result = run(program, "keygen", "--key", f"{directory}/{side}.key")
        if result.returncode != 0:
            raise RuntimeError(f"{side} keygen: {result.stderr}")
