/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs scenario files on the real engine, store, proto and core, with a fake network and a
 * fake clock. A file is a list of lines; '#' begins a comment; words are separated by blanks,
 * settings are key=value:
 *
 *   PRODUCT name [policy=value]...        RELEASE product version bytes [no-digest] [no-confirm]
 *   DEVICE id product                     TARGET product version|none
 *   SESSION name id                       (a handshake; the first session of a device may be
 *                                          left out: its name is then the device's id)
 *   REPORT session boot=X version=V [digest=release:V|hex] [confirmed=0|1] [caps=N] [count=N]
 *          [reset=N] [mode=N] [uptime=N] [enabled=0|1] [free=N] [interval=N] [slot=N]
 *          [hardware=H] [last=stage,reason]  (last: of the attempt last seen in a directive)
 *   STATUS session state [boot=X] [seq=N] [reason=N] [received=N] [start=N] [defer=N] [attempt=N]
 *   GET session offset                    (one 1 KiB block of the attempt's image)
 *   LOCK id version | UNLOCK id | FORCE id | UNFORCE id | HOLD id | UNHOLD id | REMOVE id |
 *   CANCEL id | REMOVE-RELEASE product version
 *   ELAPSE seconds | CLOCK-STEP seconds | RESTART seconds | CRASH seconds
 *   EXPECT code | EXPECT-ACT 0|err-word
 *   EXPECT-DIRECTIVE none|pending|update [fresh=0|1] [force=0|1] [version=V] [soon=0|1]
 *   EXPECT-EVENTS topic[:data]...         (exactly these since the last EXPECT-EVENTS;
 *                                          device/online and device/offline are left out)
 *   EXPECT-ATTEMPT id key=value...        (the open attempt, else the last one)
 *   EXPECT-DEVICE id key=value...         EXPECT-DIAGNOSES id word...
 *   EXPECT-BLOCKED id word...             EXPECT-RINGS session n | EXPECT-CLOSED session 0|1
 *
 * What a line of a scenario does is checked where it is said; anything unknown fails.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/plan.h"
#include "daemon/engine_internal.h"
#include "fake.h"
#include "proto/native.h"
#include "wire/cbor.h"

enum { WORDS_MAX = 32, SESSIONS_MAX = 16, IMAGE_MAX = 1 << 20 };

struct scenario {
	const char *file;
	unsigned line;
	char dir[64];
	uv_loop_t loop;
	struct store *store;
	struct images *images;
	struct engine *engine;
	struct {
		char name[32];
		struct net_peer peer;
		bool used;
	} sessions[SESSIONS_MAX];
	struct engine_result act;
	int act_err;
	char act_why[256];
	uint64_t attempt; /* of the last directive */
	struct report sent;
	uint64_t events_seen;
	char events[2048];
	unsigned failed;
};

static char *words[WORDS_MAX];
static unsigned word_count;

__attribute__((format(printf, 2, 3))) static void fail(struct scenario *s, const char *fmt, ...)
{
	va_list ap;

	s->failed++;
	printf("# %s:%u: ", s->file, s->line);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

static const char *value_of(const char *key)
{
	size_t len = strlen(key);

	for (unsigned i = 1; i < word_count; i++)
		if (strncmp(words[i], key, len) == 0 && words[i][len] == '=')
			return words[i] + len + 1;
	return NULL;
}

static int64_t number_of(const char *key, int64_t otherwise)
{
	const char *v = value_of(key);

	return v ? strtoll(v, NULL, 0) : otherwise;
}

static const char *word_at(unsigned i)
{
	return i < word_count ? words[i] : "";
}

/* ---- the world ---- */

static void world_start(struct scenario *s)
{
	char path[128];
	struct store_conf conf = {.path = path, .inline_commit = true};
	struct engine_conf engine = {.loop = &s->loop, .device_json = true};

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
	engine_tick(s->engine);
	(void)store_deliver(s->store);
}

static void peers_end(struct scenario *s)
{
	for (unsigned i = 0; i < SESSIONS_MAX; i++) {
		if (s->sessions[i].used && s->sessions[i].peer.user)
			engine_net_callbacks()->peer_gone(s->engine, &s->sessions[i].peer,
							  NET_GONE_LOCAL);
		s->sessions[i].used = false;
	}
}

/* orderly: as SIGTERM does; else as if killed, without a last word to the store. */
static void world_stop(struct scenario *s, bool orderly)
{
	if (orderly)
		engine_stop(s->engine, NULL, NULL);
	(void)store_deliver(s->store);
	peers_end(s);
	if (!orderly)
		uv_close((uv_handle_t *)&s->engine->tick, NULL);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	engine_free(s->engine);
	store_close(s->store);
	images_free(s->images);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&s->loop);
}

static void settle(struct scenario *s)
{
	while (store_deliver(s->store) > 0)
		;
}

static void elapse(struct scenario *s, int64_t seconds)
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

static struct net_peer *session(struct scenario *s, const char *name, const char *id)
{
	int slot = -1;

	for (int i = 0; i < SESSIONS_MAX; i++) {
		if (s->sessions[i].used && strcmp(s->sessions[i].name, name) == 0 && !id)
			return &s->sessions[i].peer;
		if (s->sessions[i].used && strcmp(s->sessions[i].name, name) == 0) {
			if (s->sessions[i].peer.user)
				engine_net_callbacks()->peer_gone(s->engine, &s->sessions[i].peer,
								  NET_GONE_CLOSED);
			s->sessions[i].used = false;
		}
		if (!s->sessions[i].used && slot < 0)
			slot = i;
	}
	if (slot < 0)
		abort();
	struct net_peer *peer = &s->sessions[slot].peer;
	*peer = (struct net_peer){.since_ms = fake_now_ms};
	(void)buf_copy_str(s->sessions[slot].name, sizeof(s->sessions[slot].name), name);
	(void)buf_copy_str(peer->identity, sizeof(peer->identity), id ? id : name);
	s->sessions[slot].used = true;
	if (!engine_net_callbacks()->peer_up(s->engine, peer, net_peer_identity(peer)))
		s->sessions[slot].used = false;
	return s->sessions[slot].used ? peer : NULL;
}

static void no_room(void *ctx)
{
	(void)ctx; /* the loop below tries again anyway */
}

static void act_done(void *ctx, const struct engine_result *result)
{
	struct scenario *s = ctx;

	s->act_err = result->err;
	(void)buf_copy_str(s->act_why, sizeof(s->act_why), result->why ? result->why : "");
}

/* ---- requests ---- */

static void request(struct scenario *s, struct net_peer *peer, uint8_t method, const char *path,
		    struct bytes payload, int64_t offset)
{
	struct net_request q = {.method = method,
				.confirmable = true,
				.content_format = 60,
				.accept = -1,
				.observe = -1,
				.payload = payload};
	const char *slash = strchr(path, '/');

	fake_reply = (struct fake_reply){0};
	if (!peer) {
		fail(s, "no session");
		return;
	}
	q.path[0] = (struct bytes){(const uint8_t *)path,
				   slash ? (size_t)(slash - path) : strlen(path)};
	q.path_count = 1;
	if (slash)
		q.path[q.path_count++] =
			(struct bytes){(const uint8_t *)slash + 1, strlen(slash + 1)};
	if (method == 1) {
		q.content_format = -1;
		q.has_block2 = true;
		q.block2_num = (uint32_t)(offset / 1024);
		q.block2_szx = 6;
	}
	engine_net_callbacks()->request(s->engine, peer, &q, (struct net_exchange){1, 1});
	settle(s);
}

static unsigned put_boot(struct wire_writer *w, int64_t key, const char *boot, bool write)
{
	uint8_t id[8] = {0};

	if (!boot)
		return 0;
	if (write) {
		memcpy(id, boot, strnlen(boot, sizeof(id)));
		wire_put_key(w, key);
		wire_put_bytes(w, id, sizeof(id));
	}
	return 1;
}

static unsigned put_number(struct wire_writer *w, int64_t key, const char *name, bool write)
{
	const char *v = value_of(name);

	if (v && write) {
		wire_put_key(w, key);
		wire_put_uint(w, strtoull(v, NULL, 0));
	}
	return v != NULL;
}

static unsigned put_bool(struct wire_writer *w, int64_t key, const char *name, bool write)
{
	const char *v = value_of(name);

	if (v && write) {
		wire_put_key(w, key);
		wire_put_bool(w, *v == '1');
	}
	return v != NULL;
}

static unsigned put_text(struct wire_writer *w, int64_t key, const char *name, bool write)
{
	const char *v = value_of(name);

	if (v && write) {
		wire_put_key(w, key);
		wire_put_text(w, v);
	}
	return v != NULL;
}

static unsigned put_digest(struct scenario *s, struct wire_writer *w, bool write)
{
	const char *v = value_of("digest");
	uint8_t hash[DIGEST_SHA256] = {0};
	size_t len = 0;

	if (!v || !write)
		return v != NULL;
	if (strncmp(v, "release:", 8) == 0) {
		for (size_t i = 0; i < s->engine->release_count; i++)
			if (strcmp(s->engine->releases[i]->version, v + 8) == 0)
				memcpy(hash, s->engine->releases[i]->sha256, sizeof(hash));
	} else if (buf_from_hex(v, strlen(v), hash, sizeof(hash), &len)) {
		fail(s, "digest=%s", v);
	}
	wire_put_key(w, 3);
	wire_put_array(w, 2);
	wire_put_uint(w, 0);
	wire_put_bytes(w, hash, sizeof(hash));
	return 1;
}

static unsigned put_last(struct scenario *s, struct wire_writer *w, bool write)
{
	const char *v = value_of("last");

	if (!v || !write)
		return v != NULL;
	wire_put_key(w, 6);
	wire_put_array(w, 5);
	wire_put_uint(w, s->attempt);
	wire_put_uint(w, strtoull(v, NULL, 10));
	wire_put_uint(w, strchr(v, ',') ? strtoull(strchr(v, ',') + 1, NULL, 10) : 0);
	wire_put_int(w, 0);
	wire_put_text(w, "");
	return 1;
}

static unsigned put_report(struct scenario *s, struct wire_writer *w, bool write)
{
	unsigned n = put_boot(w, 0, value_of("boot"), write);

	n += put_number(w, 1, "count", write);
	n += put_text(w, 2, "version", write);
	n += put_digest(s, w, write);
	n += put_bool(w, 4, "confirmed", write);
	n += put_number(w, 5, "reset", write);
	n += put_last(s, w, write);
	n += put_bool(w, 7, "enabled", write);
	n += put_number(w, 8, "free", write);
	n += put_number(w, 10, "slot", write);
	n += put_text(w, 12, "hardware", write);
	n += put_number(w, 15, "interval", write);
	n += put_number(w, 16, "mode", write);
	n += put_number(w, 17, "caps", write);
	n += put_number(w, 18, "uptime", write);
	return n;
}

static void do_report(struct scenario *s)
{
	uint8_t payload[LIMIT_NATIVE_MESSAGE];
	struct buf out = buf_writer(payload, sizeof(payload));
	struct wire_writer w = wire_writer(WIRE_CBOR, &out);

	wire_put_map(&w, put_report(s, &w, false));
	(void)put_report(s, &w, true);
	if (wire_writer_end(&w))
		fail(s, "report too long");
	request(s, session(s, word_at(1), NULL), 2, "report", buf_bytes(&out), 0);
}

static unsigned put_status(struct scenario *s, struct wire_writer *w, bool write)
{
	static const char *const states[] = {"",	"downloading", "verified", "applying",
					     "refused", "deferred",    "failed"};
	unsigned n = 2;
	uint64_t state = 0;

	for (unsigned i = 1; i < 7; i++)
		if (strcmp(states[i], word_at(2)) == 0)
			state = i;
	if (write) {
		wire_put_key(w, 0);
		wire_put_uint(w, (uint64_t)number_of("attempt", (int64_t)s->attempt));
		wire_put_key(w, 1);
		wire_put_uint(w, state);
	}
	n += put_number(w, 4, "received", write);
	n += put_number(w, 5, "start", write);
	n += put_number(w, 6, "defer", write);
	n += put_boot(w, 7, value_of("boot"), write);
	n += put_number(w, 8, "seq", write);
	n += put_number(w, 9, "reason", write);
	return n;
}

static void do_status(struct scenario *s)
{
	uint8_t payload[LIMIT_NATIVE_MESSAGE];
	struct buf out = buf_writer(payload, sizeof(payload));
	struct wire_writer w = wire_writer(WIRE_CBOR, &out);

	wire_put_map(&w, put_status(s, &w, false));
	(void)put_status(s, &w, true);
	if (wire_writer_end(&w))
		fail(s, "status too long");
	request(s, session(s, word_at(1), NULL), 2, "status", buf_bytes(&out), 0);
}

static void do_get(struct scenario *s)
{
	struct net_peer *peer = session(s, word_at(1), NULL);
	char path[32] = "fw/0000000000000000";
	struct attempt a;

	if (s->attempt && store_attempt(s->store, s->attempt, &a) == 0) {
		struct buf b = buf_writer(path, sizeof(path));
		buf_put_str(&b, "fw/");
		buf_put_hex(&b, a.sha256, 8);
		(void)buf_cstr(&b);
	}
	request(s, peer, 1, path, (struct bytes){0}, strtoll(word_at(2), NULL, 0));
}

/* ---- acts ---- */

static void do_product(struct scenario *s)
{
	struct product p = {0};

	policy_init(&p.policy);
	(void)buf_copy_str(p.name, sizeof(p.name), word_at(1));
	for (unsigned i = 2; i < word_count; i++) {
		char *equals = strchr(words[i], '=');
		if (!equals) {
			fail(s, "%s is no setting", words[i]);
			continue;
		}
		*equals = 0;
		const struct policy_row *row = policy_find(words[i]);
		if (strcmp(words[i], "hardware") == 0)
			(void)buf_copy_str(p.hardware, sizeof(p.hardware), equals + 1);
		else if (!row || policy_set(&p.policy, row, strtoll(equals + 1, NULL, 0)))
			fail(s, "%s=%s is no setting", words[i], equals + 1);
	}
	engine_product_add(s->engine, &p, act_done, s);
}

struct stored {
	bool done;
	int err;
	uint8_t sha256[DIGEST_SHA256];
};

static void image_stored(void *ctx, int err, const uint8_t sha256[DIGEST_SHA256],
			 int64_t size_bytes)
{
	struct stored *st = ctx;

	(void)size_bytes;
	st->done = true;
	st->err = err;
	if (!err)
		memcpy(st->sha256, sha256, sizeof(st->sha256));
}

static void do_release(struct scenario *s)
{
	struct product *p = catalog_product_named(s->engine, word_at(1));
	int64_t size = strtoll(word_at(3), NULL, 0);
	uint8_t *bytes = calloc(1, (size_t)size);
	struct images_upload *up;
	struct release r = {.size_bytes = size};
	struct stored st = {0};

	if (!p || !bytes || images_upload_new(s->images, size, no_room, NULL, &up))
		abort();
	(void)buf_copy_str((char *)bytes, (size_t)size, word_at(2));
	for (size_t at = 0, taken = 0; at < (size_t)size; at += taken) {
		if (images_upload_write(up, bytes + at, (size_t)size - at, &taken))
			abort();
		if (taken == 0)
			uv_run(&s->loop, UV_RUN_ONCE);
	}
	images_upload_finish_take(up, image_stored, &st);
	while (!st.done)
		uv_run(&s->loop, UV_RUN_ONCE);
	free(bytes);
	r.product = p->id;
	(void)buf_copy_str(r.version, sizeof(r.version), word_at(2));
	memcpy(r.sha256, st.sha256, sizeof(r.sha256));
	r.running_count = 1;
	r.running[0] = (struct digest){.kind = DIGEST_FILE, .len = DIGEST_SHA256};
	memcpy(r.running[0].value, st.sha256, DIGEST_SHA256);
	for (unsigned i = 4; i < word_count; i++) {
		r.no_digest |= strcmp(words[i], "no-digest") == 0;
		r.no_confirm |= strcmp(words[i], "no-confirm") == 0;
	}
	engine_release_add(s->engine, &r, act_done, s);
	settle(s);
	images_unpin(s->images, r.sha256);
}

static void do_device(struct scenario *s)
{
	struct product *p = catalog_product_named(s->engine, word_at(2));
	struct device d = {.psk_len = 16};

	if (!p)
		abort();
	(void)buf_copy_str(d.id, sizeof(d.id), word_at(1));
	memcpy(d.psk, "0123456789abcdef", 16);
	for (unsigned i = 0; d.id[i]; i++)
		d.psk[i % 16] = (uint8_t)(d.psk[i % 16] ^ d.id[i]);
	d.product = p->id;
	engine_device_add(s->engine, &d, act_done, s);
	settle(s);
	(void)session(s, word_at(1), word_at(1));
}

static void do_cancel(struct scenario *s)
{
	struct device d;

	if (store_device(s->store, word_at(1), &d) == 0)
		engine_attempt_cancel(s->engine, d.attempt, act_done, s);
}

/* ---- expectations ---- */

static void expect_text(struct scenario *s, const char *what, const char *got, const char *want)
{
	if (strcmp(got, want) != 0)
		fail(s, "%s is %s, expected %s", what, got, want);
}

static void do_expect(struct scenario *s)
{
	char got[32] = "none";

	if (fake_reply.given)
		(void)snprintf(got, sizeof(got), "%u.%02u", (unsigned)fake_reply.code >> 5,
			       (unsigned)fake_reply.code & 31u);
	expect_text(s, "answer", got, word_at(1));
	if (strcmp(got, word_at(1)) != 0)
		printf("#   payload: %.*s\n", (int)fake_reply.len,
		       (const char *)fake_reply.payload);
}

static void do_expect_directive(struct scenario *s)
{
	static const char *const actions[] = {"none", "pending", "update"};
	struct wire_msg msg;
	struct directive v = {.next_check_in_s = -1};

	if (wire_cbor_decode((struct bytes){fake_reply.payload, fake_reply.len}, &msg)) {
		fail(s, "no directive: %s", msg.fault.text);
		return;
	}
	WIRE_EACH(n, &msg)
	{
		if (n->key == 0)
			v.action = (enum directive_action)n->number;
		else if (n->key == 1)
			v.attempt = n->number;
		else if (n->key == 2)
			memcpy(v.version, n->bytes.ptr, n->bytes.len);
		else if (n->key == 6)
			v.flags = (unsigned)n->number;
		else if (n->key == 8)
			v.next_check_in_s = (int64_t)n->number;
	}
	if (v.action == DIRECTIVE_UPDATE)
		s->attempt = v.attempt;
	expect_text(s, "directive", actions[v.action], word_at(1));
	if (value_of("version"))
		expect_text(s, "version", v.version, value_of("version"));
	if (number_of("fresh", v.flags & 1) != (v.flags & 1))
		fail(s, "fresh is %u", v.flags & 1);
	if (number_of("force", (v.flags & 2) / 2) != (v.flags & 2) / 2)
		fail(s, "force is %u", (v.flags & 2) / 2);
	bool soon = v.next_check_in_s > 0 && v.next_check_in_s <= 60;
	if (number_of("soon", soon) != soon)
		fail(s, "next check-in is %lld", (long long)v.next_check_in_s);
}

static bool collect_event(void *ctx, const struct store_event_row *e)
{
	struct scenario *s = ctx;
	size_t used = strlen(s->events);

	if (e->seq != s->events_seen + 1)
		fail(s, "gap in the event sequence at %llu", (unsigned long long)e->seq);
	s->events_seen = e->seq;
	if (strcmp(e->topic, "device/online") == 0 || strcmp(e->topic, "device/offline") == 0)
		return true;
	(void)snprintf(s->events + used, sizeof(s->events) - used, "%s%s%s%s", used ? " " : "",
		       e->topic, e->data[0] ? ":" : "", e->data);
	return true;
}

static void do_expect_events(struct scenario *s)
{
	char want[2048] = "";

	s->events[0] = 0;
	if (store_events(s->store, s->events_seen, "", 1000, collect_event, s))
		fail(s, "events cannot be read");
	for (unsigned i = 1; i < word_count; i++) {
		(void)strncat(want, i > 1 ? " " : "", sizeof(want) - strlen(want) - 1);
		(void)strncat(want, words[i], sizeof(want) - strlen(want) - 1);
	}
	expect_text(s, "event list", s->events, want);
}

/* One key=value of an attempt or device; false: no such key. */
static void attempt_value(const struct attempt *a, const char *key, char dst[80])
{
	unsigned rungs = 0;

	while (rungs < RUNG_COUNT && a->rung_ms[rungs])
		rungs++;
	if (strcmp(key, "state") == 0)
		(void)snprintf(dst, 80, "%s", attempt_state_name(a->state));
	else if (strcmp(key, "verdict") == 0)
		(void)snprintf(dst, 80, "%s", verdict_name(a->verdict));
	else if (strcmp(key, "grade") == 0)
		(void)snprintf(dst, 80, "%s", grade_name(a->grade));
	else if (strcmp(key, "via") == 0)
		(void)snprintf(dst, 80, "%s", via_name(a->via));
	else if (strcmp(key, "reason") == 0)
		(void)snprintf(dst, 80, "%s", reason_name(a->reason));
	else if (strcmp(key, "charged") == 0)
		(void)snprintf(dst, 80, "%d", a->charged);
	else if (strcmp(key, "interruptions") == 0)
		(void)snprintf(dst, 80, "%u", a->interruptions);
	else if (strcmp(key, "served") == 0)
		(void)snprintf(dst, 80, "%lld", (long long)a->served_bytes);
	else if (strcmp(key, "fresh") == 0)
		(void)snprintf(dst, 80, "%d", a->fresh);
	else if (strcmp(key, "version") == 0)
		(void)snprintf(dst, 80, "%s", a->version);
	else if (strcmp(key, "required") == 0)
		(void)snprintf(dst, 80, "%u", a->required);
	else
		(void)snprintf(dst, 80, "(no such key)");
}

static void device_value(const struct device *d, const char *key, char dst[80])
{
	if (strcmp(key, "hold") == 0)
		(void)snprintf(dst, 80, "%s", hold_name(d->hold));
	else if (strcmp(key, "boot") == 0)
		(void)snprintf(dst, 80, "%u", d->boots.seq);
	else if (strcmp(key, "drifted") == 0)
		(void)snprintf(dst, 80, "%d", d->drifted);
	else if (strcmp(key, "online") == 0)
		(void)snprintf(dst, 80, "%d", d->online);
	else if (strcmp(key, "resets") == 0)
		(void)snprintf(dst, 80, "%u", d->resets);
	else
		(void)snprintf(dst, 80, "(no such key)");
}

static void do_expect_values(struct scenario *s, bool attempt)
{
	struct device d;
	struct attempt a;
	char got[80];

	if (store_device(s->store, word_at(1), &d)) {
		fail(s, "no device %s", word_at(1));
		return;
	}
	if (attempt && store_attempt(s->store, d.attempt ? d.attempt : d.last_attempt, &a)) {
		fail(s, "no attempt");
		return;
	}
	for (unsigned i = 2; i < word_count; i++) {
		char *equals = strchr(words[i], '=');
		if (!equals) {
			fail(s, "%s is not key=value", words[i]);
			continue;
		}
		*equals = 0;
		if (attempt)
			attempt_value(&a, words[i], got);
		else
			device_value(&d, words[i], got);
		expect_text(s, words[i], got, equals + 1);
	}
}

static void join_words(char *want, size_t cap)
{
	want[0] = 0;
	for (unsigned i = 2; i < word_count; i++) {
		(void)strncat(want, i > 2 ? " " : "", cap - strlen(want) - 1);
		(void)strncat(want, words[i], cap - strlen(want) - 1);
	}
}

static void do_expect_diagnoses(struct scenario *s)
{
	struct device d;
	struct diagnoses dg = {0};
	char got[512] = "", want[512];

	if (store_device(s->store, word_at(1), &d) ||
	    store_diagnoses(s->store, d.last_attempt, &dg)) {
		fail(s, "no diagnoses");
		return;
	}
	for (unsigned i = 0; i < dg.count; i++) {
		(void)strncat(got, i ? " " : "", sizeof(got) - strlen(got) - 1);
		(void)strncat(got, diagnosis_name(dg.list[i].kind), sizeof(got) - strlen(got) - 1);
	}
	join_words(want, sizeof(want));
	expect_text(s, "diagnoses", got, want);
}

static void do_expect_blocked(struct scenario *s)
{
	struct engine_device v;
	char got[512] = "", want[512];

	if (engine_device(s->engine, word_at(1), &v)) {
		fail(s, "no device");
		return;
	}
	for (unsigned b = 0; b < BLOCK_COUNT; b++) {
		if (!(v.plan.blocked & 1u << b))
			continue;
		(void)strncat(got, got[0] ? " " : "", sizeof(got) - strlen(got) - 1);
		(void)strncat(got, block_name((enum block)b), sizeof(got) - strlen(got) - 1);
	}
	join_words(want, sizeof(want));
	expect_text(s, "blocked", got, want);
}

/* ---- lines ---- */

static void do_device_act(struct scenario *s, enum operator_act act)
{
	engine_device_act(s->engine, word_at(1), act, act_done, s);
}

static void run_time(struct scenario *s, const char *verb)
{
	int64_t seconds = strtoll(word_at(1), NULL, 0);

	if (strcmp(verb, "ELAPSE") == 0) {
		elapse(s, seconds);
	} else if (strcmp(verb, "CLOCK-STEP") == 0) {
		fake_wall_ms += seconds * 1000;
		elapse(s, 1);
	} else {
		world_stop(s, strcmp(verb, "RESTART") == 0);
		fake_wall_ms += seconds * 1000;
		fake_now_ms += seconds * 1000;
		world_start(s);
	}
}

static bool run_act(struct scenario *s, const char *verb)
{
	if (strcmp(verb, "PRODUCT") == 0)
		do_product(s);
	else if (strcmp(verb, "RELEASE") == 0)
		do_release(s);
	else if (strcmp(verb, "DEVICE") == 0)
		do_device(s);
	else if (strcmp(verb, "TARGET") == 0)
		engine_product_target(s->engine, word_at(1),
				      strcmp(word_at(2), "none") ? word_at(2) : "", act_done, s);
	else if (strcmp(verb, "REMOVE-RELEASE") == 0)
		engine_release_remove(s->engine, word_at(1), word_at(2), act_done, s);
	else if (strcmp(verb, "LOCK") == 0)
		engine_device_lock(s->engine, word_at(1), word_at(2), act_done, s);
	else if (strcmp(verb, "UNLOCK") == 0)
		engine_device_lock(s->engine, word_at(1), "", act_done, s);
	else if (strcmp(verb, "FORCE") == 0)
		do_device_act(s, OPERATOR_FORCE);
	else if (strcmp(verb, "UNFORCE") == 0)
		do_device_act(s, OPERATOR_UNFORCE);
	else if (strcmp(verb, "HOLD") == 0)
		do_device_act(s, OPERATOR_HOLD);
	else if (strcmp(verb, "UNHOLD") == 0)
		do_device_act(s, OPERATOR_UNHOLD);
	else if (strcmp(verb, "REMOVE") == 0)
		engine_device_remove(s->engine, word_at(1), act_done, s);
	else if (strcmp(verb, "CANCEL") == 0)
		do_cancel(s);
	else
		return false;
	settle(s);
	return true;
}

static bool run_expect(struct scenario *s, const char *verb)
{
	if (strcmp(verb, "EXPECT") == 0)
		do_expect(s);
	else if (strcmp(verb, "EXPECT-ACT") == 0)
		expect_text(s, "act", s->act_err ? err_word(s->act_err) : "0", word_at(1));
	else if (strcmp(verb, "EXPECT-DIRECTIVE") == 0)
		do_expect_directive(s);
	else if (strcmp(verb, "EXPECT-EVENTS") == 0)
		do_expect_events(s);
	else if (strcmp(verb, "EXPECT-ATTEMPT") == 0)
		do_expect_values(s, true);
	else if (strcmp(verb, "EXPECT-DEVICE") == 0)
		do_expect_values(s, false);
	else if (strcmp(verb, "EXPECT-DIAGNOSES") == 0)
		do_expect_diagnoses(s);
	else if (strcmp(verb, "EXPECT-BLOCKED") == 0)
		do_expect_blocked(s);
	else
		return false;
	return true;
}

static void run_session(struct scenario *s, const char *verb)
{
	struct net_peer *peer = NULL;
	char got[24];

	if (strcmp(verb, "SESSION") == 0) {
		if (!session(s, word_at(1), word_at(2)))
			fail(s, "the session was refused");
		return;
	}
	peer = session(s, word_at(1), NULL);
	if (!peer) {
		fail(s, "no such session");
		return;
	}
	(void)snprintf(got, sizeof(got), "%u",
		       strcmp(verb, "EXPECT-RINGS") == 0 ? peer->rings : (unsigned)peer->closed);
	expect_text(s, verb, got, word_at(2));
}

static void run_line(struct scenario *s, char *line)
{
	char *save = NULL;

	word_count = 0;
	line[strcspn(line, "#\n")] = 0;
	for (char *w = strtok_r(line, " \t", &save); w && word_count < WORDS_MAX;
	     w = strtok_r(NULL, " \t", &save))
		words[word_count++] = w;
	if (word_count == 0)
		return;
	const char *verb = words[0];
	if (strcmp(verb, "REPORT") == 0)
		do_report(s);
	else if (strcmp(verb, "STATUS") == 0)
		do_status(s);
	else if (strcmp(verb, "GET") == 0)
		do_get(s);
	else if (strcmp(verb, "ELAPSE") == 0 || strcmp(verb, "CLOCK-STEP") == 0 ||
		 strcmp(verb, "RESTART") == 0 || strcmp(verb, "CRASH") == 0)
		run_time(s, verb);
	else if (strcmp(verb, "SESSION") == 0 || strcmp(verb, "EXPECT-RINGS") == 0 ||
		 strcmp(verb, "EXPECT-CLOSED") == 0)
		run_session(s, verb);
	else if (!run_act(s, verb) && !run_expect(s, verb))
		fail(s, "unknown line: %s", verb);
}

static void remove_dir(const char *dir)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	if (system(command))
		printf("# could not remove %s\n", dir);
}

static bool run_file(const char *file)
{
	static struct scenario s;
	char line[1024];
	FILE *in = fopen(file, "r");

	if (!in) {
		printf("# cannot open %s\n", file);
		return false;
	}
	memset(&s, 0, sizeof(s));
	s.file = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
	(void)snprintf(s.dir, sizeof(s.dir), "/tmp/postboot-scenario-XXXXXX");
	if (!mkdtemp(s.dir))
		abort();
	world_start(&s);
	while (fgets(line, sizeof(line), in)) {
		s.line++;
		run_line(&s, line);
	}
	(void)fclose(in);
	world_stop(&s, true);
	remove_dir(s.dir);
	return s.failed == 0;
}

int main(int argc, char **argv)
{
	int failed = 0;

	log_set_level(getenv("SCENARIO_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERR);
	printf("1..%d\n", argc - 1);
	for (int i = 1; i < argc; i++) {
		bool ok = run_file(argv[i]);
		const char *name = strrchr(argv[i], '/');
		printf("%sok %d - scenario %s\n", ok ? "" : "not ", i, name ? name + 1 : argv[i]);
		failed += !ok;
	}
	return failed != 0;
}
