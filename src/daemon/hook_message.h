/* SPDX-License-Identifier: Apache-2.0
 *
 * What a webhook sends: one event, or several, as CloudEvents 1.0 in JSON, and the signature over
 * it. Headers and signature are those of Standard Webhooks 1.0: what is signed is
 * `webhook-id.webhook-timestamp.body`, by HMAC-SHA256. postboot-hooks(7) is the contract.
 */
#ifndef DAEMON_HOOK_MESSAGE_H
#define DAEMON_HOOK_MESSAGE_H

#include <jansson.h>

#include "core/hook.h"
#include "daemon/keys.h"
#include "store/store.h"

enum {
	HOOK_ID_MAX = 95,	  /* "STREAM:FIRST-LAST" */
	HOOK_SIGNATURE_MAX = 47,  /* "v1," and 44 characters */
	HOOK_SECRET_TEXT = 6 + 88 /* "whsec_" and LIMIT_HOOK_SECRET bytes */
};

struct hook_message {
	char id[HOOK_ID_MAX + 1];
	unsigned count; /* of events; 0: there is nothing to send */
	bool batch;	/* an array */
	uint64_t first, last;
	uint64_t looked; /* the last event that was looked at, its own or not */
	char topic[128]; /* of the first event */
	char device[LIMIT_DEVICE_ID + 1];
	char *body;
	size_t len, cap;
};

void hook_message_free(struct hook_message *m);

/* Reads on after `after`: at most `look` events, and at most h->batch of those that are for it (one
 * with `single`). */
int hook_message_read(struct store *s, const struct hook *h, const char *stream, uint64_t after,
		      unsigned look, bool single, struct hook_message *ret) ERR_CHECK;
/* A ping: no event, of no stream position. `number` tells one from another. */
int hook_message_ping(const struct hook *h, const char *stream, uint64_t number, int64_t wall_ms,
		      struct hook_message *ret) ERR_CHECK;

/* "v1,BASE64" */
int hook_sign(const struct psk *secret, const char *id, int64_t wall_s, struct bytes body,
	      char dst[HOOK_SIGNATURE_MAX + 1]) ERR_CHECK;

/* "whsec_BASE64" to bytes and back; other text is the secret as it stands. ERR_SYNTAX, ERR_LIMIT:
 * not LIMIT_HOOK_SECRET_MIN to LIMIT_HOOK_SECRET bytes. */
int hook_secret_parse(const char *text, struct psk *ret) ERR_CHECK;
void hook_secret_text(const struct psk *secret, char dst[HOOK_SECRET_TEXT + 1]);

#endif
