#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Commissioning: linktest on both sides of a link. What rx says it lost is what the emulator kept
back, frame by frame; the settings it proposes are taken by check; a running receiver counts
test frames as foreign. Neither time nor speed decides anything here: where a loaded
machine lets the receiver's own ring overflow, rx says so, and that is told apart."""

import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import config, netns, stats, tap  # noqa: E402
from harness.diode import Diode, load_json  # noqa: E402
from harness.emu import Emulator  # noqa: E402
from harness.procs import Process  # noqa: E402

# some hundred frames a step, at rates that any machine has
SLOW = ["--quick", "--sizes", "300,1500", "--rates", "4,20", "--burst", "256"]
SECONDS = 120


class Test:
    """Both programs of one link test; .tx and .rx are their JSON afterwards."""

    def __init__(self, diode, directory, name="run"):
        self.diode, self.dir, self.name = diode, directory, name
        self.tx = self.rx = None
        self.listener = None

    def at(self, what):
        return os.path.join(self.dir, f"{self.name}-{what}")

    def listen(self, *args, expect=(0,)):
        d = self.diode
        self.listener = Process(
            [d.rx_program, "linktest", "--config", d.rx_config, "--json", self.at("rx.json"),
             "--svg", self.at("rx.svg"), *args], self.dir, self.name + "-rx", ns=d.path.rx.ns,
            expect=expect)
        self.listener.wait_line("listens on", SECONDS, "out")
        self.listener.role_pid("listen")

    def send(self, *args, into=None):
        """Exit code of tx and what it said."""
        d = self.diode
        argv = d.path.tx.ns.argv([d.tx_program, "linktest", "--config", d.tx_config, "--json",
                                  into or self.at("tx.json"), *args])
        done = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode == 0:
            self.tx = load_json(self.at("tx.json"))
        return done.returncode, done.stdout + done.stderr

    def heard(self):
        """Exit code of rx, which ends by itself, and what it said."""
        code = self.listener.wait(SECONDS)
        text = self.listener.output("out")
        if os.path.getsize(self.at("rx.json")):
            self.rx = load_json(self.at("rx.json"))
        return code, text


def losses(steps):
    """Numbers in the run of all frames that rx names as lost."""
    found = set()
    for step in steps:
        if step["whole"]:
            for first, last in step["lost_ranges"]:
                found |= set(range(step["first"] + first, step["first"] + last + 1))
    return found


def check_table(t, test, what):
    """Every step of tx is one of rx, and counts the same frames."""
    t.equal(test.rx["run"], test.tx["run"], f"{what}: run")
    t.equal(test.rx["over"] and test.tx["over"], True, f"{what}: over")
    t.equal(len(test.rx["steps"]), len(test.tx["steps"]), f"{what}: steps")
    for rx, tx in zip(test.rx["steps"], test.tx["steps"]):
        for key in ("kind", "size", "rate_bps", "planned", "sent", "reached"):
            t.equal(rx[key], tx[key], f"{what}: step {tx['step']}: {key}")
        t.equal(rx["taken"] + rx["lost"], tx["sent"], f"{what}: step {tx['step']}: the sum")
        t.equal(rx["lost"] >= rx["longest"], True, f"{what}: step {tx['step']}: in a row")


def link_lost(step):
    """Lost, but not for want of ring or processor on this machine."""
    return step["lost"] and not step["drops"]


def paste(t, diode, text):
    """The proposal of rx as an operator pastes it: each part into its file; check takes both."""
    parts = text.split("For the transmitter's file:")[1].split("For the receiver's file:")
    for side, section, part in (("tx", "transmitter", parts[0]), ("rx", "receiver", parts[1])):
        old = diode.tx_sections if side == "tx" else diode.rx_sections
        new, name = {}, None
        for line in part.splitlines():
            if line.startswith("["):
                name = line.strip("[]").replace("channel NAME", "channel files")
                new[name] = {}
            elif " = " in line and not line.startswith("#"):
                key, value = line.split(" = ")
                new[name][key] = value
        t.check("fec_depth" in new["channel files"], f"{side}: no geometry in\n{part}")
        t.check(("rate" if side == "tx" else "ring") in new[section], f"{side}:\n{part}")
        path = config.write(os.path.join(diode.dir, side + "-new.conf"),
                            config.merge(old, new))
        program = diode.tx_program if side == "tx" else diode.rx_program
        ns = (diode.path.tx if side == "tx" else diode.path.rx).ns
        done = subprocess.run(ns.argv([program, "check", "--config", path]), text=True,
                              capture_output=True, timeout=60, check=False)
        t.equal(done.returncode, 0, f"{side}: check of the proposal: {done.stderr}\n{part}")


