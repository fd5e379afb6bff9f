/* SPDX-License-Identifier: Apache-2.0
 *
 * What is left after a fault, the end of the process, or a full disk, at each operation of each
 * kind of write-set. */
#include "store_rows.h"

#include <sqlite3.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/private.h"

/* ---- every operation of every kind of set ---- */

static void change_product(struct store_set *set)
{
	struct product p;

	rows_product(1, &p);
	store_set_product(set, &p);
	p.id = p.rev = 1;
	p.name[0] ^= 1;
	store_set_product(set, &p);
}

static void change_release(struct store_set *set)
{
	struct release r;

	rows_release(2, 1, &r);
	store_set_release(set, &r);
	store_set_release_delete(set, 2);
}

static void change_device(struct store_set *set)
{
	struct device d;

	rows_device(2, 1, &d);
	store_set_device(set, &d);
	rows_device(3, 1, &d);
	memset(d.id, 0, sizeof(d.id));
	strcpy(d.id, "dev");
	d.rev = 1;
	store_set_device(set, &d);
	store_set_device_delete(set, "dev", 2);
}

static void change_attempt(struct store_set *set)
{
	struct diagnoses diagnoses = {.count = 3};
	struct attempt a;

	rows_attempt(0, "dev", &a);
	a.number = 1;
	a.state = ATTEMPT_CLOSED;
	store_set_attempt(set, &a);
	store_set_diagnoses(set, a.id, &diagnoses);
	rows_attempt(1, "dev", &a);
	store_set_attempt(set, &a);
}

static void change_small(struct store_set *set)
{
	store_set_seen(set, "dev", 1, 2);
	store_set_alive(set, 3);
}

static void (*const changes[])(struct store_set *set) = {
	change_product, change_release, change_device, change_attempt, change_small,
};
enum { CHANGE_COUNT = sizeof(changes) / sizeof(changes[0]) };

static struct store_set *change_set(struct store_result *result, unsigned kind)
{
	struct store_set *set = rows_event_set(result, 1);

	changes[kind](set);
	rows_add_event(set, "", "{}");
	rows_add_audit(set, "dev");
	return set;
}

static uint64_t hash(uint64_t h, const void *ptr, int len)
{
	for (int i = 0; i < len; i++)
		h = (h ^ ((const uint8_t *)ptr)[i]) * 1099511628211U;
	return (h ^ 0xff) * 1099511628211U;
}

static uint64_t hash_table(sqlite3 *db, const char *table, uint64_t h)
{
	sqlite3_stmt *stmt = NULL;
	char sql[128];

	snprintf(sql, sizeof(sql), "SELECT * FROM \"%s\"", table);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW)
		for (int i = 0; i < sqlite3_column_count(stmt); i++) {
			const void *blob = sqlite3_column_blob(stmt, i);
			h = hash(h, blob, sqlite3_column_bytes(stmt, i));
		}
	sqlite3_finalize(stmt);
	return h;
}

/* Of all rows of all tables; also that sqlite finds nothing wrong. */
static uint64_t fingerprint(const char *path)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *stmt = NULL;
	uint64_t h = 14695981039346656037U;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &stmt, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(stmt, 0), "ok");
	sqlite3_finalize(stmt);
	assert_int_equal(sqlite3_prepare_v2(db,
					    "SELECT name FROM sqlite_schema WHERE type = 'table'",
					    -1, &stmt, NULL),
			 SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW)
		h = hash_table(db, (const char *)sqlite3_column_text(stmt, 0), h);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return h;
}

/* The store fails at operation n and goes on; whether there was such an operation. */
static bool fault_at(unsigned kind, unsigned long n)
{
	struct rows_hook h = {.at = n, .err = n % 2 ? ERR_FULL : ERR_IO};
	struct store_result result, after;
	char path[64];

	rows_tmp(path);
	rows_make_base(path);
	uint64_t before = fingerprint(path);
	struct store *s = rows_open(path, true, &h);
	int err = rows_commit(s, change_set(&result, kind), &result);
	assert_int_equal(err, err ? h.err : 0);
	assert_int_equal(rows_assert_no_gaps(s), err ? 2 : 4);
	assert_int_equal(rows_assert_audit(s), err ? 0 : 1);
	assert_int_equal(result.audit.seq, err ? 0 : 1);
	assert_true((fingerprint(path) == before) == (err != 0));
	if (err) { /* it works once the fault is over */
		assert_int_equal(rows_commit(s, change_set(&after, kind), &after), 0);
		assert_int_equal(after.first_event, 3);
	}
	store_close(s);
	s = rows_open(path, true, &h);
	assert_int_equal(rows_assert_no_gaps(s), 4);
	assert_int_equal(rows_assert_audit(s), 1);
	store_close(s);
	rows_tmp_remove(path);
	return err != 0;
}

