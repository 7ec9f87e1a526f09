# SPDX-License-Identifier: ISC
"""What goes wrong in the field: full disks, an unwritable spool, wrong keys, a wrong or dead
interface, a small MTU, a clock in 2099, errors of the configuration, a second start, missing
rights. Each gives one clear line (what, which, why, what to do) and the right exit code; what
was safe stays safe; and when the cause is gone, the work goes on.
"""

import hashlib
import os
import re
import shutil
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import account, config, netns, stats, tap  # noqa: E402
from harness.diode import Diode  # noqa: E402
from harness.disks import OnDisks, Tmpfs  # noqa: E402
from harness.emu import Emulator  # noqa: E402
from harness.producer import Producer, wait_all  # noqa: E402

EX_NOINPUT, EX_UNAVAILABLE, EX_NOPERM, EX_CONFIG = 66, 69, 77, 78
NOBODY = 65534
YEAR_2099 = 4070908800


# ---- a start that fails -------------------------------------------------------------------

def attempt(diode, side, wrap=(), program=None):
    """Start a daemon that will not run: (exit code, what it said)."""
    ns = diode.path.tx.ns if side == "tx" else diode.path.rx.ns
    program = program or (diode.tx_program if side == "tx" else diode.rx_program)
    conf = diode.tx_config if side == "tx" else diode.rx_config
    done = subprocess.run(ns.argv([*wrap, program, "run", "--config", conf]),
                          capture_output=True, text=True, timeout=90, check=False)
    return done.returncode, done.stdout + done.stderr


def fails(t, diode, side, what, code, *said, changes=None, channel=None, **how):
    """With CHANGES of the configuration the daemon must end with CODE, and one of its lines
    must say all of SAID."""
    sections = diode.tx_sections if side == "tx" else diode.rx_sections
    main = "transmitter" if side == "tx" else "receiver"
    conf = diode.tx_config if side == "tx" else diode.rx_config
    config.write(conf, config.merge(sections, {main: changes or {},
                                               "channel files": channel or {}}),
                 how.pop("mode", 0o600))
    got, text = attempt(diode, side, **how)
    codes = code if isinstance(code, tuple) else (code,)
    t.check(got in codes, f"{side}, {what}: exit {got}, want {codes}\n{text[-1500:]}")
    good = [line for line in text.splitlines() if all(word in line for word in said)]
    t.check(good, f"{side}, {what}: no line with all of {said}:\n{text[-1500:]}")
    t.check("Traceback" not in text and "ERROR: " not in text, f"{side}, {what}:\n{text}")
    diode.write_config()


@tap.test
def starts_that_fail(t):
    netns.require()
    with netns.Path(mtu=1500) as path, Diode(path, t.dir) as diode:
        for side in ("tx", "rx"):
            conf = diode.tx_config if side == "tx" else diode.rx_config
            own = "spool" if side == "tx" else "root"
            keys = os.path.join(diode.dir, "keys")
            fails(t, diode, side, "wrong interface", EX_UNAVAILABLE, "nosuch0", "ip link",
                  changes={"interface": "nosuch0"})
            fails(t, diode, side, "MTU of the interface too small", EX_CONFIG, "mtu", "1500",
                  "ip link set", changes={"mtu": 9000})
            for what, word, how in (
                    ("unknown key", "colour", {"changes": {"colour": "red"}}),
                    ("not a number", "mtu", {"changes": {"mtu": "large"}}),
                    ("number too large", "mtu", {"changes": {"mtu": 70000}}),
                    ("relative path", "state_dir", {"changes": {"state_dir": "state"}}),
                    ("no owner", "owner", {"channel": {"owner": None}}),
                    ("no purpose", "purpose", {"channel": {"purpose": None}}),
                    ("no classification", "classification",
                     {"channel": {"classification": None}}),
                    ("unknown kind", "kind", {"channel": {"kind": "stream"}}),
                    ("no directory", own, {"channel": {own: None}})):
                fails(t, diode, side, what, EX_CONFIG, word, os.path.basename(conf), **how)
            fails(t, diode, side, "no key file", (EX_NOINPUT, EX_NOPERM), "absent.key",
                  changes={"key": os.path.join(keys, "absent.key")})
            other = os.path.join(keys, "open.key")
            shutil.copy(os.path.join(keys, side + ".key"), other)
            os.chmod(other, 0o644)
            fails(t, diode, side, "key that others may read", EX_NOPERM, "open.key", "chmod",
                  changes={"key": other})
            wrong = os.path.join(keys, ("rx" if side == "tx" else "tx") + ".key")
            fails(t, diode, side, "key of the other kind", (65,), os.path.basename(wrong),
                  changes={"key": wrong})
            listed = "receivers" if side == "tx" else "trust"
            fails(t, diode, side, "no public key", (EX_NOINPUT, EX_NOPERM), "absent.pub",
                  changes={listed: os.path.join(keys, "absent.pub")})
            os.rename(conf, conf + ".away")
            code, text = attempt(diode, side)
            t.check(code == EX_NOINPUT and conf in text, f"{side}, no file: {code} {text}")
            os.rename(conf + ".away", conf)
            without_rights(t, diode, side)
            already_running(t, diode, side)


