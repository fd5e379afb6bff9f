/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/admin.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/admin_http.h"
#include "daemon/admin_routes.h"

enum {
	CONNECTION_MEMORY = 64 * 1024, /* head and read buffer of one connection */
	CONNECTION_IDLE_S = 30,
	KEEP_ALIVE_MS = 15000,
	BACKLOG = 4096,	 /* cut to what the system allows */
	DRAIN_MS = 5000, /* for what is under way when we stop */
};
#define SOCKET_GROUP "postboot"

/* ---- the socket ---- */

/* A socket that nobody listens on is left from a crash. Anything else is not ours to remove. */
static int socket_clear(const struct sockaddr_un *addr)
{
	struct stat st;

	if (lstat(addr->sun_path, &st))
		return errno == ENOENT ? 0 : err_from_errno(errno);
	if (!S_ISSOCK(st.st_mode))
		return ERR_INVAL;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_from_errno(errno);
	int rc = connect(fd, (const struct sockaddr *)addr, sizeof(*addr));
	int why = errno;
	close(fd);
	if (rc == 0 || why == EAGAIN) /* EAGAIN: it listens, and is busy */
		return ERR_BUSY;
	if (why != ECONNREFUSED)
		return err_from_errno(why);
	return unlink(addr->sun_path) && errno != ENOENT ? err_from_errno(errno) : 0;
}

static void socket_group(const char *path)
{
	struct group grp, *found = NULL;
	char text[4096];

	if (getgrnam_r(SOCKET_GROUP, &grp, text, sizeof(text), &found) || !found)
		return;
	if (chown(path, (uid_t)-1, grp.gr_gid))
		log_warn("admin socket=%s group=%s error=\"%s\"", path, SOCKET_GROUP,
			 strerror(errno));
}

