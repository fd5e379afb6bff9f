/* SPDX-License-Identifier: Apache-2.0
 *
 * Bounds of what an operator may keep: at each, and one beyond it.
 */
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/engine_internal.h"
#include "daemon/engine_survey.h"
#include "daemon/images_inner.h"
#include "daemon/zones.h"
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
	/* of those that wait for an operator the first ones are told, the others counted */
	assert_int_equal(ask(f, "GET", "/v1/status", NULL), 200);
	assert_says(f, "\"stopped\":31,\"list\":[");
	unsigned told = 0;
	for (const char *at = f->answer; (at = strstr(at, "\"state\":\"paused\"")) != NULL; at++)
		told++;
	assert_int_equal(told, LIMIT_ROLLOUTS_TOLD);
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

static int patch_number(struct fixture *f, const char *path, const char *key, long long n)
{
	char json[96];

	(void)snprintf(json, sizeof(json), "{\"%s\":%lld}", key, n);
	return ask(f, "PATCH", path, json);
}

static void test_limits_of_groups(void **state)
{
	static const char path[] = "/v1/products/p/groups/g";
	struct fixture *f = *state;

	product_p(f);
	assert_int_equal(ask(f, "POST", "/v1/products/p/groups", "{\"name\":\"g\"}"), 201);
	assert_int_equal(patch_number(f, path, "max_downloads", LIMIT_GROUP_DOWNLOADS), 200);
	assert_int_equal(patch_number(f, path, "max_downloads", LIMIT_GROUP_DOWNLOADS + 1), 400);
	assert_int_equal(patch_number(f, path, "image_rate", LIMIT_GROUP_RATE), 200);
	assert_int_equal(patch_number(f, path, "image_rate", LIMIT_GROUP_RATE + 1LL), 400);
	assert_int_equal(patch_number(f, path, "image_rate", LIMIT_GROUP_RATE_MIN), 200);
	assert_int_equal(patch_number(f, path, "image_rate", LIMIT_GROUP_RATE_MIN - 1), 400);
}

/* What is too long is told before what is wrong with it. */
static void test_options_of_protocols(void **state)
{
	const size_t most = LIMIT_TALK_OPTIONS - strlen("lwm2m-uri-host=\n");
	char json[LIMIT_TALK_OPTIONS + 128], value[LIMIT_TALK_OPTIONS + 2];
	struct fixture *f = *state;

	product_p(f);
	for (size_t more = 0; more < 2; more++) {
		memset(value, '/', most + more);
		value[most + more] = 0;
		(void)snprintf(json, sizeof(json),
			       "{\"protocol_options\":{\"lwm2m-uri-host\":\"%s\"}}", value);
		assert_int_equal(ask(f, "PATCH", "/v1/products/p", json), 400);
		assert_int_equal(strstr(f->answer, "longer than 1023 bytes") != NULL, more);
	}
}

static void test_entity_tags(void **state)
{
	struct fixture *f = *state;
	char head[512];

	product_p(f);
	for (size_t more = 0; more < 2; more++) {
		(void)snprintf(head, sizeof(head),
			       "PATCH /v1/products/p HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
			       "Content-Type: application/json\r\nContent-Length: 2\r\n"
			       "If-Match: \"91\", \"92\", \"93\", \"94\", \"95\", \"96\", \"97\", "
			       "\"98\"%s\r\n\r\n",
			       more ? ", \"99\"" : "");
		assert_int_equal(ask_raw(f, head, "{}", 2), more ? 400 : 412);
		assert_int_equal(strstr(f->answer, "nor 1 to 8 entity tags") != NULL, more);
	}
}

