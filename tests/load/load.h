/* SPDX-License-Identifier: Apache-2.0
 *
 * postboot-load: many DTLS-PSK sessions from one thread. Each has a source address 127.x.y.z of
 * its own, several share a socket. It compares every byte of every block.
 *
 * load.c: options, the run, the report · load_session.c: one client session.
 */
#ifndef TESTS_LOAD_LOAD_H
#define TESTS_LOAD_LOAD_H

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/net_udp.h"

enum { LOAD_WINDOW_MAX = 16, LOAD_SOCKETS_MAX = 8, LOAD_BUCKETS = 64 * 32 };

enum load_job {
	JOB_DOWNLOAD, /* GET block after block, round and round */
	JOB_REPORT,   /* POST /report without a pause */
	JOB_IDLE,     /* handshake, then silence */
	JOB_SHAKE,    /* handshake after handshake */
};

/* Latencies in 32 steps per power of two. */
struct histogram {
	uint64_t count, bucket[LOAD_BUCKETS];
};

struct counters {
	uint64_t blocks, reports, handshakes, retransmissions, wrong, refused, failed;
	struct histogram latency, report_latency;
};

struct load_conf {
	const char *server, *keys, *path, *expect, *source, *suite;
	unsigned port, sessions, window, block, idle, reporters, sockets, shakers;
	double seconds;
	bool report_first;
};

struct request_slot {
	bool busy;
	uint32_t num;
	int64_t sent_us, first_us;
	uint16_t mid;
};

struct session {
	struct load *load;
	enum load_job job;
	mbedtls_ssl_config tls; /* its own: mbedTLS keeps a client's PSK identity there */
	mbedtls_ssl_context ssl;
	bool started, up, want_path, timer_set;
	int64_t intermediate_us, final_us;
	unsigned socket, index;
	union net_address remote;
	struct net_local source;
	char path[48];
	uint16_t next_mid;
	uint32_t next_num;
	uint8_t boot_id[8];
	struct request_slot slot[LOAD_WINDOW_MAX];
	struct bytes in;
	char id[68];
	uint8_t key[32];
	size_t key_len;
};

struct load {
	struct load_conf conf;
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context random;
	int suites[2];
	uint8_t *file;
	size_t file_len;
	int64_t now_us;
	bool measuring, stopping;
	struct counters n;
	int fd[LOAD_SOCKETS_MAX];
	struct net_udp_tx *tx[LOAD_SOCKETS_MAX];
	struct session *sessions;
	unsigned session_count, up_count;
	unsigned shaking; /* handshakes under way */
};

void session_start(struct session *s);
void session_datagram(struct session *s, const uint8_t *data, size_t len);
/* Retransmissions; called every few milliseconds. */
void session_tick(struct session *s);
/* Fills the window. */
void session_work(struct session *s);
void session_stop(struct session *s);

void histogram_add(struct histogram *h, int64_t us);
double histogram_quantile(const struct histogram *h, double q);

#endif
