/* SPDX-License-Identifier: Apache-2.0
 *
 * A release that nobody has succeeded with, and so many have failed with, is quarantined, as the
 * policy of its product wants it; what rollouts bring they watch themselves.
 */
#include <stdlib.h>

#include "daemon/engine_act.h"

struct blame {
	struct engine *e;
	struct release release; /* as it is to be */
};

static void blame_done(void *ctx, const struct store_result *result)
{
	struct blame *b = ctx;

	if (!result->err) {
		engine_events_told(b->e, result);
		release_quarantine_adopt(b->e, &b->release, result);
	} else if (err_is_fault(result->err)) { /* else an act was faster */
		engine_store_failed(b->e, "(release)", result->err);
	}
	free(b);
}

static void blame(struct engine *e, const struct release *r, int64_t devices)
{
	struct blame *b = calloc(1, sizeof(*b));
	struct store_set *set = b ? store_set_new(blame_done, b) : NULL;

	if (b)
		*b = (struct blame){.e = e, .release = *r};
	if (!set || release_quarantine_put(e, set, NULL, devices, &b->release)) {
		store_set_free(set);
		free(b);
		return; /* the next failure tries again */
	}
	store_submit(e->conf.store, set);
}

void engine_suspect(struct engine *e, const struct attempt *closed, const char *device)
{
	const struct release *r = catalog_release(e, closed->release);
	const struct product *p = r ? catalog_product(e, r->product) : NULL;
	int64_t after = p ? p->policy.quarantine_after : 0;

	if (closed->verdict == VERDICT_UPDATED)
		suspects_clear(&e->suspects, closed->release);
	if (!after || !closed->charged || closed->rollout || r->state != RELEASE_ACTIVE)
		return;
	unsigned devices = suspects_count(&e->suspects, r->id, r->state_ms, dev_hash(e, device));
	/* Whoever has proved to run it stands for it, also from before our start. */
	if (devices >= after && engine_roster_settled(e, r->id) == 0)
		blame(e, r, devices);
}
