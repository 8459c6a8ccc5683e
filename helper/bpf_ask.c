// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the question to a namespace's own program: what would it say of this packet? */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "../common/cleanup.h"
#include "bpf_load.h"
#include "packet.h"

#define ENOTSUPP 524 /* the kernel's own: no BPF_PROG_TEST_RUN of such programs before 5.13 */

static bool has_id(int program, uint32_t id)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	return !bpf_obj_get_info_by_fd(program, &info, &len) && info.id == id;
}

/* The one that packets run: a helper that died while it replaced it may not have renamed its pin. */
static int open_attached(const char *dir, int link)
{
	static const char *const suffixes[] = { "", SKS_PIN_NEW };
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(link, &info, &len))
		return -errno;
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
		CLEANUP_FD int program = sks_bpf_open_pin(dir, "program", suffixes[i], 0);

		if (program < 0 && program != -ENOENT)
			return program;
		if (program >= 0 && has_id(program, info.prog_id))
			return sks_take_fd(&program);
	}
	return -ENOENT;
}

static struct bpf_sk_lookup context_of(const struct sks_packet *packet)
{
	struct bpf_sk_lookup ctx = {
		.family = packet->local.family,
		.protocol = packet->proto == SKS_UDP ? IPPROTO_UDP : IPPROTO_TCP,
		.remote_port = htons(packet->remote_port),
		.local_port = packet->local_port,
	};

	if (packet->local.family == AF_INET6) {
		memcpy(ctx.local_ip6, packet->local.addr, sizeof(ctx.local_ip6));
		memcpy(ctx.remote_ip6, packet->remote.addr, sizeof(ctx.remote_ip6));
	} else {
		memcpy(&ctx.local_ip4, packet->local.addr, sizeof(ctx.local_ip4));
		memcpy(&ctx.remote_ip4, packet->remote.addr, sizeof(ctx.remote_ip4));
	}
	return ctx;
}

int sks_bpf_ask(const char *dir, const struct sks_maps *maps, const struct sks_packet *packet,
		enum sks_said *ret_said, uint64_t *ret_cookie)
{
	struct bpf_sk_lookup ctx = context_of(packet);
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx),
		    .ctx_out = &ctx, .ctx_size_out = sizeof(ctx));
	CLEANUP_FD int program = -1;

	*ret_said = SKS_SAID_NOTHING;
	*ret_cookie = 0;
	if (packet->ifindex)
		return 0; /* of an interface the kernel takes none */
	program = open_attached(dir, maps->link);
	if (program < 0)
		return program;
	if (!bpf_prog_test_run_opts(program, &opts)) {
		*ret_cookie = ctx.cookie;
		*ret_said = opts.retval == SK_DROP ? SKS_SAID_DROP
			    : ctx.cookie	   ? SKS_SAID_SOCKET
						   : SKS_SAID_PASS;
		return 0;
	}
	/* Of SO_REUSEPORT sockets the kernel has yet to choose one, and says none here. */
	if (errno == EOPNOTSUPP)
		*ret_said = SKS_SAID_GROUP;
	return errno == EOPNOTSUPP || errno == ENOTSUPP ? 0 : -errno;
}
