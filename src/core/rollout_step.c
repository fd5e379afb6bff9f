/* SPDX-License-Identifier: Apache-2.0
 *
 * What a rollout does next: by itself, and by an operator's act.
 */
#include <string.h>

#include "base/buf.h"
#include "core/rollout.h"

enum {
	MINUTE_MS = 60000,
	CONTROL_MIN = 10, /* fewer that were not reached say nothing about silence */
	RATE_MAX_MILLI = 1000000 * 1000,
	/* edges that depend on more than the state */
	TO_BEGIN = ROLLOUT_STATE_COUNT, /* approved? is it time? */
	TO_BACK,			/* where it was before */
	TO_SAME,
};

/* 0: there is no such edge; else the next state + 1. */
#define GO(state) ((state) + 1)
/* clang-format off */
static const unsigned char edges[ROLLOUT_STATE_COUNT][ROLLOUT_CAUSE_COUNT] = {
	[ROLLOUT_DRAFT] = {
		[ROLLOUT_APPROVE] = GO(TO_SAME),
		[ROLLOUT_START] = GO(TO_BEGIN),
		[ROLLOUT_ABORT] = GO(ROLLOUT_ABORTED),
	},
	[ROLLOUT_SCHEDULED] = {
		[ROLLOUT_START] = GO(ROLLOUT_RUNNING),
		[ROLLOUT_DUE] = GO(ROLLOUT_RUNNING),
		[ROLLOUT_PAUSE] = GO(ROLLOUT_PAUSED),
		[ROLLOUT_HALT] = GO(ROLLOUT_HALTED),
		[ROLLOUT_ABORT] = GO(ROLLOUT_ABORTED),
	},
	[ROLLOUT_RUNNING] = {
		[ROLLOUT_PAUSE] = GO(ROLLOUT_PAUSED),
		[ROLLOUT_NEXT] = GO(TO_SAME),
		[ROLLOUT_GATE] = GO(ROLLOUT_WAITING),
		[ROLLOUT_HALT] = GO(ROLLOUT_HALTED),
		[ROLLOUT_ALL] = GO(ROLLOUT_DONE),
		[ROLLOUT_FINISH] = GO(ROLLOUT_DONE),
		[ROLLOUT_ABORT] = GO(ROLLOUT_ABORTED),
	},
	[ROLLOUT_WAITING] = {
		[ROLLOUT_APPROVE] = GO(TO_BEGIN),
		[ROLLOUT_PAUSE] = GO(ROLLOUT_PAUSED),
		[ROLLOUT_NEXT] = GO(ROLLOUT_RUNNING),
		[ROLLOUT_HALT] = GO(ROLLOUT_HALTED),
		[ROLLOUT_FINISH] = GO(ROLLOUT_DONE),
		[ROLLOUT_ABORT] = GO(ROLLOUT_ABORTED),
	},
	[ROLLOUT_PAUSED] = {
		[ROLLOUT_RESUME] = GO(TO_BACK),
		[ROLLOUT_HALT] = GO(ROLLOUT_HALTED),
		[ROLLOUT_FINISH] = GO(ROLLOUT_DONE),
		[ROLLOUT_ABORT] = GO(ROLLOUT_ABORTED),
	},
	[ROLLOUT_HALTED] = {
		[ROLLOUT_RESUME] = GO(TO_BACK),
		[ROLLOUT_FINISH] = GO(ROLLOUT_DONE),
		[ROLLOUT_ABORT] = GO(ROLLOUT_ABORTED),
	},
};
/* clang-format on */

/* ---- into a state ---- */

static void enter(struct rollout *r, enum rollout_state next, int64_t now_ms)
{
	bool stopped = rollout_stops(r);
	bool stops = next == ROLLOUT_PAUSED || next == ROLLOUT_HALTED;

	if (stops && !stopped)
		r->resume_to = r->state;
	if (next == ROLLOUT_RUNNING && !r->started_ms)
		r->started_ms = now_ms;
	if (next == ROLLOUT_RUNNING && stopped) {
		/* Time in which it stood still is not its own. */
		r->released_ms = r->released_ms ? now_ms : 0;
		r->ramp_ms += r->ramp_ms ? now_ms - r->state_ms : 0;
	}
	if (!stops && next != ROLLOUT_WAITING)
		r->wait = WAIT_NONE;
	r->state = next;
	r->state_ms = now_ms;
	if (rollout_is_over(r)) {
		r->ended_ms = now_ms;
	} else if (!stops) {
		r->why = HALT_NONE;
		r->halted_ms = 0;
	}
}

