/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests of devices: routed by proto/native, decided as jobs, answered after their commit.
 * Image blocks are answered at once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/engine_internal.h"

enum {
	CF_OCTETS = 42,
	DESIRED_MAX_AGE_S = 300, /* while the device's interval is unknown */
	UNIT_BYTES = 1024,
};

/* ---- answers ---- */

void reply_text(struct engine *e, struct net_exchange x, uint8_t code, const char *text)
{
	struct net_reply reply = NET_REPLY(code);

	reply.payload = (struct bytes){(const uint8_t *)text, strlen(text)};
	if (code == NET_CODE(5, 3))
		reply.max_age_s = engine_shed_age_s(e);
	net_reply(e->net, x, &reply);
}

static void reply_fault(struct engine *e, struct net_exchange x, const struct native_fault *fault)
{
	reply_text(e, x, fault->code, fault->text);
}

/* RFC 7252 5.9.2.9: with what would fit. */
static void reply_too_large(struct engine *e, struct net_exchange x, enum wire_format format,
			    const struct native_fault *fault)
{
	struct net_reply reply = NET_REPLY(fault->code);

	reply.size1 = format == WIRE_JSON ? LIMIT_NATIVE_JSON : LIMIT_NATIVE_MESSAGE;
	reply.payload = (struct bytes){(const uint8_t *)fault->text, strlen(fault->text)};
	net_reply(e->net, x, &reply);
}

static void reply_directive(struct job *job)
{
	uint8_t payload[LIMIT_NATIVE_JSON];
	struct buf out = buf_writer(payload, sizeof(payload));
	struct net_reply reply = NET_REPLY(NET_CODE(2, 4));

	if (native_directive_encode(job->format, &job->out.directive, &out)) {
		reply_text(job->e, job->exchange, NET_CODE(5, 0), "directive too long");
		return;
	}
	reply.content_format = native_content_format(job->format);
	reply.payload = buf_bytes(&out);
	net_reply(job->e->net, job->exchange, &reply);
}

static void reply_later(struct engine *e, struct net_exchange x, int64_t later_s)
{
	static const char text[] = "not now: keep the image, and ask again";
	struct net_reply reply = NET_REPLY(NET_CODE(5, 3));

	reply.payload = (struct bytes){(const uint8_t *)text, sizeof(text) - 1};
	reply.max_age_s = later_s;
	net_reply(e->net, x, &reply);
}

void job_answer(struct job *job, int err)
{
	struct engine *e = job->e;

	if (job->kind != JOB_REPORT && job->kind != JOB_STATUS)
		return;
	if (err == ERR_NOENT)
		reply_text(e, job->exchange, NET_CODE(4, 3), "no such device");
	else if (err)
		reply_text(e, job->exchange, NET_CODE(5, 3), engine_shed_text(err));
	else if (job->kind == JOB_REPORT)
		reply_directive(job);
	else if (job->out.accepted)
		net_reply(e->net, job->exchange, &NET_REPLY(NET_CODE(2, 4)));
	else if (job->out.later_s)
		reply_later(e, job->exchange, job->out.later_s);
	else
		reply_text(e, job->exchange, NET_CODE(4, 9),
			   "not open for this device: drop image and directive, then report");
}

/* ---- sessions ---- */

/* A live session costs some 40 KiB, and a handshake is all it takes: one key must not be enough to
 * fill the server or to push out everybody else. */
static void close_surplus(struct engine *e, struct dev *d)
{
	unsigned count = 0;

	LIST_EACH(it, next, &d->sessions)
	count++;
	LIST_EACH(it, next, &d->sessions)
	{
		if (count-- <= LIMIT_DEVICE_SESSIONS)
			return;
		net_peer_close(e->net, LIST_ENTRY(it, struct session, link)->peer);
	}
}

bool engine_peer_up(void *ctx, struct net_peer *peer, struct bytes identity)
{
	struct engine *e = ctx;
	char id[LIMIT_DEVICE_ID + 1];
	char address[64];
	struct dev *d;

	if (identity.len == 0 || identity.len > LIMIT_DEVICE_ID)
		return false;
	memcpy(id, identity.ptr, identity.len);
	id[identity.len] = 0;
	int err = dev_get(e, id, &d);
	if (err == ERR_NOENT && net_peer_certified(peer))
		net_peer_refuse(peer, NET_REFUSED_UNKNOWN_DEVICE);
	if (err)
		return false;
	if (!session_begin(e, d, peer)) {
		dev_release(e, d);
		return false;
	}
	if (!engine_proved(e, d, net_peer_user(peer))) {
		session_end(e, net_peer_user(peer));
		return false;
	}
	close_surplus(e, d);
	log_debug("dev=%s session=up address=%s", id, net_peer_address(peer, address));
	return true;
}

