/* SPDX-License-Identifier: Apache-2.0
 *
 * The admin API: HTTP/1.1 and JSON on a UNIX socket (postboot-api(7)), served by libmicrohttpd
 * inside the loop: its epoll descriptor is watched by uv, and nothing here blocks. A request
 * that waits for a commit or for the disk is suspended, and safe when its client goes away.
 *
 * Order of calls: admin_new, uv_run; admin_stop, uv_run until `stopped`, admin_free. The engine
 * and the store must outlive `stopped`: acts under way end first.
 */
#ifndef DAEMON_ADMIN_H
#define DAEMON_ADMIN_H

#include <sys/socket.h>
#include <sys/types.h>
#include <uv.h>

#include "daemon/engine.h"
#include "daemon/images.h"
#include "daemon/turns.h"
#include "daemon/viewers.h"
#include "net/net.h"
#include "store/store.h"

struct admin;
struct health;
struct hooks;

enum { ADMIN_STATUSES = 500 };

struct admin_conf {
	uv_loop_t *loop;     /* all borrowed, for the admin's life */
	struct turns *turns; /* NULL: nobody counts */
	struct engine *engine;
	struct store *store;
	struct images *images;
	struct hooks *hooks;	     /* NULL: none can be had */
	const struct net *net;	     /* for the numbers of /v1/status; NULL: none */
	const struct health *health; /* NULL: always fine */
	struct admin *main; /* NULL; else this one serves only /metrics and /v1/health, of `main`,
			     * on socket_fd; it is stopped first */
	const char *socket_path; /* made here, mode 0660, group `postboot` if there is one */
	int socket_fd;		 /* >= 0: a listening socket of the service manager, taken, whatever
				  * admin_new says; else -1 */
	const char *database;	 /* its path, for backups; NULL: none are made */
	bool keep_images;	 /* also those that no release names */
	const char *version;
	int64_t started_ms;	   /* wall */
	const char *const *listen; /* "coaps://127.0.0.1:5684", ends with NULL; NULL: none */
	bool plain_devices;	   /* they are served */
	bool keys_sealed;	   /* keys of devices at rest */
	struct viewers viewers;	   /* may only read */
	unsigned keep_alive_ms;	   /* of the event stream; 0: 15 s */
};

/* ERR_BUSY: another daemon answers on the socket. ERR_INVAL: the path is too long or names
 * something that is no socket. A stale socket is replaced. */
int admin_new(const struct admin_conf *conf, struct admin **ret_admin) ERR_CHECK;
/* From the next request on. */
void admin_viewers_set(struct admin *a, const struct viewers *viewers);
/* A listening TCP socket for one that has `main`; *addr gets the port, if it was 0. */
int admin_tcp_open(struct sockaddr_storage *addr, int *ret_fd) ERR_CHECK;

struct admin_stats {
	uint64_t requests[ADMIN_STATUSES]; /* answered, by status - 100 */
	unsigned connections, followers;
	uint64_t follower_lag; /* events that the slowest one has not been sent */
};
void admin_stats(const struct admin *a, struct admin_stats *ret_stats);

/* Takes no new connection and no new request. What is under way has some seconds to end, event
 * streams end at once; then all connections are closed, and `stopped` comes when the last act
 * has ended. Once. */
void admin_stop(struct admin *a, void (*stopped)(void *ctx), void *ctx);
void admin_free(struct admin *a); /* after `stopped`; NULL is fine */

#endif
