/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/monitor.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#include "base/clock.h"

enum {
	LOOK_MS = 1000,
	CHECKED_AT_ONCE = 64,	 /* image files looked up in one turn */
	MACHINE_MS = 10000,	 /* between two looks at disk space and descriptors */
	QUIET_MS = 2000,	 /* without a failure before a fault is over */
	DAMAGE_QUIET_MS = 20000, /* damage shows only where somebody looks */
	LAG_MS = 1000,		 /* a turn that comes so late */
	LAG_QUIET_MS = 30000,
	CLOCK_SHOWN_MS = 600000,
	QUEUE_LONG = 1000,     /* sets that wait for the disk */
	READER_BEHIND = 10000, /* events */
	SHED_QUIET_MS = 5000,  /* without a refusal before shedding is over */
	SPACE_LEAST = 64 << 20,
	FILES_PERCENT = 80,
};

struct fault {
	uint64_t failures; /* seen */
	int64_t failed_ms; /* monotonic, the last one; 0: none */
	int err;
};

struct monitor {
	struct monitor_conf conf;
	uv_timer_t timer;
	struct fault write, read;
	int64_t due_ms; /* when the next turn should come */
	int64_t lag_ms; /* monotonic, the last late turn; 0: none */
	int64_t machine_ms;
	uint64_t shed;	 /* seen */
	int64_t shed_ms; /* monotonic, the last refusal; 0: none */
	size_t release;	 /* whose file is checked next */
};

/* ---- the database ---- */

static const char *database_todo(int err)
{
	switch (err) {
	case ERR_FULL:
		return "free space on its file system; postbootd goes on by itself";
	case ERR_READONLY:
	case ERR_DENIED:
		return "make it writable for the user of postbootd (mount, permissions, chattr); "
		       "postbootd goes on by itself";
	case ERR_MOVED:
		return "put it back where it was, and postbootd goes on by itself; if it cannot be "
		       "put back, stop postbootd and restore a backup with postbootd --restore";
	case ERR_CORRUPT:
		return "stop postbootd and restore a backup; check the disk";
	case ERR_BUSY:
		return "end the program that holds it locked; postbootd goes on by itself";
	case ERR_NOMEM:
		return "give postbootd more memory; it goes on by itself";
	default:
		return "check the disk (dmesg); postbootd goes on by itself";
	}
}

/* True while the fault is news, or not over long enough. */
static bool fault_look(struct fault *f, const struct store_fault *now, int64_t now_ms, bool down)
{
	if (now->failures != f->failures) {
		f->failures = now->failures;
		f->failed_ms = now_ms;
		if (now->err)
			f->err = now->err;
	}
	if (!f->failed_ms)
		return false;
	int64_t quiet_ms = f->err == ERR_CORRUPT ? DAMAGE_QUIET_MS : QUIET_MS;
	if (down || now_ms - f->failed_ms < quiet_ms)
		return true;
	f->failed_ms = 0;
	return false;
}

static void database_look(struct monitor *m, int64_t now_ms, bool down)
{
	struct health *h = m->conf.health;
	struct store_fault write, read;
	struct store_stats stats;

	store_faults(m->conf.store, &write, &read);
	if (fault_look(&m->write, &write, now_ms, down))
		health_set(h, HEALTH_DATABASE_WRITE, database_todo(m->write.err),
			   "the database cannot be written: %s (%s)", err_text(m->write.err),
			   write.what);
	else
		health_clear(h, HEALTH_DATABASE_WRITE);
	if (fault_look(&m->read, &read, now_ms, down))
		health_set(h, HEALTH_DATABASE_READ, database_todo(m->read.err),
			   "the database cannot be read: %s (%s)", err_text(m->read.err),
			   read.what);
	else
		health_clear(h, HEALTH_DATABASE_READ);
	store_stats(m->conf.store, &stats);
	if (stats.queued >= QUEUE_LONG)
		health_set(h, HEALTH_DATABASE_SLOW, "use a faster disk, or look what else uses it",
			   "%" PRIu64 " changes wait for the disk", stats.queued);
	else
		health_clear(h, HEALTH_DATABASE_SLOW);
}

/* ---- images ---- */

static void releases_check(struct monitor *m)
{
	const struct release *r;

	for (unsigned i = 0; i < CHECKED_AT_ONCE; i++) {
		r = engine_release_at(m->conf.engine, m->release++);
		if (!r) {
			m->release = 0;
			return;
		}
		images_check(m->conf.images, r->sha256, r->size_bytes);
	}
}

