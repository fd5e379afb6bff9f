/* SPDX-License-Identifier: Apache-2.0
 *
 * /v1/products/NAME/signers
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/admin_args.h"
#include "daemon/admin_match.h"
#include "daemon/admin_routes.h"
#include "daemon/view.h"
#include "sign/sign.h"

static json_t *signer_json(const struct product *p, const struct signer *s)
{
	char pem[LIMIT_SIGNER_PEM];
	json_t *o = json_object();

	view_put_text(&o, "product", p->name);
	view_put_text(&o, "name", s->name);
	view_put_text(&o, "key", s->id);
	view_put(&o, "kind", json_string(signer_kind_name(s->kind)));
	view_put(&o, "pem", json_string(sign_key_pem(s, pem)));
	view_put_time(&o, "created", s->created_ms);
	return o;
}

static void release_row(void *ctx, const char *version)
{
	view_append(ctx, json_string(version));
}

/* What it has signed stays signed, but somebody will want to know. */
static bool put_releases(struct request *rq, const struct product *p, const struct signer *s,
			 json_t **o)
{
	json_t *list = json_array();

	if (!read_ok(rq, store_signed(rq->admin->conf.store, p->id, s->id, LIMIT_PAGE, release_row,
				      &list))) {
		json_decref(list);
		return false;
	}
	view_put(o, "releases", list);
	return true;
}

static bool find_signer(struct request *rq, const struct product *p, const char *name,
			struct signer *ret)
{
	struct signers list;

	if (!read_ok(rq, store_signers(rq->admin->conf.store, p->id, &list)))
		return false;
	for (unsigned i = 0; i < list.count; i++) {
		if (strcmp(list.list[i].name, name) == 0) {
			*ret = list.list[i];
			return true;
		}
	}
	reply_error(rq, ERR_NOENT, "product \"%s\" has no signer \"%.80s\"", p->name, name);
	return false;
}

static void reply_signer(struct request *rq, unsigned status, const char *name)
{
	char first[3 * LIMIT_PRODUCT_NAME + 1], second[3 * LIMIT_SIGNER_NAME + 1];
	char location[sizeof(first) + sizeof(second) + 32];
	struct product p;
	struct signer s;

	if (!find_product(rq, rq->name[0], &p) || !find_signer(rq, &p, name, &s))
		return;
	json_t *o = signer_json(&p, &s);
	if (!put_releases(rq, &p, &s, &o)) {
		json_decref(o);
		return;
	}
	reply_row(rq, status, p.rev, o, NULL);
	if (status != 201)
		return;
	(void)snprintf(location, sizeof(location), "/v1/products/%s/signers/%s",
		       percent_encode(p.name, first, sizeof(first)),
		       percent_encode(s.name, second, sizeof(second)));
	reply_header(rq, MHD_HTTP_HEADER_LOCATION, location);
}

void signers_list(struct request *rq)
{
	struct signers signers;
	struct product p;

	if (!body_keys(rq, rq->json, "", "") || !find_product(rq, rq->name[0], &p) ||
	    !read_ok(rq, store_signers(rq->admin->conf.store, p.id, &signers)))
		return;
	json_t *o = json_object();
	json_t *list = json_array();
	for (unsigned i = 0; i < signers.count; i++)
		view_append(&list, signer_json(&p, &signers.list[i]));
	view_put(&o, "signers", list);
	reply_row(rq, 200, p.rev, o, NULL);
}

void signer_get(struct request *rq)
{
	if (body_keys(rq, rq->json, "", ""))
		reply_signer(rq, 200, rq->name[1]);
}

static void signer_added(struct request *rq)
{
	reply_signer(rq, 201, json_string_value(json_object_get(rq->json, "name")));
}

void signers_add(struct request *rq)
{
	char why[SIGN_WHY];
	const char *name, *pem;
	struct product p;
	struct signer s;

	if (!body_keys(rq, rq->json, "", " name pem ") || !find_product(rq, rq->name[0], &p) ||
	    !body_text(rq, "name", true, &name) ||
	    !check_name(rq, "name", name, LIMIT_SIGNER_NAME) || !body_text(rq, "pem", true, &pem))
		return;
	if (sign_key_read((struct bytes){(const uint8_t *)pem, strlen(pem)}, &s, why)) {
		reply_problem(rq, 400, "invalid", "pem: %s", why);
		return;
	}
	(void)buf_copy_str(s.name, sizeof(s.name), name);
	s.created_ms = clock_read().wall_ms;
	rq->after = signer_added;
	request_owed(rq);
	engine_signer_add(rq->admin->conf.engine, &rq->actor, p.name, &s, request_done, rq);
}

static void signer_removed(struct request *rq)
{
	reply_empty(rq, 204);
}

void signer_remove(struct request *rq)
{
	struct product p;
	struct signer s;

	if (!body_keys(rq, rq->json, "", "") || !find_product(rq, rq->name[0], &p) ||
	    !find_signer(rq, &p, rq->name[1], &s))
		return;
	rq->after = signer_removed;
	rq->show = signer_get;
	request_owed(rq);
	engine_signer_remove(rq->admin->conf.engine, &rq->actor, p.name, rq->name[1], request_done,
			     rq);
}
