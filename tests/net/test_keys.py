#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Long-term keys of a running link: rotated on both sides with nothing lost, taken away from
one receiver, refused in another environment, dated, and nowhere but in locked memory of the
one role that needs them."""

import base64
import importlib.util
import os
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import config, framing, netns, stats, tap, tree  # noqa: E402
from harness.diode import START_SECONDS, STOP_SECONDS, Diode  # noqa: E402
from harness.emu import Emulator  # noqa: E402
from harness.procs import Process  # noqa: E402

UDP = (bytes(map(int, framing.DST[0].split("."))), framing.DST[1]) if framing.UDP else None


def keygen(diode, side, name, *more):
    """A pair of keys NAME.key and NAME.pub; the path without its ending."""
    path = os.path.join(diode.dir, "keys", name)
    program = diode.tx_program if side == "tx" else diode.rx_program
    subprocess.run([program, "keygen", "--key", path + ".key", *more], check=True,
                   stdout=subprocess.DEVNULL, timeout=60)
    return path


def public(*paths):
    return ", ".join(path + ".pub" for path in paths)


def put(diode, source, names, rng, size=20000):
    """New files in the source tree and in the spool."""
    for name in names:
        path = tree.make_file(os.path.join(source, name), size, rng)
        aside = os.path.join(diode.dir, "aside-" + name)
        with open(path, "rb") as one, open(aside, "wb") as two:
            two.write(one.read())
        info = os.stat(path)
        os.utime(aside, ns=(info.st_atime_ns, info.st_mtime_ns))
        os.rename(aside, os.path.join(diode.spool(), name))


def configure(diode, tx=None, rx=None):
    diode.tx_sections["transmitter"].update(tx or {})
    diode.rx_sections["receiver"].update(rx or {})
    diode.write_config()


def cross(t, diode, source, names, rng, total):
    """Files cross, under whatever keys are in use now."""
    put(diode, source, names, rng)
    diode.wait_published(total, 60)


@tap.test
def both_sides_rotate(t):
    """The steps of docs/crypto.md: first the receiver's key, then the transmitter's, each new
    one trusted before it is used. Each step changes one side, the other one runs on, and files
    wait in the spool meanwhile. Nothing is missing, the chain goes on, and what the old key
    signed still verifies."""
    netns.require()
    rng = tap.rng("rotate")
    source = os.path.join(t.dir, "source")
    os.makedirs(source)
    with netns.Path(mtu=1500, emulator=False) as path, Diode(path, t.dir) as diode:
        old_tx, old_rx = (os.path.join(t.dir, "keys", side) for side in ("tx", "rx"))
        new_tx, new_rx = keygen(diode, "tx", "tx2"), keygen(diode, "rx", "rx2")
        steps = (
            ("tx", {"receivers": public(old_rx, new_rx)}, {}),
            ("rx", {}, {"key": new_rx + ".key"}),
            ("tx", {"receivers": public(new_rx)}, {}),
            ("rx", {}, {"trust": public(old_tx, new_tx)}),
            ("tx", {"key": new_tx + ".key"}, {}),
            ("rx", {}, {"trust": public(new_tx), "retired": public(old_tx)}),
        )
        diode.start_rx()
        diode.start_tx()
        cross(t, diode, source, ["0a", "0b"], rng, 2)
        for number, (side, tx, rx) in enumerate(steps, 1):
            configure(diode, tx, rx)
            if side == "tx":
                put(diode, source, [f"{number}a"], rng)
                diode.stop_tx()
                diode.start_tx()
            else:
                # the receiver is away for a moment: the transmitter keeps its files
                diode.wait_settled(60)
                diode.stop_tx()
                diode.stop_rx()
                put(diode, source, [f"{number}a"], rng)
                diode.start_rx()
                diode.start_tx()
            cross(t, diode, source, [f"{number}b"], rng, 2 + 2 * number)
        rx = diode.wait_settled(60)
        t.equal((rx["publish.objects_published"], rx["publish.objects_missing"],
                 rx["publish.objects_quarantined"]), (14, 0, 0), "published, missing, refused")
        difference = tree.compare(source, diode.tree())
        t.check(difference.good, difference)
        code, text = diode.verify()
        t.equal(code, 0, f"verify with the old key retired:\n{text}")
        chains = {os.path.basename(name).split("-")[0] for name in diode.manifests()}
        t.equal(len(chains), 1, f"one chain under both keys, not {chains}")
        diode.stop()
        t.check("manifest.refused" not in diode.read_log("rx"), "no manifest was refused")
        configure(diode, {}, {"retired": ""})
        with open(diode.rx_config, encoding="utf-8") as file:
            text = re.sub(r"(?m)^retired.*\n", "", file.read())
        with open(diode.rx_config, "w", encoding="utf-8") as file:
            file.write(text)
        code, text = diode.verify()
        t.check(code == 65 and "not trusted here" in text,
                f"the old key left out altogether: {code}\n{text}")


@tap.test
def one_of_two_receivers_is_revoked(t):
    """Two receivers with keys of their own hear one link. One is taken out of `receivers`: no
    later session opens for it, and the other one notices nothing."""
    netns.require()
    rng = tap.rng("revoked")
    source = os.path.join(t.dir, "source")
    os.makedirs(source)
    with netns.Path(mtu=1500, emulator=False) as path, Diode(path, t.dir) as diode:
        first, removed = os.path.join(t.dir, "keys", "rx"), keygen(diode, "rx", "second")
        configure(diode, {"receivers": public(first, removed)})
        diode.start_rx()
        with Other(t, diode, removed) as other:
            diode.start_tx()
            put(diode, source, ["both"], rng)
            diode.wait_published(1, 60)
            diode.wait(lambda: other.published() == 1, 60, "published by the second too")
            configure(diode, {"receivers": public(first)})
            diode.stop_tx()
            diode.start_tx()
            put(diode, source, ["first only"], rng)
            diode.wait_published(2, 60)
            other.process.wait_line(r"session\.refused .*no box for our key", 30)
            t.equal(other.published(), 1, "objects of the revoked receiver")
            t.check(not other.has("first only"), "a revoked receiver reads on")
        diode.stop()


def fingerprint(path):
    """Of a public key, as keygen and the log write it."""
    with open(path + ".pub", "rb") as file:
        words = file.read().split()
    if words[0].startswith(b"KMRX-PUBLIC"):
        return words[2].decode()
    # a minisign .pub: base64 of "Ed", key number and key
    return second().fingerprint(base64.b64decode(words[-1])[10:])


def second():
    """The second implementation's module of keys, in this process."""
    wire = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "wire")
    if wire not in sys.path:
        sys.path.insert(0, wire)
    import second_proof
    return second_proof


