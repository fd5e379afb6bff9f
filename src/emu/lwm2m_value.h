/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of LwM2M resources on the wire, as a device writes and reads them: OMA TLV, SenML-CBOR,
 * SenML-JSON (written only), CBOR, text and opaque. A second implementation on purpose: it shares
 * no code with the server's. Pure.
 */
#ifndef EMU_LWM2M_VALUE_H
#define EMU_LWM2M_VALUE_H

#include "base/buf.h"
#include "base/err.h"

enum {
	EMU_LW_TEXT_PLAIN = 0,
	EMU_LW_LINK = 40,
	EMU_LW_OPAQUE = 42,
	EMU_LW_CBOR = 60,
	EMU_LW_SENML_JSON = 110,
	EMU_LW_SENML_CBOR = 112,
	EMU_LW_TLV = 11542,
};

enum { EMU_LW_VALUES = 24, EMU_LW_TEXT = 256, EMU_LW_DEPTH = 4 };

/* "/3/0/11/0": as much of it as there is. */
struct emu_lw_path {
	unsigned count;
	uint16_t id[EMU_LW_DEPTH];
};

enum emu_lw_type { EMU_LW_INT, EMU_LW_STRING, EMU_LW_BYTES };

struct emu_lw_value {
	struct emu_lw_path path; /* 3 ids, or 4 of a resource with instances */
	enum emu_lw_type type;
	int64_t number;
	size_t len; /* of text: STRING (with a NUL behind it), BYTES */
	char text[EMU_LW_TEXT];
};

/* ERR_SYNTAX: not a path of numbers. "" is the root: count 0. */
int emu_lw_path_parse(const char *text, struct emu_lw_path *ret_path) ERR_CHECK;
/* Whether `inner` is `outer` or below it. */
bool emu_lw_path_within(const struct emu_lw_path *outer, const struct emu_lw_path *inner);

/* What was read at `base`, in the order of paths. ERR_UNSUPPORTED: not in this format; ERR_LIMIT.
 */
int emu_lw_encode(int format, const struct emu_lw_path *base, const struct emu_lw_value *values,
		  size_t count, struct buf *out) ERR_CHECK;
/* A write to `base`: an instance or a resource. Numbers come as INT or as text in digits. */
int emu_lw_decode(int format, const struct emu_lw_path *base, struct bytes payload,
		  struct emu_lw_value *ret_values, size_t cap, size_t *ret_count) ERR_CHECK;
/* The number of a value that came in; false: it is none. */
bool emu_lw_number(const struct emu_lw_value *value, int64_t *ret_number);

#endif
