# SPDX-License-Identifier: ISC
"""Help fits a terminal and goes to stdout; errors are one line on stderr with a way on.

usage: test_help.py KATAMICHI-TX KATAMICHI-RX
"""
import re
import sys

from cli_tap import Tap, run

COMMANDS = {
    "katamichi-tx": ["run", "check", "keygen", "keys", "status", "resend", "linktest",
                     "oneway-check", "verify-install"],
    "katamichi-rx": ["run", "check", "keygen", "keys", "status", "verify", "missing", "replay",
                     "accept-session", "quarantine", "linktest", "oneway-check",
                     "verify-install"],
}


def judge_help(tap, what, result):
    tap.same(result.returncode, 0, f"{what}: exit code 0")
    tap.same(result.stderr, "", f"{what}: nothing on stderr")
    tap.ok(result.stdout.strip() != "", f"{what}: something on stdout")
    tap.ok("(null)" not in result.stdout, f"{what}: no unset text", result.stdout)
    long = [line for line in result.stdout.splitlines() if len(line) > 80]
    tap.same(long, [], f"{what}: at most 80 columns")


def judge_error(tap, what, result):
    tap.same(result.returncode, 64, f"{what}: exit code 64")
    tap.same(result.stdout, "", f"{what}: nothing on stdout")
    tap.ok(re.fullmatch(r"katamichi-[tr]x[^\n]*; try katamichi-[tr]x[^\n]*--help\n",
                        result.stderr) is not None,
           f"{what}: one line that ends with a way on", result.stderr)


def judge_program(tap, name, program):
    top = run(program, "--help")
    judge_help(tap, f"{name} --help", top)
    for command in COMMANDS[name]:
        tap.ok(re.search(rf"^  {command}\s", top.stdout, re.M) is not None,
               f"{name} --help lists {command}", top.stdout)
        judge_help(tap, f"{name} {command} --help", run(program, command, "--help"))
    version = run(program, "--version")
    judge_help(tap, f"{name} --version", version)
    for word in ("build:", "fec kernel:", "digest kernels:", "sandbox:"):
        tap.ok(word in version.stdout, f"{name} --version tells {word}", version.stdout)
    listed = re.findall(r"^  ([a-z-]+) ", top.stdout, re.M)
    tap.same(listed, COMMANDS[name], f"{name}: the commands are exactly these")

    for what, args in {
        "no command": [],
        "unknown command": ["bogus"],
        "unknown option": ["status", "--bogus"],
        "option without value": ["status", "--config"],
        "option twice": ["status", "--json", "--json"],
        "too many words": ["status", "word"],
        "keygen without file": ["keygen"],
    }.items():
        judge_error(tap, f"{name}: {what}", run(program, *args))
    if name == "katamichi-tx":
        judge_error(tap, "resend without ticket", run(program, "resend"))
        judge_error(tap, "resend with a number that is none",
                    run(program, "resend", "--wait", "soon", "ABC"))
    else:
        judge_error(tap, "replay without directory", run(program, "replay", "x.pcap"))
        judge_error(tap, "replay with an MTU too large",
                    run(program, "replay", "--into", "d", "--mtu", "70000", "x.pcap"))


def main():
    tap = Tap()
    judge_program(tap, "katamichi-tx", sys.argv[1])
    judge_program(tap, "katamichi-rx", sys.argv[2])
    return tap.done()


sys.exit(main())
