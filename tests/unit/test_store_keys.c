/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of devices as rows: whose they are, sealing all of them at once, and how they came out of
 * the device rows of version 1. */
#include "store_rows.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/migrate.h"
#include "store/schema.h"

enum { APPLICATION_ID = 0x50424f54 };

static struct store_key key_of(const char *device, enum key_slot slot, const char *text)
{
	struct store_key k = {.slot = slot, .form = KEY_CLEAR, .set_ms = 1000 + slot};

	strcpy(k.device, device);
	k.value_len = k.mac_len = (uint8_t)strlen(text);
	memcpy(k.value, text, k.value_len);
	memcpy(k.mac, text, k.mac_len);
	return k;
}

static int put(struct store *s, const struct store_key *k)
{
	struct store_result result;
	struct store_set *set = rows_set(&result);

	store_set_key(set, k);
	return rows_commit(s, set, &result);
}

static int take(struct store *s, const struct store_key *k)
{
	struct store_result result;
	struct store_set *set = rows_set(&result);

	store_set_key_delete(set, k);
	return rows_commit(s, set, &result);
}

static int text_put(struct store *s, const char *device, enum key_slot slot, const char *text)
{
	struct store_key k = key_of(device, slot, text);

	return put(s, &k);
}

static void assert_keys(struct store *s, const char *device, const char *current, const char *next)
{
	const char *want[] = {current, next};
	struct store_key got[KEY_SLOTS];
	unsigned count = 9, at = 0;

	assert_int_equal(store_keys(s, device, got, &count), 0);
	for (unsigned slot = 0; slot < KEY_SLOTS; slot++) {
		if (!want[slot])
			continue;
		assert_true(at < count);
		assert_int_equal(got[at].slot, slot);
		assert_int_equal(got[at].value_len, strlen(want[slot]));
		assert_memory_equal(got[at].value, want[slot], got[at].value_len);
		at++;
	}
	assert_int_equal(count, at);
}

static void two_devices(struct store *s)
{
	int64_t product = rows_add_product(s, 0);

	rows_add_device(s, 0, product, "a");
	rows_add_device(s, 1, product, "b");
}

/* ---- rows ---- */

static void test_key_row_is_read_as_it_was_put(void **state)
{
	struct store *s = *state;
	struct store_key k = {.device = "a", .slot = KEY_NEXT, .form = KEY_SEALED}, got[KEY_SLOTS];
	unsigned count = 0;

	two_devices(s);
	k.value_len = LIMIT_PSK_SEALED;
	memset(k.value, 0xe1, sizeof(k.value));
	k.mac_len = LIMIT_PSK;
	memset(k.mac, 0xc3, sizeof(k.mac));
	k.set_ms = 1700000000123;
	assert_int_equal(put(s, &k), 0);
	assert_int_equal(store_keys(s, "a", got, &count), 0);
	assert_int_equal(count, 1);
	assert_memory_equal(&got[0], &k, sizeof(k));
	assert_int_equal(store_key_by_mac(s, (struct bytes){k.mac, k.mac_len}, &got[1]), 0);
	assert_memory_equal(&got[1], &k, sizeof(k));
	assert_int_equal(store_key_by_mac(s, (struct bytes){k.mac, 16}, &got[1]), ERR_NOENT);
	k.value_len++;
	assert_int_equal(put(s, &k), ERR_INVAL);
	k.value_len = 0;
	assert_int_equal(put(s, &k), ERR_INVAL);
	assert_int_equal(store_keys(s, "b", got, &count), 0);
	assert_int_equal(count, 0);
}

