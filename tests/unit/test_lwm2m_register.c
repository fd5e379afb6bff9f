/* SPDX-License-Identifier: Apache-2.0
 *
 * Registration, its update and its end, Send, and who we are not (LwM2M 6.2, 6.4.6).
 */
#include "lwm2m_rig.h"

#include <stdio.h>
#include <string.h>

enum { GET = 1, POST, PUT, DELETE };

static struct rig rig;

static const struct rig_script plain;

static int setup(void **state)
{
	(void)state;
	rig_init(&rig, &plain, "");
	rig.on = rig.registered = true;
	rig.boots = 1;
	rig.update_ms = INT64_MAX;
	return 0;
}

static int number(void)
{
	return (rig.reply.code >> 5) * 100 + (rig.reply.code & 31);
}

static const char *why(void)
{
	static char text[TALK_PAYLOAD + 1];

	memcpy(text, rig.reply.payload, rig.reply.payload_len);
	text[rig.reply.payload_len] = 0;
	return text;
}

static void post(const char *path, const char *query, const char *links)
{
	rig_request(&rig, POST, path, query, links[0] ? 40 : -1, links, strlen(links));
}

static void refused(const char *query, const char *links, int code, const char *words)
{
	post("rd", query, links);
	assert_int_equal(number(), code);
	assert_string_equal(why(), words);
	assert_false(rig_talk(&rig)->reg.registered);
	assert_false(rig.has_ask);
}

static const struct lwm2m_registration *reg(void)
{
	return &rig_talk(&rig)->reg;
}

static void test_register(void **state)
{
	(void)state;
	post("rd", "ep=lamp-1&lt=60&lwm2m=1.2&Q&pid=5",
	     "</>;rt=\"oma.lwm2m\";ct=\"112 110\",</1/0>,</3/0>,</5/0>;ver=1.1");
	assert_int_equal(number(), 201);
	assert_string_equal(rig.reply.location[0], "rd");
	assert_int_equal(strlen(rig.reply.location[1]), 8);
	assert_int_equal(rig.reply.payload_len, 0);
	assert_true(reg()->registered && reg()->queue && reg()->has_firmware);
	assert_int_equal(reg()->version, 12);
	assert_int_equal(reg()->lifetime_s, 60);
	assert_string_equal(reg()->binding, "U");
	/* and its facts are read, in the format that its root names */
	assert_true(rig.has_ask);
	assert_string_equal(rig.ask.path, "3/0");
	assert_int_equal(rig.ask.accept, LWM2M_SENML_CBOR);
}

static void test_what_need_not_be_there(void **state)
{
	(void)state;
	post("rd", "lwm2m=1.1", "");
	assert_int_equal(number(), 201);
	assert_int_equal(reg()->lifetime_s, 86400);
	assert_false(reg()->queue);
	assert_false(reg()->has_links);
	assert_int_equal(rig.ask.accept, -1);
	post("rd", "ep=lamp-1&lwm2m=1.0&lt=30&b=UQS&sms=123", "</3/0>");
	assert_int_equal(number(), 201);
	assert_int_equal(reg()->version, 10);
	assert_true(reg()->queue);
	assert_string_equal(reg()->binding, "UQS");
	assert_false(reg()->has_firmware);
	post("rd", "ep=lamp-1&lwm2m=1.0.0&lt=30&b=UQ", "</3/0>");
	assert_int_equal(number(), 201);
	assert_int_equal(reg()->version, 10);
	assert_true(reg()->queue);
	post("rd", "lwm2m=1.2.1&lt=4294967295", "</lwm2m>;rt=\"oma.lwm2m\",</lwm2m/3/0>");
	assert_int_equal(number(), 201);
	assert_string_equal(rig.ask.path, "lwm2m/3/0");
}

