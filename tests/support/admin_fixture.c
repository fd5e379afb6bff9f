/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/audit.h"
#include "support/admin_fixture.h"

/* ---- the daemon ---- */

static void on_wake(void *ctx)
{
	struct fixture *f = ctx;

	(void)uv_async_send(&f->wake);
}

static void deliver(uv_async_t *wake)
{
	struct fixture *f = wake->data;

	(void)store_deliver(f->store);
}

void daemon_up(struct fixture *f)
{
	const struct store_conf sc = {
		.path = f->db, .wake = on_wake, .wake_ctx = f, .hash = audit_sha256};
	assert_int_equal(uv_loop_init(&f->loop), 0);
	assert_int_equal(uv_async_init(&f->loop, &f->wake, deliver), 0);
	f->wake.data = f;
	assert_int_equal(store_open(&sc, &f->store), 0);
	assert_int_equal(images_new(&f->loop, f->images_dir, IMAGE_LIMIT, &f->images), 0);
	const struct engine_conf ec = {
		.loop = &f->loop, .store = f->store, .images = f->images, .event_prefix = ""};
	assert_int_equal(engine_new(&ec, &f->engine), 0);
	assert_int_equal(engine_start(f->engine), 0);
	const struct admin_conf ac = {.loop = &f->loop,
				      .engine = f->engine,
				      .store = f->store,
				      .images = f->images,
				      .socket_path = f->socket,
				      .socket_fd = -1,
				      .version = "0",
				      .started_ms = 1000,
				      .keep_alive_ms = 50};
	assert_int_equal(admin_new(&ac, &f->admin), 0);
	f->stopped = false;
}

static void on_stopped(void *ctx)
{
	struct fixture *f = ctx;

	f->stopped = true;
}

void daemon_down(struct fixture *f)
{
	admin_stop(f->admin, on_stopped, f);
	while (!f->stopped)
		(void)uv_run(&f->loop, UV_RUN_ONCE);
	admin_free(f->admin);
	f->stopped = false;
	engine_stop(f->engine, on_stopped, f);
	while (!f->stopped)
		(void)uv_run(&f->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&f->wake, NULL);
	(void)uv_run(&f->loop, UV_RUN_DEFAULT);
	engine_free(f->engine);
	images_free(f->images);
	(void)uv_run(&f->loop, UV_RUN_DEFAULT);
	store_close(f->store);
	assert_int_equal(uv_loop_close(&f->loop), 0);
}

int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	log_set_level(LOG_LEVEL_ERR);
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/postboot-admin-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->db, sizeof(f->db), "%s/db", f->dir);
	(void)snprintf(f->images_dir, sizeof(f->images_dir), "%s/images", f->dir);
	(void)snprintf(f->socket, sizeof(f->socket), "%s/sock", f->dir);
	f->answer = calloc(1, ANSWER_CAP + 1);
	daemon_up(f);
	*state = f;
	return 0;
}

unsigned files_in(const char *dir, bool remove)
{
	DIR *d = opendir(dir);
	unsigned count = 0;

	for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		count++;
		if (remove)
			(void)unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d)
		closedir(d);
	return count;
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	daemon_down(f);
	(void)files_in(f->images_dir, true);
	(void)rmdir(f->images_dir);
	(void)files_in(f->dir, true);
	(void)rmdir(f->dir);
	free(f->answer);
	free(f);
	return 0;
}

/* ---- the client ---- */

int client_open(struct fixture *f)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, f->socket);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

void turn(struct fixture *f)
{
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	(void)poll(NULL, 0, 1);
}

size_t client_send(struct fixture *f, int fd, const void *ptr, size_t len)
{
	const char *p = ptr;
	size_t at = 0;

	for (unsigned idle = 0; at < len && idle < 200;) {
		ssize_t n = send(fd, p + at, len - at, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			break;
		idle = n > 0 ? 0 : idle + 1;
		at += n > 0 ? (size_t)n : 0;
		turn(f);
	}
	return at;
}

bool client_read(struct fixture *f, int fd, const char *until)
{
	size_t len = 0;

	f->answer[0] = 0;
	for (int ms = 0; ms < PATIENCE_MS; ms++) {
		ssize_t n = recv(fd, f->answer + len, ANSWER_CAP - len, 0);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return until == NULL;
		len += n > 0 ? (size_t)n : 0;
		f->answer[len] = 0;
		if (until && strstr(f->answer, until))
			return true;
		turn(f);
	}
	fail_msg("the daemon neither answered nor closed; so far: %s", f->answer);
	return false;
}

int ask_raw(struct fixture *f, const char *head, const void *body, size_t len)
{
	int fd = client_open(f), status = 0;

	(void)client_send(f, fd, head, strlen(head));
	if (len)
		(void)client_send(f, fd, body, len);
	(void)client_read(f, fd, NULL);
	close(fd);
	const char *line = f->answer;
	while (sscanf(line, "HTTP/1.1 %d", &status) == 1 && status == 100)
		line = strstr(line, "\r\n\r\n") + 4;
	return status;
}

int ask(struct fixture *f, const char *method, const char *path, const char *json)
{
	char head[16384];

	(void)snprintf(head, sizeof(head),
		       "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
		       "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
		       method, path, json ? strlen(json) : 0);
	return ask_raw(f, head, json, json ? strlen(json) : 0);
}

int ask_upload(struct fixture *f, const char *version, const void *image, size_t len)
{
	char head[512];

	(void)snprintf(head, sizeof(head),
		       "POST /v1/products/p/releases?version=%s HTTP/1.1\r\nHost: x\r\n"
		       "Connection: close\r\nContent-Length: %zu\r\n\r\n",
		       version, len);
	return ask_raw(f, head, image, len);
}

void product_p(struct fixture *f)
{
	assert_int_equal(ask(f, "POST", "/v1/products", "{\"name\":\"p\"}"), 201);
}

void assert_bad(struct fixture *f, const struct bad *bad, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int status = ask(f, bad[i].method, bad[i].path, bad[i].json);
		if (status != bad[i].status || !strstr(f->answer, bad[i].says))
			fail_msg("%s %s %s: wanted %d %s, got %s", bad[i].method, bad[i].path,
				 bad[i].json ? bad[i].json : "", bad[i].status, bad[i].says,
				 f->answer);
		assert_says(f, "Content-Type: application/problem+json");
	}
}