static int socket_listen(const char *path, int *ret_fd)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	if (!path[0] || !buf_copy_str(addr.sun_path, sizeof(addr.sun_path), path))
		return ERR_INVAL;
	int err = socket_clear(&addr);
	if (err)
		return err;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_from_errno(errno);
	mode_t old = umask(0117); /* 0660 from its first moment */
	int rc = bind(fd, (const struct sockaddr *)&addr, sizeof(addr));
	int why = errno;
	(void)umask(old);
	if (rc) {
		close(fd);
		return why == EADDRINUSE ? ERR_BUSY : err_from_errno(why);
	}
	socket_group(path);
	if (listen(fd, BACKLOG)) {
		err = err_from_errno(errno);
		(void)unlink(path);
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

int admin_tcp_open(struct sockaddr_storage *addr, int *ret_fd)
{
	struct sockaddr *any = (struct sockaddr *)addr;
	socklen_t len = sizeof(*addr);
	int on = 1;
	int fd = socket(any->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_from_errno(errno);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, any, len) || listen(fd, BACKLOG) || getsockname(fd, any, &len)) {
		int err = err_from_errno(errno);
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

/* ---- libmicrohttpd in the loop ---- */

static void admin_turn(struct admin *a);
static void admin_end(struct admin *a);

static void timer_due(uv_timer_t *timer)
{
	admin_turn(timer->data);
}

static void soon_due(uv_idle_t *soon)
{
	(void)uv_idle_stop(soon);
	admin_turn(soon->data);
}

static void poll_ready(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	admin_turn(poll->data);
}

static void admin_turn(struct admin *a)
{
	MHD_UNSIGNED_LONG_LONG ms = 0;

	if (a->stopping)
		return;
	a->again = false;
	struct turn_mark began = turn_part_begin(a->conf.turns);
	(void)MHD_run(a->mhd);
	turn_part_end(a->conf.turns, TURN_ADMIN, began);
	if (a->stopping)
		return;
	if (a->draining && list_empty(&a->requests)) {
		admin_end(a);
		return;
	}
	/* What it has left over (edge-triggered sockets) is due at once, but not before the
	 * network had its turn: a timer of 0 ms started by a timer would be. */
	(void)uv_timer_stop(&a->timer);
	if (a->again)
		admin_again(a);
	else if (MHD_get_timeout(a->mhd, &ms) == MHD_YES && ms == 0)
		(void)uv_idle_start(&a->soon, soon_due);
	else if (ms)
		(void)uv_timer_start(&a->timer, timer_due, ms, 0);
}

/* Without a thread of its own libmicrohttpd does not signal a resumed connection. */
void admin_again(struct admin *a)
{
	a->again = true;
	if (!a->stopping)
		(void)uv_idle_start(&a->soon, soon_due);
}

static void keep_alive_due(uv_timer_t *timer)
{
	followers_wake(timer->data, true);
}

static void events_committed(void *ctx, uint64_t head)
{
	(void)head;
	followers_wake(ctx, false);
}

static void mhd_log(void *cls, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
static void mhd_log(void *cls, const char *fmt, va_list ap)
{
	char line[256];

	(void)cls;
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	line[strcspn(line, "\n")] = 0;
	log_debug("admin http=\"%s\"", line);
}

static int mhd_start(struct admin *a)
{
	a->mhd = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
			MHD_USE_NO_LISTEN_SOCKET,
		0, NULL, NULL, request_handle, a, MHD_OPTION_EXTERNAL_LOGGER, mhd_log, a,
		MHD_OPTION_NOTIFY_CONNECTION, conns_notify, &a->conns, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)(2 * LIMIT_ADMIN_CONNECTIONS), /* with those about to be closed */
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_IDLE_S,
		MHD_OPTION_NOTIFY_COMPLETED, request_completed, a, MHD_OPTION_UNESCAPE_CALLBACK,
		request_unescape, a, MHD_OPTION_END);
	return a->mhd ? 0 : ERR_IO;
}

static bool image_used(void *ctx, const uint8_t sha256[DIGEST_SHA256])
{
	const struct admin *a = ctx;
	bool used = true;

	/* When the store cannot tell, the file stays. */
	return store_image_used(a->conf.store, sha256, &used) || used;
}

static void loop_start(struct admin *a)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(a->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	uint64_t every = a->conf.keep_alive_ms ? a->conf.keep_alive_ms : KEEP_ALIVE_MS;

	a->poll.data = a->timer.data = a->keep_alive.data = a->step.data = a->import.data =
		a->survey.data = a->list.data = a->soon.data = a->drain.data = a;
	(void)uv_timer_init(a->conf.loop, &a->timer);
	(void)uv_timer_init(a->conf.loop, &a->keep_alive);
	(void)uv_idle_init(a->conf.loop, &a->step);
	(void)uv_idle_init(a->conf.loop, &a->import);
	(void)uv_idle_init(a->conf.loop, &a->survey);
	(void)uv_idle_init(a->conf.loop, &a->list);
	(void)uv_idle_init(a->conf.loop, &a->soon);
	(void)uv_timer_init(a->conf.loop, &a->drain);
	a->handles = 8;
	(void)uv_timer_start(&a->keep_alive, keep_alive_due, every, every);
	if (uv_poll_init(a->conf.loop, &a->poll, info->epoll_fd) == 0) {
		a->handles++;
		a->polls = true;
		(void)uv_poll_start(&a->poll, UV_READABLE, poll_ready);
	}
	if (!a->conf.main)
		engine_on_events(a->conf.engine, events_committed, a);
}

static int socket_begin(struct admin *a)
{
	if (a->conns.listen_fd < 0)
		return socket_listen(a->socket_path, &a->conns.listen_fd);
	int flags = fcntl(a->conns.listen_fd, F_GETFL);
	if (flags < 0 || fcntl(a->conns.listen_fd, F_SETFL, flags | O_NONBLOCK))
		return err_from_errno(errno);
	return 0;
}

int admin_new(const struct admin_conf *conf, struct admin **ret_admin)
{
	struct admin *a = calloc(1, sizeof(*a));
	char *path = strdup(conf->socket_fd < 0 ? conf->socket_path : "");

	if (!a || !path) {
		if (conf->socket_fd >= 0)
			close(conf->socket_fd);
		free(path);
		free(a);
		return ERR_NOMEM;
	}
	a->conf = *conf;
	a->conns.listen_fd = conf->socket_fd;
	list_init(&a->conns.all);
	a->socket_path = path;
	list_init(&a->requests);
	list_init(&a->verifying);
	list_init(&a->surveying);
	list_init(&a->listings);
	int err = socket_begin(a);
	if (err) {
		if (a->conns.listen_fd >= 0)
			close(a->conns.listen_fd);
		admin_free(a);
		return err;
	}
	err = conf->main || conf->keep_images ? 0 : images_sweep(conf->images, image_used, a);
	if (err)
		log_warn("images sweep=failed error=\"%s\"", err_text(err));
	err = mhd_start(a);
	if (!err)
		err = conns_start(&a->conns, a);
	if (err) {
		if (a->mhd)
			MHD_stop_daemon(a->mhd);
		if (a->socket_path[0])
			(void)unlink(a->socket_path);
		close(a->conns.listen_fd);
		admin_free(a);
		return err;
	}
	loop_start(a);
	*ret_admin = a;
	return 0;
}

void admin_viewers_set(struct admin *a, const struct viewers *viewers)
{
	a->conf.viewers = *viewers;
}

void admin_stats(const struct admin *a, struct admin_stats *ret_stats)
{
	const union MHD_DaemonInfo *info =
		a->mhd ? MHD_get_daemon_info(a->mhd, MHD_DAEMON_INFO_CURRENT_CONNECTIONS) : NULL;

	memcpy(ret_stats->requests, a->answered, sizeof(a->answered));
	ret_stats->connections = info ? info->num_connections : 0;
	ret_stats->followers = followers_count(a, &ret_stats->follower_lag);
}

/* ---- the end ---- */

void admin_settle(struct admin *a)
{
	if (!a->stopping || a->owed || a->handles || a->conns.handles || !a->stopped)
		return;
	void (*stopped)(void *ctx) = a->stopped;
	a->stopped = NULL;
	stopped(a->stopped_ctx);
}

static void handle_closed(uv_handle_t *handle)
{
	struct admin *a = handle->data;

	a->handles--;
	admin_settle(a);
}

/* No shutdown(2) of an inherited socket: the service manager may keep it and let clients wait for
 * the next of us. */
static void listening_end(struct admin *a)
{
	if (a->socket_path[0])
		(void)unlink(a->socket_path);
	conns_drain(&a->conns);
}

/* Who waits is told: a connection that just ends says nothing. */
static void sleepers_answer(struct admin *a)
{
	LIST_EACH(it, next, &a->requests)
	{
		struct request *rq = LIST_ENTRY(it, struct request, link);
		backup_stop(rq->backup);
		if (!rq->suspended || rq->response)
			continue;
		reply_problem(rq, 503, "stopping",
			      "the server is stopping: look later whether this was done");
		request_resume(rq);
	}
	(void)MHD_run(a->mhd);
}

static void admin_end(struct admin *a)
{
	a->stopping = true;
	if (!a->conf.main)
		engine_on_events(a->conf.engine, NULL, a);
	sleepers_answer(a);
	/* libmicrohttpd does not stop over sleeping connections. */
	LIST_EACH(it, next, &a->requests)
	request_resume(LIST_ENTRY(it, struct request, link));
	if (a->polls)
		uv_close((uv_handle_t *)&a->poll, handle_closed);
	conns_stop(&a->conns);
	MHD_stop_daemon(a->mhd);
	a->mhd = NULL;
	uv_close((uv_handle_t *)&a->timer, handle_closed);
	uv_close((uv_handle_t *)&a->keep_alive, handle_closed);
	uv_close((uv_handle_t *)&a->step, handle_closed);
	uv_close((uv_handle_t *)&a->import, handle_closed);
	uv_close((uv_handle_t *)&a->survey, handle_closed);
	uv_close((uv_handle_t *)&a->list, handle_closed);
	uv_close((uv_handle_t *)&a->soon, handle_closed);
	uv_close((uv_handle_t *)&a->drain, handle_closed);
}

static void drain_due(uv_timer_t *timer)
{
	struct admin *a = timer->data;
	unsigned cut = 0;

	LIST_EACH(it, next, &a->requests)
	cut++;
	log_warn("admin stop=late cut=%u", cut);
	admin_end(a);
}

void admin_stop(struct admin *a, void (*stopped)(void *ctx), void *ctx)
{
	assert(!a->draining);
	a->draining = true;
	a->stopped = stopped;
	a->stopped_ctx = ctx;
	listening_end(a);
	(void)uv_timer_start(&a->drain, drain_due, DRAIN_MS, 0);
	followers_wake(a, false); /* their streams end here */
	admin_again(a);
}

void admin_free(struct admin *a)
{
	if (!a)
		return;
	conns_free(&a->conns);
	free(a->socket_path);
	free(a);
}
