// SPDX-License-Identifier: ISC
/*
 * Sources to rows. Up to FEC_MATRIX_ROWS rows by the generator matrix, above by transform:
 * inverse transform per chunk of M sources, XOR, one forward transform at the end. Both
 * are the code that fec.h defines; tests/unit/fec holds both to plain Lagrange
 * interpolation.
 */
#include <string.h>

#include "fec_layout.h"

void fec_strip_chunk(uint8_t *rows, size_t stride, unsigned M, const uint8_t *const *src,
		     unsigned count, unsigned chunk, size_t off, size_t n)
{
	const size_t whole = fec_lines(n);

	for (unsigned i = 0; i < M; i++) {
		uint8_t *row = rows + i * stride;
		const size_t have = i < count && src[i] ? n : 0;

		if (have)
			memcpy(row, src[i] + off, have);
		memset(row + have, 0, whole - have);
	}
	/* Chunk 0 of the sources stands right behind the rows' own M positions. */
	fec_ops_now()->ifft(rows, stride, M, (chunk + 1) * M, whole);
}

static void rows_add(uint8_t *sum, const uint8_t *rows, size_t stride, unsigned M, size_t n)
{
	const struct fec_ops *ops = fec_ops_now();

	for (unsigned i = 0; i < M; i++)
		ops->muladd(sum + i * stride, rows + i * stride, 1, n);
}

void fec_strip_rows(const struct fec_scratch *s, unsigned M, const uint8_t *const *src,
		    unsigned k, size_t off, size_t n)
{
	const size_t whole = fec_lines(n);

	for (unsigned first = 0, chunk = 0; first < k; first += M, chunk++) {
		const unsigned count = k - first < M ? k - first : M;
		uint8_t *rows = chunk == 0 ? s->sum : s->chunk;

		fec_strip_chunk(rows, s->stride, M, src + first, count, chunk, off, n);
		if (chunk > 0)
			rows_add(s->sum, s->chunk, s->stride, M, whole);
	}
	fec_ops_now()->fft(s->sum, s->stride, M, 0, whole);
}

/* The sources of one row that are not zero, with their coefficients. */
static unsigned row_terms(unsigned M, unsigned row, const uint8_t *const *src, unsigned k,
			  const uint8_t **term, uint8_t *coef)
{
	unsigned count = 0;

	for (unsigned esi = 0; esi < k; esi++) {
		if (!src[esi])
			continue;
		term[count] = src[esi];
		coef[count++] = fec_generator(M, row, esi);
	}
	return count;
}

int fec_encode_block(const struct fec_geometry *geo, size_t symbol_size,
		     const uint8_t *const *src, uint8_t *const *repair, void *scratch,
		     size_t scratch_len)
{
	struct fec_scratch s;

	if (fec_geometry_check(geo->k, geo->m, geo->M) != FEC_OK ||
	    !fec_symbol_legal(symbol_size))
		return FEC_ERR_GEOMETRY;
	if (!fec_scratch_open(&s, geo->M, symbol_size, scratch, scratch_len))
		return FEC_ERR_WORK;
	if (geo->m <= FEC_MATRIX_ROWS) {
		const uint8_t *term[FEC_SOURCES_MAX];
		uint8_t coef[FEC_SOURCES_MAX];

		for (unsigned row = 0; row < geo->m; row++) {
			const unsigned count =
				row_terms(geo->M, row, src, geo->k, term, coef);

			fec_ops_now()->dot(repair[row], term, coef, count, 0, symbol_size);
		}
		return FEC_OK;
	}
	for (size_t off = 0; off < symbol_size; off += s.strip) {
		const size_t n = symbol_size - off < s.strip ? symbol_size - off : s.strip;

		fec_strip_rows(&s, geo->M, src, geo->k, off, n);
		for (unsigned row = 0; row < geo->m; row++)
			memcpy(repair[row] + off, s.sum + row * s.stride, n);
	}
	return FEC_OK;
}

/* ---- the incremental encoder ---- */

