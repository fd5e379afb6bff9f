/* SPDX-License-Identifier: Apache-2.0
 *
 * A device's story in plain words: what it runs and should run, what keeps it, what likely
 * went wrong, what to do. Facts come with their numbers.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/view.h"

enum { STEPS_MAX = 8, SUMMARY_CAP = 1536 };

struct story {
	const struct view_device *v;
	const struct engine_device *now;
	const struct device *d;
	int64_t now_ms;
};

static const char *ago(const struct story *s, int64_t at_ms, char dst[48])
{
	return view_ago(s->now_ms, at_ms, dst);
}

/* ---- the summary ---- */

static void say_target(const struct story *s, struct buf *b)
{
	if (s->now->why == TARGET_STONE)
		view_say(b, "the update to %s goes through %s; ", s->now->goal,
			 s->now->target.version);
	if (s->now->goal_why == TARGET_LOCK)
		view_say(b, "an operator locked it to that");
	else if (s->now->why == TARGET_ROLLOUT)
		view_say(b, "rollout %s of product %s", s->now->rollout.name, s->now->product.name);
	else if (s->now->why == TARGET_EARLIER)
		view_say(b, "the earlier rollout %s of product %s", s->now->earlier,
			 s->now->product.name);
	else if (s->now->why == TARGET_RETURN)
		view_say(b, "rollout %s was aborted, and that is what it ran before",
			 s->now->rollout.name);
	else if (s->now->why == TARGET_GROUP)
		view_say(b, "target of group %s of product %s", s->now->group.name,
			 s->now->product.name);
	else
		view_say(b, "target of product %s", s->now->product.name);
}

static void say_running(const struct story *s, struct buf *b)
{
	const struct engine_device *now = s->now;
	const char *id = s->d->id;
	const char *runs = s->d->report.version;

	if (!s->d->has_report) {
		view_say(b, "%s has never sent a boot report, so nothing is known of what it runs",
			 id);
		if (now->product.protocol[0])
			view_say(b, "; product %s takes none but what speaks %s", now->product.name,
				 now->product.protocol);
	} else if (!now->has_target) {
		view_say(b, "%s runs %s and has no target", id, runs);
		if (s->d->development)
			view_say(b, ": it is a development device, which only a lock reaches");
	} else if (now->plan.on_target && strcmp(runs, now->target.version) != 0) {
		view_say(b, "%s runs its target %s (", id, now->target.version);
		say_target(s, b);
		view_say(b, "), but calls it %s", runs);
	} else if (now->plan.on_target) {
		view_say(b, "%s runs %s, as it should (", id, runs);
		say_target(s, b);
		view_say(b, ")");
	} else if (strcmp(runs, now->target.version) == 0) {
		view_say(b, "%s says it runs %s, but not the image that was released as %s", id,
			 runs, now->target.version);
	} else {
		view_say(b, "%s runs %s", id, runs);
	}
	if (now->has_target && !now->plan.on_target) {
		view_say(b, "; it should run %s (", now->target.version);
		say_target(s, b);
		view_say(b, ")");
	}
	if (s->d->unbooted_claim)
		view_say(b,
			 "; it reports %s in the boot in which it ran %s: not believed before a "
			 "reboot",
			 s->d->claimed, runs);
	view_say(b, ".");
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
		view_say(b, "the same image reverted %s", times(h->reverts, text));
	else if (s->d->hold == HOLD_FAILURES && h->failures)
		view_say(b, "the same image failed %s", times(h->failures, text));
	else
		view_say(b, "%s", hold_help(s->d->hold));
}

/* Blocks that are told in words of their own, or are no news. */
static const uint32_t told_elsewhere = 1u << BLOCK_NO_TARGET | 1u << BLOCK_NO_BASELINE |
				       1u << BLOCK_IN_SYNC | 1u << BLOCK_HELD |
				       1u << BLOCK_OFFLINE | 1u << BLOCK_DISABLED;
static const uint32_t waits_for_time =
	1u << BLOCK_BACKOFF | 1u << BLOCK_DEFERRED | 1u << BLOCK_WINDOW;

static void say_wait(const struct story *s, enum block block, struct buf *b)
{
	const struct plan *plan = &s->now->plan;

	if (!plan->clear_at_ms || !(waits_for_time & 1u << block)) {
		view_say(b, "%s", block_means(block));
		return;
	}
	view_say(b, "%s ",
		 block == BLOCK_BACKOFF	 ? "the last attempt failed, and the next one waits"
		 : block == BLOCK_WINDOW ? "no maintenance window is open"
					 : "the device has put the update off");
	view_say_until(b, plan->clear_at_ms, s->now_ms);
}