static void test_fault_at_each_operation_leaves_all_or_nothing(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < CHANGE_COUNT; kind++) {
		unsigned long n = 1;
		while (fault_at(kind, n))
			n++;
		assert_true(n > 8);
	}
}

/* The process dies at operation n; whether it did. */
static bool crash_at(unsigned kind, unsigned long n)
{
	struct rows_hook h = {.at = n}, none = {0};
	struct store_result result;
	char path[64];
	int status = 0;

	rows_tmp(path);
	rows_make_base(path);
	uint64_t before = fingerprint(path);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct store *s = rows_open(path, true, &h);
		store_submit(s, change_set(&result, kind));
		_exit(7); /* committed, and not closed */
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	bool died = WEXITSTATUS(status) == 0;
	struct store *s = rows_open(path, true, &none);
	assert_int_equal(rows_assert_no_gaps(s), died ? 2 : 4);
	assert_int_equal(rows_assert_audit(s), died ? 0 : 1);
	assert_true((fingerprint(path) == before) == died);
	if (died)
		assert_int_equal(rows_commit(s, change_set(&result, kind), &result), 0);
	assert_int_equal(rows_assert_no_gaps(s), 4);
	assert_int_equal(rows_assert_audit(s), 1);
	store_close(s);
	rows_tmp_remove(path);
	return died;
}

static void test_crash_at_each_operation_leaves_all_or_nothing(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < CHANGE_COUNT; kind++) {
		unsigned long n = 1;
		while (crash_at(kind, n))
			n++;
		assert_true(n > 8);
	}
}

/* ---- a disk that is full ---- */

static void limit_pages(struct store *s, long long more)
{
	long long pages = 0;
	char sql[64];

	assert_int_equal(db_query_number(&s->writer, "PRAGMA page_count", &pages), 0);
	snprintf(sql, sizeof(sql), "PRAGMA max_page_count = %lld", pages + more);
	assert_int_equal(db_exec(&s->writer, sql), 0);
}

static void test_full_disk_is_an_error_of_the_set_and_passes(void **state)
{
	(void)state;
	static char json[20000];
	struct rows_hook none = {0};
	struct store_result r;
	char path[64];
	uint64_t head = 2;

	memset(json, 'x', sizeof(json) - 1);
	rows_tmp(path);
	rows_make_base(path);
	struct store *s = rows_open(path, true, &none);
	limit_pages(s, 8);
	for (unsigned i = 0; i < 4; i++) { /* two fit into what is left, then none */
		struct store_set *set = rows_event_set(&r, 1);
		rows_add_event(set, "dev", i % 2 ? "{}" : json);
		int err = rows_commit(s, set, &r);
		assert_true(err == 0 || err == ERR_FULL);
		assert_int_equal(err, i == 2 ? ERR_FULL : 0);
		head += err ? 0 : 2;
		assert_int_equal(rows_assert_no_gaps(s), head);
	}
	assert_non_null(strstr(store_error(s), "full"));
	limit_pages(s, 100);
	struct store_set *set = rows_event_set(&r, 1);
	rows_add_event(set, "dev", json);
	assert_int_equal(rows_commit(s, set, &r), 0);
	assert_int_equal(rows_assert_no_gaps(s), head + 2);
	store_close(s);
	fingerprint(path); /* sqlite finds nothing wrong */
	rows_tmp_remove(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fault_at_each_operation_leaves_all_or_nothing),
		cmocka_unit_test(test_crash_at_each_operation_leaves_all_or_nothing),
		cmocka_unit_test(test_full_disk_is_an_error_of_the_set_and_passes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
