// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "ipc.h"
#include "minisig.h"
#include "rig.h"
#include "session.h"
#include "sign.h"

static const struct ipc_type questions[] = {
	{.type = SIGN_ASK_SESSION,
	 .size = sizeof(struct sign_ask_session),
	 .name = "session"},
	{.type = SIGN_ASK_MANIFEST,
	 .size = sizeof(struct sign_ask_manifest),
	 .name = "manifest"},
};

static void answer_session(struct rig *rig, const struct ipc_msg *msg)
{
	const struct sign_ask_session *ask = (const void *)msg->body;
	struct sign_session answer = {.rc = KM_OK, .epoch = ++rig->epoch};
	struct session_facts facts = {
		.environment = 1, .epoch = answer.epoch, .created_ns = 1};
	size_t len;

	memcpy(facts.config_digest, ask->config_digest, 32);
	if (session_announce_make(answer.announce, &len, answer.secret, &facts,
				  &rig->identity, &rig->box.pub, 1) != KM_OK)
		answer.rc = KM_ERR_SYS;
	answer.announce_len = (uint32_t)len;
	(void)!ipc_send(rig->sock[1], SIGN_SESSION, &answer, sizeof(answer), NULL, 0,
			CLOCK_NEVER);
}

static void answer_manifest(struct rig *rig, const struct ipc_msg *msg)
{
	const struct sign_ask_manifest *ask = (const void *)msg->body;
	struct sign_manifest answer = {.rc = rig->signer_refuses ? KM_ERR_STATE : KM_OK};

	memcpy(answer.key_number, rig->identity.pub.key_number, 8);
	minisig_sign(answer.sig, answer.global, ask->hash, ask->comment, ask->comment_len,
		     &rig->identity);
	(void)!ipc_send(rig->sock[1], SIGN_MANIFEST, &answer, sizeof(answer), NULL, 0,
			CLOCK_NEVER);
}

static void *signer_run(void *ctx)
{
	const struct ipc_table table = {.rows = questions, .n = KM_COUNT(questions)};
	struct rig *rig = ctx;
	struct ipc_msg msg;

	while (ipc_recv(rig->sock[1], &table, &msg, CLOCK_NEVER) == KM_OK) {
		if (msg.type == SIGN_ASK_SESSION)
			answer_session(rig, &msg);
		else
			answer_manifest(rig, &msg);
	}
	return NULL;
}

const char *rig_path(const struct rig *rig, const char *fmt, ...)
{
	static char path[4][2048];
	static unsigned turn;
	char *at = path[turn++ % 4];
	va_list args;
	int n = snprintf(at, sizeof(path[0]), "%s/", rig->dir);

	va_start(args, fmt);
	(void)vsnprintf(at + n, sizeof(path[0]) - (size_t)n, fmt, args);
	va_end(args);
	return at;
}

uint64_t rig_random(struct rig *rig)
{
	/* xorshift64*: Vigna, 2016. */
	rig->seed ^= rig->seed >> 12;
	rig->seed ^= rig->seed << 25;
	rig->seed ^= rig->seed >> 27;
	return rig->seed * UINT64_C(2685821657736338717);
}

unsigned rig_channel(struct rig *rig, const char *name, unsigned class)
{
	const unsigned i = rig->config.channels++;
	struct tx_config_channel *c = &rig->config.channel[i];

	(void)snprintf(c->name, sizeof(c->name), "%s", name);
	(void)snprintf(c->owner, sizeof(c->owner), "owner");
	(void)snprintf(c->purpose, sizeof(c->purpose), "test");
	(void)snprintf(c->classification, sizeof(c->classification), "none");
	(void)snprintf(c->spool, sizeof(c->spool), "%s", rig_path(rig, "spool%u", i));
	cr_assert_eq(mkdir(c->spool, 0755), 0);
	c->number = (uint16_t)(i + 1);
	c->class = (uint8_t) class;
	c->settle_ns = 30 * CLOCK_NS_PER_MS;
	c->flush_ns = 20 * CLOCK_NS_PER_MS;
	c->keep_ns = 3600 * CLOCK_NS_PER_SEC;
	c->max_object = UINT64_C(1) << 40;
	c->batch_bytes = UINT64_C(64) << 20;
	c->fec_k = 160;
	c->fec_m = 16;
	c->depth_max = 63;
	return i;
}

