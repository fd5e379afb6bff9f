/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/audit.h"

#include <mbedtls/sha256.h>

int audit_sha256(const void *ptr, size_t len, uint8_t ret_hash[STORE_HASH])
{
	enum { NOT_SHA224 = 0 };

	return mbedtls_sha256(ptr, len, ret_hash, NOT_SHA224) ? ERR_CRYPTO : 0;
}
