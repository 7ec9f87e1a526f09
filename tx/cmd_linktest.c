// SPDX-License-Identifier: ISC
/*
 * linktest: the sending half of the commissioning of a link. Supervisor of one role, load
 * (tx/sender), which has the socket; this side has the schedule and prints what became of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "clock.h"
#include "fleet.h"
#include "host_facts.h"
#include "lane.h"
#include "linktest_plan.h"
#include "linktest_sent.h"
#include "log.h"
#include "sandbox.h"
#include "shm.h"
#include "tx_commands.h"
#include "tx_probe.h"

#define TICK_NS (100 * CLOCK_NS_PER_MS)
/* A step, its pause and the last words. */
#define STOP_NS (10 * CLOCK_NS_PER_SEC)
#define HELLO_MS 1000u
#define QUICK_HELLO_MS 500u

struct linktest {
	const struct tx_config *config;
	struct linktest_step step[LINKTEST_STEPS_MAX];
	unsigned steps, printed;
	uid_t uid;
	gid_t gid;
	int fd_config, fd_page, fd_pid;
	struct shm_map map;
	struct linktest_sent *page;
	FILE *json; /* NULL: not wanted */
	char mtu_text[16];
};

static int spawn_load(void *ctx, struct role_child *child, struct km_err *err)
{
	struct linktest *t = ctx;
	/* it fills no lanes */
	const char *const args[] = {"--mtu", t->mtu_text, "--workers", "1"};
	const struct role_fd fds[] = {
		{t->fd_config, TX_FD_CONFIG},
		{t->fd_page, LINKTEST_FD_SENT},
	};
	const struct role_spec spec = {
		.prog = "katamichi-tx",
		.name = "load",
		.plan = {.uid = t->uid,
			 .gid = t->gid,
			 .keep_caps = SANDBOX_CAP(CAP_NET_RAW)},
		.fds = fds,
		.n_fds = KM_COUNT(fds),
		.args = args,
		.n_args = KM_COUNT(args),
	};

	return role_spawn(&spec, child, err);
}

static uint64_t reached_kbps(const struct linktest_step *step,
			     const struct linktest_sent_step *s)
{
	return s->elapsed_ns
		       ? s->sent * linktest_frame_bits(step->size) * 1000000 / s->elapsed_ns
		       : 0;
}

static const char *remark(const struct linktest_sent_step *s)
{
	if (s->flags & LINKTEST_CUT)
		return "cut short: tx is slower";
	return s->flags & LINKTEST_SLOWER ? "tx did not reach it" : "";
}

static void print_step(const struct linktest *t, unsigned i)
{
	const struct linktest_step *step = &t->step[i];
	const struct linktest_sent_step *s = &t->page->step[i];
	double wanted = step->rate_kbps / 1e3,
	       reached = (double)reached_kbps(step, s) / 1e3;

	if (step->burst)
		(void)printf("%4u %6u      burst %9.1f %9" PRIu64 " %7" PRIu64 " %s\n", i,
			     step->size, reached, s->sent, s->enobufs, remark(s));
	else
		(void)printf("%4u %6u %10.1f %9.1f %9" PRIu64 " %7" PRIu64 " %s\n", i,
			     step->size, wanted, reached, s->sent, s->enobufs, remark(s));
}

static void print_done(struct linktest *t)
{
	uint32_t done = atomic_load(&t->page->done);

	for (; t->printed < done && t->printed < t->steps; t->printed++)
		print_step(t, t->printed);
	(void)fflush(stdout);
}

static int tick(void *ctx, struct fleet *fleet)
{
	struct linktest *t = ctx;

	print_done(t);
	return fleet->child[0].pid == 0 ? 1 : 0;
}

