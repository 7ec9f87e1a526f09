// SPDX-License-Identifier: ISC
#include "floors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cursor.h"
#include "digest.h"
#include "fileio.h"

#define FLOORS_FILE_MAX (256u * 1024u)
static const uint8_t floors_magic[8] = {'K', 'M', 'F', 'L', 'O', 'O', 'R', '1'};

static const struct floors_identity *floors_find(const struct floors *f,
						 const uint8_t key[32])
{
	for (unsigned i = 0; i < f->count; i++)
		if (memcmp(f->identity[i].key, key, 32) == 0)
			return &f->identity[i];
	return NULL;
}

static bool floors_knows(const struct floors_identity *identity, uint32_t tag,
			 uint64_t epoch)
{
	for (unsigned i = 0; i < FLOORS_SESSIONS; i++)
		if (epoch != 0 && identity->session[i].epoch == epoch &&
		    identity->session[i].tag == tag)
			return true;
	return false;
}

enum ask_verdict floors_judge(const struct floors *f, const uint8_t key[32], uint32_t tag,
			      uint64_t epoch, uint64_t now_s, uint64_t allowed, bool *far)
{
	const struct floors_identity *identity = floors_find(f, key);
	uint64_t apart = epoch > now_s ? epoch - now_s : now_s - epoch;

	*far = apart > FLOORS_FAR_S;
	if (epoch == 0)
		return ASK_OLD_EPOCH;
	if (identity != NULL && floors_knows(identity, tag, epoch))
		return ASK_ACCEPTED; /* decode asks again after a restart */
	if (allowed == epoch)
		return ASK_ACCEPTED;
	if (identity != NULL && identity->stored && epoch <= identity->floor)
		return ASK_OLD_EPOCH;
	/* A first meeting has nothing but our clock to tell a recording by. */
	if (*far && (identity == NULL || !identity->stored))
		return ASK_FAR_EPOCH;
	return ASK_ACCEPTED;
}

struct floors_session *floors_accept(struct floors *f, const uint8_t key[32], uint32_t tag,
				     uint64_t epoch, uint64_t now_s)
{
	struct floors_identity *identity =
		(struct floors_identity *)(uintptr_t)floors_find(f, key);
	uint64_t floor = epoch < now_s + FLOORS_FAR_S ? epoch : now_s + FLOORS_FAR_S;

	if (identity == NULL) {
		if (f->count == FLOORS_IDENTITIES)
			return NULL;
		identity = &f->identity[f->count++];
		memset(identity, 0, sizeof(*identity));
		memcpy(identity->key, key, 32);
	}
	for (unsigned i = 0; i < FLOORS_SESSIONS; i++)
		if (identity->session[i].epoch == epoch && identity->session[i].tag == tag)
			return &identity->session[i];
	if (!identity->stored || floor > identity->floor)
		identity->floor = floor;
	identity->stored = true;
	memmove(&identity->session[1], &identity->session[0],
		sizeof(identity->session) - sizeof(identity->session[0]));
	memset(&identity->session[0], 0, sizeof(identity->session[0]));
	identity->session[0].tag = tag;
	identity->session[0].epoch = epoch;
	return &identity->session[0];
}

static bool floors_session_raise(struct floors_session *session, uint16_t lane,
				 uint64_t seq)
{
	for (uint32_t i = 0; i < session->lanes; i++) {
		if (session->lane[i].lane != lane)
			continue;
		if (seq > session->lane[i].seq)
			session->lane[i].seq = seq;
		return true;
	}
	if (session->lanes == WIRE_LANES_MAX)
		return false;
	session->lane[session->lanes].lane = lane;
	session->lane[session->lanes++].seq = seq;
	return true;
}

bool floors_raise(struct floors *f, uint32_t tag, uint16_t lane, uint64_t seq)
{
	for (unsigned i = 0; i < f->count; i++)
		for (unsigned j = 0; j < FLOORS_SESSIONS; j++)
			if (f->identity[i].session[j].epoch != 0 &&
			    f->identity[i].session[j].tag == tag)
				return floors_session_raise(&f->identity[i].session[j],
							    lane, seq);
	return false;
}

