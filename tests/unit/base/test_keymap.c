// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "keymap.h"

#define MANY 2000u

struct entry {
	struct keymap_node node;
	char key[16];
};

static struct entry entry[MANY];
static struct keymap map;

static size_t name(unsigned i)
{
	return (size_t)snprintf(entry[i].key, sizeof(entry[i].key), "train/%u", i);
}

static struct keymap_node *find(unsigned i)
{
	return keymap_find(&map, (const uint8_t *)entry[i].key, strlen(entry[i].key));
}

/* Far more than there are places, so that they share them. */
Test(keymap, each_is_found_by_its_key_alone)
{
	cr_assert_eq(keymap_init(&map, 16), KM_OK);
	for (unsigned i = 0; i < MANY; i++) {
		const size_t len = name(i);

		cr_assert_null(find(i));
		keymap_add(&map, &entry[i].node, (const uint8_t *)entry[i].key, len);
	}
	for (unsigned i = 0; i < MANY; i++)
		cr_assert_eq(find(i), &entry[i].node);
	for (unsigned i = 0; i < MANY; i += 2)
		keymap_remove(&map, &entry[i].node);
	for (unsigned i = 0; i < MANY; i++)
		cr_assert_eq(find(i), i % 2 ? &entry[i].node : NULL);
	cr_assert_null(keymap_find(&map, (const uint8_t *)"train/", 6), "a part of a key");
	keymap_free(&map);
}

/* Whoever chooses keys by one map's places hits others in another map. */
Test(keymap, places_are_a_secret_of_the_map)
{
	struct keymap other;
	unsigned same = 0;

	cr_assert_eq(keymap_init(&map, 1024), KM_OK);
	cr_assert_eq(keymap_init(&other, 1024), KM_OK);
	for (unsigned i = 0; i < MANY; i++) {
		const size_t len = name(i);
		struct keymap_node twin;

		keymap_add(&map, &entry[i].node, (const uint8_t *)entry[i].key, len);
		keymap_add(&other, &twin, (const uint8_t *)entry[i].key, len);
		same += twin.place == entry[i].node.place;
		keymap_remove(&other, &twin);
	}
	cr_assert_lt(same, MANY / 20);
	keymap_free(&map);
	keymap_free(&other);
}
