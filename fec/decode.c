// SPDX-License-Identifier: ISC
/*
 * Rows and surviving sources to lost sources. With e losses, any e rows that arrived:
 *
 *   1. syndrome of a row = the row minus what the surviving sources put into it: what the
 *      lost sources alone would give. By matrix for few losses; else by encoding the
 *      survivors again with zeros for the lost, at encode's cost.
 *   2. the e lost symbols from the e syndromes through the inverse of the e x e part of
 * the generator. That part is Cauchy with scaled columns, so its inverse is a formula (S.
 * Schechter, "On the inversion of certain matrices", 1959), no elimination: with rows at
 * points x_j and losses at points y_i, lost source i takes from syndrome j
 *
 *        prod_a (x_j + y_a)     prod_a (x_a + y_i)           1          1
 *        ------------------  *  ------------------  *  -----------  *  ---
 *        prod_a (x_j + x_a)     prod_a (y_i + y_a)      x_j + y_i      c_i
 *         (a other than j)       (a other than i)
 *
 *      where c_i = w((M + i) div M) is the column's scale.
 */
#include <string.h>

#include "fec_field.h"
#include "fec_layout.h"

#define ORDER 255u /* of the multiplicative group: logarithms add modulo this */

struct losses {
	unsigned count;
	uint8_t esi[FEC_ROWS_MAX];	  /* sources lost, rising */
	uint8_t row[FEC_ROWS_MAX];	  /* rows used in their stead, rising */
	const uint8_t *sym[FEC_ROWS_MAX]; /* those rows' symbols */
};

static bool bit_is_set(const uint8_t *bitmap, unsigned i)
{
	return bitmap[i / 8] >> i % 8 & 1;
}

static int losses_find(struct losses *lost, const struct fec_geometry *geo,
		       const uint8_t *source_present, const uint8_t *const *repair)
{
	unsigned rows = 0;

	lost->count = 0;
	for (unsigned esi = 0; esi < geo->k; esi++) {
		if (bit_is_set(source_present, esi))
			continue;
		if (lost->count == geo->m)
			return FEC_ERR_TOO_FEW;
		lost->esi[lost->count++] = (uint8_t)esi;
	}
	for (unsigned row = 0; row < geo->m && rows < lost->count; row++) {
		if (!repair[row])
			continue;
		lost->row[rows] = (uint8_t)row;
		lost->sym[rows++] = repair[row];
	}
	return rows == lost->count ? FEC_OK : FEC_ERR_TOO_FEW;
}

/* Logarithm of w(index), index not 0. Sums of a few hundred stay far below 2^32. */
static unsigned log_at(unsigned index)
{
	return fec_table_log[fec_table_point[index]];
}

/* square[i * e + j]: what lost source i takes from syndrome j. */
static void square_invert(uint8_t *square, const struct losses *lost, unsigned M)
{
	const unsigned e = lost->count;
	unsigned of_row[FEC_ROWS_MAX], of_loss[FEC_ROWS_MAX];

	for (unsigned i = 0; i < e; i++) {
		const unsigned x = lost->row[i], y = M + lost->esi[i];
		unsigned row_up = 0, row_down = 0, loss_up = 0, loss_down = 0;

		for (unsigned a = 0; a < e; a++) {
			row_up += log_at(x ^ (M + lost->esi[a]));
			loss_up += log_at(lost->row[a] ^ y);
			if (a == i)
				continue;
			row_down += log_at(x ^ lost->row[a]);
			loss_down += log_at(y ^ (M + lost->esi[a]));
		}
		loss_down += log_at(y / M);
		of_row[i] = (row_up + ORDER - row_down % ORDER) % ORDER;
		of_loss[i] = (loss_up + ORDER - loss_down % ORDER) % ORDER;
	}
	for (unsigned i = 0; i < e; i++)
		for (unsigned j = 0; j < e; j++) {
			const unsigned gap = log_at(lost->row[j] ^ (M + lost->esi[i]));

			square[i * e + j] =
				fec_table_exp[(of_row[j] + of_loss[i] + ORDER - gap) %
					      ORDER];
		}
}

/* Survivors by matrix, and the coefficients of each used row. */
struct terms {
	unsigned count;
	const uint8_t *src[FEC_SOURCES_MAX];
	uint8_t coef[FEC_MATRIX_ROWS][FEC_SOURCES_MAX];
};

