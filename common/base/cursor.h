// SPDX-License-Identifier: ISC
/*
 * cursor.h: the only way in this project to take bytes apart or to put them together.
 *
 * `struct rd` reads, `struct wr` writes; integers are big-endian. A read past the end
 * yields 0 (or NULL), consumes nothing and sets `bad`, which stays set and makes every
 * later call a no-op: read a whole message, then check once with rd_done() or `bad`.
 * Not a parser: it knows no message. Never allocates. Any thread.
 */
#ifndef CURSOR_H
#define CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* An unsigned LEB128 number of 64 bits has at most 10 bytes. */
#define CURSOR_VARINT_MAX 10

struct rd {
	const uint8_t *p; /* borrowed, first byte of the input */
	size_t n;	  /* bytes of input */
	size_t used;	  /* bytes consumed, always <= n */
	bool bad;	  /* a read failed; sticky */
};

struct wr {
	uint8_t *p;  /* borrowed, first byte of the output */
	size_t n;    /* room in bytes */
	size_t used; /* bytes written, always <= n */
	bool bad;    /* a write did not fit; sticky */
};

/* Starts reading p[0..n); p may be NULL when n is 0. The bytes stay the caller's. */
static inline void rd_init(struct rd *r, const void *p, size_t n)
{
	r->p = p;
	r->n = n;
	r->used = 0;
	r->bad = false;
}

static inline size_t rd_left(const struct rd *r)
{
	return r->bad ? 0 : r->n - r->used;
}

/* True when nothing failed and every byte was consumed: trailing bytes are an error. */
static inline bool rd_done(const struct rd *r)
{
	return !r->bad && r->used == r->n;
}

/*
 * The next `want` bytes, borrowed from the input (valid as long as the input is), or NULL
 * with `bad` set. want == 0 is legal and yields a pointer that must not be followed.
 */
static inline const uint8_t *rd_bytes(struct rd *r, size_t want)
{
	static const uint8_t none[1];
	const uint8_t *at;

	if (r->bad || r->n - r->used < want) {
		r->bad = true;
		return NULL;
	}
	if (want == 0)
		return none;
	at = r->p + r->used;
	r->used += want;
	return at;
}

/* Copies `want` bytes to `to`; zero-fills `to` when they are not there. */
static inline void rd_copy(struct rd *r, void *to, size_t want)
{
	const uint8_t *at = rd_bytes(r, want);

	if (want == 0)
		return;
	if (at)
		memcpy(to, at, want);
	else
		memset(to, 0, want);
}

static inline void rd_skip(struct rd *r, size_t want)
{
	(void)rd_bytes(r, want);
}

static inline uint64_t rd_uint(struct rd *r, size_t width)
{
	const uint8_t *at = rd_bytes(r, width);
	uint64_t v = 0;

	if (!at)
		return 0;
	for (size_t i = 0; i < width; i++)
		v = v << 8 | at[i];
	return v;
}

static inline uint8_t rd_u8(struct rd *r)
{
	return (uint8_t)rd_uint(r, 1);
}

static inline uint16_t rd_u16(struct rd *r)
{
	return (uint16_t)rd_uint(r, 2);
}

static inline uint32_t rd_u32(struct rd *r)
{
	return (uint32_t)rd_uint(r, 4);
}

static inline uint64_t rd_u64(struct rd *r)
{
	return rd_uint(r, 8);
}

/*
 * Canonical unsigned LEB128, at most 64 bits. A number written longer than needed (last
 * byte 0 after the first), longer than 10 bytes or above 2^64-1 sets `bad`: every value
 * has exactly one encoding, so a digest over parsed values is a digest over bytes.
 */
uint64_t rd_varint(struct rd *r);

/* Starts writing into p[0..n). */
static inline void wr_init(struct wr *w, void *p, size_t n)
{
	w->p = p;
	w->n = n;
	w->used = 0;
	w->bad = false;
}

static inline size_t wr_left(const struct wr *w)
{
	return w->bad ? 0 : w->n - w->used;
}

/* True when everything written fitted. */
static inline bool wr_ok(const struct wr *w)
{
	return !w->bad;
}

/* Claims `want` bytes for the caller to fill, or NULL with `bad` set. want 0: NULL, not bad. */
static inline uint8_t *wr_space(struct wr *w, size_t want)
{
	uint8_t *at;

	if (w->bad || w->n - w->used < want) {
		w->bad = true;
		return NULL;
	}
	if (want == 0)
		return NULL;
	at = w->p + w->used;
	w->used += want;
	return at;
}

static inline void wr_bytes(struct wr *w, const void *from, size_t n)
{
	uint8_t *at = wr_space(w, n);

	if (at)
		memcpy(at, from, n);
}

/* Writes n zero bytes. */
static inline void wr_zero(struct wr *w, size_t n)
{
	uint8_t *at = wr_space(w, n);

	if (at)
		memset(at, 0, n);
}

static inline void wr_uint(struct wr *w, uint64_t v, size_t width)
{
	uint8_t *at = wr_space(w, width);

	if (!at)
		return;
	for (size_t i = width; i-- > 0; v >>= 8)
		at[i] = (uint8_t)v;
}

static inline void wr_u8(struct wr *w, uint8_t v)
{
	wr_uint(w, v, 1);
}

static inline void wr_u16(struct wr *w, uint16_t v)
{
	wr_uint(w, v, 2);
}

static inline void wr_u32(struct wr *w, uint32_t v)
{
	wr_uint(w, v, 4);
}

static inline void wr_u64(struct wr *w, uint64_t v)
{
	wr_uint(w, v, 8);
}

/* Canonical unsigned LEB128: all bytes of the number or none. */
void wr_varint(struct wr *w, uint64_t v);

/* Bytes that wr_varint(v) needs: 1..10. */
size_t wr_varint_size(uint64_t v);

#endif
