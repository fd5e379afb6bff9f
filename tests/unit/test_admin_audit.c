/* SPDX-License-Identifier: Apache-2.0
 *
 * Verifying the audit log while others are served, by clients that come and go; and what the
 * engine decides at the moment of an act, with other acts before it on their way.
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
#include <unistd.h>

#include "support/admin_fixture.h"

enum { ROWS = 60000, SET_ROWS = 500 };

static const char verify[] =
	"GET /v1/audit/verify HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

static void rows_add(struct fixture *f, unsigned count)
{
	const struct store_audit a = {
		.who = "alice", .act = "device lock", .object = "d", .before = "{}", .after = "{}"};

	for (unsigned i = 0; i < count; i += SET_ROWS) {
		struct store_set *set = store_set_new(NULL, NULL);
		for (unsigned n = 0; n < SET_ROWS; n++)
			store_set_audit(set, &a);
		store_submit(f->store, set);
	}
	store_flush(f->store);
	(void)store_deliver(f->store);
}

static int begin(struct fixture *f, const char *request)
{
	int fd = client_open(f);

	assert_int_equal(client_send(f, fd, request, strlen(request)), strlen(request));
	turn(f);
	return fd;
}

static bool answered(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_PEEK) >= 0;
}

/* LIMIT_AUDIT_STEP rows, and then the others. */
static void test_others_are_served_while_it_verifies(void **state)
{
	struct fixture *f = *state;

	rows_add(f, ROWS);
	int first = begin(f, verify), second = begin(f, verify);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(ask(f, "GET", "/v1/status", NULL), 200);
		assert_false(answered(first) || answered(second));
	}
	assert_int_equal(ask(f, "POST", "/v1/products", "{\"name\":\"p\"}"), 201);
	assert_false(answered(first) || answered(second));
	(void)client_read(f, first, NULL);
	assert_says(f, "\"ok\":true,\"rows\":60001,\"hash\":\"");
	(void)client_read(f, second, NULL);
	assert_says(f, "\"ok\":true,\"rows\":60001,\"hash\":\"");
	close(first);
	close(second);
}

static void test_a_client_that_goes_away_ends_its_walk(void **state)
{
	struct fixture *f = *state;

	rows_add(f, ROWS);
	for (unsigned i = 0; i < 40; i++)
		close(begin(f, verify));
	assert_int_equal(ask(f, "GET", "/v1/audit/verify", NULL), 200);
	assert_says(f, "\"ok\":true,\"rows\":60000");
}

static void test_the_daemon_ends_in_the_middle_of_it(void **state)
{
	struct fixture *f = *state;

	rows_add(f, ROWS);
	int fd = begin(f, verify);
	daemon_down(f);
	assert_true(recv(fd, f->answer, ANSWER_CAP, 0) >= 0);
	close(fd);
	daemon_up(f);
	assert_int_equal(ask(f, "GET", "/v1/audit/verify", NULL), 200);
	assert_says(f, "\"ok\":true");
}

/* ---- acts on their way ---- */

struct told {
	unsigned count;
	int err;
	bool unchanged;
};

static void tell(void *ctx, const struct engine_result *result)
{
	struct told *t = ctx;

	t->count++;
	t->err = result->err;
	t->unchanged = result->unchanged;
}

static void settle(struct fixture *f)
{
	do {
		store_flush(f->store);
	} while (store_deliver(f->store) > 0);
}

static void assert_told(const struct told *t, int err, bool unchanged)
{
	assert_int_equal(t->count, 1);
	assert_int_equal(t->err, err);
	assert_int_equal(t->unchanged, unchanged);
}

/* Both have seen revision 1; neither is committed when the second is asked for. */
static void test_of_two_acts_on_one_revision_one_is_done(void **state)
{
	struct fixture *f = *state;
	const struct actor by = {.name = "a", .conditional = true, .rev_count = 1, .revs = {1}};
	struct told t[4] = {{0}};
	struct product p;

	product_p(f);
	assert_int_equal(
		ask(f, "POST", "/v1/devices", "{\"id\":\"d\",\"product\":\"p\",\"plain\":true}"),
		201);
	assert_int_equal(store_product_by_name(f->store, "p", &p), 0);
	strcpy(p.hardware, "one");
	engine_product_set(f->engine, &by, &p, tell, &t[0]);
	strcpy(p.hardware, "two");
	engine_product_set(f->engine, &by, &p, tell, &t[1]);
	engine_device_act(f->engine, &by, "d", OPERATOR_HOLD, tell, &t[2]);
	engine_device_act(f->engine, &by, "d", OPERATOR_FORCE, tell, &t[3]);
	settle(f);
	assert_told(&t[0], 0, false);
	assert_told(&t[1], ERR_STALE, false);
	assert_told(&t[2], 0, false);
	assert_told(&t[3], ERR_STALE, false);
	assert_int_equal(store_product_by_name(f->store, "p", &p), 0);
	assert_string_equal(p.hardware, "one");
	assert_int_equal(ask(f, "GET", "/v1/audit/verify", NULL), 200);
	assert_says(f, "\"ok\":true,\"rows\":4,");
}

/* The same act twice at once: one does it, the other finds it done, whoever comes first. */
static void test_of_two_equal_acts_one_is_unchanged(void **state)
{
	struct fixture *f = *state;
	const struct actor by = {.name = "a"};
	struct told t[6] = {{0}};

	product_p(f);
	assert_int_equal(
		ask(f, "POST", "/v1/devices", "{\"id\":\"d\",\"product\":\"p\",\"plain\":true}"),
		201);
	for (unsigned i = 0; i < 2; i++)
		engine_device_act(f->engine, &by, "d", OPERATOR_HOLD, tell, &t[i]);
	for (unsigned i = 2; i < 4; i++)
		engine_device_act(f->engine, &by, "d", OPERATOR_FORCE, tell, &t[i]);
	for (unsigned i = 4; i < 6; i++)
		engine_device_act(f->engine, &by, "d", OPERATOR_UNHOLD, tell, &t[i]);
	settle(f);
	for (unsigned i = 0; i < 6; i++)
		assert_told(&t[i], 0, i % 2 == 1);
	assert_int_equal(ask(f, "GET", "/v1/audit?after=2", NULL), 200);
	assert_says(f, "\"seq\":5");
	assert_null(strstr(f->answer, "\"seq\":6"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_CASE(test_others_are_served_while_it_verifies),
		FIXTURE_CASE(test_a_client_that_goes_away_ends_its_walk),
		FIXTURE_CASE(test_the_daemon_ends_in_the_middle_of_it),
		FIXTURE_CASE(test_of_two_acts_on_one_revision_one_is_done),
		FIXTURE_CASE(test_of_two_equal_acts_one_is_unchanged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
