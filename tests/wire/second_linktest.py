# SPDX-License-Identifier: ISC
"""Test frames, written and read from docs/wire.md, "Link test", alone."""

import collections
import struct
import zlib

from second_wire import HEADER_LEN, Refused, need

PLAN = struct.Struct(">BBBBIII8H16I")
REPORT = struct.Struct(">BB2xQQ")
HEADER = struct.Struct(">BBBBIHHQIHHBBBBHH3xB")
STEP_FRAMES_MAX, AWAY_MS_MAX = 1 << 22, 5000
HELLO, LOAD, END, OVER = 1, 2, 3, 4

Plan = collections.namedtuple("Plan", "step_ms pause_ms burst_first bursts sizes rates")
Step = collections.namedtuple("Step", "burst size rate_kbps first frames away_ms")
Frame = collections.namedtuple("Frame", "run seq step kind flags sent elapsed_ns")


def read_plan(data):
    fmt, sizes, rates, bursts, step_ms, pause_ms, first, *lists = PLAN.unpack(data)
    need(fmt == 1, "format")
    need(1 <= sizes <= 8 and 1 <= rates <= 16 and bursts <= 16, "counts")
    size, rate = lists[:8], lists[8:]
    need(not any(size[sizes:]) and not any(rate[rates:]), "behind a list")
    size, rate = size[:sizes], rate[:rates]
    need(size == sorted(set(size)) and rate == sorted(set(rate)), "not ascending")
    need(size[0] >= 256 and rate[0] >= 64, "too small")
    need(10 <= step_ms <= 60000 and 20 <= pause_ms <= 5000, "times")
    need((bursts == 0) == (first == 0), "bursts")
    need(not bursts or first << (bursts - 1) <= STEP_FRAMES_MAX, "burst")
    return Plan(step_ms, pause_ms, first, bursts, size, rate)


def steps(plan):
    wanted = [(False, size, rate, min(max(rate * plan.step_ms // ((size + 14) * 8), 1),
                                      STEP_FRAMES_MAX), 0)
              for rate in plan.rates for size in plan.sizes]
    size, rate = plan.sizes[-1], plan.rates[-1]
    for i in range(plan.bursts):
        frames = plan.burst_first << i
        away = 3 * (frames * (size + 14) * 8 // rate) + plan.pause_ms
        wanted.append((True, size, rate, frames, min(away, AWAY_MS_MAX)))
    found, first = [], 0
    for burst, size, rate, frames, away in wanted:
        found.append(Step(burst, size, rate, first, frames, away))
        first += frames
    return found


def read(frame):
    """(Frame, Plan) of what stands behind the Ethernet header."""
    need(len(frame) >= HEADER_LEN + 120, "short")
    (version, kind, class_, code, run, lane, channel, seq, step, *rest, length,
     symbol, _link) = HEADER.unpack(frame[:HEADER_LEN])
    need((version, kind, class_, code, lane, channel, symbol) == (1, 4, 3, 0, 3, 0, 0), "header")
    need(not any(rest) and frame[36:39] == bytes(3) and seq < 1 << 36, "header")
    need(120 <= length <= len(frame) - HEADER_LEN, "length")
    body = frame[HEADER_LEN:]
    crc = zlib.crc32(body[4:100] + frame[:39] + body[100:120])
    need(crc == int.from_bytes(body[:4], "big"), "checksum")
    what, flags, sent, elapsed = REPORT.unpack(body[100:120])
    need(HELLO <= what <= OVER and body[102:104] == bytes(2), "kind")
    need(what == END or not (flags or sent or elapsed), "a report that is none")
    need(what != HELLO or step == 0, "step")
    need(flags < 8, "flags")
    found = Frame(run, seq, step, what, flags, sent, elapsed)
    plan = read_plan(body[4:100])
    _check_place(found, steps(plan))
    return found, plan


def _check_place(frame, all_steps):
    total = all_steps[-1].first + all_steps[-1].frames
    if frame.kind in (LOAD, END):
        need(frame.step < len(all_steps), "step")
        step = all_steps[frame.step]
        need(frame.sent <= step.frames, "sent")
        if frame.kind == LOAD:
            need(step.first <= frame.seq < step.first + step.frames, "number")
            return
    need(frame.kind != OVER or frame.step <= len(all_steps), "steps")
    need(frame.seq >= total, "number")


__all__ = ["read", "read_plan", "steps", "Refused", "Frame", "Plan", "Step"]
