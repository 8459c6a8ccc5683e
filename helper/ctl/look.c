/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the reading of one service out of the helper's report. */
#include "look.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../common/text.h"
#include "field.h"
#include "report.h"

void sks_port_set_add(struct sks_port_set *set, uint16_t first, uint16_t last)
{
	for (uint32_t port = first; port <= last; port++)
		set->bits[port / 8] |= (uint8_t)(1u << port % 8);
}

bool sks_port_set_has(const struct sks_port_set *set, uint16_t port)
{
	return set->bits[port / 8] >> port % 8 & 1;
}

size_t sks_port_set_ranges(const struct sks_port_set *set,
			   struct sks_port_range ret_ranges[SKS_DIAG_RANGES])
{
	size_t n = 0;

	for (uint32_t port = 1; port <= UINT16_MAX; port++) {
		if (!sks_port_set_has(set, (uint16_t)port))
			continue;
		if (n == SKS_DIAG_RANGES)
			return n + 1;
		ret_ranges[n].first = (uint16_t)port;
		while (port < UINT16_MAX && sks_port_set_has(set, (uint16_t)(port + 1)))
			port++;
		ret_ranges[n++].last = (uint16_t)port;
	}
	return n;
}

static enum sks_seen_state state_of(const struct json_object *object)
{
	const char *state = sks_field_text(object, "state");

	if (strcmp(state, "standby") == 0)
		return SKS_SEEN_STANDBY;
	return strcmp(state, "replaced") == 0 ? SKS_SEEN_REPLACED : SKS_SEEN_SERVING;
}

static void read_socket(const struct json_object *object, struct sks_seen_socket *ret)
{
	*ret = (struct sks_seen_socket){
		.state = state_of(object),
		.proto = strcmp(sks_field_text(object, "protocol"), "udp") == 0 ? IPPROTO_UDP
										: IPPROTO_TCP,
		.v4 = strcmp(sks_field_text(object, "family"), "ipv6") != 0,
		.v6 = strcmp(sks_field_text(object, "family"), "ipv4") != 0,
		.port = (uint16_t)sks_field_number(object, "port"),
		.bound = (uint16_t)sks_field_number(object, "bound_port"),
		.ifindex = (uint32_t)sks_field_number(object, "ifindex"),
		.inode = (uint32_t)sks_field_number(object, "inode"),
		.pid = (pid_t)sks_field_number(object, "pid"),
		.cookie = sks_field_number(object, "cookie"),
	};
	(void)snprintf(ret->address, sizeof(ret->address), "%s", sks_field_text(object, "address"));
	(void)snprintf(ret->instance, sizeof(ret->instance), "%s",
		       sks_field_text(object, "instance"));
}

static int read_sockets(const struct json_object *array, struct sks_seen *ret_seen)
{
	size_t n = sks_field_length(array);
	struct sks_seen_socket *sockets = calloc(n + 1, sizeof(*sockets));

	if (!sockets)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		read_socket(json_object_array_get_idx(array, i), &sockets[i]);
	*ret_seen = (struct sks_seen){ sockets, n };
	return 0;
}

/* "80", "80-90" or "*". */
static void add_ports(struct sks_port_set *set, const char *text)
{
	size_t len = strcspn(text, "-");
	uint32_t first = 1, last = UINT16_MAX;

	if (strcmp(text, "*") != 0) {
		if (sks_uint_parse(text, len, UINT16_MAX, &first))
			return;
		last = first;
		if (text[len] &&
		    sks_uint_parse(text + len + 1, strlen(text + len + 1), UINT16_MAX, &last))
			return;
	}
	sks_port_set_add(set, (uint16_t)first, (uint16_t)last);
}

