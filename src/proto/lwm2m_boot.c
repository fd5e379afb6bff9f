/* SPDX-License-Identifier: Apache-2.0
 *
 * Which boot it is, and the report. LwM2M has no word for a boot. A registration newer than
 * Execute lets us think so; a boot counter, an uptime, or a clock that began anew show it. We name
 * each boot we have seen by random bytes, as a counter of ours could be lost and begin again.
 */
#include <stdio.h>
#include <string.h>

#include "proto/lwm2m_agent.h"

enum {
	KB_BYTES = 1000,
	/* A boot is another one if it began later than that and 1 in 1000 of the time since. */
	UPTIME_SLACK_MS = 5000,
	UPTIME_DRIFT = 1000,
	JUMP_MS = 120 * 1000, /* more than an answer can be late */
	CLOCK_SLACK_S = 60,
	SILENCE_BASE_S = 30, /* core counts 5/2 of an interval and that */
	ABOUT_TO_S = 15,     /* and no more than so many looks: */
	ABOUT_TO_LOOKS = 3,
	ANSWER_MS = 10000, /* with two repetitions of what it is asked */
	LATE_S = 60,	   /* for an update of the registration that is repeated */
};
#define CLOCK_SET_S INT64_C(315532800) /* 1980: a clock before that was never set */

void lwm2m_boot_id(const struct lwm2m_talk *t, struct boot_id *ret)
{
	*ret = (struct boot_id){0};
	ret->len = sizeof(t->boots.id);
	memcpy(ret->bytes, t->boots.id, sizeof(t->boots.id));
	if (t->boots.count >= 0) {
		ret->has_count = true;
		ret->count = (uint32_t)t->boots.count;
	}
	ret->inferred = t->boots.proof < PROOF_CLOCK;
}

/* ---- what shows a boot, or that there was none ---- */

enum shown { SHOWS_NOTHING, SHOWS_SAME, SHOWS_NEW };

static enum shown by_count(const struct lwm2m_talk *t)
{
	if (!(t->told.fresh & FRESH_COUNT) || t->boots.count < 0)
		return SHOWS_NOTHING;
	return t->told.boot_count == t->boots.count ? SHOWS_SAME : SHOWS_NEW;
}

static bool same_label(const struct lwm2m_talk *t)
{
	return strcmp(t->told.version, t->boots.version) == 0;
}

/* An uptime that has fallen shows a boot. One that has risen shows one if it began later than the
 * boot we know, and a registration came between: without one, it was our clock that jumped. */
static enum shown by_uptime(const struct lwm2m_step_ctx *c)
{
	const struct lwm2m_talk *t = c->t;
	const struct lwm2m_boots *b = &t->boots;
	int64_t began_ms = t->told.began_ms;

	if (!(t->told.fresh & FRESH_UPTIME))
		return SHOWS_NOTHING;
	if (b->uptime_s >= 0 && t->told.uptime_s < b->uptime_s)
		return SHOWS_NEW;
	if (b->moment_ms == MOMENT_LOST) /* how long ago anything was is not known */
		return b->registered && !same_label(t) ? SHOWS_NOTHING : SHOWS_SAME;
	if (b->moment_ms) {
		int64_t slack_ms = UPTIME_SLACK_MS + (c->in->now_ms - b->moment_ms) / UPTIME_DRIFT;
		return b->registered && began_ms > b->moment_ms + slack_ms ? SHOWS_NEW : SHOWS_SAME;
	}
	if (t->fw.execute_ms)
		return began_ms > t->fw.execute_ms ? SHOWS_NEW : SHOWS_SAME;
	return SHOWS_NOTHING;
}

/* Nobody sets a clock back to the years before 1980: it began anew. One that goes on shows
 * nothing, as it may run through a reset. */
static enum shown by_clock(const struct lwm2m_talk *t)
{
	if (!(t->told.fresh & FRESH_CLOCK) || t->boots.clock_s < 0)
		return SHOWS_NOTHING;
	return t->told.clock_s < CLOCK_SET_S && t->told.clock_s + CLOCK_SLACK_S < t->boots.clock_s
		       ? SHOWS_NEW
		       : SHOWS_NOTHING;
}

/* A registration after Execute, and nothing says that it is still to come. */
static bool by_registration(const struct lwm2m_talk *t)
{
	const struct lwm2m_firmware *fw = &t->fw;

	if (!t->boots.registered)
		return false;
	if (!same_label(t))
		return true; /* no image changes without a reboot */
	if (!fw->execute_ms || fw->registration == t->reg.count || t->told.state < 0)
		return false;
	if (t->told.state == 3)
		return false; /* still at it */
	/* Nothing was handed over: Execute got lost. */
	return !(fw->step == FW_EXECUTE && t->told.state == 2 && t->told.result <= 0);
}

