/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies and answers of requests of ours, in several blocks: RFC 7959 sections 2 and 3, the
 * client's side.
 */
#include "net_ask_rig.h"

#include "net/net_ask.h"

enum { TAG = 9, REQUESTS_MAX = 2000 };

static void put(struct rig *r, int64_t body_size, unsigned szx)
{
	struct net_ask ask = NET_ASK(PUT, "5/0/0");

	ask.tag = TAG;
	ask.content_format = 42;
	ask.body_size = body_size;
	ask.block_szx = szx;
	assert_int_equal(net_coap_ask(&r->coap, &r->session, &ask), 0);
}

/* The newest request is this block of a body. */
static void assert_block(const struct rig *r, uint32_t num, bool more, unsigned szx, size_t len)
{
	const struct wire_coap *m = rig_asked(r);

	assert_int_equal(m->code, PUT);
	assert_true(m->has_block1);
	assert_int_equal(m->block1.num, num);
	assert_int_equal(m->block1.more, more);
	assert_int_equal(m->block1.szx, szx);
	assert_int_equal(m->payload.len, len);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(m->payload.ptr[i], rig_byte(((size_t)num << (szx + 4)) + i));
}

static void acknowledged(struct rig *r, uint8_t code, uint32_t num, bool more, unsigned szx)
{
	rig_answer(r, (struct answer){.type = WIRE_ACK,
				      .code = code,
				      .has_block1 = true,
				      .block1 = {.num = num, .more = more, .szx = szx}});
}

#define CONTINUE NET_CODE(2, 31)

/* ---- bodies ---- */

static void test_body_goes_block_by_block(void **state)
{
	struct rig *r = rig_new(false);
	uint8_t token[8];

	(void)state;
	put(r, 2500, 6);
	assert_block(r, 0, true, 6, 1024);
	assert_int_equal(rig_last(r)->m.size1, 2500);
	assert_int_equal(rig_last(r)->m.content_format, 42);
	memcpy(token, rig_last(r)->m.token.ptr, 8);
	assert_int_equal(r->sent_calls, 0);
	acknowledged(r, CONTINUE, 0, true, 6);
	assert_block(r, 1, true, 6, 1024);
	assert_int_equal(rig_last(r)->m.size1, -1);
	assert_int_equal(rig_last(r)->m.content_format, 42);
	assert_memory_equal(rig_last(r)->m.token.ptr, token, 8);
	assert_int_equal(r->sent_to, 1024);
	acknowledged(r, CONTINUE, 1, true, 6);
	assert_block(r, 2, false, 6, 452);
	assert_int_equal(r->answers, 0);
	acknowledged(r, NET_CODE(2, 4), 2, false, 6);
	assert_answer(r, 1, 0, TAG, NET_CODE(2, 4), "");
	assert_int_equal(r->sent_to, 2500);
	assert_int_equal(r->sent_calls, 3);
	assert_int_equal(r->body_calls, 3); /* a block at a time, each once */
	assert_int_equal(r->sent_count, 3);
	rig_free(r);
}

static void test_body_of_one_block_has_no_option(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	put(r, 1024, 6);
	assert_false(rig_last(r)->m.has_block1);
	assert_int_equal(rig_last(r)->m.size1, -1);
	assert_int_equal(rig_last(r)->m.payload.len, 1024);
	rig_answer(r, (struct answer){.type = WIRE_ACK, .code = NET_CODE(2, 4)});
	assert_int_equal(r->sent_to, 1024);
	put(r, 1025, 6);
	assert_block(r, 0, true, 6, 1024);
	rig_free(r);
}

