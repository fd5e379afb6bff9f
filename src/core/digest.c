/* SPDX-License-Identifier: Apache-2.0 */
#include "core/digest.h"

#include <string.h>

enum { DIGEST_LEN_MIN = 4, VENDOR_LAST = DIGEST_KIND_MAX - DIGEST_VENDOR };

bool digest_equal(const struct digest *a, const struct digest *b)
{
	return a->len > 0 && a->len == b->len && a->kind == b->kind &&
	       memcmp(a->value, b->value, a->len) == 0;
}

char *digest_kind_name(unsigned kind, char dst[16])
{
	struct buf b = buf_writer(dst, 16);

	if (kind == DIGEST_FILE) {
		buf_put_str(&b, "file");
	} else if (kind == DIGEST_MCUBOOT) {
		buf_put_str(&b, "mcuboot");
	} else if (kind == DIGEST_ESP_APPENDED) {
		buf_put_str(&b, "esp-appended");
	} else if (kind >= DIGEST_VENDOR) {
		buf_put_str(&b, "vendor-");
		buf_put_dec(&b, kind - DIGEST_VENDOR);
	} else {
		buf_put_str(&b, "kind-");
		buf_put_dec(&b, kind);
	}
	return buf_cstr(&b);
}

static int vendor_number(const char *digits, unsigned *ret_n)
{
	unsigned n = 0;

	if (!*digits)
		return ERR_INVAL;
	for (; *digits; digits++) {
		if (*digits < '0' || *digits > '9')
			return ERR_INVAL;
		n = n * 10 + (unsigned)(*digits - '0');
		if (n > VENDOR_LAST)
			return ERR_INVAL;
	}
	*ret_n = n;
	return 0;
}

int digest_kind_from_name(const char *name, unsigned *ret_kind)
{
	unsigned n;

	if (strcmp(name, "file") == 0)
		*ret_kind = DIGEST_FILE;
	else if (strcmp(name, "mcuboot") == 0)
		*ret_kind = DIGEST_MCUBOOT;
	else if (strcmp(name, "esp-appended") == 0)
		*ret_kind = DIGEST_ESP_APPENDED;
	else if (strncmp(name, "vendor-", 7) == 0 && vendor_number(name + 7, &n) == 0)
		*ret_kind = DIGEST_VENDOR + n;
	else
		return ERR_INVAL;
	return 0;
}

int digest_from_text(const char *text, struct digest *ret_digest)
{
	const char *colon = memchr(text, ':', strlen(text));
	char name[16];
	struct digest d = {0};
	unsigned kind;
	size_t len = 0;

	if (!colon || (size_t)(colon - text) >= sizeof(name))
		return ERR_SYNTAX;
	memcpy(name, text, (size_t)(colon - text));
	name[colon - text] = 0;
	int err = digest_kind_from_name(name, &kind);
	if (err)
		return err;
	err = buf_from_hex(colon + 1, strlen(colon + 1), d.value, sizeof(d.value), &len);
	if (err)
		return err == ERR_LIMIT ? ERR_RANGE : err;
	if (len < DIGEST_LEN_MIN || (kind == DIGEST_FILE && len != DIGEST_SHA256))
		return ERR_RANGE;
	d.kind = (uint8_t)kind;
	d.len = (uint8_t)len;
	*ret_digest = d;
	return 0;
}

char *digest_text(const struct digest *d, char dst[160])
{
	char name[16];
	struct buf b = buf_writer(dst, 160);

	buf_put_str(&b, digest_kind_name(d->kind, name));
	buf_put_str(&b, ":");
	buf_put_hex(&b, d->value, d->len);
	return buf_cstr(&b);
}
