/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests of the admin API, good and bad.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/engine_internal.h"
#include "support/admin_fixture.h"

/* ---- requests ---- */

static void test_status_tells_version_and_stream(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f, "GET", "/v1/status", NULL), 200);
	assert_says(f, "\"version\":\"0\",\"stream\":\"");
	assert_says(f, "\"health\":\"ok\",\"problems\":[]");
	assert_int_equal(ask(f, "HEAD", "/v1/status", NULL), 200);
}

static void test_socket_is_0660_and_held_once(void **state)
{
	struct fixture *f = *state;
	struct admin *second = NULL;
	struct stat st;
	struct admin_conf ac = {.loop = &f->loop,
				.engine = f->engine,
				.store = f->store,
				.images = f->images,
				.socket_path = f->socket,
				.socket_fd = -1};

	assert_int_equal(stat(f->socket, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_int_equal(admin_new(&ac, &second), ERR_BUSY);
	ac.socket_path = f->db; /* a file: never removed */
	assert_int_equal(admin_new(&ac, &second), ERR_INVAL);
	assert_int_equal(access(f->db, F_OK), 0);
	ac.socket_path = "";
	assert_int_equal(admin_new(&ac, &second), ERR_INVAL);
	assert_null(second);
}

static void test_stale_socket_is_replaced(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	daemon_down(f);
	assert_int_equal(access(f->socket, F_OK), -1);
	strcpy(addr.sun_path, f->socket);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd); /* as after a crash */
	assert_int_equal(access(f->socket, F_OK), 0);
	daemon_up(f);
	assert_int_equal(ask(f, "GET", "/v1/status", NULL), 200);
}

static void test_paths_and_methods(void **state)
{
	static const struct bad bad[] = {
		{"GET", "/", NULL, 404, "not-found"},
		{"GET", "/v1", NULL, 404, "not-found"},
		{"GET", "/v2/status", NULL, 404, "not-found"},
		{"GET", "/v1/status/", NULL, 404, "not-found"},
		{"GET", "//v1/status", NULL, 404, "not-found"},
		{"GET", "/v1/devices/a/b/c/d/e/f/g", NULL, 404, "so long a path"},
		{"GET", "/v1/devices/%", NULL, 400, "not well-formed"},
		{"GET", "/v1/devices/%4", NULL, 400, "not well-formed"},
		{"GET", "/v1/devices/%zz", NULL, 400, "not well-formed"},
		{"GET", "/v1/devices/a%00b", NULL, 400, "not well-formed"},
		{"GET", "/v1/devices/a%2Fb", NULL, 404, "there is no device \\\"a/b\\\""},
		{"GET", "/v1/products/%ff", NULL, 404, "there is no product \\\"?\\\""},
		{"POST", "/v1/status", NULL, 405, "Allow: GET\r\n"},
		{"PUT", "/v1/products", NULL, 405, "Allow: GET, POST\r\n"},
		{"BREW", "/v1/products/p", NULL, 405, "Allow: GET, PATCH\r\n"},
		{"GET", "/v1/devices?color=red", NULL, 400, "\\\"color\\\" is not known"},
		{"GET", "/v1/devices?limit", NULL, 400, "has no value"},
		{"GET", "/v1/devices?limit=1&limit=2", NULL, 400, "given twice"},
		{"GET", "/v1/devices?limit=x", NULL, 400, "not a whole number"},
		{"GET", "/v1/devices?limit=-1", NULL, 400, "not a whole number"},
		{"GET", "/v1/devices?limit=0", NULL, 400, "0 is not within 1..1000"},
		{"GET", "/v1/devices?limit=1001", NULL, 400, "is not within"},
		{"GET", "/v1/devices?limit=99999999999999999999", NULL, 400, "not a whole"},
		{"GET", "/v1/devices?product=none", NULL, 404, "no product \\\"none\\\""},
		{"GET", "/v1/attempts/x", NULL, 404, "not the id of an attempt"},
		{"GET", "/v1/attempts/5", NULL, 404, "there is no attempt 5"},
		{"POST", "/v1/attempts/5/cancel", NULL, 404, "there is no attempt 5"},
		{"GET", "/v1/attempts?device=none", NULL, 404, "there is no device \\\"none\\\""},
		{"GET", "/v1/events?after=x", NULL, 400, "is not STREAM:NUMBER"},
		{"GET", "/v1/events?after=7", NULL, 410, "\"head\":\""},
		{"GET", "/v1/events?after=abc:0", NULL, 410, "another event stream"},
	};

	assert_bad(*state, bad, sizeof(bad) / sizeof(bad[0]));
}

static void test_bodies(void **state)
{
	static const struct bad bad[] = {
		{"POST", "/v1/products", NULL, 400, "name: missing"},
		{"POST", "/v1/products", "{", 400, "line 1, column 1"},
		{"POST", "/v1/products", "[]", 400, "not a JSON object"},
		{"POST", "/v1/products", "{} {}", 400, "not JSON"},
		{"POST", "/v1/products", "{\"name\":\"a\",\"name\":\"b\"}", 400, "duplicate"},
		{"POST", "/v1/products", "{\"name\":1}", 400, "a whole number where a string"},
		{"POST", "/v1/products", "{\"name\":\"\"}", 400, "is not a name"},
		{"POST", "/v1/products", "{\"name\":\"a b\"}", 400, "is not a name"},
		{"POST", "/v1/products", "{\"name\":\"-a\"}", 400, "is not a name"},
		{"POST", "/v1/products", "{\"name\":\"\\u0000\"}", 400, "not JSON"},
		{"POST", "/v1/products", "{\"name\":\"\xff\"}", 400, "not JSON"},
		{"POST", "/v1/products", "{\"name\":\"a\",\"colour\":1}", 400,
		 "\\\"colour\\\" is not known here; known are: name hardware windows time_zone "
		 "policy"},
		{"POST", "/v1/products", "{\"name\":\"a\",\"\":1}", 400, "\\\"\\\" is not known"},
		{"POST", "/v1/products", "{\"name\":\"a\",\"policy\":1}", 400, "policy: a whole"},
		{"POST", "/v1/products", "{\"name\":\"a\",\"policy\":{\"x\":1}}", 400,
		 "policy.x is not a setting"},
		{"POST", "/v1/products", "{\"name\":\"a\",\"policy\":{\"stall_s\":0}}", 400,
		 "policy.stall_s: 0 is below 1"},
		{"POST", "/v1/products", "{\"name\":\"a\",\"policy\":{\"window\":17}}", 400,
		 "policy.window: 17 is above 16"},
		{"POST", "/v1/products", "{\"name\":\"a\",\"policy\":{\"window\":1.5}}", 400,
		 "a number with a fraction where a whole number is wanted"},
		{"POST", "/v1/products", "{\"name\":\"a\",\"policy\":{\"block_bytes\":100}}", 400,
		 "100 is not a power of two"},
		{"POST", "/v1/products",
		 "{\"name\":\"a\",\"policy\":{\"backoff_s\":100,\"backoff_max_s\":99}}", 400,
		 "backoff_s: 100 is above policy.backoff_max_s, 99"},
		{"POST", "/v1/products", "{\"name\":\"a\",\"hardware\":\"\\n\"}", 400, "hardware"},
		{"PATCH", "/v1/products/none", "{}", 404, "there is no product"},
		{"PATCH", "/v1/products/none", "{\"name\":\"x\"}", 400,
		 "\\\"name\\\" is not known"},
		{"POST", "/v1/devices", "{\"id\":\"d\",\"product\":\"none\",\"plain\":true}", 404,
		 "there is no product"},
		{"GET", "/v1/status", "{\"x\":1}", 400, "this takes no body"},
	};

	assert_bad(*state, bad, sizeof(bad) / sizeof(bad[0]));
}

static void test_long_and_odd_requests(void **state)
{
	struct fixture *f = *state;
	char *big = malloc(200000);

	memset(big, 'a', 200000);
	big[10000] = 0;
	memcpy(big, "/v1/devices/", 12);
	assert_int_equal(ask(f, "GET", big, NULL), 414);
	memset(big, '9', 200000); /* a JSON body at the limit and beyond it */
	big[LIMIT_ADMIN_BODY] = 0;
	assert_int_equal(ask(f, "POST", "/v1/products", big), 400);
	big[LIMIT_ADMIN_BODY] = '9';
	big[LIMIT_ADMIN_BODY + 1] = 0;
	assert_int_equal(ask(f, "POST", "/v1/products", big), 413);
	memset(big, 'a', 199999);
	big[199999] = 0;
	memcpy(big, "GET /v1/status HTTP/1.1\r\nX: ", 28);
	assert_true(ask_raw(f, big, NULL, 0) >= 400); /* libmicrohttpd's own answer */
	assert_true(ask_raw(f, "\x16\x03\x01 / HTTP/9.9\r\n\r\n", NULL, 0) >= 0);
	assert_int_equal(ask(f, "GET", "/v1/status", NULL), 200); /* alive */
	free(big);
}

static void test_content_type_must_fit(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask_raw(f,
				 "POST /v1/products HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
				 "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
				 NULL, 0),
			 415);
	product_p(f);
	assert_int_equal(ask_raw(f,
				 "POST /v1/products/p/releases?version=1 HTTP/1.1\r\nHost: x\r\n"
				 "Connection: close\r\nContent-Type: text/plain\r\n"
				 "Content-Length: 2\r\n\r\n{}",
				 NULL, 0),
			 415);
}

