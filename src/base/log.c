/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

enum { LOG_PEER_PER_SECOND = 20, LOG_LINE_MAX = 1024 };

static enum log_level log_max = LOG_LEVEL_INFO;
static bool log_priority = true;

void log_set_level(enum log_level level)
{
	log_max = level;
}

void log_set_priority(bool shown)
{
	log_priority = shown;
}

int log_level_from_name(const char *name, enum log_level *ret_level)
{
	static const struct {
		const char *name;
		enum log_level level;
	} names[] = {
		{"err", LOG_LEVEL_ERR},
		{"warn", LOG_LEVEL_WARN},
		{"info", LOG_LEVEL_INFO},
		{"debug", LOG_LEVEL_DEBUG},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i].name) == 0) {
			*ret_level = names[i].level;
			return 0;
		}
	}
	return ERR_INVAL;
}

/* One write per line, so that lines of several threads never mix. */
static void log_write(enum log_level level, const char *fmt, va_list ap)
{
	char line[LOG_LINE_MAX];

	if (level > log_max)
		return;
	int head = log_priority ? snprintf(line, sizeof(line), "<%d>", (int)level) : 0;
	int body = vsnprintf(line + head, sizeof(line) - (size_t)head - 1, fmt, ap);
	if (body < 0)
		return;
	size_t len = strlen(line);
	for (size_t i = 0; i < len; i++) /* a line stays one line, whatever a name holds */
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	line[len] = '\n';
	(void)fwrite(line, 1, len + 1, stderr);
}

#define LOG_VERB(name, level)                                                                      \
	void name(const char *fmt, ...)                                                            \
	{                                                                                          \
		va_list ap;                                                                        \
		va_start(ap, fmt);                                                                 \
		log_write(level, fmt, ap);                                                         \
		va_end(ap);                                                                        \
	}

LOG_VERB(log_err, LOG_LEVEL_ERR)
LOG_VERB(log_warn, LOG_LEVEL_WARN)
LOG_VERB(log_info, LOG_LEVEL_INFO)
LOG_VERB(log_debug, LOG_LEVEL_DEBUG)

void log_peer(long long now_ms, const char *fmt, ...)
{
	static long long window_ms; /* the log's own state, like its level */
	static unsigned used, dropped;
	va_list ap;

	if (now_ms - window_ms >= 1000 || now_ms < window_ms) {
		window_ms = now_ms;
		used = 0;
	}
	if (used == LOG_PEER_PER_SECOND) {
		dropped++;
		return;
	}
	if (used++ == 0 && dropped) {
		log_info("log dropped=%u reason=rate-limit", dropped);
		dropped = 0;
	}
	va_start(ap, fmt);
	log_write(LOG_LEVEL_INFO, fmt, ap);
	va_end(ap);
}

char *log_quoted(char *dst, size_t cap, const void *ptr, size_t len)
{
	const char *from = ptr;

	if (len > cap - 1)
		len = cap - 1;
	for (size_t i = 0; i < len; i++)
		dst[i] = (char)(from[i] >= ' ' && from[i] < 0x7f && from[i] != '"' ? from[i] : '?');
	dst[len] = 0;
	return dst;
}
