# SPDX-License-Identifier: ISC
"""The speed of light of this machine: cores / sum of ns per payload byte over both sides of
what cannot be left out, each once, each measured alone on one core in this run.

limit.mtu9000.ethernet.A.term.read     ns per payload byte; so digest_tx, digest_rx, fec, seal,
                                       open, link, write
limit.mtu9000.ethernet.A.speed_of_light   Gbit/s of payload
file.mtu9000.ethernet.A.fraction_of_limit  goodput over that

A term is the faster of ours and Debian's library. Repairs are sealed, sent and opened like
sources: (k + m) / k of everything behind the encoder.
"""

import setting

REPAIRS = 1.1  # (160,16), the default
PAYLOAD = {1500: 1400, 9000: 8900}  # the frame size at which a primitive was measured


def best(rows, *names, end=""):
    """The highest of the rows whose names begin and end so, in GB/s; None: there is none."""
    values = [row["value"] for prefix in names for row in rows.named(prefix)
              if row["value"] and row["unit"] == "GB/s" and row["name"].endswith(end)]
    return max(values, default=None)


def terms(rows, mtu, framing, regime):
    """{term: ns per payload byte}, or None when something was not measured."""
    frame = PAYLOAD[mtu]
    # pieces of 1 MiB: a large file is hashed in such leaves
    digest = max(filter(None, (best(rows, "prim.sha256.", end=".1MiB"),
                               best(rows, "digest.sha256.", end=".leaf"))), default=None)
    fec = best(rows, f"prim.fec.encode.window.160_16x63.{frame}",
               f"fec.encode_window.160_16x63.{frame}", f"fec.encode_feed.160_16x63.{frame}",
               f"isal.encode.160_16.{frame}")
    speeds = {
        "read": best(rows, "prim.file.read."),
        "digest_tx": digest,
        "fec": fec,
        "seal": best(rows, f"prim.aes256gcm.seal.{frame}", f"prim.aes256gcm.libsodium.{frame}"),
        "open": best(rows, f"prim.aes256gcm.open.{frame}"),
        "digest_rx": digest,
        "write": best(rows, "prim.file.write."),
    }
    one_core = rows.value(f"limit.mtu{mtu}.{framing}.{regime}.one_core")
    if one_core is None or None in speeds.values():
        return None
    found = {name: 1 / speed for name, speed in speeds.items()}
    for name in ("seal", "open"):
        found[name] *= REPAIRS
    symbol = mtu - setting.WIRE_OVERHEAD - (setting.UDP_OVERHEAD if framing == "udp" else 0)
    found["link"] = one_core / symbol * REPAIRS
    return found


def part(rows, bench):
    for mtu in setting.MTUS:
        for framing in setting.FRAMINGS:
            for regime in setting.REGIMES:
                name = f"mtu{mtu}.{framing}.{regime}"
                found = terms(rows, mtu, framing, regime)
                if not found:
                    continue
                for term, value in found.items():
                    rows.add(f"limit.{name}.term.{term}", "ns/byte", value,
                             "from the rows of this run")
                limit = rows.add(f"limit.{name}.speed_of_light", "Gbit/s",
                                 len(bench.cores) / sum(found.values()) * 8,
                                 "cores / sum of the terms")
                goodput = rows.value(f"file.{name}.goodput")
                if goodput:
                    rows.add(f"file.{name}.fraction_of_limit", "fraction", goodput / limit,
                             "goodput / speed of light")
