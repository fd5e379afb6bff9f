/* SPDX-License-Identifier: Apache-2.0
 *
 * docs/openapi.json, built in: what GET /v1/openapi.json answers. Made by src/daemon/embed.sh.
 */
#ifndef DAEMON_CONTRACT_H
#define DAEMON_CONTRACT_H

#include <stddef.h>

extern const char contract_json[];
extern const size_t contract_json_len;

#endif
