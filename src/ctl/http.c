/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "ctl/text.h"

enum {
	CONNECT_S = 5,
	ANSWER_S = 60,	      /* an answer, or a step of an upload, takes longer: give up */
	COPY_S = 3600,	      /* a database is copied before its first byte comes */
	SILENCE_S = 45,	      /* a stream says something every 15 s */
	ANSWER_MAX = 1 << 26, /* bytes of one answer */
	LINE_MAX_BYTES = 1 << 20,
};

struct http {
	CURL *curl;
	char *socket;
	char *host_error; /* CURLOPT_ERRORBUFFER */
	char *got;	  /* what has come and is not used up */
	size_t got_len, got_cap;
	char if_match[48]; /* a header, "": none */
	long status;
	char code[64];
	char error[1024];

	/* stream */
	http_object_fn fn;
	void *fn_arg;
	bool done, bad;

	/* download */
	int fd, fd_errno;
	int64_t written;
	char *first;
	size_t first_cap;

	/* upload */
	http_progress_fn progress;
	void *progress_arg;
	int64_t size;
};

struct http *http_new(const char *socket)
{
	struct http *h = mem_get(sizeof(*h));

	h->socket = mem_copy(socket);
	h->host_error = mem_get(CURL_ERROR_SIZE);
	if (curl_global_init(CURL_GLOBAL_NOTHING) != 0)
		return h;
	h->curl = curl_easy_init();
	return h;
}

void http_free(struct http *h)
{
	if (h == NULL)
		return;
	curl_easy_cleanup(h->curl);
	curl_global_cleanup();
	free(h->socket);
	free(h->host_error);
	free(h->got);
	free(h);
}

void http_if_rev(struct http *h, int64_t rev)
{
	h->if_match[0] = '\0';
	if (rev > 0)
		(void)snprintf(h->if_match, sizeof(h->if_match), "If-Match: \"%" PRId64 "\"", rev);
}

long http_status(const struct http *h)
{
	return h->status;
}

const char *http_code(const struct http *h)
{
	return h->code;
}

const char *http_error(const struct http *h)
{
	return h->error;
}

__attribute__((format(printf, 2, 3))) static void say(struct http *h, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(h->error, sizeof(h->error), fmt, ap);
	va_end(ap);
}

static bool keep(struct http *h, const char *data, size_t len, size_t max)
{
	if (len > max || h->got_len > max - len)
		return false;
	if (h->got_len + len + 1 > h->got_cap) {
		h->got_cap = (h->got_len + len + 1) * 2;
		h->got = mem_grow(h->got, h->got_cap);
	}
	memcpy(h->got + h->got_len, data, len);
	h->got_len += len;
	h->got[h->got_len] = '\0';
	return true;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	return keep(arg, data, size * n, ANSWER_MAX) ? size * n : 0;
}

/* Hands out one line; an empty one is the server's sign of life. */
static void take_line(struct http *h, const char *line, size_t len)
{
	json_error_t where;
	json_t *object;

	if (len == 0 || h->done || h->bad)
		return;
	object = json_loadb(line, len, 0, &where);
	if (!json_is_object(object))
		h->bad = true;
	else if (!h->fn(object, h->fn_arg))
		h->done = true;
	json_decref(object);
}

static size_t on_stream(char *data, size_t size, size_t n, void *arg)
{
	struct http *h = arg;
	size_t used = 0;
	long status = 0;

	if (!keep(h, data, size * n, LINE_MAX_BYTES)) {
		h->bad = true;
		return 0;
	}
	/* a refusal is one object over several lines */
	(void)curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 400)
		return size * n;
	for (;;) {
		char *end = memchr(h->got + used, '\n', h->got_len - used);

		if (end == NULL || h->done || h->bad)
			break;
		take_line(h, h->got + used, (size_t)(end - h->got) - used);
		used = (size_t)(end - h->got) + 1;
	}
	memmove(h->got, h->got + used, h->got_len - used);
	h->got_len -= used;
	return h->done || h->bad ? 0 : size * n;
}

