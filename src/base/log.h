/* SPDX-License-Identifier: Apache-2.0
 *
 * Four verbs to stderr, each line with journald's <N> priority, unless people read it at a
 * terminal, and key=value text: perhaps one bare word, then words KEY=VALUE with one space
 * between them; a value with spaces in it, or one that comes from outside, stands in quotes.
 * tests/lint/log.py looks at every call, and a test at the lines of a long run.
 * Only net, store, daemon and the programs log; base, core, wire and proto never do.
 * Lines that a peer can cause go through log_peer(), which is rate limited.
 * Never log keys or payloads.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_LEVEL_ERR = 3, LOG_LEVEL_WARN = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

/* Lines above this level are dropped. Default LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);

/* Whether lines begin with their <N>; they do unless told otherwise. Before threads start. */
void log_set_priority(bool shown);

/* 0 and the level for "err", "warn", "info" or "debug", else ERR_INVAL. */
int log_level_from_name(const char *name, enum log_level *ret_level)
	__attribute__((warn_unused_result));

void log_err(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Info line caused by a peer: at most 20 a second in all, the number of dropped lines is told
 * with the next one that passes. `now_ms` is the monotonic clock. */
void log_peer(long long now_ms, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What comes from outside, for a value in quotes: at most cap - 1 bytes of it, and '?' for quotes
 * and all that is not printable ASCII. Returns dst. */
char *log_quoted(char *dst, size_t cap, const void *ptr, size_t len);

#endif
