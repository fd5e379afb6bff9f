/* SPDX-License-Identifier: Apache-2.0
 *
 * Image files, named by their SHA-256: images/<64 hex digits>. An upload goes to a temporary
 * file, is written and hashed on the thread pool, fsynced, renamed, and its folder fsynced;
 * one that is cut short or fails leaves nothing. The same bytes are kept once.
 *
 * An upload that is done comes *pinned*: images_remove() of the same bytes does nothing until
 * images_unpin(), so that the file cannot go before the release that names it has committed.
 * All calls are made on the loop's thread, all callbacks come there.
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
/* NULL is fine. Uploads still on the thread pool end on their own while the loop runs. */
void images_free(struct images *im);
int64_t images_limit(const struct images *im);
void images_limit_set(struct images *im, int64_t limit_bytes); /* of uploads to come */

/* Removes every image for which `used` says no: at start, what a crash between an upload's end
 * and its release's commit has left. */
int images_sweep(struct images *im, bool (*used)(void *ctx, const uint8_t sha256[DIGEST_SHA256]),
		 void *ctx) ERR_CHECK;

/* One upload. expected_bytes -1: unknown. ERR_LIMIT: larger than the limit; ERR_BUSY: too many
 * uploads at once. `room` is called when a write that could take nothing may be tried again. */
int images_upload_new(struct images *im, int64_t expected_bytes, void (*room)(void *ctx), void *ctx,
		      struct images_upload **ret_upload) ERR_CHECK;
/* Copies as much as its buffer has room for and says how much; 0 bytes: wait for `room`.
 * ERR_LIMIT beyond the limit, ERR_EXTRA beyond expected_bytes, ERR_FULL, ERR_IO. */
int images_upload_write(struct images_upload *up, const void *ptr, size_t len,
			size_t *ret_taken) ERR_CHECK;
/* Takes the upload: stores it and calls `done`: err 0 (pinned), or ERR_INVAL (empty), ERR_TRUNC
 * (fewer than expected), ERR_FULL, ERR_IO. Always later, never before it returns. */
typedef void images_done(void *ctx, int err, const uint8_t sha256[DIGEST_SHA256],
			 int64_t size_bytes);
void images_upload_finish_take(struct images_upload *up, images_done *done, void *ctx);
void images_upload_abort(struct images_upload *up); /* NULL is fine; `room` comes no more */
void images_unpin(struct images *im, const uint8_t sha256[DIGEST_SHA256]);

/* Reads [offset, offset + len) of an image; keeps a few files open. ERR_NOENT if it is gone,
 * ERR_IO, ERR_TRUNC if the file is shorter than that. Never maps, so that an I/O error is an
 * answer and not a signal. */
int images_read(struct images *im, const uint8_t sha256[DIGEST_SHA256], int64_t offset, void *dst,
		size_t len) ERR_CHECK;
bool images_has(struct images *im, const uint8_t sha256[DIGEST_SHA256]);
void images_remove(struct images *im, const uint8_t sha256[DIGEST_SHA256]);

/* ---- faults: files that are missing, cut short or unreadable; a folder that takes none ---- */

struct images_faults {
	unsigned unreadable; /* images, at most LIMIT_IMAGES_BAD; a wrong one stays until it is good
			      */
	int read_err;	     /* of the first of them: ERR_NOENT, ERR_TRUNC, ERR_EXTRA, ERR_IO */
	uint8_t sha256[DIGEST_SHA256];
	int write_err; /* of the last upload, or of a try since; 0: it can be written */
};
/* Once a second or so: tries again what has failed, and makes a lost folder anew. */
void images_look(struct images *im, struct images_faults *ret_faults);
/* Compares the file with what it should be; no byte of it is read. */
void images_check(struct images *im, const uint8_t sha256[DIGEST_SHA256], int64_t size_bytes);
bool images_is_bad(struct images *im, const uint8_t sha256[DIGEST_SHA256]);

struct images_stats {
	uint64_t reads, hits; /* blocks; of them from memory */
};
void images_stats(const struct images *im, struct images_stats *ret_stats);

#endif
