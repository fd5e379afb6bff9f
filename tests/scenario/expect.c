/* SPDX-License-Identifier: Apache-2.0
 *
 * What is expected of answers, rows and events.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/plan.h"
#include "scenario.h"
#include "wire/cbor.h"

static void expect_text(struct scenario *s, const char *what, const char *got, const char *want)
{
	if (strcmp(got, want) != 0)
		fail(s, "%s is %s, expected %s", what, got, want);
}

static void do_expect(struct scenario *s)
{
	char got[32] = "none";

	if (fake_reply.given)
		(void)snprintf(got, sizeof(got), "%u.%02u", (unsigned)fake_reply.code >> 5,
			       (unsigned)fake_reply.code & 31u);
	expect_text(s, "answer", got, word(1));
	if (word_total() > 2) { /* EXPECT 5.03 MAX-AGE */
		char age[32];
		(void)snprintf(age, sizeof(age), "%lld", (long long)fake_reply.max_age_s);
		expect_text(s, "Max-Age", age, word(2));
	}
	if (strcmp(got, word(1)) != 0)
		printf("#   payload: %.*s\n", (int)fake_reply.len,
		       (const char *)fake_reply.payload);
}

/* EXPECT-KEYS ID CURRENT|none NEXT|none: by their letters. */
static void do_expect_keys(struct scenario *s)
{
	struct store_key keys[KEY_SLOTS];
	unsigned count = 0;
	char got[2][24] = {"none", "none"};

	if (store_keys(s->store, word(1), keys, &count))
		fail(s, "the keys cannot be read");
	for (unsigned i = 0; i < count; i++)
		(void)snprintf(got[keys[i].slot], sizeof(got[0]), "%.*s",
			       (int)strcspn((char *)keys[i].value, "-"), (char *)keys[i].value);
	expect_text(s, "the current key", got[KEY_CURRENT], word(2));
	expect_text(s, "the next key", got[KEY_NEXT], word(3));
}

static void do_expect_directive(struct scenario *s)
{
	static const char *const actions[] = {"none", "pending", "update"};
	struct wire_msg msg;
	struct directive v = {.retry_after_s = -1, .next_check_in_s = -1};

	if (wire_cbor_decode((struct bytes){fake_reply.payload, fake_reply.len}, &msg)) {
		fail(s, "no directive: %s", msg.fault.text);
		return;
	}
	WIRE_EACH(n, &msg)
	{
		if (n->key == 0)
			v.action = (enum directive_action)n->number;
		else if (n->key == 1)
			v.attempt = n->number;
		else if (n->key == 2)
			memcpy(v.version, n->bytes.ptr, n->bytes.len);
		else if (n->key == 6)
			v.flags = (unsigned)n->number;
		else if (n->key == 7)
			v.retry_after_s = (int64_t)n->number;
		else if (n->key == 8)
			v.next_check_in_s = (int64_t)n->number;
		else if (n->key == 9)
			v.window = (unsigned)n->number;
	}
	expect_text(s, "directive", actions[v.action], word(1));
	if (value_of("version"))
		expect_text(s, "version", v.version, value_of("version"));
	if (number_of("fresh", v.flags & 1) != (v.flags & 1))
		fail(s, "fresh is %u", v.flags & 1);
	if (number_of("force", (v.flags & 2) / 2) != (v.flags & 2) / 2)
		fail(s, "force is %u", (v.flags & 2) / 2);
	if (number_of("window", v.window) != v.window)
		fail(s, "window is %u", v.window);
	bool soon = v.next_check_in_s > 0 && v.next_check_in_s <= 60;
	if (number_of("soon", soon) != soon)
		fail(s, "next check-in is %lld", (long long)v.next_check_in_s);
	if (number_of("later", v.retry_after_s > 0) != (v.retry_after_s > 0))
		fail(s, "retry-after is %lld", (long long)v.retry_after_s);
}

