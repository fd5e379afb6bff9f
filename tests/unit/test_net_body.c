/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests with a body in several blocks: RFC 7959 sections 2.3, 2.5, 2.9, 3.2.
 */
#include "net_rig.h"

/* Zero means absent; a block of `body` from `at`, as long as the size says or to the end. */
struct block {
	uint16_t mid;
	const char *path, *query;
	uint32_t num;
	unsigned szx;
	size_t total;
	uint32_t size1;
	uint8_t xor ; /* makes other bytes of it */
	int format;   /* one more than meant */
	enum wire_coap_type type;
	size_t cut; /* bytes that are missing at its end */
};

static void send_to(struct rig *r, struct net_coap_session *s, struct block b)
{
	uint8_t raw[LIMIT_COAP_MESSAGE], payload[1024];
	size_t size = (size_t)16 << b.szx, at = (size_t)b.num << (b.szx + 4);
	size_t len = b.total > at + size ? size : b.total > at ? b.total - at : 0;
	struct wire_coap_writer w = wire_coap_begin(raw, sizeof(raw), b.type, POST, b.mid,
						    (struct bytes){(const uint8_t *)"t", 1});

	for (size_t i = 0; i < len; i++)
		payload[i] = rig_byte(at + i) ^ b.xor ;
	wire_coap_put_bytes(&w, WIRE_OPT_URI_PATH, text(b.path ? b.path : "rd"));
	if (b.format)
		wire_coap_put_uint(&w, WIRE_OPT_CONTENT_FORMAT, (uint32_t)b.format - 1);
	if (b.query)
		wire_coap_put_bytes(&w, WIRE_OPT_URI_QUERY, text(b.query));
	wire_coap_put_block(
		&w, WIRE_OPT_BLOCK1,
		(struct wire_block){.num = b.num, .more = b.total > at + size, .szx = b.szx});
	if (b.size1)
		wire_coap_put_uint(&w, WIRE_OPT_SIZE1, b.size1);
	wire_coap_payload(&w, (struct bytes){payload, len - b.cut});
	assert_true(buf_ok(&w.buf));
	net_coap_receive(&r->coap, s, raw, w.buf.pos);
}

static void send_block(struct rig *r, struct block b)
{
	send_to(r, &r->session, b);
}

static struct rig *rig_taking(void)
{
	struct rig *r = rig_new(false);

	r->long_bodies = true;
	r->reply = NET_REPLY(NET_CODE(2, 1));
	return r;
}

static void assert_continue(const struct rig *r, uint32_t num, unsigned szx)
{
	const struct wire_coap *m = &rig_last(r)->m;

	assert_code(m, 2, 31);
	assert_true(m->has_block1);
	assert_int_equal(m->block1.num, num);
	assert_int_equal(m->block1.szx, szx);
	assert_true(m->block1.more);
	assert_int_equal(m->payload.len, 0);
}

static void assert_body(const struct rig *r, unsigned requests, size_t len)
{
	assert_int_equal(r->requests, requests);
	assert_int_equal(r->last_body, len);
	for (size_t i = 0; i < len; i++)
		if (r->body[i] != rig_byte(i))
			fail_msg("byte %zu differs", i);
}

/* ---- 2.3, 3.2: the way it should be ---- */

static void test_body_is_handed_up_whole(void **state)
{
	struct rig *r = rig_taking();

	(void)state;
	for (uint16_t i = 0; i < 4; i++) {
		send_block(r, (struct block){.mid = i, .num = i, .szx = 2, .total = 200});
		if (i < 3)
			assert_continue(r, i, 2);
	}
	assert_body(r, 1, 200);
	assert_false(r->last_duplicate);
	assert_code(&rig_last(r)->m, 2, 1);
	assert_int_equal(rig_last(r)->m.type, WIRE_ACK);
	assert_true(rig_last(r)->m.has_block1);
	assert_int_equal(rig_last(r)->m.block1.num, 3);
	assert_false(rig_last(r)->m.block1.more);
	assert_int_equal(r->sent_count, 4);
	rig_free(r);
}

static void test_non_blocks_are_answered_by_non(void **state)
{
	struct rig *r = rig_taking();

	(void)state;
	for (uint16_t i = 0; i < 2; i++)
		send_block(r,
			   (struct block){
				   .type = WIRE_NON, .mid = i, .num = i, .szx = 6, .total = 1500});
	assert_body(r, 1, 1500);
	assert_int_equal(r->sent[0].m.type, WIRE_NON);
	assert_code(&r->sent[0].m, 2, 31);
	rig_free(r);
}