/* Rows themselves are accumulated, not their coefficients: nothing is left to do at the
 * end. */
static bool adds_columns(unsigned M)
{
	return M <= FEC_MATRIX_ROWS;
}

static bool keeps_slots(unsigned M, enum fec_feed feed)
{
	return feed == FEC_FEED_SYMBOLS && !adds_columns(M);
}

size_t fec_encoder_bytes(unsigned M, size_t symbol_size, enum fec_feed feed)
{
	if (!fec_rows_legal(M) || !fec_symbol_legal(symbol_size))
		return 0;
	return FEC_LINE + (keeps_slots(M, feed) ? 2u : 1u) * M * fec_lines_odd(symbol_size);
}

int fec_encode_begin(struct fec_encoder *enc, unsigned M, size_t symbol_size,
		     enum fec_feed feed, void *work, size_t work_len)
{
	if (!fec_rows_legal(M) || !fec_symbol_legal(symbol_size))
		return FEC_ERR_GEOMETRY;
	if (!work || work_len < fec_encoder_bytes(M, symbol_size, feed))
		return FEC_ERR_WORK;
	*enc = (struct fec_encoder){
		.acc = fec_align(work),
		.stride = fec_lines_odd(symbol_size),
		.symbol_size = (uint32_t)symbol_size,
		.M = (uint16_t)M,
		.feed = (uint8_t)feed,
	};
	if (keeps_slots(M, feed))
		enc->slots = enc->acc + M * enc->stride;
	return FEC_OK;
}

/* The first contribution makes the accumulator: begin costs no pass over memory. */
static void acc_make(struct fec_encoder *enc)
{
	if (!enc->live)
		memset(enc->acc, 0, enc->M * enc->stride);
	enc->live = 1;
}

static void slot_fill(struct fec_encoder *enc, unsigned slot, const uint8_t *sym,
		      size_t len)
{
	uint8_t *row = enc->slots + slot * enc->stride;

	if (len)
		memcpy(row, sym, len);
	memset(row + len, 0, fec_lines(enc->symbol_size) - len);
	enc->filled[slot / 64] |= UINT64_C(1) << slot % 64;
}

/* Transform what is in the slots and add it. */
static void slots_flush(struct fec_encoder *enc)
{
	const struct fec_ops *ops = fec_ops_now();
	const size_t whole = fec_lines(enc->symbol_size);
	const unsigned M = enc->M;
	const size_t strip = fec_strip_bytes(M, enc->symbol_size);

	if (!enc->filled[0] && !enc->filled[1])
		return;
	for (unsigned i = 0; i < M; i++)
		if (!(enc->filled[i / 64] >> i % 64 & 1))
			slot_fill(enc, i, NULL, 0);
	for (size_t off = 0; off < whole; off += strip) {
		const size_t n = whole - off < strip ? whole - off : strip;

		ops->ifft(enc->slots + off, enc->stride, M, (enc->chunk + 1u) * M, n);
		if (enc->live)
			rows_add(enc->acc + off, enc->slots + off, enc->stride, M, n);
	}
	if (!enc->live) {
		uint8_t *made = enc->slots;

		enc->slots = enc->acc;
		enc->acc = made;
		enc->live = 1;
	}
	enc->filled[0] = enc->filled[1] = 0;
}

static int feed_check(const struct fec_encoder *enc, enum fec_feed feed, unsigned esi,
		      unsigned n)
{
	if (n < 1 || n > FEC_POSITIONS || esi > FEC_POSITIONS - enc->M ||
	    n > FEC_POSITIONS - enc->M - esi)
		return FEC_ERR_GEOMETRY;
	if (enc->finished || enc->feed != feed || esi < enc->next_esi)
		return FEC_ERR_ORDER;
	return FEC_OK;
}

