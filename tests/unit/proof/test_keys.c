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
	cr_assert_eq(keys_sign_save(&k, "s", "p", &err), 0, "%s", err.text);
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
	cr_assert_eq(keys_sign_save(&k, "s", "p", &err), 0, "%s", err.text);
	cr_assert(stat("s", &st) == 0 && (st.st_mode & 07777) == 0600);
	cr_assert(stat("p", &st) == 0 && (st.st_mode & 07777) == 0644);
	cr_assert_eq(keys_sign_load(&back, "s", &err), 0, "%s", err.text);
	cr_assert_eq(memcmp(&k, &back, sizeof(k)), 0);
	cr_assert_eq(keys_sign_public_load(&pub, "p", &err), 0, "%s", err.text);
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
	cr_assert_eq(keys_box_save(&k, "s", "p", &err), 0, "%s", err.text);
	cr_assert_eq(keys_box_load(&back, "s", &err), 0, "%s", err.text);
	cr_assert_eq(memcmp(&k, &back, sizeof(k)), 0);
	cr_assert_eq(keys_box_public_load(&pub, "p", &err), 0, "%s", err.text);
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
	cr_assert_eq(keys_sign_save(&k, "s", "p", &err), -1);
	cr_assert_eq(err.code, EX_CANTCREAT);
	text = slurp("s");
	cr_assert_str_eq(text, "precious");
	free(text);
	cr_assert_neq(access("p", F_OK), 0);

	spit("p", "precious", 0644);
	cr_assert_eq(keys_sign_save(&k, "s2", "p", &err), -1);
	cr_assert_neq(access("s2", F_OK), 0, "half a pair was left");

	cr_assert_eq(symlink("nowhere", "link"), 0);
	cr_assert_eq(keys_sign_save(&k, "link", "p2", &err), -1);
	cr_assert_neq(access("nowhere", F_OK), 0, "wrote through a symbolic link");
	cr_assert_eq(keys_sign_save(&k, "no/such/folder", "p2", &err), -1);
	cr_assert_eq(err.code, EX_CANTCREAT);
}

Test(keys, secrets_must_be_the_owners_alone)
{
	static const mode_t bad[] = {0640, 0604, 0620, 0602, 0610, 0601, 0644, 0666};
	struct keys_box_secret b;
	struct keys_sign_secret k;

	keys_sign_generate(&k);
	keys_box_generate(&b);
	cr_assert_eq(keys_sign_save(&k, "s", "p", &err), 0);
	cr_assert_eq(keys_box_save(&b, "s2", "p2", &err), 0);
	for (size_t i = 0; i < KM_COUNT(bad); i++) {
		cr_assert_eq(chmod("s", bad[i]), 0);
		cr_assert_eq(keys_sign_load(&k, "s", &err), -1, "%04o", bad[i]);
		cr_assert_eq(err.code, EX_NOPERM);
		cr_assert_not_null(strstr(err.text, "chmod 600"));
		cr_assert_eq(chmod("s2", bad[i]), 0);
		cr_assert_eq(keys_box_load(&b, "s2", &err), -1);
		cr_assert_eq(err.code, EX_NOPERM);
	}
	cr_assert_eq(chmod("s", 0400), 0);
	cr_assert_eq(keys_sign_load(&k, "s", &err), 0, "%s", err.text);
	cr_assert_eq(mkfifo("fifo", 0600), 0);
	cr_assert_eq(keys_sign_load(&k, "fifo", &err), -1);
	cr_assert_eq(keys_sign_load(&k, ".", &err), -1);
	cr_assert_eq(keys_sign_load(&k, "absent", &err), -1);
	cr_assert_eq(err.code, EX_NOINPUT);
	cr_assert_eq(keys_box_load(&b, "s", &err), -1, "a key of the other kind");
	cr_assert_eq(err.code, EX_DATAERR);
}

/* Every truncation and change of a secret file is refused, but for the LF at its end. */
Test(keys, damaged_secret_files)
{
	struct keys_sign_secret k;
	char *text;
	size_t len;

	keys_sign_generate(&k);
	cr_assert_eq(keys_sign_save(&k, "s", "p", &err), 0);
	text = slurp("s");
	len = strlen(text);
	for (size_t n = 0; n < len; n++) {
		char cut[128];

		snprintf(cut, sizeof(cut), "%.*s", (int)n, text);
		unlink("s2");
		spit("s2", cut, 0600);
		cr_assert_eq(keys_sign_load(&k, "s2", &err), n == len - 1 ? 0 : -1);
	}
	for (size_t at = 0; at < len; at++) {
		char was = text[at];

		text[at] = '!';
		unlink("s2");
		spit("s2", text, 0600);
		cr_assert_eq(keys_sign_load(&k, "s2", &err), -1, "byte %zu", at);
		text[at] = was;
	}
	free(text);
}

static enum km_rc box_text(const char *text)
{
	struct keys_box_public k;

	return keys_box_public_parse(&k, text, strlen(text));
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

	cr_assert_eq(keys_sign_public_parse(&k, inline_key, strlen(inline_key)), KM_OK);
	cr_assert_eq(k.key_number[7], 0xab);
	for (size_t n = 0; n < strlen(inline_key); n++)
		cr_assert_eq(keys_sign_public_parse(&k, inline_key, n), KM_ERR_MALFORMED);
	cr_assert_eq(keys_sign_public_parse(&k, weak, strlen(weak)), KM_ERR_RANGE);
	cr_assert_eq(keys_sign_public_parse(&k, "untrusted comment: x", 20),
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
	cr_assert_eq(keys_box_save(&k, "s", "p", &err), 0);
	good = slurp("p");
	len = strlen(good);
	for (size_t at = 0; at < len - 1; at++) {
		for (unsigned v = 0; v < 256; v++) {
			memcpy(text, good, len);
			text[at] = (char)v;
			if (text[at] != good[at])
				cr_assert_neq(keys_box_public_parse(&pub, text, len), KM_OK,
					      "byte %zu = %u", at, v);
		}
	}
	free(good);
}
