/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the system calls that each process of the helper may make (see filter.h). */
#include "filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel.h"
#include "log.h"
#include "sanitized.h"

/* In one list there are the names of all architectures: what one lacks is no rule there. */
#define COUNT(list) (sizeof(list) / sizeof(*(list)))

/* What any of them needs: its records, memory, the log, its end. */
static const int common[] = {
	SCMP_SYS(brk),		SCMP_SYS(clock_gettime),  SCMP_SYS(close),
	SCMP_SYS(exit),		SCMP_SYS(exit_group),	  SCMP_SYS(fstat),
	SCMP_SYS(futex),	SCMP_SYS(getpid),	  SCMP_SYS(getrandom),
	SCMP_SYS(gettid),	SCMP_SYS(lseek),	  SCMP_SYS(madvise),
	SCMP_SYS(mremap),	SCMP_SYS(munmap),	  SCMP_SYS(newfstatat),
	SCMP_SYS(poll),		SCMP_SYS(ppoll),	  SCMP_SYS(read),
	SCMP_SYS(readv),	SCMP_SYS(recvmsg),	  SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sendmsg),	SCMP_SYS(stat),		  SCMP_SYS(statx),
	SCMP_SYS(write),	SCMP_SYS(writev),
};

static const int judge[] = {
	/* connections */
	SCMP_SYS(accept4),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(setitimer),
	SCMP_SYS(shutdown),
	SCMP_SYS(signalfd4),
	SCMP_SYS(uname),
	/* sockets of others and its own: asked what they are, bound where they may not bind */
	SCMP_SYS(bind),
	SCMP_SYS(getpeername),
	SCMP_SYS(getsockname),
	SCMP_SYS(getsockopt),
	SCMP_SYS(recvfrom),
	SCMP_SYS(sendto),
	SCMP_SYS(setsockopt),
	/* maps, programs, links, and their pins */
	SCMP_SYS(bpf),
	SCMP_SYS(access),
	SCMP_SYS(chmod),
	SCMP_SYS(dup3),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(fchmodat),
	SCMP_SYS(getdents64),
	SCMP_SYS(membarrier),
	SCMP_SYS(mkdir),
	SCMP_SYS(mkdirat),
	SCMP_SYS(rename),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(rmdir),
	SCMP_SYS(statfs),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	/* files: what the kernel says in /proc and /sys; the policy file; NSS, which loads plugins
	 * and may ask a daemon */
	SCMP_SYS(connect),
	SCMP_SYS(fcntl),
	SCMP_SYS(fstatfs),
	SCMP_SYS(getegid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getuid),
	SCMP_SYS(lstat),
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(pread64),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(sysinfo),
	/* who asks, and until when */
	SCMP_SYS(capget),
	SCMP_SYS(pidfd_open),
	SCMP_SYS(wait4),
	/* a report */
	SCMP_SYS(fchmod),
	SCMP_SYS(ftruncate),
	SCMP_SYS(memfd_create),
	/* a client that has sent what lingers */
	SCMP_SYS(setitimer),
	/* a taker instead of one that hangs */
	SCMP_SYS(socketpair),
};

static const int holder[] = {
	SCMP_SYS(capget),     SCMP_SYS(fcntl),	  SCMP_SYS(getdents64),
	SCMP_SYS(getsockopt), SCMP_SYS(lstat),	  SCMP_SYS(pidfd_getfd),
	SCMP_SYS(pidfd_open), SCMP_SYS(readlink), SCMP_SYS(readlinkat),
};

/* What libbpf does besides, to learn what the kernel can; and sendto(2) of the log. */
static const int loader[] = {
	SCMP_SYS(access), SCMP_SYS(dup3),   SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
	SCMP_SYS(fcntl),  SCMP_SYS(sendto), SCMP_SYS(uname),
};

static const int loader_commands[] = {
	BPF_MAP_CREATE, BPF_MAP_UPDATE_ELEM,	BPF_MAP_FREEZE,	   BPF_PROG_LOAD,
	BPF_BTF_LOAD,	BPF_OBJ_GET_INFO_BY_FD, BPF_PROG_BIND_MAP,
};

/*
 * What strangers send is received, looked at, bound, connected and put into a map; reply sockets
 * are ended by netlink.
 */
static const int taker[] = {
	SCMP_SYS(bind),	       SCMP_SYS(connect),    SCMP_SYS(getpeername),
	SCMP_SYS(getsockname), SCMP_SYS(getsockopt), SCMP_SYS(recvfrom),
	SCMP_SYS(sendto),      SCMP_SYS(setitimer),  SCMP_SYS(uname),
};