def without_rights(t, diode, side):
    """As an ordinary user: the reason, and what to do."""
    place = os.path.join(diode.dir, "katamichi-" + side)
    shutil.copy(diode.tx_program if side == "tx" else diode.rx_program, place)
    for path in (diode.dir, place, os.path.join(diode.dir, "config")):
        os.chmod(path, 0o755)
    fails(t, diode, side, "no rights", EX_NOPERM, "CAP_NET_RAW", "start as root",
          wrap=["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"],
          program=place, mode=0o644)


def already_running(t, diode, side):
    process = diode.start_tx() if side == "tx" else diode.start_rx()
    code, text = attempt(diode, side)
    t.equal(code, EX_UNAVAILABLE, f"{side}, second start: exit code; {text[-500:]}")
    t.check(str(process.pid) in text, f"{side}: who runs is not named: {text[-500:]}")
    t.check(process.running, f"{side}: the first one runs on")
    t.equal(diode.status(side).get("running", True), True, f"{side}: status")
    if side == "tx":
        diode.stop_tx()
    else:
        diode.stop_rx()


# ---- keys ---------------------------------------------------------------------------------

def told(process, pattern, timeout=30):
    return process.wait_line(".*" + pattern + ".*", timeout)[0]


def complete_by_tickets(t, diode, rounds=8):
    for _ in range(rounds):
        rx = diode.wait_settled(90)
        if not rx["publish.objects_missing"] and not rx["publish.manifests_missing"]:
            return
        tickets = diode.wait_tickets()
        if tickets:
            diode.resend(*tickets[:8])
    t.check(False, "still missing after all rounds of tickets")


@tap.test
def wrong_keys(t):
    """rx does not trust this tx; tx does not know this rx; another environment. Nothing is
    published, a line says which, and after the mistake was mended tickets bring all of it."""
    netns.require()
    rng = tap.rng("keys")
    with netns.Path(mtu=9000) as path, Diode(path, t.dir) as diode, Emulator(path, t.dir):
        keys = os.path.join(diode.dir, "keys")
        for program, name in ((diode.tx_program, "tx2"), (diode.rx_program, "rx2")):
            netns.run(program, "keygen", "--key", os.path.join(keys, name + ".key"))
        producer = Producer(diode, rng)
        for side, changes, said in (
                ("rx", {"trust": os.path.join(keys, "tx2.pub")}, "not trusted"),
                ("tx", {"receivers": os.path.join(keys, "rx2.pub")}, "no box for our key"),
                ("rx", {"environment": 7}, "another environment")):
            sections = diode.tx_sections if side == "tx" else diode.rx_sections
            main = "transmitter" if side == "tx" else "receiver"
            config.write(diode.tx_config if side == "tx" else diode.rx_config,
                         config.merge(sections, {main: changes}))
            diode.start_rx()
            diode.start_tx()
            producer.put_some(5)
            line = told(diode.rx, r"session\.refused")
            t.check(said in line, f"want {said!r}: {line}")
            diode.wait_sent(producer.count, 30)
            rx = diode.counters("rx")
            t.equal(rx["publish.objects_published"], 0, f"{said}: published")
            t.equal(rx["decode.sessions_live"], 0, f"{said}: sessions")
            account.check_sums(t, rx, said)
            diode.stop()
            diode.write_config()
        diode.start_rx()
        diode.start_tx()
        producer.put_some(5)
        complete_by_tickets(t, diode)
        t.equal(producer.judge(diode.tree()), [], "published tree")


