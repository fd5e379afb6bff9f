/* SPDX-License-Identifier: Apache-2.0
 *
 * A device's story in plain words: what it runs and should run, what keeps it, what likely
 * went wrong, what to do. Facts come with their numbers.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/view.h"

enum { STEPS_MAX = 8, SENTENCE_CAP = 512, SUMMARY_CAP = 1024 };

struct story {
	const struct view_device *v;
	const struct engine_device *now;
	const struct device *d;
	int64_t now_ms;
};

static void say(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct buf *b, const char *fmt, ...)
{
	char text[SENTENCE_CAP];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	size_t len = strlen(text);
	if (b->pos + len + 1 > b->len) /* cut, rather than lost */
		len = b->len - b->pos - 1;
	buf_put_bytes(b, text, len);
}

/* "45 s", "12 min", "3 h 5 min", "2 d 4 h" */
static const char *span(int64_t ms, char dst[32])
{
	long long s = ms < 0 ? 0 : ms / 1000;

	if (s < 120)
		(void)snprintf(dst, 32, "%lld s", s);
	else if (s < 7200)
		(void)snprintf(dst, 32, "%lld min", s / 60);
	else if (s < 48 * 3600)
		(void)snprintf(dst, 32, "%lld h %lld min", s / 3600, s / 60 % 60);
	else
		(void)snprintf(dst, 32, "%lld d %lld h", s / 86400, s / 3600 % 24);
	return dst;
}

static const char *ago(const struct story *s, int64_t at_ms, char dst[48])
{
	char text[32];

	if (!at_ms)
		return "never";
	if (s->now_ms - at_ms < 1000)
		return "just now";
	(void)snprintf(dst, 48, "%s ago", span(s->now_ms - at_ms, text));
	return dst;
}

/* "until 2026-11-22T23:51:07.123Z (in 45 s)" */
static void say_until(const struct story *s, struct buf *b, int64_t at_ms)
{
	char at[25], text[32];

	say(b, "until %s (in %s)", clock_format(at_ms, at), span(at_ms - s->now_ms, text));
}

/* ---- the summary ---- */

static void say_target(const struct story *s, struct buf *b)
{
	if (s->now->why == TARGET_LOCK)
		say(b, "an operator locked it to that");
	else
		say(b, "target of product %s", s->now->product.name);
}

static void say_running(const struct story *s, struct buf *b)
{
	const struct engine_device *now = s->now;
	const char *id = s->d->id;
	const char *runs = s->d->report.version;

	if (!s->d->has_report) {
		say(b, "%s has never sent a boot report, so nothing is known of what it runs", id);
	} else if (!now->has_target) {
		say(b, "%s runs %s and has no target", id, runs);
	} else if (now->plan.on_target && strcmp(runs, now->target.version) != 0) {
		say(b, "%s runs its target %s (", id, now->target.version);
		say_target(s, b);
		say(b, "), but calls it %s", runs);
	} else if (now->plan.on_target) {
		say(b, "%s runs %s, as it should (", id, runs);
		say_target(s, b);
		say(b, ")");
	} else if (strcmp(runs, now->target.version) == 0) {
		say(b, "%s says it runs %s, but not the image that was released as %s", id, runs,
		    now->target.version);
	} else {
		say(b, "%s runs %s", id, runs);
	}
	if (now->has_target && !now->plan.on_target) {
		say(b, "; it should run %s (", now->target.version);
		say_target(s, b);
		say(b, ")");
	}
	say(b, ".");
}

static void say_percent(const struct attempt *a, struct buf *b)
{
	int64_t have = a->received_bytes > a->served_high ? a->received_bytes : a->served_high;

	if (have > a->size_bytes)
		have = a->size_bytes;
	say(b, "it is downloading, %lld of %lld bytes (%lld %%)", (long long)have,
	    (long long)a->size_bytes, a->size_bytes ? (long long)(have * 100 / a->size_bytes) : 0);
}

