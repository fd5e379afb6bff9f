/* SPDX-License-Identifier: Apache-2.0
 *
 * One job of an agent (proto/talk.h): a chain of its steps on a copy of what it remembers, with
 * what core decides between them; all of it is one write-set.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/engine_talk.h"

enum {
	TIMER_LEAST_MS = 1000, /* for an agent that asks for a time that has passed */
	DISABLED_MS = 3600000, /* until a disabled device's timer is looked at again */
};

/* The attempt may be another one than before. A failure that is not committed yet counts. */
static int step_context(struct job *job)
{
	struct talk_job *t = job->talk;
	struct update *u = &job->u;
	int64_t bytes = u->attempt.served_bytes, high = u->attempt.served_high;
	uint32_t repeats = u->attempt.served_repeats;
	int err = t->count ? dev_context(job->e, job->dev, u) : 0;

	u->random = engine_random();
	if (err || !t->count)
		return err;
	u->attempt.served_bytes = bytes; /* of the device's are those of the one before */
	u->attempt.served_high = high;
	u->attempt.served_repeats = repeats;
	for (unsigned i = 0; i < t->count && u->has_attempt; i++) {
		const struct attempt *a = &t->decided[i]->out.closed;
		if (!t->decided[i]->out.has_closed)
			continue;
		job->dev->history_of = 0;
		history_add(&u->attempt_history, a, u->attempt.sha256);
	}
	return 0;
}

enum core_call { CALL_HEARD, CALL_RETURNED, CALL_REPORT, CALL_STATUS, CALL_GONE };

/* One question to core, and its rows and events into the set. */
static int decide(struct job *job, struct store_set *set, enum core_call call,
		  const struct talk_out *step)
{
	struct talk_job *t = job->talk;
	struct update *u = &job->u;
	int err = t->count < TALK_STEPS ? step_context(job) : ERR_LIMIT;
	struct talk_decided *v = err ? NULL : calloc(1, sizeof(*v));

	if (!v)
		return err ? err : ERR_NOMEM;
	v->before = u->has_attempt ? u->attempt.state : ATTEMPT_OFFERED;
	switch (call) {
	case CALL_HEARD:
		update_heard(u, &v->out);
		break;
	case CALL_RETURNED:
		update_returned(u, &v->out);
		break;
	case CALL_REPORT:
		admit_report(job->e, u);
		update_report(u, &step->report, &v->out);
		admit_decided(job, &v->out);
		break;
	case CALL_STATUS:
		update_status(u, &step->status, &v->out);
		break;
	case CALL_GONE:
		update_gone(u, t->event == TALK_REQUEST, &v->out);
		break;
	}
	v->attempt = v->out.has_closed ? v->out.closed : u->attempt;
	t->decided[t->count++] = v;
	job->out = v->out;
	return job_put(job, set);
}

static void sum_up(struct talk_out *sum, const struct talk_out *step)
{
	sum->changed |= step->changed;
	if (step->has_reply) {
		sum->has_reply = true;
		sum->reply = step->reply;
	}
	if (step->has_ask) {
		sum->has_ask = true;
		sum->ask = step->ask;
	}
	sum->cancels |= step->cancels;
	if (step->log[0])
		memcpy(sum->log, step->log, sizeof(sum->log));
}

/* What an agent is told; `options` is the memory of some of it. */
static void talk_begin(struct job *job, struct talk_in *in, char options[TALK_OPTIONS])
{
	struct talk_job *t = job->talk;
	const struct session *s = talk_session(job->dev);

	*in = (struct talk_in){
		.event = t->event,
		.now_ms = job->u.now_ms,
		.device = job->u.device.id,
		.options =
			talk_options_of(t->next->proto, job->u.product->protocol_options, options),
		.secure = s && net_peer_secure(s->peer),
		.request = t->event == TALK_REQUEST ? &t->request : NULL,
		.answer = t->event == TALK_ANSWER || t->event == TALK_NOTIFIED ? &t->answer : NULL,
		.asking = (s && s->asked) || talk_answer_waits(job->dev)};
	if (job->u.device.has_report && strcmp(job->u.device.protocol, t->next->proto->name) == 0)
		in->known = &job->u.device.report;
	if (s)
		(void)net_peer_local(s->peer, in->local);
}

static void talk_now(const struct job *job, struct talk_in *in)
{
	const struct update *u = &job->u;

	in->random = engine_random();
	in->attempt = u->has_attempt ? u->attempt.id : 0;
	in->attempt_applying = u->has_attempt && u->attempt.state >= ATTEMPT_APPLYING;
	in->attempt_served = u->has_attempt ? u->attempt.served_bytes : 0;
}

static int talk_steps(struct job *job, struct store_set *set, struct talk_in *in,
		      struct talk_out *out)
{
	struct talk_job *t = job->talk;
	int err = 0;

	for (unsigned i = 0; i < TALK_STEPS && !err; i++) {
		talk_now(job, in);
		talk_out_init(out);
		t->next->proto->step(t->next->state, in, out);
		sum_up(&t->sum, out);
		in->asking = in->asking && !out->cancels;
		if (out->contact && !out->has_report && !out->has_status)
			err = decide(job, set, out->returned ? CALL_RETURNED : CALL_HEARD, out);
		if (!err && out->gone)
			err = decide(job, set, CALL_GONE, out);
		if (err || (!out->has_report && !out->has_status))
			return err;
		err = decide(job, set, out->has_report ? CALL_REPORT : CALL_STATUS, out);
		in->event = out->has_report ? TALK_DIRECTIVE : TALK_ACCEPTED;
		in->directive = &job->out.directive;
		in->accepted = job->out.accepted;
		in->later_s = job->out.later_s;
		if (out->has_report)
			job->e->stats.reports++;
		else
			job->e->stats.statuses++;
	}
	if (!err)
		log_warn("dev=%s talk=%s error=steps", job->u.device.id, t->next->proto->name);
	return err;
}

