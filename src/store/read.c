/* SPDX-License-Identifier: Apache-2.0
 *
 * The reading half of store.h: one function per query, on the caller's connection. */
#include <inttypes.h>
#include <string.h>

#include "store/audit.h"
#include "store/private.h"
#include "store/reading.h"
#include "store/row.h"

/* ---- products ---- */

static int one_product(struct reading *q, struct product *ret)
{
	int err = reading_one(q);

	if (!err && (err = row_read_product(q->stmt, ret)))
		err = reading_bad_row(q, err);
	return reading_end(q, err);
}

int store_product(struct store *s, int64_t id, struct product *ret)
{
	struct reading q = reading_new(s, STMT_PRODUCT);

	reading_int(&q, id);
	return one_product(&q, ret);
}

int store_product_by_name(struct store *s, const char *name, struct product *ret)
{
	struct reading q = reading_new(s, STMT_PRODUCT_BY_NAME);

	reading_str(&q, name);
	return one_product(&q, ret);
}

int store_ca(struct store *s, int64_t product, char *dst, size_t cap)
{
	struct reading q = reading_new(s, STMT_CA);
	int err;

	reading_int(&q, product);
	err = reading_one(&q);
	if (!err && !buf_copy_str(dst, cap, reading_column(&q, 0)))
		err = reading_bad_row(&q, ERR_CORRUPT);
	return reading_end(&q, err);
}

int store_products(struct store *s, const char *after_name, unsigned limit, store_product_row *row,
		   void *ctx)
{
	struct reading q = reading_new(s, STMT_PRODUCTS);
	struct product p;
	int err = 0, found;

	reading_str(&q, after_name);
	reading_int(&q, limit);
	while ((found = reading_step(&q)) > 0) {
		err = row_read_product(q.stmt, &p);
		if (err || !row(ctx, &p))
			break;
	}
	return reading_end(&q, err ? reading_bad_row(&q, err) : found < 0 ? found : 0);
}

/* ---- releases ---- */

/* The release's digests; its own row is still open, so both are of one moment. */
static int read_release(struct reading *q, struct release *ret)
{
	struct release r = {0};
	struct reading digests = reading_new(q->store, STMT_RELEASE_DIGESTS);
	int err = row_read_release(q->stmt, &r), found = 0;

	if (err)
		return reading_bad_row(q, err);
	reading_int(&digests, r.id);
	while (!err && (found = reading_step(&digests)) > 0) {
		if (r.running_count == LIMIT_DIGEST_KINDS)
			err = ERR_CORRUPT;
		else
			err = row_read_digest(digests.stmt, &r.running[r.running_count++]);
	}
	if (err)
		reading_bad_row(&digests, err);
	if (found < 0)
		err = found;
	if (!err)
		*ret = r;
	return reading_end(&digests, err);
}

static int one_release(struct reading *q, struct release *ret)
{
	int err = reading_one(q);

	if (!err)
		err = read_release(q, ret);
	return reading_end(q, err);
}

int store_release(struct store *s, int64_t id, struct release *ret)
{
	struct reading q = reading_new(s, STMT_RELEASE_BY_ID);

	reading_int(&q, id);
	return one_release(&q, ret);
}

int store_release_by_version(struct store *s, int64_t product, const char *version,
			     struct release *ret)
{
	struct reading q = reading_new(s, STMT_RELEASE_BY_VERSION);

	reading_int(&q, product);
	reading_str(&q, version);
	return one_release(&q, ret);
}

int store_releases(struct store *s, int64_t product, int64_t after_id, unsigned limit,
		   store_release_row *row, void *ctx)
{
	struct reading q = reading_new(s, product ? STMT_RELEASES_OF : STMT_RELEASES);
	struct release r;
	int err = 0, found;

	if (product)
		reading_int(&q, product);
	reading_int(&q, after_id);
	reading_int(&q, limit);
	while ((found = reading_step(&q)) > 0) {
		err = read_release(&q, &r);
		if (err || !row(ctx, &r))
			break;
	}
	return reading_end(&q, err ? err : found < 0 ? found : 0);
}

/* ---- devices ---- */

int store_device(struct store *s, const char *id, struct device *ret)
{
	struct reading q = reading_new(s, STMT_DEVICE);

	reading_str(&q, id);
	int err = reading_one(&q);
	if (!err && (err = row_read_device(q.stmt, ret)))
		err = reading_bad_row(&q, err);
	return reading_end(&q, err);
}

