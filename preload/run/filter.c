/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the seccomp filter: which system calls of the command wait for our answer. */
#include "filter.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../common/cleanup.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5) /* Linux 5.19 */
#endif
#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

#define MAX_INSTRUCTIONS 512

/* Of another architecture than ours, as its numbers and its socketcall(2) are its own. */
static int add_foreign(scmp_filter_ctx filter, uint32_t arch)
{
	scmp_filter_ctx foreign = seccomp_init(SCMP_ACT_ALLOW);
	int err = foreign ? 0 : -ENOMEM;

	err = err ? err : seccomp_attr_set(foreign, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ALLOW);
	err = err ? err : seccomp_arch_remove(foreign, SCMP_ARCH_NATIVE);
	err = err ? err : seccomp_arch_add(foreign, arch);
	err = err ? err : seccomp_rule_add(foreign, SCMP_ACT_NOTIFY, SCMP_SYS(bind), 0);
	err = err ? err : seccomp_rule_add(foreign, SCMP_ACT_NOTIFY, SCMP_SYS(listen), 0);
	err = err ? err : seccomp_merge(filter, foreign);
	if (err && foreign)
		seccomp_release(foreign);
	return err;
}

static int add_rules(scmp_filter_ctx filter)
{
	/* The kernel takes an int there, whatever is in the register's upper half. */
	const struct scmp_arg_cmp is_mptcp = {
		.arg = 2,
		.op = SCMP_CMP_MASKED_EQ,
		.datum_a = UINT32_MAX,
		.datum_b = IPPROTO_MPTCP,
	};
	int err = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ALLOW);

	err = err ? err : seccomp_rule_add(filter, SCMP_ACT_NOTIFY, SCMP_SYS(bind), 0);
	err = err ? err : seccomp_rule_add(filter, SCMP_ACT_NOTIFY, SCMP_SYS(listen), 0);
	err = err ? err
		  : seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPROTONOSUPPORT),
					   SCMP_SYS(socket), 1, &is_mptcp);
#if defined(__x86_64__) && defined(__LP64__)
	err = err ? err : add_foreign(filter, SCMP_ARCH_X86);
#elif defined(__aarch64__)
	err = err ? err : add_foreign(filter, SCMP_ARCH_ARM);
#endif
	return err;
}

/* libseccomp 2.5 knows fewer flags than the kernel: so it compiles, and we load. */
static int compile(struct sock_filter program[MAX_INSTRUCTIONS], unsigned short *ret_len)
{
	CLEANUP_FD int file = memfd_create("filter", MFD_CLOEXEC);
	scmp_filter_ctx filter;
	ssize_t size;
	int err;

	if (file < 0)
		return -errno;
	filter = seccomp_init(SCMP_ACT_ALLOW);
	if (!filter)
		return -ENOMEM;
	err = add_rules(filter);
	err = err ? err : seccomp_export_bpf(filter, file);
	seccomp_release(filter);
	if (err)
		return err;
	size = pread(file, program, MAX_INSTRUCTIONS * sizeof(*program), 0);
	if (size <= 0 || (size_t)size == MAX_INSTRUCTIONS * sizeof(*program))
		return size < 0 ? -errno : -E2BIG;
	*ret_len = (unsigned short)((size_t)size / sizeof(*program));
	return 0;
}

/*
 * SPEC_ALLOW: a filter of ours is no reason for slower memory. WAIT_KILLABLE_RECV: signals wait
 * until the call has been answered; without it the call may be made again.
 */
static int load(const struct sock_fprog *program)
{
	unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
	long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			  flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, program);

	if (fd < 0 && errno == EINVAL)
		fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, program);
	return fd < 0 ? -errno : (int)fd;
}

int sks_filter_install(int *ret_listener)
{
	struct sock_filter instructions[MAX_INSTRUCTIONS];
	struct sock_fprog program = { .filter = instructions };
	int fd, err = compile(instructions, &program.len);

	if (err)
		return err;
	fd = load(&program);
	if (fd == -EACCES && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		fd = load(&program);
	if (fd < 0)
		return fd;
	*ret_listener = fd;
	return 0;
}

bool sks_filter_is_privileged(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ||
	       (!syscall(SYS_capget, &head, data) && data[0].effective & 1u << CAP_SYS_ADMIN);
}