/* Many requests in one go are work for many turns: others come in between. */
static void test_a_busy_client_leaves_turns_to_others(void **state)
{
	enum { REQUESTS = 60 };
	static const char one[] = "GET /v1/products HTTP/1.1\r\nHost: x\r\n\r\n";
	char all[REQUESTS * sizeof(one)] = "";
	struct fixture *f = *state;
	unsigned turns = 0, answers = 0;
	size_t len = 0;
	int fd = client_open(f);

	for (unsigned i = 0; i < REQUESTS; i++)
		strcat(all, one);
	assert_int_equal(send(fd, all, strlen(all), MSG_NOSIGNAL), strlen(all));
	for (; answers < REQUESTS && turns < 10000; turns++) {
		(void)uv_run(&f->loop, UV_RUN_NOWAIT);
		ssize_t n = recv(fd, f->answer + len, ANSWER_CAP - len, 0);
		len += n > 0 ? (size_t)n : 0;
		f->answer[len] = 0;
		answers = 0;
		for (const char *at = f->answer; (at = strstr(at, "HTTP/1.1 200")); at++)
			answers++;
	}
	assert_int_equal(answers, REQUESTS);
	assert_true(turns >= REQUESTS / 4);
	close(fd);
}

static void test_pipelined_requests_are_answered_in_order(void **state)
{
	struct fixture *f = *state;
	static const char two[] =
		"POST /v1/products HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n"
		"Content-Type: application/json\r\n\r\n{\"name\":\"one\"}"
		"GET /v1/products/one HTTP/1.1\r\nHost: x\r\n\r\n"
		"GET /v1/products/two HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

	assert_int_equal(ask_raw(f, two, NULL, 0), 201);
	const char *ok = strstr(f->answer, "HTTP/1.1 200");
	assert_non_null(ok);
	assert_non_null(strstr(ok, "HTTP/1.1 404"));
}

