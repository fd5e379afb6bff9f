/* SPDX-License-Identifier: Apache-2.0
 *
 * LwM2M values as text, one a line, so that a test can say what a payload holds:
 *	/3/0/0 s Open Mobile Alliance     string; t: text form, r: raw, x: bytes, both in hex
 *	/3/0/9 i 100                      integer; b: boolean, f: float (%.9g)
 *	/3/0/9 i 100 @1367491215          with a time
 */
#ifndef SUPPORT_VALUES_H
#define SUPPORT_VALUES_H

#include "wire/lwm2m.h"

/* What holds of all that was decoded: aborts if a path is not under the base, or bytes lie neither
 * in the payload nor in the scratch. Asks each value for everything. */
void values_check(const struct lwm2m_value *values, size_t count, const struct lwm2m_path *base,
		  struct bytes payload, const uint8_t scratch[LWM2M_SCRATCH]);

/* Lives until the next call. */
const char *values_text(const struct lwm2m_value *values, size_t count);

#endif
