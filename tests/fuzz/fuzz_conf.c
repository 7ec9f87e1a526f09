// SPDX-License-Identifier: ISC
/* A configuration file against a table with a key of every type. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf.h"
#include "fuzz_alloc.h"
#include "fuzz_target.h"

struct channel {
	char name[CONF_NAME_MAX];
	char owner[64];
	int kind;
	uint64_t flush_ns;
};

struct all {
	char folder[CONF_PATH_MAX];
	bool permissive;
	uint64_t workers, memory, rate;
	uint8_t mac[6];
	uint16_t ethertype;
	struct conf_list keys;
	struct conf_endpoint peer;
	uint64_t least, any, span;
	struct local_end end;
	char note[32];
	struct channel channel[8];
	uint32_t channels;
};

static const struct conf_name kinds[] = {{"files", 0}, {"stream", 1}, {NULL, 0}};

static const struct conf_row link_rows[] = {
	CONF_ROW(struct all, folder, "folder", CONF_PATH, .def = "/var/lib/x", .help = "h"),
	CONF_ROW(struct all, permissive, "permissive", CONF_BOOL, .def = "no", .help = "h"),
	CONF_ROW(struct all, workers, "workers", CONF_U64, .min = 1, .max = 8, .def = "1",
		 .help = "h"),
	CONF_ROW(struct all, memory, "memory", CONF_SIZE, .def = "64 MiB", .help = "h"),
	CONF_ROW(struct all, rate, "rate", CONF_RATE, .required = true, .help = "h"),
	CONF_ROW(struct all, mac, "mac", CONF_MAC, .def = "02:00:00:00:00:01", .help = "h"),
	CONF_ROW(struct all, ethertype, "ethertype", CONF_HEX16, .def = "0x88b5",
		 .help = "h"),
	CONF_ROW(struct all, keys, "keys", CONF_LIST, .help = "h"),
	CONF_ROW(struct all, peer, "peer", CONF_ENDPOINT, .def = "192.0.2.1:4001",
		 .help = "h"),
	CONF_ROW(struct all, least, "least", CONF_DURATION, .min = 1000, .def = "1 ms",
		 .help = "h"),
	CONF_ROW(struct all, any, "any", CONF_U64, .def = "1", .help = "h"),
	CONF_ROW(struct all, span, "span", CONF_DURATION, .def = "1 s", .help = "h"),
	CONF_ROW(struct all, end, "end", CONF_END, .help = "h"),
	CONF_ROW(struct all, note, "note", CONF_STRING, .def = "n", .help = "h"),
};

static const struct conf_row channel_rows[] = {
	CONF_ROW(struct channel, owner, "owner", CONF_STRING, .required = true,
		 .help = "h"),
	CONF_ROW(struct channel, kind, "kind", CONF_ENUM, .names = kinds, .def = "files",
		 .help = "h"),
	CONF_ROW(struct channel, flush_ns, "flush", CONF_DURATION, .def = "20 ms",
		 .help = "h"),
};

static const struct conf_section sections[] = {
	{.name = "link",
	 .required = true,
	 .rows = link_rows,
	 .n_rows = KM_COUNT(link_rows),
	 .help = "h"},
	{.name = "channel",
	 .has_arg = true,
	 .offset = offsetof(struct all, channel),
	 .stride = sizeof(struct channel),
	 .max = 8,
	 .count_offset = offsetof(struct all, channels),
	 .arg_offset = offsetof(struct channel, name),
	 .rows = channel_rows,
	 .n_rows = KM_COUNT(channel_rows),
	 .help = "h"},
};

static const struct conf_table table = {sections, KM_COUNT(sections)};

/* The same from a file, which says the first fault. */
static void check_file(const uint8_t *data, size_t size, enum km_rc rc)
{
	struct conf_report report = CONF_REPORT_INIT;
	struct km_err err = KM_ERR_INIT;
	static struct all all;
	char path[64];
	int fd = memfd_create("conf", MFD_CLOEXEC);

	FUZZ_ASSERT(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	FUZZ_ASSERT((conf_load(path, &table, &all, sizeof(all), &report, &err) == 0) ==
		    (rc == KM_OK));
	FUZZ_ASSERT(rc == KM_OK || (err.code == EX_CONFIG && err.text[0]));
	conf_report_free(&report);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_report report = CONF_REPORT_INIT, second = CONF_REPORT_INIT;
	static struct all all, again;
	char *dump = NULL;
	size_t dump_len = 0;
	FILE *out;
	enum km_rc rc;

	fuzz_alloc_begin(data, size);
	rc = conf_parse_mem(data, size, "fuzz.conf", &table, &all, sizeof(all), &report);
	if (fuzz_alloc_end()) {
		FUZZ_ASSERT(rc == KM_ERR_NOMEM);
		conf_report_free(&report);
		return 0;
	}
	FUZZ_ASSERT(rc == KM_OK || rc == KM_ERR_MALFORMED);
	FUZZ_ASSERT((rc == KM_OK) == (report.errors == 0));
	FUZZ_ASSERT(all.channels <= 8);
	check_file(data, size, rc);
	if (rc == KM_OK) {
		/* What it would print as effective values must mean the same. */
		FUZZ_ASSERT(all.workers >= 1 && all.workers <= 8);
		FUZZ_ASSERT(conf_parse_mode(all.note) <= 0777);
		out = open_memstream(&dump, &dump_len);
		FUZZ_ASSERT(out != NULL);
		conf_dump(out, &all, &report);
		fclose(out);
		rc = conf_parse_mem(dump, dump_len, "dump", &table, &again, sizeof(again),
				    &second);
		FUZZ_ASSERT(rc == KM_OK);
		FUZZ_ASSERT(memcmp(&all, &again, sizeof(all)) == 0);
		conf_report_free(&second);
		free(dump);
	}
	conf_report_free(&report);
	return 0;
}
