/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/service.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>
#include <uv.h>

#include "base/clock.h"
#include "daemon/admin.h"
#include "daemon/audit.h"
#include "daemon/conf_load.h"
#include "daemon/engine.h"
#include "daemon/images.h"
#include "daemon/offline.h"
#include "daemon/service_key.h"
#include "daemon/statedir.h"
#include "net/net.h"
#include "store/store.h"

struct service {
	struct conf conf;
	const char *file;
	bool must_exist;

	uv_loop_t loop;
	uv_async_t wake;
	uv_signal_t term, intr, hup;
	uv_timer_t watchdog;
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

	int udp_fds[CONF_LISTEN_MAX]; /* of the service manager, not taken yet */
	unsigned udp_fd_count;
	int admin_fd;

	char uris[CONF_LISTEN_MAX][CONF_URI_MAX + 1]; /* what we listen on */
	const char *listen[CONF_LISTEN_MAX + 1];
	unsigned listen_count;
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
	uv_close((uv_handle_t *)&s->watchdog, NULL);
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

static void stop(struct service *s)
{
	s->stopping = true;
	if (s->admin)
		admin_stop(s->admin, admin_stopped, s);
	else
		admin_stopped(s);
}

static void release(struct service *s)
{
	admin_free(s->admin);
	net_free(s->net);
	engine_free(s->engine);
	images_free(s->images);
	store_close(s->store);
	keys_free(s->keys);
	for (unsigned i = 0; i < s->udp_fd_count; i++)
		(void)close(s->udp_fds[i]);
	if (s->admin_fd >= 0)
		(void)close(s->admin_fd);
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

/* What takes effect while running, for the rows with the reload flag. */
static void conf_apply(const struct conf *conf)
{
	log_set_level(conf->log_level);
}

static void conf_take(struct service *s, const struct conf *fresh)
{
	unsigned restart = 0;

	for (unsigned i = 0; i < conf_key_count(); i++) {
		const struct conf_key *key = conf_key(i);

		if (conf_key_same(key, &s->conf, fresh))
			continue;
		if (conf_key_reloads(key)) {
			log_info("reload key=%s", conf_key_name(key));
		} else {
			log_warn("reload key=%s error=\"takes effect only after a restart\"",
				 conf_key_name(key));
			restart++;
		}
	}
	/* Keys that wait for a restart keep telling so at every reload: only what reloads is
	 * taken over. */
	conf_apply(fresh);
	s->conf.log_level = fresh->log_level;
	log_info("reload=done waiting_for_restart=%u", restart);
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
			log_err("%s", errors.text[i]);
		log_err("reload=failed file=%s do=\"correct it and reload again; the old "
			"configuration stays\"",
			s->file);
	} else {
		conf_take(s, &fresh);
	}
	(void)sd_notify(0, "READY=1");
}

static void on_watchdog(uv_timer_t *timer)
{
	struct service *s = timer->data;
	struct net_stats stats;

	net_stats_read(s->net, &stats);
	(void)sd_notifyf(0, "WATCHDOG=1\nSTATUS=Serving %" PRIu64 " sessions on %u addresses",
			 stats.peers, s->listen_count);
}

static void watchdog_start(struct service *s)
{
	uint64_t usec = 0;

	if (sd_watchdog_enabled(0, &usec) <= 0)
		return;
	uint64_t every_ms = usec / 2 / 1000;
	(void)uv_timer_start(&s->watchdog, on_watchdog, 0, every_ms ? every_ms : 1);
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
	(void)uv_timer_init(&s->loop, &s->watchdog);
	s->wake.data = s->term.data = s->intr.data = s->hup.data = s->watchdog.data = s;
	s->has_handles = true;
	if (uv_signal_start(&s->term, on_stop_signal, SIGTERM) ||
	    uv_signal_start(&s->intr, on_stop_signal, SIGINT) ||
	    uv_signal_start(&s->hup, on_reload_signal, SIGHUP))
		return failed(ERR_NOMEM, "loop", "signals", todo);
	return 0;
}

static int start_passed_fds(struct service *s)
{
	static const char todo[] = "its socket unit may have ListenDatagram= and one ListenStream=";
	int count = sd_listen_fds(1);

	for (int i = 0; i < count; i++) {
		int fd = SD_LISTEN_FDS_START + i;
		char name[32];

		(void)snprintf(name, sizeof(name), "%d", fd);
		if (sd_is_socket(fd, AF_INET, SOCK_DGRAM, -1) > 0 ||
		    sd_is_socket(fd, AF_INET6, SOCK_DGRAM, -1) > 0) {
			if (s->udp_fd_count == CONF_LISTEN_MAX)
				return failed(ERR_LIMIT, "passed-socket", name,
					      "pass at most 16 addresses");
			s->udp_fds[s->udp_fd_count++] = fd;
		} else if (s->admin_fd < 0 && sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0) > 0) {
			s->admin_fd = fd;
		} else {
			return failed(ERR_UNSUPPORTED, "passed-socket", name, todo);
		}
	}
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

	(void)snprintf(path, sizeof(path), "%s/images", s->conf.state_dir);
	err = images_new(&s->loop, path, s->conf.image_limit_bytes, &s->images);
	if (err)
		return failed(err, "images", path, "let this user write there");
	return 0;
}

