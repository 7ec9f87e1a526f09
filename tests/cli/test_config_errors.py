# SPDX-License-Identifier: ISC
"""Every wrong configuration is refused with file, line, key, value and reason: a table.

usage: test_config_errors.py KATAMICHI-TX KATAMICHI-RX
"""
import os
import re
import sys

from cli_tap import Tap, config_text, make_keys, run, scratch, write_config

# (side, name, changed globals, changed channel keys, appended text, key of the line that is
#  named or a line number, pattern of the message behind "file:line: ")
TABLE = [
    ("tx", "unknown key", {"speed": "3"}, {}, "", "speed", r"speed.*unknown key"),
    ("tx", "key twice", {}, {}, "owner = B\n", "owner = B", r"owner.*duplicate"),
    ("tx", "unknown section", {}, {}, "[gateway]\n", "[gateway]", r"gateway.*unknown section"),
    ("tx", "line without =", {}, {}, "hello\n", "hello", r"hello"),
    ("tx", "required key of the link", {"interface": None}, {}, "", "[transmitter]",
     r"interface.*required"),
    ("tx", "required owner", {}, {"owner": None}, "", "[channel plans]", r"owner.*required"),
    ("tx", "required purpose", {}, {"purpose": None}, "", "[channel plans]",
     r"purpose.*required"),
    ("tx", "required classification", {}, {"classification": None}, "", "[channel plans]",
     r"classification.*required"),
    ("tx", "number out of range", {}, {"number": "70000"}, "", "number",
     r"number = 70000: .*\(allowed 1 \.\. 65535; required\)"),
    ("tx", "MTU too small", {"mtu": "1000"}, {}, "", "mtu",
     r"mtu = 1000: .*allowed 1280 \.\. 65535"),
    ("tx", "rate without unit", {"rate": "1000000"}, {}, "", "rate",
     r"rate = 1000000: .*default 1 Gbit/s"),
    ("tx", "duration without unit", {}, {"settle": "3"}, "", "settle",
     r"settle = 3: .*default 1 s"),
    ("tx", "size with wrong unit", {}, {"min_free": "3 GB"}, "", "min_free", r"min_free = 3 GB"),
    ("tx", "path not absolute", {}, {"spool": "spool"}, "", "spool", r"spool = spool: "),
    ("tx", "kind that there is not", {}, {"kind": "telegram"}, "", "kind",
     r"kind = telegram: .*allowed files"),
    ("tx", "stream with a limit that tears it", {},
     {"kind": "stream", "spool": None, "listen": "127.0.0.1:5", "max_messages": "5"}, "",
     "max_messages", r"max_messages = 5: has no use with kind = stream"),
    ("tx", "stream with a rate that tears it", {},
     {"kind": "stream", "spool": None, "listen": "127.0.0.1:5", "max_rate": "5 Mbit/s"}, "",
     "max_rate", r"max_rate = .*: has no use with kind = stream"),
    ("tx", "stream with small messages", {},
     {"kind": "stream", "spool": None, "listen": "127.0.0.1:5", "max_size": "1000"}, "",
     "max_size", r"max_size = 1000.*: is less than the 1039 bytes"),
    ("tx", "allow for a path", {},
     {"kind": "stream", "spool": None, "listen": "fifo:/run/x", "allow": "192.0.2.1"}, "",
     "allow", r"allow = .*: has no use with a path"),
    ("tx", "datagrams of a FIFO", {},
     {"kind": "datagram", "spool": None, "listen": "fifo:/run/x"}, "", "listen",
     r"listen = fifo:/run/x: kind = datagram has no use for a FIFO"),
    ("rx", "mark without its number", {},
     {"kind": "stream", "root": None, "deliver": "127.0.0.1:5", "gap_text": "lost"}, "",
     "gap_text", r"gap_text = lost: names the lost bytes by %u"),
    ("rx", "mark with something else", {},
     {"kind": "stream", "root": None, "deliver": "127.0.0.1:5", "gap_text": "%u %s"}, "",
     "gap_text", r"gap_text = %u %s: names the lost bytes by %u"),
    ("tx", "files without spool", {}, {"spool": None}, "", "[channel plans]",
     r"kind = files needs the key spool"),
    ("tx", "files with listen", {}, {"listen": "127.0.0.1:5"}, "", "listen",
     r"listen = 127\.0\.0\.1:5: has no use with kind = files"),
    ("tx", "datagram without listen", {}, {"kind": "datagram", "spool": None}, "",
     "[channel plans]", r"kind = datagram needs the key listen"),
    ("tx", "datagram with spool", {}, {"kind": "datagram", "listen": "127.0.0.1:5"}, "", "spool",
     r"spool = .*: has no use with kind = datagram"),
    ("tx", "listen at a group", {},
     {"kind": "datagram", "spool": None, "listen": "239.1.2.3:5"}, "", "listen",
     r"listen = 239\.1\.2\.3:5: is a group address"),
    ("tx", "listen at every address", {},
     {"kind": "datagram", "spool": None, "listen": "0.0.0.0:5"}, "", "listen",
     r"listen = 0\.0\.0\.0:5"),
    ("tx", "a name in allow", {},
     {"kind": "datagram", "spool": None, "listen": "127.0.0.1:5",
      "allow": "192.0.2.1, sensor"}, "", "allow", r"allow = .*item 2 is no IPv4 address"),
    ("tx", "gather longer than close", {},
     {"kind": "datagram", "spool": None, "listen": "127.0.0.1:5", "gather": "20 ms"}, "",
     "gather", r"gather = 20 ms: is longer than close"),
    ("rx", "files without root", {}, {"root": None}, "", "[channel plans]",
     r"kind = files needs the key root"),
    ("rx", "files with deliver", {}, {"deliver": "127.0.0.1:5"}, "", "deliver",
     r"deliver = 127\.0\.0\.1:5: has no use with kind = files"),
    ("rx", "datagram without deliver", {}, {"kind": "datagram", "root": None}, "",
     "[channel plans]", r"kind = datagram needs the key deliver"),
    ("rx", "datagram with root", {}, {"kind": "datagram", "deliver": "127.0.0.1:5"}, "", "root",
     r"root = .*: has no use with kind = datagram"),
    ("rx", "deliver to everybody", {},
     {"kind": "datagram", "root": None, "deliver": "255.255.255.255:5"}, "", "deliver",
     r"deliver = 255\.255\.255\.255:5: is a group, broadcast"),
    ("tx", "code too long", {}, {"fec_k": "250", "fec_m": "16"}, "", "fec_k",
     r"fec_k = 250: .*set fec_k to 240 or less"),
    ("tx", "code too long by its least rows", {}, {"fec_k": "250", "fec_m": "1"}, "", "fec_k",
     r"8 rows.*set fec_k to 248 or less"),
    ("tx", "group address as source", {"src_mac": "03:00:00:00:00:01"}, {}, "", "src_mac",
     r"src_mac = 03:00:00:00:00:01: .*group address"),
    ("tx", "number twice", {}, {}, config_text("tx", "{dir}2").split("\n\n")[1].replace(
        "plans", "other"), 2, r"number = 7: is already the number of channel plans"),
    ("tx", "spool inside a spool", {}, {}, config_text("tx", "{dir}").split("\n\n")[1].replace(
        "plans", "other").replace("= 7", "= 8").replace("tx-files", "tx-files/in"), "spool 2",
     r"spool = .*: lies in the spool of channel plans"),
    ("tx", "receiver twice", {"receivers": "/a.pub, /a.pub"}, {}, "", "receivers",
     r"receivers.*items 1 and 2 are the same file"),
    ("tx", "receiver not absolute", {"receivers": "a.pub"}, {}, "", "receivers",
     r"item 1 is not an absolute path"),
    ("tx", "state and run the same", {"run_dir": "{dir}/tx-state"}, {}, "", "run_dir",
     r"run_dir = .*is also state_dir"),
    ("tx", "session too long", {"session": "25 h"}, {}, "", "session",
     r"session = 25 h: .*allowed .*default 24 h"),
    ("tx", "control character", {"name": "a\x01b"}, {}, "", 0, r"control|name"),
    ("tx", "udp without addresses", {"framing": "udp"}, {}, "", "framing",
     r"framing = udp: needs udp_src and udp_dst"),
    ("tx", "addresses without udp", {"udp_dst": "192.0.2.1:1"}, {}, "", "udp_dst",
     r"udp_dst = 192\.0\.2\.1:1: has no use without framing = udp"),
    ("tx", "address without a port", {"udp_dst": "192.0.2.1"}, {}, "", "udp_dst",
     r"udp_dst = 192\.0\.2\.1: not an IPv4 address and a port"),
    ("tx", "port too large", {"udp_src": "192.0.2.1:65536"}, {}, "", "udp_src",
     r"udp_src = .*: not an IPv4 address and a port"),
    ("tx", "group address as UDP source", {"framing": "udp", "udp_dst": "192.0.2.1:1",
                                           "udp_src": "224.0.0.9:1"}, {}, "", "udp_src",
     r"udp_src = 224\.0\.0\.9:1: is a group address"),
    ("tx", "loopback on a wire", {"framing": "udp", "udp_dst": "127.0.0.1:1",
                                  "udp_src": "192.0.2.1:1"}, {}, "", "udp_dst",
     r"udp_dst = 127\.0\.0\.1:1: is a loopback address"),
    ("tx", "udp by AF_XDP", {"framing": "udp", "udp_src": "192.0.2.1:1",
                             "udp_dst": "192.0.2.1:1", "backend": "xdp"}, {}, "", "backend",
     r"backend = xdp: xdp sends Ethernet frames only"),
    ("tx", "backend unknown", {"backend": "ring"}, {}, "", "backend",
     r"backend = ring: .*allowed auto, packet, xdp"),
    ("tx", "framing unknown", {"framing": "tcp"}, {}, "", "framing",
     r"framing = tcp: .*allowed ethernet, udp"),
    ("rx", "udp without its address", {"framing": "udp"}, {}, "", "framing",
     r"framing = udp: needs udp_dst"),
    ("rx", "address without udp", {"udp_src": "192.0.2.1:1"}, {}, "", "udp_src",
     r"udp_src = 192\.0\.2\.1:1: has no use without framing = udp"),
    ("rx", "broadcast as destination", {"framing": "udp", "udp_dst": "255.255.255.255:9"}, {},
     "", "udp_dst", r"udp_dst = .*: is a broadcast, loopback or reserved address"),
    ("rx", "pool too small", {"pool": "64 MiB"}, {}, "", "pool",
     r"pool = 64 MiB: one window of channel plans at MTU 9000 takes 100058112 bytes: set "
     r"pool = 96 MiB"),
    ("rx", "capture unknown", {"capture": "dpdk"}, {}, "", "capture",
     r"capture = dpdk: .*allowed auto, ring, xdp, pcap"),
    ("rx", "replace unknown", {}, {"replace": "always"}, "", "replace",
     r"replace = always: .*generation, refuse"),
    ("rx", "mode with setuid", {}, {"file_mode": "4644"}, "", "file_mode",
     r"file_mode = 4644: .*0644"),
    ("rx", "mode executable", {}, {"file_mode": "0755"}, "", "file_mode",
     r"file_mode = 0755: .*never executable"),
    ("rx", "directories that all may write", {}, {"dir_mode": "0777"}, "", "dir_mode",
     r"dir_mode = 0777: .*no write for others"),
    ("rx", "trust missing", {"trust": None}, {}, "", "[receiver]", r"trust.*required"),
    ("rx", "root twice", {}, {}, config_text("rx", "{dir}").split("\n\n")[1].replace(
        "plans", "other").replace("= 7", "= 8"), "root 2",
     r"root = .*: lies in the root of channel plans"),
    ("rx", "ring too small", {"ring": "4 KiB"}, {}, "", "ring", r"ring = 4 KiB: .*default 64 MiB"),
]


