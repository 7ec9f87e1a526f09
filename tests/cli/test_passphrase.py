# SPDX-License-Identifier: ISC
"""keys passphrase: at a terminal, from files, and where nobody sits there.

usage: test_passphrase.py KATAMICHI-TX KATAMICHI-RX
"""
import os
import re
import select
import stat
import subprocess
import sys
import termios
import time

from cli_tap import Tap, run, scratch

SECONDS = 60
FIRST, SECOND = "plum anvil ferry lodge", "six words drawn by dice"


class Terminal:
    """A program at a terminal of its own."""

    def __init__(self, *args):
        self.master, self.slave = os.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.text = ""
        self.process = subprocess.Popen(
            [sys.executable, "-c",
             "import fcntl, os, sys, termios\n"
             "os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
             "os.execv(sys.argv[1], sys.argv[1:])", *args],
            stdin=self.slave, stdout=self.slave, stderr=self.slave)

    def read(self, until):
        """What it wrote so far, once UNTIL is the end of it or it has ended."""
        end = time.monotonic() + SECONDS
        while not self.text.endswith(until) and time.monotonic() < end:
            if select.select([self.master], [], [], 0.05)[0]:
                self.text += os.read(self.master, 4096).decode()
            elif self.process.poll() is not None:
                break
        return self.text

    def echoes(self):
        return bool(termios.tcgetattr(self.slave)[3] & termios.ECHO)

    def answer(self, prompt, typed):
        """Wait for the prompt and type; False: it did not come, or the terminal echoes."""
        if not self.read(prompt).endswith(prompt) or self.echoes():
            return False
        os.write(self.master, typed.encode())
        return True

    def end(self):
        """Exit code; the terminal is as it was."""
        code = self.process.wait(SECONDS)
        while select.select([self.master], [], [], 0)[0]:
            self.text += os.read(self.master, 4096).decode()
        same = termios.tcgetattr(self.slave) == self.before
        os.close(self.master)
        os.close(self.slave)
        return code, same


def read(path):
    with open(path, "rb") as file:
        return file.read()


def note(directory, name, text):
    path = os.path.join(directory, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text + "\n")
    os.chmod(path, 0o400)
    return path


