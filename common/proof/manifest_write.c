// SPDX-License-Identifier: ISC
#include "cursor.h"
#include "manifest_text.h"
#include "name.h"

size_t manifest_bytes_max(const struct manifest_entry *entries, size_t count)
{
	size_t sum = MANIFEST_HEAD_BYTES;

	for (size_t i = 0; i < count; i++)
		sum += MANIFEST_ENTRY_FIXED + 2 * entries[i].path_len;
	return sum;
}

/* Numbers without gaps, paths strictly rising. */
static bool batch_ok(const struct manifest_head *head, const struct manifest_entry *entries,
		     size_t count)
{
	if (!manifest_text_head_ok(head) || count != head->last - head->first + 1)
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct manifest_entry *e = &entries[i];

		if (!manifest_text_entry_ok(e) || e->number != head->first + i)
			return false;
		if (i &&
		    name_compare(e[-1].path, e[-1].path_len, e->path, e->path_len) >= 0)
			return false;
	}
	return true;
}

enum km_rc manifest_write(char *out, size_t cap, size_t *len,
			  const struct manifest_head *head,
			  const struct manifest_entry *entries, size_t count)
{
	char head_text[MANIFEST_HEAD_BYTES], text[MANIFEST_ENTRY_BYTES];
	struct wr wr;

	*len = 0;
	if (!batch_ok(head, entries, count))
		return KM_ERR_RANGE;
	wr_init(&wr, out, cap);
	wr_bytes(&wr, head_text, manifest_text_head(head_text, head));
	for (size_t i = 0; i < count && wr_ok(&wr); i++)
		wr_bytes(&wr, text, manifest_text_entry(text, &entries[i]));
	if (wr.used > MANIFEST_BYTES_MAX)
		return KM_ERR_LIMIT;
	if (!wr_ok(&wr))
		return cap >= MANIFEST_BYTES_MAX ? KM_ERR_LIMIT : KM_ERR_FULL;
	*len = wr.used;
	return KM_OK;
}
