// SPDX-License-Identifier: ISC
/* status: the counters page of the daemon, running or not, for people or for programs. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "fileio.h"
#include "host.h"
#include "keys_show.h"
#include "rx_commands.h"
#include "stats.h"

static uint64_t counter(const struct stats_map *map, const char *role, const char *name)
{
	uint64_t value = 0;

	return stats_find(map, role, name, &value) ? value : 0;
}

static void print_margin(const struct stats_map *map)
{
	uint64_t margin = UINT64_MAX;

	(void)stats_find(map, "decode", "margin_worst", &margin);
	if (margin == UINT64_MAX)
		(void)printf(", no block needed repair\n");
	else
		(void)printf(", worst block had %" PRIu64 " repairs left\n", margin);
}

/* Nothing where nobody looks. */
static void print_scan(const struct stats_map *map)
{
	static const char *const names[] = {"scan_waiting", "scan_passed", "scan_rejected",
					    "scan_errors", "scan_timeouts"};
	uint64_t value[KM_COUNT(names)], sum = 0;

	for (size_t i = 0; i < KM_COUNT(names); i++) {
		value[i] = counter(map, "publish", names[i]);
		sum += value[i];
	}
	if (sum > 0)
		(void)printf("scan      waiting %" PRIu64 ", passed %" PRIu64
			     ", rejected %" PRIu64 ", failed %" PRIu64
			     ", not in time %" PRIu64 "\n",
			     value[0], value[1], value[2], value[3], value[4]);
}

void rx_print_counters(const struct stats_map *map)
{
	static const char *const refused[] = {
		"refused_short",   "refused_version",	      "refused_malformed",
		"refused_range",   "refused_unknown_session", "refused_auth",
		"refused_replay",  "refused_duplicate",	      "refused_announce",
		"refused_carrier",
	};

	(void)printf("files     published %" PRIu64 ", quarantined %" PRIu64
		     ", withdrawn %" PRIu64 ", missing %" PRIu64 " of %" PRIu64
		     " announced\n",
		     counter(map, "publish", "objects_published"),
		     counter(map, "publish", "objects_quarantined"),
		     counter(map, "publish", "objects_withdrawn"),
		     counter(map, "publish", "objects_missing"),
		     counter(map, "publish", "objects_announced"));
	(void)printf("          in progress %" PRIu64 ", bytes published %" PRIu64 "\n",
		     counter(map, "publish", "objects_partial"),
		     counter(map, "publish", "bytes_published"));
	print_scan(map);
	(void)printf("ledger    manifests %" PRIu64 ", refused %" PRIu64
		     ", missing %" PRIu64 "\n",
		     counter(map, "publish", "manifests_stored"),
		     counter(map, "publish", "manifests_refused"),
		     counter(map, "publish", "manifests_missing"));
	(void)printf("frames    seen %" PRIu64 ", foreign %" PRIu64 ", opened %" PRIu64
		     ", lost %" PRIu64 ", dropped by our own ring %" PRIu64 "\n",
		     counter(map, "decode", "seen"), counter(map, "decode", "foreign"),
		     counter(map, "decode", "opened"), counter(map, "decode", "lost_total"),
		     counter(map, "decode", "kernel_drops"));
	(void)printf("symbols   repaired %" PRIu64 ", missing %" PRIu64,
		     counter(map, "decode", "symbols_repaired"),
		     counter(map, "decode", "symbols_missing"));
	print_margin(map);
	for (size_t i = 0; i < KM_COUNT(refused); i++)
		if (counter(map, "decode", refused[i]) != 0)
			(void)printf("%s %" PRIu64 "\n", refused[i],
				     counter(map, "decode", refused[i]));
	(void)printf("windows   open %" PRIu64 ", done %" PRIu64 ", incomplete %" PRIu64
		     "; pool %" PRIu64 " of %" PRIu64 " slots, evictions %" PRIu64 "\n",
		     counter(map, "decode", "windows_open"),
		     counter(map, "decode", "windows_done"),
		     counter(map, "decode", "windows_incomplete"),
		     counter(map, "decode", "pool_used"),
		     counter(map, "decode", "pool_slots"),
		     counter(map, "decode", "pool_evictions"));
}

/* What publish last wrote about the sender; it outlives daemon and machine. */
struct sender {
	char state[16]; /* never, alive, farewell, unknown */
	uint64_t unknown_since_ns;
};

static void read_sender(const struct rx_config *config, struct sender *sender)
{
	_cleanup_free_ uint8_t *text = NULL;
	char path[RX_PATH_LEN + 16];
	size_t len;

	memset(sender, 0, sizeof(*sender));
	(void)snprintf(path, sizeof(path), "%s/publish/link", config->state_dir);
	if (fileio_read_all(AT_FDCWD, path, 4096, &text, &len, NULL) != 0 ||
	    sscanf((const char *)text, "state=%15[a-z] unknown_since_ns=%" SCNu64,
		   sender->state, &sender->unknown_since_ns) != 2)
		(void)snprintf(sender->state, sizeof(sender->state), "never");
}

