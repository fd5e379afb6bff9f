/* SPDX-License-Identifier: Apache-2.0
 *
 * The schema against the code: query plans, columns, migration, databases that are not ours. */
#include "store_rows.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/columns.h"
#include "store/migrate.h"
#include "store/schema.h"
#include "store/stmt.h"

static sqlite3 *open_plain(const char *path)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	return db;
}

static void exec(sqlite3 *db, const char *sql)
{
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static sqlite3 *open_schema(void)
{
	sqlite3 *db = open_plain(":memory:");

	for (const struct schema_step *step = schema_steps; step->sql; step++)
		exec(db, step->sql);
	return db;
}

static int store_try(const char *path)
{
	struct store_conf conf = {.path = path, .inline_commit = true};
	struct store *s = NULL;
	int err = store_open(&conf, &s);

	store_close(s);
	return err;
}

/* ---- statements ---- */

/* How many lines of the plan walk a whole table or index. */
static unsigned scans(sqlite3 *db, const struct stmt_row *row)
{
	sqlite3_stmt *stmt = NULL;
	char sql[8192];
	unsigned count = 0;

	snprintf(sql, sizeof(sql), "EXPLAIN QUERY PLAN %s", row->sql);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		const char *line = (const char *)sqlite3_column_text(stmt, 3);
		bool bad = strncmp(line, "SCAN", 4) == 0 && strcmp(line, "SCAN CONSTANT ROW") != 0;
		bad = bad || strncmp(line, "USE TEMP B-TREE", 15) == 0;
		if (bad && !row->may_scan)
			print_error("%s: %s\n", row->name, line);
		count += bad;
	}
	sqlite3_finalize(stmt);
	return count;
}

static void test_no_statement_scans_or_sorts_without_permission(void **state)
{
	(void)state;
	sqlite3 *db = open_schema();
	unsigned bad = 0;

	for (int id = 0; id < STMT_COUNT; id++) {
		const struct stmt_row *row = &stmt_rows[id];
		assert_non_null(row->sql);
		unsigned count = scans(db, row);
		if (!row->may_scan)
			bad += count;
		else
			assert_true(count > 0); /* a permission nobody needs */
	}
	assert_int_equal(bad, 0);
	sqlite3_close(db);
}

/* ---- columns ---- */

static unsigned column_count(sqlite3 *db, const char *table)
{
	sqlite3_stmt *stmt = NULL;
	unsigned count;

	assert_int_equal(sqlite3_prepare_v2(db, "SELECT COUNT(*) FROM pragma_table_info(?)", -1,
					    &stmt, NULL),
			 SQLITE_OK);
	sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	count = (unsigned)sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	return count;
}

static bool has_column(sqlite3 *db, const char *table, const char *column)
{
	return sqlite3_table_column_metadata(db, NULL, table, column, NULL, NULL, NULL, NULL,
					     NULL) == SQLITE_OK;
}

static void test_schema_has_the_columns_of_the_lists_and_no_others(void **state)
{
	(void)state;
	sqlite3 *db = open_schema();

	/* that each name exists is shown by preparing the statements; here, that no more do */
	assert_int_equal(column_count(db, "product"), 2 + PRODUCT_COLUMN_COUNT + POLICY_COUNT);
	assert_int_equal(column_count(db, "device_group"), 2 + GROUP_COLUMN_COUNT);
	assert_int_equal(column_count(db, "rollout"),
			 2 + ROLLOUT_COLUMN_COUNT + ROLLOUT_RULE_COUNT);
	assert_int_equal(column_count(db, "rollout_wave"), 2 + WAVE_COLUMN_COUNT);
	assert_int_equal(column_count(db, "release"), 1 + RELEASE_COLUMN_COUNT);
	assert_int_equal(column_count(db, "release_digest"), 2 + DIGEST_COLUMN_COUNT);
	assert_int_equal(column_count(db, "device"), 4 + DEVICE_FIXED_COUNT + DEVICE_COLUMN_COUNT);
	assert_int_equal(column_count(db, "attempt"),
			 2 + ATTEMPT_FIXED_COUNT + ATTEMPT_COLUMN_COUNT);
	for (size_t i = 0; i < POLICY_COUNT; i++)
		assert_true(has_column(db, "product", policy_rows[i].name));
	sqlite3_close(db);
}

