/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/talk.h"

/* One row for each protocol. */
const struct talk_proto *const talk_protos[] = {NULL};
