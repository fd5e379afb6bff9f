/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of an import of devices, read. */
#include <string.h>

#include "store/private.h"

int store_import(struct store *s, int64_t part, char **ret_rows)
{
	struct db *db = &s->reader;
	sqlite3_stmt *stmt = db->stmt[STMT_IMPORT];
	char *rows = NULL;

	if (sqlite3_bind_int64(stmt, 1, part))
		return ERR_NOMEM;
	int found = db_step(db, STMT_IMPORT);
	if (found > 0) {
		const char *text = (const char *)sqlite3_column_text(stmt, 0);
		rows = text ? strdup(text) : NULL;
	}
	db_reset(db, STMT_IMPORT);
	if (found <= 0)
		return found ? found : ERR_NOENT;
	if (!rows)
		return ERR_NOMEM;
	*ret_rows = rows;
	return 0;
}

int store_import_last(struct store *s, int64_t *ret_part)
{
	struct db *db = &s->reader;
	int found = db_step(db, STMT_IMPORT_LAST);

	if (found > 0)
		*ret_part = sqlite3_column_int64(db->stmt[STMT_IMPORT_LAST], 0);
	db_reset(db, STMT_IMPORT_LAST);
	return found > 0 ? 0 : found ? found : ERR_NOENT;
}
