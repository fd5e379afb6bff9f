/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions carried over a restart: where net_save()'s bytes are between two processes. Under a
 * service manager that is a memfd in its store of file descriptors (FileDescriptorStoreMax=), else,
 * or where that keeps nothing, a file of mode 0600 in the runtime folder or beside the admin
 * socket: never the state folder, and nothing that outlives the machine's memory. They are key
 * material and may be used once, so they are emptied before they are used: whatever happens then,
 * nobody can use them again.
 */
#ifndef DAEMON_CARRY_H
#define DAEMON_CARRY_H

#include "daemon/conf.h"
#include "net/net.h"

/* The name in the store of the service manager. */
#define CARRY_NAME "postboot-sessions"

/* What listen_take() finds under that name; takes the fd. Of several none is used: nobody can
 * say which is the right one. */
struct carry {
	int fd; /* -1: none */
	bool ambiguous;
};

void carry_take(struct carry *c, int fd);

/* Saves them where the next process finds them. What cannot be done is logged, and the sessions are
 * closed as ever. */
void carry_save(struct net *net, const struct conf *conf);

/* Goes on with them, if there are any. What cannot be done is logged. */
void carry_restore(struct carry *c, struct net *net, const struct conf *conf);
/* Without using them: they are gone for good. */
void carry_done(struct carry *c);

#endif
