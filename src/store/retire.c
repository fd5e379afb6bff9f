/* SPDX-License-Identifier: Apache-2.0 */
#include "store/retire.h"

/* ---- events: only the oldest ones, so that those kept have no gap ---- */

/* The last one, from the oldest on, that may go; 0: none. */
static int last_old_event(struct db *db, const struct store_retire *what, uint64_t head,
			  uint64_t *ret_seq, unsigned *ret_count)
{
	sqlite3_stmt *stmt = db->stmt[STMT_OLD_EVENTS];
	uint64_t spare = what->events_max && head > what->events_max ? head - what->events_max : 0;
	int found;

	*ret_seq = 0;
	*ret_count = 0;
	if (sqlite3_bind_int64(stmt, 1, LIMIT_RETIRE))
		return ERR_NOMEM;
	while ((found = db_step(db, STMT_OLD_EVENTS)) > 0) {
		uint64_t seq = (uint64_t)sqlite3_column_int64(stmt, 0);

		/* The first one that is too young ends it, whatever a clock that was set back
		 * has made of those behind it. */
		if (seq > spare && sqlite3_column_int64(stmt, 1) >= what->events_before_ms)
			break;
		*ret_seq = seq;
		++*ret_count;
	}
	db_reset(db, STMT_OLD_EVENTS);
	return found < 0 ? found : 0;
}

static int retire_events(struct db *db, struct store_set *set, const struct store_retire *what,
			 uint64_t head)
{
	uint64_t last = 0;
	unsigned count = 0;
	int changes = 0;
	int err = last_old_event(db, what, head, &last, &count);

	if (err || !last)
		return err;
	if (sqlite3_bind_int64(db->stmt[STMT_OLD_EVENTS_DELETE], 1, (int64_t)last))
		return ERR_NOMEM;
	err = db_run(db, STMT_OLD_EVENTS_DELETE, &changes);
	if (err)
		return err;
	set->result.retired += (unsigned)changes;
	if (count == LIMIT_RETIRE)
		set->result.retire_more = true;
	return 0;
}

/* ---- attempts: by the age of their verdict ---- */

struct old_attempts {
	unsigned looked, count;
	int64_t numbers[LIMIT_RETIRE];
};

/* Looks on from where the last step ended: what must stay is not looked at again each time. */
static int old_attempts(struct db *db, int64_t before_ms, struct write_state *state,
			struct old_attempts *ret)
{
	sqlite3_stmt *stmt = db->stmt[STMT_OLD_ATTEMPTS];
	int found;

	if (sqlite3_bind_int64(stmt, 1, state->old_closed_ms) ||
	    sqlite3_bind_int64(stmt, 2, state->old_number) ||
	    sqlite3_bind_int64(stmt, 3, before_ms) || sqlite3_bind_int64(stmt, 4, LIMIT_RETIRE))
		return ERR_NOMEM;
	while ((found = db_step(db, STMT_OLD_ATTEMPTS)) > 0) {
		state->old_number = sqlite3_column_int64(stmt, 0);
		state->old_closed_ms = sqlite3_column_int64(stmt, 1);
		ret->looked++;
		if (!sqlite3_column_int(stmt, 2))
			ret->numbers[ret->count++] = state->old_number;
	}
	db_reset(db, STMT_OLD_ATTEMPTS);
	return found < 0 ? found : 0;
}

static int retire_attempts(struct db *db, struct store_set *set, int64_t before_ms,
			   struct write_state *state)
{
	struct old_attempts old = {0};
	int err = old_attempts(db, before_ms, state, &old);

	for (unsigned i = 0; !err && i < old.count; i++) {
		if (sqlite3_bind_int64(db->stmt[STMT_OLD_ATTEMPT_DELETE], 1, old.numbers[i]))
			return ERR_NOMEM;
		err = db_run(db, STMT_OLD_ATTEMPT_DELETE, NULL);
	}
	if (err)
		return err;
	set->result.retired += old.count;
	if (old.looked == LIMIT_RETIRE)
		set->result.retire_more = true;
	else
		state->old_closed_ms = state->old_number = 0;
	return 0;
}

int retire(struct db *db, struct store_set *set, const struct store_retire *what,
	   struct write_state *state)
{
	int err = 0;

	if (what->events_before_ms || what->events_max)
		err = retire_events(db, set, what, state->head);
	if (!err && what->attempts_before_ms)
		err = retire_attempts(db, set, what->attempts_before_ms, state);
	return err;
}
