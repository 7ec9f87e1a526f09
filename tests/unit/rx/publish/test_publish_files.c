// SPDX-License-Identifier: ISC
/* rx publish as a whole, with an honest decode: what arrives, in whatever order. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "missing.h"
#include "publish_rig.h"
#include "ticket.h"
#include "verify.h"

TestSuite(publish_files, .timeout = 120);

static struct rig rig;

static struct rig_object object(uint64_t number, const char *path, uint64_t size,
				uint64_t seed)
{
	struct rig_object o = {.chain = RIG_CHAIN,
			       .number = number,
			       .size = size,
			       .seed = seed,
			       .kind = digest_is_tree(size) ? MANIFEST_TREE
							    : MANIFEST_FLAT};

	snprintf(o.path, sizeof(o.path), "%s", path);
	return o;
}

static void expect(const char *counter, uint64_t value)
{
	cr_expect_eq(publish_count(rig.publish, counter), value, "%s is %llu, not %llu",
		     counter, (unsigned long long)publish_count(rig.publish, counter),
		     (unsigned long long)value);
}

static uint64_t verify_findings(void)
{
	struct km_err err = KM_ERR_INIT;
	uint64_t findings = 0;
	FILE *out = fopen("/dev/null", "w");

	cr_assert_eq(verify_print(&rig.config, NULL, out, &findings, &err), 0, "%s",
		     err.text);
	fclose(out);
	return findings;
}

/* Output of `missing`, in memory that the caller frees. */
static char *missing_text(uint64_t *count)
{
	struct km_err err = KM_ERR_INIT;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	cr_assert_eq(missing_print(&rig.config, NULL, out, count, &err), 0, "%s", err.text);
	fclose(out);
	return text;
}

