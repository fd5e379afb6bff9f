/* SPDX-License-Identifier: Apache-2.0
 *
 * The world of a scenario: time, sessions, and a database that can fail.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/audit.h"
#include "scenario.h"
#include "store/backup.h"
#include "store/restore.h"

static int fault(void *ctx, unsigned long operation)
{
	struct scenario *s = ctx;

	(void)operation; /* counted here: over restarts */
	if (s->dead)
		return ERR_IO;
	if (++s->operations == s->fail_at)
		return ERR_FULL;
	if (s->fail_left == 0)
		return 0;
	s->fail_left--;
	return ERR_FULL;
}

void world_template(const char *dir)
{
	char path[128];
	struct store_conf conf = {.path = path, .inline_commit = true, .hash = audit_sha256};
	struct store *store = NULL;

	(void)snprintf(path, sizeof(path), "%s/db", dir);
	if (store_open(&conf, &store))
		abort();
	store_close(store);
}

static void copy(const char *from_dir, const char *to_dir, const char *name)
{
	char path[128], buf[8192];
	size_t len;

	(void)snprintf(path, sizeof(path), "%s/%s", from_dir, name);
	FILE *from = fopen(path, "rb");
	(void)snprintf(path, sizeof(path), "%s/%s", to_dir, name);
	FILE *to = fopen(path, "wb");
	if (!from || !to)
		abort();
	while ((len = fread(buf, 1, sizeof(buf), from)) > 0)
		if (fwrite(buf, 1, len, to) != len)
			abort();
	if (ferror(from) || fclose(to))
		abort();
	(void)fclose(from);
}

void world_copy(const struct scenario *s, const char *template_dir)
{
	copy(template_dir, s->dir, "db");
	copy(template_dir, s->dir, "db-mark");
}

void world_start(struct scenario *s)
{
	char path[128];
	struct store_conf conf = {.path = path,
				  .inline_commit = true,
				  .fault = fault,
				  .fault_ctx = s,
				  .hash = audit_sha256};
	struct engine_conf engine = {.loop = &s->loop,
				     .device_json = true,
				     .plain_devices = true,
				     .keep_events_ms = s->keep_events_s * 1000,
				     .max_events = (uint64_t)s->keep_events_max,
				     .max_downloads = s->max_downloads,
				     .turns = &s->turns};

	(void)snprintf(path, sizeof(path), "%s/images", s->dir);
	if (uv_loop_init(&s->loop) || images_new(&s->loop, path, IMAGE_MAX, &s->images))
		abort();
	(void)snprintf(path, sizeof(path), "%s/db", s->dir);
	if (store_open(&conf, &s->store))
		abort();
	engine.store = s->store;
	engine.images = s->images;
	if (engine_new(&engine, &s->engine) || engine_start(s->engine))
		abort();
	if (getenv("SCENARIO_CACHE")) /* so many devices; 0 frees each as soon as it is idle */
		s->engine->idle_max = (unsigned)strtoul(getenv("SCENARIO_CACHE"), NULL, 10);
	s->turns.hasty = s->turns.hasty || getenv("SCENARIO_HASTE"); /* for all of them */
	s->engine->rollout_seed = 1;
	engine_tick(s->engine);
	settle(s);
}

static void peer_end(struct scenario *s, unsigned i, enum net_gone why)
{
	s->sessions[i].up = false;
	if (s->sessions[i].peer.user)
		engine_net_callbacks()->peer_gone(s->engine, &s->sessions[i].peer, why);
}