/* What all steps together have changed; job->out keeps what adopting it needs. */
static void talk_total(struct job *job, bool *ret_attempt, bool *ret_events)
{
	const struct talk_job *t = job->talk;
	struct outcome sum = {0};

	*ret_attempt = *ret_events = false;
	for (unsigned i = 0; i < t->count; i++) {
		const struct outcome *out = &t->decided[i]->out;
		sum.new_boot |= out->new_boot;
		sum.device_changed |=
			out->device_changed || out->attempt_changed || out->has_closed;
		*ret_attempt |= out->attempt_changed;
		*ret_events |= out->event_count > 0;
	}
	job->out = sum;
}

/* Rows that tell of all steps; true in *ret_any if there is something to store. */
static int talk_rows(struct job *job, struct store_set *set, bool *ret_any)
{
	struct talk_job *t = job->talk;
	struct talk *next = t->next;
	const struct talk *old =
		job->dev->talk && job->dev->talk->proto == next->proto ? job->dev->talk : NULL;
	struct device *d = &job->u.device;
	bool attempt, events;
	int64_t at_ms = next->proto->timer_ms(next->state);

	talk_total(job, &attempt, &events);
	if (t->sum.changed && strcmp(d->protocol, next->proto->name) != 0) {
		job->speaks = next->proto->name;
		job->out.device_changed = true;
		store_set_protocol(set, d->id, job->speaks);
	}
	if (job->out.device_changed)
		store_set_device(set, d);
	if (attempt && job->u.has_attempt) {
		job->inserts = job->u.attempt.number == 0;
		store_set_attempt(set, &job->u.attempt);
	}
	if (at_ms && at_ms <= job->u.now_ms && t->event == TALK_TIMER)
		at_ms = job->u.now_ms + TIMER_LEAST_MS;
	t->differs = !old || memcmp(next->state, old->state, next->proto->size) != 0 ||
		     at_ms != next->at_ms;
	/* What it remembers of a device that does not speak it goes nowhere. */
	bool own = job->speaks || strcmp(d->protocol, next->proto->name) == 0;
	bool sooner = at_ms && (!next->at_ms || at_ms < next->at_ms);
	bool late = next->at_ms && next->at_ms <= job->u.now_ms;
	*ret_any = t->sum.changed || job->out.device_changed || events || (own && (sooner || late));
	if (!own) {
		talk_drop(job->dev);
		free(t->next);
		t->next = NULL;
		return 0;
	}
	return *ret_any && t->differs ? talk_put(set, d->id, next, at_ms) : 0;
}

/* A device that has come to speak something else has nothing to be asked. */
static bool talk_is_void(const struct job *job)
{
	return !job->talk->proto && !talk_of(&job->u.device);
}

/* A row that is left has a timer. */
static void talk_end(struct job *job)
{
	struct store_set *set = job->kind == JOB_TALK_TIMER ? store_set_new(job_done, job) : NULL;

	if (!set) {
		job_finish(job, 0);
		return;
	}
	job->speaks = "";
	store_set_protocol(set, job->u.device.id, job->speaks);
	store_set_talk(set, job->u.device.id, (struct bytes){0}, 0);
	store_set_device(set, &job->u.device);
	job->out.device_changed = true;
	store_submit(job->e->conf.store, set);
}

static void talk_failed(struct job *job, struct store_set *set, int err)
{
	store_set_free(set);
	engine_store_failed(job->e, job->u.device.id, err);
	job_finish(job, err);
}

void talk_run(struct job *job)
{
	struct talk_job *t = job->talk;
	struct store_set *set = NULL;
	struct talk_out *out = NULL;
	char options[TALK_OPTIONS];
	struct talk_in in;
	bool any = false;

	if (talk_is_void(job)) {
		talk_end(job);
		return;
	}
	int err = talk_copy(job->e, job->dev, t->proto, &t->next);
	if (!err) {
		set = store_set_new(job_done, job);
		out = malloc(sizeof(*out));
		err = set && out ? 0 : ERR_NOMEM;
	}
	if (!err && job->u.device.disabled_ms) { /* a timer's: nothing is asked of it */
		err = talk_put(set, job->u.device.id, t->next, job->u.now_ms + DISABLED_MS);
		any = true;
	} else if (!err) {
		talk_begin(job, &in, options);
		err = talk_steps(job, set, &in, out);
		if (!err)
			err = talk_rows(job, set, &any);
	}
	free(out);
	if (err) {
		talk_failed(job, set, err);
		return;
	}
	if (any) {
		store_submit(job->e->conf.store, set);
		return;
	}
	store_set_free(set);
	job_adopt(job, NULL);
	job_finish(job, 0);
}

void talk_adopt(struct job *job, bool stored)
{
	struct talk_job *t = job->talk;
	struct dev *d = job->dev;

	for (unsigned i = 0; i < t->count; i++)
		job_tell(job, &t->decided[i]->out, &t->decided[i]->attempt, t->decided[i]->before);
	if (t->sum.log[0])
		log_peer(job->e->last_tick.now_ms, "dev=%s talk=%s note=\"%s\"", job->u.device.id,
			 t->next ? t->next->proto->name : t->proto->name, t->sum.log);
	if (job->speaks && !job->speaks[0])
		talk_drop(d);
	if (!t->next)
		return;
	if (!stored && t->differs) {
		t->next->dirty = true;
		d->seen_dirty = true;
	}
	talk_drop(d);
	d->talk = t->next;
	t->next = NULL;
}
