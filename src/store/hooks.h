/* SPDX-License-Identifier: Apache-2.0
 *
 * Carries out the operations of a write-set that are about webhooks. */
#ifndef STORE_HOOKS_H
#define STORE_HOOKS_H

#include "store/db.h"
#include "store/set.h"

int hooks_write(struct db *db, struct store_set *set, const struct op *op) ERR_CHECK;

#endif