void world_stop(struct scenario *s, bool orderly)
{
	s->deliver_off = false;
	s->dead = !orderly;
	fake_reply.muted = !orderly;
	if (orderly)
		engine_stop(s->engine, NULL, NULL);
	settle(s);
	for (unsigned i = 0; i < SESSIONS_MAX; i++)
		if (s->sessions[i].up)
			peer_end(s, i, NET_GONE_LOCAL);
	if (!orderly) {
		uv_close((uv_handle_t *)&s->engine->tick, NULL);
		uv_close((uv_handle_t *)&s->engine->pacer.timer, NULL);
		uv_close((uv_handle_t *)&s->engine->rollout_timer, NULL);
		uv_close((uv_handle_t *)&s->engine->more_timer, NULL);
		uv_close((uv_handle_t *)&s->engine->roster.timer, NULL);
	}
	uv_run(&s->loop, UV_RUN_DEFAULT);
	settle(s);
	engine_free(s->engine);
	store_close(s->store);
	images_free(s->images);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&s->loop))
		abort();
	s->dead = false;
	fake_reply.muted = false;
}

void world_again(struct scenario *s, bool orderly, int64_t seconds)
{
	world_stop(s, orderly);
	fake_wall_ms += seconds * 1000;
	fake_now_ms += seconds * 1000;
	world_start(s);
}

void settle(struct scenario *s)
{
	if (s->deliver_off)
		return;
	while (store_deliver(s->store) > 0)
		;
	for (unsigned i = 0; i < SESSIONS_MAX; i++)
		if (s->sessions[i].up && s->sessions[i].peer.closed)
			peer_end(s, i, NET_GONE_LOCAL);
	if (!getenv("SCENARIO_SLEEP") || s->engine->pacer.held) /* who has its answer sleeps */
		return;
	for (unsigned i = 0; i < SESSIONS_MAX; i++)
		if (s->sessions[i].up)
			engine_net_callbacks()->peer_sleeps(s->engine, &s->sessions[i].peer);
	while (store_deliver(s->store) > 0) /* what they left */
		;
}

void elapse(struct scenario *s, int64_t seconds)
{
	int64_t end_ms = fake_wall_ms + seconds * 1000;
	int64_t step_ms = seconds > 600 ? seconds * 1000 / 600 : 1000;

	while (fake_wall_ms < end_ms) {
		int64_t add = end_ms - fake_wall_ms < step_ms ? end_ms - fake_wall_ms : step_ms;
		fake_wall_ms += add;
		fake_now_ms += add;
		engine_tick(s->engine);
		settle(s);
	}
}

static int session_slot(struct scenario *s, const char *name)
{
	int slot = -1;

	for (int i = 0; i < SESSIONS_MAX; i++) {
		if (s->sessions[i].known && strcmp(s->sessions[i].name, name) == 0)
			return i;
		if (!s->sessions[i].known && slot < 0)
			slot = i;
	}
	if (slot < 0)
		abort();
	(void)buf_copy_str(s->sessions[slot].name, sizeof(s->sessions[slot].name), name);
	return slot;
}

/* Tries as often as a device does that does not give up soon. False if it was never asked for the
 * key that it has. */
static bool hello(struct scenario *s, struct net_peer *peer)
{
	const struct net_callbacks *cb = engine_net_callbacks();
	uint8_t key[LIMIT_PSK];

	if (peer->certified)
		return true;
	for (unsigned tries = 0; tries < HANDSHAKES; tries++) {
		struct net_claim claim = {.identity = net_peer_identity(peer), .print = 1};
		size_t len = cb->psk(s->engine, &claim, key, sizeof(key));
		if (len == 0 || len == NET_PSK_LATER)
			continue;
		peer->key_tag = claim.tag;
		if (!peer->key[0] || memcmp(key, peer->key, len) == 0)
			return true;
		cb->psk_failed(s->engine, &claim);
	}
	return false;
}

static bool finished(struct scenario *s, struct net_peer *peer)
{
	return engine_net_callbacks()->peer_up(s->engine, peer, net_peer_identity(peer));
}

