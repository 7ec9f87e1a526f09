// SPDX-License-Identifier: ISC
#include "signer_talk.h"

#include <inttypes.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "session.h"

void signer_talk_session(struct signer_talk *s, const struct sign_ask_session *ask,
			 struct sign_session *answer)
{
	struct session_facts facts = {.environment = s->environment};
	struct km_err err = KM_ERR_INIT;
	size_t len = 0;

	*answer = (struct sign_session){.rc = KM_ERR_SYS};
	memcpy(facts.config_digest, ask->config_digest, sizeof(facts.config_digest));
	facts.created_ns = clock_real_ns();
	if (epoch_next(&s->epoch, facts.created_ns / CLOCK_NS_PER_SEC, &facts.epoch, &err) <
	    0) {
		log_event(EVENT_EPOCH_REFUSED,
			  "%s: free the disk or mend its state directory", err.text);
		stats_add(&s->stats, SIGNER_REFUSED, 1);
		return;
	}
	answer->rc = session_announce_make(answer->announce, &len, answer->secret, &facts,
					   s->identity, s->receivers, s->receiver_count);
	answer->announce_len = (uint32_t)len;
	answer->epoch = facts.epoch;
	if (answer->rc != KM_OK)
		return;
	stats_add(&s->stats, SIGNER_SESSIONS, 1);
	stats_set(&s->stats, SIGNER_EPOCH, facts.epoch);
	log_event(EVENT_EPOCH_STORED, "session opened epoch=%" PRIu64 " receivers=%u",
		  facts.epoch, s->receiver_count);
}

void signer_talk_manifest(struct signer_talk *s, const struct sign_ask_manifest *ask,
			  struct sign_manifest *answer)
{
	*answer = (struct sign_manifest){.rc = KM_ERR_RANGE};
	if (ask->comment_len > sizeof(ask->comment)) {
		stats_add(&s->stats, SIGNER_REFUSED, 1);
		return;
	}
	minisig_sign(answer->sig, answer->global, ask->hash, ask->comment, ask->comment_len,
		     s->identity);
	memcpy(answer->key_number, s->identity->pub.key_number, sizeof(answer->key_number));
	answer->rc = KM_OK;
	stats_add(&s->stats, SIGNER_MANIFESTS, 1);
}
