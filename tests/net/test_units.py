#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Both units as they are shipped, run by a systemd that the test boots: users and directories by
sysusers and tmpfiles, READY, a file across the link, what each process still may, a reload, and
that a supervisor which stands still is ended by the watchdog. And what they say by hand, where no
systemd is needed that runs."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import netns, tap  # noqa: E402
from harness.booted import Booted, Root  # noqa: E402
from harness.procs import children, find_program  # noqa: E402

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ["KM_BUILD_DIR"]
CAP_NET_RAW = 1 << 13
SECONDS = 60
STOP_SECONDS = 90
PORT = {"tx": "link0", "rx": "link1"}

TX_CONF = """[transmitter]
interface = link0
rate = 100 Mbit/s
receivers = /etc/katamichi/rx.pub

[channel files]
number = 1
kind = files
owner = o
purpose = p
classification = c
spool = /srv/katamichi-tx/files
min_free = 16 MiB
"""
RX_CONF = """[receiver]
interface = link1
trust = /etc/katamichi/tx.pub
pool = 256 MiB
ring = 32 MiB

[channel files]
number = 1
kind = files
owner = o
purpose = p
classification = c
root = /srv/katamichi-rx/files
min_free = 16 MiB
"""


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def unit(side):
    return f"katamichi-{side}.service"


def furnish(host):
    """What an administrator does before the first start."""
    for side, text in (("tx", TX_CONF), ("rx", RX_CONF)):
        name = f"katamichi-{side}"
        shipped = read(f"{BUILD}/debian/{name}.service")
        host.put(f"/units/{name}.service", shipped)
        host.put(f"/etc/sysusers.d/{name}.conf", read(f"{SOURCE}/debian/{name}.sysusers"))
        host.put(f"/etc/tmpfiles.d/{name}.conf", read(f"{SOURCE}/debian/{name}.tmpfiles"))
        # no journal here
        host.put(f"/units/{name}.service.d/log.conf",
                 f"[Service]\nStandardError=append:/{side}.log\n")
        host.put(f"/etc/katamichi/{side}.conf", text)
        host.install(find_program(name), re.search(r"^ExecStart=(\S+)", shipped, re.M)[1])


def program_of(side):
    return re.search(r"^ExecStart=(\S+)", read(f"{BUILD}/debian/katamichi-{side}.service"), re.M)[1]


def settle(t, host):
    """Users, directories, keys, by the programs that do it on a real host."""
    for command in (("systemd-sysusers",), ("systemd-tmpfiles", "--create",
                                            "/etc/tmpfiles.d/katamichi-tx.conf",
                                            "/etc/tmpfiles.d/katamichi-rx.conf")):
        code, said = host.inside(*command)
        t.require(code == 0, f"{command[0]}: exit {code}: {said}")
    for side in ("tx", "rx"):
        code, said = host.inside(program_of(side), "keygen", "--key", f"/etc/katamichi/{side}.key",
                                 "--owner", f"katamichi-{side}")
        t.require(code == 0, f"keygen: exit {code}: {said}")


def wait_for(host, condition, what):
    end = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > end:
            raise tap.Failed(f"{what}: not within {SECONDS} s\n" + logs(host))
        time.sleep(0.05)


def logs(host):
    return "".join(f"-- {side}\n" + read(host.at(f"/{side}.log"))[-3000:]
                   for side in ("tx", "rx") if os.path.exists(host.at(f"/{side}.log")))


def status_of(pid):
    return dict(line.split(":\t", 1) for line in read(f"/proc/{pid}/status").splitlines()
                if ":\t" in line)


def judge_process(t, side, pid, uid, supervisor, filters=5):
    facts = status_of(pid)
    what = f"{side} {facts['Name']}"
    t.equal(set(facts["Uid"].split() + facts["Gid"].split()), {uid}, f"{what}: user and group")
    t.equal(facts["Groups"].split(), [] if facts["Groups"].split() == [] else [uid],
            f"{what}: no other group")
    t.equal(facts["NoNewPrivs"].strip(), "1", f"{what}: no new privileges")
    t.equal(int(facts["CapBnd"], 16) & ~CAP_NET_RAW, 0, f"{what}: bounding set")
    t.equal(int(facts["CapPrm"], 16) | int(facts["CapEff"], 16),
            CAP_NET_RAW if supervisor else 0, f"{what}: capabilities")
    t.equal(int(facts["CapAmb"], 16), 0, f"{what}: ambient capabilities")
    # systemd's filters beside our own
    t.check(int(facts["Seccomp_filters"]) >= filters, f"{what}: {facts['Seccomp_filters']} filters")


