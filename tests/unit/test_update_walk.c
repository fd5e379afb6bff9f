/* SPDX-License-Identifier: Apache-2.0
 *
 * Walks core/update: breadth-first over every reachable abstract state (walk_key) with every
 * input of a list, and at random over the full product of what can be sent. The invariants are
 * checked at each step by core_world.c; the bound on failures (I8) by the strategies here.
 */
#include "core_input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	NODES_MAX = 40000,
	SLOTS = 1 << 19,
	RANDOM_STEPS = 150000,
	FAILURES_MAX = 80, /* I8: of the same bytes, untouched by an operator */
};

/* ---- what two states must share to count as one ---- */

struct walk_key {
	uint8_t state, started, cancel, weak, heard, interrupted, new_boot, judged;
	uint8_t evidence, required, unclean, applying, seq_known, stable, release;
	uint8_t target, planned, hold, drifted, want_fresh, settled, force, failed, waiting,
		deferred, home;
	uint8_t base_changes, conflicts, enabled, mode, image, pending, failures, boots;
};

static uint8_t least(uint64_t value, uint64_t max)
{
	return (uint8_t)(value < max ? value : max);
}

static void key_attempt(const struct world *w, struct walk_key *k)
{
	const struct attempt *a = &w->u.attempt;
	int64_t probation_ms = world_product.policy.probation_s * 1000;

	if (!w->u.has_attempt)
		return;
	k->state = (uint8_t)(1 + (int)a->state);
	k->release = !w->u.target || a->release != w->u.target->id;
	k->started = a->started;
	k->cancel = a->cancel_requested;
	k->weak = a->boot_weak;
	k->heard = a->heard;
	k->interrupted = least(a->interruptions, 3);
	k->new_boot = w->u.device.boots.seq > a->base_boot;
	k->judged = a->judged_boot == w->u.device.boots.seq;
	k->evidence = a->evidence & EV_CONFIRMED;
	k->unclean = least(a->unclean, 3);
	k->applying = a->rung_ms[RUNG_APPLYING] != 0;
	k->seq_known = a->status_boot == w->u.device.boots.seq;
	k->stable = a->target_ms && w->u.now_ms - a->target_ms >= probation_ms;
}

static void key_device(const struct world *w, struct walk_key *k)
{
	const struct device *d = &w->u.device;

	k->target = w->u.target ? (uint8_t)w->u.target->id : 0;
	k->boots = least(d->boots.count, 2);
	k->conflicts = d->boots.conflicts == 1;
	k->base_changes = d->base_changes >= 4;
	k->failures = least(w->history[RELEASE_TARGET].failures, 1);
	if (w->u.has_attempt)
		return; /* the rest decides only between attempts */
	k->planned = d->planned == k->target;
	k->hold = d->hold != HOLD_NONE;
	k->drifted = d->drifted;
	k->want_fresh = d->want_fresh;
	k->settled = d->settled == 0 ? 0 : d->settled == k->target ? 1 : 2;
	k->force = d->force;
	k->failed = d->failed_attempt != 0;
	k->waiting = d->retry_at_ms > w->u.now_ms;
	k->deferred = d->defer_since_ms != 0;
	k->enabled = d->report.updates_enabled == 0;
	k->mode = d->report.mode == MODE_UPDATER;
	k->pending = d->pending_told;
	if (d->has_report && w->u.target) {
		struct match m = match_release(d->report.version, &d->report.running, w->u.target);
		k->image = (uint8_t)(1 + 4 * (int)m.version + (int)m.digest);
	}
	if (d->has_report && w->u.home)
		k->home = match_release(d->report.version, &d->report.running, w->u.home).on_target;
}

static uint64_t walk_hash(const struct world *w)
{
	struct walk_key k;
	const uint8_t *p = (const uint8_t *)&k;
	uint64_t h = 0xcbf29ce484222325u;

	memset(&k, 0, sizeof(k));
	key_attempt(w, &k);
	key_device(w, &k);
	for (size_t i = 0; i < sizeof(k); i++)
		h = (h ^ p[i]) * 0x100000001b3u;
	return h ? h : 1;
}

/* ---- breadth first ---- */

static uint64_t seen[SLOTS];

static bool first_time(uint64_t h)
{
	size_t i = (size_t)(h % SLOTS);

	while (seen[i] && seen[i] != h)
		i = (i + 1) % SLOTS;
	if (seen[i])
		return false;
	seen[i] = h;
	return true;
}

