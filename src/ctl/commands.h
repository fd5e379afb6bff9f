/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions behind the command table (commands.c): each is documented by its row.
 */
#ifndef CTL_COMMANDS_H
#define CTL_COMMANDS_H

#include "ctl/ctl.h"

int product_add(struct ctl *c, const struct args *a);
int product_list(struct ctl *c, const struct args *a);
int product_show(struct ctl *c, const struct args *a);
int product_set(struct ctl *c, const struct args *a);
int product_ca(struct ctl *c, const struct args *a);
int product_target(struct ctl *c, const struct args *a);

int release_add(struct ctl *c, const struct args *a);
int release_list(struct ctl *c, const struct args *a);
int release_inspect(struct ctl *c, const struct args *a);
int release_show(struct ctl *c, const struct args *a);
int release_remove(struct ctl *c, const struct args *a);

int rollout_add(struct ctl *c, const struct args *a);
int rollout_list(struct ctl *c, const struct args *a);
int rollout_show(struct ctl *c, const struct args *a);
int rollout_plan(struct ctl *c, const struct args *a);
int rollout_devices(struct ctl *c, const struct args *a);
int rollout_act(struct ctl *c, const struct args *a); /* the verb is the act */
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
int device_group(struct ctl *c, const struct args *a);
int device_lock(struct ctl *c, const struct args *a);
int device_act(struct ctl *c, const struct args *a); /* the verb is the act */
int device_remove(struct ctl *c, const struct args *a);
int device_explain(struct ctl *c, const struct args *a);

int attempt_list(struct ctl *c, const struct args *a);
int attempt_show(struct ctl *c, const struct args *a);
int attempt_cancel(struct ctl *c, const struct args *a);
int attempt_watch(struct ctl *c, const struct args *a);

int event_list(struct ctl *c, const struct args *a);
int event_follow(struct ctl *c, const struct args *a);

int audit_list(struct ctl *c, const struct args *a);
int audit_verify(struct ctl *c, const struct args *a);

int server_backup(struct ctl *c, const struct args *a);
int server_status(struct ctl *c, const struct args *a);
int show_version(struct ctl *c, const struct args *a);
int show_help(struct ctl *c, const struct args *a);

#endif
