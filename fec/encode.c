// SPDX-License-Identifier: ISC
/*
 * Sources to rows. Up to FEC_MATRIX_ROWS rows by the generator matrix, above by transform:
 * inverse transform per chunk of M sources, XOR, one forward transform at the end. Both
 * are the code that fec.h defines; tests/unit/fec holds both to plain Lagrange
 * interpolation.
 */
#include <string.h>

#include "fec_layout.h"

/* Stack that slots_flush() takes: a strip of every row. */
#define FLUSH_BYTES 16384u

/* What an absent source is read from. */
static _Alignas(64) const uint8_t zeros[FEC_STRIP_MAX];

/* The last, incomplete line of all chunks: zero-padded in the work rows. */
static void padded_add(struct fec_chunk chunk, size_t left)
{
	const uint8_t *row[FEC_ROWS_MAX], *const *src = chunk.src;
	const unsigned count = chunk.count;

	chunk.ahead = 0;
	chunk.count = 1;
	chunk.src = row;
	for (unsigned c = 0; c < count; c++, src += chunk.M) {
		for (unsigned i = 0; i < chunk.M; i++) {
			uint8_t *padded = chunk.work + i * chunk.work_stride;

			/* A chunk has M of them. NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage) */
			memcpy(padded, src[i], left);
			memset(padded + left, 0, FEC_LINE - left);
			row[i] = padded;
		}
		fec_ops_now()->ifft_add(&chunk, FEC_LINE);
		chunk.base += chunk.M;
		chunk.first = 0;
	}
}

/*
 * Bytes off .. off + n - 1 of k sources (NULL: zeros), the first of them the first of a
 * chunk, into chunk.sum. Whole lines are read where they lie.
 */
static void chunks_add(struct fec_chunk chunk, const uint8_t *const *src, unsigned k,
		       size_t off, size_t n)
{
	const size_t left = n % FEC_LINE, whole = n - left;
	const uint8_t *row[FEC_POSITIONS];

	chunk.src = row;
	chunk.count = (k + chunk.M - 1) / chunk.M;
	for (unsigned i = 0; i < chunk.count * chunk.M; i++)
		row[i] = i < k && src[i] ? src[i] + off : zeros;
	if (whole)
		fec_ops_now()->ifft_add(&chunk, whole);
	if (!left)
		return;
	for (unsigned i = 0; i < chunk.count * chunk.M; i++)
		if (row[i] != zeros)
			row[i] += whole;
	chunk.sum += whole;
	padded_add(chunk, left);
}

void fec_strip_rows(const struct fec_scratch *s, unsigned M, const uint8_t *const *src,
		    unsigned k, size_t off, size_t n, size_t ahead)
{
	const struct fec_chunk chunk = {
		.work = s->chunk,
		.sum = s->sum,
		.work_stride = s->stride,
		.sum_stride = s->stride,
		.ahead = ahead,
		.M = M,
		.base = M, /* the sources stand right behind the rows' own M positions */
		.first = 1,
	};

	chunks_add(chunk, src, k, off, n);
	fec_ops_now()->fft(s->sum, s->stride, M, 0, fec_lines(n));
}

/* m rows by matrix: each source that is not zero is read once for all of them. */
static void block_by_matrix(const struct fec_geometry *geo, size_t symbol_size,
			    const uint8_t *const *src, uint8_t *const *repair)
{
	const uint8_t *term[FEC_SOURCES_MAX];
	uint8_t coef[FEC_MATRIX_ROWS][FEC_SOURCES_MAX];
	unsigned count = 0;

	for (unsigned esi = 0; esi < geo->k; esi++) {
		if (!src[esi])
			continue;
		for (unsigned row = 0; row < geo->m; row++)
			coef[row][count] = fec_generator(geo->M, row, esi);
		term[count++] = src[esi];
	}
	fec_ops_now()->dot(repair, geo->m, term, coef[0], sizeof(coef[0]), count, 0,
			   symbol_size);
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
		block_by_matrix(geo, symbol_size, src, repair);
		return FEC_OK;
	}
	for (size_t off = 0, n; off < symbol_size; off += n) {
		n = fec_strip_next(&s, symbol_size, &off);
		fec_strip_rows(&s, geo->M, src, geo->k, off, n,
			       off + n < symbol_size ? s.strip : 0);
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

/*
 * Transform what is in the slots and add it. What stands between two passes is kept on the
 * stack, where the next encoder finds the same lines still in the cache.
 */
static void slots_flush(struct fec_encoder *enc)
{
	_Alignas(64) uint8_t work[FLUSH_BYTES];
	const size_t whole = fec_lines(enc->symbol_size);
	const unsigned M = enc->M;
	const size_t strip = FLUSH_BYTES / M;
	const uint8_t *row[FEC_ROWS_MAX];

	if (!enc->filled[0] && !enc->filled[1])
		return;
	for (unsigned i = 0; i < M; i++)
		if (!(enc->filled[i / 64] >> i % 64 & 1))
			slot_fill(enc, i, NULL, 0);
	for (size_t off = 0; off < whole; off += strip) {
		const struct fec_chunk chunk = {
			.src = row,
			.work = work,
			.sum = enc->acc + off,
			.work_stride = strip,
			.sum_stride = enc->stride,
			.ahead = off + strip < whole ? strip : 0,
			.M = M,
			.base = (enc->chunk + 1u) * M,
			.count = 1,
			.first = !enc->live,
		};

		for (unsigned i = 0; i < M; i++)
			row[i] = enc->slots + i * enc->stride + off;
		fec_ops_now()->ifft_add(&chunk, whole - off < strip ? whole - off : strip);
	}
	enc->live = 1;
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

/* A source of a matrix-sized code into all rows. */
static void columns_add(struct fec_encoder *enc, unsigned esi, const uint8_t *sym,
			size_t len)
{
	acc_make(enc);
	for (unsigned row = 0; row < enc->M; row++)
		fec_ops_now()->muladd(enc->acc + row * enc->stride, sym,
				      fec_generator(enc->M, row, esi), len);
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
		columns_add(enc, esi, sym, len);
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
		for (unsigned i = 0; i < n; i++)
			if (src[i])
				columns_add(enc, first_esi + i, src[i], enc->symbol_size);
		return FEC_OK;
	}
	for (size_t off = 0; off < enc->symbol_size; off += s.strip) {
		const size_t left = enc->symbol_size - off;
		const struct fec_chunk chunk = {
			.work = s.chunk,
			.sum = enc->acc + off,
			.work_stride = s.stride,
			.sum_stride = enc->stride,
			.ahead = left > s.strip ? s.strip : 0,
			.M = M,
			.base = first_esi + M,
			.first = !enc->live,
		};

		chunks_add(chunk, src, n, off, left < s.strip ? left : s.strip);
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
