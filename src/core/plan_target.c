/* SPDX-License-Identifier: Apache-2.0
 *
 * Which release a device should run: the first of its sources that names one. */
#include "core/plan.h"

/* Of the target that the device has without its rollout: when it was set, or, of a group's, when
 * the device came into the group. */
static int64_t other_ms(const struct device *d, const struct product *p,
			const struct device_group *g)
{
	if (g && g->target)
		return g->target_ms > d->group_ms ? g->target_ms : d->group_ms;
	return p->target ? p->target_ms : 0;
}

/* A rollout that is over goes before the target of group or product unless that is newer than its
 * end: the newer act decides. */
static bool is_newer(const struct device *d, const struct rollout *r, const struct product *p,
		     const struct device_group *g)
{
	int64_t set_ms = other_ms(d, p, g);

	return rollout_is_open(r) || set_ms <= r->ended_ms;
}

/* Was it reached by a rollout that counts no more, and is it known what it ran before that? */
static bool goes_back(const struct device *d, const struct rollout *r)
{
	return r && r->state == ROLLOUT_ABORTED && r->id == d->rollout &&
	       d->rollout_place < r->reached && d->rollout_return;
}

int64_t plan_target(const struct device *d, const struct product *p, const struct device_group *g,
		    const struct rollout *r, const struct rollout *before, enum target_why *ret_why)
{
	bool reached = r && rollout_reaches(r, d) && is_newer(d, r, p, g);
	bool was_reached = before && before->id == d->rollout_before && is_newer(d, before, p, g);
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
		{TARGET_RETURN, goes_back(d, r) ? d->rollout_return : 0, false},
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

int64_t plan_rollout_return(const struct device *d, const struct rollout *r,
			    const struct release *runs, int64_t release)
{
	/* On its way back it may still run what it is to leave. */
	if (goes_back(d, r) && d->rollout_return != release)
		return d->rollout_return;
	if (!runs || runs->state != RELEASE_ACTIVE || runs->id == release || !d->has_report ||
	    d->report.mode == MODE_UPDATER ||
	    !match_release(d->report.version, &d->report.running, runs).on_target)
		return 0;
	return runs->id;
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
