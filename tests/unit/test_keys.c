/* SPDX-License-Identifier: Apache-2.0
 *
 * The key of the service and what it does to the database; which key a handshake is given. */
#include "store_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/key_fails.h"
#include "daemon/key_tries.h"
#include "daemon/service_key.h"

static struct keys *keys_of(uint8_t first)
{
	uint8_t key[NET_SEAL_KEY] = {first};
	struct keys *k = NULL;

	assert_int_equal(keys_new(key, &k), 0);
	return k;
}

static struct psk psk_of(const char *text)
{
	struct psk p = {.len = strlen(text)};

	memcpy(p.bytes, text, p.len);
	return p;
}

static struct store_key row_of(const char *device, enum key_slot slot)
{
	struct store_key row = {.slot = slot, .set_ms = 5};

	strcpy(row.device, device);
	return row;
}

static const char text[] = "sixteen bytes !!";

/* ---- wrapping ---- */

static void assert_opens(const struct keys *k, const struct store_key *row, int want)
{
	struct psk got = {.len = 0};

	assert_int_equal(keys_unwrap(k, row, &got), want);
	assert_int_equal(got.len, want ? 0 : strlen(text));
	if (!want)
		assert_memory_equal(got.bytes, text, got.len);
}

static void test_sealed_key_opens_in_its_own_row_only(void **state)
{
	struct keys *k = keys_of(1), *other = keys_of(2);
	struct store_key row = row_of("a", KEY_CURRENT), moved;
	struct psk psk = psk_of(text);

	(void)state;
	assert_int_equal(keys_wrap(k, &psk, &row), 0);
	assert_int_equal(row.form, KEY_SEALED);
	assert_null(memmem(row.value, sizeof(row.value), text, 8));
	assert_null(memmem(row.mac, sizeof(row.mac), text, 8));
	assert_opens(k, &row, 0);
	assert_opens(other, &row, ERR_CRYPTO);
	assert_opens(NULL, &row, ERR_DENIED);
	moved = row;
	strcpy(moved.device, "b");
	assert_opens(k, &moved, ERR_CRYPTO);
	moved = row;
	moved.slot = KEY_NEXT;
	assert_opens(k, &moved, ERR_CRYPTO);
	moved = row;
	moved.value[moved.value_len - 1] ^= 1;
	assert_opens(k, &moved, ERR_CRYPTO);
	keys_free(k);
	keys_free(other);
	keys_free(NULL);
}

static void test_mac_is_of_the_key_whatever_the_row(void **state)
{
	struct keys *k = keys_of(1);
	struct store_key a = row_of("a", KEY_CURRENT), b = row_of("b", KEY_NEXT);
	struct psk psk = psk_of(text);

	(void)state;
	assert_int_equal(keys_wrap(k, &psk, &a), 0);
	assert_int_equal(keys_wrap(k, &psk, &b), 0);
	assert_int_equal(a.mac_len, b.mac_len);
	assert_memory_equal(a.mac, b.mac, a.mac_len);
	psk.bytes[0] ^= 1;
	assert_int_equal(keys_wrap(k, &psk, &b), 0);
	assert_memory_not_equal(a.mac, b.mac, a.mac_len);
	keys_free(k);
}

static void test_without_a_service_key_it_is_clear(void **state)
{
	struct store_key row = row_of("a", KEY_CURRENT);
	struct psk psk = psk_of(text);

	(void)state;
	assert_int_equal(keys_wrap(NULL, &psk, &row), 0);
	assert_int_equal(row.form, KEY_CLEAR);
	assert_int_equal(row.value_len, strlen(text));
	assert_memory_equal(row.value, text, row.value_len);
	assert_memory_equal(row.mac, text, row.mac_len);
	assert_opens(NULL, &row, 0);
}