def line_of(text, where):
    """Line number of a key ("key", "key N" = its Nth time), of a text, or any (0)."""
    lines = text.splitlines()
    if where == 0:
        return r"\d+"
    if where == 2:
        where = "number 2"
    if where.startswith("[") or " = " in where or where == "hello":
        return str(max(i for i, line in enumerate(lines, 1) if line == where))
    key, _, nth = where.partition(" ")
    hits = [i for i, line in enumerate(lines, 1) if line.startswith(key + " =")]
    return str(hits[int(nth or 1) - 1])


def judge_row(tap, programs, directory, row):
    side, name, change, channel, more, where, pattern = row
    path = write_config(side, directory, name="case.conf", change=change, channel=channel,
                        more=more)
    with open(path, encoding="utf-8") as text:
        line = line_of(text.read(), where)
    result = run(programs[side], "check", "--offline", "--config", path)
    what = f"{side} {name}"
    tap.same(result.returncode, 78, f"{what}: exit code 78")
    tap.same(result.stdout, "", f"{what}: nothing on stdout")
    wanted = re.compile(rf"^{re.escape(path)}:{line}: .*?{pattern}", re.M)
    tap.ok(wanted.search(result.stderr) is not None, f"{what}: the line says it",
           f"want {wanted.pattern}\n{result.stderr}")
    tap.ok("\x01" not in result.stderr, f"{what}: the message is printable")


