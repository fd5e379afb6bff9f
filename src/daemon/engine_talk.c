/* SPDX-License-Identifier: Apache-2.0
 *
 * Devices that are asked: their agents (proto/talk.h) carried out. One job is a chain of steps of
 * an agent on a copy of what it remembers, with what core decides between them; all of it is one
 * write-set, and only after its commit the device is answered and asked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/engine_internal.h"

enum {
	TIMER_LEAST_MS = 1000, /* for an agent that asks for a time that has passed */
	DISABLED_MS = 3600000, /* until a disabled device's timer is looked at again */
};

/* What core decided in one step, for the log, the counters and the history. */
struct talk_decided {
	struct outcome out;
	struct attempt attempt;
	enum attempt_state before;
};

struct talk_job {
	enum talk_event event;
	const struct talk_proto *proto; /* NULL: the device's own */
	struct talk_request request;
	struct bytes path[LIMIT_COAP_PATH], query[8];
	struct talk_answer answer;
	/* the work */
	struct talk *next; /* what becomes the device's talk */
	bool differs;	   /* from what it was */
	unsigned count;
	struct talk_decided *decided[TALK_STEPS];
	struct talk_out sum; /* of all steps */
	uint8_t data[];	     /* what request and answer borrow */
};

bool job_is_talk(const struct job *job)
{
	return job->kind == JOB_TALK || job->kind == JOB_TALK_TIMER;
}

bool talk_job_rings(const struct job *job)
{
	return job->kind == JOB_TALK && job->talk->event == TALK_RING;
}

const struct talk_proto *talk_of(const struct device *d)
{
	return d->protocol[0] ? talk_proto_named(d->protocol) : NULL;
}

void talk_drop(struct dev *d)
{
	free(d->talk);
	d->talk = NULL;
}

void talk_forget(struct dev *d)
{
	if (d->talk && !d->talk->dirty && !d->u.has_attempt)
		talk_drop(d);
}

/* ---- what an agent remembers ---- */

static struct talk *talk_alloc(const struct talk_proto *proto)
{
	struct talk *t = calloc(1, sizeof(*t) + proto->size);

	if (t)
		t->proto = proto;
	return t;
}

/* Of a device that has one, as stored. One that cannot be read begins anew. */
static int talk_load(struct engine *e, const char *id, struct talk *t)
{
	uint8_t saved[TALK_SAVED];
	size_t len = 0;
	int err = store_talk(e->conf.store, id, saved, sizeof(saved), &len, &t->at_ms);

	if (err && err != ERR_NOENT && err != ERR_CORRUPT)
		return err;
	if (!err)
		err = t->proto->load(t->state, (struct bytes){saved, len});
	if (!err)
		return 0;
	log_warn("dev=%s talk=%s error=%s do=\"none: it begins anew\"", id, t->proto->name,
		 err_word(err));
	t->proto->init(t->state);
	return 0;
}

/* A copy to work on: the device's own, or a new one for a protocol it has not spoken yet. */
static int talk_copy(struct engine *e, struct dev *d, const struct talk_proto *proto,
		     struct talk **ret)
{
	int err = 0;

	if (!d->talk && talk_of(&d->u.device)) {
		d->talk = talk_alloc(talk_of(&d->u.device));
		err = d->talk ? talk_load(e, d->u.device.id, d->talk) : ERR_NOMEM;
		if (err) {
			talk_drop(d);
			return err;
		}
	}
	proto = proto ? proto : d->talk ? d->talk->proto : NULL;
	struct talk *t = proto ? talk_alloc(proto) : NULL;
	if (!t)
		return proto ? ERR_NOMEM : ERR_UNSUPPORTED;
	if (d->talk && d->talk->proto == proto)
		memcpy(t, d->talk, sizeof(*t) + proto->size);
	else
		proto->init(t->state);
	*ret = t;
	return 0;
}

static int talk_put(struct store_set *set, const char *id, struct talk *t, int64_t at_ms)
{
	uint8_t saved[TALK_SAVED];
	struct buf b = buf_writer(saved, sizeof(saved));
	int err = t->proto->save(t->state, &b);

	if (err || b.pos == 0) {
		log_err("dev=%s talk=%s error=%s", id, t->proto->name, err_word(err));
		return ERR_LIMIT;
	}
	store_set_talk(set, id, buf_bytes(&b), at_ms);
	t->at_ms = at_ms;
	t->dirty = false;
	return 0;
}

void talk_flush(struct store_set *set, struct dev *d)
{
	if (d->flight || !d->talk)
		return;
	if (d->talk->dirty)
		(void)talk_put(set, d->u.device.id, d->talk,
			       d->talk->proto->timer_ms(d->talk->state));
	if (!list_empty(&d->idle))
		talk_forget(d);
}

