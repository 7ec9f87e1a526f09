// SPDX-License-Identifier: ISC
/*
 * What a hostile decode says to publish (rx/wall/deliver.h), with the segment that it writes
 * while publish reads. Three objects, an empty directory and their signed manifest are known;
 * the input is a script that sends the honest messages in any order, changes a field of one,
 * sends others of its own, scribbles over the segment and over the indices of the ring, and kills publish.
 * The segment lies in memory of exactly its size. Whatever was said: what stands in tree/ is an object
 * of the manifest, whole and unchanged, under its own name; and the sums hold.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "cursor.h"
#include "deliver.h"
#include "digest_many.h"
#include "fuzz_alloc.h"
#include "fuzz_dir.h"
#include "fuzz_signed.h"
#include "fuzz_target.h"
#include "publish.h"
#include "record.h"
#include "rx_config.h"

#define CHANNEL FUZZ_SIGNED_CHANNEL
#define CHAIN FUZZ_SIGNED_CHAIN
#define SEGMENT 32768u
#define OBJECTS 4u /* the last is a directory */
#define PIECES 16u
#define STEPS_MAX 400u
#define IDLE_MAX 400u

enum step {
	STEP_GOOD,  /* u8 message */
	STEP_FIELD, /* u8 message, u8 field, u8 shift, u8 value: one field is changed */
	STEP_RAW,   /* 96 bytes */
	STEP_WRITE, /* u16 offset, u8 xor: in the segment */
	STEP_PAGE,  /* u8 offset, u8 xor: in the page of indices */
	STEP_RUN,
	STEP_KILL,
	STEP_TIME, /* u8 x 100 ms */
	STEP_FULL, /* u8: 1 the disk is full, 0 it is not */
	STEP_COUNT
};

static const struct {
	const char *path;
	size_t size, at;
} object[OBJECTS] = {{"a", 300, 0}, {"b/c", 1, 512}, {"d", 4000, 1024}, {"e", 0, 0}};

static struct rx_config config;
static struct deliver_msg good[PIECES];
static unsigned goods;
static uint8_t honest[SEGMENT];
static uint8_t *memory; /* the deliver ring */

/* Time is the target's (linker option --wrap): who waits, has waited. */
#define START_NS UINT64_C(1000000000000)
static uint64_t skew_ns;
uint64_t __wrap_clock_mono_ns(void);
void __wrap_clock_sleep_until(uint64_t deadline_ns);
bool __wrap_bell_sleep(struct bell *bell, uint32_t ticket, uint64_t timeout_ns);

uint64_t __wrap_clock_mono_ns(void)
{
	return START_NS + skew_ns;
}

void __wrap_clock_sleep_until(uint64_t deadline_ns)
{
	const uint64_t now_ns = __wrap_clock_mono_ns();

	if (deadline_ns > now_ns)
		skew_ns += deadline_ns - now_ns;
}

bool __wrap_bell_sleep(struct bell *bell, uint32_t ticket, uint64_t timeout_ns)
{
	(void)ticket;
	bell_disarm(bell);
	skew_ns += timeout_ns;
	return false;
}

struct scene {
	struct publish *publish;
	uint8_t *segment;
	struct ring ring; /* decode's side */
};

static void content(unsigned i, uint8_t *to)
{
	for (size_t at = 0; at < object[i].size; at++)
		to[at] = (uint8_t)(at * (i + 3) + (at >> 7));
}

/* ---- the honest messages ------------------------------------------------------------ */

static void add_begin(unsigned i, size_t *at)
{
	const struct record_begin b = {.chain = CHAIN,
				       .number = i + 1,
				       .size = object[i].size,
				       .mtime_s = 1700000000,
				       .kind = i == OBJECTS - 1 ? RECORD_OBJECT_DIR
								: RECORD_OBJECT_FILE,
				       .path = (const uint8_t *)object[i].path,
				       .path_len = strlen(object[i].path)};
	uint8_t buf[256];
	struct record r;
	struct wr wr;
	struct rd rd;

	wr_init(&wr, buf, sizeof(buf));
	FUZZ_ASSERT(record_put_begin(&wr, &b) == KM_OK);
	rd_init(&rd, buf, wr.used);
	FUZZ_ASSERT(record_next(&rd, &r) == KM_OK);
	memcpy(honest + *at, r.body, r.body_len);
	good[goods++] = (struct deliver_msg){.type = DELIVER_BEGIN,
					     .channel = CHANNEL,
					     .pos = *at,
					     .len = (uint32_t)r.body_len};
	*at += r.body_len;
}

static void add_data(unsigned i)
{
	content(i, honest + object[i].at);
	for (size_t at = 0; at < object[i].size; at += 2000)
		good[goods++] = (struct deliver_msg){
			.type = DELIVER_FRAGMENT,
			.channel = CHANNEL,
			.chain = CHAIN,
			.number = i + 1,
			.offset = at,
			.pos = object[i].at + at,
			.len = (uint32_t)(object[i].size - at < 2000 ? object[i].size - at
								     : 2000)};
}