static void test_size_may_change_on_the_way(void **state)
{
	struct rig *r = rig_taking();

	(void)state;
	send_block(r, (struct block){.mid = 1, .num = 0, .szx = 4, .total = 600});
	send_block(r, (struct block){.mid = 2, .num = 4, .szx = 2, .total = 600});  /* 256.. */
	send_block(r, (struct block){.mid = 3, .num = 10, .szx = 1, .total = 600}); /* 320.. */
	assert_continue(r, 10, 1);
	send_block(r, (struct block){.mid = 4, .num = 11, .szx = 1, .total = 600}); /* 352.. */
	send_block(r, (struct block){.mid = 5, .num = 3, .szx = 3, .total = 600});  /* 384.. */
	send_block(r, (struct block){.mid = 6, .num = 2, .szx = 4, .total = 600});  /* 512.. */
	assert_body(r, 1, 600);
	rig_free(r);
}

/* ---- 2.9.2: what is missing ---- */

static void test_block_out_of_order_is_incomplete(void **state)
{
	struct rig *r = rig_taking();

	(void)state;
	send_block(r, (struct block){.mid = 1, .num = 1, .szx = 2, .total = 200});
	assert_code(&rig_last(r)->m, 4, 8);
	send_block(r, (struct block){.mid = 2, .num = 0, .szx = 2, .total = 200});
	send_block(r, (struct block){.mid = 3, .num = 2, .szx = 2, .total = 200});
	assert_code(&rig_last(r)->m, 4, 8);
	send_block(r, (struct block){.mid = 4, .num = 3, .szx = 2, .total = 200}); /* the last */
	assert_code(&rig_last(r)->m, 4, 8);
	assert_int_equal(r->requests, 0);
	send_block(r, (struct block){.mid = 5, .num = 1, .szx = 2, .total = 200}); /* fills it */
	assert_continue(r, 1, 2);
	send_block(r, (struct block){.mid = 6, .num = 2, .szx = 2, .total = 200});
	send_block(r, (struct block){.mid = 7, .num = 3, .szx = 2, .total = 200});
	assert_body(r, 1, 200);
	rig_free(r);
}

static void test_blocks_of_another_request_are_not_put_together(void **state)
{
	static const struct block others[] = {
		{.mid = 2, .num = 1, .szx = 2, .total = 100, .path = "dp"},
		{.mid = 2, .num = 1, .szx = 2, .total = 100, .query = "ep=b"},
		{.mid = 2, .num = 1, .szx = 2, .total = 100, .format = 41},
	};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct rig *r = rig_taking();

		send_block(r, (struct block){.mid = 1, .num = 0, .szx = 2, .total = 100});
		send_block(r, others[i]);
		assert_code(&rig_last(r)->m, 4, 8);
		assert_int_equal(r->requests, 0);
		rig_free(r);
	}
}

static void test_a_new_first_block_begins_anew(void **state)
{
	struct rig *r = rig_taking();

	(void)state;
	send_block(r, (struct block){.mid = 1, .num = 0, .szx = 2, .total = 200, .xor = 1});
	send_block(r, (struct block){.mid = 2, .num = 1, .szx = 2, .total = 200, .xor = 1});
	send_block(r, (struct block){.mid = 3, .num = 0, .szx = 2, .total = 100});
	assert_continue(r, 0, 2);
	send_block(r, (struct block){.mid = 4, .num = 1, .szx = 2, .total = 100});
	assert_body(r, 1, 100);
	assert_false(list_empty(&r->coap.bodies));
	send_block(r, (struct block){.mid = 5, .num = 0, .szx = 2, .total = 100}); /* of another */
	send_block(r, (struct block){.mid = 6, .num = 1, .szx = 2, .total = 100});
	assert_body(r, 2, 100);
	rig_free(r);
}

/* ---- 7252 4.5: repetitions ---- */

static void test_repeated_blocks_are_answered_again_and_count_once(void **state)
{
	struct rig *r = rig_taking();

	(void)state;
	for (uint16_t i = 0; i < 4; i++)
		for (unsigned k = 0; k < 3; k++) {
			send_block(r, (struct block){.mid = i, .num = i, .szx = 2, .total = 200});
			if (i < 3)
				assert_continue(r, i, 2);
		}
	assert_body(r, 3, 200); /* the handler got the whole again, and knows */
	assert_true(r->last_duplicate);
	assert_code(&rig_last(r)->m, 2, 1);
	for (uint16_t i = 0; i < 3; i++) { /* late ones */
		send_block(r, (struct block){.mid = i, .num = i, .szx = 2, .total = 200});
		assert_continue(r, i, 2);
	}
	assert_int_equal(r->requests, 3);
	assert_int_equal(r->stats.duplicates, 6 + 2 + 2 + 3);
	rig_free(r);
}

