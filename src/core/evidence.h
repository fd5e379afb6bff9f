/* SPDX-License-Identifier: Apache-2.0
 *
 * What one report of one boot proves about an attempt (TRUTH 3).
 */
#ifndef CORE_EVIDENCE_H
#define CORE_EVIDENCE_H

#include "core/plan.h"

/* The items that a success of this attempt must show, from policy, baseline and release. */
unsigned evidence_required(const struct policy *p, const struct report *baseline,
			   const struct release *r);

/* At least one identity item (version, digest) is false in the baseline. */
bool evidence_provable(const struct report *baseline, const struct release *r);

/* The EV_* bits that the device's newest report satisfies. */
unsigned evidence_judge(const struct attempt *a, const struct device *d, const struct release *r,
			const struct policy *p, int64_t now_ms);

/* Whether the report shows the attempt's baseline image. */
bool evidence_on_base(const struct attempt *a, const struct report *r);

/* The grade that these items give, before weakness (TRUTH 3). */
enum grade evidence_grade(unsigned evidence);

#endif
