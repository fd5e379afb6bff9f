/* SPDX-License-Identifier: Apache-2.0
 *
 * What is refused of an image at its upload.
 */
#ifndef DAEMON_ADMIN_LINT_H
#define DAEMON_ADMIN_LINT_H

#include "core/release.h"
#include "daemon/admin_http.h"
#include "sign/sign.h"
#include "wire/image.h"

/* Takes over what the image says, its digests too; false and a reply: it is damaged, for other
 * hardware, its own digest is not the one given, or its label is not what it will report (unless
 * `label_anyway`, which is then kept only if it was needed). */
bool lint_release(struct request *rq, const struct product *p, const struct image *im,
		  bool label_anyway, struct release *r);

/* Takes over who has signed it; false and a reply: a signature is wrong, or there is none by a
 * signer where the product wants one. */
bool lint_signature(struct request *rq, const struct product *p, const struct signers *signers,
		    const struct sign_result *result, struct release *r);

#endif
