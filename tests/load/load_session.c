/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

enum {
	RETRY_US = 2000000, /* RFC 7252 4.2: then twice as long, without its chance */
	RETRIES_DOUBLE = 5,
	MESSAGE_MAX = 2048,
	GET = 1,
	POST = 2
};

static void send_empty(struct session *s, enum wire_coap_type type, uint16_t mid);

static void die(const char *what)
{
	fprintf(stderr, "postboot-load: %s\n", what);
	exit(1);
}

/* ---- handshakes ---- */

static void shake(struct session *s, enum link_result result);

void session_start(struct session *s)
{
	s->up = false;
	s->load->shaking++;
	link_start(s);
}

static void shake(struct session *s, enum link_result result)
{
	struct load *l = s->load;

	if (result == LINK_MORE)
		return;
	l->shaking--;
	if (result == LINK_OVER) {
		l->n.failed++;
		session_start(s);
		return;
	}
	s->up = true;
	l->up_count += s->job != JOB_IDLE; /* that one counts when it was heard */
	l->n.handshakes++;
	if (s->job == JOB_SHAKE && !l->stopping) {
		link_close(s);
		l->up_count--;
		session_start(s);
		return;
	}
	session_work(s);
}

/* ---- requests ---- */

static void put_path(struct wire_coap_writer *w, const char *path)
{
	while (*path) {
		path += *path == '/';
		size_t len = strcspn(path, "/");

		wire_coap_put_bytes(w, WIRE_OPT_URI_PATH,
				    (struct bytes){(const uint8_t *)path, len});
		path += len;
	}
}

static unsigned szx_of(unsigned block)
{
	unsigned szx = 0;

	while (szx < 6 && 16U << szx < block)
		szx++;
	return szx;
}

/* {0: boot id, 2: "1.0.0"}: the least a report needs. */
static struct bytes report_of(const struct session *s, uint8_t dst[32])
{
	struct buf w = buf_writer(dst, 32);

	buf_put_u8(&w, 0xa2);
	buf_put_u8(&w, 0);
	buf_put_u8(&w, 0x40 | sizeof(s->boot_id));
	buf_put_bytes(&w, s->boot_id, sizeof(s->boot_id));
	buf_put_u8(&w, 2);
	buf_put_u8(&w, 0x60 | 5);
	buf_put_str(&w, "1.0.0");
	return buf_bytes(&w);
}

/* What costs nobody much, and is there on every server. */
static const char *idle_path(const struct session *s)
{
	return s->load->conf.observe ? "/desired" : "/.well-known/core";
}

static void send_slot(struct session *s, unsigned i)
{
	struct request_slot *r = &s->slot[i];
	uint8_t raw[512], body[256], token[2] = {(uint8_t)i, (uint8_t)r->mid};
	struct buf out = buf_writer(body, sizeof(body));
	struct bytes payload = {NULL, 0};
	const char *post = NULL;

	bool observes = s->job == JOB_IDLE && s->load->conf.observe;

	if (s->job == JOB_LIFE) {
		post = life_post(s, &out, &payload);
	} else if (s->job == JOB_REPORT || s->want_path) {
		post = "/report";
		payload = report_of(s, body);
	}
	struct wire_coap_writer w = wire_coap_begin(raw, sizeof(raw), WIRE_CON, post ? POST : GET,
						    r->mid, (struct bytes){token, sizeof(token)});
	if (observes)
		wire_coap_put_uint(&w, WIRE_OPT_OBSERVE, 0);
	put_path(&w, post ? post : s->job == JOB_IDLE ? idle_path(s) : s->path);
	if (post) {
		wire_coap_put_uint(&w, WIRE_OPT_CONTENT_FORMAT, 60);
		wire_coap_payload(&w, payload);
	} else if (s->job != JOB_IDLE) {
		wire_coap_put_block(
			&w, WIRE_OPT_BLOCK2,
			(struct wire_block){.num = r->num, .szx = szx_of(s->load->conf.block)});
	}
	r->sent_us = s->load->now_us;
	link_write(s, raw, w.buf.pos);
}

