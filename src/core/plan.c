/* SPDX-License-Identifier: Apache-2.0 */
#include "core/plan.h"

#include <string.h>

#include "core/evidence.h"
#include "core/plan_rules.h"

#define BIT(block) (1u << (block))

struct match match_release(const char *version, const struct digest *digest,
			   const struct release *r)
{
	struct match m = {.digest = TRI_UNKNOWN};
	const struct digest *known = digest->len ? release_digest(r, digest->kind) : NULL;

	m.version = strcmp(version, r->version) == 0 ? TRI_YES : TRI_NO;
	if (known)
		m.digest = digest_equal(known, digest) ? TRI_YES : TRI_NO;
	m.on_target = m.digest == TRI_UNKNOWN ? m.version == TRI_YES : m.digest == TRI_YES;
	return m;
}

/* Could a report of this device ever satisfy what the product asks of this release? */
static bool plan_unprovable(const struct device *d, const struct product *p,
			    const struct release *target, const struct match *m)
{
	/* Under the same label only a digest could tell them apart. */
	if (m->version == TRI_YES)
		return m->digest == TRI_UNKNOWN
			       /* it was seen to run another release of this label */
			       ? d->settled && d->settled != target->id && !d->drifted
			       : m->digest == TRI_NO && target->no_digest;
	/* DIGEST would be required, of a kind that the release does not know. */
	return d->report.running.len > 0 && m->digest == TRI_UNKNOWN &&
	       (evidence_required(&p->policy, &d->report, target) & EV_DIGEST);
}

static uint32_t plan_against_target(const struct device *d, const struct product *p,
				    const struct release *target, struct plan *plan)
{
	uint32_t blocked = 0;
	struct match m = match_release(d->report.version, &d->report.running, target);

	if (d->report.mode == MODE_UPDATER) {
		blocked |= BIT(BLOCK_NO_BASELINE);
	} else if (plan_unprovable(d, p, target, &m)) {
		blocked |= BIT(BLOCK_UNPROVABLE);
	} else if (m.on_target) {
		plan->on_target = true;
		blocked |= BIT(BLOCK_IN_SYNC);
	}
	if (p->hardware[0] && d->report.hardware[0] && strcmp(p->hardware, d->report.hardware) != 0)
		blocked |= BIT(BLOCK_HARDWARE);
	blocked |= plan_rule_blocks(d, p, target);
	if (target->unavailable && !m.on_target)
		blocked |= BIT(BLOCK_IMAGE);
	if (target->state != RELEASE_ACTIVE && !m.on_target)
		blocked |= BIT(BLOCK_RELEASE);
	return blocked;
}

/* No back-off or deferral is longer than its cap: one that seems so was written before the
 * clock was set back. */
static bool plan_waits(const struct device *d, const struct policy *p, int64_t now_ms)
{
	int64_t cap_s = d->defer_since_ms && p->defer_max_s > p->backoff_max_s ? p->defer_max_s
									       : p->backoff_max_s;

	return d->retry_at_ms > now_ms && d->retry_at_ms - now_ms <= (cap_s + cap_s / 8 + 1) * 1000;
}

static uint32_t plan_device_blocks(const struct device *d, const struct product *p, int64_t now_ms,
				   struct plan *plan)
{
	uint32_t blocked = 0;

	if (!d->online)
		blocked |= BIT(BLOCK_OFFLINE);
	if (d->report.updates_enabled == 0 && d->has_report && !plan->force)
		blocked |= BIT(BLOCK_UPDATES_DISABLED);
	if (plan_waits(d, &p->policy, now_ms)) {
		blocked |= d->defer_since_ms ? BIT(BLOCK_DEFERRED) : BIT(BLOCK_BACKOFF);
		plan->clear_at_ms = d->retry_at_ms;
	}
	if ((blocked & (BIT(BLOCK_DEFERRED) | BIT(BLOCK_UPDATES_DISABLED))) &&
	    p->policy.force_after_s && d->pending_ms) {
		int64_t force_ms = d->pending_ms + p->policy.force_after_s * 1000;
		if (now_ms < force_ms) {
			if (!plan->clear_at_ms || plan->clear_at_ms > force_ms)
				plan->clear_at_ms = force_ms;
		} else if (d->defer_since_ms < force_ms) { /* it had its time */
			blocked &= ~BIT(BLOCK_DEFERRED);
			plan->clear_at_ms = 0;
		}
	}
	if (d->hold != HOLD_NONE)
		blocked |= BIT(BLOCK_HELD);
	if (d->disabled_ms)
		blocked |= BIT(BLOCK_DISABLED);
	if (d->drifted && !p->policy.on_drift_reapply)
		blocked |= BIT(BLOCK_DRIFTED);
	return blocked;
}