static void floors_put_session(struct wr *wr, const struct floors_session *session)
{
	wr_u32(wr, session->tag);
	wr_u64(wr, session->epoch);
	wr_u32(wr, session->lanes);
	for (uint32_t i = 0; i < session->lanes; i++) {
		wr_u16(wr, session->lane[i].lane);
		wr_u64(wr, session->lane[i].seq);
	}
}

static void floors_get_session(struct rd *rd, struct floors_session *session)
{
	session->tag = rd_u32(rd);
	session->epoch = rd_u64(rd);
	session->lanes = rd_u32(rd);
	if (session->lanes > WIRE_LANES_MAX) {
		rd->bad = true;
		session->lanes = 0;
	}
	for (uint32_t i = 0; i < session->lanes; i++) {
		session->lane[i].lane = rd_u16(rd);
		session->lane[i].seq = rd_u64(rd);
	}
}

int floors_store(const struct floors *f, int dirfd, struct km_err *err)
{
	_cleanup_free_ uint8_t *buffer = malloc(FLOORS_FILE_MAX);
	struct wr wr;
	uint8_t sum[DIGEST_LEN];

	if (buffer == NULL)
		return km_err_set(err, EX_OSERR, "floors: out of memory");
	wr_init(&wr, buffer, FLOORS_FILE_MAX);
	wr_bytes(&wr, floors_magic, sizeof(floors_magic));
	wr_u32(&wr, f->count);
	for (unsigned i = 0; i < f->count; i++) {
		const struct floors_identity *identity = &f->identity[i];

		wr_bytes(&wr, identity->key, sizeof(identity->key));
		wr_u8(&wr, identity->stored);
		wr_u64(&wr, identity->floor);
		for (unsigned j = 0; j < FLOORS_SESSIONS; j++)
			floors_put_session(&wr, &identity->session[j]);
	}
	digest_sha256(sum, buffer, wr.used);
	wr_bytes(&wr, sum, sizeof(sum));
	if (wr.bad)
		return km_err_set(err, EX_SOFTWARE, "floors: larger than their limit");
	return fileio_write_atomic(dirfd, "floors", buffer, wr.used, 0600, err);
}

static int floors_parse(struct floors *f, const uint8_t *data, size_t len)
{
	uint8_t sum[DIGEST_LEN], magic[sizeof(floors_magic)];
	struct rd rd;

	if (len < sizeof(floors_magic) + sizeof(sum))
		return -1;
	len -= sizeof(sum);
	digest_sha256(sum, data, len);
	if (memcmp(sum, data + len, sizeof(sum)) != 0)
		return -1;
	rd_init(&rd, data, len);
	rd_copy(&rd, magic, sizeof(magic));
	f->count = rd_u32(&rd);
	if (memcmp(magic, floors_magic, sizeof(magic)) != 0 || f->count > FLOORS_IDENTITIES)
		return -1;
	for (unsigned i = 0; i < f->count; i++) {
		struct floors_identity *identity = &f->identity[i];

		rd_copy(&rd, identity->key, sizeof(identity->key));
		identity->stored = rd_u8(&rd) != 0;
		identity->floor = rd_u64(&rd);
		for (unsigned j = 0; j < FLOORS_SESSIONS; j++)
			floors_get_session(&rd, &identity->session[j]);
	}
	return rd_done(&rd) ? 0 : -1;
}

int floors_load(struct floors *f, int dirfd, struct km_err *err)
{
	_cleanup_free_ uint8_t *data = NULL;
	size_t len;

	memset(f, 0, sizeof(*f));
	if (fileio_read_all(dirfd, "floors", FLOORS_FILE_MAX, &data, &len, err) < 0) {
		if (err->saved_errno != ENOENT)
			return -1;
		*err = (struct km_err)KM_ERR_INIT;
		return 0;
	}
	if (floors_parse(f, data, len) == 0)
		return 0;
	memset(f, 0, sizeof(*f));
	return km_err_set(
		err, EX_DATAERR,
		"floors: damaged: restore the file, or remove it knowing that recordings "
		"of the last 24 h would then be taken for the present");
}
