# SPDX-License-Identifier: ISC
"""Figures from outside: interface counters, memory of a process, status of a daemon."""

import json
import re

from . import netns


def counters(interface):
    """Counters of a netns.Interface: rx_packets, rx_bytes, rx_dropped, rx_errors and tx_*."""
    found = json.loads(interface.ns.ip("-j", "-s", "link", "show", "dev", interface.name))
    both = found[0]["stats64"]
    return {f"{way}_{key}": both[way][key] for way in ("rx", "tx")
            for key in ("packets", "bytes", "dropped", "errors")}


def one_way(path):
    """What contradicts one-way-ness of a netns.Path: {"tx received": 3, ...}; {} is good."""
    wrong = {}
    for name, interface, way in (("tx received", path.tx, "rx"), ("rx sent", path.rx, "tx"),
                                 ("emulator sent on its input", path.emu_in, "tx"),
                                 ("emulator received on its output", path.emu_out, "rx")):
        if interface and counters(interface)[f"{way}_packets"]:
            wrong[name] = counters(interface)[f"{way}_packets"]
    return wrong


def packet_sockets(interface):
    """Rows of /proc/net/packet of a namespace: [(protocol, interface index)]."""
    text = interface.ns.shell("cat /proc/net/packet")
    rows = [line.split() for line in text.splitlines()[1:]]
    return [(int(row[3], 16), int(row[4])) for row in rows]


def interface_losses(path):
    """Frames that an interface of the path itself dropped: {"tx tx_dropped": 3}; {} is good."""
    wrong = {}
    for name in ("tx", "emu_in", "emu_out", "rx"):
        interface = getattr(path, name)
        if not interface:
            continue
        for key, value in counters(interface).items():
            if value and key.endswith(("dropped", "errors")):
                wrong[f"{name} {key}"] = value
    return wrong


def memory_kib(pid):
    """{"rss": ..., "ring": ..., "shared": ...}: resident memory, what of it is mapped packet
    rings, and what of it is mapped by other roles as well (each counts it)."""
    rss = ring = shared = 0
    is_ring = is_shared = False
    with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as file:
        for line in file:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                is_ring = "socket:[" in line
                is_shared = "/memfd:" in line
            elif line.startswith("Rss:"):
                kib = int(line.split()[1])
                rss += kib
                ring += kib if is_ring else 0
                shared += kib if is_shared else 0
    return {"rss": rss, "ring": ring, "shared": shared}


def status(program, *args, ns=None):
    """What `program status --json args` prints, as a dictionary."""
    argv = [program, "status", "--json", *args]
    return json.loads(netns.run(*(ns.argv(argv) if ns else argv)))
