// SPDX-License-Identifier: ISC
/*
 * keymap.h: finds an entry by a key of bytes that others choose. The nodes are part of the
 * caller's entries, so nothing is allocated after the start; the places of the keys depend on a
 * secret of this map, so that nobody can choose keys that all fall on one place.
 *
 * Not a container: order, age and limits are the caller's. One thread.
 */
#ifndef KEYMAP_H
#define KEYMAP_H

#include <stddef.h>
#include <stdint.h>

#include "km_err.h"

#define KEYMAP_KEY_MAX 255u

struct keymap_node {
	struct keymap_node *next; /* of the same place */
	const uint8_t *key;	  /* the caller's, as long as the node is in the map */
	uint32_t place;
	uint8_t len;
};

struct keymap {
	struct keymap_node **place;
	uint32_t mask;
	uint64_t seed, factor;
};

/* For some EXPECTED entries (more only make it slower). KM_ERR_NOMEM, KM_ERR_SYS without random
 * numbers. keymap_free() in any case. */
KM_MUST_CHECK enum km_rc keymap_init(struct keymap *map, uint32_t expected);
/* The nodes are the caller's. */
void keymap_free(struct keymap *map);

/* NULL: there is none. */
struct keymap_node *keymap_find(const struct keymap *map, const uint8_t *key, size_t len);

/* KEY, LEN <= KEYMAP_KEY_MAX bytes, must not be in it; NODE stays where it is while it is. */
void keymap_add(struct keymap *map, struct keymap_node *node, const uint8_t *key,
		size_t len);
void keymap_remove(struct keymap *map, struct keymap_node *node);

#endif
