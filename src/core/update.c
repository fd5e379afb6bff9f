/* SPDX-License-Identifier: Apache-2.0
 *
 * What all causes share: contact, boots, carrying a cause out, closing an attempt.
 */
#include "core/update.h"

#include <assert.h>

#include "core/update_internal.h"

enum { BASE_CHANGES_MAX = 5, OFFLINE_UNKNOWN_S = 3600, OFFLINE_SLACK_S = 30 };

void update_emit(struct outcome *out, enum event_kind kind, enum event_about about,
		 uint64_t attempt)
{
	assert(out->event_count < UPDATE_EVENTS);
	out->events[out->event_count].kind = kind;
	out->events[out->event_count].about = about;
	out->events[out->event_count].attempt = attempt;
	out->event_count++;
}

int64_t update_jitter_s(const struct update *u, int64_t seconds)
{
	int64_t tenth = seconds / 10;

	if (tenth == 0)
		return seconds;
	return seconds - tenth + (int64_t)((u->random >> 32) % (uint64_t)(2 * tenth + 1));
}

static int64_t silent_ms(const struct device *d)
{
	int64_t interval_s = device_interval_s(d);

	return 1000 * (interval_s ? interval_s * 5 / 2 + OFFLINE_SLACK_S : OFFLINE_UNKNOWN_S);
}

void update_contact(struct update *u, struct outcome *out)
{
	struct device *d = &u->device;

	d->seen_ms = u->now_ms;
	d->offline_at_ms = u->now_ms + silent_ms(d);
	out->seen_changed = true;
	if (!d->online) {
		d->online = true;
		out->device_changed = true;
		update_emit(out, EVENT_DEVICE_ONLINE, ABOUT_DEVICE, 0);
	}
}

void update_hold(struct update *u, enum hold why, struct outcome *out)
{
	if (u->device.hold != HOLD_NONE)
		return;
	u->device.hold = why;
	u->device.held_ms = u->now_ms;
	out->device_changed = true;
	update_emit(out, EVENT_DEVICE_HELD, ABOUT_DEVICE, 0);
}

void update_pending(struct update *u, const struct plan *plan, struct outcome *out)
{
	if (plan->pending && u->device.pending_ms == 0) {
		u->device.pending_ms = u->now_ms;
		out->device_changed = true;
	}
	if (plan->pending == u->device.pending_told)
		return;
	u->device.pending_told = plan->pending;
	out->device_changed = true;
	update_emit(out, plan->pending ? EVENT_UPDATES_PENDING : EVENT_UPDATES_NOT_PENDING,
		    ABOUT_DEVICE, 0);
}

bool update_is_halted(const struct update *u)
{
	return u->has_attempt && u->rollout && u->attempt.rollout == u->rollout->id &&
	       u->rollout->state == ROLLOUT_HALTED;
}

void update_member(struct update *u, enum member result, struct outcome *out)
{
	struct device *d = &u->device;

	if (!d->rollout || (d->rollout_about == d->rollout && d->rollout_result == result))
		return;
	if (d->rollout_about != d->rollout)
		d->rollout_applied = false;
	d->rollout_about = d->rollout;
	d->rollout_result = result;
	out->device_changed = true;
}

/* What a closed attempt comes to in its rollout; an uncharged close to nothing. */
static void update_member_closed(struct update *u, const struct attempt *a, struct outcome *out)
{
	bool there = u->rollout && a->release == u->rollout->release; /* else at a stone */

	if (!a->rollout || a->rollout != u->device.rollout ||
	    (a->verdict == VERDICT_UPDATED && !there))
		return;
	if (a->via == VIA_EXTERNAL)
		update_member(u, MEMBER_EXTERNAL, out);
	else if (a->verdict == VERDICT_UPDATED)
		update_member(u, MEMBER_UPDATED, out);
	else if (a->charged)
		update_member(u, attempt_came_back(a) ? MEMBER_REVERTED : MEMBER_FAILED, out);
}

/* A release that is not active any more: an attempt that may not apply it yet ends, as if an
 * operator had cancelled it; the gate refuses one that is `verified`. */
static void update_quarantine(struct update *u, struct outcome *out)
{
	struct attempt *a = &u->attempt;

	if (!u->has_attempt || !u->release || u->release->state == RELEASE_ACTIVE ||
	    a->cancel_requested || !attempt_step(a->state, CAUSE_CANCEL).known)
		return;
	a->cancel_requested = true;
	update_cause(u, CAUSE_CANCEL, out);
}

