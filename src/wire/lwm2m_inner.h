/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of wire/lwm2m.h share. A sink takes the values of one payload and keeps what is
 * promised of them: under the base, no more than fit.
 */
#ifndef WIRE_LWM2M_INNER_H
#define WIRE_LWM2M_INNER_H

#include "wire/lwm2m.h"

struct lwm2m_sink {
	const struct lwm2m_path *base;
	struct lwm2m_value *values;
	size_t cap, count;
	uint8_t *scratch;
	size_t used; /* of the scratch */
	struct wire_fault *fault;
};

/* Both return 0 or the fault that stands. `series`: the same path may come again. */
int lwm2m_sink_put(struct lwm2m_sink *sink, const struct lwm2m_value *value, bool series);
/* Copies behind what is in the scratch. */
int lwm2m_sink_keep(struct lwm2m_sink *sink, struct bytes src);

/* The readers of one format each. */
int lwm2m_tlv_decode(struct bytes payload, struct lwm2m_sink *sink);
int lwm2m_senml_cbor_decode(struct bytes payload, struct lwm2m_sink *sink);
int lwm2m_cbor_decode(struct bytes payload, struct lwm2m_sink *sink); /* one value */

/* Where decode begins and ends: `read` is one of the above, format and payload are given to it. */
struct lwm2m_sink lwm2m_sink_begin(const struct lwm2m_path *base, struct lwm2m_value *values,
				   size_t cap, uint8_t *scratch, struct wire_fault *fault);

int lwm2m_tlv_encode(const struct lwm2m_path *base, const struct lwm2m_value *values, size_t count,
		     struct buf *out);
int lwm2m_senml_encode(int format, const struct lwm2m_path *base, const struct lwm2m_value *values,
		       size_t count, struct buf *out);
/* Base64 (RFC 4648 4), or with the alphabet for names and without padding (5). */
void lwm2m_put_base64(struct buf *out, struct bytes src, bool url);
/* A number as JSON and text have it: what reads back as the same. */
void lwm2m_put_real(struct buf *out, double real);

#endif