/* In place of the one of that name, not up yet. */
static unsigned session_make(struct scenario *s, const char *name, const char *id, bool plain)
{
	unsigned slot = (unsigned)session_slot(s, name);
	struct net_peer *peer = &s->sessions[slot].peer;
	char key[sizeof(peer->key)] = "";
	bool certified = strcmp(word(3), "certificate") == 0;

	if (s->sessions[slot].up)
		peer_end(s, slot, NET_GONE_CLOSED);
	if (s->sessions[slot].known)
		memcpy(key, peer->key, sizeof(key));
	certified = certified || (s->sessions[slot].known && peer->certified && !value_of("key"));
	if (value_of("key"))
		(void)snprintf(key, sizeof(key), "%.1s-key-of-%.24s", value_of("key"), id);
	*peer = (struct net_peer){.since_ms = fake_now_ms, .plain = plain, .certified = certified};
	memcpy(peer->key, key, sizeof(key));
	(void)buf_copy_str(peer->identity, sizeof(peer->identity), id);
	s->sessions[slot].known = true;
	return slot;
}

struct net_peer *session_new(struct scenario *s, const char *name, const char *id, bool plain)
{
	unsigned slot = session_make(s, name, id, plain);
	struct net_peer *peer = &s->sessions[slot].peer;

	s->sessions[slot].up = plain || (hello(s, peer) && finished(s, peer));
	return s->sessions[slot].up ? peer : NULL;
}

const struct net_peer *session_peek(struct scenario *s, const char *name)
{
	return &s->sessions[session_slot(s, name)].peer;
}

struct net_peer *session_find(struct scenario *s, const char *name)
{
	unsigned slot = (unsigned)session_slot(s, name);
	char id[LIMIT_DEVICE_ID + 1];

	if (s->sessions[slot].known && s->sessions[slot].up)
		return &s->sessions[slot].peer;
	bool known = s->sessions[slot].known;
	(void)buf_copy_str(id, sizeof(id), known ? s->sessions[slot].peer.identity : name);
	return session_new(s, name, id, known && s->sessions[slot].peer.plain);
}

/* The backup is made while the server runs; it is restored after it was killed. */
static void do_backup(struct scenario *s)
{
	char db[96], copy[96], error[200];
	const struct store_backup b = {.from = db, .to = copy};

	(void)snprintf(db, sizeof(db), "%s/db", s->dir);
	(void)snprintf(copy, sizeof(copy), "%s/copy", s->dir);
	FILE *f = fopen(copy, "w");
	if (!f || fclose(f) || store_backup(&b, error))
		abort();
	struct store_info info;
	store_info(s->store, &info);
	s->backup_head = info.head;
}

static void do_restore(struct scenario *s)
{
	char db[96], copy[96], aside[96], error[200];
	const struct store_restore r = {.file = copy, .db = db, .aside = aside};
	bool kept = false;

	(void)snprintf(db, sizeof(db), "%s/db", s->dir);
	(void)snprintf(copy, sizeof(copy), "%s/copy", s->dir);
	(void)snprintf(aside, sizeof(aside), "%s/aside", s->dir);
	world_stop(s, false);
	(void)unlink(aside);
	if (store_restore(&r, &kept, error))
		fail(s, "restore: %s", error);
	s->events_seen = s->backup_head; /* the numbers after it are given again */
	world_start(s);
}

static void do_keep(struct scenario *s)
{
	struct engine_conf conf = s->engine->conf;

	s->keep_events_s = number_of("events", 0);
	s->keep_events_max = number_of("max", 0);
	conf.keep_events_ms = s->keep_events_s * 1000;
	conf.max_events = (uint64_t)s->keep_events_max;
	engine_conf_set(s->engine, &conf);
}

static bool run_time(struct scenario *s, const char *verb)
{
	int64_t seconds = strtoll(word(1), NULL, 0);

	if (strcmp(verb, "ELAPSE") == 0) {
		elapse(s, seconds);
	} else if (strcmp(verb, "CLOCK-STEP") == 0) {
		fake_wall_ms += seconds * 1000;
		elapse(s, 1);
	} else if (strcmp(verb, "RESTART") == 0 || strcmp(verb, "CRASH") == 0) {
		world_again(s, strcmp(verb, "RESTART") == 0, seconds);
	} else if (strcmp(verb, "KEEP") == 0) {
		do_keep(s);
	} else if (strcmp(verb, "BACKUP") == 0) {
		do_backup(s);
	} else if (strcmp(verb, "RESTORE") == 0) {
		do_restore(s);
	} else {
		return false;
	}
	return true;
}

