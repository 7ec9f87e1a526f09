// SPDX-License-Identifier: ISC
/* Records, tickets and a manifest with its signature. */
#include <string.h>

#include "frame.h"
#include "manifest.h"
#include "minisig.h"
#include "record.h"
#include "ticket.h"
#include "vectors.h"

/* One record, as `"hex"` beside what it says. END as in vectors_hex(). */
static void write_record(const struct vectors *v, const char *says, struct wr *wr,
			 const char *end)
{
	fprintf(v->out, "    {\n      \"says\": { %s },\n", says);
	vectors_hex(v, "      ", "record", wr->p, wr->used, "");
	fprintf(v->out, "    }%s\n", end);
	wr->used = 0;
}

static void write_object_records(const struct vectors *v, struct wr *wr)
{
	const struct record_begin dir = {.chain = VECTORS_CHAIN,
					 .number = 300,
					 .kind = RECORD_OBJECT_DIR,
					 .mtime_s = -1,
					 .mtime_ns = 999999999,
					 .path = (const uint8_t *)"empty",
					 .path_len = 5};
	const struct record_begin file = {.chain = VECTORS_CHAIN,
					  .number = 1,
					  .size = WIRE_OBJECT_MAX,
					  .path = (const uint8_t *)"a/b",
					  .path_len = 3};
	const struct record_withdrawn w = {
		.chain = VECTORS_CHAIN, .number = 16384, .reason = RECORD_WITHDRAWN_GONE};
	uint8_t *data;
	size_t taken;

	vectors_need(record_put_begin(wr, &dir) == KM_OK, "begin");
	write_record(
		v,
		"\"type\": \"begin\", \"chain\": 1763704291, \"number\": 300, \"kind\": 1, "
		"\"size\": 0, \"mtime_s\": -1, \"mtime_ns\": 999999999, \"path\": "
		"\"656d707479\"",
		wr, ",");
	vectors_need(record_put_begin(wr, &file) == KM_OK, "begin");
	write_record(
		v,
		"\"type\": \"begin\", \"chain\": 1763704291, \"number\": 1, \"kind\": 0, "
		"\"size\": 4611686018427387904, \"mtime_s\": 0, \"mtime_ns\": 0, "
		"\"path\": \"612f62\"",
		wr, ",");
	vectors_need(record_put_fragment(wr, VECTORS_CHAIN, 1, 65536, 3, &data, &taken) ==
				     KM_OK &&
			     taken == 3,
		     "fragment");
	memcpy(data, "xyz", 3);
	write_record(v,
		     "\"type\": \"fragment\", \"chain\": 1763704291, \"number\": 1, "
		     "\"offset\": 65536, \"data\": \"78797a\"",
		     wr, ",");
	vectors_need(record_put_withdrawn(wr, &w) == KM_OK, "withdrawn");
	write_record(v,
		     "\"type\": \"withdrawn\", \"chain\": 1763704291, \"number\": 16384, "
		     "\"reason\": 2",
		     wr, ",");
	vectors_need(record_put_manifest(wr, VECTORS_CHAIN, 2, 2000, 128, 2, &data,
					 &taken) == KM_OK &&
			     taken == 2,
		     "manifest");
	memcpy(data, "mn", 2);
	write_record(v,
		     "\"type\": \"manifest\", \"chain\": 1763704291, \"number\": 2, "
		     "\"total\": 2000, \"offset\": 128, \"data\": \"6d6e\"",
		     wr, ",");
}

static void write_message_records(const struct vectors *v, struct wr *wr)
{
	static const uint8_t source[] = {192, 0, 2, 7, 0x14, 0x14};
	struct record_message m = {.number = 300,
				   .tx_time_ns = VECTORS_CHAIN * 1000000000,
				   .source = source,
				   .source_len = sizeof(source),
				   .total = 1500,
				   .offset = 1400,
				   .len = 3};
	uint8_t *data;
	size_t taken;

	vectors_need(record_put_message(wr, &m, &data, &taken) == KM_OK && taken == 3,
		     "message");
	memcpy(data, "abc", 3);
	write_record(v,
		     "\"type\": \"message\", \"number\": 300, "
		     "\"tx_time_ns\": 1763704291000000000, "
		     "\"source\": \"c00002071414\", \"total\": 1500, "
		     "\"offset\": 1400, \"data\": \"616263\"",
		     wr, ",");
	m = (struct record_message){.number = 1, .tx_time_ns = 1, .source = source};
	vectors_need(record_put_message(wr, &m, &data, &taken) == KM_OK && taken == 0,
		     "empty message");
	write_record(v,
		     "\"type\": \"message\", \"number\": 1, \"tx_time_ns\": 1, "
		     "\"source\": \"\", \"total\": 0, \"offset\": 0, \"data\": \"\"",
		     wr, ",");
}

