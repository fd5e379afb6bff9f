/* SPDX-License-Identifier: Apache-2.0
 *
 * Object 5 (LwM2M 1.0 to 1.2, appendix E.6): an attempt is carried out by reads of State and
 * Result, and by nothing else. Notifications and polls only say when to read. So a notification
 * that is lost, or late, or of State without its Result, decides nothing.
 */
#include <stdio.h>
#include <string.h>

#include "proto/lwm2m_agent.h"

enum {
	STATE_IDLE,
	STATE_DOWNLOADING,
	STATE_DOWNLOADED,
	STATE_UPDATING,
};
enum {
	RESULT_SUCCESS = 1,
	RESULT_CONNECTION_LOST = 4,
	RESULT_INVALID_URI = 7,
	RESULT_UNSUPPORTED_PROTOCOL = 9,
	DELIVERY_PULL = 0,
	DELIVERY_PUSH = 1,
};
enum {
	CODE_TIMEOUT = 4 << 5 | 8, /* Block1 came in pieces (RFC 7959 2.9.2) */
	CODE_TOO_LARGE = 4 << 5 | 13,
	CODE_TOO_MANY = 4 << 5 | 29,
	CODE_UNAVAILABLE = 5 << 5 | 3,
	CODE_NOT_FOUND = 4 << 5 | 4,
	CODE_METHOD = 4 << 5 | 5,
	CODE_FORMAT = 4 << 5 | 15,
};
enum {
	RESETS_MAX = 3,	  /* ways to reset, lwm2m_ask.c */
	WAITS_MAX = 3,	  /* looks at a State that does not go away */
	WRITES_MAX = 4,	  /* of one attempt */
	EXECUTES_MAX = 4, /* without an answer */
	STALE_S = 60,	  /* Result may still be that of the attempt before */
	LOST_S = 180,	  /* State 0 for so long after a write: it was forgotten */
	FRESH_S = 5,	  /* State is known well enough */
};

static void fail(struct lwm2m_step_ctx *c, enum reason reason, int32_t code, const char *detail)
{
	lwm2m_say(c, STATUS_FAILED, reason, code, detail);
}

static void refuse(struct lwm2m_step_ctx *c, enum reason reason, const char *detail)
{
	lwm2m_say(c, STATUS_REFUSED, reason, (int32_t)c->t->told.state, detail);
}

/* ---- before the write ---- */

static void drive_write(struct lwm2m_step_ctx *c);

static void drive_reset(struct lwm2m_step_ctx *c)
{
	struct lwm2m_firmware *fw = &c->t->fw;
	int64_t state = c->t->told.state;
	char detail[LIMIT_DETAIL + 1];

	if (state == STATE_IDLE && (!fw->fresh || fw->resets > 0)) {
		fw->step = FW_WRITE;
		drive_write(c);
	} else if (state != STATE_UPDATING && fw->resets < RESETS_MAX) {
		c->t->ask.next = ASK_RESET;
	} else if (fw->waits++ < WAITS_MAX) {
		lwm2m_poll(c);
	} else if (state == STATE_UPDATING) {
		refuse(c, REASON_BUSY, "LwM2M State 3 (updating) before anything was written");
	} else {
		(void)snprintf(detail, sizeof(detail),
			       "LwM2M State %d (%s) before anything was written, and a reset does "
			       "not end it",
			       (int)state, lwm2m_state_word(state));
		refuse(c, REASON_OTHER, detail);
	}
}

static bool can_pull(const struct lwm2m_step_ctx *c)
{
	const struct lwm2m_told *told = &c->t->told;
	int64_t ours = c->in->secure ? 1 << 1 : 1 << 0; /* /5/0/8: 0 coap, 1 coaps */

	return told->delivery != DELIVERY_PUSH && (told->protocols < 0 || (told->protocols & ours));
}

static bool can_push(const struct lwm2m_step_ctx *c)
{
	return c->t->told.delivery != DELIVERY_PULL;
}