static void begin(struct http *h, const char *path)
{
	char *url = NULL;

	curl_easy_reset(h->curl);
	h->got_len = 0;
	h->status = 0;
	h->code[0] = h->error[0] = h->host_error[0] = '\0';
	h->done = h->bad = false;
	url = mem_get(strlen(path) + 32);
	(void)sprintf(url, "http://localhost%s", path);
	(void)curl_easy_setopt(h->curl, CURLOPT_URL, url);
	free(url);
	(void)curl_easy_setopt(h->curl, CURLOPT_UNIX_SOCKET_PATH, h->socket);
	(void)curl_easy_setopt(h->curl, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(h->curl, CURLOPT_PROTOCOLS_STR, "http");
	(void)curl_easy_setopt(h->curl, CURLOPT_PATH_AS_IS, 1L);
	(void)curl_easy_setopt(h->curl, CURLOPT_ERRORBUFFER, h->host_error);
	(void)curl_easy_setopt(h->curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
	(void)curl_easy_setopt(h->curl, CURLOPT_USERAGENT, "postbootctl/" PACKAGE_VERSION);
	(void)curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, h);
}

/* No connection: which socket, and what to do. */
static void say_no_daemon(struct http *h)
{
	long e = 0;

	(void)curl_easy_getinfo(h->curl, CURLINFO_OS_ERRNO, &e);
	if (strlen(h->socket) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		say(h, "%s: too long for the path of a socket", h->socket);
	else if (e == EACCES || e == EPERM)
		say(h, "not permitted to use %s: be root or in its group", h->socket);
	else
		say(h,
		    "no postbootd at %s (%s): start it, or name its socket with --socket or "
		    "POSTBOOT_SOCKET",
		    h->socket, e ? strerror((int)e) : h->host_error);
}

static int lost(struct http *h, CURLcode rc)
{
	const char *why = h->host_error[0] ? h->host_error : curl_easy_strerror(rc);

	if (rc == CURLE_COULDNT_CONNECT || rc == CURLE_COULDNT_RESOLVE_HOST)
		say_no_daemon(h);
	else if (rc == CURLE_READ_ERROR || rc == CURLE_ABORTED_BY_CALLBACK)
		say(h, "the file could not be read to its end");
	else if (rc == CURLE_WRITE_ERROR)
		say(h, "the answer of postbootd is too long");
	else
		say(h, "the connection to postbootd at %s was lost: %s", h->socket, why);
	return ERR_CLOSED;
}

/* RFC 9457; any other text is named by its status. */
static int refused(struct http *h)
{
	json_error_t where;
	json_t *p = json_loadb(h->got ? h->got : "", h->got_len, 0, &where);
	const char *detail = json_string_value(json_object_get(p, "detail"));
	const char *title = json_string_value(json_object_get(p, "title"));
	const char *code = json_string_value(json_object_get(p, "code"));
	const char *head = json_string_value(json_object_get(p, "head"));
	const char *oldest = json_string_value(json_object_get(p, "oldest"));

	if (detail == NULL || detail[0] == '\0')
		detail = title;
	(void)snprintf(h->code, sizeof(h->code), "%s", code ? code : "");
	if (detail == NULL)
		say(h, "postbootd refused without a reason (HTTP %ld)", h->status);
	else if (h->status == 410 && head != NULL)
		say(h, "%s (there are events %s to %s)", detail, oldest ? oldest : "?", head);
	else
		say(h, "%s", detail);
	json_decref(p);
	return ERR_DENIED;
}

/* A UNIX socket whose queue is full says so at once (EAGAIN), where TCP would wait; libcurl takes
 * that for a connection under way, and finds none. Nothing was sent: asking again is harmless. */
static CURLcode perform_patiently(struct http *h)
{
	const struct timespec pause = {.tv_nsec = 100000000};
	CURLcode rc = curl_easy_perform(h->curl);

	for (unsigned i = 0; i < CONNECT_S * 10 && rc == CURLE_COULDNT_CONNECT; i++) {
		long e = 0;
		(void)curl_easy_getinfo(h->curl, CURLINFO_OS_ERRNO, &e);
		if (e != 0 && e != EAGAIN && e != ENOTCONN)
			break;
		(void)nanosleep(&pause, NULL);
		rc = curl_easy_perform(h->curl);
	}
	return rc;
}

static int perform(struct http *h)
{
	CURLcode rc = perform_patiently(h);

	(void)curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &h->status);
	/* an upload that is refused early is a refusal, not a lost connection */
	if (h->status >= 400 && h->got_len > 0)
		return refused(h);
	if (rc == CURLE_WRITE_ERROR && h->done)
		return 0;
	if (rc == CURLE_WRITE_ERROR && h->bad) {
		say(h, "postbootd sent an event that is not JSON, or too long");
		return ERR_SYNTAX;
	}
	if (rc != CURLE_OK)
		return lost(h, rc);
	return h->status >= 300 ? refused(h) : 0;
}

static int parse(struct http *h, json_t **ret)
{
	json_error_t where;
	json_t *value;

	if (h->got_len == 0) {
		*ret = json_object();
		return 0;
	}
	value = json_loadb(h->got, h->got_len, 0, &where);
	if (!json_is_object(value)) {
		json_decref(value);
		say(h, "the answer at %s is not of postbootd (HTTP %ld, %zu bytes)", h->socket,
		    h->status, h->got_len);
		return ERR_SYNTAX;
	}
	*ret = value;
	return 0;
}

int http_call(struct http *h, const char *method, const char *path, const json_t *body,
	      json_t **ret)
{
	struct curl_slist *headers = NULL;
	char *text = NULL;
	int err;

	begin(h, path);
	headers = curl_slist_append(headers, "Accept: application/json");
	(void)curl_easy_setopt(h->curl, CURLOPT_TIMEOUT, (long)ANSWER_S);
	if (strcmp(method, "GET") != 0) {
		if (h->if_match[0] != '\0')
			headers = curl_slist_append(headers, h->if_match);
		text = body ? json_dumps(body, JSON_COMPACT) : mem_copy("");
		headers = curl_slist_append(headers, body ? "Content-Type: application/json"
							  : "Content-Type:");
		(void)curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE,
				       (long)(text ? strlen(text) : 0));
		(void)curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, text ? text : "");
		(void)curl_easy_setopt(h->curl, CURLOPT_CUSTOMREQUEST, method);
	}
	(void)curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, headers);
	err = perform(h);
	if (err == 0)
		err = parse(h, ret);
	curl_slist_free_all(headers);
	free(text);
	return err;
}

