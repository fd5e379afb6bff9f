/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/hook.h"
#include "daemon/audit.h"
#include "daemon/hook_http.h"
#include "daemon/hook_message.h"

static const struct hook_rules rules = {.retry_max_ms = 60000, .tries = 3, .give_up_ms = 3600000};

static void test_hook_topics(void **state)
{
	(void)state;
	assert_true(hook_topic_fits("", "flash/status"));
	assert_true(hook_topic_fits("flash", "flash/status"));
	assert_true(hook_topic_fits("flash/", "flash/progress"));
	assert_true(hook_topic_fits("device/boot flash/status", "flash/status"));
	assert_true(hook_topic_fits("flash", "spark/flash/status"));
	assert_false(hook_topic_fits("flas", "flash/status"));
	assert_false(hook_topic_fits("flash/status", "flash/progress"));
	assert_false(hook_topic_fits("spark", "spark/flash/status"));
	assert_true(hook_topic_is_known("device"));
	assert_false(hook_topic_is_known("devicex"));
	assert_false(hook_topic_is_known(""));
	assert_true(hook_product_fits("", "blinky"));
	assert_true(hook_product_fits("argon blinky", "blinky"));
	assert_false(hook_product_fits("argon blinky", "blink"));
}

static void test_hook_outcomes(void **state)
{
	(void)state;
	assert_int_equal(hook_outcome(200, true), HOOK_TAKEN);
	assert_int_equal(hook_outcome(299, true), HOOK_TAKEN);
	assert_int_equal(hook_outcome(302, true), HOOK_REFUSED);
	assert_int_equal(hook_outcome(404, true), HOOK_REFUSED);
	assert_int_equal(hook_outcome(410, true), HOOK_ENDED);
	assert_int_equal(hook_outcome(429, true), HOOK_LATER);
	assert_int_equal(hook_outcome(500, true), HOOK_REFUSED);
	assert_int_equal(hook_outcome(503, true), HOOK_LATER);
	assert_int_equal(hook_outcome(0, false), HOOK_LATER);
	assert_int_equal(hook_outcome(0, true), HOOK_REFUSED);
}

static void test_hook_pauses_grow_to_the_limit(void **state)
{
	(void)state;
	for (uint32_t n = 1; n < 70; n++) {
		int64_t most = n < 7 ? (int64_t)1000 << (n - 1) : 60000;
		assert_int_equal(hook_pause_ms(n, 60000, 0), most);
		for (uint64_t chance = 1; chance < 100000; chance += 777) {
			int64_t pause = hook_pause_ms(n, 60000, chance);
			assert_true(pause <= most && pause >= most / 2);
		}
	}
	assert_int_equal(hook_pause_ms(UINT32_MAX, 60000, 0), 60000);
}

static void test_hook_refused_is_put_aside_and_absent_is_not(void **state)
{
	struct hook_place p = {.position = 7};
	enum hook_why why = HOOK_FINE;

	(void)state;
	for (int i = 0; i < 50; i++)
		assert_int_equal(hook_answered(&p, &rules, HOOK_LATER, 0, 1000 + i, 0, &why),
				 HOOK_WAIT);
	assert_int_equal(p.tries, 0);
	assert_int_equal(p.failing_ms, 1000);
	assert_int_equal(hook_answered(&p, &rules, HOOK_REFUSED, 0, 2000, 0, &why), HOOK_WAIT);
	assert_int_equal(hook_answered(&p, &rules, HOOK_REFUSED, 0, 2000, 0, &why), HOOK_WAIT);
	assert_int_equal(hook_answered(&p, &rules, HOOK_REFUSED, 0, 2000, 0, &why), HOOK_PUT_ASIDE);
	assert_int_equal(p.tries, 0);
	assert_int_equal(p.position, 7);
	assert_int_equal(hook_answered(&p, &rules, HOOK_TAKEN, 0, 3000, 0, &why), HOOK_GO_ON);
	assert_int_equal(p.failing_ms, 0);
	assert_int_equal(p.retry_ms, 0);
	assert_int_equal(p.taken_ms, 3000);
}

