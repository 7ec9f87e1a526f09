// SPDX-License-Identifier: ISC
/*
 * quarantine: what was refused, for people, and the operator's word that an object is to be
 * published after all. The word is a file in the channel's state (waiver.h); publish does what
 * it says, checks the digest again, logs who gave it, and answers by a file.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "fileio.h"
#include "host.h"
#include "log.h"
#include "rx_commands.h"
#include "waiver.h"

#define WAIT_S 30
#define LOOK_NS (100 * CLOCK_NS_PER_MS)
#define SUFFIX ".part.reason"

static int fail(const struct km_err *err)
{
	(void)fprintf(stderr, "katamichi-rx: %s\n", err->text);
	return err->code;
}

/* The lines of one .reason file; each value is quoted by its writer or a text of ours. */
static void print_one(int dir, const char *name)
{
	_cleanup_free_ uint8_t *text = NULL;
	struct km_err err = KM_ERR_INIT;
	char *line, *save = NULL;
	size_t len;

	(void)printf("  %.*s", (int)(strlen(name) - strlen(SUFFIX)), name);
	if (fileio_read_all(dir, name, 1 << 16, &text, &len, &err) != 0) {
		(void)printf(": %s\n", err.text);
		return;
	}
	for (line = strtok_r((char *)text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "path: ", 6) == 0)
			line += 6;
		else if (strncmp(line, "reason: ", 8) == 0)
			line += 8;
		(void)printf("%s%s", line == (char *)text + 8 ? ": " : "; ", line);
	}
	(void)printf("\n");
}

