// SPDX-License-Identifier: ISC
#include "waiver_take.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fileio.h"
#include "manifests.h"
#include "record.h"
#include "waiver.h"

/* So often an object that is nowhere is looked for: a disk that was full may have kept it. */
#define WAIVER_LOOKS 10u

static void waiver_refuse(struct flow *flow, const struct waiver *r, const char *why)
{
	const struct waiver_end end = {.refused = why};

	waiver_finish(flow, r->chain, r->number, &end);
}

/* "UID REASON": written by whoever may write here; still no byte of it is believed. */
static void waiver_read(struct flow *flow, struct waiver *r)
{
	_cleanup_free_ uint8_t *text = NULL;
	char name[WAIVER_NAME_MAX];
	struct km_err ignored = KM_ERR_INIT;
	unsigned uid = 0;
	int at = 0;
	size_t len;

	waiver_name(name, r->chain, r->number);
	if (fileio_read_all(flow->dir, name, WAIVER_REASON_MAX, &text, &len, &ignored) != 0)
		return;
	if (sscanf((const char *)text, "%u %n", &uid, &at) == 1)
		r->uid = uid;
	(void)snprintf(r->reason, sizeof(r->reason), "%s", (const char *)text + at);
	r->reason[strcspn(r->reason, "\n")] = '\0';
}

/* All of it is here, as nobody could know better than its manifest. False: no memory. */
static bool waiver_fill(struct object *o, const struct manifest_entry *entry, uint64_t size)
{
	o->made = true;
	o->verdict = SCAN_PASS; /* the operator has */
	return object_begin(o, RECORD_OBJECT_FILE, size, entry->mtime_s, entry->mtime_ns,
			    entry->path, entry->path_len) == KM_OK &&
	       (size == 0 || extents_add(&o->have, 0, size) == KM_OK);
}

/* Back into .incoming, and on the way of every object. */
static void waiver_bring(struct flow *flow, struct waiver *r,
			 const struct manifest_entry *entry, uint64_t size)
{
	char part[OBJECT_PART_NAME_MAX];
	struct object *o;

	object_part_name(part, OBJECT_DATA, r->chain, r->number);
	o = shelf_add(&flow->shelf, OBJECT_DATA, r->chain, r->number);
	if (!o) {
		waiver_refuse(flow, r, "too many objects are in progress");
		return;
	}
	if (!waiver_fill(o, entry, size) ||
	    fileio_rename_noreplace(flow->root.quarantine, part, flow->root.incoming,
				    part) != 0) {
		shelf_drop(&flow->shelf, o, false);
		waiver_refuse(flow, r, "it cannot be taken out of .quarantine");
		return;
	}
	flow_advance(flow, o);
}

static void waiver_begin(struct flow *flow, struct waiver *r)
{
	const struct manifest_entry *entry = manifests_entry(flow, r->chain, r->number);
	char part[OBJECT_PART_NAME_MAX];
	struct stat st;

	object_part_name(part, OBJECT_DATA, r->chain, r->number);
	if (!entry || (entry->kind != MANIFEST_FLAT && entry->kind != MANIFEST_TREE))
		waiver_refuse(flow, r, "no signed manifest names it as a file");
	else if (!ledger_settled(&flow->ledger, r->chain, r->number))
		waiver_refuse(flow, r, "it is in progress, not in quarantine");
	else if (fstatat(flow->root.quarantine, part, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		 S_ISREG(st.st_mode))
		waiver_bring(flow, r, entry, (uint64_t)st.st_size);
	else if (r->looks++ < WAIVER_LOOKS)
		/* placed before a crash, perhaps: then its name tells */
		(void)!flow_enqueue(flow, r->chain, r->number);
	else
		waiver_refuse(flow, r, "it is not in quarantine");
}

static void waiver_note(struct flow *flow, uint64_t chain, uint64_t number)
{
	struct waiver *r;

	if (waiver_find(flow, chain, number) || flow->waivers == WAIVER_MAX)
		return;
	r = &flow->waiver[flow->waivers++];
	*r = (struct waiver){.chain = chain, .number = number};
	waiver_read(flow, r);
	waiver_begin(flow, r);
}

void waiver_take(struct flow *flow)
{
	/* those that look for something; from the end, since one that is refused goes */
	for (unsigned i = flow->waivers; i-- > 0;)
		if (flow->waiver[i].looks > 0)
			waiver_begin(flow, &flow->waiver[i]);
	(void)!waiver_each(flow, waiver_note); /* next second again */
}
