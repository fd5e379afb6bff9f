/* SPDX-License-Identifier: Apache-2.0
 *
 * SenML (RFC 8428) between its two spellings, CBOR and JSON, and the sink: what the labels mean,
 * how names and times are put together. LwM2M JSON of 1.0 is a dialect with other words.
 *
 * For each record: senml_record_begin, senml_field for each of its members, senml_record_end.
 */
#ifndef WIRE_LWM2M_SENML_H
#define WIRE_LWM2M_SENML_H

#include "wire/lwm2m_inner.h"

/* RFC 8428 6; SENML_VLO is "vlo" of LwM2M and has no number. */
enum senml_label {
	SENML_BVER = -1,
	SENML_BN = -2,
	SENML_BT = -3,
	SENML_BV = -5,
	SENML_N = 0,
	SENML_V = 2,
	SENML_VS = 3,
	SENML_VB = 4,
	SENML_T = 6,
	SENML_VD = 8,
	SENML_VLO = 1000,
	SENML_OTHER = 1001, /* units, sums, extensions: without meaning here */
};

/* One member's value. */
struct senml_datum {
	enum { DATUM_INT, DATUM_REAL, DATUM_TEXT, DATUM_BYTES, DATUM_BOOL, DATUM_OTHER } kind;
	int64_t number; /* INT, BOOL */
	double real;
	struct bytes bytes;
};

struct senml_pack {
	struct lwm2m_sink *sink;
	bool json;	  /* bytes are text in base64url */
	unsigned records; /* begun so far */
	/* RFC 8428 4.1: hold for the record they are in and all behind it. */
	struct bytes base_name;
	double base_time;
	struct senml_datum base_value;
	/* of the present record */
	uint32_t seen;
	struct bytes name;
	double time;
	bool has_value;
	struct lwm2m_value value;
};

/* Any other label is SENML_OTHER; one that must be understood (RFC 8428 4.4: it ends with "_")
 * is the fault ERR_CRITICAL. */
int senml_label_from_text(struct senml_pack *pack, struct bytes text, enum senml_label *ret);
enum senml_label senml_label_from_number(int64_t number);

void senml_record_begin(struct senml_pack *pack);
/* These two return 0 or the fault that stands. */
int senml_field(struct senml_pack *pack, enum senml_label label, const struct senml_datum *d);
int senml_record_end(struct senml_pack *pack);

#endif
