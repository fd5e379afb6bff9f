/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests of ours: one at a time, when the device listens. In queue mode that is for a while
 * after its last word (LwM2M 6.5); else always, until it does not answer.
 */
#include <stdio.h>
#include <string.h>

#include "proto/lwm2m_agent.h"

enum { METHOD_GET = 1, METHOD_POST, METHOD_PUT };
enum {
	POLL_FIRST_S = 5,
	STATE_OLD_S = 10, /* before something is written, State is read again */
};

bool lwm2m_listens(const struct lwm2m_step_ctx *c)
{
	const struct lwm2m_talk *t = c->t;
	int64_t now_ms = c->in->now_ms;

	if (!t->reg.registered)
		return false;
	if (t->ask.deaf && (t->ask.retry_ms == 0 || now_ms < t->ask.retry_ms))
		return false;
	return t->window_ms == 0 || now_ms < t->window_ms;
}

void lwm2m_check_in(struct lwm2m_step_ctx *c, int64_t seconds)
{
	struct lwm2m_talk *t = c->t;
	int64_t at_ms = c->in->now_ms + seconds * 1000;

	if (t->check_ms <= c->in->now_ms || at_ms < t->check_ms) {
		t->check_ms = at_ms;
		t->check_set_ms = c->in->now_ms;
	}
}

void lwm2m_poll_soon(struct lwm2m_step_ctx *c)
{
	c->t->poll_s = 0;
	lwm2m_poll(c);
}

void lwm2m_poll(struct lwm2m_step_ctx *c)
{
	struct lwm2m_talk *t = c->t;

	t->poll_s = t->poll_s ? 2 * t->poll_s : POLL_FIRST_S;
	if (t->poll_s > c->opt.poll_s)
		t->poll_s = c->opt.poll_s;
	lwm2m_check_in(c, t->poll_s);
}

/* ---- what is written ---- */

static void resource(const struct lwm2m_step_ctx *c, const char *path, struct talk_ask *ask)
{
	const char *root = c->t->reg.root;

	if (root[0])
		(void)snprintf(ask->path, sizeof(ask->path), "%s/%s", root + (root[0] == '/'),
			       path);
	else
		(void)snprintf(ask->path, sizeof(ask->path), "%s", path);
}

/* 1.0 and 1.1 know two ways, 1.2 has Cancel besides (/5/0/10). */
static void ask_reset(struct lwm2m_step_ctx *c, struct talk_ask *ask)
{
	struct lwm2m_talk *t = c->t;

	ask->method = METHOD_PUT;
	switch (t->fw.resets++) {
	case 0:
		resource(c, "5/0/1", ask);
		ask->content_format = LWM2M_TEXT;
		break;
	case 1:
		resource(c, "5/0/0", ask);
		ask->content_format = LWM2M_OPAQUE;
		ask->payload_len = t->reg.version == 10 ? 1 : 0; /* 1.0: a zero byte */
		break;
	default:
		resource(c, "5/0/10", ask);
		ask->method = METHOD_POST;
		break;
	}
}

/* Characters of a device's id that mean something in a query. */
static void put_escaped(struct buf *b, const char *text)
{
	for (; *text; text++) {
		if (strchr("&#%+?=;<>[]{}|^`", *text)) {
			buf_put_u8(b, '%');
			buf_put_hex(b, text, 1);
		} else {
			buf_put_u8(b, (uint8_t)*text);
		}
	}
}

/* The address at which the device reaches us, or the product's. */
static void put_authority(const struct lwm2m_step_ctx *c, struct buf *b)
{
	const char *host = c->opt.uri_host, *local = c->in->local;
	const char *port = strrchr(local, ':');
	const char *after = strrchr(host, ']');

	if (!host[0]) {
		buf_put_str(b, local);
		return;
	}
	buf_put_str(b, host);
	if (port && !strchr(after ? after : host, ':'))
		buf_put_str(b, port);
}

static void ask_uri(struct lwm2m_step_ctx *c, struct talk_ask *ask)
{
	const struct lwm2m_firmware *fw = &c->t->fw;
	struct buf b = buf_writer(ask->payload, sizeof(ask->payload));

	resource(c, "5/0/1", ask);
	ask->method = METHOD_PUT;
	ask->content_format = LWM2M_TEXT;
	buf_put_str(&b, c->in->secure ? "coaps://" : "coap://");
	put_authority(c, &b);
	buf_put_str(&b, "/fw/");
	buf_put_hex(&b, fw->digest16, sizeof(fw->digest16));
	if (!c->in->secure) {
		buf_put_str(&b, "?ep=");
		put_escaped(&b, c->in->device);
	}
	ask->payload_len = b.pos;
}