class Other:
    """A second receiver of the same link, with a key and directories of its own."""

    def __init__(self, t, diode, key):
        self.diode, self.place = diode, os.path.join(t.dir, "second")
        for name in ("state", "run", "root"):
            os.makedirs(os.path.join(self.place, name))
        self.conf = os.path.join(t.dir, "config", "second.conf")
        config.write(self.conf, config.merge(diode.rx_sections, {
            "receiver": {"key": key + ".key", "state_dir": self.place + "/state",
                         "run_dir": self.place + "/run"},
            "channel files": {"root": self.place + "/root/files"}}))
        self.process = Process([diode.rx_program, "run", "--config", self.conf],
                               os.path.join(t.dir, "logs"), "second", ns=diode.path.rx.ns)
        self.process.wait_line(r"daemon\.ready", START_SECONDS)

    def published(self):
        done = stats.status(self.diode.rx_program, "--config", self.conf)
        return done["roles"]["publish"]["counters"]["objects_published"]

    def has(self, name):
        return os.path.exists(os.path.join(self.place, "root/files/tree", name))

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        if kind is None:
            self.process.stop(STOP_SECONDS)
        else:
            self.process.kill()


def reload_keys(process, line, count=1):
    """SIGHUP, and the COUNTth line that answers it."""
    process.send_signal(signal.SIGHUP)
    return process.wait_line(line, 60, count=count)[0]