static bool collect_event(void *ctx, const struct store_event_row *e)
{
	struct scenario *s = ctx;
	size_t used = strlen(s->events);

	if (e->seq != s->events_seen + 1)
		fail(s, "gap in the event sequence at %llu", (unsigned long long)e->seq);
	s->events_seen = e->seq;
	if (strcmp(e->topic, "device/online") == 0 || strcmp(e->topic, "device/offline") == 0)
		return true;
	(void)snprintf(s->events + used, sizeof(s->events) - used, "%s%s%s%s", used ? " " : "",
		       e->topic, e->data[0] ? ":" : "", e->data);
	return true;
}

static void do_expect_events(struct scenario *s)
{
	char want[sizeof(s->events)] = "";

	s->events[0] = 0;
	if (store_events(s->store, s->events_seen, "", 1000, collect_event, s))
		fail(s, "events cannot be read");
	for (unsigned i = 1; i < word_total(); i++) {
		(void)strncat(want, i > 1 ? " " : "", sizeof(want) - strlen(want) - 1);
		(void)strncat(want, word(i), sizeof(want) - strlen(want) - 1);
	}
	expect_text(s, "event list", s->events, want);
}

static void expect_value(struct scenario *s, const struct expected *list, unsigned count,
			 const char *wanted)
{
	char got[80];
	size_t len = strcspn(wanted, "=");

	for (unsigned i = 0; i < count; i++) {
		if (strlen(list[i].key) != len || strncmp(list[i].key, wanted, len) != 0)
			continue;
		(void)snprintf(got, sizeof(got), "%lld", (long long)list[i].number);
		expect_text(s, list[i].key, list[i].text ? list[i].text : got,
			    wanted[len] ? wanted + len + 1 : "");
		return;
	}
	fail(s, "%s: no such key", wanted);
}

void expect_values(struct scenario *s, const struct expected *list, unsigned count, unsigned first)
{
	for (unsigned i = first; i < word_total(); i++)
		expect_value(s, list, count, word(i));
}

static void expect_attempt(struct scenario *s, const struct attempt *a)
{
	const struct expected list[] = {
		{"state", attempt_state_name(a->state), 0},
		{"verdict", verdict_name(a->verdict), 0},
		{"grade", grade_name(a->grade), 0},
		{"via", via_name(a->via), 0},
		{"reason", reason_name(a->reason), 0},
		{"version", a->version, 0},
		{"detail", a->detail, 0},
		{"code", NULL, a->code},
		{"charged", NULL, a->charged},
		{"interruptions", NULL, a->interruptions},
		{"served", NULL, a->served_bytes},
		{"fresh", NULL, a->fresh},
		{"started", NULL, a->started},
		{"cancel", NULL, a->cancel_requested},
		{"required", NULL, a->required},
		{"evidence", NULL, a->evidence},
		{"applied", NULL, a->rung_ms[RUNG_APPLYING] != 0},
		{"extended_s", NULL, a->extended_ms / 1000},
		{"stall_s", NULL, (a->stall_at_ms - fake_wall_ms) / 1000},
		{"total_s", NULL, (a->total_at_ms - fake_wall_ms) / 1000},
	};

	for (unsigned i = 2; i < word_total(); i++)
		expect_value(s, list, sizeof(list) / sizeof(list[0]), word(i));
}

static void expect_device(struct scenario *s, const struct device *d)
{
	const struct release *lock = catalog_release(s->engine, d->lock);
	const struct expected list[] = {
		{"hold", hold_name(d->hold), 0},      {"disabled", NULL, d->disabled_ms != 0},
		{"certificate", NULL, d->certified},  {"plain", NULL, d->plain},
		{"version", d->report.version, 0},    {"lock", lock ? lock->version : "none", 0},
		{"protocol", d->protocol, 0},	      {"boot", NULL, d->boots.seq},
		{"open", NULL, d->attempt != 0},      {"drifted", NULL, d->drifted},
		{"online", NULL, d->online},	      {"force", NULL, d->force},
		{"pending", NULL, d->pending_told},   {"resets", NULL, d->resets},
		{"unclean", NULL, d->unclean_resets}, {"backoff", NULL, d->backoff_count},
	};

	for (unsigned i = 2; i < word_total(); i++)
		expect_value(s, list, sizeof(list) / sizeof(list[0]), word(i));
}