static void test_slow_client_is_served(void **state)
{
	struct fixture *f = *state;
	static const char slow[] = "GET /v1/products HTTP/1.1\r\nHost: x\r\n\r\n";
	int fd = client_open(f);

	for (size_t i = 0; i < sizeof(slow) - 1; i++)
		assert_int_equal(client_send(f, fd, slow + i, 1), 1);
	assert_true(client_read(f, fd, "{\"products\":[]}"));
	close(fd);
}

/* ---- resources ---- */

static void test_product_life(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f, "POST", "/v1/products",
			     "{\"name\":\"a+b%c\",\"hardware\":\"h w\",\"policy\":{\"window\":2}}"),
			 201);
	assert_says(f, "Location: /v1/products/a+b%25c\r\n");
	assert_int_equal(ask(f, "POST", "/v1/products", "{\"name\":\"a+b%c\"}"), 409);
	assert_says(f, "product \\\"a+b%c\\\" exists already");
	assert_int_equal(ask(f, "PATCH", "/v1/products/a+b%25c", "{\"policy\":{\"stall_s\":7}}"),
			 200);
	assert_says(f, "\"hardware\":\"h w\"");
	assert_says(f, "\"stall_s\":7");
	assert_says(f, "\"window\":2");
	assert_says(f, "\"rev\":2");
	assert_int_equal(ask(f, "PUT", "/v1/products/a+b%25c/target", "{\"version\":\"9\"}"), 404);
	assert_int_equal(ask(f, "PUT", "/v1/products/a+b%25c/target", "{}"), 400);
	assert_int_equal(ask(f, "PUT", "/v1/products/a+b%25c/target", "{\"version\":null}"), 200);
}

