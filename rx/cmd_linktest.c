// SPDX-License-Identifier: ISC
/*
 * linktest: the receiving half of the commissioning of a link. Supervisor of capture, which
 * opens the port as ever, and of listen, which reads the test frames in the cage of
 * decode; this side prints what it found, and what to set.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "deliver.h"
#include "fleet.h"
#include "linktest_print.h"
#include "log.h"
#include "rx_commands.h"
#include "rx_intake.h"
#include "rx_probe.h"
#include "sandbox.h"
#include "stats.h"

#define TICK_NS (100 * CLOCK_NS_PER_MS)
#define STOP_NS (10 * CLOCK_NS_PER_SEC)
/* After tx said that nothing follows: how long its repetitions may take. */
#define OVER_NS CLOCK_NS_PER_SEC
/* A sender that was heard and says nothing any more, longer than any pause of a schedule. */
#define SILENT_NS (15 * CLOCK_NS_PER_SEC)
#define LOSSES_SHOWN 12u

enum { ROLE_CAPTURE, ROLE_LISTEN, ROLE_COUNT };

struct linktest {
	const struct rx_config *config;
	const struct rx_options *options;
	struct rx_intake intake;
	uid_t uid;
	gid_t gid;
	int fd_config, fd_stats, fd_page, fd_pid;
	struct shm_map map;
	const struct linktest_heard *page; /* hostile: copied before it is judged */
	uint64_t started_ns, changed_ns, seen;
	bool told;
	char mtu_text[16];
};

static int spawn_capture(void *ctx, struct role_child *child, struct km_err *err)
{
	struct linktest *t = ctx;

	return t->intake.pump ? rx_intake_spawn_pump(&t->intake, child, err) : 0;
}

static int spawn_listen(void *ctx, struct role_child *child, struct km_err *err)
{
	struct linktest *t = ctx;
	const char *const args[] = {"--mtu", t->mtu_text};
	struct rx_intake_sockets sockets = RX_INTAKE_SOCKETS_INIT;
	int rc;

	if (!t->intake.pump && rx_intake_take_sockets(&t->intake, &sockets, err) != 0)
		return -1;
	const struct role_fd fds[] = {
		{t->fd_config, RX_FD_CONFIG},
		{t->intake.pump ? t->intake.fd_pump : sockets.ring, RX_FD_INTAKE},
		{t->fd_page, LINKTEST_FD_HEARD},
	};
	const struct role_spec spec = {
		.prog = "katamichi-rx",
		.name = "listen",
		.plan = {.uid = t->uid, .gid = t->gid},
		.fds = fds,
		.n_fds = KM_COUNT(fds),
		.args = args,
		.n_args = KM_COUNT(args),
	};

	rc = role_spawn(&spec, child, err);
	/* test frames are of class normal: nobody needs the realtime ring */
	rx_intake_sockets_close(&sockets);
	return rc;
}

static int prepare(void *ctx, uint32_t mask, struct km_err *err)
{
	struct linktest *t = ctx;

	(void)mask;
	return rx_intake_choose(&t->intake, err);
}

/* Says once that something was heard. Not 0: it is time to end. */
static int tick(void *ctx, struct fleet *fleet)
{
	struct linktest *t = ctx;
	uint64_t now_ns = clock_mono_ns(), seen = atomic_load(&t->page->seen);
	uint32_t state = atomic_load(&t->page->state);
	uint64_t wait_ns = t->options->wait_s * CLOCK_NS_PER_SEC;

	if (fleet->child[ROLE_LISTEN].pid == 0)
		return 1;
	if (seen != t->seen) {
		t->seen = seen;
		t->changed_ns = now_ns;
	}
	if (state == LINKTEST_WAITS)
		return wait_ns && now_ns - t->started_ns >= wait_ns;
	if (!t->told) {
		t->told = true;
		(void)printf("hears run %08x\n", t->page->run);
		(void)fflush(stdout);
	}
	return now_ns - t->changed_ns >=
	       (state == LINKTEST_HEARD_OVER ? OVER_NS : SILENT_NS);
}

