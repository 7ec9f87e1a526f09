# SPDX-License-Identifier: ISC
"""What AF_XDP takes, and whether it is here."""

import ctypes
import json
import os
import socket

from . import netns
from .tap import Skip

AF_XDP, ENOSYS = 44, 38
SYS_BPF = {"x86_64": 321, "aarch64": 280}


def require(mtu=1500):
    """Skip unless this kernel has what AF_XDP takes."""
    netns.require()
    try:
        socket.socket(AF_XDP, socket.SOCK_RAW, 0).close()
    except OSError as error:
        raise Skip(f"no AF_XDP in this kernel: {error}") from error
    libc = ctypes.CDLL(None, use_errno=True)
    number = SYS_BPF.get(os.uname().machine)
    if number is None or (libc.syscall(number, 0, 0, 0) < 0 and ctypes.get_errno() == ENOSYS):
        raise Skip("no bpf() system call")
    release = tuple(int(n) for n in os.uname().release.split(".")[:2])
    if mtu > 1500 and release < (6, 6):
        raise Skip("frames of several buffers need Linux 6.6")


def has_program(interface):
    """Whether an XDP program is on an interface."""
    link = json.loads(interface.ns.ip("-j", "link", "show", "dev", interface.name))[0]
    return "xdp" in link