static void test_lists_go_page_by_page(void **state)
{
	struct fixture *f = *state;
	char json[64];

	for (unsigned i = 0; i < 5; i++) {
		(void)snprintf(json, sizeof(json), "{\"name\":\"p%u\"}", i);
		assert_int_equal(ask(f, "POST", "/v1/products", json), 201);
		(void)snprintf(json, sizeof(json),
			       "{\"id\":\"d%u\",\"product\":\"p0\",\"plain\":true}", i);
		assert_int_equal(ask(f, "POST", "/v1/devices", json), 201);
	}
	assert_int_equal(ask(f, "GET", "/v1/products?limit=2&after=p1", NULL), 200);
	assert_says(f, "\"name\":\"p2\"");
	assert_says(f, "\"next\":\"p3\"");
	assert_int_equal(ask(f, "GET", "/v1/products?after=p3", NULL), 200);
	assert_null(strstr(f->answer, "\"next\""));
	assert_int_equal(ask(f, "GET", "/v1/devices?limit=2&product=p0", NULL), 200);
	assert_says(f, "\"next\":\"d1\"");
	assert_int_equal(ask(f, "GET", "/v1/devices?product=p1", NULL), 200);
	assert_says(f, "{\"devices\":[]}");
}

static void test_device_keys(void **state)
{
	static const struct bad bad[] = {
		{"POST", "/v1/devices", "{\"id\":\"d\",\"product\":\"p\"}", 400, "give one of"},
		{"POST", "/v1/devices",
		 "{\"id\":\"d\",\"product\":\"p\",\"plain\":true,\"psk_generate\":true}", 400,
		 "give one of"},
		{"POST", "/v1/devices", "{\"id\":\"d\",\"product\":\"p\",\"psk\":\"0011\"}", 400,
		 "16 to 64 bytes"},
		{"POST", "/v1/devices", "{\"id\":\"d\",\"product\":\"p\",\"psk\":\"xyz\"}", 400,
		 "psk"},
		{"POST", "/v1/devices", "{\"id\":\"d\",\"product\":\"p\",\"plain\":1}", 400,
		 "true or false"},
	};
	struct fixture *f = *state;
	static const char key[] = "00112233445566778899aabbccddeeff";
	char json[160];

	product_p(f);
	assert_bad(f, bad, sizeof(bad) / sizeof(bad[0]));
	(void)snprintf(json, sizeof(json), "{\"id\":\"d\",\"product\":\"p\",\"psk\":\"%s\"}", key);
	assert_int_equal(ask(f, "POST", "/v1/devices", json), 201);
	assert_null(strstr(f->answer, key));
	json[7] = 'e'; /* the id */
	assert_int_equal(ask(f, "POST", "/v1/devices", json), 409);
	assert_says(f, "another device has this key");
	assert_int_equal(ask(f, "GET", "/v1/devices/d", NULL), 200);
	assert_null(strstr(f->answer, key));
	assert_null(strstr(f->answer, "psk"));
	assert_int_equal(ask(f, "POST", "/v1/devices",
			     "{\"id\":\"g\",\"product\":\"p\",\"psk_generate\":true}"),
			 201);
	const char *shown = strstr(f->answer, "\"psk\":\"");
	assert_non_null(shown);
	assert_int_equal(strspn(shown + 7, "0123456789abcdef"), 64);
	assert_int_equal(ask(f, "GET", "/v1/devices", NULL), 200);
	assert_null(strstr(f->answer, "psk"));
}

