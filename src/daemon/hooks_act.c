/* SPDX-License-Identifier: Apache-2.0
 *
 * The acts of operators on webhooks. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/engine_audit.h"
#include "daemon/hooks_inner.h"
#include "daemon/view.h"

enum act_kind { ACT_ADD, ACT_SET, ACT_STATE, ACT_REMOVE, ACT_DEAD };

struct act {
	struct hooks *h;
	enum act_kind kind;
	const char *name; /* in the audit log: "hook add" */
	struct actor by;
	struct store_hook row; /* as it is to be */
	bool has_secret;
	engine_done *done;
	void *ctx;
};

static void answer(engine_done *done, void *ctx, int err, const char *why)
{
	const struct engine_result result = {.err = err, .why = why};

	done(ctx, &result);
}

static void act_free(struct act *act)
{
	explicit_bzero(&act->row.secret, sizeof(act->row.secret));
	free(act);
}

/* ---- facts ---- */

static json_t *facts(const struct hook *hook)
{
	json_t *o = json_object();

	view_put_text(&o, "url", hook->url);
	view_put_text(&o, "topics", hook->topics);
	view_put_text(&o, "products", hook->products);
	view_put(&o, "batch", json_integer(hook->batch));
	view_put(&o, "state", json_string(hook_state_name(hook->state)));
	return o;
}

/* ---- after the commit ---- */

/* Somebody has looked after it: whatever it waited for, it is tried now. */
static void try_now(struct hooked *k)
{
	if (!k->place.failures)
		return;
	k->place.tries = k->place.failures = 0;
	k->place.retry_ms = k->place.failing_ms = 0;
	k->dirty = true;
}

static int adopt(struct act *act, const struct store_result *result)
{
	struct hooks *h = act->h;
	struct hooked *k = hooks_named(h, act->row.hook.name);

	if (act->kind == ACT_ADD) {
		act->row.hook.id = result->ids[0];
		act->row.hook.rev = 1;
		return hooks_take(h, &act->row);
	}
	if (!k || k->hook.id != act->row.hook.id)
		return 0;
	if (act->kind == ACT_REMOVE) {
		hooks_drop(k);
		return 0;
	}
	if (act->kind == ACT_DEAD) {
		hooks_recount(k);
		return 0;
	}
	k->hook = act->row.hook;
	k->hook.rev++;
	if (act->has_secret)
		k->secret = act->row.secret;
	if (k->hook.state == HOOK_ACTIVE)
		try_now(k);
	return 0;
}

static void act_done(void *ctx, const struct store_result *result)
{
	struct act *act = ctx;
	struct hooks *h = act->h;
	int err = result->err;

	h->owed--;
	h->adding -= act->kind == ACT_ADD;
	if (err == ERR_CONFLICT && act->by.conditional)
		err = ERR_STALE;
	if (!err) {
		audit_log(&act->by, act->name, act->row.hook.name, result);
		err = adopt(act, result);
		hooks_soon(h);
	}
	answer(act->done, act->ctx, err, err ? act_store_why(err) : NULL);
	act_free(act);
}

/* ---- before it ---- */

static struct act *act_new(struct hooks *h, enum act_kind kind, const char *name,
			   const struct actor *by, engine_done *done, void *ctx)
{
	struct act *act = h->stopping ? NULL : calloc(1, sizeof(*act));

	if (!act) {
		answer(done, ctx, h->stopping ? ERR_CLOSED : ERR_NOMEM,
		       h->stopping ? "the server stops" : "out of memory");
		return NULL;
	}
	*act = (struct act){
		.h = h, .kind = kind, .name = name, .by = *by, .done = done, .ctx = ctx};
	return act;
}

/* The same for one that is there, as it is; NULL after an answer. */
static struct act *act_of(struct hooks *h, enum act_kind kind, const char *act_name,
			  const struct actor *by, const char *name, engine_done *done, void *ctx)
{
	const struct hooked *k = hooks_named(h, name);
	struct act *act;

	if (!k) {
		answer(done, ctx, ERR_NOENT, "there is no such hook");
		return NULL;
	}
	if (!actor_matches(by, k->hook.rev)) {
		answer(done, ctx, ERR_STALE, act_store_why(ERR_STALE));
		return NULL;
	}
	act = act_new(h, kind, act_name, by, done, ctx);
	if (act)
		act->row.hook = k->hook;
	return act;
}

static struct store_set *set_of(struct act *act)
{
	struct store_set *set = store_set_new(act_done, act);

	if (!set) {
		answer(act->done, act->ctx, ERR_NOMEM, "out of memory");
		act_free(act);
	}
	return set;
}

/* Takes the set and the facts. */
static void act_submit(struct act *act, struct store_set *set, json_t *before, json_t *after)
{
	if (audit_put(set, &act->by, act->name, act->row.hook.name, before, after)) {
		store_set_free(set);
		answer(act->done, act->ctx, ERR_NOMEM, "out of memory");
		act_free(act);
		return;
	}
	act->h->owed++;
	act->h->adding += act->kind == ACT_ADD;
	store_submit(act->h->conf.store, set);
}

static int wrap(struct act *act, const struct psk *secret)
{
	struct store_key *row = &act->row.secret;

	row->hook = true;
	(void)buf_copy_str(row->device, sizeof(row->device), act->row.hook.name);
	act->has_secret = true;
	return keys_wrap(act->h->conf.keys, secret, row);
}