static void write_control_records(const struct vectors *v, struct wr *wr)
{
	const struct record_heartbeat hb = {.tx_time_ns = VECTORS_CHAIN * 1000000000,
					    .port_received = 0,
					    .flags = RECORD_HB_FAREWELL |
						     RECORD_HB_PERMISSIVE,
					    .config_digest = {1, 2, 3, 4, 5, 6, 7, 8},
					    .lanes = 2,
					    .lane = {{0, 12}, {3, 1015}}};
	struct record_heads h = {.channel = VECTORS_CHANNEL,
				 .chain = VECTORS_CHAIN,
				 .objects = 11,
				 .manifests = 2};
	const struct record_close c = {.channel = VECTORS_CHANNEL,
				       .stream = FRAME_STREAM_DATA,
				       .window = 17,
				       .symbols = 9,
				       .repairs = 6};
	const struct record_live l = {
		.channel = VECTORS_CHANNEL, .messages = 20000, .dropped = 129};

	vectors_need(record_put_heartbeat(wr, &hb) == KM_OK, "heartbeat");
	write_record(v,
		     "\"type\": \"heartbeat\", \"tx_time_ns\": 1763704291000000000, "
		     "\"port_received\": 0, \"flags\": 3, \"config_digest\": "
		     "\"0102030405060708\", "
		     "\"lanes\": [[0, 12], [3, 1015]]",
		     wr, ",");
	memset(h.head, 0x5a, sizeof(h.head));
	vectors_need(record_put_heads(wr, &h) == KM_OK, "heads");
	write_record(v,
		     "\"type\": \"heads\", \"channel\": 7, \"chain\": 1763704291, "
		     "\"objects\": 11, "
		     "\"manifests\": 2, \"head\": "
		     "\"5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a\"",
		     wr, ",");
	vectors_need(record_put_close(wr, &c) == KM_OK, "close");
	write_record(v,
		     "\"type\": \"close\", \"channel\": 7, \"stream\": 0, \"window\": 17, "
		     "\"symbols\": 9, \"repairs\": 6",
		     wr, ",");
	vectors_need(record_put_live(wr, &l) == KM_OK, "live");
	write_record(v,
		     "\"type\": \"live\", \"channel\": 7, \"messages\": 20000, "
		     "\"dropped\": 129",
		     wr, "");
}

void vectors_write_records(const struct vectors *v)
{
	uint8_t room[512];
	struct wr wr;

	wr_init(&wr, room, sizeof(room));
	fprintf(v->out, "  \"records\": [\n");
	write_object_records(v, &wr);
	write_message_records(v, &wr);
	write_control_records(v, &wr);
	fprintf(v->out, "  ],\n");
}

void vectors_write_tickets(const struct vectors *v)
{
	static const struct ticket tickets[] = {
		{.kind = TICKET_OBJECTS,
		 .channel = VECTORS_CHANNEL,
		 .chain = VECTORS_CHAIN,
		 .items = 3,
		 .item = {{3, 3}, {10, 25}, {26, 26}}},
		{.kind = TICKET_EXTENTS,
		 .channel = 300,
		 .chain = VECTORS_CHAIN,
		 .object = 129,
		 .items = 2,
		 .item = {{0, 0}, {524287, 1000000}}},
		{.kind = TICKET_MANIFESTS,
		 .channel = 1,
		 .chain = 1,
		 .items = 1,
		 .item = {{4, 4}}},
	};

	fprintf(v->out, "  \"tickets\": [\n");
	for (unsigned i = 0; i < KM_COUNT(tickets); i++) {
		const struct ticket *t = &tickets[i];
		char text[TICKET_TEXT_MAX];

		vectors_need(ticket_encode(text, t) == KM_OK, "ticket");
		fprintf(v->out,
			"    { \"kind\": %u, \"channel\": %u, \"chain\": %llu, \"object\": "
			"%llu, "
			"\"items\": [",
			t->kind, t->channel, (unsigned long long)t->chain,
			(unsigned long long)t->object);
		for (unsigned n = 0; n < t->items; n++)
			fprintf(v->out, "%s[%llu, %llu]", n ? ", " : "",
				(unsigned long long)t->item[n].first,
				(unsigned long long)t->item[n].last);
		fprintf(v->out, "],\n      \"text\": \"%s\" }%s\n", text,
			i + 1 < KM_COUNT(tickets) ? "," : "");
	}
	fprintf(v->out, "  ],\n");
}

