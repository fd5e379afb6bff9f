/* SPDX-License-Identifier: Apache-2.0
 *
 * A boot report: facts, boots, the verdict of the open attempt, the next offer, the answer.
 */
#include <string.h>

#include "base/buf.h"
#include "core/evidence.h"
#include "core/update.h"
#include "core/update_internal.h"
#include "core/window.h"

enum {
	CHECK_IN_SOON_S = 60,
	WINDOW_SPREAD_S = 300,
	BOOT_CLOCK_SLACK_MS = 2000,
	CROWD_INTERVAL_S = 60, /* a shorter one is not spread in a crowd */
};

/* ---- facts ---- */

/* From contact to contact: report_ms is not stored with every check-in, seen_ms is. One check-in
 * that was missed, or called for by us, is no new habit. */
static void learn_interval(struct device *d, int64_t now_ms)
{
	int64_t gap_s = (now_ms - d->seen_ms) / 1000;
	int64_t known_s = d->interval_learned_s;

	if (d->report_ms == 0 || d->attempt != 0 || gap_s < 1)
		return;
	if (known_s == 0) {
		d->interval_learned_s = gap_s;
		return;
	}
	if (gap_s > 2 * known_s)
		gap_s = 2 * known_s;
	if (gap_s < known_s / 2)
		gap_s = known_s / 2;
	/* rounded up, or a short one could never grow */
	d->interval_learned_s = (3 * known_s + gap_s + 3) / 4;
}

/* A reset reason belongs to a boot and counts once, whatever told of the boot first. */
static void count_reset(struct device *d, const struct report *r)
{
	if (!d->has_report || boots_find(&d->boots, &d->report.boot) == d->boots.seq)
		return;
	if (reset_is_unclean(r->reset)) {
		d->unclean_resets++;
		d->unclean_row++;
	} else {
		d->unclean_row = 0;
	}
}

/* No image changes without a reboot (TRUTH 1, 3): what a boot runs is what it said first. Only an
 * uptime that proves a reboot behind an unchanged boot id says otherwise. */
static bool claims_without_boot(const struct device *d, const struct report *r, int64_t now_ms)
{
	const struct report *before = &d->report;

	if (!d->has_report || before->mode == MODE_UPDATER ||
	    boots_find(&d->boots, &before->boot) != d->boots.seq ||
	    !report_image_changed(before, r))
		return false;
	int64_t since_ms = now_ms - d->boots.slot[0].seen_ms;
	return r->uptime_s < 0 || r->uptime_s >= (since_ms - BOOT_CLOCK_SLACK_MS) / 1000;
}

/* The report as far as it is believed. */
static struct report believed(struct device *d, const struct report *r, int64_t now_ms,
			      struct outcome *out)
{
	struct report b = *r;
	bool claims = claims_without_boot(d, r, now_ms);

	if (claims != d->unbooted_claim || (claims && strcmp(d->claimed, r->version) != 0))
		out->device_changed = true;
	d->unbooted_claim = claims;
	memset(d->claimed, 0, sizeof(d->claimed));
	if (!claims)
		return b;
	(void)buf_copy_str(d->claimed, sizeof(d->claimed), r->version);
	memcpy(b.version, d->report.version, sizeof(b.version));
	b.running = d->report.running;
	b.confirmed = d->report.confirmed;
	return b;
}

static void take_facts(struct update *u, const struct report *r, bool same_boot,
		       struct outcome *out)
{
	struct device *d = &u->device;
	int before = d->has_report ? d->report.updates_enabled : -1;

	if (same_boot)
		learn_interval(d, u->now_ms);
	count_reset(d, r);
	if (!d->has_report || !report_same(&d->report, r))
		out->device_changed = true;
	if (r->updates_enabled != -1 && r->updates_enabled != before &&
	    !(before == -1 && r->updates_enabled == 1))
		update_emit(out,
			    r->updates_enabled ? EVENT_UPDATES_ENABLED : EVENT_UPDATES_DISABLED,
			    ABOUT_DEVICE, 0);
	d->report = *r;
	d->report_ms = u->now_ms;
	d->has_report = true;
}

/* ---- the open attempt ---- */

