/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/admin_conns.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/admin_http.h"
#include "daemon/admin_routes.h"

enum {
	ACCEPTS_AT_ONCE = 128, /* in one turn of the loop: the network is served in between */
	FIRST_MS = 10000,      /* from the connection to the whole head of its first request */
	NEXT_MS = 30000,       /* the same between two requests */
	BODY_MS = 30000,       /* of a whole JSON body */
	IMAGE_MS = 3600000,    /* of a whole image */
	SWEEP_MS = 1000,
	GRACE_MS = 1000,     /* so long a waiting connection keeps its place */
	REFUSED_MS = 60000,  /* between two lines in the log */
	LIMIT_CLOSING = 256, /* told to go, and not yet gone */
};

struct conn {
	struct list link;
	struct conns *conns;
	int fd;
	struct MHD_Connection *connection; /* NULL until it is libmicrohttpd's */
	pid_t pid;			   /* 0: not in our name space, so nobody's in particular */
	uid_t uid;
	enum conn_at at;
	bool gone;	  /* told to go: it holds no place */
	int64_t since_ms; /* when `at` began */
	int64_t until_ms; /* when it is told to go; 0: libmicrohttpd's own time-outs only */
	int64_t window_ms, came_bytes; /* of an image, since then */
	bool waits_for_us;	       /* we take no more of it at present */
};

static int64_t monotonic_ms(void)
{
	return clock_read().now_ms;
}

/* ---- places ---- */

static void conn_go(struct conn *n)
{
	if (n->gone)
		return;
	n->gone = true;
	n->conns->count--;
	/* Its end is read by libmicrohttpd, which closes it. */
	(void)shutdown(n->fd, SHUT_RDWR);
	admin_again(n->conns->admin);
}

static void conn_free(struct conn *n)
{
	list_remove(&n->link);
	n->conns->count -= !n->gone;
	free(n);
}

/* Who has how many places, of a user or (pid not 0) of a process. */
static unsigned conns_of(const struct conns *c, uid_t uid, pid_t pid)
{
	unsigned n = 0;

	LIST_EACH(it, next, &c->all)
	{
		const struct conn *have = LIST_ENTRY(it, struct conn, link);
		n += !have->gone && have->uid == uid && (!pid || have->pid == pid);
	}
	return n;
}

static bool conn_yields(const struct conn *n, int64_t now)
{
	return !n->gone && n->at == CONN_WAITS && now - n->since_ms >= GRACE_MS;
}

/* The one that waited longest, of a process, of a user, or of the user who has most. */
static struct conn *conns_victim(struct conns *c, const struct conn *new, bool user, bool all)
{
	int64_t now = c->now_ms();
	struct conn *found = NULL;
	unsigned most = 0;

	LIST_EACH(it, next, &c->all)
	{
		struct conn *n = LIST_ENTRY(it, struct conn, link);
		if (!conn_yields(n, now))
			continue;
		if (!all && (n->uid != new->uid || (!user && n->pid != new->pid)))
			continue;
		unsigned has = all    ? conns_of(c, n->uid, 0)
			       : user ? conns_of(c, n->uid, n->pid)
				      : 1;
		if (has > most) {
			most = has;
			found = n;
		}
	}
	return found;
}

/* Is there a place for the newcomer, or can one be made? */
static bool conns_admit(struct conns *c, const struct conn *new)
{
	bool mine = new->pid &&conns_of(c, new->uid, new->pid) >= LIMIT_ADMIN_PER_PROCESS;
	bool user = conns_of(c, new->uid, 0) >= LIMIT_ADMIN_PER_USER;
	bool all = c->count >= LIMIT_ADMIN_CONNECTIONS;

	if (!mine && !user && !all)
		return true;
	struct conn *victim = conns_victim(c, new, !mine && user, !mine && !user);
	if (!victim)
		return false;
	c->evicted++;
	conn_go(victim);
	return true;
}

/* ---- accepting ---- */

static void conns_tell(struct conns *c, const struct conn *n)
{
	int64_t now = c->now_ms();

	c->refused++;
	if (c->told_ms && now - c->told_ms < REFUSED_MS)
		return;
	log_warn("admin connection=refused uid=%ld pid=%ld connections=%u refused=%llu",
		 (long)n->uid, (long)n->pid, c->count,
		 (unsigned long long)(c->refused - c->refused_told));
	c->told_ms = now;
	c->refused_told = c->refused;
}

/* Closes those that were refused before a time; the oldest whatever, where the ring is full. */
static void linger_end(struct conns *c, int64_t before_ms, unsigned keep)
{
	while (c->linger_count &&
	       (c->linger_count > keep || c->linger[c->linger_first].since_ms <= before_ms)) {
		close(c->linger[c->linger_first].fd);
		c->linger_first = (c->linger_first + 1) % CONNS_LINGER;
		c->linger_count--;
	}
}