/* With CAP_NET_ADMIN there are some that change more than a socket. */
static const struct {
	int level, name;
} taker_options[] = {
	{ SOL_SOCKET, SO_LINGER },
	{ SOL_SOCKET, SO_ATTACH_FILTER },
	{ SOL_SOCKET, SO_LOCK_FILTER },
	{ SOL_SOCKET, SO_REUSEADDR },
	{ IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT },
	{ IPPROTO_IP, IP_MULTICAST_ALL },
	{ IPPROTO_IP, IP_FREEBIND },
	{ IPPROTO_IPV6, IPV6_FREEBIND },
	{ IPPROTO_IPV6, IPV6_V6ONLY },
};

/* Besides, to start takers, which then do without. */
static const int takers[] = {
	SCMP_SYS(clone),   SCMP_SYS(clone3),  SCMP_SYS(close_range),	 SCMP_SYS(fork),
	SCMP_SYS(getppid), SCMP_SYS(prctl),   SCMP_SYS(prlimit64),	 SCMP_SYS(setrlimit),
	SCMP_SYS(rseq),	   SCMP_SYS(seccomp), SCMP_SYS(set_robust_list), SCMP_SYS(set_tid_address),
};

static int allow(scmp_filter_ctx ctx, const int *calls, size_t n)
{
	int err = 0;

	for (size_t i = 0; !err && i < n; i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
	return err;
}

/* Whose argument, masked, is the value. */
static int allow_if(scmp_filter_ctx ctx, int call, unsigned int arg, scmp_datum_t mask,
		    scmp_datum_t value)
{
	const struct scmp_arg_cmp is = { arg, SCMP_CMP_MASKED_EQ, mask, value };

	return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, call, 1, &is);
}

/* Memory that is written and then run as a program is for those who break in. */
static int allow_memory(scmp_filter_ctx ctx)
{
	static const scmp_datum_t both = PROT_WRITE | PROT_EXEC;

	return allow_if(ctx, SCMP_SYS(mmap), 2, both, 0)
		       ?: allow_if(ctx, SCMP_SYS(mmap), 2, both, PROT_WRITE)
		       ?: allow_if(ctx, SCMP_SYS(mmap), 2, both, PROT_EXEC)
		       ?: allow_if(ctx, SCMP_SYS(mprotect), 2, PROT_EXEC, 0);
}

static int allow_reading(scmp_filter_ctx ctx)
{
	static const scmp_datum_t how = O_ACCMODE | O_CREAT | O_TRUNC;

	return allow_if(ctx, SCMP_SYS(open), 1, how, O_RDONLY)
		       ?: allow_if(ctx, SCMP_SYS(openat), 2, how, O_RDONLY);
}

static int allow_socket(scmp_filter_ctx ctx, int domain)
{
	return allow_if(ctx, SCMP_SYS(socket), 0, ~(scmp_datum_t)0, (scmp_datum_t)domain);
}

/* abort(3) */
static int allow_own_end(scmp_filter_ctx ctx)
{
	return allow_if(ctx, SCMP_SYS(tgkill), 0, ~(scmp_datum_t)0, (scmp_datum_t)getpid());
}

static int for_judge(scmp_filter_ctx ctx)
{
	/* Whose namespace it is; whether a file is a terminal. */
	static const int ioctls[] = { SIOCGSKNS, NS_GET_USERNS, NS_GET_PARENT, NS_GET_OWNER_UID,
				      TCGETS };
	/* The namespace that is its own: to ask sock_diag(7), and which ports are free. NSS. */
	static const int domains[] = { AF_UNIX, AF_NETLINK, AF_INET, AF_INET6 };
	int err = allow(ctx, judge, COUNT(judge));

	for (size_t i = 0; !err && i < COUNT(ioctls); i++)
		err = allow_if(ctx, SCMP_SYS(ioctl), 1, UINT32_MAX, (scmp_datum_t)ioctls[i]);
	for (size_t i = 0; !err && i < COUNT(domains); i++)
		err = allow_socket(ctx, domains[i]);
	if (!err && !sks_kernel_has_barrier())
		err = allow_socket(ctx, AF_PACKET);
	/* What libcap asks when a plugin of NSS brings it along. */
	if (!err)
		err = allow_if(ctx, SCMP_SYS(prctl), 0, ~(scmp_datum_t)0, PR_CAPBSET_READ);
	/* libbpf sees to RLIMIT_MEMLOCK where memory of maps is counted by it, before 5.11. */
	return err ?: allow_if(ctx, SCMP_SYS(prlimit64), 0, ~(scmp_datum_t)0, 0);
}

