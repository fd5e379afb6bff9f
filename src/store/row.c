/* SPDX-License-Identifier: Apache-2.0 */
#include "store/row.h"

#include <string.h>

#include "base/buf.h"
#include "store/columns.h"

#define PRODUCT_ROW(column, how, field, arg) COLUMN(struct product, column, how, field, arg)
#define ROLLOUT_ROW(column, how, field, arg) COLUMN(struct rollout, column, how, field, arg)
#define WAVE_ROW(column, how, field, arg) COLUMN(struct wave, column, how, field, arg)
#define GROUP_ROW(column, how, field, arg) COLUMN(struct device_group, column, how, field, arg)
#define RELEASE_ROW(column, how, field, arg) COLUMN(struct release, column, how, field, arg)
#define DIGEST_ROW(column, how, field, arg) COLUMN(struct digest, column, how, field, arg)
#define KEY_ROW(column, how, field, arg) COLUMN(struct store_key, column, how, field, arg)
#define HOOK_ROW(column, how, field, arg) COLUMN(struct hook, column, how, field, arg)
#define PLACE_ROW(column, how, field, arg) COLUMN(struct hook_place, column, how, field, arg)
#define DEVICE_ROW(column, how, field, arg) COLUMN(struct device, column, how, field, arg)
#define ATTEMPT_ROW(column, how, field, arg) COLUMN(struct attempt, column, how, field, arg)

static const struct column product_columns[] = {PRODUCT_COLUMNS(PRODUCT_ROW)};
static const struct column rollout_columns[] = {ROLLOUT_COLUMNS(ROLLOUT_ROW)};
static const struct column wave_columns[] = {WAVE_COLUMNS(WAVE_ROW)};
static const struct column group_columns[] = {GROUP_COLUMNS(GROUP_ROW)};
static const struct column release_columns[] = {RELEASE_COLUMNS(RELEASE_ROW)};
static const struct column digest_columns[] = {DIGEST_COLUMNS(DIGEST_ROW)};
static const struct column key_columns[] = {KEY_COLUMNS(KEY_ROW)};
static const struct column hook_columns[] = {HOOK_COLUMNS(HOOK_ROW)};
static const struct column place_columns[] = {PLACE_COLUMNS(PLACE_ROW)};
static const struct column secret_columns[] = {SECRET_COLUMNS(KEY_ROW)};
static const struct column device_fixed[] = {DEVICE_FIXED(DEVICE_ROW)};
static const struct column device_columns[] = {DEVICE_COLUMNS(DEVICE_ROW)};
static const struct column attempt_fixed[] = {ATTEMPT_FIXED(ATTEMPT_ROW)};
static const struct column attempt_columns[] = {ATTEMPT_COLUMNS(ATTEMPT_ROW)};

/* ---- boots, packed: they are read and written as one and never searched ---- */

enum { BOOTS_FORMAT = 1, BOOT_HAS_COUNT = 1 };

static int boots_pack(const struct boots *boots, uint8_t dst[ROW_BOOTS_MAX], size_t *ret_len)
{
	struct buf b = buf_writer(dst, ROW_BOOTS_MAX);

	if (boots->count > LIMIT_BOOTS_KEPT)
		return ERR_INVAL;
	buf_put_u8(&b, BOOTS_FORMAT);
	for (unsigned i = 0; i < boots->count; i++) {
		const struct boot_slot *slot = &boots->slot[i];

		if (slot->id.len > LIMIT_BOOT_ID)
			return ERR_INVAL;
		buf_put_u8(&b, slot->id.len);
		buf_put_bytes(&b, slot->id.bytes, slot->id.len);
		buf_put_u8(&b, slot->id.has_count ? BOOT_HAS_COUNT : 0);
		buf_put_u32(&b, slot->id.count);
		buf_put_u32(&b, slot->seq);
		buf_put_u64(&b, (uint64_t)slot->seen_ms);
		buf_put_u64(&b, (uint64_t)slot->replaced_ms);
	}
	*ret_len = b.pos;
	return b.err;
}

