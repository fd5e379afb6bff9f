/* SPDX-License-Identifier: Apache-2.0 */
#include "core/diagnosis.h"

#include <string.h>

#include "base/buf.h"
#include "core/plan.h"
#include "core/plan_rules.h"

/* What a rule looks at. */
struct view {
	const struct attempt *a;
	const struct device *d;
	const struct report *r; /* the device's newest */
	const struct policy *policy;
	const struct history *history;
	const struct link_facts *link;
	int64_t now_ms;
};

static bool closed_as(const struct view *v, enum verdict verdict)
{
	return v->a->state == ATTEMPT_CLOSED && v->a->verdict == verdict;
}

static bool came_back_old(const struct view *v)
{
	return closed_as(v, VERDICT_REVERTED) || closed_as(v, VERDICT_DEVICE_FAILED);
}

static void put_fact(struct buf *b, const char *before, int64_t number, const char *after)
{
	buf_put_str(b, before);
	buf_put_dec(b, number < 0 ? 0 : (uint64_t)number);
	buf_put_str(b, after);
}

/* By its own word. */
static void put_trouble(struct buf *b, unsigned bit)
{
	buf_put_str(b, b->pos ? "; it says that " : "the device says that ");
	buf_put_str(b, trouble_means(bit));
}

static bool rule_identity_conflict(const struct view *v, struct buf *facts)
{
	if (v->d->hold != HOLD_IDENTITY_CONFLICT && !closed_as(v, VERDICT_IDENTITY_CONFLICT))
		return false;
	put_fact(facts, "boot ids that had been replaced came back ", v->d->boots.conflicts,
		 " times on newer sessions");
	return true;
}

static bool rule_boot_loader(const struct view *v, struct buf *facts)
{
	const struct last_attempt *last = &v->r->last;

	if (v->a->reason != REASON_BOOT_LOADER &&
	    !(came_back_old(v) && last->attempt == v->a->id && last->stage == STAGE_BOOT_LOADER))
		return false;
	buf_put_str(facts, "the device says its boot loader tried the image");
	if (v->a->code)
		put_fact(facts, v->a->code < 0 ? ", its code -" : ", its code ",
			 v->a->code < 0 ? -(int64_t)v->a->code : v->a->code, "");
	if (v->a->detail[0]) {
		buf_put_str(facts, ": ");
		buf_put_str(facts, v->a->detail);
	}
	return true;
}

static bool rule_storage_full(const struct view *v, struct buf *facts)
{
	bool told = v->a->reason == REASON_NO_SPACE;
	bool says = v->r->troubles & TROUBLE_MEMORY_LOW;
	bool low = says || (v->r->fs_free_bytes >= 0 &&
			    v->r->fs_free_bytes < v->policy->space_margin_bytes);

	/* Little space alone proves nothing: it explains an image that was lost after it was
	 * verified, or a device that failed. */
	if (!told && !(low && (came_back_old(v) || closed_as(v, VERDICT_NEVER_APPLIED) ||
			       closed_as(v, VERDICT_NEVER_REBOOTED))))
		return false;
	if (v->r->fs_free_bytes >= 0) {
		put_fact(facts, "the device reports ", v->r->fs_free_bytes, " bytes free");
		if (v->r->fs_total_bytes > 0)
			put_fact(facts, " of ", v->r->fs_total_bytes, "");
		put_fact(facts, "; the product's margin is ", v->policy->space_margin_bytes, "");
	} else if (told) {
		buf_put_str(facts, "the device gave no-space as its reason");
	}
	if (says)
		put_trouble(facts, TROUBLE_MEMORY_LOW_BIT);
	return true;
}

/* What a device without power, or without a network, does by itself. What it runs, and that it
 * does not like an image, has other causes. */
static bool ends_without(const struct view *v)
{
	static const enum verdict those[] = {
		VERDICT_NEVER_STARTED, VERDICT_TRANSFER_STALLED, VERDICT_INTERRUPTED,
		VERDICT_NEVER_APPLIED, VERDICT_NEVER_CAME_BACK,	 VERDICT_LOST_IN_PROBATION,
	};

	for (size_t i = 0; i < sizeof(those) / sizeof(those[0]); i++)
		if (closed_as(v, those[i]))
			return true;
	return closed_as(v, VERDICT_DEVICE_FAILED) &&
	       (v->a->reason == REASON_OTHER || v->a->reason == REASON_STORAGE_IO);
}

static bool rule_low_power(const struct view *v, struct buf *facts)
{
	const struct report *r = v->r;
	bool lost = r->troubles & TROUBLE_POWER_LOST, says = r->troubles & TROUBLE_POWER_LOW;
	bool explains = ends_without(v) || closed_as(v, VERDICT_REVERTED) ||
			closed_as(v, VERDICT_UNSTABLE) || closed_as(v, VERDICT_NEVER_REBOOTED);

	if (v->a->state != ATTEMPT_CLOSED)
		return false;
	if (v->a->reason == REASON_LOW_POWER)
		buf_put_str(facts, "the device gave low-power as its reason");
	else if (!explains || !(says || lost || plan_power_is_low(r, v->policy)))
		return false;
	if (says)
		put_trouble(facts, TROUBLE_POWER_LOW_BIT);
	if (lost)
		put_trouble(facts, TROUBLE_POWER_LOST_BIT);
	if (r->battery_percent >= 0)
		put_fact(facts, facts->pos ? "; it reports " : "it reports ", r->battery_percent,
			 " % of its battery");
	if (r->supply_mv >= 0)
		put_fact(facts, facts->pos ? "; it reports " : "it reports ", r->supply_mv, " mV");
	return true;
}