def judge_all_at_once(tap, programs, directory):
    path = write_config("tx", directory, name="case.conf",
                        change={"mtu": "1", "rate": "x", "bogus": "1"},
                        channel={"number": "0", "fec_m": "129"})
    result = run(programs["tx"], "check", "--offline", "--config", path)
    found = re.findall(r"^\S+:\d+: (?:\w+ )?(mtu|rate|bogus|number|fec_m)\b", result.stderr, re.M)
    tap.same(sorted(found), ["bogus", "fec_m", "mtu", "number", "rate"],
             "all errors are reported at once")


def judge_machine(tap, programs, directory):
    """What only this machine knows: also with file and line."""
    for side, program in programs.items():
        good = write_config(side, directory, name="case.conf")
        tap.same(run(program, "check", "--config", good).returncode, 0,
                 f"{side}: a good file is accepted on this machine")
        cases = {
            "no such interface": ({"interface": "km-none0"}, {}, "interface",
                                  "not there; `ip link` lists what is", 69),
            "key missing": ({"key": directory + "/none.key"}, {}, "key", "none.key", 78),
            "peer's key missing": (
                {"receivers" if side == "tx" else "trust": directory + "/none.pub"}, {},
                "receivers" if side == "tx" else "trust", "none.pub", 78),
            "state below a file": ({"state_dir": good + "/state"}, {}, "state_dir",
                                   "make it", 78),
            "files below a file": ({}, {"spool" if side == "tx" else "root": good + "/x"},
                                   "spool" if side == "tx" else "root", "make it", 78),
        }
        for name, (change, channel, key, words, code) in cases.items():
            path = write_config(side, directory, name="bad.conf", change=change, channel=channel)
            with open(path, encoding="utf-8") as text:
                line = line_of(text.read(), key)
            result = run(program, "check", "--config", path)
            tap.same(result.returncode, code, f"{side} {name}: exit code {code}")
            tap.ok(re.search(rf"^{re.escape(path)}:{line}: {key} = .*{re.escape(words)}",
                             result.stderr, re.M) is not None,
                   f"{side} {name}: the line says it", result.stderr)
        if side == "rx":
            cases_of_size(tap, program, directory)
        os.chmod(f"{directory}/{side}.key", 0o644)
        result = run(program, "check", "--config", good)
        tap.same(result.returncode, 78, f"{side} key open to others: exit code 78")
        tap.ok(re.search(r"case\.conf:\d+: key = .*600", result.stderr) is not None,
               f"{side} key open to others: says what to do", result.stderr)
        os.chmod(f"{directory}/{side}.key", 0o600)


