/* SPDX-License-Identifier: Apache-2.0
 *
 * Looks once a second at store, images, network, loop and machine, and keeps the table of health.
 * Whoever has a fault does not know of health; who watches does.
 */
#ifndef DAEMON_MONITOR_H
#define DAEMON_MONITOR_H

#include <uv.h>

#include "daemon/admin.h"
#include "daemon/certs.h"
#include "daemon/engine.h"
#include "daemon/health.h"
#include "daemon/hooks.h"

struct monitor;

struct monitor_conf {
	uv_loop_t *loop; /* all borrowed, for the monitor's life */
	struct health *health;
	struct store *store;
	struct images *images;
	struct engine *engine;
	const struct net *net;	   /* NULL: none */
	struct certs *certs;	   /* NULL: none */
	struct hooks *hooks;	   /* NULL: none */
	const struct admin *admin; /* NULL: none */
	const char *state_dir;
};

int monitor_new(const struct monitor_conf *conf, struct monitor **ret_monitor) ERR_CHECK;
/* Ends it; it is freed when the loop has closed its timer. NULL is fine. */
void monitor_stop(struct monitor *m);
/* One turn; tests call it. */
void monitor_look(struct monitor *m);
/* Descriptors of this process; 0: nobody knows. */
unsigned monitor_open_files(void);

#endif
