// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns what may wait for the lock of a socket that somebody sent (see stranger.h). */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <time.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "bpf.h"
#include "log.h"
#include "stranger.h"
#include "stranger_work.h"

#define DEADLINE_MS 300	  /* of what takes microseconds; the library waits three times as long */
#define BUSY_MS	    600	  /* where it is the machine that makes it wait for a processor */
#define PENANCE_MS  10000 /* after the lock was free again */
#define MAX_STUCK   256

static struct taker {
	int conn; /* -1: none has been started */
	pid_t pid;
	int sock;	/* the socket that it has a copy of, as the caller has it, or -1 */
	uint32_t payer; /* whose that is, or was */
	uint32_t uid;	/* the same user as the log names it */
	struct sks_socket socket;
	struct sks_verdict verdict; /* what is wrong with what came */
} worker = { .conn = -1, .sock = -1 };

/* Ends reply sockets, and never has what a request has brought. */
static struct taker ender = { .conn = -1, .sock = -1 };

/* Workers that have not answered in time. */
static struct stuck {
	int conn; /* -1: it has ended by now */
	uint32_t payer;
	uint64_t cookie; /* of what it has, if it may still bind that; or 0 */
	int64_t until;	 /* ms; the user is refused */
} stuck[MAX_STUCK];
static size_t n_stuck;

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* An answer, or its end, comes once the lock is free. */
static void forget_stuck(int64_t now)
{
	for (size_t i = n_stuck; i-- > 0;) {
		struct pollfd conn = { .fd = stuck[i].conn, .events = POLLIN };

		if (conn.fd >= 0 && poll(&conn, 1, 0) > 0) {
			(void)close(conn.fd);
			if (stuck[i].cookie)
				sks_bpf_bound(stuck[i].cookie);
			stuck[i].conn = -1;
			stuck[i].until = now + PENANCE_MS;
		}
		if (stuck[i].conn < 0 && stuck[i].until <= now)
			stuck[i] = stuck[--n_stuck];
	}
}

/* Its copy of the socket and its connection go once the lock is free. */
static int give_up(void)
{
	sks_log(SKS_LOG_WARNING,
		"user %u keeps a socket locked that it has sent, and is refused until %d s after "
		"that",
		worker.uid, PENANCE_MS / 1000);
	(void)shutdown(worker.conn, SHUT_WR); /* so that it knows that it is late */
	stuck[n_stuck++] = (struct stuck){
		.conn = worker.conn,
		.payer = worker.payer,
		.cookie = worker.sock < 0 ? 0 : worker.socket.cookie,
	};
	worker.conn = -1;
	return -ETIMEDOUT;
}

/* The worker has ended, which it does for nothing that was sent to it. */
static int lose(int err)
{
	sks_closep(&worker.conn);
	worker.conn = -1;
	return err ?: -EIO;
}

/* As proc(5) has it: R where it runs, or could; else it waits for something. */
static char state_of(pid_t pid)
{
	char path[32], text[128] = "";
	CLEANUP_FD int fd = -1;
	const char *state;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return 0;
	state = strrchr(text, ')');
	return state && state[1] ? state[2] : 0;
}

/* Of the record no more than size bytes. */
static int await(struct sks_record *ret_record, size_t size, int *ret_fd)
{
	struct pollfd conn = { .fd = worker.conn, .events = POLLIN };
	int64_t began = now_ms(), now = began, deadline = now + DEADLINE_MS;

	for (; now < deadline; now = now_ms()) {
		if (poll(&conn, 1, (int)(deadline - now)) <= 0) {
			if (state_of(worker.pid) == 'R')
				deadline = began + BUSY_MS;
			continue;
		}
		if (sks_wire_recv(worker.conn, ret_record, size, MSG_DONTWAIT, ret_fd) <
		    (int)sizeof(ret_record->done))
			return lose(0);
		return 0;
	}
	return give_up();
}

static int ask(const struct sks_job *job, int fd)
{
	struct sks_record record;
	int err, none = -1;

	if (worker.conn < 0) /* it hung at what the same request asked for before */
		return -ETIMEDOUT;
	err = sks_wire_send(worker.conn, job, sizeof(*job), NULL, 0, fd);
	if (err)
		return lose(err);
	return await(&record, sizeof(record.done), &none) ?: record.done.err;
}

static bool is_spared(const struct sks_peer *peer)
{
	return peer->root || sks_stranger_worker.sock < 0;
}

static bool has_ended(int conn)
{
	struct pollfd end = { .fd = conn };

	return poll(&end, 1, 0) > 0;
}

