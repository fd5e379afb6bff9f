/* SPDX-License-Identifier: Apache-2.0
 *
 * A protocol for tests in which the server asks.
 */
#ifndef SCENARIO_TOY_H
#define SCENARIO_TOY_H

#include "proto/talk.h"

extern const struct talk_proto toy_proto;

#endif
