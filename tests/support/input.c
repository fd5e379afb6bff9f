/* SPDX-License-Identifier: Apache-2.0 */
#include "support/input.h"

#include <stdlib.h>
#include <string.h>

struct bytes input_keep(const void *ptr, size_t len)
{
	static uint8_t *all;

	free(all);
	all = malloc(len ? len : 1);
	if (!all)
		abort();
	memcpy(all, ptr, len);
	return (struct bytes){all, len};
}

struct bytes input_text(const char *text)
{
	return input_keep(text, strlen(text));
}

struct bytes input_hex(const char *digits)
{
	uint8_t raw[2048];
	size_t len;

	if (buf_from_hex(digits, strlen(digits), raw, sizeof(raw), &len))
		abort();
	return input_keep(raw, len);
}