def judge_mounts(t, side, pid):
    """What the supervisor sees written to: its own places only."""
    other = {"tx": "rx", "rx": "tx"}[side]
    writable = {line.split()[4] for line in read(f"/proc/{pid}/mountinfo").splitlines()
                if "rw" in line.split()[5].split(",")}
    t.check(f"/srv/katamichi-{side}" in writable, f"{side}: its root is a mount: {writable}")
    t.check(f"/var/lib/katamichi-{side}" in writable, f"{side}: its state: {writable}")
    t.equal({place for place in writable
             if place == "/" or place.startswith(("/etc", "/usr", "/sys", "/srv", "/var/lib"))
             and place not in (f"/srv/katamichi-{side}", f"/var/lib/katamichi-{side}")}, set(),
            f"{side}: nothing else of the host can be written, {other}'s neither")


def judge_walls(t, host, side):
    uid = re.search(rf"^katamichi-{side}:x:(\d+):", read(host.at("/etc/passwd")), re.M)[1]
    main = host.main_pid(unit(side))
    judge_process(t, side, main, uid, True)
    judge_mounts(t, side, main)
    roles = children(main)
    t.check(len(roles) == 3, f"{side}: three roles: {roles}")
    for pid in roles:
        judge_process(t, side, pid, uid, False)
    t.check("sandbox.degraded" not in read(host.at(f"/{side}.log")),
            f"{side}: nothing is missing\n" + logs(host))


def judge_running(t, host, side):
    facts = host.show(unit(side), "ActiveState", "SubState", "StatusText", "NRestarts", "Type",
                      "WatchdogTimestampMonotonic")
    t.equal((facts["ActiveState"], facts["SubState"], facts["NRestarts"]),
            ("active", "running", "0"), f"{side}: state\n{logs(host)}")
    t.equal(facts["StatusText"], "all roles are at work", f"{side}: what it says")
    t.check(int(facts["WatchdogTimestampMonotonic"]) > 0, f"{side}: the watchdog hears it")


def carry(t, host, name, content):
    host_in = host.at("/srv/katamichi-tx/files/in")
    wait_for(host, lambda: os.path.isdir(host_in), "the spool")
    part = host.at(f"/srv/katamichi-tx/files/{name}.part")
    with open(part, "wb") as file:
        file.write(content)
    os.chown(part, os.stat(host_in).st_uid, os.stat(host_in).st_gid)
    os.rename(part, f"{host_in}/{name}")
    place = host.at(f"/srv/katamichi-rx/files/tree/{name}")
    wait_for(host, lambda: os.path.exists(place), f"{name} is published")
    with open(place, "rb") as file:
        t.equal(file.read(), content, f"{name}: is the same")


def judge_reload(t, host, side):
    """The same process has other keys; which they are here does not matter."""
    main = host.main_pid(unit(side))
    host.ctl("reload", unit(side))
    wait_for(host, lambda: " keys.reloaded " in read(host.at(f"/{side}.log")),
             f"{side}: keys are taken over")
    wait_for(host, lambda: host.show(unit(side), "StatusText")["StatusText"]
             == "all roles are at work", f"{side}: all roles work again")
    t.equal(host.main_pid(unit(side)), main, f"{side}: the daemon is the same")


def judge_watchdog(t, host, side):
    """A supervisor that stands still is ended, and the unit comes back."""
    host.put(f"/units/katamichi-{side}.service.d/watchdog.conf", "[Service]\nWatchdogSec=10\n")
    host.ctl("daemon-reload")
    host.ctl("restart", unit(side))
    os.kill(host.main_pid(unit(side)), signal.SIGSTOP)
    wait_for(host, lambda: host.show(unit(side), "NRestarts")["NRestarts"] == "1",
             "the unit is started again")
    wait_for(host, lambda: host.show(unit(side), "ActiveState")["ActiveState"] == "active",
             "it is ready again")


