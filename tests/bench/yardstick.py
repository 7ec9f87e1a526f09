# SPDX-License-Identifier: ISC
"""Part (h), a yardstick: udpcast with FEC, from Debian, over the same kind of link. It has no
authentication, no manifest and no names; it is the nearest tool that can go one way at all.

udpcast.mtu1500.goodput   Gbit/s of file bytes, from the start of the sender to the end of the
                          receiver, less what a file of one byte takes: the seconds that it
                          waits by itself do not count. At the highest rate of RATES at which
                          the file arrives; its receive buffer is what the system allows
udpcast.mtu1500.intact    share of the runs at that rate whose bytes were right
product.mtu1500.over_udpcast   our goodput in the same regime over that, framing udp where this
                          build has it
"""

import os
import shutil
import subprocess
import time

from harness import netns
from harness.procs import Died, Process

import product
import setting

MTU, REGIME = 1500, "A"
FEC = "8x8/128"
SENDER = ["udp-sender", "--async", "--fec", FEC, "--nokbd", "--no-progress", "--autostart", "1",
          "--mcast-data-address", "232.1.1.1", "--interface"]
RECEIVER = ["udp-receiver", "--nosync", "--nokbd", "--no-progress", "--rcvbuf", "64M",
            "--start-timeout", "20", "--receive-timeout", "3", "--interface"]
RATES = (None, "1500m", "900m", "500m")


def prepare(path):
    """Addresses, which our own link does not have, and the buffer that it asks for."""
    for interface, address in ((path.tx, "192.0.2.1/24"), (path.rx, "192.0.2.2/24")):
        interface.set("multicast", "on", "arp", "on")
        # without a broadcast address it hears nothing
        interface.ns.ip("address", "add", address, "brd", "+", "dev", interface.name)
        interface.ns.ip("route", "add", "224.0.0.0/4", "dev", interface.name)


def once(bench, path, staged, rate):
    """(seconds, whether the bytes are right) of one run."""
    place = bench.directory("udpcast")
    target = os.path.join(place, "received")
    pace = ["--max-bitrate", rate] if rate else []
    with Process([*RECEIVER, path.rx.name, "--file", target], place, "rx", ns=path.rx.ns,
                 expect=range(256)) as receiver:
        time.sleep(0.3)
        begin = time.monotonic()
        with Process([*SENDER, path.tx.name, *pace, "--file", staged], place, "tx",
                     ns=path.tx.ns, expect=range(256)) as sender:
            sender.wait(120)
        receiver.wait(30)
    seconds = time.monotonic() - begin
    same = subprocess.run(["cmp", "-s", staged, target], check=False).returncode == 0
    shutil.rmtree(place, ignore_errors=True)
    return seconds, same


def search(bench, path, staged):
    """(rate, runs): the first of RATES at which the file arrives, (None, []) at none."""
    for rate in RATES:
        runs = []
        for _ in bench.repeats():
            runs.append(once(bench, path, staged, rate))
            if not runs[0][1]:
                break
        if runs[0][1]:
            return rate, runs
    return None, []


def part(rows, bench):
    command = f"{' '.join(SENDER[:4])} [--max-bitrate R]; {' '.join(RECEIVER[:6])}"
    name = f"udpcast.mtu{MTU}.goodput"
    for program in ("udp-sender", "udp-receiver"):
        if not shutil.which(program):
            rows.absent(name, "Gbit/s", f"{program} is not installed: scripts/setup", command)
            return
    size = (128 if bench.quick else 1024) * setting.MIB
    staged = product.stage_file(bench, "udpcast-source", size)
    nothing = product.stage_file(bench, "udpcast-nothing", 1)
    with netns.Path(mtu=MTU, regime=REGIME, emulator=False) as path:
        prepare(path)
        try:
            idle, _ = once(bench, path, nothing, None)
            rate, runs = search(bench, path, staged)
        except Died as why:
            rows.absent(name, "Gbit/s", str(why).split("\n", 1)[0], command)
            return
    product.forget(staged)
    product.forget(nothing)
    report(rows, command.replace("R]", f"{rate}]"), size,
           [(seconds - idle, same) for seconds, same in runs])


def report(rows, command, size, runs):
    name = f"udpcast.mtu{MTU}.goodput"
    intact = [seconds for seconds, same in runs if same and seconds > 0]
    if not intact:
        rows.absent(name, "Gbit/s", "no run delivered the file", command)
        return
    rows.add(f"udpcast.mtu{MTU}.intact", "fraction", len(intact) / len(runs), command)
    goodput = rows.add(name, "Gbit/s", [size * 8 / s / 1e9 for s in intact], command)
    ours = max((rows.value(f"file.mtu{MTU}.{framing}.{REGIME}.goodput", 0)
                for framing in setting.FRAMINGS), default=0)
    if ours:
        rows.add(f"product.mtu{MTU}.over_udpcast", "times", ours / goodput, command)
