/* SPDX-License-Identifier: Apache-2.0
 *
 * The device cache, and the life of the engine.
 */
#include "daemon/engine.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "daemon/engine_import_inner.h"
#include "daemon/engine_internal.h"

uint64_t engine_random(void)
{
	uint64_t bits = 0;

	/* Up to 256 bytes never come short once the pool is ready; before that it waits. */
	while (getrandom(&bits, sizeof(bits), 0) != (ssize_t)sizeof(bits) && errno == EINTR)
		;
	return bits;
}

/* ---- cache ---- */

uint64_t dev_hash(const struct engine *e, const char *id)
{
	uint64_t h = e->secret[0];

	for (; *id; id++) {
		h = (h ^ (uint8_t)*id) * 0x100000001b3u;
		h ^= h >> 29;
	}
	h ^= e->secret[1];
	return h ? h : 1;
}

static struct list *dev_bucket(struct engine *e, const char *id)
{
	return &e->buckets[dev_hash(e, id) % ENGINE_BUCKETS];
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
	sessions_detach(e, d);
	list_remove(&d->link);
	list_remove(&d->idle);
	free(d->served.units);
	pace_dev_free(d);
	talk_drop(d);
	free(d);
	e->dev_count--;
}

/* Counters of the attempt that only memory knows: they may be lost in a crash, but not because
 * a session ended. Takes the device, if it has any. */
static bool dev_save_counters(struct engine *e, struct dev *d)
{
	if (!d->served_dirty || !d->u.has_attempt || d->removed)
		return false;
	d->served_dirty = false;
	/* Its deadline is looked at, and stored with all else where it is now. */
	struct job *job = job_new(e, d, JOB_DEADLINE);
	return job && job_submit(job) == 0;
}

void dev_hold(struct engine *e, struct dev *d)
{
	if (!list_empty(&d->idle)) {
		list_remove(&d->idle);
		e->idle_count--;
	}
}

void dev_drop_asleep(struct engine *e, struct dev *d)
{
	if (list_empty(&d->idle) || list_empty(&d->sessions) || d->u.has_attempt || d->seen_dirty)
		return;
	dev_hold(e, d);
	dev_free(e, d);
}

void dev_release(struct engine *e, struct dev *d)
{
	if (d->flight || d->queued || talk_ring_owed(e, d))
		return;
	if (d->owes || d->awake || d->pushes || talk_is_asked(d) ||
	    (d->removed && !list_empty(&d->sessions)))
		return;
	if (d->removed) {
		dev_free(e, d);
		return;
	}
	if (dev_save_counters(e, d))
		return; /* the job's end comes here again */
	talk_forget(d);
	if (list_empty(&d->idle)) {
		list_append(&e->idle, &d->idle);
		e->idle_count++;
	}
	if (!list_empty(&d->sessions) && !d->seen_dirty && !d->u.has_attempt) {
		dev_drop_asleep(e, d);
		return;
	}
	while (e->idle_count > e->idle_max) {
		struct dev *oldest = LIST_ENTRY(e->idle.next, struct dev, idle);
		/* dev_free() takes it off the list. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		if (oldest->seen_dirty)
			timer_flush_one(e, oldest);
		e->idle_count--;
		dev_free(e, oldest);
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

void dev_reload(struct engine *e, struct dev *d)
{
	struct update fresh = d->u;
	int err = dev_load(e, d->u.device.id, &fresh);

	if (err == ERR_NOENT)
		d->removed = true;
	if (err)
		return;
	engine_count_moved(e, &d->u, &fresh);
	d->u = fresh;
	talk_drop(d);
	dev_reset_served(d);
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
		d->desired = (uint32_t)(clock_read().wall_ms / 1000); /* above what it was */
		dev_reset_served(d);
		sessions_attach(e, d);
	}
	dev_hold(e, d);
	*ret_dev = d;
	return 0;
}

/* Of the open attempt. While it is open no other of the device closes, so it is read once; an
 * unhold moves the mark from which failures count. */
static int dev_history(struct engine *e, struct dev *d, const struct update *u)
{
	if (d->history_of == u->attempt.id && d->history_mark == u->device.fail_mark)
		return 0;
	int err = store_history(e->conf.store, u->device.id, u->release->sha256,
				u->device.fail_mark, &d->history);
	if (!err) {
		d->history_of = u->attempt.id;
		d->history_mark = u->device.fail_mark;
	}
	return err;
}