static void linger_begin(struct conns *c, int fd)
{
	linger_end(c, INT64_MIN, CONNS_LINGER - 1);
	unsigned at = (c->linger_first + c->linger_count++) % CONNS_LINGER;
	c->linger[at].fd = fd;
	c->linger[at].since_ms = c->now_ms();
	(void)shutdown(fd, SHUT_WR);
}

static void conn_refuse(struct conns *c, const struct conn *n)
{
	static const char body[] = "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\","
				   "\"status\":503,\"detail\":\"too many connections\","
				   "\"code\":\"busy\"}\n";
	char text[512];
	struct buf b = buf_writer(text, sizeof(text));

	buf_put_str(&b, "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
			"Retry-After: 5\r\nContent-Type: application/problem+json\r\n"
			"Content-Length: ");
	buf_put_dec(&b, sizeof(body) - 1);
	buf_put_str(&b, "\r\n\r\n");
	buf_put_str(&b, body);
	const char *whole = buf_cstr(&b);
	conns_tell(c, n);
	(void)send(n->fd, whole, strlen(whole), MSG_DONTWAIT | MSG_NOSIGNAL);
	linger_begin(c, n->fd);
}

static void conn_enter(struct conns *c, const struct conn *new)
{
	struct conn *n = malloc(sizeof(*n));
	struct sockaddr none = {.sa_family = AF_UNIX};

	if (!n || !conns_admit(c, new)) {
		free(n);
		conn_refuse(c, new);
		return;
	}
	*n = *new;
	n->since_ms = c->now_ms();
	n->until_ms = n->since_ms + FIRST_MS;
	list_append(&c->all, &n->link);
	c->count++;
	if (MHD_add_connection(c->admin->mhd, n->fd, &none, sizeof(none.sa_family)) == MHD_YES)
		return;
	/* It has closed the descriptor; it may have told conns_notify() so. */
	LIST_EACH(it, next, &c->all)
	if (it == &n->link) {
		conn_free(n);
		break;
	}
}

static unsigned conns_closing(const struct conns *c)
{
	unsigned n = 0;

	LIST_EACH(it, next, &c->all)
	n += LIST_ENTRY(it, struct conn, link)->gone;
	return n;
}

