/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of LwM2M resources in all formats of OMA LwM2M core 1.0 to 1.2: OMA TLV, SenML-CBOR and
 * SenML-JSON (RFC 8428), LwM2M JSON (1.0, read only), CBOR, text and opaque. Pure; nothing here
 * allocates beyond the call; strings and bytes are borrowed from the payload, or from `scratch`
 * where the format writes them otherwise (base64, escapes).
 */
#ifndef WIRE_LWM2M_H
#define WIRE_LWM2M_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "wire/msg.h"

/* Content-Formats (registry numbers). */
enum lwm2m_format {
	LWM2M_TEXT = 0,
	LWM2M_LINK = 40,
	LWM2M_OPAQUE = 42,
	LWM2M_CBOR = 60,
	LWM2M_SENML_JSON = 110,
	LWM2M_SENML_CBOR = 112,
	LWM2M_TLV = 11542,
	LWM2M_JSON = 11543,
};

enum { LWM2M_LEVELS = 4, LWM2M_VALUES = 64, LWM2M_SCRATCH = 2048 };

/* "/3/0/3": object, instance, resource, resource instance. */
struct lwm2m_path {
	uint8_t count; /* 0..4 */
	uint16_t id[LWM2M_LEVELS];
};

/* ERR_SYNTAX. A leading slash may be missing. */
int lwm2m_path_parse(struct bytes text, struct lwm2m_path *ret) ERR_CHECK;

/* RAW: TLV, text and opaque do not say what they hold. */
enum lwm2m_type { LWM2M_RAW, LWM2M_INT, LWM2M_FLOAT, LWM2M_BOOL, LWM2M_STRING, LWM2M_BYTES };

struct lwm2m_value {
	struct lwm2m_path path;
	enum lwm2m_type type;
	bool text_form; /* RAW is text (format 0), so a number is in digits */
	int64_t number; /* INT, BOOL */
	double real;
	struct bytes bytes; /* RAW, STRING, BYTES */
};

/* The values of a payload; `base` is the path that was read, written or observed (count 0 for
 * Send). ERR_SYNTAX, ERR_LIMIT (more than `cap`), ERR_UNSUPPORTED (another format), and the
 * fault: what is wrong and where. */
int lwm2m_decode(int format, struct bytes payload, const struct lwm2m_path *base,
		 struct lwm2m_value *ret, size_t cap, size_t *ret_count,
		 uint8_t scratch[LWM2M_SCRATCH], struct wire_fault *ret_fault) ERR_CHECK;

/* What a value is where it is known what it must be. false: it is not. */
bool lwm2m_value_int(const struct lwm2m_value *v, int64_t *ret);
bool lwm2m_value_bool(const struct lwm2m_value *v, bool *ret);
/* With NUL, at most cap bytes; false also where it is longer or no printable UTF-8. */
bool lwm2m_value_text(const struct lwm2m_value *v, char *dst, size_t cap);
bool lwm2m_value_bytes(const struct lwm2m_value *v, struct bytes *ret);

/* The first value at this path, NULL: none. */
const struct lwm2m_value *lwm2m_value_at(const struct lwm2m_value *values, size_t count,
					 unsigned object, unsigned instance, unsigned resource);

/* One resource, as the payload of a Write to its path. ERR_UNSUPPORTED, ERR_LIMIT. */
int lwm2m_encode(int format, const struct lwm2m_value *value, struct buf *out) ERR_CHECK;

/* ---- links of a registration (CoRE Link Format, RFC 6690) ---- */

struct lwm2m_link {
	struct lwm2m_path path; /* count 0: the root */
	bool is_root;
	char version[8];    /* ver=, "": none */
	int content_format; /* ct= of the root, -1: none */
};

/* Links that name no LwM2M object (and are not the root) are left out; `alternate` gets the path
 * of the root (rt="oma.lwm2m"), "" or "/" or "/lwm2m". ERR_SYNTAX, ERR_LIMIT, and the fault. */
int lwm2m_links(struct bytes payload, struct lwm2m_link *ret, size_t cap, size_t *ret_count,
		char alternate[64], struct wire_fault *ret_fault) ERR_CHECK;

#endif
