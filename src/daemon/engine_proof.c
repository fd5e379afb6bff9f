/* SPDX-License-Identifier: Apache-2.0
 *
 * What a success rests on, as a row of the audit log: nobody's act, so it is the server's. It is
 * written in the transaction of the verdict, and tells what was released to whom, which items of
 * proof were wanted and when each was seen, and the facts of the report that decided.
 */
#include "daemon/engine_internal.h"
#include "daemon/view.h"

static json_t *report_facts(const struct device *d)
{
	const struct report *r = &d->report;
	json_t *o = json_object();

	if (r->boot.len)
		view_put(&o, "boot_id", view_hex(r->boot.bytes, r->boot.len));
	if (r->boot.has_count)
		view_put(&o, "boot_count", json_integer(r->boot.count));
	view_put(&o, "boot_seq", json_integer(d->boots.seq));
	view_put(&o, "version", view_text(r->version));
	if (r->running.len)
		view_put(&o, "digest", view_digest(&r->running));
	if (r->confirmed >= 0)
		view_put(&o, "confirmed", json_boolean(r->confirmed));
	view_put_time(&o, "at", d->report_ms);
	return o;
}

static json_t *facts(const struct job *job, const struct attempt *a)
{
	static const char *const keys[] = {"product", "version", "sha256",   "via",
					   "from",    "grade",	 "required", "evidence"};
	const struct product *p = job->u.product;
	json_t *whole = view_attempt(a, p ? p->name : "", NULL, NULL);
	json_t *o = whole ? json_object() : NULL;

	view_put(&o, "attempt", json_integer((json_int_t)a->id));
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (json_object_get(whole, keys[i]))
			view_put(&o, keys[i], json_incref(json_object_get(whole, keys[i])));
	json_decref(whole);
	if (job->u.device.has_report)
		view_put(&o, "report", report_facts(&job->u.device));
	return o;
}

int proof_put(const struct job *job, struct store_set *set)
{
	static const struct actor server = {.name = "postbootd"};
	const struct attempt *a = &job->out.closed;

	if (!job->out.has_closed || a->verdict != VERDICT_UPDATED)
		return 0;
	return audit_put(set, &server, "update proved", a->device, json_null(), facts(job, a));
}