static void test_malformed(void **state)
{
	(void)state;
	refused("ep=lamp-1&lt=60", "", 400, "lwm2m: missing");
	refused("ep=lamp-1&lwm2m=2.0", "", 412, "lwm2m: this server speaks 1.0, 1.1 and 1.2");
	refused("ep=lamp-1&lwm2m=1.10", "", 412, "lwm2m: this server speaks 1.0, 1.1 and 1.2");
	refused("lwm2m=1.0", "", 400, "ep: missing");
	refused("ep=lamp-2&lwm2m=1.1", "", 403, "ep: is not the identity of this session");
	refused("ep=&lwm2m=1.1", "", 403, "ep: is not the identity of this session");
	refused("ep=lamp-1&ep=lamp-1&lwm2m=1.1", "", 400, "ep: given twice");
	refused("lwm2m=1.1&lwm2m=1.1", "", 400, "lwm2m: given twice");
	refused("lwm2m=1.1&lt=1&lt=1", "", 400, "lt: given twice");
	refused("lwm2m=1.1&lt=", "", 400, "lt: a number of seconds is wanted");
	refused("lwm2m=1.1&lt=1x", "", 400, "lt: a number of seconds is wanted");
	refused("lwm2m=1.1&lt=-1", "", 400, "lt: a number of seconds is wanted");
	refused("lwm2m=1.1&lt=00000000001", "", 400, "lt: a number of seconds is wanted");
	refused("lwm2m=1.1&lt=0", "", 400, "lt: 1 to 4294967295 seconds");
	refused("lwm2m=1.1&lt=4294967296", "", 400, "lt: 1 to 4294967295 seconds");
	refused("lwm2m=1.1&b=", "", 400, "b: 1 to 6 letters are wanted");
	refused("lwm2m=1.1&b=UUUUUUU", "", 400, "b: 1 to 6 letters are wanted");
	refused("lwm2m=1.1&b=u", "", 400, "b: capital letters are wanted");
	refused("lwm2m=1.1&b=U&b=U", "", 400, "b: given twice");
	refused("lwm2m=1.1", "</a-root-that-is-much-too-long>;rt=\"oma.lwm2m\"", 400,
		"links: the alternate path is too long");
	post("rd", "lwm2m=1.1", "</3/0");
	assert_int_equal(number(), 400);
	assert_memory_equal(why(), "links: ", 7);
	rig_request(&rig, POST, "rd", "lwm2m=1.1", 0, "</3/0>", 6);
	assert_int_equal(number(), 415);
	assert_false(reg()->registered);
}

static void test_many_links(void **state)
{
	static char links[LIMIT_LWM2M_LINKS * 16 + 16];
	size_t len = 0;

	(void)state;
	for (int i = 0; i < LIMIT_LWM2M_LINKS; i++)
		len += (size_t)snprintf(links + len, sizeof(links) - len, "%s</7/%d>", i ? "," : "",
					i);
	post("rd", "lwm2m=1.1", links);
	assert_int_equal(number(), 201);
	(void)snprintf(links + len, sizeof(links) - len, ",</5/0>");
	post("rd", "lwm2m=1.1", links);
	assert_int_equal(number(), 400);
	assert_memory_equal(why(), "links: ", 7);
}

static void test_update(void **state)
{
	char path[32], location[16];

	(void)state;
	post("rd/00000000", "", "");
	assert_int_equal(number(), 404);
	post("rd", "lwm2m=1.1&lt=60", "</3/0>,</5/0>");
	strcpy(location, rig.reply.location[1]);
	rig_run(&rig, 10);
	assert_int_equal(rig.u.device.report.interval_s, 36); /* silent after 120 s */
	strcpy(path, "rd/");
	strcat(path, location);
	post(path, "lt=300&b=UQ", "</3/0>");
	assert_int_equal(number(), 204);
	assert_int_equal(reg()->lifetime_s, 300);
	assert_true(reg()->queue);
	assert_false(reg()->has_firmware);
	post(path, "", "");
	assert_int_equal(number(), 204);
	assert_true(reg()->queue);
	assert_int_equal(reg()->lifetime_s, 300);
	post(path, "lt=x", "");
	assert_int_equal(number(), 400);
	post(path, "", "<");
	assert_int_equal(number(), 400);
	assert_int_equal(reg()->lifetime_s, 300);
	post("rd/0", "", "");
	assert_int_equal(number(), 404);
	/* also late: it would register anew, and that looks like a boot */
	rig_run(&rig, 2000);
	assert_int_equal(rig.offline, 1);
	assert_false(rig.u.device.online);
	post(path, "", "");
	assert_int_equal(number(), 204);
	rig_run(&rig, 10);
	assert_true(rig.u.device.online);
	/* the same place for ever */
	post("rd", "lwm2m=1.1&lt=60", "");
	assert_string_equal(rig.reply.location[1], location);
	talk_lwm2m.init(rig.talk);
	post("rd", "lwm2m=1.1&lt=60", "");
	assert_string_equal(rig.reply.location[1], location);
}

