/* SPDX-License-Identifier: Apache-2.0 */
#include "core/attempt.h"

#include <assert.h>

static const int64_t EXTEND_MAX_MS = 6LL * 3600 * 1000;

#define GO(state, acts)                                                                            \
	{                                                                                          \
		.known = true, .next = ATTEMPT_##state, .actions = (acts)                          \
	}
#define END(v, acts)                                                                               \
	{                                                                                          \
		.known = true, .next = ATTEMPT_CLOSED, .verdict = VERDICT_##v,                     \
		.actions = ACT_CLOSE | (acts)                                                      \
	}

/* Ends that hold in every open state. */
#define ALWAYS                                                                                     \
	[CAUSE_REMOVE] = END(CANCELLED, 0), [CAUSE_DISABLE] = END(CANCELLED, 0),                   \
	[CAUSE_CONFLICT] = END(IDENTITY_CONFLICT, 0), [CAUSE_RESTORED] = END(STORE_RESTORED, 0),   \
	[CAUSE_PROVEN] = END(UPDATED, 0), [CAUSE_PROVEN_TOO_WEAK] = END(UNPROVEN, 0)

/* The device's own word, in every open state: what it is answered 2.04 for has been kept. */
#define DEVICE_ENDS                                                                                \
	[CAUSE_REFUSED_SOFT] = END(REFUSED, ACT_UNCHARGED), [CAUSE_REFUSED] = END(REFUSED, 0),     \
	[CAUSE_FAILED] = END(DEVICE_FAILED, 0)

/* Before the hand-over another image is a changed base, and the baseline an interruption. */
#define BEFORE_HAND_OVER(state)                                                                    \
	[CAUSE_BOOT_BASE] = GO(state, ACT_HEARD | ACT_INTERRUPT),                                  \
	[CAUSE_BOOT_BASE_OFTEN] = END(INTERRUPTED, 0), [CAUSE_BOOT_OTHER] = END(BASE_CHANGED, 0),  \
	[CAUSE_BOOT_DIGEST] = END(BASE_CHANGED, 0), [CAUSE_BOOT_LABEL] = END(BASE_CHANGED, 0),     \
	[CAUSE_TARGET] = GO(PROBATION, ACT_ARM | ACT_HEARD)

#define STARTS (ACT_START | ACT_ARM | ACT_HEARD)