static int boots_unpack(const void *packed, size_t len, struct boots *boots)
{
	struct buf b = buf_reader(packed, len);

	if (buf_get_u8(&b) != BOOTS_FORMAT)
		return ERR_CORRUPT;
	for (boots->count = 0; buf_left(&b); boots->count++) {
		if (boots->count == LIMIT_BOOTS_KEPT)
			return ERR_CORRUPT;
		struct boot_slot *slot = &boots->slot[boots->count];
		slot->id.len = buf_get_u8(&b);
		if (slot->id.len > LIMIT_BOOT_ID)
			return ERR_CORRUPT;
		struct bytes id = buf_get_bytes(&b, slot->id.len);
		for (size_t i = 0; i < id.len; i++)
			slot->id.bytes[i] = id.ptr[i];
		slot->id.has_count = buf_get_u8(&b) & BOOT_HAS_COUNT;
		slot->id.count = buf_get_u32(&b);
		slot->seq = buf_get_u32(&b);
		slot->seen_ms = (int64_t)buf_get_u64(&b);
		slot->replaced_ms = (int64_t)buf_get_u64(&b);
		if (!buf_ok(&b))
			return ERR_CORRUPT;
	}
	return 0;
}

/* ---- binding ---- */

int row_bind_product(sqlite3_stmt *stmt, const struct product *p, int *ret_next)
{
	int err = columns_bind(stmt, 1, product_columns, PRODUCT_COLUMN_COUNT, p);
	int next = PRODUCT_COLUMN_COUNT + 1;

	for (size_t i = 0; !err && i < POLICY_COUNT; i++) {
		int64_t value = policy_get(&p->policy, &policy_rows[i]);
		struct policy scratch;

		err = policy_set(&scratch, &policy_rows[i], value); /* else nobody can read it */
		if (!err && sqlite3_bind_int64(stmt, next++, value))
			err = ERR_NOMEM;
	}
	if (!err)
		*ret_next = next;
	return err;
}

int row_bind_group(sqlite3_stmt *stmt, const struct device_group *g, int *ret_next)
{
	int err = columns_bind(stmt, 1, group_columns, GROUP_COLUMN_COUNT, g);

	if (!err)
		*ret_next = GROUP_COLUMN_COUNT + 1;
	return err;
}

int row_bind_rollout(sqlite3_stmt *stmt, const struct rollout *r, int *ret_next)
{
	int err = columns_bind(stmt, 1, rollout_columns, ROLLOUT_COLUMN_COUNT, r);
	int next = ROLLOUT_COLUMN_COUNT + 1;

	for (size_t i = 0; !err && i < ROLLOUT_RULE_COUNT; i++)
		if (sqlite3_bind_int64(stmt, next++,
				       rollout_rule_get(&r->rules, &rollout_rule_rows[i])))
			err = ERR_NOMEM;
	if (!err)
		*ret_next = next;
	return err;
}

int row_bind_wave(sqlite3_stmt *stmt, int first, const struct wave *w)
{
	return columns_bind(stmt, first, wave_columns, WAVE_COLUMN_COUNT, w);
}

int row_bind_release(sqlite3_stmt *stmt, const struct release *r)
{
	return columns_bind(stmt, 1, release_columns, RELEASE_COLUMN_COUNT, r);
}

int row_bind_digest(sqlite3_stmt *stmt, int first, const struct digest *d)
{
	return columns_bind(stmt, first, digest_columns, DIGEST_COLUMN_COUNT, d);
}

int row_bind_key(sqlite3_stmt *stmt, const struct store_key *k)
{
	return columns_bind(stmt, 1, key_columns, KEY_COLUMN_COUNT, k);
}

int row_bind_hook(sqlite3_stmt *stmt, const struct hook *h, int *ret_next)
{
	int err = columns_bind(stmt, 1, hook_columns, HOOK_COLUMN_COUNT, h);

	if (!err)
		*ret_next = 1 + HOOK_COLUMN_COUNT;
	return err;
}

int row_bind_place(sqlite3_stmt *stmt, int first, const struct hook_place *p, int *ret_next)
{
	int err = columns_bind(stmt, first, place_columns, PLACE_COLUMN_COUNT, p);

	if (!err)
		*ret_next = first + PLACE_COLUMN_COUNT;
	return err;
}

int row_bind_secret(sqlite3_stmt *stmt, int first, const struct store_key *k)
{
	return columns_bind(stmt, first, secret_columns, SECRET_COLUMN_COUNT, k);
}

