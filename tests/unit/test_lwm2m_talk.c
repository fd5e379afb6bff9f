/* SPDX-License-Identifier: Apache-2.0
 *
 * A product's options, what is saved, what people are told, what is asked.
 */
#include "lwm2m_rig.h"

#include <stdio.h>
#include <string.h>

static struct rig rig;

static struct bytes text(const char *s)
{
	return (struct bytes){(const uint8_t *)s, strlen(s)};
}

/* ---- options ---- */

static void sound(const char *options)
{
	char fault[TALK_FAULT] = "";

	if (talk_lwm2m.options_check(text(options), fault))
		fail_msg("%s: %s", options, fault);
}

static void wrong(const char *options, const char *words)
{
	char fault[TALK_FAULT] = "";

	assert_int_equal(talk_lwm2m.options_check(text(options), fault), ERR_INVAL);
	assert_string_equal(fault, words);
}

static void test_options(void **state)
{
	static const char *const hosts[] = {"a",
					    "ota.example.com",
					    "ota.example.com:5684",
					    "192.0.2.1:1",
					    "[2001:db8::1]",
					    "[::1]:65535",
					    ""};
	static const char *const bad_hosts[] = {"a b",	 "a/b",	    "a:",	 "a:0",	 "a:65536",
						":1",	 "::1",	    "[::1",	 "::1]", "[::1]x",
						"a:1:2", "[::1]:a", "[[::1]]:1", "a@b",	 "[]"};
	char row[128];

	(void)state;
	sound("");
	sound("\n\n");
	sound("lwm2m-transfer=auto\nlwm2m-transfer=pull\nlwm2m-transfer=push\n");
	sound("lwm2m-block=64\nlwm2m-block=1024");
	sound("lwm2m-listen=1\nlwm2m-listen=3600\nlwm2m-poll=1\nlwm2m-poll=86400");
	sound("lwm2m-uptime=/3/0/9\nlwm2m-boot-count=/65535/1/2/3\nlwm2m-digest=\n");
	sound("lwm2m-digest-kind=file\nlwm2m-digest-kind=vendor-7");
	wrong("lwm2m-transfer=both", "lwm2m-transfer: auto, pull or push");
	wrong("lwm2m-block=32", "lwm2m-block: 64, 128, 256, 512 or 1024");
	wrong("lwm2m-block=100", "lwm2m-block: 64, 128, 256, 512 or 1024");
	wrong("lwm2m-block=2048", "lwm2m-block: 64, 128, 256, 512 or 1024");
	wrong("lwm2m-listen=0", "lwm2m-listen: seconds from 1 to 3600");
	wrong("lwm2m-listen=3601", "lwm2m-listen: seconds from 1 to 3600");
	wrong("lwm2m-poll=0", "lwm2m-poll: seconds from 1 to 86400");
	wrong("lwm2m-poll=1234567890", "lwm2m-poll: seconds from 1 to 86400");
	wrong("lwm2m-poll=", "lwm2m-poll: seconds from 1 to 86400");
	wrong("lwm2m-uptime=3/0/9", "lwm2m-uptime: a resource, as in /3/0/18");
	wrong("lwm2m-hardware=/3/0", "lwm2m-hardware: a resource, as in /3/0/18");
	wrong("lwm2m-confirmed=/3/0/65536", "lwm2m-confirmed: a resource, as in /3/0/18");
	wrong("lwm2m-digest-kind=sha1",
	      "lwm2m-digest-kind: file, mcuboot, esp-appended or vendor-N");
	wrong("lwm2m-digest-kind=a-kind-with-a-long-name",
	      "lwm2m-digest-kind: file, mcuboot, esp-appended or vendor-N");
	wrong("lwm2m-colour=red", "lwm2m-colour: no such option");
	wrong("nothing", "options: NAME=VALUE is wanted");
	wrong("lwm2m-uri-host=0123456789012345678901234567890123456789012345678901234567890123",
	      "lwm2m-uri-host: longer than 63 bytes");
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		snprintf(row, sizeof(row), "lwm2m-uri-host=%s", hosts[i]);
		sound(row);
	}
	for (size_t i = 0; i < sizeof(bad_hosts) / sizeof(bad_hosts[0]); i++) {
		snprintf(row, sizeof(row), "lwm2m-uri-host=%s", bad_hosts[i]);
		wrong(row, "lwm2m-uri-host: HOST or HOST:PORT; an IPv6 address in brackets");
	}
	/* each of the table can be given */
	for (size_t i = 0; i < talk_lwm2m.option_count; i++) {
		char fault[TALK_FAULT] = "";
		snprintf(row, sizeof(row), "%s=\n", talk_lwm2m.options[i].name);
		(void)talk_lwm2m.options_check(text(row), fault);
		assert_null(strstr(fault, "no such option"));
		assert_non_null(talk_lwm2m.options[i].help);
	}
}