/* The image of a long push: every byte once, with the losses of a line. */
static void test_long_body_arrives_on_a_bad_line(void **state)
{
	enum { SIZE = 70001, SZX = 4 };
	struct rig *r = rig_new(false);
	uint32_t seed = 1, next = 0;

	(void)state;
	put(r, SIZE, SZX);
	for (unsigned i = 0; i < REQUESTS_MAX && r->answers == 0; i++) {
		const struct wire_coap *m = rig_asked(r);
		size_t at = (size_t)m->block1.num << (SZX + 4);

		seed = seed * 1103515245 + 12345;
		if (seed >> 16 & 1) { /* it is lost, or its answer is */
			rig_elapse(r, 3000);
			continue;
		}
		assert_int_equal(m->block1.num, next++);
		assert_block(r, m->block1.num, at + 256 < SIZE, SZX,
			     at + 256 < SIZE ? 256 : SIZE - at);
		acknowledged(r, m->block1.more ? CONTINUE : NET_CODE(2, 4), m->block1.num,
			     m->block1.more, SZX);
	}
	assert_answer(r, 1, 0, TAG, NET_CODE(2, 4), "");
	assert_int_equal(r->sent_to, SIZE);
	rig_free(r);
}

static void test_blocks_may_be_answered_by_messages_of_their_own(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	put(r, 100, 2);
	rig_empty(r, WIRE_ACK, rig_asked(r)->mid);
	rig_answer(r, (struct answer){.type = WIRE_CON,
				      .code = CONTINUE,
				      .mid = 70,
				      .has_block1 = true,
				      .block1 = {.more = true, .szx = 2}});
	assert_block(r, 1, false, 2, 36);
	assert_int_equal(r->sent[1].m.type, WIRE_ACK);
	rig_free(r);
}

/* All blocks have one token, so an answer that comes again must not count for the next one. */
static void test_answers_of_a_block_before_change_nothing(void **state)
{
	static const enum wire_coap_type types[] = {WIRE_CON, WIRE_NON};
	const struct wire_block first = {.more = true, .szx = 2}, second = {1, true, 2};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct rig *r = rig_new(false);
		struct answer a = {.type = types[i],
				   .code = CONTINUE,
				   .mid = 70,
				   .has_block1 = true,
				   .block1 = first};

		put(r, 300, 2);
		rig_answer(r, a);
		assert_block(r, 1, true, 2, 64);
		rig_answer(r, a); /* repeated */
		a.mid++;
		rig_answer(r, a); /* answered twice */
		assert_block(r, 1, true, 2, 64);
		a.mid++;
		a.block1 = second;
		rig_answer(r, a);
		assert_block(r, 2, true, 2, 64);
		assert_int_equal(r->sent_calls, 2);
		rig_free(r);
		r = rig_new(false);
		rig_get(r, "3/0", TAG);
		a = (struct answer){.type = types[i],
				    .code = NET_CODE(2, 5),
				    .mid = 70,
				    .payload = "0123456789abcdef",
				    .has_block2 = true,
				    .block2 = {.more = true}};
		rig_answer(r, a);
		rig_answer(r, a);
		a.mid++;
		rig_answer(r, a);
		assert_int_equal(rig_asked(r)->block2.num, 1);
		a.mid++;
		a.block2 = (struct wire_block){.num = 1};
		rig_answer(r, a);
		assert_answer(r, 1, 0, TAG, NET_CODE(2, 5), "0123456789abcdef0123456789abcdef");
		rig_free(r);
	}
}

/* 2.5, figure 9: the size of the answer is the one to go on with; what came has come. */
static void test_device_chooses_a_smaller_size(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	put(r, 300, 3); /* 128 */
	acknowledged(r, CONTINUE, 0, true, 1);
	assert_block(r, 4, true, 1, 32);
	acknowledged(r, CONTINUE, 4, true, 6); /* never larger again */
	assert_block(r, 5, true, 1, 32);
	rig_free(r);
}

static void test_record_of_the_device_bounds_a_block(void **state)
{
	struct rig *r = rig_new(false);
	struct net_ask ask = NET_ASK(PUT, "0123456789/0123456789/0123456789");

	(void)state;
	r->session.max_szx = 4;
	put(r, 3000, 6);
	assert_block(r, 0, true, 4, 256);
	assert_true(rig_last(r)->m.has_block2); /* and its answer */
	assert_int_equal(rig_last(r)->m.block2.szx, 4);
	ask.payload = text("x");
	ask.body_size = 3000;
	assert_int_equal(net_coap_ask(&r->coap, &r->session, &ask), 0);
	assert_block(r, 0, true, 3, 128); /* long options need their place */
	rig_free(r);
}