static void choose(struct lwm2m_step_ctx *c)
{
	struct lwm2m_firmware *fw = &c->t->fw;
	enum lwm2m_transfer want = fw->fell_back ? TRANSFER_PUSH : c->opt.transfer;

	if (want != TRANSFER_PUSH && can_pull(c))
		fw->push = false;
	else if (want != TRANSFER_PULL && can_push(c))
		fw->push = true;
	else {
		refuse(c, REASON_UNSUPPORTED,
		       want == TRANSFER_PULL ? "the device cannot pull (/5/0/8, /5/0/9)"
		       : want == TRANSFER_PUSH
			       ? "the device cannot be pushed to (/5/0/9)"
			       : "the device can neither pull from here nor be pushed to (/5/0/8, "
				 "/5/0/9)");
		return;
	}
	c->t->ask.next = fw->push ? ASK_PUSH : ASK_WRITE_URI;
}

static bool observe(struct lwm2m_step_ctx *c)
{
	struct lwm2m_asking *ask = &c->t->ask;

	if (!ask->attributes_set)
		ask->next = ASK_ATTRIBUTES;
	else if (!ask->observe_tried[0])
		ask->next = ASK_OBSERVE_STATE;
	else if (!ask->observe_tried[1])
		ask->next = ASK_OBSERVE_RESULT;
	else
		return false;
	return true;
}

static bool falls_back(struct lwm2m_step_ctx *c)
{
	struct lwm2m_firmware *fw = &c->t->fw;

	if (fw->push || fw->fell_back || c->opt.transfer != TRANSFER_AUTO || !can_push(c))
		return false;
	fw->fell_back = true;
	return true;
}

static bool for_now(uint8_t code)
{
	return code == CODE_UNAVAILABLE || code == CODE_TOO_MANY || code == CODE_TIMEOUT;
}

/* The device did not take the write or Execute: what it says by Result, else by the code. */
static void drive_refused(struct lwm2m_step_ctx *c, const char *what)
{
	struct lwm2m_firmware *fw = &c->t->fw;
	uint8_t code = fw->refused_code;
	int number = (code >> 5) * 100 + (code & 31);
	char detail[LIMIT_DETAIL + 1];

	fw->refused_code = 0;
	if (for_now(code) && fw->writes < WRITES_MAX && fw->executes < EXECUTES_MAX) {
		lwm2m_poll(c);
		return;
	}
	if (c->t->told.result > RESULT_SUCCESS && c->t->told.result != fw->stale_result) {
		lwm2m_say_result(c, c->t->told.result);
		return;
	}
	(void)snprintf(detail, sizeof(detail), "%s was answered %d.%02d", what, number / 100,
		       number % 100);
	fail(c,
	     code == CODE_TOO_LARGE ? REASON_NO_SPACE
	     : code == CODE_METHOD || code == CODE_NOT_FOUND || code == CODE_FORMAT
		     ? REASON_UNSUPPORTED
		     : REASON_OTHER,
	     number, detail);
}

static void drive_written(struct lwm2m_step_ctx *c);

static void drive_write(struct lwm2m_step_ctx *c)
{
	struct lwm2m_firmware *fw = &c->t->fw;
	int64_t state = c->t->told.state;

	if (fw->refused_code && falls_back(c))
		fw->refused_code = 0;
	if (fw->refused_code) {
		drive_refused(c, fw->push ? "the package (/5/0/0)" : "the URI (/5/0/1)");
	} else if (state == STATE_IDLE) {
		if (fw->writes >= WRITES_MAX)
			lwm2m_poll(c);
		else if (!observe(c))
			choose(c);
	} else if (fw->wrote_ms && !fw->push) {
		fw->step = FW_WRITTEN; /* it took the URI; only its answer was lost */
		drive_written(c);
	} else {
		fw->step = FW_RESET; /* a push that broke off, or something that came between */
		fw->resets = 0;
		drive_reset(c);
	}
}

/* ---- after the write ---- */

