/* SPDX-License-Identifier: Apache-2.0
 *
 * bench-fill DATABASE DEVICES EVENTS: a fleet with a past, written through the store, for
 * bench-scale.sh. The database has a product with the releases 1.0.0, 1.1.0 (its target) and at
 * least one group. Every device runs 1.0.0 and got there by an attempt that is told with the
 * device's share of the events; one in a hundred has an open attempt to 1.1.0. One in 200 is held,
 * one in 1,000 a development device, locked, or drifted; three of ten are online. */
#include <errno.h>
#include <mbedtls/sha256.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store.h"

enum {
	GROUPS_MAX = 64,
	IN_FLIGHT = 512,
	SITES = 1000,
	DAY_MS = 24 * 3600 * 1000,
	INTERVAL_S = 3600,
	PSK_BYTES = 16,
};

struct fill {
	struct store *store;
	struct product product;
	struct release from, to;
	int64_t groups[GROUPS_MAX];
	unsigned group_count, devices, in_flight;
	unsigned long events; /* of each device */
	int64_t now_ms;
	sem_t wake;
	int err;
};

static void die(const char *what, int err)
{
	fprintf(stderr, "bench-fill: %s: %s\n", what, err_text(err));
	exit(1);
}

static int sha256(const void *ptr, size_t len, uint8_t ret_hash[STORE_HASH])
{
	return mbedtls_sha256(ptr, len, ret_hash, 0) ? ERR_CRYPTO : 0;
}

static void on_wake(void *ctx)
{
	struct fill *f = ctx;

	sem_post(&f->wake);
}

static void on_done(void *ctx, const struct store_result *result)
{
	struct fill *f = ctx;

	f->in_flight--;
	if (result->err)
		f->err = result->err;
}

static void deliver(struct fill *f)
{
	while (store_deliver(f->store) == 0)
		while (sem_wait(&f->wake) && errno == EINTR)
			;
	if (f->err)
		die(store_error(f->store), f->err);
}

/* ---- what there is ---- */

static bool keep_product(void *ctx, const struct product *p)
{
	struct fill *f = ctx;

	f->product = *p;
	return false;
}

static bool keep_group(void *ctx, const struct device_group *g)
{
	struct fill *f = ctx;

	f->groups[f->group_count++] = g->id;
	return f->group_count < GROUPS_MAX;
}

static void look(struct fill *f)
{
	int err = store_products(f->store, "", 1, keep_product, f);

	if (!err)
		err = store_groups(f->store, 0, GROUPS_MAX, keep_group, f);
	if (!err)
		err = store_release_by_version(f->store, f->product.id, "1.0.0", &f->from);
	if (!err)
		err = store_release_by_version(f->store, f->product.id, "1.1.0", &f->to);
	if (err || !f->group_count)
		die("product, releases, groups", err ? err : ERR_NOENT);
}

/* ---- a device ---- */

static void say_report(struct device *d, unsigned i, int64_t now_ms)
{
	struct report *r = &d->report;

	report_init(r);
	(void)buf_copy_str(r->version, sizeof(r->version), "1.0.0");
	(void)buf_copy_str(r->hardware, sizeof(r->hardware), i % 3 ? "rev-b" : "rev-c");
	r->boot.len = 8;
	memcpy(r->boot.bytes, &i, sizeof(i));
	r->confirmed = 1;
	r->updates_enabled = 1;
	r->interval_s = INTERVAL_S;
	r->uptime_s = 86400;
	r->battery_percent = 50 + i % 50;
	r->slot_bytes = 1 << 20;
	d->has_report = true;
	d->report_ms = d->seen_ms = now_ms - i % DAY_MS;
	d->boots.count = 2;
	d->boots.seq = 2;
	for (unsigned n = 0; n < 2; n++) {
		d->boots.slot[n].id = r->boot;
		d->boots.slot[n].id.bytes[7] = (uint8_t)n;
		d->boots.slot[n].seq = 2 - n;
		d->boots.slot[n].seen_ms = d->report_ms - n * DAY_MS;
		d->boots.slot[n].replaced_ms = n ? d->report_ms : 0;
	}
}

static void make_device(const struct fill *f, unsigned i, struct device *d)
{
	*d = (struct device){.product = f->product.id,
			     .created_ms = f->now_ms - 30LL * DAY_MS,
			     .group = f->groups[i % f->group_count],
			     .online = i % 10 < 3,
			     .interval_learned_s = INTERVAL_S,
			     .resets = 2};
	(void)snprintf(d->id, sizeof(d->id), "bench-%06u", i);
	(void)buf_copy_str(d->protocol, sizeof(d->protocol), "native");
	say_report(d, i, f->now_ms);
	if (d->online)
		d->offline_at_ms = f->now_ms + DAY_MS;
	d->development = i % 1000 == 1;
	d->lock = i % 1000 == 2 ? f->from.id : 0;
	d->drifted = i % 1000 == 3;
	if (i % 200 == 7) {
		d->hold = HOLD_OPERATOR;
		d->held_ms = f->now_ms;
	}
	d->last_attempt = 2 * (uint64_t)i + 1;
	d->settled = f->from.id;
	if (i % 100 == 50) {
		d->attempt = 2 * (uint64_t)i + 2;
		d->planned = f->to.id;
	}
}

