/* SPDX-License-Identifier: Apache-2.0
 *
 * The way of a job: copy, decide, store, and only then speak.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/engine_internal.h"
#include "daemon/view.h"

struct job *job_new(struct engine *e, struct dev *d, enum job_kind kind)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job) {
		dev_release(e, d);
		return NULL;
	}
	list_init(&job->link);
	job->e = e;
	job->dev = d;
	job->kind = kind;
	return job;
}

static void job_decide(struct job *job)
{
	struct update *u = &job->u;

	switch (job->kind) {
	case JOB_REPORT:
		admit_report(job->e, u);
		update_report(u, &job->in.report, &job->out);
		admit_decided(job, &job->out);
		break;
	case JOB_STATUS:
		update_status(u, &job->in.status, &job->out);
		break;
	case JOB_BLOCK:
		update_block(u, u->attempt.served_high, 0, false, &job->out);
		break;
	case JOB_DEADLINE:
		update_deadline(u, &job->out);
		break;
	case JOB_SILENT:
		update_silent(u, &job->out);
		break;
	case JOB_OUTAGE:
		update_outage(u, job->in.gap_ms, &job->out);
		break;
	case JOB_CLOCK_STEP:
		update_clock_step(u, job->in.gap_ms, &job->out);
		break;
	case JOB_OPERATOR:
		if (job->in.op.attempt && (!u->has_attempt || u->attempt.id != job->in.op.attempt))
			job->out = (struct outcome){.err = ERR_BUSY,
						    .why = "the attempt is closed already"};
		else if (job->in.op.act == OPERATOR_KEY)
			engine_key_decide(job);
		else if (job->in.op.act == OPERATOR_TAG)
			engine_tag_decide(job);
		else
			update_operator(u, job->in.op.act, job->in.op.arg, &job->out);
		break;
	case JOB_TALK:
	case JOB_TALK_TIMER:
		break; /* decided in steps: talk_run() */
	}
	if (job->kind == JOB_REPORT && !job->out.late &&
	    strcmp(u->device.protocol, NATIVE_NAME) != 0)
		job->speaks = NATIVE_NAME;
}

void job_free(struct job *job)
{
	talk_job_free(job->talk);
	free(job);
}

/* An operator's; else it may be a sweep's, which follows from an act on a product, or of a
 * database that was restored. */
static bool job_is_act(const struct job *job)
{
	return job->kind == JOB_OPERATOR && job->in.op.done && job->in.op.act != OPERATOR_RESTORED;
}

/* Done before it began. Two operators may have wanted the same. Unhold ends a drift, too. */
static bool job_is_idle(const struct job *job)
{
	const struct device *d = &job->u.device;
	bool held = d->hold != HOLD_NONE;
	enum operator_act act = job->in.op.act;

	return job_is_act(job) && ((act == OPERATOR_HOLD && held) ||
				   (act == OPERATOR_UNHOLD && !held && !d->drifted) ||
				   (act == OPERATOR_DISABLE && d->disabled_ms) ||
				   (act == OPERATOR_ENABLE && !d->disabled_ms));
}

static bool job_deletes(const struct job *job)
{
	return job->kind == JOB_OPERATOR && job->in.op.act == OPERATOR_REMOVE;
}

/* From its commit on no session of the device may go on. */
static bool job_shuts_out(const struct job *job)
{
	return job_is_act(job) &&
	       (job->in.op.act == OPERATOR_REMOVE || job->in.op.act == OPERATOR_DISABLE ||
		(job->in.op.act == OPERATOR_KEY && engine_key_shuts_out(job)));
}