void rig_open(struct rig *rig, uint32_t mtu)
{
	const char *seed = getenv("KM_SEED");
	struct km_err err = KM_ERR_INIT;

	memset(rig, 0, sizeof(*rig));
	rig->seed = seed ? strtoull(seed, NULL, 0) : 1;
	cr_log_info("KM_SEED=%llu", (unsigned long long)rig->seed);
	(void)snprintf(rig->dir, sizeof(rig->dir), "/tmp/katamichi-source-XXXXXX");
	cr_assert(mkdtemp(rig->dir));
	cr_assert_eq(keys_init(&err), 0);
	keys_sign_generate(&rig->identity);
	keys_box_generate(&rig->box);
	rig->epoch = 1700000000;
	rig->config.mtu = mtu ? mtu : 9000;
	rig->config.rate_bps = UINT64_C(1000000000);
	rig->config.ethertype = WIRE_ETHERTYPE;
	rig->config.session_ns = 3600 * CLOCK_NS_PER_SEC;
	(void)snprintf(rig->config.state_dir, sizeof(rig->config.state_dir), "%s",
		       rig_path(rig, "state"));
	cr_assert_eq(mkdir(rig->config.state_dir, 0755), 0);
	rig_channel(rig, "docs", FRAME_CLASS_NORMAL);
	rig->plan.slots = 256;
	rig->plan.stride =
		(uint32_t)((8 + WIRE_ETHER_VLAN_LEN + rig->config.mtu + 63) / 64 * 64);
	rig->plan.stride += rig->plan.stride / 64 % 2 ? 0 : 64;
	rig->plan.workers = LANE_WORKERS_MAX;
	rig->slots_len = lane_slots_bytes(&rig->plan);
	rig->index_len = lane_index_bytes(&rig->plan);
	rig->plan.workers = 1;
	rig->index = mmap(NULL, rig->index_len, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	rig->slots = mmap(NULL, rig->slots_len, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert(rig->index != MAP_FAILED && rig->slots != MAP_FAILED);
	cr_assert_eq(ipc_pair(rig->sock, &err), 0);
	cr_assert_eq(pthread_create(&rig->signer, NULL, signer_run, rig), 0);
	rig->rx.plan = rig->plan;
}

void rig_start(struct rig *rig)
{
	const struct source_setup setup = {
		.config = &rig->config,
		.plan = rig->plan,
		.index = rig->index,
		.index_len = rig->index_len,
		.slots = rig->slots,
		.slots_len = rig->slots_len,
		.signer = rig->sock[0],
		.port_fd = -1,
		.software = "katamichi-tx test",
	};
	struct km_err err = KM_ERR_INIT;

	memset(rig->index, 0, rig->index_len);
	for (unsigned i = 0; i < lane_rings(&rig->plan); i++)
		cr_assert_eq(ring_format(lane_index_page(rig->index, i), LANE_PAGE,
					 rig->plan.stride, rig->plan.slots),
			     KM_OK);
	rig->source = source_new(&setup, &err);
	cr_assert(rig->source, "%s", err.text);
	cr_assert_eq(source_begin(rig->source, &err), 0, "%s", err.text);
	if (!rig->rx.box)
		model_open(&rig->rx, &rig->plan, rig->index, rig->slots, WIRE_ETHER_LEN,
			   &rig->box, &rig->identity.pub);
	else
		model_reattach(&rig->rx, rig->index, rig->slots);
}

void rig_workers(struct rig *rig, unsigned workers)
{
	rig->config.workers = workers;
	rig->plan.workers = workers;
	rig->rx.plan = rig->plan;
}

void rig_crash(struct rig *rig)
{
	source_free(rig->source);
	rig->source = NULL;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

void rig_close(struct rig *rig)
{
	rig_crash(rig);
	model_close(&rig->rx);
	(void)shutdown(rig->sock[0], SHUT_RDWR);
	close(rig->sock[0]);
	pthread_join(rig->signer, NULL);
	close(rig->sock[1]);
	munmap(rig->index, rig->index_len);
	munmap(rig->slots, rig->slots_len);
	(void)nftw(rig->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void rig_run(struct rig *rig, unsigned quiet_ms, uint64_t frames)
{
	const uint64_t until = rig->rx.frames + frames;
	uint64_t moved_ns = clock_mono_ns();
	uint64_t data = rig->rx.data_bytes;
	struct km_err err = KM_ERR_INIT;

	while (clock_mono_ns() - moved_ns < quiet_ms * CLOCK_NS_PER_MS) {
		cr_assert_eq(source_run(rig->source, CLOCK_NS_PER_MS, &err), 0, "%s",
			     err.text);
		(void)model_take(&rig->rx, 64);
		if (frames && rig->rx.frames >= until)
			return;
		if (rig->rx.data_bytes != data)
			moved_ns = clock_mono_ns();
		data = rig->rx.data_bytes;
	}
}

void rig_run_idle(struct rig *rig)
{
	const uint64_t start_ns = clock_mono_ns();
	const struct counts *c;

	/* A repeat of a manifest may begin at any time: its window is waited for too. */
	do {
		rig_run(rig, 150, 0);
		c = source_counts(rig->source);
		cr_assert_lt(clock_mono_ns() - start_ns, 60 * CLOCK_NS_PER_SEC,
			     "not idle after 60 s: backlog %lu, age %lu, windows never "
			     "closed %u",
			     (unsigned long)c->backlog_files, (unsigned long)c->spool_age_s,
			     model_unclosed(&rig->rx));
	} while (c->backlog_files > 0 || rig_count(rig, "spool0/.katamichi/work") > 0 ||
		 model_unclosed(&rig->rx) > 0);
}

unsigned rig_count(const struct rig *rig, const char *dir)
{
	DIR *list = opendir(rig_path(rig, "%s", dir));
	const struct dirent *entry;
	unsigned count = 0;

	cr_assert(list, "%s: %s", dir, strerror(errno));
	while ((entry = readdir(list)))
		count +=
			strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	closedir(list);
	return count;
}

static uint64_t content_seed(const char *name, uint64_t size)
{
	uint64_t seed = size + 88172645463325252u;

	for (; *name; name++)
		seed = seed * 31 + (uint8_t)*name;
	return seed | 1;
}

static uint64_t content_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

void rig_put(struct rig *rig, const char *name, uint64_t size)
{
	char path[2048];
	uint64_t state = content_seed(name, size);
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s", rig_path(rig, "spool0/in/%s", name));
	for (char *at = path + strlen(rig->dir) + 11; (at = strchr(at, '/')); at++) {
		*at = '\0';
		cr_assert(mkdir(path, 0755) == 0 || errno == EEXIST, "%s: %s", path,
			  strerror(errno));
		*at = '/';
	}
	file = fopen(path, "wb");
	cr_assert(file, "%s: %s", path, strerror(errno));
	for (uint64_t at = 0; at < size; at += 8) {
		const uint64_t word = content_next(&state);

		cr_assert_eq(fwrite(&word, size - at < 8 ? size - at : 8, 1, file), 1);
	}
	cr_assert_eq(fclose(file), 0);
}

void rig_same(const struct rig *rig, const struct model_object *o, const char *name)
{
	uint64_t state;

	cr_assert(o, "%s never came", name);
	state = content_seed(name, o->size);
	cr_assert(model_whole(o), "%s has holes", name);
	for (uint64_t at = 0; at < o->size; at += 8) {
		const uint64_t word = content_next(&state);

		cr_assert_eq(
			memcmp(o->data + at, &word, o->size - at < 8 ? o->size - at : 8), 0,
			"%s differs at %lu", name, (unsigned long)at);
	}
}
