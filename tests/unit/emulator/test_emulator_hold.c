// SPDX-License-Identifier: ISC
/*
 * The queue of held frames: first in, first out, nothing torn when it goes round, and the
 * distance of a reordered frame when it is driven as the bridge drives it.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "emulator_hold.h"
#include "emulator_model.h"

Test(emulator_hold, fifo_goes_round_without_tearing)
{
	struct emulator_hold h;
	uint8_t bytes[600];
	uint64_t in = 0, out = 0, full = 0;

	cr_assert_eq(emulator_hold_open(&h, 4096), 0);
	for (uint64_t step = 0; step < 200000; step++) {
		uint64_t draw = emulator_model_draw(1, 1, step);
		size_t n = 15 + emulator_model_draw(1, 2, in) % 500, got;
		bool twice;

		if (draw % 2) {
			memset(bytes, (int)(in & 0xff), n);
			if (emulator_hold_push(&h, bytes, n, in, in % 3 == 0))
				in++;
			else
				full++;
		} else if (h.count) {
			uint64_t due;
			uint8_t *p;

			cr_assert(emulator_hold_due(&h, &due));
			cr_assert_eq(due, out);
			p = emulator_hold_oldest(&h, &got, &twice);
			cr_assert_eq(got, 15 + emulator_model_draw(1, 2, out) % 500);
			cr_assert_eq(twice, out % 3 == 0);
			for (size_t i = 0; i < got; i++)
				cr_assert_eq(p[i], out & 0xff);
			emulator_hold_drop(&h);
			out++;
		}
		cr_assert_eq(h.count, in - out);
	}
	cr_assert_gt(full, 1000); /* both the full and the empty queue were met */
	cr_assert_gt(out, 50000);
	emulator_hold_close(&h);
}

Test(emulator_hold, takes_what_it_was_made_for)
{
	static uint8_t frame[EMULATOR_FRAME_BYTES_MAX];
	struct emulator_hold h;
	unsigned n = 0;

	cr_assert_eq(emulator_hold_open(&h, 80u << 20), 0);
	while (n <= EMULATOR_DISTANCE_MAX)
		cr_assert(emulator_hold_push(&h, frame, sizeof(frame), n++, false));
	emulator_hold_close(&h);
}

Test(emulator_hold, refuses_what_cannot_fit)
{
	struct emulator_hold h;
	uint8_t frame[100] = {0};
	uint64_t due;

	cr_assert_eq(emulator_hold_open(&h, 64), 0);
	cr_assert_not(emulator_hold_push(&h, frame, sizeof(frame), 0, false));
	cr_assert_not(emulator_hold_due(&h, &due));
	cr_assert(emulator_hold_push(&h, frame, 48, 0, false));
	cr_assert_not(emulator_hold_push(&h, frame, 1, 0, false));
	emulator_hold_drop(&h);
	cr_assert(emulator_hold_push(&h, frame, 48, 0, false));
	emulator_hold_close(&h);
}

/* Frame numbers in, frame numbers out, as emulator_bridge.c does it: a held frame leaves
 * directly behind the distance-th frame after it. */
static size_t pass(uint64_t frames, double rate, uint32_t distance, uint64_t *out)
{
	struct emulator_model m = {.schedule = {.seed = 7, .reorder = rate}};
	struct emulator_hold h;
	size_t n = 0;

	cr_assert_eq(emulator_hold_open(&h, 1 << 20), 0);
	for (uint64_t i = 0; i < frames; i++) {
		struct emulator_decision d;
		uint64_t due;

		emulator_model_next(&m, NULL, &d);
		if (d.reorder)
			cr_assert(emulator_hold_push(&h, (uint8_t *)&i, sizeof(i),
						     i + distance, false));
		else
			out[n++] = i;
		while (emulator_hold_due(&h, &due) && due <= i) {
			size_t bytes;
			bool twice;

			memcpy(&out[n++], emulator_hold_oldest(&h, &bytes, &twice),
			       sizeof(i));
			emulator_hold_drop(&h);
		}
	}
	cr_assert_eq(n + h.count, frames);
	emulator_hold_close(&h);
	return n;
}

Test(emulator_hold, reordered_frame_arrives_distance_frames_late)
{
	enum { FRAMES = 20000, DISTANCE = 5 };
	static uint64_t out[FRAMES], place[FRAMES];
	static bool late[FRAMES];
	struct emulator_model m = {.schedule = {.seed = 7, .reorder = 0.01}};
	size_t n = pass(FRAMES, 0.01, DISTANCE, out), checked = 0;

	memset(place, 0xff, sizeof(place)); /* the last ones are still held */
	for (size_t i = 0; i < n; i++)
		place[out[i]] = i;
	for (size_t i = 0; i < FRAMES; i++) {
		struct emulator_decision d;

		emulator_model_next(&m, NULL, &d);
		late[i] = d.reorder;
	}
	for (size_t i = 0; i + 20 < FRAMES; i++) {
		if (!late[i]) {
			cr_assert_lt(place[i], place[i + DISTANCE + 1]);
			continue;
		}
		checked++;
		for (size_t j = i + 1; j <= i + DISTANCE; j++)
			cr_assert_eq(place[j] < place[i], !late[j], "frames %zu, %zu", i,
				     j);
		cr_assert_lt(place[i], place[i + DISTANCE + 1]);
	}
	cr_assert_gt(checked, 100);
}
