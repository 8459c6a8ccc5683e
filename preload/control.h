/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns control messages: where a datagram was sent to is taken out, where it leaves from put in. */
#ifndef SKSTEER_CONTROL_H
#define SKSTEER_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "endpoint.h"

/* IP_RECVORIGDSTADDR and IPV6_RECVORIGDSTADDR, of which musl's headers lack one. */
#define SKS_ORIGDST4 20
#define SKS_ORIGDST6 74

/* What comes along with a datagram besides what the server asked for. */
#define SKS_CONTROL_MORE 64

struct sks_origdst {
	bool keep4, keep6;	   /* the server wants to have it, too */
	bool found;		   /* it came along: */
	struct sks_endpoint where; /* where the datagram was sent to */
};

/*
 * Copies what the kernel has left in from->msg_control to the server's to->msg_control, of which
 * to->msg_controllen is the size, as the kernel would have done itself: cut off where there is no
 * more room, with MSG_CTRUNC; both lengths and flags of *to are set. The two may be the same
 * memory.
 */
void sks_control_receive(const struct msghdr *from, struct msghdr *to, struct sks_origdst *origdst);

/* The address that the control messages of a datagram to be sent name as its source, if any. */
bool sks_control_source(const struct msghdr *msg, struct sks_endpoint *ret_source);

/*
 * Writes into buf the control messages of msg, but for those about where it leaves from, and that
 * it leaves from that address. Returns the length, or 0: there is no room.
 */
size_t sks_control_send(const struct msghdr *msg, const struct sks_endpoint *source, void *buf,
			size_t size);

#endif