static void judge(struct update *u)
{
	struct attempt *a = &u->attempt;
	unsigned before = a->evidence;

	a->evidence = evidence_judge(a, &u->device, u->release, &u->product->policy, u->now_ms);
	for (unsigned i = 0; i < EV_COUNT; i++) {
		if (!(a->evidence & 1u << i))
			a->evidence_ms[i] = 0; /* a newer boot clears what an older one showed */
		else if (!(before & 1u << i) || a->evidence_ms[i] == 0)
			a->evidence_ms[i] = u->now_ms;
	}
}

/* The device is on target in a boot after base_boot: proved, or what is still missing. */
static enum cause on_target(struct update *u)
{
	struct attempt *a = &u->attempt;
	const struct policy *p = &u->product->policy;
	const struct report *r = &u->device.report;

	attempt_rung(a, RUNG_RUNNING, u->now_ms);
	if (a->target_ms == 0)
		a->target_ms = u->now_ms;
	a->target_boot = u->device.boots.seq;
	a->judged_boot = u->device.boots.seq;
	if (a->unclean >= p->unstable_resets)
		return CAUSE_TARGET_UNSTABLE;
	if (a->evidence & EV_CONFIRMED)
		attempt_rung(a, RUNG_CONFIRMED, u->now_ms);
	if (a->evidence & EV_STABLE)
		attempt_rung(a, RUNG_STABLE, u->now_ms);
	if ((a->required & ~a->evidence) != 0 || r->mode != MODE_APPLICATION)
		return CAUSE_TARGET;
	a->via = a->rung_ms[RUNG_APPLYING] ? VIA_OTA : VIA_EXTERNAL;
	a->grade = evidence_grade(a->evidence);
	if (a->boot_weak || a->via == VIA_EXTERNAL || u->device.plain)
		a->grade = GRADE_WEAK;
	return a->grade == GRADE_WEAK && !p->allow_weak ? CAUSE_PROVEN_TOO_WEAK : CAUSE_PROVEN;
}

/* The device is back on its baseline in a boot after base_boot. */
static enum cause on_base(struct update *u)
{
	struct attempt *a = &u->attempt;
	const struct last_attempt *last = &u->device.report.last;
	bool often = a->interruptions >= u->product->policy.max_interruptions;

	if (a->state == ATTEMPT_APPLYING) {
		if (last->attempt != a->id)
			return CAUSE_BOOT_BASE;
		a->code = last->code;
		memcpy(a->detail, last->detail, sizeof(a->detail));
		if (last->reason != REASON_NONE) {
			a->reason = last->reason;
			return CAUSE_BOOT_BASE_FAILED;
		}
		if (last->stage != STAGE_DOWNLOADING && last->stage != STAGE_VERIFIED)
			return CAUSE_BOOT_BASE;
		a->rung_ms[RUNG_APPLYING] = 0; /* the hand-over did not happen */
		a->rung_ms[RUNG_REBOOTED] = 0;
		a->judged_boot = u->device.boots.seq;
		return often ? CAUSE_BOOT_BASE_OFTEN : CAUSE_BOOT_BASE_EARLY;
	}
	if (a->judged_boot == u->device.boots.seq)
		return CAUSE_HEARD; /* this boot was counted already */
	a->judged_boot = u->device.boots.seq;
	return often ? CAUSE_BOOT_BASE_OFTEN : CAUSE_BOOT_BASE;
}

static enum cause classify(struct update *u)
{
	struct attempt *a = &u->attempt;
	const struct report *r = &u->device.report;
	struct match m = match_release(r->version, &r->running, u->release);

	if (!(a->evidence & EV_NEW_BOOT)) {
		int64_t since_ms = u->now_ms - a->rung_ms[RUNG_APPLYING];
		if (m.on_target && a->rung_ms[RUNG_APPLYING] && r->uptime_s >= 0 &&
		    r->uptime_s < (since_ms - BOOT_CLOCK_SLACK_MS) / 1000)
			a->boot_id_constant = true;
		return CAUSE_HEARD;
	}
	if (a->rung_ms[RUNG_APPLYING])
		attempt_rung(a, RUNG_REBOOTED, u->now_ms);
	if (m.on_target && m.version == TRI_NO && (a->required & EV_VERSION))
		return CAUSE_BOOT_LABEL;
	if (m.on_target)
		return on_target(u);
	if (a->state == ATTEMPT_PROBATION)
		return CAUSE_TARGET_LEFT;
	if (evidence_on_base(a, r))
		return on_base(u);
	return m.version == TRI_YES ? CAUSE_BOOT_DIGEST : CAUSE_BOOT_OTHER;
}

