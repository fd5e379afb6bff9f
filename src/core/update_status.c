/* SPDX-License-Identifier: Apache-2.0
 *
 * Statuses of a device and acts of an operator.
 */
#include <string.h>

#include "core/update.h"
#include "core/update_internal.h"

/* ---- status ---- */

static enum cause refusal(struct update *u, const struct status *s)
{
	struct attempt *a = &u->attempt;
	const struct device *d = &u->device;
	int64_t limit_ms = u->product->policy.defer_max_s * 1000;

	a->reason = s->reason;
	if (s->state == STATUS_DEFERRED && !reason_is_soft(a->reason))
		a->reason = REASON_DEFERRED;
	if (a->reason == REASON_NONE)
		a->reason = REASON_OTHER;
	bool patience = d->defer_since_ms == 0 || u->now_ms - d->defer_since_ms < limit_ms;
	return reason_is_soft(a->reason) && patience ? CAUSE_REFUSED_SOFT : CAUSE_REFUSED;
}

static enum cause progress(struct update *u, const struct status *s, struct outcome *out)
{
	struct attempt *a = &u->attempt;
	int64_t before = a->received_bytes;

	if (s->received_bytes > before && s->received_bytes <= a->size_bytes)
		a->received_bytes = s->received_bytes;
	if (a->received_bytes >= a->size_bytes)
		attempt_rung(a, RUNG_TRANSFERRED, u->now_ms);
	if (a->state != ATTEMPT_TRANSFERRING)
		return CAUSE_DOWNLOADING;
	if (a->size_bytes && a->received_bytes * 4 / a->size_bytes > before * 4 / a->size_bytes)
		update_emit(out, EVENT_FLASH_PROGRESS, ABOUT_OPEN, a->id);
	return a->received_bytes > before ? CAUSE_PROGRESS : CAUSE_HEARD;
}

static enum cause status_cause(struct update *u, const struct status *s, struct outcome *out)
{
	struct attempt *a = &u->attempt;

	switch (s->state) {
	case STATUS_DOWNLOADING:
		return a->state == ATTEMPT_APPLYING ? CAUSE_HEARD : progress(u, s, out);
	case STATUS_VERIFIED:
		return a->state == ATTEMPT_VERIFIED || a->state == ATTEMPT_APPLYING
			       ? CAUSE_HEARD
			       : CAUSE_VERIFIED;
	case STATUS_APPLYING:
		return a->cancel_requested && a->state == ATTEMPT_VERIFIED
			       ? CAUSE_APPLYING_CANCELLED
			       : CAUSE_APPLYING;
	case STATUS_REFUSED:
	case STATUS_DEFERRED:
		return refusal(u, s);
	case STATUS_FAILED:
		a->reason = s->reason == REASON_NONE ? REASON_OTHER : s->reason;
		return CAUSE_FAILED;
	}
	return CAUSE_HEARD;
}

/* base_boot follows the device's own word up to the commit of `applying` (TRUTH 3). */
static void move_base(struct update *u, const struct status *s)
{
	struct attempt *a = &u->attempt;

	if (a->state < ATTEMPT_APPLYING && s->state <= STATUS_APPLYING)
		a->base_boot = u->device.boots.seq;
}

static void note_rungs(struct update *u, const struct status *s)
{
	struct attempt *a = &u->attempt;

	if (s->start_offset >= 0 && a->start_offset < 0)
		a->start_offset = s->start_offset;
	if (s->state == STATUS_VERIFIED || s->state == STATUS_APPLYING) {
		attempt_rung(a, RUNG_TRANSFERRED, u->now_ms);
		attempt_rung(a, RUNG_VERIFIED, u->now_ms);
	}
	if (s->state == STATUS_APPLYING && !a->cancel_requested)
		attempt_rung(a, RUNG_APPLYING, u->now_ms);
}

