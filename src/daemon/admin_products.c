/* SPDX-License-Identifier: Apache-2.0
 *
 * /v1/products
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/admin_args.h"
#include "daemon/admin_match.h"
#include "daemon/admin_routes.h"
#include "daemon/admin_windows.h"
#include "daemon/view.h"

char *percent_encode(const char *name, char *dst, size_t cap)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789-._~!$&()*+,;=:@";
	static const char digits[] = "0123456789ABCDEF";
	struct buf b = buf_writer(dst, cap);

	for (const char *c = name; *c; c++) {
		if (strchr(plain, *c)) {
			buf_put_u8(&b, (uint8_t)*c);
			continue;
		}
		buf_put_u8(&b, '%');
		buf_put_u8(&b, (uint8_t)digits[(uint8_t)*c >> 4]);
		buf_put_u8(&b, (uint8_t)digits[(uint8_t)*c & 15]);
	}
	return buf_cstr(&b);
}

static json_t *product_json(struct admin *a, const struct product *p)
{
	struct release target = {0};

	if (p->target && store_release(a->conf.store, p->target, &target))
		target.version[0] = 0;
	return view_product(p, target.version);
}

static void reply_product(struct request *rq, unsigned status, const char *name)
{
	char location[16 + 3 * LIMIT_PRODUCT_NAME + 1] = "/v1/products/";
	struct product p;

	if (!find_product(rq, name, &p))
		return;
	reply_row(rq, status, p.rev, product_json(rq->admin, &p), NULL);
	if (status != 201)
		return;
	size_t len = strlen(location);
	(void)percent_encode(name, location + len, sizeof(location) - len);
	reply_header(rq, MHD_HTTP_HEADER_LOCATION, location);
}

/* ---- GET ---- */

struct rows {
	struct product *list;
	unsigned count;
};

static bool products_row(void *ctx, const struct product *p)
{
	struct rows *rows = ctx;

	rows->list[rows->count++] = *p;
	return true;
}

void products_list(struct request *rq)
{
	struct store *store = rq->admin->conf.store;
	char after[LIMIT_PRODUCT_NAME + 1];
	struct rows rows = {0};
	uint64_t limit;

	if (!query_text(rq, "after", sizeof(after), after) ||
	    !query_number(rq, "limit", 1, LIMIT_PAGE, 100, &limit) ||
	    !body_keys(rq, rq->json, "", ""))
		return;
	rows.list = calloc(limit, sizeof(*rows.list));
	if (!rows.list) {
		reply_error(rq, ERR_NOMEM, "out of memory");
		return;
	}
	if (read_ok(rq, store_products(store, after, (unsigned)limit, products_row, &rows))) {
		json_t *o = json_object();
		json_t *list = json_array();
		for (unsigned i = 0; i < rows.count; i++)
			view_append(&list, product_json(rq->admin, &rows.list[i]));
		view_put(&o, "products", list);
		if (rows.count == limit)
			view_put(&o, "next", json_string(rows.list[rows.count - 1].name));
		reply_json(rq, 200, o);
	}
	free(rows.list);
}

void product_get(struct request *rq)
{
	if (body_keys(rq, rq->json, "", ""))
		reply_product(rq, 200, rq->name[0]);
}

/* ---- changes ---- */

static void product_added(struct request *rq)
{
	reply_product(rq, 201, json_string_value(json_object_get(rq->json, "name")));
}

static void product_changed(struct request *rq)
{
	reply_product(rq, 200, rq->name[0]);
}

/* "hardware", the windows, "policy" and the protocol of the body over what the product has. */
static bool product_fields(struct request *rq, struct product *p)
{
	const char *hardware;

	if (!body_text(rq, "hardware", false, &hardware))
		return false;
	if (hardware && !check_hardware(rq, hardware))
		return false;
	if (hardware)
		(void)buf_copy_str(p->hardware, sizeof(p->hardware), hardware);
	return body_windows(rq, p->windows, p->time_zone) && body_policy(rq, &p->policy) &&
	       body_protocol(rq, p);
}