static const char *image_fault(int err)
{
	switch (err) {
	case ERR_NOENT:
		return "is missing";
	case ERR_TRUNC:
		return "is cut short";
	case ERR_EXTRA:
		return "is longer than it was";
	case ERR_INVAL:
		return "is no file";
	default:
		return "cannot be read";
	}
}

static void images_look_at(struct monitor *m)
{
	struct health *h = m->conf.health;
	struct images_faults f;
	char name[2 * DIGEST_SHA256 + 1];
	struct buf b = buf_writer(name, sizeof(name));

	releases_check(m);
	images_look(m->conf.images, &f);
	buf_put_hex(&b, f.sha256, DIGEST_SHA256);
	if (f.unreadable)
		health_set(h, HEALTH_IMAGES_READ,
			   "put the file back, or upload the same bytes again as a release",
			   "images that cannot be read: %u; images/%s %s", f.unreadable,
			   buf_cstr(&b), image_fault(f.read_err));
	else
		health_clear(h, HEALTH_IMAGES_READ);
	if (f.write_err)
		health_set(h, HEALTH_IMAGES_WRITE,
			   f.write_err == ERR_FULL
				   ? "free space on the file system of images/ in the state folder"
				   : "make the folder writable for the user of postbootd",
			   "no image can be stored: %s", err_text(f.write_err));
	else
		health_clear(h, HEALTH_IMAGES_WRITE);
}

/* ---- loop, clock, fleet, readers ---- */

static void loop_look(struct monitor *m, int64_t now_ms)
{
	int64_t late_ms = m->due_ms ? now_ms - m->due_ms : 0;

	m->due_ms = now_ms + LOOK_MS;
	if (late_ms >= LAG_MS) {
		m->lag_ms = now_ms;
		health_set(m->conf.health, HEALTH_LOOP_LAG,
			   "give the machine more processor, or look what else it does",
			   "devices had to wait for %" PRId64 " ms", late_ms);
	} else if (m->lag_ms && now_ms - m->lag_ms >= LAG_QUIET_MS) {
		m->lag_ms = 0;
		health_clear(m->conf.health, HEALTH_LOOP_LAG);
	}
}

static void engine_look(struct monitor *m, const struct engine_stats *es, int64_t now_ms)
{
	struct health *h = m->conf.health;

	if (es->fleet_silent)
		health_set(h, HEALTH_FLEET_SILENT, "check the network in front of postbootd",
			   "no device was heard; deadlines wait");
	else
		health_clear(h, HEALTH_FLEET_SILENT);
	if (es->clock_step_at && now_ms - es->clock_step_at < CLOCK_SHOWN_MS)
		health_set(h, HEALTH_CLOCK, "see that the clock is kept by NTP",
			   "the clock was set by %" PRId64 " s; deadlines moved with it",
			   es->clock_step_s);
	else
		health_clear(h, HEALTH_CLOCK);
}

static void readers_look(struct monitor *m)
{
	struct admin_stats stats;

	if (!m->conf.admin)
		return;
	admin_stats(m->conf.admin, &stats);
	if (stats.follower_lag >= READER_BEHIND)
		health_set(m->conf.health, HEALTH_EVENT_READER,
			   "look at the program that reads the event stream",
			   "a reader of the event stream is %" PRIu64 " events behind",
			   stats.follower_lag);
	else
		health_clear(m->conf.health, HEALTH_EVENT_READER);
}

/* Who is refused for a quota, and handshakes that nobody had time for. */
static void shed_look(struct monitor *m, const struct net_stats *stats, int64_t now_ms)
{
	uint64_t shed = stats->hellos_shed + stats->handshakes_shed + stats->half_open_shed;

	for (int i = 0; i < NET_SHED_COUNT; i++)
		shed += stats->shed[i];
	uint64_t fresh = shed - m->shed;

	m->shed = shed;
	if (fresh) {
		m->shed_ms = now_ms;
		health_set(m->conf.health, HEALTH_SHEDDING,
			   stats->limited ? "see limited= in the log for who it is; postbootd.conf "
					    "has the limits, ...-per-second"
					  : "see the reasons in postboot_messages_shed_total and "
					    "postboot_handshakes_shed_total of the metrics",
			   "%" PRIu64 " messages were refused in the last second; devices or "
			   "addresses that send too much: %" PRIu64,
			   fresh, stats->limited);
	} else if (m->shed_ms && now_ms - m->shed_ms >= SHED_QUIET_MS) {
		m->shed_ms = 0;
		health_clear(m->conf.health, HEALTH_SHEDDING);
	}
}

