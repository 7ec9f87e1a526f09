// SPDX-License-Identifier: ISC
/*
 * What `katamichi-rx missing` reads: receipts, manifests with their rows and signatures, progress,
 * heads, the line about the link; and what it makes of it, which a person sees and carries to the
 * other side. Input: u8: bit 0 begins with a sound state, then changes { u8 file, u8 how, ... }.
 * Whatever is read: the text is printable, each ticket in it can be read again, and numbers that
 * lie do not keep the command busy.
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32.h"
#include "cursor.h"
#include "digest_many.h"
#include "fuzz_alloc.h"
#include "fuzz_dir.h"
#include "fuzz_signed.h"
#include "fuzz_target.h"
#include "missing.h"
#include "record.h"
#include "ticket.h"

#define FILE_MAX 65536u
#define CHANGES_MAX 64u
#define OBJECTS 4u
#define PART_BYTES 40000u

enum file {
	OBJECTS_FILE,
	MANIFESTS_FILE,
	PROGRESS_FILE,
	HEADS_FILE,
	LINK_FILE,
	MANIFEST_FILE,
	MINISIG_FILE,
	PART_FILE,
	FILES
};

enum how {
	HOW_WHOLE, /* u16 length, bytes: the file's content */
	HOW_ROW, /* the same: one row more, with its checksum; a first row before the first */
	HOW_XOR, /* u16 offset, u8 */
	HOW_CUT, /* u16 length */
	HOW_GONE,
	HOWS
};

static const char *const place[FILES] = {
	"state/files/objects",
	"state/files/manifests",
	"state/files/progress",
	"state/files/heads",
	"state/publish/link",
	"root/manifests/1000-00000001.manifest",
	"root/manifests/1000-00000001.manifest.minisig",
	"root/.incoming/1000-2.part",
};
static const char *const magic[FILES] = {
	"katamichi rx objects 1", "katamichi rx manifests 1", "katamichi rx progress 1"};

struct content {
	uint8_t p[FILE_MAX];
	size_t len;
	bool here;
};

static struct content sound[FILES], now[FILES];
static struct rx_config config;

/* ---- the sound state --------------------------------------------------------------- */

static void whole(struct content *c, const void *p, size_t len)
{
	memcpy(c->p, p, len < FILE_MAX ? len : FILE_MAX);
	c->len = len < FILE_MAX ? len : FILE_MAX;
	c->here = true;
}

static void one_row(struct content *c, const void *p, size_t len)
{
	struct wr wr;

	wr_init(&wr, c->p + c->len, FILE_MAX - c->len);
	wr_u32(&wr, (uint32_t)len);
	wr_u32(&wr, crc32_add(0, p, len));
	wr_bytes(&wr, p, len);
	if (wr_ok(&wr))
		c->len += wr.used;
	c->here = true;
}

static void row(struct content *c, enum file file, const void *p, size_t len)
{
	if (c->len == 0 && magic[file])
		one_row(c, magic[file], strlen(magic[file]));
	one_row(c, p, len);
}

static void begin_of(uint64_t number, uint64_t size, const char *path)
{
	uint8_t buf[128];
	struct wr wr;

	wr_init(&wr, buf, sizeof(buf));
	wr_u8(&wr, 2); /* PROGRESS_BEGIN */
	wr_u8(&wr, 0);
	wr_varint(&wr, FUZZ_SIGNED_CHAIN);
	wr_varint(&wr, number);
	wr_u8(&wr, RECORD_OBJECT_FILE);
	wr_varint(&wr, size);
	wr_u64(&wr, 1700000000);
	wr_u32(&wr, 0);
	wr_bytes(&wr, path, strlen(path));
	row(&sound[PROGRESS_FILE], PROGRESS_FILE, buf, wr.used);
}

static void bytes_of(uint64_t number, uint64_t from, uint64_t to)
{
	uint8_t buf[64];
	struct wr wr;

	wr_init(&wr, buf, sizeof(buf));
	wr_u8(&wr, 4); /* PROGRESS_SAFE */
	wr_u8(&wr, 0);
	wr_varint(&wr, FUZZ_SIGNED_CHAIN);
	wr_varint(&wr, number);
	wr_varint(&wr, from);
	wr_varint(&wr, to);
	row(&sound[PROGRESS_FILE], PROGRESS_FILE, buf, wr.used);
}

/* Object 1 is published, of 2 there is a part with holes; 3 and 4 are missing, and so are, after
 * what heads say, more objects and a manifest. */
