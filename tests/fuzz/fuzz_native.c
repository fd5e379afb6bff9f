/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first byte says what the rest is: bit 0 JSON; bits 1 and 2 a report, a status, a
 * directive, or a method and a path. What decodes is encoded in both formats and must decode
 * to the same again; "the same" is judged by its CBOR.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/native.h"
#include "support/echo.h"
#include "support/native_device.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t cbor_a[LIMIT_NATIVE_MESSAGE], cbor_b[LIMIT_NATIVE_MESSAGE], json[LIMIT_NATIVE_JSON];

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void refused(int err, const struct native_fault *fault)
{
	echo_check_fault(err, fault->text);
	must(fault->code ==
	     (err == ERR_LIMIT && strncmp(fault->text, "payload", 7) == 0 ? 0x8d : 0x80));
}

static void fuzz_report(enum wire_format format, struct bytes in)
{
	struct native_fault fault = {0};
	struct buf a = buf_writer(cbor_a, sizeof(cbor_a)), b = buf_writer(cbor_b, sizeof(cbor_b)),
		   j = buf_writer(json, sizeof(json));
	struct report r, back;
	int err = native_report_decode(format, in, &r, &fault);

	if (err) {
		refused(err, &fault);
		return;
	}
	must(native_report_encode(WIRE_CBOR, &r, &a) == 0);
	must(native_report_decode(WIRE_CBOR, buf_bytes(&a), &back, &fault) == 0);
	must(native_report_encode(WIRE_CBOR, &back, &b) == 0);
	must(bytes_equal(buf_bytes(&a), buf_bytes(&b)));
	if (native_report_encode(WIRE_JSON, &r, &j))
		return; /* a text of quotes is longer in JSON */
	must(native_report_decode(WIRE_JSON, buf_bytes(&j), &back, &fault) == 0);
	b = buf_writer(cbor_b, sizeof(cbor_b));
	must(native_report_encode(WIRE_CBOR, &back, &b) == 0);
	must(bytes_equal(buf_bytes(&a), buf_bytes(&b)));
}

static void fuzz_status(enum wire_format format, struct bytes in)
{
	struct native_fault fault = {0};
	struct buf a = buf_writer(cbor_a, sizeof(cbor_a)), b = buf_writer(cbor_b, sizeof(cbor_b)),
		   j = buf_writer(json, sizeof(json));
	struct status s, back;
	int err = native_status_decode(format, in, &s, &fault);

	if (err) {
		refused(err, &fault);
		return;
	}
	must(native_status_encode(WIRE_CBOR, &s, &a) == 0);
	must(native_status_encode(WIRE_JSON, &s, &j) == 0);
	must(native_status_decode(WIRE_JSON, buf_bytes(&j), &back, &fault) == 0);
	must(native_status_encode(WIRE_CBOR, &back, &b) == 0);
	must(bytes_equal(buf_bytes(&a), buf_bytes(&b)));
}

static void fuzz_directive(enum wire_format format, struct bytes in)
{
	struct buf a = buf_writer(cbor_a, sizeof(cbor_a)), b = buf_writer(cbor_b, sizeof(cbor_b)),
		   j = buf_writer(json, sizeof(json));
	struct directive d, back;
	char path[32];

	if (native_directive_decode(format, in, &d, path))
		return;
	if (d.action == DIRECTIVE_UPDATE && (d.attempt == 0 || !d.version[0]))
		return; /* the server never says so */
	must(native_directive_encode(WIRE_CBOR, &d, &a) == 0);
	must(native_directive_encode(WIRE_JSON, &d, &j) == 0);
	must(native_directive_decode(WIRE_JSON, buf_bytes(&j), &back, path) == 0);
	must(native_directive_encode(WIRE_CBOR, &back, &b) == 0);
	must(bytes_equal(buf_bytes(&a), buf_bytes(&b)));
}

/* A method, then segments divided by '/'. */
static void fuzz_route(struct bytes in)
{
	struct bytes path[LIMIT_COAP_PATH] = {{0}};
	uint8_t digest[NATIVE_DIGEST16];
	unsigned count = 1;

	if (in.len == 0)
		return;
	path[0].ptr = in.ptr + 1;
	for (size_t i = 1; i < in.len; i++) {
		if (in.ptr[i] != '/')
			path[count - 1].len++;
		else if (count < LIMIT_COAP_PATH)
			path[count++].ptr = in.ptr + i + 1;
		else
			break;
	}
	enum native_route route = native_route(in.ptr[0], path, count, digest);
	must(route != NATIVE_FW || (count == 2 && path[1].len == 16));
	must(native_route(0, path, count, digest) ==
	     (route == NATIVE_NONE ? NATIVE_NONE : NATIVE_METHOD));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct bytes in = {data + 1, size - 1};
	enum wire_format format = data[0] & 1 ? WIRE_JSON : WIRE_CBOR;
	switch (data[0] >> 1 & 3) {
	case 0:
		fuzz_report(format, in);
		break;
	case 1:
		fuzz_status(format, in);
		break;
	case 2:
		fuzz_directive(format, in);
		break;
	default:
		fuzz_route(in);
		break;
	}
	return 0;
}
