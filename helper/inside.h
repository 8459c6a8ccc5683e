/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns what has to be done inside another network namespace: open a socket there, read its sysctls.
 * The helper has a worker for that, with CAP_SYS_ADMIN alone, which visiting needs in both
 * namespaces; a call for its own namespace needs nothing. Without a worker, in a process of one
 * thread that never leaves its own namespace by itself, each call is back before it returns, and
 * aborts the process when there is no way back.
 */
#ifndef SKSTEER_INSIDE_H
#define SKSTEER_INSIDE_H

#include <stdint.h>
#include <sys/types.h>

#include "worker.h"

extern struct sks_worker sks_inside_worker;

/*
 * The network namespace of a socket, by SIOCGSKNS (needs CAP_NET_ADMIN over it). *ret_netns is a
 * CLOEXEC descriptor the caller owns and must close soon: it keeps the namespace alive. *ret_ino is
 * its inode number, which `ls -l /proc/PID/ns/net` and `bpftool link` show too. -ENOTSOCK for any
 * other file, whose own code is not run: sock may come from a stranger.
 */
int sks_netns_of_socket(int sock, int *ret_netns, uint64_t *ret_ino);

/*
 * That namespace, if the process is in it: as above. -ESRCH: it is not. Of another process than
 * the caller's own it is asked of the holder (process.h).
 */
int sks_netns_of_process(pid_t pid, uint64_t ino);

/*
 * SO_NETNS_COOKIE (5.14) of a socket that may come from a stranger: the number of its namespace,
 * which no other gets as long as the machine runs. 0: not known.
 */
uint64_t sks_netns_cookie(int sock);

/*
 * socket(2) in that namespace, of NETLINK_SOCK_DIAG, NETLINK_ROUTE, TCP or UDP: a CLOEXEC
 * descriptor the caller owns and must close soon, or -errno.
 */
int sks_inside_socket(int netns, int domain, int type, int protocol);

struct sks_port_limits {
	uint16_t unprivileged_start;	  /* ports below need privilege; 0: none do */
	uint16_t local_first, local_last; /* net.ipv4.ip_local_port_range, inclusive */
};

/* Closes what is kept of namespaces that have gone. */
void sks_inside_forget(void);

/* That namespace's sysctls, through the /proc that the caller sees. 0 or -errno. */
int sks_inside_port_limits(int netns, struct sks_port_limits *ret_limits);

#endif
