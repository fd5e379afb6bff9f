/* SPDX-License-Identifier: Apache-2.0
 *
 * When nothing is heard from a whole fleet, whose silence is it (TRUTH 7)?
 */
#ifndef CORE_OUTAGE_H
#define CORE_OUTAGE_H

#include "core/attempt.h"

/* The devices with a session, added up while nothing is heard. */
struct fleet {
	unsigned devices;
	unsigned applying;	  /* have been allowed to apply, or are in probation */
	int64_t contacts_per_day; /* to be expected from all of them */
};

enum silence {
	SILENCE_UNKNOWN, /* too short, or too few contacts expected, to say */
	SILENCE_OURS,	 /* stall deadlines are extended by it */
	SILENCE_THEIRS,	 /* it began after an update wave */
};

/* Adds one device; `open` NULL: no open attempt. */
void fleet_add(struct fleet *f, const struct device *d, const struct attempt *open);

/* The same of what is known of it: its interval in seconds, 0: unknown. */
void fleet_add_known(struct fleet *f, int64_t interval_s, bool applying);

/* Once it is not SILENCE_UNKNOWN it holds until somebody is heard: what the silence itself
 * changes (closed attempts) must not turn it. */
enum silence fleet_silence(const struct fleet *f, int64_t silent_ms);

/* From this on a silence is worth adding a fleet up. */
enum { SILENCE_LOOK_MS = 60000 };

#endif
