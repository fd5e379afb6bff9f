/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/view.h"

#include "core/state.h"

const char view_plain_warning[] = "this server does not serve plain devices: set plain-devices = "
				  "yes in postbootd.conf, or add it with a key";

#define STATE_WORD(name, word) word,
const char *const view_device_states[] = {DEVICE_STATE_LIST(STATE_WORD) NULL};
#undef STATE_WORD

const char *view_device_state(const struct engine_device *now)
{
	return device_state_name(
		device_state(&now->device, now->has_attempt, now->has_target, now->plan.on_target));
}

static void put_operator(json_t **o, const struct engine_device *now)
{
	const struct device *d = &now->device;

	view_put_time(o, "disabled", d->disabled_ms);
	if (d->lock && now->has_target)
		view_put_text(o, "lock", now->goal);
	if (d->force)
		view_put(o, "force", json_true());
	if (d->hold != HOLD_NONE) {
		json_t *hold = json_object();
		view_put(&hold, "reason", json_string(hold_name(d->hold)));
		view_put(&hold, "means", json_string(hold_help(d->hold)));
		view_put_time(&hold, "since", d->held_ms);
		view_put(o, "hold", hold);
	}
	if (now->has_target) {
		json_t *target = json_object();
		view_put(&target, "version", view_text(now->target.version));
		view_put(&target, "why", json_string(target_why_name(now->why)));
		if (now->why == TARGET_STONE)
			view_put_text(&target, "goal", now->goal);
		view_put(o, "target", target);
	}
}

static void put_running(json_t **o, const struct device *d)
{
	const struct boot_slot *newest = &d->boots.slot[0];

	if (d->has_report) {
		json_t *running = json_object();
		view_put(&running, "version", view_text(d->report.version));
		if (d->report.running.len)
			view_put(&running, "digest", view_digest(&d->report.running));
		if (d->report.confirmed >= 0)
			view_put(&running, "confirmed", json_boolean(d->report.confirmed));
		if (d->unbooted_claim)
			view_put_text(&running, "claims", d->claimed);
		view_put(o, "running", running);
	}
	if (d->boots.count) {
		json_t *boot = json_object();
		view_put(&boot, "seq", json_integer(d->boots.seq));
		if (newest->id.len)
			view_put(&boot, "id", view_hex(newest->id.bytes, newest->id.len));
		if (newest->id.has_count)
			view_put(&boot, "count", json_integer(newest->id.count));
		view_put_time(&boot, "since", newest->seen_ms);
		view_put(o, "boot", boot);
	}
	view_put(o, "resets", json_integer(d->resets));
	view_put(o, "unclean_resets", json_integer(d->unclean_resets));
}

static void put_number(json_t **o, const char *key, int64_t value)
{
	if (value >= 0)
		view_put(o, key, json_integer(value));
}

/* In the order of their bits, CAP_RESUME first. */
const char *const view_capabilities[] = {"resume", "fresh",	      "gate",	"observe",
					 "delta",  "reports-confirm", "window", NULL};

static json_t *report_capabilities(uint32_t bits)
{
	json_t *list = json_array();

	for (unsigned i = 0; view_capabilities[i]; i++)
		if (bits & 1u << i)
			view_append(&list, json_string(view_capabilities[i]));
	return list;
}

static json_t *report_troubles(uint32_t bits)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < TROUBLE_COUNT; i++)
		if (bits & 1u << i)
			view_append(&list, json_string(trouble_name(i)));
	return list;
}

static json_t *report_last(const struct last_attempt *last)
{
	json_t *o = json_object();

	view_put(&o, "attempt", json_integer((json_int_t)last->attempt));
	view_put(&o, "stage", json_string(last_stage_name(last->stage)));
	if (last->reason != REASON_NONE)
		view_put(&o, "reason", json_string(reason_name(last->reason)));
	if (last->code)
		view_put(&o, "code", json_integer(last->code));
	view_put_text(&o, "detail", last->detail);
	return o;
}

static json_t *device_report(const struct device *d)
{
	const struct report *r = &d->report;
	json_t *o = json_object();

	view_put_time(&o, "at", d->report_ms);
	view_put_text(&o, "hardware", r->hardware);
	view_put_text(&o, "boot_loader", r->boot_loader);
	view_put(&o, "reset", json_string(reset_reason_name(r->reset)));
	view_put(&o, "mode", json_string(report_mode_name(r->mode)));
	if (r->updates_enabled >= 0)
		view_put(&o, "updates_enabled", json_boolean(r->updates_enabled));
	put_number(&o, "fs_free", r->fs_free_bytes);
	put_number(&o, "fs_total", r->fs_total_bytes);
	put_number(&o, "slot", r->slot_bytes);
	put_number(&o, "battery", r->battery_percent);
	put_number(&o, "supply_mv", r->supply_mv);
	if (r->troubles)
		view_put(&o, "troubles", report_troubles(r->troubles));
	put_number(&o, "interval_s", r->interval_s);
	put_number(&o, "uptime_s", r->uptime_s);
	if (r->has_capabilities)
		view_put(&o, "capabilities", report_capabilities(r->capabilities));
	if (r->has_cached)
		view_put(&o, "cached", view_hex(r->cached, DIGEST_SHA256));
	put_number(&o, "security_counter", r->security_counter);
	if (r->last.attempt)
		view_put(&o, "last_attempt", report_last(&r->last));
	return o;
}

