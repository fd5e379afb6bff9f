/* SPDX-License-Identifier: Apache-2.0
 *
 * A release's story in plain words: its state, what was found in it, who needs it, how the devices
 * of its product stand to it, and what to do.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/view_release_story.h"

enum { SUMMARY_CAP = 2048, TOP_BLOCKS = 3 };

/* ---- its devices ---- */

static json_t *devices_json(const struct engine_survey *s)
{
	json_t *o = json_object(), *by = json_object();

	view_put(&o, "of_product", json_integer(s->devices));
	view_put(&o, "running", json_integer(s->running));
	view_put(&o, "unconfirmed", json_integer(s->unconfirmed));
	view_put(&o, "silent", json_integer(s->silent));
	view_put(&o, "targeted", json_integer(s->targeted));
	for (unsigned i = TARGET_LOCK; i <= TARGET_PRODUCT; i++)
		view_put(&by, target_why_name((enum target_why)i), json_integer(s->by[i]));
	view_put(&o, "targeted_by", by);
	view_put(&o, "passing_through", json_integer(s->passing));
	view_put(&o, "arrived", json_integer(s->arrived));
	view_put(&o, "updating", json_integer(s->updating));
	view_put(&o, "next_check_in", json_integer(s->offers));
	view_put(&o, "waiting", json_integer(s->waiting));
	return o;
}

/* The blocks by how many devices they keep, the most first; how many there are. */
static unsigned blocks_sorted(const struct engine_survey *s, enum block order[BLOCK_COUNT])
{
	unsigned count = 0;

	for (unsigned i = 0; i < BLOCK_COUNT; i++) {
		unsigned at = count;
		if (!s->blocked[i])
			continue;
		for (; at > 0 && s->blocked[order[at - 1]] < s->blocked[i]; at--)
			order[at] = order[at - 1];
		order[at] = (enum block)i;
		count++;
	}
	return count;
}

/* The rollout that stands still or has not come to some; NULL: several, or none any more. */
static const char *only_rollout(const struct view_release *v)
{
	const char *name = NULL;

	for (unsigned i = 0; i < v->uses->count; i++) {
		if (v->uses->list[i].kind != USE_ROLLOUT)
			continue;
		if (name)
			return NULL;
		name = v->uses->list[i].name;
	}
	return name;
}

/* What clears it, of whatever device. */
static void say_clear(struct buf *b, enum block block, const struct view_release *v)
{
	const char *product = v->product->name, *rollout = only_rollout(v);

	if (block == BLOCK_RELEASE)
		view_say(b, "see what to do");
	else if ((block == BLOCK_ROLLOUT_PAUSED || block == BLOCK_WAVE) && rollout)
		view_say(b, "see postbootctl explain rollout %s %s", product, rollout);
	else if (block == BLOCK_ROLLOUT_PAUSED || block == BLOCK_WAVE)
		view_say(b, "see postbootctl rollout list %s", product);
	else
		view_say_advice(b, block_clear(block), "", v->product->name);
}

static json_t *blocked_json(const struct view_release *v)
{
	enum block order[BLOCK_COUNT];
	unsigned count = blocks_sorted(v->survey, order);
	json_t *list = json_array();

	for (unsigned i = 0; i < count; i++) {
		char text[VIEW_SENTENCE];
		struct buf clear = buf_writer(text, sizeof(text));
		json_t *o = json_object();
		view_put(&o, "name", json_string(block_name(order[i])));
		view_put(&o, "means", json_string(block_means(order[i])));
		say_clear(&clear, order[i], v);
		view_put(&o, "clear", view_text(buf_cstr(&clear)));
		view_put(&o, "devices", json_integer(v->survey->blocked[order[i]]));
		view_append(&list, o);
	}
	return list;
}

static json_t *verdicts_json(const struct view_release *v)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < VERDICT_COUNT; i++)
		if (v->ends[i])
			view_put(&o, verdict_name((enum verdict)i),
				 json_integer((json_int_t)v->ends[i]));
	return o;
}

/* Those that count against it, of all that ended. */
static uint64_t failures(const struct view_release *v, uint64_t *ret_all)
{
	static const bool charged[] = {
#define VERDICT_CHARGED(name, word, counts, hold, help) [name] = counts,
		VERDICT_LIST(VERDICT_CHARGED)
#undef VERDICT_CHARGED
	};
	uint64_t bad = 0;

	*ret_all = 0;
	for (unsigned i = 0; i < VERDICT_COUNT; i++) {
		bad += charged[i] ? v->ends[i] : 0;
		*ret_all += v->ends[i];
	}
	return bad;
}

