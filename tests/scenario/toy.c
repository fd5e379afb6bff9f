/* SPDX-License-Identifier: Apache-2.0
 *
 * A protocol in which the server asks, made up for scenarios. A device says `POST toy?boot=N` and
 * is asked `GET v` for its version; it gets its image by `PUT img` in blocks and applies it at
 * `POST exec`. `POST toy` with anything else is a sign of life, `DELETE toy` a good-bye. What is
 * wanted of it is asked again every 30 s until it is there; a device of which nothing was heard for
 * 300 s is gone. For 20 s after `POST exec` its silence means nothing. A sign of life is a
 * check-in, too. `POST toy?ill=WORD` says what is wrong with it (core's word; "": nothing), `?mv=N`
 * its voltage.
 */
#include "toy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/talk.h"

enum want { WANT_NOTHING, WANT_VERSION, WANT_IMAGE, WANT_EXEC, WANT_BOOT };
enum {
	AGAIN_MS = 30000,
	LIFE_MS = 300000,
	DUE_MS = 20000,
	SAVED = 1 + 4 + 8 + 8 + 8 + 4 + 4 + 4 + 4 + 16
};

struct toy {
	enum want want;
	uint32_t boot, seq, tag;
	uint32_t troubles, supply_mv;
	uint64_t attempt;
	int64_t heard_ms, asked_ms;
	char version[16];
};

static bool owns(uint8_t method, const struct bytes *path, unsigned path_count)
{
	(void)method;
	return path_count >= 1 && path[0].len == 3 && memcmp(path[0].ptr, "toy", 3) == 0;
}

static int options_check(struct bytes options, char fault[TALK_FAULT])
{
	static const char good[] = "toy-mode=slow";

	if (options.len == 0 ||
	    (options.len >= sizeof(good) - 1 && memcmp(options.ptr, good, sizeof(good) - 1) == 0))
		return 0;
	(void)snprintf(fault, TALK_FAULT, "toy-mode: it is slow or not there");
	return ERR_INVAL;
}

static void init(void *talk)
{
	memset(talk, 0, sizeof(struct toy));
}

static int load(void *talk, struct bytes saved)
{
	struct buf r = buf_reader(saved.ptr, saved.len);
	struct toy t = {.want = (enum want)buf_get_u8(&r)};

	t.boot = buf_get_u32(&r);
	t.attempt = buf_get_u64(&r);
	t.heard_ms = (int64_t)buf_get_u64(&r);
	t.asked_ms = (int64_t)buf_get_u64(&r);
	t.seq = buf_get_u32(&r);
	t.tag = buf_get_u32(&r);
	t.troubles = buf_get_u32(&r);
	t.supply_mv = buf_get_u32(&r);
	struct bytes version = buf_get_bytes(&r, sizeof(t.version));
	if (!buf_ok(&r) || buf_left(&r))
		return ERR_CORRUPT;
	memcpy(t.version, version.ptr, sizeof(t.version));
	memset(talk, 0, sizeof(t));
	*(struct toy *)talk = t;
	return 0;
}

static int save(const void *talk, struct buf *out)
{
	const struct toy *t = talk;

	buf_put_u8(out, (uint8_t)t->want);
	buf_put_u32(out, t->boot);
	buf_put_u64(out, t->attempt);
	buf_put_u64(out, (uint64_t)t->heard_ms);
	buf_put_u64(out, (uint64_t)t->asked_ms);
	buf_put_u32(out, t->seq);
	buf_put_u32(out, t->tag);
	buf_put_u32(out, t->troubles);
	buf_put_u32(out, t->supply_mv);
	buf_put_bytes(out, t->version, sizeof(t->version));
	return buf_ok(out) ? 0 : ERR_LIMIT;
}

static bool waits(const struct toy *t)
{
	return t->want == WANT_NOTHING || t->want == WANT_BOOT;
}

static int64_t timer_ms(const void *talk)
{
	const struct toy *t = talk;

	if (!waits(t))
		return t->asked_ms + AGAIN_MS;
	return t->heard_ms ? t->heard_ms + LIFE_MS : 0;
}