void update_target(struct update *u, struct outcome *out)
{
	struct device *d = &u->device;
	int64_t target = u->target ? u->target->id : 0;

	if (u->has_attempt && (u->attempt.release != target || update_is_halted(u)))
		update_cause(u, CAUSE_SUPERSEDE, out); /* absent from `verified` on */
	update_quarantine(u, out);
	if (d->planned == target)
		return;
	d->planned = target;
	d->failed_attempt = 0;
	d->backoff_count = 0;
	d->retry_at_ms = 0;
	d->defer_since_ms = 0;
	d->pending_ms = 0;
	d->want_fresh = false;
	out->device_changed = true;
}

void update_aim(struct update *u)
{
	if (u->goal)
		u->target =
			way_next(&u->way, u->goal, &u->device, u->has_attempt ? &u->attempt : NULL);
}

static struct plan_around update_around(const struct update *u)
{
	return (struct plan_around){
		.no_way = u->way.broken, .schedule = &u->schedule, .zone = &u->zone};
}

uint32_t update_gate(const struct update *u, int64_t *ret_clear_ms)
{
	const struct plan_around around = update_around(u);

	return plan_gate(&u->device, u->product, u->release, &around, u->now_ms, ret_clear_ms);
}

struct plan update_plan(const struct update *u)
{
	const struct plan_around around = update_around(u);

	const struct attempt *open = u->has_attempt ? &u->attempt : NULL;
	struct plan plan = plan_device(&u->device, u->product, u->target, open, &around, u->now_ms);

	plan_rollout(&plan, &u->device, u->rollout, u->why, open);
	return plan;
}

/* The next offer waits: base, doubled with each failure in a row, capped, jittered. */
static void update_back_off(struct update *u, int64_t at_least_s)
{
	const struct policy *p = &u->product->policy;
	int64_t wait_s = p->backoff_s;

	for (uint32_t i = 0; i < u->device.backoff_count && wait_s < p->backoff_max_s; i++)
		wait_s *= 2;
	if (wait_s > p->backoff_max_s)
		wait_s = p->backoff_max_s;
	wait_s = update_jitter_s(u, wait_s);
	if (wait_s < at_least_s)
		wait_s = at_least_s;
	u->device.backoff_count++;
	u->device.retry_at_ms = wait_s ? u->now_ms + wait_s * 1000 : 0;
}

static void update_charge(struct update *u, const struct attempt *a, struct outcome *out)
{
	const struct policy *p = &u->product->policy;
	struct device *d = &u->device;

	if (u->target && u->target->id == a->release)
		d->failed_attempt = a->id;
	d->defer_since_ms = 0;
	if (attempt_came_back(a) || a->reason == REASON_BAD_DIGEST)
		d->want_fresh = true;
	update_back_off(u, 0);
	if (verdict_hold(a->verdict) != HOLD_NONE)
		update_hold(u, verdict_hold(a->verdict), out);
	else if (a->reason == REASON_WRONG_HARDWARE)
		update_hold(u, HOLD_WRONG_HARDWARE, out);
	else if (a->reason == REASON_BAD_SIGNATURE)
		update_hold(u, HOLD_BAD_SIGNATURE, out);
	else if (a->reason == REASON_UNSUPPORTED)
		update_hold(u, HOLD_UNSUPPORTED, out);
	else if (u->attempt_history.reverts + attempt_came_back(a) >= p->max_reverts)
		update_hold(u, HOLD_REVERTS, out);
	else if (u->attempt_history.failures + 1 >= p->max_failures)
		update_hold(u, HOLD_FAILURES, out);
}

static void update_succeeded(struct device *d, const struct attempt *a)
{
	d->settled = a->release;
	d->failed_attempt = 0;
	d->want_fresh = false;
	d->drifted = false;
	d->backoff_count = 0;
	d->retry_at_ms = 0;
	d->defer_since_ms = 0;
	d->pending_ms = 0;
	d->base_changes = 0;
}

/* A soft refusal costs nothing but time, and time is bounded. */
static void update_deferred(struct update *u, int64_t defer_s)
{
	if (u->device.defer_since_ms == 0)
		u->device.defer_since_ms = u->now_ms;
	if (u->device.pending_ms == 0)
		u->device.pending_ms = u->now_ms;
	update_back_off(u, defer_s);
}