void engine_peer_gone(void *ctx, struct net_peer *peer, enum net_gone why)
{
	struct engine *e = ctx;
	struct session *s = net_peer_user(peer);

	if (!s)
		return;
	if (s->dev)
		log_debug("dev=%s session=gone why=%d", s->dev->u.device.id, (int)why);
	session_end(e, s);
}

static bool plain_may_come(const struct dev *d)
{
	return d->u.device.plain && !d->u.device.disabled_ms && !d->removed;
}

static void reply_nobody(struct engine *e, const struct net_request *q, struct net_exchange x,
			 const struct talk_proto *proto)
{
	uint8_t code =
		proto && proto->nobody ? proto->nobody(q->method, q->path, q->path_count) : 0;

	if (code)
		reply_text(e, x, code, "not known here any more");
	else
		reply_text(e, x, NET_CODE(4, 0), "plain coap needs ?ep=ID");
}

/* ?ep=ID on plain coap, for devices that were added with --plain. `proto`: for its agent, to whom
 * it may have been told before; NULL: native. */
static struct session *session_plain(struct engine *e, struct net_peer *peer,
				     const struct net_request *q, struct net_exchange x,
				     const struct talk_proto *proto)
{
	struct session *s = net_peer_user(peer);
	struct bytes ep = {0};
	char id[LIMIT_DEVICE_ID + 1];
	struct dev *d;

	for (unsigned i = 0; i < q->query_count; i++)
		if (q->query[i].len > 3 && memcmp(q->query[i].ptr, "ep=", 3) == 0)
			ep = (struct bytes){q->query[i].ptr + 3, q->query[i].len - 3};
	if (ep.len == 0 && s && s->talks && proto && plain_may_come(s->dev))
		return s;
	if (ep.len == 0) {
		reply_nobody(e, q, x, proto);
		return NULL;
	}
	if (ep.len > LIMIT_DEVICE_ID || memchr(ep.ptr, 0, ep.len)) {
		reply_text(e, x, NET_CODE(4, 0), "plain coap needs ?ep=ID");
		return NULL;
	}
	memcpy(id, ep.ptr, ep.len);
	id[ep.len] = 0;
	if (s && strcmp(s->dev->u.device.id, id) == 0 && plain_may_come(s->dev))
		return s;
	int err = dev_get(e, id, &d);
	if (err) {
		reply_text(e, x, err == ERR_NOENT ? NET_CODE(4, 3) : NET_CODE(5, 3),
			   err == ERR_NOENT ? "no such plain device" : engine_shed_text(err));
		return NULL;
	}
	if (!plain_may_come(d)) {
		dev_release(e, d);
		reply_text(e, x, NET_CODE(4, 3), "no such plain device");
		return NULL;
	}
	if (s && s->asked) /* of the device that it was */
		net_ask_cancel(e->net, peer);
	if (s)
		session_end(e, s);
	s = session_begin(e, d, peer);
	if (!s) {
		dev_release(e, d);
		reply_text(e, x, NET_CODE(5, 3), err_text(ERR_NOMEM));
	}
	return s;
}

/* ---- reports and statuses ---- */

static void handle_message(struct engine *e, struct session *s, const struct net_request *q,
			   struct net_exchange x, enum job_kind kind)
{
	struct native_fault fault;
	enum wire_format in, out;
	struct job *job;

