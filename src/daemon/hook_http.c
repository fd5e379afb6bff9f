/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/hook_http.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"

/* Newer than the oldest libcurl that is built with; without it the loop may wait for a name. */
#if LIBCURL_VERSION_NUM < 0x075700
#error "libcurl 7.87 is needed: CURLOPT_QUICK_EXIT"
#endif

struct hook_http {
	uv_loop_t *loop;
	struct hook_http_conf conf;
	CURLM *multi;
	uv_timer_t timer;
	struct list requests;
	unsigned handles; /* open ones: the timer, and sockets that are watched */
	bool stopping;
	void (*stopped)(void *ctx);
	void *stopped_ctx;
};

/* A socket of libcurl's, watched. */
struct watch {
	uv_poll_t poll;
	struct hook_http *h;
	curl_socket_t fd;
};

struct hook_request {
	struct list link;
	struct hook_http *h;
	CURL *easy;
	struct curl_slist *headers;
	hook_answered_fn *done;
	void *ctx;
	size_t got;
	int64_t after_s;
	char error[CURL_ERROR_SIZE];
};

/* ---- answers ---- */

static void request_free(struct hook_request *rq)
{
	list_remove(&rq->link);
	if (rq->easy) {
		(void)curl_multi_remove_handle(rq->h->multi, rq->easy);
		curl_easy_cleanup(rq->easy);
	}
	curl_slist_free_all(rq->headers);
	free(rq);
}

static void answer_words(struct hook_answer *a, CURLcode code, const struct hook_request *rq)
{
	const char *what = rq->error[0] ? rq->error : curl_easy_strerror(code);

	if (a->status >= 200 && a->status < 300 && code == CURLE_OK)
		return;
	if (code == CURLE_OK)
		(void)snprintf(a->error, sizeof(a->error), "it answered %ld", a->status);
	else if (code == CURLE_WRITE_ERROR)
		(void)snprintf(a->error, sizeof(a->error), "its answer is longer than %d bytes",
			       LIMIT_HOOK_ANSWER);
	else
		(void)buf_copy_str(a->error, sizeof(a->error), what);
	for (char *at = a->error; *at; at++) /* it is shown, and quoted in the log */
		if (*at == '"' || (unsigned char)*at < ' ' || (unsigned char)*at > '~')
			*at = '\'';
}

static void request_end(struct hook_request *rq, CURLcode code)
{
	struct hook_answer a = {.after_s = rq->after_s};
	hook_answered_fn *done = rq->done;
	void *ctx = rq->ctx;
	curl_off_t took = 0, sent = 0;

	(void)curl_easy_getinfo(rq->easy, CURLINFO_RESPONSE_CODE, &a.status);
	(void)curl_easy_getinfo(rq->easy, CURLINFO_TOTAL_TIME_T, &took);
	(void)curl_easy_getinfo(rq->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
	a.took_ms = took / 1000;
	a.sent = sent > 0;
	if (a.status < 200) /* 100 is not an answer */
		a.status = 0;
	/* One whose head said yes and whose body was cut has been taken. */
	if (code != CURLE_OK && code != CURLE_WRITE_ERROR && a.status >= 200)
		code = CURLE_OK;
	answer_words(&a, code, rq);
	request_free(rq);
	done(ctx, &a);
}

static void look(struct hook_http *h)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(h->multi, &left)) != NULL) {
		struct hook_request *rq = NULL;
		if (msg->msg != CURLMSG_DONE)
			continue;
		CURLcode code = msg->data.result;
		(void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&rq);
		request_end(rq, code);
	}
}

/* ---- libcurl on uv ---- */

static void handle_closed(struct hook_http *h)
{
	if (--h->handles > 0 || !h->stopping)
		return;
	void (*stopped)(void *ctx) = h->stopped;
	void *ctx = h->stopped_ctx;
	free(h);
	stopped(ctx);
}

static void watch_closed(uv_handle_t *handle)
{
	struct watch *w = handle->data;
	struct hook_http *h = w->h;

	free(w);
	handle_closed(h);
}

static void timer_closed(uv_handle_t *handle)
{
	handle_closed(handle->data);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct watch *w = poll->data;
	struct hook_http *h = w->h;
	int flags = status < 0 ? CURL_CSELECT_ERR : 0;
	int running;

	flags |= events & UV_READABLE ? CURL_CSELECT_IN : 0;
	flags |= events & UV_WRITABLE ? CURL_CSELECT_OUT : 0;
	(void)curl_multi_socket_action(h->multi, w->fd, flags, &running);
	look(h);
}

