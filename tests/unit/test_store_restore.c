/* SPDX-License-Identifier: Apache-2.0
 *
 * A restore that is killed, or that fails, before each of its steps: what is there afterwards is
 * the old database or the new one, whole, and the next try goes through.
 */
#include "store_rows.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "store/backup.h"
#include "store/restore.h"

enum { STEPS_MAX = 50, OLD_PRODUCTS = 2, NEW_PRODUCTS = 1 };

struct place {
	char db[64], backup[64], aside[80], again[80];
};

struct fault {
	unsigned at;
	bool kills;
	bool met;
};

static int fault_step(void *ctx, unsigned step)
{
	struct fault *f = ctx;

	if (step != f->at)
		return 0;
	if (f->kills)
		raise(SIGKILL);
	f->met = true;
	return ERR_IO;
}

static bool count_row(void *ctx, const struct product *p)
{
	(void)p;
	++*(unsigned *)ctx;
	return true;
}

static struct store *open_file(const char *path)
{
	static struct rows_hook none;

	return rows_open(path, true, &none);
}

/* Which of the two it is, and that it is whole. */
static unsigned products(const char *path)
{
	const struct store_check c = {.path = path, .alone = true};
	unsigned problems = 1, n = 0;
	char error[200];

	assert_int_equal(store_check(&c, &problems, error), 0);
	assert_int_equal(problems, 0);
	struct store *s = open_file(path);
	assert_int_equal(store_products(s, "", 10, count_row, &n), 0);
	(void)rows_assert_no_gaps(s);
	store_close(s);
	return n;
}

/* A backup, and a database that went on after it and was killed: its last commit is not in its
 * main file. */
static void place_make(struct place *p)
{
	char error[200];
	int status;

	rows_tmp(p->db);
	rows_tmp(p->backup);
	snprintf(p->aside, sizeof(p->aside), "%s-old", p->db);
	snprintf(p->again, sizeof(p->again), "%s-older", p->db);
	struct store *s = open_file(p->db);
	(void)rows_add_product(s, 0);
	store_close(s);
	close(open(p->backup, O_WRONLY | O_CREAT, 0600));
	const struct store_backup b = {.from = p->db, .to = p->backup};
	assert_int_equal(store_backup(&b, error), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		s = open_file(p->db);
		(void)rows_add_product(s, 3);
		_exit(0); /* committed, and not closed */
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void folder_remove(const char *file)
{
	char folder[64], name[400];
	struct dirent *entry;

	snprintf(folder, sizeof(folder), "%s", file);
	*strrchr(folder, '/') = 0;
	DIR *dir = opendir(folder);
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		snprintf(name, sizeof(name), "%s/%s", folder, entry->d_name);
		unlink(name);
	}
	closedir(dir);
	assert_int_equal(rmdir(folder), 0);
}

static void place_remove(struct place *p)
{
	folder_remove(p->backup);
	folder_remove(p->db);
}

static int restore(const struct place *p, const char *aside, struct fault *f, bool *ret_kept)
{
	char error[200];
	const struct store_restore r = {.file = p->backup,
					.db = p->db,
					.aside = aside,
					.fault = fault_step,
					.fault_ctx = f};

	return store_restore(&r, ret_kept, error);
}

static bool killed_at(const struct place *p, unsigned at)
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		struct fault f = {.at = at, .kills = true};
		bool kept;
		_exit(restore(p, p->aside, &f, &kept) ? 2 : 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
	return WIFSIGNALED(status);
}

/* The next try, which finds what the first one left lying about. */
static void goes_through(const struct place *p, unsigned now)
{
	struct fault none = {0};
	bool kept = false;

	assert_int_equal(restore(p, p->again, &none, &kept), 0);
	assert_true(kept);
	assert_int_equal(products(p->db), NEW_PRODUCTS);
	assert_int_equal(products(p->again), now);
}

static void test_restore_killed_at_each_step(void **state)
{
	unsigned old = 0, fresh = 0;
	bool killed = true;

	(void)state;
	for (unsigned at = 1; killed; at++) {
		struct place p;
		assert_true(at < STEPS_MAX);
		place_make(&p);
		killed = killed_at(&p, at);
		unsigned now = products(p.db);
		assert_true(now == OLD_PRODUCTS || now == NEW_PRODUCTS);
		assert_true(killed || now == NEW_PRODUCTS);
		/* once it is the new one it stays that, and the old one lies aside */
		assert_true(now == NEW_PRODUCTS || fresh == 0);
		if (now == NEW_PRODUCTS)
			assert_int_equal(products(p.aside), OLD_PRODUCTS);
		old += now == OLD_PRODUCTS;
		fresh += now == NEW_PRODUCTS;
		goes_through(&p, now);
		place_remove(&p);
	}
	print_message("# killed: %u times still the old one, then %u times the new one\n", old,
		      fresh);
	assert_true(old >= 8 && fresh >= 2);
}

static void test_restore_fails_at_each_step(void **state)
{
	struct fault f = {.met = true};

	(void)state;
	for (f.at = 1; f.met; f.at++) {
		struct place p;
		bool kept = true;
		assert_true(f.at < STEPS_MAX);
		place_make(&p);
		f.met = false;
		int err = restore(&p, p.aside, &f, &kept);
		assert_int_equal(err, f.met ? ERR_IO : 0);
		unsigned now = products(p.db);
		assert_true(now == OLD_PRODUCTS || now == NEW_PRODUCTS);
		if (now == OLD_PRODUCTS) /* nothing is left over */
			assert_int_not_equal(access(p.aside, F_OK), 0);
		else
			assert_int_equal(products(p.aside), OLD_PRODUCTS);
		goes_through(&p, now);
		place_remove(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_restore_killed_at_each_step),
		cmocka_unit_test(test_restore_fails_at_each_step),
	};
	log_set_level(LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