static void begin(struct rollout *r, int64_t now_ms)
{
	if (r->rules.approval && !r->approver[0]) {
		enter(r, ROLLOUT_WAITING, now_ms);
		r->wait = WAIT_APPROVAL;
	} else {
		enter(r, r->start_at_ms > now_ms ? ROLLOUT_SCHEDULED : ROLLOUT_RUNNING, now_ms);
	}
}

static void forgive(struct rollout *r, const struct rollout_counts *c)
{
	for (unsigned i = 0; i < r->opened; i++) {
		struct wave *w = &r->waves[i];
		const struct wave_counts *n = &c->waves[i];
		w->forgiven_failed = n->results[MEMBER_FAILED];
		w->forgiven_reverted = n->results[MEMBER_REVERTED];
		w->forgiven_silent = n->applied_silent;
		w->forgiven_verdicts = wave_verdicts(n);
	}
}

/* ---- acts ---- */

static const char *refusal(const struct rollout *r, enum rollout_cause cause)
{
	switch (r->state) {
	case ROLLOUT_DRAFT:
		return "it has not been started";
	case ROLLOUT_DONE:
		return "it is done";
	case ROLLOUT_ABORTED:
		return "it was aborted";
	case ROLLOUT_PAUSED:
		return cause == ROLLOUT_PAUSE ? "it is paused already" : "it is paused: resume it";
	case ROLLOUT_HALTED:
		return "it has halted: resume it, once the cause is clear, or abort it";
	case ROLLOUT_WAITING:
		return r->wait == WAIT_APPROVAL ? "it waits for an approval"
						: "it waits at a gate: next opens it";
	case ROLLOUT_SCHEDULED:
		return "it is scheduled and has not begun";
	case ROLLOUT_RUNNING:
	case ROLLOUT_STATE_COUNT:
		break;
	}
	return "it is running";
}

static int act_guard(const struct rollout *r, enum rollout_cause cause, const char *who,
		     const char **ret_why)
{
	if (!edges[r->state][cause] ||
	    (cause == ROLLOUT_APPROVE && r->state == ROLLOUT_WAITING && r->wait != WAIT_APPROVAL) ||
	    ((cause == ROLLOUT_NEXT || cause == ROLLOUT_FINISH) && r->wait == WAIT_APPROVAL)) {
		*ret_why = refusal(r, cause);
		return ERR_BUSY;
	}
	if (cause == ROLLOUT_APPROVE && r->approver[0]) {
		*ret_why = "it is approved already";
		return ERR_BUSY;
	}
	if (cause == ROLLOUT_APPROVE && !r->rules.approval) {
		*ret_why = "it needs no approval";
		return ERR_BUSY;
	}
	if (cause == ROLLOUT_APPROVE && strcmp(who, r->author) == 0) {
		*ret_why = "you have made it yourself: somebody else must approve it";
		return ERR_BUSY;
	}
	if (cause == ROLLOUT_NEXT && r->opened == r->wave_count) {
		*ret_why = "its last wave is open";
		return ERR_BUSY;
	}
	return 0;
}

int rollout_act(struct rollout *r, enum rollout_cause cause, const char *who,
		const struct rollout_counts *c, int64_t now_ms, const char **ret_why)
{
	int err = act_guard(r, cause, who, ret_why);

	if (err)
		return err;
	int next = edges[r->state][cause] - 1;
	if (cause == ROLLOUT_APPROVE)
		(void)buf_copy_str(r->approver, sizeof(r->approver), who);
	if (cause == ROLLOUT_NEXT)
		r->gate_open = true;
	if (cause == ROLLOUT_RESUME && r->state == ROLLOUT_HALTED)
		forgive(r, c);
	if (next == ROLLOUT_DONE || next == ROLLOUT_ABORTED)
		(void)buf_copy_str(r->ended_by, sizeof(r->ended_by), who);
	if (next == TO_BEGIN)
		begin(r, now_ms);
	else if (next == TO_BACK)
		enter(r, r->resume_to, now_ms);
	else if (next != TO_SAME)
		enter(r, (enum rollout_state)next, now_ms);
	return 0;
}