def refused_reloads(t, diode, side, process, changes):
    """Files that cannot be used: one line each, and every role works on with what it has."""
    before = process.roles()
    section = diode.tx_sections["transmitter"] if side == "tx" else diode.rx_sections["receiver"]
    good = dict(section)
    for number, (change, why) in enumerate(changes, 1):
        section.update(change)
        diode.write_config()
        said = reload_keys(process, r"reload\.refused .*", number)
        t.check(re.search(why, said) and "the keys in force stay" in said,
                f"{side}: {change} is refused for another reason: {said}")
        section.clear()
        section.update(good)
    diode.write_config()
    t.equal(process.roles(), before, f"{side}: roles after reloads that were refused")
    log = diode.read_log(side)
    t.equal(log.count(" reload.refused "), len(changes), f"{side}: lines, one for each")
    t.check("keys.reloaded" not in log and "role.died" not in log,
            f"{side}: nothing was taken over, and nobody died")


@tap.test
def receivers_change_under_traffic(t):
    """Two receivers hear one link. Files that cannot be used are refused by SIGHUP in one line.
    One receiver is taken out while a file is on its way: no later session opens for it, the other
    one misses nothing, and of all roles only the signer is another process."""
    netns.require()
    rng = tap.rng("reload tx")
    source = os.path.join(t.dir, "source")
    os.makedirs(source)
    with netns.Path(mtu=9000, emulator=False) as path, \
            Diode(path, t.dir, tx={"rate": "200 Mbit/s"}) as diode:
        first, removed = os.path.join(t.dir, "keys", "rx"), keygen(diode, "rx", "second")
        bad = os.path.join(t.dir, "keys", "bad")
        with open(bad + ".pub", "w", encoding="ascii") as file:
            file.write("KMRX-PUBLIC-1 nonsense\n")
        configure(diode, {"receivers": public(first, removed)})
        diode.start_rx()
        with Other(t, diode, removed) as other:
            diode.start_tx()
            put(diode, source, ["both"], rng)
            diode.wait_published(1, 60)
            diode.wait(lambda: other.published() == 1, 60, "published by the second too")
            stranger = keygen(diode, "tx", "stranger")
            refused_reloads(t, diode, "tx", diode.tx, (
                ({"receivers": public(first, bad)}, r"bad\.pub is not a public key"),
                ({"receivers": public(first) + ", /nowhere.pub"}, r"/nowhere\.pub"),
                ({"receivers": public(first), "rate": "300 Mbit/s"}, r"rate has changed too"),
                ({"key": stranger + ".key"}, r"key has changed too"),
                ({"receivers": "not absolute"}, r"receivers = not absolute"),
            ))
            before = diode.tx.roles()
            put(diode, source, ["on its way"], rng, 16 << 20)
            frames = diode.counters("tx")["sender.frames_sent"]
            diode.wait(lambda: diode.counters("tx")["sender.frames_sent"] > frames + 300, 60,
                       "a part of the file")
            configure(diode, {"receivers": public(first)})
            said = reload_keys(diode.tx, r"keys\.reloaded .*")
            t.check(f"added=none removed=receiver:{fingerprint(removed)} kept=2" in said,
                    f"what was removed is not said: {said}")
            diode.tx.wait_line(r"session\.begun", 60, count=2)
            diode.wait_published(2, 60)
            put(diode, source, ["first only"], rng)
            diode.wait_published(3, 60)
            other.process.wait_line(r"session\.refused .*no box for our key", 30)
            t.check(not other.has("first only"), "a revoked receiver reads on")
            after = diode.tx.roles()
            t.check(after["signer"] != before["signer"], "the signer is the old one")
            t.equal({**after, "signer": 0}, {**before, "signer": 0}, "the other roles of tx")
            configure(diode, {"receivers": public(first, removed)})
            said = reload_keys(diode.tx, r"keys\.reloaded .*", 2)
            t.check(f"added=receiver:{fingerprint(removed)} removed=none kept=2" in said,
                    f"what was added is not said: {said}")
            diode.tx.wait_line(r"session\.begun", 60, count=3)
            put(diode, source, ["both again"], rng)
            diode.wait_published(4, 60)
            diode.wait(lambda: other.has("both again"), 60, "the second reads again")
        rx = diode.wait_settled(60)
        t.equal((rx["publish.objects_missing"], rx["decode.windows_incomplete"]), (0, 0),
                "missing objects, incomplete windows")
        difference = tree.compare(source, diode.tree())
        t.check(difference.good, difference)
        diode.stop()


