/* SPDX-License-Identifier: Apache-2.0 */
#include "store/migrate.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "store/schema.h"

enum {
	APPLICATION_ID = 0x50424f54, /* "PBOT" in the file's header */
	URI_MAX = 3 * PATH_MAX + 64,
};

int migrate_version(void)
{
	int version = 0;

	for (const struct schema_step *step = schema_steps; step->sql; step++)
		version = step->version;
	return version;
}

/* Of the file itself or one beside it, -1 if there is none. */
static int64_t file_size(const char *path, const char *tail)
{
	char name[PATH_MAX];
	struct stat st;

	if ((size_t)snprintf(name, sizeof(name), "%s%s", path, tail) >= sizeof(name))
		return -1;
	return stat(name, &st) == 0 ? st.st_size : -1;
}

/* "file:" and the path with all but harmless bytes as %XX. */
static int path_uri(const char *path, const char *query, char dst[URI_MAX])
{
	static const char harmless[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789-._~/";
	struct buf b = buf_writer(dst, URI_MAX - 1);

	buf_put_str(&b, "file:");
	for (; *path; path++) {
		if (strchr(harmless, *path)) {
			buf_put_u8(&b, (uint8_t)*path);
		} else {
			buf_put_u8(&b, '%');
			buf_put_hex(&b, path, 1);
		}
	}
	buf_put_str(&b, query);
	if (!buf_ok(&b))
		return ERR_LIMIT;
	dst[b.pos] = 0;
	return 0;
}

int migrate_check(struct db *db)
{
	long long version = 0, application = 0, tables = 0;
	int err = db_query_number(db, "PRAGMA user_version", &version);

	if (!err)
		err = db_query_number(db, "PRAGMA application_id", &application);
	if (!err)
		err = db_query_number(db, "PRAGMA schema_version", &tables);
	if (err)
		return err;
	if (application != APPLICATION_ID && (application || version || tables)) {
		snprintf(db->error, sizeof(db->error), "the database of another program");
		return ERR_INVAL;
	}
	if (version > migrate_version()) {
		snprintf(db->error, sizeof(db->error),
			 "made by a newer program: its schema is %lld, ours %d", version,
			 migrate_version());
		return ERR_VERSION;
	}
	return 0;
}

int migrate_open_quietly(struct db *db, const char *path, const char *vfs, bool alone)
{
	char uri[URI_MAX];
	/* What is not yet in the file itself counts too. Without a WAL there is no such thing,
	 * and `immutable` keeps sqlite from making one. */
	bool has_wal = !alone || file_size(path, "-wal") > 0;
	int err = path_uri(path, has_wal ? "?mode=ro" : "?mode=ro&immutable=1", uri);

	*db = (struct db){0};
	if (!err)
		err = db_init(db, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, vfs);
	if (!err)
		sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	return err;
}

int migrate_look(const char *path, const char *vfs, char *error, size_t error_cap)
{
	struct db db;

	/* A rollback journal is there only if the very first start died while it made the
	 * file: only opening it for writing puts that right, and migrate_run() looks again. */
	if (file_size(path, "") <= 0 || file_size(path, "-journal") > 0)
		return 0;
	int err = migrate_open_quietly(&db, path, vfs, true);
	if (!err)
		err = migrate_check(&db);
	if (err)
		buf_copy_str(error, error_cap, db.error);
	db_done(&db);
	return err;
}

static int apply(struct db *db, const struct schema_step *step)
{
	char pragmas[96];

	snprintf(pragmas, sizeof(pragmas), "PRAGMA application_id = %d; PRAGMA user_version = %d",
		 APPLICATION_ID, step->version);
	int err = db_exec(db, "BEGIN IMMEDIATE");
	if (err)
		return err;
	err = db_exec(db, step->sql);
	if (!err)
		err = db_exec(db, pragmas);
	if (!err)
		err = db_exec(db, "COMMIT");
	if (err && !sqlite3_get_autocommit(db->handle)) /* db->error keeps the reason */
		sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
	return err;
}

int migrate_run(struct db *db)
{
	long long version = 0;
	int err = migrate_check(db);

	if (!err)
		err = db_query_number(db, "PRAGMA user_version", &version);
	for (const struct schema_step *step = schema_steps; !err && step->sql; step++)
		if (step->version > version)
			err = apply(db, step);
	return err;
}
