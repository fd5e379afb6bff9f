/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "store/audit.h"
#include "store/begin.h"
#include "store/migrate.h"
#include "store/write_meta.h"

enum { STORE_NICE = 5 };

enum { BATCH_MAX = 512 };

/* ---- queues of sets ---- */

static void queue_init(struct queue *q)
{
	q->first = NULL;
	q->last = &q->first;
	q->count = 0;
}

static void queue_append(struct queue *q, struct store_set *set)
{
	set->next = NULL;
	*q->last = set;
	q->last = &set->next;
	q->count++;
}

static struct store_set *queue_pop(struct queue *q)
{
	struct store_set *set = q->first;

	if (!set)
		return NULL;
	q->first = set->next;
	if (!q->first)
		q->last = &q->first;
	q->count--;
	return set;
}

static void queue_free(struct queue *q)
{
	for (struct store_set *set = queue_pop(q); set; set = queue_pop(q))
		store_set_free(set);
}

/* ---- group commit, on the store's thread ---- */

static void fail(struct store_set *set, int err)
{
	set->result = (struct store_result){.err = err};
}

/* Takes back what set did. An error: the whole transaction is gone or cannot go on. */
static int undo_set(struct store *s, int err)
{
	struct db *db = &s->writer;

	/* sqlite itself rolls back on some errors (disk full, out of memory, I/O) */
	if (sqlite3_get_autocommit(db->handle))
		return err;
	err = db_undo(db, STMT_ROLLBACK_TO);
	return err ? err : db_undo(db, STMT_RELEASE);
}

/* One set in a savepoint of its own; a bad one leaves no trace but its result. */
static int run_set(struct store *s, struct store_set *set, char *why, size_t why_cap)
{
	struct db *db = &s->writer;
	struct write_state before = s->state;
	int err = set->err;

	if (err) {
		buf_copy_str(why, why_cap, "a write-set that was wrong when submitted");
		fail(set, err);
		return 0;
	}
	err = db_run(db, STMT_SAVEPOINT, NULL);
	bool inside = !err;
	if (!err)
		err = write_set(db, s->conf.hash, set, &s->state);
	if (!err)
		err = db_run(db, STMT_RELEASE, NULL);
	if (!err)
		return 0;
	buf_copy_str(why, why_cap, db->error);
	fail(set, err);
	s->state = before;
	if (inside || sqlite3_get_autocommit(db->handle))
		return undo_set(s, err);
	return 0;
}

static bool any_done(const struct queue *batch)
{
	for (const struct store_set *set = batch->first; set; set = set->next)
		if (!set->result.err)
			return true;
	return false;
}

static int commit(struct store *s, struct queue *batch, char *why, size_t why_cap)
{
	struct db *db = &s->writer;
	struct write_state before = s->state;
	int err = store_writer_ready(s);

	if (!err)
		err = db_run(db, STMT_BEGIN, NULL);
	for (struct store_set *set = batch->first; set && !err; set = set->next)
		err = run_set(s, set, why, why_cap);
	if (!err && any_done(batch)) {
		s->state.serial++;
		err = write_heads(db, &before, &s->state);
	}
	if (!err)
		err = db_run(db, STMT_COMMIT, NULL);
	if (!err)
		return 0;
	buf_copy_str(why, why_cap, db->error);
	if (!sqlite3_get_autocommit(db->handle) && db_undo(db, STMT_ROLLBACK))
		log_err("store=rollback error=\"%s\"", db->error);
	s->state = before;
	for (struct store_set *set = batch->first; set; set = set->next)
		if (!set->result.err)
			fail(set, err);
	return err;
}

/* What the machine has made of the batch: 0 if it works, 1 if nobody could tell. */
static int verdict(const struct queue *batch, int err)
{
	int all = 1;

	if (err)
		return err_is_fault(err) || err == ERR_BUSY ? err : 1;
	for (const struct store_set *set = batch->first; set; set = set->next) {
		if (err_is_fault(set->result.err) && !set->err)
			return set->result.err;
		if (!set->result.err)
			all = 0;
	}
	return all;
}

/* Moves up to BATCH_MAX waiting sets to `batch`. With the mutex held. */
static void take_batch(struct store *s, struct queue *batch)
{
	queue_init(batch);
	while (batch->count < BATCH_MAX && s->waiting.first)
		queue_append(batch, queue_pop(&s->waiting));
	s->in_batch = batch->count;
}

/* Hands the results over. With the mutex held. */
static void finish_batch(struct store *s, struct queue *batch, const char *why)
{
	s->stats.commits++;
	s->stats.operations = s->writer.operations;
	for (struct store_set *set = queue_pop(batch); set; set = queue_pop(batch)) {
		s->stats.sets++;
		if (set->result.err) {
			s->stats.failed_sets++;
			buf_copy_str(s->write_error, sizeof(s->write_error), why);
		}
		queue_append(&s->finished, set);
	}
	s->committed = s->state;
	s->in_batch = 0;
}