static bool rule_cached(const struct view *v, struct buf *facts)
{
	const struct attempt *a = v->a;
	/* A resumed download fetches the rest; a cached one next to nothing. */
	if (a->rung_ms[RUNG_VERIFIED] == 0 || a->served_bytes > a->size_bytes / 50)
		return false;
	put_fact(facts, "verified after ", a->served_bytes, " bytes served");
	put_fact(facts, " of ", a->size_bytes, "");
	return true;
}

static bool rule_reflash_loop(const struct view *v, struct buf *facts)
{
	uint32_t reverts = v->history->reverts;

	if (closed_as(v, VERDICT_REVERTED) || closed_as(v, VERDICT_ROLLED_BACK) ||
	    (closed_as(v, VERDICT_DEVICE_FAILED) && v->a->rung_ms[RUNG_APPLYING]))
		reverts++;
	if (reverts < 2)
		return false;
	put_fact(facts, "this image was applied and did not stay ", reverts, " times");
	return true;
}

static bool rule_dependency(const struct view *v, struct buf *facts)
{
	if (v->a->reason == REASON_DEPENDENCY)
		buf_put_str(facts, "the device gave dependency as its reason");
	else if (v->r->mode == MODE_SAFE && v->a->rung_ms[RUNG_REBOOTED])
		buf_put_str(facts, "it came back in safe mode");
	else
		return false;
	return true;
}

static bool rule_label(const struct view *v, struct buf *facts)
{
	if (!closed_as(v, VERDICT_LABEL_MISMATCH) &&
	    !((v->a->evidence & EV_DIGEST) && !(v->a->evidence & EV_VERSION)))
		return false;
	buf_put_str(facts, "it reports ");
	buf_put_str(facts, v->r->version);
	buf_put_str(facts, ", the release is called ");
	buf_put_str(facts, v->a->version);
	return true;
}

static bool rule_never_asked(const struct view *v, struct buf *facts)
{
	if (!closed_as(v, VERDICT_NEVER_APPLIED))
		return false;
	put_fact(facts, "verified, then heard for ", (v->a->closed_ms - v->a->state_ms) / 1000,
		 " s without a request to apply");
	return true;
}

static bool rule_unbooted(const struct view *v, struct buf *facts)
{
	if (!v->d->unbooted_claim || v->a->rung_ms[RUNG_VERIFIED] == 0)
		return false;
	buf_put_str(facts, "it reports ");
	buf_put_str(facts, v->d->claimed);
	put_fact(facts, " in boot ", v->d->boots.seq, ", in which it ran ");
	buf_put_str(facts, v->r->version);
	return true;
}

static bool rule_reset_blocked(const struct view *v, struct buf *facts)
{
	bool open = v->a->state == ATTEMPT_APPLYING && v->a->heard;

	if (v->a->boot_id_constant ||
	    attempt_returned(v->a)) /* it is only seen to be in that boot */
		return false;
	if (!open && !closed_as(v, VERDICT_NEVER_REBOOTED))
		return false;
	put_fact(facts, "still in boot ", v->d->boots.seq, "");
	put_fact(facts, " ", (v->now_ms - v->a->rung_ms[RUNG_APPLYING]) / 1000,
		 " s after it was allowed to apply");
	if (v->r->last.attempt == v->a->id && v->r->last.detail[0]) {
		buf_put_str(facts, "; it says: ");
		buf_put_str(facts, v->r->last.detail);
	}
	return true;
}

static bool rule_boot_id_constant(const struct view *v, struct buf *facts)
{
	if (!v->a->boot_id_constant)
		return false;
	put_fact(facts, "uptime ", v->r->uptime_s, " s");
	put_fact(facts, " in boot ", v->d->boots.seq, ", which is older than that");
	return true;
}

static bool rule_crash_loop(const struct view *v, struct buf *facts)
{
	if (v->d->unclean_row < 2 && !closed_as(v, VERDICT_UNSTABLE))
		return false;
	put_fact(facts, "", v->d->unclean_row, " unclean resets in a row, the last one ");
	buf_put_str(facts, reset_reason_name(v->r->reset));
	return true;
}

static bool rule_resume_loop(const struct view *v, struct buf *facts)
{
	const struct attempt *a = v->a;

	if (a->rung_ms[RUNG_VERIFIED] || a->served_high < a->size_bytes ||
	    (a->interruptions < 2 && !attempt_overserved(a)))
		return false;
	put_fact(facts, "the end of the image was reached, ", a->served_bytes, " bytes served of ");
	put_fact(facts, "", a->size_bytes, "");
	put_fact(facts, ", ", a->interruptions, " restarts, never verified");
	return true;
}

