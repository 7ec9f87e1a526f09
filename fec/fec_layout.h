// SPDX-License-Identifier: ISC
/*
 * fec_layout: how encoder and decoder divide the memory they are given. Internal to fec/.
 *
 * Work over symbols goes strip by strip: a strip is the same short byte range of every
 * symbol of a block, so that M accumulator rows and M rows in transformation stay in the
 * first-level cache whatever the symbol size.
 */
#ifndef FEC_LAYOUT_H
#define FEC_LAYOUT_H

#include <stdbool.h>

#include "fec_kern.h"

/* Up to this M the encoder adds matrix columns; up to this many losses (or rows asked for)
 * rows are computed from the matrix. Above, the transform is cheaper: it costs about
 * 4 + 1.5 log2 M vector operations per source vector, the matrix 2 per row. */
#define FEC_MATRIX_ROWS 4u

/* Bytes of the longest strip. */
#define FEC_STRIP_MAX 1024u

/* Scratch memory, cut up. */
struct fec_scratch {
	uint8_t *sum;	 /* M rows: the accumulator */
	uint8_t *chunk;	 /* M rows: the chunk in transformation */
	uint8_t *square; /* M * M coefficients */
	size_t stride;	 /* bytes, an odd number of lines: rows do not share cache sets */
	size_t strip;	 /* bytes, a multiple of FEC_LINE, <= stride */
};

bool fec_rows_legal(unsigned M);
bool fec_symbol_legal(size_t symbol_size);

/* n up to a multiple of FEC_LINE; and up to an odd number of lines. */
size_t fec_lines(size_t n);
size_t fec_lines_odd(size_t n);

/* Length of a strip, a multiple of FEC_LINE, for rows held in M rows of work memory. */
size_t fec_strip_bytes(unsigned M, size_t symbol_size);

/*
 * Length of the strip at *off < symbol_size. The last one is whole lines too wherever the
 * symbol has a line to give: it then begins a little before *off, which is moved back, and
 * does some bytes a second time, for less than padding costs.
 */
size_t fec_strip_next(const struct fec_scratch *s, size_t symbol_size, size_t *off);

/* First line boundary at or above p. */
uint8_t *fec_align(void *p);

/* Cut scratch up. False: absent or smaller than fec_scratch_bytes(M, symbol_size). */
bool fec_scratch_open(struct fec_scratch *s, unsigned M, size_t symbol_size, void *scratch,
		      size_t scratch_len) FEC_MUST_CHECK;

/*
 * All M rows over one strip, by transform, into s->sum: bytes off .. off + n - 1 of the k
 * sources, src[i] = NULL meaning zeros; n <= s->strip. ahead: how far on the sources will
 * be read next, 0 if they will not.
 */
void fec_strip_rows(const struct fec_scratch *s, unsigned M, const uint8_t *const *src,
		    unsigned k, size_t off, size_t n, size_t ahead);

#endif
