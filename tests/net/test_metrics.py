#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What an operator's tools see: the files of metrics, read by the real node_exporter; age and delay
of a live channel in status."""

import http.client
import os
import re
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import netns, tap  # noqa: E402
from harness.diode import Diode  # noqa: E402
from harness.procs import Process, find_program  # noqa: E402

EXPORTER = "/usr/bin/prometheus-node-exporter"
PORT = 9100
NUMBER, PORT_IN, PORT_OUT = 900, 5000, 5001
CHANNEL = {"number": NUMBER, "kind": "datagram", "owner": "operations", "purpose": "metrics test",
           "classification": "internal"}
SAMPLE = re.compile(r'^(katamichi_\w+)(?:\{channel="(\d+)"\})? (\S+)$', re.M)


class MeteredDiode(Diode):
    """A Diode with one live channel, and files of metrics in a directory."""

    def __init__(self, path, directory, where):
        self.where = where
        super().__init__(path, directory)

    def write_config(self):
        self.tx_sections["channel live"] = {**CHANNEL, "listen": f"127.0.0.1:{PORT_IN}"}
        self.rx_sections["channel live"] = {**CHANNEL, "deliver": f"127.0.0.1:{PORT_OUT}"}
        self.tx_sections["transmitter"]["metrics"] = os.path.join(self.where, "tx.prom")
        self.rx_sections["receiver"]["metrics"] = os.path.join(self.where, "rx.prom")
        super().write_config()


class HttpThere(http.client.HTTPConnection):
    """A connection from within a namespace."""

    def __init__(self, ns):
        super().__init__("127.0.0.1", PORT, timeout=10)
        self.ns = ns

    def connect(self):
        self.sock = self.ns.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.sock.settimeout(10)
        self.sock.connect(("127.0.0.1", PORT))


def scrape(ns):
    """{(name, channel or ""): value}, and what the exporter says of the files; {} before it listens."""
    there = HttpThere(ns)
    try:
        there.request("GET", "/metrics")
        text = there.getresponse().read().decode()
    except OSError:
        return {}, ""
    finally:
        there.close()
    return {(name, channel): float(value) for name, channel, value in SAMPLE.findall(text)}, text


def exchange(path, count):
    """COUNT messages, one each 5 ms; how many came out."""
    with path.rx.ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as consumer, \
            path.tx.ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as producer:
        consumer.bind(("127.0.0.1", PORT_OUT))
        consumer.settimeout(10)
        for number in range(count):
            producer.sendto(b"%d" % number, ("127.0.0.1", PORT_IN))
            time.sleep(0.005)
        return sum(consumer.recv(100) == b"%d" % number for number in range(count))


@tap.test
def node_exporter_reads_both_files(t):
    """Every counter of both daemons as the exporter serves it; channels as labels."""
    netns.require()
    if not os.path.exists(EXPORTER):
        raise tap.Skip("no prometheus-node-exporter here")
    where = os.path.join(t.dir, "metrics")
    os.mkdir(where)
    with netns.Path(mtu=1500, emulator=False) as path, MeteredDiode(path, t.dir, where) as diode:
        diode.start_rx()
        diode.start_tx()
        diode.wait(lambda: diode.counters("rx").get("decode.sessions_live"), 30, "a session")
        t.equal(exchange(path, 100), 100, "messages in order")
        exporter = Process([EXPORTER, "--collector.disable-defaults", "--collector.textfile",
                            f"--collector.textfile.directory={where}",
                            f"--web.listen-address=127.0.0.1:{PORT}"],
                           t.dir, "exporter", ns=path.rx.ns, expect=(0, -15))
        keys = (("katamichi_rx_live_delivered", str(NUMBER)),
                ("katamichi_tx_live_messages", str(NUMBER)))
        diode.wait(lambda: all(scrape(path.rx.ns)[0].get(key) == 100 for key in keys), 60,
                   "100 in the exporter from both sides")
        samples, text = scrape(path.rx.ns)
        t.check('node_textfile_scrape_error 0' in text, "the exporter found no fault")
        for side in ("rx", "tx"):
            names = {re.sub(r"^ch\d+_", "", name.split(".", 1)[1])
                     for name in diode.counters(side)}
            served = {name for name, _ in samples if name.startswith(f"katamichi_{side}_")}
            missing = {name for name in names
                       if not any(other.endswith(f"_{name}") for other in served)}
            t.equal(missing, set(), f"counters of {side} that are not served")
        last = samples[("katamichi_rx_timing_last_ns", str(NUMBER))] / 1e9
        t.check(0 <= time.time() - last < 300, "when the last message came")
        exporter.stop()
        said = subprocess.run([find_program("katamichi-rx"), "status", "--config", diode.rx_config],
                              capture_output=True, text=True, check=True).stdout
        t.check(re.search(r"last \d+\.\d s ago; delay p50 \d+\.\d\d, p99 \d", said), said)
        diode.finish()
    t.equal(os.listdir(where), [], "files that a stopped daemon leaves")


@tap.test
def a_file_that_cannot_be_written_is_said_once(t):
    """Neither daemon stops for it."""
    netns.require()
    where = os.path.join(t.dir, "later")
    with netns.Path(mtu=1500, emulator=False) as path, MeteredDiode(path, t.dir, where) as diode:
        diode.start_rx()
        diode.start_tx()
        for side in ("rx", "tx"):
            diode.wait(lambda s=side: "metrics.failed" in diode.read_log(s), 30, "it is said")
        os.mkdir(where)
        diode.wait(lambda: sorted(os.listdir(where)) == ["rx.prom", "tx.prom"], 60, "both files")
        t.equal(exchange(path, 10), 10, "messages in order")
        for side in ("rx", "tx"):
            t.equal(diode.read_log(side).count("metrics.failed"), 1, f"times that {side} says it")
        diode.finish()


if __name__ == "__main__":
    tap.main()