static void print_sender(const struct sender *sender, bool running)
{
	char since[CLOCK_TEXT_MAX];

	(void)printf("sender    ");
	if (strcmp(sender->state, "unknown") == 0)
		(void)printf("unknown since %s",
			     clock_format(sender->unknown_since_ns, since));
	else if (strcmp(sender->state, "farewell") == 0)
		(void)printf("said farewell");
	else if (strcmp(sender->state, "alive") == 0)
		(void)printf("%s",
			     running ? "alive" : "was alive when this receiver stopped");
	else
		(void)printf("never heard");
	(void)printf("\n");
}

/* The number that decode (role "live"), the sink or stream shows for a live channel. */
static uint64_t live(const struct stats_map *map, const char *role, unsigned number,
		     const char *what)
{
	char name[STATS_NAME_MAX];

	(void)snprintf(name, sizeof(name), "ch%u_%s", number, what);
	return counter(map, role, name);
}

/* Delays are beyond that of the fastest message: nobody knows what the two clocks differ by. */
static void print_timing(const struct stats_map *map, unsigned n)
{
	const uint64_t last_ns = live(map, "timing", n, "last_ns");
	const uint64_t now_ns = clock_real_ns();

	if (last_ns == 0)
		return;
	(void)printf(
		"          last %.1f s ago; delay p50 %.2f, p99 %.2f, p99.9 %.2f, most "
		"%.2f ms\n",
		now_ns > last_ns ? (double)(now_ns - last_ns) / 1e9 : 0.0,
		(double)live(map, "timing", n, "delay_p50_us") / 1e3,
		(double)live(map, "timing", n, "delay_p99_us") / 1e3,
		(double)live(map, "timing", n, "delay_p999_us") / 1e3,
		(double)live(map, "timing", n, "delay_max_us") / 1e3);
}

static void print_lives(const struct rx_config *config, const struct stats_map *map)
{
	for (unsigned i = 0; i < config->lives; i++) {
		const unsigned n = config->live[i].number;

		(void)printf("%-9s %s: delivered %" PRIu64 ", repaired %" PRIu64
			     ", lost %" PRIu64 ", late %" PRIu64 ", sink behind %" PRIu64
			     ", dropped at tx %" PRIu64 "\n",
			     rx_kind_name((enum rx_kind)config->live[i].kind),
			     config->live[i].name, live(map, "live", n, "delivered"),
			     live(map, "live", n, "repaired"), live(map, "live", n, "lost"),
			     live(map, "live", n, "late"),
			     live(map, "live", n, "sink_full"),
			     live(map, "live", n, "tx_dropped"));
		(void)printf("          sent on %" PRIu64 ", refused %" PRIu64
			     ", consumer busy %" PRIu64 ", failed %" PRIu64
			     ", no route %" PRIu64 "\n",
			     live(map, "sink", n, "sent"), live(map, "sink", n, "refused"),
			     live(map, "sink", n, "busy"), live(map, "sink", n, "failed"),
			     live(map, "sink", n, "no_route"));
		print_timing(map, n);
	}
}

static void print_states(const struct rx_config *config, const struct stats_map *map)
{
	for (unsigned i = 0; i < config->lives; i++) {
		const unsigned n = config->live[i].number;

		if (config->live[i].kind != RX_KIND_STATE)
			continue;
		(void)printf("state     %s: keys %" PRIu64 ", stale %" PRIu64
			     ", newest %" PRIu64 " ms old, updates %" PRIu64
			     ", table full %" PRIu64 ", malformed %" PRIu64 "\n",
			     config->live[i].name, live(map, "state", n, "keys"),
			     live(map, "state", n, "keys_stale"),
			     live(map, "state", n, "age_ms"),
			     live(map, "state", n, "updates"),
			     live(map, "state", n, "table_full"),
			     live(map, "state", n, "malformed"));
		(void)printf("          consumers %" PRIu64 ", lines %" PRIu64
			     ", coalesced %" PRIu64 ", refused %" PRIu64
			     "; file written %" PRIu64 ", failed %" PRIu64 "\n",
			     live(map, "state", n, "consumers"),
			     live(map, "state", n, "lines"),
			     live(map, "state", n, "coalesced"),
			     live(map, "state", n, "refused"),
			     live(map, "state", n, "file_written"),
			     live(map, "state", n, "file_failed"));
	}
}

