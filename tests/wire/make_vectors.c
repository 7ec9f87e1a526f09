// SPDX-License-Identifier: ISC
/*
 * Usage: make_vectors FILE          write the vectors
 *        make_vectors --check FILE  exit 0 if and only if FILE is what would be written
 */
#include <stdlib.h>
#include <string.h>

#include "digest.h"
#include "frame.h"
#include "keys_text.h"
#include "vectors.h"

void vectors_need(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "make_vectors: %s\n", what);
	exit(1);
}

void vectors_bytes(uint8_t *p, size_t len, const char *label)
{
	uint8_t input[64] = {0}, hash[DIGEST_LEN];
	size_t n = strlen(label) + 1;

	vectors_need(n + 4 <= sizeof(input), "label too long");
	memcpy(input, label, n);
	for (uint32_t count = 0; len; count++) {
		size_t now = len < sizeof(hash) ? len : sizeof(hash);

		for (unsigned i = 0; i < 4; i++)
			input[n + i] = (uint8_t)(count >> (24 - 8 * i));
		digest_sha256(hash, input, n + 4);
		memcpy(p, hash, now);
		p += now;
		len -= now;
	}
}

void vectors_hex(const struct vectors *v, const char *indent, const char *name,
		 const void *p, size_t len, const char *end)
{
	const uint8_t *at = p;

	fprintf(v->out, "%s\"%s\": \"", indent, name);
	for (size_t i = 0; i < len; i++)
		fprintf(v->out, "%02x", at[i]);
	fprintf(v->out, "\"%s\n", end);
}

static void write_keys(struct vectors *v)
{
	uint8_t number[8], seed[32];
	char text[KEYS_TEXT_MAX], print[KEYS_FINGERPRINT_MAX];
	size_t len;

	vectors_bytes(number, sizeof(number), "tx key number");
	vectors_bytes(seed, sizeof(seed), "tx seed");
	keys_sign_from_seed(&v->tx, number, seed);
	len = keys_text_sign_public(text, &v->tx.pub, &(struct keys_facts){0});
	keys_fingerprint(print, v->tx.pub.pk);
	fprintf(v->out, "  \"tx_identity\": {\n");
	vectors_hex(v, "    ", "key_number", number, sizeof(number), ",");
	vectors_hex(v, "    ", "ed25519_seed", seed, sizeof(seed), ",");
	vectors_hex(v, "    ", "ed25519_public", v->tx.pub.pk, 32, ",");
	vectors_hex(v, "    ", "pub_file", text, len, ",");
	fprintf(v->out, "    \"fingerprint\": \"%s\"\n  },\n  \"receivers\": [\n", print);
	for (unsigned i = 0; i < VECTORS_RECEIVERS; i++) {
		uint8_t sk[32];
		char label[16];

		snprintf(label, sizeof(label), "rx %u", i);
		vectors_bytes(sk, sizeof(sk), label);
		keys_box_from_secret(&v->rx[i], sk);
		len = keys_text_box_public(text, &v->rx[i].pub, &(struct keys_facts){0});
		keys_fingerprint(print, v->rx[i].pub.pk);
		fprintf(v->out, "    {\n");
		vectors_hex(v, "      ", "x25519_secret", sk, sizeof(sk), ",");
		vectors_hex(v, "      ", "x25519_public", v->rx[i].pub.pk, 32, ",");
		vectors_hex(v, "      ", "key_id", v->rx[i].pub.id, 8, ",");
		vectors_hex(v, "      ", "pub_file", text, len, ",");
		fprintf(v->out, "      \"fingerprint\": \"%s\"\n    }%s\n", print,
			i + 1 < VECTORS_RECEIVERS ? "," : "");
	}
	fprintf(v->out, "  ],\n");
}

/* The announce must also open, or the vectors would spread a mistake. */
static void check_announce(const struct vectors *v)
{
	uint8_t secret[SEAL_SECRET_LEN];
	struct announce a;

	vectors_need(session_announce_check(&a, v->announce, v->announce_len, &v->tx.pub,
					    1) == KM_OK,
		     "the announce does not check");
	for (unsigned i = 0; i < VECTORS_RECEIVERS; i++) {
		vectors_need(session_announce_open(secret, &a, v->announce, v->announce_len,
						   &v->rx[i]) == KM_OK &&
				     memcmp(secret, v->secret, sizeof(secret)) == 0,
			     "a box does not open");
	}
}

