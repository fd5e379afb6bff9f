/* SPDX-License-Identifier: Apache-2.0
 *
 * What a rollout of the fleet simulation has come to: rows, counters, devices and words agree.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/view.h"
#include "fleet.h"

enum { PAGE = 1000, SAMPLE = 3, TRIES = 16 };

struct judging {
	struct engine_rollout v;
	char release;
	bool bad;
	struct rollout_counts counts; /* again, from the rows */
	int64_t after;
	unsigned rows, page_rows;
	unsigned reached, told, unexplained, believed, wrong, open, updated, explained, misled,
		shown, sample[KINDS + 2];
	unsigned by_verdict[VERDICT_COUNT];
};

static struct unit *unit_of_row(const struct device *d)
{
	return &w.units[strtoul(d->id + strlen("unit-"), NULL, 10)];
}

/* ---- its attempts of this rollout ---- */

struct tries {
	int64_t rollout;
	unsigned count, updated;
	bool open;
	enum verdict newest;
};

static bool take_try(void *ctx, const struct attempt *a)
{
	struct tries *t = ctx;

	if (a->rollout != t->rollout)
		return true;
	if (!t->count++) /* newest first */
		t->newest = a->verdict;
	t->updated += a->verdict == VERDICT_UPDATED;
	t->open |= a->state != ATTEMPT_CLOSED || a->verdict == VERDICT_NONE;
	return true;
}

static bool fits(enum kind k, enum verdict v)
{
	switch (k) {
	case HONEST:
		return v == VERDICT_UPDATED;
	case FLAKY:
		return v == VERDICT_UPDATED || v == VERDICT_DEVICE_FAILED;
	case REVERTS:
		return v == VERDICT_REVERTED;
	case DIES:
		return v == VERDICT_NEVER_CAME_BACK;
	case NO_REBOOT:
		return v == VERDICT_NEVER_REBOOTED;
	case OTHER_IMAGE:
		return v == VERDICT_DIGEST_MISMATCH;
	case NO_PROOF:
		return v == VERDICT_UNPROVEN;
	case KINDS:
		break;
	}
	return false;
}

static enum member result_of(enum verdict v)
{
	return v == VERDICT_UPDATED    ? MEMBER_UPDATED
	       : v == VERDICT_REVERTED ? MEMBER_REVERTED
				       : MEMBER_FAILED;
}

/* ---- explain ---- */

static bool has_text(const json_t *o, const char *key, const char *text)
{
	const char *found = json_string_value(json_object_get(o, key));

	return found && strstr(found, text);
}

static bool has_block(const json_t *o, const char *word)
{
	size_t i;
	const json_t *b;

	json_array_foreach(json_object_get(o, "blocked_by"), i,
			   b) if (has_text(b, "name", word)) return true;
	return false;
}

/* What its story says, by what it did; of one without an attempt, by what keeps it. */
static bool tells(const struct judging *j, const json_t *o, const struct device *d, enum kind kind,
		  bool told)
{
	static const char *const says[KINDS] = {
		[HONEST] = "as it should",
		[REVERTS] = "it took the image, restarted, and runs the old one",
		[DIES] = "never-came-back: it went silent",
		[NO_REBOOT] = "not believed before a reboot",
		[OTHER_IMAGE] = "but not the image that was released as",
		[NO_PROOF] = "it may run the new image, but the proof is incomplete",
		[FLAKY] = "as it should",
	};

	if (told)
		return has_text(o, "summary", says[kind]);
	if (!j->bad)
		return has_block(o, "held") || has_block(o, "offline");
	if (d->rollout_place >= j->v.rollout.reached)
		return has_block(o, "wave-not-reached") &&
		       has_text(o, "summary", "its rollout has not come to it yet");
	return has_block(o, "rollout-paused") && has_text(o, "summary", "it should run ");
}

static bool explained(const struct judging *j, const struct device *d, bool told)
{
	struct engine_device now;
	struct attempt last;
	struct diagnoses dg = {0};
	struct view_device view = {.now = &now};

	if (engine_device(w.engine, d->id, &now))
		abort();
	if (now.device.last_attempt) {
		if (store_attempt(w.store, now.device.last_attempt, &last) ||
		    store_diagnoses(w.store, last.id, &dg) ||
		    store_history(w.store, d->id, last.sha256, now.device.fail_mark, &view.history))
			abort();
		view.has_last = true;
		view.last = &last;
		view.last_diagnoses = &dg;
	}
	json_t *o = view_explain(&view, fake_wall_ms);
	bool good = tells(j, o, d, kind_for(unit_of_row(d), j->release), told) &&
		    json_array_size(json_object_get(o, "next_steps")) > 0;
	if (!good) {
		char *text = json_dumps(o, JSON_COMPACT);
		printf("# %s: %s\n", d->id, text);
		free(text);
	}
	json_decref(o);
	return good;
}