static void update_closed(struct update *u, struct outcome *out)
{
	struct attempt *a = &u->attempt;
	struct device *d = &u->device;
	enum event_kind kind = EVENT_ATTEMPT_CLOSED;

	if (a->via == VIA_EXTERNAL)
		a->charged = false;
	d->attempt = 0;
	d->last_attempt = a->id;
	out->device_changed = true;
	if (a->started)
		kind = a->verdict == VERDICT_UPDATED ? EVENT_FLASH_SUCCESS : EVENT_FLASH_FAILED;
	update_emit(out, kind, ABOUT_CLOSED, a->id);
	if (a->via == VIA_EXTERNAL)
		d->settled = a->release; /* that it runs it is sure, whoever brought it there */
	else if (a->verdict == VERDICT_BASE_CHANGED || a->verdict == VERDICT_ROLLED_BACK ||
		 (a->rung_ms[RUNG_APPLYING] && a->verdict != VERDICT_REVERTED))
		d->settled = 0; /* what it runs now is for its next report to say, not a drift */
	update_member_closed(u, a, out);
	if (a->verdict == VERDICT_UPDATED)
		update_succeeded(d, a);
	else if (a->charged)
		update_charge(u, a, out);
	else if (a->verdict == VERDICT_REFUSED)
		update_deferred(u, 0);
	else if (a->verdict == VERDICT_IDENTITY_CONFLICT)
		update_hold(u, HOLD_IDENTITY_CONFLICT, out);
	else if (a->verdict == VERDICT_BASE_CHANGED && ++d->base_changes >= BASE_CHANGES_MAX)
		update_hold(u, HOLD_RESTARTS, out);
	diagnose(a, d, &u->product->policy, &u->attempt_history, &u->link, u->now_ms,
		 &out->diagnoses);
	out->has_closed = true;
	out->closed = *a;
	out->attempt_changed = false;
	u->has_attempt = false;
}

/* From now on its silence may be the image's. */
static void update_member_applied(struct update *u, struct outcome *out)
{
	struct device *d = &u->device;

	if (!u->attempt.rollout || u->attempt.rollout != d->rollout ||
	    (d->rollout_about == d->rollout && d->rollout_applied))
		return;
	if (d->rollout_about != d->rollout)
		d->rollout_result = MEMBER_NONE;
	d->rollout_about = d->rollout;
	d->rollout_applied = true;
	out->device_changed = true;
}

void update_cause(struct update *u, enum cause cause, struct outcome *out)
{
	struct attempt *a = &u->attempt;
	struct attempt_step step = attempt_step(a->state, cause);

	out->stepped = true;
	out->cause = cause;
	out->cause_known = step.known;
	if (!step.known)
		return;
	if ((step.actions & ACT_START) && !a->started) {
		a->started = true;
		update_emit(out, EVENT_FLASH_STARTED, ABOUT_OPEN, a->id);
	}
	attempt_apply(a, &step, &u->product->policy, device_interval_s(&u->device), u->now_ms);
	out->attempt_changed = true;
	if (a->state == ATTEMPT_APPLYING)
		update_member_applied(u, out);
	if (step.actions & ACT_CLOSE)
		update_closed(u, out);
}

/* Deep sleep of a device that cannot keep its boot id (TRUTH 3). */
static bool update_woke(const struct device *d, const struct report *r)
{
	return r && r->reset == RESET_WAKE && d->has_report && !report_image_changed(&d->report, r);
}

/* A newer boot clears what an older one showed (TRUTH 3), whatever tells of it first. */
static void update_clear_evidence(struct update *u, struct outcome *out)
{
	struct attempt *a = &u->attempt;

	if (!u->has_attempt)
		return;
	if (u->device.boots.backwards)
		a->boot_weak = true;
	a->evidence = 0;
	for (unsigned i = 0; i < EV_COUNT; i++)
		a->evidence_ms[i] = 0;
	out->attempt_changed = true;
}

enum boot_seen update_boot(struct update *u, const struct boot_id *id, const struct report *r,
			   struct outcome *out)
{
	struct device *d = &u->device;
	unsigned conflicts = d->boots.conflicts;
	uint32_t resets = 0;
	struct boot_id current = d->boots.slot[0].id;
	enum boot_seen seen =
		boots_note(&d->boots, id, update_woke(d, r), u->session_ms, u->now_ms, &resets);