static void print_streams(const struct rx_config *config, const struct stats_map *map)
{
	for (unsigned i = 0; i < config->lives; i++) {
		const unsigned n = config->live[i].number;

		if (config->live[i].kind != RX_KIND_STREAM)
			continue;
		(void)printf(
			"stream    %s: open %" PRIu64 ", opened %" PRIu64 ", bytes %" PRIu64
			", gaps %" PRIu64 "; consumers: slow %" PRIu64 ", gone %" PRIu64
			"; too many %" PRIu64 ", malformed %" PRIu64 "\n",
			config->live[i].name, live(map, "stream", n, "open"),
			live(map, "stream", n, "opened"), live(map, "stream", n, "bytes"),
			live(map, "stream", n, "gaps"), live(map, "stream", n, "slow"),
			live(map, "stream", n, "broken"), live(map, "stream", n, "crowded"),
			live(map, "stream", n, "malformed"));
	}
}

/* What the running daemon works with, not what stands in files. */
static void print_keys(const struct stats_map *map)
{
	const uint64_t words[KEYS_PRINT_WORDS] = {
		counter(map, "keeper", "key_print_0"),
		counter(map, "keeper", "key_print_1"),
		counter(map, "keeper", "key_print_2"),
	};

	keys_print_status(words, counter(map, "keeper", "key_expires_day"),
			  counter(map, "keeper", "peer_keys"),
			  counter(map, "keeper", "peer_expires_day"),
			  keys_day_of(clock_real_ns()), stdout);
}

static void print_text(const struct rx_config *config, const struct stats_map *map,
		       pid_t pid, bool running)
{
	struct sender sender;

	read_sender(config, &sender);
	(void)printf("%s on %s: ", config->name, config->interface);
	if (running)
		(void)printf("running, pid %d\n", (int)pid);
	else
		(void)printf("not running: nothing of what is sent now will be taken\n");
	print_sender(&sender, running);
	if (!map->page) {
		(void)printf("no counters: it has not run since this machine started\n");
		return;
	}
	rx_print_counters(map);
	print_lives(config, map);
	print_states(config, map);
	print_streams(config, map);
	print_keys(map);
	(void)printf("one-way   port sent %" PRIu64
		     " frames%s; the sender's port received %" PRIu64 "%s\n",
		     counter(map, "supervisor", "port_sent"),
		     counter(map, "supervisor", "port_sent") ? ": SOMETHING HERE SENDS"
							     : "",
		     counter(map, "publish", "tx_port_received"),
		     counter(map, "publish", "tx_port_received") ? ": RETURN PATH" : "");
	(void)printf("roles     restarted %" PRIu64 ", down %" PRIu64 ", intake by %s\n",
		     counter(map, "supervisor", "role_restarts"),
		     counter(map, "supervisor", "roles_down"),
		     counter(map, "supervisor", "intake_pump") ? "libpcap" : "ring");
	if (counter(map, "supervisor", "permissive"))
		(void)printf("sandbox   PERMISSIVE: the log says what is missing\n");
	if (counter(map, "decode", "tx_permissive"))
		(void)printf("sandbox   of the sender: NOT WHOLE, says its heartbeat\n");
}

static void print_json(const struct rx_config *config, const struct stats_map *map,
		       pid_t pid, bool running)
{
	struct sender sender;

	read_sender(config, &sender);
	/* the interface's name holds no character that JSON would want escaped, by its judge */
	(void)printf("{\"daemon\":\"katamichi-rx\",\"interface\":\"%s\",\"running\":%s,"
		     "\"pid\":%d,\"sender\":{\"state\":\"%s\",\"unknown_since_ns\":%" PRIu64
		     "},\"roles\":",
		     config->interface, running ? "true" : "false", running ? (int)pid : 0,
		     sender.state, sender.unknown_since_ns);
	if (map->page)
		stats_print_json(map, stdout);
	else
		(void)printf("{}");
	(void)printf("}\n");
}

int cmd_status(const struct rx_options *options)
{
	char path[RX_PATH_LEN + 16];
	struct stats_map map = {0};
	struct rx_parse *parse;
	bool running;
	pid_t pid;
	int code;

	parse = rx_open_config(options->config, NULL, NULL, &code);
	if (!parse)
		return code;
	running = host_is_running(parse->config.run_dir, &pid);
	(void)snprintf(path, sizeof(path), "%s/stats", parse->config.run_dir);
	if (stats_map_ro(&map, path, NULL) != 0)
		map.page = NULL;
	if (options->json)
		print_json(&parse->config, &map, pid, running);
	else
		print_text(&parse->config, &map, pid, running);
	if (options->all && !options->json && map.page)
		stats_print_text(&map, stdout);
	if (map.page)
		stats_unmap(&map);
	rx_parse_free(parse);
	return EX_OK;
}
