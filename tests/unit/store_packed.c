/* SPDX-License-Identifier: Apache-2.0
 *
 * How many bytes of core's structs are fields and not padding: their size when packed. Only
 * sizes leave this file; nothing else may be compiled against the packed structs.
 */
#include "base/buf.h"
#include "base/err.h"

#pragma pack(push, 1)
#include "core/attempt.h"
#include "core/group.h"
#include "core/rollout.h"
#pragma pack(pop)

extern const size_t rows_packed_product, rows_packed_release, rows_packed_device_group,
	rows_packed_device, rows_packed_attempt, rows_packed_rollout;

const size_t rows_packed_product = sizeof(struct product);
const size_t rows_packed_release = sizeof(struct release);
const size_t rows_packed_device_group = sizeof(struct device_group);
const size_t rows_packed_device = sizeof(struct device);
const size_t rows_packed_attempt = sizeof(struct attempt);
const size_t rows_packed_rollout = sizeof(struct rollout);
