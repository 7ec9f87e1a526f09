// SPDX-License-Identifier: ISC
/*
 * What the erasure code leaves of a loss: frames of windows of the default geometry, lost by
 * the link emulator's schedules, in memory, decoded by fec/. No link, no time. Each restored
 * symbol is compared with what was sent; another byte ends the program with exit code 70.
 *
 *   loss.iid.PPM.residual     source symbols missing after repair, of those sent, when each
 *                             frame is lost with a probability of PPM millionths
 *   loss.burst.N.residual     the same in windows of which N frames in a row are lost, which
 *                             begin anywhere in the window and may reach into the next
 *   loss.burst.N.damaged      share of the bursts that were not repaired entirely
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "bench_rows.h"
#include "emulator_model.h"
#include "emulator_parse.h"
#include "fec.h"

#define LOSS_K 160u
#define LOSS_M 16u
#define LOSS_DEPTH 63u
#define LOSS_SYMBOL 64u
#define LOSS_SOURCES (LOSS_K * LOSS_DEPTH)
#define LOSS_FRAMES ((LOSS_K + LOSS_M) * LOSS_DEPTH)
/* A schedule is a list: no more bursts than this between two looks at the clock. */
#define LOSS_WINDOWS 16u
/* A burst is followed by windows that nothing happens to. */
#define LOSS_CALM 2u
#define LOSS_PURPOSE 0x6c6f7373u

static const struct fec_geometry loss_geometry = {LOSS_K, LOSS_M, LOSS_M};

struct loss {
	uint8_t sent[LOSS_FRAMES][LOSS_SYMBOL], got[LOSS_FRAMES][LOSS_SYMBOL];
	uint8_t lost[LOSS_FRAMES];
	uint8_t work[FEC_SCRATCH_MAX];
	struct emulator_model model;
	uint64_t seed, draws;
	uint64_t sources, missing, bursts, damaged;
};

static struct loss loss;

static void loss_must(int good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "bench_loss: %s\n", what);
	exit(EX_SOFTWARE);
}

/* Symbol t of a window belongs to block t mod D, repair symbols behind the sources alike. */
static void loss_encode(void)
{
	for (unsigned i = 0; i < LOSS_SOURCES; i++)
		for (unsigned at = 0; at < LOSS_SYMBOL; at += 8) {
			uint64_t draw = emulator_model_draw(loss.seed, 0, i * 8u + at / 8);

			memcpy(loss.sent[i] + at, &draw, sizeof(draw));
		}
	for (unsigned block = 0; block < LOSS_DEPTH; block++) {
		const uint8_t *sources[LOSS_K];
		uint8_t *repairs[LOSS_M];

		for (unsigned i = 0; i < LOSS_K; i++)
			sources[i] = loss.sent[i * LOSS_DEPTH + block];
		for (unsigned j = 0; j < LOSS_M; j++)
			repairs[j] = loss.sent[(LOSS_K + j) * LOSS_DEPTH + block];
		loss_must(fec_encode_block(&loss_geometry, LOSS_SYMBOL, sources, repairs,
					   loss.work, sizeof(loss.work)) == FEC_OK,
			  "encoding");
	}
	memcpy(loss.got, loss.sent, sizeof(loss.got));
}

/* Decode one block of the window at hand; how many of its sources stay missing. */
static unsigned loss_block(unsigned block)
{
	uint8_t present[FEC_BITMAP_BYTES] = {0};
	const uint8_t *repairs[LOSS_M];
	uint8_t *sources[LOSS_K];
	unsigned missing = 0;
	int rc;

	for (unsigned i = 0; i < LOSS_K; i++) {
		unsigned t = i * LOSS_DEPTH + block;

		sources[i] = loss.got[t];
		if (loss.lost[t]) {
			memset(loss.got[t], 0xee, LOSS_SYMBOL);
			missing++;
		} else {
			present[i / 8] |= (uint8_t)(1u << i % 8);
		}
	}
	if (!missing)
		return 0;
	for (unsigned j = 0; j < LOSS_M; j++) {
		unsigned t = (LOSS_K + j) * LOSS_DEPTH + block;

		repairs[j] = loss.lost[t] ? NULL : loss.got[t];
	}
	rc = fec_decode(&loss_geometry, LOSS_SYMBOL, sources, present, repairs, loss.work,
			sizeof(loss.work));
	loss_must(rc == FEC_OK || rc == FEC_ERR_TOO_FEW, "decoding");
	for (unsigned i = 0; i < LOSS_K; i++) {
		unsigned t = i * LOSS_DEPTH + block;

		loss_must(rc != FEC_OK || !memcmp(loss.got[t], loss.sent[t], LOSS_SYMBOL),
			  "a restored symbol has other bytes");
		memcpy(loss.got[t], loss.sent[t], LOSS_SYMBOL);
	}
	return rc == FEC_OK ? 0 : missing;
}

