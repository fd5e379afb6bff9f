/* SPDX-License-Identifier: Apache-2.0 */
#include "store/begin.h"

#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/audit.h"
#include "store/mark.h"
#include "store/write_meta.h"

enum { MARK_MS = 1000 };

int begin_random_hex(char *dst, size_t digits)
{
	uint8_t random[16];
	struct buf b = buf_writer(dst, digits + 1);

	if (getrandom(random, digits / 2, 0) != (ssize_t)(digits / 2))
		return ERR_IO;
	buf_put_hex(&b, random, digits / 2);
	buf_cstr(&b);
	return 0;
}

/* ---- facts of the database ---- */

int store_meta(struct store *s, const char *key, int64_t *ret, char *text, size_t cap)
{
	struct db *db = &s->reader;
	sqlite3_stmt *stmt = db->stmt[STMT_META];
	int err = 0;

	if (sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC))
		return ERR_NOMEM;
	int found = db_step(db, STMT_META);
	if (found < 0)
		err = found;
	else if (found == 0)
		err = ERR_NOENT;
	else if (!text)
		*ret = sqlite3_column_int64(stmt, 0);
	else if (sqlite3_column_bytes(stmt, 0) != (int)cap - 1)
		err = db_note(db, STMT_META, ERR_CORRUPT, key);
	else
		buf_copy_str(text, cap, (const char *)sqlite3_column_text(stmt, 0));
	db_reset(db, STMT_META);
	return err;
}

/* 0 if there is none. */
static int meta_number(struct store *s, const char *key, int64_t *ret)
{
	int err = store_meta(s, key, ret, NULL, 0);

	return err == ERR_NOENT ? 0 : err;
}

/* The head must not lie below the events there are. */
static int check_head(struct store *s)
{
	struct db *db = &s->reader;

	if (sqlite3_bind_int64(db->stmt[STMT_EVENT_LAST], 1, (int64_t)s->state.head))
		return ERR_NOMEM;
	int found = db_step(db, STMT_EVENT_LAST);
	db_reset(db, STMT_EVENT_LAST);
	if (found > 0)
		return db_note(db, STMT_EVENT_LAST, ERR_CORRUPT, "events beyond the head");
	return found;
}

static int load_numbers(struct store *s, int64_t *ret_restored, int64_t *ret_marked)
{
	int64_t head = 0, serial = 0, updated = 0, failed = 0, alive_ms = 0;
	int err = meta_number(s, "head", &head);

	if (!err)
		err = meta_number(s, "serial", &serial);
	if (!err)
		err = meta_number(s, "updated", &updated);
	if (!err)
		err = meta_number(s, "failed", &failed);
	if (!err)
		err = meta_number(s, "alive_ms", &alive_ms);
	if (!err)
		err = meta_number(s, "restored", ret_restored);
	if (!err)
		err = meta_number(s, "marked", ret_marked);
	s->state = (struct write_state){.head = (uint64_t)head,
					.serial = (uint64_t)serial,
					.updated = (uint64_t)updated,
					.failed = (uint64_t)failed,
					.alive_ms = alive_ms};
	return err;
}

/* ---- restored or not ---- */

/* Why this database is not the one we left; NULL if it is. */
static const char *why_restored(const struct store *s, const char *path, int64_t restored,
				int64_t marked, struct mark *m)
{
	int err = mark_read(path, m);

	if (restored == STORE_IS_BACKUP)
		return "it is a backup";
	if (err)
		return !marked		  ? NULL /* from before there were marks, or brand-new */
		       : err == ERR_NOENT ? "the mark that was beside it is missing"
					  : "the mark beside it cannot be read";
	if (strcmp(m->stream, s->stream) != 0)
		return "the mark beside it is of another stream";
	if (m->serial > s->state.serial)
		return "the mark beside it is newer";
	return NULL;
}

