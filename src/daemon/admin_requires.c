/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/admin_requires.h"

#include <string.h>

#include "daemon/admin_args.h"

struct lists {
	struct request *rq;
	const char *version;
	struct requires *to;
};

static bool must_pass_arg(const struct lists *l, const char *label)
{
	struct requires *to = l->to;

	if (!check_version(l->rq, "must_pass", label))
		return false;
	if (strcmp(label, l->version) == 0) {
		reply_problem(l->rq, 400, "invalid", "must_pass: %s is the release itself", label);
		return false;
	}
	int err = lines_add(to->must_pass, sizeof(to->must_pass), LIMIT_MUST_PASS, label);
	if (err)
		reply_problem(l->rq, 400, err_word(err),
			      err == ERR_EXIST ? "must_pass: %s is given twice"
					       : "must_pass: with %s there are too many",
			      label);
	return !err;
}

static bool hardware_arg(const struct lists *l, const char *name)
{
	struct requires *to = l->to;

	if (!name[0]) {
		reply_problem(l->rq, 400, "invalid", "hardware: it is empty");
		return false;
	}
	if (!check_hardware(l->rq, name))
		return false;
	int err = lines_add(to->hardware, sizeof(to->hardware), LIMIT_REQUIRED_HARDWARE, name);
	if (err)
		reply_problem(l->rq, 400, err_word(err),
			      err == ERR_EXIST ? "hardware: %s is given twice"
					       : "hardware: with %s there are too many",
			      name);
	return !err;
}

static enum MHD_Result list_arg(void *cls, enum MHD_ValueKind kind, const char *key,
				const char *value)
{
	const struct lists *l = cls;
	bool stone = strcmp(key, "must_pass") == 0;
	char text[128];

	(void)kind;
	if (!stone && strcmp(key, "hardware") != 0)
		return MHD_YES;
	if (!buf_copy_str(text, sizeof(text), value) || percent_decode(text)) {
		reply_problem(l->rq, 400, "invalid", "query: %s: too long or not well-formed", key);
		return MHD_NO;
	}
	return (stone ? must_pass_arg(l, text) : hardware_arg(l, text)) ? MHD_YES : MHD_NO;
}

static bool loader_arg(struct request *rq, struct requires *to)
{
	if (!query_text(rq, "boot_loader", sizeof(to->boot_loader), to->boot_loader))
		return false;
	for (const char *c = to->boot_loader; *c; c++) {
		if (*c >= ' ' && *c <= '~')
			continue;
		reply_problem(rq, 400, "invalid", "boot_loader: it is not printable ASCII");
		return false;
	}
	return true;
}

static bool counter_arg(struct request *rq, struct requires *to)
{
	uint64_t n;

	if (!query_number(rq, "security_counter", 0, INT64_MAX, UINT64_MAX, &n))
		return false;
	to->has_security_counter = n != UINT64_MAX;
	to->security_counter = to->has_security_counter ? (int64_t)n : 0;
	return true;
}

bool requires_args(struct request *rq, const char *version, struct requires *ret)
{
	struct lists l = {rq, version, ret};
	char least[LIMIT_VERSION + 2];

	if (!query_text(rq, "min_version", sizeof(least), least) ||
	    (least[0] && !check_version(rq, "min_version", least)) || !loader_arg(rq, ret) ||
	    !counter_arg(rq, ret))
		return false;
	(void)buf_copy_str(ret->min_version, sizeof(ret->min_version), least);
	(void)MHD_get_connection_values(rq->connection, MHD_GET_ARGUMENT_KIND, list_arg, &l);
	return !rq->response;
}
