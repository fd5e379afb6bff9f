/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing signers; a part of store/write.h.
 */
#ifndef STORE_SIGNERS_H
#define STORE_SIGNERS_H

#include "store/db.h"
#include "store/set.h"

int write_signer(struct db *db, const struct op_signer *op) ERR_CHECK;
int write_signer_delete(struct db *db, const struct op_signer *op) ERR_CHECK;

#endif