static void test_delete(void **state)
{
	char path[32] = "rd/";

	(void)state;
	post("rd", "lwm2m=1.1&lt=60", "");
	strcat(path, rig.reply.location[1]);
	rig_run(&rig, 10);
	rig_request(&rig, DELETE, path, "", -1, NULL, 0);
	assert_int_equal(number(), 202);
	assert_true(rig.gone);
	assert_int_equal(talk_lwm2m.timer_ms(rig.talk), 0);
	assert_string_equal(rig_fact(&rig, "registration"), "none: it de-registered");
	rig_ring(&rig);
	assert_false(rig.has_ask);
	rig_request(&rig, DELETE, path, "", -1, NULL, 0);
	assert_int_equal(number(), 404);
	post(path, "", "");
	assert_int_equal(number(), 404);
}

static void test_other_methods_and_places(void **state)
{
	static const struct {
		uint8_t method;
		const char *path;
		int code;
	} rows[] = {
		{GET, "rd", 405},   {PUT, "rd", 405},	 {DELETE, "rd", 405},	{GET, "rd/x", 405},
		{PUT, "rd/x", 405}, {POST, "rd/x", 404}, {POST, "rd/x/y", 404}, {POST, "bs", 404},
		{GET, "bs", 404},   {GET, "dp", 405},	 {POST, "dp/x", 405},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		rig_request(&rig, rows[i].method, rows[i].path, "", -1, NULL, 0);
		assert_int_equal(number(), rows[i].code);
	}
	const struct bytes other[] = {{(const uint8_t *)"fw", 2}};
	assert_false(talk_lwm2m.owns(POST, other, 1));
	assert_false(talk_lwm2m.owns(POST, other, 0));
}

/* A registration while nothing is applied is no boot. */
static void test_register_again_is_no_boot(void **state)
{
	struct boot_id before;

	(void)state;
	rig.u.target = NULL;
	post("rd", "lwm2m=1.1&lt=60", "");
	rig_run(&rig, 10);
	before = rig.u.device.report.boot;
	for (int i = 0; i < 5; i++) {
		post("rd", "lwm2m=1.1&lt=60", "");
		rig_run(&rig, 30);
	}
	assert_true(boot_id_identical(&before, &rig.u.device.report.boot));
	assert_int_equal(reg()->count, 6);
	/* unless its label is another: no image changes without a reboot */
	rig.image = rig.named = RIG_TARGET;
	post("rd", "lwm2m=1.1&lt=60", "");
	rig_run(&rig, 10);
	assert_false(boot_id_equal(&before, &rig.u.device.report.boot));
	assert_true(rig.u.device.report.boot.inferred);
	assert_string_equal(rig.u.device.report.version, "2.0.0");
}

/* A duplicate gets the same answer and changes nothing. */
static void test_duplicate(void **state)
{
	struct talk_request q = {.method = POST,
				 .path = (const struct bytes[]){{(const uint8_t *)"rd", 2}},
				 .path_count = 1,
				 .query = (const struct bytes[]){{(const uint8_t *)"lwm2m=1.1", 9}},
				 .query_count = 1,
				 .content_format = -1,
				 .accept = -1,
				 .duplicate = true};
	struct talk_in in = {.event = TALK_REQUEST,
			     .now_ms = rig.u.now_ms,
			     .device = "lamp-1",
			     .request = &q,
			     .asking = true};
	struct talk_out out;

	(void)state;
	post("rd", "lwm2m=1.1", "");
	talk_out_init(&out);
	talk_lwm2m.step(rig.talk, &in, &out);
	assert_true(out.has_reply && !out.changed && !out.has_ask && !out.cancels);
	assert_string_equal(out.reply.location[1], rig.reply.location[1]);
	assert_int_equal(reg()->count, 1);
}

