/* SPDX-License-Identifier: Apache-2.0 */
#include "core/outage.h"

enum { FLEET = 20, SILENCE_MS = 300000, CONTACTS_MISSED = 20, UNKNOWN_PER_DAY = 24 };
static const int64_t DAY_S = 86400;

void fleet_add(struct fleet *f, const struct device *d, const struct attempt *open)
{
	fleet_add_known(f, device_interval_s(d), open && open->state >= ATTEMPT_APPLYING);
}

void fleet_add_known(struct fleet *f, int64_t interval_s, bool applying)
{
	f->devices++;
	f->applying += applying;
	f->contacts_per_day += interval_s ? DAY_S / interval_s : UNKNOWN_PER_DAY;
}

enum silence fleet_silence(const struct fleet *f, int64_t silent_ms)
{
	if (f->devices <= FLEET || silent_ms < SILENCE_LOOK_MS)
		return SILENCE_UNKNOWN;
	if (f->applying * 2 >= f->devices)
		return SILENCE_THEIRS;
	/* A fleet that checks in once a day is silent most of the time, and nothing is wrong. */
	if (silent_ms <= SILENCE_MS ||
	    f->contacts_per_day * (silent_ms / 1000) < CONTACTS_MISSED * DAY_S)
		return SILENCE_UNKNOWN;
	return SILENCE_OURS;
}
