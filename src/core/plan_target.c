/* SPDX-License-Identifier: Apache-2.0
 *
 * Which release a device should run: the first of its sources that names one. */
#include "core/plan.h"

/* A rollout that is over goes before the target of group or product unless that was set after its
 * end: the newer act decides. */
static bool is_newer(const struct rollout *r, const struct product *p, const struct device_group *g)
{
	bool group = g && g->target;
	int64_t set_ms = group ? g->target_ms : p->target ? p->target_ms : 0;

	return rollout_is_open(r) || set_ms <= r->ended_ms;
}

int64_t plan_target(const struct device *d, const struct product *p, const struct device_group *g,
		    const struct rollout *r, const struct rollout *before, enum target_why *ret_why)
{
	bool reached = r && rollout_reaches(r, d) && is_newer(r, p, g);
	bool was_reached = before && before->id == d->rollout_before && is_newer(before, p, g);
	const struct {
		enum target_why why;
		int64_t release;
		bool by_hand; /* also of a development device */
	} sources[] = {
		{TARGET_LOCK, d->lock, true},
		{TARGET_ROLLOUT, reached ? r->release : 0, false},
		{TARGET_EARLIER, was_reached ? before->release : 0, false},
		{TARGET_GROUP, g ? g->target : 0, false},
		{TARGET_PRODUCT, p->target, false},
	};

	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		if (!sources[i].release || (d->development && !sources[i].by_hand))
			continue;
		*ret_why = sources[i].why;
		return sources[i].release;
	}
	*ret_why = TARGET_NONE;
	return 0;
}

bool plan_target_concerns(const struct device *d, const struct product *p,
			  const struct device_group *g, const struct rollout *r,
			  const struct rollout *before, enum target_why source)
{
	enum target_why why;

	if (d->development && source != TARGET_LOCK)
		return false;
	(void)plan_target(d, p, g, r, before, &why);
	/* a newer target that is taken away gives it back to its rollout */
	return why == TARGET_NONE || why >= source || why == TARGET_EARLIER ||
	       (why == TARGET_ROLLOUT && !rollout_is_open(r));
}

int64_t plan_rollout_before(const struct device *d, const struct rollout *r)
{
	return r && rollout_reaches(r, d) ? r->id : d->rollout_before;
}

void plan_rollout(struct plan *plan, const struct device *d, const struct rollout *r,
		  enum target_why why, const struct attempt *open)
{
	if (!r || d->rollout != r->id || why == TARGET_LOCK || d->development)
		return;
	if (why == TARGET_ROLLOUT && rollout_stops(r) && !open && !plan->on_target) {
		plan->blocked |= 1u << BLOCK_ROLLOUT_PAUSED;
		plan->offer = plan->pending = false;
	}
	/* It goes on to have its other target meanwhile. */
	if (rollout_is_open(r) && !rollout_reaches(r, d))
		plan->blocked |= 1u << BLOCK_WAVE;
}
