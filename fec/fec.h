// SPDX-License-Identifier: ISC
/*
 * fec: erasure coding of one block, the code that stays on the wire.
 *
 * A block has k source symbols (ESI 0..k-1) and up to M repair symbols (rows 0..M-1), all
 * of one size. Any k of them give all the others (MDS). The library computes rows from
 * sources and lost sources from rows; nothing else. It is not a transport: it does not
 * know frames, windows, interleaving, time or who lost what, and it detects loss only,
 * never corruption: every symbol handed in must already be authenticated by the caller.
 *
 * The code, exactly (docs/wire.md repeats it with test vectors):
 *
 *   Field    GF(2^8) = GF(2)[z] / (z^8 + z^4 + z^3 + z^2 + 1) (0x11D); a byte is the
 *            polynomial whose coefficient of z^i is bit i. Byte t of a row depends on
 *            byte t of the sources only.
 *   Basis    beta_0 = 1; beta_{j+1} is that root x of x^2 + x = beta_j whose bit 0 is
 *            clear. In hexadecimal: 01 d6 98 92 56 c8 58 e6.
 *   Points   w(i), 0 <= i <= 255, is the XOR of the beta_j for which bit j of i is set.
 *            w is a bijection, and w(i) ^ w(j) = w(i ^ j).
 *   Places   row j stands at point w(j), 0 <= j < M; source ESI i at point w(M + i).
 *            Sources at and beyond k, up to position 255, are zero and never sent.
 *   Rows     f is the one polynomial of degree < 256 - M with f(w(M + i)) = source i;
 *            row j is f(w(j)).
 *   Matrix   row j = sum over i of G(j, i) * source i, where
 *            G(j, i) = w((M + i) div M) / w((M + i) xor j).
 *            That is a Cauchy matrix with scaled columns: every square submatrix of it is
 *            invertible, so the code is MDS for every k + M <= 256. For M = 1 it is plain
 *            XOR.
 *
 * The fast way to the same bytes is the additive FFT of S.-J. Lin, W.-H. Chung, Y. S. Han,
 * "Novel Polynomial Basis and Its Application to Reed-Solomon Erasure Codes", FOCS 2014,
 * and "Novel Polynomial Basis With Fast Fourier Transform and Its Application to
 * Reed-Solomon Erasure Codes", IEEE Trans. Inf. Theory 62(11), 2016, in a Cantor basis:
 * the sources are cut into chunks of M, each chunk is inverse-transformed at its own
 * points, the results are XORed, and one forward transform at points 0..M-1 yields the
 * rows.
 *
 * May be called from any thread or process. Nothing here allocates, logs, or keeps state
 * of its own except the kernel chosen by fec_init(); the arithmetic tables are constants.
 * Every call works on the memory handed in and on nothing else. No pointer needs any
 * alignment.
 */
#ifndef FEC_H
#define FEC_H

#include <stddef.h>
#include <stdint.h>

/* Positions in one codeword: the elements of the field. k + M never exceeds it. */
#define FEC_POSITIONS 256u
/* Largest M: a chunk of sources needs as many positions as the rows do. */
#define FEC_ROWS_MAX 128u
/* Largest k (with M = 1). */
#define FEC_SOURCES_MAX 255u
/* Bytes; what a 16-bit length can say. The smallest symbol is 1 byte. */
#define FEC_SYMBOL_MAX 65535u
/* Bytes of a source_present bitmap that serves every geometry. */
#define FEC_BITMAP_BYTES 32u
/* Bytes; fec_scratch_bytes() never asks for more than this. */
#define FEC_SCRATCH_MAX (100u * 1024u)

#define FEC_MUST_CHECK __attribute__((warn_unused_result))

enum fec_rc {
	FEC_OK = 0,
	FEC_ERR_GEOMETRY = -1, /* k, m, M, symbol size, ESI or count outside the rules */
	FEC_ERR_TOO_FEW = -2,  /* fewer repair symbols present than sources missing */
	FEC_ERR_WORK = -3,     /* work or scratch memory absent or too small */
	FEC_ERR_ORDER = -4,    /* encoder call out of order; see the call */
	FEC_ERR_KERNEL = -5, /* forced kernel unknown, not built, not runnable, or broken */
};

/*
 * Shape of one block: k source symbols, of which all count; m repair symbols were made,
 * rows 0..m-1; M is the number of rows the code was built for, a power of two. M decides
 * the code; m only says how many of its rows exist, k how many sources are not known to be
 * zero.
 */
struct fec_geometry {
	unsigned k; /* 1 .. 256 - M */
	unsigned m; /* 0 .. M */
	unsigned M; /* 1, 2, 4, .. 128 */
};

/* ---- kernels ---- */

