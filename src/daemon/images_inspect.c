/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/images_inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/images_inner.h"

struct look {
	uv_work_t work;
	struct images *im;
	char name[NAME_CAP];
	int64_t size_bytes;
	images_inspect_done *done;
	void *ctx;
	int err;
	struct image image;
	const struct images_signing *signing;
	struct sign_result signed_by;
};

static int look_read(void *ctx, uint64_t offset, void *dst, size_t len)
{
	const int *fd = ctx;
	char *at = dst;

	while (len) {
		ssize_t n = pread(*fd, at, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? err_from_errno(errno) : ERR_TRUNC;
		at += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static void look_work(uv_work_t *work)
{
	struct look *l = work->data;
	int fd = openat(l->im->dir, l->name, O_RDONLY | O_CLOEXEC);
	const struct image_file file = {look_read, &fd, (uint64_t)l->size_bytes};

	if (fd < 0) {
		l->err = err_from_errno(errno);
		return;
	}
	l->err = image_parse(&file, &l->image);
	if (!l->err && !l->image.fault[0])
		l->err = sign_check(&file, &l->image, &l->signing->beside, &l->signing->signers,
				    &l->signed_by);
	(void)close(fd);
}

static void look_after(uv_work_t *work, int status)
{
	struct look *l = work->data;

	l->done(l->ctx, status ? ERR_IO : l->err, &l->image, &l->signed_by);
	images_unref(l->im);
	free(l);
}

int images_inspect(struct images *im, const uint8_t sha256[DIGEST_SHA256], int64_t size_bytes,
		   const struct images_signing *signing, images_inspect_done *done, void *ctx)
{
	struct look *l = calloc(1, sizeof(*l));

	if (!l)
		return ERR_NOMEM;
	l->im = im;
	l->work.data = l;
	l->size_bytes = size_bytes;
	l->signing = signing;
	l->done = done;
	l->ctx = ctx;
	image_name(sha256, l->name);
	im->refs++;
	if (uv_queue_work(im->loop, &l->work, look_work, look_after))
		abort(); /* only for a NULL callback */
	return 0;
}
