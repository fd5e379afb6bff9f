/* SPDX-License-Identifier: Apache-2.0
 *
 * Uploads through the admin API.
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

#include "base/clock.h"
#include "daemon/admin_http.h"
#include "support/admin_fixture.h"

static void test_upload_life(void **state)
{
	struct fixture *f = *state;
	char *image = malloc(IMAGE_LIMIT + 1);

	memset(image, 'i', IMAGE_LIMIT + 1);
	product_p(f);
	assert_int_equal(ask_upload(f, "1.0", image, IMAGE_LIMIT), 201);
	assert_says(f, "Location: /v1/products/p/releases/1.0\r\n");
	assert_says(f, "\"size\":1048576");
	assert_int_equal(ask_upload(f, "1.0", image, 10), 409);
	assert_int_equal(ask_upload(f, "1.1", image, IMAGE_LIMIT), 201); /* the same bytes */
	assert_int_equal(files_in(f->images_dir, false), 1);
	assert_int_equal(ask_upload(f, "1.2", image, IMAGE_LIMIT + 1), 413);
	assert_int_equal(ask_upload(f, "1.2", image, 0), 400);
	assert_says(f, "the image is empty");
	assert_int_equal(ask(f, "DELETE", "/v1/products/p/releases/1.0", NULL), 204);
	assert_int_equal(files_in(f->images_dir, false), 1);
	assert_int_equal(ask(f, "DELETE", "/v1/products/p/releases/1.1", NULL), 204);
	for (unsigned i = 0; files_in(f->images_dir, false) && i < 1000; i++)
		turn(f);
	assert_int_equal(files_in(f->images_dir, false), 0);
	free(image);
}

static const char chunked[] = "POST /v1/products/p/releases?version=1.0 HTTP/1.1\r\nHost: x\r\n"
			      "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n";

static void test_upload_chunked(void **state)
{
	struct fixture *f = *state;

	product_p(f);
	assert_int_equal(ask_raw(f, chunked, "0\r\n\r\n", 5), 400);
	assert_says(f, "the image is empty");
	assert_int_equal(ask_raw(f, chunked, "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 20), 201);
	assert_says(f, "\"size\":5");
	assert_int_equal(files_in(f->images_dir, false), 1);
}

static void test_upload_chunked_beyond_the_limit_is_refused(void **state)
{
	struct fixture *f = *state;
	size_t len = IMAGE_LIMIT + 100000;
	char *body = malloc(len + 64);
	int at = snprintf(body, 64, "%zx\r\n", len);

	memset(body + at, 'x', len);
	memcpy(body + at + len, "\r\n0\r\n\r\n", 7);
	product_p(f);
	assert_int_equal(ask_raw(f, chunked, body, (size_t)at + len + 7), 413);
	for (unsigned i = 0; files_in(f->images_dir, false) && i < 1000; i++)
		turn(f);
	assert_int_equal(files_in(f->images_dir, false), 0);
	free(body);
}

static void test_upload_cut_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	char *image = calloc(1, IMAGE_LIMIT);
	char head[256];

	product_p(f);
	(void)snprintf(head, sizeof(head),
		       "POST /v1/products/p/releases?version=1 HTTP/1.1\r\nHost: x\r\n"
		       "Content-Length: %d\r\n\r\n",
		       IMAGE_LIMIT);
	for (size_t cut = 0; cut < IMAGE_LIMIT; cut += 149797) {
		int fd = client_open(f);
		(void)client_send(f, fd, head, strlen(head));
		(void)client_send(f, fd, image, cut);
		close(fd);
		for (unsigned i = 0; i < 20 || (files_in(f->images_dir, false) && i < 1000); i++)
			turn(f);
		assert_int_equal(files_in(f->images_dir, false), 0);
	}
	assert_int_equal(ask(f, "GET", "/v1/products/p/releases", NULL), 200);
	assert_says(f, "{\"releases\":[]}");
	free(image);
}

static void test_upload_needs_a_length(void **state)
{
	struct fixture *f = *state;

	product_p(f);
	assert_int_equal(ask_raw(f,
				 "POST /v1/products/p/releases?version=1 HTTP/1.1\r\n"
				 "Host: x\r\nConnection: close\r\n\r\n",
				 NULL, 0),
			 411);
}

static void test_upload_arguments(void **state)
{
	static const struct {
		const char *query;
		int status;
		const char *says;
	} cases[] = {
		{"", 400, "version"},
		{"?version=a%20b", 400, "is not a version"},
		{"?version=1&running=mcuboot%3azz", 400, "running: \\\"mcuboot:zz\\\" is not"},
		{"?version=1&running=nonsense", 400, "is not KIND:HEX"},
		{"?version=1&running=kind-3:00112233", 400, "is not KIND:HEX"},
		{"?version=1&running=mcuboot:00112233&running=mcuboot:00112234", 400, "twice"},
		{"?version=1&running=mcuboot:00112233&running=vendor-1:00112233&"
		 "running=vendor-2:00112233&running=vendor-3:00112233",
		 400, "too many kinds"},
		{"?version=1&reports=none", 400, "is not no-digest"},
		{"?version=1&running=file:"
		 "0000000000000000000000000000000000000000000000000000000000000000",
		 400, "is not the given file:HEX"},
		{"?version=1&reports=no-digest,no-confirm&running=mcuboot:00112233&running=file:"
		 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		 201, "\"reports\":[\"no-digest\",\"no-confirm\"]"},
	};
	struct fixture *f = *state;
	char head[512];

	product_p(f);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)snprintf(head, sizeof(head),
			       "POST /v1/products/p/releases%s HTTP/1.1\r\nHost: x\r\n"
			       "Connection: close\r\nContent-Length: 3\r\n\r\nabc",
			       cases[i].query);
		int status = ask_raw(f, head, NULL, 0);
		if (status != cases[i].status || !strstr(f->answer, cases[i].says))
			fail_msg("%s: %s", cases[i].query, f->answer);
	}
	assert_int_equal(files_in(f->images_dir, false), 1);
}

