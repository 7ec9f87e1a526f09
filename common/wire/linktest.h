// SPDX-License-Identifier: ISC
/*
 * Test frames, by which a link is commissioned (katamichi-tx linktest, katamichi-rx
 * linktest): frames of type 4 that carry no data, each of which states the whole schedule,
 * so that a receiver that hears any one of them knows what was to come. docs/wire.md, "Link
 * test", has the layout. Nothing here is authenticated; a receiver of data counts
 * such frames as foreign.
 *
 * The schedule: each rate, ascending, with each size, ascending; then bursts of the largest
 * size as fast as tx can, each twice as long as the one before. Frames of all steps are
 * numbered through. Both sides derive the steps from the plan by the same function.
 *
 * Pure; no allocation. Any thread.
 */
#ifndef LINKTEST_H
#define LINKTEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame.h"
#include "km_err.h"
#include "wire_limits.h"

#define LINKTEST_SIZES_MAX 8u
#define LINKTEST_RATES_MAX 16u
#define LINKTEST_BURSTS_MAX 16u
#define LINKTEST_STEPS_MAX (LINKTEST_SIZES_MAX * LINKTEST_RATES_MAX + LINKTEST_BURSTS_MAX)
/* A step longer than that is cut to it. */
#define LINKTEST_STEP_FRAMES_MAX (1u << 22)
/* Bytes of a size, after the Ethernet header as an MTU counts them; IP and UDP included. */
#define LINKTEST_SIZE_MIN 256u
#define LINKTEST_RATE_KBPS_MIN 64u
#define LINKTEST_STEP_MS_MIN 10u
#define LINKTEST_STEP_MS_MAX 60000u
#define LINKTEST_PAUSE_MS_MIN 20u
#define LINKTEST_PAUSE_MS_MAX 5000u
/* A receiver stays away from its ring for no longer than this. */
#define LINKTEST_AWAY_MS_MAX 5000u

/* Lane and class of test frames: those of ordinary data, so that they take its ring. */
#define LINKTEST_LANE 3u

/* Bytes of the plan in a body, and where it stands. */
#define LINKTEST_PLAN_AT 4u
#define LINKTEST_PLAN_LEN 96u

struct linktest_plan {
	uint8_t sizes, rates, bursts; /* bursts may be 0 */
	uint32_t step_ms;	      /* of a step at a rate */
	uint32_t pause_ms;	      /* between two steps */
	uint32_t burst_first;	      /* frames of the first burst; 0 if and only if none */
	uint16_t size[LINKTEST_SIZES_MAX];	/* ascending */
	uint32_t rate_kbps[LINKTEST_RATES_MAX]; /* ascending; Ethernet headers count */
};

struct linktest_step {
	bool burst;
	uint8_t rate, size_at; /* indices of the plan; of a burst the last ones */
	uint16_t size;
	uint32_t rate_kbps; /* of a burst: the highest of the plan, which is not kept */
	uint32_t frames;    /* 1..LINKTEST_STEP_FRAMES_MAX */
	uint64_t first;	    /* number of its first frame in the run */
	uint32_t
		away_ms; /* burst: so long a receiver does not read, from its first frame on */
};

enum linktest_kind {
	LINKTEST_HELLO = 1, /* before the first step */
	LINKTEST_LOAD = 2,  /* a frame of a step */
	LINKTEST_END = 3,   /* what tx made of a step; repeated */
	LINKTEST_OVER = 4,  /* nothing follows; repeated */
};

enum linktest_flags {
	LINKTEST_SLOWER = 1u << 0, /* END: tx itself did not reach the rate */
	LINKTEST_CUT = 1u << 1,	   /* END: tx gave up before the last frame */
	LINKTEST_LAST = 1u << 2,   /* END: all steps are over, this is said once more */
};

struct linktest_frame {
	uint32_t run;  /* a random number */
	uint64_t seq;  /* LOAD: of the run; of all others beyond the last of the LOAD */
	uint32_t step; /* LOAD, END; OVER: steps that were run */
	uint8_t kind;  /* enum linktest_kind */
	uint8_t flags;
	uint64_t sent;	     /* END: frames that the kernel took, from the first on */
	uint64_t elapsed_ns; /* END: from the first call to the end of the last */
};

/* KM_ERR_RANGE: something is outside of the limits above, or not ascending. */
KM_MUST_CHECK enum km_rc linktest_plan_check(const struct linktest_plan *plan);

/* The steps of a checked plan into STEPS (LINKTEST_STEPS_MAX); their number. */
unsigned linktest_steps(const struct linktest_plan *plan, struct linktest_step *steps);

/* Frames of all steps. */
uint64_t linktest_frames(const struct linktest_step *steps, unsigned n);

/* Bits on the interface of one frame of SIZE: with its Ethernet header, without a tag. */
static inline uint64_t linktest_frame_bits(uint16_t size)
{
	return ((uint64_t)size + WIRE_ETHER_LEN) * 8;
}

/* The plan as it stands in every frame: LINKTEST_PLAN_LEN bytes. */
void linktest_plan_encode(uint8_t *out, const struct linktest_plan *plan);
KM_MUST_CHECK enum km_rc linktest_plan_decode(struct linktest_plan *p,
					      const uint8_t *bytes);

/*
 * Write header and body, WIRE_HEADER_LEN + WIRE_LINKTEST_BODY bytes, into OUT; what follows up
 * to LENGTH bytes behind the header is the caller's to fill (zeros). PLAN is encoded.
 */
void linktest_encode(uint8_t *out, const struct linktest_frame *frame, const uint8_t *plan,
		     uint16_t length);

/* The frame at OUT with another number: everything else stays as linktest_encode() wrote
 * it. PLAN_CRC is crc32_add(0, plan, LINKTEST_PLAN_LEN). */
void linktest_renumber(uint8_t *out, uint64_t seq, uint32_t plan_crc);

/* A plan that was met before, so that its checksum need not be computed for each frame. */
struct linktest_known {
	bool any;
	uint8_t plan[LINKTEST_PLAN_LEN];
	uint32_t crc;
};

/*
 * Read a frame whose header frame_header_decode() has taken: BYTES from the clear
 * header on. KNOWN may be NULL. *PLAN is where its plan stands, encoded and not yet judged.
 * KM_ERR_MALFORMED: checksum, format, kind, reserved bytes, a field that the kind does not
 * have. Whether number and step fit the plan is the caller's to see.
 */
KM_MUST_CHECK enum km_rc linktest_decode(struct linktest_frame *f,
					 const struct frame_header *h, const uint8_t *bytes,
					 const struct linktest_known *known,
					 const uint8_t **plan);

#endif
