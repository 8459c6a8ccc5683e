/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the memory of sockets that are bound to another port than the one they asked for, because
 * another instance of their label has that one: "wanted" is the port that bind(2) named, "at" the
 * one that the kernel has. The server is told the wanted one.
 */
#ifndef SKSTEER_MOVED_H
#define SKSTEER_MOVED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "memory.h"

/* Was any socket of this process ever moved? Else none of the others need be called. */
static inline bool sks_moved_any(void)
{
	return sks_memory && sks_memory->moved_end;
}

/*
 * A place for the socket, which is about to be bound; NULL: there is none. Then set, or release.
 * Lock-free and async-signal-safe, as is all of this.
 */
struct sks_moved *sks_moved_reserve(int fd, uint16_t wanted);
void sks_moved_set(struct sks_moved *moved, uint16_t at, uint16_t wanted);
void sks_moved_release(struct sks_moved *moved);

/* Of this very socket, also by another descriptor or in a forked child; NULL: it was not moved. */
struct sks_moved *sks_moved_find(int fd);

/*
 * After listen(2): a port that no bind(2) named is lost by shutdown(2) or a connect(2) to nowhere,
 * and the next listen(2) comes by another one.
 */
void sks_moved_follow(struct sks_moved *moved, int fd);

/*
 * getsockname(2) into room for any address, with the wanted port. The library asks thus, so that
 * clauses apply to the port that the server knows. False: fd has no name.
 */
bool sks_moved_name(int fd, struct sockaddr_storage *ret_addr, socklen_t *ret_len);

/*
 * Where another socket is bound that is open, wants the same port as this reserved place's and is
 * not registered yet, so that the helper does not know of it; 0: there is none. One that another
 * thread is binding just now is waited for, briefly.
 */
uint16_t sks_moved_beside(const struct sks_moved *reserved);

/*
 * Are sockets of this process bound there, none of which is why addr is taken there for fd? Then
 * it is a stranger's doing, which would not have been in the way at the wanted port.
 */
bool sks_moved_apart(int fd, const struct sockaddr *addr, socklen_t len, uint16_t at);

#endif
