/* SPDX-License-Identifier: Apache-2.0 */
#include "core_world.h"

#include <string.h>

struct product world_product;
struct release world_releases[RELEASE_COUNT];
struct outcome world_out;
void (*world_on_failure)(void);

enum { KNOWN_KIND = DIGEST_MCUBOOT, FOREIGN_KIND = DIGEST_VENDOR + 9, EXTEND_MAX_S = 6 * 3600 };

static void broken(const char *condition, int line)
{
	if (world_on_failure)
		world_on_failure();
	fail_msg("core_world.c:%d: invariant: %s", line, condition);
}

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			broken(#condition, __LINE__);                                              \
	} while (0)

uint64_t world_random(struct world *w)
{
	/* splitmix64 */
	uint64_t z = (w->random += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static struct digest digest_of(unsigned kind, uint8_t fill)
{
	struct digest d = {.kind = (uint8_t)kind, .len = 32};

	memset(d.value, fill, d.len);
	return d;
}

void world_init(struct world *w)
{
	static const char *const versions[RELEASE_COUNT] = {"1.0.0", "2.0.0", "3.0.0"};

	world_product = (struct product){.id = 7, .name = "lamp"};
	policy_init(&world_product.policy);
	for (int i = 0; i < RELEASE_COUNT; i++) {
		struct release *r = &world_releases[i];
		*r = (struct release){.id = i + 1, .product = 7, .size_bytes = 100000};
		strcpy(r->version, versions[i]);
		memset(r->sha256, 0xf0 + i, sizeof(r->sha256));
		r->running[r->running_count++] = digest_of(DIGEST_FILE, (uint8_t)(0xf0 + i));
		r->running[r->running_count++] = digest_of(KNOWN_KIND, (uint8_t)(0xa0 + i));
	}
	memset(w, 0, sizeof(*w));
	strcpy(w->u.device.id, "lamp-1");
	w->u.device.product = 7;
	w->u.product = &world_product;
	w->u.target = &world_releases[RELEASE_TARGET];
	w->u.now_ms = INT64_C(1700000000000);
	w->boot_next = 1001;
	w->boot_low = 999;
	w->u.random = world_random(w);
}

void world_pass(struct world *w, int64_t seconds)
{
	w->u.now_ms += seconds * 1000;
}

/* ---- what the test expects, from what was sent ---- */

struct judged {
	bool new_boot, version, digest, confirmed, stable, on_target;
};

static struct judged judge_by_hand(const struct world *w, const struct attempt *a,
				   const struct report *r)
{
	const struct release *t = &world_releases[a->release - 1];
	int64_t probation_s = world_product.policy.probation_s;
	struct judged j = {.new_boot = w->seq > w->base_seq};
	bool comparable = false;

	j.version = strcmp(r->version, t->version) == 0;
	for (unsigned i = 0; i < t->running_count && r->running.len; i++) {
		if (t->running[i].kind != r->running.kind)
			continue;
		comparable = true;
		j.digest = memcmp(t->running[i].value, r->running.value, 32) == 0;
	}
	j.on_target = comparable ? j.digest : j.version;
	j.confirmed = j.on_target && r->confirmed == 1;
	if (r->uptime_s >= 0)
		j.stable = r->uptime_s >= probation_s;
	else
		j.stable = w->stable_since_ms &&
			   w->u.now_ms - w->stable_since_ms >= probation_s * 1000;
	j.stable = j.stable && j.on_target;
	return j;
}

/* Every required item at once (TRUTH 3), by the words of the text. */
static bool proven_by_hand(const struct world *w, const struct attempt *a, const struct report *r)
{
	const struct policy *p = &world_product.policy;
	const struct release *t = &world_releases[a->release - 1];
	struct judged j = judge_by_hand(w, a, r);
	bool label_was_true = strcmp(w->baseline.version, t->version) == 0;

	if (r->mode != MODE_APPLICATION || !j.new_boot || !j.version)
		return false;
	if ((p->require_digest == 1 || label_was_true ||
	     (p->require_digest == -1 && w->baseline.running.len && !t->no_digest)) &&
	    !j.digest)
		return false;
	if ((p->require_confirm == 1 ||
	     (p->require_confirm == -1 && w->baseline.confirmed != -1 && !t->no_confirm)) &&
	    !j.confirmed)
		return false;
	return j.on_target && (p->probation_s == 0 || j.stable);
}

static void check_success(const struct world *w, const struct report *r)
{
	const struct attempt *a = &world_out.closed;
	struct judged j = judge_by_hand(w, a, r);

	CHECK(proven_by_hand(w, a, r)); /* I1 */
	CHECK(a->via == (w->handed_over ? VIA_OTA : VIA_EXTERNAL));
	if (a->via == VIA_EXTERNAL || w->fell_since_base || w->u.device.plain)
		CHECK(a->grade == GRADE_WEAK);
	else if (j.digest && (j.confirmed || (j.stable && world_product.policy.probation_s)))
		CHECK(a->grade == GRADE_STRONG);
	else
		CHECK(a->grade == GRADE_STANDARD);
	CHECK(a->grade != GRADE_WEAK || world_product.policy.allow_weak);
	CHECK(!a->charged);
}

/* ---- invariants ---- */

unsigned world_events(enum event_kind kind)
{
	unsigned n = 0;

	for (unsigned i = 0; i < world_out.event_count; i++)
		n += world_out.events[i].kind == kind;
	return n;
}

static void check_events(const struct world *w)
{
	const struct outcome *o = &world_out;
	unsigned started = world_events(EVENT_FLASH_STARTED);
	unsigned success = world_events(EVENT_FLASH_SUCCESS);
	unsigned failed = world_events(EVENT_FLASH_FAILED);
	unsigned closed = world_events(EVENT_ATTEMPT_CLOSED);

	CHECK(o->event_count < UPDATE_EVENTS);
	CHECK(started <= 1 && !(started && w->open_started));
	bool was_started = w->open_started || started;
	CHECK(success + failed + closed == (o->has_closed ? 1 : 0)); /* I2 */
	if (o->has_closed) {
		CHECK(o->closed.id == w->open_id && o->closed.id != 0);
		CHECK(success == (was_started && o->closed.verdict == VERDICT_UPDATED));
		CHECK(failed == (was_started && o->closed.verdict != VERDICT_UPDATED));
		CHECK(o->closed.started == was_started);
	} else {
		CHECK(!started || w->open_id);
	}
	for (unsigned i = 0; i < o->event_count; i++) {
		if (o->events[i].about == ABOUT_OPEN)
			CHECK(w->open_id && o->events[i].attempt == w->open_id);
		if (o->events[i].about == ABOUT_CLOSED)
			CHECK(o->has_closed && o->events[i].attempt == o->closed.id);
	}
}

static void check_open(const struct world *w)
{
	const struct attempt *a = &w->u.attempt;
	int64_t least = a->stall_at_ms < a->total_at_ms ? a->stall_at_ms : a->total_at_ms;

	CHECK(a->state < ATTEMPT_CLOSED && a->verdict == VERDICT_NONE && a->closed_ms == 0);
	CHECK(a->id >= 1 && a->id <= ATTEMPT_ID_MAX);
	CHECK(w->u.device.attempt == a->id);			      /* I3 */
	CHECK(a->stall_at_ms > 0 && attempt_deadline_ms(a) == least); /* I5 */
	CHECK(a->extended_ms <= EXTEND_MAX_S * 1000);
	CHECK(a->interruptions <= world_product.policy.max_interruptions);
	CHECK(!a->cancel_requested || a->state == ATTEMPT_VERIFIED ||
	      a->state == ATTEMPT_PROBATION);
	CHECK(!(a->rung_ms[RUNG_APPLYING] && a->state < ATTEMPT_APPLYING));
	CHECK(w->handed_over == (a->rung_ms[RUNG_APPLYING] != 0));
}

static void check_closed(void)
{
	const struct attempt *a = &world_out.closed;

	CHECK(a->state == ATTEMPT_CLOSED && a->verdict != VERDICT_NONE && a->closed_ms);
	CHECK(attempt_deadline_ms(a) == 0 && !a->stall_at_ms && !a->total_at_ms); /* I5 */
	CHECK(world_out.diagnoses.count <= LIMIT_DIAGNOSES);
}

static void keep_history(struct world *w)
{
	const struct attempt *a = &world_out.closed;
	struct history *h = &w->history[a->release - 1];

	if (a->verdict != VERDICT_UPDATED)
		w->failures[a->release - 1]++;
	if (!a->charged)
		return;
	h->failures++;
	if (a->verdict == VERDICT_REVERTED || a->verdict == VERDICT_ROLLED_BACK ||
	    (a->verdict == VERDICT_DEVICE_FAILED && a->rung_ms[RUNG_APPLYING]))
		h->reverts++;
}

/* After each step: check, then do what the store and the engine do. */
static void settle_step(struct world *w)
{
	struct update *u = &w->u;

	check_events(w);
	if (world_events(EVENT_FLASH_STARTED))
		w->open_started = true;
	if (w->open_id && !world_out.has_closed) /* a new offer closes nothing by itself */
		CHECK(u->has_attempt && u->attempt.id == w->open_id); /* I4: none is lost */
	if (world_out.has_closed) {
		check_closed();
		keep_history(w);
		w->open_id = 0;
		CHECK(!u->has_attempt || !world_out.closed.charged);
	}
	CHECK(u->has_attempt || u->device.attempt == 0);
	if (u->has_attempt && u->attempt.number == 0) { /* a new offer */
		CHECK(w->open_id == 0 && world_out.attempt_changed);
		CHECK(u->device.hold == HOLD_NONE);
		u->attempt.number = ++w->numbers;
		w->open_id = u->attempt.id;
		w->open_started = w->handed_over = w->fell_since_base = false;
		w->open_total_ms = u->attempt.total_at_ms;
		w->baseline = u->device.report;
		w->base_seq = w->seq;
		w->stable_since_ms = 0;
		w->unclean = w->status_seq = 0;
	}
	u->release = u->has_attempt ? &world_releases[u->attempt.release - 1] : NULL;
	u->home = u->device.settled ? &world_releases[u->device.settled - 1] : NULL;
	if (u->has_attempt) {
		check_open(w);
		CHECK(u->attempt.total_at_ms == w->open_total_ms); /* never extended */
		u->attempt_history = w->history[u->attempt.release - 1];
	}
	u->random = world_random(w);
}

/* ---- reports ---- */

struct report world_report(const struct world *w, enum image image)
{
	static const int labels[IMAGE_COUNT] = {0, 1, 1, -1, 2, 0, 1, 1};
	static const int bytes[IMAGE_COUNT] = {0, 1, 3, 1, 2, -1, -1, 4};
	struct report r;

	report_init(&r);
	strcpy(r.version,
	       labels[image] < 0 ? "2.0.0-dirty" : world_releases[labels[image]].version);
	if (bytes[image] == 4)
		r.running = digest_of(FOREIGN_KIND, 0x44);
	else if (bytes[image] >= 0 && !w->silent_about_digest)
		r.running = digest_of(KNOWN_KIND, (uint8_t)(0xa0 + bytes[image]));
	r.confirmed = 1;
	return r;
}

static struct boot_id name_boot(const struct world *w, uint32_t n)
{
	struct boot_id id = {0};

	if (w->count_only) {
		id.has_count = true;
		id.count = n;
		return id;
	}
	id.len = LIMIT_BOOT_ID_MIN;
	for (int i = 0; i < 4; i++)
		id.bytes[i] = (uint8_t)(n >> (8 * i));
	return id;
}

/* The device's side of a boot; returns false if the server has to take it as replaced. */
static bool take_boot(struct world *w, enum boot_kind kind, const struct report *r,
		      struct boot_id *ret_id)
{
	bool late = kind == BOOT_IS_LATE || kind == BOOT_IS_CLONE;

	if (late && w->boot_before) {
		*ret_id = name_boot(w, w->boot_before);
		w->u.session_ms = kind == BOOT_IS_CLONE ? w->u.now_ms + 1 : 0;
		return false;
	}
	w->u.session_ms = 0;
	if (w->boot == 0 || kind == BOOT_IS_NEW || kind == BOOT_IS_BACK || kind == BOOT_IS_WAKE) {
		bool wakes = r && r->reset == RESET_WAKE && w->reported_seq &&
			     strcmp(w->last.version, r->version) == 0 &&
			     (!w->last.running.len || !r->running.len ||
			      w->last.running.kind != r->running.kind ||
			      memcmp(w->last.running.value, r->running.value, 32) == 0);
		uint32_t before = w->boot;
		w->boot = kind == BOOT_IS_BACK ? w->boot_low-- : w->boot_next++;
		w->boot_before = before;
		if (!wakes) {
			w->seq++;
			w->fell_since_base |= w->count_only && before > w->boot;
		}
	}
	*ret_id = name_boot(w, w->boot);
	return true;
}

/* What the test itself remembers of an accepted report about an open attempt. */
static void remember(struct world *w, const struct report *r, enum attempt_state before)
{
	bool unclean = r->reset == RESET_WATCHDOG || r->reset == RESET_PANIC ||
		       r->reset == RESET_BROWN_OUT;

	if (w->reported_seq != w->seq && before == ATTEMPT_PROBATION && unclean) {
		w->stable_since_ms = w->u.now_ms;
		w->unclean++;
	}
}

/* mute: of an updater, or not believed; no evidence and no end. */
static void check_judged(struct world *w, const struct report *r, const struct attempt *before,
			 bool mute)
{
	struct judged j = judge_by_hand(w, before, r);
	bool proven = !mute && w->unclean < world_product.policy.unstable_resets &&
		      proven_by_hand(w, before, r);

	if (world_out.has_closed && world_out.closed.verdict == VERDICT_UPDATED)
		check_success(w, r);
	if (proven) /* and nothing else comes of a proof */
		CHECK(world_out.has_closed && (world_out.closed.verdict == VERDICT_UPDATED ||
					       (world_out.closed.verdict == VERDICT_UNPROVEN &&
						!world_product.policy.allow_weak)));
	if (mute || !j.new_boot)
		CHECK(!world_out.has_closed); /* the same boot ends nothing */
	if (!mute)
		CHECK(world_out.stepped && world_out.cause_known); /* it always says something */
	if (world_out.cause == CAUSE_BOOT_BASE_EARLY && world_out.cause_known)
		w->handed_over = false;
	if (j.on_target && j.new_boot && !mute && w->stable_since_ms == 0)
		w->stable_since_ms = w->u.now_ms;
}

/* No image changes without a reboot: in one boot the first word counts, unless an uptime shows a
 * reboot that the boot id does not. */
static struct report believable(struct world *w, const struct report *r)
{
	struct report b = *r;
	int64_t age_s = (w->u.now_ms - w->u.device.boots.slot[0].seen_ms - 2000) / 1000;
	bool proof = r->uptime_s >= 0 && r->uptime_s < age_s;

	if (w->reported_seq != w->seq || w->last.mode == MODE_UPDATER || proof ||
	    !report_image_changed(&w->last, r))
		return b;
	memcpy(b.version, w->last.version, sizeof(b.version));
	b.running = w->last.running;
	b.confirmed = w->last.confirmed;
	return b;
}

void world_send(struct world *w, enum boot_kind kind, struct report *r)
{
	struct update before;
	bool current;

	if (kind == BOOT_IS_WAKE)
		r->reset = RESET_WAKE;
	current = take_boot(w, kind, r, &r->boot);
	memcpy(&before, &w->u, sizeof(before));
	const struct report sent = *r;
	struct report facts = current ? believable(w, r) : *r;
	if (current && before.has_attempt)
		remember(w, &facts, before.attempt.state);
	update_report(&w->u, &sent, &world_out);
	r = &facts;
	CHECK(world_out.late == !current);
	if (current) {
		CHECK(report_same(&w->u.device.report, r)); /* I3: facts always update it */
		bool claims = report_image_changed(r, &sent);
		CHECK(w->u.device.unbooted_claim == claims);
		CHECK(w->u.device.boots.seq == w->seq);
		if (before.has_attempt && world_verdict() != VERDICT_SUPERSEDED)
			check_judged(w, r, &before.attempt, claims || r->mode == MODE_UPDATER);
		w->last = *r;
		w->reported_seq = w->seq;
	} else {
		/* a late datagram changes nothing but the count of conflicts */
		CHECK(report_same(&w->u.device.report, &before.device.report));
		CHECK(!world_out.has_closed ||
		      world_out.closed.verdict == VERDICT_IDENTITY_CONFLICT);
		CHECK(world_out.directive.action == DIRECTIVE_NONE);
	}
	settle_step(w);
	if (w->u.has_attempt && current) {
		const struct directive *v = &world_out.directive;
		bool told = v->action == DIRECTIVE_UPDATE;
		CHECK(told == (w->u.attempt.state != ATTEMPT_PROBATION));
		CHECK(!told || v->attempt == w->u.attempt.id);
	} else {
		CHECK(world_out.directive.action != DIRECTIVE_UPDATE);
	}
}

void world_boot(struct world *w, enum image image)
{
	struct report r = world_report(w, image);

	world_send(w, BOOT_IS_NEW, &r);
}

void world_again(struct world *w, enum image image)
{
	struct report r = world_report(w, image);

	world_send(w, BOOT_IS_SAME, &r);
}

/* ---- statuses ---- */

struct status world_status(struct world *w, enum status_state state)
{
	struct status s;

	status_init(&s);
	s.attempt = w->u.has_attempt ? w->u.attempt.id : 1;
	s.state = state;
	s.has_seq = true;
	s.seq = ++w->status_seq;
	return s;
}

static void check_refused_untouched(const struct world *w, const struct update *before)
{
	CHECK(!world_out.accepted && !world_out.event_count && !world_out.has_closed);
	CHECK(!world_out.attempt_changed && !world_out.device_changed);
	CHECK(memcmp(&w->u.attempt, &before->attempt, sizeof(w->u.attempt)) == 0);
	CHECK(memcmp(&w->u.device, &before->device, sizeof(w->u.device)) == 0);
}

bool world_send_status(struct world *w, enum boot_kind kind, const struct status *given)
{
	struct status s = *given;
	struct update before;
	memcpy(&before, &w->u, sizeof(before));
	const struct attempt *a = &before.attempt;
	bool ours = before.has_attempt && s.attempt == a->id, current = true;
	uint32_t seq_before = w->seq;

	if (ours)
		current = take_boot(w, kind, NULL, &s.boot);
	else
		s.boot = name_boot(w, w->boot);
	before.session_ms = w->u.session_ms;
	bool repeated = a->status_boot == w->seq && seq_before == w->seq && s.has_seq &&
			s.seq <= a->status_seq;
	update_status(&w->u, &s, &world_out);
	bool accepted = world_out.accepted;
	if (!ours) {
		check_refused_untouched(w, &before); /* I3 */
	} else if (!current) {
		CHECK(!accepted);
	} else {
		if (s.state <= STATUS_APPLYING && a->state < ATTEMPT_APPLYING && !repeated &&
		    !world_out.has_closed) {
			w->base_seq = w->seq;
			w->fell_since_base = false;
		}
		if (s.state == STATUS_APPLYING && accepted) {
			CHECK(w->u.has_attempt && w->u.attempt.state == ATTEMPT_APPLYING);
			CHECK(!a->cancel_requested);
			CHECK(!repeated || a->state == ATTEMPT_APPLYING);
			CHECK(a->state == ATTEMPT_APPLYING || world_out.attempt_changed);
			w->handed_over = true;
		}
		CHECK(!world_out.has_closed || world_out.closed.verdict != VERDICT_UPDATED);
	}
	before.attempt.status_boot = w->u.attempt.status_boot; /* its number is taken */
	before.attempt.status_seq = w->u.attempt.status_seq;
	if (!world_out.cause_known && world_out.stepped && seq_before == w->seq)
		CHECK(memcmp(&w->u.attempt, &before.attempt, sizeof(w->u.attempt)) == 0);
	settle_step(w);
	return accepted;
}

bool world_say(struct world *w, enum status_state state)
{
	struct status s = world_status(w, state);

	return world_send_status(w, BOOT_IS_SAME, &s);
}

bool world_fail(struct world *w, enum status_state state, enum reason reason)
{
	struct status s = world_status(w, state);

	s.reason = reason;
	return world_send_status(w, BOOT_IS_SAME, &s);
}

/* ---- the rest ---- */

static void check_no_success(void)
{
	CHECK(!world_out.has_closed || world_out.closed.verdict != VERDICT_UPDATED);
}

void world_block(struct world *w, int64_t offset, int64_t len)
{
	bool offered = w->u.has_attempt && w->u.attempt.state == ATTEMPT_OFFERED;

	update_block(&w->u, offset, len, false, &world_out);
	CHECK(world_out.attempt_changed == offered);
	CHECK(offered || world_out.event_count == 0); /* what is not committed is not told */
	check_no_success();
	settle_step(w);
}

void world_deadline_now(struct world *w)
{
	bool passed = w->u.has_attempt && w->u.now_ms >= attempt_deadline_ms(&w->u.attempt);

	update_deadline(&w->u, &world_out);
	CHECK(world_out.has_closed == passed); /* every deadline ends in a verdict */
	check_no_success();
	settle_step(w);
}

void world_deadline(struct world *w)
{
	if (w->u.has_attempt && w->u.now_ms < attempt_deadline_ms(&w->u.attempt))
		w->u.now_ms = attempt_deadline_ms(&w->u.attempt);
	world_deadline_now(w);
}

void world_silent(struct world *w)
{
	if (w->u.device.offline_at_ms > w->u.now_ms)
		w->u.now_ms = w->u.device.offline_at_ms;
	update_silent(&w->u, &world_out);
	CHECK(!world_out.has_closed);
	settle_step(w);
}

void world_outage(struct world *w, int64_t gap_s)
{
	world_pass(w, gap_s);
	update_outage(&w->u, gap_s * 1000, &world_out);
	CHECK(!world_out.has_closed || world_verdict() == VERDICT_SUPERSEDED);
	settle_step(w);
}

void world_clock_step(struct world *w, int64_t step_s)
{
	w->u.now_ms += step_s * 1000;
	w->open_total_ms += step_s * 1000;
	if (w->stable_since_ms)
		w->stable_since_ms += step_s * 1000;
	update_clock_step(&w->u, step_s * 1000, &world_out);
	CHECK(!world_out.has_closed && !world_out.event_count);
	settle_step(w);
}

int world_operator(struct world *w, enum operator_act act, int arg)
{
	bool target = act == OPERATOR_TARGET_CHANGED || act == OPERATOR_LOCK;
	int64_t value = target ? arg + 1 : (int64_t)w->numbers;

	if (target)
		w->u.target = arg < 0 ? NULL : &world_releases[arg];
	if (act == OPERATOR_UNHOLD && w->u.device.hold != HOLD_NONE)
		memset(w->history, 0, sizeof(w->history)); /* fail_mark */
	memset(w->failures, 0, sizeof(w->failures));
	update_operator(&w->u, act, value, &world_out);
	CHECK((world_out.err != 0) == (world_out.why != NULL));
	CHECK(!world_out.err || (!world_out.has_closed && !world_out.device_changed));
	check_no_success();
	settle_step(w);
	return world_out.err;
}
