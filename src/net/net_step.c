/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net_step.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "net/net_hello.h"

enum { OUT_BYTES = 32768 }; /* a flight, once over */

static void step_run(struct net_task *work);
static void step_done(struct net_task *work);

/* ---- on the thread ---- */

int net_step_send(struct net_step *step, const unsigned char *data, size_t len)
{
	size_t before = step->out.pos;

	buf_put_u16(&step->out, (uint16_t)len);
	buf_put_bytes(&step->out, data, len);
	if (!buf_ok(&step->out)) { /* as if it were lost on its way */
		step->out.pos = before;
		step->out.err = 0;
	}
	return (int)len;
}

int net_step_receive(struct net_step *step, unsigned char *dst, size_t cap)
{
	const struct net_datagram *in;

	if (step->in_at == step->in_count)
		return MBEDTLS_ERR_SSL_WANT_READ;
	in = &step->in[step->in_at++];
	if (in->len > cap)
		return MBEDTLS_ERR_SSL_WANT_READ;
	memcpy(dst, in->data, in->len);
	return (int)in->len;
}

static void step_run(struct net_task *work)
{
	struct net_step *step = LIST_ENTRY(work, struct net_step, work);
	int64_t start_us = clock_thread_us();

	if (step->orphan) /* nobody waits for it */
		return;
	do {
		step->result = net_tls_handshake(step->tls);
	} while (step->result == NET_TLS_MORE && step->in_at < step->in_count);
	step->us += (uint32_t)(clock_thread_us() - start_us);
}

/* ---- on the loop ---- */

int net_step_new(struct net_tls *tls, struct net_x509 *set, uint16_t origin)
{
	struct net_step *step = calloc(1, sizeof(*step));
	uint8_t *out = step ? malloc(OUT_BYTES) : NULL;

	if (!out) {
		free(step);
		return ERR_NOMEM;
	}
	list_init(&step->work.link);
	step->work.run = step_run;
	step->work.done = step_done;
	step->tls = tls;
	step->set = net_x509_ref(set);
	step->proof.set = set;
	step->origin = origin;
	step->out = buf_writer(out, OUT_BYTES);
	tls->step = step;
	net_x509_watch(&tls->ssl, &step->proof);
	return 0;
}

static void datagrams_free(struct net_datagram *list, unsigned *count)
{
	for (unsigned i = 0; i < *count; i++)
		free(list[i].data);
	*count = 0;
}

bool net_step_free(struct net_step *step)
{
	if (step->busy) {
		step->orphan = true;
		return false;
	}
	datagrams_free(step->waiting, &step->waiting_count);
	datagrams_free(step->in, &step->in_count);
	net_x509_unref(step->set);
	free(step->out.ptr);
	free(step);
	return true;
}

enum net_refused net_step_why(const struct net_step *step)
{
	return net_x509_why(&step->tls->ssl, &step->proof, step->error);
}

static void queued(struct net *net, const struct net_step *step, int n)
{
	if (step->begun) /* it keeps no place of those who begin */
		return;
	net->pool_queued = (unsigned)((int)net->pool_queued + n);
	net->pool_origins[step->origin] = (uint16_t)((int)net->pool_origins[step->origin] + n);
}

/* Places in the queue are shared out as the budgets of other handshakes are. Who has begun needs
 * none: there are no more of them than half-open ones, and half of their work is done. */
static bool start(struct net_peer *peer)
{
	struct net_step *step = peer->tls->step;
	struct net *net = peer->net;

	if (!step->begun && !net_pool_share(net, step->origin)) {
		net->stats.handshakes_shed++;
		net->stats.dropped += step->waiting_count;
		datagrams_free(step->waiting, &step->waiting_count);
		return false;
	}
	memcpy(step->in, step->waiting, sizeof(step->in));
	step->in_count = step->waiting_count;
	step->in_at = step->waiting_count = 0;
	step->now_ms = net->timers.now_ms;
	step->out.pos = 0;
	step->busy = true;
	queued(net, step, 1);
	net_pool_submit(net->pool, &step->work, step->begun);
	return true;
}

