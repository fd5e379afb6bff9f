/* SPDX-License-Identifier: Apache-2.0
 *
 * A look into an image that is stored (wire/image.h), on the thread pool, as all its bytes are
 * read.
 */
#ifndef DAEMON_IMAGES_INSPECT_H
#define DAEMON_IMAGES_INSPECT_H

#include "daemon/images.h"
#include "wire/image.h"

/* err 0: `image` is what it says, or what is wrong with it. */
typedef void images_inspect_done(void *ctx, int err, const struct image *image);
/* ERR_NOMEM, or 0 and `done` comes later. The image is pinned until then. */
int images_inspect(struct images *im, const uint8_t sha256[DIGEST_SHA256], int64_t size_bytes,
		   images_inspect_done *done, void *ctx) ERR_CHECK;

#endif