static int upload_begin(struct fixture *f, unsigned version, unsigned length)
{
	char head[256];
	int fd = client_open(f);

	(void)snprintf(head, sizeof(head),
		       "POST /v1/products/p/releases?version=%u HTTP/1.1\r\nHost: x\r\n"
		       "Content-Length: %u\r\n\r\nabc",
		       version, length);
	(void)client_send(f, fd, head, strlen(head));
	return fd;
}

static void test_uploads_at_once_of_a_user_are_bounded(void **state)
{
	struct fixture *f = *state;
	int fd[LIMIT_UPLOADS_PER_USER], last;

	product_p(f);
	for (unsigned i = 0; i < LIMIT_UPLOADS_PER_USER - 1; i++)
		fd[i] = upload_begin(f, i, 10);
	for (unsigned i = 0; i < 20; i++)
		turn(f);
	assert_int_equal(ask_upload(f, "one", "abc", 3), 201); /* there is one place left */
	last = LIMIT_UPLOADS_PER_USER - 1;
	fd[last] = upload_begin(f, (unsigned)last, 10);
	for (unsigned i = 0; i < 20; i++)
		turn(f);
	assert_int_equal(ask_upload(f, "x", "abc", 3), 503);
	assert_says(f, "Retry-After: ");
	assert_says(f, "your user has 6 uploads under way");
	assert_int_equal(ask_upload(f, "x%20y", "abc", 3), 400); /* refused ones hold no place */
	for (unsigned i = 0; i < LIMIT_UPLOADS_PER_USER; i++)
		close(fd[i]);
	for (unsigned i = 0; i < 50; i++)
		turn(f);
	assert_int_equal(ask_upload(f, "x", "abc", 3), 201);
}

static int64_t later_ms;

static int64_t some_time(void)
{
	return clock_read().now_ms + later_ms;
}

/* Until the next sweep has looked at it. */
static bool upload_is_cut(struct fixture *f, int fd)
{
	for (int64_t end = clock_read().now_ms + 2500; clock_read().now_ms < end; turn(f)) {
		char c;
		if (recv(fd, &c, 1, MSG_DONTWAIT | MSG_PEEK) == 0)
			return true;
	}
	return false;
}

static void test_an_upload_that_trickles_is_cut(void **state)
{
	struct fixture *f = *state;
	char *some = calloc(1, CONN_IMAGE_LEAST);
	int slow, good;

	later_ms = 0;
	f->admin->conns.now_ms = some_time;
	product_p(f);
	slow = upload_begin(f, 1, IMAGE_LIMIT);
	good = upload_begin(f, 2, IMAGE_LIMIT);
	(void)client_send(f, slow, some, CONN_IMAGE_LEAST - 4); /* and the head's 3: 1 too few */
	(void)client_send(f, good, some, CONN_IMAGE_LEAST - 3);
	for (unsigned i = 0; i < 50; i++)
		turn(f);
	later_ms = CONN_IMAGE_WINDOW_MS - 20000; /* not yet a whole window */
	assert_false(upload_is_cut(f, slow));
	later_ms = CONN_IMAGE_WINDOW_MS;
	assert_true(upload_is_cut(f, slow));
	assert_false(upload_is_cut(f, good));
	later_ms = 2 * CONN_IMAGE_WINDOW_MS + 5000; /* in the next one it brought nothing */
	assert_true(upload_is_cut(f, good));
	for (unsigned i = 0; files_in(f->images_dir, false) && i < 1000; i++)
		turn(f);
	assert_int_equal(files_in(f->images_dir, false), 0);
	close(slow);
	close(good);
	free(some);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_CASE(test_upload_life),
		FIXTURE_CASE(test_upload_chunked),
		FIXTURE_CASE(test_upload_chunked_beyond_the_limit_is_refused),
		FIXTURE_CASE(test_upload_cut_leaves_nothing),
		FIXTURE_CASE(test_upload_needs_a_length),
		FIXTURE_CASE(test_upload_arguments),
		FIXTURE_CASE(test_uploads_at_once_of_a_user_are_bounded),
		FIXTURE_CASE(test_an_upload_that_trickles_is_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