/* ---- what halts it ---- */

static int64_t beyond(int64_t count, int64_t forgiven)
{
	return count > forgiven ? count - forgiven : 0;
}

/* Of one wave, or of all together. Many begin at once, and who fails is often done before who
 * succeeds: so those count, too, that are under way. To stop would not stop them. */
static bool fails_too_often(const struct rollout_rules *rules, const struct wave_counts *c,
			    const struct wave *forgiven, int64_t least)
{
	int64_t failures = beyond(c->results[MEMBER_FAILED], forgiven->forgiven_failed) +
			   beyond(c->results[MEMBER_REVERTED], forgiven->forgiven_reverted);
	int64_t verdicts = beyond(wave_verdicts(c), forgiven->forgiven_verdicts);

	if (verdicts < failures)
		verdicts = failures;
	verdicts += c->trying;
	return rules->fail_percent && failures && failures >= least &&
	       failures * 100 >= rules->fail_percent * verdicts;
}

/* By how much more often do those fall silent who were updated than those who were not? */
static bool silent_too_often(const struct rollout *r, const struct wave_counts *c, int64_t forgiven)
{
	int64_t silent = beyond(c->applied_silent, forgiven);
	int64_t of = c->applied;
	bool control = c->control >= CONTROL_MIN;
	int64_t other_silent = control ? c->control_silent : r->base_silent;
	int64_t other_of = control ? c->control : r->base_members;

	if (!r->rules.silent_percent || silent < r->rules.silent_min)
		return false;
	if (other_of == 0)
		other_of = 1;
	/* silent / of >= other_silent / other_of + margin, without fractions */
	return silent * other_of * 100 >=
	       (other_silent * 100 + r->rules.silent_percent * other_of) * of;
}

static enum rollout_why halts(const struct rollout *r, const struct rollout_counts *c)
{
	struct wave_counts all = rollout_total(c, r->wave_count);
	struct wave forgiven = {0};

	for (unsigned i = 0; i < r->opened; i++) {
		const struct wave *w = &r->waves[i];
		const struct wave_counts *n = &c->waves[i];
		/* A wave smaller than that can fail as a whole. */
		int64_t least = n->members < r->rules.fail_min ? n->members : r->rules.fail_min;
		if (fails_too_often(&r->rules, n, w, least))
			return HALT_FAILURES;
		forgiven.forgiven_failed += w->forgiven_failed;
		forgiven.forgiven_reverted += w->forgiven_reverted;
		forgiven.forgiven_silent += w->forgiven_silent;
		forgiven.forgiven_verdicts += w->forgiven_verdicts;
	}
	int64_t reverts = beyond(all.results[MEMBER_REVERTED], forgiven.forgiven_reverted);
	if (r->rules.max_reverts && reverts >= r->rules.max_reverts)
		return HALT_REVERTS;
	if (fails_too_often(&r->rules, &all, &forgiven, r->rules.fail_min))
		return HALT_FAILURES;
	return silent_too_often(r, &all, forgiven.forgiven_silent) ? HALT_SILENCE : HALT_NONE;
}

/* ---- what it does by itself ---- */

int64_t rollout_rate(const struct rollout *r, int64_t now_ms)
{
	const struct rollout_rules *rules = &r->rules;
	int64_t most = rules->rate_max ? rules->rate_max * 1000 : RATE_MAX_MILLI;
	int64_t rate = rules->rate * 1000;
	int64_t steps = r->ramp_ms ? (now_ms - r->ramp_ms) / (rules->ramp_s * 1000) : 0;

	for (; steps > 0 && rules->ramp_percent > 100 && rate > 0 && rate < most; steps--)
		rate = rate * rules->ramp_percent / 100;
	return rate < most ? rate : most;
}

