// SPDX-License-Identifier: ISC
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base_seed.h"
#include "conf.h"

struct chan {
	char name[CONF_NAME_MAX];
	char owner[CONF_STRING_MAX];
	char dir[CONF_PATH_MAX];
	int kind;
	uint64_t settle_ns;
	struct conf_list deny;
	struct local_end at;
};

struct demo {
	char iface[16];
	uint8_t dst[6];
	uint16_t type;
	bool vlan;
	uint64_t mtu, pool, rate_bps;
	uint32_t n_channels;
	struct chan channel[3];
};

static const struct conf_name kinds[] = {{"files", 1}, {"stream", 2}, {NULL, 0}};

static const struct conf_row link_rows[] = {
	CONF_ROW(struct demo, iface, "interface", CONF_STRING, .required = true,
		 .help = "Port."),
	CONF_ROW(struct demo, dst, "destination", CONF_MAC, .def = "03:00:00:00:00:01"),
	CONF_ROW(struct demo, type, "ethertype", CONF_HEX16, .def = "0x88b5", .min = 0x600),
	CONF_ROW(struct demo, vlan, "vlan", CONF_BOOL, .def = "no"),
	CONF_ROW(struct demo, mtu, "mtu", CONF_U64, .def = "1500", .min = 576, .max = 9216),
	CONF_ROW(struct demo, pool, "pool", CONF_SIZE, .def = "64 MiB", .min = 1 << 20),
	CONF_ROW(struct demo, rate_bps, "rate", CONF_RATE, .def = "900 Mbit/s", .min = 1000,
		 .max = UINT64_C(100000000000)),
};

static const struct conf_row chan_rows[] = {
	CONF_ROW(struct chan, owner, "owner", CONF_STRING, .required = true,
		 .help = ".Who - x"),
	CONF_ROW(struct chan, dir, "directory", CONF_PATH),
	CONF_ROW(struct chan, kind, "kind", CONF_ENUM, .names = kinds, .def = "files"),
	CONF_ROW(struct chan, settle_ns, "settle", CONF_DURATION, .def = "1 s",
		 .min = 1000000, .max = UINT64_C(60000000000)),
	CONF_ROW(struct chan, deny, "deny", CONF_LIST),
	CONF_ROW(struct chan, at, "meeting_place", CONF_END),
};

static const struct conf_section sections[] = {
	{.name = "link",
	 .required = true,
	 .rows = link_rows,
	 .n_rows = KM_COUNT(link_rows)},
	{.name = "channel",
	 .has_arg = true,
	 .offset = offsetof(struct demo, channel),
	 .stride = sizeof(struct chan),
	 .max = 3,
	 .count_offset = offsetof(struct demo, n_channels),
	 .arg_offset = offsetof(struct chan, name),
	 .rows = chan_rows,
	 .n_rows = KM_COUNT(chan_rows)},
};

static const struct conf_table table = {sections, KM_COUNT(sections)};
static struct demo demo;
static struct conf_report report;

static enum km_rc parse_n(const char *text, size_t n)
{
	char *exact = malloc(n ? n : 1);
	enum km_rc rc;

	cr_assert(exact);
	memcpy(exact, text, n);
	rc = conf_parse_mem(exact, n, "t.conf", &table, &demo, sizeof(demo), &report);
	free(exact);
	return rc;
}

static enum km_rc parse(const char *text)
{
	return parse_n(text, strlen(text));
}

static char *stream_text(void (*print)(FILE *))
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	cr_assert(out);
	print(out);
	fclose(out);
	return text;
}

