/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what the kernel is asked about a descriptor of the server, past libc and leaving errno. */
#ifndef SKSTEER_FD_H
#define SKSTEER_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An int of SOL_SOCKET; -1: none, fd is no socket. */
int sks_fd_option(int fd, int option);

/* SKS_TCP, SKS_UDP, or 0: no clause means it. An MPTCP socket is TCP to whoever wrote the spec. */
uint8_t sks_fd_protocol(int fd);

/* What tells the socket from every other one since boot, whatever its descriptors; 0: none. */
uint64_t sks_fd_cookie(int fd);

/*
 * May these bytes (at least one) be read, whatever the server passed? fd: an IPv4 or IPv6 socket,
 * else the answer is no.
 */
bool sks_fd_may_read(int fd, const void *bytes, size_t len);

#endif