static void manifest_inputs(const struct vectors *v, struct manifest_head *h,
			    struct manifest_entry e[5])
{
	static const struct manifest_entry rows[5] = {
		{.kind = MANIFEST_FLAT,
		 .path = (const uint8_t *)"dir/\x83\x5c.txt",
		 .path_len = 10},
		{.kind = MANIFEST_DIR, .path = (const uint8_t *)"empty", .path_len = 5},
		{.kind = MANIFEST_WITHDRAWN,
		 .reason = RECORD_WITHDRAWN_CHANGED,
		 .path = (const uint8_t *)"gone",
		 .path_len = 4},
		{.kind = MANIFEST_TREE,
		 .path = (const uint8_t *)"large\\.bin",
		 .path_len = 10},
		{.kind = MANIFEST_FLAT,
		 .path = (const uint8_t *)"plain name",
		 .path_len = 10},
	};

	memset(h, 0, sizeof(*h));
	keys_fingerprint(h->fingerprint, v->tx.pub.pk);
	h->channel = VECTORS_CHANNEL;
	strcpy(h->channel_name, "timetables");
	strcpy(h->owner, "Dept. 4, \xe9\x81\x8b\xe8\xbb\xa2");
	strcpy(h->purpose, "daily timetables to the office");
	strcpy(h->classification, "internal");
	h->chain = VECTORS_CHAIN;
	h->number = 2;
	vectors_bytes(h->previous, sizeof(h->previous), "manifest 1");
	h->first = 5;
	h->last = 9;
	h->created_ns = VECTORS_CHAIN * 1000000000 + 42000000;
	strcpy(h->software, "katamichi 0.1.0");
	vectors_bytes(h->config_digest, sizeof(h->config_digest), "tx config");
	for (unsigned i = 0; i < 5; i++) {
		char label[16];

		e[i] = rows[i];
		e[i].number = h->first + i;
		e[i].mtime_s = 1763704000 + i;
		e[i].mtime_ns = 123456789;
		snprintf(label, sizeof(label), "digest %u", i);
		vectors_bytes(e[i].digest, DIGEST_LEN, label);
	}
}

void vectors_write_manifest(const struct vectors *v)
{
	char text[8192], comment[MINISIG_COMMENT_MAX + 1], sigfile[MINISIG_FILE_MAX],
		name[64];
	uint8_t hash[DIGEST_LEN], prehash[MINISIG_HASH_LEN], sig[64], global[64];
	struct manifest_entry e[5];
	struct manifest_head h;
	unsigned index;
	size_t len, siglen;

	manifest_inputs(v, &h, e);
	vectors_need(manifest_write(text, sizeof(text), &len, &h, e, 5) == KM_OK,
		     "manifest");
	digest_sha256(hash, text, len);
	minisig_hash(prehash, text, len);
	manifest_comment(comment, h.chain, h.number, hash);
	minisig_sign(sig, global, prehash, comment, strlen(comment), &v->tx);
	siglen = minisig_compose(sigfile, v->tx.pub.key_number, sig, global, comment,
				 strlen(comment));
	manifest_file_name(name, h.chain, h.number);
	fprintf(v->out, "  \"manifest\": {\n    \"file_name\": \"%s\",\n", name);
	vectors_hex(v, "    ", "text", text, len, ",");
	vectors_hex(v, "    ", "sha256", hash, sizeof(hash), ",");
	vectors_hex(v, "    ", "minisig_file", sigfile, siglen, "");
	fprintf(v->out, "  }\n");
	vectors_need(minisig_verify(text, len, sigfile, siglen, &v->tx.pub, 1, &index,
				    comment) == KM_OK,
		     "the signature does not verify");
}
