/* SPDX-License-Identifier: Apache-2.0
 *
 * What mbedTLS computes most of: SHA-256 for handshakes and CCM for records. net_sha256.c and
 * net_ccm.c define all functions of mbedTLS's sha256.h and ccm.h, over nettle, which uses the
 * processor's instructions where mbedTLS does not. A program in which they are has no others: the
 * linker takes none out of a static mbedTLS that it has already, and a shared one looks its own up
 * in the program first. Should it not (a library linked with -Bsymbolic), mbedTLS goes on with its
 * own: as right, and slower. Both are whole sets, so that a context is never passed from one to
 * the other.
 */
#ifndef NET_NET_CRYPTO_H
#define NET_NET_CRYPTO_H

#include <stdbool.h>

#include "base/err.h"

struct net_crypto_use {
	bool sha256, ccm; /* mbedTLS takes it from here */
};

/* Known answers, through what TLS calls. ERR_CRYPTO: one of them is wrong, whoever computes it.
 * Also why these objects are linked at all. */
int net_crypto_check(struct net_crypto_use *ret_use) ERR_CHECK;

/* How many of them this thread began. */
unsigned net_sha256_begun(void);
unsigned net_ccm_begun(void);

#endif