static enum lwm2m_proof new_boot(const struct lwm2m_step_ctx *c)
{
	const struct lwm2m_talk *t = c->t;
	enum shown count = by_count(t), uptime = by_uptime(c);

	if (count == SHOWS_NEW)
		return PROOF_COUNT;
	if (uptime == SHOWS_NEW && count != SHOWS_SAME)
		return PROOF_UPTIME;
	if (count == SHOWS_SAME || uptime == SHOWS_SAME)
		return PROOF_NONE;
	if (by_clock(t) == SHOWS_NEW)
		return PROOF_CLOCK;
	return by_registration(t) ? PROOF_REGISTERED : PROOF_NONE;
}

static void name_boot(struct lwm2m_step_ctx *c, enum lwm2m_proof proof)
{
	struct lwm2m_boots *b = &c->t->boots;

	for (unsigned i = 0; i < sizeof(b->id); i++)
		b->id[i] = (uint8_t)(c->in->random >> (8 * i));
	b->known = true;
	b->proof = proof;
	b->count = -1;
	b->moment_ms = 0;
	b->uptime_s = -1;
	b->clock_s = -1;
}

/* The moment stays what it was found to be first, unless our clock has jumped since. */
static void learn_uptime(struct lwm2m_step_ctx *c)
{
	struct lwm2m_boots *b = &c->t->boots;
	int64_t began_ms = c->in->now_ms - c->t->told.uptime_s * 1000;
	int64_t off_ms =
		began_ms > b->moment_ms ? began_ms - b->moment_ms : b->moment_ms - began_ms;

	if (!b->moment_ms || off_ms > JUMP_MS)
		b->moment_ms = began_ms;
	b->uptime_s = c->t->told.uptime_s;
}

/* Also in the same boot: a resource that the product has named only now. */
static void learn_boot(struct lwm2m_step_ctx *c)
{
	struct lwm2m_talk *t = c->t;

	if (t->boots.count < 0 && (t->told.fresh & FRESH_COUNT))
		t->boots.count = t->told.boot_count;
	if (t->told.fresh & FRESH_UPTIME)
		learn_uptime(c);
	if (t->told.fresh & FRESH_CLOCK)
		t->boots.clock_s = t->told.clock_s;
	memcpy(t->boots.version, t->told.version, sizeof(t->boots.version));
}

/* A talk that was lost: the boot is the one that core knows, until something shows another one. */
static void recall_boot(struct lwm2m_step_ctx *c)
{
	struct lwm2m_boots *b = &c->t->boots;
	const struct report *known = c->in->known;

	if (b->known || !known || known->boot.len != sizeof(b->id))
		return;
	memcpy(b->id, known->boot.bytes, sizeof(b->id));
	b->known = true;
	b->proof = known->boot.inferred ? PROOF_REGISTERED : PROOF_CLOCK;
	b->count = known->boot.has_count ? (int64_t)known->boot.count : -1;
	memcpy(b->version, known->version, sizeof(b->version));
}

/* The first boot is whatever it is. Where the gate was passed in the name of another protocol,
 * there is nothing that a counter or an uptime could be held against. */
static enum lwm2m_proof first_proof(const struct lwm2m_step_ctx *c)
{
	const struct lwm2m_talk *t = c->t;

	if (c->in->attempt_applying)
		return PROOF_REGISTERED;
	if (t->told.fresh & FRESH_COUNT)
		return PROOF_COUNT;
	return t->told.fresh & FRESH_UPTIME ? PROOF_UPTIME : PROOF_REGISTERED;
}

/* ---- what the device says of its last attempt ---- */

/* After a boot: how the attempt went by its own word. In the boot of the hand-over, what it says
 * is a status. */
static void tell_last(struct lwm2m_talk *t, bool booted)
{
	struct lwm2m_firmware *fw = &t->fw;

	if (!booted || fw->attempt == 0 || fw->execute_ms == 0)
		return;
	fw->last = (struct last_attempt){.attempt = fw->attempt, .stage = STAGE_HANDED_OVER};
	if (fw->step == FW_EXECUTE && t->told.state == 2 && t->told.result <= 0) {
		fw->last.stage = STAGE_VERIFIED; /* Execute did not get there */
		fw->step = FW_WRITTEN;
		fw->execute_ms = 0;
		return;
	}
	if (t->told.state == 3)
		lwm2m_state_text(t->told.state, fw->last.detail);
	if (t->told.result < 0)
		return;
	fw->last.reason = lwm2m_result_reason(t->told.result);
	fw->last.code = (int32_t)t->told.result;
	if (t->told.result > 0)
		lwm2m_result_text(t->told.result, fw->last.detail);
}

