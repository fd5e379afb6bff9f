/* SPDX-License-Identifier: Apache-2.0
 *
 * What is left when one operation below sqlite fails, or the process ends there, or memory runs
 * out: operation 1, 2, ... until the work succeeds, for every kind of work. After each the
 * database opens, is sound (store_check), holds all of the work or nothing, holds it for sure if
 * the work was acknowledged, and the work can be done again.
 *
 * FAULT_LONG in the environment: every way at every operation (of the allocations of opening and
 * migrating, which are a hundred thousand, every 101st); else they take turns. Under sanitizers,
 * which look at the same code for other things, some operations are left out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vfs.h"
#include "works.h"

enum { WORKS_MAX = 40, OUTCOMES_MAX = 4096 };

/* AddressSanitizer: what was freed is kept for 256 MB, and every fork() copies its tables. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "quarantine_size_mb=4";
}

static char stages[WORKS_MAX][WORK_PATH]; /* the files before each work */
static char run_db[WORK_PATH];
static unsigned share, shares = 1; /* of the works that this process does */
static int stderr_fd;
static bool *acked; /* shared with children */

/* ---- arming ---- */

/* What the store logs of it is not of interest. */
static void quiet(bool on)
{
	static int null_fd = -1;

	if (null_fd < 0)
		null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	fflush(stderr);
	dup2(on ? null_fd : stderr_fd, STDERR_FILENO);
}

struct fault {
	enum vfs_mode mode;
	unsigned long at;
	bool memory;
};

static void arm(void *ctx)
{
	const struct fault *f = ctx;

	quiet(true);
	if (f->memory)
		memory_arm(f->at);
	else
		vfs_arm(f->mode, f->at);
}

static bool disarm(void)
{
	bool vfs_hit = vfs_disarm(), memory_hit = memory_disarm();

	quiet(false);
	return vfs_hit || memory_hit;
}

static void ack(void *ctx)
{
	(void)ctx;
	*acked = true;
}

static int do_plainly(const struct work *w)
{
	struct fault never = {.mode = VFS_COUNT};
	int err = work_do(w, run_db, arm, &never, ack);

	(void)disarm();
	return err;
}

static bool long_run(void)
{
	return getenv("FAULT_LONG") != NULL;
}

/* ---- after it ---- */

static long long serial_of(const char *db)
{
	return number_in(db, "SELECT COALESCE((SELECT value FROM meta WHERE key = 'serial'), 0)");
}

static void product_sound(const struct work *w, const char *what)
{
	char name[WORK_PATH + 16];

	snprintf(name, sizeof(name), "%s%s", run_db, w->product ? w->product : "");
	if (w->product)
		assert_sound(name, what);
}

/* What many faults leave is the same, to the byte; one look at it is enough. */
static struct {
	uint64_t list[OUTCOMES_MAX];
	unsigned count;
} outcomes;

static bool is_known(uint64_t outcome)
{
	for (unsigned i = 0; i < outcomes.count; i++)
		if (outcomes.list[i] == outcome)
			return true;
	return false;
}

static void remember(uint64_t outcome)
{
	if (outcomes.count < OUTCOMES_MAX)
		outcomes.list[outcomes.count++] = outcome;
}

static void remove_aside(void)
{
	char name[WORK_PATH + 16];

	snprintf(name, sizeof(name), "%s-aside", run_db);
	unlink(name);
}

/* `err`: of the work, or 1 if nobody knows; `sharp`: an error says that nothing was done. */
static void assert_left(const struct work *w, long long before, int err, bool sharp,
			const char *what)
{
	const struct work *open_work = &works[0]; /* "create" */
	bool done = *acked;			  /* what follows acknowledges, too */

	/* A restart finds it in order, ... */
	if (do_plainly(open_work) != 0)
		fail_msg("%s: it does not open any more", what);
	assert_sound(run_db, what);
	long long now = serial_of(run_db);
	if (w->fill) { /* ... done or not done */
		if (now != before && now != before + 1)
			fail_msg("%s: serial %lld, before it %lld", what, now, before);
		if (done && now == before)
			fail_msg("%s: it was acknowledged and is lost", what);
		if (sharp && err && now != before)
			fail_msg("%s: it failed and is there", what);
	}
	if (done)
		product_sound(w, what);
	/* It can be done now. */
	if (w->fill ? now != before : done)
		return;
	remove_aside();
	if (do_plainly(w) != 0)
		fail_msg("%s: it cannot be done afterwards", what);
	product_sound(w, what);
	if (w->run != works[0].run && do_plainly(open_work) != 0)
		fail_msg("%s: done afterwards, it does not open", what);
	assert_sound(run_db, what);
}

static void assert_after(unsigned i, int err, bool sharp, const char *what)
{
	bool nothing = sharp && err;
	uint64_t outcome = files_print(run_db) * 8 + (uint64_t)*acked * 2 + nothing;

	if (err == 0 && !*acked)
		fail_msg("%s: no error and no word", what);
	if (is_known(outcome))
		return;
	assert_left(&works[i], serial_of(stages[i]), err, sharp, what);
	remember(outcome);
}

/* ---- one run each ---- */

static void describe(char dst[96], const struct work *w, const char *mode, unsigned long n)
{
	snprintf(dst, 96, "%s, %s at %lu", w->name, mode, n);
}

