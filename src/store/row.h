/* SPDX-License-Identifier: Apache-2.0
 *
 * Structs as rows: binds them in the order of the INSERT and UPDATE statements, reads them in
 * the order of the SELECTs (store/stmt.c). Readers fill `ret` only on success.
 */
#ifndef STORE_ROW_H
#define STORE_ROW_H

#include <sqlite3.h>

#include "core/attempt.h"
#include "core/diagnosis.h"
#include "core/group.h"
#include "core/rollout.h"
#include "store/column.h"
#include "store/hook.h"
#include "store/key.h"

enum {
	/* version byte; then per boot: length, id, flags, count, seq, two times */
	ROW_BOOTS_MAX = 1 + LIMIT_BOOTS_KEPT * (1 + LIMIT_BOOT_ID + 1 + 4 + 4 + 8 + 8),
};

/* Each returns an error and, if it took parameters, in ret_next the next free one. `packed`
 * is borrowed until the statement is reset. */
int row_bind_product(sqlite3_stmt *stmt, const struct product *p, int *ret_next) ERR_CHECK;
int row_bind_group(sqlite3_stmt *stmt, const struct device_group *g, int *ret_next) ERR_CHECK;
int row_bind_rollout(sqlite3_stmt *stmt, const struct rollout *r, int *ret_next) ERR_CHECK;
int row_bind_wave(sqlite3_stmt *stmt, int first, const struct wave *w) ERR_CHECK;
int row_bind_release(sqlite3_stmt *stmt, const struct release *r) ERR_CHECK;
int row_bind_digest(sqlite3_stmt *stmt, int first, const struct digest *d) ERR_CHECK;
int row_bind_device_fixed(sqlite3_stmt *stmt, int first, const struct device *d,
			  int *ret_next) ERR_CHECK;
int row_bind_device(sqlite3_stmt *stmt, int first, const struct device *d,
		    uint8_t packed[ROW_BOOTS_MAX], int *ret_next) ERR_CHECK;
int row_bind_key(sqlite3_stmt *stmt, const struct store_key *k) ERR_CHECK;
int row_bind_hook(sqlite3_stmt *stmt, const struct hook *h, int *ret_next) ERR_CHECK;
int row_bind_place(sqlite3_stmt *stmt, int first, const struct hook_place *p,
		   int *ret_next) ERR_CHECK;
/* Its form and value. */
int row_bind_secret(sqlite3_stmt *stmt, int first, const struct store_key *k) ERR_CHECK;
int row_bind_attempt_fixed(sqlite3_stmt *stmt, const struct attempt *a, int *ret_next) ERR_CHECK;
int row_bind_attempt(sqlite3_stmt *stmt, int first, const struct attempt *a,
		     int *ret_next) ERR_CHECK;

int row_read_product(sqlite3_stmt *stmt, struct product *ret) ERR_CHECK;
int row_read_group(sqlite3_stmt *stmt, struct device_group *ret) ERR_CHECK;
int row_read_rollout(sqlite3_stmt *stmt, struct rollout *ret) ERR_CHECK; /* without waves */
int row_read_wave(sqlite3_stmt *stmt, struct wave *ret) ERR_CHECK;
int row_read_release(sqlite3_stmt *stmt, struct release *ret) ERR_CHECK; /* without digests */
int row_read_digest(sqlite3_stmt *stmt, struct digest *ret) ERR_CHECK;
int row_read_device(sqlite3_stmt *stmt, struct device *ret) ERR_CHECK;
int row_read_key(sqlite3_stmt *stmt, struct store_key *ret) ERR_CHECK;
int row_read_hook(sqlite3_stmt *stmt, struct store_hook *ret) ERR_CHECK;
/* A name and the secret of it. */
int row_read_secret(sqlite3_stmt *stmt, struct store_key *ret) ERR_CHECK;
int row_read_attempt(sqlite3_stmt *stmt, struct attempt *ret) ERR_CHECK;
int row_read_diagnosis(sqlite3_stmt *stmt, struct diagnosis *ret) ERR_CHECK;

#endif