static void test_block_numbers_have_an_end(void **state)
{
	struct rig *r = rig_new(false);
	int64_t most = INT64_C(16) << 20;

	(void)state;
	put(r, most + 1, 0);
	r->session.asking->body_at = most - 32;
	acknowledged(r, CONTINUE, (1 << 20) - 2, true, 0);
	assert_block(r, (1 << 20) - 1, true, 0, 16);
	acknowledged(r, CONTINUE, (1 << 20) - 1, true, 0);
	assert_answer(r, 1, ERR_LIMIT, TAG, 0, "");
	rig_free(r);
}

/* ---- 2.9: answers that are none of the way ---- */

static void test_incomplete_starts_again_once(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	put(r, 300, 3);
	acknowledged(r, CONTINUE, 0, true, 3);
	rig_answer(r, (struct answer){.type = WIRE_ACK, .code = NET_CODE(4, 8)});
	assert_block(r, 0, true, 3, 128);
	assert_int_equal(rig_last(r)->m.size1, 300);
	acknowledged(r, CONTINUE, 0, true, 3);
	acknowledged(r, CONTINUE, 1, true, 3);
	assert_block(r, 2, false, 3, 44);
	rig_answer(r, (struct answer){.type = WIRE_ACK, .code = NET_CODE(4, 8)});
	assert_answer(r, 1, 0, TAG, NET_CODE(4, 8), "");
	rig_free(r);
}

static void test_too_large_with_a_smaller_size_is_tried_with_that(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	put(r, 1024, 6);
	acknowledged(r, NET_CODE(4, 13), 0, true, 5);
	assert_block(r, 0, true, 5, 512);
	acknowledged(r, CONTINUE, 0, true, 5);
	acknowledged(r, NET_CODE(4, 13), 1, false, 2);
	assert_block(r, 0, true, 2, 64);
	acknowledged(r, NET_CODE(4, 13), 0, true, 2); /* no smaller: that is the answer */
	assert_answer(r, 1, 0, TAG, NET_CODE(4, 13), "");
	put(r, 1024, 6);
	rig_answer(r, (struct answer){.type = WIRE_ACK, .code = NET_CODE(4, 13)});
	assert_answer(r, 2, 0, TAG, NET_CODE(4, 13), "");
	put(r, 20, 6);
	acknowledged(r, NET_CODE(4, 13), 0, true, 2); /* it fits into that */
	assert_answer(r, 3, 0, TAG, NET_CODE(4, 13), "");
	rig_free(r);
}

static void test_final_answer_before_the_end(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	put(r, 300, 3);
	acknowledged(r, CONTINUE, 0, true, 3);
	rig_answer(r, (struct answer){.type = WIRE_ACK, .code = NET_CODE(4, 5), .payload = "no"});
	assert_answer(r, 1, 0, TAG, NET_CODE(4, 5), "no");
	put(r, 300, 3);
	rig_answer(r, (struct answer){.type = WIRE_ACK, .code = NET_CODE(2, 4)}); /* all of it? */
	assert_answer(r, 2, ERR_SYNTAX, TAG, 0, "");
	assert_int_equal(r->sent_count, 3);
	rig_free(r);
}

/* 2.3: M unset in the answer to a block: this one was dealt with, go on. */
static void test_device_that_deals_with_each_block_gets_them_all(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	put(r, 300, 3);
	acknowledged(r, NET_CODE(2, 4), 0, false, 3);
	assert_block(r, 1, true, 3, 128);
	acknowledged(r, NET_CODE(2, 4), 1, false, 3);
	assert_block(r, 2, false, 3, 44);
	acknowledged(r, NET_CODE(2, 4), 2, false, 3);
	assert_answer(r, 1, 0, TAG, NET_CODE(2, 4), "");
	rig_free(r);
}

static void test_nonsense_ends_a_body(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	put(r, 100, 2);
	acknowledged(r, CONTINUE, 0, true, 2);
	acknowledged(r, CONTINUE, 1, true, 2); /* there is no more */
	assert_answer(r, 1, ERR_SYNTAX, TAG, 0, "");
	put(r, 100, 2);
	acknowledged(r, CONTINUE, 0, true, 7); /* reserved */
	assert_answer(r, 2, ERR_SYNTAX, TAG, 0, "");
	put(r, 100, 2);
	acknowledged(r, CONTINUE, 1, true, 2); /* of another block */
	assert_answer(r, 3, ERR_SYNTAX, TAG, 0, "");
	rig_free(r);
}