int engine_device_facts(struct engine *e, const char *id,
			void (*tell)(void *ctx, const char *name, const char *value), void *ctx)
{
	struct talk *t = NULL;
	struct dev *d;
	int err = dev_get(e, id, &d);

	if (err)
		return err;
	err = talk_of(&d->u.device) ? talk_copy(e, d, NULL, &t) : 0;
	if (t)
		t->proto->facts(t->state, clock_read().wall_ms, tell, ctx);
	free(t);
	dev_release(e, d);
	return err;
}

/* ---- jobs ---- */

void talk_job_free(struct talk_job *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < t->count; i++)
		free(t->decided[i]);
	free(t->next);
	free(t);
}

static struct job *talk_job_new(struct engine *e, struct dev *d, enum job_kind kind,
				enum talk_event event, size_t data)
{
	struct talk_job *t = calloc(1, sizeof(*t) + data);
	struct job *job = job_new(e, d, kind);

	if (!t || !job) {
		if (job)
			dev_release(e, d);
		free(job);
		free(t);
		return NULL;
	}
	t->event = event;
	job->talk = t;
	return job;
}

static struct bytes keep(uint8_t **to, struct bytes from)
{
	struct bytes kept = {*to, from.len};

	if (from.len)
		memcpy(*to, from.ptr, from.len);
	*to += from.len;
	return kept;
}

/* The session on which it talks; NULL: it has none. */
static struct session *session_of(const struct dev *d)
{
	LIST_EACH(it, next, &d->sessions)
	{
		struct session *s = LIST_ENTRY(it, struct session, link);
		if (s->talks)
			return s;
	}
	return NULL;
}

/* What its agent waits for may not be stored: it stays in memory until the answer comes. */
bool talk_is_asked(const struct dev *d)
{
	LIST_EACH(it, next, &d->sessions)
	{
		if (LIST_ENTRY(it, struct session, link)->asked)
			return true;
	}
	return false;
}

/* An answer that waits for its turn comes, too. */
static bool answer_waits(const struct dev *d)
{
	LIST_EACH(it, next, &d->queue)
	{
		const struct job *job = LIST_ENTRY(it, struct job, link);
		if (job->kind == JOB_TALK && job->talk->event == TALK_ANSWER)
			return true;
	}
	return false;
}

static void ask_end(struct engine *e, struct dev *d, struct session *s)
{
	if (s->asked)
		net_ask_cancel(e->net, s->peer);
	s->asked = 0;
	d->pushes = 0;
}

/* What was asked elsewhere is of no use any more. */
static void talks_here(struct engine *e, struct session *s)
{
	LIST_EACH(it, next, &s->dev->sessions)
	{
		struct session *other = LIST_ENTRY(it, struct session, link);
		if (other == s || !other->talks)
			continue;
		other->talks = false;
		ask_end(e, s->dev, other);
	}
	s->talks = true;
}

static void job_of_session(struct job *job, const struct session *s)
{
	job->peer = s->peer;
	job->session_ms = s->since_ms;
	job->link_facts = session_link(s);
}

void talk_request(struct engine *e, struct session *s, const struct net_request *q,
		  struct net_exchange x, const struct talk_proto *proto)
{
	size_t size = q->payload.len;
	struct job *job;

	for (unsigned i = 0; i < q->path_count; i++)
		size += q->path[i].len;
	for (unsigned i = 0; i < q->query_count; i++)
		size += q->query[i].len;
	engine_count_protocol(e, proto->name)->requests++;
	job = talk_job_new(e, s->dev, JOB_TALK, TALK_REQUEST, size);
	if (!job) {
		reply_text(e, x, NET_CODE(5, 3), err_text(ERR_NOMEM));
		return;
	}
	struct talk_job *t = job->talk;
	uint8_t *to = t->data;
	for (unsigned i = 0; i < q->path_count; i++)
		t->path[i] = keep(&to, q->path[i]);
	for (unsigned i = 0; i < q->query_count; i++)
		t->query[i] = keep(&to, q->query[i]);
	t->proto = proto;
	t->request = (struct talk_request){.method = q->method,
					   .path = t->path,
					   .query = t->query,
					   .path_count = q->path_count,
					   .query_count = q->query_count,
					   .content_format = q->content_format,
					   .accept = q->accept,
					   .payload = keep(&to, q->payload),
					   .duplicate = q->duplicate};
	job->exchange = x;
	job_of_session(job, s);
	talks_here(e, s);
	if (job_submit(job))
		reply_text(e, x, NET_CODE(5, 3), "too many requests of this device wait");
}

