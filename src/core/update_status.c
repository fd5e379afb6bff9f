/* SPDX-License-Identifier: Apache-2.0
 *
 * Statuses of a device and acts of an operator.
 */
#include <string.h>

#include "core/update.h"
#include "core/update_internal.h"

enum { GATE_MOST_S = 3600, GATE_UNKNOWN_S = 600 };

/* ---- status ---- */

/* The reason as the attempt keeps it. */
static enum reason status_reason(const struct status *s)
{
	if (s->state == STATUS_DEFERRED && !reason_is_soft(s->reason))
		return REASON_DEFERRED;
	return s->reason == REASON_NONE ? REASON_OTHER : s->reason;
}

/* What is left of the time for which a device may put updates off. */
static int64_t patience_s(const struct update *u)
{
	const struct device *d = &u->device;
	int64_t used_s = d->defer_since_ms ? (u->now_ms - d->defer_since_ms) / 1000 : 0;

	return u->product->policy.defer_max_s - (used_s > 0 ? used_s : 0);
}

static enum cause status_cause(const struct update *u, const struct status *s)
{
	const struct attempt *a = &u->attempt;

	switch (s->state) {
	case STATUS_DOWNLOADING:
		if (a->state == ATTEMPT_APPLYING)
			return CAUSE_HEARD;
		if (a->state != ATTEMPT_TRANSFERRING)
			return CAUSE_DOWNLOADING;
		return s->received_bytes > a->received_bytes && s->received_bytes <= a->size_bytes
			       ? CAUSE_PROGRESS
			       : CAUSE_HEARD;
	case STATUS_VERIFIED:
		return a->state == ATTEMPT_VERIFIED || a->state == ATTEMPT_APPLYING
			       ? CAUSE_HEARD
			       : CAUSE_VERIFIED;
	case STATUS_APPLYING:
		return a->cancel_requested ? CAUSE_APPLYING_CANCELLED : CAUSE_APPLYING;
	case STATUS_REFUSED:
	case STATUS_DEFERRED:
		return reason_is_soft(status_reason(s)) && patience_s(u) > 0 ? CAUSE_REFUSED_SOFT
									     : CAUSE_REFUSED;
	case STATUS_FAILED:
		return CAUSE_FAILED;
	}
	return CAUSE_HEARD;
}

/* base_boot follows the device's own word up to the commit of `applying` (TRUTH 3). */
static void move_base(struct update *u, const struct status *s)
{
	struct attempt *a = &u->attempt;

	if (a->state < ATTEMPT_APPLYING && s->state <= STATUS_APPLYING) {
		a->base_boot = u->device.boots.seq;
		a->boot_weak = false; /* a counter that fell before does not matter any more */
	}
}

static void note_received(struct attempt *a, const struct status *s)
{
	if (s->received_bytes > a->received_bytes && s->received_bytes <= a->size_bytes)
		a->received_bytes = s->received_bytes;
}

static void note_progress(struct update *u, const struct status *s, struct outcome *out)
{
	struct attempt *a = &u->attempt;
	int64_t before = a->received_bytes;

	note_received(a, s);
	if (a->received_bytes >= a->size_bytes)
		attempt_rung(a, RUNG_TRANSFERRED, u->now_ms);
	if (a->state == ATTEMPT_TRANSFERRING && a->size_bytes &&
	    a->received_bytes * 4 / a->size_bytes > before * 4 / a->size_bytes)
		update_emit(out, EVENT_FLASH_PROGRESS, ABOUT_OPEN, a->id);
}

static void note_rungs(struct update *u, const struct status *s)
{
	struct attempt *a = &u->attempt;

	if (s->start_offset >= 0 && a->start_offset < 0)
		a->start_offset = s->start_offset;
	if (s->state == STATUS_VERIFIED || s->state == STATUS_APPLYING) {
		note_received(a, s);
		attempt_rung(a, RUNG_TRANSFERRED, u->now_ms);
		attempt_rung(a, RUNG_VERIFIED, u->now_ms);
	}
	if (s->state == STATUS_APPLYING && !a->cancel_requested)
		attempt_rung(a, RUNG_APPLYING, u->now_ms);
}

/* What a status with an edge leaves on the attempt. */
static void note_status(struct update *u, const struct status *s, bool closes, struct outcome *out)
{
	struct attempt *a = &u->attempt;

	move_base(u, s);
	if (s->state == STATUS_DOWNLOADING && a->state != ATTEMPT_APPLYING)
		note_progress(u, s, out);
	note_rungs(u, s);
	if (s->state >= STATUS_REFUSED)
		a->reason = status_reason(s);
	if (closes || s->code) {
		a->code = s->code;
		memcpy(a->detail, s->detail, sizeof(a->detail));
	}
}