/* One batch from the queue to its results; the mutex is held before and after. */
static void run_batch(struct store *s)
{
	struct queue batch;
	char why[sizeof(s->write_error)] = "";

	take_batch(s, &batch);
	pthread_mutex_unlock(&s->mutex);
	uint64_t start_us = store_clock_us();
	int err = verdict(&batch, commit(s, &batch, why, sizeof(why)));
	uint64_t took_us = store_clock_us() - start_us;
	begin_mark(s, false);
	pthread_mutex_lock(&s->mutex);
	store_count_commit(&s->stats, took_us);
	if (err <= 0)
		store_note_commit(s, err, why);
	finish_batch(s, &batch, why);
}

static void *thread_main(void *arg)
{
	struct store *s = arg;

	const struct sched_param none = {0};

	/* Where one processor has to do, the loop comes first: a commit may take a little longer,
	 * a block may not. A nice value belongs to a thread on Linux; and SCHED_BATCH does not take
	 * the processor from the loop at once when there is something to commit, in the midst of a
	 * turn. Failure is harmless. */
	(void)pthread_setschedparam(pthread_self(), SCHED_BATCH, &none);
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), STORE_NICE);
	pthread_mutex_lock(&s->mutex);
	for (;;) {
		while (!s->waiting.first && !s->stop)
			pthread_cond_wait(&s->work, &s->mutex);
		if (!s->waiting.first)
			break;
		run_batch(s);
		if (!s->waiting.first)
			pthread_cond_broadcast(&s->idle);
		if (s->conf.wake) {
			pthread_mutex_unlock(&s->mutex);
			s->conf.wake(s->conf.wake_ctx);
			pthread_mutex_lock(&s->mutex);
		}
	}
	pthread_mutex_unlock(&s->mutex);
	return NULL;
}

/* ---- submitting and delivering, on the caller's thread ---- */

void store_submit(struct store *s, struct store_set *set)
{
	pthread_mutex_lock(&s->mutex);
	queue_append(&s->waiting, set);
	if (s->has_thread)
		pthread_cond_signal(&s->work);
	else if (!s->conf.late_commit)
		run_batch(s);
	pthread_mutex_unlock(&s->mutex);
	if (!s->has_thread && s->conf.wake)
		s->conf.wake(s->conf.wake_ctx);
}

unsigned store_deliver(struct store *s)
{
	struct queue done;
	unsigned count = 0;

	pthread_mutex_lock(&s->mutex);
	while (s->conf.late_commit && s->waiting.first)
		run_batch(s);
	queue_init(&done);
	for (struct store_set *set = queue_pop(&s->finished); set; set = queue_pop(&s->finished))
		queue_append(&done, set);
	if (s->write_error[0])
		memcpy(s->error, s->write_error, sizeof(s->error));
	s->write_error[0] = 0;
	pthread_mutex_unlock(&s->mutex);

	/* A done function may submit again; what that finishes waits for the next call. */
	for (struct store_set *set = queue_pop(&done); set; set = queue_pop(&done), count++) {
		if (set->done)
			set->done(set->ctx, &set->result);
		store_set_free(set);
	}
	return count;
}

void store_flush(struct store *s)
{
	pthread_mutex_lock(&s->mutex);
	while (s->conf.late_commit && s->waiting.first)
		run_batch(s);
	while (s->waiting.first || s->in_batch)
		pthread_cond_wait(&s->idle, &s->mutex);
	pthread_mutex_unlock(&s->mutex);
}

void store_info(struct store *s, struct store_info *ret_info)
{
	pthread_mutex_lock(&s->mutex);
	ret_info->head = s->committed.head;
	ret_info->alive_ms = s->committed.alive_ms;
	ret_info->updated = s->committed.updated;
	ret_info->failed = s->committed.failed;
	pthread_mutex_unlock(&s->mutex);
	memcpy(ret_info->stream, s->stream, sizeof(ret_info->stream));
	memcpy(ret_info->stream_before, s->stream_before, sizeof(ret_info->stream_before));
	ret_info->restored = s->restored;
}

void store_stats(struct store *s, struct store_stats *ret_stats)
{
	pthread_mutex_lock(&s->mutex);
	*ret_stats = s->stats;
	ret_stats->queued = s->waiting.count + s->in_batch;
	pthread_mutex_unlock(&s->mutex);
}

const char *store_error(const struct store *s)
{
	return s->error;
}

/* ---- opening ---- */

