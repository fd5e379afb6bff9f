/* SPDX-License-Identifier: Apache-2.0
 *
 * The store inside, for store.c (life, thread, group commit) and read.c (queries).
 *
 * Who touches what: `writer`, `state` and what a batch holds: the store's thread only (the
 * caller's with inline_commit). `reader` and `error`: the caller's thread only. All under
 * `mutex`: both.
 */
#ifndef STORE_PRIVATE_H
#define STORE_PRIVATE_H

#include <pthread.h>

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

	struct db writer;
	struct write_state state;

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
};

/* The value of a key in meta: as a number, or as text of exactly cap - 1 bytes. */
int store_meta(struct store *s, const char *key, int64_t *ret, char *text, size_t cap) ERR_CHECK;

#endif
