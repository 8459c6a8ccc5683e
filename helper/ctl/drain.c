/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the time between the move and the end of the old instance: what came before the move gets
 * its answer from it.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/raw.h"
#include "../diag_conn.h"
#include "signals.h"
#include "upgrade.h"

#define POLL_MS	   20
#define QUEUE_US   3000000
#define UDP_STATES (1u << TCP_CLOSE | 1u << TCP_ESTABLISHED)

static uint32_t states_of(uint8_t proto)
{
	return proto == IPPROTO_TCP ? 1u << TCP_LISTEN : UDP_STATES;
}

/* The ports to which sockets of proto are bound, as ranges. */
static size_t bound_ranges(const struct sks_upgrade *upgrade, uint8_t proto,
			   struct sks_port_range ret_ranges[SKS_DIAG_RANGES])
{
	const struct sks_seen *both[] = { &upgrade->old, &upgrade->fresh };
	struct sks_port_set set = { 0 };

	for (size_t k = 0; k < 2; k++) {
		for (size_t i = 0; i < both[k]->n; i++) {
			const struct sks_seen_socket *socket = &both[k]->sockets[i];

			if (socket->proto == proto)
				sks_port_set_add(&set, socket->bound, socket->bound);
		}
	}
	return sks_port_set_ranges(&set, ret_ranges);
}

/* What the kernel says of the listeners of both instances. */
struct listeners {
	uint64_t waiting;  /* at the old ones: connections, or bytes of datagrams */
	size_t old, fresh; /* that are open */
};

static int add_listeners(const struct sks_upgrade *upgrade, uint8_t proto, struct listeners *sum)
{
	struct sks_port_range ranges[SKS_DIAG_RANGES];
	size_t n = bound_ranges(upgrade, proto, ranges);
	struct sks_conn_list list = { 0 };
	int err = n ? sks_diag_conns(upgrade->netns, proto, states_of(proto), ranges, n, &list) : 0;

	for (size_t i = 0; !err && i < list.n; i++) {
		bool old = sks_seen_has_cookie(&upgrade->old, list.conns[i].cookie);

		sum->old += old;
		sum->waiting += old ? list.conns[i].queue : 0;
		sum->fresh += sks_seen_has_cookie(&upgrade->fresh, list.conns[i].cookie);
	}
	sks_conns_free(&list);
	return err;
}

static int look_at_listeners(const struct sks_upgrade *upgrade, struct listeners *ret)
{
	int err;

	*ret = (struct listeners){ 0 };
	err = add_listeners(upgrade, IPPROTO_TCP, ret);
	return err ? err : add_listeners(upgrade, IPPROTO_UDP, ret);
}

static int fail_kernel(const struct sks_upgrade *upgrade, int err)
{
	return sks_upgrade_fail("the kernel does not say what waits at the old listeners (%s): "
				"\"%s\" is moved, but the old instance is not signalled",
				strerror(-err), upgrade->label);
}

int sks_upgrade_serves(struct sks_upgrade *upgrade, uint64_t *ret_waiting)
{
	struct listeners now;
	int sig, err = look_at_listeners(upgrade, &now);

	if (err)
		return fail_kernel(upgrade, err);
	if (ret_waiting)
		*ret_waiting = now.waiting;
	if (!now.fresh) {
		(void)sks_upgrade_fail("the new instance has closed its listeners after the move: "
				       "the old one is not signalled, and serves \"%s\" again",
				       upgrade->label);
		return SKS_CTL_FAILED;
	}
	(void)sks_children_left();
	sig = sks_children_pause(0);
	if (!sig)
		return 0;
	(void)sks_upgrade_fail("SIG%s came after the move: the new instance serves \"%s\", and the "
			       "old one is not signalled",
			       sks_signal_name(sig), upgrade->label);
	return 128 + sig;
}

bool sks_upgrade_old_is_open(struct sks_upgrade *upgrade)
{
	struct listeners now;

	return look_at_listeners(upgrade, &now) || now.old;
}

static int dump_ports(const struct sks_upgrade *upgrade, uint32_t states,
		      struct sks_conn_list *ret_list)
{
	struct sks_port_range ranges[SKS_DIAG_RANGES];
	size_t n = sks_port_set_ranges(&upgrade->ports, ranges), kept = 0;
	int err = sks_diag_conns(upgrade->netns, IPPROTO_TCP, states, ranges, n, ret_list);

	for (size_t i = 0; !err && i < ret_list->n; i++) {
		if (sks_port_set_has(&upgrade->ports, ret_list->conns[i].local_port))
			ret_list->conns[kept++] = ret_list->conns[i];
	}
	if (!err)
		ret_list->n = kept;
	return err;
}

