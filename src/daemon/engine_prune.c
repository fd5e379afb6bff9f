/* SPDX-License-Identifier: Apache-2.0
 *
 * Taking rows out of the audit log, once an operator has them elsewhere.
 */
#include <inttypes.h>
#include <string.h>

#include "daemon/engine_act.h"
#include "daemon/engine_audit.h"
#include "daemon/view.h"

static int adopt_nothing(struct act *act, const struct store_result *result)
{
	(void)act;
	(void)result;
	return 0;
}

static void put_prune(struct store_set *set, const void *what)
{
	store_set_audit_prune(set, what);
}

struct found {
	struct store_audit_head row;
};

static bool found_row(void *ctx, const struct store_audit_row *row)
{
	struct found *f = ctx;

	f->row.seq = row->seq;
	memcpy(f->row.hash, row->hash, STORE_HASH);
	return false;
}

static const char gone[] = "these rows are out of the log already: another audit prune, before or "
			   "just now, took them. This one has removed nothing; the log begins "
			   "where that one ended";

static int prune_check(struct engine *e, const struct store_audit_head *through,
		       const struct store_audit_head *removed, const char **ret_why)
{
	struct found f = {0};

	if (through->seq <= removed->seq) {
		*ret_why = gone;
		return ERR_NOENT;
	}
	if (through->seq - removed->seq > LIMIT_AUDIT_PRUNE) {
		*ret_why = "more than 5000 rows at once would hold up others; begin with fewer";
		return ERR_INVAL;
	}
	int err = store_audits(e->conf.store, "", through->seq - 1, 1, found_row, &f);
	*ret_why = act_store_why(err);
	if (err)
		return err;
	if (f.row.seq != through->seq) {
		*ret_why = "the log has no such row";
		return ERR_NOENT;
	}
	if (memcmp(f.row.hash, through->hash, STORE_HASH) != 0) {
		*ret_why = "the row has another hash: what you have is not this log. Nothing was "
			   "removed";
		return ERR_BUSY;
	}
	return 0;
}

void engine_audit_prune(struct engine *e, const struct actor *by,
			const struct store_audit_head *through, engine_done *done, void *ctx)
{
	struct store_audit_head removed = {0};
	const char *why = NULL;
	int err = store_audit_removed(e->conf.store, &removed);
	struct act *act;

	if (err)
		why = act_store_why(err);
	else
		err = prune_check(e, through, &removed, &why);
	if (err) {
		act_answer(done, ctx, err, why);
		return;
	}
	act = act_new(e, adopt_nothing, AUDIT_PRUNE, by, done, ctx);
	if (!act)
		return;
	act->gone = gone; /* two were on their way */
	act_object(act, "audit", "");
	act_submit(act, put_prune, through, removed.seq ? view_removed(&removed) : json_null(),
		   view_removed(through));
}
