// SPDX-License-Identifier: ISC
/* Manifest text: what the parser accepts the writer writes, byte for byte. */
#include <string.h>

#include "fuzz_target.h"
#include "manifest.h"
#include "name.h"

#define TEXT_MAX (256u << 10) /* bytes per input: enough, and quick */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct manifest_entry entries[WIRE_BATCH_OBJECTS_MAX];
	static uint8_t scratch[TEXT_MAX];
	static char again[TEXT_MAX];
	struct manifest_head head;
	size_t count, len;
	unsigned line;
	enum km_rc rc;

	if (size > TEXT_MAX)
		return 0;
	rc = manifest_parse(&head, entries, WIRE_BATCH_OBJECTS_MAX, &count, scratch,
			    sizeof(scratch), (const char *)data, size, &line);
	FUZZ_ASSERT((rc == KM_OK) == (line == 0));
	if (rc != KM_OK)
		return 0;
	for (size_t i = 0; i < count; i++)
		FUZZ_ASSERT(name_check(entries[i].path, entries[i].path_len) == NAME_OK);
	FUZZ_ASSERT(manifest_write(again, sizeof(again), &len, &head, entries, count) ==
		    KM_OK);
	FUZZ_ASSERT(len == size && memcmp(again, data, size) == 0);
	FUZZ_ASSERT(len <= manifest_bytes_max(entries, count));
	return 0;
}
