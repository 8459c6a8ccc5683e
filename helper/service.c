// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns services: whose sockets and bindings belong together, and when a service is over. */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "../common/cleanup.h"
#include "service.h"

static bool is_it(const struct sks_space *space, const struct sks_service *service, uint32_t uid,
		  const char *label, const uint8_t *instance)
{
	if (!sks_in_next(space, service) || service->uid != uid)
		return false;
	if (*label)
		return service->named && !strcmp(service->label, label);
	return !service->named && !memcmp(sks_owner(service, sks_next_epoch(space))->instance,
					  instance, SKS_INSTANCE_SIZE);
}

struct sks_service *sks_service_find(struct sks_space *space, uint32_t uid, const char *label,
				     const uint8_t *instance)
{
	for (uint32_t i = 0; i < space->n_services; i++) {
		if (is_it(space, &space->maps.services[i], uid, label, instance))
			return &space->maps.services[i];
	}
	return NULL;
}

/* For people only: a process may name itself as it likes, so only what a label may have is kept. */
void sks_service_comm(pid_t pid, char ret[16])
{
	char path[32];
	CLEANUP_FD int fd = -1;
	ssize_t len;

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, ret, 15);
	ret[len > 0 ? len : 0] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	for (char *c = ret; *c; c++) {
		if (!isalnum((unsigned char)*c) && !strchr("_.-", *c))
			*c = '_';
	}
}

int sks_service_add(struct sks_space *space, const struct sks_peer *peer, const char *label,
		    struct sks_service **ret_service)
{
	struct sks_service *service;
	char comm[16];
	int err = sks_store_add_service(space, &service);

	if (err)
		return err;
	service->uid = peer->uid;
	service->named = *label != '\0';
	sks_service_comm(peer->pid, comm);
	if (*label)
		(void)snprintf(service->label, sizeof(service->label), "%s", label);
	else
		(void)snprintf(service->label, sizeof(service->label), "@%s-%d", comm,
			       (int)peer->pid);
	*ret_service = service;
	return 0;
}

void sks_service_kill(struct sks_space *space, struct sks_service *service)
{
	uint8_t marked[SKS_MAX_SERVICES] = {};

	marked[sks_service_number(space, service)] = 1;
	sks_services_kill(space, marked);
}

void sks_services_kill(struct sks_space *space, const uint8_t marked[SKS_MAX_SERVICES])
{
	struct sks_maps *maps = &space->maps;

	for (uint32_t i = 0; i < space->n_bindings; i++) {
		if (marked[maps->bindings[i].service] && sks_in_next(space, &maps->bindings[i]))
			sks_store_kill_binding(space, &maps->bindings[i]);
	}
	for (uint32_t i = 1; i < space->n_dests; i++) {
		if (marked[maps->dests[i].service] && sks_in_next(space, &maps->dests[i]))
			sks_store_kill_dest(space, &maps->dests[i]);
	}
	for (uint32_t i = 0; i < space->n_services; i++) {
		if (marked[i] && sks_in_next(space, &maps->services[i]))
			sks_store_kill_service(space, &maps->services[i]);
	}
}

const struct sks_service *sks_service_of_slot(const struct sks_space *space, uint32_t slot)
{
	return &space->maps.services[space->maps.dests[space->maps.slots[slot].dest].service];
}

unsigned int sks_service_sockets(const struct sks_space *space, const struct sks_service *service)
{
	unsigned int n = 0;

	for (uint32_t i = 1; i < space->n_slots; i++) {
		if (space->maps.slots[i].cookie && sks_service_of_slot(space, i) == service)
			n++;
	}
	return n;
}
