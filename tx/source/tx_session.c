// SPDX-License-Identifier: ISC
#include <string.h>

#include <sodium.h>

#include "announce.h"
#include "clock.h"
#include "ipc.h"
#include "keys.h"
#include "minisig.h"
#include "session.h"
#include "tx_session.h"

static const struct ipc_type answers[] = {
	{.type = SIGN_SESSION, .size = sizeof(struct sign_session), .name = "session"},
	{.type = SIGN_MANIFEST, .size = sizeof(struct sign_manifest), .name = "manifest"},
};

static int64_t offset_now(void)
{
	return (int64_t)(clock_real_ns() - clock_boot_ns());
}

void tx_session_init(struct tx_session *s, int sock, struct lanes *lanes,
		     const uint8_t config_digest[32], uint64_t length_ns)
{
	memset(s, 0, sizeof(*s));
	s->sock = sock;
	s->lanes = lanes;
	s->length_ns = length_ns;
	memcpy(s->config_digest, config_digest, sizeof(s->config_digest));
	s->clock_offset_ns = offset_now();
}

/* One question, one answer of the expected type in msg->body. */
static int ask(struct tx_session *s, uint32_t type, const void *body, size_t size,
	       uint32_t answer, struct ipc_msg *msg, struct km_err *err)
{
	const struct ipc_table table = {.rows = answers, .n = KM_COUNT(answers)};
	const uint64_t deadline = clock_mono_ns() + TX_SESSION_WAIT_NS;
	enum km_rc rc = ipc_send(s->sock, type, body, size, NULL, 0, deadline);

	if (rc == KM_OK)
		rc = ipc_recv(s->sock, &table, msg, deadline);
	if (rc != KM_OK)
		return km_err_set(err, EX_UNAVAILABLE, "the signer does not answer (%s)",
				  km_rc_name(rc));
	if (msg->type != answer)
		return km_err_set(err, EX_SOFTWARE, "the signer gave message %u, not %u",
				  msg->type, answer);
	return 0;
}

static int take_session(struct tx_session *s, const struct sign_session *a,
			struct km_err *err)
{
	uint8_t transcript[SEAL_TRANSCRIPT_LEN];
	struct announce announce;

	if (a->rc != KM_OK)
		return km_err_set(err, EX_UNAVAILABLE, "the signer refuses a session (%s)",
				  km_rc_name((enum km_rc)a->rc));
	if (a->announce_len > sizeof(a->announce) || a->epoch == 0 ||
	    announce_decode(&announce, a->announce, a->announce_len) != KM_OK ||
	    announce.epoch != a->epoch)
		return km_err_set(err, EX_SOFTWARE,
				  "the signer's announce is not well formed");
	session_transcript(transcript, a->announce, a->announce_len);
	if (lanes_key(s->lanes, a->secret, transcript, err) != 0)
		return -1;
	memcpy(s->announce, a->announce, a->announce_len);
	s->announce_len = a->announce_len;
	s->epoch = a->epoch;
	s->begun_ns = clock_mono_ns();
	s->clock_offset_ns = offset_now();
	keys_fingerprint(s->fingerprint, announce.identity);
	return 0;
}

int tx_session_begin(struct tx_session *s, struct km_err *err)
{
	struct sign_ask_session question;
	struct sign_session answer;
	struct ipc_msg msg;
	int rc;

	memcpy(question.config_digest, s->config_digest, sizeof(question.config_digest));
	rc = ask(s, SIGN_ASK_SESSION, &question, sizeof(question), SIGN_SESSION, &msg, err);
	if (rc == 0) {
		memcpy(&answer, msg.body, sizeof(answer));
		rc = take_session(s, &answer, err);
	}
	sodium_memzero(&answer, sizeof(answer));
	sodium_memzero(msg.body, sizeof(struct sign_session));
	return rc;
}

bool tx_session_spent(const struct tx_session *s, uint64_t now_ns)
{
	if (now_ns - s->begun_ns >= s->length_ns)
		return true;
	return lanes_highest(s->lanes) >= WIRE_LANE_FRAMES_MAX - TX_SESSION_FRAMES_SPARE;
}

bool tx_session_step(int64_t before_ns, int64_t after_ns)
{
	const int64_t step = after_ns - before_ns;

	return step > (int64_t)TX_SESSION_STEP_NS || step < -(int64_t)TX_SESSION_STEP_NS;
}

bool tx_session_stepped(struct tx_session *s, int64_t *step_ns)
{
	const int64_t now = offset_now();
	const bool stepped = tx_session_step(s->clock_offset_ns, now);

	/* Slewing moves the offset for ever, a little at each look. */
	*step_ns = now - s->clock_offset_ns;
	s->clock_offset_ns = now;
	return stepped;
}

int tx_session_sign(struct tx_session *s, const char *text, size_t len, const char *comment,
		    char *sig, size_t *sig_len, struct km_err *err)
{
	const size_t comment_len = strlen(comment);
	struct sign_ask_manifest question = {0};
	struct sign_manifest answer;
	struct ipc_msg msg;

	if (comment_len > sizeof(question.comment))
		return km_err_set(err, EX_SOFTWARE,
				  "trusted comment of %zu bytes is too long", comment_len);
	minisig_hash(question.hash, text, len);
	question.comment_len = (uint32_t)comment_len;
	memcpy(question.comment, comment, comment_len);
	if (ask(s, SIGN_ASK_MANIFEST, &question, sizeof(question), SIGN_MANIFEST, &msg,
		err) != 0)
		return -1;
	memcpy(&answer, msg.body, sizeof(answer));
	if (answer.rc != KM_OK)
		return km_err_set(err, EX_UNAVAILABLE, "the signer refuses a manifest (%s)",
				  km_rc_name((enum km_rc)answer.rc));
	*sig_len = minisig_compose(sig, answer.key_number, answer.sig, answer.global,
				   comment, comment_len);
	return 0;
}