static void do_expect_values(struct scenario *s, bool attempt)
{
	struct device d;
	struct attempt a;

	if (store_device(s->store, word(1), &d))
		fail(s, "no device %s", word(1));
	else if (!attempt)
		expect_device(s, &d);
	else if (store_attempt(s->store, d.attempt ? d.attempt : d.last_attempt, &a))
		fail(s, "no attempt");
	else
		expect_attempt(s, &a);
}

/* The attempt that the unit was last told of; its device may be gone. */
static void do_expect_told(struct scenario *s)
{
	struct attempt a;

	if (store_attempt(s->store, unit_of(s, word(1))->attempt, &a))
		fail(s, "no attempt");
	else
		expect_attempt(s, &a);
}

struct count {
	uint64_t after;
	const char *topic;
	unsigned found;
};

static bool count_event(void *ctx, const struct store_event_row *e)
{
	struct count *c = ctx;
	char name[160];

	(void)snprintf(name, sizeof(name), "%s%s%s", e->topic, e->data[0] ? ":" : "", e->data);
	c->found += strcmp(name, c->topic) == 0;
	c->after = e->seq;
	return true;
}

/* Of all events so far. */
static void do_expect_count(struct scenario *s)
{
	struct count c = {.topic = word(1)};
	char got[16];
	uint64_t before;

	do {
		before = c.after;
		if (store_events(s->store, c.after, "", 1000, count_event, &c))
			fail(s, "events cannot be read");
	} while (c.after != before);
	(void)snprintf(got, sizeof(got), "%u", c.found);
	expect_text(s, word(1), got, word(2));
}

static void join_words(unsigned first, char *want, size_t cap)
{
	want[0] = 0;
	for (unsigned i = first; i < word_total(); i++) {
		(void)strncat(want, i > first ? " " : "", cap - strlen(want) - 1);
		(void)strncat(want, word(i), cap - strlen(want) - 1);
	}
}

static void do_expect_diagnoses(struct scenario *s)
{
	struct device d;
	struct diagnoses dg = {0};
	char got[512] = "", want[512];

	if (store_device(s->store, word(1), &d) || store_diagnoses(s->store, d.last_attempt, &dg)) {
		fail(s, "no diagnoses");
		return;
	}
	for (unsigned i = 0; i < dg.count; i++) {
		(void)strncat(got, i ? " " : "", sizeof(got) - strlen(got) - 1);
		(void)strncat(got, diagnosis_name(dg.list[i].kind), sizeof(got) - strlen(got) - 1);
	}
	join_words(2, want, sizeof(want));
	expect_text(s, "diagnoses", got, want);
}

static void do_expect_blocked(struct scenario *s)
{
	struct engine_device v;
	char got[512] = "", want[512];

	if (engine_device(s->engine, word(1), &v)) {
		fail(s, "no device");
		return;
	}
	for (unsigned b = 0; b < BLOCK_COUNT; b++) {
		if (!(v.plan.blocked & 1u << b))
			continue;
		(void)strncat(got, got[0] ? " " : "", sizeof(got) - strlen(got) - 1);
		(void)strncat(got, block_name((enum block)b), sizeof(got) - strlen(got) - 1);
	}
	join_words(2, want, sizeof(want));
	expect_text(s, "blocked", got, want);
}

/* EXPECT-OPENS device seconds [whose windows] [whose clock]; 0: open now */
static void do_expect_opens(struct scenario *s)
{
	struct engine_device now;
	char got[24];

	if (engine_device(s->engine, word(1), &now)) {
		fail(s, "no device %s", word(1));
		return;
	}
	struct site site = site_of(&now.device, &now.product, now.has_group ? &now.group : NULL);
	(void)snprintf(got, sizeof(got), "%lld",
		       now.window.open ? 0LL
				       : (long long)(now.window.opens_ms - fake_wall_ms) / 1000);
	expect_text(s, "opens", got, word(2));
	if (word_total() > 3)
		expect_text(s, "windows of", site_from_name(site.windows_from), word(3));
	if (word_total() > 4)
		expect_text(s, "clock of", site_from_name(site.time_zone_from), word(4));
}

