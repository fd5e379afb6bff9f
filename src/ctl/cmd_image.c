/* SPDX-License-Identifier: Apache-2.0
 *
 * What an image says of itself: of a file here, without the server, and of a release.
 */
#include "ctl/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/text.h"
#include "ctl/view.h"
#include "wire/image.h"
#include "wire/image_json.h"

static void line(const struct output *o, const char *label, const char *text)
{
	if (!text[0])
		return;
	view_label(o, label);
	out_text(o, text);
	out_nl(o);
}

static void view_signatures(const struct output *o, const json_t *image)
{
	const json_t *v;
	size_t i;

	view_label(o, "signatures");
	json_array_foreach(json_object_get(image, "signatures"), i, v)
		out_printf(o, "%s%s", i ? ", " : "", json_string_value(v));
	if (json_array_size(json_object_get(image, "signatures")) == 0)
		out_text(o, "none in it");
	out_nl(o);
}

void view_image(const struct output *o, const json_t *image)
{
	enum image_format format = IMAGE_PLAIN;
	const json_t *v;
	char size[64];
	size_t i;

	if (image_format_from_name(get_str(image, "format"), &format))
		return; /* a server that knows more formats */
	line(o, "format", image_format_text(format));
	if (format == IMAGE_PLAIN)
		return;
	line(o, "says it is", get_str(image, "version"));
	line(o, "built for", get_str(image, "hardware"));
	line(o, "project", get_str(image, "project"));
	if (json_is_integer(json_object_get(image, "security_counter"))) {
		view_label(o, "counter");
		out_printf(o, "%lld, against going back",
			   (long long)get_int(image, "security_counter"));
		out_nl(o);
	}
	line(o, "slot needed", bytes_text(get_int(image, "slot_size"), size));
	view_signatures(o, image);
	if (get_bool(image, "encrypted"))
		line(o, "encrypted", "yes");
	json_array_foreach(json_object_get(image, "digests"), i, v)
		line(o, i ? "" : "digest", json_string_value(v));
	if (get_str(image, "detail")[0]) {
		view_label(o, "detail");
		out_wrap(o, VIEW_INDENT, get_str(image, "detail"));
	}
}

static int file_read(void *ctx, uint64_t offset, void *dst, size_t len)
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

/* Who has signed it, of the keys in files; names as on the command line. */
struct signing {
	struct signers keys;
	const char *files[LIMIT_SIGNERS];
	struct sign_raw beside;
	struct sign_result result;
};

static bool signing_take(const struct ctl *c, const struct args *a, struct signing *s)
{
	const char *signature = args_option(a, "signature");

	for (unsigned i = 0; i < a->option_count; i++) {
		const char *name = a->option[i].value;
		struct signer *key = &s->keys.list[s->keys.count];
		if (strcmp(a->option[i].row->name, "key") != 0)
			continue;
		if (s->keys.count == LIMIT_SIGNERS) {
			(void)ctl_fail(c, "more than %d keys", LIMIT_SIGNERS);
			return false;
		}
		if (!signer_key_file(c, name, key))
			return false;
		const char *base = strrchr(name, '/');
		(void)snprintf(key->name, sizeof(key->name), "%s", base ? base + 1 : name);
		s->files[s->keys.count++] = name;
	}
	if (signature && s->keys.count == 0) {
		(void)ctl_fail(c, "--signature: say with --key by whom it is to be");
		return false;
	}
	return !signature || signature_file(c, signature, &s->beside);
}

static bool is_signed(const struct signing *s)
{
	return s->result.verdict == SIGN_GOOD;
}

static void view_signing(const struct output *o, const struct signing *s)
{
	if (is_signed(s))
		line(o, "signed by", s->files[s->result.key]);
}

static int inspect(struct ctl *c, const char *name, int fd, uint64_t size, struct signing *s)
{
	const struct image_file file = {file_read, &fd, size};
	struct image im;
	char text[64];
	int err = image_parse(&file, &im);

	if (!err && s->keys.count && !im.fault[0])
		err = sign_check(&file, &im, &s->beside, &s->keys, &s->result);
	if (err)
		return ctl_fail(c, "%s: %s", name, err_text(err));
	json_t *image = image_json(&im.facts, im.digest, im.digest_count);
	if (image == NULL)
		return ctl_fail(c, "%s", err_text(ERR_NOMEM));
	(void)json_object_set_new(image, "size", json_integer((json_int_t)size));
	(void)json_object_set_new(image, "damaged",
				  im.fault[0] ? json_string(im.fault) : json_null());
	if (s->keys.count)
		(void)json_object_set_new(image, "signed_by",
					  is_signed(s) ? json_string(s->files[s->result.key])
						       : json_null());
	if (c->out.json) {
		out_json(&c->out, image);
	} else {
		line(&c->out, "size", bytes_text((int64_t)size, text));
		view_image(&c->out, image);
		view_signing(&c->out, s);
	}
	json_decref(image);
	if (im.fault[0])
		return ctl_fail(c, "%s: a damaged %s: %s", name, image_format_text(im.facts.format),
				im.fault);
	if (s->keys.count && !is_signed(s))
		return ctl_fail(c, "%s: %s", name, s->result.why);
	return CTL_DONE;
}

int release_inspect(struct ctl *c, const struct args *a)
{
	const char *name = a->pos[0];
	struct signing signing = {0};
	struct stat st;
	int fd, code;

	if (!signing_take(c, a, &signing))
		return CTL_FAILED;
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return ctl_fail(c, "%s: %s", name, strerror(errno));
	if (fstat(fd, &st))
		code = ctl_fail(c, "%s: %s", name, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		code = ctl_fail(c, "%s: is no ordinary file", name);
	else
		code = inspect(c, name, fd, (uint64_t)st.st_size, &signing);
	(void)close(fd);
	return code;
}