static void test_body_that_cannot_be_read(void **state)
{
	struct rig *r = rig_new(false);
	struct net_ask ask = NET_ASK(PUT, "5/0/0");

	(void)state;
	ask.body_size = 300;
	r->body_err = ERR_IO;
	assert_int_equal(net_coap_ask(&r->coap, &r->session, &ask), ERR_IO);
	assert_false(net_coap_session_busy(&r->session));
	r->body_err = 0;
	put(r, 300, 3);
	r->body_err = ERR_IO;
	acknowledged(r, CONTINUE, 0, true, 3);
	assert_answer(r, 1, ERR_IO, TAG, 0, "");
	assert_int_equal(r->sent_count, 1);
	rig_free(r);
}

static void test_body_that_comes_later_is_waited_for(void **state)
{
	struct rig *r = rig_new(false);
	struct net_ask ask = NET_ASK(PUT, "5/0/0");

	(void)state;
	ask.body_size = 300;
	ask.tag = TAG;
	ask.block_szx = 3;
	r->body_err = ERR_BUSY;
	assert_int_equal(net_coap_ask(&r->coap, &r->session, &ask), 0);
	rig_elapse(r, 1000);
	assert_int_equal(r->sent_count, 0);
	assert_true(net_coap_session_busy(&r->session));
	r->body_err = 0;
	rig_elapse(r, NET_ASK_BUSY_MS);
	assert_int_equal(r->sent_count, 1);
	r->body_err = ERR_BUSY;
	acknowledged(r, CONTINUE, 0, true, 3);
	rig_answer(r, (struct answer){WIRE_CON, CONTINUE, .mid = 900, .has_block1 = true,
				      .block1 = {.num = 1, .more = true, .szx = 3}});
	assert_int_equal(r->sent_to, 128); /* it was not sent yet */
	r->body_err = 0;
	rig_elapse(r, NET_ASK_BUSY_MS);
	acknowledged(r, CONTINUE, 1, true, 3);
	r->body_err = ERR_BUSY;
	acknowledged(r, CONTINUE, 2, true, 3); /* nonsense: it was the last */
	assert_answer(r, 1, ERR_SYNTAX, TAG, 0, "");
	ask.tag++;
	assert_int_equal(net_coap_ask(&r->coap, &r->session, &ask), 0);
	r->body_err = ERR_IO;
	rig_elapse(r, NET_ASK_BUSY_MS);
	assert_answer(r, 2, ERR_IO, TAG + 1, 0, "");
	assert_false(net_coap_session_busy(&r->session));
	rig_free(r);
}

static void test_lost_block_ends_it_after_its_time(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	put(r, 300, 3);
	acknowledged(r, CONTINUE, 0, true, 3);
	rig_elapse(r, 94000);
	assert_answer(r, 1, ERR_TIMEOUT, TAG, 0, "");
	assert_int_equal(r->sent_to, 128);
	rig_free(r);
}

static void test_short_payload_in_blocks_is_kept_by_net(void **state)
{
	struct rig *r = rig_new(false);
	struct net_ask ask = NET_ASK(PUT, "5/0/1");
	uint8_t payload[100];

	(void)state;
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = rig_byte(i);
	ask.tag = TAG;
	ask.block_szx = 2;
	ask.payload = (struct bytes){payload, sizeof(payload)};
	assert_int_equal(net_coap_ask(&r->coap, &r->session, &ask), 0);
	memset(payload, 0, sizeof(payload));
	assert_block(r, 0, true, 2, 64);
	acknowledged(r, CONTINUE, 0, true, 2);
	assert_block(r, 1, false, 2, 36);
	assert_int_equal(r->body_calls, 0);
	rig_free(r);
}

/* ---- answers ---- */

static uint8_t content[LIMIT_ASK_ANSWER + 16];

