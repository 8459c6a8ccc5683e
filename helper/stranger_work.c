// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the processes that can be spared: they look at what strangers send (see stranger.h). */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "bpf.h"
#include "curb.h"
#include "filter.h"
#include "sealed.h"
#include "stranger_work.h"

/*
 * Whatever comes along may have to wait for its sender when it is looked at, or only closed: a file
 * of the sender's FUSE, a socket that lingers.
 */
static int receive(int conn, struct sks_record *record)
{
	struct sks_done *done = &record->done;
	int fd = -1;

	done->len = sks_socket_receive(conn, record->bytes, sizeof(record->bytes), &fd);
	(void)close(conn); /* not the last one */
	if (fd >= 0 && sks_socket_read(fd, &done->socket, &done->verdict) && !sks_sealed_is(fd))
		sks_socket_close(sks_take_fd(&fd));
	return fd;
}

/*
 * Into the map, whatever has become of that. One that nobody asks any more goes with its last
 * descriptor, which is ours, and is better empty then (see bpf_map.c).
 */
static int put(int conn, int map, uint32_t slot, int sock)
{
	const struct sks_maps maps = { .fd[SKS_MAP_SOCKETS] = map };
	struct pollfd judge = { .fd = conn, .events = POLLRDHUP };
	int err = sks_bpf_put_socket(&maps, slot, sock);

	if (!err && poll(&judge, 1, 0) > 0)
		(void)sks_bpf_del_socket(&maps, slot);
	(void)close(map);
	return err;
}

static int end_reply(int netlink, const struct sks_reply_socket *reply)
{
	int err = sks_diag_abort(netlink, reply);

	(void)close(netlink);
	return err;
}

/* fd: what came along with the job. */
static int do_work(int conn, const struct sks_job *job, int fd, int *held,
		   struct sks_record *record)
{
	switch (job->work) {
	case SKS_WORK_RECEIVE:
		*held = receive(fd, record);
		return 0;
	case SKS_WORK_BIND:
		return bind(*held, &job->bind.addr.any, job->bind.addr.len) ? -errno : 0;
	case SKS_WORK_REPLY:
		return sks_reply_bind(*held, &job->bind, conn);
	case SKS_WORK_PUT:
		return put(conn, fd, job->slot, *held);
	case SKS_WORK_ABORT:
		return end_reply(fd, &job->reply);
	default:
		sks_socket_close(sks_take_fd(held));
		return 0;
	}
}

static int reply(int conn, const struct sks_record *record, int sock)
{
	int32_t len = record->done.len;

	return sks_wire_send(conn, &record->done, sizeof(record->done), record->bytes,
			     len > 0 ? (size_t)len : 0, sock);
}

_Noreturn static void work(int conn)
{
	static struct sks_record record;
	struct sks_job job;
	int fd = -1, held = -1;

	while (sks_wire_recv(conn, &job, sizeof(job), 0, &fd) == (int)sizeof(job)) {
		record.done = (struct sks_done){};
		record.done.err = do_work(conn, &job, fd, &held, &record);
		if (reply(conn, &record, job.work == SKS_WORK_RECEIVE ? held : -1))
			break;
	}
	_exit(0);
}

/* It lives with the one that it was forked by, as that does with the helper. */
_Noreturn static void begin(int conn, pid_t parent)
{
	const struct rlimit none = {};

	(void)prctl(PR_SET_NAME, "sksteerd-taker");
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || setrlimit(RLIMIT_NPROC, &none) ||
	    getppid() != parent || sks_close_range(STDERR_FILENO + 1, (unsigned int)conn - 1) ||
	    sks_close_range((unsigned int)conn + 1, ~0U) || sks_filter_taker())
		_exit(1);
	sks_curb_init();
	work(conn);
}

static void start(const void *question, int fd, void *ret_answer, int *ret_fd)
{
	pid_t parent = getpid(), pid = fork();
	int32_t answer = pid < 0 ? -errno : pid;

	(void)question;
	(void)ret_fd;
	if (!pid)
		begin(fd, parent);
	memcpy(ret_answer, &answer, sizeof(answer));
}

struct sks_worker sks_stranger_worker = {
	.name = "sksteerd-takers",
	.question = sizeof(char),
	.answer = sizeof(int32_t),
	.work = start,
	.sock = -1,
};
