/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests thrown at the admin API: libmicrohttpd, routes, arguments and bodies, with the real
 * engine and a store in memory. Every answer must be whole HTTP, never a 500 (nothing fails
 * here), a problem where it is an error, and JSON where it says so.
 * Input: requests with a NUL between them, sent on one connection. A request is its head, line
 * by line, an empty line, its body; Host, Content-Length and the last Connection: close are
 * added, so that a mutation of the text is still a request. The byte 1 in front sends all as it
 * is, with CRLF where LF stands.
 */
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/admin_http.h"
#include "daemon/audit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	INPUT_MAX = 16384,
	ANSWER_MAX = 1 << 20,
	INPUTS_PER_DAEMON = 64, /* what one leaves in the store the next one may meet */
	IDLE_TURNS = 3,
};

struct world {
	uv_loop_t loop;
	struct store *store;
	struct images *images;
	struct engine *engine;
	struct admin *admin;
	unsigned inputs, stopped;
	char dir[64], images_dir[80], socket[80];
};
static struct world w;
static char text[2 * INPUT_MAX + 4096], answer[ANSWER_MAX + 1];

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void on_stopped(void *ctx)
{
	(void)ctx;
	w.stopped++;
}

static void remove_files(const char *dir)
{
	DIR *d = opendir(dir);

	for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
		if (e->d_name[0] != '.')
			(void)unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		(void)closedir(d);
	(void)rmdir(dir);
}

static void world_down(void)
{
	if (!w.admin)
		return;
	w.stopped = 0;
	admin_stop(w.admin, on_stopped, NULL);
	while (w.stopped < 1) {
		(void)store_deliver(w.store);
		(void)uv_run(&w.loop, UV_RUN_NOWAIT);
	}
	engine_stop(w.engine, on_stopped, NULL);
	while (w.stopped < 2)
		(void)uv_run(&w.loop, UV_RUN_ONCE);
	admin_free(w.admin);
	engine_free(w.engine);
	images_free(w.images);
	(void)uv_run(&w.loop, UV_RUN_DEFAULT);
	store_close(w.store);
	must(uv_loop_close(&w.loop) == 0);
	(void)unlink(w.socket);
	remove_files(w.images_dir);
	(void)rmdir(w.dir);
	w.admin = NULL;
}

static void world_up(void)
{
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	const struct store_conf sc = {
		.path = ":memory:", .inline_commit = true, .hash = audit_sha256};

	static bool cleans_up;

	log_set_level(LOG_LEVEL_ERR);
	if (!cleans_up)
		must(atexit(world_down) == 0);
	cleans_up = true;
	(void)snprintf(w.dir, sizeof(w.dir), "%s/postboot-fuzz-XXXXXX", base);
	must(mkdtemp(w.dir));
	(void)snprintf(w.images_dir, sizeof(w.images_dir), "%s/images", w.dir);
	(void)snprintf(w.socket, sizeof(w.socket), "%s/sock", w.dir);
	must(uv_loop_init(&w.loop) == 0 && store_open(&sc, &w.store) == 0);
	must(images_new(&w.loop, w.images_dir, 4096, &w.images) == 0);
	const struct engine_conf ec = {
		.loop = &w.loop, .store = w.store, .images = w.images, .event_prefix = ""};
	must(engine_new(&ec, &w.engine) == 0 && engine_start(w.engine) == 0);
	const struct admin_conf ac = {.loop = &w.loop,
				      .engine = w.engine,
				      .store = w.store,
				      .images = w.images,
				      .socket_path = w.socket,
				      .socket_fd = -1,
				      .version = "0",
				      .keep_alive_ms = 1}; /* a gone reader shows at a write */
	must(admin_new(&ac, &w.admin) == 0);
	w.inputs = 0;
}

static void turn(void)
{
	(void)uv_run(&w.loop,
		     w.admin->owed && !store_deliver(w.store) ? UV_RUN_ONCE : UV_RUN_NOWAIT);
	(void)store_deliver(w.store);
}

/* ---- the client ---- */

