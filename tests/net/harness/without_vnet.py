#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""without_vnet.py PROGRAM ARGUMENT...: run it as on a kernel whose packet sockets know no
virtio header. setsockopt(PACKET_VNET_HDR) fails, for it and for what it starts; needs root."""

import ctypes
import os
import platform
import struct
import sys

SETSOCKOPT = {"x86_64": 54, "aarch64": 208}
SOL_PACKET, PACKET_VNET_HDR, ENOPROTOOPT = 263, 15, 92
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
PR_SET_SECCOMP, MODE_FILTER = 22, 2


def main():
    rows = []
    # offsets in struct seccomp_data; numbers this small are the low words of the arguments
    for number, (at, value) in enumerate(((0, SETSOCKOPT[platform.machine()]), (24, SOL_PACKET),
                                          (32, PACKET_VNET_HDR))):
        rows += [(LOAD, 0, 0, at), (EQUAL, 0, 5 - 2 * number, value)]
    rows += [(RETURN, 0, 0, ERRNO | ENOPROTOOPT), (RETURN, 0, 0, ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *row) for row in rows))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(rows),
                                                      ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, MODE_FILTER, program, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp filter refused")
    os.execv(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