/* clang-format off */
static const struct attempt_step table[ATTEMPT_STATE_COUNT][CAUSE_COUNT] = {
	[ATTEMPT_OFFERED] = {
		ALWAYS, DEVICE_ENDS, BEFORE_HAND_OVER(OFFERED),
		[CAUSE_BLOCK] = GO(TRANSFERRING, STARTS),
		[CAUSE_DOWNLOADING] = GO(TRANSFERRING, STARTS),
		[CAUSE_VERIFIED] = GO(VERIFIED, STARTS),
		[CAUSE_APPLYING] = GO(APPLYING, STARTS),
		[CAUSE_HEARD] = GO(OFFERED, ACT_HEARD),
		[CAUSE_DEADLINE_HEARD] = END(NEVER_STARTED, 0),
		[CAUSE_DEADLINE_SILENT] = END(NEVER_STARTED, 0),
		[CAUSE_DEADLINE_NO_IMAGE] = END(NEVER_STARTED, ACT_UNCHARGED),
		[CAUSE_CANCEL] = END(CANCELLED, 0),
		[CAUSE_SUPERSEDE] = END(SUPERSEDED, 0),
	},
	[ATTEMPT_TRANSFERRING] = {
		ALWAYS, DEVICE_ENDS, BEFORE_HAND_OVER(TRANSFERRING),
		[CAUSE_PROGRESS] = GO(TRANSFERRING, ACT_ARM | ACT_HEARD),
		[CAUSE_OVERSERVED] = END(TRANSFER_STALLED, 0),
		[CAUSE_VERIFIED] = GO(VERIFIED, STARTS),
		[CAUSE_APPLYING] = GO(APPLYING, STARTS),
		[CAUSE_HEARD] = GO(TRANSFERRING, ACT_HEARD),
		[CAUSE_DEADLINE_HEARD] = END(TRANSFER_STALLED, 0),
		[CAUSE_DEADLINE_SILENT] = END(TRANSFER_STALLED, 0),
		[CAUSE_DEADLINE_NO_IMAGE] = END(TRANSFER_STALLED, ACT_UNCHARGED),
		[CAUSE_CANCEL] = END(CANCELLED, 0),
		[CAUSE_SUPERSEDE] = END(SUPERSEDED, 0),
	},
	[ATTEMPT_VERIFIED] = {
		ALWAYS, DEVICE_ENDS, BEFORE_HAND_OVER(VERIFIED),
		[CAUSE_DOWNLOADING] = GO(TRANSFERRING, ACT_ARM | ACT_HEARD),
		[CAUSE_APPLYING] = GO(APPLYING, STARTS),
		[CAUSE_APPLYING_CANCELLED] = END(CANCELLED, 0),
		[CAUSE_HEARD] = GO(VERIFIED, ACT_HEARD),
		[CAUSE_DEADLINE_HEARD] = END(NEVER_APPLIED, 0),
		[CAUSE_DEADLINE_SILENT] = END(NEVER_CAME_BACK, 0),
		[CAUSE_DEADLINE_CANCELLED] = END(CANCELLED, 0),
		[CAUSE_DEADLINE_GATE] = END(NEVER_APPLIED, ACT_UNCHARGED),
		[CAUSE_CANCEL] = GO(VERIFIED, 0),
	},
	[ATTEMPT_APPLYING] = {
		ALWAYS, DEVICE_ENDS,
		[CAUSE_APPLYING] = GO(APPLYING, ACT_HEARD),
		[CAUSE_HEARD] = GO(APPLYING, ACT_HEARD),
		[CAUSE_BOOT_BASE] = END(REVERTED, 0),
		[CAUSE_BOOT_BASE_EARLY] = GO(VERIFIED, ACT_ARM | ACT_HEARD | ACT_INTERRUPT),
		[CAUSE_BOOT_BASE_OFTEN] = END(INTERRUPTED, 0),
		[CAUSE_BOOT_BASE_FAILED] = END(DEVICE_FAILED, 0),
		[CAUSE_BOOT_OTHER] = END(UNEXPECTED_VERSION, 0),
		[CAUSE_BOOT_DIGEST] = END(DIGEST_MISMATCH, 0),
		[CAUSE_BOOT_LABEL] = END(LABEL_MISMATCH, 0),
		[CAUSE_TARGET] = GO(PROBATION, ACT_ARM | ACT_HEARD),
		[CAUSE_DEADLINE_HEARD] = END(NEVER_REBOOTED, 0),
		[CAUSE_DEADLINE_UNTOLD] = END(UNPROVEN, 0),
		[CAUSE_DEADLINE_SILENT] = END(NEVER_CAME_BACK, 0),
	},
	[ATTEMPT_PROBATION] = {
		ALWAYS, DEVICE_ENDS,
		[CAUSE_TARGET] = GO(PROBATION, ACT_HEARD),
		[CAUSE_TARGET_LEFT] = END(ROLLED_BACK, 0),
		[CAUSE_TARGET_UNSTABLE] = END(UNSTABLE, 0),
		[CAUSE_BOOT_LABEL] = END(LABEL_MISMATCH, 0),
		[CAUSE_DEADLINE_HEARD] = END(UNPROVEN, 0),
		[CAUSE_DEADLINE_CONFIRM] = END(NOT_CONFIRMED, 0),
		[CAUSE_DEADLINE_SILENT] = END(LOST_IN_PROBATION, 0),
	},
	/* I4: nothing happens to a closed attempt */
	[ATTEMPT_CLOSED] = {{0}},
};
/* clang-format on */

struct attempt_step attempt_step(enum attempt_state state, enum cause cause)
{
	assert(state < ATTEMPT_STATE_COUNT && cause < CAUSE_COUNT);
	return table[state][cause];
}

