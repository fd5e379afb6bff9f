/* SPDX-License-Identifier: Apache-2.0
 *
 * One step: who has to deal with what has happened, what is asked next, when to look again.
 */
#include "proto/lwm2m.h"

#include <string.h>

#include "proto/lwm2m_agent.h"

enum {
	LOST_MS = 300 * 1000, /* after that, it is asked whether an answer can still come */
	RETRY_FIRST_S = 30,   /* of a device that does not answer, doubled each time */
	RETRY_MAX_S = 900,
	SEND_LATE_MS = 93 * 1000, /* how old a notification or Send can be, RFC 7252 4.8.2 */
};

#define WELL_KNOWN "</rd>;rt=\"core.rd\";ct=40,</dp>;ct=\"110 112\""

static void heard(struct lwm2m_step_ctx *c)
{
	struct lwm2m_talk *t = c->t;

	c->out->contact = !lwm2m_about_to_restart(c);
	t->heard_ms = c->in->now_ms;
	t->ask.deaf = false;
	t->ask.failures = 0;
}

static void window(struct lwm2m_step_ctx *c)
{
	struct lwm2m_talk *t = c->t;

	t->window_ms = t->reg.queue ? t->heard_ms + c->opt.listen_s * 1000 : 0;
}

/* ---- asks without an answer ---- */

static void unanswered(struct lwm2m_step_ctx *c, int err)
{
	struct lwm2m_asking *ask = &c->t->ask;
	int64_t wait_s = RETRY_FIRST_S;

	for (unsigned i = 0; i < ask->failures && wait_s < RETRY_MAX_S; i++)
		wait_s *= 2;
	if (wait_s > RETRY_MAX_S)
		wait_s = RETRY_MAX_S;
	if (ask->failures < UINT8_MAX)
		ask->failures++;
	ask->deaf = true;
	/* Without a session there is no use in trying before it speaks. */
	ask->retry_ms = err == ERR_NOENT || c->t->window_ms ? 0 : c->in->now_ms + wait_s * 1000;
}

/* It answered, though perhaps nothing that can be read. */
static bool has_answered(int err)
{
	return err == 0 || err == ERR_LIMIT || err == ERR_SYNTAX || err == ERR_CRITICAL;
}

static void answered(struct lwm2m_step_ctx *c, enum lwm2m_ask what, const struct talk_answer *a)
{
	if (what != ASK_READ)
		lwm2m_firmware_answer(c, what, a);
	else if (has_answered(a->err))
		lwm2m_read_answer(c, c->t->ask.item, a);
}

static void answer(struct lwm2m_step_ctx *c)
{
	const struct talk_answer *a = c->in->answer;
	struct lwm2m_asking *ask = &c->t->ask;
	enum lwm2m_ask what = ask->ask;

	if (has_answered(a->err))
		heard(c);
	if (what == ASK_NONE || a->tag != ask->tag)
		return;
	ask->ask = ASK_NONE;
	c->told_ms = ask->sent_ms;
	if (!has_answered(a->err) && a->err != ERR_IO)
		unanswered(c, a->err);
	answered(c, what, a);
}

/* We were away, or its session is gone: no answer will come. */
static void lost(struct lwm2m_step_ctx *c)
{
	struct lwm2m_asking *ask = &c->t->ask;
	enum lwm2m_ask what = ask->ask;

	if (what == ASK_NONE || c->in->asking)
		return;
	ask->ask = ASK_NONE;
	answered(c, what, &(struct talk_answer){.err = ERR_CLOSED, .content_format = -1});
}

/* ---- the other events ---- */

/* What it says decides nothing, but that State and Result are to be read. An observation that has
 * ended is not begun again in this registration: there are polls. */
static void notified(struct lwm2m_step_ctx *c)
{
	const struct talk_answer *a = c->in->answer;
	struct lwm2m_talk *t = c->t;

	if (a->tag != TAG_STATE && a->tag != TAG_RESULT)
		return;
	if (t->fw.step == FW_IDLE || t->fw.step == FW_PROVING)
		return;
	/* What is being read may be older than that. */
	t->reads.again = t->ask.ask == ASK_READ;
	lwm2m_round(c, false);
}

static void timer(struct lwm2m_step_ctx *c)
{
	struct lwm2m_talk *t = c->t;

	if (t->ask.ask != ASK_NONE && c->in->now_ms - t->ask.sent_ms >= LOST_MS)
		t->ask.sent_ms = c->in->now_ms; /* still out: look again later */
	if (t->ask.deaf && t->ask.retry_ms && c->in->now_ms >= t->ask.retry_ms)
		t->ask.deaf = false; /* try it */
}

/* Our clock was set back: no wait becomes longer by that. How long ago it heard the device is not
 * known any more; one in queue mode is asked after its next word. */
static void clock_back(struct lwm2m_step_ctx *c)
{
	struct lwm2m_talk *t = c->t;
	int64_t now_ms = c->in->now_ms;

	if (t->heard_ms > now_ms) {
		t->heard_ms = now_ms - c->opt.listen_s * 1000;
		t->boots.moment_ms = MOMENT_LOST;
	}
	if (t->ask.sent_ms > now_ms)
		t->ask.sent_ms = now_ms;
	if (t->ask.retry_ms > now_ms + (int64_t)RETRY_MAX_S * 1000)
		t->ask.retry_ms = now_ms;
	if (t->fw.wrote_ms > now_ms)
		t->fw.wrote_ms = now_ms;
	if (t->told.firmware_ms > now_ms)
		t->told.firmware_ms = 0;
	if (t->check_ms > now_ms && t->check_set_ms > now_ms)
		t->check_ms = now_ms;
}