	if (native_request_format(q->content_format, e->conf.device_json, &in, &fault) ||
	    native_accept_format(q->accept, in, e->conf.device_json, &out, &fault)) {
		reply_fault(e, x, &fault);
		return;
	}
	job = job_new(e, s->dev, kind);
	if (!job) {
		reply_text(e, x, NET_CODE(5, 3), err_text(ERR_NOMEM));
		return;
	}
	int err = kind == JOB_REPORT
			  ? native_report_decode(in, q->payload, &job->in.report, &fault)
			  : native_status_decode(in, q->payload, &job->in.status, &fault);
	if (err) {
		free(job);
		if (err == ERR_LIMIT && fault.code == NET_CODE(4, 13))
			reply_too_large(e, x, in, &fault);
		else
			reply_fault(e, x, &fault);
		log_peer(e->last_tick.now_ms, "dev=%s refused=%s why=\"%s\"", s->dev->u.device.id,
			 kind == JOB_REPORT ? "report" : "status", fault.text);
		return;
	}
	job->exchange = x;
	job->format = out;
	job->peer = s->peer;
	job->session_ms = s->since_ms;
	job->link_facts = session_link(s);
	if (kind == JOB_REPORT)
		e->stats.reports++;
	else
		e->stats.statuses++;
	engine_count_protocol(e, NATIVE_NAME)->requests++;
	if (job_submit(job))
		reply_text(e, x, NET_CODE(5, 3), "too many requests of this device wait");
}

/* ---- the doorbell ---- */

/* The check-in interval: ours, where the product says one, else the device's own. */
static int64_t desired_max_age_s(struct engine *e, const struct device *d)
{
	const struct product *p = catalog_product(e, d->product);
	int64_t interval_s =
		p && p->policy.check_in_s ? p->policy.check_in_s : device_interval_s(d);

	return interval_s ? interval_s : DESIRED_MAX_AGE_S;
}

static void handle_desired(struct engine *e, struct session *s, const struct net_request *q,
			   struct net_exchange x)
{
	struct native_fault fault;
	enum wire_format format;
	uint8_t payload[64];
	struct buf out = buf_writer(payload, sizeof(payload));
	struct net_reply reply = NET_REPLY(NET_CODE(2, 5));

	if (native_accept_format(q->accept, WIRE_CBOR, e->conf.device_json, &format, &fault)) {
		reply_fault(e, x, &fault);
		return;
	}
	reply.max_age_s = desired_max_age_s(e, &s->dev->u.device);
	reply.content_format = native_content_format(format);
	if (native_desired_encode(format, s->dev->desired, &out)) {
		reply_text(e, x, NET_CODE(5, 0), "counter too long");
		return;
	}
	reply.payload = buf_bytes(&out);
	if (q->observe == 0) {
		reply.observe = true;
		reply.observe_tag = DESIRED_TAG;
		s->desired_format = (uint8_t)format;
	}
	net_reply(e->net, x, &reply);
}

/* ---- the image ---- */

/* True when this stretch of the image has gone out before; notes it. */
static bool served_again(struct dev *d, int64_t offset)
{
	struct served *v = &d->served;
	int64_t unit = offset / UNIT_BYTES;

	if (offset % UNIT_BYTES)
		return false; /* blocks below 1 KiB: one in each KiB is counted */
	if (!v->units) {
		v->unit_count = d->u.attempt.size_bytes / UNIT_BYTES + 1;
		v->units = calloc((size_t)(v->unit_count + 7) / 8, 1);
		if (!v->units)
			return false;
	}
	if (unit >= v->unit_count)
		return false;
	uint8_t bit = (uint8_t)(1u << (unit % 8));
	bool again = v->units[unit / 8] & bit;
	v->units[unit / 8] |= bit;
	return again;
}

static bool overserved(const struct dev *d)
{
	return d->u.has_attempt && d->served.bytes > attempt_serve_max(&d->u.attempt);
}

/* Most blocks need no commit; the first one, and the one too many, do. */
static void block_job(struct engine *e, struct dev *d)
{
	struct job *job = d->block_waits || d->flight ? NULL : job_new(e, d, JOB_BLOCK);

	if (!job)
		return;
	d->block_waits = true;
	if (job_submit(job))
		d->block_waits = false;
}

bool block_begun(struct engine *e, struct dev *d)
{
	if (!d->u.has_attempt || d->u.attempt.state != ATTEMPT_OFFERED || d->served.bytes == 0)
		return false;
	block_job(e, d);
	return true;
}

