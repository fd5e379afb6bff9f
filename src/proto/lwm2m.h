/* SPDX-License-Identifier: Apache-2.0
 *
 * OMA LwM2M 1.0 to 1.2 (postboot-lwm2m(7)) for proto/talk.h: registration, the facts of object 3,
 * firmware updates by object 5. The files behind it share proto/lwm2m_agent.h.
 */
#ifndef PROTO_LWM2M_H
#define PROTO_LWM2M_H

#include "proto/talk.h"

extern const struct talk_proto talk_lwm2m;

#endif
