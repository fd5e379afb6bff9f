/* SPDX-License-Identifier: Apache-2.0
 *
 * What a device's rollout has to do with it, and where a rollout stands, in plain words.
 */
#include "daemon/view.h"

/* When does the next wave open? */
static void say_opening(struct buf *b, const struct rollout *r)
{
	const struct wave *next = &r->waves[r->opened];
	char when[32];

	switch (r->state) {
	case ROLLOUT_SCHEDULED:
		view_say(b, ", which begins at %s", view_when(r->start_at_ms, when));
		break;
	case ROLLOUT_WAITING:
		view_say(b, ", which waits: %s", rollout_wait_help(r->wait));
		break;
	case ROLLOUT_PAUSED:
	case ROLLOUT_HALTED:
		view_say(b, ", which is %s", rollout_state_name(r->state));
		break;
	case ROLLOUT_RUNNING:
		if (!r->enlisted)
			view_say(b, ", whose members are being found");
		else if (r->opened == 0 || r->opened == r->wave_count)
			view_say(b, ", which is running");
		else if (next->gate)
			view_say(b, "; wave %u opens on an operator's word", r->opened + 1);
		else
			view_say(b, "; wave %u opens when %lld %% of wave %u are through",
				 r->opened + 1, (long long)r->rules.complete_percent, r->opened);
		break;
	case ROLLOUT_DRAFT:
	case ROLLOUT_DONE:
	case ROLLOUT_ABORTED:
	case ROLLOUT_STATE_COUNT:
		break;
	}
}

void view_say_rollout(struct buf *b, enum block block, const struct engine_device *now)
{
	const struct rollout *r = &now->rollout;
	unsigned wave = rollout_wave_of(r, now->device.rollout_place) + 1;

	if (block == BLOCK_ROLLOUT_PAUSED && r->state == ROLLOUT_HALTED) {
		view_say(b, "rollout %s has halted: %s", r->name, rollout_why_help(r->why));
	} else if (block == BLOCK_ROLLOUT_PAUSED) {
		view_say(b, "rollout %s is paused", r->name);
	} else {
		view_say(b, "it is in wave %u of %u of rollout %s", wave, r->wave_count, r->name);
		if (r->enlisted && wave <= r->opened && r->state == ROLLOUT_RUNNING)
			view_say(b, ", which is open and releases %lld devices a minute",
				 (long long)r->rules.rate);
		else
			say_opening(b, r);
	}
}

void view_say_rollout_clear(struct buf *b, enum block block, const struct engine_device *now)
{
	const struct rollout *r = &now->rollout;
	const char *product = now->product.name;

	if (block == BLOCK_ROLLOUT_PAUSED && now->target.state == RELEASE_WITHDRAWN)
		view_say(b, "its release is withdrawn for good: postbootctl rollout abort %s %s",
			 product, r->name);
	else if (block == BLOCK_ROLLOUT_PAUSED || r->state == ROLLOUT_HALTED)
		view_say(b,
			 "see postbootctl rollout show %s %s; then postbootctl rollout resume %s "
			 "%s, "
			 "or: postbootctl rollout abort %s %s",
			 product, r->name, product, r->name, product, r->name);
	else if (r->wait == WAIT_APPROVAL)
		view_say(b, "postbootctl rollout approve %s %s", product, r->name);
	else if (rollout_stops(r))
		view_say(b, "postbootctl rollout resume %s %s", product, r->name);
	else if (r->opened < r->wave_count && r->state != ROLLOUT_SCHEDULED)
		view_say(b, "wait for its wave, or: postbootctl rollout next %s %s", product,
			 r->name);
	else
		view_say(b, "wait until the rollout comes to it");
}

/* ---- the rollout itself ---- */

