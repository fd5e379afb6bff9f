/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/json_tree.h"

#include <string.h>

#include "wire/msg.h"

/* jansson's own texts quote the input; what goes back to a peer and into a log does not. */
static void fault_from_jansson(struct wire_fault *fault, const json_error_t *e)
{
	enum json_error_code code = json_error_code(e);
	const char *what = "not well-formed JSON";
	int err = ERR_SYNTAX;

	if (code == json_error_out_of_memory) {
		what = "out of memory";
		err = ERR_NOMEM;
	} else if (code == json_error_premature_end_of_input) {
		what = "truncated";
		err = ERR_TRUNC;
	} else if (code == json_error_end_of_input_expected) {
		what = "more after the end";
		err = ERR_EXTRA;
	} else if (code == json_error_invalid_utf8) {
		what = "text that is not UTF-8";
	} else if (code == json_error_null_character || code == json_error_null_byte_in_key) {
		what = "a NUL character";
	} else if (code == json_error_duplicate_key) {
		what = "a key that comes twice";
		err = ERR_EXIST;
	} else if (code == json_error_numeric_overflow) {
		what = "a number beyond 64 bits";
		err = ERR_RANGE;
	}
	wire_fault_set(fault, err, "byte %d: %s", e->position, what);
}

/* Containers open at once must stay within WIRE_DEPTH; returns early above it. */
static bool too_deep(struct bytes in)
{
	unsigned depth = 0;
	bool string = false;

	for (size_t i = 0; i < in.len; i++) {
		uint8_t c = in.ptr[i];
		if (string && c == '\\')
			i++;
		else if (c == '"')
			string = !string;
		else if (!string && (c == '{' || c == '['))
			depth++;
		else if (!string && (c == '}' || c == ']') && depth)
			depth--;
		if (depth > WIRE_DEPTH)
			return true;
	}
	return false;
}

json_t *wire_json_load(struct bytes in, size_t limit, struct wire_fault *fault)
{
	json_error_t e;

	if (in.len > limit) {
		wire_fault_set(fault, ERR_LIMIT, "longer than %zu bytes", limit);
		return NULL;
	}
	/* jansson 2.14 steps over a NUL that follows a number. */
	const uint8_t *nul = in.len ? memchr(in.ptr, 0, in.len) : NULL;
	if (nul) {
		wire_fault_set(fault, ERR_SYNTAX, "byte %zu: a NUL character",
			       (size_t)(nul - in.ptr));
		return NULL;
	}
	/* Asked before jansson sees it, as jansson recurses. */
	if (too_deep(in)) {
		wire_fault_set(fault, ERR_LIMIT, "nested too deeply");
		return NULL;
	}
	json_t *root =
		json_loadb(in.len ? (const char *)in.ptr : "", in.len, JSON_REJECT_DUPLICATES, &e);
	if (!root)
		fault_from_jansson(fault, &e);
	return root;
}