def clean(t, mtu, name, *options, **keys):
    directory = os.path.join(t.dir, name)
    os.makedirs(directory)
    with netns.Path(mtu=mtu, emulator=False) as path, \
            Diode(path, directory, tx=keys.get("tx"), rx=keys.get("rx")) as diode:
        test = Test(diode, directory)
        test.listen(expect=(0, 65))
        code, said = test.send(*options)
        t.require(code == 0, f"{name}: tx: exit {code}\n{said}")
        code, text = test.heard()
        check_table(t, test, name)
        for step in test.rx["steps"]:
            t.check(not link_lost(step), f"{name}: lost on a clean cable: {step}")
        if any(step["drops"] for step in test.rx["steps"]):
            tap.note(f"{name}: this machine's ring overflowed")
        else:
            t.equal(code, 0, f"{name}: exit code of rx\n{text}")
            t.equal(test.rx["proposal"]["found"], True, f"{name}: a rate is found")
            t.equal(test.rx["proposal"]["longest"], 0, f"{name}: longest loss")
            paste(t, diode, text)
        for key in ("foreign", "malformed", "impossible", "other_run"):
            t.equal(test.rx[key], 0, f"{name}: {key}")
        t.equal(stats.one_way(path), {}, f"{name}: frames the other way")
        with open(test.at("rx.svg"), encoding="ascii") as file:
            t.check(file.read().startswith("<svg "), f"{name}: no picture")
        return test, text


@tap.test
def clean_link(t):
    """A cable without a fault: the table is complete, the plot is there, the proposal holds."""
    netns.require()
    test, text = clean(t, 9000, "jumbo", "--quick", "--sizes", "300,1500,9000", "--rates",
                       "4,20,100", "--burst", "512")
    t.equal(len(test.rx["steps"]), 3 * 3 + 1, "steps")
    t.check("9000 bytes, by Mbit/s" in text and "|####" in text, f"no plot:\n{text}")
    clean(t, 1500, "vlan", *SLOW, tx={"vlan": 7}, rx={"vlan": 7})
    clean(t, 1500, "pcap", *SLOW, rx={"capture": "pcap"})


@tap.test
def with_several_workers_configured(t):
    """A link test has one lane of its own, whatever lanes the daemon would have."""
    netns.require()
    for workers in (2, 3):
        clean(t, 1500, f"workers{workers}", *SLOW, tx={"workers": workers})


@tap.test
def every_lost_frame_is_named(t):
    """Random loss, bursts and disorder: rx names exactly what the emulator kept back."""
    netns.require()
    kinds = {"loss": {"loss": "1%"},
             "bursts": {"burst": ["1@0", "70@400", "3@900"], "every": 97},
             "disorder": {"dup": "2%", "reorder": "2%:20", "loss": "0.5%"}}
    with netns.Path(mtu=1500) as path:
        for name, impairments in kinds.items():
            directory = os.path.join(t.dir, name)
            os.makedirs(directory)
            diode = Diode(path, directory)
            test = Test(diode, directory)
            with Emulator(path, directory, seed=tap.seed() & 0xFFFFFFFF,
                          **impairments) as emulator:
                test.listen(expect=(0, 65))
                code, said = test.send(*SLOW)
                t.require(code == 0, f"{name}: tx: exit {code}\n{said}")
                code, text = test.heard()
            check_lost(t, test, emulator, name, text)
            copies = sum(step["copies"] for step in test.rx["steps"])
            t.equal(copies > 0, "dup" in impairments, f"{name}: {copies} copies")
        t.equal(stats.one_way(path), {}, "frames the other way")


