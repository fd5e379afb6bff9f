/* SPDX-License-Identifier: Apache-2.0
 *
 * The native device protocol, version 1 (postboot-protocol(7)): CoAP requests to structs of
 * core/report.h, directives to payloads. Pure: it knows neither peers nor attempts; what a
 * report means is decided in core, what is sent by the daemon.
 *
 * A request goes native_route, native_request_format, native_report_decode or
 * native_status_decode; its answer native_accept_format, native_directive_encode or
 * native_desired_encode. Functions that refuse fill in the answer: a CoAP code and a text for
 * its payload (RFC 7252 5.5.2, a diagnostic payload has no Content-Format).
 */
#ifndef PROTO_NATIVE_H
#define PROTO_NATIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "core/report.h"
#include "wire/msg.h"

#define NATIVE_NAME "native"

enum {
	NATIVE_VERSION = 1,
	NATIVE_TEXT = WIRE_FAULT_TEXT,
	NATIVE_DIGEST16 = 8, /* bytes of file_sha256 that name an image in a path */
	NATIVE_CF_CBOR = 60,
	NATIVE_CF_JSON = 50,
};

/* RFC 6690, for /.well-known/core. */
#define NATIVE_WELL_KNOWN                                                                          \
	"</report>;rt=\"postboot.report\";ct=\"60 50\","                                           \
	"</desired>;rt=\"postboot.desired\";obs;ct=\"60 50\","                                     \
	"</fw>;rt=\"postboot.image\";ct=42,"                                                       \
	"</status>;rt=\"postboot.status\";ct=\"60 50\""

/* Why a request is refused. code is a byte as on the wire: 0x80 is 4.00. */
struct native_fault {
	uint8_t code;
	char text[NATIVE_TEXT];
};

enum native_route {
	NATIVE_REPORT,	/* POST report */
	NATIVE_DESIRED, /* GET desired */
	NATIVE_FW,	/* GET fw/{16 hex digits} */
	NATIVE_STATUS,	/* POST status */
	NATIVE_METHOD,	/* a path of ours, another method: 4.05 */
	NATIVE_NONE,	/* no path of ours: 4.04 */
};

/* ret_digest16 is written for NATIVE_FW only. */
enum native_route native_route(uint8_t method, const struct bytes *path, unsigned path_count,
			       uint8_t ret_digest16[NATIVE_DIGEST16]);

/* The encoding of a request's payload, -1 (none given) is CBOR. ERR_UNSUPPORTED with 4.15. */
int native_request_format(int content_format, bool json_enabled, enum wire_format *ret_format,
			  struct native_fault *ret_fault) ERR_CHECK;
/* The encoding of the answer: that of the request unless Accept (-1: none) says otherwise.
 * ERR_UNSUPPORTED with 4.06. */
int native_accept_format(int accept, enum wire_format request, bool json_enabled,
			 enum wire_format *ret_format, struct native_fault *ret_fault) ERR_CHECK;
/* The Content-Format option of an encoding. */
int native_content_format(enum wire_format format);

/* 0, or an error with 4.13 (payload too long: ERR_LIMIT) or 4.00 (everything else; ERR_CRITICAL
 * for a negative key, ERR_VERSION for another protocol version, ERR_NOENT for a missing key).
 * Out parameters are untouched where they do not apply. */
int native_report_decode(enum wire_format format, struct bytes payload, struct report *ret,
			 struct native_fault *ret_fault) ERR_CHECK;
int native_status_decode(enum wire_format format, struct bytes payload, struct status *ret,
			 struct native_fault *ret_fault) ERR_CHECK;

/* Appends the payload of the answer to a report; the image's path is made from its digest.
 * Attempt, size, digest, path, flags, window and block size are written for an update only,
 * the version also for `pending`. ERR_LIMIT if `out` is too small: LIMIT_NATIVE_MESSAGE
 * (LIMIT_NATIVE_JSON) is enough. */
int native_directive_encode(enum wire_format format, const struct directive *directive,
			    struct buf *out) ERR_CHECK;

/* Appends the answer to GET /desired: {0: counter}. */
int native_desired_encode(enum wire_format format, uint64_t counter, struct buf *out) ERR_CHECK;

#endif
