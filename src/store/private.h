/* SPDX-License-Identifier: Apache-2.0
 *
 * The store inside, for store.c (life, thread, group commit) and read.c (queries).
 *
 * Who touches what: `writer`, `state`, the mark and what a batch holds: the store's thread only
 * (the caller's with inline_commit). `reader` and `error`: the caller's thread only. All under
 * `mutex`: both.
 */
#ifndef STORE_PRIVATE_H
#define STORE_PRIVATE_H

#include <pthread.h>
#include <sys/types.h>

#include "store/db.h"
#include "store/set.h"
#include "store/write.h"

struct queue {
	struct store_set *first, **last;
	uint64_t count;
};

struct store {
	struct store_conf conf; /* path is not kept */
	char stream[33];
	enum store_restored restored;
	char stream_before[33];

	char *path, *wal_path; /* NULL: in memory */
	dev_t file_dev;	       /* of the file that was opened */
	ino_t file_ino, wal_ino;

	struct db writer;
	struct write_state state;
	int mark_fd; /* < 0: none */
	uint64_t marked_serial;
	int64_t marked_ms; /* monotonic */
	bool mark_failed;

	struct db reader;
	char error[200];

	pthread_t thread;
	bool has_thread;

	pthread_mutex_t mutex;
	pthread_cond_t work; /* something waits, or stop */
	pthread_cond_t idle; /* nothing waits and no batch is under way */
	/* under mutex: */
	struct queue waiting, finished;
	uint64_t in_batch;
	bool stop;
	struct write_state committed;
	struct store_stats stats;
	char write_error[200]; /* of the last set that failed */
	struct store_fault write_fault;
};

/* store.c */
int store_configure(struct db *db, bool in_memory) ERR_CHECK;

/* fault.c */
int store_place_init(struct store *s, const char *path) ERR_CHECK;
/* Before a transaction: opens the connection anew if its last error asks for that, and looks
 * whether the file is still where it was. */
int store_writer_ready(struct store *s) ERR_CHECK;
/* After one, with the mutex: `err` is what the machine made fail, or 0. */
void store_note_commit(struct store *s, int err, const char *why);
uint64_t store_clock_us(void);
void store_count_commit(struct store_stats *stats, uint64_t us);

/* The value of a key in meta: as a number, or as text of exactly cap - 1 bytes. */
int store_meta(struct store *s, const char *key, int64_t *ret, char *text, size_t cap) ERR_CHECK;

#endif