static void make_sound(void)
{
	static uint8_t part[PART_BYTES];
	const struct fuzz_signed_object object[OBJECTS] = {
		{MANIFEST_FLAT, "a", part, 300},
		{MANIFEST_FLAT, "b/c", part, 1 << 16},
		{MANIFEST_FLAT, "d", part, 4000},
		{MANIFEST_DIR, "e", part, 0}};
	static struct fuzz_signed manifest;
	char text[160], hex[DIGEST_HEX_LEN + 1];
	uint8_t buf[160];
	struct wr wr;

	fuzz_signed_make(&manifest, object, OBJECTS);
	whole(&sound[MANIFEST_FILE], manifest.text, manifest.len);
	whole(&sound[MINISIG_FILE], manifest.sig, manifest.sig_len);
	whole(&sound[PART_FILE], part, sizeof(part));
	wr_init(&wr, buf, sizeof(buf));
	wr_varint(&wr, FUZZ_SIGNED_CHAIN);
	wr_varint(&wr, 1);
	wr_varint(&wr, 1);
	wr_varint(&wr, OBJECTS);
	wr_bytes(&wr, manifest.hash, DIGEST_LEN);
	wr_bytes(&wr, part, DIGEST_LEN);
	row(&sound[MANIFESTS_FILE], MANIFESTS_FILE, buf, wr.used);
	wr_init(&wr, buf, sizeof(buf));
	wr_u8(&wr, 1); /* LEDGER_PUBLISHED */
	wr_varint(&wr, FUZZ_SIGNED_CHAIN);
	wr_varint(&wr, 1);
	wr_u8(&wr, 0);
	wr_bytes(&wr, part, DIGEST_LEN);
	wr_u8(&wr, 'a');
	row(&sound[OBJECTS_FILE], OBJECTS_FILE, buf, wr.used);
	begin_of(2, 1 << 16, "b/c");
	for (uint64_t at = 0; at < PART_BYTES; at += 1600)
		bytes_of(2, at, at + 1200);
	digest_hex(hex, manifest.hash);
	whole(&sound[HEADS_FILE], text,
	      (size_t)snprintf(text, sizeof(text), "1000 9 3 %s\n", hex));
	whole(&sound[LINK_FILE], "state=heard heard_ns=1700000000000000000\n", 41);
}

static void open_once(void)
{
	struct rx_config_channel *c = &config.channel[0];

	if (config.channels)
		return;
	fuzz_dir_hush();
	FUZZ_ASSERT(digest_init(DIGEST_KERNEL_AUTO, NULL) == KM_OK);
	(void)snprintf(config.state_dir, sizeof(config.state_dir), "%s/state",
		       fuzz_dir_path());
	(void)snprintf(config.trust[0], sizeof(config.trust[0]), "%s/tx.pub",
		       fuzz_dir_path());
	(void)snprintf(c->root, sizeof(c->root), "%s/root", fuzz_dir_path());
	(void)snprintf(c->name, sizeof(c->name), "files");
	c->number = FUZZ_SIGNED_CHANNEL;
	config.trusted = config.channels = 1;
	make_sound();
}

/* ---- what the input makes of it ------------------------------------------------------ */

static void change(struct rd *rd)
{
	const enum file file = rd_u8(rd) % FILES;
	const enum how how = rd_u8(rd) % HOWS;
	struct content *c = &now[file];
	size_t n = how == HOW_GONE ? 0 : rd_u16(rd);
	const uint8_t *p;

	if (how == HOW_WHOLE || how == HOW_ROW) {
		n = n < rd_left(rd) ? n : rd_left(rd);
		p = rd_bytes(rd, n);
		if (p && how == HOW_WHOLE)
			whole(c, p, n);
		else if (p)
			row(c, file, p, n);
	} else if (how == HOW_XOR) {
		const uint8_t xor = rd_u8(rd);

		if (c->len)
			c->p[n % c->len] ^= xor;
	} else if (how == HOW_CUT) {
		c->len = n < c->len ? n : c->len;
	} else {
		c->here = false;
	}
}

static void write_files(void)
{
	static const char *const folders[] = {
		"state",	  "state/files",      "state/publish",	  "root",
		"root/.incoming", "root/.quarantine", "root/generations", "root/manifests",
		"root/tree",
	};

	for (size_t i = 0; i < KM_COUNT(folders); i++)
		FUZZ_ASSERT(mkdirat(fuzz_dir(), folders[i], 0700) == 0);
	for (unsigned i = 0; i < FILES; i++)
		if (now[i].here)
			fuzz_dir_put(place[i], now[i].p, now[i].len);
	fuzz_signed_put_key("tx.pub");
}

/* ---- what comes out ------------------------------------------------------------------- */

static void check_text(const char *text, size_t len)
{
	static const char key[] = "  ticket ";
	struct ticket ticket;

	for (size_t at = 0, end; at < len; at = end + 1) {
		const char *line = text + at;

		for (end = at; end < len && text[end] != '\n'; end++)
			FUZZ_ASSERT((uint8_t)text[end] >= 0x20 && text[end] != 0x7f);
		FUZZ_ASSERT(end < len); /* whole lines */
		if (end - at > sizeof(key) && memcmp(line, key, sizeof(key) - 1) == 0)
			FUZZ_ASSERT(ticket_decode(&ticket, line + sizeof(key) - 1,
						  end - at - (sizeof(key) - 1)) == KM_OK &&
				    ticket.channel == FUZZ_SIGNED_CHANNEL);
	}
}

static void print(const uint8_t *data, size_t size)
{
	struct km_err err = KM_ERR_INIT;
	uint64_t missing = 0;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	int rc;

	FUZZ_ASSERT(out != NULL);
	fuzz_alloc_begin(data, size);
	rc = missing_print(&config, NULL, out, &missing, &err);
	(void)fuzz_alloc_end();
	FUZZ_ASSERT(fclose(out) == 0);
	FUZZ_ASSERT(rc == 0 || (err.code && err.text[0]));
	check_text(text, len);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd rd;
	bool begin;

	open_once();
	rd_init(&rd, data, size);
	begin = rd_u8(&rd) & 1;
	for (unsigned i = 0; i < FILES; i++) {
		now[i].len = 0;
		now[i].here = false;
		if (begin && sound[i].here)
			whole(&now[i], sound[i].p, sound[i].len);
	}
	for (unsigned i = 0; i < CHANGES_MAX && rd_left(&rd); i++)
		change(&rd);
	write_files();
	print(data, size);
	fuzz_dir_empty();
	return 0;
}