static void test_hook_ends(void **state)
{
	struct hook_place p = {0};
	enum hook_why why = HOOK_FINE;

	(void)state;
	assert_int_equal(hook_answered(&p, &rules, HOOK_ENDED, 0, 1, 0, &why), HOOK_STOP);
	assert_int_equal(why, HOOK_GONE);
	assert_int_equal(hook_answered(&p, &rules, HOOK_LATER, 0, 1000, 0, &why), HOOK_WAIT);
	assert_int_equal(hook_answered(&p, &rules, HOOK_LATER, 0, 3600999, 0, &why), HOOK_WAIT);
	assert_int_equal(hook_answered(&p, &rules, HOOK_LATER, 0, 3601000, 0, &why), HOOK_STOP);
	assert_int_equal(why, HOOK_FAILING);
	/* a clock that was set back ends nothing */
	assert_int_equal(hook_answered(&p, &rules, HOOK_LATER, 0, 500, 0, &why), HOOK_WAIT);
	assert_int_equal(p.failing_ms, 500);
}

static void test_hook_retry_after_is_heard_up_to_the_limit(void **state)
{
	struct hook_place p = {0};
	enum hook_why why = HOOK_FINE;

	(void)state;
	(void)hook_answered(&p, &rules, HOOK_LATER, 30, 0, 0, &why);
	assert_int_equal(p.retry_ms, 30000);
	(void)hook_answered(&p, &rules, HOOK_LATER, 1000000, 0, 0, &why);
	assert_int_equal(p.retry_ms, 60000);
}

/* Made with openssl dgst -sha256 -mac HMAC. */
static void test_hook_signature(void **state)
{
	static const char body[] = "{\"a\":1}";
	char text[HOOK_SECRET_TEXT + 1], sign[HOOK_SIGNATURE_MAX + 1];
	struct psk secret, again;

	(void)state;
	assert_int_equal(hook_secret_parse("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3", &secret), 0);
	assert_int_equal(secret.len, 24);
	assert_memory_equal(secret.bytes, "0123456789abcdef01234567", 24);
	hook_secret_text(&secret, text);
	assert_string_equal(text, "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3");
	assert_int_equal(hook_secret_parse("0123456789abcdef01234567", &again), 0);
	assert_int_equal(again.len, 24);
	assert_int_equal(hook_sign(&secret, "s:1", 1700000000,
				   (struct bytes){(const uint8_t *)body, strlen(body)}, sign),
			 0);
	assert_string_equal(sign, "v1,+E9wwHHaBX6VAE6E3FhRK2avsBfi5sgfigIRNUuYUmk=");
}

static void test_hook_secrets_have_limits(void **state)
{
	char text[LIMIT_HOOK_SECRET + 2];
	struct psk secret;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[LIMIT_HOOK_SECRET + 1] = 0;
	assert_int_equal(hook_secret_parse(text, &secret), ERR_LIMIT);
	text[LIMIT_HOOK_SECRET] = 0;
	assert_int_equal(hook_secret_parse(text, &secret), 0);
	text[LIMIT_HOOK_SECRET_MIN] = 0;
	assert_int_equal(hook_secret_parse(text, &secret), 0);
	text[LIMIT_HOOK_SECRET_MIN - 1] = 0;
	assert_int_equal(hook_secret_parse(text, &secret), ERR_LIMIT);
	assert_int_equal(hook_secret_parse("whsec_!!!", &secret), ERR_SYNTAX);
	assert_int_equal(hook_secret_parse("whsec_MDEy", &secret), ERR_LIMIT);
}

