/* SPDX-License-Identifier: Apache-2.0
 *
 * What the audit log and the journal say of the acts of operators.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/engine_internal.h"
#include "daemon/view.h"

bool actor_matches(const struct actor *by, int64_t rev)
{
	if (!by->conditional)
		return true;
	for (unsigned i = 0; i < by->rev_count; i++)
		if (by->revs[i] == rev)
			return true;
	return false;
}

/* ---- facts ---- */

json_t *audit_product(struct engine *e, const struct product *p)
{
	const struct release *target = p->target ? catalog_release(e, p->target) : NULL;
	json_t *o = json_object();
	json_t *policy = json_object();

	view_put_text(&o, "hardware", p->hardware);
	view_put_text(&o, "windows", p->windows);
	view_put_text(&o, "time_zone", p->time_zone);
	if (target)
		view_put_text(&o, "target", target->version);
	for (size_t i = 0; i < POLICY_COUNT; i++)
		view_put(&policy, policy_rows[i].name,
			 json_integer(policy_get(&p->policy, &policy_rows[i])));
	view_put(&o, "policy", policy);
	view_put_ca(&o, p);
	view_put_protocol(&o, p);
	return o;
}

json_t *audit_release(const struct release *r)
{
	json_t *o = json_object();
	json_t *running = json_array();

	view_put(&o, "size", json_integer(r->size_bytes));
	view_put(&o, "sha256", view_hex(r->sha256, DIGEST_SHA256));
	for (unsigned i = 0; i < r->running_count; i++)
		view_append(&running, view_digest(&r->running[i]));
	view_put(&o, "running", running);
	view_put(&o, "state", json_string(release_state_name(r->state)));
	if (r->image.version[0])
		view_put_text(&o, "image_version", r->image.version);
	if (r->label_anyway)
		view_put(&o, "label_anyway", json_true());
	if (r->signed_by[0])
		view_put_text(&o, "signed_by", r->signed_by);
	if (r->signed_key[0])
		view_put_text(&o, "signed_key", r->signed_key);
	if (r->no_digest)
		view_put(&o, "no_digest", json_true());
	if (r->no_confirm)
		view_put(&o, "no_confirm", json_true());
	view_put_requires(&o, &r->requires);
	return o;
}

json_t *audit_device(struct engine *e, const struct device *d, const struct attempt *open)
{
	const struct product *p = catalog_product(e, d->product);
	const struct release *lock = d->lock ? catalog_release(e, d->lock) : NULL;
	const struct device_group *g = group_of(e, d->group);
	json_t *o = json_object();

	if (p)
		view_put_text(&o, "product", p->name);
	if (d->plain)
		view_put(&o, "plain", json_true());
	if (d->certified)
		view_put(&o, "certificate", json_true());
	if (d->disabled_ms)
		view_put(&o, "disabled", json_true());
	if (g)
		view_put_text(&o, "group", g->name);
	if (d->development)
		view_put(&o, "development", json_true());
	view_put_text(&o, "windows", d->windows);
	view_put_text(&o, "time_zone", d->time_zone);
	if (lock)
		view_put_text(&o, "lock", lock->version);
	if (d->force)
		view_put(&o, "force", json_true());
	if (d->hold != HOLD_NONE)
		view_put(&o, "hold", json_string(hold_name(d->hold)));
	if (d->drifted)
		view_put(&o, "drifted", json_true());
	view_put_time(&o, "retry_at", d->retry_at_ms);
	view_put_time(&o, "deferred_since", d->defer_since_ms);
	if (!open)
		return o;
	view_put(&o, "attempt", json_integer((json_int_t)open->id));
	if (open->forced)
		view_put(&o, "attempt_forced", json_true());
	return o;
}

json_t *audit_attempt(const struct attempt *a)
{
	json_t *o = json_object();

	view_put_text(&o, "device", a->device);
	view_put(&o, "state", json_string(attempt_state_name(a->state)));
	if (a->state == ATTEMPT_CLOSED)
		view_put(&o, "verdict", json_string(verdict_name(a->verdict)));
	else if (a->cancel_requested)
		view_put(&o, "cancel_requested", json_true());
	return o;
}

bool audit_differ(json_t *before, json_t *after)
{
	const char *key;
	json_t *value;
	void *next;

	json_object_foreach_safe(before, next, key, value)
	{
		json_t *other = json_object_get(after, key);
		if (!json_equal(value, other)) {
			if (json_is_object(value) && json_is_object(other))
				(void)audit_differ(value, other);
			continue;
		}
		(void)json_object_del(after, key); /* first: the key is the other one's */
		(void)json_object_del(before, key);
	}
	return json_object_size(before) || json_object_size(after);
}

/* ---- rows ---- */

int audit_put(struct store_set *set, const struct actor *by, const char *act, const char *object,
	      json_t *before, json_t *after)
{
	char *was = json_is_object(before) ? json_dumps(before, JSON_COMPACT) : strdup("");
	char *is = json_is_object(after) ? json_dumps(after, JSON_COMPACT) : strdup("");
	const struct store_audit row = {.at_ms = clock_read().wall_ms,
					.who = by->name,
					.act = act,
					.object = object,
					.before = was,
					.after = is};
	int err = before && after && was && is ? 0 : ERR_NOMEM;

	if (!err)
		store_set_audit(set, &row);
	json_decref(before);
	json_decref(after);
	free(was);
	free(is);
	return err;
}