static void write_json(const struct linktest *t)
{
	FILE *f = t->json;

	(void)fprintf(f, "{\"run\": \"%08x\", \"interface\": \"%s\", \"over\": %s,\n",
		      t->page->run, t->config->interface,
		      atomic_load(&t->page->over) ? "true" : "false");
	(void)fprintf(f, " \"steps\": [");
	for (unsigned i = 0; i < t->printed; i++) {
		const struct linktest_step *step = &t->step[i];
		const struct linktest_sent_step *s = &t->page->step[i];

		(void)fprintf(
			f,
			"%s\n  {\"step\": %u, \"kind\": \"%s\", \"size\": %u, "
			"\"rate_bps\": %" PRIu64 ", \"planned\": %u, \"sent\": %" PRIu64
			", \"elapsed_ns\": %" PRIu64 ", \"reached\": %s}",
			i ? "," : "", i, step->burst ? "burst" : "rate", step->size,
			(uint64_t)step->rate_kbps * 1000, step->frames, s->sent,
			s->elapsed_ns,
			s->flags & (LINKTEST_SLOWER | LINKTEST_CUT) ? "false" : "true");
	}
	(void)fprintf(f, "]}\n");
}

static int make_page(struct linktest *t, const struct linktest_plan *plan, bool quick,
		     struct km_err *err)
{
	t->fd_page = shm_create("tx-linktest", sizeof(*t->page), err);
	if (t->fd_page < 0 ||
	    shm_map(&t->map, t->fd_page, sizeof(*t->page), SHM_MAP_WRITE, err) != 0)
		return -1;
	t->page = t->map.p;
	t->page->plan = *plan;
	t->page->hello_ms = quick ? QUICK_HELLO_MS : HELLO_MS;
	if (getrandom(&t->page->run, sizeof(t->page->run), 0) != sizeof(t->page->run))
		return km_err_set_errno(err, EX_OSERR, "random numbers");
	t->steps = linktest_steps(plan, t->step);
	return 0;
}

/* The daemon's own lock: never both on one port, whoever comes second. */
static int set_up(struct linktest *t, const void *bytes, size_t len, struct km_err *err)
{
	struct sandbox_report report;
	const struct tx_config *c = t->config;

	if (c->user[0] != '\0' && role_find_user(c->user, &t->uid, &t->gid, err) != 0)
		return -1;
	if (host_make_dir(c->run_dir, 0755, 0, 0, err) != 0)
		return -1;
	t->fd_pid = host_lock_pid(c->run_dir, err);
	if (t->fd_pid < 0)
		return -1;
	t->fd_config = host_seal_bytes("tx-config", bytes, len, err);
	if (t->fd_config < 0)
		return -1;
	return fleet_give_up_rights(0, c->permissive, &report, err);
}

static void print_head(const struct linktest *t)
{
	uint64_t ms = linktest_plan_ms(&t->page->plan) + t->page->hello_ms;

	(void)printf("run %08x on %s: %u steps, at least %" PRIu64
		     " s. Nothing comes back: "
		     "what\narrives is said by katamichi-rx linktest, which should be "
		     "running by now.\n\n",
		     t->page->run, t->config->interface, t->steps, (ms + 999) / 1000);
	(void)printf("step   size     Mbit/s   reached    frames enobufs\n");
	(void)fflush(stdout);
}

static int run_fleet(struct linktest *t)
{
	static const struct fleet_role roles[] = {{"load", 0, spawn_load, 0}};
	static const uint8_t stop_order[] = {0};
	const struct fleet_plan plan = {
		.roles = roles,
		.n = KM_COUNT(roles),
		.stop_order = stop_order,
		.stop_ns = STOP_NS,
		.once = true,
		.tick_ns = TICK_NS,
		.tick = tick,
		.ctx = t,
	};
	struct fleet fleet;
	int code;

	print_head(t);
	code = fleet_run(&fleet, &plan);
	print_done(t);
	if (t->printed < t->steps)
		(void)printf("stopped after %u of %u steps\n", t->printed, t->steps);
	if (atomic_load(&t->page->heard) != 0)
		(void)printf("RETURN PATH: the link socket was given %" PRIu64 " frames\n",
			     atomic_load(&t->page->heard));
	if (t->json)
		write_json(t);
	return code;
}

