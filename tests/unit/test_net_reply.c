/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks (RFC 7959), ETag, If-Match, Size2: from answer to response.
 */
#include <stdlib.h>

#include "net_rig.h"

enum { BODY = 5000 };

static uint8_t body[BODY];

static struct net_reply body_reply(void)
{
	struct net_reply reply = NET_REPLY(NET_CODE(2, 5));

	for (size_t i = 0; i < BODY; i++)
		body[i] = (uint8_t)(i * 7 + i / 256);
	reply.payload = (struct bytes){body, BODY};
	return reply;
}

static const struct wire_coap *ask_block(struct rig *r, uint32_t num, unsigned szx)
{
	static uint16_t mid;

	(void)rig_ask(r, (struct ask){WIRE_CON, GET, mid++, .token = "t", .path = "whole",
				      .has_block2 = true, .block = {.num = num, .szx = szx}});
	return &rig_last(r)->m;
}

static void test_every_block_size_gives_the_whole_body(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	r->reply = body_reply();
	for (unsigned szx = 0; szx <= 6; szx++) {
		size_t at = 0;
		bool more = true;

		for (uint32_t num = 0; more; num++) {
			const struct wire_coap *m = ask_block(r, num, szx);

			assert_code(m, 2, 5);
			assert_int_equal(m->block2.num, num);
			assert_int_equal(m->block2.szx, szx);
			assert_int_equal(m->etag_count, 1);
			assert_memory_equal(m->payload.ptr, body + at, m->payload.len);
			at += m->payload.len;
			more = m->block2.more;
			assert_int_equal(more, at < BODY);
		}
		assert_int_equal(at, BODY);
	}
	rig_free(r);
}

static void test_long_body_without_block_option_starts_blocks_of_1024(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	r->reply = body_reply();
	(void)rig_ask(r, (struct ask){WIRE_CON, GET, 1, .path = "whole"});
	const struct wire_coap *m = &rig_last(r)->m;
	assert_true(m->has_block2 && m->block2.more);
	assert_int_equal(m->block2.szx, 6);
	assert_int_equal(m->payload.len, 1024);
	rig_free(r);
}

static void test_short_body_has_no_block_unless_asked(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	r->reply.payload = text("short");
	(void)rig_ask(r, (struct ask){WIRE_CON, GET, 1, .path = "whole"});
	assert_false(rig_last(r)->m.has_block2);
	assert_int_equal(rig_last(r)->m.etag_count, 0);
	const struct wire_coap *m = ask_block(r, 0, 2);
	assert_true(m->has_block2 && !m->block2.more);
	assert_int_equal(m->block2.szx, 2);
	rig_free(r);
}

static void test_body_of_exact_blocks_ends_without_more(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	r->reply = body_reply();
	r->reply.payload.len = 2048;
	assert_true(ask_block(r, 0, 6)->block2.more);
	assert_false(ask_block(r, 1, 6)->block2.more);
	assert_int_equal(rig_last(r)->m.payload.len, 1024);
	assert_code(ask_block(r, 2, 6), 4, 0);
	rig_free(r);
}

static void test_block_beyond_the_end_is_bad_request(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	r->reply = body_reply();
	assert_code(ask_block(r, 5, 6), 4, 0);
	assert_code(ask_block(r, 0xfffff, 6), 4, 0);
	assert_int_equal(rig_last(r)->m.etag_count, 0);
	r->reply.payload = text("");
	assert_code(ask_block(r, 0, 6), 2, 5);
	assert_code(ask_block(r, 1, 6), 4, 0);
	rig_free(r);
}

static void test_record_limit_makes_blocks_smaller_at_the_same_place(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	r->session.max_szx = 4;
	r->reply = body_reply();
	const struct wire_coap *m = ask_block(r, 2, 6);
	assert_int_equal(m->block2.szx, 4);
	assert_int_equal(m->block2.num, 8);
	assert_int_equal(m->payload.len, 256);
	assert_memory_equal(m->payload.ptr, body + 2048, 256);
	rig_free(r);
}

static void test_size2_is_told_when_asked(void **state)
{
	struct rig *r = rig_new(false);
	struct net_question q;
	struct net_response response;
	uint8_t raw[LIMIT_COAP_MESSAGE];
	struct ask ask = {WIRE_CON, GET, 1, .path = "whole", .size2 = true};
	struct bytes datagram = ask_encode(&ask, raw);
	struct wire_coap m;
	struct net_reply reply = body_reply();

	(void)state;
	assert_int_equal(wire_coap_decode(datagram.ptr, datagram.len, &m), 0);
	net_question_of(&m, 6, LIMIT_COAP_MESSAGE, &q);
	net_response_of(&q, &reply, &response);
	assert_int_equal(response.size2, BODY);
	q.wants_size2 = false;
	net_response_of(&q, &reply, &response);
	assert_int_equal(response.size2, -1);
	rig_free(r);
}