@tap.test
def a_transmitter_is_taken_out_under_traffic(t):
    """What a receiver trusts changes by SIGHUP: a bad file changes nothing; a new key is added;
    the old one is retired, which ends its session at once and is said in one line, while what it
    signed still verifies; and it comes back. decode is the same process all the time."""
    netns.require()
    rng = tap.rng("reload rx")
    source = os.path.join(t.dir, "source")
    os.makedirs(source)
    with netns.Path(mtu=1500, emulator=False) as path, Diode(path, t.dir) as diode:
        old, new = os.path.join(t.dir, "keys", "tx"), keygen(diode, "tx", "tx2")
        bad = os.path.join(t.dir, "keys", "bad")
        with open(bad + ".pub", "w", encoding="ascii") as file:
            file.write("untrusted comment: none\nnonsense\n")
        diode.start_rx()
        diode.start_tx()
        cross(t, diode, source, ["before"], rng, 1)
        refused_reloads(t, diode, "rx", diode.rx, (
            ({"trust": public(old, bad)}, r"bad\.pub is not a public key"),
            ({"retired": public(bad)}, r"bad\.pub is not a public key"),
            ({"trust": public(new), "pool": "300 MiB"}, r"pool has changed too"),
        ))
        before = diode.rx.roles()
        configure(diode, {}, {"trust": public(old, new)})
        said = reload_keys(diode.rx, r"keys\.reloaded .*")
        t.check(f"added=transmitter:{fingerprint(new)} removed=none kept=2" in said,
                f"what was added is not said: {said}")
        cross(t, diode, source, ["with both"], rng, 2)
        diode.wait_settled(60)
        configure(diode, {}, {"trust": public(new), "retired": public(old)})
        said = reload_keys(diode.rx, r"keys\.reloaded .*", 2)
        t.check(f"added=retired:{fingerprint(old)} removed=transmitter:{fingerprint(old)}" in said,
                f"what was retired is not said: {said}")
        diode.rx.wait_line(r"session\.ended .*its key is trusted no more", 60)
        diode.rx.wait_line(r"session\.refused .*signed by a key that is not trusted here", 60)
        t.equal(diode.counters("rx")["decode.sessions_live"], 0, "sessions that go on")
        put(diode, source, ["unheard"], rng)
        diode.wait_sent(3, 60)
        t.equal(diode.counters("rx")["publish.objects_published"], 2, "objects of a retired key")
        code, text = diode.verify()
        t.equal(code, 0, f"verify with the key retired:\n{text}")
        configure(diode, {}, {"trust": public(old, new), "retired": None})
        reload_keys(diode.rx, r"keys\.reloaded .*", 3)
        diode.rx.wait_line(r"session\.accepted", 60, count=2)
        put(diode, source, ["again"], rng)
        diode.wait_published(3, 60)
        after = diode.rx.roles()
        t.equal(after["decode"], before["decode"], "decode before and after")
        t.check(after["keeper"] != before["keeper"], "the keeper is the old one")
        t.check(not os.path.exists(os.path.join(diode.tree(), "unheard")),
                "what came while its key was retired is published")
        diode.stop()


@tap.test
def production_refuses_test(t):
    """A test transmitter with keys that are trusted is refused all the same; keys made for
    another environment do not even start."""
    netns.require()
    rng = tap.rng("environment")
    source = os.path.join(t.dir, "source")
    os.makedirs(source)
    with netns.Path(mtu=1500, emulator=False) as path, \
            Diode(path, t.dir, tx={"environment": 2}) as diode:
        diode.start_rx()
        diode.start_tx()
        put(diode, source, ["test data"], rng)
        diode.rx.wait_line(r"session\.refused .*another environment", 30)
        diode.wait_sent(1, 60)
        rx = diode.counters("rx")
        t.equal((rx["keeper.announces_accepted"], rx["decode.sessions"],
                 rx["publish.objects_published"]), (0, 0, 0), "accepted, sessions, published")
        t.check(rx["keeper.announces_refused"] > 0, "announces refused")
        diode.stop()
        said = re.findall(r"session\.refused.*another environment", diode.read_log("rx"))
        t.equal(len(said), 1, "lines of the alarm within its interval")
        stray = keygen(diode, "tx", "stray", "--environment", "9")
        configure(diode, {"key": stray + ".key"})
        tx = diode.start_tx(wait=False, expect=(78,))
        t.equal(tx.wait(60), 78, "exit code with a key of environment 9")
        t.check("was made for environment 9" in diode.read_log("tx"), "it says why")
        diode.tx = None