Test(conf, a_good_file)
{
	cr_assert_eq(
		parse("# comment\n; too\r\n\n[link]\n interface = eth0\r\nrate=2.5 Gbit/s\n"
		      "mtu = 9000\npool = 1.5GiB\nvlan = on\ndestination = "
		      "03:AA:bb:0c:00:ff\n"
		      "ethertype = 0x0800\n[channel a]\nowner = \xe9\xa7\x85 x\n"
		      "directory = /srv/in/\nkind = stream\nsettle = 250ms\ndeny = a, b c "
		      ",d\n"
		      "[channel b-2]\nowner = y = z"),
		KM_OK, "%s", report.line[0]);
	cr_assert_str_eq(demo.iface, "eth0");
	cr_assert_eq(demo.rate_bps, UINT64_C(2500000000));
	cr_assert_eq(demo.pool, UINT64_C(3) << 29);
	cr_assert(demo.vlan && demo.mtu == 9000 && demo.type == 0x800);
	cr_assert_eq(memcmp(demo.dst, "\x03\xaa\xbb\x0c\x00\xff", 6), 0);
	cr_assert_eq(demo.n_channels, 2);
	cr_assert_str_eq(demo.channel[0].name, "a");
	cr_assert_str_eq(demo.channel[0].dir, "/srv/in");
	cr_assert(demo.channel[0].kind == 2 && demo.channel[0].settle_ns == 250000000);
	cr_assert_eq(demo.channel[0].deny.n, 3);
	cr_assert_str_eq(demo.channel[0].deny.item[1], "b c");
	cr_assert_str_eq(demo.channel[1].owner, "y = z");
	cr_assert(demo.channel[1].kind == 1 && demo.channel[1].settle_ns == 1000000000);
	cr_assert_eq(conf_origin(&report, "channel", 1, "owner"), 19);
	cr_assert_eq(conf_origin(&report, "channel", 1, "kind"), 0);
	cr_assert_eq(conf_origin(&report, "nothing", 1, "kind"), 0);
	conf_report_free(&report);
}

/* The text inside [link] (interface given) must yield exactly this error. */
static void link_error(const char *line, const char *want)
{
	char text[CONF_LINE_MAX + 200];

	snprintf(text, sizeof(text), "[link]\ninterface = e\n%s\n", line);
	cr_assert_eq(parse(text), KM_ERR_MALFORMED, "%s", line);
	cr_assert_eq(report.errors, 1);
	cr_assert_str_eq(report.line[0], want);
}

Test(conf, each_error_in_link)
{
	char longest[CONF_LINE_MAX + 2];

	link_error("mtu = 500",
		   "t.conf:3: mtu = 500: too small (allowed 576 .. 9216; default 1500)");
	link_error("mtu = 9217",
		   "t.conf:3: mtu = 9217: too large (allowed 576 .. 9216; default 1500)");
	link_error(
		"mtu = 99999999999999999999999",
		"t.conf:3: mtu = 99999999999999999999999: too large (allowed 576 .. 9216; "
		"default 1500)");
	link_error("mtu = 1k", "t.conf:3: mtu = 1k: not a whole number (allowed 576 .. "
			       "9216; default 1500)");
	link_error("mtu = -1",
		   "t.conf:3: mtu = -1: not a number (allowed 576 .. 9216; default 1500)");
	link_error("mtu =", "t.conf:3: mtu = \"\": the value is empty (allowed 576 .. "
			    "9216; default 1500)");
	link_error("mtv = 1500",
		   "t.conf:3: mtv = 1500: unknown key in [link] (did you mean mtu?)");
	link_error("colour = red", "t.conf:3: colour = red: unknown key in [link]");
	link_error("mtu = 1500\nmtu = 1500",
		   "t.conf:4: mtu = 1500: duplicate key (first at line 3)");
	link_error(
		"rate = 10",
		"t.conf:3: rate = 10: the unit is missing (allowed 1 kbit/s .. 100 Gbit/s; "
		"default 900 Mbit/s)");
	link_error("rate = 10 Mbps", "t.conf:3: rate = 10 Mbps: unknown unit (allowed 1 "
				     "kbit/s .. 100 Gbit/s; default "
				     "900 Mbit/s)");
	link_error("rate = 2.00000000001 Gbit/s", "t.conf:3: rate = 2.00000000001 Gbit/s: "
						  "not a number (allowed 1 kbit/s .. 100 "
						  "Gbit/s; default 900 Mbit/s)");
	link_error("pool = 1048576.5", "t.conf:3: pool = 1048576.5: not a whole number of "
				       "the smallest unit (allowed "
				       "from 1 MiB; default 64 MiB)");
	link_error(
		"vlan = maybe",
		"t.conf:3: vlan = maybe: neither yes nor no (allowed yes, no; default no)");
	link_error("destination = 03:00:00:00:00",
		   "t.conf:3: destination = 03:00:00:00:00: not a MAC address (allowed "
		   "aa:bb:cc:dd:ee:ff; default 03:00:00:00:00:01)");
	link_error("ethertype = 0x5ff", "t.conf:3: ethertype = 0x5ff: too small (allowed "
					"0x0600 .. 0xffff; default 0x88b5)");
	link_error("ethertype = 88b5", "t.conf:3: ethertype = 88b5: not a hexadecimal "
				       "number of 16 bits (allowed 0x0600 "
				       ".. 0xffff; default 0x88b5)");
	link_error("just words", "t.conf:3: just words: neither [section] nor key = value");
	link_error("= 1", "t.conf:3: = 1: neither [section] nor key = value");
	link_error("[linc]\nx = y",
		   "t.conf:3: [linc]: unknown section (did you mean [link]?)");
	link_error("[link]", "t.conf:3: section [link] is given twice (first at line 1)");
	link_error("[link x]", "t.conf:3: section [link] takes no name");
	link_error("[channel", "t.conf:3: [channel: a section line ends in ']'");
	link_error("\x1b[2J = \xff",
		   "t.conf:3: \"\\x1b[2J\" = \"\\xff\": unknown key in [link]");
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	link_error(longest, "t.conf:3: line of 4097 bytes (allowed up to 4096)");
	conf_report_free(&report);
}