Test(publish_files, thousand_small_files)
{
	static struct rig_object o[1000];
	struct stat st;

	rig_init(&rig, NULL);
	rig_start(&rig);
	for (unsigned i = 0; i < 1000; i++) {
		char path[64];

		snprintf(path, sizeof(path), "d%02u/sub/f%04u", i / 100, i);
		o[i] = object(i + 1, path, i % 7 == 0 ? 0 : 17 * i, i);
		rig_data(&rig, &o[i]);
	}
	rig_heads(&rig, RIG_CHAIN, 1000, 1);
	rig_settle(&rig);
	expect("objects_published", 0);
	cr_expect_eq(rig_count_files(&rig, "tree"), 0);
	rig_manifest(&rig, o, 1000, 1, NULL, NULL);
	rig_settle(&rig);
	expect("objects_published", 1000);
	expect("objects_missing", 0);
	expect("objects_partial", 0);
	rig_check_sum(&rig);
	for (unsigned i = 0; i < 1000; i++)
		cr_assert(rig_has(&rig, "tree", o[i].path, o[i].seed, o[i].size), "%s",
			  o[i].path);
	cr_assert_eq(stat(rig_path(&rig, "tree", o[5].path), &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0644);
	cr_expect_eq(st.st_mtim.tv_sec, 1700000006);
	cr_expect_eq(st.st_mtim.tv_nsec, 5);
	cr_expect_eq(rig_count_files(&rig, ".incoming"), 0);
	cr_expect_eq(verify_findings(), 0);
	rig_free(&rig);
}

/* 70 MiB takes the tree digest; pieces in random order, every tenth twice. */
Test(publish_files, large_object_in_random_order)
{
	struct rig_object o = object(1, "large.bin", (70u << 20) + 4321, 99);
	size_t pieces = (size_t)((o.size + RIG_PIECE - 1) / RIG_PIECE);
	uint64_t seed = rig_seed();
	uint32_t *order = calloc(pieces, sizeof(*order));

	rig_init(&rig, NULL);
	rig_start(&rig);
	for (size_t i = 0; i < pieces; i++) {
		size_t j = (size_t)(rig_random(&seed) % (i + 1));

		order[i] = order[j];
		order[j] = (uint32_t)i;
	}
	for (size_t i = 0; i < pieces; i++) {
		uint64_t at = (uint64_t)order[i] * RIG_PIECE;
		size_t len = o.size - at < RIG_PIECE ? (size_t)(o.size - at) : RIG_PIECE;

		if (i == pieces / 2)
			rig_begin(&rig, &o);
		rig_fragment(&rig, &o, at, len);
		if (i % 10 == 0)
			rig_fragment(&rig, &o, at, len);
	}
	rig_manifest(&rig, &o, 1, 1, NULL, NULL);
	rig_settle(&rig);
	expect("objects_published", 1);
	cr_expect(publish_count(rig.publish, "duplicates") > 0);
	cr_expect(rig_has(&rig, "tree", "large.bin", o.seed, o.size));
	cr_expect_eq(verify_findings(), 0);
	free(order);
	rig_free(&rig);
}

Test(publish_files, directories_withdrawn_and_lost_begin)
{
	struct rig_object o[5] = {object(1, "a-dir", 0, 0), object(2, "b-gone", 10, 2),
				  object(3, "c/empty", 0, 3),
				  object(4, "c/no-begin", 20000, 4),
				  object(5, "z/deep/dir", 0, 5)};
	struct stat st;

	o[0].kind = o[4].kind = MANIFEST_DIR;
	o[1].kind = MANIFEST_WITHDRAWN;
	o[1].reason = RECORD_WITHDRAWN_CHANGED;
	rig_init(&rig, NULL);
	rig_start(&rig);
	rig_begin(&rig, &o[0]);
	rig_begin(&rig, &o[1]);
	rig_fragment(&rig, &o[1], 0, 5);
	/* 3 and 5: begin records lost, and nothing else belongs to them */
	for (uint64_t at = 0; at < o[3].size; at += RIG_PIECE)
		rig_fragment(&rig, &o[3], at,
			     o[3].size - at < RIG_PIECE ? (size_t)(o[3].size - at)
							: RIG_PIECE);
	rig_manifest(&rig, o, 5, 1, NULL, NULL);
	for (unsigned i = 0; i < 40; i++) {
		rig_settle(&rig);
		usleep(100000);
	}
	expect("objects_published", 4);
	expect("objects_withdrawn", 1);
	expect("objects_missing", 0);
	rig_check_sum(&rig);
	cr_expect(rig_has(&rig, "tree", "c/no-begin", 4, 20000));
	cr_expect(rig_has(&rig, "tree", "c/empty", 3, 0));
	cr_expect(!rig_exists(&rig, "tree", "b-gone"));
	cr_assert_eq(stat(rig_path(&rig, "tree", "z/deep/dir"), &st), 0);
	cr_expect(S_ISDIR(st.st_mode));
	cr_expect_eq(rig_count_files(&rig, ".incoming"), 0);
	rig_free(&rig);
}

Test(publish_files, manifest_first_and_twice)
{
	struct rig_object o[2] = {object(1, "one", 30000, 1), object(2, "two", 5, 2)};

	rig_init(&rig, NULL);
	rig_start(&rig);
	rig_manifest(&rig, o, 2, 1, NULL, NULL);
	rig_settle(&rig);
	expect("manifests_stored", 1);
	expect("objects_missing", 2);
	rig_data(&rig, &o[1]);
	rig_settle(&rig);
	expect("objects_published", 1);
	rig_manifest(&rig, o, 2, 1, NULL, NULL);
	rig_data(&rig, &o[0]);
	rig_data(&rig, &o[0]);
	rig_settle(&rig);
	expect("objects_published", 2);
	expect("manifests_stored", 1);
	expect("manifests_refused", 0);
	cr_expect(rig_has(&rig, "tree", "one", 1, 30000));
	rig_free(&rig);
}

/* Ten generations of one name; keep two former ones. Then an older one comes late. */
Test(publish_files, generations)
{
	struct rig_object o[10];
	char name[64];

	rig_init(&rig, NULL);
	rig.config.channel[0].keep_generations = 2;
	rig_start(&rig);
	for (unsigned i = 0; i < 10; i++) {
		o[i] = object(i + 1, "report.csv", 1000 + i, 100 + i);
		if (i == 8)
			continue;
		rig_data(&rig, &o[i]);
		rig_manifest(&rig, &o[i], 1, i + 1, NULL, NULL);
		rig_settle(&rig);
		cr_assert(rig_has(&rig, "tree", "report.csv", o[i].seed, o[i].size));
	}
	cr_expect_eq(rig_count_files(&rig, "generations"), 2);
	/* number 9 comes after 10: never over it */
	rig_data(&rig, &o[8]);
	rig_manifest(&rig, &o[8], 1, 9, NULL, NULL);
	rig_settle(&rig);
	cr_expect(rig_has(&rig, "tree", "report.csv", o[9].seed, o[9].size));
	snprintf(name, sizeof(name), "%llu-%012u/report.csv", (unsigned long long)RIG_CHAIN,
		 9);
	cr_expect(rig_has(&rig, "generations", name, o[8].seed, o[8].size));
	cr_expect_eq(rig_count_files(&rig, "generations"), 2);
	expect("objects_published", 10);
	/* previous hashes of these manifests are none: breaks, and all the same published */
	cr_expect(publish_count(rig.publish, "chain_breaks") > 0);
	cr_expect_eq(verify_findings(),
		     9); /* all but the first do not name the one before */
	rig_free(&rig);
}

/*
 * What is lower never comes over what is higher: neither a lower number, nor a higher one of a
 * lower chain, nor after a restart, nor when the higher one is a former content itself.
 */
Test(publish_files, a_lower_one_never_replaces_a_higher)
{
	static const struct {
		int64_t chain;
		uint64_t number, manifest;
		bool on_top, restart;
	} come[] = {
		{0, 5, 5, true, false},	    {0, 4, 4, false, false},
		{-5, 900, 7, false, false}, {0, 3, 3, false, true},
		{-5, 901, 8, false, true},  {5, 1, 1, true, false},
		{0, 6, 6, false, false},    {-5, 902, 9, false, true},
		{5, 2, 2, true, true},
	};
	struct rig_object o, top = {0};

	rig_init(&rig, NULL);
	rig_start(&rig);
	for (unsigned i = 0; i < KM_COUNT(come); i++) {
		char name[64];

		if (come[i].restart) {
			rig_stop(&rig);
			rig_start(&rig);
		}
		o = object(come[i].number, "d/state.csv", 1000 + i, 100 + i);
		o.chain += (uint64_t)come[i].chain;
		rig_data(&rig, &o);
		rig_manifest(&rig, &o, 1, come[i].manifest, NULL, NULL);
		rig_settle(&rig);
		if (come[i].on_top)
			top = o;
		cr_expect(rig_has(&rig, "tree", "d/state.csv", top.seed, top.size), "%u",
			  i);
		snprintf(name, sizeof(name), "%llu-%012llu/d/state.csv",
			 (unsigned long long)o.chain, (unsigned long long)o.number);
		cr_expect(come[i].on_top ||
				  rig_has(&rig, "generations", name, o.seed, o.size),
			  "%u: verified, and kept beside", i);
	}
	cr_expect_eq(rig_count_files(&rig, "generations"), KM_COUNT(come) - 1);
	expect("objects_published", KM_COUNT(come));
	cr_expect_eq(rig_count_files(&rig, ".incoming"), 0);
	rig_free(&rig);
}

Test(publish_files, replace_refused)
{
	struct rig_object a = object(1, "x", 10, 1), b = object(2, "x", 10, 2);

	rig_init(&rig, NULL);
	rig.config.channel[0].replace = RX_REPLACE_REFUSE;
	rig_start(&rig);
	rig_data(&rig, &a);
	rig_manifest(&rig, &a, 1, 1, NULL, NULL);
	rig_settle(&rig);
	rig_data(&rig, &b);
	rig_manifest(&rig, &b, 1, 2, NULL, NULL);
	rig_settle(&rig);
	expect("objects_published", 1);
	expect("objects_quarantined", 1);
	cr_expect(rig_has(&rig, "tree", "x", 1, 10));
	cr_expect(rig_exists(&rig, ".quarantine", "1000-2.part.reason"));
	rig_check_sum(&rig);
	rig_free(&rig);
}

static void make_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void expect_text(const char *path, const char *text)
{
	char buf[64] = {0};
	int fd = open(path, O_RDONLY);

	cr_assert_geq(fd, 0);
	cr_assert_geq(read(fd, buf, sizeof(buf) - 1), 0);
	close(fd);
	cr_expect_str_eq(buf, text);
}

/* Names that are not ours, and collisions of files and directories. */
Test(publish_files, names_not_ours)
{
	struct rig_object o[6] = {
		object(1, "dir-here", 10, 1),	     /* a directory has the name */
		object(2, "file-here/below", 10, 2), /* a file where a directory must be */
		object(3, "link-here", 10, 3),	     /* a symlink */
		object(4, "link-to-dir/f", 10, 4),   /* a symlink as parent */
		object(5, "mine", 10, 5),
		object(6, "taken", 10, 6)};

	rig_init(&rig, NULL);
	rig_start(&rig);
	cr_assert_eq(mkdir(rig_path(&rig, "tree", "dir-here"), 0755), 0);
	make_file(rig_path(&rig, "tree", "file-here"), "theirs");
	make_file(rig_path(&rig, "tree", "taken"), "theirs");
	cr_assert_eq(symlink("/etc/passwd", rig_path(&rig, "tree", "link-here")), 0);
	cr_assert_eq(symlink("/tmp", rig_path(&rig, "tree", "link-to-dir")), 0);
	for (unsigned i = 0; i < 6; i++)
		rig_data(&rig, &o[i]);
	rig_manifest(&rig, o, 6, 1, NULL, NULL);
	rig_settle(&rig);
	expect("objects_published", 1);
	expect("objects_quarantined", 5);
	rig_check_sum(&rig);
	expect_text(rig_path(&rig, "tree", "taken"), "theirs");
	expect_text(rig_path(&rig, "tree", "file-here"), "theirs");
	cr_expect(rig_has(&rig, "tree", "mine", 5, 10));
	/* Ours, then changed by another hand: not ours any more. */
	struct rig_object again = object(7, "mine", 10, 7);

	make_file(rig_path(&rig, "tree", "mine"), "by another");
	rig_data(&rig, &again);
	rig_manifest(&rig, &again, 1, 2, NULL, NULL);
	rig_settle(&rig);
	expect("objects_quarantined", 6);
	expect_text(rig_path(&rig, "tree", "mine"), "by another");
	rig_free(&rig);
}

Test(publish_files, wrong_digest_wrong_path)
{
	struct rig_object o[4] = {object(1, "a", 100, 1), object(2, "b", 100, 2),
				  object(3, "c", 100, 3), object(4, "d", 100, 4)};
	struct rig_object bad = o[0], other = o[1], same_length = o[3];

	rig_init(&rig, NULL);
	rig_start(&rig);
	bad.seed = 77; /* other bytes than the manifest says */
	rig_data(&rig, &bad);
	snprintf(other.path, sizeof(other.path), "elsewhere");
	rig_data(&rig, &other);
	snprintf(same_length.path, sizeof(same_length.path), "z");
	rig_data(&rig, &same_length);
	rig_data(&rig, &o[2]);
	rig_manifest(&rig, o, 4, 1, NULL, NULL);
	rig_settle(&rig);
	expect("objects_published", 1);
	expect("objects_quarantined", 3);
	cr_expect_eq(rig_count_files(&rig, "tree"), 1);
	cr_expect(rig_has(&rig, ".quarantine", "1000-1.part", 77, 100));
	rig_check_sum(&rig);
	rig_free(&rig);
}

Test(publish_files, manifest_with_wrong_signature)
{
	struct rig_object o = object(1, "a", 100, 1);
	const uint8_t number[8] = "STRANGER", seed[32] = "another seed";
	struct keys_sign_secret good;
	uint8_t *bytes;
	size_t len;

	rig_init(&rig, NULL);
	rig_start(&rig);
	rig_data(&rig, &o);
	bytes = rig_manifest_bytes(&rig, &o, 1, 1, NULL, NULL, &len);
	bytes[40] ^= 1; /* text changed under the signature */
	rig_send_manifest(&rig, RIG_CHAIN, 1, bytes, len);
	rig_settle(&rig);
	expect("manifests_refused", 1);
	free(bytes);
	good = rig.key;
	keys_sign_from_seed(&rig.key, number, seed);
	rig_manifest(&rig, &o, 1, 1, NULL, NULL); /* rightly signed by a stranger */
	rig_settle(&rig);
	expect("manifests_refused", 2);
	expect("objects_published", 0);
	rig.key = good;
	bytes = rig_manifest_bytes(&rig, &o, 1, 1, NULL, NULL, &len);
	rig_send_manifest(&rig, RIG_CHAIN, 2, bytes, len); /* says it is number 2 */
	rig_settle(&rig);
	expect("manifests_refused", 3);
	expect("objects_published", 0);
	rig_send_manifest(&rig, RIG_CHAIN, 1, bytes, len);
	rig_settle(&rig);
	expect("objects_published", 1);
	free(bytes);
	rig_free(&rig);
}

Test(publish_files, forks_gaps_and_chains)
{
	struct rig_object a = object(1, "a", 10, 1), b = object(2, "b", 10, 2),
			  c = object(3, "c", 10, 3), fork = object(1, "f", 10, 9),
			  overlap = object(2, "o", 10, 9), new = object(1, "a", 10, 20);
	uint8_t ha[DIGEST_LEN], hb[DIGEST_LEN];

	rig_init(&rig, NULL);
	rig_start(&rig);
	rig_data(&rig, &a);
	rig_data(&rig, &b);
	rig_data(&rig, &c);
	free(rig_manifest_bytes(&rig, &a, 1, 1, NULL, ha, &(size_t){0}));
	free(rig_manifest_bytes(&rig, &b, 1, 2, ha, hb, &(size_t){0}));
	rig_manifest(&rig, &c, 1, 3, hb, NULL); /* 1 and 2 are missing */
	rig_heads(&rig, RIG_CHAIN, 3, 3);
	rig_settle(&rig);
	expect("objects_published", 1);
	rig_manifest(&rig, &a, 1, 1, NULL, NULL);
	rig_manifest(&rig, &b, 1, 2, ha, NULL);
	rig_settle(&rig);
	expect("objects_published", 3);
	expect("chain_breaks", 0);
	rig_manifest(&rig, &fork, 1, 1, NULL, NULL);
	rig_manifest(&rig, &overlap, 1, 4, NULL, NULL); /* object 2 is another's */
	rig_settle(&rig);
	expect("chain_forks", 2);
	expect("manifests_stored", 3);
	cr_expect_eq(verify_findings(), 0);
	new.chain = RIG_CHAIN + 5;
	rig_data(&rig, &new);
	rig_manifest(&rig, &new, 1, 1, NULL, NULL);
	rig_settle(&rig);
	expect("chains_restarted", 1);
	expect("objects_published", 4);
	cr_expect(rig_has(&rig, "tree", "a", 20, 10));
	rig_free(&rig);
}

/* Every ticket of the text, decoded; each kind must be there once and name just that. */
static void check_tickets(const char *text)
{
	unsigned kinds = 0;

	for (const char *at = text; (at = strstr(at, "  ticket ")); at++) {
		size_t len = strcspn(at + 9, "\n");
		struct ticket t;

		cr_assert_eq(ticket_decode(&t, at + 9, len), KM_OK);
		cr_expect(t.channel == RIG_CHANNEL && t.chain == RIG_CHAIN);
		kinds += 1u << (4 * t.kind);
		if (t.kind == TICKET_MANIFESTS) {
			cr_expect(t.items == 1 && t.item[0].first == 2 &&
				  t.item[0].last == 3);
		} else if (t.kind == TICKET_OBJECTS) {
			cr_expect(t.items == 2 && t.item[0].first == 3 &&
				  t.item[0].last == 8);
			cr_expect(t.item[1].first == 10 && t.item[1].last == 11);
		} else { /* holes 8000-23999 and 32000-49999 in units of 4,096 */
			cr_expect(t.object == 1 && t.items == 2);
			cr_expect(t.item[0].first == 1 && t.item[0].last == 5);
			cr_expect(t.item[1].first == 7 && t.item[1].last == 12);
		}
	}
	cr_expect_eq(kinds, 0x1110);
}

/* What `missing` says while the daemon runs, and that its tickets name it. */
Test(publish_files, missing_names_what_is_missing)
{
	struct rig_object o[4] = {object(1, "a", 50000, 1), object(2, "b", 100, 2),
				  object(3, "c", 100, 3), object(9, "later", 100, 9)};
	uint64_t count;
	char *text;

	rig_init(&rig, NULL);
	rig_start(&rig);
	rig_begin(&rig, &o[0]);
	rig_fragment(&rig, &o[0], 0, 8000);
	rig_fragment(&rig, &o[0], 24000, 8000);
	rig_data(&rig, &o[1]);
	rig_manifest(&rig, o, 3, 1, NULL, NULL);
	rig_data(&rig, &o[3]);
	rig_heads(&rig, RIG_CHAIN, 11, 3); /* of the last two not a frame came */
	rig_settle(&rig);
	usleep(1100000);
	rig_settle(&rig);
	text = missing_text(&count);
	cr_expect_not_null(strstr(text, "announced 11, published 1"), "%s", text);
	cr_expect_not_null(strstr(text, "manifests 2 to 3, objects 4 to 11"), "%s", text);
	cr_expect_not_null(strstr(text, "object 1 \"a\" size 50000, have 16000"), "%s",
			   text);
	cr_expect_not_null(strstr(text, "holes 8000-23999 32000-49999"), "%s", text);
	cr_expect_not_null(strstr(text, "object 3 \"c\" nothing here"), "%s", text);
	cr_expect_not_null(strstr(text, "objects 4 to 8 nothing here"), "%s", text);
	cr_expect_not_null(
		strstr(text, "object 9 \"later\" size 100 complete, waits for its"), "%s",
		text);
	cr_expect_not_null(strstr(text, "objects 10 to 11 nothing here"), "%s", text);
	cr_expect_not_null(strstr(text, "  ticket "), "%s", text);
	check_tickets(text);
	/* 1 partial, 3, 4-8, 9 waiting, 10, 11, two manifests */
	cr_expect_eq(count, 12, "%llu: %s", (unsigned long long)count, text);
	free(text);
	cr_expect_eq(verify_findings(), 1); /* manifests 2 to 3 */
	rig_free(&rig);
}

/*
 * 2,000 small objects with a hole each need no ticket each: their numbers stand in one. Of two
 * large ones, that with little here is named whole as well, the other by its hole.
 */
Test(publish_files, many_small_holes_need_few_tickets)
{
	enum { SMALL = 2000 };
	static struct rig_object o[SMALL + 2];
	unsigned kinds[4] = {0};
	uint64_t count;
	char *text;

	rig_init(&rig, NULL);
	rig_start(&rig);
	for (unsigned i = 0; i < SMALL + 2; i++) {
		char path[64];

		snprintf(path, sizeof(path), "f%04u", i);
		o[i] = object(i + 1, path, i < SMALL ? 32768 : 400000, i);
		rig_begin(&rig, &o[i]);
		rig_fragment(&rig, &o[i], 0, 8000);
		for (uint64_t at = i < SMALL ? 12288 : 16384; i != SMALL && at < o[i].size;
		     at += 4096)
			rig_fragment(&rig, &o[i], at,
				     o[i].size - at < 4096 ? o[i].size - at : 4096);
	}
	rig_manifest(&rig, o, SMALL + 2, 1, NULL, NULL);
	rig_heads(&rig, RIG_CHAIN, SMALL + 2, 1);
	rig_settle(&rig);
	usleep(1100000);
	rig_settle(&rig);
	text = missing_text(&count);
	cr_expect_eq(count, SMALL + 2);
	for (const char *at = text; (at = strstr(at, "  ticket ")); at++) {
		struct ticket t;

		cr_assert_eq(ticket_decode(&t, at + 9, strcspn(at + 9, "\n")), KM_OK);
		cr_assert_lt(t.kind, 4);
		kinds[t.kind]++;
		if (t.kind == TICKET_OBJECTS)
			cr_expect(t.items == 1 && t.item[0].first == 1 &&
				  t.item[0].last == SMALL + 1);
		else
			cr_expect(t.object == SMALL + 2 && t.items == 1 &&
				  t.item[0].first == 1 && t.item[0].last == 3);
	}
	cr_expect_eq(kinds[TICKET_OBJECTS], 1);
	cr_expect_eq(kinds[TICKET_EXTENTS], 1);
	cr_expect_not_null(strstr(text, "holes 8000-12287"), "holes are still told");
	free(text);
	rig_free(&rig);
}

Test(publish_files, verify_finds_changes)
{
	struct rig_object o[3] = {object(1, "a", 5000, 1), object(2, "b", 100, 2),
				  object(3, "c", 100, 3)};
	struct rig_object next = object(4, "a", 10, 4);
	uint8_t hash[DIGEST_LEN];
	char name[128];

	rig_init(&rig, NULL);
	rig_start(&rig);
	for (unsigned i = 0; i < 3; i++)
		rig_data(&rig, &o[i]);
	rig_manifest(&rig, o, 3, 1, NULL, hash);
	rig_settle(&rig);
	rig_data(&rig, &next);
	rig_manifest(&rig, &next, 1, 2, hash, NULL);
	rig_settle(&rig);
	cr_expect_eq(verify_findings(), 0);
	make_file(rig_path(&rig, "tree", "b"), "changed");
	cr_assert_eq(unlink(rig_path(&rig, "tree", "c")), 0);
	cr_expect_eq(verify_findings(), 2);
	snprintf(name, sizeof(name), "%llu-%012u/a", (unsigned long long)RIG_CHAIN, 1);
	make_file(rig_path(&rig, "generations", name), "changed");
	cr_expect_eq(verify_findings(), 3);
	manifest_file_name(name, RIG_CHAIN, 1);
	make_file(rig_path(&rig, "manifests", name), "# changed\n");
	cr_expect_eq(verify_findings(), 1);
	cr_expect_eq(verify_run(&rig.config, "nobody", stdout), EX_USAGE);
	rig_free(&rig);
}

/* Closed and killed in the middle; the boot is the same, so nothing is lost. */
Test(publish_files, restart_in_the_middle)
{
	struct rig_object o[2] = {object(1, "big", 3000000, 1), object(2, "small", 900, 2)};
	size_t half;

	for (int killed = 0; killed < 2; killed++) {
		uint64_t at = 0;

		rig_init(&rig, NULL);
		rig_start(&rig);
		rig_begin(&rig, &o[0]);
		rig_fragment(&rig, &o[1], 0, 400);
		for (half = 0; half < 150; half++, at += RIG_PIECE)
			rig_fragment(&rig, &o[0], at, RIG_PIECE);
		rig_settle(&rig);
		if (killed)
			rig_kill(&rig);
		else
			rig_stop(&rig);
		rig_start(&rig);
		for (; at < o[0].size; at += RIG_PIECE)
			rig_fragment(&rig, &o[0], at,
				     o[0].size - at < RIG_PIECE ? (size_t)(o[0].size - at)
								: RIG_PIECE);
		rig_begin(&rig, &o[1]);
		rig_fragment(&rig, &o[1], 400, 500);
		rig_manifest(&rig, o, 2, 1, NULL, NULL);
		rig_settle(&rig);
		expect("objects_published", 2);
		cr_expect(rig_has(&rig, "tree", "big", 1, o[0].size));
		rig_free(&rig);
	}
}
