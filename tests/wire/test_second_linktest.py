#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The vectors of a link test, read by the second implementation."""

from second_vectors import VECTORS, flip, refuses, tap, wire
import second_linktest as second

LINKTEST = VECTORS["linktest"]
FRAMES = [bytes.fromhex(said["frame"]) for said in LINKTEST["frames"]]


@tap.test
def the_plan_and_its_steps(t):
    plan = second.read_plan(bytes.fromhex(LINKTEST["plan"]))
    t.equal([step._asdict() for step in second.steps(plan)], LINKTEST["steps"], "steps")


@tap.test
def every_frame_says_what_it_should(t):
    plan = second.read_plan(bytes.fromhex(LINKTEST["plan"]))
    for said, frame in zip(LINKTEST["frames"], FRAMES):
        found, its = second.read(frame)
        t.equal(its, plan, "plan")
        t.equal(found._asdict(), {k: v for k, v in said.items() if k != "frame"}, "frame")


@tap.test
def every_byte_counts(t):
    for frame in FRAMES:
        for at in range(160):
            if at != 39:  # the link id
                refuses(t, f"byte {at} changed", second.read, flip(frame, at, 1 << at % 8))
        refuses(t, "cut", second.read, frame[:159])
        t.check(second.read(flip(frame, 39)) and second.read(flip(frame, 200)),
                "link id and filling are free")


@tap.test
def no_frame_of_data(t):
    """A reader of data takes none of it."""
    for frame in FRAMES:
        refuses(t, "test frame", wire.parse_header, frame)


if __name__ == "__main__":
    tap.main()
