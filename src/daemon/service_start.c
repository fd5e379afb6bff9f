/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/audit.h"
#include "daemon/offline.h"
#include "daemon/service_inner.h"
#include "daemon/service_key.h"
#include "daemon/statedir.h"
#include "daemon/viewers.h"

int service_failed(int err, const char *what, const char *at, const char *todo)
{
	log_err("start=failed %s=%s error=\"%s\" do=\"%s\"", what, at, err_text(err), todo);
	return err;
}

struct net_conf service_conf_net(const struct service *s)
{
	return (struct net_conf){
		.callbacks = engine_net_callbacks(),
		.ctx = s->engine,
		.hibernate_after_ms = s->conf.hibernate_after_ms,
		.session_idle_ms = s->conf.session_idle_ms,
		.max_peers = (unsigned)s->conf.max_sessions,
		.handshakes_per_s = (unsigned)s->conf.handshakes_per_s,
		.requests_per_s = (unsigned)s->conf.requests_per_s,
		.device_requests_per_s = (unsigned)s->conf.device_requests_per_s,
		.address_requests_per_s = (unsigned)s->conf.address_requests_per_s,
		.well_known = engine_well_known(s->engine),
		.plain_devices = s->conf.plain_devices,
		.connection_ids = s->conf.connection_id,
	};
}

struct engine_conf service_conf_engine(struct service *s)
{
	return (struct engine_conf){
		.loop = &s->loop,
		.turns = &s->turns,
		.store = s->store,
		.images = s->images,
		.keys = s->keys,
		.plain_devices = s->conf.plain_devices,
		.device_json = s->conf.device_json,
		.event_prefix = s->conf.event_prefix,
		.keep_events_ms = s->conf.keep_events_ms,
		.keep_attempts_ms = s->conf.keep_attempts_ms,
		.max_events = (uint64_t)s->conf.max_events,
		.device_rate = s->conf.device_rate,
		.image_rate = s->conf.image_rate,
		.max_downloads = s->conf.max_downloads,
	};
}

struct hooks_conf service_conf_hooks(struct service *s)
{
	struct hooks_conf c = {
		.loop = &s->loop,
		.store = s->store,
		.engine = s->engine,
		.keys = s->keys,
		.http = {.version = PACKAGE_VERSION, .timeout_ms = s->conf.hook_timeout_ms},
		.rules = {.retry_max_ms = s->conf.hook_retry_max_ms,
			  .tries = (uint32_t)s->conf.hook_tries,
			  .give_up_ms = s->conf.hook_give_up_ms},
	};

	(void)buf_copy_str(c.http.ca_file, sizeof(c.http.ca_file), s->conf.hook_ca_file);
	return c;
}

/* ---- the beginning, step by step; each logs its own failure ---- */

/* On the store's thread. */
static void wake(void *ctx)
{
	struct service *s = ctx;

	(void)uv_async_send(&s->wake);
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
		return service_failed(err, "database", s->database,
				      err == ERR_INVAL ? "another program made it: put the right "
							 "file there, or name another state-dir"
						       : store_todo(err));
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
		return service_failed(err, "images", path, "let this user write there");
	return 0;
}

static int start_engine(struct service *s)
{
	struct engine_conf conf = service_conf_engine(s);
	int err = engine_new(&conf, &s->engine);

	if (!err) {
		err = engine_start(s->engine);
		s->engine_started = err == 0;
	}
	return err ? service_failed(err, "engine", s->conf.state_dir, store_todo(err)) : 0;
}

static void cas_changed(void *ctx)
{
	int err = certs_load(ctx, "reload");

	(void)err; /* what failed was told */
}

static int start_net(struct service *s)
{
	struct net_conf conf = service_conf_net(s);
	int err = net_new(&s->loop, &conf, &s->net);

	if (err)
		return service_failed(err, "net", "dtls", "see the line before");
	engine_set_net(s->engine, s->net);
	s->certs = (struct certs){
		.conf = &s->conf, .engine = s->engine, .net = s->net, .health = &s->health};
	engine_on_ca(s->engine, cas_changed, &s->certs);
	err = certs_load(&s->certs, "start");
	if (err)
		return err;
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

static int start_hooks(struct service *s)
{
	struct hooks_conf conf = service_conf_hooks(s);
	int err = hooks_new(&conf, &s->hooks);

	return err ? service_failed(err, "hooks", s->database, "see the line before") : 0;
}

static int start_admin(struct service *s)
{
	struct store_info info;

	store_info(s->store, &info);
	struct admin_conf conf = {
		.loop = &s->loop,
		.turns = &s->turns,
		.engine = s->engine,
		.store = s->store,
		.images = s->images,
		.hooks = s->hooks,
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
	err = viewers_find(s->conf.viewer_group, &conf.viewers);
	if (err)
		return service_failed(err, "viewer-group", s->conf.viewer_group, VIEWERS_TODO);
	s->listen.admin_fd = -1; /* admin_new() takes it, also when it fails */
	err = admin_new(&conf, &s->admin);
	switch (err) {
	case 0:
		log_info("admin socket=%s", conf.socket_fd < 0 ? conf.socket_path : "passed");
		return 0;
	case ERR_BUSY:
		return service_failed(err, "admin-socket", conf.socket_path,
				      "another daemon answers there: stop it, or name another");
	case ERR_INVAL:
		return service_failed(
			err, "admin-socket", conf.socket_path,
			"something that is no socket stands there: remove it, or name another");
	default:
		return service_failed(err, "admin-socket", conf.socket_path,
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
		return service_failed(err, "metrics-listen", l->uri,
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
		.certs = &s->certs,
		.hooks = s->hooks,
		.admin = s->admin,
		.state_dir = s->conf.state_dir,
	};
	int err = monitor_new(&conf, &s->monitor);

	return err ? service_failed(err, "monitor", "health", "free memory") : 0;
}

int service_start(struct service *s)
{
	int err = listen_take(&s->listen, &s->conf);
	if (!err)
		err = statedir_open(s->conf.state_dir, &s->lock_fd);
	if (!err)
		err = statedir_whole(s->conf.state_dir);
	if (!err)
		err = start_store(s);
	if (!err)
		err = start_engine(s);
	if (!err)
		err = start_net(s);
	if (!err)
		err = start_hooks(s);
	if (!err)
		err = start_admin(s);
	if (!err)
		err = start_metrics(s);
	if (!err)
		err = start_monitor(s);
	if (!err)
		carry_restore(&s->listen.carry, s->net, &s->conf);
	return err;
}
