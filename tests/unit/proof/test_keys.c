// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fileio.h"
#include "keys.h"
#include "seal.h"

#define SAVE(secret_, public_)                                                             \
	(&(const struct keys_save){.secret = (secret_), .public = (public_)})

static char dir[64];
static struct km_err err;

static void setup(void)
{
	strcpy(dir, "/tmp/km-keys-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(chdir(dir), 0);
	memset(&err, 0, sizeof(err));
	cr_assert_eq(keys_init(&err), 0, "%s", err.text);
}

static void teardown(void)
{
	static const char *const names[] = {"s", "p", "s2", "p2", "link", "fifo"};

	for (size_t i = 0; i < KM_COUNT(names); i++)
		unlink(names[i]);
	cr_assert_eq(chdir("/"), 0);
	rmdir(dir);
}

TestSuite(keys, .init = setup, .fini = teardown);

static char *slurp(const char *path)
{
	uint8_t *data;
	size_t len;

	cr_assert_eq(fileio_read_all(AT_FDCWD, path, 4096, &data, &len, &err), 0, "%s",
		     err.text);
	return (char *)data;
}

static void spit(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

	cr_assert_geq(fd, 0);
	cr_assert_eq(fchmod(fd, mode), 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

Test(keys, sign_golden_texts)
{
	static const uint8_t number[8] = {1, 2, 3, 4, 5, 6, 7, 0xab};
	struct keys_sign_secret k;
	uint8_t seed[32];
	char *text;

	for (unsigned i = 0; i < 32; i++)
		seed[i] = (uint8_t)i;
	keys_sign_from_seed(&k, number, seed);
	cr_assert_eq(keys_sign_save(&k, SAVE("s", "p"), &err), 0, "%s", err.text);
	text = slurp("s");
	cr_assert_str_eq(
		text, "KMTX-SECRET-1 AQIDBAUGB6sAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0e"
		      "Hw==\n");
	free(text);
	text = slurp("p");
	/* The public key of this seed is 03a107bf..5531b8, as every Ed25519 finds. */
	cr_assert_str_eq(text,
			 "untrusted comment: minisign public key AB07060504030201\n"
			 "RWQBAgMEBQYHqwOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4\n");
	free(text);
}

Test(keys, sign_save_and_load)
{
	struct keys_sign_secret k, back;
	struct keys_sign_public pub;
	struct stat st;

	keys_sign_generate(&k);
	cr_assert_eq(keys_sign_save(&k, SAVE("s", "p"), &err), 0, "%s", err.text);
	cr_assert(stat("s", &st) == 0 && (st.st_mode & 07777) == 0600);
	cr_assert(stat("p", &st) == 0 && (st.st_mode & 07777) == 0644);
	cr_assert_eq(keys_sign_load(&back, NULL, "s", NULL, &err), 0, "%s", err.text);
	cr_assert_eq(memcmp(&k, &back, sizeof(k)), 0);
	cr_assert_eq(keys_sign_public_load(&pub, NULL, "p", &err), 0, "%s", err.text);
	cr_assert_eq(memcmp(&pub, &k.pub, sizeof(pub)), 0);
	keys_sign_wipe(&back);
	cr_assert(sodium_is_zero((const uint8_t *)&back, sizeof(back)));
}

Test(keys, box_save_and_load)
{
	struct keys_box_secret k, back;
	struct keys_box_public pub;
	char print[KEYS_FINGERPRINT_MAX], *text;
	uint8_t id[32];

	keys_box_generate(&k);
	crypto_hash_sha256(id, k.pub.pk, 32);
	cr_assert_eq(memcmp(id, k.pub.id, 8), 0);
	cr_assert_eq(keys_box_save(&k, SAVE("s", "p"), &err), 0, "%s", err.text);
	cr_assert_eq(keys_box_load(&back, NULL, "s", NULL, &err), 0, "%s", err.text);
	cr_assert_eq(memcmp(&k, &back, sizeof(k)), 0);
	cr_assert_eq(keys_box_public_load(&pub, NULL, "p", &err), 0, "%s", err.text);
	cr_assert_eq(memcmp(&pub, &k.pub, sizeof(pub)), 0);
	keys_fingerprint(print, k.pub.pk);
	text = slurp("p");
	cr_assert_not_null(strstr(text, print));
	free(text);
	keys_box_wipe(&back);
	cr_assert(sodium_is_zero((const uint8_t *)&back, sizeof(back)));
}

Test(keys, fingerprint_for_reading_aloud)
{
	static const uint8_t pk[32];
	char print[KEYS_FINGERPRINT_MAX];

	keys_fingerprint(print, pk);
	/* SHA-256 of 32 zero bytes begins 66687aadf862bd77. */
	cr_assert_str_eq(print, "CSM7-NBFR-CAYQ-EV4F-R65R-X7WE-4049-E545");
}

Test(keys, never_over_an_existing_key)
{
	struct keys_sign_secret k;
	char *text;

	keys_sign_generate(&k);
	spit("s", "precious", 0600);
	cr_assert_eq(keys_sign_save(&k, SAVE("s", "p"), &err), -1);
	cr_assert_eq(err.code, EX_CANTCREAT);
	text = slurp("s");
	cr_assert_str_eq(text, "precious");
	free(text);
	cr_assert_neq(access("p", F_OK), 0);

	spit("p", "precious", 0644);
	cr_assert_eq(keys_sign_save(&k, SAVE("s2", "p"), &err), -1);
	cr_assert_neq(access("s2", F_OK), 0, "half a pair was left");

	cr_assert_eq(symlink("nowhere", "link"), 0);
	cr_assert_eq(keys_sign_save(&k, SAVE("link", "p2"), &err), -1);
	cr_assert_neq(access("nowhere", F_OK), 0, "wrote through a symbolic link");
	cr_assert_eq(keys_sign_save(&k, SAVE("no/such/folder", "p2"), &err), -1);
	cr_assert_eq(err.code, EX_CANTCREAT);
}

Test(keys, secrets_must_be_the_owners_alone)
{
	static const mode_t bad[] = {0640, 0604, 0620, 0602, 0610, 0601, 0644, 0666};
	struct keys_box_secret b;
	struct keys_sign_secret k;

	keys_sign_generate(&k);
	keys_box_generate(&b);
	cr_assert_eq(keys_sign_save(&k, SAVE("s", "p"), &err), 0);
	cr_assert_eq(keys_box_save(&b, SAVE("s2", "p2"), &err), 0);
	for (size_t i = 0; i < KM_COUNT(bad); i++) {
		cr_assert_eq(chmod("s", bad[i]), 0);
		cr_assert_eq(keys_sign_load(&k, NULL, "s", NULL, &err), -1, "%04o", bad[i]);
		cr_assert_eq(err.code, EX_NOPERM);
		cr_assert_not_null(strstr(err.text, "chmod 600"));
		cr_assert_eq(chmod("s2", bad[i]), 0);
		cr_assert_eq(keys_box_load(&b, NULL, "s2", NULL, &err), -1);
		cr_assert_eq(err.code, EX_NOPERM);
	}
	cr_assert_eq(chmod("s", 0400), 0);
	cr_assert_eq(keys_sign_load(&k, NULL, "s", NULL, &err), 0, "%s", err.text);
	cr_assert_eq(mkfifo("fifo", 0600), 0);
	cr_assert_eq(keys_sign_load(&k, NULL, "fifo", NULL, &err), -1);
	cr_assert_eq(keys_sign_load(&k, NULL, ".", NULL, &err), -1);
	cr_assert_eq(keys_sign_load(&k, NULL, "absent", NULL, &err), -1);
	cr_assert_eq(err.code, EX_NOINPUT);
	cr_assert_eq(keys_box_load(&b, NULL, "s", NULL, &err), -1,
		     "a key of the other kind");
	cr_assert_eq(err.code, EX_DATAERR);
}

/* Every truncation and change of a secret file is refused, but for the LF at its end. */
Test(keys, damaged_secret_files)
{
	struct keys_sign_secret k;
	char *text;
	size_t len;

	keys_sign_generate(&k);
	cr_assert_eq(keys_sign_save(&k, SAVE("s", "p"), &err), 0);
	text = slurp("s");
	len = strlen(text);
	for (size_t n = 0; n < len; n++) {
		char cut[128];

		snprintf(cut, sizeof(cut), "%.*s", (int)n, text);
		unlink("s2");
		spit("s2", cut, 0600);
		cr_assert_eq(keys_sign_load(&k, NULL, "s2", NULL, &err),
			     n == len - 1 ? 0 : -1);
	}
	for (size_t at = 0; at < len; at++) {
		char was = text[at];

		text[at] = '!';
		unlink("s2");
		spit("s2", text, 0600);
		cr_assert_eq(keys_sign_load(&k, NULL, "s2", NULL, &err), -1, "byte %zu",
			     at);
		text[at] = was;
	}
	free(text);
}

static enum km_rc box_text(const char *text)
{
	struct keys_box_public k;

	return keys_box_public_parse(&k, NULL, text, strlen(text));
}

Test(keys, public_texts_are_strict)
{
	struct keys_sign_public k;
	static const char inline_key[] =
		"RWQBAgMEBQYHqwOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";
	/* "Ed", key number 0, the neutral element */
	static const char weak[] =
		"RWQAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	static const char zero[] =
		"KMRX-PUBLIC-1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= "
		"CSM7-NBFR-CAYQ-EV4F-R65R-X7WE-4049-E545";
	static const char nine[] =
		"KMRX-PUBLIC-1 CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= "
		"CSM7-NBFR-CAYQ-EV4F-R65R-X7WE-4049-E545";

	cr_assert_eq(keys_sign_public_parse(&k, NULL, inline_key, strlen(inline_key)),
		     KM_OK);
	cr_assert_eq(k.key_number[7], 0xab);
	for (size_t n = 0; n < strlen(inline_key); n++)
		cr_assert_eq(keys_sign_public_parse(&k, NULL, inline_key, n),
			     KM_ERR_MALFORMED);
	cr_assert_eq(keys_sign_public_parse(&k, NULL, weak, strlen(weak)), KM_ERR_RANGE);
	cr_assert_eq(keys_sign_public_parse(&k, NULL, "untrusted comment: x", 20),
		     KM_ERR_MALFORMED);
	cr_assert_eq(box_text(zero), KM_ERR_RANGE, "a low-order point");
	cr_assert_eq(box_text(nine), KM_ERR_AUTH, "another key's fingerprint");
	cr_assert_eq(box_text("KMRX-PUBLIC-1 "), KM_ERR_MALFORMED);
	cr_assert_eq(box_text(""), KM_ERR_MALFORMED);
}

Test(keys, box_public_every_change_is_noticed)
{
	char text[256], *good;
	struct keys_box_public pub;
	struct keys_box_secret k;
	size_t len;

	keys_box_generate(&k);
	cr_assert_eq(keys_box_save(&k, SAVE("s", "p"), &err), 0);
	good = slurp("p");
	len = strlen(good);
	for (size_t at = 0; at < len - 1; at++) {
		for (unsigned v = 0; v < 256; v++) {
			memcpy(text, good, len);
			text[at] = (char)v;
			if (text[at] != good[at])
				cr_assert_neq(keys_box_public_parse(&pub, NULL, text, len),
					      KM_OK, "byte %zu = %u", at, v);
		}
	}
	free(good);
}

/* ---- what a file says beside the key -------------------------------------------------- */

static struct keys_facts facts_of(const char *created, const char *expires, uint16_t env)
{
	struct keys_facts f = {.environment = env};

	cr_assert_eq(keys_day_parse(&f.created_day, created, strlen(created)), KM_OK);
	cr_assert_eq(keys_day_parse(&f.expires_day, expires, strlen(expires)), KM_OK);
	return f;
}

/* Every day of an era of the calendar, against the next: no calendar has two names for a day. */
Test(keys, days_go_both_ways)
{
	static const char *const none[] = {"2027-02-29", "2100-02-29", "2026-04-31",
					   "2026-00-10", "2026-13-01", "2026-1-01",
					   "1969-12-31", "1970-01-01", "2026-11-28 ",
					   "",		 "-026-11-28", "2026/11/28"};
	char text[KEYS_DAY_TEXT_MAX], last[KEYS_DAY_TEXT_MAX] = "1970-01-01";
	uint32_t day = 0;

	for (uint32_t d = 1; d <= 160000; d++) {
		keys_day_format(text, d);
		cr_assert(strcmp(text, last) > 0, "%s after %s", text, last);
		cr_assert(keys_day_parse(&day, text, strlen(text)) == KM_OK && day == d,
			  "%s", text);
		strcpy(last, text);
	}
	cr_assert_str_eq(last, "2408-01-25");
	cr_assert_str_eq(keys_day_format(text, KEYS_DAY_MAX), "9999-12-31");
	cr_assert_str_eq(keys_day_format(text, 20785), "2026-11-28");
	for (size_t i = 0; i < KM_COUNT(none); i++)
		cr_assert_eq(keys_day_parse(&day, none[i], strlen(none[i])),
			     KM_ERR_MALFORMED, "%s", none[i]);
}

Test(keys, age_by_the_day)
{
	const struct keys_facts f = {.expires_day = 1000}, never = {0};

	cr_assert_eq(keys_age(&f, 970, 30), KEYS_AGE_FINE);
	cr_assert_eq(keys_age(&f, 971, 30), KEYS_AGE_SOON);
	cr_assert_eq(keys_age(&f, 1000, 30), KEYS_AGE_SOON);
	cr_assert_eq(keys_age(&f, 1001, 30), KEYS_AGE_PAST);
	cr_assert_eq(keys_age(&f, 1000, 0), KEYS_AGE_FINE);
	cr_assert_eq(keys_age(&never, UINT32_MAX, 30), KEYS_AGE_FINE);
}

Test(keys, facts_cross_in_every_file)
{
	const struct keys_facts f = facts_of("2026-11-28", "2028-11-28", 7);
	struct keys_save save = {.secret = "s", .public = "p", .facts = f};
	struct keys_sign_secret sign, back;
	struct keys_box_secret box, box_back;
	struct keys_sign_public sign_public;
	struct keys_box_public box_public;
	struct keys_facts said;
	char *text;

	keys_sign_generate(&sign);
	keys_box_generate(&box);
	cr_assert_eq(keys_sign_save(&sign, &save, &err), 0, "%s", err.text);
	save.secret = "s2";
	save.public = "p2";
	cr_assert_eq(keys_box_save(&box, &save, &err), 0, "%s", err.text);
	cr_assert_eq(keys_sign_load(&back, &said, "s", NULL, &err), 0, "%s", err.text);
	cr_assert(memcmp(&said, &f, sizeof(f)) == 0 &&
		  memcmp(&back, &sign, sizeof(sign)) == 0);
	cr_assert_eq(keys_box_load(&box_back, &said, "s2", NULL, &err), 0, "%s", err.text);
	cr_assert(memcmp(&said, &f, sizeof(f)) == 0 &&
		  memcmp(&box_back, &box, sizeof(box)) == 0);
	cr_assert_eq(keys_sign_public_load(&sign_public, &said, "p", &err), 0);
	cr_assert_eq(memcmp(&said, &f, sizeof(f)), 0);
	cr_assert_eq(keys_box_public_load(&box_public, &said, "p2", &err), 0);
	cr_assert_eq(memcmp(&said, &f, sizeof(f)), 0);
	text = slurp("s");
	cr_assert_not_null(
		strstr(text, " created=2026-11-28 expires=2028-11-28 environment=7\n"));
	free(text);
	cr_assert_eq(keys_facts_judge(&f, 7, "s", &err), 0);
	cr_assert_eq(keys_facts_judge(&f, 1, "s", &err), -1);
	cr_assert_eq(err.code, EX_CONFIG);
}

Test(keys, facts_are_strict)
{
	static const char *const bad[] = {" expires=2028-11-28 created=2026-11-28",
					  " created=2026-11-28 ",
					  "created=2026-11-28",
					  " environment=0",
					  " environment=65536",
					  " environment=01",
					  " expires=2028-02-30",
					  " other=1",
					  "  environment=1",
					  " environment=1 environment=1"};
	struct keys_facts f;

	for (size_t i = 0; i < KM_COUNT(bad); i++)
		cr_assert_eq(keys_facts_parse(&f, bad[i], strlen(bad[i])), KM_ERR_MALFORMED,
			     "%s", bad[i]);
	cr_assert_eq(keys_facts_parse(&f, " environment=65535", 18), KM_OK);
	cr_assert_eq(f.environment, 65535);
	cr_assert_eq(keys_facts_find(&f, "of the plant, expires=2030-01-01", 32), KM_OK);
	cr_assert_neq(f.expires_day, 0);
	cr_assert_eq(keys_facts_find(&f, "expires=soon", 12), KM_ERR_MALFORMED);
}

/* ---- under a passphrase ---------------------------------------------------------------- */

static struct keys_pass pass = {.len = 20, .text = "correct horse stable"};
static struct keys_pass other_pass = {.len = 18, .text = "plum anvil ferry 4"};

Test(keys, passphrase_opens_and_nothing_else_does)
{
	struct keys_save save = {.secret = "s", .public = "p", .pass = &pass};
	struct keys_sign_secret k, back;
	struct keys_sign_public pub;
	struct keys_seen seen;
	char *text;

	save.facts = facts_of("2026-11-28", "2028-11-28", 0);
	keys_sign_generate(&k);
	cr_assert_eq(keys_sign_save(&k, &save, &err), 0, "%s", err.text);
	spit("s2", "correct horse stable\nand a note\n", 0400);
	cr_assert_eq(keys_sign_load(&back, NULL, "s", "s2", &err), 0, "%s", err.text);
	cr_assert_eq(memcmp(&k, &back, sizeof(k)), 0);
	/* known without it: who it is */
	cr_assert_eq(keys_sign_peek(&pub, &seen, "s", &err), 0, "%s", err.text);
	cr_assert(seen.locked && memcmp(&pub, &k.pub, sizeof(pub)) == 0);
	cr_assert_eq(keys_sign_load(&back, NULL, "s", NULL, &err), -1);
	cr_assert_eq(err.code, EX_CONFIG);
	spit("p2", "correct horse stablf\n", 0400);
	cr_assert_eq(keys_sign_load(&back, NULL, "s", "p2", &err), -1);
	cr_assert_eq(err.code, EX_NOPERM);
	cr_assert_not_null(strstr(err.text, "does not open"));
	/* a later date is as a wrong passphrase */
	text = slurp("s");
	memcpy(strstr(text, "expires=2028"), "expires=2038", 12);
	unlink("s");
	spit("s", text, 0600);
	cr_assert_eq(keys_sign_load(&back, NULL, "s", "s2", &err), -1);
	cr_assert_eq(err.code, EX_NOPERM);
	free(text);
	cr_assert_eq(chmod("s2", 0404), 0);
	cr_assert_eq(keys_sign_load(&back, NULL, "s", "s2", &err), -1);
	cr_assert_not_null(strstr(err.text, "mode 0404"));
}

Test(keys, box_under_a_passphrase)
{
	const struct keys_save save = {.secret = "s", .public = "p", .pass = &pass};
	struct keys_box_secret k, back;
	struct keys_box_public pub;
	struct keys_seen seen;
	char *text;

	keys_box_generate(&k);
	cr_assert_eq(keys_box_save(&k, &save, &err), 0, "%s", err.text);
	spit("s2", "correct horse stable", 0400);
	cr_assert_eq(keys_box_load(&back, NULL, "s", "s2", &err), 0, "%s", err.text);
	cr_assert_eq(memcmp(&k, &back, sizeof(k)), 0);
	cr_assert_eq(keys_box_peek(&pub, &seen, "s", &err), 0);
	cr_assert(seen.locked && memcmp(&pub, &k.pub, sizeof(pub)) == 0);
	text = slurp("s");
	cr_assert_eq(strncmp(text, "KMRX-LOCKED-1 ", 14), 0);
	free(text);
}

Test(keys, another_passphrase_is_the_same_key)
{
	struct keys_save save = {.secret = "s", .public = "p"};
	struct keys_sign_secret k, back;
	struct keys_facts facts;
	struct keys_seen seen;
	struct stat st;
	char *was, *public;

	save.facts = facts_of("2026-11-28", "2028-11-28", 7);
	keys_sign_generate(&k);
	cr_assert_eq(keys_sign_save(&k, &save, &err), 0, "%s", err.text);
	public = slurp("p");
	/* none, one, another, none */
	cr_assert_eq(keys_sign_repass("s", NULL, &pass, &err), 0, "%s", err.text);
	spit("s1", "correct horse stable\n", 0400);
	cr_assert_eq(keys_sign_load(&back, &facts, "s", NULL, &err), -1);
	cr_assert_eq(keys_sign_load(&back, &facts, "s", "s1", &err), 0, "%s", err.text);
	cr_assert(memcmp(&k, &back, sizeof(k)) == 0 && facts.environment == 7 &&
		  facts.expires_day == save.facts.expires_day);
	cr_assert_eq(stat("s", &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	was = slurp("s");
	cr_assert_eq(keys_sign_repass("s", NULL, &other_pass, &err), -1);
	cr_assert_eq(keys_sign_repass("s", &other_pass, NULL, &err), -1);
	cr_assert_eq(err.code, EX_NOPERM);
	cr_assert_str_eq(slurp("s"), was, "a wrong passphrase changes nothing");
	cr_assert_eq(keys_sign_repass("s", &pass, &other_pass, &err), 0, "%s", err.text);
	cr_assert_eq(keys_sign_load(&back, NULL, "s", "s1", &err), -1);
	cr_assert_eq(keys_sign_repass("s", &other_pass, NULL, &err), 0, "%s", err.text);
	cr_assert_eq(keys_sign_load(&back, NULL, "s", NULL, &err), 0, "%s", err.text);
	cr_assert_eq(memcmp(&k, &back, sizeof(k)), 0);
	cr_assert_eq(keys_sign_peek(&back.pub, &seen, "s", &err), 0);
	cr_assert_not(seen.locked);
	cr_assert_str_eq(slurp("p"), public);
	cr_assert_eq(access("s.new", F_OK), -1, "nothing is left beside it");
}

Test(keys, another_passphrase_of_a_box)
{
	struct keys_save save = {.secret = "s", .public = "p", .pass = &pass};
	struct keys_box_secret k, back;
	struct stat st;

	keys_box_generate(&k);
	cr_assert_eq(keys_box_save(&k, &save, &err), 0, "%s", err.text);
	spit("s.new", "of an earlier try", 0600);
	cr_assert_eq(keys_box_repass("s", &pass, NULL, &err), -1);
	cr_assert_eq(err.code, EX_CANTCREAT);
	unlink("s.new");
	cr_assert_eq(keys_box_repass("s", &pass, NULL, &err), 0, "%s", err.text);
	cr_assert_eq(keys_box_load(&back, NULL, "s", NULL, &err), 0, "%s", err.text);
	cr_assert_eq(memcmp(&k, &back, sizeof(k)), 0);
	if (geteuid() != 0)
		return;
	/* the owner keeps it */
	cr_assert_eq(chown("s", 4711, 4712), 0);
	cr_assert_eq(keys_box_repass("s", NULL, &pass, &err), 0, "%s", err.text);
	cr_assert_eq(stat("s", &st), 0);
	cr_assert(st.st_uid == 4711 && st.st_gid == 4712 && (st.st_mode & 07777) == 0600);
}

Test(keys, fingerprint_as_it_is_typed)
{
	static const char good[] = "CSM7-NBFR-CAYQ-EV4F-R65R-X7WE-4049-E545";
	char out[KEYS_FINGERPRINT_MAX];
	uint64_t words[KEYS_PRINT_WORDS];
	static const uint8_t pk[32];

	cr_assert_eq(keys_fingerprint_read(out, "csm7nbfr cay"), KM_ERR_MALFORMED);
	cr_assert_eq(keys_fingerprint_read(out, "csm7nbfrcayqev4fr65rx7we4O49e545"), KM_OK);
	cr_assert_str_eq(out, good);
	cr_assert_eq(keys_fingerprint_read(out, "CSM7-NBFR"), KM_ERR_MALFORMED);
	keys_fingerprint_words(words, pk);
	keys_fingerprint_of_words(out, words);
	cr_assert_str_eq(out, good);
}