static void say_waiting(const struct story *s, struct buf *b)
{
	const struct plan *plan = &s->now->plan;
	uint32_t blocks = view_blocks(s->now) & ~told_elsewhere;
	const char *before = " It waits: ";

	for (unsigned i = 0; i < BLOCK_COUNT; i++) {
		if (!(blocks & 1u << i))
			continue;
		view_say(b, "%s", before);
		say_wait(s, (enum block)i, b);
		before = "; also: ";
	}
	if (blocks)
		view_say(b, ".");
	else if (plan->offer)
		view_say(b, " It will be offered the image when it next checks in.");
}

/* What the device itself said of it: the reason, its number, its text. */
static void say_own_words(const struct attempt *a, struct buf *b)
{
	char number[16];

	view_say(b, "%s", reason_name(a->reason));
	(void)snprintf(number, sizeof(number), "%d", a->code);
	if (a->code && !strstr(a->detail, number))
		view_say(b, ", code %s", number);
	if (a->detail[0])
		view_say(b, ", %s", a->detail);
}

static void say_last(const struct story *s, struct buf *b)
{
	const struct attempt *last = s->v->last;
	char text[48];

	if (!s->v->has_last || s->now->has_attempt)
		return;
	if (last->verdict == VERDICT_UPDATED && s->now->plan.on_target) {
		view_say(b, " It was updated %s, from %s; proof: %s.",
			 ago(s, last->closed_ms, text),
			 last->base_version[0] ? last->base_version : "an unknown version",
			 grade_name(last->grade));
		return;
	}
	if (view_attempt_deferred(last))
		view_say(b, " The device put the last attempt, to %s, off %s: ", last->version,
			 ago(s, last->closed_ms, text));
	else if (last->verdict != VERDICT_UPDATED)
		view_say(b, " The last attempt, to %s, ended %s as %s: %s%s", last->version,
			 ago(s, last->closed_ms, text), verdict_name(last->verdict),
			 view_attempt_means(last), last->reason ? "; its own words: " : "");
	else
		return;
	if (last->reason)
		say_own_words(last, b);
	else if (last->detail[0])
		view_say(b, " (%s)", last->detail);
	view_say(b, ".");
	if (last->verdict == VERDICT_UNEXPECTED_VERSION)
		view_say(b, " It was to come back as %s, or as %s if it did not take the image.",
			 last->version, last->base_version);
}

/* Does what went wrong with the last attempt still matter? */
static bool last_matters(const struct story *s)
{
	const struct attempt *last = s->v->last;

	if (!s->v->has_last || last->verdict == VERDICT_UPDATED || view_attempt_is_moot(last))
		return false;
	return !s->now->plan.on_target || s->d->failed_attempt == last->id ||
	       (s->d->hold != HOLD_NONE && s->d->hold != HOLD_OPERATOR);
}

static const struct attempt *attempt_of(const struct story *s)
{
	if (s->now->has_attempt)
		return &s->now->attempt;
	return last_matters(s) ? s->v->last : NULL;
}

static const struct diagnoses *diagnoses_of(const struct story *s)
{
	if (s->now->has_attempt)
		return &s->now->diagnoses;
	return last_matters(s) ? s->v->last_diagnoses : NULL;
}

static void say_served_out(const struct story *s, struct buf *b)
{
	const struct attempt *a = attempt_of(s);

	if (!a || !attempt_overserved(a))
		return;
	view_say(b,
		 " The device was served all that one attempt may get (%lld bytes of an image "
		 "of %lld)",
		 (long long)a->served_bytes, (long long)a->size_bytes);
	if (a->state != ATTEMPT_CLOSED)
		view_say(b, ": further blocks are refused with 4.03 until the attempt ends");
	view_say(b, ".");
}

static void say_cause(const struct story *s, struct buf *b)
{
	const struct diagnoses *dg = diagnoses_of(s);

	if (!dg || !dg->count)
		return;
	view_say(b, " Likely cause: ");
	view_say_means(b, &dg->list[0], attempt_of(s));
	if (view_diagnosis_is_over(&dg->list[0], attempt_of(s), s->now)) {
		view_say(b, "; but ");
		view_say_next(b, &dg->list[0], attempt_of(s), s->now->product.name, s->now);
	}
	view_say(b, ".");
}

/* Whoever it was: a name is no proof, and neither is a failure. */
static void say_wrong_key(const struct story *s, struct buf *b)
{
	const struct key_fail *k = &s->now->key_fail;
	char text[48];

	if (k->count == 1)
		view_say(b, " A handshake under its name failed %s: the key was not its own.",
			 ago(s, k->last_ms, text));
	else if (k->count)
		view_say(b,
			 " The last %u handshakes under its name failed, the newest %s: the key "
			 "was not its own.",
			 k->count, ago(s, k->last_ms, text));
}

