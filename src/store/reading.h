/* SPDX-License-Identifier: Apache-2.0
 *
 * One run of a reading statement, for the files that read (read.c, read_group.c): reading_new(),
 * one reading_int() and so on for each parameter in turn, reading_step() until it gives no more,
 * reading_end().
 */
#ifndef STORE_READING_H
#define STORE_READING_H

#include "store/private.h"

/* The first error of binding is kept until it is stepped. */
struct reading {
	struct store *store;
	enum stmt_id id;
	sqlite3_stmt *stmt;
	int next; /* parameter */
	int err;
};

struct reading reading_new(struct store *s, enum stmt_id id);
void reading_int(struct reading *q, int64_t value);
void reading_u64(struct reading *q, uint64_t value);
void reading_str(struct reading *q, const char *value); /* borrowed until the end */
void reading_blob(struct reading *q, const void *ptr, size_t len);
/* 1: a row, 0: no more, else an error. */
int reading_step(struct reading *q);
/* To the one row there may be: ERR_NOENT if there is none. */
int reading_one(struct reading *q) ERR_CHECK;
/* Of the present row; "" for NULL. */
const char *reading_column(struct reading *q, int column);
/* A row that was found but does not read as one: notes it and returns `err`. */
int reading_bad_row(struct reading *q, int err);
/* Returns `err`. */
int reading_end(struct reading *q, int err);
/* Rows of DEVICE_SELECT until `row` has enough, and the end. */
int reading_devices(struct reading *q, store_device_row *row, void *ctx) ERR_CHECK;

#endif
