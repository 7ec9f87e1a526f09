// SPDX-License-Identifier: ISC
/* oneway-check: the evidence that nothing comes in by the diode port, for an inspector. */
#include <stdio.h>

#include "host.h"
#include "oneway_judge.h"
#include "oneway_rule.h"
#include "stats.h"
#include "tx_commands.h"

static int look(const struct tx_config *config, struct oneway_report *report,
		struct km_err *err)
{
	const char *const interface = config->interface;
	static struct oneway_scene scene;
	struct host_interface port;
	pid_t pid = 0;
	const bool running = host_is_running(config->run_dir, &pid);
	const char *const counters = running ? config->run_dir : NULL;

	if (host_find_interface(interface, &port, err) != 0 ||
	    oneway_scene_look(&scene, interface, port.index, running, pid, err) != 0)
		return -1;
	/* 0: the packet socket; 1, 2: AF_XDP */
	scene.xdp = stats_ask(counters, "sender", "af_xdp") - 1 < 2;
	oneway_judge_link(report, &scene, "sender", false);
	oneway_judge_calls(report, &scene, "sender", "call that receives");
	oneway_judge_others(report, &scene, true);
	oneway_look_at_host(report, "", interface, true);
	oneway_look_at_rule(report, interface, ONEWAY_INGRESS);
	oneway_look_at_nic(report, "", interface);
	oneway_look_at_counter(report, interface, "rx_packets", "received",
			       stats_ask(counters, "supervisor", "port_received"));
	return 0;
}

int cmd_oneway(const struct tx_options *options)
{
	struct oneway_report report = {.n = 0};
	struct km_err err = KM_ERR_INIT;
	struct tx_parse *parse;
	int code;

	parse = tx_open_config(options->config, NULL, NULL, &code);
	if (!parse)
		return code;
	if (look(&parse->config, &report, &err) != 0) {
		(void)fprintf(stderr, "katamichi-tx: %s\n", err.text);
		tx_parse_free(parse);
		return err.code;
	}
	oneway_tell(&report, "katamichi-tx", "may receive nothing by",
		    parse->config.interface, options->json);
	tx_parse_free(parse);
	return oneway_exit_code(&report);
}
