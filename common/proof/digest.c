// SPDX-License-Identifier: ISC
#include "digest.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct digest {
	EVP_MD_CTX *ctx;
};

struct digest_object {
	uint64_t size;
	uint64_t fed;
	bool over;	    /* more than size bytes came */
	uint64_t in_leaf;   /* bytes of the leaf being hashed; tree only */
	struct digest leaf; /* the whole object when flat */
	struct digest root; /* tree only, else ctx is NULL */
};

static EVP_MD *sha256;
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;

static void fetch_sha256(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!sha256)
		abort(); /* a libcrypto without SHA-256: nothing can be proven here */
}

static const EVP_MD *sha256_get(void)
{
	pthread_once(&sha256_once, fetch_sha256);
	return sha256;
}

/* Hashing memory into memory fails only on a broken library or without memory: never go on
 * with a digest that was not computed. */
static void must(int ok)
{
	if (ok != 1)
		abort();
}

/* Ready for bytes; NULL without memory. */
static EVP_MD_CTX *context_new(void)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (ctx && EVP_DigestInit_ex(ctx, sha256_get(), NULL) != 1) {
		EVP_MD_CTX_free(ctx);
		ctx = NULL;
	}
	return ctx;
}

void digest_sha256(uint8_t out[DIGEST_LEN], const void *p, size_t len)
{
	must(EVP_Digest(p, len, out, NULL, sha256_get(), NULL));
}

void digest_hex(char out[DIGEST_HEX_LEN + 1], const uint8_t d[DIGEST_LEN])
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < DIGEST_LEN; i++) {
		out[2 * i] = hex[d[i] >> 4];
		out[2 * i + 1] = hex[d[i] & 15];
	}
	out[DIGEST_HEX_LEN] = '\0';
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum km_rc digest_from_hex(uint8_t d[DIGEST_LEN], const char *hex, size_t len)
{
	if (len != DIGEST_HEX_LEN)
		return KM_ERR_MALFORMED;
	for (size_t i = 0; i < DIGEST_LEN; i++) {
		int high = nibble(hex[2 * i]), low = nibble(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return KM_ERR_MALFORMED;
		d[i] = (uint8_t)(high << 4 | low);
	}
	return KM_OK;
}

struct digest *digest_new(void)
{
	struct digest *d = malloc(sizeof(*d));

	if (!d)
		return NULL;
	d->ctx = context_new();
	if (!d->ctx) {
		free(d);
		return NULL;
	}
	return d;
}

void digest_free(struct digest *d)
{
	if (!d)
		return;
	EVP_MD_CTX_free(d->ctx);
	free(d);
}

void digest_begin(struct digest *d)
{
	/* libcrypto 3.0 takes its 112 bytes of state anew each time: per object, not per frame. */
	must(EVP_DigestInit_ex(d->ctx, NULL, NULL));
}

void digest_update(struct digest *d, const void *p, size_t len)
{
	must(EVP_DigestUpdate(d->ctx, p, len));
}

void digest_end(struct digest *d, uint8_t out[DIGEST_LEN])
{
	must(EVP_DigestFinal_ex(d->ctx, out, NULL));
}

void digest_tree_begin(struct digest *d)
{
	digest_begin(d);
}

void digest_tree_leaf(struct digest *d, const uint8_t leaf[DIGEST_LEN])
{
	char line[DIGEST_HEX_LEN + 1];

	digest_hex(line, leaf);
	line[DIGEST_HEX_LEN] = '\n';
	digest_update(d, line, sizeof(line));
}

struct digest_object *digest_object_new(uint64_t size)
{
	struct digest_object *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->size = size;
	d->leaf.ctx = context_new();
	if (digest_is_tree(size))
		d->root.ctx = context_new();
	if (!d->leaf.ctx || (digest_is_tree(size) && !d->root.ctx)) {
		digest_object_free(d);
		return NULL;
	}
	return d;
}

void digest_object_free(struct digest_object *d)
{
	if (!d)
		return;
	EVP_MD_CTX_free(d->leaf.ctx);
	EVP_MD_CTX_free(d->root.ctx);
	free(d);
}

/* The leaf is whole, or the object ends in it. */
static void end_leaf(struct digest_object *d)
{
	uint8_t leaf[DIGEST_LEN];

	digest_end(&d->leaf, leaf);
	digest_tree_leaf(&d->root, leaf);
	digest_begin(&d->leaf);
	d->in_leaf = 0;
}

void digest_object_update(struct digest_object *d, const void *p, size_t len)
{
	const uint8_t *at = p;

	/* More than was promised is an error at the end, and not worth hashing. */
	if (d->over || len > d->size - d->fed) {
		d->over = true;
		return;
	}
	d->fed += len;
	if (!d->root.ctx) {
		digest_update(&d->leaf, at, len);
		return;
	}
	while (len) {
		size_t room = (size_t)(WIRE_TREE_LEAF - d->in_leaf);
		size_t now = len < room ? len : room;

		digest_update(&d->leaf, at, now);
		d->in_leaf += now;
		at += now;
		len -= now;
		if (d->in_leaf == WIRE_TREE_LEAF)
			end_leaf(d);
	}
}

enum km_rc digest_object_end(struct digest_object *d, uint8_t out[DIGEST_LEN])
{
	if (d->over || d->fed != d->size)
		return KM_ERR_RANGE;
	if (!d->root.ctx) {
		digest_end(&d->leaf, out);
		return KM_OK;
	}
	if (d->in_leaf)
		end_leaf(d);
	digest_end(&d->root, out);
	return KM_OK;
}

uint64_t digest_object_fed(const struct digest_object *d)
{
	return d->fed;
}

uint64_t digest_object_size(const struct digest_object *d)
{
	return d->size;
}

enum km_rc digest_object_leaf(struct digest_object *d, const uint8_t leaf[DIGEST_LEN])
{
	if (!d->root.ctx || d->in_leaf || d->over || d->size - d->fed < WIRE_TREE_LEAF)
		return KM_ERR_STATE;
	digest_tree_leaf(&d->root, leaf);
	d->fed += WIRE_TREE_LEAF;
	return KM_OK;
}