struct node {
	struct world world;
	unsigned parent, input;
};

static struct node *nodes;
static unsigned node_count, node_now, input_now;

static void print_path(void)
{
	unsigned path[64], length = 0;

	for (unsigned n = node_now; n && length < 64; n = nodes[n].parent)
		path[length++] = nodes[n].input;
	print_error("# steps from a fresh device:\n");
	while (length)
		print_input(&inputs[path[--length]]);
	print_input(&inputs[input_now]);
}

static void walk_all(const char *name, const struct world *start)
{
	unsigned edges = 0;
	bool cut = false;

	nodes = calloc(NODES_MAX, sizeof(*nodes));
	assert_non_null(nodes);
	memset(seen, 0, sizeof(seen));
	nodes[0].world = *start;
	node_count = 1;
	world_on_failure = print_path;
	for (node_now = 0; node_now < node_count; node_now++) {
		for (input_now = 0; input_now < input_count; input_now++, edges++) {
			struct world w = nodes[node_now].world;
			step(&w, &inputs[input_now]);
			cut = cut || node_count == NODES_MAX;
			if (cut || !first_time(walk_hash(&w)))
				continue;
			nodes[node_count++] =
				(struct node){.world = w, .parent = node_now, .input = input_now};
		}
	}
	print_message("# %s: %u states, %u steps\n", name, node_count, edges);
	free(nodes);
	assert_false(cut);
}

/* ---- at random, over the full product ---- */

static struct input walk_inputs_now;

static void print_random(void)
{
	print_error("# the step that failed:\n");
	print_input(&walk_inputs_now);
}

static unsigned any(struct world *w, unsigned n)
{
	return (unsigned)(world_random(w) >> 33) % n;
}

static struct input any_input(struct world *w)
{
	static const int64_t uptimes[] = {-1, -1, 0, 5, 100, 100000, INT64_MAX};
	struct input in = inputs[any(w, input_count)];

	if (any(w, 2))
		return in;
	if (in.kind == IN_REPORT) {
		in.boot = any(w, 2) ? BOOT_IS_NEW : (enum boot_kind)any(w, BOOT_IS_COUNT);
		in.image = any(w, 2) ? (enum image)any(w, 2) : (enum image)any(w, IMAGE_COUNT);
		in.confirmed = (int8_t)((int)any(w, 3) - 1);
		in.enabled = (int8_t)((int)any(w, 3) - 1);
		in.mode = any(w, 3) ? MODE_APPLICATION : (enum report_mode)any(w, 3);
		in.uptime_s = uptimes[any(w, 7)];
		in.reset = (enum reset_reason)any(w, RESET_OTHER + 1);
		in.last = any(w, 2) ? LAST_NONE : (enum last_kind)any(w, LAST_FOREIGN + 1);
	} else if (in.kind == IN_STATUS) {
		in.state = (enum status_state)(1 + any(w, STATUS_APPLYING));
		in.boot = any(w, 4) ? BOOT_IS_SAME : (enum boot_kind)any(w, BOOT_IS_COUNT);
		in.seq = any(w, 3) ? SEQ_NEXT : (enum seq_kind)any(w, 3);
	}
	return in;
}

/* The same report once more is no news: nothing to store but when it was. */
static void check_no_news(const struct world *from)
{
	struct world w = *from;
	struct report r = w.last;
	bool had = false;

	if (!w.reported_seq || w.reported_seq != w.seq)
		return;
	for (int i = 0; i < 3; i++) {
		had = w.u.has_attempt;
		world_send(&w, BOOT_IS_SAME, &r);
	}
	if (had != w.u.has_attempt)
		return;
	assert_false(world_out.device_changed);
	assert_int_equal(world_out.event_count, 0);
	assert_true(had || !world_out.attempt_changed);
}

static void walk_random(struct world w, uint64_t seed)
{
	w.random = seed;
	world_on_failure = print_random;
	for (int i = 0; i < RANDOM_STEPS; i++) {
		struct input in = any_input(&w);
		/* operators and removal would end most walks early */
		if (in.kind == IN_OPERATOR && in.act != OPERATOR_UNHOLD && any(&w, 4))
			continue;
		walk_inputs_now = in;
		step(&w, &in);
		if (i % 8 == 0)
			check_no_news(&w);
	}
	assert_true(w.numbers > 100);
}