static void add_manifest(size_t at)
{
	struct fuzz_signed_object signed_object[OBJECTS];
	static struct fuzz_signed manifest;
	size_t len, half;

	for (unsigned i = 0; i < OBJECTS; i++)
		signed_object[i] = (struct fuzz_signed_object){
			i == OBJECTS - 1 ? MANIFEST_DIR : MANIFEST_FLAT, object[i].path,
			honest + object[i].at, object[i].size};
	fuzz_signed_make(&manifest, signed_object, OBJECTS);
	len = fuzz_signed_blob(&manifest, honest + at, SEGMENT - at);
	half = len / 2;
	for (unsigned i = 0; i < 2; i++)
		good[goods++] =
			(struct deliver_msg){.type = DELIVER_MANIFEST,
					     .channel = CHANNEL,
					     .chain = CHAIN,
					     .number = 1,
					     .offset = i * half,
					     .a = len,
					     .pos = at + i * half,
					     .len = (uint32_t)(i ? len - half : half)};
}

static void open_once(void)
{
	struct rx_config_channel *c = &config.channel[0];
	size_t at = 8192;

	if (memory)
		return;
	fuzz_dir_hush();
	umask(022);
	FUZZ_ASSERT(digest_init(DIGEST_KERNEL_AUTO, NULL) == KM_OK);
	(void)snprintf(config.state_dir, sizeof(config.state_dir), "%s/state",
		       fuzz_dir_path());
	(void)snprintf(config.trust[0], sizeof(config.trust[0]), "%s/tx.pub",
		       fuzz_dir_path());
	(void)snprintf(c->root, sizeof(c->root), "%s/root", fuzz_dir_path());
	(void)snprintf(c->name, sizeof(c->name), "files");
	config.trusted = config.channels = 1;
	config.summary_ns = CLOCK_NEVER;
	c->number = CHANNEL;
	c->keep_generations = 10;
	c->keep_ns = CLOCK_NEVER;
	c->max_object = 1u << 20;
	c->file_mode = 0644;
	c->dir_mode = 0755;
	for (unsigned i = 0; i < OBJECTS; i++)
		add_data(i);
	for (unsigned i = 0; i < OBJECTS; i++)
		add_begin(i, &at);
	add_manifest(16384);
	good[goods++] = (struct deliver_msg){.type = DELIVER_HEADS,
					     .channel = CHANNEL,
					     .chain = CHAIN,
					     .number = 9,
					     .a = 2};
	good[goods++] = (struct deliver_msg){
		.type = DELIVER_WITHDRAWN, .channel = CHANNEL, .chain = CHAIN, .number = 9};
	FUZZ_ASSERT(goods <= PIECES);
	memory = aligned_alloc(4096, deliver_bytes());
	FUZZ_ASSERT(memory);
	memset(memory, 0, deliver_bytes());
}

/* ---- publish and its opposite --------------------------------------------------------- */

static void attach(struct scene *sc)
{
	memset(memory, 0, RING_SLOTS_OFFSET);
	FUZZ_ASSERT(ring_format(memory, deliver_ring_bytes(), DELIVER_MSG_LEN,
				DELIVER_RING_SLOTS) == KM_OK);
	FUZZ_ASSERT(ring_attach(&sc->ring, memory, deliver_ring_bytes(), DELIVER_MSG_LEN,
				DELIVER_RING_SLOTS, RING_PRODUCER) == KM_OK);
}

static void start(struct scene *sc)
{
	const struct publish_setup setup = {.config = &config,
					    .deliver = memory,
					    .deliver_len = deliver_bytes(),
					    .segment = sc->segment,
					    .segment_len = SEGMENT};
	struct km_err err = KM_ERR_INIT;

	sc->publish = publish_open(&setup, &err);
	FUZZ_ASSERT(sc->publish || (err.code && err.text[0]));
}

static uint64_t count(const struct scene *sc, const char *name)
{
	return publish_count(sc->publish, name);
}

/* Until nothing is left to do. A violation ends publish; the supervisor makes a new ring. */
static void run(struct scene *sc)
{
	for (unsigned i = 0, idle = 0; sc->publish && i < IDLE_MAX && idle < 2; i++) {
		const int did = publish_step(sc->publish);

		if (did < 0) {
			FUZZ_ASSERT(count(sc, "violations") > 0);
			publish_close(sc->publish);
			attach(sc);
			start(sc);
			return;
		}
		idle = did || publish_pending(sc->publish) ? 0 : idle + 1;
		if (!did && !idle)
			publish_wait(sc->publish, CLOCK_NS_PER_MS);
	}
	if (sc->publish)
		FUZZ_ASSERT(count(sc, "objects_announced") ==
			    count(sc, "objects_published") +
				    count(sc, "objects_quarantined") +
				    count(sc, "objects_withdrawn") +
				    count(sc, "objects_missing"));
}