/* In the boot of the hand-over: what it says that it is still at, which no status of the attempt
 * has a word for. */
static struct last_attempt last_word(const struct lwm2m_talk *t)
{
	const struct lwm2m_firmware *fw = &t->fw;
	struct last_attempt last = {.attempt = fw->attempt, .stage = STAGE_HANDED_OVER};

	if (!lwm2m_hangs(t))
		return fw->last;
	lwm2m_state_text(t->told.state, last.detail);
	return last;
}

/* ---- the report ---- */

/* The device counts as silent 60 s after its lifetime. */
static int64_t interval_s(int64_t lifetime_s)
{
	int64_t interval = (lifetime_s + LATE_S - SILENCE_BASE_S) * 2 / 5;

	return interval < 1 ? 1 : interval;
}

static int64_t kilo(int64_t kb)
{
	return kb < 0 ? -1 : kb * KB_BYTES;
}

static void fill(const struct lwm2m_step_ctx *c, struct report *r)
{
	const struct lwm2m_talk *t = c->t;
	const struct lwm2m_told *told = &t->told;

	report_init(r);
	lwm2m_boot_id(t, &r->boot);
	memcpy(r->version, told->version, sizeof(r->version));
	r->running = told->running;
	r->confirmed = (int8_t)told->confirmed;
	r->last = last_word(t);
	r->fs_free_bytes = kilo(told->free_kb);
	r->fs_total_bytes = kilo(told->total_kb);
	r->battery_percent = lwm2m_battery(told);
	r->supply_mv = told->supply_mv;
	r->troubles = lwm2m_troubles(told);
	r->interval_s = interval_s(t->reg.lifetime_s);
	if (told->fresh & FRESH_UPTIME)
		r->uptime_s = told->uptime_s;
	r->capabilities = CAP_GATE | CAP_FRESH | CAP_RESUME;
	r->has_capabilities = true;
	memcpy(r->hardware, told->hardware, sizeof(r->hardware));
}

/* Until then what is heard means nothing; 0: nothing was executed, or it has registered since. */
static int64_t about_until_ms(const struct lwm2m_step_ctx *c)
{
	const struct lwm2m_talk *t = c->t;
	int64_t about_s = c->opt.poll_s * ABOUT_TO_LOOKS;

	if ((t->fw.step != FW_EXECUTE && t->fw.step != FW_EXECUTED) || !t->fw.execute_ms ||
	    t->boots.registered || c->in->now_ms < t->fw.execute_ms)
		return 0;
	return t->fw.execute_ms + (about_s < ABOUT_TO_S ? about_s : ABOUT_TO_S) * 1000;
}

bool lwm2m_about_to_restart(const struct lwm2m_step_ctx *c)
{
	return c->in->now_ms < about_until_ms(c);
}

void lwm2m_look_after_execute(struct lwm2m_step_ctx *c)
{
	int64_t until_ms = about_until_ms(c);
	bool hears = c->t->reg.registered && c->t->window_ms == 0;

	if (until_ms > c->in->now_ms)
		lwm2m_check_in(c, (until_ms - c->in->now_ms + 999) / 1000);
	c->t->due_ms = until_ms && hears ? until_ms + ANSWER_MS : 0;
}

bool lwm2m_has_returned(const struct lwm2m_step_ctx *c)
{
	const struct lwm2m_firmware *fw = &c->t->fw;

	if (!c->in->attempt_applying || c->in->attempt != fw->attempt || fw->step < FW_EXECUTE)
		return false;
	return fw->execute_ms && fw->registration != c->t->reg.count;
}

void lwm2m_report(struct lwm2m_step_ctx *c)
{
	struct lwm2m_talk *t = c->t;
	enum lwm2m_proof proof;

	if (t->told.version[0] == 0) {
		(void)snprintf(c->out->log, sizeof(c->out->log),
			       "gives no firmware version (/3/0/3), so nothing can be proved");
		/* Perhaps this once: what is open must not wait for its next word. */
		if (t->fw.step != FW_IDLE)
			lwm2m_poll(c);
		if (t->fw.step == FW_DROP)
			lwm2m_drive(c);
		return;
	}
	recall_boot(c);
	proof = t->boots.known ? new_boot(c) : first_proof(c);
	if (proof == PROOF_NONE && lwm2m_about_to_restart(c)) {
		lwm2m_drive(c);
		return;
	}
	if (proof != PROOF_NONE || !t->boots.known) {
		tell_last(t, t->boots.known);
		name_boot(c, proof);
		t->fw.execute_ms = 0; /* this was the boot that it leads to */
	}
	learn_boot(c);
	t->boots.registered = false;
	fill(c, &c->out->report);
	t->told.fresh = 0;
	t->reporting = true;
	c->out->has_report = true;
}
