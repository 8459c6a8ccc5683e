/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns what may wait for the lock of a socket that somebody sent. Its process can hold that lock
 * for as long as it likes (a setsockopt(2) whose argument lies in a file of its own FUSE), and who
 * waits for it can't even be killed. So a process of ours that can be spared does it: if it hangs,
 * another one takes its place, and the user is refused for a while. Root's sockets, which could do
 * worse, are looked at by the caller itself, as all are without sks_stranger_worker.
 */
#ifndef SKSTEER_STRANGER_H
#define SKSTEER_STRANGER_H

#include <sys/socket.h>

#include "peer.h"
#include "socket.h"
#include "store.h"
#include "stranger_work.h"

/* The first of these processes, by sks_stranger_worker where that runs. 0 or -errno. */
int sks_strangers_start(void);

/*
 * sks_socket_receive() of a request's record; payer: who is refused next time (payer.h). *ret_fd
 * may then be used as any other descriptor, but for what waits for a socket's lock: for that there
 * are the functions below. -ETIMEDOUT: its sender makes us wait with what it has sent; -EBUSY: it
 * has done so lately.
 */
int sks_stranger_receive(const struct sks_peer *peer, uint32_t payer, int conn, void *buf,
			 size_t size, int *ret_fd);
/* sks_socket_read() of what came last; also when nothing did (-1), or not what we take. */
int sks_stranger_read(int fd, struct sks_socket *ret_socket, struct sks_verdict *verdict);
/* bind(2). 0 or -errno; -ETIMEDOUT: as above, and it may be done later still. */
int sks_stranger_bind(int fd, const struct sks_address *addr);
/* The same for sks_reply_bind(). */
int sks_stranger_bind_reply(int fd, const struct sks_reply_bind *how);
/*
 * sks_bpf_put_socket(). -ETIMEDOUT: as above, and it may come there later still: that map must not
 * be used any more.
 */
int sks_stranger_put(const struct sks_maps *maps, uint32_t slot, int fd);
/*
 * sks_diag_abort(): of a socket that was not sent, and whose payer is refused as its sender would
 * be. By a process that has nothing of any request: who makes it hang keeps no other's socket by
 * that. -EBUSY: it has been lately.
 */
int sks_stranger_abort(const struct sks_reply_socket *reply, uint32_t payer, int netlink);
/* May the caller itself do what waits for the lock of this one? */
bool sks_stranger_is_ours(int fd);
/* Closes what came, without waiting for data that it may still have to send; -1: nothing did. */
void sks_stranger_close(int fd);

#endif