static void check(struct lwm2m_step_ctx *c)
{
	struct lwm2m_talk *t = c->t;

	if (t->check_ms == 0 || c->in->now_ms < t->check_ms)
		return;
	if (!lwm2m_listens(c)) {
		/* The timer came too late for the window: at its next word. */
		if (t->window_ms && t->check_ms < t->window_ms && c->in->now_ms >= t->window_ms)
			t->check_ms = t->window_ms;
		return;
	}
	t->check_ms = 0;
	lwm2m_round(c, t->boots.registered || t->fw.step == FW_IDLE || t->fw.step >= FW_EXECUTED ||
			       t->gate_waits);
	t->gate_waits = false;
}

/* A report has to be the device's word: it is asked. */
static void ring(struct lwm2m_step_ctx *c)
{
	struct lwm2m_talk *t = c->t;

	if (t->reg.registered && t->fw.step == FW_IDLE && !t->reads.todo)
		lwm2m_round(c, true);
}

static void dispatch(struct lwm2m_step_ctx *c)
{
	switch (c->in->event) {
	case TALK_REQUEST:
		heard(c);
		lwm2m_request(c);
		break;
	case TALK_ANSWER:
		answer(c);
		break;
	case TALK_NOTIFIED:
		heard(c);
		notified(c);
		break;
	case TALK_TIMER:
		timer(c);
		break;
	case TALK_RING:
		ring(c);
		break;
	case TALK_DIRECTIVE:
		lwm2m_directive(c);
		break;
	case TALK_ACCEPTED:
		lwm2m_accepted(c);
		break;
	}
}

/* The attempt that we carry out was ended by somebody else. */
static bool orphaned(const struct lwm2m_step_ctx *c)
{
	const struct lwm2m_firmware *fw = &c->t->fw;

	return c->in->event != TALK_ACCEPTED && fw->step != FW_IDLE && fw->step != FW_DROP &&
	       c->in->attempt != fw->attempt;
}

static bool same_lasting(const struct lwm2m_talk *a, const struct lwm2m_talk *b)
{
	uint8_t x[TALK_SAVED], y[TALK_SAVED];
	struct buf before = buf_writer(x, sizeof(x)), after = buf_writer(y, sizeof(y));

	return !lwm2m_save_lasting(a, &before) && !lwm2m_save_lasting(b, &after) &&
	       bytes_equal(buf_bytes(&before), buf_bytes(&after));
}

static void lwm2m_step(void *talk, const struct talk_in *in, struct talk_out *out)
{
	struct lwm2m_step_ctx c = {.t = talk, .in = in, .out = out};
	const struct lwm2m_talk before = *c.t;
	char fault[TALK_FAULT];

	if (lwm2m_options_parse(in->options, &c.opt, fault) &&
	    lwm2m_options_parse((struct bytes){NULL, 0}, &c.opt, fault))
		return; /* the defaults are sound */
	c.told_ms = in->now_ms - SEND_LATE_MS;
	c.t->named = 0;
	for (unsigned i = 0; i < NAMED_COUNT; i++)
		if (c.opt.named[i].count)
			c.t->named |= (uint8_t)(1u << i);
		else /* not any more */
			lwm2m_forget_named(&c.t->told, (enum lwm2m_named)i);
	if (in->event != TALK_ANSWER && in->event != TALK_DIRECTIVE && in->event != TALK_ACCEPTED)
		lost(&c);
	clock_back(&c);
	window(&c);
	if (c.t->resume && c.t->reg.registered)
		lwm2m_round(&c, true);
	c.t->resume = false;
	if (orphaned(&c))
		lwm2m_attempt_gone(&c);
	dispatch(&c);
	window(&c);
	check(&c);
	lwm2m_look_after_execute(&c);
	lwm2m_pump(&c);
	out->changed = !same_lasting(&before, c.t);
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

static int64_t lwm2m_timer_ms(const void *talk)
{
	const struct lwm2m_talk *t = talk;
	bool waiting = t->reads.todo || t->ask.next != ASK_NONE;
	int64_t at_ms = 0;

	if (!t->reg.registered)
		return 0;
	if (t->ask.ask != ASK_NONE)
		return t->ask.sent_ms + LOST_MS;
	if (t->ask.deaf)
		return waiting || t->check_ms ? t->ask.retry_ms : 0; /* 0: until it speaks */
	if (t->resume)
		at_ms = 1;
	if (t->check_ms && (t->window_ms == 0 || t->check_ms < t->window_ms))
		at_ms = earlier(at_ms, t->check_ms);
	return at_ms;
}

static int64_t lwm2m_due_ms(const void *talk)
{
	const struct lwm2m_talk *t = talk;

	return t->due_ms;
}

static int lwm2m_options_check(struct bytes options, char fault[TALK_FAULT])
{
	struct lwm2m_options opt;

	return lwm2m_options_parse(options, &opt, fault);
}

const struct talk_proto talk_lwm2m = {
	.name = "lwm2m",
	.well_known = WELL_KNOWN,
	.options = lwm2m_option_rows,
	.option_count = LWM2M_OPTIONS,
	.size = sizeof(struct lwm2m_talk),
	.owns = lwm2m_owns,
	.nobody = lwm2m_nobody,
	.options_check = lwm2m_options_check,
	.init = lwm2m_init,
	.load = lwm2m_load,
	.save = lwm2m_save,
	.step = lwm2m_step,
	.timer_ms = lwm2m_timer_ms,
	.due_ms = lwm2m_due_ms,
	.facts = lwm2m_facts,
};