/* Each boot's reset counts once, and stability is measured from the last unclean one. */
static void count_unclean(struct update *u, struct outcome *out)
{
	struct attempt *a = &u->attempt;

	if (a->state != ATTEMPT_PROBATION || a->judged_boot == u->device.boots.seq)
		return;
	a->judged_boot = u->device.boots.seq;
	out->attempt_changed = true;
	if (reset_is_unclean(u->device.report.reset)) {
		a->unclean++;
		a->target_ms = u->now_ms;
	}
}

static void judge_attempt(struct update *u, struct outcome *out)
{
	struct attempt *a = &u->attempt;

	count_unclean(u, out);
	if (attempt_returned(a) && u->device.boots.seq <= a->base_boot) {
		a->rung_ms[RUNG_REBOOTED] = 0; /* it only looked so */
		out->attempt_changed = true;
	}
	if (u->device.report.mode == MODE_UPDATER || u->device.unbooted_claim) {
		/* TRUTH 3: neither version evidence nor an end; nor is a report that is not
		 * believed. Before the hand-over, and in the boot of the hand-over, the device is
		 * at least alive. */
		if (a->state < ATTEMPT_APPLYING || u->device.boots.seq <= a->base_boot)
			update_cause(u, CAUSE_HEARD, out);
		return;
	}
	judge(u);
	update_cause(u, classify(u), out);
}

/* ---- where it belongs ---- */

/* On its target, as far as can be told: under the same label it may be another image. What it
 * drifted to is not what it was settled on. */
static bool on_its_target(const struct update *u, bool changed)
{
	const struct device *d = &u->device;
	const struct release *t = u->target;

	if (!t)
		return false;
	struct match m = match_release(d->report.version, &d->report.running, t);
	bool indistinct = m.digest == TRI_UNKNOWN && d->settled && d->settled != t->id &&
			  !changed && !d->drifted;
	return m.on_target && !indistinct;
}

/* By the same rule by which it came there, whatever its target is now. Of a release that was
 * removed nothing is known but that the image was another one before. */
static bool left_home(const struct update *u, bool changed)
{
	const struct report *r = &u->device.report;

	if (!u->device.settled)
		return false;
	return u->home ? !match_release(r->version, &r->running, u->home).on_target : changed;
}

/* A failure of a member is over when it runs the release for good: not while the image may still
 * go back, nor while it is held because label and bytes do not belong together, nor while it keeps
 * back the proof for want of which its attempt failed. Otherwise such failures, whose device is on
 * target all the time, would never halt a rollout. */
static bool is_converged(const struct update *u)
{
	const struct device *d = &u->device;
	const struct match m = match_release(d->report.version, &d->report.running, u->target);

	if (((u->failed_required & EV_DIGEST) && m.digest != TRI_YES) ||
	    ((u->failed_required & EV_CONFIRMED) && d->report.confirmed != 1))
		return false;
	if (d->hold == HOLD_LABEL_MISMATCH || d->hold == HOLD_DIGEST_MISMATCH)
		return false;
	return d->report.confirmed != 0 ||
	       !(evidence_required(&u->product->policy, &d->report, u->target) & EV_CONFIRMED);
}

/* It runs its rollout's release, and no attempt has just brought it. */
static void found_member(struct update *u, struct outcome *out)
{
	const struct device *d = &u->device;
	bool about = d->rollout_about == d->rollout;

	if (!about || d->rollout_result == MEMBER_NONE)
		update_member(u, MEMBER_EXTERNAL, out);
	else if ((d->rollout_result == MEMBER_FAILED || d->rollout_result == MEMBER_REVERTED) &&
		 is_converged(u))
		update_member(u, MEMBER_CONVERGED, out);
}