	switch (seen) {
	case BOOT_FIRST:
	case BOOT_NEW:
		d->resets += resets;
		out->device_changed = true;
		out->new_boot = true;
		update_clear_evidence(u, out);
		break;
	case BOOT_SAME:
		if (boot_id_identical(&current, &d->boots.slot[0].id))
			break;
		out->device_changed = true; /* renamed by a wake, or told in more words */
		if (u->has_attempt && update_woke(d, r)) {
			u->attempt.status_boot = 0; /* who forgets its boot id forgets its seq */
			out->attempt_changed = true;
		}
		break;
	case BOOT_LATE:
		if (d->boots.conflicts != conflicts)
			out->device_changed = true;
		break;
	case BOOT_CONFLICT:
		out->device_changed = true;
		if (u->has_attempt)
			update_cause(u, CAUSE_CONFLICT, out);
		update_hold(u, HOLD_IDENTITY_CONFLICT, out);
		break;
	}
	return seen;
}

void update_block(struct update *u, int64_t offset, int64_t len, bool repeat, struct outcome *out)
{
	struct attempt *a = &u->attempt;
	bool higher = offset + len > a->served_high;

	*out = (struct outcome){0};
	if (!u->has_attempt)
		return;
	a->served_bytes += len;
	if (repeat)
		a->served_repeats++;
	if (higher)
		a->served_high = offset + len;
	/* Coming online is an event, and only the first block is worth a commit. */
	if (u->device.online || a->state == ATTEMPT_OFFERED)
		update_contact(u, out);
	if (a->state == ATTEMPT_TRANSFERRING && attempt_overserved(a)) {
		update_cause(u, CAUSE_OVERSERVED, out);
		return;
	}
	if (a->state == ATTEMPT_OFFERED) {
		update_cause(u, CAUSE_BLOCK, out);
	} else if (a->state == ATTEMPT_VERIFIED) {
		a->heard = true;
	} else if (a->state == ATTEMPT_TRANSFERRING && higher) {
		/* TRUTH 4: only a new highest offset re-arms the stall deadline. Not worth a
		 * commit. */
		update_cause(u, CAUSE_PROGRESS, out);
		out->attempt_changed = false;
	}
	if (a->served_high >= a->size_bytes)
		attempt_rung(a, RUNG_TRANSFERRED, u->now_ms);
}

/* It was told to keep the image until the gate opens: from then on it has its time. At the total
 * limit the attempt ends, and that is not its fault either. */
static bool update_waits_for_us(struct update *u)
{
	struct attempt *a = &u->attempt;
	int64_t clear_ms;

	if (!a->heard || !update_gate(u, &clear_ms))
		return false;
	attempt_wait_until(a,
			   (clear_ms ? clear_ms : u->now_ms) + u->product->policy.stall_s * 1000);
	return true;
}

/* It is not silent before it was asked, and had the time to answer. Not beyond the total limit. */
static bool update_awaits_answer(struct update *u, struct outcome *out)
{
	struct attempt *a = &u->attempt;

	if (a->state != ATTEMPT_APPLYING || a->heard || u->now_ms >= u->answer_due_ms)
		return false;
	attempt_wait_until(a, u->answer_due_ms);
	out->attempt_changed = true;
	return u->now_ms < attempt_deadline_ms(a);
}

/* Which of the deadline's causes it is. */
static enum cause update_deadline_cause(const struct update *u)
{
	const struct attempt *a = &u->attempt;
	bool booted = u->device.boots.seq > a->base_boot;

	if (a->cancel_requested && a->state == ATTEMPT_VERIFIED)
		return CAUSE_DEADLINE_CANCELLED;
	if (attempt_returned(a) && !booted)
		return CAUSE_DEADLINE_UNTOLD;
	/* in applying only the same boot counts: after another one it did not come back */
	if (!a->heard || (a->state == ATTEMPT_APPLYING && booted))
		return CAUSE_DEADLINE_SILENT;
	if (a->state == ATTEMPT_PROBATION && (a->required & EV_CONFIRMED) &&
	    u->device.report.confirmed == 0) /* one that does not tell is unproven */
		return CAUSE_DEADLINE_CONFIRM;
	return CAUSE_DEADLINE_HEARD;
}