@tap.test
def a_date_stops_nothing(t):
    """Keys long past their date, as a clock in 2099 would have them: one line each, an exit
    code of 0, and the link works."""
    netns.require()
    rng = tap.rng("dates")
    source = os.path.join(t.dir, "source")
    os.makedirs(source)
    with netns.Path(mtu=1500, emulator=False) as path, Diode(path, t.dir) as diode:
        for name in ("tx.key", "tx.pub", "rx.key", "rx.pub"):
            file_name = os.path.join(t.dir, "keys", name)
            with open(file_name, "rb") as file:
                text = file.read()
            with open(file_name, "wb") as file:
                file.write(re.sub(rb"(created=)\S+", rb"created=2001-01-01 expires=2002-01-01",
                                  text))
        diode.start_rx()
        diode.start_tx()
        put(diode, source, ["late"], rng)
        diode.wait_published(1, 60)
        for side, program, conf in (("tx", diode.tx_program, diode.tx_config),
                                    ("rx", diode.rx_program, diode.rx_config)):
            log = diode.read_log(side)
            t.equal(len(re.findall(r"key\.expired .*expires=2002-01-01", log)), 2,
                    f"{side}: key.expired for both keys, once")
            shown = subprocess.run([program, "status", "--config", conf], text=True,
                                   capture_output=True, check=False, timeout=60).stdout
            t.equal(shown.count("2002-01-01 (PAST)"), 2, f"{side}: status says so:\n{shown}")
            prints = set(re.findall(r"fingerprint=(\S+)", log))
            t.check(len(prints) == 2 and any(f"own {p}" in shown for p in prints),
                    f"{side}: one fingerprint in log and status: {prints}\n{shown}")
        diode.stop()


def mappings(pid):
    """(start, end, flags, kB locked) of everything that a process has mapped."""
    with open(f"/proc/{pid}/smaps", encoding="utf-8") as file:
        text = file.read()
    for part in re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", text)[1:]:
        start, end, rights = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", part).groups()
        flags = re.search(r"(?m)^VmFlags:(.*)$", part)[1].split()
        if "r" in rights and "io" not in flags:
            yield int(start, 16), int(end, 16), [*flags, part.split("\n", 1)[0]]


def places(pid, secrets):
    """[(name of the secret, flags of the mapping)] of all copies in a process."""
    found = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end, flags in mappings(pid):
            at, tail = start, b""
            while at < end:
                memory.seek(at)
                try:
                    piece = memory.read(min(end - at, 1 << 22))
                except OSError:  # [vvar] and the like
                    break
                if not piece:
                    break
                for name, secret in secrets.items():
                    found += [(name, flags)] * (tail + piece).count(secret)
                tail, at = piece[-63:], at + len(piece)
    return found


def look_for(t, daemon, secrets, want, locked=True):
    """WANT: {role: names of the secrets that it holds}; every other process holds none. LOCKED:
    in memory that is never written anywhere."""
    for role, pid in {**daemon.roles(), "supervisor": daemon.pid}.items():
        found = places(pid, secrets)
        t.equal({name for name, _ in found}, want.get(role, set()),
                f"secrets in the memory of {role}")
        t.check(not locked or all({"lo", "dd"} <= set(flags) for _, flags in found),
                f"{role}: a secret in memory that is not locked, or is dumped: {found}")


