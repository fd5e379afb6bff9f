/* SPDX-License-Identifier: Apache-2.0
 *
 * /v1/devices
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "daemon/admin_args.h"
#include "daemon/admin_match.h"
#include "daemon/admin_routes.h"
#include "daemon/view.h"

enum { PSK_GENERATED = 32 /* bytes */ };

/* ---- GET ---- */

/* All that a device's view is made of. */
struct device_rows {
	struct engine_device now;
	struct attempt last;
	struct diagnoses last_diagnoses;
	struct view_facts facts;
	struct view_device view;
};

static void device_done(struct device_rows *d)
{
	json_decref(d->facts.facts);
	json_decref(d->facts.notes);
}

/* What the agent of its protocol has to tell. */
static bool device_facts(struct request *rq, const char *id, struct device_rows *d)
{
	d->facts = (struct view_facts){json_object(), json_array(), d->now.device.id,
				       d->now.product.name};
	return read_ok(rq,
		       engine_device_facts(rq->admin->conf.engine, id, view_facts_tell, &d->facts));
}

static bool device_rows(struct request *rq, const char *id, struct device_rows *d)
{
	if (!find_device(rq, id, &d->now) || !device_facts(rq, id, d))
		return false;
	d->view.facts = d->facts.facts;
	d->view.notes = d->facts.notes;
	d->view.now = &d->now;
	d->view.plain_unserved = d->now.device.plain && !rq->admin->conf.plain_devices;
	if (!read_ok(rq, engine_device_keys(rq->admin->conf.engine, id, d->view.key_set_ms)))
		return false;
	if (!read_ok(rq, store_tags(rq->admin->conf.store, id, &d->view.tags)))
		return false;
	if (!d->now.device.last_attempt)
		return true;
	int err = store_attempt(rq->admin->conf.store, d->now.device.last_attempt, &d->last);
	if (err == ERR_NOENT)
		return true;
	if (!read_ok(rq, err))
		return false;
	attempt_diagnoses(rq->admin, &d->last, &d->last_diagnoses);
	err = store_history(rq->admin->conf.store, id, d->last.sha256, d->now.device.fail_mark,
			    &d->view.history);
	if (!read_ok(rq, err))
		return false;
	d->view.has_last = true;
	d->view.last = &d->last;
	d->view.last_diagnoses = &d->last_diagnoses;
	return true;
}

/* False: answered with a problem. Else device_done() follows. */
static bool device_load(struct request *rq, const char *id, struct device_rows *d)
{
	memset(d, 0, sizeof(*d));
	if (device_rows(rq, id, d))
		return true;
	device_done(d);
	return false;
}

void reply_device(struct request *rq, unsigned status, const char *id)
{
	char location[16 + 3 * LIMIT_DEVICE_ID + 1] = "/v1/devices/";
	struct device_rows d;

	if (!device_load(rq, id, &d))
		return;
	json_t *extra = json_object();
	if (rq->psk_hex[0])
		view_put(&extra, "psk", json_string(rq->psk_hex));
	if (rq->unchanged)
		view_put(&extra, "unchanged", json_true());
	reply_row(rq, status, d.now.device.rev, view_device(&d.view), extra);
	device_done(&d);
	if (status != 201)
		return;
	size_t len = strlen(location);
	(void)percent_encode(id, location + len, sizeof(location) - len);
	reply_header(rq, MHD_HTTP_HEADER_LOCATION, location);
}

void device_get(struct request *rq)
{
	if (body_keys(rq, rq->json, "", ""))
		reply_device(rq, 200, rq->name[0]);
}

void device_explain(struct request *rq)
{
	struct device_rows d;

	if (!body_keys(rq, rq->json, "", "") || !device_load(rq, rq->name[0], &d))
		return;
	reply_json(rq, 200, view_explain(&d.view, clock_read().wall_ms));
	device_done(&d);
}

/* ---- POST /v1/devices ---- */

static void device_added(struct request *rq)
{
	reply_device(rq, 201, json_string_value(json_object_get(rq->json, "id")));
}

static bool psk_generate(struct request *rq, struct psk *psk)
{
	struct buf b = buf_writer(rq->psk_hex, sizeof(rq->psk_hex));

	if (getrandom(psk->bytes, PSK_GENERATED, 0) != PSK_GENERATED) {
		reply_problem(rq, 503, "crypto", "the system gives no random bytes");
		return false;
	}
	psk->len = PSK_GENERATED;
	buf_put_hex(&b, psk->bytes, psk->len);
	(void)buf_cstr(&b);
	return true;
}

static bool psk_given(struct request *rq, const char *hex, struct psk *psk)
{
	int err = buf_from_hex(hex, strlen(hex), psk->bytes, sizeof(psk->bytes), &psk->len);

	if (!err && psk->len >= LIMIT_PSK_MIN)
		return true;
	reply_problem(rq, 400, "invalid", "psk: not %d to %d bytes in hex digits", LIMIT_PSK_MIN,
		      LIMIT_PSK);
	return false;
}

/* Exactly one of psk, psk_generate and (for a new device `d`) certificate and plain. */
static bool psk_wanted(struct request *rq, struct psk *psk, struct device *d)
{
	const char *hex;
	bool generate;

	if (!body_text(rq, "psk", false, &hex) || !body_flag(rq, "psk_generate", &generate) ||
	    (d &&
	     (!body_flag(rq, "plain", &d->plain) || !body_flag(rq, "certificate", &d->certified))))
		return false;
	if ((hex != NULL) + generate + (d && d->plain) + (d && d->certified) != 1) {
		reply_problem(rq, 400, "invalid",
			      d ? "give one of \"psk\": \"HEX\", \"psk_generate\": true, "
				  "\"certificate\": true and \"plain\": true"
				: "give one of \"psk\": \"HEX\" and \"psk_generate\": true");
		return false;
	}
	if (generate)
		return psk_generate(rq, psk);
	return !hex || psk_given(rq, hex, psk);
}

