/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups, rollouts, signers, webhooks and imports, for the fault tests.
 */
#include "works.h"

#include <string.h>

#include "base/buf.h"

static void some_group(struct device_group *g, int64_t rev)
{
	memset(g, 0, sizeof(*g));
	g->id = rev ? 1 : 0;
	g->rev = rev;
	g->product = 1;
	g->created_ms = T0;
	(void)buf_copy_str(g->name, sizeof(g->name), "pilot");
}

void add_group(struct store_set *set)
{
	const struct hook_place place = {.position = 1};
	struct store_key secret = {.hook = true, .form = KEY_CLEAR, .value_len = 32, .set_ms = T0};
	struct signer s = {.kind = SIGNER_ED25519, .key_len = 44, .created_ms = T0};
	struct hook h = {.batch = 1, .created_ms = T0};
	struct device_group g;

	some_group(&g, 0);
	store_set_group(set, &g);
	(void)buf_copy_str(s.name, sizeof(s.name), "build");
	(void)buf_copy_str(s.id, sizeof(s.id), "0123456789abcdef");
	memset(s.key, 3, s.key_len);
	store_set_signer(set, 1, &s);
	(void)buf_copy_str(h.name, sizeof(h.name), "crm");
	(void)buf_copy_str(h.url, sizeof(h.url), "https://h.example/in");
	(void)buf_copy_str(secret.device, sizeof(secret.device), "crm");
	memset(secret.value, 5, secret.value_len);
	store_set_hook(set, &h, &place, &secret);
}

static void some_rollout(struct rollout *r, int64_t rev)
{
	memset(r, 0, sizeof(*r));
	r->id = rev ? 1 : 0;
	r->rev = rev;
	r->product = r->release = 1;
	(void)buf_copy_str(r->name, sizeof(r->name), "spring");
	(void)buf_copy_str(r->author, sizeof(r->author), "alice");
	rollout_rules_init(&r->rules);
	r->seed = 7;
	r->state = ROLLOUT_RUNNING;
	r->wave_count = 2;
	r->waves[0] = (struct wave){.percent = true, .size = 10};
	r->waves[1] = (struct wave){.percent = true, .size = 100};
	r->created_ms = r->state_ms = r->started_ms = T0;
}

void start_rollout(struct store_set *set)
{
	struct device_group g;
	struct rollout r;

	some_group(&g, 1);
	g.target = 1;
	g.target_ms = T0 + 1;
	store_set_group(set, &g);
	store_set_device_group(set, "dev", 1, T0 + 1);
	store_set_tag(set, "dev", "site=berlin", true);
	some_rollout(&r, 0);
	store_set_rollout(set, &r);
	store_set_member(set, "dev", 1, 1000, 0, 0);
	some_event(set, "rollout/started", "spring", 0);
}

void release_wave(struct store_set *set)
{
	struct rollout r;

	some_rollout(&r, 1);
	r.enlisted = true;
	r.opened = 1;
	r.reached = 2000;
	r.waves[0].cut = 2000;
	r.waves[0].opened_ms = r.released_ms = r.ramp_ms = T0 + 1;
	r.waves[1].cut = ROLLOUT_PLACE_END;
	store_set_rollout(set, &r);
	some_event(set, "rollout/wave", "spring", 0);
}

void put_aside(struct store_set *set)
{
	const struct hook_place place = {.position = 2, .failures = 3};
	const struct store_dead dead = {.hook = 1,
					.seq = 2,
					.cursor = "s:2",
					.topic = "device/boot",
					.device = "dev",
					.at_ms = T0,
					.tries = 3,
					.error = "it answered 500",
					.body = "{}"};

	store_set_dead(set, &dead);
	store_set_hook_place(set, 1, &place);
	store_set_import(set, 1, "[\"dev-2\",\"dev-3\"]");
	store_set_import(set, 0, "{\"parts\":1}");
}
