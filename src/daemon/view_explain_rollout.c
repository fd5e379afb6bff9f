/* SPDX-License-Identifier: Apache-2.0
 *
 * What a device's rollout has to do with it, in plain words.
 */
#include "daemon/view.h"

/* When does the next wave open? */
static void say_opening(struct buf *b, const struct rollout *r)
{
	const struct wave *next = &r->waves[r->opened];
	char when[32];

	switch (r->state) {
	case ROLLOUT_SCHEDULED:
		view_say(b, ", which begins at %s", view_when(r->start_at_ms, when));
		break;
	case ROLLOUT_WAITING:
		view_say(b, ", which waits: %s", rollout_wait_help(r->wait));
		break;
	case ROLLOUT_PAUSED:
	case ROLLOUT_HALTED:
		view_say(b, ", which is %s", rollout_state_name(r->state));
		break;
	case ROLLOUT_RUNNING:
		if (!r->enlisted)
			view_say(b, ", whose members are being found");
		else if (r->opened == 0 || r->opened == r->wave_count)
			view_say(b, ", which is running");
		else if (next->gate)
			view_say(b, "; wave %u opens on an operator's word", r->opened + 1);
		else
			view_say(b, "; wave %u opens when %lld %% of wave %u are through",
				 r->opened + 1, (long long)r->rules.complete_percent, r->opened);
		break;
	case ROLLOUT_DRAFT:
	case ROLLOUT_DONE:
	case ROLLOUT_ABORTED:
	case ROLLOUT_STATE_COUNT:
		break;
	}
}

void view_say_rollout(struct buf *b, enum block block, const struct engine_device *now)
{
	const struct rollout *r = &now->rollout;
	unsigned wave = rollout_wave_of(r, now->device.rollout_place) + 1;

	if (block == BLOCK_ROLLOUT_PAUSED && r->state == ROLLOUT_HALTED) {
		view_say(b, "rollout %s has halted: %s", r->name, rollout_why_help(r->why));
	} else if (block == BLOCK_ROLLOUT_PAUSED) {
		view_say(b, "rollout %s is paused", r->name);
	} else {
		view_say(b, "it is in wave %u of %u of rollout %s", wave, r->wave_count, r->name);
		if (r->enlisted && wave <= r->opened && r->state == ROLLOUT_RUNNING)
			view_say(b, ", which is open and releases %lld devices a minute",
				 (long long)r->rules.rate);
		else
			say_opening(b, r);
	}
}

void view_say_rollout_clear(struct buf *b, enum block block, const struct engine_device *now)
{
	const struct rollout *r = &now->rollout;
	const char *product = now->product.name;

	if (block == BLOCK_ROLLOUT_PAUSED)
		view_say(b,
			 "see postbootctl rollout show %s %s; then postbootctl rollout resume %s "
			 "%s, "
			 "or: postbootctl rollout abort %s %s",
			 product, r->name, product, r->name, product, r->name);
	else if (r->wait == WAIT_APPROVAL)
		view_say(b, "postbootctl rollout approve %s %s", product, r->name);
	else if (rollout_stops(r))
		view_say(b, "postbootctl rollout resume %s %s", product, r->name);
	else if (r->opened < r->wave_count && r->state != ROLLOUT_SCHEDULED)
		view_say(b, "wait for its wave, or: postbootctl rollout next %s %s", product,
			 r->name);
	else
		view_say(b, "wait until the rollout comes to it");
}
