/* SPDX-License-Identifier: Apache-2.0
 *
 * The event stream; many clients at once; clients that go away.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <unistd.h>

#include "support/admin_fixture.h"

static void device_d(struct fixture *f)
{
	product_p(f);
	assert_int_equal(
		ask(f, "POST", "/v1/devices", "{\"id\":\"d\",\"product\":\"p\",\"plain\":true}"),
		201);
}

static void make_events(struct fixture *f, unsigned pairs)
{
	for (unsigned i = 0; i < pairs; i++) {
		assert_int_equal(ask(f, "POST", "/v1/devices/d/hold", NULL), 200);
		assert_int_equal(ask(f, "POST", "/v1/devices/d/unhold", NULL), 200);
	}
}

static unsigned occurrences(const char *text, const char *word)
{
	unsigned n = 0;

	for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
		n++;
	return n;
}

static void test_events_page_by_page_to_the_head(void **state)
{
	struct fixture *f = *state;

	device_d(f);
	make_events(f, 100); /* more than a page of rows */
	assert_int_equal(ask(f, "GET", "/v1/events", NULL), 200);
	assert_says(f, "Content-Type: application/x-ndjson");
	assert_int_equal(occurrences(f->answer, "\"topic\":"), 200);
	assert_int_equal(ask(f, "GET", "/v1/events?after=190", NULL), 200);
	assert_int_equal(occurrences(f->answer, "\"topic\":"), 10);
	assert_int_equal(ask(f, "GET", "/v1/events?after=10&limit=70", NULL), 200);
	assert_int_equal(occurrences(f->answer, "\"topic\":"), 70);
	assert_int_equal(ask(f, "GET", "/v1/events?device=other", NULL), 200);
	assert_int_equal(occurrences(f->answer, "\"topic\":"), 0);
	assert_int_equal(ask(f, "GET", "/v1/events?after=200", NULL), 200);
	assert_int_equal(ask(f, "GET", "/v1/events?after=201", NULL), 410);
	assert_int_equal(ask(f, "GET", "/v1/events?after=", NULL),
			 400); /* a cursor that was lost */
}

static void retire_to(struct fixture *f, uint64_t left)
{
	const struct store_retire what = {.events_max = left};
	struct store_set *set = store_set_new(NULL, NULL);

	store_set_retire(set, &what);
	store_submit(f->store, set);
	store_flush(f->store);
	(void)store_deliver(f->store);
}

static void test_events_that_are_no_longer_kept_are_gone(void **state)
{
	struct fixture *f = *state;

	device_d(f);
	make_events(f, 10);
	retire_to(f, 6); /* 15 to 20 */
	assert_int_equal(ask(f, "GET", "/v1/events", NULL), 200);
	assert_int_equal(occurrences(f->answer, "\"topic\":"), 6);
	assert_int_equal(ask(f, "GET", "/v1/events?after=0", NULL), 200);
	assert_int_equal(occurrences(f->answer, "\"topic\":"), 6);
	assert_int_equal(ask(f, "GET", "/v1/events?after=14", NULL), 200);
	assert_int_equal(occurrences(f->answer, "\"topic\":"), 6);
	assert_int_equal(ask(f, "GET", "/v1/events?after=13", NULL), 410);
	assert_says(f, "events after the cursor are no longer kept");
	assert_says(f, ":15\"");
	assert_says(f, ":20\"");
	assert_int_equal(ask(f, "GET", "/v1/events?after=13&device=other", NULL), 410);
	retire_to(f, 1);
	make_events(f, 1);
	assert_int_equal(ask(f, "GET", "/v1/events?after=19", NULL), 200);
	assert_int_equal(occurrences(f->answer, "\"topic\":"), 3);
}

