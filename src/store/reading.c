/* SPDX-License-Identifier: Apache-2.0 */
#include "store/reading.h"

#include <string.h>

struct reading reading_new(struct store *s, enum stmt_id id)
{
	return (struct reading){.store = s, .id = id, .stmt = s->reader.stmt[id], .next = 1};
}

void reading_int(struct reading *q, int64_t value)
{
	if (sqlite3_bind_int64(q->stmt, q->next++, value))
		q->err = ERR_NOMEM;
}

/* Nothing in the database is above INT64_MAX, so a larger number finds what INT64_MAX finds. */
void reading_u64(struct reading *q, uint64_t value)
{
	reading_int(q, value > INT64_MAX ? INT64_MAX : (int64_t)value);
}

void reading_str(struct reading *q, const char *value)
{
	if (sqlite3_bind_text(q->stmt, q->next++, value, -1, SQLITE_STATIC))
		q->err = ERR_NOMEM;
}

void reading_blob(struct reading *q, const void *ptr, size_t len)
{
	if (sqlite3_bind_blob64(q->stmt, q->next++, ptr, len, SQLITE_STATIC))
		q->err = ERR_NOMEM;
}

int reading_step(struct reading *q)
{
	int err = q->err ? q->err : db_step(&q->store->reader, q->id);

	if (err < 0)
		memcpy(q->store->error, q->store->reader.error, sizeof(q->store->error));
	return err;
}

int reading_end(struct reading *q, int err)
{
	db_reset(&q->store->reader, q->id);
	return err;
}

int reading_bad_row(struct reading *q, int err)
{
	db_note(&q->store->reader, q->id, err, "a row that cannot be read");
	if (err_is_fault(err)) {
		q->store->reader.fault_err = err;
		q->store->reader.fault_count++;
	}
	memcpy(q->store->error, q->store->reader.error, sizeof(q->store->error));
	return err;
}

int reading_one(struct reading *q)
{
	int found = reading_step(q);

	return found > 0 ? 0 : found == 0 ? ERR_NOENT : found;
}

/* In memory the writer would have to wait for us. That it fails need not be told: the reads that
 * follow are right without it, or fail themselves. */
void store_reads_begin(struct store *s)
{
	if (s->path && sqlite3_get_autocommit(s->reader.handle)) {
		(void)sqlite3_step(s->reader.stmt[STMT_READ_BEGIN]);
		db_reset(&s->reader, STMT_READ_BEGIN);
	}
}

void store_reads_end(struct store *s)
{
	if (!sqlite3_get_autocommit(s->reader.handle)) {
		(void)sqlite3_step(s->reader.stmt[STMT_READ_END]);
		db_reset(&s->reader, STMT_READ_END);
	}
}

const char *reading_column(struct reading *q, int column)
{
	const char *str = (const char *)sqlite3_column_text(q->stmt, column);

	return str ? str : "";
}
