/* SPDX-License-Identifier: Apache-2.0 */
#include "works.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/check.h"

static const char *const tails[] = {"",
				    "-wal",
				    "-shm",
				    "-mark",
				    "-journal",
				    "-copy",
				    "-aside",
				    "-restore",
				    "-copy-journal",
				    "-copy-wal",
				    "-copy-shm",
				    "-now",
				    "-restore-journal",
				    "-aside-wal",
				    "-aside-shm",
				    "-aside-journal"};
enum { TAILS = sizeof(tails) / sizeof(tails[0]) };

/* Where a sync costs nothing: what is not synced is lost by the test's own doing. */
static const char *folder(void)
{
	return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

void files_make(char db[WORK_PATH])
{
	char dir[64];

	snprintf(dir, sizeof(dir), "%s/postboot-fault-XXXXXX", folder());
	assert_non_null(mkdtemp(dir));
	snprintf(db, WORK_PATH, "%s/db", dir);
}

static void copy_file(const char *from, const char *to)
{
	static char block[1 << 20];
	int in = open(from, O_RDONLY);
	ssize_t n;

	unlink(to);
	if (in < 0)
		return;
	int out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(out >= 0);
	while ((n = read(in, block, sizeof(block))) > 0)
		assert_int_equal(write(out, block, (size_t)n), n);
	close(in);
	close(out);
}

void files_copy(const char *from, const char *to)
{
	char a[WORK_PATH + 32], b[WORK_PATH + 32];

	for (int i = 0; i < TAILS; i++) {
		snprintf(a, sizeof(a), "%s%s", from, tails[i]);
		snprintf(b, sizeof(b), "%s%s", to, tails[i]);
		copy_file(a, b);
	}
}

void files_remove(const char *db)
{
	char name[WORK_PATH + 32];

	for (int i = 0; i < TAILS; i++) {
		snprintf(name, sizeof(name), "%s%s", db, tails[i]);
		unlink(name);
	}
	snprintf(name, sizeof(name), "%s", db);
	*strrchr(name, '/') = 0;
	assert_int_equal(rmdir(name), 0);
}

/* FNV-1a over words: what a file holds, and that it is there. */
static uint64_t file_print(const char *name, uint64_t h)
{
	static uint64_t block[1 << 17];
	int in = open(name, O_RDONLY);
	ssize_t n;

	if (in < 0)
		return h * 31;
	while ((n = read(in, block, sizeof(block))) > 0) {
		memset((char *)block + n, 0, (8 - (size_t)n % 8) % 8);
		for (size_t i = 0; i < ((size_t)n + 7) / 8; i++)
			h = ((h ^ block[i]) * 0x100000001b3u) ^ h >> 47;
		h += (uint64_t)n;
	}
	close(in);
	return h;
}

uint64_t files_print(const char *db)
{
	char name[WORK_PATH + 32];
	uint64_t h = 0xcbf29ce484222325u;

	for (int i = 0; i < TAILS; i++) {
		snprintf(name, sizeof(name), "%s%s", db, tails[i]);
		if (strcmp(tails[i], "-shm") != 0) /* made anew from the others */
			h = file_print(name, (h ^ (uint64_t)i) * 0x100000001b3u);
	}
	return h;
}

bool file_is_there(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_size > 0;
}

/* ---- checks ---- */

static void on_finding(void *ctx, const struct store_finding *f)
{
	print_error("%s: %s: %s\n", (const char *)ctx, f->where, f->what);
}

void assert_sound(const char *db, const char *what)
{
	char title[128], error[200];
	const struct store_check c = {
		.path = db, .alone = true, .hash = fault_hash, .finding = on_finding, .ctx = title};
	unsigned problems = 0;

	snprintf(title, sizeof(title), "%s", what);
	int err = store_check(&c, &problems, error);
	if (err || problems)
		fail_msg("%s: %s: %s, %u problems", what, err_text(err), error, problems);
}

long long number_in(const char *db, const char *text)
{
	sqlite3 *handle = NULL;
	sqlite3_stmt *stmt = NULL;
	long long n = -1;

	if (!file_is_there(db))
		return n;
	assert_int_equal(sqlite3_open_v2(db, &handle, SQLITE_OPEN_READWRITE, "unix"), SQLITE_OK);
	if (sqlite3_prepare_v2(handle, text, -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(handle);
	return n;
}
