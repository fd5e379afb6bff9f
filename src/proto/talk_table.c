/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/talk.h"

#include "proto/lwm2m.h"

/* One row for each protocol. */
const struct talk_proto *const talk_protos[] = {&talk_lwm2m, NULL};
