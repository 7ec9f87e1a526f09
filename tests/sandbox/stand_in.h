// SPDX-License-Identifier: ISC
/*
 * stand_in.h: the roles of both daemons as the probe puts itself into their place: with their
 * own tables, and descriptors of the same kind under the same numbers.
 */
#ifndef STAND_IN_H
#define STAND_IN_H

#include "attempt.h"
#include "cage.h"

#define STAND_IN_USER 65534
#define STAND_IN_ALLOWED 24

struct stand_in {
	const char *name;
	/* Opens the descriptors, says what to aim at, fills the role's own cage. */
	void (*take_place)(const char *directory, struct target *target, struct cage *cage);
	/* What the role's work needs, of all that is attempted. */
	const char *allowed[STAND_IN_ALLOWED];
};

extern const struct stand_in stand_ins_tx[], stand_ins_rx[];
extern const size_t stand_ins_tx_count, stand_ins_rx_count;

/* A packet socket on the loopback interface, at descriptor TO. */
int stand_in_link(int to);
/* A page of shared memory without the right to write, at descriptor TO. */
int stand_in_memory(int to);
/* Half of a message socket pair at descriptor TO; the other half stays open. */
void stand_in_pair(int to);
/* DIRECTORY/NAME as a directory of STAND_IN_USER, with a file `mine` in it; a descriptor. */
int stand_in_directory(const char *directory, const char *name);
/* Ends the program with what failed. */
_Noreturn void stand_in_fail(const char *what);

#endif
