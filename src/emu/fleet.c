/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/fleet.h"

#include "base/clock.h"
#include "emu/journal.h"
#include "emu/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

enum { POLL_MAX_MS = 1000, EXIT_USAGE = 2 };

struct shard {
	struct emu_ctx *ctx;
	struct emu_unit *units;
	size_t len;
	int64_t next_ms;
};

struct fleet {
	const struct emu_conf *conf;
	struct emu_console console;
	struct shard *shards;
	size_t shards_len;
	size_t units_len;
	struct pollfd *fds;
	size_t fds_len;
	int lock;
};

static int fleet_state(struct fleet *fleet)
{
	char path[EMU_PATH_CAP];
	const char *dir = fleet->conf->state;
	int err = emu_dir_make(dir);

	if (!err)
		err = emu_path(path, dir, "lock");
	if (!err) {
		fleet->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fleet->lock < 0)
			err = err_from_errno(errno);
		else if (flock(fleet->lock, LOCK_EX | LOCK_NB) != 0)
			err = ERR_BUSY;
	}
	if (err)
		fprintf(stderr, "postboot-device: %s: %s\n", dir,
			err == ERR_BUSY ? "another postboot-device uses it" : err_text(err));
	return err;
}

static size_t units_of(const struct emu_conf *conf, const struct emu_key *key)
{
	return emu_fault_find(&conf->faults, key->faults, EMU_FAULT_CLONE) ? 2 : 1;
}

static int shard_unit(struct fleet *fleet, struct shard *shard, const struct emu_key *key,
		      bool clone, int64_t now_ms)
{
	const struct emu_conf *conf = fleet->conf;
	char dir[EMU_PATH_CAP];
	char name[LIMIT_DEVICE_ID + 16];
	int err = 0;

	if (conf->count > 0)
		snprintf(name, sizeof(name), clone ? "%s.clone" : "%s", key->id);
	else
		snprintf(name, sizeof(name), "clone");
	if (conf->count == 0 && !clone)
		(void)buf_copy_str(dir, sizeof(dir), conf->state);
	else
		err = emu_path(dir, conf->state, name);
	if (err)
		return err;
	err = emu_unit_init(&shard->units[shard->len], conf, key, dir, clone, shard->ctx,
			    &fleet->console, now_ms);
	/* Counted in any case: what it opened has to be closed. */
	shard->len++;
	return err;
}

/* The next unit, in a new shard when the last one is full. */
static int fleet_unit(struct fleet *fleet, const struct emu_key *key, bool clone, int64_t now_ms)
{
	struct shard *shard = &fleet->shards[fleet->units_len++ / EMU_CTX_SESSIONS];
	int err = 0;

	if (!shard->ctx) {
		shard->units = calloc(EMU_CTX_SESSIONS, sizeof(*shard->units));
		err = shard->units ? emu_ctx_new(&shard->ctx) : ERR_NOMEM;
	}
	return err ? err : shard_unit(fleet, shard, key, clone, now_ms);
}

static int fleet_units(struct fleet *fleet, int64_t now_ms)
{
	const struct emu_conf *conf = fleet->conf;
	size_t total = 0;
	int err = 0;

	for (size_t i = 0; i < conf->keys_len; i++)
		total += units_of(conf, &conf->keys[i]);
	if (total == 0)
		return ERR_NOENT;
	fleet->shards_len = (total + EMU_CTX_SESSIONS - 1) / EMU_CTX_SESSIONS;
	fleet->shards = calloc(fleet->shards_len, sizeof(*fleet->shards));
	fleet->fds = calloc(fleet->shards_len + 2 * total, sizeof(*fleet->fds));
	if (!fleet->shards || !fleet->fds)
		return ERR_NOMEM;
	for (size_t i = 0; i < conf->keys_len && !err; i++)
		for (size_t n = 0; n < units_of(conf, &conf->keys[i]) && !err; n++)
			err = fleet_unit(fleet, &conf->keys[i], n == 1, now_ms);
	return err;
}

static void fleet_done(struct fleet *fleet)
{
	for (size_t i = 0; fleet->shards && i < fleet->shards_len; i++) {
		struct shard *shard = &fleet->shards[i];

		for (size_t j = 0; j < shard->len; j++) {
			shard->units[j].now =
				clock_read().now_ms; /* its last turn may be long ago */
			emu_unit_done(&shard->units[j]);
		}
		emu_ctx_free(shard->ctx);
		free(shard->units);
	}
	free(fleet->shards);
	free(fleet->fds);
	if (fleet->console.journal)
		(void)fclose(fleet->console.journal);
	if (fleet->lock >= 0)
		close(fleet->lock);
}

