/* SPDX-License-Identifier: Apache-2.0
 *
 * Talks with devices as rows: bytes and a time, which go with their device. */
#include "store_rows.h"

#include <string.h>

static int put(struct store *s, const char *device, const void *talk, size_t len, int64_t at_ms)
{
	struct store_result result;
	struct store_set *set = rows_set(&result);

	store_set_talk(set, device, (struct bytes){talk, len}, at_ms);
	return rows_commit(s, set, &result);
}

static int speak(struct store *s, const char *device, const char *protocol)
{
	struct store_result result;
	struct store_set *set = rows_set(&result);

	store_set_protocol(set, device, protocol);
	return rows_commit(s, set, &result);
}

static void assert_talk(struct store *s, const char *device, const char *want, int64_t want_ms)
{
	uint8_t got[LIMIT_TALK_SAVED];
	size_t len = 0;
	int64_t at_ms = -1;

	assert_int_equal(store_talk(s, device, got, sizeof(got), &len, &at_ms), 0);
	assert_int_equal(len, strlen(want));
	assert_memory_equal(got, want, len);
	assert_int_equal(at_ms, want_ms);
}

static void assert_none(struct store *s, const char *device)
{
	uint8_t got[LIMIT_TALK_SAVED];
	size_t len = 7;
	int64_t at_ms = 7;

	assert_int_equal(store_talk(s, device, got, sizeof(got), &len, &at_ms), ERR_NOENT);
	assert_int_equal(len, 7);
	assert_int_equal(at_ms, 7);
}

static void test_talk_is_put_replaced_and_taken_out(void **state)
{
	struct store *s = *state;
	int64_t product = rows_add_product(s, 0);

	rows_add_device(s, 1, product, "a");
	assert_none(s, "a");
	assert_int_equal(put(s, "a", "one", 3, 0), 0);
	assert_talk(s, "a", "one", 0);
	assert_int_equal(put(s, "a", "second", 6, 1234), 0);
	assert_talk(s, "a", "second", 1234);
	assert_int_equal(put(s, "a", NULL, 0, 0), 0);
	assert_none(s, "a");
	assert_int_equal(put(s, "a", NULL, 0, 0), 0); /* there is none already */
}

static void test_talk_needs_its_device_and_goes_with_it(void **state)
{
	struct store *s = *state;
	int64_t product = rows_add_product(s, 0);
	struct store_result result;
	struct device d;

	assert_int_equal(put(s, "nobody", "x", 1, 0), ERR_CONFLICT);
	assert_int_equal(speak(s, "nobody", "native"), ERR_CONFLICT);
	rows_add_device(s, 1, product, "a");
	assert_int_equal(put(s, "a", "x", 1, 5), 0);
	assert_int_equal(store_device(s, "a", &d), 0);
	struct store_set *set = rows_set(&result);
	store_set_device_delete(set, "a", d.rev);
	assert_int_equal(rows_commit(s, set, &result), 0);
	assert_none(s, "a");
}

static void test_talk_as_long_as_may_be_and_a_byte_longer(void **state)
{
	struct store *s = *state;
	int64_t product = rows_add_product(s, 0);
	uint8_t talk[LIMIT_TALK_SAVED + 1], got[LIMIT_TALK_SAVED];
	char name[LIMIT_PROTOCOL + 2];
	size_t len = 0;
	int64_t at_ms;
	struct device d;

	memset(talk, 0xa5, sizeof(talk));
	memset(name, 'p', sizeof(name));
	rows_add_device(s, 1, product, "a");
	assert_int_equal(put(s, "a", talk, LIMIT_TALK_SAVED, 0), 0);
	assert_int_equal(put(s, "a", talk, LIMIT_TALK_SAVED + 1, 0), ERR_LIMIT);
	assert_int_equal(store_talk(s, "a", got, sizeof(got), &len, &at_ms), 0);
	assert_int_equal(len, LIMIT_TALK_SAVED);
	assert_int_equal(store_talk(s, "a", got, sizeof(got) - 1, &len, &at_ms), ERR_CORRUPT);
	name[LIMIT_PROTOCOL + 1] = 0;
	assert_int_equal(speak(s, "a", name), ERR_LIMIT);
	name[LIMIT_PROTOCOL] = 0;
	assert_int_equal(speak(s, "a", name), 0);
	assert_int_equal(store_device(s, "a", &d), 0);
	assert_string_equal(d.protocol, name);
}

static bool collect(void *ctx, const char *device)
{
	strcat(ctx, device);
	return strlen(ctx) < 3;
}

static void test_talks_due_come_earliest_first(void **state)
{
	struct store *s = *state;
	int64_t product = rows_add_product(s, 0);
	char got[16] = "";

	for (const char *id = "abcde"; *id; id++)
		rows_add_device(s, 1, product, (const char[]){*id, 0});
	assert_int_equal(put(s, "a", "x", 1, 300), 0);
	assert_int_equal(put(s, "b", "x", 1, 100), 0);
	assert_int_equal(put(s, "c", "x", 1, 0), 0); /* never */
	assert_int_equal(put(s, "d", "x", 1, 200), 0);
	assert_int_equal(put(s, "e", "x", 1, 250), 0);
	assert_int_equal(store_talks_due(s, 99, 10, collect, got), 0);
	assert_string_equal(got, "");
	assert_int_equal(store_talks_due(s, 200, 10, collect, got), 0);
	assert_string_equal(got, "bd");
	got[0] = 0;
	assert_int_equal(store_talks_due(s, 1000, 1, collect, got), 0);
	assert_string_equal(got, "b");
	got[0] = 0;
	assert_int_equal(store_talks_due(s, 1000, 10, collect, got), 0);
	assert_string_equal(got, "bde"); /* it had enough */
	got[0] = 0;
	assert_int_equal(store_talks_ahead(s, "", 100, 10, collect, got), 0);
	assert_string_equal(got, "ade");
	got[0] = 0;
	assert_int_equal(store_talks_ahead(s, "a", 200, 1, collect, got), 0);
	assert_string_equal(got, "e");
	got[0] = 0;
	assert_int_equal(store_talks_ahead(s, "e", 0, 10, collect, got), 0);
	assert_string_equal(got, "");
}

struct spoken {
	uint64_t toy, native, all;
};

static void count(void *ctx, const char *protocol, uint64_t devices)
{
	struct spoken *n = ctx;

	n->all += devices;
	if (strcmp(protocol, "toy") == 0)
		n->toy = devices;
	else if (strcmp(protocol, "native") == 0)
		n->native = devices;
}

static void test_protocols_are_counted(void **state)
{
	struct store *s = *state;
	int64_t product = rows_add_product(s, 0);
	struct spoken n = {0};

	for (const char *id = "abc"; *id; id++)
		rows_add_device(s, 1, product, (const char[]){*id, 0});
	assert_int_equal(speak(s, "a", "toy"), 0);
	assert_int_equal(speak(s, "b", "native"), 0);
	assert_int_equal(speak(s, "c", "toy"), 0);
	assert_int_equal(store_protocols(s, count, &n), 0);
	assert_int_equal(n.toy, 2);
	assert_int_equal(n.native, 1);
	assert_int_equal(n.all, 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rows_setup, rows_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_talk_is_put_replaced_and_taken_out),
		TEST(test_talk_needs_its_device_and_goes_with_it),
		TEST(test_talk_as_long_as_may_be_and_a_byte_longer),
		TEST(test_talks_due_come_earliest_first),
		TEST(test_protocols_are_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