/* ---- what is asked ---- */

static void uri_is(const char *options, const char *uri)
{
	rig_init(&rig, &(const struct rig_script){.stalls = true}, options);
	rig_boot(&rig);
	rig_run(&rig, 30);
	assert_string_equal(rig.uri, uri);
}

static void test_uri(void **state)
{
	(void)state;
	uri_is("", "coaps://192.0.2.1:5684/fw/f1f1f1f1f1f1f1f1");
	uri_is("lwm2m-uri-host=ota.example.com",
	       "coaps://ota.example.com:5684/fw/f1f1f1f1f1f1f1f1");
	uri_is("lwm2m-uri-host=ota.example.com:9", "coaps://ota.example.com:9/fw/f1f1f1f1f1f1f1f1");
	uri_is("lwm2m-uri-host=[2001:db8::1]", "coaps://[2001:db8::1]:5684/fw/f1f1f1f1f1f1f1f1");
	uri_is("lwm2m-uri-host=[::1]:7", "coaps://[::1]:7/fw/f1f1f1f1f1f1f1f1");
}

static void test_plain_uri(void **state)
{
	(void)state;
	rig_init(&rig, &(const struct rig_script){.stalls = true}, "");
	rig.plain = true;
	strcpy(rig.u.device.id, "lamp&1");
	rig.s.no_ep = true;
	rig_boot(&rig);
	rig_run(&rig, 30);
	assert_string_equal(rig.uri, "coap://192.0.2.1:5684/fw/f1f1f1f1f1f1f1f1?ep=lamp%261");
}

static unsigned szx(const char *options, int64_t block_bytes)
{
	rig_init(&rig, &(const struct rig_script){.delivery = DELIVERS_PUSH}, options);
	rig.product.policy.block_bytes = block_bytes;
	rig_boot(&rig);
	for (int i = 0; i < 30 && !(rig.has_ask && rig.ask.image); i++)
		rig_run(&rig, 1);
	assert_true(rig.ask.image);
	assert_int_equal(rig.ask.content_format, LWM2M_OPAQUE);
	return rig.ask.block_szx;
}

static void test_block_size_of_a_push(void **state)
{
	(void)state;
	assert_int_equal(szx("", 1024), 6);
	assert_int_equal(szx("lwm2m-block=64", 1024), 2);
	assert_int_equal(szx("lwm2m-block=512", 1024), 5);
	assert_int_equal(szx("lwm2m-block=512", 256), 4);
	assert_int_equal(szx("", 16), 0);
}

/* ---- what is saved ---- */

static size_t save(const void *talk, uint8_t dst[TALK_SAVED])
{
	struct buf b = buf_writer(dst, TALK_SAVED);

	assert_int_equal(talk_lwm2m.save(talk, &b), 0);
	return b.pos;
}

