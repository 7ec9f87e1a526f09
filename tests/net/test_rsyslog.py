#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Two syslog daemons as they come from Debian, one on each side: what the one forwards by UDP
(RFC 5424) the other writes to its file, every message, in order, byte for byte."""

import os
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import netns, stats, tap  # noqa: E402
from harness.live import NUMBER, PORT_IN, PORT_OUT, LiveDiode, Service, programs, start  # noqa: E402

COUNT = 1000
TEXTS = ("踏切の遮断機が降りました", "列車は三分遅れています", "plain words", "空白 と\ttab", "終点、東京です")

COMMON = """
global(workDirectory="{dir}" net.enableDNS="off" parser.escapeControlCharactersOnReceive="off")
main_queue(queue.type="LinkedList" queue.workerThreads="1" queue.size="100000")
"""
# Programs hand it messages by a socket; it writes down what it forwards.
SENDING = COMMON + """
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{dir}/log" CreatePath="off" UseSpecialParser="off"
      ParseHostname="on" IgnoreTimestamp="off" RateLimit.Interval="0")
action(type="omfile" file="{dir}/sent" template="RSYSLOG_SyslogProtocol23Format")
action(type="omfwd" target="127.0.0.1" port="{port}" protocol="udp"
       template="RSYSLOG_SyslogProtocol23Format")
"""
RECEIVING = COMMON + """
module(load="imudp")
input(type="imudp" address="127.0.0.1" port="{port}" rcvbufSize="8m")
template(name="raw" type="string" string="%rawmsg%\\n")
action(type="omfile" file="{dir}/taken" template="RSYSLOG_SyslogProtocol23Format")
action(type="omfile" file="{dir}/raw" template="raw")
"""


def daemon(t, name, text, end, port):
    directory = os.path.join(t.dir, name)
    os.makedirs(directory)
    with open(config := os.path.join(directory, "rsyslog.conf"), "w", encoding="ascii") as file:
        file.write(text.format(dir=directory, port=port))
    program, = programs("rsyslogd")
    return directory, Service([program, "-n", "-f", config, "-i", os.path.join(directory, "pid")],
                              directory, "rsyslogd", end)


def lines(*parts):
    try:
        with open(os.path.join(*parts), "rb") as file:
            return file.read().split(b"\n")[:-1]
    except FileNotFoundError:
        return []


def message(index, rng):
    """RFC 5424 with numbered structured data, whose escapes and UTF-8 must stay as they are."""
    text = rng.choice(TEXTS)
    return (f"<{rng.randrange(8, 192)}>1 2026-03-0{index % 9 + 1}T08:30:{index % 60:02}.{index:06}"
            f"+09:00 yard-{index % 7} tetsudo {index} ID{index % 5} "
            f'[seq@32473 n="{index}" where="{index % 3}番線" odd="\\"\\]\\\\"][origin ip="192.0.2.1"]'
            f" {text} {index}" + "。" * rng.choice((0, 0, 0, 200))).encode()


@tap.test
def every_line_arrives(t):
    """As many messages as were logged, equal to what the forwarding daemon wrote down itself."""
    netns.require()
    programs("rsyslogd")
    rng = tap.rng("rsyslog")
    with netns.Path(mtu=1500, emulator=False) as path, LiveDiode(path, t.dir) as diode:
        start(diode)
        there, receiving = daemon(t, "office", RECEIVING, path.rx, PORT_OUT)
        here, sending = daemon(t, "yard", SENDING, path.tx, PORT_IN)
        with receiving, sending, path.tx.ns.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as program:
            diode.wait(lambda: os.path.exists(os.path.join(here, "log")), 20, "its socket")
            # a UDP listener of the far end: else the first ones would come too soon
            diode.wait(lambda: f":{PORT_OUT:04X} " in path.rx.ns.shell("cat /proc/net/udp"), 20,
                       "the listener of the far end")
            program.connect(os.path.join(here, "log"))
            logged = [message(index, rng) for index in range(COUNT)]
            for one in logged:
                program.send(one)
            diode.wait(lambda: len(lines(there, "taken")) >= COUNT, 60, f"{COUNT} lines")
            diode.wait(lambda: len(lines(there, "raw")) >= COUNT, 60, f"{COUNT} raw lines")
        sent = lines(here, "sent")
        t.check(sent == logged, "the forwarding daemon changed nothing")
        t.check(lines(there, "taken") == sent, "the same lines in the same order")
        t.check(lines(there, "raw") == sent, "and the same datagrams")
        tx, rx = diode.finish()
        t.equal(tx[f"live.ch{NUMBER}_messages"], COUNT, "messages at tx")
        t.equal(rx[f"sink.ch{NUMBER}_sent"], COUNT, "messages sent on")
        t.equal(stats.one_way(path), {}, "frames the other way")


if __name__ == "__main__":
    tap.main()