int row_bind_device_fixed(sqlite3_stmt *stmt, int first, const struct device *d, int *ret_next)
{
	int err = columns_bind(stmt, first, device_fixed, DEVICE_FIXED_COUNT, d);

	if (!err)
		*ret_next = first + DEVICE_FIXED_COUNT;
	return err;
}

int row_bind_device(sqlite3_stmt *stmt, int first, const struct device *d,
		    uint8_t packed[ROW_BOOTS_MAX], int *ret_next)
{
	int next = first + DEVICE_COLUMN_COUNT;
	size_t len = 0;
	int err = columns_bind(stmt, first, device_columns, DEVICE_COLUMN_COUNT, d);

	if (!err)
		err = boots_pack(&d->boots, packed, &len);
	if (!err && sqlite3_bind_blob(stmt, next, packed, (int)len, SQLITE_STATIC))
		err = ERR_NOMEM;
	if (!err)
		*ret_next = next + 1;
	return err;
}

int row_bind_attempt_fixed(sqlite3_stmt *stmt, const struct attempt *a, int *ret_next)
{
	int err = columns_bind(stmt, 1, attempt_fixed, ATTEMPT_FIXED_COUNT, a);

	if (!err)
		*ret_next = ATTEMPT_FIXED_COUNT + 1;
	return err;
}

int row_bind_attempt(sqlite3_stmt *stmt, int first, const struct attempt *a, int *ret_next)
{
	int next = first + ATTEMPT_COLUMN_COUNT;
	int err = columns_bind(stmt, first, attempt_columns, ATTEMPT_COLUMN_COUNT, a);

	if (!err && sqlite3_bind_int64(stmt, next, attempt_deadline_ms(a)))
		err = ERR_NOMEM;
	if (!err)
		*ret_next = next + 1;
	return err;
}

/* ---- reading ---- */

int row_read_product(sqlite3_stmt *stmt, struct product *ret)
{
	struct product p = {.id = sqlite3_column_int64(stmt, 0),
			    .rev = sqlite3_column_int64(stmt, 1)};
	int err = columns_read(stmt, 2, product_columns, PRODUCT_COLUMN_COUNT, &p);

	for (size_t i = 0; !err && i < POLICY_COUNT; i++)
		if (policy_set(&p.policy, &policy_rows[i],
			       sqlite3_column_int64(stmt, 2 + PRODUCT_COLUMN_COUNT + (int)i)))
			err = ERR_CORRUPT;
	if (!err)
		*ret = p;
	return err;
}

int row_read_group(sqlite3_stmt *stmt, struct device_group *ret)
{
	struct device_group g = {.id = sqlite3_column_int64(stmt, 0),
				 .rev = sqlite3_column_int64(stmt, 1)};
	int err = columns_read(stmt, 2, group_columns, GROUP_COLUMN_COUNT, &g);

	if (!err)
		*ret = g;
	return err;
}

int row_read_rollout(sqlite3_stmt *stmt, struct rollout *ret)
{
	struct rollout r = {.id = sqlite3_column_int64(stmt, 0),
			    .rev = sqlite3_column_int64(stmt, 1)};
	int err = columns_read(stmt, 2, rollout_columns, ROLLOUT_COLUMN_COUNT, &r);

	for (size_t i = 0; !err && i < ROLLOUT_RULE_COUNT; i++) {
		int column = 2 + ROLLOUT_COLUMN_COUNT + (int)i;
		if (rollout_rule_set(&r.rules, &rollout_rule_rows[i],
				     sqlite3_column_int64(stmt, column)))
			err = ERR_CORRUPT;
	}
	if (!err)
		*ret = r;
	return err;
}

int row_read_wave(sqlite3_stmt *stmt, struct wave *ret)
{
	struct wave w = {0};
	int err = columns_read(stmt, 1, wave_columns, WAVE_COLUMN_COUNT, &w);

	if (!err)
		*ret = w;
	return err;
}

int row_read_release(sqlite3_stmt *stmt, struct release *ret)
{
	struct release r = {.id = sqlite3_column_int64(stmt, 0)};
	int err = columns_read(stmt, 1, release_columns, RELEASE_COLUMN_COUNT, &r);

	if (!err)
		*ret = r;
	return err;
}