static void chan_error(const char *text, const char *want)
{
	char all[1024];

	snprintf(all, sizeof(all), "[link]\ninterface = e\n%s\n", text);
	cr_assert_eq(parse(all), KM_ERR_MALFORMED, "%s", text);
	cr_assert_eq(report.errors, 1, "%s / %s", report.line[0], report.line[1]);
	cr_assert_str_eq(report.line[0], want);
}

Test(conf, each_error_in_channel)
{
	chan_error("[channel a]",
		   "t.conf:3: [channel a] owner: the key is missing (allowed text up "
		   "to 255 bytes; required)");
	chan_error("[channel a]\nowner = o\n[channel a]\nowner = p",
		   "t.conf:5: section [channel a] is given twice (first at line 3)");
	chan_error("[channel]",
		   "t.conf:3: section [channel \"\"]: not a name (allowed 1 to 63 of A-Z "
		   "a-z 0-9 _ - . and not - or . first)");
	chan_error("[channel ../x]",
		   "t.conf:3: section [channel ../x]: not a name (allowed 1 to 63 "
		   "of A-Z a-z 0-9 _ - . and not - or . first)");
	chan_error("[channel a]\nowner=o\n[channel b]\nowner=o\n[channel "
		   "c]\nowner=o\n[channel d]",
		   "t.conf:9: more than 3 sections [channel ..]");
	chan_error("[channel a]\nowner=o\ndirectory = srv",
		   "t.conf:5: directory = srv: not an absolute path (allowed an absolute "
		   "path up to "
		   "1023 bytes; no default)");
	chan_error("[channel a]\nowner=o\ndirectory = /a/../b",
		   "t.conf:5: directory = /a/../b: must not hold '..' (allowed an absolute "
		   "path up to "
		   "1023 bytes; no default)");
	chan_error("[channel a]\nowner=o\nkind = tape",
		   "t.conf:5: kind = tape: no such choice (allowed files, stream; default "
		   "files)");
	chan_error(
		"[channel a]\nowner=o\nsettle = 2 min",
		"t.conf:5: settle = 2 min: too large (allowed 1 ms .. 1 min; default 1 s)");
	chan_error("[channel a]\nowner=o\ndeny = a,,b",
		   "t.conf:5: deny = a,,b: an item is empty (allowed up to 16 items with "
		   "commas "
		   "between; no default)");
	chan_error("[channel a]\nowner = \x83\x5c",
		   "t.conf:4: owner = \"\\x83\\x5c\": not UTF-8 text without control "
		   "characters "
		   "(allowed text up to 255 bytes; required)");
	conf_report_free(&report);
}

static void print_dump(FILE *out)
{
	conf_dump(out, &demo, &report);
}