/* A reader that stands still while its next events go is cut off, not led over a gap. */
static void test_follower_behind_the_oldest_event_is_cut_off(void **state)
{
	struct fixture *f = *state;
	static const char get[] = "GET /v1/events?after=0&follow=1 HTTP/1.1\r\nHost: x\r\n\r\n";

	device_d(f);
	make_events(f, 600); /* more than the socket between us holds */
	int fd = client_open(f);
	(void)client_send(f, fd, get, sizeof(get) - 1);
	for (unsigned i = 0; i < 100; i++)
		turn(f);
	for (unsigned i = 0; i < 3; i++)
		retire_to(f, 1);
	assert_false(client_read(f, fd, "\"seq\":1200,"));
	assert_says(f, "\"seq\":1,");
	close(fd);
}

static void test_follower_gets_events_as_they_come(void **state)
{
	struct fixture *f = *state;
	static const char get[] = "GET /v1/events?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n";
	char *kept = f->answer;
	int fd;

	device_d(f);
	make_events(f, 1);
	fd = client_open(f);
	(void)client_send(f, fd, get, sizeof(get) - 1);
	assert_true(client_read(f, fd, "\r\n\r\n")); /* the head comes before any event */
	f->answer = calloc(1, ANSWER_CAP + 1);
	make_events(f, 1);
	free(f->answer);
	f->answer = kept;
	assert_true(client_read(f, fd, "\"data\":\"none\""));
	assert_int_equal(occurrences(f->answer, "\"topic\":"), 2);
	assert_says(f, "\"seq\":3");
	close(fd);
}

static void test_follower_sse_resumes_by_last_event_id(void **state)
{
	struct fixture *f = *state;
	static const char get[] = "GET /v1/events?follow=1&after=0 HTTP/1.1\r\nHost: x\r\n"
				  "Accept: text/event-stream\r\nLast-Event-ID: 2\r\n\r\n";
	int fd;

	device_d(f);
	make_events(f, 2);
	fd = client_open(f);
	(void)client_send(f, fd, get, sizeof(get) - 1);
	assert_true(client_read(f, fd, ": keep-alive\n\n"));
	assert_says(f, "Content-Type: text/event-stream");
	assert_says(f, ":3\nevent: device/held\ndata: {");
	assert_says(f, ":4\nevent: device/held\ndata: {");
	assert_int_equal(occurrences(f->answer, "\nevent: "), 2);
	close(fd);
}

static void test_followers_that_do_not_read_cost_nothing(void **state)
{
	struct fixture *f = *state;
	static const char get[] = "GET /v1/events?follow=1&after=0 HTTP/1.1\r\nHost: x\r\n\r\n";
	enum { DEAF = 20 };
	int fd[DEAF];

	device_d(f);
	for (unsigned i = 0; i < DEAF; i++) {
		fd[i] = client_open(f);
		(void)client_send(f, fd[i], get, sizeof(get) - 1);
	}
	make_events(f, 60);
	assert_int_equal(ask(f, "GET", "/v1/status", NULL), 200);
	for (unsigned i = 0; i < DEAF; i += 2)
		close(fd[i]); /* gone without a word */
	make_events(f, 60);
	for (unsigned i = 0; i < 100; i++)
		turn(f);
	for (unsigned i = 1; i < DEAF; i += 2) {
		assert_true(client_read(f, fd[i], "\"seq\":240,"));
		assert_int_equal(occurrences(f->answer, "\"topic\":"), 240);
		close(fd[i]);
	}
}

static const char get_status[] = "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n";
static const char get_follow[] = "GET /v1/events?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n";

/* Lets the daemon close what it wants closed. */
static void turns(struct fixture *f, unsigned ms)
{
	for (unsigned i = 0; i < ms; i++)
		turn(f);
}

static bool is_closed(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK) == 0;
}

