// SPDX-License-Identifier: ISC
#include "bench_prim.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "fec.h"

/* The default window: (160,16) x 63. Symbol t of the window lies in slot t, as it was sent,
 * and belongs to block t mod 63; slots are an odd number of cache lines. */
#define PRIM_K 160u
#define PRIM_M 16u
#define PRIM_DEPTH 63u

struct window {
	size_t symbol, stride;
	uint8_t *slots, *work, *scratch;
	size_t work_bytes, scratch_bytes;
};

static void prim_fec_must(int rc)
{
	if (rc == FEC_OK)
		return;
	fprintf(stderr, "bench_prim: fec: %s\n", fec_rc_text(rc));
	exit(EX_SOFTWARE);
}

static size_t prim_fec_window(void *ctx)
{
	struct window *w = ctx;

	for (unsigned block = 0; block < PRIM_DEPTH; block++) {
		struct fec_encoder encoder;

		prim_fec_must(fec_encode_begin(&encoder, PRIM_M, w->symbol, FEC_FEED_CHUNKS,
					       w->work, w->work_bytes));
		for (unsigned esi = 0; esi < PRIM_K; esi += PRIM_M) {
			const uint8_t *sources[PRIM_M];

			for (unsigned i = 0; i < PRIM_M; i++)
				sources[i] = w->slots +
					     w->stride * ((esi + i) * PRIM_DEPTH + block);
			prim_fec_must(fec_encode_chunk(&encoder, esi, sources, PRIM_M,
						       w->scratch, w->scratch_bytes));
		}
		prim_fec_must(fec_encode_finish(&encoder));
	}
	return (size_t)PRIM_K * PRIM_DEPTH * w->symbol;
}

void bench_prim_fec(const struct bench_rows *rows)
{
	static const size_t symbols[] = {BENCH_PRIM_FRAME_SMALL, BENCH_PRIM_FRAME_LARGE};
	struct fec_choice choice;

	prim_fec_must(fec_init(FEC_KERNEL_AUTO, &choice));
	for (unsigned i = 0; i < 2; i++) {
		struct window w = {.symbol = symbols[i]};
		char name[64];

		snprintf(name, sizeof(name), "prim.fec.encode.window.160_16x63.%zu",
			 w.symbol);
		if (!bench_rows_wanted(rows, name))
			continue;
		w.stride = ((w.symbol + 63) / 64 | 1) * 64;
		w.work_bytes = fec_encoder_bytes(PRIM_M, w.symbol, FEC_FEED_CHUNKS);
		w.scratch_bytes = fec_scratch_bytes(PRIM_M, w.symbol);
		w.slots = bench_prim_memory(w.stride * PRIM_K * PRIM_DEPTH);
		w.work = bench_prim_memory(w.work_bytes);
		w.scratch = bench_prim_memory(w.scratch_bytes);
		bench_rows_throughput(rows, name, prim_fec_window, &w);
		free(w.slots);
		free(w.work);
		free(w.scratch);
	}
}