static bool verdict_charged(enum verdict v)
{
	static const bool charged[] = {
#define VERDICT_CHARGED(name, word, c, hold, help) (c) != 0,
		VERDICT_LIST(VERDICT_CHARGED)
#undef VERDICT_CHARGED
	};

	return charged[v];
}

static void attempt_arm(struct attempt *a, const struct policy *policy, int64_t interval_s,
			int64_t now_ms)
{
	int64_t stall_s = policy->stall_s;

	if (a->state == ATTEMPT_PROBATION) {
		/* Two check-ins have to fit in after it; where the interval is not known, a device
		 * is told to come at the very end of it. */
		if (stall_s < 2 * interval_s)
			stall_s = 2 * interval_s;
		stall_s += policy->probation_s;
	}
	a->stall_at_ms = now_ms + stall_s * 1000;
}

void attempt_apply(struct attempt *a, const struct attempt_step *step, const struct policy *policy,
		   int64_t interval_s, int64_t now_ms)
{
	assert(step->known && a->state != ATTEMPT_CLOSED);
	if (step->next != a->state) {
		a->state = step->next;
		a->state_ms = now_ms;
		a->heard = false; /* "heard since": what brought it here does not count */
	} else if (step->actions & ACT_HEARD) {
		a->heard = true;
	}
	if (step->actions & ACT_INTERRUPT)
		a->interruptions++;
	if (step->actions & ACT_START)
		attempt_rung(a, RUNG_STARTED, now_ms);
	if (step->actions & ACT_ARM)
		attempt_arm(a, policy, interval_s, now_ms);
	if (step->actions & ACT_CLOSE) {
		a->verdict = step->verdict;
		a->charged = verdict_charged(step->verdict) && !(step->actions & ACT_UNCHARGED);
		a->closed_ms = now_ms;
		a->stall_at_ms = 0;
		a->total_at_ms = 0;
	}
}

int64_t attempt_deadline_ms(const struct attempt *a)
{
	if (a->state == ATTEMPT_CLOSED)
		return 0;
	return a->stall_at_ms < a->total_at_ms ? a->stall_at_ms : a->total_at_ms;
}

void attempt_extend(struct attempt *a, int64_t gap_ms, int64_t grace_ms)
{
	int64_t add = gap_ms + grace_ms;

	if (a->state == ATTEMPT_CLOSED)
		return;
	if (add > EXTEND_MAX_MS - a->extended_ms)
		add = EXTEND_MAX_MS - a->extended_ms;
	if (add <= 0)
		return;
	a->stall_at_ms += add;
	a->extended_ms += add;
}

void attempt_wait_until(struct attempt *a, int64_t at_ms)
{
	if (a->state == ATTEMPT_CLOSED)
		return;
	if (a->stall_at_ms < at_ms)
		a->stall_at_ms = at_ms;
}

void attempt_rebase(struct attempt *a, int64_t step_ms)
{
	if (a->state == ATTEMPT_CLOSED)
		return;
	a->stall_at_ms += step_ms;
	a->total_at_ms += step_ms;
	if (a->target_ms)
		a->target_ms += step_ms;
}

int64_t attempt_serve_max(const struct attempt *a)
{
	int64_t times = ATTEMPT_SERVE_FACTOR * a->size_bytes;
	int64_t floor = a->size_bytes + ATTEMPT_SERVE_FLOOR;

	return times > floor ? times : floor;
}

bool attempt_overserved(const struct attempt *a)
{
	return a->served_bytes > attempt_serve_max(a);
}

void attempt_rung(struct attempt *a, enum rung r, int64_t now_ms)
{
	if (a->rung_ms[r] == 0)
		a->rung_ms[r] = now_ms;
}

bool attempt_returned(const struct attempt *a)
{
	return a->state == ATTEMPT_APPLYING && a->rung_ms[RUNG_REBOOTED] != 0;
}

bool attempt_came_back(const struct attempt *a)
{
	return a->verdict == VERDICT_REVERTED || a->verdict == VERDICT_ROLLED_BACK ||
	       (a->verdict == VERDICT_DEVICE_FAILED && a->rung_ms[RUNG_APPLYING] != 0);
}
