/* SPDX-License-Identifier: Apache-2.0
 *
 * How far an open attempt has come, what a device that runs its target still owes, and how it
 * went offline, in plain words.
 */
#include <stdio.h>

#include "daemon/view.h"

/* "45 s", "12 min", "3 h 5 min", "2 d 4 h" */
const char *view_span(int64_t ms, char dst[32])
{
	long long s = ms < 0 ? 0 : ms / 1000;

	if (s < 120)
		(void)snprintf(dst, 32, "%lld s", s);
	else if (s < 7200)
		(void)snprintf(dst, 32, "%lld min", s / 60);
	else if (s < 48LL * 3600)
		(void)snprintf(dst, 32, "%lld h %lld min", s / 3600, s / 60 % 60);
	else
		(void)snprintf(dst, 32, "%lld d %lld h", s / 86400, s / 3600 % 24);
	return dst;
}

const char *view_ago(int64_t now_ms, int64_t at_ms, char dst[48])
{
	char text[32];

	if (!at_ms)
		return "never";
	if (now_ms - at_ms < 1000)
		return "just now";
	(void)snprintf(dst, 48, "%s ago", view_span(now_ms - at_ms, text));
	return dst;
}

void view_say_until(struct buf *b, int64_t at_ms, int64_t now_ms)
{
	char at[32], text[32];

	view_say(b, "until %s (in %s)", view_when(at_ms, at), view_span(at_ms - now_ms, text));
}

/* ---- an open attempt ---- */

static void say_percent(const struct attempt *a, struct buf *b)
{
	int64_t have = a->received_bytes > a->served_high ? a->received_bytes : a->served_high;

	if (have > a->size_bytes)
		have = a->size_bytes;
	view_say(b, "it is downloading, %lld of %lld bytes (%lld %%)", (long long)have,
		 (long long)a->size_bytes,
		 a->size_bytes ? (long long)(have * 100 / a->size_bytes) : 0);
}

/* The image is there, and is not to be applied yet. */
static void say_gate(struct buf *b, const struct engine_device *now, int64_t now_ms)
{
	view_say(b, "it has verified the image, and keeps it: ");
	if (!(now->plan.blocked & 1u << BLOCK_WINDOW)) {
		view_say(b, "%s", block_means(BLOCK_POWER));
		return;
	}
	view_say(b, "no maintenance window is open ");
	view_say_until(b, now->plan.clear_at_ms, now_ms);
}

/* Has it restarted, as far as we heard? */
static const char *since_applying(const struct engine_device *now)
{
	if (now->device.boots.seq > now->attempt.base_boot)
		return "has restarted; its application has not reported since";
	if (attempt_returned(&now->attempt))
		return "came back as after a restart, but what it runs now could not be read yet";
	return now->attempt.heard ? "checks in, but has not restarted since"
				  : "has not come back yet";
}

/* What of the proof is still missing. */
static void say_wanted(const struct attempt *a, struct buf *b)
{
	unsigned wanted = a->required & ~a->evidence;
	const char *before = ", missing: ";

	for (unsigned i = 0; i < EV_COUNT; i++) {
		if (!(wanted & 1u << i))
			continue;
		view_say(b, "%s%s", before, evidence_name(1u << i));
		before = ", ";
	}
}

void view_say_open(struct buf *b, const struct engine_device *now, int64_t now_ms)
{
	const struct attempt *a = &now->attempt;
	char text[48];

	view_say(b, " Attempt %llu brings it to %s: ", (unsigned long long)a->id, a->version);
	switch (a->state) {
	case ATTEMPT_OFFERED:
		view_say(b, "offered %s, and it has not begun yet",
			 view_ago(now_ms, a->state_ms, text));
		break;
	case ATTEMPT_TRANSFERRING:
		say_percent(a, b);
		break;
	case ATTEMPT_VERIFIED:
		if (now->plan.blocked & (1u << BLOCK_WINDOW | 1u << BLOCK_POWER))
			say_gate(b, now, now_ms);
		else
			view_say(b, "it verified the image %s and has not asked to apply it yet",
				 view_ago(now_ms, a->state_ms, text));
		break;
	case ATTEMPT_APPLYING:
		view_say(b, "it was allowed to apply the image %s and %s",
			 view_ago(now_ms, a->state_ms, text), since_applying(now));
		break;
	case ATTEMPT_PROBATION:
		view_say(b, "it came back with the new image %s; the proof is not complete yet",
			 view_ago(now_ms, a->target_ms, text));
		say_wanted(a, b);
		break;
	case ATTEMPT_CLOSED:
	case ATTEMPT_STATE_COUNT:
		break;
	}
	if (a->cancel_requested)
		view_say(b, "; an operator asked to cancel it");
	view_say(b, ".");
}

/* ---- a device that runs its target ---- */

/* The boot loader still may bring back the image before this one. */
static bool is_unconfirmed(const struct engine_device *now)
{
	return now->plan.on_target && !now->has_attempt && now->device.has_report &&
	       now->device.report.confirmed == 0;
}

void view_say_unconfirmed(struct buf *b, const struct engine_device *now)
{
	if (is_unconfirmed(now))
		view_say(b, " It has not confirmed that image: until it does, a reset may bring "
			    "back the one before it.");
}

void view_say_confirm(struct buf *b, const struct engine_device *now)
{
	if (is_unconfirmed(now))
		view_say(b, "let its application confirm the image, once it has found itself "
			    "healthy (MCUboot: boot_write_img_confirmed(), ESP-IDF: "
			    "esp_ota_mark_app_valid_cancel_rollback()); its next report tells");
}

/* ---- how it went offline ---- */

bool view_said_bye(const struct device *d)
{
	return !d->online && d->seen_ms && !d->disabled_ms && !d->offline_at_ms;
}

static bool is_silent(const struct device *d)
{
	return !d->online && d->seen_ms && !d->disabled_ms && d->offline_at_ms;
}

const char *view_offline(const struct device *d)
{
	if (d->online || !d->seen_ms)
		return "";
	return is_silent(d) ? "silent" : view_said_bye(d) ? "good-bye" : "disabled";
}

void view_say_offline(struct buf *b, const struct engine_device *now, int64_t now_ms)
{
	const struct device *d = &now->device;
	bool silent = is_silent(d);
	char ago[48], text[32];

	if (d->online || !d->seen_ms)
		return;
	if (view_said_bye(d)) {
		view_say(b, " It said good-bye %s, and is offline by its own word.",
			 view_ago(now_ms, d->seen_ms, ago));
		return;
	}
	view_say(b, " It was last heard of %s", view_ago(now_ms, d->seen_ms, ago));
	if (silent && device_interval_s(d))
		view_say(b, ", and used to come every %s: it fell silent",
			 view_span(device_interval_s(d) * 1000, text));
	else if (silent)
		view_say(b, ": it fell silent");
	view_say(b, ".");
}

void view_say_silent_next(struct buf *b, const struct engine_device *now)
{
	if (is_silent(&now->device))
		view_say(b, "it fell silent, and should have come by now: check its power and "
			    "network");
}
