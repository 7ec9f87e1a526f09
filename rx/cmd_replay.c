// SPDX-License-Identifier: ISC
/*
 * replay: the whole receiver on a recorded file, in a directory of its own. The configuration
 * is the live one with state, run and root directories moved there, so that neither floors
 * nor ledgers nor trees of the running daemon are touched.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "rx_commands.h"
#include "rx_probe.h"
#include "rx_supervisor.h"
#include "stats.h"

#define MTU_DEFAULT 9000

static int fail(const char *what, const char *why, int code)
{
	(void)fprintf(stderr, "katamichi-rx: %s: %s\n", what, why);
	return code;
}

/* DIR exists and is empty, or can be made; `full` gets its absolute name. */
static int claim_dir(const char *dir, char full[RX_PATH_LEN])
{
	char resolved[PATH_MAX];
	_cleanup_close_ int fd = -1;

	if (mkdir(dir, 0755) != 0 && errno != EEXIST)
		return fail(dir, strerrordesc_np(errno), EX_CANTCREAT);
	if (!realpath(dir, resolved) || strlen(resolved) + 80 > RX_PATH_LEN)
		return fail(dir, "path too long, or not to be resolved", EX_CANTCREAT);
	fd = open(resolved, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail(dir, strerrordesc_np(errno), EX_CANTCREAT);
	/* a state from an earlier replay would call everything a repetition */
	if (faccessat(fd, "state", F_OK, 0) == 0)
		return fail(dir, "holds an earlier replay; name an empty directory",
			    EX_CANTCREAT);
	memcpy(full, resolved, strlen(resolved) + 1); /* its length was looked at above */
	return EX_OK;
}

/* The live configuration with its directories moved, as a text that roles parse. */
static char *move_config(struct rx_parse *parse, const char *dir, size_t *len)
{
	struct rx_raw *raw = &parse->raw;
	char *text = NULL;
	FILE *f;

	(void)snprintf(raw->state_dir, sizeof(raw->state_dir), "%.430s/state", dir);
	(void)snprintf(raw->run_dir, sizeof(raw->run_dir), "%.430s/run", dir);
	for (uint32_t i = 0; i < raw->channels; i++) {
		char name[CONF_NAME_MAX];

		if (raw->channel[i].kind != RX_KIND_FILES)
			continue; /* has no directory; decode leaves it out */
		memcpy(name, raw->channel[i].name, sizeof(name));
		(void)snprintf(raw->channel[i].root, sizeof(raw->channel[i].root),
			       "%.430s/%s", dir, name);
	}
	f = open_memstream(&text, len);
	if (!f)
		return NULL;
	conf_dump(f, raw, &parse->report);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static uint32_t choose_mtu(const struct rx_options *options, const struct rx_config *config)
{
	struct host_interface port;

	if (options->mtu != 0)
		return (uint32_t)options->mtu;
	if (config->mtu != 0)
		return config->mtu;
	if (host_find_interface(config->interface, &port, NULL) == 0 &&
	    port.mtu >= WIRE_MTU_MIN && port.mtu <= WIRE_MTU_MAX)
		return port.mtu;
	return MTU_DEFAULT;
}

static void print_summary(const struct rx_config *config)
{
	char path[RX_PATH_LEN + 16];
	struct stats_map map = {0};

	(void)snprintf(path, sizeof(path), "%s/stats", config->run_dir);
	if (stats_map_ro(&map, path, NULL) != 0)
		return;
	rx_print_counters(&map);
	stats_unmap(&map);
}

static int replay(const struct rx_options *options, struct rx_parse *live, int file)
{
	struct km_err err = KM_ERR_INIT;
	char dir[RX_PATH_LEN];
	struct rx_parse *parse;
	char *text;
	size_t len;
	int code = claim_dir(options->into, dir);

	if (code != EX_OK)
		return code;
	text = move_config(live, dir, &len);
	if (!text)
		return fail(options->config, "out of memory", EX_OSERR);
	parse = rx_parse_new(text, len, options->config, &err);
	if (!parse || parse->report.errors != 0) {
		if (parse)
			conf_report_print(&parse->report, stderr);
		code = fail(options->config, "cannot be used for a replay", EX_CONFIG);
	} else {
		log_set_level(parse->config.log_level);
		parse->config.mtu = choose_mtu(options, &parse->config);
		code = rx_supervisor_run(&parse->config, NULL, text, len, NULL, file);
		print_summary(&parse->config);
	}
	rx_parse_free(parse);
	free(text);
	return code;
}

int cmd_replay(const struct rx_options *options)
{
	_cleanup_close_ int file = open(options->capture, O_RDONLY | O_CLOEXEC);
	struct rx_parse *live;
	int code;

	if (file < 0)
		return fail(options->capture, strerrordesc_np(errno), EX_NOINPUT);
	live = rx_open_config(options->config, NULL, NULL, &code);
	if (!live)
		return code;
	code = replay(options, live, file);
	rx_parse_free(live);
	return code;
}
