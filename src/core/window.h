/* SPDX-License-Identifier: Apache-2.0
 *
 * How many blocks a device is told to keep in flight: as many as its product allows and its link
 * carries (PROTOCOL, streaming). Pure rules over what the transport has seen.
 */
#ifndef CORE_WINDOW_H
#define CORE_WINDOW_H

#include "core/diagnosis.h"
#include "core/release.h"

enum {
	WINDOW_MAX = 16,	      /* PROTOCOL directive 9 */
	WINDOW_MESSAGES_MIN = 50,     /* of fewer messages a share says nothing */
	WINDOW_ACK_TIMEOUT_MS = 2000, /* RFC 7252 4.8: then a device asks again */
};

/* 1..WINDOW_MAX, and never above the product's. `rate`: bytes a second that we would let out to
 * this device, 0: any; more than that holds back (core/pace.h) would only be refused. */
unsigned window_hint(const struct policy *policy, const struct link_facts *link, int64_t rate);

/* What a link was like over several sessions: `now` counts in full, what was before by half, so
 * that a device that has moved is soon judged by where it is. */
struct link_facts window_link_add(const struct link_facts *before, const struct link_facts *now);

#endif
