/* SPDX-License-Identifier: Apache-2.0
 *
 * Rollouts, and the targets that they compete with.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"

/* By "somebody", or by=NAME. */
static const struct actor *who(struct scenario *s)
{
	static struct actor actor;

	actor = (struct actor){.uid = 1000, .pid = 1, .name = "somebody"};
	if (value_of("by"))
		(void)buf_copy_str(actor.name, sizeof(actor.name), value_of("by"));
	s->acts++;
	return &actor;
}

static void do_add(struct scenario *s)
{
	const struct product *p = catalog_product_named(s->engine, word(1));
	const struct release *release = p ? catalog_release_named(s->engine, p->id, word(3)) : NULL;
	struct rollout r = {.product = p ? p->id : 0, .release = release ? release->id : 0};
	const char *why;

	(void)buf_copy_str(r.name, sizeof(r.name), word(2));
	for (char *c = word(4); *c; c++)
		*c = *c == 'P' ? '%' : *c;
	if (rollout_waves_parse(&r, word(4), &why)) {
		fail(s, "%s: %s", word(4), why);
		return;
	}
	rollout_defaults(&r);
	for (unsigned i = 5; i < word_total(); i++) {
		char name[40] = "";
		size_t len = strcspn(word(i), "=");
		memcpy(name, word(i), len < sizeof(name) ? len : 0);
		const struct rollout_rule *rule = rollout_rule_find(name);
		if (!rule || rollout_rule_set(&r.rules, rule, strtoll(word(i) + len + 1, NULL, 0)))
			fail(s, "%s is no setting of a rollout", word(i));
	}
	engine_rollout_add(s->engine, who(s), &r, act_done, s);
}

/* ROLL PRODUCT ROLLOUT ACT [by=NAME] [yes=1] */
static void do_act(struct scenario *s)
{
	if (strcmp(word(3), "remove") == 0) {
		while (!s->engine->roster.ready) /* as its timer does in time */
			engine_roster_step(&s->engine->roster.timer);
		engine_rollout_remove(s->engine, who(s), word(1), word(2), value_of("yes") != NULL,
				      act_done, s);
		return;
	}
	for (unsigned c = 0; c <= ROLLOUT_ABORT; c++) {
		if (strcmp(rollout_cause_name((enum rollout_cause)c), word(3)) != 0)
			continue;
		engine_rollout_act(s->engine, who(s), word(1), word(2), (enum rollout_cause)c,
				   act_done, s);
		return;
	}
	fail(s, "%s is no act", word(3));
}

bool run_rollout(struct scenario *s, const char *verb)
{
	struct group_name g = {.product = word(1), .group = word(2)};

	if (strcmp(verb, "ROLLOUT") == 0)
		do_add(s);
	else if (strcmp(verb, "ROLL") == 0)
		do_act(s);
	else if (strcmp(verb, "GROUP-TARGET") == 0)
		engine_group_target(s->engine, who(s), &g, strcmp(word(3), "none") ? word(3) : "",
				    act_done, s);
	else
		return false;
	return true;
}

/* ---- what is expected ---- */

void expect_rollout(struct scenario *s)
{
	struct engine_rollout v;

	if (engine_rollout(s->engine, word(1), word(2), &v)) {
		fail(s, "no rollout %s", word(2));
		return;
	}
	const struct rollout *r = &v.rollout;
	const struct wave_counts all = rollout_total(&v.counts, r->wave_count);
	const struct expected list[] = {
		{"state", rollout_state_name(r->state), 0},
		{"wait", rollout_wait_name(r->wait), 0},
		{"why", rollout_why_name(r->why), 0},
		{"opened", NULL, r->opened},
		{"members", NULL, v.members},
		{"reached", NULL, all.released},
		{"through", NULL, all.through},
		{"away", NULL, all.away},
		{"left", NULL, v.left},
		{"ended-by", r->ended_by[0] ? r->ended_by : "none", 0},
		{"updated", NULL, all.results[MEMBER_UPDATED]},
		{"converged", NULL, all.results[MEMBER_CONVERGED]},
		{"failed", NULL, all.results[MEMBER_FAILED]},
		{"reverted", NULL, all.results[MEMBER_REVERTED]},
	};
	expect_values(s, list, sizeof(list) / sizeof(list[0]), 3);
}

/* EXPECT-TARGET DEVICE VERSION|none WHY */
void expect_target(struct scenario *s)
{
	struct engine_device v;

	if (engine_device(s->engine, word(1), &v)) {
		fail(s, "no device %s", word(1));
		return;
	}
	const struct expected list[] = {{"version", v.has_target ? v.target.version : "none", 0},
					{"why", target_why_name(v.why), 0}};
	expect_values(s, list, sizeof(list) / sizeof(list[0]), 2);
}

/* The counters are what the rows are. */
struct recount {
	const struct rollout *r;
	struct rollout_counts counts;
	int64_t members;
};

static bool recount_row(void *ctx, const struct device *d)
{
	struct recount *c = ctx;
	struct member_facts m = member_facts(d, c->r->id);

	wave_count(&c->counts.waves[rollout_wave_of(c->r, d->rollout_place)], &m,
		   d->rollout_place < c->r->reached, 1);
	c->members++;
	return true;
}

static void recount_left(void *ctx, unsigned wave, bool released, const struct member_facts *m,
			 int64_t members)
{
	struct recount *c = ctx;

	wave_count(&c->counts.waves[wave], m, released, members);
	c->members += members;
}

void expect_recount(struct scenario *s)
{
	struct engine_rollout v;

	for (size_t i = 0; engine_rollout_at(s->engine, i, &v); i++) {
		struct recount c = {.r = &v.rollout};
		if (!v.counted || !v.rollout.enlisted)
			continue;
		if (store_members(s->store, v.rollout.id, 0, ROLLOUT_PLACE_END, 1000, recount_row,
				  &c) ||
		    store_rollout_left(s->store, v.rollout.id, recount_left, &c))
			fail(s, "members cannot be read");
		else if (c.members != v.members ||
			 memcmp(&c.counts, &v.counts, sizeof(c.counts)) != 0)
			fail(s, "rollout %s counts what its rows do not", v.rollout.name);
	}
}