static void test_repeated_last_block_while_the_answer_is_due_is_silent(void **state)
{
	struct rig *r = rig_taking();

	(void)state;
	r->defer = true;
	send_block(r, (struct block){.mid = 1, .num = 0, .szx = 2, .total = 100});
	for (unsigned k = 0; k < 3; k++)
		send_block(r, (struct block){.mid = 2, .num = 1, .szx = 2, .total = 100});
	assert_int_equal(r->requests, 1);
	assert_int_equal(r->sent_count, 1);
	net_coap_reply(&r->coap, r->last, &r->reply);
	assert_code(&rig_last(r)->m, 2, 1);
	assert_true(rig_last(r)->m.has_block1);
	rig_free(r);
}

static void test_same_block_with_other_bytes_is_incomplete(void **state)
{
	struct rig *r = rig_taking();

	(void)state;
	send_block(r, (struct block){.mid = 1, .num = 0, .szx = 2, .total = 200});
	send_block(r, (struct block){.mid = 2, .num = 1, .szx = 2, .total = 200});
	send_block(r, (struct block){.mid = 3, .num = 1, .szx = 2, .total = 200, .xor = 9});
	assert_code(&rig_last(r)->m, 4, 8);
	send_block(r, (struct block){.mid = 1, .num = 0, .szx = 2, .total = 200, .xor = 9});
	assert_code(&rig_last(r)->m, 4, 8);
	send_block(r, (struct block){.mid = 4, .num = 1, .szx = 2, .total = 128}); /* as the last */
	assert_code(&rig_last(r)->m, 4, 8);
	assert_int_equal(r->requests, 0);
	rig_free(r);
}

static void test_nothing_follows_the_last_block(void **state)
{
	struct rig *r = rig_taking();

	(void)state;
	send_block(r, (struct block){.mid = 1, .num = 0, .szx = 2, .total = 128});
	send_block(r, (struct block){.mid = 2, .num = 1, .szx = 2, .total = 128});
	assert_body(r, 1, 128);
	send_block(r, (struct block){.mid = 3, .num = 2, .szx = 2, .total = 150});
	assert_code(&rig_last(r)->m, 4, 8);
	assert_int_equal(r->requests, 1);
	rig_free(r);
}

/* ---- 2.2: what is no block ---- */

static void test_payload_must_be_one_block(void **state)
{
	struct rig *r = rig_taking();

	(void)state;
	send_block(r, (struct block){.mid = 1, .num = 0, .szx = 2, .total = 200, .cut = 1});
	assert_code(&rig_last(r)->m, 4, 0);
	send_block(r, (struct block){.mid = 2, .num = 0, .szx = 2, .total = 200, .cut = 64});
	assert_code(&rig_last(r)->m, 4, 0);
	send_block(r, (struct block){.mid = 3, .num = 0, .szx = 2, .total = 100});
	send_block(r, (struct block){.mid = 4, .num = 1, .szx = 2, .total = 64}); /* empty */
	assert_code(&rig_last(r)->m, 4, 0);
	send_block(r, (struct block){.mid = 5, .num = 1, .szx = 2, .total = 100});
	assert_body(r, 1, 100);
	rig_free(r);
}

/* ---- 2.9.3: too long ---- */

static void test_body_at_the_limit_and_one_byte_more(void **state)
{
	struct rig *r = rig_taking();

	(void)state;
	for (uint16_t i = 0; i < 8; i++)
		send_block(r,
			   (struct block){.mid = i, .num = i, .szx = 6, .total = LIMIT_COAP_BODY});
	assert_body(r, 1, LIMIT_COAP_BODY);
	for (uint16_t i = 0; i < 9; i++)
		send_block(r, (struct block){.mid = (uint16_t)(20 + i),
					     .num = i,
					     .szx = 6,
					     .total = LIMIT_COAP_BODY + 1});
	assert_code(&rig_last(r)->m, 4, 13);
	assert_int_equal(rig_last(r)->m.size1, LIMIT_COAP_BODY);
	assert_int_equal(r->requests, 1);
	assert_true(list_empty(&r->coap.bodies));
	assert_int_equal(r->coap.body_bytes, 0);
	rig_free(r);
}

