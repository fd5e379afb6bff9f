/* SPDX-License-Identifier: Apache-2.0
 *
 * Acts on saved queries: filters under a name.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/engine_act.h"
#include "daemon/engine_filter.h"
#include "daemon/view.h"

/* Nothing of them is in memory. */
static int adopt_nothing(struct act *act, const struct store_result *result)
{
	(void)act;
	(void)result;
	return 0;
}

static void put_query(struct store_set *set, const void *what)
{
	store_set_query(set, what);
}

static void put_query_delete(struct store_set *set, const void *what)
{
	store_set_query_delete(set, what);
}

static json_t *audit_query(const struct store_query *q)
{
	json_t *o = json_object();

	view_put(&o, "filter", json_string(q->filter));
	return o;
}

static bool query_count(void *ctx, const struct store_query *q)
{
	(void)q;
	++*(unsigned *)ctx;
	return true;
}

/* May there be one more? */
static int query_room(struct engine *e, const char **ret_why)
{
	unsigned count = 0;
	int err = store_queries(e->conf.store, "", LIMIT_QUERIES, query_count, &count);

	*ret_why = err ? act_store_why(err)
		       : "there are as many saved queries as there may be; remove one first";
	return err ? err : count < LIMIT_QUERIES ? 0 : ERR_BUSY;
}

void engine_query_save(struct engine *e, const struct actor *by, const char *name,
		       const struct filter *f, engine_done *done, void *ctx)
{
	struct store_query old = {0}, q = {0};
	int err = store_query(e->conf.store, name, &old);
	const char *why = act_store_why(err);
	struct act *act;

	if (err == ERR_NOENT)
		err = query_room(e, &why);
	if (!err && !actor_matches(by, old.rev)) {
		err = ERR_STALE;
		why = act_stale_why;
	}
	if (!err && (err = filter_text(f, q.filter)))
		why = "the filter is longer than it may be";
	if (err) {
		act_answer(done, ctx, err == ERR_LIMIT ? ERR_INVAL : err, why);
		return;
	}
	act = act_new(e, adopt_nothing, "query save", by, done, ctx);
	if (!act)
		return;
	q.rev = old.rev;
	q.created_ms = old.rev ? old.created_ms : clock_read().wall_ms;
	(void)buf_copy_str(q.name, sizeof(q.name), name);
	act_object(act, name, "");
	if (old.rev)
		act_submit_change(act, put_query, &q, audit_query(&old), audit_query(&q));
	else
		act_submit(act, put_query, &q, json_null(), audit_query(&q));
}

void engine_query_remove(struct engine *e, const struct actor *by, const char *name,
			 engine_done *done, void *ctx)
{
	struct store_query old = {0};
	int err = store_query(e->conf.store, name, &old);
	struct act *act;

	if (!err && !actor_matches(by, old.rev))
		err = ERR_STALE;
	if (err) {
		act_answer(done, ctx, err,
			   err == ERR_NOENT ? "there is no such saved query" : act_store_why(err));
		return;
	}
	act = act_new(e, adopt_nothing, "query remove", by, done, ctx);
	if (!act)
		return;
	act_object(act, name, "");
	act_submit(act, put_query_delete, &old, audit_query(&old), json_null());
}