static void say(struct scene *sc, const struct deliver_msg *m)
{
	uint64_t slot;

	if (ring_reserve(&sc->ring, 1, &slot) != KM_OK)
		return;
	memcpy(ring_slot(&sc->ring, slot), m, sizeof(*m));
	FUZZ_ASSERT(ring_submit(&sc->ring, 1) == KM_OK);
}

static void say_changed(struct scene *sc, struct rd *rd)
{
	struct deliver_msg m = good[rd_u8(rd) % goods];
	const uint8_t field = rd_u8(rd), shift = rd_u8(rd) % 64;
	const uint64_t value = (uint64_t)rd_u8(rd) << shift;

	switch (field % 9) {
	case 0:
		m.type = (uint16_t)value;
		break;
	case 1:
		m.channel = (uint16_t)value;
		break;
	case 2:
		m.len = (uint32_t)(m.len + value);
		break;
	case 3:
		m.pos += value;
		break;
	case 4:
		m.chain ^= value;
		break;
	case 5:
		m.number += value;
		break;
	case 6:
		m.offset += value;
		break;
	case 7:
		m.a += value;
		break;
	default:
		m.b += value;
		break;
	}
	say(sc, &m);
}

static void step(struct scene *sc, struct rd *rd)
{
	struct deliver_msg m;
	size_t at;

	switch (rd_u8(rd) % STEP_COUNT) {
	case STEP_GOOD:
		say(sc, &good[rd_u8(rd) % goods]);
		break;
	case STEP_FIELD:
		say_changed(sc, rd);
		break;
	case STEP_RAW:
		rd_copy(rd, &m, sizeof(m));
		if (!rd->bad)
			say(sc, &m);
		break;
	case STEP_WRITE:
		at = rd_u16(rd) % SEGMENT;
		sc->segment[at] ^= rd_u8(rd);
		break;
	case STEP_PAGE:
		at = rd_u8(rd);
		memory[at] ^= rd_u8(rd);
		run(sc);
		break;
	case STEP_RUN:
		run(sc);
		break;
	case STEP_FULL:
		config.channel[0].min_free = rd_u8(rd) & 1 ? UINT64_MAX : 0;
		break;
	case STEP_TIME:
		skew_ns += rd_u8(rd) * 100 * CLOCK_NS_PER_MS;
		run(sc);
		break;
	default:
		if (sc->publish)
			publish_abandon(sc->publish);
		attach(sc);
		start(sc);
		break;
	}
}

/* ---- what is visible ------------------------------------------------------------------- */

static void check_file(int tree, const char *path)
{
	static uint8_t want[4096], got[4096];
	struct stat st;
	int fd;

	for (unsigned i = 0; i < OBJECTS; i++) {
		if (strcmp(path, object[i].path) != 0)
			continue;
		fd = openat(tree, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		FUZZ_ASSERT(fd >= 0 && fstat(fd, &st) == 0);
		if (i < OBJECTS - 1) {
			content(i, want);
			FUZZ_ASSERT(S_ISREG(st.st_mode) &&
				    (size_t)st.st_size == object[i].size);
			FUZZ_ASSERT(read(fd, got, sizeof(got)) == (ssize_t)object[i].size);
			FUZZ_ASSERT(memcmp(want, got, object[i].size) == 0);
		}
		close(fd);
		return;
	}
	FUZZ_ASSERT(strcmp(path, "b") == 0);
}

static void check_folder(int tree, const char *folder)
{
	int fd = openat(tree, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	char path[600];

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s%s%s",
			       strcmp(folder, ".") == 0 ? "" : folder,
			       strcmp(folder, ".") == 0 ? "" : "/", entry->d_name);
		check_file(tree, path);
		if (strcmp(path, "b") == 0)
			check_folder(tree, path);
	}
	if (dir)
		closedir(dir);
}

static void check_visible(void)
{
	int tree = openat(fuzz_dir(), "root/tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (tree < 0)
		return; /* publish could not even begin: no memory */
	check_folder(tree, ".");
	close(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scene sc = {.segment = malloc(SEGMENT)};
	struct rd rd;

	open_once();
	FUZZ_ASSERT(sc.segment);
	memcpy(sc.segment, honest, SEGMENT);
	skew_ns = 0;
	config.channel[0].min_free = 0;
	FUZZ_ASSERT(mkdir(config.state_dir, 0755) == 0);
	fuzz_signed_put_key("tx.pub");
	attach(&sc);
	fuzz_alloc_begin(data, size);
	start(&sc);
	rd_init(&rd, data, size);
	for (unsigned i = 0; i < STEPS_MAX && rd_left(&rd) && sc.publish; i++)
		step(&sc, &rd);
	run(&sc);
	if (sc.publish)
		publish_close(sc.publish);
	(void)fuzz_alloc_end();
	check_visible();
	free(sc.segment);
	fuzz_dir_empty();
	return 0;
}
