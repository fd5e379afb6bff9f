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

int main(void)
{
	const struct CMUnitTest tests[] = {
		rfc_test("7252 4.5", test_repeat_of_a_pending_post_is_known_after_many_others),
		rfc_test("7252 4.7",
			 test_separate_responses_that_nobody_acknowledges_do_not_pile_up),
		rfc_test("7252 3.1", test_option_delta_beyond_65535_is_a_format_error),
	};

	return cmocka_run_group_tests_name("net/hostile-coap", tests, NULL, NULL);
}