static void do_gone(struct scenario *s)
{
	unsigned slot = (unsigned)session_slot(s, word(1));

	if (s->sessions[slot].up)
		peer_end(s, slot, NET_GONE_IDLE);
}

static void do_link(struct scenario *s)
{
	struct net_peer *peer = session_find(s, word(1));

	if (!peer)
		return;
	peer->facts = (struct net_link){(uint32_t)strtoul(word(2), NULL, 10),
					(uint32_t)strtoul(word(3), NULL, 10),
					(uint32_t)strtoul(word(4), NULL, 10)};
}

/* A handshake by its halves, or one that must fail. */
static bool run_handshake(struct scenario *s, const char *verb)
{
	if (strcmp(verb, "REFUSED") == 0) {
		if (session_new(s, word(1), word(2), false))
			fail(s, "the session came up");
		const char *why = net_refused_name(session_peek(s, word(1))->refused);
		if (value_of("why") && strcmp(value_of("why"), why) != 0)
			fail(s, "it was refused: %s", why);
	} else if (strcmp(verb, "HELLO") == 0) {
		unsigned slot = session_make(s, word(1), word(2), false);
		if (!hello(s, &s->sessions[slot].peer))
			fail(s, "it was asked for another key");
	} else if (strcmp(verb, "FINISHED") == 0) {
		unsigned slot = (unsigned)session_slot(s, word(1));
		s->sessions[slot].up = finished(s, &s->sessions[slot].peer);
		if (s->sessions[slot].up == (strcmp(word(2), "refused") == 0))
			fail(s, "the session is %s", s->sessions[slot].up ? "up" : "refused");
		settle(s);
	} else {
		return false;
	}
	return true;
}

bool run_world(struct scenario *s, const char *verb)
{
	if (strcmp(verb, "SESSION") == 0) {
		if (!session_new(s, word(1), word(2), strcmp(word(3), "plain") == 0))
			fail(s, "the session was refused");
		settle(s);
	} else if (run_handshake(s, verb)) {
		return true;
	} else if (strcmp(verb, "GONE") == 0) {
		do_gone(s);
	} else if (strcmp(verb, "AS") == 0) {
		struct net_peer *peer = session_find(s, word(1));
		(void)(peer && buf_copy_str(peer->identity, sizeof(peer->identity), word(2)));
	} else if (strcmp(verb, "LINK") == 0) {
		do_link(s);
	} else if (strcmp(verb, "RATES") == 0) {
		struct engine_conf conf = s->engine->conf;
		conf.device_rate = strtoll(word(1), NULL, 10);
		conf.image_rate = strtoll(word(2), NULL, 10);
		engine_conf_set(s->engine, &conf);
	} else if (strcmp(verb, "DOWNLOADS") == 0) {
		struct engine_conf conf = s->engine->conf;
		conf.max_downloads = s->max_downloads = strtoll(word(1), NULL, 10);
		engine_conf_set(s->engine, &conf);
		if (value_of("places"))
			s->engine->admitter.turn_max = (unsigned)number_of("places", 0);
	} else if (strcmp(verb, "HASTE") == 0) {
		s->turns.hasty = true;
	} else if (strcmp(verb, "PACE") == 0) {
		fake_wall_ms += strtoll(word(1), NULL, 10);
		fake_now_ms += strtoll(word(1), NULL, 10);
		pace_step(s->engine);
		settle(s);
	} else if (strcmp(verb, "STORE-FAIL") == 0) {
		s->fail_left = (unsigned)strtoul(word(1), NULL, 10);
	} else if (strcmp(verb, "DELIVER") == 0) {
		s->deliver_off = strcmp(word(1), "off") == 0;
		fake_reply.codes[0] = 0;
		settle(s);
	} else {
		return run_time(s, verb);
	}
	return true;
}