static void say_attempt(const struct story *s, struct buf *b)
{
	const struct attempt *a = &s->now->attempt;
	char text[48];

	say(b, " Attempt %llu brings it to %s: ", (unsigned long long)a->id, a->version);
	switch (a->state) {
	case ATTEMPT_OFFERED:
		say(b, "offered %s, and it has not begun yet", ago(s, a->state_ms, text));
		break;
	case ATTEMPT_TRANSFERRING:
		say_percent(a, b);
		break;
	case ATTEMPT_VERIFIED:
		say(b, "it verified the image %s and has not asked to apply it yet",
		    ago(s, a->state_ms, text));
		break;
	case ATTEMPT_APPLYING:
		say(b, "it was allowed to apply the image %s and has not come back yet",
		    ago(s, a->state_ms, text));
		break;
	case ATTEMPT_PROBATION:
		say(b, "it came back with the new image %s; the proof is not complete yet",
		    ago(s, a->target_ms, text));
		break;
	case ATTEMPT_CLOSED:
	case ATTEMPT_STATE_COUNT:
		break;
	}
	if (a->cancel_requested)
		say(b, "; an operator asked to cancel it");
	say(b, ".");
}

static const char *times(uint32_t n, char dst[32])
{
	if (n == 1)
		return "once";
	(void)snprintf(dst, 32, "%u times", n);
	return dst;
}

static void say_hold(const struct story *s, struct buf *b)
{
	const struct history *h = &s->v->history;
	char text[32];

	if (s->d->hold == HOLD_REVERTS && h->reverts)
		say(b, "the same image reverted %s", times(h->reverts, text));
	else if (s->d->hold == HOLD_FAILURES && h->failures)
		say(b, "the same image failed %s", times(h->failures, text));
	else
		say(b, "%s", hold_help(s->d->hold));
}

/* Blocks that are told in words of their own, or are no news. */
static const uint32_t told_elsewhere = 1u << BLOCK_NO_TARGET | 1u << BLOCK_NO_BASELINE |
				       1u << BLOCK_IN_SYNC | 1u << BLOCK_HELD | 1u << BLOCK_OFFLINE;
static const uint32_t waits_for_time = 1u << BLOCK_BACKOFF | 1u << BLOCK_DEFERRED;

/* Of a held device it is idle to say that its next attempt would have to wait. */
static uint32_t blocks_that_matter(const struct plan *plan)
{
	if (plan->blocked & 1u << BLOCK_HELD)
		return plan->blocked & ~waits_for_time;
	return plan->blocked;
}

static void say_wait(const struct story *s, enum block block, struct buf *b)
{
	const struct plan *plan = &s->now->plan;

	if (!plan->clear_at_ms || !(waits_for_time & 1u << block)) {
		say(b, "%s", block_means(block));
		return;
	}
	say(b, "%s ",
	    block == BLOCK_BACKOFF ? "the last attempt failed, and the next one waits"
				   : "the device has put the update off");
	say_until(s, b, plan->clear_at_ms);
}

static void say_waiting(const struct story *s, struct buf *b)
{
	const struct plan *plan = &s->now->plan;
	uint32_t blocks = blocks_that_matter(plan) & ~told_elsewhere;
	const char *before = " It waits: ";

	for (unsigned i = 0; i < BLOCK_COUNT; i++) {
		if (!(blocks & 1u << i))
			continue;
		say(b, "%s", before);
		say_wait(s, (enum block)i, b);
		before = "; also: ";
	}
	if (blocks)
		say(b, ".");
	else if (plan->offer)
		say(b, " It will be offered the image when it next checks in.");
}

static void say_last(const struct story *s, struct buf *b)
{
	const struct attempt *last = s->v->last;
	char text[48];

	if (!s->v->has_last || s->now->has_attempt)
		return;
	if (last->verdict == VERDICT_UPDATED && s->now->plan.on_target)
		say(b, " It was updated %s, from %s; proof: %s.", ago(s, last->closed_ms, text),
		    last->base_version[0] ? last->base_version : "an unknown version",
		    grade_name(last->grade));
	else if (last->verdict != VERDICT_UPDATED)
		say(b, " The last attempt, to %s, ended %s as %s: %s.", last->version,
		    ago(s, last->closed_ms, text), verdict_name(last->verdict),
		    verdict_help(last->verdict));
}