static void test_same_key_is_in_one_slot_of_one_device(void **state)
{
	struct store *s = *state;

	two_devices(s);
	assert_int_equal(text_put(s, "a", KEY_CURRENT, "key one"), 0);
	assert_int_equal(text_put(s, "a", KEY_NEXT, "key one"), ERR_EXIST);
	assert_int_equal(text_put(s, "b", KEY_CURRENT, "key one"), ERR_EXIST);
	assert_int_equal(text_put(s, "b", KEY_NEXT, "key one"), ERR_EXIST);
	assert_int_equal(text_put(s, "a", KEY_NEXT, "key two"), 0);
	assert_int_equal(text_put(s, "b", KEY_CURRENT, "key two"), ERR_EXIST);
	assert_int_equal(text_put(s, "a", KEY_NEXT, "key three"), 0); /* in its place */
	assert_int_equal(text_put(s, "b", KEY_CURRENT, "key two"), 0);
	assert_int_equal(text_put(s, "none", KEY_CURRENT, "key four"), ERR_NOENT);
	assert_keys(s, "a", "key one", "key three");
	assert_keys(s, "b", "key two", NULL);
}

static void test_key_is_taken_only_while_it_is_that_one(void **state)
{
	struct store *s = *state;
	struct store_key k = key_of("a", KEY_NEXT, "key two");

	two_devices(s);
	assert_int_equal(take(s, &k), ERR_CONFLICT);
	assert_int_equal(put(s, &k), 0);
	assert_int_equal(text_put(s, "a", KEY_NEXT, "another"), 0);
	assert_int_equal(take(s, &k), ERR_CONFLICT);
	assert_keys(s, "a", NULL, "another");
	k = key_of("a", KEY_NEXT, "another");
	assert_int_equal(take(s, &k), 0);
	assert_keys(s, "a", NULL, NULL);
}

static void test_next_key_takes_the_place_of_the_current_one_at_once(void **state)
{
	struct store *s = *state;
	struct store_key next = key_of("a", KEY_NEXT, "key two"), moved = next;
	struct store_result result;

	two_devices(s);
	assert_int_equal(text_put(s, "a", KEY_CURRENT, "key one"), 0);
	assert_int_equal(put(s, &next), 0);
	moved.slot = KEY_CURRENT;
	struct store_set *set = rows_set(&result);
	store_set_key_delete(set, &next);
	store_set_key(set, &moved);
	assert_int_equal(rows_commit(s, set, &result), 0);
	assert_keys(s, "a", "key two", NULL);
	assert_int_equal(text_put(s, "b", KEY_CURRENT, "key one"), 0); /* it is nobody's now */
}

static void test_removed_device_takes_its_keys_with_it(void **state)
{
	struct store *s = *state;
	struct store_result result;

	two_devices(s);
	assert_int_equal(text_put(s, "a", KEY_CURRENT, "key one"), 0);
	assert_int_equal(text_put(s, "a", KEY_NEXT, "key two"), 0);
	struct store_set *set = rows_set(&result);
	store_set_device_delete(set, "a", 1);
	assert_int_equal(rows_commit(s, set, &result), 0);
	assert_keys(s, "a", NULL, NULL);
	assert_int_equal(text_put(s, "b", KEY_CURRENT, "key one"), 0);
	assert_int_equal(text_put(s, "b", KEY_NEXT, "key two"), 0);
}

/* ---- files ---- */

static void exec(sqlite3 *db, const char *sql)
{
	char *error = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &error))
		fail_msg("%s: %s", sql, error);
}

/* Whether any file of the database has these bytes. */
static bool on_disk(const char *path, const void *bytes, size_t len)
{
	static const char *const tails[] = {"", "-wal", "-shm", "-journal"};
	bool found = false;

	for (size_t i = 0; i < 4; i++) {
		char name[80];
		struct stat st;
		snprintf(name, sizeof(name), "%s%s", path, tails[i]);
		int fd = open(name, O_RDONLY);
		if (fd < 0)
			continue;
		assert_int_equal(fstat(fd, &st), 0);
		char *all = malloc((size_t)st.st_size + 1);
		assert_int_equal(read(fd, all, (size_t)st.st_size), st.st_size);
		found = found || memmem(all, (size_t)st.st_size, bytes, len);
		free(all);
		close(fd);
	}
	return found;
}