#define PLACE_ALLOWED                                                                      \
	"(allowed an IPv4 address and a port, 192.0.2.1:4001, or an absolute path up to "  \
	"107 bytes, after fifo: that of a FIFO; no default)"

#define IN_CHANNEL "[link]\ninterface = e\n[channel a]\nowner = o\nmeeting_place = "

static void place_error(const char *value, const char *reason)
{
	char text[512], want[1024];

	(void)snprintf(text, sizeof(text), "[channel a]\nowner=o\nmeeting_place = %s",
		       value);
	(void)snprintf(want, sizeof(want),
		       "t.conf:5: meeting_place = %s: %s " PLACE_ALLOWED, value, reason);
	chan_error(text, want);
}

Test(conf, each_error_of_a_place)
{
	char longest[160] = "/", text[512];

	place_error("here", "neither an IPv4 address and a port nor a path");
	place_error("run/socket", "neither an IPv4 address and a port nor a path");
	place_error("192.0.2.1", "neither an IPv4 address and a port nor a path");
	place_error("192.0.2.1:0", "neither an IPv4 address and a port nor a path");
	place_error("192.0.2.256:1", "neither an IPv4 address and a port nor a path");
	place_error("192.0.2.1:65536", "neither an IPv4 address and a port nor a path");
	place_error("fifo:", "neither an IPv4 address and a port nor a path");
	place_error("fifo:pipe", "not an absolute path");
	place_error("/run/../socket", "must not hold '..'");
	memset(longest + 1, 'x', LOCAL_END_PATH_MAX - 1);
	cr_assert_eq(strlen(longest), LOCAL_END_PATH_MAX);
	(void)snprintf(text, sizeof(text), IN_CHANNEL "%s\n", longest);
	cr_assert_eq(parse(text), KM_ERR_MALFORMED);
	cr_assert_not_null(strstr(report.line[0], ": longer than 107 bytes (allowed "));
	longest[LOCAL_END_PATH_MAX - 1] = '\0';
	(void)snprintf(text, sizeof(text), IN_CHANNEL "%s\n", longest);
	cr_assert_eq(parse(text), KM_OK, "%s", report.line[0]);
	cr_assert_str_eq(demo.channel[0].at.path, longest);
	conf_report_free(&report);
}

Test(conf, places_are_printed_as_they_are_read)
{
	static const struct {
		const char *text;
		enum local_end_kind kind;
	} one[] = {{"192.0.2.1:514", LOCAL_END_INET},
		   {"239.255.0.1:65535", LOCAL_END_INET},
		   {"/run/app/socket", LOCAL_END_UNIX},
		   {"fifo:/run/app/pipe", LOCAL_END_FIFO}};

	for (unsigned i = 0; i < KM_COUNT(one); i++) {
		char text[256], line[128];
		struct demo before;
		char *dump;

		(void)snprintf(line, sizeof(line), "meeting_place = %s\n", one[i].text);
		(void)snprintf(text, sizeof(text),
			       "[link]\ninterface = e\n[channel a]\nowner = o\n%s", line);
		cr_assert_eq(parse(text), KM_OK, "%s", report.line[0]);
		cr_assert_eq(demo.channel[0].at.kind, one[i].kind);
		before = demo;
		dump = stream_text(print_dump);
		cr_assert_not_null(strstr(dump, line), "%s", dump);
		cr_assert_eq(parse(dump), KM_OK);
		cr_assert_eq(memcmp(&before, &demo, sizeof(demo)), 0);
		free(dump);
	}
	conf_report_free(&report);
}

Test(conf, all_errors_are_reported)
{
	cr_assert_eq(parse("early = 1\n[channel a]\nmtu = 1\nkind = x\n"),
		     KM_ERR_MALFORMED);
	cr_assert_eq(report.errors, 5);
	cr_assert_str_eq(report.line[0], "t.conf:1: early = 1: before the first [section]");
	cr_assert_str_eq(report.line[1], "t.conf:3: mtu = 1: unknown key in [channel]");
	cr_assert_str_eq(report.line[3], "t.conf: section [link] is missing");
	cr_assert_eq(strncmp(report.line[4], "t.conf:2: [channel a] owner:", 28), 0);
	conf_report_free(&report);
}

