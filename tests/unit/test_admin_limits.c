/* SPDX-License-Identifier: Apache-2.0
 *
 * Bounds of what an operator may keep: at each, and one beyond it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/admin_fixture.h"

static void stored(void *ctx, const struct store_result *result)
{
	assert_int_equal(result->err, 0);
	++*(unsigned *)ctx;
}

/* Sets that wait together share a commit; a thousand acts would be a thousand commits. A set has
 * ids for eight new rows. */
static void fill(struct fixture *f, unsigned count, void (*put)(struct store_set *, unsigned))
{
	unsigned done = 0, sets = 0;

	for (unsigned i = 0; i < count; sets++) {
		struct store_set *set = store_set_new(stored, &done);
		assert_non_null(set);
		for (unsigned k = 0; k < 8 && i < count; k++)
			put(set, i++);
		store_submit(f->store, set);
	}
	while (done < sets)
		turn(f);
}

static void put_group(struct store_set *set, unsigned i)
{
	struct device_group g = {.product = 1};

	(void)snprintf(g.name, sizeof(g.name), "g%u", i);
	store_set_group(set, &g);
}

static void test_groups(void **state)
{
	struct fixture *f = *state;

	product_p(f);
	fill(f, LIMIT_GROUPS - 1, put_group);
	daemon_down(f);
	daemon_up(f);
	assert_int_equal(ask(f, "POST", "/v1/products/p/groups", "{\"name\":\"last\"}"), 201);
	assert_int_equal(ask(f, "POST", "/v1/products/p/groups", "{\"name\":\"more\"}"), 409);
	assert_says(f, "as many groups as there may be");
	assert_int_equal(ask(f, "DELETE", "/v1/products/p/groups/g7", NULL), 204);
	assert_int_equal(ask(f, "POST", "/v1/products/p/groups", "{\"name\":\"more\"}"), 201);
}

static void put_query(struct store_set *set, unsigned i)
{
	struct store_query q = {.filter = "online=yes"};

	(void)snprintf(q.name, sizeof(q.name), "q%u", i);
	store_set_query(set, &q);
}

static void test_saved_queries(void **state)
{
	struct fixture *f = *state;

	fill(f, LIMIT_QUERIES - 1, put_query);
	assert_in_range(ask(f, "PUT", "/v1/queries/last", "{\"filter\":\"online=yes\"}"), 200, 201);
	assert_int_equal(ask(f, "PUT", "/v1/queries/more", "{\"filter\":\"online=yes\"}"), 409);
	assert_says(f, "as many saved queries as there may be");
	/* one that is there may be changed */
	assert_int_equal(ask(f, "PUT", "/v1/queries/q7", "{\"filter\":\"online=no\"}"), 200);
}

/* `max` letters are a name, one more is none. */
static void test_names(void **state)
{
	char name[LIMIT_GROUP_NAME + 2], text[256];
	struct fixture *f = *state;

	assert_int_equal(LIMIT_GROUP_NAME, LIMIT_QUERY_NAME);
	product_p(f);
	for (int more = 0; more < 2; more++) {
		memset(name, 'n', sizeof(name));
		name[LIMIT_GROUP_NAME + more] = 0;
		(void)snprintf(text, sizeof(text), "{\"name\":\"%s\"}", name);
		assert_int_equal(ask(f, "POST", "/v1/products/p/groups", text), more ? 400 : 201);
		if (more)
			assert_says(f, "1 to 64 printable");
		(void)snprintf(text, sizeof(text), "/v1/queries/%s", name);
		int status = ask(f, "PUT", text, "{\"filter\":\"online=yes\"}");
		if (more)
			assert_int_equal(status, 400);
		else
			assert_in_range(status, 200, 201);
	}
}

