/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the instances of a service: which one is the current one, what it brings, and which earlier
 * one has the label back when it ends. Each registered socket (struct sks_slot) says which one is
 * its own, so that nothing else need be remembered.
 */
#ifndef SKSTEER_INSTANCE_H
#define SKSTEER_INSTANCE_H

#include "../common/spec.h"
#include "service.h"
#include "verdict.h"

/* Who comes with a socket, as the request says. */
struct sks_instance {
	const uint8_t *id; /* SKS_INSTANCE_SIZE */
	uint32_t pid;
	uint64_t spec_hash;
	const struct sks_target *targets; /* of its spec; none: it goes by the one that there is */
	size_t n_targets;
};

/* A socket of it that serves, or, where standby, one that waits to: its slot, or 0. */
uint32_t sks_instance_slot(const struct sks_space *space, const struct sks_service *service,
			   const uint8_t *id, bool standby);
/* A socket of any other instance: the same. */
uint32_t sks_instance_other(const struct sks_space *space, const struct sks_service *service,
			    const uint8_t *id, bool standby);
/* A socket of it that another instance's have replaced: its slot, or 0. */
uint32_t sks_instance_replaced(const struct sks_space *space, const struct sks_service *service,
			       const uint8_t *id);
/* The port that the instance's first listener of the protocol asked for; 0: none is open. */
uint16_t sks_instance_first(const struct sks_space *space, const struct sks_service *service,
			    const uint8_t *id, uint8_t proto);
/* The port that the socket's server asked for. */
uint16_t sks_slot_port(const struct sks_space *space, const struct sks_slot *slot);

/* Does it go by the spec that counts, in that epoch? */
bool sks_instance_agrees(const struct sks_service *service, const struct sks_instance *instance,
			 uint32_t epoch);
/*
 * In the next state it is the current one, and its spec counts. What the last one's spec brought
 * goes, or sleeps while sockets of that one live. 0, or an errno with a text.
 */
int sks_instance_take(struct sks_space *space, struct sks_service *service,
		      const struct sks_instance *instance, struct sks_verdict *verdict);
/* It brings its spec, which sleeps: sets what its socket is to say of it. An errno with a text. */
int sks_instance_stand_by(struct sks_space *space, struct sks_service *service,
			  const struct sks_instance *instance, struct sks_slot *slot,
			  struct sks_verdict *verdict);
/*
 * In the next state the instance of that socket is the current one: again, as of the epoch in which
 * it came, or, where it stands by, from then on.
 */
void sks_instance_restore(struct sks_space *space, struct sks_service *service, uint32_t slot);

/* In the next state its spec brings nothing, until it is registered with it anew. */
void sks_instance_forget(struct sks_space *space, struct sks_service *service);

/*
 * Where the current instance has no socket any more and an earlier one has, the label is that one's
 * again. Specs that sleep go with the last socket that went by them. True: something has changed.
 */
bool sks_instances_fall_back(struct sks_space *space);

#endif