static size_t on_read(char *data, size_t size, size_t n, void *arg)
{
	FILE *f = arg;
	size_t len = fread(data, size, n, f);

	return len == 0 && ferror(f) ? CURL_READFUNC_ABORT : len;
}

static int on_progress(void *arg, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal,
		       curl_off_t ulnow)
{
	struct http *h = arg;

	(void)dltotal;
	(void)dlnow;
	(void)ultotal;
	h->progress(ulnow, h->size, h->progress_arg);
	return 0;
}

/* The rest of a POST with a long body: takes the headers. No limit on the whole, only on standing
 * still for so many seconds. */
static int send_long(struct http *h, struct curl_slist *headers, int64_t size, long still_s,
		     http_progress_fn progress, void *arg, json_t **ret)
{
	int err;

	/* what is refused by its head is refused before the body; writing it would break the pipe
	 * before the refusal is read */
	headers = curl_slist_append(headers, "Expect: 100-continue");
	(void)curl_easy_setopt(h->curl, CURLOPT_EXPECT_100_TIMEOUT_MS, ANSWER_S * 1000L);
	(void)curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, headers);
	(void)curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
	(void)curl_easy_setopt(h->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	(void)curl_easy_setopt(h->curl, CURLOPT_LOW_SPEED_TIME, still_s);
	if (progress != NULL) {
		h->progress = progress;
		h->progress_arg = arg;
		h->size = size;
		(void)curl_easy_setopt(h->curl, CURLOPT_NOPROGRESS, 0L);
		(void)curl_easy_setopt(h->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
		(void)curl_easy_setopt(h->curl, CURLOPT_XFERINFODATA, h);
	}
	err = perform(h);
	if (err == 0)
		err = parse(h, ret);
	curl_slist_free_all(headers);
	return err;
}

int http_upload(struct http *h, const char *path, FILE *file, int64_t size,
		http_progress_fn progress, void *arg, json_t **ret)
{
	struct curl_slist *headers = NULL;

	begin(h, path);
	headers = curl_slist_append(headers, "Accept: application/json");
	headers = curl_slist_append(headers, "Content-Type: application/octet-stream");
	if (size < 0)
		headers = curl_slist_append(headers, "Transfer-Encoding: chunked");
	(void)curl_easy_setopt(h->curl, CURLOPT_POST, 1L);
	(void)curl_easy_setopt(h->curl, CURLOPT_READFUNCTION, on_read);
	(void)curl_easy_setopt(h->curl, CURLOPT_READDATA, file);
	return send_long(h, headers, size, ANSWER_S, progress, arg, ret);
}

int http_post(struct http *h, const char *path, const char *type, const char *text, size_t len,
	      http_progress_fn progress, void *arg, json_t **ret)
{
	struct curl_slist *headers = NULL;
	char content[80];

	begin(h, path);
	(void)snprintf(content, sizeof(content), "Content-Type: %s", type);
	headers = curl_slist_append(headers, "Accept: application/json");
	headers = curl_slist_append(headers, content);
	(void)curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, text);
	return send_long(h, headers, (int64_t)len, COPY_S, progress, arg, ret);
}

