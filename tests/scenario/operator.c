/* SPDX-License-Identifier: Apache-2.0
 *
 * What operators do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"

/* Who begins one act more. */
const struct actor *somebody(struct scenario *s)
{
	static const struct actor actor = {.uid = 1000, .pid = 1, .name = "somebody"};

	s->acts++;
	return &actor;
}

static void no_room(void *ctx)
{
	(void)ctx; /* the loop below tries again anyway */
}

void act_done(void *ctx, const struct engine_result *result)
{
	struct scenario *s = ctx;

	s->act_err = result->err;
	s->act_unchanged = result->unchanged;
	s->acts_told++;
	s->acts_done += !result->err && !result->unchanged;
}

static void do_product(struct scenario *s)
{
	const struct product *old = catalog_product_named(s->engine, word(1));
	struct product p = {0};

	policy_init(&p.policy);
	if (old) {
		p.policy = old->policy;
		memcpy(p.windows, old->windows, sizeof(p.windows));
		memcpy(p.time_zone, old->time_zone, sizeof(p.time_zone));
		memcpy(p.protocol, old->protocol, sizeof(p.protocol));
		memcpy(p.protocol_options, old->protocol_options, sizeof(p.protocol_options));
	}
	(void)buf_copy_str(p.name, sizeof(p.name), word(1));
	for (unsigned i = 2; i < word_total(); i++) {
		char name[40] = "";
		size_t len = strcspn(word(i), "=");
		memcpy(name, word(i), len < sizeof(name) ? len : 0);
		const char *value = word(i)[len] ? word(i) + len + 1 : "";
		const struct policy_row *row = policy_find(name);
		if (strcmp(name, "hardware") == 0)
			(void)buf_copy_str(p.hardware, sizeof(p.hardware), value);
		else if (strcmp(name, "windows") == 0)
			take_windows(value, p.windows);
		else if (strcmp(name, "time_zone") == 0)
			(void)buf_copy_str(p.time_zone, sizeof(p.time_zone), value);
		else if (strcmp(name, "protocol") == 0)
			(void)buf_copy_str(p.protocol, sizeof(p.protocol), value);
		else if (strcmp(name, "toy-mode") == 0)
			(void)snprintf(p.protocol_options, sizeof(p.protocol_options),
				       value[0] ? "toy-mode=%s" : "%s", value);
		else if (!row || policy_set(&p.policy, row, strtoll(value, NULL, 0)))
			fail(s, "%s is no setting", word(i));
	}
	if (strcmp(word(0), "PRODUCT") == 0)
		engine_product_add(s->engine, somebody(s), &p, act_done, s);
	else
		engine_product_set(s->engine, somebody(s), &p, act_done, s);
}

struct stored {
	bool done;
	int err;
	uint8_t sha256[DIGEST_SHA256];
};

static void image_stored(void *ctx, int err, const uint8_t sha256[DIGEST_SHA256],
			 int64_t size_bytes)
{
	struct stored *st = ctx;

	(void)size_bytes;
	st->done = true;
	st->err = err;
	if (!err)
		memcpy(st->sha256, sha256, sizeof(st->sha256));
}

/* must-pass=V (again and again), min-version=V, counter=N */
static void release_asks(struct requires *q, const char *arg)
{
	if (strncmp(arg, "must-pass=", 10) == 0 &&
	    lines_add(q->must_pass, sizeof(q->must_pass), LIMIT_MUST_PASS, arg + 10))
		abort();
	if (strncmp(arg, "min-version=", 12) == 0)
		(void)buf_copy_str(q->min_version, sizeof(q->min_version), arg + 12);
	if (strncmp(arg, "counter=", 8) == 0) {
		q->has_security_counter = true;
		q->security_counter = strtoll(arg + 8, NULL, 0);
	}
}

static void do_release(struct scenario *s)
{
	struct product *p = catalog_product_named(s->engine, word(1));
	int64_t size = strtoll(word(3), NULL, 0);
	uint8_t *bytes = calloc(1, (size_t)size);
	struct images_upload *up;
	struct release r = {.size_bytes = size};
	struct stored st = {0};

	if (!p || !bytes || images_upload_new(s->images, size, no_room, NULL, &up))
		abort();
	(void)buf_copy_str((char *)bytes, (size_t)size, word(2));
	for (size_t at = 0, taken = 0; at < (size_t)size; at += taken) {
		if (images_upload_write(up, bytes + at, (size_t)size - at, &taken))
			abort();
		if (taken == 0)
			uv_run(&s->loop, UV_RUN_ONCE);
	}
	images_upload_finish_take(up, image_stored, &st);
	while (!st.done)
		uv_run(&s->loop, UV_RUN_ONCE);
	free(bytes);
	r.product = p->id;
	(void)buf_copy_str(r.version, sizeof(r.version), word(2));
	memcpy(r.sha256, st.sha256, sizeof(r.sha256));
	r.running_count = 1;
	r.running[0] = (struct digest){.kind = DIGEST_FILE, .len = DIGEST_SHA256};
	memcpy(r.running[0].value, st.sha256, DIGEST_SHA256);
	for (unsigned i = 4; i < word_total(); i++) {
		r.no_digest |= strcmp(word(i), "no-digest") == 0;
		r.no_confirm |= strcmp(word(i), "no-confirm") == 0;
		release_asks(&r.requires, word(i));
	}
	engine_release_add(s->engine, somebody(s), &r, act_done, s);
	settle(s);
	images_unpin(s->images, r.sha256);
}

