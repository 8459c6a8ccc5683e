/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how sock_diag(7) tells reply sockets, and ends them. */
#ifndef SKSTEER_DIAG_REPLY_H
#define SKSTEER_DIAG_REPLY_H

#include "diag.h"

/* A UDP socket that is shut for reading, and has a port. */
struct sks_reply_socket {
	uint64_t cookie;
	uint32_t addr[4]; /* as the kernel has it: IPv4 in addr[0] of an IPv4 socket, else mapped */
	uint32_t uid;	  /* as struct sks_held */
	uint32_t ifindex; /* that it is bound to, or 0 */
	uint16_t port;	  /* host order */
	uint8_t family;	  /* of the socket */
	bool is_ours;	  /* it has the options by which sks_reply_bind() tells what it has bound */
	bool connected;
};

struct sks_reply_list {
	struct sks_reply_socket *list; /* malloc'd; sks_replies_free() */
	size_t n;
};

/* Of one of sock_diag's records, whole: as is_ours, and shut for reading. */
struct nlmsghdr;
bool sks_reply_is_marked(const struct nlmsghdr *nlh);

/* Those with a port in the ranges; as sks_diag_held(). */
int sks_diag_replies(int netns, const struct sks_port_range *ranges, size_t n,
		     struct sks_reply_list *ret_list);
void sks_replies_free(struct sks_reply_list *list);

#define SKS_REPLIES_COUNTED 20000 /* UDP sockets that are looked through */
/* How many with a port in the ranges a user has; -EDQUOT: there are too many sockets. */
int sks_diag_count_replies(int netns, const struct sks_port_range *ranges, size_t n, uint32_t uid,
			   unsigned int *ret_n);

/* Where it is bound; IPv4-mapped as IPv4, length 0 when wildcard. */
struct sks_prefix sks_reply_addr(const struct sks_reply_socket *reply);

/*
 * Aborts it by SOCK_DESTROY: its owner meets ECONNABORTED, and the port stays its until it is
 * closed. sock: of NETLINK_SOCK_DIAG, opened with CAP_NET_ADMIN as this call needs, too. Waits for
 * the socket's lock. 0, -ENOENT: it is not found, be it that another socket is at that place, be it
 * that something is steered there; -EOPNOTSUPP: the kernel can't; or -errno.
 */
int sks_diag_abort(int sock, const struct sks_reply_socket *reply);

#endif
