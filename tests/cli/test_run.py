# SPDX-License-Identifier: ISC
"""The daemons as an operator meets them: what refuses to start says why in one line and with
the right code; what runs survives the death of a role and of its interface, and stops in order.

Runs in a network namespace of its own, with both daemons on the two ends of a veth pair.

usage: test_run.py KATAMICHI-TX KATAMICHI-RX
"""
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
import zlib

from cli_tap import Tap, make_keys, run, scratch, skip_all, write_config

INSIDE = "KM_CLI_INSIDE"
TX_PORT, RX_PORT = "kmcli0", "kmcli1"


def enter_namespace():
    """Starts this program again where interfaces may be made, or skips."""
    how = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
    probe = subprocess.run(how + ["ip", "link", "add", TX_PORT, "type", "veth", "peer", "name",
                                  RX_PORT], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        skip_all(f"no network namespace with veth here: {probe.stderr.strip()[:60]}")
    os.environ[INSIDE] = "1"
    os.execvp(how[0], how + [sys.executable, "-B"] + sys.argv)


def make_link():
    run("ip", "link", "add", TX_PORT, "mtu", "9000", "type", "veth", "peer", "name", RX_PORT,
        "mtu", "9000", check=True)
    for port in (TX_PORT, RX_PORT):
        with open(f"/proc/sys/net/ipv6/conf/{port}/disable_ipv6", "w", encoding="ascii") as out:
            out.write("1")
        run("ip", "link", "set", port, "up", check=True)


class Daemon:
    """One daemon in the background, its log in a file."""

    def __init__(self, program, config, directory):
        self.program, self.config = program, config
        self.path = os.path.join(directory, os.path.basename(program) + ".log")
        self.log = open(self.path, "w+b", buffering=0)  # pylint: disable=consider-using-with
        self.process = subprocess.Popen([program, "run", "--config", config],
                                        stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log)

    def text(self):
        with open(self.path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def wait_for(self, pattern, seconds=30, times=1):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if len(re.findall(pattern, self.text())) >= times:
                return True
            if self.process.poll() is not None:
                return False
            time.sleep(0.05)
        return False

    def status(self):
        return json.loads(run(self.program, "status", "--json", "--config", self.config).stdout)

    def counter(self, role, name):
        return self.status()["roles"][role]["counters"].get(name)

    def wait_counter(self, role, name, value, seconds=30):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.counter(role, name) == value:
                return True
            time.sleep(0.1)
        return False

    def role_pid(self, role):
        """The last process that said it was ready in that role."""
        return int(re.findall(rf"role\.ready role {role} ready pid=(\d+)", self.text())[-1])

    def stop(self, sig=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            return self.process.wait(60)
        finally:
            self.log.close()


def judge_refusals(tap, side, program, directory):
    port = TX_PORT if side == "tx" else RX_PORT
    with open(f"{directory}/file", "w", encoding="ascii"):
        pass
    cases = {
        "wrong interface": ({"interface": "km-none0"}, 69, r"km-none0.*ip link"),
        "MTU above the interface's": ({"interface": port, "mtu": "9100"}, 78,
                                      r"refuse\.conf:\d+: mtu = 9100: .*carries only 9000.*"
                                      r"ip link set dev \S+ mtu 9100"),
        "state below a file": ({"interface": port, "state_dir": f"{directory}/file/s"}, 73,
                               rf"{directory}/file"),
        "unknown user": ({"interface": port, "user": "km-nobody"}, 67, r"km-nobody"),
        "key missing": ({"interface": port, "key": f"{directory}/none.key"}, None,
                        r"none\.key"),
    }
    for name, (change, code, pattern) in cases.items():
        config = write_config(side, directory, name="refuse.conf", change=change)
        result = run(program, "run", "--config", config)
        if code is None:
            tap.ok(64 <= result.returncode <= 78, f"{side} {name}: an exit code of sysexits",
                   result.returncode)
        else:
            tap.same(result.returncode, code, f"{side} {name}: exit code {code}")
        lines = [line for line in result.stderr.splitlines() if re.search(pattern, line)]
        tap.same(len(lines), 1, f"{side} {name}: exactly one line says what")
        if len(lines) != 1:
            tap.ok(False, f"{side} {name}: its log", result.stderr)
    if shutil.which("setpriv") is None:
        tap.skip(f"{side} without CAP_NET_RAW", "no setpriv")
        return
    config = write_config(side, directory, name="refuse.conf", change={"interface": port})
    result = run("setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", program, "run",
                 "--config", config)
    tap.same(result.returncode, 77, f"{side} without CAP_NET_RAW: exit code 77")
    tap.ok(re.search(r"CAP_NET_RAW.*AmbientCapabilities", result.stderr) is not None,
           f"{side} without CAP_NET_RAW: says what to do", result.stderr)


def judge_running(tap, side, daemon):
    tap.ok(daemon.wait_for(r" daemon\.ready "), f"{side} gets ready", daemon.text())
    status = daemon.status()
    tap.ok(status["running"] and status["pid"] == daemon.process.pid,
           f"{side} status knows that it runs", status)
    second = run(daemon.program, "run", "--config", daemon.config)
    tap.same(second.returncode, 69, f"{side} a second one is refused: exit code 69")
    tap.ok(f"already running as pid {daemon.process.pid}" in second.stderr,
           f"{side} a second one says who runs", second.stderr)
    daemon.process.send_signal(signal.SIGHUP)
    tap.ok(daemon.wait_for(r" keys\.reloaded "), f"{side} SIGHUP is answered in the log",
           daemon.text())
    tap.ok(re.search(r"role\.ready supervisor holds: .*no_new_privs", daemon.text()) is not None,
           f"{side} says what holds")


def ticket_text(channel, chain, first, last):
    def varint(value):
        out = b""
        while value > 127:
            out += bytes([value & 127 | 128])
            value >>= 7
        return out + bytes([value])
    body = bytes([1, 1]) + varint(channel) + varint(chain) + varint(first) + varint(last - first)
    body += struct.pack(">I", zlib.crc32(body))
    bits = "".join(f"{b:08b}" for b in body)
    bits += "0" * (-len(bits) % 5)
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    return "".join(alphabet[int(bits[i:i + 5], 2)] for i in range(0, len(bits), 5))


def send_file(tap, tx, rx, directory, name, count):
    content = os.urandom(30000)
    part = f"{directory}/tx-files/{name}.part"
    with open(part, "wb") as out:
        out.write(content)
    os.rename(part, f"{directory}/tx-files/in/{name}")
    tap.ok(rx.wait_counter("publish", "objects_published", count), f"{name}: is published",
           rx.text()[-3000:] + tx.text()[-3000:])
    try:
        with open(f"{directory}/rx-files/tree/{name}", "rb") as got:
            tap.ok(got.read() == content, f"{name}: is identical")
    except OSError as error:
        tap.ok(False, f"{name}: is identical", error)


def judge_resend(tap, tx, directory):
    chain = int(re.search(r"chain\.new .*chain=(\d+)", tx.text()).group(1))
    result = run(tx.program, "resend", "--config", tx.config, "--wait", "30",
                 ticket_text(7, chain, 1, 1))
    tap.ok(result.returncode == 0 and re.search(r"^sent object 1 ", result.stdout, re.M),
           "resend: sent again, by name", f"{result.returncode} {result.stdout}{result.stderr}")
    result = run(tx.program, "resend", "--config", tx.config, "--wait", "30",
                 ticket_text(7, chain - 1, 1, 2))
    tap.ok(result.returncode == 69 and "not kept" in result.stdout,
           "resend: what is not kept is said, exit code 69",
           f"{result.returncode} {result.stdout}{result.stderr}")
    tap.same(os.listdir(f"{directory}/tx-state/requests"), [], "resend leaves no file behind")


def judge_deaths(tap, daemon, roles):
    for role in roles:
        before = len(re.findall(rf"role\.ready role {role} ready", daemon.text()))
        os.kill(daemon.role_pid(role), signal.SIGKILL)
        tap.ok(daemon.wait_for(rf"role\.ready role {role} ready", times=before + 1),
               f"{role}: killed, started again", daemon.text()[-2000:])


def judge_pointless(tap, program, config, directory):
    """A role that says that trying again cannot help ends the daemon, with its code."""
    tx = Daemon(program, config, directory + "/tx-state")
    try:
        tap.ok(tx.wait_for(r" daemon\.ready "), "tx starts again", tx.text())
        os.chmod(f"{directory}/tx.key", 0o644)
        os.kill(tx.role_pid("signer"), signal.SIGKILL)
        try:
            tap.same(tx.process.wait(30), 77, "a key open to others ends the daemon: 77")
        except subprocess.TimeoutExpired:
            tap.ok(False, "a key open to others ends the daemon: 77", tx.text()[-2000:])
    finally:
        os.chmod(f"{directory}/tx.key", 0o600)
        tx.stop()


def main():
    if INSIDE not in os.environ:
        enter_namespace()
    tap = Tap()
    make_link()
    with scratch() as directory:
        make_keys(sys.argv[1], sys.argv[2], directory)
        for side, program in (("tx", sys.argv[1]), ("rx", sys.argv[2])):
            judge_refusals(tap, side, program, directory)
        rx = Daemon(sys.argv[2], write_config("rx", directory, change={
            "interface": RX_PORT, "pool": "128 MiB"}), directory)
        tx = Daemon(sys.argv[1], write_config("tx", directory, change={
            "interface": TX_PORT}), directory)
        try:
            judge_running(tap, "rx", rx)
            judge_running(tap, "tx", tx)
            send_file(tap, tx, rx, directory, "first", 1)
            judge_resend(tap, tx, directory)
            judge_deaths(tap, tx, ["source", "sender", "signer"])
            judge_deaths(tap, rx, ["keeper", "decode", "publish"])
            send_file(tap, tx, rx, directory, "after-deaths", 2)
            run("ip", "link", "del", TX_PORT, check=True)
            for side, daemon in (("tx", tx), ("rx", rx)):
                tap.ok(daemon.wait_for(r" link\.gone "), f"{side} says that the interface went")
            make_link()
            for side, daemon in (("tx", tx), ("rx", rx)):
                tap.ok(daemon.wait_for(r" link\.back "), f"{side} says that it is back")
            time.sleep(1)
            send_file(tap, tx, rx, directory, "after-link", 3)
            tap.same(rx.status()["sender"]["state"], "alive", "rx status: the sender is alive")
            tap.same(tx.counter("supervisor", "port_received"), 0, "the tx port received nothing")
            tap.same(tx.counter("sender", "packet_stats_received"), 0,
                     "the link socket received nothing")
            tap.same(rx.counter("supervisor", "port_sent"), 0, "the rx port sent nothing")
        finally:
            tap.same(tx.stop(), 0, "tx stops in order")
            tap.ok(rx.wait_for("said farewell", 15), "rx hears the farewell", rx.text()[-1500:])
            tap.same(rx.status()["sender"]["state"], "farewell", "rx status knows the farewell")
            tap.same(rx.stop(signal.SIGINT), 0, "rx stops in order")
        judge_pointless(tap, tx.program, tx.config, directory)
        tap.ok("return.seen" not in tx.text() + rx.text(), "no return path was seen")
        tap.same(run(tx.program, "status", "--json", "--config", tx.config).returncode, 0,
                 "status works after the stop")
        tap.same(tx.status()["running"], False, "status knows that it has stopped")
        tap.same(run(rx.program, "verify", "--config", rx.config).returncode, 0,
                 "verify finds no fault")
    return tap.done()


sys.exit(main())