# ---- the link -----------------------------------------------------------------------------

@tap.test
def cable_pulled(t):
    """Both ports down and up again in turn."""
    netns.require()
    rng = tap.rng("cable")
    with netns.Path(mtu=9000) as path, Diode(path, t.dir) as diode, \
            Emulator(path, t.dir, own_loss=True):
        producer = Producer(diode, rng)
        diode.start_rx()
        diode.start_tx()
        producer.put_some(20)
        wait_all(diode, producer, 60)
        path.tx.down()
        line = told(diode.tx, r"link\.down")
        t.check("link0" in line and "nothing is lost" in line, f"which and what: {line}")
        producer.put_some(20)
        path.tx.up()
        told(diode.tx, r"link\.up")
        wait_all(diode, producer, 60)
        t.equal(diode.wait_settled(60)["publish.objects_missing"], 0, "missing")

        path.rx.down()
        producer.put_some(20)
        diode.wait_sent(60, 60)
        path.rx.up()
        producer.put_some(20)
        complete_by_tickets(t, diode)
        t.equal(producer.judge(diode.tree()), [], "published tree")
        for process in (diode.tx, diode.rx):
            t.check("role.died" not in process.output(), f"{process.name}: a role died")


@tap.test
def interface_taken_away(t):
    """The interfaces themselves go and come back, with other indices."""
    netns.require()
    rng = tap.rng("interface")
    with netns.Path(mtu=9000, emulator=False) as path, Diode(path, t.dir) as diode:
        producer = Producer(diode, rng)
        diode.start_rx()
        diode.start_tx()
        producer.put_some(20)
        wait_all(diode, producer, 60)
        diode.roles_may_die = True  # the sender's socket goes with the interface
        path.tx.ns.ip("link", "del", path.tx.name)
        for process in (diode.tx, diode.rx):
            line = told(process, r"link\.gone")
            t.check("link0" in line, f"which: {line}")
        producer.put_some(20)
        tx, rx = netns._pair(path.tx.ns, "link0", path.rx.ns, "link0", 9000, 1)
        rx.up()
        tx.up()
        for process in (diode.tx, diode.rx):
            told(process, r"link\.back")
        complete_by_tickets(t, diode)
        t.equal(producer.judge(diode.tree()), [], "published tree")
        t.equal(stats.one_way(path), {}, "one-wayness")


# ---- disks --------------------------------------------------------------------------------

@tap.test
def disk_full_at_rx(t):
    """Root and state share a small disk that fills up under a transfer."""
    netns.require()
    rng = tap.rng("rxfull")
    with netns.Path(mtu=9000) as path, Tmpfs(os.path.join(t.dir, "disk"), 32) as disk, \
            OnDisks(path, t.dir, rx_disk=disk.place,
                    rx_channel={"min_free": "128 KiB"}) as diode, Emulator(path, t.dir):
        producer = Producer(diode, rng, size=(1, 200000))
        diode.start_rx()
        diode.start_tx()
        producer.put_some(40)
        wait_all(diode, producer, 60)
        safe = dict(producer.expected)
        filler = disk.fill()
        producer.put_some(40)
        line = told(diode.rx, r"disk\.full")
        t.check("channel=files" in line, f"which: {line}")
        diode.wait_sent(80, 60)
        diode.wait(lambda: diode.counters("rx")["publish.disk_full"], 30, "counted as full")
        t.check("role.died" not in diode.rx.output(), "a role died of a full disk")
        lines = diode.rx.output().count("disk.full")
        t.check(lines <= 3, f"{lines} lines about one full disk")
        for name, digest in safe.items():
            with open(os.path.join(os.fsencode(diode.tree()), name), "rb") as file:
                t.check(hashlib.sha256(file.read()).digest() == digest, f"{name!r} changed")
        os.unlink(filler)
        told(diode.rx, r"disk\.ok")
        producer.put_some(20)
        complete_by_tickets(t, diode)
        t.equal(producer.judge(diode.tree())[:5], [], "published tree")
        diode.stop()
        code, text = diode.verify()
        t.equal(code, 0, f"verify: {text[-500:]}")


