/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "daemon/conf.h"

static struct conf_errors errors;

static int parse(const char *text, struct conf *ret)
{
	struct conf_text t = {.name = "f", .ptr = text, .len = strlen(text)};

	return conf_parse(&t, 1, ret, &errors);
}

static void expect_error(const char *text, const char *wanted)
{
	struct conf c;

	memset(&c, 0x5a, sizeof(c));
	if (parse(text, &c) != ERR_SYNTAX || errors.count != 1 ||
	    strcmp(errors.text[0], wanted) != 0) {
		print_message("# text: %s\n# wanted: %s\n# got %u: %s\n", text, wanted,
			      errors.count, errors.count ? errors.text[0] : "");
		fail();
	}
	assert_int_equal(c.state_dir[0], 0x5a); /* untouched */
}

static void test_empty_gives_defaults(void **state)
{
	struct conf c;

	(void)state;
	assert_int_equal(parse("", &c), 0);
	assert_string_equal(c.event_prefix, "");
	assert_string_equal(c.viewer_group, "");
	assert_int_equal(c.listen_count, 2);
	assert_string_equal(c.listen[0].uri, "coaps://0.0.0.0:5684");
	assert_string_equal(c.listen[1].uri, "coaps://[::]:5684");
	assert_true(c.listen_is_default);
	assert_false(c.plain_devices);
	assert_false(c.plain_anywhere);
	assert_true(c.device_json);
	assert_int_equal(c.image_limit_bytes, LIMIT_IMAGE_DEFAULT);
	assert_int_equal(c.log_level, LOG_LEVEL_INFO);
	assert_int_equal(c.hibernate_after_ms, 10000);
	assert_int_equal(c.session_idle_ms, 86400000);
	assert_true(c.connection_id);
	assert_int_equal(c.handshakes_per_s, 2000);
	assert_int_equal(c.requests_per_s, 20000);
	assert_int_equal(c.device_requests_per_s, 50);
	assert_int_equal(c.address_requests_per_s, 50);
	assert_int_equal(c.max_sessions, LIMIT_PEERS);
}