static int make_page(struct linktest *t, struct km_err *err)
{
	t->fd_page = shm_create("rx-linktest", sizeof(*t->page), err);
	if (t->fd_page < 0 ||
	    shm_map(&t->map, t->fd_page, sizeof(*t->page), SHM_MAP_READ, err) != 0)
		return -1;
	t->page = t->map.p;
	return 0;
}

/* The daemon's own lock: its ring would share the processor with ours. */
static int set_up(struct linktest *t, const void *bytes, size_t len, struct km_err *err)
{
	struct sandbox_report report;
	const struct rx_config *c = t->config;

	if (c->user[0] != '\0' && role_find_user(c->user, &t->uid, &t->gid, err) != 0)
		return -1;
	if (host_make_dir(c->run_dir, 0755, 0, 0, err) != 0)
		return -1;
	t->fd_pid = host_lock_pid(c->run_dir, err);
	if (t->fd_pid < 0)
		return -1;
	t->fd_config = host_seal_bytes("rx-config", bytes, len, err);
	if (t->fd_config < 0)
		return -1;
	/* counters of capture; the daemon's page stays as it is */
	t->fd_stats = stats_create(NULL, RX_STATS_ROLES, err);
	if (t->fd_stats < 0 || make_page(t, err) != 0)
		return -1;
	rx_intake_init(&t->intake, c, -1, t->mtu_text, t->fd_config, t->fd_stats, t->uid,
		       t->gid);
	t->intake.settled = true; /* what listen reads is the packet ring, never AF_XDP */
	return fleet_give_up_rights(0, c->permissive, &report, err);
}

static void write_files(const struct linktest_report *r, FILE *json, FILE *svg)
{
	if (json)
		linktest_print_json(r, json);
	if (svg)
		linktest_print_svg(r, svg);
}

static void print_report(const struct linktest_report *r)
{
	const struct linktest_heard *p = r->page;

	(void)printf("\n");
	linktest_print_table(r, stdout);
	(void)printf("\n");
	linktest_print_losses(r, LOSSES_SHOWN, stdout);
	(void)printf(
		"%" PRIu64 " test frames; %" PRIu64 " foreign, %" PRIu64
		" malformed, %" PRIu64 " of other runs, %" PRIu64 " that fit no plan\n\n",
		(uint64_t)p->seen, p->foreign, p->malformed, p->other_run, p->impossible);
	linktest_print_plot(r, stdout);
	(void)printf("\n");
	linktest_print_proposal(r, stdout);
	if (p->state != LINKTEST_HEARD_OVER)
		(void)printf("\nThe end of the schedule was not heard: this is what came "
			     "until now.\n");
}

/* The listener has ended: its page stands still. */
static int report(const struct linktest *t, FILE *json, FILE *svg)
{
	static struct linktest_heard copy;
	static struct linktest_report r;
	const struct rx_config *c = t->config;
	const struct linktest_setting now = {
		.ring_bytes = c->ring_bytes,
		.pool_bytes = c->pool_bytes,
		.slot_stride = rx_slot_stride(c->mtu),
	};

	memcpy(&copy, t->page, sizeof(copy));
	r.page = &copy;
	r.interface = c->interface;
	if (copy.state != LINKTEST_WAITS)
		r.steps = linktest_judge(&copy, r.step, r.result);
	if (r.steps == 0) {
		(void)fprintf(stderr,
			      "katamichi-rx: linktest: no test frame came (%" PRIu64
			      " foreign, %" PRIu64 " malformed): is katamichi-tx linktest "
			      "running, the port up, and ethertype, vlan or framing the "
			      "same on both sides?\n",
			      copy.foreign, copy.malformed);
		return EX_TEMPFAIL;
	}
	linktest_propose(&r.verdict, &copy.plan, r.step, r.result, r.steps, &now);
	print_report(&r);
	write_files(&r, json, svg);
	return r.verdict.found ? EX_OK : EX_DATAERR;
}