@tap.test
def disk_full_at_tx(t):
    """Spool and state share a small disk: files wait where they are until there is room."""
    netns.require()
    rng = tap.rng("txfull")
    with netns.Path(mtu=9000) as path, Tmpfs(os.path.join(t.dir, "disk"), 32) as disk, \
            OnDisks(path, t.dir, tx_disk=disk.place,
                    tx_channel={"min_free": "1 MiB"}) as diode, Emulator(path, t.dir):
        producer = Producer(diode, rng, size=(1, 100000))
        diode.start_rx()
        diode.start_tx()
        producer.put_some(40)
        wait_all(diode, producer, 60)
        diode.wait_sent(40, 30)
        waiting = []
        for number in range(5):  # beside `in`, on the same disk, while there is room
            content = rng.randbytes(50000)
            place = os.path.join(diode.spool_root(), f"late-{number}")
            with open(place, "wb") as file:
                file.write(content)
            waiting.append((place, f"late-{number}".encode(), content))
        filler = fill_against_yield(diode, disk)
        for place, name, content in waiting:
            os.rename(place, os.path.join(os.fsencode(diode.spool()), name))
            producer.expected[name] = hashlib.sha256(content).digest()
        line = told(diode.tx, r"(No space left|no space|free the disk|make room)")
        t.check("channel=files" in line or "channel files" in line, f"which: {line}")
        time.sleep(1.5)
        t.equal(sorted(n for _, n, _ in waiting
                       if not on_tx(diode, n)), [], "files that are gone from the spool")
        t.check("role.alarm" not in diode.tx.output(), "a role kept dying of a full disk")
        os.unlink(filler)
        wait_all(diode, producer, 60)
        producer.put_some(20)
        wait_all(diode, producer, 60)
        t.equal(producer.judge(diode.tree())[:5], [], "published tree")
        t.equal(diode.wait_settled(60)["publish.objects_missing"], 0, "missing")


def on_tx(diode, name):
    """Still in the spool, or claimed already: files in work have numbers for names."""
    here = os.path.join(os.fsencode(diode.spool()), name)
    return os.path.exists(here) or os.listdir(os.path.join(diode.spool_root(), ".katamichi",
                                                           "work"))


def fill_against_yield(diode, disk):
    """tx gives way with what it has sent: fill until there is nothing more to give."""
    sent = os.path.join(diode.spool_root(), ".katamichi", "sent")
    filler = disk.fill()
    end = time.monotonic() + 60
    while os.listdir(sent):
        if time.monotonic() > end:
            raise AssertionError("tx does not give way to its producers")
        time.sleep(0.2)
        disk.fill()
    disk.fill()
    return filler


@tap.test
def spool_not_writable(t):
    """The source runs as a user who may not write the spool: at start, then while it runs."""
    netns.require()
    rng = tap.rng("spool")
    with netns.Path(mtu=9000) as path, Diode(path, t.dir, tx={"user": "nobody"}) as diode, \
            Emulator(path, t.dir):
        os.chmod(t.dir, 0o755)
        for place, _, _ in os.walk(t.dir):
            os.chmod(place, 0o755)
        os.chown(os.path.join(diode.dir, "keys", "tx.key"), NOBODY, NOBODY)
        code, text = attempt(diode, "tx")
        good = [line for line in text.splitlines()
                if "state_dir" in line and "Permission denied" in line]
        t.check(code not in (0, 70) and good, f"state_dir: exit {code}\n{text[-1500:]}")
        os.chown(os.path.join(diode.dir, "state", "tx"), NOBODY, NOBODY)
        for place, _, _ in os.walk(os.path.join(diode.dir, "state", "tx")):
            os.chown(place, NOBODY, NOBODY)
        code, text = attempt(diode, "tx")
        good = [line for line in text.splitlines()
                if "spool" in line and "permission" in line.lower()]
        t.check(code not in (0, 70), f"exit {code}\n{text[-1500:]}")
        t.check(good, f"no line about the spool:\n{text[-1500:]}")

        for place, _, _ in os.walk(diode.spool_root()):
            os.chown(place, NOBODY, NOBODY)
        producer = Producer(diode, rng)
        diode.start_rx()
        diode.start_tx()
        producer.put(b"first", b"first")
        wait_all(diode, producer, 60)
        os.chown(diode.spool(), 0, 0)  # whoever tidied up took it back
        producer.put(b"second", b"second")
        line = told(diode.tx, r"(Permission denied|not permitted|permission)")
        t.check("files" in line, f"which: {line}")
        t.check(os.path.exists(os.path.join(diode.spool(), "second")), "second stays")
        os.chown(diode.spool(), NOBODY, NOBODY)
        wait_all(diode, producer, 90)
        t.equal(producer.judge(diode.tree()), [], "published tree")