static void put_rollout(struct store_set *set, unsigned i)
{
	struct rollout r = {.product = 1, .release = 1, .seed = 1, .wave_count = 1};

	(void)snprintf(r.name, sizeof(r.name), "r%u", i);
	rollout_rules_init(&r.rules);
	r.waves[0] = (struct wave){.percent = true, .size = 100};
	if (i < LIMIT_ROLLOUTS_OPEN - 1) {
		r.state = ROLLOUT_PAUSED;
		r.resume_to = ROLLOUT_RUNNING;
	}
	store_set_rollout(set, &r);
}

static void test_rollouts(void **state)
{
	static const char last[] = "{\"name\":\"last\",\"release\":\"1.0\"}";
	static const char more[] = "{\"name\":\"more\",\"release\":\"1.0\"}";
	struct fixture *f = *state;

	product_p(f);
	assert_int_equal(ask_upload(f, "1.0", "abc", 3), 201);
	fill(f, LIMIT_ROLLOUTS - 1, put_rollout);
	daemon_down(f);
	daemon_up(f);
	assert_int_equal(ask(f, "POST", "/v1/products/p/rollouts", last), 201);
	assert_int_equal(ask(f, "POST", "/v1/products/p/rollouts", more), 409);
	assert_says(f, "there are 1024 rollouts");
	/* of them one may still be started */
	assert_int_equal(ask(f, "POST", "/v1/products/p/rollouts/last/start", NULL), 200);
	assert_int_equal(ask(f, "POST", "/v1/products/p/rollouts/r99/start", NULL), 409);
	assert_says(f, "32 rollouts are open");
	assert_int_equal(ask(f, "DELETE", "/v1/products/p/rollouts/r99", NULL), 204);
	assert_int_equal(ask(f, "POST", "/v1/products/p/rollouts", more), 201);
}

#define ALL_DAYS "Mon,Tue,Wed,Thu,Fri,Sat,Sun 01:00-02:00"
#define SIX_WINDOWS ALL_DAYS "; " ALL_DAYS "; " ALL_DAYS "; " ALL_DAYS "; " ALL_DAYS ";" ALL_DAYS

static int patch(struct fixture *f, const char *path, const char *key, const char *text)
{
	char json[512];

	(void)snprintf(json, sizeof(json), "{\"%s\":\"%s\"}", key, text);
	return ask(f, "PATCH", path, json);
}

static void test_windows_and_zones(void **state)
{
	static const char *const paths[] = {"/v1/products/p", "/v1/products/p/groups/g",
					    "/v1/devices/d"};
	/* a rule of LIMIT_ZONE bytes, and one more letter of its name */
	static const char zone[] =
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA1BBBBBBBBBBBBBBB,M3.2.0,M11.1.0";
	struct fixture *f = *state;

	assert_int_equal(sizeof(SIX_WINDOWS ";02:00-03:00") - 1, LIMIT_WINDOWS_TEXT);
	assert_int_equal(strlen(zone), LIMIT_ZONE + 1);
	product_p(f);
	assert_int_equal(ask(f, "POST", "/v1/products/p/groups", "{\"name\":\"g\"}"), 201);
	assert_int_equal(ask(f, "POST", "/v1/devices",
			     "{\"id\":\"d\",\"product\":\"p\",\"certificate\":true}"),
			 201);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		assert_int_equal(patch(f, paths[i], "windows", SIX_WINDOWS ";02:00-03:00"), 200);
		assert_int_equal(patch(f, paths[i], "windows", SIX_WINDOWS "; 02:00-03:00"), 400);
		assert_says(f, "more than 8 windows or 255 characters");
		assert_int_equal(patch(f, paths[i], "time_zone", zone + 1), 200);
		assert_int_equal(patch(f, paths[i], "time_zone", zone), 400);
		assert_says(f, "neither a time zone of this system");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_CASE(test_groups),
		FIXTURE_CASE(test_saved_queries),
		FIXTURE_CASE(test_names),
		FIXTURE_CASE(test_rollouts),
		FIXTURE_CASE(test_windows_and_zones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
