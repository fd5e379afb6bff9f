/* SPDX-License-Identifier: Apache-2.0
 *
 * Devices that are asked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"
#include "toy.h"

/* In place of the daemon's own table. */
const struct talk_proto *const talk_protos[] = {&toy_proto, NULL};

static struct bytes text(const char *str)
{
	return (struct bytes){(const uint8_t *)str, strlen(str)};
}

static void wake(struct scenario *s, struct net_peer *peer, const struct net_answer *a)
{
	engine_net_callbacks()->answered(s->engine, peer, a);
	settle(s);
}

static void send_toy(struct scenario *s, const char *method, const char *query, bool duplicate)
{
	struct net_request q = {.method = strcmp(method, "POST") == 0 ? 2 : 4,
				.confirmable = true,
				.duplicate = duplicate,
				.content_format = -1,
				.accept = -1,
				.observe = -1,
				.path_count = 1,
				.query_count = query[0] != 0};

	q.path[0] = text("toy");
	q.query[0] = text(query);
	for (unsigned i = 0; i < REQUEST_TRIES; i++) {
		struct net_peer *peer = session_find(s, word(1));
		if (!peer) {
			fail(s, "no session");
			return;
		}
		fake_reply.given = false;
		engine_net_callbacks()->request(s->engine, peer, &q, (struct net_exchange){1, 1});
		settle(s);
		if (!s->fail_each || fake_reply.code != NET_CODE(5, 3))
			break;
	}
}

/* TOY session method [word] [duplicate] */
static void do_toy(struct scenario *s)
{
	bool alone = strcmp(word(3), "duplicate") == 0;

	send_toy(s, word(2), alone ? "" : word(3), alone || strcmp(word(4), "duplicate") == 0);
}

static struct net_peer *asked_peer(struct scenario *s)
{
	struct net_peer *peer = session_find(s, word(1));

	if (peer && peer->asked)
		return peer;
	if (!s->fail_each && !s->crash_each && !s->restart_each)
		fail(s, "it was asked nothing");
	return NULL;
}

/* A sign of life, and time for the agent to ask again what was lost. */
static struct net_peer *wait_asked(struct scenario *s)
{
	struct net_peer *peer = NULL;

	for (unsigned i = 0; i < 3; i++) {
		peer = session_find(s, word(1));
		if ((peer && peer->asked) || (!s->fail_each && !s->crash_each && !s->restart_each))
			break;
		send_toy(s, "POST", "", false);
		elapse(s, 31);
	}
	return asked_peer(s);
}

static void answer(struct scenario *s, struct net_peer *peer, uint8_t code, int err,
		   const char *payload)
{
	struct net_answer a = {.err = err,
			       .tag = peer->asked,
			       .code = code,
			       .content_format = -1,
			       .payload = text(payload)};

	peer->asked = 0;
	wake(s, peer, &a);
}

/* ANSWER session code [payload] | ANSWER session timeout */
static void do_answer(struct scenario *s)
{
	struct net_peer *peer = wait_asked(s);
	unsigned a = 0, b = 0;

	if (!peer)
		return;
	if (strcmp(word(2), "timeout") == 0)
		answer(s, peer, 0, ERR_TIMEOUT, "");
	else if (sscanf(word(2), "%u.%u", &a, &b) == 2)
		answer(s, peer, NET_CODE(a, b), 0, word(3));
	else
		fail(s, "ANSWER %s", word(2));
}

static unsigned waited; /* for bytes that were not to go yet */

/* FETCH session [blocks]: takes the body that is sent to it, and answers 2.04 at its end. */
static void do_fetch(struct scenario *s)
{
	const struct net_callbacks *cb = engine_net_callbacks();
	struct net_peer *peer = wait_asked(s);
	unsigned most = word(2)[0] ? (unsigned)strtoul(word(2), NULL, 10) : UINT32_MAX;
	uint8_t block[1024];

	for (int64_t at = peer ? peer->fetched : 0; peer && most-- > 0;) {
		int64_t len = peer->body_size - at < 1024 ? peer->body_size - at : 1024;
		int err = cb->ask_body(s->engine, peer, peer->asked, at, block, (size_t)len);
		for (unsigned i = 0; i < 100 && err == ERR_BUSY; i++) {
			waited++;
			fake_wall_ms += 200;
			fake_now_ms += 200;
			err = cb->ask_body(s->engine, peer, peer->asked, at, block, (size_t)len);
		}
		if (err) {
			answer(s, peer, 0, err, "");
			return;
		}
		cb->ask_sent(s->engine, peer, peer->asked, at, (size_t)len);
		settle(s);
		at += len;
		peer->fetched = at;
		if (at == peer->body_size) {
			answer(s, peer, NET_CODE(2, 4), 0, "");
			return;
		}
	}
}

static void do_notify(struct scenario *s)
{
	struct net_peer *peer = session_find(s, word(1));
	const struct net_answer a = {.tag = 7,
				     .code = NET_CODE(2, 5),
				     .content_format = -1,
				     .notified = true,
				     .payload = text(word(2))};

	if (peer)
		wake(s, peer, &a);
}

static void do_expect_ask(struct scenario *s)
{
	const struct net_peer *peer = session_peek(s, word(1));
	const char *path = peer->asked ? peer->ask_path : "none";

	if (strcmp(path, word(2)) != 0)
		fail(s, "ask: %s, expected %s", path, word(2));
}

/* EXPECT-WAITED 0|1, or EXPECT-WAITED LEAST MOST: how often since the last one */
static void do_expect_waited(struct scenario *s)
{
	unsigned long least = strtoul(word(1), NULL, 10), most = strtoul(word(2), NULL, 10);

	if (word(2)[0] ? waited < least || waited > most
		       : (waited > 0) != (strcmp(word(1), "1") == 0))
		fail(s, "waited %u times", waited);
	waited = 0;
}

static void fact(void *ctx, const char *name, const char *value)
{
	char *text = ctx;
	size_t used = strlen(text);

	(void)snprintf(text + used, 200 - used, "%s%s=%s", used ? " " : "", name ? name : "say",
		       value);
}

/* EXPECT-FACTS id facts... : all of them */
static void do_expect_facts(struct scenario *s)
{
	char got[200] = "", want[200] = "";

	if (engine_device_facts(s->engine, word(1), fact, got))
		fail(s, "no facts");
	for (unsigned i = 2; i < word_total(); i++) {
		size_t used = strlen(want);
		(void)snprintf(want + used, sizeof(want) - used, "%s%s", used ? " " : "", word(i));
	}
	if (strcmp(got, want) != 0)
		fail(s, "facts: %s, expected %s", got, want);
}

bool run_talk(struct scenario *s, const char *verb)
{
	if (strcmp(verb, "TOY") == 0)
		do_toy(s);
	else if (strcmp(verb, "ANSWER") == 0)
		do_answer(s);
	else if (strcmp(verb, "FETCH") == 0)
		do_fetch(s);
	else if (strcmp(verb, "NOTIFY") == 0)
		do_notify(s);
	else
		return false;
	return true;
}

bool run_expect_talk(struct scenario *s, const char *verb)
{
	if (strcmp(verb, "EXPECT-ASK") == 0)
		do_expect_ask(s);
	else if (strcmp(verb, "EXPECT-WAITED") == 0)
		do_expect_waited(s);
	else if (strcmp(verb, "EXPECT-FACTS") == 0)
		do_expect_facts(s);
	else
		return false;
	return true;
}