static int linktest(const struct tx_options *options, struct tx_parse *parse,
		    const char *bytes, size_t len, const struct host_interface *port,
		    FILE *json)
{
	const struct tx_config *config = &parse->config;
	struct linktest_wish wish = {
		.quick = options->quick,
		.seconds = options->seconds,
		.sizes = options->sizes,
		.rates = options->rates,
		.max_rate_mbps = options->max_rate,
		.burst = options->burst,
		.mtu = config->mtu < port->mtu ? config->mtu : port->mtu,
		.rate_bps = config->rate_bps,
	};
	struct host_facts facts = HOST_FACTS_INIT;
	struct linktest t = {.config = config,
			     .fd_config = -1,
			     .fd_page = -1,
			     .fd_pid = -1,
			     .json = json};
	struct linktest_plan plan;
	struct km_err err = KM_ERR_INIT;
	int code;

	(void)snprintf(t.mtu_text, sizeof(t.mtu_text), "%" PRIu32, config->mtu);
	host_facts_files(&facts, "", config->interface);
	wish.speed_bps = facts.speed_bps;
	if (linktest_plan_make(&plan, &wish, &err) == 0 &&
	    make_page(&t, &plan, options->quick, &err) == 0 &&
	    set_up(&t, bytes, len, &err) == 0) {
		code = run_fleet(&t);
	} else {
		(void)fprintf(stderr, "katamichi-tx: linktest: %s%s\n", err.text,
			      err.code == EX_USAGE ? "; try katamichi-tx linktest --help"
						   : "");
		code = err.code ? err.code : EX_OSERR;
	}
	shm_unmap(&t.map);
	km_close(&t.fd_page);
	km_close(&t.fd_config);
	km_close(&t.fd_pid);
	return code;
}

static int check_machine(struct tx_parse *parse, struct host_interface *port)
{
	struct sandbox_report now = {0};
	struct km_err err = KM_ERR_INIT;

	/* what the daemon says in its log; a command says little but what went wrong */
	log_set_level(parse->config.log_level < LOG_WARNING ? parse->config.log_level
							    : LOG_WARNING);
	if (tx_probe_link(parse, port, &err) != 0) {
		(void)fprintf(stderr, "katamichi-tx: linktest: %s\n", err.text);
		return err.code;
	}
	if (parse->report.errors != 0) {
		conf_report_print(&parse->report, stderr);
		return EX_CONFIG;
	}
	sandbox_observe(&now);
	if (now.caps_effective & SANDBOX_CAP(CAP_NET_RAW))
		return EX_OK;
	(void)fprintf(stderr, "katamichi-tx: linktest: no CAP_NET_RAW, so no link socket: "
			      "start as root\n");
	return EX_NOPERM;
}

int cmd_linktest(const struct tx_options *options)
{
	struct host_interface port;
	char *bytes = NULL;
	FILE *json = NULL;
	size_t len = 0;
	int code;
	struct tx_parse *parse = tx_open_config(options->config, &bytes, &len, &code);

	if (!parse)
		return code;
	code = check_machine(parse, &port);
	/* now: later we may write no file any more */
	if (code == EX_OK && options->json_file &&
	    !(json = fopen(options->json_file, "we"))) {
		(void)fprintf(stderr, "katamichi-tx: linktest: %s: %s\n",
			      options->json_file, strerror(errno));
		code = EX_CANTCREAT;
	}
	if (code == EX_OK)
		code = linktest(options, parse, bytes, len, &port, json);
	if (json && fclose(json) != 0 && code == EX_OK) {
		(void)fprintf(stderr, "katamichi-tx: linktest: %s: %s\n",
			      options->json_file, strerror(errno));
		code = EX_IOERR;
	}
	tx_parse_free(parse);
	free(bytes);
	return code;
}