/* Late ones of before the present registration. */
static void test_duplicate_of_update_and_delete(void **state)
{
	char path[32] = "rd/";

	(void)state;
	post("rd", "lwm2m=1.1&lt=60", "");
	strcat(path, rig.reply.location[1]);
	rig_run(&rig, 10);
	post("rd", "lwm2m=1.1&lt=60", "");
	rig_run(&rig, 10);
	rig_repeat(&rig, DELETE, path, "", -1, NULL, 0);
	assert_int_equal(number(), 202);
	assert_true(reg()->registered);
	assert_false(rig.gone);
	rig_repeat(&rig, POST, path, "lt=7", -1, NULL, 0);
	assert_int_equal(number(), 204);
	assert_int_equal(reg()->lifetime_s, 60);
	rig_request(&rig, DELETE, path, "", -1, NULL, 0);
	assert_int_equal(number(), 202);
	rig_repeat(&rig, DELETE, path, "", -1, NULL, 0);
	assert_int_equal(number(), 202);
}

/* From 1.1 on b= says nothing of it. */
static void test_queue_mode_stays(void **state)
{
	char path[32] = "rd/";

	(void)state;
	post("rd", "lwm2m=1.1&b=U&Q", "");
	strcat(path, rig.reply.location[1]);
	post(path, "b=US", "");
	assert_int_equal(number(), 204);
	assert_true(reg()->queue);
	assert_string_equal(reg()->binding, "US");
	post("rd", "ep=lamp-1&lwm2m=1.0&b=UQ", "");
	post(path, "b=U", "");
	assert_false(reg()->queue);
}

/* ---- Send ---- */

static void send(int format, const void *payload, size_t len)
{
	rig_request(&rig, POST, "dp", "", format, payload, len);
}

static void test_send(void **state)
{
	static const char json[] = "[{\"bn\":\"/3/0/\",\"n\":\"9\",\"v\":7}]";
	static const char boot[] = "[{\"n\":\"/33605/0/0\",\"v\":3}]";
	static const char past[] = "[{\"n\":\"/33605/0/0\",\"v\":3,\"t\":-600}]";
	static const char past_bt[] = "[{\"bt\":1700000000,\"n\":\"/33605/0/0\",\"v\":3}]";
	static const uint8_t cbor[] = {0x81, 0xa3, 0x21, 0x66, '/',  '3',  '/', '0',
				       '/',  '9',  0x00, 0x60, 0x02, 0x18, 0x2a};

	(void)state;
	strcpy(rig.options, "lwm2m-uptime=/33605/0/0");
	rig.u.target = NULL;
	send(110, json, sizeof(json) - 1);
	assert_int_equal(number(), 404);
	post("rd", "lwm2m=1.1&lt=60", "");
	rig.booted_ms = rig.u.now_ms - 5000000;
	rig_run(&rig, 10);
	struct boot_id before = rig.u.device.report.boot;
	send(110, json, sizeof(json) - 1);
	assert_int_equal(number(), 204);
	assert_int_equal(rig_talk(&rig)->told.battery_percent, 7);
	send(112, cbor, sizeof(cbor));
	assert_int_equal(number(), 204);
	assert_int_equal(rig_talk(&rig)->told.battery_percent, 42);
	send(112, json, sizeof(json) - 1);
	assert_int_equal(number(), 400);
	assert_true(rig.reply.payload_len > 0);
	send(11542, json, sizeof(json) - 1);
	assert_int_equal(number(), 415);
	assert_true(boot_id_equal(&before, &rig.u.device.report.boot));
	/* nor by what it was a while ago */
	send(110, past, sizeof(past) - 1);
	assert_int_equal(number(), 204);
	send(110, past_bt, sizeof(past_bt) - 1);
	assert_int_equal(number(), 204);
	assert_true(boot_id_equal(&before, &rig.u.device.report.boot));
	/* an uptime that is older than what was read: it is read again, and tells of none */
	send(110, boot, sizeof(boot) - 1);
	assert_int_equal(number(), 204);
	assert_true(rig.has_ask);
	rig_run(&rig, 20);
	assert_true(boot_id_equal(&before, &rig.u.device.report.boot));
	assert_int_equal(rig_talk(&rig)->told.uptime_s, (rig.u.now_ms - rig.booted_ms) / 1000 - 17);
	rig_repeat(&rig, POST, "dp", "", 110, boot, sizeof(boot) - 1);
	assert_int_equal(number(), 204);
	assert_false(rig.has_ask);
	assert_true(boot_id_equal(&before, &rig.u.device.report.boot));
	/* one that comes while it is being read */
	rig_ring(&rig);
	rig_run(&rig, 2);
	send(110, boot, sizeof(boot) - 1);
	rig_run(&rig, 20);
	assert_true(boot_id_equal(&before, &rig.u.device.report.boot));
	/* one that has begun anew tells of a boot, without a registration */
	rig.booted_ms = rig.u.now_ms - 3000;
	send(110, boot, sizeof(boot) - 1);
	assert_int_equal(number(), 204);
	rig_run(&rig, 20);
	assert_false(boot_id_equal(&before, &rig.u.device.report.boot));
	assert_false(rig.u.device.report.boot.inferred);
}