enum fec_kernel {
	FEC_KERNEL_AUTO = 0, /* the last of the list that is built, runnable and correct */
	FEC_KERNEL_SCALAR,   /* portable C; always there */
	FEC_KERNEL_NEON,
	FEC_KERNEL_SSSE3,
	FEC_KERNEL_AVX2,
	FEC_KERNEL_GFNI256, /* GFNI with AVX2 */
	FEC_KERNEL_GFNI512, /* GFNI with AVX-512 F, BW, VL */
	FEC_KERNEL_COUNT,
};

enum fec_verdict {
	FEC_VERDICT_UNTRIED = 0, /* a better one was found first, or another was forced */
	FEC_VERDICT_CHOSEN,
	FEC_VERDICT_NOT_BUILT, /* other architecture, or the compiler could not */
	FEC_VERDICT_NO_CPU,    /* the processor, or the OS's saved state, lacks it */
	FEC_VERDICT_WRONG, /* it ran and gave other bytes than scalar: a broken machine */
};

/* What fec_init() decided; plain data, the caller's own copy. */
struct fec_choice {
	enum fec_kernel kernel;
	enum fec_verdict verdict[FEC_KERNEL_COUNT]; /* [FEC_KERNEL_AUTO] stays UNTRIED */
	char why[192]; /* for the log: "avx2 (auto): gfni512 not on this cpu" */
};

/*
 * Choose the kernel. AUTO tries from the fastest down; each candidate must be built in,
 * usable on this processor under this OS, and give the same bytes as scalar in a self-test
 * (1 to 2 ms); the first that passes is taken. A forced kernel is taken or
 * refused, never replaced. Call once at start-up, before any other thread uses the
 * library; calling again chooses anew. Before the first call the scalar kernel serves.
 * choice may be NULL. FEC_ERR_KERNEL: the forced one cannot be had; the kernel in use
 * before stays, and choice says why.
 */
int fec_init(enum fec_kernel want, struct fec_choice *choice) FEC_MUST_CHECK;

/* Kernel in use now. */
enum fec_kernel fec_kernel_now(void);

/* "auto", "scalar", "neon", "ssse3", "avx2", "gfni256", "gfni512"; "?" if unknown. */
const char *fec_kernel_name(enum fec_kernel kernel);

/* The reverse, for an option's value. FEC_ERR_KERNEL (negative): no such name. */
int fec_kernel_from_name(const char *name) FEC_MUST_CHECK;

/* Static text for a verdict and for an error, for messages. */
const char *fec_verdict_text(enum fec_verdict verdict);
const char *fec_rc_text(int rc);

/* ---- shape ---- */

/* FEC_OK if the geometry is legal, else FEC_ERR_GEOMETRY. Hostile values are fine. */
int fec_geometry_check(unsigned k, unsigned m, unsigned M) FEC_MUST_CHECK;

/* Smallest legal M for m rows: m rounded up to a power of two, 1 for m = 0; 0: none. */
unsigned fec_rows_for(unsigned m);

/*
 * G(row, esi) of the definition above, 1..255. Requires M legal, row < M, M + esi <= 255;
 * returns 0 (which no legal entry is) otherwise.
 */
uint8_t fec_generator(unsigned M, unsigned row, unsigned esi);

/*
 * Bytes of scratch that fec_encode_chunk(), fec_encode_block() and fec_decode() need for
 * this M and symbol size. Contents mean nothing between calls, so one piece per thread
 * serves all blocks; small enough for the first-level cache while M <= 16. 0 if M or size
 * is illegal.
 */
size_t fec_scratch_bytes(unsigned M, size_t symbol_size);

/* fec_scratch_bytes() by the name a decoder looks for; 0 if the geometry is illegal. */
size_t fec_work_bytes(const struct fec_geometry *geo, size_t symbol_size);

/* ---- encoder: one per open block ---- */

/* How sources will arrive; decides the memory. */
enum fec_feed {
	FEC_FEED_SYMBOLS, /* one at a time, copied in: fec_encode_add() */
	FEC_FEED_CHUNKS,  /* M at a time, from the caller's buffers: fec_encode_chunk() */
};

/*
 * Life: begin, then add or chunk in rising ESI, then finish, then row; then begin again.
 * k need not be known before finish. The struct holds pointers into `work` and no other
 * resource: it needs no closing, and may be copied or moved as long as `work` stays.
 * Fields are the library's own.
 */