void session_send_new(struct session *s, unsigned i)
{
	struct request_slot *r = &s->slot[i];
	size_t size = (size_t)16 << szx_of(s->load->conf.block);

	r->busy = true;
	r->repeats = 0;
	r->mid = s->next_mid++;
	r->first_us = s->load->now_us;
	if (s->job == JOB_LIFE) {
		r->num = s->next_num++; /* of no meaning to a POST */
	} else if (s->job == JOB_DOWNLOAD && !s->want_path) {
		r->num = s->next_num;
		s->next_num = (s->next_num + 1) * size >= s->load->file_len ? 0 : s->next_num + 1;
	}
	send_slot(s, i);
}

void session_work(struct session *s)
{
	unsigned window = s->job == JOB_DOWNLOAD && !s->want_path ? s->load->conf.window : 1;

	if (!s->up || s->load->stopping || s->job == JOB_SHAKE || (s->job == JOB_IDLE && s->heard))
		return;
	if (s->job == JOB_LIFE) {
		life_work(s);
		return;
	}
	for (unsigned i = 0; i < window; i++) {
		bool open_loop = s->job == JOB_DOWNLOAD && !s->want_path && s->load->conf.rate;

		if (s->slot[i].busy || (open_loop && !s->due_count))
			continue;
		session_send_new(s, i);
		if (open_loop) {
			s->slot[i].first_us = s->due_us[s->due_first];
			s->due_first = (s->due_first + 1) % LOAD_DUE;
			s->due_count--;
		}
	}
}

void session_due(struct session *s, int64_t due_us)
{
	s->load->n.asked++;
	if (!s->due_us)
		s->due_us = calloc(LOAD_DUE, sizeof(*s->due_us));
	if (!s->due_us)
		die("out of memory");
	if (s->due_count == LOAD_DUE) {
		s->load->n.overdue++;
		return;
	}
	s->due_us[(s->due_first + s->due_count++) % LOAD_DUE] = due_us;
	session_work(s);
}

/* ---- answers ---- */

bool session_block_right(const struct session *s, const struct request_slot *r,
			 const struct wire_coap *m)
{
	size_t size = (size_t)16 << szx_of(s->load->conf.block);
	size_t at = (size_t)r->num * size;
	size_t left = s->load->file_len - at;
	size_t want = left < size ? left : size;

	return m->has_block2 && m->block2.num == r->num && m->block2.more == (left > size) &&
	       m->payload.len == want && memcmp(m->payload.ptr, s->load->file + at, want) == 0;
}

/* The path of a directive is the one text in it that begins with /fw/. */
static void take_path(struct session *s, struct bytes payload)
{
	for (size_t i = 0; i + 4 < payload.len; i++) {
		uint8_t head = payload.ptr[i];
		size_t len = (head & 0xe0) == 0x60 ? head & 0x1fU : 0;

		if (len >= 24 || len < 4 || i + 1 + len > payload.len ||
		    memcmp(payload.ptr + i + 1, "/fw/", 4) != 0)
			continue;
		memcpy(s->path, payload.ptr + i + 1, len);
		s->path[len] = 0;
		s->want_path = false;
		return;
	}
}

/* As behind a NAT: from now on nothing reaches it at the address it had. */
static void rebind(struct session *s)
{
	s->source.at.v4.s_addr ^= htonl(LOAD_ELSEWHERE);
	s->load->n.moves++;
}

/* It has been heard, and says no more. */
static void idle_answered(struct session *s, const struct wire_coap *m)
{
	s->load->n.refused += m->code >> 5 != 2;
	s->load->up_count++;
	s->heard = true;
	if (s->load->conf.forget)
		session_drop(s); /* here; the server is to keep it */
}

