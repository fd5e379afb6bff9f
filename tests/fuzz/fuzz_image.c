/* SPDX-License-Identifier: Apache-2.0
 *
 * Images of all formats. The parser reads inside the file only, and what it tells is bounded.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/image.h"
#include "wire/image_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct source {
	const uint8_t *data;
	size_t size;
	uint64_t read;
};

static int source_read(void *ctx, uint64_t offset, void *dst, size_t len)
{
	struct source *s = ctx;

	if (offset > s->size || len > s->size - offset)
		abort();
	memcpy(dst, s->data + offset, len);
	s->read += len;
	return 0;
}

static void check(const struct image *im, size_t size)
{
	if (memchr(im->fault, 0, sizeof(im->fault)) == NULL || im->facts.slot_bytes < 0 ||
	    im->signed_bytes > UINT64_C(1) << 33 || im->signature_count > IMAGE_SIGNATURES ||
	    im->digest_count > LIMIT_IMAGE_DIGESTS)
		abort();
	for (unsigned i = 0; i < im->signature_count && !im->fault[0]; i++)
		if (im->signature[i].offset + im->signature[i].len > size)
			abort();
	if (!im->fault[0] && im->signed_bytes > size)
		abort();
	json_t *json = image_json(&im->facts, im->digest, im->digest_count);
	if (json == NULL)
		abort();
	json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source s = {data, size, 0};
	const struct image_file f = {source_read, &s, size};
	struct image im;

	if (image_parse(&f, &im))
		abort();
	/* a few times each byte, and no more than some headers beside */
	if (s.read > 6 * (uint64_t)size + 65536 * 56)
		abort();
	check(&im, size);
	return 0;
}