/* The gate is asked for where Execute can follow at once. */
static void gate(struct lwm2m_step_ctx *c)
{
	bool under_way = c->t->told.state == STATE_UPDATING;

	if (!under_way && !lwm2m_listens(c)) {
		lwm2m_poll(c);
		return;
	}
	lwm2m_say(c, STATUS_APPLYING, REASON_NONE, 0, NULL);
	c->out->status.under_way = under_way;
}

/* Connection lost before the first block: the device does not get to where the URI points. */
static bool uri_leads_nowhere(const struct lwm2m_step_ctx *c)
{
	int64_t result = c->t->told.result;

	return result == RESULT_INVALID_URI || result == RESULT_UNSUPPORTED_PROTOCOL ||
	       (result == RESULT_CONNECTION_LOST && c->in->attempt_served == 0);
}

static void drive_lost(struct lwm2m_step_ctx *c)
{
	struct lwm2m_firmware *fw = &c->t->fw;
	int64_t result = c->t->told.result;
	int64_t since_ms = c->in->now_ms - fw->wrote_ms;

	if (result > RESULT_SUCCESS &&
	    (result != fw->stale_result || since_ms >= (int64_t)STALE_S * 1000)) {
		if (uri_leads_nowhere(c) && falls_back(c)) {
			fw->step = FW_WRITE;
			drive_write(c);
		} else {
			lwm2m_say_result(c, result);
		}
	} else if (fw->registration != c->t->reg.count || since_ms >= (int64_t)LOST_S * 1000) {
		fw->step = FW_WRITE; /* it restarted and has forgotten it */
		drive_write(c);
	} else {
		lwm2m_poll(c);
	}
}

static void drive_written(struct lwm2m_step_ctx *c)
{
	struct lwm2m_firmware *fw = &c->t->fw;

	switch (c->t->told.state) {
	case STATE_IDLE:
		drive_lost(c);
		break;
	case STATE_DOWNLOADING:
		if (!fw->told_downloading)
			lwm2m_say(c, STATUS_DOWNLOADING, REASON_NONE, 0, NULL);
		else if (!observe(c))
			lwm2m_poll(c);
		break;
	case STATE_DOWNLOADED:
	case STATE_UPDATING: /* it does not wait for Execute */
		if (!fw->told_verified)
			lwm2m_say(c, STATUS_VERIFIED, REASON_NONE, 0, NULL);
		else
			gate(c);
		break;
	default:
		lwm2m_poll(c);
		break;
	}
}

/* ---- after the gate ---- */

static void drive_execute(struct lwm2m_step_ctx *c)
{
	struct lwm2m_firmware *fw = &c->t->fw;

	if (c->t->told.state == STATE_UPDATING) {
		fw->step = FW_EXECUTED;
		fw->refused_code = 0;
		lwm2m_poll(c);
	} else if (fw->refused_code) {
		drive_refused(c, "Execute of /5/0/2");
	} else if (c->t->told.state == STATE_DOWNLOADED) {
		if (fw->executes < EXECUTES_MAX)
			c->t->ask.next = ASK_EXECUTE;
		else
			lwm2m_poll(c);
	} else if (c->t->told.result > RESULT_SUCCESS) {
		lwm2m_say_result(c, c->t->told.result);
	} else {
		lwm2m_poll(c);
	}
}

/* A Result of success proves nothing, and none at all neither: a boot has to come. */
static void drive_executed(struct lwm2m_step_ctx *c)
{
	if (c->t->told.state != STATE_UPDATING && c->t->told.result > RESULT_SUCCESS)
		lwm2m_say_result(c, c->t->told.result);
	else
		lwm2m_poll(c);
}

/* Once in any case: it may have been about to begin. */
static void drive_drop(struct lwm2m_step_ctx *c)
{
	struct lwm2m_firmware *fw = &c->t->fw;
	int64_t state = c->t->told.state;

	if (((state == STATE_IDLE && fw->resets == 0) || state == STATE_DOWNLOADING ||
	     state == STATE_DOWNLOADED) &&
	    fw->resets < RESETS_MAX) {
		c->t->ask.next = ASK_RESET;
	} else {
		fw->step = FW_IDLE;
		lwm2m_round(c, true); /* a ring meanwhile was not answered */
	}
}

