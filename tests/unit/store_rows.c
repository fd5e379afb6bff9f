/* SPDX-License-Identifier: Apache-2.0 */
#include "store_rows.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- every byte set ---- */

static uint32_t next_random(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

static void fill(void *ptr, size_t size, unsigned seed)
{
	uint32_t x = 2463534242U + seed * 7919U;

	for (size_t i = 0; i < size; i++)
		((uint8_t *)ptr)[i] = (uint8_t)(1 + next_random(&x) % 255);
}

/* Fields that cannot hold any byte. */
#define TEXT(field, seed) text((field), sizeof(field), seed)
static void text(char *dst, size_t cap, unsigned seed)
{
	size_t len = seed ? cap - seed : cap - 1; /* the longest, too */

	for (size_t i = 0; i < cap; i++)
		dst[i] = i < len ? (char)('!' + (unsigned char)dst[i] % 90) : 0;
}

#define FLAG(field, seed) ((field) = (((const uint8_t *)&(field))[0] + (seed)) % 2)
#define WORD(field, first, count, seed) ((field) = (first) + (seed) % (count))
#define SMALL(field) ((field) &= ATTEMPT_ID_MAX)

static void sized(uint8_t *bytes, uint8_t *len, size_t cap, unsigned seed)
{
	*len = (uint8_t)(seed == 1 ? 0 : cap - seed);
	memset(bytes + *len, 0, cap - *len);
}

static void boot_id(struct boot_id *id, unsigned seed)
{
	sized(id->bytes, &id->len, sizeof(id->bytes), seed);
	id->inferred = false; /* never stored: boots.backwards is what comes of it */
	id->has_count = seed % 2;
	if (!id->has_count)
		id->count = 0;
}

void rows_product(unsigned seed, struct product *ret)
{
	fill(ret, sizeof(*ret), seed);
	ret->id = ret->rev = ret->target = 0;
	TEXT(ret->name, seed);
	TEXT(ret->hardware, seed);
	TEXT(ret->windows, seed);
	TEXT(ret->time_zone, seed);
	TEXT(ret->protocol, seed);
	TEXT(ret->protocol_options, seed);
	for (size_t i = 0; i < POLICY_COUNT; i++) {
		const struct policy_row *row = &policy_rows[i];
		int64_t value = row->min + (int64_t)(i + seed * 3) % (row->max - row->min + 1);
		if (policy_set(&ret->policy, row, value))
			assert_int_equal(policy_set(&ret->policy, row, row->max), 0);
	}
}

void rows_release(unsigned seed, int64_t product, struct release *ret)
{
	fill(ret, sizeof(*ret), seed);
	ret->id = 0;
	ret->unavailable = false; /* never stored */
	ret->product = product;
	TEXT(ret->version, seed);
	ret->running_count = seed % (LIMIT_DIGEST_KINDS + 1);
	for (unsigned i = 0; i < LIMIT_DIGEST_KINDS; i++) {
		struct digest *d = &ret->running[i];
		d->kind = (uint8_t)(200 - i); /* their order is kept, whatever the kinds */
		d->len = (uint8_t)(LIMIT_DIGEST - i * 20);
		memset(d->value + d->len, 0, sizeof(d->value) - d->len);
		if (i >= ret->running_count)
			memset(d, 0, sizeof(*d));
	}
	FLAG(ret->no_digest, seed);
	FLAG(ret->no_confirm, seed);
	FLAG(ret->label_anyway, seed);
	FLAG(ret->image.encrypted, seed);
	WORD(ret->state, RELEASE_ACTIVE, RELEASE_WITHDRAWN + 1, seed);
	WORD(ret->image.format, IMAGE_PLAIN, IMAGE_ELF + 1, seed);
	ret->image.signatures %= 1U << IMAGE_SIGNATURE_COUNT;
	TEXT(ret->signed_by, seed);
	TEXT(ret->signed_key, seed);
	TEXT(ret->image.version, seed);
	TEXT(ret->image.hardware, seed);
	TEXT(ret->image.project, seed);
	TEXT(ret->image.detail, seed);
	TEXT(ret->requires.min_version, seed);
	TEXT(ret->requires.must_pass, seed);
	TEXT(ret->requires.hardware, seed);
	TEXT(ret->requires.boot_loader, seed);
	ret->requires.has_security_counter = seed % 2;
	if (!ret->requires.has_security_counter)
	ret->requires.security_counter = 0;
}

static void fill_report(unsigned seed, struct report *r)
{
	boot_id(&r->boot, seed);
	TEXT(r->version, seed);
	sized(r->running.value, &r->running.len, sizeof(r->running.value), seed);
	r->confirmed = (int8_t)((int)(seed % 3) - 1);
	r->updates_enabled = (int8_t)(1 - (int)(seed % 3));
	WORD(r->reset, RESET_UNKNOWN, RESET_OTHER + 1, seed * 3 + 1);
	WORD(r->mode, MODE_APPLICATION, MODE_SAFE + 1, seed);
	SMALL(r->last.attempt);
	WORD(r->last.stage, STAGE_NONE, STAGE_BOOT_LOADER + 1, seed);
	WORD(r->last.reason, REASON_NONE, REASON_DEFERRED + 1, seed * 5 + 2);
	TEXT(r->last.detail, seed);
	r->has_capabilities = seed % 2 == 0;
	if (!r->has_capabilities)
		r->capabilities = 0;
	r->troubles %= 1u << TROUBLE_COUNT;
	TEXT(r->hardware, seed);
	TEXT(r->boot_loader, seed);
	r->has_cached = seed % 2;
	if (!r->has_cached)
		memset(r->cached, 0, sizeof(r->cached));
}

static void fill_boots(unsigned seed, struct boots *b)
{
	b->count = LIMIT_BOOTS_KEPT - seed;
	for (unsigned i = 0; i < LIMIT_BOOTS_KEPT; i++) {
		struct boot_slot *slot = &b->slot[i];
		boot_id(&slot->id, i + 1);
		slot->id.count = slot->id.has_count ? slot->id.count : 0;
		if (i >= b->count)
			memset(slot, 0, sizeof(*slot));
	}
	FLAG(b->backwards, seed);
}

void rows_device(unsigned seed, int64_t product, struct device *ret)
{
	fill(ret, sizeof(*ret), seed);
	TEXT(ret->id, seed);
	ret->rev = ret->lock = ret->group = 0;
	ret->product = product;
	FLAG(ret->development, seed + 1);
	FLAG(ret->plain, seed);
	FLAG(ret->certified, seed + 1);
	TEXT(ret->protocol, seed);
	FLAG(ret->force, seed + 1);
	TEXT(ret->windows, seed);
	TEXT(ret->time_zone, seed);
	WORD(ret->hold, HOLD_NONE, HOLD_RESTARTS + 1, seed * 3 + 1);
	SMALL(ret->fail_mark);
	FLAG(ret->has_report, seed);
	fill_report(seed, &ret->report);
	FLAG(ret->online, seed);
	fill_boots(seed, &ret->boots);
	SMALL(ret->attempt);
	SMALL(ret->last_attempt);
	SMALL(ret->failed_attempt);
	FLAG(ret->unbooted_claim, seed);
	TEXT(ret->claimed, seed + 2);
	FLAG(ret->drifted, seed);
	FLAG(ret->want_fresh, seed + 1);
	FLAG(ret->pending_told, seed);
	WORD(ret->rollout_result, MEMBER_NONE, MEMBER_COUNT, seed);
	FLAG(ret->rollout_applied, seed + 1);
}

void rows_rollout(unsigned seed, int64_t product, struct rollout *ret)
{
	const char *why;

	fill(ret, sizeof(*ret), seed);
	ret->id = ret->rev = 0;
	ret->product = product;
	TEXT(ret->name, seed);
	TEXT(ret->filter, seed);
	TEXT(ret->author, seed);
	TEXT(ret->approver, seed);
	TEXT(ret->ended_by, seed);
	WORD(ret->state, ROLLOUT_DRAFT, ROLLOUT_STATE_COUNT, seed);
	WORD(ret->resume_to, ROLLOUT_DRAFT, ROLLOUT_STATE_COUNT, seed + 1);
	WORD(ret->wait, WAIT_NONE, ROLLOUT_WAIT_COUNT, seed);
	WORD(ret->why, HALT_NONE, ROLLOUT_WHY_COUNT, seed);
	SMALL(ret->seed);
	FLAG(ret->enlisted, seed);
	FLAG(ret->gate_open, seed + 1);
	for (size_t i = 0; i < ROLLOUT_RULE_COUNT; i++) {
		const struct rollout_rule *row = &rollout_rule_rows[i];
		assert_int_equal(rollout_rule_set(&ret->rules, row, seed % 2 ? row->min : row->max),
				 0);
	}
	assert_int_equal(rollout_waves_parse(ret, seed % 2 ? "gate,5,10%,100%" : "100%", &why), 0);
	ret->waves[0].cut = 77 + seed;
	ret->waves[0].forgiven_silent = seed;
}

void rows_group(unsigned seed, int64_t product, struct device_group *ret)
{
	fill(ret, sizeof(*ret), seed);
	TEXT(ret->name, seed);
	TEXT(ret->windows, seed);
	TEXT(ret->time_zone, seed);
	ret->id = ret->rev = ret->target = 0;
	ret->product = product;
}

void rows_attempt(unsigned seed, const char *device, struct attempt *ret)
{
	fill(ret, sizeof(*ret), seed);
	SMALL(ret->id);
	ret->number = 0;
	memset(ret->device, 0, sizeof(ret->device));
	assert_true(buf_copy_str(ret->device, sizeof(ret->device), device));
	TEXT(ret->version, seed);
	WORD(ret->state, ATTEMPT_OFFERED, ATTEMPT_CLOSED, seed);
	WORD(ret->verdict, VERDICT_NONE, VERDICT_COUNT, seed * 3);
	FLAG(ret->charged, seed);
	WORD(ret->via, VIA_NONE, VIA_COUNT, seed);
	WORD(ret->grade, GRADE_NONE, GRADE_COUNT, seed + 1);
	WORD(ret->reason, REASON_NONE, REASON_DEFERRED + 1, seed * 5 + 2);
	TEXT(ret->detail, seed);
	TEXT(ret->base_version, seed);
	sized(ret->base_digest.value, &ret->base_digest.len, sizeof(ret->base_digest.value), seed);
	ret->required = (seed * 11 + 31) % 32;
	ret->evidence = (seed * 5) % 32;
	FLAG(ret->fresh, seed);
	FLAG(ret->forced, seed + 1);
	FLAG(ret->started, seed);
	FLAG(ret->cancel_requested, seed + 1);
	FLAG(ret->boot_weak, seed);
	FLAG(ret->heard, seed + 1);
	FLAG(ret->boot_id_constant, seed);
}

void rows_assert_bytes(const void *got, const void *want, size_t size, size_t packed)
{
	const uint8_t *a = got, *b = want;
	size_t differ = 0;

	for (size_t i = 0; i < size; i++)
		differ += a[i] != b[i];
	if (differ > size - packed)
		assert_memory_equal(got, want, size); /* says where */
}

/* ---- a store ---- */

int rows_hash(const void *ptr, size_t len, uint8_t ret_hash[STORE_HASH])
{
	const uint8_t *at = ptr;

	for (unsigned i = 0; i < STORE_HASH / 8; i++) {
		uint64_t h = 14695981039346656037U + i;
		for (size_t n = 0; n < len; n++)
			h = (h ^ at[n]) * 1099511628211U;
		memcpy(ret_hash + i * (size_t)8, &h, 8);
	}
	return 0;
}

void rows_add_audit(struct store_set *set, const char *object)
{
	const struct store_audit a = {.at_ms = 1700000000123,
				      .who = "alice",
				      .act = "device lock",
				      .object = object,
				      .before = "{}",
				      .after = "{\"lock\":\"1\"}"};

	store_set_audit(set, &a);
}

uint64_t rows_assert_audit(struct store *s)
{
	struct store_audit_check c = {0};

	while (!c.done)
		assert_int_equal(store_audit_check(s, 3, &c), 0);
	if (c.bad)
		fail_msg("%s", c.why);
	return c.at.seq;
}

struct store *rows_store(void)
{
	struct store_conf conf = {.path = ":memory:", .inline_commit = true, .hash = rows_hash};
	struct store *s = NULL;

	assert_int_equal(store_open(&conf, &s), 0);
	return s;
}

int rows_setup(void **state)
{
	*state = rows_store();
	return 0;
}

int rows_teardown(void **state)
{
	store_close(*state);
	return 0;
}

static void keep(void *ctx, const struct store_result *result)
{
	*(struct store_result *)ctx = *result;
}

struct store_set *rows_set(struct store_result *ret)
{
	struct store_set *set = store_set_new(keep, ret);

	assert_non_null(set);
	ret->err = 1; /* not delivered */
	return set;
}

int rows_commit(struct store *s, struct store_set *set, const struct store_result *result)
{
	store_submit(s, set);
	store_flush(s);
	assert_int_equal(store_deliver(s), 1);
	return result->err;
}

static int commit_one(struct store *s, struct store_set *set, const struct store_result *result,
		      int64_t *ret_id)
{
	if (!rows_commit(s, set, result) && ret_id) {
		assert_int_equal(result->id_count, 1);
		*ret_id = result->ids[0];
	}
	return result->err;
}

int rows_put_product(struct store *s, const struct product *p, int64_t *ret_id)
{
	struct store_result result;
	struct store_set *set = rows_set(&result);

	store_set_product(set, p);
	return commit_one(s, set, &result, ret_id);
}

int rows_put_release(struct store *s, const struct release *r, int64_t *ret_id)
{
	struct store_result result;
	struct store_set *set = rows_set(&result);

	store_set_release(set, r);
	return commit_one(s, set, &result, ret_id);
}

int rows_put_group(struct store *s, const struct device_group *g, int64_t *ret_id)
{
	struct store_result result;
	struct store_set *set = rows_set(&result);

	store_set_group(set, g);
	return commit_one(s, set, &result, ret_id);
}

int rows_put_rollout(struct store *s, const struct rollout *r, int64_t *ret_id)
{
	struct store_result result;
	struct store_set *set = rows_set(&result);

	store_set_rollout(set, r);
	return commit_one(s, set, &result, ret_id);
}

int rows_put_device(struct store *s, const struct device *d)
{
	struct store_result result;
	struct store_set *set = rows_set(&result);

	store_set_device(set, d);
	return commit_one(s, set, &result, NULL);
}

int rows_put_attempt(struct store *s, const struct attempt *a, int64_t *ret_number)
{
	struct store_result result;
	struct store_set *set = rows_set(&result);

	store_set_attempt(set, a);
	return commit_one(s, set, &result, ret_number);
}

int64_t rows_add_product(struct store *s, unsigned seed)
{
	struct product p;
	int64_t id = 0;

	rows_product(seed, &p);
	p.ca_count = 0; /* their text would have to be there */
	memset(p.ca_sha256, 0, sizeof(p.ca_sha256));
	assert_int_equal(rows_put_product(s, &p, &id), 0);
	return id;
}

void rows_add_device(struct store *s, unsigned seed, int64_t product, const char *id)
{
	struct device d;

	rows_device(seed, product, &d);
	memset(d.id, 0, sizeof(d.id));
	assert_true(buf_copy_str(d.id, sizeof(d.id), id));
	assert_int_equal(rows_put_device(s, &d), 0);
}

void rows_add_event(struct store_set *set, const char *device, const char *json)
{
	struct store_event e = {.topic = "device/boot",
				.data = "",
				.device = device,
				.json = json,
				.at_ms = 1700000000000};

	store_set_event(set, &e);
}

/* ---- stores with a hook ---- */

static int hook(void *ctx, unsigned long operation)
{
	struct rows_hook *h = ctx;

	if (h->gate && operation == 1) {
		sem_post(h->entered);
		sem_wait(h->gate);
	}
	if (operation != h->at)
		return 0;
	if (!h->err)
		_exit(0);
	return h->err;
}

struct store *rows_open(const char *path, bool inline_commit, struct rows_hook *h)
{
	struct store_conf conf = {.path = path,
				  .inline_commit = inline_commit,
				  .fault = hook,
				  .fault_ctx = h,
				  .hash = rows_hash};
	struct store *s = NULL;

	assert_int_equal(store_open(&conf, &s), 0);
	return s;
}

struct order {
	uint64_t next;
};

static bool in_order(void *ctx, const struct store_event_row *e)
{
	struct order *order = ctx;

	assert_int_equal(e->seq, order->next);
	order->next++;
	return true;
}

uint64_t rows_assert_no_gaps(struct store *s)
{
	struct order order = {1};
	struct store_info info;

	assert_int_equal(store_events(s, 0, "", 100000, in_order, &order), 0);
	store_info(s, &info);
	assert_int_equal(info.head, order.next - 1);
	return info.head;
}

struct store_set *rows_event_set(struct store_result *result, unsigned events)
{
	struct store_set *set = rows_set(result);

	while (events--)
		rows_add_event(set, "dev", "{}");
	return set;
}

static void base(struct store *s)
{
	int64_t product = rows_add_product(s, 0);
	struct store_result result;
	struct release r;
	struct attempt a;

	for (unsigned i = 0; i < 2; i++) {
		rows_release(3 + i, product, &r);
		assert_int_equal(rows_put_release(s, &r, NULL), 0);
	}
	rows_add_device(s, 0, product, "dev");
	rows_attempt(0, "dev", &a);
	assert_int_equal(rows_put_attempt(s, &a, NULL), 0);
	assert_int_equal(rows_commit(s, rows_event_set(&result, 2), &result), 0);
}

void rows_make_base(const char *path)
{
	struct rows_hook none = {0};
	struct store *s = rows_open(path, true, &none);

	base(s);
	store_close(s);
}

/* ---- files ---- */

void rows_tmp(char path[64])
{
	char dir[] = "/tmp/postboot-test-XXXXXX";

	assert_non_null(mkdtemp(dir));
	snprintf(path, 64, "%s/db", dir);
}

void rows_tmp_remove(const char *path)
{
	static const char *const tails[] = {"", "-wal", "-shm", "-mark"};
	char name[80];

	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", path, tails[i]);
		unlink(name);
	}
	snprintf(name, sizeof(name), "%s", path);
	*strrchr(name, '/') = 0;
	assert_int_equal(rmdir(name), 0);
}

bool rows_name_device(void *names, const struct device *d)
{
	assert_true(strlen(names) + strlen(d->id) + 2 <= ROWS_NAMES);
	strcat(strcat(names, d->id), " ");
	return true;
}

long long rows_number(const char *path, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	long long value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return value;
}
