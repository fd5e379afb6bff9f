/* SPDX-License-Identifier: Apache-2.0
 *
 * The hash of the audit log, for struct store_conf: the store itself knows no cryptography.
 */
#ifndef DAEMON_AUDIT_H
#define DAEMON_AUDIT_H

#include "store/store.h"

store_hash audit_sha256;

#endif