int fec_encode_add(struct fec_encoder *enc, unsigned esi, const uint8_t *sym, size_t len)
{
	const unsigned M = enc->M;
	const int rc = feed_check(enc, FEC_FEED_SYMBOLS, esi, 1);

	if (rc != FEC_OK)
		return rc;
	if (len > enc->symbol_size)
		return FEC_ERR_GEOMETRY;
	enc->next_esi = (uint16_t)(esi + 1);
	if (adds_columns(M)) {
		acc_make(enc);
		for (unsigned row = 0; row < M; row++)
			fec_ops_now()->muladd(enc->acc + row * enc->stride, sym,
					      fec_generator(M, row, esi), len);
		return FEC_OK;
	}
	if (esi / M != enc->chunk) {
		slots_flush(enc);
		enc->chunk = (uint16_t)(esi / M);
	}
	slot_fill(enc, esi % M, sym, len);
	if (esi % M == M - 1)
		slots_flush(enc);
	return FEC_OK;
}

/* Chunk of a matrix-sized code: each row plus n terms in one pass. */
static void columns_add(struct fec_encoder *enc, unsigned first_esi,
			const uint8_t *const *src, unsigned n)
{
	const uint8_t *term[FEC_MATRIX_ROWS + 1];
	uint8_t coef[FEC_MATRIX_ROWS + 1];

	acc_make(enc);
	for (unsigned row = 0; row < enc->M; row++) {
		uint8_t *acc = enc->acc + row * enc->stride;
		unsigned count = 1;

		term[0] = acc;
		coef[0] = 1;
		for (unsigned i = 0; i < n; i++) {
			if (!src[i])
				continue;
			term[count] = src[i];
			coef[count++] = fec_generator(enc->M, row, first_esi + i);
		}
		fec_ops_now()->dot(acc, term, coef, count, 0, enc->symbol_size);
	}
}

int fec_encode_chunk(struct fec_encoder *enc, unsigned first_esi, const uint8_t *const *src,
		     unsigned n, void *scratch, size_t scratch_len)
{
	const unsigned M = enc->M;
	const int rc = feed_check(enc, FEC_FEED_CHUNKS, first_esi, n);
	struct fec_scratch s;

	if (rc != FEC_OK)
		return rc;
	if (first_esi % M != 0 || n > M)
		return FEC_ERR_GEOMETRY;
	if (!fec_scratch_open(&s, M, enc->symbol_size, scratch, scratch_len))
		return FEC_ERR_WORK;
	enc->next_esi = (uint16_t)(first_esi + M);
	if (adds_columns(M)) {
		columns_add(enc, first_esi, src, n);
		return FEC_OK;
	}
	for (size_t off = 0; off < enc->symbol_size; off += s.strip) {
		const size_t left = enc->symbol_size - off;
		const size_t len = left < s.strip ? left : s.strip;

		if (!enc->live) {
			fec_strip_chunk(enc->acc + off, enc->stride, M, src, n,
					first_esi / M, off, len);
			continue;
		}
		fec_strip_chunk(s.chunk, s.stride, M, src, n, first_esi / M, off, len);
		for (unsigned i = 0; i < M; i++)
			fec_ops_now()->muladd(enc->acc + i * enc->stride + off,
					      s.chunk + i * s.stride, 1, fec_lines(len));
	}
	enc->live = 1;
	return FEC_OK;
}

int fec_encode_finish(struct fec_encoder *enc)
{
	const size_t whole = fec_lines(enc->symbol_size);
	const size_t strip = fec_strip_bytes(enc->M, enc->symbol_size);

	if (enc->finished)
		return FEC_ERR_ORDER;
	if (enc->slots)
		slots_flush(enc);
	acc_make(enc);
	enc->finished = 1;
	if (adds_columns(enc->M))
		return FEC_OK;
	for (size_t off = 0; off < whole; off += strip) {
		const size_t n = whole - off < strip ? whole - off : strip;

		fec_ops_now()->fft(enc->acc + off, enc->stride, enc->M, 0, n);
	}
	return FEC_OK;
}

const uint8_t *fec_encode_row(const struct fec_encoder *enc, unsigned row)
{
	if (!enc->finished || row >= enc->M)
		return NULL;
	return enc->acc + row * enc->stride;
}
