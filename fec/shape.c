// SPDX-License-Identifier: ISC
/* What is legal, how much memory it takes, and the generator entry by entry. */
#include "fec_field.h"
#include "fec_layout.h"

/* Bytes of one strip: two times M rows of it stay within a 32 KiB first-level cache. What
 * is done once a strip costs less the longer it is. */
#define STRIP_FEW_ROWS FEC_STRIP_MAX
#define STRIP_FEW 8u
#define STRIP_SOME_ROWS 512u
#define STRIP_SOME 32u
#define STRIP_MANY_ROWS 256u

bool fec_rows_legal(unsigned M)
{
	return M >= 1 && M <= FEC_ROWS_MAX && (M & (M - 1)) == 0;
}

bool fec_symbol_legal(size_t symbol_size)
{
	return symbol_size >= 1 && symbol_size <= FEC_SYMBOL_MAX;
}

int fec_geometry_check(unsigned k, unsigned m, unsigned M)
{
	if (!fec_rows_legal(M) || m > M || k < 1 || k > FEC_POSITIONS - M)
		return FEC_ERR_GEOMETRY;
	return FEC_OK;
}

unsigned fec_rows_for(unsigned m)
{
	unsigned M = 1;

	if (m > FEC_ROWS_MAX)
		return 0;
	while (M < m)
		M *= 2;
	return M;
}

uint8_t fec_generator(unsigned M, unsigned row, unsigned esi)
{
	if (!fec_rows_legal(M) || row >= M || esi >= FEC_POSITIONS - M)
		return 0;
	return fec_mul(fec_table_point[(M + esi) / M],
		       fec_table_inverse[fec_table_point[(M + esi) ^ row]]);
}

size_t fec_lines(size_t n)
{
	return (n + FEC_LINE - 1) / FEC_LINE * FEC_LINE;
}

size_t fec_lines_odd(size_t n)
{
	return ((n + FEC_LINE - 1) / FEC_LINE | 1) * FEC_LINE;
}

uint8_t *fec_align(void *p)
{
	return (uint8_t *)p + (FEC_LINE - (uintptr_t)p % FEC_LINE) % FEC_LINE;
}

size_t fec_strip_bytes(unsigned M, size_t symbol_size)
{
	const size_t strip = M <= STRIP_FEW    ? STRIP_FEW_ROWS
			     : M <= STRIP_SOME ? STRIP_SOME_ROWS
					       : STRIP_MANY_ROWS;
	const size_t whole = fec_lines(symbol_size);

	return whole < strip ? whole : strip;
}

size_t fec_strip_next(const struct fec_scratch *s, size_t symbol_size, size_t *off)
{
	const size_t left = symbol_size - *off;
	const size_t lines = fec_lines(left);

	if (left >= s->strip)
		return s->strip;
	if (lines > symbol_size)
		return left;
	*off = symbol_size - lines;
	return lines;
}

size_t fec_scratch_bytes(unsigned M, size_t symbol_size)
{
	if (!fec_rows_legal(M) || !fec_symbol_legal(symbol_size))
		return 0;
	return FEC_LINE + 2 * M * fec_lines_odd(fec_strip_bytes(M, symbol_size)) +
	       (size_t)M * M;
}

size_t fec_work_bytes(const struct fec_geometry *geo, size_t symbol_size)
{
	if (fec_geometry_check(geo->k, geo->m, geo->M) != FEC_OK)
		return 0;
	return fec_scratch_bytes(geo->M, symbol_size);
}

bool fec_scratch_open(struct fec_scratch *s, unsigned M, size_t symbol_size, void *scratch,
		      size_t scratch_len)
{
	if (!scratch || scratch_len < fec_scratch_bytes(M, symbol_size))
		return false;
	s->strip = fec_strip_bytes(M, symbol_size);
	s->stride = fec_lines_odd(s->strip);
	s->sum = fec_align(scratch);
	s->chunk = s->sum + M * s->stride;
	s->square = s->chunk + M * s->stride;
	return true;
}

const char *fec_rc_text(int rc)
{
	switch (rc) {
	case FEC_OK:
		return "no error";
	case FEC_ERR_GEOMETRY:
		return "block geometry or symbol outside the rules";
	case FEC_ERR_TOO_FEW:
		return "fewer repair symbols than missing sources";
	case FEC_ERR_WORK:
		return "work memory too small";
	case FEC_ERR_ORDER:
		return "encoder call out of order";
	case FEC_ERR_KERNEL:
		return "kernel not available";
	}
	return "?";
}