static void print_report(FILE *out)
{
	conf_report_print(&report, out);
}

Test(conf, too_many_errors_are_counted)
{
	char text[200 * 8 + 64] = "[link]\ninterface=e\n";
	char *all;

	for (int i = 0; i < 150; i++)
		strcat(text, "x = 1\n");
	cr_assert_eq(parse(text), KM_ERR_MALFORMED);
	cr_assert_eq(report.errors, 150);
	all = stream_text(print_report);
	cr_assert_not_null(strstr(all, "t.conf: and 50 more errors\n"));
	free(all);
	conf_report_free(&report);
}

Test(conf, dump_parses_to_the_same)
{
	struct demo before;
	char *text;

	cr_assert_eq(parse("[link]\ninterface = e\nrate = 123457 kbit/s\n[channel "
			   "a]\nowner = o\n"
			   "settle = 1500us\ndeny = x,y\n"),
		     KM_OK, "%s", report.line[0]);
	before = demo;
	text = stream_text(print_dump);
	cr_assert_not_null(strstr(text, "# from t.conf:2\ninterface = e\n"), "%s", text);
	cr_assert_not_null(strstr(text, "# default\nmtu = 1500\n"));
	cr_assert_not_null(strstr(text, "# directory is not set\n"));
	cr_assert_not_null(strstr(text, "rate = 123457 kbit/s\n"));
	cr_assert_not_null(strstr(text, "settle = 1500 us\n"));
	cr_assert_eq(parse(text), KM_OK, "%s", report.line[0]);
	cr_assert_eq(memcmp(&before, &demo, sizeof(demo)), 0);
	free(text);
	conf_report_free(&report);
}

Test(conf, the_judge_speaks_with_file_and_line)
{
	cr_assert_eq(parse("[link]\ninterface = e\nmtu = 9000\n[channel a]\nowner = o\n"),
		     KM_OK);
	conf_report_add(&report, &demo, "link", 0, "mtu", "above the %s", "port's");
	conf_report_add(&report, &demo, "channel", 0, "settle", "too short");
	conf_report_add(&report, &demo, "channel", 0, "directory", "is needed");
	conf_report_add(&report, &demo, "channel", 0, NULL, "is odd");
	conf_report_add(&report, &demo, "none", 0, "k", "bug");
	cr_assert_eq(report.errors, 5);
	cr_assert_str_eq(report.line[0], "t.conf:3: mtu = 9000: above the port's");
	cr_assert_str_eq(report.line[1],
			 "t.conf: [channel a] settle = 1 s (default): too short");
	cr_assert_str_eq(report.line[2],
			 "t.conf: [channel a] directory = (not set) (default): is needed");
	cr_assert_str_eq(report.line[3], "t.conf:4: is odd");
	conf_report_free(&report);
}

static void print_man(FILE *out)
{
	conf_print_man(out, &table);
}

static void print_keys(FILE *out)
{
	conf_print_keys(out, &table);
}

Test(conf, manual_and_key_list)
{
	char *man = stream_text(print_man), *keys = stream_text(print_keys);
	size_t lines = 0;

	cr_assert_not_null(strstr(man, ".SS [channel NAME]\n"));
	cr_assert_not_null(
		strstr(man, "\n\\&.Who \\- x\nAllowed: text up to 255 bytes. Required.\n"),
		"%s", man);
	for (char *p = keys; *p; p++)
		lines += *p == '\n';
	cr_assert_eq(lines, KM_COUNT(link_rows) + KM_COUNT(chan_rows));
	cr_assert_not_null(strstr(keys, "channel\tsettle\tduration\t1 s\t1 ms .. 1 min\n"));
	free(man);
	free(keys);
}

Test(conf, wrong_tables_are_our_bug)
{
	struct conf_row row = link_rows[4];
	struct conf_section sec = {.name = "s", .rows = &row, .n_rows = 1};
	struct conf_table wrong = {&sec, 1};

	row.offset = sizeof(demo) - 4;
	cr_assert_eq(conf_parse_mem("", 0, "t", &wrong, &demo, sizeof(demo), &report),
		     KM_ERR_STATE);
	row = link_rows[4];
	row.size = 4;
	cr_assert_eq(conf_parse_mem("", 0, "t", &wrong, &demo, sizeof(demo), &report),
		     KM_ERR_STATE);
	row = link_rows[4];
	row.def = "7";
	cr_assert_eq(conf_parse_mem("", 0, "t", &wrong, &demo, sizeof(demo), &report),
		     KM_ERR_STATE);
	conf_report_free(&report);
}

