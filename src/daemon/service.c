/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/service.h"

#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>
#include <uv.h>

#include "base/clock.h"
#include "daemon/admin.h"
#include "daemon/audit.h"
#include "daemon/conf_load.h"
#include "daemon/engine.h"
#include "daemon/health.h"
#include "daemon/images.h"
#include "daemon/listen.h"
#include "daemon/monitor.h"
#include "daemon/offline.h"
#include "daemon/service_key.h"
#include "daemon/statedir.h"
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
	bool has_handles;

	int lock_fd;
	struct keys *keys;
	char database[CONF_PATH_MAX + 32];
	struct store *store;
	struct images *images;
	struct engine *engine;
	bool engine_started;
	struct net *net;
	struct admin *admin;
	struct admin *metrics; /* the TCP address; NULL: none */
	struct monitor *monitor;
	struct health health;

	struct listen listen;
	bool stopping;
};

static int failed(int err, const char *what, const char *at, const char *todo)
{
	log_err("start=failed %s=%s error=\"%s\" do=\"%s\"", what, at, err_text(err), todo);
	return err;
}

/* ---- the end: admin, engine, net, then the loop's own handles ---- */

/* Until nothing is in flight: a result may bring the next submit of the same device. */
static void settle(struct service *s)
{
	do {
		store_flush(s->store);
	} while (store_deliver(s->store) > 0);
}

static void net_closed(void *ctx)
{
	struct service *s = ctx;

	if (s->store)
		settle(s); /* what the last sessions left */
	if (!s->has_handles)
		return;
	uv_close((uv_handle_t *)&s->wake, NULL);
	uv_close((uv_handle_t *)&s->term, NULL);
	uv_close((uv_handle_t *)&s->intr, NULL);
	uv_close((uv_handle_t *)&s->hup, NULL);
	uv_close((uv_handle_t *)&s->feed, NULL);
}

static void engine_stopped(void *ctx)
{
	struct service *s = ctx;

	if (s->store)
		settle(s); /* answers go out while there are sessions */
	if (s->net)
		net_close(s->net, net_closed, s);
	else
		net_closed(s);
}

static void admin_stopped(void *ctx)
{
	struct service *s = ctx;

	if (s->engine_started)
		engine_stop(s->engine, engine_stopped, s);
	else
		engine_stopped(s);
}

static void metrics_stopped(void *ctx)
{
	struct service *s = ctx;

	if (s->admin)
		admin_stop(s->admin, admin_stopped, s);
	else
		admin_stopped(s);
}

static void stop(struct service *s)
{
	s->stopping = true;
	monitor_stop(s->monitor);
	if (s->metrics)
		admin_stop(s->metrics, metrics_stopped, s);
	else
		metrics_stopped(s);
}

static void release(struct service *s)
{
	admin_free(s->metrics);
	admin_free(s->admin);
	net_free(s->net);
	engine_free(s->engine);
	images_free(s->images);
	store_close(s->store);
	keys_free(s->keys);
	listen_done(&s->listen);
	if (s->lock_fd >= 0)
		(void)close(s->lock_fd);
}

/* ---- signals, reload, watchdog ---- */

static void on_stop_signal(uv_signal_t *handle, int number)
{
	struct service *s = handle->data;

	if (s->stopping) {
		log_warn("stop=at-once signal=%s", number == SIGINT ? "SIGINT" : "SIGTERM");
		_exit(EXIT_FAILURE); /* as safe as a crash: what is not committed was not told */
	}
	log_info("stopping signal=%s", number == SIGINT ? "SIGINT" : "SIGTERM");
	(void)sd_notify(0, "STOPPING=1\nSTATUS=Stopping");
	stop(s);
}

static struct net_conf conf_net(const struct service *s)
{
	return (struct net_conf){
		.callbacks = engine_net_callbacks(),
		.ctx = s->engine,
		.session_idle_ms = s->conf.session_idle_ms,
		.max_peers = (unsigned)s->conf.max_sessions,
		.handshakes_per_s = (unsigned)s->conf.handshakes_per_s,
		.well_known = engine_well_known(),
		.plain_devices = s->conf.plain_devices,
	};
}

static struct engine_conf conf_engine(struct service *s)
{
	return (struct engine_conf){
		.loop = &s->loop,
		.store = s->store,
		.images = s->images,
		.keys = s->keys,
		.plain_devices = s->conf.plain_devices,
		.device_json = s->conf.device_json,
		.event_prefix = s->conf.event_prefix,
		.keep_events_ms = s->conf.keep_events_ms,
		.keep_attempts_ms = s->conf.keep_attempts_ms,
		.max_events = (uint64_t)s->conf.max_events,
	};
}

