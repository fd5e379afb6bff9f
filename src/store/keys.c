/* SPDX-License-Identifier: Apache-2.0
 *
 * All keys at once: what they are sealed with, and sealing them anew. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "store/columns.h"
#include "store/migrate.h"
#include "store/private.h"
#include "store/row.h"

static const char meta_seal[] = "seal";	  /* a blob, absent while the keys are in clear */
static const char meta_scrub[] = "scrub"; /* there while the file may hold replaced keys */

/* ---- facts in meta ---- */

/* The blob of the statement's first row; len 0 if there is none. */
static int read_seal(sqlite3_stmt *stmt, struct store_seal *ret)
{
	int rc = sqlite3_step(stmt), len = rc == SQLITE_ROW ? sqlite3_column_bytes(stmt, 0) : 0;
	int err = err_from_sqlite(rc);

	if (!err && len > LIMIT_SEAL)
		err = ERR_CORRUPT;
	if (!err && len > 0)
		memcpy(ret->bytes, sqlite3_column_blob(stmt, 0), (size_t)len);
	if (!err)
		ret->len = (uint8_t)len;
	return err;
}

int store_seal(struct store *s, struct store_seal *ret)
{
	sqlite3_stmt *stmt = s->reader.stmt[STMT_META];
	int err = sqlite3_bind_text(stmt, 1, meta_seal, -1, SQLITE_STATIC) ? ERR_NOMEM : 0;

	if (!err)
		err = read_seal(stmt, ret);
	db_reset(&s->reader, STMT_META);
	return err;
}

int store_seal_look(const char *path, struct store_seal *ret)
{
	static const char sql[] = "SELECT value FROM meta WHERE key = 'seal'";
	char wal[PATH_MAX];
	sqlite3_stmt *stmt = NULL;
	struct db db = {0};
	int err = 0;

	if ((size_t)snprintf(wal, sizeof(wal), "%s-wal", path) >= sizeof(wal))
		return ERR_LIMIT;
	if (access(path, F_OK) < 0)
		return err_from_errno(errno);
	/* Who has it open has a WAL. */
	err = migrate_open_quietly(&db, path, NULL, access(wal, F_OK) < 0);
	if (!err)
		err = migrate_check(&db);
	if (!err)
		err = err_from_sqlite(sqlite3_prepare_v2(db.handle, sql, -1, &stmt, NULL));
	if (!err)
		err = read_seal(stmt, ret);
	sqlite3_finalize(stmt);
	db_done(&db);
	return err;
}

static int meta_put(struct db *db, const char *key, const void *blob, size_t len)
{
	sqlite3_stmt *stmt = db->stmt[STMT_META_PUT];

	if (sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC) ||
	    sqlite3_bind_blob64(stmt, 2, blob, len, SQLITE_STATIC))
		return ERR_NOMEM;
	return db_run(db, STMT_META_PUT, NULL);
}

/* ---- rewrapping ---- */

/* 1 with the key after `k` in *k, 0 if that was the last. */
static int next_key(struct db *db, struct store_key *k)
{
	sqlite3_stmt *stmt = db->stmt[STMT_KEY_AFTER];
	const char *slot = k->device[0] ? words_text(&words_key_slot, k->slot) : "";

	if (sqlite3_bind_text(stmt, 1, k->device, -1, SQLITE_TRANSIENT) ||
	    sqlite3_bind_text(stmt, 2, slot, -1, SQLITE_STATIC))
		return ERR_NOMEM;
	int found = db_step(db, STMT_KEY_AFTER);
	if (found > 0) {
		int err = row_read_key(stmt, k);
		if (err)
			found = db_note(db, STMT_KEY_AFTER, err, "a row that cannot be read");
	}
	db_reset(db, STMT_KEY_AFTER);
	return found;
}

/* The secrets of webhooks, likewise; 1, 0 or an error. */
static int next_secret(struct db *db, struct store_key *k)
{
	sqlite3_stmt *stmt = db->stmt[STMT_HOOK_SECRET_AFTER];

	if (sqlite3_bind_text(stmt, 1, k->device, -1, SQLITE_TRANSIENT))
		return ERR_NOMEM;
	int found = db_step(db, STMT_HOOK_SECRET_AFTER);
	if (found > 0) {
		int err = row_read_secret(stmt, k);
		if (err)
			found = db_note(db, STMT_HOOK_SECRET_AFTER, err,
					"a row that cannot be read");
	}
	db_reset(db, STMT_HOOK_SECRET_AFTER);
	return found;
}