@tap.test
def secrets_are_in_locked_memory_of_one_role(t):
    """The memory of every process of both daemons: a secret key is in that of its one role
    alone, locked, and in no core dump; its text of the file and the passphrase are nowhere."""
    netns.require()
    # little shared memory: all of it is read through
    small = {"pool": "16 MiB", "ring": "2 MiB", "realtime_ring": "1 MiB", "hold": "1 MiB"}
    with netns.Path(mtu=1500, emulator=False) as path, \
            Diode(path, t.dir, rx=small) as diode:
        word = os.path.join(t.dir, "keys", "word")
        with open(word, "w", encoding="ascii") as file:
            file.write("plum anvil ferry lodge\n")
        os.chmod(word, 0o400)
        locked = keygen(diode, "rx", "locked", "--passphrase-file", word)
        with open(os.path.join(t.dir, "keys", "tx.key"), "rb") as file:
            text = file.read().split()[1]
        seed = base64.b64decode(text)[8:]
        plain = os.path.join(t.dir, "keys", "rx")
        with open(plain + ".key", "rb") as file:
            other = {"rx secret": base64.b64decode(file.read().split()[1])}
        configure(diode, {"receivers": public(locked, plain)},
                  {"key": locked + ".key", "passphrase_file": word})
        diode.start_rx()
        diode.start_tx()
        diode.wait(lambda: diode.counters("rx")["decode.sessions_live"], 30, "a session")
        secrets = {"seed": seed, "text": text[8:40], "passphrase": b"plum anvil ferry lodge"}
        look_for(t, diode.tx, secrets, {"signer": {"seed"}})
        look_for(t, diode.rx, secrets, {})
        t.check({"signer", "source", "sender"} <= set(diode.tx.roles())
                and {"keeper", "decode", "publish"} <= set(diode.rx.roles()),
                "all roles were there to be looked at")
        diode.stop_rx()
        configure(diode, {}, {"key": plain + ".key"})
        diode.start_rx()
        look_for(t, diode.rx, other, {"keeper": {"rx secret"}})
        look_for(t, diode.tx, other, {})
        diode.stop()
        configure(diode, {}, {"key": locked + ".key"})
        with open(word, "w", encoding="ascii") as file:
            file.write("another one altogether\n")
        rx = diode.start_rx(wait=False, expect=(77,))
        t.equal(rx.wait(60), 77, "exit code with a wrong passphrase")
        said = re.findall(r"daemon\.failed .*does not open with the passphrase",
                          diode.read_log("rx"))
        t.equal(len(said), 1, "lines that say it")
        diode.rx = None


@tap.test
def keys_of_a_session_are_where_frames_are(t):
    """What a recording of the link and the receiver's key give away is looked for in every process:
    the secret of the session is nowhere any more, the keys of its lanes are where frames are
    sealed and where they are opened."""
    if importlib.util.find_spec("cryptography") is None:
        raise tap.Skip("no python3-cryptography")
    netns.require()
    second()
    import second_reader
    capture = os.path.join(t.dir, "link.pcap")
    small = {"pool": "16 MiB", "ring": "2 MiB", "realtime_ring": "1 MiB", "hold": "1 MiB"}
    with netns.Path(mtu=1500) as path, Diode(path, t.dir, rx=small) as diode:
        with Emulator(path, t.dir, seed=1, pcap=capture):
            diode.start_rx()
            diode.start_tx()
            put(diode, t.dir, ["one"], tap.rng("session"))
            diode.wait_published(1, 60)
        with open(diode.tx_public, "rb") as file:
            trusted = [second_reader.read_tx_public(file.read())]
        with open(os.path.join(t.dir, "keys", "rx.key"), "rb") as file:
            reader = second_reader.Reader(second_reader.read_rx_secret(file.read()), trusted,
                                          udp=UDP)
        reader.read(second_reader.read_pcap(capture))
        t.require(len(reader.sessions) == 1, f"{len(reader.sessions)} sessions in the recording")
        session, = reader.sessions.values()
        # classes control and normal
        secrets = {"session": session.secret, "lane 0": session.lane_key(0),
                   "lane 3": session.lane_key(3)}
        lanes = {"lane 0", "lane 3"}
        look_for(t, diode.tx, secrets, {"source": lanes}, locked=False)
        look_for(t, diode.rx, secrets, {"decode": lanes}, locked=False)
        diode.stop()


if __name__ == "__main__":
    tap.main()