static json_t *device_blocked(const struct engine_device *now)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < BLOCK_COUNT; i++) {
		enum block block = (enum block)i;
		char text[VIEW_SENTENCE];
		struct buf clear = buf_writer(text, sizeof(text));
		if (!(view_blocks(now) & 1u << i))
			continue;
		view_say_clear(&clear, block, now);
		json_t *o = json_object();
		view_put(&o, "name", json_string(block_name(block)));
		view_put(&o, "means", json_string(block_means(block)));
		view_put(&o, "clear", view_text(buf_cstr(&clear)));
		view_append(&list, o);
	}
	return list;
}

/* What every view of a device begins with, and what it ends with. */
static json_t *device_begin(const struct engine_device *now)
{
	const struct device *d = &now->device;
	json_t *o = json_object();

	view_put(&o, "id", view_text(d->id));
	view_put(&o, "product", view_text(now->product.name));
	if (now->has_group)
		view_put(&o, "group", view_text(now->group.name));
	if (d->development)
		view_put(&o, "development", json_true());
	if (d->plain)
		view_put(&o, "plain", json_true());
	if (d->certified)
		view_put(&o, "certificate", json_true());
	view_put_text(&o, "protocol", d->protocol);
	view_put(&o, "rev", json_integer(d->rev));
	view_put_time(&o, "created", d->created_ms);
	view_put(&o, "online", json_boolean(d->online));
	view_put_time(&o, "seen", d->seen_ms);
	view_put(&o, "state", json_string(view_device_state(now)));
	put_operator(&o, now);
	view_put_maintenance(&o, now);
	put_running(&o, d);
	if (d->has_report)
		view_put(&o, "report", device_report(d));
	return o;
}

static json_t *device_end(json_t *o, const struct engine_device *now)
{
	view_put(&o, "blocked_by", device_blocked(now));
	if (now->device.hold == HOLD_NONE)
		view_put_time(&o, "clear_at", now->plan.clear_at_ms);
	if (now->device.drifted)
		view_put(&o, "drifted", json_true());
	view_put_text(&o, "address", now->address);
	view_put(&o, "sessions", json_integer(now->sessions));
	return o;
}

static void put_keys(json_t **o, const int64_t set_ms[KEY_SLOTS])
{
#define SLOT_WORD(name, word, help) [name] = word,
	static const char *const words[KEY_SLOTS] = {KEY_SLOT_LIST(SLOT_WORD)};
#undef SLOT_WORD
	json_t *list = json_array();

	for (unsigned slot = 0; slot < KEY_SLOTS; slot++) {
		if (!set_ms[slot])
			continue;
		json_t *key = json_object();
		view_put(&key, "slot", json_string(words[slot]));
		view_put_time(&key, "set", set_ms[slot]);
		view_append(&list, key);
	}
	if (json_array_size(list))
		view_put(o, "keys", list);
	else
		json_decref(list);
}

json_t *view_device(const struct view_device *v)
{
	const struct engine_device *now = v->now;
	json_t *o = device_begin(now);

	if (v->facts && json_object_size(v->facts))
		view_put(&o, "protocol_facts", json_deep_copy(v->facts));
	view_put_tags(&o, &v->tags);
	put_keys(&o, v->key_set_ms);
	if (now->has_attempt)
		view_put(&o, "attempt",
			 view_attempt(&now->attempt, now->product.name, &now->diagnoses, now));
	if (v->has_last)
		view_put(&o, "last_attempt",
			 view_attempt(v->last, now->product.name, v->last_diagnoses, now));
	if (v->plain_unserved)
		view_put(&o, "warning", json_string(view_plain_warning));
	return device_end(o, now);
}

json_t *view_device_row(const struct engine_device *now)
{
	json_t *o = device_begin(now);

	if (now->has_attempt)
		view_put(&o, "attempt_id", json_integer((json_int_t)now->attempt.id));
	if (now->device.last_attempt)
		view_put(&o, "last_attempt_id", json_integer((json_int_t)now->device.last_attempt));
	return device_end(o, now);
}
