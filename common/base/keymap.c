// SPDX-License-Identifier: ISC
#include "keymap.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define PLACES_MAX (UINT32_C(1) << 24)

enum km_rc keymap_init(struct keymap *map, uint32_t expected)
{
	uint64_t secret[2];
	uint32_t places = 16;

	*map = (struct keymap){0};
	while (places < expected && places < PLACES_MAX)
		places *= 2;
	if (getrandom(secret, sizeof(secret), 0) != (ssize_t)sizeof(secret))
		return KM_ERR_SYS;
	map->seed = secret[0];
	map->factor = secret[1] | 1;
	map->mask = places - 1;
	map->place = calloc(places, sizeof(struct keymap_node *));
	return map->place ? KM_OK : KM_ERR_NOMEM;
}

void keymap_free(struct keymap *map)
{
	free(map->place);
	map->place = NULL;
}

/* Multiplied by a secret odd number for each byte: whoever does not know it cannot aim. */
static uint32_t place_of(const struct keymap *map, const uint8_t *key, size_t len)
{
	uint64_t sum = map->seed ^ len;

	for (size_t i = 0; i < len; i++) {
		sum = (sum ^ key[i]) * map->factor;
		sum ^= sum >> 29;
	}
	return (uint32_t)(sum >> 32) & map->mask;
}

struct keymap_node *keymap_find(const struct keymap *map, const uint8_t *key, size_t len)
{
	struct keymap_node *node = map->place[place_of(map, key, len)];

	while (node && (node->len != len || memcmp(node->key, key, len) != 0))
		node = node->next;
	return node;
}

void keymap_add(struct keymap *map, struct keymap_node *node, const uint8_t *key,
		size_t len)
{
	node->key = key;
	node->len = (uint8_t)len;
	node->place = place_of(map, key, len);
	node->next = map->place[node->place];
	map->place[node->place] = node;
}

void keymap_remove(struct keymap *map, struct keymap_node *node)
{
	struct keymap_node **at = &map->place[node->place];

	while (*at && *at != node)
		at = &(*at)->next;
	if (*at)
		*at = node->next;
	node->next = NULL;
}