static int find_worker(uint32_t payer)
{
	CLEANUP_FD int own = -1, its = -1;
	int pair[2], none = -1, err;
	int32_t pid;

	worker.payer = payer;
	if (worker.conn >= 0 && has_ended(worker.conn))
		(void)lose(0);
	if (worker.conn >= 0)
		return 0;
	if (n_stuck == MAX_STUCK)
		return -EBUSY;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	own = pair[0];
	its = pair[1];
	err = sks_worker_ask(&sks_stranger_worker, "", its, &pid, &none);
	if (err || pid < 0)
		return err ?: pid;
	worker.conn = sks_take_fd(&own);
	worker.pid = pid;
	return 0;
}

int sks_strangers_start(void)
{
	return sks_stranger_worker.sock < 0 ? 0 : find_worker(0);
}

static bool is_stuck(uint32_t payer)
{
	size_t i = 0;

	forget_stuck(now_ms());
	while (i < n_stuck && stuck[i].payer != payer)
		i++;
	return i < n_stuck;
}

/* The record and what the worker says of it. */
static int take_record(void *buf, size_t size, int *ret_fd)
{
	static struct sks_record record;
	int fd = -1, err = await(&record, sizeof(record), &fd);

	if (err)
		return err;
	worker.sock = fd;
	worker.socket = record.done.socket;
	worker.verdict = record.done.verdict;
	if (record.done.len > 0)
		memcpy(buf, record.bytes,
		       (size_t)record.done.len < size ? (size_t)record.done.len : size);
	*ret_fd = fd;
	return record.done.len;
}

int sks_stranger_receive(const struct sks_peer *peer, uint32_t payer, int conn, void *buf,
			 size_t size, int *ret_fd)
{
	const struct sks_job job = { .work = SKS_WORK_RECEIVE };
	struct pollfd request = { .fd = conn, .events = POLLIN };
	int err;

	worker.verdict.err = 0;
	if (is_spared(peer))
		return sks_socket_receive(conn, buf, size, ret_fd);
	if (poll(&request, 1, 0) <= 0)
		return -EAGAIN;
	if (is_stuck(payer))
		return -EBUSY;
	worker.uid = peer->uid;
	err = find_worker(payer) ?: sks_wire_send(worker.conn, &job, sizeof(job), NULL, 0, conn);
	return err ?: take_record(buf, size, ret_fd);
}

int sks_stranger_read(int fd, struct sks_socket *ret_socket, struct sks_verdict *verdict)
{
	if (worker.verdict.err) {
		*verdict = worker.verdict;
		return verdict->err;
	}
	if (fd < 0)
		return sks_refuse(verdict, -EBADF, "no descriptor came along");
	if (sks_stranger_is_ours(fd))
		return sks_socket_read(fd, ret_socket, verdict);
	*ret_socket = worker.socket;
	return 0;
}

bool sks_stranger_is_ours(int fd)
{
	return fd < 0 || fd != worker.sock;
}

int sks_stranger_bind(int fd, const struct sks_address *addr)
{
	const struct sks_job job = { .work = SKS_WORK_BIND, .bind.addr = *addr };

	if (sks_stranger_is_ours(fd))
		return bind(fd, &addr->any, addr->len) ? -errno : 0;
	return ask(&job, -1);
}

int sks_stranger_bind_reply(int fd, const struct sks_reply_bind *how)
{
	const struct sks_job job = { .work = SKS_WORK_REPLY, .bind = *how };

	return sks_stranger_is_ours(fd) ? sks_reply_bind(fd, how, -1) : ask(&job, -1);
}

int sks_stranger_put(const struct sks_maps *maps, uint32_t slot, int fd)
{
	const struct sks_job job = { .work = SKS_WORK_PUT, .slot = slot };

	if (sks_stranger_is_ours(fd))
		return sks_bpf_put_socket(maps, slot, fd);
	sks_bpf_forget();
	return ask(&job, maps->fd[SKS_MAP_SOCKETS]);
}

static void swap_workers(void)
{
	struct taker other = worker;

	worker = ender;
	ender = other;
}

int sks_stranger_abort(const struct sks_reply_socket *reply, uint32_t payer, int netlink)
{
	const struct sks_job job = { .work = SKS_WORK_ABORT, .reply = *reply };
	int err;

	if (sks_stranger_worker.sock < 0)
		return sks_diag_abort(netlink, reply);
	if (is_stuck(payer))
		return -EBUSY;
	swap_workers();
	worker.uid = reply->uid;
	err = find_worker(payer) ?: ask(&job, netlink);
	swap_workers();
	return err;
}

/* The worker's copies are to be the last: so ours go first. */
void sks_stranger_close(int fd)
{
	const struct sks_job job = { .work = SKS_WORK_CLOSE };

	worker.verdict.err = 0;
	if (sks_stranger_is_ours(fd)) {
		sks_socket_close(fd);
		return;
	}
	worker.sock = -1;
	(void)close(fd);
	(void)ask(&job, -1);
}
