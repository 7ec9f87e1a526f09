// SPDX-License-Identifier: ISC
#include "leaves.h"

#include <string.h>

enum km_rc leaves_open(struct leaves *l)
{
	memset(l, 0, sizeof(*l));
	l->running = digest_new();
	return l->running ? KM_OK : KM_ERR_NOMEM;
}

void leaves_close(struct leaves *l)
{
	digest_free(l->running);
	l->running = NULL;
}

void leaves_begin(struct leaves *l, uint8_t (*digest)[DIGEST_LEN])
{
	l->digest = digest;
	l->count = 0;
	l->in_leaf = 0;
	digest_begin(l->running);
}

static void leaf_done(struct leaves *l)
{
	digest_end(l->running, l->digest[l->count++]);
	digest_begin(l->running);
	l->in_leaf = 0;
}

void leaves_update(struct leaves *l, const void *p, size_t len)
{
	const uint8_t *at = p;

	while (len > 0) {
		size_t now = WIRE_TREE_LEAF - l->in_leaf;

		if (l->in_leaf == 0 && len >= WIRE_TREE_LEAF) {
			now = len / WIRE_TREE_LEAF * WIRE_TREE_LEAF;
			digest_leaves(l->digest + l->count, at, now);
			l->count += (unsigned)(now / WIRE_TREE_LEAF);
		} else {
			now = len < now ? len : now;
			digest_update(l->running, at, now);
			l->in_leaf += now;
			if (l->in_leaf == WIRE_TREE_LEAF)
				leaf_done(l);
		}
		at += now;
		len -= now;
	}
}

void leaves_end(struct leaves *l)
{
	if (l->in_leaf > 0)
		leaf_done(l);
}
