/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how the helper asks the kernel by netlink: sock_diag(7) and rtnetlink(7). */
#ifndef SKSTEER_NETLINK_H
#define SKSTEER_NETLINK_H

#include <libmnl/libmnl.h>
#include <stddef.h>
#include <stdint.h>

#include "diag.h"

#define SKS_NETLINK_RANGE   20 /* bytes of the kernel's filter, for each range of ports */
#define SKS_NETLINK_REQUEST (128 + SKS_DIAG_RANGES * SKS_NETLINK_RANGE)

/*
 * Called for each message of an answer; anything but 0 ends it and is what sks_netlink_ask()
 * returns.
 */
typedef int sks_answer_fn(const struct nlmsghdr *answer, void *data);

/*
 * A socket of that bus (NETLINK_ROUTE, ...) in the namespace, which waits a second for an answer:
 * a CLOEXEC descriptor the caller owns, or -errno.
 */
int sks_netlink_open(int netns, int bus);
/* Begins a request in buf, which the caller goes on with (libmnl). */
struct nlmsghdr *sks_netlink_request(char buf[SKS_NETLINK_REQUEST], uint16_t type, uint16_t flags);
/*
 * 0, what answer returned, or -errno. After a failure of the conversation the socket may still hold
 * parts of the answer: ask nothing more on it. An errno that the kernel answered leaves it clean.
 */
int sks_netlink_ask(int sock, const struct nlmsghdr *request, sks_answer_fn *answer, void *data);

/* Which sockets a dump of sock_diag lists. */
struct sks_netlink_wanted {
	uint8_t proto;	 /* IPPROTO_TCP or IPPROTO_UDP */
	uint32_t states; /* 1 << TCP_... of <netinet/tcp.h> */
	const struct sks_port_range *ranges;
	size_t n; /* 0, or more than SKS_DIAG_RANGES: on any port */
};

/*
 * Lists them, of both families, each as a struct inet_diag_msg with attributes. 0, -EINTR: the
 * sockets changed under the dump, which may thus have left one out; or as sks_netlink_ask().
 */
int sks_netlink_sockets(int netns, const struct sks_netlink_wanted *wanted, sks_answer_fn *answer,
			void *data);

/* helper/diag.c: what an answer of sock_diag says of a socket. 0 or -errno. */
int sks_held_read(const struct nlmsghdr *answer, bool tcp, struct sks_held *ret_held);

#endif