# ---- the clock ----------------------------------------------------------------------------

def write_epoch(diode, epoch):
    """As tx's signer keeps it: two slots of 64 bytes, the greater one counts."""
    head = b"KMEPOCH1" + struct.pack(">Q", epoch)
    slot = (head + hashlib.sha256(head).digest()).ljust(64, b"\0")
    place = os.path.join(diode.dir, "state", "tx", "signer")
    os.makedirs(place, mode=0o700, exist_ok=True)
    with open(os.path.join(place, "epoch"), "wb") as file:
        file.write(slot)


def accepted(diode):
    """Epochs of the sessions that rx has accepted, oldest first."""
    return [int(m) for m in re.findall(r"session\.accepted.*?epoch=(\d+)", diode.rx.output())]


def allow(t, diode, line):
    """Do what the refusing line says, with the two words it gives; the epoch."""
    match = re.search(r"accept-session.* tx=(\S+) epoch=(\d+)", line)
    t.require(match, f"the line does not say the way out: {line}")
    netns.run(diode.rx_program, "accept-session", "--config", diode.rx_config, match[1],
              match[2])
    return int(match[2])


@tap.test
def clock_in_2099(t):
    """tx opened sessions while its clock stood in 2099; then the clock was put right. The
    epoch is tx's memory of it."""
    netns.require()
    rng = tap.rng("clock")
    with netns.Path(mtu=9000) as path, Diode(path, t.dir) as diode, Emulator(path, t.dir):
        producer = Producer(diode, rng)
        # rx knows nobody yet: refused with a line that says the way out, which works
        write_epoch(diode, YEAR_2099)
        diode.start_rx()
        diode.start_tx()
        producer.put(b"a", b"first-meeting")
        told(diode.rx, r"session\.refused.*far from")
        line = told(diode.rx, r"session\.refused.*24 h from.*accept-")
        t.equal(allow(t, diode, line), YEAR_2099 + 1, "the epoch in the line")
        diode.wait(lambda: accepted(diode) == [YEAR_2099 + 1], 60, "accepted as allowed")
        complete_by_tickets(t, diode)
        # the next one is above a stored floor: accepted, and an alarm says so
        diode.stop_tx()
        diode.start_tx()
        producer.put(b"b", b"above-the-floor")
        wait_all(diode, producer, 60)
        t.equal(accepted(diode), [YEAR_2099 + 1, YEAR_2099 + 2], "epochs accepted")
        line = told(diode.rx, rf"session\.far.*epoch={YEAR_2099 + 2}")
        t.check("correct the clocks" in line, f"the alarm says what to do: {line}")
        # tx lost its memory of 2099: now its epochs are below the floor
        diode.stop_tx()
        os.unlink(os.path.join(diode.dir, "state", "tx", "signer", "epoch"))
        diode.start_tx()
        producer.put(b"c", b"after-the-clock-was-mended")
        line = told(diode.rx, r"session\.refused.*stored floor.* epoch=1\d{9}\b")
        now = allow(t, diode, line)
        t.check(abs(now - time.time()) < 600, f"epoch {now}: {line}")
        diode.wait(lambda: accepted(diode)[-1] == now, 60, "accepted as allowed")
        complete_by_tickets(t, diode)
        t.equal(producer.judge(diode.tree()), [], "published tree")
        # and rx started again still knows
        diode.stop_rx()
        diode.start_rx()
        producer.put(b"d", b"after-all")
        wait_all(diode, producer, 60)


if __name__ == "__main__":
    tap.main()