static void on_timer(uv_timer_t *timer)
{
	struct hook_http *h = timer->data;
	int running;

	(void)curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	look(h);
}

static int set_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct hook_http *h = arg;

	(void)multi;
	if (h->stopping)
		return 0;
	if (timeout_ms < 0)
		(void)uv_timer_stop(&h->timer);
	else /* never from in here: libcurl must not be called again by its own callback */
		(void)uv_timer_start(&h->timer, on_timer, (uint64_t)timeout_ms, 0);
	return 0;
}

static struct watch *watch_new(struct hook_http *h, curl_socket_t fd)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	if (uv_poll_init(h->loop, &w->poll, fd)) {
		free(w);
		return NULL;
	}
	w->h = h;
	w->fd = fd;
	w->poll.data = w;
	h->handles++;
	(void)curl_multi_assign(h->multi, fd, w);
	return w;
}

static int set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *watching)
{
	struct hook_http *h = arg;
	struct watch *w = watching;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (w) {
			(void)uv_poll_stop(&w->poll);
			(void)curl_multi_assign(h->multi, fd, NULL);
			uv_close((uv_handle_t *)&w->poll, watch_closed);
		}
		return 0;
	}
	if (!w)
		w = watch_new(h, fd);
	if (!w)
		return -1;
	int events =
		(what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
	return uv_poll_start(&w->poll, events, on_poll) ? -1 : 0;
}

/* ---- requests ---- */

/* Only its length counts. */
static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct hook_request *rq = arg;

	(void)data;
	rq->got += size * n;
	return rq->got > LIMIT_HOOK_ANSWER ? 0 : size * n;
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
	static const char name[] = "retry-after:";
	struct hook_request *rq = arg;
	size_t len = size * n, at = strlen(name);
	int64_t seconds = 0;

	rq->got += len;
	if (rq->got > LIMIT_HOOK_ANSWER)
		return 0;
	if (len <= at || strncasecmp(data, name, at) != 0)
		return len;
	while (at < len && (data[at] == ' ' || data[at] == '\t'))
		at++;
	for (; at < len && data[at] >= '0' && data[at] <= '9' && seconds < 1000000; at++)
		seconds = seconds * 10 + (data[at] - '0');
	/* A date (RFC 9110 10.2.3) says no number: our own pause is as good. */
	rq->after_s = at < len && data[at] != '\r' && data[at] != '\n' ? 0 : seconds;
	return len;
}

static bool header_add(struct hook_request *rq, const char *name, const char *value)
{
	char line[768];
	int len = snprintf(line, sizeof(line), "%s: %s", name, value);
	struct curl_slist *more = NULL;

	if (len > 0 && (size_t)len < sizeof(line))
		more = curl_slist_append(rq->headers, line);
	if (more)
		rq->headers = more;
	return more != NULL;
}

static bool headers_make(struct hook_request *rq, const struct hook_post *post)
{
	char when[24], agent[64];

	(void)snprintf(when, sizeof(when), "%" PRId64, post->wall_s);
	(void)snprintf(agent, sizeof(agent), "Postboot/%.32s", rq->h->conf.version);
	return header_add(rq, "Content-Type", post->content_type) &&
	       header_add(rq, "webhook-id", post->id) &&
	       header_add(rq, "webhook-timestamp", when) &&
	       header_add(rq, "webhook-signature", post->signature) &&
	       header_add(rq, "Postboot-Hook", post->name) && header_add(rq, "User-Agent", agent) &&
	       header_add(rq, "Accept", "*/*") &&
	       header_add(rq, "Expect", ""); /* no 100-continue: it costs a second */
}

#define SET(option, value) (failed |= curl_easy_setopt(e, option, value) != CURLE_OK)

static bool options_set(struct hook_request *rq, const struct hook_post *post)
{
	const struct hook_http_conf *c = &rq->h->conf;
	CURL *e = rq->easy;
	bool failed = false;

	SET(CURLOPT_PRIVATE, rq);
	SET(CURLOPT_ERRORBUFFER, rq->error);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_QUICK_EXIT, 1L); /* a name that hangs in the resolver does not hold the loop */
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_TIMEOUT_MS, (long)c->timeout_ms);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)c->timeout_ms);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	if (c->ca_file[0])
		SET(CURLOPT_CAINFO, c->ca_file);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, rq);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, rq);
	SET(CURLOPT_HTTPHEADER, rq->headers);
	SET(CURLOPT_URL, post->url);
	SET(CURLOPT_POST, 1L);
	SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)post->body.len);
	SET(CURLOPT_POSTFIELDS, (const char *)post->body.ptr);
	return !failed;
}