static const struct diagnoses *diagnoses_of(const struct story *s)
{
	if (s->now->has_attempt)
		return &s->now->diagnoses;
	if (s->v->has_last && s->v->last->verdict != VERDICT_UPDATED && !s->now->plan.on_target)
		return s->v->last_diagnoses;
	return NULL;
}

static json_t *summary(const struct story *s)
{
	const struct diagnoses *dg = diagnoses_of(s);
	char text[SUMMARY_CAP], since[48];
	struct buf b = buf_writer(text, sizeof(text));

	say_running(s, &b);
	if (s->now->has_attempt)
		say_attempt(s, &b);
	if (s->d->hold != HOLD_NONE) {
		say(&b, " It is held: ");
		say_hold(s, &b);
		say(&b, ".");
	}
	if (!s->now->has_attempt)
		say_waiting(s, &b);
	say_last(s, &b);
	if (dg && dg->count)
		say(&b, " Likely cause: %s.", diagnosis_means(dg->list[0].kind));
	if (!s->d->online && s->d->seen_ms)
		say(&b, " It was last heard of %s.", ago(s, s->d->seen_ms, since));
	return view_text(buf_cstr(&b));
}

/* ---- what blocks ---- */

static void say_unprovable(const struct story *s, struct buf *b)
{
	const struct report *r = &s->d->report;
	char kind[16];

	if (r->running.len)
		say(b, "it reports a digest of kind %s, which release %s does not name",
		    digest_kind_name(r->running.kind, kind), s->now->target.version);
	else
		say(b, "it reports %s already, and no digest to tell two images apart", r->version);
}

static void block_facts(const struct story *s, enum block block, struct buf *b)
{
	const struct engine_device *now = s->now;
	const struct report *r = &s->d->report;
	char text[48];

	switch (block) {
	case BLOCK_OFFLINE:
		if (s->d->seen_ms)
			say(b, "last heard of %s", ago(s, s->d->seen_ms, text));
		else
			say(b, "never heard of");
		break;
	case BLOCK_UNPROVABLE:
		say_unprovable(s, b);
		break;
	case BLOCK_UPDATES_DISABLED:
		say(b, "reported %s", ago(s, s->d->report_ms, text));
		break;
	case BLOCK_DEFERRED:
	case BLOCK_BACKOFF:
		if (now->plan.clear_at_ms)
			say_until(s, b, now->plan.clear_at_ms);
		break;
	case BLOCK_HARDWARE:
		say(b, "the device says %s, the product says %s", r->hardware,
		    now->product.hardware);
		break;
	case BLOCK_SPACE:
		say(b, "the image has %lld bytes, the slot %lld", (long long)now->target.size_bytes,
		    (long long)r->slot_bytes);
		break;
	case BLOCK_HELD:
		say_hold(s, b);
		say(b, "; held %s", ago(s, s->d->held_ms, text));
		break;
	case BLOCK_DRIFTED:
		say(b, "it runs %s", r->version);
		break;
	case BLOCK_FINISHING:
		say(b, "attempt %llu to %s is %s", (unsigned long long)now->attempt.id,
		    now->attempt.version, attempt_state_name(now->attempt.state));
		break;
	case BLOCK_NO_BASELINE:
		if (s->d->has_report)
			say(b, "it reports mode %s", report_mode_name(r->mode));
		break;
	case BLOCK_NO_TARGET:
	case BLOCK_IN_SYNC:
	case BLOCK_COUNT:
		break;
	}
}