/* ---- the summary ---- */

static const char *one_or(int64_t n, const char *one, const char *many)
{
	return n == 1 ? one : many;
}

/* What a word of the audit log means. */
static const char *why_help(const char *word)
{
	for (unsigned i = 0; word && i < ROLLOUT_WHY_COUNT; i++)
		if (strcmp(rollout_why_name((enum rollout_why)i), word) == 0)
			return rollout_why_help((enum rollout_why)i);
	return "something was wrong with it";
}

static void say_ended(struct buf *b, const struct view_release *v, int64_t now_ms)
{
	const struct release *r = v->release;
	char ago[48];

	view_say(b, "was %s %s", release_state_name(r->state), view_ago(now_ms, r->state_ms, ago));
	if (v->who)
		view_say(b, " by %s", v->who);
	if (v->rollout)
		view_say(b, ", as rollout %s halted: %s", v->rollout, why_help(v->why));
	view_say(b, r->state == RELEASE_QUARANTINED
			    ? ". It is offered to nobody until it is activated again."
			    : ". It is offered to nobody any more, for good.");
}

static void say_state(struct buf *b, const struct view_release *v, int64_t now_ms)
{
	const struct release *r = v->release;
	char text[32];

	view_say(b, "Release %s of product %s ", r->version, v->product->name);
	switch (r->state) {
	case RELEASE_DRAFT:
		view_say(b, "is a draft: it can be nobody's target yet.");
		break;
	case RELEASE_ACTIVE:
		view_say(b, "is active");
		if (r->state_ms)
			view_say(b, ", since %s", view_span(now_ms - r->state_ms, text));
		view_say(b, ".");
		break;
	case RELEASE_QUARANTINED:
	case RELEASE_WITHDRAWN:
		say_ended(b, v, now_ms);
		break;
	}
}

static void say_devices(struct buf *b, const struct view_release *v)
{
	const struct engine_survey *s = v->survey;

	if (s->devices == 0) {
		view_say(b, " Its product has no devices.");
		return;
	}
	view_say(b, " %lld of %lld devices of its product run%s it", (long long)s->running,
		 (long long)s->devices, one_or(s->running, "s", ""));
	if (s->unconfirmed)
		view_say(b, "; %lld of them ha%s not confirmed it", (long long)s->unconfirmed,
			 one_or(s->unconfirmed, "s", "ve"));
	if (s->silent)
		view_say(b, "%s%lld fell silent", s->unconfirmed ? ", " : "; of them ",
			 (long long)s->silent);
	view_say(b, ".");
}

static void say_targeted(struct buf *b, const struct view_release *v)
{
	const struct engine_survey *s = v->survey;
	const char *before = " (";
	int64_t left = s->targeted - s->arrived;

	if (!s->targeted) {
		view_say(b, " It is the target of no device.");
	} else {
		view_say(b, " It is the target of %lld", (long long)s->targeted);
		for (unsigned i = TARGET_LOCK; i <= TARGET_PRODUCT; i++) {
			if (!s->by[i])
				continue;
			view_say(b, "%s%lld by %s", before, (long long)s->by[i],
				 target_why_name((enum target_why)i));
			before = ", ";
		}
		view_say(b, ")");
		if (left)
			view_say(b,
				 "; of the %lld that do not run it %lld %s updated now, %lld "
				 "will be offered it at the next check-in, and %lld wait%s",
				 (long long)left, (long long)s->updating,
				 one_or(s->updating, "is being", "are being"), (long long)s->offers,
				 (long long)s->waiting, one_or(s->waiting, "s", ""));
		view_say(b, ".");
	}
	if (s->passing)
		view_say(b, " %lld go%s through it on the way to another.", (long long)s->passing,
			 one_or(s->passing, "es", ""));
}

static void say_top_blocks(struct buf *b, const struct view_release *v)
{
	enum block order[BLOCK_COUNT];
	unsigned count = blocks_sorted(v->survey, order);

	for (unsigned i = 0; i < count && i < TOP_BLOCKS; i++)
		view_say(b, "%s%s (%lld)", i ? ", " : " What keeps them: ", block_name(order[i]),
			 (long long)v->survey->blocked[order[i]]);
	if (count)
		view_say(b, ".");
}

