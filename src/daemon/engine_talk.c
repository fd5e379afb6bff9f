/* SPDX-License-Identifier: Apache-2.0
 *
 * Devices that are asked (proto/talk.h): what comes of them and to them becomes jobs of their
 * agents, and only after a job's commit the device is answered and asked.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/engine_talk.h"

bool job_is_talk(const struct job *job)
{
	return job->kind == JOB_TALK || job->kind == JOB_TALK_TIMER;
}

bool talk_job_rings(const struct job *job)
{
	return job->kind == JOB_TALK && job->talk->event == TALK_RING;
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

struct session *talk_session(const struct dev *d)
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

bool talk_answer_waits(const struct dev *d)
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
	const struct session *s = talk_session(d);

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
	if (!talk_of(&d->u.device) || !talk_session(d))
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
	struct session *s = talk_session(d);
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
