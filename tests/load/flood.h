/* SPDX-License-Identifier: Apache-2.0
 *
 * postboot-flood: flood.c floods, flood_session.c sessions and the honest devices.
 */
#ifndef TESTS_LOAD_FLOOD_H
#define TESTS_LOAD_FLOOD_H

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "net/net_udp.h"
#include "wire/coap.h"

enum { FLOOD_MESSAGE = 256, FLOOD_WINDOW = 128 };

struct flood_slot {
	bool busy;
	uint16_t mid;
	unsigned tries;
	int64_t again_us, wait_us;
};

struct flood_session {
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context random;
	mbedtls_ssl_config conf;
	mbedtls_ssl_context ssl;
	int suites[2], fd;
	bool timer_set;
	int64_t intermediate_us, final_us;
	uint8_t last_out[2048];
	size_t last_out_len;
	/* an honest one */
	int64_t next_us;
	uint16_t next_mid;
	struct flood_slot slot[FLOOD_WINDOW];
};

void flood_die(const char *what) __attribute__((noreturn));
int64_t flood_now_us(void);
uint32_t flood_random(void);

/* The device of that line of `keys`; -1: of the last. */
void flood_open(struct flood_session *s, const struct sockaddr_in *server, const char *keys,
		int line);
void flood_close(struct flood_session *s);
/* One request; whether an answer came within half a second. */
bool flood_ask(struct flood_session *s, uint16_t mid);
size_t flood_request(uint16_t mid, uint8_t dst[FLOOD_MESSAGE]);

/* The exit status. */
int flood_honest(const struct sockaddr_in *server, const char *keys, unsigned n, double every_ms,
		 double seconds);

#endif
