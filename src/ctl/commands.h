/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions behind the command table (commands.c): each is documented by its row.
 */
#ifndef CTL_COMMANDS_H
#define CTL_COMMANDS_H

#include "base/limits.h"
#include "ctl/ctl.h"
#include "sign/sign.h"

int product_add(struct ctl *c, const struct args *a);
int product_list(struct ctl *c, const struct args *a);
int product_show(struct ctl *c, const struct args *a);
int product_set(struct ctl *c, const struct args *a);
int product_ca(struct ctl *c, const struct args *a);
int product_target(struct ctl *c, const struct args *a);

int release_add(struct ctl *c, const struct args *a);
int release_list(struct ctl *c, const struct args *a);
int release_state(struct ctl *c, const struct args *a);
int release_inspect(struct ctl *c, const struct args *a);
int release_show(struct ctl *c, const struct args *a);
int release_remove(struct ctl *c, const struct args *a);

int signer_add(struct ctl *c, const struct args *a);
int signer_list(struct ctl *c, const struct args *a);
int signer_show(struct ctl *c, const struct args *a);
int signer_remove(struct ctl *c, const struct args *a);
/* A public key in a file; and a signature, as bytes or in base64. False after a message. */
bool signer_key_file(const struct ctl *c, const char *name, struct signer *ret_key);
bool signature_file(const struct ctl *c, const char *name, struct sign_raw *ret);

int rollout_add(struct ctl *c, const struct args *a);
int rollout_list(struct ctl *c, const struct args *a);
int rollout_show(struct ctl *c, const struct args *a);
int rollout_plan(struct ctl *c, const struct args *a);
void rollout_url(struct url *u, const char *product, const char *name); /* NULL: all */
int rollout_devices(struct ctl *c, const struct args *a);
int rollout_act(struct ctl *c, const struct args *a); /* the verb is the act */
int rollout_start(struct ctl *c, const struct args *a);
/* Whom nothing leads back, by its dry run; NULL: nothing is known. */
void rollout_view_return(const struct output *o, const json_t *plan, const char *product);
int rollout_remove(struct ctl *c, const struct args *a);

int group_add(struct ctl *c, const struct args *a);
int group_list(struct ctl *c, const struct args *a);
int group_show(struct ctl *c, const struct args *a);
int group_set(struct ctl *c, const struct args *a);
int group_target(struct ctl *c, const struct args *a);
int group_remove(struct ctl *c, const struct args *a);

int device_add(struct ctl *c, const struct args *a);
int device_list(struct ctl *c, const struct args *a);
int device_show(struct ctl *c, const struct args *a);
int device_key(struct ctl *c, const struct args *a);
int device_set(struct ctl *c, const struct args *a);
int device_group(struct ctl *c, const struct args *a);
int device_tag(struct ctl *c, const struct args *a); /* untag, too */
int device_lock(struct ctl *c, const struct args *a);
int device_act(struct ctl *c, const struct args *a); /* the verb is the act */
int device_remove(struct ctl *c, const struct args *a);
int device_history(struct ctl *c, const struct args *a);
int device_import(struct ctl *c, const struct args *a);
int device_export(struct ctl *c, const struct args *a);
/* The list of devices with the filters of the options; false: a usage message was printed. */
bool device_list_url(struct ctl *c, const struct args *a, struct url *u);

/* The words of a filter from position `first` on, as one text; false after a usage message. */
enum { FILTER_WORDS = LIMIT_FILTER_TEXT + 1 };
bool filter_words(const struct ctl *c, const struct args *a, unsigned first,
		  char dst[FILTER_WORDS]);
int query_save(struct ctl *c, const struct args *a);
int query_list(struct ctl *c, const struct args *a);
int query_show(struct ctl *c, const struct args *a);
int query_remove(struct ctl *c, const struct args *a);

int attempt_list(struct ctl *c, const struct args *a);
int attempt_show(struct ctl *c, const struct args *a);
int attempt_cancel(struct ctl *c, const struct args *a);
int attempt_watch(struct ctl *c, const struct args *a);

int event_list(struct ctl *c, const struct args *a);
int event_follow(struct ctl *c, const struct args *a);

int hook_add(struct ctl *c, const struct args *a);
int hook_list(struct ctl *c, const struct args *a);
int hook_show(struct ctl *c, const struct args *a);
int hook_set(struct ctl *c, const struct args *a);
int hook_state(struct ctl *c, const struct args *a); /* the verb is the act */
int hook_remove(struct ctl *c, const struct args *a);
int hook_test(struct ctl *c, const struct args *a);
int hook_dead(struct ctl *c, const struct args *a);
int hook_retry(struct ctl *c, const struct args *a);
int hook_drop(struct ctl *c, const struct args *a);

int audit_list(struct ctl *c, const struct args *a);
int audit_verify(struct ctl *c, const struct args *a);
int audit_export(struct ctl *c, const struct args *a);
int audit_prune(struct ctl *c, const struct args *a);
/* The same of a file that audit_export() has written; `head` "N:HASH" or NULL. */
int audit_verify_file(struct ctl *c, const char *name, const char *head);
/* "42:9f86...", as the journal has it. */
bool audit_known_parse(const char *text, int64_t *ret_seq, const char **ret_hash);

int explain(struct ctl *c, const struct args *a);
int server_backup(struct ctl *c, const struct args *a);
int server_status(struct ctl *c, const struct args *a);
int show_version(struct ctl *c, const struct args *a);
/* Names that begin with a prefix, one a line, for the shell's completion. */
int complete_names(struct ctl *c, const struct args *a);
int show_help(struct ctl *c, const struct args *a);

#endif