static bool device_is_new(struct request *rq, const char *id)
{
	struct engine_device now;
	int err = engine_device(rq->admin->conf.engine, id, &now);

	if (err == ERR_NOENT)
		return true;
	if (read_ok(rq, err))
		reply_error(rq, ERR_EXIST, "device \"%.80s\" exists already", id);
	return false;
}

void devices_add(struct request *rq)
{
	struct device d = {.created_ms = clock_read().wall_ms};
	const char *id, *product;
	struct product p;
	struct psk psk = {0};

	report_init(&d.report);
	if (!body_keys(rq, rq->json, "",
		       " id product group development psk psk_generate certificate plain ") ||
	    !body_text(rq, "id", true, &id) || !check_name(rq, "id", id, LIMIT_DEVICE_ID) ||
	    !body_text(rq, "product", true, &product) || !find_product(rq, product, &p) ||
	    !body_group(rq, &p, &d.group) || !body_flag(rq, "development", &d.development) ||
	    !device_is_new(rq, id))
		return;
	(void)buf_copy_str(d.id, sizeof(d.id), id);
	d.product = p.id;
	if (psk_wanted(rq, &psk, &d)) {
		rq->after = device_added;
		request_owed(rq);
		engine_device_add(rq->admin->conf.engine, &rq->actor, &d,
				  d.plain || d.certified ? NULL : &psk, request_done, rq);
	}
	explicit_bzero(&psk, sizeof(psk));
}

/* ---- acts ---- */

static void device_acted(struct request *rq)
{
	reply_device(rq, 200, rq->name[0]);
}

static void device_removed(struct request *rq)
{
	reply_empty(rq, 204);
}

/* The product of the device that the path names. */
static bool device_product(struct request *rq, struct product *ret)
{
	struct engine_device now;
	bool found = find_device(rq, rq->name[0], &now);

	if (found)
		*ret = now.product;
	return found;
}

void device_remove(struct request *rq)
{
	struct product p;

	if (!body_keys(rq, rq->json, "", "") || !device_product(rq, &p))
		return;
	rq->after = device_removed;
	rq->show = device_acted;
	request_owed(rq);
	engine_device_remove(rq->admin->conf.engine, &rq->actor, rq->name[0], request_done, rq);
}

/* ---- /v1/devices/ID/key and certificate ---- */

void device_key_next(struct request *rq)
{
	struct psk psk = {0};
	struct product p;
	bool now;

	if (!body_keys(rq, rq->json, "", " psk psk_generate now ") || !body_flag(rq, "now", &now) ||
	    !device_product(rq, &p))
		return;
	if (psk_wanted(rq, &psk, NULL)) {
		rq->after = rq->show = device_acted;
		request_owed(rq);
		(now ? engine_device_key_now : engine_device_key_next)(
			rq->admin->conf.engine, &rq->actor, rq->name[0], &psk, request_done, rq);
	}
	explicit_bzero(&psk, sizeof(psk));
}

void device_key_drop(struct request *rq)
{
	struct product p;

	if (!body_keys(rq, rq->json, "", "") || !device_product(rq, &p))
		return;
	rq->after = rq->show = device_acted;
	request_owed(rq);
	engine_device_key_drop(rq->admin->conf.engine, &rq->actor, rq->name[0], request_done, rq);
}

void device_certificate(struct request *rq)
{
	struct product p;

	if (!body_keys(rq, rq->json, "", "") || !device_product(rq, &p))
		return;
	rq->after = rq->show = device_acted;
	request_owed(rq);
	engine_device_certificate(rq->admin->conf.engine, &rq->actor, rq->name[0], request_done,
				  rq);
}

void device_lock(struct request *rq)
{
	const char *version;
	struct release r;
	struct product p;

	if (!body_keys(rq, rq->json, "", " version ") ||
	    !body_text(rq, "version", true, &version) || !check_version(rq, "version", version) ||
	    !device_product(rq, &p) || !find_release(rq, &p, version, &r))
		return;
	rq->after = rq->show = device_acted;
	request_owed(rq);
	engine_device_lock(rq->admin->conf.engine, &rq->actor, rq->name[0], version, request_done,
			   rq);
}

void device_unlock(struct request *rq)
{
	struct product p;

	if (!body_keys(rq, rq->json, "", "") || !device_product(rq, &p))
		return;
	rq->after = rq->show = device_acted;
	request_owed(rq);
	engine_device_lock(rq->admin->conf.engine, &rq->actor, rq->name[0], "", request_done, rq);
}

static void device_act(struct request *rq, enum operator_act act)
{
	struct product p;

	if (!body_keys(rq, rq->json, "", "") || !device_product(rq, &p))
		return;
	rq->after = rq->show = device_acted;
	request_owed(rq);
	engine_device_act(rq->admin->conf.engine, &rq->actor, rq->name[0], act, request_done, rq);
}

void device_force(struct request *rq)
{
	device_act(rq, OPERATOR_FORCE);
}

void device_unforce(struct request *rq)
{
	device_act(rq, OPERATOR_UNFORCE);
}

void device_hold(struct request *rq)
{
	device_act(rq, OPERATOR_HOLD);
}

void device_unhold(struct request *rq)
{
	device_act(rq, OPERATOR_UNHOLD);
}

void device_disable(struct request *rq)
{
	device_act(rq, OPERATOR_DISABLE);
}

void device_enable(struct request *rq)
{
	device_act(rq, OPERATOR_ENABLE);
}
