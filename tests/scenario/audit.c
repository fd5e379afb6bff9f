/* SPDX-License-Identifier: Apache-2.0
 *
 * The audit log of a scenario: its chain holds, it has a row for each act that changed
 * something, one for each success, and no other, and played back from its first row it gives the
 * catalogue and what operators set of the devices, as they are stored.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"

struct replay {
	struct scenario *s;
	json_t *objects; /* "device desk-1": its facts, as told so far */
	uint64_t last;
	uint64_t halts;	 /* that have quarantined a release */
	uint64_t proofs; /* rows of the service itself: each tells of one success */
};

/* Takes the facts of `before` away and puts those of `after` there. */
static void facts_apply(json_t *facts, const json_t *before, const json_t *after)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)before, key, value)
	{
		if (!json_is_object(value))
			(void)json_object_del(facts, key);
	}
	json_object_foreach((json_t *)(uintptr_t)after, key, value)
	{
		json_t *inner = json_object_get(facts, key);
		if (json_is_object(value) && json_is_object(inner))
			facts_apply(inner, json_object_get(before, key), value);
		else
			(void)json_object_set_new(facts, key, json_deep_copy(value));
	}
}

/* By hand; only a halt quarantines by itself. */
static bool is_known(const struct store_audit *what)
{
	static const char *const people[] = {"somebody", "alice", "bob"};

	for (size_t i = 0; i < sizeof(people) / sizeof(people[0]); i++)
		if (strcmp(what->who, people[i]) == 0)
			return true;
	return strcmp(what->act, "release quarantine") == 0 && strcmp(what->who, "postbootd") == 0;
}

static bool replay_row(void *ctx, const struct store_audit_row *row)
{
	struct replay *r = ctx;
	json_t *before = json_loads(row->what.before, 0, NULL);
	json_t *after = json_loads(row->what.after, 0, NULL);
	char name[256];

	r->last = row->seq;
	if (strcmp(row->what.act, "update proved") == 0) {
		r->proofs++;
		if (strcmp(row->what.who, "postbootd") != 0 || before || !after)
			fail(r->s, "audit: row %llu does not tell a proof",
			     (unsigned long long)row->seq);
		json_decref(before);
		json_decref(after);
		return true;
	}
	if (strcmp(row->what.who, "postbootd") == 0) { /* a halt, which says its cause, too */
		r->halts++;
		(void)json_object_del(after, "rollout");
		(void)json_object_del(after, "devices");
		(void)json_object_del(after, "why");
	}
	(void)snprintf(name, sizeof(name), "%.*s %s", (int)strcspn(row->what.act, " "),
		       row->what.act, row->what.object);
	if (strncmp(row->what.act, "attempt ", 8) == 0) {
		/* history, not a thing of the catalogue */
	} else if (strstr(row->what.act, " add")) {
		if (json_object_get(r->objects, name) || before || !after)
			fail(r->s, "audit: %s is there already", name);
		(void)json_object_set(r->objects, name, after);
	} else if (strstr(row->what.act, " remove")) {
		if (json_object_del(r->objects, name) || !before || after)
			fail(r->s, "audit: %s was not there", name);
	} else {
		json_t *facts = json_object_get(r->objects, name);
		if (!facts || !before || !after)
			fail(r->s, "audit: %s of nothing: %s", row->what.act, name);
		facts_apply(facts, before, after);
	}
	if (!is_known(&row->what))
		fail(r->s, "audit: row %llu is by %s", (unsigned long long)row->seq, row->what.who);
	json_decref(before);
	json_decref(after);
	return true;
}

