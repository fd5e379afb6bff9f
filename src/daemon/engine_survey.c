/* SPDX-License-Identifier: Apache-2.0
 *
 * How it stands with a release: what leads to it, and a walk over the devices of its product, a
 * stretch of them at a time, so that it never holds the loop.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/engine_rollout.h"
#include "daemon/engine_survey.h"

struct surveying {
	struct engine *e;
	const struct release *r;
	struct engine_survey *s;
	unsigned rows;
	struct update u; /* around the device that is looked at */
};

/* What dev_context() fills in for a cached device, without its attempt. */
static bool surround(struct surveying *v, const struct device *d)
{
	const struct release *before = v->u.goal;
	struct update *u = &v->u;
	struct engine *e = v->e;

	u->device = *d;
	u->product = catalog_product(e, d->product);
	u->group = group_of(e, d->group);
	u->rollout = rollout_of(e, d->rollout);
	u->before = rollout_of(e, d->rollout_before);
	if (!u->product)
		return false;
	u->goal = catalog_release_now(
		e, plan_target(d, u->product, u->group, u->rollout, u->before, &u->why));
	u->target = NULL;
	if (u->goal && u->goal != before)
		way_find(u->goal, catalog_stone, e, &u->way);
	update_aim(u);
	dev_windows(e, u);
	return true;
}

static void count_blocks(struct engine_survey *s, const struct plan *plan)
{
	uint32_t blocked = plan_news(plan);

	s->waiting++;
	for (unsigned i = 0; i < BLOCK_COUNT; i++)
		s->blocked[i] += blocked >> i & 1;
}

static void count_targeted(struct surveying *v, bool runs)
{
	const struct device *d = &v->u.device;
	struct engine_survey *s = v->s;

	s->targeted++;
	bool rollout = v->u.why == TARGET_EARLIER || v->u.why == TARGET_RETURN;
	s->by[rollout ? TARGET_ROLLOUT : v->u.why]++;
	if (runs) {
		s->arrived++;
		return;
	}
	if (d->attempt) {
		s->updating++;
		return;
	}
	const struct plan plan = update_plan(&v->u);
	if (plan.offer && d->online)
		s->offers++;
	else
		count_blocks(s, &plan);
}

static bool survey_row(void *ctx, const struct device *d)
{
	struct surveying *v = ctx;
	struct engine_survey *s = v->s;

	v->rows++;
	(void)buf_copy_str(s->after, sizeof(s->after), d->id);
	if (!surround(v, d))
		return true;
	bool runs = d->has_report &&
		    match_release(d->report.version, &d->report.running, v->r).on_target;
	s->devices++;
	s->running += runs;
	s->unconfirmed += runs && d->report.confirmed == 0;
	s->silent += runs && !d->online && d->offline_at_ms && !d->disabled_ms;
	if (v->u.goal && v->u.goal->id == v->r->id)
		count_targeted(v, runs);
	else if (v->u.target && v->u.target->id == v->r->id)
		s->passing++;
	return true;
}

int engine_survey(struct engine *e, int64_t release, unsigned limit, struct engine_survey *s)
{
	const struct release *r = catalog_release_now(e, release);
	struct surveying *v = r ? calloc(1, sizeof(*v)) : NULL;

	if (!v)
		return r ? ERR_NOMEM : ERR_NOENT;
	v->e = e;
	v->r = r;
	v->s = s;
	v->u.now_ms = clock_read().wall_ms;
	int err = store_devices(e->conf.store, r->product, s->after, limit, survey_row, v);
	s->done = !err && v->rows < limit;
	free(v);
	return err;
}

/* ---- what leads to it ---- */

void engine_release_uses(struct engine *e, int64_t release, engine_use *use, void *ctx)
{
	const struct release *r = catalog_release(e, release);
	const struct product *p = r ? catalog_product(e, r->product) : NULL;

	if (!p)
		return;
	if (p->target == r->id)
		use(ctx, USE_PRODUCT, p->name, "");
	for (size_t i = 0; i < e->group_count; i++)
		if (e->groups[i]->group.target == r->id)
			use(ctx, USE_GROUP, e->groups[i]->group.name, "");
	for (size_t i = 0; i < e->rollout_count; i++) {
		const struct rollout *rollout = &e->rollouts[i]->r;
		if (rollout->release == r->id && rollout->state != ROLLOUT_ABORTED)
			use(ctx, USE_ROLLOUT, rollout->name, rollout_state_name(rollout->state));
	}
	for (size_t i = 0; i < e->release_count; i++)
		if (e->releases[i]->product == r->product &&
		    lines_have(e->releases[i]->requires.must_pass, r->version))
			use(ctx, USE_RELEASE, e->releases[i]->version,
			    release_state_name(e->releases[i]->state));
}

void engine_release_ends(const struct engine *e, int64_t release, uint64_t ret[VERDICT_COUNT])
{
	memset(ret, 0, VERDICT_COUNT * sizeof(*ret));
	for (unsigned i = 0; i < LIMIT_OUTCOMES; i++)
		for (unsigned k = 0; e->outcomes[i].release == release && k < VERDICT_COUNT; k++)
			ret[k] += e->outcomes[i].closed[k];
}