/* Takes the file of a release's image away, or brings it back. */
static void do_image(struct scenario *s, bool lose)
{
	const struct product *p = catalog_product_named(s->engine, word(1));
	const struct release *r = p ? catalog_release_named(s->engine, p->id, word(2)) : NULL;
	char hex[2 * DIGEST_SHA256 + 1], path[256], away[300];
	struct images_faults faults;

	if (!r)
		abort();
	for (unsigned i = 0; i < DIGEST_SHA256; i++)
		(void)snprintf(hex + (size_t)2 * i, 3, "%02x", r->sha256[i]);
	(void)snprintf(path, sizeof(path), "%s/images/%s", s->dir, hex);
	(void)snprintf(away, sizeof(away), "%s/away-%s", s->dir, hex);
	if (lose ? rename(path, away) : rename(away, path))
		fail(s, "the image cannot be moved");
	images_check(s->images, r->sha256, r->size_bytes);
	images_look(s->images, &faults);
}

static void do_device(struct scenario *s)
{
	struct product *p = catalog_product_named(s->engine, word(2));
	struct device d = {.plain = strcmp(word(3), "plain") == 0,
			   .certified = strcmp(word(3), "certificate") == 0};
	struct psk psk = {0};

	if (!p)
		abort();
	(void)buf_copy_str(d.id, sizeof(d.id), word(1));
	(void)snprintf((char *)psk.bytes, sizeof(psk.bytes), "a-key-of-%.24s", d.id);
	psk.len = KEY_BYTES;
	d.product = p->id;
	engine_device_add(s->engine, somebody(s), &d, d.plain || d.certified ? NULL : &psk,
			  act_done, s);
	settle(s);
	(void)session_new(s, word(1), word(1), d.plain);
}

/* Keys are named by a letter; the first one of a device is a. */
static void do_key(struct scenario *s, bool now)
{
	struct psk psk = {0};

	(void)snprintf((char *)psk.bytes, sizeof(psk.bytes), "%.1s-key-of-%.24s", word(2), word(1));
	psk.len = KEY_BYTES;
	(now ? engine_device_key_now : engine_device_key_next)(s->engine, somebody(s), word(1),
							       &psk, act_done, s);
}

/* STATE PRODUCT VERSION active|quarantined|withdrawn */
static void do_state(struct scenario *s)
{
	enum release_state state = RELEASE_ACTIVE;

	while (strcmp(release_state_name(state), word(3)) != 0 && state < RELEASE_WITHDRAWN)
		state++;
	engine_release_state(s->engine, somebody(s), word(1), word(2), state, act_done, s);
}

static void do_cancel(struct scenario *s)
{
	struct device d;

	if (store_device(s->store, word(1), &d) == 0)
		engine_attempt_cancel(s->engine, somebody(s), d.attempt, act_done, s);
}

static void do_device_act(struct scenario *s, enum operator_act act)
{
	engine_device_act(s->engine, somebody(s), word(1), act, act_done, s);
}

static bool run_once(struct scenario *s, const char *verb)
{
	if (strcmp(verb, "PRODUCT") == 0 || strcmp(verb, "SET") == 0)
		do_product(s);
	else if (strcmp(verb, "RELEASE") == 0)
		do_release(s);
	else if (strcmp(verb, "LOSE-IMAGE") == 0 || strcmp(verb, "FIND-IMAGE") == 0)
		do_image(s, verb[0] == 'L');
	else if (strcmp(verb, "DEVICE") == 0)
		do_device(s);
	else if (strcmp(verb, "NEXT-KEY") == 0)
		do_key(s, false);
	else if (strcmp(verb, "NOW-KEY") == 0)
		do_key(s, true);
	else if (strcmp(verb, "DROP-KEY") == 0)
		engine_device_key_drop(s->engine, somebody(s), word(1), act_done, s);
	else if (strcmp(verb, "TARGET") == 0)
		engine_product_target(s->engine, somebody(s), word(1),
				      strcmp(word(2), "none") ? word(2) : "", act_done, s);
	else if (strcmp(verb, "REMOVE-RELEASE") == 0)
		engine_release_remove(s->engine, somebody(s), word(1), word(2), act_done, s);
	else if (strcmp(verb, "LOCK") == 0 || strcmp(verb, "UNLOCK") == 0)
		engine_device_lock(s->engine, somebody(s), word(1), word(2), act_done, s);
	else if (strcmp(verb, "FORCE") == 0)
		do_device_act(s, OPERATOR_FORCE);
	else if (strcmp(verb, "UNFORCE") == 0)
		do_device_act(s, OPERATOR_UNFORCE);
	else if (strcmp(verb, "HOLD") == 0)
		do_device_act(s, OPERATOR_HOLD);
	else if (strcmp(verb, "UNHOLD") == 0)
		do_device_act(s, OPERATOR_UNHOLD);
	else if (strcmp(verb, "DISABLE") == 0)
		do_device_act(s, OPERATOR_DISABLE);
	else if (strcmp(verb, "ENABLE") == 0)
		do_device_act(s, OPERATOR_ENABLE);
	else if (strcmp(verb, "CERTIFICATE") == 0)
		engine_device_certificate(s->engine, somebody(s), word(1), act_done, s);
	else if (strcmp(verb, "REMOVE") == 0)
		engine_device_remove(s->engine, somebody(s), word(1), act_done, s);
	else if (strcmp(verb, "STATE") == 0)
		do_state(s);
	else if (strcmp(verb, "CANCEL") == 0)
		do_cancel(s);
	else if (!run_group(s, verb) && !run_rollout(s, verb))
		return false;
	settle(s);
	return true;
}

/* With FAIL-EACH an operator tries again what the database refused. */
bool run_operator(struct scenario *s, const char *verb)
{
	bool known = false;

	for (unsigned i = 0; i < REQUEST_TRIES; i++) {
		s->act_err = 0;
		known = run_once(s, verb);
		if (!known || !s->fail_each || (s->act_err != ERR_FULL && s->act_err != ERR_IO))
			break;
	}
	return known;
}