bool engine_knows_zone(struct engine *e, const char *name)
{
	struct zone zone;

	return !zones_find(&e->zones, name, &zone);
}

/* Text that was checked when it was set; a zone whose file has gone since is UTC. */
void dev_windows(struct engine *e, struct update *u)
{
	const struct site site = site_of(&u->device, u->product, u->group);
	char fault[64];

	u->schedule = (struct schedule){0};
	u->zone = (struct zone){0};
	if (!site.windows[0])
		return;
	if (schedule_parse(site.windows, &u->schedule, fault))
		return;
	if (zones_find(&e->zones, site.time_zone, &u->zone))
		u->zone = (struct zone){0};
}

/* What the attempt asked for by which a member of a rollout has failed; it may be gone. */
static int dev_failed(struct engine *e, struct update *u)
{
	const struct device *d = &u->device;
	struct attempt a;

	u->failed_required = 0;
	if (u->has_attempt || !d->last_attempt || !d->rollout || d->rollout_about != d->rollout ||
	    (d->rollout_result != MEMBER_FAILED && d->rollout_result != MEMBER_REVERTED))
		return 0;
	int err = store_attempt(e->conf.store, d->last_attempt, &a);
	if (!err)
		u->failed_required = a.required;
	return err == ERR_NOENT ? 0 : err;
}

int dev_context(struct engine *e, struct dev *d, struct update *u)
{
	int err;

	u->product = catalog_product(e, u->device.product);
	if (!u->product)
		return ERR_CORRUPT;
	u->group = group_of(e, u->device.group);
	if (u->device.group && !u->group)
		return ERR_CORRUPT;
	u->rollout = rollout_of(e, u->device.rollout);
	u->before = rollout_of(e, u->device.rollout_before);
	u->goal = catalog_release_now(
		e, plan_target(&u->device, u->product, u->group, u->rollout, u->before, &u->why));
	u->target = NULL;
	u->way = (struct way){0};
	if (u->goal)
		way_find(u->goal, catalog_stone, e, &u->way);
	update_aim(u);
	dev_windows(e, u);
	u->release = u->has_attempt ? catalog_release_now(e, u->attempt.release) : NULL;
	u->home = catalog_release(e, u->device.settled);
	if (u->has_attempt && !u->release)
		return ERR_CORRUPT;
	u->attempt_history = (struct history){0};
	if (u->has_attempt && u->device.last_attempt) {
		err = dev_history(e, d, u);
		if (err)
			return err;
		u->attempt_history = d->history;
	}
	if (u->has_attempt) {
		u->attempt.served_bytes = d->served.bytes;
		u->attempt.served_high = d->served.high;
		u->attempt.served_repeats = d->served.repeats;
	}
	return dev_failed(e, u);
}

bool dev_ring_session(struct engine *e, struct dev *d, struct session *s)
{
	uint8_t payload[64];
	enum wire_format format = (enum wire_format)s->desired_format;
	struct buf out = buf_writer(payload, sizeof(payload));
	struct net_reply reply = NET_REPLY(NET_CODE(2, 5));

	if (s->talks)
		d->ring_talk = true;
	if (native_desired_encode(format, d->desired, &out))
		return s->talks;
	reply.content_format = native_content_format(format);
	reply.payload = buf_bytes(&out);
	return net_notify(e->net, s->peer, DESIRED_TAG, &reply) > 0 || s->talks;
}

bool dev_ring(struct engine *e, struct dev *d)
{
	bool listens = false;

	d->desired++;
	LIST_EACH(it, next, &d->sessions)
	listens |= dev_ring_session(e, d, LIST_ENTRY(it, struct session, link));
	talk_ring(e, d);
	return listens;
}

/* ---- life ---- */

/* All protocols' links: made once, for as long as the engine lives. */
static int make_well_known(struct engine *e)
{
	size_t size = sizeof(NATIVE_WELL_KNOWN);

	for (size_t i = 0; talk_proto_at(i); i++)
		size += strlen(talk_proto_at(i)->well_known) + 1;
	e->well_known = malloc(size);
	if (!e->well_known)
		return ERR_NOMEM;
	struct buf b = buf_writer(e->well_known, size);
	buf_put_str(&b, NATIVE_WELL_KNOWN);
	for (size_t i = 0; talk_proto_at(i); i++) {
		buf_put_u8(&b, ',');
		buf_put_str(&b, talk_proto_at(i)->well_known);
	}
	(void)buf_cstr(&b);
	return 0;
}

