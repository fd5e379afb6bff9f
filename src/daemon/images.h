/* SPDX-License-Identifier: Apache-2.0
 *
 * Image files, named by their SHA-256: images/<64 hex digits>. An upload goes to a temporary
 * file, is hashed off the loop, fsynced, renamed, and its folder fsynced; one that is cut
 * short or fails leaves nothing. The same bytes are kept once.
 */
#ifndef DAEMON_IMAGES_H
#define DAEMON_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/err.h"
#include "core/digest.h"

struct images;
struct images_upload;

/* Creates `dir` (0750) if missing and removes leftovers of interrupted uploads.
 * limit_bytes: the largest image accepted. The loop is borrowed. */
int images_new(uv_loop_t *loop, const char *dir, int64_t limit_bytes,
	       struct images **ret_images) ERR_CHECK;
void images_free(struct images *im); /* NULL is fine */
int64_t images_limit(const struct images *im);

/* One upload. write: ERR_LIMIT beyond the limit, ERR_FULL, ERR_IO. expected_bytes -1: unknown. */
int images_upload_new(struct images *im, int64_t expected_bytes,
		      struct images_upload **ret_upload) ERR_CHECK;
int images_upload_write(struct images_upload *up, const void *ptr, size_t len) ERR_CHECK;
/* Takes the upload: hashes and stores it on the thread pool, then calls `done` on the loop:
 * err 0, or ERR_INVAL (empty), ERR_TRUNC (fewer than expected), ERR_FULL, ERR_IO. */
typedef void images_done(void *ctx, int err, const uint8_t sha256[DIGEST_SHA256],
			 int64_t size_bytes);
void images_upload_finish_take(struct images_upload *up, images_done *done, void *ctx);
void images_upload_abort(struct images_upload *up); /* NULL is fine */

/* Reads [offset, offset + len) of an image; keeps a few files open. ERR_NOENT if it is gone,
 * ERR_IO, ERR_TRUNC if the file is shorter than that. Never maps, so that an I/O error is an
 * answer and not a signal. */
int images_read(struct images *im, const uint8_t sha256[DIGEST_SHA256], int64_t offset, void *dst,
		size_t len) ERR_CHECK;
bool images_has(struct images *im, const uint8_t sha256[DIGEST_SHA256]);
void images_remove(struct images *im, const uint8_t sha256[DIGEST_SHA256]);

#endif
