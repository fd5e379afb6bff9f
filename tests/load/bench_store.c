/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_store [DIR [SECONDS [DEVICES]]]: write-sets per second of the store, each as large as
 * one step of an update (device, attempt and an event), all with a full sync per commit, for
 * several numbers of devices at work at once. One set per device is in flight, as in the
 * daemon. Prints one line per number, with the processor's time of both threads per set and how
 * long a set takes from its submission to its result: with one in flight that is one commit, and
 * the last of 1,000 meets the checkpoints of the WAL. */
#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "store/store.h"

struct unit {
	struct bench *bench;
	struct device device;
	struct attempt attempt;
	int64_t sent_us;
	bool busy;
};

enum { WAITS_MAX = 1 << 20 };

struct bench {
	struct store *store;
	struct unit *units;
	unsigned count, in_flight;
	uint64_t done, failed;
	sem_t wake;
	uint32_t *waits_us; /* of the run */
	size_t wait_count;
};

static void on_wake(void *ctx)
{
	struct bench *b = ctx;

	sem_post(&b->wake);
}

static void die(const char *what, int err)
{
	fprintf(stderr, "bench_store: %s: %s\n", what, err_text(err));
	exit(1);
}

static int64_t clock_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

static int64_t cpu_us(void)
{
	struct rusage r;

	(void)getrusage(RUSAGE_SELF, &r);
	return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * INT64_C(1000000) + r.ru_utime.tv_usec +
	       r.ru_stime.tv_usec;
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void on_done(void *ctx, const struct store_result *result)
{
	struct unit *u = ctx;

	if (u->bench->wait_count < WAITS_MAX)
		u->bench->waits_us[u->bench->wait_count++] = (uint32_t)(clock_us() - u->sent_us);

	u->busy = false;
	u->bench->in_flight--;
	u->bench->done++;
	if (result->err) {
		u->bench->failed++;
		return;
	}
	u->device.rev++;
	if (u->attempt.number == 0)
		u->attempt.number = (uint64_t)result->ids[0];
}

static void submit(struct unit *u, int64_t now_ms)
{
	static const char json[] = "{\"from\":\"1.0.0\",\"to\":\"1.1.0\",\"release\":17,"
				   "\"bytes_served\":524288,\"cached\":false,\"grade\":null}";
	struct store_set *set = store_set_new(on_done, u);
	struct store_event e = {.topic = "flash/progress",
				.data = "",
				.device = u->device.id,
				.attempt = u->attempt.id,
				.json = json,
				.at_ms = now_ms};

	u->device.seen_ms = now_ms;
	u->device.offline_at_ms = now_ms + 60000;
	u->attempt.received_bytes += 1024;
	u->attempt.stall_at_ms = u->attempt.total_at_ms = now_ms + 3600000;
	store_set_device(set, &u->device);
	store_set_attempt(set, &u->attempt);
	store_set_event(set, &e);
	u->busy = true;
	u->sent_us = clock_us();
	u->bench->in_flight++;
	store_submit(u->bench->store, set);
}

static void unit_init(struct unit *u, struct bench *b, unsigned number, int64_t product)
{
	u->bench = b;
	snprintf(u->device.id, sizeof(u->device.id), "sensor-%08u", number);
	u->device.product = product;
	u->device.online = true;
	report_init(&u->device.report);
	u->device.boots.count = LIMIT_BOOTS_KEPT;
	for (unsigned i = 0; i < LIMIT_BOOTS_KEPT; i++)
		u->device.boots.slot[i].id.len = LIMIT_BOOT_ID;
	u->attempt.id = number + 1;
	memcpy(u->attempt.device, u->device.id, sizeof(u->attempt.device));
	buf_copy_str(u->attempt.version, sizeof(u->attempt.version), "1.1.0");
	u->attempt.state = ATTEMPT_TRANSFERRING;
}

static void wait_for_results(struct bench *b)
{
	while (store_deliver(b->store) == 0)
		while (sem_wait(&b->wake) && errno == EINTR)
			;
}

/* `width` devices always have a set in flight, in turn. */
static void run(struct bench *b, unsigned width, double seconds)
{
	struct clock start = clock_read(), now = start;
	struct store_stats before, after;
	unsigned next = 0;

	int64_t cpu = cpu_us();

	b->wait_count = 0;
	store_stats(b->store, &before);
	while ((double)(now.now_ms - start.now_ms) < seconds * 1000) {
		for (; b->in_flight < width; next = (next + 1) % b->count)
			if (!b->units[next].busy)
				submit(&b->units[next], now.wall_ms);
		wait_for_results(b);
		now = clock_read();
	}
	while (b->in_flight)
		wait_for_results(b);
	now = clock_read();
	store_stats(b->store, &after);
	double took = (double)(now.now_ms - start.now_ms) / 1000;
	double sets = (double)(after.sets - before.sets);
	double commits = (double)(after.commits - before.commits);
	qsort(b->waits_us, b->wait_count, sizeof(*b->waits_us), by_size);
	printf("in flight %5u: %8.0f sets/s, %7.0f commits/s, %6.1f sets/commit, %5.1f us cpu/set, "
	       "wait p50 %u p99 %u p99.9 %u max %u us, %llu failed\n",
	       width, sets / took, commits / took, sets / commits, (double)(cpu_us() - cpu) / sets,
	       b->waits_us[b->wait_count / 2], b->waits_us[b->wait_count * 99 / 100],
	       b->waits_us[b->wait_count * 999 / 1000], b->waits_us[b->wait_count - 1],
	       (unsigned long long)(after.failed_sets - before.failed_sets));
}

static int64_t result_id;
static void keep_id(void *ctx, const struct store_result *result)
{
	(void)ctx;
	if (result->err)
		die("product", result->err);
	result_id = result->ids[0];
}

int main(int argc, char **argv)
{
	const char *dir = argc > 1 ? argv[1] : "/tmp";
	double seconds = argc > 2 ? strtod(argv[2], NULL) : 3;
	struct bench b = {.count = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 10000};
	static const unsigned widths[] = {1, 8, 64, 512, 4096};
	char path[256];
	struct store_conf conf = {.path = path, .wake = on_wake, .wake_ctx = &b};
	struct product p = {.name = "bench"};

	snprintf(path, sizeof(path), "%s/bench-store-%ld.db", dir, (long)getpid());
	sem_init(&b.wake, 0, 0);
	int err = store_open(&conf, &b.store);
	if (err)
		die(path, err);
	policy_init(&p.policy);
	struct store_set *set = store_set_new(keep_id, NULL);
	store_set_product(set, &p);
	store_submit(b.store, set);
	wait_for_results(&b);

	b.units = calloc(b.count, sizeof(*b.units));
	b.waits_us = calloc(WAITS_MAX, sizeof(*b.waits_us));
	if (!b.units || !b.waits_us || b.count < widths[4])
		die("devices", ERR_INVAL);
	for (unsigned i = 0; i < b.count; i++) {
		unit_init(&b.units[i], &b, i, result_id);
		submit(&b.units[i], 1);
	}
	while (b.in_flight)
		wait_for_results(&b);
	for (unsigned i = 0; i < sizeof(widths) / sizeof(widths[0]); i++)
		run(&b, widths[i], seconds);
	store_close(b.store);
	free(b.waits_us);
	free(b.units);
	unlink(path);
	return b.failed != 0;
}
