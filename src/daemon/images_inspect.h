/* SPDX-License-Identifier: Apache-2.0
 *
 * A look into an image that is stored (wire/image.h, sign/sign.h), on the thread pool, as all its
 * bytes are read.
 */
#ifndef DAEMON_IMAGES_INSPECT_H
#define DAEMON_IMAGES_INSPECT_H

#include "daemon/images.h"
#include "sign/sign.h"
#include "wire/image.h"

/* Who may have signed it, and a signature that came beside it (len 0: none). */
struct images_signing {
	struct signers signers;
	struct sign_raw beside;
};

/* err 0: `image` is what it says, or what is wrong with it; `signing` of one that is whole. */
typedef void images_inspect_done(void *ctx, int err, const struct image *image,
				 const struct sign_result *signing);
/* ERR_NOMEM, or 0 and `done` comes later. The image is pinned until then; `signing` is borrowed
 * until then. */
int images_inspect(struct images *im, const uint8_t sha256[DIGEST_SHA256], int64_t size_bytes,
		   const struct images_signing *signing, images_inspect_done *done,
		   void *ctx) ERR_CHECK;

#endif