static int job_put_event(struct job *job, struct store_set *set, unsigned i)
{
	const struct outcome *out = &job->out;
	const struct attempt *a = NULL;
	const struct diagnoses *dg = NULL;
	struct store_event ev = {0};
	char topic[128];
	struct buf name = buf_writer(topic, sizeof(topic));

	if (out->events[i].about == ABOUT_CLOSED) {
		a = &out->closed;
		dg = &out->diagnoses;
	} else if (out->events[i].about == ABOUT_OPEN) {
		/* It may have been closed by the same cause. */
		a = job->u.has_attempt ? &job->u.attempt : &out->closed;
	}
	json_t *payload =
		view_event_payload(out->events[i].kind, &job->u.device, job->u.product, a, dg);
	if (out->events[i].about == ABOUT_BOOT)
		view_event_unreported(payload);
	const struct release *left = out->events[i].kind == EVENT_DEVICE_DRIFT
					     ? catalog_release(job->e, job->u.device.settled)
					     : NULL;
	if (left)
		view_event_expected(&payload, left->version);
	char *text = payload ? json_dumps(payload, JSON_COMPACT) : NULL;
	json_decref(payload);
	if (!text)
		return ERR_NOMEM;
	buf_put_str(&name, job->e->conf.event_prefix ? job->e->conf.event_prefix : "");
	buf_put_str(&name, event_topic(out->events[i].kind));
	ev.topic = buf_cstr(&name);
	ev.data = event_data(out->events[i].kind);
	ev.device = job->u.device.id;
	ev.attempt = a ? a->id : out->events[i].attempt;
	ev.json = text;
	ev.at_ms = job->u.now_ms;
	store_set_event(set, &ev);
	free(text);
	return 0;
}

int job_put(struct job *job, struct store_set *set)
{
	const struct outcome *out = &job->out;
	int err = 0;

	if (out->has_closed) {
		store_set_attempt(set, &out->closed);
		store_set_diagnoses(set, out->closed.id, &out->diagnoses);
	}
	for (unsigned i = 0; i < out->event_count && !err; i++)
		err = job_put_event(job, set, i);
	return err ? err : proof_put(job, set);
}

/* What it spoke before is of no use any more. */
static void job_put_protocol(struct job *job, struct store_set *set)
{
	const struct device *d = &job->u.device;

	store_set_protocol(set, d->id, job->speaks);
	if (d->protocol[0] && strcmp(job->speaks, NATIVE_NAME) == 0)
		store_set_talk(set, d->id, (struct bytes){0}, 0);
}

/* Everything the cause has changed, in one write-set. */
static int job_store(struct job *job)
{
	struct outcome *out = &job->out;
	struct store_set *set = store_set_new(job_done, job);
	int err = set ? job_put(job, set) : ERR_NOMEM;

	if (job->speaks && !err)
		job_put_protocol(job, set);
	if (job->u.device.group != job->dev->u.device.group && !err)
		store_set_device_group(set, job->u.device.id, job->u.device.group,
				       job->u.device.group_ms);
	if (job_deletes(job) && !err)
		store_set_device_delete(set, job->u.device.id, job->u.device.rev);
	else if (!err &&
		 (out->device_changed || out->attempt_changed || out->has_closed || job->speaks))
		store_set_device(set, &job->u.device);
	if (out->attempt_changed && job->u.has_attempt && !err) {
		job->inserts = job->u.attempt.number == 0;
		store_set_attempt(set, &job->u.attempt);
	}
	if (job_is_act(job) && job->in.op.act == OPERATOR_KEY && !err)
		engine_key_store(job, set);
	if (job_is_act(job) && job->in.op.act == OPERATOR_TAG && !err)
		engine_tag_store(job, set);
	if (job_is_act(job) && !err)
		err = audit_job_put(job, set);
	if (err) {
		store_set_free(set);
		return err;
	}
	store_submit(job->e->conf.store, set);
	return 0;
}

static void log_step(const char *id, const struct outcome *out, const struct attempt *a,
		     enum attempt_state before)
{
	char line[256];
	struct buf b = buf_writer(line, sizeof(line));

