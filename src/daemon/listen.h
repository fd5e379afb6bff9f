/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the daemon listens: sockets of the service manager and the `listen` addresses of the
 * configuration, together. A passed UDP socket named "coap" is without DTLS, every other one
 * is for coaps; a listening UNIX stream socket is the admin socket. What the process before left
 * in the service manager's store comes the same way (carry.h).
 *
 * An address of the configuration that a passed socket serves already is not bound again. The
 * default addresses only count when no coaps socket is passed.
 *
 * Order of calls: listen_take, listen_open, and listen_done at the end, also after a failure.
 * What fails is logged with what to do.
 */
#ifndef DAEMON_LISTEN_H
#define DAEMON_LISTEN_H

#include "daemon/carry.h"
#include "daemon/conf.h"
#include "net/net.h"

enum {
	LISTEN_PASSED_MAX = 16, /* UDP sockets of the service manager */
	LISTEN_MAX = LISTEN_PASSED_MAX + CONF_LISTEN_MAX,
};

struct listen_socket {
	int fd; /* -1: taken by net */
	bool secure;
	union conf_address at;
	char uri[CONF_URI_MAX + 1];
};

struct listen {
	struct listen_socket passed[LISTEN_PASSED_MAX];
	unsigned passed_count;
	struct carry carry;
	int admin_fd; /* -1: none; whoever uses it sets it to -1 */

	char uris[LISTEN_MAX][CONF_URI_MAX + 1];
	const char *open[LISTEN_MAX + 1]; /* what we listen on; ends with NULL */
	unsigned open_count;
};

/* Sorts what sd_listen_fds(3) names; closes all of it on failure. */
int listen_take(struct listen *l, const struct conf *conf) ERR_CHECK;
int listen_open(struct listen *l, const struct conf *conf, struct net *net) ERR_CHECK;
void listen_done(struct listen *l);

#endif
