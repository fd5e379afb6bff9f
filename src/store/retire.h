/* SPDX-License-Identifier: Apache-2.0
 *
 * Retention: one step of store_set_retire(), in the transaction of its set.
 */
#ifndef STORE_RETIRE_H
#define STORE_RETIRE_H

#include "store/write.h"

int retire(struct db *db, struct store_set *set, const struct store_retire *what,
	   struct write_state *state) ERR_CHECK;

#endif
