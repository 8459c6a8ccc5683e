/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns which sockets `sksteerctl register` means (see sockets.h). */
#include "sockets.h"

#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../common/prefix.h"

#define PORTS_SHOWN 160 /* characters of a list of ports in a message */

static int option(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) ? -1 : value;
}

/* IPPROTO_TCP or IPPROTO_UDP where it could be steered, else 0. */
static uint8_t protocol_of(int fd)
{
	int domain = option(fd, SO_DOMAIN), type = option(fd, SO_TYPE);
	int proto = option(fd, SO_PROTOCOL);
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	if (domain != AF_INET && domain != AF_INET6)
		return 0;
	if (type == SOCK_STREAM && proto == IPPROTO_TCP && option(fd, SO_ACCEPTCONN) == 1)
		return IPPROTO_TCP;
	if (type == SOCK_DGRAM && proto == IPPROTO_UDP &&
	    getpeername(fd, (struct sockaddr *)&peer, &len))
		return IPPROTO_UDP;
	return 0;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	struct sks_prefix place;
	uint16_t port;

	if (getsockname(fd, (struct sockaddr *)&addr, &len) ||
	    sks_prefix_from_sockaddr((struct sockaddr *)&addr, len, &place, &port))
		return 0;
	return port;
}

static bool is_new(const struct sks_sockets *sockets, uint64_t cookie)
{
	for (size_t i = 0; i < sockets->n; i++) {
		if (sockets->list[i].cookie == cookie)
			return false;
	}
	return true;
}

static bool is_meant(const struct sks_ctl *ctl, const struct sks_found *found)
{
	return !ctl->port || (ctl->port == found->port && ctl->proto == found->proto);
}

int sks_sockets_add(const struct sks_ctl *ctl, struct sks_sockets *sockets, int fd)
{
	struct sks_found found = { .fd = fd, .proto = protocol_of(fd), .port = port_of(fd) };
	socklen_t len = sizeof(found.cookie);
	struct sks_found *list;

	if (!found.proto || !found.port ||
	    getsockopt(fd, SOL_SOCKET, SO_COOKIE, &found.cookie, &len) ||
	    !is_new(sockets, found.cookie) || !is_meant(ctl, &found)) {
		(void)close(fd);
		return 0;
	}
	list = reallocarray(sockets->list, sockets->n + 1, sizeof(*list));
	if (!list) {
		(void)close(fd);
		warnx("%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	sockets->list = list;
	list[sockets->n++] = found;
	return 0;
}

void sks_sockets_free(struct sks_sockets *sockets)
{
	for (size_t i = 0; i < sockets->n; i++)
		(void)close(sockets->list[i].fd);
	free(sockets->list);
	*sockets = (struct sks_sockets){ 0 };
}

/* "80/tcp, 443/tcp", each once, as far as there is room. Returns text. */
static const char *list_ports(const struct sks_sockets *sockets, char text[PORTS_SHOWN])
{
	size_t pos = 0;

	*text = '\0';
	for (size_t i = 0; i < sockets->n; i++) {
		const struct sks_found *found = &sockets->list[i];
		size_t j = 0;

		while (sockets->list[j].port != found->port ||
		       sockets->list[j].proto != found->proto)
			j++;
		if (j < i)
			continue;
		if (pos >= PORTS_SHOWN - 24) {
			(void)snprintf(text + pos, PORTS_SHOWN - pos, ", ...");
			break;
		}
		pos += (size_t)snprintf(text + pos, PORTS_SHOWN - pos, "%s%u/%s", pos ? ", " : "",
					found->port, found->proto == IPPROTO_UDP ? "udp" : "tcp");
	}
	return text;
}

/* The first listeners of a label have one port of each protocol, which more sockets may share. */
static bool share_a_port(const struct sks_sockets *sockets)
{
	uint16_t ports[2] = { 0 };

	for (size_t i = 0; i < sockets->n; i++) {
		uint16_t *port = &ports[sockets->list[i].proto == IPPROTO_UDP];

		if (*port && *port != sockets->list[i].port)
			return false;
		*port = sockets->list[i].port;
	}
	return true;
}

/* Whose they are, in a message. */
static const char *source(const struct sks_ctl *ctl, char text[48])
{
	if (ctl->pid)
		(void)snprintf(text, 48, "process %u", ctl->pid);
	else
		(void)snprintf(text, 48, "LISTEN_FDS");
	return text;
}

/* What else it has, for whoever has asked for the wrong one. */
static int refuse_port(const struct sks_ctl *ctl)
{
	struct sks_ctl any = *ctl;
	struct sks_sockets others = { 0 };
	char ports[PORTS_SHOWN], who[48];
	const char *proto = ctl->proto == IPPROTO_UDP ? "udp" : "tcp";

	any.port = 0;
	if (!(ctl->pid ? sks_sockets_of_process : sks_sockets_passed)(&any, &others))
		warnx("%s: %s has no socket at port %u/%s%s%s", ctl->verb, source(ctl, who),
		      ctl->port, proto, others.n ? ", but at " : "", list_ports(&others, ports));
	sks_sockets_free(&others);
	return -ENOENT;
}

int sks_sockets_find(const struct sks_ctl *ctl, struct sks_sockets *ret_sockets)
{
	struct sks_sockets sockets = { 0 };
	char ports[PORTS_SHOWN], who[48];
	int err = (ctl->pid ? sks_sockets_of_process : sks_sockets_passed)(ctl, &sockets);

	if (!err && !sockets.n && ctl->port)
		err = refuse_port(ctl);
	else if (!err && !sockets.n) {
		warnx("%s: %s has no listening TCP and no bound UDP socket", ctl->verb,
		      source(ctl, who));
		err = -ENOENT;
	} else if (!err && !share_a_port(&sockets)) {
		warnx("%s: %s has sockets at %s: say which with --port", ctl->verb,
		      source(ctl, who), list_ports(&sockets, ports));
		err = -EINVAL;
	}
	if (err)
		sks_sockets_free(&sockets);
	else
		*ret_sockets = sockets;
	return err;
}
