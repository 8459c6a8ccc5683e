/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the real side of dispatch_test.c: a network namespace with the loaded program, sockets, and
 * the verdict on a packet that was never sent (BPF_PROG_TEST_RUN).
 */
#ifndef SKSTEER_DISPATCH_REAL_H
#define SKSTEER_DISPATCH_REAL_H

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../helper/space.h"
#include "dispatch_model.h"

static char real_dir[] = "/tmp/sksteer-dispatch-XXXXXX";
static struct sks_spaces real_spaces;
static struct sks_space *space;
static int real_netns = -1, real_program = -1;

/* For what the test itself needs: without it nothing can be said about the code under test. */
static void need(bool ok, const char *what)
{
	if (!ok) {
		printf("Bail out! %s: %s\n", what, strerror(errno));
		exit(1);
	}
}

static void need_done(int err, const char *what)
{
	errno = -err;
	need(err == 0, what);
}

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

/*
 * What the program and the maps are loaded, attached and changed with is CAP_BPF and CAP_NET_ADMIN
 * alone: the verifier lets a program do less then.
 */
static void real_restrict(bool on)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	need(!syscall(SYS_capget, &header, data), "capget");
	data[0].effective = data[0].permitted;
	data[1].effective = data[1].permitted;
	if (on) {
		data[0].effective &= 1u << CAP_NET_ADMIN;
		data[1].effective &= 1u << (CAP_BPF - 32);
	}
	need(!syscall(SYS_capset, &header, data), "capset");
}

static void real_stop(void)
{
	real_restrict(false);
	while (real_spaces.n)
		sks_spaces_remove(&real_spaces, real_spaces.spaces[0]);
	(void)umount2(real_dir, MNT_DETACH);
	(void)rmdir(real_dir);
}

static void real_start(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	struct stat st;
	int sock;

	need(mkdtemp(real_dir) != NULL, "mkdtemp");
	need(unshare(CLONE_NEWNS | CLONE_NEWNET) == 0, "unshare, as root");
	/* In a chroot that is no mount point there is nothing to make private. */
	(void)mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
	need(mount("bpf", real_dir, "bpf", 0, "mode=0700") == 0, "mount bpffs");
	atexit(real_stop);
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	need(sock >= 0 && ioctl(sock, SIOCSIFFLAGS, &lo) == 0, "lo up");
	close(sock);
	real_netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	need(real_netns >= 0 && fstat(real_netns, &st) == 0, "/proc/self/ns/net");
	real_restrict(true);
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
static struct m_socket real_socket(uint8_t proto, uint8_t families)
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
	return (struct m_verdict){ ctx.cookie ? M_SOCKET : M_PASS, ctx.cookie };
}

#endif