static int list_channel(const struct rx_config_channel *c, struct km_err *err)
{
	_cleanup_close_ int at = open(c->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = at < 0 ? -1
			: fileio_open_beneath(at, ".quarantine", O_RDONLY | O_DIRECTORY, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	unsigned n = 0;

	if (!dir) {
		km_close(&fd);
		if (errno == ENOENT)
			return 0; /* nothing was ever received */
		return km_err_set_errno(err, EX_NOINPUT, "channel %s: %s/.quarantine",
					c->name, c->root);
	}
	while ((entry = readdir(dir))) {
		uint64_t chain, number;
		const char *end = strstr(entry->d_name, SUFFIX);

		if (!end || end[strlen(SUFFIX)] != '\0' ||
		    sscanf(entry->d_name, "%" SCNu64 "-%" SCNu64, &chain, &number) != 2)
			continue;
		if (n++ == 0)
			(void)printf("channel %s\n", c->name);
		print_one(dirfd(dir), entry->d_name);
	}
	closedir(dir);
	if (n == 0)
		(void)printf("channel %s: nothing in quarantine\n", c->name);
	return 0;
}

static const struct rx_config_channel *find_channel(const struct rx_config *config,
						    const char *name)
{
	for (unsigned i = 0; i < config->channels; i++)
		if (strcmp(config->channel[i].name, name) == 0)
			return &config->channel[i];
	(void)fprintf(stderr,
		      "katamichi-rx: there is no files channel %s in the configuration\n",
		      name);
	return NULL;
}

static int list(const struct rx_options *options, const struct rx_config *config)
{
	struct km_err err = KM_ERR_INIT;

	if (options->channel && !find_channel(config, options->channel))
		return EX_USAGE;
	for (unsigned i = 0; i < config->channels; i++) {
		const struct rx_config_channel *c = &config->channel[i];

		if (options->channel && strcmp(options->channel, c->name) != 0)
			continue;
		if (list_channel(c, &err) != 0)
			return fail(&err);
	}
	return EX_OK;
}

/* Who logged in, also behind sudo; else whose rights we have. */
static unsigned who(void)
{
	_cleanup_free_ uint8_t *text = NULL;
	struct km_err ignored = KM_ERR_INIT;
	unsigned uid;
	size_t len;

	if (fileio_read_all(AT_FDCWD, "/proc/self/loginuid", 32, &text, &len, &ignored) ==
		    0 &&
	    sscanf((const char *)text, "%u", &uid) == 1 && uid != UINT32_MAX)
		return uid;
	return getuid();
}

static int write_request(int dir, const char *name, const char *reason, struct km_err *err)
{
	char text[WAIVER_REASON_MAX], answer[WAIVER_NAME_MAX + sizeof(WAIVER_ANSWER)];
	struct stat st;
	int len = snprintf(text, sizeof(text), "%u %s\n", who(), reason);

	if (len < 0 || (size_t)len >= sizeof(text))
		return km_err_set(err, EX_USAGE,
				  "--reason is longer than %zu characters: say it shorter",
				  sizeof(text) - 16);
	(void)snprintf(answer, sizeof(answer), "%s" WAIVER_ANSWER, name);
	if (unlinkat(dir, answer, 0) != 0 && errno != ENOENT)
		return km_err_set_errno(err, EX_NOPERM, "%s", answer);
	if (fileio_write_atomic(dir, name, text, (size_t)len, 0600, err) != 0)
		return -1;
	/* publish may run as another user, who owns the directory */
	if (fstat(dir, &st) != 0 ||
	    (geteuid() == 0 && fchownat(dir, name, st.st_uid, st.st_gid, 0) != 0))
		return km_err_set_errno(err, EX_OSERR, "%s: owner", name);
	return 0;
}

/* publish looks once a second, and a large object has to be read. */
static int await_answer(int dir, const char *name, uint64_t wait_s)
{
	const uint64_t until_ns = clock_add(clock_mono_ns(), wait_s * CLOCK_NS_PER_SEC);
	char answer[WAIVER_NAME_MAX + sizeof(WAIVER_ANSWER)];
	_cleanup_free_ uint8_t *text = NULL;
	struct km_err ignored = KM_ERR_INIT;
	size_t len;

	(void)snprintf(answer, sizeof(answer), "%s" WAIVER_ANSWER, name);
	while (fileio_read_all(dir, answer, 4096, &text, &len, &ignored) != 0) {
		if (clock_mono_ns() >= until_ns) {
			(void)fprintf(stderr,
				      "katamichi-rx: no answer yet; the request stands, "
				      "see quarantine.released or quarantine.kept in the "
				      "log\n");
			return EX_TEMPFAIL;
		}
		clock_sleep_until(clock_add(clock_mono_ns(), LOOK_NS));
	}
	(void)unlinkat(dir, answer, 0);
	if (strncmp((const char *)text, WAIVER_DONE, strlen(WAIVER_DONE)) == 0) {
		(void)printf("%s", (const char *)text);
		return EX_OK;
	}
	(void)fprintf(stderr, "katamichi-rx: not released: %s", (const char *)text);
	return EX_DATAERR;
}

static int release(const struct rx_options *options, const struct rx_config *config)
{
	const struct rx_config_channel *c;
	struct km_err err = KM_ERR_INIT;
	char path[2 * RX_PATH_LEN], name[WAIVER_NAME_MAX], again[64];
	_cleanup_close_ int dir = -1;
	uint64_t chain, number;
	pid_t pid;

	if (!options->channel || !options->object || !options->reason ||
	    options->reason[0] == '\0') {
		(void)fprintf(stderr, "katamichi-rx: quarantine release needs CHANNEL, "
				      "OBJECT and --reason; try katamichi-rx quarantine "
				      "--help\n");
		return EX_USAGE;
	}
	c = find_channel(config, options->channel);
	if (!c)
		return EX_USAGE;
	if (sscanf(options->object, "%" SCNu64 "-%" SCNu64, &chain, &number) != 2 ||
	    snprintf(again, sizeof(again), "%" PRIu64 "-%" PRIu64, chain, number) < 0 ||
	    strcmp(again, options->object) != 0) {
		(void)fprintf(stderr,
			      "katamichi-rx: %s: no object: quarantine list prints them, "
			      "as CHAIN-NUMBER\n",
			      options->object);
		return EX_USAGE;
	}
	(void)snprintf(path, sizeof(path), "%s/%s", config->state_dir, c->name);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		(void)km_err_set_errno(&err, EX_NOINPUT,
				       "%s: cannot be opened: has the receiver ever run?",
				       path);
		return fail(&err);
	}
	waiver_name(name, chain, number);
	if (write_request(dir, name, options->reason, &err) != 0)
		return fail(&err);
	if (host_is_running(config->run_dir, &pid))
		return await_answer(dir, name, options->wait_s ? options->wait_s : WAIT_S);
	(void)printf("the receiver is not running: released when it starts\n");
	return EX_OK;
}

int cmd_quarantine(const struct rx_options *options)
{
	struct rx_parse *parse;
	int code;

	parse = rx_open_config(options->config, NULL, NULL, &code);
	if (!parse)
		return code;
	if (strcmp(options->action, "list") == 0) {
		code = list(options, &parse->config);
	} else if (strcmp(options->action, "release") == 0) {
		code = release(options, &parse->config);
	} else {
		(void)fprintf(stderr,
			      "katamichi-rx: quarantine %s: only list and release\n",
			      options->action);
		code = EX_USAGE;
	}
	rx_parse_free(parse);
	return code;
}