/* ---- the variants ---- */

static void start(struct world *w)
{
	struct policy *p = &world_product.policy;

	world_init(w);
	p->max_interruptions = 1;
	p->max_failures = 2;
	p->unstable_resets = 2;
}

static void walk(const char *name, const struct world *w)
{
	walk_all(name, w);
	walk_random(*w, 1);
	walk_random(*w, 0xfeedface);
}

static void test_walk_default_policy(void **state)
{
	struct world w;

	(void)state;
	start(&w);
	walk("default policy", &w);
}

static void test_walk_with_probation(void **state)
{
	struct world w;

	(void)state;
	start(&w);
	world_product.policy.probation_s = 100;
	walk("probation", &w);
}

static void test_walk_without_digests_weak_refused(void **state)
{
	struct world w;

	(void)state;
	start(&w);
	w.silent_about_digest = true;
	w.count_only = true;
	world_product.policy.allow_weak = 0;
	walk("boot counts, no digests, weak refused", &w);
}

static void test_walk_same_label_digest_not_required(void **state)
{
	struct world w;

	(void)state;
	start(&w);
	world_product.policy.require_digest = 0;
	strcpy(world_releases[RELEASE_TARGET].version, "1.0.0");
	walk("same label", &w);
}

static void test_walk_drift_reapplied(void **state)
{
	struct world w;

	(void)state;
	start(&w);
	world_product.policy.on_drift_reapply = 1;
	world_product.policy.require_confirm = 0;
	walk("drift reapplied", &w);
}

/* ---- I8: devices that do their worst ---- */

static bool no_operator(const struct input *in)
{
	return in->kind != IN_OPERATOR && in->kind != IN_TARGET && in->kind != IN_STEP;
}

/* The same answers for ever, a way to the state first; time goes on. */
static void strategy(const struct world *start_of, const struct input *a, const struct input *b)
{
	struct world w = *start_of;

	for (int i = 0; i < 120; i++) {
		struct input offer = plain_report(BOOT_IS_NEW, IMAGE_BASE);
		world_pass(&w, 90000);
		step(&w, &offer);
		for (int s = STATUS_DOWNLOADING; s <= STATUS_APPLYING && i % 2; s++) {
			struct input say = {.kind = IN_STATUS, .state = (enum status_state)s};
			step(&w, &say);
		}
		walk_inputs_now = *a;
		step(&w, a);
		walk_inputs_now = *b;
		step(&w, b);
	}
	if (w.failures[RELEASE_TARGET] > FAILURES_MAX)
		print_random();
	assert_in_range(w.failures[RELEASE_TARGET], 0, FAILURES_MAX);
}

static void test_walk_every_pair_of_answers_ends_in_hold_or_success(void **state)
{
	struct world w;

	(void)state;
	start(&w);
	world_product.policy.allow_weak = 0;
	world_on_failure = print_random;
	for (unsigned i = 0; i < input_count; i++)
		for (unsigned j = i % 5; j < input_count; j += 5)
			if (no_operator(&inputs[i]) && no_operator(&inputs[j]))
				strategy(&w, &inputs[i], &inputs[j]);
}

static void test_walk_random_device_fails_finitely_often(void **state)
{
	(void)state;
	world_on_failure = print_random;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct world w;
		start(&w);
		world_product.policy.allow_weak = (int64_t)(seed % 2);
		world_product.policy.probation_s = seed % 3 ? 0 : 100;
		w.random = seed;
		for (int i = 0; i < 4000; i++) {
			struct input in = any_input(&w);
			if (!no_operator(&in))
				continue;
			if (any(&w, 5) == 0)
				world_pass(&w, 7000);
			walk_inputs_now = in;
			step(&w, &in);
		}
		assert_in_range(w.failures[RELEASE_TARGET], 0, FAILURES_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_walk_default_policy),
		cmocka_unit_test(test_walk_with_probation),
		cmocka_unit_test(test_walk_without_digests_weak_refused),
		cmocka_unit_test(test_walk_same_label_digest_not_required),
		cmocka_unit_test(test_walk_drift_reapplied),
		cmocka_unit_test(test_walk_every_pair_of_answers_ends_in_hold_or_success),
		cmocka_unit_test(test_walk_random_device_fails_finitely_often),
	};

	inputs_fill();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
