/* SPDX-License-Identifier: Apache-2.0
 *
 * Input for decoders under test: a copy of exact size on the heap, so that a sanitizer sees a
 * read past its end. Each lives until the next call of any of these.
 */
#ifndef SUPPORT_INPUT_H
#define SUPPORT_INPUT_H

#include "base/buf.h"

struct bytes input_keep(const void *ptr, size_t len);
struct bytes input_text(const char *text);
/* Aborts on anything but hex digits, at most 2 KiB of bytes. */
struct bytes input_hex(const char *digits);

#endif