/* One block of `total` bytes. */
static void answer_block(struct rig *r, uint32_t num, unsigned szx, size_t total, const char *etag)
{
	size_t size = (size_t)16 << szx, at = (size_t)num << (szx + 4);

	for (size_t i = 0; i < sizeof(content); i++)
		content[i] = rig_byte(i);
	assert_true(at < total && total <= sizeof(content));
	rig_answer(r,
		   (struct answer){.type = WIRE_ACK,
				   .code = NET_CODE(2, 5),
				   .format = 113,
				   .etag = etag,
				   .has_block2 = true,
				   .block2 = {.num = num, .more = at + size < total, .szx = szx},
				   .body = {content + at, at + size < total ? size : total - at}});
}

static void assert_wants(const struct rig *r, uint32_t num, unsigned szx)
{
	const struct wire_coap *m = rig_asked(r);

	assert_true(m->has_block2);
	assert_int_equal(m->block2.num, num);
	assert_int_equal(m->block2.szx, szx);
	assert_false(m->block2.more);
	assert_true(bytes_equal(m->path[0], text("3")));
}

static void assert_content(const struct rig *r, size_t len)
{
	assert_int_equal(r->answers, 1);
	assert_int_equal(r->answer.err, 0);
	assert_int_equal(r->answer.code, NET_CODE(2, 5));
	assert_int_equal(r->answer.content_format, 112);
	assert_int_equal(r->answer.payload.len, len);
	assert_memory_equal(r->answer.payload.ptr, content, len);
}

static void test_answer_in_blocks_is_told_as_one(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	rig_get(r, "3/0", TAG);
	assert_false(rig_last(r)->m.has_block2);
	for (uint32_t i = 0; i < 4; i++) {
		answer_block(r, i, 2, 200, NULL);
		if (i < 3)
			assert_wants(r, i + 1, 2);
	}
	assert_content(r, 200);
	assert_int_equal(r->sent_count, 4);
	rig_free(r);
}

static void test_only_block_is_the_answer(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	rig_get(r, "3/0", TAG);
	answer_block(r, 0, 6, 200, NULL);
	assert_content(r, 200);
	rig_free(r);
}

static void test_smaller_blocks_are_asked_for_and_may_come(void **state)
{
	struct rig *r = rig_new(false);
	struct net_ask ask = NET_ASK(GET, "3/0");

	(void)state;
	ask.block_szx = 3;
	assert_int_equal(net_coap_ask(&r->coap, &r->session, &ask), 0);
	answer_block(r, 0, 4, 600, NULL); /* 256 */
	assert_wants(r, 2, 3);		  /* at 256, 128 each */
	answer_block(r, 8, 1, 600, NULL); /* 32 of it */
	assert_wants(r, 9, 1);
	answer_block(r, 9, 1, 320, NULL);
	assert_content(r, 320);
	rig_free(r);
}

static void test_answer_at_the_limit_and_one_byte_more(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	rig_get(r, "3/0", TAG);
	for (uint32_t i = 0; i < LIMIT_ASK_ANSWER / 1024; i++)
		answer_block(r, i, 6, LIMIT_ASK_ANSWER, NULL);
	assert_content(r, LIMIT_ASK_ANSWER);
	rig_get(r, "3/0", TAG);
	for (uint32_t i = 0; i < LIMIT_ASK_ANSWER / 1024; i++)
		answer_block(r, i, 6, LIMIT_ASK_ANSWER + 1, NULL);
	assert_answer(r, 2, ERR_LIMIT, TAG, 0, "");
	rig_free(r);
}

static void test_answer_that_changes_is_fetched_anew_once(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	rig_get(r, "3/0", TAG);
	answer_block(r, 0, 2, 200, "one");
	answer_block(r, 1, 2, 200, "two");
	assert_false(rig_asked(r)->has_block2); /* from its beginning */
	for (uint32_t i = 0; i < 4; i++)
		answer_block(r, i, 2, 200, "two");
	assert_content(r, 200);
	rig_get(r, "3/0", TAG);
	answer_block(r, 0, 2, 200, "one");
	answer_block(r, 1, 2, 200, "two");
	answer_block(r, 0, 2, 200, "two");
	answer_block(r, 1, 2, 200, NULL);
	assert_answer(r, 2, ERR_CONFLICT, TAG, 0, "");
	rig_free(r);
}

