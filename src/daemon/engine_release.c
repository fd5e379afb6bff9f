/* SPDX-License-Identifier: Apache-2.0
 *
 * The states of a release: a draft is activated, a bad one quarantined, an old one withdrawn. One
 * that is not active any more is offered to nobody, and its attempts that have not been allowed to
 * apply it end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/engine_act.h"
#include "daemon/view.h"

static const char *act_name(enum release_state state)
{
	switch (state) {
	case RELEASE_QUARANTINED:
		return "release quarantine";
	case RELEASE_WITHDRAWN:
		return "release withdraw";
	case RELEASE_ACTIVE:
	case RELEASE_DRAFT:
		break;
	}
	return "release activate";
}

static int adopt_state(struct act *act, const struct store_result *result)
{
	struct release *r = catalog_release(act->e, act->release.id);

	(void)result;
	if (!r)
		return 0;
	r->state = act->release.state;
	r->state_ms = act->release.state_ms;
	r->rev = act->release.rev + 1;
	if (r->state != RELEASE_ACTIVE)
		sweep_release(act->e, r->id);
	return 0;
}

struct state_put {
	const struct release *release;
	const struct store_event *event; /* NULL: none */
};

static void put_state(struct store_set *set, const void *what)
{
	const struct state_put *put = what;

	store_set_release_state(set, put->release);
	if (put->event)
		store_set_event(set, put->event);
}

/* release/quarantined says when it becomes so, and when it is not so any more. */
static const char *event_value(enum release_state from, enum release_state to)
{
	if (to == RELEASE_QUARANTINED)
		return event_data(EVENT_RELEASE_QUARANTINED);
	return from == RELEASE_QUARANTINED ? event_data(EVENT_RELEASE_NOT_QUARANTINED) : NULL;
}

static char *event_text(const struct product *p, const struct release *r)
{
	json_t *o = json_object();

	view_put_text(&o, "product", p->name);
	view_put_text(&o, "version", r->version);
	view_put(&o, "state", json_string(release_state_name(r->state)));
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	return text;
}

static void submit(struct act *act, const struct product *p, enum release_state from)
{
	struct release *r = &act->release;
	const char *data = event_value(from, r->state);
	char topic[128], *json = data ? event_text(p, r) : NULL;
	struct buf name = buf_writer(topic, sizeof(topic));
	struct release old = *r;

	if (data && !json) {
		act_answer(act->done, act->ctx, ERR_NOMEM, "out of memory");
		free(act);
		return;
	}
	buf_put_str(&name, act->e->conf.event_prefix ? act->e->conf.event_prefix : "");
	buf_put_str(&name, event_topic(EVENT_RELEASE_QUARANTINED));
	const struct store_event event = {.topic = buf_cstr(&name),
					  .data = data,
					  .device = "",
					  .json = json,
					  .at_ms = r->state_ms};
	const struct state_put put = {r, data ? &event : NULL};
	old.state = from;
	act_submit(act, put_state, &put, audit_release(&old), audit_release(r));
	free(json);
}

void engine_release_state(struct engine *e, const struct actor *by, const char *product,
			  const char *version, enum release_state state, engine_done *done,
			  void *ctx)
{
	const struct product *p = catalog_product_named(e, product);
	const struct release *r = p ? catalog_release_named(e, p->id, version) : NULL;
	char why[256];

	if (!r) {
		act_answer(done, ctx, ERR_NOENT, p ? "no such release" : "no such product");
		return;
	}
	if (!actor_matches(by, r->rev)) {
		act_answer(done, ctx, ERR_STALE, act_stale_why);
		return;
	}
	if (r->state == state) {
		act_answer_unchanged(done, ctx);
		return;
	}
	if (!release_state_follows(r->state, state)) {
		(void)snprintf(why, sizeof(why), "release %s %s is %s; that cannot become %s",
			       product, version, release_state_name(r->state),
			       release_state_name(state));
		act_answer(done, ctx, ERR_BUSY, why);
		return;
	}
	struct act *act = act_new(e, adopt_state, act_name(state), by, done, ctx);
	if (!act)
		return;
	act->release = *r;
	act->release.state = state;
	act->release.state_ms = clock_read().wall_ms;
	act->product = *p;
	act->rings = true;
	act_object(act, p->name, r->version);
	submit(act, p, r->state);
}

bool release_refuses(const struct release *r, engine_done *done, void *ctx)
{
	char why[256];

	if (!r || r->state == RELEASE_ACTIVE)
		return false;
	(void)snprintf(why, sizeof(why), "release %s is %s%s; only an active one can be a target",
		       r->version, r->state == RELEASE_DRAFT ? "a " : "",
		       release_state_name(r->state));
	act_answer(done, ctx, ERR_BUSY, why);
	return true;
}
