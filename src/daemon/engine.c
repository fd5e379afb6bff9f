/* SPDX-License-Identifier: Apache-2.0
 *
 * The device cache and the way of a job: copy, decide, store, and only then speak.
 */
#include "daemon/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "daemon/engine_internal.h"
#include "daemon/view.h"

uint64_t engine_random(void)
{
	uint64_t bits = 0;

	/* Up to 256 bytes never come short once the pool is ready; before that it waits. */
	while (getrandom(&bits, sizeof(bits), 0) != (ssize_t)sizeof(bits) && errno == EINTR)
		;
	return bits;
}

/* ---- cache ---- */

static struct list *dev_bucket(struct engine *e, const char *id)
{
	uint64_t h = e->secret[0];

	for (; *id; id++) {
		h = (h ^ (uint8_t)*id) * 0x100000001b3u;
		h ^= h >> 29;
	}
	return &e->buckets[(h ^ e->secret[1]) % ENGINE_BUCKETS];
}

struct dev *dev_find(struct engine *e, const char *id)
{
	struct list *bucket = dev_bucket(e, id);

	LIST_EACH(it, next, bucket)
	{
		struct dev *d = LIST_ENTRY(it, struct dev, link);
		if (strcmp(d->u.device.id, id) == 0)
			return d;
	}
	return NULL;
}

void dev_reset_served(struct dev *d)
{
	const struct attempt *a = &d->u.attempt;

	free(d->served.units);
	d->served = (struct served){0};
	if (d->u.has_attempt) {
		d->served.bytes = a->served_bytes;
		d->served.high = a->served_high;
		d->served.repeats = a->served_repeats;
	}
}

static void dev_free(struct engine *e, struct dev *d)
{
	list_remove(&d->link);
	list_remove(&d->idle);
	free(d->served.units);
	free(d);
	e->dev_count--;
}

static void seen_done(void *ctx, const struct store_result *result)
{
	(void)ctx;
	if (result->err)
		log_warn("store error=%s what=last-seen", err_word(result->err));
}

static void dev_flush_seen(struct engine *e, struct dev *d)
{
	struct store_set *set;

	if (!d->seen_dirty || d->removed)
		return;
	set = store_set_new(seen_done, NULL);
	if (!set)
		return;
	d->seen_dirty = false;
	store_set_seen(set, d->u.device.id, d->u.device.seen_ms, d->u.device.offline_at_ms);
	store_submit(e->conf.store, set);
}

void dev_release(struct engine *e, struct dev *d)
{
	if (d->flight || d->queued || !list_empty(&d->sessions))
		return;
	if (d->removed) {
		dev_free(e, d);
		return;
	}
	if (list_empty(&d->idle)) {
		list_append(&e->idle, &d->idle);
		e->idle_count++;
	}
	while (e->idle_count > ENGINE_IDLE_DEVICES) {
		struct dev *oldest = LIST_ENTRY(e->idle.next, struct dev, idle);
		dev_flush_seen(e, oldest);
		e->idle_count--;
		dev_free(e, oldest);
	}
}

static void dev_hold(struct engine *e, struct dev *d)
{
	if (!list_empty(&d->idle)) {
		list_remove(&d->idle);
		e->idle_count--;
	}
}

static int dev_load(struct engine *e, const char *id, struct update *u)
{
	int err = store_device(e->conf.store, id, &u->device);

	if (err)
		return err;
	u->has_attempt = false;
	if (u->device.attempt == 0)
		return 0;
	err = store_attempt(e->conf.store, u->device.attempt, &u->attempt);
	u->has_attempt = err == 0;
	return err;
}

int dev_get(struct engine *e, const char *id, struct dev **ret_dev)
{
	struct dev *d = dev_find(e, id);

	if (d && d->removed)
		return ERR_NOENT;
	if (!d) {
		d = calloc(1, sizeof(*d));
		if (!d)
			return ERR_NOMEM;
		int err = dev_load(e, id, &d->u);
		if (err) {
			free(d);
			return err;
		}
		list_init(&d->idle);
		list_init(&d->sessions);
		list_init(&d->queue);
		list_append(dev_bucket(e, id), &d->link);
		e->dev_count++;
		dev_reset_served(d);
	}
	dev_hold(e, d);
	*ret_dev = d;
	return 0;
}

