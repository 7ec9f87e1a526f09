// SPDX-License-Identifier: ISC
#include "manifests.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cursor.h"
#include "fileio.h"
#include "log.h"
#include "minisig.h"
#include "quarantine.h"

#define MANIFESTS_NAME_MAX 64u /* as manifest_file_name() writes it */
#define MANIFESTS_SIG_NAME_MAX (MANIFESTS_NAME_MAX + 16u)

void manifests_free_one(struct flow_manifest *m)
{
	free(m->entry);
	free(m->scratch);
	free(m->text);
	*m = (struct flow_manifest){0};
}

void manifests_free(struct flow_shared *shared)
{
	for (unsigned i = 0; i < FLOW_MANIFESTS; i++)
		manifests_free_one(&shared->manifest[i]);
}

/* The slot that was not used for the longest time, emptied. */
static struct flow_manifest *manifests_slot(struct flow_shared *shared)
{
	struct flow_manifest *m = &shared->manifest[0];

	for (unsigned i = 1; i < FLOW_MANIFESTS; i++)
		if (shared->manifest[i].used_at < m->used_at)
			m = &shared->manifest[i];
	manifests_free_one(m);
	return m;
}

static void manifests_signature_name(char *out, const char *name)
{
	snprintf(out, MANIFESTS_SIG_NAME_MAX, "%s.minisig", name);
}

/* A slot of shared->manifest keeps what it points to until manifests_free_one(); gcc 12 loses
 * sight of such a slot and takes that for a leak. */
#ifndef __clang__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

/* Parses m->text, which is verified. */
static enum km_rc manifests_parse(struct flow_manifest *m)
{
	unsigned line = 0;

	m->entry = calloc(WIRE_BATCH_OBJECTS_MAX, sizeof(*m->entry));
	m->scratch = malloc(m->text_len + 1);
	if (!m->entry || !m->scratch)
		return KM_ERR_NOMEM;
	return manifest_parse(&m->head, m->entry, WIRE_BATCH_OBJECTS_MAX, &m->count,
			      m->scratch, m->text_len + 1, m->text, m->text_len, &line);
}

enum km_rc manifests_check(struct flow_manifest *m, const struct flow_shared *shared,
			   uint16_t channel, uint64_t chain, uint64_t number,
			   const char *text, size_t text_len, const char *sig,
			   size_t sig_len)
{
	char comment[MINISIG_COMMENT_MAX + 1], expected[MINISIG_COMMENT_MAX + 1];
	unsigned key = 0;
	enum km_rc rc;

	rc = minisig_verify(text, text_len, sig, sig_len, shared->trusted,
			    shared->trusted_count, &key, comment);
	if (rc != KM_OK)
		return rc == KM_ERR_NOTFOUND ? rc : KM_ERR_AUTH;
	manifests_free_one(m);
	m->text = malloc(text_len + sig_len + 1);
	if (!m->text)
		return KM_ERR_NOMEM;
	memcpy(m->text, text, text_len);
	memcpy(m->text + text_len, sig, sig_len);
	m->text[text_len + sig_len] = 0;
	m->text_len = text_len;
	m->sig_len = sig_len;
	digest_sha256(m->hash, text, text_len);
	rc = manifests_parse(m);
	if (rc != KM_OK)
		return rc == KM_ERR_NOMEM ? rc : KM_ERR_MALFORMED;
	manifest_comment(expected, chain, number, m->hash);
	if (m->head.channel != channel || m->head.chain != chain ||
	    m->head.number != number || m->head.last - m->head.first + 1 != m->count ||
	    strcmp(comment, expected) != 0)
		return KM_ERR_MALFORMED;
	m->chain = chain;
	m->number = number;
	return KM_OK;
}

#ifndef __clang__
#pragma GCC diagnostic pop
#endif

/* ---- reading what is stored ---- */

