// SPDX-License-Identifier: ISC
/* oneway-check: the evidence that nothing leaves by the diode port, for an inspector. */
#include <stdio.h>

#include "host.h"
#include "oneway_judge.h"
#include "oneway_rule.h"
#include "rx_commands.h"
#include "stats.h"

static int look(const struct rx_config *config, struct oneway_report *report,
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
	scene.xdp = stats_ask(counters, "supervisor", "intake_xdp") == 1;
	/* capture stays only where libpcap serves; else it hands its sockets over */
	oneway_judge_link(
		report, &scene,
		oneway_daemon_role(&scene.daemon, "capture") ? "capture" : "decode", true);
	oneway_judge_calls(report, &scene, "decode", "call that sends");
	oneway_judge_others(report, &scene, false);
	oneway_look_at_host(report, "", interface, false);
	oneway_look_at_rule(report, interface, ONEWAY_EGRESS);
	oneway_look_at_nic(report, "", interface);
	oneway_look_at_counter(report, interface, "tx_packets", "sent",
			       stats_ask(counters, "supervisor", "port_sent"));
	return 0;
}

int cmd_oneway(const struct rx_options *options)
{
	struct oneway_report report = {.n = 0};
	struct km_err err = KM_ERR_INIT;
	struct rx_parse *parse;
	int code;

	parse = rx_open_config(options->config, NULL, NULL, &code);
	if (!parse)
		return code;
	if (look(&parse->config, &report, &err) != 0) {
		(void)fprintf(stderr, "katamichi-rx: %s\n", err.text);
		rx_parse_free(parse);
		return err.code;
	}
	oneway_tell(&report, "katamichi-rx", "may send nothing by", parse->config.interface,
		    options->json);
	rx_parse_free(parse);
	return oneway_exit_code(&report);
}