static void make_attempt(const struct fill *f, const struct device *d, uint64_t id,
			 const struct release *r, struct attempt *a)
{
	*a = (struct attempt){.id = id,
			      .product = r->product,
			      .release = r->id,
			      .size_bytes = r->size_bytes,
			      .base_boot = 1,
			      .start_offset = -1,
			      .started = true,
			      .heard = true,
			      .state = ATTEMPT_TRANSFERRING,
			      .created_ms = f->now_ms - DAY_MS,
			      .state_ms = f->now_ms - DAY_MS,
			      .stall_at_ms = f->now_ms + DAY_MS,
			      .total_at_ms = f->now_ms + DAY_MS};
	memcpy(a->device, d->id, sizeof(a->device));
	memcpy(a->version, r->version, sizeof(a->version));
	memcpy(a->sha256, r->sha256, sizeof(a->sha256));
	(void)buf_copy_str(a->base_version, sizeof(a->base_version), "0.9.0");
	a->rung_ms[RUNG_OFFERED] = a->rung_ms[RUNG_STARTED] = a->created_ms;
	if (id == d->attempt)
		return;
	a->state = ATTEMPT_CLOSED;
	a->verdict = VERDICT_UPDATED;
	a->via = VIA_OTA;
	a->grade = GRADE_STRONG;
	a->stall_at_ms = a->total_at_ms = 0;
	a->closed_ms = a->target_ms = f->now_ms - DAY_MS / 2;
	a->served_bytes = a->served_high = r->size_bytes;
}

/* ---- its events ---- */

static void put_events(const struct fill *f, struct store_set *set, const struct device *d)
{
	static const char json[] = "{\"product\":\"bench\",\"from\":\"0.9.0\",\"to\":\"1.0.0\","
				   "\"release\":1,\"bytes_served\":524288,\"cached\":false}";
	struct store_event e = {
		.data = "", .device = d->id, .json = json, .at_ms = f->now_ms - DAY_MS};

	for (unsigned long n = 0; n + 2 < f->events - (d->attempt != 0); n++) {
		e.topic = "device/report";
		store_set_event(set, &e);
	}
	e.topic = "flash/status";
	e.attempt = d->last_attempt;
	e.data = "started";
	store_set_event(set, &e);
	e.data = "success";
	store_set_event(set, &e);
	e.attempt = d->attempt;
	e.data = "started";
	if (d->attempt)
		store_set_event(set, &e);
}

static void put(struct fill *f, unsigned i)
{
	struct store_set *set = store_set_new(on_done, f);
	struct store_key key = {
		.slot = KEY_CURRENT, .form = KEY_CLEAR, .value_len = PSK_BYTES, .set_ms = 1};
	char site[LIMIT_TAG + 1];
	struct attempt a;
	struct device d;

	make_device(f, i, &d);
	store_set_device(set, &d);
	store_set_device_group(set, d.id, d.group, d.group_ms);
	memcpy(key.device, d.id, sizeof(key.device));
	memcpy(key.value, &i, sizeof(i));
	key.mac_len = key.value_len;
	memcpy(key.mac, key.value, key.value_len);
	store_set_key(set, &key);
	(void)snprintf(site, sizeof(site), "site=%u", i % SITES);
	store_set_tag(set, d.id, site, true);
	if (i % 100 == 0)
		store_set_tag(set, d.id, "pilot", true);
	make_attempt(f, &d, d.last_attempt, &f->from, &a);
	store_set_attempt(set, &a);
	if (d.attempt) {
		make_attempt(f, &d, d.attempt, &f->to, &a);
		store_set_attempt(set, &a);
	}
	put_events(f, set, &d);
	f->in_flight++;
	store_submit(f->store, set);
}

int main(int argc, char **argv)
{
	struct fill f = {.now_ms = clock_read().wall_ms};
	struct store_conf conf = {
		.wake = on_wake, .wake_ctx = &f, .hash = sha256, .path = argc > 1 ? argv[1] : ""};

	f.devices = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
	f.events = argc > 3 && f.devices ? strtoul(argv[3], NULL, 10) / f.devices : 0;
	if (f.events < 4) {
		fprintf(stderr, "usage: bench-fill DATABASE DEVICES EVENTS (4 for each device)\n");
		return 2;
	}
	sem_init(&f.wake, 0, 0);
	int err = store_open(&conf, &f.store);
	if (err)
		die(argv[1], err);
	look(&f);
	for (unsigned i = 0; i < f.devices; i++) {
		put(&f, i);
		while (f.in_flight >= IN_FLIGHT)
			deliver(&f);
	}
	while (f.in_flight)
		deliver(&f);
	store_close(f.store);
	return 0;
}