Test(conf, load)
{
	struct km_err err = KM_ERR_INIT;
	char path[] = "/tmp/km-conf-XXXXXX";
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	cr_assert_eq(conf_load(path, &table, &demo, sizeof(demo), &report, &err), -1);
	cr_assert_eq(err.code, EX_CONFIG);
	cr_assert_not_null(strstr(err.text, "section [link] is missing"));
	cr_assert_eq(write(fd, "[link]\ninterface=e\n", 19), 19);
	cr_assert_eq(conf_load(path, &table, &demo, sizeof(demo), &report, &err), 0);
	close(fd);
	unlink(path);
	cr_assert_eq(conf_load(path, &table, &demo, sizeof(demo), &report, &err), -1);
	cr_assert_eq(err.code, EX_NOINPUT);
	conf_report_free(&report);
}

/* Whole files made of fragments and noise: no crash, and an error count that fits. */
Test(conf, random_files)
{
	static const char *const bits[] = {
		"[link]",    "[channel ",   "]",
		"\n",	     "=",	    " ",
		"interface", "mtu",	    "1500",
		"owner",     "deny",	    ",",
		"\xff",	     "settle",	    "18446744073709551616 d",
		".",	     "0.5 ms",	    "#",
		"\0",	     "destination", "99999999999999999999999999999999999999999 TiB",
		"pool",
	};
	uint64_t state = base_seed("random_files");

	for (int round = 0; round < 20000; round++) {
		char text[600];
		size_t n = 0, parts = base_random(&state) % 60;
		enum km_rc rc;

		for (size_t i = 0; i < parts; i++) {
			const char *bit = bits[base_random(&state) % KM_COUNT(bits)];
			size_t len = *bit ? strlen(bit) : 1;

			if (n + len > sizeof(text))
				break;
			memcpy(text + n, bit, len);
			n += len;
		}
		rc = parse_n(text, n);
		cr_assert(rc == KM_OK || rc == KM_ERR_MALFORMED);
		cr_assert_eq(rc == KM_OK, report.errors == 0);
		cr_assert_leq(demo.n_channels, 3);
	}
	conf_report_free(&report);
}

Test(conf, first_change_names_the_key)
{
	static const char *const none[] = {NULL};
	static const char *const but[] = {"rate", "deny", NULL};
	static struct demo before;

	cr_assert_eq(parse("[link]\ninterface = a-longer-name\n[channel a]\nowner = x\n"),
		     KM_OK);
	before = demo;
	cr_assert_null(conf_first_change(&table, &before, &demo, none));
	cr_assert_eq(parse("[link]\ninterface = a-longer-name\nmtu = 1500\nrate = 1 "
			   "Gbit/s\n[channel a]\nowner = x\ndeny = a, b\n"),
		     KM_OK);
	cr_assert_str_eq(conf_first_change(&table, &before, &demo, none), "rate");
	cr_assert_null(conf_first_change(&table, &before, &demo, but));
	cr_assert_eq(parse("[link]\ninterface = eth0\n[channel a]\nowner = x\n"), KM_OK);
	cr_assert_str_eq(conf_first_change(&table, &before, &demo, but), "interface");
	cr_assert_eq(parse("[link]\ninterface = a-longer-name\n[channel a]\nowner = y\n"),
		     KM_OK);
	cr_assert_str_eq(conf_first_change(&table, &before, &demo, but), "owner");
	cr_assert_eq(parse("[link]\ninterface = a-longer-name\n[channel b]\nowner = x\n"),
		     KM_OK);
	cr_assert_str_eq(conf_first_change(&table, &before, &demo, but), "channel");
	cr_assert_eq(parse("[link]\ninterface = a-longer-name\n"), KM_OK);
	cr_assert_str_eq(conf_first_change(&table, &before, &demo, but), "channel");
}