void count_block(struct engine *e, struct dev *d, int64_t offset, int64_t len, int64_t wall_ms)
{
	struct served before = d->served;
	bool again = served_again(d, offset);
	struct outcome out;

	e->stats.blocks++;
	e->stats.bytes += (uint64_t)len;
	d->served.bytes += len;
	d->served.repeats += again;
	d->served_dirty = true;
	admit_sign(e, d);
	if (offset + len > d->served.high)
		d->served.high = offset + len;
	/* A job in flight works on a copy; the counters join it later. */
	if (d->flight || block_begun(e, d) || block_overserved(e, d))
		return;
	d->u.product = catalog_product(e, d->u.device.product);
	d->u.attempt.served_bytes = before.bytes;
	d->u.attempt.served_high = before.high;
	d->u.attempt.served_repeats = before.repeats;
	d->u.now_ms = wall_ms;
	update_block(&d->u, offset, len, again, &out);
	d->seen_dirty = true;
}

bool block_overserved(struct engine *e, struct dev *d)
{
	if (!overserved(d))
		return false;
	block_job(e, d);
	return true;
}

static const char *block_refused(const struct dev *d, const uint8_t digest16[NATIVE_DIGEST16])
{
	const struct attempt *a = &d->u.attempt;

	if (!d->u.has_attempt || memcmp(a->sha256, digest16, NATIVE_DIGEST16) != 0)
		return "not the image of your open attempt"; /* I7 */
	if (overserved(d))
		return "this attempt was served all that one attempt may get";
	return NULL;
}

static bool etag_known(const struct net_request *q, const uint8_t sha256[DIGEST_SHA256])
{
	for (unsigned i = 0; i < q->etag_count; i++)
		if (q->etag[i].len == 8 && memcmp(q->etag[i].ptr, sha256, 8) == 0)
			return true;
	return false;
}

void engine_block(struct engine *e, struct session *s, const struct net_request *q,
		  struct net_exchange x, const uint8_t digest16[NATIVE_DIGEST16], int64_t wall_ms)
{
	uint8_t block[LIMIT_COAP_PAYLOAD];
	struct dev *d = s->dev;
	const struct attempt *a = &d->u.attempt;
	struct net_reply reply = NET_REPLY(NET_CODE(2, 5));
	const char *why = block_refused(d, digest16);

	if (why) {
		reply_text(e, x, NET_CODE(4, 3), why);
		(void)block_overserved(e, d);
		return;
	}
	if (q->accept != -1 && q->accept != CF_OCTETS) {
		reply_text(e, x, NET_CODE(4, 6), "images are application/octet-stream");
		return;
	}
	reply.etag = (struct bytes){a->sha256, 8};
	if (q->block2_num == 0 && etag_known(q, a->sha256)) {
		reply.code = NET_CODE(2, 3);
		net_reply(e->net, x, &reply);
		return;
	}
	unsigned szx = net_block_szx(s->peer, q);
	unsigned asked = q->has_block2 ? q->block2_szx : szx;
	int64_t offset = (int64_t)q->block2_num << (asked + 4);
	int64_t len = (int64_t)16 << szx;
	if (offset >= a->size_bytes) {
		reply_text(e, x, NET_CODE(4, 0), "block beyond the end of the image");
		return;
	}
	if (len > a->size_bytes - offset)
		len = a->size_bytes - offset;
	if (pace_block(e, s, q, x, digest16, len))
		return;
	int err = images_read(e->conf.images, a->sha256, offset, block, (size_t)len);
	if (err) {
		log_peer(e->last_tick.now_ms, "dev=%s attempt=%llu image=unreadable error=%s",
			 d->u.device.id, (unsigned long long)a->id, err_word(err));
		reply_text(e, x, NET_CODE(5, 3), "the image cannot be read now");
		return;
	}
	reply.content_format = CF_OCTETS;
	reply.is_block = true;
	reply.block2_num = (uint32_t)(offset >> (szx + 4));
	reply.block2_szx = szx;
	reply.block2_more = offset + len < a->size_bytes;
	if (q->wants_size2)
		reply.size2 = a->size_bytes;
	reply.payload = (struct bytes){block, (size_t)len};
	net_reply(e->net, x, &reply);
	count_block(e, d, offset, len, wall_ms);
}

/* ---- quotas ---- */

/* A block is one only while it would be served. */
enum net_work engine_weigh(void *ctx, struct net_peer *peer, uint8_t method,
			   const struct bytes *path, unsigned path_count)
{
	struct session *s = net_peer_user(peer);
	uint8_t digest16[NATIVE_DIGEST16];

	switch (native_route(method, path, path_count, digest16)) {
	case NATIVE_FW:
		return s && session_wake(ctx, s) == 0 && !s->dev->removed &&
				       !block_refused(s->dev, digest16)
			       ? NET_WORK_BLOCK
			       : NET_WORK_NOTHING;
	case NATIVE_REPORT:
	case NATIVE_STATUS:
	case NATIVE_DESIRED:
		return NET_WORK_REQUEST;
	case NATIVE_METHOD:
		break;
	case NATIVE_NONE:
		return talk_proto_of(method, path, path_count) ? NET_WORK_REQUEST
							       : NET_WORK_NOTHING;
	}
	return NET_WORK_NOTHING;
}

