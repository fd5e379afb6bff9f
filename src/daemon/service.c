/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/service.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/conf_load.h"
#include "daemon/service_inner.h"
#include "daemon/service_key.h"
#include "daemon/viewers.h"

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
	turns_stop(&s->turns);
}

static void engine_stopped(void *ctx)
{
	struct service *s = ctx;

	if (s->store)
		settle(s); /* answers go out while there are sessions */
	if (s->carries)
		carry_save(s->net, &s->conf);
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

static void hooks_stopped(void *ctx)
{
	struct service *s = ctx;

	if (s->admin)
		admin_stop(s->admin, admin_stopped, s);
	else
		admin_stopped(s);
}

/* Whoever waits for a ping is answered while the admin API still runs. */
static void metrics_stopped(void *ctx)
{
	struct service *s = ctx;

	if (s->hooks)
		hooks_stop(s->hooks, hooks_stopped, s);
	else
		hooks_stopped(s);
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
	hooks_free(s->hooks);
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
	/* By hand is for good; the service manager may start us again at once. */
	s->carries = s->net && number == SIGTERM;
	stop(s);
}

/* What takes effect while running, for the rows with the reload flag. */
static void conf_apply(struct service *s)
{
	struct net_conf net = service_conf_net(s);
	struct engine_conf engine = service_conf_engine(s);
	struct hooks_conf hooks = service_conf_hooks(s);

	log_set_level(s->conf.log_level);
	images_limit_set(s->images, s->conf.image_limit_bytes);
	engine_conf_set(s->engine, &engine);
	net_limits_set(s->net, &net);
	hooks_conf_set(s->hooks, &hooks);
}

/* The group is looked up anew even if its name is the same: its number may have changed. False: the
 * old one stays. */
static bool viewers_reload(struct service *s, const struct conf *fresh)
{
	struct viewers viewers;
	int err = viewers_find(fresh->viewer_group, &viewers);

	if (err) {
		log_err("reload=failed viewer-group=%s error=\"%s\" do=\"%s\"", fresh->viewer_group,
			err_text(err), VIEWERS_TODO);
		return false;
	}
	admin_viewers_set(s->admin, &viewers);
	return true;
}

/* The files are read anew even if their names are the same. False: the old ones stay. */
static bool certs_reload(struct service *s, const struct conf *fresh)
{
	int err;

	s->certs.conf = fresh;
	err = certs_load(&s->certs, "reload");
	s->certs.conf = &s->conf;
	return err == 0;
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
	} else if (viewers_reload(s, &fresh) && certs_reload(s, &fresh)) {
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
	(void)sd_notifyf(0, "%sSTATUS=Serving %" PRIu64 " sessions on %u addresses%s", before,
			 stats.peers, s->listen.open_count,
			 s->health.list[HEALTH_SHEDDING].is_set ? "; some are refused" : "");
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

/* ---- the loop ---- */

static void on_wake(uv_async_t *async)
{
	struct service *s = async->data;
	struct turn_mark began = turn_part_begin(&s->turns);

	(void)store_deliver(s->store);
	turn_part_end(&s->turns, TURN_COMMITS, began);
}

static int start_handles(struct service *s)
{
	static const char todo[] = "raise the limit of open files, or free memory";

	if (uv_async_init(&s->loop, &s->wake, on_wake))
		return service_failed(ERR_NOMEM, "loop", "async", todo);
	(void)uv_signal_init(&s->loop, &s->term); /* these cannot fail after the first handle */
	(void)uv_signal_init(&s->loop, &s->intr);
	(void)uv_signal_init(&s->loop, &s->hup);
	(void)uv_timer_init(&s->loop, &s->feed);
	s->wake.data = s->term.data = s->intr.data = s->hup.data = s->feed.data = s;
	s->has_handles = true;
	turns_start(&s->turns, &s->loop);
	if (uv_signal_start(&s->term, on_stop_signal, SIGTERM) ||
	    uv_signal_start(&s->intr, on_stop_signal, SIGINT) ||
	    uv_signal_start(&s->hup, on_reload_signal, SIGHUP))
		return service_failed(ERR_NOMEM, "loop", "signals", todo);
	return 0;
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
			    .listen = {.admin_fd = -1, .carry.fd = -1}};
	int err = uv_loop_init(&s.loop) ? ERR_NOMEM : 0;

	if (err)
		return service_failed(err, "loop", "init",
				      "raise the limit of open files, or free memory");
	(void)signal(SIGPIPE, SIG_IGN);
	(void)umask(0077);
	log_set_level(conf->log_level);
	raise_files();
	(void)signal(SIGXFSZ, SIG_IGN); /* a write says so: the disk is as good as full */
	health_init(&s.health);
	s.health.on_change = on_health;
	s.health.ctx = &s;
	err = start_handles(&s);
	if (!err)
		err = service_start(&s);
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
