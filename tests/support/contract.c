/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints the tables that docs/openapi.json has to agree with, as JSON: routes, words, settings
 * and limits, from the programs' own objects.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/event.h"
#include "core/hook.h"
#include "core/plan.h"
#include "core/update.h"
#include "daemon/admin_routes.h"
#include "daemon/images.h"
#include "daemon/view_release_story.h"

/* The words between the spaces of " after limit ". */
static json_t *query_words(const char *words)
{
	json_t *list = json_array();
	char *copy = strdup(words), *save = NULL;

	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		(void)json_array_append_new(list, json_string(w));
	free(copy);
	return list;
}

static json_t *routes(void)
{
	json_t *list = json_array();

	for (size_t i = 0; i < route_count(); i++) {
		const struct route *r = route_at(i);
		(void)json_array_append_new(list, json_pack("{s:s,s:s,s:o,s:b,s:s}", "method",
							    r->method, "path", r->path, "query",
							    query_words(r->query), "matches",
							    (int)r->matches, "body",
							    r->body == BODY_IMAGE   ? "image"
							    : r->body == BODY_LINES ? "lines"
										    : "json"));
	}
	return list;
}

static void add(json_t *words, const char *list, const char *word)
{
	json_t *have = json_object_get(words, list);

	if (!have) {
		(void)json_object_set_new(words, list, json_array());
		have = json_object_get(words, list);
	}
	(void)json_array_append_new(have, json_string(word));
}

/* What is not known has no key, so "none" is never printed, but where it says something. */
static void add_some(json_t *words, const char *list, const char *word)
{
	if (strcmp(word, "none") != 0)
		add(words, list, word);
}

static json_t *words(void)
{
	json_t *w = json_object();

#define ADD2(name, word) add_some(w, list, word);
#define ADD3(name, x, word) add_some(w, list, word);
#define ADD_ALL(name, x, word) add(w, list, word);
#define ADD_MORE(name, word, ...) add_some(w, list, word);
#define ADD_WORD(name, word, help) add(w, list, word);
#define ADD_REASON(name, number, word, soft, hold) add_some(w, list, word);
#define ADD_DATA(name, topic, word) add(w, list, word);
#define ADD_CONDITION(name, word, degrades) add(w, list, word);
#define ADD_ERR(name, value, word, text) add(w, list, word);
	const char *list = "AttemptState";
	ATTEMPT_STATE_LIST(ADD2)
	list = "Verdict";
	VERDICT_LIST(ADD_MORE)
	list = "Evidence";
	EVIDENCE_LIST(ADD3)
	list = "Rung";
	RUNG_LIST(ADD2)
	list = "Grade";
	GRADE_LIST(ADD2)
	list = "Via";
	VIA_LIST(ADD2)
	list = "Reason";
	REASON_LIST(ADD_REASON)
	list = "Hold";
	HOLD_LIST(ADD_MORE)
	list = "Block";
	BLOCK_LIST(ADD_MORE)
	list = "DiagnosisName";
	DIAGNOSIS_LIST(ADD_MORE)
	list = "TargetWhy";
	TARGET_WHY_LIST(ADD2)
	list = "RolloutState";
	ROLLOUT_STATE_LIST(ADD_MORE)
	list = "RolloutWait";
	ROLLOUT_WAIT_LIST(ADD_MORE)
	list = "RolloutWhy";
	ROLLOUT_WHY_LIST(ADD_MORE)
	list = "MemberResult";
	MEMBER_LIST(ADD_WORD)
	list = "ReleaseState";
	RELEASE_STATE_LIST(ADD2)
	list = "Finding";
	FINDING_LIST(ADD_MORE)
	list = "NeededKind";
	USE_LIST(ADD2)
	list = "ImageFormat";
	IMAGE_FORMAT_LIST(ADD_MORE)
	list = "ImageSignature";
	IMAGE_SIGNATURE_LIST(ADD2)
	list = "ResetReason";
	RESET_REASON_LIST(ADD_ALL)
	list = "ReportMode";
	REPORT_MODE_LIST(ADD_ALL)
	list = "LastStage";
	LAST_STAGE_LIST(ADD_ALL)
	for (unsigned i = 0; i < TROUBLE_COUNT; i++)
		add(w, "Trouble", trouble_name(i));
	list = "HookState";
	HOOK_STATE_LIST(ADD2)
	list = "HookReason";
	HOOK_WHY_LIST(ADD_MORE)
	list = "EventData";
	EVENT_LIST(ADD_DATA)
	list = "ConditionName";
	HEALTH_LIST(ADD_CONDITION)
	list = "ProblemCode";
	ERR_LIST(ADD_ERR)
	for (const char *const *word = problem_words; *word; word++)
		add(w, list, *word);
	for (const char *const *word = view_device_states; *word; word++)
		add(w, "DeviceState", *word);
	for (const char *const *word = view_capabilities; *word; word++)
		add(w, "Capability", *word);
	return w;
}