static int client_open(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	must(buf_copy_str(addr.sun_path, sizeof(addr.sun_path), w.socket));
	must(fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	return fd;
}

/* Sends all that is taken, and reads until the daemon closes or nothing more happens (an event
 * stream has no end). */
static size_t exchange(const char *ptr, size_t len)
{
	int fd = client_open();
	size_t sent = 0, got = 0;
	bool closed = false;

	for (unsigned idle = 0; !closed && idle < IDLE_TURNS;) {
		ssize_t n = sent < len ? send(fd, ptr + sent, len - sent, MSG_NOSIGNAL) : 0;
		bool moved = n > 0 || w.admin->owed;

		sent += n > 0 ? (size_t)n : 0;
		turn();
		n = got < ANSWER_MAX ? recv(fd, answer + got, ANSWER_MAX - got, 0) : -1;
		got += n > 0 ? (size_t)n : 0;
		closed = n == 0;
		idle = moved || n > 0 ? 0 : idle + 1;
	}
	close(fd);
	for (unsigned i = 0; i < 1000 && !list_empty(&w.admin->requests); i++) {
		turn();
		if (i > 10)
			(void)poll(NULL, 0, 1);
	}
	must(list_empty(&w.admin->requests)); /* none outlives its client and its owed answers */
	answer[got] = 0;
	return got;
}

/* ---- judging ---- */

/* One answer with a known length; where the next one begins, or NULL if this one was cut. */
static const char *answer_check(const char *at)
{
	int status = 0, head_len = 0;
	const char *body = strstr(at, "\r\n\r\n"), *length;

	if (!body)
		return NULL;
	body += 4;
	must(sscanf(at, "HTTP/1.%*1[01] %d %n", &status, &head_len) == 1);
	if (status == 100)
		return body;
	if (status == 500) {
		(void)fprintf(stderr, "%s\n", at);
		abort();
	}
	length = strcasestr(at, "\r\nContent-Length:");
	if (!length || length > body)
		return NULL; /* a stream, or an answer of libmicrohttpd's own */
	size_t len = strtoul(length + 17, NULL, 10);
	if (len > strlen(body))
		return NULL; /* to HEAD, or cut */
	const char *type = strcasestr(at, "\r\nContent-Type:");
	bool problem =
		type && type < body && !strncasecmp(type + 16, "application/problem+json", 24);
	bool json = type && type < body && !strncasecmp(type + 16, "application/json", 16);
	if ((problem || json) && len > 0) {
		json_t *parsed = json_loadb(body, len, 0, NULL);

		must(json_is_object(parsed) || (json && parsed));
		must(!problem || json_integer_value(json_object_get(parsed, "status")) == status);
		json_decref(parsed);
	}
	return body + len;
}

/* ---- the input ---- */

static void put_lines(struct buf *out, const char *ptr, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (ptr[i] == '\n')
			buf_put_u8(out, '\r');
		buf_put_u8(out, (uint8_t)ptr[i]);
	}
}

static void put_request(struct buf *out, const char *ptr, size_t len, bool last)
{
	const char *end = memmem(ptr, len, "\n\n", 2);
	size_t head = end ? (size_t)(end - ptr) : len;
	size_t body = end ? len - head - 2 : 0;
	const char *line = memchr(ptr, '\n', head);
	size_t first = line ? (size_t)(line - ptr) : head;
	char more[96];

	buf_put_bytes(out, ptr, first);
	(void)snprintf(more, sizeof(more), " HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n%s",
		       body, last ? "Connection: close\r\n" : "");
	buf_put_str(out, more);
	if (line) {
		put_lines(out, line + 1, head - first - 1);
		buf_put_str(out, "\r\n");
	}
	buf_put_str(out, "\r\n");
	if (body)
		buf_put_bytes(out, end + 2, body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf out = buf_writer(text, sizeof(text));
	const char *at = (const char *)data, *end = at + size;

	if (size == 0 || size > INPUT_MAX)
		return 0;
	if (w.admin && w.inputs >= INPUTS_PER_DAEMON)
		world_down();
	if (!w.admin)
		world_up();
	w.inputs++;
	if (*at == 1) {
		put_lines(&out, at + 1, size - 1);
	} else {
		for (bool last = false; !last && at < end;) {
			const char *stop = memchr(at, 0, (size_t)(end - at));

			last = !stop || stop + 1 == end;
			put_request(&out, at, (size_t)((stop ? stop : end) - at), last);
			at = stop ? stop + 1 : end;
		}
	}
	if (!buf_ok(&out))
		return 0;
	size_t got = exchange(text, out.pos);
	if (memchr(answer, 0, got)) /* only an image or a stream could, and there is none */
		abort();
	if (*data != 1 && !memmem(text, out.pos, "HEAD", 4)) /* has a length without a body */
		for (const char *a = answer; a && *a;)
			a = answer_check(a);
	return 0;
}
