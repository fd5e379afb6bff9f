/* SPDX-License-Identifier: Apache-2.0
 *
 * What an image says of itself as JSON: the same from the server and from a look at a file.
 */
#ifndef WIRE_IMAGE_JSON_H
#define WIRE_IMAGE_JSON_H

#include <jansson.h>

#include "core/image.h"

/* NULL without memory. The caller's to free. `digests`: what devices report of it; NULL: not told
 * here. */
json_t *image_json(const struct image_facts *facts, const struct digest *digests, unsigned count);

#endif
