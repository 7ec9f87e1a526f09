#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""snmptrap on the one side, snmptrapd on the other, as they come from Debian: alarms cross the
link. Object identifiers as numbers: no MIB is needed."""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import netns, stats, tap  # noqa: E402
from harness.live import NUMBER, PORT_IN, PORT_OUT, LiveDiode, Service, programs, start  # noqa: E402

COUNT = 20
TRAP = "1.3.6.1.4.1.8072.2.3.0.1"
# The one who sent it, which UDP's source address no longer says behind the link (RFC 3584).
AGENT = "1.3.6.1.6.3.18.1.3.0"
TEXT = "転てつ機 switch 12 blocked"
CONF = """disableAuthorization yes
format2 TRAP %W|%w|%v\\n
"""


def trap(path, program, directory, index):
    """One alarm with its number, a counter of 64 bits, a text and who it is."""
    argv = [program, "-m", "", "-v", "2c", "-c", "public", f"127.0.0.1:{PORT_IN}", str(index * 100),
            TRAP, "1.3.6.1.4.1.8072.2.3.2.1", "i", str(index), "1.3.6.1.4.1.8072.2.3.2.2", "C",
            str(2**40 + index), AGENT, "a", "192.0.2.77", "1.3.6.1.4.1.8072.2.3.2.3", "s", TEXT]
    subprocess.run(path.tx.ns.argv(argv), check=True, timeout=30, stdin=subprocess.DEVNULL,
                   env={**os.environ, "MIBS": "", "SNMP_PERSISTENT_DIR": directory,
                        "SNMPCONFPATH": directory})


@tap.test
def alarms_arrive(t):
    """Every trap is logged at the far end, in order, with the values it was given."""
    netns.require()
    sender, daemon = programs("snmptrap", "snmptrapd")
    os.makedirs(directory := os.path.join(t.dir, "snmp"))
    with open(conf := os.path.join(directory, "trapd.conf"), "w", encoding="ascii") as file:
        file.write(CONF)
    argv = [daemon, "-f", "-C", "-c", conf, "-m", "", "-On", "-Ox", "-n", "-Lo",
            "-p", os.path.join(directory, "pid"), f"udp:127.0.0.1:{PORT_OUT}"]
    with netns.Path(mtu=1500, emulator=False) as path, LiveDiode(path, t.dir) as diode:
        start(diode)
        with Service(argv, directory, "snmptrapd", path.rx,
                     env={"SNMP_PERSISTENT_DIR": directory, "MIBS": ""}) as office:
            diode.wait(lambda: f":{PORT_OUT:04X} " in path.rx.ns.shell("cat /proc/net/udp"), 20,
                       "the listener")
            for index in range(COUNT):
                trap(path, sender, directory, index)
            diode.wait(lambda: office.output("out").count(f".{AGENT} = ") >= COUNT, 30,
                       f"{COUNT} traps")
            said = office.output("out")
        found = [line for line in said.splitlines() if f".{TRAP}" in line]
        t.equal(len(found), COUNT, "traps logged")
        for index, line in enumerate(found):
            want = (rf"\.1\.3\.6\.1\.2\.1\.1\.3\.0 = Timeticks: \({index * 100}\)",
                    rf"\.1\.3\.6\.1\.6\.3\.1\.1\.4\.1\.0 = OID: \.{re.escape(TRAP)}\b",
                    rf"\.2\.3\.2\.1 = INTEGER: {index}\b",
                    rf"\.2\.3\.2\.2 = Counter64: {2**40 + index}\b",
                    r"IpAddress: 192\.0\.2\.77")
            for pattern in want:
                t.check(re.search(pattern, line), f"trap {index}: /{pattern}/ in {line}")
        text = TEXT.encode().hex().upper()  # the daemon would print dots for what is not ASCII
        t.equal("".join(said.split()).count(f"Hex-STRING:{text}"), COUNT, "texts, byte for byte")
        tx, rx = diode.finish()
        t.equal((tx[f"live.ch{NUMBER}_messages"], rx[f"sink.ch{NUMBER}_sent"]), (COUNT, COUNT),
                "datagrams at tx, and sent on")
        t.equal(stats.one_way(path), {}, "frames the other way")


if __name__ == "__main__":
    tap.main()