/* One byte of each key becomes another, and the form with it. */
static int reversible(void *ctx, struct store_key *k)
{
	unsigned *left = ctx;

	if (*left == 0)
		return ERR_CRYPTO;
	--*left;
	for (unsigned i = 0; i < k->value_len; i++)
		k->value[i] ^= 0x80;
	for (unsigned i = 0; i < k->mac_len; i++)
		k->mac[i] ^= 0x40;
	k->form = KEY_SEALED;
	return 0;
}

static struct store *open_file(const char *path)
{
	struct store_conf conf = {.path = path, .inline_commit = true};
	struct store *s = NULL;

	assert_int_equal(store_open(&conf, &s), 0);
	return s;
}

static const struct store_seal sealed = {.len = 3, .bytes = "abc"};

static void test_rewrap_reaches_every_key_or_none(void **state)
{
	struct store *s = *state;
	struct store_seal seal = {.len = 9};
	uint64_t count = 0;
	unsigned left = 2;

	two_devices(s);
	assert_int_equal(text_put(s, "a", KEY_CURRENT, "a1"), 0);
	assert_int_equal(text_put(s, "a", KEY_NEXT, "a2"), 0);
	assert_int_equal(text_put(s, "b", KEY_NEXT, "b2"), 0);
	assert_int_equal(store_rewrap(s, reversible, &left, &sealed, &count), ERR_CRYPTO);
	assert_keys(s, "a", "a1", "a2");
	assert_keys(s, "b", NULL, "b2");
	assert_int_equal(store_seal(s, &seal), 0);
	assert_int_equal(seal.len, 0);
	left = 4;
	assert_int_equal(store_rewrap(s, reversible, &left, &sealed, &count), 0);
	assert_int_equal(count, 3);
	assert_int_equal(left, 1);
	assert_keys(s, "a", "\xe1\xb1", "\xe1\xb2");
	assert_keys(s, "b", NULL, "\xe2\xb2");
	assert_int_equal(store_seal(s, &seal), 0);
	assert_memory_equal(&seal, &sealed, sizeof(seal));
}

static void test_rewrapped_keys_are_gone_from_the_files_after_scrub(void **state)
{
	static const char clear[] = "in-clear-for-all";
	char path[64], name[LIMIT_DEVICE_ID + 1], text[LIMIT_PSK];
	unsigned left = 1000;
	uint64_t count = 0;

	(void)state;
	rows_tmp(path);
	struct store *s = open_file(path);
	int64_t product = rows_add_product(s, 0);
	for (unsigned i = 0; i < 300; i++) { /* several pages of them */
		snprintf(name, sizeof(name), "d-%u", i);
		snprintf(text, sizeof(text), "%s-%u", clear, i);
		rows_add_device(s, i % ROWS_SEEDS, product, name);
		assert_int_equal(text_put(s, name, KEY_CURRENT, text), 0);
	}
	assert_true(on_disk(path, clear, strlen(clear)));
	assert_int_equal(store_scrub(s), 0); /* nothing to do */
	assert_int_equal(store_rewrap(s, reversible, &left, &sealed, &count), 0);
	assert_int_equal(count, 300);
	assert_true(on_disk(path, clear, strlen(clear))); /* of the WAL at least */
	store_close(s);
	s = open_file(path); /* the process died in between: the next one does it */
	assert_int_equal(store_scrub(s), 0);
	assert_false(on_disk(path, clear, strlen(clear)));
	assert_int_equal(text_put(s, "d-0", KEY_NEXT, "usable"), 0); /* and it goes on */
	store_close(s);
	s = open_file(path);
	assert_keys(s, "d-299",
		    "\xe9\xee\xad\xe3\xec\xe5\xe1\xf2\xad\xe6\xef\xf2\xad\xe1\xec\xec"
		    "\xad\xb2\xb9\xb9",
		    NULL);
	store_close(s);
	rows_tmp_remove(path);
}

