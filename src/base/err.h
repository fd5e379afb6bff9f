/* SPDX-License-Identifier: Apache-2.0
 *
 * Error codes of every room: 0 or a negative `enum err`, each with one text.
 *
 * Foreign codes (errno, sqlite, mbedTLS, uv) are mapped once, where they enter.
 * Bad input of a peer is an ordinary value, not a logged error.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>

/* X(name, value, word for machines, text for people) */
#define ERR_LIST(X)                                                                                \
	X(ERR_NOMEM, -1, "no-memory", "out of memory")                                             \
	X(ERR_INVAL, -2, "invalid", "invalid value")                                               \
	X(ERR_RANGE, -3, "out-of-range", "value out of range")                                     \
	X(ERR_TRUNC, -4, "truncated", "input ends too early")                                      \
	X(ERR_EXTRA, -5, "trailing-bytes", "bytes after the end")                                  \
	X(ERR_LIMIT, -6, "limit", "a limit is reached")                                            \
	X(ERR_NOENT, -7, "not-found", "not found")                                                 \
	X(ERR_EXIST, -8, "exists", "exists already")                                               \
	X(ERR_BUSY, -9, "busy", "in use")                                                          \
	X(ERR_DENIED, -10, "denied", "not permitted")                                              \
	X(ERR_CONFLICT, -11, "conflict", "changed by someone else meanwhile")                      \
	X(ERR_IO, -12, "io", "input/output error")                                                 \
	X(ERR_FULL, -13, "disk-full", "no space left on the device")                               \
	X(ERR_CORRUPT, -14, "corrupt", "stored data is damaged")                                   \
	X(ERR_VERSION, -15, "version", "unknown version")                                          \
	X(ERR_CRYPTO, -16, "crypto", "cryptographic operation failed")                             \
	X(ERR_CLOSED, -17, "closed", "closed")                                                     \
	X(ERR_TIMEOUT, -18, "timeout", "timed out")                                                \
	X(ERR_UNSUPPORTED, -19, "unsupported", "not supported")                                    \
	X(ERR_CRITICAL, -20, "critical", "a critical element is not understood")                   \
	X(ERR_SYNTAX, -21, "syntax", "not well-formed")                                            \
	X(ERR_STALE, -22, "precondition-failed", "not the state that was expected")                \
	X(ERR_READONLY, -23, "read-only", "it may only be read")                                   \
	X(ERR_MOVED, -24, "moved", "the file was moved, replaced or removed")

enum err {
#define ERR_ENUM(name, value, word, text) name = (value),
	ERR_LIST(ERR_ENUM)
#undef ERR_ENUM
};

#define ERR_CHECK __attribute__((warn_unused_result))

/* Text for people. Any int is fine: 0 gives "ok", unknown values "unknown error". Never NULL. */
const char *err_text(int err);

/* Stable word for machines ("not-found"), with the same promises. */
const char *err_word(int err);

/* The machine's, nobody's mistake: disk full, read-only, I/O, damage, no memory, a file that has
 * moved. */
bool err_is_fault(int err);

/* Maps a positive errno value; ERR_IO where nothing fits better. */
int err_from_errno(int errno_value);

#endif