void net_step_submit(struct net_peer *peer, const struct net_udp_in *in)
{
	struct net_step *step = peer->tls->step;
	struct net_datagram *d = &step->waiting[step->waiting_count];

	if (in && step->waiting_count == LIMIT_STEP_WAITING) {
		peer->net->stats.dropped++;
		return;
	}
	if (in) {
		d->data = malloc(in->len ? in->len : 1);
		if (!d->data)
			return;
		memcpy(d->data, in->data, in->len);
		d->len = in->len;
		d->to = in->to;
		peer->local = in->to; /* not seen: nobody has proved anything, and its time runs */
		step->waiting_count++;
	}
	if (!step->busy)
		(void)start(peer);
}

static void send_all(struct net_peer *peer, struct net_step *step)
{
	struct buf r = buf_reader(step->out.ptr, step->out.pos);

	while (r.pos < step->out.pos) {
		struct bytes datagram = buf_get_bytes(&r, buf_get_u16(&r));

		net_send(peer->socket, &peer->remote, &peer->local, datagram.ptr, datagram.len);
	}
	step->out.pos = 0;
}

/* How a session is found again that a message may have ended. */
struct found_by {
	struct net_socket *socket;
	union net_address remote;
	bool has_cid;
	uint8_t cid[NET_CID];
};

/* What came behind the last message of the handshake is the session's. */
static void hand_over(const struct found_by *f, struct net_datagram *list, unsigned from,
		      unsigned *count)
{
	struct net *net = f->socket->net;

	for (unsigned i = from; i < *count; i++) {
		struct net_peer *peer =
			f->has_cid ? net_cid_find(net, (struct bytes){f->cid, sizeof(f->cid)})
				   : net_peer_find(net, &net->peers, f->socket, &f->remote);
		struct net_udp_in in = {.data = list[i].data,
					.len = list[i].len,
					.from = f->remote,
					.to = list[i].to};

		if (peer && !peer->is_closing && peer->state == NET_PEER_UP)
			net_session_datagram(peer, f->socket, &in);
	}
	datagrams_free(list, count);
}

static void step_up(struct net_peer *peer)
{
	struct net_tls *tls = peer->tls;
	struct net_step *step = tls->step;

	free(tls->identity);
	tls->identity_len = strlen(step->proof.identity);
	tls->identity = malloc(tls->identity_len + 1);
	if (!tls->identity) {
		net_peer_end(peer, NET_GONE_LOCAL, true);
		return;
	}
	memcpy(tls->identity, step->proof.identity, tls->identity_len + 1);
	net_x509_forget_peer(&tls->ssl);
	net_peer_promote(peer);

	struct found_by f = {
		.socket = peer->socket, .remote = peer->remote, .has_cid = peer->has_cid};

	memcpy(f.cid, peer->cid, sizeof(f.cid));
	peer->net->stats.handshakes_resumed += step->resumed;
	send_all(peer, step); /* an alert, if it was refused */
	tls->step = NULL;
	net_session_read(peer);
	hand_over(&f, step->in, step->in_at, &step->in_count);
	hand_over(&f, step->waiting, 0, &step->waiting_count);
	(void)net_step_free(step);
}

static void step_done(struct net_task *work)
{
	struct net_step *step = LIST_ENTRY(work, struct net_step, work);
	struct net_tls *tls = step->tls;
	struct net_peer *peer = tls->peer;
	struct net *net = LIST_ENTRY(tls->dtls, struct net, dtls);

	step->busy = false;
	queued(net, step, -1);
	if (step->orphan) {
		net_tls_free(tls);
		return;
	}
	net_now(net);
	step->begun = true;
	send_all(peer, step);
	net_tls_timer_restore(tls);
	if (step->result == NET_TLS_DONE) {
		step_up(peer);
		return;
	}
	datagrams_free(step->in, &step->in_count);
	if (step->result != NET_TLS_MORE)
		net_handshake_failed(peer);
	else if (step->waiting_count > 0)
		(void)start(peer);
}