static bool rule_stuck_block(const struct view *v, struct buf *facts)
{
	const struct attempt *a = v->a;

	if (a->rung_ms[RUNG_VERIFIED] || a->served_repeats < 16 || a->served_high >= a->size_bytes)
		return false;
	put_fact(facts, "", a->served_repeats, " blocks were read again");
	put_fact(facts, ", the highest offset is ", a->served_high, "");
	return true;
}

static bool rule_updates_disabled(const struct view *v, struct buf *facts)
{
	if (closed_as(v, VERDICT_UPDATED) ||
	    (v->a->reason != REASON_UPDATES_DISABLED && v->r->updates_enabled != 0))
		return false;
	buf_put_str(facts, v->d->force ? "reported disabled, overridden by force"
				       : "reported disabled, not forced");
	return true;
}

static bool rule_weak_link(const struct view *v, struct buf *facts)
{
	bool seen = v->link->messages >= 50 && v->link->repeats * 10 >= v->link->messages;
	bool says = v->r->troubles & (TROUBLE_SIGNAL_LOW | TROUBLE_NETWORK);

	/* A weak signal alone proves nothing: it explains what got lost. */
	if (!seen && !(says && v->a->state == ATTEMPT_CLOSED && ends_without(v)))
		return false;
	if (seen) {
		put_fact(facts, "", v->link->repeats, " of ");
		put_fact(facts, "", v->link->messages, " messages were repeated");
	}
	if (v->r->troubles & TROUBLE_SIGNAL_LOW)
		put_trouble(facts, TROUBLE_SIGNAL_LOW_BIT);
	if (v->r->troubles & TROUBLE_NETWORK)
		put_trouble(facts, TROUBLE_NETWORK_BIT);
	return true;
}

static bool rule_silent(const struct view *v, struct buf *facts)
{
	if (!closed_as(v, VERDICT_NEVER_CAME_BACK) && !closed_as(v, VERDICT_LOST_IN_PROBATION))
		return false;
	put_fact(facts, "silent for ", (v->now_ms - v->d->seen_ms) / 1000, " s, since it was ");
	buf_put_str(facts, v->a->rung_ms[RUNG_RUNNING]	  ? "running the new image"
			   : v->a->rung_ms[RUNG_APPLYING] ? "allowed to apply"
							  : "verified");
	return true;
}

typedef bool rule_fn(const struct view *v, struct buf *facts);

static rule_fn *const rules[DIAGNOSIS_COUNT] = {
	[DIAG_IDENTITY_CONFLICT] = rule_identity_conflict,
	[DIAG_BOOT_LOADER_REJECTED] = rule_boot_loader,
	[DIAG_STORAGE_FULL] = rule_storage_full,
	[DIAG_LOW_POWER] = rule_low_power,
	[DIAG_CACHED_IMAGE] = rule_cached,
	[DIAG_REFLASH_LOOP] = rule_reflash_loop,
	[DIAG_DEPENDENCY_MISSING] = rule_dependency,
	[DIAG_LABEL_IMAGE] = rule_label,
	[DIAG_NEVER_ASKED] = rule_never_asked,
	[DIAG_UNBOOTED] = rule_unbooted,
	[DIAG_RESET_BLOCKED] = rule_reset_blocked,
	[DIAG_BOOT_ID_CONSTANT] = rule_boot_id_constant,
	[DIAG_CRASH_LOOP] = rule_crash_loop,
	[DIAG_RESUME_LOOP] = rule_resume_loop,
	[DIAG_STUCK_BLOCK] = rule_stuck_block,
	[DIAG_UPDATES_DISABLED] = rule_updates_disabled,
	[DIAG_WEAK_LINK] = rule_weak_link,
	[DIAG_SILENT] = rule_silent,
};

void diagnose(const struct attempt *a, const struct device *d, const struct policy *policy,
	      const struct history *history, const struct link_facts *link, int64_t now_ms,
	      struct diagnoses *ret_diagnoses)
{
	const struct view v = {.a = a,
			       .d = d,
			       .r = &d->report,
			       .policy = policy,
			       .history = history,
			       .link = link,
			       .now_ms = now_ms};
	struct diagnoses found = {0};

	for (unsigned k = 0; k < DIAGNOSIS_COUNT && found.count < LIMIT_DIAGNOSES; k++) {
		struct diagnosis *one = &found.list[found.count];
		/* One byte stays for the NUL; a fact that does not fit is cut, never lost. */
		struct buf facts = buf_writer(one->facts, sizeof(one->facts) - 1);
		if (!rules[k](&v, &facts))
			continue;
		one->facts[facts.pos] = 0;
		one->kind = (enum diagnosis_kind)k;
		found.count++;
	}
	*ret_diagnoses = found;
}

void history_add(struct history *h, const struct attempt *closed,
		 const uint8_t sha256[DIGEST_SHA256])
{
	if (!closed->charged || memcmp(closed->sha256, sha256, DIGEST_SHA256) != 0)
		return;
	h->failures++;
	h->reverts += attempt_came_back(closed);
}