/* What is so already is no error, and no event. */
static void test_idle_acts(struct fixture *f)
{
	static const char *const acts[] = {"unhold", "unforce", "unlock"};
	char path[64];

	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		(void)snprintf(path, sizeof(path), "/v1/devices/d/%s", acts[i]);
		assert_int_equal(ask(f, "POST", path, NULL), 200);
		assert_says(f, "\"unchanged\":true");
	}
	assert_int_equal(ask(f, "GET", "/v1/events", NULL), 200);
	assert_null(strstr(f->answer, "\"seq\""));
}

static void test_device_acts(void **state)
{
	struct fixture *f = *state;

	product_p(f);
	assert_int_equal(ask_upload(f, "1.0", "abc", 3), 201);
	assert_int_equal(
		ask(f, "POST", "/v1/devices", "{\"id\":\"d\",\"product\":\"p\",\"plain\":true}"),
		201);
	assert_says(f, "\"warning\":\"this server does not serve plain devices");
	assert_int_equal(
		ask(f, "POST", "/v1/devices", "{\"id\":\"d\",\"product\":\"p\",\"plain\":true}"),
		409);
	assert_says(f, "device \\\"d\\\" exists already");
	test_idle_acts(f);
	assert_int_equal(ask(f, "POST", "/v1/devices/d/hold", NULL), 200);
	assert_says(f, "\"hold\":{\"reason\":\"operator\"");
	assert_null(strstr(f->answer, "unchanged"));
	assert_int_equal(ask(f, "POST", "/v1/devices/d/hold", NULL), 200);
	assert_says(f, "\"unchanged\":true");
	assert_int_equal(ask(f, "POST", "/v1/devices/d/unhold", "{}"), 200);
	assert_int_equal(ask(f, "POST", "/v1/devices/d/force", NULL), 200);
	assert_says(f, "\"force\":true");
	assert_int_equal(ask(f, "POST", "/v1/devices/d/unforce", NULL), 200);
	assert_int_equal(ask(f, "POST", "/v1/devices/d/lock", "{\"version\":\"2\"}"), 404);
	assert_says(f, "product \\\"p\\\" has no release \\\"2\\\"");
	assert_int_equal(ask(f, "POST", "/v1/devices/d/lock", "{\"version\":\"1.0\"}"), 200);
	assert_says(f, "\"lock\":\"1.0\"");
	assert_int_equal(ask(f, "DELETE", "/v1/products/p/releases/1.0", NULL), 409);
	assert_int_equal(ask(f, "POST", "/v1/devices/d/unlock", NULL), 200);
	assert_int_equal(ask(f, "GET", "/v1/devices/d/explain", NULL), 200);
	assert_says(f, "\"summary\":\"d has never sent");
	assert_int_equal(ask(f, "DELETE", "/v1/devices/d", NULL), 204);
	assert_int_equal(ask(f, "DELETE", "/v1/devices/d", NULL), 404);
	assert_int_equal(ask(f, "POST", "/v1/devices/d/hold", NULL), 404);
}