static int start_engine(struct service *s)
{
	struct engine_conf conf = {
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
	int err = engine_new(&conf, &s->engine);

	if (!err) {
		err = engine_start(s->engine);
		s->engine_started = err == 0;
	}
	return err ? failed(err, "engine", s->conf.state_dir, store_todo(err)) : 0;
}

/* The words of the system, which ERR_IO does not have: the same bind once more. */
static const char *bind_error(const union conf_address *addr, int err)
{
	socklen_t len = addr->any.sa_family == AF_INET6 ? sizeof(addr->v6) : sizeof(addr->v4);
	int fd = socket(addr->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), saved = errno;

	if (fd >= 0) {
		saved = bind(fd, &addr->any, len) < 0 ? errno : 0;
		(void)close(fd);
	}
	return saved ? strerror(saved) : err_text(err);
}

static void listening(struct service *s, const union conf_address *addr, bool secure)
{
	char *uri = conf_uri(addr, secure, s->uris[s->listen_count]);

	s->listen[s->listen_count++] = uri;
	log_info("listening on=%s", uri);
}

static int listen_one(struct service *s, const struct conf_listen *l)
{
	union conf_address bound = {.storage = {0}};
	int err = net_listen(s->net, &l->addr.any, l->secure, &bound.storage);

	if (!err) {
		listening(s, &bound, l->secure);
		return 0;
	}
	const char *why = bind_error(&l->addr, err);
	/* Nobody asked for IPv6: a machine without it serves IPv4. */
	if (s->conf.listen_is_default && l->addr.any.sa_family == AF_INET6 && err != ERR_BUSY) {
		log_warn("listen=%s error=\"%s\"", l->uri, why);
		return 0;
	}
	log_err("start=failed listen=%s error=\"%s\" do=\"%s\"", l->uri, why,
		err == ERR_BUSY ? "stop what uses this port (ss -lunp), or name another with listen"
				: "name an address of this machine with listen");
	return err;
}

static int listen_passed(struct service *s)
{
	while (s->udp_fd_count > 0) {
		int fd = s->udp_fds[s->udp_fd_count - 1];
		union conf_address bound = {.storage = {0}};
		socklen_t len = sizeof(bound);
		char name[16];

		(void)snprintf(name, sizeof(name), "%d", fd);
		if (getsockname(fd, &bound.any, &len) < 0)
			return failed(err_from_errno(errno), "passed-socket", name,
				      "see socket(7)");
		int err = net_listen_fd_take(s->net, fd, true);
		if (err)
			return failed(err, "passed-socket", name, "pass bound UDP sockets");
		s->udp_fd_count--;
		listening(s, &bound, true);
	}
	return 0;
}

static int start_net(struct service *s)
{
	struct net_conf conf = {
		.callbacks = engine_net_callbacks(),
		.ctx = s->engine,
		.session_idle_ms = s->conf.session_idle_ms,
		.max_peers = (unsigned)s->conf.max_sessions,
		.handshakes_per_s = (unsigned)s->conf.handshakes_per_s,
		.well_known = engine_well_known(),
		.plain_devices = s->conf.plain_devices,
	};
	int err = net_new(&s->loop, &conf, &s->net);

	if (err)
		return failed(err, "net", "dtls", "see the line before");
	engine_set_net(s->engine, s->net);
	if (s->udp_fd_count > 0)
		return listen_passed(s);
	for (unsigned i = 0; i < s->conf.listen_count; i++) {
		err = listen_one(s, &s->conf.listen[i]);
		if (err)
			return err;
	}
	return 0;
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
		.database = s->database,
		.keep_images = info.restored || offline_kept(s->conf.state_dir),
		.socket_path = s->conf.admin_socket,
		.socket_fd = s->admin_fd,
		.version = PACKAGE_VERSION,
		.started_ms = clock_read().wall_ms,
		.listen = s->listen,
		.keys_sealed = s->keys != NULL,
		.plain_devices = s->conf.plain_devices,
	};
	int err = s->admin_fd < 0 ? socket_folder(s->conf.admin_socket) : 0;

	if (err)
		return err;
	s->admin_fd = -1; /* admin_new() takes it, also when it fails */
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

static int start(struct service *s)
{
	int err = start_handles(s);

	if (!err)
		err = start_passed_fds(s);
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
	return err;
}

int service_run(const struct conf *conf, const char *file, bool must_exist)
{
	struct service s = {.conf = *conf,
			    .file = file,
			    .must_exist = must_exist,
			    .lock_fd = -1,
			    .admin_fd = -1};
	int err = uv_loop_init(&s.loop) ? ERR_NOMEM : 0;

	if (err)
		return failed(err, "loop", "init", "raise the limit of open files, or free memory");
	(void)signal(SIGPIPE, SIG_IGN);
	(void)umask(0027);
	conf_apply(conf);
	err = start(&s);
	if (err) {
		stop(&s);
	} else {
		log_info("ready version=%s state-dir=%s", PACKAGE_VERSION, conf->state_dir);
		(void)sd_notifyf(0, "READY=1\nSTATUS=Serving on %u addresses", s.listen_count);
		watchdog_start(&s);
	}
	(void)uv_run(&s.loop, UV_RUN_DEFAULT);
	release(&s);
	if (uv_loop_close(&s.loop))
		log_err("loop=busy error=\"a handle was never closed\"");
	if (!err)
		log_info("stopped");
	return err;
}