void update_deadline(struct update *u, struct outcome *out)
{
	struct attempt *a = &u->attempt;

	*out = (struct outcome){0};
	if (!u->has_attempt)
		return;
	if (u->now_ms < attempt_deadline_ms(a)) {
		out->attempt_changed = true; /* it moved without a commit: store where it is now */
		return;
	}
	if ((a->state == ATTEMPT_OFFERED || a->state == ATTEMPT_TRANSFERRING) && u->release &&
	    u->release->unavailable) {
		/* The device cannot go on, and it is not its fault: what it does not get costs it
		 * neither time nor, at the total limit, a failure. */
		attempt_wait_until(a, u->now_ms + u->product->policy.stall_s * 1000);
		out->attempt_changed = true;
		if (u->now_ms >= attempt_deadline_ms(a))
			update_cause(u, CAUSE_DEADLINE_NO_IMAGE, out);
		return;
	}
	if ((a->state == ATTEMPT_OFFERED || a->state == ATTEMPT_TRANSFERRING) && u->shed_ms) {
		/* TRUTH 7: shed is not failed. It asked, and we refused: it has as long as if it
		 * had got on then. Not beyond the total limit. */
		attempt_wait_until(a, u->shed_ms + u->product->policy.stall_s * 1000);
		out->attempt_changed = true;
		if (u->now_ms < attempt_deadline_ms(a))
			return;
	}
	if (a->state == ATTEMPT_VERIFIED && !a->cancel_requested && update_waits_for_us(u)) {
		out->attempt_changed = true;
		if (u->now_ms >= attempt_deadline_ms(a))
			update_cause(u, CAUSE_DEADLINE_GATE, out);
		return;
	}
	if (update_awaits_answer(u, out))
		return;
	update_cause(u, update_deadline_cause(u), out);
}

void update_silent(struct update *u, struct outcome *out)
{
	struct device *d = &u->device;

	*out = (struct outcome){0};
	if (!d->online)
		return;
	out->device_changed = true;
	if (u->now_ms < d->offline_at_ms)
		return; /* it moved without a commit: store where it is now */
	if (d->seen_ms < u->listening_ms) {
		int64_t due_ms = d->seen_ms + silent_ms(d) + u->deaf_ms;
		d->offline_at_ms = due_ms;
		if (u->now_ms < due_ms)
			return;
	}
	d->online = false; /* and offline_at_ms tells since when */
	update_emit(out, EVENT_DEVICE_OFFLINE, ABOUT_DEVICE, 0);
}

void update_heard(struct update *u, struct outcome *out)
{
	*out = (struct outcome){0};
	update_contact(u, out);
	if (!u->has_attempt || u->attempt.heard)
		return;
	u->attempt.heard = true;
	out->attempt_changed = true;
}

void update_returned(struct update *u, struct outcome *out)
{
	update_heard(u, out);
	if (!u->has_attempt || u->attempt.state != ATTEMPT_APPLYING)
		return;
	attempt_rung(&u->attempt, RUNG_REBOOTED, u->now_ms);
	out->attempt_changed = true;
}

void update_gone(struct update *u, bool said, struct outcome *out)
{
	struct device *d = &u->device;

	*out = (struct outcome){0};
	if (said) { /* it is its last word, whatever it is worth to the attempt */
		d->seen_ms = u->now_ms;
		out->seen_changed = true;
	}
	if (!d->online && (!said || d->offline_at_ms == 0))
		return;
	out->device_changed = true;
	if (d->online)
		update_emit(out, EVENT_DEVICE_OFFLINE, ABOUT_DEVICE, 0);
	d->online = false;
	d->offline_at_ms = said ? 0 : u->now_ms;
}

static int64_t update_grace_ms(const struct update *u)
{
	int64_t grace_s = u->product->policy.outage_grace_s;
	int64_t learned_s = device_interval_s(&u->device) * 3 / 2;

	if (grace_s < 0)
		grace_s = learned_s > 900 ? learned_s : 900;
	return grace_s * 1000;
}

void update_outage(struct update *u, int64_t gap_ms, struct outcome *out)
{
	*out = (struct outcome){0};
	if (u->has_attempt) {
		attempt_extend(&u->attempt, gap_ms, update_grace_ms(u));
		out->attempt_changed = true;
		update_target(u, out); /* it may have changed just before: nobody else looks */
	}
}

void update_clock_step(struct update *u, int64_t step_ms, struct outcome *out)
{
	struct device *d = &u->device;

	*out = (struct outcome){0};
	if (u->has_attempt) {
		attempt_rebase(&u->attempt, step_ms);
		attempt_extend(&u->attempt, 0, update_grace_ms(u));
		out->attempt_changed = true;
	}
	if (d->offline_at_ms)
		d->offline_at_ms += step_ms;
	if (d->retry_at_ms)
		d->retry_at_ms += step_ms;
	if (d->defer_since_ms)
		d->defer_since_ms += step_ms;
	if (d->pending_ms)
		d->pending_ms += step_ms;
	out->device_changed = true;
}