/* Only `keys` of the facts, if there are any. */
static void expect_facts(struct replay *r, const char *kind, const char *name, json_t *is,
			 const char *const *keys)
{
	char object[256];

	(void)snprintf(object, sizeof(object), "%s %s", kind, name);
	json_t *told = json_object_get(r->objects, object);
	bool same = told && !keys && json_equal(told, is);
	for (size_t i = 0; told && keys && keys[i]; i++) {
		json_t *a = json_object_get(told, keys[i]), *b = json_object_get(is, keys[i]);
		same = (!a && !b) || json_equal(a, b);
		if (!same)
			break;
	}
	if (!same) {
		char *a = json_dumps(told, JSON_COMPACT | JSON_ENCODE_ANY);
		char *b = json_dumps(is, JSON_COMPACT);
		fail(r->s, "audit: %s is %s, its rows tell %s", object, b, a ? a : "nothing");
		free(a);
		free(b);
	}
	(void)json_object_del(r->objects, object);
	json_decref(is);
}

static bool replay_device(void *ctx, const struct device *d)
{
	static const char *const keys[] = {"product", "plain",	 "lock",      "force",
					   "group",   "windows", "time_zone", NULL};
	struct replay *r = ctx;

	expect_facts(r, "device", d->id, audit_device(r->s->engine, d, NULL), keys);
	return true;
}

/* What a rollout does by itself is not told by its acts. */
static void replay_plans(struct replay *r)
{
	static const char *const keys[] = {"release", "author",	  "approver",
					   "waves",   "settings", NULL};
	struct engine *e = r->s->engine;
	struct engine_rollout v;
	char name[160];

	for (size_t i = 0; engine_rollout_at(e, i, &v); i++) {
		(void)snprintf(name, sizeof(name), "%s %s", v.product, v.rollout.name);
		expect_facts(r, "rollout", name, audit_rollout(e, &v.rollout), keys);
	}
}

static void replay_compare(struct replay *r)
{
	struct engine *e = r->s->engine;
	const char *left;
	json_t *value;

	for (size_t i = 0; i < e->release_count; i++) {
		const struct release *rel = e->releases[i];
		char name[160];
		(void)snprintf(name, sizeof(name), "%s %s", catalog_product(e, rel->product)->name,
			       rel->version);
		expect_facts(r, "release", name, audit_release(rel), NULL);
	}
	for (size_t i = 0; i < e->group_count; i++) {
		const struct device_group *g = &e->groups[i]->group;
		char name[160];
		(void)snprintf(name, sizeof(name), "%s %s", catalog_product(e, g->product)->name,
			       g->name);
		expect_facts(r, "group", name, audit_group(e, g), NULL);
	}
	for (size_t i = 0; i < e->product_count; i++)
		expect_facts(r, "product", e->products[i]->name, audit_product(e, e->products[i]),
			     NULL);
	replay_plans(r);
	if (store_devices(r->s->store, 0, "", 1000, replay_device, r))
		fail(r->s, "devices cannot be read");
	json_object_foreach(r->objects, left, value)
	{
		fail(r->s, "audit: its rows tell of %s, which is not there", left);
	}
}

uint64_t audit_rows(struct scenario *s)
{
	struct store_audit_check check = {0};

	while (!check.done)
		if (store_audit_check(s->store, 7, &check)) {
			fail(s, "the audit log cannot be read");
			break;
		}
	if (check.bad)
		fail(s, "audit: %s", check.why);
	return check.at.seq;
}

void expect_audit(struct scenario *s)
{
	uint64_t rows = audit_rows(s);
	struct replay r = {.s = s, .objects = json_object()};
	struct store_counts counts = {0};
	uint64_t before;

	do {
		before = r.last;
		if (store_audits(s->store, "", r.last, 100, replay_row, &r))
			fail(s, "the audit log cannot be read");
	} while (r.last != before);
	rows -= r.proofs + r.halts;
	/* What was begun and never answered, because of a crash, may have been done. */
	if (rows < s->acts_done || rows > s->acts_done + (s->acts - s->acts_told))
		fail(s, "audit: %llu rows of %u acts", (unsigned long long)rows, s->acts_done);
	if (store_counts(s->store, &counts) || counts.updated != r.proofs)
		fail(s, "audit: %llu proofs of %llu successes", (unsigned long long)r.proofs,
		     (unsigned long long)counts.updated);
	replay_compare(&r);
	json_decref(r.objects);
}
