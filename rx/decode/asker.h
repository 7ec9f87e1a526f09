// SPDX-License-Identifier: ISC
/*
 * Announces on their way to the keeper and back, in fixed tables. Only form is checked
 * here; who signed one and whether we can open it is the keeper's business. The same
 * bytes are asked about once; a refusal is remembered for a while; at most 50 new ones a
 * second reach the keeper, whatever floods in. A question without an answer (the keeper
 * was restarted) is asked again after 1 s, three times.
 */
#ifndef ASKER_H
#define ASKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ask.h"
#include "decode_count.h"
#include "delivery.h"
#include "km_err.h"
#include "ring.h"
#include "rx_arena.h"

#define ASKER_PENDING 16u
#define ASKER_REFUSED 16u
#define ASKER_PER_SECOND 50u
#define ASKER_AGAIN_NS UINT64_C(1000000000)
#define ASKER_TRIES 4u
#define ASKER_REFUSED_NS UINT64_C(10000000000) /* then the keeper is asked anew */
#define ASKER_ALARM_NS UINT64_C(10000000000)   /* per verdict */
#define ASKER_VERDICTS (ASK_STORE + 1u)

struct asker_entry {
	bool used;
	uint8_t tries;
	uint16_t len;
	uint32_t tag;
	uint32_t copies; /* frames that wait for the answer */
	uint64_t at_ns;
	uint8_t transcript[32];
	uint8_t bytes[WIRE_ANNOUNCE_MAX];
};

struct asker {
	struct ring ask, answer;
	struct asker_entry *pending; /* ASKER_PENDING */
	struct asker_entry *refused; /* ASKER_REFUSED, overwritten in turn */
	unsigned refused_at;
	unsigned in_second;
	uint64_t second_ns;
	uint64_t alarm_ns[ASKER_VERDICTS];
	struct decode_counts *counts;
	struct delivery *delivery;
};

/* An announce was accepted: ENTRY has its bytes, ANSWER the secret. True when the session
 * is there now. */
typedef bool asker_accept_fn(void *ctx, const struct asker_entry *entry,
			     const struct ask_answer *answer, uint64_t now_ns);

/* TRUSTS->trusted[0..floors) are the keys that the keeper trusts now; floors is in range. */
typedef void asker_trust_fn(void *ctx, const struct ask_answer *trusts, uint64_t now_ns);

void asker_lay(struct asker *a, struct rx_arena *arena);
KM_MUST_CHECK enum km_rc asker_attach(struct asker *a, void *mem,
				      struct decode_counts *counts,
				      struct delivery *delivery);

/* An announce that no session knows. Counts it: refused, or held until the answer. */
void asker_announce(struct asker *a, const uint8_t *p, size_t len, uint64_t now_ns);

/* Take answers, ask again what is overdue. */
void asker_poll(struct asker *a, asker_accept_fn *accept, asker_trust_fn *trust, void *ctx,
		uint64_t now_ns);

/* Frames that wait here, and whether any question is open. */
uint64_t asker_waiting(const struct asker *a);

/* True while the announce of TAG stands refused: its frames need not be held. */
bool asker_is_refused(const struct asker *a, uint32_t tag, uint64_t now_ns);

/* Tell the keeper how far each lane is. False: not now, the ring is full. */
bool asker_floors(struct asker *a, const struct ask *floors);

#endif
