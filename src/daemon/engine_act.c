/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/engine_act.h"

#include <stdio.h>
#include <stdlib.h>

#include "daemon/audit.h"

void act_answer(engine_done *done, void *ctx, int err, const char *why)
{
	const struct engine_result result = {.err = err, .why = why};

	done(ctx, &result);
}

void act_answer_unchanged(engine_done *done, void *ctx)
{
	const struct engine_result result = {.unchanged = true};

	done(ctx, &result);
}

const char act_stale_why[] = "it is not as it was when you looked: it was changed meanwhile";

const char *act_store_why(int err)
{
	switch (err) {
	case ERR_STALE:
		return act_stale_why;
	case ERR_EXIST:
		return "it exists already";
	case ERR_CONFLICT:
		return "somebody else changed it meanwhile; look again";
	case ERR_FULL:
		return "the disk of the database is full; nothing was changed. Free space there, "
		       "and try again";
	case ERR_READONLY:
	case ERR_DENIED:
		return "the database may not be written; nothing was changed. Let the daemon's "
		       "user write it (mount, permissions, chattr), and try again";
	case ERR_MOVED:
		return "the database file was moved, replaced or removed; nothing was changed. Put "
		       "it back, or restart postbootd on what is to count";
	case ERR_CORRUPT:
		return "the database is damaged; nothing was changed. Stop postbootd and restore a "
		       "backup";
	case ERR_BUSY:
		return "another program holds the database locked; nothing was changed. Try again "
		       "when it has ended";
	case ERR_NOMEM:
		return "out of memory; nothing was changed";
	default:
		return "the database could not be written; nothing was changed. See "
		       "\"postbootctl status\"";
	}
}

static void act_done(void *ctx, const struct store_result *result)
{
	struct act *act = ctx;
	int err = result->err;
	const char *why = err == ERR_BUSY ? act->busy : err == ERR_NOENT ? act->gone : NULL;

	if (err_is_fault(err) && !why)
		engine_store_failed(act->e, "-", err);
	if (err == ERR_CONFLICT && act->by.conditional)
		err = ERR_STALE; /* a set was on its way when we looked */
	if (!err) {
		audit_log(&act->by, act->name, act->object, result);
		err = act->adopt(act, result);
	}
	if (err && !why)
		why = act_store_why(err);
	act_answer(act->done, act->ctx, err, err ? why : NULL);
	if (!err && act->rings)
		sessions_ring(act->e, act->product.id, act->group.id);
	free(act);
}

struct act *act_new(struct engine *e, act_adopt *adopt, const char *name, const struct actor *by,
		    engine_done *done, void *ctx)
{
	struct act *act = calloc(1, sizeof(*act));

	if (!act) {
		act_answer(done, ctx, ERR_NOMEM, "out of memory");
		return NULL;
	}
	*act = (struct act){
		.e = e, .adopt = adopt, .name = name, .by = *by, .done = done, .ctx = ctx};
	return act;
}

void act_object(struct act *act, const char *product, const char *name)
{
	(void)snprintf(act->object, sizeof(act->object), "%s%s%s", product, name[0] ? " " : "",
		       name);
}

void act_submit(struct act *act, act_put *put, const void *what, json_t *before, json_t *after)
{
	struct store_set *set = store_set_new(act_done, act);

	if (set)
		put(set, what);
	if (!set || audit_put(set, &act->by, act->name, act->object, before, after)) {
		store_set_free(set);
		act_answer(act->done, act->ctx, ERR_NOMEM, "out of memory");
		free(act);
		return;
	}
	store_submit(act->e->conf.store, set);
}

void act_submit_target(struct act *act, act_put *put, const void *what, json_t *before,
		       json_t *after, bool overruled)
{
	json_t *same = overruled ? json_incref(json_object_get(after, "target")) : NULL;

	if (same && before && !audit_differ(before, after)) {
		(void)json_object_set_new(after, "target", same);
		act_submit(act, put, what, before, after);
		return;
	}
	json_decref(same);
	act_submit_change(act, put, what, before, after);
}

void act_submit_change(struct act *act, act_put *put, const void *what, json_t *before,
		       json_t *after)
{
	if (before && after && !audit_differ(before, after)) {
		json_decref(before);
		json_decref(after);
		act_answer_unchanged(act->done, act->ctx);
		free(act);
		return;
	}
	act_submit(act, put, what, before, after);
}
