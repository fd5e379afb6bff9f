/* SPDX-License-Identifier: Apache-2.0
 *
 * The world of a crowd.
 */
#include "crowd.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/audit.h"

struct crowd w;
const struct actor crowd_operator = {.uid = 1000, .pid = 1, .name = "somebody"};
const char *expect_about = "";

void expect(bool good, const char *fmt, ...)
{
	va_list ap;

	printf("%s %u - %s: ", good ? "ok" : "not ok", ++w.told, expect_about);
	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	w.failed += !good;
}

/* splitmix64 */
uint64_t chance(uint64_t below)
{
	uint64_t z = w.conf.seed += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (z ^ (z >> 31)) % below;
}

/* ---- events ---- */

static void heap_put(size_t i, struct unit *u)
{
	w.heap[i] = u;
	u->heap = i;
}

static void heap_up(size_t i, struct unit *u)
{
	for (; i > 0 && w.heap[(i - 1) / 2]->at_ms > u->at_ms; i = (i - 1) / 2)
		heap_put(i, w.heap[(i - 1) / 2]);
	heap_put(i, u);
}

static void heap_down(size_t i, struct unit *u)
{
	for (size_t child = 2 * i + 1; child < w.heap_count; child = 2 * i + 1) {
		if (child + 1 < w.heap_count && w.heap[child + 1]->at_ms < w.heap[child]->at_ms)
			child++;
		if (w.heap[child]->at_ms >= u->at_ms)
			break;
		heap_put(i, w.heap[child]);
		i = child;
	}
	heap_put(i, u);
}

void heap_remove(struct unit *u)
{
	struct unit *last = w.heap[--w.heap_count];
	size_t i = u->heap;

	u->at_ms = 0;
	if (last == u)
		return;
	heap_put(i, last);
	heap_up(i, last);
	heap_down(last->heap, last);
}

void later(struct unit *u, enum step step, int64_t in_ms)
{
	if (u->at_ms)
		heap_remove(u);
	u->step = step;
	u->at_ms = fake_now_ms + (in_ms > 0 ? in_ms : 1);
	heap_up(w.heap_count++, u);
}

static void advance(int64_t to_ms)
{
	if (to_ms <= fake_now_ms)
		return;
	fake_wall_ms += to_ms - fake_now_ms;
	fake_now_ms = to_ms;
}

/* Answers, and those who have theirs let go of their device. */
static void answer(void)
{
	deliver();
	for (size_t i = 0; i < w.asked_count; i++)
		if (!w.asked[i]->waits)
			engine_net_callbacks()->peer_sleeps(w.engine, &w.asked[i]->peer);
	w.asked_count = 0;
}

/* All that comes until the answers are due. */
static void run_until(int64_t end_ms, void (*run)(struct unit *u))
{
	while (w.heap_count && w.heap[0]->at_ms <= end_ms) {
		advance(w.heap[0]->at_ms);
		run(w.heap[0]);
	}
	advance(end_ms);
	answer();
}

static void tick(void)
{
	struct timespec from, to;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	engine_tick(w.engine);
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	int64_t us = (to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000;
	w.slowest_us = us > w.slowest_us ? us : w.slowest_us;
	answer();
}

void crowd_pass(int64_t end_ms, bool (*over)(void), void (*run)(struct unit *u), void (*look)(void))
{
	int64_t tick_ms = fake_now_ms, pace_ms = fake_now_ms;

	while (!over() && fake_now_ms < end_ms) {
		int64_t next = w.heap_count ? w.heap[0]->at_ms : tick_ms;
		next = next < tick_ms ? next : tick_ms;
		if (w.engine->pacer.held && pace_ms < next)
			next = pace_ms;
		advance(next);
		if (w.engine->pacer.held && fake_now_ms >= pace_ms) {
			pace_step(w.engine);
			answer();
			pace_ms = fake_now_ms + PACE_MS;
		}
		if (fake_now_ms >= tick_ms) {
			tick();
			look();
			tick_ms = fake_now_ms + w.conf.tick_ms;
		}
		if (w.heap_count && w.heap[0]->at_ms <= fake_now_ms) {
			int64_t until = fake_now_ms + w.conf.commit_ms;
			run_until(until < tick_ms ? until : tick_ms, run);
		}
	}
}

void deliver(void)
{
	while (store_deliver(w.store) > 0)
		;
}

/* ---- the server ---- */

void crowd_server_begin(void)
{
	char path[128];
	struct store_conf conf = {
		.path = path, .inline_commit = true, .late_commit = true, .hash = audit_sha256};
	struct engine_conf e = {.loop = &w.loop,
				.device_json = true,
				.max_downloads = w.conf.max_downloads,
				.image_rate = w.conf.image_rate};

	(void)snprintf(path, sizeof(path), "%s/images", w.dir);
	if (uv_loop_init(&w.loop) || images_new(&w.loop, path, 1 << 20, &w.images))
		abort();
	(void)snprintf(path, sizeof(path), "%s/db", w.dir);
	if (store_open(&conf, &w.store))
		abort();
	e.store = w.store;
	e.images = w.images;
	if (engine_new(&e, &w.engine) || engine_start(w.engine))
		abort();
}

void crowd_server_end(void)
{
	engine_stop(w.engine, NULL, NULL);
	deliver();
	for (unsigned i = 0; i < w.conf.count; i++)
		if (w.units[i].peer.user)
			engine_net_callbacks()->peer_gone(w.engine, &w.units[i].peer,
							  NET_GONE_LOCAL);
	uv_run(&w.loop, UV_RUN_DEFAULT);
	deliver();
	engine_free(w.engine);
	store_close(w.store);
	images_free(w.images);
	uv_run(&w.loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&w.loop))
		abort();
}

