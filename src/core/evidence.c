/* SPDX-License-Identifier: Apache-2.0 */
#include "core/evidence.h"

#include <string.h>

unsigned evidence_required(const struct policy *p, const struct report *baseline,
			   const struct release *r)
{
	unsigned required = EV_NEW_BOOT | EV_VERSION;

	if (p->require_digest == 1 ||
	    (p->require_digest == -1 && baseline->running.len > 0 && !r->no_digest))
		required |= EV_DIGEST;
	if (strcmp(baseline->version, r->version) == 0)
		required |= EV_DIGEST; /* the label was true before and would prove nothing */
	if (p->require_confirm == 1 ||
	    (p->require_confirm == -1 && baseline->confirmed != -1 && !r->no_confirm))
		required |= EV_CONFIRMED;
	if (p->probation_s > 0)
		required |= EV_STABLE;
	return required;
}

bool evidence_provable(const struct report *baseline, const struct release *r)
{
	struct match m = match_release(baseline->version, &baseline->running, r);

	return m.version == TRI_NO || m.digest == TRI_NO;
}

static bool evidence_stable(const struct attempt *a, const struct device *d, const struct policy *p,
			    int64_t now_ms)
{
	if (p->probation_s == 0)
		return false; /* not asked for, so not shown either */
	if (d->report.uptime_s >= 0)
		return d->report.uptime_s >= p->probation_s;
	/* target_ms starts anew at an unclean reset, so what has passed since then was the same
	 * boot or boots with clean resets. */
	return a->target_ms != 0 && now_ms - a->target_ms >= p->probation_s * 1000;
}

unsigned evidence_judge(const struct attempt *a, const struct device *d, const struct release *r,
			const struct policy *p, int64_t now_ms)
{
	unsigned evidence = 0;
	struct match m = match_release(d->report.version, &d->report.running, r);

	if (d->boots.seq > a->base_boot)
		evidence |= EV_NEW_BOOT;
	if (m.version == TRI_YES)
		evidence |= EV_VERSION;
	if (m.digest == TRI_YES)
		evidence |= EV_DIGEST;
	if (d->report.confirmed == 1 && m.on_target)
		evidence |= EV_CONFIRMED;
	if (m.on_target && evidence_stable(a, d, p, now_ms))
		evidence |= EV_STABLE;
	return evidence;
}

bool evidence_on_base(const struct attempt *a, const struct report *r)
{
	if (strcmp(a->base_version, r->version) != 0)
		return false;
	if (a->base_digest.len == 0 || r->running.len == 0 ||
	    a->base_digest.kind != r->running.kind)
		return true;
	return digest_equal(&a->base_digest, &r->running);
}

enum grade evidence_grade(unsigned evidence)
{
	if (!(evidence & EV_NEW_BOOT))
		return GRADE_NONE;
	if ((evidence & EV_DIGEST) && (evidence & (EV_CONFIRMED | EV_STABLE)))
		return GRADE_STRONG;
	if (evidence & (EV_VERSION | EV_DIGEST))
		return GRADE_STANDARD;
	return GRADE_NONE;
}