static void write_session(struct vectors *v)
{
	struct session_facts facts = {.environment = 2,
				      .epoch = VECTORS_CHAIN,
				      .created_ns = VECTORS_CHAIN * 1000000000 + 42000000};
	struct keys_box_public public[VECTORS_RECEIVERS];
	struct session_draw draw;
	struct frame_header h = {.version = WIRE_VERSION, .type = FRAME_ANNOUNCE};
	uint8_t header[WIRE_HEADER_LEN];

	vectors_bytes(facts.config_digest, sizeof(facts.config_digest), "tx config");
	vectors_bytes(draw.secret, sizeof(draw.secret), "session secret");
	vectors_bytes(draw.session_id, sizeof(draw.session_id), "session id");
	vectors_bytes(draw.ephemeral_secret, sizeof(draw.ephemeral_secret), "ephemeral");
	for (unsigned i = 0; i < VECTORS_RECEIVERS; i++)
	public[i] = v->rx[i].pub;
	vectors_need(session_announce_make_from(v->announce, &v->announce_len, &draw,
						&facts, &v->tx, public,
						VECTORS_RECEIVERS) == KM_OK,
		     "no announce");
	memcpy(v->secret, draw.secret, sizeof(v->secret));
	check_announce(v);
	session_transcript(v->transcript, v->announce, v->announce_len);
	h.length = (uint16_t)v->announce_len;
	h.link_id = 1;
	frame_header_encode(header, &h);
	fprintf(v->out,
		"  \"session\": {\n    \"environment\": %u,\n    \"epoch\": %llu,\n"
		"    \"created_ns\": %llu,\n",
		facts.environment, (unsigned long long)facts.epoch,
		(unsigned long long)facts.created_ns);
	vectors_hex(v, "    ", "config_digest", facts.config_digest, 32, ",");
	vectors_hex(v, "    ", "session_id", draw.session_id, 16, ",");
	vectors_hex(v, "    ", "ephemeral_secret", draw.ephemeral_secret, 32, ",");
	vectors_hex(v, "    ", "session_secret", draw.secret, 32, ",");
	vectors_hex(v, "    ", "announce", v->announce, v->announce_len, ",");
	vectors_hex(v, "    ", "announce_frame_header", header, sizeof(header), ",");
	vectors_hex(v, "    ", "transcript", v->transcript, 32, ",");
	fprintf(v->out, "    \"session_tag\": %lu,\n    \"lane_keys\": {\n",
		(unsigned long)session_tag(v->transcript));
	for (uint16_t lane = 0; lane < 16; lane = (uint16_t)(lane + 5)) {
		uint8_t key[SEAL_KEY_LEN];
		char name[8];

		seal_lane_key(key, v->secret, v->transcript, lane);
		snprintf(name, sizeof(name), "%u", lane);
		vectors_hex(v, "      ", name, key, sizeof(key), lane < 15 ? "," : "");
	}
	fprintf(v->out, "    }\n  },\n");
}

static void write_all(struct vectors *v)
{
	fprintf(v->out,
		"{\n"
		"  \"about\": \"Test vectors of docs/wire.md, written by "
		"tests/wire/make_vectors. "
		"Byte strings are hexadecimal.\",\n"
		"  \"wire_version\": %u,\n",
		WIRE_VERSION);
	write_keys(v);
	write_session(v);
	vectors_write_window(v);
	vectors_write_records(v);
	vectors_write_tickets(v);
	vectors_write_linktest(v);
	vectors_write_manifest(v);
	fprintf(v->out, "}\n");
}

static int compare(const char *path, const char *text, size_t len)
{
	FILE *in = fopen(path, "r");
	unsigned line = 1;

	vectors_need(in != NULL, "cannot open the file to compare with");
	for (size_t i = 0; i <= len; i++) {
		int c = fgetc(in), want = i < len ? (unsigned char)text[i] : EOF;

		if (c != want) {
			fprintf(stderr,
				"make_vectors: %s:%u differs: the wire has changed; if "
				"it was meant to, write the file anew\n",
				path, line);
			fclose(in);
			return 1;
		}
		line += c == '\n';
	}
	fclose(in);
	return 0;
}

int main(int argc, char **argv)
{
	static struct vectors v;
	struct km_err err = KM_ERR_INIT;
	char *text = NULL;
	size_t len = 0;
	int rc = 0;
	FILE *file;

	vectors_need(argc == 2 || (argc == 3 && strcmp(argv[1], "--check") == 0),
		     "usage: make_vectors [--check] FILE");
	vectors_need(keys_init(&err) == 0, err.text);
	v.out = open_memstream(&text, &len);
	vectors_need(v.out != NULL, "out of memory");
	write_all(&v);
	vectors_need(fclose(v.out) == 0, "out of memory");
	if (argc == 3) {
		rc = compare(argv[2], text, len);
	} else {
		file = fopen(argv[1], "w");
		vectors_need(file && fwrite(text, 1, len, file) == len && fclose(file) == 0,
			     "cannot write the file");
	}
	free(text);
	return rc;
}