int hook_http_post(struct hook_http *h, const struct hook_post *post, struct hook_request **ret)
{
	struct hook_request *rq = calloc(1, sizeof(*rq));

	if (!rq)
		return ERR_NOMEM;
	rq->h = h;
	rq->done = post->done;
	rq->ctx = post->ctx;
	list_init(&rq->link);
	rq->easy = curl_easy_init();
	if (!rq->easy || !headers_make(rq, post) || !options_set(rq, post) ||
	    curl_multi_add_handle(h->multi, rq->easy) != CURLM_OK) {
		request_free(rq);
		return ERR_NOMEM;
	}
	list_append(&h->requests, &rq->link);
	*ret = rq;
	return 0;
}

void hook_http_cancel(struct hook_request *rq)
{
	if (rq)
		request_free(rq);
}

/* ---- life ---- */

int hook_http_new(uv_loop_t *loop, const struct hook_http_conf *conf, struct hook_http **ret)
{
	struct hook_http *h = calloc(1, sizeof(*h));

	if (!h)
		return ERR_NOMEM;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(h);
		return ERR_NOMEM;
	}
	h->loop = loop;
	h->conf = *conf;
	list_init(&h->requests);
	h->multi = curl_multi_init();
	if (!h->multi || uv_timer_init(loop, &h->timer)) {
		(void)curl_multi_cleanup(h->multi);
		curl_global_cleanup();
		free(h);
		return ERR_NOMEM;
	}
	h->timer.data = h;
	h->handles = 1;
	(void)curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, set_socket);
	(void)curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	(void)curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	(void)curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	(void)curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)LIMIT_HOOKS);
	*ret = h;
	return 0;
}

void hook_http_conf_set(struct hook_http *h, const struct hook_http_conf *conf)
{
	h->conf = *conf;
}

void hook_http_stop(struct hook_http *h, void (*stopped)(void *ctx), void *ctx)
{
	h->stopped = stopped;
	h->stopped_ctx = ctx;
	LIST_EACH(it, next, &h->requests)
	request_free(LIST_ENTRY(it, struct hook_request, link));
	(void)curl_multi_cleanup(h->multi);
	curl_global_cleanup();
	h->stopping = true;
	(void)uv_timer_stop(&h->timer);
	uv_close((uv_handle_t *)&h->timer, timer_closed);
}

/* ---- URLs ---- */

static const char *parts_fault(CURLU *u)
{
	char *part = NULL;
	const char *fault = NULL;

	if (curl_url_get(u, CURLUPART_SCHEME, &part, 0) != CURLUE_OK ||
	    (strcmp(part, "https") != 0 && strcmp(part, "http") != 0))
		fault = "it begins neither with https:// nor with http://";
	curl_free(part);
	if (!fault && curl_url_get(u, CURLUPART_HOST, &part, 0) != CURLUE_OK)
		fault = "it names no host";
	else if (!fault)
		curl_free(part);
	if (!fault && (curl_url_get(u, CURLUPART_USER, &part, 0) == CURLUE_OK ||
		       curl_url_get(u, CURLUPART_PASSWORD, &part, 0) == CURLUE_OK)) {
		curl_free(part);
		fault = "it has a user or a password: whoever may read the list of hooks would "
			"see them";
	}
	if (!fault && curl_url_get(u, CURLUPART_FRAGMENT, &part, 0) == CURLUE_OK) {
		curl_free(part);
		fault = "what comes after # is never sent";
	}
	return fault;
}

const char *hook_url_fault(const char *url)
{
	for (const char *at = url; *at; at++)
		if ((unsigned char)*at <= ' ' || (unsigned char)*at > '~')
			return "it has a space or a character that is not ASCII";
	CURLU *u = curl_url();
	if (!u)
		return "out of memory";
	const char *fault = curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME)
				    ? "it is no URL such as https://host.example/path"
				    : parts_fault(u);
	curl_url_cleanup(u);
	return fault;
}
