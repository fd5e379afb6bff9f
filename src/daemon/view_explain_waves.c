/* SPDX-License-Identifier: Apache-2.0
 *
 * A rollout's story in plain words: where it stands and why, how each wave goes, what would halt
 * it, and what an operator can do.
 */
#include <stdio.h>

#include "daemon/view_release_story.h"

enum { SUMMARY_CAP = 2048 };

/* ---- the summary ---- */

static void say_results(struct buf *b, const struct wave_counts *c)
{
	const char *before = ": ";

	for (unsigned i = 0; i < MEMBER_COUNT; i++) {
		if (!c->results[i])
			continue;
		view_say(b, "%s%lld %s", before, (long long)c->results[i],
			 i == MEMBER_NONE ? "without a verdict yet" : member_name((enum member)i));
		before = ", ";
	}
	if (c->applied_silent)
		view_say(b, "; %lld of the %lld that took the image %s silent now",
			 (long long)c->applied_silent, (long long)c->applied,
			 c->applied_silent == 1 ? "is" : "are");
}

static void say_reached(struct buf *b, const struct engine_rollout *v)
{
	const struct rollout *r = &v->rollout;
	const struct wave_counts all = rollout_total(&v->counts, r->wave_count);

	if (r->state == ROLLOUT_DRAFT || !r->enlisted)
		return;
	if (!v->counted) {
		view_say(b, " Its members are being read.");
		return;
	}
	view_say(b, " %u of %u waves %s open; %lld of %lld devices are reached", r->opened,
		 r->wave_count, r->opened == 1 ? "is" : "are", (long long)all.released,
		 (long long)all.members);
	say_results(b, &all);
	view_say(b, ".");
	if (all.control)
		view_say(b, " Of the %lld that are not reached %lld are silent.",
			 (long long)all.control, (long long)all.control_silent);
}

static json_t *summary(const struct engine_rollout *v, int64_t now_ms)
{
	const struct rollout *r = &v->rollout;
	char text[SUMMARY_CAP], ago[48];
	struct buf b = buf_writer(text, sizeof(text));

	view_say(&b, "Rollout %s of product %s brings %s to ", r->name, v->product,
		 v->version[0] ? v->version : "a release that is gone");
	if (r->filter[0])
		view_say(&b, "the devices with %s", r->filter);
	else
		view_say(&b, "all of its devices");
	view_say(&b, ". It is %s", rollout_state_name(r->state));
	if (r->state_ms)
		view_say(&b, " (%s)", view_ago(now_ms, r->state_ms, ago));
	view_say(&b, ": ");
	if (r->state == ROLLOUT_HALTED)
		view_say(&b, "%s", rollout_why_help(r->why));
	else
		view_say_rollout_stands(&b, v);
	view_say(&b, ".");
	say_reached(&b, v);
	return view_text(buf_cstr(&b));
}

/* ---- its waves ---- */

static json_t *wave_text(const struct engine_rollout *v, unsigned i)
{
	const struct rollout *r = &v->rollout;
	const struct wave_counts *c = &v->counts.waves[i];
	const struct wave *w = &r->waves[i];
	char text[2 * VIEW_SENTENCE], when[32];
	struct buf b = buf_writer(text, sizeof(text));

	view_say(&b, "wave %u, %sup to %lld%s", i + 1, w->gate ? "behind a gate, " : "",
		 (long long)w->size,
		 w->percent	? " %"
		 : w->size == 1 ? " device"
				: " devices");
	if (r->enlisted && v->counted)
		view_say(&b, ", has %lld device%s", (long long)c->members,
			 c->members == 1 ? "" : "s");
	if (!w->opened_ms) {
		view_say(&b, ", is not open");
		return view_text(buf_cstr(&b));
	}
	view_say(&b, ", opened %s", view_when(w->opened_ms, when));
	if (w->complete_ms)
		view_say(&b, ", complete %s", view_when(w->complete_ms, when));
	if (v->counted) {
		view_say(&b, "; %lld reached, %lld through", (long long)c->released,
			 (long long)c->through);
		say_results(&b, c);
	}
	return view_text(buf_cstr(&b));
}

/* ---- what halts it ---- */