/* Not one that could not be read this once. */
static bool lacks_firmware(const struct lwm2m_talk *t)
{
	return t->told.no_firmware || (t->reg.has_links && !t->reg.has_firmware);
}

void lwm2m_drive(struct lwm2m_step_ctx *c)
{
	static void (*const rows[FW_STEPS])(struct lwm2m_step_ctx * c) = {
		[FW_RESET] = drive_reset,	[FW_WRITE] = drive_write,
		[FW_WRITTEN] = drive_written,	[FW_EXECUTE] = drive_execute,
		[FW_EXECUTED] = drive_executed, [FW_DROP] = drive_drop,
	};
	struct lwm2m_talk *t = c->t;

	if (t->boots.registered || c->out->has_report || c->out->has_status)
		return; /* first things first */
	t->ask.next = ASK_NONE;
	if (t->told.state < 0 && t->fw.step == FW_RESET && lacks_firmware(t))
		refuse(c, REASON_UNSUPPORTED,
		       "the device shows no Firmware Update object (/5/0/3)");
	else if (t->told.state < 0 && t->fw.step != FW_IDLE && t->fw.step != FW_DROP)
		lwm2m_poll(c);
	else if (rows[t->fw.step])
		rows[t->fw.step](c);
}

/* ---- answers of the device ---- */

static void answered_write(struct lwm2m_step_ctx *c, bool push, const struct talk_answer *answer)
{
	struct lwm2m_firmware *fw = &c->t->fw;

	if (fw->step != FW_WRITE)
		return;
	if (answer->err) {
		/* What came of a push in pieces has to go first. */
		if (push) {
			fw->step = FW_RESET;
			fw->resets = fw->waits = 0;
		}
		if (answer->err == ERR_IO) { /* our copy of the image: not its fault */
			fw->writes--;
			lwm2m_poll(c);
		} else {
			lwm2m_round(c, false);
		}
		return;
	}
	if (answer->code >> 5 == 2) {
		fw->step = FW_WRITTEN;
		lwm2m_poll_soon(c);
		return;
	}
	fw->refused_code = answer->code;
	lwm2m_round(c, false);
}

static void answered_execute(struct lwm2m_step_ctx *c, const struct talk_answer *answer)
{
	struct lwm2m_firmware *fw = &c->t->fw;

	if (fw->step != FW_EXECUTE)
		return;
	if (answer->err == 0 && answer->code >> 5 == 2) {
		fw->step = FW_EXECUTED;
		lwm2m_poll_soon(c);
		return;
	}
	if (answer->err == 0)
		fw->refused_code = answer->code;
	lwm2m_round(c, false);
}

void lwm2m_firmware_answer(struct lwm2m_step_ctx *c, enum lwm2m_ask what,
			   const struct talk_answer *answer)
{
	const struct talk_answer unheard = {.content_format = -1};

	/* Nothing rests on these: where no answer comes there are polls. */
	if (answer->err && what < ASK_RESET) {
		lwm2m_poll(c);
		answer = answer->err == ERR_TIMEOUT ? &unheard : answer;
	}
	switch (what) {
	case ASK_ATTRIBUTES:
		if (!answer->err) {
			c->t->ask.attributes_set = true; /* or it has none: observed all the same */
			lwm2m_drive(c);
		}
		break;
	case ASK_OBSERVE_STATE:
	case ASK_OBSERVE_RESULT:
		if (!answer->err) { /* or it cannot be: there are polls */
			c->t->ask.observe_tried[what == ASK_OBSERVE_RESULT] = true;
			lwm2m_drive(c);
		}
		break;
	case ASK_RESET:
		lwm2m_round(c, false);
		break;
	case ASK_WRITE_URI:
	case ASK_PUSH:
		answered_write(c, what == ASK_PUSH, answer);
		break;
	case ASK_EXECUTE:
		answered_execute(c, answer);
		break;
	case ASK_NONE:
	case ASK_READ:
	case ASK_COUNT:
		break;
	}
}

/* ---- answers of core ---- */