void products_add(struct request *rq)
{
	struct product p = {.created_ms = clock_read().wall_ms}, old;
	const char *name;

	policy_init(&p.policy);
	if (!body_keys(rq, rq->json, "",
		       " name hardware windows time_zone policy "
		       "protocol protocol_options ") ||
	    !body_text(rq, "name", true, &name) ||
	    !check_name(rq, "name", name, LIMIT_PRODUCT_NAME) || !product_fields(rq, &p))
		return;
	int err = store_product_by_name(rq->admin->conf.store, name, &old);
	if (err != ERR_NOENT) {
		if (read_ok(rq, err))
			reply_error(rq, ERR_EXIST, "product \"%.80s\" exists already", name);
		return;
	}
	(void)buf_copy_str(p.name, sizeof(p.name), name);
	rq->after = product_added;
	request_owed(rq);
	engine_product_add(rq->admin->conf.engine, &rq->actor, &p, request_done, rq);
}

void product_patch(struct request *rq)
{
	struct product p;

	if (!body_keys(rq, rq->json, "",
		       " hardware windows time_zone policy "
		       "protocol protocol_options ") ||
	    !find_product(rq, rq->name[0], &p) || !product_fields(rq, &p))
		return;
	rq->after = rq->show = product_changed;
	request_owed(rq);
	engine_product_set(rq->admin->conf.engine, &rq->actor, &p, request_done, rq);
}

/* ---- /v1/products/NAME/ca ---- */

void product_ca_get(struct request *rq)
{
	char pem[LIMIT_CA_BUNDLE + 1];
	struct product p;
	int err;

	if (!body_keys(rq, rq->json, "", "") || !find_product(rq, rq->name[0], &p))
		return;
	err = store_ca(rq->admin->conf.store, p.id, pem, sizeof(pem));
	if (err == ERR_NOENT) {
		reply_error(rq, ERR_NOENT, "product \"%.80s\" has no CA", p.name);
		return;
	}
	if (!read_ok(rq, err))
		return;
	json_t *o = json_object();
	view_put(&o, "pem", json_string(pem));
	reply_row(rq, 200, p.rev, o, NULL);
}

static void ca_change(struct request *rq, const char *pem, unsigned count)
{
	rq->after = rq->show = product_changed;
	request_owed(rq);
	engine_product_ca(rq->admin->conf.engine, &rq->actor, rq->name[0], pem, count, request_done,
			  rq);
}

void product_ca_put(struct request *rq)
{
	struct net_x509_fault fault;
	const char *pem;
	unsigned count = 0;
	struct product p;

	if (!body_keys(rq, rq->json, "", " pem ") || !find_product(rq, rq->name[0], &p) ||
	    !body_text(rq, "pem", true, &pem))
		return;
	if (strlen(pem) > LIMIT_CA_BUNDLE) {
		reply_problem(rq, 400, "invalid", "pem: longer than %d bytes", LIMIT_CA_BUNDLE);
		return;
	}
	if (net_x509_check_bundle((struct bytes){(const uint8_t *)pem, strlen(pem)}, &count,
				  &fault))
		reply_problem(rq, 400, "invalid", "pem: %s", fault.what);
	else
		ca_change(rq, pem, count);
}

void product_ca_drop(struct request *rq)
{
	struct product p;

	if (body_keys(rq, rq->json, "", "") && find_product(rq, rq->name[0], &p))
		ca_change(rq, "", 0);
}

void product_target(struct request *rq)
{
	const json_t *value = json_object_get(rq->json, "version");
	const char *version = "";
	struct product p;
	struct release r;

	if (!body_keys(rq, rq->json, "", " version ") || !find_product(rq, rq->name[0], &p))
		return;
	if (!json_is_null(value) &&
	    (!body_text(rq, "version", true, &version) || !check_version(rq, "version", version)))
		return;
	if (version[0] && !find_release(rq, &p, version, &r))
		return;
	rq->after = rq->show = product_changed;
	request_owed(rq);
	engine_product_target(rq->admin->conf.engine, &rq->actor, p.name, version, request_done,
			      rq);
}