static void say_before_next(struct buf *b, const struct rollout *r, const struct wave_counts *c)
{
	char span[32];

	view_say(b,
		 "%lld of the %lld devices of wave %u are through; the next wave opens at %lld %%",
		 (long long)c->through, (long long)c->members, r->opened,
		 (long long)r->rules.complete_percent);
	if (r->rules.soak_s)
		view_say(b, " and a soak of %s", view_span(r->rules.soak_s * 1000, span));
	else
		view_say(b, ", without a soak");
}

/* Those that are away keep it from its end for a while; all of them, until somebody comes. */
static void say_before_end(struct buf *b, const struct rollout *r, const struct wave_counts *all)
{
	bool known = all->released > all->results[MEMBER_NONE] || all->out;
	char when[32];

	view_say(b, "all waves are open; %lld of %lld devices are through",
		 (long long)(all->through - all->away), (long long)all->members);
	if (!all->away)
		return;
	view_say(b, "; it waits for %lld that %s silent", (long long)all->away,
		 all->away == 1 ? "is" : "are");
	if (known)
		view_say(b, " until %s", view_when(rollout_waits_until(r), when));
	else
		view_say(b, ": nobody has come, so nothing is known");
}

static void say_running(struct buf *b, const struct engine_rollout *v)
{
	const struct rollout *r = &v->rollout;
	const struct wave_counts all = rollout_total(&v->counts, r->opened);
	const unsigned newest = r->opened ? r->opened - 1 : 0;
	const struct wave_counts *c = &v->counts.waves[newest];
	const int64_t soaked_ms = r->waves[newest].complete_ms + r->rules.soak_s * 1000;
	char when[32];

	if (!v->counted || !r->enlisted || r->opened == 0)
		view_say(b, "its members are being found");
	else if (all.released < all.members)
		view_say(b, "it releases wave %u: %lld of %lld devices are reached", r->opened,
			 (long long)all.released, (long long)all.members);
	else if (r->waves[newest].complete_ms)
		view_say(b, "wave %u is complete, and is watched until %s", r->opened,
			 view_when(soaked_ms, when));
	else if (r->opened < r->wave_count)
		say_before_next(b, r, c);
	else if (r->rules.join)
		view_say(b, "all are reached; it waits for devices that match later");
	else
		say_before_end(b, r, &all);
}

/* What had halted it when an operator ended it. */
static void say_halt_before(struct buf *b, const struct rollout *r)
{
	char when[32];

	if (r->why != HALT_NONE && r->ended_by[0])
		view_say(b, ", after it had halted at %s (%s)", view_when(r->halted_ms, when),
			 rollout_why_help(r->why));
}

/* What it has come to, and that it is over. */
static void say_done(struct buf *b, const struct engine_rollout *v)
{
	const struct wave_counts c = rollout_total(&v->counts, v->rollout.wave_count);
	const int64_t good = c.results[MEMBER_UPDATED] + c.results[MEMBER_CONVERGED] +
			     c.results[MEMBER_EXTERNAL];
	const int64_t open = c.released - good - wave_failures(&c);

	if (v->counted) {
		view_say(b, "%lld of %lld devices run the release", (long long)good,
			 (long long)c.members);
		if (wave_failures(&c))
			view_say(b, ", %lld failed", (long long)wave_failures(&c));
		if (open)
			view_say(b, ", %lld have no verdict", (long long)open);
		if (c.released < c.members)
			view_say(b, ", %lld were not reached", (long long)(c.members - c.released));
		view_say(b, "; ");
	}
	if (v->rollout.ended_by[0])
		view_say(b, "%s has finished it", v->rollout.ended_by);
	say_halt_before(b, &v->rollout);
	view_say(b, "%s%s", v->rollout.ended_by[0] ? ": " : "", rollout_state_help(ROLLOUT_DONE));
}

/* Whose word it was, or what made it end by itself. */
static void say_aborted(struct buf *b, const struct rollout *r)
{
	if (r->ended_by[0])
		view_say(b, "%s has aborted it", r->ended_by);
	else
		view_say(b, "it has halted and aborted itself: %s", rollout_why_help(r->why));
	say_halt_before(b, r);
	view_say(b, "; %s", rollout_state_help(ROLLOUT_ABORTED));
}