def check_lost(t, test, emulator, name, text):
    check_table(t, test, name)
    rx = test.rx
    t.equal([step["step"] for step in rx["steps"] if step["drops"]], [],
            f"{name}: steps in which our own ring was full")
    run = int(rx["run"], 16)
    last = rx["steps"][-1]
    total = last["first"] + last["planned"]
    lost = {seq for seq in emulator.lost().get((run, 3), []) if seq < total}
    named = losses(rx["steps"])
    late = sum(step["late"] for step in rx["steps"])
    t.equal(sorted(lost - named)[:20], [], f"{name}: kept back, and not named")
    t.equal(len(named - lost), late, f"{name}: named, and not kept back")
    t.equal(sum(step["lost"] for step in rx["steps"]), len(named), f"{name}: counted and named")
    t.check(lost, f"{name}: the emulator kept nothing back")
    longest = max(step["longest"] for step in rx["steps"])
    t.check(f"{longest}" in text, f"{name}: the longest loss is not told\n{text}")
    tap.note(f"{name}: {len(lost)} of {total} frames lost, longest {longest}, "
             f"{rx['proposal']}")


@tap.test
def hopeless_link(t):
    """Loss at every rate: no rate is proposed, and rx says so by its exit code; a link on which
    large frames do not pass is told by their size."""
    netns.require()
    with netns.Path(mtu=9000) as path, Diode(path, t.dir) as diode:
        for name, impairments, want in (("every", {"every": 20}, 65),
                                        ("no-jumbo", {"drop_if": "length=2000-9100"}, 0)):
            test = Test(diode, t.dir, name)
            with Emulator(path, t.dir, name=name, **impairments):
                test.listen(expect=(0, 65))
                code, said = test.send("--quick", "--sizes", "300,1500,9000", "--rates", "4,20",
                                       "--burst", "0")
                t.require(code == 0, f"{name}: tx: exit {code}\n{said}")
                code, text = test.heard()
            t.equal(code, want, f"{name}: exit code\n{text}")
            proposal = test.rx["proposal"]
            t.equal(proposal["found"], want == 0, f"{name}: a rate is found")
            if want:
                t.check("docs/tuning.md" in text and "rate =" not in text, text)
            else:
                t.equal((proposal["size"], proposal["not_through"]), (1500, 9000), name)
                t.check("mtu = 1500" in text, f"the MTU is not proposed:\n{text}")
                paste(t, diode, text)


@tap.test
def late_listener(t):
    """rx begins in the middle: the steps before are not counted as lost."""
    netns.require()
    with netns.Path(mtu=1500, emulator=False) as path, Diode(path, t.dir) as diode:
        test = Test(diode, t.dir)
        argv = [diode.tx_program, "linktest", "--config", diode.tx_config, "--json",
                test.at("tx.json"), *SLOW, "--seconds", "1"]
        with Process(argv, t.dir, "tx", ns=path.tx.ns) as tx:
            tx.wait_line(r"^ +1 ", SECONDS, "out")
            test.listen(expect=(0, 65))
            code, _ = test.heard()
            t.equal(tx.wait(SECONDS), 0, "exit code of tx")
        first = test.rx["first_whole"]
        t.check(0 < first < len(test.rx["steps"]), f"first whole step {first}")
        for step in test.rx["steps"]:
            t.equal(step["whole"], step["step"] >= first, f"step {step['step']} is whole")
            t.check(not (step["whole"] and link_lost(step)), f"lost: {step}")
        t.equal(losses(test.rx["steps"][:first]), set(), "losses before we listened")
        t.check(code in (0, 65), f"exit code {code}")


@tap.test
def interrupted(t):
    """tx is stopped in the middle, and says how far it came; rx is stopped before anything came,
    and when it has heard a part."""
    netns.require()
    with netns.Path(mtu=1500, emulator=False) as path, Diode(path, t.dir) as diode:
        test = Test(diode, t.dir, "none")
        test.listen(expect=(75,))
        test.listener.send_signal(signal.SIGINT)
        code, text = test.heard()
        t.equal(code, 75, f"rx without a sender: exit code\n{text}")
        test = Test(diode, t.dir, "waits")
        test.listen("--wait", "1", expect=(75,))
        t.equal(test.heard()[0], 75, "rx gives up waiting")

        test = Test(diode, t.dir, "half")
        test.listen(expect=(0, 65))
        argv = [diode.tx_program, "linktest", "--config", diode.tx_config, "--json",
                test.at("tx.json"), *SLOW, "--seconds", "1"]
        with Process(argv, t.dir, "half-tx", ns=path.tx.ns) as tx:
            tx.wait_line(r"^ +1 ", SECONDS, "out")
            tx.send_signal(signal.SIGTERM)
            t.equal(tx.wait(SECONDS), 0, "exit code of a stopped tx")
            t.check("stopped after" in tx.output("out"), tx.output("out"))
        _, text = test.heard()
        sent = load_json(test.at("tx.json"))["steps"]
        whole = [step for step in test.rx["steps"] if step["whole"]]
        t.equal(len(whole), len(sent), f"steps that count\n{text}")
        t.equal([s for s in whole if link_lost(s)], [], "losses of a part")


