/* SPDX-License-Identifier: Apache-2.0 */
#include "support/echo.h"

#include <stdlib.h>

#include "wire/cbor.h"
#include "wire/json.h"

#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

/* What wire_put cannot say comes back as null. */
static enum wire_type echo_type(const struct wire_node *n)
{
	if (n->type == WIRE_OTHER || (n->type == WIRE_NINT && n->number > INT64_MAX))
		return WIRE_NULL;
	return n->type;
}

static void echo_value(struct wire_writer *w, const struct wire_node *n)
{
	switch (echo_type(n)) {
	case WIRE_UINT:
		wire_put_uint(w, n->number);
		break;
	case WIRE_NINT:
		wire_put_int(w, -1 - (int64_t)n->number);
		break;
	case WIRE_BYTES:
		wire_put_bytes(w, n->bytes.ptr, n->bytes.len);
		break;
	case WIRE_TEXT:
		wire_put_text_bytes(w, n->bytes);
		break;
	case WIRE_BOOL:
		wire_put_bool(w, n->number != 0);
		break;
	case WIRE_ARRAY:
		wire_put_array(w, (unsigned)n->number);
		break;
	case WIRE_NULL:
	case WIRE_OTHER:
		wire_put_null(w);
		break;
	}
}

static void echo_compare(const struct wire_node *a, const struct wire_node *b)
{
	MUST(a->key == b->key && a->element == b->element && echo_type(a) == b->type);
	if (b->type == WIRE_NULL)
		return;
	MUST(a->number == b->number && bytes_equal(a->bytes, b->bytes));
}

void echo_check(const struct wire_msg *msg)
{
	static uint8_t raw[16384];
	static struct wire_msg back;
	struct buf b = buf_writer(raw, sizeof(raw));
	struct wire_writer w = wire_writer(msg->format, &b);
	unsigned members = 0;

	for (unsigned i = 0; i < msg->count; i++)
		members += msg->nodes[i].element < 0;
	wire_put_map(&w, members);
	for (unsigned i = 0; i < msg->count; i++) {
		if (msg->nodes[i].element < 0)
			wire_put_key(&w, msg->nodes[i].key);
		echo_value(&w, &msg->nodes[i]);
	}
	/* Fuzzers may be given megabytes; and a tab is two bytes in, six out. */
	if (wire_writer_end(&w) || (msg->format == WIRE_JSON && b.pos > LIMIT_NATIVE_JSON))
		return;
	MUST((msg->format == WIRE_JSON ? wire_json_decode(buf_bytes(&b), &back)
				       : wire_cbor_decode(buf_bytes(&b), &back)) == 0);
	MUST(back.count == msg->count);
	for (unsigned i = 0; i < msg->count; i++)
		echo_compare(&msg->nodes[i], &back.nodes[i]);
}

void echo_check_fault(int err, const char *text)
{
	size_t len = 0;

	MUST(err < 0);
	for (; text[len]; len++)
		MUST(len < WIRE_FAULT_TEXT && text[len] >= 0x20 && text[len] < 0x7f);
	MUST(len > 0);
}