static void net_look(struct monitor *m, int64_t now_ms)
{
	struct net_stats stats;

	if (!m->conf.net)
		return;
	net_stats_read(m->conf.net, &stats);
	shed_look(m, &stats, now_ms);
	if (stats.receive_buffer_bytes && stats.receive_buffer_bytes < stats.receive_buffer_wanted)
		health_set(m->conf.health, HEALTH_RECEIVE_BUFFER,
			   "raise net.core.rmem_max, or ReceiveBuffer= of the socket unit",
			   "the receive buffer has %" PRIu64 " bytes instead of %" PRIu64
			   "; bursts may be lost",
			   stats.receive_buffer_bytes, stats.receive_buffer_wanted);
	else
		health_clear(m->conf.health, HEALTH_RECEIVE_BUFFER);
}

/* ---- the machine ---- */

unsigned monitor_open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned count = 0;

	if (!d)
		return 0;
	while (readdir(d))
		count++;
	(void)closedir(d);
	return count > 3 ? count - 3 : 0; /* ".", ".." and its own */
}

static void machine_look(struct monitor *m, int64_t now_ms)
{
	struct health *h = m->conf.health;
	struct statvfs vfs;
	struct rlimit limit;

	if (m->machine_ms && now_ms - m->machine_ms < MACHINE_MS)
		return;
	m->machine_ms = now_ms;
	unsigned files = monitor_open_files();
	if (statvfs(m->conf.state_dir, &vfs) == 0) {
		uint64_t left = (uint64_t)vfs.f_bavail * vfs.f_frsize;
		if (left < SPACE_LEAST)
			health_set(h, HEALTH_DISK_SPACE, "free space on its file system",
				   "%" PRIu64 " KiB are left on the file system of the state "
				   "folder, %s",
				   left / 1024, m->conf.state_dir);
		else
			health_clear(h, HEALTH_DISK_SPACE);
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && files > limit.rlim_cur / 100 * FILES_PERCENT)
		health_set(h, HEALTH_OPEN_FILES, "raise LimitNOFILE= of the service",
			   "%u of %" PRIu64 " files are open", files, (uint64_t)limit.rlim_cur);
	else
		health_clear(h, HEALTH_OPEN_FILES);
}

/* ---- life ---- */

void monitor_look(struct monitor *m)
{
	int64_t now_ms = clock_read().now_ms;
	struct engine_stats es;

	engine_stats(m->conf.engine, &es);
	loop_look(m, now_ms);
	database_look(m, now_ms, es.store_down);
	images_look_at(m);
	engine_look(m, &es, now_ms);
	readers_look(m);
	net_look(m, now_ms);
	machine_look(m, now_ms);
	if (m->conf.certs)
		certs_look(m->conf.certs, clock_read().wall_ms);
	if (m->conf.hooks)
		hooks_look(m->conf.hooks, m->conf.health);
}

/* Faults of the database refuse commands at once; the rest may wait for its turn. */
static void look_now(void *ctx)
{
	struct monitor *m = ctx;
	struct engine_stats es;

	engine_stats(m->conf.engine, &es);
	database_look(m, clock_read().now_ms, es.store_down);
}

static void due(uv_timer_t *timer)
{
	monitor_look(timer->data);
}

int monitor_new(const struct monitor_conf *conf, struct monitor **ret_monitor)
{
	struct monitor *m = calloc(1, sizeof(*m));

	if (!m)
		return ERR_NOMEM;
	m->conf = *conf;
	m->timer.data = m;
	conf->health->look = look_now;
	conf->health->look_ctx = m;
	(void)uv_timer_init(conf->loop, &m->timer);
	(void)uv_timer_start(&m->timer, due, 0, LOOK_MS);
	*ret_monitor = m;
	return 0;
}

static void closed(uv_handle_t *handle)
{
	free(handle->data);
}

void monitor_stop(struct monitor *m)
{
	if (!m)
		return;
	m->conf.health->look = NULL;
	uv_close((uv_handle_t *)&m->timer, closed);
}