int reading_devices(struct reading *q, store_device_row *row, void *ctx)
{
	struct device d;
	int err = 0, found;

	while ((found = reading_step(q)) > 0) {
		err = row_read_device(q->stmt, &d);
		if (err || !row(ctx, &d))
			break;
	}
	return reading_end(q, err ? reading_bad_row(q, err) : found < 0 ? found : 0);
}

int store_devices(struct store *s, int64_t product, const char *after_id, unsigned limit,
		  store_device_row *row, void *ctx)
{
	struct reading q = reading_new(s, product ? STMT_DEVICES_OF : STMT_DEVICES);

	if (product)
		reading_int(&q, product);
	reading_str(&q, after_id);
	reading_int(&q, limit);
	return reading_devices(&q, row, ctx);
}

int store_devices_silent(struct store *s, int64_t now_ms, unsigned limit, store_device_row *row,
			 void *ctx)
{
	struct reading q = reading_new(s, STMT_DEVICES_SILENT);

	reading_int(&q, now_ms);
	reading_int(&q, limit);
	return reading_devices(&q, row, ctx);
}

int store_talk(struct store *s, const char *device, uint8_t *dst, size_t cap, size_t *ret_len,
	       int64_t *ret_at_ms)
{
	struct reading q = reading_new(s, STMT_TALK);

	reading_str(&q, device);
	int err = reading_one(&q);
	if (!err) {
		size_t len = (size_t)sqlite3_column_bytes(q.stmt, 0);
		const void *blob = sqlite3_column_blob(q.stmt, 0);
		if (len > cap)
			err = reading_bad_row(&q, ERR_CORRUPT);
		else if (len && !blob)
			err = ERR_NOMEM;
		else if (len)
			memcpy(dst, blob, len);
		if (!err) {
			*ret_len = len;
			*ret_at_ms = sqlite3_column_int64(q.stmt, 1);
		}
	}
	return reading_end(&q, err);
}

static int each_talk(struct reading *q, store_talk_row *row, void *ctx)
{
	int found;

	while ((found = reading_step(q)) > 0)
		if (!row(ctx, reading_column(q, 0)))
			break;
	return reading_end(q, found < 0 ? found : 0);
}

int store_talks_due(struct store *s, int64_t now_ms, unsigned limit, store_talk_row *row, void *ctx)
{
	struct reading q = reading_new(s, STMT_TALKS_DUE);

	reading_int(&q, now_ms);
	reading_int(&q, limit);
	return each_talk(&q, row, ctx);
}

int store_talks_ahead(struct store *s, const char *after, int64_t now_ms, unsigned limit,
		      store_talk_row *row, void *ctx)
{
	struct reading q = reading_new(s, STMT_TALKS_AHEAD);

	reading_str(&q, after);
	reading_int(&q, now_ms);
	reading_int(&q, limit);
	return each_talk(&q, row, ctx);
}

int store_keys(struct store *s, const char *device, struct store_key ret[KEY_SLOTS],
	       unsigned *ret_count)
{
	struct store_key keys[KEY_SLOTS];
	struct reading q = reading_new(s, STMT_KEYS);
	unsigned count = 0;
	int err = 0, found;

	reading_str(&q, device);
	while ((found = reading_step(&q)) > 0 && !err) {
		err = count < KEY_SLOTS ? row_read_key(q.stmt, &keys[count++]) : ERR_CORRUPT;
		if (err)
			err = reading_bad_row(&q, err);
	}
	if (!err)
		err = found;
	if (!err) {
		memcpy(ret, keys, count * sizeof(keys[0]));
		*ret_count = count;
	}
	explicit_bzero(keys, sizeof(keys));
	return reading_end(&q, err);
}

int store_key_by_mac(struct store *s, struct bytes mac, struct store_key *ret)
{
	struct reading q = reading_new(s, STMT_KEY_BY_MAC);

	reading_blob(&q, mac.ptr, mac.len);
	int err = reading_one(&q);
	if (!err && (err = row_read_key(q.stmt, ret)))
		err = reading_bad_row(&q, err);
	return reading_end(&q, err);
}

/* ---- attempts ---- */

int store_attempt(struct store *s, uint64_t id, struct attempt *ret)
{
	struct reading q = reading_new(s, STMT_ATTEMPT);

	reading_u64(&q, id);
	int err = reading_one(&q);
	if (!err && (err = row_read_attempt(q.stmt, ret)))
		err = reading_bad_row(&q, err);
	return reading_end(&q, err);
}

static int each_attempt(struct reading *q, store_attempt_row *row, void *ctx)
{
	struct attempt a;
	int err = 0, found;

	while ((found = reading_step(q)) > 0) {
		err = row_read_attempt(q->stmt, &a);
		if (err || !row(ctx, &a))
			break;
	}
	return reading_end(q, err ? reading_bad_row(q, err) : found < 0 ? found : 0);
}

