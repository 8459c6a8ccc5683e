/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how the words of `sksteerctl lookup` are read. A person types them, or pastes a log's. */
#include <arpa/inet.h>
#include <err.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "../../common/text.h"
#include "lookup.h"

#define WORD 128

/* An address in parts: 192.0.2.7, fe80::1%eth0, [fe80::1%eth0], [fe80::1]%eth0. */
struct parts {
	char host[WORD], interface[WORD];
};

static int refuse(const char *word, const char *what)
{
	warnx("lookup: \"%s\": %s", word, what);
	return SKS_CTL_USAGE;
}

static int split(const char *word, struct parts *ret)
{
	const char *host = word, *rest = word + strlen(word), *zone;
	size_t len = strlen(word);

	if (len >= WORD)
		return refuse(word, "too long for an address");
	if (*word == '[') {
		host = word + 1;
		len = strcspn(host, "]");
		rest = host + len + (host[len] == ']');
		if (host[len] != ']' || (*rest && *rest != '%'))
			return refuse(word, "its bracket is not closed, or something follows it");
	}
	(void)snprintf(ret->host, WORD, "%.*s", (int)len, host);
	zone = strchr(ret->host, '%');
	if (zone && *rest)
		return refuse(word, "it names two interfaces");
	(void)snprintf(ret->interface, WORD, "%s", zone ? zone : rest);
	if (zone)
		ret->host[zone - ret->host] = '\0';
	return SKS_CTL_DONE;
}

static bool is_nothing(const struct sks_prefix *addr)
{
	static const uint8_t nothing[sizeof(addr->addr)];

	return !memcmp(addr->addr, nothing, sizeof(nothing));
}

/* IPv4 in IPv6's clothes is IPv4: it is what a dual-stack server writes into its log. */
static bool read_mapped(const char *host, struct sks_prefix *ret)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	uint16_t port;

	return inet_pton(AF_INET6, host, &in6.sin6_addr) == 1 &&
	       IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr) &&
	       !sks_prefix_from_sockaddr((struct sockaddr *)&in6, sizeof(in6), ret, &port) &&
	       ret->len;
}

static int read_host(const char *word, const char *host, struct sks_prefix *ret)
{
	char text[WORD + 2], why[SKS_PREFIX_WHYLEN];

	if (strchr(host, '/'))
		return refuse(word, "one address is asked for, not a prefix");
	if (read_mapped(host, ret))
		return SKS_CTL_DONE;
	if (!strchr(host, ':') && host[strspn(host, "0123456789./")])
		return refuse(word, "neither an IPv4 nor an IPv6 address");
	(void)snprintf(text, sizeof(text), strchr(host, ':') ? "[%s]" : "%s", host);
	if (sks_address_parse(text, strlen(text), ret, why))
		return refuse(word, why);
	if (is_nothing(ret))
		return refuse(word, "names no address");
	/* Now that it is one, it may still be none that anything is steered by. */
	return sks_prefix_parse(text, strlen(text), ret, why) ? refuse(word, why) : SKS_CTL_DONE;
}

/* By name, or by number, as status shows it. */
static int read_interface(const char *word, const char *name, uint32_t *ret_ifindex)
{
	char known[IF_NAMESIZE];
	uint32_t number = if_nametoindex(name);

	if (!*name)
		return refuse(word, "no interface follows the \"%\"");

	if (number || (!sks_uint_parse(name, strlen(name), INT32_MAX, &number) && number &&
		       if_indextoname(number, known))) {
		*ret_ifindex = number;
		return SKS_CTL_DONE;
	}
	warnx("lookup: \"%s\": there is no such interface here", name);
	return SKS_CTL_FAILED;
}