static int run_fleet(struct linktest *t)
{
	static const struct fleet_role roles[ROLE_COUNT] = {
		[ROLE_CAPTURE] = {"capture", 0, spawn_capture},
		[ROLE_LISTEN] = {"listen", 0, spawn_listen, 0},
	};
	static const uint8_t stop_order[ROLE_COUNT] = {ROLE_CAPTURE, ROLE_LISTEN};
	const struct fleet_plan plan = {
		.roles = roles,
		.n = ROLE_COUNT,
		.stop_order = stop_order,
		.stop_ns = STOP_NS,
		.once = true,
		.tick_ns = TICK_NS,
		.prepare = prepare,
		.tick = tick,
		.ctx = t,
	};
	struct fleet fleet;

	(void)printf("listens on %s; start katamichi-tx linktest on the other side\n",
		     t->config->interface);
	(void)fflush(stdout);
	t->started_ns = t->changed_ns = clock_mono_ns();
	return fleet_run(&fleet, &plan);
}

static int linktest(const struct rx_options *options, const struct rx_config *config,
		    const char *bytes, size_t len, FILE *json, FILE *svg)
{
	struct linktest t = {
		.config = config,
		.options = options,
		.intake = RX_INTAKE_INIT,
		.fd_config = -1,
		.fd_stats = -1,
		.fd_page = -1,
		.fd_pid = -1,
	};
	struct km_err err = KM_ERR_INIT;
	int code;

	(void)snprintf(t.mtu_text, sizeof(t.mtu_text), "%" PRIu32, config->mtu);
	if (set_up(&t, bytes, len, &err) == 0) {
		code = run_fleet(&t);
		if (code == EX_OK)
			code = report(&t, json, svg);
	} else {
		(void)fprintf(stderr, "katamichi-rx: linktest: %s\n", err.text);
		code = err.code ? err.code : EX_OSERR;
	}
	rx_intake_free(&t.intake);
	shm_unmap(&t.map);
	km_close(&t.fd_page);
	km_close(&t.fd_stats);
	km_close(&t.fd_config);
	km_close(&t.fd_pid);
	return code;
}

static int check_machine(struct rx_parse *parse)
{
	struct sandbox_report now = {0};
	struct km_err err = KM_ERR_INIT;

	/* what the daemon says in its log; a command says little but what went wrong */
	log_set_level(parse->config.log_level < LOG_WARNING ? parse->config.log_level
							    : LOG_WARNING);
	if (rx_probe_link(parse, NULL, &err) != 0) {
		(void)fprintf(stderr, "katamichi-rx: linktest: %s\n", err.text);
		return err.code;
	}
	rx_probe_address(parse);
	if (parse->report.errors != 0) {
		conf_report_print(&parse->report, stderr);
		return EX_CONFIG;
	}
	sandbox_observe(&now);
	if (now.caps_effective & SANDBOX_CAP(CAP_NET_RAW))
		return EX_OK;
	(void)fprintf(stderr, "katamichi-rx: linktest: no CAP_NET_RAW, so no capture "
			      "socket: start as root\n");
	return EX_NOPERM;
}

/* Now: later we may write no file any more. PATH NULL: none is wanted. */
static int open_file(const char *path, FILE **file)
{
	*file = path ? fopen(path, "we") : NULL;
	if (!path || *file)
		return EX_OK;
	(void)fprintf(stderr, "katamichi-rx: linktest: %s: %s\n", path, strerror(errno));
	return EX_CANTCREAT;
}

static int close_file(const char *path, FILE *file)
{
	if (!file || fclose(file) == 0)
		return EX_OK;
	(void)fprintf(stderr, "katamichi-rx: linktest: %s: %s\n", path, strerror(errno));
	return EX_IOERR;
}

int cmd_linktest(const struct rx_options *options)
{
	FILE *json = NULL, *svg = NULL;
	char *bytes = NULL;
	size_t len = 0;
	int code, closed;
	struct rx_parse *parse = rx_open_config(options->config, &bytes, &len, &code);

	if (!parse)
		return code;
	code = check_machine(parse);
	if (code == EX_OK)
		code = open_file(options->json_file, &json);
	if (code == EX_OK)
		code = open_file(options->svg_file, &svg);
	if (code == EX_OK)
		code = linktest(options, &parse->config, bytes, len, json, svg);
	closed = close_file(options->json_file, json) | close_file(options->svg_file, svg);
	rx_parse_free(parse);
	free(bytes);
	return code != EX_OK ? code : closed;
}