/* ---- silence ---- */

static void test_offline_after_the_lifetime(void **state)
{
	static const int64_t lifetimes[] = {1, 20, 60, 300, 86400};

	(void)state;
	for (size_t i = 0; i < sizeof(lifetimes) / sizeof(lifetimes[0]); i++) {
		struct rig_script s = {.lifetime_s = lifetimes[i]};
		rig_init(&rig, &s, "");
		rig.u.target = NULL;
		rig_boot(&rig);
		rig_run(&rig, 9);
		rig.on = false;
		int64_t silent_ms = rig.u.device.offline_at_ms - rig.u.device.seen_ms;
		assert_in_range(silent_ms, lifetimes[i] * 1000 + 30000,
				lifetimes[i] * 1000 + 60000);
		rig_run(&rig, lifetimes[i] + 100);
		assert_int_equal(rig.offline, 1);
		assert_false(rig.u.device.online);
		/* it is back: by a late update, or by a registration; neither is a boot */
		struct boot_id before = rig.u.device.report.boot;
		rig.on = true;
		rig.update_ms = rig.u.now_ms;
		if (i % 2)
			rig_register(&rig);
		rig_run(&rig, 9);
		assert_int_equal(rig.reply.code, i % 2 ? 0x41 : 0x44);
		assert_true(rig.u.device.online);
		assert_true(boot_id_equal(&before, &rig.u.device.report.boot));
	}
}

/* On plain coap, where a request does not say of whom it is and we know of nobody there. */
static void test_nobody_we_know_has_to_register(void **state)
{
	const struct bytes path[] = {{(const uint8_t *)"rd", 2}, {(const uint8_t *)"1a2b", 4}};
	const struct bytes dp = {(const uint8_t *)"dp", 2};

	(void)state;
	assert_int_equal(talk_lwm2m.nobody(2, path, 2), 0x84); /* update, de-register */
	assert_int_equal(talk_lwm2m.nobody(4, path, 2), 0x84);
	assert_int_equal(talk_lwm2m.nobody(2, &dp, 1), 0x84);
	assert_int_equal(talk_lwm2m.nobody(2, path, 1), 0); /* a registration has to name itself */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_register, setup),
		cmocka_unit_test_setup(test_what_need_not_be_there, setup),
		cmocka_unit_test_setup(test_malformed, setup),
		cmocka_unit_test_setup(test_many_links, setup),
		cmocka_unit_test_setup(test_update, setup),
		cmocka_unit_test_setup(test_delete, setup),
		cmocka_unit_test_setup(test_other_methods_and_places, setup),
		cmocka_unit_test_setup(test_register_again_is_no_boot, setup),
		cmocka_unit_test_setup(test_duplicate, setup),
		cmocka_unit_test_setup(test_duplicate_of_update_and_delete, setup),
		cmocka_unit_test_setup(test_queue_mode_stays, setup),
		cmocka_unit_test_setup(test_send, setup),
		cmocka_unit_test_setup(test_offline_after_the_lifetime, setup),
		cmocka_unit_test_setup(test_nobody_we_know_has_to_register, setup),
	};

	return cmocka_run_group_tests_name("lwm2m_register", tests, NULL, NULL);
}
