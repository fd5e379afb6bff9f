/* SPDX-License-Identifier: Apache-2.0
 *
 * What scripted tests of src/core say often. The walk has no use for it.
 */
#include "core_world.h"

void world_offer(struct world *w)
{
	world_boot(w, IMAGE_BASE);
	assert_true(w->u.has_attempt);
}

void world_go(struct world *w, enum attempt_state state)
{
	static const enum status_state statuses[] = {STATUS_DOWNLOADING, STATUS_VERIFIED,
						     STATUS_APPLYING};

	world_offer(w);
	for (int i = 0; i < 3 && w->u.attempt.state < state; i++) {
		world_pass(w, 1);
		assert_true(world_say(w, statuses[i]));
	}
	world_pass(w, 1);
	if (state == ATTEMPT_PROBATION)
		world_boot(w, IMAGE_TARGET);
	assert_state(w, state);
}

bool world_event(enum event_kind kind)
{
	return world_events(kind) > 0;
}

bool world_diagnosed(enum diagnosis_kind kind)
{
	for (unsigned i = 0; i < world_out.diagnoses.count; i++)
		if (world_out.diagnoses.list[i].kind == kind)
			return true;
	return false;
}

bool world_blocked(const struct world *w, enum block block)
{
	struct plan plan = plan_device(&w->u.device, w->u.product, w->u.target,
				       w->u.has_attempt ? &w->u.attempt : NULL, NULL, w->u.now_ms);

	return plan.blocked & (1u << block);
}

enum verdict world_verdict(void)
{
	return world_out.has_closed ? world_out.closed.verdict : VERDICT_NONE;
}