static json_t *topics(void)
{
	json_t *list = json_array();

#define ADD_TOPIC(name, topic, data) (void)json_array_append_new(list, json_string(topic));
	EVENT_LIST(ADD_TOPIC)
	return list;
}

static json_t *policy(void)
{
	json_t *list = json_array();

	for (size_t i = 0; i < POLICY_COUNT; i++) {
		const struct policy_row *row = &policy_rows[i];
		(void)json_array_append_new(
			list, json_pack("{s:s,s:I,s:I,s:I,s:s}", "name", row->name, "min",
					(json_int_t)row->min, "max", (json_int_t)row->max,
					"default", (json_int_t)row->def, "help", row->help));
	}
	return list;
}

/* Where the file names a limit, and what it is. */
static json_t *limits(void)
{
	static const struct {
		const char *pointer;
		json_int_t value;
	} rows[] = {
		{"#/components/schemas/DeviceId/maxLength", LIMIT_DEVICE_ID},
		{"#/components/schemas/ProductName/maxLength", LIMIT_PRODUCT_NAME},
		{"#/components/schemas/Version/maxLength", LIMIT_VERSION},
		{"#/components/schemas/Hardware/maxLength", LIMIT_HARDWARE},
		{"#/components/schemas/ReportedText/maxLength", LIMIT_DETAIL},
		{"#/components/schemas/AttemptId/maximum", ATTEMPT_ID_MAX},
		{"#/components/schemas/Release/properties/running/maxItems", LIMIT_DIGEST_KINDS},
		{"#/components/schemas/Requires/properties/must_pass/maxItems", LIMIT_MUST_PASS},
		{"#/components/schemas/Requires/properties/hardware/maxItems",
		 LIMIT_REQUIRED_HARDWARE},
		{"#/components/schemas/Requires/properties/boot_loader/maxLength",
		 LIMIT_BOOT_LOADER},
		{"#/components/schemas/Windows/maxLength", LIMIT_WINDOWS_TEXT},
		{"#/components/schemas/TimeZone/maxLength", LIMIT_ZONE},
		{"#/components/schemas/Attempt/properties/diagnoses/maxItems", LIMIT_DIAGNOSES},
		{"#/components/schemas/Device/properties/sessions/maximum", LIMIT_DEVICE_SESSIONS},
		{"#/components/schemas/HookName/maxLength", LIMIT_HOOK_NAME},
		{"#/components/schemas/Hook/properties/url/maxLength", LIMIT_HOOK_URL},
		{"#/components/schemas/Hook/properties/batch/maximum", LIMIT_HOOK_BATCH},
		{"#/components/schemas/Hooks/properties/hooks/maxItems", LIMIT_HOOKS},
		{"#/components/schemas/Products/properties/products/maxItems", LIMIT_PAGE},
		{"#/components/schemas/Releases/properties/releases/maxItems", LIMIT_PAGE},
		{"#/components/schemas/RolloutName/maxLength", LIMIT_ROLLOUT_NAME},
		{"#/components/schemas/Rollout/properties/wave_list/maxItems", LIMIT_ROLLOUT_WAVES},
		{"#/components/schemas/RolloutExplanation/properties/waves/maxItems",
		 LIMIT_ROLLOUT_WAVES},
		{"#/components/schemas/ReleaseExplanation/properties/needed_by/maxItems",
		 LIMIT_EXPLAIN_USES},
		{"#/components/schemas/Members/properties/devices/maxItems", LIMIT_PAGE},
		{"#/components/schemas/Devices/properties/devices/maxItems", LIMIT_DEVICE_ROWS},
		{"#/components/schemas/ImportProblem/properties/errors/maxItems",
		 LIMIT_IMPORT_ERRORS},
		{"#/components/schemas/Attempts/properties/attempts/maxItems", LIMIT_PAGE},
	};
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		(void)json_object_set_new(o, rows[i].pointer, json_integer(rows[i].value));
	return o;
}

int main(void)
{
	json_t *o = json_pack("{s:o,s:o,s:o,s:o,s:o}", "routes", routes(), "words", words(),
			      "topics", topics(), "policy", policy(), "limits", limits());

	if (!o || json_dumpf(o, stdout, JSON_INDENT(1)) || puts("") < 0)
		return 1;
	json_decref(o);
	return 0;
}