/* Whatever a request waits for when the daemon stops: it gets an answer, not just an end. */
static void test_stop_answers_who_waits(void **state)
{
	struct fixture *f = *state;
	static const char upload[] =
		"POST /v1/products/p/releases?version=1 HTTP/1.1\r\nHost: x\r\n"
		"Content-Type: application/octet-stream\r\nContent-Length: 3\r\n\r\nabc";
	char answer[32] = "";

	product_p(f);
	for (unsigned turns = 1; turns < 8; turns++) {
		int fd = client_open(f);
		assert_int_equal(write(fd, upload, sizeof(upload) - 1), sizeof(upload) - 1);
		for (unsigned i = 0; i < turns; i++)
			(void)uv_run(&f->loop, UV_RUN_NOWAIT);
		daemon_down(f);
		if (read(fd, answer, sizeof(answer) - 1) > 0)
			assert_memory_equal(answer, "HTTP/1.1 ", 9);
		else
			assert_int_equal(turns, 1); /* it was not even heard */
		close(fd);
		daemon_up(f);
	}
}

static void many_done(void *ctx, const struct store_result *result)
{
	assert_int_equal(result->err, 0);
	*(bool *)ctx = true;
}

/* Devices b-0000 up, past the engine, which then reads them all anew; the last one is held. */
static void many_devices(struct fixture *f, unsigned count)
{
	bool done = false;
	struct store_set *set = store_set_new(many_done, &done);
	struct product p;

	assert_int_equal(store_product_by_name(f->store, "p", &p), 0);
	for (unsigned i = 0; i < count; i++) {
		struct device d = {.product = p.id, .created_ms = 1000, .plain = true};
		report_init(&d.report);
		(void)snprintf(d.id, sizeof(d.id), "b-%04u", i);
		d.hold = i + 1 == count ? HOLD_OPERATOR : HOLD_NONE;
		store_set_device(set, &d);
	}
	store_submit(f->store, set);
	while (!done)
		turn(f);
	engine_roster_reset(f->engine);
}

/* A filter that fits few: a page looks at so many rows, and says where to go on. */
static void test_a_filter_looks_at_so_many_rows_for_a_page(void **state)
{
	struct fixture *f = *state;

	product_p(f);
	many_devices(f, LIMIT_PAGE + 1);
	assert_int_equal(ask(f, "GET", "/v1/devices?hold=any", NULL), 200);
	if (strstr(f->answer, "{\"devices\":[],")) { /* not all devices are in memory yet */
		assert_says(f, "{\"devices\":[],\"next\":\"b-0999\"}");
		assert_int_equal(ask(f, "GET", "/v1/devices?hold=any&after=b-0999", NULL), 200);
	}
	assert_says(f, "{\"devices\":[{\"id\":\"b-1000\"");
	assert_null(strstr(f->answer, "\"next\""));
	assert_int_equal(ask(f, "GET", "/v1/devices?limit=1000", NULL), 200);
	assert_says(f, "\"next\":\"b-0199\""); /* LIMIT_DEVICE_ROWS */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_CASE(test_status_tells_version_and_stream),
		FIXTURE_CASE(test_socket_is_0660_and_held_once),
		FIXTURE_CASE(test_stale_socket_is_replaced),
		FIXTURE_CASE(test_paths_and_methods),
		FIXTURE_CASE(test_bodies),
		FIXTURE_CASE(test_long_and_odd_requests),
		FIXTURE_CASE(test_content_type_must_fit),
		FIXTURE_CASE(test_a_busy_client_leaves_turns_to_others),
		FIXTURE_CASE(test_pipelined_requests_are_answered_in_order),
		FIXTURE_CASE(test_slow_client_is_served),
		FIXTURE_CASE(test_product_life),
		FIXTURE_CASE(test_lists_go_page_by_page),
		FIXTURE_CASE(test_device_keys),
		FIXTURE_CASE(test_device_acts),
		FIXTURE_CASE(test_stop_answers_who_waits),
		FIXTURE_CASE(test_a_filter_looks_at_so_many_rows_for_a_page),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
