/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns which of the server's own binds a clause speaks of, and the memory of it per descriptor. */
#include "select.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "../common/raw.h"
#include "moved.h"

/* An entry of the memory: the port in its low half, and these. 0: never bound by this process. */
#define BOUND	0x10000u
#define NAMED	0x20000u
#define UNNAMED 0x40000u

/* The port of the first listener of each protocol in this process; 0: none yet. */
static _Atomic uint16_t first_tcp, first_udp;

bool sks_claimed_here(void)
{
	return sks_memory->claimed_here;
}

static _Atomic uint16_t *first_port(uint8_t proto)
{
	return proto == SKS_UDP ? &first_udp : &first_tcp;
}

static uint8_t protocols_naming(const struct sks_config *config, const struct sks_prefix *addr,
				uint16_t port)
{
	struct sks_spec_cursor cursor = { .text = config->spec, .len = config->spec_len };
	struct sks_spec_error error;
	struct sks_target target;
	uint8_t named = 0;

	while (named != config->named && sks_spec_next(&cursor, &target, &error) > 0)
		if (sks_target_names(&target, target.proto, addr, port))
			named |= target.proto == IPPROTO_UDP ? SKS_UDP : SKS_TCP;
	return named;
}

/*
 * With a label alone all could be meant. Not what a forked child opens beside the first listener
 * of its parent: it may be sandboxed, and dies of whatever it is not about to do itself.
 */
static bool is_beside(const struct sks_config *config)
{
	return !config->spec_len && first_tcp && !sks_claimed_here();
}

bool sks_choose(const struct sks_config *config, const struct sockaddr *addr, socklen_t len,
		struct sks_choice *ret_choice)
{
	struct sks_choice choice = { .unnamed = config->unnamed };
	struct sks_prefix prefix;

	if (!addr || sks_prefix_from_sockaddr(addr, len, &prefix, &choice.port) || !choice.port)
		return false;
	if (config->error[0])
		choice.named = SKS_TCP | SKS_UDP;
	else if (is_beside(config))
		choice.unnamed &= SKS_TCP; /* a worker with the same port */
	else
		choice.named = config->every | protocols_naming(config, &prefix, choice.port);
	*ret_choice = choice;
	return choice.named || sks_is_wanted(&choice, SKS_TCP) || sks_is_wanted(&choice, SKS_UDP);
}

void sks_remember(int fd, const struct sks_choice *choice)
{
	uint32_t entry = BOUND;

	if (fd < 0 || fd >= SKS_FDS)
		return;
	if (choice)
		entry |= choice->port | (choice->named & SKS_TCP ? NAMED : 0) |
			 (choice->unnamed & SKS_TCP ? UNNAMED : 0);
	sks_memory->binds[fd] = entry;
}

bool sks_is_bound_to(int fd, uint16_t wanted)
{
	struct sockaddr_storage addr;
	struct sks_prefix prefix;
	socklen_t len;
	uint16_t port;

	return sks_moved_name(fd, &addr, &len) &&
	       !sks_prefix_from_sockaddr((struct sockaddr *)&addr, len, &prefix, &port) &&
	       port == wanted;
}

bool sks_is_remembered(int fd)
{
	return fd >= 0 && fd < SKS_FDS && sks_memory->binds[fd] & (NAMED | UNNAMED);
}

bool sks_is_passed_over(int fd)
{
	return fd >= 0 && fd < SKS_FDS && sks_memory->binds[fd] == BOUND;
}

bool sks_recall(const struct sks_config *config, int fd, struct sks_choice *ret_choice)
{
	uint32_t entry = fd >= 0 && fd < SKS_FDS ? sks_memory->binds[fd] : 0;
	struct sockaddr_storage addr;
	socklen_t len;

	if (!config->named && !config->unnamed && !config->error[0])
		return false; /* no clause at all: not worth a system call */
	/* Another socket may have taken the descriptor's place since: dup2(2), or close(2) and an
	 * autobind. */
	if (entry & (NAMED | UNNAMED) && !sks_is_bound_to(fd, (uint16_t)entry))
		return false;
	if (entry) {
		*ret_choice = (struct sks_choice){
			.port = (uint16_t)entry,
			.named = entry & NAMED ? SKS_TCP : 0,
			.unnamed = entry & UNNAMED ? SKS_TCP : 0,
		};
		return ret_choice->named || ret_choice->unnamed;
	}
	if (!sks_moved_name(fd, &addr, &len))
		return false;
	if (sks_choose(config, (struct sockaddr *)&addr, len, ret_choice))
		return true;
	sks_remember(fd, NULL); /* listen(2) is about to bind it to a port that nobody named */
	return false;
}

bool sks_is_wanted(const struct sks_choice *choice, uint8_t proto)
{
	uint16_t first = *first_port(proto);

	return (choice->named & proto) ||
	       ((choice->unnamed & proto) && (!first || first == choice->port));
}

void sks_claim(const struct sks_choice *choice, uint8_t proto)
{
	uint16_t none = 0;

	atomic_compare_exchange_strong(first_port(proto), &none, choice->port);
	/* Forked children find it zero again; a kernel that can't do that (before 4.14, or with
	 * larger pages) has no mark. */
	if (!sks_memory->claimed_here &&
	    !sks_raw(SYS_madvise, &sks_memory->claimed_here, 4096, MADV_WIPEONFORK))
		sks_memory->claimed_here = 1;
}
