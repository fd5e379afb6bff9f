/* SPDX-License-Identifier: Apache-2.0
 *
 * When the machine below fails: what failed is kept for those who watch, and connections are
 * opened anew, as sqlite goes on trusting what an old one has seen.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "store/private.h"

enum { ROOM_BYTES = 1 << 20 };

const unsigned store_latency_us[STORE_LATENCIES] = {1000,   2500,   5000,   10000,   25000,  50000,
						    100000, 250000, 500000, 1000000, 2500000};

uint64_t store_clock_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void store_count_commit(struct store_stats *stats, uint64_t us)
{
	unsigned at = 0;

	while (at < STORE_LATENCIES && us > store_latency_us[at])
		at++;
	stats->latency_count[at]++;
	stats->latency_sum_us += us;
}

/* ---- the file that was opened ---- */

/* What is committed to a file that nobody finds again is lost with the process. */
static int check_place(struct store *s)
{
	struct stat st;
	const char *what = NULL;

	if (stat(s->path, &st) || st.st_dev != s->file_dev || st.st_ino != s->file_ino)
		what = "the database";
	else if (stat(s->wal_path, &st) || (s->wal_ino && st.st_ino != s->wal_ino))
		what = "its write-ahead log (postboot.db-wal)";
	else
		s->wal_ino = st.st_ino;
	if (!what)
		return 0;
	snprintf(s->writer.error, sizeof(s->writer.error), "%s was moved, replaced or removed",
		 what);
	return ERR_MOVED;
}

int store_place_init(struct store *s, const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return ERR_IO;
	s->file_dev = st.st_dev;
	s->file_ino = st.st_ino;
	s->path = strdup(path);
	if (!s->path || asprintf(&s->wal_path, "%s-wal", path) < 0) {
		s->wal_path = NULL;
		return ERR_NOMEM;
	}
	return 0;
}

/* ---- opening anew ---- */

static bool needs_reopening(int err)
{
	return err == ERR_IO || err == ERR_CORRUPT || err == ERR_READONLY || err == ERR_DENIED;
}

/* The new connection takes the place of the old one, if it is good and of the same file. */
static int reopen(struct store *s, struct db *db, bool writes)
{
	struct db fresh;

	int flags = writes ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
	int err = check_place(s);
	if (err)
		return err;
	err = db_init(&fresh, s->path, flags, s->conf.vfs);
	if (!err && writes)
		err = store_configure(&fresh, false);
	if (!err)
		err = db_prepare(&fresh, writes);
	if (err) {
		memcpy(db->error, fresh.error, sizeof(db->error));
		db_done(&fresh);
		return err;
	}
	fresh.fault = db->fault;
	fresh.fault_ctx = db->fault_ctx;
	fresh.operations = db->operations;
	fresh.fault_count = db->fault_count;
	db_done(db);
	*db = fresh;
	return 0;
}

int store_writer_ready(struct store *s)
{
	struct db *db = &s->writer;
	int err = 0;

	if (!s->path) /* in memory */
		return 0;
	if (needs_reopening(db->fault_err))
		err = reopen(s, db, true);
	else
		err = check_place(s);
	if (err) {
		db->fault_count++;
		return err;
	}
	db->fault_err = 0;
	return 0;
}

int store_probe(struct store *s)
{
	struct db *db = &s->reader;
	int64_t head;
	int err = 0;

	if (!db->fault_err)
		return 0;
	if (s->path && needs_reopening(db->fault_err))
		err = reopen(s, db, false);
	if (!err)
		err = store_meta(s, "head", &head, NULL, 0);
	if (err && err != ERR_NOENT)
		return err;
	db->fault_err = 0;
	return 0;
}

bool store_has_room(const struct store *s)
{
	struct statvfs vfs;

	return !s->path || statvfs(s->path, &vfs) ||
	       (uint64_t)vfs.f_bavail * vfs.f_frsize >= ROOM_BYTES;
}

/* ---- telling ---- */

void store_note_commit(struct store *s, int err, const char *why)
{
	struct store_fault *f = &s->write_fault;

	f->err = err;
	if (!err)
		return;
	f->failures++;
	buf_copy_str(f->what, sizeof(f->what), why);
}

void store_faults(struct store *s, struct store_fault *ret_write, struct store_fault *ret_read)
{
	pthread_mutex_lock(&s->mutex);
	*ret_write = s->write_fault;
	pthread_mutex_unlock(&s->mutex);
	ret_read->err = s->reader.fault_err;
	ret_read->failures = s->reader.fault_count;
	buf_copy_str(ret_read->what, sizeof(ret_read->what), s->reader.error);
}