json_t *http_problem(const struct http *h)
{
	return h->status >= 400 && h->got_len > 0 ? json_loadb(h->got, h->got_len, 0, NULL) : NULL;
}

int http_stream(struct http *h, const char *path, http_object_fn fn, void *arg)
{
	struct curl_slist *headers = NULL;
	int err;

	begin(h, path);
	h->fn = fn;
	h->fn_arg = arg;
	headers = curl_slist_append(headers, "Accept: application/x-ndjson");
	(void)curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, headers);
	(void)curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, on_stream);
	(void)curl_easy_setopt(h->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	(void)curl_easy_setopt(h->curl, CURLOPT_LOW_SPEED_TIME, (long)SILENCE_S);
	err = perform(h);
	if (err == 0 && h->got_len > 0 && !h->done)
		take_line(h, h->got, h->got_len);
	curl_slist_free_all(headers);
	return err;
}

static size_t on_download(char *data, size_t size, size_t n, void *arg)
{
	struct http *h = arg;
	size_t len = size * n, done = 0;
	long status = 0;

	(void)curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 300)
		return keep(h, data, len, ANSWER_MAX) ? len : 0;
	if ((size_t)h->written < h->first_cap) {
		size_t take = h->first_cap - (size_t)h->written;
		memcpy(h->first + h->written, data, len < take ? len : take);
	}
	while (done < len) {
		ssize_t put = write(h->fd, data + done, len - done);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0) {
			h->fd_errno = errno;
			return 0;
		}
		done += (size_t)put;
		h->written += put;
	}
	return len;
}

int http_download(struct http *h, const char *path, int fd, char *first, size_t cap,
		  int64_t *ret_bytes)
{
	struct curl_slist *headers = NULL;
	int err;

	begin(h, path);
	h->fd = fd;
	h->fd_errno = 0;
	h->written = 0;
	h->first = first;
	h->first_cap = cap;
	headers = curl_slist_append(headers, "Content-Type:");
	(void)curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, headers);
	(void)curl_easy_setopt(h->curl, CURLOPT_POST, 1L);
	(void)curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE, 0L);
	(void)curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, "");
	(void)curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, on_download);
	/* the copy is made first: no limit on the whole, a long one on standing still */
	(void)curl_easy_setopt(h->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	(void)curl_easy_setopt(h->curl, CURLOPT_LOW_SPEED_TIME, (long)COPY_S);
	err = perform(h);
	if (h->fd_errno) {
		say(h, "writing it: %s", strerror(h->fd_errno));
		err = err_from_errno(h->fd_errno);
	}
	if (err == 0)
		*ret_bytes = h->written;
	curl_slist_free_all(headers);
	return err;
}