int dev_context(struct engine *e, struct dev *d, struct update *u)
{
	enum target_why why;
	int err;

	u->product = catalog_product(e, u->device.product);
	if (!u->product)
		return ERR_CORRUPT;
	u->target = catalog_release(e, plan_target(&u->device, u->product, &why));
	u->release = u->has_attempt ? catalog_release(e, u->attempt.release) : NULL;
	if (u->has_attempt && !u->release)
		return ERR_CORRUPT;
	u->target_history = u->attempt_history = (struct history){0};
	if (u->target && u->device.last_attempt) {
		err = store_history(e->conf.store, u->device.id, u->target->sha256,
				    u->device.fail_mark, &u->target_history);
		if (err)
			return err;
	}
	if (u->has_attempt && u->target == u->release) {
		u->attempt_history = u->target_history;
	} else if (u->has_attempt && u->device.last_attempt) {
		err = store_history(e->conf.store, u->device.id, u->release->sha256,
				    u->device.fail_mark, &u->attempt_history);
		if (err)
			return err;
	}
	if (u->has_attempt) {
		u->attempt.served_bytes = d->served.bytes;
		u->attempt.served_high = d->served.high;
		u->attempt.served_repeats = d->served.repeats;
	}
	return 0;
}

void dev_ring(struct engine *e, struct dev *d)
{
	uint8_t payload[64];

	d->desired++;
	LIST_EACH(it, next, &d->sessions)
	{
		struct session *s = LIST_ENTRY(it, struct session, link);
		struct buf out = buf_writer(payload, sizeof(payload));
		struct net_reply reply = NET_REPLY(NET_CODE(2, 5));
		if (native_desired_encode(s->desired_format, d->desired, &out))
			continue;
		reply.content_format = native_content_format(s->desired_format);
		reply.payload = buf_bytes(&out);
		(void)net_notify(e->net, s->peer, DESIRED_TAG, &reply);
	}
}

/* ---- jobs ---- */

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
		update_report(u, &job->in.report, &job->out);
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
		else
			update_operator(u, job->in.op.act, job->in.op.arg, &job->out);
		break;
	}
}

