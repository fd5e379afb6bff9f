/* SPDX-License-Identifier: Apache-2.0
 *
 * Who a certificate says its device is.
 */
#include <mbedtls/oid.h>
#include <string.h>

#include "net/net_x509.h"

/* One of the ids that a certificate may hold: takes the first, and notes that there are more. */
static bool id_take(char id[LIMIT_DEVICE_ID + 1], unsigned *count, const mbedtls_asn1_buf *text)
{
	if (++*count > 1 || text->len == 0 || text->len > LIMIT_DEVICE_ID ||
	    memchr(text->p, 0, text->len))
		return false;
	memcpy(id, text->p, text->len);
	id[text->len] = 0;
	return true;
}

static bool san_take(const mbedtls_x509_crt *crt, unsigned char kind, const char *prefix,
		     char id[LIMIT_DEVICE_ID + 1], unsigned *count)
{
	bool good = true;

	if (!mbedtls_x509_crt_has_ext_type(crt, MBEDTLS_X509_EXT_SUBJECT_ALT_NAME))
		return true;
	for (const mbedtls_x509_sequence *s = &crt->subject_alt_names; s; s = s->next)
		if (s->buf.tag == (MBEDTLS_ASN1_CONTEXT_SPECIFIC | kind) &&
		    s->buf.len >= strlen(prefix) && s->buf.p &&
		    memcmp(s->buf.p, prefix, strlen(prefix)) == 0)
			good = id_take(id, count, &s->buf) && good;
	return good;
}

static bool name_take(const mbedtls_x509_crt *crt, char id[LIMIT_DEVICE_ID + 1], unsigned *count)
{
	bool good = true;

	for (const mbedtls_x509_name *n = &crt->subject; n; n = n->next)
		if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &n->oid) == 0)
			good = id_take(id, count, &n->val) && good;
	return good;
}

/* The first kind that is there decides, and there must be one of it: RFC 7252 9.1.3.3 has URN and
 * DNS names, older certificates the common name. */
bool net_x509_name(const mbedtls_x509_crt *crt, char id[LIMIT_DEVICE_ID + 1])
{
	unsigned count = 0;
	bool good = san_take(crt, MBEDTLS_X509_SAN_UNIFORM_RESOURCE_IDENTIFIER, "urn:", id, &count);

	if (count == 0)
		good = san_take(crt, MBEDTLS_X509_SAN_DNS_NAME, "", id, &count);
	if (count == 0)
		good = name_take(crt, id, &count);
	if (good && count == 1)
		return true;
	id[0] = 0;
	return false;
}