static void test_hook_urls(void **state)
{
	static const char *const bad[] = {"",
					  "x",
					  "ftp://h/",
					  "file:///etc/passwd",
					  "http://",
					  "https://u@h/",
					  "https://u:p@h/",
					  "https://h/#x",
					  "https://h/a b",
					  "https://h/\xc3\xa4"};

	(void)state;
	assert_null(hook_url_fault("https://h.example/in?x=1"));
	assert_null(hook_url_fault("http://127.0.0.1:8080"));
	assert_null(hook_url_fault("HTTPS://[::1]:1/"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(hook_url_fault(bad[i]));
}

static struct hook_message message_read(struct store *s, unsigned batch, bool single,
					uint64_t after)
{
	const struct hook h = {.batch = batch};
	struct hook_message m;

	assert_int_equal(hook_message_read(s, &h, "stream", after, 100, single, &m), 0);
	return m;
}

static void test_hook_message_of_one_and_of_several(void **state)
{
	const struct store_conf conf = {
		.path = ":memory:", .inline_commit = true, .hash = audit_sha256};
	const struct store_event e = {.topic = "device/boot",
				      .data = "",
				      .device = "d",
				      .json = "{}",
				      .at_ms = 1700000000000};
	struct store *s;
	struct hook_message m;

	(void)state;
	assert_int_equal(store_open(&conf, &s), 0);
	struct store_set *set = store_set_new(NULL, NULL);
	for (unsigned i = 0; i < 3; i++)
		store_set_event(set, &e);
	store_submit(s, set);
	store_flush(s);
	(void)store_deliver(s);

	/* one: an object */
	m = message_read(s, 1, false, 0);
	assert_int_equal(m.count, 1);
	assert_false(m.batch);
	assert_int_equal(m.body[0], '{');
	assert_int_equal(m.body[m.len - 1], '}');
	hook_message_free(&m);
	m = message_read(s, 2, true, 1);
	assert_int_equal(m.first, 2);
	assert_int_equal(m.last, 2);
	assert_int_equal(m.body[0], '{');
	hook_message_free(&m);
	/* several: an array, of one, too */
	for (uint64_t after = 1; after < 3; after++) {
		m = message_read(s, 2, false, after);
		json_t *body = json_loadb(m.body, m.len, 0, NULL);
		assert_true(m.batch);
		assert_int_equal(m.first, after + 1);
		assert_int_equal(m.last, 3);
		assert_true(json_is_array(body));
		assert_int_equal(json_array_size(body), m.count);
		assert_int_equal(m.count, 3 - after);
		json_decref(body);
		hook_message_free(&m);
	}
	/* none */
	m = message_read(s, 2, false, 3);
	assert_int_equal(m.count, 0);
	assert_int_equal(m.looked, 3);
	hook_message_free(&m);
	store_close(s);
}

/* Two events fill a message to its limit, or are two messages. */
static void test_hook_message_has_a_limit(void **state)
{
	static char json[LIMIT_HOOK_BODY / 2];
	const struct store_conf conf = {
		.path = ":memory:", .inline_commit = true, .hash = audit_sha256};
	const struct store_event e = {
		.topic = "device/boot", .data = "", .device = "d", .json = json, .at_ms = 1};
	struct store *s;

	(void)state;
	/* an event alone is sent whatever its length: so much is the first one's */
	for (size_t fits = 1, len = 86700; len < 90000; len += 20) {
		(void)snprintf(json, sizeof(json), "{\"x\":\"%0*d\"}", (int)len, 0);
		assert_int_equal(store_open(&conf, &s), 0);
		struct store_set *set = store_set_new(NULL, NULL);
		store_set_event(set, &e);
		store_set_event(set, &e);
		store_submit(s, set);
		(void)store_deliver(s);
		struct hook_message one = message_read(s, 1, false, 0);
		struct hook_message m = message_read(s, 2, false, 0);
		size_t need = one.len + 1 + 2 * strlen(json) + 1024; /* with its [ */
		assert_true(m.len <= LIMIT_HOOK_BODY);
		assert_int_equal(m.count, need > LIMIT_HOOK_BODY ? 1 : 2);
		assert_true(fits || m.count == 1);
		fits = m.count == 2;
		hook_message_free(&one);
		hook_message_free(&m);
		store_close(s);
		if (!fits && len > 86700)
			return;
	}
	fail_msg("there is no limit");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hook_topics),
		cmocka_unit_test(test_hook_outcomes),
		cmocka_unit_test(test_hook_pauses_grow_to_the_limit),
		cmocka_unit_test(test_hook_refused_is_put_aside_and_absent_is_not),
		cmocka_unit_test(test_hook_ends),
		cmocka_unit_test(test_hook_retry_after_is_heard_up_to_the_limit),
		cmocka_unit_test(test_hook_signature),
		cmocka_unit_test(test_hook_secrets_have_limits),
		cmocka_unit_test(test_hook_urls),
		cmocka_unit_test(test_hook_message_of_one_and_of_several),
		cmocka_unit_test(test_hook_message_has_a_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