/* Its own doing, mostly: a loop in its firmware, or somebody with its key. */
void engine_limited(void *ctx, struct net_peer *peer, unsigned refused)
{
	const struct engine *e = ctx;
	const struct session *s = net_peer_user(peer);
	char address[64];

	(void)net_peer_address(peer, address);
	if (s && s->dev)
		log_peer(e->last_tick.now_ms,
			 "dev=%s limited=requests refused=%u address=%s do=\"see what it asks for "
			 "in "
			 "a loop, or raise device-requests-per-second\"",
			 s->dev->u.device.id, refused, address);
	else
		log_peer(e->last_tick.now_ms,
			 "net peer=%s limited=requests refused=%u do=\"see who asks, or raise "
			 "address-requests-per-second\"",
			 address, refused);
}

/* ---- in ---- */

/* The product may say what its devices speak. Images are for all. */
static bool may_speak(struct engine *e, struct session *s, const char *protocol,
		      struct net_exchange x)
{
	const struct product *p = catalog_product(e, s->dev->u.device.product);
	char why[128];

	if (!p || !p->protocol[0] || strcmp(p->protocol, protocol) == 0)
		return true;
	(void)snprintf(why, sizeof(why), "devices of this product speak %s, not %s", p->protocol,
		       protocol);
	reply_text(e, x, NET_CODE(4, 3), why);
	log_peer(
		e->last_tick.now_ms,
		"dev=%s refused=protocol speaks=%s product=%s do=\"product set %s --protocol any\"",
		s->dev->u.device.id, protocol, p->name, p->name);
	return false;
}

static struct session *request_session(struct engine *e, struct net_peer *peer,
				       const struct net_request *q, struct net_exchange x,
				       const struct talk_proto *proto)
{
	struct session *s =
		net_peer_secure(peer) ? net_peer_user(peer) : session_plain(e, peer, q, x, proto);

	if (!s) {
		if (net_peer_secure(peer))
			reply_text(e, x, NET_CODE(4, 3), "no such device");
		return NULL;
	}
	int err = session_wake(e, s);
	if (err && err != ERR_NOENT) {
		reply_text(e, x, NET_CODE(5, 3), engine_shed_text(err));
		return NULL;
	}
	if (err || s->dev->removed) {
		reply_text(e, x, NET_CODE(4, 3), "no such device");
		return NULL;
	}
	return s;
}

void engine_request(void *ctx, struct net_peer *peer, const struct net_request *q,
		    struct net_exchange x)
{
	struct engine *e = ctx;
	uint8_t digest16[NATIVE_DIGEST16];
	enum native_route route = native_route(q->method, q->path, q->path_count, digest16);
	const struct talk_proto *proto =
		route == NATIVE_NONE ? talk_proto_of(q->method, q->path, q->path_count) : NULL;

	if (route == NATIVE_NONE && !proto) {
		reply_text(e, x, NET_CODE(4, 4), "no such resource");
		return;
	}
	if (route == NATIVE_METHOD) {
		reply_text(e, x, NET_CODE(4, 5), "method not allowed here");
		return;
	}
	struct session *s = request_session(e, peer, q, x, proto);
	if (!s)
		return;
	struct clock now = engine_heard(e);
	if (route != NATIVE_FW && !may_speak(e, s, proto ? proto->name : NATIVE_NAME, x))
		return;
	switch (route) {
	case NATIVE_REPORT:
		handle_message(e, s, q, x, JOB_REPORT);
		break;
	case NATIVE_STATUS:
		handle_message(e, s, q, x, JOB_STATUS);
		break;
	case NATIVE_DESIRED:
		handle_desired(e, s, q, x);
		break;
	case NATIVE_FW:
		engine_block(e, s, q, x, digest16, now.wall_ms);
		break;
	case NATIVE_NONE:
		talk_request(e, s, q, x, proto);
		break;
	case NATIVE_METHOD:
		break;
	}
}