/* The time of one device. */
static int64_t rate_step_ms(int64_t rate)
{
	return ((int64_t)MINUTE_MS * 1000 + rate - 1) / rate;
}

static struct rollout_next release(const struct rollout *r, int64_t left, int64_t now_ms)
{
	struct rollout_next next = {.what = ROLLOUT_DO_RELEASE, .count = left};
	int64_t rate = rollout_rate(r, now_ms);

	if (!rate)
		return next;
	int64_t step_ms = rate_step_ms(rate), past_ms = now_ms - r->released_ms;
	/* What was not used for long is not made up for, and a clock set back stops nothing. */
	if (past_ms > MINUTE_MS && past_ms > 2 * step_ms)
		past_ms = MINUTE_MS > step_ms ? MINUTE_MS : step_ms;
	else if (past_ms < -MINUTE_MS)
		past_ms = step_ms;
	int64_t count = past_ms > 0 ? past_ms * rate / ((int64_t)MINUTE_MS * 1000) : 0;
	if (past_ms >= step_ms && count == 0)
		count = 1;
	if (count < left)
		next.count = count;
	if (next.count == 0)
		next = (struct rollout_next){.wake_ms = r->released_ms + step_ms};
	return next;
}

/* Is enough known of the newest wave to open the next one? */
static bool wave_complete(const struct rollout *r, const struct wave_counts *c)
{
	int64_t known = c->released - c->results[MEMBER_NONE];

	/* Of a wave of which nobody was heard nothing is known. */
	return c->members == 0 ||
	       (c->released == c->members && (known > 0 || c->out == c->members) &&
		c->through * 100 >= r->rules.complete_percent * c->members);
}

int64_t rollout_waits_until(const struct rollout *r)
{
	return r->released_ms + r->rules.silent_wait_s * 1000;
}

/* The end is when each has a verdict: those that are away have some time to come. If nobody has
 * come, nothing is known, and it is no end. */
static bool all_through(const struct rollout *r, const struct wave_counts *all, int64_t now_ms)
{
	bool known = all->released > all->results[MEMBER_NONE] || all->out == all->members;

	return all->through == all->members &&
	       (!all->away || (known && now_ms >= rollout_waits_until(r)));
}

/* The newest wave is released. */
static struct rollout_next after_wave(const struct rollout *r, const struct rollout_counts *c,
				      int64_t now_ms)
{
	bool last = r->opened == r->wave_count;
	const struct wave *w = &r->waves[r->opened - 1];
	const struct wave_counts *n = &c->waves[r->opened - 1];
	struct wave_counts all = rollout_total(c, r->wave_count);

	if (last ? r->rules.join || !all_through(r, &all, now_ms)
		 : !w->complete_ms && !wave_complete(r, n))
		return (struct rollout_next){.wake_ms = all.away ? rollout_waits_until(r) : 0};
	if (!w->complete_ms)
		return (struct rollout_next){.what = ROLLOUT_DO_NOTE};
	/* Of a wave of nobody there is nothing to watch. */
	int64_t until_ms = w->complete_ms + (n->members ? r->rules.soak_s * 1000 : 0);
	if (now_ms < until_ms)
		return (struct rollout_next){.wake_ms = until_ms};
	if (last)
		return (struct rollout_next){.what = ROLLOUT_DO_END};
	return (struct rollout_next){.what = r->waves[r->opened].gate ? ROLLOUT_DO_WAIT
								      : ROLLOUT_DO_OPEN};
}

static struct rollout_next run(const struct rollout *r, const struct rollout_counts *c,
			       int64_t now_ms)
{
	if (!r->enlisted)
		return (struct rollout_next){.what = ROLLOUT_DO_ENLIST};
	if (r->gate_open && r->opened < r->wave_count)
		return (struct rollout_next){.what = ROLLOUT_DO_OPEN};
	if (r->opened == 0)
		return (struct rollout_next){.what = r->waves[0].gate ? ROLLOUT_DO_WAIT
								      : ROLLOUT_DO_OPEN};
	struct wave_counts open = rollout_total(c, r->opened);
	if (open.released < open.members)
		return release(r, open.members - open.released, now_ms);
	return after_wave(r, c, now_ms);
}