/* judged: the report has closed an attempt, which tells what there is to tell of it. */
static void settle(struct update *u, bool changed, bool judged, struct outcome *out)
{
	struct device *d = &u->device;
	const struct release *t = u->target;

	if (d->report.mode == MODE_UPDATER)
		return;
	if (on_its_target(u, changed)) {
		if (u->why == TARGET_ROLLOUT && t == u->goal && !judged)
			found_member(u, out);
		if (d->failed_attempt && !judged) {
			update_emit(out, EVENT_DEVICE_CONVERGED, ABOUT_DEVICE, d->failed_attempt);
			d->failed_attempt = 0;
			d->backoff_count = 0;
			d->retry_at_ms = 0;
			out->device_changed = true;
		}
		/* What it has put off goes on to be put off, should it leave its target meanwhile.
		 */
		bool put_off = d->defer_since_ms && d->retry_at_ms > u->now_ms;

		if (d->settled != t->id || d->drifted || (d->defer_since_ms && !put_off))
			out->device_changed = true;
		d->settled = t->id;
		d->drifted = false;
		if (!put_off)
			d->defer_since_ms = 0;
	} else if (!judged && !d->drifted && left_home(u, changed)) {
		d->drifted = true;
		out->device_changed = true;
		update_emit(out, EVENT_DEVICE_DRIFT, ABOUT_DEVICE, 0);
	}
}

/* ---- the offer ---- */

/* Room for probation is part of the limit from the start: the limit is never extended. */
static int64_t total_s(const struct update *u)
{
	const struct policy *p = &u->product->policy;
	int64_t room_s = 2 * device_interval_s(&u->device);
	int64_t least_s = p->stall_s + p->probation_s + (room_s > p->stall_s ? room_s : p->stall_s);

	return p->probation_s > 0 && p->total_s < least_s ? least_s : p->total_s;
}

static void offer(struct update *u, const struct plan *plan, struct outcome *out)
{
	struct device *d = &u->device;
	const struct release *t = u->target;
	struct attempt *a = &u->attempt;
	const struct policy *p = &u->product->policy;

	if (!evidence_provable(&d->report, t))
		return;
	*a = (struct attempt){
		.id = u->random % ATTEMPT_ID_MAX + 1,
		.product = u->product->id,
		.release = t->id,
		.rollout = u->why == TARGET_ROLLOUT ? d->rollout : 0,
		.size_bytes = t->size_bytes,
		.state = ATTEMPT_OFFERED,
		.base_boot = d->boots.seq,
		.base_digest = d->report.running,
		.capabilities = d->report.capabilities,
		.required = evidence_required(p, &d->report, t),
		.fresh = plan->fresh,
		.forced = plan->force,
		.created_ms = u->now_ms,
		.state_ms = u->now_ms,
		.stall_at_ms = u->now_ms + p->stall_s * 1000,
		.total_at_ms = u->now_ms + total_s(u) * 1000,
		.start_offset = -1,
	};
	memcpy(a->device, d->id, sizeof(a->device));
	memcpy(a->version, t->version, sizeof(a->version));
	memcpy(a->sha256, t->sha256, sizeof(a->sha256));
	memcpy(a->base_version, d->report.version, sizeof(a->base_version));
	attempt_rung(a, RUNG_OFFERED, u->now_ms);
	if (plan->force && !d->force)
		d->defer_since_ms = 0; /* what it puts off now, it puts off anew */
	u->has_attempt = true;
	u->release = t;
	d->attempt = a->id;
	out->attempt_changed = true;
	out->device_changed = true;
}

/* ---- the answer ---- */

static int64_t next_check_in_s(const struct update *u)
{
	const struct policy *p = &u->product->policy;
	const struct attempt *a = &u->attempt;
	int64_t interval_s = p->check_in_s > 0 ? p->check_in_s : device_interval_s(&u->device);
	int64_t clear_ms;

	if (u->has_attempt && a->state == ATTEMPT_PROBATION &&
	    !((a->required & ~a->evidence) & ~(unsigned)EV_STABLE)) {
		/* only time is missing, by the clock that will judge it */
		int64_t up_s = u->device.report.uptime_s;
		int64_t left_s =
			p->probation_s - (up_s >= 0 ? up_s : (u->now_ms - a->target_ms) / 1000);
		return left_s < 1 ? 1 : left_s;
	}
	if (u->has_attempt && a->state == ATTEMPT_VERIFIED && update_gate(u, &clear_ms))
		return update_gate_s(u, clear_ms);
	if (u->has_attempt && a->state >= ATTEMPT_VERIFIED)
		return CHECK_IN_SOON_S;
	if (u->crowd && interval_s >= CROWD_INTERVAL_S)
		return admit_spread_s(interval_s, (uint32_t)(u->random >> 32));
	return p->check_in_s > 0 ? update_jitter_s(u, p->check_in_s) : -1;
}

