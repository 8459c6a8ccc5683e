/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what udpecho.c and udpask.c share: addresses as text, and numbered datagrams. */
#ifndef SKSTEER_UDP_H
#define SKSTEER_UDP_H

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#define UDP_GRO	    104
#endif

/* "NUMBER WORD ...": 10 digits, a space, a word in capitals or none, and filling. */
#define NUMBER_LEN 10
#define ROOM	   65536

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static inline socklen_t address_len(const union address *addr)
{
	return addr->any.sa_family == AF_INET ? sizeof(addr->in) : sizeof(addr->in6);
}

/* At the same place in both families. */
static inline uint16_t address_port(const union address *addr)
{
	return ntohs(addr->in.sin_port);
}

/* ADDRESS[%INTERFACE][#PORT], which is overwritten. */
static inline void address_parse(char *text, union address *ret)
{
	char *hash = strchr(text, '#'), *percent = strchr(text, '%');

	*ret = (union address){};
	if (hash)
		*hash++ = '\0';
	if (percent)
		*percent++ = '\0';
	if (inet_pton(AF_INET, text, &ret->in.sin_addr) == 1)
		ret->in.sin_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &ret->in6.sin6_addr) == 1)
		ret->in6.sin6_family = AF_INET6;
	else
		errx(2, "no address: %s", text);
	if (percent) {
		ret->in6.sin6_scope_id = if_nametoindex(percent);
		if (!ret->in6.sin6_scope_id)
			errx(2, "no interface: %s", percent);
	}
	ret->in.sin_port = htons(hash ? (uint16_t)atoi(hash) : 0);
}

static inline const char *address_text(const union address *addr, char text[80])
{
	char host[INET6_ADDRSTRLEN], name[IF_NAMESIZE];
	bool v4 = addr->any.sa_family == AF_INET;
	const void *where = v4 ? (const void *)&addr->in.sin_addr : &addr->in6.sin6_addr;

	inet_ntop(addr->any.sa_family, where, host, sizeof(host));
	if (!v4 && addr->in6.sin6_scope_id && if_indextoname(addr->in6.sin6_scope_id, name))
		snprintf(text, 80, "%s%%%s#%u", host, name, address_port(addr));
	else
		snprintf(text, 80, "%s#%u", host, address_port(addr));
	return text;
}

static inline void option(int fd, int level, int name, int value)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)))
		err(2, "setsockopt %d, %d", level, name);
}

/* A control message after those that are there; the control buffer is large enough and zero. */
static inline void add_control(struct msghdr *msg, int level, int type, const void *data,
			       size_t len)
{
	struct cmsghdr *cmsg = (struct cmsghdr *)((char *)msg->msg_control + msg->msg_controllen);

	cmsg->cmsg_level = level;
	cmsg->cmsg_type = type;
	cmsg->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(cmsg), data, len);
	msg->msg_controllen += CMSG_SPACE(len);
}

/* Of a datagram that begins with one; -1: it does not. */
static inline long number_of(const char *data, size_t len)
{
	char digits[NUMBER_LEN + 1] = "";
	char *end;
	long number;

	if (len < NUMBER_LEN)
		return -1;
	memcpy(digits, data, NUMBER_LEN);
	number = strtol(digits, &end, 10);
	return *end ? -1 : number;
}

/* Does the datagram's word begin so? */
static inline bool has_word(const char *data, size_t len, const char *word)
{
	size_t n = strlen(word);

	return len >= NUMBER_LEN + 1 + n && !memcmp(data + NUMBER_LEN + 1, word, n);
}

#endif