static void tell_answer(struct engine *e, struct dev *d, const struct session *s,
			const struct net_answer *a)
{
	struct job *job = talk_job_new(e, d, JOB_TALK, a->notified ? TALK_NOTIFIED : TALK_ANSWER,
				       a->payload.len);

	if (!job)
		return;
	uint8_t *to = job->talk->data;
	job->talk->answer = (struct talk_answer){.err = a->err,
						 .tag = a->tag,
						 .observed = a->observed,
						 .code = a->code,
						 .content_format = a->content_format,
						 .payload = keep(&to, a->payload)};
	if (s)
		job_of_session(job, s);
	if (job_submit(job)) /* the agent asks again, by its timer */
		log_debug("dev=%s answer=lost", d->u.device.id);
}

void engine_answered(void *ctx, struct net_peer *peer, const struct net_answer *answer)
{
	struct engine *e = ctx;
	struct session *s = net_peer_user(peer);

	if (!s)
		return;
	if (!answer->notified)
		s->asked = 0;
	if (session_wake(e, s) || s->dev->removed)
		return;
	if (!answer->notified)
		s->dev->pushes = 0;
	if (!answer->err)
		(void)engine_heard(e);
	tell_answer(e, s->dev, s, answer);
}

void talk_session_over(struct engine *e, struct dev *d, uint32_t tag)
{
	const struct net_answer lost = {.err = ERR_CLOSED, .tag = tag, .content_format = -1};

	dev_hold(e, d);
	d->pushes = 0;
	tell_answer(e, d, NULL, &lost);
}

static struct job *inner_job(struct engine *e, struct dev *d, enum job_kind kind,
			     enum talk_event event)
{
	struct job *job = talk_job_new(e, d, kind, event, 0);
	const struct session *s = session_of(d);

	if (job && s)
		job_of_session(job, s);
	return job;
}

struct job *talk_ring_job(struct engine *e, struct dev *d)
{
	return inner_job(e, d, JOB_TALK, TALK_RING);
}

struct job *talk_timer_job(struct engine *e, struct dev *d)
{
	return inner_job(e, d, JOB_TALK_TIMER, TALK_TIMER);
}

bool talk_ring_owed(struct engine *e, struct dev *d)
{
	if (!d->ring_talk || d->removed)
		return false;
	d->ring_talk = false;
	if (!talk_of(&d->u.device) || !session_of(d))
		return false; /* it hears of it with its next report */
	dev_hold(e, d);
	struct job *job = talk_ring_job(e, d);
	if (job && job_submit(job))
		return false;
	return true;
}

void talk_ring(struct engine *e, struct dev *d)
{
	d->ring_talk = talk_of(&d->u.device) != NULL;
	if (!d->flight)
		(void)talk_ring_owed(e, d);
}

/* ---- the steps ---- */

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
		if (!a->charged || memcmp(a->sha256, u->attempt.sha256, DIGEST_SHA256) != 0)
			continue;
		u->attempt_history.failures++;
		u->attempt_history.reverts +=
			a->verdict == VERDICT_REVERTED || a->verdict == VERDICT_ROLLED_BACK ||
			(a->verdict == VERDICT_DEVICE_FAILED && a->rung_ms[RUNG_APPLYING]);
	}
	return 0;
}

enum core_call { CALL_HEARD, CALL_REPORT, CALL_STATUS, CALL_GONE };

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
	case CALL_REPORT:
		update_report(u, &step->report, &v->out);
		break;
	case CALL_STATUS:
		update_status(u, &step->status, &v->out);
		break;
	case CALL_GONE:
		update_gone(u, &v->out);
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
	const struct session *s = session_of(job->dev);

	*in = (struct talk_in){
		.event = t->event,
		.now_ms = job->u.now_ms,
		.device = job->u.device.id,
		.options =
			talk_options_of(t->next->proto, job->u.product->protocol_options, options),
		.secure = s && net_peer_secure(s->peer),
		.request = t->event == TALK_REQUEST ? &t->request : NULL,
		.answer = t->event == TALK_ANSWER || t->event == TALK_NOTIFIED ? &t->answer : NULL,
		.asking = (s && s->asked) || answer_waits(job->dev)};
	if (s)
		(void)net_peer_local(s->peer, in->local);
}

