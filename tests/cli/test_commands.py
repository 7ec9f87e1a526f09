# SPDX-License-Identifier: ISC
"""Commands that need no daemon: keygen, status, resend, missing, verify, replay.

usage: test_commands.py KATAMICHI-TX KATAMICHI-RX
"""
import json
import os
import re
import stat
import struct
import sys

from cli_tap import Tap, make_keys, run, scratch, write_config


def judge_keygen(tap, side, program, directory):
    key, public = f"{directory}/k-{side}.key", f"{directory}/k-{side}.pub"
    old = os.umask(0)
    try:
        result = run(program, "keygen", "--key", key)
    finally:
        os.umask(old)
    tap.same((result.returncode, result.stderr), (0, ""), f"{side} keygen works")
    tap.same(stat.S_IMODE(os.stat(key).st_mode), 0o600, f"{side} keygen: secret key is 0600")
    shown = re.search(r"^fingerprint  ((?:[0-9A-Z]{4}-){7}[0-9A-Z]{4})$", result.stdout, re.M)
    tap.ok(shown is not None, f"{side} keygen shows the fingerprint", result.stdout)
    with open(key, "rb") as content:
        before = content.read()
    again = run(program, "keygen", "--key", key)
    tap.ok(again.returncode == 73 and again.stderr.count("\n") == 1 and key in again.stderr,
           f"{side} keygen never overwrites a key",
           f"{again.returncode} {again.stderr}")
    with open(key, "rb") as content:
        tap.ok(content.read() == before, f"{side} keygen: the old key is untouched")
    other = run(program, "keygen", "--key", f"{directory}/o-{side}.key", "--public", public)
    tap.same(other.returncode, 73, f"{side} keygen never overwrites a public key")
    tap.ok(not os.path.exists(f"{directory}/o-{side}.key"),
           f"{side} keygen leaves no half pair behind")
    with open(public, encoding="ascii") as content:
        lines = content.read().splitlines()
    if side == "tx":
        tap.ok(len(lines) == 2 and lines[0].startswith("untrusted comment: "),
               "tx keygen: the public key has the form of minisign", lines)
    else:
        tap.ok(len(lines) == 1 and lines[0].startswith("KMRX-PUBLIC-2 "),
               "rx keygen: the public key is one line", lines)
    bad = run(program, "keygen", "--key", f"{directory}/none/x.key")
    tap.same(bad.returncode, 73, f"{side} keygen into nowhere: exit code 73")


def judge_status(tap, side, program, config):
    text = run(program, "status", "--config", config)
    tap.same((text.returncode, text.stderr), (0, ""), f"{side} status works without a daemon")
    tap.ok("not running" in text.stdout, f"{side} status says so", text.stdout)
    result = run(program, "status", "--json", "--config", config)
    value = json.loads(result.stdout)
    tap.same((value["running"], value["pid"], value["roles"]), (False, 0, {}),
             f"{side} status as JSON")


def judge_resend(tap, program, config, directory):
    for name, ticket, words in (
            ("nonsense", "U!", "not a ticket"),
            ("too long", "A" * 101, "too long"),
            ("typing error", "04G60R4NGMA08401", "ticket")):
        result = run(program, "resend", "--config", config, ticket)
        tap.ok(result.returncode == 65 and words in result.stderr and
               result.stderr.count("\n") == 1, f"tx resend, {name}: exit code 65 and why",
               f"{result.returncode} {result.stderr}")
    # version 1, objects, channel 7, chain 5, objects 1..3; and the same for channel 8
    good, foreign = ticket_text(7), ticket_text(8)
    result = run(program, "resend", "--config", config, foreign)
    tap.ok(result.returncode == 65 and "channel 8" in result.stderr,
           "tx resend: a channel that is not ours", f"{result.returncode} {result.stderr}")
    result = run(program, "resend", "--config", config, good)
    tap.same(result.returncode, 69, "tx resend before the first run: exit code 69")
    os.makedirs(f"{directory}/tx-state/requests")
    result = run(program, "resend", "--config", config, good, good.lower())
    tap.ok(result.returncode == 0 and "2 tickets are kept for its start" in result.stdout,
           "tx resend without a daemon keeps the tickets", result.stdout + result.stderr)
    names = sorted(os.listdir(f"{directory}/tx-state/requests"))
    tap.ok(len(names) == 2 and all(n.endswith(".ticket") for n in names),
           "tx resend: the request files are there and nothing else", names)
    with open(f"{directory}/tx-state/requests/{names[0]}", encoding="ascii") as content:
        tap.same(content.read(), good + "\n", "tx resend: a request is the ticket in one line")
    result = run(program, "resend", "--config", config, *([good] * 11))
    tap.same(result.returncode, 64, "tx resend: at most 10 tickets")