static int for_inside(scmp_filter_ctx ctx)
{
	static const int domains[] = { AF_NETLINK, AF_INET, AF_INET6 };
	int err = allow_if(ctx, SCMP_SYS(setns), 1, UINT32_MAX, CLONE_NEWNET) ?: allow_reading(ctx);

	for (size_t i = 0; !err && i < COUNT(domains); i++)
		err = allow_socket(ctx, domains[i]);
	return err;
}

static int for_holder(scmp_filter_ctx ctx)
{
	return allow(ctx, holder, COUNT(holder)) ?: allow_reading(ctx);
}

static int for_loader(scmp_filter_ctx ctx)
{
	int err = allow(ctx, loader, COUNT(loader)) ?: allow_reading(ctx);

	for (size_t i = 0; !err && i < COUNT(loader_commands); i++)
		err = allow_if(ctx, SCMP_SYS(bpf), 0, UINT32_MAX, (scmp_datum_t)loader_commands[i]);
	if (!err) /* the log's, too: is it a terminal? */
		err = allow_if(ctx, SCMP_SYS(ioctl), 1, UINT32_MAX, TCGETS);
	/* libbpf sees to RLIMIT_MEMLOCK where memory of maps is counted by it, before 5.11. */
	return err ?: allow_if(ctx, SCMP_SYS(prlimit64), 0, ~(scmp_datum_t)0, 0);
}

static int allow_options(scmp_filter_ctx ctx)
{
	int err = 0;

	for (size_t i = 0; !err && i < COUNT(taker_options); i++) {
		const struct scmp_arg_cmp is[] = {
			{ 1, SCMP_CMP_MASKED_EQ, UINT32_MAX, (scmp_datum_t)taker_options[i].level },
			{ 2, SCMP_CMP_MASKED_EQ, UINT32_MAX, (scmp_datum_t)taker_options[i].name },
		};

		err = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2, is);
	}
	return err;
}

static int for_taker(scmp_filter_ctx ctx)
{
	return allow(ctx, taker, COUNT(taker))
		       ?: allow_if(ctx, SCMP_SYS(fcntl), 1, UINT32_MAX, F_GET_SEALS)
		       ?: allow_options(ctx)
		       ?: allow_if(ctx, SCMP_SYS(shutdown), 1, UINT32_MAX, SHUT_RD)
		       ?: allow_if(ctx, SCMP_SYS(shutdown), 1, UINT32_MAX, SHUT_RDWR)
		       ?: allow_if(ctx, SCMP_SYS(bpf), 0, UINT32_MAX, BPF_MAP_UPDATE_ELEM)
		       ?: allow_if(ctx, SCMP_SYS(bpf), 0, UINT32_MAX, BPF_MAP_DELETE_ELEM);
}

static int for_takers(scmp_filter_ctx ctx)
{
	return for_taker(ctx) ?: allow(ctx, takers, COUNT(takers));
}

static int install(int (*own)(scmp_filter_ctx ctx))
{
	scmp_filter_ctx ctx;
	int err;

	if (SKS_SANITIZED)
		return 0;
	ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (!ctx)
		return -ENOMEM;
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_API_SYSRAWRC, 1);
	/* A tree, as the list is long, and those with arguments are looked up in it. */
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	err = allow(ctx, common, COUNT(common)) ?: allow_memory(ctx) ?: allow_own_end(ctx);
	err = err ?: own(ctx);
	if (!err) {
		err = seccomp_load(ctx);
		if (err == -EINVAL || err == -ENOSYS) {
			sks_log(SKS_LOG_WARNING, "no filter for system calls: %s", strerror(-err));
			err = 0;
		}
	}
	seccomp_release(ctx);
	return err;
}

int sks_filter_judge(void)
{
	return install(for_judge);
}

int sks_filter_inside(void)
{
	return install(for_inside);
}

int sks_filter_holder(void)
{
	return install(for_holder);
}

int sks_filter_loader(void)
{
	return install(for_loader);
}

int sks_filter_takers(void)
{
	return install(for_takers);
}

int sks_filter_taker(void)
{
	return install(for_taker);
}
