/* SPDX-License-Identifier: Apache-2.0
 *
 * What the halves of the network side share: net.c has contexts and sessions, net_serve.c the
 * options of a message and what a peer asks. Nobody else sees libcoap.
 */
#ifndef EMU_NET_COAP_H
#define EMU_NET_COAP_H

#include "emu/net.h"

#include <coap3/coap.h>

/* NULL: closed by us. */
struct emu_session *emu_net_session(const coap_session_t *coap);
/* Gives a context a handler for every path. */
bool emu_net_serve(coap_context_t *coap);

/* A confirmable request; NULL: the session is not up, or no memory. */
coap_pdu_t *emu_pdu_new(struct emu_session *session, coap_pdu_code_t code, uint32_t token);
bool emu_pdu_path(coap_pdu_t *pdu, const char *path);
bool emu_pdu_uint(coap_pdu_t *pdu, uint16_t option, unsigned value);

uint32_t emu_opt_uint(const coap_opt_t *opt);
/* Segments, each after a slash, or after '&' where they are queries. What does not fit is left
 * out. */
void emu_pdu_segments(const coap_pdu_t *pdu, coap_option_num_t number, struct buf *out);

#endif