@contextlib.contextmanager
def ports():
    """A network of both ports, joined."""
    with netns.Namespace("units") as ns:
        ns.ip("link", "add", PORT["tx"], "mtu", "1500", "type", "veth", "peer", "name",
              PORT["rx"], "mtu", "1500")
        for port in PORT.values():
            ns.ip("link", "set", "dev", port, "arp", "off", "multicast", "off", "up")
        yield ns


@tap.test
def the_units_run_as_shipped(t):
    netns.require()
    if os.environ.get("KM_SANITIZED") == "1":
        raise tap.Skip("sanitizers reserve more address space than the unit allows")
    with ports() as ns, Booted(ns, t.dir) as host:
        furnish(host)
        host.boot()
        settle(t, host)
        for side in ("rx", "tx"):
            code, said = host.inside("systemctl", "start", unit(side))
            t.require(code == 0, f"{side} starts: {said}\n" + logs(host))
        carry(t, host, "first", os.urandom(200000))
        for side in ("rx", "tx"):
            judge_running(t, host, side)
            judge_walls(t, host, side)
            judge_reload(t, host, side)
        judge_watchdog(t, host, "rx")
        carry(t, host, "second", os.urandom(1000))
        for side in ("tx", "rx"):
            host.ctl("stop", unit(side))
            t.equal(host.show(unit(side), "Result", "ActiveState"),
                    {"Result": "success", "ActiveState": "inactive"}, f"{side}: stopped")


def settle_by_hand(t, host):
    """The same users and directories, without a process in the new root."""
    uids = {}
    for command in (("systemd-sysusers",), ("systemd-tmpfiles", "--create")):
        kind = command[0].removeprefix("systemd-")
        done = subprocess.run([command[0], f"--root={host.root}", *command[1:],
                               *(f"{SOURCE}/debian/katamichi-{side}.{kind}" for side in PORT)],
                              capture_output=True, text=True, timeout=60, check=False)
        t.require(done.returncode == 0, f"{command[0]}: {done.stderr}")
    for side in PORT:
        uids[side] = int(re.search(rf"^katamichi-{side}:x:(\d+):",
                                   read(host.at("/etc/passwd")), re.M)[1])
        state = host.at(f"/var/lib/katamichi-{side}")
        os.mkdir(state, 0o700)
        os.chown(state, uids[side], uids[side])
        key = host.at(f"/etc/katamichi/{side}.key")
        netns.run(find_program(f"katamichi-{side}"), "keygen", "--key", key)
        os.chown(key, uids[side], uids[side])
    return uids


@tap.test
def what_the_units_say_by_hand(t):
    """User, capability, directories and limits of the units, as far as a script can: no filter of
    systemd's. Needs no systemd that runs."""
    netns.require()
    if os.environ.get("KM_SANITIZED") == "1":
        raise tap.Skip("sanitizers reserve more address space than the unit allows")
    for tool in ("systemd-sysusers", "systemd-tmpfiles", "setpriv"):
        if shutil.which(tool) is None:
            raise tap.Skip(f"no {tool} here")
    with ports() as ns, Root(ns, t.dir) as host:
        furnish(host)
        uids, daemons = settle_by_hand(t, host), {}
        for side in ("rx", "tx"):
            name = f"katamichi-{side}"
            daemons[side] = host.start_by_hand(
                name, uids[side], f"/run/{name}", (f"/srv/{name}", f"/var/lib/{name}"),
                (program_of(side), "run"))
            daemons[side].wait_line(r" daemon\.ready ", SECONDS)
        carry(t, host, "first", os.urandom(200000))
        for side, daemon in daemons.items():
            judge_process(t, side, daemon.pid, str(uids[side]), True, 1)
            judge_mounts(t, side, daemon.pid)
            roles = children(daemon.pid)
            t.check(len(roles) == 3, f"{side}: three roles: {roles}")
            for pid in roles:
                judge_process(t, side, pid, str(uids[side]), False, 3)
            t.check("sandbox.degraded" not in daemon.output(), f"{side}: nothing is missing")
        for side in ("tx", "rx"):
            t.equal(daemons[side].stop(STOP_SECONDS), 0, f"{side}: exit code")


if __name__ == "__main__":
    tap.main()