int row_read_digest(sqlite3_stmt *stmt, struct digest *ret)
{
	struct digest d = {0};
	int err = columns_read(stmt, 1, digest_columns, DIGEST_COLUMN_COUNT, &d);

	if (!err)
		*ret = d;
	return err;
}

int row_read_key(sqlite3_stmt *stmt, struct store_key *ret)
{
	struct store_key k = {0};
	int err = columns_read(stmt, 0, key_columns, KEY_COLUMN_COUNT, &k);

	if (!err)
		*ret = k;
	explicit_bzero(&k, sizeof(k));
	return err;
}

int row_read_hook(sqlite3_stmt *stmt, struct store_hook *ret)
{
	enum {
		PLACE = 2 + HOOK_COLUMN_COUNT,
		SECRET = PLACE + PLACE_COLUMN_COUNT,
	};
	struct store_hook h = {
		.hook = {.id = sqlite3_column_int64(stmt, 0), .rev = sqlite3_column_int64(stmt, 1)},
		.secret = {.hook = true}};
	int err = columns_read(stmt, 2, hook_columns, HOOK_COLUMN_COUNT, &h.hook);

	if (!err)
		err = columns_read(stmt, PLACE, place_columns, PLACE_COLUMN_COUNT, &h.place);
	if (!err)
		err = columns_read(stmt, SECRET, secret_columns, SECRET_COLUMN_COUNT, &h.secret);
	if (!err) {
		(void)buf_copy_str(h.secret.device, sizeof(h.secret.device), h.hook.name);
		*ret = h;
	}
	explicit_bzero(&h.secret, sizeof(h.secret));
	return err;
}

int row_read_secret(sqlite3_stmt *stmt, struct store_key *ret)
{
	const char *name = (const char *)sqlite3_column_text(stmt, 0);
	struct store_key k = {.hook = true};
	int err = columns_read(stmt, 1, secret_columns, SECRET_COLUMN_COUNT, &k);

	if (!err && (!name || !buf_copy_str(k.device, sizeof(k.device), name)))
		err = ERR_CORRUPT;
	if (!err)
		*ret = k;
	explicit_bzero(&k, sizeof(k));
	return err;
}

int row_read_device(sqlite3_stmt *stmt, struct device *ret)
{
	enum {
		FIXED = 3,
		FIRST = FIXED + DEVICE_FIXED_COUNT,
		BOOTS = FIRST + DEVICE_COLUMN_COUNT,
	};
	struct device d = {.rev = sqlite3_column_int64(stmt, 1),
			   .created_ms = sqlite3_column_int64(stmt, 2)};
	const char *id = (const char *)sqlite3_column_text(stmt, 0);

	if (!id)
		return ERR_NOMEM;
	if (!buf_copy_str(d.id, sizeof(d.id), id))
		return ERR_CORRUPT;
	int err = columns_read(stmt, FIXED, device_fixed, DEVICE_FIXED_COUNT, &d);
	if (!err)
		err = columns_read(stmt, FIRST, device_columns, DEVICE_COLUMN_COUNT, &d);
	const void *packed = sqlite3_column_blob(stmt, BOOTS);
	if (!err)
		err = boots_unpack(packed, (size_t)sqlite3_column_bytes(stmt, BOOTS), &d.boots);
	if (!err)
		*ret = d;
	return err;
}

int row_read_attempt(sqlite3_stmt *stmt, struct attempt *ret)
{
	struct attempt a = {.number = (uint64_t)sqlite3_column_int64(stmt, 0)};
	int err = columns_read(stmt, 1, attempt_fixed, ATTEMPT_FIXED_COUNT, &a);

	if (!err)
		err = columns_read(stmt, 1 + ATTEMPT_FIXED_COUNT, attempt_columns,
				   ATTEMPT_COLUMN_COUNT, &a);
	if (!err)
		*ret = a;
	return err;
}

int row_read_diagnosis(sqlite3_stmt *stmt, struct diagnosis *ret)
{
	static const struct column columns[] = {
		COLUMN(struct diagnosis, kind, WORD, kind, diagnosis)
			COLUMN(struct diagnosis, facts, PLAIN, facts, )};
	struct diagnosis d = {0};
	int err = columns_read(stmt, 0, columns, sizeof(columns) / sizeof(columns[0]), &d);

	if (!err)
		*ret = d;
	return err;
}