/* It may be about to answer. */
static int64_t due_ms(const void *talk)
{
	const struct toy *t = talk;

	return t->want == WANT_EXEC ? t->asked_ms + DUE_MS : 0;
}

static void report(const struct toy *t, struct talk_out *out)
{
	out->has_report = true;
	out->report.boot.has_count = true;
	out->report.boot.count = t->boot;
	out->report.interval_s = LIFE_MS / 1000;
	out->report.troubles = t->troubles;
	out->report.supply_mv = t->supply_mv ? (int64_t)t->supply_mv : -1;
	(void)buf_copy_str(out->report.version, sizeof(out->report.version), t->version);
}

static void status(struct toy *t, enum status_state state, struct talk_out *out)
{
	out->has_status = true;
	out->status.attempt = t->attempt;
	out->status.state = state;
	out->status.boot.has_count = true;
	out->status.boot.count = t->boot;
	out->status.has_seq = true;
	out->status.seq = ++t->seq;
}

static void ask(struct toy *t, const struct talk_in *in, struct talk_out *out)
{
	static const char *const paths[] = {
		[WANT_VERSION] = "v", [WANT_IMAGE] = "img", [WANT_EXEC] = "exec"};
	static const uint8_t methods[] = {[WANT_VERSION] = 1, [WANT_IMAGE] = 3, [WANT_EXEC] = 2};

	t->asked_ms = in->now_ms;
	out->changed = true;
	if (in->asking)
		return;
	out->has_ask = true;
	out->ask.method = methods[t->want];
	out->ask.image = t->want == WANT_IMAGE;
	out->ask.tag = ++t->tag;
	(void)snprintf(out->ask.path, sizeof(out->ask.path), "%s%.*s", paths[t->want],
		       in->options.len ? 5 : 0, "/slow");
}

/* What is on the line does not end with a 0. */
static void word_of(struct bytes q, char dst[24])
{
	memset(dst, 0, 24);
	if (q.len < 24)
		memcpy(dst, q.ptr, q.len);
}

/* false: it is none of those words */
static bool takes_facts(struct toy *t, struct bytes q, struct talk_out *out)
{
	char word[24];

	out->changed = true;
	word_of(q, word);
	if (strncmp(word, "mv=", 3) == 0) {
		t->supply_mv = (uint32_t)strtoul(word + 3, NULL, 10);
		return true;
	}
	if (strncmp(word, "ill=", 4) != 0)
		return false;
	t->troubles = 0;
	for (unsigned i = 0; i < TROUBLE_COUNT; i++)
		if (strcmp(word + 4, trouble_name(i)) == 0)
			t->troubles = 1u << i;
	return t->troubles || !word[4];
}

static void requested(struct toy *t, const struct talk_in *in, struct talk_out *out)
{
	const struct talk_request *r = in->request;
	char word[24] = "";

	if (r->query_count)
		word_of(r->query[0], word);
	out->has_reply = out->contact = true;
	out->reply.code = 68; /* 2.04 */
	if (r->duplicate)
		return;
	t->heard_ms = in->now_ms;
	if (r->method == 4) {
		out->contact = false;
		out->gone = out->changed = true;
		t->heard_ms = 0;
		if (t->want == WANT_VERSION) /* what it told in another boot */
			memset(t->version, 0, sizeof(t->version));
		t->want = WANT_NOTHING;
	} else if (strncmp(word, "boot=", 5) == 0 && word[5]) {
		t->boot = (uint32_t)strtoul(word + 5, NULL, 10);
		out->returned = t->want == WANT_BOOT;
		t->want = WANT_VERSION;
		out->changed = true;
		out->reply.code = 65; /* 2.01 */
		(void)snprintf(out->reply.location[0], sizeof(out->reply.location[0]), "toy");
	} else if (r->query_count && !takes_facts(t, r->query[0], out)) {
		out->reply.code = 128; /* 4.00 */
	} else if (t->want == WANT_NOTHING && t->version[0]) {
		report(t, out);
	}
}

