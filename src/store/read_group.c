/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading groups, and devices by their group. */
#include "store/reading.h"
#include "store/row.h"

int store_groups(struct store *s, int64_t after_id, unsigned limit, store_group_row *row, void *ctx)
{
	struct reading q = reading_new(s, STMT_GROUPS);
	struct device_group g;
	int err = 0, found;

	reading_int(&q, after_id);
	reading_int(&q, limit);
	while ((found = reading_step(&q)) > 0) {
		err = row_read_group(q.stmt, &g);
		if (err || !row(ctx, &g))
			break;
	}
	return reading_end(&q, err ? reading_bad_row(&q, err) : found < 0 ? found : 0);
}

int store_devices_in_group(struct store *s, int64_t group, const char *after_id, unsigned limit,
			   store_device_row *row, void *ctx)
{
	struct reading q = reading_new(s, STMT_DEVICES_IN_GROUP);

	reading_int(&q, group);
	reading_str(&q, after_id);
	reading_int(&q, limit);
	return reading_devices(&q, row, ctx);
}

int store_group_counts(struct store *s, store_group_count *row, void *ctx)
{
	struct reading q = reading_new(s, STMT_GROUP_COUNTS);
	int found;

	while ((found = reading_step(&q)) > 0)
		row(ctx, sqlite3_column_int64(q.stmt, 0),
		    (uint64_t)sqlite3_column_int64(q.stmt, 1));
	return reading_end(&q, found < 0 ? found : 0);
}
