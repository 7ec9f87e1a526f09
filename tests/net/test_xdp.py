# SPDX-License-Identifier: ISC
"""AF_XDP on both sides of the link, in copy mode, which any veth can: the same files arrive, at
MTU 1,500 and (by frames of several buffers) 9,000; what is lost is accounted for; tx cannot
receive and rx cannot send by it; what cannot be had is refused with its reason, and `auto`
takes the other way.
"""

import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import account, forge, framing, netns, rawframe, stats, tap  # noqa: E402
from harness.diode import Diode  # noqa: E402
from harness.emu import Emulator  # noqa: E402
from harness.producer import Producer, wait_all  # noqa: E402
from harness.xdp import has_program, require  # noqa: E402

FILES = 150
CAP_NET_ADMIN, CAP_IPC_LOCK, CAP_BPF = 1 << 12, 1 << 14, 1 << 39


def ways():
    """(backend of tx, capture of rx): AF_XDP on the one, the other, both sides."""
    found = [("packet", "xdp")]
    return found if framing.UDP else [("xdp", "ring"), *found, ("xdp", "xdp")]


def capabilities(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        lines = dict(line.split(":", 1) for line in file)
    return int(lines["CapPrm"], 16) | int(lines["CapBnd"], 16)


def judge(t, what, tx, rx, backend, capture):
    """Counters of a finished run without loss."""
    t.equal(tx["sender.af_xdp"], int(backend == "xdp"), f"{what}: tx by AF_XDP, copying")
    t.equal(rx["supervisor.intake_xdp"], int(capture == "xdp"), f"{what}: rx by AF_XDP")
    t.equal(tx["sender.af_xdp_refused"], 0, f"{what}: frames tx's device dropped")
    t.equal(tx["sender.packet_stats_received"], 0, f"{what}: frames tx's sockets were given")
    for key in ("lost_total", "kernel_drops", "intake_violations", "tx_packets_seen"):
        t.equal(rx["decode." + key], 0, f"{what}: {key}")
    t.equal(rx["decode.seen"], tx["sender.frames_sent"] + tx["sender.probes_sent"],
            f"{what}: frames that rx saw and that tx sent")
    account.check_sums(t, rx, what)


def transfer(t, mtu, backend, capture):
    what = f"tx {backend}, rx {capture}, MTU {mtu}"
    with netns.Path(mtu=mtu, emulator=False) as path, \
            Diode(path, os.path.join(t.dir, f"{backend}-{capture}-{mtu}"),
                  tx={"backend": backend}, rx={"capture": capture}) as diode:
        producer = Producer(diode, tap.rng(what), size=(0, 200000))
        diode.start_rx()
        diode.start_tx()
        t.equal(has_program(path.tx), False, f"{what}: an XDP program on tx's port")
        t.equal(has_program(path.rx), capture == "xdp", f"{what}: an XDP program on rx's port")
        producer.put_some(FILES)
        wait_all(diode, producer, 60)
        t.equal(producer.judge(diode.tree())[:5], [], f"{what}: published tree")
        tx, rx = diode.finish()
        judge(t, what, tx, rx, backend, capture)
        t.equal(stats.one_way(path), {}, f"{what}: one-wayness")
        t.equal(has_program(path.rx), False, f"{what}: a program on rx's port after the end")
        tap.note(f"{what}: {tx['sender.frames_sent']} frames, "
                 f"{tx['sender.af_xdp_wakeups']} wake-ups")


@tap.test
def files_arrive(t):
    require()
    for backend, capture in ways():
        transfer(t, 1500, backend, capture)


@tap.test
def files_arrive_in_frames_of_several_buffers(t):
    require(9000)
    for backend, capture in ways():
        transfer(t, 9000, backend, capture)


@tap.test
def losses_are_accounted_for(t):
    """Through an emulator that loses, repeats, reorders, corrupts and cuts: number by number."""
    require(9000)
    impairments = {"loss": "2%", "burst": ["400@1500"], "dup": "2%", "reorder": "2%:40",
                   "corrupt": "1%", "truncate": "1%", **framing.emulator_options()}
    for mtu in (1500, 9000):
        directory = os.path.join(t.dir, str(mtu))
        with netns.Path(mtu=mtu) as path, \
                Diode(path, directory, tx={"backend": ways()[-1][0], "rate": "400 Mbit/s"},
                      rx={"capture": "xdp"}) as diode, \
                Emulator(path, directory, seed=tap.seed() & 0xffffffff,
                         **impairments) as emulator:
            producer = Producer(diode, tap.rng(f"lossy {mtu}"), size=(0, 400000))
            producer.put_some(100)
            diode.start_rx()
            diode.start_tx()
            diode.wait_sent(100, 120)
            diode.wait_settled(120)
            tx, rx = diode.finish(emulator=emulator)
        lost = account.check_frames(t, diode, emulator, tx, rx)
        t.check(lost > 0, f"MTU {mtu}: frames lost")
        t.equal(rx["decode.tx_packets_seen"], 0, f"MTU {mtu}: frames rx's port sent")
        t.equal(tx["supervisor.port_received"], 0, f"MTU {mtu}: frames tx's port received")
        t.equal(rx["decode.intake_violations"], 0, f"MTU {mtu}: violations")
        tap.note(f"MTU {mtu}: {lost} of {emulator.summary['data_frames']} frames lost")


class Port:
    """km-port-xdp: a socket of a port, and what can be done with it."""

    def __init__(self, side, interface, frame_max):
        argv = interface.ns.argv([os.environ["KM_PORT_XDP"], side, interface.name,
                                  str(frame_max)])
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        if self.process.stdout.readline() != "open\n":
            raise RuntimeError(f"km-port-xdp ended: {self.process.wait(10)}")

    def attempts(self):
        out = self.process.communicate("go\n", timeout=30)[0]
        return dict(line.split(" ", 1) for line in out.splitlines())


@tap.test
def the_sender_cannot_receive(t):
    """No RX ring, none to be had, no program; frames sent to the port come to nobody."""
    require(9000)
    with netns.Path(mtu=9000, emulator=False) as path, rawframe.sender(path.rx) as sock:
        port = Port("tx", path.tx, 9018)
        t.equal(has_program(path.tx), False, "an XDP program on tx's port")
        for number in range(1000):
            sock.send(rawframe.ethernet(path.tx.mac_bytes if number % 2 else forge.DST,
                                        bytes(6), rawframe.header() + bytes(1000)))
        t.equal(stats.counters(path.tx)["rx_packets"], 1000, "frames that reached the port")
        t.equal(port.attempts(), {
            "map-rx-ring": "EINVAL", "add-rx-ring": "EBUSY", "recv": "ENOBUFS",
            "read": "ENOBUFS", "poll": "done 0", "seen": "done 0"}, "attempts to receive")


@tap.test
def the_receiver_cannot_send(t):
    """No TX ring, and none to be had."""
    require(9000)
    with netns.Path(mtu=9000, emulator=False) as path:
        port = Port("rx", path.rx, 9018)
        t.equal(has_program(path.rx), True, "an XDP program on rx's port")
        t.equal(port.attempts(), {
            "map-tx-ring": "EINVAL", "add-tx-ring": "EBUSY", "sendto": "ENOBUFS",
            "send": "ENOBUFS", "write": "EOPNOTSUPP"}, "attempts to send")
        t.equal(stats.counters(path.rx)["tx_packets"], 0, "frames that left by the port")


def others(rng, count):
    """Frames that are none of ours, with a tag and without, down to an empty one."""
    for _ in range(count):
        tag = rng.choice((b"", b"\x81\x00\x00\x05", b"\x81\x00\x00\x05\x81\x00\x00\x05"))
        ethertype = rng.choice((0x0806, 0x86DD, 0x88B6, 0x0800, 0x8100))
        yield forge.DST + bytes(6) + tag + ethertype.to_bytes(2, "big") \
            + rng.randbytes(rng.choice((0, 1, 2, 3, 20, 60, 1400)))


@tap.test
def what_is_not_ours_is_dropped_and_counted(t):
    """By the program, before it reaches decode or the host; what has our type and no sense is
    decode's to refuse."""
    require()
    rng = tap.rng("others")
    count = 3000
    with netns.Path(mtu=1500, emulator=False) as path, \
            Diode(path, t.dir, rx={"capture": "xdp"}) as diode, \
            rawframe.sender(path.tx) as sock:
        diode.start_rx()
        before = diode.counters("rx")
        for frame in others(rng, count):
            sock.send(frame)
        rx = diode.wait(lambda: diode.counters("rx")["decode.af_xdp_foreign"] >= count
                        and diode.counters("rx"), 30, f"{count} foreign frames")
        t.equal(rx["decode.af_xdp_foreign"], count, "frames dropped by the program")
        t.equal(rx["decode.seen"], before["decode.seen"], "frames decode saw")
        for _ in range(count):
            sock.send(rawframe.ethernet(forge.DST, bytes(6),
                                        framing.wrap(rng.randbytes(rng.randrange(1, 1400)))))
        rx = diode.wait(lambda: diode.counters("rx")["decode.ours"] >= count
                        and diode.counters("rx"), 30, f"{count} frames of our type")
        t.equal(rx["decode.ours"], count, "frames of our type")
        t.equal(rx["decode.af_xdp_foreign"], count, "frames dropped by the program")
        account.check_sums(t, rx)
        t.equal(stats.one_way(path).get("rx sent"), None, "one-wayness")


@tap.test
def a_full_ring_is_counted(t):
    """decode stands still: as many frames as there are chunks wait, every further one is a
    drop, and afterwards it goes on."""
    require(9000)
    chunks, count = 256, 1000
    with netns.Path(mtu=9000, emulator=False) as path, \
            Diode(path, t.dir, rx={"capture": "xdp", "ring": "1 MiB"}) as diode, \
            rawframe.sender(path.tx) as sock:
        diode.start_rx()
        diode.wait(lambda: diode.counters("rx")["decode.rss_plan_bytes"], 10, "decode at work")
        pid = diode.rx.role_pid("decode")
        frame = rawframe.ethernet(forge.DST, bytes(6), framing.wrap(bytes(300)))
        os.kill(pid, signal.SIGSTOP)
        try:
            for _ in range(count):
                sock.send(frame)
        finally:
            os.kill(pid, signal.SIGCONT)
        rx = diode.wait(lambda: diode.counters("rx")["decode.kernel_drops"]
                        and diode.counters("rx")["decode.seen"] >= chunks
                        and diode.counters("rx"), 30, "drops")
        t.equal((rx["decode.seen"], rx["decode.kernel_drops"]), (chunks, count - chunks),
                "frames that waited, frames dropped")
        for _ in range(100):
            sock.send(frame)
        diode.wait(lambda: diode.counters("rx")["decode.seen"] == chunks + 100, 30,
                   "further frames")
        t.equal(diode.counters("rx")["decode.intake_violations"], 0, "violations")


@tap.test
def roles_may_die(t):
    """kill -9 of decode and of the sender: both come back by AF_XDP; kill -9 of the supervisor:
    no program stays on the port, which is promiscuous no more."""
    require()
    backend = ways()[-1][0]
    with netns.Path(mtu=1500, emulator=False) as path, \
            Diode(path, t.dir, tx={"backend": backend}, rx={"capture": "xdp"}) as diode:
        producer = Producer(diode, tap.rng("die"))
        diode.roles_may_die = True
        diode.start_rx()
        diode.start_tx()
        producer.put_some(20)
        wait_all(diode, producer, 60)
        diode.rx.kill_role("decode")
        diode.rx.wait_line(r"role\.ready role decode ready", 60, count=2)
        diode.tx.kill_role("sender")
        diode.tx.wait_line(r"role\.ready role sender ready", 60, count=2)
        t.equal(has_program(path.rx), True, "the program is on the port again")
        producer.put_some(20)
        wait_all(diode, producer, 60)
        t.equal(producer.judge(diode.tree())[:5], [], "published tree")
        diode.rx.kill()
        diode.rx = None
        end = time.monotonic() + 10
        while has_program(path.rx) and time.monotonic() < end:
            time.sleep(0.05)
        t.equal(has_program(path.rx), False, "a program on the port of a killed daemon")
        t.check("promiscuity 0 " in path.rx.ns.ip("-d", "link", "show", "dev", path.rx.name),
                "the port of a killed daemon is promiscuous")


@tap.test
def the_cable_is_pulled(t):
    """tx sees it by the frame that is lost with the carrier, waits and goes on, as when its own
    port was down; rx takes up what comes when its port is up again."""
    require()
    backend = ways()[-1][0]
    with netns.Path(mtu=1500, emulator=False) as path, \
            Diode(path, t.dir, tx={"backend": backend}, rx={"capture": "xdp"}) as diode:
        producer = Producer(diode, tap.rng("cable"))
        diode.start_rx()
        diode.start_tx()
        producer.put_some(20)
        wait_all(diode, producer, 60)
        path.rx.down()
        if not framing.UDP:
            diode.tx.wait_line(r"sender link\.down", 30)
            # one, or more where the kernel is slow to tell that the carrier has gone
            t.check(diode.counters("tx")["sender.af_xdp_refused"] >= 1,
                    "what the device dropped is counted")
        path.rx.up()
        if not framing.UDP:
            diode.tx.wait_line(r"sender link\.up", 30)
        producer.put_some(20)
        wait_all(diode, producer, 60)
        t.equal(producer.judge(diode.tree())[:5], [], "published tree")
        if not framing.UDP:
            path.tx.down()
            diode.tx.wait_line(r"sender link\.down", 30, count=2)
            path.tx.up()
            diode.tx.wait_line(r"sender link\.up", 30, count=2)
            producer.put_some(20)
            wait_all(diode, producer, 60)
            t.equal(producer.judge(diode.tree())[:5], [], "published tree, again")


@tap.test
def auto_does_without_where_it_cannot_win(t):
    """A veth has no zero-copy: the packet ring and the packet socket serve, one line says why,
    and nobody keeps the rights that AF_XDP would have taken."""
    require()
    with netns.Path(mtu=1500, emulator=False) as path, Diode(path, t.dir) as diode:
        producer = Producer(diode, tap.rng("auto"))
        diode.start_rx()
        diode.start_tx()
        producer.put_some(10)
        wait_all(diode, producer, 60)
        t.equal(diode.counters("rx")["supervisor.intake_xdp"], 0, "rx by AF_XDP")
        t.equal(diode.counters("tx")["sender.af_xdp"], 0, "tx by AF_XDP")
        diode.rx.wait_line(r"capture link\.backend packet ring: .*zero-copy.*", 10)
        if not framing.UDP:
            diode.tx.wait_line(r"sender link\.backend packet socket: .*zero-copy.*", 10)
        for pid in (diode.rx.pid, diode.tx.pid):
            t.equal(capabilities(pid) & (CAP_NET_ADMIN | CAP_IPC_LOCK | CAP_BPF), 0,
                    "capabilities of a supervisor that AF_XDP would take")


def refused(t, diode, side, pattern, through=()):
    """The daemon does not start and says why in one line."""
    program = diode.rx_program if side == "rx" else diode.tx_program
    conf = diode.rx_config if side == "rx" else diode.tx_config
    ns = (diode.path.rx if side == "rx" else diode.path.tx).ns
    done = subprocess.run(ns.argv([*through, program, "run", "--config", conf]),
                          capture_output=True, text=True, timeout=120, check=False)
    lines = [line for line in done.stderr.splitlines() if pattern in line]
    t.check(done.returncode not in (0, 70) and lines,
            f"{side}: exit {done.returncode}, no line with {pattern!r}:\n{done.stderr}")


@tap.test
def what_cannot_be_had_is_refused(t):
    """Driver without XDP, program of somebody else, several queues, a NIC that takes tags off,
    no rights."""
    require()
    with netns.Path(mtu=1500, emulator=False) as path:
        def rx(name, **keys):
            return Diode(path, os.path.join(t.dir, name), rx={"capture": "xdp", **keys})

        refused(t, rx("driver", interface="lo", mtu=1500), "rx", "driver takes no XDP program")
        refused(t, rx("nobody", interface="nothere"), "rx", "not there")
        path.rx.offload("rxvlan", "on")
        refused(t, rx("tags", vlan=5), "rx", "ethtool -K link0 rxvlan off")
        first = rx("first")
        first.start_rx()
        refused(t, rx("second"), "rx", "queue 0 is in use")
        first.stop()
        refused(t, rx("rights"), "rx", "CAP_BPF",
                ("setpriv", "--bounding-set", "-bpf,-net_admin,-sys_admin"))
        refused(t, rx("raw"), "rx", "CAP_NET_RAW", ("setpriv", "--bounding-set", "-net_raw"))
        if not framing.UDP:
            tx = Diode(path, os.path.join(t.dir, "tx"), tx={"backend": "xdp"})
            refused(t, tx, "tx", "CAP_NET_RAW", ("setpriv", "--bounding-set", "-net_raw"))
        t.equal(has_program(path.rx), False, "a program that a refused daemon left behind")
        netns.run(*path.rx.ns.argv(["ethtool", "-L", path.rx.name, "rx", "2", "tx", "1"]))
        refused(t, rx("queues"), "rx", "ethtool -L link0 combined 1")


if __name__ == "__main__":
    tap.main()