	if (!out->cause_known) {
		log_debug("dev=%s attempt=%llu state=%s cause=%s edge=none", id,
			  (unsigned long long)a->id, attempt_state_name(a->state),
			  cause_name(out->cause));
		return;
	}
	if (a->state == before)
		return;
	if (out->has_closed) {
		buf_put_str(&b, " verdict=");
		buf_put_str(&b, verdict_name(a->verdict));
		for (unsigned i = 0; i < out->diagnoses.count; i++) {
			buf_put_str(&b, i ? "," : " diagnoses=");
			buf_put_str(&b, diagnosis_name(out->diagnoses.list[i].kind));
		}
	}
	log_info("dev=%s attempt=%llu state=%s->%s cause=%s%s", id, (unsigned long long)a->id,
		 attempt_state_name(before), attempt_state_name(a->state), cause_name(out->cause),
		 buf_cstr(&b));
}

void job_tell(const struct job *job, const struct outcome *out, const struct attempt *a,
	      enum attempt_state before)
{
	struct engine *e = job->e;

	if (out->stepped)
		log_step(job->u.device.id, out, a, before);
	if (!out->has_closed)
		return;
	e->stats.closed[out->closed.verdict]++;
	engine_count_protocol(e, job->u.device.protocol)->closed[out->closed.verdict]++;
	engine_outcome_count(e, &out->closed, job->u.device.group);
	engine_suspect(e, &out->closed, job->u.device.id);
}

static bool job_is_of_peer(const struct job *job)
{
	return job->kind == JOB_REPORT || job->kind == JOB_STATUS || job->kind == JOB_BLOCK ||
	       job->kind == JOB_TALK;
}

/* The attempt that it has made. */
static void job_log_new(const struct job *job)
{
	const struct update *u = &job->u;

	if (job->inserts)
		log_info("dev=%s attempt=%llu state=none->%s cause=report release=%s", u->device.id,
			 (unsigned long long)u->attempt.id, attempt_state_name(u->attempt.state),
			 u->attempt.version);
}

/* Sessions that the boot before had are stale: a reboot clears what the device knew of them. */
static void job_end_stale_sessions(struct job *job, int64_t last_report_ms)
{
	struct dev *d = job->dev;

	LIST_EACH(it, next, &d->sessions)
	{
		struct session *s = LIST_ENTRY(it, struct session, link);
		if (s->peer != job->peer && s->since_ms && s->since_ms <= last_report_ms)
			net_peer_close(job->e->net, s->peer);
	}
}

/* What an agent did not decide by itself it has to be told: a verdict, mostly. */
static bool agent_should_know(const struct job *job, uint64_t before)
{
	const struct update *u = &job->u;

	return !job_is_talk(job) && talk_of(&u->device) && before &&
	       (u->has_attempt ? u->attempt.id : 0) != before;
}

/* What was read of the image while the decision was on its way; `before`: the attempt then. */
static void adopt_served(struct dev *d, uint64_t before)
{
	if ((d->u.has_attempt ? d->u.attempt.id : 0) != before)
		dev_reset_served(d);
	else if (d->u.has_attempt && d->served.high > d->u.attempt.served_high)
		d->u.attempt.served_high = d->served.high;
}

