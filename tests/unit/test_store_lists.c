/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading many rows: order, pages, filters, and what is due. */
#include "store_rows.h"

#include <stdio.h>

/* What a listing gave: names or numbers, in order. */
struct seen {
	unsigned count, stop_after; /* 0: never */
	char names[64][LIMIT_DEVICE_ID + 1];
	uint64_t numbers[64];
};

static bool note(struct seen *seen, const char *name, uint64_t number)
{
	buf_copy_str(seen->names[seen->count], sizeof(seen->names[0]), name);
	seen->numbers[seen->count++] = number;
	return seen->count != seen->stop_after;
}

static bool on_product(void *ctx, const struct product *p)
{
	return note(ctx, p->name, (uint64_t)p->id);
}

static bool on_release(void *ctx, const struct release *r)
{
	return note(ctx, r->version, (uint64_t)r->id);
}

static bool on_device(void *ctx, const struct device *d)
{
	return note(ctx, d->id, (uint64_t)d->product);
}

static bool on_attempt(void *ctx, const struct attempt *a)
{
	return note(ctx, a->device, a->number);
}

static bool on_event(void *ctx, const struct store_event_row *e)
{
	return note(ctx, e->device, e->seq);
}

static void assert_names(const struct seen *seen, const char *want)
{
	char got[512] = "";

	for (unsigned i = 0; i < seen->count; i++) {
		strcat(got, i ? " " : "");
		strcat(got, seen->names[i]);
	}
	assert_string_equal(got, want);
}

static void assert_numbers(const struct seen *seen, const char *want)
{
	char got[512] = "";

	for (unsigned i = 0; i < seen->count; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%llu", i ? " " : "",
			 (unsigned long long)seen->numbers[i]);
	assert_string_equal(got, want);
}

static void test_products_by_name_in_pages(void **state)
{
	struct store *s = *state;
	struct product p;

	for (const char *name = "dbacfe"; *name; name++) {
		rows_product(0, &p);
		memset(p.name, 0, sizeof(p.name));
		p.name[0] = *name;
		assert_int_equal(rows_put_product(s, &p, NULL), 0);
	}
	struct seen seen = {0};
	assert_int_equal(store_products(s, "", 100, on_product, &seen), 0);
	assert_names(&seen, "a b c d e f");
	seen = (struct seen){0};
	assert_int_equal(store_products(s, "b", 2, on_product, &seen), 0);
	assert_names(&seen, "c d");
	seen = (struct seen){.stop_after = 3};
	assert_int_equal(store_products(s, "", 100, on_product, &seen), 0);
	assert_names(&seen, "a b c");
	seen = (struct seen){0};
	assert_int_equal(store_products(s, "f", 2, on_product, &seen), 0);
	assert_names(&seen, "");
	assert_int_equal(store_products(s, "", 0, on_product, &seen), 0);
	assert_names(&seen, "");
}

static void test_releases_of_a_product_or_all(void **state)
{
	struct store *s = *state;
	int64_t one = rows_add_product(s, 0), two = rows_add_product(s, 1);
	struct release r;

	for (unsigned i = 0; i < 6; i++) {
		rows_release(i, i % 2 ? two : one, &r);
		assert_int_equal(rows_put_release(s, &r, NULL), 0);
	}
	struct seen seen = {0};
	assert_int_equal(store_releases(s, 0, 0, 100, on_release, &seen), 0);
	assert_numbers(&seen, "1 2 3 4 5 6");
	seen = (struct seen){0};
	assert_int_equal(store_releases(s, two, 0, 100, on_release, &seen), 0);
	assert_numbers(&seen, "2 4 6");
	seen = (struct seen){0};
	assert_int_equal(store_releases(s, two, 2, 1, on_release, &seen), 0);
	assert_numbers(&seen, "4");
	seen = (struct seen){0};
	assert_int_equal(store_releases(s, 0, 4, 100, on_release, &seen), 0);
	assert_numbers(&seen, "5 6");
}

static void add_device(struct store *s, int64_t product, char name, bool online,
		       int64_t offline_at_ms)
{
	struct device d;

	rows_device(0, product, &d);
	memset(d.id, 0, sizeof(d.id));
	d.id[0] = name;
	d.online = online;
	d.offline_at_ms = offline_at_ms;
	d.hold = name == 'a' ? HOLD_OPERATOR : HOLD_NONE;
	assert_int_equal(rows_put_device(s, &d), 0);
}