void view_say_rollout_stands(struct buf *b, const struct engine_rollout *v)
{
	const struct rollout *r = &v->rollout;
	char when[32];

	switch (r->state) {
	case ROLLOUT_SCHEDULED:
		view_say(b, "it begins at %s", view_when(r->start_at_ms, when));
		break;
	case ROLLOUT_WAITING:
		if (r->wait == WAIT_APPROVAL)
			view_say(b, "somebody else than %s must approve it", r->author);
		else
			view_say(b, "wave %u opens on an operator's word", r->opened + 1);
		break;
	case ROLLOUT_HALTED:
		view_say(b, "it has halted: %s", rollout_why_help(r->why));
		break;
	case ROLLOUT_RUNNING:
		say_running(b, v);
		break;
	case ROLLOUT_DONE:
		say_done(b, v);
		break;
	case ROLLOUT_ABORTED:
		say_aborted(b, r);
		break;
	case ROLLOUT_DRAFT:
	case ROLLOUT_PAUSED:
	case ROLLOUT_STATE_COUNT:
		view_say(b, "%s", rollout_state_help(r->state));
		break;
	}
}

static void say_command(struct buf *b, const struct engine_rollout *v, const char *verb)
{
	view_say(b, "postbootctl rollout %s %s %s", verb, v->product, v->rollout.name);
}

static void say_after_halt(struct buf *b, const struct engine_rollout *v)
{
	const struct rollout *r = &v->rollout;

	if (!v->version[0] || v->release_state == RELEASE_WITHDRAWN) {
		view_say(b, "its release is %s for good, so it cannot go on: ",
			 v->version[0] ? "withdrawn" : "gone");
		say_command(b, v, "abort");
		view_say(b, ", then bring another release: postbootctl rollout add %s VERSION",
			 v->product);
		return;
	}
	if (r->why == HALT_EMPTY) {
		say_command(b, v, "plan");
		view_say(b, " tells what it selects; to look again: ");
		say_command(b, v, "resume");
		view_say(b, "; else: ");
		say_command(b, v, "abort");
		return;
	}
	if (r->why != HALT_RELEASE) {
		say_command(b, v, "devices");
		view_say(b, " tells which; ");
	}
	view_say(b, "once the cause is clear: ");
	if (v->release_state == RELEASE_QUARANTINED)
		view_say(b, "postbootctl release activate %s %s, then ", v->product, v->version);
	say_command(b, v, "resume");
	view_say(b, "; to bring its devices back: ");
	say_command(b, v, "abort");
}

/* They go on trying, each by itself, until they are held. */
static void say_after_failures(struct buf *b, const struct engine_rollout *v)
{
	const struct wave_counts c = rollout_total(&v->counts, v->rollout.wave_count);

	if (!v->counted || !wave_failures(&c))
		return;
	say_command(b, v, "devices");
	view_say(b, " tells which failed; they try again by themselves; one that is held: "
		    "postbootctl device unhold ID");
}

void view_say_rollout_next(struct buf *b, const struct engine_rollout *v)
{
	const struct rollout *r = &v->rollout;

	switch (r->state) {
	case ROLLOUT_DRAFT:
	case ROLLOUT_SCHEDULED:
		say_command(b, v, "start");
		break;
	case ROLLOUT_WAITING:
		say_command(b, v, r->wait == WAIT_APPROVAL ? "approve" : "next");
		break;
	case ROLLOUT_PAUSED:
		say_command(b, v, "resume");
		break;
	case ROLLOUT_HALTED:
		say_after_halt(b, v);
		break;
	case ROLLOUT_RUNNING:
		if (r->opened == r->wave_count && r->rules.join)
			say_command(b, v, "finish");
		break;
	case ROLLOUT_DONE:
		say_after_failures(b, v);
		break;
	case ROLLOUT_ABORTED:
	case ROLLOUT_STATE_COUNT:
		break;
	}
}