void job_adopt(struct job *job, const struct store_result *result)
{
	struct dev *d = job->dev;
	int64_t last_report_ms = d->u.device.report_ms;
	bool rebooted = job->out.new_boot && d->u.device.has_report;
	uint64_t before = d->u.has_attempt ? d->u.attempt.id : 0;

	if (job->speaks)
		(void)buf_copy_str(job->u.device.protocol, sizeof(job->u.device.protocol),
				   job->speaks);
	job_log_new(job);
	if (job_is_talk(job))
		talk_adopt(job, result != NULL);
	else
		job_tell(job, &job->out, job->out.has_closed ? &job->out.closed : &job->u.attempt,
			 d->u.has_attempt ? d->u.attempt.state : ATTEMPT_OFFERED);
	if (result && (!job_is_talk(job) || job->out.device_changed))
		job->u.device.rev++;
	if (job->inserts && result && result->id_count)
		job->u.attempt.number = (uint64_t)result->ids[result->id_count - 1];
	engine_count_moved(job->e, &d->u, job_deletes(job) ? NULL : &job->u);
	if (agent_should_know(job, before))
		d->ring_talk = true;
	if (job->speaks && strcmp(job->speaks, NATIVE_NAME) == 0)
		talk_drop(d);
	if (!result) /* only what may be lost has changed: keep both sides' newest */
		d->seen_dirty = true;
	d->u = job->u;
	/* Of the catalogue, and only lent for the decision. */
	d->u.product = NULL;
	d->u.group = NULL;
	d->u.target = d->u.release = d->u.home = NULL;
	d->u.rollout = NULL;
	adopt_served(d, before);
	if (job_is_of_peer(job))
		admit_sign(job->e, d);
	if (rebooted)
		job_end_stale_sessions(job, last_report_ms);
	if (job_deletes(job)) {
		d->removed = true;
		key_fails_forget(&job->e->key_fails, dev_hash(job->e, d->u.device.id));
	}
}

static void job_run(struct job *job);

/* Causes that nobody repeats for us. */
static bool job_is_once(const struct job *job)
{
	return job->kind == JOB_OUTAGE || job->kind == JOB_CLOCK_STEP || talk_job_rings(job) ||
	       (job->kind == JOB_OPERATOR && !job->in.op.done);
}

/* Not of a peer or an operator: at most one of each kind waits. */
static bool job_is_inner(const struct job *job)
{
	return job->kind == JOB_DEADLINE || job->kind == JOB_SILENT ||
	       job->kind == JOB_TALK_TIMER || job_is_once(job);
}

void job_finish(struct job *job, int err)
{
	struct engine *e = job->e;
	struct dev *d = job->dev;
	bool shuts_out = !err && job_shuts_out(job); /* the answer may free what says so */

	/* It stays in flight until its answer is out: what the answer's callback starts waits its
	 * turn, and the device outlives the callback. */
	if (job->kind == JOB_BLOCK)
		d->block_waits = false;
	d->due_waits &= ~(1u << job->kind);
	if (err && job_is_once(job))
		sweep_again(job, err);
	if (err && job->admitted)
		admit_failed(job);
	if (job->kind == JOB_OPERATOR)
		job_answer_operator(job, err);
	else if (job_is_talk(job))
		talk_answer(job, err);
	else
		job_answer(job, err);
	if (d->removed || shuts_out) {
		LIST_EACH(it, next, &d->sessions)
		{
			net_peer_close(e->net, LIST_ENTRY(it, struct session, link)->peer);
		}
	}
	d->flight = NULL;
	job_free(job);
	if (!list_empty(&d->queue)) {
		struct job *next = LIST_ENTRY(d->queue.next, struct job, link);
		list_remove(&next->link);
		d->queued--;
		job_run(next);
		return;
	}
	if (err || !block_begun(e, d))
		dev_release(e, d);
}

void job_done(void *ctx, const struct store_result *result)
{
	struct job *job = ctx;
	struct engine *e = job->e;

	if (result->err) {
		engine_store_failed(e, job->dev->u.device.id, result->err);
		if (result->err == ERR_CONFLICT || result->err == ERR_EXIST)
			dev_reload(
				e,
				job->dev); /* the cache and the store differ: the store is right */
		job_finish(job, result->err);
		return;
	}
	if (job_is_act(job))
		audit_job_log(job, result);
	job_adopt(job, result);
	engine_events_told(e, result);
	job_finish(job, 0);
}