void crowd_acted(void *ctx, const struct engine_result *result)
{
	(void)ctx;
	w.act_wrong = result->err != 0;
	if (result->err)
		printf("# an act was refused: %s\n", result->why ? result->why : "");
}

void crowd_begin(const struct crowd_conf *conf)
{
	const char *tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	unsigned told = w.told, failed = w.failed;
	struct product p = {.name = "p"};

	w = (struct crowd){.conf = *conf, .told = told, .failed = failed};
	(void)snprintf(w.dir, sizeof(w.dir), "%s/postboot-crowd-XXXXXX", tmp);
	w.units = calloc(conf->count, sizeof(*w.units));
	w.heap = calloc(conf->count, sizeof(struct unit *));
	w.asked = calloc(conf->count, sizeof(struct unit *));
	if (!mkdtemp(w.dir) || !w.units || !w.heap || !w.asked)
		abort();
	crowd_server_begin();
	policy_init(&p.policy);
	p.policy.total_s = (int64_t)7 * 86400;
	p.policy.check_in_s = conf->check_in_s;
	engine_product_add(w.engine, &crowd_operator, &p, crowd_acted, NULL);
	deliver();
	w.product = catalog_product_named(w.engine, "p")->id;
}

void crowd_end(void)
{
	char command[100];

	crowd_server_end();
	free(w.units);
	free(w.heap);
	free(w.asked);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", w.dir);
	if (system(command) != 0) // NOLINT(cert-env33-c,concurrency-mt-unsafe)
		printf("# could not remove %s\n", w.dir);
}

/* ---- what it knows ---- */

static void no_room(void *ctx)
{
	(void)ctx;
}

static uint8_t *stored_at;

static void stored(void *ctx, int err, const uint8_t sha256[DIGEST_SHA256], int64_t size_bytes)
{
	(void)size_bytes;
	if (err)
		abort();
	memcpy(ctx, sha256, DIGEST_SHA256);
	stored_at = ctx;
}

void crowd_release(char version)
{
	struct release r = {
		.product = w.product, .version = {version}, .size_bytes = (int64_t)w.conf.image};
	uint8_t *bytes = calloc(1, w.conf.image);
	struct images_upload *up;
	size_t taken;

	stored_at = NULL;
	if (!bytes || images_upload_new(w.images, r.size_bytes, no_room, NULL, &up))
		abort();
	bytes[0] = (uint8_t)version;
	for (size_t at = 0; at < w.conf.image; at += taken) {
		if (images_upload_write(up, bytes + at, w.conf.image - at, &taken))
			abort();
		if (taken == 0)
			uv_run(&w.loop, UV_RUN_ONCE);
	}
	images_upload_finish_take(up, stored, r.sha256);
	while (!stored_at)
		uv_run(&w.loop, UV_RUN_ONCE);
	free(bytes);
	r.running_count = 1;
	r.running[0] = (struct digest){.kind = DIGEST_FILE, .len = DIGEST_SHA256};
	memcpy(r.running[0].value, r.sha256, DIGEST_SHA256);
	w.digest[version - '0'] = r.running[0];
	engine_release_add(w.engine, &crowd_operator, &r, crowd_acted, NULL);
	deliver();
	images_unpin(w.images, r.sha256);
}

void crowd_target(const char *version)
{
	engine_product_target(w.engine, &crowd_operator, "p", version, crowd_acted, NULL);
	deliver();
}

void boot_of(const struct unit *u, uint8_t id[8])
{
	uint64_t n = (uint64_t)(u - w.units) << 16 | u->boot;

	memset(id, 0x5a, 8);
	memcpy(id, &n, 7);
}

static void set_done(void *ctx, const struct store_result *result)
{
	(void)ctx;
	if (result->err)
		abort();
}

static void make_device(struct store_set *set, struct unit *u, unsigned i)
{
	struct device d = {.product = w.product,
			   .certified = true,
			   .has_report = true,
			   .online = true,
			   .protocol = "native"};
	uint32_t resets;

	(void)snprintf(d.id, sizeof(d.id), "unit-%06u", i);
	memcpy(u->peer.identity, d.id, sizeof(d.id));
	u->peer.certified = true;
	u->runs = u->says = '1';
	u->shows = w.conf.digests ? '1' : 0;
	u->interval_s = w.conf.interval_s;
	report_init(&d.report);
	d.report.boot.len = 8;
	boot_of(u, d.report.boot.bytes);
	d.report.version[0] = '1';
	d.report.interval_s = w.conf.interval_s;
	d.report.capabilities = CAP_RESUME;
	d.report.has_capabilities = true;
	if (w.conf.digests)
		d.report.running = w.digest[1];
	d.created_ms = d.report_ms = d.seen_ms = fake_wall_ms;
	d.offline_at_ms = fake_wall_ms + w.conf.offline_s * 1000;
	(void)boots_note(&d.boots, &d.report.boot, false, 0, fake_wall_ms, &resets);
	store_set_device(set, &d);
}

void crowd_devices(void)
{
	for (unsigned i = 0; i < w.conf.count; i += 1000) {
		struct store_set *set = store_set_new(set_done, NULL);
		for (unsigned k = i; k < w.conf.count && k < i + 1000; k++)
			make_device(set, &w.units[k], k);
		store_submit(w.store, set);
		deliver();
	}
}

void crowd_sessions(void)
{
	for (unsigned i = 0; i < w.conf.count; i++) {
		struct unit *u = &w.units[i];
		u->peer.since_ms = fake_now_ms;
		if (!engine_net_callbacks()->peer_up(w.engine, &u->peer,
						     net_peer_identity(&u->peer)))
			abort();
		engine_net_callbacks()->peer_sleeps(w.engine, &u->peer);
	}
}