static void terms_list(struct terms *terms, const struct losses *lost, unsigned M,
		       const uint8_t *const *present, unsigned k)
{
	unsigned count = 0;

	for (unsigned esi = 0; esi < k; esi++) {
		if (!present[esi])
			continue;
		for (unsigned i = 0; i < lost->count; i++)
			terms->coef[i][count] = fec_generator(M, lost->row[i], esi);
		terms->src[count++] = present[esi];
	}
	terms->count = count;
}

/* Pointers to the e syndromes of one strip, relative to that strip. */
static void strip_syndromes(const struct fec_scratch *s, const struct losses *lost,
			    const struct fec_geometry *geo, const uint8_t *const *present,
			    const struct terms *terms, size_t off, size_t n, size_t ahead,
			    const uint8_t **syndrome)
{
	const bool by_matrix = lost->count <= FEC_MATRIX_ROWS;
	uint8_t *at[FEC_MATRIX_ROWS];

	if (!by_matrix)
		fec_strip_rows(s, geo->M, present, geo->k, off, n, ahead);
	for (unsigned i = 0; i < lost->count; i++) {
		uint8_t *sum = s->sum + lost->row[i] * s->stride;

		if (by_matrix)
			at[i] = sum;
		syndrome[i] = sum;
	}
	if (by_matrix)
		fec_ops_now()->dot(at, lost->count, terms->src, terms->coef[0],
				   sizeof(terms->coef[0]), terms->count, off, n);
	for (unsigned i = 0; i < lost->count; i++)
		fec_ops_now()->muladd(s->sum + lost->row[i] * s->stride, lost->sym[i] + off,
				      1, n);
}

/* The lost symbols of one strip from its syndromes. */
static void strip_solve(const struct fec_scratch *s, const struct losses *lost,
			uint8_t *const *src, const uint8_t *const *syndrome, size_t off,
			size_t n)
{
	const unsigned e = lost->count;

	for (unsigned i = 0; i < e; i += FEC_DOT_ROWS) {
		const unsigned rows = e - i < FEC_DOT_ROWS ? e - i : FEC_DOT_ROWS;
		uint8_t *dst[FEC_DOT_ROWS];

		for (unsigned r = 0; r < rows; r++)
			dst[r] = src[lost->esi[i + r]] + off;
		fec_ops_now()->dot(dst, rows, syndrome, s->square + i * e, e, e, 0, n);
	}
}

static void restore(const struct fec_scratch *s, const struct losses *lost,
		    const struct fec_geometry *geo, size_t symbol_size, uint8_t *const *src,
		    const uint8_t *source_present)
{
	const uint8_t *present[FEC_SOURCES_MAX], *syndrome[FEC_ROWS_MAX];
	const unsigned e = lost->count;
	struct terms terms;

	for (unsigned esi = 0; esi < geo->k; esi++)
		present[esi] = bit_is_set(source_present, esi) ? src[esi] : NULL;
	square_invert(s->square, lost, geo->M);
	if (e <= FEC_MATRIX_ROWS)
		terms_list(&terms, lost, geo->M, present, geo->k);
	for (size_t off = 0, n; off < symbol_size; off += n) {
		n = fec_strip_next(s, symbol_size, &off);
		strip_syndromes(s, lost, geo, present, &terms, off, n,
				off + n < symbol_size ? s->strip : 0, syndrome);
		strip_solve(s, lost, src, syndrome, off, n);
	}
}

int fec_decode(const struct fec_geometry *geo, size_t symbol_size, uint8_t *const *src,
	       const uint8_t *source_present, const uint8_t *const *repair, void *work,
	       size_t work_len)
{
	struct fec_scratch s;
	struct losses lost;
	int rc;

	if (fec_geometry_check(geo->k, geo->m, geo->M) != FEC_OK ||
	    !fec_symbol_legal(symbol_size))
		return FEC_ERR_GEOMETRY;
	if (!fec_scratch_open(&s, geo->M, symbol_size, work, work_len))
		return FEC_ERR_WORK;
	rc = losses_find(&lost, geo, source_present, repair);
	if (rc != FEC_OK || lost.count == 0)
		return rc;
	restore(&s, &lost, geo, symbol_size, src, source_present);
	return FEC_OK;
}
