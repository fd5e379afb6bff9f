/* SPDX-License-Identifier: Apache-2.0
 *
 * The exchange layer under a device that does not keep to the rules.
 */
#include "net_rig.h"

#include <stdlib.h>

static void test_repeat_of_a_pending_post_is_known_after_many_others(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	r->defer = true;
	for (uint16_t mid = 1; mid <= LIMIT_COAP_DEDUPE + 1; mid++)
		rig_ask(r,
			(struct ask){.method = POST, .mid = mid, .token = "t", .path = "report"});
	assert_int_equal(r->requests, LIMIT_COAP_DEDUPE + 1);
	rig_ask(r, (struct ask){.method = POST, .mid = 1, .token = "t", .path = "report"});
	assert_int_equal(r->requests, LIMIT_COAP_DEDUPE + 1);
	rig_free(r);
}

static void test_separate_responses_that_nobody_acknowledges_do_not_pile_up(void **state)
{
	struct rig *r = rig_new(false);
	unsigned waiting = 0;

	(void)state;
	r->defer = true;
	for (uint16_t mid = 1; mid <= 200; mid++) {
		rig_ask(r,
			(struct ask){.method = POST, .mid = mid, .token = "t", .path = "report"});
		rig_elapse(r, NET_ACK_DELAY_MS);
		net_coap_reply(&r->coap, r->last, &NET_REPLY(NET_CODE(2, 4)));
	}
	assert_int_equal(rig_last(r)->m.type, WIRE_NON);
	assert_code(&rig_last(r)->m, 2, 4);
	LIST_EACH(it, next, &r->session.out)
	waiting++;
	assert_in_range(waiting, 1, NET_OUT_PER_SESSION);
	rig_free(r);
}

/* Delta 14 with 0xfefe is 65547, in 16 bits 11: Uri-Path. */
static void test_option_delta_beyond_65535_is_a_format_error(void **state)
{
	static const uint8_t raw[] = {0x40, GET, 0, 1, 0xe1, 0xfe, 0xfe, 'x'};
	static const uint8_t most[] = {0x40, GET, 0, 1, 0xe1, 0xfe, 0xf2, 'x'};
	struct wire_coap m;

	(void)state;
	assert_int_equal(wire_coap_decode(raw, sizeof(raw), &m), ERR_SYNTAX);
	assert_int_equal(wire_coap_decode(most, sizeof(most), &m), 0);
	assert_int_equal(m.bad_option, UINT16_MAX);
}

/* Uri-Query is critical: a request is not carried out as if some of it had not been said. */
static void test_more_queries_than_are_looked_at_are_refused(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	for (unsigned count = WIRE_QUERIES; count <= WIRE_QUERIES + 1; count++) {
		uint8_t raw[LIMIT_COAP_MESSAGE];
		struct wire_coap_writer w = wire_coap_begin(raw, sizeof(raw), WIRE_CON, POST,
							    (uint16_t)count, text("t"));

		wire_coap_put_bytes(&w, WIRE_OPT_URI_PATH, text("report"));
		for (unsigned i = 0; i < count; i++)
			wire_coap_put_bytes(&w, WIRE_OPT_URI_QUERY, text("a=b"));
		net_coap_receive(&r->coap, &r->session, raw, w.buf.pos);
		assert_int_equal(r->requests, 1);
	}
	assert_code(&rig_last(r)->m, 4, 2);
	assert_true(memmem(rig_last(r)->raw, rig_last(r)->len, "option 15 ", 10) != NULL);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rfc_test("7252 4.5", test_repeat_of_a_pending_post_is_known_after_many_others),
		rfc_test("7252 4.7",
			 test_separate_responses_that_nobody_acknowledges_do_not_pile_up),
		rfc_test("7252 3.1", test_option_delta_beyond_65535_is_a_format_error),
		rfc_test("7252 5.4.1", test_more_queries_than_are_looked_at_are_refused),
	};

	return cmocka_run_group_tests_name("net/hostile-coap", tests, NULL, NULL);
}