static void begin(struct lwm2m_step_ctx *c, const struct directive *d)
{
	struct lwm2m_firmware *fw = &c->t->fw;
	struct last_attempt last = fw->last;

	*fw = (struct lwm2m_firmware){.step = FW_RESET,
				      .attempt = d->attempt,
				      .size_bytes = d->size_bytes,
				      .block_bytes = d->block_bytes,
				      .fresh = (d->flags & DIRECTIVE_FRESH) || fw->step == FW_DROP,
				      .registration = c->t->reg.count,
				      .stale_result = -1,
				      .last = last};
	memcpy(fw->digest16, d->file_sha256, sizeof(fw->digest16));
	c->t->poll_s = 0;
	if (c->in->attempt_applying) { /* of which nothing was kept here; perhaps Execute got lost
					*/
		fw->step = FW_EXECUTE;
		fw->execute_ms = c->in->now_ms;
	}
}

void lwm2m_attempt_gone(struct lwm2m_step_ctx *c)
{
	struct lwm2m_talk *t = c->t;
	bool written = t->fw.step == FW_WRITTEN || (t->fw.step == FW_WRITE && t->fw.wrote_ms);

	if (t->ask.ask == ASK_PUSH) {
		c->out->cancels = true;
		t->ask.ask = ASK_NONE;
	}
	t->ask.next = ASK_NONE;
	t->fw.step = written ? FW_DROP : FW_IDLE;
	t->fw.resets = 0;
	if (written)
		lwm2m_round(c, false);
}

static bool has_state(const struct lwm2m_step_ctx *c)
{
	const struct lwm2m_talk *t = c->t;

	return (t->reg.has_links && !t->reg.has_firmware) ||
	       (t->told.firmware_ms &&
		c->in->now_ms - t->told.firmware_ms < (int64_t)FRESH_S * 1000);
}

void lwm2m_directive(struct lwm2m_step_ctx *c)
{
	struct lwm2m_talk *t = c->t;
	const struct directive *d = c->in->directive;
	bool ours = t->fw.step != FW_IDLE && t->fw.step != FW_DROP;

	t->reporting = false;
	if (d->next_check_in_s > 0)
		lwm2m_check_in(c, d->next_check_in_s);
	if (d->retry_after_s > 0)
		lwm2m_check_in(c, d->retry_after_s);
	if (d->action != DIRECTIVE_UPDATE) {
		if (ours && c->in->attempt == t->fw.attempt)
			t->fw.step = FW_PROVING;
		else if (t->fw.step == FW_DROP && !t->reads.todo)
			lwm2m_drive(c);
		return;
	}
	if (!ours || d->attempt != t->fw.attempt)
		begin(c, d);
	if (!has_state(c))
		lwm2m_round(c, false);
	else if (!t->reads.todo)
		lwm2m_drive(c);
}

void lwm2m_accepted(struct lwm2m_step_ctx *c)
{
	struct lwm2m_talk *t = c->t;
	enum status_state told = t->telling;

	t->telling = 0;
	if (told >= STATUS_REFUSED) {
		/* It is over; what comes next, the next report is told. */
		t->fw.step = FW_IDLE;
		lwm2m_report(c);
		return;
	}
	if (!c->in->accepted && c->in->later_s) {
		t->fw.told_verified = true;
		t->gate_waits = true;
		lwm2m_check_in(c, c->in->later_s);
		return;
	}
	if (!c->in->accepted) {
		lwm2m_attempt_gone(c);
		return;
	}
	if (told == STATUS_DOWNLOADING) {
		t->fw.told_downloading = true;
		lwm2m_drive(c);
	} else if (told == STATUS_VERIFIED) {
		t->fw.told_verified = true;
		gate(c);
	} else if (t->told.state == STATE_UPDATING) {
		t->fw.step = FW_EXECUTED;
		t->fw.execute_ms = c->in->now_ms;
		t->fw.registration = t->reg.count;
		lwm2m_poll_soon(c);
	} else {
		t->fw.step = FW_EXECUTE;
		t->ask.next = ASK_EXECUTE;
	}
}
