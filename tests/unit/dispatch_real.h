/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the real side of dispatch_test.c: a network namespace with the loaded program, sockets, and
 * the verdict on a packet that was never sent (BPF_PROG_TEST_RUN).
 */
#ifndef SKSTEER_DISPATCH_REAL_H
#define SKSTEER_DISPATCH_REAL_H

#include <bpf/bpf.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../helper/space.h"
#include "dispatch_model.h"
#include "stage.h"

static char real_dir[] = "/tmp/sksteer-dispatch-XXXXXX";
static struct sks_spaces real_spaces;
static struct sks_space *space;
static int real_netns = -1, real_program = -1;

/* The program is another one when the helper has started anew, or a map has grown. */
static void real_open_program(void)
{
	static uint32_t generation;
	char path[512];

	if (real_program >= 0 && generation == space->maps.ports->head.generation)
		return;
	generation = space->maps.ports->head.generation;
	if (real_program >= 0)
		close(real_program);
	snprintf(path, sizeof(path), "%s/program", space->dir);
	real_program = bpf_obj_get(path);
	need(real_program >= 0, path);
}

static void real_stop(void)
{
	stage_restrict(false);
	while (real_spaces.n)
		sks_spaces_remove(&real_spaces, real_spaces.spaces[0]);
	stage_close(real_dir);
}

static void real_start(void)
{
	struct stat st;

	real_netns = stage_open(real_dir);
	atexit(real_stop);
	need(fstat(real_netns, &st) == 0, "/proc/self/ns/net");
	stage_restrict(true);
	need_done(sks_spaces_open(&real_spaces, real_dir), "sks_spaces_open");
	need_done(sks_spaces_get(&real_spaces, real_netns, st.st_ino, &space), "sks_spaces_get");
}

/* The helper is killed here and now, and the next one takes up what it finds. */
static void real_crash(void)
{
	sks_spaces_close(&real_spaces);
	need_done(sks_spaces_open(&real_spaces, real_dir), "sks_spaces_open after a crash");
	need_done(sks_spaces_take_up(&real_spaces), "sks_spaces_take_up");
	errno = ENOENT;
	need(real_spaces.n == 1, "the namespace of before a crash");
	space = real_spaces.spaces[0];
}

/* A socket that serves these families; its own port does not matter to the program. */
__attribute__((unused)) static struct m_socket real_socket(uint8_t proto, uint8_t families)
{
	int type = proto == SKS_UDP ? SOCK_DGRAM : SOCK_STREAM;
	bool v6 = families & SKS_SERVES_V6;
	int v6only = !(families & SKS_SERVES_V4);
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct m_socket s = { .families = families };
	socklen_t len = sizeof(s.cookie);

	s.fd = socket(v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0);
	need(s.fd >= 0, "socket");
	if (v6)
		need(!setsockopt(s.fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) &&
			     !bind(s.fd, (struct sockaddr *)&in6, sizeof(in6)),
		     "bind, IPv6");
	else
		need(!bind(s.fd, (struct sockaddr *)&in, sizeof(in)), "bind, IPv4");
	need(proto == SKS_UDP || !listen(s.fd, 1), "listen");
	need(!getsockopt(s.fd, SOL_SOCKET, SO_COOKIE, &s.cookie, &len), "SO_COOKIE");
	return s;
}

__attribute__((unused)) static void real_silence(const struct m_socket *s, uint8_t proto)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(9) };
	struct sockaddr_in to4 = { .sin_family = AF_INET, .sin_port = htons(9) };

	to.sin6_addr = in6addr_loopback;
	to4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (proto == SKS_TCP)
		need(!shutdown(s->fd, SHUT_RD), "shutdown");
	else if (s->families & SKS_SERVES_V6)
		need(!connect(s->fd, (struct sockaddr *)&to, sizeof(to)), "connect, IPv6");
	else
		need(!connect(s->fd, (struct sockaddr *)&to4, sizeof(to4)), "connect, IPv4");
}

__attribute__((unused)) static struct m_verdict real_verdict(const struct m_packet *p)
{
	struct bpf_sk_lookup ctx = {
		.family = m_family(p->family),
		.protocol = p->proto == SKS_UDP ? IPPROTO_UDP : IPPROTO_TCP,
		.remote_port = htons(40000),
		.local_port = p->port,
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx),
		    .ctx_out = &ctx, .ctx_size_out = sizeof(ctx));

	if (p->family == SKS_V6)
		memcpy(ctx.local_ip6, p->addr, sizeof(ctx.local_ip6));
	else
		memcpy(&ctx.local_ip4, p->addr, sizeof(ctx.local_ip4));
	real_open_program();
	need(bpf_prog_test_run_opts(real_program, &opts) == 0, "BPF_PROG_TEST_RUN");
	if (opts.retval == SK_DROP)
		return (struct m_verdict){ .kind = M_DROP };
	return (struct m_verdict){ .kind = ctx.cookie ? M_SOCKET : M_PASS, .cookie = ctx.cookie };
}

#endif