static int read_address(const char *word, struct sks_prefix *ret, uint32_t *ret_ifindex)
{
	struct parts parts;
	int status = split(word, &parts);
	bool local;

	if (!status)
		status = read_host(word, parts.host, ret);
	if (status)
		return status;
	local = ret->family == AF_INET6 && ret->addr[0] == 0xfe && (ret->addr[1] & 0xc0) == 0x80;
	if (*parts.interface && !ret_ifindex)
		return refuse(word, "where it arrives stands in the address that is dialled");
	if (*parts.interface)
		return read_interface(word, parts.interface + 1, ret_ifindex);
	if (local && ret_ifindex)
		return refuse(word, "a link-local address needs its interface, as in fe80::1%eth0");
	return SKS_CTL_DONE;
}

static int read_port(const char *word, const char *text, uint16_t *ret_port)
{
	uint32_t port;

	if (sks_uint_parse(text, strlen(text), UINT16_MAX, &port) || !port)
		return refuse(word, "not a port from 1 to 65535");
	*ret_port = (uint16_t)port;
	return SKS_CTL_DONE;
}

/* 198.51.100.1:4000 or [2001:db8::1]:4000. */
static int read_client(const char *word, struct sks_packet *packet)
{
	const char *colon = strrchr(word, ':');
	char host[WORD];
	int status;

	if (!colon || colon == word || (*word != '[' && strchr(word, ':') != colon) ||
	    (*word == '[' && colon[-1] != ']') || strlen(word) >= WORD)
		return refuse(word, "a client is ADDR:PORT, as 198.51.100.1:4000 or "
				    "[2001:db8::1]:4000");
	(void)snprintf(host, sizeof(host), "%.*s", (int)(colon - word), word);
	status = read_address(host, &packet->remote, NULL);
	if (!status)
		status = read_port(word, colon + 1, &packet->remote_port);
	if (!status && packet->remote.family != packet->local.family)
		return refuse(word, "a client has an address of the family that it dials");
	return status;
}

static int read_more(const struct sks_ctl *ctl, struct sks_packet *packet)
{
	char **words = ctl->operands + 3;

	if (ctl->n_operands == 3)
		return SKS_CTL_DONE;
	if (strcmp(words[0], "from") != 0)
		return refuse(words[0], "only \"from ADDR:PORT\" may follow the port");
	return ctl->n_operands == 5 ? read_client(words[1], packet)
				    : refuse(words[0], "ADDR:PORT is missing after it");
}

int sks_lookup_words(const struct sks_ctl *ctl, struct sks_packet *ret_packet)
{
	struct sks_packet packet = { .proto = SKS_TCP };
	char **words = ctl->operands;
	int status;

	if (strcmp(words[0], "udp") == 0)
		packet.proto = SKS_UDP;
	else if (strcmp(words[0], "tcp") != 0)
		return refuse(words[0], "the protocol is tcp or udp");
	status = read_address(words[1], &packet.local, &packet.ifindex);
	if (!status)
		status = read_port(words[2], words[2], &packet.local_port);
	if (!status)
		status = read_more(ctl, &packet);
	if (!status)
		*ret_packet = packet;
	return status;
}

static void put_end(struct sks_text *text, const struct sks_prefix *addr, const char *interface,
		    uint16_t port)
{
	char spelt[SKS_PREFIX_STRLEN];
	size_t len = strlen(sks_prefix_format(addr, spelt));
	bool v6 = addr->family == AF_INET6;

	sks_text_strn(text, spelt, v6 ? len - 1 : len);
	sks_text_str(text, interface);
	sks_text_str(text, v6 ? "]:" : ":");
	sks_text_uint(text, port);
}

char *sks_lookup_place(const struct sks_packet *packet, char buf[SKS_LOOKUP_PLACELEN])
{
	char interface[IF_NAMESIZE + 1] = "";
	struct sks_text text;

	if (packet->ifindex && if_indextoname(packet->ifindex, interface + 1))
		*interface = '%';
	sks_text_init(&text, buf, SKS_LOOKUP_PLACELEN);
	put_end(&text, &packet->local, interface, packet->local_port);
	sks_text_str(&text, packet->proto == SKS_UDP ? "/udp" : "/tcp");
	if (packet->remote.family != AF_UNSPEC) {
		sks_text_str(&text, " from ");
		put_end(&text, &packet->remote, "", packet->remote_port);
	}
	return buf;
}