def ticket_text(channel):
    """Ticket for objects 1..3 of chain 5, written by the rules of docs/wire.md."""
    import zlib
    body = bytes([1, 1, channel, 5, 1, 2])
    body += struct.pack(">I", zlib.crc32(body))
    bits = "".join(f"{b:08b}" for b in body)
    bits += "0" * (-len(bits) % 5)
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    return "".join(alphabet[int(bits[i:i + 5], 2)] for i in range(0, len(bits), 5))


def judge_rx(tap, program, config, directory):
    for command in ("verify", "missing"):
        result = run(program, command, "--config", config, "--channel", "nobody")
        tap.ok(result.returncode == 64 and "nobody" in result.stderr,
               f"rx {command}: unknown channel", f"{result.returncode} {result.stderr}")
    result = run(program, "replay", "--config", config, "--into", f"{directory}/into",
                 f"{directory}/none.pcap")
    tap.same(result.returncode, 66, "rx replay: no such file, exit code 66")
    junk = f"{directory}/junk.pcap"
    with open(junk, "wb") as out:
        out.write(b"this is no capture file" * 10)
    result = run(program, "replay", "--config", config, "--into", f"{directory}/into1", junk)
    tap.ok(result.returncode in (65, 74), "rx replay: not a capture, it fails",
           f"{result.returncode} {result.stderr}")
    empty = f"{directory}/empty.pcap"
    with open(empty, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        # one frame of another EtherType
        frame = b"\x03KM\x00\x00\x01\x02KM\x00\x00\x01\x08\x00" + bytes(46)
        out.write(struct.pack("<IIII", 1, 0, len(frame), len(frame)) + frame)
    result = run(program, "replay", "--config", config, "--into", f"{directory}/into2", empty)
    tap.same(result.returncode, 0, "rx replay: a capture without our frames")
    tap.ok(re.search(r"seen 1, foreign 1, opened 0", result.stdout) is not None,
           "rx replay: the summary counts them", result.stdout + result.stderr)
    tap.ok("role.died" not in result.stderr, "rx replay: no role died", result.stderr)
    tap.ok(not os.path.exists(f"{directory}/rx-state"), "rx replay: the live state is untouched")
    result = run(program, "replay", "--config", config, "--into", f"{directory}/into2", empty)
    tap.ok(result.returncode == 73 and "earlier replay" in result.stderr,
           "rx replay: never into an earlier one", f"{result.returncode} {result.stderr}")


def judge_accept(tap, tx, program, config, directory):
    state = f"{directory}/rx-state"
    shown = run(tx, "keygen", "--key", f"{directory}/other.key").stdout
    stranger = re.search(r"fingerprint\s+(\S+)", shown)[1]
    for words, code, said in ((("nonsense", "5"), 64, "fingerprint"),
                              ((stranger, "0"), 64, "epoch"),
                              ((stranger, "5"), 65, "trust")):
        result = run(program, "accept-session", "--config", config, *words)
        tap.ok(result.returncode == code and said in result.stderr.lower(),
               f"rx accept-session {words[1]}: refused with {code}",
               f"{result.returncode} {result.stderr}")
    with open(config, encoding="utf-8") as file:
        text = file.read()
    trusting = f"{directory}/trusting.conf"
    with open(trusting, "w", encoding="utf-8") as file:
        file.write(re.sub(r"(?m)^trust = .*$", f"trust = {directory}/other.pub", text))
    result = run(program, "accept-session", "--config", trusting, stranger, "5")
    tap.ok(result.returncode == 66, "rx accept-session: a receiver that never ran, 66",
           f"{result.returncode} {result.stderr}")
    os.makedirs(f"{state}/keeper")
    result = run(program, "accept-session", "--config", trusting, stranger, "4070908800")
    tap.same(result.returncode, 0, "rx accept-session: the word is written")
    with open(f"{state}/keeper/accept-{stranger}", encoding="ascii") as file:
        tap.same(file.read(), "4070908800\n", "rx accept-session: as the keeper reads it")


def main():
    tap = Tap()
    tx, rx = sys.argv[1:3]
    with scratch() as directory:
        make_keys(tx, rx, directory)
        tx_conf = write_config("tx", directory)
        rx_conf = write_config("rx", directory, change={"pool": "96 MiB"})
        judge_keygen(tap, "tx", tx, directory)
        judge_keygen(tap, "rx", rx, directory)
        judge_status(tap, "tx", tx, tx_conf)
        judge_status(tap, "rx", rx, rx_conf)
        judge_resend(tap, tx, tx_conf, directory)
        judge_rx(tap, rx, rx_conf, directory)
        judge_accept(tap, tx, rx, rx_conf, directory)
    return tap.done()


sys.exit(main())
