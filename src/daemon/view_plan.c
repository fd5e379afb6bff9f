/* SPDX-License-Identifier: Apache-2.0
 *
 * A rollout's dry run.
 */
#include <stdio.h>

#include "daemon/view_plan.h"

/* ---- whom it reaches ---- */

static json_t *site_json(const struct engine_plan *plan, unsigned i)
{
	const struct engine_plan_site *s = &plan->site_texts[i];
	json_t *o = json_object();

	view_put(&o, "windows", json_string(s->windows));
	view_put_text(&o, "time_zone", s->time_zone);
	view_put(&o, "devices", json_integer(plan->sites[i].devices));
	view_put_time(&o, "opens", s->opens_ms);
	return o;
}

static json_t *sites_json(const struct engine_plan *plan)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < plan->site_count; i++)
		if (plan->sites[i].devices && plan->sites[i].schedule.count)
			view_append(&list, site_json(plan, i));
	return list;
}

static json_t *closed_json(const struct engine_plan *plan)
{
	json_t *o = json_object();
	json_t *named = json_array();

	for (int64_t i = 0; i < plan->closed && i < LIMIT_PLAN_NAMED; i++)
		view_append(&named, json_string(plan->closed_named[i]));
	view_put(&o, "days", json_integer(plan->days));
	view_put(&o, "devices", json_integer(plan->closed));
	view_put(&o, "named", named);
	return o;
}

static json_t *blocked_json(const struct engine_plan *plan)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < BLOCK_COUNT; i++)
		if (plan->blocked[i])
			view_put(&o, block_name((enum block)i), json_integer(plan->blocked[i]));
	return o;
}

json_t *view_rollout_plan(const struct engine_rollout *v, const struct engine_plan *plan,
			  const struct rollout_forecast *f)
{
	json_t *o = json_object();

	view_put(&o, "selected", json_integer(plan->selected));
	view_put(&o, "elsewhere", json_integer(plan->elsewhere));
	view_put(&o, "offers", json_integer(plan->offers));
	view_put(&o, "later", json_integer(plan->later));
	view_put(&o, "locked", json_integer(plan->locked));
	view_put(&o, "no_return", json_integer(plan->no_return));
	view_put(&o, "blocked", blocked_json(plan));
	view_put(&o, "windows", sites_json(plan));
	if (plan->unlisted)
		view_put(&o, "windows_unlisted", json_integer(plan->unlisted));
	view_put(&o, "no_window", closed_json(plan));
	view_put(&o, "forecast", view_rollout_forecast(v, f));
	return o;
}

/* ---- what it costs ---- */

/* What links are like is not known before: usual rates of good ones, of one device alone. A block
 * costs about so many bytes more, there and back: IP, UDP, DTLS and CoAP of both messages. */
enum { BLOCK_COST = 150, BLOCK_SIZE = 1024 };
static const struct {
	const char *name;
	int64_t bits_per_second;
} links[] = {{"nb-iot", 25000}, {"802.15.4", 100000}, {"lte-m", 300000}, {"wifi", 5000000}};

static json_t *airtime(int64_t size_bytes)
{
	int64_t bytes = size_bytes + (size_bytes + BLOCK_SIZE - 1) / BLOCK_SIZE * BLOCK_COST;
	json_t *list = json_array();

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		json_t *o = json_object();
		view_put(&o, "link", json_string(links[i].name));
		view_put(&o, "assumed_bits_per_second", json_integer(links[i].bits_per_second));
		view_put(&o, "seconds",
			 json_integer((bytes * 8 + links[i].bits_per_second - 1) /
				      links[i].bits_per_second));
		view_append(&list, o);
	}
	return list;
}

/* What comes when a wave is through and was watched. */
static const char *after_wave(const struct rollout *r, unsigned wave)
{
	if (wave + 1 == r->wave_count)
		return "end";
	return r->waves[wave + 1].gate ? "gate" : "wave";
}

static json_t *wave_cost(const struct rollout *r, const struct rollout_forecast *f, unsigned i)
{
	char size[32];
	json_t *w = json_object();

	view_put(&w, "wave", json_integer(i + 1));
	view_put(&w, "size", json_string(view_wave_size(&r->waves[i], size)));
	view_put(&w, "members", json_integer(f->waves[i].members));
	view_put(&w, "offers", json_integer(f->waves[i].offers));
	view_put(&w, "bytes", json_integer(f->waves[i].bytes));
	view_put(&w, "seconds", json_integer((f->waves[i].ends_ms - f->waves[i].opens_ms) / 1000));
	view_put_time(&w, "opens", f->waves[i].opens_ms);
	view_put_time(&w, "ends", f->waves[i].ends_ms);
	view_put(&w, "gate", json_boolean(r->waves[i].gate));
	view_put(&w, "soak_seconds", json_integer(f->waves[i].members ? r->rules.soak_s : 0));
	view_put(&w, "then", json_string(after_wave(r, i)));
	return w;
}

json_t *view_rollout_forecast(const struct engine_rollout *v, const struct rollout_forecast *f)
{
	const struct rollout *r = &v->rollout;
	json_t *o = json_object();
	json_t *waves = json_array();

	view_put(&o, "offers", json_integer(f->offers));
	view_put(&o, "bytes", json_integer(f->bytes));
	view_put(&o, "seconds", json_integer((f->ends_ms - f->begins_ms) / 1000));
	view_put_time(&o, "begins", f->begins_ms);
	view_put_time(&o, "ends", f->ends_ms);
	view_put(&o, "approval", json_boolean(r->rules.approval && !r->approver[0]));
	view_put(&o, "complete_percent", json_integer(r->rules.complete_percent));
	for (unsigned i = 0; i < r->wave_count; i++)
		view_append(&waves, wave_cost(r, f, i));
	view_put(&o, "waves", waves);
	view_put(&o, "airtime", airtime(v->release_bytes));
	return o;
}
