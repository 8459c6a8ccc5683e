/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns services: whose sockets and bindings belong together, and when a service is over. */
#ifndef SKSTEER_SERVICE_H
#define SKSTEER_SERVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../common/wire.h"
#include "peer.h"
#include "store.h"

static inline uint16_t sks_service_number(const struct sks_space *space,
					  const struct sks_service *service)
{
	return (uint16_t)(service - space->maps.services);
}

/*
 * In the next state: the uid's service of that label, or, without a label (""), that of the
 * instance (SKS_INSTANCE_SIZE bytes). NULL: none.
 */
struct sks_service *sks_service_find(struct sks_space *space, uint32_t uid, const char *label,
				     const uint8_t *instance);
/*
 * A new one: named label, or @COMM-PID after the peer. 0, -ENOSPC: the namespace is full; or why
 * its map could not grow.
 */
int sks_service_add(struct sks_space *space, const struct sks_peer *peer, const char *label,
		    struct sks_service **ret_service);
/* With its bindings and destinations. Its sockets must be gone, or go once that is published. */
void sks_service_kill(struct sks_space *space, struct sks_service *service);
/* The same for those that are marked, by number. */
void sks_services_kill(struct sks_space *space, const uint8_t marked[SKS_MAX_SERVICES]);

/* How a process calls itself, with "_" for whatever a label may not have; "": it has gone. */
void sks_service_comm(pid_t pid, char ret[16]);

/* Its registered sockets that were open when last looked at. */
unsigned int sks_service_sockets(const struct sks_space *space, const struct sks_service *service);
const struct sks_service *sks_service_of_slot(const struct sks_space *space, uint32_t slot);

#endif