/* Of a folder with one more zone than are remembered; the last one is read again and again. */
static void test_zones_remembered(void **state)
{
	static const char zone[] = "TZif2.......................................\nCET-1\n";
	struct fixture *f = *state;
	char folder[96], first[160], path[160], name[16];
	struct zones z = {0};
	struct zone found;

	(void)snprintf(folder, sizeof(folder), "%s/zones", f->dir);
	assert_int_equal(mkdir(folder, 0700), 0);
	(void)snprintf(first, sizeof(first), "%s/Z0", folder);
	FILE *file = fopen(first, "w");
	assert_non_null(file);
	assert_true(fputs(zone, file) >= 0 && fclose(file) == 0);
	assert_int_equal(setenv("TZDIR", folder, 1), 0);
	for (unsigned i = 0; i <= LIMIT_ZONES; i++) {
		(void)snprintf(name, sizeof(name), "Z%u", i);
		(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
		assert_true(i == 0 || link(first, path) == 0);
		assert_int_equal(zones_find(&z, name, &found), 0);
		assert_int_equal(found.std_s, 3600);
	}
	assert_int_equal(z.count, LIMIT_ZONES);
	assert_int_equal(files_in(folder, true), LIMIT_ZONES + 1);
	assert_int_equal(zones_find(&z, "Z1023", &found), 0); /* without its file */
	assert_int_equal(zones_find(&z, name, &found), ERR_NOENT);
	assert_int_equal(unsetenv("TZDIR"), 0);
	assert_int_equal(rmdir(folder), 0);
	zones_free(&z);
}

/* Counted apart; what there is no place for takes that of the oldest release. */
static void test_outcomes(void **state)
{
	struct fixture *f = *state;
	struct attempt a = {.release = 1, .verdict = VERDICT_UPDATED};
	struct engine_outcome o;
	uint64_t ends[VERDICT_COUNT];

	product_p(f);
	assert_int_equal(ask_upload(f, "1.0", "abc", 3), 201);
	for (unsigned i = 0; i < LIMIT_OUTCOMES; i++)
		engine_outcome_count(f->engine, &a, i);
	engine_release_ends(f->engine, 1, ends);
	assert_int_equal(ends[VERDICT_UPDATED], LIMIT_OUTCOMES);
	engine_outcome_count(f->engine, &a, LIMIT_OUTCOMES);
	engine_release_ends(f->engine, 1, ends);
	assert_int_equal(ends[VERDICT_UPDATED], LIMIT_OUTCOMES);
	assert_true(engine_outcome_at(f->engine, LIMIT_OUTCOMES - 1, &o));
	assert_false(engine_outcome_at(f->engine, LIMIT_OUTCOMES, &o));
}

static bool hex_take(void *ctx, const struct store_audit_row *row)
{
	struct buf b = buf_writer(ctx, 2 * STORE_HASH + 1);

	buf_put_hex(&b, row->hash, STORE_HASH);
	(void)buf_cstr(&b);
	return false;
}

static int prune(struct fixture *f, unsigned through)
{
	char hex[2 * STORE_HASH + 1], json[160];

	assert_int_equal(store_audits(f->store, "", through - 1, 1, hex_take, hex), 0);
	(void)snprintf(json, sizeof(json), "{\"through\":%u,\"hash\":\"%s\"}", through, hex);
	return ask(f, "POST", "/v1/audit/prune", json);
}

static void test_audit_rows_taken_out_at_once(void **state)
{
	const struct store_audit a = {
		.at_ms = 1, .who = "u", .act = "a", .object = "o", .before = "", .after = ""};
	struct fixture *f = *state;
	unsigned done = 0;
	struct store_set *set = store_set_new(stored, &done);

	assert_non_null(set);
	for (unsigned i = 0; i < LIMIT_AUDIT_PRUNE + 2; i++)
		store_set_audit(set, &a);
	store_submit(f->store, set);
	while (!done)
		turn(f);
	assert_int_equal(prune(f, LIMIT_AUDIT_PRUNE + 1), 400);
	assert_says(f, "more than 5000 rows at once");
	assert_int_equal(prune(f, LIMIT_AUDIT_PRUNE), 200);
	assert_says(f, "{\"through\":5000,\"hash\":");
	assert_int_equal(prune(f, LIMIT_AUDIT_PRUNE + 2), 200);
	assert_int_equal(ask(f, "GET", "/v1/audit/verify", NULL), 200);
	assert_says(f, "\"ok\":true,\"rows\":5004,\"removed\":{\"through\":5002,");
}

/* The C library's would name who runs the test; this one names anybody. */
static char user[LIMIT_ACTOR + 2];

int getpwuid_r(uid_t uid, struct passwd *pw, char *text, size_t cap, struct passwd **ret_found)
{
	(void)text;
	(void)cap;
	*pw = (struct passwd){.pw_name = user, .pw_uid = uid};
	*ret_found = user[0] ? pw : NULL;
	return 0;
}

static void test_names_of_users(void **state)
{
	struct fixture *f = *state;
	char says[96];

	memset(user, 'u', LIMIT_ACTOR);
	product_p(f);
	assert_int_equal(ask(f, "GET", "/v1/audit", NULL), 200);
	(void)snprintf(says, sizeof(says), "\"%s\"", user);
	assert_says(f, says);

	/* Not cut: it could be another user's. */
	user[LIMIT_ACTOR] = 'u';
	assert_int_equal(ask(f, "POST", "/v1/products", "{\"name\":\"q\"}"), 201);
	assert_int_equal(ask(f, "GET", "/v1/audit", NULL), 200);
	(void)snprintf(says, sizeof(says), "\"uid %lu\"", (unsigned long)getuid());
	assert_says(f, says);
	assert_null(strstr(f->answer, user));
}

static void test_images_that_cannot_be_read(void **state)
{
	struct image_faults *faults = calloc(1, sizeof(*faults));
	uint8_t sha256[DIGEST_SHA256] = {0};

	(void)state;
	assert_non_null(faults);
	for (unsigned i = 0; i <= LIMIT_IMAGES_BAD; i++) {
		sha256[0] = (uint8_t)i;
		image_bad_note(faults, sha256, ERR_IO, i);
	}
	assert_int_equal(faults->count, LIMIT_IMAGES_BAD);
	assert_null(image_bad_find(faults, sha256));
	sha256[0]--;
	assert_non_null(image_bad_find(faults, sha256));
	free(faults);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_CASE(test_groups),
		FIXTURE_CASE(test_saved_queries),
		FIXTURE_CASE(test_names),
		FIXTURE_CASE(test_rollouts),
		FIXTURE_CASE(test_windows_and_zones),
		FIXTURE_CASE(test_limits_of_groups),
		FIXTURE_CASE(test_options_of_protocols),
		FIXTURE_CASE(test_entity_tags),
		FIXTURE_CASE(test_zones_remembered),
		FIXTURE_CASE(test_outcomes),
		FIXTURE_CASE(test_audit_rows_taken_out_at_once),
		FIXTURE_CASE(test_names_of_users),
		cmocka_unit_test(test_images_that_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