void hooks_add(struct hooks *h, const struct actor *by, const struct hook *hook,
	       const struct psk *secret, uint64_t after, engine_done *done, void *ctx)
{
	struct store_info info;
	struct store_set *set;
	struct act *act;

	if (hooks_named(h, hook->name)) {
		answer(done, ctx, ERR_EXIST, "a hook of this name exists already");
		return;
	}
	if (h->count + h->adding >= LIMIT_HOOKS) {
		answer(done, ctx, ERR_BUSY, "there are as many hooks as there may be; remove one");
		return;
	}
	act = act_new(h, ACT_ADD, "hook add", by, done, ctx);
	if (!act)
		return;
	store_info(h->conf.store, &info);
	act->row.hook = *hook;
	act->row.hook.id = act->row.hook.rev = 0;
	act->row.hook.created_ms = clock_read().wall_ms;
	act->row.place.position = after < info.head ? after : info.head;
	if (wrap(act, secret)) {
		answer(done, ctx, ERR_CRYPTO, "its secret could not be sealed");
		act_free(act);
		return;
	}
	set = set_of(act);
	if (!set)
		return;
	store_set_hook(set, &act->row.hook, &act->row.place, &act->row.secret);
	act_submit(act, set, json_null(), facts(&act->row.hook));
}

/* The row with what differs of it; a new secret is a difference, too. */
static void submit_changed(struct act *act, const struct hook *old)
{
	json_t *before = facts(old), *after = facts(&act->row.hook);
	const struct engine_result same = {.unchanged = true};
	struct store_set *set;

	if (act->has_secret)
		view_put(&after, "secret", json_string("replaced"));
	if (before && after && !audit_differ(before, after)) {
		json_decref(before);
		json_decref(after);
		if (old->state == HOOK_ACTIVE && act->kind == ACT_STATE)
			try_now(hooks_named(act->h, old->name));
		hooks_soon(act->h);
		act->done(act->ctx, &same);
		act_free(act);
		return;
	}
	set = set_of(act);
	if (!set) {
		json_decref(before);
		json_decref(after);
		return;
	}
	store_set_hook(set, &act->row.hook, NULL, act->has_secret ? &act->row.secret : NULL);
	act_submit(act, set, before, after);
}

void hooks_set(struct hooks *h, const struct actor *by, const struct hook *hook,
	       const struct psk *secret, engine_done *done, void *ctx)
{
	struct act *act = act_of(h, ACT_SET, "hook set", by, hook->name, done, ctx);

	if (!act)
		return;
	const struct hook old = act->row.hook;
	memcpy(act->row.hook.url, hook->url, sizeof(hook->url));
	memcpy(act->row.hook.topics, hook->topics, sizeof(hook->topics));
	memcpy(act->row.hook.products, hook->products, sizeof(hook->products));
	act->row.hook.batch = hook->batch;
	if (secret && wrap(act, secret)) {
		answer(done, ctx, ERR_CRYPTO, "its secret could not be sealed");
		act_free(act);
		return;
	}
	submit_changed(act, &old);
}

void hooks_state_set(struct hooks *h, const struct actor *by, const char *name,
		     enum hook_state state, engine_done *done, void *ctx)
{
	struct act *act = act_of(h, ACT_STATE, state == HOOK_ACTIVE ? "hook resume" : "hook pause",
				 by, name, done, ctx);

	if (!act)
		return;
	const struct hook old = act->row.hook;
	act->row.hook.state = state;
	act->row.hook.why = HOOK_FINE;
	submit_changed(act, &old);
}

void hooks_remove(struct hooks *h, const struct actor *by, const char *name, engine_done *done,
		  void *ctx)
{
	struct act *act = act_of(h, ACT_REMOVE, "hook remove", by, name, done, ctx);
	struct store_set *set = act ? set_of(act) : NULL;

	if (!set)
		return;
	store_set_hook_delete(set, act->row.hook.id, act->row.hook.rev);
	act_submit(act, set, facts(&act->row.hook), json_null());
}

static void dead_act(struct hooks *h, const char *act_name, const struct actor *by,
		     const char *name, int64_t id, engine_done *done, void *ctx)
{
	bool drops = strcmp(act_name, "hook drop") == 0;
	struct act *act = act_of(h, ACT_DEAD, act_name, by, name, done, ctx);
	struct store_set *set = act ? set_of(act) : NULL;
	json_t *after = json_object();

	if (!set) {
		json_decref(after);
		return;
	}
	if (drops)
		store_set_dead_delete(set, act->row.hook.id, id);
	else
		store_set_dead_due(set, act->row.hook.id, id);
	view_put(&after, "dead", id ? json_integer(id) : json_string("all"));
	act_submit(act, set, json_null(), after);
}

void hooks_dead_retry(struct hooks *h, const struct actor *by, const char *name, int64_t id,
		      engine_done *done, void *ctx)
{
	dead_act(h, "hook retry", by, name, id, done, ctx);
}

void hooks_dead_drop(struct hooks *h, const struct actor *by, const char *name, int64_t id,
		     engine_done *done, void *ctx)
{
	dead_act(h, "hook drop", by, name, id, done, ctx);
}
