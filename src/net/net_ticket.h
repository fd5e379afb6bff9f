/* SPDX-License-Identifier: Apache-2.0
 *
 * Session tickets (RFC 5077) for certificates: a device that comes back within a day proves who it
 * is by the secret of its last session, and pays for no asymmetric cryptography. The server keeps
 * nothing: the ticket has it all, sealed with a key that lives in memory and for half a day (and
 * opens for another whole one). A ticket is bound to the set of certificates in force: other CAs
 * or another list of revoked ones, and it opens no more; nor after the certificate has ended.
 *
 * On any thread.
 */
#ifndef NET_NET_TICKET_H
#define NET_NET_TICKET_H

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/ssl.h>

#include "base/err.h"

struct net_step;
struct net_tickets;

/* `random` is borrowed. */
int net_tickets_new(mbedtls_ctr_drbg_context *random, struct net_tickets **ret) ERR_CHECK;
void net_tickets_free(struct net_tickets *t); /* wipes; NULL is fine */
void net_tickets_configure(struct net_tickets *t, mbedtls_ssl_config *conf);
/* mbedTLS does not tell whose ticket it is about: this thread's next calls are for `step`. */
void net_tickets_for(struct net_step *step);

#endif