static void test_length_of_a_key_has_bounds(void **state)
{
	struct keys *k = keys_of(1);
	struct store_key row = row_of("a", KEY_CURRENT);
	struct psk psk = {.bytes = {1}}, got;
	const struct keys *with[] = {k, NULL};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		psk.len = LIMIT_PSK_MIN - 1;
		assert_int_equal(keys_wrap(with[i], &psk, &row), ERR_LIMIT);
		psk.len = LIMIT_PSK + 1;
		assert_int_equal(keys_wrap(with[i], &psk, &row), ERR_LIMIT);
		psk.len = LIMIT_PSK_MIN;
		assert_int_equal(keys_wrap(with[i], &psk, &row), 0);
		psk.len = LIMIT_PSK;
		assert_int_equal(keys_wrap(with[i], &psk, &row), 0);
		assert_int_equal(keys_unwrap(with[i], &row, &got), 0);
		assert_int_equal(got.len, LIMIT_PSK);
	}
	keys_free(k);
}

/* ---- the file of the service's key ---- */

static int parsed(const char *bytes, size_t len, uint8_t key[NET_SEAL_KEY])
{
	return service_key_parse((struct bytes){(const uint8_t *)bytes, len}, key);
}

#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F"

static void test_service_key_is_32_bytes_or_64_digits(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
		{"", 0},
		{HEX, 63},
		{HEX "0", 65},
		{HEX "\n\n", 66},
		{HEX " \n", 66},
		{HEX "\n", 64 - 1},
		{"0123456789abcdef0123456789abcdeF\n", 33},
		{"g001020304050607080900a0b0c0d0e0f10111213141516171819a1b1c1d1e1f", 64},
		{HEX "\r\n\n", 67},
	};
	uint8_t key[NET_SEAL_KEY], want[NET_SEAL_KEY], before[NET_SEAL_KEY];
	char raw[NET_SEAL_KEY];

	(void)state;
	for (unsigned i = 0; i < NET_SEAL_KEY; i++)
		want[i] = (uint8_t)i;
	memcpy(raw, want, sizeof(raw));
	for (unsigned i = 0; i < 4; i++) {
		memset(key, 0xee, sizeof(key));
		assert_int_equal(i == 0	  ? parsed(raw, sizeof(raw), key)
				 : i == 1 ? parsed(HEX, 64, key)
				 : i == 2 ? parsed(HEX "\n", 65, key)
					  : parsed(HEX "\r\n", 66, key),
				 0);
		assert_memory_equal(key, want, sizeof(key));
	}
	memset(before, 0xee, sizeof(before));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(key, 0xee, sizeof(key));
		assert_int_equal(parsed(bad[i].bytes, bad[i].len, key), ERR_SYNTAX);
		assert_memory_equal(key, before, sizeof(key));
	}
}