int store_attempts(struct store *s, const char *device, bool open_only, uint64_t before_number,
		   unsigned limit, store_attempt_row *row, void *ctx)
{
	static const enum stmt_id ids[2][2] = {{STMT_ATTEMPTS, STMT_ATTEMPTS_OPEN},
					       {STMT_ATTEMPTS_OF, STMT_ATTEMPTS_OPEN_OF}};
	struct reading q = reading_new(s, ids[*device != 0][open_only]);

	if (*device)
		reading_str(&q, device);
	reading_u64(&q, before_number ? before_number : INT64_MAX);
	reading_int(&q, limit);
	return each_attempt(&q, row, ctx);
}

int store_attempts_due(struct store *s, int64_t now_ms, unsigned limit, store_attempt_row *row,
		       void *ctx)
{
	struct reading q = reading_new(s, STMT_ATTEMPTS_DUE);

	reading_int(&q, now_ms);
	reading_int(&q, limit);
	return each_attempt(&q, row, ctx);
}

int store_diagnoses(struct store *s, uint64_t attempt, struct diagnoses *ret)
{
	struct reading q = reading_new(s, STMT_DIAGNOSES);
	struct diagnoses d = {0};
	int err = 0, found = 0;

	reading_u64(&q, attempt);
	while (!err && (found = reading_step(&q)) > 0) {
		if (d.count == LIMIT_DIAGNOSES)
			err = ERR_CORRUPT;
		else
			err = row_read_diagnosis(q.stmt, &d.list[d.count++]);
	}
	if (err)
		reading_bad_row(&q, err);
	else if (found < 0)
		err = found;
	if (!err)
		*ret = d;
	return reading_end(&q, err);
}

int store_history(struct store *s, const char *device, const uint8_t sha256[DIGEST_SHA256],
		  uint64_t after_number, struct history *ret)
{
	struct reading q = reading_new(s, STMT_HISTORY);

	reading_str(&q, device);
	reading_blob(&q, sha256, DIGEST_SHA256);
	reading_u64(&q, after_number);
	int err = reading_one(&q);
	if (!err) {
		ret->failures = (uint32_t)sqlite3_column_int64(q.stmt, 0);
		ret->reverts = (uint32_t)sqlite3_column_int64(q.stmt, 1);
	}
	return reading_end(&q, err);
}

/* ---- events ---- */

int store_events(struct store *s, uint64_t after, const char *device, unsigned limit,
		 store_event_fn *fn, void *ctx)
{
	struct reading q = reading_new(s, *device ? STMT_EVENTS_OF : STMT_EVENTS);
	int found;

	if (*device)
		reading_str(&q, device);
	reading_u64(&q, after);
	reading_int(&q, limit);
	while ((found = reading_step(&q)) > 0) {
		struct store_event_row e = {
			.seq = (uint64_t)sqlite3_column_int64(q.stmt, 0),
			.at_ms = sqlite3_column_int64(q.stmt, 1),
			.topic = reading_column(&q, 2),
			.data = reading_column(&q, 3),
			.device = reading_column(&q, 4),
			.attempt = (uint64_t)sqlite3_column_int64(q.stmt, 5),
			.json = reading_column(&q, 6),
		};
		if (!fn(ctx, &e))
			break;
	}
	return reading_end(&q, found < 0 ? found : 0);
}

int store_events_first(struct store *s, uint64_t *ret_seq)
{
	struct reading q = reading_new(s, STMT_EVENT_FIRST);
	struct store_info info;

	store_info(s, &info); /* before: what comes meanwhile is not older */
	int found = reading_step(&q);
	if (found >= 0)
		*ret_seq = found ? (uint64_t)sqlite3_column_int64(q.stmt, 0) : info.head + 1;
	return reading_end(&q, found < 0 ? found : 0);
}

/* ---- audit log ---- */

static int each_audit(struct reading *q, store_audit_fn *fn, void *ctx)
{
	int found;

	while ((found = reading_step(q)) > 0) {
		struct store_audit_row row;
		audit_row_read(q->stmt, &row);
		if (!fn(ctx, &row))
			break;
	}
	return reading_end(q, found < 0 ? found : 0);
}

int store_audits(struct store *s, const char *object, uint64_t after, unsigned limit,
		 store_audit_fn *fn, void *ctx)
{
	struct reading q = reading_new(s, *object ? STMT_AUDITS_OF : STMT_AUDITS);

	if (*object)
		reading_str(&q, object);
	reading_u64(&q, after);
	reading_int(&q, limit);
	return each_audit(&q, fn, ctx);
}