def cases_of_size(tap, program, directory):
    """A pool above this machine's memory is refused before it could be asked for."""
    path = write_config("rx", directory, name="bad.conf", change={"pool": "64 GiB"})
    with open("/proc/meminfo", encoding="ascii") as info:
        total = int(re.search(r"MemTotal: *(\d+)", info.read()).group(1)) << 10
    if total > 64 << 30:
        tap.skip("rx pool above memory", "this machine has more than a pool may take")
        return
    result = run(program, "check", "--config", path)
    tap.ok(result.returncode == 78 and re.search(
        r"bad\.conf:\d+: pool = 64 GiB: .*this machine has \d+: lower it", result.stderr),
           "rx pool above memory: refused with the line", result.stderr)


def main():
    tap = Tap()
    programs = {"tx": sys.argv[1], "rx": sys.argv[2]}
    with scratch() as directory:
        make_keys(programs["tx"], programs["rx"], directory)
        for row in TABLE:
            judge_row(tap, programs, directory, row)
        judge_all_at_once(tap, programs, directory)
        judge_machine(tap, programs, directory)
        result = run(programs["tx"], "check", "--config", directory + "/none.conf")
        tap.same(result.returncode, 66, "no such file: exit code 66")
        tap.ok(result.stderr.count("\n") == 1 and "none.conf" in result.stderr,
               "no such file: one line", result.stderr)
    return tap.done()


sys.exit(main())
