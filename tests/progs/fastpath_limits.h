/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the connection of fastpath_limits.c, and what takes its data past TCP. Included there only. */
#ifndef SKSTEER_TESTS_FASTPATH_LIMITS_H
#define SKSTEER_TESTS_FASTPATH_LIMITS_H

#include <err.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int to, from; /* the receiver, the sender */
static int to_map = -1;

static void need(bool ok, const char *what)
{
	if (!ok)
		err(2, "%s", what);
}

static int bpf(int cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static int make_map(void)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_SOCKMAP, .key_size = 4, .value_size = 4 };
	int fd;

	attr.max_entries = 1;
	fd = bpf(BPF_MAP_CREATE, &attr);
	need(fd >= 0, "BPF_MAP_CREATE");
	return fd;
}

/* The map's only entry: puts that socket there, or takes out what is. */
static void change(int map, int cmd, const int *sock)
{
	__u32 key = 0;
	union bpf_attr attr = { .map_fd = (__u32)map };

	attr.key = (__u64)(unsigned long)&key;
	attr.value = (__u64)(unsigned long)sock;
	need(!bpf(cmd, &attr), "changing a map");
}

/* return bpf_msg_redirect_map(msg, to_map, 0, BPF_F_INGRESS), which is SK_PASS; or just that. */
static int load_program(bool redirects)
{
	struct bpf_insn insns[] = {
		{ BPF_LD | BPF_DW | BPF_IMM, BPF_REG_2, BPF_PSEUDO_MAP_FD, 0, to_map },
		{ 0 },
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0, 0 },
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_4, 0, 0, BPF_F_INGRESS },
		{ BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_msg_redirect_map },
		{ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },
	};
	struct bpf_insn pass[] = {
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, SK_PASS },
		{ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },
	};
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_SK_MSG };
	int fd;

	attr.insns = (__u64)(unsigned long)(redirects ? insns : pass);
	attr.insn_cnt = redirects ? sizeof(insns) / sizeof(*insns) : sizeof(pass) / sizeof(*pass);
	attr.license = (__u64)(unsigned long)"GPL";
	fd = bpf(BPF_PROG_LOAD, &attr);
	need(fd >= 0, "BPF_PROG_LOAD");
	return fd;
}

static void divert(bool redirects)
{
	union bpf_attr attr = { .attach_type = BPF_SK_MSG_VERDICT };
	int from_map = make_map();

	to_map = make_map();
	attr.target_fd = (__u32)from_map;
	attr.attach_bpf_fd = (__u32)load_program(redirects);
	need(!bpf(BPF_PROG_ATTACH, &attr), "BPF_PROG_ATTACH");
	change(to_map, BPF_MAP_UPDATE_ELEM, &to);
	change(from_map, BPF_MAP_UPDATE_ELEM, &from);
}

static void connect_both(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	need(!bind(listener, (struct sockaddr *)&addr, len) && !listen(listener, 1), "listen");
	need(!getsockname(listener, (struct sockaddr *)&addr, &len), "getsockname");
	from = socket(AF_INET, SOCK_STREAM, 0);
	need(!connect(from, (struct sockaddr *)&addr, len), "connect");
	to = accept(listener, NULL, NULL);
	need(to >= 0, "accept");
	close(listener);
}

#endif
