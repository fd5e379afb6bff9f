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
#include "base/limits.h"
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

enum {
	LWM2M_LEVELS = 4,
	LWM2M_VALUES = LIMIT_LWM2M_VALUES,
	LWM2M_SCRATCH = LIMIT_LWM2M_SCRATCH,
	LWM2M_PATH_TEXT = 25, /* "/65535/65535/65535/65535" with NUL */
};

/* "/3/0/3": object, instance, resource, resource instance. */
struct lwm2m_path {
	uint8_t count; /* 0..4 */
	uint16_t id[LWM2M_LEVELS];
};

/* ERR_SYNTAX. A leading slash may be missing; "/" is the path of count 0. */
int lwm2m_path_parse(struct bytes text, struct lwm2m_path *ret) ERR_CHECK;
/* The other way, with a leading slash. Returns dst. */
char *lwm2m_path_text(const struct lwm2m_path *path, char dst[LWM2M_PATH_TEXT]);

/* RAW: TLV, text and opaque do not say what they hold. STRING also for a link to an object
 * ("66:0") where the format tells one. */
enum lwm2m_type { LWM2M_RAW, LWM2M_INT, LWM2M_FLOAT, LWM2M_BOOL, LWM2M_STRING, LWM2M_BYTES };

struct lwm2m_value {
	struct lwm2m_path path;
	enum lwm2m_type type;
	bool text_form; /* RAW is text (format 0), so a number is in digits */
	int64_t number; /* INT, BOOL */
	double real;
	struct bytes bytes; /* RAW, STRING, BYTES */
	double time_s; /* of SenML and JSON: since 1970, or below 2^28 relative to now; 0: now */
};

/* The values of a payload; `base` is the path that was read, written or observed (count 0 for
 * Send): all of them lie under it. ret_count is untouched on failure. ERR_SYNTAX, ERR_TRUNC,
 * ERR_EXTRA, ERR_EXIST (a resource twice), ERR_RANGE, ERR_CRITICAL, ERR_VERSION (of SenML),
 * ERR_LIMIT (more than LIMIT_LWM2M_PAYLOAD bytes, `cap` values or the scratch), ERR_UNSUPPORTED
 * (another format), ERR_INVAL (not under base), ERR_NOMEM; and the fault: what is wrong, where. */
int lwm2m_decode(int format, struct bytes payload, const struct lwm2m_path *base,
		 struct lwm2m_value *ret, size_t cap, size_t *ret_count,
		 uint8_t scratch[LWM2M_SCRATCH], struct wire_fault *ret_fault) ERR_CHECK;
/* The same but for JSON (ERR_UNSUPPORTED), so that a program without jansson can be linked. */
int lwm2m_decode_binary(int format, struct bytes payload, const struct lwm2m_path *base,
			struct lwm2m_value *ret, size_t cap, size_t *ret_count,
			uint8_t scratch[LWM2M_SCRATCH], struct wire_fault *ret_fault) ERR_CHECK;

/* What a value is where it is known what it must be. false: it is not. */
bool lwm2m_value_int(const struct lwm2m_value *v, int64_t *ret); /* also a time */
bool lwm2m_value_real(const struct lwm2m_value *v, double *ret);
bool lwm2m_value_bool(const struct lwm2m_value *v, bool *ret);
/* With NUL, at most cap bytes; false also where it is longer or no printable UTF-8. */
bool lwm2m_value_text(const struct lwm2m_value *v, char *dst, size_t cap);
/* Not of text (format 0), where bytes are in base64. */
bool lwm2m_value_bytes(const struct lwm2m_value *v, struct bytes *ret);

/* The value at this path, NULL: none. Of a series in time the newest. Of several instances of a
 * resource the one that comes first; the others follow it. */
const struct lwm2m_value *lwm2m_value_at(const struct lwm2m_value *values, size_t count,
					 unsigned object, unsigned instance, unsigned resource);

/* One resource (or instance of one), as the payload of a Write to its path. ERR_UNSUPPORTED (a
 * format that does not hold this type, or is only read), ERR_LIMIT. A RAW value is taken as bytes,
 * or as text if text_form. */
int lwm2m_encode(int format, const struct lwm2m_value *value, struct buf *out) ERR_CHECK;
/* All of them, as the answer to a Read of `base`: instances of an object and of a resource lie
 * behind each other. Formats for more than one value: TLV, SenML-CBOR, SenML-JSON. ERR_INVAL: one
 * is not under base, or no resource. */
int lwm2m_encode_all(int format, const struct lwm2m_path *base, const struct lwm2m_value *values,
		     size_t count, struct buf *out) ERR_CHECK;

/* ---- links of a registration (CoRE Link Format, RFC 6690) ---- */

struct lwm2m_link {
	struct lwm2m_path path; /* count 0: the root */
	bool is_root;
	char version[8];    /* ver=, "": none */
	int content_format; /* ct= of the root, -1: none; of several the one we like best */
};

/* Links that name no LwM2M object (and are not the root) are left out; `alternate` gets the path
 * of the root (rt="oma.lwm2m"): "", "/" or "/lwm2m", never with a slash behind it. ERR_SYNTAX,
 * ERR_LIMIT, and the fault. */
int lwm2m_links(struct bytes payload, struct lwm2m_link *ret, size_t cap, size_t *ret_count,
		char alternate[64], struct wire_fault *ret_fault) ERR_CHECK;

#endif
