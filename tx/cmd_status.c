// SPDX-License-Identifier: ISC
/* status: the counters page of the daemon, running or not, for people or for programs. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "host.h"
#include "keys_show.h"
#include "stats.h"
#include "tx_commands.h"

static uint64_t counter(const struct stats_map *map, const char *role, const char *name)
{
	uint64_t value = 0;

	return stats_find(map, role, name, &value) ? value : 0;
}

static void print_age(uint64_t seconds)
{
	if (seconds < 120)
		(void)printf("%" PRIu64 " s", seconds);
	else if (seconds < 7200)
		(void)printf("%" PRIu64 " min", seconds / 60);
	else
		(void)printf("%" PRIu64 " h", seconds / 3600);
}

/* The number that the source shows for a live channel. */
static uint64_t live(const struct stats_map *map, unsigned number, const char *what)
{
	char name[STATS_NAME_MAX];

	(void)snprintf(name, sizeof(name), "ch%u_%s", number, what);
	return counter(map, "live", name);
}

static void print_lives(const struct tx_config *config, const struct stats_map *map)
{
	for (unsigned i = 0; i < config->lives; i++) {
		const unsigned n = config->live[i].number;

		(void)printf("%-9s %s: messages %" PRIu64 ", bytes %" PRIu64
			     "; dropped: queue full %" PRIu64 ", over rate %" PRIu64
			     ", too long %" PRIu64 ", source not allowed %" PRIu64
			     ", cut off %" PRIu64 "\n",
			     tx_kind_name((enum tx_kind)config->live[i].kind),
			     config->live[i].name, live(map, n, "messages"),
			     live(map, n, "bytes"), live(map, n, "overflow"),
			     live(map, n, "over_rate"), live(map, n, "too_long"),
			     live(map, n, "not_allowed"), live(map, n, "cut_off"));
	}
}

/* The number that role stream shows for its channel. */
static uint64_t stream(const struct stats_map *map, unsigned number, const char *what)
{
	char name[STATS_NAME_MAX];

	(void)snprintf(name, sizeof(name), "ch%u_%s", number, what);
	return counter(map, "stream", name);
}

static void print_streams(const struct tx_config *config, const struct stats_map *map)
{
	for (unsigned i = 0; i < config->lives; i++) {
		const unsigned n = config->live[i].number;

		if (config->live[i].kind != TX_KIND_STREAM)
			continue;
		(void)printf("stream    %s: open %" PRIu64 ", opened %" PRIu64
			     ", broken %" PRIu64 ", bytes %" PRIu64
			     "; turned away: too many %" PRIu64 ", not allowed %" PRIu64
			     "; bytes dropped %" PRIu64 ", waits %" PRIu64 "\n",
			     config->live[i].name, stream(map, n, "open"),
			     stream(map, n, "opened"), stream(map, n, "broken"),
			     stream(map, n, "bytes"), stream(map, n, "refused"),
			     stream(map, n, "not_allowed"), stream(map, n, "dropped_bytes"),
			     stream(map, n, "waits"));
	}
}

/* What the running daemon works with, not what stands in files. */
static void print_keys(const struct stats_map *map)
{
	const uint64_t words[KEYS_PRINT_WORDS] = {
		counter(map, "signer", "key_print_0"),
		counter(map, "signer", "key_print_1"),
		counter(map, "signer", "key_print_2"),
	};

	keys_print_status(words, counter(map, "signer", "key_expires_day"),
			  counter(map, "signer", "peer_keys"),
			  counter(map, "signer", "peer_expires_day"),
			  keys_day_of(clock_real_ns()), stdout);
}

/* The number that role state shows for a channel of that kind. */
static uint64_t state(const struct stats_map *map, unsigned number, const char *what)
{
	char name[STATS_NAME_MAX];

	(void)snprintf(name, sizeof(name), "ch%u_%s", number, what);
	return counter(map, "state", name);
}