/* Before an offer by the download's rule; while an image waits for the gate, by the gate's. */
static uint32_t plan_window(const struct device *d, const struct product *p,
			    const struct attempt *open, const struct plan_around *around,
			    int64_t now_ms, struct plan *plan)
{
	bool asked = open ? p->policy.window_apply && open->state <= ATTEMPT_VERIFIED
			  : p->policy.window_download;
	int64_t opens_ms = 0;

	if (!asked || plan->force || !plan_is_closed(around, d->retry_at_ms, now_ms, &opens_ms))
		return 0;
	plan->clear_at_ms = opens_ms;
	return BIT(BLOCK_WINDOW);
}

/* Nothing to a device that is where it should be. */
static const uint32_t plan_only_holds_up =
	BIT(BLOCK_BACKOFF) | BIT(BLOCK_SPACE) | BIT(BLOCK_POWER) | BIT(BLOCK_DOWNGRADE) |
	BIT(BLOCK_WINDOW) | BIT(BLOCK_BOOT_LOADER) | BIT(BLOCK_MUST_PASS) | BIT(BLOCK_ROLLBACK);

struct plan plan_device(const struct device *d, const struct product *p,
			const struct release *target, const struct attempt *open,
			const struct plan_around *around, int64_t now_ms)
{
	const uint32_t its_own = BIT(BLOCK_UPDATES_DISABLED) | BIT(BLOCK_DEFERRED);
	struct plan plan = {.force = plan_is_forced(d, p, now_ms)};

	if (!d->has_report)
		plan.blocked |= BIT(BLOCK_NO_BASELINE);
	if (!target)
		plan.blocked |= BIT(BLOCK_NO_TARGET);
	else if (d->has_report)
		plan.blocked |= plan_against_target(d, p, target, &plan);
	if (target && around && around->no_way)
		plan.blocked |= BIT(BLOCK_MUST_PASS);
	plan.blocked |= plan_device_blocks(d, p, now_ms, &plan);
	plan.blocked |= plan_window(d, p, open, around, now_ms, &plan);
	if (open && (!target || open->release != target->id))
		plan.blocked |= BIT(BLOCK_FINISHING);
	if (plan.blocked & BIT(BLOCK_IN_SYNC)) {
		/* What would only hold up an update says nothing of a device that needs none. */
		plan.blocked &= ~(its_own | plan_only_holds_up);
		plan.clear_at_ms = 0;
	}
	uint32_t real = plan.blocked & ~BIT(BLOCK_OFFLINE);
	plan.offer = target && !open && real == 0;
	plan.pending = target && !open && (real & its_own) && (real & ~its_own) == 0;
	plan.fresh = d->want_fresh && (d->report.capabilities & CAP_FRESH);
	plan.resume = !plan.fresh && (d->report.capabilities & CAP_RESUME);
	return plan;
}

uint32_t plan_news(const struct plan *plan)
{
	const uint32_t idle =
		BIT(BLOCK_BACKOFF) | BIT(BLOCK_DEFERRED) | BIT(BLOCK_DRIFTED) | BIT(BLOCK_IN_SYNC);
	uint32_t blocked = plan->blocked;

	if (blocked & BIT(BLOCK_DISABLED)) /* its silence is our doing */
		blocked &= ~(idle | BIT(BLOCK_OFFLINE));
	if (blocked & BIT(BLOCK_IN_SYNC)) /* it needs no update that silence could keep it from */
		blocked &= ~BIT(BLOCK_OFFLINE);
	return blocked & BIT(BLOCK_HELD) ? blocked & ~idle : blocked;
}