/* Whether the fault came. */
static bool fail_at(unsigned i, struct fault f, const char *mode)
{
	const struct work *w = &works[i];
	char what[96];

	describe(what, w, mode, f.at);
	files_copy(stages[i], run_db);
	*acked = false;
	chance_begin();
	int err = work_do(w, run_db, arm, &f, ack);
	bool hit = disarm();
	if (!hit && err)
		fail_msg("%s: %d without a fault", what, err);
	if (hit)
		assert_after(i, err, w->sharp && f.mode != VFS_FAIL_STAYS, what);
	return hit;
}

static bool kill_at(unsigned i, struct fault f, const char *mode)
{
	const struct work *w = &works[i];
	char what[96];
	int status = 0;

	describe(what, w, mode, f.at);
	files_copy(stages[i], run_db);
	*acked = false;
	chance_begin();
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int err = work_do(w, run_db, arm, &f, ack);
		_exit(err ? 1 : 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (!WIFEXITED(status) || WEXITSTATUS(status) == 1)
		fail_msg("%s: status %d", what, status);
	if (WEXITSTATUS(status) == 0)
		return false;
	assert_int_equal(WEXITSTATUS(status), VFS_KILLED);
	assert_after(i, 1, false, what);
	return true;
}

/* ---- all of them ---- */

/* From n to the next one: opening takes hundreds of reads and thousands of allocations alike, and
 * migrating a hundred thousand of them. */
static unsigned long next(unsigned long n, unsigned long stride, unsigned long long_stride)
{
	const char *sanitized = getenv("SANITIZED");

	if (n < 16)
		return n + 1;
	if (long_run())
		return n + long_stride;
	return n + (sanitized && strcmp(sanitized, "yes") == 0 ? 3 * stride : stride);
}

static const struct {
	enum vfs_mode mode;
	const char *name;
} fails[] = {{VFS_FAIL, "error"}, {VFS_FULL, "full"}, {VFS_FAIL_STAYS, "error that stays"}},
  kills[] = {{VFS_TORN, "kill, torn"}, {VFS_LOST, "kill, lost"}, {VFS_MIXED, "kill, mixed"}};
enum { MODES = 3 };

static void test_fault_at_each_operation_of_each_work(void **state)
{
	(void)state;
	for (unsigned i = share; i < work_count; i += shares) {
		bool more = true;
		unsigned long n = 0, turn = 0;

		outcomes.count = 0;
		for (; more; turn++) {
			n = next(n, works[i].fill ? 1 : 17, 1);
			more = false;
			for (unsigned m = 0; m < MODES; m++)
				if (long_run() || turn % MODES == m)
					more |= fail_at(
						i, (struct fault){.mode = fails[m].mode, .at = n},
						fails[m].name);
		}
		if (n < 4)
			fail_msg("%s: only %lu operations", works[i].name, n);
	}
}

static void test_kill_at_each_operation_of_each_work(void **state)
{
	(void)state;
	for (unsigned i = share; i < work_count; i += shares) {
		bool more = true;
		unsigned long n = 0, turn = 0;

		outcomes.count = 0;
		for (; more; turn++) {
			n = next(n, works[i].fill ? 1 : 7, 1);
			more = false;
			for (unsigned m = 0; m < MODES; m++)
				if (long_run() || turn % MODES == m)
					more |= kill_at(
						i, (struct fault){.mode = kills[m].mode, .at = n},
						kills[m].name);
		}
		if (n < 3)
			fail_msg("%s: only %lu operations", works[i].name, n);
	}
}

static void test_memory_runs_out_at_each_allocation_of_each_work(void **state)
{
	(void)state;
	for (unsigned i = share; i < work_count; i += shares) {
		unsigned long n = 1;

		outcomes.count = 0;
		while (fail_at(i, (struct fault){.at = n, .memory = true}, "no memory"))
			n = next(n, works[i].fill ? 11 : 1201, works[i].fill ? 1 : 101);
		if (n < 4)
			fail_msg("%s: only %lu allocations", works[i].name, n);
	}
}

/* ---- the story without a fault ---- */

static int setup(void **state)
{
	(void)state;
	vfs_register();
	stderr_fd = dup(STDERR_FILENO);
	acked = mmap(NULL, sizeof(*acked), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	assert_true(acked != MAP_FAILED);
	assert_true(work_count <= WORKS_MAX);
	files_make(run_db);
	char story[WORK_PATH];
	files_make(story);
	for (unsigned i = 0; i < work_count; i++) {
		files_make(stages[i]);
		files_copy(story, stages[i]);
		if (works[i].prepare)
			works[i].prepare(stages[i]);
		files_copy(stages[i], run_db);
		if (do_plainly(&works[i]) != 0)
			fail_msg("%s: it fails without a fault", works[i].name);
		if (!works[i].aside)
			files_copy(run_db, story);
		assert_sound(run_db, works[i].name);
	}
	files_remove(story);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < work_count; i++)
		files_remove(stages[i]);
	files_remove(run_db);
	close(stderr_fd);
	return 0;
}

/* test_fault [PATTERN [FIRST STEP]]: only the tests with such a name, and of the works only number
 * FIRST, FIRST + STEP, ... */
int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fault_at_each_operation_of_each_work),
		cmocka_unit_test(test_kill_at_each_operation_of_each_work),
		cmocka_unit_test(test_memory_runs_out_at_each_allocation_of_each_work),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	if (argc > 3) {
		share = (unsigned)strtoul(argv[2], NULL, 10);
		shares = (unsigned)strtoul(argv[3], NULL, 10);
	}
	if (shares == 0 || share >= shares)
		return 2;
	return cmocka_run_group_tests(tests, setup, teardown);
}