static void test_body_that_says_it_will_be_too_long_is_refused_at_once(void **state)
{
	struct rig *r = rig_taking();

	(void)state;
	send_block(r, (struct block){.mid = 1, .szx = 2, .total = 200, .size1 = LIMIT_COAP_BODY});
	assert_continue(r, 0, 2);
	send_block(r,
		   (struct block){.mid = 2, .szx = 2, .total = 200, .size1 = LIMIT_COAP_BODY + 1});
	assert_code(&rig_last(r)->m, 4, 13);
	assert_int_equal(rig_last(r)->m.size1, LIMIT_COAP_BODY);
	assert_true(list_empty(&r->coap.bodies));
	rig_free(r);
}

static void test_only_where_the_owner_takes_it(void **state)
{
	struct rig *r = rig_taking();

	(void)state;
	send_block(r, (struct block){.mid = 1, .szx = 2, .total = 200, .path = "report"});
	assert_code(&rig_last(r)->m, 4, 13);
	assert_int_equal(rig_last(r)->m.size1, LIMIT_COAP_PAYLOAD);
	(void)rig_ask(r,
		      (struct ask){WIRE_CON, FETCH, 2, .path = "rd", .payload = "0123456789abcdef",
				   .has_block1 = true, .block = {.more = true}});
	assert_code(&rig_last(r)->m, 4, 13);
	send_block(r, (struct block){.mid = 3, .szx = 2, .total = 50, .path = "report"});
	assert_body(r, 1, 50); /* its only block */
	assert_true(list_empty(&r->coap.bodies));
	rig_free(r);
}

/* ---- 2.5: a body that does not come ---- */

static void test_stopped_body_is_forgotten(void **state)
{
	struct rig *r = rig_taking();

	(void)state;
	send_block(r, (struct block){.mid = 1, .num = 0, .szx = 2, .total = 200});
	rig_elapse(r, NET_BODY_BLOCK_MS - 1);
	send_block(r, (struct block){.mid = 2, .num = 1, .szx = 2, .total = 200});
	assert_continue(r, 1, 2);
	rig_elapse(r, NET_BODY_BLOCK_MS);
	assert_true(list_empty(&r->coap.bodies));
	assert_int_equal(r->coap.body_bytes, 0);
	send_block(r, (struct block){.mid = 3, .num = 2, .szx = 2, .total = 200});
	assert_code(&rig_last(r)->m, 4, 8);
	rig_free(r);
}

static void test_slow_loris_has_his_time(void **state)
{
	struct rig *r = rig_taking();
	int64_t end = r->timers.now_ms + NET_BODY_MS;
	uint16_t i = 0;

	(void)state;
	while (r->timers.now_ms < end - 2000) {
		send_block(r, (struct block){.mid = i, .num = i, .szx = 0, .total = 8000});
		assert_continue(r, i, 0);
		i++;
		rig_elapse(r, 2000);
	}
	assert_false(list_empty(&r->coap.bodies));
	rig_elapse(r, 2000);
	assert_true(list_empty(&r->coap.bodies));
	rig_free(r);
}

