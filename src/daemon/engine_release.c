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

/* It was committed. */
static void adopt(struct engine *e, const struct release *as)
{
	struct release *r = catalog_release(e, as->id);

	if (!r)
		return;
	r->state = as->state;
	r->state_ms = as->state_ms;
	r->rev = as->rev + 1;
	if (r->state == RELEASE_ACTIVE)
		return;
	sweep_release(e, r->id);
	rollouts_turn(e); /* those that bring it halt */
}

static int adopt_state(struct act *act, const struct store_result *result)
{
	(void)result;
	adopt(act->e, &act->release);
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

/* What the event of a change is made of. */
struct news {
	char topic[128];
	char *json;
	struct store_event event; /* .data NULL: there is none */
};

static int news_make(struct engine *e, const struct product *p, const struct release *r,
		     enum release_state from, struct news *ret)
{
	const char *data = event_value(from, r->state);
	struct buf name = buf_writer(ret->topic, sizeof(ret->topic));

	ret->json = data ? event_text(p, r) : NULL;
	if (data && !ret->json)
		return ERR_NOMEM;
	buf_put_str(&name, e->conf.event_prefix ? e->conf.event_prefix : "");
	buf_put_str(&name, event_topic(EVENT_RELEASE_QUARANTINED));
	ret->event = (struct store_event){.topic = buf_cstr(&name),
					  .data = data,
					  .device = "",
					  .json = ret->json,
					  .at_ms = r->state_ms};
	return 0;
}

static void submit(struct act *act, const struct product *p, enum release_state from)
{
	struct release *r = &act->release;
	struct release old = *r;
	struct news news;

	if (news_make(act->e, p, r, from, &news)) {
		act_answer(act->done, act->ctx, ERR_NOMEM, "out of memory");
		free(act);
		return;
	}
	const struct state_put put = {r, news.event.data ? &news.event : NULL};
	old.state = from;
	act_submit(act, put_state, &put, audit_release(&old), audit_release(r));
	free(news.json);
}

/* ---- by the server itself ---- */

static const struct actor server = {.name = "postbootd"};
enum { OBJECT_MAX = LIMIT_PRODUCT_NAME + 1 + LIMIT_VERSION + 1 };

static void object_name(const struct product *p, const struct release *r, char dst[OBJECT_MAX])
{
	(void)snprintf(dst, OBJECT_MAX, "%s %s", p->name, r->version);
}

int release_quarantine_put(struct engine *e, struct store_set *set, const struct rollout *r,
			   int64_t devices, struct release *release)
{
	const struct product *p = catalog_product(e, release->product);
	const struct release old = *release;
	char object[OBJECT_MAX];
	struct news news;

	if (!p)
		return ERR_NOENT;
	release->state = RELEASE_QUARANTINED;
	release->state_ms = clock_read().wall_ms;
	if (news_make(e, p, release, old.state, &news))
		return ERR_NOMEM;
	const struct state_put put = {release, &news.event};
	put_state(set, &put);
	free(news.json);
	json_t *after = audit_release(release);
	if (r) {
		view_put(&after, "rollout", json_string(r->name));
		view_put(&after, "why", json_string(rollout_why_name(r->why)));
	} else {
		view_put(&after, "devices", json_integer(devices));
	}
	object_name(p, release, object);
	return audit_put(set, &server, act_name(release->state), object, audit_release(&old),
			 after);
}

void release_quarantine_adopt(struct engine *e, const struct release *release,
			      const struct store_result *result)
{
	const struct product *p = catalog_product(e, release->product);
	char object[OBJECT_MAX];

	if (p) {
		object_name(p, release, object);
		audit_log(&server, act_name(release->state), object, result);
	}
	adopt(e, release);
	sessions_ring(e, release->product, 0);
}

/* ---- by an operator ---- */

void engine_release_state(struct engine *e, const struct actor *by, const char *product,
			  const char *version, enum release_state state, engine_done *done,
			  void *ctx)
{
	const struct product *p = catalog_product_named(e, product);
	const struct release *r = p ? catalog_release_named(e, p->id, version) : NULL;
	char why[RELEASE_WHY];

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
	int err = state == RELEASE_ACTIVE ? release_unsigned(e, p, r, why) : 0;
	if (err) {
		act_answer(done, ctx, err, why);
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

bool release_is_no_target(const struct release *r, char why[RELEASE_WHY])
{
	if (r->state == RELEASE_ACTIVE)
		return false;
	(void)snprintf(why, RELEASE_WHY, "release %s is %s%s; only an active one can be a target",
		       r->version, r->state == RELEASE_DRAFT ? "a " : "",
		       release_state_name(r->state));
	return true;
}

bool release_refuses(const struct release *r, engine_done *done, void *ctx)
{
	char why[RELEASE_WHY];

	if (!r || !release_is_no_target(r, why))
		return false;
	act_answer(done, ctx, ERR_BUSY, why);
	return true;
}