struct fec_encoder {
	uint8_t *acc;	/* M rows of stride bytes, 64-byte aligned */
	uint8_t *slots; /* M symbols of stride bytes, or NULL */
	size_t stride;	/* bytes, an odd number of cache lines */
	uint32_t symbol_size;
	uint16_t M;
	uint16_t next_esi; /* lowest ESI that may still be fed */
	uint16_t chunk;	   /* chunk whose symbols are in slots */
	uint8_t feed;
	uint8_t live; /* acc holds something */
	uint8_t finished;
	uint64_t filled[2]; /* slots holding a symbol, one bit each */
};

/*
 * Bytes of work memory one encoder keeps from begin until its rows are no longer needed: M
 * symbols (rounded up to an odd number of cache lines), twice that for FEC_FEED_SYMBOLS
 * with M > 4. 0 if M or size is illegal.
 */
size_t fec_encoder_bytes(unsigned M, size_t symbol_size, enum fec_feed feed);

/*
 * Open a block. work: work_len >= fec_encoder_bytes() bytes, any contents, borrowed until
 * the caller begins another block on it or stops using the rows. FEC_ERR_GEOMETRY,
 * FEC_ERR_WORK.
 */
int fec_encode_begin(struct fec_encoder *enc, unsigned M, size_t symbol_size,
		     enum fec_feed feed, void *work, size_t work_len) FEC_MUST_CHECK;

/*
 * Add one source symbol (FEC_FEED_SYMBOLS). sym: len bytes, len <= symbol_size, read
 * during the call only; bytes from len to symbol_size count as zero. ESIs must rise; one
 * that is left out counts as a zero symbol. For M <= 4 each call adds M matrix columns
 * straight into the rows; above, the symbol is copied (one write of symbol_size) and every
 * M-th call transforms the chunk. FEC_ERR_GEOMETRY: M + esi > 255 or len too long.
 * FEC_ERR_ORDER: ESI not above the last one, encoder finished, or opened for chunks.
 */
int fec_encode_add(struct fec_encoder *enc, unsigned esi, const uint8_t *sym,
		   size_t len) FEC_MUST_CHECK;

/*
 * Add n consecutive source symbols (FEC_FEED_CHUNKS). first_esi: a multiple of M; n: 1..M,
 * less than M only in the block's last chunk. src: n pointers to symbol_size bytes each,
 * read during the call only; NULL = a symbol of zeros. scratch: fec_scratch_bytes() bytes.
 * FEC_ERR_GEOMETRY, FEC_ERR_WORK; FEC_ERR_ORDER as for add.
 */
int fec_encode_chunk(struct fec_encoder *enc, unsigned first_esi, const uint8_t *const *src,
		     unsigned n, void *scratch, size_t scratch_len) FEC_MUST_CHECK;

/*
 * Close the block: after this all M rows stand in the work memory. A block without any
 * source gives rows of zeros. FEC_ERR_ORDER: finished already.
 */
int fec_encode_finish(struct fec_encoder *enc) FEC_MUST_CHECK;

/*
 * Row `row` of a finished block: symbol_size bytes inside the work memory, valid until the
 * next begin on it. NULL: not finished, or row >= M. Send rows 0..m-1, m <= M.
 */
const uint8_t *fec_encode_row(const struct fec_encoder *enc, unsigned row);

/*
 * A whole block at once, no encoder: src[k] pointers to symbol_size bytes (NULL = zeros),
 * repair[m] pointers to symbol_size bytes to fill, which must overlap nothing. The same
 * bytes as the incremental ways. FEC_ERR_GEOMETRY, FEC_ERR_WORK.
 */
int fec_encode_block(const struct fec_geometry *geo, size_t symbol_size,
		     const uint8_t *const *src, uint8_t *const *repair, void *scratch,
		     size_t scratch_len) FEC_MUST_CHECK;

/* ---- decoder ---- */

/*
 * Restore the missing source symbols of one block, in place.
 *
 * src: k pointers to symbol_size bytes each, none NULL. source_present: k bits, ESI i is
 * bit i % 8 of byte i / 8, set = src[i] holds the symbol (zero-padded to full size), clear
 * = src[i] is to be filled. Bits at and beyond k are ignored. repair: m pointers, row j at
 * [j], NULL = absent, else symbol_size bytes. Buffers must not overlap one another.
 * Present symbols are only read; source_present is not changed.
 *
 * With e sources missing the first e repair symbols present are used and the rest never
 * read; one e x e system is solved, in closed form. Nothing missing costs nothing.
 *
 * work: work_len >= fec_work_bytes() bytes, any contents.
 * FEC_ERR_GEOMETRY, FEC_ERR_WORK, FEC_ERR_TOO_FEW: nothing was written to any src.
 */
int fec_decode(const struct fec_geometry *geo, size_t symbol_size, uint8_t *const *src,
	       const uint8_t *source_present, const uint8_t *const *repair, void *work,
	       size_t work_len) FEC_MUST_CHECK;

#endif