static void do_expect_downloads(struct scenario *s)
{
	struct engine_stats st;

	engine_stats(s->engine, &st);
	const struct expected list[] = {
		{"tokens", NULL, (int64_t)st.downloads_limit},
		{"active", NULL, (int64_t)st.downloads},
		{"waiting", NULL, (int64_t)st.downloads_waiting},
		{"away", NULL, (int64_t)st.turned_away},
		{"unnamed", NULL, (int64_t)st.turned_away_unnamed},
		{"oldest_s", NULL, st.downloads_oldest_wait_ms / 1000},
		{"known", NULL, s->engine->admitter.turn_count},
	};
	for (unsigned i = 1; i < word_total(); i++)
		expect_value(s, list, sizeof(list) / sizeof(list[0]), word(i));
}

/* EXPECT-GROUP product name key=value... */
static void do_expect_group(struct scenario *s)
{
	const struct engine_group *g = engine_group_named(s->engine, word(1), word(2));
	struct engine_group_load load;

	if (!g) {
		fail(s, "no group %s", word(2));
		return;
	}
	engine_group_load(g, &load);
	const struct expected list[] = {
		{"limit", NULL, (int64_t)load.limit},
		{"active", NULL, (int64_t)load.downloads},
		{"waiting", NULL, (int64_t)load.waiting},
	};
	for (unsigned i = 3; i < word_total(); i++)
		expect_value(s, list, sizeof(list) / sizeof(list[0]), word(i));
}

static void do_expect_session(struct scenario *s, bool rings)
{
	const struct net_peer *peer = session_peek(s, word(1));
	char got[24];

	(void)snprintf(got, sizeof(got), "%u", rings ? peer->rings : peer->closed);
	expect_text(s, rings ? "rings" : "closed", got, word(2));
}

static void do_expect_answers(struct scenario *s)
{
	char want[256];

	join_words(1, want, sizeof(want));
	expect_text(s, "answers", fake_reply.codes, want);
	fake_reply.codes[0] = 0;
}

static void do_expect_no_device(struct scenario *s)
{
	struct device d;

	if (store_device(s->store, word(1), &d) != ERR_NOENT)
		fail(s, "device %s is there", word(1));
}

static void do_expect_audit(struct scenario *s)
{
	char got[24];

	(void)snprintf(got, sizeof(got), "%llu", (unsigned long long)audit_rows(s));
	expect_text(s, "rows of the audit log", got, word(1));
}