/* What takes effect while running, for the rows with the reload flag. */
static void conf_apply(struct service *s)
{
	struct net_conf net = conf_net(s);
	struct engine_conf engine = conf_engine(s);

	log_set_level(s->conf.log_level);
	images_limit_set(s->images, s->conf.image_limit_bytes);
	engine_conf_set(s->engine, &engine);
	net_limits_set(s->net, &net);
}

/* Keys that wait for a restart keep telling so at every reload: only what reloads is taken. */
static void conf_take(struct service *s, const struct conf *fresh)
{
	unsigned taken = 0, restart = 0;

	for (unsigned i = 0; i < conf_key_count(); i++) {
		const struct conf_key *key = conf_key(i);

		if (conf_key_same(key, &s->conf, fresh))
			continue;
		if (conf_key_reloads(key)) {
			log_info("reload key=%s", conf_key_name(key));
			conf_key_copy(key, &s->conf, fresh);
			taken++;
		} else {
			log_warn("reload key=%s error=\"takes effect only after a restart\"",
				 conf_key_name(key));
			restart++;
		}
	}
	conf_apply(s);
	log_info("reload=done taken=%u waiting_for_restart=%u", taken, restart);
}

static void on_reload_signal(uv_signal_t *handle, int number)
{
	static struct conf_errors errors; /* 16 KiB */
	struct service *s = handle->data;
	struct conf fresh;

	(void)number;
	if (s->stopping)
		return;
	(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_read().now_ms * 1000);
	if (conf_load(s->file, s->must_exist, &fresh, &errors) < 0) {
		for (unsigned i = 0; i < errors.count; i++)
			conf_error_log(errors.text[i]);
		log_err("reload=failed file=%s do=\"correct it and reload again; the old "
			"configuration stays\"",
			s->file);
	} else {
		conf_take(s, &fresh);
	}
	(void)sd_notify(0, "READY=1");
}

/* One line for the service manager; the conditions that degrade come first. */
static void tell_status(const struct service *s, const char *before)
{
	struct net_stats stats;

	for (int id = 0; id < HEALTH_COUNT; id++) {
		const struct health_condition *c = &s->health.list[id];
		if (!c->is_set || !health_degrades((enum health_id)id))
			continue;
		(void)sd_notifyf(0, "%sSTATUS=Degraded: %s", before, c->what);
		return;
	}
	net_stats_read(s->net, &stats);
	(void)sd_notifyf(0, "%sSTATUS=Serving %" PRIu64 " sessions on %u addresses", before,
			 stats.peers, s->listen.open_count);
}

static void on_health(void *ctx)
{
	const struct service *s = ctx;

	if (s->net && !s->stopping)
		tell_status(s, "");
}

static void on_feed(uv_timer_t *timer)
{
	struct service *s = timer->data;
	struct store_stats store;
	bool was_starving = s->watchdog.starving;

	store_stats(s->store, &store);
	if (watchdog_may_feed(&s->watchdog, store.queued, store.sets, clock_read().now_ms)) {
		tell_status(s, "WATCHDOG=1\n");
	} else if (!was_starving) {
		log_err("watchdog=starving store=stuck waiting=%" PRIu64 " error=\"nothing has "
			"committed for %" PRId64 " ms\" do=\"look at the disk of the state "
			"folder\"",
			store.queued, s->watchdog.limit_ms);
		(void)sd_notify(0, "STATUS=The disk of the database does not answer");
	}
}

static void feed_start(struct service *s)
{
	uint64_t usec = 0;

	if (sd_watchdog_enabled(0, &usec) <= 0)
		return;
	uint64_t limit_ms = usec / 1000, every_ms = limit_ms / 4 ? limit_ms / 4 : 1;

	s->watchdog = watchdog_init((int64_t)limit_ms, clock_read().now_ms);
	(void)uv_timer_start(&s->feed, on_feed, 0, every_ms);
}

/* ---- the beginning, step by step; each logs its own failure ---- */

static void on_wake(uv_async_t *async)
{
	struct service *s = async->data;

	(void)store_deliver(s->store);
}

/* On the store's thread. */
static void wake(void *ctx)
{
	struct service *s = ctx;

	(void)uv_async_send(&s->wake);
}

static int start_handles(struct service *s)
{
	static const char todo[] = "raise the limit of open files, or free memory";

	if (uv_async_init(&s->loop, &s->wake, on_wake))
		return failed(ERR_NOMEM, "loop", "async", todo);
	(void)uv_signal_init(&s->loop, &s->term); /* these cannot fail after the first handle */
	(void)uv_signal_init(&s->loop, &s->intr);
	(void)uv_signal_init(&s->loop, &s->hup);
	(void)uv_timer_init(&s->loop, &s->feed);
	s->wake.data = s->term.data = s->intr.data = s->hup.data = s->feed.data = s;
	s->has_handles = true;
	if (uv_signal_start(&s->term, on_stop_signal, SIGTERM) ||
	    uv_signal_start(&s->intr, on_stop_signal, SIGINT) ||
	    uv_signal_start(&s->hup, on_reload_signal, SIGHUP))
		return failed(ERR_NOMEM, "loop", "signals", todo);
	return 0;
}

