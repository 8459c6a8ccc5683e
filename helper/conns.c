// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the connections (see conns.h). */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "../common/wire.h"
#include "conns.h"
#include "curb.h"
#include "payer.h"
#include "subids.h"

#define MAX_CONNS	 1024
#define KEPT_FOR_ROOT	 128
#define MAX_CONNS_A_USER 128  /* as many as wait to be accepted; root has no share of its own */
#define DEADLINE_MS	 1000 /* from accept(2) to the request: as long as the library waits */
#define EVICTION_TRIES	 8

static struct sks_conn conns[MAX_CONNS];
static size_t n_conns, n_users; /* all; those of others than uid 0 */

void sks_conns_init(void)
{
	for (size_t i = 0; i < MAX_CONNS; i++)
		conns[i].fd = -1;
}

size_t sks_conns_count(void)
{
	return n_conns;
}

void sks_conn_drop(struct sks_conn *conn)
{
	sks_curb_hang_up(conn->fd);
	conn->fd = -1;
	n_conns--;
	n_users -= conn->peer.uid != 0;
}

uint32_t sks_conn_payer(struct sks_conn *conn)
{
	if (!conn->knows_payer)
		conn->payer = sks_payer_of_conn(conn->fd, conn->peer.uid);
	conn->knows_payer = true;
	return conn->payer;
}

static bool has_share(uint32_t owner)
{
	unsigned int n = 0;

	if (owner == 0)
		return true;
	for (size_t i = 0; n_users && i < MAX_CONNS; i++)
		n += conns[i].fd >= 0 && conns[i].owner == owner;
	return n < MAX_CONNS_A_USER;
}

/* Whose connections: of one user, of all users but uid 0, or all. */
struct whose {
	uint32_t owner;
	enum { ONE_USER, USERS, ALL } who;
};

static bool is_of(const struct sks_conn *conn, struct whose whose)
{
	if (whose.who == ONE_USER)
		return conn->owner == whose.owner;
	return whose.who == ALL || conn->peer.uid;
}

/* The one that has waited longest, or the next after that, in the order of the table. */
static struct sks_conn *oldest(struct whose whose, const struct sks_conn *after)
{
	struct sks_conn *found = NULL;

	for (size_t i = 0; i < MAX_CONNS; i++) {
		struct sks_conn *conn = &conns[i];

		if (conn->fd < 0 || !is_of(conn, whose))
			continue;
		if (after && (conn->deadline < after->deadline ||
			      (conn->deadline == after->deadline && conn <= after)))
			continue;
		if (!found || conn->deadline < found->deadline)
			found = conn;
	}
	return found;
}

static bool is_silent(const struct sks_conn *conn)
{
	struct pollfd poll_fd = { .fd = conn->fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) == 0;
}

/*
 * Whoever has been silent longest makes room: a client of ours sends at once, and whoever has sent
 * is about to be served.
 */
static bool evict(struct whose whose)
{
	struct sks_conn *conn = oldest(whose, NULL);

	for (int tries = 0; conn && tries < EVICTION_TRIES; tries++) {
		if (is_silent(conn)) {
			sks_conn_drop(conn);
			return true;
		}
		conn = oldest(whose, conn);
	}
	return false;
}

static struct sks_conn *room_for(uint32_t owner)
{
	struct sks_conn *conn = conns;

	/* One of the user's own first: thousands of users then keep one each, and no other out. */
	if (owner && n_users >= MAX_CONNS - KEPT_FOR_ROOT &&
	    !evict((struct whose){ owner, ONE_USER }) && !evict((struct whose){ owner, USERS }))
		return NULL;
	if (n_conns == MAX_CONNS && !evict((struct whose){ owner, ALL }))
		return NULL;
	while (conn->fd >= 0)
		conn++;
	return conn;
}

/* Of the cheapest question first: most who are turned away come in their thousands. */
static struct sks_conn *admit(int fd, int64_t now)
{
	static const struct sks_greeting greeting = { .version = SKS_WIRE_VERSION };
	struct sks_peer peer = {};
	struct sks_conn *conn;
	struct ucred cred;
	uint32_t owner;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &(socklen_t){ sizeof(cred) }))
		return NULL;
	owner = sks_subids_owner(cred.uid);
	if (!has_share(owner))
		return NULL;
	conn = room_for(owner);
	if (!conn || sks_peer_read(fd, &peer) ||
	    sks_wire_send(fd, &greeting, sizeof(greeting), NULL, 0, -1))
		return NULL;
	*conn = (struct sks_conn){
		.fd = fd,
		.peer = peer,
		.owner = owner,
		.deadline = now + DEADLINE_MS,
	};
	n_conns++;
	n_users += peer.uid != 0;
	return conn;
}

int sks_conns_accept(int listener, int64_t now, struct sks_conn **ret_conn)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	*ret_conn = NULL;
	if (fd < 0) {
		int err = -errno;

		if (err == -EMFILE || err == -ENFILE)
			(void)evict((struct whose){ .who = ALL });
		return err;
	}
	*ret_conn = admit(fd, now);
	/* Closing says it: the client serves on unsteered, and others are not kept waiting. */
	if (!*ret_conn)
		sks_curb_hang_up(fd);
	return 0;
}

void sks_conns_expire(int64_t now)
{
	for (size_t i = 0; n_conns && i < MAX_CONNS; i++) {
		if (conns[i].fd >= 0 && conns[i].deadline <= now)
			sks_conn_drop(&conns[i]);
	}
}

int64_t sks_conns_deadline(void)
{
	int64_t until = INT64_MAX;

	for (size_t i = 0; n_conns && i < MAX_CONNS; i++) {
		if (conns[i].fd >= 0 && conns[i].deadline < until)
			until = conns[i].deadline;
	}
	return until;
}