static void answered(struct session *s, unsigned i, const struct wire_coap *m)
{
	struct load *l = s->load;
	struct request_slot *r = &s->slot[i];
	int64_t took = l->now_us - r->first_us;

	r->busy = false;
	if (l->conf.rebind && ++s->answers % l->conf.rebind == 0)
		rebind(s);
	if (s->job == JOB_LIFE) {
		life_answered(s, i, m, took);
		return;
	}
	if (s->job == JOB_IDLE) {
		idle_answered(s, m);
		return;
	}
	if (m->code >> 5 != 2) {
		l->n.refused++;
	} else if (s->job == JOB_REPORT) {
		l->n.reports += l->measuring;
		if (l->measuring)
			histogram_add(&l->n.report_latency, took);
	} else if (s->want_path) {
		take_path(s, m->payload);
	} else if (!session_block_right(s, r, m)) {
		l->n.wrong++;
	} else if (l->measuring) {
		l->n.blocks++;
		histogram_add(&l->n.latency, took);
	}
	session_work(s);
}

static void send_empty(struct session *s, enum wire_coap_type type, uint16_t mid)
{
	uint8_t raw[4];
	struct wire_coap_writer w =
		wire_coap_begin(raw, sizeof(raw), type, 0, mid, (struct bytes){NULL, 0});

	link_write(s, raw, w.buf.pos);
}

static void message(struct session *s, const uint8_t *data, size_t len)
{
	struct wire_coap m;

	if (wire_coap_decode(data, len, &m)) {
		s->load->n.wrong++;
		return;
	}
	if (m.code == 0) {
		if (m.type == WIRE_CON) /* a ping, RFC 7252 4.3 */
			send_empty(s, WIRE_RST, m.mid);
		return; /* an empty ACK: the answer comes later */
	}
	if (m.type == WIRE_CON)
		send_empty(s, WIRE_ACK, m.mid);

	unsigned i = m.token.len == 2 ? m.token.ptr[0] : LOAD_WINDOW_MAX;

	if (i < LOAD_WINDOW_MAX && s->slot[i].busy && m.token.ptr[1] == (uint8_t)s->slot[i].mid)
		answered(s, i, &m);
}

void session_datagram(struct session *s, const uint8_t *data, size_t len)
{
	uint8_t plain[MESSAGE_MAX];

	s->in = (struct bytes){data, len};
	if (!s->up) {
		shake(s, link_shake(s));
		if (!s->up)
			return;
	}
	for (;;) {
		size_t got = 0;
		enum link_result result = link_read(s, plain, sizeof(plain), &got);

		if (result == LINK_DONE) {
			message(s, plain, got);
			if (!s->up)
				return; /* it has rebooted, or its life is over */
			continue;
		}
		if (result == LINK_OVER && !s->load->stopping) {
			s->load->n.failed++;
			s->load->up_count -= s->job != JOB_IDLE || s->heard;
			s->heard = false;
			session_start(s);
		}
		return;
	}
}

static int64_t patience_us(const struct request_slot *r)
{
	return (int64_t)RETRY_US << (r->repeats < RETRIES_DOUBLE ? r->repeats : RETRIES_DOUBLE);
}

void session_tick(struct session *s)
{
	if (s->started && !s->up) {
		if (link_due(s))
			shake(s, link_again(s));
		return;
	}
	for (unsigned i = 0; s->up && i < LOAD_WINDOW_MAX; i++) {
		struct request_slot *r = &s->slot[i];

		if (!r->busy || s->load->now_us - r->sent_us < patience_us(r))
			continue;
		s->load->n.retransmissions++;
		if (++r->repeats > s->load->n.repeats_most)
			s->load->n.repeats_most = r->repeats;
		send_slot(s, i);
	}
}

void session_drop(struct session *s)
{
	link_free(s);
	free(s->due_us);
	s->due_us = NULL;
	s->due_count = 0;
	s->up = false;
}

void session_stop(struct session *s)
{
	if (!s->started)
		return;
	if (s->up)
		link_close(s);
	session_drop(s);
}
