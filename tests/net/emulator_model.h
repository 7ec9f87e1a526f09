// SPDX-License-Identifier: ISC
/*
 * What happens to a frame: the emulator's decisions, without any link.
 *
 * Random numbers are counter based: the draw for purpose P of data frame N is a function
 * of (seed, P, N) and nothing else, so the list of a run can be recomputed from its seed
 * (`km-linkemu --predict`), and what one impairment does never moves what another draws.
 * Gilbert-Elliott is a walk over these draws, hence also a function of seed and N.
 *
 * A data frame is a source or repair symbol, or a test frame. Every other frame of our EtherType
 * (announces above all) has no number of its own in the schedule: it is subject to the
 * loss rate, to the state the Gilbert-Elliott walk is in, to the switch, to selectors,
 * and to a burst when it falls between two data frames of that burst.
 *
 * Pure apart from the memory of the range sets; one thread. No I/O.
 */
#ifndef EMULATOR_MODEL_H
#define EMULATOR_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emulator_frame.h"
#include "emulator_ranges.h"

#define EMULATOR_SELECTORS_MAX 64u
#define EMULATOR_DISTANCE_MAX 1024u /* frames a reordered frame may be held back */
#define EMULATOR_CUT_BYTES_MIN 15u  /* shortest truncated frame: some kernels refuse 14 */

enum emulator_why {
	EMULATOR_WHY_KEPT,
	EMULATOR_WHY_SWITCH, /* `drop on` */
	EMULATOR_WHY_BURST,
	EMULATOR_WHY_EVERY,
	EMULATOR_WHY_LIST,
	EMULATOR_WHY_SELECTOR,
	EMULATOR_WHY_GE,
	EMULATOR_WHY_LOSS,
	EMULATOR_WHY_COUNT,
};

/* Gilbert-Elliott: p good to bad, r bad to good, per data frame; h and k are the chances
 * to be delivered in the bad and in the good state. Stationary loss is (p (1 - h) + r (1
 * - k)) / (p + r); with h = 0 and k = 1 the mean burst is 1 / r frames. */
struct emulator_ge {
	bool on;
	double p, r, h, k;
};

/* What is asked for. All probabilities are 0..1 per frame. Zero-initialised = a clean
 * link. */
struct emulator_schedule {
	uint64_t seed;
	double loss, duplicate, reorder, corrupt, truncate;
	uint32_t distance; /* of a reordered frame, in frames, 1..EMULATOR_DISTANCE_MAX */
	uint64_t every;	   /* 0 = off; else frames every-1, 2 every-1, ... are lost */
	bool drop_all;
	bool corrupt_header; /* a flipped bit may fall into the Ethernet header */
	struct emulator_ge ge;
	struct emulator_ranges bursts;
	struct emulator_ranges list;
	struct emulator_selector selectors[EMULATOR_SELECTORS_MAX];
	size_t selector_count;
};

struct emulator_model {
	struct emulator_schedule schedule; /* may be changed between two frames */
	uint64_t data_frames;		   /* seen so far = number of the next one */
	uint64_t other_frames;
	bool ge_bad;
};

struct emulator_decision {
	bool is_data;
	uint64_t number; /* of the data frame; for others the data frame that comes next */
	enum emulator_why why;
	bool duplicate, reorder, corrupt, truncate; /* all false when the frame is lost */
	uint64_t corrupt_draw, truncate_draw;
};

/* A draw of 64 bits: uniform, and independent for every (@seed, @purpose, @n). */
uint64_t emulator_model_draw(uint64_t seed, uint32_t purpose, uint64_t n);

/* Decide the next frame into @d and move on. @f is borrowed for the call; NULL stands for
 * a data frame of which nothing is known (prediction): no selector matches it. */
void emulator_model_next(struct emulator_model *m, const struct emulator_frame *f,
			 struct emulator_decision *d);

/* How long a frame of @bytes stays after truncation: EMULATOR_CUT_BYTES_MIN..bytes - 1,
 * or @bytes itself when it is too short to be cut. */
size_t emulator_model_cut(uint64_t draw, size_t bytes);

/* The bit to flip in a frame of @bytes, counted from the most significant bit of byte 0;
 * behind the Ethernet header unless @header. Needs bytes > EMULATOR_ETH_BYTES. */
size_t emulator_model_bit(uint64_t draw, size_t bytes, bool header);

/* "loss", "burst", ...: the word for @why in the list and in the summary. */
const char *emulator_model_why_name(enum emulator_why why);

/* Free what the schedule holds. */
void emulator_model_clear(struct emulator_model *m);

#endif