/* Text and signature of a stored manifest into fresh memory. */
static int manifests_read(const struct flow *flow, uint64_t chain, uint64_t number,
			  char **text, size_t *text_len, char **sig, size_t *sig_len,
			  struct km_err *err)
{
	char name[MANIFESTS_NAME_MAX], sig_name[MANIFESTS_SIG_NAME_MAX];

	manifest_file_name(name, chain, number);
	manifests_signature_name(sig_name, name);
	*text = *sig = NULL;
	if (fileio_read_all(flow->root.manifests, name, WIRE_MANIFEST_MAX, (uint8_t **)text,
			    text_len, err) != 0)
		return -1;
	if (fileio_read_all(flow->root.manifests, sig_name, MINISIG_FILE_MAX,
			    (uint8_t **)sig, sig_len, err) == 0)
		return 0;
	free(*text);
	return -1;
}

static bool manifests_load(struct flow *flow, struct flow_manifest *m, uint64_t chain,
			   uint64_t number)
{
	const struct ledger_manifest *known = ledger_manifest(&flow->ledger, chain, number);
	char *text, *sig;
	size_t text_len, sig_len;
	struct km_err err = KM_ERR_INIT;
	enum km_rc rc;

	if (!known)
		return false;
	if (manifests_read(flow, chain, number, &text, &text_len, &sig, &sig_len, &err) !=
	    0) {
		log_event_limited(EVENT_STATE_UNWRITABLE,
				  "a stored manifest cannot be read: %s channel=%s",
				  err.text, flow->conf->name);
		return false;
	}
	rc = manifests_check(m, flow->shared, flow->conf->number, chain, number, text,
			     text_len, sig, sig_len);
	if (rc == KM_OK && memcmp(m->hash, known->hash, DIGEST_LEN) != 0)
		rc = KM_ERR_AUTH;
	free(text);
	free(sig);
	if (rc == KM_OK)
		return true;
	log_event_limited(
		EVENT_MANIFEST_REFUSED,
		"%s channel=%s chain=%" PRIu64 " manifest=%" PRIu64 " reason=%s",
		rc == KM_ERR_NOTFOUND
			? "a stored manifest is signed by a key that is neither in "
			  "trust nor in retired: add it, unless it was stolen"
			: "a stored manifest was changed on disk: restore it",
		flow->conf->name, chain, number, km_rc_name(rc));
	return false;
}

const struct flow_manifest *manifests_get(struct flow *flow, uint64_t chain,
					  uint64_t number)
{
	struct flow_shared *shared = flow->shared;
	struct flow_manifest *m;

	for (unsigned i = 0; i < FLOW_MANIFESTS; i++) {
		m = &shared->manifest[i];
		if (m->flow == flow && m->chain == chain && m->number == number) {
			m->used_at = ++shared->clock;
			return m;
		}
	}
	m = manifests_slot(shared);
	if (!manifests_load(flow, m, chain, number)) {
		manifests_free_one(m);
		return NULL;
	}
	m->flow = flow;
	m->used_at = ++shared->clock;
	return m;
}

const struct manifest_entry *manifests_entry(struct flow *flow, uint64_t chain,
					     uint64_t number)
{
	const struct ledger_manifest *known = ledger_covering(&flow->ledger, chain, number);
	const struct flow_manifest *m;

	if (!known)
		return NULL;
	m = manifests_get(flow, chain, known->number);
	if (!m || number - m->head.first >= m->count)
		return NULL;
	return &m->entry[number - m->head.first];
}

bool manifests_same(struct flow *flow, uint64_t chain, uint64_t number, uint64_t total,
		    uint64_t offset, const uint8_t *p, size_t len)
{
	const struct flow_manifest *m = manifests_get(flow, chain, number);
	uint8_t prefix[4];
	struct wr wr;

	if (!m || total != 4 + m->text_len + m->sig_len || offset > total ||
	    total - offset < len)
		return false;
	wr_init(&wr, prefix, sizeof(prefix));
	wr_u32(&wr, (uint32_t)m->text_len);
	for (; len > 0 && offset < sizeof(prefix); offset++, p++, len--)
		if (*p != prefix[offset])
			return false;
	return len == 0 || memcmp(m->text + (offset - sizeof(prefix)), p, len) == 0;
}