static void assert_column(sqlite3 *db, const char *before, const char *word)
{
	char name[64];

	snprintf(name, sizeof(name), "%s%s_ms", before, word);
	for (char *c = name; *c; c++)
		if (*c == '-')
			*c = '_';
	assert_true(has_column(db, "attempt", name));
}

static void test_rungs_and_evidence_have_the_columns_of_their_words(void **state)
{
	(void)state;
	sqlite3 *db = open_schema();

#define RUNG(name, word) assert_column(db, "rung_", word);
#define EVIDENCE(name, bit, word) assert_column(db, "evidence_", word);
	RUNG_LIST(RUNG)
	EVIDENCE_LIST(EVIDENCE)
	sqlite3_close(db);
}

static void test_all_tables_are_strict(void **state)
{
	(void)state;
	sqlite3 *db = open_schema();
	sqlite3_stmt *stmt = NULL;

	assert_int_equal(sqlite3_prepare_v2(db,
					    "SELECT name, strict FROM pragma_table_list "
					    "WHERE schema = 'main' AND name NOT LIKE 'sqlite%'",
					    -1, &stmt, NULL),
			 SQLITE_OK);
	unsigned count = 0;
	for (; sqlite3_step(stmt) == SQLITE_ROW; count++)
		assert_int_equal(sqlite3_column_int(stmt, 1), 1);
	assert_true(count >= 12);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
}

/* ---- files ---- */

static void test_new_file_is_private_and_migrated_once(void **state)
{
	(void)state;
	char path[64];
	struct stat st;
	struct store_info first, second;
	struct store_conf conf = {.path = path, .inline_commit = true};
	struct store *s = NULL;

	rows_tmp(path);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(store_open(&conf, &s), 0);
		store_info(s, i ? &second : &first);
		store_close(s);
		assert_int_equal(rows_number(path, "PRAGMA user_version"), migrate_version());
	}
	assert_int_equal(strlen(first.stream), 32);
	assert_int_equal(strspn(first.stream, "0123456789abcdef"), 32);
	assert_string_equal(first.stream, second.stream);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	rows_tmp_remove(path);
}

static void test_streams_differ(void **state)
{
	struct store_info one, two;
	struct store *other = rows_store();

	store_info(*state, &one);
	store_info(other, &two);
	assert_string_not_equal(one.stream, two.stream);
	store_close(other);
}

/* The whole file, and that the folder holds nothing beside it. */
static size_t slurp(const char *path, char **ret)
{
	struct stat st;
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	*ret = malloc((size_t)st.st_size + 1);
	assert_int_equal(read(fd, *ret, (size_t)st.st_size), st.st_size);
	close(fd);
	return (size_t)st.st_size;
}

