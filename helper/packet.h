/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what is said of a packet that nobody has sent, to ask who would get it. */
#ifndef SKSTEER_PACKET_H
#define SKSTEER_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include "../common/maps.h"
#include "../common/prefix.h"

/* The first of a connection, or a datagram. */
struct sks_packet {
	uint8_t proto;		  /* SKS_TCP or SKS_UDP */
	struct sks_prefix local;  /* where it is sent to, of full length */
	struct sks_prefix remote; /* where from, of the same family; AF_UNSPEC: by whomsoever */
	uint16_t local_port, remote_port; /* host order */
	uint32_t ifindex;		  /* it arrives there; 0: where no socket is bound to */
};

static inline uint32_t sks_packet_family(const struct sks_packet *packet)
{
	return packet->local.family == AF_INET6 ? SKS_V6 : SKS_V4;
}

#endif