static int rewrap_secrets(struct db *db, store_key_fn *fn, void *ctx, uint64_t *count)
{
	struct store_key k = {.device = ""};
	int found, err = 0;

	while (!err && (found = next_secret(db, &k)) != 0) {
		err = found < 0 ? found : fn(ctx, &k);
		if (!err)
			err = row_bind_secret(db->stmt[STMT_HOOK_SECRET_PUT], 1, &k);
		if (!err && sqlite3_bind_text(db->stmt[STMT_HOOK_SECRET_PUT],
					      1 + SECRET_COLUMN_COUNT, k.device, -1, SQLITE_STATIC))
			err = ERR_NOMEM;
		if (!err)
			err = db_run(db, STMT_HOOK_SECRET_PUT, NULL);
		++*count;
	}
	explicit_bzero(&k, sizeof(k));
	return err;
}

static int rewrap_all(struct db *db, store_key_fn *fn, void *ctx, const struct store_seal *seal,
		      uint64_t *ret_count)
{
	struct store_key k = {.device = ""};
	uint64_t count = 0;
	int found, err = 0;

	while (!err && (found = next_key(db, &k)) != 0) {
		err = found < 0 ? found : fn(ctx, &k);
		if (!err)
			err = row_bind_key(db->stmt[STMT_KEY_PUT], &k);
		if (!err)
			err = db_run(db, STMT_KEY_PUT, NULL);
		count++;
	}
	explicit_bzero(&k, sizeof(k));
	if (!err)
		err = rewrap_secrets(db, fn, ctx, &count);
	if (!err)
		err = meta_put(db, meta_seal, seal->bytes, seal->len);
	if (!err)
		err = meta_put(db, meta_scrub, "", 0);
	if (!err)
		*ret_count = count;
	return err;
}

static void keep_error(struct store *s)
{
	memcpy(s->error, s->writer.error, sizeof(s->error));
}

int store_rewrap(struct store *s, store_key_fn *fn, void *ctx, const struct store_seal *seal,
		 uint64_t *ret_count)
{
	struct db *db = &s->writer;

	store_flush(s);
	/* With the mutex the writer is ours: the thread takes it before each batch. */
	pthread_mutex_lock(&s->mutex);
	int err = db_exec(db, "PRAGMA secure_delete = ON");
	if (!err)
		err = db_run(db, STMT_BEGIN, NULL);
	if (!err)
		err = rewrap_all(db, fn, ctx, seal, ret_count);
	if (!err)
		err = db_run(db, STMT_COMMIT, NULL);
	if (err)
		keep_error(s);
	if (err && !sqlite3_get_autocommit(db->handle) && db_undo(db, STMT_ROLLBACK))
		log_err("store=rollback error=\"%s\"", db->error);
	pthread_mutex_unlock(&s->mutex);
	return err;
}

/* ---- scrubbing ---- */

static int truncate_wal(struct db *db)
{
	long long busy = 0;
	int err = db_query_number(db, "PRAGMA wal_checkpoint(TRUNCATE)", &busy);

	return err ? err : busy ? ERR_BUSY : 0;
}

static int scrub_due(struct store *s, bool *ret)
{
	sqlite3_stmt *stmt = s->reader.stmt[STMT_META];

	if (sqlite3_bind_text(stmt, 1, meta_scrub, -1, SQLITE_STATIC))
		return ERR_NOMEM;
	int found = db_step(&s->reader, STMT_META);
	db_reset(&s->reader, STMT_META);
	*ret = found > 0;
	return found < 0 ? found : 0;
}

int store_scrub(struct store *s)
{
	struct db *db = &s->writer;
	bool due = false;
	int err = scrub_due(s, &due);

	if (err || !due)
		return err;
	store_flush(s);
	pthread_mutex_lock(&s->mutex);
	err = db_exec(db, "PRAGMA secure_delete = ON; VACUUM");
	if (!err)
		err = truncate_wal(db);
	if (!err && sqlite3_bind_text(db->stmt[STMT_META_DELETE], 1, meta_scrub, -1, SQLITE_STATIC))
		err = ERR_NOMEM;
	if (!err)
		err = db_run(db, STMT_META_DELETE, NULL);
	if (err)
		keep_error(s);
	pthread_mutex_unlock(&s->mutex);
	return err;
}