static void print_states(const struct tx_config *config, const struct stats_map *map)
{
	for (unsigned i = 0; i < config->lives; i++) {
		const unsigned n = config->live[i].number;

		if (config->live[i].kind != TX_KIND_STATE)
			continue;
		(void)printf("state     %s: keys %" PRIu64 ", updates %" PRIu64
			     ", said again %" PRIu64 ", coalesced %" PRIu64
			     "; dropped: table full %" PRIu64 ", malformed %" PRIu64
			     ", too long %" PRIu64 ", source not allowed %" PRIu64
			     ", queue full %" PRIu64 "\n",
			     config->live[i].name, state(map, n, "keys"),
			     state(map, n, "updates"), state(map, n, "refreshes"),
			     state(map, n, "coalesced"), state(map, n, "table_full"),
			     state(map, n, "malformed"), state(map, n, "too_long"),
			     state(map, n, "not_allowed"), state(map, n, "overflow"));
	}
}

static void print_text(const struct tx_config *config, const struct stats_map *map,
		       pid_t pid, bool running)
{
	(void)printf("%s on %s: ", config->name, config->interface);
	if (running)
		(void)printf("running, pid %d\n", (int)pid);
	else
		(void)printf("not running\n");
	if (!map->page) {
		(void)printf("no counters: it has not run since this machine started\n");
		return;
	}
	(void)printf("files     sent %" PRIu64 ", waiting %" PRIu64 ", refused %" PRIu64
		     ", withdrawn %" PRIu64 "\n",
		     counter(map, "source", "files_sent"),
		     counter(map, "source", "backlog_files"),
		     counter(map, "source", "files_refused"),
		     counter(map, "source", "files_withdrawn"));
	(void)printf("spool     oldest waiting file ");
	print_age(counter(map, "source", "spool_age_s"));
	(void)printf("\nkept      %" PRIu64 " files, %" PRIu64 " bytes; gone early %" PRIu64
		     "\n",
		     counter(map, "source", "kept_files"),
		     counter(map, "source", "kept_bytes"),
		     counter(map, "source", "yielded_files"));
	(void)printf("ledger    objects %" PRIu64 ", manifests %" PRIu64
		     ", resends %" PRIu64 "\n",
		     counter(map, "source", "objects_announced"),
		     counter(map, "source", "manifests_sent"),
		     counter(map, "source", "resends"));
	print_lives(config, map);
	print_states(config, map);
	print_streams(config, map);
	(void)printf(
		"frames    sent %" PRIu64 ", bytes %" PRIu64 ", no buffer %" PRIu64 "\n",
		counter(map, "sender", "frames_sent"), counter(map, "sender", "bytes_sent"),
		counter(map, "sender", "enobufs"));
	print_keys(map);
	(void)printf("one-way   port received %" PRIu64 " frames, link socket %" PRIu64
		     "%s\n",
		     counter(map, "supervisor", "port_received"),
		     counter(map, "sender", "packet_stats_received"),
		     counter(map, "supervisor", "port_received") ? ": RETURN PATH" : "");
	(void)printf("roles     restarted %" PRIu64 ", down %" PRIu64 "\n",
		     counter(map, "supervisor", "role_restarts"),
		     counter(map, "supervisor", "roles_down"));
	if (counter(map, "supervisor", "permissive"))
		(void)printf("sandbox   PERMISSIVE: the log says what is missing\n");
}

static void print_json(const struct tx_config *config, const struct stats_map *map,
		       pid_t pid, bool running)
{
	/* name and interface hold no character that JSON would want escaped, by their judge */
	(void)printf("{\"daemon\":\"katamichi-tx\",\"interface\":\"%s\",\"running\":%s,"
		     "\"pid\":%d,\"roles\":",
		     config->interface, running ? "true" : "false", running ? (int)pid : 0);
	if (map->page)
		stats_print_json(map, stdout);
	else
		(void)printf("{}");
	(void)printf("}\n");
}

int cmd_status(const struct tx_options *options)
{
	char path[TX_PATH_LEN + 16];
	struct stats_map map = {0};
	struct tx_parse *parse;
	bool running;
	pid_t pid;
	int code;

	parse = tx_open_config(options->config, NULL, NULL, &code);
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
	tx_parse_free(parse);
	return EX_OK;
}