static void directive_release(struct directive *v, const char *version, int64_t size_bytes,
			      const uint8_t sha256[DIGEST_SHA256])
{
	memcpy(v->version, version, sizeof(v->version));
	v->size_bytes = size_bytes;
	memcpy(v->file_sha256, sha256, sizeof(v->file_sha256));
}

/* A window opens for many at once: they come one after the other. */
static int64_t spread_s(const struct update *u, const struct plan *plan)
{
	int64_t most_s = (plan->clear_at_ms - u->now_ms) / 10000;

	if (most_s > WINDOW_SPREAD_S)
		most_s = WINDOW_SPREAD_S;
	return most_s > 0 ? (int64_t)((u->random >> 40) % (uint64_t)most_s) : 0;
}

static void answer(struct update *u, const struct plan *plan, struct outcome *out)
{
	struct directive *v = &out->directive;
	const struct policy *p = &u->product->policy;
	const struct attempt *a = &u->attempt;

	v->retry_after_s = -1;
	v->next_check_in_s = next_check_in_s(u);
	/* Also of one that is to be cancelled: it brings the device to the gate, where it hears so.
	 */
	if (u->has_attempt && a->state != ATTEMPT_PROBATION) {
		v->action = DIRECTIVE_UPDATE;
		v->attempt = a->id;
		directive_release(v, a->version, a->size_bytes, a->sha256);
		v->flags = (a->fresh ? DIRECTIVE_FRESH : 0u) |
			   (plan->force ? DIRECTIVE_FORCE : 0u) |
			   (!a->fresh && (a->capabilities & CAP_RESUME) ? DIRECTIVE_RESUME : 0u);
		v->block_bytes = (unsigned)p->block_bytes;
		if (a->capabilities & CAP_WINDOW)
			v->window = window_hint(p, &u->link, u->rate);
		return;
	}
	if (plan->pending) {
		v->action = DIRECTIVE_PENDING;
		directive_release(v, u->target->version, u->target->size_bytes, u->target->sha256);
	}
	if (out->turned_away)
		v->retry_after_s = u->admission.again_s;
	else if (!u->has_attempt && plan->clear_at_ms > u->now_ms)
		v->retry_after_s = (plan->clear_at_ms - u->now_ms + 999) / 1000 +
				   (plan->blocked & 1u << BLOCK_WINDOW ? spread_s(u, plan) : 0);
}

void update_report(struct update *u, const struct report *r, struct outcome *out)
{
	struct device *d = &u->device;

	update_begin(u, out);
	out->directive = (struct directive){.retry_after_s = -1, .next_check_in_s = -1};
	enum boot_seen seen = update_boot(u, &r->boot, r, out);
	bool fresh_boot = seen == BOOT_NEW || seen == BOOT_FIRST;
	if (seen == BOOT_LATE || seen == BOOT_CONFLICT) {
		out->late = true;
		return;
	}
	const struct report facts = believed(d, r, u->now_ms, out);
	/* Another label of the same bytes is no other image: nothing was left. */
	bool changed = d->has_report && report_image_changed(&d->report, &facts) &&
		       !(facts.running.len && digest_equal(&d->report.running, &facts.running));
	take_facts(u, &facts, seen == BOOT_SAME, out);
	update_contact(u, out);
	if (fresh_boot)
		update_emit(out, EVENT_DEVICE_BOOT, ABOUT_DEVICE, 0);
	update_aim(u);
	update_target(u, out);
	bool judged = u->has_attempt;
	if (judged)
		judge_attempt(u, out);
	if (out->has_closed) { /* on a stone, its next target is the one behind it */
		update_aim(u);
		update_target(u, out);
	}
	if (!u->has_attempt)
		settle(u, changed, judged, out);
	struct plan plan = update_plan(u);
	admit_plan(&u->admission, &plan);
	out->turned_away = plan.blocked & 1u << BLOCK_ADMISSION;
	/* A failed attempt's end and the next one's start have a report between them. */
	if (plan.offer && !(out->has_closed && out->closed.charged))
		offer(u, &plan, out);
	update_pending(u, &plan, out);
	answer(u, &plan, out);
}
