// SPDX-License-Identifier: ISC
#include "log.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "utf8.h"

#define LOG_ROLE_MAX 32

/* Room kept for " suppressed=18446744073709551615", "..." and the newline. */
#define LOG_TAIL_MAX 40

static char log_role[LOG_ROLE_MAX] = "main";
static _Atomic int log_level = LOG_INFO;
static _Atomic bool log_prefix;
static log_sink_fn *log_sink;
static void *log_sink_ctx;

static const char *const log_level_names[] = {
	"emerg", "alert", "crit", "error", "warning", "notice", "info", "debug",
};

/* True when stderr is the stream that the journal opened for this service. */
static bool log_stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uintmax_t dev, ino;
	struct stat st;

	if (!stream || sscanf(stream, "%" SCNuMAX ":%" SCNuMAX, &dev, &ino) != 2)
		return false;
	if (fstat(STDERR_FILENO, &st) != 0)
		return false;
	return (uintmax_t)st.st_dev == dev && (uintmax_t)st.st_ino == ino;
}

void log_init(const char *role)
{
	(void)snprintf(log_role, sizeof(log_role), "%s", role);
	if (log_stderr_is_journal())
		atomic_store(&log_prefix, true);
}

void log_set_level(int level)
{
	if (level < LOG_EMERG)
		level = LOG_EMERG;
	if (level > LOG_DEBUG)
		level = LOG_DEBUG;
	atomic_store(&log_level, level);
}

int log_get_level(void)
{
	return atomic_load_explicit(&log_level, memory_order_relaxed);
}

void log_set_prefix(bool on)
{
	atomic_store(&log_prefix, on);
}

bool log_get_prefix(void)
{
	return atomic_load(&log_prefix);
}

int log_level_parse(const char *name)
{
	for (size_t i = 0; i < KM_COUNT(log_level_names); i++) {
		if (strcmp(name, log_level_names[i]) == 0)
			return (int)i;
	}
	return -1;
}

const char *log_level_name(int level)
{
	if (level < 0 || (size_t)level >= KM_COUNT(log_level_names))
		return "unknown";
	return log_level_names[level];
}

void log_set_sink(log_sink_fn *sink, void *ctx)
{
	log_sink = sink;
	log_sink_ctx = ctx;
}

/* Head of the line; bytes written. */
static size_t log_head(char *line, size_t room, int level, enum event event)
{
	char stamp[CLOCK_TEXT_MAX];
	int n;

	if (atomic_load(&log_prefix))
		n = snprintf(line, room, "<%d>%s %s ", level, log_role, event_id(event));
	else
		n = snprintf(line, room, "%s %s %s %s ",
			     clock_format(clock_real_ns(), stamp), log_level_name(level),
			     log_role, event_id(event));
	return n < 0 ? 0 : (size_t)n;
}

/* Formats, cuts, cleans and sends one line. */
static KM_PRINTF(4, 0) void log_vwrite(int level, enum event event, uint64_t suppressed,
				       const char *fmt, va_list args)
{
	char line[LOG_LINE_MAX];
	const size_t room = sizeof(line) - LOG_TAIL_MAX;
	size_t head = log_head(line, room, level, event);
	size_t used;
	int n = vsnprintf(line + head, room - head, fmt, args);

	if (n < 0)
		n = 0;
	used = head + (size_t)n;
	if (used >= room) {
		used = room - 1;
		memcpy(line + used, "...", 3);
		used += 3;
	}
	for (size_t i = 0; i < used; i++) {
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	}
	if (suppressed > 0)
		used += (size_t)snprintf(line + used, sizeof(line) - used,
					 " suppressed=%" PRIu64, suppressed);
	line[used++] = '\n';
	if (log_sink) {
		log_sink(log_sink_ctx, level, event, line, used);
		return;
	}
	/* One call, or lines of several roles would mix; nobody to tell when it fails. */
	if (write(STDERR_FILENO, line, used) < 0)
		return;
}

void log_write(int level, enum event event, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_vwrite(level, event, 0, fmt, args);
	va_end(args);
}

bool log_limit_pass(struct log_limit *limit, uint64_t now_ns, uint32_t burst,
		    uint64_t interval_ns, uint64_t *suppressed)
{
	*suppressed = 0;
	if (limit->passed == 0 || now_ns - limit->since_ns >= interval_ns) {
		limit->since_ns = now_ns;
		limit->passed = 0;
	}
	if (limit->passed >= burst) {
		limit->suppressed++;
		return false;
	}
	limit->passed++;
	*suppressed = limit->suppressed;
	limit->suppressed = 0;
	return true;
}

void log_write_limited(struct log_limit *limit, int level, enum event event,
		       const char *fmt, ...)
{
	uint64_t suppressed;
	va_list args;

	if (!log_limit_pass(limit, clock_mono_ns(), LOG_LIMIT_BURST, LOG_LIMIT_INTERVAL_NS,
			    &suppressed))
		return;
	va_start(args, fmt);
	log_vwrite(level, event, suppressed, fmt, args);
	va_end(args);
}

void log_write_rated(struct log_limit *limit, const struct log_rate *rate, int level,
		     enum event event, const char *fmt, ...)
{
	uint64_t suppressed;
	va_list args;

	if (level > log_get_level() || !log_limit_pass(limit, clock_mono_ns(), rate->burst,
						       rate->interval_ns, &suppressed))
		return;
	va_start(args, fmt);
	log_vwrite(level, event, suppressed, fmt, args);
	va_end(args);
}

/* Quoted form of the character at p: its length in *out_len, bytes consumed returned. */
static size_t log_quote_one(const uint8_t *p, size_t n, char out[5], size_t *out_len)
{
	uint32_t code;
	size_t len = utf8_decode(p, n, &code);

	if (len == 0 || utf8_is_control(code) || code == '"' || code == '\\') {
		*out_len = 4;
		(void)snprintf(out, 5, "\\x%02x", p[0]);
		return 1;
	}
	memcpy(out, p, len);
	*out_len = len;
	return len;
}

/* Bytes of the quoted text without quotes. */
static size_t log_quoted_size(const uint8_t *p, size_t n)
{
	size_t total = 0, len;
	char one[5];

	for (size_t i = 0; i < n;) {
		i += log_quote_one(p + i, n - i, one, &len);
		total += len;
	}
	return total;
}

char *log_quote(char *buf, size_t len, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	size_t used = 0, one_len, keep;
	bool cut;
	char one[5];

	if (len < 6) {
		if (len > 0)
			buf[0] = '\0';
		return buf;
	}
	cut = log_quoted_size(p, n) > len - 3;
	keep = cut ? len - 5 : len - 2; /* may be used up to here, then the tail */
	buf[used++] = '"';
	for (size_t i = 0; i < n;) {
		i += log_quote_one(p + i, n - i, one, &one_len);
		if (used + one_len > keep)
			break;
		memcpy(buf + used, one, one_len);
		used += one_len;
	}
	if (cut) {
		memcpy(buf + used, "...", 3);
		used += 3;
	}
	buf[used++] = '"';
	buf[used] = '\0';
	return buf;
}
