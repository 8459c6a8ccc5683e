/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns which process a socket is shown to be of (see owner.h). */
#include "owner.h"

#include <stdlib.h>

#include "../../common/raw.h"
#include "../holder.h"
#include "../service.h"
#include "field.h"

#define MAX_STRAY 1024 /* sockets whose holders are looked for */
#define LIMIT_MS  1000

/* Sockets that the process which registered them does not have. */
struct stray {
	struct json_object *sockets[MAX_STRAY];
	uint32_t inodes[MAX_STRAY];
	size_t n;
	int64_t end; /* users can make it long */
	pid_t pid;   /* the process that was looked at last, and what it has */
	struct sks_inodes has;
};

static bool has_it(struct stray *stray, pid_t pid, uint32_t inode)
{
	const struct sks_pids one = { &pid, 1 };
	struct sks_inodes has;

	if (pid != stray->pid) {
		if (sks_now_us() > stray->end || sks_sockets_of(&one, &has))
			return true; /* let it be */
		free(stray->has.list);
		stray->pid = pid;
		stray->has = has;
	}
	return sks_inodes_have(&stray->has, inode);
}

/* "process": what it calls itself. */
static void name(struct json_object *socket, pid_t pid)
{
	char comm[16];

	sks_service_comm(pid, comm);
	if (*comm)
		json_object_object_add(socket, "process", json_object_new_string(comm));
}

static void note_socket(struct json_object *socket, struct stray *stray)
{
	uint32_t inode = (uint32_t)sks_field_number(socket, "inode");
	pid_t pid = (pid_t)sks_field_number(socket, "pid");

	if (!inode)
		return;
	if (has_it(stray, pid, inode)) {
		if (stray->pid == pid) /* it was looked at */
			name(socket, pid);
		return;
	}
	if (stray->n == MAX_STRAY)
		return;
	stray->sockets[stray->n] = socket;
	stray->inodes[stray->n++] = inode;
}

static void note_service(const struct json_object *service, struct stray *stray)
{
	struct json_object *sockets;

	if (!json_object_object_get_ex(service, "sockets", &sockets) ||
	    !json_object_is_type(sockets, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(sockets); i++)
		note_socket(json_object_array_get_idx(sockets, i), stray);
}

static void correct(const struct stray *stray, const struct sks_holders *holders)
{
	for (size_t i = 0; i < stray->n; i++) {
		size_t h = 0;
		pid_t pid;

		/* An init that keeps a socket for its service is not it. */
		while (h < holders->n &&
		       (holders->list[h].inode != stray->inodes[i] || holders->list[h].pid == 1))
			h++;
		if (h == holders->n)
			continue;
		pid = sks_holders_top(holders, holders->list[h].pid);
		json_object_object_add(stray->sockets[i], "pid", json_object_new_int(pid));
		name(stray->sockets[i], pid);
	}
}

void sks_owner_correct(struct json_object *report)
{
	struct stray *stray = calloc(1, sizeof(*stray));
	struct sks_holders holders;
	struct json_object *services;

	if (!stray || !json_object_object_get_ex(report, "services", &services)) {
		free(stray);
		return;
	}
	sks_holder_limit(LIMIT_MS);
	stray->end = sks_now_us() + LIMIT_MS * 1000ll;
	for (size_t i = 0; i < json_object_array_length(services); i++)
		note_service(json_object_array_get_idx(services, i), stray);
	if (stray->n && !sks_holders_find(stray->inodes, stray->n, &holders)) {
		correct(stray, &holders);
		free(holders.list);
	}
	sks_holder_limit(0);
	free(stray->has.list);
	free(stray);
}
