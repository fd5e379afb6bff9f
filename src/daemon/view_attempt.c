/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/view.h"

bool view_attempt_cached(const struct attempt *a)
{
	/* A resumed download fetches the rest; a cached one next to nothing (as diagnose()
	 * has it). */
	return a->rung_ms[RUNG_VERIFIED] && a->served_bytes <= a->size_bytes / 50;
}

bool view_attempt_is_moot(const struct attempt *a)
{
	return a->state == ATTEMPT_CLOSED &&
	       (a->verdict == VERDICT_CANCELLED || a->verdict == VERDICT_SUPERSEDED ||
		a->verdict == VERDICT_STORE_RESTORED);
}

bool view_attempt_deferred(const struct attempt *a)
{
	return a->state == ATTEMPT_CLOSED && a->verdict == VERDICT_REFUSED && !a->charged &&
	       reason_is_soft(a->reason);
}

bool view_attempt_is_untold(const struct attempt *a)
{
	return a->verdict == VERDICT_UNPROVEN && !a->rung_ms[RUNG_RUNNING];
}

const char *view_attempt_means(const struct attempt *a)
{
	if (view_attempt_is_untold(a))
		return "it came back as after a restart, and did not tell what it runs";
	return view_attempt_deferred(a) ? "the device put the update off"
					: verdict_help(a->verdict);
}

static void put_verdict(json_t **o, const struct attempt *a)
{
	if (a->state == ATTEMPT_CLOSED) {
		view_put(o, "verdict", json_string(verdict_name(a->verdict)));
		view_put(o, "means", json_string(view_attempt_means(a)));
		view_put(o, "success", json_boolean(a->verdict == VERDICT_UPDATED));
		view_put(o, "charged", json_boolean(a->charged));
		if (view_attempt_deferred(a))
			view_put(o, "deferred", json_true());
	}
	if (a->via != VIA_NONE)
		view_put(o, "via", json_string(via_name(a->via)));
	if (a->grade != GRADE_NONE)
		view_put(o, "grade", json_string(grade_name(a->grade)));
	if (a->reason != REASON_NONE)
		view_put(o, "reason", json_string(reason_name(a->reason)));
	if (a->code)
		view_put(o, "code", json_integer(a->code));
	view_put_text(o, "detail", a->detail);
}

static json_t *attempt_from(const struct attempt *a)
{
	json_t *o = json_object();

	view_put(&o, "version", view_text(a->base_version));
	if (a->base_digest.len)
		view_put(&o, "digest", view_digest(&a->base_digest));
	view_put(&o, "boot_seq", json_integer(a->base_boot));
	return o;
}

static void put_proof(json_t **o, const struct attempt *a)
{
	static const struct {
		unsigned bit;
		const char *word;
	} items[EV_COUNT] = {
#define EVIDENCE_ROW(name, bit, word) {bit, word},
		EVIDENCE_LIST(EVIDENCE_ROW)
#undef EVIDENCE_ROW
	};
	json_t *required = json_array();
	json_t *evidence = json_array();

	for (unsigned i = 0; i < EV_COUNT; i++) {
		bool held = (a->evidence & items[i].bit) != 0;
		if (!(a->required & items[i].bit))
			continue;
		view_append(&required, json_string(items[i].word));
		json_t *item = json_object();
		view_put(&item, "item", json_string(items[i].word));
		view_put(&item, "held", json_boolean(held));
		if (held)
			view_put_time(&item, "at", a->evidence_ms[i]);
		view_append(&evidence, item);
	}
	view_put(o, "required", required);
	view_put(o, "evidence", evidence);
}

static json_t *attempt_ladder(const struct attempt *a)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < RUNG_COUNT; i++) {
		json_t *rung = json_object();
		view_put(&rung, "rung", json_string(rung_name((enum rung)i)));
		view_put_time(&rung, "at", a->rung_ms[i]);
		view_append(&list, rung);
	}
	return list;
}

json_t *view_attempt(const struct attempt *a, const char *product, const struct diagnoses *dg,
		     const struct engine_device *now)
{
	json_t *o = json_object();

	view_put(&o, "id", json_integer((json_int_t)a->id));
	view_put(&o, "number", json_integer((json_int_t)a->number));
	view_put(&o, "device", view_text(a->device));
	view_put(&o, "product", view_text(product));
	view_put(&o, "version", view_text(a->version));
	view_put(&o, "size", json_integer(a->size_bytes));
	view_put(&o, "sha256", view_hex(a->sha256, DIGEST_SHA256));
	view_put(&o, "state", json_string(attempt_state_name(a->state)));
	put_verdict(&o, a);
	view_put(&o, "from", attempt_from(a));
	put_proof(&o, a);
	view_put(&o, "ladder", attempt_ladder(a));
	view_put(&o, "fresh", json_boolean(a->fresh));
	view_put(&o, "forced", json_boolean(a->forced));
	view_put(&o, "cancel_requested", json_boolean(a->cancel_requested));
	view_put(&o, "cached", json_boolean(view_attempt_cached(a)));
	view_put(&o, "received_bytes", json_integer(a->received_bytes));
	view_put(&o, "served_bytes", json_integer(a->served_bytes));
	if (attempt_overserved(a))
		view_put(&o, "served_out", json_true());
	if (a->start_offset >= 0)
		view_put(&o, "start_offset", json_integer(a->start_offset));
	view_put(&o, "interruptions", json_integer(a->interruptions));
	view_put_time(&o, "created", a->created_ms);
	view_put_time(&o, "closed", a->closed_ms);
	if (a->closed_ms)
		view_put(&o, "duration_ms", json_integer(a->closed_ms - a->created_ms));
	else
		view_put_time(&o, "deadline", attempt_deadline_ms(a));
	view_put(&o, "diagnoses",
		 view_diagnoses(view_attempt_is_moot(a) ? NULL : dg, a, product, now));
	return o;
}