def opens(program, directory, key, word):
    """Whether WORD opens KEY: taken off a copy."""
    copy = os.path.join(directory, "copy.key")
    with open(copy, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(read(key))
    word = note(directory, "word", word)
    done = run(program, "keys", "passphrase", "--key", copy, "--old-passphrase-file", word,
               "--remove")
    os.unlink(word)
    return done.returncode == 0


def judge_terminal(tap, side, program, directory):
    key = f"{directory}/{side}.key"
    run(program, "keygen", "--key", key)
    plain, public = read(key), read(f"{directory}/{side}.pub")
    args = (program, "keys", "passphrase", "--key", key)

    one = Terminal(*args)
    good = one.answer("New passphrase: ", FIRST + "\r")
    good = good and one.answer("The same again: ", FIRST + "\r")
    code, same = one.end()
    tap.ok(good and code == 0 and same, f"{side} a first passphrase, asked for twice", one.text)
    tap.ok(FIRST not in one.text, f"{side} what is typed is not shown", one.text)
    tap.same(stat.S_IMODE(os.stat(key).st_mode), 0o600, f"{side} the new file is 0600")
    tap.ok(b"LOCKED" in read(key) and opens(program, directory, key, FIRST),
           f"{side} it opens with what was typed")
    locked = read(key)

    two = Terminal(*args)
    prompt = f"Present passphrase of {key}: "
    good = two.answer(prompt, FIRST + "\r") and two.answer("New passphrase: ", SECOND + "\r")
    good = good and two.answer("The same again: ", SECOND + "x\r")
    code, same = two.end()
    tap.ok(good and code == 64 and same and "differ" in two.text,
           f"{side} two that differ are refused", two.text)

    three = Terminal(*args)
    good = three.answer(prompt, "half of it\x03")
    code, same = three.end()
    tap.ok(good and code == 64, f"{side} Ctrl-C breaks off", three.text)
    tap.ok(same, f"{side} Ctrl-C leaves the terminal as it was, with echo")

    four = Terminal(*args)
    good = four.answer(prompt, SECOND + "\r") and four.answer("New passphrase: ", SECOND + "\r")
    good = good and four.answer("The same again: ", SECOND + "\r")
    code, same = four.end()
    tap.ok(good and code == 77 and same and "does not open" in four.text,
           f"{side} the present one must be right", four.text)
    tap.same(read(key), locked, f"{side} the file is untouched after all that")

    five = Terminal(*args)
    good = five.answer(prompt, "x\x15" + FIRST + "y\x7f\r")
    good = good and five.answer("New passphrase: ", SECOND + "\r")
    good = good and five.answer("The same again: ", SECOND + "\r")
    code, same = five.end()
    tap.ok(good and code == 0 and same, f"{side} another one, and typing can be mended", five.text)
    tap.ok(opens(program, directory, key, SECOND) and not opens(program, directory, key, FIRST),
           f"{side} the new one opens, the old one does not")
    tap.same(read(f"{directory}/{side}.pub"), public, f"{side} the public file is the same")
    done = run(program, "keys", "passphrase", "--key", key, "--old-passphrase-file",
               note(directory, side + "-second", SECOND), "--remove")
    tap.same((done.returncode, read(key)), (0, plain), f"{side} taken off: the very same key")


def judge_alone(tap, side, program, directory):
    """Where nobody sits, or what is asked for makes no sense."""
    key = f"{directory}/{side}.key"
    plain = read(key)
    short, good = note(directory, side + "-short", "short"), note(directory, side + "-good", FIRST)
    for args, code, said in (
            ((), 66, "--passphrase-file"),
            (("--passphrase-file", short), 64, "shorter"),
            (("--remove",), 64, "no passphrase"),
            (("--old-passphrase-file", good), 64, "no passphrase"),
            (("--remove", "--passphrase-file", good), 64, "--remove"),
            (("--passphrase-file", f"{directory}/nowhere"), 66, "nowhere")):
        done = run(program, "keys", "passphrase", "--key", key, *args, stdin=subprocess.DEVNULL,
                   start_new_session=True)
        tap.ok(done.returncode == code and said in done.stderr and done.stderr.count("\n") == 1,
               f"{side} {args[0] if args else 'no terminal'}, {said}: refused with {code}",
               f"{done.returncode} {done.stderr}")
    # a terminal somewhere, but standard input is none
    held = Terminal("/bin/sh", "-c", f"{program} keys passphrase --key {key} </dev/null")
    held.read("no such end")
    code, _ = held.end()
    tap.ok(code == 66 and "--passphrase-file" in held.text,
           f"{side} does not ask where standard input is no terminal", f"{code} {held.text}")
    tap.same(read(key), plain, f"{side} nothing of that changed the key")
    done = run(program, "keys", "passphrase", "--key", key, "--passphrase-file", good)
    tap.ok(done.returncode == 0 and re.search("key is the same", done.stdout),
           f"{side} from a file", done.stderr)
    done = run(program, "keys", "passphrase", "--key", key, "--passphrase-file", good,
               stdin=subprocess.DEVNULL, start_new_session=True)
    tap.ok(done.returncode == 66 and "--old-passphrase-file" in done.stderr,
           f"{side} names the option for the present one", f"{done.returncode} {done.stderr}")
    done = run(program, "keys", "list", "--remove")
    tap.same(done.returncode, 64, f"{side} list takes no such option")


def main():
    tap = Tap()
    with scratch() as directory:
        for side, program in zip(("tx", "rx"), sys.argv[1:3]):
            judge_terminal(tap, side, program, directory)
            judge_alone(tap, side, program, directory)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
