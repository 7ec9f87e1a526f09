// SPDX-License-Identifier: ISC
/*
 * log.h: one line on stderr per event.
 *
 * Line: `TIME LEVEL role event-id message key=value ...`. Under journald (stderr is the
 * journal's stream) or after log_set_prefix(true) the line begins with `<N>` and has no
 * TIME, because the journal stamps it. Levels are RFC 5424 severities with the numbers and
 * names of <syslog.h>. The whole line is ONE write(2), so lines of several roles never mix.
 * A control character that slips into a line is written as `?`.
 *
 * Not syslog(3), not for frames: hostile or lossy input is a counter. Any thread; no
 * allocation. Bytes from outside (file names, messages) go through log_quote() first.
 */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <syslog.h>

#include "events.h"
#include "km_err.h"

/* Longest line with its newline; a longer one is cut and ends in "...". Fits a pipe's atomic write. */
#define LOG_LINE_MAX 4096

/* Room that always suffices for a quoted text of n bytes: each byte may become \xNN. */
#define LOG_QUOTE_MAX(n) (4 * (n) + 3)

/*
 * Name shown as `role` in every line (copied, at most 31 bytes); default "main".
 * Also looks at JOURNAL_STREAM and stderr once to choose the line's head.
 */
void log_init(const char *role);

/* Lines above this level are not formatted at all; default LOG_INFO. */
void log_set_level(int level);
int log_get_level(void);

/* Forces (or forbids) the `<N>` head; for --log-prefix. */
void log_set_prefix(bool on);
bool log_get_prefix(void);

/* "emerg" .. "debug" <-> 0..7; -1 for any other name. */
int log_level_parse(const char *name);
const char *log_level_name(int level);

/*
 * Receives each finished line (newline included) in place of stderr; NULL = stderr again.
 * `line` dies with the call. For tests and for a role whose log goes through a message.
 */
typedef void log_sink_fn(void *ctx, int level, enum event event, const char *line,
			 size_t len);
void log_set_sink(log_sink_fn *sink, void *ctx);

/* One event at its usual level; arguments are evaluated only when the level is on. */
#define log_event(event, ...) log_event_at(event_level(event), event, __VA_ARGS__)

/* Same at another level. */
#define log_event_at(level, event, ...)                                                    \
	do {                                                                               \
		int log_level_ = (level);                                                  \
		if (log_level_ <= log_get_level())                                         \
			log_write(log_level_, (event), __VA_ARGS__);                       \
	} while (0)

/* Per call site: at most `burst` lines in `interval_ns`, the rest counted. Zero = fresh. */
struct log_limit {
	uint64_t since_ns;   /* start of the current interval, monotonic */
	uint64_t suppressed; /* swallowed since the last line that went out */
	uint32_t passed;     /* lines in the current interval */
};

/* Default limit: 5 lines in 10 s per call site and thread. */
#define LOG_LIMIT_BURST 5
#define LOG_LIMIT_INTERVAL_NS UINT64_C(10000000000)

/*
 * log_event() with the default limit for this call site. The first line that passes after
 * a silence ends in `suppressed=N`, N the lines swallowed meanwhile.
 */
#define log_event_limited(event, ...)                                                      \
	log_event_limited_at(event_level(event), event, __VA_ARGS__)

#define log_event_limited_at(level, event, ...)                                            \
	do {                                                                               \
		static _Thread_local struct log_limit log_limit_;                          \
		int log_level_ = (level);                                                  \
		if (log_level_ <= log_get_level())                                         \
			log_write_limited(&log_limit_, log_level_, (event), __VA_ARGS__);  \
	} while (0)

/* The functions behind the macros. */
void log_write(int level, enum event event, const char *fmt, ...) KM_PRINTF(3, 4);
void log_write_limited(struct log_limit *limit, int level, enum event event,
		       const char *fmt, ...) KM_PRINTF(4, 5);

/* The same at most `burst` times in `interval_ns`, for lines of which each names something. */
struct log_rate {
	uint32_t burst;
	uint64_t interval_ns;
};
void log_write_rated(struct log_limit *limit, const struct log_rate *rate, int level,
		     enum event event, const char *fmt, ...) KM_PRINTF(5, 6);

/* The pure part: whether a line may go at now_ns; *suppressed = lines swallowed before it. */
bool log_limit_pass(struct log_limit *limit, uint64_t now_ns, uint32_t burst,
		    uint64_t interval_ns, uint64_t *suppressed);

/*
 * Writes bytes[0..n) as one double-quoted token into buf[len]: `"`, `\`, control
 * characters, DEL, C1 controls, bidirectional and line/paragraph separators and whatever
 * is not valid UTF-8 become \xNN per byte; other valid UTF-8 stays. What does not fit is
 * cut at a whole character and the token ends in `..."`. Always terminated when len > 0;
 * len >= LOG_QUOTE_MAX(n) never cuts; len < 6 gives "". Returns buf.
 */
char *log_quote(char *buf, size_t len, const void *bytes, size_t n);

#endif
