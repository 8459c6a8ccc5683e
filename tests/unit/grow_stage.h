/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the stage of grow_test.c: a namespace with the loaded program and something in every map,
 * and the questions whether all of that is still there.
 */
#ifndef SKSTEER_GROW_STAGE_H
#define SKSTEER_GROW_STAGE_H

#include <bpf/bpf.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../helper/bpf.h"
#include "stage.h"

#define LISTENER 200 /* slots */
#define UDP	 201
#define CLOSED	 202
#define DEST	 5
#define PORT	 77

static const enum sks_map grown[] = { SKS_MAP_RULES4, SKS_MAP_DESTS,	SKS_MAP_SLOTS,
				      SKS_MAP_GROUPS, SKS_MAP_SERVICES, SKS_MAP_BINDINGS };
#define N_GROWN (sizeof(grown) / sizeof(*grown))

static const struct {
	const char *name;
	size_t size;
	uint32_t max;
} kinds[SKS_MAP_COUNT] = {
	[SKS_MAP_RULES4] = { "rules4", sizeof(struct sks_rule4), 2 * SKS_MAX_RULES },
	[SKS_MAP_DESTS] = { "dests", sizeof(struct sks_dest), SKS_MAX_DESTS },
	[SKS_MAP_SLOTS] = { "slots", sizeof(struct sks_slot), SKS_MAX_SLOTS },
	[SKS_MAP_GROUPS] = { "groups", sizeof(struct sks_group), SKS_MAX_GROUPS },
	[SKS_MAP_SERVICES] = { "services", sizeof(struct sks_service), SKS_MAX_SERVICES },
	[SKS_MAP_BINDINGS] = { "bindings", sizeof(struct sks_binding), SKS_MAX_RECORDS },
};

static char base[] = "/tmp/sksteer-grow-XXXXXX";
static char dir[64];
static struct sks_maps maps;
static int tcp = -1, udp = -1;
static pid_t owner;

static void check(bool ok, const char *what)
{
	static unsigned int n;

	printf("%sok %u - %s\n", ok ? "" : "not ", ++n, what);
	fflush(stdout);
}

/* --- the stage -------------------------------------------------------------------------------- */

static void stop(void)
{
	if (getpid() != owner)
		return;
	stage_restrict(false);
	sks_bpf_remove(dir);
	stage_close(base);
}

static void start(void)
{
	int netns = stage_open(base);

	owner = getpid();
	snprintf(dir, sizeof(dir), "%s/space", base);
	atexit(stop);
	stage_restrict(true);
	need_done(sks_bpf_create(dir, netns, &maps), "sks_bpf_create");
	close(netns);
}

static int bound_socket(int type, uint32_t slot)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	need(fd >= 0 && !bind(fd, (struct sockaddr *)&in, sizeof(in)), "bind");
	need(type == SOCK_DGRAM || !listen(fd, 8), "listen");
	need_done(sks_bpf_put_socket(&maps, slot, fd), "sks_bpf_put_socket");
	return fd;
}

/* Every entry of the maps as they begin says which it is; UDP port PORT leads to the UDP socket. */
static void fill(void)
{
	for (size_t k = 0; k < N_GROWN; k++) {
		for (uint32_t i = 0; i < maps.entries[grown[k]]; i++)
			memset((char *)maps.memory[grown[k]] + i * kinds[grown[k]].size,
			       (int)(i % 255 + 1), kinds[grown[k]].size);
	}
	memset(maps.dests, 0, sizeof(struct sks_dest) * maps.entries[SKS_MAP_DESTS]);
	maps.dests[DEST] = (struct sks_dest){ .slot = { UDP, SKS_SLOT_PASS },
					      .born = 1,
					      .service = 3,
					      .port = PORT,
					      .proto = SKS_UDP,
					      .wildcard = 1 };
	memset(maps.services[3].past, 0, sizeof(maps.services[3].past));
	maps.ports->table[sks_table_index(0, SKS_UDP, PORT)] = DEST;
	tcp = bound_socket(SOCK_STREAM, LISTENER);
	udp = bound_socket(SOCK_DGRAM, UDP);
	close(bound_socket(SOCK_STREAM, CLOSED));
}