static void say_ends(struct buf *b, const struct view_release *v)
{
	uint64_t all, bad = failures(v, &all);

	if (!all)
		return;
	view_say(b,
		 " Since the server started %llu attempt%s to it ended, %llu of them as failures",
		 (unsigned long long)all, all == 1 ? "" : "s", (unsigned long long)bad);
	if (bad && v->release->state == RELEASE_ACTIVE)
		view_say(b, bad * 2 > all ? ": it is suspect" : "");
	view_say(b, ".");
}

static json_t *summary(const struct view_release *v, int64_t now_ms)
{
	char text[SUMMARY_CAP];
	struct buf b = buf_writer(text, sizeof(text));

	say_state(&b, v, now_ms);
	say_devices(&b, v);
	say_targeted(&b, v);
	say_top_blocks(&b, v);
	say_ends(&b, v);
	return view_text(buf_cstr(&b));
}

/* ---- what to do ---- */

static void step(json_t **list, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void step(json_t **list, const char *fmt, ...)
{
	char text[VIEW_SENTENCE];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n > 0)
		view_append(list, view_text(text));
}

/* Each of those that point at it wants another one. */
static void step_aim(json_t **list, const struct view_release *v)
{
	const char *product = v->product->name;

	for (unsigned i = 0; i < v->uses->count; i++) {
		const char *name = v->uses->list[i].name, *state = v->uses->list[i].state;

		switch (v->uses->list[i].kind) {
		case USE_PRODUCT:
			step(list,
			     "give its product another target: postbootctl product target "
			     "%s VERSION",
			     product);
			break;
		case USE_GROUP:
			step(list,
			     "give group %s another target: postbootctl group target %s %s "
			     "VERSION",
			     name, product, name);
			break;
		case USE_ROLLOUT:
			step(list,
			     "rollout %s, which is %s, still points at it: postbootctl "
			     "rollout %s %s %s",
			     name, state, strcmp(state, "done") == 0 ? "remove" : "abort", product,
			     name);
			break;
		case USE_RELEASE:
			step(list,
			     "the way to release %s leads through it: devices cannot come "
			     "there any more",
			     name);
			break;
		}
	}
	if (v->survey->by[TARGET_LOCK])
		step(list,
		     "%lld device%s locked to it: postbootctl device list --product %s, then "
		     "postbootctl device unlock ID",
		     (long long)v->survey->by[TARGET_LOCK],
		     v->survey->by[TARGET_LOCK] == 1 ? " is" : "s are", product);
}

static void step_ended(json_t **list, const struct view_release *v)
{
	const char *product = v->product->name, *version = v->release->version;

	if (v->release->state == RELEASE_QUARANTINED)
		step(list,
		     "if it is good after all: postbootctl release activate %s %s; if it is "
		     "not: postbootctl release withdraw %s %s",
		     product, version, product, version);
	step_aim(list, v);
	if (v->survey->running > 0)
		step(list,
		     "%lld device%s it: aim %s at another release, see postbootctl device "
		     "list --product %s --version %s",
		     (long long)v->survey->running, v->survey->running == 1 ? " runs" : "s run",
		     v->survey->running == 1 ? "it" : "them", product, version);
	if (v->release->state != RELEASE_WITHDRAWN)
		return;
	step(list,
	     "it cannot be activated again: if its bytes are good after all, add them under "
	     "another label (postbootctl release add %s FILE --version V)",
	     product);
	if (!v->uses->count && !v->survey->running && !v->survey->targeted)
		step(list, "nothing uses it any more: postbootctl release remove %s %s", product,
		     version);
}

/* What lists those that a block keeps. */
static const char *block_option(enum block block)
{
	if (block == BLOCK_HELD)
		return "--state held";
	if (block == BLOCK_DISABLED)
		return "--state disabled";
	if (block == BLOCK_OFFLINE)
		return "--offline";
	return block == BLOCK_DRIFTED ? "--drifted" : "--state waiting";
}