/* sqlite would make it readable for all; it holds keys. */
static int create_private(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno == EEXIST ? 0 : err_from_errno(errno);
	close(fd);
	return 0;
}

int store_configure(struct db *db, bool in_memory)
{
	static const char pragmas[] = "PRAGMA synchronous = FULL;"
				      "PRAGMA foreign_keys = ON;"
				      "PRAGMA temp_store = MEMORY;"
				      "PRAGMA cache_size = -32768;"
				      "PRAGMA wal_autocheckpoint = 4000;"
				      "PRAGMA journal_size_limit = 67108864";
	char mode[16] = "";
	int err = db_query_text(db, "PRAGMA journal_mode = WAL", mode, sizeof(mode));

	if (!err && !in_memory && strcmp(mode, "wal") != 0)
		err = ERR_UNSUPPORTED; /* a file system without shared memory */
	return err ? err : db_exec(db, pragmas);
}

static int open_writer(struct store *s, const char *name, bool in_memory)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | (in_memory ? SQLITE_OPEN_URI : 0);
	int err = db_init(&s->writer, name, flags, s->conf.vfs);

	if (!err)
		err = store_configure(&s->writer, in_memory);
	if (!err)
		err = migrate_run(&s->writer);
	if (!err)
		err = db_prepare(&s->writer, true);
	return err;
}

static int open_reader(struct store *s, const char *name, bool in_memory)
{
	int flags = SQLITE_OPEN_READONLY | (in_memory ? SQLITE_OPEN_URI : 0);
	int err = db_init(&s->reader, name, flags, s->conf.vfs);

	return err ? err : db_prepare(&s->reader, false);
}

static int open_databases(struct store *s, const char *path)
{
	bool in_memory = strcmp(path, ":memory:") == 0;
	char uri[64], name[33] = "";
	int err = 0;

	if (in_memory) {
		err = begin_random_hex(name, 32);
		snprintf(uri, sizeof(uri), "file:/%s?vfs=memdb", name);
		path = uri;
	} else {
		err = migrate_look(path, s->conf.vfs, s->error, sizeof(s->error));
		if (!err)
			err = create_private(path);
	}
	if (!err)
		err = open_writer(s, path, in_memory);
	if (!err && !in_memory)
		err = store_place_init(s, path);
	if (!err)
		err = open_reader(s, path, in_memory);
	if (!err)
		err = begin(s, in_memory ? NULL : path);
	if (err && !s->error[0])
		buf_copy_str(s->error, sizeof(s->error),
			     s->reader.error[0] ? s->reader.error : s->writer.error);
	return err;
}

/* Signals are the main thread's. */
static int start_thread(struct store *s)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int rc = pthread_create(&s->thread, NULL, thread_main, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc)
		return err_from_errno(rc);
	s->has_thread = true;
	pthread_setname_np(s->thread, "store");
	return 0;
}

int store_open(const struct store_conf *conf, struct store **ret_store)
{
	struct store *s = calloc(1, sizeof(*s));

	if (!s)
		return ERR_NOMEM;
	/* Nobody asks how much memory it has, and to count costs a lock at each allocation: an
	 * eighth of a set. Refused, harmlessly, where it has begun already. */
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	s->conf = *conf;
	s->conf.path = NULL;
	s->mark_fd = -1;
	queue_init(&s->waiting);
	queue_init(&s->finished);
	pthread_mutex_init(&s->mutex, NULL);
	pthread_cond_init(&s->work, NULL);
	pthread_cond_init(&s->idle, NULL);
	int err = open_databases(s, conf->path);
	s->writer.fault = conf->fault;
	s->writer.fault_ctx = conf->fault_ctx;
	s->writer.operations = 0;
	if (!err && !conf->inline_commit)
		err = start_thread(s);
	if (err) {
		log_err("store=%s error=%s what=\"%s\"", conf->path, err_word(err),
			s->error[0] ? s->error : err_text(err));
		store_close(s);
		return err;
	}
	*ret_store = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	if (s->has_thread) {
		pthread_mutex_lock(&s->mutex);
		s->stop = true;
		pthread_cond_signal(&s->work);
		pthread_mutex_unlock(&s->mutex);
		pthread_join(s->thread, NULL);
	}
	queue_free(&s->waiting);
	queue_free(&s->finished);
	begin_mark(s, true);
	if (s->mark_fd >= 0)
		(void)close(s->mark_fd);
	db_done(&s->reader); /* first, so that the writer's close folds the WAL in */
	db_done(&s->writer);
	pthread_cond_destroy(&s->idle);
	pthread_cond_destroy(&s->work);
	pthread_mutex_destroy(&s->mutex);
	free(s->path);
	free(s->wal_path);
	free(s);
}