static void status_accept(struct update *u, const struct status *s, struct outcome *out)
{
	struct attempt *a = &u->attempt;
	enum cause cause = status_cause(u, s);
	struct attempt_step step = attempt_step(a->state, cause);
	int64_t defer_s = s->defer_until_s < patience_s(u) ? s->defer_until_s : patience_s(u);

	if (s->has_seq) { /* one without a number does not make an old one new */
		a->status_boot = u->device.boots.seq;
		a->status_seq = s->seq;
		out->attempt_changed = true;
	}
	if (step.known)
		note_status(u, s, step.actions & ACT_CLOSE, out);
	update_cause(u, cause, out);
	/* The device named a time: its wish, where it is later than our own back-off. */
	if (cause == CAUSE_REFUSED_SOFT && out->has_closed && defer_s > 0 &&
	    u->device.retry_at_ms < u->now_ms + defer_s * 1000)
		u->device.retry_at_ms = u->now_ms + defer_s * 1000;
	out->accepted = true;
	if (u->has_attempt && a->cancel_requested && a->state == ATTEMPT_TRANSFERRING) {
		/* Back from verified: the cancel need not wait for the gate any more. */
		update_cause(u, CAUSE_CANCEL, out);
		out->accepted = false;
	}
	/* 2.04 to `applying` is the leave to hand over, and means nothing else. */
	if (s->state == STATUS_APPLYING)
		out->accepted = u->has_attempt && a->state == ATTEMPT_APPLYING;
}

/* An hour at most: windows and policies change. Of what nobody can foretell (a battery), the device
 * tells in a report of its own. */
int64_t update_gate_s(const struct update *u, int64_t clear_ms)
{
	int64_t wait_s = clear_ms ? (clear_ms - u->now_ms + 999) / 1000 : GATE_UNKNOWN_S;

	if (wait_s > GATE_MOST_S)
		wait_s = GATE_MOST_S;
	return wait_s > 1 ? wait_s : 1;
}

/* TRUTH 4: the gate is where windows and power checks act. The image is kept, so it counts as
 * verified; the number is not used up, as the same status comes again. */
static bool gate_is_closed(struct update *u, const struct status *s, struct outcome *out)
{
	struct status verified = *s;
	struct attempt *a = &u->attempt;
	int64_t clear_ms;

	if (s->state != STATUS_APPLYING || s->under_way || a->state > ATTEMPT_VERIFIED ||
	    a->cancel_requested || !u->release || !update_gate(u, &clear_ms))
		return false;
	verified.state = STATUS_VERIFIED;
	verified.has_seq = false;
	status_accept(u, &verified, out);
	out->accepted = false;
	if (!u->has_attempt)
		return true;
	out->later_s = update_gate_s(u, clear_ms);
	a->heard = true; /* it has asked, whatever the deadline finds later */
	attempt_wait_until(a,
			   (clear_ms ? clear_ms : u->now_ms) + u->product->policy.stall_s * 1000);
	out->attempt_changed = true;
	return true;
}

void update_status(struct update *u, const struct status *s, struct outcome *out)
{
	struct attempt *a = &u->attempt;

	update_begin(u, out);
	if (!u->has_attempt || s->attempt != a->id)
		return; /* I3: not open for this device */
	enum boot_seen seen = update_boot(u, &s->boot, NULL, out);
	if (seen == BOOT_LATE || seen == BOOT_CONFLICT)
		return; /* the boot that says so is gone */
	update_contact(u, out);
	if (s->state == STATUS_APPLYING && update_is_halted(u))
		a->cancel_requested = true; /* the gate is where a halt acts */
	if (seen == BOOT_NEW || seen == BOOT_FIRST)
		update_emit(out, EVENT_DEVICE_BOOT, ABOUT_BOOT, 0); /* it does not say more */
	if (s->has_seq && a->status_boot == u->device.boots.seq && s->seq <= a->status_seq) {
		/* Old news: answered and ignored. It never opens the gate. */
		out->accepted = s->state != STATUS_APPLYING || a->state == ATTEMPT_APPLYING;
		return;
	}
	if (!gate_is_closed(u, s, out))
		status_accept(u, s, out);
}

/* ---- operator ---- */

static void refuse(struct outcome *out, int err, const char *why)
{
	out->err = err;
	out->why = why;
}

static void cancel(struct update *u, struct outcome *out)
{
	if (!u->has_attempt) {
		refuse(out, ERR_BUSY, "the attempt is closed already");
		return;
	}
	if (!attempt_step(u->attempt.state, CAUSE_CANCEL).known) {
		refuse(out, ERR_BUSY,
		       "the device has been allowed to apply the image; it can no "
		       "longer be cancelled and runs to its verdict");
		return;
	}
	u->attempt.cancel_requested = true;
	update_cause(u, CAUSE_CANCEL, out);
}