/* ---- keys ---- */

int manifests_load_keys(struct flow_shared *shared, const struct rx_config *config,
			struct km_err *err)
{
	shared->trusted_count = 0;
	if (keys_init(err) != 0)
		return -1;
	for (unsigned i = 0; i < config->trusted; i++)
		if (keys_sign_public_load(&shared->trusted[shared->trusted_count++], NULL,
					  config->trust[i], err) != 0)
			return -1;
	for (unsigned i = 0; i < config->retired_count; i++)
		if (keys_sign_public_load(&shared->trusted[shared->trusted_count++], NULL,
					  config->retired[i], err) != 0)
			return -1;
	return 0;
}

/* ---- taking a new one ---- */

static void manifests_refuse(struct flow *flow, struct object *o, uint8_t reason)
{
	char part[OBJECT_PART_NAME_MAX];
	struct km_err err = KM_ERR_INIT;

	voice_add(&flow->shared->voice, VOICE_MANIFESTS_REFUSED, 1);
	log_event_limited(reason == QUARANTINE_FORK ? EVENT_CHAIN_FORK
						    : EVENT_MANIFEST_REFUSED,
			  "manifest put into quarantine: %s channel=%s chain=%" PRIu64
			  " manifest=%" PRIu64,
			  quarantine_text(reason), flow->conf->name, o->chain, o->number);
	object_part_name(part, o->what, o->chain, o->number);
	if (quarantine_move(flow->root.quarantine, flow->root.incoming, part, part, reason,
			    NULL, 0, &err) != 0)
		log_event_limited(EVENT_STATE_UNWRITABLE, "%s channel=%s", err.text,
				  flow->conf->name);
}

/* The chain as far as neighbours are here: a break is said, and stored all the same. */
static void manifests_check_chain(struct flow *flow, const struct flow_manifest *m)
{
	static const uint8_t none[DIGEST_LEN];
	const struct ledger_manifest *before, *after;
	bool broken = false;

	before = ledger_manifest(&flow->ledger, m->chain, m->number - 1);
	after = ledger_manifest(&flow->ledger, m->chain, m->number + 1);
	if (m->number == 1)
		broken = memcmp(m->head.previous, none, DIGEST_LEN) != 0;
	else if (before)
		broken = memcmp(m->head.previous, before->hash, DIGEST_LEN) != 0;
	if (after && memcmp(after->previous, m->hash, DIGEST_LEN) != 0)
		broken = true;
	if (!broken)
		return;
	voice_add(&flow->shared->voice, VOICE_BREAKS, 1);
	log_event(EVENT_CHAIN_BROKEN,
		  "manifest and neighbour do not name each other: keep both and ask the "
		  "sender "
		  "channel=%s chain=%" PRIu64 " manifest=%" PRIu64,
		  flow->conf->name, m->chain, m->number);
}

static void manifests_check_restart(struct flow *flow, uint64_t chain)
{
	if (chain <= flow->newest_chain)
		return;
	if (flow->newest_chain != 0) {
		voice_add(&flow->shared->voice, VOICE_CHAINS_RESTARTED, 1);
		log_event(EVENT_CHAIN_RESTARTED,
			  "the sender lost its state and began a new chain channel=%s "
			  "chain=%" PRIu64 " before=%" PRIu64,
			  flow->conf->name, chain, flow->newest_chain);
	}
	flow->newest_chain = chain;
}

/* Signature file first: where the manifest is, its signature is. */
static int manifests_write(struct flow *flow, const struct flow_manifest *m,
			   struct km_err *err)
{
	char name[MANIFESTS_NAME_MAX], sig_name[MANIFESTS_SIG_NAME_MAX];