static void listen_ready(uv_poll_t *poll, int status, int events)
{
	struct conns *c = poll->data;

	(void)status;
	(void)events;
	for (unsigned i = 0; i < ACCEPTS_AT_ONCE && conns_closing(c) < LIMIT_CLOSING; i++) {
		struct ucred who = {.pid = 0, .uid = (uid_t)-1, .gid = (gid_t)-1};
		socklen_t len = sizeof(who);
		struct conn n = {.conns = c, .at = CONN_WAITS};
		n.fd = accept4(c->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (n.fd < 0) {
			/* No descriptor is left: the next sweep looks again. */
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
				(void)uv_poll_stop(&c->listen);
			break;
		}
		(void)getsockopt(n.fd, SOL_SOCKET, SO_PEERCRED, &who, &len);
		n.pid = who.pid;
		n.uid = who.uid;
		conn_enter(c, &n);
	}
	admin_again(c->admin);
}

/* A sleeping follower is not watched by libmicrohttpd, and its end would show only when there is
 * something to write. */
static void conns_look(struct conns *c)
{
	struct pollfd fds[2 * LIMIT_ADMIN_CONNECTIONS];
	struct conn *whose[2 * LIMIT_ADMIN_CONNECTIONS];
	nfds_t n = 0;

	LIST_EACH(it, next, &c->all)
	{
		struct conn *have = LIST_ENTRY(it, struct conn, link);
		if (have->at != CONN_WORKS || n == sizeof(fds) / sizeof(fds[0]))
			continue;
		fds[n] = (struct pollfd){.fd = have->fd};
		whose[n++] = have;
	}
	if (!n || poll(fds, n, 0) <= 0)
		return;
	for (nfds_t i = 0; i < n; i++)
		if (fds[i].revents & (POLLHUP | POLLERR) && whose[i]->connection)
			follower_cut(c->admin, whose[i]->connection);
}

/* An image that comes so slowly holds a place of its user's and of all. */
static bool conn_trickles(struct conn *n, int64_t now)
{
	if (n->gone || n->at != CONN_IMAGE || n->waits_for_us ||
	    now - n->window_ms < CONN_IMAGE_WINDOW_MS)
		return false;
	if (n->came_bytes < CONN_IMAGE_LEAST) {
		log_warn("admin upload=too-slow uid=%ld pid=%ld bytes=%lld seconds=%lld",
			 (long)n->uid, (long)n->pid, (long long)n->came_bytes,
			 (long long)(now - n->window_ms) / 1000);
		return true;
	}
	n->window_ms = now;
	n->came_bytes = 0;
	return false;
}

static void sweep_due(uv_timer_t *timer)
{
	struct conns *c = timer->data;
	int64_t now = c->now_ms();

	conns_look(c);
	LIST_EACH(it, next, &c->all)
	{
		struct conn *n = LIST_ENTRY(it, struct conn, link);
		if ((n->until_ms && n->until_ms <= now) || conn_trickles(n, now))
			conn_go(n);
	}
	linger_end(c, now - GRACE_MS, CONNS_LINGER);
	if (!c->draining)
		(void)uv_poll_start(&c->listen, UV_READABLE, listen_ready);
}

/* ---- what becomes of them ---- */

static struct conn *conn_by_fd(struct conns *c, int fd)
{
	LIST_EACH(it, next, &c->all)
	{
		struct conn *n = LIST_ENTRY(it, struct conn, link);
		if (n->fd == fd)
			return n;
	}
	return NULL;
}

void conns_notify(void *cls, struct MHD_Connection *connection, void **socket_context,
		  enum MHD_ConnectionNotificationCode toe)
{
	struct conns *c = cls;
	struct conn *n = *socket_context;

	if (toe == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info =
			MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
		n = info ? conn_by_fd(c, info->connect_fd) : NULL;
		if (n)
			n->connection = connection;
		*socket_context = n;
		return;
	}
	*socket_context = NULL;
	if (n)
		conn_free(n);
}

static struct conn *conn_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

bool conns_image_place(struct MHD_Connection *connection)
{
	const struct conn *n = conn_of(connection);
	unsigned has = 0;

	if (!n)
		return true;
	LIST_EACH(it, next, &n->conns->all)
	{
		const struct conn *other = LIST_ENTRY(it, struct conn, link);
		has += !other->gone && other->at == CONN_IMAGE && other->uid == n->uid;
	}
	return has < LIMIT_UPLOADS_PER_USER;
}

void conns_image_came(struct MHD_Connection *connection, size_t bytes, bool waits_for_us)
{
	struct conn *n = conn_of(connection);

	if (!n)
		return;
	if (n->waits_for_us) { /* that time was ours */
		n->window_ms = n->conns->now_ms();
		n->came_bytes = 0;
	}
	n->came_bytes += (int64_t)bytes;
	n->waits_for_us = waits_for_us;
}

void conns_at(struct MHD_Connection *connection, enum conn_at at)
{
	static const int64_t times_ms[] = {[CONN_WAITS] = NEXT_MS,
					   [CONN_BODY] = BODY_MS,
					   [CONN_IMAGE] = IMAGE_MS,
					   [CONN_WORKS] = 0};
	struct conn *n = conn_of(connection);

	if (!n)
		return;
	n->at = at;
	n->since_ms = n->window_ms = n->conns->now_ms();
	n->came_bytes = 0;
	n->waits_for_us = false;
	n->until_ms = times_ms[at] ? n->since_ms + times_ms[at] : 0;
	/* Who waits longest stands first. */
	list_remove(&n->link);
	list_append(&n->conns->all, &n->link);
}

/* ---- life ---- */

int conns_start(struct conns *c, struct admin *admin)
{
	c->admin = admin;
	if (!c->now_ms)
		c->now_ms = monotonic_ms;
	list_init(&c->all);
	c->listen.data = c->sweep.data = c;
	if (uv_poll_init(admin->conf.loop, &c->listen, c->listen_fd))
		return ERR_IO;
	(void)uv_timer_init(admin->conf.loop, &c->sweep);
	c->handles = 2;
	(void)uv_poll_start(&c->listen, UV_READABLE, listen_ready);
	(void)uv_timer_start(&c->sweep, sweep_due, SWEEP_MS, SWEEP_MS);
	return 0;
}

static void conns_closed(uv_handle_t *handle)
{
	struct conns *c = handle->data;

	if (--c->handles == 0)
		close(c->listen_fd);
	admin_settle(c->admin);
}

void conns_drain(struct conns *c)
{
	c->draining = true;
	(void)uv_poll_stop(&c->listen);
}

void conns_stop(struct conns *c)
{
	linger_end(c, INT64_MAX, 0);
	(void)uv_poll_stop(&c->listen);
	uv_close((uv_handle_t *)&c->listen, conns_closed);
	uv_close((uv_handle_t *)&c->sweep, conns_closed);
}

void conns_free(struct conns *c)
{
	LIST_EACH(it, next, &c->all)
	conn_free(LIST_ENTRY(it, struct conn, link));
}
