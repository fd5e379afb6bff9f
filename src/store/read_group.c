/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading groups, tags and saved queries, and devices by them. */
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

int store_group_downloads(struct store *s, store_group_count *row, void *ctx)
{
	struct reading q = reading_new(s, STMT_GROUP_DOWNLOADS);
	int found;

	while ((found = reading_step(&q)) > 0)
		row(ctx, sqlite3_column_int64(q.stmt, 0),
		    (uint64_t)sqlite3_column_int64(q.stmt, 1));
	return reading_end(&q, found < 0 ? found : 0);
}

/* ---- tags ---- */

int store_devices_tagged(struct store *s, const char *tag, const char *after_id, unsigned limit,
			 store_device_row *row, void *ctx)
{
	struct reading q = reading_new(s, STMT_DEVICES_TAGGED);

	reading_str(&q, tag);
	reading_str(&q, after_id);
	reading_int(&q, limit);
	return reading_devices(&q, row, ctx);
}

int store_devices_development(struct store *s, const char *after_id, unsigned limit,
			      store_device_row *row, void *ctx)
{
	struct reading q = reading_new(s, STMT_DEVICES_DEVELOPMENT);

	reading_str(&q, after_id);
	reading_int(&q, limit);
	return reading_devices(&q, row, ctx);
}

int store_has_tag(struct store *s, const char *device, const char *tag, bool *ret)
{
	struct reading q = reading_new(s, STMT_HAS_TAG);

	reading_str(&q, device);
	reading_str(&q, tag);
	int found = reading_step(&q);
	if (found >= 0)
		*ret = found > 0;
	return reading_end(&q, found < 0 ? found : 0);
}

int store_tags(struct store *s, const char *device, struct store_tags *ret)
{
	struct reading q = reading_new(s, STMT_TAGS);
	struct store_tags tags = {0};
	int err = 0, found = 0;

	reading_str(&q, device);
	while (!err && (found = reading_step(&q)) > 0)
		if (tags.count == LIMIT_TAGS ||
		    !buf_copy_str(tags.list[tags.count++], sizeof(tags.list[0]),
				  reading_column(&q, 0)))
			err = reading_bad_row(&q, ERR_CORRUPT);
	if (!err && found < 0)
		err = found;
	if (!err)
		*ret = tags;
	return reading_end(&q, err);
}

/* ---- saved queries ---- */

static int read_query(struct reading *q, struct store_query *ret)
{
	struct store_query row = {.created_ms = sqlite3_column_int64(q->stmt, 2),
				  .rev = sqlite3_column_int64(q->stmt, 3)};

	if (!buf_copy_str(row.name, sizeof(row.name), reading_column(q, 0)) ||
	    !buf_copy_str(row.filter, sizeof(row.filter), reading_column(q, 1)))
		return reading_bad_row(q, ERR_CORRUPT);
	*ret = row;
	return 0;
}

int store_query(struct store *s, const char *name, struct store_query *ret)
{
	struct reading q = reading_new(s, STMT_QUERY);

	reading_str(&q, name);
	int err = reading_one(&q);
	if (!err)
		err = read_query(&q, ret);
	return reading_end(&q, err);
}

int store_queries(struct store *s, const char *after_name, unsigned limit, store_query_row *row,
		  void *ctx)
{
	struct reading q = reading_new(s, STMT_QUERIES);
	struct store_query r;
	int err = 0, found = 0;

	reading_str(&q, after_name);
	reading_int(&q, limit);
	while (!err && (found = reading_step(&q)) > 0) {
		err = read_query(&q, &r);
		if (err || !row(ctx, &r))
			break;
	}
	return reading_end(&q, err ? err : found < 0 ? found : 0);
}
