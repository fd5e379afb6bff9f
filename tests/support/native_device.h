/* SPDX-License-Identifier: Apache-2.0
 *
 * The device's half of proto/native, for tests and fuzzers only: what the server decodes is
 * encoded here and the other way round. postboot-device has a codec of its own.
 */
#ifndef SUPPORT_NATIVE_DEVICE_H
#define SUPPORT_NATIVE_DEVICE_H

#include "proto/native.h"

/* Writes every field that is told. */
int native_report_encode(enum wire_format format, const struct report *r,
			 struct buf *out) ERR_CHECK;
int native_status_encode(enum wire_format format, const struct status *s,
			 struct buf *out) ERR_CHECK;

/* ERR_CRITICAL for an unknown flag bit, action or negative key. ret_path holds 32 bytes. */
int native_directive_decode(enum wire_format format, struct bytes payload, struct directive *ret,
			    char *ret_path) ERR_CHECK;
int native_desired_decode(enum wire_format format, struct bytes payload,
			  uint64_t *ret_counter) ERR_CHECK;

#endif