static void test_post_is_not_done_twice_for_its_answer(void **state)
{
	struct rig *r = rig_new(false);
	struct net_ask ask = NET_ASK(POST, "3/0");

	(void)state;
	ask.tag = TAG;
	assert_int_equal(net_coap_ask(&r->coap, &r->session, &ask), 0);
	answer_block(r, 0, 2, 200, "one");
	answer_block(r, 1, 2, 200, "two");
	assert_answer(r, 1, ERR_CONFLICT, TAG, 0, "");
	assert_int_equal(r->sent_count, 2);
	rig_free(r);
}

static void test_size2_that_changes_is_another_answer(void **state)
{
	struct rig *r = rig_new(false);
	struct answer a = {.type = WIRE_ACK,
			   .code = NET_CODE(2, 5),
			   .size2 = 32,
			   .payload = "0123456789abcdef",
			   .has_block2 = true,
			   .block2 = {.more = true}};

	(void)state;
	rig_get(r, "3/0", TAG);
	rig_answer(r, a);
	assert_wants(r, 1, 0);
	a.block2 = (struct wire_block){.num = 1};
	a.size2 = 33;
	rig_answer(r, a);
	assert_false(rig_asked(r)->has_block2);
	rig_free(r);
}

static void test_error_in_between_is_the_answer(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	rig_get(r, "3/0", TAG);
	answer_block(r, 0, 2, 200, NULL);
	rig_answer(r, (struct answer){.type = WIRE_ACK, .code = NET_CODE(4, 4), .payload = "gone"});
	assert_answer(r, 1, 0, TAG, NET_CODE(4, 4), "gone");
	assert_int_equal(r->answer.content_format, -1);
	rig_get(r, "3/0", TAG);
	answer_block(r, 0, 2, 200, NULL);
	rig_answer(r, (struct answer){.type = WIRE_ACK, .code = NET_CODE(4, 8)}); /* it forgot */
	assert_false(rig_asked(r)->has_block2);
	answer_block(r, 0, 2, 200, NULL);
	rig_answer(r, (struct answer){.type = WIRE_ACK, .code = NET_CODE(4, 8)});
	assert_answer(r, 2, ERR_CONFLICT, TAG, 0, "");
	rig_free(r);
}

