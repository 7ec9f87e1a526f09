// SPDX-License-Identifier: ISC
/*
 * attack_rig.h: the real loop function of one role in a process of its own, with the cage that it
 * has in the daemon, and the test in place of its neighbours: descriptors under the role's
 * numbers, the supervisor's half of the handshake, and what the role wrote to its log.
 */
#ifndef ATTACK_RIG_H
#define ATTACK_RIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "role.h"

#define ATTACK_ARGS_MAX 8

struct attack_spec {
	const char *name;
	int (*main)(struct role_ctx *ctx);
	const struct role_fd *fds; /* stay the caller's */
	size_t n_fds;
	const char *args[ATTACK_ARGS_MAX];
	unsigned n_args;
	uint64_t keep_caps; /* until the role drops them itself */
};

struct attack_role {
	struct role_child child;
	int log; /* memfd: standard error of the role */
};

/* Starts the role and says go. Fails the test when it does not become ready. */
void attack_start(struct attack_role *role, const struct attack_spec *spec);

/* Whether it still runs; once it does not, *exit says how it ended. */
bool attack_runs(struct attack_role *role, struct role_exit *exit);

/* Waits for its end, at most 30 s; kills it and fails the test when there is none. */
struct role_exit attack_await_end(struct attack_role *role);

/* Asks it to stop as a supervisor does; it must end in order. */
void attack_stop(struct attack_role *role);

/* Lines of its log that hold `text`, all for "". Forgets nothing. */
unsigned attack_lines(const struct attack_role *role, const char *text);

/* What a sanitizer keeps of freed memory: nothing is said about growth within it. */
#ifdef __SANITIZE_ADDRESS__
#define ATTACK_SLACK (UINT64_C(400) << 20)
#else
#define ATTACK_SLACK UINT64_C(0)
#endif

/* Private memory of the process now, bytes. */
uint64_t attack_memory(const struct attack_role *role);

/* Frees what is left; kills the process if it still runs. */
void attack_free(struct attack_role *role);

/* splitmix64; the seed is printed and comes from KM_SEED if that is set. */
uint64_t attack_seed(void);
uint64_t attack_random(uint64_t *state);

/*
 * A thread that changes `bytes` bytes at `at`, one after another, by XOR and back again, until it
 * is stopped: what a hostile writer of shared memory does while its reader looks.
 */
struct attack_toggle {
	_Atomic uint8_t *at;
	size_t bytes;
	uint8_t mask;
	atomic_bool stop;
	atomic_ullong rounds;
	uint64_t thread; /* pthread_t */
};
void attack_toggle_start(struct attack_toggle *toggle, void *at, size_t bytes,
			 uint8_t mask);
/* Leaves the bytes as they were. */
void attack_toggle_stop(struct attack_toggle *toggle);

#endif