static void test_every_key_is_taken(void **state)
{
	struct conf c;

	(void)state;
	assert_int_equal(parse("# comment\n"
			       "; another\n"
			       "\n"
			       "[postbootd]\r\n"
			       "  state-dir=/var/x y/\n"
			       "admin-socket\t=\t/run/a.sock  \n"
			       "listen = coaps://[2001:db8::1]\n"
			       "listen = coap://127.0.0.1:0\n"
			       "listen = coap://[::1]:6000\n"
			       "plain-devices = yes\n"
			       "plain-anywhere = no\n"
			       "device-json = no\n"
			       "event-prefix = spark/\n"
			       "image-limit = 3K\n"
			       "log-level = debug\n"
			       "hibernate-after = 2m\n"
			       "session-idle = 90s\n"
			       "connection-id = no\n"
			       "handshakes-per-second = 1\n"
			       "requests-per-second = 2\n"
			       "device-requests-per-second = 3\n"
			       "address-requests-per-second = 4\n"
			       "viewer-group = web-ui_1.x\n"
			       "max-sessions = 7",
			       &c),
			 0);
	assert_string_equal(c.state_dir, "/var/x y");
	assert_string_equal(c.admin_socket, "/run/a.sock");
	assert_int_equal(c.listen_count, 3);
	assert_false(c.listen_is_default);
	assert_string_equal(c.listen[0].uri, "coaps://[2001:db8::1]:5684");
	assert_true(c.listen[0].secure);
	assert_string_equal(c.listen[1].uri, "coap://127.0.0.1:0");
	assert_false(c.listen[1].secure);
	assert_int_equal(c.listen[1].addr.any.sa_family, AF_INET);
	assert_string_equal(c.listen[2].uri, "coap://[::1]:6000");
	assert_int_equal(ntohs(c.listen[2].addr.v6.sin6_port), 6000);
	assert_true(c.plain_devices);
	assert_false(c.device_json);
	assert_string_equal(c.event_prefix, "spark/");
	assert_string_equal(c.viewer_group, "web-ui_1.x");
	assert_int_equal(c.image_limit_bytes, 3072);
	assert_int_equal(c.log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(c.hibernate_after_ms, 120000);
	assert_int_equal(c.session_idle_ms, 90000);
	assert_false(c.connection_id);
	assert_int_equal(c.handshakes_per_s, 1);
	assert_int_equal(c.requests_per_s, 2);
	assert_int_equal(c.device_requests_per_s, 3);
	assert_int_equal(c.address_requests_per_s, 4);
	assert_int_equal(c.max_sessions, 7);
}

static void test_mistakes_in_form_have_their_place(void **state)
{
	(void)state;
	expect_error("\n  colour = red\n",
		     "f:2:3: colour: there is no such key (postbootd -T lists them)");
	expect_error("log-levl = info",
		     "f:1:1: log-levl: there is no such key: did you mean log-level? (postbootd -T "
		     "lists them)");
	expect_error(
		"log_level = info",
		"f:1:1: log_level: there is no such key: did you mean log-level? (postbootd -T "
		"lists them)");
	expect_error("Device_Requests_Per_Second = 1",
		     "f:1:1: Device_Requests_Per_Second: there is no such key: did you mean "
		     "device-requests-per-second? (postbootd -T lists them)");
	expect_error("log level = info", "f:1:5: a line is `key = value`: here '=' is missing");
	expect_error("log-level info", "f:1:11: a line is `key = value`: here '=' is missing");
	expect_error("log-level", "f:1:10: a line is `key = value`: here '=' is missing");
	expect_error("= info",
		     "f:1:1: a line is `key = value`, and keys are small letters and '-'");
	expect_error("\xef\xbb\xbflog-level = info",
		     "f:1:1: a line is `key = value`, and keys are small letters and '-'");
	expect_error("[other]",
		     "f:1:1: the only section is [postbootd], and nothing may follow it");
	expect_error("[postbootd] x",
		     "f:1:1: the only section is [postbootd], and nothing may follow it");
	expect_error("a\x01", "f:1:2: a control character (0x01)");
	expect_error("log-level = info\nlog-level = info\n",
		     "f:2:1: log-level: is set in line 1 already");
	expect_error("state-dir = /a\\\n", "f:1:15: state-dir: a value ends with its line; there "
					   "are no continuation lines");
	expect_error("log-level = info # loud",
		     "f:1:13: log-level: must be err, warn, info or debug (a comment needs a line "
		     "of its own)");
}

static void test_mistakes_in_values_have_their_place(void **state)
{
	(void)state;
	expect_error("log-level =", "f:1:12: log-level: needs a value");
	expect_error("log-level = loud", "f:1:13: log-level: must be err, warn, info or debug");
	expect_error("device-json = true", "f:1:15: device-json: must be yes or no");
	expect_error("state-dir = var", "f:1:13: state-dir: must be an absolute path (it begins "
					"with /)");
	expect_error("state-dir = /x //", "f:1:15: state-dir: the name of a folder or file may not "
					  "end in a space or backslash");
	expect_error("viewer-group = a b", "f:1:17: viewer-group: a group is a number, or letters, "
					   "digits, '.', '_' and '-'");
	expect_error("viewer-group = -x", "f:1:16: viewer-group: a group is a number, or letters, "
					  "digits, '.', '_' and '-'");
	expect_error("event-prefix = spark/*", "f:1:22: event-prefix: only letters, digits, '.', "
					       "'_', '-' and '/'");
	expect_error("image-limit = much", "f:1:15: image-limit: needs a number");
	expect_error("image-limit = 64MB",
		     "f:1:17: image-limit: the number needs no unit or one unit of K M G");
	expect_error("image-limit = 64m",
		     "f:1:17: image-limit: the number needs no unit or one unit of K M G");
	expect_error("session-idle = 90",
		     "f:1:18: session-idle: the number needs one unit of s m h d");
	expect_error("session-idle = -1s", "f:1:16: session-idle: needs a number");
	expect_error("max-sessions = 1K", "f:1:17: max-sessions: must be digits only");
}

static void test_limits(void **state)
{
	struct conf c;

	(void)state;
	assert_int_equal(parse("image-limit = 1G", &c), 0);
	assert_int_equal(parse("image-limit = 1024", &c), 0);
	expect_error("image-limit = 1073741825", "f:1:15: image-limit: must be at most 1G");
	expect_error("image-limit = 99999999999999999999999999999999G",
		     "f:1:15: image-limit: must be at most 1G");
	expect_error("image-limit = 1023", "f:1:15: image-limit: must be at least 1K");
	expect_error("hibernate-after = 0s", "f:1:19: hibernate-after: must be at least 1s");
	expect_error("hibernate-after = 366d", "f:1:19: hibernate-after: must be at most 365d");
	expect_error("session-idle = 0s", "f:1:16: session-idle: must be at least 1s");
	assert_int_equal(parse("session-idle = 365d", &c), 0);
	expect_error("session-idle = 366d", "f:1:16: session-idle: must be at most 365d");
	assert_int_equal(parse("max-sessions = 131072", &c), 0);
	expect_error("max-sessions = 131073", "f:1:16: max-sessions: must be at most 131072");
	expect_error("max-sessions = 0", "f:1:16: max-sessions: must be at least 1");
	assert_int_equal(parse("image-rate = any\ndevice-rate = 2K", &c), 0);
	assert_int_equal(c.image_rate, 0);
	assert_int_equal(c.device_rate, 2048);
	assert_int_equal(parse("image-rate = 1G\ndevice-rate = 5000", &c), 0);
	assert_int_equal(c.image_rate, 1 << 30);
	assert_int_equal(c.device_rate, 5000);
	assert_int_equal(parse("max-downloads = any", &c), 0);
	assert_int_equal(c.max_downloads, 0);
	assert_int_equal(parse("max-downloads = 1000000", &c), 0);
	assert_int_equal(c.max_downloads, 1000000);
	expect_error("max-downloads = 1000001", "f:1:17: max-downloads: must be at most 1000000");
	expect_error("max-downloads = 0", "f:1:17: max-downloads: must be at least 1");
	expect_error("device-rate = 2047", "f:1:15: device-rate: must be at least 2K");
	expect_error("image-rate = 1025M", "f:1:14: image-rate: must be at most 1G");
	expect_error("image-rate = none", "f:1:14: image-rate: needs a number");
	expect_error("image-rate = 5x",
		     "f:1:15: image-rate: the number needs no unit or one unit of K M G");
	expect_error("handshakes-per-second = 1000001",
		     "f:1:25: handshakes-per-second: must be at most 1000000");
	expect_error("requests-per-second = 1000001",
		     "f:1:23: requests-per-second: must be at most 1000000");
	expect_error("device-requests-per-second = 0",
		     "f:1:30: device-requests-per-second: must be at least 1");
	expect_error("address-requests-per-second = 1000001",
		     "f:1:31: address-requests-per-second: must be at most 1000000");
}

/* `key = ` and a value of `fill`, `len` bytes in all with `head` before. */
static const char *long_line(const char *head, char fill, size_t len)
{
	static char text[4096];
	size_t n = strlen(head);

	memcpy(text, head, n);
	memset(text + n, fill, len);
	text[n + len] = '\0';
	return text;
}

static void test_lengths(void **state)
{
	struct conf c;

	(void)state;
	assert_int_equal(parse(long_line("admin-socket = /", 'a', CONF_SOCKET_MAX - 1), &c), 0);
	expect_error(long_line("admin-socket = /", 'a', CONF_SOCKET_MAX),
		     "f:1:16: admin-socket: must be at most 107 bytes long");
	assert_int_equal(parse(long_line("state-dir = /", 'a', CONF_PATH_MAX - 1), &c), 0);
	expect_error(long_line("state-dir = /", 'a', CONF_PATH_MAX),
		     "f:1:13: state-dir: must be at most 512 bytes long");
	assert_int_equal(parse(long_line("viewer-group = ", 'a', CONF_GROUP_MAX), &c), 0);
	expect_error(long_line("viewer-group = ", 'a', CONF_GROUP_MAX + 1),
		     "f:1:16: viewer-group: must be at most 32 bytes long");
	assert_int_equal(parse(long_line("event-prefix = ", 'a', CONF_PREFIX_MAX), &c), 0);
	expect_error(long_line("event-prefix = ", 'a', CONF_PREFIX_MAX + 1),
		     "f:1:16: event-prefix: must be at most 32 bytes long");
	expect_error(long_line("event-prefix = ", 'a', CONF_VALUE_MAX + 1),
		     "f:1:16: event-prefix: a value has at most 1023 bytes");
}

static void test_metrics_listen(void **state)
{
	struct conf c;

	(void)state;
	assert_int_equal(parse("metrics-listen = [::1]:0\n", &c), 0);
	assert_string_equal(c.metrics_listen.uri, "[::1]:0");
	assert_int_equal(parse("metrics-listen =\n", &c), 0);
	assert_string_equal(c.metrics_listen.uri, "");
	assert_int_equal(parse("metrics-listen = 0.0.0.0:9464\nmetrics-anywhere = yes\n", &c), 0);
	assert_true(c.metrics_anywhere);
	expect_error("metrics-listen = 0.0.0.0:9464",
		     "f:1:18: metrics-listen: nobody is asked for a password there and others can "
		     "reach this address: use a loopback address, or say metrics-anywhere = yes");
	expect_error("metrics-listen = 127.0.0.1", "f:1:27: metrics-listen: needs :PORT");
	expect_error("metrics-listen = http://127.0.0.1:1",
		     "f:1:18: metrics-listen: not an address (IPv6 needs brackets, names are not "
		     "looked up)");
}

static void test_listen_mistakes(void **state)
{
	(void)state;
	expect_error("listen = 0.0.0.0", "f:1:10: listen: must begin with coaps:// or coap://");
	expect_error("listen = coaps://", "f:1:18: listen: not an address (IPv6 needs brackets, "
					  "names are not looked up)");
	expect_error("listen = coaps://localhost",
		     "f:1:18: listen: not an address (IPv6 needs brackets, names are not looked "
		     "up)");
	expect_error("listen = coaps://::1", "f:1:18: listen: not an address (IPv6 needs brackets, "
					     "names are not looked up)");
	expect_error("listen = coaps://[::1", "f:1:18: listen: the bracket is never closed");
	expect_error("listen = coaps://[1.2.3.4]", "f:1:19: listen: not an address of IPv6");
	expect_error("listen = coaps://[::1]5",
		     "f:1:23: listen: only :PORT may follow the address");
	expect_error("listen = coaps://1.2.3.4:",
		     "f:1:26: listen: the port must be a number up to 65535 (0: a free one)");
	expect_error("listen = coaps://1.2.3.4:65536",
		     "f:1:26: listen: the port must be a number up to 65535 (0: a free one)");
	expect_error("listen = coaps://1.2.3.4:5/x",
		     "f:1:26: listen: the port must be a number up to 65535 (0: a free one)");
	expect_error("listen = coaps://1.2.3.4\nlisten = coaps://1.2.3.4:5684",
		     "f:2:10: listen: this address and port are taken by line 1");
	expect_error("listen = coap://127.0.0.1:5\nlisten = coaps://127.0.0.1:5",
		     "f:2:10: listen: this address and port are taken by line 1");
}

#define NOT_PLAIN                                                                                  \
	"coap:// is not encrypted and others can reach this address: use coaps://, a loopback "    \
	"address, or say plain-anywhere = yes"

static void test_plain_only_on_loopback_unless_meant(void **state)
{
	struct conf c;

	(void)state;
	expect_error("plain-devices = yes\nlisten = coap://0.0.0.0", "f:2:10: listen: " NOT_PLAIN);
	expect_error("listen = coap://[::]", "f:1:10: listen: " NOT_PLAIN);
	expect_error("listen = coap://128.0.0.1", "f:1:10: listen: " NOT_PLAIN);
	expect_error("listen = coap://[::ffff:127.0.0.1]", "f:1:10: listen: " NOT_PLAIN);
	assert_int_equal(parse("listen = coap://127.255.255.255", &c), 0);
	assert_string_equal(c.listen[0].uri, "coap://127.255.255.255:5683");
	assert_int_equal(parse("listen = coap://0.0.0.0\nplain-anywhere = yes", &c), 0);
}

static void test_too_many_addresses(void **state)
{
	char text[2048] = "", line[64];
	struct conf c;

	(void)state;
	for (int i = 1; i <= CONF_LISTEN_MAX; i++) {
		(void)snprintf(line, sizeof(line), "listen = coaps://127.0.0.1:%d\n", i);
		(void)strncat(text, line, sizeof(text) - strlen(text) - 1);
	}
	assert_int_equal(parse(text, &c), 0);
	assert_int_equal(c.listen_count, CONF_LISTEN_MAX);
	(void)strncat(text, "listen = coaps://127.0.0.1:99", sizeof(text) - strlen(text) - 1);
	expect_error(text, "f:17:10: listen: at most 16 addresses");
}

static void test_a_nul_does_not_cut_a_value(void **state)
{
	static const char bytes[] = "log-level = info\0x";
	struct conf_text t = {.name = "f", .ptr = bytes, .len = sizeof(bytes) - 1};
	struct conf c;

	(void)state;
	assert_int_equal(conf_parse(&t, 1, &c, &errors), ERR_SYNTAX);
	assert_string_equal(errors.text[0], "f:1:17: a control character (0x00)");
}

static void test_all_mistakes_are_told_up_to_a_limit(void **state)
{
	char text[128] = "";
	struct conf c;

	(void)state;
	for (int i = 0; i <= CONF_ERRORS_MAX; i++)
		(void)strncat(text, "no = 1\n", sizeof(text) - strlen(text) - 1);
	assert_int_equal(parse(text, &c), ERR_SYNTAX);
	assert_int_equal(errors.count, CONF_ERRORS_MAX);
	assert_string_equal(errors.text[1],
			    "f:2:1: no: there is no such key (postbootd -T lists them)");
}

static void test_a_later_text_replaces(void **state)
{
	static const char first[] = "log-level = err\n"
				    "listen = coaps://127.0.0.1:1\nlisten = coaps://127.0.0.1:2\n"
				    "event-prefix = a/";
	static const char second[] = "log-level = debug\nlisten = coaps://127.0.0.1:2\n";
	struct conf_text t[] = {{"a", first, sizeof(first) - 1}, {"b", second, sizeof(second) - 1}};
	struct conf c;

	(void)state;
	assert_int_equal(conf_parse(t, 2, &c, &errors), 0);
	assert_int_equal(c.log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(c.listen_count, 1);
	assert_string_equal(c.listen[0].uri, "coaps://127.0.0.1:2");
	assert_string_equal(c.event_prefix, "a/");
}

/* A rule over several keys names the text the value came from. */
static void test_a_rule_names_the_right_text(void **state)
{
	static const char first[] = "listen = coap://0.0.0.0\n";
	static const char second[] = "log-level = debug\n";
	struct conf_text t[] = {{"a", first, sizeof(first) - 1}, {"b", second, sizeof(second) - 1}};
	struct conf c;

	(void)state;
	assert_int_equal(conf_parse(t, 2, &c, &errors), ERR_SYNTAX);
	assert_string_equal(errors.text[0], "a:1:10: listen: " NOT_PLAIN);
}

static void round_trip(const char *text)
{
	char printed[CONF_PRINT_MAX], again[CONF_PRINT_MAX];
	struct buf out = buf_writer(printed, sizeof(printed));
	struct conf c, d;

	assert_int_equal(parse(text, &c), 0);
	conf_print(&c, &out);
	assert_true(buf_ok(&out));
	assert_int_equal(parse(buf_cstr(&out), &d), 0);
	for (unsigned i = 0; i < conf_key_count(); i++)
		assert_true(conf_key_same(conf_key(i), &c, &d));
	out = buf_writer(again, sizeof(again));
	conf_print(&d, &out);
	assert_string_equal(printed, buf_cstr(&out));
}

static void test_print_reads_back(void **state)
{
	char text[CONF_PRINT_MAX] = "";

	(void)state;
	round_trip("");
	round_trip("viewer-group = 65534");
	round_trip("event-prefix = spark/\nimage-limit = 1000001\nsession-idle = 3601s\n"
		   "log-level = warn\nlisten = coap://[::1]:0\nlisten = coap://127.0.0.1:0\n");
	round_trip("session-idle = 48h\nimage-limit = 2048K");
	/* the longest there is */
	(void)snprintf(text, sizeof(text), "%s\n",
		       long_line("state-dir = /", 'a', CONF_PATH_MAX - 1));
	for (int i = 0; i < CONF_LISTEN_MAX; i++) {
		size_t n = strlen(text);

		(void)snprintf(text + n, sizeof(text) - n,
			       "listen = "
			       "coaps://[1111:2222:3333:4444:5555:6666:7777:8888]:%d\n",
			       65535 - i);
	}
	round_trip(text);
}

static void test_same_sees_each_difference(void **state)
{
	struct conf a, b;
	unsigned different = 0;

	(void)state;
	assert_int_equal(parse("", &a), 0);
	assert_int_equal(parse("log-level = debug\nlisten = coaps://127.0.0.1", &b), 0);
	for (unsigned i = 0; i < conf_key_count(); i++) {
		const struct conf_key *k = conf_key(i);

		if (conf_key_same(k, &a, &b))
			continue;
		different++;
		assert_int_equal(conf_key_reloads(k), strcmp(conf_key_name(k), "log-level") == 0);
	}
	assert_int_equal(different, 2);
}

static void test_copy_takes_each_key_that_reloads_and_no_other(void **state)
{
	struct conf a, b;

	(void)state;
	assert_int_equal(parse("", &a), 0);
	assert_int_equal(
		parse("log-level = debug\nevent-prefix = spark/\ndevice-json = no\n"
		      "image-limit = 1K\nsession-idle = 61s\nhibernate-after = 3s\n"
		      "max-sessions = 5\n"
		      "handshakes-per-second = 7\nconnection-id = no\nplain-devices = yes\n"
		      "keep-events = 30d\nkeep-attempts = forever\nmax-events = any\n"
		      "image-rate = 1M\ndevice-rate = 2K\nmax-downloads = 100\n",
		      &b),
		0);
	for (unsigned i = 0; i < conf_key_count(); i++) {
		const struct conf_key *k = conf_key(i);

		if (!conf_key_reloads(k))
			continue;
		conf_key_copy(k, &a, &b);
		assert_true(conf_key_same(k, &a, &b));
	}
	assert_int_equal(a.session_idle_ms, 61000);
	assert_int_equal(a.hibernate_after_ms, 3000);
	assert_int_equal(a.image_limit_bytes, 1024);
	assert_string_equal(a.event_prefix, "spark/");
	assert_false(a.plain_devices); /* waits for a restart */
	/* and back to an empty text */
	assert_int_equal(parse("", &b), 0);
	for (unsigned i = 0; i < conf_key_count(); i++)
		if (conf_key_reloads(conf_key(i)))
			conf_key_copy(conf_key(i), &a, &b);
	assert_string_equal(a.event_prefix, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_gives_defaults),
		cmocka_unit_test(test_every_key_is_taken),
		cmocka_unit_test(test_mistakes_in_form_have_their_place),
		cmocka_unit_test(test_mistakes_in_values_have_their_place),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_metrics_listen),
		cmocka_unit_test(test_listen_mistakes),
		cmocka_unit_test(test_plain_only_on_loopback_unless_meant),
		cmocka_unit_test(test_too_many_addresses),
		cmocka_unit_test(test_a_nul_does_not_cut_a_value),
		cmocka_unit_test(test_all_mistakes_are_told_up_to_a_limit),
		cmocka_unit_test(test_a_later_text_replaces),
		cmocka_unit_test(test_a_rule_names_the_right_text),
		cmocka_unit_test(test_print_reads_back),
		cmocka_unit_test(test_same_sees_each_difference),
		cmocka_unit_test(test_copy_takes_each_key_that_reloads_and_no_other),
	};

	return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