int engine_new(const struct engine_conf *conf, struct engine **ret_engine)
{
	struct engine *e = calloc(1, sizeof(*e));

	if (!e)
		return ERR_NOMEM;
	e->conf = *conf;
	e->idle_max = ENGINE_IDLE_DEVICES;
	e->secret[0] = engine_random();
	e->secret[1] = engine_random();
	for (size_t i = 0; i < ENGINE_BUCKETS; i++)
		list_init(&e->buckets[i]);
	list_init(&e->idle);
	list_init(&e->pacer.ring);
	list_init(&e->sweeps);
	sessions_init(e);
	admit_init(e);
	int err = make_well_known(e);
	if (!err)
		err = catalog_load(e);
	if (!err)
		err = engine_count_load(e);
	if (err) {
		catalog_free(e);
		free(e->well_known);
		free(e);
		return err;
	}
	admit_conf(e);
	*ret_engine = e;
	return 0;
}

void engine_conf_set(struct engine *e, const struct engine_conf *conf)
{
	e->conf.device_json = conf->device_json;
	e->conf.event_prefix = conf->event_prefix;
	e->conf.keep_events_ms = conf->keep_events_ms;
	e->conf.keep_attempts_ms = conf->keep_attempts_ms;
	e->conf.max_events = conf->max_events;
	e->conf.device_rate = conf->device_rate;
	e->conf.image_rate = conf->image_rate;
	e->conf.max_downloads = conf->max_downloads;
	admit_conf(e);
}

const char *engine_event_prefix(const struct engine *e)
{
	return e->conf.event_prefix ? e->conf.event_prefix : "";
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	sweeps_free(e);
	import_free(e->import);
	for (size_t i = 0; i < ENGINE_BUCKETS; i++) {
		LIST_EACH(it, next, &e->buckets[i])
		{
			dev_free(e, LIST_ENTRY(it, struct dev, link));
		}
	}
	admit_done(e);
	roster_clear(&e->roster.list);
	slab_done(&e->session_slab);
	catalog_free(e);
	zones_free(&e->zones);
	free(e->well_known);
	free(e);
}

void engine_set_net(struct engine *e, struct net *net)
{
	e->net = net;
}

const char *engine_well_known(const struct engine *e)
{
	return e->well_known;
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
		.psk_failed = engine_psk_failed,
		.peer_up = engine_peer_up,
		.peer_gone = engine_peer_gone,
		.request = engine_request,
		.observe_end = engine_observe_end,
		.peer_sleeps = engine_peer_sleeps,
		.weigh = engine_weigh,
		.limited = engine_limited,
		.peer_note = engine_peer_note,
		.peer_back = engine_peer_back,
		.answered = engine_answered,
		.ask_body = engine_ask_body,
		.ask_sent = engine_ask_sent,
		.long_body = engine_long_body,
	};

	return &callbacks;
}

int engine_start(struct engine *e)
{
	int err = keep_restored(e);

	if (!err)
		err = import_resume(e);
	return err ? err : timer_start(e);
}

void engine_stop(struct engine *e, void (*stopped)(void *ctx), void *ctx)
{
	e->stopped = stopped;
	e->stopped_ctx = ctx;
	timer_stop(e);
}

void engine_on_events(struct engine *e, void (*fn)(void *ctx, uint64_t head), void *ctx)
{
	unsigned at = ENGINE_LISTENERS;

	for (unsigned i = ENGINE_LISTENERS; i-- > 0;)
		if (!e->on_events[i].fn)
			at = i;
	for (unsigned i = 0; i < ENGINE_LISTENERS; i++)
		if (e->on_events[i].fn && e->on_events[i].ctx == ctx)
			at = i;
	if (at == ENGINE_LISTENERS)
		return; /* NULL for one that never was there, and no free place */
	e->on_events[at].fn = fn;
	e->on_events[at].ctx = ctx;
}

void engine_on_ca(struct engine *e, void (*fn)(void *ctx), void *ctx)
{
	e->on_ca = fn;
	e->on_ca_ctx = ctx;
}
