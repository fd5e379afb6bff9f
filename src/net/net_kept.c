/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "net/net_coap.h"

/* The answer to a POST that took more than one block, until it was fetched. */
struct net_kept {
	struct net_timer timer;
	struct net_coap_session *session;
	uint64_t print; /* of method, path and query: what the further requests repeat */
	uint8_t code;
	int content_format;
	int64_t max_age_s;
	size_t len;
	uint8_t data[];
};

uint64_t net_kept_print(const struct net_coap *c, const struct wire_coap *m)
{
	uint64_t print = m->code;

	for (unsigned i = 0; i < m->path_count + m->query_count; i++) {
		bool query = i >= m->path_count;
		struct bytes part = query ? m->query[i - m->path_count] : m->path[i];
		uint64_t all[3] = {print, query, net_hash(&c->key, part.ptr, part.len)};

		print = net_hash(&c->key, all, sizeof(all));
	}
	return print;
}

void net_kept_drop(struct net_coap *c, struct net_coap_session *s)
{
	if (!s->kept)
		return;
	net_timer_disarm(c->timers, &s->kept->timer);
	free(s->kept);
	s->kept = NULL;
}

static void too_old(struct net_timer *timer, void *ctx)
{
	net_kept_drop(net_coap_of_timer(ctx), LIST_ENTRY(timer, struct net_kept, timer)->session);
}

void net_kept_take(struct net_coap *c, struct net_coap_session *s, uint64_t print,
		   const struct net_reply *reply)
{
	struct net_kept *k = calloc(1, sizeof(*k) + reply->payload.len);

	net_kept_drop(c, s);
	if (!k) /* 4.08 later: the device posts once more */
		return;
	k->session = s;
	k->print = print;
	k->code = reply->code;
	k->content_format = reply->content_format;
	k->max_age_s = reply->max_age_s;
	k->len = reply->payload.len;
	memcpy(k->data, reply->payload.ptr, k->len);
	s->kept = k;
	net_timer_arm(c->timers, &k->timer, c->timers->now_ms + NET_EXCHANGE_LIFETIME_MS, too_old);
}

void net_kept_answer(struct net_coap *c, struct net_coap_session *s, const struct wire_coap *m,
		     size_t len)
{
	const struct net_kept *k = s->kept;
	struct net_question q;
	struct net_reply reply = NET_REPLY(NET_CODE(4, 8));

	net_question_of(m, s->max_szx, net_coap_cap(c, s, len), &q);
	if (k && k->print == net_kept_print(c, m)) {
		reply.code = k->code;
		reply.content_format = k->content_format;
		reply.max_age_s = k->max_age_s;
		reply.payload = (struct bytes){k->data, k->len};
	} else {
		reply.payload = (struct bytes){(const uint8_t *)"begin anew", 10};
	}
	net_coap_answer(c, s, &q, &reply);
}