static void assert_refused_untouched(const char *path, int want)
{
	char wal[80], shm[80], *before, *after;
	struct stat st, st_after;
	size_t size = slurp(path, &before);

	snprintf(wal, sizeof(wal), "%s-wal", path);
	snprintf(shm, sizeof(shm), "%s-shm", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(store_try(path), want);
	assert_int_equal(slurp(path, &after), size);
	assert_memory_equal(before, after, size);
	assert_int_equal(stat(path, &st_after), 0);
	assert_int_equal(st.st_mtim.tv_sec, st_after.st_mtim.tv_sec);
	assert_int_equal(st.st_mtim.tv_nsec, st_after.st_mtim.tv_nsec);
	assert_int_equal(access(wal, F_OK), -1);
	assert_int_equal(access(shm, F_OK), -1);
	free(before);
	free(after);
}

static void test_newer_version_is_refused_untouched(void **state)
{
	(void)state;
	char path[64];

	rows_tmp(path);
	assert_int_equal(store_try(path), 0);
	sqlite3 *db = open_plain(path);
	exec(db, "PRAGMA user_version = 9999");
	sqlite3_close(db);
	assert_refused_untouched(path, ERR_VERSION);
	rows_tmp_remove(path);
}

/* A newer program migrated and crashed: its version is only in the WAL. */
static void test_newer_version_in_the_wal_is_refused(void **state)
{
	(void)state;
	char path[64], wal[80], *before, *after;

	rows_tmp(path);
	assert_int_equal(store_try(path), 0);
	sqlite3 *db = open_plain(path);
	sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	exec(db, "PRAGMA user_version = 9999");
	sqlite3_close(db);
	snprintf(wal, sizeof(wal), "%s-wal", path);
	size_t size = slurp(wal, &before);
	assert_true(size > 0);
	assert_int_equal(store_try(path), ERR_VERSION);
	assert_int_equal(slurp(wal, &after), size);
	assert_memory_equal(before, after, size);
	free(before);
	free(after);
	rows_tmp_remove(path);
}

static void test_database_of_another_program_is_refused_untouched(void **state)
{
	(void)state;
	char path[64];

	rows_tmp(path);
	sqlite3 *db = open_plain(path);
	exec(db, "CREATE TABLE recipe (id INTEGER)");
	sqlite3_close(db);
	assert_refused_untouched(path, ERR_INVAL);
	rows_tmp_remove(path);
}

static void test_file_that_is_no_database_is_refused_untouched(void **state)
{
	(void)state;
	char path[64];

	rows_tmp(path);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	for (unsigned i = 0; i < 500; i++)
		fputs("To be or not to be\n", f);
	fclose(f);
	assert_refused_untouched(path, ERR_CORRUPT);
	rows_tmp_remove(path);
}

static void test_strange_path_and_empty_file_are_fine(void **state)
{
	(void)state;
	char path[64];

	rows_tmp(path);
	strcpy(strrchr(path, '/'), "/a?b#c%41 d");
	fclose(fopen(path, "w"));
	assert_int_equal(store_try(path), 0);
	assert_int_equal(store_try(path), 0);
	rows_tmp_remove(path);
	assert_int_equal(store_try(path), ERR_NOENT); /* no folder */
}

static void test_row_that_makes_no_sense_is_corrupt(void **state)
{
	(void)state;
	static const char *const changes[] = {
		"UPDATE device SET hold = 'sunny'",
		"UPDATE device SET report_version = hex(zeroblob(40))",
		"UPDATE device SET online = 2",
		"UPDATE device SET resets = -1",
		"UPDATE device SET report_cached = x'00'",
		"UPDATE device SET boots = x''",
		"UPDATE device SET boots = x'02'",
		"UPDATE device SET boots = x'0108'",
		"UPDATE device SET boots = substr(boots, 1, length(boots) - 1)",
		"UPDATE device SET boots = CAST(boots || substr(boots, 2) AS BLOB)",
	};
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		char path[64];
		struct store_conf conf = {.path = path, .inline_commit = true};
		struct store *s = NULL;
		struct device d = {.rev = 77};

		rows_tmp(path);
		assert_int_equal(store_open(&conf, &s), 0);
		rows_add_device(s, 0, rows_add_product(s, 0), "dev");
		sqlite3 *db = open_plain(path);
		exec(db, changes[i]);
		sqlite3_close(db);
		assert_int_equal(store_device(s, "dev", &d), ERR_CORRUPT);
		assert_int_equal(d.rev, 77);
		assert_non_null(strstr(store_error(s), "STMT_DEVICE"));
		store_close(s);
		rows_tmp_remove(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_statement_scans_or_sorts_without_permission),
		cmocka_unit_test(test_schema_has_the_columns_of_the_lists_and_no_others),
		cmocka_unit_test(test_rungs_and_evidence_have_the_columns_of_their_words),
		cmocka_unit_test(test_all_tables_are_strict),
		cmocka_unit_test(test_new_file_is_private_and_migrated_once),
		cmocka_unit_test_setup_teardown(test_streams_differ, rows_setup, rows_teardown),
		cmocka_unit_test(test_newer_version_is_refused_untouched),
		cmocka_unit_test(test_newer_version_in_the_wal_is_refused),
		cmocka_unit_test(test_database_of_another_program_is_refused_untouched),
		cmocka_unit_test(test_file_that_is_no_database_is_refused_untouched),
		cmocka_unit_test(test_strange_path_and_empty_file_are_fine),
		cmocka_unit_test(test_row_that_makes_no_sense_is_corrupt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
