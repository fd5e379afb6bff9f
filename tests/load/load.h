/* SPDX-License-Identifier: Apache-2.0
 *
 * postboot-load: many DTLS-PSK sessions from one thread. Each has a source address 127.x.y.z of
 * its own, several share a socket. It compares every byte of every block.
 *
 * load.c: the run, the report · load_conf.c: options · load_session.c: one client session ·
 * load_link.c, load_dtls.c: its DTLS · load_life.c: what a session does that lives through an
 * update.
 */
#ifndef TESTS_LOAD_LOAD_H
#define TESTS_LOAD_LOAD_H

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "load_dtls.h"
#include "net/net_udp.h"
#include "wire/coap.h"

/* The other address of a session, in the order of the host. */
#define LOAD_ELSEWHERE 0x00800000U

enum { LOAD_WINDOW_MAX = 16, LOAD_SOCKETS_MAX = 8, LOAD_BUCKETS = 64 * 32, LOAD_DUE = 16384 };

enum load_job {
	JOB_DOWNLOAD, /* GET block after block, round and round */
	JOB_REPORT,   /* POST /report without a pause */
	JOB_IDLE,     /* handshake and one GET, then silence */
	JOB_SHAKE,    /* handshake after handshake */
	JOB_LIFE,     /* one whole update, from the check-in to the proof */
};

/* Latencies in 16 steps per power of two. */
struct histogram {
	uint64_t count, bucket[LOAD_BUCKETS];
};

struct counters {
	uint64_t blocks, reports, handshakes, retransmissions, wrong, refused, failed, requests;
	uint64_t asked, overdue; /* open loop: due; and dropped here, as far too many were */
	uint64_t moves;
	uint64_t unanswered, repeats_most; /* of one request */
	struct histogram latency, report_latency, status_latency, life_latency;
};

struct load_conf {
	const char *server, *keys, *path, *expect, *source, *suite;
	const char *from, *to, *from_image; /* lifecycles */
	unsigned port, sessions, window, block, idle, reporters, sockets, shakers;
	unsigned lifecycles, in_flight, rate, pid;
	double seconds;
	bool report_first, forget, observe, cid, drain, mbedtls;
	unsigned rebind; /* answers */
};

struct request_slot {
	bool busy;
	unsigned repeats;
	uint32_t num;
	int64_t sent_us, first_us;
	uint16_t mid;
};

struct life {
	unsigned step, blocks;
	bool rebooted;
	uint64_t attempt;
	int64_t began_us;
};

struct session {
	struct load *load;
	enum load_job job;
	struct dtls *dtls;	/* NULL: mbedTLS's */
	mbedtls_ssl_config tls; /* its own: mbedTLS keeps a client's PSK identity there */
	mbedtls_ssl_context ssl;
	bool started, up, want_path, timer_set;
	bool heard; /* JOB_IDLE: its request was answered */
	int64_t intermediate_us, final_us;
	unsigned socket, index;
	union net_address remote;
	struct net_local source;
	char path[48];
	uint16_t next_mid;
	uint32_t next_num;
	unsigned answers;
	uint8_t boot_id[8];
	struct request_slot slot[LOAD_WINDOW_MAX];
	struct bytes in;
	int64_t *due_us; /* open loop: LOAD_DUE requests that wait for a place in the window */
	unsigned due_first, due_count;
	struct life life;
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
	uint8_t file_sha256[32], from_sha256[32];
	int64_t now_us;
	bool measuring, measuring_rate, stopping;
	double due_us; /* open loop: of the next request */
	unsigned due_next;
	double server_cpu_us;
	struct counters n;
	int fd[LOAD_SOCKETS_MAX];
	struct net_udp_tx *tx[LOAD_SOCKETS_MAX];
	struct session *sessions;
	unsigned session_count, up_count;
	unsigned shaking; /* handshakes under way */
	unsigned life_next, life_done;
	bool life_failed;
};

void session_start(struct session *s);
void session_datagram(struct session *s, const uint8_t *data, size_t len);
/* Retransmissions; called every few milliseconds. */
void session_tick(struct session *s);
/* Fills the window. */
void session_work(struct session *s);
/* Open loop: one more request, which was due then. */
void session_due(struct session *s, int64_t due_us);
void session_stop(struct session *s);
/* Like a power cut: the server is not told. */
void session_drop(struct session *s);
void session_send_new(struct session *s, unsigned slot);
bool session_block_right(const struct session *s, const struct request_slot *r,
			 const struct wire_coap *m);

/* load_link.c. What is read is s->in. */
enum link_result { LINK_DONE, LINK_MORE, LINK_OVER };
void link_start(struct session *s);
enum link_result link_shake(struct session *s);
/* The answer to its flight is overdue; link_again() repeats it. */
bool link_due(const struct session *s);
enum link_result link_again(struct session *s);
void link_write(struct session *s, const uint8_t *data, size_t len);
enum link_result link_read(struct session *s, uint8_t *dst, size_t cap, size_t *ret_len);
void link_close(struct session *s);
void link_free(struct session *s);

/* load_life.c: starts the first ones; each that ends starts the next. */
void life_begin(struct load *l);
void life_work(struct session *s);
/* Path and payload of the step's POST, the payload in `out`; NULL where it is a block. */
const char *life_post(struct session *s, struct buf *out, struct bytes *ret_payload);
void life_answered(struct session *s, unsigned slot, const struct wire_coap *m, int64_t took_us);
void life_print(const struct load *l, double cpu_s);

/* load_conf.c: ends the program if they make no sense. */
void load_conf_parse(int argc, char **argv, struct load_conf *ret);

void histogram_add(struct histogram *h, int64_t us);
double histogram_quantile(const struct histogram *h, double q);

#endif
