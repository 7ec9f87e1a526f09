// SPDX-License-Identifier: ISC
/* run: everything that can be wrong is said, in one line each, before a role starts. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "fileio.h"
#include "log.h"
#include "rx_advise.h"
#include "rx_commands.h"
#include "rx_probe.h"
#include "rx_supervisor.h"
#include "sandbox.h"

struct rx_parse *rx_open_config(const char *path, char **bytes, size_t *len, int *code)
{
	struct km_err err = KM_ERR_INIT;
	struct rx_parse *parse = NULL;
	uint8_t *data = NULL;
	size_t n = 0;

	*code = EX_CONFIG;
	if (fileio_read_all(AT_FDCWD, path, CONF_FILE_MAX, &data, &n, &err) != 0 ||
	    (parse = rx_parse_new((const char *)data, n, path, &err)) == NULL) {
		(void)fprintf(stderr, "katamichi-rx: configuration %s\n", err.text);
		*code = err.code ? err.code : EX_NOINPUT;
		free(data);
		return NULL;
	}
	if (parse->report.errors != 0) {
		conf_report_print(&parse->report, stderr);
		rx_parse_free(parse);
		free(data);
		return NULL;
	}
	if (bytes) {
		*bytes = (char *)data;
		*len = n;
	} else {
		free(data);
	}
	*code = EX_OK;
	return parse;
}

static int check_privilege(void)
{
	struct sandbox_report now = {0};

	sandbox_observe(&now);
	if (now.caps_effective & SANDBOX_CAP(CAP_NET_RAW))
		return 0;
	log_event(EVENT_DAEMON_FAILED,
		  "no CAP_NET_RAW, so no capture socket: start as root, or "
		  "with AmbientCapabilities=CAP_NET_RAW in the unit");
	return EX_NOPERM;
}

static void advise(const struct rx_config *config)
{
	struct advice_list list = {.n = 0};

	rx_advise_host(&list, config);
	advice_log(&list);
}

static int run_parsed(struct rx_parse *parse, const char *path, const char *bytes,
		      size_t len)
{
	struct host_interface port;
	struct km_err err = KM_ERR_INIT;

	log_set_level(parse->config.log_level);
	if (rx_probe_link(parse, &port, &err) != 0) {
		log_event(EVENT_DAEMON_FAILED, "%s", err.text);
		return err.code;
	}
	rx_probe_address(parse);
	rx_probe_consumers(parse);
	rx_probe_kernel(parse);
	rx_probe_size(parse);
	if (parse->report.errors != 0) {
		conf_report_print(&parse->report, stderr);
		log_event(EVENT_CONFIG_ERROR, "configuration refused errors=%u",
			  parse->report.errors);
		return EX_CONFIG;
	}
	if (check_privilege() != 0)
		return EX_NOPERM;
	advise(&parse->config);
	return rx_supervisor_run(&parse->config, path, bytes, len, &port, -1);
}

int cmd_run(const struct rx_options *options)
{
	char *bytes = NULL;
	size_t len = 0;
	int code;
	struct rx_parse *parse = rx_open_config(options->config, &bytes, &len, &code);

	if (!parse)
		return code;
	code = run_parsed(parse, options->config, bytes, len);
	rx_parse_free(parse);
	free(bytes);
	return code;
}
