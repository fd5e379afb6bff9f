/* SPDX-License-Identifier: Apache-2.0
 *
 * The world of a stampede.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/audit.h"
#include "stampede.h"

struct stampede w;

/* splitmix64 */
uint64_t chance(uint64_t below)
{
	uint64_t z = w.seed += 0x9e3779b97f4a7c15u;

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

void boot_of(const struct unit *u, uint8_t id[8])
{
	uint64_t n = (uint64_t)(u - w.units) * 2 + (u->step == BACK);

	memset(id, 0x5a, 8);
	memcpy(id, &n, 6);
}

/* ---- the world ---- */

static void engine_begin(void)
{
	char path[128];
	struct store_conf conf = {.path = path, .inline_commit = true, .hash = audit_sha256};
	int64_t limit = w.trial->tokens_of ? w.count / w.trial->tokens_of : 0;
	struct engine_conf e = {.loop = &w.loop,
				.device_json = true,
				.max_downloads = limit,
				.image_rate = w.trial->rate * w.count};

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

void deliver(void)
{
	while (store_deliver(w.store) > 0)
		;
}

void engine_end(void)
{
	engine_stop(w.engine, NULL, NULL);
	deliver();
	for (unsigned i = 0; i < w.count; i++)
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

static void act_done(void *ctx, const struct engine_result *result)
{
	(void)ctx;
	if (result->err)
		abort();
}

static void make_release(int64_t product, const struct actor *by)
{
	static const uint8_t bytes[IMAGE] = "an image";
	struct release r = {.product = product, .version = "2", .size_bytes = IMAGE};
	struct images_upload *up;
	size_t taken;

	stored_at = NULL;
	if (images_upload_new(w.images, IMAGE, no_room, NULL, &up))
		abort();
	for (size_t at = 0; at < IMAGE; at += taken) {
		if (images_upload_write(up, bytes + at, IMAGE - at, &taken))
			abort();
		if (taken == 0)
			uv_run(&w.loop, UV_RUN_ONCE);
	}
	images_upload_finish_take(up, stored, r.sha256);
	while (!stored_at)
		uv_run(&w.loop, UV_RUN_ONCE);
	r.running_count = 1;
	r.running[0] = (struct digest){.kind = DIGEST_FILE, .len = DIGEST_SHA256};
	memcpy(r.running[0].value, r.sha256, DIGEST_SHA256);
	engine_release_add(w.engine, by, &r, act_done, NULL);
	deliver();
	images_unpin(w.images, r.sha256);
	struct buf b = buf_writer(w.fw, sizeof(w.fw));
	buf_put_str(&b, "fw/");
	buf_put_hex(&b, r.sha256, 8);
	(void)buf_cstr(&b);
}

static void set_done(void *ctx, const struct store_result *result)
{
	(void)ctx;
	if (result->err)
		abort();
}

static void make_device(struct store_set *set, int64_t product, struct unit *u, unsigned i)
{
	struct device d = {.product = product,
			   .certified = true,
			   .has_report = true,
			   .online = true,
			   .protocol = "native"};
	uint32_t resets;

	(void)snprintf(d.id, sizeof(d.id), "unit-%06u", i);
	memcpy(u->peer.identity, d.id, sizeof(d.id));
	u->peer.certified = true;
	report_init(&d.report);
	d.report.boot.len = 8;
	boot_of(u, d.report.boot.bytes);
	memcpy(d.report.version, "1", 2);
	d.report.interval_s = INTERVAL_S;
	d.report.capabilities = CAP_RESUME;
	d.report.has_capabilities = true;
	d.created_ms = d.report_ms = d.seen_ms = fake_wall_ms;
	d.offline_at_ms = fake_wall_ms + (int64_t)7 * 86400 * 1000;
	(void)boots_note(&d.boots, &d.report.boot, false, 0, fake_wall_ms, &resets);
	store_set_device(set, &d);
}

void make_world(void)
{
	const struct actor by = {.uid = 1000, .pid = 1, .name = "somebody"};
	struct product p = {.name = "p"};

	engine_begin();
	policy_init(&p.policy);
	p.policy.total_s = (int64_t)7 * 86400;
	p.policy.check_in_s = INTERVAL_S;
	engine_product_add(w.engine, &by, &p, act_done, NULL);
	deliver();
	int64_t product = catalog_product_named(w.engine, "p")->id;
	make_release(product, &by);
	engine_product_target(w.engine, &by, "p", "2", act_done, NULL);
	deliver();
	for (unsigned i = 0; i < w.count; i += 1000) {
		struct store_set *set = store_set_new(set_done, NULL);
		for (unsigned k = i; k < w.count && k < i + 1000; k++)
			make_device(set, product, &w.units[k], k);
		store_submit(w.store, set);
		deliver();
	}
	engine_end();
	fake_now_ms += 3600000;
	fake_wall_ms += 3600000;
	engine_begin();
	for (unsigned i = 0; i < w.count; i++) {
		struct unit *u = &w.units[i];
		u->peer.since_ms = fake_now_ms;
		if (!engine_net_callbacks()->peer_up(w.engine, &u->peer,
						     net_peer_identity(&u->peer)))
			abort();
		engine_net_callbacks()->peer_sleeps(w.engine, &u->peer);
	}
}
