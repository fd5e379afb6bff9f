/* SPDX-License-Identifier: Apache-2.0
 *
 * Rollouts as JSON.
 */
#include <stdio.h>

#include "daemon/view.h"

static json_t *rules_json(const struct rollout_rules *rules)
{
	json_t *o = json_object();

	for (size_t i = 0; i < ROLLOUT_RULE_COUNT; i++)
		view_put(&o, rollout_rule_rows[i].name,
			 json_integer(rollout_rule_get(rules, &rollout_rule_rows[i])));
	return o;
}

static void put_state(json_t **o, const struct rollout *r)
{
	view_put(o, "state", json_string(rollout_state_name(r->state)));
	if (r->wait != WAIT_NONE)
		view_put(o, "wait", json_string(rollout_wait_name(r->wait)));
	if (r->why != HALT_NONE && !r->ended_by[0])
		view_put(o, "why", json_string(rollout_why_name(r->why)));
}

/* An operator's end is his, whatever had halted it. */
static void put_end(json_t **o, const struct rollout *r)
{
	view_put_text(o, "ended_by", r->ended_by);
	if (r->why != HALT_NONE && r->ended_by[0])
		view_put(o, "halted_why", json_string(rollout_why_name(r->why)));
}

json_t *view_rollout_facts(const char *version, const struct rollout *r)
{
	char waves[LIMIT_WAVES_TEXT + 1];
	json_t *o = json_object();

	view_put_text(&o, "release", version);
	view_put_text(&o, "filter", r->filter);
	view_put_text(&o, "author", r->author);
	view_put_text(&o, "approver", r->approver);
	put_state(&o, r);
	put_end(&o, r);
	view_put(&o, "waves", json_string(rollout_waves_text(r, waves)));
	view_put(&o, "open_waves", json_integer(r->opened));
	if (r->gate_open)
		view_put(&o, "gate_open", json_true());
	view_put_time(&o, "start_at", r->start_at_ms);
	view_put(&o, "settings", rules_json(&r->rules));
	return o;
}

json_t *view_rollout_event(const char *product, const char *version, const struct rollout *r)
{
	json_t *o = json_object();

	view_put_text(&o, "product", product);
	view_put(&o, "rollout", json_string(r->name));
	view_put_text(&o, "release", version);
	put_state(&o, r);
	put_end(&o, r);
	view_put(&o, "open_waves", json_integer(r->opened));
	view_put(&o, "wave_count", json_integer(r->wave_count));
	return o;
}

/* ---- counts ---- */

static json_t *results_json(const struct wave_counts *c)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < MEMBER_COUNT; i++)
		view_put(&o, member_name((enum member)i), json_integer(c->results[i]));
	return o;
}

static void put_counts(json_t **o, const struct wave_counts *c)
{
	view_put(o, "members", json_integer(c->members));
	view_put(o, "released", json_integer(c->released));
	view_put(o, "through", json_integer(c->through));
	view_put(o, "away", json_integer(c->away));
	view_put(o, "results", results_json(c));
	view_put(o, "applied", json_integer(c->applied));
	view_put(o, "silent", json_integer(c->applied_silent));
}

const char *view_wave_size(const struct wave *w, char dst[32])
{
	(void)snprintf(dst, 32, "%lld%s", (long long)w->size, w->percent ? "%" : "");
	return dst;
}

static json_t *wave_json(const struct wave *w, const struct wave_counts *c)
{
	char size[32];
	json_t *o = json_object();

	view_put(&o, "size", json_string(view_wave_size(w, size)));
	view_put(&o, "gate", json_boolean(w->gate));
	view_put_time(&o, "opened", w->opened_ms);
	view_put_time(&o, "complete", w->complete_ms);
	put_counts(&o, c);
	return o;
}

static void put_sentence(json_t **o, const char *key, const struct engine_rollout *v,
			 void (*say)(struct buf *, const struct engine_rollout *))
{
	char text[2 * VIEW_SENTENCE] = "";
	struct buf b = buf_writer(text, sizeof(text));

	say(&b, v);
	view_put_text(o, key, buf_cstr(&b));
}

json_t *view_rollout(const struct engine_rollout *v)
{
	const struct rollout *r = &v->rollout;
	struct wave_counts all = rollout_total(&v->counts, r->wave_count);
	json_t *o = json_object();
	json_t *waves = json_array();
	char text[LIMIT_WAVES_TEXT + 1];

	view_put(&o, "product", json_string(v->product));
	view_put(&o, "name", json_string(r->name));
	view_put_text(&o, "release", v->version);
	view_put(&o, "rev", json_integer(r->rev));
	view_put_text(&o, "filter", r->filter);
	put_state(&o, r);
	put_end(&o, r);
	put_sentence(&o, "summary", v, view_say_rollout_stands);
	put_sentence(&o, "advice", v, view_say_rollout_next);
	view_put_text(&o, "author", r->author);
	view_put_text(&o, "approver", r->approver);
	view_put_time(&o, "start_at", r->start_at_ms);
	view_put_time(&o, "created", r->created_ms);
	view_put_time(&o, "started", r->started_ms);
	view_put_time(&o, "since", r->state_ms);
	view_put_time(&o, "halted", r->halted_ms);
	view_put_time(&o, "ended", r->ended_ms);
	view_put(&o, "settings", rules_json(&r->rules));
	view_put(&o, "waves", json_string(rollout_waves_text(r, text)));
	view_put(&o, "open_waves", json_integer(r->opened));
	view_put(&o, "counted", json_boolean(v->counted));
	put_counts(&o, &all);
	view_put(&o, "left", json_integer(v->left));
	view_put(&o, "control", json_integer(all.control));
	view_put(&o, "control_silent", json_integer(all.control_silent));
	for (unsigned i = 0; i < r->wave_count; i++)
		view_append(&waves, wave_json(&r->waves[i], &v->counts.waves[i]));
	view_put(&o, "wave_list", waves);
	return o;
}

json_t *view_rollout_waits(const struct engine_rollout *v)
{
	const struct rollout *r = &v->rollout;
	json_t *o = json_object();

	view_put(&o, "product", json_string(v->product));
	view_put(&o, "name", json_string(r->name));
	put_state(&o, r);
	view_put_time(&o, "since", r->state_ms);
	put_sentence(&o, "summary", v, view_say_rollout_stands);
	put_sentence(&o, "advice", v, view_say_rollout_next);
	return o;
}

json_t *view_member(const struct engine_rollout *v, const struct device *d)
{
	const struct rollout *r = &v->rollout;
	struct member_facts m = member_facts(d, r->id);
	json_t *o = json_object();

	view_put_text(&o, "device", d->id);
	view_put_text(&o, "version", d->report.version);
	view_put(&o, "wave", json_integer(rollout_wave_of(r, d->rollout_place) + 1));
	view_put(&o, "released", json_boolean(d->rollout_place < r->reached));
	view_put(&o, "result", json_string(member_name(m.result)));
	view_put(&o, "applied", json_boolean(m.applied));
	view_put(&o, "online", json_boolean(d->online));
	return o;
}