static unsigned szx_of(unsigned bytes)
{
	unsigned szx = 0;

	while (szx < 6 && (32u << szx) <= bytes)
		szx++;
	return szx;
}

static void note_write(struct lwm2m_step_ctx *c)
{
	struct lwm2m_firmware *fw = &c->t->fw;

	fw->writes++;
	fw->wrote_ms = c->in->now_ms;
	fw->registration = c->t->reg.count;
	fw->stale_result = c->t->told.result;
}

static void ask_push(struct lwm2m_step_ctx *c, struct talk_ask *ask)
{
	unsigned bytes = c->opt.block_bytes;

	if (c->t->fw.block_bytes && c->t->fw.block_bytes < bytes)
		bytes = c->t->fw.block_bytes;
	resource(c, "5/0/0", ask);
	ask->method = METHOD_PUT;
	ask->content_format = LWM2M_OPAQUE;
	ask->image = true;
	ask->block_szx = szx_of(bytes);
}

static void ask_execute(struct lwm2m_step_ctx *c, struct talk_ask *ask)
{
	struct lwm2m_firmware *fw = &c->t->fw;

	resource(c, "5/0/2", ask);
	ask->method = METHOD_POST;
	fw->executes++;
	fw->execute_ms = c->in->now_ms;
	fw->registration = c->t->reg.count;
}

static void ask_observe(struct lwm2m_step_ctx *c, const char *path, struct talk_ask *ask)
{
	resource(c, path, ask);
	ask->method = METHOD_GET;
	ask->observe = 0;
}

static void ask_next(struct lwm2m_step_ctx *c, enum lwm2m_ask what, struct talk_ask *ask)
{
	switch (what) {
	case ASK_ATTRIBUTES: /* or a device may gather for as long as its /1/0/2 says */
		resource(c, "5/0", ask);
		(void)buf_copy_str(ask->query, sizeof(ask->query), "pmin=0");
		ask->method = METHOD_PUT;
		break;
	case ASK_OBSERVE_STATE:
		ask_observe(c, "5/0/3", ask);
		break;
	case ASK_OBSERVE_RESULT:
		ask_observe(c, "5/0/5", ask);
		break;
	case ASK_RESET:
		ask_reset(c, ask);
		break;
	case ASK_WRITE_URI:
		note_write(c);
		ask_uri(c, ask);
		break;
	case ASK_PUSH:
		note_write(c);
		ask_push(c, ask);
		break;
	case ASK_EXECUTE:
		ask_execute(c, ask);
		break;
	case ASK_NONE:
	case ASK_READ:
	case ASK_COUNT:
		break;
	}
}

static uint32_t new_tag(struct lwm2m_asking *ask)
{
	if (ask->ask == ASK_OBSERVE_STATE)
		return TAG_STATE;
	if (ask->ask == ASK_OBSERVE_RESULT)
		return TAG_RESULT;
	ask->newest_tag = ask->newest_tag < TAG_FIRST || ask->newest_tag == UINT32_MAX
				  ? TAG_FIRST
				  : ask->newest_tag + 1;
	return ask->newest_tag;
}

void lwm2m_pump(struct lwm2m_step_ctx *c)
{
	struct lwm2m_talk *t = c->t;
	struct talk_ask *ask = &c->out->ask;
	bool writes = t->ask.next >= ASK_RESET;

	if (t->ask.ask != ASK_NONE || c->out->has_report || c->out->has_status || !lwm2m_listens(c))
		return;
	/* What was decided a while ago is decided again. */
	if (writes && !t->reads.todo &&
	    c->in->now_ms - t->told.firmware_ms > (int64_t)STATE_OLD_S * 1000)
		lwm2m_round(c, false);
	if (c->out->has_status)
		return;
	if (t->reads.todo) {
		t->ask.ask = ASK_READ;
		lwm2m_read_ask(c, ask, &t->ask.item);
	} else if (t->ask.next != ASK_NONE) {
		t->ask.ask = t->ask.next;
		t->ask.next = ASK_NONE;
		ask_next(c, t->ask.ask, ask);
	} else {
		return;
	}
	t->ask.deaf = false;
	t->ask.tag = new_tag(&t->ask);
	t->ask.sent_ms = c->in->now_ms;
	ask->tag = t->ask.tag;
	c->out->has_ask = true;
	c->out->cancels = false;
}