static int new_stream(struct store *s)
{
	struct db *db = &s->writer;
	char stream[sizeof(s->stream)];
	int err = begin_random_hex(stream, sizeof(stream) - 1);

	if (!err)
		err = db_run(db, STMT_BEGIN, NULL);
	if (err)
		return err;
	err = write_meta_text(db, "stream_before", s->stream);
	if (!err)
		err = write_meta_text(db, "stream", stream);
	if (!err)
		err = write_meta_number(db, "restored", STORE_NEW_STREAM);
	if (!err)
		err = db_run(db, STMT_COMMIT, NULL);
	if (err && !sqlite3_get_autocommit(db->handle) && db_undo(db, STMT_ROLLBACK))
		log_err("store=rollback error=\"%s\"", db->error);
	if (err)
		return err;
	memcpy(s->stream, stream, sizeof(stream));
	return 0;
}

static int recognise(struct store *s, const char *path, int64_t restored, int64_t marked)
{
	struct mark m = {.serial = 0};
	const char *why = path ? why_restored(s, path, restored, marked, &m) : NULL;

	if (why) {
		log_warn("store=restored why=\"%s\" stream=%s serial=%" PRIu64 " head=%" PRIu64
			 " mark_stream=%s mark_serial=%" PRIu64 " mark_head=%" PRIu64
			 " do=\"nothing: a new event stream begins, open attempts are closed "
			 "store-restored\"",
			 why, s->stream, s->state.serial, s->state.head, m.stream, m.serial,
			 m.head);
		int err = new_stream(s);
		if (err)
			return err;
		restored = STORE_NEW_STREAM;
	}
	s->restored = (enum store_restored)restored;
	if (restored) {
		int err = store_meta(s, "stream_before", NULL, s->stream_before,
				     sizeof(s->stream_before));
		return err == ERR_NOENT ? 0 : err;
	}
	return 0;
}

/* ---- the mark ---- */

void begin_mark(struct store *s, bool now)
{
	struct mark m = {.serial = s->state.serial, .head = s->state.head};
	int64_t now_ms = clock_read().now_ms;

	if (s->mark_fd < 0 || s->marked_serial == m.serial ||
	    (!now && now_ms - s->marked_ms < MARK_MS))
		return;
	s->marked_ms = now_ms;
	memcpy(m.stream, s->stream, sizeof(m.stream));
	int err = mark_write(s->mark_fd, &m);
	if (!err)
		s->marked_serial = m.serial;
	if (err && !s->mark_failed)
		log_warn("store mark=failed error=\"%s\" so=\"an old copy put in place of the "
			 "database may go unnoticed\"",
			 err_text(err));
	s->mark_failed = err != 0;
}

static int begin_marks(struct store *s, const char *path, int64_t marked)
{
	s->marked_serial = UINT64_MAX; /* not written yet */
	int err = mark_open(path, &s->mark_fd);
	if (err) {
		log_warn("store mark=failed error=\"%s\" so=\"an old copy put in place of the "
			 "database may go unnoticed\"",
			 err_text(err));
		return 0;
	}
	begin_mark(s, true);
	if (marked || s->mark_failed)
		return 0;
	return write_meta_number(&s->writer, "marked", 1);
}

int begin(struct store *s, const char *path)
{
	int64_t restored = 0, marked = 0;
	int err = store_meta(s, "stream", NULL, s->stream, sizeof(s->stream));

	if (err == ERR_NOENT) {
		err = begin_random_hex(s->stream, sizeof(s->stream) - 1);
		if (!err)
			err = write_meta_text(&s->writer, "stream", s->stream);
	}
	if (!err)
		err = load_numbers(s, &restored, &marked);
	if (!err)
		err = audit_load(s, &s->state.audit);
	if (!err)
		err = check_head(s);
	if (!err)
		err = recognise(s, path, restored, marked);
	if (!err && path)
		err = begin_marks(s, path, marked);
	s->committed = s->state;
	return err;
}
