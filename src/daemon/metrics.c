/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void say(struct metrics *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct metrics *m, const char *fmt, ...)
{
	char line[320];
	va_list ap;

	va_start(ap, fmt);
	int len = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	buf_put_bytes(&m->out, line, len < (int)sizeof(line) ? (size_t)len : sizeof(line) - 1);
}

void metrics_family(struct metrics *m, enum metrics_type type, const char *name, const char *help)
{
	static const char *const words[] = {"counter", "gauge", "histogram"};
	size_t len = strlen(name);

	/* OpenMetrics names a counter's family without what its samples end with. */
	if (m->open_metrics && type == METRICS_COUNTER)
		len -= strlen("_total");
	m->name = name;
	say(m, "# HELP %.*s %s\n# TYPE %.*s %s\n", (int)len, name, help, (int)len, name,
	    words[type]);
}

void metrics_count(struct metrics *m, const char *label, const char *word, uint64_t value)
{
	if (label)
		say(m, "%s{%s=\"%s\"} %" PRIu64 "\n", m->name, label, word, value);
	else
		say(m, "%s %" PRIu64 "\n", m->name, value);
}

void metrics_count2(struct metrics *m, const char *label, const char *word, const char *label2,
		    const char *word2, uint64_t value)
{
	say(m, "%s{%s=\"%s\",%s=\"%s\"} %" PRIu64 "\n", m->name, label, word, label2, word2, value);
}

static void put_escaped(struct metrics *m, const char *word)
{
	for (; *word; word++) {
		if (*word == '"' || *word == '\\')
			buf_put_u8(&m->out, '\\');
		buf_put_u8(&m->out, (uint8_t)*word);
	}
}

void metrics_labels(struct metrics *m, const char *const *pairs, uint64_t value)
{
	const char *before = "{";

	buf_put_str(&m->out, m->name);
	for (; *pairs; pairs += 2) {
		buf_put_str(&m->out, before);
		buf_put_str(&m->out, pairs[0]);
		buf_put_str(&m->out, "=\"");
		put_escaped(m, pairs[1]);
		buf_put_str(&m->out, "\"");
		before = ",";
	}
	say(m, "} %" PRIu64 "\n", value);
}

void metrics_histogram_s(struct metrics *m, const unsigned *bounds_s, unsigned bounds,
			 const uint64_t *counts, uint64_t sum_s)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < bounds; i++) {
		sum += counts[i];
		say(m, "%s_bucket{le=\"%u\"} %" PRIu64 "\n", m->name, bounds_s[i], sum);
	}
	sum += counts[bounds];
	say(m, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", m->name, sum);
	say(m, "%s_sum %" PRIu64 "\n%s_count %" PRIu64 "\n", m->name, sum_s, m->name, sum);
}

void metrics_seconds(struct metrics *m, double value)
{
	say(m, "%s %.3f\n", m->name, value);
}

void metrics_seconds_of(struct metrics *m, const char *label, const char *word, double value)
{
	say(m, "%s{%s=\"%s\"} %.6f\n", m->name, label, word, value);
}

void metrics_one(struct metrics *m, enum metrics_type type, const char *name, const char *help,
		 uint64_t value)
{
	metrics_family(m, type, name, help);
	metrics_count(m, NULL, NULL, value);
}

void metrics_histogram(struct metrics *m, const unsigned *bounds_us, unsigned bounds,
		       const uint64_t *counts, uint64_t sum_us)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < bounds; i++) {
		sum += counts[i];
		say(m, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", m->name, bounds_us[i] / 1e6, sum);
	}
	sum += counts[bounds];
	say(m, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", m->name, sum);
	say(m, "%s_sum %.6f\n%s_count %" PRIu64 "\n", m->name, (double)sum_us / 1e6, m->name, sum);
}

void metrics_end(struct metrics *m)
{
	if (m->open_metrics)
		say(m, "# EOF\n");
}
