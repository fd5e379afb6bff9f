/* SPDX-License-Identifier: Apache-2.0
 *
 * One small message, decoded: a map with integer keys whose values are numbers, strings,
 * booleans or arrays of those. The same for CBOR (wire/cbor.h) and for its JSON twin
 * (wire/json.h), so that one validator serves both.
 *
 * Reading: wire_cbor_decode or wire_json_decode, then WIRE_EACH and the wire_get functions,
 * then look at msg.fault once: the first fault sticks, later reads give 0 or empty.
 * Writing: wire_writer, the wire_put functions in the order of the output, wire_writer_end.
 * Arrays and maps are written with their size first and close themselves.
 *
 * Nothing here allocates. Bytes and text of a CBOR message are borrowed from the input; those
 * of a JSON message live in the message, which therefore cannot be copied.
 */
#ifndef WIRE_MSG_H
#define WIRE_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"

enum wire_format { WIRE_CBOR, WIRE_JSON };

/* WIRE_OTHER is well-formed and not for us: floats, tags, `undefined`, maps inside, arrays
 * inside arrays, strings in pieces. It can only be ignored. */
enum wire_type {
	WIRE_UINT,
	WIRE_NINT, /* below zero */
	WIRE_BYTES,
	WIRE_TEXT,
	WIRE_BOOL,
	WIRE_NULL,
	WIRE_ARRAY,
	WIRE_OTHER,
};

enum {
	WIRE_DEPTH = 8,	      /* containers open at once, the outer map included */
	WIRE_WRITE_DEPTH = 3, /* the same while writing */
	WIRE_FAULT_TEXT = 96, /* bytes with NUL */
};

/* Members of the map in the order of arrival, each array followed by its elements. */
struct wire_node {
	int64_t key; /* of the member; an element has its array's */
	int element; /* -1: a member; 0...: the element of an array */
	enum wire_type type;
	uint64_t number; /* UINT; NINT: -1 - value; BOOL: 0 or 1; ARRAY: elements */
	struct bytes bytes;
};

/* What is wrong and where, in printable ASCII: "key 2: longer than 64 bytes". */
struct wire_fault {
	int err; /* 0: nothing */
	char text[WIRE_FAULT_TEXT];
};

struct wire_msg {
	enum wire_format format;
	unsigned count;
	struct wire_node nodes[LIMIT_WIRE_NODES];
	struct wire_fault fault;
	size_t scratch_used;
	uint8_t scratch[LIMIT_NATIVE_JSON]; /* strings of a JSON message */
};

/* Visits the members, not their elements. */
#define WIRE_EACH(it, msg)                                                                         \
	for (struct wire_node *it = (msg)->nodes; it < (msg)->nodes + (msg)->count;                \
	     it += it->type == WIRE_ARRAY ? 1 + it->number : 1)

/* Sets the fault unless there is one. Returns the fault that stands. */
int wire_fault_set(struct wire_fault *fault, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same for a value: puts "key K: " or "key K[E]: " before the text. */
int wire_fault_at(struct wire_msg *msg, const struct wire_node *at, int err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Typed reads of a member or element. Faults: ERR_INVAL (another type), ERR_RANGE (number or
 * length outside min..max), ERR_SYNTAX (not hex in JSON, control characters in text).
 * The pointers are into msg->nodes; wire_get_bytes turns the hex text of JSON into bytes in
 * place. wire_get_text copies with a NUL into dst, which holds max + 1 bytes. */
uint64_t wire_get_uint(struct wire_msg *msg, struct wire_node *n, uint64_t min, uint64_t max);
int64_t wire_get_int(struct wire_msg *msg, struct wire_node *n, int64_t min, int64_t max);
bool wire_get_bool(struct wire_msg *msg, struct wire_node *n);
struct bytes wire_get_bytes(struct wire_msg *msg, struct wire_node *n, size_t min, size_t max);
void wire_get_text(struct wire_msg *msg, struct wire_node *n, size_t min, size_t max, char *dst);
/* The first of exactly `count` elements; they lie behind each other. NULL on a fault. */
struct wire_node *wire_get_array(struct wire_msg *msg, struct wire_node *n, unsigned count);

/* For the decoders: begin empty; append a node. Faults ERR_LIMIT, ERR_EXIST (key twice). */
void wire_msg_begin(struct wire_msg *msg, enum wire_format format);
struct wire_node *wire_msg_member(struct wire_msg *msg, int64_t key, enum wire_type type);
struct wire_node *wire_msg_element(struct wire_msg *msg, struct wire_node *array,
				   enum wire_type type);

/* RFC 3629: no surrogates, nothing overlong, nothing above U+10FFFF. */
bool wire_utf8_ok(struct bytes text);
/* The same without C0, DEL and C1: what moves the cursor of whoever lists devices on a terminal. */
bool wire_text_ok(struct bytes text);

/* Errors of the output stick in `out`. Calls out of order (a key where none belongs, more
 * values than announced) are bugs of the caller and assert. */
struct wire_writer {
	struct buf *out;
	enum wire_format format;
	unsigned depth;
	struct {
		unsigned left; /* values still to come */
		bool map, first, keyed;
	} level[WIRE_WRITE_DEPTH];
};

struct wire_writer wire_writer(enum wire_format format, struct buf *out);
void wire_put_map(struct wire_writer *w, unsigned members);
void wire_put_array(struct wire_writer *w, unsigned elements);
void wire_put_key(struct wire_writer *w, int64_t key);
void wire_put_uint(struct wire_writer *w, uint64_t value);
void wire_put_int(struct wire_writer *w, int64_t value);
void wire_put_bytes(struct wire_writer *w, const void *ptr, size_t len); /* hex text in JSON */
void wire_put_text(struct wire_writer *w, const char *text);		 /* valid UTF-8 */
void wire_put_text_bytes(struct wire_writer *w, struct bytes text);
void wire_put_bool(struct wire_writer *w, bool value);
void wire_put_null(struct wire_writer *w);
/* 0 or the error of the output. Everything announced must have been written. */
int wire_writer_end(const struct wire_writer *w) ERR_CHECK;

#endif