static void answered(struct toy *t, const struct talk_in *in, struct talk_out *out)
{
	const struct talk_answer *a = in->answer;

	if (a->err || a->tag != t->tag || a->code >= 128)
		return;
	out->contact = true;
	t->heard_ms = in->now_ms;
	if (t->want == WANT_VERSION && a->payload.len < sizeof(t->version)) {
		memset(t->version, 0, sizeof(t->version));
		memcpy(t->version, a->payload.ptr, a->payload.len);
		t->want = WANT_NOTHING;
		report(t, out);
	} else if (t->want == WANT_IMAGE) {
		status(t, STATUS_VERIFIED, out);
	} else if (t->want == WANT_EXEC) {
		t->want = WANT_BOOT;
	}
	out->changed = true;
}

static void accepted(struct toy *t, const struct talk_in *in, struct talk_out *out)
{
	if (!in->accepted)
		t->want = WANT_NOTHING;
	else if (t->want == WANT_IMAGE && !in->attempt_applying)
		status(t, STATUS_APPLYING, out);
	if (in->attempt_applying)
		t->want = WANT_EXEC;
}

static void rung(struct toy *t, const struct talk_in *in, struct talk_out *out)
{
	if (!in->attempt && t->want > WANT_VERSION) {
		t->want = WANT_NOTHING;
		out->cancels = out->changed = true;
	}
	if (t->want == WANT_NOTHING && t->version[0])
		report(t, out);
}

static void directed(struct toy *t, const struct talk_in *in)
{
	if (in->directive->action != DIRECTIVE_UPDATE || t->want != WANT_NOTHING)
		return;
	t->attempt = in->directive->attempt;
	t->want = WANT_IMAGE;
}

static void step(void *talk, const struct talk_in *in, struct talk_out *out)
{
	struct toy *t = talk;

	switch (in->event) {
	case TALK_REQUEST:
		requested(t, in, out);
		break;
	case TALK_ANSWER:
		answered(t, in, out);
		break;
	case TALK_NOTIFIED:
		out->contact = true;
		(void)snprintf(out->log, sizeof(out->log), "notified=%.*s",
			       (int)in->answer->payload.len, (const char *)in->answer->payload.ptr);
		break;
	case TALK_TIMER:
		out->gone = waits(t) && t->heard_ms && in->now_ms >= t->heard_ms + LIFE_MS;
		if (out->gone)
			t->heard_ms = 0;
		break;
	case TALK_RING:
		rung(t, in, out);
		break;
	case TALK_DIRECTIVE:
		directed(t, in);
		break;
	case TALK_ACCEPTED:
		accepted(t, in, out);
		break;
	}
	bool lost = in->event == TALK_ANSWER && in->answer->err;
	bool due = in->now_ms >= t->asked_ms + AGAIN_MS || in->now_ms < t->asked_ms ||
		   in->event != TALK_TIMER;
	if (!out->has_report && !out->has_status && !waits(t) && !lost && due &&
	    !(in->request && in->request->duplicate))
		ask(t, in, out);
}

static void facts(const void *talk, int64_t now_ms,
		  void (*tell)(void *ctx, const char *name, const char *value), void *ctx)
{
	const struct toy *t = talk;
	char boots[16];

	(void)now_ms;
	(void)snprintf(boots, sizeof(boots), "%u", t->boot);
	tell(ctx, "boots", boots);
	tell(ctx, NULL, "It is a toy.");
}

static const struct talk_option options[] = {{"toy-mode", "slow", "asks slowly"}};

/* A good-bye of nobody we know. */
static uint8_t nobody(uint8_t method, const struct bytes *path, unsigned path_count)
{
	(void)path;
	(void)path_count;
	return method == 4 ? 132 : 0; /* 4.04 */
}

const struct talk_proto toy_proto = {
	.name = "toy",
	.well_known = "</toy>",
	.options = options,
	.option_count = 1,
	.size = sizeof(struct toy),
	.owns = owns,
	.nobody = nobody,
	.options_check = options_check,
	.init = init,
	.load = load,
	.save = save,
	.step = step,
	.timer_ms = timer_ms,
	.due_ms = due_ms,
	.facts = facts,
};
