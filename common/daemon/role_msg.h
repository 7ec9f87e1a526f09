// SPDX-License-Identifier: ISC
/*
 * role_msg.h: the messages of the role handshake, shared by role.c (supervisor's side) and
 * role_enter.c (role's side). Nobody else includes it, but
 * tests/fuzz/fuzz_ready.c, which plays a role.
 *
 * Order: HELLO (supervisor), READY (role), GO (supervisor); then RENEW (supervisor), any number
 * of times; STOP (supervisor) at any time.
 */
#ifndef ROLE_MSG_H
#define ROLE_MSG_H

#include "role.h"

/* 4 is ROLE_MSG_STOP */
enum role_msg {
	ROLE_MSG_HELLO = 1,
	ROLE_MSG_READY = 2,
	ROLE_MSG_GO = 3,
	ROLE_MSG_RENEW = 5,
};

struct role_hello {
	char name[ROLE_NAME_MAX];
	uint64_t keep_caps;
	uint32_t uid;
	uint32_t gid;
	int32_t death_signal;
	int32_t log_level;
	uint32_t log_prefix;
	uint32_t zero;
};

struct role_ready_msg {
	char text[SANDBOX_TEXT_MAX];
};

#endif