static json_t *summary(const struct story *s)
{
	char text[SUMMARY_CAP], since[48];
	struct buf b = buf_writer(text, sizeof(text));

	say_running(s, &b);
	if (s->now->has_attempt)
		view_say_open(&b, s->now, s->now_ms);
	view_say_unconfirmed(&b, s->now);
	if (s->d->disabled_ms)
		view_say(&b,
			 " It is disabled: an operator shut it out %s, and it is refused whenever "
			 "it comes.",
			 ago(s, s->d->disabled_ms, since));
	if (s->d->hold != HOLD_NONE) {
		view_say(&b, " It is held: ");
		say_hold(s, &b);
		view_say(&b, ".");
	}
	if (!s->now->has_attempt)
		say_waiting(s, &b);
	view_say_no_rule(&b, s->now);
	say_last(s, &b);
	say_served_out(s, &b);
	say_cause(s, &b);
	if (s->v->plain_unserved)
		view_say(&b, " It cannot be reached: %s.", view_plain_warning);
	view_say_offline(&b, s->now, s->now_ms);
	say_wrong_key(s, &b);
	return view_text(buf_cstr(&b));
}

/* ---- what blocks ---- */

static void block_facts(const struct story *s, enum block block, struct buf *b)
{
	const struct engine_device *now = s->now;
	const struct report *r = &s->d->report;
	char text[48];

	switch (block) {
	case BLOCK_OFFLINE:
		if (s->d->seen_ms)
			view_say(b, "%s %s",
				 view_said_bye(s->d) ? "it said good-bye" : "last heard of",
				 ago(s, s->d->seen_ms, text));
		else
			view_say(b, "never heard of");
		break;
	case BLOCK_UPDATES_DISABLED:
		view_say(b, "reported %s", ago(s, s->d->report_ms, text));
		break;
	case BLOCK_DEFERRED:
	case BLOCK_BACKOFF:
		if (now->plan.clear_at_ms)
			view_say_until(b, now->plan.clear_at_ms, s->now_ms);
		break;
	case BLOCK_UNPROVABLE:
	case BLOCK_HARDWARE:
	case BLOCK_SPACE:
	case BLOCK_POWER:
	case BLOCK_DOWNGRADE:
	case BLOCK_BOOT_LOADER:
	case BLOCK_MUST_PASS:
	case BLOCK_ROLLBACK:
	case BLOCK_WINDOW:
		view_say_rule(b, block, now);
		break;
	case BLOCK_ROLLOUT_PAUSED:
	case BLOCK_WAVE:
		view_say_rollout(b, block, now);
		break;
	case BLOCK_RELEASE:
		view_say(b, "release %s is %s", now->target.version,
			 release_state_name(now->target.state));
		break;
	case BLOCK_IMAGE:
		view_say(b, "of release %s", now->target.version);
		break;
	case BLOCK_HELD:
		say_hold(s, b);
		view_say(b, "; held %s", ago(s, s->d->held_ms, text));
		break;
	case BLOCK_DISABLED:
		view_say(b, "disabled %s", ago(s, s->d->disabled_ms, text));
		break;
	case BLOCK_DRIFTED:
		view_say(b, "it runs %s", r->version);
		break;
	case BLOCK_FINISHING:
		view_say(b, "attempt %llu to %s is %s", (unsigned long long)now->attempt.id,
			 now->attempt.version, attempt_state_name(now->attempt.state));
		break;
	case BLOCK_NO_BASELINE:
		if (s->d->has_report)
			view_say(b, "it reports mode %s", report_mode_name(r->mode));
		break;
	case BLOCK_ADMISSION:
		view_say_admission(b, now, s->now_ms);
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
		char text[VIEW_SENTENCE], advice[VIEW_SENTENCE];
		struct buf facts = buf_writer(text, sizeof(text));
		struct buf clear = buf_writer(advice, sizeof(advice));
		if (!(view_blocks(s->now) & 1u << i))
			continue;
		view_say_clear(&clear, block, s->now);
		json_t *o = json_object();
		view_put(&o, "name", json_string(block_name(block)));
		view_put(&o, "means", json_string(block_means(block)));
		view_put(&o, "clear", view_text(buf_cstr(&clear)));
		block_facts(s, block, &facts);
		view_put_text(&o, "facts", buf_cstr(&facts));
		view_append(&list, o);
	}
	return list;
}

/* ---- what to do ---- */

static void add_step(json_t **list, struct buf *step)
{
	const char *text = buf_cstr(step);

	for (size_t i = 0; i < json_array_size(*list); i++)
		if (strstr(json_string_value(json_array_get(*list, i)), text))
			return;
	if (text[0] && json_array_size(*list) < STEPS_MAX)
		view_append(list, view_text(text));
}