/* --- what must hold --------------------------------------------------------------------------- */

/* The first entries still say which they are, and those that came are zero. */
static bool is_intact(enum sks_map map, uint32_t begun)
{
	const unsigned char *at = maps.memory[map];

	for (uint32_t i = 0; i < maps.entries[map]; i++) {
		int wanted = i < begun && map != SKS_MAP_DESTS ? (int)(i % 255 + 1) : 0;
		bool edited = (map == SKS_MAP_DESTS && i == DEST) ||
			      (map == SKS_MAP_SERVICES && i == 3);

		for (size_t k = 0; !edited && k < kinds[map].size; k++) {
			if (at[i * kinds[map].size + k] != wanted)
				return false;
		}
	}
	return maps.dests[DEST].port == PORT && !memcmp(maps.services[3].label, "\4\4\4\4", 4);
}

static bool holds(uint32_t slot, int fd)
{
	socklen_t len = sizeof(uint64_t);
	uint64_t in_map = 0, cookie = 1;

	if (fd < 0)
		return sks_bpf_cookie(&maps, slot, &in_map) == -ENOENT;
	return !sks_bpf_cookie(&maps, slot, &in_map) &&
	       !getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) && cookie == in_map;
}

static bool sockets_are_there(void)
{
	return holds(LISTENER, tcp) && holds(UDP, udp) && holds(CLOSED, -1);
}

/* A new name would be one that is not running, or never ran. */
static bool is_tidy(void)
{
	DIR *list = opendir(dir);
	const struct dirent *entry;
	unsigned int n = 0;
	bool tidy = list;

	while (list && (entry = readdir(list))) {
		n += *entry->d_name != '.';
		tidy = tidy && !strstr(entry->d_name, "new");
	}
	if (list)
		(void)closedir(list);
	return tidy && n == SKS_MAP_COUNT + 2;
}

/* Another process that opens the pins now sees the very same maps and the program that runs. */
static bool pins_agree(void)
{
	struct sks_maps other;
	struct bpf_link_info link = {};
	struct bpf_prog_info program = {};
	struct bpf_map_info ours, theirs;
	__u32 len;
	char path[128];
	bool agree;
	int fd;

	snprintf(path, sizeof(path), "%s/program", dir);
	fd = bpf_obj_get(path);
	len = sizeof(link);
	agree = !bpf_obj_get_info_by_fd(maps.link, &link, &len);
	len = sizeof(program);
	agree = agree && !bpf_obj_get_info_by_fd(fd, &program, &len) && link.prog_id == program.id;
	close(fd);
	if (!agree || sks_bpf_open(dir, false, &other))
		return false;
	agree = sks_bpf_is_settled(&other);
	for (int i = 0; i < SKS_MAP_COUNT; i++) {
		memset(&ours, 0, sizeof(ours));
		memset(&theirs, 0, sizeof(theirs));
		len = sizeof(ours);
		agree = agree && !bpf_obj_get_info_by_fd(maps.fd[i], &ours, &len);
		len = sizeof(theirs);
		agree = agree && !bpf_obj_get_info_by_fd(other.fd[i], &theirs, &len) &&
			ours.id == theirs.id && ours.max_entries == maps.entries[i] &&
			(!kinds[i].name || !strcmp(ours.name, kinds[i].name)) &&
			(!kinds[i].name || ours.btf_value_type_id);
	}
	sks_bpf_close(&other);
	return agree && maps.entries[SKS_MAP_SLOTS] == maps.entries[SKS_MAP_SOCKETS] &&
	       2 * maps.entries[SKS_MAP_DESTS] == maps.entries[SKS_MAP_COUNTERS];
}

static unsigned int count_fds(void)
{
	DIR *list = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (list && readdir(list))
		n++;
	if (list)
		(void)closedir(list);
	return n;
}

static uint64_t now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

#endif