static void add_halt(json_t **list, enum rollout_why why, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void add_halt(json_t **list, enum rollout_why why, const char *fmt, ...)
{
	char text[VIEW_SENTENCE];
	json_t *o = json_object();
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	view_put(&o, "name", json_string(rollout_why_name(why)));
	view_put(&o, "means", json_string(rollout_why_help(why)));
	view_put(&o, "facts", view_text(text));
	view_append(list, o);
}

static json_t *halts_json(const struct engine_rollout *v)
{
	const struct rollout_rules *q = &v->rollout.rules;
	const struct wave_counts all = rollout_total(&v->counts, v->rollout.wave_count);
	json_t *list = json_array();

	if (q->fail_percent)
		add_halt(&list, HALT_FAILURES,
			 "at %lld %% of the verdicts, and %lld of them, in a wave or in all; now "
			 "%lld of %lld",
			 (long long)q->fail_percent, (long long)q->fail_min,
			 (long long)wave_failures(&all), (long long)wave_verdicts(&all));
	if (q->max_reverts)
		add_halt(&list, HALT_REVERTS, "at %lld; now %lld", (long long)q->max_reverts,
			 (long long)all.results[MEMBER_REVERTED]);
	if (q->silent_percent)
		add_halt(&list, HALT_SILENCE,
			 "at a share that is larger by %lld %%, and %lld of them; now %lld of %lld "
			 "updated, %lld of %lld others",
			 (long long)q->silent_percent, (long long)q->silent_min,
			 (long long)all.applied_silent, (long long)all.applied,
			 (long long)all.control_silent, (long long)all.control);
	add_halt(&list, HALT_RELEASE, "when %s is quarantined or withdrawn; now %s",
		 v->version[0] ? v->version : "its release",
		 v->version[0] ? release_state_name(v->release_state) : "it is gone");
	return list;
}

/* ---- what an operator can do ---- */

/* clang-format off */
static const struct {
	enum rollout_state state;
	const char *verb, *effect;
} acts[] = {
	{ROLLOUT_DRAFT, "start", "it begins, at once or at its time"},
	{ROLLOUT_DRAFT, "abort", "it never begins"},
	{ROLLOUT_SCHEDULED, "start", "it begins at once"},
	{ROLLOUT_SCHEDULED, "pause", "it does not begin before it is resumed"},
	{ROLLOUT_SCHEDULED, "abort", "it never begins"},
	{ROLLOUT_RUNNING, "pause", "nothing new is offered until it is resumed"},
	{ROLLOUT_RUNNING, "next", "the next wave opens without waiting for this one"},
	{ROLLOUT_RUNNING, "finish", "it is over; whom it reached keeps the release as target"},
	{ROLLOUT_RUNNING, "abort", "it is over; its devices go to their other target"},
	{ROLLOUT_WAITING, "approve", "it may go on"},
	{ROLLOUT_WAITING, "next", "the next wave opens"},
	{ROLLOUT_WAITING, "pause", "nothing new is offered until it is resumed"},
	{ROLLOUT_WAITING, "finish", "it is over; whom it reached keeps the release as target"},
	{ROLLOUT_WAITING, "abort", "it is over; its devices go to their other target"},
	{ROLLOUT_PAUSED, "resume", "it goes on where it was"},
	{ROLLOUT_PAUSED, "finish", "it is over; whom it reached keeps the release as target"},
	{ROLLOUT_PAUSED, "abort", "it is over; its devices go to their other target"},
	{ROLLOUT_HALTED, "resume", "it goes on; what was seen so far is not held against it again"},
	{ROLLOUT_HALTED, "finish", "it is over; whom it reached keeps the release as target"},
	{ROLLOUT_HALTED, "abort", "it is over; its devices go to their other target"},
	{ROLLOUT_DONE, "remove", "its devices go to their other target; its row and members go"},
	{ROLLOUT_ABORTED, "remove", "its row goes"},
};
/* clang-format on */

static bool makes_sense(const struct engine_rollout *v, const char *verb)
{
	const struct rollout *r = &v->rollout;
	bool approval = r->state == ROLLOUT_WAITING && r->wait == WAIT_APPROVAL;

	if (verb[0] == 'n')
		return !approval && r->opened < r->wave_count;
	if (verb[0] == 'f')
		return !approval;
	if (verb[0] == 'r' && verb[2] == 's') /* an ended release cannot go on */
		return v->version[0] && v->release_state == RELEASE_ACTIVE;
	return verb[0] != 'a' || verb[1] != 'p' || approval;
}

static json_t *acts_json(const struct engine_rollout *v)
{
	json_t *list = json_array();

	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		char text[VIEW_SENTENCE];
		struct buf b = buf_writer(text, sizeof(text));
		if (acts[i].state != v->rollout.state || !makes_sense(v, acts[i].verb))
			continue;
		json_t *o = json_object();
		view_say(&b, "postbootctl rollout %s %s %s", acts[i].verb, v->product,
			 v->rollout.name);
		view_put(&o, "command", view_text(buf_cstr(&b)));
		view_put(&o, "effect", json_string(acts[i].effect));
		view_append(&list, o);
	}
	return list;
}

/* ---- what to do ---- */

static void step(json_t **list, struct buf *b)
{
	const char *text = buf_cstr(b);

	if (text[0])
		view_append(list, view_text(text));
}

static json_t *next_steps(const struct engine_rollout *v)
{
	const struct rollout *r = &v->rollout;
	const struct wave_counts open = rollout_total(&v->counts, r->opened);
	char text[2 * VIEW_SENTENCE], more[VIEW_SENTENCE];
	struct buf b = buf_writer(text, sizeof(text)), d = buf_writer(more, sizeof(more));
	json_t *list = json_array();

	view_say_rollout_next(&b, v);
	step(&list, &b);
	if (wave_failures(&open) && v->version[0])
		view_say(&d,
			 "what failed: postbootctl attempt list --product %s --release %s "
			 "--charged",
			 v->product, v->version);
	else if (r->state == ROLLOUT_RUNNING && open.released > open.through)
		view_say(&d,
			 "who has no verdict yet: postbootctl rollout devices %s %s; why one has "
			 "none: postbootctl explain ID",
			 v->product, r->name);
	step(&list, &d);
	if (json_array_size(list) == 0)
		view_append(&list, json_string(r->state == ROLLOUT_RUNNING ? "wait: it goes on "
									     "by itself"
									   : "nothing to do"));
	return list;
}

json_t *view_explain_rollout(const struct engine_rollout *v, int64_t now_ms)
{
	json_t *o = json_object(), *waves = json_array();

	view_put(&o, "product", view_text(v->product));
	view_put(&o, "rollout", view_text(v->rollout.name));
	view_put(&o, "summary", summary(v, now_ms));
	for (unsigned i = 0; i < v->rollout.wave_count; i++)
		view_append(&waves, wave_text(v, i));
	view_put(&o, "waves", waves);
	view_put(&o, "halts", halts_json(v));
	view_put(&o, "acts", acts_json(v));
	view_put(&o, "next_steps", next_steps(v));
	view_put(&o, "status", view_rollout(v));
	return o;
}