static const char *store_todo(int err)
{
	switch (err) {
	case ERR_VERSION:
		return "a newer postbootd wrote it: install that version, or restore a backup of "
		       "this one";
	case ERR_CORRUPT:
		return "look with postbootd --check-db, then restore a backup with postbootd "
		       "--restore FILE; this file was left as it is";
	case ERR_FULL:
		return "free space on its file system";
	case ERR_DENIED:
		return "let this user read and write it and its folder";
	default:
		return "see the line before";
	}
}

static int start_keys(struct service *s, const char *path)
{
	struct service_key_fault fault;
	int err = service_key_load(s->conf.key_file, &s->keys, &fault);

	if (!err)
		err = service_key_adopt(s->keys, s->store, path, &fault);
	if (err)
		log_err("start=failed service-key=%s error=\"%s\" do=\"%s\"", fault.where,
			fault.what, fault.todo);
	return err;
}

static int start_store(struct service *s)
{
	char path[CONF_PATH_MAX + 32];
	struct store_conf conf = {
		.path = s->database, .wake = wake, .wake_ctx = s, .hash = audit_sha256};

	(void)snprintf(s->database, sizeof(s->database), "%s/postboot.db", s->conf.state_dir);
	int err = store_open(&conf, &s->store);
	if (err)
		return failed(err, "database", s->database, store_todo(err));
	err = start_keys(s, s->database);
	if (err)
		return err;
	if (!s->keys)
		health_set(&s->health, HEALTH_KEYS_IN_CLEAR,
			   "name a key of the service with key-file",
			   "the keys of devices lie unsealed in the database");

	(void)snprintf(path, sizeof(path), "%s/images", s->conf.state_dir);
	err = images_new(&s->loop, path, s->conf.image_limit_bytes, &s->images);
	if (err)
		return failed(err, "images", path, "let this user write there");
	return 0;
}

static int start_engine(struct service *s)
{
	struct engine_conf conf = conf_engine(s);
	int err = engine_new(&conf, &s->engine);

	if (!err) {
		err = engine_start(s->engine);
		s->engine_started = err == 0;
	}
	return err ? failed(err, "engine", s->conf.state_dir, store_todo(err)) : 0;
}

static int start_net(struct service *s)
{
	struct net_conf conf = conf_net(s);
	int err = net_new(&s->loop, &conf, &s->net);

	if (err)
		return failed(err, "net", "dtls", "see the line before");
	engine_set_net(s->engine, s->net);
	return listen_open(&s->listen, &s->conf, s->net);
}

/* The folder of the socket, as a RuntimeDirectory= would be. */
static int socket_folder(const char *path)
{
	char folder[CONF_SOCKET_MAX + 1];
	char *slash;

	(void)buf_copy_str(folder, sizeof(folder), path);
	slash = strrchr(folder, '/');
	if (!slash || slash == folder)
		return 0;
	*slash = '\0';
	return statedir_folder(folder, 0755, "admin-socket");
}

static int viewers_find(const char *name, gid_t *ret_gid)
{
	size_t digits = strspn(name, "0123456789");
	struct group grp, *found = NULL;
	char text[65536]; /* its members, too */

	if (!name[digits]) {
		unsigned long long gid = strtoull(name, NULL, 10);
		*ret_gid = (gid_t)gid;
		return gid < UINT32_MAX ? 0 : ERR_RANGE;
	}
	(void)getgrnam_r(name, &grp, text, sizeof(text), &found);
	if (found)
		*ret_gid = found->gr_gid;
	return found ? 0 : ERR_NOENT;
}