@tap.test
def not_beside_the_daemon(t):
    """linktest and run take the same lock; a running receiver counts test frames as foreign."""
    netns.require()
    with netns.Path(mtu=1500, emulator=False) as path, Diode(path, t.dir) as diode:
        diode.start_rx()
        test = Test(diode, t.dir)
        code, said = test.send(*SLOW)
        t.equal(code, 0, f"tx without a listener\n{said}")
        extra = sum(step["sent"] for step in test.tx["steps"])
        rx = diode.wait(lambda: diode.counters("rx")["decode.foreign"] >= extra
                        and diode.counters("rx"), 30, f"{extra} foreign frames")
        t.equal((rx["decode.ours"], rx["decode.opened"]), (0, 0), "ours, opened")
        t.equal(rx["decode.seen"], rx["decode.foreign"], "seen and foreign")
        for side, program, conf, ns in (("rx", diode.rx_program, diode.rx_config, path.rx.ns),
                                        ("tx", diode.tx_program, diode.tx_config, path.tx.ns)):
            if side == "tx":
                diode.start_tx()
            done = subprocess.run(ns.argv([program, "linktest", "--config", conf]), text=True,
                                  capture_output=True, timeout=60, check=False)
            t.equal(done.returncode, 69, f"{side} linktest beside the daemon: {done.stderr}")
            t.check("already running" in done.stderr, done.stderr)


@tap.test
def hostile_frames(t):
    """Foreign bytes in between, and test frames with bits turned: counted, and no step is the
    worse for it but by what was damaged."""
    netns.require()
    with netns.Path(mtu=1500) as path, Diode(path, t.dir) as diode:
        test = Test(diode, t.dir)
        with Emulator(path, t.dir, seed=tap.seed() & 0xFFFFFFFF, corrupt="3%",
                      truncate="2%") as emulator:
            test.listen(expect=(0, 65))
            code, said = test.send("--quick", "--sizes", "256", "--rates", "4,20", "--burst",
                                   "128")
            t.require(code == 0, f"tx: exit {code}\n{said}")
            code, text = test.heard()
        check_table(t, test, "damaged")
        rx = test.rx
        t.check(rx["malformed"] + rx["foreign"] > 0, f"nothing was refused\n{text}")
        run = int(rx["run"], 16)
        damaged = {entry.seq for entry in emulator.entries() if entry.session == run
                   and {"corrupted", "truncated"} & entry.actions}
        named = losses(rx["steps"])
        t.check(named <= damaged, f"lost, and not damaged: {sorted(named - damaged)[:20]}")
        t.check(named, "no damaged frame was refused")


@tap.test
def refusals(t):
    """What cannot be meant is said in one line, with the exit code for it."""
    netns.require()
    with netns.Path(mtu=1500, emulator=False) as path, Diode(path, t.dir) as diode:
        for args, code, word in ((["--sizes", "300,x"], 64, "--sizes"),
                                 (["--sizes", "9000"], 64, "--sizes"),
                                 (["--sizes", "1,2,3"], 64, "--sizes"),
                                 (["--rates", ""], 64, "--rates")):
            got, said = Test(diode, t.dir).send(*args)
            t.equal(got, code, f"{args}: {said}")
            t.check(word in said and said.count("\n") == 1, f"{args}: {said}")
        got, said = Test(diode, t.dir).send(into="/nowhere/x.json")
        t.equal(got, 73, f"no such directory: {said}")
        path.tx.down()
        got, said = Test(diode, t.dir).send(*SLOW)
        t.equal(got, 69, f"the port is down: {said}")
        t.check("is down" in said, said)


if __name__ == "__main__":
    tap.main()