static void read_ports(const struct json_object *bindings, const struct sks_seen *seen,
		       struct sks_port_set *ret_ports)
{
	memset(ret_ports, 0, sizeof(*ret_ports));
	for (size_t i = 0; i < seen->n; i++) {
		const struct sks_seen_socket *socket = &seen->sockets[i];

		if (socket->proto != IPPROTO_TCP)
			continue;
		sks_port_set_add(ret_ports, socket->port, socket->port);
		sks_port_set_add(ret_ports, socket->bound, socket->bound);
	}
	for (size_t i = 0; i < sks_field_length(bindings); i++) {
		const struct json_object *binding = json_object_array_get_idx(bindings, i);

		if (strcmp(sks_field_text(binding, "protocol"), "tcp") == 0)
			add_ports(ret_ports, sks_field_text(binding, "ports"));
	}
}

/* Who we are in the helper's eyes: in the user namespace above ours, where ours is not the first. */
static uint64_t own_uid(void)
{
	FILE *map = fopen("/proc/self/uid_map", "re");
	uint64_t uid = geteuid(), above = uid;
	char line[64], *end;

	/* FIRST FIRST-ABOVE LENGTH */
	while (map && fgets(line, sizeof(line), map)) {
		uint64_t first = strtoull(line, &end, 10), outside = strtoull(end, &end, 10);

		if (uid >= first && uid - first < strtoull(end, NULL, 10))
			above = uid - first + outside;
	}
	if (map)
		(void)fclose(map);
	return above;
}

/* Root is told of everybody's, and may have a label that another user has, too. */
static const struct json_object *find_service(const struct json_object *report, const char *label)
{
	const struct json_object *services = sks_field(report, "services");
	uint64_t uid = own_uid();

	for (size_t i = 0; i < sks_field_length(services); i++) {
		const struct json_object *service = json_object_array_get_idx(services, i);

		if (strcmp(sks_field_text(service, "label"), label) == 0 &&
		    sks_field_number(sks_field(service, "owner"), "uid") == uid)
			return service;
	}
	return NULL;
}

int sks_look(const struct sks_ctl *ctl, const char *label, struct sks_seen *ret_seen,
	     struct sks_port_set *ret_ports)
{
	struct json_object *report;
	const struct json_object *service;
	int err = sks_ctl_ask_report(ctl, label, false, &report);

	if (err)
		return err;
	service = find_service(report, label);
	err = service ? read_sockets(sks_field(service, "sockets"), ret_seen) : -ESRCH;
	if (!err && ret_ports)
		read_ports(sks_field(service, "bindings"), ret_seen, ret_ports);
	json_object_put(report);
	return err;
}

void sks_seen_free(struct sks_seen *seen)
{
	free(seen->sockets);
	*seen = (struct sks_seen){ 0 };
}

size_t sks_seen_count(const struct sks_seen *seen, enum sks_seen_state state)
{
	size_t n = 0;

	for (size_t i = 0; i < seen->n; i++)
		n += seen->sockets[i].state == state;
	return n;
}

int sks_seen_pick(const struct sks_seen *seen,
		  bool (*pick)(const struct sks_seen_socket *socket, const void *data),
		  const void *data, struct sks_seen *ret_picked)
{
	struct sks_seen picked = { .sockets = calloc(seen->n + 1, sizeof(*seen->sockets)) };

	if (!picked.sockets)
		return -ENOMEM;
	for (size_t i = 0; i < seen->n; i++) {
		if (pick(&seen->sockets[i], data))
			picked.sockets[picked.n++] = seen->sockets[i];
	}
	*ret_picked = picked;
	return 0;
}

bool sks_seen_has_cookie(const struct sks_seen *seen, uint64_t cookie)
{
	for (size_t i = 0; i < seen->n; i++) {
		if (seen->sockets[i].cookie == cookie)
			return true;
	}
	return false;
}

uint32_t *sks_seen_inodes(const struct sks_seen *seen)
{
	uint32_t *inodes = calloc(seen->n + 1, sizeof(*inodes));

	for (size_t i = 0; inodes && i < seen->n; i++)
		inodes[i] = seen->sockets[i].inode;
	return inodes;
}