static void test_connections_of_a_process_are_bounded(void **state)
{
	struct fixture *f = *state;
	enum { MOST = LIMIT_ADMIN_PER_PROCESS };
	int fd[MOST], more;

	for (unsigned i = 0; i < MOST; i++)
		fd[i] = client_open(f);
	turns(f, 20);
	for (unsigned i = 0; i < MOST; i++)
		assert_false(is_closed(fd[i]));
	/* None has waited for long: the newcomer is told. */
	more = client_open(f);
	assert_true(client_read(f, more, "too many connections"));
	assert_says(f, "HTTP/1.1 503 ");
	assert_says(f, "Retry-After: ");
	close(more);
	(void)client_send(f, fd[0], get_status, sizeof(get_status) - 1);
	assert_true(client_read(f, fd[0], "\"health\""));
	turns(f, 1200);
	/* Now it gets the place of the one that waits longest: of all but the first. */
	more = client_open(f);
	(void)client_send(f, more, get_status, sizeof(get_status) - 1);
	assert_true(client_read(f, more, "\"health\""));
	assert_true(is_closed(fd[1]));
	assert_false(is_closed(fd[0]));
	assert_false(is_closed(fd[2]));
	close(more);
	for (unsigned i = 0; i < MOST; i++)
		close(fd[i]);
	turns(f, 20);
	assert_int_equal(ask(f, "GET", "/v1/status", NULL), 200);
}

static void test_a_request_under_way_keeps_its_place(void **state)
{
	struct fixture *f = *state;
	enum { MOST = LIMIT_ADMIN_PER_PROCESS };
	int fd[MOST];

	for (unsigned i = 0; i < MOST; i++) {
		fd[i] = client_open(f);
		(void)client_send(f, fd[i], get_follow, sizeof(get_follow) - 1);
		assert_true(client_read(f, fd[i], "\r\n\r\n"));
	}
	turns(f, 1200);
	assert_int_equal(ask(f, "GET", "/v1/status", NULL), 503);
	close(fd[7]); /* which is noticed within a second */
	turns(f, 1500);
	assert_int_equal(ask(f, "GET", "/v1/status", NULL), 200);
	for (unsigned i = 0; i < MOST; i++)
		if (i != 7)
			close(fd[i]);
}

/* ---- a flood of events ---- */

enum { FLOOD_SETS = 100, FLOOD_SET = 1000 };

static void flood_done(void *ctx, const struct store_result *result)
{
	assert_int_equal(result->err, 0);
	(*(unsigned *)ctx)++;
}

/* As many events as a big fleet makes in a while, past the engine. */
static void flood(struct fixture *f)
{
	const struct store_event e = {.topic = "device/online",
				      .data = "",
				      .device = "d",
				      .json = "{\"product\":\"p\"}",
				      .at_ms = 1795391467123};
	unsigned done = 0;

	for (unsigned i = 0; i < FLOOD_SETS; i++) {
		struct store_set *set = store_set_new(flood_done, &done);
		for (unsigned k = 0; k < FLOOD_SET; k++)
			store_set_event(set, &e);
		store_submit(f->store, set);
		while (done <= i)
			turn(f);
	}
}

static unsigned rss_kib(void)
{
	FILE *in = fopen("/proc/self/statm", "r");
	unsigned long size = 0, resident = 0;

	assert_non_null(in);
	assert_int_equal(fscanf(in, "%lu %lu", &size, &resident), 2);
	(void)fclose(in);
	return (unsigned)(resident * (unsigned long)sysconf(_SC_PAGESIZE) / 1024);
}

/* Reads, and keeps only so much that a word is found that was cut. */
static void read_up_to(struct fixture *f, int fd, const char *want)
{
	char text[65536 + 128];
	size_t kept = 0;

	for (;;) {
		ssize_t n = recv(fd, text + kept, 65536, 0);
		assert_true(n != 0);
		if (n < 0) {
			turn(f);
			continue;
		}
		text[kept + (size_t)n] = 0;
		if (strstr(text, want))
			return;
		size_t len = kept + (size_t)n;
		kept = len < 100 ? len : 100;
		memmove(text, text + len - kept, kept);
	}
}

