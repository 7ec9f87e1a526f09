# SPDX-License-Identifier: ISC
"""Network namespaces and the one-way path of a test.

      namespace tx        namespace emu             namespace rx
    [ daemon ] link0 ==== in0 [km-linkemu] out0 ==== link0 [ daemon ]

Namespaces are named km-<pid>-<n>-<what> and removed when the test ends, however it ends.
Nothing outside them is touched. There are no addresses, no ARP, no multicast and no IPv6 on
the path: what the counters show is ours.

Two regimes (the same veth pair behaves in two very different ways):
  A  as veth comes: the receiver's softirq runs inside the sender's send call
  N  like a NIC: receive coalescing on, the sender's segmentation off, threaded NAPI; the
     receiving interface has a queue of 256 frames of its own that can overflow
"""

import ctypes
import itertools
import os
import re
import shutil
import socket
import subprocess
import threading

from . import cleanup
from .tap import Skip

REGIMES = ("A", "N")
_CLONE_NEWNET = 0x40000000
_SETTINGS = ("ipv6/conf/all/disable_ipv6", "ipv6/conf/default/disable_ipv6")
_numbers = itertools.count()
_libc = ctypes.CDLL(None, use_errno=True)
_switching = threading.Lock()


def run(*argv, check=True):
    """Run a command to its end; its output, or an exception with what it said."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=30, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: exit {done.returncode}: "
                           f"{(done.stderr or done.stdout).strip()}")
    return done.stdout


def require():
    """Skip unless this machine lets us make namespaces and packet sockets."""
    if not shutil.which("ip"):
        raise Skip("no `ip` command (iproute2)")
    if os.geteuid() != 0:
        raise Skip("needs root to make network namespaces")
    try:
        with Namespace("probe") as ns:
            ns.ip("link", "add", "name", "veth0", "type", "veth", "peer", "name", "veth1")
            ns.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except (RuntimeError, OSError) as error:
        # only what a machine may lack is a skip; anything else is a fault of ours
        if re.search("not permitted|not supported|Permission denied|Unknown device type",
                     str(error)):
            raise Skip(f"no network namespaces here: {error}") from error
        raise


class Namespace:
    """A network namespace; a context manager."""

    def __init__(self, what):
        self.name = f"km-{os.getpid()}-{next(_numbers)}-{what}"
        run("ip", "netns", "add", self.name)
        self._undo = cleanup.push(self.close)
        for setting in _SETTINGS:
            self.shell(f"test ! -e /proc/sys/net/{setting} || echo 1 > /proc/sys/net/{setting}")
        self.ip("link", "set", "lo", "up")

    @property
    def path(self):
        return f"/run/netns/{self.name}"

    def ip(self, *args):
        return run("ip", "-n", self.name, *args)

    def argv(self, argv):
        """@argv as it has to be called to run in here; the pid stays that of the command."""
        return ["ip", "netns", "exec", self.name, *argv]

    def shell(self, text):
        return run(*self.argv(["sh", "-c", text]))

    def socket(self, *args):
        """A socket that lives in this namespace; the calling process stays where it is."""
        with _switching, open("/proc/thread-self/ns/net", "rb") as here, \
                open(self.path, "rb") as there:
            _setns(there.fileno())
            try:
                return socket.socket(*args)
            finally:
                _setns(here.fileno())

    def close(self):
        cleanup.cancel(self._undo)
        run("ip", "netns", "del", self.name, check=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _setns(fd):
    if _libc.setns(fd, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, "setns: " + os.strerror(number))


class Interface:
    """One end of a veth pair."""

    def __init__(self, ns, name, mac):
        self.ns, self.name, self.mac = ns, name, mac

    @property
    def mac_bytes(self):
        return bytes.fromhex(self.mac.replace(":", ""))

    def set(self, *args):
        self.ns.ip("link", "set", "dev", self.name, *args)

    def offload(self, *switches):
        run(*self.ns.argv(["ethtool", "-K", self.name, *switches]))

    def up(self):
        self.set("up")

    def down(self):
        """Pull the cable."""
        self.set("down")


def _pair(left_ns, left_name, right_ns, right_name, mtu, number):
    left = Interface(left_ns, left_name, f"02:4b:4d:00:{number:02x}:01")
    right = Interface(right_ns, right_name, f"02:4b:4d:00:{number:02x}:02")
    run("ip", "link", "add", left.name, "netns", left_ns.name, "mtu", str(mtu), "address",
        left.mac, "type", "veth", "peer", "name", right.name, "netns", right_ns.name, "mtu",
        str(mtu), "address", right.mac)
    for end in (left, right):
        end.set("arp", "off", "multicast", "off")
    return left, right


def _make_like_a_nic(sender, receiver, core):
    if not shutil.which("ethtool"):
        raise Skip("no `ethtool` command: regime N cannot be set up")
    sender.offload("tso", "off")
    receiver.offload("gro", "on")
    receiver.ns.shell(f"echo 1 > /sys/class/net/{receiver.name}/threaded")
    threads = _napi_threads(receiver.name)
    if not threads:
        raise Skip("no threaded NAPI on veth: regime N cannot be set up")
    for pid in threads:
        os.sched_setaffinity(pid, {core})


def _napi_threads(name):
    """Kernel threads napi/<name>-<id>, the newest, which is the one just made, only."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/comm", encoding="ascii", errors="replace") as file:
                match = re.match(rf"napi/{re.escape(name)}-(\d+)$", file.read().strip())
        except OSError:
            continue
        if match:
            found.append((int(match[1]), int(entry)))
    return [pid for _, pid in sorted(found)[-1:]]


class Path:
    """tx -> (emulator ->) rx; a context manager.

    tx, rx            the interfaces the daemons use; .ns is their namespace
    emu_in, emu_out   the emulator's (None with emulator=False: tx and rx share one cable)
    """

    def __init__(self, mtu=9000, regime="A", emulator=True):
        if regime not in REGIMES:
            raise ValueError(f"regime {regime}")
        self.mtu, self.regime = mtu, regime
        self.namespaces = []
        self._undo = cleanup.push(self.close)
        try:
            self._make(emulator)
        except BaseException:
            self.close()
            raise

    def _make(self, emulator):
        cores = sorted(os.sched_getaffinity(0))
        names = ("tx", "emu", "rx") if emulator else ("tx", "rx")
        for name in names:
            self.namespaces.append(Namespace(name))
        tx_ns, rx_ns = self.namespaces[0], self.namespaces[-1]
        if emulator:
            emu_ns = self.namespaces[1]
            self.tx, self.emu_in = _pair(tx_ns, "link0", emu_ns, "in0", self.mtu, 1)
            self.emu_out, self.rx = _pair(emu_ns, "out0", rx_ns, "link0", self.mtu, 2)
            hops = ((self.tx, self.emu_in), (self.emu_out, self.rx))
        else:
            self.emu_in = self.emu_out = None
            self.tx, self.rx = _pair(tx_ns, "link0", rx_ns, "link0", self.mtu, 1)
            hops = ((self.tx, self.rx),)
        for sender, receiver in hops:
            sender.up()
            receiver.up()
            if self.regime == "N":
                _make_like_a_nic(sender, receiver, cores[-1])

    @property
    def interfaces(self):
        return [i for i in (self.tx, self.emu_in, self.emu_out, self.rx) if i]

    def close(self):
        cleanup.cancel(self._undo)
        while self.namespaces:
            self.namespaces.pop().close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
