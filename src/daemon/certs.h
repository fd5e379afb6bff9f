/* SPDX-License-Identifier: Apache-2.0
 *
 * The files of the server's certificate and key, and the CAs of all products, on their way to
 * net: at start, at a reload, and when an operator changes a product's CAs. What is wrong with a
 * new set leaves the old one in force, and is logged with file and reason.
 */
#ifndef DAEMON_CERTS_H
#define DAEMON_CERTS_H

#include "daemon/conf.h"
#include "daemon/engine.h"
#include "daemon/health.h"

/* The name of the credential that has the private key (LoadCredential= in systemd.exec(5)). */
#define CERTS_KEY_CREDENTIAL "postboot-certificate-key"

struct certs {
	const struct conf *conf; /* borrowed, as are these */
	struct engine *engine;
	struct net *net;
	struct health *health;
	bool has_set;
	struct net_x509_info info; /* of the set in force */
	int64_t sessions_at_ms;	   /* wall; when those of certificates that ended are looked for */
};

/* Reads all of it and gives it to net. An error has been logged: `what` failed, "start" or
 * "reload". Without a certificate in the configuration: none, and 0. */
int certs_load(struct certs *c, const char *what) ERR_CHECK;
/* Now and then: health says it when the server's certificate has ended, will soon, or has not
 * begun by our clock; and sessions of devices end with their certificates, within an hour. */
void certs_look(struct certs *c, int64_t wall_ms);
/* postbootd -t: the same files, read and understood only. Tells on stderr; 0 or an error. */
int certs_test(const struct conf *conf) ERR_CHECK;

#endif
