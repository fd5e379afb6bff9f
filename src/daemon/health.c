/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/health.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"

static const struct {
	const char *name;
	bool degrades;
} rows[HEALTH_COUNT] = {
#define HEALTH_ROW(name, word, degrades) [name] = {(word), (degrades)},
	HEALTH_LIST(HEALTH_ROW)
#undef HEALTH_ROW
};

void health_init(struct health *h)
{
	*h = (struct health){0};
}

void health_set(struct health *h, enum health_id id, const char *todo, const char *what_fmt, ...)
{
	struct health_condition *c = &h->list[id];
	va_list ap;

	va_start(ap, what_fmt);
	(void)vsnprintf(c->what, sizeof(c->what), what_fmt, ap);
	va_end(ap);
	for (char *at = c->what; *at; at++) /* it is quoted in the log */
		if (*at == '"')
			*at = '\'';
	buf_copy_str(c->todo, sizeof(c->todo), todo);
	if (c->is_set)
		return;
	struct clock now = clock_read();
	c->is_set = true;
	c->since_ms = now.wall_ms;
	c->at_ms = now.now_ms;
	if (rows[id].degrades)
		log_err("health=%s begin=%s what=\"%s\" do=\"%s\"", health_word(h), rows[id].name,
			c->what, c->todo);
	else
		log_warn("health=%s begin=%s what=\"%s\" do=\"%s\"", health_word(h), rows[id].name,
			 c->what, c->todo);
	if (h->on_change)
		h->on_change(h->ctx);
}

void health_clear(struct health *h, enum health_id id)
{
	struct health_condition *c = &h->list[id];

	if (!c->is_set)
		return;
	c->is_set = false;
	log_info("health=%s end=%s lasted_s=%lld", health_word(h), rows[id].name,
		 (long long)(clock_read().now_ms - c->at_ms) / 1000);
	if (h->on_change)
		h->on_change(h->ctx);
}

bool health_is_degraded(const struct health *h)
{
	for (int id = 0; id < HEALTH_COUNT; id++)
		if (h->list[id].is_set && rows[id].degrades)
			return true;
	return false;
}

unsigned health_count(const struct health *h)
{
	unsigned count = 0;

	for (int id = 0; id < HEALTH_COUNT; id++)
		count += h->list[id].is_set;
	return count;
}

const char *health_word(const struct health *h)
{
	return health_is_degraded(h) ? "degraded" : "ok";
}

const char *health_name(enum health_id id)
{
	return rows[id].name;
}

bool health_degrades(enum health_id id)
{
	return rows[id].degrades;
}