/* An act on where the device's target comes from: core is to judge by the new one. */
static int job_aim(struct job *job)
{
	struct device *d = &job->u.device;
	int64_t arg = job->in.op.arg;

	if (job->kind != JOB_OPERATOR)
		return 0;
	if (job->in.op.act == OPERATOR_LOCK) {
		d->lock = arg;
		const struct release *r = arg ? catalog_release(job->e, arg) : NULL;
		if (arg && (!r || r->state != RELEASE_ACTIVE))
			job->out.why = r ? "the release is not active any more"
					 : "the release was removed meanwhile";
	} else if (job->in.op.act == OPERATOR_GROUP) {
		if (d->group != arg)
			d->group_ms = rollouts_target_ms(job->e, d->product, clock_read().wall_ms);
		d->group = arg;
		if (arg && !group_of(job->e, arg))
			job->out.why = "the group was removed meanwhile";
	} else if (job->in.op.act == OPERATOR_DEVELOPMENT) {
		d->development = arg != 0;
	} else if (job->in.op.act == OPERATOR_SITE) {
		engine_site_aim(job);
	}
	return job->out.why ? ERR_CONFLICT : 0;
}

/* What surrounds the device for this decision. */
static int job_context(struct job *job)
{
	struct dev *d = job->dev;
	struct engine *e = job->e;
	struct update *u = &job->u;

	*u = d->u;
	if (d->removed)
		return ERR_NOENT;
	if (d->u.device.disabled_ms && job_is_of_peer(job))
		return ERR_NOENT; /* as far as it is concerned */
	int err = job_aim(job);
	if (err)
		return err;
	err = dev_context(e, d, u);
	u->now_ms = clock_read().wall_ms;
	u->random = engine_random();
	u->session_ms = job->session_ms;
	u->listening_ms = e->listening_ms;
	u->deaf_ms = e->deaf_ms;
	u->shed_ms = d->shed_ms;
	u->answer_due_ms = talk_due_ms(d);
	u->rate = pace_share_now(e, u->device.group);
	if (job->peer)
		u->link = job->link_facts;
	else if (!list_empty(&d->sessions))
		u->link = session_link(LIST_ENTRY(d->sessions.prev, struct session, link));
	if (err)
		engine_store_failed(e, u->device.id, err);
	return err;
}

static void job_run(struct job *job)
{
	struct engine *e = job->e;
	const struct outcome *out = &job->out;

	job->dev->flight = job;
	int err = job_context(job);
	if (err) {
		job_finish(job, err);
		return;
	}
	if (job_is_act(job) && !actor_matches(&job->in.op.by, job->u.device.rev)) {
		job_finish(job, ERR_STALE);
		return;
	}
	if (job_is_idle(job)) {
		job->unchanged = true;
		job_finish(job, 0);
		return;
	}
	if (job_is_talk(job)) {
		talk_run(job);
		return;
	}
	job_decide(job);
	if (out->stepped && !out->cause_known)
		e->stats.causes_absent++;
	if (out->err) {
		job_finish(job, out->err);
		return;
	}
	if (job_is_act(job) && !job_deletes(job) && !out->event_count && !out->has_closed &&
	    !audit_job_changes(job)) {
		job->unchanged = true;
		job_finish(job, 0);
		return;
	}
	if (!out->device_changed && !out->attempt_changed && !out->has_closed &&
	    !out->event_count && !job_deletes(job) && !job->speaks) {
		job_adopt(job, NULL);
		job_finish(job, 0);
		return;
	}
	err = job_store(job);
	if (err) {
		engine_store_failed(e, job->u.device.id, err);
		job_finish(job, err);
	}
}

int job_submit(struct job *job)
{
	struct dev *d = job->dev;

	if (!d->flight) {
		job_run(job);
		return 0;
	}
	/* A device that never pauses must not be able to keep its own deadline out. */
	unsigned limit = job_is_inner(job) ? LIMIT_DEVICE_QUEUE * 2 : LIMIT_DEVICE_QUEUE;
	if (d->queued >= limit) {
		job->e->stats.shed++;
		job_free(job);
		return ERR_BUSY;
	}
	list_append(&d->queue, &job->link);
	d->queued++;
	return 0;
}