static void test_rewrap_works_beside_the_thread_of_the_store(void **state)
{
	struct store_conf conf = {.path = ":memory:"};
	struct store *s = NULL;
	unsigned left = 9;
	uint64_t count = 0;

	(void)state;
	assert_int_equal(store_open(&conf, &s), 0);
	for (unsigned i = 0; i < 20; i++) {
		struct store_set *set = store_set_new(NULL, NULL);
		store_set_alive(set, 1000 + i);
		store_submit(s, set);
	}
	assert_int_equal(store_rewrap(s, reversible, &left, &sealed, &count), 0);
	assert_int_equal(count, 0);
	struct store_set *set = store_set_new(NULL, NULL);
	store_set_alive(set, 5000);
	store_submit(s, set);
	store_flush(s);
	struct store_info info;
	store_info(s, &info);
	assert_int_equal(info.alive_ms, 5000);
	store_close(s);
}

static void test_seal_can_be_looked_at_without_a_trace(void **state)
{
	struct store_seal seal = {.len = 9};
	char path[64], wal[80], sql[128];
	unsigned left = 1;
	uint64_t count;

	(void)state;
	rows_tmp(path);
	snprintf(wal, sizeof(wal), "%s-wal", path);
	assert_int_equal(store_seal_look(path, &seal), ERR_NOENT);
	assert_int_equal(access(path, F_OK), -1);
	struct store *s = open_file(path);
	assert_int_equal(store_seal_look(path, &seal), 0); /* also while it is open */
	assert_int_equal(seal.len, 0);
	assert_int_equal(store_rewrap(s, reversible, &left, &sealed, &count), 0);
	assert_int_equal(store_seal_look(path, &seal), 0);
	assert_memory_equal(&seal, &sealed, sizeof(seal));
	store_close(s);
	seal.len = 0;
	assert_int_equal(store_seal_look(path, &seal), 0);
	assert_memory_equal(&seal, &sealed, sizeof(seal));
	assert_int_equal(access(wal, F_OK), -1);

	sqlite3 *db = NULL;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	snprintf(sql, sizeof(sql), "UPDATE meta SET value = zeroblob(%d) WHERE key = 'seal'",
		 LIMIT_SEAL);
	exec(db, sql);
	assert_int_equal(store_seal_look(path, &seal), 0);
	assert_int_equal(seal.len, LIMIT_SEAL);
	snprintf(sql, sizeof(sql), "UPDATE meta SET value = zeroblob(%d) WHERE key = 'seal'",
		 LIMIT_SEAL + 1);
	exec(db, sql);
	sqlite3_close(db);
	assert_int_equal(store_seal_look(path, &seal), ERR_CORRUPT);
	rows_tmp_remove(path);
}

/* ---- version 1 ---- */

/* A column of a NOT NULL type gets something of it; what matters is set apart. */
static void insert_device(sqlite3 *db, const char *id, const char *psk, int created_ms)
{
	char names[4096], values[4096], sql[8400];
	struct buf n = buf_writer(names, sizeof(names)), v = buf_writer(values, sizeof(values));
	sqlite3_stmt *stmt = NULL;

	assert_int_equal(sqlite3_prepare_v2(db,
					    "SELECT name, type FROM pragma_table_info('device') "
					    "WHERE name NOT IN ('id', 'psk', 'created_ms')",
					    -1, &stmt, NULL),
			 SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(stmt, 0);
		const char *type = (const char *)sqlite3_column_text(stmt, 1);
		buf_put_str(&n, ", ");
		buf_put_str(&n, name);
		if (strcmp(name, "boots") == 0)
			buf_put_str(&v, ", x'01'");
		else if (strcmp(name, "hold") == 0)
			buf_put_str(&v, ", 'none'");
		else if (strcmp(name, "report_reset") == 0)
			buf_put_str(&v, ", 'power-on'");
		else if (strcmp(name, "report_mode") == 0)
			buf_put_str(&v, ", 'application'");
		else if (strcmp(name, "lock") == 0)
			buf_put_str(&v, ", NULL");
		else
			buf_put_str(&v, strcmp(type, "INTEGER") == 0 ? ", 1"
					: strcmp(type, "TEXT") == 0  ? ", 'none'"
								     : ", NULL");
	}
	sqlite3_finalize(stmt);
	snprintf(sql, sizeof(sql),
		 "INSERT INTO device (id, psk, created_ms%s) VALUES ('%s', %s, %d%s)", buf_cstr(&n),
		 id, psk, created_ms, buf_cstr(&v));
	exec(db, sql);
}