static bool is_same(const struct sks_conn *a, const struct sks_conn *b)
{
	return a->local_port == b->local_port && a->remote_port == b->remote_port &&
	       a->family == b->family && memcmp(a->local, b->local, sizeof(a->local)) == 0 &&
	       memcmp(a->remote, b->remote, sizeof(a->remote)) == 0;
}

static int by_place(const void *pa, const void *pb)
{
	const struct sks_conn *a = pa, *b = pb;

	if (is_same(a, b))
		return 0;
	return a->remote_port != b->remote_port	  ? a->remote_port - b->remote_port
	       : a->local_port != b->local_port	  ? a->local_port - b->local_port
	       : a->family != b->family		  ? a->family - b->family
	       : memcmp(a->remote, b->remote, 16) ?: memcmp(a->local, b->local, 16);
}

/* Forgets those of the halves that are none any more. */
static int still_half(const struct sks_upgrade *upgrade, struct sks_conn_list *halves)
{
	struct sks_conn_list now = { 0 };
	size_t kept = 0;
	int err = halves->n ? dump_ports(upgrade, 1u << TCP_SYN_RECV, &now) : 0;

	if (err)
		return err;
	if (now.n)
		qsort(now.conns, now.n, sizeof(*now.conns), by_place);
	for (size_t i = 0; i < halves->n; i++) {
		if (now.n &&
		    bsearch(&halves->conns[i], now.conns, now.n, sizeof(*now.conns), by_place))
			halves->conns[kept++] = halves->conns[i];
	}
	halves->n = kept;
	sks_conns_free(&now);
	return 0;
}

/*
 * A connection that is half open when the move comes belongs to the old listener, and closing that
 * would reset it. A half one of later is the new listener's.
 */
static int drain_queues(struct sks_upgrade *upgrade, struct sks_conn_list *halves)
{
	int64_t deadline = sks_now_us() + QUEUE_US;
	uint64_t waiting = 0;
	int status, err;

	for (;;) {
		err = still_half(upgrade, halves);
		if (err)
			return fail_kernel(upgrade, err);
		status = sks_upgrade_serves(upgrade, &waiting);
		if (status)
			return status;
		if (!waiting && !halves->n) {
			sks_step("drained: no connection waits at the old listener");
			return 0;
		}
		if (sks_now_us() >= deadline)
			break;
		(void)sks_children_pause(POLL_MS);
	}
	sks_step("note: after 3 s the old listener still has %llu queued and %zu half-open "
		 "connections",
		 (unsigned long long)waiting, halves->n);
	return 0;
}

static int count_connections(const struct sks_upgrade *upgrade, size_t *ret_n)
{
	struct sks_conn_list list = { 0 };
	struct sks_inodes inodes = { 0 };
	struct sks_pids pids = { 0 };
	size_t n = 0;
	int err = dump_ports(upgrade, 1u << TCP_ESTABLISHED | 1u << TCP_CLOSE_WAIT, &list);

	if (!err && list.n)
		err = sks_upgrade_old_processes(upgrade, &pids) ?: sks_sockets_of(&pids, &inodes);
	for (size_t i = 0; !err && i < list.n; i++)
		n += list.conns[i].inode && sks_inodes_have(&inodes, list.conns[i].inode);
	free(inodes.list);
	free(pids.list);
	sks_conns_free(&list);
	if (!err)
		*ret_n = n;
	return err;
}

static int drain_connections(struct sks_upgrade *upgrade)
{
	int64_t began = sks_now_us(), deadline = began + upgrade->ctl->drain * 1000000LL;
	bool waited = false;
	size_t n;

	for (;;) {
		int64_t now = sks_now_us();
		int status, err = count_connections(upgrade, &n);

		if (err)
			return fail_kernel(upgrade, err);
		status = sks_upgrade_serves(upgrade, NULL);
		if (status || !n || now >= deadline) {
			if (!status && n)
				sks_step("note: the old instance still holds %zu connection%s", n,
					 n == 1 ? "" : "s");
			else if (!status && waited)
				sks_step("drained: the old instance holds no connection");
			return status;
		}
		if (!waited)
			sks_step("waiting for %zu connection%s that the old instance holds, %u s "
				 "at most",
				 n, n == 1 ? "" : "s", upgrade->ctl->drain);
		waited = true;
		/* On a machine with many sockets the looking takes most of the time itself. */
		now = (sks_now_us() - now) / 1000;
		(void)sks_children_pause(POLL_MS + (now < 500 ? 2 * (int)now : 1000));
	}
}

int sks_upgrade_drain(struct sks_upgrade *upgrade)
{
	struct sks_conn_list halves = { 0 };
	int status, err = dump_ports(upgrade, 1u << TCP_SYN_RECV, &halves);

	if (err)
		return fail_kernel(upgrade, err);
	status = drain_queues(upgrade, &halves);
	sks_conns_free(&halves);
	return status ? status : drain_connections(upgrade);
}