static void test_blocks_that_do_not_fit_together(void **state)
{
	static const struct answer second[] = {
		{.payload = "0123456789abcdef", .block2 = {.num = 2}},		 /* not the next */
		{.payload = "0123456789abcdef", .block2 = {.num = 0}},		 /* the same */
		{.payload = "0123456789abcdef", .block2 = {.num = 1, .szx = 7}}, /* reserved */
		{.payload = "0123456789abcde", .block2 = {.num = 1, .more = true}}, /* short */
		{.payload = "0123456789abcdefg", .block2 = {.num = 1}},		    /* long */
		{.payload = NULL, .block2 = {.num = 1, .more = true}},		    /* empty */
		{.payload = "0123456789abcdef", .block2 = {.num = 0xfffff, .szx = 6}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(second) / sizeof(second[0]); i++) {
		struct rig *r = rig_new(false);
		struct answer a = second[i];

		a.type = WIRE_ACK;
		a.code = NET_CODE(2, 5);
		a.has_block2 = true;
		rig_get(r, "3/0", TAG);
		rig_answer(r, (struct answer){.type = WIRE_ACK,
					      .code = NET_CODE(2, 5),
					      .payload = "0123456789abcdef",
					      .has_block2 = true,
					      .block2 = {.more = true}});
		rig_answer(r, a);
		if (r->answers != 1 || r->answer.err != ERR_SYNTAX)
			fail_msg("row %zu: %u answers, error %d", i, r->answers, r->answer.err);
		rig_get(r, "3/0", TAG); /* nor may it begin in the middle */
		a.block2 = (struct wire_block){.num = 1, .more = true};
		a.payload = "0123456789abcdef";
		rig_answer(r, a);
		assert_answer(r, 2, ERR_SYNTAX, TAG, 0, "");
		rig_get(r, "3/0", TAG); /* nor end without the option */
		answer_block(r, 0, 2, 200, NULL);
		rig_answer(r, (struct answer){
				      .type = WIRE_ACK, .code = NET_CODE(2, 5), .format = 113});
		assert_answer(r, 3, ERR_SYNTAX, TAG, 0, "");
		rig_free(r);
	}
}

static void test_answer_that_trickles_in_has_its_time(void **state)
{
	struct rig *r = rig_new(false);
	unsigned i = 0;

	(void)state;
	rig_get(r, "3/0", TAG);
	for (; i < 200 && r->answers == 0; i++) {
		answer_block(r, i, 0, 4000, NULL);
		rig_elapse(r, 1900); /* sooner than a repetition */
	}
	assert_answer(r, 1, ERR_TIMEOUT, TAG, 0, "");
	assert_in_range(i, 130, 133); /* 247 s */
	rig_free(r);
}

/* 3.3: the answer to a body in blocks may be in blocks, too. */
static void test_body_and_answer_in_blocks(void **state)
{
	struct rig *r = rig_new(false);
	struct net_ask ask = NET_ASK(POST, "3/0");

	(void)state;
	ask.tag = TAG;
	ask.content_format = 42;
	ask.body_size = 100;
	ask.block_szx = 2;
	assert_int_equal(net_coap_ask(&r->coap, &r->session, &ask), 0);
	acknowledged(r, CONTINUE, 0, true, 2);
	answer_block(r, 0, 2, 200, NULL);
	assert_wants(r, 1, 2);
	assert_int_equal(rig_asked(r)->code, POST);
	assert_int_equal(rig_asked(r)->payload.len, 0);
	assert_int_equal(rig_asked(r)->content_format, -1);
	assert_false(rig_asked(r)->has_block1);
	for (uint32_t i = 1; i < 4; i++)
		answer_block(r, i, 2, 200, NULL);
	assert_content(r, 200);
	assert_int_equal(r->sent_to, 100);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rfc_test("7959 2.5, 4", test_body_goes_block_by_block),
		rfc_test("7959 2.2", test_body_of_one_block_has_no_option),
		rfc_test("7252 4.2, 7959 2.5", test_long_body_arrives_on_a_bad_line),
		rfc_test("7252 5.2.2", test_blocks_may_be_answered_by_messages_of_their_own),
		rfc_test("7252 4.5", test_answers_of_a_block_before_change_nothing),
		rfc_test("7959 2.5", test_device_chooses_a_smaller_size),
		cmocka_unit_test(test_record_of_the_device_bounds_a_block),
		rfc_test("7959 2.2", test_block_numbers_have_an_end),
		rfc_test("7959 2.9.2 (4.08)", test_incomplete_starts_again_once),
		rfc_test("7959 2.9.3 (4.13)",
			 test_too_large_with_a_smaller_size_is_tried_with_that),
		rfc_test("7959 2.3", test_final_answer_before_the_end),
		rfc_test("7959 2.3", test_device_that_deals_with_each_block_gets_them_all),
		rfc_test("7959 2.3", test_nonsense_ends_a_body),
		cmocka_unit_test(test_body_that_cannot_be_read),
		cmocka_unit_test(test_body_that_comes_later_is_waited_for),
		rfc_test("7252 4.8.2", test_lost_block_ends_it_after_its_time),
		cmocka_unit_test(test_short_payload_in_blocks_is_kept_by_net),
		rfc_test("7959 2.4", test_answer_in_blocks_is_told_as_one),
		rfc_test("7959 2.4", test_only_block_is_the_answer),
		rfc_test("7959 2.4", test_smaller_blocks_are_asked_for_and_may_come),
		cmocka_unit_test(test_answer_at_the_limit_and_one_byte_more),
		rfc_test("7959 2.4", test_answer_that_changes_is_fetched_anew_once),
		rfc_test("7252 5.1", test_post_is_not_done_twice_for_its_answer),
		rfc_test("7959 4", test_size2_that_changes_is_another_answer),
		rfc_test("7959 2.4", test_error_in_between_is_the_answer),
		rfc_test("7959 2.4", test_blocks_that_do_not_fit_together),
		rfc_test("7959 2.4", test_answer_that_trickles_in_has_its_time),
		rfc_test("7959 3.3", test_body_and_answer_in_blocks),
	};

	return cmocka_run_group_tests_name("net/ask blocks", tests, NULL, NULL);
}
