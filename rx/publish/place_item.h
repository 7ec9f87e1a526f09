// SPDX-License-Identifier: ISC
/*
 * place_item.h: one object on its way to its name, between the two halves of place:
 * deciding (place_judge.c, which reads the tree and prepares the file) and doing
 * (place.c). Not for anybody else.
 */
#ifndef PLACE_ITEM_H
#define PLACE_ITEM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "flow.h"
#include "wire_limits.h"

enum place_action {
	PLACE_DROP,    /* nothing to do now: settled, or its bytes are not here */
	PLACE_NEW,     /* no such name yet */
	PLACE_REPLACE, /* over our own lower generation */
	PLACE_ASIDE,   /* a higher generation is known: straight to generations/ */
	PLACE_DIR,     /* a directory */
	PLACE_WITHDRAWN,
	PLACE_QUARANTINE,
	PLACE_DONE,	      /* was done before a crash: only the receipt is missing */
	PLACE_REFUSED_BEFORE, /* is in quarantine since before a crash */
	PLACE_LATER,	      /* the disk said no */
};

struct place_item {
	uint64_t chain, number;
	enum place_action action;
	uint8_t reason; /* quarantine or withdrawal */
	bool aside;	/* PLACE_DONE: in generations/ */
	bool decided;	/* it has its receipt */
	uint8_t kind;	/* enum manifest_kind */
	uint8_t path[WIRE_PATH_MAX + 1];
	size_t path_len;
	const char *base; /* last component, in path */
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint8_t digest[32];
	struct object *object;	  /* NULL: none in progress */
	int dir;		  /* of the target, -1 */
	bool dir_shared;	  /* it is that of an item before, which closes it */
	int aside_dir;		  /* directory in generations/ that was changed, -1 */
	struct names_visible now; /* ours, as it will be visible */
	struct names_visible
		before; /* ours, and it stands there; chain 0 = nothing of ours */
	struct names_visible
		highest;   /* newest one that was ever to stand there; or chain 0 */
	ino_t inode_there; /* PLACE_REPLACE: what stands there */
};

/* What a group waits for. */
enum place_stage {
	PLACE_IDLE,    /* nothing: there is no group */
	PLACE_INTENTS, /* the intents are being synced */
	PLACE_LINKS,   /* the directories in generations/ */
	PLACE_CHANGES, /* the directories of the names, and rows that were undone */
};

/* Parents of new directories that are synced together; those beyond at once. */
#define PLACE_PARENTS 128u

/* The one group under way, of one flow. */
struct place {
	struct flow *flow; /* NULL when idle */
	enum place_stage stage;
	unsigned waiting; /* syncs under way */
	bool failed;	  /* one of them did */
	struct place_item item[256];
	unsigned n;
	int parent
		[PLACE_PARENTS]; /* got new directories; to be synced with the next stage */
	unsigned parents;
};

/* Fills ITEM (chain and number are set) as far as the action. Reads and prepares, changes
 * no visible name. */
void place_judge(struct flow *flow, struct place_item *item);

/*
 * Directory of the item's path under `top` (tree/ or generations/<chain>-<number>/),
 * made if need be. `prefix` may be NULL. A descriptor, or -1 with err->saved_errno.
 */
KM_MUST_CHECK int place_parent(const struct flow *flow, int top, const char *prefix,
			       const struct place_item *item, struct km_err *err);

/* A fileio_changed_fn; ctx is the place. */
int place_note_parent(void *ctx, int dirfd, struct km_err *err);

/* Turns the item's action: the disk said no at `step` (errno; said), or quarantine. */
void place_later(struct flow *flow, struct place_item *item, const char *step);
void place_refuse(struct place_item *item, uint8_t reason);

/* "<chain>-<number>", the directory of a generation. */
#define PLACE_GENERATION_MAX 48u
void place_generation_name(char out[PLACE_GENERATION_MAX], uint64_t chain, uint64_t number);

#endif
