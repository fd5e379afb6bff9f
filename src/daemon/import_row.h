/* SPDX-License-Identifier: Apache-2.0
 *
 * One device of an import: a line of JSON as somebody sent it, and the same, checked, as it waits
 * in the database until its turn has come (store_set_import).
 */
#ifndef DAEMON_IMPORT_ROW_H
#define DAEMON_IMPORT_ROW_H

#include <jansson.h>

#include "daemon/engine.h"
#include "store/store.h"

struct import_row {
	struct device device;
	struct store_tags tags;
	bool has_key;
	struct store_key key;
};

typedef void import_tell(void *ctx, const char *why);

/* Reads and checks all that can be told without the devices there are. False: `tell` has heard
 * each thing that is wrong. The owner wipes the row. */
bool import_row_read(struct engine *e, const char *line, size_t len, int64_t now_ms,
		     struct import_row *ret, import_tell *tell, void *ctx);

/* A new reference, NULL without memory. A key in it is wrapped as all are. */
json_t *import_row_keep(const struct import_row *row);
/* ERR_CORRUPT: it was not kept by us. */
int import_row_load(const json_t *kept, int64_t now_ms, struct import_row *ret) ERR_CHECK;
void import_row_put(struct store_set *set, const struct import_row *row);

#endif