static bool job_deletes(const struct job *job)
{
	return job->kind == JOB_OPERATOR && job->in.op.act == OPERATOR_REMOVE;
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
	const struct release *left = out->events[i].kind == EVENT_DEVICE_DRIFT
					     ? catalog_release(job->e, job->u.device.settled)
					     : NULL;
	if (payload && left)
		(void)json_object_set_new(payload, "expected", json_string(left->version));
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

static void job_done(void *ctx, const struct store_result *result);

/* Everything the cause has changed, in one write-set. */
static int job_store(struct job *job)
{
	struct outcome *out = &job->out;
	struct store_set *set = store_set_new(job_done, job);
	int err = set ? 0 : ERR_NOMEM;

	if (err)
		return err;
	if (out->has_closed) {
		store_set_attempt(set, &out->closed);
		store_set_diagnoses(set, out->closed.id, &out->diagnoses);
	}
	if (job_deletes(job))
		store_set_device_delete(set, job->u.device.id, job->u.device.rev);
	else if (out->device_changed || out->attempt_changed || out->has_closed)
		store_set_device(set, &job->u.device);
	if (out->attempt_changed && job->u.has_attempt) {
		job->inserts = job->u.attempt.number == 0;
		store_set_attempt(set, &job->u.attempt);
	}
	for (unsigned i = 0; i < out->event_count && !err; i++)
		err = job_put_event(job, set, i);
	if (err) {
		store_set_free(set);
		return err;
	}
	store_submit(job->e->conf.store, set);
	return 0;
}

static void job_log(const struct job *job)
{
	const struct outcome *out = &job->out;
	const struct update *u = &job->u;
	char line[256];
	struct buf b = buf_writer(line, sizeof(line));

	if (!out->stepped)
		return;
	const struct attempt *a = out->has_closed ? &out->closed : &u->attempt;
	enum attempt_state before =
		job->dev->u.has_attempt ? job->dev->u.attempt.state : ATTEMPT_OFFERED;
	if (!out->cause_known) {
		log_debug("dev=%s attempt=%llu state=%s cause=%s edge=none", u->device.id,
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
	log_info("dev=%s attempt=%llu state=%s->%s cause=%s%s", u->device.id,
		 (unsigned long long)a->id, attempt_state_name(before),
		 attempt_state_name(a->state), cause_name(out->cause), buf_cstr(&b));
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

/* The job's copy becomes the truth. */
static void job_adopt(struct job *job, const struct store_result *result)
{
	struct dev *d = job->dev;
	int64_t last_report_ms = d->u.device.report_ms;
	bool rebooted = job->out.new_boot && d->u.device.has_report;
	uint64_t before = d->u.has_attempt ? d->u.attempt.id : 0;

	job_log(job);
	if (result)
		job->u.device.rev++;
	if (job->inserts && result && result->id_count)
		job->u.attempt.number = (uint64_t)result->ids[result->id_count - 1];
	if (!result) /* only what may be lost has changed: keep both sides' newest */
		d->seen_dirty = true;
	d->u = job->u;
	if ((d->u.has_attempt ? d->u.attempt.id : 0) != before)
		dev_reset_served(d);
	else if (d->u.has_attempt && d->served.high > d->u.attempt.served_high)
		d->u.attempt.served_high = d->served.high;
	if (rebooted)
		job_end_stale_sessions(job, last_report_ms);
	if (job_deletes(job))
		d->removed = true;
}

static void job_run(struct job *job);

static void job_finish(struct job *job, int err)
{
	struct engine *e = job->e;
	struct dev *d = job->dev;

	d->flight = NULL;
	if (job->kind == JOB_BLOCK)
		d->block_waits = false;
	if (job->kind == JOB_OPERATOR)
		job_answer_operator(job, err);
	else
		job_answer(job, err);
	if (d->removed) {
		LIST_EACH(it, next, &d->sessions)
		{
			net_peer_close(e->net, LIST_ENTRY(it, struct session, link)->peer);
		}
	}
	free(job);
	if (d->flight)
		return; /* an answer's callback has started the next one */
	if (!list_empty(&d->queue)) {
		struct job *next = LIST_ENTRY(d->queue.next, struct job, link);
		list_remove(&next->link);
		d->queued--;
		job_run(next);
		return;
	}
	dev_release(e, d);
}

static void job_done(void *ctx, const struct store_result *result)
{
	struct job *job = ctx;
	struct engine *e = job->e;

	if (result->err) {
		log_err("dev=%s store error=%s: %s", job->dev->u.device.id, err_word(result->err),
			store_error(e->conf.store));
		e->store_retry_ms = clock_read().now_ms + 1000;
		if (result->err == ERR_CONFLICT || result->err == ERR_EXIST) {
			/* The cache and the store differ: the store is right. */
			struct update fresh = job->dev->u;
			if (dev_load(e, job->dev->u.device.id, &fresh) == 0)
				job->dev->u = fresh;
		}
		job_finish(job, result->err);
		return;
	}
	job_adopt(job, result);
	if (result->event_count && e->on_events)
		e->on_events(e->on_events_ctx, result->first_event + result->event_count - 1);
	job_finish(job, 0);
}

static void job_run(struct job *job)
{
	struct dev *d = job->dev;
	struct engine *e = job->e;
	int err = d->removed ? ERR_NOENT : 0;

	d->flight = job;
	job->u = d->u;
	if (job->kind == JOB_OPERATOR && job->in.op.act == OPERATOR_LOCK)
		job->u.device.lock = job->in.op.arg; /* the target that core is to judge by */
	if (!err)
		err = dev_context(e, d, &job->u);
	job->u.now_ms = clock_read().wall_ms;
	job->u.random = engine_random();
	job->u.session_ms = job->session_ms;
	job->u.link = job->link_facts;
	if (err) {
		job_finish(job, err);
		return;
	}
	job_decide(job);
	if (job->out.stepped && !job->out.cause_known)
		e->stats.causes_absent++;
	if (job->out.err) {
		job_finish(job, job->out.err);
		return;
	}
	if (!job->out.device_changed && !job->out.attempt_changed && !job->out.has_closed &&
	    !job->out.event_count && !job_deletes(job)) {
		job_adopt(job, NULL);
		job_finish(job, 0);
		return;
	}
	err = job_store(job);
	if (err)
		job_finish(job, err);
}

int job_submit(struct job *job)
{
	struct dev *d = job->dev;

	if (!d->flight) {
		job_run(job);
		return 0;
	}
	if (d->queued == LIMIT_DEVICE_QUEUE) {
		job->e->stats.shed++;
		free(job);
		return ERR_BUSY;
	}
	list_append(&d->queue, &job->link);
	d->queued++;
	return 0;
}

/* ---- life ---- */

int engine_new(const struct engine_conf *conf, struct engine **ret_engine)
{
	struct engine *e = calloc(1, sizeof(*e));

	if (!e)
		return ERR_NOMEM;
	e->conf = *conf;
	e->secret[0] = engine_random();
	e->secret[1] = engine_random();
	for (size_t i = 0; i < ENGINE_BUCKETS; i++)
		list_init(&e->buckets[i]);
	list_init(&e->idle);
	list_init(&e->sweeps);
	int err = catalog_load(e);
	if (err) {
		catalog_free(e);
		free(e);
		return err;
	}
	*ret_engine = e;
	return 0;
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	sweeps_free(e);
	for (size_t i = 0; i < ENGINE_BUCKETS; i++) {
		LIST_EACH(it, next, &e->buckets[i])
		{
			dev_free(e, LIST_ENTRY(it, struct dev, link));
		}
	}
	catalog_free(e);
	free(e);
}

void engine_set_net(struct engine *e, struct net *net)
{
	e->net = net;
}

const char *engine_well_known(void)
{
	return NATIVE_WELL_KNOWN;
}

/* The doorbell is rung on sessions; net knows which of them listen. */
static void engine_observe_end(void *ctx, struct net_peer *peer, uint32_t tag)
{
	(void)ctx;
	(void)peer;
	(void)tag;
}

const struct net_callbacks *engine_net_callbacks(void)
{
	static const struct net_callbacks callbacks = {
		.psk = engine_psk,
		.peer_up = engine_peer_up,
		.peer_gone = engine_peer_gone,
		.request = engine_request,
		.observe_end = engine_observe_end,
	};

	return &callbacks;
}

int engine_start(struct engine *e)
{
	return timer_start(e);
}

void engine_stop(struct engine *e, void (*stopped)(void *ctx), void *ctx)
{
	e->stopped = stopped;
	e->stopped_ctx = ctx;
	for (size_t i = 0; i < ENGINE_BUCKETS; i++) {
		LIST_EACH(it, next, &e->buckets[i])
		{
			dev_flush_seen(e, LIST_ENTRY(it, struct dev, link));
		}
	}
	timer_stop(e);
}

void engine_on_events(struct engine *e, void (*fn)(void *ctx, uint64_t head), void *ctx)
{
	e->on_events = fn;
	e->on_events_ctx = ctx;
}

static void device_address(const struct dev *d, struct engine_device *v)
{
	v->address[0] = 0;
	v->sessions = 0;
	LIST_EACH(it, next, &d->sessions)
	{
		/* the last of the list is the newest */
		(void)net_peer_address(LIST_ENTRY(it, struct session, link)->peer, v->address);
		v->sessions++;
	}
}

int engine_device(struct engine *e, const char *id, struct engine_device *ret)
{
	struct dev *d;
	int err = dev_get(e, id, &d);

	if (err)
		return err;
	struct update u = d->u;
	err = dev_context(e, d, &u);
	if (!err) {
		struct engine_device *v = ret;
		u.now_ms = clock_read().wall_ms;
		v->device = u.device;
		v->product = *u.product;
		(void)plan_target(&u.device, u.product, &v->why);
		v->has_target = u.target != NULL;
		if (u.target)
			v->target = *u.target;
		v->has_attempt = u.has_attempt;
		v->diagnoses = (struct diagnoses){0};
		if (u.has_attempt) {
			v->attempt = u.attempt;
			v->release = *u.release;
			diagnose(&u.attempt, &u.device, &u.product->policy, &u.attempt_history,
				 &u.link, u.now_ms, &v->diagnoses);
		}
		v->plan = plan_device(&u.device, u.product, u.target,
				      u.has_attempt ? &u.attempt : NULL, u.now_ms);
		device_address(d, v);
	}
	dev_release(e, d);
	return err;
}

void engine_stats(const struct engine *e, struct engine_stats *ret_stats)
{
	*ret_stats = e->stats;
	ret_stats->cached_devices = e->dev_count;
	ret_stats->sessions = e->session_count;
}