void audit_log(const struct actor *by, const char *act, const char *object,
	       const struct store_result *result)
{
	char hex[2 * STORE_HASH + 1];
	struct buf b = buf_writer(hex, sizeof(hex));

	if (!result->audit.seq)
		return;
	buf_put_hex(&b, result->audit.hash, STORE_HASH);
	log_info("act=\"%s\" object=\"%s\" who=\"%s\" uid=%" PRIu32 " pid=%" PRId32
		 " audit=%" PRIu64 " hash=%s",
		 act, object, by->name, by->uid, by->pid, result->audit.seq, buf_cstr(&b));
}

/* ---- events of no device ---- */

int engine_event_put(struct engine *e, struct store_set *set, enum event_kind kind, json_t *payload)
{
	char *text = payload ? json_dumps(payload, JSON_COMPACT) : NULL;
	char topic[128];
	struct buf name = buf_writer(topic, sizeof(topic));

	json_decref(payload);
	if (!text)
		return ERR_NOMEM;
	buf_put_str(&name, engine_event_prefix(e));
	buf_put_str(&name, event_topic(kind));
	const struct store_event ev = {.topic = buf_cstr(&name),
				       .data = event_data(kind),
				       .device = "",
				       .json = text,
				       .at_ms = clock_read().wall_ms};
	store_set_event(set, &ev);
	free(text);
	return 0;
}

void engine_events_told(struct engine *e, const struct store_result *result)
{
	if (!result->event_count)
		return;
	for (unsigned i = 0; i < ENGINE_LISTENERS; i++)
		if (e->on_events[i].fn)
			e->on_events[i].fn(e->on_events[i].ctx,
					   result->first_event + result->event_count - 1);
}

/* ---- acts on one device ---- */

static const char *job_act(const struct job *job)
{
	switch (job->in.op.act) {
	case OPERATOR_LOCK:
		return job->in.op.arg ? "device lock" : "device unlock";
	case OPERATOR_GROUP:
		return job->in.op.arg ? "device group" : "device ungroup";
	case OPERATOR_DEVELOPMENT:
		return job->in.op.arg ? "device development" : "device production";
	case OPERATOR_FORCE:
		return "device force";
	case OPERATOR_UNFORCE:
		return "device unforce";
	case OPERATOR_HOLD:
		return "device hold";
	case OPERATOR_UNHOLD:
		return "device unhold";
	case OPERATOR_CANCEL:
		return "attempt cancel";
	case OPERATOR_DISABLE:
		return "device disable";
	case OPERATOR_ENABLE:
		return "device enable";
	case OPERATOR_REMOVE:
		return "device remove";
	case OPERATOR_SITE:
		return "device set";
	case OPERATOR_TAG:
		return engine_tag_act(job);
	case OPERATOR_KEY:
		return engine_key_act(job);
	case OPERATOR_TARGET_CHANGED:
	case OPERATOR_RESTORED:
		break; /* nobody's act by itself */
	}
	return "";
}

static const char *job_object(const struct job *job, char dst[24])
{
	if (job->in.op.act != OPERATOR_CANCEL)
		return job->u.device.id;
	(void)snprintf(dst, 24, "%" PRIu64, job->in.op.attempt);
	return dst;
}

static json_t *job_before(const struct job *job)
{
	const struct update *u = &job->dev->u;

	if (job->in.op.act == OPERATOR_CANCEL)
		return audit_attempt(&u->attempt);
	if (job->in.op.act == OPERATOR_KEY)
		return engine_key_facts(job, false);
	if (job->in.op.act == OPERATOR_TAG)
		return engine_tag_facts(job, false);
	return audit_device(job->e, &u->device, u->has_attempt ? &u->attempt : NULL);
}

static json_t *job_after(const struct job *job)
{
	const struct update *u = &job->u;

	if (job->in.op.act == OPERATOR_REMOVE)
		return json_null();
	if (job->in.op.act == OPERATOR_KEY)
		return engine_key_facts(job, true);
	if (job->in.op.act == OPERATOR_TAG)
		return engine_tag_facts(job, true);
	if (job->in.op.act == OPERATOR_CANCEL)
		return audit_attempt(job->out.has_closed ? &job->out.closed : &u->attempt);
	return audit_device(job->e, &u->device, u->has_attempt ? &u->attempt : NULL);
}

bool audit_job_changes(const struct job *job)
{
	json_t *before = job_before(job);
	json_t *after = job_after(job);
	bool changes = !before || !after || audit_differ(before, after);

	json_decref(before);
	json_decref(after);
	return changes;
}

int audit_job_put(const struct job *job, struct store_set *set)
{
	json_t *before = job_before(job);
	json_t *after = job_after(job);
	char number[24];

	if (json_is_object(after))
		(void)audit_differ(before, after);
	return audit_put(set, &job->in.op.by, job_act(job), job_object(job, number), before, after);
}

void audit_job_log(const struct job *job, const struct store_result *result)
{
	char number[24];

	audit_log(&job->in.op.by, job_act(job), job_object(job, number), result);
}