	manifest_file_name(name, m->chain, m->number);
	manifests_signature_name(sig_name, name);
	if (fileio_write_atomic(flow->root.manifests, sig_name, m->text + m->text_len,
				m->sig_len, 0644, err) != 0)
		return -1;
	return fileio_write_atomic(flow->root.manifests, name, m->text, m->text_len, 0644,
				   err);
}

static struct ledger_manifest manifests_row(const struct flow_manifest *m)
{
	struct ledger_manifest row = {
		.number = m->number, .first = m->head.first, .last = m->head.last};

	memcpy(row.hash, m->hash, DIGEST_LEN);
	memcpy(row.previous, m->head.previous, DIGEST_LEN);
	return row;
}

/* Queues every object of the manifest that has no receipt. */
static int manifests_queue(struct flow *flow, uint64_t chain, uint64_t first, uint64_t last)
{
	for (uint64_t n = first; n <= last; n++)
		if (!ledger_settled(&flow->ledger, chain, n) &&
		    flow_enqueue(flow, chain, n) != 0)
			return -1;
	return 0;
}

static enum manifests_verdict manifests_commit(struct flow *flow, struct object *o,
					       struct flow_manifest *m)
{
	struct ledger_manifest row = manifests_row(m);
	enum km_rc rc = ledger_judge(&flow->ledger, m->chain, &row);
	struct km_err err = KM_ERR_INIT;

	if (rc == KM_ERR_EXISTS &&
	    memcmp(ledger_manifest(&flow->ledger, m->chain, m->number)->hash, m->hash,
		   DIGEST_LEN) == 0)
		return MANIFESTS_KNOWN;
	if (rc != KM_OK) {
		voice_add(&flow->shared->voice, VOICE_FORKS, 1);
		manifests_refuse(flow, o, QUARANTINE_FORK);
		return MANIFESTS_FORK;
	}
	if (manifests_write(flow, m, &err) != 0) {
		log_event_limited(EVENT_STATE_UNWRITABLE,
				  "manifest not stored yet: %s channel=%s", err.text,
				  flow->conf->name);
		voice_add(&flow->shared->voice, VOICE_WRITE_ERRORS, 1);
		return MANIFESTS_LATER;
	}
	manifests_check_restart(flow, m->chain);
	manifests_check_chain(flow, m);
	if (ledger_store(&flow->ledger, m->chain, &row) != KM_OK ||
	    manifests_queue(flow, m->chain, row.first, row.last) != 0)
		return MANIFESTS_LATER; /* no memory; a restart takes the file */
	log_event(EVENT_MANIFEST_STORED,
		  "manifest verified and stored channel=%s chain=%" PRIu64
		  " manifest=%" PRIu64 " objects=%" PRIu64 "-%" PRIu64,
		  flow->conf->name, m->chain, m->number, row.first, row.last);
	return MANIFESTS_STORED;
}

enum manifests_verdict manifests_accept(struct flow *flow, struct object *o)
{
	_cleanup_free_ char *blob = malloc((size_t)o->size + 1);
	struct flow_manifest *m = manifests_slot(flow->shared);
	uint64_t text_len;
	struct rd rd;
	enum km_rc rc;

