/* SPDX-License-Identifier: Apache-2.0
 *
 * The property every decoded message has: written again in its own format and decoded once
 * more it is the same. Aborts if not.
 */
#ifndef SUPPORT_ECHO_H
#define SUPPORT_ECHO_H

#include "wire/msg.h"

void echo_check(const struct wire_msg *msg);

/* A fault has an error and says so in printable ASCII. Aborts if not. */
void echo_check_fault(int err, const char *text);

#endif
