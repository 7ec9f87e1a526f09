# SPDX-License-Identifier: ISC
"""What seeds are made of."""


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def record(kind, body):
    return bytes([kind]) + varint(len(body)) + body