/* ---- members ---- */

static void judge_member(struct judging *j, const struct device *d)
{
	const struct unit *u = unit_of_row(d);
	const enum kind kind = kind_for(u, j->release);
	const struct rollout *r = &j->v.rollout;
	const bool released = d->rollout_place < r->reached;
	struct member_facts m = member_facts(d, r->id);
	struct tries t = {.rollout = r->id};

	wave_count(&j->counts.waves[rollout_wave_of(r, d->rollout_place)], &m, released, 1);
	if (store_attempts(w.store, d->id, false, 0, TRIES, take_try, &t))
		abort();
	j->reached += released;
	j->told += t.count > 0;
	j->open += t.open;
	j->updated += t.updated;
	j->believed += lies(kind) &&
		       (t.updated || m.result == MEMBER_UPDATED || m.result == MEMBER_CONVERGED);
	if (t.count) {
		j->by_verdict[t.newest]++;
		j->wrong += !released || !fits(kind, t.newest) || m.result != result_of(t.newest) ||
			    (t.newest == VERDICT_UPDATED && u->runs != j->release);
	} else {
		struct engine_device now;
		if (engine_device(w.engine, d->id, &now))
			abort();
		j->wrong += m.result != MEMBER_NONE;
		j->unexplained += !now.plan.blocked;
	}
	if (j->wrong > j->shown && j->shown++ < 5)
		printf("# %s: kind %d runs %c; %u attempts, newest %s; %s\n", d->id, (int)kind,
		       u->runs, t.count, verdict_name(t.newest), member_name(m.result));
	unsigned which = t.count ? (unsigned)kind : released ? KINDS : KINDS + 1;
	if (j->sample[which]++ < SAMPLE) {
		j->explained++;
		j->misled += !explained(j, d, t.count > 0);
	}
}

static bool take_member(void *ctx, const struct device *d)
{
	struct judging *j = ctx;

	j->page_rows++;
	j->after = d->rollout_place + 1;
	judge_member(j, d);
	return true;
}

void judge_rollout(const char *name, char release, bool bad)
{
	struct judging *j = calloc(1, sizeof(*j));

	if (!j || engine_rollout(w.engine, "p", name, &j->v))
		abort();
	j->release = release;
	j->bad = bad;
	do {
		j->page_rows = 0;
		if (store_members(w.store, j->v.rollout.id, j->after, ROLLOUT_PLACE_END, PAGE,
				  take_member, j))
			abort();
		j->rows += j->page_rows;
	} while (j->page_rows == PAGE);
	const struct rollout *r = &j->v.rollout;
	const struct wave_counts all = rollout_total(&j->v.counts, r->wave_count);
	expect(bad ? r->state == ROLLOUT_HALTED && r->why == HALT_FAILURES && r->opened == 1
		   : r->state == ROLLOUT_DONE && r->opened == r->wave_count &&
			       j->reached == w.conf.count,
	       "%s %s in wave %u of %u, after %lld min", rollout_state_name(r->state),
	       rollout_why_name(r->why), r->opened, r->wave_count,
	       (long long)(r->state_ms - r->started_ms) / 60000);
	expect(j->rows == w.conf.count && j->believed == 0 &&
		       j->updated == (unsigned)all.results[MEMBER_UPDATED],
	       "%u members, %u reached, %u told, %u updated; no liar was believed", j->rows,
	       j->reached, j->told, j->updated);
	expect(j->wrong == 0 && j->open == 0, "each has the verdict that it earned");
	for (int v = 0; v < VERDICT_COUNT; v++)
		if (j->by_verdict[v])
			printf("# %s: %u\n", verdict_name((enum verdict)v), j->by_verdict[v]);
	expect(j->unexplained == 0, "of the %u others each tells what it waits for",
	       j->rows - j->told);
	expect(j->misled == 0 && j->explained >= 2 * SAMPLE, "of %u the story is told right",
	       j->explained);
	expect(memcmp(&j->counts, &j->v.counts, sizeof(j->counts)) == 0 && j->v.counted &&
		       j->v.members == j->rows,
	       "the counters are what the rows are");
	free(j);
}