static int start_admin(struct service *s)
{
	struct store_info info;

	store_info(s->store, &info);
	struct admin_conf conf = {
		.loop = &s->loop,
		.engine = s->engine,
		.store = s->store,
		.images = s->images,
		.net = s->net,
		.health = &s->health,
		.database = s->database,
		.keep_images = info.restored || offline_kept(s->conf.state_dir),
		.socket_path = s->conf.admin_socket,
		.socket_fd = s->listen.admin_fd,
		.version = PACKAGE_VERSION,
		.started_ms = clock_read().wall_ms,
		.listen = s->listen.open,
		.keys_sealed = s->keys != NULL,
		.plain_devices = s->conf.plain_devices,
	};
	int err = s->listen.admin_fd < 0 ? socket_folder(s->conf.admin_socket) : 0;

	if (err)
		return err;
	conf.has_viewers = s->conf.viewer_group[0];
	if (conf.has_viewers)
		err = viewers_find(s->conf.viewer_group, &conf.viewers);
	if (err)
		return failed(err, "viewer-group", s->conf.viewer_group,
			      "make this group, or name another, by its name or number");
	s->listen.admin_fd = -1; /* admin_new() takes it, also when it fails */
	err = admin_new(&conf, &s->admin);
	switch (err) {
	case 0:
		log_info("admin socket=%s", conf.socket_fd < 0 ? conf.socket_path : "passed");
		return 0;
	case ERR_BUSY:
		return failed(err, "admin-socket", conf.socket_path,
			      "another daemon answers there: stop it, or name another");
	case ERR_INVAL:
		return failed(
			err, "admin-socket", conf.socket_path,
			"something that is no socket stands there: remove it, or name another");
	default:
		return failed(err, "admin-socket", conf.socket_path,
			      "let this user write in its folder, or name another");
	}
}

static int start_metrics(struct service *s)
{
	const struct conf_listen *l = &s->conf.metrics_listen;
	struct admin_conf conf = {
		.loop = &s->loop,
		.engine = s->engine,
		.store = s->store,
		.images = s->images,
		.net = s->net,
		.health = &s->health,
		.main = s->admin,
		.version = PACKAGE_VERSION,
		.started_ms = clock_read().wall_ms,
	};
	union conf_address bound = l->addr;
	char uri[CONF_URI_MAX + 1];

	if (l->uri[0] == '\0')
		return 0;
	int err = admin_tcp_open(&bound.storage, &conf.socket_fd);
	if (!err)
		err = admin_new(&conf, &s->metrics);
	if (err)
		return failed(err, "metrics-listen", l->uri,
			      "name a free address of this machine with metrics-listen");
	log_info("metrics on=http://%s", conf_uri(&bound, false, uri) + strlen("coap://"));
	return 0;
}

static int start_monitor(struct service *s)
{
	struct monitor_conf conf = {
		.loop = &s->loop,
		.health = &s->health,
		.store = s->store,
		.images = s->images,
		.engine = s->engine,
		.net = s->net,
		.admin = s->admin,
		.state_dir = s->conf.state_dir,
	};
	int err = monitor_new(&conf, &s->monitor);

	return err ? failed(err, "monitor", "health", "free memory") : 0;
}

static int start(struct service *s)
{
	int err = start_handles(s);

	if (!err)
		err = listen_take(&s->listen, &s->conf);
	if (!err)
		err = statedir_open(s->conf.state_dir, &s->lock_fd);
	if (!err)
		err = start_store(s);
	if (!err)
		err = start_engine(s);
	if (!err)
		err = start_net(s);
	if (!err)
		err = start_admin(s);
	if (!err)
		err = start_metrics(s);
	if (!err)
		err = start_monitor(s);
	return err;
}

/* Admin connections, sessions' images and the database need more than the usual 1024 soft ones;
 * nothing here uses select(2), for the sake of which they are so few. */
static void raise_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur == files.rlim_max)
		return;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		log_warn("open-files error=\"%s\"", strerror(errno));
}

int service_run(const struct conf *conf, const char *file, bool must_exist)
{
	struct service s = {.conf = *conf,
			    .file = file,
			    .must_exist = must_exist,
			    .lock_fd = -1,
			    .listen = {.admin_fd = -1}};
	int err = uv_loop_init(&s.loop) ? ERR_NOMEM : 0;

	if (err)
		return failed(err, "loop", "init", "raise the limit of open files, or free memory");
	(void)signal(SIGPIPE, SIG_IGN);
	(void)umask(0077);
	log_set_level(conf->log_level);
	raise_files();
	(void)signal(SIGXFSZ, SIG_IGN); /* a write says so: the disk is as good as full */
	health_init(&s.health);
	s.health.on_change = on_health;
	s.health.ctx = &s;
	err = start(&s);
	if (err) {
		stop(&s);
	} else {
		log_info("ready version=%s state-dir=%s", PACKAGE_VERSION, conf->state_dir);
		(void)sd_notifyf(0, "READY=1\nSTATUS=Serving on %u addresses", s.listen.open_count);
		feed_start(&s);
	}
	(void)uv_run(&s.loop, UV_RUN_DEFAULT);
	release(&s);
	if (uv_loop_close(&s.loop))
		log_err("loop=busy error=\"a handle was never closed\"");
	if (!err)
		log_info("stopped");
	return err;
}
