// SPDX-License-Identifier: ISC
#include "publish_rig.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "cursor.h"
#include "digest_many.h"
#include "log.h"
#include "minisig.h"

#define SAVE(secret_, public_)                                                             \
	(&(const struct keys_save){.secret = (secret_), .public = (public_)})

uint64_t rig_seed(void)
{
	const char *given = getenv("KM_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : clock_real_ns();

	fprintf(stderr, "KM_SEED=%" PRIu64 "\n", seed);
	return seed;
}

uint64_t rig_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static void rig_discard_log(void *ctx, int level, enum event event, const char *line,
			    size_t len)
{
	(void)ctx;
	(void)level;
	(void)event;
	(void)line;
	(void)len;
}

static void rig_config(struct rig *rig)
{
	struct rx_config_channel *c = &rig->config.channel[0];
	struct km_err err = KM_ERR_INIT;
	char secret[128];
	const uint8_t number[8] = "KATAMICH", seed[32] = "publish rig";

	snprintf(rig->config.state_dir, sizeof(rig->config.state_dir), "%s/state",
		 rig->dir);
	snprintf(c->root, sizeof(c->root), "%s/root", rig->dir);
	snprintf(c->name, sizeof(c->name), "files");
	snprintf(rig->config.trust[0], sizeof(rig->config.trust[0]), "%s/tx.pub", rig->dir);
	snprintf(secret, sizeof(secret), "%s/tx.key", rig->dir);
	rig->config.trusted = 1;
	rig->config.channels = 1;
	rig->config.summary_ns = 3600 * CLOCK_NS_PER_SEC;
	c->number = RIG_CHANNEL;
	c->replace = RX_REPLACE_GENERATION;
	c->keep_generations = 10;
	c->keep_ns = 30 * 86400 * CLOCK_NS_PER_SEC;
	c->max_object = UINT64_C(1) << 40;
	c->min_free = 0;
	c->file_mode = 0644;
	c->dir_mode = 0755;
	cr_assert_eq(keys_init(&err), 0);
	keys_sign_from_seed(&rig->key, number, seed);
	if (access(secret, F_OK) != 0) {
		cr_assert_eq(mkdir(rig->config.state_dir, 0755), 0);
		cr_assert_eq(
			keys_sign_save(&rig->key, SAVE(secret, rig->config.trust[0]), &err),
			0, "%s", err.text);
	}
}

void rig_init(struct rig *rig, const char *dir)
{
	int map = MAP_SHARED | MAP_ANONYMOUS;

	memset(rig, 0, sizeof(*rig));
	umask(0);
	if (!getenv("KM_LOG"))
		log_set_sink(rig_discard_log, NULL);
	if (dir) {
		snprintf(rig->dir, sizeof(rig->dir), "%s", dir);
	} else {
		snprintf(rig->dir, sizeof(rig->dir), "/tmp/publish-test-XXXXXX");
		cr_assert_not_null(mkdtemp(rig->dir));
	}
	rig_config(rig);
	rig->deliver = mmap(NULL, deliver_bytes(), PROT_READ | PROT_WRITE, map, -1, 0);
	rig->segment = mmap(NULL, RIG_SEGMENT, PROT_READ | PROT_WRITE, map, -1, 0);
	cr_assert_neq(rig->deliver, MAP_FAILED);
	cr_assert_neq(rig->segment, MAP_FAILED);
	cr_assert_eq(ring_format(rig->deliver, deliver_ring_bytes(), DELIVER_MSG_LEN,
				 DELIVER_RING_SLOTS),
		     KM_OK);
	cr_assert_eq(ring_attach(&rig->ring, rig->deliver, deliver_ring_bytes(),
				 DELIVER_MSG_LEN, DELIVER_RING_SLOTS, RING_PRODUCER),
		     KM_OK);
	ring_set_bells(&rig->ring, &deliver_bells(rig->deliver)->publish,
		       &deliver_bells(rig->deliver)->decode);
}

void rig_start(struct rig *rig)
{
	struct publish_setup setup = {.config = &rig->config,
				      .deliver = rig->deliver,
				      .deliver_len = deliver_bytes(),
				      .segment = rig->segment,
				      .segment_len = RIG_SEGMENT,
				      .scan = rig->scan};
	struct km_err err = KM_ERR_INIT;

	cr_assert_eq(digest_init(DIGEST_KERNEL_AUTO, NULL), KM_OK);
	rig->publish = publish_open(&setup, &err);
	cr_assert_not_null(rig->publish, "%s", err.text);
}

void rig_stop(struct rig *rig)
{
	publish_close(rig->publish);
	rig->publish = NULL;
}

void rig_kill(struct rig *rig)
{
	publish_abandon(rig->publish);
	rig->publish = NULL;
}

static int rig_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void rig_free(struct rig *rig)
{
	if (rig->publish)
		rig_stop(rig);
	nftw(rig->dir, rig_remove, 16, FTW_DEPTH | FTW_PHYS);
	munmap(rig->deliver, deliver_bytes());
	munmap(rig->segment, RIG_SEGMENT);
}

void rig_settle(struct rig *rig)
{
	unsigned idle = 0;

	/* Two idle rounds: the first may have queued something by a timer. */
	while (idle < 2) {
		int did = publish_step(rig->publish);

		cr_assert_geq(did, 0);
		idle = did || publish_pending(rig->publish) ? 0 : idle + 1;
		if (!did && idle == 0)
			publish_wait(rig->publish, CLOCK_NS_PER_MS);
	}
}

void rig_content(uint64_t seed, uint64_t offset, uint8_t *out, size_t len)
{
	for (size_t i = 0; i < len;) {
		uint64_t state = seed * UINT64_C(0x2545f4914f6cdd1d) + (offset + i) / 8;
		uint64_t word = rig_random(&state);
		size_t skip = (size_t)((offset + i) % 8), n = 8 - skip;

		n = n < len - i ? n : len - i;
		memcpy(out + i, (uint8_t *)&word + skip, n);
		i += n;
	}
}

void rig_digest(const struct rig_object *o, uint8_t digest[DIGEST_LEN])
{
	static uint8_t buf[1u << 20];
	struct digest_object *d = digest_object_new(o->size);

	for (uint64_t at = 0; at < o->size;) {
		size_t n =
			o->size - at < sizeof(buf) ? (size_t)(o->size - at) : sizeof(buf);

		rig_content(o->seed, at, buf, n);
		digest_object_update(d, buf, n);
		at += n;
	}
	cr_assert_eq(digest_object_end(d, digest), KM_OK);
	digest_object_free(d);
}

void rig_send(struct rig *rig, struct deliver_msg *m, const void *data, size_t len)
{
	uint64_t slot;

	/* Half the segment may be waiting: then the oldest bytes are still those sent. */
	while (ring_reserve(&rig->ring, 1, &slot) != KM_OK) {
		if (rig->publish)
			cr_assert_geq(publish_step(rig->publish), 0);
		else
			usleep(1000);
	}
	if (len > 0) {
		if (RIG_SEGMENT - rig->segment_at < len) {
			/* Wrap only when nothing points into the segment any more. */
			while (ring_ready(&rig->ring) + 1 < (int64_t)DELIVER_RING_SLOTS) {
				if (rig->publish)
					cr_assert_geq(publish_step(rig->publish), 0);
				else
					usleep(1000);
			}
			rig->segment_at = 0;
		}
		memcpy(rig->segment + rig->segment_at, data, len);
		m->pos = rig->segment_at;
		m->len = (uint32_t)len;
		rig->segment_at += len;
	}
	if (m->channel == 0)
		m->channel = RIG_CHANNEL;
	memcpy(ring_slot(&rig->ring, slot), m, sizeof(*m));
	cr_assert_eq(ring_submit(&rig->ring, 1), KM_OK);
}

void rig_begin(struct rig *rig, const struct rig_object *o)
{
	struct record_begin b = {.chain = o->chain,
				 .number = o->number,
				 .size = o->size,
				 .mtime_s = 1700000000 + (int64_t)o->number,
				 .mtime_ns = 5,
				 .kind = o->kind == MANIFEST_DIR ? RECORD_OBJECT_DIR
								 : RECORD_OBJECT_FILE,
				 .path = (const uint8_t *)o->path,
				 .path_len = strlen(o->path)};
	struct deliver_msg m = {
		.type = DELIVER_BEGIN, .chain = o->chain, .number = o->number};
	uint8_t buf[2048];
	struct record r;
	struct wr wr;
	struct rd rd;

	wr_init(&wr, buf, sizeof(buf));
	cr_assert_eq(record_put_begin(&wr, &b), KM_OK);
	rd_init(&rd, buf, wr.used);
	cr_assert_eq(record_next(&rd, &r), KM_OK);
	rig_send(rig, &m, r.body, r.body_len);
}

void rig_fragment(struct rig *rig, const struct rig_object *o, uint64_t offset, size_t len)
{
	struct deliver_msg m = {.type = DELIVER_FRAGMENT,
				.chain = o->chain,
				.number = o->number,
				.offset = offset};
	uint8_t buf[65536];

	rig_content(o->seed, offset, buf, len);
	rig_send(rig, &m, buf, len);
}

void rig_data(struct rig *rig, const struct rig_object *o)
{
	rig_begin(rig, o);
	for (uint64_t at = 0; at < o->size; at += RIG_PIECE)
		rig_fragment(rig, o, at,
			     o->size - at < RIG_PIECE ? (size_t)(o->size - at) : RIG_PIECE);
}

void rig_heads(struct rig *rig, uint64_t chain, uint64_t objects, uint64_t manifests)
{
	struct deliver_msg m = {
		.type = DELIVER_HEADS, .chain = chain, .number = objects, .a = manifests};

	rig_send(rig, &m, NULL, 0);
}

static size_t rig_manifest_text(struct rig *rig, const struct rig_object *objects, size_t n,
				uint64_t number, const uint8_t *previous, char *out,
				size_t cap)
{
	struct manifest_entry *entries = calloc(n, sizeof(*entries));
	struct manifest_head head = {.channel = RIG_CHANNEL,
				     .channel_name = "files",
				     .owner = "operations",
				     .purpose = "test",
				     .classification = "open",
				     .chain = objects[0].chain,
				     .number = number,
				     .first = objects[0].number,
				     .last = objects[n - 1].number,
				     .created_ns = UINT64_C(1700000000000000000),
				     .software = "katamichi test"};
	size_t len = 0;
	enum km_rc rc;

	keys_fingerprint(head.fingerprint, rig->key.pub.pk);
	if (previous)
		memcpy(head.previous, previous, DIGEST_LEN);
	else if (number > 1)
		memset(head.previous, 0x55, DIGEST_LEN); /* some predecessor */
	for (size_t i = 0; i < n; i++) {
		const struct rig_object *o = &objects[i];

		entries[i] =
			(struct manifest_entry){.kind = o->kind,
						.number = o->number,
						.reason = o->reason,
						.mtime_s = 1700000000 + (int64_t)o->number,
						.mtime_ns = 5,
						.path = (const uint8_t *)o->path,
						.path_len = strlen(o->path)};
		if (o->kind == MANIFEST_FLAT || o->kind == MANIFEST_TREE)
			rig_digest(o, entries[i].digest);
	}
	rc = manifest_write(out, cap, &len, &head, entries, n);
	cr_assert_eq(rc, KM_OK, "manifest_write: %s", km_rc_name(rc));
	free(entries);
	return len;
}

uint8_t *rig_manifest_bytes(struct rig *rig, const struct rig_object *objects, size_t n,
			    uint64_t number, const uint8_t *previous, uint8_t *hash,
			    size_t *len)
{
	size_t cap = 4096 + n * (WIRE_PATH_MAX * 2 + 200), text_len;
	uint8_t *bytes = malloc(cap), digest[DIGEST_LEN], h[MINISIG_HASH_LEN], sig[64],
		global[64];
	char comment[MINISIG_COMMENT_MAX + 1];
	struct wr wr;

	text_len = rig_manifest_text(rig, objects, n, number, previous, (char *)bytes + 4,
				     cap - 4 - MINISIG_FILE_MAX);
	digest_sha256(digest, bytes + 4, text_len);
	if (hash)
		memcpy(hash, digest, DIGEST_LEN);
	manifest_comment(comment, objects[0].chain, number, digest);
	minisig_hash(h, bytes + 4, text_len);
	minisig_sign(sig, global, h, comment, strlen(comment), &rig->key);
	*len = 4 + text_len;
	*len += minisig_compose((char *)bytes + *len, rig->key.pub.key_number, sig, global,
				comment, strlen(comment));
	wr_init(&wr, bytes, 4);
	wr_u32(&wr, (uint32_t)text_len);
	return bytes;
}

void rig_send_manifest(struct rig *rig, uint64_t chain, uint64_t number,
		       const uint8_t *bytes, size_t len)
{
	for (size_t at = 0; at < len; at += RIG_PIECE) {
		struct deliver_msg m = {.type = DELIVER_MANIFEST,
					.chain = chain,
					.number = number,
					.offset = at,
					.a = len};

		rig_send(rig, &m, bytes + at, len - at < RIG_PIECE ? len - at : RIG_PIECE);
	}
}

void rig_manifest(struct rig *rig, const struct rig_object *objects, size_t n,
		  uint64_t number, const uint8_t *previous, uint8_t *hash)
{
	size_t len;
	uint8_t *bytes = rig_manifest_bytes(rig, objects, n, number, previous, hash, &len);

	rig_send_manifest(rig, objects[0].chain, number, bytes, len);
	free(bytes);
}

const char *rig_path(const struct rig *rig, const char *below, const char *path)
{
	static char buf[2048];

	snprintf(buf, sizeof(buf), "%s/root/%s/%s", rig->dir, below, path);
	return buf;
}

bool rig_exists(const struct rig *rig, const char *below, const char *path)
{
	struct stat st;

	return lstat(rig_path(rig, below, path), &st) == 0;
}

bool rig_has(const struct rig *rig, const char *below, const char *path, uint64_t seed,
	     uint64_t size)
{
	static uint8_t want[65536], got[65536];
	int fd = open(rig_path(rig, below, path), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	bool same;

	if (fd < 0)
		return false;
	same = fstat(fd, &st) == 0 && (uint64_t)st.st_size == size;
	for (uint64_t at = 0; same && at < size;) {
		size_t n = size - at < sizeof(want) ? (size_t)(size - at) : sizeof(want);

		rig_content(seed, at, want, n);
		same = pread(fd, got, n, (off_t)at) == (ssize_t)n &&
		       memcmp(got, want, n) == 0;
		at += n;
	}
	close(fd);
	return same;
}

static unsigned rig_files;

static int rig_count(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)path;
	(void)st;
	(void)ftw;
	rig_files += type == FTW_F || type == FTW_SL;
	return 0;
}

unsigned rig_count_files(const struct rig *rig, const char *below)
{
	rig_files = 0;
	nftw(rig_path(rig, below, ""), rig_count, 16, FTW_PHYS);
	return rig_files;
}

void rig_check_sum(struct rig *rig)
{
	struct publish *p = rig->publish;

	/* The sums are made once a second and after work: make one more round of the clock. */
	cr_assert_eq(publish_count(p, "objects_announced"),
		     publish_count(p, "objects_published") +
			     publish_count(p, "objects_quarantined") +
			     publish_count(p, "objects_withdrawn") +
			     publish_count(p, "objects_missing"));
}