static void test_devices_by_id_in_pages(void **state)
{
	struct store *s = *state;
	int64_t one = rows_add_product(s, 0), two = rows_add_product(s, 1);

	for (const char *name = "gdbacfe"; *name; name++)
		add_device(s, *name < 'd' ? one : two, *name, false, 0);
	struct seen seen = {0};
	assert_int_equal(store_devices(s, 0, "", 3, on_device, &seen), 0);
	assert_names(&seen, "a b c");
	seen = (struct seen){0};
	assert_int_equal(store_devices(s, 0, "c", 3, on_device, &seen), 0);
	assert_names(&seen, "d e f");
	seen = (struct seen){0};
	assert_int_equal(store_devices(s, two, "", 2, on_device, &seen), 0);
	assert_names(&seen, "d e");
	seen = (struct seen){0};
	assert_int_equal(store_devices(s, two, "e", 9, on_device, &seen), 0);
	assert_names(&seen, "f g");
	seen = (struct seen){0};
	assert_int_equal(store_devices(s, 99, "", 9, on_device, &seen), 0);
	assert_names(&seen, "");
}

static void test_silent_devices_are_online_and_past_their_time(void **state)
{
	struct store *s = *state;
	int64_t product = rows_add_product(s, 0);

	add_device(s, product, 'a', true, 300);
	add_device(s, product, 'b', true, 100);
	add_device(s, product, 'c', false, 100); /* told already */
	add_device(s, product, 'd', true, 0);	 /* not armed */
	add_device(s, product, 'e', true, 200);
	struct seen seen = {0};
	assert_int_equal(store_devices_silent(s, 99, 10, on_device, &seen), 0);
	assert_names(&seen, "");
	assert_int_equal(store_devices_silent(s, 200, 10, on_device, &seen), 0);
	assert_names(&seen, "b e");
	seen = (struct seen){0};
	assert_int_equal(store_devices_silent(s, 1000, 2, on_device, &seen), 0);
	assert_names(&seen, "b e");
	seen = (struct seen){0};
	assert_int_equal(store_devices_silent(s, 1000, 10, on_device, &seen), 0);
	assert_names(&seen, "b e a");
}

static void add_attempt(struct store *s, const char *device, enum attempt_state a_state,
			int64_t stall_ms, int64_t total_ms)
{
	static uint64_t id = 5000;
	struct attempt a;

	rows_attempt(0, device, &a);
	a.id = id++;
	a.state = a_state;
	a.charged = a_state == ATTEMPT_CLOSED && *device != 'b';
	a.verdict = *device == 'b' ? VERDICT_UPDATED : VERDICT_REVERTED;
	a.stall_at_ms = stall_ms;
	a.total_at_ms = total_ms;
	assert_int_equal(rows_put_attempt(s, &a, NULL), 0);
}