static void shard_turn(struct shard *shard)
{
	int64_t now_ms = clock_read().now_ms;
	uint32_t ctx_ms;

	for (size_t i = 0; i < shard->len; i++)
		shard->units[i].now = now_ms;
	emu_ctx_process(shard->ctx);
	now_ms = clock_read().now_ms;
	shard->next_ms = INT64_MAX;
	for (size_t i = 0; i < shard->len; i++) {
		int64_t next_ms;

		emu_unit_tick(&shard->units[i], now_ms);
		next_ms = emu_unit_next_ms(&shard->units[i]);
		if (next_ms < shard->next_ms)
			shard->next_ms = next_ms;
	}
	ctx_ms = emu_ctx_next_ms(shard->ctx);
	if (ctx_ms != UINT32_MAX && now_ms + ctx_ms < shard->next_ms)
		shard->next_ms = now_ms + ctx_ms;
}

static void fleet_poll_set(struct fleet *fleet)
{
	fleet->fds_len = 0;
	for (size_t i = 0; i < fleet->shards_len; i++)
		fleet->fds[fleet->fds_len++] =
			(struct pollfd){.fd = emu_ctx_fd(fleet->shards[i].ctx), .events = POLLIN};
	for (size_t i = 0; i < fleet->shards_len; i++) {
		const struct shard *shard = &fleet->shards[i];

		for (size_t j = 0; j < shard->len; j++) {
			const struct emu_link *link = shard->units[j].link;

			if (!link)
				continue;
			fleet->fds[fleet->fds_len++] =
				(struct pollfd){.fd = link->inner, .events = POLLIN};
			fleet->fds[fleet->fds_len++] =
				(struct pollfd){.fd = link->outer, .events = POLLIN};
		}
	}
}

static int fleet_wait_ms(const struct fleet *fleet, int64_t end_ms)
{
	int64_t now_ms = clock_read().now_ms;
	int64_t next_ms = end_ms;

	for (size_t i = 0; i < fleet->shards_len; i++)
		if (fleet->shards[i].next_ms < next_ms)
			next_ms = fleet->shards[i].next_ms;
	if (next_ms <= now_ms)
		return 0;
	return next_ms - now_ms > POLL_MAX_MS ? POLL_MAX_MS : (int)(next_ms - now_ms);
}

static bool fleet_reached(const struct fleet *fleet)
{
	if (fleet->conf->until_len == 0)
		return false;
	for (size_t i = 0; i < fleet->shards_len; i++)
		for (size_t j = 0; j < fleet->shards[i].len; j++)
			if (!emu_unit_reached(&fleet->shards[i].units[j]))
				return false;
	return true;
}

static void fleet_free_space(struct fleet *fleet)
{
	for (size_t i = 0; i < fleet->shards_len; i++) {
		for (size_t j = 0; j < fleet->shards[i].len; j++)
			emu_unit_free_space(&fleet->shards[i].units[j]);
		fleet->shards[i].next_ms = 0;
	}
}

static void fleet_turn(struct fleet *fleet, bool links_ready)
{
	int64_t now_ms = clock_read().now_ms;

	for (size_t i = 0; i < fleet->shards_len; i++) {
		struct shard *shard = &fleet->shards[i];

		if (links_ready || fleet->fds[i].revents != 0 || now_ms >= shard->next_ms)
			shard_turn(shard);
	}
}

static int fleet_loop(struct fleet *fleet, struct emu_signals *signals)
{
	const struct emu_conf *conf = fleet->conf;
	int64_t end_ms = conf->exit_after_s > 0
				 ? clock_read().now_ms + (int64_t)conf->exit_after_s * 1000
				 : INT64_MAX;

	fleet_poll_set(fleet);
	while (!signals->stop) {
		bool links_ready = false;

		if (poll(fleet->fds, fleet->fds_len, fleet_wait_ms(fleet, end_ms)) < 0 &&
		    errno != EINTR)
			return EXIT_FAILURE;
		if (signals->free_space) {
			signals->free_space = 0;
			fleet_free_space(fleet);
		}
		for (size_t i = fleet->shards_len; i < fleet->fds_len; i++)
			links_ready = links_ready || fleet->fds[i].revents != 0;
		fleet_turn(fleet, links_ready);
		if (fleet_reached(fleet))
			return EXIT_SUCCESS;
		if (clock_read().now_ms >= end_ms)
			break;
	}
	if (conf->until_len == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "postboot-device: what --until waits for did not come\n");
	return EXIT_FAILURE;
}

/* A socket per device, and epoll beside it. */
static void fleet_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int emu_fleet_run(const struct emu_conf *conf, struct emu_signals *signals)
{
	int64_t now_ms = clock_read().now_ms;
	struct fleet fleet = {
		.conf = conf,
		.console = {.out = stdout,
			    .quiet = conf->quiet,
			    .fleet = conf->count > 0,
			    .terminal = isatty(STDOUT_FILENO) == 1,
			    .start_ms = now_ms},
		.lock = -1,
	};
	int status = EXIT_USAGE;
	int err;

	fleet_files();
	if (fleet_state(&fleet) == 0 &&
	    emu_journal_open(conf->journal, &fleet.console.journal) == 0) {
		err = fleet_units(&fleet, now_ms);
		if (!err)
			status = fleet_loop(&fleet, signals);
		else if (err == ERR_NOMEM || err == ERR_UNSUPPORTED)
			fprintf(stderr, "postboot-device: %s\n", err_text(err));
	}
	fleet_done(&fleet);
	return status;
}