static void test_known_etag_is_valid_without_payload(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	r->reply.payload = text("body");
	r->reply.etag = text("v1");
	(void)rig_ask(r, (struct ask){WIRE_CON, GET, 1, .path = "a", .etag = "v1"});
	assert_code(&rig_last(r)->m, 2, 3);
	assert_int_equal(rig_last(r)->m.payload.len, 0);
	assert_true(bytes_equal(rig_last(r)->m.etag[0], text("v1")));
	(void)rig_ask(r, (struct ask){WIRE_CON, GET, 2, .path = "a", .etag = "v2"});
	assert_code(&rig_last(r)->m, 2, 5);
	rig_free(r);
}

static void test_if_match_of_get_holds_only_for_its_etag(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	r->reply.payload = text("body");
	r->reply.etag = text("v1");
	(void)rig_ask(r, (struct ask){WIRE_CON, GET, 1, .path = "a", .if_match = "v1"});
	assert_code(&rig_last(r)->m, 2, 5);
	(void)rig_ask(r, (struct ask){WIRE_CON, GET, 2, .path = "a", .if_match = "v2"});
	assert_code(&rig_last(r)->m, 4, 12);
	(void)rig_ask(r, (struct ask){WIRE_CON, GET, 3, .path = "a", .if_match = ""});
	assert_code(&rig_last(r)->m, 2, 5);
	rig_free(r);
}

static void test_handlers_own_block_passes_as_it_is(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	r->reply = body_reply();
	r->reply.payload.len = 512;
	r->reply.is_block = true;
	r->reply.block2_num = 77;
	r->reply.block2_szx = 5;
	r->reply.block2_more = true;
	r->reply.etag = text("12345678");
	const struct wire_coap *m = ask_block(r, 77, 5);
	assert_int_equal(m->block2.num, 77);
	assert_int_equal(m->block2.szx, 5);
	assert_true(m->block2.more);
	assert_int_equal(m->payload.len, 512);
	rig_free(r);
}

static void test_what_cannot_fit_becomes_internal_error(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	r->reply = body_reply();
	r->reply.is_block = true; /* a block of 5,000 bytes is a handler's mistake */
	assert_code(ask_block(r, 0, 6), 5, 0);
	r->reply = body_reply();
	r->reply.code = NET_CODE(4, 0); /* a diagnostic text of 5,000 bytes is left out */
	assert_code(ask_block(r, 0, 6), 4, 0);
	rig_free(r);
}

static void test_max_age_is_written_whole(void **state)
{
	static const uint8_t option[] = {0xd2, 14 - 13, 0x0e, 0x10}; /* 3600 */
	struct rig *r = rig_new(false);

	(void)state;
	r->reply.max_age_s = 3600;
	(void)rig_ask(r, (struct ask){WIRE_CON, GET, 1, .path = "a"});
	assert_memory_equal(rig_last(r)->raw + 4, option, sizeof(option));
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rfc_test("7959 2.2", test_every_block_size_gives_the_whole_body),
		rfc_test("7959 2.4", test_long_body_without_block_option_starts_blocks_of_1024),
		rfc_test("7959 2.4", test_short_body_has_no_block_unless_asked),
		rfc_test("7959 2.2", test_body_of_exact_blocks_ends_without_more),
		rfc_test("7959 2.4", test_block_beyond_the_end_is_bad_request),
		rfc_test("7959 2.3", test_record_limit_makes_blocks_smaller_at_the_same_place),
		rfc_test("7959 4", test_size2_is_told_when_asked),
		rfc_test("7252 5.9.1.3", test_known_etag_is_valid_without_payload),
		rfc_test("7252 5.10.8.1", test_if_match_of_get_holds_only_for_its_etag),
		rfc_test("7959 2.4", test_handlers_own_block_passes_as_it_is),
		rfc_test("7252 4.6", test_what_cannot_fit_becomes_internal_error),
		rfc_test("7252 5.10.5", test_max_age_is_written_whole),
	};

	return cmocka_run_group_tests_name("net/reply", tests, NULL, NULL);
}