struct rollout_next rollout_next(const struct rollout *r, const struct rollout_counts *c,
				 int64_t now_ms)
{
	if (r->state == ROLLOUT_SCHEDULED) {
		if (now_ms >= r->start_at_ms)
			return (struct rollout_next){.what = ROLLOUT_DO_BEGIN};
		return (struct rollout_next){.wake_ms = r->start_at_ms};
	}
	if (r->opened && (r->state == ROLLOUT_RUNNING || r->state == ROLLOUT_WAITING ||
			  r->state == ROLLOUT_PAUSED)) {
		enum rollout_why why = halts(r, c);
		if (why != HALT_NONE)
			return (struct rollout_next){.what = ROLLOUT_DO_HALT, .why = why};
	}
	if (r->state != ROLLOUT_RUNNING)
		return (struct rollout_next){0};
	struct rollout_next next = run(r, c, now_ms);
	if (next.what == ROLLOUT_DO_OPEN) {
		struct wave_counts all = rollout_total(c, r->wave_count);
		next.control = all.control;
		next.control_silent = all.control_silent;
	}
	return next;
}

static void halt(struct rollout *r, enum rollout_why why, int64_t now_ms)
{
	enter(r, ROLLOUT_HALTED, now_ms);
	r->why = why;
	r->halted_ms = now_ms;
	if (r->rules.halt_return)
		enter(r, ROLLOUT_ABORTED, now_ms);
}

static void open_wave(struct rollout *r, const struct rollout_next *next, int64_t now_ms)
{
	int64_t rate = rollout_rate(r, now_ms);

	if (next->control >= CONTROL_MIN) { /* the last waves leave none to compare with */
		r->base_members = next->control;
		r->base_silent = next->control_silent;
	}
	r->waves[r->opened++].opened_ms = now_ms;
	r->gate_open = false;
	/* The first device goes at once. */
	r->released_ms = rate ? now_ms - rate_step_ms(rate) : now_ms;
	if (!r->ramp_ms)
		r->ramp_ms = now_ms;
}

static void released(struct rollout *r, int64_t count, int64_t now_ms)
{
	int64_t rate = rollout_rate(r, now_ms);
	int64_t took_ms = rate ? count * MINUTE_MS * 1000 / rate : 0;

	r->released_ms += took_ms;
	if (!rate || r->released_ms > now_ms || now_ms - r->released_ms > MINUTE_MS)
		r->released_ms = now_ms;
}

void rollout_do(struct rollout *r, const struct rollout_next *next, int64_t reached, int64_t now_ms)
{
	switch (next->what) {
	case ROLLOUT_DO_NOTHING:
	case ROLLOUT_DO_ENLIST:
		break;
	case ROLLOUT_DO_BEGIN:
		enter(r, ROLLOUT_RUNNING, now_ms);
		break;
	case ROLLOUT_DO_OPEN:
		open_wave(r, next, now_ms);
		break;
	case ROLLOUT_DO_RELEASE:
		if (reached > r->reached)
			r->reached = reached;
		released(r, next->count, now_ms);
		break;
	case ROLLOUT_DO_NOTE:
		r->waves[r->opened - 1].complete_ms = now_ms;
		break;
	case ROLLOUT_DO_WAIT:
		enter(r, ROLLOUT_WAITING, now_ms);
		r->wait = WAIT_GATE;
		break;
	case ROLLOUT_DO_HALT:
		halt(r, next->why, now_ms);
		break;
	case ROLLOUT_DO_END:
		enter(r, ROLLOUT_DONE, now_ms);
		break;
	}
}

bool rollout_blames_release(const struct rollout *r)
{
	return r->rules.halt_quarantine && (r->why == HALT_FAILURES || r->why == HALT_REVERTS);
}

void rollout_found_nobody(struct rollout *r, int64_t now_ms)
{
	enter(r, ROLLOUT_HALTED, now_ms);
	r->why = HALT_EMPTY;
	r->halted_ms = now_ms;
}

bool rollout_lost_release(struct rollout *r, int64_t now_ms)
{
	if (!rollout_is_open(r) || r->state == ROLLOUT_HALTED)
		return false;
	halt(r, HALT_RELEASE, now_ms);
	return true;
}
