/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is connected to the admin socket. We accept, libmicrohttpd serves: so that one process or
 * one user cannot hold all connections, and one who says nothing holds none for long.
 *
 * A process has LIMIT_ADMIN_PER_PROCESS, a user LIMIT_ADMIN_PER_USER of LIMIT_ADMIN_CONNECTIONS.
 * Whoever comes to a full house gets the place of a connection that waits for a request: of its
 * own process where that is what is full, else of its own user, else of the user who has most.
 * If none has waited for a second, the newcomer is answered 503.
 */
#ifndef DAEMON_ADMIN_CONNS_H
#define DAEMON_ADMIN_CONNS_H

#include <microhttpd.h>
#include <sys/types.h>
#include <uv.h>

#include "base/err.h"
#include "base/list.h"

struct admin;

/* Refused ones: a client whose other end is gone before it has looked cannot read why. */
enum { CONNS_LINGER = 64 };

/* An image that brings less than 1 KiB a second, on the average of a minute, is cut. */
enum { CONN_IMAGE_WINDOW_MS = 60000, CONN_IMAGE_LEAST = 60 * 1024 };

struct conns {
	struct admin *admin;
	int64_t (*now_ms)(void); /* NULL: the monotonic clock */
	int listen_fd;
	uv_poll_t listen; /* handles are open from conns_start() to conns_stop() */
	uv_timer_t sweep;
	struct list all; /* oldest wait first */
	unsigned count;	 /* without those that were told to go */
	uint64_t refused, evicted;
	uint64_t refused_told; /* how many of them the log has heard of */
	int64_t told_ms;
	unsigned handles; /* of the two above */
	bool draining;
	unsigned linger_first, linger_count;
	struct {
		int fd;
		int64_t since_ms;
	} linger[CONNS_LINGER]; /* a ring */
};

/* Begins to accept from c->listen_fd, which is taken. */
int conns_start(struct conns *c, struct admin *admin) ERR_CHECK;
/* Accepts no more; those there are keep their times. */
void conns_drain(struct conns *c);
/* The end of that, too; admin_settle() is called when the handles are closed. */
void conns_stop(struct conns *c);
void conns_free(struct conns *c); /* after libmicrohttpd has stopped */

/* libmicrohttpd's MHD_OPTION_NOTIFY_CONNECTION. */
void conns_notify(void *cls, struct MHD_Connection *connection, void **socket_context,
		  enum MHD_ConnectionNotificationCode toe);

/* What a connection is at: each has its time. */
enum conn_at {
	CONN_WAITS, /* for a request: its place may be given to another */
	CONN_BODY,  /* a JSON body comes */
	CONN_IMAGE, /* an image comes */
	CONN_WORKS, /* we do, or the client takes its answer */
};
void conns_at(struct MHD_Connection *connection, enum conn_at at);

/* Has its user a place for one upload more? One user holds LIMIT_UPLOADS_PER_USER of them. */
bool conns_image_place(struct MHD_Connection *connection);
/* Bytes of an image came. waits_for_us: none can come until they are stored. */
void conns_image_came(struct MHD_Connection *connection, size_t bytes, bool waits_for_us);

#endif
