// SPDX-License-Identifier: ISC
/*
 * waiver.h: an operator's word that an object in quarantine is to be published after all. The
 * command leaves a file STATE/<channel>/release-<chain>-<number>, "UID REASON"; publish takes the
 * object back from quarantine into .incoming and lets it go the way of every other, the digest
 * and the names included, only not by the scanner. The file stays until that is decided, so that
 * a restart begins it again; then there is release-<chain>-<number>.answer instead, a line for
 * the command, and an event for everybody.
 *
 * Beginning one is waiver_take.h. rx publish; one thread.
 */
#ifndef WAIVER_H
#define WAIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "flow.h"

/* "release-<chain>-<number>", and what the answer ends in. */
#define WAIVER_NAME_MAX 80u
#define WAIVER_ANSWER ".answer"
/* First word of an answer that says that it is published. */
#define WAIVER_DONE "released"

void waiver_name(char out[WAIVER_NAME_MAX], uint64_t chain, uint64_t number);

/* The release under way of that object, or NULL. */
const struct waiver *waiver_find(const struct flow *flow, uint64_t chain, uint64_t number);

/* At start, before the shelf is sorted: what a release had taken back when publish died goes into
 * quarantine again. */
void waiver_resume(struct flow *flow);

/* The requests there are: calls FN for each. -1 with errno. */
typedef void waiver_fn(struct flow *flow, uint64_t chain, uint64_t number);
KM_MUST_CHECK int waiver_each(struct flow *flow, waiver_fn *fn);

struct waiver_end {
	const char *refused; /* why it stays in quarantine, or NULL: it is published */
	const uint8_t *path; /* may be NULL */
	size_t path_len;
	const uint8_t *digest; /* may be NULL */
};

/* It is decided: said, answered, and forgotten. */
void waiver_finish(struct flow *flow, uint64_t chain, uint64_t number,
		   const struct waiver_end *end);

#endif
