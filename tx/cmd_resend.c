// SPDX-License-Identifier: ISC
/*
 * resend: hands tickets to the daemon as files in STATE/requests and prints its answers. A
 * ticket is checked here only for typing errors; the source decodes it again by itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "fileio.h"
#include "host.h"
#include "ticket.h"
#include "tx_commands.h"

#define RESULT_MAX (1U << 20)
#define POLL_NS (100 * CLOCK_NS_PER_MS)
/* Tickets of one command line: what the source takes in a minute. */
#define TICKETS_MAX 10

struct request {
	char base[48]; /* file name without its ending */
	bool done;
};

static int judge_ticket(const struct tx_config *config, const char *text)
{
	struct ticket t;
	enum km_rc rc = ticket_decode(&t, text, strlen(text));

	if (rc != KM_OK) {
		(void)fprintf(stderr, "katamichi-tx: ticket %.40s: %s\n", text,
			      rc == KM_ERR_AUTH	   ? "a typing error: its check sum differs"
			      : rc == KM_ERR_LIMIT ? "too long: one ticket per argument"
			      : rc == KM_ERR_VERSION
				      ? "of another version"
				      : "not a ticket of katamichi-rx missing");
		return EX_DATAERR;
	}
	for (unsigned i = 0; i < config->channels; i++)
		if (config->channel[i].number == t.channel)
			return EX_OK;
	(void)fprintf(stderr,
		      "katamichi-tx: ticket %.40s: it names channel %u, which is not "
		      "configured here\n",
		      text, t.channel);
	return EX_DATAERR;
}

static int drop_ticket(int dir, struct request *request, size_t i, const char *text)
{
	char name[64], line[TICKET_TEXT_MAX + 2];
	struct km_err err = KM_ERR_INIT;
	int n;

	(void)snprintf(request->base, sizeof(request->base), "%" PRIu64 "-%d-%zu",
		       clock_real_ns() / CLOCK_NS_PER_MS, (int)getpid(), i);
	(void)snprintf(name, sizeof(name), "%.47s.ticket", request->base);
	n = snprintf(line, sizeof(line), "%s\n", text);
	if (n < 0 || (size_t)n >= sizeof(line))
		return EX_DATAERR;
	if (fileio_write_atomic(dir, name, line, (size_t)n, 0644, &err) == 0)
		return EX_OK;
	(void)fprintf(stderr, "katamichi-tx: request: %s\n", err.text);
	return err.code ? err.code : EX_CANTCREAT;
}

/* Prints the answer when it is there. True: it was; *missing notes what is no longer kept. */
static bool take_result(int dir, struct request *request, bool *missing)
{
	struct km_err err = KM_ERR_INIT;
	uint8_t *data = NULL;
	char name[64];
	size_t len;

	(void)snprintf(name, sizeof(name), "%.47s.result", request->base);
	if (fileio_read_all(dir, name, RESULT_MAX, &data, &len, &err) != 0)
		return false;
	(void)fwrite(data, 1, len, stdout);
	if (len > 0 && data[len - 1] != '\n')
		(void)putchar('\n');
	/* lines: "sent object ..", "not kept object ..", "refused: ..", and remarks */
	for (const char *at = (const char *)data; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (strncmp(at, "not kept ", 9) == 0 || strncmp(at, "refused", 7) == 0)
			*missing = true;
	}
	free(data);
	(void)unlinkat(dir, name, 0);
	request->done = true;
	return true;
}

static int await_results(int dir, struct request *requests, size_t n, uint64_t wait_s)
{
	uint64_t until_ns = clock_add(clock_mono_ns(), wait_s * CLOCK_NS_PER_SEC);
	bool missing = false;
	size_t done = 0;

	for (;;) {
		for (size_t i = 0; i < n; i++)
			if (!requests[i].done && take_result(dir, &requests[i], &missing))
				done++;
		if (done == n)
			return missing ? TX_EXIT_NOT_KEPT : EX_OK;
		if (clock_mono_ns() >= until_ns)
			break;
		clock_sleep_until(clock_mono_ns() + POLL_NS);
	}
	(void)fprintf(stderr,
		      "katamichi-tx: %zu of %zu tickets not answered within %" PRIu64
		      " s; the "
		      "daemon goes on with them, see its log\n",
		      n - done, n, wait_s);
	return EX_TEMPFAIL;
}

static int resend(const struct tx_options *options, const struct tx_config *config)
{
	struct request requests[TICKETS_MAX] = {{{0}, false}};
	char path[TX_PATH_LEN + 16];
	_cleanup_close_ int dir = -1;

	for (size_t i = 0; i < options->tickets.n; i++) {
		int code = judge_ticket(config, options->tickets.v[i]);

		if (code != EX_OK)
			return code;
	}
	(void)snprintf(path, sizeof(path), "%s/requests", config->state_dir);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		(void)fprintf(stderr, "katamichi-tx: %s: %s: has the daemon ever run?\n",
			      path, strerrordesc_np(errno));
		return errno == EACCES ? EX_NOPERM : EX_UNAVAILABLE;
	}
	for (size_t i = 0; i < options->tickets.n; i++) {
		int code = drop_ticket(dir, &requests[i], i, options->tickets.v[i]);

		if (code != EX_OK)
			return code;
	}
	if (!host_is_running(config->run_dir, NULL)) {
		(void)printf(
			"the daemon is not running: %zu tickets are kept for its start\n",
			options->tickets.n);
		return EX_OK;
	}
	if (options->wait_s == 0)
		return EX_OK;
	return await_results(dir, requests, options->tickets.n, options->wait_s);
}

int cmd_resend(const struct tx_options *options)
{
	struct tx_parse *parse;
	int code;

	if (options->tickets.n > TICKETS_MAX) {
		(void)fprintf(stderr,
			      "katamichi-tx resend: at most %d tickets at a time; try "
			      "katamichi-tx resend --help\n",
			      TICKETS_MAX);
		return EX_USAGE;
	}
	parse = tx_open_config(options->config, NULL, NULL, &code);
	if (!parse)
		return code;
	code = resend(options, &parse->config);
	tx_parse_free(parse);
	return code;
}
