/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by service.c, which runs and ends, and service_start.c, which begins.
 */
#ifndef DAEMON_SERVICE_INNER_H
#define DAEMON_SERVICE_INNER_H

#include <uv.h>

#include "daemon/admin.h"
#include "daemon/certs.h"
#include "daemon/conf.h"
#include "daemon/engine.h"
#include "daemon/health.h"
#include "daemon/hooks.h"
#include "daemon/images.h"
#include "daemon/listen.h"
#include "daemon/monitor.h"
#include "daemon/turns.h"
#include "daemon/watchdog.h"
#include "net/net.h"
#include "store/store.h"

struct service {
	struct conf conf;
	const char *file;
	bool must_exist;

	uv_loop_t loop;
	uv_async_t wake;
	uv_signal_t term, intr, hup;
	uv_timer_t feed;
	struct watchdog watchdog;
	struct turns turns;
	bool has_handles;

	int lock_fd;
	struct keys *keys;
	char database[CONF_PATH_MAX + 32];
	struct store *store;
	struct images *images;
	struct engine *engine;
	bool engine_started;
	struct net *net;
	struct certs certs;
	struct admin *admin;
	struct admin *metrics; /* the TCP address; NULL: none */
	struct monitor *monitor;
	struct hooks *hooks;
	struct health health;

	struct listen listen;
	bool stopping;
	bool carries; /* sessions go on with the next process */
};

/* Logs why the start fails; returns err. */
int service_failed(int err, const char *what, const char *at, const char *todo);
struct net_conf service_conf_net(const struct service *s);
struct engine_conf service_conf_engine(struct service *s);
struct hooks_conf service_conf_hooks(struct service *s);

/* All rooms, in the order of need. A failure has been logged; what is up is up. */
int service_start(struct service *s) ERR_CHECK;

#endif