/* The next window of the model's link; how many sources stay missing. */
static unsigned loss_window(void)
{
	struct emulator_decision decision;
	unsigned missing = 0, any = 0;

	for (unsigned t = 0; t < LOSS_FRAMES; t++) {
		emulator_model_next(&loss.model, NULL, &decision);
		loss.lost[t] = decision.why != EMULATOR_WHY_KEPT;
		any |= loss.lost[t];
	}
	for (unsigned block = 0; any && block < LOSS_DEPTH; block++)
		missing += loss_block(block);
	loss.sources += LOSS_SOURCES;
	loss.missing += missing;
	return missing;
}

static void loss_set(const char *key, const char *value)
{
	char why[128];

	loss_must(emulator_parse_set(&loss.model.schedule, key, value,
				     loss.model.data_frames, why, sizeof(why)) == 0,
		  why);
}

static void loss_restart(void)
{
	emulator_model_clear(&loss.model);
	loss.model =
		(struct emulator_model){.schedule.seed = emulator_model_draw(
						loss.seed, LOSS_PURPOSE, loss.draws++)};
}

static void loss_iid_some(unsigned ppm)
{
	char value[32];

	loss_restart();
	snprintf(value, sizeof(value), "%u.%04u%%", ppm / 10000, ppm % 10000);
	loss_set("loss", value);
	for (unsigned w = 0; w < LOSS_WINDOWS; w++)
		loss_window();
}

static void loss_bursts_some(unsigned frames)
{
	char value[64];

	loss_restart();
	for (unsigned w = 0; w < LOSS_WINDOWS; w++) {
		uint64_t at = (uint64_t)w * (1 + LOSS_CALM) * LOSS_FRAMES +
			      emulator_model_draw(loss.seed, LOSS_PURPOSE, loss.draws++) %
				      LOSS_FRAMES;

		snprintf(value, sizeof(value), "%u@%llu", frames, (unsigned long long)at);
		loss_set("burst", value);
	}
	for (unsigned w = 0; w < LOSS_WINDOWS; w++) {
		unsigned missing = 0;

		for (unsigned i = 0; i < 1 + LOSS_CALM; i++)
			missing += loss_window();
		loss.bursts++;
		loss.damaged += missing > 0;
	}
}

static void loss_row(const struct bench_rows *rows, const char *kind, unsigned value,
		     void (*some)(unsigned))
{
	double residual[BENCH_ROWS_SAMPLES_MAX], damaged[BENCH_ROWS_SAMPLES_MAX];
	char name[64];

	for (unsigned i = 0; i < rows->samples; i++) {
		uint64_t end = bench_rows_now_ns() + (uint64_t)(rows->seconds * 1e9);

		loss.sources = loss.missing = loss.bursts = loss.damaged = 0;
		do
			some(value);
		while (bench_rows_now_ns() < end);
		residual[i] = (double)loss.missing / (double)loss.sources;
		damaged[i] = loss.bursts ? (double)loss.damaged / (double)loss.bursts : 0;
	}
	snprintf(name, sizeof(name), "loss.%s.%u.residual", kind, value);
	bench_rows_print(name, "fraction", residual, rows->samples);
	if (!loss.bursts)
		return;
	snprintf(name, sizeof(name), "loss.%s.%u.damaged", kind, value);
	bench_rows_print(name, "fraction", damaged, rows->samples);
}

int main(int argc, char **argv)
{
	static const unsigned ppm[] = {1000,  5000,  10000, 20000, 30000,
				       40000, 50000, 60000, 80000, 100000};
	static const unsigned frames[] = {1,	100,  500,  900,  1000,
					  1008, 1009, 1100, 1500, 2000};
	const char *seed = getenv("KM_SEED");
	struct bench_rows rows;

	bench_rows_options(&rows, argc, argv);
	loss.seed = seed ? strtoull(seed, NULL, 0) : bench_rows_now_ns();
	fprintf(stderr, "KM_SEED=%llu\n", (unsigned long long)loss.seed);
	loss_must(fec_init(FEC_KERNEL_AUTO, NULL) == FEC_OK, "no kernel");
	loss_encode();
	for (unsigned i = 0; i < sizeof(ppm) / sizeof(ppm[0]); i++)
		loss_row(&rows, "iid", ppm[i], loss_iid_some);
	for (unsigned i = 0; i < sizeof(frames) / sizeof(frames[0]); i++)
		loss_row(&rows, "burst", frames[i], loss_bursts_some);
	emulator_model_clear(&loss.model);
	return EX_OK;
}
