/* SPDX-License-Identifier: Apache-2.0
 *
 * A key of a device as a row. To the store it is bytes: who wraps and unwraps them is the caller
 * (daemon/keys.h), so there is no cryptography here.
 */
#ifndef STORE_KEY_H
#define STORE_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"

/* X(name, word, what it means) */
#define KEY_SLOT_LIST(X)                                                                           \
	X(KEY_CURRENT, "current", "what the device proves itself with")                            \
	X(KEY_NEXT, "next", "takes the place of the current one once the device has used it")

enum key_slot {
#define KEY_SLOT_ENUM(name, word, help) name,
	KEY_SLOT_LIST(KEY_SLOT_ENUM) KEY_SLOTS
#undef KEY_SLOT_ENUM
};

#define KEY_FORM_LIST(X)                                                                           \
	X(KEY_CLEAR, "clear", "value is the key")                                                  \
	X(KEY_SEALED, "sealed", "value opens only with the key of the service")

enum key_form {
#define KEY_FORM_ENUM(name, word, help) name,
	KEY_FORM_LIST(KEY_FORM_ENUM)
#undef KEY_FORM_ENUM
};

/* Of a webhook's secret only hook, device (its name), form and value mean something.
 * `mac` is the same for the same key whatever the device and the slot: no two rows have it. */
struct store_key {
	char device[LIMIT_DEVICE_ID + 1];
	bool hook; /* it is the secret of the webhook of that name */
	enum key_slot slot;
	enum key_form form;
	uint8_t value_len, value[LIMIT_PSK_SEALED];
	uint8_t mac_len, mac[LIMIT_PSK];
	int64_t set_ms; /* wall; the two keys of a device never have the same */
};

/* A known text, sealed: tells whether a key of the service is the one that sealed the others. */
struct store_seal {
	uint8_t len; /* 0: the keys are in clear */
	uint8_t bytes[LIMIT_SEAL];
};

#endif