static void test_save_and_load(void **state)
{
	static const char options[] = "lwm2m-uptime=/33605/0/0\nlwm2m-digest=/33605/0/2";
	uint8_t a[TALK_SAVED], b[TALK_SAVED];
	_Alignas(16) uint8_t other[sizeof(struct lwm2m_talk)];

	(void)state;
	for (int second = 0; second < 60; second++) {
		rig_init(&rig, &(const struct rig_script){.format = LWM2M_TLV}, options);
		rig_boot(&rig);
		rig_run(&rig, second);
		size_t len = save(rig.talk, a);
		assert_in_range(len, 100, 1024);
		assert_int_equal(talk_lwm2m.load(other, (struct bytes){a, len}), 0);
		struct lwm2m_talk *t = (void *)other;
		t->fw.writes = rig_talk(&rig)->fw.writes;
		t->fw.executes = rig_talk(&rig)->fw.executes;
		t->ask.ask = rig_talk(&rig)->ask.ask;
		assert_int_equal(save(other, b), len);
		assert_memory_equal(a, b, len);
		/* cut off, or too long, it is no talk */
		for (size_t cut = 0; cut < len; cut++)
			assert_int_not_equal(talk_lwm2m.load(other, (struct bytes){a, cut}), 0);
		assert_int_equal(talk_lwm2m.load(other, (struct bytes){a, len + 1}), ERR_CORRUPT);
		a[0]++;
		assert_int_equal(talk_lwm2m.load(other, (struct bytes){a, len}), ERR_VERSION);
	}
}

/* Whatever is in it: refused, or as good as any. */
static void test_load_of_anything(void **state)
{
	uint8_t good[TALK_SAVED], bytes[TALK_SAVED], again[TALK_SAVED];
	_Alignas(16) uint8_t talk[sizeof(struct lwm2m_talk)];

	(void)state;
	rig_init(&rig, &(const struct rig_script){.format = LWM2M_TLV}, "");
	rig_boot(&rig);
	rig_run(&rig, 20);
	size_t len = save(rig.talk, good);
	for (unsigned i = 0; i < 20000; i++) {
		memcpy(bytes, good, len);
		for (unsigned k = 0; k <= i % 4; k++)
			bytes[rig_random(&rig) % len] = (uint8_t)rig_random(&rig);
		if (talk_lwm2m.load(talk, (struct bytes){bytes, len}))
			continue;
		(void)save(talk, again);
		(void)talk_lwm2m.timer_ms(talk);
		memcpy(rig.talk, talk, sizeof(talk));
		(void)rig_fact(&rig, "state");
	}
}

/* The longest of everything fits, with room to spare. */
static void test_longest_talk(void **state)
{
	uint8_t bytes[TALK_SAVED];
	struct lwm2m_talk *t = rig_talk(&rig);

	(void)state;
	rig_init(&rig, &(const struct rig_script){.format = LWM2M_TLV}, "");
	memset(t->reg.binding, 'U', sizeof(t->reg.binding) - 1);
	memset(t->reg.root, 'r', sizeof(t->reg.root) - 1);
	memset(t->reg.location, 'l', sizeof(t->reg.location) - 1);
	memset(t->told.version, 'v', sizeof(t->told.version) - 1);
	memset(t->told.hardware, 'h', sizeof(t->told.hardware) - 1);
	memset(t->told.package, 'p', sizeof(t->told.package) - 1);
	memset(t->boots.version, 'v', sizeof(t->boots.version) - 1);
	memset(t->fw.last.detail, 'd', sizeof(t->fw.last.detail) - 1);
	t->told.running.len = LIMIT_DIGEST;
	assert_in_range(save(t, bytes), 500, TALK_SAVED / 2);
}

/* What an update of the registration changes is not worth a commit. */
static void test_times_are_not_worth_a_commit(void **state)
{
	(void)state;
	rig_init(&rig, &(const struct rig_script){.lifetime_s = 60}, "");
	rig.u.target = NULL;
	rig_boot(&rig);
	rig_run(&rig, 20);
	rig.commits = 0;
	rig_run(&rig, 3000);
	assert_int_equal(rig.commits, 0);
	assert_true(rig.updates > 90);
}

/* ---- for people ---- */