static void talk_now(const struct job *job, struct talk_in *in)
{
	const struct update *u = &job->u;

	in->random = engine_random();
	in->attempt = u->has_attempt ? u->attempt.id : 0;
	in->attempt_applying = u->has_attempt && u->attempt.state >= ATTEMPT_APPLYING;
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
			err = decide(job, set, CALL_HEARD, out);
		if (!err && out->gone)
			err = decide(job, set, CALL_GONE, out);
		if (err || (!out->has_report && !out->has_status))
			return err;
		err = decide(job, set, out->has_report ? CALL_REPORT : CALL_STATUS, out);
		in->event = out->has_report ? TALK_DIRECTIVE : TALK_ACCEPTED;
		in->directive = &job->out.directive;
		in->accepted = job->out.accepted;
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
		log_info("dev=%s talk=%s note=\"%s\"", job->u.device.id,
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

/* ---- and then it is said ---- */

static void send_reply(struct engine *e, struct net_exchange x, const struct talk_reply *r)
{
	struct net_reply reply = NET_REPLY(r->code);

	reply.content_format = r->content_format;
	for (unsigned i = 0; i < 2; i++)
		reply.location[i] = r->location[i][0] ? r->location[i] : NULL;
	reply.payload = (struct bytes){r->payload, r->payload_len};
	net_reply(e->net, x, &reply);
}

static int send_ask(struct engine *e, struct dev *d, struct session *s, const struct talk_ask *ask)
{
	const struct net_ask request = {.method = ask->method,
					.path = ask->path,
					.query = ask->query[0] ? ask->query : NULL,
					.content_format = ask->content_format,
					.accept = ask->accept,
					.observe = ask->observe,
					.tag = ask->tag,
					.block_szx = ask->block_szx,
					.payload = {ask->payload, ask->payload_len},
					.body_size = ask->image ? d->u.attempt.size_bytes : 0};

	if (!s)
		return ERR_NOENT;
	if (ask->image && !d->u.has_attempt)
		return ERR_IO;
	if (ask->image)
		d->pushes = d->u.attempt.id;
	int err = net_ask(e->net, s->peer, &request);
	if (err) {
		d->pushes = 0;
	} else {
		s->asked = ask->tag;
		engine_count_protocol(e, d->u.device.protocol)->asks++;
	}
	return err;
}

/* The job is still in flight: what follows from it waits its turn. */
void talk_answer(struct job *job, int err)
{
	const struct talk_job *t = job->talk;
	struct engine *e = job->e;
	struct dev *d = job->dev;
	bool owes = t->event == TALK_REQUEST;

	if (owes && err)
		reply_text(e, job->exchange, err == ERR_NOENT ? NET_CODE(4, 3) : NET_CODE(5, 3),
			   err == ERR_NOENT ? "no such device" : engine_shed_text(err));
	else if (owes && t->sum.has_reply)
		send_reply(e, job->exchange, &t->sum.reply);
	else if (owes)
		reply_text(e, job->exchange, NET_CODE(5, 0), "no answer");
	if (err)
		return;
	struct session *s = session_of(d);
	if (s && (t->sum.cancels || t->sum.has_ask))
		ask_end(e, d, s);
	err = t->sum.has_ask ? send_ask(e, d, s, &t->sum.ask) : 0;
	if (!err || (t->event == TALK_ANSWER && t->answer.err))
		return; /* it has been told once */
	const struct net_answer lost = {.err = err, .tag = t->sum.ask.tag, .content_format = -1};
	tell_answer(e, d, NULL, &lost);
}

/* ---- images that we send ---- */

static struct dev *pushed_to(struct engine *e, struct net_peer *peer)
{
	struct session *s = net_peer_user(peer);

	if (!s || session_wake(e, s) || s->dev->removed || !s->dev->u.has_attempt ||
	    s->dev->u.attempt.id != s->dev->pushes)
		return NULL; /* its attempt is over: so is its image */
	return s->dev;
}

int engine_ask_body(void *ctx, struct net_peer *peer, uint32_t tag, int64_t offset, uint8_t *dst,
		    size_t len)
{
	struct engine *e = ctx;
	struct dev *d = pushed_to(e, peer);
	const struct attempt *a = d ? &d->u.attempt : NULL;

	(void)tag;
	if (!d || offset < 0 || offset > a->size_bytes || (int64_t)len > a->size_bytes - offset)
		return ERR_IO;
	if (block_overserved(e, d))
		return ERR_DENIED;
	if (!pace_push(e, d, (int64_t)len))
		return ERR_BUSY;
	int err = images_read(e->conf.images, a->sha256, offset, dst, len);
	if (err)
		log_peer(e->last_tick.now_ms, "dev=%s attempt=%llu image=unreadable error=%s",
			 d->u.device.id, (unsigned long long)a->id, err_word(err));
	return err ? ERR_IO : 0;
}

void engine_ask_sent(void *ctx, struct net_peer *peer, uint32_t tag, int64_t offset, size_t len)
{
	struct engine *e = ctx;
	struct dev *d = pushed_to(e, peer);

	(void)tag;
	if (d)
		count_block(e, d, offset, (int64_t)len, engine_heard(e).wall_ms);
}

bool engine_long_body(void *ctx, struct net_peer *peer, uint8_t method, const struct bytes *path,
		      unsigned path_count)
{
	(void)ctx;
	(void)peer;
	return talk_proto_of(method, path, path_count) != NULL;
}