static void test_a_flood_past_deaf_followers_costs_little(void **state)
{
	struct fixture *f = *state;
	enum { DEAF = LIMIT_ADMIN_PER_PROCESS - 2 };
	static const char from[] = "GET /v1/events?follow=1&after=0 HTTP/1.1\r\nHost: x\r\n\r\n";
	int fd[DEAF], last;
	char want[64];

	device_d(f);
	make_events(f, 1);
	for (unsigned i = 0; i < DEAF; i++) {
		fd[i] = client_open(f);
		(void)client_send(f, fd[i], from, sizeof(from) - 1);
	}
	turns(f, 50);
	unsigned before = rss_kib();
	flood(f);
	make_events(f, 1); /* tells the followers */
	turns(f, 50);
	unsigned after = rss_kib();
	const char *sanitized = getenv("SANITIZED");
	unsigned most = sanitized && strcmp(sanitized, "yes") == 0 ? 400000 : 50000;
	if (after > before + most)
		fail_msg("%u KiB before, %u KiB after", before, after);
	/* All of it is there for one who reads, */
	(void)snprintf(want, sizeof(want), "\"seq\":%u,", FLOOD_SETS * FLOOD_SET + 4);
	last = client_open(f);
	(void)client_send(f, last, from, sizeof(from) - 1);
	read_up_to(f, last, want);
	close(last);
	/* and the deaf ones are not forgotten. */
	assert_true(client_read(f, fd[0], "\"seq\":9,"));
	for (unsigned i = 0; i < DEAF; i++)
		close(fd[i]);
}

/* Clients that are gone before their act has ended, and a stop over everything. */
static void test_stop_over_sleeping_requests(void **state)
{
	struct fixture *f = *state;
	static const char follow[] = "GET /v1/events?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n";
	static const char act[] = "POST /v1/devices/d/hold HTTP/1.1\r\nHost: x\r\n\r\n";
	static const char image[] = "POST /v1/products/p/releases?version=1 HTTP/1.1\r\nHost: x\r\n"
				    "Content-Length: 3\r\n\r\nabc";
	static const char part[] = "POST /v1/products/p/releases?version=2 HTTP/1.1\r\nHost: x\r\n"
				   "Content-Length: 9\r\n\r\nabc";
	static const char *const all[] = {follow, act, image, part, act, image};
	int fd[6];

	device_d(f);
	for (unsigned i = 0; i < 6; i++) {
		fd[i] = client_open(f);
		assert_true(send(fd[i], all[i], strlen(all[i]), MSG_NOSIGNAL) > 0);
		if (i >= 4) {
			close(fd[i]);
			fd[i] = -1;
		}
	}
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	daemon_down(f);
	for (unsigned i = 0; i < 6; i++)
		if (fd[i] >= 0)
			close(fd[i]);
	daemon_up(f);
	assert_int_equal(ask(f, "GET", "/v1/releases", NULL), 200);
	/* An image is there exactly when its release is. */
	assert_int_equal(files_in(f->images_dir, false), strstr(f->answer, "\"id\":") ? 1 : 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_CASE(test_events_page_by_page_to_the_head),
		FIXTURE_CASE(test_events_that_are_no_longer_kept_are_gone),
		FIXTURE_CASE(test_follower_behind_the_oldest_event_is_cut_off),
		FIXTURE_CASE(test_follower_gets_events_as_they_come),
		FIXTURE_CASE(test_follower_sse_resumes_by_last_event_id),
		FIXTURE_CASE(test_followers_that_do_not_read_cost_nothing),
		FIXTURE_CASE(test_connections_of_a_process_are_bounded),
		FIXTURE_CASE(test_a_request_under_way_keeps_its_place),
		FIXTURE_CASE(test_a_flood_past_deaf_followers_costs_little),
		FIXTURE_CASE(test_stop_over_sleeping_requests),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