/* An operator wants it updated: what it left does not matter any more. */
static void drift_over(struct device *d)
{
	if (d->drifted)
		d->settled = 0;
	d->drifted = false;
}

static void force(struct update *u, bool on, struct outcome *out)
{
	struct device *d = &u->device;

	if (d->force != on)
		update_emit(out, on ? EVENT_UPDATES_FORCED : EVENT_UPDATES_NOT_FORCED, ABOUT_DEVICE,
			    0);
	d->force = on;
	if (on) {
		d->retry_at_ms = 0;
		d->defer_since_ms = 0;
		drift_over(d);
		if (u->has_attempt) {
			u->attempt.forced = true;
			out->attempt_changed = true;
		}
	}
	out->device_changed = true;
}

static void unhold(struct update *u, int64_t last_number, struct outcome *out)
{
	struct device *d = &u->device;

	if (d->hold == HOLD_NONE && !d->drifted) {
		refuse(out, ERR_BUSY, "the device is not held");
		return;
	}
	if (d->hold != HOLD_NONE)
		update_emit(out, EVENT_DEVICE_UNHELD, ABOUT_DEVICE, 0);
	d->hold = HOLD_NONE;
	d->held_ms = 0;
	/* One that is still open has not failed yet. */
	d->fail_mark =
		u->has_attempt && u->attempt.number ? u->attempt.number - 1 : (uint64_t)last_number;
	d->backoff_count = 0;
	d->retry_at_ms = 0;
	d->base_changes = 0;
	d->boots.conflicts = 0;
	drift_over(d);
	out->device_changed = true;
}

/* Nothing more is heard of it: whatever its attempt was at, no verdict would be its own. Its
 * silence is our doing, too. */
static void disable(struct update *u, struct outcome *out)
{
	struct device *d = &u->device;

	if (d->disabled_ms) {
		refuse(out, ERR_BUSY, "the device is disabled already");
		return;
	}
	if (u->has_attempt)
		update_cause(u, CAUSE_DISABLE, out);
	d->disabled_ms = u->now_ms;
	update_emit(out, EVENT_DEVICE_DISABLED, ABOUT_DEVICE, 0);
	if (d->online)
		update_emit(out, EVENT_DEVICE_OFFLINE, ABOUT_DEVICE, 0);
	d->online = false;
	d->offline_at_ms = 0;
	out->device_changed = true;
}

static void enable(struct update *u, struct outcome *out)
{
	if (!u->device.disabled_ms) {
		refuse(out, ERR_BUSY, "the device is not disabled");
		return;
	}
	u->device.disabled_ms = 0;
	update_emit(out, EVENT_DEVICE_ENABLED, ABOUT_DEVICE, 0);
	out->device_changed = true;
}

void update_operator(struct update *u, enum operator_act act, int64_t arg, struct outcome *out)
{
	update_begin(u, out);
	switch (act) {
	case OPERATOR_TARGET_CHANGED:
		update_target(u, out);
		break;
	case OPERATOR_LOCK:
		u->device.lock = arg;
		out->device_changed = true; /* also where it is the target already */
		drift_over(&u->device);
		update_target(u, out);
		break;
	case OPERATOR_GROUP:
		u->device.group = arg;
		out->device_changed = true;
		update_target(u, out);
		break;
	case OPERATOR_DEVELOPMENT:
		u->device.development = arg != 0;
		out->device_changed = true;
		update_target(u, out);
		break;
	case OPERATOR_FORCE:
	case OPERATOR_UNFORCE:
		force(u, act == OPERATOR_FORCE, out);
		break;
	case OPERATOR_HOLD:
		if (u->device.hold != HOLD_NONE)
			refuse(out, ERR_BUSY, "the device is held already");
		else
			update_hold(u, HOLD_OPERATOR, out);
		break;
	case OPERATOR_UNHOLD:
		unhold(u, arg, out);
		break;
	case OPERATOR_CANCEL:
		cancel(u, out);
		break;
	case OPERATOR_DISABLE:
		disable(u, out);
		break;
	case OPERATOR_ENABLE:
		enable(u, out);
		break;
	case OPERATOR_SITE:
		out->device_changed = true;
		break;
	case OPERATOR_KEY:
	case OPERATOR_TAG:
		break;
	case OPERATOR_REMOVE:
	case OPERATOR_RESTORED:
		if (u->has_attempt)
			update_cause(u, act == OPERATOR_REMOVE ? CAUSE_REMOVE : CAUSE_RESTORED,
				     out);
		break;
	}
}