static void step_blocks(json_t **list, const struct view_release *v)
{
	enum block order[BLOCK_COUNT];
	unsigned count = blocks_sorted(v->survey, order);

	for (unsigned i = 0; i < count && i < TOP_BLOCKS; i++) {
		char text[VIEW_SENTENCE];
		struct buf b = buf_writer(text, sizeof(text));
		say_clear(&b, order[i], v);
		step(list, "%s (%lld device%s): %s; which: postbootctl device list --product %s %s",
		     block_name(order[i]), (long long)v->survey->blocked[order[i]],
		     one_or(v->survey->blocked[order[i]], "", "s"), buf_cstr(&b), v->product->name,
		     block_option(order[i]));
	}
	if (count)
		step(list, "why one of them waits: postbootctl explain ID");
}

static void step_active(json_t **list, const struct view_release *v)
{
	const char *product = v->product->name, *version = v->release->version;
	uint64_t all, bad = failures(v, &all);

	if (bad)
		step(list,
		     "look at what failed: postbootctl attempt list --product %s --release "
		     "%s --charged; to stop it: postbootctl release quarantine %s %s",
		     product, version, product, version);
	step_blocks(list, v);
	if (!v->uses->count && !v->survey->targeted)
		step(list,
		     "bring it to devices: postbootctl rollout add %s %s, or to all at once: "
		     "postbootctl product target %s %s",
		     product, version, product, version);
}

static json_t *next_steps(const struct view_release *v)
{
	const char *product = v->product->name, *version = v->release->version;
	json_t *list = json_array();

	if (v->release->unavailable)
		step(&list, "%s", block_clear(BLOCK_IMAGE));
	switch (v->release->state) {
	case RELEASE_DRAFT:
		step(&list, "once it may be offered: postbootctl release activate %s %s", product,
		     version);
		break;
	case RELEASE_ACTIVE:
		step_active(&list, v);
		break;
	case RELEASE_QUARANTINED:
	case RELEASE_WITHDRAWN:
		step_ended(&list, v);
		break;
	}
	if (json_array_size(list) == 0)
		step(&list, v->survey->updating + v->survey->offers
				    ? "wait for the devices that are under way"
				    : "nothing to do");
	return list;
}

json_t *view_explain_release(const struct view_release *v, int64_t now_ms)
{
	char text[VIEW_SENTENCE];
	struct buf signatures = buf_writer(text, sizeof(text));
	json_t *o = json_object();

	view_put(&o, "product", view_text(v->product->name));
	view_put(&o, "version", view_text(v->release->version));
	view_put(&o, "summary", summary(v, now_ms));
	view_put(&o, "findings", view_findings(v->release));
	view_say_signatures(&signatures, v);
	view_put(&o, "signatures", view_text(buf_cstr(&signatures)));
	view_put(&o, "asks", view_asks(&v->release->requires));
	view_put(&o, "needed_by", view_uses(v->uses));
	if (v->uses->more)
		view_put(&o, "needed_by_more", json_integer(v->uses->more));
	view_put(&o, "devices", devices_json(v->survey));
	view_put(&o, "blocked_by", blocked_json(v));
	view_put(&o, "verdicts", verdicts_json(v));
	view_put(&o, "next_steps", next_steps(v));
	view_put(&o, "status",
		 view_release(v->release, v->product->name, v->product->target == v->release->id));
	return o;
}

/* ---- a device whose target is not active any more ---- */

void view_say_release_clear(struct buf *b, const struct engine_device *now)
{
	const char *product = now->product.name, *id = now->device.id;

	switch (now->goal_why) {
	case TARGET_LOCK:
		view_say(b, "postbootctl device lock %s VERSION, or: postbootctl device unlock %s",
			 id, id);
		break;
	case TARGET_ROLLOUT:
		view_say(b, "postbootctl rollout abort %s %s", product, now->rollout.name);
		break;
	case TARGET_GROUP:
		view_say(b, "postbootctl group target %s %s VERSION", product, now->group.name);
		break;
	case TARGET_NONE:
	case TARGET_EARLIER: /* the newer act decides */
	case TARGET_RETURN:  /* any other goes before it */
	case TARGET_PRODUCT:
	case TARGET_STONE:
		view_say(b, "postbootctl product target %s VERSION", product);
		break;
	}
	if (now->target.state == RELEASE_QUARANTINED)
		view_say(b, ", or, if it is good after all: postbootctl release activate %s %s",
			 product, now->target.version);
	else
		view_say(b, "; a withdrawn release does not come back");
}
