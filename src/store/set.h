/* SPDX-License-Identifier: Apache-2.0
 *
 * A write-set inside: a list of operations with copies of their arguments, and its result.
 * Filled by store_set_*() (store/store.h), carried out by store/write.c.
 */
#ifndef STORE_SET_H
#define STORE_SET_H

#include "store/store.h"

enum op_kind {
	OP_PRODUCT,	   /* struct product */
	OP_CA,		   /* struct op_ca, its text behind it */
	OP_SIGNER,	   /* struct op_signer */
	OP_SIGNER_DELETE,  /* struct op_signer, its product and name */
	OP_GROUP,	   /* struct device_group */
	OP_ROLLOUT,	   /* struct rollout */
	OP_ROLLOUT_DELETE, /* struct rollout */
	OP_MEMBER,	   /* struct op_member */
	OP_GROUP_DELETE,   /* struct device_group */
	OP_RELEASE,	   /* struct release */
	OP_RELEASE_STATE,  /* struct release */
	OP_RELEASE_DELETE, /* int64_t */
	OP_DEVICE,	   /* struct device */
	OP_DEVICE_DELETE,  /* struct op_device_delete */
	OP_KEY,		   /* struct store_key */
	OP_KEY_DELETE,	   /* struct store_key */
	OP_ATTEMPT,	   /* struct attempt */
	OP_DIAGNOSES,	   /* struct op_diagnoses */
	OP_EVENT,	   /* struct store_event, its strings behind it */
	OP_SEEN,	   /* struct op_seen */
	OP_PROTOCOL,	   /* struct op_protocol */
	OP_DEVICE_GROUP,   /* struct op_device_group */
	OP_TAG,		   /* struct op_tag */
	OP_QUERY,	   /* struct store_query */
	OP_QUERY_DELETE,   /* struct store_query */
	OP_TALK,	   /* struct op_talk, its bytes behind it */
	OP_ALIVE,	   /* int64_t */
	OP_RETIRE,	   /* struct store_retire */
	OP_RESTORED,	   /* enum store_restored */
	OP_AUDIT,	   /* struct store_audit, its strings behind it */
	OP_AUDIT_PRUNE,	   /* struct store_audit_head */
	OP_HOOK,	   /* struct op_hook */
	OP_HOOK_DELETE,	   /* struct op_hook, its id and rev */
	OP_HOOK_PLACE,	   /* struct op_hook, its id and place */
	OP_DEAD,	   /* struct store_dead, its strings behind it */
	OP_DEAD_DUE,	   /* struct op_dead */
	OP_DEAD_FAILED,
	OP_DEAD_DELETE,
	OP_IMPORT, /* struct op_import, its text behind it */
};

struct op {
	struct op *next;
	enum op_kind kind;
	size_t size;
	_Alignas(max_align_t) unsigned char data[];
};

struct op_ca {
	int64_t product;
	const char *pem; /* "": none */
};

struct op_signer {
	int64_t product;
	struct signer signer;
};

struct op_device_delete {
	char device[LIMIT_DEVICE_ID + 1];
	int64_t rev;
};

struct op_diagnoses {
	uint64_t attempt;
	struct diagnoses list;
};

struct op_seen {
	char device[LIMIT_DEVICE_ID + 1];
	int64_t seen_ms, offline_at_ms;
};

struct op_protocol {
	char device[LIMIT_DEVICE_ID + 1];
	char protocol[LIMIT_PROTOCOL + 1];
};

struct op_device_group {
	char device[LIMIT_DEVICE_ID + 1];
	int64_t group, at_ms;
};

struct op_member {
	char device[LIMIT_DEVICE_ID + 1];
	int64_t rollout, place, before, goes_back;
};

struct op_tag {
	char device[LIMIT_DEVICE_ID + 1];
	char tag[LIMIT_TAG + 1];
	bool on; /* else it goes */
};

struct op_talk {
	char device[LIMIT_DEVICE_ID + 1];
	int64_t at_ms;
	size_t len; /* 0: none any more */
	const uint8_t *bytes;
};

struct op_hook {
	struct hook hook;
	bool has_place, has_secret;
	struct hook_place place;
	struct store_key secret;
};

struct op_dead {
	int64_t hook, id; /* id 0: all of the hook */
	char error[LIMIT_HOOK_ERROR + 1];
};

struct op_import {
	int64_t part;
	const char *rows; /* "": it goes */
};

struct store_set {
	struct store_set *next; /* in a queue of the store */
	struct op *first, **last;
	unsigned inserts; /* operations that will have an id in the result */
	int err;	  /* of collecting */
	store_done *done;
	void *ctx;
	struct store_result result;
};

#endif