	/* One private copy: checked, parsed and stored from it, whatever the file does. */
	if (!blob || o->size < 4 || o->size > WIRE_MANIFEST_MAX ||
	    shelf_ready(&flow->shelf, o) ||
	    fileio_pread_full(o->fd, blob, (size_t)o->size, 0) != (ssize_t)o->size)
		return MANIFESTS_LATER;
	rd_init(&rd, blob, (size_t)o->size);
	text_len = rd_u32(&rd);
	if (text_len > o->size - 4 || o->size - 4 - text_len > MINISIG_FILE_MAX) {
		manifests_refuse(flow, o, QUARANTINE_MALFORMED);
		return MANIFESTS_REFUSED;
	}
	rc = manifests_check(m, flow->shared, flow->conf->number, o->chain, o->number,
			     blob + 4, (size_t)text_len, blob + 4 + text_len,
			     (size_t)(o->size - 4 - text_len));
	if (rc == KM_ERR_NOMEM) {
		manifests_free_one(m);
		return MANIFESTS_LATER;
	}
	if (rc != KM_OK) {
		manifests_free_one(m);
		manifests_refuse(flow, o,
				 rc == KM_ERR_MALFORMED ? QUARANTINE_MALFORMED
							: QUARANTINE_SIGNATURE);
		return MANIFESTS_REFUSED;
	}
	enum manifests_verdict verdict = manifests_commit(flow, o, m);

	if (verdict == MANIFESTS_STORED) {
		m->flow = flow;
		m->used_at = ++flow->shared->clock;
	} else {
		manifests_free_one(m);
	}
	return verdict;
}

/* ---- start ---- */

/* Chain and number of "<chain>-<number>.manifest": only what we would write ourselves. */
static bool manifests_parse_name(const char *name, uint64_t *chain, uint64_t *number)
{
	char again[MANIFESTS_NAME_MAX];
	int end = 0;

	if (sscanf(name, "%" SCNu64 "-%" SCNu64 ".manifest%n", chain, number, &end) != 2 ||
	    end == 0 || name[end] != 0)
		return false;
	manifest_file_name(again, *chain, *number);
	return strcmp(name, again) == 0;
}

/*
 * A manifest that was stored, but whose row was not written any more: judged as when
 * new.
 */
static void manifests_adopt(struct flow *flow, uint64_t chain, uint64_t number)
{
	struct flow_manifest m = {0};
	struct km_err err = KM_ERR_INIT;
	struct ledger_manifest row;
	char *text, *sig;
	size_t text_len, sig_len;
	enum km_rc rc;

	if (manifests_read(flow, chain, number, &text, &text_len, &sig, &sig_len, &err) !=
	    0)
		return;
	rc = manifests_check(&m, flow->shared, flow->conf->number, chain, number, text,
			     text_len, sig, sig_len);
	if (rc == KM_OK) {
		row = manifests_row(&m);
		rc = ledger_store(&flow->ledger, chain, &row);
	}
	if (rc != KM_OK)
		log_event(EVENT_MANIFEST_REFUSED,
			  "a file in manifests/ is not taken: %s channel=%s chain=%" PRIu64
			  " manifest=%" PRIu64,
			  km_rc_name(rc), flow->conf->name, chain, number);
	free(text);
	free(sig);
	manifests_free_one(&m);
}

int manifests_resume(struct flow *flow, struct km_err *err)
{
	int fd = fileio_open_beneath(flow->root.manifests, ".", O_RDONLY | O_DIRECTORY, 0);
	const struct dirent *entry;
	uint64_t chain, number;
	DIR *dir;

	dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (!dir) {
		km_close(&fd);
		return km_err_set_errno(err, EX_IOERR, "manifests/: cannot read");
	}
	while ((entry = readdir(dir)))
		if (manifests_parse_name(entry->d_name, &chain, &number) &&
		    !ledger_manifest(&flow->ledger, chain, number))
			manifests_adopt(flow, chain, number);
	closedir(dir);
	for (unsigned i = 0; i < flow->ledger.chains; i++) {
		const struct ledger_chain *c = flow->ledger.chain[i];

		if (c->n > 0 && c->id > flow->newest_chain)
			flow->newest_chain = c->id;
		for (size_t j = 0; j < c->n; j++)
			if (manifests_queue(flow, c->id, c->manifest[j].first,
					    c->manifest[j].last) != 0)
				return km_err_set(err, EX_OSERR, "out of memory");
	}
	return 0;
}