static json_t *blocked(const struct story *s)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < BLOCK_COUNT; i++) {
		enum block block = (enum block)i;
		char text[SENTENCE_CAP];
		struct buf facts = buf_writer(text, sizeof(text));
		if (!(s->now->plan.blocked & 1u << i))
			continue;
		json_t *o = json_object();
		view_put(&o, "name", json_string(block_name(block)));
		view_put(&o, "means", json_string(block_means(block)));
		view_put(&o, "clear", json_string(block_clear(block)));
		block_facts(s, block, &facts);
		view_put_text(&o, "facts", buf_cstr(&facts));
		view_append(&list, o);
	}
	return list;
}

/* ---- what to do ---- */

static bool starts_with(const char *at, const char *word)
{
	return strncmp(at, word, strlen(word)) == 0;
}

static bool is_letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* The capital words of the general advice, filled in for this device. */
static size_t step_word(const struct story *s, const char *at, struct buf *b)
{
	const struct {
		const char *word, *value;
	} words[] = {
		{"ID", s->d->id},
		{"NAME", s->now->product.name},
		{"PRODUCT", s->now->product.name},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t len = strlen(words[i].word);
		if (starts_with(at, words[i].word) && !is_letter(at[len])) {
			say(b, "%s", words[i].value);
			return len;
		}
	}
	return 0;
}

static bool is_advised(const json_t *list, const char *words)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (strstr(json_string_value(json_array_get(list, i)), words))
			return true;
	return false;
}

static bool is_command(const char *at)
{
	return starts_with(at, "device force ") || starts_with(at, "device unhold ") ||
	       starts_with(at, "device lock ") || starts_with(at, "product target ") ||
	       starts_with(at, "product set ");
}

static void add_step(const struct story *s, json_t **list, const char *advice)
{
	static const char program[] = "postbootctl ";
	char text[SENTENCE_CAP];
	struct buf b = buf_writer(text, sizeof(text));

	for (const char *at = advice; *at;) {
		bool begins = at == advice || !is_letter(at[-1]);
		size_t len = begins ? step_word(s, at, &b) : 0;
		if (begins && is_command(at) &&
		    !((size_t)(at - advice) >= sizeof(program) - 1 &&
		      starts_with(at - (sizeof(program) - 1), program)))
			say(&b, "%s", program);
		if (!len)
			say(&b, "%c", *at);
		at += len ? len : 1;
	}
	if (!is_advised(*list, buf_cstr(&b)) && json_array_size(*list) < STEPS_MAX)
		view_append(list, view_text(buf_cstr(&b)));
}

/* The cause first, then what lets the device go on. */
static json_t *next_steps(const struct story *s)
{
	const struct diagnoses *dg = diagnoses_of(s);
	uint32_t no_advice = 1u << BLOCK_IN_SYNC;
	json_t *list = json_array();

	for (unsigned i = 0; dg && i < dg->count; i++)
		add_step(s, &list, diagnosis_next(dg->list[i].kind));
	if (is_advised(list, "device unhold "))
		no_advice |= 1u << BLOCK_HELD;
	for (unsigned i = 0; i < BLOCK_COUNT; i++)
		if (blocks_that_matter(&s->now->plan) & ~no_advice & 1u << i)
			add_step(s, &list, block_clear((enum block)i));
	if (list && json_array_size(list) == 0)
		view_append(&list,
			    json_string(s->now->has_attempt  ? "wait for the attempt's verdict"
					: s->now->plan.offer ? "wait for the device's next check-in"
							     : "nothing to do"));
	return list;
}

json_t *view_explain(const struct view_device *v, int64_t now_ms)
{
	const struct story s = {v, v->now, &v->now->device, now_ms};
	json_t *o = json_object();

	view_put(&o, "device", view_text(v->now->device.id));
	view_put(&o, "summary", summary(&s));
	view_put(&o, "blocked_by", blocked(&s));
	view_put(&o, "diagnoses", view_diagnoses(diagnoses_of(&s)));
	view_put(&o, "next_steps", next_steps(&s));
	view_put(&o, "D", view_device(v));
	return o;
}