int store_audits_before(struct store *s, const char *object, uint64_t before, unsigned limit,
			store_audit_fn *fn, void *ctx)
{
	struct reading q = reading_new(s, *object ? STMT_AUDITS_BEFORE_OF : STMT_AUDITS_BEFORE);

	if (*object)
		reading_str(&q, object);
	reading_u64(&q, before ? before : INT64_MAX);
	reading_int(&q, limit);
	return each_audit(&q, fn, ctx);
}

/* ---- what hangs on what ---- */

/* The first row's name between two pieces of text; ERR_NOENT if there is none. */
static int used_by(struct store *s, enum stmt_id id, int64_t release, const char *before,
		   const char *after, struct store_use *ret)
{
	struct reading q = reading_new(s, id);

	reading_int(&q, release);
	int err = reading_one(&q);
	if (!err) {
		struct buf b = buf_writer(ret->by, sizeof(ret->by));
		buf_put_str(&b, before);
		buf_put_str(&b, reading_column(&q, 0));
		buf_put_str(&b, after);
		buf_cstr(&b);
		ret->used = true;
	}
	return reading_end(&q, err);
}

int store_release_use(struct store *s, int64_t release, struct store_use *ret)
{
	struct store_use use = {0};
	int err = used_by(s, STMT_USE_PRODUCT, release, "product ", " targets it", &use);

	if (err == ERR_NOENT)
		err = used_by(s, STMT_USE_GROUP, release, "group ", " targets it", &use);
	if (err == ERR_NOENT)
		err = used_by(s, STMT_USE_ROLLOUT, release, "rollout ", " brings it", &use);
	if (err == ERR_NOENT)
		err = used_by(s, STMT_USE_DEVICE, release, "device ", " is locked to it", &use);
	if (err == ERR_NOENT)
		err = used_by(s, STMT_USE_ATTEMPT, release, "device ", " is being updated to it",
			      &use);
	if (err && err != ERR_NOENT)
		return err;
	*ret = use;
	return 0;
}

int store_image_used(struct store *s, const uint8_t sha256[DIGEST_SHA256], bool *ret_used)
{
	struct reading q = reading_new(s, STMT_IMAGE_USED);

	reading_blob(&q, sha256, DIGEST_SHA256);
	int found = reading_step(&q);
	if (found >= 0)
		*ret_used = found > 0;
	return reading_end(&q, found < 0 ? found : 0);
}

int store_counts(struct store *s, struct store_counts *ret)
{
	struct reading q = reading_new(s, STMT_COUNTS);
	int err = reading_one(&q);

	if (!err)
		*ret = (struct store_counts){
			.products = (uint64_t)sqlite3_column_int64(q.stmt, 0),
			.releases = (uint64_t)sqlite3_column_int64(q.stmt, 1),
			.devices = (uint64_t)sqlite3_column_int64(q.stmt, 2),
			.online = (uint64_t)sqlite3_column_int64(q.stmt, 3),
			.held = (uint64_t)sqlite3_column_int64(q.stmt, 4),
			.disabled = (uint64_t)sqlite3_column_int64(q.stmt, 5),
			.open_attempts = (uint64_t)sqlite3_column_int64(q.stmt, 6),
			.updated = (uint64_t)sqlite3_column_int64(q.stmt, 7),
			.failed = (uint64_t)sqlite3_column_int64(q.stmt, 8),
		};
	return reading_end(&q, err);
}

int store_protocols(struct store *s, store_protocol_row *row, void *ctx)
{
	struct reading q = reading_new(s, STMT_PROTOCOLS);
	int found;

	while ((found = reading_step(&q)) > 0)
		row(ctx, reading_column(&q, 0), (uint64_t)sqlite3_column_int64(q.stmt, 1));
	return reading_end(&q, found < 0 ? found : 0);
}

int store_open_states(struct store *s, uint64_t ret_counts[ATTEMPT_STATE_COUNT])
{
	struct reading q = reading_new(s, STMT_OPEN_STATES);
	uint64_t counts[ATTEMPT_STATE_COUNT] = {0};
	int found, err = 0;

	while (!err && (found = reading_step(&q)) != 0) {
		enum attempt_state state;
		err = found < 0 ? found : attempt_state_from_name(reading_column(&q, 0), &state);
		if (!err)
			counts[state] = (uint64_t)sqlite3_column_int64(q.stmt, 1);
		else if (found > 0)
			err = reading_bad_row(&q, ERR_CORRUPT);
	}
	if (!err)
		memcpy(ret_counts, counts, sizeof(counts));
	return reading_end(&q, err);
}