static void test_attempts_newest_first_with_filters(void **state)
{
	struct store *s = *state;

	add_attempt(s, "a", ATTEMPT_CLOSED, 0, 0);  /* 1 */
	add_attempt(s, "a", ATTEMPT_OFFERED, 1, 1); /* 2 */
	add_attempt(s, "b", ATTEMPT_CLOSED, 0, 0);  /* 3 */
	add_attempt(s, "a", ATTEMPT_CLOSED, 0, 0);  /* 4 */
	add_attempt(s, "c", ATTEMPT_OFFERED, 1, 1); /* 5 */
	static const struct {
		const char *device;
		bool open_only;
		uint64_t before;
		unsigned limit;
		const char *want;
	} cases[] = {
		{"", false, 0, 100, "5 4 3 2 1"}, {"", false, 4, 2, "3 2"},
		{"", true, 0, 100, "5 2"},	  {"", true, 5, 100, "2"},
		{"a", false, 0, 100, "4 2 1"},	  {"a", false, 4, 100, "2 1"},
		{"a", true, 0, 100, "2"},	  {"a", true, 2, 100, ""},
		{"b", true, 0, 100, ""},	  {"", false, UINT64_MAX, 1, "5"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct seen seen = {0};
		assert_int_equal(store_attempts(s, cases[i].device, cases[i].open_only,
						cases[i].before, cases[i].limit, on_attempt, &seen),
				 0);
		assert_numbers(&seen, cases[i].want);
	}
}

static void test_due_attempts_earliest_first_by_stall_or_total(void **state)
{
	struct store *s = *state;

	add_attempt(s, "a", ATTEMPT_OFFERED, 300, 900);
	add_attempt(s, "b", ATTEMPT_VERIFIED, 900, 100);
	add_attempt(s, "c", ATTEMPT_CLOSED, 0, 0);
	add_attempt(s, "d", ATTEMPT_APPLYING, 200, 201);
	struct seen seen = {0};
	assert_int_equal(store_attempts_due(s, 99, 10, on_attempt, &seen), 0);
	assert_names(&seen, "");
	assert_int_equal(store_attempts_due(s, 299, 10, on_attempt, &seen), 0);
	assert_names(&seen, "b d");
	seen = (struct seen){0};
	assert_int_equal(store_attempts_due(s, 300, 10, on_attempt, &seen), 0);
	assert_names(&seen, "b d a");
	seen = (struct seen){0};
	assert_int_equal(store_attempts_due(s, 300, 1, on_attempt, &seen), 0);
	assert_names(&seen, "b");
}

static void test_events_after_a_number_and_of_a_device(void **state)
{
	struct store *s = *state;
	struct store_result result;

	for (unsigned i = 0; i < 3; i++) {
		struct store_set *set = rows_set(&result);
		rows_add_event(set, "a", "{}");
		rows_add_event(set, "", "{}");
		rows_add_event(set, "b", "{}");
		assert_int_equal(rows_commit(s, set, &result), 0);
		assert_int_equal(result.first_event, 3 * i + 1);
		assert_int_equal(result.event_count, 3);
	}
	struct seen seen = {0};
	assert_int_equal(store_events(s, 0, "", 100, on_event, &seen), 0);
	assert_numbers(&seen, "1 2 3 4 5 6 7 8 9");
	seen = (struct seen){.stop_after = 2};
	assert_int_equal(store_events(s, 4, "", 100, on_event, &seen), 0);
	assert_numbers(&seen, "5 6");
	seen = (struct seen){0};
	assert_int_equal(store_events(s, 0, "b", 2, on_event, &seen), 0);
	assert_numbers(&seen, "3 6");
	seen = (struct seen){0};
	assert_int_equal(store_events(s, 6, "b", 2, on_event, &seen), 0);
	assert_numbers(&seen, "9");
	seen = (struct seen){0};
	assert_int_equal(store_events(s, UINT64_MAX, "", 2, on_event, &seen), 0);
	assert_numbers(&seen, "");
}

static bool on_full_event(void *ctx, const struct store_event_row *e)
{
	*(unsigned *)ctx += 1;
	assert_int_equal(e->seq, 1);
	assert_int_equal(e->at_ms, 1234567890123);
	assert_string_equal(e->topic, "flash/status");
	assert_string_equal(e->data, "started");
	assert_string_equal(e->device, "dev");
	assert_string_equal(e->json, "{\"a\":\"\xc3\xa4\"}");
	assert_true(e->attempt == ATTEMPT_ID_MAX);
	return true;
}

static void test_event_round_trip(void **state)
{
	struct store *s = *state;
	struct store_result result;
	char topic[] = "flash/status", json[] = "{\"a\":\"\xc3\xa4\"}";
	struct store_event e = {.topic = topic,
				.data = "started",
				.device = "dev",
				.json = json,
				.attempt = ATTEMPT_ID_MAX,
				.at_ms = 1234567890123};
	struct store_set *set = rows_set(&result);
	unsigned count = 0;

	store_set_event(set, &e);
	memset(topic, 'x', sizeof(topic) - 1); /* it was copied */
	memset(json, 'x', sizeof(json) - 1);
	assert_int_equal(rows_commit(s, set, &result), 0);
	assert_int_equal(store_events(s, 0, "", 100, on_full_event, &count), 0);
	assert_int_equal(count, 1);
}

static void test_counts(void **state)
{
	struct store *s = *state;
	struct store_counts c;
	struct release r;
	int64_t product = rows_add_product(s, 0);

	rows_release(0, product, &r);
	assert_int_equal(rows_put_release(s, &r, NULL), 0);
	add_device(s, product, 'a', true, 0);
	add_device(s, product, 'b', false, 5);
	add_device(s, product, 'c', true, 5);
	add_attempt(s, "a", ATTEMPT_CLOSED, 0, 0);
	add_attempt(s, "a", ATTEMPT_CLOSED, 0, 0);
	add_attempt(s, "b", ATTEMPT_CLOSED, 0, 0);
	add_attempt(s, "b", ATTEMPT_OFFERED, 1, 1);
	assert_int_equal(store_counts(s, &c), 0);
	assert_int_equal(c.products, 1);
	assert_int_equal(c.releases, 1);
	assert_int_equal(c.devices, 3);
	assert_int_equal(c.online, 2);
	assert_int_equal(c.held, 1);
	assert_int_equal(c.open_attempts, 1);
	assert_int_equal(c.updated, 1);
	assert_int_equal(c.failed, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rows_setup, rows_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_products_by_name_in_pages),
		TEST(test_releases_of_a_product_or_all),
		TEST(test_devices_by_id_in_pages),
		TEST(test_silent_devices_are_online_and_past_their_time),
		TEST(test_attempts_newest_first_with_filters),
		TEST(test_due_attempts_earliest_first_by_stall_or_total),
		TEST(test_events_after_a_number_and_of_a_device),
		TEST(test_event_round_trip),
		TEST(test_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