bool run_expect(struct scenario *s, const char *verb)
{
	if (strcmp(verb, "EXPECT") == 0)
		do_expect(s);
	else if (strcmp(verb, "EXPECT-ACT") == 0)
		expect_text(s, "act",
			    s->act_err	       ? err_word(s->act_err)
			    : s->act_unchanged ? "unchanged"
					       : "0",
			    word(1));
	else if (strcmp(verb, "EXPECT-AUDIT") == 0)
		do_expect_audit(s);
	else if (strcmp(verb, "EXPECT-DIRECTIVE") == 0)
		do_expect_directive(s);
	else if (strcmp(verb, "EXPECT-EVENTS") == 0)
		do_expect_events(s);
	else if (strcmp(verb, "EXPECT-COUNT") == 0)
		do_expect_count(s);
	else if (strcmp(verb, "EXPECT-ATTEMPT") == 0)
		do_expect_values(s, true);
	else if (strcmp(verb, "EXPECT-TOLD") == 0)
		do_expect_told(s);
	else if (strcmp(verb, "EXPECT-KEYS") == 0)
		do_expect_keys(s);
	else if (strcmp(verb, "EXPECT-DEVICE") == 0)
		do_expect_values(s, false);
	else if (strcmp(verb, "EXPECT-NO-DEVICE") == 0)
		do_expect_no_device(s);
	else if (strcmp(verb, "EXPECT-DIAGNOSES") == 0)
		do_expect_diagnoses(s);
	else if (strcmp(verb, "EXPECT-BLOCKED") == 0)
		do_expect_blocked(s);
	else if (strcmp(verb, "EXPECT-OPENS") == 0)
		do_expect_opens(s);
	else if (strcmp(verb, "EXPECT-GROUP") == 0)
		do_expect_group(s);
	else if (strcmp(verb, "EXPECT-DOWNLOADS") == 0)
		do_expect_downloads(s);
	else if (strcmp(verb, "EXPECT-ROLLOUT") == 0)
		expect_rollout(s);
	else if (strcmp(verb, "EXPECT-TARGET") == 0)
		expect_target(s);
	else if (strcmp(verb, "EXPECT-ANSWERS") == 0)
		do_expect_answers(s);
	else if (strcmp(verb, "EXPECT-RINGS") == 0 || strcmp(verb, "EXPECT-CLOSED") == 0)
		do_expect_session(s, strcmp(verb, "EXPECT-RINGS") == 0);
	else
		return false;
	return true;
}

/* ---- what always holds ---- */

struct telling {
	struct scenario *s;
	uint64_t attempt, after;
	unsigned started, ended, success;
};

static bool tell_event(void *ctx, const struct store_event_row *e)
{
	struct telling *t = ctx;

	t->after = e->seq;
	if (e->attempt != t->attempt || strcmp(e->topic, "flash/status") != 0)
		return true;
	if (t->ended)
		fail(t->s, "I2: an event after the end of attempt %llu",
		     (unsigned long long)t->attempt);
	t->started += strcmp(e->data, "started") == 0;
	t->ended += strcmp(e->data, "started") != 0;
	t->success += strcmp(e->data, "success") == 0;
	return true;
}

static void check_events(struct scenario *s, const struct attempt *a)
{
	struct telling t = {.s = s, .attempt = a->id};
	uint64_t before;

	do {
		before = t.after;
		if (store_events(s->store, t.after, a->device, 1000, tell_event, &t))
			fail(s, "events cannot be read");
	} while (t.after != before);
	bool closed = a->state == ATTEMPT_CLOSED;
	if (t.started != a->started || t.ended != (a->started && closed))
		fail(s, "I2: attempt %llu started %u ended %u", (unsigned long long)a->id,
		     t.started, t.ended);
	if (t.success != (a->started && a->verdict == VERDICT_UPDATED))
		fail(s, "I1: attempt %llu success %u", (unsigned long long)a->id, t.success);
}

struct sample {
	unsigned count;
	struct attempt list[64];
};

static bool sample_attempt(void *ctx, const struct attempt *a)
{
	struct sample *sample = ctx;

	sample->list[sample->count++] = *a;
	return sample->count < sizeof(sample->list) / sizeof(sample->list[0]);
}

/* No token without a download. */
static void check_tokens(struct scenario *s)
{
	struct engine_stats st;

	engine_stats(s->engine, &st);
	if (st.downloads > st.open[ATTEMPT_OFFERED] + st.open[ATTEMPT_TRANSFERRING])
		fail(s, "%llu tokens are taken", (unsigned long long)st.downloads);
}

void expect_invariants(struct scenario *s)
{
	static struct sample sample;

	check_tokens(s);
	expect_recount(s);

	sample.count = 0;
	if (store_attempts(s->store, "", false, 0, 64, sample_attempt, &sample))
		fail(s, "attempts cannot be read");
	for (unsigned i = 0; i < sample.count; i++) {
		const struct attempt *a = &sample.list[i];
		if ((a->state == ATTEMPT_CLOSED) != (attempt_deadline_ms(a) == 0))
			fail(s, "I5: attempt %llu", (unsigned long long)a->id);
		check_events(s, a);
	}
	expect_audit(s);
}