static void write_file(const char *path, const char *bytes, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static void test_service_key_comes_from_the_credential_first(void **state)
{
	char dir[] = "/tmp/postboot-test-XXXXXX", credential[64], file[64];
	struct service_key_fault fault = {.what = ""};
	struct keys *k = NULL;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(credential, sizeof(credential), "%s/%s", dir, SERVICE_KEY_CREDENTIAL);
	snprintf(file, sizeof(file), "%s/file", dir);
	unsetenv("CREDENTIALS_DIRECTORY");
	assert_int_equal(service_key_load("", &k, &fault), 0);
	assert_null(k);
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	assert_int_equal(service_key_load("", &k, &fault), 0);
	assert_null(k);
	assert_int_equal(service_key_load(file, &k, &fault), ERR_NOENT);
	assert_string_equal(fault.where, file);
	write_file(file, HEX "\n", 65);
	assert_int_equal(service_key_load(file, &k, &fault), 0);
	assert_non_null(k);
	keys_free(k);
	write_file(credential, "short", 5); /* what is there must be good */
	assert_int_equal(service_key_load(file, &k, &fault), ERR_SYNTAX);
	assert_null(k);
	assert_string_equal(fault.where, credential);
	assert_non_null(strstr(fault.what, "5 bytes"));
	assert_null(strstr(fault.what, "short"));
	assert_non_null(strstr(fault.todo, "--make-key"));
	write_file(credential, HEX, 64);
	assert_int_equal(service_key_load(dir, &k, &fault), 0); /* the file is not looked at */
	keys_free(k);
	(void)unlink(credential);
	assert_int_equal(service_key_load(dir, &k, &fault), ERR_IO); /* a folder */
	unsetenv("CREDENTIALS_DIRECTORY");
	(void)unlink(file);
	assert_int_equal(rmdir(dir), 0);
}

/* ---- key and database ---- */

static void put(struct store *s, const struct keys *k, const char *device, enum key_slot slot,
		const char *psk)
{
	struct store_key row = row_of(device, slot);
	struct psk p = psk_of(psk);
	struct store_result result;
	struct store_set *set = rows_set(&result);

	assert_int_equal(keys_wrap(k, &p, &row), 0);
	store_set_key(set, &row);
	assert_int_equal(rows_commit(s, set, &result), 0);
}

static void assert_key(struct store *s, const struct keys *k, const char *device, unsigned slot,
		       const char *psk)
{
	struct store_key rows[KEY_SLOTS];
	struct psk got;
	unsigned count = 0;

	assert_int_equal(store_keys(s, device, rows, &count), 0);
	assert_true(count > slot);
	assert_int_equal(rows[slot].form, k ? KEY_SEALED : KEY_CLEAR);
	assert_int_equal(keys_unwrap(k, &rows[slot], &got), 0);
	assert_int_equal(got.len, strlen(psk));
	assert_memory_equal(got.bytes, psk, got.len);
}

static void two_devices(struct store *s)
{
	int64_t product = rows_add_product(s, 0);

	rows_add_device(s, 0, product, "a");
	rows_add_device(s, 1, product, "b");
}

static void test_first_start_with_a_key_seals_and_then_wants_it(void **state)
{
	struct store *s = *state;
	struct keys *k = keys_of(1), *other = keys_of(2);
	struct service_key_fault fault = {.what = ""};

	two_devices(s);
	put(s, NULL, "a", KEY_CURRENT, "sixteen bytes a1");
	put(s, NULL, "a", KEY_NEXT, "sixteen bytes a2");
	put(s, NULL, "b", KEY_CURRENT, "sixteen bytes b1");
	assert_int_equal(service_key_adopt(NULL, s, "db", &fault), 0); /* stays as it is */
	assert_key(s, NULL, "a", 0, "sixteen bytes a1");
	assert_int_equal(service_key_adopt(k, s, "db", &fault), 0);
	assert_key(s, k, "a", 0, "sixteen bytes a1");
	assert_key(s, k, "a", 1, "sixteen bytes a2");
	assert_key(s, k, "b", 0, "sixteen bytes b1");
	assert_int_equal(service_key_adopt(k, s, "db", &fault), 0);
	assert_int_equal(service_key_adopt(other, s, "db", &fault), ERR_CRYPTO);
	assert_string_equal(fault.where, "db");
	assert_non_null(strstr(fault.what, "sealed with another key"));
	assert_int_equal(service_key_adopt(NULL, s, "db", &fault), ERR_DENIED);
	assert_non_null(strstr(fault.todo, "LoadCredential"));
	assert_key(s, k, "b", 0, "sixteen bytes b1"); /* nothing was touched by these */
	keys_free(k);
	keys_free(other);
}

static void test_first_start_of_all_with_a_key_is_sealed(void **state)
{
	struct store *s = *state;
	struct keys *k = keys_of(1);
	struct service_key_fault fault;

	assert_int_equal(service_key_adopt(k, s, "db", &fault), 0);
	assert_int_equal(service_key_adopt(NULL, s, "db", &fault), ERR_DENIED);
	keys_free(k);
}

static void test_key_that_cannot_be_opened_stops_sealing_whole(void **state)
{
	struct store *s = *state;
	struct keys *k = keys_of(1), *other = keys_of(2);
	struct service_key_fault fault;
	struct store_seal seal = {.len = 9};

	two_devices(s);
	put(s, NULL, "a", KEY_CURRENT, "sixteen bytes a1");
	put(s, other, "b", KEY_CURRENT, "sixteen bytes b1"); /* somebody mixed two databases */
	assert_int_equal(service_key_adopt(k, s, "db", &fault), ERR_DENIED);
	assert_key(s, NULL, "a", 0, "sixteen bytes a1");
	assert_int_equal(store_seal(s, &seal), 0);
	assert_int_equal(seal.len, 0);
	keys_free(k);
	keys_free(other);
}

/* ---- which key ---- */

static void test_current_key_is_given_until_it_fails_then_the_other(void **state)
{
	static struct key_tries t;

	(void)state;
	for (unsigned coin = 0; coin < 2; coin++)
		assert_int_equal(key_tries_choose(&t, 10, 20, coin), KEY_CURRENT);
	key_tries_failed(&t, 10, 20, KEY_CURRENT);
	for (unsigned coin = 0; coin < 2; coin++)
		assert_int_equal(key_tries_choose(&t, 10, 20, coin), KEY_NEXT);
	key_tries_succeeded(&t, 10, 20);
	assert_int_equal(key_tries_choose(&t, 10, 20, true), KEY_CURRENT);
	key_tries_failed(&t, 10, 20, KEY_NEXT); /* chance had chosen that */
	for (unsigned coin = 0; coin < 2; coin++)
		assert_int_equal(key_tries_choose(&t, 10, 20, coin), KEY_CURRENT);
}

static void test_failures_from_elsewhere_leave_it_to_chance(void **state)
{
	static struct key_tries t;

	(void)state;
	key_tries_failed(&t, 10, 20, KEY_CURRENT);
	/* the same device from another address: it may have moved */
	assert_int_equal(key_tries_choose(&t, 11, 20, false), KEY_CURRENT);
	assert_int_equal(key_tries_choose(&t, 11, 20, true), KEY_NEXT);
	/* another device */
	assert_int_equal(key_tries_choose(&t, 12, 21, true), KEY_CURRENT);
	/* more failures at one address than one device makes */
	key_tries_failed(&t, 10, 20, KEY_NEXT);
	assert_int_equal(key_tries_choose(&t, 10, 20, false), KEY_CURRENT);
	assert_int_equal(key_tries_choose(&t, 10, 20, true), KEY_NEXT);
}

/* Whoever can put others out must not be able to decide what is known of them. */
static void test_who_was_put_out_is_left_to_chance(void **state)
{
	static struct key_tries t;

	(void)state;
	key_tries_failed(&t, 10, 20, KEY_CURRENT);
	key_tries_failed(&t, 10 + LIMIT_KEY_TRIES, 20, KEY_CURRENT);
	assert_int_equal(key_tries_choose(&t, 10, 20, true), KEY_NEXT);
	assert_int_equal(key_tries_choose(&t, 10, 20, false), KEY_CURRENT);
	key_tries_failed(&t, 10, 20, KEY_CURRENT);
	assert_int_equal(key_tries_choose(&t, 10, 20, true), KEY_NEXT);
	assert_int_equal(key_tries_choose(&t, 10, 20, false), KEY_CURRENT);
}

static void test_failures_under_a_name_are_counted_until_it_succeeds(void **state)
{
	static struct key_fails f;

	(void)state;
	assert_int_equal(key_fails_of(&f, 20).count, 0);
	key_fails_note(&f, 20, 1000);
	key_fails_note(&f, 20, 2000);
	assert_int_equal(key_fails_of(&f, 20).count, 2);
	assert_int_equal(key_fails_of(&f, 20).last_ms, 2000);
	assert_int_equal(key_fails_of(&f, 21).count, 0);
	key_fails_forget(&f, 20 + LIMIT_KEY_FAILS); /* another one's success */
	assert_int_equal(key_fails_of(&f, 20).count, 2);
	key_fails_note(&f, 20 + LIMIT_KEY_FAILS, 3000); /* one more than there is room for */
	assert_int_equal(key_fails_of(&f, 20).count, 0);
	assert_int_equal(key_fails_of(&f, 20 + LIMIT_KEY_FAILS).count, 1);
	key_fails_forget(&f, 20 + LIMIT_KEY_FAILS);
	assert_int_equal(key_fails_of(&f, 20 + LIMIT_KEY_FAILS).count, 0);
	f.list[5] = (struct key_fail){.identity = 5, .count = UINT32_MAX};
	key_fails_note(&f, 5, 4000);
	assert_int_equal(key_fails_of(&f, 5).count, UINT32_MAX);
}

static uint64_t random_number(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 17;
}

/* Somebody without a key fails between any two tries of the honest device, from its address or
 * from as many others as there is room for and one more: it still gets in, with either key. */
static void honest_gets_in(enum key_slot has, unsigned others, bool same_address)
{
	static struct key_tries t;
	uint64_t seed = 7;
	unsigned tries = 0;

	memset(&t, 0, sizeof(t));
	for (unsigned round = 0; round < 200; round++) {
		for (unsigned i = 0; i < others; i++) {
			uint64_t claim = random_number(&seed) | 1;
			enum key_slot given = key_tries_choose(&t, claim, 20, i & 1);
			key_tries_failed(&t, claim, 20, given);
		}
		if (same_address)
			key_tries_failed(&t, 10, 20,
					 key_tries_choose(&t, 10, 20, random_number(&seed) & 1));
		tries++;
		enum key_slot given = key_tries_choose(&t, 10, 20, random_number(&seed) & 1);
		if (given == has)
			key_tries_succeeded(&t, 10, 20);
		else
			key_tries_failed(&t, 10, 20, given);
	}
	assert_int_equal(tries, 200);
	/* how many of the next hundred would be right */
	unsigned right = 0;
	for (unsigned i = 0; i < 100; i++) {
		enum key_slot given;
		if (same_address)
			key_tries_failed(&t, 10, 20,
					 key_tries_choose(&t, 10, 20, random_number(&seed) & 1));
		given = key_tries_choose(&t, 10, 20, random_number(&seed) & 1);
		right += given == has;
		if (given == has)
			key_tries_succeeded(&t, 10, 20);
		else
			key_tries_failed(&t, 10, 20, given);
	}
	if (right < 25)
		fail_msg("slot %d, %u others, same address %d: %u of 100", has, others,
			 same_address, right);
}

static void test_nobody_who_only_fails_locks_the_honest_device_out(void **state)
{
	static const unsigned others[] = {0, 1, LIMIT_KEY_TRIES, LIMIT_KEY_TRIES + 1};

	(void)state;
	for (unsigned slot = 0; slot < KEY_SLOTS; slot++)
		for (unsigned i = 0; i < 4; i++)
			for (unsigned same = 0; same < 2; same++)
				honest_gets_in((enum key_slot)slot, others[i], same);
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, rows_setup, rows_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sealed_key_opens_in_its_own_row_only),
		cmocka_unit_test(test_mac_is_of_the_key_whatever_the_row),
		cmocka_unit_test(test_without_a_service_key_it_is_clear),
		cmocka_unit_test(test_length_of_a_key_has_bounds),
		cmocka_unit_test(test_service_key_is_32_bytes_or_64_digits),
		cmocka_unit_test(test_service_key_comes_from_the_credential_first),
		STORE_TEST(test_first_start_with_a_key_seals_and_then_wants_it),
		STORE_TEST(test_first_start_of_all_with_a_key_is_sealed),
		STORE_TEST(test_key_that_cannot_be_opened_stops_sealing_whole),
		cmocka_unit_test(test_current_key_is_given_until_it_fails_then_the_other),
		cmocka_unit_test(test_failures_from_elsewhere_leave_it_to_chance),
		cmocka_unit_test(test_who_was_put_out_is_left_to_chance),
		cmocka_unit_test(test_failures_under_a_name_are_counted_until_it_succeeds),
		cmocka_unit_test(test_nobody_who_only_fails_locks_the_honest_device_out),
	};
	log_set_level(LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