static void test_facts(void **state)
{
	(void)state;
	rig_init(&rig, &(const struct rig_script){.queue = true, .lifetime_s = 600}, "");
	assert_string_equal(rig_fact(&rig, "registration"), "none yet");
	assert_null(rig_fact(&rig, "state"));
	rig.u.target = NULL;
	rig_boot(&rig);
	rig_run(&rig, 30);
	assert_string_equal(rig_fact(&rig, "lwm2m version"), "1.1");
	assert_string_equal(rig_fact(&rig, "lifetime"), "600 s");
	assert_string_equal(rig_fact(&rig, "queue mode"), "yes, listens for 70 s more");
	assert_string_equal(rig_fact(&rig, "format"), "TLV");
	assert_string_equal(rig_fact(&rig, "state"), "0 (idle)");
	assert_string_equal(rig_fact(&rig, "result"), "0: initial value");
	assert_string_equal(rig_fact(&rig, "delivery"), "pull and push");
	assert_string_equal(rig_fact(&rig, "update"), "nothing to do");
	assert_string_equal(rig_fact(&rig, "proof of a boot"), "a new registration (weak)");
	assert_string_equal(rig_fact(&rig, "proof of the image"), "version");
	assert_true(rig_says(&rig, "postbootctl product set PRODUCT --protocol-option "
				   "lwm2m-boot-count=/O/I/R"));
	assert_true(rig_says(&rig, "postbootctl product set PRODUCT --protocol-option "
				   "lwm2m-digest=/O/I/R"));
	rig_run(&rig, 100);
	assert_string_equal(rig_fact(&rig, "queue mode"), "yes, asleep until it speaks");
}

/* Why the device is not there, until it is. */
static void test_facts_of_a_refusal(void **state)
{
	(void)state;
	rig_init(&rig, &(const struct rig_script){.lifetime_s = 600}, "");
	rig_request(&rig, 2, "rd", "lwm2m=1.1&ep=other&lt=60", -1, NULL, 0);
	assert_string_equal(rig_fact(&rig, "refused"),
			    "4.03 ep: is not the identity of this session, 0 s ago");
	assert_string_equal(rig_fact(&rig, "registration"), "none yet");
	assert_true(rig_says(&rig, "Its newest registration was refused: 4.03 ep: is not"));
	assert_true(rig_says(&rig, "of this session; set the endpoint name to \"ID\"."));
	unsigned commits = rig.commits;
	rig_request(&rig, 2, "rd", "lwm2m=1.1&ep=other&lt=60", -1, NULL, 0);
	assert_int_equal(rig.commits, commits); /* it may say so for ever */
	rig_restart(&rig);
	assert_non_null(rig_fact(&rig, "refused"));
	rig_boot(&rig);
	rig_run(&rig, 30);
	assert_null(rig_fact(&rig, "refused"));
}

static void test_facts_of_proof(void **state)
{
	(void)state;
	rig_init(&rig, &(const struct rig_script){.format = LWM2M_TLV},
		 "lwm2m-uptime=/33605/0/0\nlwm2m-digest=/33605/0/2");
	rig.u.target = NULL;
	rig_boot(&rig);
	rig_run(&rig, 30);
	assert_string_equal(rig_fact(&rig, "proof of a boot"), "uptime (standard)");
	assert_string_equal(rig_fact(&rig, "proof of the image"), "version, digest (mcuboot)");
	assert_null(rig_fact(&rig, "queue"));
	/* named, and not there */
	rig_init(&rig, &(const struct rig_script){.bare = true},
		 "lwm2m-uptime=/33605/0/0\nlwm2m-digest=/33605/0/2\nlwm2m-boot-count=/33605/0/1");
	rig.u.target = NULL;
	rig_boot(&rig);
	rig_run(&rig, 30);
	assert_string_equal(rig_fact(&rig, "proof of a boot"), "a new registration (weak)");
	assert_int_equal(rig_sentences(&rig), 4);
	assert_true(rig_says(&rig, "so a success is weak."));
	assert_false(rig_says(&rig, "product set"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_uri),
		cmocka_unit_test(test_plain_uri),
		cmocka_unit_test(test_block_size_of_a_push),
		cmocka_unit_test(test_save_and_load),
		cmocka_unit_test(test_load_of_anything),
		cmocka_unit_test(test_longest_talk),
		cmocka_unit_test(test_times_are_not_worth_a_commit),
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_facts_of_a_refusal),
		cmocka_unit_test(test_facts_of_proof),
	};

	return cmocka_run_group_tests_name("lwm2m_talk", tests, NULL, NULL);
}