/* As the program of version 1 made it, from its own step. */
static void make_version_1(const char *path)
{
	sqlite3 *db = NULL;
	char sql[128];

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	exec(db, "PRAGMA journal_mode = WAL");
	exec(db, schema_steps[0].sql);
	snprintf(sql, sizeof(sql), "PRAGMA application_id = %d; PRAGMA user_version = 1",
		 APPLICATION_ID);
	exec(db, sql);
	exec(db, "INSERT INTO product VALUES (1, 1, 'p', '', NULL, 5, 0, 1, 1, 1, 0, 2, 3, 3, 3, "
		 "60, 3600, 600, 86400, 900, 86400, 65536, 0, 4, 1024)");
	insert_device(db, "a", "CAST('sixteen bytes a!' AS BLOB)", 1234);
	insert_device(db, "b", "CAST('sixteen bytes b!' AS BLOB)", 5678);
	insert_device(db, "plain", "NULL", 99);
	sqlite3_close(db);
}

static void test_keys_of_version_1_move_out_of_the_device_rows(void **state)
{
	struct store_key k[KEY_SLOTS];
	struct device d;
	unsigned count;
	char path[64];

	(void)state;
	rows_tmp(path);
	make_version_1(path);
	struct store *s = open_file(path);
	assert_keys(s, "a", "sixteen bytes a!", NULL);
	assert_keys(s, "b", "sixteen bytes b!", NULL);
	assert_keys(s, "plain", NULL, NULL);
	assert_int_equal(store_keys(s, "b", k, &count), 0);
	assert_int_equal(k[0].form, KEY_CLEAR);
	assert_int_equal(k[0].set_ms, 5678);
	assert_memory_equal(k[0].mac, "sixteen bytes b!", 16);
	assert_int_equal(text_put(s, "plain", KEY_CURRENT, "sixteen bytes a!"), ERR_EXIST);
	assert_int_equal(store_device(s, "a", &d), 0);
	assert_int_equal(d.created_ms, 1234);
	store_close(s);
	assert_int_equal(rows_number(path, "PRAGMA user_version"), migrate_version());
	assert_int_equal(rows_number(path, "SELECT COUNT(*) FROM pragma_table_info('device') "
					   "WHERE name = 'psk'"),
			 0);
	assert_int_equal(rows_number(path, "SELECT COUNT(*) FROM sqlite_schema "
					   "WHERE name = 'device_by_psk'"),
			 0);
	rows_tmp_remove(path);
}

static void test_keys_of_version_1_leave_no_trace_once_sealed(void **state)
{
	unsigned left = 9;
	uint64_t count;
	char path[64];

	(void)state;
	rows_tmp(path);
	make_version_1(path);
	struct store *s = open_file(path);
	assert_true(on_disk(path, "sixteen bytes", 13));
	assert_int_equal(store_rewrap(s, reversible, &left, &sealed, &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(store_scrub(s), 0);
	assert_false(on_disk(path, "sixteen bytes", 13));
	store_close(s);
	assert_false(on_disk(path, "sixteen bytes", 13));
	rows_tmp_remove(path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rows_setup, rows_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_key_row_is_read_as_it_was_put),
		TEST(test_same_key_is_in_one_slot_of_one_device),
		TEST(test_key_is_taken_only_while_it_is_that_one),
		TEST(test_next_key_takes_the_place_of_the_current_one_at_once),
		TEST(test_removed_device_takes_its_keys_with_it),
		TEST(test_rewrap_reaches_every_key_or_none),
		cmocka_unit_test(test_rewrapped_keys_are_gone_from_the_files_after_scrub),
		cmocka_unit_test(test_rewrap_works_beside_the_thread_of_the_store),
		cmocka_unit_test(test_seal_can_be_looked_at_without_a_trace),
		cmocka_unit_test(test_keys_of_version_1_move_out_of_the_device_rows),
		cmocka_unit_test(test_keys_of_version_1_leave_no_trace_once_sealed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