static void test_all_bodies_together_are_bounded_and_who_is_stuck_goes_first(void **state)
{
	enum { FIT = LIMIT_COAP_BODIES / LIMIT_COAP_BODY };
	struct rig *r = rig_taking();
	static struct net_coap_session s[FIT + 1];

	(void)state;
	for (unsigned i = 0; i <= FIT; i++)
		net_coap_session_init(&r->coap, &s[i], false, 6);
	r->any_session = true;
	for (unsigned i = 0; i < FIT; i++) {
		for (uint16_t k = 0; k < 5; k++) /* so each has grown to all it can have */
			send_to(r, &s[i],
				(struct block){
					.mid = k, .num = k, .szx = 6, .total = LIMIT_COAP_BODY});
		assert_continue(r, 4, 6);
		rig_elapse(r, i == 0 ? 1000 : 0);
	}
	assert_int_equal(r->coap.body_bytes, LIMIT_COAP_BODIES);
	struct block first = {.mid = 1, .num = 0, .szx = 6, .total = LIMIT_COAP_BODY};
	send_to(r, &s[FIT], first);
	assert_code(&rig_last(r)->m, 5, 3);
	rig_elapse(r, NET_BODY_STUCK_MS - 1000); /* the first is stuck now, the others are not */
	first.mid++;
	send_to(r, &s[FIT], first);
	assert_continue(r, 0, 6);
	assert_in_range(r->coap.body_bytes, 1, LIMIT_COAP_BODIES);
	send_to(r, &s[0], (struct block){.mid = 9, .num = 5, .szx = 6, .total = LIMIT_COAP_BODY});
	assert_code(&rig_last(r)->m, 4, 8);
	for (uint16_t k = 5; k < 8; k++)
		send_to(r, &s[1],
			(struct block){.mid = k, .num = k, .szx = 6, .total = LIMIT_COAP_BODY});
	assert_body(r, 1, LIMIT_COAP_BODY); /* it was not hurt, and is whole: it makes room */
	for (uint16_t k = 1; k < 8; k++)
		send_to(r, &s[FIT],
			(struct block){.mid = (uint16_t)(20 + k),
				       .num = k,
				       .szx = 6,
				       .total = LIMIT_COAP_BODY});
	assert_body(r, 2, LIMIT_COAP_BODY);
	assert_int_equal(r->coap.body_bytes, LIMIT_COAP_BODIES);
	first.mid++;
	send_to(r, &s[0], first);
	assert_continue(r, 0, 6);
	send_to(r, &s[1], (struct block){.mid = 7, .num = 7, .szx = 6, .total = LIMIT_COAP_BODY});
	assert_code(&rig_last(r)->m, 4, 8); /* its repetition has to begin anew */
	for (unsigned i = 0; i <= FIT; i++)
		net_coap_session_done(&r->coap, &s[i]);
	assert_int_equal(r->coap.body_bytes, 0);
	rig_free(r);
}

static void test_who_has_proved_nothing_makes_room_for_a_device(void **state)
{
	enum { FIT = LIMIT_COAP_BODIES / LIMIT_COAP_BODY };
	struct rig *r = rig_taking();
	static struct net_coap_session s[FIT + 2];

	(void)state;
	for (unsigned i = 0; i < FIT + 2; i++)
		net_coap_session_init(&r->coap, &s[i], i <= FIT, 6);
	r->any_session = r->coap.plain_devices = true;
	for (unsigned i = 0; i < FIT; i++)
		for (uint16_t k = 0; k < 5; k++)
			send_to(r, &s[i],
				(struct block){
					.mid = k, .num = k, .szx = 6, .total = LIMIT_COAP_BODY});
	assert_int_equal(r->coap.body_bytes, LIMIT_COAP_BODIES);
	struct block first = {.mid = 1, .num = 0, .szx = 6, .total = LIMIT_COAP_BODY};
	send_to(r, &s[FIT], first);
	assert_code(&rig_last(r)->m, 5, 3);
	send_to(r, &s[FIT + 1], first);
	assert_continue(r, 0, 6);
	for (unsigned i = 0; i < FIT + 2; i++)
		net_coap_session_done(&r->coap, &s[i]);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rfc_test("7959 2.3, 3.2", test_body_is_handed_up_whole),
		rfc_test("7959 3.2", test_non_blocks_are_answered_by_non),
		rfc_test("7959 2.3", test_size_may_change_on_the_way),
		rfc_test("7959 2.9.2 (4.08)", test_block_out_of_order_is_incomplete),
		rfc_test("7959 2.5", test_blocks_of_another_request_are_not_put_together),
		rfc_test("7959 2.5", test_a_new_first_block_begins_anew),
		rfc_test("7252 4.5", test_repeated_blocks_are_answered_again_and_count_once),
		rfc_test("7252 4.5", test_repeated_last_block_while_the_answer_is_due_is_silent),
		rfc_test("7959 2.9.2 (4.08)", test_same_block_with_other_bytes_is_incomplete),
		rfc_test("7959 2.3", test_nothing_follows_the_last_block),
		rfc_test("7959 2.2", test_payload_must_be_one_block),
		rfc_test("7959 2.9.3 (4.13)", test_body_at_the_limit_and_one_byte_more),
		rfc_test("7959 2.9.3 (4.13), 4",
			 test_body_that_says_it_will_be_too_long_is_refused_at_once),
		rfc_test("7959 2.9.3 (4.13)", test_only_where_the_owner_takes_it),
		rfc_test("7959 2.5", test_stopped_body_is_forgotten),
		rfc_test("7959 7.1", test_slow_loris_has_his_time),
		rfc_test("7959 7.1",
			 test_all_bodies_together_are_bounded_and_who_is_stuck_goes_first),
		cmocka_unit_test(test_who_has_proved_nothing_makes_room_for_a_device),
	};

	return cmocka_run_group_tests_name("net/body", tests, NULL, NULL);
}
