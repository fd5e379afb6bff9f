/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading rollouts and their members. */
#include "store/reading.h"
#include "store/row.h"

/* The rollout's own row is still open, so both are of one moment. */
static int read_waves(struct store *s, struct rollout *r)
{
	struct reading q = reading_new(s, STMT_WAVES);
	int err = 0, found = 0;

	reading_int(&q, r->id);
	while (!err && (found = reading_step(&q)) > 0) {
		if (r->wave_count == LIMIT_ROLLOUT_WAVES)
			err = ERR_CORRUPT;
		else
			err = row_read_wave(q.stmt, &r->waves[r->wave_count++]);
	}
	if (!err && !found && !r->wave_count)
		err = ERR_CORRUPT;
	return reading_end(&q, err ? reading_bad_row(&q, err) : found);
}

int store_rollouts(struct store *s, int64_t after_id, unsigned limit, store_rollout_row *row,
		   void *ctx)
{
	struct reading q = reading_new(s, STMT_ROLLOUTS);
	struct rollout r;
	int err = 0, found;

	reading_int(&q, after_id);
	reading_int(&q, limit);
	while ((found = reading_step(&q)) > 0) {
		err = row_read_rollout(q.stmt, &r);
		if (err)
			err = reading_bad_row(&q, err);
		if (!err)
			err = read_waves(s, &r);
		if (err || !row(ctx, &r))
			break;
	}
	return reading_end(&q, err ? err : found < 0 ? found : 0);
}

int store_rollout_left(struct store *s, int64_t rollout, store_left_row *row, void *ctx)
{
	struct reading q = reading_new(s, STMT_LEFT);
	int err = 0, found;

	reading_int(&q, rollout);
	while ((found = reading_step(&q)) > 0) {
		uint32_t result;
		int64_t wave = sqlite3_column_int64(q.stmt, 0);
		if (wave < 0 || wave >= LIMIT_ROLLOUT_WAVES ||
		    words_number(&words_member, reading_column(&q, 2), &result)) {
			err = reading_bad_row(&q, ERR_CORRUPT);
			break;
		}
		const struct member_facts m = {.result = (enum member)result,
					       .applied = sqlite3_column_int64(q.stmt, 3) != 0,
					       .silent = sqlite3_column_int64(q.stmt, 4) != 0,
					       .out = sqlite3_column_int64(q.stmt, 5) != 0};
		row(ctx, (unsigned)wave, sqlite3_column_int64(q.stmt, 1) != 0, &m,
		    sqlite3_column_int64(q.stmt, 6));
	}
	return reading_end(&q, err ? err : found < 0 ? found : 0);
}

int store_members(struct store *s, int64_t rollout, int64_t from_place, int64_t to_place,
		  unsigned limit, store_device_row *row, void *ctx)
{
	struct reading q = reading_new(s, STMT_MEMBERS);

	reading_int(&q, rollout);
	reading_int(&q, from_place);
	reading_int(&q, to_place);
	reading_int(&q, limit);
	return reading_devices(&q, row, ctx);
}