static void status_accept(struct update *u, const struct status *s, struct outcome *out)
{
	struct attempt *a = &u->attempt;
	enum cause cause = status_cause(u, s, out);
	struct attempt_step step = attempt_step(a->state, cause);

	a->status_boot = u->device.boots.seq;
	a->status_seq = s->seq;
	if (step.known) {
		move_base(u, s);
		note_rungs(u, s);
		if (step.actions & ACT_CLOSE || s->code) {
			a->code = s->code;
			memcpy(a->detail, s->detail, sizeof(a->detail));
		}
	}
	int64_t defer_s = cause == CAUSE_REFUSED_SOFT ? s->defer_until_s : 0;
	update_cause(u, cause, out);
	/* The device named a time: its wish, where it is later than our own back-off. */
	if (defer_s > 0 && u->device.retry_at_ms < u->now_ms + defer_s * 1000)
		u->device.retry_at_ms = u->now_ms + defer_s * 1000;
	out->accepted = cause != CAUSE_APPLYING_CANCELLED;
}

void update_status(struct update *u, const struct status *s, struct outcome *out)
{
	struct attempt *a = &u->attempt;

	*out = (struct outcome){0};
	if (!u->has_attempt || s->attempt != a->id)
		return; /* I3: not open for this device */
	enum boot_seen seen = update_boot(u, &s->boot, NULL, out);
	if (seen == BOOT_LATE || seen == BOOT_CONFLICT)
		return; /* the boot that says so is gone */
	update_contact(u, out);
	if (seen == BOOT_NEW || seen == BOOT_FIRST)
		update_emit(out, EVENT_DEVICE_BOOT, ABOUT_DEVICE, 0);
	bool gate_open = a->state >= ATTEMPT_APPLYING;
	bool repeated =
		s->has_seq && a->status_boot == u->device.boots.seq && s->seq <= a->status_seq;
	/* A repeated number is old news, but it never opens the gate by itself. */
	if (repeated && (s->state != STATUS_APPLYING || gate_open)) {
		out->accepted = true;
		return;
	}
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

static void target_changed(struct update *u, struct outcome *out)
{
	struct device *d = &u->device;

	if (u->has_attempt && (!u->target || u->attempt.release != u->target->id))
		update_cause(u, CAUSE_SUPERSEDE, out);
	/* Another image: its waiting time starts anew. */
	d->failed_attempt = 0;
	d->backoff_count = 0;
	d->retry_at_ms = 0;
	d->defer_since_ms = 0;
	d->want_fresh = false;
	out->device_changed = true;
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
		d->drifted = false;
	}
	out->device_changed = true;
}

static void unhold(struct update *u, int64_t last_number, struct outcome *out)
{
	struct device *d = &u->device;

	if (d->hold == HOLD_NONE) {
		refuse(out, ERR_BUSY, "the device is not held");
		return;
	}
	d->hold = HOLD_NONE;
	d->held_ms = 0;
	d->fail_mark = (uint64_t)last_number;
	d->backoff_count = 0;
	d->retry_at_ms = 0;
	d->base_changes = 0;
	d->boots.conflicts = 0;
	d->drifted = false;
	out->device_changed = true;
	update_emit(out, EVENT_DEVICE_UNHELD, ABOUT_DEVICE, 0);
}

void update_operator(struct update *u, enum operator_act act, int64_t arg, struct outcome *out)
{
	*out = (struct outcome){0};
	switch (act) {
	case OPERATOR_TARGET_CHANGED:
		target_changed(u, out);
		break;
	case OPERATOR_LOCK:
		u->device.lock = arg;
		u->device.drifted = false;
		target_changed(u, out);
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
	case OPERATOR_REMOVE:
	case OPERATOR_RESTORED:
		if (u->has_attempt)
			update_cause(u, act == OPERATOR_REMOVE ? CAUSE_REMOVE : CAUSE_RESTORED,
				     out);
		break;
	}
}