/* What sets the device going once the first cause is removed. */
static void say_then(const struct story *s, bool over, struct buf *b)
{
	char when[32];

	if (s->d->hold != HOLD_NONE)
		view_say(b, "%s postbootctl device unhold %s",
			 over ? "; if that was the cause:" : ", then:", s->d->id);
	else if (s->now->plan.blocked & 1u << BLOCK_BACKOFF && s->now->plan.clear_at_ms)
		view_say(b, "; it is tried again by itself at %s",
			 view_when(s->now->plan.clear_at_ms, when));
}

/* Whether `then` was said. */
static bool add_causes(const struct story *s, json_t **list)
{
	const struct diagnoses *dg = diagnoses_of(s);
	const struct attempt *a = attempt_of(s);

	for (unsigned i = 0; dg && i < dg->count; i++) {
		char text[VIEW_SENTENCE];
		struct buf step = buf_writer(text, sizeof(text));
		view_say_next(&step, &dg->list[i], a, s->now->product.name, s->now);
		if (i == 0 && !s->now->has_attempt)
			say_then(s, view_diagnosis_is_over(&dg->list[i], a, s->now), &step);
		add_step(list, &step);
	}
	return dg && dg->count && !s->now->has_attempt;
}

static void add_label_question(const struct story *s, json_t **list)
{
	const struct attempt *a = attempt_of(s);
	char text[VIEW_SENTENCE];
	struct buf step = buf_writer(text, sizeof(text));

	if (!a || a->state != ATTEMPT_CLOSED || a->verdict != VERDICT_UNEXPECTED_VERSION)
		return;
	view_say(&step,
		 "%s was expected, and it reports %s: does the file carry the label it was "
		 "released under?",
		 a->version, s->d->report.version);
	add_step(list, &step);
}

static void add_untold(const struct story *s, json_t **list)
{
	const struct attempt *a = attempt_of(s);
	char text[VIEW_SENTENCE];
	struct buf step = buf_writer(text, sizeof(text));

	if (!a || !view_attempt_is_untold(a))
		return;
	view_say(&step, "let it stay after a restart until the server has read what it runs");
	add_step(list, &step);
}

static void add_blocks(const struct story *s, bool then_said, json_t **list)
{
	uint32_t blocks = view_blocks(s->now) & ~(1u << BLOCK_IN_SYNC);

	if (then_said)
		blocks &= ~(1u << BLOCK_HELD);
	for (unsigned i = 0; i < BLOCK_COUNT; i++) {
		char text[VIEW_SENTENCE];
		struct buf step = buf_writer(text, sizeof(text));
		if (!(blocks & 1u << i))
			continue;
		if (i == BLOCK_BACKOFF && then_said && !s->d->force)
			view_say(&step, "to try at once: postbootctl device force %s", s->d->id);
		else if (i != BLOCK_BACKOFF || !then_said)
			view_say_clear(&step, (enum block)i, s->now);
		add_step(list, &step);
	}
}

static void add_wrong_key(const struct story *s, json_t **list)
{
	char text[VIEW_SENTENCE];
	struct buf step = buf_writer(text, sizeof(text));

	if (!s->now->key_fail.count)
		return;
	view_say(&step,
		 "compare the keys: if it was the device that failed, tell the server the key that "
		 "it has (postbootctl device key %s --psk-file FILE), or give it the right one",
		 s->d->id);
	add_step(list, &step);
}

static void add_confirm(const struct story *s, json_t **list)
{
	char text[VIEW_SENTENCE];
	struct buf step = buf_writer(text, sizeof(text));

	view_say_confirm(&step, s->now);
	add_step(list, &step);
}

/* Of one that an update waits for, `offline` tells it. */
static void add_silent(const struct story *s, json_t **list)
{
	char text[VIEW_SENTENCE];
	struct buf step = buf_writer(text, sizeof(text));

	if (view_blocks(s->now) & 1u << BLOCK_OFFLINE)
		return;
	view_say_silent_next(&step, s->now);
	add_step(list, &step);
}

/* The cause first, then what lets the device go on. */
static json_t *next_steps(const struct story *s)
{
	json_t *list = json_array();

	add_wrong_key(s, &list);
	add_label_question(s, &list);
	add_untold(s, &list);
	add_blocks(s, add_causes(s, &list), &list);
	add_confirm(s, &list);
	add_silent(s, &list);
	if (s->v->plain_unserved)
		view_append(&list, json_string(view_plain_warning));
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
	if (v->notes && json_array_size(v->notes))
		view_put(&o, "protocol_notes", json_deep_copy(v->notes));
	view_put(&o, "blocked_by", blocked(&s));
	view_put(&o, "diagnoses",
		 view_diagnoses(diagnoses_of(&s), attempt_of(&s), v->now->product.name, v->now));
	view_put(&o, "next_steps", next_steps(&s));
	view_put(&o, "status", view_device(v));
	return o;
}
