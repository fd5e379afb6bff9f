/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line as one struct, and the parser that fills it. Nothing here touches the
 * network; files named on the command line (keys) are read.
 */
#ifndef EMU_CONF_H
#define EMU_CONF_H

#include "emu/fault.h"
#include "emu/file.h"
#include "emu/net.h"

enum { EMU_UNTIL_MAX = 16, EMU_FLEET_MAX = 20000 };

/* What --until can wait for, beside a version. X(NAME, word, help) */
#define EMU_EVENT_LIST(X)                                                                          \
	X(BOOT, "boot", "a boot, the first one included")                                          \
	X(REPORTED, "reported", "a report was answered (LwM2M: /3/0/3 was read)")                  \
	X(PENDING, "pending", "the server said that an update waits for the user")                 \
	X(OFFERED, "offered", "a new directive to update")                                         \
	X(RESUMED, "resumed", "a download goes on where it was")                                   \
	X(CACHED, "cached", "an image is complete without a byte of download")                     \
	X(VERIFIED, "verified", "size and digest of the staged image are right")                   \
	X(APPLYING, "applying", "the gate opened: 2.04 to applying")                               \
	X(RESET, "reset", "a reset of a running device")                                           \
	X(UPDATED, "updated", "a handed-over image runs")                                          \
	X(REVERTED, "reverted", "the old image runs after a hand-over")                            \
	X(CONFIRMED, "confirmed", "a report with a confirmed image was answered")                  \
	X(REFUSED, "refused", "the device refused an update")                                      \
	X(DEFERRED, "deferred", "the device deferred an update")                                   \
	X(FAILED, "failed", "the device told a failure")                                           \
	X(WITHDRAWN, "withdrawn", "the server withdrew the update (4.09, or offers none)")         \
	X(RECONNECTED, "reconnected", "a new session after one was lost")                          \
	X(SILENT, "silent", "never-return: the device is gone")

enum emu_event {
#define EMU_EVENT_ENUM(name, word, help) EMU_EVENT_##name,
	EMU_EVENT_LIST(EMU_EVENT_ENUM)
#undef EMU_EVENT_ENUM
		EMU_EVENT_COUNT
};

struct emu_until {
	bool is_event;
	enum emu_event event;
	char version[LIMIT_VERSION + 1];
};

struct emu_style;

struct emu_key {
	char id[LIMIT_DEVICE_ID + 1];
	uint8_t psk[LIMIT_PSK];
	size_t psk_len;
	uint32_t faults; /* which of conf->faults it has, by their place in the list */
};

struct emu_conf {
	bool dtls;
	struct emu_addr server;
	char id[LIMIT_DEVICE_ID + 1];
	const char *psk_file;
	const char *psk_list;
	const char *cert, *cert_key, *ca; /* PEM files; all or none */
	struct emu_key *keys;		  /* one per device, in order; owned */
	size_t keys_len;
	char state[EMU_PATH_CAP / 2];
	char version[LIMIT_VERSION + 1]; /* empty: not given */
	char hardware[LIMIT_HARDWARE + 1];
	const char *image;
	uint32_t interval_s; /* 0: half of an LwM2M lifetime */
	uint32_t window;
	uint32_t block; /* bytes: 16, 32, ... 1024 */
	uint32_t count; /* 0: one device, not a fleet */
	uint32_t boot_ms;
	uint32_t slot_size;
	uint32_t fs_blocks;
	int battery;		  /* -1: on mains */
	int64_t security_counter; /* -1: not told */
	uint16_t local_port;
	uint32_t ack_timeout_ms;
	uint16_t max_retransmit;
	uint32_t exit_after_s; /* 0: never */
	uint64_t seed;
	const char *journal; /* NULL: none */
	bool json;
	bool quiet;
	const struct emu_style *lwm2m; /* NULL: the native protocol; the next ones are LwM2M's */
	const struct emu_style *style; /* as asked for */
	char lwm2m_version[4];
	uint32_t lifetime_s;
	bool queue;
	uint32_t awake_s;	/* after the last exchange */
	int delivery;		/* enum emu_lw_delivery */
	int own_session;	/* of a download */
	uint16_t vendor_object; /* 0: none */
	struct emu_faults faults;
	struct emu_until until[EMU_UNTIL_MAX];
	size_t until_len;
};

enum emu_conf_result { EMU_CONF_RUN, EMU_CONF_DONE, EMU_CONF_BAD };

/* Parses and checks. EMU_CONF_DONE: --help or --version-info was printed. EMU_CONF_BAD: the
 * error was printed on stderr. The caller calls emu_conf_done() in every case. */
enum emu_conf_result emu_conf_parse(int argc, char *const argv[], struct emu_conf *ret_conf);
void emu_conf_done(struct emu_conf *conf);

/* Key material (conf_key.c). Errors are printed. */
int emu_keys_load(struct emu_conf *conf) ERR_CHECK;
/* One line of hex, blanks around it allowed; LIMIT_PSK_MIN..LIMIT_PSK bytes. */
int emu_key_parse(const char *text, size_t len, struct emu_key *key) ERR_CHECK;

#endif
